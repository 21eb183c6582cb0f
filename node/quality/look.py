"""Arrives: conforming tables before they are stored, and the report of the last delivery. Leaves: what there is to see.

The walk of a school's data calls `look` once, after `node/conformance.py`. What it finds is stored with the delivery as
numbers and words; nothing here decides whether a delivery is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from node.quality.breaks import between_years
from node.quality.drift import since_last
from node.quality.finding import Finding
from node.quality.links import Loose, loose_rows
from node.quality.looseness import of_identical, of_loose
from node.quality.numbers import Numbers, Rows, measured, opened

if TYPE_CHECKING:
    from shared_schema import Schema


@dataclass(frozen=True)
class Seen:
    """What a look at a delivery gave. identical: source -> (surplus lines, all lines)."""

    numbers: Numbers
    loose: tuple[Loose, ...]
    identical: Mapping[str, tuple[int, int]]
    findings: tuple[Finding, ...]
    compared: bool  # whether there was an earlier delivery of this layout to hold it against

    def plain(self) -> dict[str, Any]:
        """Return plain data for JSON, under the names that a stored report has."""
        return {
            "numbers": self.numbers.plain(),
            "loose": [asdict(loose) for loose in self.loose],
            "identical": {source: list(counts) for source, counts in self.identical.items()},
            "findings": [finding.plain() for finding in self.findings],
            "compared": self.compared,
        }


def look(
    tables: Rows,
    schema: Schema,
    tolerance: float,
    identical: Mapping[str, tuple[int, int]],
    last: Mapping[str, Any] | None,
) -> Seen:
    """Measure the tables and hold them against themselves, year by year, and against the last delivery's report.

    tolerance: of the mapping; last: the stored report of the previous delivery of the same layout, if there is one.
    """
    with opened(tables) as views:
        numbers, loose = measured(views, schema), loose_rows(views)
    before = Numbers.of_plain(last.get("numbers")) if last else None
    findings = [*of_loose(loose, tolerance), *of_identical(identical), *between_years(numbers)]
    said = {finding.place for finding in findings}  # a break of this year is not said again as a drift
    drift = since_last(before, numbers) if before else ()
    findings += [finding for finding in drift if not finding.column or finding.place not in said]
    return Seen(numbers, loose, identical, tuple(findings), before is not None)
