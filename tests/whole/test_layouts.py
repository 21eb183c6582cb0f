"""Five layouts, one truth: what a writer exports, the node's intake and mapping bring back.

Each synthetic school is written as its own system would export it, read by the mapping that ships for that layout, and
compared, student by student, with the generator's own tables on the columns that both have.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from experiments.synthetic.complete import pseudonyms, tables
from experiments.synthetic.identifiers import identifiers, planted
from experiments.synthetic.sector import SyntheticSchool, generate
from experiments.synthetic.writers import DEALT, REGISTRY, layout_of, write_exports
from node.conformance import Verdict
from node.errors import UnusableInput
from node.ingest import Examined, examine
from node.people.pseudonym_key import PseudonymKey
from shared_schema import features, load_schema, outcomes

SCHEMA = load_schema()
KEY = PseudonymKey(b"a key for this test only, 32 byte")
MAPPINGS = Path(__file__).parents[2] / "node" / "mappings"
CUTOFF = 10

Tables = Mapping[str, pd.DataFrame]


@dataclasses.dataclass(frozen=True)
class Delivered:
    """One school's exports as they came back: tables under the generator's pseudonyms, beside the complete ones."""

    layout: str
    school: SyntheticSchool
    folder: Path
    examined: Examined
    mapped: Tables
    complete: Tables


def _deliver(school: SyntheticSchool, layout: str, folder: Path) -> Delivered:
    write_exports(school, layout, folder)
    examined = examine(folder, MAPPINGS / f"{layout}.yaml", KEY, SCHEMA)
    names = _pseudonyms_by_identifier(school, layout)
    mapped = {name: frame.assign(student=frame["student"].map(names)) for name, frame in examined.tables.items()}
    return Delivered(layout, school, folder, examined, mapped, tables(school))


def _pseudonyms_by_identifier(school: SyntheticSchool, layout: str) -> dict[str, str]:
    """The node's pseudonym of each student -> the generator's."""
    known_as = REGISTRY[layout].known_as
    assert known_as is not None
    names = known_as(school).tolist()
    return {KEY.pseudonym(name): str(own) for name, own in zip(names, pseudonyms(school), strict=True)}


@pytest.fixture(scope="module")
def deliveries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Delivered]:
    """Five schools of 1,000 students, each in another layout."""
    root = tmp_path_factory.mktemp("layouts")
    schools = generate(schools=5, students=1000, seed=1)
    names = [layout_of(index) for index in range(5)]
    return {name: _deliver(school, name, root / name) for name, school in zip(names, schools, strict=True)}


@pytest.fixture(params=DEALT)
def delivered(request: pytest.FixtureRequest, deliveries: dict[str, Delivered]) -> Delivered:
    return deliveries[request.param]


def test_every_export_passes_the_quality_report(delivered: Delivered) -> None:
    """The shipped mapping reads the shipped layout without a warning, and finds every student."""
    assert delivered.examined.quality.verdict is Verdict.PASS
    assert set(delivered.mapped["person"]["student"]) == set(delivered.complete["person"]["student"])


# The same tables --------------------------------------------------------------------------------------------------


def _differences(delivered: Delivered, table: str, key: list[str], left: pd.DataFrame) -> dict[str, int]:
    """Shared column -> number of rows in which the mapped table says otherwise than `left`, matched on `key`."""
    right = delivered.mapped[table]
    both = left.merge(right, on=key, how="outer", suffixes=("", "_mapped"), indicator="found")
    shared = sorted((set(left) & set(right)) - set(key))
    assert shared, "nothing to compare"
    same = {name: _same(both[name], both[f"{name}_mapped"]) for name in shared}
    unmatched = {"rows": int((both["found"] != "both").sum())}
    return {name: int((~equal).sum()) for name, equal in same.items() if not equal.all()} | {
        name: count for name, count in unmatched.items() if count
    }


def _same(one: pd.Series, other: pd.Series) -> pd.Series:
    return (one == other).fillna(False).astype(bool) | (one.isna() & other.isna())


def _held(delivered: Delivered, table: str) -> pd.DataFrame:
    """The generator's table, as far as the layout can hold it."""
    return REGISTRY[delivered.layout].holds(table, delivered.complete[table], delivered.school)


def test_persons_are_the_same(delivered: Delivered) -> None:
    """Gender, prior education, postcode and apcg come back, but for what a layout merges and says so."""
    assert _differences(delivered, "person", ["student"], _held(delivered, "person")) == {}


def test_enrolments_are_the_same(delivered: Delivered) -> None:
    """Dates, cohort, reason, age, application and team come back for every enrolment that the layout holds."""
    assert _differences(delivered, "enrolment", ["student", "enrolment_id"], _held(delivered, "enrolment")) == {}


def test_programme_periods_are_the_same(delivered: Delivered) -> None:
    """Crebo, level, track and sector come back; layouts with a row per enrolment keep its first programme."""
    left = _held(delivered, "programme_period")
    assert _differences(delivered, "programme_period", ["student", "enrolment_id", "start_date"], left) == {}


@pytest.mark.parametrize("table", ["result", "diploma"])
def test_results_and_diplomas_are_the_same(delivered: Delivered, table: str) -> None:
    """Where a layout has marks or diplomas, they are all there."""
    holds = {"result": {"eduarte", "excel_workbook"}, "diploma": set(DEALT) - {"uitnodigingsregel_v4"}}
    assert (table in delivered.mapped) == (delivered.layout in holds[table])
    if table in delivered.mapped:
        key = {"result": ["student", "week"], "diploma": ["student", "crebo"]}[table]
        assert _differences(delivered, table, key, delivered.complete[table]) == {}


def _through_week_10(frame: pd.DataFrame, cumulative: bool) -> pd.DataFrame:
    """Hours per student through week 10: totals are read off, weeks and periods are added."""
    hours = [name for name in frame if str(name).startswith("hours_")]
    early = frame[frame["week"] <= CUTOFF].groupby("student")[hours]
    return early.max() if cumulative else early.sum()


def test_hours_through_week_10_are_the_same(delivered: Delivered) -> None:
    """Per week, per period, as a running total: the hours of the first ten weeks add up to the same for everyone."""
    mapped = _through_week_10(delivered.mapped["attendance"], delivered.layout == "osiris")
    complete = _through_week_10(delivered.complete["attendance"], False)
    shared = mapped.columns.intersection(complete.columns)
    gap = (mapped[shared] - complete.loc[mapped.index, shared]).abs()
    assert len(mapped) > 0.97 * len(complete)
    assert gap.max().max() < 1e-9


def test_outcomes_are_the_truth(delivered: Delivered) -> None:
    """`dropout_year_1` of the mapped tables is what the generator drew, whatever the layout had to say it with."""
    outcome = outcomes.compute(delivered.mapped, "dropout_year_1", SCHEMA)
    truth = dict(zip(pseudonyms(delivered.school), delivered.school.dropout.astype(float), strict=True))
    assert outcome.to_dict() == truth


def test_the_comparison_would_notice(deliveries: dict[str, Delivered]) -> None:
    """The comparisons above can fail: one wrong code and one lost row are both found."""
    given = deliveries["osiris"]
    wrong = given.complete["person"].copy()
    wrong.loc[0, "geslacht"] = "V" if wrong.loc[0, "geslacht"] == "M" else "M"
    assert _differences(given, "person", ["student"], wrong) == {"geslacht": 1}
    assert _differences(given, "person", ["student"], wrong.iloc[1:])["rows"] == 1


# No identifiers ---------------------------------------------------------------------------------------------------


def test_no_direct_identifier_survives_intake(delivered: Delivered) -> None:
    """Names, mail, addresses, BSNs and student numbers stand in the exports and in no cell of any table."""
    cells = {
        str(cell) for frame in delivered.examined.tables.values() for name in frame for cell in frame[name].unique()
    }
    assert not cells & planted(delivered.school)


@pytest.mark.parametrize("layout", ["osiris", "eduarte", "duo_ro", "uitnodigingsregel_v4"])
def test_the_exports_do_hold_direct_identifiers(deliveries: dict[str, Delivered], layout: str) -> None:
    """The check above has something to find: each text export holds names and numbers of its students."""
    exported = "".join(path.read_text(encoding="cp1252") for path in deliveries[layout].folder.iterdir())
    marks = identifiers(deliveries[layout].school)
    assert str(marks.last_name[0]) in exported
    assert str(deliveries[layout].school.students["number"][0]) in exported


def test_a_truncated_register_is_refused(tmp_path: Path, deliveries: dict[str, Delivered]) -> None:
    """A DUO file that lost a record does not match its closing counts and is refused whole."""
    given = deliveries["duo_ro"]
    for path in given.folder.iterdir():
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [*lines[:5], *lines[6:]] if path.name.startswith("RO_") else lines
        (tmp_path / path.name).write_text("\n".join(kept) + "\n", encoding="utf-8")
    with pytest.raises(UnusableInput, match="SLR"):
        examine(tmp_path, MAPPINGS / "duo_ro.yaml", KEY, SCHEMA)


# Learning together ------------------------------------------------------------------------------------------------


def _held_out_auc(parts: list[Tables]) -> float:
    """AUC of pooled logistic regression on the default features at week 10, mean of four splits within schools."""
    chosen = features.available(SCHEMA, CUTOFF)
    x, y, draw = [], [], []
    for school, shared in enumerate(parts):
        outcome = outcomes.compute(shared, "dropout_year_1", SCHEMA, cutoff_week=CUTOFF)
        x.append(features.build(shared, chosen, CUTOFF, SCHEMA).loc[outcome.index].to_numpy(float))
        y.append(outcome.to_numpy())
        draw.append(np.random.default_rng(school).random(len(outcome)))
    every, outcome, at = np.vstack(x), np.concatenate(y), np.concatenate(draw)
    found = []
    for split in range(4):
        test = (at >= split / 4) & (at < (split + 1) / 4)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=400)).fit(every[~test], outcome[~test])
        found.append(roc_auc_score(outcome[test], model.predict_proba(every[test])[:, 1]))
    return float(np.mean(found))


def test_five_layouts_learn_almost_as_well_as_complete_data(deliveries: dict[str, Delivered]) -> None:
    """What layouts lose costs pooled logistic regression less than .01 AUC; losing all absence would cost more."""
    complete = _held_out_auc([given.complete for given in deliveries.values()])
    mapped = _held_out_auc([given.mapped for given in deliveries.values()])
    without = _held_out_auc(
        [{name: frame for name, frame in given.mapped.items() if name != "attendance"} for given in deliveries.values()]
    )
    assert complete - mapped < 0.01
    assert complete - without >= 0.01
