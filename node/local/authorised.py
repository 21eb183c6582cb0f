"""NODE/local/bevoegd.yaml and a name arrive; leave to see a team's own students, or a refusal, leaves.

At most six people a team see that team's students, and no other team's. Pages of figures need no leave: they show
nobody.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from node.errors import UnusableInput
from node.local import list_log
from shared_schema import documents
from shared_schema.documents import StrictModel

if TYPE_CHECKING:
    from node.folder import NodeFolder
    from node.local.school import School

FILE = "bevoegd.yaml"
MOST = 6
RULE = f"A team's students are shown to at most {MOST} people whom the school named for that team."
Name = Annotated[str, Field(min_length=1, max_length=80)]


class Authorised(StrictModel):
    """bevoegd.yaml: for each team who may see its students."""

    bevoegd: Literal[1]
    teams: dict[str, Annotated[list[Name], Field(max_length=MOST)]]


def leave(school: School, team: str, asked_by: str | None, what: str, students: int) -> str:
    """Return who asks, if that person may see this team's students; the list is put on record before it is made.

    Raises `UnusableInput` for a person who is not named for this team or where the school named nobody, `DocumentError`
    for a document that cannot be read, `StorageFailed` when the record is not taken.
    """
    person = list_log.asker(asked_by)
    check(school.folder, team, person)
    line = {"what": what, "asked_by": person, "team": team, "delivery": school.delivery, "students": students}
    list_log.record(school.folder.local, line, datetime.datetime.now(tz=datetime.UTC))
    return person


def check(folder: NodeFolder, team: str, person: str) -> None:
    """Raise as `leave` unless this person may see this team's students; nothing is put on record."""
    path = folder.local / FILE
    if not path.is_file():
        remedy = f"Write NODE/local/{FILE}: bevoegd: 1, teams: {{TEAM: [ACCOUNT, ...]}}."
        raise UnusableInput("nobody_authorised", RULE, f"no {FILE}", remedy)
    named = documents.read(path, Authorised).teams.get(team, [])
    if person not in named:
        remedy = f"The school adds the account in NODE/local/{FILE}, or another account asks: --asked-by."
        raise UnusableInput("not_authorised", RULE, "somebody who is not named for this team", remedy)
