"""Compare the flags of a simulated exposure with its known bad pixels."""

from __future__ import annotations

import argparse
from pathlib import Path

MISSING = None
try:
    import numpy as np
    from astropy.io import fits

    from badpix_selfcal.instrument import BAD
    from badpix_selfcal.simulate import HOT
except ImportError as error:  # the help page needs none of them
    MISSING = f"{error}; in the clone: pip install ."

EXAMPLE = """\
example, after 'badpix-selfcal simulate demo --detector MIRIFUSHORT' and
'badpix-selfcal run demo/*_00001_*_asn.json --output-dir demo/flagged':
  python examples/compare_with_truth.py demo/*_truth.fits demo/flagged/*_badpix_selfcal.fits"""


def main() -> None:
    """Print how many flags are right, and how many hot pixels have a flag."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("truth", type=Path, help="*_truth.fits of the simulation")
    parser.add_argument("flagged", type=Path, help="*_badpix_selfcal.fits of the exposure")
    given = parser.parse_args()
    if MISSING:
        parser.error(MISSING)
    for path in (given.truth, given.flagged):
        if not path.is_file():
            parser.error(f"{path}: no such file; see the example of --help")
    defects = fits.getdata(given.truth, "DEFECTS")
    flagged = (fits.getdata(given.flagged, "DQ") & BAD) == BAD
    hot = (defects & HOT) > 0
    wide = np.pad(hot, 1)
    near = hot | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
    print(f"{np.count_nonzero(flagged)} pixels are flagged, at the low and at the high end.")
    print(f"{np.count_nonzero(flagged & near)} of them are hot or touch a hot pixel.")
    print(
        f"{np.count_nonzero(flagged & hot)} of the {np.count_nonzero(hot)} hot pixels are flagged."
    )


if __name__ == "__main__":
    main()
