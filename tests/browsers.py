"""Debian's Chromium, driven by Playwright, and pages in it. Skips the tests where there is none."""

from __future__ import annotations

import shutil
import time

import pytest

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("bokeh", reason="bokeh is not installed")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
if not CHROMIUM:
    pytest.skip("no chromium on this machine (apt-get install chromium)", allow_module_level=True)


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Opened:
    """A page in the browser, with all that it has said and asked for."""

    def __init__(self, browser, path, **how):
        how = {"viewport": {"width": 1500, "height": 1000}, **how}
        self.page = browser.new_page(**how)
        self.said, self.requests = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        began = time.perf_counter()
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready=true]", state="attached", timeout=60_000)
        self.seconds = time.perf_counter() - began
        self.path = path

    def run(self, code, *arguments):
        return self.page.evaluate(code, *arguments)

    def point(self, row, column, panel=0):
        """Return where a pixel is on the screen."""
        return self.run("([row, column, panel]) => report.onScreen(row, column, panel)",
                        [row, column, panel])  # fmt: skip

    def settled(self, code, before):
        """Return a value as soon as it is no longer what it was."""
        for _ in range(100):
            now = self.run(code)
            if now != before:
                return now
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{code} is still {before}")


@pytest.fixture
def opening(browser):
    """Opens pages, which must not complain."""
    pages = []

    def opened(path, **how):
        pages.append(Opened(browser, path, **how))
        return pages[-1]

    yield opened
    for each in pages:
        assert each.said == []
        each.page.close()
