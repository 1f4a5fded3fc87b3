"""What `docs/masks.md` says of mask files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.step.mask_cards import KEYWORDS

from .exposures import observation

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "masks.md").read_text(encoding="utf-8")
TABLES = {
    head.strip("| ").split(" | ")[0]: re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE)
    for head, rows in re.findall(r"(^\|.*\n)\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
}


@pytest.fixture(scope="module")
def mask(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mask")
    made = bps.selfcal(
        observation(folder), output_dir=folder / "flagged", save_mask=True, force_single=True
    )
    to = folder / "flagged" / "jw01234_badpix_selfcal_mask.fits"
    return made.mask.rename(to)


@pytest.mark.filterwarnings("ignore:.* times the mean ERR")
def test_the_extensions(tmp_path):
    made = bps.selfcal(observation(tmp_path), output_dir=tmp_path, save_mask=True, cut="sigma")
    with fits.open(made.mask) as hdus:
        assert [f"`{hdu.name}`" for hdu in hdus[1:]] == TABLES["name"]


@pytest.mark.parametrize("table", ["PIXELS", "MEMBERS"])
def test_the_columns(mask, table):
    columns = TABLES[f"column of `{table}`"]
    assert [f"`{name}`" for name in fits.getdata(mask, table).names] == columns


def test_the_cards(mask):
    listed = set(re.findall(r"BPX\w+", " ".join(TABLES["card"])))
    cards = {card for card in fits.getheader(mask) if card.startswith("BPX")}
    assert cards | {"BPXSCALE"} == listed | set(KEYWORDS.values())


def test_the_example(mask, monkeypatch, capsys):
    monkeypatch.chdir(mask.parents[1])
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "masks.md", "exec"), {})
    assert re.match(
        r"product: \d+ of \d+ pixels are new\n\d+ groups of pixels that touch\nfraction \[",
        capsys.readouterr().out,
    )
