"""What the finding's page promises: it is safe, complete, the same in two languages, and never overstates."""

import base64
import copy
import hashlib
import itertools
import re
import string
import subprocess
import sys
import xml.etree.ElementTree as ET
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from experiments.reading import sentences
from experiments.reading.errors import CatalogueError, FindingError, ReadingError
from experiments.reading.evidence import simple_epsilon
from experiments.reading.finding import read
from experiments.reading.numbers import Numbers
from experiments.reading.page import FILES, render, write
from experiments.reading.text import Text, catalogue
from tests.unit.experiments import finding_example as example

READING = Path(sentences.__file__).parent
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}"
EXAMPLES = {
    "five": example.finding,
    "many": example.finding_of_many,
    "production": example.finding_of_production,
    "older": example.finding_before_audits,
    "broken": example.finding_with_broken_audit,
    "weak": example.finding_with_weak_audit,
}


class Page(HTMLParser):
    """Collects what the checks ask about: elements with their attributes, and visible text."""

    VOID = ("meta", "link", "line", "rect", "circle", "path", "br", "img")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style" and data.strip():
            self.texts.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def pages() -> list[Any]:
    return [pytest.param(n, lang, id=f"{n}-{lang}") for n, lang in itertools.product(EXAMPLES, ("nl", "en"))]


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the five-school finding with one value replaced; `path` is keys joined by dots."""
    made = copy.deepcopy(example.finding())
    *keys, last = path.split(".")
    place: Any = made
    for key in keys:
        place = place[int(key)] if key.isdigit() else place[key]
    place[int(last) if last.isdigit() else last] = value
    return made


# --- safe ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "language"), pages())
def test_page_is_self_contained_and_without_script(name: str, language: str) -> None:
    """Nothing runs and nothing is fetched: no script, handler, form, frame, import, url() or outside address."""
    html = render(EXAMPLES[name](), language)
    page = Page(html)
    assert not [tag for tag, _ in page.elements if tag in ("script", "iframe", "form", "object", "embed", "img")]
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on") or a == "style"]
    assert "://" not in html and "url(" not in html and "@import" not in html
    links = {a["href"] for tag in ("a", "link") for a in page.all(tag)}
    assert links <= {*FILES.values(), "#main", *(f"#{s}" for s in example_sections())}


def example_sections() -> tuple[str, ...]:
    return ("numbers", "meaning", "figures", "privacy", "evidence", "limits", "glossary")


def test_policy_allows_exactly_the_style_that_is_there() -> None:
    """The content security policy forbids everything but the page's one stylesheet, by its hash."""
    html = render(example.finding(), "nl")
    styles = re.findall(r"<style>(.*?)</style>", html, re.S)
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    policy = next(m["content"] for m in Page(html).all("meta") if m.get("http-equiv"))
    assert len(styles) == 1
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert html.index("Content-Security-Policy") < html.index("<style>")


def texts_of(value: Any, path: str = "") -> list[str]:
    """Return the paths of all strings that a school, an analyst or a reviewer may have written."""
    if isinstance(value, dict):
        return [p for key, part in value.items() for p in texts_of(part, f"{path}.{key}" if path else key)]
    if isinstance(value, list):
        return [p for place, part in enumerate(value[:2]) for p in texts_of(part, f"{path}.{place}")]
    return [path] if isinstance(value, str) else []


def test_markup_in_any_text_is_inert() -> None:
    """Attacks 19 and 24: markup or a template in any text of a finding is shown as text, wherever it stands."""
    planted, plain = 0, [tag for tag, _ in Page(render(example.finding(), "nl")).elements]
    for path in texts_of(example.finding()):
        try:
            html = render(changed(path, MARKUP), "nl") + render(changed(path, MARKUP), "en")
        except FindingError:
            continue  # an exact number, a moment or a fixed word: markup is refused there
        assert "<script" not in html and "<img" not in html
        planted += "&lt;script&gt;" in html
    assert planted >= 20
    schools = example.finding()
    for school in schools["population"]["schools"]:
        school["name"] = MARKUP
    hostile = Page(render(schools, "nl"))
    assert [tag for tag, _ in hostile.elements] == plain and "{{ 7*7 }}" in hostile.text


def test_the_markup_check_can_fail() -> None:
    """Positive control: the same text put in without escaping does give a script element."""
    html = render(changed("title.nl", MARKUP), "nl").replace("&lt;", "<").replace("&gt;", ">")
    assert Page(html).all("script")


# --- complete and well formed ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "language"), pages())
def test_structure_serves_a_screen_reader(name: str, language: str) -> None:
    """Language, one h1, headings without gaps, unique ids, references that exist, a name for each svg and table."""
    html = render(EXAMPLES[name](), language)
    page = Page(html)
    assert not page.faults and not page.open
    assert page.all("html")[0]["lang"] == language
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    wanted = [a[k] for _, a in page.elements for k in ("aria-labelledby", "aria-describedby") if k in a]
    assert {reference for value in wanted for reference in (value or "").split()} <= set(ids)
    assert len(page.all("main")) == 1 and page.all("nav")[0]["aria-label"]
    assert all(th.get("scope") in ("col", "row") for th in page.all("th"))


@pytest.mark.parametrize(("name", "language"), pages())
def test_every_drawing_is_valid_and_described(name: str, language: str) -> None:
    """Each svg is well-formed XML with a name and a description; each figure has a caption and a table."""
    html = render(EXAMPLES[name](), language)
    drawings = re.findall(r"<svg.*?</svg>", html, re.S)
    for drawing in drawings:
        root = ET.fromstring(drawing)
        assert root.attrib["role"] == "img"
        assert (root.findtext("title") or "").strip() and len(root.findtext("desc") or "") > 12
        assert "nan" not in drawing and "inf" not in drawing
    figures = re.findall(r"<figure.*?</figure>", html, re.S)
    expected = {"production": 9, "older": 8}.get(name, 10)
    assert len(figures) == expected and len(drawings) == expected + 3
    assert all("<figcaption>" in figure and "<table" in figure and "<details>" in figure for figure in figures)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_nothing_of_the_evidence_is_left_out(language: str) -> None:
    """An FG finds every hash, head, school, exact cost, reviewer and the count of receipts on the page."""
    finding = example.finding()
    text = Page(render(finding, language)).text
    evidence, privacy = finding["evidence"], finding["privacy"]
    wanted = [evidence[key] for key in ("definition_hash", "charter_hash", "run", "submitter")]
    wanted += [head["head"] for head in evidence["heads"]] + [r["reviewer"] for r in evidence["reviews"]]
    wanted += [receipt["payload"][:16] for receipt in evidence["receipts"]]
    wanted += [value for step in privacy["steps"] for value in (step["variance"], step["rho"])]
    wanted += [value for account in privacy["accounts"] for value in (account["rho_spent"], account["rho_cap"])]
    wanted += ["coalition verify FOLDER", "(40)", *(limit[language] for limit in finding["limits"])]
    assert [value for value in wanted if value not in text] == []


def test_equal_findings_give_equal_bytes() -> None:
    """A page can be made again and compared by its hash: no clock, no random order, no machine's path."""
    first, second = (render(copy.deepcopy(example.finding()), "nl") for _ in range(2))
    assert first == second and str(Path.home()) not in first and "/work/" not in first
    assert render(changed("evaluation.auc.value", 0.8205), "nl") != first


def test_comparison_is_shown_in_a_rehearsal_only() -> None:
    """Pooled and local models carry their mark in a rehearsal, and are refused in production."""
    assert "Alleen in een repetitie" in render(example.finding(), "nl")
    assert "Alleen in een repetitie" not in render(example.finding_of_production(), "nl")
    leaking = example.finding_of_production() | {"comparison": example.finding()["comparison"]}
    with pytest.raises(FindingError, match="only in a rehearsal"):
        render(leaking, "nl")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("evaluation.auc", None),
        ("evaluation.brier", None),
        ("evaluation.at_k", []),
        ("evaluation.calibration", []),
        ("model.weights", []),
        ("population.students", None),
        ("population.base_rate", None),
        ("privacy.steps", []),
        ("privacy.accounts", []),
        ("privacy.two_schools", None),
        ("audit", None),
        ("audit.mechanism.results.1.mechanism", "a_query_of_next_year"),
        ("evidence.reviews", []),
        ("evidence.receipts", []),
        ("disclosure.rules", []),
        ("limits", []),
        ("created", None),
        ("model.weights.1.odds_ratio", 1e21),
        ("model.weights.1.odds_ratio", 1e-21),
        ("cutoff_week", 0),
        ("comparison.schools", []),
        ("comparison.schools.0.local_auc", None),
        ("evaluation.at_k.1.recall", None),
        ("privacy.accounts.0.epsilon_pld", None),
        ("privacy.accounts.0.cohort", "unknown"),
        ("privacy.accounts.0.population", "applicant"),
        ("privacy.accounts.0.rho_cap", "0/1"),
        ("privacy.steps.0.query", "a_query_of_next_year"),
    ],
)
def test_a_figure_that_was_not_released_is_simply_absent(path: str, value: object) -> None:
    """A null, an empty list or a new code gives a page without that part, in both languages, and never an error."""
    for language in ("nl", "en"):
        page = Page(render(changed(path, value), language))
        assert not page.faults and "None" not in page.text


# --- what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("surprise", 1, "surprise"),
        ("schema_version", 2, "schema_version"),
        ("kind", "opinion", "kind"),
        ("evaluation.auc.value", float("nan"), r"evaluation\.auc"),
        ("evaluation.auc.low", 0.99, "inside its own interval"),
        ("privacy.delta", "0.0.1", "numerator/denominator"),
        ("privacy.steps.1.rho", "1/3", r"delta_steps\^2"),
        ("privacy.steps.1.variance", "0/1", "positive"),
        ("privacy.rho_plan", "1/0", "numerator/denominator"),
        ("privacy.rho_plan", "9" * 5000, "at most 4096"),
        ("population.schools", [], r"population\.schools"),
        ("model.weights.0.odds_ratio", -1.0, "odds_ratio"),
    ],
)
def test_a_finding_that_contradicts_itself_is_refused(path: str, value: object, message: str) -> None:
    """Unknown keys, other versions, impossible numbers and a cost that does not follow are refused, by place."""
    with pytest.raises(FindingError, match=message) as caught:
        render(changed(path, value), "nl")
    assert caught.value.rule and caught.value.remedy and isinstance(caught.value, ReadingError)


def test_a_refused_finding_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    """Pages appear together and whole: an error writes nothing, a success leaves no draft behind."""
    with pytest.raises(FindingError):
        write(changed("kind", "opinion"), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert write(example.finding(), tmp_path) == tmp_path / "index.html"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.en.html", "index.html"]
    assert 'href="index.en.html"' in (tmp_path / "index.html").read_text("utf-8")
    assert 'href="index.html"' in (tmp_path / "index.en.html").read_text("utf-8")


def test_a_third_language_is_refused() -> None:
    """A page is Dutch or English."""
    with pytest.raises(CatalogueError, match="Dutch or English"):
        render(example.finding(), "fy")


# --- two languages ---------------------------------------------------------------------------------------------


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


SAME = re.compile(
    r"^(none|axis\.odds\.short|measure\.lift|legend\.model|head\..*|glossary\..*\.term|key\.epsilon\.value)$"
)


def test_catalogue_says_everything_twice() -> None:
    """Each text stands in Dutch and English with the same places, and the two are not the same sentence."""
    for key, entry in catalogue().items():
        assert places(entry["nl"]) == places(entry["en"]), key
        assert entry["nl"] != entry["en"] or SAME.match(key) or "{" in entry["nl"][:1], key


def test_no_text_is_unused_and_none_is_missing() -> None:
    """Every key of the catalogue is used by the code or the template, directly or as a family."""
    sources = "".join(p.read_text("utf-8") for p in READING.iterdir() if p.suffix in (".py", ".j2"))
    families = (
        *("rule.", "status.", "query.", "population.", "cohort.", "glossary.", "section.", "flow.", "measure."),
        *("answer.", "verb.", "read.", "key.recall.", "head.", "fact.", "place.", "tone."),
        *("audit.say.", "audit.verdict.", "audit.fact.lower.", "audit.control.", "audit.shown.", "audit.weaker."),
        *("audit.method.", "audit.test.", "figure.audit.caption."),
    )
    unused = [
        key
        for key in catalogue()
        if not re.search(f"[\"']{re.escape(key)}[\"']", sources) and not key.startswith(families)
    ]
    assert unused == []
    with pytest.raises(CatalogueError):
        Text.of("nl")("no.such.text")
    with pytest.raises(CatalogueError):
        Text.of("nl")("when.week")


DUTCH = r"\b(een|het|van|studenten|scholen|niet|voor|wordt|zijn|bij|meer|alleen)\b"
ENGLISH = r"\b(the|and|students|schools|that|with|which|from|only|this|are|not)\b"


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_sentence_is_left_in_the_other_language(name: str) -> None:
    """The English page holds no Dutch word and the Dutch page no English one, but for the link to the other."""
    link = {key: catalogue()["other.language"][key] for key in ("nl", "en")}
    schools = {s["name"] for s in EXAMPLES[name]()["population"]["schools"]}
    for language, other in (("en", DUTCH), ("nl", ENGLISH)):
        text = Page(render(EXAMPLES[name](), language)).text.replace(link[language], "")
        for school in schools:
            text = text.replace(school, "")
        text = re.sub(r"ROC van\S*|FOLDER", "", text)
        assert re.findall(other, text) == []


def test_the_language_check_can_fail() -> None:
    """Positive control: one Dutch limit on the English page is found."""
    html = render(changed("limits.0.en", "Dit geldt niet voor een andere school."), "en")
    assert re.findall(DUTCH, Page(html).text)


@pytest.mark.parametrize(
    ("written", "dutch", "english"),
    [
        (lambda n: n.decimal(1234.5), "1.234,50", "1,234.50"),
        (lambda n: n.decimal(-0.371, 2), "−0,37", "−0.37"),
        (lambda n: n.decimal(-0.0001, 2), "0,00", "0.00"),
        (lambda n: n.whole(19999.6), "20.000", "20,000"),
        (lambda n: n.share(0.1), "10%", "10%"),
        (lambda n: n.share(0.025), "2,5%", "2.5%"),
        (lambda n: n.times(2.86), "2,9×", "2.9×"),
        (lambda n: n.epsilon(1.0), "1,00", "1.00"),
        (lambda n: n.epsilon(0.0123), "0,0123", "0.0123"),
        (lambda n: n.significant(Fraction(1, 64)), "0,0156", "0.0156"),
        (lambda n: n.significant(Fraction(1, 10**6), 1), "1·10⁻⁶", "1·10⁻⁶"),
        (lambda n: n.significant(0), "0", "0"),
        (lambda n: n.moment(1_795_000_000), "18 november 2026, 11:06 UTC", "18 November 2026, 11:06 UTC"),
        (lambda n: n.day(1_773_000_000, short=True), "8 mrt 2026", "8 Mar 2026"),
        (lambda n: n.joined(["a", "b", "c"]), "a, b en c", "a, b and c"),
    ],
)
def test_numbers_read_as_each_language_writes_them(written: Any, dutch: str, english: str) -> None:
    """Decimal comma and grouping dot in Dutch, the reverse in English; months by name; tiny numbers as powers."""
    assert (written(Numbers("nl")), written(Numbers("en"))) == (dutch, english)


# --- what the sentences say ------------------------------------------------------------------------------------


def test_sentences_repeat_the_numbers_and_no_more() -> None:
    """The reading names estimate, margin and the comparison with chance as the finding gives them."""
    text = " ".join(sentences.reading(read(example.finding()), Text.of("nl")))
    assert "vallen er naar schatting 52 uit (tussen 47 en 57)" in text
    assert "zouden dat er 18 zijn" in text and "bij 4 van de 5 scholen" in text
    english = " ".join(sentences.reading(read(example.finding()), Text.of("en")))
    assert "an estimated 52 drop out (between 47 and 57)" in english


@pytest.mark.parametrize(
    ("value", "half", "words"),
    [
        (0.82, 0.02, "goed"),
        (0.73, 0.02, "redelijk"),
        (0.62, 0.02, "maar een beetje beter dan toeval"),
        (0.62, 0.13, "niet aantoonbaar beter dan toeval"),
    ],
)
def test_the_answer_is_never_surer_than_its_margin(value: float, half: float, words: str) -> None:
    """Words follow the AUC, and a margin that holds .5 makes the answer no."""
    finding = read(changed("evaluation.auc", example.estimate(value, half)))
    assert f"jaar {words}" in sentences.answer(finding, Text.of("nl"))


def test_another_outcome_gets_other_words() -> None:
    """An outcome that is not dropout is never called dropout."""
    finding = changed("outcome", {"name": "diploma.nominal", "label": {"nl": "Diploma op tijd", "en": "On time"}})
    text = Page(render(finding, "nl")).text
    assert "vallen er" not in text and "uitvalt" not in text and "diploma op tijd" in text


def test_noise_above_the_sample_error_is_said() -> None:
    """Where privacy noise is the larger error, the page says so and warns about small differences."""
    loud, quiet = (render(EXAMPLES[name](), "nl") for name in ("production", "five"))
    words = "is hier groter dan het gewone toeval"
    assert words in loud and words not in quiet


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_two_warnings_are_always_there(name: str) -> None:
    """A person decides (AVG art. 22) and correlation is not cause: on every page."""
    html = render(EXAMPLES[name](), "nl")
    assert "Een mens beslist" in html and "artikel 22" in html and "Samenhang is geen oorzaak" in html


@pytest.mark.parametrize(("own", "case"), [((0.5,) * 5, "bij alle 5 scholen"), ((0.99,) * 5, "bij geen enkele school")])
def test_joining_that_does_not_pay_is_said(own: tuple[float, ...], case: str) -> None:
    """The page does not sell the joint model: where local models win, that is the sentence."""
    finding = example.finding()
    for school, auc in zip(finding["comparison"]["schools"], own, strict=True):
        school["local_auc"] = auc
    assert case in render(finding, "nl")


def test_the_hand_calculation_is_right() -> None:
    """The sum of all steps and the simple bound on the page follow from the printed numbers."""
    finding = example.finding()
    total = sum(Fraction(step["rho"]) for step in finding["privacy"]["steps"])
    text = Page(render(finding, "nl")).text
    assert f"samen zijn {total} " in text
    assert simple_epsilon(Fraction(1, 50), Fraction(1, 10**6)) == pytest.approx(1.0713043, abs=1e-6)


def test_the_page_needs_no_heavy_library() -> None:
    """Making a page loads no numpy, pandas, scipy or matplotlib: publication stays quick to start."""
    code = (
        "import sys; from experiments.reading import page; "
        "print([m for m in ('numpy', 'pandas', 'scipy', 'matplotlib', 'sklearn') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
