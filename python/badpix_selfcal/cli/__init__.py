"""The command ``badpix-selfcal``: argument parsing and printing only."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from .._kernels import __version__, set_num_threads
from . import associate, batch, run, simulate
from .options import Report
from .terminal import Terminated, orderly_termination, say, warnings_on_stderr

__all__ = ["main"]

DONE, FAILED, WRONG_USAGE = 0, 1, 2
INTERRUPTED, TERMINATED = 130, 143


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
        with warnings_on_stderr(), orderly_termination():
            if getattr(given, "threads", None) is not None:
                set_num_threads(given.threads)
            report: Report = given.command(given)
    except KeyboardInterrupt:
        say(f"badpix-selfcal: interrupted; {given.stopped}", sys.stderr)
        return INTERRUPTED
    except Terminated:
        say(f"badpix-selfcal: terminated; {given.stopped}", sys.stderr)
        return TERMINATED
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        say(f"badpix-selfcal: error: {error}", sys.stderr)
        return FAILED
    say(json.dumps(report.facts, indent=2) if given.json else report.text, sys.stdout)
    return FAILED if report.failed else DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="badpix-selfcal",
        description="Self-calibration of bad pixels in JWST integral-field exposures.",
        epilog="'badpix-selfcal COMMAND --help' tells more of each command.",
    )
    parser.add_argument("--version", action="version", version=f"badpix-selfcal {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for each in (run, batch, associate, simulate):
        each.add(commands)
    return parser
