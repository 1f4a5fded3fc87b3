"""What the pages of `docs/reference` and `docs/project` say, beside the program."""

from __future__ import annotations

import io
import json
import re
import signal
import tomllib
from contextlib import chdir, redirect_stdout
from itertools import chain
from pathlib import Path

import pytest

import badpix_selfcal as bps
from badpix_selfcal import cli
from badpix_selfcal.cli.commands import COMMANDS
from badpix_selfcal.cli.others import summary_of_verify
from badpix_selfcal.jwst_parts import TESTED
from badpix_selfcal.testing.verification import Tried, Verification

ROOT = Path(__file__).resolve().parents[1]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def tables(name):
    """Return the first column of each table of a page, by its heading."""
    rows = re.findall(r"^\| (.*?) \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text(name), re.MULTILINE)
    return {head: re.findall(r"^\| (.*?) \|", lines, re.MULTILINE) for head, lines in rows}


OUTPUT = tables("docs/reference/output.md")


def listed(table):
    return set(re.findall(r"`(\w+)`", " ".join(OUTPUT[table])))


LINES = {
    "simulate": "simulate demo --size 96 640",
    "run": "run demo/*_00001_*_asn.json --cut sigma --output-dir flagged --save-mask",
    "batch": "batch demo --cut sigma --output-dir all --save-mask",
    "apply": "apply all/*_mask.fits demo/*_rate.fits --output-dir again",
    "report": "report all/*_mask.fits --output-dir pages",
    "plot": "plot all/*_mask.fits --output-dir figures --figure mask",
    "compare": "compare flagged/*_selfcal.fits again/*1001_*_00001_*_selfcal.fits",
    "history": "history all/*_mask.fits flagged/*_mask.fits",
    "export": "export all/*_mask.fits pixels.reg",
    "associate": "associate demo --dry-run",
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Return the JSON report of each command."""
    for package in ("bokeh", "jinja2", "matplotlib"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    found = {}
    with chdir(tmp_path_factory.mktemp("reference")):
        for name, line in LINES.items():
            words = [sorted(map(str, Path().glob(each))) or [each] for each in line.split()]
            with redirect_stdout(io.StringIO()) as printed:
                status = cli.main([*chain(*words), "--json"])
            found[name] = json.loads(printed.getvalue())
            assert status == 0, (line, found[name]["errors"])
    tried = (Tried("a check", "scalar", 1.0, ""),)
    verified = Verification(tried, "reference", 1, None, {}, {"scalar": "double heap"})
    return found | {"verify": summary_of_verify(verified, {}).facts}


def test_the_tables_have_all_fields_of_reports(reports):
    assert {*reports} == {*COMMANDS}
    always = listed("field of all commands")
    expected = {f"field of `{name}`": {*each} - always for name, each in reports.items()}
    applied = expected.pop("field of `apply`") - {"mask"} | {"threads"}
    assert applied == expected["field of `batch`"]
    run, batch = reports["run"], reports["batch"]
    expected["field of a product"] = {*run["products"][0]}
    expected["field of a member"] = {*run["products"][0]["members"][0]}
    expected["field of a group"] = {*batch["groups"][0]}
    expected["field of a page"] = {*reports["report"]["groups"][0]}
    expected["field of an association"] = {*reports["associate"]["associations"][0]}
    for table, fields in expected.items():
        assert listed(table) == fields, table


def test_the_example_is_the_report_of_its_line(reports):
    (shown,) = re.findall(r"```json\n(.*?)```", text("docs/reference/output.md"), re.DOTALL)
    assert LINES["run"] in text("docs/reference/output.md")
    assert LINES["simulate"] in text("docs/reference/output.md")
    expected = json.loads(shown)
    expected["threads"] = reports["run"]["threads"]
    expected["version"] = bps.__version__

    def rounded(value):
        if isinstance(value, float):
            return round(value, 3)
        if isinstance(value, dict):
            return {name: rounded(each) for name, each in value.items()}
        return [rounded(each) for each in value] if isinstance(value, list) else value

    assert rounded(reports["run"]) == rounded(expected)


def test_all_exit_statuses_are_listed():
    statuses = {cli.DONE, cli.FAILED, cli.WRONG_USAGE, cli.SKIPPED, cli.DIFFERENT}
    statuses |= {128 + number for number in (signal.SIGINT, signal.SIGTERM)}
    assert [int(each) for each in OUTPUT["status"]] == sorted(statuses)


needs_sources = pytest.mark.skipif(
    not (ROOT / "rust").exists(), reason="needs the project's folder"
)


@needs_sources
def test_all_variables_are_listed():
    files = [*ROOT.glob("python/badpix_selfcal/**/*.py"), *ROOT.glob("rust/*/src/**/*.rs")]
    used = {
        name
        for path in files
        for name in re.findall(r'"(BADPIX_SELFCAL_[A-Z_]+)"', path.read_text(encoding="utf-8"))
    }
    rows = tables("docs/reference/environment.md")["variable"]
    assert len(used) == 3
    assert used == {name for row in rows for name in re.findall(r"BADPIX_SELFCAL_\w+", row)}


def test_each_module_for_users_has_a_promise():
    rows = tables("docs/reference/api.md")["module"]
    modules = {
        name.removeprefix("badpix_selfcal") for name in re.findall(r"`(.*?)`", " ".join(rows))
    }
    assert {f".{name}" for name in {*dir(bps)} - {*bps.__all__}} <= modules


def test_the_supported_versions_are_those_of_the_package():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    cargo = tomllib.loads(text("Cargo.toml"))["workspace"]["package"]
    page = text("docs/project/versions.md")
    floors = dict(each.split(">=") for each in project["dependencies"] if each.count("=") == 1)
    pythons = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert project["requires-python"] == f">={pythons[0]}"
    assert f"| Python | {pythons[0]} to {pythons[-1]} |" in page
    assert f"| NumPy | {floors['numpy']} or later " in page
    assert f"| astropy | {floors['astropy']} or later " in page
    assert f"tested with {' and '.join(f'{name} {at}' for name, at in TESTED.items())};" in page
    assert f"| Rust (to compile) | {cargo['rust-version']} or later " in page
    assert f"| Rust | {cargo['rust-version']} or later" in text("docs/reference/rust.md")


@needs_sources
def test_the_drawing_names_modules():
    drawing = text("docs/project/architecture.svg")
    python = re.findall(r'x="138"[^>]*>([\w/]+\.py)<', drawing)
    rust = re.findall(r'class="module" x="276"[^>]*>([\w/.]+)<', drawing)
    assert (len(python), len(rust)) == (9, 5)
    assert all((ROOT / "python" / "badpix_selfcal" / each).exists() for each in python)
    assert all((ROOT / "rust" / "kernels" / "src" / each).exists() for each in rust)
