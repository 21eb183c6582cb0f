"""A source that lists one kind of thing arrives (placements, results, diplomas …); the entry of its table leaves."""

from __future__ import annotations

from collections.abc import Iterator

from node.assistant.asking import FILL, ask_about
from node.assistant.matching import Match
from node.assistant.proposal import SURE, Entry, Line, OpenPoint, Option, pair
from node.assistant.roles import FLAT, NOT_APPLICABLE, scales, survey_of
from node.assistant.words import letters
from node.assistant.work import Work
from shared_schema import Column, Type

MARGIN = 0.06
WORDED = 0.88


def list_entries(work: Work, source: str) -> Iterator[Entry]:
    """Yield how a source fills each table that it is a list of; nothing where nothing of it is sure."""
    tables = [table for table in work.roles[source].tables if table not in FLAT]
    for table in tables:
        if table == "survey" and not work.claims(source, table, "question"):
            yield from _side_by_side(work, source)
        elif (entry := _entry(work, source, table)) is not None:
            yield entry


def _side_by_side(work: Work, source: str) -> Iterator[Entry]:
    """Questions of a survey side by side: an entry for each, whose heading is the question."""
    sample, code = work.samples[source], survey_of(work.samples[source])
    dates = work.claims(source, "survey", "date")
    date = dates[0] if dates and dates[0].confidence >= SURE else None
    for heading in scales(sample):
        other = [text for text in NOT_APPLICABLE if sample.shapes[heading].listed([text])]
        rule = {"from": heading, "missing": other} if other else heading
        scale = pair("antwoorden van 1 tot en met 5", "answers from 1 to 5")
        numbers = ", ".join(other)
        beside = pair(f"{numbers} telt als niet van toepassing", f"{numbers} counts as not applicable")
        name = pair("de vraag heet naar haar kolom", "the question is called after its column")
        which = pair("de naam van het bestand of de kolommen zegt het", "the name of the file or its columns says so")
        lines = [
            Line("survey", {"constant": code}, WORDED, (which,), ()),
            Line("question", {"constant": heading}, WORDED, (name,), ()),
            Line("answer", rule, WORDED, (scale, *([beside] if other else [])), work.use(source, heading)),
        ]
        yield Entry("survey", source, lines=tuple([*lines, work.line(source, date)] if date else lines))


def _entry(work: Work, source: str, table: str) -> Entry | None:
    filled: list[Line | OpenPoint] = []
    for column in work.schema.table(table).columns.values():
        if column.type is not Type.PSEUDONYM and (one := _column(work, source, table, column)) is not None:
            filled.append(one)
    lines = tuple(one for one in filled if isinstance(one, Line))
    if not any(line.reads for line in lines):
        return None
    return Entry(table, source, lines=lines, points=tuple(one for one in filled if isinstance(one, OpenPoint)))


def _column(work: Work, source: str, table: str, column: Column) -> Line | OpenPoint | None:
    claims = work.claims(source, table, column.name)
    if column.name == "enrolment_id":
        claims = [one for one in claims if not _bare(one.heading) or _numbers_enrolments(work, source, one.heading)]
    sure = [one for one in claims if one.confidence >= SURE]
    if sure and (len(sure) == 1 or sure[0].confidence - sure[1].confidence >= MARGIN):
        return work.line(source, sure[0])
    asked = ask_about(work, source, sure or claims) if claims else None
    if asked is not None or column.nullable:
        return asked
    return _required(work, source, table, column, claims)


def _bare(heading: str) -> bool:
    """A number that does not say of what: in a list it may be the list's own."""
    return letters(heading) in ("volgnummer", "volgnr", "nummer", "nr")


def _numbers_enrolments(work: Work, source: str, heading: str) -> bool:
    return any(work.enrolment_heading(other) == heading for other in work.flat() if other != source)


def _required(work: Work, source: str, table: str, column: Column, claims: list[Match]) -> Line | OpenPoint:
    """A column that every row must have, and no column of the file surely is it. claims: by name, not by its cells."""
    start: Match | None = work.sure(source, table, "start_date")
    if start is not None:
        why = pair("geen nummer: de begindatum onderscheidt de rijen", "no number: the start date tells rows apart")
        return Line(column.name, start.heading, 0.8, (why,), ((source, start.heading),))
    text = "1" if work.schema.table(table).about.person else FILL
    values = list(column.codes) if column.codes else [text] if column.type is Type.TEXT else [FILL]
    labels = column.codes.labels if column.codes else {}
    options = tuple(
        Option(
            labels.get(value) or pair("voor elke rij hetzelfde", "the same for every row"),
            column.name,
            {"constant": value},
        )
        for value in values
    )
    question = pair(
        f"verplicht, en geen kolom is het: {column.prose.nl}", f"required, and no column is it: {column.prose.en}"
    )
    reads = work.use(source, *(one.heading for one in claims))
    return OpenPoint(question, options, reads, (f"{table}.{column.name}",), required=True)
