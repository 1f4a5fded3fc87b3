"""How to cite a mask: the methods text of its run, and BibTeX entries."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from .._kernels import __version__
from ..arrays.bad_pixels import blunt_factor
from ..arrays.display import counted
from ..arrays.images import NOISIER
from ..masks.mask import Mask
from ..parameters import Parameters
from .shown import images_of

MODES: Final = {
    "MIR_MRS": "MIRI MRS ",
    "NRS_IFU": "NIRSpec IFU ",
    "NRS_MSASPEC": "NIRSpec MOS ",
    "NRS_FIXEDSLIT": "NIRSpec fixed-slit ",
}
"""What exposures are called, by their EXP_TYPE."""


def bibtex_of(mask: Mask) -> str:
    """Return the entries of the version that found a mask, and of the pipeline."""
    text = Path(__file__).with_name("citation.bib").read_text(encoding="utf-8")
    return text.replace(f"{{{__version__}}}", f"{{{mask.version}}}")


def methods_of(mask: Mask) -> str:
    """Return how the flags of a mask were found, in sentences for a paper.

    Empty without the parameters.
    """
    (_, found), how = images_of(mask), mask.parameters
    if how is None:
        return ""
    number = sum(each.same_as is None for each in mask.used)  # each once
    how, usual = (each.for_exposures(max(number, 1)) for each in (how, Parameters(cut=how.cut)))
    given = (
        f"{name} = {value}"
        for name, value in how.of_copies().items()
        if name == "cut" or value != getattr(usual, name)
    )
    line, flagged = "column" if mask.dispaxis == 2 else "row", int(mask.flags.sum())
    sentences = (
        *_exposures(mask, how, number),
        _median(mask, how),
        _cut(mask, how, max(number, 1)),
        how.grow
        and "The four neighbours of a bright flagged pixel were flagged as well if the "
        "light that spreads to them exceeds the upper cut.",
        how.spare_crowded
        and f"Pixels of {line}s crowded with flags were not flagged "
        f"({counted(len(mask.crowded), line)}).",
        f"{counted(flagged, 'pixel')} ({found.share:g} % of those with a value) "
        f"{'was' if flagged == 1 else 'were'} flagged: {found.n_low} at the low end and "
        f"{found.n_high} at the high end.",
        f"All parameters but {', '.join(given)} had their default values.",
    )
    return " ".join(each for each in sentences if each)


def _exposures(mask: Mask, how: Parameters, number: int) -> tuple[str, ...]:
    """Return what was searched for bad pixels, how, and how its minimum image was made."""
    keywords = ("DETECTOR", "CHANNEL", "BAND", "FILTER", "GRATING")
    cards = {each: str(mask.about.get(each, "")).strip() for each in keywords}
    of = ", ".join(f"{keyword.lower()} {value}" for keyword, value in cards.items() if value)
    text = counted(number, f"JWST {MODES.get(mask.exp_type, '')}exposure") + f" ({of})" * bool(of)
    unused = [each for each in mask.members if each.problem]
    if unused:
        were = "exposure was" if len(unused) == 1 else "exposures were"
        text += f"; {len(unused)} further {were} not used"
        text += " because of more noise" * all(each.noise > NOISIER for each in unused)
    made = []
    if any(each.pedestal is not None for each in mask.used):
        of_them = "each exposure" if number > 1 else "the exposure"
        made.append(f"the median of the unlit gap was subtracted from {of_them}")
    if number > 1:
        made.append("the exposures were combined into their pixelwise minimum")
    steps = ", and ".join(made)
    return (
        f"Bad pixels were identified by self-calibration of {text}.",
        f"badpix-selfcal {mask.version} was used, which follows the badpix_selfcal step of the "
        "JWST Calibration Pipeline"
        f"{', but with a cut in units of the noise' * (how.cut == 'sigma')}.",
        f"{steps[0].upper()}{steps[1:]}." if steps else "",
    )


def _median(mask: Mask, how: Parameters) -> str:
    """Return which running median was subtracted."""
    size, axis = how.kernel_size, {1: "x", 2: "y"}.get(mask.dispaxis or 0)
    square = f"a square of {size} × {size} pixels"
    window = f"{counted(size, 'pixel')} along the dispersion (image axis {axis})"
    beyond = "counting as 0" if how.edge == "zero" else "ignored"
    return (
        f"A running median over {window if axis else square} was subtracted from the image, with "
        f"pixels beyond the border {beyond}."
    )


def _cut(mask: Mask, how: Parameters, number: int) -> str:
    """Return which pixels were flagged."""
    if how.cut == "fraction":
        low, high = (f"{100 * each:.6g} %" for each in (how.flagfrac_lower, how.flagfrac_upper))
        return f"The lowest {low} and the highest {high} of the residuals were flagged."
    upper = how.sigma_upper or 0.0
    both = "in both directions"
    if mask.dispaxis is not None:
        both = "along the dispersion and across it"
    return (
        f"Pixels were flagged that lie more than {how.sigma_lower:.6g} times the noise of one "
        f"exposure below or {upper * blunt_factor(number):.6g} times above their surroundings, "
        f"{both}, and groups of pixels more than {upper:.6g} times the noise above theirs with "
        "edges sharper than light can have."
    )
