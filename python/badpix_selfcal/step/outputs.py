"""The outputs of a run: names, header cards, HISTORY, writing, and which of them are kept.

The last HISTORY entry of an output says how and from what it was made, so that a later run can
resume: ``badpix_selfcal 0.1.0 COMPLETE: cut=fraction ... input=... members=...``.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from html import unescape
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._kernels import __version__
from ..errors import ExposureError, MaskError
from ..files import exposure as exposure_file
from ..files.exposure import Cards, Exposure
from ..files.outputs import Outputs
from ..files.paths import Location, file_key
from ..instrument import Dispaxis
from ..log import log
from ..masks.mask import Mask
from ..parameters import Parameters
from .groups import Copy, Group
from .minimum import measured

__all__ = [
    "MASK",
    "PAGE",
    "Job",
    "ascii_of",
    "further_names",
    "identity_of",
    "job_of",
    "outputs_of",
    "resumed",
    "write_copy",
]

MASK: Final = "mask.fits"
PAGE: Final = "report.html"
"""How the names of the files end that show a mask."""

READERS: Final = 32
"""Earlier outputs whose headers are read ahead."""

_ENTRY: Final = re.compile(r"badpix_selfcal \S+ COMPLETE: ")
"""The begin of the HISTORY entry of a flagged copy."""

_PAGE_HISTORY: Final = re.compile(rb'<meta name="history" content="([^"]*)">')

_Searched: TypeAlias = Literal["COMPLETE", "SKIPPED"]
"""Whether bad pixels were searched for."""

_Made: TypeAlias = tuple[str, str]
"""How an output was made: its S_BPXSLF, and all its HISTORY on one line."""

_Entry: TypeAlias = Callable[[int], str]
"""Returns the HISTORY entry of an output that is made of a number of exposures."""


class Job(NamedTuple):
    """A copy to write, in any thread or process.

    Attributes
    ----------
    exposure : Exposure
        The exposure.
    name : str
        The name of its copy.
    cards : mapping of str to (str, str)
        Cards of its primary header.
    history : str
        How and from what it is made.
    """

    exposure: Exposure
    name: str
    cards: Cards
    history: str


def outputs_of(
    groups: Sequence[Group],
    parameters: Parameters,
    folder: Location,
    inputs: Iterable[Location],
    *,
    overwrite: bool,
    remedy: str = "",
) -> Outputs:
    """Return where to write, after checks that no output collides with a file or another output.

    Parameters
    ----------
    groups : sequence of Group
        What is written.
    parameters : Parameters
        They say whether masks and pages are written too.
    folder : Location
        The folder of the outputs, or the URL of one.
    inputs : iterable of Location
        Files that no output may replace.
    overwrite : bool
        Whether outputs may replace other files.
    remedy : str, optional
        What the user can do if an output exists, if not what is usual.

    Raises
    ------
    ExposureError
        If two exposures have the same copy, or two groups the same output.
    FileExistsError
        If an output would replace an input, or another file without `overwrite`.
    """
    copies = [copy for group in groups for copy in group.copies]
    for source, name, _ in copies:
        if source.path.name == name and file_key(source.path) == file_key(folder / name):
            raise FileExistsError(
                f"{source.path}: would replace the input, which has the name of an output; give "
                "the exposure that it was made from (_rate), or choose another output folder"
            )
    others = [
        (group.name, name) for group in groups for name in further_names(group, parameters).values()
    ]
    outputs = Outputs(folder, inputs=inputs, overwrite=overwrite, remedy=remedy)
    outputs.check(sorted({*(copy.name for copy in copies), *(name for _, name in others)}))
    sources: dict[str, Location] = {}
    for source, name, _ in copies:
        first = sources.setdefault(name.casefold(), source.path)  # some systems ignore the case
        if first != source.path:
            raise ExposureError(
                f"{source.path} and {first} would both be copied to {folder / name}; process them "
                "separately, or rename one"
            )
    names: dict[str, str] = {}
    for group, name in others:
        if name.casefold() in names:
            raise ExposureError(
                f"the masks of {group} and {names[name.casefold()]} would both be written to "
                f"{folder / name}; process them separately"
            )
        names[name.casefold()] = group
    return outputs


def further_names(group: Group, parameters: Parameters) -> dict[str, str]:
    """Return the names of the files that show the mask of a group, by kind."""
    wanted = ((MASK, parameters.save_mask), (PAGE, parameters.report))
    return {kind: f"{group.stem}_badpix_selfcal_{kind}" for kind, is_asked in wanted if is_asked}


def job_of(
    copy: Copy, group: Group, mask: Mask | None, parameters: Parameters, identity: str, number: int
) -> Job:
    """Return how to write a copy.

    Parameters
    ----------
    copy : Copy
        The exposure and the name of its copy.
    group : Group
        Its group.
    mask : Mask or None
        The mask that it is flagged with; None: it is skipped.
    parameters : Parameters
        The step's parameters.
    identity : str
        `identity_of` the exposures of the group.
    number : int
        How many different ones of them are combined.
    """
    status: _Searched = "SKIPPED" if mask is None else "COMPLETE"
    cards = {**group.origin, **_cards(copy.name, status)}
    history = _entry(copy, group, parameters, status, identity, number)
    return Job(copy.exposure, copy.name, cards, history)


def write_copy(
    job: Job, flags: NDArray[np.bool_] | None, outputs: Outputs, *, at_once: bool
) -> None:
    """Write a copy.

    Parameters
    ----------
    job : Job
        What to write.
    flags : ndarray of bool, shape (rows, cols), or None
        The pixels to flag.
    outputs : Outputs
        Where to write.
    at_once : bool
        Whether the copy gets its name now, or later together with others.

    Raises
    ------
    ExposureError
        If the exposure cannot be read or flagged, or was changed since its headers were read.
    OSError
        If the copy cannot be written.
    """
    with outputs.writing(job.name) as part:
        job.exposure.write_copy(part, flags, job.cards, job.history)
    if at_once:
        outputs.publish(job.name)


def ascii_of(text: str) -> str:
    """Return text with ``?`` for every character that a FITS card cannot hold."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)


def identity_of(
    exposures: Iterable[Exposure],
    unused: Collection[Location] = (),
    copies: Collection[Location] = (),
) -> str:
    """Return a text that identifies the versions of exposures, in any order.

    Parameters
    ----------
    exposures : iterable of Exposure
        The exposures.
    unused : collection of Location, optional
        Those that were not combined.
    copies : collection of Location, optional
        Those with the SCI of another one.
    """
    tokens = {each.path: each.identity for each in exposures}
    words = [f"{len(tokens)}:{_digest(' '.join(sorted(tokens.values())))}"]
    for word, paths in (("without", unused), ("copy", copies)):
        words += [f"{word}={token}" for token in sorted(tokens[path] for path in paths)]
    return " ".join(words)


def resumed(
    groups: Iterable[Group],
    parameters: Parameters,
    folder: Location,
    threads: Executor,
    *,
    overwrite: bool,
) -> list[Group]:
    """Return groups that keep what an earlier run has written.

    Outputs are kept that are whole and would be the same if written now.

    Raises
    ------
    FileExistsError
        If outputs were made with other parameters, unless `overwrite` is set.
    """
    from .minimum import in_order

    differing: dict[Location, str] = {}
    found: list[Group] = []
    for group in groups:
        identity, kept = identity_of(group.exposures), set[str]()
        entries: dict[str, _Entry] = {
            copy.name: partial(_entry, copy, group, parameters, "COMPLETE", identity)
            for copy in group.copies
        }
        further = {name: kind for kind, name in further_names(group, parameters).items()}
        entries |= dict.fromkeys(further, partial(_entry_of_mask, group, parameters, identity))
        is_lost = _lost_in(group, parameters)

        def made(name: str, kinds: Mapping[str, str] = further) -> _Made | None:
            return _made(folder / name, kinds.get(name))

        for name, future in in_order(threads, made, entries, READERS):
            earlier = future.result()
            if earlier is None:
                continue
            if _is_same(earlier, entries[name], len(group.exposures), is_lost):
                kept.add(name)
            elif other := _difference(earlier, entries[name], len(group.exposures)):
                differing[folder / name] = other
        found.append(replace(group, kept=frozenset(kept)))
    if differing and not overwrite:
        first, what = next(iter(differing.items()))
        others = f"; outputs that differ: {len(differing)}" if len(differing) > 1 else ""
        raise FileExistsError(
            f"{first}: was made with {what}{others}. To continue, give the same parameters; "
            "otherwise set `overwrite` too, or choose another output folder"
        )
    return found


def _cards(name: str, status: str) -> Cards:
    """Return the cards of the primary header of an output written now under this name."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return {
        "DATE": (now, "UTC date file created"),
        "FILENAME": (ascii_of(name), "name of the file"),
        "S_BPXSLF": (status, "bad pixel self-calibration"),
    }


def _entry(
    copy: Copy,
    group: Group,
    parameters: Parameters,
    status: _Searched,
    identity: str,
    number: int,
) -> str:
    """Return the HISTORY entry of a copy that is made of a number of exposures."""
    token = copy.exposure.identity
    if group.mask is not None:
        return f"{group.mask.history} input={token}"
    used = parameters.for_exposures(number) if status == "COMPLETE" else parameters
    axis = group.dispaxis if status == "COMPLETE" else None
    return f"{_how(used, status, axis)} input={token} members={identity}"


def _entry_of_mask(group: Group, parameters: Parameters, identity: str, number: int) -> str:
    """Return the HISTORY entry of a mask, as `_entry` does that of a copy."""
    how = _how(parameters.for_exposures(number), "COMPLETE", group.dispaxis)
    return f"{how} members={identity}"


def _how(parameters: Parameters, status: str, dispaxis: Dispaxis) -> str:
    used = replace(parameters, dispaxis=dispaxis).as_text()
    return f"badpix_selfcal {__version__} {status}: {used}"


def _digest(text: str) -> str:
    content = text.encode("utf-8", "surrogateescape")
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _made(output: Location, kind: str | None) -> _Made | None:
    """Return how an output was made; None if it does not exist, is not whole or cannot be read.

    `kind` is that of a file that shows a mask; None: the output is a copy.
    """
    if isinstance(output, Path) and not os.path.lexists(output):
        return None
    try:
        if kind == MASK:
            return "COMPLETE", Mask.read(output).origin
        if kind == PAGE:
            return _made_page(output)
        copy = exposure_file.read(output)
    except (ExposureError, MaskError, OSError) as error:
        log.info("%s: not kept: %s", output, error)
        return None
    return copy.status, " ".join(copy.history)


def _made_page(output: Location) -> _Made | None:
    """Return how a page was made. One under a URL is always made again."""
    content = output.read_bytes() if isinstance(output, Path) else b""
    found = _PAGE_HISTORY.search(content[:10000])
    if found is None or not content.rstrip().endswith(b"</html>"):
        return None
    return "COMPLETE", unescape(found[1].decode())


def _lost_in(group: Group, parameters: Parameters) -> Callable[[str], bool]:
    """Return a function that says whether an exposure that was not combined still cannot be.

    A copy made without some exposures is kept only as long as these cannot be used.
    """
    by_token = {each.identity: each for each in group.exposures}

    @cache
    def is_lost(token: str) -> bool:
        try:
            found = measured(by_token[token], group.gap, with_errors=parameters.needs_errors)
        except (KeyError, ValueError, OSError):
            return True
        return not math.isfinite(found.level)

    return is_lost


def _is_same(made: _Made, entry: _Entry, members: int, is_lost: Callable[[str], bool]) -> bool:
    """Return whether an output would be the same if made now."""
    status, history = made
    text, lost, number = _taken_apart(history)
    is_same = status == "COMPLETE" and text.endswith(entry(max(1, number or members)))
    return is_same and all(map(is_lost, lost))


def _difference(made: _Made, entry: _Entry, members: int) -> str:
    """Return in which parameters an output differs; empty if it does not.

    A cut that follows from the number of exposures is no difference.
    """
    status, history = made
    number = _taken_apart(history)[2]
    if status != "COMPLETE" or not _differences(history, entry(max(1, number or members))):
        return ""
    return _differences(history, entry(members))


def _taken_apart(history: str) -> tuple[str, list[str], int | None]:
    """Return HISTORY up to its identity, the exposures not combined, and how many were."""
    words, lost, aside = history.split(" "), list[str](), 0
    while words and words[-1].startswith(("without=", "copy=")):
        what, _, token = words.pop().partition("=")
        lost += [token] * (what == "without")
        aside += 1
    number = _words(" ".join(words)).get("members", "").partition(":")[0]
    return " ".join(words), lost, int(number) - aside if number.isdecimal() else None


def _differences(entries: str, history: str) -> str:
    """Return in which parameters the last of some HISTORY entries differs from another entry.

    Only parameters that both have are compared: those of another cut are missing. The text is empty
    if there is no difference, or no entry of this package.
    """
    found, wanted = _words(entries), _words(history)
    if found and found.get("digest") != wanted.get("digest"):
        return f"{_source(found)} (now {_source(wanted)})"
    return ", ".join(_changes(found, wanted))


def _changes(found: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[str]:
    for name in Parameters.by_name():
        if name in wanted and name in found and found[name] != wanted[name]:
            yield f"{name}={found[name]} (now {wanted[name]})"


def _words(entries: str) -> dict[str, str]:
    """Return the words ``name=value`` in the last of some HISTORY entries of this package."""
    *_, last = ["", *_ENTRY.split(entries)[1:]]  # without what stands before the first entry
    return dict(word.split("=", 1) for word in last.split() if "=" in word)


def _source(words: Mapping[str, str]) -> str:
    """Return what the flags of a copy come from."""
    if "digest" not in words:
        return "a mask of its own exposures"
    return f"the mask {words['mask']}, digest {words['digest']}"
