"""Paths and URLs: names, folders, members of associations, and what is never shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from badpix_selfcal.files.paths import (
    RemoteFile,
    beside,
    file_key,
    locate,
    output_directory,
    without_secrets,
)


@pytest.mark.parametrize(
    ("asn", "name", "expected"),
    [
        ("s3://b/d/x_asn.json", "a.fits", "s3://b/d/a.fits"),
        ("s3://b/x_asn.json", "a.fits", "s3://b/a.fits"),
        ("s3://b/d/x_asn.json", "../e/a.fits", "s3://b/e/a.fits"),
        ("s3://b/d/x_asn.json", "/e/a.fits", "s3://b/e/a.fits"),
        ("https://h:8/d/x_asn.json?key=1/2", "a.fits", "https://h:8/d/a.fits"),
        ("https://h/d/x_asn.json", "s3://b/a.fits", "s3://b/a.fits"),
        ("d/x_asn.json", "a.fits", "d/a.fits"),
        ("d/x_asn.json", "/e/a.fits", "/e/a.fits"),
    ],
)
def test_where_members_are(asn, name, expected):
    assert beside(locate(asn), name) == locate(expected)


@pytest.mark.parametrize(
    ("url", "name", "suffix", "shown"),
    [
        ("s3://b/d/a_rate.fits", "a_rate.fits", ".fits", "s3://b/d/a_rate.fits"),
        ("https://h/a_rate.fits?sig=x/y.z", "a_rate.fits", ".fits", "https://h/a_rate.fits"),
        ("https://u:p@h:8/a.yaml#part", "a.yaml", ".yaml", "https://h:8/a.yaml"),
        ("https://h/f?uri=mast:p/a.fits&token=abc", "a.fits", ".fits", "https://h/f (a.fits)"),
        ("https://h/f?token=a.b.c&uri=p/a.fits&sig=x", "a.fits", ".fits", "https://h/f (a.fits)"),
        ("https://h/f?uri=p/a.fits%26token=abc", "f", "", "https://h/f"),
        ("https://h/f?token=a.fits", "f", "", "https://h/f"),
        ("https://h/a.fits?sig='token\" token", "a.fits", ".fits", "https://h/a.fits"),
        ("s3://b/d/", "d", "", "s3://b/d/"),
    ],
)
def test_names_and_what_is_shown(url, name, suffix, shown):
    remote = locate(url)
    assert (remote.name, remote.suffix) == (name, suffix)
    assert str(remote).startswith(shown)
    for secret in ("sig", "u:p", "token"):
        assert secret not in str(remote) + repr(remote)


def test_texts_of_libraries_lose_secrets():
    text = "404, url='https://u:p@h/a.fits?sig=1', and s3://b/c#d or 1?"
    assert without_secrets(text) == "404, url='https://h/a.fits', and s3://b/c or 1?"
    text = "http://u:p#q@h/a.fits [http://[::1]:80/a?'sig\", http://h:80/a]"
    assert without_secrets(text) == 'http:// [http://[::1]:80/a", http://h:80/a]'


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://[::1", "http://[::1: a URL with :: is refused"),
        ("http://u:p@[1/a.fits?x=1", "http://[1/a.fits: is not a valid URL"),
        ("http://u:p#q@h/a.fits", "http://: is not a valid URL"),
        ("zip://a.fits::http://u:p@h/b?x=1", "zip://a.fits::http://h/b: a URL with :: is refused"),
        ("simplecache::s3://b/a.fits", "simplecache::s3://b/a.fits: a URL with :: is refused"),
    ],
)
def test_urls_that_are_refused(url, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        locate(url)


def test_folders_of_urls():
    file = RemoteFile("s3://b/d/a_rate.fits")
    assert file.parent / "b.fits" == RemoteFile("s3://b/d/b.fits")
    assert RemoteFile("s3://b/d/") / "a_rate.fits" == file
    assert output_directory(None) == Path()
    assert output_directory("s3://b/d/../e/") == RemoteFile("s3://b/e")


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("https://u:p@h/d", "^https://h/d: outputs cannot be written to https:// URLs"),
        ("s3://b/d?x=1", "must not contain"),
    ],
)
def test_urls_that_nothing_can_be_written_to(url, what):
    with pytest.raises(ValueError, match=what):
        output_directory(url)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        *((path, path) for path in ("a_rate.fits", "/a/b.fits", "s3:/a/b.fits", "c:/a", "c://a")),
        ("file:///a/b%20c.fits", "/a/b c.fits"),
        ("FILE://localhost/a/b.fits", "/a/b.fits"),
        ("file://a/b.fits", "a/b.fits"),
        ("file:///a/b#1?2.fits", "/a/b#1?2.fits"),
    ],
)
def test_paths_stay_paths_and_urls_of_this_machine_become_them(given, path):
    assert locate(given) == Path(path)
    assert beside(Path("d/x_asn.json"), given) == Path("d") / path


def test_names_of_one_file_have_one_key(tmp_path):
    (tmp_path / "x.fits").write_bytes(b"")
    (tmp_path / "link").symlink_to("x.fits")
    names = [tmp_path / "link", f"file://{tmp_path}/x.fits"]
    assert {file_key(locate(name)) for name in names} == {file_key(tmp_path / "x.fits")}
    same = ["s3://b/a.fits", "s3://u:p@b/a.fits?versionId=1"]
    assert len({file_key(locate(name)) for name in same}) == 1
    other = ["https://h/file?uri=mast:a.fits", "https://h/file?uri=mast:b.fits"]
    assert len({file_key(locate(name)) for name in other}) == 2
