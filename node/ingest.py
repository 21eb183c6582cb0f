"""Arrives: a folder of exports, a mapping and the school's key. Leaves: a stored delivery and its quality report.

The whole path of a school's data, in this order:

1. `intake.read_exports`     every file as text; formats detected
2. `identifiers.protect`     the student's number becomes a keyed HMAC; direct identifiers are dropped
   `Pseudonyms.first_of`     a number that the operator linked counts as the first number of that person
3. `mapping.apply`           the school's columns become the shared schema's
4. `conformance.check`       repairs in the open, verdict; a delivery that fails ends here
5. `Pseudonyms.register`     the cohort of every new student, fixed for good
6. `Store.write`             the delivery replaces the previous one, whole or not at all

Step 5 precedes step 6, so that no stored student is without an account; a kill between them costs nothing, since
registering a student again changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from node.conformance import Quality, QualityFailed, Verdict, check
from node.errors import UnusableInput
from node.identifiers import Protected, protect
from node.intake import read_exports
from node.mapping import apply, identifier_of
from node.mapping_document import MappingDocument, read_mapping
from node.pseudonyms import PseudonymKey, Pseudonyms, Registered
from node.store import Store
from shared_schema import Schema, SchemaError, documents, yaml_tree

if TYPE_CHECKING:
    import pandas as pd

FIRST_SCHOOL_MONTH = 8


@dataclass(frozen=True)
class Examined:
    """A delivery before it is stored."""

    tables: Mapping[str, pd.DataFrame]
    quality: Quality


@dataclass(frozen=True)
class Ingested:
    """A stored delivery: its name, its report, and how many of its students were new."""

    delivery: str
    quality: Quality
    registered: Registered


def ingest(exports: Path, mapping: Path, data: Path, key: PseudonymKey, schema: Schema) -> Ingested:
    """Take in a folder of exports (or one file); it replaces the previous delivery.

    data: the node's data folder. Raises UnusableInput (QualityFailed when the report says fail) and StorageFailed;
    after either the previous delivery still counts.
    """
    with Pseudonyms.open(data) as pseudonyms:
        pseudonyms.bind(key)
        examined = examine(exports, mapping, key, schema, pseudonyms)
        if examined.quality.verdict is Verdict.FAIL:
            raise QualityFailed(examined.quality)
        registered = pseudonyms.register(first_cohorts(examined.tables))
    delivery = Store.open(data).write(examined.tables, examined.quality.plain())
    return Ingested(delivery, examined.quality, registered)


def examine(
    exports: Path, mapping: Path, key: PseudonymKey, schema: Schema, pseudonyms: Pseudonyms | None = None
) -> Examined:
    """Walk the path up to the quality report; nothing is stored and no student registered.

    pseudonyms: the node's table, so that the numbers the operator linked count as one person. Raises UnusableInput.
    """
    document, fingerprint = _document(mapping)
    folder, only = (exports.parent, exports.name) if exports.is_file() else (exports, None)
    read = read_exports(folder, document.sources, only)
    protected: dict[str, Protected] = {}
    for name, export in read.items():
        identifier = identifier_of(document, name, export.frame.columns)
        protected[name] = _as_first_seen(protect(export, identifier, document.drop, key), pseudonyms)
    delivery = apply(document, protected, schema)
    tolerance = float(document.tolerance)
    tables, qualities = check(delivery, schema, tolerance)
    quality = Quality(
        layout=document.layout,
        mapping_hash=fingerprint,
        tolerance=tolerance,
        sources=tuple(detected for export in read.values() for detected in export.detected),
        protections=tuple(one.protection for one in protected.values()),
        unread=delivery.unread,
        tables=qualities,
    )
    return Examined(tables, quality)


def _document(mapping: Path) -> tuple[MappingDocument, str]:
    """The mapping, and the SHA-256 of its file."""
    rule = "A mapping is a document of the mapping language (docs/mapping.md)."
    try:
        document = read_mapping(mapping)
        return document, hashlib.sha256(mapping.read_bytes()).hexdigest()
    except SchemaError as error:
        if _has_keys(mapping):
            raise UnusableInput("bad_mapping", rule, str(error), "Correct the lines named.") from error
    found, remedy = f"{mapping.name}: a text without keys, perhaps an export", "Name the mapping: --mapping FILE."
    raise UnusableInput("bad_mapping", rule, found, remedy)


def _has_keys(mapping: Path) -> bool:
    """False for a text that is no keys with values: it may be an export, so that nothing of it is shown."""
    try:
        return isinstance(yaml_tree.parse(documents.text_of(mapping), mapping.name).data, Mapping)
    except SchemaError:
        return True  # such an error names the place and shows nothing of the text


def first_cohorts(tables: Mapping[str, pd.DataFrame]) -> dict[str, int | None]:
    """Return for every student in any table the school year of the first enrolment; None where no date tells it.

    The year is the enrolment's `cohort`, else that of its start date; of several enrolments the earliest counts.
    """
    cohorts: dict[str, int | None] = {
        student: None for frame in tables.values() for student in frame["student"].unique()
    }
    if "enrolment" in tables:
        years = _school_years(tables["enrolment"])
        earliest = years.groupby(tables["enrolment"]["student"]).min().dropna()
        cohorts |= {str(student): int(year) for student, year in earliest.items()}
    return cohorts


def _school_years(enrolment: pd.DataFrame) -> pd.Series:
    import pandas as pd

    years = pd.Series(pd.NA, index=enrolment.index, dtype="Int64")
    if "cohort" in enrolment:
        years = enrolment["cohort"]
    if "start_date" in enrolment:
        start = enrolment["start_date"].dt
        by_date = (start.year - (start.month < FIRST_SCHOOL_MONTH)).astype("Int64")
        years = years.fillna(by_date)
    return years


def _as_first_seen(protected: Protected, pseudonyms: Pseudonyms | None) -> Protected:
    """The rows with every linked pseudonym replaced by the first of that person: one person makes one vector."""
    if pseudonyms is None or protected.students is None:
        return protected
    first = pseudonyms.first_of(protected.students)
    return replace(protected, students=protected.students.map(first).astype("string"))
