"""Masks written by a batch on a real Dask cluster, and applied on it."""

from __future__ import annotations

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main

from .exposures import assert_equal_planes
from .masks import assert_same_masks
from .pools import pool, take

distributed = pytest.importorskip("distributed", reason="needs the extra dask")

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.* times the mean ERR"),
]


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as client:
        client.wait_for_workers(2)
        yield client


@pytest.mark.parametrize("cut", ["fraction", "sigma"])
def test_the_mask_of_a_cluster_is_that_of_this_process(tmp_path, client, cut):
    pool(tmp_path, science=20, detectors=("MIRIFULONG", "NRS1"))
    how = {"save_mask": True, "cut": cut}
    here = bps.batch(tmp_path, output_dir=tmp_path / "here", **how)
    there = bps.batch(tmp_path, output_dir=tmp_path / "there", scheduler=client, **how)
    for one, other in zip(there.groups, here.groups, strict=True):
        assert [path.name for path in one.mask_files.values()] == [
            path.name for path in other.mask_files.values()
        ]
        for axis, path in one.mask_files.items():
            ours, expected = bps.read_mask(path), bps.read_mask(other.mask_files[axis])
            outputs = {each.exposure: each.output for each in ours.members}
            assert all(each.output == outputs[each.exposure] for each in one.exposures)
            members = expected.members  # their copies are in another folder
            assert_same_masks(
                bps.GroupMask(**{**vars(ours), "made": expected.made, "members": members}),
                expected,
            )
    again = bps.batch(tmp_path, output_dir=tmp_path / "there", scheduler=client, resume=True, **how)
    assert {each.status for each in again.exposures} == {"KEPT"}
    assert [group.masks for group in again.groups] == [{}, {}]


def test_a_mask_is_applied_on_a_cluster(tmp_path, client, cluster, monkeypatch, capsys):
    pool(tmp_path, science=12, detectors=("NRS1",))
    made = bps.batch(tmp_path, output_dir=tmp_path / "batch", save_mask=True, save_flagged_bkg=True)
    mask = made.groups[0].mask_files[1]
    other = take(tmp_path / "other_rate.fits", 1, detector="NRS2")
    inputs = [*(each.exposure for each in made.exposures), other]
    result = bps.apply(mask, inputs, output_dir=tmp_path / "out", scheduler=client)
    assert [each.exposure for each in result.failed] == [other]
    assert len(result.written) == 14
    for each in made.exposures:
        assert_equal_planes(tmp_path / "out" / each.output.name, each.output)
    monkeypatch.chdir(tmp_path)
    words = ["apply", str(mask), "sci*_rate.fits", "bkg*_rate.fits", "--output-dir", "out"]
    assert main([*words, "--resume", "--scheduler", cluster.scheduler_address]) == 0
    assert "14 kept" in capsys.readouterr().out


def test_an_interrupted_call_on_a_cluster_leaves_whole_files(tmp_path, client):
    pool(tmp_path, science=24, detectors=("NRS1",), background=0)
    made = bps.batch(tmp_path, output_dir=tmp_path / "batch", save_mask=True)
    mask, out = made.groups[0].mask_files[1], tmp_path / "out"

    def interrupted(done, _):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bps.apply(mask, tmp_path, output_dir=out, scheduler=client, progress=interrupted)
    left = [*out.iterdir()]
    assert all(path.name.endswith("_badpix_selfcal.fits") for path in left)
    flags = bps.read_mask(mask).bad_pixels.mask
    result = bps.apply(mask, tmp_path, output_dir=out, scheduler=client, resume=True)
    assert result.statuses["KEPT"] == len(left) > 0
    assert result.statuses["COMPLETE"] == 24 - len(left) > 0
    np.testing.assert_array_equal(result.groups[0].masks[1].mask, flags)
    for each in made.exposures:
        assert_equal_planes(out / each.output.name, each.output)
