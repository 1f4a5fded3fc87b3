"""Inputs and outputs given by URL, with real servers on the loopback; see also the attacks."""

from __future__ import annotations

import base64
import gzip
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

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


def test_an_association_on_a_server_lists_what_is_there(web, tmp_path):
    science = write(tmp_path / "a_rate.fits", sky(1))
    for name, shown in {
        science.as_uri(): str(science),
        "https://u:p@other/a_rate.fits?x=1": "https://other/a_rate.fits",
        "http://127.0.0.1:9/a_rate.fits": "http://127.0.0.1:9/a_rate.fits",
        "local:///etc/passwd": "local:///etc/passwd",
    }.items():
        members = [{"expname": name, "exptype": "science"}]
        table = {"products": [{"name": "p", "members": members}]}
        (web.folder / "x_asn.json").write_text(json.dumps(table))
        url = web.url.replace("://", "://user:word@")
        with pytest.raises(bps.AssociationError) as caught:
            association.read(f"{url}/x_asn.json")
        said = f"{web.url}/x_asn.json: product 0: member {shown} is not on the server of the "
        assert str(caught.value) == f"{said}association; set `force` to use it all the same"
        (product,) = association.read(f"{url}/x_asn.json", force=True).products
        assert str(product.science) == shown
        assert str(association.read(web.folder / "x_asn.json").products[0].science) == shown
    with pytest.raises(bps.AssociationError, match="local:///etc/passwd is not on"):
        bps.selfcal(f"{web.url}/x_asn.json")


def test_what_a_library_says_is_a_line(monkeypatch):
    def fail(*_):
        raise ValueError("of the server\n\n" + "\x1b[31m word" * 1000)

    monkeypatch.setattr(remote, "_opened", fail)
    said = refusal("http://h/a.fits")
    assert said.startswith("cannot be fetched: of the server ")
    assert len(said) < 350
    assert "\n" not in said


def test_missing_credentials_and_packages_are_reported_with_the_remedy(moto, monkeypatch):
    options = {"endpoint_url": f"http://127.0.0.1:{moto}"}
    monkeypatch.setitem(fsspec.config.conf, "s3", options)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    assert "FSSPEC_S3_ANON=true" in refusal("s3://b/a_rate.fits")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    assert 'pip install "badpix-selfcal[cloud]"' in refusal("s3://b/a_rate.fits")


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


# What nothing shows: the parts of URLs that may be secret

KEYS = "SECRETuser:SECRETpassword@"
QUERY = "token=eyJ.SECRETtoken.fits'SECRETquote&x=SECRETquery#SECRETfragment"


@pytest.fixture
def signed(web):
    """Three exposures, two masks and an association on a server; the URLs need secrets."""
    paths = [write(web.folder / f"{number}_rate.fits", sky(number)) for number in range(3)]
    paths[2].rename(web.folder / "get")
    host = web.url.replace("://", f"://{KEYS}")
    urls = [f"{host}/{number}_rate.fits?{QUERY}" for number in range(2)]
    urls.append(f"{host}/get?token=eyJ.SECRET.fits&uri=mast:p/2_rate.fits&{QUERY}")
    for number in range(2):
        how = {"output_dir": web.folder, "save_mask": True, "overwrite": True}
        made = bps.selfcal(urls[0], selfcal=urls[1 + number], **how)
        made.mask_file.rename(web.folder / f"{number}_mask.fits")
    members = [{"expname": url, "exptype": "science"} for url in urls[:1]]
    members += [{"expname": url, "exptype": "selfcal"} for url in urls[1:]]
    table = {"products": [{"name": "p", "members": members}]}
    (web.folder / "x_asn.json").write_text(json.dumps(table))
    (web.folder / "local_asn.json").write_text(json.dumps(table))
    return host, urls


def expanded(content):
    """Return bytes, and what is packed in them: gzip, zlib, and base64 in pages."""
    found = [content]
    for start in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]", content):
        with suppress(zlib.error):
            found.append(zlib.decompressobj(47).decompress(content[start.start() :]))
    for text in re.findall(rb"[A-Za-z0-9+/]{200,}=*", content):
        with suppress(ValueError):
            found += expanded(base64.b64decode(text))
    return found


MASKS = "{host}/0_mask.fits?{query} {host}/1_mask.fits?{query}"
LINES = {
    "run": "{0} --selfcal {1} --background {2} --save-mask --report --save-flagged-bkg",
    "run asn": "{host}/x_asn.json?{query} --save-mask --report",
    "run local": "web/local_asn.json --save-mask --report --cut sigma",
    "run skipped": "{0}",
    "run absent": "{host}/absent_rate.fits?{query}",
    "run absent asn": "{host}/absent_asn.json?{query}",
    "run closed": "http://{keys}127.0.0.1:9/a_rate.fits?{query}",
    "run invalid": "http://{keys}[::1/a_rate.fits?{query}",
    "run chain": "zip://a.fits::{0}",
    "run unknown": "xyz://{keys}b/a_rate.fits?{query}",
    "run bucket": "s3://{keys}b/a_rate.fits?{query}",
    "run two": "{0} {1}",
    "run folder": "{host}/",
    "run option": "{0} --selfcat={1}",
    "run value": "{0} --cut={1}",
    "run password": "http://SECRETuser:SECRET#word@host/a_rate.fits",
    "batch": "{0} {1} {2} --save-mask --report",
    "batch absent": "{0} {host}/absent_rate.fits?{query} --workers 2",
    "batch pattern": "{host}/*_rate.fits?{query}",
    "apply": "{host}/0_mask.fits?{query} {0} {1} {2}",
    "apply absent": "{host}/absent_mask.fits?{query} {0}",
    "apply exposure": "{0} {1}",
    "report": MASKS,
    "report exposure": "{0}",
    "plot": "{host}/0_mask.fits?{query} --format pdf",
    "plot svg": "{host}/0_mask.fits?{query} --format svg",
    "history": f"{MASKS} --table h.ecsv --picture h.svg --persistent-mask h_mask.fits",
    "history twice": "{host}/0_mask.fits?{query} {host}/0_mask.fits?{query}",
    "compare": f"{MASKS} --picture c.svg",
    "compare exposures": "{0} {1}",
    "export": "{host}/0_mask.fits?{query} x.ecsv x.reg",
    "export to": "{host}/0_mask.fits?{query} http://{keys}h/x.ecsv?{query}",
    "export to bucket": "{host}/0_mask.fits?{query} s3://{keys}b/x.ecsv",
    "associate": "{0} {1} {2}",
    "associate to": "{host}/ --output-dir http://{keys}h/x?{query}",
    "simulate": "{0}",
}
DONE = ("run", "run asn", "run local", "batch", "apply", "report", "plot", "plot svg")
DONE += ("history", "compare", "compare exposures", "export")


@pytest.mark.usefixtures("quick")
@pytest.mark.filterwarnings("ignore::badpix_selfcal.SelfcalWarning")
def test_no_command_writes_or_prints_what_is_secret_in_urls(here, signed, capfd, caplog):
    from badpix_selfcal.cli import main

    host, urls = signed
    before = {*here.rglob("*")}
    for name, line in LINES.items():
        words = [each.format(*urls, host=host, keys=KEYS, query=QUERY) for each in line.split()]
        words += ["--overwrite"] * (name in DONE)
        folder = ["--output-dir", "out"] * (name.split()[0] not in WITHOUT_FOLDER)
        for printed in ("-vv", "--json")[: 1 + (name in DONE)]:
            status = main([name.split()[0], *words, *folder, printed])
            output, errors = capfd.readouterr()
            assert "SECRET" not in output + errors + caplog.text, name
            assert "unexpected" not in output + errors, name
            assert (status in (0, 4)) == (name in DONE), (name, errors)
        for path in {*here.rglob("*")} - before:
            assert "SECRET" not in path.name
            content = b"" if path.is_dir() else path.read_bytes()
            assert not any(b"SECRET" in each for each in expanded(content)), (name, path)


WITHOUT_FOLDER = ("history", "compare", "export", "simulate")
