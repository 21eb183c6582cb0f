"""Mappings of lists and surveys on files as they come: BOM, cp1252, decimal comma, dates, doubles, hidden counts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import node.mappings
from node.conformance import Verdict
from node.ingest import Examined, examine
from node.people.pseudonym_key import PseudonymKey
from shared_schema import About, load_schema

MAPPINGS = Path(node.mappings.__file__).parent
KEY = PseudonymKey(b"k" * 32)
COUNTS = (
    "PEILDATUM;BRIN NUMMER;INSTELLINGSNAAM;SECTORKAMER;OPLEIDINGSCODE;OPLEIDINGSNAAM;NIVEAU;LEERWEG;"
    "AANTAL;INDICATIEAVG\n"
)
CAMBO = (
    "createdat,bsnhash,leeftijdscategorie,postcodecijfers,instellingserkenningscode,opleidingcode,leertrajectmbo,"
    "status,begindatum,einddatum,schooljaar\n"
)


def read(folder: Path, layout: str, name: str, text: str, encoding: str = "utf-8") -> Examined:
    (folder / name).write_bytes(text.encode(encoding))
    return examine(folder, MAPPINGS / f"{layout}.yaml", KEY, load_schema())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_name_with_an_accent_survives_every_encoding(tmp_path: Path, encoding: str) -> None:
    """The byte order mark is no part of the first column's name, and cp1252 is recognised."""
    text = 'Opleidingcode,Opleidingsnaam\n22157,Secretariële beroepen\n79010,"Afbouw, hout en onderhoud"\n'
    made = read(tmp_path, "crebo", "crebo_names.csv", text, encoding)
    assert made.tables["programme"]["title"].tolist() == ["Secretariële beroepen", "Afbouw, hout en onderhoud"]
    assert made.quality.sources[0].encoding == encoding.removesuffix("-sig")


def test_a_score_with_a_point_is_not_guessed(tmp_path: Path) -> None:
    """The scores have a decimal comma; a file with points is another edition and is refused, never read as 111."""
    head = (
        "SES_Verslagjaar;SES_PC4;SES_Aantal_huishoudens;SES_Deelscore_welvaart;SES_Deelscore_arbeid;SES_Totaalscore\n"
    )
    made = read(tmp_path, "ses", "SES_PC4_x.csv", head + "2022;1011;5700;-0,01;NA;0,111\n")
    row = made.tables["area"].iloc[0]
    assert (row["ses"], row["ses_wealth"], row["households"]) == (0.111, -0.01, 5700) and pd.isna(row["ses_work"])
    with pytest.raises(Exception, match="decimal mark") as caught:
        read(tmp_path, "ses", "SES_PC4_x.csv", head + "2022;1011;5700;-0.01;NA;0.111\n")
    assert getattr(caught.value, "code", "") == "wrong_decimal"


def test_a_year_that_the_mapping_does_not_know_fails_loudly(tmp_path: Path) -> None:
    """An edition of a later year loses its date, more than the tolerance: the report says where, nothing is stored."""
    made = read(tmp_path, "apcg", "APCG_2031.csv", "CBS_APCG_PC4;CBS_APCG_tf;CBS_APCG_Jaar\n1013;TRUE;2031\n")
    (table,) = made.quality.tables
    assert table.verdict is Verdict.FAIL
    assert ("unlisted", "source_date") in {(note.rule, note.column) for note in table.notes}


@pytest.mark.parametrize(
    ("written", "low", "high"), [("-1", 1, 4), ("4", 1, 4), ("<5", 1, 4), ("5", 5, 5), ("0", 0, 0), ("812", 812, 812)]
)
def test_a_hidden_count_lies_between_one_and_four(tmp_path: Path, written: str, low: int, high: int) -> None:
    """DUO writes 1 to 4 as -1, as 4 or as <5; everything else is exact, zero included."""
    line = f"01-10-2023;25LX;Curio;Zorg, welzijn en sport;25655;Mbo-Verpleegkundige;MBO-4;BOL;{written};J\n"
    made = read(tmp_path, "duo_open_data", "duo_mbo_studenten_2023.csv", COUNTS + line, "cp1252")
    row = made.tables["enrolment_count"].iloc[0]
    assert (row["students_low"], row["students_high"], row["year"]) == (low, high, 2023)
    assert made.quality.verdict is Verdict.PASS


def test_a_count_that_is_no_number_is_lost_and_said(tmp_path: Path) -> None:
    """An unknown way to hide a number is neither 0 nor 1 to 4."""
    line = "01-10-2023;25LX;Curio;Handel;25655;X;4;BBL;onb.;N\n"
    made = read(tmp_path, "duo_open_data", "duo_mbo_studenten.csv", COUNTS + line)
    assert made.tables["enrolment_count"]["students_low"].isna().all()
    assert made.quality.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("created", "begin", "until"),
    [
        ("2023-02-14T09:12:00Z", "2023-02-14", "3000-01-01"),
        ("14-02-2023 09:12", "14-02-2023", "01-01-3000"),
        ("20230214", "20230214", "30000101"),
    ],
)
def test_an_application_that_still_holds_has_no_end(tmp_path: Path, created: str, begin: str, until: str) -> None:
    """Three ways to write days; 3000-01-01 in each of them is "still holds"; a row that Qlik doubled is one row."""
    row = f"{created},a1b2,16-17,3511,25LX,25655,BOL,RECEIVED,{begin},{until},2023-2024\n"
    again = row.replace("09:12", "11:40")
    made = read(tmp_path, "cambo", "cambo_2023.csv", CAMBO + row + again)
    (found,) = made.tables["application"].to_dict("records")
    assert found["applicant"] == KEY.pseudonym("a1b2", About.APPLICANT)
    assert (found["created"], found["start_date"]) == (pd.Timestamp("2023-02-14"),) * 2
    assert pd.isna(found["end_date"]) and found["school_year"] == 2023
    assert {note.rule: note.rows for note in made.quality.tables[0].notes} == {"merged": 1}


def test_an_unknown_status_is_counted(tmp_path: Path) -> None:
    """A status that CAMBO adds one day is neither guessed nor dropped in silence."""
    made = read(
        tmp_path, "cambo", "cambo.csv", CAMBO + "2023-02-14,a1,16-17,,25LX,25655,BOL,PAUSED,2023-02-14,,2023-2024\n"
    )
    assert ("unlisted", "status") in {(note.rule, note.column) for note in made.quality.tables[0].notes}


def test_a_mean_that_is_not_published_is_missing(tmp_path: Path) -> None:
    """Below five answers there is a dash: no mean and no number, and nothing that reads as 0."""
    head = "team;onderzoek;vraag;peildatum;gemiddelde;aantal\n"
    text = head + "Café & Bakkerij;JOB-monitor;V1;01-03-2024;3,46;12\nZorg;MTO;V1;01-03-2024;-;<5\n"
    made = read(tmp_path, "team_enquetes", "team_enquetes.csv", text, "cp1252")
    first, second = made.tables["team_survey"].to_dict("records")
    assert (first["team"], first["survey"], first["mean"], first["respondents"]) == ("Café & Bakkerij", "JOB", 3.46, 12)
    assert second["survey"] == "MTO" and pd.isna(second["mean"]) and pd.isna(second["respondents"])
    assert made.quality.verdict is Verdict.PASS


def test_an_open_answer_is_never_read(tmp_path: Path) -> None:
    """It is dropped right after reading; a mapping that reads it is refused."""
    questions = ("JOB_lessen", "JOB_docenten", "JOB_begeleiding", "JOB_luisteren", "JOB_hulp", "JOB_sfeer")
    text = f"studentnummer;afnamedatum;team;{';'.join(questions)};toelichting\n1;15-01-2024;Zorg;4;9;nvt;5;;1;GEHEIM\n"
    made = read(tmp_path, "job_monitor", "job_monitor.csv", text)
    assert made.tables["survey"].set_index("question")["answer"].dropna().to_dict() == {
        "JOB_lessen": 4,
        "JOB_luisteren": 5,
        "JOB_sfeer": 1,
    }
    assert "GEHEIM" not in made.tables["survey"].to_csv() and "toelichting" in made.quality.protections[0].dropped
    mapping = (
        (MAPPINGS / "job_monitor.yaml").read_text(encoding="utf-8").replace("answer: JOB_hulp", "answer: toelichting")
    )
    (tmp_path / "m.yaml").write_text(mapping, encoding="utf-8")
    with pytest.raises(Exception, match="toelichting, a direct identifier"):
        examine(tmp_path, tmp_path / "m.yaml", KEY, load_schema())
