"""Arrives: an export as text. Leaves: the same rows with a pseudonym beside them and no direct identifier in them.

This is the first thing that happens after reading and it does not rely on the mapping's care: a column that is
known by its name, or whose cells point at persons (`node/identifying.py`), is dropped even if the mapping forgot it.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.errors import UnusableInput
from node.identifying import identifies
from node.mapping_document import Identifier
from node.sources.detection import SEPARATOR_NAMES, no_separator
from node.sources.formats import distinct_texts, per_distinct
from shared_schema import About

if TYPE_CHECKING:
    import pandas as pd

    from node.intake import Export
    from node.people.pseudonym_key import PseudonymKey

KNOWN_NAMES = frozenset(
    name
    for line in (
        "naam name roepnaam voorletters initialen tussenvoegsel tussenvoegsels voorvoegsel voorvoegsels initials",
        "fullname firstname lastname surname familyname givenname middlename maidenname",
        "sofinummer persoonsnummer persoonsgebondennummer eckid bsnnr toevoeging street mail mails tel telnr telnummer",
        "telprive telthuis gsm gsmnr gsmnummer mob phone cell iban upn login username inlog kenteken pasfoto foto",
        "toelichting opmerking opmerkingen notitie notities memo bijzonderheden commentaar remark remarks comment",
        "comments notes vrijetekst",
    )
    for name in line.split()
)
KNOWN_PARTS = (
    *("burgerservice", "bsn", "onderwijsnummer", "onderwijsnr", "persoonsgebonden", "sofinr", "eckid"),
    *("achternaam", "voornaam", "voornamen", "roepnaam", "geboortenaam", "geslachtsnaam", "partnernaam", "meisjesnaam"),
    *("volledigenaam", "familienaam", "tussenvoegsel", "voorvoegsel", "voorletter"),
    *("huisnummer", "huisnr", "straat", "adres", "address", "woonplaats", "housenumber"),
    *("email", "mailadres", "emailadres", "telefoon", "telefoonnr", "mobiel", "mobilenumber", "phonenumber"),
    *("iban", "rekeningnummer", "rekeningnr", "bankrekening", "paspoort", "rijbewijs", "idkaart", "documentnummer"),
    *("geboorteplaats", "gebruikersnaam", "inlognaam", "loginnaam", "accountnaam", "userprincipal", "noodnummer"),
)
PERSONS = (
    *("student", "leerling", "deelnemer", "cursist", "kandidaat", "ouder", "vader", "moeder", "verzorger", "partner"),
    *("mentor", "docent", "coach", "begeleider", "medewerker", "contact", "slber", "persoon"),
)
"""Whose name a column holds when it is called naam_student or mentornaam; `opleidingsnaam` is nobody's."""
ROW_NUMBER = "rijnummer / row number"


@dataclass(frozen=True)
class Protection:
    """What was done to one source: numbers and column names only.

    replaced: columns that became the pseudonym, or ROW_NUMBER; dropped: column -> why (`declared`, `name` or
    `contents`); rows_without: rows left out because the identifier was empty; rows_withheld: because the student was
    erased, or is of a cohort that was forgotten.
    """

    source: str
    replaced: tuple[str, ...]
    dropped: Mapping[str, str]
    rows_without: int
    rows_withheld: int = 0


@dataclass(frozen=True)
class Protected:
    """An export without direct identifiers.

    students: pseudonym per row of `frame`, of a student or of another person (`about`), None for a reference table.
    """

    source: str
    frame: pd.DataFrame
    students: pd.Series | None
    protection: Protection
    about: About = About.STUDENT


def protect(
    export: Export,
    identifier: Identifier | None,
    drop: Collection[str],
    key: PseudonymKey,
    about: About = About.STUDENT,
) -> Protected:
    """Replace the identifier by its keyed HMAC, drop every other direct identifier.

    identifier None: rows are about nobody. about: whose numbers they are, as other people get other pseudonyms. Rows
    whose identifier is empty are left out and counted.
    Raises UnusableInput when a declared identifier column is not there or empty throughout.
    """
    columns = identifier_columns(export, identifier)
    dropped = dropped_columns(export, columns, drop, identifier is not None)
    frame = export.frame.drop(columns=[*columns, *dropped])
    if identifier is None:
        return Protected(export.source, frame, None, Protection(export.source, (), dropped, 0))
    if identifier.row:
        protection = Protection(export.source, (ROW_NUMBER,), dropped, 0)
        return Protected(export.source, frame, _row_pseudonyms(export, key, about), protection, about)
    students = pseudonyms_of(export.frame, columns, identifier, lambda text: key.pseudonym(text, about))
    there = students.notna()
    if len(there) and not there.any():
        raise no_identifier(export, columns, "no filled cell in it")
    protection = Protection(export.source, tuple(columns), dropped, int((~there).sum()))
    return Protected(
        export.source, frame[there].reset_index(drop=True), students[there].reset_index(drop=True), protection, about
    )


def is_known_identifier(name: str) -> bool:
    """Return whether a column of this name holds a direct identifier or a remark, whatever its spelling."""
    letters = _letters(name)
    if letters in KNOWN_NAMES or any(part in letters for part in KNOWN_PARTS):
        return True
    return ("naam" in letters or "name" in letters) and any(person in letters for person in PERSONS)


def is_birth_date(name: str) -> bool:
    """Return whether a column of this name holds the day somebody was born: it becomes an age, and nothing else."""
    letters = _letters(name)
    return letters in ("geboren", "gebdat", "gebdatum", "dob") or "geboortedat" in letters or "birthdat" in letters


def _letters(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in plain if letter.isalpha() and letter.isascii())


def identifier_columns(export: Export, identifier: Identifier | None) -> list[str]:
    """Return the columns that the pseudonym replaces; raises UnusableInput when a declared one is not there."""
    if identifier is None:
        return []
    columns = [name for name in identifier.column if name in export.frame]
    if len(columns) < len(identifier.column):
        if export.detected[0].separator == SEPARATOR_NAMES[""]:
            raise no_separator(export.detected[0].file)
        raise no_identifier(export, identifier.column, f"{export.frame.shape[1]} columns, not all of these")
    return columns


def no_identifier(export: Export, columns: Sequence[str], found: str) -> UnusableInput:
    """Return the error about a source whose identifier cannot be used."""
    return UnusableInput(
        "no_identifier",
        f"Source {export.source} names its students by {' or '.join(columns)}.",
        found,
        "Correct `identifier` in the mapping, or `identifier: false` for a table that is not about students.",
    )


def dropped_columns(export: Export, kept: Collection[str], drop: Collection[str], people: bool) -> dict[str, str]:
    """Return column -> why it is dropped (`declared`, `name` or `contents`), those in `kept` left out.

    people: the rows are about people.
    """
    others = [name for name in export.frame if name not in kept]
    return {name: why for name in others if (why := _why_drop(export, name, drop, people))}


def _why_drop(export: Export, name: str, drop: Collection[str], people: bool) -> str:
    if name in drop:
        return "declared"
    if is_known_identifier(name):
        return "name"
    return "contents" if looks_identifying(export.frame[name], people) else ""


def looks_identifying(cells: pd.Series, people: bool = False) -> bool:
    """Return whether a column's different cells point at persons, whatever its name.

    people: its rows are about people, so that words which hardly ever come back are names, addresses or remarks.
    """
    texts = distinct_texts(cells)
    filled = int((cells.str.strip() != "").sum()) if people else None
    return identifies(texts, filled)


def pseudonyms_of(
    frame: pd.DataFrame, columns: Sequence[str], given: Identifier, pseudonym: Callable[[str], str]
) -> pd.Series:
    """Return the pseudonym of each row from the first identifier column that is filled; missing where none is."""
    return per_distinct(numbers_of(frame, columns, given), pseudonym, "string")


def numbers_of(frame: pd.DataFrame, columns: Sequence[str], given: Identifier) -> pd.Series:
    """Return each row's number, padded, from the first of these columns that is filled; missing where none is."""
    none = ("", *given.missing)
    texts = frame[columns[0]].str.strip()
    for name in columns[1:]:
        texts = texts.where(~texts.isin(none), frame[name].str.strip())
    return texts.mask(texts.isin(none)).str.zfill(given.width or 0)


def _row_pseudonyms(export: Export, key: PseudonymKey, about: About) -> pd.Series:
    """Pseudonym of each row of a file without numbers: of this row of exactly this delivery.

    The same file again gives the same pseudonyms; a file in which one cell differs gives new ones throughout, since
    nobody can say that its fifth row is still the same student.
    """
    import pandas as pd

    digest = hashlib.sha256()
    for name in export.frame:
        digest.update("\x1f".join([str(name), *export.frame[name]]).encode(errors="surrogatepass") + b"\x1e")
    delivery = digest.hexdigest()
    names = [key.pseudonym(f"row {delivery} {number}", about) for number in range(len(export.frame))]
    return pd.Series(names, index=export.frame.index, dtype="string")
