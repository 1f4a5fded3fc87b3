"""`make rehearsal VERSION=0.1.0`: do all files agree on the version? Tags it in a scratch clone."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from email import message_from_bytes
from pathlib import Path
from typing import Final

STATED: Final = {
    "Cargo.toml": r'^version = "(.*)"',
    "Cargo.lock": r'^name = "badpix-selfcal-.*"\nversion = "(.*)"',
    "rust/fuzz/Cargo.lock": r'^name = "badpix-selfcal-kernels"\nversion = "(.*)"',
    "CITATION.cff": r"^version: (.*)",
    "python/badpix_selfcal/look/citation.bib": r"\A[^@]*@[^@]*^  version = {(.*)}",
    "CHANGELOG.md": r"\A(?:(?!## \[).*\n)*## \[(.*)\]",
}
"""Where the tree states the version, for users, for pages and for tools."""


def disagreements(tree: Path, wheels: Sequence[Path], version: str) -> Iterator[str]:
    """Yield one line for each file that does not agree with a version, or is not ready for it."""
    for name, pattern in STATED.items():
        found = {*re.findall(pattern, (tree / name).read_text(encoding="utf-8"), re.MULTILINE)}
        if found != {version}:
            yield f"{name}: has version {' and '.join(sorted(found)) or 'nowhere'}, not {version}"
    if not wheels:
        yield "dist: has no wheel"
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as files:
            (metadata,) = (each for each in files.namelist() if each.endswith("info/METADATA"))
            found_there = message_from_bytes(files.read(metadata))["Version"]
        if found_there != version:
            yield f"{wheel.name}: has version {found_there}, not {version}"
    for fragment in sorted((tree / "changelog.d").glob("*.md")):
        if fragment.name != "README.md":
            yield f"changelog.d/{fragment.name}: is not in CHANGELOG.md yet: run towncrier build"


def _git(tree: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=tree, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def main(version: str, tree: Path = Path(), dist: Path = Path("dist")) -> int:
    """Clone what is committed, check the clone and the wheels, and tag the clone."""
    tag = f"v{version}"
    with tempfile.TemporaryDirectory() as folder:
        _git(tree, "clone", "--quiet", "--no-tags", ".", folder)
        found = [*disagreements(Path(folder), [*dist.glob("*.whl")], version)]
        if tag in _git(tree, "tag", "--points-at", "HEAD").split():
            changes = Path(folder, "CHANGELOG.md").read_text(encoding="utf-8")
            if f"## [{version}] - unreleased" in changes:
                found.append(f"CHANGELOG.md: has no date for {version}, which is tagged")
        print(*found, sep="\n", end="\n" if found else "")
        if found:
            return 1
        who = ("-c", "user.name=rehearsal", "-c", "user.email=rehearsal@localhost")
        _git(Path(folder), *who, "tag", "--annotate", tag, "--message", f"badpix-selfcal {version}")
        print(f"All files agree on {version}. Tagged in a clone:", _git(Path(folder), "describe"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
