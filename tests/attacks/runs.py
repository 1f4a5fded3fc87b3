"""Commands under attack: how they are started, and what there is afterwards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

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

# The time at which copies, masks and pages were made.
_TIME = re.compile(rb"(?:DATE    |USEAFTER|BPXMADE )= '[^']*'|[0-9T:-]{19} UTC</td>")

OPTIONS = {"run": ("save_flagged_bkg", "save_mask"), "batch": ("save_mask",), "apply": ()}
"""The options of a command under attack, by its name."""


def observe(folder: Path) -> None:
    """Write five exposures and an association for each of the first two."""
    folder.mkdir()
    names = [write(folder / f"e{number}_rate.fits", sky(number)).name for number in range(5)]
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


def shown(found: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files whose names do not begin with a dot."""
    return {name: content for name, content in found.items() if not name.startswith(".")}


@dataclass
class Attacked:
    """A command, and the outputs that it has with each of two parameters or masks.

    A mask file names the outputs of its exposures. Hence it depends on the folder `out`.
    """

    data: Path
    out: Path
    command: str
    given: str
    old: dict[str, bytes]
    new: dict[str, bytes]

    @property
    def words(self) -> list[str]:
        """The command with its inputs and options."""
        masks = [str(self._mask("new"))] if self.command == "apply" else []
        options = ["--" + name.replace("_", "-") for name in OPTIONS[self.command]]
        return [self.command, *masks, str(self.data / self.given), *options]

    def write_old(self) -> None:
        """Write the old outputs."""
        self._call("old", kernel_size=9)

    def again(self) -> None:
        """Run once more, to the end."""
        self._call("new")

    def _call(self, mask: str, **how: Any) -> None:
        if self.command == "apply":
            bps.apply(self._mask(mask), self.data / self.given, output_dir=self.out, overwrite=True)
            return
        run: Callable[..., object] = bps.selfcal if self.command == "run" else bps.batch
        how |= dict.fromkeys(OPTIONS[self.command], True)
        run(self.data / self.given, output_dir=self.out, overwrite=True, **how)

    def _mask(self, which: str) -> Path:
        folder = self.data.parent / f"{which}_mask"
        if not folder.exists():
            size: Any = {"kernel_size": 9} if which == "old" else {}
            bps.batch(self.data, output_dir=folder, save_mask=True, **size)
        (mask,) = folder.glob("*_mask.fits")
        return mask


def attacked(data: Path, out: Path, command: str, given: str) -> Attacked:
    """Return a run (of an association), a batch or an apply to attack."""
    made = Attacked(data, out, command, given, {}, {})
    made.write_old()
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
        self.send = self._process.send_signal

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds or the process has ended."""
        while self._process.poll() is None and not condition():
            time.sleep(0.0005)

    def end(self, limit: float = 60.0) -> tuple[int, str]:
        """Wait for the end; return status and messages, which are no traceback."""
        said = self._process.communicate(timeout=limit)[1]
        assert "Traceback" not in said, said
        return self._process.returncode, said
