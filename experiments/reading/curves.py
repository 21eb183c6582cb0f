"""A finding and a language arrive; the figures about the model's quality leave."""

from collections.abc import Callable, Sequence

from experiments.reading.figure import Figure, Table, interval
from experiments.reading.finding import AtK, Finding
from experiments.reading.frame import Frame, ceiling, legend, ticks
from experiments.reading.record import Estimate
from experiments.reading.text import Text


def _released(points: Sequence[AtK], measure: str) -> list[tuple[float, Estimate]]:
    pairs = [(point.k, getattr(point, measure)) for point in sorted(points, key=lambda point: point.k)]
    return [(k, estimate) for k, estimate in pairs if estimate is not None]


def _at_k_table(text: Text, pairs: Sequence[tuple[float, Estimate]], measure: str, random: str) -> Table:
    write = text.numbers.times if measure == "lift" else text.numbers.share
    rows = ((text.numbers.share(k), interval(text, e, write)) for k, e in pairs)
    head = (text("axis.k"), text(f"measure.{measure}"))
    if random:
        return Table((*head, text("legend.random")), tuple((*row, random) for row in rows))
    return Table(head, tuple(rows))


def precision(finding: Finding, text: Text) -> Figure | None:
    """Of the students at the top, which share has the outcome: a curve over k, with the base rate."""
    pairs = _released(finding.evaluation.at_k, "precision")
    base = finding.population.base_rate
    if not pairs:
        return None
    places, estimates = [k for k, _ in pairs], [e for _, e in pairs]
    upper, distance = ceiling(min(1.0, max([e.high for e in estimates] + ([base.high] if base else []))))
    frame = Frame.empty(max(places), upper)
    _share_axes(frame, text, distance, places, text("axis.precision"))
    frame.band(places, estimates, "one")
    if base:
        frame.canvas.line(frame.at(0, base.value), frame.at(max(places), base.value), "reference")
    frame.curve(places, estimates, "one")
    _curve_legend(frame, text, "one", random=base is not None)
    random = text.numbers.share(base.value) if base else ""
    return Figure(
        "precision",
        text("figure.precision.title"),
        text("figure.precision.caption"),
        frame.canvas.document("precision", text("figure.precision.title"), _about(text, "precision", pairs)),
        _at_k_table(text, pairs, "precision", random),
    )


def recall(finding: Finding, text: Text) -> Figure | None:
    """Which share of all students with the outcome stands at the top: a curve over k, with the diagonal."""
    pairs = _released(finding.evaluation.at_k, "recall")
    if not pairs:
        return None
    places, estimates = [k for k, _ in pairs], [e for _, e in pairs]
    upper, distance = ceiling(min(1.0, max(e.high for e in estimates)))
    frame = Frame.empty(max(places), upper)
    _share_axes(frame, text, distance, places, text("axis.recall"))
    frame.band(places, estimates, "three")
    end = min(max(places), upper)
    frame.canvas.line(frame.at(0, 0), frame.at(end, end), "reference")
    frame.curve(places, estimates, "three")
    _curve_legend(frame, text, "three", random=True)
    rows = tuple(
        (text.numbers.share(k), interval(text, e, text.numbers.share), text.numbers.share(k)) for k, e in pairs
    )
    return Figure(
        "recall",
        text("figure.recall.title"),
        text("figure.recall.caption"),
        frame.canvas.document("recall", text("figure.recall.title"), _about(text, "recall", pairs)),
        Table((text("axis.k"), text("measure.recall"), text("legend.random")), rows),
    )


def lift(finding: Finding, text: Text) -> Figure | None:
    """How many times better than choosing at random: a bar per k with its interval."""
    pairs = _released(finding.evaluation.at_k, "lift")
    if not pairs:
        return None
    upper, distance = ceiling(max(e.high for _, e in pairs) * 1.08)
    frame = Frame.empty(len(pairs), max(upper, distance))
    frame.grid(distance, text.numbers.times, text("axis.lift"))
    width = min(46.0, (frame.x(1) - frame.x(0)) * 0.56)
    for place, (_, estimate) in enumerate(pairs):
        _lift_bar(frame, text, place + 0.5, width, estimate)
    frame.canvas.line(frame.at(0, 1), frame.at(len(pairs), 1), "reference front")
    frame.across([i + 0.5 for i in range(len(pairs))], _names(text, pairs), text("axis.k"))
    legend(
        frame.canvas,
        [("bar", "bar two", text("legend.model")), ("dash", "", text("legend.random"))],
    )
    return Figure(
        "lift",
        text("figure.lift.title"),
        text("figure.lift.caption"),
        frame.canvas.document("lift", text("figure.lift.title"), _about(text, "lift", pairs)),
        _at_k_table(text, pairs, "lift", ""),
    )


def _lift_bar(frame: Frame, text: Text, place: float, width: float, estimate: Estimate) -> None:
    x, top = frame.at(place, estimate.value)
    frame.canvas.rect((x - width / 2, top), width, frame.y(0) - top, "bar two", 2)
    frame.canvas.whisker(frame.at(place, estimate.low), frame.at(place, estimate.high))
    label = text.numbers.times(estimate.value)
    frame.canvas.text((x, frame.y(0) - 9), label, "on-bar", "middle")


def _names(text: Text, pairs: Sequence[tuple[float, Estimate]]) -> Callable[[float], str]:
    return lambda place: text.numbers.share(pairs[int(place)][0])


def _share_axes(frame: Frame, text: Text, distance: float, places: list[float], title: str) -> None:
    frame.grid(distance, text.numbers.share, title)
    frame.across([0.0, *places], text.numbers.share, text("axis.k"))


def _curve_legend(frame: Frame, text: Text, css: str, random: bool) -> None:
    entries = [("line", css, text("legend.model")), ("band", css, text("legend.band"))]
    legend(frame.canvas, entries + ([("dash", "", text("legend.random"))] if random else []))


def _about(text: Text, measure: str, pairs: Sequence[tuple[float, Estimate]]) -> str:
    write = text.numbers.times if measure == "lift" else text.numbers.share
    points = [text("about.point", k=text.numbers.share(k), value=interval(text, e, write)) for k, e in pairs]
    return text("about.at_k", measure=text(f"measure.{measure}"), points="; ".join(points))


def calibration(finding: Finding, text: Text) -> Figure | None:
    """Predicted chance against what happened, with intervals and the line where both are equal."""
    bins = [b for b in finding.evaluation.calibration if not b.suppressed and b.observed is not None]
    pairs = [(b.predicted, b.observed) for b in bins if b.observed is not None]
    if not pairs:
        return None
    upper, distance = ceiling(min(1.0, max(max(x, e.high) for x, e in pairs)))
    frame = Frame.empty(upper, upper)
    frame.grid(distance, text.numbers.share, text("axis.observed"))
    frame.across(ticks(upper, distance), text.numbers.share, text("axis.predicted"))
    frame.canvas.line(frame.at(0, 0), frame.at(upper, upper), "reference")
    for x, estimate in pairs:
        frame.canvas.whisker(frame.at(x, estimate.low), frame.at(x, estimate.high), "whisker one")
        frame.canvas.circle(frame.at(x, estimate.value), 5, "dot one")
    legend(
        frame.canvas,
        [("dot", "one", text("legend.group")), ("dash", "", text("legend.equal"))],
    )
    hidden = len(finding.evaluation.calibration) - len(pairs)
    caption = text("figure.calibration.caption")
    caption += " " + text("figure.calibration.hidden", count=hidden) if hidden else ""
    title = text("figure.calibration.title")
    points = [
        text("about.pair", predicted=text.numbers.share(x), value=interval(text, e, text.numbers.share))
        for x, e in pairs
    ]
    about = text("about.calibration", points="; ".join(points))
    return Figure(
        "calibration",
        title,
        caption,
        frame.canvas.document("calibration", title, about),
        _bins(finding, text),
    )


def _bins(finding: Finding, text: Text) -> Table:
    rows = []
    for entry in finding.evaluation.calibration:
        hidden = entry.suppressed or entry.observed is None
        observed = text("hidden") if hidden else interval(text, entry.observed, text.numbers.share)
        students = text("hidden") if hidden or entry.students is None else text.numbers.whole(entry.students)
        rows.append((text.numbers.share(entry.predicted), observed, students))
    return Table((text("axis.predicted"), text("axis.observed"), text("head.students")), tuple(rows))
