"""A proposal, a mapping or two arrive; reports leave, for a terminal and as data. No value of an export is in them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.terminal import Block, Grid, Report
from node.assistant.comparing import differences
from node.assistant.explaining import StillOpen, explain, still_open, to_fill
from node.assistant.proposal import Entry, OpenPoint, Proposal
from node.assistant.suggesting import propose
from node.assistant.writing import mapping_text, ordered_points
from node.errors import NodeError, UnusableInput
from node.mapping_document import MappingDocument, read_mapping
from privacy.identity import write_private
from shared_schema import documents, load_schema


def suggested(exports: Path, out: Path | None, schema: Path | None, fresh: bool) -> Report:
    """Propose a mapping; written to `out` if given, and shown as a list of columns with questions."""
    if out is not None and out.exists():
        rule, remedy = "A proposal never overwrites a mapping.", "Name another file, or compare with: map diff."
        raise UnusableInput("mapping_exists", rule, out.name, remedy)
    proposal = propose(exports, load_schema(schema), fresh)
    text = mapping_text(proposal, dt.date.today())
    if out is not None:
        write_private(out, text.encode())
    data = {**plain(proposal), "written": str(out) if out else None, "mapping": text}
    return Report(data, _blocks(proposal, out, text))


def explained(mapping: Path, schema: Path | None) -> Report:
    """What a mapping says, in sentences, and which open points of its proposal nobody answered yet."""
    document, text = _read(mapping)
    told = list(explain(document, load_schema(schema)))
    open_, unfilled = still_open(text), to_fill(text)
    data = {
        "layout": document.layout,
        "told": [{"place": one.place, **_words(one.words)} for one in told],
        "open_points": [{"number": one.number, "required": one.required} for one in open_],
        "to_fill": unfilled,
    }
    rows = [(one.place, one.words.nl, one.words.en) for one in told]
    title = f"{document.title.nl} / {document.title.en}"
    blocks: list[Block] = [Grid(title, ("wat / what", "Nederlands", "English"), rows)]
    if open_ or unfilled:
        blocks.append(_left_words(open_, unfilled))
    return Report(data, blocks)


def _left_words(points: list[StillOpen], unfilled: int) -> str:
    names = ", ".join(f"{one.number}{' (verplicht / required)' if one.required else ''}" for one in points) or "-"
    return f"Nog onbeantwoord / not answered yet: {names}. Nog in te vullen / still to fill in: {unfilled}."


def compared(old: Path, new: Path) -> Report:
    """What differs between two mappings; like diff, the exit code is 1 when anything does."""
    found = differences(_read(old)[0], _read(new)[0])
    data = {
        "equal": not found,
        "differences": [{"place": one.place, "old": _words(one.old), "new": _words(one.new)} for one in found],
    }
    if not found:
        words = "De twee mappings zeggen hetzelfde. / The two mappings say the same."
        return Report(data, [words])
    rows = [(one.place, one.old.nl, one.new.nl) for one in found]
    heads = ("kolom / column", f"was ({old.name})", f"wordt / becomes ({new.name})")
    grid = Grid("Verschillen / Differences", heads, rows)
    return Report(data, [grid], MappingsDiffer(len(found)))


class MappingsDiffer(NodeError):
    """The answer no of `map diff`: exit code 1, as of diff."""

    def __init__(self, count: int) -> None:
        rule, remedy = "Two mappings say the same.", "Look at the columns named; order and comments do not count."
        super().__init__("mappings_differ", rule, f"{count} differences", remedy)


def _read(mapping: Path) -> tuple[MappingDocument, str]:
    """A mapping and its text. Raises DocumentError; a file that is no mapping is never quoted."""
    return read_mapping(mapping), documents.text_of(mapping)


def plain(proposal: Proposal) -> dict[str, Any]:
    """The proposal as data: columns with confidence and reasons, open points with answers, what is unmapped."""
    points = ordered_points(proposal)
    return {
        "layout": proposal.layout,
        "read": {name: {"rows": rows, "more": more} for name, (rows, more) in proposal.read.items()},
        "identifier": proposal.identifier,
        "drop": list(proposal.drop),
        "columns": [line for entry in proposal.entries for line in _columns(entry)],
        "open_points": [_plain_point(number, point) for number, point in enumerate(points, start=1)],
        "unmapped": [
            {"source": one.source, "heading": one.heading, "why": _words(one.why)} for one in proposal.unmapped
        ],
    }


def _columns(entry: Entry) -> Iterator[dict[str, Any]]:
    for line in entry.lines:
        yield {
            "table": entry.table,
            "column": line.column,
            "reads": [list(origin) for origin in line.reads],
            "rule": line.rule,
            "confidence": line.confidence,
            "reasons": [_words(reason) for reason in line.reasons],
        }
    if entry.block:
        block = entry.block
        for column in dict.fromkeys(column for column, _ in block.fills):
            yield {
                "table": entry.table,
                "column": column,
                "reads": [list(origin) for name, origin in block.fills if name == column],
                "rule": {block.kind: block.rule},
                "confidence": block.confidence,
                "reasons": [_words(reason) for reason in block.reasons],
            }


def _plain_point(number: int, point: OpenPoint) -> dict[str, Any]:
    return {
        "number": number,
        "required": point.required,
        "question": _words(point.question),
        "reads": [list(origin) for origin in point.reads],
        "may_fill": list(point.candidates),
        "answers": [{"label": _words(one.label), "key": one.key, "rule": one.rule} for one in point.options],
    }


def _words(text: Any) -> dict[str, str]:
    return {"nl": text.nl, "en": text.en}


# On a terminal ------------------------------------------------------------------------------------------------------


def _blocks(proposal: Proposal, out: Path | None, text: str) -> list[Block]:
    found = plain(proposal)
    rows = [
        (f"{one['table']}.{one['column']}", _origins(one["reads"]), f"{one['confidence']:.0%}", _reason(one))
        for one in found["columns"]
    ]
    blocks: list[Block] = [
        Grid("Voorstel / Proposal", ("kolom / column", "uit / from", "zeker / sure", "waarom / why"), rows),
    ]
    if found["drop"]:
        blocks.append(f"Nooit bewaard / never stored: {', '.join(found['drop'])}")
    if found["open_points"]:
        blocks.append("\n".join(["Open punten / Open points", *map(_asked, found["open_points"])]))
    if found["unmapped"]:
        names = ", ".join(one["heading"] for one in found["unmapped"])
        blocks.append(f"Niet gekoppeld / not mapped ({len(found['unmapped'])}): {names}")
    blocks.append(_closing(out, len(found["open_points"])) if out else text)
    return blocks


def _asked(point: dict[str, Any]) -> str:
    must = " (verplicht / required)" if point["required"] else ""
    return f"  {point['number']}.{must} {point['question']['nl']}\n     {point['question']['en']}"


def _closing(out: Path, points: int) -> str:
    return (
        f"Geschreven: {out}, met {points} open punten. Open het bestand, beantwoord ze, en lees het na met:"
        f" coalition-node map explain {out}\n"
        f"Written: {out}, with {points} open points. Open the file, answer them, and read it with:"
        f" coalition-node map explain {out}"
    )


def _origins(reads: list[list[str]]) -> str:
    headings = [heading for _, heading in reads]
    return ", ".join(headings) if len(headings) <= 3 else f"{headings[0]} … {headings[-1]} ({len(headings)})"


def _reason(one: dict[str, Any]) -> str:
    return "; ".join(reason["nl"] for reason in one["reasons"])
