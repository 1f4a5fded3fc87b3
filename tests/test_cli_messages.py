"""What the command prints besides its report: log, warnings, errors."""

from __future__ import annotations

import json
import os
import platform
import re

import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main

from .commands import command
from .exposures import observation


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with an observation in it, which is the current folder."""
    observation(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    bps.set_num_threads(None)


class TestVerbosity:
    """-v and -vv print what is done to standard error; --quiet prints errors only."""

    RUN = ("run", "x_asn.json", "--overwrite")

    @pytest.mark.usefixtures("here")
    def test_without_an_option_there_is_a_report_and_no_log(self, capsys):
        assert main(self.RUN) == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        assert printed.out.startswith("product: COMPLETE")

    @pytest.mark.usefixtures("here")
    @pytest.mark.parametrize("name", ["run", "batch", "associate", "simulate"])
    def test_verbose_prints_the_log(self, capsys, name):
        inputs = {"run": ["x_asn.json"], "simulate": ["made", "--size", "96", "640"]}
        assert main([name, *inputs.get(name, ["."]), "--verbose"]) == 0
        lines = capsys.readouterr().err.splitlines()
        python = platform.python_version()
        assert (
            lines[0] == f"badpix-selfcal: info: badpix-selfcal {bps.__version__}, Python {python}"
        )
        assert not [line for line in lines if line.startswith("badpix-selfcal: debug: ")]

    @pytest.mark.usefixtures("here")
    def test_verbose_twice_prints_the_arguments_too(self, capsys):
        assert main([*self.RUN, "-vv", "--threads", "2", "--kernel-size", "9"]) == 0
        printed = capsys.readouterr()
        assert "badpix-selfcal: info: 2 threads compute\n" in printed.err
        assert re.search(r"^badpix-selfcal: debug: .*'kernel_size': 9", printed.err, re.MULTILINE)
        assert "COMPLETE" in printed.out

    @pytest.mark.usefixtures("here")
    def test_the_next_run_is_silent_again(self, capsys, caplog):
        assert main([*self.RUN, "-v"]) == 0
        lines = len(capsys.readouterr().err.splitlines())
        assert main([*self.RUN, "-v"]) == 0
        assert len(capsys.readouterr().err.splitlines()) == lines > 1
        assert main(self.RUN) == 0
        assert capsys.readouterr().err == ""
        caplog.clear()
        bps.selfcal("x_asn.json", overwrite=True)
        assert caplog.records == []  # a handler of the caller receives nothing either

    def test_quiet_prints_neither_report_nor_warnings(self, here, capsys):
        assert main(["run", "sci0_rate.fits", "--quiet", "--copy-skipped"]) == 3
        assert capsys.readouterr() == ("", "")
        assert (here / "sci0_badpix_selfcal.fits").exists()

    @pytest.mark.usefixtures("here")
    def test_quiet_prints_errors(self, capsys):
        assert main(["run", "nowhere.fits", "--quiet"]) == 1
        assert capsys.readouterr() == (
            "",
            "badpix-selfcal: error: nowhere.fits: no such file or folder\n",
        )

    @pytest.mark.usefixtures("here")
    def test_quiet_prints_the_report_in_json_if_asked_for(self, capsys):
        assert main(["run", "sci0_rate.fits", "--quiet", "--json"]) == 3
        printed = capsys.readouterr()
        assert json.loads(printed.out)["products"][0]["status"] == "SKIPPED"
        assert printed.err == ""

    @pytest.mark.usefixtures("here")
    def test_quiet_and_verbose_exclude_each_other(self, capsys):
        assert main([*self.RUN, "--quiet", "-v"]) == 2
        assert "not allowed with argument --quiet" in capsys.readouterr().err

    @pytest.mark.usefixtures("here")
    def test_the_traceback_of_an_expected_error_needs_two(self, capsys):
        assert main(["run", "nowhere.fits", "-v"]) == 1
        assert "Traceback" not in capsys.readouterr().err
        assert main(["run", "nowhere.fits", "-vv"]) == 1
        printed = capsys.readouterr().err
        assert "Traceback" in printed
        assert printed.splitlines()[-1].startswith("badpix-selfcal: error: nowhere.fits: no such")


class TestUnexpectedErrors:
    """An unexpected error is reported in one line: here, that of a broken PyYAML."""

    @pytest.fixture
    def broken(self, here):
        (here / "broken").mkdir()
        (here / "broken" / "yaml.py").write_text("raise KeyError('two\\nlines')")
        (here / "x_asn.yaml").write_text("products: []")
        path = os.pathsep.join([str(here / "broken"), os.environ.get("PYTHONPATH", "")])

        def run(*options):
            environment = {**os.environ, "PYTHONPATH": path}
            return command("run", "x_asn.yaml", *options, cwd=here, env=environment)

        return run

    def test_one_line_names_the_type_and_asks_for_a_report(self, broken):
        done = broken()
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            r"badpix-selfcal: unexpected error: KeyError: 'two\nlines'; please report it with the "
            "traceback that --verbose prints\n"
        )

    def test_verbose_prints_the_traceback(self, broken):
        done = broken("-v")
        assert done.returncode == 1
        *_, traceback, last = done.stderr.splitlines()
        assert "Traceback (most recent call last):" in done.stderr
        assert traceback == r"KeyError: 'two\nlines'"
        assert last.endswith("please report it with the traceback above")
