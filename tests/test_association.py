"""Association files: what is read, and the names of products."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from badpix_selfcal.files.association import ROLES, UNUSED, Association, Product, read, stem_of

from .associations import SCIENCE, content, member, outcome, refusal, with_files, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return with_files(tmp_path_factory.mktemp("association"))


# What is read


def test_members_are_found_beside_the_association_in_their_order(folder):
    path = write(
        folder,
        content(
            member("c2.fits", "selfcal"),
            member("b2.fits", "background"),
            member("c1.fits", "selfcal"),
            member("b1.fits", "background"),
        ),
    )
    product = Product(
        "p",
        folder / SCIENCE,
        (folder / "b2.fits", folder / "b1.fits"),
        (folder / "c2.fits", folder / "c1.fits"),
    )
    assert read(path) == Association(path, None, (product,))
    assert [exposure.name for exposure in product.members] == [
        SCIENCE,
        "b2.fits",
        "b1.fits",
        "c2.fits",
        "c1.fits",
    ]


@pytest.mark.parametrize("ending", [".yaml", ".yml", ".YAML"])
def test_yaml_says_the_same_as_json(folder, ending):
    value = {"asn_pool": "pool", **content(member("b1.fits", "background"))}
    from_yaml = read(write(folder, yaml.safe_dump(value), f"same{ending}"))
    from_json = read(write(folder, value))
    assert from_yaml.products == from_json.products
    assert from_yaml.pool == from_json.pool == "pool"


def test_a_relative_association_has_relative_members(folder, monkeypatch):
    write(folder, content())
    monkeypatch.chdir(folder)
    assert read("asn.json").products[0].science == Path(SCIENCE)


def test_members_may_lie_elsewhere(folder, tmp_path):
    far = write(tmp_path, {"products": [
        {"name": "p", "members": [member(str(folder / SCIENCE), "science")]}]})  # fmt: skip
    assert read(far).products[0].science == folder / SCIENCE
    (folder / "sub").mkdir(exist_ok=True)
    near = write(folder / "sub", {"products": [
        {"name": "p", "members": [member(f"../{SCIENCE}", "science")]}]})  # fmt: skip
    assert read(near).products[0].science.samefile(folder / SCIENCE)


@pytest.mark.parametrize("spelling", ["science", "SCIENCE", "Science", " sCiEnCe "])
def test_exposure_types_are_read_in_any_case(folder, spelling):
    value = {"products": [{"name": "p", "members": [member(SCIENCE, spelling)]}]}
    assert read(write(folder, value)).products[0].science == folder / SCIENCE


@pytest.mark.parametrize("exptype", ["imprint", "target_acquisition", "SOURCECAT", " Psf "])
@pytest.mark.parametrize("expname", ["missing.fits", "folder", "c1.fits"])
def test_members_of_other_exposure_types_are_listed_and_not_used(folder, exptype, expname):
    read_product = read(write(folder, content(member(expname, exptype)))).products[0]
    assert read_product.members == (folder / SCIENCE,)
    assert read_product.unused == ((folder / expname, exptype.strip().lower()),)


def test_the_exposure_types_of_the_pipeline_are_known():
    base = pytest.importorskip("jwst.associations.lib.dms_base", reason="needs the extra jwst")
    theirs = {*base.EXPTYPE_MAP.values(), *base.SPECIAL_EXPOSURE_MODIFIERS, "science"}
    assert theirs <= {*ROLES, *UNUSED}


@pytest.mark.parametrize("role", ["selfcal", "background"])
def test_the_science_exposure_may_be_listed_again(folder, role):
    product = read(write(folder, content(member(SCIENCE, role)))).products[0]
    assert product.members == (folder / SCIENCE,) * 2


def test_products_keep_their_order(folder):
    names = ["z", "a", "m"]
    products = [{"name": name, "members": [member(SCIENCE, "science")]} for name in names]
    found = read(write(folder, {"products": products}))
    assert [product.name for product in found.products] == names


def test_unneeded_content_is_ignored(folder):
    value = {"asn_rule": ["x"], "degraded": 1, **content(colour="red")}
    value["products"][0]["members"][0]["exposerr"] = None
    assert read(write(folder, value)).products[0].name == "p"


@pytest.mark.parametrize(
    ("expname", "name"),
    [
        (SCIENCE, "jw1_1_mirifulong"),
        ("b1.fits", "b1"),
    ],
)
def test_a_product_without_a_name_is_named_after_its_science_exposure(folder, expname, name):
    value = {"products": [{"members": [member(expname, "science")]}]}
    assert read(write(folder, value)).products[0].name == name


@pytest.mark.parametrize(
    ("exposure", "stem"),
    [
        ("jw01_00001_mirifulong_rate.fits", "jw01_00001_mirifulong"),
        ("folder_rate/jw01_nrs1_rateints.fits.gz", "jw01_nrs1"),
        (Path("a_badpix_selfcal.fits"), "a"),
        ("a_cal.fit", "a"),
        ("a_assign_wcs.fits", "a"),
        ("a_other.fits", "a_other"),
        ("plain", "plain"),
        ("rate.fits", "rate"),
        ("_rate.fits", "_rate"),
        ("a_rate_rate.fits", "a_rate"),
        ("a.b_rate.fits", "a.b"),
        ("crate.fits", "crate"),
    ],
)
def test_the_stem_lacks_the_ending_and_the_known_suffix(exposure, stem):
    assert stem_of(exposure) == stem


# The names of products

ORDINARY = [
    "p",
    "jw01_t001_miri_ch1",
    "a b",
    "x.y",
    "it's",
    "(50%)+~@#",
    "-dash",
    "a..b",
    "a" * 200,
]
NOT_PLAIN = [
    "", " ", " a", "a ", ".", "..", ".hidden", "../a", "a/b", "/a", "a/", "a\\b", "..\\a", "C:a",
    "a\0", "a\nb", "a\tb", "a\x1b", "\x7f", "é", "a\u202eb", "\u2024\u2024", "\ud800", "ａ",
    None, 5, 1.5, True, ["a"], {"a": "b"},
]  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_are_taken_as_they_are(folder, name):
    assert read(write(folder, content(name=name))).products[0].name == name


@pytest.mark.parametrize("name", NOT_PLAIN, ids=ascii)
def test_a_name_that_is_not_a_plain_file_name_is_refused(folder, name):
    message = refusal(write(folder, content(name=name)))
    assert "product 0: 'name' must be a plain file name" in message


@given(
    name=st.text()
    | st.text(st.characters(max_codepoint=127))
    | st.text(st.sampled_from("./\\ ~a:\0\n"))
    | st.lists(st.sampled_from(["..", ".", "a", ""])).map("/".join)
)
@example(name="../../x")
@example(name="a/../../b")
def test_an_output_stays_in_its_folder_for_any_product_name(folder, name):
    path = write(folder, content(name=name))
    found = outcome(path)
    if isinstance(found, str):
        return
    product = found.products[0]
    out = folder / "out"
    output = out / f"{product.name}_badpix_selfcal.fits"
    assert product.name == name
    assert Path(os.path.normpath(output)).parent == out
    assert output.resolve().parent == out.resolve()
    assert output.name == f"{name}_badpix_selfcal.fits"


def test_a_science_exposure_whose_stem_is_no_plain_name_needs_a_product_name(tmp_path):
    (tmp_path / "ü_rate.fits").write_bytes(b"")
    members = [member("ü_rate.fits", "science")]
    assert "'name'" in refusal(write(tmp_path, {"products": [{"members": members}]}))
    named = write(tmp_path, {"products": [{"name": "u", "members": members}]})
    assert read(named).products[0].name == "u"


def test_two_products_of_one_name_are_refused(folder):
    products = content()["products"] * 2
    assert "two products have the name 'p'" in refusal(write(folder, {"products": products}))


def test_two_products_named_after_one_exposure_are_refused(folder):
    product = {"members": [member("b1.fits", "science")]}
    assert "'b1'" in refusal(write(folder, {"products": [product, {"name": "b1", **product}]}))
