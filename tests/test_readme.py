"""The README is short, its links work everywhere, and what it and the guides say is true."""

from __future__ import annotations

import re
import shutil
import sys

import pytest

import badpix_selfcal as bps
from badpix_selfcal.instrument import gap_of
from badpix_selfcal.simulate import simulate

from .commands import shell
from .pages import ROOT, block, text_of

README = text_of("README.md")
KERNELS = "docs/how-to/kernels.md"
PICTURES = ROOT / "docs" / "images"
FILES = (
    "https://raw.githubusercontent.com/badpix-selfcal/badpix-selfcal/main/",
    "https://github.com/badpix-selfcal/badpix-selfcal/blob/main/",
)
SITE = "https://badpix-selfcal.github.io/badpix-selfcal/"


def test_the_readme_has_one_screen_or_two():
    assert len(README.splitlines()) <= 150


def test_the_links_of_the_readme_work_on_pypi():
    start = r"\]\(|^ *\[[^]]+\]: *|(?:src|srcset|href)=[\"']"
    links = {*re.findall(rf"(?:{start})([^)\s\"']+)", README, re.MULTILINE)}
    assert len(links) > 10
    assert [link for link in links if not link.startswith("https://")] == []
    for link in links:
        if link.startswith(FILES):
            assert (ROOT / link.partition("/main/")[2]).is_file(), link
        if link.startswith(SITE):
            page = link.removeprefix(SITE) or "index.html"
            assert (ROOT / "docs" / page).with_suffix(".md").is_file(), link


@pytest.mark.parametrize(
    ("picture", "page"),
    [
        ("before_after", "README.md"),
        ("report", "README.md"),
        ("cuts", "docs/how-to/choose-the-cut.md"),
        ("page", "docs/how-to/figures.md"),
    ],
)
def test_the_pictures_are_shown_and_small(picture, page):
    assert f"images/{picture}.png" in text_of(page)
    assert (PICTURES / f"{picture}.png").stat().st_size < 250_000


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
        line = f"make -C {ROOT} demo VENV={tmp_path}/venv DEMO={tmp_path}/demo"
        made = shell(line, tmp_path)
        assert made.status == 0
        assert "hot pixels" in made.text
    assert mine.read_text() == "mine"
    assert len([*mine.parent.glob("*_rate.fits")]) > 3


def test_the_flags_of_both_cuts_are_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    simulate(tmp_path / "demo", detector="MIRIFUSHORT")
    drawn = shell(f"python {ROOT / 'examples' / 'cuts.py'} demo", tmp_path)
    assert "written   demo/cuts.png" in drawn.text
    assert (tmp_path / "demo" / "cuts.png").stat().st_size > 30_000


def test_the_page_of_the_documentation_is_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    simulate(tmp_path / "demo", detector="MIRIFUSHORT", size=(96, 640))
    commands = (
        "badpix-selfcal run demo/*_00001_*_asn.json --save-mask --output-dir demo/flagged --quiet\n"
        f"python {ROOT / 'examples' / 'page.py'} demo"
    )
    assert shell(commands, tmp_path).text == "written   demo/page.png\n"


def test_the_gap_it_explains_is_that_of_the_detector():
    y0, y1, x0, x1 = gap_of("MIRIFULONG")
    assert f"bps.pedestal(exposure, ({y0}, {y1}, {x0}, {x1}))" in block(KERNELS, "bps.pedestal")
    words = " ".join(text_of(KERNELS).split())
    assert f"rows {y0} to {y1 - 1} and columns {x0} to {x1 - 1}, counted from 0" in words
    assert f"`exposure[{y0}:{y1}, {x0}:{x1}]`" in words


def test_the_functions_it_names_exist():
    named = set(re.findall(r"\bbps\.(\w+)", README + text_of(KERNELS)))
    assert named >= {"selfcal", "median_filter"}
    assert named <= {*bps.__all__, *dir(bps)}
    assert all(getattr(bps, name) is not None for name in named)
