"""The public demo of the uitnodigingsregel, taken in as it is, with the mapping that is shipped for it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import node.mappings
from experiments.catalogue.questions import served
from node.conformance import Verdict, present_columns
from node.ingest import Ingested, ingest
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms
from node.store import Store
from shared_schema import features, load_schema, outcomes

pytestmark = pytest.mark.data

SCHEMA = load_schema()
MAPPING = Path(node.mappings.__file__).parent / "uitnodigingsregel_demo.yaml"
KEY = PseudonymKey(b"k" * 32)


@pytest.fixture(scope="module")
def demo(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ingested, Path]:
    data = tmp_path_factory.mktemp("demo")
    return ingest(data_folder / "uitnodigingsregel" / "synth_data_train.csv", MAPPING, data, KEY, SCHEMA), data


def rows_of(data_folder: Path) -> list[dict[str, str]]:
    with (data_folder / "uitnodigingsregel" / "synth_data_train.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_the_file_is_taken_in_as_it_is(demo: tuple[Ingested, Path]) -> None:
    """Tab, UTF-8 and decimal point are detected; the one column that no rule reads is named."""
    done, _ = demo
    (detected,) = done.quality.sources
    assert (detected.separator, detected.encoding, detected.decimal) == ("tab", "utf-8", "point")
    assert (detected.rows, detected.columns) == (1000, 28)
    assert done.quality.unread == {"students": ("ROCMondriaan",)}
    assert done.quality.verdict is Verdict.WARN


def test_every_student_of_a_number_of_their_own_is_there_with_the_right_values(
    demo: tuple[Ingested, Path], data_folder: Path
) -> None:
    """Recomputed with the csv module alone: 744 numbers occur once, and each carries its dropout, age and absence."""
    tables = Store.open(demo[1]).tables()
    rows = rows_of(data_folder)
    numbers = [row["Studentnummer"] for row in rows]
    single = {KEY.pseudonym(row["Studentnummer"]): row for row in rows if numbers.count(row["Studentnummer"]) == 1}
    assert len(single) == 744
    enrolment, attendance = (tables[name].set_index("student") for name in ("enrolment", "attendance"))
    assert set(enrolment.index) == set(single)
    for student, row in single.items():
        assert int(enrolment.loc[student, "dropout_flag"]) == int(row["Dropout"])
        assert enrolment.loc[student, "age_at_start"] == int(row["StudentAge"])
        assert attendance.loc[student, "hours_absent_unauthorised"] == float(row["absence_unauthorized"])
    assert set(attendance["week"]) == set(attendance["weeks"]) == {10}


def test_of_several_prior_educations_the_highest_counts(demo: tuple[Ingested, Path], data_folder: Path) -> None:
    """The decision of the mapping, by a count of its own: HAVO beside VMBO_TL is HAVO; no flag at all is nan."""
    person = Store.open(demo[1]).tables()["person"].set_index("student")["vooropleiding"]
    for row in rows_of(data_folder):
        flags = {
            name.removeprefix("VooroplNiveau_") for name, cell in row.items() if name.startswith("Voor") and cell == "1"
        }
        student = KEY.pseudonym(row["Studentnummer"])
        if student in person.index and "HAVO" in flags and "VWOplus" not in flags:
            assert person[student] == "HAVO"
        if student in person.index and not flags:
            assert person[student] == "nan"


def test_numbers_that_many_rows_share_are_set_aside_and_reported(demo: tuple[Ingested, Path]) -> None:
    """256 rows share three numbers; they are counted, and who remains is the same in table and account."""
    enrolment = next(table for table in demo[0].quality.tables if table.table == "enrolment")
    assert enrolment.kept == enrolment.students == 744
    assert [note.rule for note in enrolment.notes if note.verdict is Verdict.WARN] == ["duplicate"]
    with Pseudonyms.open(demo[1]) as pseudonyms:
        assert list(pseudonyms.cohorts().values()).count(2023) == 744


def test_check_says_which_questions_it_can_serve(demo: tuple[Ingested, Path]) -> None:
    """Who drops out: yes. Reasons for leaving: no, and what lacks is named."""
    services = {service.number: service for service in served(present_columns(demo[0].quality.tables), SCHEMA)}
    assert services[5].verdict == services[6].verdict == "yes"
    assert services[32].lacking == ("enrolment.end_date", "enrolment.reden_uitschrijving")


def test_the_default_experiment_finds_outcome_and_features(demo: tuple[Ingested, Path]) -> None:
    """Dropout as the flag has it, absence through week 10 as features: the walk goes on from here."""
    tables = Store.open(demo[1]).tables()
    outcome = outcomes.compute(tables, "dropout_year_1", SCHEMA, cutoff_week=10)
    assert (len(outcome), round(float(outcome.mean()), 3)) == (744, 0.165)
    offered = [feature for feature in features.available(SCHEMA, 10) if feature.group == features.ATTENDANCE]
    built = features.build(tables, offered, 10, SCHEMA).loc[outcome.index]
    assert (built.std() > 0).sum() >= 2
