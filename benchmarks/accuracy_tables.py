"""The results of the accuracy benchmark: store and restore them, write the document."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from badpix_selfcal.simulate.settings import DRAWN

from .accuracy_goals import GOALS
from .finders import PEERS, REFERENCE, SIGMA
from .judging import GROUP_MEASURES, LEVELS, MEASURES
from .scenes import GROUPS, SCATTERS
from .tables import markdown

__all__ = ["Curve", "Record", "Results"]

STORED: Final = "accuracy.json"
DOCUMENT: Final = "accuracy.md"
PICTURES: Final = {
    "accuracy_brightness.png": "Completeness against the brightness of hot pixels in sigma",
    "accuracy_cuts.png": "Purity against completeness as the cut moves",
}
COLUMNS: Final = {
    "exposures": ("completeness", "purity", "purity_rays", "purity_warm", "warm", "wrong", "left",
                  "neighbours", "low", "purity_low", "factor"),
    "faint": ("completeness", "single", "purity", "purity_rays", "purity_warm", "warm", "wrong",
              "left", "neighbours", "low", "purity_low"),
    "light": ("completeness", "purity", "wrong", "lines", "left", "low", "purity_low", "factor"),
    "clean": ("flagged", "wrong", "lines", "low"),
    "brightness": ("completeness", "purity", "wrong", "lines", "cores", "left", "low",
                   "purity_low"),
    "fringes": ("completeness", "purity", "wrong", "lines", "low", "purity_low"),
    "error": ("completeness", "purity", "purity_rays", "wrong", "factor"),
    "unequal": ("completeness", "purity", "purity_warm", "warm", "low", "purity_low", "factor"),
    "groups": ("groups", "single", "wrong", "left", "neighbours", "lines"),
    "nirspec": ("completeness", "purity", "groups", "wrong", "left", "cores", "lines", "low",
                "purity_low"),
}  # fmt: skip
"""The measures in the table of each group."""

HEADS: Final = {
    "left": "left above 20 sigma",
    "wrong": "wrong of a million",
    "purity_rays": "purity, rays right",
    "purity_warm": "purity, warm right",
    "warm": "warm",
    "high": "high flags",
    "low": "low flags",
    "purity_low": "low purity",
    "lines": "line pixels, %",
    "cores": "core pixels, %",
    "flagged": "flagged, %",
    "factor": "ERR times",
}
NOTES: Final = {
    "light": "\nNarrow lines fill the slices, with peaks of 2.5 to 40 DN/s, as wide as 2 pixels; "
    "smooth lines are 4 pixels wide. Lines of 2.3 and of 1.7 pixels fill them, with peaks of 0.5 "
    "to 8 DN/s, bright lines of 1.7 pixels with 2.5 to 40 DN/s; there the faintest hot pixel has "
    "0.2 DN/s. The bright continuum, 5 DN/s with fringes, fills the slices. "
    "The clumpy nebula is not dithered: 60 unresolved knots with lines, above smooth light of a "
    "hundredth of a bright knot's; knots alone are without the smooth light.\n",
    "groups": "\n360 groups of drawn shapes, and hot pixels from 0.2 DN/s on. The groups have 0.5 "
    "to 200 DN/s (logarithm uniform); the pixels of a group are equally bright, or scatter by a "
    "factor of 1.6. Real groups are those that the reference masks of the MRS call hot, where they "
    "are, with 10 DN/s. The new hot pixels became hot on detectors of NIRSpec's kind; they have 50 "
    "sigma on plain noise, with a coupling of 1 %.\n",
    "nirspec": "\nEight knots with lines; the coupling between pixels is 1 %. Where there are "
    "groups, there are about 390 on the part that is read out.\n",
    "unequal": "\nWith unequal ramps, sigma is that of 10 groups, 9.6 times that of 45: many true "
    "hot pixels have less than 3 sigma of it and count as wrong. Where noise was added to one "
    "exposure, ERR does not tell of it, and is multiplied by more than 2.\n",
}
"""What the reader of a group's table must know."""

SMALL: Final = tuple(name for name in DRAWN if name != "disc of 7" and "of 9" not in name)
"""Drawn shapes up to 5 pixels wide, and random walks."""

COMPARED: Final = (0.3, 0.5, 0.7, 0.8, 0.9, 0.92, 0.94, 0.96)
"""Levels of completeness in the comparison."""

INTRODUCTION: Final = """\
The exposures come from the package's own simulator, in memory: hot pixels, low pixels, cosmic rays,
noise, fringes, lines and a dithered source, all known. Slices lie where {geometry} put them.

Seeds: {seeds}. Each figure is the mean over the seeds ± their standard deviation. The numbers
of the rule were chosen on other seeds ({tuning}), the settings of the other methods on the first of
those. Earlier forms of the rule were measured on the seeds 11 to 16, 21 to 26, 31 to 36, 41 to 46,
51, 61 and 62, and the smooth light of the clumpy nebula was set on the first two of these ranges.
Nothing was chosen on the reported seeds.

Sigma is the error of one exposure at the pixel, the largest over the exposures. It includes the
photon noise of the hot pixel itself. Pixels that DQ marks before flagging count for nothing. A
pixel of a line has more than 5 sigma of line light in every exposure and no defect. A pixel of a
core lies within one full width (FWHM) of a point source in any exposure.

The simulator's faintest hot pixel has 0.5 DN/s: more than 10 sigma in 12A, 5 to 6 sigma in most of
34C. How many hot pixels lie just above 5 sigma decides on the completeness, and with hot pixels
from 0.2 DN/s on it is lower. That is measured too, for all numbers of exposures. (In 12A
few hot pixels lie below 5 sigma: those under a bright source, and those whose ERR a cosmic ray has
raised in one exposure.)
"""


@dataclass(frozen=True)
class Record:
    """The measures of one method in one case.

    Attributes
    ----------
    group, name, band : str
        The case.
    count : int
        Number of exposures.
    method : str
        The method.
    means, spreads : dict of str to float or None
        Mean and standard deviation over the seeds of each of `judging.MEASURES`.
    """

    group: str
    name: str
    band: str
    count: int
    method: str
    means: dict[str, float | None]
    spreads: dict[str, float | None]


@dataclass(frozen=True)
class Curve:
    """The curves of one method in one case, as means over the seeds; see `judging.Curves`."""

    group: str
    name: str
    band: str
    count: int
    method: str
    by_brightness: list[float | None]
    purities: list[float | None]
    lines: list[float | None]


@dataclass
class Results:
    """The results of a run.

    Attributes
    ----------
    about : dict of str to str
        Date, versions, seeds and geometry.
    records : list of Record
        The measures.
    curves : list of Curve
        The curves.
    """

    about: dict[str, str]
    records: list[Record]
    curves: list[Curve]

    def add(self, measured: Iterable[tuple[Record, Curve | None]]) -> None:
        """Add the results of a case."""
        for record, curve in measured:
            self.records.append(record)
            if curve is not None:
                self.curves.append(curve)

    def find(self, group: str, name: str, band: str, count: int, method: str) -> Record | None:
        """Return the record of a case; None if it was not run."""
        key = (group, name, band, count, method)
        for each in self.records:
            if (each.group, each.name, each.band, each.count, each.method) == key:
                return each
        return None

    def document(self) -> str:
        """Return pictures, goals and tables in Markdown."""
        pictures = "".join(f"![{text}]({name})\n\n" for name, text in PICTURES.items())
        absent = self.about.get("absent")
        note = f"\nNot measured, as maps of hot pixels are absent: {absent}.\n" if absent else ""
        measures = "".join(f"- {_head(name)}: {text}.\n" for name, text in MEASURES.items())
        parts = [
            "# Accuracy of the flags\n\nWritten by `make accuracy`. "
            f"Measured on {self.about['date']}: "
            f"{self.about['versions']}.\n\n{INTRODUCTION.format(**self.about)}{note}",
            measures,
            f"{pictures}{self._goals()}",
            self._comparison(),
            *(self._table(group) for group in GROUPS),
            self._by_group(),
        ]
        return "\n".join(part for part in parts if part)

    def _goals(self) -> str:
        rows = []
        for goal in GOALS:
            record = self.find(goal.group, goal.name, goal.band, goal.count, goal.method)
            if record is None or (value := record.means[goal.measure]) is None:
                continue
            limit = f"{'at most' if goal.at_most else 'at least'} {goal.limit:g}"
            cell = _cell(record, goal.measure)
            rows.append([goal.text, goal.band, limit, cell, _met(goal.is_met(value))])
            if goal.group == "exposures":
                faint = self.find("faint", goal.name, goal.band, goal.count, goal.method)
                rows[-1].append("" if faint is None else _cell(faint, goal.measure))
        rows += self._small_groups() + self._low_ends() + self._wrong_errors() + self._leads()
        heads = ["", "", "goal", "measured", "met", "with hot pixels from 0.2 DN/s on"]
        full = [row + [""] * (len(heads) - len(row)) for row in rows]
        return "## Goals\n\n" + markdown(heads, full) if rows else ""

    def _small_groups(self) -> list[list[str]]:
        """Return the least share of any small drawn shape, and of which."""
        rows = []
        for record in self.records:
            shares = {shape: record.means.get(f"shape {shape}") for shape in SMALL}
            if (record.group, record.method) != ("groups", SIGMA) or record.name not in SCATTERS:
                continue
            least, shape = min((share or 0.0, shape) for shape, share in shares.items())
            text = f"pixels of groups, each drawn shape up to 5 wide, {record.name}"
            row = [
                text,
                record.band,
                "at least 0.95",
                f"{least:.4f} ({shape})",
                _met(least >= 0.95),
            ]
            rows.append(row)
        return rows

    def _low_ends(self) -> list[list[str]]:
        """Return whether the low end is pure, or at most 5 pixels are flagged."""
        rows = []
        for group, name in (("exposures", ""), ("light", "narrow lines")):
            for band in ("12A", "34C"):
                record = self.find(group, name, band, 4, SIGMA)
                if record is None:
                    continue
                flags, purity = record.means["low"] or 0.0, record.means["purity_low"] or 0.0
                text = f"low end, {name or '4 exposures'}"
                cell = f"{flags:.0f} flags, purity {purity:.2f}"
                met = purity >= 0.8 if flags >= 20 else flags <= 5
                rows.append([text, band, "purity 0.8, or at most 5 flags", cell, _met(met)])
        return rows

    def _wrong_errors(self) -> list[list[str]]:
        """Return how much completeness and purity change where ERR is wrong."""
        changes: dict[str, float] = {}
        for record in self.records:
            true = self.find("error", "1", record.band, record.count, SIGMA)
            if record.group != "error" or true is None:
                continue
            for name in ("completeness", "purity"):
                change = abs((record.means[name] or 0.0) - (true.means[name] or 0.0))
                changes[record.band] = max(change, changes.get(record.band, 0.0))
        return [
            ["ERR halved and doubled: greatest change of completeness and purity", band,
             "at most 0.005", f"{change:.4f}", _met(change <= 0.005)]
            for band, change in changes.items()
        ]  # fmt: skip

    def _leads(self) -> list[list[str]]:
        """Return by how much the purity exceeds the best of the other methods'."""
        rows = []
        for ours in (curve for curve in self.curves if curve.method == SIGMA):
            others = [
                curve for curve in self.curves
                if _case_of(curve) == _case_of(ours) and curve.method in (REFERENCE, *PEERS)
            ]  # fmt: skip
            leads = [
                mine - (theirs or 0.0)
                for other in others
                for level, mine, theirs in zip(LEVELS, ours.purities, other.purities, strict=True)
                if mine is not None and level in COMPARED
            ]
            if leads and len(others) > 1:
                text = f"purity minus the best other's, equal completeness, {_title(ours)}"
                least = min(leads)
                rows.append([text, ours.band, "at least 0", f"{least:+.4f}", _met(least >= 0)])
        return rows

    def _comparison(self) -> str:
        """Return purities at equal completeness."""
        shown = [LEVELS.index(level) for level in COMPARED]
        rows = [
            [
                each.band, _title(each), each.method,
                *(_purity(each, number) for number in shown),
            ]
            for each in self.curves
        ]  # fmt: skip
        if not rows:
            return ""
        return (
            "## Methods at equal completeness\n\nPurity of the high end with the highest cut that "
            "reaches at least this completeness; in brackets the pixels of lines flagged, %. "
            "Empty where no cut reaches it.\n\n"
            + markdown(["", "", "method", *(f"{level:g}" for level in COMPARED)], rows)
        )

    def _table(self, group: str) -> str:
        records = [each for each in self.records if each.group == group]
        if not records:
            return ""
        cases = list(dict.fromkeys((each.band, each.name) for each in records))
        records.sort(key=lambda each: (cases.index((each.band, each.name)), each.count))
        columns = COLUMNS[group]
        rows = [
            [each.band, each.name, str(each.count), each.method,
             *(_cell(each, name) for name in columns)]
            for each in records
        ]  # fmt: skip
        heads = ["", "", "exposures", "method", *(_head(name) for name in columns)]
        return f"## {GROUPS[group]}\n\n{markdown(heads, rows)}{NOTES.get(group, '')}"

    def _by_group(self) -> str:
        """Return the share of the pixels of groups flagged by the sigma cut, by shape and sigma."""
        shown = [
            each
            for each in self.records
            if each.method == SIGMA and each.means.get(f"shape {DRAWN[0]}") is not None
        ]
        rows = [
            [name.removeprefix("shape "), *(_cell(each, name) for each in shown)]
            for name in GROUP_MEASURES
            if any(each.means[name] is not None for each in shown)
        ]
        if not rows:
            return ""
        heads = ["", *(f"{each.band} {each.name}" for each in shown)]
        return (
            "## Groups of hot pixels: what the sigma cut flags, by shape and by brightness\n\n"
            + "Share of the pixels above 5 sigma that are flagged. A walk is a random one, of 4 to "
            + "12 pixels.\n\n"
            + markdown(heads, rows)
        )

    def store(self, folder: Path) -> None:
        """Write the measures and the document to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (folder / STORED).write_text(text + "\n", encoding="utf-8")
        (folder / DOCUMENT).write_text(self.document(), encoding="utf-8")

    @classmethod
    def restore(cls, folder: Path) -> Results:
        """Return the results that `store` has written to a folder."""
        stored = json.loads((folder / STORED).read_text(encoding="utf-8"))
        records = [Record(**each) for each in stored["records"]]
        return cls(stored["about"], records, [Curve(**each) for each in stored["curves"]])


def _case_of(curve: Curve) -> tuple[str, str, str, int]:
    return curve.group, curve.name, curve.band, curve.count


def _title(curve: Curve) -> str:
    """Return the name of a case without its band."""
    kind = {"exposures": "", "faint": "faint hot pixels"}.get(curve.group, curve.name)
    count = "1 exposure" if curve.count == 1 else f"{curve.count} exposures"
    return f"{kind}, {count}" if kind else count


def _met(met: bool) -> str:  # noqa: FBT001
    return "yes" if met else "**no**"


def _head(name: str) -> str:
    return HEADS.get(name, name)


def _purity(curve: Curve, number: int) -> str:
    purity, lines = curve.purities[number], curve.lines[number]
    if purity is None:
        return ""
    text = f"{purity:.4f}" if lines is None else f"{purity:.4f} ({lines:.2g})"
    return f"**{text}**" if curve.method == SIGMA else text


def _cell(record: Record, name: str) -> str:
    """Return mean ± standard deviation."""
    mean, spread = record.means[name], record.spreads[name]
    if mean is None:
        return ""
    digits = {
        "low": 0,
        "high": 0,
        "left": 0,
        "wrong": 0,
        "flagged": 4,
        "lines": 3,
        "cores": 3,
        "factor": 3,
    }.get(name, 4)
    text = f"{mean:.{digits}f}"
    return text if spread is None else f"{text} ± {spread:.{digits}f}"
