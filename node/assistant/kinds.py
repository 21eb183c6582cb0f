"""A file arrives; the kinds of line or element that it holds leave, as a shipped layout declares them.

Such a file has no heading: DUO publishes the order of its fields. Their names are taken from the layouts that ship;
what each of them means is still to be found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from node.errors import UnusableInput
from node.mapping_document import MappingDocument, Records, Source
from node.sources.detection import SEPARATORS, bad_file
from node.sources.xml_elements import read_elements

SNIFFED_BYTES = 1 << 16


def kinds_of(path: Path, shipped: Sequence[MappingDocument]) -> dict[str, Any]:
    """Return `records` or `xml` as a source has it, or nothing for a file of one table.

    Raises UnusableInput for an XML file that no shipped layout describes: its elements would have to be guessed.
    """
    described = [source for document in shipped for source in document.sources.values() if source.kinds]
    if path.suffix.lower() == ".xml":
        return _xml(path, [source for source in described if source.xml])
    if path.suffix.lower() in (".xlsx", ".parquet") or path.stat().st_size == 0:
        return {}
    fits = [(fit, source) for source in described if source.records and (fit := _slack(path, source)) is not None]
    if not fits:
        return {}
    best = min(fits, key=lambda one: one[0])[1]
    return {"records": _plain(best.records)}


def _xml(path: Path, described: Sequence[Source]) -> dict[str, Any]:
    for source in described:
        assert source.xml is not None
        try:
            read_elements(path, source.xml)
        except UnusableInput as error:
            if error.code not in ("unknown_element", "header_only"):
                raise
            continue
        plain = source.xml.model_dump(exclude_defaults=True)
        return {"xml": {**{key: list(plain[key]) for key in ("ignore",) if key in plain}, **_listed(plain["kinds"])}}
    rule, remedy = "A layout says which elements of an XML file are rows.", "Write `xml` yourself: docs/mapping.md."
    raise bad_file("unknown_xml", path, rule, "elements that no shipped layout describes", remedy)


def _listed(kinds: Mapping[str, Any]) -> dict[str, Any]:
    return {
        kind: {key: list(value) if isinstance(value, tuple) else value for key, value in element.items()}
        for kind, element in kinds.items()
    }


def _plain(records: Records | None) -> dict[str, Any]:
    assert records is not None
    plain = records.model_dump(exclude_defaults=True)
    types = {kind: list(names) for kind, names in plain.pop("types").items()}
    return {**plain, **types}


def _slack(path: Path, source: Source) -> float | None:
    """How many named fields the first lines leave empty, on average; None where a line is of no declared kind."""
    with path.open("rb") as file:
        start = file.read(SNIFFED_BYTES).decode("utf-8", errors="replace").splitlines()
    lines = start[:-1] if len(start) > 1 else start  # the last may be cut off
    found = [_slack_of([line.split(mark) for line in lines if line], source) for mark in SEPARATORS]
    return min((one for one in found if one is not None), default=None)


def _slack_of(lines: Sequence[list[str]], source: Source) -> float | None:
    assert source.records is not None
    at, types, more = source.records.field, source.records.types, source.records.ignored
    slack = 0
    for line in lines:
        kind = line[at].strip('" \ufeff') if len(line) > at else ""
        if kind not in types or len(line) - 1 > len(types[kind]) + more.get(kind, 0):
            return None
        slack += len(types[kind]) - (len(line) - 1)
    return slack / len(lines) if lines else None
