"""How many columns of every shipped layout the assistant gets right from names and shapes, the layout forgotten."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from experiments.synthetic.sector import generate
from experiments.synthetic.writers.layouts import LAYOUTS, write_exports
from node.assistant.reading import read_samples
from node.assistant.suggesting import from_samples, shipped_layouts
from node.assistant.writing import mapping_text
from node.mapping_document import read_mapping
from shared_schema import load_schema
from tests.unit.node.assistant.accuracy import Judged, judge, place_of

SCHEMA = load_schema()
SYSTEMS = {
    "osiris": "Osiris",
    "eduarte": "EduArte",
    "duo_ro": "DUO",
    "uitnodigingsregel_v4": "Uitnodigingsregel",
}
"""Layout -> the system whose aliases stand in the schema, so that these can be forgotten too."""
LEAST_RIGHT = 0.9


def judged(layout: str, folder: Path, forgotten: str = "") -> Judged:
    """Write exports of a layout, propose a mapping without looking for shipped layouts, and judge every column."""
    if not folder.exists():
        write_exports(generate(schools=1, students=300, seed=11)[0], layout, folder)
    samples = read_samples(folder, SCHEMA, shipped_layouts().values())
    proposal = from_samples(samples, folder, SCHEMA, forgotten)
    proposed = read_mapping(mapping_text(proposal, dt.date(2026, 11, 27)))
    headings = {place_of(folder, proposed, name): sample.headings for name, sample in samples.items()}
    return judge(folder, headings, shipped_layouts()[layout], proposed, proposal)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Judged]:
    """The judgement of a layout, made once."""
    root = tmp_path_factory.mktemp("exports")
    return cache(lambda layout: judged(layout, root / layout))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_at_least_nine_in_ten_columns_are_right_and_none_is_wrong_in_silence(
    layout: str, measured: Callable[[str], Judged]
) -> None:
    """Recognition of layouts is off: names, synonyms, code lists and shapes of cells have to do it."""
    found = measured(layout)
    assert found.named("wrong") == []
    assert found.share() >= LEAST_RIGHT, (found.count(), found.named("open"), found.named("missed"))


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout in SYSTEMS])
def test_nothing_is_wrong_in_silence_when_the_schema_forgets_the_system_too(layout: str, tmp_path: Path) -> None:
    """The aliases that the schema has from this very system do not count: fewer are right, and still none is wrong."""
    found = judged(layout, tmp_path / layout, SYSTEMS[layout])
    assert found.named("wrong") == []


PAGE = Path(__file__).parents[4] / "docs" / "mapping-assistant.md"
ROW = re.compile(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)


def test_the_page_claims_no_more_than_is_measured(measured: Callable[[str], Judged]) -> None:
    """Every row of the table in docs/mapping-assistant.md: a layout that exists, and figures that hold."""
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert len(rows) >= 10
    for layout, columns, right, *others in rows:
        count = measured(layout).count()
        assert (int(columns), int(right)) <= (sum(count.values()), count["right"]), layout
        assert sum(map(int, others)) == int(columns) - int(right) and int(others[-1]) == count["wrong"] == 0


def test_a_wrong_mapping_is_judged_wrong(tmp_path: Path) -> None:
    """Positive control: two columns of a right proposal change places, and both are found; a dropped one is missed."""
    write_exports(generate(schools=1, students=60, seed=11)[0], "osiris", tmp_path)
    samples = read_samples(tmp_path, SCHEMA, shipped_layouts().values())
    proposal = from_samples(samples, tmp_path, SCHEMA)
    text = mapping_text(proposal, dt.date(2026, 11, 27))
    swapped = text.replace("team: team", "team: college").replace("college: college", "college: team")
    swapped = swapped.replace("applications: aantal_aanmeldingen", "")
    proposed = read_mapping(swapped)
    headings = {place_of(tmp_path, proposed, name): sample.headings for name, sample in samples.items()}
    found = judge(tmp_path, headings, shipped_layouts()["osiris"], proposed, proposal)
    assert [name.rpartition(" ")[2] for name in found.named("wrong")] == ["team", "college"]
    assert [name.rpartition(" ")[2] for name in found.named("missed")] == ["aantal_aanmeldingen"]
