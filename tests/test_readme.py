"""What the README shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import badpix_selfcal as bps
from badpix_selfcal.cli import main

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    n_low, n_high, hot = capsys.readouterr().out.split()
    assert (n_low, n_high, hot) == ("1057", "1057", "True")


def test_the_functions_it_names_exist():
    for name in re.findall(r"`?bps\.(\w+)", README):
        assert callable(getattr(bps, name))


def test_the_options_it_lists_are_those_of_the_command(capsys):
    main(["run", "--help"])
    offered = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    listed = set(re.findall(r"^\| .*?\|", README, re.MULTILINE))
    named = {option for row in listed for option in re.findall(r"--[a-z-]+", row)}
    assert named == offered - {"--help"}
