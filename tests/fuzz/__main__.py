"""``python -m tests.fuzz``: runs the targets one after the other, each in a process of its own."""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
from pathlib import Path

SHARES = {"exposures": 3, "masks": 2, "associations": 2, "kernels": 3}
"""The targets in Python, and their shares of the time."""

RUST = {"medians": 2, "measures": 1}
"""The targets of cargo fuzz in rust/fuzz, and theirs."""


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="of all targets together")
    parser.add_argument("--only", choices=[*SHARES, *RUST], help="the only target to run")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(2**31)))
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--repeat", nargs=2, metavar=("TARGET", "FILE"), help="try one input")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.repeat or args.here:
        from . import Trials
        from .targets import TARGETS

        if args.repeat:
            name, file = args.repeat
            print(TARGETS[name].attempt(Path(file).read_bytes()))
            return 0
        trials = Trials(args.only, TARGETS[args.only], args.findings)
        trials.run(args.minutes * 60, args.seed)
        return int(bool(trials.places))
    print(f"seed {args.seed}", flush=True)
    shares = {args.only: 1} if args.only else {**SHARES, **RUST}
    each = args.minutes * 60 / sum(shares.values())
    status = 0
    for name, share in shares.items():
        run = _in_rust if name in RUST else _in_python
        status |= run(name, share * each, args)
    return status


def _in_python(name: str, seconds: float, args: argparse.Namespace) -> int:
    options = ["--only", name, "--minutes", str(seconds / 60), "--seed", args.seed, "--here"]
    command = [sys.executable, "-m", "tests.fuzz", *options, "--findings", str(args.findings)]
    return int(subprocess.run(command, check=False).returncode != 0)


def _in_rust(name: str, seconds: float, args: argparse.Namespace) -> int:
    if shutil.which("cargo-fuzz") is None:
        print(f"{name}: not run, there is no cargo-fuzz (cargo install cargo-fuzz)", flush=True)
        return 1
    command = ["cargo", "+nightly", "fuzz", "run", "--fuzz-dir", "rust/fuzz", name, "--"]
    options = [f"-max_total_time={seconds:.0f}", f"-seed={args.seed}", "-timeout=10"]
    run = subprocess.run(
        [*command, *options, "-max_len=4096", "-len_control=0"],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    done = [line for line in run.stderr.splitlines() if line.startswith("Done ")]
    print(f"{name}: {done[0] if done else run.stderr[-3000:]}", flush=True)
    return int(run.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
