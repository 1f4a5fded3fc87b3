"""One mask for each detector: equal to the step's on every association."""

from __future__ import annotations

import dataclasses
import datetime
import errno
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import example, given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal import ExposureError, SelfcalWarning
from badpix_selfcal.files import exposure
from badpix_selfcal.files.exposure import Exposure
from badpix_selfcal.simulate import Settings, simulate
from badpix_selfcal.simulate.defects import HOT
from badpix_selfcal.step.groups import grouped

from . import servers
from .exposures import (
    GAP,
    assert_equal_planes,
    assert_same_folders,
    change,
    enlarge,
    found_in,
    header,
    largest_file,
    names,
    sky,
    statuses,
    write,
)
from .pools import pool, take
from .profiles import share


def assert_equal_to_the_step(folder, result, **how):
    """Run the step on every association of the pool and compare masks and files."""
    outputs = {each.exposure.resolve(): each for each in result.exposures}
    masks = {path: group.bad_pixels for group in result.groups for path in group.members}
    by = how.pop("group_by", "detector")
    made = bps.associate(folder, output_dir=folder / "asn", group_by=by)
    for each in made:
        step = bps.selfcal(each.path, output_dir=folder / "step", save_flagged_bkg=True, **how)
        ours = outputs[each.science.resolve()]
        assert ours.status == step.status
        assert ours.output.name == step.science.name
        assert_equal_planes(ours.output, step.science)
        assert header(ours.output)["S_BPXSLF"] == header(step.science)["S_BPXSLF"]
        if step.bad_pixels is not None:
            found = masks[each.science]
            np.testing.assert_array_equal(found.mask, step.bad_pixels.mask)
            np.testing.assert_array_equal(found.residual, step.bad_pixels.residual)
        for path, background in zip(each.backgrounds, step.backgrounds, strict=False):
            assert_equal_planes(outputs[path.resolve()].output, background)
        shutil.rmtree(folder / "step")
    return len(made)


exposures_of_a_pool = st.lists(
    st.fixed_dictionaries(
        {
            "seed": st.integers(1, 40),
            "detector": st.sampled_from(["MIRIFULONG", "MIRIFUSHORT", "NRS1"]),
            "background": st.sampled_from([None, False, True]),
            "BAND": st.sampled_from(["SHORT", "LONG"]),
            "empty_gap": st.booleans(),
        }
    ),
    min_size=1,
    max_size=6,
)


@share(0.2)
@example(
    exposures=[
        {"seed": n, "detector": "MIRIFULONG", "background": n % 3 == 0, "BAND": band}
        for n, band in enumerate(["SHORT", "SHORT", "SHORT", "LONG", "LONG", "LONG"])
    ],
    group_by="band",
    force_single=False,
    edge="zero",
)
@given(
    exposures=exposures_of_a_pool,
    group_by=st.sampled_from(["detector", "band"]),
    force_single=st.booleans(),
    edge=st.sampled_from(["zero", "shrink"]),
)
def test_any_pool_has_the_masks_and_files_of_the_step(exposures, group_by, force_single, edge):
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore", SelfcalWarning)
        folder = Path(name)
        for number, how in enumerate(exposures):
            take(folder / f"{number}_rate.fits", shape=(60, 520), **how)
        how = {"force_single": force_single, "edge": edge, "kernel_size": 5, "group_by": group_by}
        how["copy_skipped"] = True
        result = bps.batch(folder, output_dir=folder / "out", save_flagged_bkg=True, **how)
        assert not result.failed
        if not all(each["background"] for each in exposures):
            assert_equal_to_the_step(folder, result, **how)


def test_each_exposure_is_read_once_to_find_the_masks_and_once_to_be_copied(tmp_path):
    pytest.importorskip("fsspec", reason="needs the extra cloud")
    (tmp_path / "in").mkdir()
    made = pool(tmp_path / "in", detectors=("MIRIFULONG",))["MIRIFULONG"]
    with servers.http(tmp_path / "in") as web:
        urls = [f"{web.url}/{path.name}" for path in made]
        result = bps.batch(urls, output_dir=tmp_path / "out")
        assert not result.failed
        copied = {each.exposure.name for each in result.exposures}
        assert len(copied) == 3
        for path in made:
            size = path.stat().st_size if path.name in copied else 0
            assert web.sent[path.name] < 1.6 * (sky(1).nbytes + size)


def test_a_result_holds_masks_pedestals_and_every_exposure(tmp_path):
    made = pool(tmp_path)
    result = bps.batch(tmp_path, output_dir=tmp_path / "out")
    assert {group.name for group in result} == {"MIRIFULONG 34", "MIRIFUSHORT 12"}
    (group,) = (each for each in result if each.name == "MIRIFULONG 34")
    assert set(group.members) == set(group.pedestals) == set(made["MIRIFULONG"])
    assert group.pedestals[made["MIRIFULONG"][0]] == bps.pedestal(sky(1), GAP)
    assert statuses(group) == ["COMPLETE"] * 3
    assert group.dispaxis == 2
    assert (result.failed, result.ignored, group.left_out) == ((), (), ())
    assert len(names(tmp_path / "out")) == 6


def test_folders_patterns_and_files_are_given_together_and_used_once(here):
    for seed, name in enumerate(("0/a", "0/b", "1/a", "1/b", "2/a", "2/b")):
        path = here / f"{name}{name[0]}_rate.fits"
        path.parent.mkdir(exist_ok=True)
        take(path, seed, detector="NRS1", shape=(20, 30))
    (here / "link_rate.fits").symlink_to(Path("2/b2_rate.fits"))
    once = [here / "0", here / "1" / "*_rate.fits", here / "2" / "b2_rate.fits"]
    result = bps.batch([*once, "0/a0_rate.fits", "link_rate.fits"], output_dir="out")
    used = [each.exposure.name.partition("_")[0] for each in result.exposures]
    assert (used[:4], len(used)) == (["a0", "b0", "a1", "b1"], 5)


@pytest.fixture
def download(here):
    """Exposures as a download from MAST has them: each in a folder of its own."""
    made = pool(here, detectors=("NRS1",))["NRS1"]
    there = here / "mastDownload" / "JWST"
    for path in made:
        (there / path.name[:4]).mkdir(parents=True)
        path.rename(there / path.name[:4] / path.name)
    (there / ".hidden").mkdir()
    take(there / ".hidden" / "more_nrs1_rate.fits", 7, detector="NRS1")
    (there / "._sci0_nrs1_rate.fits").write_text("of macOS")
    (there / "sci0" / "sci0_nrs1_cal.fits").write_text("of a later step")
    (there / "sci0" / "loop").symlink_to(there)
    return here


@pytest.mark.parametrize(
    "given",
    [
        "mastDownload",
        ".",
        "mastDownload/JWST/*",
        "mastDownload/**/*_rate.fits",
        "**/mastDownload/**/*_rate.fits",
        "**/sci0/*_rate.fits **/[b-s]??[0-9]/**/*_rate.fits",
    ],
)
def test_sub_folders_are_gone_through(download, given):
    exposures = sorted(download.glob("mastDownload/JWST/[bs]*/*_rate.fits"))
    result = bps.batch(given.split(), output_dir="out", save_flagged_bkg=True, save_mask=True)
    assert sorted(download / each.exposure for each in result.exposures) == exposures
    assert len(exposures) == len(result.written) == 5
    again = bps.batch(given.split(), output_dir="out", resume=True, save_flagged_bkg=True)
    assert {each.status for each in again.exposures} == {"KEPT"}
    applied = bps.apply(result.groups[0].mask_file, given.split(), output_dir="applied")
    assert sorted(download / each.exposure for each in applied.exposures) == exposures
    made = bps.associate(given.split())
    science = [each for each in exposures if each.name.startswith("sci")]
    assert sorted(download / each.science for each in made) == science
    assert all(each.path.parent == each.science.parent for each in made)
    assert [*bps.selfcal(made[0].path, output_dir="run").members] != []


def test_the_same_file_in_two_folders_is_refused(download):
    copy = shutil.copy(download / "mastDownload/JWST/sci0/sci0_nrs1_rate.fits", download)
    with pytest.raises(ExposureError, match="would both be copied to"):
        bps.batch(download, output_dir=download / "out")
    with pytest.raises(ExposureError, match="both have the product name sci0_nrs1"):
        bps.associate(["mastDownload", copy])


def test_backgrounds_can_be_named(tmp_path):
    made = pool(tmp_path, background=0, detectors=("MIRIFULONG",))["MIRIFULONG"]
    (tmp_path / "sky").mkdir()
    named = [str(tmp_path / "sci2*.fits"), take(tmp_path / "sky" / "s_rate.fits", 9)]
    result = bps.batch(tmp_path, background=named, output_dir=tmp_path / "out")
    assert [each.exposure for each in result.exposures] == made[:2]
    assert len(result.groups[0].members) == 4


def test_exposures_of_other_instruments_are_ignored_in_a_folder_only(tmp_path):
    pool(tmp_path, detectors=("MIRIFULONG",))
    image = take(tmp_path / "image_rate.fits", 1, DETECTOR="MIRIMAGE", EXP_TYPE="MIR_IMAGE")
    unknown = take(tmp_path / "unknown_rate.fits", 9, EXP_TYPE="")  # may be of such a unit
    result = bps.batch(tmp_path, output_dir=tmp_path / "out", force_single=True)
    assert result.ignored == (image,)
    assert unknown in [each.exposure for each in result.exposures]
    with pytest.warns(SelfcalWarning, match="EXP_TYPE is MIR_IMAGE"):  # named, not found
        result = bps.batch(tmp_path / "im*.fits", output_dir=tmp_path / "one", force_single=True)
    assert (result.ignored, len(result.written)) == ((), 1)


def test_all_gaps_empty_is_skipped(tmp_path):
    for name, background in (("1", None), ("2", None), ("b", True)):
        take(tmp_path / f"{name}_rate.fits", 1, empty_gap=True, background=background)
    reported = []
    how = {"save_flagged_bkg": True, "copy_skipped": True}
    how["progress"] = lambda *now: reported.append(now)
    with pytest.warns(SelfcalWarning) as warned:
        result = bps.batch(tmp_path, output_dir=tmp_path / "out", **how)
    *left_out, skipped = (str(each.message) for each in warned)
    assert [": left out: no pedestal" in each for each in left_out] == [True] * 3
    assert skipped == (
        "MIRIFULONG 34: no usable selfcal or background exposures, step skipped: no pixel is "
        "flagged, unflagged copies are written"
    )
    assert statuses(result) == ["SKIPPED"] * 3
    assert names(tmp_path / "out") == [f"{number}_badpix_selfcal.fits" for number in (1, 2)]
    assert reported[-1] == (6, 6)


def test_a_pool_of_backgrounds_only_causes_a_warning(tmp_path):
    take(tmp_path / "1_rate.fits", 1, background=True)
    with pytest.warns(SelfcalWarning, match="no science exposure, nothing to flag"):
        assert bps.batch(tmp_path, output_dir=tmp_path / "out").exposures == ()


@pytest.mark.parametrize("true", [True, "T", "t", 1])
def test_imprints_only_serve_the_minimum(tmp_path, true):
    pool(tmp_path, detectors=("NRS1",))
    leak = change(tmp_path / "bkg1_nrs1_rate.fits", IS_IMPRT=true, BKGDTARG=true)
    how = {"save_flagged_bkg": True, "save_mask": True}
    result = bps.batch(tmp_path, background=leak, output_dir=tmp_path / "out", **how)
    (group,) = result
    assert "4 COMPLETE, 1 IMPRINT" in repr(result)
    assert "imprints  1 exposure, used for the minimum image only" in repr(result)
    assert group.imprints == (leak,)
    members = {each.exposure.name: each.role for each in bps.Mask.read(group.mask_file).members}
    assert members["bkg1_nrs1_rate.fits"] == "imprint"
    assert members["bkg0_nrs1_rate.fits"] == "background"
    assert len(members) == 5
    assert not (tmp_path / "out" / "bkg1_nrs1_badpix_selfcal.fits").exists()
    assert assert_equal_to_the_step(tmp_path, result) == 3


@pytest.mark.parametrize(("true", "is_one"), [("T", True), (1, True), ("F", False), (0, False)])
def test_a_background_may_be_marked_by_text_or_a_number(tmp_path, true, is_one):
    pool(tmp_path, detectors=("NRS1",), background=0)
    path = change(tmp_path / "sci0_nrs1_rate.fits", BKGDTARG=true)
    result = bps.batch(tmp_path, output_dir=tmp_path / "out")
    assert (path not in [each.exposure for each in result.exposures]) == is_one


def test_no_subarray_is_the_full_frame(tmp_path):
    pool(tmp_path, detectors=("NRS1",), background=0)
    change(tmp_path / "sci0_nrs1_rate.fits", SUBARRAY="N/A")
    full = change(tmp_path / "sci1_nrs1_rate.fits", SUBARRAY="FULL")
    (group,) = bps.batch(tmp_path, output_dir=tmp_path / "out")
    assert (group.name, len(group.members)) == ("NRS1", 3)
    assert not bps.apply(group.mask, full, output_dir=tmp_path / "again").failed


days = st.none() | st.dates(datetime.date(2022, 1, 1), datetime.date(2023, 1, 1))


@given(days=st.lists(days, min_size=1, max_size=12), max_days=st.integers(1, 200))
def test_a_group_is_divided_at_long_gaps_and_nowhere_else(days, max_days):
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore", SelfcalWarning)
        one = exposure.read(take(Path(name) / "a_rate.fits", 1, shape=(8, 9)))
    given_ones = [dataclasses.replace(one, date=day) for day in days]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = grouped(given_ones, "detector", max_days)
    parts = [sorted(each.date for each in those if each.date) for _, _, those in found]
    assert sorted(map(id, given_ones)) == sorted(id(each) for *_, those in found for each in those)
    assert all((b - a).days <= max_days for part in parts for a, b in itertools.pairwise(part))
    assert all((b[0] - a[-1]).days > max_days for a, b in itertools.pairwise(parts))
    assert len({title for title, *_ in found}) == len(found)
    assert [each.date for *_, those in found[1:] for each in those].count(None) == 0
    said = " ".join(str(each.message) for each in warned)
    assert ("divided into" in said) == (len(found) > 1)
    assert ("has no date" in said) == (None in days and any(days))
    assert ("were taken over" in said) == any((p[-1] - p[0]).days > max_days for p in parts if p)


def test_pixels_that_became_hot_between_two_epochs_are_found(tmp_path):
    settings = Settings(new_hot=0.5)
    how = {"size": (256, 640), "n_science": 4, "n_background": 0, "settings": settings}
    first, last = (simulate(tmp_path, epoch=epoch, **how) for epoch in (1, 3))
    before, after = (fits.getdata(each.truth, "DEFECTS") & HOT for each in (first, last))
    new = (after & ~before) != 0
    assert new.sum() > 500
    cut = {"cut": "sigma", "save_mask": True}
    alone = bps.batch(last.science, output_dir=tmp_path / "alone", **cut)[0].mask.flags
    assert (alone & new).sum() > 0.9 * new.sum()
    both = [*first.science, *last.science]
    with pytest.warns(SelfcalWarning, match=r"MIRIFULONG .*34: divided into 2 groups, .* 30 days"):
        result = bps.batch(both, output_dir=tmp_path / "both", **cut)
    np.testing.assert_array_equal(result[1].mask.flags, alone)
    assert [each.mask_file.name for each in result] == [
        f"mirifulong_generic_34_{day}_badpix_selfcal_mask.fits"
        for day in ("2022-07-01", "2024-06-30")
    ]
    together = bps.batch(both, output_dir=tmp_path / "one", max_days=float("inf"), **cut)
    assert (together[0].mask.flags & new).sum() < 0.01 * new.sum()
    with pytest.warns(SelfcalWarning, match=r"over 730 days \(2022-07-01 to 2024-06-30\)"):
        bps.selfcal(both[0], selfcal=both[1:], output_dir=tmp_path / "run")
    with pytest.warns(SelfcalWarning, match=r"more than 30 days after .* \(2022-07-01\)"):
        bps.apply(result[0].mask, last.science[0], output_dir=tmp_path / "apply")


@pytest.mark.parametrize("max_days", [0, -1, 0.5, float("nan")])
def test_a_limit_of_less_than_a_day_is_refused(tmp_path, max_days):
    with pytest.raises(ValueError, match="max_days must be from 1 to infinity, got"):
        bps.batch(tmp_path, max_days=max_days)


def test_exposures_of_one_detector_that_differ_in_axis_are_two_groups(tmp_path):
    made = pool(tmp_path, detectors=("NRS1",), background=0, science=4)["NRS1"]
    for path in made[:2]:
        change(path, dispaxis=2)
    result = bps.batch(tmp_path, output_dir=tmp_path / "out", save_mask=True)
    assert {each.name: each.dispaxis for each in result} == {"NRS1 axis2": 2, "NRS1 axis1": 1}
    assert [each.mask_file.name[:10] for each in result] == ["nrs1_axis2", "nrs1_axis1"]
    assert_equal_to_the_step(tmp_path, result)
    one = bps.batch(made, output_dir=tmp_path / "one", dispaxis=1)
    assert [each.name for each in one] == ["NRS1"]


def test_results_do_not_depend_on_the_workers(tmp_path):
    pool(tmp_path)
    for workers in (1, 5, 64):
        bps.batch(tmp_path, output_dir=tmp_path / str(workers), workers=workers)
    for workers in ("5", "64"):
        assert_same_folders(tmp_path / workers, tmp_path / "1")


PEAK = """
import sys
import badpix_selfcal as bps
bps.set_num_threads(2)
use, out, first, *others = sys.argv[1:]
if use == "batch":
    bps.batch([first, *others], output_dir=out)
else:
    bps.selfcal(first, selfcal=others, output_dir=out)
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(int(line.split()[1]) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize("use", ["selfcal", "batch"])
def test_peak_memory_does_not_grow_with_the_exposures(tmp_path, use):
    (first,) = simulate(tmp_path, n_science=1, n_background=0).science
    copies = [shutil.copy(first, tmp_path / f"copy{number}_rate.fits") for number in range(11)]

    def peak(count):
        words = [use, tmp_path / f"out{count}", first, *copies[: count - 1]]
        arguments = [sys.executable, "-W", "ignore", "-c", PEAK, *words]
        return int(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)

    image = 1024 * 1032 * 4
    assert peak(12) - peak(4) < image


class TestOneFails:
    """An exposure that cannot be read, flagged or written is reported; the others continue."""

    def test_it_cannot_be_read_or_flagged(self, tmp_path):
        lost = change(pool(tmp_path)["MIRIFULONG"][1], without="DQ")
        junk = tmp_path / "junk_rate.fits"
        junk.write_text("junk")
        nameless = write(tmp_path / "x_rate.fits", sky(1), detector=None)
        reported = []
        result = bps.batch(
            tmp_path, output_dir=tmp_path / "out", progress=lambda *now: reported.append(now)
        )
        failed = {each.exposure: each for each in result.failed}
        assert failed.keys() == {junk, nameless, lost}
        assert "is not a FITS file" in failed[junk].error
        assert "has no DETECTOR keyword" in failed[nameless].error
        assert failed[junk].output is None
        assert len(names(tmp_path / "out")) == 5
        assert (reported[0], reported[-1]) == ((0, 16), (16, 16))  # 10 are read, 6 copied
        assert reported == sorted(set(reported))

    def test_its_axis_is_wrong_or_dq_is_missing_but_it_still_helps_the_others(self, tmp_path):
        made = pool(tmp_path, detectors=("MIRIFULONG",))["MIRIFULONG"]
        change(made[0], dispaxis=3)
        change(made[1], without="DQ")
        result = bps.batch(tmp_path, output_dir=tmp_path / "out")
        first, second = result.failed
        assert "got 3" in first.error
        assert "has no DQ extension" in second.error
        alone = bps.selfcal(
            made[2], selfcal=made[:2], background=made[3:], output_dir=tmp_path / "step"
        )
        assert_equal_planes(tmp_path / "out" / alone.science.name, alone.science)

    @pytest.mark.parametrize("background", [None, True])
    def test_its_shape_is_not_that_of_its_group(self, tmp_path, background):
        (tmp_path / "in").mkdir()
        pool(tmp_path / "in")
        bps.batch(tmp_path / "in", output_dir=tmp_path / "same")
        odd = tmp_path / "in" / "aodd_rate.fits"  # the first one of its group
        take(odd, 30, shape=(96, 641), background=background)
        result = bps.batch(tmp_path / "in", output_dir=tmp_path / "out")
        assert [each.error for each in result.failed] == [
            f"{odd}: SCI has shape (96, 641), 5 others of the same group (MIRIFULONG 34) have "
            "(96, 640); process it separately"
        ]
        assert_same_folders(tmp_path / "out", tmp_path / "same")

    def test_no_shape_has_the_majority_and_all_of_the_group_fails(self, tmp_path):
        made = pool(tmp_path, science=2, background=0)["MIRIFULONG"]
        odd = [take(tmp_path / f"z{n}_rate.fits", 30, shape=(96, 641)) for n in (1, 2)]
        result = bps.batch(tmp_path, output_dir=tmp_path / "out")
        assert sorted(each.exposure for each in result.failed) == sorted([*made, *odd])
        (error,) = {each.error for each in result.failed}
        assert f"{odd[0]}: SCI has shape (96, 641), that of {made[0]} of the same" in error
        assert len(names(tmp_path / "out")) == 2  # of the other detector

    def test_it_is_cut_short_behind_its_headers(self, tmp_path):
        pytest.importorskip("fsspec", reason="needs the extra cloud")
        (tmp_path / "in").mkdir()
        made = pool(tmp_path / "in", detectors=("NRS1",), background=0)["NRS1"]
        whole = made[1].read_bytes()
        made[1].write_bytes(whole[:100_000])
        with servers.http(tmp_path / "in") as web:
            urls = [f"{web.url}/{path.name}" for path in made]
            result = bps.batch(urls, output_dir=tmp_path / "out")
            assert [str(each.exposure) for each in result.failed] == [urls[1]]
            assert "is cut short" in result.failed[0].error
            expected = found_in([sky(1), sky(3)], dispaxis=1, gap=None)
            np.testing.assert_array_equal(result.groups[0].bad_pixels.mask, expected.mask)
            made[1].write_bytes(whole)
            again = bps.batch(urls, output_dir=tmp_path / "out", resume=True)
            assert statuses(again) == ["COMPLETE"] * 3

    @pytest.mark.filterwarnings("ignore:NRS1.* step skipped")
    @pytest.mark.parametrize(("alone", "status"), [(False, "SKIPPED"), (True, "COMPLETE")])
    def test_its_samples_cannot_be_read_and_one_is_left(self, tmp_path, monkeypatch, alone, status):
        made = pool(tmp_path, science=2, background=0, detectors=("NRS1",))["NRS1"]
        science = Exposure.science

        def failing(exposure, *how):
            if exposure.path == made[1]:
                raise ExposureError(f"{made[1]}: cannot be read: Input/output error")
            return science(exposure, *how)

        monkeypatch.setattr(Exposure, "science", failing)
        result = bps.batch(tmp_path, output_dir=tmp_path / "out", force_single=alone)
        assert statuses(result) == [status, "FAILED"]

    @pytest.mark.skipif(sys.platform == "win32", reason="needs limits of file sizes")
    def test_writing_it_fails(self, tmp_path):
        made = pool(tmp_path, detectors=("NRS1",))["NRS1"]
        with largest_file(enlarge(made[0])):
            result = bps.batch(tmp_path, output_dir=tmp_path / "out")
        (failed,) = result.failed
        assert (failed.exposure, failed.output) == (made[0], None)
        lost = tmp_path / "out" / "sci0_nrs1_badpix_selfcal.fits"
        assert failed.error == f"{lost}: cannot be written: {os.strerror(errno.EFBIG)}"
        assert names(tmp_path / "out") == [f"sci{n}_nrs1_badpix_selfcal.fits" for n in (1, 2)]


class TestNothingIsWrittenWhen:
    """Wrong requests are refused before any work."""

    @pytest.fixture(autouse=True)
    def _nothing_written(self, tmp_path):
        yield
        assert not (tmp_path / "out").exists()

    def test_two_exposures_have_the_same_output(self, tmp_path):
        pool(tmp_path)
        (tmp_path / "b").mkdir()
        take(tmp_path / "b" / "SCI0_mirifulong_rate.fits", 9)
        with pytest.raises(ExposureError, match="would both be copied to"):
            bps.batch([tmp_path, tmp_path / "b"], output_dir=tmp_path / "out")

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ("", r"there is no \*_rate\.fits in this folder and its sub-folders$"),
            ("*.fits", "no file matches"),
            (None, "no exposures given"),
        ],
    )
    def test_there_are_no_exposures(self, tmp_path, given, words):
        with pytest.raises(ExposureError, match=words):
            bps.batch([] if given is None else tmp_path / given, output_dir=tmp_path / "out")

    def test_all_were_taken_with_other_instruments(self, tmp_path):
        take(tmp_path / "i_rate.fits", 1, EXP_TYPE="MIR_IMAGE")
        with pytest.raises(ExposureError, match="EXP_TYPE is none of MIR_MRS, NRS_IFU"):
            bps.batch(tmp_path, output_dir=tmp_path / "out")


def test_a_file_that_appears_while_the_batch_runs_is_not_replaced(tmp_path):
    made = pool(tmp_path, detectors=("NRS1",), background=0)["NRS1"]
    theirs = tmp_path / "out" / "sci1_nrs1_badpix_selfcal.fits"

    def appear(done, _):
        if done == 0:
            theirs.parent.mkdir()
            theirs.write_text("theirs")

    (failed,) = bps.batch(tmp_path, output_dir=tmp_path / "out", progress=appear).failed
    assert (failed.exposure, theirs.read_text()) == (made[1], "theirs")
    assert f"{theirs} exists already" in failed.error
    assert len(list((tmp_path / "out").iterdir())) == 3


@pytest.mark.parametrize("how", ["overwrite", "resume"])
@pytest.mark.parametrize("usable", [True, False])
def test_an_input_is_never_replaced(tmp_path, hashes, how, usable):
    pool(tmp_path, detectors=("NRS1",), background=0)
    given = tmp_path / "sci0_nrs1_badpix_selfcal.fits"
    take(given, 9, detector="NRS1") if usable else given.write_text("junk")
    before = hashes(tmp_path)
    with pytest.raises(FileExistsError, match="would replace the input"):
        bps.batch([*tmp_path.iterdir()], output_dir=tmp_path, **{how: True})
    assert hashes(tmp_path) == before
