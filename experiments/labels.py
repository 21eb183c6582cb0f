"""A name of the schema arrives; its Dutch and English label leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared_schema import outcomes

if TYPE_CHECKING:
    from shared_schema import Schema

Label = dict[str, str]

UNIT: Label = {
    "nl": "één student bij één school, met al zijn of haar rijen (toevoegen of weglaten)",
    "en": "one student at one school, with all of their rows (added or left out)",
}


def outcome_prose(schema: Schema, name: str) -> Label:
    """What an outcome means, in full: a definition's prose, or an extension column's."""
    if name not in outcomes.DEFINITIONS:
        return outcome_label(schema, name)
    prose = outcomes.DEFINITIONS[name].prose
    return {"nl": prose.nl, "en": prose.en}


def outcome_label(schema: Schema, name: str) -> Label:
    """The label of an outcome that the schema declares: a definition's title, or an extension column's prose."""
    if name in outcomes.DEFINITIONS:
        title = outcomes.DEFINITIONS[name].title
        return {"nl": title.nl, "en": title.en}
    table, _, column = name.partition(".")
    prose = schema.column(table, column).prose
    return {"nl": prose.nl, "en": prose.en}
