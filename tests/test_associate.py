"""Associations as observers write them: their members, their places, and who can read them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal import ExposureError
from badpix_selfcal.cli import main
from badpix_selfcal.files import association
from badpix_selfcal.files.paths import RemoteFile
from badpix_selfcal.simulate import simulate

from . import servers
from .exposures import MRS, change
from .pools import pool, take


def read(made, **how):
    """Read an association by the package's own reader."""
    (product,) = association.read(made.path, **how).products
    return product


def names(paths):
    return sorted(path.name for path in paths)


@pytest.fixture
def exposures(tmp_path):
    """A folder with three science exposures and two backgrounds."""
    folder = tmp_path / "data"
    folder.mkdir()
    pool(folder, detectors=("NRS1",))
    return folder


def test_the_members_of_each_association(tmp_path):
    pool(tmp_path)  # channel 34: LONG, channel 12: SHORT
    take(tmp_path / "sci8_rate.fits", 8, BAND="MEDIUM")
    take(tmp_path / "bkg9_rate.fits", 9, BAND="MEDIUM", background=True)
    made = {each.product: each for each in bps.associate(tmp_path)}
    long = ["bkg0_mirifulong_rate.fits", "bkg1_mirifulong_rate.fits"]
    all_34 = [*long, "bkg9_rate.fits", *(f"sci{n}_mirifulong_rate.fits" for n in range(3))]
    assert len(made) == 7
    for name, backgrounds in (("sci0_mirifulong", long), ("sci8", ["bkg9_rate.fits"])):
        product = read(made[name])
        assert product.name == name
        assert product.science.name == f"{name}_rate.fits"
        assert names(product.backgrounds) == backgrounds
        assert names(product.selfcal) == sorted([*all_34, "sci8_rate.fits"])
    assert len(read(made["sci0_mirifushort"]).selfcal) == 5


def test_by_band_selfcal_members_share_the_band_too(tmp_path):
    pool(tmp_path, detectors=("NRS1", "NRS2"))
    take(tmp_path / "other_rate.fits", 8, detector="NRS1", GRATING="G395H")
    take(tmp_path / "other2_rate.fits", 9, detector="NRS1", GRATING="G395H")
    made = {each.product: each for each in bps.associate(tmp_path, group_by="band")}
    assert names(made["other"].selfcal) == ["other2_rate.fits", "other_rate.fits"]
    assert made["other"].backgrounds == ()
    assert made["other"].group == "NRS1 F170LP/G395H"
    assert len(made["sci0_nrs2"].selfcal) == 5


def test_a_lone_exposure_is_not_its_own_companion(tmp_path):
    take(tmp_path / "a_rate.fits", 1)
    (made,) = bps.associate(tmp_path)
    assert made.selfcal == made.backgrounds == ()
    with pytest.warns(bps.SelfcalWarning, match="step skipped"):
        assert bps.selfcal(made.path, output_dir=tmp_path / "out").status == "SKIPPED"


def test_the_fields_are_those_of_the_pipeline(exposures):
    made = bps.associate(exposures)[0]
    assert made.path == exposures / "sci0_nrs1_spec2_asn.json"
    content = json.loads(made.path.read_text())
    assert (content["asn_type"], content["asn_id"]) == ("spec2", "a3001")
    assert content["asn_rule"] == "DMSLevel2bBase"
    assert {"asn_pool", "program", "version_id", "degraded_status"} <= set(content)
    (product,) = content["products"]
    assert product["members"][0] == {"expname": "sci0_nrs1_rate.fits", "exptype": "science"}


def test_the_pipeline_reads_them(tmp_path):
    datamodels = pytest.importorskip("jwst.datamodels")
    load_asn = pytest.importorskip("jwst.associations.load_asn").load_asn
    simulate(tmp_path, size=MRS, n_science=2, n_background=1)
    for each in bps.associate(tmp_path, overwrite=True):
        with each.path.open() as file:
            loaded = load_asn(file)  # checked against the pipeline's schema
        assert loaded["asn_type"] == "spec2"
        with datamodels.ModelContainer(str(each.path)) as models:
            types = [model.meta.asn.exptype for model in models]
            assert types == ["science", "background", "selfcal", "selfcal", "selfcal"]
            assert models[0].meta.filename == each.science.name
            assert models.asn_table["products"][0]["name"] == each.product


def test_our_step_takes_them_from_another_folder(exposures, tmp_path, monkeypatch):
    (tmp_path / "elsewhere" / "asn").mkdir(parents=True)
    (tmp_path / "asn").symlink_to(tmp_path / "elsewhere" / "asn")
    monkeypatch.chdir(exposures)
    for each in bps.associate(".", output_dir="../asn"):
        result = bps.selfcal(each.path, output_dir=tmp_path / "out")
        assert (result.status, len(result.members)) == ("COMPLETE", 5)


def test_backgrounds_can_be_named_by_pattern_and_lie_elsewhere(tmp_path):
    pool(tmp_path, detectors=("NRS1",), background=0)
    (tmp_path / "sky").mkdir()
    sky = take(tmp_path / "sky" / "s_rate.fits", 9, detector="NRS1")
    made = bps.associate(tmp_path, background=tmp_path / "sky" / "*_rate.fits")
    assert [each.product for each in made] == [f"sci{n}_nrs1" for n in range(3)]
    assert all(each.backgrounds == (sky,) for each in made)
    assert read(made[0]).backgrounds[0].samefile(sky)


def test_existing_files_are_replaced_on_demand_only(exposures):
    made = bps.associate(exposures)
    made[1].path.write_text("mine")
    made[0].path.unlink()
    with pytest.raises(FileExistsError, match="exists already"):
        bps.associate(exposures)
    assert made[1].path.read_text() == "mine"
    assert not made[0].path.exists()  # all or none
    bps.associate(exposures, overwrite=True)
    assert read(made[1]).name == made[1].product


def test_a_dry_run_writes_nothing(exposures, tmp_path, bucket):
    for to in (tmp_path / "new" / "asn", bucket.url):
        would = bps.associate(exposures, output_dir=to, dry_run=True)
        assert bucket.contents() == {}
        assert to == bucket.url or not to.parent.exists()
        assert not any(each.exists for each in would)
        assert would == bps.associate(exposures, output_dir=to)
        assert all(each.exists for each in bps.associate(exposures, output_dir=to, dry_run=True))


def step(path, seed, of, place, *, pattern="2-POINT-NOD", **cards):
    """Write an exposure at a position of the dither pattern of an observation; return its name."""
    where = {"OBSERVTN": of, "PATTTYPE": pattern, "PATT_NUM": place}
    take(path, seed, detector="NRS1", shape=(20, 30), **where, **cards)
    return path.name


class TestImprints:
    """Imprint exposures of NIRSpec (IS_IMPRT), which are neither science nor background."""

    @pytest.fixture
    def observed(self, tmp_path):
        """Two dithers of a target and of an empty field, each with an imprint."""
        for n in (1, 2):
            step(tmp_path / f"sci{n}_rate.fits", n, "001", n)
            step(tmp_path / f"bkg{n}_rate.fits", 10 + n, "002", n, background=True)
            step(tmp_path / f"leak{n}_rate.fits", 20 + n, "001", n, IS_IMPRT=True)
            how = {"IS_IMPRT": True, "background": True}
            step(tmp_path / f"leakbkg{n}_rate.fits", 30 + n, "002", n, **how)
        step(tmp_path / "other_rate.fits", 40, "001", 1, GRATING="G395H", IS_IMPRT=True)
        return tmp_path

    def test_they_are_listed_with_the_exposures_of_their_pointing_step(self, observed):
        made = {each.product: each for each in bps.associate(observed)}
        assert sorted(made) == ["sci1", "sci2"]
        product = read(made["sci1"])
        leaks = ["leak1_rate.fits", "leakbkg1_rate.fits", "leakbkg2_rate.fits"]
        assert names(product.imprints) == names(made["sci1"].imprints) == leaks
        assert names(product.backgrounds) == ["bkg1_rate.fits", "bkg2_rate.fits"]
        assert names(product.selfcal) == names(observed.glob("*_rate.fits"))
        assert made["sci1"].counts == "1 science, 2 background, 9 selfcal, 3 imprint"

    def test_the_pipeline_subtracts_those_that_are_listed(self, observed):
        imprint_step = pytest.importorskip("jwst.imprint").ImprintStep
        datamodels = pytest.importorskip("stdatamodels.jwst.datamodels")
        for each in bps.associate(observed):
            leaks = [str(path) for path in each.imprints]
            for path in (each.science, *each.backgrounds):
                leak = path.name.replace("sci", "leak").replace("bkg", "leakbkg")
                with datamodels.open(path) as model, datamodels.open(path.with_name(leak)) as own:
                    done = imprint_step().process(model.copy(), leaks)
                    np.testing.assert_array_equal(done.data, model.data - own.data)

    def test_the_only_one_of_an_observation_serves_all_its_dithers(self, tmp_path):
        for n in (1, 2):
            step(tmp_path / f"sci{n}_rate.fits", n, "001", n)
        step(tmp_path / "else_rate.fits", 5, "003", 2, IS_IMPRT=True)
        step(tmp_path / "leak_rate.fits", 4, "001", 1, IS_IMPRT=True)
        for each in bps.associate(tmp_path):
            assert names(each.imprints) == ["leak_rate.fits"]

    def test_alone_they_are_no_science(self, tmp_path):
        step(tmp_path / "leak_rate.fits", 4, "001", 1, IS_IMPRT=True)
        with pytest.raises(ExposureError, match="no science exposure is among the 1"):
            bps.associate(tmp_path)


class TestNods:
    """The other positions of a nod pattern as backgrounds."""

    @pytest.mark.parametrize(
        ("patterns", "listed"),
        [
            (["2-POINT-NOD"] * 3, ["sci1_rate.fits", "sci2_rate.fits"]),
            (["4-POINT-NOD"] * 3, ["sci1_rate.fits", "sci2_rate.fits"]),
            (["2-POINT-NOD", "2-POINT-NOD", "CYCLING"], ["sci1_rate.fits"]),
            (["CYCLING"] * 3, []),
        ],
    )
    def test_of_nirspec(self, tmp_path, recwarn, patterns, listed):
        for n, pattern in enumerate(patterns):
            step(tmp_path / f"sci{n}_rate.fits", n + 1, "001", n + 1, pattern=pattern)
        step(tmp_path / "same_rate.fits", 5, "001", 1, pattern=patterns[0])
        step(tmp_path / "else_rate.fits", 6, "002", 2, pattern=patterns[0])
        step(tmp_path / "band_rate.fits", 7, "001", 2, pattern=patterns[0], GRATING="G395H")
        step(tmp_path / "leak_rate.fits", 8, "001", 2, pattern=patterns[0], IS_IMPRT=True)
        step(tmp_path / "bkg_rate.fits", 9, "004", 2, pattern=patterns[0], background=True)
        made = {each.product: each for each in bps.associate(tmp_path, nods=True)}
        assert names(made["sci0"].backgrounds) == ["bkg_rate.fits", *listed]
        assert [str(each.message).partition(" (")[0] for each in recwarn] == (
            [] if listed else ["no exposure has other nods"]
        )
        made = {each.product: each for each in bps.associate(tmp_path, overwrite=True)}
        assert names(made["sci0"].backgrounds) == ["bkg_rate.fits"]

    def test_of_miri(self, tmp_path):
        for n in range(4):
            where = {"PATTTYPE": "4-POINT", "PATT_NUM": n + 1}
            take(tmp_path / f"sci{n}_rate.fits", n + 1, shape=(20, 30), **where)
        made = bps.associate(tmp_path, nods=True)[1]
        assert names(made.backgrounds) == [f"sci{n}_rate.fits" for n in (0, 2, 3)]


def test_epochs_have_associations_of_their_own(tmp_path):
    for n, day in enumerate(("2022-07-01", "2022-07-31", "2024-06-30")):
        take(tmp_path / f"sci{n}_rate.fits", n + 1, **{"DATE-OBS": day})
        take(tmp_path / f"bkg{n}_rate.fits", n + 9, background=True, **{"DATE-OBS": day})
    with pytest.warns(bps.SelfcalWarning, match="divided into 2 groups, MIRIFULONG 34 2022-07-01"):
        first, _, last = bps.associate(tmp_path)
    assert (last.group, names(last.selfcal)) == (
        "MIRIFULONG 34 2024-06-30",
        ["bkg2_rate.fits", "sci2_rate.fits"],
    )
    assert names(first.backgrounds) == ["bkg0_rate.fits", "bkg1_rate.fits"]
    made = bps.associate(tmp_path, max_days=math.inf, overwrite=True)
    assert [len(each.backgrounds) for each in made] == [3, 3, 3]


class TestFlagged:
    """Associations of flagged copies, for calwebb_spec2."""

    @pytest.fixture
    def data(self, exposures):
        """Two science exposures, two backgrounds, an imprint; their flagged copies are in out/."""
        leak = exposures / "sci2_nrs1_rate.fits"
        change(leak, IS_IMPRT=True)
        bps.batch(exposures, output_dir=exposures.parent / "out", save_flagged_bkg=True)
        return exposures

    def test_they_list_the_copies_and_the_imprints(self, data, recwarn):
        made = bps.associate([data, data.parent / "out"], flagged=True)
        assert [each.product for each in made] == ["sci0_nrs1", "sci1_nrs1"]
        for number, each in enumerate(made):
            product = read(each)
            stem = f"sci{number}_nrs1"
            assert each.path == data.parent / "out" / f"{stem}_badpix_selfcal_spec2_asn.json"
            assert product.name == stem
            assert product.science.name == f"{stem}_badpix_selfcal.fits"
            copies = ["bkg0_nrs1_badpix_selfcal.fits", "bkg1_nrs1_badpix_selfcal.fits"]
            assert names(product.backgrounds) == copies
            assert names(product.imprints) == ["sci2_nrs1_rate.fits"]
            assert product.selfcal == ()
        assert not recwarn.list

    def test_the_folder_of_the_copies_is_enough(self, data):
        assert main(["associate", str(data.parent / "out"), "--flagged"]) == 0
        made = sorted((data.parent / "out").glob("*_spec2_asn.json"))
        (product,) = association.read(made[0]).products
        assert (len(made), len(product.backgrounds), len(product.members)) == (2, 2, 3)

    def test_backgrounds_without_a_copy_are_named(self, data):
        out = data.parent / "more"
        bps.batch(data, output_dir=out)
        with pytest.warns(bps.SelfcalWarning, match=r"/bkg0_.*, .*/bkg1_.*: left out: .* no flag"):
            made = bps.associate([data, out], flagged=True)
        assert [each.backgrounds for each in made] == [(), ()]
        with pytest.warns(bps.SelfcalWarning, match="hold science exposures only: no background"):
            bps.associate(out, flagged=True, dry_run=True)

    def test_copies_of_run_belong_to_their_product(self, data):
        how = {"output_dir": data.parent / "run", "save_flagged_bkg": True}
        for n in range(2):
            background = data / f"bkg{n}_nrs1_rate.fits"
            change(background, BKGDTARG=False)  # the user says that it is one
            bps.selfcal(data / f"sci{n}_nrs1_rate.fits", background=background, **how)
        made = bps.associate(data.parent / "run", flagged=True)
        assert [names(each.backgrounds) for each in made] == [
            [f"sci{n}_nrs1_badpix_selfcal_bkg_0.fits"] for n in range(2)
        ]

    def test_something_must_be_flagged(self, data):
        with pytest.raises(ExposureError, match="no input is a flagged copy"):
            bps.associate(data, flagged=True)


def named(bucket, key):
    """Return the names of the members that an association in a bucket lists."""
    (product,) = json.loads(bucket.read(key))["products"]
    return [member["expname"] for member in product["members"]]


class TestUnderUrl:
    """Associations in the bucket of an S3 server."""

    @pytest.mark.parametrize(("prefix", "shown"), [("", "in/"), ("in", ""), ("asn", None)])
    def test_members_in_the_bucket(self, exposures, bucket, prefix, shown):
        bucket.put(exposures, "in/")
        shown = f"{bucket.url}/in/" if shown is None else shown
        made = bps.associate(f"{bucket.url}/in/", output_dir=f"{bucket.url}/{prefix}")
        folder = f"{bucket.url}/{prefix}".rstrip("/")
        assert [str(each.path) for each in made] == [
            f"{folder}/sci{number}_nrs1_spec2_asn.json" for number in range(3)
        ]
        key = made[0].path.url.removeprefix(f"{bucket.url}/")
        assert named(bucket, key)[0] == f"{shown}sci0_nrs1_rate.fits"
        product = read(made[0])
        assert product.science == RemoteFile(f"{bucket.url}/in/sci0_nrs1_rate.fits")
        assert {*product.selfcal} == {*made[0].selfcal}

    def test_members_on_this_machine(self, exposures, bucket, monkeypatch):
        monkeypatch.chdir(exposures)
        made = bps.associate(".", output_dir=f"{bucket.url}/asn")
        science = exposures / "sci0_nrs1_rate.fits"
        assert named(bucket, "asn/sci0_nrs1_spec2_asn.json")[0] == science.as_uri()
        assert read(made[0], force=True).science == science

    def test_members_on_the_web(self, exposures, bucket):
        with servers.http(exposures) as facts:
            urls = [f"{facts.url}/sci{number}_nrs1_rate.fits" for number in range(3)]
            made = bps.associate(urls, output_dir=bucket.url)
        assert named(bucket, "sci0_nrs1_spec2_asn.json") == [urls[0], *urls]
        assert [str(path) for path in read(made[0], force=True).selfcal] == urls

    def test_a_failed_upload_leaves_none(self, exposures, bucket):
        bucket.proxy.refuse("PUT", "/sci1")
        with pytest.raises(OSError, match=f"{bucket.url}/sci1.*: cannot be written: AccessDenied"):
            bps.associate(exposures, output_dir=bucket.url)
        assert bucket.contents() == {}

    def test_a_web_server_is_refused_before_anything_is_read(self, tmp_path):
        with pytest.raises(ValueError, match="http://h/x: outputs cannot be written to http://"):
            bps.associate(tmp_path / "absent", output_dir="http://h/x")


@pytest.mark.parametrize(
    ("files", "given", "words"),
    [
        ({"a_rate": {}, "junk_rate": None}, ".", r"junk_rate\.fits: is not a FITS file"),
        ({}, ".", "there is no"),
        ({"b_rate": {"background": True}}, ".", "no science exposure"),
        ({"a_rate": {}, "a_cal": {}}, "a*.fits", "both have the product name a"),
        ({"a_rate": {}, "ü_rate": {}}, ".", "cannot be that of a product"),
    ],
)
def test_nothing_is_written_and_the_cause_is_named(tmp_path, monkeypatch, files, given, words):
    monkeypatch.chdir(tmp_path)
    for name, how in files.items():
        path = tmp_path / f"{name}.fits"
        path.write_text("junk") if how is None else take(path, 1, **how)
    with pytest.raises(ExposureError, match=words):
        bps.associate(given)
    assert not list(tmp_path.glob("**/*.json"))
