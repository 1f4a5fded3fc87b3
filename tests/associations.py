"""Association files for the tests, and what reading them returns or raises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from badpix_selfcal.errors import AssociationError
from badpix_selfcal.files.association import Association, read

SCIENCE = "jw1_1_mirifulong_rate.fits"
FILES = (SCIENCE, "b1.fits", "b2.fits", "c1.fits", "c2.fits")


def member(expname: object, exptype: object) -> dict[str, object]:
    return {"expname": expname, "exptype": exptype}


def content(*extra: object, **product: object) -> dict[str, object]:
    """Return an association of one product: the science exposure and further members."""
    members = [member(SCIENCE, "science"), *extra]
    return {"products": [{"name": "p", "members": members, **product}]}


def write(folder: Path, value: object, name: str = "asn.json") -> Path:
    path = folder / name
    dump = json.dumps if path.suffix == ".json" else yaml.safe_dump
    path.write_text(value if isinstance(value, str) else dump(value), encoding="utf-8")
    return path


def refusal(path: str | Path) -> str:
    with pytest.raises(AssociationError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def outcome(path: Path) -> Association | str:
    try:
        return read(path)
    except AssociationError as error:
        return str(error)


def with_files(folder: Path) -> Path:
    """Make the files that the associations list, and a subfolder; return the folder."""
    for name in FILES:
        (folder / name).write_bytes(b"")
    (folder / "folder").mkdir()
    return folder
