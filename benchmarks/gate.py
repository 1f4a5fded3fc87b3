"""Whether the kernels execute as many instructions as before: ``make gate``.

Valgrind counts those of each kernel of ``rust/kernels/examples/instructions.rs``, with AVX2 and
without vectors. Unlike times, the counts do not depend on what else the machine does. They depend
on the compiler and on a few crates, whose versions are in the baseline.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
BASELINE: Final = ROOT / "benchmarks" / "results" / "instructions.json"
SETS: Final = ("avx2", "scalar")
CRATES: Final = ("bytemuck", "pulp", "rayon", "rayon-core")
ALLOWED: Final = 0.02
"""The change that passes: the counts of a kernel differ by less than 0.01 % from run to run."""


def _output_of(*command: str | Path) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SystemExit(f"{command[0]} is not installed") from error
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr or done.returncode}")
    return done.stdout + done.stderr


def count(program: Path, instructions: str, kernel: str) -> int:
    """Return the instructions that a kernel executes."""
    how = ("--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted*")
    said = _output_of("valgrind", *how, program, instructions, kernel)
    return int(re.findall(r"Collected : (\d+)", said)[0])


def measured(program: Path) -> dict[str, Any]:
    """Return the counts of all kernels, and the versions of what the program was built with."""
    lock = (ROOT / "Cargo.lock").read_text(encoding="utf-8")
    versions = {"rustc": _output_of("rustc", "--version").split()[1]}
    for crate in CRATES:
        (versions[crate],) = re.findall(rf'name = "{crate}"\nversion = "(.*)"', lock)
    runs = [(each, name) for each in SETS for name in _output_of(program).splitlines()]
    with ThreadPoolExecutor() as threads:
        counts = threads.map(lambda run: count(program, *run), runs)
        found = {
            f"{name} ({each})": number for (each, name), number in zip(runs, counts, strict=True)
        }
    return {"versions": versions, "instructions": found}


def compared(found: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """Return what is not as before; empty if nothing."""
    old = before["versions"]
    other = [
        f"{name} {version} instead of {old[name]}"
        for name, version in found["versions"].items()
        if version != old[name]
    ]
    if other:
        hint = f"; `RUSTUP_TOOLCHAIN={old['rustc']} make gate` uses its compiler"
        is_other = found["versions"]["rustc"] != old["rustc"]
        return [f"the baseline is of other versions: {', '.join(other)}{hint * is_other}"]
    counts, expected = found["instructions"], before["instructions"]
    wrong = [f"{name}: in one only" for name in sorted({*counts} ^ {*expected})]
    for name in counts.keys() & expected.keys():
        new, old = counts[name], expected[name]
        if abs(new - old) > ALLOWED * old:
            wrong.append(f"{name}: {new} instructions, {old} before ({new / old - 1:+.1%})")
    return sorted(wrong)


def main(program: str, *option: str) -> int:
    """Compare with the baseline, or with ``--renew`` replace it; return the exit status."""
    found = measured(Path(program))
    if option == ("--renew",):
        BASELINE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return 0
    wrong = compared(found, json.loads(BASELINE.read_text(encoding="utf-8")))
    many = len(found["instructions"])
    if not wrong:
        print(f"all {many} counts are within {ALLOWED:.0%} of the baseline")
        return 0
    print(*wrong, "If this is right, `make gate-baseline` renews the baseline.", sep="\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
