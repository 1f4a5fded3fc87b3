"""`verify`: the suites, run on the installed package on this machine."""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np

from .._kernels import available_instructions, instructions, median_kernel, set_instructions
from ..arrays import find_bad_pixels, median_filter, minimum_image, pedestal, percentiles
from ..arrays.checks import check_choice, check_whole
from ..arrays.medians import BORDERS
from ..jwst_parts import changes
from ..progress import Progress, followed
from ..step.selfcal import selfcal
from .check import THOROUGH, Check, CheckFailed
from .step import step_checks
from .suites import (
    find_bad_pixels_checks,
    median_filter_checks,
    minimum_image_checks,
    pedestal_checks,
    percentiles_checks,
)

Against: TypeAlias = Literal["reference", "jwst"]
"""What an installation is compared with: plain NumPy, or the installed jwst."""

PACKAGES: Final = ("badpix-selfcal", "numpy", "astropy", "hypothesis", "jwst", "stcal")


@dataclass(frozen=True)
class Tried:
    """A check that was run."""

    check: str
    instructions: str
    """The instruction set that the kernels used."""
    seconds: float
    failure: str
    """The smallest example and what is wrong with it; empty if the property holds."""


@dataclass(frozen=True)
class Verification:
    """What `verify` has found."""

    tried: tuple[Tried, ...]
    """Each check, with each instruction set."""
    against: Against
    examples: int
    seed: int | None
    versions: dict[str, str]
    kernels: dict[str, str]
    """The kernel of a running median over 15 samples of a MIRI image, by instruction set."""
    changed: str = ""
    """Against jwst: what of it `badpix_selfcal.jwst` replaces, and was tested in other versions."""

    @property
    def failed(self) -> tuple[Tried, ...]:
        """The checks that failed."""
        return tuple(each for each in self.tried if each.failure)


def verify(
    against: Against = "reference",
    *,
    examples: int = 40,
    thorough: bool = False,
    seed: int | None = None,
    progress: Progress = None,
) -> Verification:
    """Run the suites on this package, with each instruction set of this machine.

    Parameters
    ----------
    against : {"reference", "jwst"}, optional
        What must be equal: the same functions in plain NumPy, or the functions and the step of the
        installed jwst (on finite samples).
    examples : int, optional
        How many random examples each check tries.
    thorough : bool, optional
        Try 2000 examples instead.
    seed : int or None, optional
        Seed of the examples. Default: the same each time.
    progress : bool or callable, optional
        True: a bar. A function is called with the number of finished checks and the total number.

    Returns
    -------
    Verification
        What was tried and what failed.

    Raises
    ------
    ImportError
        If jwst is asked for and not installed.
    TypeError, ValueError
        If `against` or `examples` has a wrong type or value.
    """
    check_choice(get_args(Against), against, "against")
    examples = THOROUGH if thorough else check_whole(examples, "examples", least=1)
    checks, once = _against_jwst() if against == "jwst" else _against_reference()
    before, sets = instructions(), available_instructions()
    todo = [(name, each) for name in sets for each in checks] + [(sets[-1], each) for each in once]
    tried: list[Tried] = []
    kernels = {}
    with warnings.catch_warnings(), followed(progress, "checks") as report:
        warnings.simplefilter("ignore")
        report(0, len(todo))
        try:
            for name, check in todo:
                set_instructions(name)
                kernels[name] = median_kernel(15, 1, 1024, 1032)
                start, failure = time.perf_counter(), ""
                try:
                    check(examples=examples, seed=seed)
                except CheckFailed as error:
                    failure = str(error)
                tried.append(Tried(str(check), name, time.perf_counter() - start, failure))
                report(len(tried), len(todo))
        finally:
            set_instructions(before)
    versions = {"python": platform.python_version(), "system": platform.platform()}
    installed = [name for name in PACKAGES if find_spec(name.replace("-", "_"))]
    versions |= {name: metadata.version(name) for name in installed}
    changed = changes() if against == "jwst" else ""
    return Verification(tuple(tried), against, examples, seed, versions, kernels, changed)


def _against_reference() -> tuple[list[Check], list[Check]]:
    """Return the checks to run with each instruction set, and those to run once."""
    everything: dict[str, Any] = {"edges": BORDERS, "even": True, "min_counts": True}
    checks = [
        *median_filter_checks(median_filter),
        *percentiles_checks(percentiles),
        *pedestal_checks(pedestal),
        *minimum_image_checks(minimum_image),
        *find_bad_pixels_checks(find_bad_pixels),
        *find_bad_pixels_checks(partial(find_bad_pixels, cut="sigma"), cut="sigma"),
        *_with_oracle("all edges", median_filter, **everything),
    ]
    once = step_checks(_step)
    for method in ("heap", "network"):
        filtered = partial(median_filter, method=method)
        checks += _with_oracle(method, filtered)
        once += _with_oracle(f"{method}, all edges", filtered, **everything)
    return checks, once


def _with_oracle(label: str, function: Callable[..., Any], **how: Any) -> list[Check]:
    """Return the checks of a running median against the oracle, with a label in their names."""
    return [
        replace(each, name=f"{each.name} ({label})")
        for each in median_filter_checks(function, **how)
        if each.name.endswith(("oracle", "large images"))
    ]


def _against_jwst() -> tuple[list[Check], list[Check]]:
    """Return the same against the installed jwst."""
    try:
        from jwst.badpix_selfcal.badpix_selfcal import badpix_selfcal
        from jwst.badpix_selfcal.badpix_selfcal_step import BadpixSelfcalStep
        from stcal.outlier_detection.utils import medfilt
    except ImportError as error:
        raise ImportError(
            f'the comparison with jwst needs jwst ({error}): pip install "badpix-selfcal[jwst]"'
        ) from error

    def medians(image: Any, window: Any, edge: str) -> Any:  # noqa: ARG001 - zeros, always
        return medfilt(image, window)

    def quantiles(image: Any, q: Any) -> Any:
        return np.asarray(np.nanpercentile(image, q), np.float64)

    def lowered(images: Any, levels: Any) -> Any:
        return np.nanmin([a - a.dtype.type(b) for a, b in zip(images, levels, strict=True)], axis=0)

    def found(minimum: Any, *, edge: str, **how: Any) -> Any:  # noqa: ARG001 - zeros, always
        order = ("flagfrac_lower", "flagfrac_upper", "kernel_size", "dispaxis")
        return badpix_selfcal(minimum, *(how[name] for name in order))

    def run_jwst(association: Path, folder: Path) -> None:
        # `call` would ask the server of CRDS for parameters, and end the process without an answer.
        step = BadpixSelfcalStep()
        step.skip, step.save_results, step.output_dir = False, True, str(folder)
        step.run(str(association))

    checks = [
        *median_filter_checks(median_filter, edges=["zero"], oracle=medians, infinities=False),
        *percentiles_checks(percentiles, oracle=quantiles),
        *pedestal_checks(pedestal, oracle=lambda image, gap: float(np.nanmedian(image[gap]))),
        *minimum_image_checks(minimum_image, oracle=lowered),
        *find_bad_pixels_checks(find_bad_pixels, edges=["zero"], oracle=found, infinities=False),
    ]
    once = step_checks(_step)
    for each in step_checks(run_jwst):
        if "unusual" not in each.name:  # models of jwst cast samples
            once.append(replace(each, name=f"{each.name} (of jwst itself)"))
    return [each for each in checks if "rectangles" not in each.name], once  # of ours alone


def _step(association: Path, folder: Path) -> None:
    selfcal(association, output_dir=folder)
