"""A finding and a language arrive; the figures with a row per school, account or feature leave."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from experiments.reading.figure import Figure, Table, interval
from experiments.reading.finding import Account, Comparison, Finding, Weight
from experiments.reading.frame import legend
from experiments.reading.record import Estimate
from experiments.reading.svg import BOLD, WIDTH, Canvas, shorten
from experiments.reading.text import Text

MANY = 12  # above this many rows the name stands beside the row instead of above it
SHOWN_WEIGHTS = 12
WIDEST_ODDS = 1000.0  # beyond this a scale says nothing any more; the table holds the number itself
RIGHT_EDGE = WIDTH - 14


@dataclass(frozen=True)
class Rows:
    """Where the rows of a chart stand; names above the row, or beside it when there are many."""

    count: int
    top: float = 30.0

    @property
    def beside(self) -> bool:
        """True when names stand at the left of their row."""
        return self.count > MANY

    @property
    def pitch(self) -> float:
        """Distance from row to row."""
        return 25.0 if self.beside else 41.0

    @property
    def left(self) -> float:
        """Where a row's marks begin."""
        return 172.0 if self.beside else 8.0

    @property
    def bottom(self) -> float:
        """Where the rows end."""
        return self.top + self.pitch * self.count

    def y(self, row: int) -> float:
        """Return the middle of a row's marks."""
        return self.top + self.pitch * row + (12.0 if self.beside else 29.0)

    def name(self, canvas: Canvas, row: int, name: str, more: str = "") -> None:
        """Write the name of a row; only the name is shortened, never what comes after it."""
        tail = f" · {more}" if more else ""
        room = (self.left - 16 if self.beside else RIGHT_EDGE - 50) - len(tail) * BOLD
        label = shorten(name, room) + tail
        if self.beside:
            canvas.text((self.left - 12, self.y(row) + 4.5), label, "row", "end")
        else:
            canvas.text((self.left, self.y(row) - 15), label, "row")


@dataclass(frozen=True)
class Span:
    """A horizontal scale between two values."""

    low: float
    high: float
    left: float
    right: float = RIGHT_EDGE

    def x(self, value: float) -> float:
        """Return the px of a value, kept inside the plot."""
        inside = min(max(value, self.low), self.high)
        return self.left + (self.right - self.left) * (inside - self.low) / (self.high - self.low)


def comparison(finding: Finding, text: Text) -> Figure | None:
    """Each school's own model beside the joint one, and everything in one heap; rehearsals only."""
    data = finding.comparison
    if data is None:
        return None
    rows = Rows(len(data.schools) + 1)
    span = Span(*_auc_range(data), rows.left + 6)
    canvas = Canvas(rows.bottom + 52)
    _auc_axis(canvas, text, rows, span)
    _dots(
        canvas,
        rows,
        span,
        0,
        text("comparison.all"),
        [("diamond", data.pooled_auc), ("joint", data.federated_auc)],
    )
    for row, school in enumerate(data.schools, start=1):
        _dots(canvas, rows, span, row, school.name, [("own", school.local_auc), ("joint", school.federated_auc)])
    legend(
        canvas,
        [
            ("square", "two", text("legend.local")),
            ("dot", "one", text("legend.federated")),
            ("diamond", "three", text("legend.pooled")),
        ],
    )
    title = text("figure.comparison.title")
    about = text("about.comparison", better=_better(data), schools=len(data.schools))
    return Figure(
        "comparison",
        title,
        text("figure.comparison.caption"),
        canvas.document("comparison", title, about),
        _comparison_table(data, text),
        text("rehearsal.only"),
        wide=True,
    )


def _better(data: Comparison) -> int:
    pairs = [(s.local_auc, s.federated_auc) for s in data.schools]
    return sum(own is not None and joint is not None and joint > own for own, joint in pairs)


def _auc_range(data: Comparison) -> tuple[float, float]:
    values = [data.pooled_auc, data.federated_auc]
    values += [auc for s in data.schools for auc in (s.local_auc, s.federated_auc) if auc is not None]
    return math.floor(min(values) * 20 - 0.2) / 20, math.ceil(max(values) * 20 + 0.2) / 20


def _auc_axis(canvas: Canvas, text: Text, rows: Rows, span: Span) -> None:
    steps = round((span.high - span.low) * 20)
    distance = 2 if steps > 6 else 1
    for step in range(0, steps + 1, distance):
        value = span.low + step / 20
        canvas.line((span.x(value), rows.top), (span.x(value), rows.bottom), "grid")
        canvas.text((span.x(value), rows.bottom + 18), text.numbers.decimal(value), "tick", "middle")
    canvas.text(((span.left + span.right) / 2, rows.bottom + 42), text("axis.auc"), "axis-title", "middle")


def _dots(
    canvas: Canvas, rows: Rows, span: Span, row: int, name: str, marks: Iterable[tuple[str, float | None]]
) -> None:
    rows.name(canvas, row, name)
    y = rows.y(row)
    present = [(mark, auc) for mark, auc in marks if auc is not None]
    if len(present) == 2:
        canvas.line((span.x(present[0][1]), y), (span.x(present[1][1]), y), "link")
    for mark, auc in present:
        if mark == "own":
            canvas.rect((span.x(auc) - 5, y - 5), 10, 10, "dot two", 1)
        elif mark == "joint":
            canvas.circle((span.x(auc), y), 5.5, "dot one")
        else:
            canvas.diamond((span.x(auc), y), 6.5, "dot three")


def _comparison_table(data: Comparison, text: Text) -> Table:
    def write(auc: float | None) -> str:
        return text("none") if auc is None else text.numbers.decimal(auc, 3)

    rows = [
        (
            text("comparison.all"),
            text("none"),
            text("none"),
            write(data.federated_auc),
            write(data.pooled_auc),
        )
    ]
    for school in data.schools:
        students = text("none") if school.students is None else text.numbers.whole(school.students)
        rows.append((school.name, students, write(school.local_auc), write(school.federated_auc), text("none")))
    head = ("head.school", "head.students", "legend.local", "legend.federated", "legend.pooled")
    return Table(tuple(text(key) for key in head), tuple(rows))


@dataclass(frozen=True)
class Purse:
    """One or more accounts of one school that stand exactly alike, drawn as one bar."""

    school: str
    label: str
    spent: Fraction
    cap: Fraction
    shared: bool  # the school has other bars in this chart

    @property
    def share(self) -> float:
        """Part of the cap that is gone."""
        return float(self.spent / self.cap) if self.cap else 1.0


def purses(finding: Finding, text: Text) -> list[Purse]:
    """Return the accounts to draw; cohorts of a school with equal spent and cap share a bar."""

    def alike(account: Account) -> tuple[str, str, Fraction, Fraction]:
        return account.school, account.population, Fraction(account.rho_spent), Fraction(account.rho_cap)

    ordered = sorted(finding.privacy.accounts, key=lambda account: (*alike(account), str(account.cohort)))
    groups = [(key, list(members)) for key, members in groupby(ordered, alike)]
    bars = Counter(school for (school, *_), _ in groups)
    mixed = len({account.population for account in ordered}) > 1
    found = []
    for (school, population, spent, cap), members in groups:
        cohorts = text.numbers.joined([text.known("cohort", str(account.cohort)) for account in members])
        label = f"{text.known('population', population)} {cohorts}" if mixed else cohorts
        found.append(Purse(finding.school_name(school), label, spent, cap, bars[school] > 1))
    return found


def budget(finding: Finding, text: Text) -> Figure | None:
    """Spent against cap: a bar per school and cohort."""
    accounts = purses(finding, text)
    if not accounts:
        return None
    rows = Rows(len(accounts))
    canvas = Canvas(rows.bottom + 14)
    widest = max(max(purse.cap, purse.spent) for purse in accounts) or Fraction(1)
    span = Span(0.0, float(widest), rows.left, RIGHT_EDGE - 52)
    for row, purse in enumerate(accounts):
        _purse(canvas, text, rows, span, row, purse)
    legend(
        canvas,
        [("bar", "bar one", text("legend.spent")), ("bar", "track", text("legend.left"))],
    )
    title = text("figure.budget.title")
    highest = text.numbers.share(max(purse.share for purse in accounts))
    about = text("about.budget", accounts=len(finding.privacy.accounts), highest=highest)
    return Figure(
        "budget",
        title,
        text("figure.budget.caption"),
        canvas.document("budget", title, about),
        _accounts_table(finding, text),
    )


def _purse(canvas: Canvas, text: Text, rows: Rows, span: Span, row: int, purse: Purse) -> None:
    rows.name(canvas, row, purse.school, purse.label if purse.shared or not rows.beside else "")
    y, left = rows.y(row), span.left
    canvas.rect((left, y - 7), span.x(float(purse.cap)) - left, 14, "track", 3)
    canvas.rect((left, y - 7), span.x(float(purse.spent)) - left, 14, "bar one", 3)
    canvas.text((RIGHT_EDGE, y + 4.5), text.numbers.percent(purse.share), "value", "end")


def _accounts_table(finding: Finding, text: Text) -> Table:
    rows = tuple(
        (
            finding.school_name(account.school),
            text.known("cohort", str(account.cohort)),
            account.rho_spent,
            account.rho_cap,
        )
        for account in finding.privacy.accounts
    )
    return Table(tuple(text(f"head.{key}") for key in ("school", "cohort", "spent", "cap")), rows)


def weights(finding: Finding, text: Text) -> Figure | None:
    """The features with the largest odds ratios, up or down, on a scale where 2 and 1/2 weigh the same."""
    chosen = sorted(finding.model.weights, key=_strength, reverse=True)[:SHOWN_WEIGHTS]
    if not chosen:
        return None
    rows = Rows(len(chosen), top=30.0)
    canvas = Canvas(rows.bottom + 54)
    reach = max(0.2, *(abs(math.log(end)) for weight in chosen for end in _ends(weight.odds_ratio)))
    span = Span(-reach * 1.06, reach * 1.06, rows.left + 6)
    _odds_axis(canvas, text, rows, span)
    for row, weight in enumerate(chosen):
        _odds(canvas, text, rows, span, row, weight)
    legend(canvas, [("dot", "two", text("legend.more")), ("square", "one", text("legend.less"))])
    title = text("figure.weights.title")
    points = [f"{w.label.pick(text.language)} {_odds_text(text, w)}" for w in chosen]
    return Figure(
        "weights",
        title,
        text("figure.weights.caption", shown=len(chosen), total=len(finding.model.weights)),
        canvas.document("weights", title, text("about.weights", points="; ".join(points))),
        _weights_table(chosen, text),
        wide=True,
    )


def _middle(value: float | Estimate) -> float:
    return value.value if isinstance(value, Estimate) else value


def _ends(value: float | Estimate) -> tuple[float, ...]:
    ends = (value.low, value.value, value.high) if isinstance(value, Estimate) else (value,)
    return tuple(_inside(end) for end in ends)


def _inside(odds: float) -> float:
    return min(max(odds, 1 / WIDEST_ODDS), WIDEST_ODDS)


def _strength(weight: Weight) -> float:
    return abs(math.log(_inside(_middle(weight.odds_ratio))))


def _odds_axis(canvas: Canvas, text: Text, rows: Rows, span: Span) -> None:
    candidates = (0.1, 0.2, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 5, 10)
    wide = span.high > math.log(2.2)
    kept = [v for v in candidates if abs(math.log(v)) <= span.high and (v in (0.1, 0.2, 0.5, 1, 2, 5, 10)) == wide]
    for value in sorted({*kept, 1}):
        x = span.x(math.log(value))
        canvas.line((x, rows.top), (x, rows.bottom), "axis" if value == 1 else "grid")
        canvas.text((x, rows.bottom + 18), text.numbers.decimal(value, 2 if value == 1.25 else 1), "tick", "middle")
    canvas.text(((span.left + span.right) / 2, rows.bottom + 42), text("axis.odds"), "axis-title", "middle")


def _odds(canvas: Canvas, text: Text, rows: Rows, span: Span, row: int, weight: Weight) -> None:
    rows.name(canvas, row, weight.label.pick(text.language))
    y, odds = rows.y(row), weight.odds_ratio
    if isinstance(odds, Estimate):
        low, _, high = (span.x(math.log(end)) for end in _ends(odds))
        canvas.whisker((low, y), (high, y))
    x = span.x(math.log(_inside(_middle(odds))))
    canvas.line((span.x(0.0), y), (x, y), "link")
    if _middle(odds) >= 1:
        canvas.circle((x, y), 5.5, "dot two")
    else:
        canvas.rect((x - 5, y - 5), 10, 10, "dot one", 1)
    canvas.text((RIGHT_EDGE, y - 15), text.numbers.decimal(_middle(odds)), "value", "end")


def _odds_text(text: Text, weight: Weight) -> str:
    odds = weight.odds_ratio
    return interval(text, odds, text.numbers.decimal) if isinstance(odds, Estimate) else text.numbers.decimal(odds)


def _weights_table(shown: Sequence[Weight], text: Text) -> Table:
    rows = tuple(
        (
            weight.label.pick(text.language),
            _odds_text(text, weight),
            text.numbers.decimal(_middle(weight.weight), 3),
        )
        for weight in shown
    )
    return Table((text("head.feature"), text("axis.odds.short"), text("head.weight")), rows)
