"""A finding's audit arrives; what it says to readers who are no statisticians leaves, and a table for those who are."""

import math
from dataclasses import dataclass

from markupsafe import Markup

from experiments.reading.audit_figures import demonstrated, membership
from experiments.reading.audit_record import Audit, Mechanism, Membership, Trial
from experiments.reading.evidence import SHORT, Part
from experiments.reading.figure import Figure
from experiments.reading.finding import Finding
from experiments.reading.text import Text

SURE = 0.999  # no chance is written as 100%
COLUMNS = (  # what most readers look for comes first: the rest is to the right of a narrow screen
    *("part", "verdict", "claimed", "lower", "control", "method", "guessed"),
    *("dimension", "any", "expected", "power", "failed", "code"),
)


@dataclass(frozen=True)
class Tried:
    """The page's part about the audit. sums: their verdict; verdict: the same, or broken by the weaker view."""

    verdict: str
    sums: str
    sentence: str
    facts: tuple[tuple[str, str], ...]
    control: str
    picture: Figure
    weaker: Figure
    weaker_verdict: str
    weaker_words: tuple[str, ...]
    table: Part


def tried(finding: Finding, text: Text) -> Tried | None:
    """Return what was tried to break the mechanism, and what came of it; None where nobody tried."""
    audit = finding.audit
    if audit is None:
        return None
    mechanism, view = audit.mechanism, audit.membership
    return Tried(
        "broken" if view.verdict == "broken" else mechanism.verdict,
        mechanism.verdict,
        _sentence(mechanism, text),
        _facts(finding, audit, text),
        _control(mechanism, text),
        demonstrated(audit, text),
        membership(view, text),
        view.verdict,
        _weaker(view, text),
        _table(mechanism, text),
    )


def _sentence(mechanism: Mechanism, text: Text) -> str:
    count, verdict = mechanism.count(mechanism.verdict), mechanism.verdict
    return text(f"audit.say.{verdict}", count=count, parts=len(mechanism.results))


def _facts(finding: Finding, audit: Audit, text: Text) -> tuple[tuple[str, str], ...]:
    mechanism, write = audit.mechanism, text.numbers
    whole = mechanism.whole
    guessed = {
        "correct": write.whole(whole.correct),
        "canaries": write.whole(whole.canaries),
        "share": write.percent(whole.correct / whole.canaries, 1),
    }
    promised = {"claimed": write.epsilon(whole.epsilon_claimed), "epsilon": write.epsilon(finding.privacy.epsilon)}
    return (
        (text("audit.fact.parts"), text("audit.fact.parts.text", sums=len(mechanism.results) - 1)),
        (text("audit.fact.guessed"), text("audit.fact.guessed.text", **guessed)),
        (text("audit.fact.claimed"), text("audit.fact.claimed.text", **promised)),
        (text("audit.fact.lower"), _lower(mechanism, text)),
        (text("audit.fact.control"), _caught(mechanism, text)),
        (text("audit.fact.alarm"), text("audit.fact.alarm.text", chance=_once_in(mechanism.false_alarm, text))),
        *([(text("head.audit.failed"), _failed(whole, text))] if whole.failed else []),
    )


def _lower(mechanism: Mechanism, text: Text) -> str:
    whole = mechanism.whole
    found = "some" if whole.epsilon_lower > 0 else "nothing"
    sure = text.numbers.percent(mechanism.confidence, 2)
    shown = text(f"audit.fact.lower.{found}", lower=text.numbers.epsilon(whole.epsilon_lower), confidence=sure)
    return (
        shown
        if whole.method == "one_run" or whole.verdict == "low_power"
        else f"{shown} {text('audit.fact.lower.noise')}"
    )


def _caught(mechanism: Mechanism, text: Text) -> str:
    caught, parts = sum(one.caught for one in mechanism.results), len(mechanism.results)
    least = min(one.power for one in mechanism.results)
    return text("audit.fact.control.text", caught=caught, parts=parts, power=_power(least, text))


def _power(power: float, text: Text) -> str:
    """A chance that is reached at least, so rounded down."""
    return text.numbers.share(min(SURE, math.floor(power * 1000) / 1000))


def _once_in(chance: float, text: Text) -> str:
    """A chance that is not exceeded, as 1 in so many; the number is rounded down to two digits."""
    times = math.floor(1 / chance)
    unit = 10 ** max(0, len(str(times)) - 2)
    return text("one.in", count=text.numbers.whole(times // unit * unit))


def _control(mechanism: Mechanism, text: Text) -> str:
    caught, parts = sum(one.caught for one in mechanism.results), len(mechanism.results)
    case = "all" if caught == parts else "some"
    return f"{text('audit.control')} {text(f'audit.control.{case}', caught=caught, parts=parts)}"


def _weaker(view: Membership, text: Text) -> tuple[str, ...]:
    write, lower = text.numbers, view.found.lower
    case = "beyond" if view.verdict == "broken" else "within" if lower > 0 else "nothing"
    shown = text(f"audit.shown.{case}", lower=write.epsilon(lower), epsilon=write.epsilon(view.epsilon_reported))
    figures = {
        "auc": write.decimal(view.found.auc),
        "coin": write.decimal(0.5, 1),
        "control": write.decimal(view.control.auc),
        "shown": shown,
    }
    return (
        text("audit.weaker.how", shadows=view.shadows, attacked=view.attacked),
        text(f"audit.weaker.{view.verdict}", **figures),
        text("audit.weaker.cannot"),
    )


def _table(mechanism: Mechanism, text: Text) -> Part:
    head = tuple(text(f"head.audit.{column}") for column in COLUMNS)
    rows = tuple(_row(one, text) for one in mechanism.results)
    sure = text.numbers.percent(mechanism.confidence, 2)
    return Part(text("audit.table"), head, rows, text("audit.table.note", confidence=sure), wide=True)


def _failed(one: Trial, text: Text) -> str:
    return text.numbers.joined([text(f"audit.test.{test}") for test in one.failed]) or text("audit.failed.nothing")


def _row(one: Trial, text: Text) -> tuple[str, ...]:
    write = text.numbers
    return (
        text.known("query", one.mechanism),
        text(f"audit.verdict.{one.verdict}"),
        write.epsilon(one.epsilon_claimed),
        write.epsilon(one.epsilon_lower),
        text("audit.caught" if one.caught else "audit.missed"),
        text(f"audit.method.{one.method}"),
        text("audit.guessed", correct=write.whole(one.correct), canaries=write.whole(one.canaries)),
        write.whole(one.dimension),
        write.epsilon(one.epsilon_lower_any),
        write.epsilon(one.epsilon_expected),
        _power(one.power, text),
        _failed(one, text),
        Markup("<code>{}</code>").format(one.key[:SHORT] + "…"),
    )
