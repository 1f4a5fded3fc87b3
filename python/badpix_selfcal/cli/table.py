"""The table of all options and their keywords in Python, generated from the parsers.

``docs/options.md`` is this table: ``badpix-selfcal help options > docs/options.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Final

from .parser import Parser

__all__ = ["FUNCTIONS", "ONLY_IN_PYTHON", "ONLY_OPTIONS", "table"]

FUNCTIONS: Final = {
    "run": "badpix_selfcal.selfcal",
    "batch": "badpix_selfcal.batch",
    "report": "badpix_selfcal.report",
    "apply": "badpix_selfcal.apply",
    "associate": "badpix_selfcal.associate",
    "plot": "badpix_selfcal.plot.save",
    "compare": "badpix_selfcal.compare",
    "history": "badpix_selfcal.history",
    "export": "badpix_selfcal.export",
    "simulate": "badpix_selfcal.simulate.simulate",
    "verify": "badpix_selfcal.testing.verify",
}
"""The function that does the work of each command."""

ONLY_OPTIONS: Final = {
    "hot_groups": "`hot_groups` of `settings`",
    "json": "the result that is returned",
    "verbose": "the logger `badpix_selfcal`",
    "quiet": "a filter of `SelfcalWarning`",
}
"""Options without a keyword, and what there is in Python instead."""

ONLY_IN_PYTHON: Final = {
    "progress": (
        "run, batch, apply",
        "a function that is called with the numbers of exposures (of run: files) done and in all",
    ),
    "settings": ("simulate", "the physical numbers of the simulation"),
}
"""Keywords without an option: the command, and what they are."""

_HEAD: Final = """\
# Options and keywords

Every option of the command line has a keyword of the same name in Python: `--kernel-size 9` is
`kernel_size=9`, `--overwrite` is `overwrite=True`, `none` is `None`. A repeatable option is a list.
`badpix-selfcal help options` prints this table; it is generated, not written by hand.

| command | function |
|---|---|
"""

_COLUMNS: Final = """
| option | keyword | commands | meaning |
|---|---|---|---|
"""


def table(commands: Mapping[str, Parser]) -> str:
    """Return the table in Markdown."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for name in FUNCTIONS:
        for action in commands[name].arguments:
            rows.setdefault(_row(action), []).append(name)
    lines = [
        f"| {option} | {keyword} | {', '.join(by)} | {meaning} |"
        for (option, keyword, meaning), by in sorted(
            rows.items(), key=lambda row: row[0][0].startswith("`-")
        )
    ]
    lines += [
        f"| | `{keyword}` | {command} | {meaning} |"
        for keyword, (command, meaning) in ONLY_IN_PYTHON.items()
    ]
    functions = "".join(f"| `{name}` | `{function}` |\n" for name, function in FUNCTIONS.items())
    return _HEAD + functions + _COLUMNS + "\n".join(lines) + "\n"


def _row(action: argparse.Action) -> tuple[str, str, str]:
    """Return an option as it is written, its keyword, and its meaning."""
    instead = ONLY_OPTIONS.get(action.dest)
    keyword = f"`{action.dest}`" if instead is None else f"({instead})"
    names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{action.metavar}`"
    if action.option_strings and action.metavar:
        names = f"{names[:-1]} {action.metavar}`"
    return names, keyword, str(action.help) % vars(action)
