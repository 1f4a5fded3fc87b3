"""Tiny exposures and masks in which given pixels are flagged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from astropy.io import fits
from hypothesis import strategies as st

from badpix_selfcal.instrument import BAD, DO_NOT_USE, OTHER_BAD_PIXEL
from badpix_selfcal.masks.history import kept, merged

from .masks import ABOUT, group_mask

SHAPE = (7, 11)
PIXELS = st.sets(st.tuples(st.integers(0, SHAPE[0] - 1), st.integers(0, SHAPE[1] - 1)))

SERIES = st.lists(st.tuples(PIXELS, PIXELS), min_size=2, max_size=6)


def image_of(pixels):
    mask = np.zeros(SHAPE, bool)
    mask[tuple(np.array(sorted(pixels), int).reshape(-1, 2).T)] = True
    return mask


def pixels_of(mask):
    return {*zip(*(axis.tolist() for axis in np.nonzero(mask)), strict=True)}


def searched(ends):
    """Return the sets of pixels that touch and have the same number, which is not 0."""
    left = {(int(y), int(x)): ends[y, x] for y, x in np.argwhere(ends)}
    found = []
    while left:
        pixel, end = left.popitem()
        group, todo = {pixel}, [pixel]
        while todo:
            y, x = todo.pop()
            for beside in [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
                if left.get(beside) == end:
                    del left[beside]
                    group.add(beside)
                    todo.append(beside)
        found.append(group)
    return found


def exposure(path, pixels=(), *, other=(), seed=1, **cards):
    """Write an exposure in which some pixels are flagged; `other` have one of the two bits only."""
    quality = np.zeros(SHAPE, np.uint32)
    quality[image_of(pixels)] = BAD | 4
    for number, pixel in enumerate(sorted(other)):
        quality[pixel] = (DO_NOT_USE, OTHER_BAD_PIXEL)[number % 2]
    science = np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)
    science[image_of(pixels)] = np.nan
    primary = fits.PrimaryHDU()
    primary.header.update({"DETECTOR": "MIRIFULONG", "SUBARRAY": "FULL", **cards})
    images = [fits.ImageHDU(science, name="SCI"), fits.ImageHDU(quality, name="DQ")]
    fits.HDUList([primary, *images]).writeto(path, overwrite=True)
    return path


def mask_file(path, quality, definitions=(), **cards):
    """Write a MASK file: its DQ, and the bits that DQ_DEF defines."""
    primary = fits.PrimaryHDU()
    primary.header.update({"DETECTOR": "MIRIFULONG", "REFTYPE": "MASK", **cards})
    hdus = [primary, fits.ImageHDU(quality * np.uint8(1), name="DQ")]
    if definitions:
        columns = [
            fits.Column("VALUE", "J", bzero=2**31, array=np.array([*definitions], np.uint32)),
            fits.Column("NAME", "40A", array=[*definitions.values()]),
        ]
        hdus.append(fits.BinTableHDU.from_columns(columns, name="DQ_DEF"))
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def group_mask_of(low, high, *, strength=10.0, cut="fraction", date="2023-05-06", **how):
    """Return a mask with pixels flagged at either end, by as much as `strength`."""
    low, high = image_of(low), image_of(high)
    residual = np.where(high, strength, np.where(low, -strength, 0.0)).astype(np.float32)
    about = {**ABOUT, "DATE-OBS": date, **how.pop("about", {})}
    mask = group_mask(shape=SHAPE, cut=cut, **how)
    found = replace(
        mask.bad_pixels,
        mask=low | high,
        residual=residual,
        cut_low=-1.0,
        cut_high=1.0,
        n_low=int(low.sum()),
        n_high=int(high.sum()),
        significance=None if cut == "fraction" else residual * 2,
    )
    known = {key: value for key, value in about.items() if value is not None}
    return replace(mask, bad_pixels=found, minimum=residual + 5, about=known)


def saved_mask(path, low=(), high=(), **how):
    """Write such a mask."""
    group_mask_of(low, high, **how).write(path, overwrite=True)
    return path


def history_of(series, at_least):
    masks = [
        group_mask_of(low - high, high, strength=2.0 + number, name=f"{number}")
        for number, (low, high) in enumerate(series)
    ]
    return merged(map(kept, masks), at_least)
