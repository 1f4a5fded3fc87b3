"""Install a wheel where there is neither cargo nor the source tree, and run the tests there.

``python -m release.installed dist/*.whl 3.11 3.12``: uv finds the Pythons, pytest reads
PYTEST_ADDOPTS.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

UV = Path(sys.executable).with_name("uv")
# It needs newer versions of the dependencies than this package does.
EXCLUDED = "jwst\n"
WHERE = "import badpix_selfcal as b, sys; print(b.__file__); sys.exit(sys.prefix not in b.__file__)"
TESTS = ["-m", "pytest", "-p", "no:cacheprovider", "--numprocesses", "2", "--dist", "loadfile"]


def variables(python: str, folder: Path) -> dict[str, str]:
    """Return the environment's variables, with a PATH to the new environment and to no cargo."""
    path = os.environ["PATH"].split(os.pathsep)
    kept = [each for each in path if not shutil.which("cargo", path=each)]
    if not shutil.which("bash", path=os.pathsep.join(kept)):
        sys.exit("cargo and bash share a folder: install Rust with the script of rustup.rs")
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "PATH": os.pathsep.join([str(folder / "env" / "bin"), *kept]),
        "PYENV_VERSION": python,  # which its shims, where uv finds Python, need
    }


def copy_tests(folder: Path) -> None:
    """Copy the files of the repository except what is released and these checks."""
    listed = subprocess.run(["git", "ls-files"], stdout=subprocess.PIPE, text=True, check=True)
    for name in listed.stdout.splitlines():
        if not name.startswith(("python/", "release/", "rust/")):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, target)


def test(wheel: Path, python: str, folder: Path, *, lowest: bool) -> None:
    """Install `wheel` for one version of Python and run the tests."""

    def run(*command: str | Path) -> None:
        print("$", *command, flush=True)
        subprocess.run(command, env=variables(python, folder), cwd=folder, check=True)

    copy_tests(folder)
    run(UV, "venv", "--python", python, "env")
    installed = folder / "env" / "bin" / "python"
    versions: tuple[str, ...] = ()
    if lowest:
        (folder / "excluded.txt").write_text(EXCLUDED)
        versions = ("--resolution", "lowest-direct", "--excludes", "excluded.txt")
    needed = ("--requirements", "pyproject.toml", "--all-extras", "--group", "test")
    run(UV, "pip", "install", "--quiet", "--python", installed, *versions, *needed, wheel)
    run(installed, "-c", WHERE)
    # Old releases call what newer releases of their own dependencies deprecate.
    run(installed, *TESTS, *(("-W", "ignore::DeprecationWarning") if lowest else ()))


def main() -> None:
    """Test a wheel with each Python that is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("wheel", type=Path)
    parser.add_argument("pythons", nargs="+")
    parser.add_argument("--lowest", action="store_true", help="oldest versions of dependencies")
    given = parser.parse_args()
    for python in given.pythons:
        with tempfile.TemporaryDirectory() as folder:
            test(given.wheel.resolve(), python, Path(folder), lowest=given.lowest)


if __name__ == "__main__":
    main()
