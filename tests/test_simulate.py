"""Simulated exposures: their physics against its numbers, their files against jwst."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from badpix_selfcal.detectors import DETECTORS
from badpix_selfcal.dq import DO_NOT_USE, REFERENCE_PIXEL
from badpix_selfcal.simulate import (
    COSMIC_RAY,
    HALO,
    HOT,
    LIGHT_ONLY,
    LOW,
    Settings,
    Simulation,
    simulate,
)
from badpix_selfcal.simulation.defects import REFERENCE_WIDTH, fixed_defects
from badpix_selfcal.simulation.scene import pointing
from badpix_selfcal.simulation.slices import CHANNELS, geometry

from .profiles import share

FIXTURES = [HealthCheck.function_scoped_fixture]  # files of one example replace the last one's
PLANES = ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE")
MAPS = Path(__file__).parents[2] / "shared" / "data" / "miri-mrs-geometry"
GAP_SIZE = (96, 640)  # a region with a part of either MRS gap

# Of the light, only the point source.
SOURCE = replace(LIGHT_ONLY, thermal_scale=0, nebula_fraction=0, fringe_amplitude=0,
                 second_fringe_amplitude=0)  # fmt: skip


def plane(path: Path, name: str = "SCI", version: int = 1) -> np.ndarray:
    return fits.getdata(path, name, version).astype(None if name == "DQ" else "f8")


def fixed(files: Simulation) -> np.ndarray:
    return fits.getdata(files.truth, "DEFECTS")


def cosmic(files: Simulation) -> list[np.ndarray]:
    with fits.open(files.truth) as hdus:
        return [hdu.data != 0 for hdu in hdus if hdu.name == "COSMIC"]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@cache
def full_geometry(name: str):
    detector = DETECTORS[name]
    return geometry(detector, *(np.arange(float(size)) for size in detector.shape))


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> Simulation:
    return simulate(tmp_path_factory.mktemp("long"))


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> Simulation:
    return simulate(tmp_path_factory.mktemp("short"), detector="mirifushort", n_background=4)


@pytest.fixture(scope="module", params=["long", "short"])
def full(request) -> Simulation:
    return request.getfixturevalue(request.param)


# Files as the pipeline reads them


@pytest.mark.parametrize("detector", DETECTORS)
def test_jwst_opens_an_exposure_as_an_ifu_image(tmp_path, detector, recwarn):
    datamodels = pytest.importorskip("jwst.datamodels")
    known = DETECTORS[detector]
    files = simulate(tmp_path, detector=detector, size=40)
    recwarn.clear()
    for path, background in ((files.science[0], False), (files.background[1], True)):
        with datamodels.open(path) as model:
            assert isinstance(model, datamodels.IFUImageModel)
            model.validate()
            for name in ("data", "err", "dq", "var_poisson", "var_rnoise"):
                extension = {"data": "SCI"}.get(name, name.upper())
                np.testing.assert_array_equal(getattr(model, name), fits.getdata(path, extension))
            assert model.dq.dtype == np.uint32
            assert not model.hasattr("var_flat")
            assert model.meta.instrument.name == known.instrument
            assert model.meta.instrument.detector == detector
            assert model.meta.exposure.type == known.exp_type
            assert model.meta.wcsinfo.dispersion_direction == known.dispaxis
            assert model.meta.observation.bkgdtarg is background
            assert model.meta.filename == path.name
            assert model.meta.exposure.ngroups == 45
    assert [str(warning.message) for warning in recwarn] == []


def test_jwst_reads_the_association(tmp_path):
    datamodels = pytest.importorskip("jwst.datamodels")
    files = simulate(tmp_path, size=40)
    container = datamodels.ModelContainer(str(files.association))
    kinds = [model.meta.asn.exptype for model in container]
    assert kinds == ["science", "background", "background", "selfcal", "selfcal"]


def test_the_step_of_jwst_finds_hot_pixels_and_halos(tmp_path, monkeypatch):
    step = pytest.importorskip("jwst.badpix_selfcal").BadpixSelfcalStep
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
    files = simulate(tmp_path, detector="MIRIFUSHORT", size=GAP_SIZE)
    science, backgrounds = step.call(str(files.association), skip=False, flagfrac_lower=0)
    known_before = plane(files.science[0], "DQ") != 0
    found = (science.dq != 0) & ~known_before
    assert science.meta.cal_step.badpix_selfcal == "COMPLETE"
    for model in (science, *backgrounds):
        model.close()
    truth = fixed(files)[found]
    assert truth.size > 40
    assert np.mean(truth & (HOT | HALO) != 0) > 0.95
    assert np.mean(truth & HOT != 0) > 0.7


def test_an_exposure_has_the_cards_the_step_needs(long):
    for path, background in ((long.science[1], False), (long.background[1], True)):
        with fits.open(path) as hdus:
            hdus.verify("exception")
            header = hdus[0].header
            expected = {
                "TELESCOP": "JWST", "INSTRUME": "MIRI", "DETECTOR": "MIRIFULONG",
                "CHANNEL": "34", "BAND": "LONG", "EXP_TYPE": "MIR_MRS", "FILENAME": path.name,
                "DATAMODL": "IFUImageModel", "NGROUPS": 45, "PATT_NUM": 2, "SUBARRAY": "FULL",
                "BKGDTARG": background, "SUBSIZE1": 1032, "SUBSIZE2": 1024,
            }  # fmt: skip
            assert {key: header[key] for key in expected} == expected
            assert header["EFFEXPTM"] == pytest.approx(45 * 2.775)
            assert {"CAL_VER", "DATE-OBS", "TIME-OBS", "TARGPROP"} <= set(header)
            assert [hdu.name for hdu in hdus] == [
                "PRIMARY",
                "SCI",
                "ERR",
                "DQ",
                *PLANES[2:],
                "ASDF",
            ]
            assert hdus["SCI"].header["DISPAXIS"] == 2
            assert hdus["SCI"].header["BUNIT"] == "DN/s"
            assert [hdus[name].header["BITPIX"] for name in PLANES] == [-32] * 4
        raw = fits.getheader(path, "DQ")
        assert (raw["BITPIX"], raw["BZERO"]) == (32, 2**31)


def test_files_are_named_as_in_the_archive(tmp_path):
    files = simulate(tmp_path / "new" / "folder", size=32, n_science=2, n_background=1)
    assert [path.name for path in files.science] == [
        f"jw09999001001_02101_0000{i}_mirifulong_rate.fits" for i in (1, 2)
    ]
    assert files.background[0].name == "jw09999002001_02101_00001_mirifulong_rate.fits"
    assert files.truth.name == "jw09999_mirifulong_truth.fits"
    assert sorted(path.name for path in files.files) == sorted(digests(files.truth.parent))


def test_each_science_exposure_has_its_association(tmp_path):
    files = simulate(tmp_path, size=32, n_science=3, n_background=2)
    assert files.association == files.associations[0]
    for path, science in zip(files.associations, files.science, strict=True):
        stem = science.name.removesuffix("_rate.fits")
        content = json.loads(path.read_text(encoding="utf-8"))
        (product,) = content.pop("products")
        assert path.name == f"{stem}_spec2_asn.json"
        assert product["name"] == stem
        assert [(m["expname"], m["exptype"]) for m in product["members"]] == [
            (science.name, "science"),
            *((p.name, "background") for p in files.background),
            *((p.name, "selfcal") for p in files.science),
        ]
        assert content["asn_type"] == "spec2"
        assert (content["asn_rule"], content["program"]) == ("Asn_Lv2Spec", "09999")
        assert (content["asn_id"], content["asn_pool"]) == ("o001", "jw09999_pool")


def test_the_truth_file_explains_itself(long):
    with fits.open(long.truth) as hdus:
        header = hdus[0].header
        bits = [header[key] for key in ("HOT", "LOW", "COSMIC", "HALO")]
        assert bits == [HOT, LOW, COSMIC_RAY, HALO] == [1, 2, 4, 8]
        names = [hdu.header["EXPNAME"] for hdu in hdus if hdu.name == "COSMIC"]
        assert names == [path.name for path in long.science + long.background]
        assert not np.any(hdus["DEFECTS"].data & ~np.uint8(HOT | LOW | HALO))
        assert set(np.unique(hdus["COSMIC"].data)) == {0, COSMIC_RAY}


# Determinism


def test_equal_arguments_give_equal_bytes_and_other_seeds_other_images(tmp_path):
    a, b, c = (
        simulate(tmp_path / name, size=48, seed=seed)
        for name, seed in (("a", 7), ("b", 7), ("c", 8))
    )
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert not np.array_equal(fixed(a), fixed(c))
    assert not np.array_equal(plane(b.science[0]), plane(c.science[0]), equal_nan=True)


def test_an_exposure_does_not_depend_on_how_many_others_there_are(tmp_path):
    simulate(tmp_path / "few", size=48, n_science=1, n_background=1)
    simulate(tmp_path / "many", size=48, n_science=4, n_background=3)
    few, many = digests(tmp_path / "few"), digests(tmp_path / "many")
    exposures = [name for name in few if name.endswith("_rate.fits")]
    assert len(exposures) == 2
    assert [few[name] for name in exposures] == [many[name] for name in exposures]


def test_exposures_have_noise_of_their_own(long):
    sensitive = np.s_[100:200, 475:505]  # in the gap
    noise = [plane(path)[sensitive] for path in long.science + long.background]
    good = np.all(np.isfinite(noise), axis=0) & (fixed(long)[sensitive] == 0)
    for i in range(4):
        for j in range(i):
            assert abs(np.corrcoef(noise[i][good], noise[j][good])[0, 1]) < 0.3


@settings(share(0.12), suppress_health_check=FIXTURES)
@given(rows=st.integers(32, 130), columns=st.integers(32, 700))
def test_a_region_is_the_top_left_of_the_full_frame(long, tmp_path, rows, columns):
    files = simulate(tmp_path, size=(rows, columns), n_science=1, n_background=1, overwrite=True)
    region = np.s_[:rows, :columns]
    for part, whole in (
        (files.science[0], long.science[0]),
        (files.background[0], long.background[0]),
    ):
        np.testing.assert_array_equal(plane(part, "DQ"), plane(whole, "DQ")[region])
        for name in PLANES:
            np.testing.assert_allclose(
                plane(part, name), plane(whole, name)[region], rtol=1e-4, atol=1e-5
            )
    np.testing.assert_array_equal(fixed(files), fixed(long)[region])
    np.testing.assert_array_equal(cosmic(files)[0], cosmic(long)[0][region])


@settings(share(0.25), suppress_health_check=FIXTURES)
@given(
    detector=st.sampled_from(sorted(DETECTORS)),
    size=st.one_of(st.integers(32, 70), st.tuples(st.integers(32, 70), st.integers(32, 70))),
    seed=st.integers(0, 2**70),
)
def test_the_planes_of_an_exposure_agree(tmp_path, detector, size, seed):
    files = simulate(tmp_path, detector=detector, size=size, n_science=1, n_background=0,
                     seed=seed, overwrite=True)  # fmt: skip
    sci, err, photons, reads = (plane(files.science[0], name) for name in PLANES)
    dq = plane(files.science[0], "DQ")
    assert sci.shape == ((size, size) if isinstance(size, int) else size)
    reference = dq == DO_NOT_USE | REFERENCE_PIXEL
    bad = dq == DO_NOT_USE
    assert np.all(reference | bad | (dq == 0))
    assert np.all(reference[:, :REFERENCE_WIDTH])
    for values in (sci, err, photons, reads):
        assert np.all(values[reference] == 0)
        np.testing.assert_array_equal(np.isnan(values), bad)
    np.testing.assert_allclose(err**2, photons + reads, rtol=1e-5)
    assert not np.any((fixed(files) != 0) & reference)
    assert not np.any(cosmic(files)[0] & reference)


# Defects against their numbers


def test_the_number_of_hot_pixels_brighter_than_a_is_3900_over_a(short):
    # Their minimum over exposures has no cosmic rays, and almost no light in channels 1 and 2.
    images = [plane(path) for path in short.background]
    lowest = np.min(images, axis=0)
    minimum_of_scatter = 1 - 1.03 * 0.03  # of four normal values
    for brightness in (2, 5, 10, 30):
        expected = 3900 / brightness * minimum_of_scatter * (1 - 0.009)
        halos = 3900 / (brightness / 0.031) * 4
        count = np.count_nonzero(lowest > brightness)
        assert abs(count - expected - halos) < 4.5 * np.sqrt(expected)


def test_hot_pixels_follow_the_law_before_they_are_observed():
    rate = fixed_defects(DETECTORS["MIRIFULONG"], (32, 32), Settings(), np.random.default_rng(5))
    assert rate.hot_rate.min() >= 0.5
    assert rate.hot_rate.max() <= 5000
    assert len({tuple(pixel) for pixel in rate.hot.T}) == rate.hot_rate.size
    for low, high, expected in ((10, 20, 195), (20, 30, 65), (30, 40, 32.5)):
        count = np.count_nonzero((rate.hot_rate > low) & (rate.hot_rate <= high))
        assert abs(count - expected) < 4.5 * np.sqrt(expected)


def test_hot_pixels_stay_with_3_percent_scatter(full):
    first, second = (plane(path) for path in full.background[:2])
    steady = (fixed(full) & HOT != 0) & (first > 20) & (second > 20)
    steady &= ~np.any(cosmic(full), axis=0)
    ratio = np.log(first[steady] / second[steady])
    assert ratio.size > 120
    assert abs(np.mean(ratio)) < 0.015
    assert np.std(ratio) == pytest.approx(0.03 * np.sqrt(2), rel=0.3)


@pytest.mark.parametrize("step", [(-1, 0), (1, 0), (0, -1), (0, 1)])
def test_a_hot_pixel_spills_3_percent_into_each_neighbour(short, step):
    image = np.min([plane(path) for path in short.background], axis=0)  # no cosmic rays
    y, x = np.nonzero((fixed(short)[1:-1, 5:-5] & HOT != 0) & (image[1:-1, 5:-5] > 30))
    y, x = y + 1, x + 5
    part = image[y + step[0], x + step[1]] / image[y, x]
    assert part.size > 80
    assert np.nanmedian(part) == pytest.approx(0.031, abs=0.002)
    assert np.mean(fixed(short)[y + step[0], x + step[1]] & HALO != 0) == 1


def test_halos_are_marked_only_where_they_can_be_seen(long):
    truth = fixed(long)
    expected = 4 * 3900 / (0.1 / 0.031)
    assert np.count_nonzero(truth & HALO) == pytest.approx(expected, rel=0.1)


def test_low_pixels_respond_by_half_or_less(tmp_path):
    lower = replace(LIGHT_ONLY, low_pixels=250)
    good = simulate(tmp_path / "good", settings=LIGHT_ONLY, n_background=0, n_science=1)
    bad = simulate(tmp_path / "bad", settings=lower, n_background=0, n_science=1)
    low = fixed(bad) & LOW != 0
    assert np.count_nonzero(low) == 250
    reference, image = plane(good.science[0]), plane(bad.science[0])
    np.testing.assert_array_equal(image[~low], reference[~low])
    lit = low & (reference > 0)
    response = image[lit] / reference[lit]
    assert response.min() >= 0
    assert response.max() <= 0.5
    assert np.mean(response) == pytest.approx(0.25, abs=0.05)


def test_known_bad_pixels_are_singles_and_clusters(full):
    bad = np.isnan(plane(full.science[0]))
    assert np.mean(bad) == pytest.approx(0.009, rel=0.12)
    for path in (*full.science, *full.background):
        np.testing.assert_array_equal(np.isnan(plane(path)), bad)
        np.testing.assert_array_equal(plane(path, "DQ") == DO_NOT_USE, bad)
    around = np.pad(bad, 1).astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3)).sum(axis=(2, 3))
    alone, in_cluster = np.mean(windows[bad] == 1), np.mean(windows[bad] >= 4)
    assert alone == pytest.approx(0.5 * 0.93, abs=0.08)  # 0.93: no neighbour by chance
    assert in_cluster == pytest.approx(0.5, abs=0.08)


def test_cosmic_rays_are_new_in_every_exposure(full):
    hits = cosmic(full)
    pixels = [np.count_nonzero(hit) for hit in hits]
    tracks = 54 * 45 * 2.775 * 0.03
    assert np.mean(pixels) == pytest.approx(2.5 * tracks, rel=0.15)
    for i, hit in enumerate(hits):
        for other in hits[:i]:
            assert np.count_nonzero(hit & other) < 10
    assert len(set(pixels)) > 1


def test_cosmic_rays_are_tracks_of_1_to_4_pixels(tmp_path):
    few = replace(LIGHT_ONLY, thermal_scale=0, source_rate=0, cosmic_ray_rate=2.0)
    files = simulate(tmp_path, settings=few, n_science=1, n_background=12)
    sizes = []
    for path, hit in zip(files.background, cosmic(files)[1:], strict=True):
        image = plane(path)
        assert np.all(image[~hit] == 0)
        assert np.all(image[hit] >= 0.25)
        left = hit.copy()
        while left.any():
            track = _connected(left, np.argwhere(left)[0])
            sizes.append(len(track))
            left[tuple(track.T)] = False
    assert set(sizes) == {1, 2, 3, 4}


def _connected(mask: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Grow from a pixel to all that touch it, diagonally too."""
    member = np.argwhere(mask)
    inside = np.all(member == start, axis=1)
    while True:
        near = np.abs(member[:, None] - member[inside][None]).max(axis=2).min(axis=1) <= 1
        if np.array_equal(near, inside):
            return member[inside]
        inside = near


def test_showers_are_faint_smooth_blobs(tmp_path):
    only = replace(LIGHT_ONLY, thermal_scale=0, source_rate=0, shower_rate=(0.2, 0.2),
                   shower_interval=30.0)  # fmt: skip
    files = simulate(tmp_path, settings=only, n_science=1, n_background=8)
    images = [plane(path) for path in files.background]
    peaks = np.array([image.max() for image in images])
    assert np.count_nonzero(peaks > 0.15) >= 5
    areas = [np.count_nonzero(image > 0.1) for image in images]
    assert max(areas) > 200
    slope = 0.607 * 0.2 / (8 / 2.355)  # steepest of the narrowest
    for image, peak in zip(images, peaks, strict=True):
        inner = image[:, REFERENCE_WIDTH:-REFERENCE_WIDTH]
        steepest = max(np.abs(np.diff(inner, axis=axis)).max() for axis in (0, 1))
        assert steepest <= slope * max(1.0, peak / 0.2 + 1)
    assert all(not hit.any() for hit in cosmic(files))
    assert not fixed(files).any()


# Offsets and noise


def test_the_gap_shows_the_pedestal(full):
    with fits.open(full.truth) as hdus:
        pedestals = [hdu.header["PEDESTAL"] for hdu in hdus if hdu.name == "COSMIC"]
    detector = fits.getheader(full.science[0])["DETECTOR"]
    low, high = {"MIRIFULONG": (0.05, 0.09), "MIRIFUSHORT": (-0.016, 0.012)}[detector]
    y0, y1, x0, x1 = DETECTORS[detector].gap
    for path, pedestal in zip(full.science + full.background, pedestals, strict=True):
        measured = np.nanmedian(plane(path)[y0:y1, x0:x1])
        assert measured == pytest.approx(pedestal, abs=0.01)
        assert low <= pedestal <= high
    assert len(set(pedestals)) == len(pedestals)


def test_no_light_falls_in_the_gap():
    for name in ("MIRIFULONG", "MIRIFUSHORT"):
        y0, y1, x0, x1 = DETECTORS[name].gap
        assert not full_geometry(name).slices[y0:y1, x0:x1].any()


def test_columns_have_offsets_of_their_own(long):
    images = [plane(path)[100:900, 476:506] for path in long.background]
    columns = [np.nanmedian(image, axis=0) for image in images]
    assert np.std(columns[0] - columns[1]) == pytest.approx(0.01 * np.sqrt(2), rel=0.5)


def test_noise_is_as_large_as_the_error_says(full):
    first, second = (plane(path) for path in full.background[:2])
    error = np.hypot(plane(full.background[0], "ERR"), plane(full.background[1], "ERR"))
    good = ~np.any(cosmic(full), axis=0) & (fixed(full) == 0) & (error > 0)
    difference = np.where(good, first - second, np.nan)[:, REFERENCE_WIDTH:-REFERENCE_WIDTH]
    good, error = (values[:, REFERENCE_WIDTH:-REFERENCE_WIDTH] for values in (good, error))
    pull = (difference - np.nanmedian(difference, axis=0))[good] / error[good]
    quartiles = np.percentile(pull, [25, 75])  # showers are too faint for these
    assert np.diff(quartiles)[0] / 1.349 == pytest.approx(1, abs=0.02)


def test_read_noise_alone_is_a_fortieth_of_a_dn_per_second():
    assert np.sqrt(Settings().slope_variance) == pytest.approx(0.025, abs=0.0005)


def test_variances_are_those_of_reads_and_photons(long):
    path = long.background[0]
    sci, photons, reads = (plane(path, name) for name in ("SCI", "VAR_POISSON", "VAR_RNOISE"))
    np.testing.assert_allclose(reads[:, 4:-4][~np.isnan(reads[:, 4:-4])], 0.0248**2, rtol=0.01)
    bright = sci > 3
    ratio = np.median(photons[bright] / sci[bright])
    assert ratio == pytest.approx(1.2 / (4 * 45 * 2.775), rel=0.01)


# Light


@pytest.mark.parametrize(("detector", "setting"), [("MIRIFUSHORT", "12A"), ("MIRIFULONG", "34C")])
def test_geometry_matches_the_in_flight_maps(detector, setting):
    path = MAPS / f"geom_{setting}_flt9.npz"
    if not path.exists():
        pytest.skip(f"no in-flight maps: {path} is absent (not part of the package)")
    ours = full_geometry(detector)
    with np.load(path) as maps:
        slices, wavelength, alpha = (maps[key] for key in ("slice", "lam", "alpha"))
    assert np.mean(ours.slices == slices) > 0.96
    assert np.mean(ours.slices == 0) == pytest.approx(np.mean(slices == 0), abs=0.015)
    for channel in CHANNELS[detector]:
        same = ours.of_channel(channel) & (ours.slices == slices)
        row = abs(channel.wavelength[1]) / 512  # um
        off = (ours.wavelength - wavelength)[same] / row
        assert np.sqrt(np.mean(off**2)) < 1
        assert np.abs(off).max() < 6
        pixel = abs(channel.alpha[1])
        sideways = (ours.alpha - alpha.astype(float))[same] / pixel
        assert np.sqrt(np.mean(sideways**2)) < 0.6


@pytest.mark.parametrize(
    ("detector", "channel", "slices"),
    [("MIRIFUSHORT", 1, 21), ("MIRIFUSHORT", 2, 17), ("MIRIFULONG", 3, 16), ("MIRIFULONG", 4, 12)],
)
def test_channels_have_their_slices_and_direction(detector, channel, slices):
    seen = full_geometry(detector)
    numbers = set(seen.slices[seen.slices // 100 == channel].tolist())
    assert numbers == {100 * channel + k for k in range(1, slices + 1)}
    (about,) = (one for one in CHANNELS[detector] if one.number == channel)
    lit = seen.of_channel(about)
    both = lit[1:] & lit[:-1] & (seen.slices[1:] == seen.slices[:-1])
    rise = np.diff(seen.wavelength, axis=0)[both]
    assert np.all(rise > 0 if channel <= 2 else rise < 0)


@pytest.mark.parametrize(
    ("detector", "dithers"), [("MIRIFUSHORT", 4), ("MIRIFULONG", 4), ("NRS1", 2)]
)
def test_the_source_moves_and_its_lines_stay(tmp_path, detector, dithers):
    one = replace(SOURCE, lines=1, line_contrast=(20.0, 20.0))
    files = simulate(tmp_path, detector=detector, settings=one, n_science=dithers, n_background=0)
    seen = full_geometry(detector)
    for channel in CHANNELS[detector]:
        lit = seen.of_channel(channel)
        found = []
        for dither, path in enumerate(files.science):
            image = np.where(lit, plane(path), 0)
            found.append(seen.wavelength.flat[np.argmax(image)])
            weight = image / image.sum()
            place = np.sum(weight * seen.alpha), np.sum(weight * seen.beta)
            assert place == pytest.approx(pointing(dither, one), abs=0.6 * channel.slice_width)
        assert np.ptp(found) < 2 * np.mean(found) / 3000
    places = {pointing(dither, one) for dither in range(8)}
    assert len(places) == 8


@pytest.mark.parametrize("detector", ["MIRIFUSHORT", "MIRIFULONG"])
def test_the_source_is_as_wide_as_the_telescope_makes_it(tmp_path, detector):
    centred = replace(SOURCE, dither=(0, 0))
    files = simulate(tmp_path, detector=detector, settings=centred, n_science=1, n_background=0)
    image, seen = plane(files.science[0]), full_geometry(detector)
    for channel in CHANNELS[detector]:
        weight = np.where(seen.of_channel(channel), image, 0)
        weight /= weight.sum()
        variance = np.sum(weight * seen.alpha**2) - np.sum(weight * seen.alpha) ** 2
        expected = (0.33 * channel.wavelength[0] / 10 / 2.355) ** 2
        expected += 0.213 * channel.alpha[1] ** 2  # the blur's three taps
        assert variance == pytest.approx(expected, rel=0.15)


def test_lines_are_2_to_3_rows_wide(tmp_path):
    one = replace(SOURCE, nebula_fraction=1, lines=1, line_contrast=(1e6, 1e6), dither=(50, 50))
    for detector in ("MIRIFUSHORT", "MIRIFULONG"):
        files = simulate(tmp_path, detector=detector, settings=one, n_science=1, n_background=0)
        image = plane(files.science[0])
        seen = full_geometry(detector)
        for channel in CHANNELS[detector]:
            inner = np.where(seen.of_channel(channel), image, 0)
            column = inner[:, np.unravel_index(np.argmax(inner), inner.shape)[1]]
            width = column.sum() / column.max() / 1.064  # of a Gaussian, from its area
            assert 2 < width < 3


def test_backgrounds_have_no_source(tmp_path):
    files = simulate(tmp_path, settings=SOURCE, n_science=1, n_background=2)
    assert plane(files.science[0]).max() > 1
    for path in files.background:
        assert not plane(path).any()


@pytest.mark.parametrize(
    ("detector", "channel", "rate"),
    [
        ("MIRIFUSHORT", 1, 0.006),
        ("MIRIFUSHORT", 2, 0.018),
        ("MIRIFULONG", 3, 0.18),
        ("MIRIFULONG", 4, 2.6),
    ],
)
def test_the_thermal_background_has_its_rate_and_reddens(tmp_path, detector, channel, rate):
    smooth = replace(LIGHT_ONLY, fringe_amplitude=0, second_fringe_amplitude=0)
    files = simulate(tmp_path, detector=detector, settings=smooth, n_science=1, n_background=1)
    image, seen = plane(files.background[0]), full_geometry(detector)
    lit = seen.slices // 100 == channel
    lit[:, :REFERENCE_WIDTH] = lit[:, -REFERENCE_WIDTH:] = False
    middle = np.median(image[500:524][lit[500:524]])
    assert middle == pytest.approx(rate, rel=0.1)
    blue, red = (np.percentile(seen.wavelength[lit], q) for q in (10, 90))
    assert np.median(image[lit & (seen.wavelength > red)]) > np.median(
        image[lit & (seen.wavelength < blue)]
    )


@pytest.mark.parametrize(
    ("detector", "channel", "rows"),
    [
        ("MIRIFUSHORT", 1, 9.5),
        ("MIRIFUSHORT", 2, 14.7),
        ("MIRIFULONG", 3, 30.5),
        ("MIRIFULONG", 4, 45),
    ],
)
def test_fringes_have_their_period_and_amplitude(tmp_path, detector, channel, rows):
    images = []
    for amplitude in (0.15, 0.0):
        settings = replace(LIGHT_ONLY, fringe_amplitude=amplitude, second_fringe_amplitude=0)
        folder = tmp_path / str(amplitude)
        files = simulate(folder, detector=detector, settings=settings, n_science=1, n_background=1)
        images.append(plane(files.background[0]))
    seen = full_geometry(detector)
    (about,) = (one for one in CHANNELS[detector] if one.number == channel)
    inner = seen.of_channel(about) & (
        np.abs(seen.alpha) < 0.3 * about.width[0] * abs(about.alpha[1])
    )
    column = np.flatnonzero(inner[384:640].all(axis=0))[0]
    factor = images[0][384:640, column] / images[1][384:640, column] - 1
    crossings = np.flatnonzero(np.diff(np.sign(factor)))
    period = 2 * np.ptp(crossings) / (crossings.size - 1)
    assert period == pytest.approx(rows, rel=0.08)
    assert np.abs(factor).max() == pytest.approx(0.15, rel=0.15)


def test_fine_fringes_are_in_the_long_channels_only(tmp_path):
    changed = {}
    for detector in ("MIRIFUSHORT", "MIRIFULONG"):
        images = []
        for amplitude in (0.0, 0.1):
            settings = replace(LIGHT_ONLY, fringe_amplitude=0, second_fringe_amplitude=amplitude)
            folder = tmp_path / f"{detector}{amplitude}"
            files = simulate(folder, detector=detector, settings=settings, size=GAP_SIZE)
            images.append(plane(files.background[0]))
        changed[detector] = not np.array_equal(*images)
    assert changed == {"MIRIFUSHORT": False, "MIRIFULONG": True}


# NIRSpec


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_nirspec_disperses_along_x_and_has_no_pedestal(tmp_path, detector):
    files = simulate(tmp_path, detector=detector, n_science=1, n_background=1)
    seen = full_geometry(detector)
    assert set(np.unique(seen.slices)) == set(range(31))
    same = (seen.slices[:, 1:] == seen.slices[:, :-1]) & (seen.slices[:, 1:] > 0)
    assert np.all(np.diff(seen.wavelength, axis=1)[same] > 0)
    sci, dq = plane(files.background[0]), plane(files.background[0], "DQ")
    assert fits.getheader(files.background[0], "SCI")["DISPAXIS"] == 1
    assert fits.getheader(files.truth, "COSMIC")["PEDESTAL"] == 0
    assert np.nanmedian(sci[seen.slices == 0]) == pytest.approx(0, abs=0.001)
    border = np.ones(sci.shape, bool)
    border[4:-4, 4:-4] = False
    np.testing.assert_array_equal(dq == DO_NOT_USE | REFERENCE_PIXEL, border)


# Arguments and failures


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"detector": "NRCA1"}, ValueError, "detector must be one of MIRIFULONG.*'NRCA1'"),
        ({"detector": 3}, TypeError, "detector must be a string, got int"),
        ({"n_science": 0}, ValueError, "n_science must be .* at least 1, got 0"),
        ({"n_science": 1.5}, TypeError, "n_science must be a whole number, got 1.5"),
        ({"n_background": -1}, ValueError, "n_background must be .* at least 0, got -1"),
        ({"n_background": True}, TypeError, "n_background must be .* got True"),
        ({"seed": -1}, ValueError, "seed must be .* at least 0, got -1"),
        ({"seed": "1"}, TypeError, "seed must be a whole number, got '1'"),
        ({"size": 31}, ValueError, r"size \(rows\) must be .* at least 32, got 31"),
        ({"size": (64, 31)}, ValueError, r"size \(columns\) must be .* at least 32, got 31"),
        ({"size": (1024, 1033)}, ValueError, r"size must be at most \(1024, 1032\).*1033"),
        ({"size": (64, 64, 64)}, ValueError, r"size must be .*\(rows, columns\), got \(64, 64, 64"),
        ({"size": 64.0}, TypeError, r"size \(rows\) must be a whole number, got 64.0"),
        ({"settings": {}}, TypeError, "settings must be a Settings, got dict"),
    ],
)
def test_wrong_arguments_are_named_and_nothing_is_written(tmp_path, arguments, error, says):
    folder = tmp_path / "never"
    with pytest.raises(error, match=says):
        simulate(folder, **arguments)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"groups": 1}, "groups must be at least 2"),
        ({"gain": 0}, "gain must be above 0"),
        ({"read_noise": -6}, "read_noise must not be negative, got -6"),
        ({"source_rate": float("nan")}, "source_rate must be finite, got nan"),
        ({"hot_range": (10.0, 1.0)}, r"hot_range must be \(low, high\), got \(10.0, 1.0\)"),
    ],
)
def test_impossible_settings_are_named(wrong, says):
    with pytest.raises(ValueError, match=f"Settings.{says}"):
        Settings(**wrong)


def test_more_defects_than_pixels_are_refused(tmp_path):
    crowded = Settings(hot_normalisation=1e7)
    with pytest.raises(ValueError, match=r"hot and low pixels on .* lower hot_normalisation"):
        simulate(tmp_path / "never", settings=crowded, size=32)
    assert not (tmp_path / "never").exists()


def test_a_path_must_be_a_path_of_a_directory(tmp_path):
    with pytest.raises(TypeError, match="directory must be a path, got int"):
        simulate(3)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="is a file: choose another name"):
        simulate(tmp_path / "file", size=32)
    assert (tmp_path / "file").read_text() == "mine"


def test_existing_files_are_kept_unless_overwrite_is_set(tmp_path):
    mine = tmp_path / "jw09999_mirifulong_truth.fits"
    mine.write_text("mine")
    with pytest.raises(FileExistsError, match=f"{mine.name} exists already; pass overwrite"):
        simulate(tmp_path, size=32)
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    assert mine.read_text() == "mine"
    files = simulate(tmp_path, size=32, overwrite=True)
    assert fixed(files).shape == (32, 32)
    with pytest.raises(FileExistsError, match="exists already"):
        simulate(tmp_path, size=32)


@pytest.fixture
def _files_of_limited_size():
    """Make the system refuse files above 70 kB: the truth of many exposures, not an exposure."""
    resource = pytest.importorskip("resource", reason="the system has no limits for files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("_files_of_limited_size")
def test_a_failure_midway_leaves_nothing_behind(tmp_path):
    few = simulate(tmp_path, size=32)
    assert max(path.stat().st_size for path in few.files) < 60_000
    kept = digests(tmp_path)
    with pytest.raises(OSError, match="large"):
        simulate(tmp_path, size=32, n_science=16, seed=2, overwrite=True)
    assert digests(tmp_path) == kept
    with pytest.raises(OSError, match="large"):
        simulate(tmp_path / "other", size=32, n_science=16)
    assert not (tmp_path / "other").exists()
