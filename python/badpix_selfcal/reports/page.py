"""The page of one group: a single HTML file without any reference to the network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .._kernels import __version__
from ..arrays.summary import NAMES_OF_AXES, counted
from ..parameters import Parameters
from ..step.group_mask import GroupMask
from ..step.mask_file import history_of
from ..views.pixels import IN_GALLERY, ranked
from ..views.regions import slices_of
from .bokeh_scripts import bokeh_scripts
from .content import DQ_COLOURS, HIGH, LOW, MASK_COLOURS, PLAIN, layers_of, settings_of, unit_of
from .cuts import Strips, strips_of
from .gallery import MOST_LINES, gallery
from .judgement import Judgement, judge
from .left import LEVEL
from .tables import exposure_table, fact_table, left_table, limit_table, part_table

__all__ = ["Page", "document", "facts_of", "page_of"]

_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)
"""What a browser may load: nothing."""


_SIGMA: Final = (
    "that stand out from the noise along and across the dispersion, or that form a group with "
    "edges sharper than light can have"
)
"""Which pixels the sigma cut flags at the high end."""


@dataclass(frozen=True)
class Page:
    """A page, and the judgement that it shows."""

    html: str
    judgement: Judgement


def document(title: str, body: Iterable[str], history: str = "") -> str:
    """Return an HTML document in the style of the report, which records how it was made."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width">',
            '<link rel="icon" href="data:,">',
            f'<meta name="history" content="{escape(history)}">',
            f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>",
            *body,
            "</body>\n</html>\n",
        ]
    )


def page_of(mask: GroupMask) -> Page:
    """Return the page of a mask.

    The exposures are read again for the cuts of single pixels. If they cannot be, the page says so,
    and shows the minimum image alone.

    Raises
    ------
    RuntimeError
        If bokeh is not installed.
    """
    code = bokeh_scripts()  # raises before anything is computed
    judgement = judge(mask)
    pixels, slices = ranked(mask.bad_pixels), slices_of(mask)
    left = _left(judgement, mask.minimum.shape[1])
    first = (pixels.strongest, pixels.borderline, left[:IN_GALLERY], pixels.brightest)
    shown = np.concatenate([*first, pixels.flagged, pixels.near])
    shown = shown[np.sort(np.unique(shown, return_index=True)[1])]  # each pixel once
    strips = strips_of(mask, shown)
    body = [
        *_head(mask, judgement),
        _data("numbers", facts_of(mask.name, judgement)),  # early: others read it from the file
        *_images(mask, _pixel(strips, len(shown))),
        *_histogram(mask),
        *_counts(slices.source),
        "<h2>Gallery</h2>",
        f'<p class="note">The {IN_GALLERY} strongest groups of flags, each at its brightest pixel, '
        "then the pixels nearest to the cuts: flagged ones, then others. Each picture: the cut "
        "along the dispersion, then across it, on "
        f"one scale; lines as above, at most {MOST_LINES} exposures. Good: the strongest are "
        "single peaks, or groups that begin and end within a pixel, in every exposure, and the "
        "borderline ones peaks too, though small. A click selects the pixel.</p>",
        "<h3>Strongest</h3>",
        gallery(mask, pixels.strongest, strips),
        "<h3>Borderline</h3>",
        gallery(mask, pixels.borderline, strips),
        *_remains(mask, judgement, gallery(mask, left[:IN_GALLERY], strips)),
        *_spectrum(mask, slices.names),
        *_tables(mask, judgement, strips),
        _data("settings", settings_of(mask, judgement, slices, strips)),
        *(
            f'<script type="text/plain" id="layer-{each.name}" '
            f"data-about='{json.dumps(each.about)}'>{each.text}</script>"
            for each in layers_of(mask, judgement, slices, pixels, strips)
        ),
        *(f"<script>{each}</script>" for each in code),
        f"<script>{Path(__file__).with_name('page.js').read_text(encoding='utf-8')}</script>",
    ]
    return Page(document(f"{mask.name}: {judgement.verdict}", body, history_of(mask)), judgement)


def _left(judgement: Judgement, columns: int) -> NDArray[np.intp]:
    """Return the brightest pixels of what is left, as flat indices."""
    places = judgement.numbers["sharp_left_at"]
    return np.array([each["row"] * columns + each["column"] for each in places], np.intp)


def facts_of(name: str, judgement: Judgement) -> dict[str, Any]:
    """Return the numbers of a page, its verdict and the reasons, as values that JSON can hold."""
    return {
        "name": name,
        "verdict": judgement.verdict,
        "reasons": {each.name: each.verdict for each in judgement.reasons},
        **judgement.numbers,
    }


def _data(name: str, value: Mapping[str, Any]) -> str:
    """Return values in a script element, which nothing in them can end."""
    text = json.dumps(value, allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'


def _head(mask: GroupMask, judgement: Judgement) -> list[str]:
    about = " ".join(
        str(mask.about[key])
        for key in ("TELESCOP", "INSTRUME", "DETECTOR", "CHANNEL", "BAND", "FILTER", "GRATING")
        if key in mask.about
    )
    against = [each for each in judgement.reasons if each.verdict != "TRUST"]
    reasons = [
        f"<li><b>{each.limit.label}: {each.value:.4g}{' %' * (each.limit.unit == '%')}</b> "
        f"({each.verdict}). {escape(each.limit.advice)}</li>"
        for each in against
    ]
    numbers = judgement.numbers
    share = (numbers["share_low"] or 0.0) + (numbers["share_high"] or 0.0)
    summary = (
        f"{numbers['low']} low + {numbers['high']} high = {numbers['flagged']} pixels flagged "
        f"in {counted(numbers['groups'], 'group')}, "
        f"{share:.3g} % of the {numbers['sensitive']} with a value, from "
        f"{counted(numbers['exposures'], 'exposure')}."
    )
    return [
        f'<h1>Bad pixels of {escape(mask.name)} <span class="note">{escape(about)}</span></h1>',
        f'<div class="verdict {judgement.verdict}" id="verdict"><strong>{judgement.verdict}'
        f"</strong>{escape(judgement.meaning)}<p>{escape(summary)}</p>",
        f"<ul>{''.join(reasons)}</ul>" if reasons else "",
        "<details><summary>All numbers that decide, and their limits</summary>",
        limit_table(judgement),
        "</details></div>",
        '<noscript><p class="verdict REJECT">The pictures need JavaScript.</p></noscript>',
    ]


def _images(mask: GroupMask, pixel: str) -> list[str]:
    key = "".join(
        f"{_key(colour)}{what}"
        for colour, what in zip(
            MASK_COLOURS, ("not flagged", "no value", "low", "high"), strict=True
        )
    )
    dq_key = "".join(
        f"{_key(colour)}{what}"
        for colour, what in zip(
            DQ_COLOURS, ("0", "some bit", "DO_NOT_USE", "no light"), strict=True
        )
    )
    notes = {
        "minimum": "The least value of all exposures, minus their pedestals. Good: after the "
        "flicker, bright pixels and groups are gone and the light of the target is whole.",
        "residual": "The minimum minus its running median along the dispersion. Good: grey noise "
        "with single spots, and no lines or edges.",
        "significance": "How far each pixel stands out from the light along and across the "
        "dispersion, in units of the noise; a flagged group with sharp edges may do so along it "
        "only. Good: as the residual, and equally smooth in bright and in dark parts.",
        "mask": f"{key}. Dots are larger than pixels. Good: single pixels and small groups, "
        "spread evenly, no lines.",
        "dq": f"{dq_key}. What was known before. Good: few of the new flags lie there.",
    }
    shown = ["minimum", "residual"]
    shown += ["significance"] * (mask.bad_pixels.significance is not None)
    shown += ["mask"] + ["dq"] * (mask.dq is not None)
    panels = [
        f'<div><div id="figure-{name}"></div><p class="note">{notes[name]}</p></div>'
        for name in shown
    ]
    return [
        '<h2 id="pictures">Images</h2>',
        '<p class="note">All images move together: drag, turn the wheel, or draw a box. A click '
        "selects a pixel. Rows and columns are counted from 0. Flagged pixels that touch are one "
        "group, and count as one flag, which selects the brightest of them; the strongest comes "
        'first. Circles: groups <a href="#left">left</a> far above the noise.</p>',
        '<div class="tools">'
        '<button id="flicker" aria-pressed="false">Flicker <kbd>f</kbd></button> '
        '<button id="previous">Previous flag <kbd>p</kbd></button> '
        '<button id="next">Next flag <kbd>n</kbd></button> '
        '<button id="zoom">Zoom to pixel <kbd>z</kbd></button> '
        '<button id="reset">Whole image <kbd>r</kbd></button> '
        '<span class="note">minimum image: <span id="state" aria-live="polite">as it was before'
        "</span>; arrow keys move the selected pixel while the images have the focus</span>"
        '<output id="pointer">Values appear here under the pointer.</output></div>',
        f'<div class="panels" id="images" tabindex="0">{"".join(panels)}{pixel}</div>',
    ]


def _histogram(mask: GroupMask) -> list[str]:
    is_sigma = mask.bad_pixels.significance is not None
    what = "significance" if is_sigma else "residual"
    flagged = f" Flagged are pixels {_SIGMA}." if is_sigma else ""
    return [
        "<h2>What is cut</h2>",
        '<div id="figure-histogram" class="single"></div>',
        f'<p class="note">Histogram of the {what}, with the cuts (dashed); values farther away '
        f"are in the first and the last bin.{flagged} Good: a narrow peak of noise, which ends "
        "before the cuts, and a flat tail of bad pixels beyond them.</p>",
    ]


def _counts(source: str) -> list[str]:
    return [
        "<h2>Where the flags are</h2>",
        '<div class="panels">',
        '<div><div id="figure-by-row"></div><p class="note">Flags in each row'
        f"{_ends()}. Good: no peak "
        "stands out.</p></div>",
        '<div><div id="figure-by-column"></div><p class="note">Flags in each column'
        f"{_ends()}. Good: no "
        "peak stands out.</p></div>",
        '<div><div id="figure-by-slice"></div><p class="note">Flags in each slice'
        f"{_ends()} "
        f"({escape(source)}). Good: about as many in each.</p></div>",
        "</div>",
    ]


def _pixel(strips: Strips, wanted: int) -> str:
    held = len(strips.pixels)
    note = (
        f"The page holds the exposures for {held} of {wanted} flagged, borderline and left pixels; "
        "for others it shows the minimum image and its median."
    )
    if strips.problems:
        absent = "; ".join(strips.problems.values())
        note = f"Not shown: {absent}. " + (note if strips.names else "Only the minimum is shown.")
    return (
        "<div><h3>The selected pixel</h3>"
        '<output id="selected" aria-live="polite">Click a pixel, or press n.</output>'
        '<div id="figure-along"></div><div id="figure-across"></div><p class="note">'
        f"{_key(LOW)}minimum image{_key(HIGH)}its running median (dashed){_key(PLAIN)}each "
        "exposure minus its pedestal; the band reaches from the lower to the upper cut: what lies "
        "beyond it is beyond the cut. Good for a flagged pixel: one narrow peak, or a group with "
        "sharp edges, beyond the band and equal in all exposures, along and across. "
        f'<span id="exposures-shown">{escape(note)}</span></p></div>'
    )


def _ends() -> str:
    return f"{_key(LOW)}low{_key(HIGH)}high"


def _key(colour: str) -> str:
    return f'<span class="key" style="background:{colour}"></span>'


def _remains(mask: GroupMask, judgement: Judgement, pictures: str) -> list[str]:
    """Return what is left above 20 times the noise: how much, pictures and places."""
    numbers = judgement.numbers
    places = numbers["sharp_left_at"]
    spared = numbers["sharp_left_spared"]
    on_purpose = f" {spared} of them lie in spared rows, left on purpose." if spared else ""
    listed = f" Listed and marked: the {len(places)} brightest." if places else ""
    table = left_table(places, mask.minimum.shape[1])
    return [
        '<h3 id="left">Left</h3>',
        f'<p class="note">{counted(numbers["sharp_left"], "group")} of '
        f"{counted(numbers['sharp_left_pixels'], 'pixel')} above {LEVEL:g} times the noise, with "
        "edges sharper than light can have, that neither the mask nor DQ flags; the brightest "
        f"first, each once.{on_purpose}{listed} Good: none.</p>",
        pictures,
        f"<details><summary>Places</summary>{table}</details>" if places else "",
    ]


def _spectrum(mask: GroupMask, names: tuple[str, ...]) -> list[str]:
    options = "".join(
        f'<option value="{place}">{escape(name)}</option>'
        for place, name in enumerate(names, start=1)
    )
    return [
        "<h2>Spectrum of a slice</h2>",
        f'<p><label>Slice <select id="slice">{options}</select></label></p>',
        '<div id="figure-spectrum" class="single"></div>',
        f'<p class="note">Mean of the minimum image across the slice, in {escape(unit_of(mask))}: '
        f"{_key(HIGH)}before, with flagged pixels; {_key(LOW)}after, without them. The scale is "
        "that of the spectrum after; spikes before may reach beyond it. Good: spikes are gone, and "
        "lines and continuum have not changed.</p>",
    ]


def _tables(mask: GroupMask, judgement: Judgement, strips: Strips) -> list[str]:
    parameters = {
        name: getattr(mask.parameters, name)
        for name, about in Parameters.by_name().items()
        if about.changes_copies and about.of_cut in (None, mask.parameters.cut)
    }
    made = {
        "found by": f"badpix-selfcal {mask.version}",
        "on": f"{mask.made} UTC",
        "page by": f"badpix-selfcal {__version__}",
        "page made": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S} UTC",
        "dispersion axis": NAMES_OF_AXES[mask.dispaxis],
        **{str(key): value for key, value in mask.about.items()},
    }
    return [
        "<h2>Tables</h2>",
        "<h3>Exposures</h3>",
        exposure_table(mask, judgement.numbers["odd_pedestals_of"], strips.problems),
        '<div class="tables">',
        f"<div><h3>Counts</h3>{fact_table(_counted(judgement.numbers), numbers=True)}</div>",
        f"<div><h3>Regions</h3>{part_table(judgement.numbers['regions'])}</div>",
        f"<div><h3>Parameters</h3>{fact_table(parameters)}</div>",
        f"<div><h3>How it was made</h3>{fact_table(made)}</div>",
        "</div>",
        "<details><summary>Flags by slice</summary>",
        part_table(judgement.numbers["slices"]),
        "</details>",
    ]


def _counted(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of the table of counts."""
    names = (
        "pixels", "sensitive", "low", "high", "flagged", "groups", "already_known", "cut_low",
        "cut_high", "scatter_before", "scatter_after", "deviation_before", "deviation_after",
        "spikes", "sharp_left_pixels", "sharp_left_spared", "longest_run", "error_scale",
    )  # fmt: skip
    return {name: numbers[name] for name in names if numbers.get(name) is not None}
