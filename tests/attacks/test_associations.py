"""Hostile associations: each is read or refused by name, in time."""

from __future__ import annotations

import json
import random
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from badpix_selfcal.errors import AssociationError
from badpix_selfcal.files.association import read

from ..associations import FILES, SCIENCE, content, member, with_files
from ..fits_exposures import in_time
from . import cases, report

SEED = 12

WORDS = (
    "science", "Background ", "selfcal", "imprint", "nonsense", "", " ", "a" * 5000, "望" * 90,
    "../x.fits", "/dev/zero", "/dev/null", ".", "..", "folder", "a\0b", "\ud800", "s3://", "://x",
    "file:///etc/passwd", "p/q", "-", "~", "*.fits", "null", "NaN", "!!int x", "<<", "*a", "&a b",
    *FILES,
)  # fmt: skip

VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 10**400, 1.5, float("nan"), float("inf"), [], {}, [[]], [{}], {"a": []},
    "x", ["science"], {"expname": 1}, [None] * 1000, "x" * 100_000,
)  # fmt: skip

KEYS = ("products", "members", "name", "expname", "exptype", "asn_pool", "asn_id", "", "<<")

LINES = (
    "a: &a {<<: *a}", "x: &x [*x, *x]", "<<: [*a, *a]", "? [a, b]\n: c", "!!binary é", "--- a",
    "!!python/object/apply:os.getcwd []", "%YAML 9.9", "products: &p [*p]", "\t- tab", "'unended",
    "{" * 400, "[" * 3000, "a: 2001-99-99", "!!omap [a: 1, b]", "!!set {a, b}", "&a &b c", "*gone",
)  # fmt: skip


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to all values within a value."""
    found = [way] if way else []
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in inside:
        if isinstance(inner, (dict, list)):
            found += places(inner, (*way, key))
        else:
            found.append((*way, key))
    return found


def change_value(value: Any, rng: random.Random) -> None:
    """Change, remove, add or repeat a value somewhere."""
    ways = places(value)
    if not ways:
        return
    *way, last = rng.choice(ways)
    for key in way:
        value = value[key]
    how = rng.randrange(5)
    if how == 0:
        value[last] = deepcopy(rng.choice(VALUES))
    elif how == 1:
        value[last] = rng.choice(WORDS)
    elif how == 2:
        del value[last]
    elif isinstance(value, list):
        value[last:last] = [value[last]] * rng.choice((1, 2, 300))
    else:
        value[rng.choice(KEYS)] = rng.choice((value[last], rng.choice(WORDS)))


def change_bytes(text: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(text) + 1)
    how = rng.randrange(5)
    if how == 0:
        return text[:at]
    if how == 1:
        return text[:at] + rng.randbytes(rng.choice((1, 4, 100))) + text[at:]
    if how == 2:
        return text[:at] + rng.choice(LINES).encode() + text[at:]
    if how == 3:
        return text[:at] + text[at + rng.randrange(20) :]
    return text.replace(rng.choice((b"{", b"}", b"[", b'"', b":", b",", b"\n")), b"", 1)


def hostile(rng: random.Random) -> tuple[bytes, str]:
    """Return the bytes of an association, and the ending of its name."""
    extra = [member(rng.choice(FILES), rng.choice(WORDS[:4])) for _ in range(rng.randrange(4))]
    value = json.loads(json.dumps(content(*extra)))
    for _ in range(rng.choice((0, 0, 0, 1, 1, 4))):
        change_value(value, rng)
    ending = rng.choice((".json", ".yaml", ".yml"))
    as_yaml = ending != ".json" and rng.random() < 0.7
    text = yaml.safe_dump(value) if as_yaml and is_plain(value) else json.dumps(value)
    encoded = text.encode(rng.choice(("utf-8",) * 8 + ("utf-16", "latin-1")), "replace")
    for _ in range(rng.choice((0, 0, 0, 1, 1, 3))):
        encoded = change_bytes(encoded, rng)
    if ending != ".json" and rng.random() < 0.2:
        lines = [rng.choice(LINES) for _ in range(rng.randrange(1, 4))]
        encoded = "\n".join(lines).encode() + b"\n" + encoded
    return encoded, ending


def is_plain(value: Any) -> bool:
    """Return whether PyYAML can write a value soon, and at all."""
    text = json.dumps(value)
    return len(text) < 20_000 and "\\u" not in text


def is_association(path: Path) -> bool:
    """Read a file; check what is read, or that the error names the file."""
    try:
        with in_time():
            found = read(path)
    except AssociationError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 - or it is read
        assert len(str(error)) < 20_000  # noqa: PT017
        return False
    assert found.products
    assert all(product.science.name == SCIENCE or product.members for product in found.products)
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return with_files(tmp_path_factory.mktemp("hostile"))


def test_a_hostile_association_is_read_or_refused(folder):
    counts = Counter()
    for number in range(cases(300, 4000)):
        encoded, ending = hostile(random.Random(f"{SEED} {number}"))
        path = folder / f"asn{ending}"
        path.write_bytes(encoded)
        try:
            counts["read" if is_association(path) else "refused"] += 1
        except BaseException as error:
            error.add_note(f"case {number}")
            raise
        assert path.read_bytes() == encoded
    report("hostile associations", dict(counts))
    assert counts["read"]
    assert counts["refused"]
