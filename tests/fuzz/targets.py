"""What is fuzzed: the readers of exposures, masks and associations, and the kernels.

A reader ends in a result that agrees with a plain reading of the file, or in an error that begins
with the name of the file.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.errors import AssociationError, ExposureError, MaskError, silenced
from badpix_selfcal.files import association, exposure
from badpix_selfcal.files.paths import beside
from badpix_selfcal.testing import Observation

from . import Target, kernels

_folder = tempfile.TemporaryDirectory(prefix="fuzz-")
FOLDER = Path(_folder.name)
MOST_ERROR = 20_000

CARDS = tuple(
    card.ljust(80).encode()
    for card in (
        "END", "BITPIX  =                  -64", "BITPIX  =                    8",
        "NAXIS   =                    3", "NAXIS   =                    0",
        "NAXIS1  =           2147483647", "NAXIS2  =  9223372036854775807", "NAXIS1  =          -1",
        "PCOUNT  =           1000000000", "GCOUNT  =                    2",
        "EXTNAME = 'SCI     '", "EXTNAME = 'DQ      '", "EXTNAME = 'ERR     '",
        "BZERO   =           2147483648", "BSCALE  =                  2.0", "BLANK   =  1",
        "DETECTOR= 'NRS1    '", "DETECTOR= 'x&      '", "CONTINUE  'more&'", "EXP_TYPE= 'MIR_MRS'",
        "DISPAXIS=                    7", "XTENSION= 'BINTABLE'", "XTENSION= 'IMAGE   '",
        "SIMPLE  =                    F", "HIERARCH a b = 1", "TFIELDS =  999999",
    )
)  # fmt: skip


def within(error: type[Exception], read: Callable[[Path], Any], path: Path) -> Any:
    """Return what is read, or None if the error of the reader names the file."""
    try:
        return read(path)
    except error as refused:
        assert str(refused).startswith(f"{path}: "), refused  # noqa: PT017
        assert len(str(refused)) < MOST_ERROR  # noqa: PT017
        return None


def read_exposure(data: bytes) -> str:
    path, copy = FOLDER / "a_rate.fits", FOLDER / "copy.fits"
    path.write_bytes(data)

    def copied(path: Path) -> tuple[Any, str]:
        found = exposure.read(path)
        mask = None if found.problem else np.ones(found.shape, dtype=bool)
        found.write_copy(copy, mask, {}, "flagged")
        return found.science(), found.problem

    done = within(ExposureError, copied, path)
    if done is None:
        return "refused"
    image, problem = done
    try:
        theirs = samples_of(path)
    except Exception:  # astropy cannot read what we copy as it is
        return "left to us"
    assert theirs.tobytes() == image.tobytes()
    assert problem or np.isnan(samples_of(copy)).all()
    return "copied" if problem else "flagged"


def samples_of(path: Path) -> Any:
    """Return the samples of SCI as astropy reads them; no header behind SCI is read."""
    with silenced(), fits.open(path, memmap=False, lazy_load_hdus=True) as hdus:
        for number in range(100):
            if isinstance(hdus[number], fits.ImageHDU) and hdus[number].name == "SCI":
                return hdus[number].data
    raise KeyError("SCI")


def read_mask(data: bytes) -> str:
    path = FOLDER / "a_mask.fits"
    path.write_bytes(data)
    mask = within(MaskError, bps.Mask.read, path)
    if mask is None:
        return "refused"
    assert mask.flags.dtype == bool
    assert mask.flags.ndim == 2
    return "read"


def read_association(data: bytes) -> str:
    path = FOLDER / "set_asn.json"
    path.write_bytes(data)
    found = within(AssociationError, association.read, path)
    if found is None:
        return "refused"
    products = json.loads(path.read_text(encoding="utf-8"))["products"]
    for product, plain in zip(found.products, products, strict=True):
        roles = {"background": product.backgrounds, "selfcal": product.selfcal}
        roles["imprint"] = product.imprints
        for role, ours in {"science": (product.science,), **roles}.items():
            wanted = [each for each in plain["members"] if role_of(each) == role]
            assert [*ours] == [beside(path, each["expname"]) for each in wanted]
    return "read"


def role_of(member: dict[str, str]) -> str:
    return member["exptype"].strip().lower()


def _seeds() -> tuple[list[bytes], bytes, list[bytes]]:
    """Return exposures, a mask and associations; leave what the associations list."""
    path = Observation("NRS1").write(FOLDER)
    bps.selfcal(path, output_dir=FOLDER, save_mask=True)
    (mask,) = FOLDER.glob("*_mask.fits")
    exposures = [(FOLDER / f"{role}0_rate.fits").read_bytes() for role in ("science", "selfcal")]
    table = json.loads(path.read_text())
    both = json.loads(path.read_text())
    both["products"].append({**both["products"][0], "name": "q"})
    both["products"][0]["members"].append({"expname": "s3://a/b.fits", "exptype": "dark"})
    texts = [json.dumps(each, indent=1).encode() for each in (table, both)]
    return exposures, mask.read_bytes(), texts


_EXPOSURES, _MASK, _TEXTS = _seeds()
_NAMES = ("science0_rate.fits", "\0", "../x.fits", "é", " Background ", "file:///a.fits", "1e999")
_LINES = (b'"expname": null,', b'"exptype": 7,', b'"products": {},', b"[" * 5000, b"\xff\xfe")

TARGETS = {
    "exposures": Target(read_exposure, _EXPOSURES, CARDS),
    "masks": Target(read_mask, [_MASK], CARDS),
    "associations": Target(
        read_association, _TEXTS, (*(f'"{name}"'.encode() for name in _NAMES), *_LINES)
    ),
    "kernels": Target(kernels.attempt, []),
}
