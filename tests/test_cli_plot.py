"""``badpix-selfcal plot`` and `badpix_selfcal.look.save`: figures as files."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


from PIL import Image

import badpix_selfcal as bps
from badpix_selfcal import look
from badpix_selfcal.cli import main
from badpix_selfcal.look.plot import FIGURES

from .flagged_files import group_mask_of


@pytest.fixture(scope="module")
def found(simulated, tmp_path_factory):
    """A mask of the sigma cut."""
    (association,) = simulated.glob("*1001_*_00001_*_asn.json")
    folder = tmp_path_factory.mktemp("found")
    return bps.selfcal(association, cut="sigma", output_dir=folder).mask


@pytest.fixture
def mask(found, tmp_path, monkeypatch):
    """A mask file in the current folder, beside the copy that it lists."""
    monkeypatch.chdir(tmp_path)
    Path("sci_badpix_selfcal.fits").touch()
    first, *others = found.members
    copy = replace(first, output=Path("sci_badpix_selfcal.fits"))
    replace(found, members=(copy, *others)).write("sci_mask.fits")


def made():
    pictures = [path for path in Path().rglob("*") if path.suffix in (".png", ".pdf", ".svg")]
    return sorted(path.name for path in pictures)


def size_of(path):
    """Return the size of a picture, after it was decoded."""
    with Image.open(path) as picture:
        picture.load()
        assert picture.format == "PNG"
        return picture.size


@pytest.mark.usefixtures("mask")
class TestFiles:
    def test_a_page_of_a_mask(self, capsys):
        assert main(["plot", "sci_mask.fits", "--dpi", "30"]) == 0
        assert capsys.readouterr().out == "written   sci_page.png\n"
        assert size_of("sci_page.png") == (480, 588)

    def test_a_copy_has_the_figures_of_its_mask(self, capsys):
        words = ["plot", "sci_badpix_selfcal.fits", "--figure", "mask", "--figure", "rows"]
        assert main([*words, "--output-dir", "out", "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts["figures"] == ["out/sci_mask.png", "out/sci_rows.png"]
        assert made() == ["sci_mask.png", "sci_rows.png"]

    def test_all_figures(self):
        written = look.save("sci_mask.fits", figure="all", dpi=20)
        assert [path.name for path in written] == [f"sci_{name}.png" for name in FIGURES]
        assert all(size_of(path)[0] > 80 for path in written)

    def test_pdf_and_svg(self):
        for kind in ("pdf", "svg"):
            look.save("sci_mask.fits", figure=["histogram", "mask"], format=kind)
        assert Path("sci_mask.pdf").read_bytes().startswith(b"%PDF-")
        assert b"%%EOF" in Path("sci_mask.pdf").read_bytes()[-10:]
        root = ElementTree.parse("sci_histogram.svg").getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"

    def test_an_existing_figure_stays(self, capsys):
        Path("sci_rows.png").write_text("mine")
        words = ["plot", "sci_mask.fits", "--figure", "columns", "--figure", "rows", "--dpi", "20"]
        assert main(words) == 1
        assert "sci_rows.png exists already; set --overwrite" in capsys.readouterr().err
        assert made() == ["sci_rows.png"]
        assert main([*words, "--overwrite"]) == 0
        assert size_of("sci_rows.png") == (140, 80)


@pytest.mark.usefixtures("mask")
class TestWrong:
    def test_options(self, capsys):
        for words, said in (
            (["--figure", "pages"], "--figure must be 'page', "),
            (["--format", "gif"], "for --format. Choose from: "),
            (["--dpi", "9000"], "--dpi must be from 20 to 1200, got 9000"),
        ):
            assert main(["plot", "sci_mask.fits", *words]) == 2
            assert said in capsys.readouterr().err

    def test_a_figure_that_the_mask_does_not_have(self):
        group_mask_of({(0, 0)}, {(1, 1)}, dq=None).write("bare_mask.fits")
        for name, why in (("significance", "found with the fraction cut"), ("dq", "have no DQ")):
            said = rf"bare_mask\.fits: the mask has no {name}: .*{why}"
            with pytest.raises(ValueError, match=said):
                look.save(["sci_mask.fits", "bare_mask.fits"], figure=["rows", name])
        assert made() == []
        written = look.save("bare_mask.fits", figure="all", dpi=20)
        assert len(written) == len(FIGURES) - 2

    def test_a_copy_without_a_mask(self, capsys):
        Path("sci_mask.fits").unlink()
        assert main(["plot", "sci_badpix_selfcal.fits"]) == 1
        said = capsys.readouterr().err
        assert said.startswith("badpix-selfcal: error: sci_badpix_selfcal.fits: no mask beside it")
        assert "--save-mask" in said

    def test_a_file_that_is_no_mask(self, capsys):
        Path("x_mask.fits").write_text("junk")
        assert main(["plot", "x_mask.fits", "sci_mask.fits", "--figure", "rows"]) == 1
        assert capsys.readouterr().err.startswith("badpix-selfcal: error: x_mask.fits: ")
        assert made() == []

    def test_without_matplotlib(self, capsys, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        assert main(["plot", "sci_mask.fits"]) == 1
        said = capsys.readouterr().err
        assert re.fullmatch(
            r"badpix-selfcal: error: figures need matplotlib, which is not installed: "
            r'pip install "badpix-selfcal\[plot\]"\n',
            said,
        )
