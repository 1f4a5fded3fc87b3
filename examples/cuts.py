"""Draw the flags of the fraction cut and of the sigma cut beside the truth of a simulation.

Needs matplotlib, in the clone: pip install ".[plot]"
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MISSING = None
try:
    import numpy as np
    from astropy.io import fits
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    import badpix_selfcal as bps
    from badpix_selfcal.simulate import HOT, LOW
except ImportError as error:  # the help page needs none of them
    MISSING = f'{error}; in the clone: pip install ".[plot]"'

# The palette of Okabe and Ito, which colour-blind readers can distinguish.
RIGHT, WRONG, MISSED = "#0072B2", "#D55E00", "#E69F00"
ROWS, COLUMNS = slice(500, 580), slice(260, 360)
STRETCH = (-0.2, 1.5)  # DN/s
CUTS: Final = {
    "fraction": "Fraction cut (the pipeline's rule)",
    "sigma": "Sigma cut (--cut sigma)",
}

NEEDED = "*_00001_mirifushort_spec2_asn.json"

EXAMPLE = """\
example, after 'badpix-selfcal simulate demo --detector MIRIFUSHORT' and
'badpix-selfcal run demo/*_00001_*_asn.json --output-dir demo/flagged':
  python examples/cuts.py demo"""


@dataclass(frozen=True)
class Truth:
    """What the simulation knows, each of shape (rows, columns).

    Attributes
    ----------
    image : ndarray of float
        SCI of the first science exposure, DN/s.
    defects : ndarray of bool
        Hot pixels, the four neighbours that each lights up, and pixels of low response.
    bright : ndarray of bool
        Hot pixels; the simulation's faintest are far above the noise.
    """

    image: NDArray[np.floating]
    defects: NDArray[np.bool_]
    bright: NDArray[np.bool_]


def main() -> None:
    """Flag the exposures with both cuts and write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="a simulation of MIRIFUSHORT")
    parser.add_argument("picture", type=Path, nargs="?", help="default: FOLDER/cuts.png")
    given = parser.parse_args()
    if MISSING:
        parser.error(MISSING)
    if not [*given.folder.glob(NEEDED)]:
        parser.error(f"{given.folder}: holds no {NEEDED}; see the example of --help")
    picture = given.picture or given.folder / "cuts.png"
    (association,) = given.folder.glob(NEEDED)
    masks = {cut: mask_of(association, cut) for cut in CUTS}
    draw(read(given.folder), masks).savefig(picture, dpi=110)
    print(f"written   {picture}")


def mask_of(association: Path, cut: str) -> NDArray[np.bool_]:
    """Return the mask of one cut."""
    with tempfile.TemporaryDirectory() as temporary:
        found = bps.selfcal(association, cut=cut, output_dir=temporary).bad_pixels
    return found.mask


def read(folder: Path) -> Truth:
    """Read the first science exposure and the truth. Pixels known to be bad count as none."""
    (path,) = folder.glob("*001001_*_00001_*_rate.fits")
    (truth,) = folder.glob("*_truth.fits")
    image, defects = fits.getdata(path, "SCI"), fits.getdata(truth, "DEFECTS")
    unknown, hot, low = np.isfinite(image), (defects & HOT) > 0, (defects & LOW) > 0
    return Truth(image, (with_neighbours(hot) | low) & unknown, hot & unknown)


def with_neighbours(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add the four neighbours of each pixel."""
    wide = np.pad(pixels, 1)
    beside = wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
    return np.asarray(pixels | beside)


def draw(truth: Truth, masks: dict[str, NDArray[np.bool_]]) -> Figure:
    """Draw a part of the detector once for each cut."""
    style = {"font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"}
    with rc_context(style):
        figure = Figure(figsize=(10, 4.9), layout="constrained")
        panels = figure.subplots(1, len(masks), sharey=True)
        for panel, (cut, mask) in zip(panels, masks.items(), strict=True):
            draw_flags(panel, truth, mask)
            found = np.count_nonzero(mask & truth.bright) / np.count_nonzero(truth.bright)
            right = np.count_nonzero(mask & truth.defects) / np.count_nonzero(mask)
            panel.set_title(
                f"{CUTS[cut]}\n{found:.1%} of the hot pixels found, {right:.1%} of the flags right"
            )
        panels[0].set_ylabel("row (dispersion)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def draw_flags(panel: Axes, truth: Truth, mask: NDArray[np.bool_]) -> None:
    """Draw the image, and mark flags that are right, flags that are wrong, and missed pixels."""
    part = (ROWS, COLUMNS)
    extent = (COLUMNS.start - 0.5, COLUMNS.stop - 0.5, ROWS.start - 0.5, ROWS.stop - 0.5)
    panel.imshow(
        truth.image[part], cmap="gray_r", origin="lower", extent=extent, vmin=STRETCH[0],
        vmax=STRETCH[1], interpolation="nearest", rasterized=True,
    )  # fmt: skip
    kinds = (
        ("flagged, bad", mask & truth.defects, "s", {"color": RIGHT}),
        ("flagged, but good", mask & ~truth.defects, "X", {"fc": WRONG, "ec": "white", "lw": 0.4}),
        ("hot, but missed", truth.bright & ~mask, "o", {"ec": MISSED, "fc": "none", "lw": 1.2}),
    )
    for label, pixels, marker, colours in kinds:
        y, x = np.nonzero(pixels[part])
        panel.scatter(
            x + COLUMNS.start, y + ROWS.start, s=30, marker=marker, label=label, **colours
        )
    panel.set_xlabel("column")


if __name__ == "__main__":
    main()
