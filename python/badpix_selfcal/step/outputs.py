"""The outputs of a run: names, header cards, HISTORY, writing, and which of them are kept.

The last HISTORY entry of an output says how and from what it was made, so that a later run can
resume: ``badpix_selfcal 0.1.0 COMPLETE: cut=fraction ... input=... members=...``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .._kernels import __version__
from ..errors import ExposureError, MaskError, log
from ..files import exposure as exposure_file
from ..files.outputs import Outputs
from ..files.paths import Location, file_key
from ..masks.mask import Mask
from ..parameters import Parameters
from .groups import Copy, Group
from .minimum import in_order, measured

MASK: Final = "mask.fits"
PAGE: Final = "report.html"
"""How the names of the files end that show a mask."""

READERS: Final = 32
"""Earlier outputs whose headers are read ahead."""

_ENTRY: Final = re.compile(r"badpix_selfcal \S+ COMPLETE: ")
"""The begin of the HISTORY entry of a flagged copy."""

_PAGE_HISTORY: Final = re.compile(rb'<meta name="history" content="([^"]*)">')


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

    `inputs` are files that no output may replace. Raises an ExposureError if two exposures have the
    same copy, or two groups the same output; otherwise as `Outputs.check`.
    """
    if parameters.report:
        from ..look.page import require_extra

        require_extra()
    copies = [copy for group in groups for copy in group.copies]
    others = [
        (group, name) for group in groups for name in further_names(group, parameters).values()
    ]
    for source, name, *_ in copies:
        if source.path.name == name and file_key(source.path) == file_key(folder / name):
            raise FileExistsError(
                f"{source.path}: would replace the input, which has the name of an output; give "
                "the exposure that it was made from (_rate), or choose another output folder"
            )
    outputs = Outputs(folder, inputs=inputs, overwrite=overwrite, remedy=remedy)
    outputs.check(sorted({*(copy.name for copy in copies), *(name for _, name in others)}))
    sources: dict[str, Location] = {}
    for source, name, *_ in copies:
        first = sources.setdefault(name.casefold(), source.path)  # some systems ignore the case
        if first != source.path:
            raise ExposureError(
                f"{source.path} and {first} would both be copied to {folder / name}; process them "
                "separately, or rename one"
            )
    owners: dict[str, Group] = {}
    for group, name in others:
        if (owner := owners.setdefault(name.casefold(), group)) is not group:
            raise ExposureError(
                f"the masks of {group.name} and {owner.name} would both be written to "
                f"{folder / name}; process them separately"
            )
    return outputs


def further_names(group: Group, parameters: Parameters) -> dict[str, str]:
    """Return the names of the files that show the mask of a group, by kind."""
    wanted = ((MASK, parameters.save_mask), (PAGE, parameters.report))
    return {kind: f"{group.stem}_badpix_selfcal_{kind}" for kind, is_asked in wanted if is_asked}


def copy_of(
    copy: Copy, group: Group, identity: str, parameters: Parameters, *, is_flagged: bool
) -> Copy:
    """Return a copy with the cards and the HISTORY entry (`Group.identity`) of its header."""
    status = "COMPLETE" if is_flagged else "SKIPPED"
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    cards = {
        **group.origin,
        "DATE": (now, "UTC date file created"),
        "FILENAME": (ascii_of(copy.name), "name of the file"),
        "S_BPXSLF": (status, "bad pixel self-calibration"),
    }
    return copy._replace(cards=cards, history=_entry(copy, group, parameters, status, identity))


def write_copy(
    copy: Copy, flags: NDArray[np.bool_] | None, outputs: Outputs, *, at_once: bool
) -> None:
    """Write a copy; with `at_once` it gets its name now, else later together with others.

    Raises an ExposureError if the exposure cannot be read or flagged, or was changed since its
    headers were read; an OSError if the copy cannot be written.
    """
    with outputs.writing(copy.name) as part:
        copy.exposure.write_copy(part, flags, copy.cards, copy.history)
    if at_once:
        outputs.publish(copy.name)


def ascii_of(text: str) -> str:
    """Return text with ``?`` for every character that a FITS card cannot hold."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)


def resumed(
    groups: Iterable[Group],
    parameters: Parameters,
    outputs: Outputs,
    threads: Executor,
    *,
    overwrite: bool,
) -> list[Group]:
    """Return groups that keep what an earlier run has written, whole and as it would be now.

    A copy made without some exposures is kept only as long as these cannot be read. Raises a
    FileExistsError if outputs were made with other parameters, unless `overwrite` is set.
    """
    differing: dict[Location, str] = {}
    found: list[Group] = []
    for group in groups:
        kept, unreadable = set[str](), dict[str, bool]()
        copies = {copy.name: copy for copy in group.copies}
        kinds = {name: kind for kind, name in further_names(group, parameters).items()}
        places = [(outputs.place(name), kinds.get(name, "")) for name in (*copies, *kinds)]
        for (place, _), future in in_order(threads, _entry_in, places, READERS):
            made, *lost = future.result().split(" without=")
            words = _words(made)
            identity = group.identity(int(words.get("members", "0").partition(":")[0]) or None)
            wanted = _entry(copies.get(place.name), group, parameters, "COMPLETE", identity)
            if made == wanted:
                for token in set(lost) - unreadable.keys():
                    unreadable[token] = _is_unreadable(group, token, parameters)
                if all(unreadable[token] for token in lost):
                    kept.add(place.name)
            elif other := _difference(words, _words(wanted)):
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


def _is_unreadable(group: Group, token: str, parameters: Parameters) -> bool:
    for each in group.exposures:
        if each.identity == token:
            try:
                measured(each, group.gap, with_errors=parameters.needs_errors)
            except (ValueError, OSError):
                continue
            return False
    return True


def _entry(
    copy: Copy | None, group: Group, parameters: Parameters, status: str, identity: str
) -> str:
    """Return the HISTORY entry of a copy (None: a mask)."""
    of_copy = "" if copy is None else f" input={copy.exposure.identity}"
    if group.mask is not None:
        return f"{group.mask.history}{of_copy}"
    used, axis = parameters, None
    if status == "COMPLETE":
        number = int(identity.partition(":")[0])
        used, axis = parameters.for_exposures(max(1, number)), group.dispaxis
    how = replace(used, dispaxis=axis).as_text()
    return f"badpix_selfcal {__version__} {status}: {how}{of_copy} members={identity}"


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
    if found and found.get("digest") != wanted.get("digest"):
        before, now = (
            "a mask of its own exposures"
            if "digest" not in words
            else f"the mask {words['mask']}, digest {words['digest']}"
            for words in (found, wanted)
        )
        return f"{before} (now {now})"
    return ", ".join(
        f"{name}={found[name]} (now {wanted[name]})"
        for name in Parameters.by_name()
        if name in found and name in wanted and found[name] != wanted[name]
    )
