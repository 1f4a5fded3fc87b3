"""Draw the page of figures of a simulated observation's mask, as `badpix-selfcal plot` does.

Needs matplotlib, in the clone: pip install ".[plot]"
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

MISSING = None
try:
    import numpy  # noqa: F401 - named first if it is missing
    from PIL import Image

    import badpix_selfcal as bps
    from badpix_selfcal.look import figure
except ImportError as error:  # the help page needs none of them
    MISSING = f'{error}; in the clone: pip install ".[plot]"'

NEEDED = "flagged/*_mask.fits"

EXAMPLE = """\
example, after 'badpix-selfcal simulate demo --detector MIRIFUSHORT' and
'badpix-selfcal run demo/*_00001_*_asn.json --cut sigma --save-mask --output-dir demo/flagged':
  python examples/page.py demo"""


def main() -> None:
    """Read the mask and write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="a simulation with its mask in flagged/")
    parser.add_argument("picture", type=Path, nargs="?", help="default: FOLDER/page.png")
    given = parser.parse_args()
    if MISSING:
        parser.error(MISSING)
    masks = sorted(given.folder.glob(NEEDED))
    if not masks:
        parser.error(f"{given.folder}: holds no {NEEDED}; see the example of --help")
    picture = given.picture or given.folder / "page.png"
    drawn = io.BytesIO()
    figure(bps.Mask.read(masks[0])).savefig(drawn, dpi=72, format="png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    # Few colours make it several times smaller.
    Image.open(drawn).convert("RGB").quantize(64, Image.Quantize.MAXCOVERAGE).save(
        picture, optimize=True
    )
    print(f"written   {picture}")


if __name__ == "__main__":
    main()
