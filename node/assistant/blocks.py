"""Measures side by side arrive; entries for attendance and results leave, and questions about totals without a week."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from node.assistant.families import PERIOD_WEEKS, Wide, measure_of
from node.assistant.proposal import SURE, Block, Entry, OpenPoint, Option, Origin, pair
from node.assistant.work import Work
from shared_schema.columns import Text

HOURS = ("hours_scheduled", "hours_absent", "hours_absent_unauthorised", "hours_absent_authorised")
WORDED = 0.88
TOP_MARK = 10
_UNIT = pair("eenheid: klokuren; lesuren van 45 minuten schrijft u met scale: \"0.75\"",
             "unit: clock hours; lessons of 45 minutes are written with scale: \"0.75\"")  # fmt: skip


def wide_entries(work: Work, source: str) -> Iterator[Entry]:
    """Yield one entry for each way of counting weeks in a source: weeks, periods, running totals."""
    grouped: dict[tuple[str, tuple[int, ...], bool], dict[str, Wide]] = defaultdict(dict)
    for one in work.wide[source]:
        if one.measure == "percent":
            work.why_not.update({(source, name): _PERCENT for name in one.members.values()})
        elif one.unit != "period" or len(one.members) in PERIOD_WEEKS:
            grouped[one.unit, tuple(one.members), one.measure == "score"].setdefault(one.measure, one)
    for (unit, numbers, scores), measures in grouped.items():
        entry = (
            _scores(work, source, unit, numbers, measures) if scores else _hours(work, source, unit, numbers, measures)
        )
        if entry is not None:
            yield entry


_PERCENT = pair("een percentage; de uren zelf zeggen meer", "a percentage; the hours themselves say more")


def _hours(work: Work, source: str, unit: str, numbers: tuple[int, ...], measures: Mapping[str, Wide]) -> Entry | None:
    rules: dict[str, dict[int, Any]] = {}
    fills: list[tuple[str, Origin]] = []
    for name in HOURS:
        if name in measures:
            rules[name] = dict(measures[name].members)
            fills += [(name, origin) for origin in work.use(source, *measures[name].members.values())]
    present, scheduled = measures.get("hours_present"), measures.get("hours_scheduled")
    if present and scheduled and "hours_absent" not in rules:
        pairs = {week: (scheduled.members[week], present.members[week]) for week in numbers}
        rules["hours_absent"] = {
            week: {"compute": "difference_of", "left": left, "right": right} for week, (left, right) in pairs.items()
        }
        fills += [("hours_absent", origin) for origin in work.use(source, *present.members.values())]
    if not rules:
        return None
    block = _block(unit, numbers, rules, {name: one.template for name, one in measures.items()}, tuple(fills))
    return Entry("attendance", source, block=block)


def _scores(work: Work, source: str, unit: str, numbers: tuple[int, ...], measures: Mapping[str, Wide]) -> Entry | None:
    from node.assistant.proposal import Line

    one = measures["score"]
    shapes = [work.samples[source].shapes[name] for name in one.members.values()]
    if unit != "period" or not all(shape.empty or shape.within(1, TOP_MARK) >= SURE for shape in shapes):
        return None
    fills = tuple(("score", origin) for origin in work.use(source, *one.members.values()))
    last = {number: number * PERIOD_WEEKS[len(numbers)] for number in numbers}
    spans = [{"week": last[number], "columns": {"score": heading}} for number, heading in one.members.items()]
    block = Block("spans", spans, WORDED, _reasons(unit, numbers), fills)
    why = pair("cijfers tot en met 10", "marks up to 10")
    constants = {"kind": "periode", "course": "gemiddelde", "score_max": TOP_MARK}
    lines = tuple(Line(name, {"constant": value}, WORDED, (why,), ()) for name, value in constants.items())
    return Entry("result", source, lines=lines, block=block)


def _block(
    unit: str,
    numbers: tuple[int, ...],
    rules: Mapping[str, Mapping[int, Any]],
    templates: Mapping[str, str],
    fills: tuple[tuple[str, Origin], ...],
) -> Block:
    reasons = (*_reasons(unit, numbers), _UNIT)
    plain = all(
        isinstance(heading, str) and templates[name].replace("{week}", str(week)) == heading
        for name, members in rules.items()
        for week, heading in members.items()
    )
    if unit == "week" and plain:
        columns = {name: templates[name] for name in rules}
        return Block("unpivot", {"weeks": _weeks(numbers), "columns": columns}, WORDED, reasons, fills)
    length = {
        number: PERIOD_WEEKS[len(numbers)] if unit == "period" else 1 if unit == "week" else number
        for number in numbers
    }
    spans = [
        {
            "week": number * length[number] if unit == "period" else number,
            "weeks": length[number],
            "columns": {name: members[number] for name, members in rules.items()},
        }
        for number in numbers
    ]
    return Block("spans", spans, WORDED, reasons, fills)


def _weeks(numbers: tuple[int, ...]) -> str:
    whole = numbers == tuple(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]}-{numbers[-1]}" if whole else ", ".join(map(str, numbers))


def _reasons(unit: str, numbers: tuple[int, ...]) -> tuple[Text, ...]:
    if unit == "week":
        return (pair(f"{len(numbers)} weken naast elkaar", f"{len(numbers)} weeks side by side"),)
    if unit == "total":
        shown = ", ".join(map(str, numbers))
        return (pair(f"totalen tot en met week {shown}: zij lopen op", f"totals through week {shown}: they rise"),)
    weeks = PERIOD_WEEKS[len(numbers)]
    assumed = pair(
        f"AANNAME: {len(numbers)} perioden van {weeks} lesweken; pas de weken aan als dat bij u anders is",
        f"ASSUMED: {len(numbers)} periods of {weeks} teaching weeks; change the weeks if yours differ",
    )
    return (assumed,)


# Totals without a week ----------------------------------------------------------------------------------------------


def ask_totals(work: Work, source: str) -> OpenPoint | None:
    """Hours of absence in one column each: through which week, the heading does not say."""
    found: dict[str, str] = {}
    table = work.schema.table("attendance")
    for name in work.samples[source].headings:
        shape = work.samples[source].shapes[name]
        measure = measure_of(name)
        taken = (source, name) in work.used or name in work.samples[source].direct
        if (
            measure in HOURS
            and measure in table.columns
            and not taken
            and shape.number >= SURE
            and not shape.boolean >= 1
        ):
            found.setdefault(measure, name)
    if not found:
        return None
    names = ", ".join(found.values())
    question = pair(
        f"{names} lijken uren over meer weken; tot en met welke lesweek? Zet bij week en weeks dat getal (hier 10)",
        f"{names} look like hours over several weeks; through which teaching week? Put that number at week and weeks"
        " (10 here)",
    )
    rule = {"source": source, "spans": [{"week": 10, "weeks": 10, "columns": dict(found)}]}
    label = pair("totalen tot en met week 10", "totals through week 10")
    reads = work.use(source, *found.values())
    return OpenPoint(
        question, (Option(label, "attendance", rule),), reads, tuple(f"attendance.{name}" for name in found)
    )
