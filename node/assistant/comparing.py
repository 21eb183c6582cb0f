"""Two mappings arrive; what differs between them leaves, column by column; order and comments do not count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from node.assistant.proposal import pair
from node.assistant.sentences import sentence
from node.column_rules import Part
from node.mapping_document import MappingDocument, TableRule
from shared_schema.columns import Text

NOTHING = pair("niets", "nothing")


@dataclass(frozen=True)
class Difference:
    """One place where two mappings differ: what the old one says and what the new one says."""

    place: str
    old: Text
    new: Text


def differences(old: MappingDocument, new: MappingDocument) -> list[Difference]:
    """Return every difference that can change a table, and no other."""
    return [*_documents(old, new), *_tables(old, new)]


def _documents(old: MappingDocument, new: MappingDocument) -> Iterator[Difference]:
    for name in ("identifier", "drop", "tolerance"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Difference(name, _plain(before), _plain(after))
    for name in dict.fromkeys((*old.sources, *new.sources)):
        one, other = old.sources.get(name), new.sources.get(name)
        if one != other:
            yield Difference(f"sources.{name}", _plain(one), _plain(other))


def _plain(value: object) -> Text:
    """A part of the document as text: what was set, `null` for nothing."""
    from node.assistant.yaml_text import flow

    if value is None:
        return NOTHING
    data = value.model_dump(mode="json", by_alias=True, exclude_defaults=True) if isinstance(value, Part) else value
    shown = flow(data if not isinstance(data, tuple) else list(data))
    return pair(shown, shown)


def _tables(old: MappingDocument, new: MappingDocument) -> Iterator[Difference]:
    before, after = _said(old), _said(new)
    for place in dict.fromkeys((*before, *after)):
        one, other = before.get(place), after.get(place)
        if one is None or other is None or one[0] != other[0]:
            yield Difference(place, one[1] if one else NOTHING, other[1] if other else NOTHING)


Said = Mapping[str, tuple[object, Text]]


def _said(document: MappingDocument) -> Said:
    """Place -> what counts for equality, and the sentence. Entries of one table and source are numbered."""
    found: dict[str, tuple[object, Text]] = {}
    for table, rules in document.tables.items():
        seen: dict[str, int] = {}
        for rule in rules:
            seen[rule.source] = seen.get(rule.source, 0) + 1
            number = f" ({seen[rule.source]})" if seen[rule.source] > 1 else ""
            where = f"{table}{f' <- {rule.source}' if len(rules) > 1 else ''}{number}"
            found |= {f"{where}{place}": said for place, said in _of_rule(rule)}
    return found


def _of_rule(rule: TableRule) -> Iterator[tuple[str, tuple[object, Text]]]:
    rows = pair(f"rijen van {rule.source}", f"rows of {rule.source}")
    yield "", ((rule.source, tuple(sorted(rule.where.items())), rule.keep), rows)
    for name, part in rule.columns.items():
        yield f".{name}", (part, sentence(part))
    if rule.unpivot:
        weeks = ", ".join(map(str, rule.unpivot.weeks))
        for name, part in rule.unpivot.columns.items():
            told = sentence(part)
            words = pair(f"weken {weeks}: {told.nl}", f"weeks {weeks}: {told.en}")
            yield f".{name}", ((rule.unpivot.weeks, part), words)
    for span in rule.spans:
        for name, part in span.columns.items():
            yield f".{name} (week {span.week})", ((span.weeks, part), sentence(part))
