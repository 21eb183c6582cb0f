"""A match that is not sure arrives; an open point leaves, with every answer written out, or None: too little to ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from node.assistant.matching import Match
from node.assistant.proposal import SURE, OpenPoint, Option, pair
from node.assistant.work import ASK, NAMED, Work
from shared_schema import Column, Type
from shared_schema.codes import DROPOUT_DEFINITION
from shared_schema.columns import Text

NUMERALS = ({"0", "1"}, {"1", "2"}, {"0.0", "1.0"}, {"1.0", "2.0"})
FILL = "VUL IN / FILL IN"


def ask_about(work: Work, source: str, found: Sequence[Match]) -> OpenPoint | None:
    """Ask about the matches of one column of the schema; their columns are spoken for. None: too little to ask."""
    found = [one for one in found if one.likeness >= NAMED or (one.confidence >= ASK and one.fit >= SURE)]
    options = [option for one in found for option in options_of(work, source, one)]
    if not options:
        return None
    column = work.schema.column(found[0].table, found[0].column)
    headings = tuple(one.heading for one in found)
    return OpenPoint(
        _question(column, found),
        tuple(options),
        work.use(source, *headings),
        tuple(f"{one.table}.{one.column}" for one in found[:1]),
    )


def _question(column: Column, found: Sequence[Match]) -> Text:
    names = ", ".join(one.heading for one in found)
    why = found[0].reasons
    nl, en = ("; ".join(one.nl for one in why), "; ".join(one.en for one in why))
    label = Text(column.prose.nl.rstrip("."), column.prose.en.rstrip("."))
    return pair(f"is {names} dit: {label.nl}? ({nl})", f"is {names} this: {label.en}? ({en})")


def options_of(work: Work, source: str, match: Match) -> list[Option]:
    """Every way in which a column may become the schema's."""
    column = work.schema.column(match.table, match.column)
    if column.name == "dropout_flag" and match.coded is not None:
        return _outcomes(match)
    if column.codes is not None and match.fit < SURE:
        return _coded(work, source, match, column)
    if column.codes is not None and match.coded is not None and match.coded.others:
        return [_as_it_is(match), _with_otherwise(match)]
    return [_as_it_is(match)] if match.fit >= 0.5 else []


def _as_it_is(match: Match) -> Option:
    label = pair(f"ja, {match.heading} is het", f"yes, {match.heading} is it")
    return Option(label, match.column, match.rule)


def _with_otherwise(match: Match) -> Option:
    label = pair("ja, en elke andere waarde is niet bekend", "yes, and every other value is not known")
    return Option(label, match.column, {**match.rule, "otherwise": None})


def _outcomes(match: Match) -> list[Option]:
    """A column of words for how it went: is who still studies no dropout, or not known yet?"""
    recode: Mapping[str, Any] = match.rule["recode"]
    still = [word for word, left in recode.items() if left is False and letters_of(word) in STILL]
    no = pair("wie nog studeert is geen uitval", "who still studies is no dropout")
    yes = pair("van wie nog studeert is het niet bekend", "of who still studies it is not known")
    options = [Option(no, match.column, match.rule)]
    if still:
        options.append(Option(yes, match.column, {**match.rule, "recode": {**recode, **dict.fromkeys(still)}}))
    return options


STILL = ("enrolled", "ingeschreven", "nogingeschreven")


def letters_of(word: str) -> str:
    """The letters of a word, for comparing."""
    return "".join(sign for sign in word.casefold() if sign.isalpha())


def _coded(work: Work, source: str, match: Match, column: Column) -> list[Option]:
    """Codes that the vocabulary does not know: numerals in both orders, or places to fill in."""
    shape = work.samples[source].shapes[match.heading]
    codes = list(column.codes or ())
    cells = {text for text in NUMERALS_SEEN if shape.matching(text.replace(".", r"\.")) > 0}
    numerals = next(
        (sorted(pair_) for pair_ in NUMERALS if cells and cells <= pair_ and shape.distinct == len(cells)), None
    )
    if column.name == "geslacht" and numerals:
        both = (codes[:2], codes[1::-1])
        return [
            Option(
                pair(f"{numerals[0]} is {_nl(column, order[0])}, {numerals[1]} is {_nl(column, order[1])}",
                     f"{numerals[0]} is {_en(column, order[0])}, {numerals[1]} is {_en(column, order[1])}"),
                match.column,
                {"from": match.heading, "recode": dict(zip(numerals, order, strict=True))},
            )
            for order in both
        ]  # fmt: skip
    known = dict(match.rule["recode"]) if isinstance(match.rule, Mapping) and "recode" in match.rule else {}
    values = {f"{FILL} {number}": _typed(code, column) for number, code in enumerate(codes, start=1)}
    label = pair(
        "ja: schrijf links van elke code de waarde uit uw bestand, en haal de andere regels weg",
        "yes: write the value of your file before each code, and remove the others",
    )
    return [Option(label, match.column, {"from": match.heading, "recode": {**known, **values}})]


NUMERALS_SEEN = ("0", "1", "2", "0.0", "1.0", "2.0")


def _typed(code: str, column: Column) -> Any:
    return int(code) if column.type is Type.INTEGER else code


def _nl(column: Column, code: str) -> str:
    return column.codes.labels[code].nl if column.codes else code


def _en(column: Column, code: str) -> str:
    return column.codes.labels[code].en if column.codes else code


def ask_definition() -> OpenPoint:
    """By which definition the file records dropout: nobody can see that from the file."""
    options = tuple(
        Option(label, "dropout_flag_definition", {"constant": code})
        for code, label in DROPOUT_DEFINITION.labels.items()
    )
    question = pair(
        "volgens welke definitie legt dit bestand uitval vast? Zonder antwoord wordt de uitval niet gebruikt",
        "by which definition does this file record dropout? Without an answer dropout is not used",
    )
    return OpenPoint(question, options, (), ("enrolment.dropout_flag_definition",))


def ask_cohort(dates: Sequence[str]) -> OpenPoint:
    """A file without a sure year: the cohort decides which budget pays. dates: columns that may be the start."""
    options = [
        Option(pair(f"het schooljaar waarin {name} valt", f"the school year in which {name} falls"),
               "cohort", {"compute": "school_year_of", "date": name})
        for name in dates
    ]  # fmt: skip
    label = pair("alle studenten begonnen in dit schooljaar (2024 is 2024-2025)",
                 "all students started in this school year (2024 is 2024-2025)")  # fmt: skip
    question = pair(
        "er is geen kolom die zeker het schooljaar of de startdatum is; welk cohort is dit? Zonder antwoord is het"
        " cohort onbekend, en telt niemand mee",
        "no column surely is the school year or the start date; which cohort is this? Without an answer the cohort is"
        " unknown, and nobody is counted",
    )
    options.append(Option(label, "cohort", {"constant": "JJJJ"}))
    return OpenPoint(question, tuple(options), (), ("enrolment.cohort",), required=True)


def ask_tolerance(source: str, share: float) -> OpenPoint:
    """Rows that share a student number while nothing tells enrolments apart are set aside: more than may be lost?"""
    allowed = min(0.5, (int(share * 20) + 1) / 20)
    question = pair(
        f"{share:.0%} van de rijen van {source} deelt een studentnummer met een andere rij en niets onderscheidt hun"
        " inschrijvingen; die rijen worden opzijgezet. Beter: maak de export opnieuw, met het nummer van"
        " de inschrijving",
        f"{share:.0%} of the rows of {source} share a student number with another row, and nothing tells their"
        " enrolments apart; those rows are set aside. Better: export again, with the number of the enrolment",
    )
    label = pair("verlies ze bewust", "lose them knowingly")
    return OpenPoint(question, (Option(label, "tolerance", allowed),), (), (), required=True)
