"""Arrives: numbered rows whose kind stands in one field, as DUO delivers them. Leaves: one table per kind.

The closing line (SLR) says how many records of each kind there are; a file that does not add up is refused whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from node.errors import UnusableInput
from node.mapping_document import Records

COUNT_PREFIX = "Aantal"


@dataclass
class Kind:
    """One kind of record: the names of its fields and the rows read so far."""

    names: list[str]
    rows: list[list[str]] = field(default_factory=list)


def read_records(file: str, records: Records, rows: Iterator[tuple[int, list[str]]]) -> dict[str, Kind]:
    """Sort rows by kind; fields that a line leaves out at its end are empty, those that `ignored` allows are cut off.

    Raises UnusableInput for a kind that is not declared, a line with more filled fields than its kind has, no
    records at all, and counts in the closing line that differ from what was read.
    """
    kinds = {kind: Kind(list(names)) for kind, names in records.types.items()}
    for line, row in rows:
        kind = row.pop(records.field).strip() if len(row) > records.field else ""
        if kind not in kinds:
            raise _unknown_kind(file, line, records)
        kinds[kind].rows.append(_fitted(file, line, kind, row, len(kinds[kind].names), records.ignored.get(kind, 0)))
    if records.counts is not None:
        _check_counts(file, records.counts, kinds)
    if not any(kind.rows for name, kind in kinds.items() if name != records.counts):
        raise _bad(file, "header_only", "A delivery holds records.", "none", "Ask for the delivery again.")
    return kinds


def _fitted(file: str, line: int, kind: str, row: list[str], width: int, ignored: int) -> list[str]:
    if any(row[width + ignored :]):
        more = f", and at most {ignored} more that are not read" if ignored else ""
        raise _bad(
            file,
            "ragged_lines",
            f"A {kind} record has {width} fields after its kind{more}.",
            f"{len(row)} at line {line}",
            f"Name the extra fields under records.{kind} in the mapping, or count them under records.ignored.",
        )
    return row[:width] + [""] * (width - len(row))


def _check_counts(file: str, closing: str, kinds: Mapping[str, Kind]) -> None:
    lines = kinds[closing].rows
    if len(lines) != 1:
        raise _bad(
            file,
            "record_counts",
            f"A delivery ends with one {closing} record that counts the others.",
            f"{len(lines)} of them",
            "The file may have been cut off; fetch it again.",
        )
    for name, text in zip(kinds[closing].names, (cell.strip() for cell in lines[0]), strict=True):
        kind = name.removeprefix(COUNT_PREFIX)
        read = len(kinds[kind].rows) if kind in kinds else 0
        if kind != name and _count(text) != read:
            raise _bad(
                file,
                "record_counts",
                f"{closing} counts the records of each kind.",
                f"{read} {kind} records, another number in {closing}",
                "The file is incomplete or was edited; fetch it again.",
            )


def _count(text: str) -> int:
    """The number that a closing field writes; an empty field counts none, and no number equals no count."""
    return int(text or "0") if text.isdecimal() or not text else -1


def _unknown_kind(file: str, line: int, records: Records) -> UnusableInput:
    return _bad(
        file,
        "unknown_record",
        f"Every line begins with a kind of record that the mapping declares: {', '.join(records.types)}.",
        f"another kind at line {line}",
        "Add that kind with its fields under records, or correct the separator or `field`.",
    )


def _bad(file: str, code: str, rule: str, found: str, remedy: str) -> UnusableInput:
    return UnusableInput(code, rule, f"{file}: {found}", remedy)
