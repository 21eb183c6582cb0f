"""Arrives: the overview of a delivery. Leaves: the page for the information manager, Dutch and English."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from experiments.catalogue.questions import Service
from experiments.reading.periods import Series, over_periods
from experiments.reading.sheet import Cell, Grid, Key, Mark, Part, Sheet, Tone
from experiments.reading.words import Words, share, whole
from node.conformance import CELL_RULES
from node.quality.finding import school_year
from node.quality.numbers import NO_YEAR, Numbers, TableNumbers
from node.quality.overview import Overview, Ranked, first_steps, verdict_in_words
from node.quality.thresholds import DECLARED, in_words
from shared_schema import Schema

TONES: Mapping[str, Tone] = {"pass": "good", "warn": "warn", "fail": "bad"}
SEVERITIES = {"pass": Words("ok", "ok"), "warn": Words("let op", "look"), "fail": Words("fout", "fault")}
DRAWN = ("enrolment", "attendance", "result")
NONE = Words("–", "–")


def page(seen: Overview, school: str, made: date, schema: Schema) -> Sheet:
    """Return the quality page of one delivery."""
    return Sheet(
        school,
        Words("Kwaliteit van de data", "Quality of the data"),
        verdict_in_words(seen),
        made,
        Words(
            "Of de data klaar zijn voor de coalitie, beslist de school: coalition-node ready.",
            "Whether the data are ready for the coalition is the school's decision: coalition-node ready.",
        ),
        tuple(_parts(seen, schema)),
    )


def _parts(seen: Overview, schema: Schema) -> Iterator[Part]:
    yield _first(seen)
    yield _wrong(seen, schema)
    yield from _questions(seen, schema)
    yield _tables(seen, schema)
    if seen.numbers:
        yield _columns(seen, seen.numbers)
    yield _files(seen.report)
    yield Part(Words("Hoe is dit getoetst?", "How was this tested?"), in_words())


def _first(seen: Overview) -> Part:
    served, grave = len(seen.of("yes")), sum(one.finding.severity == "fail" for one in seen.findings)
    keys = (
        Key(whole(seen.students), Words("studenten", "students")),
        Key(
            whole(len(seen.to_act_on)),
            Words("meldingen", "notes"),
            Words("waarvan {n} fouten", "of which {n} faults").filled(n=whole(grave)),
            TONES[seen.verdict],
        ),
        Key(
            Words("{n} van de {all}", "{n} of {all}").filled(n=whole(served), all=whole(len(seen.services))),
            Words("vragen kunnen nu al", "questions can be served now"),
            Words("nog {n} met een uitbreiding", "{n} more with an extension").filled(
                n=whole(len(seen.of("extension")))
            ),
        ),
    )
    steps = first_steps(seen)
    text = () if steps else (Words("Er is niets dat eerst moet.", "There is nothing to do first."),)
    return Part(Words("Eerst dit", "First this"), text, keys=keys, steps=steps, figure=_years(seen))


def _years(seen: Overview) -> Any:
    """Students of the main tables by school year; None where fewer than two years can be shown."""
    tables = seen.numbers.tables if seen.numbers else {}
    drawn = {table: tables[table] for table in DRAWN if table in tables}
    years = sorted({year for one in drawn.values() for year in one.years if year != NO_YEAR})
    if len(years) < 2:
        return None
    series = [Series(_TABLES[table], [_shown(one, year) for year in years]) for table, one in drawn.items()]
    return over_periods(
        "students-by-year",
        Words("Studenten per schooljaar", "Students by school year"),
        Words(
            "Een jaar dat opeens lager ligt, wijst op een export die niet volledig is. Aantallen onder {few} staan er "
            "niet in.",
            "A year that suddenly lies lower points at an incomplete export. Counts below {few} are left out.",
        ).filled(few=whole(DECLARED.few)),
        [Words.same(school_year(year)) for year in years],
        series,
        write=lambda numbers, value: numbers.whole(value),
        axis=Words("studenten", "students"),
        label=Words("schooljaar", "school year"),
    )


def _shown(one: TableNumbers, year: str) -> float | None:
    students = one.years[year].students if year in one.years else 0
    return float(students) if students >= DECLARED.few else None


def _wrong(seen: Overview, schema: Schema) -> Part:
    head = ("Waar", "Where"), ("Ernst", "Grave?"), ("Wat", "What"), ("Wat het betekent", "What it means"), (
        "Wat te doen", "What to do",
    ), ("Vragen", "Questions")  # fmt: skip
    rows = tuple(_finding(ranked, schema) for ranked in seen.to_act_on)
    compared = seen.report.get("compared")
    text = Words(
        "Elke melding zegt wat er is gezien, wat het betekent en wat u kunt doen; de ernstigste staat bovenaan.",
        "Each note says what was seen, what it means and what you can do; the gravest stands on top.",
    )
    last = _COMPARED if compared else _NOT_COMPARED
    if not rows:
        return Part(Words("Wat er mis is", "What is wrong"), (_NOTHING, last))
    return Part(Words("Wat er mis is", "What is wrong"), (text, last), Grid(_heads(head), rows, "prose"))


def _finding(ranked: Ranked, schema: Schema) -> tuple[Cell, ...]:
    found = ranked.finding
    mark = Mark(SEVERITIES[found.severity], TONES[found.severity])
    numbers = ", ".join(map(str, ranked.questions)) or "–"
    return _named(found.table, found.column, schema), mark, found.found, found.meaning, found.remedy, numbers


def _named(table: str, column: str, schema: Schema) -> Words:
    """What a place is called, with its name in the schema: "Dag van uitschrijving (enrolment.end_date)"."""
    if not table:
        return Words(f"bron {column}", f"source {column}") if column else Words("hele levering", "whole delivery")
    if table not in schema.tables:
        return Words.same(f"{table}.{column}".rstrip("."))
    declared = schema.table(table)
    if column in ("", "student") or column not in declared.columns:
        place = f"{table}.{column}".rstrip(".")
        return Words(*(f"{title} ({place})" for title in (declared.title.nl, declared.title.en)))
    label = declared.column(column).label
    return Words(*(f"{text} ({table}.{column})" for text in (label.nl, label.en)))


def _questions(seen: Overview, schema: Schema) -> Iterator[Part]:
    for verdict, (title, text, tone, word) in _GROUPS.items():
        services = seen.of(verdict)
        if services:
            head = [
                ("Nr", "No"),
                ("Vraag", "Question"),
                ("Kan het?", "Possible?"),
                ("Wat nog nodig is", "Still needed"),
            ]
            rows = tuple(_question(service, tone, word, schema) for service in services)
            named = title.filled(n=whole(len(services)))
            yield Part(named, (text,), Grid(_heads(head), rows, "prose"))


def _question(service: Service, tone: Tone, word: Words, schema: Schema) -> tuple[Cell, ...]:
    lacking = [_alternatives(names, schema) for names in service.lacking]
    needed = [*lacking, *([Words(service.beyond_nl, service.beyond_en)] if service.beyond_nl else [])]
    text = Words("; ".join(one.nl for one in needed), "; ".join(one.en for one in needed)) if needed else NONE
    return whole(service.number), Words(service.title_nl, service.title_en), Mark(word, tone), text


def _alternatives(names: str, schema: Schema) -> Words:
    """`a.b or c.d` in words of both languages."""
    named = [_named(*name.partition(".")[::2], schema) for name in names.split(" or ")]
    return Words(" of ".join(one.nl for one in named), " or ".join(one.en for one in named))


def _tables(seen: Overview, schema: Schema) -> Part:
    head = [("Tabel", "Table"), ("Oordeel", "Verdict"), ("Aangeleverd", "Delivered"), ("Bruikbaar", "Kept")]
    head += [("Opzij", "Set aside"), ("Studenten", "Students"), ("Gevuld", "Filled")]
    rows = tuple(_table(table, schema) for table in seen.report["tables"])
    return Part(Words("Tabellen", "Tables"), (), Grid(_heads(head), rows))


def _table(table: Mapping[str, Any], schema: Schema) -> tuple[Cell, ...]:
    shares = list(table["coverage"].values())
    filled = share(round(sum(shares) / len(shares), 2)) if shares else NONE
    mark = Mark(SEVERITIES[table["verdict"]], TONES[table["verdict"]])
    counts = (table["delivered"], table["kept"], table["set_aside"], table["students"])
    return _named(table["table"], "", schema), mark, *counts, filled


def _columns(seen: Overview, numbers: Numbers) -> Part:
    years = sorted({year for one in numbers.tables.values() for year in one.years if year != NO_YEAR})[-8:]
    head = [("Kolom", "Column"), ("Gevuld", "Filled"), ("Geldig", "Valid"), *((school_year(y),) * 2 for y in years)]
    broken = {one.finding.place for one in seen.findings if one.finding.rule == "coverage_break"}
    rows = [
        _column(table, name, filled, numbers, years, f"{table['table']}.{name}" in broken)
        for table in seen.report["tables"]
        for name, filled in table["coverage"].items()
        if table["table"] in numbers.tables
    ]
    text = Words(
        "Per kolom welk deel van de rijen is gevuld, welk deel van wat gevuld was ook geldig was, en hoe het gevulde "
        "deel per schooljaar verschilt.",
        "For each column which part of the rows is filled, which part of what was filled was valid, and how the filled "
        "part differs by school year.",
    )
    return Part(Words("Kolommen", "Columns"), (text,), Grid(_heads(head), tuple(rows), "wide", fold=True))


def _column(
    table: Mapping[str, Any], name: str, filled: float, numbers: Numbers, years: list[str], broken: bool
) -> tuple[Cell, ...]:
    place, one = f"{table['table']}.{name}", numbers.tables[table["table"]]
    cells = [_year(one, year, name) for year in years]
    first: Cell = Mark(place, "warn") if broken else place
    return first, share(filled), share(round(valid_share(table, name), 4)), *cells


def valid_share(table: Mapping[str, Any], column: str) -> float:
    """Share of the filled cells of a column that broke no rule about a cell."""
    notes = [note for note in table["notes"] if note["column"] == column and note["rule"] in CELL_RULES]
    return 1.0 - min(1.0, sum(int(note["rows"]) / int(note["of"]) for note in notes if note.get("of")))


def _year(one: TableNumbers, year: str, column: str) -> Words:
    found = one.years.get(year)
    if found is None or found.students < DECLARED.few:
        return NONE
    return share(round(found.filled.get(column, 0) / found.rows, 2))


def _files(report: Mapping[str, Any]) -> Part:
    head = [("Bron", "Source"), ("Bestand", "File"), ("Scheiding", "Separator"), ("Codering", "Encoding")]
    head += [("Rijen", "Rows"), ("Dubbele regels", "Repeated lines"), ("Vervangen", "Replaced")]
    head += [("Verwijderd", "Dropped"), ("Niet gelezen", "Not read")]
    protected = {one["source"]: one for one in report["protections"]}
    rows = tuple(_file(one, protected, report) for one in report["sources"])
    text = Words(
        "Wat er in elk bestand is herkend, welke kolommen een pseudoniem werden en welke zijn verwijderd voordat er "
        "iets is bewaard.",
        "What was recognised in each file, which columns became a pseudonym and which were dropped before anything was "
        "stored.",
    )
    names = ", ".join(report.get("absent", ()))
    absent = (Words(f"Geen bestand: {names}.", f"No file: {names}."),) if names else ()
    return Part(Words("Bestanden", "Files"), (text, *absent), Grid(_heads(head), rows, "wide"))


def _file(
    one: Mapping[str, Any], protected: Mapping[str, Mapping[str, Any]], report: Mapping[str, Any]
) -> tuple[Cell, ...]:
    source = one["source"]
    kept = protected.get(source, {"replaced": (), "dropped": ()})
    names = [", ".join(found) or "–" for found in (kept["replaced"], kept["dropped"], report["unread"].get(source, ()))]
    twice = report.get("identical", {}).get(source, (0, 0))[0]
    return source, one["file"], one["separator"], one["encoding"], one["rows"], twice, *names


def _heads(pairs: Any) -> tuple[Words, ...]:
    return tuple(Words(nl, en) for nl, en in pairs)


_TABLES = {
    "enrolment": Words("inschrijvingen", "enrolments"),
    "attendance": Words("aanwezigheid", "attendance"),
    "result": Words("resultaten", "results"),
}
_NOTHING = Words("Er is niets gevonden dat aandacht vraagt.", "Nothing was found that asks for attention.")
_COMPARED = Words(
    "De levering is vergeleken met de vorige van dezelfde indeling.",
    "The delivery was held against the previous one of the same layout.",
)
_NOT_COMPARED = Words(
    "Er was geen vorige levering van deze indeling om mee te vergelijken.",
    "There was no previous delivery of this layout to hold it against.",
)
_GROUPS: Mapping[str, tuple[Words, Words, Tone, Words]] = {
    "yes": (
        Words("Vragen die nu al kunnen ({n})", "Questions that can be served now ({n})"),
        Words(
            "Alle kolommen die de vraag nodig heeft, zijn gevuld.", "Every column that the question needs is filled."
        ),
        "good",
        Words("ja", "yes"),
    ),
    "extension": (
        Words("Vragen die een uitbreiding nodig hebben ({n})", "Questions that need an extension ({n})"),
        Words(
            "De gewone kolommen zijn er. De coalitie verklaart wat het gedeelde schema niet kent in een uitbreiding.",
            "The usual columns are there. The coalition declares what the shared schema does not hold in an extension.",
        ),
        "warn",
        Words("met uitbreiding", "with extension"),
    ),
    "public": (
        Words("Vragen uit openbare gegevens ({n})", "Questions from public data ({n})"),
        Words("Deze vragen hebben geen rijen van de school nodig.", "These questions need no rows of the school."),
        "",
        Words("openbaar", "public"),
    ),
    "no": (
        Words("Vragen die nog niet kunnen ({n})", "Questions that cannot be served yet ({n})"),
        Words(
            "Wat ontbreekt, staat erbij: lever het bestand, of vul de mapping aan.",
            "What is lacking stands beside it: deliver the file, or complete the mapping.",
        ),
        "bad",
        Words("nee", "no"),
    ),
}
