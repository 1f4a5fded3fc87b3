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
from hashlib import sha256
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

# The time at which copies, masks and pages were made.
_TIME = re.compile(rb"(?:DATE    |USEAFTER|BPXMADE )= '[^']*'|[0-9T:-]{19} UTC</td>")

OPTIONS = {"run": ("save_flagged_bkg", "save_mask"), "batch": ("save_mask",), "apply": ()}
"""The options of a command under attack, by its name."""


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
    return {path.name: _timeless(path.read_bytes()) for path in folder.iterdir()}


def _timeless(content: bytes) -> bytes:
    """Remove times, and the digest at the end of a page if it is that of the page."""
    page, mark, end = content.rpartition(b"<!-- sha256 ")
    if mark and end == sha256(page).hexdigest().encode() + b" -->\n":
        content = page + mark
    return _TIME.sub(b"", content)


def hidden(found: dict[str, bytes]) -> set[str]:
    """Return the names that begin with a dot."""
    return {name for name in found if name.startswith(".")}


@dataclass
class Attacked:
    """A command, and the outputs that it has with each of two parameters or masks.

    A mask file names the outputs of its exposures. Hence it depends on the folder `out`.
    """

    data: Path
    out: Path
    command: str
    given: str
    options: tuple[str, ...]
    old: dict[str, bytes]
    new: dict[str, bytes]

    @property
    def is_batch(self) -> bool:
        """Whether each output appears on its own."""
        return self.command != "run"

    @property
    def words(self) -> list[str]:
        """The command with its inputs and options."""
        masks = [str(self._mask("new"))] if self.command == "apply" else []
        options = ["--" + name.replace("_", "-") for name in self.options]
        return [self.command, *masks, str(self.data / self.given), *options]

    def prepare(self) -> None:
        """Write the old outputs."""
        self._call("old", kernel_size=9)

    def again(self) -> None:
        """Run once more, to the end."""
        self._call("new")

    def _call(self, mask: str, **how: object) -> None:
        if self.command == "apply":
            bps.apply(self._mask(mask), self.data / self.given, output_dir=self.out, overwrite=True)
            return
        run: Callable[..., object] = bps.batch if self.is_batch else bps.selfcal
        how |= dict.fromkeys(self.options, True)
        run(self.data / self.given, output_dir=self.out, overwrite=True, **how)

    def _mask(self, which: str) -> Path:
        folder = self.data.parent / f"{which}_mask"
        if not folder.exists():
            size = {"kernel_size": 9} if which == "old" else {}
            bps.batch(self.data, output_dir=folder, save_mask=True, **size)
        (mask,) = folder.glob("*_mask.fits")
        return mask


def attacked(data: Path, out: Path, command: str, given: str, *options: str) -> Attacked:
    """Return a run (of an association), a batch or an apply to attack."""
    made = Attacked(data, out, command, given, OPTIONS[command] + options, {}, {})
    made.prepare()
    made.old = contents(out)
    made.again()
    made.new = contents(out)
    shutil.rmtree(out)
    assert made.old.keys() == made.new.keys()
    assert all(made.old[name] != made.new[name] for name in made.old)
    return made


class Process:
    """The command in a process of its own."""

    def __init__(self, what: Attacked, *options: str) -> None:
        begin, begun = os.pipe()
        words = [*what.words, "--output-dir", str(what.out), *options]
        self._process = subprocess.Popen(
            [sys.executable, "-c", CODE, str(begun), *words],
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
