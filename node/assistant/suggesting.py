"""A file or folder arrives; a proposal leaves: a mapping with confidence and reasons, open points, what stays unmapped.

    read_samples     text, shapes, direct identifiers                      node/assistant/reading.py
    name_students    which number names a student                         node/assistant/students.py
    role_of          a list of one kind of thing, or rows of students      node/assistant/roles.py
    wide_entries     weeks, periods and totals side by side                node/assistant/blocks.py
    list_entries     placements, results, diplomas, …                      node/assistant/lists.py
    flat_entries     student, enrolment, programme, with look-ups          node/assistant/filling.py

A folder that follows a shipped layout gets that layout's mapping instead (`node/assistant/recognition.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from node.assistant.adapting import adapted
from node.assistant.blocks import ask_totals, wide_entries
from node.assistant.families import flag_groups, wide_families
from node.assistant.filling import ask_diploma, flat_entries
from node.assistant.lists import list_entries
from node.assistant.matching import Match
from node.assistant.proposal import Entry, OpenPoint, Proposal, Unmapped, pair
from node.assistant.reading import Sample, read_samples
from node.assistant.recognition import recognise
from node.assistant.roles import FLAT, role_of
from node.assistant.students import Students, name_students
from node.assistant.work import Work
from node.errors import UnusableInput
from node.mapping_document import MappingDocument, read_mapping
from shared_schema import Schema
from shared_schema.columns import Text

SHIPPED = Path(__file__).parents[1] / "mappings"


def shipped_layouts() -> dict[str, MappingDocument]:
    """Every layout that the node ships, by name."""
    return {path.stem: read_mapping(path) for path in sorted(SHIPPED.glob("*.yaml"))}


def propose(place: Path, schema: Schema, fresh: bool = False) -> Proposal:
    """Return a proposal: a shipped layout adapted where the files follow one, else from names and shapes.

    fresh: do not look for a shipped layout. Raises UnusableInput.
    """
    shipped = shipped_layouts()
    samples = read_samples(place, schema, shipped.values())
    fit = None if fresh else recognise(samples, place, shipped)
    if fit is not None:
        return adapted(fit, samples, place, SHIPPED / f"{fit.layout}.yaml")
    proposal = from_samples(samples, place, schema)
    if not proposal.entries:
        raise UnusableInput(
            "nothing_to_map",
            "A mapping fills at least one table of the shared schema.",
            f"{sum(len(one.headings) for one in samples.values())} columns, none of which the schema surely knows",
            "Look in docs/schema.md what the tables hold; write the mapping by hand, or name the whole folder.",
        )
    return proposal


def from_samples(samples: Mapping[str, Sample], place: Path, schema: Schema, forgotten: str = "") -> Proposal:
    """Return a proposal from names and shapes alone, as if no layout were shipped.

    forgotten: a system whose aliases in the schema do not count, to measure what the rest can do.
    """
    work = _begin(samples, schema, forgotten)
    entries, points = list[Entry](), list(work.students.points)
    for source in samples:
        if work.students.about(source):
            entries += wide_entries(work, source)
    for source, role in work.roles.items():
        if set(role.tables) - set(FLAT):
            entries += list_entries(work, source)
    entries += flat_entries(work)
    if not any(entry.table == "attendance" for entry in entries):
        points += [point for source in work.flat() if (point := ask_totals(work, source)) is not None][:1]
    if not any(entry.table == "diploma" for entry in entries) and (asked := ask_diploma(work)) is not None:
        points.append(asked)
    return Proposal(
        layout=_layout(place),
        title=pair(f"Voorstel voor {place.name}", f"Proposal for {place.name}"),
        sources=_sources(work),
        identifier=work.students.identifier,
        drop=work.students.drop,
        entries=tuple(_in_order(entries, schema)),
        points=tuple(points),
        unmapped=tuple(_unmapped(work)),
        read={name: (sample.rows, sample.more) for name, sample in samples.items()},
    )


def _begin(samples: Mapping[str, Sample], schema: Schema, forgotten: str) -> Work:
    students = name_students(samples)
    roles = {name: role_of(sample, students, schema, forgotten) for name, sample in samples.items()}
    if students.lone and not any(set(role.tables) & set(FLAT) for role in roles.values()):
        students = students.without_people()
    work = Work(
        samples,
        students,
        roles,
        {name: wide_families(sample) for name, sample in samples.items()},
        {name: flag_groups(sample, schema) for name, sample in samples.items()},
        schema,
    )
    for name, columns in students.columns.items():
        work.use(name, *columns)
    return work


def _layout(place: Path) -> str:
    plain = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in place.stem.lower()).strip("_")
    return plain[:60] if plain[:1].isalpha() else f"layout_{plain}"[:60].rstrip("_")


def _sources(work: Work) -> dict[str, dict[str, object]]:
    """What `sources` says: the file, and an identifier where it differs from the document's."""
    found: dict[str, dict[str, object]] = {}
    for name, sample in work.samples.items():
        settings = dict(sample.settings)
        own = work.students.own.get(name)
        if own is not None:
            settings["identifier"] = own
        words = sorted({word for shape in sample.shapes.values() for word in shape.missing_words})
        if words:
            settings["missing"] = words
        found.setdefault(name.partition("#")[0], settings)
    return found


def _in_order(entries: list[Entry], schema: Schema) -> list[Entry]:
    """Tables in the order of the schema; entries without anything to say are left out."""
    places = {name: number for number, name in enumerate(schema.tables)}
    said = [entry for entry in entries if entry.lines or entry.block or entry.points]
    return sorted(said, key=lambda entry: places[entry.table])


def _unmapped(work: Work) -> Iterator[Unmapped]:
    for source, sample in work.samples.items():
        for heading in sample.headings:
            origin = (source, heading)
            if origin not in work.used and heading not in sample.direct and heading not in work.students.drop:
                yield Unmapped(source, heading, work.why_not.get(origin) or _why(work, source, heading))


def _why(work: Work, source: str, heading: str) -> Text:
    known = work.roles[source].matches.get(heading, ())
    if not known:
        return pair("niets in het schema heet zo", "nothing in the schema has such a name")
    best: Match = known[0]
    nl = "; ".join(reason.nl for reason in best.reasons)
    en = "; ".join(reason.en for reason in best.reasons)
    return pair(
        f"{best.target} past niet of is al gevuld ({nl})", f"{best.target} does not fit or is filled already ({en})"
    )


__all__ = ["OpenPoint", "Students", "from_samples", "propose", "shipped_layouts"]
