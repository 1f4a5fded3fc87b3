"""Figures of masks as files: PNG, PDF or SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from ..arrays.checks import check_whole
from ..files.outputs import Write
from ..files.outputs import save as write_files
from ..files.paths import AnyLocation, Location, output_directory
from ..masks.mask import Mask
from .shown import images_of, masks_of

__all__ = ["ALL", "DPI", "FIGURES", "FORMATS", "Format", "save"]

FIGURES: Final = (
    "page", "minimum", "residual", "significance", "mask", "dq", "histogram", "rows", "columns",
    "slices", "spectrum", "strongest", "borderline",
)  # fmt: skip
"""The names of the figures."""

ALL: Final = "all"
"""Stands for every figure that a mask has."""

Format: TypeAlias = Literal["png", "pdf", "svg"]

FORMATS: Final[tuple[Format, ...]] = get_args(Format)

NEEDED: Final = 'pip install ".[plot]" in the clone of badpix-selfcal'

DPI: Final = 150
LEAST_DPI, MOST_DPI = 20, 1200


def save(
    results: AnyLocation | Iterable[AnyLocation],
    *,
    figure: str | Iterable[str] = (),
    format: Format = "png",  # noqa: A002 - as in matplotlib
    dpi: int = DPI,
    output_dir: AnyLocation | None = None,
    overwrite: bool = False,
) -> tuple[Location, ...]:
    """Draw figures of masks into files.

    Parameters
    ----------
    results : path-like or iterable of path-like
        Masks, as `save_mask` writes them, or flagged copies with their masks in the same folder.
    figure : str or iterable of str, optional
        The figures: "page" (the main ones on one page, the default), "minimum", "residual",
        "significance", "mask", "dq", "histogram", "rows", "columns", "slices", "spectrum",
        "strongest", "borderline", or "all" that the mask has.
    format : {"png", "pdf", "svg"}, optional
        The kind of file.
    dpi : int, optional
        Dots per inch of PNGs, and of the flags in PDFs and SVGs.
    output_dir : path-like, optional
        The folder of the outputs, which is made if it does not exist, or (extra ``cloud``) a URL.
        Default: the current directory.
    overwrite : bool, optional
        Replace existing outputs. An input is never replaced.

    Returns
    -------
    tuple of Path or remote location
        The files: ``<product>_badpix_selfcal_<figure>.<format>``.

    Raises
    ------
    MaskError
        If a mask cannot be read, a copy has none, or two have the same name; a ValueError.
    TypeError, ValueError
        If an argument has a wrong type or value, or a mask does not have a figure.
    OSError
        If an output exists without `overwrite`, or cannot be written. Then there are no outputs.
    RuntimeError
        If matplotlib is not installed.
    """
    names = tuple(dict.fromkeys([figure] if isinstance(figure, str) else figure)) or FIGURES[:1]
    for name in names:
        if name not in (*FIGURES, ALL):
            raise ValueError(f"`figure` must be one of {', '.join(FIGURES)}, {ALL}, got {name!r}")
    if format not in FORMATS:
        raise ValueError(f"`format` must be one of {', '.join(FORMATS)}, got {format!r}")
    resolution = check_whole(dpi, "`dpi`")
    if not LEAST_DPI <= resolution <= MOST_DPI:
        raise ValueError(f"`dpi` must be from {LEAST_DPI} to {MOST_DPI}, got {resolution}")
    drawings = _drawings()
    folder, read = output_directory(output_dir), lru_cache(maxsize=1)(Mask.read)
    stems = masks_of(results, "figures")
    files: dict[Location, Write] = {}
    for stem, path in stems.items():
        for name in _figures_of(read(path), names, path):

            def write(part: Path, name: str = name, path: Location = path) -> None:
                drawn = drawings[name](read(path))
                getattr(drawn, "figure", drawn).savefig(part, format=format, dpi=resolution)

            files[folder / f"{stem}_{name}.{format}"] = write
    return write_files(files, stems.values(), overwrite=overwrite)


def _drawings() -> dict[str, Callable[[Mask], Any]]:
    """Return what draws each figure: a function that returns Axes or a figure."""
    try:
        from . import figures
    except ImportError as error:
        raise RuntimeError(f"figures need matplotlib ({error}): {NEEDED}") from error
    others: dict[str, Callable[[Mask], Any]] = {
        "page": figures.figure,
        "strongest": figures.gallery,
        "borderline": lambda mask: figures.gallery(mask, which="borderline"),
    }
    return {name: others.get(name) or getattr(figures, name) for name in FIGURES}


def _figures_of(mask: Mask, names: tuple[str, ...], path: Location) -> list[str]:
    """Return the figures to draw; refuse those that a mask does not have."""
    absent = {}
    if images_of(mask)[1].significance is None:
        absent["significance"] = "it was found with the fraction cut"
    if mask.dq is None:
        absent["dq"] = "the exposures have no DQ"
    if ALL in names:
        return [name for name in FIGURES if name not in absent]
    for name in names:
        if name in absent:
            raise ValueError(f"{path}: the mask has no {name}: {absent[name]}")
    return [*names]
