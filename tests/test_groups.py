"""Groups of flagged pixels against a search from pixel to pixel."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import badpix_selfcal as bps
from badpix_selfcal.arrays.groups import groups_of

from .flagged_files import searched
from .masks import masks, with_groups

ENDS = arrays(
    np.int8,
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.sampled_from([0, 0, 1, 1, -1]),
)
RESIDUALS = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1.0, 2.0, -3.0])


def grouped(ends, residual=None):
    place = np.flatnonzero(ends)
    values = np.ones(place.size) if residual is None else residual.ravel()[place]
    return groups_of(place, ends.ravel()[place] < 0, values, ends.shape[1])


@given(ENDS, st.data())
def test_the_groups_are_those_of_a_search(ends, data):
    residual = data.draw(arrays(np.float64, ends.shape, elements=RESIDUALS))
    found = grouped(ends, residual)
    pixels = [tuple(map(int, pixel)) for pixel in np.argwhere(ends)]
    groups = [{pixels[at] for at in np.flatnonzero(found.number == n)} for n in range(len(found))]
    assert sorted(map(sorted, groups)) == sorted(map(sorted, searched(ends)))
    assert found.size.tolist() == [len(group) for group in groups]
    # Strong pixels come first, and so do the groups of the strongest ones.
    strength = np.where(ends < 0, -residual, residual)
    strength[np.isnan(strength)] = -np.inf
    strongest = [max(strength[pixel] for pixel in group) for group in groups]
    assert strongest == sorted(strongest, reverse=True)
    ordered = [pixels[at] for at in found.order]
    for group, first, brightest in zip(groups, found.first, found.brightest, strict=True):
        own = ordered[first : first + len(group)]
        assert {*own} == group
        values = [strength[pixel] for pixel in own]
        assert values == sorted(values, reverse=True)
        assert pixels[brightest] == own[0]


@given(masks())
def test_every_mask_has_groups(mask):
    found = mask.bad_pixels
    groups = found.groups
    assert groups.number.size == groups.size.sum() == np.count_nonzero(found.mask)


def winding(shape, step):
    """Return a path that winds through an image, line after line."""
    path = np.zeros(shape, np.int8)
    path[::step] = 1
    for turn, row in enumerate(range(0, shape[0] - step, step)):
        path[row : row + step, -1 if turn % 2 == 0 else 0] = 1
    return path


def scattered(seed=1):
    ends = np.zeros(2048**2, np.int8)
    ends[np.random.default_rng(seed).choice(ends.size, 20_000, replace=False)] = 1
    return ends.reshape(2048, 2048)


@pytest.mark.parametrize(
    ("ends", "number", "seconds"),
    [
        (scattered(), None, 0.05),
        (np.ones((2048, 2048), np.int8), 1, 5.0),
        (np.tile(np.array([[1, 0], [0, 0]], np.int8), (512, 512)), 512**2, 2.0),
        (np.indices((1024, 1024)).sum(0).astype(np.int8) % 2, 1, 2.0),
        (winding((1024, 1024), 2), 1, 2.0),
        (np.ascontiguousarray(winding((1024, 1024), 2).T), 1, 2.0),
    ],
    ids=["scattered", "full", "grid", "chessboard", "winding along rows", "along columns"],
)
def test_large_masks_take_no_time(ends, number, seconds):
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        found = grouped(ends)
        taken.append(time.perf_counter() - began)
    assert number is None or len(found) == number
    assert min(taken) < 4 * seconds  # other programs take their share


def test_groups_in_words():
    assert " = 18 pixels in 6 groups (" in repr(with_groups().bad_pixels)
    image = np.zeros((20, 20))
    image[5, 5] = 9.0
    single = bps.find_bad_pixels(image, dispaxis=1, flagfrac_lower=0, flagfrac_upper=0.001)
    assert " = 1 pixel (" in repr(single)
