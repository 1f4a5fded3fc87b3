"""Draw a simulated MIRI MRS exposure before and after its bad pixels are flagged.

Needs matplotlib, in the clone: pip install ".[plot]"
"""

from __future__ import annotations

import argparse
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MISSING = None
try:
    import numpy as np
    from astropy.io import fits
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray
    from PIL import Image

    from badpix_selfcal.instrument import BAD, DETECTORS
    from badpix_selfcal.simulate import LIGHT_ONLY, Settings, simulate
    from badpix_selfcal.simulate.scene import FWHM, pointing
    from badpix_selfcal.simulate.slices import geometry
except ImportError as error:  # the help page needs none of them
    MISSING = f'{error}; in the clone: pip install ".[plot]"'

# The palette of Okabe and Ito, which colour-blind readers can distinguish.
FLAGGED, KNOWN_BAD, LIGHT_COLOUR = "#D55E00", "#56B4E9", "#BDBDBD"
ROWS, COLUMNS = slice(504, 574), slice(268, 354)
SLICE = 115  # channel 1, slice 15
STRETCH = 4.0  # DN/s
WAVELENGTHS = (5.18, 5.62)  # um
BRIGHTEST = 9.5  # DN/s
APERTURE, BLUR = 0.5, 0.095  # arcsec

NEEDED = "flagged/*_00001_mirifushort_badpix_selfcal.fits"

EXAMPLE = """\
example, after 'badpix-selfcal simulate demo --detector MIRIFUSHORT' and
'badpix-selfcal run demo/*_00001_*_asn.json --output-dir demo/flagged':
  python examples/before_after.py demo"""


@dataclass(frozen=True)
class Views:
    """One exposure in three versions, DN/s, each of shape (rows, columns).

    Attributes
    ----------
    before, after : ndarray of float
        SCI of the input and of the flagged copy.
    light : ndarray of float
        The simulated light, which an observer does not know.
    flagged, cosmic : ndarray of bool
        The pixels that the step has flagged; those that a cosmic ray has hit in this exposure.
    """

    before: NDArray[np.floating]
    after: NDArray[np.floating]
    light: NDArray[np.floating]
    flagged: NDArray[np.bool_]
    cosmic: NDArray[np.bool_]


def main() -> None:
    """Read the exposures and write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="a simulation with its copies in flagged/")
    parser.add_argument("picture", type=Path, nargs="?", help="default: FOLDER/before_after.png")
    given = parser.parse_args()
    if MISSING:
        parser.error(MISSING)
    if not [*given.folder.glob(NEEDED)]:
        parser.error(f"{given.folder}: holds no {NEEDED}; see the example of --help")
    picture = given.picture or given.folder / "before_after.png"
    save(draw(read(given.folder)), picture)
    print(f"written   {picture}")


def read(folder: Path) -> Views:
    """Read the first science exposure, and simulate its light without any defect."""
    (copy,) = folder.glob(NEEDED)
    before = folder / copy.name.replace("badpix_selfcal", "rate")
    (truth,) = folder.glob("*_truth.fits")
    seed = int(fits.getheader(truth)["SEED"])
    with tempfile.TemporaryDirectory() as temporary:
        clean = simulate(
            temporary,
            detector="MIRIFUSHORT",
            n_science=1,
            n_background=0,
            seed=seed,
            settings=LIGHT_ONLY,
        )
        light = fits.getdata(clean.science[0], "SCI")
    planes = (fits.getdata(path, "SCI") for path in (before, copy))
    found = (fits.getdata(copy, "DQ") & BAD) == BAD
    return Views(*planes, light, found, fits.getdata(truth, "COSMIC", 1) > 0)


def draw(views: Views) -> Figure:
    """Draw the images above, the spectra below."""
    style = {"font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"}
    with rc_context(style):
        figure = Figure(figsize=(10, 6.6), layout="constrained")
        panels = figure.subplot_mosaic(
            [["before", "after", "light"], ["spectra"] * 3], height_ratios=[1.15, 1]
        )
        draw_images(figure, panels, views)
        draw_spectra(panels["spectra"], views)
    return figure


def draw_images(figure: Figure, panels: dict[str, Axes], views: Views) -> None:
    """Draw a part of the detector: before, after, and the light alone."""
    known_bad = ~np.isfinite(views.before)
    texts = {
        "before": ("Before", "black dots: hot pixels; blue: known bad"),
        "after": ("After", "orange: flagged by badpix-selfcal"),
        "light": ("Truth", "the simulated light, no bad pixels"),
    }
    for name, (title, subtitle) in texts.items():
        panel = panels[name]
        shown = show(panel, getattr(views, name), cmap="gray_r", vmin=0.0, vmax=STRETCH)
        if name != "light":
            mark(panel, known_bad, KNOWN_BAD)
        if name == "after":
            mark(panel, views.flagged & ~known_bad, FLAGGED)
        panel.set_title(title, fontweight="bold", pad=20)
        panel.text(0.0, 1.025, subtitle, transform=panel.transAxes, fontsize=9)
        panel.set_xlabel("column")
    panels["before"].set_ylabel("row (dispersion)")
    figure.colorbar(shown, ax=panels["light"], label="SCI, DN/s", extend="max")


def show(panel: Axes, image: NDArray[Any], **how: Any) -> AxesImage:
    """Show the part of an image that the picture is about."""
    extent = (COLUMNS.start, COLUMNS.stop, ROWS.start, ROWS.stop)
    return panel.imshow(
        image[ROWS, COLUMNS],
        extent=extent,
        origin="lower",
        interpolation="nearest",
        aspect="auto",
        **how,
    )


def mark(panel: Axes, pixels: NDArray[np.bool_], colour: str) -> None:
    """Paint pixels in one colour."""
    show(panel, np.where(pixels, 1.0, np.nan), cmap=ListedColormap([colour]))


def draw_spectra(panel: Axes, views: Views) -> None:
    """Draw the spectrum of the source in one slice, before and after."""
    wavelength, profile = source()
    spectra = {name: rate(getattr(views, name), profile) for name in ("light", "before", "after")}
    lines = (("light", LIGHT_COLOUR, 4.0), ("before", FLAGGED, 1.2), ("after", "black", 1.2))
    for name, colour, width in lines:
        label = "truth" if name == "light" else name
        panel.plot(wavelength, spectra[name], color=colour, linewidth=width, label=label)
    left = spectra["after"] - spectra["light"] > 1.0
    for row in np.flatnonzero(left & (rate(views.cosmic, profile) > 0.1)):
        panel.annotate(
            "cosmic ray: in\nthis exposure only",
            (wavelength[row], spectra["after"][row]),
            (0, 52),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            arrowprops={"arrowstyle": "->", "shrinkB": 4},
        )
    panel.set_xlim(*WAVELENGTHS)
    panel.set_ylim(0.0, BRIGHTEST)
    panel.set_xlabel("wavelength, µm")
    panel.set_ylabel("rate of the source, DN/s")
    panel.set_title(
        "Spectrum of the source: hot pixels look like emission lines", fontweight="bold"
    )
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, ncols=3, loc=(0.27, 0.86))


def source() -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return where the light of the source falls in one slice.

    Returns
    -------
    wavelength : ndarray of float64, shape (rows,)
        Wavelength of every row, um.
    profile : ndarray of float64, shape (rows, columns)
        Light over that at the centre of the source; 0 outside the aperture.
    """
    detector = DETECTORS["MIRIFUSHORT"]
    seen = geometry(detector, *(np.arange(float(size)) for size in detector.shape))
    alpha, _ = pointing(0, Settings())
    inside = (seen.slices == SLICE) & (np.abs(seen.alpha - alpha) < APERTURE)
    width = np.hypot(Settings().source_fwhm * seen.wavelength / 10 / FWHM, BLUR)
    profile = np.where(inside, np.exp(-0.5 * ((seen.alpha - alpha) / width) ** 2), 0.0)
    return np.sum(seen.wavelength * inside, axis=1) / np.count_nonzero(inside, axis=1), profile


def rate(image: NDArray[Any], profile: NDArray[np.floating]) -> NDArray[np.floating]:
    """Fit the source's profile to the valid pixels of every row; NaN where too few are left."""
    valid = np.where(np.isfinite(image), profile, 0.0)
    weight = np.sum(valid**2, axis=1)
    weight[weight < 0.3 * np.sum(profile**2, axis=1)] = np.nan
    return np.sum(valid * np.nan_to_num(image), axis=1) / weight


def save(figure: Figure, path: Path) -> None:
    """Write a picture in few colours, which makes it several times smaller."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=110, format="png")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(drawn).convert("RGB").quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main()
