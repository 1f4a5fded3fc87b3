"""The reader of associations: whatever it reads is what a plain reading of the file says.

The first byte of an input chooses JSON or YAML.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import yaml

from badpix_selfcal.errors import AssociationError
from badpix_selfcal.files.association import ROLES, UNUSED, read
from badpix_selfcal.files.paths import beside

from ..associations import FILES, content, member, with_files
from ..attacks.test_associations import KEYS, LINES, WORDS
from . import Target

_folder = tempfile.TemporaryDirectory(prefix="fuzz-associations-")
FOLDER = with_files(Path(_folder.name))
MOST_ERROR = 20_000


def _seeds() -> list[bytes]:
    one = content(member(FILES[1], "background"), member(FILES[3], "Selfcal "))
    two = content(member("s3://a/b.fits", "background"), member("x.fits", "imprint"))
    two["products"].append({**two["products"][0], "name": "q"})
    two["asn_pool"] = "pool.csv"
    texts = [b"J" + json.dumps(each, indent=1).encode() for each in (one, two)]
    texts += [b"Y" + yaml.safe_dump(each).encode() for each in (one, two)]
    return texts


def said_plainly(path: Path) -> list[tuple[str, list[tuple[str, object]]]]:
    """Return the name, roles and files of each product."""
    text = path.read_text(encoding="utf-8")
    value: Any = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    return [
        (
            product.get("name", None),
            [
                (each["exptype"].strip().lower(), beside(path, each["expname"]))
                for each in product["members"]
            ],
        )
        for product in value["products"]
    ]


def attempt(data: bytes) -> str:
    path = FOLDER / ("asn.yaml" if data[:1] == b"Y" else "asn.json")
    path.write_bytes(data[1:])
    try:
        found = read(path)
    except AssociationError as error:
        assert str(error).startswith(f"{path}: "), error  # noqa: PT017 - or it is read
        assert len(str(error)) < MOST_ERROR  # noqa: PT017
        return "refused"
    plain = said_plainly(path)
    assert len(plain) == len(found.products)
    for (name, members), product in zip(plain, found.products, strict=True):
        assert product.name == name or name is None
        assert [product.science] == [each for role, each in members if role == "science"]
        for role, ours in (("background", product.backgrounds), ("selfcal", product.selfcal)):
            assert [*ours] == [each for kind, each in members if kind == role]
        unused = [(each, role) for role, each in members if role not in ROLES]
        assert [*product.unused] == unused
        assert all(role in UNUSED for _, role in unused)
        assert all(each.is_file() for each in product.members if isinstance(each, Path))
    return "read"


TARGET = Target(
    _seeds(),
    [word.encode("utf-8", "surrogatepass") for word in (*WORDS, *KEYS, *LINES) if len(word) < 999],
    attempt,
)
