"""The charter: every rule can fail, lookups find, and versions only go forward one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from privacy import canonical
from privacy.charter import TAG, Charter, Person, School, accepts_successor
from privacy.errors import CharterError
from tests.ledger_world import make_charter

KEYS = [bytes([16 + i]) * 32 for i in range(7)]
CHARTER = make_charter(KEYS[0], [(KEYS[1], KEYS[2]), (KEYS[3], KEYS[4]), (KEYS[5], KEYS[6])])


def test_a_charter_survives_the_wire_and_keeps_its_hash() -> None:
    """Bytes and back: equal, hashable, the same hash; a school's sizes cannot be changed afterwards."""
    again = Charter.from_bytes(CHARTER.to_bytes())
    assert again == CHARTER and again.hash == CHARTER.hash and hash(again) == hash(CHARTER)
    with pytest.raises(TypeError):
        again.schools[0].enrolments[2023] = 1  # type: ignore[index]


def test_lookups() -> None:
    """Schools and people are found by id and by role; unknown ones are refused."""
    assert CHARTER.school("s1").node_key == KEYS[3]
    assert CHARTER.person("ana").role == "analyst"
    assert [p.id for p in CHARTER.people_with("reviewer")] == ["rev-0", "rev-2"]
    assert [p.id for p in CHARTER.people_with("reviewer", "s2")] == ["rev-2"]
    for ask in (lambda: CHARTER.school("s9"), lambda: CHARTER.person("s9"), lambda: CHARTER.people_with("boss")):
        with pytest.raises(CharterError):
            ask()


def _person(**changes: Any) -> tuple[Person, ...]:
    return (Person(**{"id": "p", "school": "s0", "role": "analyst", "key": bytes([9]) * 32, **changes}),)


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("A charter's name", {"name": ""}),
        ("A charter's name", {"name": "line\nbreak"}),
        ("Versions count from 1", {"version": 0}),
        ("Version 1 follows nothing", {"previous_hash": b"h" * 32}),
        ("Version 1 follows nothing", {"version": 2}),
        ("t >= 1", {"collusion_threshold": 0}),
        ("at least t \\+ 2", {"smallest_roster": 2}),
        ("at least t \\+ 2", {"collusion_threshold": 2}),
        ("at least the smallest roster", {"smallest_roster": 4}),
        ("1-100 schools", {"schools_per_person": 0}),
        ("planning total", {"planning_students": 0}),
        ("sorted by id", {"schools": CHARTER.schools[::-1]}),
        ("sorted by id", {"schools": (CHARTER.schools[0], *CHARTER.schools)}),
        ("sorted by id", {"people": CHARTER.people[::-1]}),
        ("coordinator's key is 32", {"coordinator_key": b"short"}),
        ("each their own key", {"coordinator_key": KEYS[1]}),
        ("each their own key", {"schools": (replace(CHARTER.schools[0], node_key=KEYS[3]), *CHARTER.schools[1:])}),
        ("Every person has an own key", {"people": (*_person(), Person("q", "s0", "reviewer", bytes([9]) * 32))}),
        ("school is a member", {"people": _person(school="s9")}),
        ("lists as its FG's", {"people": _person(role="fg")}),
        ("Only an FG holds", {"people": _person(key=KEYS[2])}),
        ("Only an FG holds", {"people": _person(key=KEYS[1])}),
        ("Only a coordinator holds", {"people": _person(key=KEYS[0])}),
    ],
)
def test_each_rule_of_a_charter_can_fail(rule: str, changes: dict[str, Any]) -> None:
    """One change breaks one rule, and the message says which."""
    with pytest.raises(CharterError, match=rule):
        replace(CHARTER, **changes)


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("school's id", {"id": "a b"}),
        ("school's name", {"name": " padded"}),
        ("keys are 32", {"node_key": b"short"}),
        ("keys are 32", {"fg_key": b"short"}),
        ("Cohorts are school years", {"enrolments": {1066: 5}}),
        ("Public sizes", {"enrolments": {2023: -1}}),
    ],
)
def test_each_rule_of_a_school_can_fail(rule: str, changes: dict[str, Any]) -> None:
    """One change breaks one rule, and the message says which."""
    with pytest.raises(CharterError, match=rule):
        replace(CHARTER.schools[0], **changes)


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("person's id", {"id": "x/y"}),
        ("A role is one of", {"role": "boss"}),
        ("person's key", {"key": b"short"}),
        ("Only a coordinator may have no school", {"school": ""}),
    ],
)
def test_each_rule_of_a_person_can_fail(rule: str, changes: dict[str, Any]) -> None:
    """One change breaks one rule, and the message says which."""
    with pytest.raises(CharterError, match=rule):
        _person(**changes)


def _fields(position: int, value: Any) -> bytes:
    fields = list(CHARTER.fields())
    fields[position] = value
    return canonical.tagged(TAG, *fields)


@pytest.mark.parametrize(
    "data",
    [
        canonical.encode("text"),
        canonical.tagged("datacoalitie/charter/2", *CHARTER.fields()),
        canonical.tagged(TAG, *CHARTER.fields()[:-1]),
        _fields(4, "schools"),
        _fields(4, [["s0"]]),
        _fields(4, [["s0", "School", KEYS[1], KEYS[2], [[2024, 1], [2023, 1]]]]),
        _fields(4, [["s0", "School", KEYS[1], KEYS[2], [["2024", 1]]]]),
        _fields(5, [1]),
    ],
)
def test_bytes_of_another_shape_are_refused(data: bytes) -> None:
    """Only the exact array, with sorted rows of the right width, is read."""
    with pytest.raises(CharterError):
        Charter.from_bytes(data)


def test_versions_go_forward_one_by_one() -> None:
    """The next version names the hash of this one; going back, skipping or another parent is refused."""
    second = replace(CHARTER, version=2, previous_hash=CHARTER.hash, smallest_roster=3)
    third = replace(second, version=3, previous_hash=second.hash)
    accepts_successor(CHARTER, second)
    accepts_successor(second, third)
    for current, successor in [(CHARTER, third), (second, CHARTER), (CHARTER, CHARTER)]:
        with pytest.raises(CharterError, match="one more than"):
            accepts_successor(current, successor)
    with pytest.raises(CharterError, match="hash of the charter it replaces"):
        accepts_successor(CHARTER, replace(second, previous_hash=b"x" * 32))


def test_a_school_reads_its_sizes_sorted() -> None:
    """However the sizes were given, the bytes are the same."""
    first, *rest = CHARTER.schools
    shuffled = School(first.id, first.name, first.node_key, first.fg_key, {2024: 380, 2023: 400})
    assert replace(CHARTER, schools=(shuffled, *rest)).to_bytes() == CHARTER.to_bytes()
