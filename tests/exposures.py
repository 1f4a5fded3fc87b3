"""Small exposure files for the tests."""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.instrument import BAD

MRS = (96, 640)
"""A shape that holds a part of the gap of either MIRI detector."""

GAP = (50, 974, 474, 507)
"""The gap of MIRIFULONG."""


def sky(seed, shape=MRS, dtype=np.float32):
    """Noise with NaNs and outliers, on a pedestal; ERR, its root, is similar for all seeds."""
    rng = np.random.default_rng(seed)
    image = rng.normal(5.0, 1.0, size=shape) + 0.1 * (seed % 32)
    image[rng.random(shape) < 0.01] = np.nan
    image[np.random.default_rng(0).random(shape) < 0.002] += 100  # hot in every exposure
    return image.astype(dtype)


def write(path, image, *, detector="MIRIFULONG", exp_type="MIR_MRS", dispaxis=2, planes=True):
    """Write an exposure whose ERR and VAR follow from its image."""
    primary = fits.PrimaryHDU()
    primary.header.update(
        {
            "TELESCOP": "JWST",
            "INSTRUME": "MIRI" if detector and detector.startswith("MIRI") else "NIRSPEC",
            "DETECTOR": detector,
            "EXP_TYPE": exp_type,
            "FILENAME": ascii(Path(path).name),
            "DATAMODL": "IFUImageModel",
        }
    )
    if detector is None:
        del primary.header["DETECTOR"]
    sci = fits.ImageHDU(image, name="SCI")
    if dispaxis is not None:
        sci.header["DISPAXIS"] = dispaxis
    hdus = [primary, sci]
    if planes:
        hdus.append(fits.ImageHDU(np.sqrt(np.abs(image)), name="ERR"))
    dq = np.where(np.isnan(image), 1, 0).astype(np.uint32)
    dq[:, :4] |= np.uint32(1 << 31)
    hdus.append(fits.ImageHDU(dq, name="DQ"))
    if planes:
        hdus += [fits.ImageHDU(np.abs(image), name=f"VAR_{kind}") for kind in ("POISSON", "RNOISE")]
    fits.HDUList(hdus).writeto(path)
    return Path(path)


def associate(path, science, *, background=(), selfcal=(), name="product", **more):
    """Write an association of one product."""
    members = [{"expname": Path(science).name, "exptype": "science"}]
    members += [{"expname": Path(each).name, "exptype": "background"} for each in background]
    members += [{"expname": Path(each).name, "exptype": "selfcal"} for each in selfcal]
    table = {"asn_pool": "pool.csv", "products": [{"name": name, "members": members}], **more}
    Path(path).write_text(json.dumps(table))
    return Path(path)


def observation(folder, *, science=1, background=2, selfcal=2, shape=MRS, **how):
    """Write exposures and their association; return the association."""
    counts = {"sci": science, "bkg": background, "self": selfcal}
    seeds = count(1)
    files = {
        role: [
            write(folder / f"{role}{number}_rate.fits", sky(next(seeds), shape), **how)
            for number in range(counts[role])
        ]
        for role in counts
    }
    science, background, selfcal = files.values()
    return associate(folder / "x_asn.json", science[0], background=background, selfcal=selfcal)


def planes(path):
    """Return every image of a file by name."""
    with fits.open(path, memmap=False) as hdus:
        return {hdu.name: hdu.data for hdu in hdus[1:] if isinstance(hdu, fits.ImageHDU)}


def assert_equal_planes(one, other):
    """Check that two files have equal images."""
    mine, theirs = planes(one), planes(other)
    assert list(mine) == list(theirs)
    for name, image in theirs.items():
        np.testing.assert_array_equal(mine[name], image, err_msg=f"{one} {name}")


def assert_same_folders(ours, expected):
    """Check that two folders hold files of the same names with equal images."""
    assert names(ours) == names(expected)
    for path in expected.iterdir():
        assert_equal_planes(ours / path.name, path)


def header(path, extension=0):
    """Return a header of a file."""
    return fits.getheader(path, extension)


def entry_of(path):
    """Return all HISTORY of a file on one line."""
    return " ".join(header(path)["HISTORY"])


def names(folder):
    """Return the sorted names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def statuses(result):
    """Return the statuses of all exposures."""
    return [each.status for each in result.exposures]


def flags_in(path):
    """Return which pixels of a file are flagged."""
    return planes(path)["DQ"] & BAD == BAD


def found_in(images, *, dispaxis=2, gap=GAP, **how):
    """Return the bad pixels of images by the functions on arrays."""
    images = list(images)
    levels = [0.0 if gap is None else bps.pedestal(image, gap) for image in images]
    return bps.find_bad_pixels(bps.minimum_image(images, levels), dispaxis=dispaxis, **how)


def change(path, *, without=None, science=None, dispaxis=None, **cards):
    """Remove a plane of an exposure, replace its SCI, set DISPAXIS or cards; return its path."""
    with fits.open(path, mode="update") as hdus:
        hdus[0].header.update(cards)
        if science is not None:
            hdus["SCI"].data = science
        if dispaxis is not None:
            hdus["SCI"].header["DISPAXIS"] = dispaxis
        if without is not None:
            del hdus[without]
    return path


def products(association, edit):
    """Change the products of an association by a function; return the association."""
    table = json.loads(association.read_text())
    edit(table["products"])
    association.write_text(json.dumps(table))
    return association


def enlarge(path):
    """Append an extension to an exposure; return a size between the former and the new one."""
    before = path.stat().st_size
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.ImageHDU(np.zeros(1_000_000, np.uint8), name="MORE"))
    return (before + path.stat().st_size) // 2


@contextmanager
def largest_file(size):
    """Make the system refuse to write files beyond a size, as a full disk does."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def set_error(path, error):
    """Replace the ERR plane of an exposure; None removes it."""
    with fits.open(path, mode="update") as hdus:
        if error is None:
            del hdus["ERR"]
        else:
            hdus["ERR"].data = np.asarray(error, np.float32)
    return path


def hot_exposures(folder, number=4, *, errors=None):
    """Write exposures with hot pixels, and their errors; return paths, images and errors."""
    rng = np.random.default_rng(11)
    hot = np.zeros(MRS, np.float32)
    hot[tuple(rng.integers(0, size, 40) for size in MRS)] = rng.uniform(10, 100, 40)
    made = []
    for n in range(number):
        image = (rng.normal(0, 1, MRS) + hot).astype(np.float32)
        path = write(folder / f"{n}_rate.fits", image)
        error = rng.uniform(0.9, 1.1, MRS).astype(np.float32) * (1 if errors is None else errors)
        set_error(path, error)
        made.append((path, image, error))
    return zip(*made, strict=True)
