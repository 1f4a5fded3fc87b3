"""Commands under attack: how they are started, and what there is afterwards."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import badpix_selfcal as bps

from ..exposures import associate, sky, write

HANG = 10.0
"""The longest time from a signal to the end of the process, s."""

# Where the tests run in the background, SIGINT may be ignored from the start. The byte says that
# Python has started and called the command: before, it prints tracebacks of its own.
CODE = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
begun = int(sys.argv.pop(1))

class Begun:
    def find_spec(self, name, *_):
        if name == "badpix_selfcal.cli":
            os.write(begun, b"x")

sys.meta_path.insert(0, Begun())
from badpix_selfcal.__main__ import main
sys.exit(main())
"""

EXPOSURES = 5

_DATE = re.compile(rb"DATE    = '[^']*'")


def observe(folder: Path) -> None:
    """Write exposures and an association for each of the first two."""
    folder.mkdir()
    names = [f"e{number}_rate.fits" for number in range(EXPOSURES)]
    for number, name in enumerate(names):
        write(folder / name, sky(number))
    for number in range(2):
        associate(
            folder / f"p{number}_asn.json", names[number], background=names[2:], name=f"p{number}"
        )


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, hidden ones too, without the time at which they were made."""
    if not folder.exists():
        return {}
    return {path.name: _DATE.sub(b"", path.read_bytes()) for path in folder.iterdir()}


def hidden(found: dict[str, bytes]) -> set[str]:
    """Return the names that begin with a dot."""
    return {name for name in found if name.startswith(".")}


@dataclass
class Attacked:
    """A run or a batch, and the outputs that it has with each of two parameters."""

    data: Path
    words: list[str]
    old: dict[str, bytes]
    new: dict[str, bytes]

    @property
    def is_batch(self) -> bool:
        return self.words[0] == "batch"

    def prepare(self, out: Path) -> None:
        """Write the old outputs."""
        self._call(out, kernel_size=9)

    def again(self, out: Path) -> None:
        """Run once more, to the end."""
        self._call(out)

    def _call(self, out: Path, **how: object) -> None:
        run: Callable[..., object] = bps.batch if self.is_batch else bps.selfcal
        how |= {} if self.is_batch else {"save_flagged_bkg": True}
        run(self.data / self.words[1], output_dir=out, overwrite=True, **how)


def attacked(data: Path, scratch: Path, *words: str) -> Attacked:
    """Return a run (of an association) or a batch to attack."""
    made = Attacked(data, [*words], {}, {})
    made.prepare(scratch)
    made.old = contents(scratch)
    made.again(scratch)
    made.new = contents(scratch)
    shutil.rmtree(scratch)
    assert made.old.keys() == made.new.keys()
    assert all(made.old[name] != made.new[name] for name in made.old)
    return made


class Process:
    """The command in a process of its own."""

    def __init__(self, what: Attacked, out: Path, *options: str) -> None:
        begin, begun = os.pipe()
        words = [what.words[0], what.data / what.words[1], "--output-dir", out, *options]
        if not what.is_batch:
            words.append("--save-flagged-bkg")
        self._process = subprocess.Popen(
            [sys.executable, "-c", CODE, str(begun), *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[begun],
        )
        os.close(begun)
        os.read(begin, 1)
        os.close(begin)
        self.start = time.monotonic()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds or the process has ended."""
        while self._process.poll() is None and not condition():
            time.sleep(0.0005)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def end(self, limit: float = 60.0) -> Ended:
        """Wait for the end; fail if it takes longer than a limit."""
        printed, said = self._process.communicate(timeout=limit)
        return Ended(self._process.returncode, printed, said, time.monotonic() - self.start)


@dataclass
class Ended:
    """How a process has ended."""

    status: int
    printed: str
    said: str
    duration: float
