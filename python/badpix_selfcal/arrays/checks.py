"""Checks of arguments, and the arrays that the kernels take.

A check takes a value and returns it normalised. It raises TypeError for a value of a wrong type,
and ValueError for one that is not allowed. The message names the argument, `name`.
"""

from __future__ import annotations

import numbers
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Literal, SupportsFloat, SupportsIndex, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..instrument import Dispaxis

Edge: TypeAlias = Literal["zero", "shrink"]
"""Pixels outside the image: "zero" counts them as 0, "shrink" ignores them."""

AskedEdge: TypeAlias = Edge | Literal["auto"]
"""An edge rule, or "auto": that of the cut."""

EDGES: Final[tuple[AskedEdge, ...]] = ("auto", "zero", "shrink")

Cut: TypeAlias = Literal["fraction", "sigma"]
"""What is flagged: fixed fractions of the pixels, or what stands out from the noise."""

CUTS: Final[tuple[Cut, ...]] = ("fraction", "sigma")

AskedDispaxis: TypeAlias = Dispaxis | Literal["auto"]
"""A dispersion axis, or "auto": the axis in the exposure's header."""

Method: TypeAlias = Literal["auto", "heap", "network"]
"""The kernels of the running median. All have equal results."""

METHODS: Final[tuple[Method, ...]] = ("auto", "heap", "network")

GroupBy: TypeAlias = Literal["detector", "band"]
"""What the exposures of a group share: the detector, or the band (the grating) too."""

GROUP_BY: Final[tuple[GroupBy, ...]] = ("detector", "band")

MOST_WORKERS: Final = 64
"""The largest number of threads that read and write files."""

FloatArray: TypeAlias = NDArray[np.float32 | np.float64]
"""An array of the precisions in which the kernels compute."""

_Word = TypeVar("_Word", bound=str)


def check_whole(
    value: SupportsIndex, name: str, least: int | None = None, most: int | None = None
) -> int:
    """Return a whole number from `least` to `most`."""
    try:
        number = int(operator.index(None if isinstance(value, bool) else value))  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {value!r}") from None
    if (least is not None and number < least) or (most is not None and number > most):
        limits = f"at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be {limits}, got {number}")
    return number


def check_each(given: int | Sequence[int], count: int, name: str) -> tuple[int, ...]:
    """Return a whole number for each of some axes; one number is that of all."""
    values: Any = given if _is_several(given) else (given,) * count
    if len(values) != count:
        raise ValueError(f"{name} must be one whole number or {count}, got {given!r}")
    return tuple(check_whole(value, name) for value in values)


def check_axes(
    ndim: int, axes: int | Sequence[int], name: str, or_none: str = ""
) -> tuple[int, ...]:
    """Return axes of an array of `ndim` axes, counted from its first one.

    Negative axes count from the last one. `or_none` is what else the argument may be, for errors.
    """
    values: Any = axes if _is_several(axes) else (axes,)
    found = tuple(check_whole(axis, name) for axis in values)
    for axis in found:
        if not -ndim <= axis < ndim:
            raise ValueError(f"{name} must be from {-ndim} to {ndim - 1}{or_none}, got {axis}")
    return tuple(axis % ndim for axis in found)


def _is_several(given: object) -> bool:
    return hasattr(given, "__len__") and not isinstance(given, str)  # a check for Sequence is slow


def check_number(
    value: SupportsFloat,
    name: str,
    rule: str = "a number",
    is_allowed: Callable[[float], bool] = lambda _: True,
) -> float:
    """Return a number; a text is none. The errors say that it must be `rule`."""
    try:
        number = float("not a number" if isinstance(value, (str, bytes)) else value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be {rule}, got {value!r}") from None
    if not is_allowed(number):
        raise ValueError(f"{name} must be {rule.removeprefix('a number ')}, got {number}")
    return number


def check_flagfrac(value: SupportsFloat, name: str) -> float:
    """Return the fraction of the pixels to flag at one end, 0 to 0.5."""
    return check_number(value, name, "a number from 0 to 0.5", lambda number: 0 <= number <= 0.5)


def check_days(value: SupportsFloat, name: str) -> float:
    """Return a number of days, at least 1; infinite is allowed."""
    return check_number(value, name, "a number from 1 to infinity", lambda days: days >= 1)


def check_sigma(value: SupportsFloat, name: str) -> float:
    """Return a cut in units of the noise, above 0."""
    return check_number(value, name, "a number above 0", lambda number: number > 0)


def check_asked_sigma(value: SupportsFloat | None, name: str) -> float | None:
    """Return a cut in units of the noise, or None."""
    return None if value is None else check_sigma(value, name)


def check_choice(words: Sequence[_Word], value: object, name: str) -> _Word:
    """Return the word that a value is."""
    for word in words:
        if isinstance(value, str) and value == word:
            return word
    *others, last = map(repr, words)
    raise ValueError(f"{name} must be {', '.join(others)} or {last}, got {value!r}")


def check_switch(value: object, name: str) -> bool:
    """Return True or False, also NumPy's."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(f"{name} must be True or False, got {value!r}")


def check_kernel_size(value: SupportsIndex, name: str = "kernel_size") -> int:
    """Return the length of a window, which is odd: it has a sample in its middle."""
    size = check_whole(value, name)
    if size < 1 or size % 2 == 0:
        raise ValueError(f"{name} must be odd{' and at least 1' * (size < 1)}, got {size}")
    # The kernels count in 64 bits. All windows larger than the image have the same medians.
    return min(size, sys.maxsize)


def edge_of(asked: AskedEdge, cut: Cut) -> Edge:
    """Return the edge rule of the first running median."""
    if asked != "auto":
        return asked
    return "zero" if cut == "fraction" else "shrink"


def check_dispaxis(value: object, name: str = "dispaxis", also: str = "") -> Dispaxis:
    """Return a dispersion axis: 1 (along x), 2 (along y) or None (unknown)."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        if value == 1:
            return 1
        if value == 2:
            return 2
    if value is None:
        return None
    raise ValueError(f"{name} must be {also}1 (along x), 2 (along y) or None, got {value!r}")


def check_asked_dispaxis(value: object, name: str = "dispaxis") -> AskedDispaxis:
    """Return a dispersion axis, or "auto"."""
    if isinstance(value, str) and value == "auto":
        return "auto"
    return check_dispaxis(value, name, "'auto', ")


def as_floats(values: ArrayLike, name: str, ndim: int | None) -> FloatArray:
    """Convert real numbers to an array that the kernels take, with a copy only where needed.

    It is native, aligned and C-contiguous: float32 for float16 and float32, else float64. `ndim` is
    the number of dimensions that it must have; None allows any. Masks and units are refused.
    """
    array = _real(values, name, ndim)
    dtype = precision_of(array.dtype)
    if array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
        return array  # as the next line, but it takes much of the time of a small call
    return np.require(array, dtype=dtype, requirements=["C", "A"])


def as_stored(values: ArrayLike, name: str) -> FloatArray:
    """Convert an image as `as_floats` does, but leave it in its byte order.

    Big-endian samples, as in FITS files, are not copied.
    """
    array = _real(values, name, 2)
    dtype = precision_of(array.dtype)
    if array.dtype.kind == "f" and array.dtype.itemsize == dtype.itemsize:
        dtype = array.dtype
    return np.require(array, dtype=dtype, requirements=["C", "A"])


def kernel_view(samples: FloatArray) -> NDArray[Any]:
    """View samples as the kernels take them: unsigned integers, if in the other byte order."""
    return samples if samples.dtype.isnative else samples.view(f"u{samples.dtype.itemsize}")


def precision_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the precision in which samples of a type are computed."""
    return np.dtype(np.float32 if dtype.kind == "f" and dtype.itemsize <= 4 else np.float64)


def _real(values: ArrayLike, name: str, ndim: int | None) -> NDArray[Any]:
    refuse_masked(values, name)
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must be {ndim}-D, got shape {array.shape}")
    return array


def refuse_masked(values: object, name: str) -> None:
    """Raise a TypeError for an array that has a mask or a unit, and for a list of such arrays.

    NumPy drops both without a word. The message says what to pass.
    """
    if isinstance(values, (list, tuple)):
        for each in filter(lambda each: _advice(each, ""), _kinds_in(values)):
            raise TypeError(
                f"{name} is a list that holds a {type(each).__name__}; pass a list of plain arrays "
                f"({_advice(each, 'each')} for each of them)"
            )
    elif advice := _advice(values, name):
        raise TypeError(f"{name} is a {type(values).__name__}; pass {advice}")


def _kinds_in(values: Iterable[object]) -> Iterator[object]:
    """Yield one element of each type in a list, and in the lists in it."""
    kinds = {type(each): each for each in values if not isinstance(each, (list, tuple))}
    yield from kinds.values()
    for each in values:
        if isinstance(each, (list, tuple)):
            yield from _kinds_in(each)


def _advice(values: object, name: str) -> str:
    """Return how to pass an array without its mask and unit; empty for one without them."""
    if isinstance(values, loaded("numpy.ma", "MaskedArray")):
        return _filled(values.dtype, name)
    if isinstance(values, loaded("astropy.nddata", "NDData")):
        if values.mask is None:
            return f"{name}.data"
        return f"numpy.where({name}.mask, numpy.nan, {name}.data)"
    has_unit = isinstance(values, loaded("astropy.units", "Quantity"))
    value = f"{name}.value" if has_unit else ""
    if isinstance(values, loaded("astropy.utils.masked", "Masked")):
        return _filled(values.dtype, value or name)
    return value


def loaded(module: str, name: str) -> Any:
    """Return a class if its module is loaded, else no class: then nothing is an instance of it."""
    return getattr(sys.modules.get(module), name, ())


def _filled(dtype: np.dtype[Any], name: str) -> str:
    """Return a masked array without its mask, as Python code."""
    if dtype.kind == "b":
        return f"{name}.filled(False)"
    return f"{name}{'' if dtype.kind == 'f' else '.astype(float)'}.filled(numpy.nan)"
