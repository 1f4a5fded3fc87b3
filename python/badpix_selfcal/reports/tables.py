"""The tables of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from ..step.group_mask import GroupMask
from .judgement import Judgement
from .limits import Limit

__all__ = ["exposure_table", "fact_table", "left_table", "limit_table", "part_table", "shown"]

LABELS: Final = {
    "pixels": "pixels",
    "sensitive": "with a residual",
    "low": "flagged low",
    "high": "flagged high",
    "flagged": "flagged",
    "groups": "groups of flagged pixels that touch",
    "already_known": "of them DO_NOT_USE before",
    "cut_low": "lower cut",
    "cut_high": "upper cut",
    "scatter_before": "scatter of the residual before (1.4826 MAD)",
    "scatter_after": "scatter after",
    "deviation_before": "standard deviation of the residual before",
    "deviation_after": "standard deviation after",
    "spikes": "spikes without a flag",
    "sharp_left_pixels": "pixels of groups left above 20 times the noise",
    "sharp_left_spared": "of these groups in spared rows",
    "longest_run": "longest run of flags along the dispersion",
    "error_scale": "noise of the data over ERR",
}


def shown(value: object) -> str:
    """Return a value as a table shows it: five digits of a float."""
    if value is None:
        return "none"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def fact_table(facts: Mapping[str, Any], *, numbers: bool = False) -> str:
    """Return a table of two columns; numbers have the names of ``#numbers`` in ``data-number``."""
    rows = []
    for name, value in facts.items():
        cell = f'class="n" data-number="{escape(name)}"' if numbers else ""
        label = LABELS.get(name, name) if numbers else name
        rows.append([f"<td>{escape(label)}</td>", f"<td {cell}>{escape(shown(value))}</td>"])
    return _table([], rows)


def limit_table(judgement: Judgement) -> str:
    """Return the table of the numbers that decide."""
    rows = []
    for each in judgement.reasons:
        limit = each.limit
        value = "" if each.value is None else f' data-number="{each.name}"'
        rows.append(
            [
                f'<td class="{each.verdict}">{escape(limit.label)}</td>',
                f'<td class="n"{value}>{shown(each.value)}</td>',
                f"<td>{limit.unit}</td>",
                f'<td class="n">{_limit(limit, limit.look)}</td>',
                f'<td class="n">{_limit(limit, limit.reject)}</td>',
                f"<td>{each.verdict}</td>",
            ]
        )
    return _table(["number", "value", "", "LOOK", "REJECT", "here"], rows)


def _limit(limit: Limit, value: float | None) -> str:
    return "" if value is None else f"{'below' if limit.is_lower else 'above'} {value:g}"


def part_table(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the counts of regions or slices."""
    rows = [
        [
            f"<td>{escape(name)}</td>",
            *(f'<td class="n">{shown(each[key])}</td>' for key in ("sensitive", "low", "high")),
            f'<td class="n">{shown(each["share"])}</td>',
        ]
        for name, each in parts.items()
    ]
    return _table(["", "with a residual", "low", "high", "% flagged"], rows)


def left_table(places: Sequence[Mapping[str, Any]], columns: int) -> str:
    """Return the groups that are left, each with a button that selects its brightest pixel."""
    rows = []
    for each in places:
        column, row = each["column"], each["row"]
        where = f'<button data-pixel="{row * columns + column}">column {column}, row {row}</button>'
        rows.append(
            [
                f"<td>{where}</td>",
                *(
                    f'<td class="n">{shown(each[key])}</td>'
                    for key in ("pixels", "residual", "times_noise")
                ),
                f"<td>{'in spared rows' if each['spared'] else ''}</td>",
            ]
        )
    return _table(["brightest pixel", "pixels", "residual", "times the noise", ""], rows)


def exposure_table(mask: GroupMask, odd: Sequence[str], problems: Mapping[str, str]) -> str:
    """Return the exposures: what they are, their pedestals, and what is wrong with them."""
    rows = []
    for member in mask.members:
        notes = [member.problem] if member.problem else []
        if member.same_as is not None:
            notes.append(f"its SCI is that of {member.same_as.name}")
        if member.is_constant:
            notes.append("its SCI holds one value only")
        if member.later:
            notes.append(f"has passed later steps ({member.later})")
        if str(member.exposure) in odd:
            notes.append("its pedestal stands out")
        if member.exposure.name in problems:
            notes.append(f"not in the cuts: {problems[member.exposure.name]}")
        pedestal = "" if member.pedestal is None else f"{member.pedestal:.6g}"
        copy = "" if member.output is None else member.output.name
        verdict = ' class="LOOK"' if notes else ""
        rows.append(
            [
                f"<td{verdict}>{escape(member.exposure.name)}</td>",
                f"<td>{member.role}</td>",
                f'<td class="n">{pedestal}</td>',
                f"<td>{escape(copy)}</td>",
                f"<td>{escape('; '.join(notes)) or 'used'}</td>",
            ]
        )
    return _table(["exposure", "role", "pedestal", "flagged copy", ""], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{each}</th>" for each in heads)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if heads else ''}{body}</table>"
