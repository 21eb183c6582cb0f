"""Nothing arrives; the error tree of `shared_schema` leaves.

    SchemaError                      anything this package refuses
    ├── UnknownTable                 a table that the schema does not have
    ├── UnknownColumn                a column that the table does not have
    ├── UnknownFeature               a feature that the schema does not offer
    ├── UnknownOutcome               an outcome definition that the schema does not know
    └── DocumentError                a YAML document that cannot be read as its model
        └── ExtensionError           an extension that contradicts the schema

Every message holds the rule, what was found in a *document or a name*, and the remedy; never a student's value.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class SchemaError(Exception):
    """Anything that the shared schema refuses; its text is safe to show to any person at the school."""


class UnknownTable(SchemaError):
    """A table was named that the schema does not have."""


class UnknownColumn(SchemaError):
    """A column was named that the table does not have."""


class UnknownFeature(SchemaError):
    """A feature was named that the schema does not offer at that cut-off week."""


class UnknownOutcome(SchemaError):
    """An outcome was named that is neither a definition of the schema nor a declared outcome column."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a document: where (line and column from 1, key path), the rule, what was found, the remedy."""

    line: int
    column: int
    path: str
    rule_nl: str
    rule_en: str
    found: str = ""
    remedy_nl: str = ""
    remedy_en: str = ""

    def __str__(self) -> str:
        found = f" ({self.found})" if self.found else ""
        place = f"{self.line}:{self.column} {self.path}".rstrip()
        dutch = f"{self.rule_nl}{found}; {self.remedy_nl}".rstrip("; ")
        english = f"{self.rule_en}{found}; {self.remedy_en}".rstrip("; ")
        return f"{place}: {dutch}\n    {english}"


class DocumentError(SchemaError):
    """A YAML document cannot be read as its model; `problems` lists every reason, in the order of the lines."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{source}:{problem}" for problem in self.problems))


class ExtensionError(DocumentError):
    """A schema extension contradicts the schema it extends; `problems` lists every contradiction."""


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """Return the known name nearest to `found`, or the empty string when none is near."""
    near = difflib.get_close_matches(found, sorted(known), n=1, cutoff=0.6)
    return near[0] if near else ""


def remedy(found: str, known: Iterable[str]) -> str:
    """Return the closing words of a message about an unknown name: the nearest name, or all of them."""
    names = sorted(known)
    near = did_you_mean(found, names)
    return f"did you mean '{near}'?" if near else f"known are: {', '.join(names)}"
