"""Draws the picture of a page in the README: ``python -m tests.report_picture PAGE PICTURE``."""

from __future__ import annotations

import shutil
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

SIZE = {"width": 1450, "height": 1620}
COLOURS = 255
FLAGS = 40
"""How many flags to step on, to one that is no extreme."""


def draw(page: Path, picture: Path) -> None:
    """Open a page, zoom to a flag of medium strength, and save what the window shows."""
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        window = browser.new_page(viewport=SIZE)
        window.goto(page.resolve().as_uri())
        window.wait_for_selector("html[data-ready=true]", state="attached")
        for key in ["n"] * FLAGS + ["z", "f"]:
            window.keyboard.press(key)
        window.wait_for_timeout(2000)
        shot = window.screenshot()
        browser.close()
    small = Image.open(BytesIO(shot)).convert("RGB").quantize(COLOURS)
    small.save(picture, optimize=True)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
