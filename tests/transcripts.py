"""Transcripts: commands, and word for word what the installed command prints for them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARK = re.compile(r"^\$ (.*)\n", re.MULTILINE)
STATUS = re.compile(r"\[exit status (\d+)\]\n\Z")


@dataclass(frozen=True)
class Played:
    """What a command line printed, standard error first, and its exit status."""

    text: str
    status: int


def shell(line: str, folder: Path, **variables: str) -> Played:
    """Run a line in a shell, as a user does, on a terminal of 80 columns."""
    scripts = sysconfig.get_path("scripts")
    environment = {**os.environ, "COLUMNS": "80", **variables}
    environment["PATH"] = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Played(done.stderr + done.stdout, done.returncode)


def play(transcript: str, folder: Path) -> str:
    """Play the commands of a transcript in a folder; return the transcript that results.

    A command stands after ``$ ``. What it prints follows, standard error first, then
    ``[exit status N]`` unless N is 0.
    """
    lines = []
    for line in MARK.findall(transcript):
        played = shell(line, folder)
        status = f"[exit status {played.status}]\n" if played.status else ""
        lines.append(f"$ {line}\n{played.text}{status}")
    return "".join(lines)


def facts(line: str, folder: Path) -> dict[str, Any]:
    """Return the JSON that a line prints, with its exit status."""
    scripts = sysconfig.get_path("scripts")
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["exit_status"] == done.returncode
    return found
