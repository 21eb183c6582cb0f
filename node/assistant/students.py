"""Samples arrive; how their rows name a student leaves: the identifier, what is dropped, and what has to be asked.

A number that every source of students has is preferred, the school's own before BSN or onderwijsnummer. A file
without any number can be used by row, but only if a person says so.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from node.assistant.proposal import OpenPoint, Option, pair
from node.assistant.reading import Sample
from node.assistant.words import letters, like_any
from shared_schema.synonyms import STAFF_NUMBER, STUDENT_NUMBER

STATE_NUMBERS = ("burgerservice", "bsn", "onderwijsnummer", "persoonsgebondennummer")
UNIQUE = 0.99


@dataclass(frozen=True)
class Students:
    """How sources name their students. columns: source -> the columns of its number; () for a reference table.

    identifier: what the document says; own: source -> what that source says instead; repeated: source -> share of
    rows whose number stands in another row too; staff: sources whose number is that of an employee; lone: the
    only file, in which nothing names a student.
    """

    columns: Mapping[str, tuple[str, ...]]
    identifier: Any
    own: Mapping[str, Any]
    drop: tuple[str, ...]
    points: tuple[OpenPoint, ...]
    repeated: Mapping[str, float] = field(default_factory=dict)
    staff: frozenset[str] = frozenset()
    lone: bool = False

    def about(self, source: str) -> bool:
        """Whether the rows of a source are about students; a lone file without a number may be."""
        return (bool(self.columns.get(source)) or self.lone) and source not in self.staff

    def without_people(self) -> Students:
        """The same for a lone file that turned out to be about nobody."""
        own = dict.fromkeys(self.columns, False)
        return dataclasses.replace(self, points=(), own=own, lone=False)

    @property
    def any(self) -> bool:
        """Whether any source is about students."""
        return any(self.columns.values())


def name_students(samples: Mapping[str, Sample]) -> Students:
    """Choose the identifier of every source."""
    numbers = {name: _own_numbers(sample) for name, sample in samples.items()}
    state = {name: _state_numbers(sample) for name, sample in samples.items()}
    staff = {name: _staff_numbers(sample) for name, sample in samples.items() if not numbers[name]}
    of_students = [name for name in samples if numbers[name] or state[name]]
    by_state = not all(numbers[name] for name in of_students) and all(state[name] for name in of_students)
    columns = {name: (state[name] if by_state else numbers[name][:1] or state[name]) for name in samples}
    columns |= {name: found for name, found in staff.items() if found and not columns[name]}
    plain = {name: _plain(sample, columns[name]) for name, sample in samples.items()}
    common = Counter(columns[name] for name in samples if columns[name]).most_common(1)
    identifier = next((plain[name] for name in samples if common and columns[name] == common[0][0]), None)
    lone = identifier is None and len(samples) == 1
    own = {name: said or False for name, said in plain.items() if said is None or said != identifier}
    points = tuple(_ask(sample) for sample in samples.values()) if lone else ()
    return Students(
        columns,
        identifier,
        {} if lone else _per_file(own, columns),
        _dropped(samples, columns, numbers),
        points,
        {name: _repeated(sample, columns[name]) for name, sample in samples.items() if columns[name]},
        frozenset(name for name, found in staff.items() if found and columns[name] == found),
        lone,
    )


def _own_numbers(sample: Sample) -> tuple[str, ...]:
    return tuple(
        name
        for name in sample.headings
        if name not in sample.direct and not sample.shapes[name].empty and like_any(name, STUDENT_NUMBER)
    )


def _staff_numbers(sample: Sample) -> tuple[str, ...]:
    return tuple(name for name in sample.headings if name not in sample.direct and like_any(name, STAFF_NUMBER))[:1]


def _state_numbers(sample: Sample) -> tuple[str, ...]:
    found = [name for name in sample.headings if any(mark in letters(name) for mark in STATE_NUMBERS)]
    return tuple(sorted(found, key=lambda name: "onderwijsnummer" in letters(name)))[:2]


def _plain(sample: Sample, columns: tuple[str, ...]) -> Any:
    """What a mapping says of these columns; a 0 in them is no number, or it would make one student of many."""
    if not columns:
        return None
    zero = any((sample.frame[name].str.strip() == "0").any() for name in columns)
    return {"column": columns[0] if len(columns) == 1 else list(columns), **({"missing": ["0"]} if zero else {})}


def _per_file(own: Mapping[str, Any], columns: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Kinds of record share what their file says, and a kind without the number is not about students anyway."""
    return {name: said for name, said in own.items() if "#" not in name or said is not False}


def _dropped(
    samples: Mapping[str, Sample], columns: Mapping[str, tuple[str, ...]], numbers: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Direct identifiers and numbers that are not the identifier anywhere they stand."""
    found: dict[str, None] = {}
    for name, sample in samples.items():
        for heading in (*sample.direct, *numbers[name]):
            if heading not in columns[name]:
                found[heading] = None
    used = {heading for chosen in columns.values() for heading in chosen}
    return tuple(heading for heading in found if heading not in used)


def _repeated(sample: Sample, columns: tuple[str, ...]) -> float:
    """Share of rows whose number stands in another row too."""
    texts = sample.frame[columns[0]].str.strip()
    for name in columns[1:]:
        texts = texts.where(texts != "", sample.frame[name].str.strip())
    texts = texts[texts != ""]
    return float(texts.duplicated(keep=False).mean()) if len(texts) else 0.0


def _ask(sample: Sample) -> OpenPoint:
    """No number that is known by its name: a column in which every row differs, or the row itself."""
    unique = [
        name
        for name in sample.headings
        if name not in sample.direct
        and sample.shapes[name].distinct >= UNIQUE * sample.rows
        and not sample.shapes[name].date
        and sample.shapes[name].whole in (0.0, 1.0)
    ]
    options = [
        Option(
            pair(f"kolom {name} is het nummer van de student", f"column {name} is the student's number"),
            "identifier",
            {"column": name},
        )
        for name in unique[:3]
    ]
    row = pair(
        "er is geen nummer: elke rij is een student, maar alleen van deze levering; na een nieuwe levering is"
        " iedereen nieuw, dus niets is te volgen, te koppelen of te wissen",
        "there is no number: each row is a student, of this delivery only; after another delivery everybody is"
        " new, so nothing can be followed, joined or erased",
    )
    options.append(Option(row, "identifier", {"row": True}))
    question = pair(
        "welke kolom is het nummer van de student? Beter: exporteer opnieuw met het studentnummer",
        "which column is the student's number? Better: export again with the student number",
    )
    return OpenPoint(question, tuple(options), required=True)
