"""An audit arrives; two small drawings leave: what an attacker demonstrated, and who was found in a model."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from experiments.reading.audit_record import Audit, Guessed, Membership, Trial
from experiments.reading.bars import RIGHT_EDGE, Span
from experiments.reading.figure import Figure, Table
from experiments.reading.frame import ceiling, legend, ticks
from experiments.reading.numbers import Numbers
from experiments.reading.svg import BOLD, CHARACTER, Canvas
from experiments.reading.text import Text

LEFT = 12.0
PITCH = 62.0  # from row to row: a name above a thick bar
COIN = 0.5  # the AUC of tossing a coin
PROMISE_AT = 0.68  # where the promise stands between left and right, so that there is room to break out of it


@dataclass(frozen=True)
class Field:
    """Rows of one name and one mark each, over a horizontal scale."""

    canvas: Canvas
    span: Span
    top: float
    rows: int

    @classmethod
    def empty(cls, span: Span, top: float, rows: int) -> "Field":
        """Return a field on a new canvas that has room for its axis."""
        return cls(Canvas(top + PITCH * rows + 56), span, top, rows)

    @property
    def bottom(self) -> float:
        """Where the rows end and the axis stands."""
        return self.top + PITCH * self.rows + 4

    def y(self, row: int) -> float:
        """Return the middle of a row's mark."""
        return self.top + PITCH * row + 42

    def name(self, row: int, name: str) -> None:
        """Write the name of a row above its mark."""
        self.canvas.text((LEFT, self.y(row) - 21), name, "name")

    def axis(self, values: list[float], write: Callable[[float], str], title: str) -> None:
        """Draw the grid with its numbers, and the title below."""
        for value in values:
            self.canvas.line((self.span.x(value), self.top), (self.span.x(value), self.bottom), "grid")
            self.canvas.text((self.span.x(value), self.bottom + 18), write(value), "tick", "middle")
        self.canvas.text((self.canvas.width / 2, self.bottom + 42), title, "axis-title", "middle")

    def mark(self, value: float, words: str, anchor: str) -> None:
        """Draw a dashed line beside the marks, not through the names, with its meaning above it."""
        x = self.span.x(value)
        self.canvas.line((x, self.top - 7), (x, self.top + 8), "reference front")
        for row in range(self.rows):
            self.canvas.line((x, self.y(row) - 16), (x, self.y(row) + 19), "reference front")
        self.canvas.text((x - (6 if anchor == "end" else 0), self.top - 14), words, "tick", anchor)


def _written(numbers: Numbers, distance: float) -> Callable[[float], str]:
    """Return how to write numbers so far apart: with as few decimals as tell them apart."""
    digits = next((digits for digits in range(4) if math.isclose(round(distance, digits), distance)), None)
    if digits is None:
        return lambda value: numbers.significant(value, 2)
    return lambda value: numbers.decimal(value, digits)


def demonstrated(audit: Audit, text: Text) -> Figure:
    """What is promised as a bar, what the attacker demonstrated inside it, and the same with half the noise."""
    whole = audit.mechanism.whole
    attempts = _attempts(whole, text)
    claimed, most = whole.epsilon_claimed, max(one.epsilon_lower for _, one in attempts)
    upper = max(claimed / PROMISE_AT, 1.1 * most)
    field = Field.empty(Span(0.0, upper, LEFT), 58.0, len(attempts))
    edge = field.span.x(claimed)
    field.canvas.rect((edge, field.top), RIGHT_EDGE - edge, field.bottom - field.top, "band two")
    end, distance = ceiling(upper)
    values = [value for value in ticks(end, distance) if value <= upper]
    field.axis(values, _written(text.numbers, distance), text("axis.epsilon"))
    for row, (name, attempt) in enumerate(attempts):
        _attempt(field, text, row, name, attempt)
    _promise(field, claimed, text)
    colour = _colour(0, whole)
    legend(field.canvas, [("bar", "track", text("legend.promised")), ("bar", colour, text("legend.demonstrated"))])
    return Figure(
        "audit",
        text("figure.audit.title"),
        _caption(whole, text),
        field.canvas.document("audit", text("figure.audit.title"), _about(whole, text)),
        _attempts_table(attempts, text),
    )


def _promise(field: Field, claimed: float, text: Text) -> None:
    """The line of the promise, named at its left where there is room, else at its right."""
    words = text("audit.promised", claimed=text.numbers.epsilon(claimed))
    room = field.span.x(claimed) > len(words) * CHARACTER
    field.mark(claimed, words, "end" if room else "start")
    if room:
        field.canvas.text((field.span.x(claimed) + 9, field.top - 14), text("audit.beyond"), "tick")


def _colour(row: int, attempt: Trial) -> str:
    """Orange for what is, or should be, called broken."""
    return "bar one" if row == 0 and attempt.verdict != "broken" else "bar two"


def _attempts(whole: Trial, text: Text) -> list[tuple[str, Trial]]:
    own = [(text("audit.row.own"), whole)]
    return own if whole.positive_control is None else [*own, (text("audit.row.control"), whole.positive_control)]


def _attempt(field: Field, text: Text, row: int, name: str, attempt: Trial) -> None:
    """The promise as an outline, and what was demonstrated in it or beyond it."""
    caught = text("audit.caught" if attempt.verdict == "broken" else "audit.missed")
    field.name(row, f"{name} · {caught if row else text(f'audit.verdict.{attempt.verdict}')}")
    x, y, left = field.span.x(attempt.epsilon_lower), field.y(row), field.span.left
    field.canvas.rect((left, y - 13), field.span.x(attempt.epsilon_claimed) - left, 26, "track", 3)
    field.canvas.rect((left, y - 13), x - left, 26, _colour(row, attempt), 3)
    value = text.numbers.epsilon(attempt.epsilon_lower) if attempt.epsilon_lower else text("audit.nothing")
    if x - left > len(value) * BOLD + 16:
        field.canvas.text((x - 8, y + 4.5), value, "on-bar", "end")
    else:
        field.canvas.text((x + 8, y + 4.5), value)


def _caption(whole: Trial, text: Text) -> str:
    control = whole.positive_control
    outcome = "missed" if not whole.caught else "beyond" if control is not None and control.beyond else "within"
    sentences = [text("figure.audit.caption"), text(f"figure.audit.caption.{outcome}")]
    if whole.verdict == "broken" and not whole.beyond:
        sentences.append(text("figure.audit.caption.noise"))
    return " ".join(sentences)


def _about(whole: Trial, text: Text) -> str:
    write, control = text.numbers.epsilon, whole.positive_control
    return text(
        "about.audit",
        claimed=write(whole.epsilon_claimed),
        lower=write(whole.epsilon_lower),
        control=text("none") if control is None else write(control.epsilon_lower),
    )


def _attempts_table(attempts: list[tuple[str, Trial]], text: Text) -> Table:
    write = text.numbers.epsilon
    rows = tuple(
        (name, write(one.epsilon_claimed), write(one.epsilon_lower), text(f"audit.verdict.{one.verdict}"))
        for name, one in attempts
    )
    head = ("head.audit.version", "head.audit.claimed", "head.audit.lower", "head.status")
    return Table(tuple(text(key) for key in head), rows)


def membership(view: Membership, text: Text) -> Figure:
    """How well members were told from others: a coin, the models as they are released, models without noise."""
    attacked = [(text("audit.row.released"), view.found), (text("audit.row.noiseless"), view.control)]
    tenths = max(0, min(4, *(int(one.auc * 10 - 0.8) for _, one in attacked)))
    field = Field.empty(Span(tenths / 10, 1.0, LEFT + 12), 34.0, len(attacked))
    values = [tenth / 10 for tenth in range(tenths, 11)]
    field.axis(values, _written(text.numbers, 0.1), text("axis.membership"))
    field.mark(COIN, text("audit.coin"), "middle")
    for row, (name, one) in enumerate(attacked):
        _guessed(field, text, row, name, one)
    title, write = text("figure.membership.title"), text.numbers.decimal
    about = text("about.membership", auc=write(view.found.auc), control=write(view.control.auc))
    return Figure(
        "membership",
        title,
        text("figure.membership.caption"),
        field.canvas.document("membership", title, about),
        _guessed_table(attacked, text),
    )


def _guessed(field: Field, text: Text, row: int, name: str, one: Guessed) -> None:
    field.name(row, name)
    x, y = field.span.x(one.auc), field.y(row)
    field.canvas.line((field.span.x(COIN), y), (x, y), "link")
    if row == 0:
        field.canvas.circle((x, y), 7.5, "dot one")
    else:
        field.canvas.rect((x - 7, y - 7), 14, 14, "dot two", 1)
    value, left = text.numbers.decimal(one.auc), one.auc < COIN or one.auc > 0.9
    side, anchor = (-14, "end") if left and x > 4 * LEFT + 20 else (14, "start")
    field.canvas.text((x + side, y + 4.5), value, "value", anchor)


def _guessed_table(attacked: list[tuple[str, Guessed]], text: Text) -> Table:
    rows = tuple(
        (
            name,
            text.numbers.whole(one.coins),
            text.numbers.decimal(one.auc, 3),
            text.numbers.epsilon(one.epsilon_lower),
            text.numbers.epsilon(one.epsilon_lower_any),
        )
        for name, one in attacked
    )
    head = ("head.audit.models", "head.audit.guesses", "glossary.auc.term", "head.audit.lower", "head.audit.any")
    return Table(tuple(text(key) for key in head), rows)
