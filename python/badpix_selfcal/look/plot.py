"""Figures of masks as files: PNG, PDF or SVG."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from ..arrays.checks import check_choice, check_whole
from ..files.outputs import Write
from ..files.outputs import save as write_files
from ..files.paths import AnyLocation, Location, output_directory
from ..masks.mask import Mask
from . import require
from .shown import images_of, masks_of

FIGURES: Final = (
    "page", "minimum", "residual", "significance", "mask", "dq", "histogram", "rows", "columns",
    "slices", "spectrum", "strongest", "borderline",
)  # fmt: skip
"""The names of the figures."""

Format: TypeAlias = Literal["png", "pdf", "svg"]

FORMATS: Final[tuple[Format, ...]] = get_args(Format)

DPI: Final = 150


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
        check_choice((*FIGURES, "all"), name, "`figure`")
    check_choice(FORMATS, format, "`format`")
    resolution = check_whole(dpi, "`dpi`", 20, most=1200)
    require("plot", "matplotlib")
    folder, read = output_directory(output_dir), lru_cache(maxsize=1)(Mask.read)
    masks = masks_of(results, "figures")

    def write(part: Path, path: Location, name: str) -> None:
        from . import figures

        mask = read(path)
        if name in figures.NOTES:
            figure = figures.gallery(mask, which=name)  # type: ignore[arg-type]
        else:
            figure = getattr(figures, {"page": "figure"}.get(name, name))(mask).figure
        figure.savefig(part, format=format, dpi=resolution)

    files: dict[Location, Write] = {
        folder / f"{stem}_{name}.{format}": partial(write, path=path, name=name)
        for stem, path in masks.items()
        for name in (_figures_of(read(path)) if "all" in names else names)
    }
    return write_files(files, masks.values(), overwrite=overwrite)


def _figures_of(mask: Mask) -> list[str]:
    """Return the figures that a mask has."""
    has = {"significance": images_of(mask)[1].significance is not None, "dq": mask.dq is not None}
    return [name for name in FIGURES if has.get(name, True)]
