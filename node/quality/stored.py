"""A store arrives; the report of what counts in it leaves, several layouts looked at as one school."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.quality.drift import RULES as DRIFT
from node.quality.finding import Severity
from node.quality.look import look

if TYPE_CHECKING:
    from node.store import Store
    from shared_schema import Schema


def stored_report(store: Store, schema: Schema) -> dict[str, Any]:
    """Return the stored report; where several layouts count, years and links are looked at across their tables.

    Absence from one system and enrolments from another meet only here. What was found against the last delivery of
    each layout stays. Raises what `Store.report` raises.
    """
    if len(store.reports()) == 1:
        return store.report()
    report = store.report()
    identical = {source: (surplus, lines) for source, (surplus, lines) in report.get("identical", {}).items()}
    tolerance = float(report["tolerance"])
    seen = store.ask(lambda files: look(files, schema, tolerance, identical, None)).plain()
    drift = [finding for finding in report.get("findings", []) if finding["rule"] in DRIFT]
    findings = [*seen["findings"], *drift]
    order = list(Severity)
    verdicts = [Severity(table["verdict"]) for table in report["tables"]]
    verdicts += [Severity(finding["severity"]) for finding in findings]
    worst = max(verdicts, key=order.index, default=Severity.NOTE)
    compared = bool(report.get("compared"))
    return {**report, **seen, "findings": findings, "compared": compared, "verdict": worst.value}
