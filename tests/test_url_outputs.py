"""Runs whose outputs go to the bucket of a real S3 server."""

from __future__ import annotations

import json
import tempfile
import threading

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.files import association
from badpix_selfcal.files.location import RemoteFile
from badpix_selfcal.step.local import workers_for

from . import servers
from .exposures import enlarge, header, largest_file, observation, planes, sky, write
from .pools import pool

pytest.importorskip("s3fs", reason="needs the extra cloud")

pytestmark = pytest.mark.usefixtures("scratch")


def fetched(bucket, folder):
    """Copy all objects of a bucket to a folder; return their keys."""
    folder.mkdir()
    bucket.system.invalidate_cache()
    keys = [path.partition("/")[2] for path in bucket.system.find(bucket.name)]
    for key in keys:
        bucket.system.get_file(f"{bucket.name}/{key}", str(folder / key.replace("/", "_")))
    return sorted(keys)


def assert_equal_files(one, other):
    """Check that two exposures are equal, except for the time at which they were written."""
    mine, theirs = planes(one), planes(other)
    assert [*mine] == [*theirs]
    for name, image in mine.items():
        np.testing.assert_array_equal(image, theirs[name])
    cards = [{**header(path), "DATE": ""} for path in (one, other)]
    assert cards[0] == cards[1]


def test_selfcal_writes_the_same_files_as_to_a_folder(tmp_path, bucket):
    (tmp_path / "in").mkdir()
    listed = observation(tmp_path / "in")
    bps.selfcal(listed, output_dir=tmp_path / "expected", save_flagged_bkg=True)
    url = f"{bucket.url}/deep/er"
    result = bps.selfcal(listed, output_dir=url, save_flagged_bkg=True)
    assert result.science == RemoteFile(f"{url}/product_badpix_selfcal.fits")
    assert [path.name for path in result.backgrounds] == [
        f"product_badpix_selfcal_bkg_{number}.fits" for number in (0, 1)
    ]
    keys = fetched(bucket, tmp_path / "got")
    assert keys == [
        "deep/er/product_badpix_selfcal.fits",
        "deep/er/product_badpix_selfcal_bkg_0.fits",
        "deep/er/product_badpix_selfcal_bkg_1.fits",
    ]
    for key in keys:
        name = key.rpartition("/")[2]
        assert_equal_files(tmp_path / "got" / key.replace("/", "_"), tmp_path / "expected" / name)


def test_selfcal_writes_all_or_none(tmp_path, bucket):
    (tmp_path / "in").mkdir()
    listed = observation(tmp_path / "in")
    with (
        largest_file(enlarge(tmp_path / "in" / "bkg1_rate.fits")),
        pytest.raises(OSError, match="too large"),
    ):
        bps.selfcal(listed, output_dir=bucket.url, save_flagged_bkg=True)
    assert fetched(bucket, tmp_path / "local") == []
    bucket.proxy.refuse("PUT", "bkg_1")
    with pytest.raises(OSError, match="bkg_1"):
        bps.selfcal(listed, output_dir=bucket.url, save_flagged_bkg=True)
    assert fetched(bucket, tmp_path / "uploads") == []


def test_existing_objects_are_replaced_on_demand_only(tmp_path, bucket):
    (tmp_path / "in").mkdir()
    listed = observation(tmp_path / "in")
    bps.selfcal(listed, output_dir=bucket.url)
    key = "product_badpix_selfcal.fits"
    before = bucket.system.cat_file(f"{bucket.name}/{key}")
    with pytest.raises(FileExistsError, match=f"{bucket.url}/{key} exists already"):
        bps.selfcal(listed, output_dir=bucket.url, kernel_size=5)
    assert bucket.system.cat_file(f"{bucket.name}/{key}") == before
    bps.selfcal(listed, output_dir=bucket.url, kernel_size=5, overwrite=True)
    fetched(bucket, tmp_path / "got")
    assert "kernel_size=5" in str(header(tmp_path / "got" / key)["HISTORY"])


@pytest.mark.parametrize("how", [{"overwrite": True}, {"resume": True}])
def test_an_input_in_the_bucket_is_never_replaced(tmp_path, bucket, how):
    (tmp_path / "in").mkdir()
    for number in range(2):
        write(tmp_path / "in" / f"{number}_badpix_selfcal.fits", sky(number))
    bucket.put(tmp_path / "in")
    before = {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    urls = [f"{bucket.url}/{name}" for name in before]
    with pytest.raises(FileExistsError, match="would replace the input"):
        bps.batch(urls, output_dir=bucket.url, **how)
    for name, content in before.items():
        assert bucket.system.cat_file(f"{bucket.name}/{name}") == content


@pytest.mark.parametrize("function", [bps.selfcal, bps.batch])
def test_an_input_named_by_another_protocol_is_never_replaced(tmp_path, bucket, function):
    """s3a:// and s3:// name the same objects."""
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "x_rate.fits", sky(1))
    write(tmp_path / "in" / "x_badpix_selfcal_bkg_0.fits", sky(2))
    write(tmp_path / "in" / "x_badpix_selfcal.fits", sky(3))
    bucket.put(tmp_path / "in")
    before = {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    other = bucket.url.replace("s3://", "s3a://")
    how = {"save_flagged_bkg": True, "output_dir": bucket.url, "overwrite": True}
    background = f"{other}/x_badpix_selfcal_bkg_0.fits"
    if function is bps.batch:
        background = f"{other}/x_badpix_selfcal.fits"
    with pytest.raises(FileExistsError, match="would replace the input s3a://"):
        function(f"{bucket.url}/x_rate.fits", background=background, **how)
    for name, content in before.items():
        assert bucket.system.cat_file(f"{bucket.name}/{name}") == content


def test_a_batch_from_bucket_to_bucket_can_be_resumed(tmp_path, bucket):
    (tmp_path / "in").mkdir()
    pool(tmp_path / "in", detectors=("NRS1",), background=0)
    bucket.put(tmp_path / "in", "in/")
    bps.batch(tmp_path / "in", output_dir=tmp_path / "expected")
    out = f"{bucket.url}/out"

    def run():
        result = bps.batch(f"{bucket.url}/in/", output_dir=out, resume=True)
        return [each.status for each in result.exposures]

    assert run() == ["COMPLETE"] * 3
    for number in range(3):
        name = f"sci{number}_nrs1_badpix_selfcal.fits"
        bucket.system.get_file(f"{bucket.name}/out/{name}", str(tmp_path / name))
        for plane, image in planes(tmp_path / name).items():
            np.testing.assert_array_equal(image, planes(tmp_path / "expected" / name)[plane])
    bucket.proxy.requests.clear()
    assert run() == ["KEPT"] * 3
    assert "PUT" not in [method for method, _ in bucket.proxy.requests]
    bucket.system.rm_file(f"{bucket.name}/out/sci1_nrs1_badpix_selfcal.fits")
    assert run() == ["KEPT", "COMPLETE", "KEPT"]
    with pytest.raises(
        FileExistsError, match="exists already; pass overwrite=True to replace it, resume=True"
    ):
        bps.batch(f"{bucket.url}/in/", output_dir=out)


def test_a_refused_copy_is_reported_and_the_others_are_written(tmp_path, bucket):
    pool(tmp_path, detectors=("NRS1",), background=0)
    bucket.proxy.refuse("PUT", "sci1")
    result = bps.batch(tmp_path, output_dir=bucket.url)
    (failed,) = result.failed
    assert failed.exposure.name == "sci1_nrs1_rate.fits"
    assert f"{bucket.url}/sci1_nrs1_badpix_selfcal.fits" in failed.error
    assert fetched(bucket, tmp_path / "got") == [
        f"sci{number}_nrs1_badpix_selfcal.fits" for number in (0, 2)
    ]


def test_the_commands_write_to_a_bucket(tmp_path, bucket, capsys):
    pool(tmp_path, detectors=("NRS1",), background=0)
    here, out = str(tmp_path), f"{bucket.url}/out"
    assert main(["associate", here, "--output-dir", f"{bucket.url}/asn"]) == 0
    assert f"written   {bucket.url}/asn/sci0_nrs1_spec2_asn.json" in capsys.readouterr().out
    assert main(["batch", here, "--output-dir", out]) == 0
    assert main(["batch", here, "--output-dir", out]) == 1
    assert main(["batch", here, "--output-dir", out, "--resume", "--json"]) == 0
    printed = capsys.readouterr().out
    report = json.loads(printed[printed.index("{") :])
    assert {each["status"] for each in report["exposures"]} == {"KEPT"}
    listed = bps.associate(here, output_dir=tmp_path / "asn")[0].path
    assert main(["run", str(listed), "--output-dir", f"{bucket.url}/run"]) == 0
    assert f"written   {bucket.url}/run/sci0_nrs1_badpix_selfcal.fits" in capsys.readouterr().out
    assert len(fetched(bucket, tmp_path / "got")) == 3 + 3 + 1


def test_associations_in_a_bucket_are_read_from_there(tmp_path, bucket):
    (tmp_path / "in").mkdir()
    pool(tmp_path / "in", detectors=("NRS1",), background=0)
    bucket.put(tmp_path / "in", "in/")
    made = bps.associate(f"{bucket.url}/in/", output_dir=f"{bucket.url}/in")
    (product,) = association.read(made[0].path).products
    assert str(product.science) == f"{bucket.url}/in/sci0_nrs1_rate.fits"
    result = bps.selfcal(made[0].path, output_dir=f"{bucket.url}/out")
    assert result.status == "COMPLETE"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/out", "https://host/out"])
def test_urls_that_cannot_be_written_are_refused_at_once(tmp_path, url):
    listed = observation(tmp_path)
    for run in (bps.selfcal, bps.batch, bps.associate):
        with pytest.raises(ValueError, match=f"{url}: outputs cannot be written to http"):
            run(listed if run is bps.selfcal else tmp_path, output_dir=url)


def test_a_cluster_writes_to_a_bucket(tmp_path, bucket, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)  # Dask keeps a folder there
    distributed = pytest.importorskip("distributed", reason="needs the extra dask")
    import fsspec

    (tmp_path / "in").mkdir()
    pool(tmp_path / "in", detectors=("NRS1",), background=0)
    expected = bps.batch(tmp_path / "in", output_dir=tmp_path / "expected")
    options = dict(fsspec.config.conf["s3"])

    def configure():
        import fsspec

        fsspec.config.conf["s3"] = options

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.run(configure)
        result = bps.batch(tmp_path / "in", output_dir=f"{bucket.url}/out", scheduler=client)
    assert not result.failed
    keys = fetched(bucket, tmp_path / "got")
    assert keys == [f"out/{each.output.name}" for each in expected.exposures]
    for key in keys:
        name = key.rpartition("/")[2]
        assert_equal_files(tmp_path / "got" / f"out_{name}", tmp_path / "expected" / name)


def test_servers_are_asked_by_more_threads(tmp_path):
    threads = bps.num_threads() + 1
    assert workers_for([]) == workers_for([tmp_path]) == threads
    assert workers_for([tmp_path, RemoteFile("https://host/x_rate.fits")]) == max(threads, 16)


def test_downloads_of_one_product_are_dropped_before_the_last_begins(tmp_path, scratch):
    """An association of many products on the web needs disk space for a few at a time.

    Each writing thread downloads one exposure at a time.
    """
    writing = workers_for([RemoteFile("https://host/x_asn.json")])
    products = 2 * writing + 1
    (tmp_path / "in").mkdir()
    for number in range(products):
        write(tmp_path / "in" / f"s{number}_rate.fits", sky(number))
    write(tmp_path / "in" / "sky_rate.fits", sky(99))
    table = [
        {
            "name": f"p{number}",
            "members": [
                {"expname": f"s{number}_rate.fits", "exptype": "science"},
                {"expname": "sky_rate.fits", "exptype": "background"},
            ],
        }
        for number in range(products)
    ]
    (tmp_path / "in" / "x_asn.json").write_text(json.dumps({"products": table}))
    most, done = 0, threading.Event()

    def watch():
        nonlocal most
        while not done.wait(0.001):
            most = max(most, len([*scratch.iterdir()]))

    watcher = threading.Thread(target=watch)
    with servers.http(tmp_path / "in") as web:
        watcher.start()
        try:
            result = bps.selfcal(f"{web.url}/x_asn.json", output_dir=tmp_path / "out")
        finally:
            done.set()
            watcher.join()
    assert len(result.others) == products - 1
    assert 0 < most <= writing
