"""Results on disk: which mask file belongs to a flagged copy."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..errors import MaskError
from ..files.location import AnyLocation, Location, locate
from ..files.missing import no_such
from ..messages import argument
from .mask_file import unescaped

__all__ = ["MASK_ENDING", "MEMBERS", "mask_of_result", "stem_of"]

MASK_ENDING: Final = "_mask.fits"
"""How the name of a mask file ends."""

MEMBERS: Final = "MEMBERS"
"""The extension of a mask file that lists its exposures, with their copies in a column OUTPUT."""


def mask_of_result(result: AnyLocation) -> Location:
    """Find the mask file of a result.

    Parameters
    ----------
    result : path-like
        A mask file, or a flagged copy with its mask file in the same folder.

    Returns
    -------
    Path or RemoteFile
        The mask file.

    Raises
    ------
    MaskError
        If there is no mask file that lists the copy, or there are several.
    """
    path = locate(result)
    if not isinstance(path, Path):
        if path.name.removesuffix(".gz").endswith(MASK_ENDING):
            return path
        raise MaskError(f"{path}: is not a mask (*{MASK_ENDING}); give the URL of its mask")
    if path.is_dir():
        raise MaskError(f"{path}: is a folder; name its masks (*{MASK_ENDING})")
    if not path.exists():
        raise MaskError(no_such(path))
    if path.name.endswith(MASK_ENDING) or _copies_in(path) is not None:
        return path
    found = [mask for mask in sorted(path.parent.glob(f"*{MASK_ENDING}")) if _lists(mask, path)]
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise MaskError(f"{path}: several masks list it: {names}; name one of them instead")
    if not found:
        raise MaskError(
            f"{path}: no mask beside it (*{MASK_ENDING}) lists it as a flagged copy; name its "
            f"mask, or make it again with {argument(save_mask=True)} (keeps the mask) or "
            f"{argument(report=True)} (writes the page)"
        )
    return found[0]


def stem_of(mask: Location) -> str:
    """Return what the names of files that show a mask begin with: its own, without its ending."""
    return mask.name.removesuffix(".gz").removesuffix(".fits").removesuffix("_mask")


def _lists(mask: Path, copy: Path) -> bool:
    """Return whether a mask file lists a copy. Folders do not count: both may have been moved."""
    return copy.name in (_copies_in(mask) or ())


def _copies_in(path: Path) -> set[str] | None:
    """Return the names of the copies that a mask file lists; None if it is no mask file."""
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as hdus:
            if MEMBERS not in hdus:
                return None
            outputs = [unescaped(str(text)) for text in hdus[MEMBERS].data["OUTPUT"]]
    except (OSError, KeyError, ValueError):  # another file of this name
        return None
    return {output.rpartition("/")[2] for output in outputs}
