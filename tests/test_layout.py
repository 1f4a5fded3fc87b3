"""The layout of the sources: no import cycles, layered subpackages, short modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import badpix_selfcal as bps

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(bps.__file__).parent

MOST_LINES = 400

FORBIDDEN = {
    "files": ("runs", "views", "masks", "reports", "figures", "cli"),
    "runs": ("masks", "figures", "cli"),
    "views": ("masks", "reports", "figures", "cli"),
    "masks": ("reports", "figures", "cli"),
    "reports": ("masks", "figures", "cli"),
    "figures": ("masks", "reports", "cli"),
    "simulation": ("files", "runs", "views", "masks", "reports", "figures", "cli"),
}
"""The subpackages, and those that they must not import."""

LATE = {
    "aiohttp": 384,
    "astropy": 233,
    "asyncio": 53,
    "badpix_selfcal.files.bodies": 60,
    "badpix_selfcal.cli": 35,
    "badpix_selfcal.reports.index": 34,
    "badpix_selfcal.reports.product": 34,
    "badpix_selfcal.reports.report": 194,
    "badpix_selfcal.plot": 624,
    "badpix_selfcal.masks.compare": 217,
    "badpix_selfcal.masks.export": 240,
    "badpix_selfcal.masks.history": 250,
    "badpix_selfcal.runs.apply": 95,
    "badpix_selfcal.runs.associate": 91,
    "badpix_selfcal.runs.batch": 94,
    "badpix_selfcal.runs.dask": 7,
    "badpix_selfcal.runs.selfcal": 99,
    "badpix_selfcal.simulate": 83,
    "badpix_selfcal.testing.verification": 411,
    "dask": 63,
    "distributed": 275,
    "fsspec": 36,
    "jwst": 2206,
    "matplotlib": 813,
    "numpy": 59,
    "scipy": 430,
    "shtab": 17,
    "stcal": 1566,
    "urllib": 14,
    "yaml": 8,
}
"""The modules that are imported inside functions, and the milliseconds that their import takes.

Measured with ``python -c`` after ``import badpix_selfcal.cli`` on 2026-11-25, `runs.dask` after its
importer `runs.batch`, astropy.io.fits and urllib.request for their packages; medians of 7 (of 3 for
shtab). `testing.verification`, and jwst and stcal after it, on 2026-11-27, medians of 3; so is
`plot`, in processor time, as the machine was busy. The modules in `runs` and `simulate` import
NumPy, which a help page does not need.
"""

LEAST_TIME = 5
"""Milliseconds; an import that takes less belongs at the top of its module."""


@dataclass(frozen=True)
class Import:
    """One module that another one imports."""

    by: str
    module: str
    late: bool
    for_types: bool

    @property
    def is_ours(self) -> bool:
        return self.module.split(".")[0] == PACKAGE.name

    @property
    def listed(self) -> str:
        """The name that it has in `LATE`."""
        return self.module if self.is_ours else self.module.split(".")[0]


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
COMPILED = f"{PACKAGE.name}._kernels"


def imported(node: ast.Import | ast.ImportFrom, by: str) -> Iterator[str]:
    """Yield the full names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    package = by.split(".") if SOURCES[by].name == "__init__.py" else by.split(".")[:-1]
    start = package[: len(package) + 1 - node.level] if node.level else []
    base = ".".join([*start, *filter(None, [node.module])])
    for alias in node.names:
        inner = f"{base}.{alias.name}"
        yield inner if inner in SOURCES or inner == COMPILED else base


def found_in(node: ast.AST, by: str, late: bool, for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield from (Import(by, name, late, for_types) for name in imported(child, by))
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from found_in(child, by, late=True, for_types=for_types)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from found_in(child, by, late=late, for_types=True)
        else:
            yield from found_in(child, by, late=late, for_types=for_types)


IMPORTS = [
    each
    for name, path in SOURCES.items()
    for each in found_in(ast.parse(path.read_text(encoding="utf-8")), name, False, False)
    if each.module != "__future__"
]


def test_every_module_of_ours_that_is_imported_is_found():
    """Names that are resolved wrongly would hide cycles."""
    ours = {each.module for each in IMPORTS if each.is_ours}
    assert ours <= {*SOURCES, COMPILED}
    assert len(ours) > len(SOURCES) / 2


def test_no_modules_import_each_other_in_a_cycle():
    """Imports inside functions count, and so do those for types."""
    graph = {
        name: {each.module for each in IMPORTS if each.by == name and each.is_ours}
        for name in SOURCES
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


@pytest.mark.parametrize("subpackage", FORBIDDEN)
def test_a_subpackage_imports_only_those_below_it(subpackage):
    inside = [each for each in IMPORTS if each.by.startswith(f"{PACKAGE.name}.{subpackage}.")]
    above = tuple(f"{PACKAGE.name}.{other}." for other in FORBIDDEN[subpackage])
    assert inside
    assert [each for each in inside if f"{each.module}.".startswith(above)] == []


def test_imports_inside_functions_save_time():
    late = {(each.by, each.listed) for each in IMPORTS if each.late and not each.for_types}
    assert sorted(each for each in late if each[1] not in LATE) == []
    assert sorted(LATE.keys() - {name for _, name in late}) == []  # no longer imported late
    assert {name: time for name, time in LATE.items() if time < LEAST_TIME} == {}


@pytest.mark.parametrize("folder", [PACKAGE, ROOT / "benchmarks"], ids=["package", "benchmarks"])
def test_contributing_lists_every_module(folder):
    listed = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = {path.name for path in folder.rglob("*.py") if not path.name.startswith("__")}
    assert names
    assert sorted(name for name in names if f"{name}`" not in listed) == []


@pytest.mark.parametrize("folder", ["python", "rust", "benchmarks", "examples", "tests"])
def test_modules_are_short(folder):
    sources = [
        path
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".rs") and "target" not in path.parts
    ]
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources
    }
    assert lines
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}
