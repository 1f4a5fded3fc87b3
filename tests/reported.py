"""Masks of simulated observations, and what stands in their pages, for the tests of reports."""

from __future__ import annotations

import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from tempfile import mkdtemp

import badpix_selfcal as bps
from badpix_selfcal.simulate import simulate

NUMBERS = re.compile(r'<script type="application/json" id="numbers">(.*?)</script>')


@cache
def observed(detector="MIRIFULONG", size=(96, 640), cut="sigma"):
    """Return the files of a simulated observation, and the result of its first exposure."""
    folder = Path(mkdtemp(prefix="badpix_report_"))
    files = simulate(folder, detector=detector, size=size)
    result = bps.selfcal(
        files.associations[0], output_dir=folder / "flagged", save_mask=True, cut=cut
    )
    return files, result


def mask_of(*which):
    """Return the mask of a simulated observation."""
    return bps.Mask.read(observed(*which)[1].mask_file)


def numbers_in(page):
    """Return the numbers in the text of a page."""
    return json.loads(NUMBERS.search(page)[1])


class Cells(HTMLParser):
    """The texts of the table cells that show a number, by its name."""

    def __init__(self, page):
        super().__init__()
        self.texts = {}
        self._name = None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "td" and "data-number" in dict(attrs):
            self._name = dict(attrs)["data-number"]
            self.texts.setdefault(self._name, []).append("")

    def handle_data(self, data):
        if self._name is not None:
            self.texts[self._name][-1] += data

    def handle_endtag(self, tag):
        if tag == "td":
            self._name = None
