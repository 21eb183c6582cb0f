"""Arrives: who the coalition is. Leaves: a validated, hashed charter, and the keys and thresholds that nodes
obey.

The charter is the trust root: a node takes every identity, the number of colluding schools t and the fewest
schools from it, and accepts it only when its own FG signed it (`statements.CharterAcceptance`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from privacy import canonical
from privacy.errors import CharterError
from privacy.identity import fingerprint
from privacy.statements import is_count, is_digest, is_identifier

TAG: Final = "datacoalitie/charter/1"
ROLES: Final = ("analyst", "coordinator", "reviewer", "fg")
MAX_BYTES: Final = 1_000_000
_MAX_NAME: Final = 200
_COHORTS: Final = range(1990, 2101)


def _require(holds: bool, rule: str, found: str, remedy: str = "Correct the charter and sign it again.") -> None:
    if not holds:
        raise CharterError(f"{rule} Found: {found}. {remedy}")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_NAME and value.isprintable() and value == value.strip()


@dataclass(frozen=True)
class School:
    """A member: its id, its name, the raw Ed25519 keys of its node and its FG, and public sizes per cohort.

    enrolments: school year of first enrolment -> number of students as published (DUO); declared, never
    measured.
    """

    id: str
    name: str
    node_key: bytes
    fg_key: bytes
    enrolments: Mapping[int, int] = field(hash=False)

    def __post_init__(self) -> None:
        _require(is_identifier(self.id), "A school's id is 1-64 letters, digits, '.', '-' or '_'.", "another id")
        _require(_is_name(self.name), "A school's name is 1-200 printable characters.", f"school {self.id}")
        keys = is_digest(self.node_key) and is_digest(self.fg_key)
        _require(keys, "A school's keys are 32 raw bytes each.", f"school {self.id}")
        years = all(is_count(year) and year in _COHORTS for year in self.enrolments)
        _require(years, "Cohorts are school years from 1990 to 2100.", f"school {self.id}")
        sizes = all(is_count(size) for size in self.enrolments.values())
        _require(sizes, "Public sizes are whole numbers >= 0.", f"school {self.id}")
        object.__setattr__(self, "enrolments", MappingProxyType(dict(sorted(self.enrolments.items()))))

    def fields(self) -> list[Any]:
        """The school as a canonical array."""
        sizes = [[year, size] for year, size in self.enrolments.items()]
        return [self.id, self.name, self.node_key, self.fg_key, sizes]


@dataclass(frozen=True)
class Person:
    """Someone who signs: an analyst, coordinator, reviewer or FG of a school (raw Ed25519 key).

    school: the id of the person's school; "" for a coordinator who belongs to none.
    """

    id: str
    school: str
    role: str
    key: bytes

    def __post_init__(self) -> None:
        _require(is_identifier(self.id), "A person's id is 1-64 letters, digits, '.', '-' or '_'.", "another id")
        known = isinstance(self.role, str) and self.role in ROLES
        _require(known, f"A role is one of {', '.join(ROLES)}.", f"person {self.id}")
        _require(is_digest(self.key), "A person's key is 32 raw bytes.", f"person {self.id}")
        outside = isinstance(self.school, str) and self.school == "" and self.role == "coordinator"
        _require(
            outside or is_identifier(self.school),
            "Only a coordinator may have no school.",
            f"person {self.id}",
        )

    def fields(self) -> list[Any]:
        """The person as a canonical array."""
        return [self.id, self.school, self.role, self.key]


@dataclass(frozen=True)
class Charter:
    """The coalition's signed list of members and thresholds.

    version: 1, 2, …; previous_hash: None for version 1, else the hash of the charter it follows;
    collusion_threshold: t, how many participating schools may collude with the coordinator; smallest_roster:
    fewest schools in a joint release; schools_per_person: m, at how many schools one person may be;
    planning_students: n_max, the planning total.
    """

    name: str
    version: int
    previous_hash: bytes | None
    coordinator_key: bytes
    schools: tuple[School, ...]
    people: tuple[Person, ...]
    collusion_threshold: int
    smallest_roster: int
    schools_per_person: int = 2
    planning_students: int = 500_000

    def __post_init__(self) -> None:
        _check_version(self)
        _check_thresholds(self)
        _check_order([school.id for school in self.schools], "schools")
        _check_order([person.id for person in self.people], "people")
        _check_keys(self)
        for person in self.people:
            _check_person(self, person)

    @property
    def hash(self) -> bytes:
        """SHA-256 of `to_bytes()`: what statements and contexts name."""
        return hashlib.sha256(self.to_bytes()).digest()

    def fields(self) -> tuple[Any, ...]:
        """The fields in the order in which they are hashed; schools, people and sizes are sorted."""
        return (
            self.name,
            self.version,
            self.previous_hash,
            self.coordinator_key,
            [school.fields() for school in self.schools],
            [person.fields() for person in self.people],
            self.collusion_threshold,
            self.smallest_roster,
            self.schools_per_person,
            self.planning_students,
        )

    def to_bytes(self) -> bytes:
        """Canonical bytes: [TAG, *fields]."""
        return canonical.tagged(TAG, *self.fields())

    @classmethod
    def from_bytes(cls, data: bytes) -> Charter:
        """Read `to_bytes`, checking every rule again. Raises `CharterError` or `canonical`'s error."""
        value = canonical.decode(data, max_bytes=MAX_BYTES)
        shaped = canonical.is_tagged(value, TAG, 11)
        _require(
            shaped,
            f"A charter is an array headed by {TAG}.",
            "something else",
            "Send the charter file whole.",
        )
        assert isinstance(value, list)
        name, version, previous, coordinator, schools, people, *numbers = value[1:]
        t, smallest, per_person, planning = numbers
        members = _schools(schools), _people(people)
        return cls(name, version, previous, coordinator, *members, t, smallest, per_person, planning)

    def school(self, school: str) -> School:
        """The school with this id. Raises `CharterError`."""
        for member in self.schools:
            if member.id == school:
                return member
        raise CharterError(
            "A school must be a member of the charter. "
            f"Found: an id that version {self.version} does not list. "
            "Ask the coordinator for a charter that lists it."
        )

    def person(self, person: str) -> Person:
        """The person with this id. Raises `CharterError`."""
        for member in self.people:
            if member.id == person:
                return member
        raise CharterError(
            "A person who signs must be listed in the charter. "
            f"Found: an id that version {self.version} does not list. "
            "Ask the coordinator for a charter that lists this person."
        )

    def people_with(self, role: str, school: str | None = None) -> tuple[Person, ...]:
        """Everyone with this role, of this school if one is given, sorted by id."""
        _require(role in ROLES, f"A role is one of {', '.join(ROLES)}.", "another role", "Ask for a known role.")
        return tuple(p for p in self.people if p.role == role and school in (None, p.school))


def accepts_successor(current: Charter, successor: Charter) -> None:
    """Return when `successor` may replace `current`: versions never go back. Raises `CharterError`."""
    _require(
        successor.version == current.version + 1,
        "A charter's version is one more than that of the charter it replaces.",
        f"version {successor.version} after version {current.version}",
        "Accept the charters one by one, in order.",
    )
    _require(
        successor.previous_hash == current.hash,
        "A charter names the hash of the charter it replaces.",
        "the hash of another charter",
        "Ask the coordinator which charter this one was made from.",
    )


class Change(NamedTuple):
    """One thing that a charter's successor says otherwise; "-" where one does not say it; keys as fingerprints."""

    who: str
    what: str
    was: str
    becomes: str


def changes(before: Charter, after: Charter) -> list[Change]:
    """What the successor changes, sorted: the keys among it are those to compare by another channel."""
    old, new = _said(before), _said(after)
    rows = (Change(*place, old.get(place, "-"), new.get(place, "-")) for place in sorted({**old, **new}))
    return [row for row in rows if row.was != row.becomes]


def _said(charter: Charter) -> dict[tuple[str, str], str]:
    """Everything that a charter fixes, by (who, what)."""
    said = {("charter", "name"): charter.name, ("coordinator", "key"): fingerprint(charter.coordinator_key)}
    for number in ("collusion_threshold", "smallest_roster", "schools_per_person", "planning_students"):
        said["charter", number] = str(getattr(charter, number))
    for school in charter.schools:
        said[school.id, "name"] = school.name
        said[school.id, "node key"], said[school.id, "FG key"] = map(fingerprint, (school.node_key, school.fg_key))
        said |= {(school.id, f"students {year}"): str(size) for year, size in school.enrolments.items()}
    for person in charter.people:
        said[person.id, f"{person.role} of {person.school or 'no school'}"] = fingerprint(person.key)
    return said


def _check_version(charter: Charter) -> None:
    _require(_is_name(charter.name), "A charter's name is 1-200 printable characters.", "another name")
    _require(is_count(charter.version) and charter.version >= 1, "Versions count from 1.", "another version")
    first = charter.version == 1 and charter.previous_hash is None
    later = charter.version > 1 and is_digest(charter.previous_hash)
    _require(first or later, "Version 1 follows nothing; a later one names a hash of 32 bytes.", "neither")


def _check_thresholds(charter: Charter) -> None:
    t, fewest = charter.collusion_threshold, charter.smallest_roster
    _require(is_count(t) and t >= 1, "At least one school may collude (t >= 1).", f"t = {t}")
    _require(
        is_count(fewest) and fewest >= t + 2,
        "The smallest roster is at least t + 2.",
        f"{fewest} with t = {t}",
    )
    members = len(charter.schools)
    _require(members >= fewest, "A charter lists at least the smallest roster.", f"{members} schools for {fewest}")
    m = charter.schools_per_person
    _require(is_count(m) and 1 <= m <= 100, "A person may be at 1-100 schools.", "another number")
    n = charter.planning_students
    _require(is_count(n) and n >= 1, "The planning total is a whole number >= 1.", "another number")


def _check_order(ids: Sequence[str], what: str) -> None:
    _require(
        list(ids) == sorted(set(ids)),
        f"The {what} stand sorted by id, each once.",
        "another order or a repeat",
    )


def _check_keys(charter: Charter) -> None:
    """No key stands for two identities, or one party could answer as another."""
    _require(is_digest(charter.coordinator_key), "The coordinator's key is 32 raw bytes.", "something else")
    keys = [charter.coordinator_key]
    for school in charter.schools:
        keys += [school.node_key, school.fg_key]
    _distinct(keys, "The coordinator, every node and every FG have each their own key.")
    _distinct([person.key for person in charter.people], "Every person has an own key.")


def _distinct(keys: Sequence[bytes], rule: str) -> None:
    _require(len(set(keys)) == len(keys), rule, "one key for two of them", "Make a new key for one of them.")


def _check_person(charter: Charter, person: Person) -> None:
    schools = {school.id: school for school in charter.schools}
    member = person.school in schools or person.school == ""
    _require(member, "A person's school is a member.", f"person {person.id} of a school that is not")
    if person.role == "fg":
        own = person.key == schools[person.school].fg_key
        _require(own, "An FG signs with the key that the school lists as its FG's.", f"person {person.id}")
        return
    taken = {key for school in charter.schools for key in (school.node_key, school.fg_key)}
    _require(person.key not in taken, "Only an FG holds an FG's key, only a node a node's.", f"person {person.id}")
    coordinates = person.role == "coordinator" or person.key != charter.coordinator_key
    _require(coordinates, "Only a coordinator holds the coordinator's key.", f"person {person.id}")


def _rows(value: object, width: int, what: str) -> Iterable[list[Any]]:
    _require(isinstance(value, list), f"A charter's {what} are an array.", "something else")
    assert isinstance(value, list)
    for row in value:
        _require(
            isinstance(row, list) and len(row) == width,
            f"Each of {what} has {width} fields.",
            "another number",
        )
        yield row


def _schools(value: object) -> tuple[School, ...]:
    rows = _rows(value, 5, "schools")
    return tuple(School(id, name, node, fg, _sizes(sizes)) for id, name, node, fg, sizes in rows)


def _sizes(value: object) -> dict[int, int]:
    pairs = list(_rows(value, 2, "public sizes"))
    years = [year for year, _ in pairs]
    ordered = all(is_count(year) for year in years) and years == sorted(set(years))
    _require(ordered, "Public sizes stand sorted by cohort, each once.", "another order or a repeat")
    return dict(pairs)


def _people(value: object) -> tuple[Person, ...]:
    return tuple(Person(*row) for row in _rows(value, 4, "people"))
