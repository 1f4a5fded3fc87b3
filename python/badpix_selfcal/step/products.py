"""Further outputs of a run, each made of a mask: the mask itself as a file, and its page."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from .._kernels import __version__
from ..errors import MaskError
from ..files import mask_file
from ..files.exposure import Exposure
from ..files.location import Location
from ..files.mask_file import Card
from ..files.planes import images_of
from ..instrument import Dispaxis
from ..log import log
from ..parameters import Parameters
from .group_mask import GroupMask, MaskMember
from .mask_cards import ABOUT
from .mask_file import write_part
from .minimum import MinimumImage
from .outcome import Outcome
from .plan import Plan
from .provenance import further_name
from .suitable import later_step

__all__ = ["MASK", "MaskFile", "Product", "group_mask_of", "names_of", "products_of"]

MASK: Final = "mask.fits"
"""The kind of a mask file."""

_BITS: Final = 0xFFFFFFFF

_AXES: Final[dict[Dispaxis, str]] = {1: "axis1_", 2: "axis2_", None: "square_"}
"""What names of outputs begin with if a group has several dispersion axes."""


class Product(Protocol):
    """A further output that is made of each mask."""

    @property
    def kind(self) -> str:
        """The end of its name: ``mask.fits``."""

    def write(self, part: Path, mask: GroupMask, name: str) -> None:
        """Write it to a file that does not exist yet and later gets a name.

        Raises
        ------
        OSError
            If it cannot be written.
        """

    def made(self, location: Location) -> str | None:
        """Return the HISTORY entry in a file; None if it is not whole or cannot be read."""


class MaskFile:
    """The mask as a JWST MASK reference file."""

    kind: Final = MASK

    def write(self, part: Path, mask: GroupMask, name: str) -> None:
        """Write it."""
        write_part(part, mask, name)

    def made(self, location: Location) -> str | None:
        """Return the HISTORY entry in a file; None if it is not whole or cannot be read."""
        try:
            content = mask_file.read(location)
        except MaskError as error:
            log.info("%s: not kept: %s", location, error)
            return None
        if content.has_digest and content.is_whole:
            return content.history
        log.info("%s: not kept: its data are not those that were written", location)
        return None


def products_of(parameters: Parameters) -> tuple[Product, ...]:
    """Return what to write besides the copies."""
    products: list[Product] = [MaskFile()] if parameters.save_mask else []
    if parameters.report:
        from ..reports.product import ReportPage

        products.append(ReportPage())
    return tuple(products)


def names_of(plan: Plan, product: Product) -> dict[Dispaxis, str]:
    """Return the names of a product of a plan, one for each dispersion axis."""
    several = len(plan.axes) > 1
    return {
        axis: further_name(plan.stem, f"{_AXES[axis] if several else ''}{product.kind}")
        for axis in plan.axes
    }


def group_mask_of(
    outcome: Outcome,
    minimum: MinimumImage,
    axis: Dispaxis,
    unused: Collection[Location],
    exposure: Callable[[Location], Exposure],
) -> GroupMask:
    """Return the mask of a plan along one dispersion axis, with all that it was found from.

    Parameters
    ----------
    outcome : Outcome
        The masks of the plan.
    minimum : MinimumImage
        The minimum image.
    axis : {1, 2, None}
        The dispersion axis.
    unused : collection of Path or RemoteFile
        The members that were not combined.
    exposure : callable
        Reads the first exposure to be flagged, whose cards and DQ belong to the mask.

    Raises
    ------
    ExposureError
        If that exposure cannot be read, or was changed since its headers were read.
    """
    plan = outcome.plan
    assert minimum.image is not None  # there is a mask
    flagged = [copy.member for copy in plan.copies if copy.dispaxis == axis]
    usable = [member for member in flagged if member.path not in outcome.errors]
    first = (usable or flagged)[0]
    found = exposure(first.path)
    first.refuse_change(found)
    about, dq = _described(found)
    return GroupMask(
        name=plan.name,
        dispaxis=axis,
        parameters=plan.parameters.for_exposures(minimum.n_exposures),
        minimum=minimum.image,
        bad_pixels=outcome.masks[axis],
        dq=dq,
        crowded=outcome.crowded[axis],
        members=_members(outcome, minimum),
        about=about,
        version=__version__,
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        identity=plan.identity(unused, minimum.copies),
    )


def _described(exposure: Exposure) -> tuple[dict[str, Card], NDArray[np.uint32] | None]:
    """Return the cards of an exposure that describe its mode, and its DQ."""
    about: dict[str, Card] = {}
    for keyword in ABOUT:
        value = exposure.primary_value(keyword)
        if isinstance(value, (str, int, float)):
            about[keyword] = value
    with exposure.opened() as hdus:
        unit = images_of(hdus, "SCI")[0].header.get("BUNIT")
        planes = [hdu.data for hdu in images_of(hdus, "DQ") if hdu.shape == exposure.shape]
        if isinstance(unit, str):
            about["BUNIT"] = unit
        if not planes or planes[0].dtype.kind not in "iu":
            return about, None
        # Stored without an offset, the highest bit is the sign.
        return about, (planes[0].astype(np.int64) & _BITS).astype(np.uint32)


def _members(outcome: Outcome, minimum: MinimumImage) -> tuple[MaskMember, ...]:
    """Return the exposures of a plan, and those that could not be combined."""
    plan = outcome.plan
    outputs = {copy.member.path: copy.output for copy in plan.copies}
    later = {member.path: later_step(member) for member in plan.members}
    same_as = minimum.copies
    paths = dict.fromkeys([*(member.path for member in plan.members), *outcome.errors])
    return tuple(
        MaskMember(
            exposure=path,
            role=plan.roles.get(path, "science"),
            pedestal=outcome.pedestals.get(path, None if plan.gap is None else np.nan),
            problem=outcome.errors.get(path) or _left_out(outcome.pedestals.get(path)),
            output=None if path in outcome.errors else outputs.get(path),
            later=later.get(path, ""),
            same_as=same_as.get(path),
            is_constant=path in minimum.constant,
        )
        for path in paths
    )


def _left_out(pedestal: float | None) -> str:
    is_missing = pedestal is not None and pedestal != pedestal
    return "no pedestal can be measured in the gap" if is_missing else ""
