"""The work so far arrives; entries for student, enrolment, programme and diploma leave, each from its best source.

A column that stands in another file is looked up where the rows can be matched one to one. Dates never are: a date is
about the row in which it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from node.assistant.asking import ask_about, ask_cohort, ask_definition, ask_tolerance
from node.assistant.matching import Match
from node.assistant.proposal import SURE, Entry, Line, OpenPoint, Option, pair
from node.assistant.roles import FLAT
from node.assistant.words import letters, like_any, like_column
from node.assistant.work import AMBIGUOUS, NAMED, Work
from shared_schema import Column, Type
from shared_schema.spellings import HIGHEST_FIRST

MARGIN = 0.06
"""Two columns that are as sure as each other to within this are asked about."""
TOLERATED = 0.05
BORN = ("geboortedatum", "geboren", "datum geboorte", "geboorte datum", "date of birth", "birth date", "born", "dob")
DROPOUT_MARKS = ("uitval", "uitgevallen", "dropout", "dropped", "vsv", "withdrawn")
DIPLOMA_FLAG = ("diploma", "diploma behaald", "gediplomeerd", "geslaagd", "graduated", "diploma ja nee")
FROM_PARTS = 0.85

Filled = Iterator[Line | OpenPoint]


def flat_entries(work: Work) -> Iterator[Entry]:
    """Yield the tables that sources of students fill, each from the source that says most of it."""
    bases = {table: base for table in FLAT if (base := _base(work, table)) is not None}
    if bases and "enrolment" not in bases:
        bases["enrolment"] = next(iter(bases.values()))
    work.bases = bases
    reserved = {table: work.enrolment_heading(base) for table, base in bases.items()}
    for table in FLAT:
        if table in bases:
            base = bases[table]
            filled = list(_table(work, table, base, reserved[table], bases))
            lines = tuple(one for one in filled if isinstance(one, Line))
            points = tuple(one for one in filled if isinstance(one, OpenPoint))
            yield Entry(table, base, keep=_keep(work, table, base), lines=lines, points=points)
    if "enrolment" in bases:
        yield from _diploma(work, bases["enrolment"], reserved["enrolment"])


def _base(work: Work, table: str) -> str | None:
    """The source that surely says most of a table; the name of the file counts as two columns."""
    scores: dict[str, float] = {}
    for name in work.flat():
        role = work.roles[name]
        if table not in role.tables:
            continue
        told = [one for one in role.sure(table) if one.column != "enrolment_id"]
        flags = [group for group in work.flags[name] if _flag_column(work, group.codes)[0] == table]
        asked = [found for found in role.matches.values() if found and found[0].table == table]
        if told or flags or asked:
            dates = sum(_is_date(work, one) for one in told)  # these cannot be looked up elsewhere
            named = 2 * (table in role.named)
            scores[name] = sum(one.confidence for one in told) + dates + len(flags) + 0.1 * len(asked) + named
    return max(scores, key=scores.__getitem__, default=None)


def _is_date(work: Work, match: Match) -> bool:
    return work.schema.column(match.table, match.column).type is Type.DATE


def _table(work: Work, table: str, base: str, number: str | None, bases: dict[str, str]) -> Filled:
    for name, column in work.schema.table(table).columns.items():
        if name == "student" or column.type is Type.PSEUDONYM:
            continue
        special = _SPECIAL.get(f"{table}.{name}")
        found = list(special(work, base, number)) if special else []
        yield from found or _column(work, table, column, base)
    alike = work.students.repeated.get(base, 0.0)
    if table == "enrolment" and number is None and alike > TOLERATED and _start_tells(work, base) is None:
        yield ask_tolerance(base, alike)


def _column(work: Work, table: str, column: Column, base: str) -> Filled:
    """One column: flags, the best claim of the base, a look-up elsewhere, or a question."""
    flags = list(_from_flags(work, table, column, base))
    if flags:
        yield from flags
        return
    claims = work.claims(base, table, column.name)
    sure = [one for one in claims if one.confidence >= SURE]
    rivals = _rivals(work, base, sure) if column.name == "dropout_flag" else []
    asks = column.name == "dropout_flag" and (any(one.coded for one in sure) or bool(rivals))
    if sure and not asks and (len(sure) == 1 or sure[0].confidence - sure[1].confidence >= MARGIN):
        yield work.line(base, sure[0])
        return
    fitting = [one for one in claims if one.fit >= SURE]
    looked_up = None if fitting else _looked_up(work, table, column, base)
    if looked_up is not None:
        yield looked_up
    elif claims and (point := ask_about(work, base, [*(sure or claims), *rivals])) is not None:
        yield point


def _rivals(work: Work, base: str, sure: list[Match]) -> list[Match]:
    """Other columns of yes and no that speak of dropout too: only a person knows which is which."""
    sample, known = work.samples[base], [one.heading for one in sure]
    why = pair("spreekt ook van uitval", "speaks of dropout too")
    return [
        Match("enrolment", "dropout_flag", name, NAMED, sample.shapes[name].boolean, name, (why,))
        for name in sample.headings
        if sure
        and name not in (*known, *sample.direct)
        and sample.shapes[name].boolean >= SURE
        and any(mark in letters(name) for mark in DROPOUT_MARKS)
    ]


def _looked_up(work: Work, table: str, column: Column, base: str) -> Line | None:
    if column.type is Type.DATE:
        return None
    for other in work.others(base):
        for claim in work.claims(other, table, column.name):
            key = work.look_up_key(base, other, claim.heading) if claim.confidence >= SURE else None
            if key is not None:
                by = key.get("by", ())
                work.use(other, *by)
                work.use(base, *(by.values() if isinstance(by, dict) else ()))
                return work.line(other, claim, key)
    return None


# Flags ------------------------------------------------------------------------------------------------------------


def _flag_column(work: Work, codes: str) -> tuple[str, str]:
    """The first column of the flat tables whose codes are these."""
    for table in FLAT:
        for name, column in work.schema.table(table).columns.items():
            if column.codes is not None and column.codes.name == codes:
                return table, name
    return "", ""


def _from_flags(work: Work, table: str, column: Column, base: str) -> Filled:
    for group in work.flags[base]:
        if _flag_column(work, group.codes) != (table, column.name):
            continue
        ranked = sorted(group.members, key=lambda name: _rank(group.members[name]))
        rule: dict[str, Any] = {"one_hot": {name: group.members[name] for name in ranked}}
        if "nan" in (column.codes or ()):
            rule["otherwise"] = "nan"
        reads = work.use(base, *ranked)
        why = pair(f"{len(ranked)} vlaggen die eindigen op codes van {group.codes}",
                   f"{len(ranked)} flags that end in codes of {group.codes}")  # fmt: skip
        if not group.several:
            yield Line(column.name, rule, 0.9, (why,), reads)
            return
        question = pair(
            f"bij {group.several:.0%} van de rijen staat meer dan één vlag van {column.name} aan; welke telt?",
            f"in {group.several:.0%} of the rows more than one flag of {column.name} is set; which one counts?",
        )
        first = Option(pair("de hoogste (de eerste in deze volgorde)", "the highest (the first in this order)"),
                       column.name, {**rule, "several": "first"})  # fmt: skip
        none = Option(pair("geen: dan is het niet bekend", "none: then it is not known"), column.name, rule)
        yield OpenPoint(question, (first, none), reads, (f"{table}.{column.name}",))
        return


def _rank(code: str | None) -> int:
    return HIGHEST_FIRST.index(code) if code in HIGHEST_FIRST else 0 if code else 99


# Columns that follow from others ------------------------------------------------------------------------------------


def _start(work: Work, base: str) -> str | None:
    found = work.sure(base, "enrolment", "start_date")
    return found.heading if found else None


def _start_tells(work: Work, base: str) -> str | None:
    """The start date, where it tells a student's rows apart."""
    start = _start(work, base)
    columns = [*work.students.columns.get(base, ()), start]
    if start is None or not columns[:-1]:
        return None
    frame = work.samples[base].frame[columns]
    return start if frame.duplicated().mean() <= AMBIGUOUS else None


def _number(work: Work, base: str, number: str | None) -> Filled:
    """The enrolment's number; the start date, or 1, where there is none."""
    if number is not None:
        match = work.sure(base, work.roles[base].tables[0], "enrolment_id") or work.sure(
            base, "enrolment", "enrolment_id"
        )
        for table in work.roles[base].tables:
            match = match or work.sure(base, table, "enrolment_id")
        assert match is not None
        yield work.line(base, match)
        return
    start = _start_tells(work, base)
    if work.students.repeated.get(base, 0.0) and start is not None:
        yield _ask_number(work, base, start)
        return
    why = pair("geen nummer van de inschrijving: één per student", "no number of the enrolment: one per student")
    yield Line("enrolment_id", {"constant": "1"}, FROM_PARTS, (why,), ())


def _ask_number(work: Work, base: str, start: str) -> OpenPoint:
    """Students with several rows and no number that is known as the enrolment's."""
    claims = work.claims(base, "enrolment", "enrolment_id")
    named = [
        Option(pair(f"dat zegt {one.heading}", f"{one.heading} says so"), "enrolment_id", one.rule) for one in claims
    ]
    by_start = pair(f"{start} onderscheidt ze", f"{start} tells them apart")
    question = pair(
        "sommige studenten hebben meer rijen; wat onderscheidt hun inschrijvingen? Antwoord in elke tabel hetzelfde",
        "some students have several rows; what tells their enrolments apart? Answer the same in every table",
    )
    reads = work.use(base, *(one.heading for one in claims))
    options = (*named, Option(by_start, "enrolment_id", start))
    return OpenPoint(question, options, reads, ("enrolment.enrolment_id",), required=True)


def _period_number(work: Work, base: str, number: str | None) -> Filled:
    """The same as the enrolment's, where both come from one source; else a person says which enrolment it is."""
    if number is not None or base == work.bases.get("enrolment"):
        yield from _number(work, base, number)
        return
    question = pair(
        "bij welke inschrijving hoort een opleiding? Geen kolom is zeker het nummer van de inschrijving",
        "to which enrolment does a programme belong? No column surely is the number of the enrolment",
    )
    claims = work.claims(base, "enrolment", "enrolment_id")
    asked = [
        Option(pair(f"dat zegt {one.heading}", f"{one.heading} says so"), "enrolment_id", one.rule) for one in claims
    ]
    only = Option(
        pair("elke student heeft één inschrijving", "each student has one"), "enrolment_id", {"constant": "1"}
    )
    reads = work.use(base, *(one.heading for one in claims))
    yield OpenPoint(question, (*asked, only), reads, ("programme_period.enrolment_id",), required=True)


def _cohort(work: Work, base: str, number: str | None) -> Filled:
    del number
    if work.claims(base, "enrolment", "cohort"):
        return
    start = _start(work, base)
    if start is None:
        yield ask_cohort([one.heading for one in work.claims(base, "enrolment", "start_date") if one.fit >= SURE])
        return
    why = pair("het schooljaar van de startdatum", "the school year of the start date")
    yield Line("cohort", {"compute": "school_year_of", "date": start}, FROM_PARTS, (why,), ((base, start),))


def _age(work: Work, base: str, number: str | None) -> Filled:
    """Age from the date of birth, which itself is not stored."""
    del number
    start = _start(work, base)
    if start is None or work.claims(base, "enrolment", "age_at_start"):
        return
    for name in (base, *(other for other in work.flat() if other != base)):
        for heading in work.samples[name].headings:
            shape = work.samples[name].shapes[heading]
            if like_any(heading, BORN) and shape.date >= SURE and shape.date_form != "mixed":
                elsewhere = {} if name == base else {"of": name}
                if name != base and work.look_up_key(base, name, heading) is None:
                    continue
                born = {"from": heading, **elsewhere} if elsewhere else heading
                why = pair(
                    "leeftijd op de startdatum; de geboortedatum zelf wordt niet bewaard",
                    "age on the start date; the date of birth itself is not stored",
                )
                reads = ((base, start), *work.use(name, heading))
                yield Line("age_at_start", {"compute": "age_at", "born": born, "on": start}, 0.9, (why,), reads)
                return


def _definition(work: Work, base: str, number: str | None) -> Filled:
    del number
    asked = work.roles[base].matches.items()
    if any(found and found[0].column == "dropout_flag" and (base, heading) in work.used for heading, found in asked):
        yield ask_definition()


def _period_start(work: Work, base: str, number: str | None) -> Filled:
    """A programme without a date of its own starts with the enrolment of the same row."""
    del number
    if work.claims(base, "programme_period", "start_date"):
        return
    start = _start(work, base)
    if start is not None and "enrolment" in work.roles[base].tables:
        why = pair("de opleiding begint met de inschrijving", "the programme starts with the enrolment")
        yield Line("start_date", start, FROM_PARTS, (why,), ((base, start),))


_SPECIAL = {
    "enrolment.enrolment_id": _number,
    "programme_period.enrolment_id": _period_number,
    "enrolment.cohort": _cohort,
    "enrolment.age_at_start": _age,
    "enrolment.dropout_flag_definition": _definition,
    "programme_period.start_date": _period_start,
}


def _keep(work: Work, table: str, base: str) -> dict[str, Any] | None:
    """Who enrolled twice has two rows; what was known at the first counts."""
    start = _start(work, base)
    several = work.students.repeated.get(base, 0.0) > 0
    return {"earliest": start} if table == "person" and several and start is not None else None


def _diploma(work: Work, base: str, number: str | None) -> Iterator[Entry]:
    """Diplomas that stand beside the enrolment: a date, and a column that says whether there is one."""
    table = work.schema.table("diploma")
    sample = work.samples[base]
    dates = [
        (like.score, name)
        for name in sample.headings
        if (like := like_column(name, table, table.columns["date"]))
        and like.score >= SURE
        and sample.shapes[name].date >= SURE
    ]
    flags = _diploma_flags(work, base)
    if not dates or not flags:
        return
    date, flag = max(dates)[1], flags[0]
    why = pair(f"alleen de rijen waarin {flag} ja zegt", f"only the rows in which {flag} says yes")
    dated = Line("date", date, FROM_PARTS, (why,), work.use(base, date, flag))
    lines: list[Line | OpenPoint] = [*_number(work, base, number), dated]
    for name in ("crebo", "niveau"):
        match = work.sure(base, "programme_period", name)
        if match is not None:
            lines.append(work.line(base, match))
    kept = tuple(one for one in lines if isinstance(one, Line))
    yield Entry("diploma", base, where={flag: sample.shapes[flag].true_words}, lines=kept)


def _diploma_flags(work: Work, base: str) -> list[str]:
    """Columns that say yes or no to a diploma."""
    shapes = work.samples[base].shapes
    named = [name for name in work.samples[base].headings if like_any(name, DIPLOMA_FLAG)]
    return [name for name in named if shapes[name].boolean >= SURE and shapes[name].true_words]


def ask_diploma(work: Work) -> OpenPoint | None:
    """Graduated, yes or no, without a date of the diploma: may the day of leaving stand for it?"""
    base = work.bases.get("enrolment")
    end = work.sure(base, "enrolment", "end_date") if base else None
    flags = [name for name in _diploma_flags(work, base) if (base, name) not in work.used] if base else []
    if base is None or end is None or not flags:
        return None
    columns: dict[str, Any] = {"date": end.heading}
    if (number := work.enrolment_heading(base)) is not None:
        columns = {"enrolment_id": number, **columns}
    if (level := work.sure(base, "programme_period", "niveau")) is not None:
        columns["niveau"] = level.rule
    where = {flags[0]: list(work.samples[base].shapes[flags[0]].true_words)}
    question = pair(
        f"{flags[0]} zegt wie een diploma heeft, maar niet sinds wanneer; mag de dag van uitschrijving dat zijn?",
        f"{flags[0]} says who has a diploma, but not since when; may the day of leaving be that day?",
    )
    option = Option(pair("ja", "yes"), "diploma", {"source": base, "where": where, "columns": columns})
    return OpenPoint(question, (option,), work.use(base, flags[0]), ("diploma.date",))
