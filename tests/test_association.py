"""Association files: what is read, and errors that name what is wrong; see also the attacks."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from badpix_selfcal.files.association import (
    MOST_BYTES,
    MOST_MEMBERS,
    MOST_YAML,
    ROLES,
    UNUSED,
    Association,
    Product,
    read,
)
from badpix_selfcal.files.paths import stem_of

from .associations import SCIENCE, content, member, outcome, refusal, with_files, write
from .fits_exposures import in_time


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return with_files(tmp_path_factory.mktemp("association"))


def of(*members: object, **product: object) -> dict[str, object]:
    """Return an association of one product with these members alone."""
    return {"products": [{"members": [*members], **product}]}


# What is read


@pytest.mark.parametrize("ending", [".json", ".yaml", ".YML"])
def test_members_are_found_beside_the_association_in_their_order(folder, ending):
    roles = {"c2": "selfcal", "b2": " BackGround ", "c1": "SELFCAL", "b1": "background"}
    value = content(*(member(f"{name}.fits", role) for name, role in roles.items()))
    text = (json.dumps if ending == ".json" else yaml.safe_dump)({"asn_pool": "pool", **value})
    path = write(folder, text, f"asn{ending}")
    backgrounds, others = (
        tuple(folder / f"{name}.fits" for name in names) for names in (("b2", "b1"), ("c2", "c1"))
    )
    product = Product("p", folder / SCIENCE, backgrounds, others)
    assert read(path) == Association(path, "pool", (product,))
    assert product.members == (folder / SCIENCE, *backgrounds, *others)


@pytest.mark.parametrize("is_absolute", [False, True])
def test_members_may_lie_elsewhere(folder, tmp_path, is_absolute):
    name = folder / SCIENCE if is_absolute else os.path.relpath(folder / SCIENCE, tmp_path)
    path = write(tmp_path, of(member(str(name), "science")))
    product = read(path).products[0]
    assert product.science.samefile(folder / SCIENCE)
    assert product.name == "jw1_1_mirifulong"  # it has no name: that of its science exposure


@pytest.mark.parametrize("expname", ["missing.fits", "folder", "c1.fits"])
def test_members_of_other_exposure_types_are_listed_and_not_used(folder, expname):
    product = read(write(folder, content(member(expname, " Psf ")))).products[0]
    assert (product.members, product.unused) == ((folder / SCIENCE,), ((folder / expname, "psf"),))


def test_the_exposure_types_of_the_pipeline_are_known():
    base = pytest.importorskip("jwst.associations.lib.dms_base", reason="needs the extra jwst")
    theirs = {*base.EXPTYPE_MAP.values(), *base.SPECIAL_EXPOSURE_MODIFIERS, "science"}
    assert theirs <= {*ROLES, *UNUSED}


@pytest.mark.parametrize(
    ("exposure", "stem"),
    [
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


@pytest.mark.parametrize(
    "name",
    ["", " a", "a ", "..", ".hidden", "a/..", "a/", "a/.b", "..\\a", "C:a", "a\0", "a\n", "\x7f",
     "é", "a\u202eb", "\ud800", None, 5, True, ["a"]],
    ids=ascii,
)  # fmt: skip
def test_a_name_that_is_not_a_plain_file_name_is_refused(folder, name):
    said = refusal(write(folder, content(name=name)))
    assert "product 0: 'name' must be a plain file name" in said


@given(
    name=st.text()
    | st.text(st.sampled_from("./\\ ~a:\0\n"))
    | st.lists(st.sampled_from(["..", ".", "a", ""])).map("/".join)
)
@example(name="a/../../b")
def test_an_output_stays_in_its_folder_for_any_product_name(folder, name):
    found = outcome(write(folder, content(name=name)))
    if isinstance(found, Association):
        output = folder / "out" / f"{found.products[0].name}_badpix_selfcal.fits"
        last = name.rpartition("/")[2]
        assert output.resolve() == (folder / "out").resolve() / f"{last}_badpix_selfcal.fits"


@pytest.mark.parametrize("name", ["sci/stage1/x", "/data/x", "../x", "./x", "x"])
def test_the_name_of_a_product_is_the_last_part_of_a_path_as_in_the_pipeline(folder, name):
    step = pytest.importorskip("jwst.badpix_selfcal").BadpixSelfcalStep()
    (product,) = read(write(folder, content(name=name))).products
    suffix = "badpix_selfcal"
    assert f"{product.name}_{suffix}.fits" == step.make_output_path(name, suffix=suffix)


def test_products_whose_paths_end_alike_are_refused(folder):
    one, other = (content(name=f"{part}/x")["products"][0] for part in "ab")
    said = refusal(write(folder, {"products": [one, other]}))
    assert "two products have the name 'x'" in said


# What is refused


@pytest.mark.parametrize("role", ["science", "background", "SelfCal"])
@pytest.mark.parametrize(
    ("expname", "what"),
    [
        ("missing.fits", "does not exist"),
        (f"{SCIENCE}/a.fits", "does not exist"),
        ("\ud800.fits", "does not exist"),
        ("folder", "is not a file"),
        ("..", "is not a file"),
        ("a" * 300, "does not exist" if sys.version_info >= (3, 14) else "cannot be read"),
    ],
    ids=["missing", "below a file", "surrogate", "folder", "dots", "long"],
)
def test_a_member_that_is_no_file_is_refused_by_name(folder, role, expname, what):
    first = [] if role == "science" else [member(SCIENCE, "science")]
    said = refusal(write(folder, of(*first, member(expname, role))))
    assert f"product 0: member {folder / expname} {what}" in said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "the association must be a table"),
        ({}, "'products' must be a list"),
        ({"products": {"a": 1}}, "'products' must be a list"),
        ({"products": []}, "'products' must be a list of at least one"),
        ({"products": [[]]}, "product 0 must be a table"),
        ({"products": [{}]}, "product 0: 'members' must be a list"),
        ({"products": content()["products"] * 2}, "two products have the name 'p'"),
        (content("abc"), "product 0, member 1 must be a table"),
        (content({}), "product 0, member 1: 'expname' must be a text"),
        (content(member("", "selfcal")), "member 1: 'expname' must be a text"),
        (content(member("c1\0.fits", "selfcal")), "member 1: 'expname' must be a text"),
        (content({"expname": "c1.fits"}), "member 1 (c1.fits): 'exptype' must be a text"),
        (content(member("c1.fits", ["selfcal"])), "member 1 (c1.fits): 'exptype' must be a text"),
        (content(member("b1.fits", "Science")), f"one member of exptype science, got {SCIENCE}, b"),
        (content(member("b1.fits", "bkg")), "member 1 (b1.fits): the exptype 'bkg' is not known"),
        (content(member("b1.fits", "bkg")), "use science, background, selfcal or imprint"),
    ],
)
@pytest.mark.parametrize("ending", [".json", ".yaml"])
def test_what_is_wrong_is_refused_with_its_place(folder, value, said, ending):
    assert said in refusal(write(folder, json.dumps(value), f"wrong{ending}"))  # JSON is YAML, too


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        *((text, "json") for text in ("", "{", '{"products": [}', "{}{}", "products: []")),
        *((text, "yaml") for text in ("{", "a: [", "\t- a", "--- a\n--- b", "? [a]\n: b")),
        # Tags of Python, and wrong scalars of tagged types, raise errors other than YAMLError.
        *((f"!!{tag}", "yaml") for tag in ("python/object/apply:os.getcwd []", "binary é")),
        *((f"!!{tag}", "yaml") for tag in ("int ''", "float ''", "bool x", "timestamp x")),
        ("2001-99-99", "yaml"),
    ],
)
def test_broken_syntax_is_refused(folder, text, ending):
    assert f"is not valid {ending.upper()}" in refusal(write(folder, text, f"broken.{ending}"))


@pytest.mark.parametrize(
    "name",
    ["gone.json", "gone.yaml", "nowhere/asn.json", "folder", f"{SCIENCE}/a", "a" * 300, "a\0b"],
)
def test_an_association_that_cannot_be_read_is_refused(folder, name):
    said = refusal(folder / name)
    assert "no such file or folder" in said or not name.startswith(("gone", "nowhere"))


# Hostile sizes


@pytest.mark.parametrize("products", [1, 300])
def test_more_members_than_there_may_be_are_refused(folder, products):
    members = [member(SCIENCE, "science"), *[member("b1.fits", "selfcal")] * MOST_MEMBERS]
    many = [{"name": f"p{n}", "members": members[n::products]} for n in range(products)]
    with in_time():
        said = refusal(write(folder, {"products": many}, "many.json"))
    assert f"lists {MOST_MEMBERS + 1} members, more than {MOST_MEMBERS}" in said


@pytest.mark.parametrize(
    ("name", "most"), [("long.json", MOST_BYTES), ("long.yaml", MOST_YAML), ("/dev/zero", 0)]
)
def test_a_file_too_long_for_an_association_is_refused(folder, name, most):
    path = folder / name
    if most:
        path.write_bytes(b" " * (most + 1))
    elif not path.exists():
        pytest.skip("needs /dev/zero")
    with in_time():
        assert f"is longer than {most or MOST_BYTES} bytes" in refusal(path)


@pytest.mark.parametrize(
    "unit", ["[" * 150 + "]" * 150 + ",", "[", "{", "[],", "&a [*a],", "{<<: &a {<<: *a}},"]
)
def test_an_association_of_many_signs_is_refused_in_time(folder, unit):
    """Found by fuzzing: brackets within each other took 40 s for each megabyte."""
    text = f"a: [{unit * ((MOST_YAML - 100) // len(unit))}1]"
    for name, hostile in (("signs.yaml", text), ("signs.json", text[3:])):
        with in_time():
            refusal(write(folder, hostile, name))
