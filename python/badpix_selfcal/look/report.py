"""``badpix_selfcal.report``: pages that show masks, one that lists them, what is read from them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from ..arrays.display import block, counted, linked
from ..files.outputs import Write, save
from ..files.paths import AnyLocation, Location, output_directory
from ..masks.mask import Mask
from .page import facts_of, page_of, rendered, require_extra
from .shown import masks_of
from .verdict import Judgement, Verdict

Result: TypeAlias = Mask | AnyLocation
"""What a page can be made of."""

INDEX: Final = "badpix_selfcal_report.html"
"""The name of the page that lists others."""

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9.+-]+")
_NUMBERS: Final = re.compile(r'<script type="application/json" id="numbers">(.*?)</script>')


@dataclass(frozen=True)
class GroupReport:
    """The page of one group, and what it says: `judgement` has `reasons` and `numbers`."""

    name: str
    page: Location
    judgement: Judgement

    @property
    def verdict(self) -> Verdict:
        """TRUST, LOOK or REJECT."""
        return self.judgement.verdict


@dataclass(frozen=True)
class ReportResult:
    """The pages of `groups`, one for each mask; `index` lists them, if there are several."""

    groups: tuple[GroupReport, ...]
    index: Location | None = None

    def _repr_html_(self) -> str:
        return linked(self, self.index, *(each.page for each in self.groups))

    def __repr__(self) -> str:
        lines = {
            each.name: f"{each.verdict}: {each.judgement.why}, {each.page}" for each in self.groups
        }
        if self.index is not None:
            lines["all"] = str(self.index)
        return block(f"ReportResult of {counted(len(self.groups), 'mask')}", lines)


def report(
    results: Result | Iterable[Result],
    *,
    output_dir: AnyLocation | None = None,
    overwrite: bool = False,
) -> ReportResult:
    """Write a page for each mask, which shows whether its flags can be trusted.

    Needs the extra ``report``.

    Parameters
    ----------
    results : Mask, path-like, or iterable of them
        Masks: files that `save_mask` has written, or flagged copies beside them.
    output_dir : path-like, optional
        The folder of the pages, or (extra ``cloud``) a URL. Default: the current directory.
    overwrite : bool, optional
        Replace existing pages.

    Returns
    -------
    ReportResult
        The pages and the verdicts.

    Raises
    ------
    MaskError
        If a mask cannot be read, or a copy has none beside it; a ValueError.
    FileExistsError
        If a page exists, without `overwrite`.
    ValueError
        If no result is given, or two have pages of the same name.
    OSError
        If a page cannot be written. After any error there are no new pages.
    RuntimeError
        If bokeh or matplotlib is not installed.

    Notes
    -----
    The pages are ``<product>_badpix_selfcal_report.html``, each a single file that needs no
    network. If there are several, ``badpix_selfcal_report.html`` lists them.

    The exposures that a mask was found from are read again, from where they were. Without them, a
    page shows the minimum image alone.
    """
    require_extra()  # raises before anything is read
    masks = _masks_of(results)
    folder = output_directory(output_dir)
    inputs = [member.exposure for mask in masks.values() for member in mask.members]
    groups: list[GroupReport] = []
    pages: dict[str, dict[str, Any]] = {}

    def write(part: Path, name: str) -> None:
        said, mask = report_page(part, masks[name]), masks[name]
        groups.append(GroupReport(mask.name, folder / name, said))
        pages[name] = facts_of(mask.name, said)

    files: dict[Location, Write] = {folder / name: partial(write, name=name) for name in masks}
    index = folder / INDEX if len(masks) > 1 else None
    if index is not None:
        files[index] = partial(_list, pages=pages)
    save(files, inputs, overwrite=overwrite)
    return ReportResult(tuple(groups), index)


def report_page(part: Path, mask: Mask, name: str = "") -> Judgement:  # noqa: ARG001
    """Write the page of a mask to a file that later gets a name, and return what it says."""
    page, judgement = page_of(mask)
    part.write_bytes(page.encode("utf-8", "replace"))  # a name may be no Unicode
    return judgement


def write_index(folder: Location, pages: Iterable[Location]) -> Location | None:
    """Write the page that lists some pages of a folder, in the place of an earlier one.

    Returns None if there are fewer than two pages, or the folder is a URL.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    known = {page.name: facts for page in pages if (facts := facts_in(page)) is not None}
    if len(known) < 2:
        return None
    save({folder / INDEX: partial(_list, pages=known)}, (), overwrite=True)
    return folder / INDEX


def facts_in(page: Location | None) -> dict[str, Any] | None:
    """Return the verdict and the numbers in a page; None if it cannot be read, or is remote."""
    found = None
    with suppress(OSError):
        if isinstance(page, Path):
            with page.open(encoding="utf-8", errors="replace") as lines:
                found = next(filter(None, map(_NUMBERS.match, lines)), None)
    return None if found is None else json.loads(found[1])


def _list(part: Path, pages: Mapping[str, dict[str, Any]]) -> None:
    """Write the page that lists others, from their file names and the numbers in them."""
    title = "Bad pixels of several groups"
    page = rendered("index.html", title=title, history="", pages=pages.items())
    part.write_bytes(page.encode("utf-8", "replace"))


def _masks_of(results: Result | Iterable[Result]) -> dict[str, Mask]:
    """Return the masks by the names of their pages, each once."""
    several = isinstance(results, Iterable) and not isinstance(results, (Mask, str))
    given: list[Any] = [*results] if several else [results]  # type: ignore[misc]
    if not given:
        raise ValueError("results is empty; give a mask file, or a flagged copy beside one")
    paths = masks_of([each for each in given if not isinstance(each, Mask)], "pages")
    masks = [(stem, Mask.read(path)) for stem, path in paths.items()]
    for mask in (each for each in given if isinstance(each, Mask)):
        group = _NOT_IN_NAMES.sub("_", mask.name).strip("_").lower() or "group"
        masks.append((f"{group}_badpix_selfcal", mask))
    pages: dict[str, Mask] = {}
    for stem, mask in masks:
        name = f"{stem}_report.html"
        if pages.setdefault(name, mask) is not mask:
            raise ValueError(
                f"two masks would have the page {name} ({mask.name} and {pages[name].name}); "
                "report them separately, into different folders"
            )
    return pages
