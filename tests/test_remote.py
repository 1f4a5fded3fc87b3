"""Inputs and outputs given by URL, with real servers on the loopback; see also the attacks."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_array_equal as assert_equal

import badpix_selfcal as bps
from badpix_selfcal.files import association, exposure, remote
from badpix_selfcal.files.inputs import version_of
from badpix_selfcal.files.paths import RemoteFile

from . import servers
from .exposures import assert_equal_planes, header, observation, sky, write

fsspec = pytest.importorskip("fsspec", reason="needs the extra cloud")
pytest.importorskip("aiohttp", reason="needs the extra cloud")

pytestmark = pytest.mark.usefixtures("scratch")

MASK = np.random.default_rng(1).random((96, 640)) < 0.1


@pytest.fixture
def quick(monkeypatch):
    """Short time-outs and pauses."""
    monkeypatch.setenv(remote.VARIABLE, "0.4")
    monkeypatch.setattr(remote, "_PAUSES", (0.01, 0.02))


def refusal(url, use=exposure.read):
    """Return why a remote exposure is refused; the message begins with its name."""
    with pytest.raises(bps.ExposureError) as caught:
        use(url)
    shown = f"{RemoteFile(url)}: "
    assert str(caught.value).startswith(shown)
    return str(caught.value).removeprefix(shown)


# What is read, and how often the server is asked


def test_an_exposure_that_is_not_copied_takes_three_requests(web):
    write(web.folder / "a_rate.fits", sky(1, (256, 640)))
    found = exposure.read(f"{web.url}/a_rate.fits?sig=secret")
    assert (found.detector, found.shape, found.problem) == ("MIRIFULONG", (256, 640), "")
    assert_equal(found.science(), sky(1, (256, 640)))
    assert (web.heads, web.requests["a_rate.fits"]) == (1, 2)
    assert web.sent["a_rate.fits"] < sky(1, (256, 640)).nbytes + 50_000
    found.error()
    assert web.requests["a_rate.fits"] == 3
    assert web.sent["a_rate.fits"] < 2 * sky(1, (256, 640)).nbytes + 100_000


def scaled(hdus):
    image = fits.ImageHDU(np.arange(MASK.size, dtype=np.int16).reshape(MASK.shape), name="SCI")
    image.header["BSCALE"] = 2.0
    hdus[1] = image


CHANGES = {
    "scaled": scaled,
    "long header": lambda hdus: hdus[0].header.update({f"K{n}": n for n in range(2000)}),
    "SCI last": lambda hdus: hdus.append(hdus.pop(1)),
    "no DQ": lambda hdus: [hdus.pop("ERR"), hdus.pop("DQ")],
}


@pytest.mark.parametrize("kind", ["ranges", "no ranges", "ignores ranges", "gzip", "s3", *CHANGES])
def test_a_remote_exposure_equals_one_here(request, tmp_path, kind):
    (tmp_path / "in").mkdir()
    path = write(tmp_path / "in" / "a_rate.fits", sky(3))
    if kind in CHANGES:
        with fits.open(path, memmap=False) as hdus:
            CHANGES[kind](hdus)
            hdus.writeto(path, overwrite=True)
    if kind == "gzip":
        path.write_bytes(gzip.compress(path.read_bytes(), 1))
    here = exposure.read(path)
    mask = None if here.problem else MASK
    here.write_copy(tmp_path / "here.fits", mask, {}, "flagged")
    if kind == "s3":
        bucket = request.getfixturevalue("bucket")
        bucket.put(tmp_path / "in")
    with servers.http(tmp_path / "in", ranges=kind not in ("no ranges", "ignores ranges")) as web:
        web.hides_ranges = kind == "ignores ranges"
        url = f"{bucket.url if kind == 's3' else web.url}/a_rate.fits"
        found = exposure.read(url)
        for name in ("science", "error", "dq"):
            assert_equal(getattr(found, name)(), getattr(here, name)())
        found.write_copy(tmp_path / "there.fits", mask, {}, "flagged")
        if here.problem:
            assert here.problem.partition(": ")[2] in refusal(
                url, lambda _: found.write_copy(tmp_path / "no", MASK, {}, "")
            )
    assert (tmp_path / "there.fits").read_bytes() == (tmp_path / "here.fits").read_bytes()


@pytest.mark.parametrize("use", ["science", "error", "write_copy"])
@pytest.mark.parametrize("kind", ["etag", "time", "s3"])
def test_a_file_that_is_replaced_is_refused(request, tmp_path, web, kind, use):
    bucket = request.getfixturevalue("bucket") if kind == "s3" else None
    web.versions = kind
    url = f"{bucket.url if bucket else web.url}/a_rate.fits"

    def put(number):
        path = web.folder / "a_rate.fits"
        path.unlink(missing_ok=True)
        os.utime(write(path, sky(number, (128, 640))), (1e9 + number, 1e9 + number))
        if bucket:
            bucket.put(web.folder)

    put(0)
    found = exposure.read(url)
    first = version_of(RemoteFile(url))
    put(1)
    assert version_of(RemoteFile(url)) != first == found.version
    given = (tmp_path / "copy.fits", None, {}, "") if use == "write_copy" else ()
    assert refusal(url, lambda _: getattr(found, use)(*given)) == remote.CHANGED


# What fails


@pytest.mark.usefixtures("quick")
def test_what_cannot_be_had_is_named(web):
    write(web.folder / "a_rate.fits", sky(1))
    web.failures["a_rate.fits"] = 2  # two tries are made again
    assert exposure.read(f"{web.url}/a_rate.fits").detector == "MIRIFULONG"
    web.failures["a_rate.fits"] = 1000
    assert refusal(f"{web.url}/a_rate.fits").startswith("cannot be fetched: 503 ")
    assert refusal(f"{web.url}/absent_rate.fits?sig=secret") == "no such file"
    assert refusal("http://u:p@127.0.0.1:9/a.fits?x=1").startswith("cannot be fetched: Cannot con")
    assert "xyz" in refusal("xyz://b/a_rate.fits")
    with pytest.raises(bps.AssociationError, match=f"{web.url}/x_asn.json: .*no such file"):
        association.read(f"{web.url}/x_asn.json")
    web.failures.clear()
    with pytest.raises(remote.RemoteError, match="is larger than 1000 bytes"):
        remote.download(RemoteFile(f"{web.url}/a_rate.fits"), 1000)


def test_missing_credentials_and_packages_are_reported_with_the_remedy(moto, monkeypatch):
    options = {"endpoint_url": f"http://127.0.0.1:{moto}"}
    monkeypatch.setitem(fsspec.config.conf, "s3", options)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    assert "FSSPEC_S3_ANON=true" in refusal("s3://b/a_rate.fits")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    assert 'pip install ".[cloud]"' in refusal("s3://b/a_rate.fits")


@pytest.mark.usefixtures("quick")
def test_a_store_that_does_not_answer_is_named_in_time(bucket):
    bucket.proxy.delay = 30
    start = time.monotonic()
    assert refusal(f"{bucket.url}/a_rate.fits").startswith("cannot be fetched: ")
    assert time.monotonic() - start < 4 * 0.4 + 5


@pytest.mark.parametrize("value", ["soon", "-1", "0", "inf", "nan"])
def test_a_wrong_time_out_is_named(monkeypatch, value):
    monkeypatch.setenv(remote.VARIABLE, value)
    with pytest.raises(ValueError, match=f"BADPIX_SELFCAL_TIMEOUT must be .*'{value}'"):
        exposure.read("http://127.0.0.1:9/a_rate.fits")


# Threads and processes


def _minimum(url):
    return float(np.nanmin(exposure.read(url).science()))


@pytest.mark.parametrize("method", ["fork", "spawn", "threads"])
def test_workers_read_urls(web, method):
    write(web.folder / "a_rate.fits", sky(9))
    url, least = f"{web.url}/a_rate.fits", np.nanmin(sky(9))
    assert _minimum(url) == least  # connections exist when the processes start
    if method == "threads":
        with ThreadPoolExecutor(8) as threads:
            assert [*threads.map(_minimum, [url] * 8)] == [least] * 8
        return
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map_async(_minimum, [url] * 4).get(timeout=120) == [least] * 4


AWAITING = """
import sys
from badpix_selfcal.files import exposure
found = exposure.read(sys.argv[1])
print("headers", flush=True)
sys.stdin.readline()
found.science()
"""


def test_an_interrupt_does_not_wait_for_a_slow_server(web):
    write(web.folder / "a_rate.fits", sky(1))
    command = [sys.executable, "-c", AWAITING, f"{web.url}/a_rate.fits"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout.readline() == "headers\n"
        web.delay = 60
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=5)
    assert errors.endswith("KeyboardInterrupt\n")


def test_without_urls_no_extra_is_imported():
    code = "import sys, badpix_selfcal.files.exposure, badpix_selfcal.files.outputs; "
    code += "print([name for name in ('fsspec', 'aiohttp', 's3fs') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Whole runs


def put_observation(folder):
    """Write an observation and flag it here; return the flagged files' folder."""
    folder.mkdir(exist_ok=True)
    out = folder.parent / "expected"
    bps.selfcal(observation(folder), output_dir=out, save_flagged_bkg=True)
    return out


def assert_same_outputs(ours, expected):
    assert sorted(p.name for p in ours.iterdir()) == sorted(p.name for p in expected.iterdir())
    for path in ours.iterdir():
        assert_equal_planes(path, expected / path.name)
        cards = [{**header(each / path.name)} for each in (ours, expected)]
        cards = [{**each, "DATE": "", "HISTORY": ""} for each in cards]  # it has the versions
        assert cards[0] == cards[1]


@pytest.mark.parametrize("inputs", ["web", "s3", "listed here"])
def test_a_run_from_urls_equals_one_here(request, tmp_path, web, inputs):
    expected = put_observation(web.folder)
    listed = f"{web.url}/x_asn.json"
    if inputs == "s3":
        bucket = request.getfixturevalue("bucket")
        bucket.put(web.folder, "deep/")
        listed = f"{bucket.url}/deep/x_asn.json"
    if inputs == "listed here":
        table = json.loads((web.folder / "x_asn.json").read_text())
        for member in table["products"][0]["members"]:
            member["expname"] = f"{web.url}/{member['expname']}"
        listed = tmp_path / "x_asn.json"
        listed.write_text(json.dumps(table))
    bps.selfcal(listed, output_dir=tmp_path / "out", save_flagged_bkg=True)
    assert_same_outputs(tmp_path / "out", expected)


def test_a_run_to_a_bucket_equals_one_here(tmp_path, bucket):
    expected = put_observation(tmp_path / "in")
    listed = tmp_path / "in" / "x_asn.json"
    bps.selfcal(listed, output_dir=f"{bucket.url}/out", save_flagged_bkg=True)
    before = bucket.system.find(bucket.name)
    (tmp_path / "out").mkdir()
    for path in before:
        bucket.system.get_file(path, str(tmp_path / "out" / path.rpartition("/")[2]))
    assert_same_outputs(tmp_path / "out", expected)
    with pytest.raises(FileExistsError, match="exists already"):
        bps.selfcal(listed, output_dir=f"{bucket.url}/out", save_flagged_bkg=True)
    bucket.system.invalidate_cache()
    assert bucket.system.find(bucket.name) == before


@pytest.mark.parametrize("given", ["/deep/", "/deep/*_rate.fits", "/deep", "", "/**/*_rate.fits"])
def test_a_batch_of_a_folder_in_s3(tmp_path, bucket, given):
    (tmp_path / "in").mkdir()
    for number in range(3):
        write(tmp_path / "in" / f"{number}_rate.fits", sky(number))
    bucket.put(tmp_path / "in", "deep/")
    bps.batch(tmp_path / "in", output_dir=tmp_path / "expected")
    bps.batch(bucket.url + given, output_dir=tmp_path / "out")
    assert_same_outputs(tmp_path / "out", tmp_path / "expected")


def test_the_command_takes_urls_and_shows_no_secret(tmp_path, web, capsys):
    from badpix_selfcal.cli import main

    paths = [write(web.folder / f"{number}_rate.fits", sky(number)) for number in range(2)]
    urls = [f"{web.url}/{path.name}?sig=secret" for path in paths]
    words = ["run", urls[0], "--selfcal", urls[1], "--output-dir", str(tmp_path / "out")]
    assert main([*words, "--save-mask", "--json"]) == 0
    printed = "".join(capsys.readouterr())
    assert f"{web.url}/0_rate.fits" in printed
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert "secret" not in printed
    assert b"secret" not in written
