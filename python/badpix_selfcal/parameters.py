"""The parameters of the step: name, default, check, a sentence of help and header keyword, once.

The signatures of the public functions, the command line, the HISTORY of an output and the cards of
a mask file take them from here. Names and defaults are those of jwst's ``badpix_selfcal`` step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from .arrays.bad_pixels import FLAGFRAC, KERNEL_SIZE, SIGMA_LOWER, UPPER_CUTS, upper_cut
from .arrays.checks import (
    AskedDispaxis,
    AskedEdge,
    Cut,
    check_asked_dispaxis,
    check_asked_edge,
    check_asked_sigma,
    check_cut,
    check_flagfrac,
    check_kernel_size,
    check_sigma,
    check_switch,
    edge_of,
)

__all__ = ["FLAGFRAC", "KERNEL_SIZE", "UPPER_CUTS", "Parameter", "Parameters", "upper_cut"]


@dataclass(frozen=True)
class Parameter:
    """A parameter of the step, without its name and default.

    Attributes
    ----------
    check : callable
        Takes a value, and `name` for errors. Returns the value, normalised; raises TypeError or
        ValueError.
    keyword : str
        Its keyword in mask files.
    help : str
        What it does, in a sentence.
    of_cut : {"fraction", "sigma", None}
        The only cut that uses it; None: both do.
    changes_copies : bool
        Whether the content of a flagged copy depends on it.
    """

    check: Callable[..., Any]
    keyword: str
    help: str
    of_cut: Cut | None = None
    changes_copies: bool = True


def _parameter(
    default: object,
    check: Callable[..., Any],
    keyword: str,
    text: str,
    *,
    of_cut: Cut | None = None,
    changes_copies: bool = True,
) -> Any:
    about = Parameter(check, keyword, text, of_cut, changes_copies)
    return field(default=default, metadata={"about": about})


def _switch(keyword: str, text: str, **about: Any) -> Any:
    return _parameter(False, check_switch, keyword, text, **about)  # noqa: FBT003


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The parameters of the step, checked and normalised; see `badpix_selfcal.selfcal`.

    A default can be read from the class: ``Parameters.kernel_size``. The `edge` of an instance is
    never "auto". If `sigma_upper` is None, the number of exposures decides (`upper_cut`).

    Raises
    ------
    TypeError, ValueError
        If a parameter has a wrong type or value.
    """

    cut: Cut = _parameter(  # noqa: RUF009
        "fraction", check_cut, "BPXCUT",
        "fraction: flag fixed fractions of the pixels, as jwst does; sigma: flag what stands out "
        "from the noise, recommended for science",
    )  # fmt: skip
    kernel_size: int = _parameter(
        KERNEL_SIZE, check_kernel_size, "BPXKERN", "samples in the running median, odd"
    )
    flagfrac_lower: float = _parameter(
        FLAGFRAC, check_flagfrac, "BPXFLOW", "fraction to flag at the low end", of_cut="fraction"
    )
    flagfrac_upper: float = _parameter(
        FLAGFRAC, check_flagfrac, "BPXFHIGH", "fraction to flag at the high end", of_cut="fraction"
    )
    sigma_lower: float = _parameter(
        SIGMA_LOWER, check_sigma, "BPXSLOW", "low sigma cut, in units of the noise", of_cut="sigma"
    )
    sigma_upper: float | None = _parameter(
        None, check_asked_sigma, "BPXSHIGH",
        f"high sigma cut, in units of the noise (default: {upper_cut(1)} for one exposure, falling "
        f"to {upper_cut(max(UPPER_CUTS))} for {max(UPPER_CUTS)} and more)",
        of_cut="sigma",
    )  # fmt: skip
    grow: bool = _switch(
        "BPXGROW", "flag the neighbours that bright pixels light up", of_cut="sigma"
    )
    dispaxis: AskedDispaxis = _parameter(  # noqa: RUF009
        "auto", check_asked_dispaxis, "BPXDISP",
        "dispersion axis: 1 (along x), 2 (along y), none (a square window), auto (from the header)",
    )  # fmt: skip
    edge: AskedEdge = _parameter(  # noqa: RUF009
        "auto", check_asked_edge, "BPXEDGE",
        "pixels outside the image are 0 (zero) or ignored (shrink; auto: with the sigma cut)",
    )  # fmt: skip
    force_single: bool = _switch("BPXALONE", "go on with the science exposure alone")
    spare_crowded: bool = _switch(
        "BPXSPARE", "flag no pixel of crowded rows (a trace, a slit's edge)"
    )
    save_flagged_bkg: bool = _switch(
        "BPXBKG", "write the flagged backgrounds too", changes_copies=False
    )
    save_mask: bool = _switch(
        "BPXSAVE", "write the mask too, a JWST MASK reference file", changes_copies=False
    )
    report: bool = _switch(
        "BPXREPT", 'write a page that shows the mask too (extra "report")', changes_copies=False
    )
    copy_skipped: bool = _switch(
        "BPXCOPY", "write unflagged copies, marked SKIPPED, if skipped", changes_copies=False
    )
    force: bool = _switch(
        "BPXFORCE", "use flagged exposures, or several MIRI detectors at once", changes_copies=False
    )

    def __post_init__(self) -> None:
        """Check every value and keep it normalised."""
        for name, parameter in self.by_name().items():
            object.__setattr__(self, name, parameter.check(getattr(self, name), name))
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

    def as_text(self) -> str:
        """Return ``name=value`` of all parameters on which the content of a copy depends."""
        return " ".join(
            f"{name}={getattr(self, name)}"
            for name, parameter in self.by_name().items()
            if parameter.changes_copies and parameter.of_cut in (None, self.cut)
        )
