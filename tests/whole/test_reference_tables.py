"""Public reference lists as they are published, taken in by the mappings that ship, and looked up for students."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

import node.mappings
from node.conformance import Verdict
from node.ingest import Examined, examine, ingest
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms
from node.store import Store
from shared_schema import features, load_schema, yaml_tree

pytestmark = pytest.mark.data

SCHEMA = load_schema()
MAPPINGS = Path(node.mappings.__file__).parent
KEY = PseudonymKey(b"k" * 32)
FILES = {
    "apcg": "APCG_2019.csv",
    "ses": "SES_PC4_2021-2022.csv",
    "brin": "BRIN.csv",
    "crebo": "crebo_names.csv",
    "vsv_normen": "VSV_normen.csv",
}


def taken(data_folder: Path, layout: str) -> Examined:
    return examine(data_folder / "reference" / FILES[layout], MAPPINGS / f"{layout}.yaml", KEY, SCHEMA)


def rows_of(data_folder: Path, layout: str) -> list[dict[str, str]]:
    """The file as the csv module alone reads it."""
    with (data_folder / "reference" / FILES[layout]).open(encoding="utf-8-sig", newline="") as file:
        sample = file.readline()
        file.seek(0)
        return list(csv.DictReader(file, delimiter=";" if ";" in sample else ","))


@pytest.mark.parametrize("layout", FILES)
def test_the_published_file_is_read_whole(data_folder: Path, layout: str) -> None:
    """No row is set aside and nothing is unreadable; the source is named in every row."""
    examined = taken(data_folder, layout)
    assert examined.quality.verdict is Verdict.PASS
    (table,) = examined.quality.tables
    assert table.kept == table.delivered > 30 and table.set_aside == table.students == 0
    frame = examined.tables[table.table]
    assert frame["source"].notna().all()
    assert "student" not in frame


def test_areas_of_accumulated_poverty(data_folder: Path) -> None:
    """Every postcode of the list is one, as of 1 January 2019."""
    area = taken(data_folder, "apcg").tables["area"]
    rows = rows_of(data_folder, "apcg")
    assert set(area["postcode4"]) == {row["CBS_APCG_PC4"] for row in rows} and len(area) == len(rows) == 429
    assert area["apcg"].all() and set(area["source_date"]) == {pd.Timestamp("2019-01-01")}


def test_scores_have_a_decimal_comma_and_gaps(data_folder: Path) -> None:
    """Each score is the number in the file, exactly as far as it is written; NA is missing and never 0."""
    examined = taken(data_folder, "ses")
    assert (examined.quality.sources[0].decimal, examined.quality.sources[0].rows) == ("comma", 8118)
    area = examined.tables["area"].set_index(["postcode4", "source_date"])
    for row in rows_of(data_folder, "ses"):
        mine = area.loc[(row["SES_PC4"], pd.Timestamp(int(row["SES_Verslagjaar"]), 1, 1))]
        for name, column in (
            ("ses", "Totaalscore"),
            ("ses_wealth", "Deelscore_welvaart"),
            ("ses_work", "Deelscore_arbeid"),
        ):
            text = row[f"SES_{column}"].strip()
            assert pd.isna(mine[name]) if text == "NA" else mine[name] == float(Decimal(text.replace(",", ".")))
        assert mine["households"] == int(row["SES_Aantal_huishoudens"])
    assert int(area["ses"].isna().sum()) == 962


def test_schools_and_programmes_keep_names_and_zeros(data_folder: Path) -> None:
    """Names without the spaces around them, accents and commas as written; `02PA` keeps its zero."""
    institution = taken(data_folder, "brin").tables["institution"].set_index("brin")["title"]
    assert (len(institution), institution["00GT"], institution["02PA"]) == (57, "Albeda", "Mediacollege Amsterdam")
    assert institution["02PG"] == "HMC MBO vakschool voor hout, meubel en interieur"
    programme = taken(data_folder, "crebo").tables["programme"].set_index("crebo")["title"]
    assert (len(programme), programme["22157"], programme["79010"]) == (
        4103,
        "Secretariële beroepen",
        "Afbouw, hout en onderhoud",
    )


def test_norms_are_per_cents_and_empty_lines_are_left_out(data_folder: Path) -> None:
    """A file with BOM and CRLF; 22000 is 22 %; the eight lines of NULL are left out and counted."""
    examined = taken(data_folder, "vsv_normen")
    norm = examined.tables["norm"].set_index(["school_year", "niveau"])["percentage"]
    assert [norm[2024, niveau] for niveau in (1, 2, 3, 4)] == [22.0, 9.2, 3.6, 3.0]
    assert len(norm) == 36
    assert {note.rule: note.rows for note in examined.quality.tables[0].notes} == {"left_out": 8}


STUDENTS = """mapping: 1
layout: school
title: {nl: school, en: school}
sources:
  s: {file: s.csv}
  apcg: {file: "APCG*.csv", identifier: false}
  ses: {file: "SES*.csv", decimal: ",", missing: [NA], identifier: false}
identifier: {column: nr}
tables:
  person:
    source: s
    columns:
      postcode4: {from: pc, first: 4}
      apcg: {from: CBS_APCG_tf, of: apcg, by: {CBS_APCG_PC4: {from: pc, first: 4}}, not_found: false}
      area_ses:
        from: SES_Totaalscore
        of: ses
        by: {SES_PC4: {from: pc, first: 4}, SES_Verslagjaar: {constant: "2022"}}
  enrolment: {source: s, columns: {enrolment_id: {constant: "1"}, start_date: begin}}
"""
EXTENSION = """
schema_extension: 1
title: {nl: SES van de buurt, en: SES of the area}
columns:
  person:
    area_ses:
      type: decimal
      prose: {nl: SES-WOA-score van het postcodegebied., en: SES-WOA score of the postcode area.}
      bounds: [-1, 1]
      sensitive: true
      feature: {fill: 0}
"""


def test_a_student_gets_what_the_area_says(data_folder: Path, tmp_path: Path) -> None:
    """Joined at the node by postcode: apcg of the schema, the area's score as a bounded feature of the coalition's own.

    | postcode | apcg | score 2022 |
    |---|---|---|
    | 1013 AB | yes | as published |
    | 1011 | no: not in the list | as published |
    | 9999 | no | NA, so missing |
    | none | unknown | missing |
    """
    schema = load_schema(yaml_tree.parse(EXTENSION, "schema.yaml").data)
    for name in ("APCG_2019.csv", "SES_PC4_2021-2022.csv"):
        (tmp_path / name).symlink_to(data_folder / "reference" / name)
    (tmp_path / "s.csv").write_text(
        "nr;pc;begin\n1;1013 AB;2023-08-21\n2;1011;2023-08-21\n3;9999ZZ;2023-08-21\n4;;2023-08-21\n"
    )
    (tmp_path / "m.yaml").write_text(STUDENTS)
    ingest(tmp_path, tmp_path / "m.yaml", tmp_path / "data", KEY, schema)
    tables = Store.open(tmp_path / "data").tables()
    person = tables["person"].set_index("student").loc[[KEY.pseudonym(str(number)) for number in (1, 2, 3, 4)]]
    published = {
        row["SES_PC4"]: row["SES_Totaalscore"]
        for row in rows_of(data_folder, "ses")
        if row["SES_Verslagjaar"] == "2022"
    }
    assert person["apcg"].astype(object).fillna("-").tolist() == [True, False, False, "-"]
    scores = [float(published[code].replace(",", ".")) for code in ("1013", "1011")]
    assert published["9999"].strip() == "NA"
    assert person["area_ses"].fillna(9.0).tolist() == [*scores, 9.0, 9.0]
    offered = features.named(schema, 0, ["apcg", "person.area_ses"])
    built = features.build(tables, offered, 0, schema).loc[person.index]
    assert built["apcg"].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert built["person.area_ses"].tolist() == [*scores, 0.0, 0.0]
    assert built["person.area_ses:recorded"].tolist() == [1.0, 1.0, 0.0, 0.0]


def test_a_list_does_not_replace_the_students(data_folder: Path, tmp_path: Path) -> None:
    """A reference list is a delivery of its own layout: the students' delivery goes on counting, and nobody is new."""
    (tmp_path / "s.csv").write_text("nr;begin\n1;2023-08-21\n")
    mapping = STUDENTS[: STUDENTS.index("  person:")] + STUDENTS[STUDENTS.index("  enrolment:") :]
    (tmp_path / "m.yaml").write_text(
        "\n".join(line for line in mapping.splitlines() if "CBS" not in line and "*" not in line)
    )
    data = tmp_path / "data"
    ingest(tmp_path, tmp_path / "m.yaml", data, KEY, SCHEMA)
    done = ingest(data_folder / "reference" / FILES["brin"], MAPPINGS / "brin.yaml", data, KEY, SCHEMA)
    tables = Store.open(data).tables()
    assert (len(tables["enrolment"]), len(tables["institution"])) == (1, 57)
    assert (done.registered.new, done.registered.known) == (0, 0)
    with Pseudonyms.open(data) as pseudonyms:
        assert len(pseudonyms.cohorts()) == 1
