"""Association files: what is read, and errors that name what is wrong."""

from __future__ import annotations

import json
import os
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

NOT_PLAIN = [
    "", " ", " a", "a ", ".", "..", ".hidden", "../a", "a/b", "/a", "a/", "a\\b", "..\\a", "C:a",
    "a\0", "a\nb", "a\tb", "a\x1b", "\x7f", "é", "a\u202eb", "\u2024\u2024", "\ud800", "ａ",
    None, 5, 1.5, True, ["a"], {"a": "b"},
]  # fmt: skip


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


def test_two_products_of_one_name_are_refused(folder):
    products = content()["products"] * 2
    assert "two products have the name 'p'" in refusal(write(folder, {"products": products}))


# Members that cannot be used


@pytest.mark.parametrize("role", ["science", "background", "selfcal", "SelfCal"])
@pytest.mark.parametrize(
    ("expname", "what"),
    [
        ("missing.fits", "does not exist"),
        ("nowhere/a.fits", "does not exist"),
        (f"{SCIENCE}/a.fits", "does not exist"),
        ("folder", "is not a file"),
        (".", "is not a file"),
        ("..", "is not a file"),
        ("a" * 300, "cannot be read"),
        ("\ud800.fits", "does not exist"),
    ],
    ids=["missing", "nowhere", "below a file", "folder", "dot", "dots", "long", "surrogate"],
)
def test_a_member_that_is_no_file_is_refused_by_name(folder, role, expname, what):
    first = [] if role == "science" else [member(SCIENCE, "science")]
    members = [*first, member(expname, role)]
    message = refusal(write(folder, {"products": [{"name": "p", "members": members}]}))
    assert f"product 0: member {folder / expname} {what}" in message


@pytest.mark.parametrize("second", ["b1.fits", SCIENCE])
def test_two_science_members_are_refused_by_name(folder, second):
    message = refusal(write(folder, content(member(second, "Science"))))
    assert f"exactly one member of exptype science, got {SCIENCE}, {second}" in message


@pytest.mark.parametrize("exptype", ["backgroud", "bkg", "science2", "nonsense"])
def test_an_unknown_exposure_type_is_refused_with_the_known_ones(folder, exptype):
    message = refusal(write(folder, content(member("b1.fits", exptype))))
    assert f"product 0, member 1 (b1.fits): the exptype '{exptype}' is not known" in message
    assert "use science, background or selfcal (known but not used here: " in message
    assert "imprint" in message


# Files that are no associations


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "the association must be a table"),
        ("null", "the association must be a table"),
        ({}, "'products' must be a list"),
        ({"products": {"a": 1}}, "'products' must be a list"),
        ({"products": []}, "'products' must be a list of at least one"),
        ({"products": [[]]}, "product 0 must be a table"),
        ({"products": [{}]}, "product 0: 'members' must be a list"),
        ({"products": [{"members": {"a": 1}}]}, "product 0: 'members' must be a list"),
        (content("abc"), "product 0, member 1 must be a table"),
        (content({}), "product 0, member 1: 'expname' must be a text"),
        (content({"exptype": "selfcal"}), "product 0, member 1: 'expname' must be a text"),
        (content(member(5, "selfcal")), "member 1: 'expname' must be a text"),
        (content(member("", "selfcal")), "member 1: 'expname' must be a text"),
        (content(member("c1\0.fits", "selfcal")), "member 1: 'expname' must be a text"),
        (content({"expname": "c1.fits"}), "member 1 (c1.fits): 'exptype' must be a text"),
        (content(member("c1.fits", None)), "member 1 (c1.fits): 'exptype' must be a text"),
        (content(member("c1.fits", ["selfcal"])), "member 1 (c1.fits): 'exptype' must be a text"),
    ],
)
@pytest.mark.parametrize("ending", [".json", ".yaml"])
def test_a_wrong_type_is_refused_with_its_place(folder, value, said, ending):
    # JSON is YAML, too.
    value = value if isinstance(value, str) else json.dumps(value)
    assert said in refusal(write(folder, value, f"wrong{ending}"))


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["products", "members", "name", "expname", "exptype"]), inner
        )
    ),
    max_leaves=8,
)


@given(value=ANY, keys=st.integers(0, 5), last=st.sampled_from(["expname", "exptype"]))
def test_any_value_at_any_level_is_read_or_refused(folder, value, keys, last):
    whole = content(member("c1.fits", "selfcal"))
    within: object = whole
    way = ["products", 0, "members", 1, last][:keys]
    for key in way[:-1]:
        within = within[key]
    if way:
        within[way[-1]] = value
    else:
        whole = value
    path = write(folder, json.dumps(whole))
    found = outcome(path)
    if isinstance(found, str):
        assert found.startswith(f"{path}: ")
    else:
        assert found.products[0].science.is_file()


@given(data=st.binary(max_size=60), ending=st.sampled_from(["json", "yaml"]))
@example(data=b"", ending="json")
@example(data=b"", ending="yaml")
@example(data=b"\xff\xfe{\x00}\x00", ending="json")
@example(data=b'{"products": [{"name": "\xe9"}]}', ending="json")
@example(data=b"a: \xe9", ending="yaml")
@example(data=b"\xef\xbb\xbf{}", ending="json")
@example(data=b"[" * 100_000, ending="json")
@example(data=b"[" * 20_000, ending="yaml")
@example(data=b"9" * 5000, ending="json")
def test_bytes_that_are_no_association_are_refused(folder, data, ending):
    path = folder / f"bytes.{ending}"
    path.write_bytes(data)
    refusal(path)


@pytest.mark.parametrize(
    "text",
    [
        "{", '{"products": [}', "a: [", "\t- a", "--- a\n--- b",
        "!!python/object/apply:os.getcwd []", "? [a]\n: b", "!!binary é", "2001-99-99",
        # A wrong scalar of a tagged type makes PyYAML raise an error other than YAMLError.
        "!!int ''", "!!float ''", "!!bool x", "!!timestamp x", "products: !!bool maybe",
    ],
)  # fmt: skip
def test_broken_yaml_is_refused(folder, text):
    assert "is not valid YAML" in refusal(write(folder, text, "broken.yaml"))


@pytest.mark.parametrize(
    "text", ["{", "{'products': []}", '{"products": [}', "{}{}", '{"a": 1,}', "products: []", ""]
)
def test_broken_json_is_refused(folder, text):
    assert "is not valid JSON" in refusal(write(folder, text, "broken.json"))


@pytest.mark.parametrize("name", ["gone.json", "gone.yaml", "nowhere/asn.json"])
def test_a_missing_association_is_refused(folder, name):
    assert "no such file or folder" in refusal(folder / name)


@pytest.mark.parametrize("name", ["folder", f"{SCIENCE}/asn.json", "a" * 300, "a\0b.json"])
def test_an_association_that_cannot_be_read_is_refused(folder, name):
    refusal(folder / name)


# Associations that are too large


@pytest.mark.parametrize("products", [1, 300])
def test_more_members_than_there_may_be_are_refused(folder, products):
    members = [member(SCIENCE, "science"), *[member("b1.fits", "selfcal")] * MOST_MEMBERS]
    many = [
        {"name": f"p{number}", "members": members[number::products]} for number in range(products)
    ]
    with in_time():
        said = refusal(write(folder, {"products": many}, "many.json"))
    assert f"lists {MOST_MEMBERS + 1} members, more than {MOST_MEMBERS}" in said


@pytest.mark.parametrize(("ending", "most"), [("json", MOST_BYTES), ("yaml", MOST_YAML)])
def test_a_file_too_long_for_an_association_is_refused(folder, ending, most):
    path = folder / f"long.{ending}"
    path.write_bytes(b" " * (most + 1))
    with in_time():
        assert f"is longer than {most} bytes" in refusal(path)


def test_a_device_without_end_is_refused():
    if not Path("/dev/zero").exists():
        pytest.skip("needs /dev/zero")
    with in_time():
        assert "is longer than" in refusal("/dev/zero")


@pytest.mark.parametrize(
    "unit", ["[" * 150 + "]" * 150 + ",", "[", "{", "[],", "&a [*a],", "{<<: &a {<<: *a}},"]
)
def test_a_yaml_association_of_many_signs_is_refused_in_time(folder, unit):
    """Found by fuzzing: brackets within each other took 40 s for each megabyte."""
    text = f"a: [{unit * ((MOST_YAML - 100) // len(unit))}1]"
    with in_time():
        refusal(write(folder, text, "signs.yaml"))
