"""The goals of the package in comparison with its peers, and the results that the site shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .tables import markdown, marked, times
from .timing import ALL, ONE, Row

__all__ = ["GOALS", "SHOWN", "Goal", "Shown", "compare", "summary"]

WARM = "k = 15, axis 0, and a copy, warm"
COLD = "k = 15, axis 0, and a copy, cold"


@dataclass(frozen=True)
class Goal:
    """A limit for the ratio of two measures.

    Attributes
    ----------
    work : str
        The work and the peer, for the reader.
    row : str
        The name of the row that holds both measures.
    over, under : str
        The ways in the numerator and in the denominator.
    limit : float
        The limit of the ratio.
    at_most : bool
        Whether the limit is an upper one.
    """

    work: str
    row: str
    over: str
    under: str
    limit: float
    at_most: bool = False

    def is_in(self, rows: Mapping[str, Row]) -> bool:
        """Return whether both measures are among these rows."""
        return self.row in rows and {self.over, self.under} <= rows[self.row].measures.keys()

    def measured(self, row: Row) -> float:
        """Return the measured ratio."""
        return row.ratio(self.over, self.under)

    def is_met(self, row: Row) -> bool:
        """Return whether the measured ratio meets the limit."""
        ratio = self.measured(row)
        return ratio <= self.limit if self.at_most else ratio >= self.limit


@dataclass(frozen=True)
class Shown:
    """A line of the table on the page on speed.

    Attributes
    ----------
    work : str
        The work, for the reader.
    row : str
        The name of the row that holds its measures.
    ours : str
        The way of this package.
    peers : tuple of str
        The ways of the peers.
    in_readme : bool
        Whether the README has the line, too.
    """

    work: str
    row: str
    ours: str = ALL
    peers: tuple[str, ...] = ("stcal", "bottleneck")
    in_readme: bool = False


def _faster(work: str, row: str, peer: str, limit: float, ours: str = ALL) -> Goal:
    return Goal(f"{work}, against {peer}", row, peer, ours, limit)


def _at_most(work: str, row: str, ours: str, other: str, limit: float) -> Goal:
    return Goal(work, row, ours, other, limit, at_most=True)


GOALS: Final = (
    _faster("median, k = 15, axis 0", "k = 15, axis 0, float32", "stcal", 350),
    _faster("median, k = 15, axis 0", "k = 15, axis 0, float32", "bottleneck", 30),
    _faster("median, k = 15, axis 1", "k = 15, axis 1, float32", "stcal", 200),
    _faster("median, k = 15, axis 1", "k = 15, axis 1, float32", "bottleneck", 16),
    _faster("median, k = 15, axis 0, float64", "k = 15, axis 0, float64", "stcal", 180),
    _faster("median, k = 101, axis 0", "k = 101, axis 0, float32", "bottleneck", 16),
    _faster("median, k = 501, axis 0", "k = 501, axis 0, float32", "bottleneck", 10),
    _at_most("median, k = 15, axis 0, 1 thread, in copies, warm", WARM, ONE, "copy", 6),
    _at_most("median, k = 15, axis 0, all threads, in copies, warm", WARM, ALL, "copy", 4),
    _at_most("median, k = 15, axis 0, 1 thread, in copies, cold", COLD, ONE, "copy", 6),
    _at_most("median, k = 15, axis 0, all threads, in copies, cold", COLD, ALL, "copy", 4),
    _faster("median, 15 x 15", "15 x 15, float32", "stcal", 120),
    _faster("median, 7 x 7, float64", "7 x 7, float64", "stcal", 60),
    _faster("median_filter 7 x 7", "median_filter 7 x 7, without NaN", "median_filter", 10),
    _faster("median_filter 15 x 15", "median_filter 15 x 15, without NaN", "median_filter", 10),
    _faster("nanmedian, size 50", "generic_filter(nanmedian), size 50", "generic_filter", 300),
    _faster("move_median, w = 25", "move_median, w = 25", "the original", 15),
    _faster("both percentile cuts", "percentiles 0.1 and 99.9", "numpy.nanpercentile", 6),
    _faster("array step, dispersion along y", "dispersion along y", "jwst", 130),
    *(
        _at_most(
            f"{cut}, dispersion along y, {threads}, in fraction cuts",
            row,
            cut,
            "fraction cut",
            limit,
        )
        for threads in (ONE, ALL)
        for row in (f"cuts, dispersion along y, {threads}",)
        for cut, limit in (("sigma cut", 3.3), ("sigma cut without ERR", 6))
    ),
    _at_most(
        "sigma cut on files, in fraction cuts",
        "both cuts, in process",
        "sigma cut",
        "fraction cut",
        1.5,
    ),
    _faster("step on files, in process", "in process", "jwst", 7, ours="ours"),
    _faster("step on files, as a process", "as a process of its own", "jwst", 4, ours="ours"),
    _at_most("its peak memory, in jwst's", "peak memory", "ours", "jwst", 0.2),
    _at_most(
        "its peak memory with 12 members, in that with 3",
        "peak memory by members, ours",
        "12 members",
        "3 members",
        1.1,
    ),
    _faster("a batch of two detectors", "a batch of two detectors", "jwst", 30, ours="ours"),
    _at_most("the batch's peak memory, in jwst's", "peak memory of the batch", "ours", "jwst", 0.2),
    _faster(
        "one line of 10^6 samples, k = 1001",
        "one line, k = 1001, 1000000 samples",
        "bottleneck",
        1,
    ),
    _at_most("import badpix_selfcal, in import numpy", "import", "ours", "numpy", 1.3),
)

SHOWN: Final = (
    Shown("running median, k = 15, axis 0", "k = 15, axis 0, float32", in_readme=True),
    Shown("the same along axis 1", "k = 15, axis 1, float32"),
    Shown("the same along axis 0 in float64", "k = 15, axis 0, float64"),
    Shown("running median, k = 101, axis 0", "k = 101, axis 0, float32"),
    Shown("running median, k = 501, axis 0", "k = 501, axis 0, float32"),
    Shown("median over 7 x 7", "7 x 7, float32", peers=("stcal", "scipy")),
    Shown("median over 15 x 15", "15 x 15, float32", peers=("stcal", "scipy")),
    Shown("both percentile cuts", "percentiles 0.1 and 99.9", peers=("numpy.nanpercentile",)),
    Shown(
        "minimum image to mask, dispersion along y",
        "dispersion along y",
        peers=("jwst",),
        in_readme=True,
    ),
    Shown("minimum image to mask, dispersion along x", "dispersion along x", peers=("jwst",)),
    Shown("the step on 9 exposures", "in process", "ours", ("jwst",), in_readme=True),
    Shown("the same as a process of its own", "as a process of its own", "ours", ("jwst",)),
    Shown(
        "peak memory of the step on 9 exposures", "peak memory", "ours", ("jwst",), in_readme=True
    ),
    Shown(
        "the step on 24 exposures of 2 detectors",
        "a batch of two detectors",
        "ours",
        ("jwst",),
        in_readme=True,
    ),
    Shown("peak memory of the step on 24 exposures", "peak memory of the batch", "ours", ("jwst",)),
)


def compare(rows: Mapping[str, Row]) -> str:
    """Return the table of goals, in Markdown.

    Parameters
    ----------
    rows : mapping of str to Row
        The measures, by the names of their rows. Goals without a row are omitted.

    Returns
    -------
    str
        The table; "" if no goal was measured.
    """
    lines = [_goal_line(goal, rows[goal.row]) for goal in GOALS if goal.is_in(rows)]
    if not lines:
        return ""
    return "### Goals\n\n" + markdown(["", "goal", "measured", "met"], lines)


def summary(rows: Mapping[str, Row], rounds: int, *, in_readme: bool = False) -> str:
    """Return the table of the page on speed, or its lines that the README has, in Markdown.

    Parameters
    ----------
    rows : mapping of str to Row
        The measures, by the names of their rows.
    rounds : int
        Medians of fewer runs are marked.
    in_readme : bool
        Return the lines that the README has.

    Returns
    -------
    str
        The table.
    """
    lines = [
        _shown_line(shown, rows[shown.row], rounds)
        for shown in SHOWN
        if shown.row in rows and shown.in_readme >= in_readme
    ]
    return markdown(["work", "this package", "peers", "ratio"], lines)


def _goal_line(goal: Goal, row: Row) -> list[str]:
    return [
        goal.work,
        f"at {'most' if goal.at_most else 'least'} {goal.limit:g}x",
        times(goal.measured(row)),
        "yes" if goal.is_met(row) else "no",
    ]


def _shown_line(shown: Shown, row: Row, rounds: int) -> list[str]:
    return [
        shown.work,
        marked(row.measures[shown.ours], row.unit, rounds),
        ", ".join(_named(shown, row, rounds)),
        ", ".join(times(row.ratio(peer, shown.ours)) for peer in shown.peers),
    ]


def _named(shown: Shown, row: Row, rounds: int) -> Iterator[str]:
    for peer in shown.peers:
        yield f"{peer} {marked(row.measures[peer], row.unit, rounds)}"
