"""The command ``badpix-selfcal``: argument parsing and printing only."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Sequence
from typing import Final

from .._kernels import __version__, set_num_threads
from ..log import log
from ..messages import on_command_line
from . import associate, batch, run, simulate
from .options import Report
from .terminal import Terminated, orderly_termination, say, stderr_log, stderr_warnings

__all__ = ["main"]

DONE, FAILED, WRONG_USAGE = 0, 1, 2
INTERRUPTED, TERMINATED = 130, 143

INTERNAL: Final = ("command", "stopped")
"""Names that `options.command` adds to the arguments of the user."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments; those of the process unless given.

    Returns
    -------
    int
        The exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated.
    """
    parser = _parser()
    try:
        given = parser.parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        with (
            on_command_line(),
            stderr_warnings(quiet=given.quiet),
            stderr_log(given.verbose),
            orderly_termination(),
        ):
            report = _run(given)
    except KeyboardInterrupt as interrupt:
        say(f"badpix-selfcal: interrupted; {_result_of(interrupt, given)}", sys.stderr)
        return INTERRUPTED
    except Terminated as interrupt:
        say(f"badpix-selfcal: terminated; {_result_of(interrupt, given)}", sys.stderr)
        return TERMINATED
    except Exception as error:
        _report_error(error, given.verbose)
        return FAILED
    if given.json:
        say(json.dumps(report.facts, indent=2), sys.stdout)
    elif not given.quiet:
        say(report.text, sys.stdout)
    return FAILED if report.failed else DONE


def _run(given: argparse.Namespace) -> Report:
    log.info("badpix-selfcal %s, Python %s", __version__, sys.version.split()[0])
    log.debug("arguments: %s", {k: v for k, v in vars(given).items() if k not in INTERNAL})
    if getattr(given, "threads", None) is not None:
        set_num_threads(given.threads)
    report: Report = given.command(given)
    return report


def _result_of(interrupt: BaseException, given: argparse.Namespace) -> str:
    """Return what an interrupted command has written."""
    return "; ".join(getattr(interrupt, "__notes__", [])) or str(given.stopped)


def _is_expected(error: Exception) -> bool:
    """Return whether an input, an argument or the machine causes an error.

    A ValueError or RuntimeError of another package is none that this package foresees.
    """
    if isinstance(error, (OSError, MemoryError)):
        return True
    if not isinstance(error, (ValueError, RuntimeError)):
        return False
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return bool(frame.f_globals["__name__"].split(".")[0] == __package__.split(".")[0])


def _report_error(error: Exception, verbosity: int) -> None:
    """Print an error in one line. -v adds the traceback of an unexpected one, -vv of any."""
    expected = _is_expected(error)
    if verbosity > (1 if expected else 0):
        say("".join(traceback.format_exception(error)).rstrip(), sys.stderr)
    if expected:
        say(f"badpix-selfcal: error: {error}", sys.stderr)
        return
    how = "with the traceback above" if verbosity else "with the traceback that --verbose prints"
    what = " ".join(f"{type(error).__name__}: {error}".split())
    say(f"badpix-selfcal: unexpected error: {what}; please report it {how}", sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="badpix-selfcal",
        description="Self-calibration of bad pixels in JWST integral-field exposures.",
        epilog="'badpix-selfcal COMMAND --help' describes a command.",
    )
    parser.add_argument("--version", action="version", version=f"badpix-selfcal {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for each in (run, batch, associate, simulate):
        each.add(commands)
    return parser
