"""The part of a detector that a file describes: what only belongs together has the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..files.location import Location
from ..step.given_mask import ANY
from ..step.member import subarray_of

__all__ = ["Frame", "require_same_pixels"]


@dataclass(frozen=True)
class Frame:
    """The pixels that a file describes.

    Attributes
    ----------
    path : Path or RemoteFile
        The file.
    detector : str
        DETECTOR, in capitals; empty where absent, and in a reference file for any detector.
    subarray : str
        The part of the detector that was read, as in `badpix_selfcal.step.member.Member`.
    shape : tuple of int
        Rows and columns.
    """

    path: Location
    detector: str
    subarray: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, path: Location, value: Callable[[str], object], shape: tuple[int, ...]) -> Frame:
        """Return the frame of a file; `value` returns the value of a card, None where absent."""

        def capitals(keyword: str) -> str:
            found = value(keyword)
            return "" if found is None else str(found).strip().upper()

        corner = capitals("SUBSTRT1"), capitals("SUBSTRT2")
        subarray = subarray_of(capitals("SUBARRAY"), corner)
        detector = capitals("DETECTOR")
        return cls(
            path,
            "" if detector in ANY else detector,
            "" if subarray in ANY else subarray,
            shape,
        )


def require_same_pixels(frames: Sequence[Frame]) -> None:
    """Refuse files whose pixels do not correspond.

    A file without DETECTOR goes with any detector.

    Raises
    ------
    ValueError
        If one differs from the first in detector, subarray or shape.
    """
    known = next((frame for frame in frames if frame.detector), frames[0])
    for frame in frames:
        if frame.detector not in ("", known.detector):
            raise ValueError(
                f"{frame.path}: is of {frame.detector}, {known.path} is of {known.detector}; give "
                "files of one detector"
            )
    first = frames[0]
    for frame in frames[1:]:
        if frame.subarray != first.subarray:
            raise ValueError(
                f"{frame.path}: is of the subarray {frame.subarray or 'FULL'}, {first.path} of "
                f"{first.subarray or 'FULL'}; give files of one subarray"
            )
        if frame.shape != first.shape:
            raise ValueError(
                f"{frame.path}: has shape {frame.shape}, {first.path} has {first.shape}; give "
                "files of one shape"
            )
