"""A file or folder arrives; samples of its sources leave: text columns with their shapes, without any mapping.

At most `MOST_ROWS` rows of a file are looked at. Files of a folder with the same heading are one source; each sheet of
a workbook is one. Lines of several kinds are read by the field names that a shipped layout declares for them.
"""

from __future__ import annotations

import fnmatch
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.assistant.kinds import kinds_of
from node.assistant.shapes import Shape, shape_of
from node.errors import UnusableInput
from node.identifiers import is_known_identifier, looks_identifying
from node.intake import read_exports
from node.mapping_document import FILE_PATTERN, MappingDocument, Source
from node.sources.detection import bad_file
from node.sources.formats import date_formats, read_number
from node.sources.workbook import Workbooks
from shared_schema import Schema

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 20_000
MOST_FILES = 40


@dataclass(frozen=True)
class Sample:
    """One source, read without a mapping. settings: what `sources` says of it, as plain data; title: what it is called.

    direct: headings that hold a direct identifier -> why (`name` or `contents`); more: the file has more rows; files:
    the names of its files.
    """

    name: str
    title: str
    settings: Mapping[str, Any]
    frame: pd.DataFrame
    shapes: Mapping[str, Shape]
    direct: Mapping[str, str]
    more: bool
    files: tuple[str, ...] = ()

    @property
    def headings(self) -> list[str]:
        """The names of the columns, in the order of the file."""
        return [str(name) for name in self.frame]

    @property
    def rows(self) -> int:
        """Rows looked at."""
        return len(self.frame)


def read_samples(place: Path, schema: Schema, shipped: Iterable[MappingDocument]) -> dict[str, Sample]:
    """Read a file, or every export of a folder. Raises UnusableInput for what cannot be read, or has no heading."""
    folder, only = (place.parent, place.name) if place.is_file() else (place, None)
    files = _files(folder, only)
    found: dict[str, Sample] = {}
    for name, title, settings in _sources(folder, files, list(shipped)):
        source = Source.model_validate(settings)
        for full, export in read_exports(folder, {name: source}, most=MOST_ROWS).items():
            if not source.kinds:
                _refuse_headless(export.frame, export.detected[0].file)
            elif export.frame.empty:
                continue
            kind = full.partition("#")[2]
            names = tuple(one.file for one in export.detected)
            found[full] = _sample(full, kind or title, settings, export.frame, schema, names)
    return found


def _sample(
    name: str, title: str, settings: Mapping[str, Any], frame: pd.DataFrame, schema: Schema, files: tuple[str, ...]
) -> Sample:
    direct = {str(heading): why for heading in frame if (why := _why_direct(str(heading), frame[heading]))}
    shapes = {str(heading): shape_of(frame[heading], schema.codes) for heading in frame}
    return Sample(name, title, settings, frame, shapes, direct, len(frame) >= MOST_ROWS, files)


def _why_direct(heading: str, cells: pd.Series) -> str:
    if is_known_identifier(heading):
        return "name"
    return "contents" if looks_identifying(cells) else ""


# Files ------------------------------------------------------------------------------------------------------------


def _files(folder: Path, only: str | None) -> list[Path]:
    if not folder.is_dir():
        rule, remedy = "map suggest looks at a file or a folder.", "Name an export, or the folder with exports."
        raise UnusableInput("no_folder", rule, f"{folder.name} is neither", remedy)
    names = [only] if only else sorted(path.name for path in folder.iterdir() if path.is_file())
    usable = [name for name in names if FILE_PATTERN.fullmatch(name) and name[0] not in ".~"]
    if not usable or len(usable) > MOST_FILES:
        rule = f"An export ends in .csv, .tsv, .txt, .asc, .xlsx, .parquet or .xml; at most {MOST_FILES} at once."
        remedy = "Name one file, or a folder of exports; a name has letters, digits, spaces and . - ( ) [ ] in it."
        raise UnusableInput("missing_file", rule, f"{len(usable)} such files", remedy)
    return [folder / name for name in usable]


def _sources(
    folder: Path, files: Sequence[Path], shipped: Sequence[MappingDocument]
) -> Iterable[tuple[str, str, dict[str, Any]]]:
    """Name, title and settings of every source: a file, files with one heading, a sheet, or a file of several kinds."""
    taken: set[str] = set()
    for group, pattern in _alike(files, shipped):
        first = group[0]
        if first.suffix.lower() != ".xlsx":
            yield _name(first.stem, taken), first.stem, {"file": pattern, **kinds_of(first, shipped)}
            continue
        sheets = _sheets(first)
        for sheet in sheets:
            title = sheet if len(sheets) > 1 else first.stem
            yield _name(title, taken), title, {"file": pattern} | ({"sheet": sheet} if len(sheets) > 1 else {})


def _alike(files: Sequence[Path], shipped: Sequence[MappingDocument]) -> list[tuple[list[Path], str]]:
    """Files with the same heading and the same name but for digits belong together, under one pattern."""
    groups: dict[tuple[str, bytes], list[Path]] = {}
    for path in files:
        groups.setdefault((re.sub(r"\d+", "#", path.name), _heading(path, shipped)), []).append(path)
    found: list[tuple[list[Path], str]] = []
    for group in groups.values():
        pattern = _pattern([path.name for path in group], [path.name for path in files])
        found += [(group, pattern)] if pattern else [([path], _pattern([path.name], [])) for path in group]
    return found


def _heading(path: Path, shipped: Sequence[MappingDocument]) -> bytes:
    """What files of one source share: the first line of a text; of a workbook nothing but its own name."""
    suffix = path.suffix.lower()
    if suffix in (".xlsx", ".parquet"):
        return path.name.encode()
    if suffix == ".xml" or kinds_of(path, shipped):
        return b"several kinds"
    with path.open("rb") as file:
        return file.readline(1 << 16)


def _pattern(names: Sequence[str], every: Sequence[str]) -> str:
    """One name; or what several share, with ? or * for the rest, if no other file has such a name; else nothing."""
    if len(names) == 1:
        return re.sub(r"[\[\]]", "?", names[0])  # brackets mean a choice of signs in a pattern
    marked = "".join(signs[0] if len(set(signs)) == 1 else "?" for signs in zip(*names, strict=False))
    starred = f"{_shared_start(names)}*{_shared_start([name[::-1] for name in names])[::-1]}"
    for pattern in [marked, starred] if len(set(map(len, names))) == 1 else [starred]:
        if sorted(fnmatch.filter(every, pattern)) == sorted(names) and FILE_PATTERN.fullmatch(pattern):
            return pattern
    return ""


def _shared_start(names: Sequence[str]) -> str:
    same = itertools.takewhile(lambda signs: len(set(signs)) == 1, zip(*names, strict=False))
    return "".join(signs[0] for signs in same)


def _sheets(path: Path) -> list[str]:
    with Workbooks() as books:
        return books.sheets(path)


def _name(title: str, taken: set[str]) -> str:
    """A name for a source: lower-case letters, digits and _."""
    plain = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_") or "source"
    plain = plain if plain[0].isalpha() else f"s_{plain}"
    name, number = plain[:40], 2
    while name in taken:
        name, number = f"{plain[:40]}_{number}", number + 1
    taken.add(name)
    return name


# Headings ----------------------------------------------------------------------------------------------------------


def _refuse_headless(frame: pd.DataFrame, file: str) -> None:
    """Refuse a file whose first line looks like a row: its headings would be some student's values."""
    headings = [str(name) for name in frame]
    rowlike = sum(_is_value(name) for name in headings)
    repeated = sum(bool((frame[name].str.strip() == name).any()) for name in headings)
    if rowlike * 4 < len(headings) and repeated == 0:
        return
    raise bad_file(
        "no_header",
        Path(file),
        "The first line names the columns.",
        f"{rowlike} of {len(headings)} names that are a number or date, {repeated} that stand below themselves",
        "Export with a heading; or write `header: false` and `columns` in a mapping of your own.",
    )


def _is_value(name: str) -> bool:
    return read_number(name, ",") is not None or read_number(name) is not None or bool(date_formats([name]))
