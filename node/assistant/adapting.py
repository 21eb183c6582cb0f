"""A shipped layout that files follow arrives; a proposal leaves: its mapping for these files, its decisions asked.

A layout speaks for every school that uses it, but three things it cannot know: the cohort of a file without a date,
what 0 and 1 stand for, and how many rows a school is willing to lose. Those become open points, with the layout's own
answer first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from node.assistant.asking import NUMERALS
from node.assistant.proposal import Block, Entry, Line, OpenPoint, Option, Origin, Proposal, Recognised, Unmapped, pair
from node.assistant.reading import Sample
from node.assistant.reads import Read, columns_of, reads_of, rule_reads
from node.assistant.recognition import Fit, lacking_words
from node.column_rules import ConstantRule, FromRule, Part
from node.mapping_document import TableRule
from shared_schema import documents, yaml_tree
from shared_schema.columns import Text

TOLERANCE = Decimal("0.05")


def adapted(fit: Fit, samples: Mapping[str, Sample], place: Path, shipped: Path) -> Proposal:
    """Return the proposal. shipped: the file of the layout's mapping."""
    data = yaml_tree.parse(documents.text_of(shipped), shipped.name).data
    entries = tuple(entry for entry in _entries(fit, samples, data) if entry.lines or entry.block or entry.points)
    reads = {(one.source, one.heading) for one in reads_of(fit.document)}
    return Proposal(
        layout=fit.layout,
        title=Text(data["title"]["nl"], data["title"]["en"]),
        sources={
            name: _source(fit, samples, place, name, plain)
            for name, plain in data["sources"].items()
            if name in fit.sources
        },
        identifier=data.get("identifier"),
        drop=_drop(fit, samples, data),
        entries=entries,
        points=tuple(_tolerance(data)),
        unmapped=tuple(_unmapped(fit, samples, reads)),
        read={name: (sample.rows, sample.more) for name, sample in samples.items()},
        notes=tuple(_notes(fit, data)),
        recognised=Recognised(fit.layout, fit.there, fit.known, tuple(lacking_words(fit))),
    )


def _notes(fit: Fit, data: Mapping[str, Any]) -> Iterator[Text]:
    lacking = list(lacking_words(fit))
    yield pair(
        f"Herkend als de meegeleverde indeling {fit.layout}: {fit.there:.0%} van de kolommen die zij leest staat in uw"
        f" bestanden, en zij kent {fit.known:.0%} van uw kolommen. Klopt dat niet: draai opnieuw met --fresh.",
        f"Recognised as the shipped layout {fit.layout}: {fit.there:.0%} of the columns that it reads stand in your"
        f" files, and it knows {fit.known:.0%} of your columns. If that is wrong, run again with --fresh.",
    )
    if lacking:
        names = ", ".join(lacking)
        yield pair(f"Ontbreekt bij u en is weggelaten: {names}.", f"Absent from your files and left out: {names}.")
    if "notes" in data:
        yield Text(data["notes"]["nl"], data["notes"]["en"])


def _source(
    fit: Fit, samples: Mapping[str, Sample], place: Path, name: str, plain: Mapping[str, Any]
) -> dict[str, Any]:
    """The layout's source with the name of the school's file."""
    sample = next(one for full, one in samples.items() if full.partition("#")[0] == fit.sources[name])
    if place.is_dir() and name in fit.pinned:
        return dict(plain)
    found = {**plain, "file": place.name if place.is_file() else sample.settings["file"]}
    if "sheet" in sample.settings:
        found["sheet"] = sample.settings["sheet"]
    cut = [
        one
        for one in reads_of(fit.document)
        if one.source.partition("#")[0] == name and not fit.has(one.source, one.heading)
    ]
    return {key: value for key, value in found.items() if key != "name" or not cut}


def _drop(fit: Fit, samples: Mapping[str, Sample], data: Mapping[str, Any]) -> tuple[str, ...]:
    direct = dict.fromkeys(name for sample in samples.values() for name in sample.direct)
    used = {one.heading for one in reads_of(fit.document)}
    return tuple(dict.fromkeys([*data.get("drop", []), *(name for name in direct if name not in used)]))


def _unmapped(fit: Fit, samples: Mapping[str, Sample], reads: set[Origin]) -> Iterator[Unmapped]:
    read = {(_sample_of(fit, source), heading) for source, heading in reads}
    dropped = set(fit.document.drop)
    why = pair(f"de indeling {fit.layout} leest deze kolom niet", f"layout {fit.layout} does not read this column")
    for source, sample in samples.items():
        for heading in sample.headings:
            if (source, heading) not in read and heading not in dropped and heading not in sample.direct:
                yield Unmapped(source, heading, why)


def _sample_of(fit: Fit, source: str) -> str:
    base, _, kind = source.partition("#")
    found = fit.sources.get(base, base)
    return f"{found}#{kind}" if kind else found


# Tables -----------------------------------------------------------------------------------------------------------


def _entries(fit: Fit, samples: Mapping[str, Sample], data: Mapping[str, Any]) -> Iterator[Entry]:
    for table, rules in fit.document.tables.items():
        plain = data["tables"][table]
        for rule, one in zip(rules, plain if isinstance(plain, list) else [plain], strict=True):
            if rule.source.partition("#")[0] in fit.sources and all(fit.has(rule.source, name) for name in rule.where):
                yield _entry(fit, samples, table, rule, one)


def _entry(fit: Fit, samples: Mapping[str, Sample], table: str, rule: TableRule, plain: Mapping[str, Any]) -> Entry:
    lines, points = list[Line](), list[OpenPoint]()
    for name, part in rule.columns.items():
        reads = _there(fit, rule.source, table, name, part)
        if reads is None:
            continue
        said = plain["columns"][name]
        point = _decided(fit, samples, rule.source, table, name, part, said, reads)
        if point is not None:
            points.append(point)
        else:
            lines.append(Line(name, said, fit.there, _reasons(fit, samples, rule.source, part), reads))
    keep = rule.keep is not None and _there(fit, rule.source, table, "(keep)", rule.keep.by) is not None
    return Entry(
        table,
        rule.source,
        where={name: tuple(values) for name, values in rule.where.items()},
        keep=plain["keep"] if keep else None,
        lines=tuple(lines),
        block=_block(fit, table, rule, plain),
        points=tuple(points),
    )


def _there(fit: Fit, source: str, table: str, column: str, part: Part) -> tuple[Origin, ...] | None:
    """The columns that a rule reads; None where one of them is not there."""
    reads: list[Read] = list(rule_reads(source, part, f"{table}.{column}", table))
    if not all(fit.has(one.source, one.heading) for one in reads):
        return None
    return tuple(dict.fromkeys((one.source, one.heading) for one in reads))


def _block(fit: Fit, table: str, rule: TableRule, plain: Mapping[str, Any]) -> Block | None:
    kind = "unpivot" if rule.unpivot else "spans" if rule.spans else ""
    found = [
        (name, _there(fit, rule.source, table, name, part))
        for name, part in columns_of(rule)
        if name not in rule.columns
    ]
    if not kind or any(reads is None for _, reads in found):
        return None  # a week that lacks: the whole block is left out, and named among what is absent
    fills = tuple((name, origin) for name, reads in found for origin in reads or ())
    return Block(kind, plain[kind], fit.there, (_from_layout(fit),), fills)


def _from_layout(fit: Fit) -> Text:
    return pair(f"uit de indeling {fit.layout}", f"from layout {fit.layout}")


def _reasons(fit: Fit, samples: Mapping[str, Sample], source: str, part: Part) -> tuple[Text, ...]:
    unknown = _unlisted(fit, samples, source, part)
    if not unknown:
        return (_from_layout(fit),)
    lost = pair(
        f"{unknown:.1%} van de rijen heeft een andere waarde dan de lijst",
        f"{unknown:.1%} of rows hold a value outside the list",
    )
    return (_from_layout(fit), lost)


def _unlisted(fit: Fit, samples: Mapping[str, Sample], source: str, part: Part) -> float:
    """Share of filled cells that a recode list does not name."""
    if not isinstance(part, FromRule) or part.recode is None or part.first or part.last:
        return 0.0
    sample = samples.get(_sample_of(fit, part.of or source))
    shape = sample.shapes.get(part.from_) if sample else None
    return 0.0 if shape is None or shape.empty else 1 - shape.listed([*part.recode, *part.missing])


# What a layout cannot know ------------------------------------------------------------------------------------------


def _decided(
    fit: Fit,
    samples: Mapping[str, Sample],
    source: str,
    table: str,
    column: str,
    part: Part,
    said: Any,
    reads: tuple[Origin, ...],
) -> OpenPoint | None:
    """The question that a school must answer itself, or None where the layout may."""
    target = (f"{table}.{column}",)
    if column in ("cohort", "school_year") and isinstance(part, ConstantRule) and part.constant is not None:
        own = Option(pair("wat de indeling schrijft", "what the layout writes"), column, said)
        other = Option(pair("een ander schooljaar", "another school year"), column, {"constant": "JJJJ"})
        question = pair(
            "er staat geen jaar in het bestand; welk schooljaar is dit? De indeling kan dat niet weten",
            "no year is in the file; which school year is this? The layout cannot know",
        )
        return OpenPoint(question, (own, other), reads, target, required=True)
    if isinstance(part, FromRule) and part.recode and any(set(part.recode) <= numerals for numerals in NUMERALS):
        return _numerals(column, part, said, reads, target)
    if _unlisted(fit, samples, source, part) > float(TOLERANCE) and "otherwise" not in part.model_fields_set:
        question = pair(
            f"meer dan {TOLERANCE:.0%} van de rijen heeft een waarde die de lijst van {column} niet kent; vul haar aan",
            f"more than {TOLERANCE:.0%} of the rows hold a value that the list of {column} does not know; complete it",
        )
        as_is = Option(pair("de lijst, om aan te vullen", "the list, to be completed"), column, said)
        rest = Option(pair("elke andere waarde is niet bekend", "every other value is not known"), column,
                      {**said, "otherwise": None})  # fmt: skip
        return OpenPoint(question, (as_is, rest), reads, target)
    return None


def _numerals(column: str, part: FromRule, said: Any, reads: tuple[Origin, ...], target: tuple[str, ...]) -> OpenPoint:
    assert part.recode is not None
    numbers, codes = list(part.recode), list(part.recode.values())
    turned = {**said, "recode": dict(zip(numbers, reversed(codes), strict=True))}
    shown, other = (", ".join(f"{number} = {code}" for number, code in zip(numbers, order, strict=True))
                    for order in (codes, codes[::-1]))  # fmt: skip
    options = (
        Option(pair(f"{shown}: zoals de indeling", f"{shown}: as the layout has it"), column, said),
        Option(pair(other, other), column, turned),
    )
    question = pair(f"waar staan de cijfers in {part.from_} voor?", f"what do the numerals in {part.from_} stand for?")
    return OpenPoint(question, options, reads, target)


def _tolerance(data: Mapping[str, Any]) -> Iterator[OpenPoint]:
    allowed = data.get("tolerance")
    if allowed is None or allowed <= TOLERANCE:
        return
    question = pair(
        f"deze indeling laat {allowed:.0%} van de rijen verloren gaan (lees de toelichting hierboven); wilt u dat ook?",
        f"this layout lets {allowed:.0%} of the rows be lost (read the notes above); do you want that too?",
    )
    option = Option(pair("ja, verlies ze bewust", "yes, lose them knowingly"), "tolerance", allowed)
    yield OpenPoint(question, (option,), (), (), required=True)
