"""Arrays that carry a mask or a unit, and gaps beyond the image: errors and warnings that help."""

from __future__ import annotations

import re
import warnings

import numpy as np
import numpy.ma
import pytest
from astropy import units
from astropy.nddata import CCDData, NDData
from astropy.utils.masked import Masked

import badpix_selfcal as bps
from badpix_selfcal import SelfcalWarning
from badpix_selfcal.instrument import DETECTORS, within
from badpix_selfcal.simulate import simulate

from .exposures import MRS, observation, sky
from .pools import pool

VALUES = np.random.default_rng(1).normal(100, 10, (30, 40))
MASK = np.random.default_rng(2).random(VALUES.shape) < 0.1


def with_nan(dtype):
    """Return the values in a type, with NaN where they are masked."""
    values = VALUES.astype(dtype)
    return np.where(MASK, np.nan, values if values.dtype.kind == "f" else values.astype(float))


def advised(image):
    """Return what the error advises to pass instead of an image."""
    with pytest.raises(TypeError) as caught:
        bps.median_filter(image, 3)
    found = re.fullmatch(r"image is a \w+; pass (.*)", str(caught.value))
    assert found, caught.value
    return eval(found[1], {"image": image, "numpy": numpy})


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", "i2", "i4", "u2"])
@pytest.mark.parametrize("kind", ["numpy", "astropy", "NDData", "CCDData"])
def test_the_advice_for_a_masked_array_works(kind, dtype):
    values = VALUES.astype(dtype)
    image = {
        "numpy": lambda: np.ma.masked_array(values, MASK),
        "astropy": lambda: Masked(values, MASK),
        "NDData": lambda: NDData(values, mask=MASK),
        "CCDData": lambda: CCDData(values, mask=MASK, unit="DN"),
    }[kind]()
    instead = advised(image)
    np.testing.assert_array_equal(instead, with_nan(dtype))
    assert instead.dtype.itemsize == (4 if "f4" in dtype else 8)
    np.testing.assert_array_equal(
        bps.median_filter(instead, 3), bps.median_filter(with_nan(dtype), 3)
    )


@pytest.mark.parametrize(
    "image", [CCDData(VALUES, unit="DN"), NDData(VALUES, unit=units.Jy)], ids=["CCDData", "NDData"]
)
def test_the_unit_of_a_container_is_not_dropped_in_silence(image):
    assert advised(image) is image.data


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4"])
def test_the_advice_for_a_quantity_works(dtype):
    """Its unit was dropped in silence."""
    values = VALUES.astype(dtype)
    np.testing.assert_array_equal(advised(values * units.Jy), values)
    np.testing.assert_array_equal(advised(Masked(values * units.Jy, MASK)), with_nan(dtype))


def listed(image):
    """Return the images of a list in which an array is, in several forms."""
    return [[image, image], (image[0], image[1]), [[image], [image]], [[1.0] * 40, image[0]]]


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (lambda: np.ma.masked_array(VALUES, MASK), "each.filled(numpy.nan)"),
        (lambda: Masked(VALUES, MASK), "each.filled(numpy.nan)"),
        (lambda: VALUES * units.m, "each.value"),
        (lambda: Masked(VALUES * units.m, MASK), "each.value.filled(numpy.nan)"),
    ],
    ids=["masked", "Masked", "Quantity", "masked Quantity"],
)
def test_a_list_of_arrays_with_masks_or_units_is_refused(kind, advice, number):
    """NumPy dropped the masks and the units."""
    image = listed(kind())[number]
    with pytest.raises(TypeError, match=r"^image is a list that holds a ") as caught:
        bps.percentiles(image, [50])
    assert f"({advice} for each of them)" in str(caught.value)


def test_a_masked_number_in_a_list_is_refused():
    with pytest.raises(TypeError, match="holds a MaskedConstant"):
        bps.median_filter([1.0, np.ma.masked, 2.0], 3)


def test_lists_of_numbers_are_taken():
    assert bps.median_filter([1, 9, 2], 3).tolist() == [1, 2, 2]
    assert bps.median_filter([[1, 9.0, 2], (np.float32(1), 9, 2)], 3, axis=1).shape == (2, 3)


@pytest.mark.parametrize("kind", [np.ma.masked_array, Masked])
def test_a_gap_with_a_mask_is_refused(kind):
    gap = kind(VALUES > 100, MASK)
    with pytest.raises(TypeError, match=r"gap is a \w+; pass gap\.filled\(False\)"):
        bps.pedestal(VALUES, gap)
    assert np.isfinite(bps.pedestal(VALUES, gap.filled(False)))


@pytest.mark.parametrize(
    "call",
    [
        lambda image: bps.find_bad_pixels(image, dispaxis=1),
        lambda image: bps.pedestal(image, (0, 3, 0, 3)),
        lambda image: bps.percentiles(image, [50.0]),
        lambda image: bps.minimum_image([VALUES, image]),
    ],
    ids=["find_bad_pixels", "pedestal", "percentiles", "minimum_image"],
)
@pytest.mark.parametrize("kind", [CCDData, np.ma.masked_array])
def test_every_function_refuses_it_by_name(call, kind):
    how = {"unit": "DN"} if kind is CCDData else {}
    with pytest.raises(TypeError, match=r"(image|minimum|images\[1\]) is a (CCDData|MaskedArray);"):
        call(kind(VALUES, mask=MASK, **how))


IMAGE = np.zeros((1024, 1032), np.float32)


@pytest.mark.parametrize(
    ("gap", "part"),
    [
        ((50, 974, 474, 5070), "only 12 %"),
        ((50, 9740, 474, 507), "only 10 %"),
        ((1000, 1100, 474, 507), "only 24 %"),
        ((5000, 5100, 474, 507), "nothing"),
        ((50, 974, 1032, 1065), "nothing"),
    ],
)
def test_a_gap_beyond_the_image_causes_a_warning(gap, part):
    with pytest.warns(SelfcalWarning) as warned:
        level = bps.pedestal(IMAGE, gap)
    assert np.isnan(level) == (part == "nothing")
    assert [str(each.message) for each in warned] == [
        f"gap {gap}: {part} of it lies inside the image of shape (1024, 1032); it is "
        "(y0, y1, x0, x1)"
    ]
    assert warned[0].filename == __file__


@pytest.fixture
def seen():
    """The warnings of the test, even those that all other tests ignore."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield found


@pytest.mark.parametrize("gap", [(50, 974, 474, 507), (0, 2048, 0, 1032), (5, 5, 0, 9000)])
def test_a_gap_that_lies_mostly_inside_or_is_empty_causes_none(seen, gap):
    bps.pedestal(IMAGE, gap)
    assert seen == []


def test_runs_on_subarrays_cause_none(seen, tmp_path):
    result = bps.selfcal(observation(tmp_path), output_dir=tmp_path / "out")
    level = bps.pedestal(sky(1), within(DETECTORS["MIRIFULONG"].gap, MRS))
    assert result.pedestals[result.members[0]] == level
    (tmp_path / "pool").mkdir()
    pool(tmp_path / "pool")
    bps.batch(tmp_path / "pool", output_dir=tmp_path / "out")
    assert [str(each.message) for each in seen] == []


def test_the_drop_in_on_subarrays_causes_none(tmp_path):
    pytest.importorskip("jwst", reason="needs the extra jwst")
    from badpix_selfcal.jwst import BadpixSelfcalStep

    association = simulate(tmp_path, size=MRS).association
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        BadpixSelfcalStep.call(str(association), skip=False)
    assert [each for each in found if issubclass(each.category, SelfcalWarning)] == []
