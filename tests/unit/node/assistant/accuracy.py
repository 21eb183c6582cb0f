"""A shipped mapping and a proposal for the same exports arrive; a judgement of every column leaves.

right: the proposal maps the column to what the shipped mapping maps it to and to nothing else, drops what that drops,
or leaves unread what that leaves unread; open: it asks; missed: it leaves unread what the shipped mapping reads; wrong:
it maps, without asking, to what the shipped mapping does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from node.assistant.proposal import Proposal
from node.assistant.reads import BY, IDENTIFIER, KEEP, reads_of
from node.identifiers import is_known_identifier
from node.intake import matching_files
from node.mapping_document import MappingDocument

Place = tuple[str, str, str]  # file, sheet, kind of record
Uses = dict[tuple[Place, str], set[str]]


@dataclass(frozen=True)
class Judged:
    """Every column's judgement, and the columns of each kind."""

    verdicts: Mapping[tuple[Place, str], str]

    def count(self) -> Counter[str]:
        return Counter(self.verdicts.values())

    def share(self) -> float:
        return self.count()["right"] / len(self.verdicts)

    def named(self, verdict: str) -> list[str]:
        return [
            f"{place[0]} {place[1] or place[2]}: {name}"
            for (place, name), found in self.verdicts.items()
            if found == verdict
        ]


def judge(folder: Path, headings: Mapping[Place, list[str]], shipped: MappingDocument, proposed: MappingDocument,
          proposal: Proposal) -> Judged:  # fmt: skip
    truth, given = uses(folder, shipped), uses(folder, proposed)
    asked: dict[tuple[Place, str], set[str]] = {}
    for point in proposal.all_points():
        for source, heading in point.reads:
            asked.setdefault((place_of(folder, proposed, source), heading), set()).update(point.candidates)
    verdicts = {}
    for place, names in headings.items():
        for name in names:
            key = (place, name)
            verdicts[key] = _verdict(
                _with_drop(truth.get(key, set()), name), _with_drop(given.get(key, set()), name), key in asked
            )
    return Judged(verdicts)


def _with_drop(targets: set[str], heading: str) -> set[str]:
    return targets or ({"drop"} if is_known_identifier(heading) else set())


def _verdict(truth: set[str], given: set[str], asked: bool) -> str:
    if asked and not given:
        return "open"
    if not given:
        return "missed" if truth - {"drop"} else "right"
    return "right" if given <= truth else "wrong"


def place_of(folder: Path, document: MappingDocument, source: str) -> Place:
    """The first file of a source."""
    return _places(folder, document, source)[0]


def _places(folder: Path, document: MappingDocument, source: str) -> list[Place]:
    name, _, kind = source.partition("#")
    settings = document.sources[name]
    return [(path.name, settings.sheet or "", kind) for path in matching_files(folder, settings)]


def uses(folder: Path, document: MappingDocument) -> Uses:
    """Column of a file -> what a mapping does with it: table.column, identifier or drop; keys and order aside."""
    found: Uses = {}
    for read in reads_of(document):
        if not read.target.endswith((BY, KEEP)):
            for place in _places(folder, document, read.source):
                found.setdefault((place, read.heading), set()).add(read.target)
    for name, source in document.sources.items():
        for full in [f"{name}#{kind}" for kind in source.kinds] or [name]:
            for place in _places(folder, document, full):
                for heading in document.drop:
                    found.setdefault((place, heading), set()).add("drop")
    return {key: {IDENTIFIER} if IDENTIFIER in targets else targets for key, targets in found.items()}
