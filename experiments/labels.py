"""A name of the schema arrives; its Dutch and English label leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared_schema import outcomes

if TYPE_CHECKING:
    from shared_schema import Column, Schema

Label = dict[str, str]

UNIT: Label = {
    "nl": "één student bij één school, met al zijn of haar rijen (toevoegen of weglaten)",
    "en": "one student at one school, with all of their rows (added or left out)",
}


def outcome_prose(schema: Schema, name: str) -> Label:
    """What an outcome means, in full: a definition's prose, or an extension column's."""
    prose = outcomes.DEFINITIONS[name].prose if name in outcomes.DEFINITIONS else _column(schema, name).prose
    return {"nl": prose.nl, "en": prose.en}


def outcome_label(schema: Schema, name: str) -> Label:
    """The label of an outcome that the schema declares: a definition's title, or an extension column's."""
    title = outcomes.DEFINITIONS[name].title if name in outcomes.DEFINITIONS else _column(schema, name).label
    return {"nl": title.nl, "en": title.en}


def _column(schema: Schema, name: str) -> Column:
    table, _, column = name.partition(".")
    return schema.column(table, column)
