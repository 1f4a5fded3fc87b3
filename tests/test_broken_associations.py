"""Association files that cannot be used: errors that name what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from badpix_selfcal.files.association import MOST_BYTES, MOST_MEMBERS, MOST_YAML, read

from .associations import SCIENCE, content, member, outcome, refusal, with_files, write
from .fits_exposures import in_time


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return with_files(tmp_path_factory.mktemp("association"))


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


def test_a_link_that_points_nowhere_is_refused(tmp_path):
    (tmp_path / SCIENCE).symlink_to("gone.fits")
    assert f"{SCIENCE} does not exist" in refusal(write(tmp_path, content()))


def test_the_message_names_the_product_of_the_member(folder):
    value = content()
    value["products"].append({"name": "q", "members": [member("missing.fits", "science")]})
    assert ": product 1: member " in refusal(write(folder, value))


@pytest.mark.parametrize("roles", [[], ["background"], ["selfcal", "imprint"]])
def test_a_product_without_science_is_refused(folder, roles):
    members = [member("b1.fits", role) for role in roles]
    message = refusal(write(folder, {"products": [{"name": "p", "members": members}]}))
    assert "product 0: " in message
    assert "at least one member" in message or "exptype science, got none" in message


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
        ("5", "the association must be a table"),
        ("NaN", "the association must be a table"),
        ({}, "'products' must be a list"),
        ({"products": None}, "'products' must be a list"),
        ({"products": {"a": 1}}, "'products' must be a list"),
        ({"products": "abc"}, "'products' must be a list"),
        ({"products": []}, "'products' must be a list of at least one"),
        ({"products": [[]]}, "product 0 must be a table"),
        ({"products": ["abc"]}, "product 0 must be a table"),
        ({"products": [{}]}, "product 0: 'members' must be a list"),
        ({"products": [{"members": "ab"}]}, "product 0: 'members' must be a list"),
        ({"products": [{"members": {"a": 1}}]}, "product 0: 'members' must be a list"),
        (content("abc"), "product 0, member 1 must be a table"),
        (content([]), "product 0, member 1 must be a table"),
        (content({}), "product 0, member 1: 'expname' must be a text"),
        (content({"exptype": "selfcal"}), "product 0, member 1: 'expname' must be a text"),
        (content(member(5, "selfcal")), "member 1: 'expname' must be a text"),
        (content(member(["c1.fits"], "selfcal")), "member 1: 'expname' must be a text"),
        (content(member("", "selfcal")), "member 1: 'expname' must be a text"),
        (content(member(" ", "selfcal")), "member 1: 'expname' must be a text"),
        (content(member("c1\0.fits", "selfcal")), "member 1: 'expname' must be a text"),
        (content({"expname": "c1.fits"}), "member 1 (c1.fits): 'exptype' must be a text"),
        (content(member("c1.fits", None)), "member 1 (c1.fits): 'exptype' must be a text"),
        (content(member("c1.fits", 0)), "member 1 (c1.fits): 'exptype' must be a text"),
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
        "{", '{"products": [}', "a: [", "a: *b", "\t- a", "--- a\n--- b",
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


@pytest.mark.parametrize("key", ["name", "expname", "exptype"])
def test_deep_nesting_by_yaml_anchors_is_refused(folder, key):
    deep = "".join(f"- &a{i} [*a{i - 1}]\n" for i in range(1, 1500))
    product = {"name": "p", "expname": SCIENCE, "exptype": "science", key: "*a1499"}
    text = (
        f"pool:\n- &a0 []\n{deep}products:\n- name: {product['name']}\n  members:\n"
        f"  - {{expname: {product['expname']}, exptype: {product['exptype']}}}\n"
    )
    assert f"'{key}' must be a" in refusal(write(folder, text, "deep.yaml"))


def test_the_message_stays_short_however_large_the_value(folder):
    wide = "".join(f"- &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 17))
    text = (
        f"pool:\n- &a0 [x, x]\n{wide}products:\n"
        f"- {{name: *a16, members: [{{expname: {SCIENCE}, exptype: science}}]}}\n"
    )
    assert len(refusal(write(folder, text, "wide.yaml"))) < 2000


def test_yaml_that_holds_itself_is_refused(folder):
    assert "product 0 must be a table" in refusal(
        write(folder, "products: &a [*a]", "selfish.yaml")
    )


@pytest.mark.parametrize("name", ["gone.json", "gone.yaml", "nowhere/asn.json"])
def test_a_missing_association_is_refused(folder, name):
    assert "no such file or folder" in refusal(folder / name)


@pytest.mark.parametrize("name", ["folder", f"{SCIENCE}/asn.json", "a" * 300, "a\0b.json"])
def test_an_association_that_cannot_be_read_is_refused(folder, name):
    refusal(folder / name)


def test_a_folder_named_like_an_association_is_refused(tmp_path):
    (tmp_path / "asn.json").mkdir()
    assert "cannot be read" in refusal(tmp_path / "asn.json")


# Associations that are too large


def in_yaml(members: str, more: str = "") -> str:
    return f"{more}products:\n- {{name: p, members: [{members}]}}\n"


SCIENCE_MEMBER = f"{{expname: {SCIENCE}, exptype: science}}"
SHARED = "x: &m {expname: b1.fits, exptype: selfcal}\n"


def merges(levels: int, width: int, keys: int) -> str:
    """Return tables that each merge the one before several times."""
    first = ", ".join(f"k{number}: 1" for number in range(keys))
    lines = [f"t0: &t0 {{{first}}}"]
    for level in range(1, levels):
        again = ", ".join([f"*t{level - 1}"] * width)
        lines.append(f"t{level}: &t{level} {{<<: [{again}]}}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("sizes", [(60, 2, 1), (12, 9, 1), (20, 9, 9)])
def test_merge_keys_do_not_multiply(folder, sizes):
    """PyYAML before 6.0.4 copies a table as often as it is merged: 365 bytes take hours."""
    text = in_yaml(SCIENCE_MEMBER, merges(*sizes))
    with in_time():
        outcome(write(folder, text, "bomb.yaml"))


@pytest.mark.parametrize("sizes", [(3, 2000, 2000), (100, 300, 200)])
def test_merge_keys_without_end_are_refused(folder, sizes):
    text = in_yaml(SCIENCE_MEMBER, merges(*sizes))
    with in_time():
        assert "its merge keys (<<) copy more than" in refusal(write(folder, text, "bomb.yaml"))


def test_a_table_that_merges_itself_is_refused(folder):
    with in_time():
        refusal(write(folder, in_yaml("&a {<<: *a}"), "selfish.yaml"))


def test_a_few_merge_keys_are_read(folder):
    text = in_yaml(f"{SCIENCE_MEMBER}, {{<<: *m}}, {{<<: [*m, *m], expname: b2.fits}}", SHARED)
    (product,) = read(write(folder, text, "merged.yaml")).products
    assert [each.name for each in product.selfcal] == ["b1.fits", "b2.fits"]


def test_many_repeated_members_are_read_in_time(folder):
    members = [member(SCIENCE, "science"), *[member("b1.fits", "selfcal")] * (MOST_MEMBERS - 1)]
    path = write(folder, {"products": [{"name": "p", "members": members}]})
    with in_time():
        assert len(read(path).products[0].selfcal) == MOST_MEMBERS - 1


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_more_members_than_there_may_be_are_refused(folder, ending):
    text = in_yaml(", ".join([SCIENCE_MEMBER, *["*m"] * MOST_MEMBERS]), SHARED)
    if ending == "json":
        text = json.dumps(content(*[member("b1.fits", "selfcal")] * MOST_MEMBERS))
    with in_time():
        said = refusal(write(folder, text, f"many.{ending}"))
    assert f"lists {MOST_MEMBERS + 1} members, more than {MOST_MEMBERS}" in said


def test_members_repeated_in_many_products_are_counted(folder):
    shared = f"x: &p [{', '.join(['{expname: b1.fits, exptype: selfcal}'] * 300)}]\n"
    products = "".join(f"- {{name: p{number}, members: *p}}\n" for number in range(300))
    with in_time():
        said = refusal(write(folder, f"{shared}products:\n{products}", "products.yaml"))
    assert "lists 90000 members" in said


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


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_missing_memory_is_not_the_fault_of_the_file(folder, monkeypatch, ending):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr("json.loads", fail)
    monkeypatch.setattr("yaml.load", fail)
    with pytest.raises(MemoryError):
        read(write(folder, "{}", f"asn.{ending}"))


@pytest.mark.parametrize(
    ("unit", "what"),
    [
        ("[" * 150 + "]" * 150 + ",", "has more than 20 lists or tables within each other"),
        ("{" * 150 + "}" * 150 + ",", "has more than 20 lists or tables within each other"),
        ("[" * 15 + "]" * 15 + ",", "is too long for YAML; write it as JSON"),
        ("[],", "is too long for YAML; write it as JSON"),
    ],
)
def test_a_yaml_association_of_many_signs_is_refused_in_time(folder, unit, what):
    """Found by fuzzing: brackets within each other took 40 s for each megabyte."""
    text = f"a: [{unit * ((MOST_YAML - 100) // len(unit))}1]"
    with in_time():
        assert what in refusal(write(folder, text, "signs.yaml"))


def test_a_yaml_association_of_blocks_within_each_other_is_refused(folder):
    text = "\n".join(f"{' ' * depth}a{depth}:" for depth in range(50))
    assert "has more than 20 lists or tables" in refusal(write(folder, text, "deep.yaml"))
