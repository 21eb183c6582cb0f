"""A student who is to get a fresh account (METHODS §7, attack 13c): re-dated, re-imported, erased, under a new number.

An account is a cohort. Whoever could move a student to a cohort that paid nothing yet would spend that student's
budget twice. Exports go the whole way here, delivery after delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest

from node.errors import UnusableInput
from node.folder import NodeFolder
from node.ingest import first_cohorts, ingest
from node.people import rotating, withheld
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms
from node.store import Store
from shared_schema import load_schema

KEY = PseudonymKey(b"k" * 32)
SCHEMA = load_schema()
MAPPING = """mapping: 1
layout: test
title: {nl: t, en: t}
sources: {s: {file: "s.csv"}}
identifier: {column: nr}
tables:
  enrolment:
    source: s
    columns: {enrolment_id: volg, start_date: start, end_date: eind}
"""
FIRST = {"1001": "2022-08-22;2023-07-31", "1002": "2022-08-22;", "1003": "2023-08-21;"}
Rows = Mapping[str, str]


class School:
    """One school's node: what it delivers, and in which account each number stands."""

    def __init__(self, folder: Path) -> None:
        self.folder = NodeFolder(folder)
        self.data, self._exports = self.folder.data, self.folder.exports
        self._exports.mkdir()
        self.folder.pseudonym_key.parent.mkdir()
        KEY.save(self.folder.pseudonym_key)

    @property
    def key(self) -> PseudonymKey:
        """The key as it is now."""
        return PseudonymKey.load(self.folder.pseudonym_key)

    def deliver(self, rows: Rows, layout: str = "test", replaces: Collection[str] = ()) -> None:
        self.folder.mapping.write_text(MAPPING.replace("layout: test", f"layout: {layout}"))
        lines = [f"{number};{number};{dates}" for number, dates in rows.items()]
        (self._exports / "s.csv").write_text("\n".join(["nr;volg;start;eind", *lines]) + "\n")
        ingest(self._exports, self.folder.mapping, self.data, self.key, SCHEMA, replaces)

    def rotate(self) -> None:
        rotating.rotate(self.folder)

    def link(self, old: str, new: str) -> None:
        with Pseudonyms.open(self.data) as pseudonyms:
            pseudonyms.link(KEY.pseudonym(old), KEY.pseudonym(new))

    def account(self, number: str) -> int | None:
        """The cohort that pays for this number."""
        with Pseudonyms.open(self.data) as pseudonyms:
            return pseudonyms.cohorts_of([self.key.pseudonym(number)])[self.key.pseudonym(number)]

    def by_the_delivery(self, number: str) -> int | None:
        """The defence off: the cohort as the present delivery would give it."""
        return first_cohorts(Store.open(self.data).tables()).get(self.key.pseudonym(number))


@pytest.fixture
def school(tmp_path: Path) -> School:
    made = School(tmp_path)
    made.deliver(FIRST)
    return made


def _redated(school: School) -> None:
    """A correction: the first enrolment was a year later after all."""
    school.deliver({**FIRST, "1001": "2023-08-21;"})


def _undated(school: School) -> None:
    """The date is taken away, which is the account "unknown"."""
    school.deliver({**FIRST, "1001": ";"})


def _gone_and_back(school: School) -> None:
    """Left out of one delivery, and delivered again as if new."""
    school.deliver({"1003": FIRST["1003"]})
    school.deliver({**FIRST, "1001": "2024-08-19;"})


def _withdrawn(school: School) -> None:
    """The delivery is withdrawn, and the student is delivered again as if new."""
    Store.open(school.data).withdraw("test")
    school.deliver({**FIRST, "1001": "2024-08-19;"})


def _by_another_layout(school: School) -> None:
    """Another layout takes the place of the one in which the student was first seen."""
    school.deliver({**FIRST, "1001": "2024-08-19;"}, layout="other", replaces=["test"])


def _erased(school: School) -> None:
    """Erased, lifted, and delivered again as if new."""
    with Pseudonyms.open(school.data) as table:
        withheld.withhold(table, [school.key.pseudonym("1001")], withheld.ERASED)
        withheld.settle(Store.open(school.data), table)
        assert school.by_the_delivery("1001") is None
        withheld.lift(table, [school.key.pseudonym("1001")], withheld.ERASED)
    school.deliver({**FIRST, "1001": "2024-08-19;"})


def _forgotten(school: School) -> None:
    """The year is removed, taken back, and the student delivered again as if new."""
    with Pseudonyms.open(school.data) as table:
        withheld.forget(table, 2022)
        withheld.settle(Store.open(school.data), table)
        assert Store.open(school.data).tables()["enrolment"]["enrolment_id"].tolist() == ["1003"]
        withheld.remember(table, 2022)
    school.deliver({**FIRST, "1001": "2024-08-19;"})


def _under_another_key(school: School) -> None:
    """The key is renewed while the student is away; back under another pseudonym, the student is not another one."""
    school.deliver({"1003": FIRST["1003"]})
    school.rotate()
    school.deliver({**FIRST, "1001": "2024-08-19;"})


ATTACKS = {
    _redated: 2023,
    _undated: None,
    _gone_and_back: 2024,
    _withdrawn: 2024,
    _by_another_layout: 2024,
    _erased: 2024,
    _forgotten: 2024,
    _under_another_key: 2024,
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_student_stays_in_the_first_account(school: School, attack: Callable[[School], None]) -> None:
    """By the delivery the student would have moved; by the permanent table, which pays, nothing moved."""
    attack(school)
    assert school.by_the_delivery("1001") == ATTACKS[attack] != 2022
    assert school.account("1001") == 2022
    assert (school.account("1002"), school.account("1003")) == (2022, 2023)


@pytest.mark.parametrize("linked", [False, True])
def test_a_new_number_is_new_unless_the_operator_links_it(school: School, linked: bool) -> None:
    """1001 comes back as 2001 in 2024. Not linked, that is somebody new: the limit that is documented."""
    if linked:
        school.deliver({**FIRST, "2001": "2024-08-19;"})
        school.link("1001", "2001")
    school.deliver({**FIRST, "2001": "2024-08-19;"})
    assert school.account("2001") == (2022 if linked else 2024)


def test_a_link_moves_nobody_to_a_younger_account(school: School) -> None:
    """Linked the other way round, the old number would follow the new one's account: refused, and nothing changes."""
    school.deliver({**FIRST, "2001": "2024-08-19;"})
    with pytest.raises(UnusableInput):
        school.link("2001", "1001")
    assert (school.account("1001"), school.account("2001")) == (2022, 2024)


def test_another_key_makes_nobody_new(school: School, tmp_path: Path) -> None:
    """Under another pseudonym key everybody would be somebody else, with a fresh account: nothing is taken in."""
    with pytest.raises(UnusableInput) as found:
        ingest(tmp_path / "exports", school.folder.mapping, school.data, PseudonymKey(b"x" * 32), SCHEMA)
    assert found.value.code == "other_pseudonym_key"
    assert school.account("1001") == 2022


def test_a_key_put_back_from_a_backup_makes_nobody_new(school: School) -> None:
    """After a rotation the key of before would give everybody another pseudonym: nothing is taken in."""
    school.rotate()
    with pytest.raises(UnusableInput) as found:
        ingest(school.folder.exports, school.folder.mapping, school.data, KEY, SCHEMA)
    assert found.value.code == "rotation_unfinished"
    assert school.account("1001") == 2022
