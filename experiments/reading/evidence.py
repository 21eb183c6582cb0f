"""A finding arrives; the rows an FG recomputes and an auditor checks leave, exact numbers included."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from markupsafe import Markup

from experiments.reading.finding import Finding, Step
from experiments.reading.text import Text

SHORT = 16  # hexadecimal characters of a hash that a table shows; the bundle's JSON holds all 64

LONG = 30  # characters of an exact number above which it may run over several lines
STRICT_EPSILON = 1.0  # above it no sentence says that the finding tells little

AT_K = re.compile(r"(precision|recall) at (\d+(?:\.\d+)?)")  # how the disclosure report names a ratio
URGENCY = {"fail": 0, "redacted": 1, "pass": 2}  # a status we do not know stands on top


@dataclass(frozen=True)
class Part:
    """A titled table; cells are text, or markup of our own around escaped text."""

    name: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    wide: bool = False  # scrolls on a phone instead of becoming cards


@dataclass(frozen=True)
class Price:
    """What the finding cost, and how to recompute it by hand."""

    facts: tuple[tuple[str, str], ...]
    meaning: str
    two: str
    sums: tuple[str, ...]
    tables: tuple[Part, ...]


@dataclass(frozen=True)
class Proof:
    """What stands under the finding: (term, value, is a code) and tables."""

    facts: tuple[tuple[str, str, bool], ...]
    approvals: Part
    reviews: Part
    heads: Part
    receipts: Part
    disclosure: Part


def _heads(text: Text, *keys: str) -> tuple[str, ...]:
    return tuple(text(f"head.{key}") for key in keys)


def _exact(value: str) -> Markup:
    css = "exact" if len(value) <= LONG else "exact long"
    return Markup('<code class="{}">{}</code>').format(css, value)


def _code(value: str) -> Markup:
    return Markup('<code class="hash">{}</code>').format(value)


def price(finding: Finding, text: Text) -> Price:
    """Return the section for the FG."""
    privacy = finding.privacy
    delta = _chance(text, Fraction(privacy.delta))
    two = privacy.two_schools
    return Price(
        _price_facts(finding, text, delta),
        _meaning(text, privacy.epsilon, delta),
        text("privacy.two", epsilon=text.numbers.epsilon(two.epsilon_zcdp)) if two else "",
        _sums(finding, text),
        (_steps(finding, text), _accounts(finding, text)),
    )


def _meaning(text: Text, epsilon: float, delta: str) -> str:
    """The bound in plain words, and how strict it is: reassuring words stand at a small ε only."""
    bound = text("privacy.meaning", factor=text.numbers.decimal(_factor(epsilon)), delta=delta)
    strictness = text("privacy.meaning.strict") if epsilon <= STRICT_EPSILON else text("privacy.meaning.wide")
    return f"{bound} {strictness}"


def _chance(text: Text, delta: Fraction) -> str:
    if delta.numerator == 1:
        return text("one.in", count=text.numbers.whole(delta.denominator))
    return text.numbers.significant(delta)


def _factor(epsilon: float) -> float:
    return math.exp(min(epsilon, 700.0))  # beyond 700 a float overflows, and the promise is empty anyway


def _price_facts(finding: Finding, text: Text, delta: str) -> tuple[tuple[str, str], ...]:
    privacy = finding.privacy
    plan = f"{privacy.rho_plan} ≈ {text.numbers.significant(Fraction(privacy.rho_plan))}"
    return (
        (
            text("privacy.total"),
            text("privacy.total.text", epsilon=text.numbers.epsilon(privacy.epsilon), delta=delta),
        ),
        (text("privacy.plan"), plan),
        (text("privacy.unit"), privacy.unit.pick(text.language)),
        (
            text("privacy.mechanism"),
            text("privacy.mechanism.text", t=privacy.collusion_threshold, n=privacy.roster),
        ),
        (
            text("privacy.traffic"),
            text("privacy.traffic.text", exchanges=privacy.exchanges, attempts=privacy.attempts),
        ),
    )


def simple_epsilon(rho: Fraction, delta: Fraction) -> float:
    """Return rho + 2 sqrt(rho ln(1/delta)) (Bun and Steinke 2016, arXiv:1605.02065, proposition 1.3)."""
    logarithm = math.log(delta.denominator) - math.log(delta.numerator)
    return float(rho) + 2 * math.sqrt(float(rho) * logarithm)


def _sums(finding: Finding, text: Text) -> tuple[str, ...]:
    privacy = finding.privacy
    if not privacy.steps:
        return ()
    first, total = privacy.steps[0], sum((Fraction(step.rho) for step in privacy.steps), Fraction(0))
    simple = text.numbers.epsilon(simple_epsilon(total, Fraction(privacy.delta)))
    example = {"step": first.step, "delta": first.delta_steps, "variance": first.variance, "rho": first.rho}
    return (
        text("privacy.recompute.1", **example),
        text("privacy.recompute.2", rho=total, approximately=text.numbers.significant(total)),
        text("privacy.recompute.3", simple=simple),
        text("privacy.recompute.4"),
        text("privacy.recompute.5"),
    )


def _steps(finding: Finding, text: Text) -> Part:
    head = ("step", "attempt", "query", "dimension", "clip", "delta", "variance", "rho", "rho.about")
    rows = tuple(_step(step, text) for step in finding.privacy.steps)
    return Part(text("privacy.steps"), _heads(text, *head), rows, wide=True)


def _step(step: Step, text: Text) -> tuple[str, ...]:
    return (
        str(step.step),
        str(step.attempt),
        text.known("query", step.query),
        text.numbers.whole(step.dimension),
        _exact(step.clip_norm),
        _exact(str(step.delta_steps)),
        _exact(step.variance),
        _exact(step.rho),
        text.numbers.significant(Fraction(step.rho)),
    )


def _accounts(finding: Finding, text: Text) -> Part:
    head = ("school", "population", "cohort", "spent", "cap", "zcdp", "pld")
    rows = tuple(
        (
            finding.school_name(account.school),
            text.known("population", account.population),
            text.known("cohort", str(account.cohort)),
            _exact(account.rho_spent),
            _exact(account.rho_cap),
            text.numbers.epsilon(account.epsilon_zcdp),
            text("none") if account.epsilon_pld is None else text.numbers.epsilon(account.epsilon_pld),
        )
        for account in finding.privacy.accounts
    )
    return Part(text("privacy.accounts"), _heads(text, *head), rows, text("privacy.accounts.note"), wide=True)


def proof(finding: Finding, text: Text) -> Proof:
    """Return the section for an auditor."""
    evidence = finding.evidence
    facts = (
        (text("evidence.definition"), evidence.definition_hash, True),
        (text("evidence.charter"), evidence.charter_hash, True),
        (text("evidence.run"), evidence.run, True),
        (text("evidence.submitter"), evidence.submitter, False),
    )
    return Proof(
        facts,
        _approvals(finding, text),
        _reviews(finding, text),
        _ledgers(finding, text),
        _receipts(finding, text),
        _disclosure(finding, text),
    )


def _approvals(finding: Finding, text: Text) -> Part:
    rows = tuple(
        (
            finding.school_name(approval.school),
            str(approval.serial),
            text.numbers.day(approval.signed_at, short=True),
            text.numbers.day(approval.expires, short=True),
        )
        for approval in finding.evidence.approvals
    )
    return Part(text("evidence.approvals"), _heads(text, "school", "serial", "signed", "expires"), rows)


def _reviews(finding: Finding, text: Text) -> Part:
    rows = tuple(
        (review.reviewer, finding.school_name(review.school), text.numbers.day(review.signed_at, short=True))
        for review in finding.evidence.reviews
    )
    return Part(text("evidence.reviews"), _heads(text, "reviewer", "school", "signed"), rows)


def _ledgers(finding: Finding, text: Text) -> Part:
    rows = tuple((finding.school_name(head.school), str(head.seq), _code(head.head)) for head in finding.evidence.heads)
    return Part(text("evidence.heads"), _heads(text, "school", "seq", "ledger"), rows)


def _receipts(finding: Finding, text: Text) -> Part:
    def short(value: str) -> Markup:
        return Markup("<code>{}</code>").format(value[:SHORT] + ("…" if len(value) > SHORT else ""))

    rows = tuple(
        (
            finding.school_name(receipt.school),
            str(receipt.step),
            str(receipt.attempt),
            short(receipt.context),
            short(receipt.payload),
            short(receipt.head),
        )
        for receipt in finding.evidence.receipts
    )
    head = _heads(text, "school", "step", "attempt", "context", "payload", "ledger")
    return Part(text("evidence.receipts", count=len(rows)), head, rows, wide=True)


def _disclosure(finding: Finding, text: Text) -> Part:
    rows = tuple(
        (text.known("rule", rule.rule), text.known("status", rule.status), _place(text, rule.where))
        for rule in sorted(finding.disclosure.rules, key=lambda rule: URGENCY.get(rule.status, 0))
    )
    return Part(text("evidence.disclosure"), _heads(text, "rule", "status", "where"), rows)


def _place(text: Text, where: str | None) -> str:
    """Return the words for a place that a rule speaks of: "precision at 0.1" is "Precisie bij 10%"."""
    if where is None:
        return text("none")
    found = AT_K.fullmatch(where)
    if found is None:
        return text.known("place", where)
    return text("place.at", measure=text(f"measure.{found[1]}"), k=text.numbers.share(float(found[2])))
