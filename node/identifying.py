"""Texts of a column arrive; whether they point at a person leaves: by their form, whatever the column is called.

A number proves little alone (two in eleven pass a check), so that most of a column has to pass; an e-mail address, a
bank account or a postcode with a house number proves it in every cell. Names, addresses and remarks have no form of
their own: they are texts of several words that hardly ever come back, in a column about people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

SAMPLE = 200  # distinct cells looked at
FEWEST = 10  # fewer distinct cells prove nothing where a single cell may pass by chance
SHARE_NUMBERS, SHARE_FORMS, SHARE_WORDS = 0.9, 0.6, 0.5
UNIQUE = 0.5  # distinct cells by filled cells, from which a column of words is one of persons
_WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, -1)
_ONDERWIJSNUMMER_REST = 5  # of the same sum: DUO, PvE BRON, "controle onderwijsnummer"
_EMAIL = re.compile(r"[^@\s<>;,]+@[^@\s<>;,]+\.[a-zA-Z]{2,}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_PHONE = re.compile(r"(?:\+31|0031|0)[ -]?\(?0?\)?[1-9](?:[ -]?\d){8}")
_ABROAD = re.compile(r"\+\d{2,3}(?:[ -]?\d){8,11}")
_POSTCODE_AND_NUMBER = re.compile(r"[1-9]\d{3} ?[A-Za-z]{2}[ ,/-]*\d{1,5}\b.*")
_STREET_AND_NUMBER = re.compile(r"[A-Za-zÀ-ÿ'.-]{3,}(?: [A-Za-zÀ-ÿ'.-]+)* \d{1,5} ?[A-Za-z]{0,3}(?:[ ,].*)?")
_INITIALS = re.compile(r"(?:[A-Z]\.? ?){1,5}(?:[a-z' ]{1,12} )?[A-Z][A-Za-zÀ-ÿ'-]{2,}")
_WORD = re.compile(r"[^\W\d_]{2,}")
_NINE = re.compile(r"(?<!\d)\d{8,9}(?!\d)")


def identifies(texts: Sequence[str], filled: int | None = None) -> bool:
    """Return whether a column points at persons. texts: its different filled cells; filled: how many cells are filled.

    Without `filled` words are not looked at: in a list of programmes or schools every name stands once too.
    """
    sample = list(texts)[:SAMPLE]
    if not sample:
        return False
    if any(_share(sample, one) >= SHARE_FORMS for one in (_has_mail, _has_account, _POSTCODE_AND_NUMBER.fullmatch)):
        return True
    if len(sample) < FEWEST:
        return False
    if max(_share(sample, _of_a_person), _share(sample, _is_phone)) >= SHARE_NUMBERS:
        return True
    return filled is not None and hardly_come_back(len(texts), filled) and are_words(sample)


def are_words(sample: Sequence[str]) -> bool:
    """Return whether a column's first `SAMPLE` different filled cells are names, addresses or remarks by their form."""
    return len(sample) >= FEWEST and _share(sample[:SAMPLE], _in_words) >= SHARE_WORDS


def hardly_come_back(different: int, filled: int) -> bool:
    """Return whether so many different cells among so many filled ones are each somebody's own."""
    return different >= UNIQUE * filled


def could_identify(texts: Sequence[str]) -> bool:
    """Return whether any `SAMPLE` of a column's different filled cells would point at persons, words left aside."""
    most = min(len(texts), SAMPLE)
    forms = (_has_mail, _has_account, _POSTCODE_AND_NUMBER.fullmatch)
    shares = [(test, SHARE_FORMS) for test in forms] + [(test, SHARE_NUMBERS) for test in (_of_a_person, _is_phone)]
    return any(sum(bool(test(text)) for text in texts) >= share * most > 0 for test, share in shares)


def points_at_somebody(text: str) -> bool:
    """Return whether one cell of a text column holds an e-mail address, a bank account, a telephone number, a postcode
    with a house number, or a BSN among words.
    """
    if _has_mail(text) or _has_account(text) or _POSTCODE_AND_NUMBER.fullmatch(text) or _ABROAD.search(text):
        return True
    words = _WORD.search(text)
    return bool(words and (_PHONE.search(text) or any(map(passes_bsn_test, _NINE.findall(text)))))


def passes_bsn_test(text: str) -> bool:
    """The elfproef of the BSN: 9·d1 + 8·d2 + … + 2·d8 - d9 is a multiple of 11."""
    return _rest(text) == 0


def masked(name: str) -> str:
    """A file's name without what points at somebody in it: it stands in reports."""
    shown = _EMAIL.sub("#", name)
    return _NINE.sub(lambda found: "#" if len(found[0]) == 9 and _of_a_person(found[0]) else found[0], shown)


def _of_a_person(text: str) -> bool:
    """A BSN or an onderwijsnummer, with or without points between the digits."""
    return _rest(re.sub(r"[ .]", "", text)) in (0, _ONDERWIJSNUMMER_REST)


def _rest(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) in (8, 9)):
        return -1
    digits = [int(digit) for digit in text.zfill(9)]
    return sum(weight * digit for weight, digit in zip(_WEIGHTS, digits, strict=True)) % 11


def _has_mail(text: str) -> bool:
    return "@" in text and _EMAIL.search(text) is not None


def _has_account(text: str) -> bool:
    return any(_is_iban(found.replace(" ", "")) for found in _IBAN.findall(text))


def _is_iban(text: str) -> bool:
    """ISO 13616: letters as numbers from 10, the first four characters last; the rest modulo 97 is 1."""
    turned = text[4:] + text[:4]
    return len(text) >= 15 and int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def _is_phone(text: str) -> bool:
    return _PHONE.fullmatch(text) is not None or _ABROAD.fullmatch(text) is not None


def _in_words(text: str) -> bool:
    """A name, an address or a remark."""
    return len(_WORD.findall(text)) > 1 or bool(_INITIALS.fullmatch(text) or _STREET_AND_NUMBER.fullmatch(text))


def _share(texts: Sequence[str], test: Callable[[str], object]) -> float:
    return sum(bool(test(text)) for text in texts) / len(texts)
