"""Samples arrive; the shipped layout that they follow leaves, adapted to these files, or None.

A layout is recognised by its columns, not by the names of files: at least `LEAST_THERE` of the columns that it reads
are there, and it knows at least `LEAST_KNOWN` of the columns that are there. What it reads and the files lack is left
out and named; what it decided for the school (a cohort, what 0 and 1 mean, how many rows may be lost) is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from node.assistant.reading import Sample
from node.assistant.reads import Read, named_columns, reads_of
from node.errors import UnusableInput
from node.intake import matching_files
from node.mapping_document import MappingDocument
from node.sources.file_names import cells_of_name

LEAST_THERE = 0.8
LEAST_KNOWN = 0.5
FEWEST_COLUMNS = 2


@dataclass(frozen=True)
class Fit:
    """How well files follow a layout. sources: the layout's source (`#KIND` left out) -> the sample's.

    there: share of the columns it reads that are there; known: share of the columns that are there that it knows;
    lacking: what it reads and is not there; pinned: sources whose file pattern of the layout holds as it is.
    """

    layout: str
    document: MappingDocument
    sources: Mapping[str, str]
    there: float
    known: float
    lacking: frozenset[tuple[str, str]]
    pinned: frozenset[str]

    def has(self, source: str, heading: str) -> bool:
        """Whether a column that the layout reads is there."""
        return source.partition("#")[0] in self.sources and (source, heading) not in self.lacking


def recognise(samples: Mapping[str, Sample], place: Path, shipped: Mapping[str, MappingDocument]) -> Fit | None:
    """Return the best fit of these files to a shipped layout, None where none fits well enough."""
    fits = [fit for name, document in shipped.items() if (fit := _fit(samples, place, name, document)) is not None]
    return max(fits, key=lambda fit: (fit.there * fit.known, fit.layout), default=None)


def _fit(samples: Mapping[str, Sample], place: Path, name: str, document: MappingDocument) -> Fit | None:
    reads = list(reads_of(document))
    sources, pinned = _assigned(samples, place, document, reads)
    wanted = {(one.source, one.heading) for one in reads}
    lacking = frozenset(one for one in wanted if not _is_there(samples, place, document, sources, *one))
    headings = {(source, heading) for source, sample in samples.items() for heading in sample.headings}
    known = {(_full(sources, source), heading) for source, heading in wanted if (source, heading) not in lacking}
    declared = {_full(sources, f"{base}#{kind}") for base in sources for kind in document.sources[base].kinds}
    for source, sample in samples.items():
        known |= {(source, name) for name in sample.headings if name in {*document.drop, *sample.direct}}
        known |= {(source, name) for name in sample.headings if source in declared}
    share = len(wanted - lacking) / len(wanted) if wanted else 0.0
    seen = len(known & headings) / len(headings)
    if share < LEAST_THERE or seen < LEAST_KNOWN or len(wanted - lacking) < FEWEST_COLUMNS:
        return None
    return Fit(name, document, sources, share, seen, lacking, pinned)


def _full(sources: Mapping[str, str], source: str) -> str:
    """The sample's full name of a layout's source."""
    base, _, kind = source.partition("#")
    return f"{sources.get(base, base)}#{kind}" if kind else sources.get(base, base)


def _assigned(
    samples: Mapping[str, Sample], place: Path, document: MappingDocument, reads: list[Read]
) -> tuple[dict[str, str], frozenset[str]]:
    """The layout's sources and the samples that are them: by the pattern of the file's name, else by the columns."""
    found: dict[str, str] = {}
    pinned = set()
    for name in document.sources:
        by_name = _by_pattern(samples, place, document, name)
        cut = named_columns(document, name)
        own = [one for one in reads if one.source.partition("#")[0] == name and one.heading not in cut]
        share = {base: _share(samples, base, own) for base in _bases(samples)}
        if by_name is not None and share.get(by_name, 0.0) >= LEAST_THERE:
            found[name] = by_name
            pinned.add(name)
            continue
        free = [base for base in share if base not in found.values() and share[base] >= LEAST_THERE]
        if free:
            found[name] = max(free, key=share.__getitem__)
    return found, frozenset(pinned)


def _bases(samples: Mapping[str, Sample]) -> list[str]:
    return list(dict.fromkeys(name.partition("#")[0] for name in samples))


def _share(samples: Mapping[str, Sample], base: str, reads: list[Read]) -> float:
    """Share of the columns that a layout reads of one source which a sample has, kind by kind."""
    wanted = {(one.source.partition("#")[2], one.heading) for one in reads}
    there = {
        (name.partition("#")[2], heading)
        for name, sample in samples.items()
        if name.partition("#")[0] == base
        for heading in sample.headings
    }
    kinds = {kind for kind, _ in there}
    wanted = {(kind, heading) for kind, heading in wanted if kind in kinds}
    return len(wanted & there) / len(wanted) if wanted else 0.0


def _by_pattern(samples: Mapping[str, Sample], place: Path, document: MappingDocument, name: str) -> str | None:
    """The sample with the first file that the layout's own pattern names."""
    source = document.sources[name]
    folder, only = (place.parent, place.name) if place.is_file() else (place, None)
    try:
        first = matching_files(folder, source, only)[0]
    except UnusableInput:
        return None
    for full, sample in samples.items():
        sheet = sample.settings.get("sheet")
        if first.name in sample.files and (source.sheet is None or sheet == source.sheet):
            return full.partition("#")[0]
    return None


def _is_there(
    samples: Mapping[str, Sample],
    place: Path,
    document: MappingDocument,
    sources: Mapping[str, str],
    source: str,
    heading: str,
) -> bool:
    base = source.partition("#")[0]
    if base not in sources:
        return False
    sample = samples.get(_full(sources, source))
    if sample is None:  # a kind of record of which the file holds none: its fields are declared all the same
        return "#" in source
    if heading in named_columns(document, source):
        return _name_fits(sample, place, str(document.sources[base].name))
    return heading in sample.shapes


def _name_fits(sample: Sample, place: Path, template: str) -> bool:
    folder = place.parent if place.is_file() else place
    try:
        for name in sample.files:
            cells_of_name(folder / name, template)
    except UnusableInput:
        return False
    return True


def lacking_words(fit: Fit) -> Iterator[str]:
    """Name what the layout reads and the files lack: a whole source by its name, or source and column."""
    missing = {source.partition("#")[0] for source, _ in fit.lacking} - set(fit.sources)
    yield from sorted(missing)
    alone = [(source, heading) for source, heading in fit.lacking if source.partition("#")[0] not in missing]
    yield from sorted(f"{source}: {heading}" for source, heading in alone)
