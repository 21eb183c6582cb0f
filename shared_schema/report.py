"""Counts of broken rules arrive; a report for a person leaves: rule, column, rows, remedy, never a value."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shared_schema.columns import Text


class Level(enum.StrEnum):
    """How grave a finding is: `info` and `warn` leave the table usable, `fail` costs cells or rows."""

    INFO = "info"
    WARN = "warn"
    FAIL = "fail"


RULES: Mapping[str, tuple[Level, Text]] = MappingProxyType(
    {
        "missing_table": (Level.FAIL, Text("tabel is leeg", "table is empty")),
        "missing_column": (Level.FAIL, Text("verplichte kolom ontbreekt", "required column is missing")),
        "absent_column": (Level.INFO, Text("kolom niet aangeleverd", "column not delivered")),
        "unknown_column": (Level.FAIL, Text("onbekende kolom", "unknown column")),
        "duplicate_column": (Level.FAIL, Text("kolom staat er twee keer", "column stands there twice")),
        "unreadable": (Level.FAIL, Text("waarde past niet bij het type", "value does not fit the type")),
        "empty": (Level.FAIL, Text("verplichte waarde ontbreekt", "required value is missing")),
        "unknown_code": (Level.FAIL, Text("code staat niet in de codelijst", "code is not in the code list")),
        "pattern": (Level.FAIL, Text("tekst heeft niet de juiste vorm", "text does not have the right form")),
        "out_of_bounds": (
            Level.WARN,
            Text(
                "waarde buiten de openbare grenzen; telt als de grens",
                "value outside the public bounds; counts as the bound",
            ),
        ),
        "duplicate": (Level.FAIL, Text("meer rijen waar er één mag zijn", "more rows where one is allowed")),
    }
)
"""Every rule that a report can name, with its level and its text."""


@dataclass(frozen=True)
class Finding:
    """One rule broken in one column (or none): how many rows, and what to do. Never holds a value of a row."""

    rule: str
    level: Level
    column: str
    rows: int
    message: Text
    remedy: Text

    def __str__(self) -> str:
        where = f" '{self.column}'" if self.column else ""
        count = f" ({self.rows} rijen)" if self.rows else ""
        return f"{self.message.nl}{where}{count}; {self.remedy.nl}".rstrip("; ")


@dataclass(frozen=True)
class Report:
    """What is right and wrong with one table: row count and findings, grave ones first."""

    table: str
    rows: int
    findings: tuple[Finding, ...]
    rows_set_aside: int = 0

    @property
    def level(self) -> Level | None:
        """Return the gravest level found, or None when there is nothing to say."""
        for level in (Level.FAIL, Level.WARN, Level.INFO):
            if any(finding.level is level for finding in self.findings):
                return level
        return None

    @property
    def passed(self) -> bool:
        """Say whether nothing failed; warnings may stand."""
        return self.level is not Level.FAIL

    def of_rule(self, rule: str) -> tuple[Finding, ...]:
        """Return the findings of one rule."""
        return tuple(finding for finding in self.findings if finding.rule == rule)


def finding(rule: str, column: str, rows: int, remedy: Text) -> Finding:
    """Return a finding of a rule of `RULES`, with that rule's level and message."""
    level, message = RULES[rule]
    return Finding(rule, level, column, rows, message, remedy)


def count(rule: str, column: str, rows: int) -> list[Finding]:
    """Return one finding when any row breaks the rule, none otherwise."""
    return [finding(rule, column, rows, REMEDIES[rule])] if rows else []


REMEDIES: Mapping[str, Text] = MappingProxyType(
    {
        "unreadable": Text(
            "controleer datumvorm, decimaalteken en mapping", "check date format, decimal sign and mapping"
        ),
        "empty": Text("vul aan in de bron; de rijen tellen niet mee", "complete the source; the rows do not count"),
        "unknown_code": Text("vul 'recode' aan in de mapping", "complete 'recode' in the mapping"),
        "pattern": Text("controleer de kolom in de bron", "check the column in the source"),
        "out_of_bounds": Text("controleer eenheid en schaal", "check unit and scale"),
        "duplicate": Text(
            "ontdubbel de bron; deze rijen tellen niet mee", "deduplicate the source; these rows do not count"
        ),
    }
)
"""What to do about each rule that rows can break."""
