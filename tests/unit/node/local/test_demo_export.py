"""Exports of an invented school, with a mapping that reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.errors import UnusableInput
from node.local import demo_export
from node.mapping_document import read_mapping


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def written(folder: Path, layout: str = "uitnodigingsregel_v4", seed: int = 1) -> dict[str, bytes]:
    demo_export.write(folder, layout, 60, 2025, 10, seed)
    return files(folder)


def test_the_same_seed_writes_the_same_school(tmp_path: Path) -> None:
    first, again, other = (written(tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert first == again
    assert first["uitnodigingsregel.csv"] != other["uitnodigingsregel.csv"]


@pytest.mark.parametrize("layout", ["uitnodigingsregel_v4", "osiris", "eduarte", "excel_workbook", "duo_ro"])
def test_the_mapping_beside_it_reads_the_exports_and_the_estimates(tmp_path: Path, layout: str) -> None:
    """The shipped mapping, with one table more; the sources that it names are there."""
    demo_export.write(tmp_path / "demo", layout, 60, 2025, 10, 1)
    document = read_mapping(tmp_path / "demo" / "mapping.yaml")
    assert document.layout == layout
    assert "estimate" in document.tables
    assert document.sources["estimates"].file in files(tmp_path / "demo")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(UnusableInput) as refused:
        written(tmp_path)
    assert refused.value.code == "folder_in_use"
    assert files(tmp_path) == {"mine.csv": b"mine"}


def test_another_layout_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput) as refused:
        written(tmp_path / "demo", layout="magister")
    assert refused.value.code == "no_layout"
    assert "osiris" in refused.value.remedy
    assert not (tmp_path / "demo").exists()
