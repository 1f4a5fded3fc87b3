"""Groups of pixels on the page of a mask, in a real browser."""

from __future__ import annotations

import badpix_selfcal as bps

from .browsers import Opened, browser  # noqa: F401 (a fixture)
from .masks import GROUPS, with_groups
from .reported import numbers_in
from .test_report_verdict import good_mask, left_alone


def test_what_is_left_is_marked_and_selected(browser, tmp_path):
    to = bps.write_mask(left_alone(good_mask()), tmp_path / "x_badpix_selfcal_mask.fits")
    (group,) = bps.report(to, output_dir=tmp_path).groups
    opened = Opened(browser, group.page)
    (place,) = numbers_in(group.page.read_text())["sharp_left_at"]
    marked = opened.run('() => { const { x, y } = report.model("left").data; return [x, y]; }')
    assert marked == [[place["column"]], [place["row"]]]
    opened.page.click("summary:has-text('Places')")
    opened.page.click("details td [data-pixel]")
    text = opened.page.text_content("#selected")
    assert text.startswith(f"column {place['column']}, row {place['row']} ·")
    assert "not flagged" in text
    assert "holds no exposures" not in text
    assert opened.said == []
    opened.page.close()


def test_the_next_flag_is_the_next_group(browser, tmp_path):
    (group,) = bps.report(with_groups(), output_dir=tmp_path).groups
    opened = Opened(browser, group.page)

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
    assert opened.said == []
    opened.page.close()
