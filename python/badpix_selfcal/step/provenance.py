"""The record of how an output was made: its name, header cards and HISTORY entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from .._kernels import __version__
from ..files.exposure import Cards
from ..instrument import Dispaxis
from ..messages import changed
from ..parameters import Parameters

__all__ = [
    "PAGE",
    "Status",
    "ascii_of",
    "by_mask",
    "cards",
    "combined_in",
    "copied_member",
    "differences",
    "file_part",
    "further_name",
    "history",
    "lost_members",
    "name_of",
    "without_member",
]

Status: TypeAlias = Literal["COMPLETE", "SKIPPED"]
"""COMPLETE: bad pixels were searched for. SKIPPED: they were not."""

SUFFIX: Final = "badpix_selfcal"

PAGE: Final = "report.html"
"""The kind of a page that shows a mask, among the further outputs."""

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9.+-]+")

_MOST_OF_NAME: Final = 60
"""Characters of the name of a mask in HISTORY, whose lines hold 72."""

_ENTRY: Final = re.compile(r"badpix_selfcal \S+ COMPLETE: ")
"""The begin of the HISTORY entry of a flagged copy."""


def name_of(product: str, background: int | None = None) -> str:
    """Return the file name of the copy of a product's science exposure or n-th background."""
    which = "" if background is None else f"_bkg_{background}"
    return f"{product}_{SUFFIX}{which}.fits"


def further_name(product: str, kind: str) -> str:
    """Return the file name of a further output: ``<product>_badpix_selfcal_mask.fits``.

    Parameters
    ----------
    product : str
        The name of the product, or `file_part` of that of a group.
    kind : str
        What the output is, with the ending of its name: ``mask.fits``.
    """
    return f"{product}_{SUFFIX}_{kind}"


def file_part(name: str) -> str:
    """Return the name of a group made fit for a file name: ``mirifulong_34``."""
    return _NOT_IN_NAMES.sub("_", name).strip("_").lower() or "group"


def cards(name: str, status: Status) -> Cards:
    """Return the cards of the primary header of an output written now under this name."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return {
        "DATE": (now, "UTC date file created"),
        "FILENAME": (ascii_of(name), "name of the file"),
        "S_BPXSLF": (status, "bad pixel self-calibration"),
    }


def history(
    parameters: Parameters, status: Status, dispaxis: Dispaxis, version: str = __version__
) -> str:
    """Return the HISTORY entry of an output: version, status, and parameters.

    `dispaxis` is the axis that was used, where the parameter may be "auto".
    """
    used = replace(parameters, dispaxis=dispaxis)
    return f"badpix_selfcal {version} {status}: {used.as_text()}"


def by_mask(version: str, name: str, digest: str) -> str:
    """Return the HISTORY entry of a copy that is flagged with an existing mask."""
    word = "_".join(name.split())[:_MOST_OF_NAME]
    return f"badpix_selfcal {version} COMPLETE: mask={word} digest={digest}"


def without_member(identity: str) -> str:
    """Return the word of a HISTORY entry for a member that was not combined."""
    return f"without={identity}"


def copied_member(identity: str) -> str:
    """Return the word of a HISTORY entry for a member with the SCI of another one."""
    return f"copy={identity}"


def lost_members(history: str) -> tuple[str, tuple[str, ...]]:
    """Return a HISTORY entry without these words, and the members that were not combined."""
    words, lost = history.split(" "), list[str]()
    while words and words[-1].startswith(("without=", "copy=")):
        what, _, identity = words.pop().partition("=")
        lost += [identity] * (what == "without")
    return " ".join(words), tuple(lost)


def combined_in(entries: str) -> int | None:
    """Return how many different exposures the last HISTORY entry is of; None if unknown."""
    rest, _ = lost_members(entries)
    number = _words(rest).get("members", "").partition(":")[0]
    aside = entries.count(" ") - rest.count(" ")
    return int(number) - aside if number.isdecimal() else None


def differences(entries: str, history: str) -> str:
    """Return in which parameters the last of some HISTORY entries differs from another entry.

    Only parameters that both have are compared: those of another cut are missing. The text is empty
    if there is no difference, or no entry of this package.
    """
    found, wanted = _words(entries), _words(history)
    if found and found.get("digest") != wanted.get("digest"):
        return f"{_source(found)} (now {_source(wanted)})"
    names = [name for name in Parameters.by_name() if name in wanted and name in found]
    differing = [name for name in names if found[name] != wanted[name]]
    texts = (changed(name, found[name], wanted[name]) for name in differing)
    return ", ".join(texts)


def _words(entries: str) -> dict[str, str]:
    """Return the words ``name=value`` in the last of some HISTORY entries of this package."""
    *_, last = ["", *_ENTRY.split(entries)[1:]]  # without what stands before the first entry
    return dict(word.split("=", 1) for word in last.split() if "=" in word)


def _source(words: Mapping[str, str]) -> str:
    """Return what the flags of a copy come from."""
    if "digest" not in words:
        return "a mask of its own exposures"
    return f"the mask {words['mask']}, digest {words['digest']}"


def ascii_of(text: str) -> str:
    """Return text with ``?`` for every character that a FITS card cannot hold."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
