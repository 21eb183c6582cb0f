"""charter.yaml and the schools' cards arrive; a validated `Charter` leaves, ready for every FG to compare and sign.

A card is what `coalition-node init` writes at a school: id, name, public keys, public sizes. It holds nothing that
is secret, but keys must be compared by another channel before an FG accepts the charter (`fingerprints`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coalition.errors import UsageFailed
from privacy.charter import Charter, Person, School
from privacy.identity import fingerprint
from shared_schema import documents

if TYPE_CHECKING:
    from collections.abc import Iterable

CARD_BYTES = 65_536
PublicKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Card(BaseModel):
    """What one school tells the coalition about itself: public keys and published sizes per cohort."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    card: Literal[1]
    id: str
    name: str
    node_key: PublicKey
    fg_key: PublicKey
    enrolments: dict[Annotated[int, Field(ge=1990, le=2100)], Annotated[int, Field(ge=0)]]

    def school(self) -> School:
        """The same as a member of a charter."""
        return School(self.id, self.name, bytes.fromhex(self.node_key), bytes.fromhex(self.fg_key), self.enrolments)


class Signer(documents.StrictModel):
    """Someone who submits, reviews or coordinates, with the public half of the key made by `coalition key`."""

    id: str
    school: str
    role: Literal["analyst", "coordinator", "reviewer", "fg"]
    key: PublicKey

    def person(self) -> Person:
        """The same as a person of a charter."""
        return Person(self.id, self.school, self.role, bytes.fromhex(self.key))


class CharterDocument(documents.StrictModel):
    """What the coalition wrote down: who takes part and how much collusion is withstood."""

    charter: Literal[1]
    name: str
    collusion_threshold: int
    smallest_roster: int
    schools_per_person: int = 2
    planning_students: int = 500_000
    schools: Annotated[list[str], Field(min_length=3, max_length=1000)]
    people: Annotated[list[Signer], Field(max_length=1000)]


def read(path: Path, coordinator_key: bytes, previous: Charter | None = None) -> Charter:
    """Read charter.yaml and the cards it names (relative to its folder) into a charter.

    `previous` is the charter that the new one follows, if any. Raises `DocumentError` (with lines), `UsageFailed`
    for a card that cannot be read, `CharterError` for members or thresholds that contradict each other.
    """
    document = documents.read(path, CharterDocument)
    schools = (read_card(path.parent / card).school() for card in document.schools)
    people = (signer.person() for signer in document.people)
    return Charter(
        name=document.name,
        version=1 if previous is None else previous.version + 1,
        previous_hash=None if previous is None else previous.hash,
        coordinator_key=coordinator_key,
        schools=_by_id(schools),
        people=_by_id(people),
        collusion_threshold=document.collusion_threshold,
        smallest_roster=document.smallest_roster,
        schools_per_person=document.schools_per_person,
        planning_students=document.planning_students,
    )


def _by_id(members: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(members, key=lambda member: member.id))


def read_card(path: Path) -> Card:
    """Read one school's card.json; `UsageFailed` when it is not one."""
    remedy = "Ask the school for the card.json that `coalition-node init` wrote."
    rule = f"{path.name} is a school's card."
    try:
        data = path.read_bytes()
        if len(data) > CARD_BYTES:
            raise UsageFailed("not_a_card", rule, f"{len(data)} bytes", remedy)
        return Card.model_validate_json(data)
    except OSError as error:
        raise UsageFailed("not_a_card", rule, f"{path}: {error.strerror}", remedy) from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        found = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        raise UsageFailed("not_a_card", rule, found, remedy) from None


def fingerprints(charter: Charter) -> list[tuple[str, str, str]]:
    """(who, which key, fingerprint) of every key in the charter: what FGs compare by telephone."""
    keys = [("coordinator", "coordinator", fingerprint(charter.coordinator_key))]
    for school in charter.schools:
        keys.append((school.id, "node", fingerprint(school.node_key)))
        keys.append((school.id, "fg", fingerprint(school.fg_key)))
    return keys + [(person.id, person.role, fingerprint(person.key)) for person in charter.people]
