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

from .. import instrument
from ..arrays import reference
from ..instrument import DETECTORS, within
from ..parameters import Parameters
from .check import EXAMPLES, Check, Row, Trial, run, suite
from .observation import Observation, observations

__all__ = ["Program", "check_step", "step_checks"]

Program: TypeAlias = Callable[[Path, Path], object] | Sequence[str]
"""Called with an association and an empty output folder, or the words of a command in which
``{association}`` and ``{output_dir}`` stand for them."""

PLANES: Final = ("DQ", *instrument.NAN_PLANES)
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

    Returns
    -------
    list of Check
        Call each, or parametrize a test with them.
    """
    flag = _Runner(program)
    rows: list[Row] = [
        ("planes", observations(), _equals_plain_numpy, 0.06),
        ("unusual files", observations(unusual=True), _equals_plain_numpy, 0.06),
        ("without companions", observations(alone=True), _flags_nothing, 0.03),
    ]
    return suite("step", flag, rows)


def check_step(program: Program, *, examples: int = EXAMPLES, seed: int | None = None) -> None:
    """Check a program that flags the science exposure of an association.

    Parameters
    ----------
    program : callable or sequence of str
        As in `step_checks`.
    examples : int, optional
        Examples of each property, at least 1.
    seed : int or None, optional
        Of the examples; None: the same each time.

    Raises
    ------
    CheckFailed
        With the smallest example that was found.
    TypeError, ValueError
        If `examples` is not a whole number of at least 1.
    """
    run(step_checks(program), examples, seed)


class _Runner:
    """The program, as a function from an observation to the planes of its flagged science."""

    __name__ = "program"

    def __init__(self, program: Program) -> None:
        self._program = program

    def __call__(self, observation: Observation) -> dict[str, NDArray[Any]]:
        with tempfile.TemporaryDirectory(prefix="badpix-selfcal-") as name:
            folder = Path(name)
            inputs, outputs = folder / "in", folder / "out"
            inputs.mkdir()
            outputs.mkdir()
            association = observation.write(inputs)
            before = _content(inputs)
            self._run(association, outputs)
            if _content(inputs) != before:
                raise AssertionError("an input was changed, added or removed")
            made = [path for path in outputs.glob("*.fits*") if "_bkg" not in path.name]
            if len(made) > 1:
                raise AssertionError(f"several outputs: {sorted(path.name for path in made)}")
            return _planes(made[0]) if made else {}

    def _run(self, association: Path, outputs: Path) -> None:
        if callable(self._program):
            self._program(association, outputs)
            return
        places = {"association": str(association), "output_dir": str(outputs)}
        words = [word.format(**places) for word in self._program]
        done = subprocess.run(
            words,
            cwd=outputs,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST,
        )
        if done.returncode not in (0, 3):
            raise AssertionError(
                f"{shlex.join(words)} ended with status {done.returncode}: {done.stderr[-500:]}"
            )


def expected_of(observation: Observation, folder: Path) -> dict[str, NDArray[Any]]:
    """Return the planes of the flagged science exposure, in plain NumPy."""
    association = observation.write(folder)
    (science,) = association.parent.glob("science0_rate.fits*")
    stored = _planes(science)
    gap = DETECTORS[observation.detector].gap
    lowered = []
    for image in observation.exposures().values():
        level = 0.0 if gap is None else reference.pedestal(image, within(gap, image.shape))
        if np.isfinite(level):
            lowered.append(image - image.dtype.type(level))
    found = reference.find_bad_pixels(
        np.fmin.reduce(lowered),
        dispaxis=DETECTORS[observation.detector].dispaxis,
        kernel_size=Parameters.kernel_size,
        flagfrac_lower=Parameters.flagfrac_lower,
        flagfrac_upper=Parameters.flagfrac_upper,
    )
    for name, plane in stored.items():
        if name == "DQ":
            plane[found.mask] |= np.uint32(instrument.BAD)
        else:
            plane[found.mask] = np.nan
    return stored


def _equals_plain_numpy(trial: Trial, observation: Observation) -> None:
    planes = trial(observation)
    trial.require(bool(planes), "no flagged file is written", "one FITS file", "none")
    with tempfile.TemporaryDirectory(prefix="badpix-selfcal-") as folder:
        expected = expected_of(observation, Path(folder))
    trial.require(
        sorted(planes) == sorted(expected), "other planes", str([*expected]), str([*planes])
    )
    for name, plane in expected.items():
        trial.expect(planes[name], plane, f"{name} of the science exposure differs")


def _flags_nothing(trial: Trial, observation: Observation) -> None:
    """Without companions nothing is flagged: there is no file, or an unflagged one."""
    planes = trial(observation)
    if planes:
        flagged = (planes["DQ"] & np.uint32(instrument.OTHER_BAD_PIXEL)) != 0
        trial.expect(flagged, np.zeros_like(flagged), "pixels are flagged without companions")


def _planes(path: Path) -> dict[str, NDArray[Any]]:
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        return {
            hdu.name: np.array(hdu.data, hdu.data.dtype.newbyteorder("="))
            for hdu in hdus[1:]
            if hdu.name in PLANES
        }


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
