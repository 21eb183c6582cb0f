"""NODE/local/kwaliteitskaart.yaml arrives; the school's own norms and each team's PDCA notes leave.

The notes are a team's own words about a figure. They are shown beside it and go nowhere else: text is never a feature.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from privacy.identity import write_private
from shared_schema import documents
from shared_schema.documents import StrictModel
from shared_schema.indicators import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "kwaliteitskaart.yaml"
Note = Annotated[str, Field(max_length=2000)]
Scale = Annotated[float, Field(ge=1, le=5, strict=False)]

STARTER = """\
# Kwaliteitskaart: eigen normen en de PDCA-notities van teams. Alleen om te tonen; blijft op school.
# Quality card: the school's own norms and teams' PDCA notes. Only to be shown; stays at the school.
kwaliteitskaart: 1
# Eigen norm per tevredenheid, 1-5. / The school's own norm per satisfaction.
norms: {}
#  JOB: 3.6
notes: []
#  - team: Zorg
#    about: jaarresultaat   # of JOB, MTO, BPV
#    plan: Wat willen we bereiken?
#    do: Wat doen we?
#    check: Wat zien we?
#    act: Wat houden we, wat veranderen we?
#    date: 2026-11-27
"""


class PdcaNote(StrictModel):
    """What a team planned, did, saw and decided about one figure."""

    team: str
    about: str
    plan: Note = ""
    do: Note = ""
    check: Note = ""
    act: Note = ""
    date: Annotated[datetime.date | None, Field(strict=False)] = None

    @field_validator("about")
    @classmethod
    def _known(cls, about: str) -> str:
        if about not in (*RULES, "JOB", "MTO", "BPV"):
            raise ValueError(f"about is one of {', '.join((*RULES, 'JOB', 'MTO', 'BPV'))}")
        return about


class CardNotes(StrictModel):
    """The document: norms of the three satisfactions, and notes."""

    kwaliteitskaart: Literal[1]
    norms: dict[Literal["JOB", "MTO", "BPV"], Scale] = Field(default_factory=dict)
    notes: list[PdcaNote] = Field(default_factory=list)

    def of(self, team: str) -> Mapping[str, PdcaNote]:
        """A team's notes by what they are about; of several the last in the document."""
        return {note.about: note for note in self.notes if note.team == team}


def read(path: Path) -> CardNotes:
    """Read the document; without one there are no norms of the school's own and no notes. Raises `DocumentError`."""
    return documents.read(path, CardNotes) if path.is_file() else CardNotes(kwaliteitskaart=1)


def begin(path: Path) -> None:
    """Where there is no document yet, write an empty one that explains itself, readable by its owner only."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, STARTER.encode())
