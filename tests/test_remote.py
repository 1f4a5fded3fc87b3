"""Inputs given by URL, from real servers on the loopback: what is fetched, and equal results."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.files import association, exposure, remote
from badpix_selfcal.files.location import RemoteFile
from badpix_selfcal.testing import assert_same

from . import servers
from .exposures import associate, header, observation, planes, sky, write

pytest.importorskip("fsspec", reason="needs the extra cloud")
pytest.importorskip("aiohttp", reason="needs the extra cloud")

pytestmark = pytest.mark.usefixtures("scratch")

FULL = (1024, 1032)


def assert_same_outputs(ours, expected):
    assert sorted(p.name for p in ours.iterdir()) == sorted(p.name for p in expected.iterdir())
    for path in ours.iterdir():
        here, there = planes(path), planes(expected / path.name)
        assert [*here] == [*there]
        for name, image in here.items():
            assert_same(image, there[name])
        cards = [{**header(each / path.name)} for each in (ours, expected)]
        assert {**cards[0], "DATE": ""} == {**cards[1], "DATE": ""}


def native(found):
    image = found.science_image()
    return image.astype(image.dtype.newbyteorder("="))


def put_observation(folder):
    """Write an observation and flag it here; return the flagged files' folder."""
    folder.mkdir(exist_ok=True)
    listed = observation(folder)
    out = folder.parent / "expected"
    bps.selfcal(listed, output_dir=out, save_flagged_bkg=True)
    return out


def test_an_association_in_s3_equals_one_here(tmp_path, bucket):
    expected = put_observation(tmp_path / "in")
    bucket.put(tmp_path / "in", "deep/")
    result = bps.selfcal(
        f"{bucket.url}/deep/x_asn.json", output_dir=tmp_path / "out", save_flagged_bkg=True
    )
    assert_same_outputs(tmp_path / "out", expected)
    assert result.members[0] == RemoteFile(f"{bucket.url}/deep/sci0_rate.fits")
    assert {*result.pedestals} == {*result.members}


def test_an_association_on_the_web_equals_one_here(tmp_path, web):
    expected = put_observation(web.folder)
    bps.selfcal(f"{web.url}/x_asn.json", output_dir=tmp_path / "out", save_flagged_bkg=True)
    assert_same_outputs(tmp_path / "out", expected)


def test_bytes_read_from_s3_of_a_member_used_only_for_the_minimum(tmp_path, bucket):
    (tmp_path / "in").mkdir()
    image = sky(1, FULL)
    path = write(tmp_path / "in" / "full_rate.fits", image)
    headers = sum(int(each.data - each.start) for each in exposure.scan(exposure.InputFile(path)))
    bucket.put(tmp_path / "in")
    before = bucket.proxy.received
    found = exposure.read(f"{bucket.url}/full_rate.fits", whole=False)
    assert_same(native(found), image)
    received = bucket.proxy.received - before
    print(f"\nSCI {image.nbytes}, headers {headers}, file {path.stat().st_size}: read {received}")
    assert received <= 1.1 * image.nbytes + headers
    assert path.stat().st_size > 5 * image.nbytes


@pytest.mark.parametrize("save", [False, True])
def test_what_is_not_flagged_is_not_fetched_whole(tmp_path, web, save):
    shape = (128, 640)
    observation(web.folder, shape=shape)
    bps.selfcal(f"{web.url}/x_asn.json", output_dir=tmp_path / "out", save_flagged_bkg=save)
    sci = 4 * shape[0] * shape[1]
    for name in ("sci0", "bkg0", "bkg1", "self0", "self1"):
        path = f"{name}_rate.fits"
        length = (web.folder / path).stat().st_size
        if name == "sci0" or (save and name.startswith("bkg")):
            assert (web.sent[path], web.requests[path]) == (length, 1)
        else:
            assert web.sent[path] <= sci + remote.HEAD
            assert web.requests[path] == 2
    assert web.heads == 0


@pytest.mark.parametrize("whole", [False, True])
def test_a_server_without_ranges_is_read_whole(tmp_path, whole):
    image = sky(3)
    write(tmp_path / "a_rate.fits", image)
    with servers.http(tmp_path, ranges=False) as facts:
        found = exposure.read(f"{facts.url}/a_rate.fits", whole=whole)
        assert_same(native(found), image)
        found.require_flaggable()


def test_a_gzipped_exposure(web):
    image = sky(4)
    path = write(web.folder / "a_rate.fits", image)
    (web.folder / "a_rate.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert_same(native(exposure.read(f"{web.url}/a_rate.fits.gz", whole=False)), image)


def test_an_unusual_exposure_is_left_to_astropy(web):
    path = write(web.folder / "a_rate.fits", sky(5))
    scaled = np.arange(12, dtype=np.int16).reshape(3, 4)
    with fits.open(path) as hdus:
        hdus["SCI"] = fits.ImageHDU(scaled, name="SCI")
        hdus["SCI"].header["BSCALE"] = 2.0
        hdus.writeto(web.folder / "b_rate.fits")
    found = exposure.read(f"{web.url}/b_rate.fits", whole=False)
    assert_same(native(found), (scaled * 2.0).astype(np.float32))


def test_a_long_header_takes_more_requests(web):
    path = write(web.folder / "a_rate.fits", sky(6))
    with fits.open(path, mode="update") as hdus:
        for number in range(2000):
            hdus[0].header[f"K{number}"] = number
    found = exposure.read(f"{web.url}/a_rate.fits", whole=False)
    assert_same(native(found), sky(6))
    assert [*found.planes] == ["SCI"]
    assert web.requests["a_rate.fits"] == 5


def test_an_exposure_of_which_only_sci_was_read_cannot_be_flagged(web):
    write(web.folder / "a_rate.fits", sky(7))
    found = exposure.read(f"{web.url}/a_rate.fits", whole=False)
    with pytest.raises(bps.ExposureError, match=f"{web.url}/a_rate.fits: only SCI was read"):
        found.require_flaggable()


AWAITING = """
import sys
from badpix_selfcal.files import exposure
found = exposure.read(sys.argv[1], whole=False)
print("headers", flush=True)
sys.stdin.readline()
print("waiting", flush=True)
found.science_image()
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
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    web.delay = 0.0
    assert errors.endswith("KeyboardInterrupt\n")


def test_an_association_here_may_list_urls(tmp_path, web):
    expected = put_observation(web.folder)
    listed = json.loads((web.folder / "x_asn.json").read_text())
    for member in listed["products"][0]["members"]:
        member["expname"] = f"{web.url}/{member['expname']}"
    (tmp_path / "x_asn.json").write_text(json.dumps(listed))
    bps.selfcal(tmp_path / "x_asn.json", output_dir=tmp_path / "out", save_flagged_bkg=True)
    assert_same_outputs(tmp_path / "out", expected)


def test_a_science_exposure_listed_as_selfcal_too_is_fetched_once(tmp_path, web):
    science = write(web.folder / "s_rate.fits", sky(1))
    other = write(web.folder / "o_rate.fits", sky(2))
    associate(web.folder / "x_asn.json", science, selfcal=[science, other])
    result = bps.selfcal(f"{web.url}/x_asn.json", output_dir=tmp_path / "out")
    assert len(result.members) == 2
    assert web.requests["s_rate.fits"] == 1


def test_the_command_takes_urls(tmp_path, web, capsys):
    expected = put_observation(web.folder)
    arguments = ["run", f"{web.url}/x_asn.json", "--output-dir", str(tmp_path / "out")]
    assert main([*arguments, "--save-flagged-bkg"]) == 0
    assert f"member    {web.url}/sci0_rate.fits" in capsys.readouterr().out
    assert_same_outputs(tmp_path / "out", expected)


def test_the_command_reads_a_public_bucket(tmp_path, bucket):
    (tmp_path / "in").mkdir()
    science = write(tmp_path / "in" / "s_rate.fits", sky(1))
    write(tmp_path / "in" / "b_rate.fits", sky(2))
    bucket.put(tmp_path / "in")
    expected = tmp_path / "expected"
    bps.selfcal(science, background=tmp_path / "in" / "b_rate.fits", output_dir=expected)
    settings = {"FSSPEC_S3_ANON": "true", "FSSPEC_S3_ENDPOINT_URL": bucket.proxy.url}
    arguments = ["run", f"{bucket.url}/s_rate.fits", "--background", f"{bucket.url}/b_rate.fits"]
    arguments += ["--output-dir", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "badpix_selfcal", *arguments],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert_same_outputs(tmp_path / "out", expected)


@pytest.mark.parametrize("given", ["/deep/", "/deep/*_rate.fits"])
def test_a_batch_of_a_folder_in_s3(tmp_path, bucket, given):
    (tmp_path / "in").mkdir()
    for number in range(3):
        write(tmp_path / "in" / f"{number}_rate.fits", sky(number))
    bucket.put(tmp_path / "in", "deep/")
    expected = bps.batch(tmp_path / "in", output_dir=tmp_path / "expected")
    result = bps.batch(bucket.url + given, output_dir=tmp_path / "out")
    (group,) = result.groups
    assert_same(group.masks[2].mask, expected.groups[0].masks[2].mask)
    assert [str(each.exposure) for each in result.exposures] == [
        f"{bucket.url}/deep/{number}_rate.fits" for number in range(3)
    ]
    for path in (tmp_path / "out").iterdir():
        for name, image in planes(path).items():
            assert_same(image, planes(tmp_path / "expected" / path.name)[name])
    again = bps.batch(bucket.url + given, output_dir=tmp_path / "out", resume=True)
    assert {each.status for each in again.exposures} == {"KEPT"}


def test_a_batch_of_single_exposures_on_the_web(tmp_path, web):
    for number in range(3):
        write(web.folder / f"{number}_rate.fits", sky(number))
    urls = [f"{web.url}/{number}_rate.fits" for number in range(4)]
    result = bps.batch(urls, output_dir=tmp_path / "out")
    assert [each.status for each in result.exposures] == [*["COMPLETE"] * 3, "FAILED"]
    assert result.failed[0].error == f"{urls[3]}: no such file"


def test_a_folder_in_s3_without_exposures_is_named(bucket):
    with pytest.raises(bps.ExposureError, match=f"{bucket.url}/deep/: this folder holds no"):
        bps.batch(f"{bucket.url}/deep/")


def test_associations_of_urls_list_urls(tmp_path, web):
    for number in range(2):
        write(web.folder / f"{number}_rate.fits", sky(number))
    urls = [f"{web.url}/{number}_rate.fits" for number in range(2)]
    made = bps.associate(urls, output_dir=tmp_path)
    (product,) = association.read(made[0].path).products
    assert [str(path) for path in product.members] == [urls[0], *urls]


def _minimum(url):
    return float(np.nanmin(exposure.read(url, whole=False).science_image()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_read_urls_too(web, method):
    image = sky(9)
    write(web.folder / "a_rate.fits", image)
    url = f"{web.url}/a_rate.fits"
    assert _minimum(url) == np.nanmin(image)  # connections exist when the processes start
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map_async(_minimum, [url] * 4).get(timeout=120) == [np.nanmin(image)] * 4


def test_a_forked_child_does_not_remove_temporary_copies(web, scratch):
    write(web.folder / "a_rate.fits", sky(1))
    found = exposure.read(f"{web.url}/a_rate.fits")
    child = os.fork()
    if child == 0:
        del found
        os._exit(0)
    os.waitpid(child, 0)
    assert len([*scratch.iterdir()]) == 1
    assert_same(native(found), sky(1))


def test_threads_read_urls(web):
    write(web.folder / "a_rate.fits", sky(9))
    found = []

    def run():
        found.append(_minimum(f"{web.url}/a_rate.fits"))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [np.nanmin(sky(9))] * 8


def test_unusual_exposures_read_side_by_side_leave_warnings_as_they_are(web):
    path = write(web.folder / "0_rate.fits", sky(1))
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["HIERARCH long keyword"] = 1
    for number in range(1, 8):
        (web.folder / f"{number}_rate.fits").write_bytes(path.read_bytes())
    before = [*warnings.filters]
    urls = [RemoteFile(f"{web.url}/{number}_rate.fits") for number in range(8)]
    with ThreadPoolExecutor(8) as executor:
        read = [each.detector for each in executor.map(exposure.read, urls)]
    assert read == ["MIRIFULONG"] * 8
    assert warnings.filters == before


def test_headers_are_read_side_by_side(tmp_path, web):
    paths = [write(web.folder / f"{number}_rate.fits", sky(number)) for number in range(5)]
    associate(web.folder / "x_asn.json", paths[0], selfcal=paths[1:])
    web.delay = 0.3
    start = time.monotonic()
    result = bps.selfcal(f"{web.url}/x_asn.json", output_dir=tmp_path / "out")
    taken = time.monotonic() - start
    assert [path.name for path in result.members] == [path.name for path in paths]
    assert taken < 0.3 * sum(web.requests.values()) / 2


def test_without_urls_no_extra_is_imported():
    code = """
import sys
import badpix_selfcal.cli, badpix_selfcal.files.remote
import badpix_selfcal.step.batch, badpix_selfcal.step.selfcal
print([name for name in ("fsspec", "aiohttp", "s3fs", "distributed") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
