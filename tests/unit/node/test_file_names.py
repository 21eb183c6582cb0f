"""What a file's name tells becomes columns; a name of another form is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.errors import UnusableInput
from node.intake import read_exports
from node.mapping_document import Source
from shared_schema import SchemaError
from shared_schema.documents import read as read_document


def source(name: str, file: str = "NRSP*.csv") -> Source:
    return Source.model_validate({"file": file, "name": name})


def test_parts_of_the_name_become_columns_of_every_row(tmp_path: Path) -> None:
    """Several files, each with its own; capitals in what is fixed do not count."""
    (tmp_path / "NRSP2023VI25XX.csv").write_text("nr;a\n1;x\n2;y\n")
    (tmp_path / "nrsp2024DI25XX.CSV").write_text("nr;a\n3;z\n")
    read = read_exports(tmp_path, {"s": source("NRSP{Jaar:4}{Stand:1}I{School:4}.csv")})["s"].frame
    assert list(read) == ["nr", "a", "Jaar", "Stand", "School"]
    assert read[["nr", "Jaar", "Stand", "School"]].to_numpy().tolist() == [
        ["1", "2023", "V", "25XX"],
        ["2", "2023", "V", "25XX"],
        ["3", "2024", "D", "25XX"],
    ]


@pytest.mark.parametrize(
    ("name", "code"),
    [("NRSP{Jaar:5}.csv", "file_name"), ("NRSP{Jaar:4}x.csv", "file_name"), ("NRSP{nr:4}.csv", "duplicate_column")],
)
def test_a_name_of_another_form_and_a_doubled_column_are_refused(tmp_path: Path, name: str, code: str) -> None:
    """Nothing is cut wrongly, and no column of the file is overwritten."""
    (tmp_path / "NRSP2023.csv").write_text("nr;a\n1;x\n")
    with pytest.raises(UnusableInput) as caught:
        read_exports(tmp_path, {"s": source(name)})
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["NRSP.csv", "{Jaar}.csv", "{Jaar:4}{Jaar:4}.csv", "{Jaar:4}{x.csv"])
def test_a_template_names_its_parts_once(name: str) -> None:
    """A template without parts, without widths, with a part twice or a brace left over says nothing."""
    with pytest.raises(SchemaError, match="cuts the file's name"):
        read_document(f"file: s.csv\nname: '{name}'\n", Source)


def test_a_point_in_the_template_is_a_point(tmp_path: Path) -> None:
    """The template is no pattern: what is fixed in it stands in the name as it is."""
    (tmp_path / "NRSP2023xcsv.csv").write_text("nr\n1\n")
    with pytest.raises(UnusableInput):
        read_exports(tmp_path, {"s": source("NRSP{Jaar:4}.csv.csv")})
