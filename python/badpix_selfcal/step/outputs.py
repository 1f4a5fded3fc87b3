"""The outputs of a run: names, header cards, HISTORY, writing, and which of them are kept.

The last HISTORY entry of an output says how and from what it was made, so that a later run can
resume: ``badpix_selfcal 0.1.0 COMPLETE: cut=fraction ... input=... members=...``.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._kernels import __version__
from ..errors import ExposureError, MaskError, log
from ..files import exposure as exposure_file
from ..files.exposure import Cards, Exposure
from ..files.outputs import Outputs
from ..files.paths import Location, file_key
from ..masks.mask import Mask
from ..parameters import Parameters
from .groups import Copy, Group
from .minimum import in_order, measured

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

_ASIDE: Final = re.compile(r" (?:without|copy)=\w+")
"""The words of an entry for exposures that were not combined, or have the SCI of another one."""

_PAGE_HISTORY: Final = re.compile(rb'<meta name="history" content="([^"]*)">')

_Searched: TypeAlias = Literal["COMPLETE", "SKIPPED"]
"""Whether bad pixels were searched for."""


class Job(NamedTuple):
    """A copy to write, in any thread or process: of what, under which name, with which cards and
    HISTORY entry in its primary header.
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

    `inputs` are files that no output may replace; `remedy` is what a user can do if an output
    exists, if not what is usual.

    Raises
    ------
    ExposureError
        If two exposures have the same copy, or two groups the same output.
    FileExistsError
        If an output would replace an input, or another file without `overwrite`.
    RuntimeError
        If a page is asked for, and the extra ``report`` is not installed.
    """
    if parameters.report:
        from ..look.page import require_extra

        require_extra()
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

    `mask` is None if the group is skipped; `identity` is `identity_of` its exposures; `number` is
    how many different ones of them are combined.
    """
    status: _Searched = "SKIPPED" if mask is None else "COMPLETE"
    cards = {**group.origin, **_cards(copy.name, status)}
    history = _entry(copy, group, parameters, status, identity, number)
    return Job(copy.exposure, copy.name, cards, history)


def write_copy(
    job: Job, flags: NDArray[np.bool_] | None, outputs: Outputs, *, at_once: bool
) -> None:
    """Write a copy; with `at_once` it gets its name now, else later together with others.

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

    `unused` are those that were not combined, `copies` those with the SCI of another one.
    """
    tokens = {each.path: each.identity for each in exposures}
    words = [f"{len(tokens)}:{_digest(' '.join(sorted(tokens.values())))}"]
    for word, paths in (("without", unused), ("copy", copies)):
        words += [f"{word}={token}" for token in sorted(tokens[path] for path in paths)]
    return " ".join(words)


def resumed(
    groups: Iterable[Group],
    parameters: Parameters,
    outputs: Outputs,
    threads: Executor,
    *,
    overwrite: bool,
) -> list[Group]:
    """Return groups that keep what an earlier run has written, whole and as it would be now.

    A copy made without some exposures is kept only as long as these cannot be used. Raises a
    FileExistsError if outputs were made with other parameters, unless `overwrite` is set.
    """
    differing: dict[Location, str] = {}
    found: list[Group] = []
    for group in groups:
        identity, kept, lost = identity_of(group.exposures), set[str](), _Lost(group, parameters)
        copies = {copy.name: copy for copy in group.copies}
        kinds = {name: kind for kind, name in further_names(group, parameters).items()}
        places = [(outputs.place(name), kinds.get(name, "")) for name in (*copies, *kinds)]
        for (place, _), future in in_order(threads, _entry_in, places, READERS):
            made = future.result()
            aside = _ASIDE.findall(made)
            number = int(_words(made).get("members", "0:").partition(":")[0]) - len(aside)
            number = number if number > 0 else max(1, len(group.exposures))
            copy = copies.get(place.name)
            wanted = _entry(copy, group, parameters, "COMPLETE", identity, number)
            if _ASIDE.sub("", made) == wanted:
                kept |= {place.name} if all(map(lost.has, aside)) else set()
            elif other := _difference(_words(made), _words(wanted)):
                differing[place] = other
        found.append(replace(group, kept=frozenset(kept)))
    if differing and not overwrite:
        first, what = next(iter(differing.items()))
        others = f"; outputs that differ: {len(differing)}" if len(differing) > 1 else ""
        raise FileExistsError(
            f"{first}: was made with {what}{others}. To continue, give the same parameters; "
            "otherwise set `overwrite` too, or choose another output folder"
        )
    return found


class _Lost:
    """The exposures of a group that were not combined, and still cannot be."""

    def __init__(self, group: Group, parameters: Parameters) -> None:
        self._group, self._with_errors = group, parameters.needs_errors
        self._found: dict[str, bool] = {}

    def has(self, word: str) -> bool:
        """Return whether an exposure cannot be combined; a word ``copy=`` is of one that can."""
        for each in self._group.exposures:
            if word == f" without={each.identity}" and word not in self._found:
                try:
                    level = measured(each, self._group.gap, with_errors=self._with_errors).level
                except (ValueError, OSError):
                    level = math.nan
                self._found[word] = not math.isfinite(level)
        return self._found.get(word, True)


def _cards(name: str, status: str) -> Cards:
    """Return the cards of the primary header of an output written now under this name."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return {
        "DATE": (now, "UTC date file created"),
        "FILENAME": (ascii_of(name), "name of the file"),
        "S_BPXSLF": (status, "bad pixel self-calibration"),
    }


def _entry(
    copy: Copy | None,
    group: Group,
    parameters: Parameters,
    status: _Searched,
    identity: str,
    number: int,
) -> str:
    """Return the HISTORY entry of a copy (None: a mask) that is made of a number of exposures."""
    of_copy = "" if copy is None else f" input={copy.exposure.identity}"
    if group.mask is not None:
        return f"{group.mask.history}{of_copy}"
    used, axis = parameters, None
    if status == "COMPLETE":
        used, axis = parameters.for_exposures(number), group.dispaxis
    how = replace(used, dispaxis=axis).as_text()
    return f"badpix_selfcal {__version__} {status}: {how}{of_copy} members={identity}"


def _digest(text: str) -> str:
    content = text.encode("utf-8", "surrogateescape")
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _entry_in(place: tuple[Location, str]) -> str:
    """Return the last HISTORY entry of a flagged copy, a mask or a page (by its kind).

    It is empty if there is none, or the file is not whole. A page under a URL is always made again.
    """
    output, kind = place
    if isinstance(output, Path) and not os.path.lexists(output):
        return ""
    try:
        if kind == PAGE:
            content = output.read_bytes() if isinstance(output, Path) else b""
            page = _PAGE_HISTORY.search(content[:10000])
            is_whole = content.rstrip().endswith(b"</html>")
            history = unescape(page[1].decode()) if page is not None and is_whole else ""
        elif kind == MASK:
            history = Mask.read(output).origin
        else:
            copy = exposure_file.read(output)
            history = " ".join(copy.history) if copy.is_flagged else ""
    except (ExposureError, MaskError, OSError) as error:
        log.info("%s: not kept: %s", output, error)
        return ""
    *_, last = [None, *_ENTRY.finditer(history)]
    return "" if last is None else history[last.start() :]


def _words(entry: str) -> dict[str, str]:
    """Return the words ``name=value`` of a HISTORY entry."""
    return dict(word.split("=", 1) for word in entry.split() if "=" in word)


def _difference(found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """Return in which parameters an entry differs from another; empty if there is no entry.

    Only parameters that both have are compared: those of another cut are missing.
    """

    def source(words: Mapping[str, str]) -> str:
        if "digest" not in words:
            return "a mask of its own exposures"
        return f"the mask {words['mask']}, digest {words['digest']}"

    if found and found.get("digest") != wanted.get("digest"):
        return f"{source(found)} (now {source(wanted)})"
    return ", ".join(
        f"{name}={found[name]} (now {wanted[name]})"
        for name in Parameters.by_name()
        if name in found and name in wanted and found[name] != wanted[name]
    )
