"""Commands on small disks; run in a mount namespace of its own, where anybody may mount.

``python -m tests.attacks.full_disk FOLDER CASES`` prints the counts.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from .runs import Attacked, Process, attacked, contents, hidden, observe

ROOM = 64 << 20
"""Bytes of a disk that is large enough."""


class Disk:
    """A disk in memory; a context manager."""

    def __init__(self, point: Path) -> None:
        self._point = point

    def __enter__(self) -> Disk:
        self._point.mkdir(exist_ok=True)
        self._mount(ROOM, "tmpfs")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", self._point], check=True)

    def leave(self, room: int) -> None:
        """Leave only so many bytes free."""
        used = sum(
            -(-path.stat().st_size // 4096) * 4096
            for path in self._point.rglob("*")
            if path.is_file()
        )
        self._mount(used + room, "tmpfs", "remount,")

    def _mount(self, size: int, kind: str, how: str = "") -> None:
        options = f"{how}size={size}"
        subprocess.run(["mount", "-t", kind, "-o", options, kind, self._point], check=True)


def attack(victim: Attacked, disk: Path, draw: random.Random) -> str:
    """Fill a disk during a run; return how the run ended."""
    most = sum(map(len, victim.new.values()))
    with Disk(disk) as small:
        before = {}
        if draw.random() < 0.5:
            victim.prepare()
            before = victim.old
        share = draw.choice((1.3 * draw.random(), 10 ** -draw.uniform(0, 3)))
        small.leave(4096 + int(share * most))
        ended = Process(victim, *(["--overwrite"] if before else [])).end()
        found = contents(victim.out)
        assert "Traceback" not in ended.said, ended.said
        assert not hidden(found), "files are left"
        if ended.status == 0:
            assert found == victim.new
        else:
            assert ended.status == 1
            assert "No space left on device" in ended.said, (victim.words, ended)
            for name, content in found.items():
                assert content in (before.get(name), victim.new[name]), f"{name} is not whole"
            assert victim.is_batch or found == before, "a part of the outputs was written"
            assert victim.is_batch or ended.said.count("\n") == 1, ended.said
        small.leave(ROOM)
        victim.again()
        assert contents(victim.out) == victim.new
    return "fit" if ended.status == 0 else "on a full disk"


def main(folder: Path, number: int) -> None:
    """Attack, and print the counts."""
    observe(folder / "in")
    kinds = (("run", "p0_asn.json"), ("batch", "."), ("batch", ".", "report"), ("apply", "."))
    victims = [attacked(folder / "in", folder / "disk" / "out", *words) for words in kinds]
    inputs, draw = contents(folder / "in"), random.Random(5)
    counts = Counter(
        attack(victims[each % len(victims)], folder / "disk", draw) for each in range(number)
    )
    assert contents(folder / "in") == inputs
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
