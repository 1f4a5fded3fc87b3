"""The results of a run: store and restore them, write a document and the tables of other pages."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .goals import compare, summary
from .tables import Table
from .timing import Row

__all__ = ["PAGE", "README", "RESULTS", "Results", "refresh"]

ROOT: Final = Path(__file__).resolve().parents[1]
README: Final = ROOT / "README.md"
PAGE: Final = ROOT / "docs" / "explanation" / "speed.md"
RESULTS: Final = Path(__file__).resolve().parent / "results"
STORED: Final = "latest.json"
DOCUMENT: Final = "latest.md"

BEGIN: Final = "<!-- written by `make bench`, not by hand -->\n"
END: Final = "<!-- end of what `make bench` writes -->\n"

PICTURES: Final = {
    "medians.png": "Time of a running median against the length of its window",
    "step.png": "Time and peak memory of the step",
    "scaling.png": "Time against image size, and gain against threads",
}


@dataclass
class Results:
    """The measures of one run.

    Attributes
    ----------
    about : dict of str to str
        Date, machine and versions.
    rounds : int
        Counted runs of each way; medians of fewer runs are marked.
    tables : list of Table
        The measures.
    """

    about: dict[str, str]
    rounds: int
    tables: list[Table] = field(default_factory=list)

    @property
    def rows(self) -> dict[str, Row]:
        """All rows by name; two rows of one name are an error."""
        rows: dict[str, Row] = {}
        for row in (row for table in self.tables for row in table.rows):
            if row.name in rows:
                raise ValueError(f"two rows have the name {row.name!r}")
            rows[row.name] = row
        return rows

    def table(self, start: str) -> Table | None:
        """Return the first table whose title begins with `start`; None if there is none."""
        return next((table for table in self.tables if table.title.startswith(start)), None)

    @property
    def heading(self) -> str:
        """The date, the machine, and the marks of the figures."""
        return (
            f"Measured on {self.about['date']} on {self.about['machine']}: "
            f"{self.about['versions']}. Medians of {self.rounds} alternating runs; "
            "`*`: fewer runs; `~`: a part of the work, its time scaled up.\n"
        )

    def document(self) -> str:
        """Return pictures, tables and goals in Markdown."""
        pictures = "".join(f"![{text}]({name})\n\n" for name, text in PICTURES.items())
        tables = "\n".join(table.as_markdown(self.rounds) for table in self.tables)
        goals = compare(self.rows)
        return f"# Benchmarks\n\n{self.heading}\n{pictures}{tables}\n{goals}"

    def for_readme(self) -> str:
        """Return the results that the README shows, with the marks around them."""
        table = summary(self.rows, self.rounds, in_readme=True)
        words = f"Measured on {self.about['date']} on {self.about['machine']}.\n"
        return f"{BEGIN}\n{words}\n{table}\n{END}"

    def for_page(self) -> str:
        """Return the results that the page on speed shows, with the marks around them."""
        folder = "../../benchmarks/results"
        pictures = "".join(
            f"\n![{PICTURES[name]}]({folder}/{name})\n" for name in ("medians.png", "step.png")
        )
        return f"{BEGIN}\n{self.heading}\n{summary(self.rows, self.rounds)}{pictures}\n{END}"

    def store(self, folder: Path) -> None:
        """Write the measures and the document to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        stored = {
            "about": self.about,
            "rounds": self.rounds,
            "tables": [table.stored() for table in self.tables],
        }
        text = json.dumps(stored, indent=1, ensure_ascii=False)
        (folder / STORED).write_text(text + "\n", encoding="utf-8")
        (folder / DOCUMENT).write_text(self.document(), encoding="utf-8")

    @classmethod
    def restore(cls, folder: Path) -> Results:
        """Return the results that `store` has written to a folder."""
        stored = json.loads((folder / STORED).read_text(encoding="utf-8"))
        tables = [Table.restored(table) for table in stored["tables"]]
        return cls(stored["about"], stored["rounds"], tables)


def refresh(page: str, block: str) -> str:
    """Replace the results in a page.

    Parameters
    ----------
    page : str
        The text of the page.
    block : str
        The new results, as from `Results.for_readme` or `Results.for_page`.

    Returns
    -------
    str
        The new text.

    Raises
    ------
    ValueError
        If the page does not have both marks, once each and in order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in after or END in after:
        raise ValueError("the page must have the marks around the results, once each")
    return before + block + after
