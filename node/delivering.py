"""A node's folder and exports arrive; a stored delivery, its quality report, or its features leave as a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.terminal import Block, Grid, Report, progress_bars
from node import ingest as intake
from node.assembly import open_schema
from node.conformance import QualityFailed
from node.errors import UnusableInput
from node.founding import existing, mapping_of
from node.people.pseudonym_key import PseudonymKey
from node.quality import text
from node.quality.overview import overview
from node.store import Store
from shared_schema import features as declared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.folder import NodeFolder
    from shared_schema import Schema


def ingest(root: Path, exports: Path | None, mapping: Path | None, replaces: Sequence[str] = ()) -> Report:
    """Take in exports. A delivery that fails is not stored; its report is shown all the same."""
    folder = existing(root)
    key, schema = PseudonymKey.load(folder.pseudonym_key), open_schema(folder)
    try:
        used, chosen = exports or folder.exports, _mapping(folder, mapping)
        with progress_bars() as progress:
            taken = intake.ingest(
                used, chosen, folder.data, key, schema, replaces, folder.connections, progress=progress
            )
    except QualityFailed as failed:
        found = failed.quality.plain()
        return Report({"quality": found}, [_quality(found, schema)], failed)
    found = taken.quality.plain()
    data = {"delivery": taken.delivery, "registered": vars(taken.registered), "quality": found}
    return Report(
        data,
        [_quality(found, schema), f"Bewaard als levering {taken.delivery}. / Stored as delivery {taken.delivery}."],
    )


def _mapping(folder: NodeFolder, given: Path | None) -> Path:
    """The mapping that was named, by its file or as a shipped layout; else the node's own."""
    return folder.mapping if given is None else mapping_of(str(given))


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


def _quality(report: Mapping[str, Any], schema: Schema) -> Block:
    seen = overview(report, schema)
    return lambda console: text.render(seen, console)


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
