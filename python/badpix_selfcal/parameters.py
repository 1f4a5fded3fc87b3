"""The parameters of the step: names, defaults, allowed values, help texts. Each is defined once.

`Parameters` is the list. The signatures of the public functions, the options of the command line
and the HISTORY entry of an output take names, defaults and checks from it. Names and defaults are
those of ``jwst``'s ``badpix_selfcal`` step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

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

__all__ = [
    "FLAGFRAC",
    "KERNEL_SIZE",
    "UPPER_CUTS",
    "Parameter",
    "Parameters",
    "upper_cut",
]


def _upper_cuts() -> str:
    """Return the default of the high sigma cut in words."""
    (_, one), *_, (most, last) = UPPER_CUTS.items()
    return f"{one} for one exposure, falling to {last} for {most} and more"


@dataclass(frozen=True)
class Parameter:
    """A parameter of the step, without its name and default.

    Attributes
    ----------
    check : callable
        Takes a value, and `name` for errors. Returns the value, normalised; raises TypeError or
        ValueError.
    help : str
        The help text on the command line.
    metavar : str
        The placeholder of a value on the command line.
    choices : mapping of str to object
        The words of the command line and their values, for a parameter that takes only a few.
    changes_copies : bool
        Whether the content of a flagged copy depends on it.
    of_cut : {"fraction", "sigma", None}
        The only cut that uses it; None: both do.
    """

    check: Callable[..., Any]
    help: str
    metavar: str = ""
    choices: Mapping[str, Any] = field(default_factory=dict)
    changes_copies: bool = True
    of_cut: Cut | None = None


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

    cut: Cut = field(
        default="fraction",
        metadata={
            "about": Parameter(
                check_cut,
                "fraction: flag fixed fractions of the pixels, as jwst does; sigma: flag what "
                "stands out from the noise, recommended for science",
                metavar="CUT",
                choices={"fraction": "fraction", "sigma": "sigma"},
            )
        },
    )
    kernel_size: int = field(
        default=KERNEL_SIZE,
        metadata={
            "about": Parameter(
                check_kernel_size,
                "samples in the running median, odd",
                metavar="K",
            )
        },
    )
    flagfrac_lower: float = field(
        default=FLAGFRAC,
        metadata={
            "about": Parameter(
                check_flagfrac,
                "fraction to flag at the low end",
                metavar="F",
                of_cut="fraction",
            )
        },
    )
    flagfrac_upper: float = field(
        default=FLAGFRAC,
        metadata={
            "about": Parameter(
                check_flagfrac,
                "fraction to flag at the high end",
                metavar="F",
                of_cut="fraction",
            )
        },
    )
    sigma_lower: float = field(
        default=SIGMA_LOWER,
        metadata={
            "about": Parameter(
                check_sigma,
                "low sigma cut, in units of the noise",
                metavar="S",
                of_cut="sigma",
            )
        },
    )
    sigma_upper: float | None = field(
        default=None,
        metadata={
            "about": Parameter(
                check_asked_sigma,
                f"high sigma cut, in units of the noise (default: {_upper_cuts()})",
                metavar="S",
                of_cut="sigma",
            )
        },
    )
    grow: bool = field(
        default=False,
        metadata={
            "about": Parameter(
                check_switch,
                "flag the neighbours that bright pixels light up",
                of_cut="sigma",
            )
        },
    )
    dispaxis: AskedDispaxis = field(
        default="auto",
        metadata={
            "about": Parameter(
                check_asked_dispaxis,
                "dispersion axis: 1 (along x), 2 (along y), none (a square window), auto (from the "
                "header)",
                metavar="AXIS",
                choices={"auto": "auto", "1": 1, "2": 2, "none": None},
            )
        },
    )
    edge: AskedEdge = field(
        default="auto",
        metadata={
            "about": Parameter(
                check_asked_edge,
                "pixels outside the image are 0 (zero) or ignored (shrink; auto: with the sigma "
                "cut)",
                metavar="RULE",
                choices={"auto": "auto", "zero": "zero", "shrink": "shrink"},
            )
        },
    )
    force_single: bool = field(
        default=False,
        metadata={
            "about": Parameter(
                check_switch,
                "go on with the science exposure alone",
            )
        },
    )
    spare_crowded: bool = field(
        default=False,
        metadata={
            "about": Parameter(
                check_switch,
                "flag no pixel of crowded rows (a trace, a slit's edge)",
            )
        },
    )
    save_flagged_bkg: bool = field(
        default=False,
        metadata={
            "about": Parameter(
                check_switch,
                "write the flagged backgrounds too",
                changes_copies=False,
            )
        },
    )
    save_mask: bool = field(
        default=False,
        metadata={
            "about": Parameter(
                check_switch,
                "write the mask too, a JWST MASK reference file",
                changes_copies=False,
            )
        },
    )
    report: bool = field(
        default=False,
        metadata={
            "about": Parameter(
                check_switch,
                'write a page that shows the mask too (extra "report")',
                changes_copies=False,
            )
        },
    )
    copy_skipped: bool = field(
        default=False,
        metadata={
            "about": Parameter(
                check_switch,
                "write unflagged copies, marked SKIPPED, if skipped",
                changes_copies=False,
            )
        },
    )
    force: bool = field(
        default=False,
        metadata={
            "about": Parameter(
                check_switch,
                "use flagged exposures, or several MIRI detectors at once",
                changes_copies=False,
            )
        },
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
