"""A Parquet file is read as the text that a CSV of the same rows holds; a damaged one is refused, without a cell."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from node.errors import UnusableInput
from node.intake import Export, read_exports
from node.mapping_document import Source
from node.sources import parquet
from shared_schema import SchemaError
from shared_schema.documents import read as read_document

MARKER = "GEHEIM-4711"


def write(path: Path, query: str) -> Path:
    with duckdb.connect() as database:
        plain = path.with_name("plain.parquet")
        database.execute(f"COPY ({query}) TO '{plain}' (FORMAT parquet)")
    plain.rename(path)
    return path


def read(folder: Path, name: str = "s.parquet", pattern: str = "s*.parquet") -> Export:
    return read_exports(folder, {"s": Source(file=pattern)})["s"]


def refused(folder: Path) -> UnusableInput:
    with pytest.raises(UnusableInput) as caught:
        read(folder)
    error = caught.value
    assert MARKER not in str(error)
    assert error.__suppress_context__ or error.__context__ is None  # the library's own words may hold a cell
    return error


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("'0012'", "0012"),
        ("' x '", "x"),
        ("12::BIGINT", "12"),
        ("9007199254740993::BIGINT", "9007199254740993"),
        ("18446744073709551615::UBIGINT", "18446744073709551615"),
        ("12.0::DOUBLE", "12"),
        ("1.5::DOUBLE", "1.5"),
        ("0.1::FLOAT", "0.1"),
        ("'nan'::DOUBLE", ""),
        ("2.50::DECIMAL(5,2)", "2.5"),
        ("1234567890123456.78::DECIMAL(18,2)", "1234567890123456.78"),
        ("true", "1"),
        ("false", "0"),
        ("NULL::INTEGER", ""),
        ("DATE '2023-08-21'", "2023-08-21"),
        ("TIMESTAMP '2023-08-21 00:00:00'", "2023-08-21"),
        ("TIMESTAMP '2023-08-21 09:30:00'", "2023-08-21 09:30:00"),
        ("TIMESTAMPTZ '2023-08-21 02:30:00+02'", "2023-08-21 00:30:00+00"),
        ("'bytes'::BLOB", "bytes"),
        ("'a'::ENUM('a', 'b')", "a"),
    ],
)
def test_each_type_becomes_exact_text(tmp_path: Path, value: str, text: str) -> None:
    """No digit is lost or made up, no zero is dropped, a number kept as a float for its gaps is the number again."""
    write(tmp_path / "s.parquet", f"SELECT 'x' AS nr, {value} AS v")
    assert read(tmp_path).frame["v"].tolist() == [text]


def test_rows_columns_and_what_was_detected(tmp_path: Path) -> None:
    """Names as they are, rows in order, empty rows left out, dates shown as in a text file."""
    write(
        tmp_path / "s.parquet",
        "SELECT * FROM (VALUES ('1', DATE '2023-08-21', 1.5), (NULL, NULL, NULL), ('2', NULL, 2.0))"
        ' t(nr, "de dag", u)',
    )
    export = read(tmp_path)
    assert [list(row) for row in export.frame.itertuples(index=False)] == [["1", "2023-08-21", "1.5"], ["2", "", "2"]]
    (detected,) = export.detected
    assert (detected.separator, detected.rows, dict(detected.dates)) == ("Parquet", 2, {"de dag": "yyyy-mm-dd"})


def test_a_name_that_looks_like_a_pattern_is_a_name(tmp_path: Path) -> None:
    """`s[1].parquet` is read itself, and nothing that its name would match as a pattern."""
    write(tmp_path / "s1.parquet", f"SELECT '{MARKER}' AS nr")
    write(tmp_path / "s[1].parquet", "SELECT 'own' AS nr")
    (tmp_path / "s1.parquet").rename(tmp_path / "t1.parquet")
    (tmp_path / "t1.parquet").rename(tmp_path / "other1.parquet")
    assert read(tmp_path).frame["nr"].tolist() == ["own"]


def test_files_beyond_a_batch_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are fetched in parts; none is lost between two."""
    monkeypatch.setattr(parquet, "BATCH", 7)
    write(tmp_path / "s.parquet", "SELECT range::VARCHAR AS nr FROM range(50)")
    assert read(tmp_path).frame["nr"].tolist() == [str(number) for number in range(50)]


@pytest.mark.parametrize("value", ["[1, 2]", "{'a': 1}", "MAP {'a': 1}", "INTERVAL 1 DAY"])
def test_a_column_of_several_values_a_cell_is_refused(tmp_path: Path, value: str) -> None:
    """Lists, records, maps: an export is one value per cell."""
    write(tmp_path / "s.parquet", f"SELECT '{MARKER}' AS nr, {value} AS v")
    assert refused(tmp_path).code == "nested_column"


@pytest.mark.parametrize("damage", ["cut", "middle", "text", "bytes"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    """Cut off, overwritten, or something else under this name: one message, and never the library's own words."""
    path = write(tmp_path / "s.parquet", f"SELECT '{MARKER}' || range AS nr FROM range(2000)")
    whole = path.read_bytes()
    path.write_bytes(
        {
            "cut": whole[:-20],
            "middle": whole[:200] + b"\xff" * 400 + whole[600:],
            "text": f"nr;v\n1;{MARKER}\n".encode(),
            "bytes": b"PAR1" + bytes(range(256)) * 4 + b"PAR1",
        }[damage]
    )
    assert refused(tmp_path).code == "bad_parquet"


def test_the_reader_reaches_no_other_file(tmp_path: Path) -> None:
    """Attack: whatever a query were made to say, the file system is closed to it."""
    write(tmp_path / "s.parquet", "SELECT 1 AS nr")
    (tmp_path / "secret.csv").write_text(MARKER)
    reader = parquet._reader(tmp_path / "s.parquet")
    for query in (f"FROM read_csv('{tmp_path}/secret.csv')", "SET enable_external_access = true"):
        with pytest.raises(duckdb.Error):
            reader.execute(query)


def test_a_parquet_source_takes_no_separator() -> None:
    """It says of itself how it is written."""
    text = "file: s.parquet\nseparator: ';'\n"
    with pytest.raises(SchemaError, match="no separator"):
        read_document(text, Source)
