"""What the assistant proposes for small exports, each with one thing to see in it."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.assistant.proposal import SURE, Proposal
from node.assistant.suggesting import propose
from node.assistant.writing import mapping_text
from node.errors import UnusableInput
from node.ingest import examine
from node.mapping_document import read_mapping
from node.people.pseudonyms import PseudonymKey
from shared_schema import load_schema
from tests.unit.node.assistant.answers import answered

SCHEMA = load_schema()
KEY = PseudonymKey(b"k" * 32)
TODAY = dt.date(2026, 11, 27)
ROWS = 40


def proposed(folder: Path, rows: str, name: str = "export.csv") -> Proposal:
    """A proposal for one file of a heading and one line of columns: `a;b | 1;x` with {n} for the row's number."""
    head, _, line = rows.partition(" | ")
    lines = [head, *(line.format(n=n, last=n % 10, flag=n % 2) for n in range(ROWS))]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return propose(folder / name, SCHEMA, fresh=True)


def said(proposal: Proposal) -> dict[str, Any]:
    """table.column -> rule, of every line that counts."""
    return {f"{entry.table}.{line.column}": line.rule for entry in proposal.entries for line in entry.lines}


def asked(proposal: Proposal) -> dict[str, list[Any]]:
    """table.column -> the rules that answer an open point about it."""
    return {
        target: [option.rule for option in point.options]
        for point in proposal.all_points()
        for target in point.candidates
    }


BASE = "studentnummer;begindatum"
ROW = "1{n:05d};{last}1-09-2023".replace("{last}1", "0{last}").replace("0{last}", "11")


@pytest.mark.parametrize(
    ("heading", "cell", "target", "rule"),
    [
        ("Geslacht", "Vrouw", "person.geslacht", None),
        ("crebo", "25180", "programme_period.crebo", "crebo"),
        ("Crebo-nummer", "25180", "programme_period.crebo", "Crebo-nummer"),
        ("mbo-niveau", "Niveau 3", "programme_period.niveau", None),
        ("Leerweg", "bbl", "programme_period.leertraject", None),
        ("Postcode", "3511 AB", "person.postcode4", {"from": "Postcode", "first": 4}),
        ("schooljaar", "2023-2024", "enrolment.cohort", {"from": "schooljaar", "first": 4}),
        ("Datum uitschrijving", "31-07-2024", "enrolment.end_date", "Datum uitschrijving"),
        ("onderwijsteam", "Team Zorg", "enrolment.team", "onderwijsteam"),
        ("age", "17", "enrolment.age_at_start", "age"),
    ],
)
def test_a_known_name_with_fitting_cells_is_mapped(
    heading: str, cell: str, target: str, rule: Any, tmp_path: Path
) -> None:
    """Dutch and English names, in any spelling, with cells that read as the column: a line, and no question."""
    found = proposed(tmp_path, f"{BASE};{heading} | {ROW};{cell}")
    assert target in said(found) and target not in asked(found)
    if rule is not None:
        assert said(found)[target] == rule


@pytest.mark.parametrize(
    ("heading", "cell", "target"),
    [
        ("Geslacht", "{flag}", "person.geslacht"),  # which of 0 and 1 is a man?
        ("inschrijvingsdatum", "11-09-2023", "enrolment.start_date"),  # beside begindatum: two start dates
        ("einddatum", "", "enrolment.end_date"),  # a name alone, no cell to see
    ],
)
def test_what_is_unsure_is_asked_and_not_mapped(heading: str, cell: str, target: str, tmp_path: Path) -> None:
    """An open point stands in the place of a line, with its answers written out."""
    found = proposed(tmp_path, f"{BASE};{heading} | {ROW};{cell}")
    assert target in asked(found) and target not in said(found)
    assert all(asked(found)[target])


@pytest.mark.parametrize(
    ("heading", "cell"),
    [("crebo", "17"), ("leeftijd", "achttien"), ("einddatum", "9-31-2024"), ("lievelingskleur", "rood")],
)
def test_what_does_not_fit_stays_unmapped_and_is_listed(heading: str, cell: str, tmp_path: Path) -> None:
    """A name without fitting cells is not believed, and cells without a name are not guessed."""
    found = proposed(tmp_path, f"{BASE};{heading} | {ROW};{cell}")
    assert heading in [one.heading for one in found.unmapped]
    assert all(heading not in str(rule) for rule in said(found).values())


def test_every_line_is_sure_and_says_why(tmp_path: Path) -> None:
    """No line below the threshold, none without a reason in two languages."""
    found = proposed(tmp_path, f"{BASE};geslacht;niveau;kleur | {ROW};M;4;rood")
    lines = [line for entry in found.entries for line in entry.lines]
    assert lines and all(line.confidence >= SURE for line in lines)
    assert all(reason.nl and reason.en for line in lines for reason in line.reasons)


def _twice(folder: Path, second: str) -> Proposal:
    """Ten students with two rows each; the second row begins on another day, or not."""
    rows = [f"1{n:03d};{day};M" for n in range(10) for day in ("01-09-2022", second)]
    (folder / "e.csv").write_text("\n".join(["studentnummer;begindatum;geslacht", *rows]), encoding="utf-8")
    return propose(folder / "e.csv", SCHEMA, fresh=True)


def test_who_enrolled_twice_is_asked_what_tells_the_rows_apart(tmp_path: Path) -> None:
    """No number of the enrolment: the start date is offered, and the first row counts for the person."""
    found = _twice(tmp_path, "01-09-2023")
    assert asked(found)["enrolment.enrolment_id"] == ["begindatum"] and "enrolment.enrolment_id" not in said(found)
    (person,) = [entry for entry in found.entries if entry.table == "person"]
    assert person.keep == {"earliest": "begindatum"}


def test_rows_that_nothing_tells_apart_have_to_be_given_up_knowingly(tmp_path: Path) -> None:
    """Same student, same day: the question is how many rows may be lost, and it must be answered."""
    found = _twice(tmp_path, "01-09-2022")
    (point,) = [point for point in found.all_points() if point.options[0].key == "tolerance"]
    assert point.required and point.options[0].rule == 0.5


# Groups -----------------------------------------------------------------------------------------------------------


def test_weeks_side_by_side_become_rows(tmp_path: Path) -> None:
    """`W1_ongeoorloofd` to `W5_ongeoorloofd` is one unpivot; a percentage beside it stays out."""
    weeks = [f"W{week}_ongeoorloofd" for week in range(1, 6)]
    found = proposed(tmp_path, f"{BASE};{';'.join(weeks)} | {ROW};{';'.join(['1,5'] * 5)}")
    (block,) = [entry.block for entry in found.entries if entry.block]
    columns = {"hours_absent_unauthorised": "W{week}_ongeoorloofd"}
    assert (block.kind, block.rule) == ("unpivot", {"weeks": "1-5", "columns": columns})


def test_weeks_with_zeros_before_them_are_named_one_by_one(tmp_path: Path) -> None:
    """`week 01` is not `week 1`: where a placeholder would not spell the heading, every week is written out."""
    weeks = [f"verzuim week 0{week}" for week in range(1, 4)]
    found = proposed(tmp_path, f"{BASE};{';'.join(weeks)} | {ROW};1;2;3")
    (block,) = [entry.block for entry in found.entries if entry.block]
    assert block.kind == "spans"
    assert [span["columns"]["hours_absent"] for span in block.rule] == weeks


def test_rising_totals_are_spans_and_others_are_not(tmp_path: Path) -> None:
    """Totals through week 3, 6 and 10 rise in every row; numbers that fall are no running total and stay unmapped."""
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    rising = proposed(tmp_path / "a", f"{BASE};verzuim3;verzuim6;verzuim10 | {ROW};1;2;3")
    falling = proposed(tmp_path / "b", f"{BASE};verzuim3;verzuim6;verzuim10 | {ROW};3;2;1")
    (block,) = [entry.block for entry in rising.entries if entry.block]
    assert [(span["week"], span["weeks"]) for span in block.rule] == [(3, 3), (6, 6), (10, 10)]
    assert not [entry.block for entry in falling.entries if entry.block]


def test_flags_become_one_category(tmp_path: Path) -> None:
    """Three flags that end in codes of one list: `one_hot`, highest first."""
    found = proposed(tmp_path, f"{BASE};vo_MBO;vo_HAVO;vo_VMBO_TL | {ROW};0;1;0")
    assert list(said(found)["person.vooropleiding"]["one_hot"]) == ["vo_HAVO", "vo_MBO", "vo_VMBO_TL"]


def test_several_flags_at_once_are_a_question(tmp_path: Path) -> None:
    """Where rows have two flags set, a person says which counts."""
    found = proposed(tmp_path, f"{BASE};vo_MBO;vo_HAVO;vo_VMBO_TL | {ROW};1;1;0")
    assert "person.vooropleiding" not in said(found)
    assert [rule.get("several") for rule in asked(found)["person.vooropleiding"]] == ["first", None]


def test_a_diploma_needs_a_column_that_says_yes(tmp_path: Path) -> None:
    """A date of the diploma beside every student would give everybody a diploma: rows without one must fall away."""
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    with_flag = proposed(tmp_path / "a", f"{BASE};diploma;diplomadatum | {ROW};J;01-07-2024")
    alone = proposed(tmp_path / "b", f"{BASE};diplomadatum | {ROW};01-07-2024")
    (entry,) = [entry for entry in with_flag.entries if entry.table == "diploma"]
    assert entry.where == {"diploma": ("J",)}
    assert "diploma" not in {entry.table for entry in alone.entries}


# Identifiers --------------------------------------------------------------------------------------------------------


def test_direct_identifiers_are_dropped_and_the_school_number_is_the_identifier(tmp_path: Path) -> None:
    """Names, mail and BSN by their headings, and a BSN under another heading by its digits."""
    bsn = ["111222333", "123456782", "999990019", "192837465", "100000009", "100000010", "100000022", "100000034"]
    bsn += ["100000046", "100000058", "100000071", "100000083"]
    rows = [f"1000{n};Jansen{n};a{n}@b.example;{text};M" for n, text in enumerate(bsn)]
    (tmp_path / "e.csv").write_text(
        "\n".join(["leerlingnummer;achternaam;mailtje;code;geslacht", *rows]), encoding="utf-8"
    )
    found = propose(tmp_path / "e.csv", SCHEMA, fresh=True)
    assert found.identifier == {"column": "leerlingnummer"}
    assert {"achternaam", "mailtje"} <= set(found.drop)


def test_a_zero_is_no_number_of_a_student(tmp_path: Path) -> None:
    """DUO writes 0 where there is no BSN: taken as a number, it would make one student of many."""
    rows = [f"{number};9000{n};V" for n, number in enumerate(["0", "0", "123456782", "111222333"])]
    (tmp_path / "e.csv").write_text("\n".join(["BSN;onderwijsnummer;geslacht", *rows]), encoding="utf-8")
    found = propose(tmp_path / "e.csv", SCHEMA, fresh=True)
    assert found.identifier == {"column": ["BSN", "onderwijsnummer"], "missing": ["0"]}


def test_a_file_without_a_number_asks_and_offers_the_row(tmp_path: Path) -> None:
    """Nothing names a student: without an answer the mapping is refused; the row is a choice with its price."""
    found = proposed(tmp_path, "leeftijd;cohort | 17;2023")
    text = mapping_text(found, TODAY)
    mapping = tmp_path / "m.yaml"
    mapping.write_text(text, encoding="utf-8")
    with pytest.raises(UnusableInput) as refused:
        examine(tmp_path / "export.csv", mapping, KEY, SCHEMA)
    assert refused.value.code == "no_identifier"
    mapping.write_text(answered(text, {}), encoding="utf-8")
    assert len(examine(tmp_path / "export.csv", mapping, KEY, SCHEMA).tables["enrolment"]) == ROWS


# What is written ----------------------------------------------------------------------------------------------------

signs = st.text(st.characters(codec="utf-8", exclude_characters='\r"'), min_size=1, max_size=20)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    odd=st.lists(signs.filter(lambda text: text.strip()), max_size=5),
    known=st.sampled_from(["geslacht", "W1 x", "cohort"]),
)
def test_whatever_columns_are_called_the_written_file_can_be_read(odd: list[str], known: str, tmp_path: Path) -> None:
    """Colons, braces, hashes, line breaks, `true`, signs that steer a terminal: names are data wherever they stand."""
    headings = list(dict.fromkeys(["studentnummer", known, *(text.strip() for text in odd)]))
    rows = [
        ";".join(f'"{cell}"' for cell in line)
        for line in [headings, *([f"1{n}", *"MMMMMMM"[1 : len(headings)]] for n in range(5))]
    ]
    (tmp_path / "e.csv").write_text("\n".join(rows), encoding="utf-8", newline="")
    try:
        found = propose(tmp_path / "e.csv", SCHEMA)
    except UnusableInput:
        return
    document = read_mapping(mapping_text(found, TODAY))
    assert set(document.drop) == set(found.drop)
    assert {one.heading for one in found.unmapped} <= set(headings)
    read_mapping(answered(mapping_text(found, TODAY), {}))


@pytest.mark.parametrize("name", ["export [1].csv", "export (kopie).csv", "Export Q1.CSV"])
def test_the_written_pattern_finds_the_file_again(name: str, tmp_path: Path) -> None:
    """Brackets and spaces in a file's name do not keep the mapping from its own file."""
    (tmp_path / name).write_text("studentnummer;geslacht;cohort\n10001;M;2023\n10002;V;2023\n", encoding="utf-8")
    (tmp_path / "m.yaml").write_text(mapping_text(propose(tmp_path / name, SCHEMA), TODAY), encoding="utf-8")
    assert len(examine(tmp_path / name, tmp_path / "m.yaml", KEY, SCHEMA).tables["person"]) == 2


# Files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["100001;M;2023-08-21;25180", "100001;Vrouw;Jansen;anders"])
def test_a_file_without_a_heading_is_refused_and_nothing_of_its_first_row_is_shown(first: str, tmp_path: Path) -> None:
    """Its headings would be a student's values."""
    place = tmp_path / "e.csv"
    place.write_text("\n".join([first, *[first.replace("100001", f"10000{n}") for n in range(2, 9)]]), encoding="utf-8")
    with pytest.raises(UnusableInput) as refused:
        propose(place, SCHEMA)
    assert refused.value.code == "no_header"
    assert not any(cell in str(refused.value) for cell in first.split(";"))


def test_unknown_xml_is_refused_in_words(tmp_path: Path) -> None:
    """Which elements are rows nobody can know: the remedy says where to write it."""
    (tmp_path / "e.xml").write_text("<root><leerling><naam>Jansen</naam></leerling></root>", encoding="utf-8")
    with pytest.raises(UnusableInput) as refused:
        propose(tmp_path / "e.xml", SCHEMA)
    assert refused.value.code == "unknown_xml" and "Jansen" not in str(refused.value)


def test_parquet_and_workbooks_are_read_too(tmp_path: Path) -> None:
    """The same rows in another form give the same proposal."""
    import duckdb
    import pandas as pd

    frame = pd.DataFrame(
        {"studentnummer": [f"1{n:04d}" for n in range(9)], "geslacht": ["M"] * 9, "cohort": ["2023"] * 9}
    )
    duckdb.from_df(frame).write_parquet(str(tmp_path / "e.parquet"))
    frame.to_excel(tmp_path / "e.xlsx", index=False)
    frame.to_csv(tmp_path / "e.tsv", index=False, sep="\t")
    found = [said(propose(tmp_path / name, SCHEMA)) for name in ("e.parquet", "e.xlsx", "e.tsv")]
    assert found[0] == found[1] == found[2] and "person.geslacht" in found[0]


def test_files_of_one_layout_are_one_source_and_no_other_file_matches(tmp_path: Path) -> None:
    """Three years of one export share a pattern; the list beside them, whose name is alike, does not."""
    for year in (2021, 2022, 2023):
        (tmp_path / f"inschrijving{year}.csv").write_text(
            f"studentnummer;cohort\n1;{year}\n2;{year}\n", encoding="utf-8"
        )
    (tmp_path / "inschrijving9999.csv").write_text("studentnummer;geslacht\n1;M\n2;V\n", encoding="utf-8")
    found = propose(tmp_path, SCHEMA)
    assert sorted(source["file"] for source in found.sources.values()) == [
        "inschrijving202?.csv",
        "inschrijving9999.csv",
    ]


def test_a_large_file_is_looked_at_in_part_and_the_proposal_says_so(tmp_path: Path) -> None:
    """Half a million rows: the first 20,000 are read."""
    lines = "".join(f"{n};M;2023\n" for n in range(500_000))
    (tmp_path / "groot.csv").write_text(f"studentnummer;geslacht;cohort\n{lines}", encoding="utf-8")
    started = time.process_time()
    found = propose(tmp_path / "groot.csv", SCHEMA)
    assert found.read == {"groot": (20_000, True)}
    assert "(de eerste; het bestand is langer)" in mapping_text(found, TODAY)
    assert time.process_time() - started < 60  # a guard against reading all of it many times, no measurement


def test_the_written_file_is_a_mapping_before_any_answer(tmp_path: Path) -> None:
    """Open points are comments: the file can be read from the first moment."""
    found = proposed(tmp_path, f"{BASE};geslacht;VUL;einddatum | {ROW};{{flag}};x;")
    document = read_mapping(mapping_text(found, TODAY))
    assert "enrolment" in document.tables
