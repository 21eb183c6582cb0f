"""A column rule arrives; what it does leaves, in a sentence a dataspecialist reads: Dutch and English."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from node.assistant.proposal import pair
from node.column_rules import (
    AgeAt,
    Between,
    Compare,
    ConstantRule,
    DifferenceOf,
    FromRule,
    OffsetDate,
    OneHotRule,
    OverColumns,
    Part,
    SchoolYearOf,
    WeekOf,
)
from shared_schema.columns import Text

MOST_NAMED = 24
_OVER: Mapping[str, tuple[str, str]] = {
    "sum_of": ("de som van wat bekend is van: {}", "the sum of what is known of: {}"),
    "any_of": ("waar als één ervan waar is: {}", "true if one of these is: {}"),
    "first_of": ("het eerste dat bekend is van: {}", "the first that is known of: {}"),
}


@singledispatch
def sentence(rule: Part) -> Text:
    """Return what a rule does, without capital and full stop."""
    raise TypeError(f"no sentence for {type(rule).__name__}")


def _join(texts: list[Text], nl: str, en: str) -> Text:
    return pair(nl.join(one.nl for one in texts), en.join(one.en for one in texts))


def _told(nl: str, en: str, *parts: Part) -> Text:
    """A sentence with the sentences of other rules filled in."""
    inner = [sentence(part) for part in parts]
    return pair(nl.format(*(one.nl for one in inner)), en.format(*(one.en for one in inner)))


def value(one: Any) -> Text:
    """Return a value of the schema as a person says it."""
    if one is None:
        return pair("leeg (niet bekend)", "missing (not known)")
    if isinstance(one, bool):
        return pair("waar" if one else "onwaar", "true" if one else "false")
    return pair(str(one), str(one))


# Source columns ---------------------------------------------------------------------------------------------------


@sentence.register
def _from(rule: FromRule) -> Text:
    parts = [pair(f"kolom {rule.from_}", f"column {rule.from_}")]
    if rule.of is not None:
        parts.append(_look_up(rule))
    cuts = ((rule.first, "eerste", "first"), (rule.last, "laatste", "last"))
    parts += [pair(f"de {nl} {count} tekens", f"the {en} {count} characters") for count, nl, en in cuts if count]
    if rule.date is not None:
        parts.append(pair(f"als datum geschreven {rule.date}", f"a date written {rule.date}"))
    if rule.scale is not None:
        parts.append(pair(f"vermenigvuldigd met {rule.scale}", f"multiplied by {rule.scale}"))
    if rule.missing:
        words = ", ".join(rule.missing)
        parts.append(pair(f"{words} telt als leeg", f"{words} counts as missing"))
    if rule.recode is not None:
        parts += [_listed(rule.recode), _rest(rule)]
    return _join(parts, "; ", "; ")


def _look_up(rule: FromRule) -> Text:
    keys = [_told(f"{key.column} = {{}}", f"{key.column} = {{}}", key.own) for key in rule.by]
    by = _join(keys, " en ", " and ")
    also = pair(f", met {by.nl}", f", with {by.en}") if keys else pair("", "")
    return pair(
        f"opgezocht in {rule.of} bij dezelfde student{also.nl}", f"looked up in {rule.of}, same student{also.en}"
    )


def _listed(recode: Mapping[str, Any]) -> Text:
    """What each word becomes; words that stay as they are together."""
    same = [text for text, code in recode.items() if text == str(code)]
    other = [(text, code) for text, code in recode.items() if text != str(code)]
    shown, more = other[:MOST_NAMED], len(other) - len(other[:MOST_NAMED])
    nl = [f"'{text}' wordt {value(code).nl}" for text, code in shown]
    en = [f"'{text}' becomes {value(code).en}" for text, code in shown]
    kept = pair(f"{', '.join(same)} blijft zo", f"{', '.join(same)} stays as it is")
    nl += [*([f"en nog {more}"] if more else []), *([kept.nl] if same else [])]
    en += [*([f"and {more} more"] if more else []), *([kept.en] if same else [])]
    return pair(", ".join(nl), ", ".join(en))


def _rest(rule: FromRule) -> Text:
    if "otherwise" not in rule.model_fields_set:
        return pair("elke andere waarde wordt leeg en geteld", "every other value becomes missing and is counted")
    other = value(rule.otherwise)
    return pair(f"elke andere waarde wordt {other.nl}", f"every other value becomes {other.en}")


@sentence.register
def _one_hot(rule: OneHotRule) -> Text:
    lead = pair("de vlag die aan staat", "the flag that is set")
    first = pair("bij meer vlaggen telt de eerste in deze volgorde", "of several the first in this order counts")
    none = value(rule.otherwise)
    rest = pair(f"geen vlag wordt {none.nl}", f"no flag becomes {none.en}")
    if rule.several != "first":
        rest = pair(f"geen vlag, of meer dan één, wordt {none.nl}", f"no flag, or more than one, becomes {none.en}")
    parts = [lead, _listed(rule.one_hot), *([first] if rule.several == "first" else []), rest]
    return _join(parts, "; ", "; ")


@sentence.register
def _constant(rule: ConstantRule) -> Text:
    always = value(rule.constant)
    return pair(f"altijd {always.nl}", f"always {always.en}")


# Computed -----------------------------------------------------------------------------------------------------------


@sentence.register
def _age(rule: AgeAt) -> Text:
    nl, en = "leeftijd in jaren op ({1}), geboren op ({0})", "age in years on ({1}), born on ({0})"
    return _told(nl, en, rule.born, rule.on)


@sentence.register
def _year(rule: SchoolYearOf) -> Text:
    return _told("het schooljaar (vanaf 1 augustus) van: {0}", "the school year (from 1 August) of: {0}", rule.date)


@sentence.register
def _between(rule: Between) -> Text:
    nl, en = ("dagen", "days") if rule.compute == "days_between" else ("weken", "weeks")
    return _told(f"hele {nl} van ({{0}}) tot ({{1}})", f"whole {en} from ({{0}}) to ({{1}})", rule.start, rule.end)


@sentence.register
def _week(rule: WeekOf) -> Text:
    nl, en = "de week van ({0}), geteld vanaf die van ({1})", "the week of ({0}), counted from that of ({1})"
    return _told(nl, en, rule.date, rule.start)


@sentence.register
def _offset(rule: OffsetDate) -> Text:
    return _told("de dag die ({1}) dagen na ({0}) valt", "the day ({1}) days after ({0})", rule.base, rule.days)


@sentence.register
def _difference(rule: DifferenceOf) -> Text:
    return _told("({0}) min ({1})", "({0}) minus ({1})", rule.left, rule.right)


@sentence.register
def _over(rule: OverColumns) -> Text:
    nl, en = _OVER[rule.compute]
    inner = _join([sentence(part) for part in rule.columns], " | ", " | ")
    return pair(nl.format(inner.nl), en.format(inner.en))


@sentence.register
def _compare(rule: Compare) -> Text:
    nl, en = ("groter is dan", "is greater than") if rule.is_ == "greater_than" else ("kleiner is dan", "is less than")
    return _told(
        f"waar ({{0}}) {nl} ({{1}}): {{2}}; anders: {{3}}; niet bekend: {{4}}",
        f"where ({{0}}) {en} ({{1}}): {{2}}; otherwise: {{3}}; not known: {{4}}",
        *(rule.left, rule.right, rule.then, rule.otherwise, rule.missing),
    )
