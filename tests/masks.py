"""Masks of groups for the tests: made up, drawn, and compared."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import badpix_selfcal as bps
from badpix_selfcal.files.paths import locate
from badpix_selfcal.masks.mask import Member
from badpix_selfcal.parameters import Parameters

ABOUT = {
    "TELESCOP": "JWST",
    "INSTRUME": "MIRI",
    "DETECTOR": "MIRIFULONG",
    "EXP_TYPE": "MIR_MRS",
    "CHANNEL": "34",
    "BAND": "LONG",
    "SUBARRAY": "FULL",
    "SUBSTRT1": 1,
    "DATE-OBS": "2023-05-06",
    "BUNIT": "DN/s",
}

MEMBERS = (
    Member(Path("jw01_rate.fits"), "science", 1.25, "", Path("out/jw01_badpix_selfcal.fits")),
    Member(Path("jw02_rate.fits"), "background", float("nan"), "no pedestal"),
    Member(locate("s3://bucket/jw03_rate.fits"), "selfcal", None),
)


def group_mask(image=None, *, seed=1, shape=(40, 50), cut="fraction", dispaxis=2, **how):
    """Return the mask of an image, or of noise with hot and dead pixels."""
    if image is None:
        rng = np.random.default_rng(seed)
        image = rng.normal(5.0, 1.0, shape).astype(np.float32)
        image[tuple(rng.integers(0, size, 8) for size in shape)] += 500
        image[tuple(rng.integers(0, size, 3) for size in shape)] = np.nan
    usual = {"cut": cut} if cut == "sigma" else {"flagfrac_upper": 0.01}
    parameters = how.pop("parameters", None) or Parameters(**usual)
    parameters = parameters.for_exposures(1)
    found = bps.find_bad_pixels(
        image,
        dispaxis=dispaxis,
        cut=parameters.cut,
        kernel_size=parameters.kernel_size,
        flagfrac_lower=parameters.flagfrac_lower,
        flagfrac_upper=parameters.flagfrac_upper,
        sigma_lower=parameters.sigma_lower,
        sigma_upper=parameters.sigma_upper,
        grow=parameters.grow,
        edge=parameters.edge,
    )
    given = {
        "name": "MIRIFULONG 34",
        "dispaxis": dispaxis,
        "parameters": parameters,
        "minimum": image,
        "bad_pixels": found,
        "dq": np.zeros(image.shape, np.uint32),
        "crowded": (),
        "members": MEMBERS,
        "about": ABOUT,
        "version": bps.__version__,
        "made": "2026-11-27T15:13:37",
    }
    return bps.Mask(**{**given, **how})


GROUPS = (
    ((30, 40), 5),
    ((50, 70), 1),
    ((5, 70), 1),
    ((11, 21), 9),
    ((45, 10), 1),
    ((13, 23), 1),
)
"""The brightest pixels of the groups of `with_groups`, and the sizes of these."""


def with_groups():
    """Return a mask of the sigma cut: a group of 3 x 3, a pixel with a halo, and single pixels."""
    residual = np.random.default_rng(1).normal(0.0, 1.0, (60, 80)).clip(-3, 3).astype(np.float32)
    residual[10:13, 20:23] = 50.0
    residual[11, 21] = 80.0
    residual[[29, 31, 30, 30], [40, 40, 39, 41]] = 15.0
    residual[30, 40] = 500.0
    residual[[45, 50], [10, 70]] = 60.0, 300.0
    residual[[5, 13], [70, 23]] = -100.0, -20.0
    mask = group_mask(residual + np.float32(5.0), cut="sigma")
    high, low = residual > 4.5, residual < -12
    found = replace(
        mask.bad_pixels,
        mask=high | low,
        residual=residual,
        significance=residual,
        noise=np.ones_like(residual),
        cut_low=-12.0,
        cut_high=4.5,
        n_low=int(low.sum()),
        n_high=int(high.sum()),
    )
    return replace(mask, bad_pixels=found)


WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
NAMES = st.text(min_size=1, max_size=90)
FLOATS = st.floats(width=32)
BYTES = st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)  # of names that are no UTF-8
CHARACTERS = st.one_of(st.characters(codec="utf-8", exclude_characters="\0"), BYTES)
PATHS = st.one_of(
    st.text(CHARACTERS, min_size=1).map(Path),
    st.from_regex(r"[a-z0-9_.~'&() -]{1,12}", fullmatch=True).map(
        lambda word: locate(f"s3://bucket/{word}")
    ),
)


@st.composite
def parameters(draw):
    """Draw parameters of either cut."""
    fraction = {name: st.floats(0, 0.5) for name in ("flagfrac_lower", "flagfrac_upper")}
    sigma = {"sigma_lower": st.floats(0.5, 1e300), "grow": st.booleans()}
    sigma |= {"sigma_upper": st.none() | st.floats(0.5, 50), "cut": st.just("sigma")}
    return Parameters(
        **draw(st.one_of(map(st.fixed_dictionaries, (fraction, sigma)))),
        kernel_size=draw(st.sampled_from([1, 3, 15])),
        dispaxis=draw(st.sampled_from(["auto", 1, 2, None])),
        edge=draw(st.sampled_from(["auto", "zero", "shrink"])),
        force_single=draw(st.booleans()),
        spare_crowded=draw(st.booleans()),
    )


SAMPLES = st.floats(width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 5.0])
IMAGES = arrays(
    st.sampled_from(["f4", "f8"]), array_shapes(min_dims=2, max_dims=2), elements=SAMPLES
)


@st.composite
def masks(draw):
    """Draw masks of all kinds."""
    image = draw(IMAGES)
    asked = draw(parameters())
    mask = group_mask(image, parameters=asked, dispaxis=draw(st.sampled_from([1, 2, None])))
    levels = st.one_of(st.none(), FLOATS)
    roles = st.sampled_from(["science", "background", "selfcal"])
    perhaps = st.one_of(st.none(), PATHS)
    member = st.builds(
        Member, PATHS, roles, levels, st.text(), perhaps, st.text(), perhaps, st.booleans()
    )
    found = replace(
        mask.bad_pixels,
        cut_low=draw(FLOATS),
        cut_high=draw(FLOATS),
        error_scale=draw(st.one_of(st.none(), FLOATS)),
    )
    known = np.random.default_rng(draw(st.integers(0, 9))).integers(0, 2**32, image.shape, "u4")
    rows = draw(st.sets(st.integers(0, max(image.shape) - 1)))
    about = draw(st.sets(st.sampled_from([*ABOUT])))
    return replace(
        mask,
        name=draw(NAMES),
        bad_pixels=found,
        dq=draw(st.sampled_from([None, known])),
        crowded=tuple(sorted(rows)),
        members=tuple(draw(st.lists(member, max_size=4))),
        about={key: value for key, value in ABOUT.items() if key in about},
        identity=draw(st.one_of(st.just(""), WORDS)),
    )


def assert_same_masks(ours, expected):
    """Check that two masks are equal, their arrays to the last bit."""
    for each in fields(bps.Mask):
        one, other = getattr(ours, each.name), getattr(expected, each.name)
        if each.name == "bad_pixels":
            for part in fields(bps.BadPixels):
                _assert_same(getattr(one, part.name), getattr(other, part.name), part.name)
        elif each.name == "source":
            continue
        elif each.name == "members":
            assert list(map(repr, one)) == list(map(repr, other))  # NaN equals NaN
        else:
            _assert_same(one, other, each.name)


def _assert_same(one, other, name):
    if isinstance(other, (np.ndarray, float)):
        np.testing.assert_array_equal(one, other, err_msg=name, strict=isinstance(one, np.ndarray))
    else:
        assert one == other, name
        assert type(one) is type(other), name
