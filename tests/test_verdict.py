"""The verdict on masks: made up, and of runs on real files."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.look.left import BLOCK, block_scatter
from badpix_selfcal.look.verdict import LIMITS, MEANING, judge
from badpix_selfcal.masks.mask import Member
from badpix_selfcal.parameters import Parameters

from .exposures import MRS, write
from .masks import group_mask, masks

GROUP = np.s_[40:43, 200:203]
DOCS = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "report.md"


def expose(folder, count=4, *, error=1.0, cards=None, name="rate"):
    """Write exposures with hot pixels, and with an ERR in units of the noise."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(11)
    hot = np.zeros(MRS, np.float32)
    hot[tuple(rng.integers(0, size, 400) for size in MRS)] = rng.uniform(10, 15, 400)
    hot[36:47, 196:207] = 0
    paths = []
    for number in range(count):
        image = (rng.normal(0, 1, MRS) + hot).astype(np.float32)
        path = write(folder / f"{number}_{name}.fits", image)
        with fits.open(path, mode="update") as hdus:
            hdus["ERR"].data = np.full(MRS, error, np.float32)
            hdus["DQ"].data[:] = 0
            hdus[0].header.update(cards or {})
        paths.append(path)
    return paths


def judged(paths, **how):
    """Run, and judge the mask that the run has saved; return it, too."""
    folder = Path(mkdtemp(prefix="badpix_verdict_", dir=paths[0].parent))
    how = {"cut": "sigma", "selfcal": paths[1:], **how}
    result = bps.selfcal(paths[0], output_dir=folder, save_mask=True, **how)
    mask = bps.Mask.read(result.mask_file)
    return judge(mask), mask


def against(judgement):
    """Return the reasons that speak against a mask."""
    return {each.name: each.verdict for each in judgement.against}


@cache
def good_mask(cut="sigma"):
    """Return the mask of a run on good exposures."""
    how = {} if cut == "sigma" else {"flagfrac_upper": 400 / np.prod(MRS), "flagfrac_lower": 0}
    return judged(expose(Path(mkdtemp(prefix="badpix_verdict_"))), cut=cut, **how)[1]


def changed(mask, /, **how):
    """Return a mask that found something else."""
    return replace(mask, bad_pixels=replace(mask.bad_pixels, **how))


def with_light(mask, light):
    """Return a mask with light that was added afterwards, and has no flags."""
    found = mask.bad_pixels
    mask = changed(mask, mask=found.mask & ~(light > 0), residual=found.residual + light)
    return replace(mask, minimum=mask.minimum + light)


def flagged(mask, where=GROUP):
    """Return a mask with further flags."""
    flags = mask.flags.copy()
    flags[where] = True
    return changed(mask, mask=flags)


def left_alone(mask, value=100.0):
    """Return a mask that leaves a hot group of 3 x 3 pixels."""
    light = np.zeros(MRS, np.float32)
    light[GROUP] = value
    return with_light(mask, light)


def test_good_exposures_are_trusted():
    for cut in ("sigma", "fraction"):
        assert against(judge(good_mask(cut))) == {}, cut


def test_the_reason_counts_the_checks():
    good, left = judge(good_mask()), judge(left_alone(good_mask()))
    number = sum(each.value is not None for each in good.reasons)
    assert number > 14
    assert good.why == f"{number} of {number} checks passed; 0 % spikes left"
    assert left.why == (
        f"{number - 1} of {number} checks passed; "
        "groups left above 20 times the noise, with sharp edges: 1"
    )
    assert (good.command, left.command) == ("", "")


class TestCommand:
    """What the page says to run instead of a rejected mask."""

    def test_it_finds_better_flags(self, here, capsys):
        paths = expose(here / "a b", 4)
        rejected, mask = judged(paths, flagfrac_upper=0.2, cut="fraction", kernel_size=17)
        assert rejected.verdict == "REJECT"
        program, *words = shlex.split(rejected.command)
        assert program == "badpix-selfcal"
        assert words[:2] == ["run", str(paths[0])]
        assert [*zip(words[2:8:2], words[3:9:2], strict=True)] == [
            ("--selfcal", str(each)) for each in paths[1:]
        ]
        assert main([*words, "--json"]) == 0
        (product,) = json.loads(capsys.readouterr().out)["products"]
        assert product["verdict"] == "TRUST"
        again = bps.Mask.read(product["mask"]).parameters
        assert (again.cut, again.kernel_size, again.report) == ("sigma", 17, True)
        assert Path(product["page"]).parent == mask.members[0].output.parent

    @pytest.mark.parametrize(
        ("number", "option", "given"),
        [
            ("share_high", "--sigma-upper 5.62", {}),
            ("share_low", "--sigma-lower 18.0", {}),
            ("clusters", "--spare-crowded", {}),
            ("spikes_left", "--sigma-upper 2.5", {}),
            ("spikes_left", "--sigma-upper 2.0", {"sigma_upper": 3.0}),
            ("spikes_left", "", {"sigma_upper": 30.0}),  # the default lies between
            ("share_high", "--sigma-upper 45.0", {"sigma_upper": 30.0}),
            ("share_high", "", {"sigma_upper": 1.5}),
            ("share_low", "", {"sigma_lower": 2.0}),
        ],
    )
    def test_the_sigma_cut_changes(self, monkeypatch, number, option, given):
        monkeypatch.setitem(LIMITS, number, replace(LIMITS[number], reject=-1.0))
        mask = good_mask()
        command = judge(replace(mask, parameters=replace(mask.parameters, **given))).command
        assert option in command
        assert ("--sigma" in command) == ("--sigma" in option)
        assert "--cut sigma" in command

    def test_too_few_exposures(self, tmp_path):
        rejected, _ = judged(expose(tmp_path, 1), force_single=True)
        assert f"badpix-selfcal batch {tmp_path} --save-mask " in rejected.command
        assert "--force-single" not in rejected.command

    def test_constant_exposures_are_left_out(self):
        mask = good_mask()
        first, second, *others = mask.members
        members = (first, replace(second, is_constant=True), *others)
        command = judge(replace(mask, members=members)).command
        assert str(second.exposure) not in command
        assert str(others[0].exposure) in command


class TestLeft:
    """Groups of hot pixels without a flag."""

    @pytest.mark.parametrize("cut", ["sigma", "fraction"])
    def test_a_hot_group_is_counted_once(self, cut):
        judgement = judge(left_alone(good_mask(cut)))
        assert judgement.verdict == against(judgement)["sharp_left"] == "LOOK"
        assert judgement.numbers["sharp_left"] == 1
        (place,) = judgement.numbers["sharp_left_at"]
        assert place["row"] in range(40, 43)
        assert place["column"] in range(200, 203)
        assert place["pixels"] == judgement.numbers["sharp_left_pixels"] == 9
        assert place["residual"] == pytest.approx(100, abs=5)
        assert place["times_noise"] == pytest.approx(100, rel=0.3)

    def test_without_noise_there_is_no_multiple_of_it(self):
        mask = good_mask("fraction")
        residual = np.zeros_like(mask.minimum)
        residual[40, 200] = 1.0
        alone = changed(mask, mask=np.zeros_like(mask.flags), residual=residual)
        alone = replace(alone, minimum=residual)
        (place,) = judge(alone).numbers["sharp_left_at"]
        assert place["times_noise"] is None

    def test_a_known_one_is_not(self):
        mask = left_alone(good_mask())
        dq = mask.dq.copy()
        dq[GROUP] |= 1
        assert judge(replace(mask, dq=dq)).verdict == "TRUST"
        dq[GROUP] = 4  # some other bit
        assert judge(replace(mask, dq=dq)).numbers["sharp_left"] == 1
        assert judge(replace(mask, dq=None)).numbers["sharp_left"] == 1

    def test_one_that_is_not_persistent_is_not(self, tmp_path):
        mask = left_alone(good_mask())
        assert against(judge(mask))["sharp_left"] == "LOOK"
        paths = [good_mask().write(tmp_path / "1.fits"), mask.write(tmp_path / "2.fits")]
        bps.history(paths, persistent_mask=tmp_path / "p.fits")
        judgement = judge(bps.Mask.read(tmp_path / "p.fits"))
        assert judgement.numbers["sharp_left"] == 1
        assert "sharp_left" not in against(judgement)

    def test_a_flagged_one_is_not(self):
        assert judge(flagged(left_alone(good_mask()))).numbers["sharp_left"] == 0

    def test_a_faint_one_is_not(self):
        assert judge(left_alone(good_mask(), 10.0)).verdict == "TRUST"

    def test_light_is_not(self):
        y, x = np.mgrid[: MRS[0], : MRS[1]]
        light = 300 * np.exp(-((y - 41) ** 2 + (x - 201) ** 2) / 2 / 1.2**2)
        light = np.where(light > 0.01, light, 0).astype(np.float32)
        assert judge(with_light(good_mask(), light)).numbers["sharp_left"] == 0

    def test_the_arm_of_a_flagged_pixel_is(self):
        light = np.zeros(MRS, np.float32)
        light[43, 201] = 129
        arm = with_light(flagged(left_alone(good_mask(), 4000.0)), light)
        assert judge(arm).numbers["sharp_left_pixels"] == 1

    def test_the_brightest_come_first(self):
        light = np.zeros(MRS, np.float32)
        for row, value in ((10, 50), (41, 200), (70, 90)):
            light[row : row + 2, 200] = value
        numbers = judge(with_light(good_mask(), light)).numbers
        assert [each["row"] // 10 for each in numbers["sharp_left_at"]] == [4, 7, 1]
        assert [each["pixels"] for each in numbers["sharp_left_at"]] == [2, 2, 2]

    def test_one_in_spared_rows_is_named_as_such(self):
        mask = left_alone(good_mask())
        spare = replace(mask.parameters, spare_crowded=True)
        judgement = judge(replace(mask, crowded=(201,), parameters=spare))
        assert (judgement.verdict, judgement.numbers["sharp_left_spared"]) == ("LOOK", 1)
        for other in (replace(mask, crowded=(300,), parameters=spare), replace(mask, crowded=())):
            assert judge(other).numbers["sharp_left_spared"] == 0


class TestExposures:
    """Exposures that the verdict and a warning of the run speak against."""

    @pytest.mark.parametrize("value", [0.0, 3.5, np.nan])
    @pytest.mark.parametrize("which", [0, 2])
    def test_one_of_a_single_value(self, tmp_path, value, which):
        paths = expose(tmp_path, cards={"DETECTOR": "NRS1", "EXP_TYPE": "NRS_IFU"})
        with fits.open(paths[which], mode="update") as hdus:
            hdus["SCI"].data[:] = value
            hdus["SCI"].data[:3] = np.nan
        with pytest.warns(bps.SelfcalWarning, match=f"{which}_rate.fits: SCI holds one value only"):
            judgement, _ = judged(paths)
        assert judgement.verdict == against(judgement)["constant"] == "REJECT"
        assert judgement.numbers["constant_of"][0] == str(paths[which])

    def test_a_minimum_without_scatter(self):
        judgement = judge(group_mask(np.zeros(MRS, np.float32)))
        assert against(judgement)["constant"] == "REJECT"

    @pytest.mark.parametrize(("different", "verdict"), [(3, "LOOK"), (2, "LOOK"), (1, "REJECT")])
    def test_copies_of_one(self, tmp_path, different, verdict):
        paths = expose(tmp_path, different)
        same = [Path(shutil.copy(paths[-1], tmp_path / f"copy{n}_rate.fits")) for n in range(2)]
        fits.setval(same[0], "DATE", value="2026-01-01")
        with pytest.warns(bps.SelfcalWarning, match="SCI is that of another exposure") as warned:
            judgement, _ = judged([*paths, *same])
        (said,) = {str(each.message) for each in warned}
        assert said.startswith(f"{same[0]}, {same[1]}: SCI is that of another exposure")
        assert f"({paths[-1]}), so that {different} different exposure" in said
        assert (judgement.verdict, against(judgement)["copies"]) == (verdict, "LOOK")
        assert judgement.numbers["exposures"] == different
        assert judgement.numbers["copies_of"] == dict.fromkeys(map(str, same), str(paths[-1]))

    def test_copies_do_not_change_the_flags(self, tmp_path):
        paths = expose(tmp_path, 2)
        same = Path(shutil.copy(paths[1], tmp_path / "copy_rate.fits"))
        with pytest.warns(bps.SelfcalWarning, match="2 different exposures are left"):
            ours = judged([*paths, same])[1].bad_pixels
        expected = judged(paths)[1].bad_pixels
        assert ours.error_scale == expected.error_scale
        np.testing.assert_array_equal(ours.mask, expected.mask)

    def test_a_batch_on_a_cluster_finds_copies(self, tmp_path):
        distributed = pytest.importorskip("distributed", reason="needs the extra dask")
        paths = expose(tmp_path / "in", 17)  # more than one task combines
        same = Path(shutil.copy(paths[0], tmp_path / "in" / "last_rate.fits"))
        how = {"n_workers": 1, "processes": False, "dashboard_address": ":0"}
        to = tmp_path / "out"
        with (
            distributed.Client(**how) as client,
            pytest.warns(bps.SelfcalWarning, match=f"{same}: SCI is that of another .* 17 diff"),
        ):
            bps.batch(tmp_path / "in", output_dir=to, scheduler=client, save_mask=True)
        (to,) = to.glob("*_mask.fits")
        assert judge(bps.Mask.read(to)).numbers["copies_of"] == {str(same): str(paths[0])}

    @pytest.mark.parametrize(
        ("error", "said", "reason"),
        [
            *((each, "no exposure has a valid ERR", "no_errors") for each in (0.0, np.nan)),
            *((each, "times the mean ERR", "error_factor") for each in (3.0, 1 / 3)),
        ],
    )
    def test_an_error_that_does_not_describe_the_data(self, tmp_path, error, said, reason):
        with pytest.warns(bps.SelfcalWarning, match=said):
            judgement, _ = judged(expose(tmp_path, error=error))
        assert judgement.verdict == against(judgement)[reason] == "LOOK"

    @pytest.mark.parametrize(
        ("scale", "reason"),
        [
            *((each, "no_errors") for each in (None, 0.0, -1.0, np.inf, np.nan, 1e-320)),
            *((each, "error_factor") for each in (1e300, 0.49, 2.01)),
            *((each, None) for each in (0.5, 1.0, 2.0)),
        ],
    )
    def test_errors_that_describe_the_data(self, scale, reason):
        judgement = judge(changed(good_mask(), error_scale=scale))
        assert [*against(judgement)] == ([] if reason is None else [reason])
        json.dumps(judgement.numbers, allow_nan=False)

    @pytest.mark.parametrize(
        ("name", "cards", "said"),
        [
            ("rate", {"S_PXREPL": "COMPLETE"}, r"later steps .* \(S_PXREPL = COMPLETE\)"),
            ("cal", {}, "later steps of the pipeline"),
        ],
    )
    def test_later_steps(self, tmp_path, name, cards, said):
        paths = expose(tmp_path, name=name, cards=cards)
        with pytest.warns(bps.SelfcalWarning, match=said):
            judgement, _ = judged(paths)
        assert against(judgement) == {"later": "LOOK"}
        assert [*judgement.numbers["later_of"]] == [*map(str, paths)]

    def test_flagged_copies(self, tmp_path):
        judgement, _ = judged(expose(tmp_path, cards={"S_BPXSLF": "COMPLETE"}), force=True)
        assert against(judgement) == {"later": "LOOK"}

    def test_steps_before_it_and_skipped_ones_do_not_count(self, tmp_path):
        before = {"S_RAMP": "COMPLETE", "S_WCS": "COMPLETE", "S_CLNFNS": "COMPLETE"}
        paths = expose(tmp_path, cards={**before, "S_FLAT": "SKIPPED"})
        assert judged(paths)[0].verdict == "TRUST"


def member(name, pedestal=1.0, problem=""):
    return Member(Path(name), "science", pedestal, problem)


def noise(shape=(128, 128)):
    return np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)


def flags_of(image=None, **parameters):
    """Return the mask of noise, or of an image, of four exposures."""
    usual = {} if parameters.get("cut") == "sigma" else {"flagfrac_lower": 0.0}
    asked = Parameters(**{**usual, **parameters})
    return group_mask(noise() if image is None else image, members=FOUR, parameters=asked)


FOUR = tuple(member(f"{number}_rate.fits") for number in range(4))


class TestFlags:
    """Masks that are made up."""

    @given(masks())
    def test_every_mask_can_be_judged(self, mask):
        judgement = judge(mask)
        assert judgement.verdict in MEANING
        assert [each.name for each in judgement.reasons] == [*LIMITS]
        numbers = judgement.numbers
        assert numbers["low"] + numbers["high"] == numbers["flagged"] == mask.flags.sum()
        json.dumps(numbers, allow_nan=False)

    def test_flags_of_noise(self):
        judgement = judge(flags_of(noise((512, 512)), flagfrac_upper=0.01))
        assert against(judgement)["noise_flags"] == judgement.verdict == "REJECT"

    def test_spikes_that_are_left(self):
        image = noise()
        image[8::16, 8::16] = 50.0
        assert against(judge(flags_of(image, flagfrac_upper=0.0005)))["spikes_left"] == "REJECT"
        enough = judge(flags_of(image, flagfrac_upper=64 / 128**2))
        assert "spikes_left" not in against(enough)
        assert enough.numbers["spikes"] == 0

    @pytest.mark.parametrize(
        ("members", "name", "verdict"),
        [
            (FOUR, "exposures", "TRUST"),
            (FOUR[:2], "exposures", "LOOK"),
            (FOUR[:1], "exposures", "REJECT"),
            ((*FOUR, member("bad", float("nan"), "no pedestal")), "unused", "LOOK"),
            ((*FOUR, member("odd", 100.0)), "odd_pedestals", "LOOK"),
            ((*FOUR, member("none", None)), "odd_pedestals", "TRUST"),
        ],
    )
    def test_exposures_count(self, members, name, verdict):
        judgement = judge(group_mask(noise(), members=members))
        assert against(judgement).get(name, "TRUST") == verdict
        if name == "odd_pedestals" and verdict == "LOOK":
            assert judgement.numbers["odd_pedestals_of"] == ["odd"]

    def test_runs_and_crowded_rows(self):
        trace = replace(flagged(flags_of(), np.s_[:, 40]), crowded=(40,))  # along the dispersion
        judgement = judge(trace)
        assert against(judgement)["clusters"] == "REJECT"
        assert "crowded_flags" in against(judgement)
        assert judgement.numbers["longest_run"] == 128
        assert judgement.numbers["crowded_flags"] == pytest.approx(
            100 * 128 / trace.flags.sum(), rel=5e-3
        )
        assert judge(replace(trace, dispaxis=1, crowded=())).numbers["longest_run"] < 5

    def test_a_full_region(self):
        one = changed(flags_of(), mask=np.zeros((128, 128), bool))
        one = flagged(one, np.s_[:64:3, :64:3])
        assert against(judge(one))["region_ratio"] == "REJECT"

    def test_known_flags(self):
        mask = flags_of()
        known = judge(replace(mask, dq=np.where(mask.flags, 1, 4).astype(np.uint32)))
        assert (known.numbers["known"], against(known)["known"]) == (100, "LOOK")
        assert "known" not in against(judge(replace(mask, dq=None)))

    def test_the_scatter_of_blocks_is_that_of_the_noise(self):
        image = noise((3 * BLOCK + 10, 2 * BLOCK))
        image[BLOCK:] *= 7
        image[:5], image[7, 7] = np.nan, np.inf
        sigmas, counts = block_scatter(image)
        assert counts.sum() == np.isfinite(image).sum()
        np.testing.assert_allclose(sigmas, [[1, 1], [7, 7], [7, 7], [7, 7]], rtol=0.15)

    def test_the_documentation_has_the_limits(self):
        text = DOCS.read_text(encoding="utf-8")
        for limit in LIMITS.values():
            row = next(line for line in text.splitlines() if line.startswith(f"| {limit.label} "))
            cells = [re.sub(r"[^0-9.]", "", cell) for cell in row.split("|")[2:4]]
            limits = ["" if each is None else f"{each:g}" for each in (limit.look, limit.reject)]
            assert cells == limits, limit.label

    def test_flags_without_images_have_no_verdict(self):
        with pytest.raises(bps.MaskError, match="holds flags only; give a mask of this"):
            judge(bps.Mask(name="x.fits", flags=np.ones((3, 4), bool)))
