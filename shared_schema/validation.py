"""A frame and its table's declaration arrive; a report leaves (rule, column, number of rows), never a value.

`validate` reports. `conform` also repairs what may be repaired in the open: it reads types, clips to the public
bounds, blanks what no code list knows and sets aside rows without a usable key; every change is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pandera.pandas as pandera

from shared_schema.casting import read_types
from shared_schema.checks import CELL_CHECKS, Mask, bounded, duplicates, limits, misshapen, outside, unknown_codes
from shared_schema.columns import Column, Table, Text
from shared_schema.errors import did_you_mean
from shared_schema.report import REMEDIES, RULES, Finding, Level, Report, count, finding
from shared_schema.schema import Schema

__all__ = ["RULES", "Finding", "Level", "Report", "blank", "clip_to_bounds", "conform", "pandera_schema", "validate"]


def validate(table: str, frame: pd.DataFrame, schema: Schema) -> Report:
    """Check a frame against its table's declaration.

    `frame` has the schema's column names and any dtypes that read as the declared types. Raises `UnknownTable`
    only; whatever is wrong with the frame stands in the report.
    """
    declared = schema.table(table)
    structure = structure_of(declared, list(map(str, frame.columns)), len(frame))
    usable = _usable(declared, frame)
    readable, unread = read_types(declared, usable)
    return report_of(declared, len(frame), [*structure, *unread, *_rows(declared, readable)])


def conform(table: str, frame: pd.DataFrame, schema: Schema) -> tuple[pd.DataFrame, Report]:
    """Return the frame in declared dtypes and column order with all repairs made, and the report of what they were.

    Unreadable values, unknown codes and texts of a wrong form become missing; values outside the bounds are
    clipped; rows in which a required value is missing, and *all* rows that share one key, are set aside (keeping one
    would depend on the order of the file). Columns that were not delivered stay absent.
    Each row's fate depends on rows of the same student alone.
    """
    declared = schema.table(table)
    report = validate(table, frame, schema)
    readable, _ = read_types(declared, _usable(declared, frame))
    blanked = blank(declared, readable)
    clipped, _ = clip_to_bounds(table, blanked, schema)
    keep = ~_unusable_rows(declared, clipped)
    aside = int((~keep).sum())
    return clipped.loc[keep].reset_index(drop=True), Report(report.table, report.rows, report.findings, aside)


def clip_to_bounds(table: str, frame: pd.DataFrame, schema: Schema) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Return the frame with every bounded number within its public bounds, and how many rows each column lost to it.

    A value that is not finite (infinity) is clipped like any other; a missing value stays missing.
    """
    declared = schema.table(table)
    out, findings = frame.copy(), []
    for column in bounded(declared, frame):
        beyond = outside(column, frame)
        low, high = limits(column, frame)
        values = frame[column.name].to_numpy(dtype=np.float64, na_value=np.nan)
        out[column.name] = pd.Series(np.clip(values, low, high), index=frame.index).astype(column.type.dtype)
        findings += count("out_of_bounds", column.name, int(beyond.sum()))
    return out, tuple(findings)


def structure_of(table: Table, names: Sequence[str], rows: int) -> list[Finding]:
    """Return what is wrong with the form of a table with these columns and this many rows."""
    findings = (
        []
        if rows
        else [finding("missing_table", "", 0, Text("lever een bestand met rijen", "deliver a file with rows"))]
    )
    for name in sorted({name for name in names if names.count(name) > 1}):
        findings.append(finding("duplicate_column", name, 0, Text("houd er één", "keep one")))
    for name in sorted(set(names) - set(table.columns)):
        findings.append(finding("unknown_column", name, 0, _unknown(name, table)))
    for column in table.columns.values():
        if column.name not in names:
            rule = "absent_column" if column.nullable else "missing_column"
            findings.append(finding(rule, column.name, 0, Text("voeg toe aan de mapping", "add it to the mapping")))
    return findings


def _unknown(name: str, table: Table) -> Text:
    near = did_you_mean(name, table.columns)
    if near:
        return Text(f"bedoelde u '{near}'?", f"did you mean '{near}'?")
    return Text("laat hem weg of verklaar hem in een uitbreiding", "leave it out or declare it in an extension")


def _usable(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the declared columns that are present (the first, where a name stands twice), in declared order."""
    single = frame.loc[:, ~frame.columns.duplicated()]
    return single[[name for name in table.columns if name in single.columns]].reset_index(drop=True)


def pandera_schema(table: Table, frame: pd.DataFrame) -> pandera.DataFrameSchema:
    """Return the pandera schema of the declared columns that the frame holds: dtypes, and one check per rule.

    Check names are `rule` and `rule:column`, the names under which a report tells of them.
    """
    checks = [
        pandera.Check(_passes(rule, table.columns[name]), name=f"{rule}:{name}", ignore_na=False)
        for name in frame.columns
        for rule in _rules_of(table.columns[name])
    ]
    whole = pandera.Check(lambda rows: pd.Series(~duplicates(table, rows), index=rows.index), name="duplicate:")
    columns = {name: pandera.Column(table.columns[name].type.dtype, nullable=True) for name in frame.columns}
    return pandera.DataFrameSchema(columns, checks=[*checks, whole], strict=True, ordered=True)


def _rules_of(column: Column) -> list[str]:
    asked = {
        "empty": not column.nullable,
        "unknown_code": column.codes is not None,
        "pattern": bool(column.pattern),
        "out_of_bounds": column.bounds is not None,
    }
    return [rule for rule, wanted in asked.items() if wanted]


def _passes(rule: str, column: Column) -> Callable[[pd.DataFrame], pd.Series]:
    check = CELL_CHECKS[rule]
    return lambda rows: pd.Series(~check(column, rows), index=rows.index)


def _rows(table: Table, frame: pd.DataFrame) -> list[Finding]:
    """Return what pandera finds in the rows; its own error, which quotes values, never leaves this function."""
    try:
        pandera_schema(table, frame).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        broken = error.failure_cases[["check", "index"]].drop_duplicates()
        counts = broken.groupby("check", sort=False)["index"].nunique()
        return [_of_check(str(name), int(rows)) for name, rows in counts.items()]
    return []


def _of_check(name: str, rows: int) -> Finding:
    rule, _, column = name.partition(":")
    return finding(rule, column, rows, REMEDIES[rule])


def report_of(table: Table, rows: int, findings: Sequence[Finding], aside: int = 0) -> Report:
    """Return the report of a table with this many rows: grave findings first."""
    order = list(Level)[::-1]
    ranked = sorted(findings, key=lambda finding: (order.index(finding.level), finding.rule, finding.column))
    return Report(table.name, rows, tuple(ranked), aside)


def blank(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame in which unknown codes and texts of a wrong form are missing."""
    out = frame.copy()
    for name in frame.columns:
        column = table.columns[name]
        wrong = unknown_codes(column, frame) | misshapen(column, frame)
        out[name] = out[name].mask(wrong)
    return out


def _unusable_rows(table: Table, frame: pd.DataFrame) -> Mask:
    unusable = duplicates(table, frame)
    for name in frame.columns:
        unusable = unusable | CELL_CHECKS["empty"](table.columns[name], frame)
    return unusable
