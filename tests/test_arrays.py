"""The array functions: particular images, inputs of all kinds, and errors for wrong arguments.

test_suites.py compares them with `badpix_selfcal.arrays.reference` by the public property tests.
"""

from __future__ import annotations

import re
import tracemalloc
import warnings
from functools import partial

import numpy as np
import numpy.ma
import pytest
from astropy import units
from astropy.nddata import CCDData, NDData
from astropy.utils.masked import Masked

import badpix_selfcal as bps
from badpix_selfcal import SelfcalWarning
from badpix_selfcal.arrays import RunningMinimum, reference
from badpix_selfcal.testing import assert_same


def test_infinite_residuals_are_flagged_and_do_not_prevent_other_flags():
    rng = np.random.default_rng(8)
    image = rng.normal(size=(200, 200))
    image[20:81, 60] = np.inf
    image[100, 100] = 1e6
    found = bps.find_bad_pixels(image, dispaxis=1)
    assert found.mask[20:81, 60].all()
    assert found.mask[100, 100]
    assert np.isfinite([found.cut_low, found.cut_high]).all()


def test_means_of_the_largest_values_stay_finite():
    largest = np.finfo(np.float32).max
    line = np.full(4, largest, np.float32)
    assert_same(bps.median_filter(line, 3, edge="shrink"), line)
    assert bps.pedestal(line[np.newaxis], (0, 1, 0, 2)) == largest


def test_shrinking_edges_cause_no_extra_flags_near_the_border():
    image = np.random.default_rng(0).normal(100, 1, size=(200, 200))

    def share_of_border(edge):
        mask = bps.find_bad_pixels(image, dispaxis=2, edge=edge).mask
        return 1 - mask[7:-7].sum() / mask.sum()

    # The border rows hold 7 % of the pixels.
    assert share_of_border("zero") > 0.25
    assert share_of_border("shrink") < 0.15


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f4", "<f8"])
def test_exposures_are_read_in_either_byte_order_without_a_copy(dtype):
    image = np.zeros((1000, 1000), dtype)
    running = RunningMinimum()
    running.fold(image)
    tracemalloc.start()
    try:
        running.fold(image, 1.0)
        bps.pedestal(image, (0, 10, 0, 10))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (running.image == -1).all()
    assert peak < 100_000


FORMS = {
    "big-endian": lambda image: image.astype(image.dtype.newbyteorder(">")),
    "Fortran order": np.asfortranarray,
    "strided": lambda image: np.repeat(np.repeat(image, 2, 0), 3, 1)[::2, ::3],
    "reversed": lambda image: image[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": lambda image: np.frombuffer(image.tobytes(), image.dtype).reshape(image.shape),
    "unaligned": lambda image: _unaligned(image),
    "nested lists": lambda image: image.tolist(),
}


def _unaligned(image):
    buffer = np.zeros(image.nbytes + 1, np.uint8)
    view = buffer[1:].view(image.dtype).reshape(image.shape)
    view[...] = image
    return view


@pytest.mark.parametrize(
    ("form", "dtype"),
    [(form, np.float64) for form in FORMS]
    # Lists are double precision.
    + [(form, np.float32) for form in FORMS if form != "nested lists"],
)
def test_any_layout_has_the_same_results(form, dtype):
    image = np.random.default_rng(3).normal(size=(20, 30)).astype(dtype)
    image[3, 4:9] = np.nan
    other = FORMS[form](image)
    gap = (2, 12, 3, 20)
    assert_same(bps.median_filter(other, 5, axis=0), bps.median_filter(image, 5, axis=0))
    assert_same(bps.median_filter(other, (3, 5)), bps.median_filter(image, (3, 5)))
    assert bps.pedestal(other, gap) == bps.pedestal(image, gap)
    assert_same(bps.minimum_image([other, other]), bps.minimum_image([image]))
    assert_same(bps.percentiles(other, [5.0, 50.0]), bps.percentiles(image, [5.0, 50.0]))
    found, expected = (bps.find_bad_pixels(each, dispaxis=None) for each in (other, image))
    assert_same(found.residual, expected.residual)


@pytest.mark.parametrize(
    ("dtype", "computed"),
    [
        (np.float16, np.float32),
        (np.longdouble, np.float64),
        (np.int8, np.float64),
        (np.uint16, np.float64),
        (np.int64, np.float64),
        (">i4", np.float64),
    ],
)
def test_other_dtypes_are_converted(dtype, computed):
    image = np.random.default_rng(3).integers(0, 100, size=(9, 8)).astype(dtype)
    assert_same(
        bps.median_filter(image, 3, axis=1),
        bps.median_filter(image.astype(computed), 3, axis=1),
    )
    assert bps.minimum_image([image]).dtype == computed


def test_a_minimum_of_one_exposure_is_a_new_array():
    image = np.ones((2, 3))
    minimum = bps.minimum_image([image])
    minimum[:] = 0
    assert image.sum() == 6


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_images_without_pixels(shape):
    image = np.zeros(shape)
    assert bps.median_filter(image, 3, axis=0).shape == shape
    assert bps.median_filter(image, 3).shape == shape
    assert np.isnan(bps.pedestal(image, (0, 1, 0, 1)))
    assert np.isnan(bps.percentiles(image, [50.0])).all()
    assert bps.find_bad_pixels(image, dispaxis=None).n_high == 0


IMAGE = np.zeros((4, 5))
find = partial(bps.find_bad_pixels, dispaxis=1)
WRONG = [
    (lambda: bps.pedestal(IMAGE[0], (0, 1, 0, 1)), ValueError, "image must be 2-D"),
    (lambda: bps.pedestal(IMAGE, IMAGE[1:] > 0), ValueError, "gap must have the image's shape"),
    (lambda: bps.pedestal(IMAGE, (0, 1, 0)), ValueError, "gap must be (y0, y1, x0, x1)"),
    (lambda: bps.pedestal(IMAGE, (0, 1.5, 0, 1)), TypeError, "gap must be a boolean mask or"),
    (lambda: bps.pedestal(IMAGE, (3, 1, 0, 1)), ValueError, "gap must have 0 <= y0 <= y1"),
    (lambda: bps.pedestal(IMAGE, (-1, 1, 0, 1)), ValueError, "gap must have 0 <= y0 <= y1"),
    (lambda: bps.pedestal(IMAGE, (0, 1, -1, 1)), ValueError, "and 0 <= x0 <= x1, got (0, 1, -1"),
    (lambda: bps.minimum_image([]), ValueError, "images must hold at least one exposure"),
    (lambda: bps.minimum_image(IMAGE), ValueError, "images[0] must be 2-D, got shape (5,)"),
    (lambda: bps.minimum_image([IMAGE, IMAGE.T]), ValueError, "images[1] has shape (5, 4)"),
    (lambda: bps.minimum_image([IMAGE] * 2 + [IMAGE.T]), ValueError, "images[2] has shape (5, 4)"),
    (lambda: bps.minimum_image([IMAGE], [np.nan]), ValueError, "pedestals[0] must be finite"),
    (lambda: bps.minimum_image([IMAGE.astype("f4")], [1e300]), ValueError, "must be finite, got 1"),
    (lambda: bps.minimum_image([IMAGE], []), ValueError, "pedestals must be as many as images"),
    (lambda: bps.minimum_image([IMAGE], [1, 2]), ValueError, "pedestals must be as many as"),
    (lambda: bps.percentiles(IMAGE, [101.0]), ValueError, "q must be from 0 to 100"),
    (lambda: bps.percentiles(IMAGE, [np.nan]), ValueError, "q must be from 0 to 100"),
    (lambda: find(IMAGE[0]), ValueError, "minimum must be 2-D"),
    (lambda: find(IMAGE, kernel_size=14), ValueError, "must be odd, got 14"),
    (lambda: find(IMAGE, dispaxis=3), ValueError, "dispaxis must be 1"),
    (lambda: find(IMAGE, dispaxis="auto"), ValueError, "dispaxis must be 1"),
    (lambda: find(IMAGE, dispaxis=True), ValueError, "dispaxis must be 1"),
    (lambda: bps.find_bad_pixels(IMAGE), TypeError, "'dispaxis'"),
    (lambda: reference.find_bad_pixels(IMAGE), TypeError, "'dispaxis'"),
    (lambda: find(IMAGE, flagfrac_lower=0.6), ValueError, "flagfrac_lower must be"),
    (lambda: find(IMAGE, flagfrac_upper=-1), ValueError, "flagfrac_upper must be"),
    (lambda: find(IMAGE, flagfrac_upper=np.nan), ValueError, "flagfrac_upper"),
    (lambda: find(IMAGE, flagfrac_upper="a"), TypeError, "flagfrac_upper must be"),
    (lambda: find(IMAGE, edge=None), ValueError, "edge must be 'auto', 'zero' or 'shrink'"),
]


@pytest.mark.parametrize(("call", "error", "words"), WRONG, ids=[words for *_, words in WRONG])
def test_wrong_arguments_are_named(call, error, words):
    with pytest.raises(error, match=re.escape(words)):
        call()


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


DETECTOR = np.zeros((1024, 1032), np.float32)


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
        level = bps.pedestal(DETECTOR, gap)
    assert np.isnan(level) == (part == "nothing")
    assert [str(each.message) for each in warned] == [
        f"gap {gap}: {part} of it lies inside the image of shape (1024, 1032); it is "
        "(y0, y1, x0, x1)"
    ]
    assert warned[0].filename == __file__


@pytest.mark.parametrize("gap", [(50, 974, 474, 507), (0, 2048, 0, 1032), (5, 5, 0, 9000)])
def test_a_gap_that_lies_mostly_inside_or_is_empty_causes_none(gap):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bps.pedestal(DETECTOR, gap)
