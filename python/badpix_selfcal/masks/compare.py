"""Compares two results of one exposure, two masks, or one of each."""

from __future__ import annotations

from ..errors import ExposureError
from ..files.content import read_content
from ..files.location import AnyLocation, locate
from ..files.save import save
from .comparison import Comparison
from .flags import TABLES, flags_in
from .frame import require_same_pixels
from .pictures import compared, drawing
from .planes import PlaneDifference, compare_planes

__all__ = ["compare"]


def compare(
    a: AnyLocation,
    b: AnyLocation,
    *,
    before: AnyLocation | None = None,
    picture: AnyLocation | None = None,
    overwrite: bool = False,
) -> Comparison:
    """Compare the flags, and the samples, of two files.

    Parameters
    ----------
    a, b : path-like or RemoteFile
        Two results of one exposure, of this package or of the pipeline; or two JWST MASK files; or
        one of each.
    before : path-like or RemoteFile, optional
        The exposure as it was before flagging. Pixels that have the same bits in its DQ are left
        out of both files: they were not flagged by self-calibration.
    picture : path-like or RemoteFile, optional
        The picture to write: PNG, PDF or SVG, by its ending (extra ``plot``).
    overwrite : bool, optional
        Whether the picture may replace a file.

    Returns
    -------
    Comparison
        The flags and their counts, and how each extension differs.

    Raises
    ------
    ExposureError
        If a file cannot be read or has no DQ; a ValueError.
    ValueError
        If the files differ in detector, subarray or shape, or `picture` is of no known format.
    RuntimeError
        If matplotlib is not installed, and `picture` is given.
    FileExistsError
        If the picture exists, without `overwrite`.

    Notes
    -----
    A pixel of an exposure is flagged if its DQ has both OTHER_BAD_PIXEL and DO_NOT_USE. The
    pipeline's own mask can set both as well; such pixels count in both files unless `before` is
    given. A pixel of a mask is flagged if its DQ has DO_NOT_USE, as DQ_DEF defines it.

    Headers, and the tables ASDF and MEMBERS, which say how a file was made, are not compared.
    """
    contents = (read_content(a, TABLES), read_content(b, TABLES))
    found = [flags_in(content) for content in contents]
    inputs = [each.path for each in found]
    if before is not None:
        former = flags_in(read_content(before))
        if former.kind != "exposure":
            raise ExposureError(f"{former.path}: has no SCI extension; give the exposure (_rate)")
        require_same_pixels([*(each.frame for each in found), former.frame])
        found = [each.without(former.flags) for each in found]
        inputs.append(former.path)
    require_same_pixels([each.frame for each in found])
    one, other = found
    planes: tuple[PlaneDifference, ...] = ()
    if one.kind == other.kind:
        planes = compare_planes(*contents, one.flags == other.flags)
    comparison = Comparison(one, other, planes)
    if picture is not None:
        draw = drawing(compared, comparison, locate(picture))
        save({locate(picture): draw}, inputs, overwrite=overwrite)
    return comparison
