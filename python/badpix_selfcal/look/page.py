"""The page of a mask: a single HTML file without any reference to the network.

`page.html` is its text, `page.css` its look, and `page.js` what it does: bokeh's own scripts draw
the images, the profiles and the spectrum of a slice in the browser. All other pictures are SVG,
drawn by matplotlib, in the colours of the page.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .._kernels import __version__
from ..arrays import display
from ..arrays.checks import FloatArray
from ..arrays.display import NAMES_OF_AXES, counted
from ..errors import visible, warn
from ..instrument import NAMES
from ..masks.mask import Mask
from . import require, shown
from .citation import bibtex_of, methods_of
from .layers import bits_layer, float_layer, growth_layer, packed, plain_layer
from .left import LEVEL
from .verdict import Judgement, finite_or_none, judge

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS: Final = {
    "low": "#3b8fd1",
    "high": "#e66100",
    "plain": "#8a8a8a",
    "ground": "#20242c",
    "missing": "#808080",
    "left": "#dc267f",
    "dq": ["#20242c", "#56b4e9", "#f0e442", "#808080"],
}
"""Colours that differ for colour-blind readers, on light and on dark ground. Those of DQ: 0, some
bit, DO_NOT_USE, no light."""

INKS: Final = {
    display.LOW.lower(): "var(--low)",
    display.HIGH.lower(): "var(--high)",
    "#000000": "currentColor",
    "#ffffff": "var(--ground)",
}
"""The colours of the page for those of a figure, so that it follows light and dark."""

MOST_LINES: Final = 20
"""Exposures drawn in each small picture."""

MOST_DOTS: Final = 20000
"""Flags of each end that are drawn as dots, which are visible without zooming in."""

SAMPLE: Final = 97
"""Every so many pixels serve to choose the limits of colours; a prime: no column repeats."""

_one_figure_at_a_time = threading.Lock()
"""Settings of matplotlib belong to the process."""


@cache
def require_extra() -> tuple[str, ...]:
    """Return the scripts of bokeh, which a page contains; refuse if the extra is not installed.

    Only these are taken from bokeh: its import, and figures made in Python, would take longer than
    all the rest of a page.
    """
    require("report", "bokeh", "jinja2", "matplotlib")
    folder = Path(find_spec("bokeh").origin).parent / "server/static/js"  # type: ignore[arg-type, union-attr]
    try:
        names = ("bokeh.min.js", "bokeh-api.min.js")
        return tuple((folder / name).read_text(encoding="utf-8") for name in names)
    except OSError as error:
        remedy = 'pip install "badpix-selfcal[report]"'
        raise RuntimeError(f"a page needs the scripts of bokeh ({error}): {remedy}") from error


def page_of(mask: Mask) -> tuple[str, Judgement]:
    """Return the page of a mask, and the judgement that it shows.

    The exposures are read again for the profiles of single pixels. If they cannot be, the page says
    so, and shows the minimum image alone.
    """
    libraries = require_extra()  # raises before anything is computed
    (minimum, found), slices = shown.images_of(mask), shown.slices_of(mask)
    judgement, columns = judge(mask), minimum.shape[1]
    numbers = judgement.numbers
    left = [each["row"] * columns + each["column"] for each in numbers["sharp_left_at"]]
    chosen = {
        "strongest": shown.strongest(found),
        "borderline": shown.borderline(found),
        "left": left[: shown.IN_GALLERY],
    }
    flagged = shown.flagged_first(found)
    first = [flat for each in chosen.values() for flat in each]
    pixels = np.concatenate([first, flagged[found.groups.first], flagged, shown.near_cuts(found)])
    pixels = pixels.astype(np.intp)
    pixels = pixels[np.sort(np.unique(pixels, return_index=True)[1])]  # each once
    strips = shown.strips_of(mask, pixels)
    if strips.problems:
        many, why = counted(len(strips.problems), "exposure"), next(iter(strips.problems.values()))
        warn(f"{mask.name}: the page does not show {many}: {why}")
    page = rendered(
        "page.html",
        title=f"{mask.name}: {judgement.verdict}",
        history=mask.origin,
        about=shown.mode_of(mask, "TELESCOP", "INSTRUME"),
        mask=mask,
        judgement=judgement,
        numbers=numbers,
        facts_in_page=facts_of(mask.name, judgement),
        is_sigma=found.significance is not None,
        strips=strips,
        wanted=len(pixels),
        source=slices.source,
        figure=partial(_figure, mask),
        galleries={name: [*_gallery(mask, each, strips)] for name, each in chosen.items()},
        parameters=mask.parameters.of_copies() if mask.parameters else {},
        methods=methods_of(mask),
        bibtex=bibtex_of(mask),
        now=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S} UTC",
        settings=_settings(mask, judgement, strips, slices),
        layers=[
            *_layers(mask, numbers["scatter_before"] or 1.0, flagged, strips, slices),
            *(packed(f"library-{number}", code) for number, code in enumerate(libraries)),
        ],
    )
    return page, judgement


def rendered(template: str, **values: Any) -> str:
    """Return one of the templates of this package, filled. Values are escaped, but not `Markup`."""
    return str(_templates().get_template(template).render(**values))


@cache
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    folder = Path(__file__).parent
    found = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value, "\n\t") if type(value) is str else value,
    )
    found.globals |= {
        "axes": NAMES_OF_AXES,
        "colours": COLOURS,
        "counted": counted,
        "in_gallery": shown.IN_GALLERY,
        "level": LEVEL,
        "most_lines": MOST_LINES,
        "version": __version__,
        "file": lambda name: Markup((folder / name).read_text(encoding="utf-8")),
    }
    found.filters["shown"] = lambda value: (
        "none" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
    )
    found.policies["json.dumps_kwargs"] = {"allow_nan": False}
    return found


def facts_of(name: str, judgement: Judgement) -> dict[str, Any]:
    """Return the numbers of a page, its verdict and the reasons, as values that JSON can hold."""
    return {
        "name": name,
        "verdict": judgement.verdict,
        "why": judgement.why,
        "command": judgement.command or None,
        "reasons": {each.name: each.verdict for each in judgement.reasons},
        **judgement.numbers,
    }


def _figure(mask: Mask, name: str, width: float, label: str) -> Any:
    """Return a figure without its title, which the page has as a heading."""
    from matplotlib.figure import Figure

    from . import figures

    # The user's default layout may be another; the stub does not know "none".
    figure = Figure(figsize=(width, 3.9), layout="none")  # type: ignore[arg-type]
    axes = figure.add_axes((0.6 / width, 0.24, 1 - 0.7 / width, 0.73))
    getattr(figures, name)(mask, ax=axes)
    axes.set_title("", loc="left")
    for note in axes.texts:
        note.remove()
    axes.spines[["top", "right"]].set_visible(False)
    return _svg(figure, label)


def _gallery(
    mask: Mask, pixels: Sequence[int], strips: shown.Strips
) -> Iterator[dict[str, object]]:
    """Return the small pictures of some pixels."""
    from .figures import small_profiles

    minimum, found = shown.images_of(mask)
    what = "residual" if found.significance is None else "significance"
    for flat, figure in zip(pixels, small_profiles(mask, pixels, strips, MOST_LINES), strict=True):
        row, column = pixel = divmod(flat, minimum.shape[1])
        end = shown.end_of(found, pixel) or "not flagged"
        value = np.format_float_positional(found.compared[pixel], 4, fractional=False, trim="-")
        label = f"column {column}, row {row}: {what} {value}, {end}"
        yield {"pixel": flat, "label": label, "svg": _svg(figure, "profiles along and across")}


def _svg(figure: Figure, label: str) -> Any:
    """Return a figure as an element of a page: in its colours, its text as text, and small."""
    import matplotlib as mpl
    from markupsafe import Markup

    drawn = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with _one_figure_at_a_time, mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg", transparent=True, metadata=nothing)
    begin, _, text = drawn.getvalue().partition("<defs>")
    for colour, ink in INKS.items():
        text = text.replace(colour, ink)
    text = re.sub(r' id="[a-zA-Z]\w*_\d+"', "", text)  # the same in every figure
    text = re.sub(r"\s*\n\s*", " ", re.sub(r"(?<=\.\d\d)\d+", "", text))
    view = begin[begin.index("viewBox=") :].partition(" version")[0]
    return Markup(f'<svg {view} role="img" aria-label="{label}"><defs>{text}')


def _settings(
    mask: Mask, judgement: Judgement, strips: shown.Strips, slices: shown.Parts
) -> dict[str, Any]:
    """Return what `page.js` needs besides the layers."""
    minimum, found = shown.images_of(mask)
    numbers, unit = judgement.numbers, mask.unit or "unit of SCI"
    along, across = ("row", "column") if mask.dispaxis == 2 else ("column", "row")
    which = "" if mask.dispaxis is None else ", {} the dispersion"
    scatter = numbers["scatter_before"] or 1.0

    def levels(image: FloatArray) -> tuple[float, float]:
        sample = image.ravel()[::SAMPLE]
        sample = sample[np.isfinite(sample)]
        least, most = np.percentile(sample, (1, 99)) if sample.size else (0.0, 1.0)
        return float(least), float(max(most, least + scatter))

    member, science = strips.science or (None, minimum)
    wavelengths = None
    if member is not None:
        wavelengths = shown.wavelengths_of(member.exposure, slices, 0 if along == "row" else 1)
    panels: dict[str, tuple[str, tuple[float, float] | None]] = {
        "minimum": (f"Minimum image, {unit}", levels(minimum)),
        "residual": (f"Residual, {unit}", (-6 * scatter, 6 * scatter)),
        "significance": ("Significance", (-6.0, 6.0)),
        "mask": ("Mask", None),
        "science": (f"Science exposure, {unit}", levels(science)),
        "dq": ("DQ of the first flagged exposure, before", None),
    }
    known = {"significance": found.significance, "dq": mask.dq, "science": member}
    return {
        "shape": [*minimum.shape],
        "unit": unit,
        "along": along,
        "wavelengths": wavelengths,
        "ways": {"along": along + which.format("along"), "across": across + which.format("across")},
        "cuts": [finite_or_none(found.cut_low), finite_or_none(found.cut_high)],
        "reach": {"along": shown.ALONG, "across": shown.ACROSS},
        "panels": [
            {"name": name, "title": title, "limits": limits}
            for name, (title, limits) in panels.items()
            if known.get(name, panels) is not None
        ],
        "left": [[each["column"], each["row"]] for each in numbers["sharp_left_at"]],
        "exposures": [*strips.names],
        "slices": [*numbers["slices"]],
        "bits": [*NAMES],
        "most_dots": MOST_DOTS,
        "colours": COLOURS,
    }


def _layers(
    mask: Mask,
    scatter: float,
    flagged: NDArray[np.intp],
    strips: shown.Strips,
    slices: shown.Parts,
) -> list[Any]:
    """Return the arrays of a page, compressed in several threads.

    It holds the running median instead of the residual, as it has no peaks.
    """
    minimum, found = shown.images_of(mask)
    residual = found.residual
    places, inside = shown.places_of(strips.pixels, minimum.shape, mask.dispaxis)

    def cut(image: FloatArray) -> FloatArray:
        return np.where(inside, image.ravel()[places], np.float32(np.nan)).astype(np.float32)

    with np.errstate(invalid="ignore"):
        median = np.where(np.isinf(residual), residual.dtype.type(0), minimum - residual)
        above = strips.values - cut(minimum)
        exact = found.compared.ravel()[strips.pixels].astype(np.float32)
    tasks: list[tuple[Any, ...]] = [
        (float_layer, "minimum", minimum, scatter),
        (float_layer, "median", median, scatter),
        (growth_layer, "strips", above, scatter),
        (plain_layer, "slices", slices.number),
        (plain_layer, "flagged", flagged.astype(np.uint32)),
        (plain_layer, "is_high", found.high.ravel()[flagged].astype(np.uint8)),
        (plain_layer, "sizes", found.groups.size.astype(np.uint32)),
        (plain_layer, "strip_pixels", strips.pixels.astype(np.uint32)),
        (plain_layer, "compared", exact.view(np.uint32)),
    ]
    if found.significance is not None:
        tasks.append((float_layer, "significance", found.significance, 1.0))
    if found.noise is not None:
        tasks.append((growth_layer, "noise", cut(found.noise), scatter))
    if strips.science is not None:
        with np.errstate(invalid="ignore"):
            tasks.append((growth_layer, "science", strips.science[1] - minimum, scatter))
    if mask.dq is not None:
        tasks.append((bits_layer, "dq", mask.dq))
    with ThreadPoolExecutor() as threads:
        return [*threads.map(lambda task: task[0](*task[1:]), tasks)]
