"""Arrives: a folder of exports, a mapping and the school's key. Leaves: a stored delivery and its quality report.

The whole path of a school's data, in this order:

1. `intake.read_exports`     every file as text; formats detected
2. `identifiers.protect`     the student's number becomes a keyed HMAC; direct identifiers are dropped
   `Pseudonyms.first_of`     a number that the operator linked counts as the first number of that person
   `withheld.without_rows`   rows of who was erased, or of a cohort that was forgotten, end here
3. `mapping.apply`           the school's columns become the shared schema's
4. `conformance.check`       repairs in the open, verdict; a delivery that fails ends here
   `quality.look`            breaks between years, drift since the last delivery, rows that point nowhere
5. `Pseudonyms.register`     the cohort of every new student, fixed for good
6. `Store.write`             the delivery replaces the previous one of its layout, whole or not at all

Step 5 precedes step 6, so that no stored student is without an account; a kill between them costs nothing, since
registering a student again changes nothing.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.bulk import examining
from node.bulk.protecting import People
from node.bulk.table import BulkTable, Table
from node.conformance import Quality, QualityFailed, Verdict, check
from node.errors import UnusableInput
from node.identifiers import Protected, protect
from node.intake import read_exports, sources_there
from node.mapping import apply, identifier_of
from node.mapping_document import MappingDocument, read_mapping, without_absent
from node.people import withheld
from node.people.populations import about_whom
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms, Registered
from node.people.rotating import check_generations
from node.quality.look import look
from node.store import Store
from shared_schema import About, Schema, SchemaError, documents, yaml_tree
from shared_schema.facts import IDENTITY_TABLES, everyone, of_students

if TYPE_CHECKING:
    import pandas as pd

    from experiments.terminal import Progress
    from node.intake import Export

FIRST_SCHOOL_MONTH = 8
BULK_FROM = 16 * 2**20  # bytes of text
SEVERAL_LAYOUTS = ("survey", "staff_survey")


@dataclass(frozen=True)
class Examined:
    """A delivery before it is stored."""

    tables: Mapping[str, Table]
    quality: Quality


@dataclass(frozen=True)
class Ingested:
    """A stored delivery: its name, its report, and how many of its students were new."""

    delivery: str
    quality: Quality
    registered: Registered


def ingest(
    exports: Path,
    mapping: Path,
    data: Path,
    key: PseudonymKey,
    schema: Schema,
    replaces: Collection[str] = (),
    connections: Path | None = None,
    bulk_from: int = BULK_FROM,
    progress: Progress | None = None,
) -> Ingested:
    """Take in a folder of exports (or one file); it replaces the previous delivery of its layout.

    data: the node's data folder; replaces: other layouts whose place it takes as well; connections: the node's
    connections.yaml, where the mapping has queries. Raises UnusableInput (QualityFailed when the report says fail) and
    StorageFailed; after either the previous delivery still counts.
    """
    store = Store.open(data)
    with store.alone(), Pseudonyms.open(data) as pseudonyms:
        check_generations(store, pseudonyms, key)
        pseudonyms.bind(key)
        withheld.settle(store, pseudonyms)
        walk = functools.partial(
            examine, exports, mapping, key, schema, pseudonyms, store, connections, bulk_from, progress
        )
        examined = _usable(walk())
        shared = _shared(examined.tables, schema)
        store.check_place(examined.tables, examined.quality.layout, replaces, shared)
        registered = pseudonyms.register(first_cohorts(_students_of(examined.tables, IDENTITY_TABLES)))
        gone = withheld.without_rows(pseudonyms)
        if gone and gone & students_in(_students_of(examined.tables)):  # new students of a forgotten cohort
            examined = _usable(walk())
        delivery = store.write(examined.tables, examined.quality.plain(), replaces, shared, key.generation)
    return Ingested(delivery, examined.quality, registered)


def _usable(examined: Examined) -> Examined:
    if examined.quality.verdict is Verdict.FAIL:
        raise QualityFailed(examined.quality)
    return examined


def _shared(tables: Iterable[str], schema: Schema) -> dict[str, Sequence[str]]:
    """Table -> key, of the tables that several layouts may fill: each survey has rows of its own."""
    declared = {name: schema.table(name) for name in tables}
    return {name: table.key for name, table in declared.items() if name in SEVERAL_LAYOUTS or not table.about.person}


def examine(
    exports: Path,
    mapping: Path,
    key: PseudonymKey,
    schema: Schema,
    pseudonyms: Pseudonyms | None = None,
    store: Store | None = None,
    connections: Path | None = None,
    bulk_from: int = BULK_FROM,
    progress: Progress | None = None,
) -> Examined:
    """Walk the path up to the quality report; nothing is stored and no student registered.

    pseudonyms: the node's table, so that the numbers the operator linked count as one person. store: the node's, so
    that the report holds this delivery against the last one of its layout. connections: where databases are; bulk_from:
    from how many bytes of text on the rows stay out of memory (`node/bulk`); progress is told of that long work. Raises
    UnusableInput.
    """
    document, fingerprint = _document(mapping)
    folder, only = (exports.parent, exports.name) if exports.is_file() else (exports, None)
    if examining.is_large(folder, document, only, bulk_from):
        document, absent = without_absent(document, sources_there(folder, document.sources, only))
        if not document.tables:
            raise _nothing_there(folder, document)
        places = examining.Places(folder, only, connections, store.folder if store else None)
        found = examining.examine(places, document, schema, _people(document, key, schema, pseudonyms), progress)
        seen = look(found.files, schema, float(document.tolerance), found.identical, _last(document, store))
        return Examined(found.tables, replace(found.quality, mapping_hash=fingerprint, absent=absent, seen=seen))
    read = read_exports(folder, document.sources, only, connections=connections)
    document, absent = without_absent(document, read)
    if not document.tables:
        raise _nothing_there(folder, document)
    abouts = about_whom(document, schema)
    protected: dict[str, Protected] = {}
    for name, export in read.items():
        identifier = identifier_of(document, name, export.frame.columns)
        about = abouts.get(name, About.STUDENT)
        protected[name] = _known(protect(export, identifier, document.drop, key, about), pseudonyms)
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
        absent=absent,
        seen=look(tables, schema, tolerance, _identical_lines(read), _last(document, store)),
    )
    return Examined(tables, quality)


def _last(document: MappingDocument, store: Store | None) -> Mapping[str, Any] | None:
    return store.last_report(document.layout) if store else None


def _people(
    document: MappingDocument, key: PseudonymKey, schema: Schema, pseudonyms: Pseudonyms | None
) -> Callable[[str], People]:
    """How the numbers of each source become pseudonyms; what `_known` does with rows, for numbers."""
    abouts = about_whom(document, schema)
    pseudonym = functools.cache(key.pseudonym)  # several sources name the same students

    def people(source: str) -> People:
        about = abouts.get(source, About.STUDENT)
        if pseudonyms is None or about is not About.STUDENT:
            return People(about, lambda text: pseudonym(text, about))
        return People(
            about, lambda text: pseudonym(text, about), pseudonyms.first_of, withheld.without_rows(pseudonyms)
        )

    return people


def _identical_lines(read: Mapping[str, Export]) -> dict[str, tuple[int, int]]:
    """Source -> lines that repeat an earlier one letter by letter, and all lines."""
    counts = {name: (int(export.frame.duplicated().sum()), len(export.frame)) for name, export in read.items()}
    return {name: (surplus, lines) for name, (surplus, lines) in counts.items() if surplus}


def _nothing_there(folder: Path, document: MappingDocument) -> UnusableInput:
    names = ", ".join(source.file for source in document.sources.values())
    return UnusableInput(
        "missing_file",
        f"The mapping reads files, each of which may be absent, but not all: {names}.",
        f"none of them in {folder.name}",
        "Put an export in the folder, or correct `file` in the mapping.",
    )


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


def _students_of(tables: Mapping[str, Table], names: Collection[str] | None = None) -> dict[str, pd.DataFrame]:
    """Students, and what tells their cohort, in memory also of tables that are not."""
    return {
        name: table.frame(["student", "cohort", "start_date"]) if isinstance(table, BulkTable) else table
        for name, table in tables.items()
        if names is None or name in names
    }


def first_cohorts(tables: Mapping[str, pd.DataFrame]) -> dict[str, int | None]:
    """Return for every student of the identity tables the school year of the first enrolment, None where none is known.

    The year is the enrolment's `cohort`, else that of its start date; of several enrolments the earliest counts.
    Who stands in other tables only (an applicant, a member of staff, a survey that came before the enrolments) is
    nobody whom an experiment can count, so that no account is opened, and none is fixed as "unknown" too early.
    """
    cohorts: dict[str, int | None] = dict.fromkeys(everyone(tables).tolist())
    if "enrolment" in tables:
        years = _school_years(tables["enrolment"])
        earliest = years.groupby(tables["enrolment"]["student"], sort=False).min().dropna()
        cohorts |= dict(zip(map(str, earliest.index.tolist()), map(int, earliest.tolist()), strict=True))
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


def students_in(tables: Mapping[str, pd.DataFrame]) -> frozenset[str]:
    """Return every student who has a row in these tables."""
    return frozenset(
        str(student) for table in of_students(tables).values() for student in table["student"].dropna().unique()
    )


def _known(protected: Protected, pseudonyms: Pseudonyms | None) -> Protected:
    """The rows as the permanent table has them: each under the first pseudonym of a person, nothing of who is erased.

    One person makes one vector, and who was erased is not stored again by a delivery.
    """
    if pseudonyms is None or protected.students is None or protected.about is not About.STUDENT:
        return protected
    first = protected.students.map(pseudonyms.first_of(protected.students)).astype("string")
    there = ~first.isin(withheld.without_rows(pseudonyms))
    return replace(
        protected,
        frame=protected.frame[there].reset_index(drop=True),
        students=first[there].reset_index(drop=True),
        protection=replace(protected.protection, rows_withheld=int((~there).sum())),
    )
