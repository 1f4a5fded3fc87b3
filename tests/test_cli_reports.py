"""What the commands report: text, JSON, exit status, and what to do next."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.look.report import facts_in

from .exposures import change, observation, sky, write
from .flagged_files import exposure, saved_mask
from .pools import pool, take


@pytest.fixture
def here(here):
    """A folder with an observation in it, which is the current folder."""
    observation(here)
    return here


@pytest.fixture
def mixed(tmp_path, monkeypatch):
    """A folder with exposures of two detectors, which is the current folder."""
    pool(tmp_path, detectors=("MIRIFULONG", "NRS1"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def user(demo, monkeypatch):
    """The folder of a simulation, which is the current folder."""
    monkeypatch.chdir(demo)
    return demo


@pytest.fixture
def report(capsys):
    """A function that runs a command with ``--json`` and returns what it prints."""

    def run(*words, status=0):
        assert main([*words, "--json"]) == status
        found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
        assert (found["exit_status"], found["version"]) == (status, bps.__version__)
        return found

    return run


@pytest.fixture
def lines(capsys):
    """A function that runs a command and returns the lines that it prints, by their first word."""

    def run(*words, status=0):
        assert main(list(words)) == status
        found: dict[str, list[str]] = {}
        for line in capsys.readouterr().out.splitlines():
            word, _, text = line.strip().partition(" ")
            found.setdefault(word, []).append(text.strip())
        return found

    return run


def refused(capsys, *words):
    """Return the error of a command that fails."""
    assert main(list(words)) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("badpix-selfcal: error: ")
    return line.removeprefix("badpix-selfcal: error: ")


VERDICT = {"verdict", "why", "command"}

MEMBERS = [f"{name}_rate.fits" for name in ("sci0", "bkg0", "bkg1", "self0", "self1")]


# run


def test_run_prints_what_a_session_shows_and_what_to_do_next(here, capsys):
    assert main(["run", "x_asn.json", "--output-dir", "out", "--save-flagged-bkg"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    shown = repr(bps.selfcal("x_asn.json", output_dir="api", save_flagged_bkg=True))
    assert printed.out.splitlines() == [
        *shown.replace(" api", " out").splitlines(),
        "look      --report shows the flags on a page; --save-mask keeps the mask to plot",
        "next      badpix-selfcal associate out --flagged",
    ]
    assert len([*(here / "out").iterdir()]) == 3


def test_one_exposure_is_not_enough(user, capsys, report):
    found = report("run", "sci_rate.fits", "--quiet", status=3)
    assert [product["status"] for product in found["products"]] == ["SKIPPED"]
    assert found["errors"] == []
    (said,) = found["warnings"]
    assert main(["run", "sci_rate.fits"]) == 3
    printed = capsys.readouterr()
    assert printed.err == f"badpix-selfcal: warning: {said}\n"
    assert said.startswith(
        "sci_rate.fits: no selfcal or background exposures for sci, step skipped"
    )
    assert printed.out.startswith("Result sci: SKIPPED, 1 exposure\n")
    assert "next      nothing was flagged: add exposures of the same detector" in printed.out
    assert not (user / "sci_badpix_selfcal.fits").exists()
    assert main(["run", "sci_rate.fits", "--force-single", "--quiet"]) == 0


def with_gap(path, value):
    """Write an exposure whose gap between the channels holds one value."""
    image = sky(9)
    image[:, 474:507] = value
    return write(path, image).name


def test_exposures_without_a_pedestal_need_no_further_ones(here, lines):
    one, two = (with_gap(here / f"nan{number}_rate.fits", np.nan) for number in range(2))
    found = lines("run", one, "--background", two, status=3)
    assert found["next"][0].startswith("nothing was flagged: no pedestal can be measured")


def test_infinite_gaps_are_null_in_json(here, report):
    others = ["--selfcal", with_gap(here / "inf_rate.fits", np.inf)]
    words = ["run", "sci0_rate.fits", *others, "--background", "bkg0_rate.fits"]
    (product,) = report(*words)["products"]
    assert [member["pedestal"] is None for member in product["members"]] == [False, False, True]


def with_role(folder, role, name):
    """Write an association whose backgrounds have another role."""
    (path,) = folder.glob("jw*1001_*_00001_*_asn.json")
    path.with_name(name).write_text(path.read_text().replace("background", role))


def test_members_that_are_not_used_are_listed(user, lines):
    with_role(user, "dark", "dark_asn.json")
    (unused,) = lines("run", "dark_asn.json")["unused"]
    assert unused.count("_rate.fits (dark)") == 2


def test_run_in_json(here, report):
    found = report("run", "x_asn.json", "--threads", "3")
    assert (found["threads"], found["warnings"], found["errors"]) == (3, [], [])
    (product,) = found["products"]
    assert product.keys() == {
        *("product", "status", "members", "unused", "dispaxis", "science", "backgrounds", "mask"),
        *("imprints", "page", "pixels", "cut_low", "cut_high", "n_low", "n_high", "error_scale"),
        *("crowded_rows", "verdict", "why", "command"),
    }
    assert product["status"] == "COMPLETE"
    assert product["n_low"] + product["n_high"] == 124
    assert product["cut_low"] < 0 < product["cut_high"]
    assert [member["path"] for member in product["members"]] == MEMBERS
    assert all(5 < member["pedestal"] < 6 for member in product["members"])
    assert product["science"] == "product_badpix_selfcal.fits"
    assert (here / product["science"]).exists()


OPTIONS = (
    *("--flagfrac-lower", "0.01", "--flagfrac-upper", "0.02", "--kernel-size", "7"),
    *("--save-flagged-bkg", "--edge", "shrink", "--dispaxis", "1", "--force-single"),
)
KEYWORDS = {
    **{"flagfrac_lower": 0.01, "flagfrac_upper": 0.02, "kernel_size": 7},
    **{"save_flagged_bkg": True, "edge": "shrink", "dispaxis": 1, "force_single": True},
}


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.usefixtures("here")
def test_every_option_reaches_the_step(report, repeated):
    science, background, one, two = MEMBERS[0], MEMBERS[1], *MEMBERS[3:]
    files = ["--selfcal", one, *["--selfcal"] * repeated, two, "--background", background]
    (product,) = report("run", science, *files, "--output-dir", "cli", *OPTIONS)["products"]
    how = {"selfcal": [one, two], "background": [background], "output_dir": "api", **KEYWORDS}
    found = bps.selfcal(science, **how).bad_pixels
    for name in ("n_low", "n_high", "cut_low", "cut_high"):
        assert product[name] == getattr(found, name)
    assert (product["dispaxis"], len(product["backgrounds"])) == (1, 1)


# batch, apply and associate


def test_a_failed_exposure_is_reported_and_the_others_continue(mixed, capsys, report):
    (mixed / "junk_rate.fits").write_text("junk")
    assert main(["batch", ".", "--output-dir", "out"]) == 1
    printed = capsys.readouterr()
    error = "junk_rate.fits: is not a FITS file, nor one compressed by gzip"
    assert printed.err == f"badpix-selfcal: error: {error}\n"
    assert "6 COMPLETE, 1 FAILED, 4 BACKGROUND" in printed.out
    assert printed.out.endswith("\nnext      correct what failed, then repeat it with --resume\n")
    assert len(list((mixed / "out").iterdir())) == 6
    found = report("batch", ".", "--output-dir", "out", "--resume", status=1)
    assert (found["errors"], found["statuses"]["KEPT"]) == ([error], 6)


@pytest.mark.usefixtures("here")
def test_nothing_is_resumed_if_all_fail(capsys):
    assert main(["batch", "x_asn.json"]) == 1
    printed = capsys.readouterr()
    assert "give it to `run`" in printed.err
    assert "next" not in printed.out


@pytest.mark.usefixtures("mixed")
def test_backgrounds_only_are_skipped(lines):
    found = lines("batch", ".", "--background", ".", "--output-dir", "out", status=3)
    assert found["status"] == ["10 BACKGROUND"]
    assert found["next"] == [
        "nothing was flagged: no exposure is a science exposure (--background)"
    ]
    lines("batch", ".", "--background", ".", "--output-dir", "out", "--save-mask")


@pytest.mark.usefixtures("mixed")
def test_resume_keeps_what_is_done(report, lines, capsys):
    run = ["batch", ".", "--output-dir", "out"]
    report(*run)
    assert "exists already" in report(*run, status=1)["errors"][0]
    assert {each["status"] for each in report(*run, "--resume")["exposures"]} == {"KEPT"}
    found = lines(*run, "--resume")
    assert found["next"] == ["strun calwebb_spec2 FILE, for each of the 6 files"]
    assert "written" not in found
    said = refused(capsys, *run, "--resume", "--kernel-size", "9")
    assert "out/sci0_mirifulong_badpix_selfcal.fits: was made with " in said
    assert "15 (now 9)" in said
    report(*run, "--overwrite")


def test_what_a_batch_did_not_do_is_reported(mixed, capsys, report):
    take(mixed / "image_rate.fits", 1, DETECTOR="MIRIMAGE", EXP_TYPE="MIR_IMAGE")
    take(mixed / "zempty_rate.fits", 30, empty_gap=True)
    assert main(["batch", ".", "--output-dir", "out"]) == 0
    printed = capsys.readouterr()
    assert "badpix-selfcal: warning: zempty_rate.fits: left out" in printed.err
    assert "\n  left out  1 exposure\n  ignored   1 file of other modes" in printed.out
    found = report("batch", ".", "--output-dir", "json")
    assert found["ignored"] == ["image_rate.fits"]
    members = [each for group in found["groups"] for each in group["members"]]
    left_out = [each for each in members if each["left_out"]]
    facts = {"path": "zempty_rate.fits", "pedestal": None, "noise": None, "left_out": True}
    assert left_out == [facts]


@pytest.mark.usefixtures("mixed")
def test_a_mask_is_applied(report):
    made = report("batch", ".", "--output-dir", "out", "--save-mask")
    (file,) = made["groups"][1]["mask_files"]
    found = report("apply", file["path"], ".", "--output-dir", "again")
    assert found["mask"] == file["path"]
    assert (found["statuses"]["COMPLETE"], len(found["ignored"])) == (5, 5)


def test_associate_lists_what_it_wrote(mixed, capsys, report):
    assert main(["associate", ".", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("would write     sci0_mirifulong_spec2_asn.json")
    assert not list(mixed.glob("*.json"))
    found = report("associate", ".")
    assert found["written"] is True
    assert len(found["associations"]) == len(list(mixed.glob("*_spec2_asn.json"))) == 6
    names = {"path", "product", "group", "science", "backgrounds", "selfcal", "imprints", "existed"}
    assert found["associations"][0].keys() == names
    assert "exists already" in refused(capsys, "associate", ".")
    for options, verb in (([], "exists"), (["--overwrite"], "would replace")):
        assert main(["associate", ".", "--dry-run", *options]) == 0
        assert capsys.readouterr().out.count(f"{verb}  ") == 6


@pytest.mark.usefixtures("mixed")
def test_batch_in_json(report):
    words = ["--threads", "4", "--workers", "3", "--save-flagged-bkg", "--save-mask"]
    found = report("batch", ".", "--output-dir", "out", *words)
    assert (found["threads"], found["failed"], found["index"]) == (4, 0, None)
    first, second = found["groups"]
    assert (first["group"], second["group"]) == ("MIRIFULONG 34", "NRS1")
    names = {"group", "members", "imprints", "flagged", "masks", "mask_files", "pages"}
    assert {*first} == names | VERDICT
    assert all(5 < member["pedestal"] < 11 for member in first["members"])
    assert all(member["pedestal"] is None for member in second["members"])
    numbers = {"pixels": 96 * 640, "n_low": 62, "n_high": 62}
    assert first["masks"] == [{"dispaxis": 2, **numbers, "crowded_rows": []}]
    assert first["flagged"] == [{"dispaxis": 2, "pixels": 124}]
    (file,) = first["mask_files"]
    assert (file["dispaxis"], Path(file["path"]).parent) == (2, Path("out"))
    assert {each["status"] for each in found["exposures"]} == {"COMPLETE"}
    assert found["exposures"][0].keys() == {"exposure", "status", "output", "error"}
    assert len(found["exposures"]) == sum(found["statuses"].values()) == 10


def test_simulate_then_run(tmp_path, report, capsys):
    small = ["--size", "96", "640", "--detector", "mirifushort", "--n-science", "1"]
    made = report("simulate", str(tmp_path), *small, "--hot-groups", "3")
    assert (len(made["science"]), len(made["background"])) == (1, 2)
    assert Path(made["truth"]).exists()
    assert main(["run", made["associations"][0], "--output-dir", str(tmp_path / "out")]) == 0
    assert "COMPLETE" in capsys.readouterr().out
    assert "exist" in refused(capsys, "simulate", str(tmp_path), *small)
    assert main(["simulate", str(tmp_path), "--size", "96", "--overwrite"]) == 0
    assert fits.getdata(made["science"][0]).shape == (96, 640)


# Commands on masks and copies


def test_compare_tells_equal_from_different(here, capsys, report):
    saved_mask(here / "a.fits", {(0, 0)}, {(1, 1)})
    exposure(here / "b.fits", {(1, 1), (2, 2), (3, 3)})
    assert main(["compare", "b.fits", "b.fits", "--quiet"]) == 0
    assert main(["compare", "a.fits", "c.fits", "--quiet"]) == 1
    capsys.readouterr()
    found = report("compare", "a.fits", "b.fits", status=4)
    assert found | {"equal": False, "same_flags": False, "other_end": None, "planes": []} == found
    assert found["a"]["flagged"] == {"number": 2, "low": 1, "high": 1}
    flagged = {"number": 3, "low": None, "high": None}
    assert found["b"] == {"path": "b.fits", "kind": "exposure", "flagged": flagged}
    assert (found["only_a"]["number"], found["only_b"]["number"], found["jaccard"]) == (1, 2, 0.25)
    assert main(["compare", "a.fits", "b.fits"]) == 4
    assert capsys.readouterr().out.startswith("A and B differ: 1 pixel flagged only in A, 2 only ")


def test_infinite_differences_are_null_in_json(here, report):
    a, b = exposure(here / "a.fits"), exposure(here / "b.fits")
    for path, value in ((a, 1.7e308), (b, -1.7e308)):
        fits.append(path, np.full(2, value), fits.Header({"EXTNAME": "HUGE"}))
    plane = report("compare", "a.fits", "b.fits", status=4)["planes"][-1]
    assert (plane["largest"], plane["equal"]) == (None, False)


def test_history_in_json(here, report):
    saved_mask(here / "a.fits", {(0, 0)}, {(1, 1), (2, 2)}, date="2023-05-06")
    saved_mask(here / "b.fits", {(0, 0)}, {(1, 1)}, date="2024-05-06")
    found = report("history", "a.fits", "b.fits", "--table", "pixels.ecsv")
    facts = {"detector": "MIRIFULONG", "at_least": 2, "table": "pixels.ecsv", "in_any": 3}
    assert found | facts | {"persistent": 2, "come_and_go": 0} == found
    assert [epoch["path"] for epoch in found["masks"]] == ["a.fits", "b.fits"]
    assert {*found["groups"]} == {"in_any", "come_and_go", "new", "gone", "persistent"}
    assert (here / "pixels.ecsv").exists()


def test_export_and_plot_list_their_files(here, report, lines):
    saved_mask(here / "a_mask.fits", {(0, 0)}, {(1, 1)})
    assert report("export", "a_mask.fits", "a.ecsv", "a.reg")["files"] == ["a.ecsv", "a.reg"]
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    words = ["plot", "a_mask.fits", "--figure", "mask", "rows", "--dpi", "30"]
    assert report(*words)["figures"] == ["a_mask.png", "a_rows.png"]
    assert lines(*words, "--overwrite")["written"] == ["a_mask.png", "a_rows.png"]


@pytest.mark.usefixtures("here")
def test_report_has_a_verdict_with_reasons(report, lines):
    pytest.importorskip("bokeh", reason="bokeh is not installed")
    assert main(["run", "x_asn.json", "--save-mask", "--quiet"]) == 0
    mask, page = (f"product_badpix_selfcal_{name}" for name in ("mask.fits", "report.html"))
    found = report("report", mask)
    assert found["index"] is None
    (group,) = found["groups"]
    assert group.keys() == {"name", "page", "reasons", "numbers"} | VERDICT
    assert bool(group["command"]) == (group["command"] is not None)
    assert (group["name"], group["page"]) == ("product", page)
    printed = lines("report", mask, "--overwrite")
    assert printed["written"] == [page]
    assert printed["product:"][0] == f"{group['verdict']}: {group['why']}"


# What to do next


def test_a_mask_is_looked_at_and_the_copy_goes_on(here, lines):
    (here / "a b").mkdir()
    found = lines("run", "x_asn.json", "--output-dir", "a b", "--save-mask")
    mask = "'a b/product_badpix_selfcal_mask.fits'"
    assert found["look"] == [f"badpix-selfcal report {mask}"]
    assert found["figures"] == [f"badpix-selfcal plot {mask}"]
    assert found["next"] == ["strun calwebb_spec2 'a b/product_badpix_selfcal.fits'"]


def test_flagged_backgrounds_go_into_associations(here, lines):
    flag = ["batch", *map(str, sorted(here.glob("*_rate.fits"))), "--save-flagged-bkg"]
    change(here / "bkg0_rate.fits", BKGDTARG=True)
    change(here / "bkg1_rate.fits", IS_IMPRT=True)
    (command,) = lines(*flag, "--output-dir", "o ut")["next"]
    assert command == f"badpix-selfcal associate 'o ut' {here} --flagged"
    words = shlex.split(command)[1:]
    counts = "1 science, 1 background, 0 selfcal, 1 imprint"
    assert lines(*words)["written"][0].endswith(f"(MIRIFULONG: {counts})")


@pytest.mark.usefixtures("here")
def test_a_page_comes_first_and_a_rejected_mask_is_not_handed_on(lines):
    pytest.importorskip("bokeh", reason="bokeh is not installed")
    found = lines("run", "x_asn.json", "--report", "--flagfrac-upper", "0.2")
    assert found["page"] == found["look"] == ["product_badpix_selfcal_report.html"]
    (verdict,) = found["verdict"]
    assert verdict.startswith("product: REJECT: ")
    (command,) = found["next"]
    assert command.startswith("badpix-selfcal run sci0_rate.fits --background bkg0_rate.fits ")


@pytest.mark.usefixtures("mixed")
def test_the_verdict_is_in_json(report):
    pytest.importorskip("bokeh", reason="bokeh is not installed")
    groups = report("batch", ".", "--output-dir", "out", "--report")["groups"]
    assert len(groups) == 2
    for each in groups:
        said = facts_in(Path(each["pages"][0]["path"]))
        assert {name: each[name] for name in VERDICT} == {name: said[name] for name in VERDICT}
        assert each["verdict"] in ("TRUST", "LOOK", "REJECT")
        assert (each["command"] is not None) == (each["verdict"] == "REJECT")


# Errors


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run nowhere.fits", "nowhere.fits: no such file or folder"),
        ("run sci_rte.fits", "sci_rte.fits: no such file or folder; did you mean sci_rate.fits"),
        ("run sci_rate.fits --background no*_rate.fits", "no*_rate.fits: no file matches"),
        ("run sci_rate.fits --selfcal sy_rate.fits", "sy_rate.fits: no such file or folder; did"),
        ("run .", ".: is a folder; `run` takes one association or exposure, `batch` takes many"),
        ("run sci_rate.fits --output-dir sky_rate.fits", "sky_rate.fits: is a file; give a folder"),
        ("batch dta", "dta: no such file or folder; did you mean data?"),
        ("batch data", "data: there is no *_rate.fits in this folder and its sub-folders"),
        ("run typo_asn.json", "typo_asn.json: product 0, member 1 ("),
        ("export sci_rate.fits a.ecsv", "sci_rate.fits: "),
    ],
)
def test_an_error_names_the_culprit_in_one_line_and_writes_nothing(user, capsys, line, said):
    (user / "data").mkdir()
    with_role(user, "backgroud", "typo_asn.json")
    before = sorted(user.rglob("*"))
    assert refused(capsys, *line.split()).startswith(said)
    assert sorted(user.rglob("*")) == before


@pytest.mark.parametrize(
    ("ending", "axes", "what"),
    [
        ("s3d", (3, 9, 9), "_s3d is a spectral cube"),
        ("rateints", (2, 96, 640), "_rateints is a cube of integrations"),
        ("uncal", (1, 2, 96, 640), "_uncal is a raw ramp"),
    ],
)
def test_a_product_without_a_rate_image(user, capsys, ending, axes, what):
    with fits.open(user / "sci_rate.fits") as hdus:
        hdus["SCI"].data = np.ones(axes, "f4")
        hdus.writeto(f"sci_{ending}.fits")
    assert refused(capsys, "run", f"sci_{ending}.fits", "--background", "sky_rate.fits") == (
        f"sci_{ending}.fits: SCI must be 2-D, got shape {axes}; {what}: take the rate image (_rate)"
    )
