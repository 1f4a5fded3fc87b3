"""Checks of a program that takes an association and writes flagged FITS files."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import reference
from ..instrument import BAD, DETECTORS, NAN_PLANES, OTHER_BAD_PIXEL, within
from ..parameters import Parameters
from .check import EXAMPLES, Check, Trial, run
from .observation import Observation, observations

__all__ = ["Program", "check_step", "step_checks"]

Program: TypeAlias = Callable[[Path, Path], object] | Sequence[str]
"""Called with an association and an empty output folder, or the words of a command in which
``{association}`` and ``{output_dir}`` stand for them."""

LONGEST: Final = 600
"""Seconds that a command may take."""


def step_checks(program: Program) -> list[Check]:
    """Return the checks of a program.

    Parameters
    ----------
    program : callable or sequence of str
        ``program(association, output_dir)``, or a command such as ``["badpix-selfcal", "run",
        "{association}", "--output-dir", "{output_dir}"]``. It flags the science exposure with the
        default parameters of the pipeline's step and writes it to a FITS file in the folder; the
        only one there, or the only one without ``_bkg`` in its name.
    """
    call = program if callable(program) else _command(program)

    def flag(observation: Observation) -> dict[str, NDArray[Any]]:
        return _flagged(call, observation)

    usual, unusual, alone = observations(), observations(unusual=True), observations(alone=True)
    return [
        Check("step: planes", flag, usual, _equals_plain_numpy, 0.06),
        Check("step: unusual files", flag, unusual, _equals_plain_numpy, 0.06),
        Check("step: without companions", flag, alone, _flags_nothing, 0.03),
    ]


def check_step(program: Program, *, examples: int = EXAMPLES, seed: int | None = None) -> None:
    """Check a program that flags the science exposure: call all `step_checks` (see `Check`)."""
    run(step_checks(program), examples, seed)


def _command(words: Sequence[str]) -> Callable[[Path, Path], object]:
    def program(association: Path, outputs: Path) -> None:
        places = {"association": str(association), "output_dir": str(outputs)}
        command = [word.format(**places) for word in words]
        done = subprocess.run(
            command,
            cwd=outputs,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST,
        )
        if done.returncode not in (0, 3):
            said = f"ended with status {done.returncode}: {done.stderr[-500:]}"
            raise AssertionError(f"{shlex.join(command)} {said}")

    return program


def _flagged(
    program: Callable[[Path, Path], object], observation: Observation
) -> dict[str, NDArray[Any]]:
    """Return the planes of the science exposure that the program writes; none if it does not."""
    with tempfile.TemporaryDirectory(prefix="badpix-selfcal-") as name:
        inputs, outputs = Path(name, "in"), Path(name, "out")
        inputs.mkdir()
        outputs.mkdir()
        association = observation.write(inputs)
        before = {path.name: path.read_bytes() for path in inputs.iterdir()}
        program(association, outputs)
        if {path.name: path.read_bytes() for path in inputs.iterdir()} != before:
            raise AssertionError("an input was changed, added or removed")
        made = [path for path in outputs.glob("*.fits*") if "_bkg" not in path.name]
        if len(made) > 1:
            raise AssertionError(f"several outputs: {sorted(path.name for path in made)}")
        return _planes(made[0]) if made else {}


def _expected(observation: Observation) -> dict[str, NDArray[Any]]:
    """Return the planes of the flagged science exposure, in plain NumPy."""
    with tempfile.TemporaryDirectory(prefix="badpix-selfcal-") as folder:
        observation.write(folder)
        (science,) = Path(folder).glob("science0_rate.fits*")
        planes = _planes(science)
    about, lowered = DETECTORS[observation.detector], []
    for image in observation.exposures().values():
        gap = about.gap
        level = 0.0 if gap is None else reference.pedestal(image, within(gap, image.shape))
        if np.isfinite(level):
            lowered.append(image - image.dtype.type(level))
    found = reference.find_bad_pixels(
        np.fmin.reduce(lowered),
        dispaxis=about.dispaxis,
        kernel_size=Parameters.kernel_size,
        flagfrac_lower=Parameters.flagfrac_lower,
        flagfrac_upper=Parameters.flagfrac_upper,
    )
    for name, plane in planes.items():
        if name == "DQ":
            plane[found.mask] |= np.uint32(BAD)
        else:
            plane[found.mask] = np.nan
    return planes


def _equals_plain_numpy(trial: Trial, observation: Observation) -> None:
    planes, expected = trial(observation), _expected(observation)
    if not planes:
        trial.fail("no flagged file is written", "one FITS file", "none")
    if sorted(planes) != sorted(expected):
        trial.fail("other planes", str([*expected]), str([*planes]))
    for name, plane in expected.items():
        trial.expect(planes[name], plane, f"{name} of the science exposure differs")


def _flags_nothing(trial: Trial, observation: Observation) -> None:
    """Without companions nothing is flagged: there is no file, or an unflagged one."""
    planes = trial(observation)
    if planes and np.any(planes["DQ"] & np.uint32(OTHER_BAD_PIXEL)):
        trial.fail("pixels are flagged without companions", "no flags", "flags")


def _planes(path: Path) -> dict[str, NDArray[Any]]:
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        return {
            hdu.name: np.array(hdu.data, hdu.data.dtype.newbyteorder("="))
            for hdu in hdus[1:]
            if hdu.name in ("DQ", *NAN_PLANES)
        }
