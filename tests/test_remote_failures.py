"""Inputs given by URL that cannot be fetched or read: the errors."""

from __future__ import annotations

import errno
import os
import signal
import sys

import pytest

import badpix_selfcal as bps
from badpix_selfcal.files import association, bodies, exposure, requests

from .exposures import largest_file, observation, sky, write

fsspec = pytest.importorskip("fsspec", reason="needs the extra cloud")
pytest.importorskip("aiohttp", reason="needs the extra cloud")

pytestmark = pytest.mark.usefixtures("scratch")


def test_a_temporary_failure_is_not_reported(web):
    write(web.folder / "a_rate.fits", sky(1))
    web.failures["a_rate.fits"] = 2
    assert exposure.read(f"{web.url}/a_rate.fits", whole=False).detector == "MIRIFULONG"


def test_a_permanent_failure_is_reported_after_a_few_tries(web, monkeypatch):
    monkeypatch.setattr(requests, "PAUSES", (0.01, 0.01))
    write(web.folder / "a_rate.fits", sky(1))
    web.failures["a_rate.fits"] = 1000
    with pytest.raises(bps.ExposureError, match=rf"{web.url}/a_rate.fits: cannot be fetched: 503"):
        exposure.read(f"{web.url}/a_rate.fits")
    assert web.requests["a_rate.fits"] == 3


@pytest.mark.parametrize("whole", [False, True])
def test_an_absent_exposure_is_named(web, whole):
    with pytest.raises(bps.ExposureError, match=f"^{web.url}/absent_rate.fits: no such file$"):
        exposure.read(f"{web.url}/absent_rate.fits", whole=whole)


def test_an_absent_member_in_s3_is_named(tmp_path, bucket):
    (tmp_path / "in").mkdir()
    observation(tmp_path / "in")
    (tmp_path / "in" / "self1_rate.fits").unlink()
    bucket.put(tmp_path / "in")
    with pytest.raises(bps.ExposureError, match=f"{bucket.url}/self1_rate.fits: no such file"):
        bps.selfcal(f"{bucket.url}/x_asn.json", output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_absent_association_is_named(web):
    with pytest.raises(bps.AssociationError, match=f"{web.url}/x_asn.json: .*no such file"):
        association.read(f"{web.url}/x_asn.json")


def test_a_server_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(requests, "PAUSES", (0.01,))
    with pytest.raises(bps.ExposureError, match=r"http://127.0.0.1:9/a_rate.fits: cannot be"):
        exposure.read("http://127.0.0.1:9/a_rate.fits")


def test_an_exposure_cut_short_is_named(web):
    path = write(web.folder / "a_rate.fits", sky(1))
    path.write_bytes(path.read_bytes()[:100_000])
    found = exposure.read(f"{web.url}/a_rate.fits", whole=False)
    with pytest.raises(bps.ExposureError, match=f"{web.url}/a_rate.fits: is cut short"):
        found.science_image()
    with pytest.raises(bps.ExposureError, match=f"{web.url}/a_rate.fits: is cut short"):
        exposure.read(f"{web.url}/a_rate.fits", whole=True)


def test_what_is_not_fits_is_named(web):
    (web.folder / "a_rate.fits").write_bytes(b"<html>")
    with pytest.raises(bps.ExposureError, match=f"{web.url}/a_rate.fits: is not a FITS file"):
        exposure.read(f"{web.url}/a_rate.fits", whole=False)


def test_missing_credentials_are_reported_with_the_remedy(moto, monkeypatch):
    options = {"endpoint_url": f"http://127.0.0.1:{moto}"}
    monkeypatch.setitem(fsspec.config.conf, "s3", options)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    with pytest.raises(bps.ExposureError, match=r"s3://b/a_rate.fits: .*FSSPEC_S3_ANON=true"):
        exposure.read("s3://b/a_rate.fits")


def test_missing_packages_are_reported_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(bps.ExposureError, match=r's3://b/a.*pip install "\.\[cloud\]"'):
        exposure.read("s3://b/a_rate.fits")


def test_an_unknown_protocol_is_reported():
    with pytest.raises(bps.ExposureError, match=r"xyz://b/a_rate.fits: cannot be fetched: .*xyz"):
        exposure.read("xyz://b/a_rate.fits")


def test_an_object_replaced_between_its_headers_and_its_samples_is_named(tmp_path, bucket):
    for number in range(2):
        (tmp_path / f"{number}").mkdir()
        write(tmp_path / f"{number}" / "a_rate.fits", sky(number, (128, 640)))
    bucket.put(tmp_path / "0")
    found = exposure.read(f"{bucket.url}/a_rate.fits", whole=False)
    bucket.put(tmp_path / "1")
    with pytest.raises(bps.ExposureError, match=f"{bucket.url}/a_rate.fits: was changed while it"):
        found.science_image()


@pytest.mark.parametrize("whole", [False, True])
def test_a_store_that_does_not_answer_is_named(tmp_path, bucket, monkeypatch, whole):
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "a_rate.fits", sky(1))
    bucket.put(tmp_path / "in")
    monkeypatch.setenv(requests.VARIABLE, "0.2")
    monkeypatch.setattr(requests, "PAUSES", (0.01,))
    bucket.proxy.delay = 1
    with pytest.raises(bps.ExposureError, match=f"{bucket.url}/a_rate.fits: .*no answer within"):
        exposure.read(f"{bucket.url}/a_rate.fits", whole=whole)
    bucket.proxy.delay = 0


@pytest.mark.parametrize(
    "error",
    [MemoryError("8 GiB"), OSError(errno.ENOSPC, "No space left"), OSError(errno.EMFILE, "Many")],
)
@pytest.mark.parametrize("whole", [False, True])
def test_errors_of_the_machine_are_not_those_of_the_server(web, monkeypatch, error, whole):
    write(web.folder / "a_rate.fits", sky(1))

    def fail(*_):
        raise error

    monkeypatch.setattr(bodies, "_checked", fail)
    with pytest.raises(type(error)) as caught:
        exposure.read(f"{web.url}/a_rate.fits", whole=whole)
    assert caught.value is error
    assert web.requests["a_rate.fits"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="limits of files")
def test_a_full_disk_during_a_download_names_the_file(web, scratch):
    path = write(web.folder / "a_rate.fits", sky(1))
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with largest_file(path.stat().st_size // 2), pytest.raises(bps.ExposureError) as caught:
            exposure.read(f"{web.url}/a_rate.fits")
    finally:
        signal.signal(signal.SIGXFSZ, before)
    assert str(scratch) in str(caught.value)
