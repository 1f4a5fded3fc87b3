"""The parameters of the step: name, default, check, a sentence of help and header keyword, once.

The signatures of the public functions, the command line, the HISTORY of an output and the cards of
a mask file take them from here. Names and defaults are those of jwst's ``badpix_selfcal`` step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, Self

from .arrays.bad_pixels import (
    FLAGFRAC,
    KERNEL_SIZE,
    OF_CUT,
    SIGMA_LOWER,
    UPPER_CUTS,
    refuse_other_cut,
    upper_cut,
)
from .arrays.checks import (
    CUTS,
    EDGES,
    AskedDispaxis,
    AskedEdge,
    Cut,
    check_asked_dispaxis,
    check_asked_sigma,
    check_choice,
    check_flagfrac,
    check_kernel_size,
    check_sigma,
    check_switch,
    edge_of,
)


@dataclass(frozen=True)
class Parameter:
    """A parameter of the step, without its name and default.

    Attributes
    ----------
    keyword : str
        Its keyword in mask files.
    help : str
        What it does, in a sentence.
    check : callable
        Takes a value, and `name` for errors. Returns the value, normalised; raises TypeError or
        ValueError.
    changes_copies : bool
        Whether the content of a flagged copy depends on it.
    """

    keyword: str
    help: str
    check: Callable[..., Any]
    changes_copies: bool = True


def _parameter(
    default: Any, keyword: str, text: str, check: Callable[..., Any] = check_switch, **how: Any
) -> Any:
    return field(default=default, metadata={"about": Parameter(keyword, text, check, **how)})


_off = partial(_parameter, False)  # noqa: FBT003
_fraction = partial(_parameter, FLAGFRAC, check=check_flagfrac)
_output = partial(_off, changes_copies=False)


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The parameters of the step, checked and normalised; see `badpix_selfcal.selfcal`.

    A default can be read from the class: ``Parameters.kernel_size``. The `edge` of an instance is
    never "auto". If `sigma_upper` is None, the number of exposures decides (`upper_cut`).

    Raises
    ------
    TypeError, ValueError
        If a parameter has a wrong type or value, or serves the other cut only.
    """

    cut: Cut = _parameter(  # noqa: RUF009
        "fraction",
        "BPXCUT",
        "fraction: flag fixed fractions of the pixels, as jwst does; sigma: flag what stands out "
        "from the noise, recommended for science",
        partial(check_choice, CUTS),
    )
    kernel_size: int = _parameter(
        KERNEL_SIZE, "BPXKERN", "samples in the running median, odd", check_kernel_size
    )
    flagfrac_lower: float = _fraction("BPXFLOW", "fraction to flag at the low end")
    flagfrac_upper: float = _fraction("BPXFHIGH", "fraction to flag at the high end")
    sigma_lower: float = _parameter(
        SIGMA_LOWER,
        "BPXSLOW",
        "low sigma cut, positive, in units of the noise; a greater one flags fewer pixels",
        check_sigma,
    )
    sigma_upper: float | None = _parameter(
        None,
        "BPXSHIGH",
        f"high sigma cut, in units of the noise (default: {upper_cut(1)} for one exposure, falling "
        f"to {upper_cut(max(UPPER_CUTS))} for {max(UPPER_CUTS)} and more)",
        check_asked_sigma,
    )
    grow: bool = _off("BPXGROW", "flag the neighbours that bright pixels light up")
    dispaxis: AskedDispaxis = _parameter(  # noqa: RUF009
        "auto",
        "BPXDISP",
        "dispersion axis: 1 (along x), 2 (along y), none (a square window), auto (from the header)",
        check_asked_dispaxis,
    )
    edge: AskedEdge = _parameter(  # noqa: RUF009
        "auto",
        "BPXEDGE",
        "pixels outside the image are 0 (zero) or ignored (shrink; auto: with the sigma cut)",
        partial(check_choice, EDGES),
    )
    force_single: bool = _off("BPXALONE", "go on with the science exposure alone")
    spare_crowded: bool = _off("BPXSPARE", "flag no pixel of crowded rows (a trace, a slit's edge)")
    save_flagged_bkg: bool = _output("BPXBKG", "write the flagged backgrounds too")
    save_mask: bool = _output("BPXSAVE", "write the mask too, a JWST MASK reference file")
    report: bool = _output("BPXREPT", 'write a page that shows the mask too (extra "report")')
    copy_skipped: bool = _output("BPXCOPY", "write unflagged copies, marked SKIPPED, if skipped")
    force: bool = _output("BPXFORCE", "use flagged or calibrated exposures, several MIRI detectors")

    def __post_init__(self) -> None:
        """Check every value and keep it normalised."""
        for name, parameter in self.by_name().items():
            object.__setattr__(self, name, parameter.check(getattr(self, name), name=name))
        refuse_other_cut(self.cut, vars(self))
        object.__setattr__(self, "edge", edge_of(self.edge, self.cut))

    @property
    def needs_errors(self) -> bool:
        """Whether the cut uses the ERR of the exposures."""
        return self.cut == "sigma"

    def for_exposures(self, n_exposures: int) -> Parameters:
        """Return the parameters with the cuts that a mask of some exposures is made with."""
        if self.cut != "sigma" or self.sigma_upper is not None:
            return self
        return replace(self, sigma_upper=upper_cut(n_exposures))

    @classmethod
    def among(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the parameters among the arguments of a function: ``among(locals())``."""
        return cls(**{name: arguments[name] for name in cls.by_name()})

    @classmethod
    def by_name(cls) -> dict[str, Parameter]:
        """Return the parameters by name, in order."""
        return {each.name: each.metadata["about"] for each in fields(cls)}

    def of_copies(self) -> dict[str, Any]:
        """Return the parameters on which the content of a copy depends, by name."""
        return {
            name: getattr(self, name)
            for name, parameter in self.by_name().items()
            if parameter.changes_copies
            and all(name not in OF_CUT[other] for other in CUTS if other != self.cut)
        }

    def as_text(self) -> str:
        """Return these parameters as ``name=value``."""
        return " ".join(f"{name}={value}" for name, value in self.of_copies().items())
