"""Tests of the package, and where their real data are."""

import os
from pathlib import Path

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
DATA = Path(os.environ.get("BADPIX_SELFCAL_DATA", BESIDE))
