"""Small exposure files for the tests."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from astropy.io import fits

MRS = (96, 640)
"""A shape that holds a part of the gap of either MIRI detector."""


def sky(seed, shape=MRS, dtype=np.float32):
    """Noise with NaNs and outliers, on a pedestal."""
    rng = np.random.default_rng(seed)
    image = rng.normal(5.0, 1.0, size=shape) + 0.1 * seed
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
    counts = (("sci", science), ("bkg", background), ("self", selfcal))
    files, seed = {}, 0
    for role, count in counts:
        files[role] = []
        for number in range(count):
            seed += 1
            path = Path(folder) / f"{role}{number}_rate.fits"
            files[role].append(write(path, sky(seed, shape), **how))
    return associate(
        Path(folder) / "x_asn.json",
        files["sci"][0],
        background=files["bkg"],
        selfcal=files["self"],
    )


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


def header(path, extension=0):
    """Return a header of a file."""
    return fits.getheader(path, extension)


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


def hot_exposures(folder, count=4, *, errors=None):
    """Write exposures with hot pixels, and their errors; return paths, images and errors."""
    rng = np.random.default_rng(11)
    hot = np.zeros(MRS, np.float32)
    hot[tuple(rng.integers(0, size, 40) for size in MRS)] = rng.uniform(10, 100, 40)
    made = []
    for number in range(count):
        image = (rng.normal(0, 1, MRS) + hot).astype(np.float32)
        path = write(folder / f"{number}_rate.fits", image)
        error = rng.uniform(0.9, 1.1, MRS).astype(np.float32) * (1 if errors is None else errors)
        set_error(path, error)
        made.append((path, image, error))
    return zip(*made, strict=True)


def entry_of(path):
    """Return all HISTORY of a file on one line."""
    return " ".join(header(path)["HISTORY"])
