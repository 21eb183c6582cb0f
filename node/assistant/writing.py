"""A proposal arrives; the text of a mapping file leaves: every line with its reason, every open point with its answers.

A comment has a space after its hash; an answer has none, so that taking away the hash leaves a line that stands right.
"""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from node.assistant import yaml_text
from node.assistant.proposal import Block, Entry, Line, OpenPoint, Option, Proposal, Unmapped
from shared_schema.columns import Text

MARK = "VRAAG / OPEN POINT"
DOCUMENT_KEYS = ("identifier", "tolerance")
WIDTH = 118


def mapping_text(proposal: Proposal, made: dt.date) -> str:
    """Return the whole file, ending in one newline."""
    numbers = {id(point): number for number, point in enumerate(ordered_points(proposal), start=1)}
    parts = [
        *_opening(proposal, made),
        "mapping: 1",
        *yaml_text.lines("layout", proposal.layout, 0),
        *yaml_text.lines("title", {"nl": proposal.title.nl, "en": proposal.title.en}, 0),
        *_notes(proposal),
        "sources:",
        *(line for name, settings in proposal.sources.items() for line in yaml_text.lines(name, settings, 2)),
        *_document(proposal, numbers),
        "tables:",
        *_tables(proposal, numbers),
        *_unmapped(proposal.unmapped),
    ]
    return "\n".join(parts) + "\n"


def ordered_points(proposal: Proposal) -> list[OpenPoint]:
    """Every open point in the order in which the file asks them: the document's first."""
    own = [point for entry in proposal.entries for point in entry.points]
    top = [point for point in (*proposal.points, *own) if _of_document(point)]
    rest = [point for point in own if not _of_document(point)]
    return [*top, *rest, *(point for point in proposal.points if not _of_document(point))]


def _of_document(point: OpenPoint) -> bool:
    return all(option.key in DOCUMENT_KEYS for option in point.options)


# Comments ---------------------------------------------------------------------------------------------------------


def _comment(text: str, indent: int = 0, hang: str = "") -> list[str]:
    """A comment of one or more lines; what moves a cursor or begins a line in a heading becomes a mark."""
    clean = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    start = " " * indent + "# "
    return textwrap.wrap(
        clean,
        WIDTH,
        initial_indent=start,
        subsequent_indent=start + hang,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _opening(proposal: Proposal, made: dt.date) -> Iterator[str]:
    yield from _comment(f"Voorstel van de mappingassistent, {made.isoformat()}. / Proposal of the mapping assistant.")
    yield "#"
    for name, (rows, more) in proposal.read.items():
        part = " (de eerste; het bestand is langer) / (the first; the file is longer)" if more else ""
        yield from _comment(f"{name}: {rows} rijen bekeken / rows looked at{part}")
    count = len(ordered_points(proposal))
    yield "#"
    for nl, en in _HOW_TO_READ if count else (_HOW_TO_READ[0], _NOTHING_OPEN, *_HOW_TO_READ[2:]):
        yield from _comment(nl.format(count=count))
        yield from _comment(en.format(count=count), hang="  ")
    yield "#"


_NOTHING_OPEN = ("Er zijn geen open punten.", "There are no open points.")
_HOW_TO_READ = (
    ("Een regel met een hekje (#) ervoor telt niet mee. Boven elke regel staat hoe zeker het voorstel is, en waarom.",
     "A line behind a hash (#) does not count. Above each line stands how sure the proposal is, and why."),
    ("Beantwoord {count} open punten (VRAAG): kies één antwoord en haal van zijn regels alleen het eerste hekje weg.",
     "Answer {count} open points: choose one answer, and take away only the first hash of its lines."),
    ("In dit bestand staan namen van kolommen en woorden van het schema, en geen waarde uit uw gegevens.",
     "This file holds names of columns and words of the schema, and no value of your data."),
    ("Daarna: coalition-node map explain BESTAND, en coalition-node check NODE --exports EXPORT --mapping BESTAND.",
     "Then: coalition-node map explain FILE, and coalition-node check NODE --exports EXPORT --mapping FILE."),
)  # fmt: skip


def _notes(proposal: Proposal) -> Iterator[str]:
    for note in proposal.notes:
        yield from _comment(f"{note.nl} / {note.en}")


def _document(proposal: Proposal, numbers: dict[int, int]) -> Iterator[str]:
    if proposal.identifier is not None:
        yield from _comment(
            "Dit nummer wordt bij de inname vervangen door een pseudoniem. / Replaced by a pseudonym at intake."
        )
        yield from yaml_text.lines("identifier", proposal.identifier, 0)
    for point in ordered_points(proposal):
        if _of_document(point):
            yield from _point(point, numbers[id(point)], 0)
    if proposal.drop:
        yield from _comment(
            "Herkend als direct identificerend of als ander nummer van de student; wordt nooit bewaard. / Recognised as"
            " a direct identifier or another number of the student; never stored."
        )
        yield from yaml_text.lines("drop", list(proposal.drop), 0)


# Tables -----------------------------------------------------------------------------------------------------------


def _tables(proposal: Proposal, numbers: dict[int, int]) -> Iterator[str]:
    for table, group in groupby(proposal.entries, key=lambda entry: entry.table):
        entries = list(group)
        yield f"  {table}:"
        for entry in entries:
            several = len(entries) > 1
            body = list(_entry(entry, numbers, 6 if several else 4))
            if several:
                first = next(at for at, line in enumerate(body) if not line.lstrip().startswith("#"))
                body[first] = "    - " + body[first].lstrip()
            yield from body
    for point in proposal.points:
        if not _of_document(point):
            yield from _point(point, numbers[id(point)], 2)


def _entry(entry: Entry, numbers: dict[int, int], indent: int) -> Iterator[str]:
    for note in entry.notes:
        yield from _comment(f"{note.nl} / {note.en}", indent)
    yield from yaml_text.lines("source", entry.source, indent)
    if entry.where:
        yield from yaml_text.lines("where", {name: list(values) for name, values in entry.where.items()}, indent)
    if entry.keep:
        yield from yaml_text.lines("keep", entry.keep, indent)
    points = [point for point in entry.points if not _of_document(point)]
    if entry.lines or points or not entry.block:
        yield " " * indent + "columns:"
    for line in entry.lines:
        yield from _line(line, indent + 2)
    for point in points:
        yield from _point(point, numbers[id(point)], indent + 2)
    if entry.block:
        yield from _block(entry.block, indent)


def _line(line: Line, indent: int) -> Iterator[str]:
    yield from _comment(_because(line.confidence, line.reasons), indent, "  ")
    yield from yaml_text.lines(line.column, line.rule, indent)


def _because(confidence: float, reasons: Iterable[Text]) -> str:
    reasons = list(reasons)
    nl, en = "; ".join(one.nl for one in reasons), "; ".join(one.en for one in reasons)
    return f"{confidence:.0%}: {nl} / {en}"


def _block(block: Block, indent: int) -> Iterator[str]:
    yield from _comment(_because(block.confidence, block.reasons), indent, "  ")
    yield from yaml_text.lines(block.kind, block.rule, indent)


def _point(point: OpenPoint, number: int, indent: int) -> Iterator[str]:
    must = " (verplicht / required)" if point.required else ""
    yield from _comment(f"{MARK} {number}{must}: {_closed(point.question.nl)}", indent, "  ")
    yield from _comment(_closed(point.question.en), indent, "  ")
    for letter, option in zip("abcdefghijklmnopqrstuvwxyz", point.options, strict=False):
        yield from _option(letter, option, indent)


def _closed(question: str) -> str:
    return question if question[-1:] in "?.!" else f"{question}."


def _option(letter: str, option: Option, indent: int) -> Iterator[str]:
    label = option.label
    words = label.nl if label.nl == label.en else f"{label.nl} / {label.en}"
    yield from _comment(f"{letter}) {words}", indent, "   ")
    for line in yaml_text.lines(option.key, option.rule, 0):
        yield " " * indent + "#" + line


def _unmapped(unmapped: Iterable[Unmapped]) -> Iterator[str]:
    found = list(unmapped)
    if not found:
        return
    yield "#"
    yield from _comment(f"Niet gekoppelde kolommen: {len(found)}. / Columns not mapped: {len(found)}.")
    grouped: dict[tuple[str, Any], list[str]] = {}
    for one in found:
        grouped.setdefault((one.source, one.why), []).append(one.heading)
    for (source, why), headings in grouped.items():
        yield from _comment(f"- {source}: {', '.join(headings)} ({why.nl} / {why.en})", 0, "    ")
