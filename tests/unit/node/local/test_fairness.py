"""How a list does for each group: shares by hand, and a list that overlooks one group is called out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from node.local import fairness
from tests.unit.node.local.school import SCHEMA, pseudonym


def setting(overlooked: bool, n: int = 400) -> tuple[pd.Series, pd.Series, dict[str, pd.DataFrame]]:
    """Half men, half women, a quarter of each leaves; the scores see who leaves, women's perhaps not."""
    rng = np.random.default_rng(2)
    students = pd.Index([pseudonym(number) for number in range(n)], name="student")
    women = np.arange(n) % 2 == 1
    left = (np.arange(n) // 2 % 4 == 0).astype(float)
    seen = np.where(women & overlooked, 0.0, left)
    person = pd.DataFrame(
        {"student": students, "geslacht": np.where(women, "V", "M"), "vooropleiding": np.where(women, "HAVO", "MBO")}
    )
    person.loc[:10, "vooropleiding"] = "prak"
    person.loc[20:35, "vooropleiding"] = "basis"
    labels = pd.Series(left, index=students)
    return pd.Series(seen + 0.1 * rng.random(n), index=students), labels, {"person": person}


def test_a_list_that_sees_everyone_alike_has_no_warning() -> None:
    scores, labels, tables = setting(overlooked=False)
    assert not any(group.unlike_others for group in fairness.groups(scores, labels, 0.25, tables, SCHEMA))


def test_a_list_that_overlooks_one_group_is_called_out() -> None:
    """Of the women who left nearly nobody stood on the list, of the men everyone."""
    scores, labels, tables = setting(overlooked=True)
    found = {group.label.nl: group for group in fairness.groups(scores, labels, 0.25, tables, SCHEMA)}
    women, men = found["geslacht: vrouw"], found["geslacht: man"]
    assert women.unlike_others and men.unlike_others
    top = set(scores.sort_values(ascending=False).index[:100])
    codes = tables["person"].set_index("student")["geslacht"]
    for code, group in (("V", women), ("M", men)):
        own = [student for student in scores.index if codes[student] == code]
        listed = [student for student in own if student in top]
        assert (group.students, group.listed) == (len(own), len(listed))
        assert group.recall is not None and group.precision is not None
        hits = sum(labels[student] for student in listed)
        assert group.recall.value == hits / sum(labels[student] for student in own)
        assert group.precision.value == hits / len(listed)


def test_fewer_than_twelve_students_are_no_group_and_have_no_share() -> None:
    """Eleven are not shown; of sixteen, fewer than twelve were listed and fewer than twelve left."""
    scores, labels, tables = setting(overlooked=False)
    found = {group.label.nl: group for group in fairness.groups(scores, labels, 0.25, tables, SCHEMA)}
    assert "vooropleiding: praktijkonderwijs" not in found
    few = found["vooropleiding: basisonderwijs"]
    assert (few.students, few.precision, few.recall, few.unlike_others) == (16, None, None, False)


def test_a_long_table_does_not_find_something_every_time() -> None:
    """Two hundred lists drawn by lot over many groups: at 95 % for the whole table, few are called out."""
    n, called = 480, 0
    codes = ["VMBO_BB", "VMBO_KB", "VMBO_GL", "VMBO_TL", "HAVO", "MBO"]
    students = pd.Index([pseudonym(number) for number in range(n)], name="student")
    person = pd.DataFrame({"student": students, "vooropleiding": [codes[i % 6] for i in range(n)]})
    person["geslacht"] = ["M" if i % 4 < 2 else "V" for i in range(n)]
    for seed in range(200):
        rng = np.random.default_rng(seed)
        scores = pd.Series(rng.random(n), index=students)
        labels = pd.Series((rng.random(n) < 0.3).astype(float), index=students)
        found = fairness.groups(scores, labels, 0.3, {"person": person}, SCHEMA)
        called += any(group.unlike_others for group in found)
    assert called <= 20
