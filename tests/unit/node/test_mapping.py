"""A mapping that does not fit is refused before a row is read; what cannot be read is counted, column by column."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from node.errors import UnusableInput
from node.ingest import Examined, examine
from node.mapping_document import read_mapping
from node.people.pseudonym_key import PseudonymKey
from shared_schema import DocumentError, load_schema

KEY = PseudonymKey(b"k" * 32)
MARKER = "GEHEIM-4711"
HEADING = "mapping: 1\nlayout: test\ntitle: {nl: t, en: t}\n"
SOURCES = "sources: {s: {file: s.csv}}\nidentifier: {column: nr}\n"


def run(folder: Path, export: str, tables: str, heading: str = HEADING + SOURCES) -> Examined:
    (folder / "s.csv").write_text(export, encoding="utf-8")
    (folder / "m.yaml").write_text(heading + tables, encoding="utf-8")
    return examine(folder, folder / "m.yaml", KEY, load_schema())


def enrolment(folder: Path, export: str, **columns: str) -> tuple[pd.DataFrame, dict[tuple[str, str], int]]:
    """Fill enrolment from an export; returns the table and the notes as (rule, column) -> rows."""
    rules = "".join(f"      {name}: {rule}\n" for name, rule in columns.items())
    made = run(
        folder,
        export,
        f'tables:\n  enrolment:\n    source: s\n    columns:\n      enrolment_id: {{constant: "1"}}\n{rules}',
    )
    notes = {(note.rule, note.column): note.rows for table in made.quality.tables for note in table.notes}
    return made.tables["enrolment"], notes


def refused(folder: Path, export: str, tables: str, heading: str = HEADING + SOURCES) -> UnusableInput:
    with pytest.raises(UnusableInput) as caught:
        run(folder, export, tables, heading)
    assert MARKER not in str(caught.value)
    return caught.value


def table_of(table: str, **columns: str) -> str:
    rules = "".join(f"      {name}: {rule}\n" for name, rule in columns.items())
    return f"tables:\n  {table}:\n    source: s\n    columns:\n{rules}"


EXPORT = f"nr;geslacht;datum;uren\n1;M;01-08-2023;1,5\n2;{MARKER};02-08-2023;2,5\n"


@pytest.mark.parametrize(
    ("tables", "code", "told"),
    [
        (table_of("person", geslacht="gslacht"), "missing_column", "did you mean geslacht?"),
        (table_of("person", geslacht="sexe"), "missing_column", "no column sexe"),
        (table_of("person", gender="geslacht"), "unknown_column", "person"),
        (table_of("persons", geslacht="geslacht"), "mapping_does_not_fit", "persons"),
        (table_of("person", student="geslacht"), "student_is_given", "identifier"),
        (table_of("person", geslacht="nr"), "identifier_mapped", "nr"),
        (table_of("person", geslacht="{compute: first_of, columns: [geslacht, nr]}"), "identifier_mapped", "nr"),
        (table_of("person", geslacht="{one_hot: {nr: M}}"), "identifier_mapped", "nr"),
        (table_of("person", geslacht="{from: geslacht, of: s, by: [nr]}"), "identifier_mapped", "nr"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_with_the_name(
    tmp_path: Path, tables: str, code: str, told: str
) -> None:
    """Missing, unknown and forbidden columns: each its own code, the name in the message, no cell in it."""
    error = refused(tmp_path, EXPORT, tables)
    if code == "mapping_does_not_fit":
        assert told in error.found
    else:
        assert (error.code, told in error.found) == (code, True)


def test_where_and_week_columns_are_checked_too(tmp_path: Path) -> None:
    """Every place that names a source column is looked at, `{week}` filled in."""
    where = "tables:\n  person:\n    source: s\n    where: {nr: [1]}\n    columns: {geslacht: geslacht}\n"
    assert refused(tmp_path, EXPORT, where).code == "identifier_mapped"
    weeks = 'tables:\n  attendance:\n    source: s\n    unpivot: {weeks: 1-2, columns: {hours_absent: "W{week}"}}\n'
    error = refused(tmp_path, EXPORT, weeks)
    assert "W1" in error.found and "W2" in error.found


def test_a_column_named_as_an_identifier_is_refused_even_if_the_mapping_does_not_drop_it(tmp_path: Path) -> None:
    """The list of known names protects a careless mapping, whatever the spelling."""
    for name in (
        "Achternaam",
        "E-mail adres",
        "burgerservicenummer",
        "BSN_nr",
        "Telefoon (mobiel)",
        "Huisnummer",
        "Straat",
    ):
        export = f"nr;{name};g\n1;{MARKER};M\n"
        error = refused(tmp_path, export, table_of("enrolment", team=f'"{name}"'))
        assert error.code == "identifier_mapped", name


def test_a_column_whose_cells_are_bsns_is_dropped_whatever_its_name(tmp_path: Path) -> None:
    """Twelve numbers that pass the BSN test, under an innocent name: dropped, shown, and refused in a mapping."""
    numbers = [n for n in range(100000000, 100000400) if _elfproef(n)][:12]
    rows = "".join(f"{row};{number};M\n" for row, number in enumerate(numbers))
    made = run(tmp_path, "nr;code;g\n" + rows, table_of("person", geslacht="g"))
    assert dict(made.quality.protections[0].dropped) == {"code": "contents"}
    assert refused(tmp_path, "nr;code;g\n" + rows, table_of("enrolment", team="code")).code == "identifier_mapped"


def _elfproef(number: int) -> bool:
    """Another way to the same test: the last digit against the weighted first eight."""
    digits = [int(digit) for digit in f"{number:09d}"]
    return (sum((9 - place) * digits[place] for place in range(8)) - digits[8]) % 11 == 0


def test_a_source_of_students_needs_an_identifier(tmp_path: Path) -> None:
    """No identifier declared, one that is not there, one that is empty: refused; `false` cannot fill a table."""
    tables = table_of("person", geslacht="geslacht")
    assert refused(tmp_path, EXPORT, tables, HEADING + "sources: {s: {file: s.csv}}\n").code == "no_identifier"
    other = HEADING + "sources: {s: {file: s.csv}}\nidentifier: {column: nummer}\n"
    assert refused(tmp_path, EXPORT, tables, other).code == "no_identifier"
    assert refused(tmp_path, "nr;geslacht\n;M\n;V\n", tables).code == "no_identifier"
    none = HEADING + "sources: {s: {file: s.csv, identifier: false}}\nidentifier: {column: nr}\n"
    assert refused(tmp_path, EXPORT, tables, none).code == "no_identifier"


def test_rows_without_a_number_are_left_out_and_counted(tmp_path: Path) -> None:
    """They belong to nobody; the others stay."""
    made = run(tmp_path, "nr;g\n1;M\n;V\n 2 ;V\n", table_of("person", geslacht="g"))
    assert made.quality.protections[0].rows_without == 1
    assert made.tables["person"]["student"].tolist() == [KEY.pseudonym("1"), KEY.pseudonym("2")]


def test_a_width_restores_leading_zeros(tmp_path: Path) -> None:
    """The number that Excel shortened is the same student."""
    heading = HEADING + "sources: {s: {file: s.csv}}\nidentifier: {column: nr, width: 5}\n"
    made = run(tmp_path, "nr;g\n42;M\n", table_of("person", geslacht="g"), heading)
    assert made.tables["person"]["student"][0] == KEY.pseudonym("00042")


# Cells ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "rule", "code"),
    [
        (("01-08-2023", "2023-08-01"), "d", "mixed_dates"),
        (("20230801", "2023-08-01"), "d", "mixed_dates"),
        (("2023-08-01", "2023-08-02"), "{from: d, date: dd-mm-yyyy}", "wrong_dates"),
    ],
)
def test_mixed_and_wrong_date_formats_are_refused(tmp_path: Path, cells: tuple[str, str], rule: str, code: str) -> None:
    """Never guessed; counts of formats are shown, dates are not."""
    export = "nr;d\n" + "".join(f"{row};{cell}\n" for row, cell in enumerate(cells))
    with pytest.raises(UnusableInput) as caught:
        enrolment(tmp_path, export, start_date=rule)
    assert caught.value.code == code
    assert not any(cell in str(caught.value) for cell in cells)


def test_mixed_and_wrong_decimal_marks_are_refused(tmp_path: Path) -> None:
    """1.500 and 1,5 in one column may differ a thousandfold."""
    tables = table_of("attendance", week="{constant: 1}", hours_absent="u")
    assert refused(tmp_path, "nr;u\n1;1.500\n2;1,5\n", tables).code == "mixed_decimals"
    pinned = HEADING + 'sources: {s: {file: s.csv, decimal: ","}}\nidentifier: {column: nr}\n'
    assert refused(tmp_path, "nr;u\n1;1.5\n2;2\n", tables, pinned).code == "wrong_decimal"


def test_a_decimal_comma_is_read_as_written(tmp_path: Path) -> None:
    """12,5 hours are twelve and a half."""
    made = run(tmp_path, "nr;u\n1;12,5\n2;-3\n3;\n", table_of("attendance", week="{constant: 1}", hours_absent="u"))
    assert made.tables["attendance"]["hours_absent"].fillna(-1).tolist() == [12.5, 0.0, -1.0]


@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "1e308", "0x10", "1_000", "١٢", "1.000", "12.5"])
def test_a_whole_number_is_digits_and_nothing_else(tmp_path: Path, text: str) -> None:
    """Everything else becomes missing and is counted; 1.000 may be a thousand or one."""
    table, notes = enrolment(tmp_path, f"nr;n\n1;3\n2;{text}\n", applications="n")
    assert table["applications"].fillna(-1).tolist() == [3, -1]
    assert notes[("unreadable", "applications")] == 1


@pytest.mark.parametrize("text", ["31-02-2023", "1-1-0001", "2023-13-01", "morgen", "45000"])
def test_a_day_that_does_not_exist_is_missing_and_counted(tmp_path: Path, text: str) -> None:
    """Also the serial number of a day that Excel leaves behind."""
    _, notes = enrolment(tmp_path, f"nr;d\n1;01-08-2023\n2;{text}\n", start_date="{from: d, date: dd-mm-yyyy}")
    assert notes[("unreadable", "start_date")] == 1


def test_yes_and_no_are_read_in_dutch_and_english(tmp_path: Path) -> None:
    """The usual spellings; anything else is missing and counted."""
    words = ["ja", "Nee", "1", "0", "1.0", "TRUE", "onwaar", "J", "n", "misschien"]
    export = "nr;b\n" + "".join(f"{row};{word}\n" for row, word in enumerate(words))
    table, notes = enrolment(tmp_path, export, first_study="b")
    expected = [True, False, True, False, True, True, False, True, False, None]
    assert [None if pd.isna(value) else bool(value) for value in table["first_study"]] == expected
    assert notes[("unreadable", "first_study")] == 1


def test_a_value_outside_recode_is_counted_and_never_shown(tmp_path: Path) -> None:
    """Without otherwise it is a loss, with otherwise it is information."""
    made = run(tmp_path, EXPORT, table_of("person", geslacht="{from: geslacht, recode: {M: M}}"))
    assert [(note.rule, note.rows) for note in made.quality.tables[0].notes if note.column == "geslacht"] == [
        ("unlisted", 1)
    ]
    assert MARKER not in str(made.quality.plain())
    made = run(tmp_path, EXPORT, table_of("person", geslacht="{from: geslacht, recode: {M: M}, otherwise: O}"))
    assert [note.verdict.value for note in made.quality.tables[0].notes if note.rule == "otherwise"] == ["pass"]


def test_codes_that_look_like_numbers_keep_their_zeros(tmp_path: Path) -> None:
    """`01` in a recode list is the text 01 and not the number 1."""
    table, _ = enrolment(tmp_path, "nr;r\n1;01\n2;1\n", reden_uitschrijving='{from: r, recode: {01: "01", 1: "10"}}')
    assert table["reden_uitschrijving"].tolist() == ["01", "10"]


def test_a_constant_of_the_wrong_kind_is_the_mappings_fault(tmp_path: Path) -> None:
    """A word where a year belongs is refused, in constants and in recode lists; so is a date where a number belongs."""
    for rule in ("{constant: veel}", "{from: geslacht, recode: {M: veel}}", "{constant: true}"):
        assert refused(tmp_path, EXPORT, table_of("enrolment", cohort=rule)).code == "bad_constant"
    assert (
        refused(tmp_path, EXPORT, table_of("enrolment", cohort="{from: datum, date: dd-mm-yyyy}")).code == "wrong_kind"
    )


AREAS = "sources:\n  s: {file: s.csv, identifier: nr}\n  a: {file: a.csv, identifier: false}\n"


def looked_up(folder: Path, rule: str, export: str = "nr;pc\n1;1013 AB\n2;9999 ZZ\n3;\n4;1018\n") -> Examined:
    (folder / "a.csv").write_text("gebied;arm;score\n1013;TRUE;0,5\n1018;;-0,2\n1019;TRUE;1\n1019;FALSE;1\n")
    return run(folder, export, table_of("person", apcg=rule), HEADING + AREAS)


def test_a_look_up_by_a_column_of_another_name(tmp_path: Path) -> None:
    """`by` says which column there equals which rule here; what is not there, and what is empty there, is missing."""
    made = looked_up(tmp_path, "{from: arm, of: a, by: {gebied: {from: pc, first: 4}}}")
    assert made.tables["person"]["apcg"].astype(object).fillna("-").tolist() == [True, "-", "-", "-"]


def test_not_found_is_for_rows_that_are_not_there(tmp_path: Path) -> None:
    """A filled key without a row gets it; an empty key, an empty cell and an ambiguous row do not; it is counted."""
    export = "nr;pc\n1;1013 AB\n2;9999 ZZ\n3;\n4;1018\n5;1019 XX\n"
    rule = "{from: arm, of: a, by: {gebied: {from: pc, first: 4}}, not_found: false}"
    made = looked_up(tmp_path, rule, export)
    assert made.tables["person"]["apcg"].astype(object).fillna("-").tolist() == [True, False, "-", "-", "-"]
    notes = {note.rule: note.rows for table in made.quality.tables for note in table.notes}
    assert (notes["not_found"], notes["ambiguous"]) == (1, 1)


@pytest.mark.parametrize(
    ("rule", "code"),
    [("{from: arm, of: a}", "no_by"), ("{from: arm, of: a, by: {gebeid: pc}}", "missing_column")],
)
def test_a_look_up_that_singles_out_nothing_is_refused(tmp_path: Path, rule: str, code: str) -> None:
    """A list about nobody is looked up by a column that it has."""
    with pytest.raises(UnusableInput) as caught:
        looked_up(tmp_path, rule)
    assert caught.value.code == code


def test_not_found_needs_something_to_look_up(tmp_path: Path) -> None:
    """Written where nothing is looked up it would never happen: refused with the line."""
    with pytest.raises(UnusableInput, match="not_found is what a look-up"):
        looked_up(tmp_path, "{from: pc, not_found: false}")


def test_an_ambiguous_look_up_is_missing_and_counted(tmp_path: Path) -> None:
    """Two different birth dates for one student: neither is taken. Two equal ones are one."""
    (tmp_path / "p.csv").write_text("nr;geb\n1;2005-01-01\n1;2006-01-01\n2;2004-01-01\n2;2004-01-01\n")
    heading = HEADING + "sources: {s: {file: s.csv}, p: {file: p.csv}}\nidentifier: {column: nr}\n"
    age = "{compute: age_at, born: {from: geb, of: p}, on: d}"
    tables = table_of("enrolment", enrolment_id='{constant: "1"}', age_at_start=age)
    made = run(tmp_path, "nr;d\n1;2023-08-01\n2;2023-08-01\n3;2023-08-01\n", tables, heading)
    assert made.tables["enrolment"]["age_at_start"].fillna(-1).tolist() == [-1, 19, -1]
    assert [(note.rule, note.rows) for note in made.quality.tables[0].notes if note.rule == "ambiguous"] == [
        ("ambiguous", 1)
    ]


def test_age_counts_birthdays(tmp_path: Path) -> None:
    """The day before the birthday one year less, also for 29 February."""
    export = (
        "nr;b;o\n1;2005-08-02;2023-08-01\n2;2005-08-01;2023-08-01\n3;2004-02-29;2023-02-28\n4;2004-02-29;2023-03-01\n"
    )
    table, _ = enrolment(tmp_path, export, age_at_start="{compute: age_at, born: b, on: o}")
    assert table["age_at_start"].tolist() == [17, 18, 18, 19]


def test_deleting_a_row_changes_no_other_row(tmp_path: Path) -> None:
    """Every value is a function of its student's own rows: rows of others may come and go."""
    lines = ["1;M;01-08-2023;1,5", "2;V;02-08-2023;2,5", "3;X;;", "4;M;03-08-2023;99"]
    tables = table_of("person", geslacht="{from: geslacht, recode: {M: M, V: V}}") + (
        '  enrolment:\n    source: s\n    columns: {enrolment_id: {constant: "1"}, start_date: datum}\n'
        "  attendance:\n    source: s\n    columns: {week: {constant: 1}, hours_absent: uren}\n"
    )
    whole = run(tmp_path, "nr;geslacht;datum;uren\n" + "\n".join(lines), tables).tables
    for gone in range(len(lines)):
        rest = [line for place, line in enumerate(lines) if place != gone]
        part = run(tmp_path, "nr;geslacht;datum;uren\n" + "\n".join(rest), tables).tables
        for name, frame in part.items():
            others = whole[name][whole[name]["student"].isin(frame["student"])].reset_index(drop=True)
            pd.testing.assert_frame_equal(frame, others)


# Documents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("drop: [naam]", "dropp: [naam]", 5),
        ("otherwise: O", "otherwize: O", 10),
        ("file: s.csv", "file: ../s.csv", 4),
        ("file: s.csv", "file: /etc/passwd.csv", 4),
        ("compute: age_at", "compute: eval", 11),
        ("source: s\n", "source: t\n", 1),
        ("mapping: 1", "mapping: 2", 1),
        ("layout: a", "layout: A-b", 2),
    ],
)
def test_a_mapping_is_refused_with_its_line(old: str, new: str, line: int) -> None:
    """Unknown keys, paths, unknown computations, sources and versions: nothing is skipped in silence."""
    text = (
        "mapping: 1\nlayout: a\ntitle: {nl: t, en: t}\nsources: {s: {file: s.csv}}\ndrop: [naam]\nidentifier: nr\n"
        "tables:\n  person:\n    source: s\n    columns: {geslacht: {from: g, recode: {M: M}, otherwise: O}}\n"
        "  enrolment: {source: s, columns: {age_at_start: {compute: age_at, born: b, on: o}}}\n"
    )
    assert read_mapping(text).layout == "a"
    with pytest.raises(DocumentError) as caught:
        read_mapping(text.replace(old, new))
    assert caught.value.problems[0].line == line


def test_the_mappings_of_the_house_are_read() -> None:
    """Every mapping shipped with the node is a mapping."""
    shipped = sorted((Path(__file__).parents[3] / "node" / "mappings").glob("*.yaml"))
    assert {path.stem for path in shipped} >= {"osiris", "eduarte", "duo_ro", "uitnodigingsregel_demo"}
    assert all(read_mapping(path).layout == path.stem for path in shipped)
