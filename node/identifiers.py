"""Arrives: an export as text. Leaves: the same rows with a pseudonym beside them and no direct identifier in them.

This is the first thing that happens after reading and it does not rely on the mapping's care: a column that is
known by its name, or whose cells look like BSNs or e-mail addresses, is dropped even if the mapping forgot it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.detection import SEPARATOR_NAMES, no_separator
from node.errors import UnusableInput
from node.formats import distinct_texts, per_distinct
from node.mapping_document import Identifier

if TYPE_CHECKING:
    import pandas as pd

    from node.intake import Export
    from node.pseudonyms import PseudonymKey

KNOWN_NAMES = frozenset(
    name
    for line in (
        "naam volledigenaam studentnaam deelnemernaam leerlingnaam naamstudent naamdeelnemer naamleerling",
        "roepnaam voornaam voornamen voorletters initialen tussenvoegsel voorvoegsel voorvoegsels achternaam",
        "geboortenaam geslachtsnaam partnernaam name fullname firstname lastname surname familyname initials",
        "sofinummer persoonsnummer persoonsgebondennummer eckid adres adresregel straat straatnaam",
        "huisnummer toevoeging huisnummertoevoeging address street housenumber mobiel mobielnummer gsm phone",
        "phonenumber mobile iban rekeningnummer paspoortnummer documentnummer",
    )
    for name in line.split()
)
KNOWN_PARTS = (
    "burgerservice",
    "bsn",
    "onderwijsnummer",
    "achternaam",
    "voornaam",
    "roepnaam",
    "geboortenaam",
    "geslachtsnaam",
    "huisnummer",
    "straatnaam",
    "postadres",
    "woonadres",
    "mailadres",
    "email",
    "telefoon",
)
SAMPLE = 200  # distinct cells looked at to recognise a column by its contents
FEWEST = 10  # fewer distinct cells prove nothing: one number in eleven passes the BSN test
SHARE_BSN, SHARE_EMAIL = 0.9, 0.5
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}")


@dataclass(frozen=True)
class Protection:
    """What was done to one source: numbers and column names only.

    replaced: columns that became the pseudonym; dropped: column -> why (`declared`, `name` or `contents`);
    rows_without: rows left out because the identifier was empty.
    """

    source: str
    replaced: tuple[str, ...]
    dropped: Mapping[str, str]
    rows_without: int


@dataclass(frozen=True)
class Protected:
    """An export without direct identifiers. students: pseudonym per row of `frame`, None for a reference table."""

    source: str
    frame: pd.DataFrame
    students: pd.Series | None
    protection: Protection


def protect(export: Export, identifier: Identifier | None, drop: Collection[str], key: PseudonymKey) -> Protected:
    """Replace the identifier by its keyed HMAC, drop every other direct identifier.

    identifier None: rows are not about students. Rows whose identifier is empty are left out and counted.
    Raises UnusableInput when a declared identifier column is not there or empty throughout.
    """
    columns = _identifier_columns(export, identifier)
    dropped = {name: why for name in export.frame if name not in columns and (why := _why_drop(export, name, drop))}
    frame = export.frame.drop(columns=[*columns, *dropped])
    if identifier is None:
        return Protected(export.source, frame, None, Protection(export.source, (), dropped, 0))
    students = _pseudonyms(export.frame, columns, identifier.width, key)
    there = students.notna()
    if len(there) and not there.any():
        raise _no_identifier(export, columns, "no filled cell in it")
    protection = Protection(export.source, tuple(columns), dropped, int((~there).sum()))
    return Protected(
        export.source, frame[there].reset_index(drop=True), students[there].reset_index(drop=True), protection
    )


def is_known_identifier(name: str) -> bool:
    """Return whether a column of this name holds a direct identifier, whatever its spelling."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(letter for letter in plain if letter.isalpha() and letter.isascii())
    return letters in KNOWN_NAMES or any(part in letters for part in KNOWN_PARTS)


def _identifier_columns(export: Export, identifier: Identifier | None) -> list[str]:
    if identifier is None:
        return []
    columns = [name for name in identifier.column if name in export.frame]
    if len(columns) < len(identifier.column):
        if export.detected[0].separator == SEPARATOR_NAMES[""]:
            raise no_separator(export.detected[0].file)
        raise _no_identifier(export, identifier.column, f"{export.frame.shape[1]} columns, not all of these")
    return columns


def _no_identifier(export: Export, columns: Sequence[str], found: str) -> UnusableInput:
    return UnusableInput(
        "no_identifier",
        f"Source {export.source} names its students by {' or '.join(columns)}.",
        found,
        "Correct `identifier` in the mapping, or `identifier: false` for a table that is not about students.",
    )


def _why_drop(export: Export, name: str, drop: Collection[str]) -> str:
    if name in drop:
        return "declared"
    if is_known_identifier(name):
        return "name"
    return "contents" if _looks_identifying(distinct_texts(export.frame[name])[:SAMPLE]) else ""


def _looks_identifying(texts: Sequence[str]) -> bool:
    if len(texts) < FEWEST:
        return False
    bsn = sum(map(_passes_bsn_test, texts)) / len(texts)
    email = sum(bool(_EMAIL.fullmatch(text)) for text in texts) / len(texts)
    return bsn >= SHARE_BSN or email >= SHARE_EMAIL


def _passes_bsn_test(text: str) -> bool:
    """The elfproef of the BSN: 9·d1 + 8·d2 + … + 2·d8 - d9 is a multiple of 11."""
    if not (text.isascii() and text.isdigit() and len(text) in (8, 9)):
        return False
    digits = [int(digit) for digit in text.zfill(9)]
    return sum(weight * digit for weight, digit in zip((9, 8, 7, 6, 5, 4, 3, 2, -1), digits, strict=True)) % 11 == 0


def _pseudonyms(frame: pd.DataFrame, columns: Sequence[str], width: int | None, key: PseudonymKey) -> pd.Series:
    """Pseudonym of each row from the first identifier column that is filled; missing where none is."""
    texts = frame[columns[0]].str.strip()
    for name in columns[1:]:
        texts = texts.where(texts != "", frame[name].str.strip())
    return per_distinct(texts, lambda text: key.pseudonym(text.zfill(width or 0)) if text else None, "string")
