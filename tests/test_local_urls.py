"""Inputs given by URLs of this machine: they are files, and no output replaces them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.files.location import RemoteFile, beside, file_key, locate

from .exposures import sky, write


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///a/b%20c.fits", "/a/b c.fits"),
        ("FILE:///a/b.fits", "/a/b.fits"),
        ("file://localhost/a/b.fits", "/a/b.fits"),
        ("file://a/b.fits", "a/b.fits"),
        ("file:///a/b#1.fits", "/a/b#1.fits"),
        ("file:///a/b?1.fits", "/a/b?1.fits"),
        ("local:///a/b%20c.fits", "/a/b%20c.fits"),
        ("Local://a/b.fits", "a/b.fits"),
    ],
)
def test_urls_of_this_machine_are_paths(url, path):
    assert locate(url) == Path(path)
    assert locate(RemoteFile(url)) == Path(path)
    assert beside(Path("d/x_asn.json"), url) == Path("d") / path


def test_a_file_in_an_archive_is_the_archive(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"")
    for url in (f"zip://a.fits::{tmp_path}/x.zip", f"zip://a.fits::file://{tmp_path}/x.zip"):
        assert file_key(locate(url)) == file_key(tmp_path / "x.zip")


def urls_of(path):
    """Return names of a file that are URLs."""
    return [f"{start}{path}" for start in ("file://", "FILE://", "file://localhost", "local://")]


def inputs(folder):
    """Write inputs that have the names of outputs."""
    names = ("x_badpix_selfcal.fits", "x_badpix_selfcal_bkg_0.fits", "y_rate.fits")
    return [write(folder / name, sky(number)) for number, name in enumerate(names)]


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("command", ["run", "batch"])
def test_an_input_is_not_replaced(tmp_path, hashes, capsys, command, which):
    science, background, other = inputs(tmp_path)
    before = hashes(tmp_path)
    words = [command, urls_of(science)[which], *([urls_of(other)[which]] * (command == "batch"))]
    words += ["--background", urls_of(background)[which]]
    words += ["--output-dir", str(tmp_path), "--overwrite", "--save-flagged-bkg"]
    assert main(words) == 1
    assert "would replace the input" in capsys.readouterr().err
    assert hashes(tmp_path) == before


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize(
    "roles",
    [
        ("science", "selfcal", "selfcal"),
        ("selfcal", "selfcal", "science"),
        ("selfcal", "background", "science"),
    ],
)
def test_a_member_is_not_replaced(tmp_path, hashes, roles, which):
    paths = inputs(tmp_path)
    members = [
        {"expname": urls_of(path)[which], "exptype": role}
        for path, role in zip(paths, roles, strict=True)
    ]
    listed = tmp_path / "x_asn.json"
    listed.write_text(json.dumps({"products": [{"name": "x", "members": members}]}))
    before = hashes(tmp_path)
    with pytest.raises(FileExistsError, match="would replace the input"):
        bps.selfcal(listed, output_dir=tmp_path, overwrite=True, save_flagged_bkg=True)
    assert hashes(tmp_path) == before


@pytest.mark.parametrize("which", range(4))
def test_a_folder_of_outputs_may_be_such_a_url(tmp_path, which):
    science, background, _ = inputs(tmp_path)
    url = urls_of(tmp_path / "out")[which]
    result = bps.selfcal(urls_of(science)[which], background=background, output_dir=url)
    assert result.science == tmp_path / "out" / science.name
    assert result.science.is_file()
