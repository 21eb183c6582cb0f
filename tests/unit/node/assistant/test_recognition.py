"""A shipped layout is recognised by its columns, whatever its files are called, and adapted to what is there."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import pytest

from experiments.synthetic.sector import generate
from experiments.synthetic.writers.layouts import LAYOUTS, write_exports
from node.assistant.proposal import Proposal
from node.assistant.suggesting import SHIPPED, propose
from node.assistant.writing import mapping_text
from node.conformance import Verdict
from node.ingest import examine
from node.people.pseudonyms import PseudonymKey
from shared_schema import load_schema
from tests.unit.node.assistant.answers import answered

SCHEMA = load_schema()
KEY = PseudonymKey(b"k" * 32)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one folder of exports for every layout."""
    root = tmp_path_factory.mktemp("exports")
    for layout in LAYOUTS:
        write_exports(generate(schools=1, students=120, seed=5)[0], layout, root / layout)
    return root


def written(proposal: Proposal, folder: Path) -> Path:
    """The proposal as a file, every open point answered with its first answer."""
    text = answered(mapping_text(proposal, dt.date(2026, 11, 27)), {}, {"JJJJ": "2023"})
    (folder / "proposed.yaml").write_text(text, encoding="utf-8")
    return folder / "proposed.yaml"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_recognised_as_itself_and_gives_the_same_tables(
    layout: str, exports: Path, tmp_path: Path
) -> None:
    """What the assistant proposes reads an export exactly as the shipped mapping does."""
    proposal = propose(exports / layout, SCHEMA)
    assert proposal.recognised is not None and proposal.recognised.layout == layout
    mine = examine(exports / layout, written(proposal, tmp_path), KEY, SCHEMA).tables
    theirs = examine(exports / layout, SHIPPED / f"{layout}.yaml", KEY, SCHEMA).tables
    assert mine.keys() == theirs.keys()
    assert all(mine[table].equals(theirs[table]) for table in theirs)


def _osiris_without(exports: Path, place: Path, gone: str) -> None:
    source = next((exports / "osiris").iterdir())
    with source.open(encoding="cp1252", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    kept = [name for name in rows[0] if name != gone]
    with place.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, kept, delimiter=",", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def test_another_name_another_separator_and_a_column_less(exports: Path, tmp_path: Path) -> None:
    """The mapping names the school's file, leaves out what is absent and says which column that is."""
    place = tmp_path / "onze uitvraag.csv"
    _osiris_without(exports, place, "lftijd_aanvang")
    proposal = propose(place, SCHEMA)
    assert proposal.recognised is not None and proposal.recognised.lacking == ("dossiers: lftijd_aanvang",)
    examined = examine(place, written(proposal, tmp_path), KEY, SCHEMA)
    assert examined.quality.verdict is not Verdict.FAIL
    assert "age_at_start" not in examined.tables["enrolment"]


def test_fresh_does_not_look_for_a_layout(exports: Path) -> None:
    """`--fresh` proposes from names and shapes."""
    assert propose(exports / "osiris", SCHEMA, fresh=True).recognised is None


def test_a_file_that_shares_a_few_names_is_not_recognised(tmp_path: Path) -> None:
    """Six columns of Osiris among thirty are no Osiris."""
    heads = ["studentnummer", "geslacht", "niveau", "team", "college", "diploma", *(f"kolom{n}" for n in range(24))]
    rows = [";".join([f"1000{n}", "M", "4", "a", "b", "J", *["x"] * 24]) for n in range(9)]
    (tmp_path / "e.csv").write_text("\n".join([";".join(heads), *rows]), encoding="utf-8")
    assert propose(tmp_path / "e.csv", SCHEMA).recognised is None


def test_what_a_layout_cannot_know_is_asked(tmp_path: Path) -> None:
    """The demo's cohort, its 0 and 1 for gender and its tolerance are that file's; a school answers for itself."""
    from shared_schema import documents, yaml_tree

    data = yaml_tree.parse(documents.text_of(SHIPPED / "uitnodigingsregel_demo.yaml")).data
    flags = [name for column in ("vooropleiding",) for name in data["tables"]["person"]["columns"][column]["one_hot"]]
    sectors = list(data["tables"]["programme_period"]["columns"]["sector"]["one_hot"])
    heads = ["Studentnummer", "StudentGender", "StudentAge", "max1studie", "Aanmel_aantal", "Dropout", *flags, *sectors]
    heads += ["absence_unauthorized", "absence_authorized"]
    rows = [
        ";".join([f"1000{n}", str(n % 2), "17", "1", "2", "0", *["0"] * len(flags + sectors), "3", "4"])
        for n in range(9)
    ]
    (tmp_path / "e.csv").write_text("\n".join([";".join(heads), *rows]), encoding="utf-8")
    proposal = propose(tmp_path / "e.csv", SCHEMA)
    assert proposal.recognised is not None and proposal.recognised.layout == "uitnodigingsregel_demo"
    targets = {target for point in proposal.all_points() for target in point.candidates}
    assert {"enrolment.cohort", "person.geslacht"} <= targets
    assert [option.key for point in proposal.points for option in point.options] == ["tolerance"]
    lines = {f"{entry.table}.{line.column}" for entry in proposal.entries for line in entry.lines}
    assert not lines & targets
