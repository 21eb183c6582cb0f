"""Arrives: tables as the mapping made them. Leaves: tables that conform to the shared schema, and a quality report.

What may be repaired is repaired in the open by `shared_schema.validation.conform`: values outside the public bounds
are clipped, unknown codes blanked, rows without a usable key set aside; every repair is counted. A table fails when
more is lost than the mapping's `tolerance`, or when its form is wrong; a failed delivery is not stored.
The report holds numbers, names and words, never a cell.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from node.errors import UnusableInput
from shared_schema import About, Schema
from shared_schema.report import Finding, Level, Report
from shared_schema.validation import conform

if TYPE_CHECKING:
    import pandas as pd

    from node.identifiers import Protection
    from node.intake import Detected
    from node.mapping import Count, Delivery
    from node.quality.look import Seen

QUALITY_VERSION = 2
IDENTITY_TABLES = ("person", "enrolment")  # an empty one leaves no student to ask about
FORM_RULES = ("missing_column", "unknown_column", "duplicate_column")
CELL_RULES = ("unreadable", "unlisted", "ambiguous", "person", "unknown_code", "pattern", "empty")
ROW_RULES = ("duplicate",)


class Verdict(enum.StrEnum):
    """What a table or a whole delivery is worth: as declared, usable with losses, not usable."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Note:
    """One thing to know about a column (or, with column "", a table): how many rows, and what to do.

    of: the filled cells or rows that the rule looked at, so that rows / of is the share that broke it.
    """

    rule: str
    column: str
    verdict: Verdict
    rows: int
    nl: str
    en: str
    remedy_nl: str
    remedy_en: str
    of: int = 0


@dataclass(frozen=True)
class TableQuality:
    """One table. delivered, kept, set_aside: rows; coverage: column -> filled cells, as a share of kept rows."""

    table: str
    verdict: Verdict
    delivered: int
    kept: int
    set_aside: int
    students: int
    coverage: Mapping[str, float]
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Quality:
    """The report on one delivery; `plain` is what is stored and shown.

    `verdict` decides whether the delivery is stored; `overall` also heeds what `node/quality` saw. absent: optional
    sources of which there was no file.
    """

    layout: str
    mapping_hash: str
    tolerance: float
    sources: tuple[Detected, ...]
    protections: tuple[Protection, ...]
    unread: Mapping[str, tuple[str, ...]]
    tables: tuple[TableQuality, ...]
    absent: tuple[str, ...] = ()
    seen: Seen | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst of the tables: what is lost from them."""
        return _worst(table.verdict for table in self.tables)

    @property
    def overall(self) -> Verdict:
        """The worst of the tables and of what was seen between years, deliveries and tables."""
        findings = self.seen.findings if self.seen else ()
        return _worst([self.verdict, *(Verdict(finding.severity) for finding in findings)])

    def plain(self) -> dict[str, Any]:
        """Return the report as plain data for JSON, its version first."""
        own = asdict(replace(self, seen=None))
        own.pop("seen")
        kept = {"stored": self.verdict is not Verdict.FAIL, **(self.seen.plain() if self.seen else {})}
        return {"quality": QUALITY_VERSION, "verdict": self.overall.value, **own, **kept}


class QualityFailed(UnusableInput):
    """A delivery that is not stored; `quality` says why, table by table. The previous delivery still counts."""

    def __init__(self, quality: Quality) -> None:
        failed = [table for table in quality.tables if table.verdict is Verdict.FAIL]
        super().__init__(
            "quality_failed",
            f"A delivery loses at most {quality.tolerance:.0%} of the rows of a table or the cells of a column.",
            f"more in {'; '.join(map(_lost, failed))}; nothing was stored",
            "See the quality report; correct exports or mapping, or raise `tolerance` knowingly.",
        )
        self.quality = quality


def _lost(table: TableQuality) -> str:
    """One table in a few words: the columns in which it loses too much, and to what."""
    grave = [note for note in table.notes if note.verdict is Verdict.FAIL]
    words = [f"{note.column}: {note.en}, {note.rows} rows".removeprefix(": ") for note in grave]
    return f"{table.table} ({'; '.join(words) or f'{table.set_aside} rows set aside'})"


def check(
    delivery: Delivery, schema: Schema, tolerance: float
) -> tuple[dict[str, pd.DataFrame], tuple[TableQuality, ...]]:
    """Return every table in the schema's form with all repairs made, and what there is to know about each."""
    tables: dict[str, pd.DataFrame] = {}
    qualities = []
    for name, frame in delivery.tables.items():
        tables[name], report = conform(name, frame, schema)
        counts = [count for count in delivery.counts if count.table == name]
        about = schema.table(name).about
        qualities.append(quality_of(_measured(frame, tables[name], about), report, counts, tolerance))
    return tables, tuple(qualities)


def present_columns(tables: Iterable[TableQuality]) -> frozenset[str]:
    """Return `table.column` of every column with at least one filled cell."""
    return frozenset(f"{table.table}.{name}" for table in tables for name, share in table.coverage.items() if share > 0)


@dataclass(frozen=True)
class Measured:
    """A table in numbers. delivered: rows as the mapping made them, filled: column -> filled cells among those; kept:
    rows after the repairs, present: column -> filled cells among those; students: different ones among the kept."""

    delivered: int
    filled: Mapping[str, int]
    kept: int
    present: Mapping[str, int]
    students: int


def _measured(delivered: pd.DataFrame, kept: pd.DataFrame, about: About) -> Measured:
    return Measured(
        delivered=len(delivered),
        filled={str(name): int(delivered[name].notna().sum()) for name in delivered},
        kept=len(kept),
        present={str(name): int(kept[name].notna().sum()) for name in kept},
        students=int(kept["student"].nunique()) if about is About.STUDENT else 0,
    )


def quality_of(measured: Measured, report: Report, counts: Iterable[Count], tolerance: float) -> TableQuality:
    """Return what there is to know about one table, from its numbers and from what was repaired in it."""
    told = [finding for finding in report.findings if finding.rule != "absent_column"]
    notes = [_of_finding(finding, report, _looked_at(measured, finding), tolerance) for finding in told]
    notes += [_of_count(count, _filled(measured, count), tolerance) for count in counts]
    return TableQuality(
        table=report.table,
        verdict=_worst(
            [note.verdict for note in notes] + [_of_share(report.rows_set_aside, measured.delivered, tolerance)]
        ),
        delivered=measured.delivered,
        kept=measured.kept,
        set_aside=report.rows_set_aside,
        students=measured.students,
        coverage={
            name: round(cells / measured.kept, 4) if measured.kept else 0.0 for name, cells in measured.present.items()
        },
        notes=tuple(sorted(notes, key=lambda note: (-list(Verdict).index(note.verdict), note.column, note.rule))),
    )


def _filled(measured: Measured, count: Count) -> int:
    """Cells that a column had before some of them were lost."""
    return measured.filled.get(count.column, measured.delivered - count.rows) + count.rows


def _of_share(lost: int, total: int, tolerance: float) -> Verdict:
    """Nothing lost passes, up to the tolerance warns, more fails."""
    if lost == 0:
        return Verdict.PASS
    return Verdict.WARN if lost <= tolerance * total else Verdict.FAIL


def _looked_at(measured: Measured, finding: Finding) -> int:
    """Filled cells of a finding's column; all rows for a rule about rows."""
    if finding.rule in (*ROW_RULES, "empty"):
        return measured.delivered
    return measured.filled.get(finding.column, measured.delivered)


def _of_finding(finding: Finding, report: Report, of: int, tolerance: float) -> Note:
    return Note(
        rule=finding.rule,
        column=finding.column,
        verdict=_verdict_of(finding, report, tolerance),
        rows=finding.rows,
        nl=finding.message.nl,
        en=finding.message.en,
        remedy_nl=finding.remedy.nl,
        remedy_en=finding.remedy.en,
        of=of,
    )


def _verdict_of(finding: Finding, report: Report, tolerance: float) -> Verdict:
    if finding.rule in FORM_RULES:
        return Verdict.FAIL
    if finding.rule == "missing_table":
        return Verdict.FAIL if report.table in IDENTITY_TABLES else Verdict.WARN
    if finding.rule in (*CELL_RULES, *ROW_RULES):
        return _of_share(finding.rows, report.rows, tolerance)
    return Verdict.PASS if finding.level is Level.INFO else Verdict.WARN


def _of_count(count: Count, filled: int, tolerance: float) -> Note:
    nl, en, remedy_nl, remedy_en = _COUNTS[count.what]
    verdict = _of_share(count.rows, filled, tolerance) if count.what in CELL_RULES else Verdict.PASS
    return Note(count.what, count.column, verdict, count.rows, nl, en, remedy_nl, remedy_en, filled)


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    return max(verdicts, key=list(Verdict).index, default=Verdict.PASS)


_COUNTS: Mapping[str, tuple[str, str, str, str]] = {
    "unreadable": (
        "waarde past niet bij het type",
        "value does not fit the type",
        "controleer datumvorm, decimaalteken en mapping; zet 'NULL' en dergelijke onder missing",
        "check date format, decimal mark and mapping; put 'NULL' and the like under missing",
    ),
    "unlisted": (
        "waarde staat niet in recode",
        "value is not in recode",
        "vul recode aan, of schrijf otherwise als alle andere waarden hetzelfde betekenen",
        "complete recode, or write otherwise if all other values mean the same",
    ),
    "person": (
        "cel wijst naar een persoon (e-mail, telefoon, rekening, adres, BSN) en is leeg gemaakt",
        "cell points at a person (e-mail, telephone, account, address, BSN) and was emptied",
        "lees een andere kolom, of laat deze kolom weg uit de export",
        "read another column, or leave this column out of the export",
    ),
    "ambiguous": (
        "opzoeken gaf verschillende antwoorden",
        "a look-up gave different answers",
        "zet bij by de kolommen die de rij aanwijzen",
        "name under by the columns that single out the row",
    ),
    "not_found": ("opgezocht en niet gevonden; kreeg not_found", "looked up, not found; became not_found", "", ""),
    "otherwise": ("waarde buiten recode kreeg otherwise", "value outside recode became otherwise", "", ""),
    "none_set": ("geen vlag gezet; kreeg otherwise", "no flag set; became otherwise", "", ""),
    "several_set": ("meer dan één vlag gezet", "more than one flag set", "", ""),
    "left_out": ("rijen buiten where", "rows outside where", "", ""),
    "merged": ("gelijke rijen samengevoegd", "identical rows merged", "", ""),
    "not_kept": ("rijen die keep niet bewaart", "rows that keep does not keep", "", ""),
}
