"""Check that the SBOM of a wheel lists every crate that is linked into its extension module.

``python -m release.crates dist/*.whl``
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

TREE = ["cargo", "tree", "--locked", "--package", "badpix-selfcal-python"]


def linked() -> set[tuple[str, str]]:
    """Return name and version of each crate that is linked on this machine."""
    command = [*TREE, "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]
    lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {
        (name, version.removeprefix("v"))
        for name, version, *_ in (line.split() for line in lines.splitlines())
    }


def listed(wheel: Path) -> set[tuple[str, str]]:
    """Return name and version of each crate that the SBOM lists."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [each for each in archive.namelist() if each.endswith(".cyclonedx.json")]
        sbom = json.loads(archive.read(name))
    parts = [sbom["metadata"]["component"], *sbom["components"]]
    return {(part["name"], part["version"]) for part in parts}


def main(wheel: Path) -> None:
    """Exit with the crates that are missing."""
    crates = linked()
    if missing := sorted(crates - listed(wheel)):
        sys.exit(f"the SBOM of {wheel.name} lacks {missing}")
    print(f"the SBOM lists all {len(crates)} linked crates")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
