"""Compare the flags of a simulated observation with what is wrong with its pixels.

Usage: python examples/compare_with_truth.py TRUTH FLAGGED
"""

import sys

import numpy as np
from astropy.io import fits

from badpix_selfcal.dq import BAD
from badpix_selfcal.simulate import HALO, HOT


def main(truth: str, flagged: str) -> None:
    """Print how many of the flags are right, and how many bad pixels were missed."""
    wrong = fits.getdata(truth, "DEFECTS")
    bad = (fits.getdata(flagged, "DQ") & BAD) == BAD
    hot = (wrong & HOT) > 0
    near = hot | ((wrong & HALO) > 0)
    print(f"{np.count_nonzero(bad)} pixels flagged, half of them at the low end by choice")
    print(f"{np.count_nonzero(bad & near)} of the flagged are hot or next to a hot pixel")
    print(f"{np.count_nonzero(bad & hot)} of the {np.count_nonzero(hot)} hot pixels are flagged;")
    print("flag more with --flagfrac-upper")


if __name__ == "__main__":
    main(*sys.argv[1:])
