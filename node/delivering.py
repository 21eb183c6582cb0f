"""A node's folder and exports arrive; a stored delivery, its quality report, or its features leave as a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.catalogue.questions import Service, served
from experiments.terminal import Block, Grid, Report
from node import ingest as intake
from node import quality_text
from node.assembly import open_schema
from node.conformance import QualityFailed
from node.errors import UnusableInput
from node.founding import existing
from node.pseudonyms import PseudonymKey
from node.store import Store
from shared_schema import features as declared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.folder import NodeFolder


def ingest(root: Path, exports: Path | None, mapping: Path | None) -> Report:
    """Take in exports. A delivery that fails is not stored; its report is shown all the same."""
    folder = existing(root)
    key, schema = PseudonymKey.load(folder.pseudonym_key), open_schema(folder)
    try:
        taken = intake.ingest(exports or folder.exports, mapping or folder.mapping, folder.data, key, schema)
    except QualityFailed as failed:
        found = failed.quality.plain()
        return Report({"quality": found}, [_quality(found)], failed)
    found = taken.quality.plain()
    data = {"delivery": taken.delivery, "registered": vars(taken.registered), "quality": found}
    return Report(
        data, [_quality(found), f"Bewaard als levering {taken.delivery}. / Stored as delivery {taken.delivery}."]
    )


def check(root: Path, exports: Path | None, mapping: Path | None) -> Report:
    """The report of the stored delivery, or of exports that are looked at only; and which questions they serve."""
    folder = existing(root)
    schema = open_schema(folder)
    if exports is None and mapping is None:
        found = Store.open(folder.data).report()
    else:
        key = PseudonymKey.load(folder.pseudonym_key)
        examined = intake.examine(exports or folder.exports, mapping or folder.mapping, key, schema)
        found = examined.quality.plain()
    services = served(_present(found), schema)
    data = {"quality": found, "questions": [vars(service) for service in services]}
    return Report(data, [_quality(found), _questions(services)])


def features(root: Path, cutoff_week: int) -> Report:
    """Every feature at a cut-off week: bounds, group, sensitivity, and how far the stored columns fill it."""
    folder = existing(root)
    schema = open_schema(folder)
    coverage = _coverage(folder)
    rows = [
        {
            "feature": feature.name,
            "label": {"nl": feature.label_nl, "en": feature.label_en},
            "group": feature.group,
            "low": feature.low,
            "high": feature.high,
            "sensitive": feature.sensitive,
            "columns": list(feature.columns),
            "coverage": min((coverage.get(column, 0.0) for column in feature.columns), default=1.0),
        }
        for feature in declared.available(schema, cutoff_week)
    ]
    return Report({"cutoff_week": cutoff_week, "features": rows}, [_feature_grid(rows, cutoff_week)])


def _coverage(folder: NodeFolder) -> dict[str, float]:
    """table.column -> filled share of its rows, by the stored report; empty before the first delivery."""
    try:
        report = Store.open(folder.data).report()
    except UnusableInput as nothing_yet:
        if nothing_yet.code != "no_delivery":
            raise
        return {}
    return {
        f"{table['table']}.{column}": share for table in report["tables"] for column, share in table["coverage"].items()
    }


def _present(report: Mapping[str, Any]) -> set[str]:
    return {
        f"{table['table']}.{name}"
        for table in report["tables"]
        for name, share in table["coverage"].items()
        if share > 0
    }


def _quality(report: Mapping[str, Any]) -> Block:
    return lambda console: quality_text.render(report, console)


def _questions(services: Sequence[Service]) -> Block:
    return lambda console: quality_text.render_questions(services, console)


def _feature_grid(rows: Sequence[Mapping[str, Any]], week: int) -> Grid:
    cells = [
        (
            row["feature"],
            row["label"]["nl"],
            f"{row['low']:g} - {row['high']:g}",
            "ja / yes" if row["sensitive"] else "-",
            f"{row['coverage']:.0%}",
        )
        for row in rows
    ]
    columns = ("kenmerk / feature", "betekenis", "grenzen / bounds", "gevoelig / sensitive", "gevuld / filled")
    return Grid(f"Kenmerken t/m lesweek {week} / Features through school week {week}", columns, cells)
