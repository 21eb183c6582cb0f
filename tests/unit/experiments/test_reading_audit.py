"""What the page says of an audit: what was found and no more, in words and pictures that a real audit gives too.

Figures are those of `audit_example`; one real audit shows that its program and the page speak of the same things.
"""

import copy
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from experiments import auditing, membership
from experiments.canaries import Size
from experiments.reading import audit_record
from experiments.reading.audit_record import Audit
from experiments.reading.audit_words import tried
from experiments.reading.errors import FindingError
from experiments.reading.finding import read
from experiments.reading.page import render
from experiments.reading.svg import WIDTH
from experiments.reading.text import Text
from experiments.terminal import rational
from privacy import audit
from privacy.private_sum import masked_sums
from tests.kit import coalition
from tests.unit.experiments import audit_example
from tests.unit.experiments import finding_example as example

Made = dict[str, Any]
AUDITS: dict[str, Callable[[], Made]] = {
    "full": audit_example.audit,
    "small": audit_example.small_audit,
    "broken": audit_example.broken_audit,
    "weak": audit_example.weak_audit,
}


def finding_with(found: Made | None) -> Made:
    return example.finding() | {"audit": found}


def changed(path: str, value: object, found: Made | None = None) -> Made:
    """Return the example's audit with one value replaced; `path` is keys joined by dots."""
    made = copy.deepcopy(found or audit_example.audit())
    *keys, last = path.split(".")
    place: Any = made
    for key in keys:
        place = place[int(key)] if key.isdigit() else place[key]
    place[int(last) if last.isdigit() else last] = value
    return made


def shown(found: Made | None, language: str = "nl") -> str:
    """Return what the page says about the audit, as plain text."""
    html = render(finding_with(found), language)
    part = html[html.index('<div class="audit stack">') : html.index('id="evidence"')]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", part))


# --- what arrives ----------------------------------------------------------------------------------------------


def test_a_real_audit_is_read_and_shown(tmp_path: Path) -> None:
    """The auditor's program and the page mean the same fields: an audit of one step, and a small attack on models.

    A correct mechanism is called broken with chance below 1e-6; the page is made whatever the verdict.
    """
    kit = coalition(tmp_path / "coalition")
    plan = replace(kit.plan, steps=kit.plan.steps[-1:], retries=0)
    real = auditing.over_schools(masked_sums)

    def silent(stage: str, done: int, total: int) -> None:
        """Progress that nobody watches."""

    sums = auditing.audit_plan(plan, 2, real, "code", tmp_path / "audits", silent, Size(canaries=2048)).data()
    setting = membership.Setting(students=50, features=8, shadows=8, attacked=2)
    models = membership.infer_membership(plan.rho_reserved, plan.delta, silent, setting).data()
    found = {"mechanism": sums, "membership": models}
    assert Audit.model_validate(found).model_dump(mode="json") == found
    finding = finding_with(found)
    finding["privacy"] |= {"delta": rational(plan.delta)}
    assert "houdt stand" in render(finding, "nl") and "We tried to break" in render(finding, "en")


def test_every_word_of_an_audit_is_known_to_the_page() -> None:
    """Verdicts, tests and methods are those of the auditor's program: a new one there fails here."""
    assert set(get_args(audit_record.Test)) == {audit.BOUND, *audit.TESTS}
    assert set(get_args(audit_record.Verdict)) == {audit.HOLDS, audit.LOW_POWER, audit.BROKEN}
    assert (audit_record.WHOLE, audit_record.BOUND) == (auditing.WHOLE, audit.BOUND)
    assert set(audit_record.Trial.model_fields) == set(audit.AuditResult.__dataclass_fields__)


def test_a_finding_from_before_audits_still_reads() -> None:
    """Without the key, as with null: the same page, which says that nobody tested."""
    older = example.finding_before_audits()
    assert "audit" not in older and read(older).audit is None
    for language, words in (("nl", "Niet beproefd"), ("en", "Not tested")):
        html = render(older, language)
        assert words in html and html == render(older | {"audit": None}, language)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("surprise", 1, "audit.surprise"),
        ("mechanism.surprise", 1, "surprise"),
        ("mechanism.results.0.surprise", 1, "surprise"),
        ("membership.found.surprise", 1, "surprise"),
        ("membership", None, "membership"),
        ("mechanism.results", [], "results"),
        ("mechanism.false_alarm", 0.0, "false_alarm"),
        ("mechanism.confidence", 1.0, "confidence"),
        ("mechanism.verdict", "broken", "worst result"),
        ("mechanism.verdict", "fine", "verdict"),
        ("mechanism.results.0.mechanism", "moments", "comes first"),
        ("mechanism.results.3.verdict", "low_power", "worst result"),
        ("mechanism.results.3.verdict", "broken", "two looks failed"),
        ("mechanism.results.3.positive_control", None, "positive control"),
        ("mechanism.results.3.positive_control.verdict", "low_power", "two looks failed"),
        ("mechanism.results.0.correct", 40000, "no more coins"),
        ("mechanism.results.0.epsilon_lower", 0.93, "exceeds the claim"),
        ("mechanism.results.0.epsilon_lower", float("nan"), "epsilon_lower"),
        ("mechanism.results.0.epsilon_lower", -0.1, "epsilon_lower"),
        ("mechanism.results.0.power", 1.1, "power"),
        ("mechanism.results.0.failed", ["bound"], "exceeds the claim"),
        ("mechanism.results.0.failed", ["luck"], "failed"),
        ("mechanism.results.0.key", "abc", "key"),
        ("mechanism.results.0.epsilon_claimed", 1.01, "no larger epsilon"),
        ("mechanism.results.0.parameters.delta", "1/1000", "the same delta"),
        ("mechanism.results.0.parameters.releases.0.variance", "1/0", "variance"),
        ("membership.found.epsilon_lower", 1.2, "a bound exceeds"),
        ("membership.verdict", "broken", "a bound exceeds"),
        ("membership.found.auc", 1.2, "auc"),
    ],
)
def test_an_audit_that_contradicts_itself_is_refused(path: str, value: object, message: str) -> None:
    """Unknown keys, a verdict better or worse than its parts, a test of another promise: refused, by place."""
    with pytest.raises(FindingError, match=message):
        read(finding_with(changed(path, value)))


def test_delta_may_be_written_as_another_fraction() -> None:
    """The check of the promise compares values: 2/2000000 is 1/1000000."""
    assert read(finding_with(changed("mechanism.results.0.parameters.delta", "2/2000000"))).audit is not None


def test_what_holds_had_a_control_that_was_caught() -> None:
    """A control that was not called broken leaves nothing that holds."""
    made = changed("mechanism.results.2.positive_control.looks", 1)
    made["mechanism"]["results"][2]["positive_control"] |= {"verdict": "holds", "failed": []}
    with pytest.raises(FindingError, match="control was not caught"):
        read(finding_with(made))


# --- what the words say ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dutch", "english"),
    [
        ("full", "De bescherming hield stand", "The protection held"),
        ("small", "De bescherming hield stand", "The protection held"),
        ("broken", "De bescherming is gebroken", "The protection is broken"),
        ("weak", "Deze proef zegt te weinig", "This test says too little"),
    ],
)
def test_the_verdict_in_words_is_the_audits(name: str, dutch: str, english: str) -> None:
    """Each verdict has its own sentence, and no page bears that of another."""
    sentences = {dutch, "De bescherming hield stand", "De bescherming is gebroken", "Deze proef zegt te weinig"}
    said = shown(AUDITS[name]())
    assert [sentence for sentence in sentences if sentence in said] == [dutch]
    assert english in shown(AUDITS[name](), "en")
    assert ("mag niet worden gepubliceerd" in said) == (name == "broken")


def test_the_figures_of_the_audit_stand_on_the_page() -> None:
    """Promise, bound, confidence, coins, control and the rate of false alarms, as the audit has them."""
    said = shown(audit_example.audit())
    wanted = ["54,8%: 17.965 van de 32.768", "hoogstens ε = 0,93", "ε = 1,00", "minstens ε = 0,79", "99,99% zekerheid"]
    wanted += ["bij 12 van de 12", "hoogstens 1 op 690.000 keer", "32 modellen", "AUC van 0,50", "haalde hij 0,80"]
    assert [figure for figure in wanted if figure not in said] == []


def test_chances_are_rounded_to_the_careful_side() -> None:
    """No chance of catching is written as 100%; false alarms are never written as rarer than they are."""
    made = changed("mechanism.results.4.power", 0.99487)
    made["mechanism"]["false_alarm"] = 1 / 1999
    said = shown(made)
    assert "minstens 99,4%" in said and "1 op 1.900 keer" in said and "100%" not in said


def test_guesses_that_are_too_few_are_said_to_be() -> None:
    """A small audit says that the noise was measured, and that the control was not caught by guesses."""
    said = shown(audit_example.small_audit())
    assert "door te raden niets" in said and "metingen van de ruis zelf" in said
    assert "niet door raden betrapt" in said and "breekt hij erdoorheen" not in said
    assert "breekt hij erdoorheen" in shown(audit_example.audit())


def test_a_control_that_slipped_through_is_counted() -> None:
    """Controls that were not caught are counted, and their part says nothing."""
    said = shown(audit_example.weak_audit())
    assert "bij 0 van de 12 onderdelen betrapt" in said and "werd niet betrapt" in said
    assert "alle 12 onderdelen betrapt" not in said


@pytest.mark.parametrize("name", AUDITS)
def test_the_weaker_view_is_never_sold_as_proof(name: str) -> None:
    """Whatever it found, membership inference is called weaker, and no proof of safety."""
    said = shown(AUDITS[name]())
    assert "Een tweede, zwakkere blik" in said and "Lees dit niet als bewijs dat het veilig is" in said
    assert ("te zwak om iets te zeggen" in said) == (name == "weak")


def test_the_weaker_view_alone_can_break_the_promise() -> None:
    """A model that gives away more than is reported: the badge says broken, the sums are still said to hold."""
    made = changed("membership.found.epsilon_lower_any", 1.4)
    made["membership"]["verdict"] = "broken"
    part = tried(read(finding_with(made)), Text.of("nl"))
    assert part is not None and (part.verdict, part.sums) == ("broken", "holds")
    said = shown(made)
    assert "ε = 1,40 aantonen: meer dan de beloofde 1,00" in said and "mag niet worden gepubliceerd" in said


def test_every_sum_stands_in_the_folded_table() -> None:
    """All claims, with what failed and what was caught, in a table that is closed until a reader opens it."""
    html = render(finding_with(audit_example.broken_audit()), "nl")
    part = html[html.index("Elke som apart</h4>") :]
    table = part[part.index("<details>") : part.index("</details>")]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.S)
    assert len(rows) == 1 + 12 and all("gebroken" in row and "betrapt" in row for row in rows[1:])
    assert "raden, spreiding, vorm en samenhang" in rows[1]
    keys = [one["key"][:16] for one in audit_example.mechanism()["results"]]
    assert [key for key in keys if key not in table] == []


# --- what the pictures say -------------------------------------------------------------------------------------


def drawing(found: Made, name: str) -> ET.Element:
    html = render(finding_with(found), "nl")
    return ET.fromstring(next(s for s in re.findall(r"<svg.*?</svg>", html, re.S) if f'"{name}-name"' in s))


def bars(found: Made) -> list[tuple[str, float, float]]:
    """Return (class, left, right) of the bars, without the key above them."""
    boxes = [box for box in drawing(found, "audit").iter("rect") if float(box.attrib["y"]) > 30]
    places = [(box.attrib["class"], float(box.attrib["x"]), float(box.attrib["width"])) for box in boxes]
    return [(css, left, left + width) for css, left, width in places if css != "band two"]


def test_bars_are_as_long_as_their_figures() -> None:
    """Promise and bounds share one scale: lengths are proportional to epsilon, and the control breaks out."""
    made = audit_example.audit()
    whole = made["mechanism"]["results"][0]
    (_, left, promised), (own, _, lower), _, (broken, _, control) = bars(made)
    unit = (promised - left) / whole["epsilon_claimed"]
    assert (own, broken) == ("bar one", "bar two") and lower < promised < control < WIDTH
    assert lower - left == pytest.approx(unit * whole["epsilon_lower"], abs=0.2)
    assert control - left == pytest.approx(unit * whole["positive_control"]["epsilon_lower"], abs=0.2)


def test_the_line_of_the_promise_ends_its_bar() -> None:
    """The dashed line and the coloured field begin where the promised bar ends."""
    svg = drawing(audit_example.audit(), "audit")
    lines = {line.attrib["x1"] for line in svg.iter("line") if line.attrib["class"] == "reference front"}
    field = next(box.attrib["x"] for box in svg.iter("rect") if box.attrib["class"] == "band two")
    assert lines == {field} and float(field) == pytest.approx(bars(audit_example.audit())[0][2], abs=0.2)


def test_a_broken_mechanism_is_drawn_as_one() -> None:
    """Beyond its promise, and in the colour of the control: nobody reads it as a bar that holds."""
    (_, _, promised), (own, _, lower), *_ = bars(audit_example.broken_audit())
    assert own == "bar two" and promised < lower


@pytest.mark.parametrize("times", [1e-4, 1.0, 40.0])
def test_pictures_hold_any_privacy_loss(times: float) -> None:
    """Tiny and huge epsilons stay inside the drawing, their words too."""
    made = audit_example.audit()
    for one in made["mechanism"]["results"]:
        for trial in (one, one["positive_control"]):
            for name in ("epsilon_claimed", "epsilon_lower"):
                trial[name] *= times
    finding = finding_with(made)
    finding["privacy"]["epsilon"] = 100.0
    html = render(finding, "nl")
    svg = ET.fromstring(next(s for s in re.findall(r"<svg.*?</svg>", html, re.S) if '"audit-name"' in s))
    assert all(0 <= float(box.attrib["x"]) + float(box.attrib["width"]) <= WIDTH for box in svg.iter("rect"))
    ticks = [text.text for text in svg.iter("text") if text.attrib.get("class") == "tick"]
    assert len(ticks) == len(set(ticks))


@pytest.mark.parametrize("auc", [0.0, 0.41, 0.499, 0.5, 0.93, 1.0])
def test_any_auc_stands_in_its_picture(auc: float) -> None:
    """The dot lies on the scale, at the coin when it is one, and its number is not cut off."""
    svg = drawing(changed("membership.found.auc", auc), "membership")
    (dot,) = [float(circle.attrib["cx"]) for circle in svg.iter("circle")]
    coin = next(float(line.attrib["x1"]) for line in svg.iter("line") if line.attrib["class"] == "reference front")
    assert 8 <= dot <= WIDTH - 8 and (dot < coin, dot > coin) == (auc < 0.5, auc > 0.5)
    for text in svg.iter("text"):
        if text.attrib.get("class") == "value":
            end = float(text.attrib["x"]) + (-34 if text.get("text-anchor") == "end" else 34)
            assert 0 <= end <= WIDTH
