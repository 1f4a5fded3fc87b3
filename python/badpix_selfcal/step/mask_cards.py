"""The header cards of mask files: those of a JWST MASK reference file, and their comments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..arrays.summary import counted
from ..files.mask_file import Card
from ..instrument import DETECTORS
from .group_mask import GroupMask
from .provenance import ascii_of

__all__ = ["ABOUT", "COMMENTS", "KEYWORDS", "columns_in", "reference_cards"]

ABOUT: Final = (
    *("TELESCOP", "INSTRUME", "DETECTOR", "EXP_TYPE", "CHANNEL", "BAND", "FILTER", "GRATING"),
    *("SUBARRAY", "SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2", "FASTAXIS", "SLOWAXIS"),
    *("READPATT", "DATE-OBS", "TIME-OBS"),
)
"""The cards of an exposure that describe its detector, mode and epoch."""

READOUT: Final = {"NRS1": (2, 1), "NRS2": (-2, -1)}
"""FASTAXIS and SLOWAXIS of the detectors where they are not 1 and 2."""

KEYWORDS: Final = {
    "cut": "BPXCUT",
    "kernel_size": "BPXKERN",
    "flagfrac_lower": "BPXFLOW",
    "flagfrac_upper": "BPXFHIGH",
    "sigma_lower": "BPXSLOW",
    "sigma_upper": "BPXSHIGH",
    "grow": "BPXGROW",
    "dispaxis": "BPXDISP",
    "edge": "BPXEDGE",
    "force_single": "BPXALONE",
    "spare_crowded": "BPXSPARE",
    "save_flagged_bkg": "BPXBKG",
    "save_mask": "BPXSAVE",
    "report": "BPXREPT",
    "copy_skipped": "BPXCOPY",
    "force": "BPXFORCE",
}
"""The keywords of the parameters."""

COMMENTS: Final = {
    **{keyword: f"parameter {name}" for name, keyword in KEYWORDS.items()},
    "BPXVERS": "version of badpix_selfcal",
    "BPXMADE": "UTC date the mask was found",
    "BPXNAME": "product or group",
    "BPXABOUT": "cards of the first exposure",
    "BPXAXIS": "dispersion axis, 0 if unknown",
    "BPXLOW": "flagged below",
    "BPXHIGH": "flagged above",
    "BPXNLOW": "pixels flagged below",
    "BPXNHIGH": "pixels flagged above",
    "BPXCROWD": "crowded rows, counted from 0",
    "BPXSCALE": "ERR times this is the noise",
    "DATE": "UTC date file created",
    "FILENAME": "name of the file",
    "DATAMODL": "type of data model",
    "REFTYPE": "reference file type",
    "PEDIGREE": "the pedigree of the reference file",
    "DESCRIP": "description of the reference file",
    "AUTHOR": "author of the reference file",
    "USEAFTER": "use after date of the reference file",
}
"""The comments of the cards."""


def columns_in(unit: str) -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """Return unit and meaning of the columns of each table, for an image in a unit."""
    return {
        "PIXELS": {
            "x": ("pixel", "column of the image, counted from 0"),
            "y": ("pixel", "row of the image, counted from 0"),
            "value": (unit, "of the minimum image"),
            "residual": (unit, "minimum image minus its running median"),
            "significance": ("", "in units of the noise; NaN: fraction cut"),
            "end": ("", "low or high"),
            "reason": ("", "residual, significance or infinite"),
            "known": ("", "DQ before"),
        },
        "MEMBERS": {
            "exposure": ("", "path or URL"),
            "role": ("", "science, background or selfcal"),
            "has_gap": ("", "whether a pedestal is measured"),
            "pedestal": (unit, "subtracted; NaN: none"),
            "problem": ("", "why it was not used"),
            "output": ("", "its flagged copy"),
            "later": ("", "later steps that it has passed"),
            "same_as": ("", "an earlier one with the same SCI"),
            "constant": ("", "whether SCI holds one value only"),
        },
    }


def reference_cards(mask: GroupMask, name: str) -> dict[str, Card]:
    """Return the cards of a JWST MASK reference file.

    Those of the exposures come first; what they lack is that of a full frame.

    Parameters
    ----------
    mask : GroupMask
        The mask.
    name : str
        The name of the file.

    Raises
    ------
    ValueError
        If `about` holds a card that every mask file has.
    """
    rows, columns = mask.bad_pixels.mask.shape
    detector = str(mask.about.get("DETECTOR", "")).strip().upper()
    known = DETECTORS.get(detector)
    fast, slow = READOUT.get(detector, (1, 2))
    used = len(mask.used)
    date = str(mask.about.get("DATE-OBS", "")).strip()
    described: dict[str, Card] = {
        "TELESCOP": "JWST",
        "INSTRUME": "ANY" if known is None else known.instrument,
        "DETECTOR": "ANY",
        "EXP_TYPE": "ANY",
        "SUBARRAY": "FULL",
        "SUBSTRT1": 1,
        "SUBSTRT2": 1,
        "SUBSIZE1": columns,
        "SUBSIZE2": rows,
        "FASTAXIS": fast,
        "SLOWAXIS": slow,
        **{key: value for key, value in mask.about.items() if key != "BUNIT"},
    }
    cards: dict[str, Card] = {
        "DATE": mask.made,
        "FILENAME": ascii_of(name),
        "DATAMODL": "MaskModel",
        "REFTYPE": "MASK",
        "PEDIGREE": f"INFLIGHT {date} {date}" if date else "INFLIGHT",
        "DESCRIP": f"Bad pixels by self-calibration of {counted(used, 'exposure')}",
        "AUTHOR": f"badpix_selfcal {mask.version}",
        "USEAFTER": f"{date}T00:00:00" if date else mask.made,
    }
    if both := sorted(described.keys() & {*cards, *COMMENTS}):
        raise ValueError(f"about holds {', '.join(both)}, which every mask file has")
    return described | cards
