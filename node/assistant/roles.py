"""Samples arrive; which tables each may fill leaves: a list of one kind of thing, or rows about students at large."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from node.assistant.matching import Match, matches
from node.assistant.proposal import SURE
from node.assistant.reading import Sample
from node.assistant.students import Students
from node.assistant.words import tables_named, words
from shared_schema import Schema
from shared_schema.codes import STUDENT_SURVEY
from shared_schema.columns import Text

FLAT = ("person", "enrolment", "programme_period")
_SIGNS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "attendance": (("week",), ("hours_absent", "hours_absent_unauthorised", "hours_absent_authorised")),
    "result": (("score",), ("course", "kind", "date")),
    "placement": (("leerbedrijf", "placement_id", "hours"), ("start_date", "hours")),
    "diploma": (("date",),),
    "application": (("status", "created"), ("status", "school_year")),
    "survey": (("question",), ("answer",)),
    "estimate": (("judgement", "chance"),),
    "vsv_report": (("crebo",), ("niveau", "leertraject")),
}
"""What a list of one kind of thing must have: of each group one column."""
_BY_NAME_TOO = ("placement", "diploma", "result", "application", "vsv_report")
"""Tables whose signs stand in wide files as well, so that the file's name must say it too."""
_PUBLIC: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "area": (("postcode4",), ("ses", "apcg", "households")),
    "institution": (("brin",), ("title",)),
    "programme": (("crebo",), ("title",)),
    "enrolment_count": (("year",), ("brin",), ("crebo", "niveau", "sectorkamer")),
    "norm": (("indicator",), ("percentage",)),
    "team_survey": (("question",), ("mean",)),
}
"""The same for tables about nobody; only where no file is about students, or else such a file serves look-ups."""


_STAFF: Mapping[str, tuple[tuple[str, ...], ...]] = {"staff_survey": (("question",), ("answer",))}
FEWEST_QUESTIONS = 3
SCALE, SCALE_SHARE = ("1", "2", "3", "4", "5"), 0.7
NOT_APPLICABLE = ("0", "9", "99")


@dataclass(frozen=True)
class Role:
    """The tables that a source may fill, what its name says, and the matches of each of its columns."""

    tables: tuple[str, ...]
    named: Mapping[str, Text]
    matches: Mapping[str, tuple[Match, ...]]

    def sure(self, table: str) -> list[Match]:
        """The best match of each column, where it is of this table and sure."""
        best = [found[0] for found in self.matches.values() if found]
        return [one for one in best if one.table == table and one.confidence >= SURE]


def role_of(sample: Sample, students: Students, schema: Schema, forgotten: str = "") -> Role:
    """Return what a source may fill."""
    named = tables_named(sample.title, schema.tables, forgotten)
    if students.about(sample.name) and "#" in sample.name:
        kinds = tuple(name for name in named if name in schema.tables)[:1]
        return _with(kinds or FLAT, named, sample, schema, forgotten)
    if sample.name in students.staff:
        lists = _by_signs(_STAFF, sample, named, schema, forgotten)
        return _with(lists, named, sample, schema, forgotten)
    lists = ()
    if not students.any:
        lists = _by_signs(_PUBLIC, sample, named, schema, forgotten)
    if not lists and students.about(sample.name):
        lists = _by_signs(_SIGNS, sample, named, schema, forgotten)[:1]
        lists = lists or (("survey",) if survey_of(sample) and len(scales(sample)) >= FEWEST_QUESTIONS else ())
    return _with(lists or FLAT, named, sample, schema, forgotten)


def _by_signs(
    signs: Mapping[str, tuple[tuple[str, ...], ...]],
    sample: Sample,
    named: Mapping[str, Text],
    schema: Schema,
    forgotten: str,
) -> tuple[str, ...]:
    """Tables of which a source surely has a column of every group."""
    found = []
    for table, groups in signs.items():
        columns = {one.column for one in _with((table,), named, sample, schema, forgotten).sure(table)}
        if (table in named or table not in _BY_NAME_TOO) and all(columns & set(group) for group in groups):
            found.append(table)
    return tuple(found)


def survey_of(sample: Sample) -> str:
    """The survey that the name of a file, or what its headings begin with, speaks of: a code, or ""."""
    here = [*words(sample.title), *(words(name)[0] for name in sample.headings if words(name))]
    return next((code for code in STUDENT_SURVEY if here.count(code.lower())), "")


def scales(sample: Sample) -> list[str]:
    """Columns that hold answers from 1 to 5, with or without a number for `does not apply`."""
    return [
        name
        for name in sample.headings
        if name not in sample.direct
        and sample.shapes[name].listed(SCALE) >= SCALE_SHARE
        and sample.shapes[name].listed((*SCALE, *NOT_APPLICABLE)) == 1.0
        and not any(one in words(name) for one in ("week", "niveau", "periode", "level"))
    ]


def _with(tables: tuple[str, ...], named: Mapping[str, Text], sample: Sample, schema: Schema, forgotten: str) -> Role:
    found = {
        heading: tuple(matches(heading, sample.shapes[heading], schema, tables, forgotten))
        for heading in sample.headings
        if heading not in sample.direct
    }
    return Role(tables, named, found)
