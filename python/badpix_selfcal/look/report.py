"""``badpix_selfcal.report``: pages that show masks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from ..arrays.display import block, counted
from ..files.outputs import Write, save
from ..files.paths import AnyLocation, Location, output_directory
from ..masks.mask import Mask
from .index import INDEX, index_of
from .limits import Verdict
from .page import facts_of, page_of, require_extra
from .shown import masks_of
from .verdict import Judgement

__all__ = ["GroupReport", "ReportResult", "report", "report_page"]

Result: TypeAlias = Mask | AnyLocation
"""What a page can be made of."""

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9.+-]+")


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

    def __repr__(self) -> str:
        lines = {each.name: f"{each.verdict}, {each.page}" for each in self.groups}
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
        Masks: files that ``save_mask=True`` has written, or flagged copies beside them.
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
    files: dict[Location, Write] = {}
    for name, mask in masks.items():

        def write(part: Path, mask: Mask = mask, page: Location = folder / name) -> None:
            groups.append(GroupReport(mask.name, page, report_page(part, mask)))

        files[folder / name] = write

    def write_index(part: Path) -> None:
        facts = [(each.page.name, facts_of(each.name, each.judgement)) for each in groups]
        part.write_text(index_of(facts), encoding="utf-8", errors="replace")

    index = folder / INDEX if len(masks) > 1 else None
    if index is not None:
        files[index] = write_index
    save(files, inputs, overwrite=overwrite)
    return ReportResult(tuple(groups), index)


def report_page(part: Path, mask: Mask, name: str = "") -> Judgement:  # noqa: ARG001
    """Write the page of a mask to a file that later gets a name, and return what it says.

    Raises
    ------
    OSError
        If it cannot be written.
    RuntimeError
        If bokeh or matplotlib is not installed.
    """
    page, judgement = page_of(mask)
    part.write_bytes(page.encode("utf-8", "replace"))  # a name may be no Unicode
    return judgement


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
