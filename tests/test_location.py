"""Paths and URLs: names, folders, and where the members of an association are."""

from __future__ import annotations

from pathlib import Path

import pytest

from badpix_selfcal.files.location import RemoteFile, beside, locate, output_directory


@pytest.mark.parametrize(
    ("asn", "name", "expected"),
    [
        ("s3://b/d/x_asn.json", "a.fits", "s3://b/d/a.fits"),
        ("s3://b/x_asn.json", "a.fits", "s3://b/a.fits"),
        ("s3://b/d/x_asn.json", "../e/a.fits", "s3://b/e/a.fits"),
        ("s3://b/d/x_asn.json", "/e/a.fits", "s3://b/e/a.fits"),
        ("https://h:8/d/x_asn.json?key=1/2", "a.fits", "https://h:8/d/a.fits"),
        ("https://h/d/x_asn.json", "s3://b/a.fits", "s3://b/a.fits"),
    ],
)
def test_where_members_are(asn, name, expected):
    assert beside(locate(asn), name) == RemoteFile(expected)


def test_members_here_are_where_they_were():
    assert beside(Path("d/x_asn.json"), "a.fits") == Path("d/a.fits")
    assert beside(Path("d/x_asn.json"), "/e/a.fits") == Path("/e/a.fits")


@pytest.mark.parametrize(
    ("url", "name", "suffix"),
    [
        ("s3://b/d/a_rate.fits", "a_rate.fits", ".fits"),
        ("https://h/a_rate.fits?sig=x/y", "a_rate.fits", ".fits"),
        ("https://h/file?uri=mast:JWST/product/a_rate.fits", "a_rate.fits", ".fits"),
        ("https://h/x_asn.yaml", "x_asn.yaml", ".yaml"),
    ],
)
def test_names(url, name, suffix):
    assert (locate(url).name, locate(url).suffix, str(locate(url))) == (name, suffix, url)


def test_folders_of_urls():
    file = RemoteFile("s3://b/d/a_rate.fits")
    assert file.parent / "b.fits" == RemoteFile("s3://b/d/b.fits")
    assert RemoteFile("s3://b/d/") / "a_rate.fits" == file
    assert output_directory(None) == Path()
    assert output_directory("out") == Path("out")


@pytest.mark.parametrize("path", ["a_rate.fits", "/a/b.fits", "s3:/a/b.fits", "c:/a", "c://a"])
def test_paths_stay_paths(path):
    assert locate(path) == Path(path)
