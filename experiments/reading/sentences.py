"""A finding's numbers arrive; sentences for a board member leave, never more certain than the numbers."""

from dataclasses import dataclass

from markupsafe import Markup

from experiments.reading.finding import AtK, Finding
from experiments.reading.record import Estimate
from experiments.reading.svg import Canvas
from experiments.reading.text import Text

HEADLINE_K = 0.10  # schools speak of "the top ten percent"
GOOD, FAIR = 0.80, 0.70  # AUC from which we say "well" and "fairly well" (after Hosmer & Lemeshow)


@dataclass(frozen=True)
class KeyNumber:
    """One large figure with its margin and something to compare it with."""

    value: str
    label: str
    interval: str
    context: str
    picture: Markup | None


def headline(finding: Finding) -> AtK | None:
    """Return the row of the quality table nearest the top ten percent that has a precision."""
    rows = [row for row in finding.evaluation.at_k if row.precision is not None]
    return min(rows, key=lambda row: (abs(row.k - HEADLINE_K), row.k), default=None)


def outcome(finding: Finding, text: Text) -> str:
    """Return the outcome's label as it reads inside a sentence."""
    label = finding.outcome.label.pick(text.language).strip().removesuffix(".")
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def _manner(finding: Finding) -> str:
    return "dropout" if finding.outcome.name.startswith(("dropout", "uitval")) else "other"


def _hundred(share: float) -> int:
    return round(share * 100)


def answer(finding: Finding, text: Text) -> str:
    """Return the answer in plain words; it says no where the margin of the AUC holds chance."""
    top, auc, base = headline(finding), finding.evaluation.auc, finding.population.base_rate
    label = outcome(finding, text)
    when = text("when.week", week=finding.cutoff_week) if finding.cutoff_week else text("when.start")
    if top is None or top.precision is None or auc is None or base is None:
        return text("answer.absent", outcome=label)
    if auc.low <= 0.5:
        return text("answer.none", when=when, outcome=label)
    grade = "good" if auc.value >= GOOD else "fair" if auc.value >= FAIR else "weak"
    verb = text(f"verb.{_manner(finding)}", n=_hundred(top.precision.value))
    return text(f"answer.{grade}", when=when, outcome=label, top=verb, base=_hundred(base.value))


def key_numbers(finding: Finding, text: Text) -> tuple[KeyNumber, ...]:
    """Return the three or four figures that a reader should remember."""
    top, auc = headline(finding), finding.evaluation.auc
    found = []
    if top is not None and top.precision is not None:
        found.append(_key_precision(finding, text, top.k, top.precision))
    if top is not None and top.recall is not None:
        found.append(_key_recall(finding, text, top.k, top.recall))
    if auc is not None:
        found.append(_key_auc(text, auc))
    return (*found, _key_epsilon(finding, text))


def _key_precision(finding: Finding, text: Text, k: float, estimate: Estimate) -> KeyNumber:
    base, share = finding.population.base_rate, text.numbers.share(k)
    value = text("key.precision.value", n=_hundred(estimate.value))
    margin = text("key.interval", low=_hundred(estimate.low), high=_hundred(estimate.high))
    if base is None:
        return KeyNumber(value, text("key.precision.label"), margin, text("key.precision.plain", k=share), None)
    context = text("key.precision.context", k=share, base=_hundred(base.value))
    picture = gauge(text, "key-precision", text("key.precision.label"), estimate, base.value, "one")
    return KeyNumber(value, text("key.precision.label"), margin, context, picture)


def _key_recall(finding: Finding, text: Text, k: float, estimate: Estimate) -> KeyNumber:
    write, label = text.numbers.percent, text(f"key.recall.{_manner(finding)}")
    return KeyNumber(
        write(estimate.value),
        label,
        text("key.interval", low=write(estimate.low), high=write(estimate.high)),
        text("key.recall.context", k=text.numbers.share(k)),
        gauge(text, "key-recall", label, estimate, k, "three"),
    )


def _key_auc(text: Text, estimate: Estimate) -> KeyNumber:
    write = text.numbers.decimal
    return KeyNumber(
        write(estimate.value),
        text("key.auc.label"),
        text("key.interval", low=write(estimate.low), high=write(estimate.high)),
        text("key.auc.context", half=write(0.5), one=write(1.0)),
        gauge(text, "key-auc", text("key.auc.label"), estimate, 0.5, "one"),
    )


def _key_epsilon(finding: Finding, text: Text) -> KeyNumber:
    value = text("key.epsilon.value", epsilon=text.numbers.epsilon(finding.privacy.epsilon))
    label, context = text("key.epsilon.label"), text("key.epsilon.context")
    return KeyNumber(value, label, text("key.epsilon.interval"), context, None)


def gauge(text: Text, identifier: str, title: str, estimate: Estimate, random: float, css: str) -> Markup:
    """Return a scale from 0 to 1 with the margin, the estimate and a mark for chance."""
    canvas = Canvas(height=20, width=240)

    def x(share: float) -> float:
        return 4 + 232 * min(max(share, 0.0), 1.0)

    canvas.rect((4, 8), 232, 4, "track", 2)
    canvas.rect((x(estimate.low), 6), max(3.0, x(estimate.high) - x(estimate.low)), 8, f"band {css}", 3)
    canvas.line((x(random), 2), (x(random), 18), "reference")
    canvas.circle((x(estimate.value), 10), 5, f"dot {css}")
    write = text.numbers.decimal
    margin = text("key.interval", low=write(estimate.low), high=write(estimate.high))
    about = text("key.about", value=write(estimate.value), interval=margin, random=write(random))
    return canvas.document(identifier, title, about, "gauge")


def reading(finding: Finding, text: Text) -> tuple[str, ...]:
    """Return what the figures mean, one thought a paragraph."""
    parts = [
        _read_precision(finding, text),
        _read_recall(finding, text),
        _read_auc(finding, text),
        _read_chances(finding, text),
        _read_comparison(finding, text),
    ]
    return tuple(part for part in parts if part)


def _read_precision(finding: Finding, text: Text) -> str:
    top, base = headline(finding), finding.population.base_rate
    if top is None or top.precision is None or base is None:
        return ""
    return text(
        f"read.precision.{_manner(finding)}",
        k=text.numbers.share(top.k),
        n=_hundred(top.precision.value),
        low=_hundred(top.precision.low),
        high=_hundred(top.precision.high),
        base=_hundred(base.value),
        outcome=outcome(finding, text),
    )


def _read_recall(finding: Finding, text: Text) -> str:
    top = headline(finding)
    if top is None or top.recall is None:
        return ""
    found = _hundred(top.recall.value)
    return text(
        f"read.recall.{_manner(finding)}",
        k=text.numbers.share(top.k),
        found=f"{found}%",
        missed=f"{100 - found}%",
        low=text.numbers.percent(top.recall.low),
        high=text.numbers.percent(top.recall.high),
    )


def _read_auc(finding: Finding, text: Text) -> str:
    auc = finding.evaluation.auc
    if auc is None:
        return ""
    return text(
        f"read.auc.{_manner(finding)}",
        n=_hundred(auc.value),
        low=_hundred(auc.low),
        high=_hundred(auc.high),
        outcome=outcome(finding, text),
    )


def calibration_gap(finding: Finding) -> float | None:
    """Return the mean distance between predicted and observed, weighted by the shown groups' sizes."""
    shown = [b for b in finding.evaluation.calibration if not b.suppressed and b.observed and b.students]
    weight = sum(b.students or 0 for b in shown)
    if not weight:
        return None
    return sum(abs(b.predicted - b.observed.value) * (b.students or 0) for b in shown if b.observed) / weight


def _read_chances(finding: Finding, text: Text) -> str:
    gap, brier, base = calibration_gap(finding), finding.evaluation.brier, finding.population.base_rate
    parts = [] if gap is None else [text("read.calibration", points=text.numbers.decimal(gap * 100, 1))]
    if brier is not None and base is not None:
        naive = text.numbers.decimal(base.value * (1 - base.value), 3)
        parts.append(text("read.brier", brier=text.numbers.decimal(brier.value, 3), naive=naive))
    return " ".join(parts)


def _read_comparison(finding: Finding, text: Text) -> str:
    data = finding.comparison
    if data is None:
        return ""
    pairs = [(s.local_auc, s.federated_auc) for s in data.schools]
    known = [(own, joint) for own, joint in pairs if own is not None and joint is not None]
    better = sum(joint > own for own, joint in known)
    case = "all" if better == len(known) else "some" if better else "none"
    pooled, joint = (text.numbers.decimal(auc, 3) for auc in (data.pooled_auc, data.federated_auc))
    schools = text(f"read.comparison.{case}", better=better, schools=len(known)) if known else ""
    return f"{schools} {text('read.pooled', pooled=pooled, joint=joint)}".strip()


def noise(finding: Finding, text: Text) -> str:
    """Return how the privacy noise compares with the chance of the sample."""
    return text("read.noise.dominates" if finding.evaluation.privacy_dominates else "read.noise.small")
