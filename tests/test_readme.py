"""The commands and the code of the README run as they are written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.instrument import BAD, gap_of
from badpix_selfcal.simulate import simulate

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
RESULT, KERNELS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PICTURE = ROOT / "docs" / "images" / "before_after.png"
ELSEWHERE = ("pip install", "strun", "s3://", "https://", "tcp://")  # other tests run these


def run(commands: str, folder: Path) -> str:
    """Run a block of the README in a folder, and return what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", commands],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def n_flagged(path: Path) -> int:
    return int(np.count_nonzero((fits.getdata(path, "DQ") & BAD) == BAD))


def block(start: str) -> str:
    """Return the only block of commands that begins with this text."""
    (found,) = (each for each in BLOCKS if each.startswith(start))
    return found


@pytest.fixture
def _observation(tmp_path):
    """Make files with the names that the README uses."""
    made = simulate(tmp_path / "data", size=(96, 640))
    association = made.association.read_text(encoding="utf-8")
    for path in made.files:
        association = association.replace(f'"{path.name}"', f'"data/{path.name}"')
    content = json.loads(association)
    content["products"][0]["name"] = "jw01234"
    (tmp_path / "jw01234_spec2_asn.json").write_text(json.dumps(content), encoding="utf-8")
    names = ("science_rate.fits", "tonight_rate.fits", "sky1_rate.fits", "sky2_rate.fits")
    for name, path in zip(names, (*made.science, *made.background), strict=True):
        shutil.copy(path, tmp_path / name)
    for path in made.associations:
        path.unlink()


def test_the_three_commands_draw_the_picture(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="matplotlib is not installed")
    commands = block("badpix-selfcal simulate demo")
    assert len(commands.splitlines()) == 3
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    run(commands, tmp_path)
    (flagged,) = (tmp_path / "demo" / "flagged").iterdir()
    assert n_flagged(flagged) > 9000
    with image.open(tmp_path / "demo" / "before_after.png") as drawn, image.open(PICTURE) as shown:
        assert drawn.size == shown.size
        new, old = (np.asarray(each.convert("RGB"), float) for each in (drawn, shown))
    orange = [np.all(np.abs(each - (213, 94, 0)) < 30, axis=2).sum() for each in (new, old)]
    assert orange[0] == pytest.approx(orange[1], rel=0.1)
    assert np.abs(new - old).mean() < 5  # of 255; fonts may differ


def test_make_demo_keeps_the_other_files_of_its_folder(tmp_path):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    for stamp in (".pip", ".installed"):
        (tmp_path / "venv" / stamp).touch()
    for name, module in (("python", ""), ("badpix-selfcal", "-m badpix_selfcal")):
        script = tmp_path / "venv" / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
        script.chmod(0o755)
    mine = tmp_path / "demo" / "mine_00001_spec2_asn.json"
    mine.parent.mkdir()
    mine.write_text("mine")
    for _ in range(2):
        report = run(f"make -C {ROOT} demo VENV={tmp_path}/venv DEMO={tmp_path}/demo", tmp_path)
        assert "hot pixels" in report
    assert mine.read_text() == "mine"
    assert len([*mine.parent.glob("*_rate.fits")]) > 3


def test_the_flags_of_both_cuts_are_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    simulate(tmp_path / "demo", detector="MIRIFUSHORT")
    report = run(f"python {ROOT / 'examples' / 'cuts.py'} demo", tmp_path)
    assert "written   demo/cuts.png" in report
    assert (tmp_path / "demo" / "cuts.png").stat().st_size > 30_000


def test_the_flags_are_looked_at(tmp_path):
    pytest.importorskip("bokeh", reason="bokeh is not installed")
    image = pytest.importorskip("PIL.Image", reason="matplotlib is not installed")
    simulate(tmp_path / "demo", detector="MIRIFUSHORT", size=(96, 640))
    run(block("badpix-selfcal run demo/"), tmp_path)
    (page,) = (tmp_path / "demo" / "seen").glob("*_badpix_selfcal_report.html")
    assert "TRUST" in page.read_text()
    (figures,) = (tmp_path / "demo" / "seen").glob("*_page.png")
    with image.open(figures) as drawn:
        assert min(drawn.size) > 2000


@pytest.mark.parametrize("picture", ["before_after.png", "cuts.png", "report.png"])
def test_the_pictures_are_in_the_readme_and_small(picture):
    path = PICTURE.with_name(picture)
    assert f"({path.relative_to(ROOT)})" in README
    assert path.stat().st_size < 200_000


@pytest.mark.usefixtures("_observation")
def test_an_association_is_flagged(tmp_path):
    run(block("badpix-selfcal run jw01234_spec2_asn.json --cut"), tmp_path)
    names = sorted(path.name for path in (tmp_path / "flagged").iterdir())
    assert len(names) == 4
    names.remove("jw01234_badpix_selfcal_mask.fits")
    assert sum("_bkg_" in name for name in names) == 2
    assert len({n_flagged(tmp_path / "flagged" / name) for name in names}) == 1


def test_the_page_of_the_documentation_is_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    simulate(tmp_path / "demo", detector="MIRIFUSHORT", size=(96, 640))
    script = ROOT / "examples" / "page.py"
    commands = (
        "badpix-selfcal run demo/*_00001_*_asn.json --save-mask --output-dir demo/flagged --quiet\n"
        f"python {script} demo"
    )
    assert run(commands, tmp_path) == "written   demo/page.png\n"
    picture = PICTURE.with_name("page.png")
    assert picture.stat().st_size < 250_000
    assert "(images/page.png)" in (ROOT / "docs" / "plots.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("_observation")
def test_exposures_without_an_association_are_flagged(tmp_path):
    run(block("badpix-selfcal run science_rate.fits"), tmp_path)
    assert n_flagged(tmp_path / "science_badpix_selfcal.fits") > 100


@pytest.mark.usefixtures("_observation")
def test_a_mask_is_applied(tmp_path):
    run(block("badpix-selfcal run jw01234_spec2_asn.json --cut"), tmp_path)
    run(block("badpix-selfcal apply"), tmp_path)
    (flagged,) = (tmp_path / "tonight").iterdir()
    assert n_flagged(flagged) > 100


@pytest.mark.usefixtures("_observation")
def test_a_folder_is_flagged_and_resumed(tmp_path):
    report = run(block("badpix-selfcal batch data"), tmp_path)
    science = [path.name for path in (tmp_path / "data").glob("jw09999001*_rate.fits")]
    flagged = {path.name for path in (tmp_path / "flagged_all").iterdir()}
    assert flagged == {name.replace("_rate", "_badpix_selfcal") for name in science}
    assert "2 COMPLETE, 2 BACKGROUND" in report
    assert "2 KEPT, 2 BACKGROUND" in report


@pytest.mark.usefixtures("_observation")
def test_associations_are_written(tmp_path):
    printed = run(block("badpix-selfcal associate data"), tmp_path)
    written = sorted((tmp_path / "data").glob("*_spec2_asn.json"))
    assert len(written) == 2
    for path in written:
        assert printed.count(path.name) == 2  # once by the dry run


@pytest.mark.usefixtures("_observation")
def test_results_and_masks_are_compared(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    made = bps.batch(tmp_path / "data", output_dir=tmp_path / "made", save_mask=True)
    (copy, *_) = made.written
    (mask,) = (tmp_path / "made").glob("*_mask.fits")
    for name, source in {
        "one/target_badpix_selfcal.fits": copy,
        "two/target_badpix_selfcal.fits": copy,
        "masks/target_mask.fits": mask,
        "masks/later_mask.fits": mask,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(source, tmp_path / name)
    printed = run(block("badpix-selfcal compare"), tmp_path)
    assert printed.startswith("A and B are equal\n")
    assert "2 masks of MIRIFULONG" in printed
    assert {path.name for path in tmp_path.glob("*.*")} >= {
        "pixels.ecsv",
        "history.png",
        "target.ecsv",
        "target.reg",
    }


@pytest.mark.usefixtures("_observation")
def test_the_blocks_work_one_after_the_other(tmp_path):
    first = "run jw01234_spec2_asn.json --cut"
    for start in (first, "run science_rate.fits", "batch data", "apply", "associate data"):
        run(block(f"badpix-selfcal {start}"), tmp_path)
    for extra, guide in (
        ("", "sigma-cut"),
        ("", "masks"),
        ("bokeh", "report"),
        ("matplotlib", "plots"),
    ):
        page = (ROOT / "docs" / f"{guide}.md").read_text(encoding="utf-8")
        (commands, *_) = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
        lines = re.findall(r"^badpix-selfcal (?:run|batch) .*", commands, re.MULTILINE)
        assert lines
        assert all("--cut sigma" in line for line in lines)
        if not extra or find_spec(extra):
            # Small exposures are those of a subarray.
            run(commands.replace("mirifulong_34", "mirifulong_generic_34"), tmp_path)


def test_the_completion_of_the_shell_is_installed_in_a_new_account(tmp_path):
    run(f"export HOME={tmp_path}\n{block('mkdir -p')}", tmp_path)
    (script,) = (tmp_path / ".local" / "share").rglob("badpix-selfcal")
    assert "--sigma-upper" in script.read_text()


def test_every_block_of_commands_is_run():
    run_here = [each for each in BLOCKS if not any(mark in each for mark in ELSEWHERE)]
    assert len(run_here) == 9


def test_the_python_example_runs(capsys):
    exec(compile(KERNELS, "README.md", "exec"), {})
    n_low, n_high, hot = capsys.readouterr().out.split()
    assert (n_low, n_high, hot) == ("1057", "1057", "True")


@pytest.mark.usefixtures("_observation")
def test_a_result_is_shown_and_drawn(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    exec(compile(RESULT, "README.md", "exec"), {})
    assert "  flagged   " in capsys.readouterr().out
    assert (tmp_path / "flags.png").stat().st_size > 10_000


def test_the_gap_it_explains_is_that_of_the_detector():
    y0, y1, x0, x1 = gap_of("MIRIFULONG")
    assert f"bps.pedestal(exposure, ({y0}, {y1}, {x0}, {x1}))" in KERNELS
    words = " ".join(README.split())
    assert f"rows {y0} to {y1 - 1} and columns {x0} to {x1 - 1}, counted from 0" in words
    assert f"`exposure[{y0}:{y1}, {x0}:{x1}]`" in words


def test_the_functions_it_names_exist():
    named = set(re.findall(r"\bbps\.(\w+)", README))
    assert named >= {"selfcal", "batch", "median_filter"}
    assert named <= {*bps.__all__, *dir(bps)}
    assert all(getattr(bps, name) is not None for name in named)


def test_the_links_lead_to_files():
    linked = set(re.findall(r"\]\(([^)#:]+)\)", README))
    assert "docs/cluster.md" in linked
    assert [link for link in linked if not (ROOT / link).exists()] == []
