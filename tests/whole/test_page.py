"""The finding's page in a real browser: wide and narrow, light and dark, on paper, without script or network."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from experiments.reading.page import write
from tests.unit.experiments import finding_example as example

pytestmark = pytest.mark.chromium

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FINDINGS = {
    "five": example.finding,
    "many": example.finding_of_many,
    "production": example.finding_of_production,
    "older": example.finding_before_audits,
    "broken": example.finding_with_broken_audit,
    "weak": example.finding_with_weak_audit,
}
HOSTILE = "<script>document.title='broken'</script><img src=http://example.org/x onerror=\"document.title='broken'\">"

OVERFLOW = """() => [...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll, .skip, .hidden-label, thead, svg') && e.getClientRects().length)
  .filter(e => e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1)
  .map(e => e.tagName + ' ' + e.className)"""

CUT_TEXT = """() => [...document.querySelectorAll('svg')].flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')]
    .filter(t => { const r = t.getBoundingClientRect(); return r.left < box.left - 1 || r.right > box.right + 1; })
    .map(t => t.textContent); })"""

COLLISIONS = """() => [...document.querySelectorAll('svg.figure')].flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text:not(.glyph)')].map(t => [t.textContent, t.getBoundingClientRect()]);
  return boxes.flatMap(([a, p], i) => boxes.slice(i + 1)
    .filter(([b, q]) => Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1
                     && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 4)
    .map(([b]) => a + ' | ' + b)); })"""

SMALLEST = """() => Math.min(...[...document.querySelectorAll('svg.figure text')].map(t =>
  parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getBoundingClientRect().width
  / t.ownerSVGElement.viewBox.baseVal.width))"""


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the pages of each example finding."""
    folder = tmp_path_factory.mktemp("findings")
    for name, finding in FINDINGS.items():
        write(finding(), folder / name)
    return folder


def opened(browser: Browser, path: Path, width: int = 1280, **options: Any) -> tuple[Page, list[str]]:
    """Return the page at `width` px, and the list in which its requests and complaints gather."""
    page = browser.new_page(viewport={"width": width, "height": 900}, **options)
    noticed: list[str] = []
    page.on("request", lambda request: noticed.append(request.url))
    page.on("console", lambda message: noticed.append(message.text))
    page.on("pageerror", lambda error: noticed.append(str(error)))
    page.goto(path.as_uri())
    return page, noticed


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("file", ["index.html", "index.en.html"])
@pytest.mark.parametrize("name", list(FINDINGS))
def test_page_fits_and_reads(browser: Browser, folder: Path, name: str, file: str, width: int) -> None:
    """No sideways scrolling, nothing sticking out, no cut or colliding text in a drawing, type of 10.5 px or more."""
    page, noticed = opened(browser, folder / name / file, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERFLOW) == []
    assert page.evaluate(CUT_TEXT) == []
    assert page.evaluate(COLLISIONS) == []
    assert page.evaluate(SMALLEST) >= 10.5
    assert noticed == [(folder / name / file).as_uri()]
    page.close()


def test_the_fit_checks_can_fail(browser: Browser, folder: Path) -> None:
    """Planted faults: a wide box, a moved text and tiny type are each found."""
    page, _ = opened(browser, folder / "five" / "index.html", 390)
    page.evaluate("document.querySelector('h1').setAttribute('class', 'x')")
    page.evaluate("document.querySelector('main').style.width = '900px'")
    page.evaluate("document.querySelectorAll('svg.figure text')[0].setAttribute('x', '435')")
    page.evaluate("document.querySelectorAll('svg.figure text')[1].setAttribute('x', '24')")
    page.evaluate("document.querySelectorAll('svg.figure text')[2].style.fontSize = '5px'")
    page.evaluate("document.querySelectorAll('svg.figure text')[3].setAttribute('y', '12.5')")
    page.evaluate("document.querySelectorAll('svg.figure text')[3].setAttribute('x', '30')")
    assert page.evaluate("document.documentElement.scrollWidth") > 390
    assert page.evaluate(OVERFLOW) and page.evaluate(CUT_TEXT) and page.evaluate(COLLISIONS)
    assert page.evaluate(SMALLEST) < 10.5
    page.close()


def test_page_reads_without_script(browser: Browser, folder: Path) -> None:
    """With scripts switched off everything is there, and tables open by hand."""
    page, _ = opened(browser, folder / "five" / "index.html", 390, java_script_enabled=False)
    table = page.locator("figure table").first
    assert not table.is_visible()
    page.locator("figure summary").first.click()
    assert table.is_visible() and page.locator("h2").count() == 7
    page.close()


def test_languages_lead_to_each_other(browser: Browser, folder: Path) -> None:
    """One click brings the other language, and one click brings the reader back."""
    page, _ = opened(browser, folder / "five" / "index.html")
    for language in ("en", "nl"):
        page.locator("header a").click()
        assert page.locator("html").get_attribute("lang") == language
    page.close()


def test_dark_page_is_dark_and_paper_is_light(browser: Browser, folder: Path) -> None:
    """The reader's colour scheme is followed on screen; print is always dark on white, with all tables open."""
    page, _ = opened(browser, folder / "five" / "index.html", color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(17, 22, 27)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(24, 33, 43)"
    assert all(table.is_visible() for table in page.locator("table").all())
    page.set_viewport_size({"width": 690, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 690
    page.close()


def test_hostile_school_name_does_nothing(browser: Browser, tmp_path: Path) -> None:
    """Attack 24: a school called after a script neither runs nor loads anything."""
    finding = example.finding()
    finding["population"]["schools"][0]["name"] = HOSTILE
    finding["comparison"]["schools"][0]["name"] = HOSTILE
    path = write(finding, tmp_path)
    page, noticed = opened(browser, path)
    assert "broken" not in page.title() and noticed == [path.as_uri()]
    page.close()


def test_policy_stops_what_escaping_would_miss(browser: Browser, tmp_path: Path) -> None:
    """Positive control: markup that is in the page unescaped is stopped by the policy; without it, it runs."""
    html = write(example.finding(), tmp_path).read_text("utf-8").replace("</main>", f"{HOSTILE}</main>")
    guarded, bare = tmp_path / "guarded.html", tmp_path / "bare.html"
    guarded.write_text(html, "utf-8")
    bare.write_text(html.replace("Content-Security-Policy", "Nothing"), "utf-8")
    page, noticed = opened(browser, guarded)
    assert page.title() != "broken" and any("Content Security Policy" in text for text in noticed)
    page.close()
    page, _ = opened(browser, bare)
    assert page.title() == "broken"
    page.close()


def test_keyboard_reaches_the_content(browser: Browser, folder: Path) -> None:
    """The first stop of the tab key skips to the content, and a wide table can be reached to scroll it."""
    page, _ = opened(browser, folder / "five" / "index.html", 390)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    wide = page.locator(".scroll:has(.wide-table):visible").first
    wide.focus()
    assert wide.evaluate("e => e === document.activeElement && e.scrollWidth > e.clientWidth")
    page.close()
