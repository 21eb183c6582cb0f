"""Nothing arrives; the vocabulary of declarations leaves: `Text`, `CodeList`, `Bounds`, `Column`, `About`, `Table`.

A column is declared once. Validation, the reference page, synthetic rows and features read that declaration
and nothing else, so a bound or a code cannot differ between them.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import ClassVar

from shared_schema.errors import UnknownColumn, remedy

BRIN = "[0-9]{2}[A-Z]{2}"
"""Form of the number of an institution in DUO's register of institutions."""


@dataclass(frozen=True)
class Text:
    """One text in Dutch and in English."""

    nl: str
    en: str


class Type(enum.StrEnum):
    """The type of a column, and the pandas dtype in which the platform keeps it."""

    PSEUDONYM = "pseudonym"
    CODE = "code"
    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"

    @property
    def dtype(self) -> str:
        """Name of the pandas dtype of a conforming column; each of them can hold a missing value."""
        return _DTYPES[self]


class About(enum.StrEnum):
    """Whom or what a table's rows are about. Only tables about students enter an experiment.

    Students, applicants and staff are three populations with accounts of their own; their pseudonyms never meet. Rows
    about a team or about public figures belong to nobody.
    """

    STUDENT = "student"
    APPLICANT = "applicant"
    STAFF = "staff"
    TEAM = "team"
    PUBLIC = "public"

    @property
    def words(self) -> Text:
        """What the unit is called on pages and in errors."""
        return _UNITS[self]

    @property
    def person(self) -> bool:
        """Whether each row belongs to one person, named by a pseudonym."""
        return self in (About.STUDENT, About.APPLICANT, About.STAFF)


PERSONS = tuple(about.value for about in About if about.person)
"""Columns of pseudonyms, by what they are called: a table about people has one of them."""

_UNITS: Mapping[About, Text] = MappingProxyType(
    {
        About.STUDENT: Text("studenten", "students"),
        About.APPLICANT: Text("aanmelders", "applicants"),
        About.STAFF: Text("medewerkers", "staff"),
        About.TEAM: Text("teams", "teams"),
        About.PUBLIC: Text("openbare gegevens", "public figures"),
    }
)

_DTYPES: Mapping[Type, str] = MappingProxyType(
    {
        Type.PSEUDONYM: "string",
        Type.CODE: "string",
        Type.TEXT: "string",
        Type.INTEGER: "Int64",
        Type.DECIMAL: "float64",
        Type.BOOLEAN: "boolean",
        Type.DATE: "datetime64[us]",
    }
)


@dataclass(frozen=True)
class CodeList:
    """A closed list of codes with a Dutch and an English label for each, in the order in which they are shown."""

    name: str
    title: Text
    labels: Mapping[str, Text]
    source: str = ""

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def __contains__(self, code: object) -> bool:
        return code in self.labels


@dataclass(frozen=True)
class Bounds:
    """Public bounds, both inclusive, in the column's unit; a value outside is clipped and counted.

    `per` names an integer column of the same row by which both bounds are multiplied: hours of absence are
    bounded per week, and one row may cover several weeks.
    """

    low: Fraction
    high: Fraction
    per: str = ""


def bounds(low: int | str | Fraction, high: int | str | Fraction, per: str = "") -> Bounds:
    """Return exact bounds; decimals are given as text (`"0.5"`) so that no binary rounding enters a constant."""
    return Bounds(Fraction(low), Fraction(high), per)


@dataclass(frozen=True)
class FeatureUse:
    """How an extension column becomes a feature: the neutral fill of a missing value and the first week it is known.

    `aggregate` says how several rows of one student become one value: first, mean, sum, max or last.
    """

    fill: Fraction | bool | str | None = None
    from_week: int = 0
    aggregate: str = "first"


@dataclass(frozen=True)
class Column:
    """One column: what it means to a researcher and what a row may hold.

    `codes` restricts a code column (or an integer column, whose codes are then written as digits).
    `pattern` is a regular expression that the whole text must match. `sensitive` marks what identifies a
    student when joined with public data, or belongs to the special or high-risk categories (AVG art. 9, 10).
    `aliases` are pairs of (standard, name): MORA, OEAPI, DUO.
    """

    type: Type
    prose: Text
    nullable: bool = True
    codes: CodeList | None = None
    bounds: Bounds | None = None
    pattern: str = ""
    sensitive: bool = False
    unit: str = ""
    aliases: tuple[tuple[str, str], ...] = ()
    feature: FeatureUse | None = None
    outcome: bool = False
    name: str = ""
    title: Text | None = None

    @property
    def label(self) -> Text:
        """What figures and sentences call the column: its title, or else its prose without the full stop."""
        return self.title or Text(self.prose.nl.rstrip("."), self.prose.en.rstrip("."))


@dataclass(frozen=True)
class Table:
    """A table: the researcher's prose, the columns in order, and the columns that together occur once."""

    name: str
    title: Text
    prose: Text
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    order: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    about: About = About.STUDENT

    @property
    def unit(self) -> str | None:
        """The column with the pseudonym of the person that a row is about; None where it is about no person."""
        return self.about.value if self.about.person else None

    def column(self, name: str) -> Column:
        """Return the column called `name`, or raise `UnknownColumn` with the nearest name."""
        if name not in self.columns:
            rule = f"table '{self.name}' has no column '{name}'"
            raise UnknownColumn(f"{rule}; {remedy(name, self.columns)}")
        return self.columns[name]

    def extended(self, extra: Mapping[str, Column]) -> Table:
        """Return this table with the columns of `extra` after its own."""
        return dataclasses.replace(self, columns=MappingProxyType({**self.columns, **extra}))


class Declared:
    """What a table's class derives from: its docstring is the English prose, its attributes are the columns.

    class Person(Declared, title=Text("Student", "Person"), nl="Eén rij per student.", key=("student",)):
        \"""One row per student.\"""

        student = student_column()

    leaves the finished `Table` as `Person.table`. `nl` is the Dutch prose; `key` the columns that together occur at
    most once; `order` the columns by which one student's rows are sorted before anything is computed from them; `about`
    whom or what a row is about, which names the pseudonym column (`student`, `applicant`, `staff`) if there is one.
    """

    table: ClassVar[Table]

    def __init_subclass__(
        cls,
        *,
        title: Text,
        nl: str,
        key: tuple[str, ...],
        order: tuple[str, ...] = (),
        aliases: tuple[tuple[str, str], ...] = (),
        about: About = About.STUDENT,
    ) -> None:
        """Gather the class's columns, each named after its attribute, into one `Table`."""
        columns = {
            name: dataclasses.replace(value, name=name)
            for name, value in vars(cls).items()
            if isinstance(value, Column)
        }
        prose = Text(_one_line(nl), _one_line(cls.__doc__ or ""))
        name = _snake(cls.__name__)
        cls.table = Table(name, title, prose, key, MappingProxyType(columns), order or key, aliases, about)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def student_column() -> Column:
    """Return the column that every table about students begins with: the school's own pseudonym of the student."""
    return _pseudonym("de student", "student", (("OEAPI", "personId"), ("DUO", "PseudoNummer")))


def applicant_column() -> Column:
    """Return the column that a table about applicants begins with; no student has such a pseudonym."""
    return _pseudonym("de aanmelder", "applicant", (("CAMBO", "bsnhash"),))


def staff_column() -> Column:
    """Return the column that a table about staff begins with; no student has such a pseudonym."""
    return _pseudonym("de medewerker", "member of staff")


def _pseudonym(nl: str, en: str, aliases: tuple[tuple[str, str], ...] = ()) -> Column:
    return Column(
        Type.PSEUDONYM,
        Text(
            f"Pseudoniem van {nl} binnen deze school: HMAC-SHA256 met een sleutel die de school niet verlaat.",
            f"The {en}'s pseudonym within this school: HMAC-SHA256 with a key that never leaves the school.",
        ),
        nullable=False,
        pattern="[0-9a-f]{32,64}",
        sensitive=True,
        aliases=aliases,
    )


def published_columns() -> tuple[Column, Column]:
    """Return the last columns of every table of public figures: who published them, and of which day they are."""
    source = Column(
        Type.TEXT,
        Text("Wie de gegevens heeft gepubliceerd, en waarin.", "Who published the figures, and in what."),
        nullable=False,
    )
    source_date = Column(
        Type.DATE,
        Text(
            "Dag waarvoor de gegevens gelden; bij een lijst de dag waarop zij is opgehaald.",
            "Day for which the figures hold; of a list, the day on which it was fetched.",
        ),
    )
    return source, source_date
