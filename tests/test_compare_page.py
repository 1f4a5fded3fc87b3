"""The commands of `docs/compare.md` run as they are written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import badpix_selfcal as bps
from badpix_selfcal.simulate import simulate

from .flagged_files import saved_mask
from .test_readme import run

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "compare.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    """Make files with the names that the page uses."""
    made = simulate(tmp_path / "data", detector="MIRIFUSHORT", size=(96, 640), n_science=1)
    shutil.copy(made.science[0], tmp_path / "target_rate.fits")
    result = bps.selfcal(made.associations[0], output_dir=tmp_path / "data", save_mask=True)
    for name in (
        "ours/target_badpix_selfcal.fits",
        "pipeline/target_badpix_selfcal.fits",
        "A.fits",
        "B.fits",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(result.science, tmp_path / name)
    (tmp_path / "masks").mkdir()
    for number in range(3):
        saved_mask(tmp_path / "masks" / f"{number}_mask.fits", {(0, number)}, {(3, 3)})
    shutil.copy(result.mask_file, tmp_path / "masks" / "target_mask.fits")
    return tmp_path


def test_the_commands_of_the_page_work(folder):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    compared, script, followed, exported = BLOCKS
    assert run(compared, folder).count("A and B are equal\n") == 2
    assert run(script, folder) == "equal\n"
    saved_mask(folder / "B.fits")
    assert run(script, folder) == "failed\n"  # of another detector
    shutil.copy(folder / "target_rate.fits", folder / "B.fits")
    assert run(script, folder) == "different\n"
    assert run(exported, folder) == "written   pixels.ecsv\nwritten   pixels.reg\n"
    (folder / "pixels.ecsv").unlink()
    (folder / "masks" / "target_mask.fits").unlink()
    assert (
        run(followed, folder).count("  1 pixel and 2 groups persistent: in at least 3 of 3\n") == 2
    )
    for name in ("differences.png", "pixels.ecsv", "pixels.reg", "history.png"):
        assert (folder / name).stat().st_size > 1000
    assert bps.Mask.read(folder / "persistent_mask.fits").bad_pixels.n_high == 1
