"""What a school's own page promises: inert whatever it holds, the same in two languages, private, and said to stay."""

import base64
import hashlib
import itertools
import re
import stat
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.reading import palette
from experiments.reading.errors import CatalogueError, SheetError
from experiments.reading.matrix import Square, squares
from experiments.reading.norms import Bar, bars_with_norms
from experiments.reading.periods import Series, over_periods
from experiments.reading.sheet import Grid, Mark, Part, render, write
from experiments.reading.text import Text
from experiments.reading.words import Words, decimal, joined, share, whole
from tests.unit.experiments import sheet_example as example
from tests.unit.experiments.test_reading import DUTCH, ENGLISH, Page

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"' {{ 7*7 }} {% if %} &lt;b&gt;"
STEERING = "naam\u202eeman\x1b[2J\ud800"
LANGUAGES = ("nl", "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_self_contained_and_without_script(language: str) -> None:
    """Nothing runs and nothing is fetched, and the policy allows exactly the style that is there."""
    html = render(example.sheet(), language, "team")
    page = Page(html)
    assert not [tag for tag, _ in page.elements if tag in ("script", "iframe", "form", "object", "embed", "img")]
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on") or a == "style"]
    assert "://" not in html and "url(" not in html and "@import" not in html
    style = re.findall(r"<style>(.*?)</style>", html, re.S)[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv"))
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@pytest.mark.parametrize("language", LANGUAGES)
def test_markup_in_any_text_is_inert(language: str) -> None:
    """A school, a team and every other text may be called after a script: it is shown, letter by letter."""
    plain = Page(render(example.sheet(), language, "team"))
    hostile = Page(render(example.sheet(HOSTILE, HOSTILE, HOSTILE), language, "team"))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert [set(attributes) for _, attributes in hostile.elements] == [set(a) for _, a in plain.elements]
    assert hostile.text.count("<script>alert(1)</script>") > 12 and "49" not in hostile.text.replace("749", "")


def test_the_markup_check_can_fail() -> None:
    """Positive control: the same texts put in without escaping do give script elements."""
    html = render(example.sheet(HOSTILE), "nl", "team").replace("&lt;", "<").replace("&gt;", ">")
    assert Page(html).all("script")


def test_letters_that_steer_are_shown_as_a_mark() -> None:
    """A name cannot turn the direction of a line, clear a terminal, or stop the page from being written."""
    html = render(example.sheet(STEERING, STEERING, STEERING), "nl", "team")
    assert "naam\N{REPLACEMENT CHARACTER}eman" in html
    assert not set(html) & {"\u202e", "\x1b"} and html.encode("utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_structure_serves_a_screen_reader(language: str) -> None:
    """Language, one h1, headings without gaps, ids of one kind, references that exist, scopes, and marks in words."""
    page = Page(render(example.sheet(), language, "team"))
    assert not page.faults and not page.open and page.all("html")[0]["lang"] == language
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1 and all(b - a <= 1 for a, b in itertools.pairwise(levels))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    wanted = [a[k] for _, a in page.elements for k in ("aria-labelledby", "aria-describedby") if k in a]
    assert {reference for value in wanted for reference in (value or "").split()} <= set(ids)
    assert {f"#{name}" for name in ids} >= {a["href"] for a in page.all("a")[2:]}
    assert all(th.get("scope") in ("col", "row") for th in page.all("th"))
    text = Text.of(language)
    assert all(f"{text(f'tone.{tone}')}:" in page.texts for tone in ("good", "warn", "bad"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_says_that_it_stays_and_when_it_was_made(language: str) -> None:
    """Banner, notice, date and school stand on every page; the link leads to the other language."""
    page, text = Page(render(example.sheet(), language, "team")), Text.of(language)
    for words in (text("sheet.badge"), text("sheet.stays"), "Voorbeeld College", text.numbers.day(1_795_780_800)):
        assert words in page.text
    assert {"nl": "Een mens beslist.", "en": "A person decides."}[language] in page.texts
    assert page.all("link")[0]["href"] == {"nl": "team.en.html", "en": "team.html"}[language]


def test_no_sentence_is_left_in_the_other_language() -> None:
    """The page's own words are Dutch on one page and English on the other."""
    for language, other in (("en", DUTCH), ("nl", ENGLISH)):
        text = Page(render(example.sheet(), language, "team")).text.replace(Text.of(language)("other.language"), "")
        for team in example.TEAMS:
            text = text.replace(team, "")
        assert re.findall(other, text) == []


def test_numbers_are_written_as_each_language_does() -> None:
    """A whole number, a share and a decimal follow the language; so do words that hold them."""
    assert (whole(1204), share(0.825), decimal(7.25)) == (
        Words("1.204", "1,204"),
        Words("82,5%", "82.5%"),
        Words("7,2", "7.2"),
    )
    made = Words("{n} van {a}", "{n} of {a}").filled(n=whole(1204), a="{x}")
    assert made == Words("1.204 van {x}", "1,204 of {x}") and joined(["a", "b"]) == Words("a en b", "a and b")


def test_files_are_the_owners_alone_and_appear_whole(tmp_path: Path) -> None:
    """Both languages, mode 0600 in a folder of mode 0700; a page that cannot be made changes nothing."""
    path = write(example.sheet(), tmp_path / "local", "team")
    assert sorted(file.name for file in path.parent.iterdir()) == ["team.en.html", "team.html"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    before = path.read_bytes()
    bad = Part(Words("x", "x"), (), Grid((Words("a", "a"),), (("b", "c"),)))
    with pytest.raises(SheetError, match="one cell per head"):
        write(replace(example.sheet(), parts=(bad,)), path.parent, "team")
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 2


@pytest.mark.parametrize("name", ["", "../team", "team.html", "Team", "a/b", "team\n", "-x"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    """A page is written in its folder and nowhere else."""
    with pytest.raises(SheetError):
        write(example.sheet(), tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_third_language_is_refused() -> None:
    """A page is Dutch or English."""
    with pytest.raises(CatalogueError):
        render(example.sheet(), "fy", "team")


def test_equal_sheets_give_equal_bytes() -> None:
    """A page says nothing that its sheet does not say."""
    assert render(example.sheet(), "nl", "team") == render(example.sheet(), "nl", "team")


# --- figures -----------------------------------------------------------------------------------------------------


def drawn(figure: object) -> ET.Element:
    return ET.fromstring(str(figure.svg))  # type: ignore[attr-defined]


def test_a_bar_is_as_long_as_its_value_and_its_norm_stands_where_it_says() -> None:
    """Half of the scale is half of the track; a value that is not shown has no bar and a dash."""
    bars = (Bar("a", 0.5, 0.75, tone="bad"), Bar("b", None, 0.75))
    figure = bars_with_norms("x", Words("t", "t"), Words("c", "c"), bars, upper=1.0)(Text.of("nl"))
    svg = drawn(figure)
    track = next(r for r in svg.iter("rect") if r.attrib["class"] == "track")
    filled = [r for r in svg.iter("rect") if r.attrib["class"].startswith("bar")]
    assert len(filled) == 1 and filled[0].attrib["class"] == "bar bad"
    assert float(filled[0].attrib["width"]) == pytest.approx(float(track.attrib["width"]) / 2, abs=0.1)
    norm = next(line for line in svg.iter("line") if line.attrib["class"] == "norm")
    place = float(track.attrib["x"]) + 0.75 * float(track.attrib["width"])
    assert float(norm.attrib["x1"]) == pytest.approx(place, abs=0.1)
    assert figure.table.rows == (("a", "50%", "–", "75%"), ("b", "–", "–", "75%"))


def test_a_square_says_its_colour_in_words() -> None:
    """Each judgement is a square of its tone, with its letters in it, and a cell in words."""
    rows = (("a", (Square("R", "bad"), Square("", ""))),)
    figure = squares("x", Words("t", "t"), Words("c", "c"), (Words("p1", "p1"), Words("p2", "p2")), rows)(Text.of("nl"))
    assert [r.attrib["class"] for r in drawn(figure).iter("rect")] == ["square bad", "square none"]
    assert figure.table.rows == (("a", "R (onvoldoende)", "–"),)
    with pytest.raises(ValueError, match="a square for every column"):
        squares("x", Words("t", "t"), Words("c", "c"), (Words("p1", "p1"),), rows)


def test_a_line_breaks_where_a_period_is_missing() -> None:
    """Two known periods beside a gap draw no line across it; the norm is a line of its own."""
    periods = [Words.same(str(year)) for year in range(4)]
    series = (Series(Words("s", "s"), (0.5, None, 0.6, 0.7)),)
    figure = over_periods("x", Words("t", "t"), Words("c", "c"), periods, series, norm=0.4)(Text.of("nl"))
    svg = drawn(figure)
    assert len([p for p in svg.iter("path") if "curve" in p.attrib["class"]]) == 1
    assert len([c for c in svg.iter("circle") if float(c.attrib["cy"]) > 50]) == 3
    assert figure.table.rows[1] == ("1", "–", "40%")
    with pytest.raises(ValueError, match="one value per period"):
        over_periods("x", Words("t", "t"), Words("c", "c"), periods[:2], series)


def contrast(first: str, second: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    bright, dim = sorted((light(first), light(second)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("name", ["LIGHT", "DARK"])
def test_judgements_are_readable(name: str) -> None:
    """Text of each tone on its ground, and a square's letters on its colour, have WCAG's 4.5 at least."""
    colours = {**getattr(palette, name), **getattr(palette, f"TONES_{name}")}
    pairs = [("good", "goodground"), ("caution", "cautionground"), ("bad", "badground")]
    pairs += [("surface", tone) for tone in ("good", "caution", "bad")] + [("muted", "raised")]
    assert {pair: contrast(*(colours[c] for c in pair)) >= 4.5 for pair in pairs} == dict.fromkeys(pairs, True)


def test_a_mark_without_a_tone_is_plain_text() -> None:
    """A cell that is judged neither way carries no symbol."""
    part = Part(Words("x", "x"), (), Grid((Words("a", "a"),), ((Mark("b", ""),),)))
    assert 'class="mark' not in render(replace(example.sheet(), parts=(part,)), "nl", "team")
