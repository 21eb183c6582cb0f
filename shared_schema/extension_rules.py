"""A schema and a well-formed extension arrive; every contradiction between them leaves, with its place and remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from shared_schema.columns import About
from shared_schema.errors import did_you_mean
from shared_schema.extension_document import CodesModel, ColumnModel, ExtensionModel, FeatureModel, Fill
from shared_schema.schema import ONE_ROW_TABLES, Schema

MAX_COLUMNS = 200
MAX_CODES = 100

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}\Z")
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?\Z")

Path = tuple[str, ...]


@dataclass(frozen=True)
class Contradiction:
    """One thing that the schema does not allow: where, the rule, what was found, the remedy; (Dutch, English)."""

    path: Path
    rule: tuple[str, str]
    remedy: tuple[str, str]
    found: str = ""


def contradictions(base: Schema, model: ExtensionModel) -> Iterator[Contradiction]:
    """Yield every contradiction, in the order of the document."""
    for name, codes in model.codes.items():
        yield from _of_codes(base, ("codes", name), codes)
    for table, columns in model.columns.items():
        if table not in base.tables:
            rule = ("het schema heeft deze tabel niet", "the schema has no such table")
            yield Contradiction(("columns", table), rule, _nearest(table, set(base.tables)), table)
            continue
        for name, column in columns.items():
            yield from _of_column(base, model, ("columns", table, name), column)
    if sum(len(columns) for columns in model.columns.values()) > MAX_COLUMNS:
        rule = (f"meer dan {MAX_COLUMNS} kolommen", f"more than {MAX_COLUMNS} columns")
        yield Contradiction(("columns",), rule, ("houd wat de vraag nodig heeft", "keep what the question needs"))


def _nearest(found: str, known: set[str]) -> tuple[str, str]:
    near = did_you_mean(found, known)
    names = ", ".join(sorted(known))
    return (
        (f"bedoelde u '{near}'?", f"did you mean '{near}'?") if near else (f"kies uit {names}", f"choose from {names}")
    )


def _of_codes(base: Schema, path: Path, given: CodesModel) -> Iterator[Contradiction]:
    if path[-1] in base.codes:
        rule = ("deze codelijst bestaat al", "this code list exists already")
        yield Contradiction(path, rule, ("kies een andere naam", "choose another name"), path[-1])
    if not 1 <= len(given.values) <= MAX_CODES:
        rule = (f"een codelijst heeft 1 tot {MAX_CODES} codes", f"a code list has 1 to {MAX_CODES} codes")
        yield Contradiction(path, rule, ("vul aan of deel op", "complete or divide it"), str(len(given.values)))
    for code in given.values:
        if not code or len(code) > 60 or not code.isprintable() or code != code.strip():
            rule = ("een code is 1 tot 60 leesbare tekens", "a code is 1 to 60 printable characters")
            yield Contradiction((*path, "values"), rule, ("kort de code in", "shorten the code"), repr(code)[:80])


def _of_column(base: Schema, model: ExtensionModel, path: Path, given: ColumnModel) -> Iterator[Contradiction]:
    _, table, name = path
    if not _NAME.match(name):
        near = re.sub(r"[^a-z0-9_]+", "_", name.lower())
        rule = ("een naam is kleine letters, cijfers en _", "a name is lower-case letters, digits and _")
        yield Contradiction(path, rule, (f"bijvoorbeeld '{near}'", f"for instance '{near}'"), name)
    if name in base.tables[table].columns:
        rule = ("het schema heeft deze kolom al", "the schema has this column already")
        yield Contradiction(path, rule, ("vul die kolom, of kies een andere naam", "map to it, or rename yours"), name)
    yield from _of_type(base, model, path, given)
    yield from _of_bounds(path, given)
    yield from _of_use(base, path, given)
    if isinstance(given.feature, FeatureModel):
        yield from _of_feature(base, model, path, given, given.feature)


def _of_type(base: Schema, model: ExtensionModel, path: Path, given: ColumnModel) -> Iterator[Contradiction]:
    known = {*base.codes, *model.codes}
    if (given.type == "code") != (given.codes is not None):
        rule = ("een kolom van type code noemt haar codelijst", "a column of type code names its code list")
        yield Contradiction(path, rule, ("'codes:' hoort bij type code", "'codes:' goes with type code"), given.type)
    if given.codes is not None and given.codes not in known:
        rule = ("deze codelijst bestaat niet", "there is no such code list")
        yield Contradiction((*path, "codes"), rule, _nearest(given.codes, known), given.codes)


def _of_bounds(path: Path, given: ColumnModel) -> Iterator[Contradiction]:
    number = given.type in ("integer", "decimal")
    if given.bounds is None and number:
        rule = ("een getal heeft openbare grenzen", "a number has public bounds")
        remedy = (
            "voeg 'bounds: [laag, hoog]' toe, zonder naar de data te kijken",
            "add 'bounds: [low, high]', unseen data",
        )
        yield Contradiction(path, rule, remedy)
    if given.bounds is not None and not number:
        rule = ("alleen een getal heeft grenzen", "only a number has bounds")
        yield Contradiction((*path, "bounds"), rule, ("laat 'bounds' weg", "leave 'bounds' out"), given.type)
    if given.bounds is not None and given.bounds[0] >= given.bounds[1]:
        rule = ("grenzen zijn [laag, hoog]", "bounds are [low, high]")
        found = f"{given.bounds[0]}, {given.bounds[1]}"
        yield Contradiction((*path, "bounds"), rule, ("draai om of verruim", "swap or widen"), found)


def _of_use(base: Schema, path: Path, given: ColumnModel) -> Iterator[Contradiction]:
    about = base.tables[path[1]].about
    if about is not About.STUDENT and (given.outcome or given.feature is not False):
        rule = (
            f"alleen een tabel over studenten heeft kenmerken en uitkomsten; deze gaat over {about.words.nl}",
            f"only a table about students has features and outcomes; this one is about {about.words.en}",
        )
        remedy = ("zoek de waarde met de mapping op in 'person'", "look the value up into 'person' by the mapping")
        yield Contradiction(path, rule, remedy, path[1])
        return
    if given.outcome and (given.type != "boolean" or path[1] not in ONE_ROW_TABLES):
        tables = ", ".join(ONE_ROW_TABLES)
        rule = (f"een uitkomst is een boolean van {tables}", f"an outcome is a boolean of {tables}")
        yield Contradiction(
            (*path, "outcome"), rule, ("verplaats de kolom", "move the column"), f"{path[1]}, {given.type}"
        )
    if given.outcome and given.feature is not False:
        rule = ("een kolom is kenmerk of uitkomst", "a column is a feature or an outcome")
        remedy = ("kies er één; zij zou zichzelf voorspellen", "choose one; it would predict itself")
        yield Contradiction((*path, "feature"), rule, remedy)
    if given.feature is not False and given.type in ("text", "date"):
        rule = ("vrije tekst en datums zijn nooit een kenmerk", "free text and dates are never a feature")
        remedy = ("maak er codes of een aantal dagen van", "make codes or a number of days of it")
        yield Contradiction((*path, "feature"), rule, remedy, given.type)


def _of_feature(
    base: Schema, model: ExtensionModel, path: Path, given: ColumnModel, use: FeatureModel
) -> Iterator[Contradiction]:
    if not 0 <= use.from_week <= 52:
        rule = ("een lesweek ligt tussen 0 en 52", "a teaching week lies between 0 and 52")
        yield Contradiction((*path, "feature", "from_week"), rule, ("pas de week aan", "change it"), str(use.from_week))
    fill = fill_of(given, use)
    if fill is not None and not _may_hold(base, model, given, fill):
        rule = ("'fill' is een waarde die de kolom mag hebben", "'fill' is a value that the column may hold")
        remedy = ("kies een code of een getal binnen de grenzen", "choose a code, or a number within the bounds")
        yield Contradiction((*path, "feature", "fill"), rule, remedy, str(fill)[:80])


def fill_of(given: ColumnModel, use: FeatureModel) -> Fill:
    """Return the fill in the column's own type: in plain data a decimal stands as text."""
    if given.type in ("integer", "decimal") and isinstance(use.fill, str) and _NUMBER.match(use.fill):
        return Decimal(use.fill)
    return use.fill


def _may_hold(base: Schema, model: ExtensionModel, given: ColumnModel, fill: Fill) -> bool:
    if given.type == "boolean":
        return isinstance(fill, bool)
    if given.type == "code":
        own = model.codes.get(given.codes or "")
        return fill in (own.values if own else base.codes.get(given.codes or "", ()))
    return isinstance(fill, Decimal) and given.bounds is not None and given.bounds[0] <= fill <= given.bounds[1]
