"""A mask of the pixels that are flagged in several masks of one detector."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from .._kernels import __version__
from ..arrays.bad_pixels import BadPixels
from ..step.group_mask import GroupMask
from ..step.mask_file import read_mask
from .epochs import MaskHistory

__all__ = ["mask_of_persistent"]


def mask_of_persistent(found: MaskHistory) -> GroupMask:
    """Return a mask that flags the persistent pixels.

    Its images are those of the last mask, but each persistent pixel has the samples of the mask in
    which it stands out most. Its members are the exposures of all masks.

    Raises
    ------
    MaskError
        If a mask cannot be read again.
    ValueError
        If the masks were not found with the same cut: their samples cannot be compared.
    """
    flags = np.zeros(found.shape, np.bool_)
    flags[found.y[found.persistent], found.x[found.persistent]] = True
    masks = (read_mask(epoch.path) for epoch in reversed(found.epochs))
    last = next(masks)
    made = _writable(last)
    members = {member.exposure: member for member in last.members}
    for mask in masks:
        if mask.parameters.cut != last.parameters.cut:
            raise ValueError(
                f"{found.epochs[-1].path}: was found with another cut than the masks before; make "
                "a mask of persistent pixels from masks of one cut"
            )
        made = _with_strongest(made, mask, flags)
        members = {member.exposure: member for member in mask.members} | members
    return replace(
        made,
        bad_pixels=_flagging(made.bad_pixels, flags),
        crowded=(),
        members=tuple(members.values()),
        version=__version__,
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        identity="",
    )


def _writable(mask: GroupMask) -> GroupMask:
    """Return a mask whose images may be changed."""
    found = mask.bad_pixels
    copied = replace(
        found,
        residual=found.residual.copy(),
        significance=None if found.significance is None else found.significance.copy(),
        noise=None if found.noise is None else found.noise.copy(),
    )
    return replace(mask, minimum=mask.minimum.copy(), bad_pixels=copied)


def _with_strongest(made: GroupMask, mask: GroupMask, flags: NDArray[np.bool_]) -> GroupMask:
    """Take the samples of the flagged pixels that stand out more in another mask."""
    ours, theirs = made.bad_pixels, mask.bad_pixels
    strength, other = (np.abs(each.compared) for each in (ours, theirs))
    # A pixel that is not flagged counts less than one that is, whatever the cuts.
    weak = np.where(ours.mask, strength, -1.0)
    at = flags & theirs.mask & ~(weak >= other)
    made.minimum[at] = mask.minimum[at]
    for image, source in (
        (ours.residual, theirs.residual),
        (ours.significance, theirs.significance),
        (ours.noise, theirs.noise),
    ):
        if image is not None and source is not None:
            image[at] = source[at]
    return replace(
        made,
        bad_pixels=replace(
            ours,
            mask=ours.mask | at,
            cut_low=float(np.fmax(ours.cut_low, theirs.cut_low)),
            cut_high=float(np.fmin(ours.cut_high, theirs.cut_high)),
        ),
    )


def _flagging(found: BadPixels, flags: NDArray[np.bool_]) -> BadPixels:
    flagging = replace(found, mask=flags)
    n_low = int(np.count_nonzero(flagging.low))
    return replace(flagging, n_low=n_low, n_high=int(flags.sum()) - n_low)
