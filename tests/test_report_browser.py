"""The page of a mask in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.look import layers
from badpix_selfcal.look.citation import bibtex_of, methods_of
from badpix_selfcal.look.left import scatter
from badpix_selfcal.look.shown import ACROSS, ALONG, flagged_first, slices_of, strips_of

from .browsers import Opened, browser, opening  # noqa: F401 (fixtures)
from .masks import GROUPS, with_groups
from .reported import mask_of, numbers_in, observed
from .test_verdict import good_mask, left_alone

SIZES = [("MIRIFUSHORT", (1024, 1032)), ("NRS1", (2048, 2048))]
MOST_BYTES = {"MIRIFUSHORT": 9e6, "NRS1": 25e6}
MOST_SECONDS = 5.0

POINTER = "() => document.getElementById('pointer').textContent"
RIGHT = "all => all.map((each) => each.getBoundingClientRect().right)"

RANGES = """() => report.panels().map(
    (figure) => [figure.x_range, figure.y_range].flatMap((range) => [range.start, range.end]))"""


@pytest.fixture(scope="module", params=SIZES, ids=[name for name, _ in SIZES])
def shown(request, browser, tmp_path_factory):
    """A page at full size, opened once for the tests that only look and click."""
    which = (*request.param, "sigma")
    folder = tmp_path_factory.mktemp("pages")
    (group,) = bps.report(observed(*which)[1].mask_file, output_dir=folder).groups
    opened = Opened(browser, group.page)
    opened.mask, opened.name = mask_of(*which), request.param[0]
    yield opened
    opened.page.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    (group,) = bps.report(observed()[1].mask_file, output_dir=folder).groups
    return group.page


def test_it_opens_quickly_and_is_not_large(shown):
    assert shown.path.stat().st_size <= MOST_BYTES[shown.name]
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    assert shown.seconds < MOST_SECONDS * max(1.0, 1.5 * load)  # other programs take their share


def test_values_are_those_of_the_arrays(shown):
    found, rng = shown.mask.bad_pixels, np.random.default_rng(1)
    pixels = np.concatenate([flagged_first(found)[:200], rng.integers(0, found.mask.size, 2000)])
    unit = scatter(found.residual)
    for name, image, one in (
        ("minimum", shown.mask.minimum, unit),
        ("residual", found.residual, unit),
        ("significance", found.significance, 1.0),
    ):
        texts = shown.run(
            "([name, pixels]) => pixels.map((pixel) => String(report.value(name, pixel)))",
            [name, pixels.tolist()],
        )
        ours = image.ravel()[pixels].astype("f8")
        theirs = np.array([float(text.replace("Infinity", "inf")) for text in texts])
        np.testing.assert_array_equal(np.isnan(theirs), np.isnan(ours))
        size = abs(ours)
        if name == "residual":  # the page has it as the difference of minimum and median
            size = abs(shown.mask.minimum.ravel()[pixels]) + size
        allowed = 1.02 * (layers.STEP * one + layers.STEP / layers.KNEE * size)
        allowed /= 1 if name == "residual" else 2
        assert np.all(np.nan_to_num(abs(theirs - ours) - allowed) <= 0)
    assert np.sum(np.isnan(ours)) > 0


def test_the_wheel_and_a_drag_move_all_images_together(shown):
    shown.run("() => report.actions.reset()")
    before = shown.run(RANGES)
    assert len(before) == 6
    box = shown.point(600, 500)
    shown.page.mouse.move(box["x"], box["y"])
    shown.page.mouse.wheel(0, -300)
    zoomed = shown.settled(RANGES, before)
    for was, now in zip(before, zoomed, strict=True):
        assert now == zoomed[0]
        assert now[1] - now[0] < 0.9 * (was[1] - was[0])
        assert now[3] - now[2] < 0.9 * (was[3] - was[2])
    shown.page.wait_for_timeout(1000)
    zoomed = shown.run(RANGES)
    other = shown.point(600, 500, 1)
    shown.page.mouse.move(other["x"], other["y"])
    shown.page.mouse.down()
    shown.page.wait_for_timeout(200)
    shown.page.mouse.move(other["x"] + 60, other["y"] + 30, steps=5)
    shown.page.mouse.up()
    panned = shown.settled(RANGES, zoomed)
    for was, now in zip(zoomed, panned, strict=True):
        assert now == panned[0]
        assert now[0] < was[0]
        assert now[2] > was[2]
        assert now[1] - now[0] == pytest.approx(was[1] - was[0], rel=1e-6)
    shown.page.keyboard.press("r")
    assert shown.settled(RANGES, panned) == before


def test_a_click_shows_the_profiles(shown):
    mask, found = shown.mask, shown.mask.bad_pixels
    columns = mask.minimum.shape[1]
    pixel = next(
        int(each)
        for each in flagged_first(found)[20:]
        if all(60 < place < 900 for place in divmod(int(each), columns))
    )
    row, column = divmod(pixel, columns)
    shown.run(
        "(pixel) => { report.select(pixel); report.actions.zoom(); report.select(0); }", pixel
    )
    shown.page.wait_for_timeout(500)
    place = shown.point(row, column, 1)
    shown.page.mouse.click(place["x"], place["y"])
    for _ in range(100):
        text = shown.run("() => document.getElementById('selected').textContent")
        if text.startswith(f"column {column}, row {row} "):
            break
        shown.page.wait_for_timeout(50)
    assert text.startswith(f"column {column}, row {row} ")
    profiles, unit = shown.run("() => report.profiles"), scatter(found.residual)
    strips = strips_of(mask, np.array([pixel]))
    allowed = {"rtol": 1e-3, "atol": unit / 16}
    median = mask.minimum - found.residual
    for way, reach, begin in (("along", ALONG, 0), ("across", ACROSS, 2 * ALONG + 1)):
        profile = profiles[way]
        is_y = (way == "along") == (mask.dispaxis == 2)
        middle = row if is_y else column
        assert profile["x"] == [*range(middle - reach, middle + reach + 1)]
        line = (slice(middle - reach, middle + reach + 1), column)
        if not is_y:
            line = (row, line[0])
        np.testing.assert_allclose(_floats(profile["minimum"]), mask.minimum[line], **allowed)
        np.testing.assert_allclose(_floats(profile["median"]), median[line], **allowed)
        away, noise = found.significance[line], found.noise[line]
        # Far from the cuts, the page draws them around the running median.
        level = np.where(abs(away) < 25, mask.minimum[line] - away * noise, median[line])
        lower = level + found.cut_low * noise
        np.testing.assert_allclose(
            _floats(profile["lower"]), lower, rtol=0.05, atol=unit + 0.05 * np.nanmax(abs(lower))
        )
        exposures = np.array([_floats(each) for each in profile["exposures"]])
        ours = strips.values[:, 0, begin : begin + 2 * reach + 1]
        away = np.nan_to_num(ours - mask.minimum[line])
        assert exposures.shape == ours.shape
        assert len(exposures) == 4
        np.testing.assert_array_equal(np.isnan(exposures), np.isnan(ours))
        assert np.all(
            np.nan_to_num(abs(exposures - ours) - 1e-3 * abs(ours)) <= 0.04 * away + 0.3 * unit
        )
    drawn = shown.run("() => report.model('profile-along').data.minimum")
    np.testing.assert_array_equal(_floats(drawn), _floats(profiles["along"]["minimum"]))


def brightest(found):
    return flagged_first(found)[found.groups.first]


def _floats(values):
    return np.array([np.nan if value is None else value for value in values], "f8")


def test_the_flicker_flips_by_button_and_by_key(shown):
    blanked = "() => report.isBlanked"
    state = "() => document.getElementById('state').textContent"
    assert shown.run(blanked) is False
    shown.page.click("#flicker")
    assert shown.settled(blanked, False) is True
    assert shown.run(state) == "after: flagged pixels blanked"
    assert shown.page.get_attribute("#flicker", "aria-pressed") == "true"
    shown.page.keyboard.press("f")
    assert shown.settled(blanked, True) is False
    assert shown.run(state) == "before"


def test_the_spectrum_is_the_mean_of_the_slice(shown):
    mask, slices = shown.mask, slices_of(shown.mask)
    number = len(slices.names) // 2
    shown.page.select_option("#slice", str(number))
    spectra = shown.run("() => report.spectra")
    inside = slices.number == number
    axis = 1 if mask.dispaxis == 2 else 0
    member = next(each for each in mask.members if each.role == "science")
    science = fits.getdata(member.exposure, "SCI") - (member.pedestal or 0)
    unit = scatter(mask.bad_pixels.residual)
    for (what, image), exact in zip(
        {"minimum": mask.minimum, "science": science}.items(), (1e-3, 0.04), strict=True
    ):
        spectrum = spectra[what]
        for name, kept in (("before", inside), ("after", inside & ~mask.bad_pixels.mask)):
            known = kept & np.isfinite(image)
            total = np.where(known, image, 0).sum(axis=axis, dtype="f8")
            with np.errstate(invalid="ignore"):
                expected = total / known.sum(axis=axis)
            found = _floats(spectrum[name])
            np.testing.assert_allclose(found, expected, rtol=exact, atol=unit / 10)
        assert spectrum["before"] != spectrum["after"]


def test_nothing_was_said_and_nothing_asked_for(shown):
    assert shown.said == []
    assert shown.requests == [shown.path.as_uri()]


def test_the_keyboard_is_enough(opening, small):
    opened = opening(small)
    page, mask = opened.page, mask_of()
    selected = "() => document.getElementById('selected').textContent.split(' · ')[0]"
    order = brightest(mask.bad_pixels)
    names = [f"column {pixel % 640}, row {pixel // 640}" for pixel in order.tolist()]
    assert opened.run(selected) == names[0]
    page.keyboard.press("n")
    assert opened.run(selected) == names[1]
    page.keyboard.press("p")
    page.keyboard.press("p")
    assert opened.run(selected) == names[-1]
    page.keyboard.press("r")
    before = opened.run(RANGES)
    page.keyboard.press("z")
    zoomed = opened.settled(RANGES, before)
    assert zoomed[0][1] - zoomed[0][0] == 50
    page.keyboard.press("r")
    assert opened.settled(RANGES, zoomed) == before
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(
            opened.run("() => document.activeElement.id || document.activeElement.tagName")
        )
    assert {"flicker", "previous", "next", "zoom", "reset", "images"} <= {*reached}
    page.focus("#images")
    row, column = divmod(int(order[-1]), 640)
    page.keyboard.press("ArrowRight" if column < 639 else "ArrowLeft")
    moved = column + 1 if column < 639 else column - 1
    assert opened.run(selected) == f"column {moved}, row {row}"
    page.focus("#flicker")
    page.keyboard.press("Enter")
    assert opened.run("() => report.isBlanked") is True
    button = page.locator(".gallery button").nth(3)
    pixel = int(button.get_attribute("data-pixel"))
    button.press("Enter")
    assert opened.run(selected) == f"column {pixel % 640}, row {pixel // 640}"


def test_flags_lie_beyond_the_band(opening, small):
    """The profiles of the selected pixel say the same as the mask."""
    opened, found = opening(small), mask_of().bad_pixels
    for pixel in brightest(found)[:40].tolist():
        opened.run("(pixel) => report.select(pixel)", pixel)
        profile, middle = opened.run("() => report.profiles.along"), pixel // 640
        at = profile["x"].index(middle)
        is_high = bool(found.high.ravel()[pixel])
        assert (profile["minimum"][at] > profile["upper"][at]) == is_high
        assert (profile["minimum"][at] < profile["lower"][at]) != is_high


def _luminance(colour):
    values = [float(each) for each in colour.strip("rgba()").split(",")[:3]]
    return sum(values) / 3


def test_light_and_dark_on_screen_and_paper(opening, small):
    for scheme in ("light", "dark"):
        opened = opening(small, color_scheme=scheme)
        ink = opened.run("() => getComputedStyle(document.body).color")
        ground = opened.run("() => getComputedStyle(document.body).backgroundColor")
        assert abs(_luminance(ink) - _luminance(ground)) > 150
        assert (_luminance(ground) < 60) == (scheme == "dark")
        axis = opened.run("() => report.panels()[0].below[0].axis_label_text_color")
        assert axis == ink
        other = "light" if scheme == "dark" else "dark"
        opened.page.emulate_media(color_scheme=other)
        changed = opened.settled("() => report.panels()[0].below[0].axis_label_text_color", ink)
        assert abs(_luminance(changed) - _luminance(ink)) > 150
        content = opened.page.pdf(print_background=True)
        assert content.startswith(b"%PDF")
        assert content.count(b"/Image") >= 5


def test_without_exposures_the_page_still_works(opening, tmp_path):
    mask = mask_of()
    gone = tuple(replace(each, exposure=tmp_path / "gone.fits") for each in mask.members)
    with pytest.warns(bps.SelfcalWarning, match="the page does not show"):
        (group,) = bps.report(replace(mask, members=gone), output_dir=tmp_path).groups
    opened = opening(group.page)
    assert opened.run("() => report.profiles.along.exposures") == []
    assert len(opened.run("() => report.profiles.along.minimum")) > 10
    assert numbers_in(group.page.read_text())["flagged"] > 0


def test_a_list_of_pages_leads_to_them(browser, tmp_path):
    masks = [observed()[1].mask_file, observed("NRS1", (96, 128))[1].mask_file]
    made = bps.report(masks, output_dir=tmp_path)
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(made.index.as_uri())
    assert all(each <= 390 for each in page.eval_on_selector_all(".why", RIGHT))
    page.click("a")
    page.wait_for_selector("html[data-ready=true]", state="attached")
    assert page.url == made.groups[0].page.as_uri()
    page.close()


@pytest.mark.filterwarnings("ignore:.*page does not show 4 exposures")
def test_what_is_left_is_marked_and_selected(opening, tmp_path):
    to = left_alone(good_mask()).write(tmp_path / "x_badpix_selfcal_mask.fits")
    (group,) = bps.report(to, output_dir=tmp_path).groups
    opened = opening(group.page)
    (place,) = numbers_in(group.page.read_text())["sharp_left_at"]
    marked = opened.run('() => { const { x, y } = report.model("left").data; return [x, y]; }')
    assert marked == [[place["column"]], [place["row"]]]
    opened.page.click("summary:has-text('Places')")
    opened.page.click("details td [data-pixel]")
    text = opened.page.text_content("#selected")
    assert text.startswith(f"column {place['column']}, row {place['row']} ·")
    assert "not flagged" in text
    assert "holds no exposures" not in text


@pytest.mark.filterwarnings("ignore:.*page does not show 2 exposures")
def test_the_next_flag_is_the_next_group(opening, tmp_path):
    (group,) = bps.report(with_groups(), output_dir=tmp_path).groups
    opened = opening(group.page)

    def selected():
        words = opened.run("() => document.getElementById('selected').textContent").split(" · ")
        return words[0], next(word for word in words if word.startswith("flag "))

    texts = []
    for number, ((row, column), size) in enumerate(GROUPS, start=1):
        what = f", a group of {size} pixels" if size > 1 else ""
        texts.append((f"column {column}, row {row}", f"flag {number} of {len(GROUPS)}{what}"))
    for place in (0, 1, 2, 3, 4, 5, 0):
        assert selected() == texts[place]
        opened.page.keyboard.press("n")
    opened.page.keyboard.press("p")
    opened.page.keyboard.press("p")
    assert selected() == texts[5]
    opened.run("() => report.select(12 * 80 + 20)")  # not the brightest of its group
    assert selected() == ("column 20, row 12", texts[3][1])
    opened.page.keyboard.press("n")
    assert selected() == texts[4]
    assert "18 pixels flagged in 6 groups" in opened.page.text_content("#verdict")


def test_the_next_flag_moves_the_images(opening, small):
    opened, found = opening(small), mask_of().bad_pixels
    for times, flat in enumerate(brightest(found)[1:4].tolist(), start=1):
        opened.page.click("#next")
        row, column = divmod(flat, found.mask.shape[1])
        for start_x, end_x, start_y, end_y in opened.run(RANGES):
            assert (start_x + end_x, start_y + end_y) == (2 * column, 2 * row)
            assert end_x - start_x == end_y - start_y == (50 if times < 3 else 20)
        if times == 2:  # closer than that the images stay
            opened.run("() => Object.assign(report.model('x_range'), { start: 0, end: 20 })")


@pytest.mark.parametrize("width", [390, 1440])
def test_a_page_is_as_wide_as_the_window(opening, small, width):
    """A phone would otherwise shrink it until its text cannot be read."""
    is_phone = width == 390
    opened = opening(
        small, viewport={"width": width, "height": 844}, is_mobile=is_phone, has_touch=is_phone
    )
    opened.page.eval_on_selector_all("details", "all => all.forEach((each) => each.open = true)")
    assert opened.run("() => [innerWidth, document.documentElement.scrollWidth]") == [width] * 2
    assert opened.run("() => visualViewport.scale") == 1
    tables = opened.page.eval_on_selector_all(
        "table", "all => all.map((each) => [each.scrollWidth, each.clientWidth])"
    )
    assert all(each <= width for each in opened.page.eval_on_selector_all("#verdict .word", RIGHT))
    assert len(tables) >= 6
    assert any(inner > outer for inner, outer in tables) == is_phone
    assert all(outer <= width for _, outer in tables)


@pytest.mark.parametrize("width", [390, 1440])
def test_the_bar_shows_the_selected_pixel(opening, small, width):
    """A phone has no pointer."""
    opened = opening(small, viewport={"width": width, "height": 844}, has_touch=True)
    found = mask_of().bad_pixels
    row, column = divmod(int(brightest(found)[1]), 640)
    value = found.significance[row, column]
    opened.page.click("#next")
    text = opened.page.text_content("#pointer")
    assert text.startswith(f"column {column}, row {row} · minimum ")
    assert f"significance {value:.4g} · flagged high: significance above 3.75 · flag 2 of" in text
    opened.run("() => document.getElementById('pictures').scrollIntoView()")
    opened.page.wait_for_timeout(500)
    place = opened.point(row, column + 1)
    opened.page.touchscreen.tap(place["x"], place["y"])
    tapped = opened.settled(POINTER, text)
    assert tapped.startswith(f"column {column + 1}, row {row} · ")
    assert opened.page.text_content("#selected").startswith(tapped)
    place = opened.point(row + 5, column - 5)
    opened.page.mouse.move(place["x"], place["y"])
    assert opened.settled(POINTER, tapped).startswith(f"column {column - 5}, row {row + 5} · ")
    opened.page.mouse.move(1, 1)
    opened.page.wait_for_function(f"(text) => ({POINTER})() === text", arg=tapped)


def test_a_pixel_has_the_same_digits_everywhere(opening, small):
    opened = opening(small)
    buttons = opened.page.locator(".gallery button")
    for number in range(buttons.count()):
        label = buttons.nth(number).text_content()
        pixel = int(buttons.nth(number).get_attribute("data-pixel"))
        value = label.partition(": ")[2].partition(",")[0]
        assert f" · {value} · " in opened.run("(pixel) => report.described(pixel)", pixel)


@pytest.mark.parametrize("width", [390, 1440])
def test_the_bar_covers_no_heading(opening, small, width):
    opened = opening(small, viewport={"width": width, "height": 700})
    for anchor in ("pictures", "left"):
        opened.run("(id) => { location.hash = ''; location.hash = id; }", anchor)
        opened.page.wait_for_timeout(100)
        top, hit = opened.run(
            """(id) => {
              const { x, y, height } = document.getElementById(id).getBoundingClientRect();
              return [y, document.elementFromPoint(x + 3, y + height / 2).id];
            }""",
            anchor,
        )
        assert -1 < top < 700
        assert hit == anchor


@pytest.mark.filterwarnings("ignore:.*page does not show 4 exposures")
def test_each_verdict_has_a_colour_and_a_sign_of_its_own(opening, tmp_path):
    group = next(iter(bps.report(left_alone(good_mask()), output_dir=tmp_path).groups))
    opened = opening(group.page)
    assert opened.page.inner_text("#verdict strong") == "LOOK"
    assert group.judgement.why in opened.page.inner_text("#verdict")
    styles = opened.run(
        """() => ["TRUST", "LOOK", "REJECT"].map((word) => {
          const each = document.querySelector("#verdict .word");
          each.className = `word ${word}`;
          const { backgroundColor, color } = getComputedStyle(each);
          return [backgroundColor, color, getComputedStyle(each, "::before").content];
        })"""
    )
    assert len({ground for ground, *_ in styles}) == len({sign for *_, sign in styles}) == 3
    for ground, ink, _ in styles:
        assert abs(_luminance(ink) - _luminance(ground)) > 110


def test_the_command_of_a_rejected_mask_is_selected_by_a_click(opening, tmp_path):
    mask = mask_of("MIRIFULONG", (96, 640), "fraction")
    (group,) = bps.report(mask, output_dir=tmp_path).groups
    assert group.verdict == "REJECT"
    opened = opening(group.page)
    opened.page.click("#command")
    assert opened.run("() => String(getSelection()).trim()") == group.judgement.command


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("says", ["Copied", "Selected"])
def test_methods_and_bibtex_can_be_copied(opening, small, width, says):
    opened = opening(small, viewport={"width": width, "height": 844})
    page, mask = opened.page, mask_of()
    if says == "Copied":
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    else:  # some browsers have no clipboard for files
        opened.run("() => Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    for name, text in {"methods": methods_of(mask), "bibtex": bibtex_of(mask)}.items():
        button = page.locator(f"[data-copy={name}]")
        assert button.inner_text() == "Copy"
        button.click()
        page.wait_for_function(
            "([name, says]) => document.querySelector(`[data-copy=${name}]`).textContent === says",
            arg=[name, says],
        )
        assert opened.run("() => String(getSelection()).trim()") == text.strip()
        if says == "Copied":
            assert opened.run("() => navigator.clipboard.readText()") == text
        right = page.locator(f"#{name}").evaluate("(box) => box.getBoundingClientRect().right")
        assert right <= width
