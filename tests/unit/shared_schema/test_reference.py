"""The generated reference page: complete, and the one that is committed."""

from __future__ import annotations

from pathlib import Path

from shared_schema import load_schema, outcomes
from shared_schema.features import available
from shared_schema.reference import page
from tests.spec.test_extension import OPEN_UNIVERSITY

COMMITTED = Path(__file__).parents[3] / "docs" / "schema.md"


def test_the_committed_page_is_the_generated_one() -> None:
    """Whoever changes a declaration regenerates the page: python -m shared_schema.reference > docs/schema.md."""
    assert COMMITTED.read_text(encoding="utf-8") == page(load_schema())


def test_nothing_is_undocumented() -> None:
    """Every table, column, code, feature and definition of dropout stands on the page."""
    schema = load_schema()
    text = page(schema)
    columns = [name for table in schema.tables.values() for name in table.columns]
    codes = [code for codes in schema.codes.values() for code in codes]
    features = [feature.name for feature in available(schema, 10)]
    for name in [*schema.tables, *columns, *schema.codes, *codes, *features, *outcomes.names(schema)]:
        assert f"`{name}`" in text, name


def test_an_extension_stands_on_its_own_page(tmp_path: Path) -> None:
    """A coalition's page holds its own columns and lists beside those of the schema."""
    path = tmp_path / "schema.yaml"
    path.write_text(OPEN_UNIVERSITY, encoding="utf-8")
    text = page(load_schema(path))
    for name in ("imd_band", "0-50%", "clicks", "withdrawn", "person.credits:recorded"):
        assert f"`{name}`" in text
    assert "imd_band" not in page(load_schema())


def test_every_row_of_a_grid_has_as_many_cells_as_its_head() -> None:
    """A bar in a text is escaped, so no row of a table breaks."""
    heads = 0
    for line in page(load_schema()).splitlines():
        if line.startswith("| "):
            cells = line.replace("\\|", "").count("|")
            heads = cells if heads == 0 else heads
            assert cells == heads, line
        else:
            heads = 0
