"""The command ``badpix-selfcal``: argument parsing and printing only."""

from __future__ import annotations

import argparse
import json
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO, TypeAlias

from ._kernels import MOST_THREADS, __version__, num_threads, set_num_threads
from .detectors import DETECTORS, Dispaxis
from .errors import SelfcalWarning
from .parameters import EDGE, EDGES, FLAGFRAC, KERNEL_SIZE, check_flagfrac, check_kernel_size
from .remote import locate

if TYPE_CHECKING:
    from .step import SelfcalResult

__all__ = ["main"]

DONE, FAILED, WRONG_USAGE = 0, 1, 2
INTERRUPTED, TERMINATED = 130, 143

Command: TypeAlias = Callable[[argparse.Namespace], dict[str, Any]]

_DISPAXIS: Final[dict[str, Dispaxis | Literal["auto"]]] = {
    "auto": "auto",
    "1": 1,
    "2": 2,
    "none": None,
}

_RUN = """\
Find the bad pixels of an association's exposures from the exposures themselves, and write
flagged copies: DQ gets DO_NOT_USE and OTHER_BAD_PIXEL, SCI, ERR and VAR_* get NaN.

INPUT is an association (JSON or YAML) or one science exposure (FITS). Inputs may be URLs
(s3://, https://), for which the extra "cloud" must be installed. Outputs are
<product>_badpix_selfcal.fits and, with --save-flagged-bkg,
<product>_badpix_selfcal_bkg_<i>.fits. Inputs are never modified."""

_RUN_EXAMPLES = """\
examples:
  badpix-selfcal run jw01234_spec2_asn.json --output-dir flagged
  badpix-selfcal run science_rate.fits --background bkg1_rate.fits --background bkg2_rate.fits
  badpix-selfcal run s3://bucket/jw01234_spec2_asn.json --output-dir flagged
  badpix-selfcal run science_rate.fits --force-single --kernel-size 9 --edge shrink

exit status: 0 done (also when skipped), 1 failed, 2 wrong usage"""

_SIMULATE = """\
Write a simulated observation into DIR: dithered science exposures, backgrounds, an association
for each science exposure, and a truth map of what is wrong with which pixel."""

_SIMULATE_EXAMPLES = """\
examples:
  badpix-selfcal simulate demo
  badpix-selfcal simulate small --detector MIRIFUSHORT --size 96 640 --science 4 --seed 7"""


class _Terminated(BaseException):
    """What SIGTERM raises."""


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
    command: Command = given.command
    try:
        with _warnings_on_stderr(), _orderly_termination():
            if getattr(given, "threads", None) is not None:
                set_num_threads(given.threads)
            report = command(given)
    except KeyboardInterrupt:
        print("badpix-selfcal: interrupted; no output was written", file=sys.stderr)
        return INTERRUPTED
    except _Terminated:
        print("badpix-selfcal: terminated; no output was written", file=sys.stderr)
        return TERMINATED
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        _print(f"badpix-selfcal: error: {error}", sys.stderr)
        return FAILED
    _print(json.dumps(report, indent=2) if given.json else report["text"], sys.stdout)
    return DONE


def _print(text: str, to: TextIO) -> None:
    """Print what the terminal's encoding may not hold, to a reader that may have gone."""
    encoding = to.encoding or "ascii"
    with suppress(BrokenPipeError):
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=to, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="badpix-selfcal",
        description="Self-calibration of bad pixels in JWST integral-field exposures.",
        epilog="'badpix-selfcal COMMAND --help' tells more of each command.",
    )
    parser.add_argument("--version", action="version", version=f"badpix-selfcal {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_simulate(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = _command(commands, "run", _RUN, _RUN_EXAMPLES, _run)
    run.add_argument("input", metavar="INPUT", type=locate, help="an association or an exposure")
    for role, use in (("selfcal", "only to find bad pixels"), ("background", "and flagged too")):
        run.add_argument(
            f"--{role}",
            metavar="FILE",
            type=locate,
            action="append",
            default=[],
            help=f"a further {role} exposure, used {use}; repeatable, appended to INPUT's",
        )
    run.add_argument(
        "--output-dir", metavar="DIR", type=Path, help="where to write (default: this folder)"
    )
    for end in ("lower", "upper"):
        name = f"flagfrac_{end}"
        run.add_argument(
            f"--flagfrac-{end}",
            metavar="F",
            type=_checked(float, partial(check_flagfrac, name=name)),
            default=FLAGFRAC,
            help=f"fraction of pixels to flag at the {end} end, 0 to 0.5 (default: %(default)s)",
        )
    run.add_argument(
        "--kernel-size",
        metavar="K",
        type=_checked(int, check_kernel_size),
        default=KERNEL_SIZE,
        help="samples in the running median's window, odd (default: %(default)s)",
    )
    run.add_argument(
        "--force-single",
        action="store_true",
        help="go on when there is no exposure but the science exposure",
    )
    run.add_argument(
        "--save-flagged-bkg", action="store_true", help="write the flagged backgrounds too"
    )
    run.add_argument(
        "--edge",
        choices=EDGES,
        default=EDGE,
        help="beyond the border the window sees zeros, or nothing (default: %(default)s)",
    )
    run.add_argument(
        "--dispaxis",
        choices=tuple(_DISPAXIS),
        default="auto",
        help="dispersion along x (1), y (2), unknown (none: a square window), or as the science "
        "exposure's header tells (default: %(default)s)",
    )
    run.add_argument("--threads", metavar="N", type=_checked(int, _threads), help=_THREADS)
    run.add_argument("--overwrite", action="store_true", help="replace existing outputs")


_THREADS = "threads to compute with (default: BADPIX_SELFCAL_NUM_THREADS, else what is free to use)"


def _add_simulate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    simulate = _command(commands, "simulate", _SIMULATE, _SIMULATE_EXAMPLES, _simulate)
    simulate.add_argument("directory", metavar="DIR", type=Path, help="where to write")
    simulate.add_argument(
        "--detector",
        choices=tuple(DETECTORS),
        type=str.upper,
        default="MIRIFULONG",
        help="which detector (default: %(default)s)",
    )
    simulate.add_argument(
        "--size",
        nargs="+",
        metavar="N",
        type=int,
        help="rows and columns of a subarray, or one number for both (default: full frame)",
    )
    for name, what in (("science", "science"), ("background", "background")):
        simulate.add_argument(
            f"--{name}",
            metavar="N",
            type=int,
            default=2,
            help=f"{what} exposures (default: %(default)s)",
        )
    simulate.add_argument(
        "--seed", metavar="N", type=int, default=1, help="random seed (default: %(default)s)"
    )
    simulate.add_argument("--overwrite", action="store_true", help="replace existing files")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    description: str,
    examples: str,
    command: Command,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=description.split(".")[0].replace("\n", " "),
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="report in JSON")
    parser.set_defaults(command=command)
    return parser


def _checked(kind: Callable[[str], Any], check: Callable[[Any], Any]) -> Callable[[str], Any]:
    """Return an argparse type that reports what `check` says of a wrong value."""

    def parse(text: str) -> Any:
        try:
            return check(kind(text))
        except (TypeError, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def _threads(number: int) -> int:
    if not 1 <= number <= MOST_THREADS:
        raise ValueError(f"threads must be from 1 to {MOST_THREADS}, got {number}")
    return number


@contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    def show(message: Warning | str, *_: object, **__: object) -> None:
        _print(f"badpix-selfcal: warning: {message}", sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", SelfcalWarning)
        warnings.showwarning = show
        yield


@contextmanager
def _orderly_termination() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that nothing half written is left behind."""
    import signal
    import threading

    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield  # is not ours to handle
        return

    def stop(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # until all is cleared away
        raise _Terminated

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _run(given: argparse.Namespace) -> dict[str, Any]:
    from .step import selfcal

    dispaxis: Dispaxis | Literal["auto"] = _DISPAXIS[given.dispaxis]
    threads = num_threads()  # a wrong setting is told before anything is written
    result = selfcal(
        given.input,
        selfcal=given.selfcal,
        background=given.background,
        output_dir=given.output_dir,
        kernel_size=given.kernel_size,
        flagfrac_lower=given.flagfrac_lower,
        flagfrac_upper=given.flagfrac_upper,
        force_single=given.force_single,
        save_flagged_bkg=given.save_flagged_bkg,
        edge=given.edge,
        dispaxis=dispaxis,
        overwrite=given.overwrite,
    )
    products = [_facts(each) for each in (result, *result.others)]
    if given.json:
        return {"version": __version__, "threads": threads, "products": products}
    return {"text": "\n".join(_text(facts, given) for facts in products)}


def _facts(result: SelfcalResult) -> dict[str, Any]:
    """Return what is told of one product, as JSON can hold it."""
    found = result.bad_pixels
    facts: dict[str, Any] = {
        "product": result.product,
        "status": result.status,
        "members": [
            {"path": str(path), "pedestal": _number(result.pedestals.get(path))}
            for path in result.members
        ],
        "dispaxis": result.dispaxis,
        "science": str(result.science),
        "backgrounds": [str(path) for path in result.backgrounds],
    }
    if found is not None:
        facts |= {
            "pixels": found.mask.size,
            "cut_low": _number(found.cut_low),
            "cut_high": _number(found.cut_high),
            "n_low": found.n_low,
            "n_high": found.n_high,
        }
    return facts


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _text(facts: dict[str, Any], given: argparse.Namespace) -> str:
    lines = [f"{facts['product']}: {facts['status']}"]
    for member in facts["members"]:
        level = member["pedestal"]
        told = "" if level is None else f"  pedestal {level:.6g}"
        lines.append(f"  member    {member['path']}{told}")
    if facts["status"] == "COMPLETE":
        axis = {1: "1 (along x)", 2: "2 (along y)", None: "unknown (square window)"}
        flagged = facts["n_low"] + facts["n_high"]
        cuts = (_shown(facts["cut_low"]), _shown(facts["cut_high"]))
        lines += [
            f"  dispaxis  {axis[facts['dispaxis']]}, kernel {given.kernel_size}",
            f"  cuts      residual below {cuts[0]} or above {cuts[1]}",
            f"  flagged   {facts['n_low']} low + {facts['n_high']} high = {flagged} pixels "
            f"({100 * flagged / facts['pixels']:.3f} %)",
        ]
    lines += [f"  written   {path}" for path in (facts["science"], *facts["backgrounds"])]
    return "\n".join(lines)


def _shown(cut: float | None) -> str:
    return "none" if cut is None else f"{cut:.6g}"


def _simulate(given: argparse.Namespace) -> dict[str, Any]:
    from .simulate import simulate

    size = given.size
    if size is not None and len(size) > 2:
        raise ValueError(f"--size takes one number or two, got {len(size)}")
    made = simulate(
        given.directory,
        detector=given.detector,
        size=size if size is None else (size[0], size[-1]),
        n_science=given.science,
        n_background=given.background,
        seed=given.seed,
        overwrite=given.overwrite,
    )
    if given.json:
        return {
            "associations": [str(path) for path in made.associations],
            "science": [str(path) for path in made.science],
            "background": [str(path) for path in made.background],
            "truth": str(made.truth),
        }
    return {"text": "\n".join(f"written   {path}" for path in made.files)}
