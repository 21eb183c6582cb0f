"""A school's own page in a real browser: wide and narrow, light and dark, by keyboard, and inert whatever it holds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from experiments.reading.sheet import write
from tests.unit.experiments.sheet_example import sheet
from tests.whole.test_page import COLLISIONS, CUT_TEXT, FLAGS, HOSTILE, OVERFLOW, SMALLEST, opened

pytestmark = pytest.mark.chromium


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("file", ["team.html", "team.en.html"])
def test_the_page_fits_and_reads(browser: Browser, tmp_path: Path, file: str, width: int) -> None:
    """No sideways scrolling, nothing sticking out, no cut or colliding text, type of 10.5 px or more, no request."""
    path = write(sheet(), tmp_path, "team").with_name(file)
    page, noticed = opened(browser, path, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [page.evaluate(check) for check in (OVERFLOW, CUT_TEXT, COLLISIONS)] == [[], [], []]
    assert page.evaluate(SMALLEST) >= 10.5 and noticed == [path.as_uri()]
    page.close()


def test_hostile_names_do_nothing_and_the_languages_lead_to_each_other(browser: Browser, tmp_path: Path) -> None:
    """A school and a team called after a script neither run nor load anything; one click brings the other language."""
    path = write(sheet(HOSTILE, HOSTILE, HOSTILE), tmp_path, "team")
    page, noticed = opened(browser, path, 390, color_scheme="dark")
    assert page.title() != "broken" and noticed == [path.as_uri()]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 22, 27)"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    page.locator("header a").click()
    assert page.locator("html").get_attribute("lang") == "en"
    page.close()
