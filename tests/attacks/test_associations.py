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

from ..associations import FILES, content, member, outcome, with_files
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


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return the containers and keys of all values within a value."""
    inside = list(value.items() if isinstance(value, dict) else enumerate(value))
    found = [(value, key) for key, _ in inside]
    return found + [
        each for _, inner in inside if isinstance(inner, (dict, list)) for each in places(inner)
    ]


def change_value(value: Any, rng: random.Random) -> None:
    """Change, remove, add or repeat a value somewhere."""
    if not (found := places(value)):
        return
    within, key = rng.choice(found)
    how = rng.randrange(5)
    if how < 2:
        within[key] = deepcopy(rng.choice((VALUES, WORDS)[how]))
    elif how == 2:
        del within[key]
    elif isinstance(within, list):
        within[key:key] = [within[key]] * rng.choice((1, 2, 300))
    else:
        within[rng.choice(KEYS)] = rng.choice((within[key], rng.choice(WORDS)))


def change_bytes(text: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(text) + 1)
    more = (b"", b"", rng.randbytes(rng.choice((1, 4, 100))), rng.choice(LINES).encode())
    gone = rng.choice((0, rng.randrange(20), len(text)))
    changed = text[:at] + rng.choice(more) + text[at + gone :]
    return changed if rng.random() < 0.8 else text.replace(rng.choice((b"{", b"]", b'"')), b"", 1)


def hostile(rng: random.Random) -> tuple[bytes, str]:
    """Return the bytes of an association, and the ending of its name."""
    extra = [member(rng.choice(FILES), rng.choice(WORDS[:4])) for _ in range(rng.randrange(4))]
    value = json.loads(json.dumps(content(*extra)))
    for _ in range(rng.choice((0, 0, 0, 1, 1, 4))):
        change_value(value, rng)
    ending = rng.choice((".json", ".yaml", ".yml"))
    text = json.dumps(value)
    if ending != ".json" and rng.random() < 0.7 and len(text) < 20_000 and "\\u" not in text:
        text = yaml.safe_dump(value)
    encoded = text.encode(rng.choice(("utf-8",) * 8 + ("utf-16", "latin-1")), "replace")
    for _ in range(rng.choice((0, 0, 0, 1, 1, 3))):
        encoded = change_bytes(encoded, rng)
    if ending != ".json" and rng.random() < 0.2:
        lines = [rng.choice(LINES) for _ in range(rng.randrange(1, 4))]
        encoded = "\n".join(lines).encode() + b"\n" + encoded
    return encoded, ending


def is_association(path: Path) -> bool:
    """Read a file; check what is read, or that the error names the file."""
    found = outcome(path)
    if isinstance(found, str):
        assert found.startswith(f"{path}: ")
        assert len(found) < 20_000
        return False
    return all(product.members for product in found.products)


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
            with in_time():
                counts["read" if is_association(path) else "refused"] += 1
        except BaseException as error:
            error.add_note(f"case {number}")
            raise
        assert path.read_bytes() == encoded
    report("hostile associations", dict(counts))
    assert len(counts) == 2
