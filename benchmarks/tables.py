"""Tables of measures, stored and written as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from .timing import ALL, ONE, Measure, Row

__all__ = ["Table", "amount", "markdown", "times"]


@dataclass(frozen=True)
class Table:
    """Rows under one title.

    Attributes
    ----------
    title : str
        The heading.
    rows : list of Row
        The measures.
    base : str
        The way to which the others are compared; "" for none.
    note : str
        An explanation for the reader.
    """

    title: str
    rows: list[Row]
    base: str = ""
    note: str = ""

    @property
    def ways(self) -> list[str]:
        """All ways of all rows, in the order of their first appearance."""
        return list(dict.fromkeys(way for row in self.rows for way in row.measures))

    def as_markdown(self, rounds: int) -> str:
        """Return the table in Markdown; marks medians of fewer than `rounds` runs."""
        rows = [
            [row.name, *(self._cell(row, way, rounds) for way in self.ways)] for row in self.rows
        ]
        compared = f"In brackets: the ratio to {self.base}." if self.base else ""
        note = "".join(f"\n{text}\n" for text in (compared, self.note) if text)
        return f"### {self.title}\n\n{markdown(['', *self.ways], rows)}{note}"

    def _cell(self, row: Row, way: str, rounds: int) -> str:
        measure = row.measures.get(way)
        if measure is None:
            return ""
        text = marked(measure, row.unit, rounds)
        ours_twice = (way, self.base) == (ONE, ALL)
        if way == self.base or ours_twice or self.base not in row.measures:
            return text
        return f"{text} ({times(row.ratio(way, self.base))})"

    def stored(self) -> dict[str, Any]:
        """Return the table as JSON values, from which `restored` makes an equal table."""
        return asdict(self)

    @classmethod
    def restored(cls, stored: dict[str, Any]) -> Table:
        """Return the table from the values of `stored`."""
        rows = [_row(row) for row in stored["rows"]]
        return cls(stored["title"], rows, stored["base"], stored["note"])


def markdown(columns: list[str], rows: Iterable[list[str]]) -> str:
    """Return a Markdown table."""
    head, *body = (f"| {' | '.join(line)} |\n" for line in (columns, *rows))
    return "".join([head, "|" + "---|" * len(columns) + "\n", *body])


def marked(measure: Measure, unit: str, rounds: int) -> str:
    """Return a measure with its unit and its marks."""
    about = "~ " if measure.scaled else ""
    return f"{about}{amount(measure.value, unit)}{' *' if measure.rounds < rounds else ''}"


def amount(value: float, unit: str) -> str:
    """Return a value with its unit, in three figures; times in µs, ms or s."""
    if unit == "ms" and value >= 1000:
        value, unit = value / 1000, "s"
    if unit == "ms" and value < 0.1:
        value, unit = value * 1000, "µs"
    return f"{_figures(value)} {unit}"


def times(ratio: float) -> str:
    """Return a ratio as text."""
    return f"{_figures(ratio)}x"


def _figures(value: float) -> str:
    """Return three figures, or all figures before the point."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _row(stored: dict[str, Any]) -> Row:
    measures = {way: Measure(**measure) for way, measure in stored["measures"].items()}
    return Row(stored["name"], measures, stored["unit"])
