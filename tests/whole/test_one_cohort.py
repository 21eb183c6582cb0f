"""One cohort in every layout: whatever a school exports from, the shared tables say the same of it.

One invented school is written in each layout of the registry, read by the mapping that ships for it, and compared
with the generator's own tables and with what every other layout gave, on the columns that both have. Students go by
other numbers in other layouts (student number, BSN, PseudoNummer), so that pseudonyms are traced back first.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from experiments.synthetic import complete
from experiments.synthetic.identifiers import identifiers, planted
from experiments.synthetic.sector import SyntheticSchool, generate
from experiments.synthetic.writers import LAYOUTS, REGISTRY, write_exports
from node.conformance import Verdict
from node.ingest import examine
from node.people.pseudonym_key import PseudonymKey
from shared_schema import About, load_schema

SCHEMA = load_schema()
KEY = PseudonymKey(b"another key for a test, 32 bytes")
MAPPINGS = Path(__file__).parents[2] / "node" / "mappings"
ABOUT_STUDENTS = tuple(name for name in LAYOUTS if REGISTRY[name].known_as is not None)
SUMMED = "attendance"  # weeks, periods and running totals: compared as hours through a week that all can tell
CUTOFF = 10
NOT_COMPARED = {"enrolment": {"dropout_flag_definition"}}  # says which system's flag it is, so it differs on purpose
MERGED = ("person", "diploma", "survey")
WITHOUT_KEY = {"result": ["student", "week"]}

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Told:
    """What one layout tells of the school, under the generator's pseudonyms."""

    layout: str
    folder: Path
    verdict: Verdict
    tables: Tables


@pytest.fixture(scope="module")
def school() -> SyntheticSchool:
    return generate(schools=1, students=400, seed=7)[0]


@pytest.fixture(scope="module")
def truth(school: SyntheticSchool) -> Tables:
    return complete.tables(school)


@pytest.fixture(scope="module")
def told(school: SyntheticSchool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    root = tmp_path_factory.mktemp("one-cohort")
    for layout in ABOUT_STUDENTS:
        write_exports(school, layout, root / layout)
    return {name: read(school, name, root / name, MAPPINGS / f"{name}.yaml") for name in ABOUT_STUDENTS}


def read(school: SyntheticSchool, layout: str, folder: Path, mapping: Path) -> Told:
    """Take in one layout's exports by a mapping; only tables about students, pseudonyms traced back."""
    known_as = REGISTRY[layout].known_as
    assert known_as is not None
    own = complete.pseudonyms(school)
    names = {KEY.pseudonym(number): str(name) for number, name in zip(known_as(school).tolist(), own, strict=True)}
    examined = examine(folder, mapping, KEY, SCHEMA)
    frames = {name: frame for name, frame in examined.tables.items() if SCHEMA.table(name).about is About.STUDENT}
    traced = {name: frame.assign(student=frame["student"].map(names)) for name, frame in frames.items()}
    return Told(layout, folder, examined.quality.verdict, traced)


# Comparing --------------------------------------------------------------------------------------------------------


def through_week_10(frame: pd.DataFrame) -> pd.DataFrame:
    """Hours per student through week 10: rows are added, or where they overlap (running totals) the largest counts."""
    early = frame[frame["week"] <= CUTOFF]
    weeks = early["weeks"].fillna(1) if "weeks" in early else pd.Series(1, index=early.index)
    covered = weeks.groupby(early["student"]).sum() > early.groupby("student")["week"].max()
    hours = early.groupby("student")[[name for name in early if str(name).startswith("hours_")]]
    return hours.max() if covered.any() else hours.sum(min_count=1)


def comparable(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The form in which a table is compared, without columns in which nothing stands."""
    frame = through_week_10(frame).round(6).reset_index() if table == SUMMED else frame
    return frame.dropna(axis=1, how="all").drop(columns=NOT_COMPARED.get(table, set()), errors="ignore")


def differences(table: str, one: pd.DataFrame, other: pd.DataFrame, rows: bool = True) -> dict[str, int]:
    """Shared column -> rows that say otherwise; with `rows`, how many rows one has and the other has not."""
    one, other = comparable(table, one), comparable(table, other)
    keys = ["student"] if table == SUMMED else WITHOUT_KEY.get(table, list(SCHEMA.table(table).key))
    keys = [name for name in keys if name in one and name in other]
    both = one.merge(other, on=keys, how="outer", suffixes=("", " of other"), indicator="found")
    matched = both["found"] == "both"
    assert matched.any(), f"{table}: no row in common"
    found = {}
    for name in sorted((set(one) & set(other)) - set(keys)):
        left, right = both[name], both[f"{name} of other"]
        same = (left == right).fillna(False).astype(bool) | (left.isna() & right.isna())
        found[str(name)] = int((matched & ~same).sum())
    if rows:
        found["rows"] = int((~matched).sum())
    return {name: count for name, count in found.items() if count}


def against_truth(given: Told, truth: Tables, school: SyntheticSchool) -> dict[str, int]:
    """`table.column` -> rows in which this layout says otherwise than the generator."""
    found = {}
    for table in sorted(set(given.tables) & set(truth)):
        expected = REGISTRY[given.layout].holds(table, truth[table], school)
        if table == SUMMED:
            expected = expected[expected["student"].isin(given.tables[table]["student"])]
        for name, count in differences(table, expected, given.tables[table]).items():
            found[f"{table}.{name}"] = count
    return found


# One cohort -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ABOUT_STUDENTS)
def test_a_layout_tells_the_truth(told: dict[str, Told], truth: Tables, school: SyntheticSchool, layout: str) -> None:
    """Every row that it can hold is there, no other, and every column that both have is the same in every row."""
    assert told[layout].verdict is Verdict.PASS
    assert all(frame["student"].notna().all() for frame in told[layout].tables.values()), "somebody from elsewhere"
    assert set(told[layout].tables) & set(truth), "nothing to compare"
    assert against_truth(told[layout], truth, school) == {}


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(ABOUT_STUDENTS, 2)))
def test_two_layouts_tell_the_same(told: dict[str, Told], school: SyntheticSchool, one: str, other: str) -> None:
    """Of what both hold, each pair says the same, also where the generator keeps no table or column of its own."""
    for table in sorted(set(told[one].tables) & set(told[other].tables)):
        left, right = told[one].tables[table], told[other].tables[table]
        if table in MERGED:  # what one of them merges, dates otherwise or lacks, does so for both
            left, right = (REGISTRY[other].holds(table, left, school), REGISTRY[one].holds(table, right, school))
        if table == "survey" and left.empty:
            continue  # two surveys share no question
        assert differences(table, left, right, rows=False) == {}, table


def test_absence_is_there_for_nearly_everyone(told: dict[str, Told], truth: Tables) -> None:
    """Students are left out of the sums above only where a layout has no absence of them at all."""
    everyone = set(truth[SUMMED]["student"])
    holders = {name: one.tables[SUMMED] for name, one in told.items() if SUMMED in one.tables}
    shares = {name: len(set(frame["student"]) & everyone) / len(everyone) for name, frame in holders.items()}
    assert len(shares) >= 5 and min(shares.values()) > 0.97


# No identifiers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ABOUT_STUDENTS)
def test_no_direct_identifier_survives(told: dict[str, Told], school: SyntheticSchool, layout: str) -> None:
    """Names, mail, addresses and every number of a student stand in no cell of any table."""
    frames = told[layout].tables.values()
    cells = {str(cell) for frame in frames for name in frame for cell in frame[name].unique()}
    assert not cells & planted(school)


def test_the_deliveries_on_early_leaving_do_hold_identifiers(told: dict[str, Told], school: SyntheticSchool) -> None:
    """The check above has something to find: each file names its students and half of them say where they live."""
    marks = identifiers(school)
    texts = [path.read_text(encoding="cp1252") for path in told["vsv"].folder.iterdir()]
    assert all(any(str(name) in text for name in set(marks.last_name.tolist())) for text in texts)
    streets = {str(address).rsplit(" ", 1)[0] for address in marks.address.tolist()}
    assert sum(any(street in text for street in streets) for text in texts) >= 8


# Planted faults ---------------------------------------------------------------------------------------------------

FAULTS = {
    "eduarte": ("Man: M", "Man: V", {"person.geslacht"}),
    "duo_ro": ("MBO-2: 2", "MBO-2: 3", {"programme_period.niveau"}),
    "grondslag_ip": ("MBO-2: 2", "MBO-2: 3", {"programme_period.niveau", "diploma.niveau"}),
    "tbg_i": ("BBL: BBL", "BBL: BOL", {"programme_period.leertraject"}),
    "vsv": ('"12": 3', '"12": 4', {"vsv_report.rows"}),
    "student_journey": ("end_date: einddatum", "end_date: begindatum", {"enrolment.end_date"}),
    "job_monitor": ("answer: JOB_hulp", "answer: JOB_sfeer", {"survey.answer"}),
    "osiris": ("end_date: afloopdatum", "end_date: ingangsdatum", {"enrolment.end_date"}),
}


@pytest.mark.parametrize("layout", FAULTS)
def test_one_wrong_code_is_noticed(
    told: dict[str, Told], truth: Tables, school: SyntheticSchool, tmp_path: Path, layout: str
) -> None:
    """Planted: a mapping with one code or one column wrong. The comparison names the column, and that one only."""
    right, wrong, where = FAULTS[layout]
    text = (MAPPINGS / f"{layout}.yaml").read_text(encoding="utf-8")
    assert right in text
    mapping = tmp_path / "wrong.yaml"
    mapping.write_text(text.replace(right, wrong), encoding="utf-8")
    assert set(against_truth(read(school, layout, told[layout].folder, mapping), truth, school)) == where


def test_a_lost_row_is_noticed(told: dict[str, Told], truth: Tables, school: SyntheticSchool) -> None:
    """Planted: one row of the truth is gone; the layout then has one too many."""
    fewer = {name: frame.iloc[1:] if name == "diploma" else frame for name, frame in truth.items()}
    assert against_truth(told["tbg_i"], fewer, school) == {"diploma.rows": 1}
