"""What points at a person: by the name of a column, by the form of its cells; and what does not, in every layout."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.synthetic.identifiers import planted
from experiments.synthetic.sector import SyntheticSchool, generate
from experiments.synthetic.writers.layouts import REGISTRY
from node import identifiers
from node.identifiers import is_birth_date, is_known_identifier, looks_identifying
from node.identifying import identifies, masked, points_at_somebody
from node.intake import read_exports
from node.mapping import identifier_of
from node.mapping_document import read_mapping

MAPPINGS = Path(identifiers.__file__).parent / "mappings"

NAMES = (
    *(
        "Naam",
        "naam_student",
        "StudentNaam",
        "Naam deelnemer",
        "mentornaam",
        "Naam ouder 1",
        "contact name",
        "Roepnaam",
    ),
    *("telefoonnr", "Telefoon (thuis)", "tel.nr.", "Mobiel nummer", "GSM", "e-mail", "E-mailadres privé", "Mail"),
    *("BSN", "bsn_nr", "BurgerServiceNummer", "Onderwijsnr.", "PersoonsgebondenNummer", "SOFI-nummer", "ECK-iD"),
    *("Straat + huisnr", "Postcode/huisnummer", "Woonadres", "adresregel_2", "Woonplaats", "IBAN", "Rekeningnummer"),
    *("Geboorteplaats", "gebruikersnaam", "User principal name", "Opmerkingen", "toelichting", "Kenteken"),
)
NOBODYS = (
    *(
        "opleidingsnaam",
        "crebo_naam",
        "Naam instelling",
        "team",
        "postcode",
        "Postcodecijfers",
        "gemeente",
        "volgnummer",
    ),
    *("studentnummer", "Geslacht", "vooropleiding", "instroom", "IndicatieBekostigbaar", "hotelschool", "Teamnaam"),
    *("Plaats instelling", "locatie", "college", "instellingsnaam", "sectornaam", "lftijd_aanvang", "dossier"),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_identifies(name: str) -> None:
    """However it is spelled."""
    assert is_known_identifier(name)


@pytest.mark.parametrize("name", NOBODYS)
def test_a_name_that_does_not(name: str) -> None:
    """What schools need to be read."""
    assert not is_known_identifier(name)


def test_a_date_of_birth_is_known_by_its_name() -> None:
    """It becomes an age, and nothing else."""
    assert all(map(is_birth_date, ("Geboortedatum", "geboorte_dat", "Date of birth (birthdate)", "geboren", "DOB")))
    assert not any(map(is_birth_date, ("begindatum", "geboorteland", "datum")))


def _bsn(number: int) -> str:
    """A number of nine digits that passes the check, from eight digits."""
    digits = [int(digit) for digit in f"{number:08d}"]
    rest = sum(weight * digit for weight, digit in zip(range(9, 1, -1), digits, strict=True)) % 11
    return f"{number:08d}{rest}" if rest < 10 else _bsn(number + 1)


def _onderwijsnummer(number: int) -> str:
    last = (int(_bsn(number)[-1]) - 5) % 11
    return _bsn(number)[:-1] + str(last) if last < 10 else _onderwijsnummer(number + 1)


PERSONS = {
    "bsn": [_bsn(10_000_000 + 7_919 * index) for index in range(30)],
    "bsn with points": [f"{one[:4]}.{one[4:6]}.{one[6:]}" for one in (_bsn(10_000_000 + 97 * i) for i in range(30))],
    "onderwijsnummer": [_onderwijsnummer(20_000_000 + 7_919 * index) for index in range(30)],
    "mail": ["jan@school.example", ""] * 5,
    "mail in brackets": ["Jan <jan@school.example>"],
    "mobile": [f"06{12345678 + index}" for index in range(30)],
    "telephone": [f"+31 (0)6 {12345678 + index}" for index in range(30)],
    "fixed line": [f"020-{5551000 + index}" for index in range(30)],
    "iban": ["NL91 ABNA 0417 1643 00"],
    "postcode and number": [f"1012 AB {index}" for index in range(30)],
    "postcode, number and addition": [f"1012AB {index} bis" for index in range(30)],
}
WORDS = {
    "names": [f"{first} de {last}" for first in ("Jan", "Femke", "Ali", "Bo") for last in ("Vries", "Boer", "Wit")],
    "initials": [f"{chr(65 + index)}. Jansen" for index in range(12)],
    "street": [f"Dorpsstraat {index}" for index in range(12)],
    "remarks": [f"Belde op dag {index}, moeder ziek" for index in range(12)],
}
NOBODY = {
    "crebo": [str(25000 + index) for index in range(60)],
    "leerbedrijf": [str(100000000 + 37 * index) for index in range(200)],
    "postcode": [f"{1012 + index} AB" for index in range(60)],
    "dates": [f"2023-08-{day:02d} 10:00" for day in range(1, 29)],
    "hours": [f"{index},5" for index in range(60)],
    "numbers": [f"S{index:06d}" for index in range(60)],
    "padded": [f"{index:010d}" for index in range(60)],
    "BRIN": [f"{index:02d}XX" for index in range(60)],
    "school years": [f"{year}-{year + 1}" for year in range(1990, 2020)],
    "programmes": ["Verzorgende IG", "Allround timmerman", "Medewerker ICT niveau 2", "Commercieel medewerker"] * 20,
}


@pytest.mark.parametrize("what", PERSONS)
def test_cells_that_identify(what: str) -> None:
    """Whatever the column is called, about whomever its rows are."""
    assert looks_identifying(pd.Series(PERSONS[what], dtype="str"))


@pytest.mark.parametrize("what", WORDS)
def test_words_that_hardly_come_back(what: str) -> None:
    """Names, addresses and remarks, in rows about people; a list of programmes is not about people."""
    cells = pd.Series(WORDS[what], dtype="str")
    assert looks_identifying(cells, people=True)
    assert not looks_identifying(cells)


@pytest.mark.parametrize("what", NOBODY)
def test_cells_that_do_not(what: str) -> None:
    """What exports of schools are made of."""
    assert not looks_identifying(pd.Series(NOBODY[what], dtype="str"), people=True)


def test_a_short_column_of_numbers_proves_nothing() -> None:
    """Two in eleven pass the check by chance."""
    assert not identifies(PERSONS["bsn"][:9], 9) and not identifies([], 0)


SOMEBODY = ("Team van jan@school.example", "bel 06-12345678", "NL91ABNA0417164300", "1012AB 12", "BSN 123456782 Zorg")
NO_ONE = ("Zorg en Welzijn 2", "123456782", "0612345678", "25180", "Team 1012", "1012 AB", "MBO@school", "A-2023-08")


def test_one_cell_that_points_at_somebody() -> None:
    """In a column of text that a mapping reads; a bare number may be a dossier's."""
    assert [text for text in SOMEBODY if not points_at_somebody(text)] == []
    assert [text for text in NO_ONE if points_at_somebody(text)] == []


def test_a_file_s_name_is_shown_without_a_person() -> None:
    """It stands in the report."""
    assert (masked("export_123456782.csv"), masked("jan@x.nl-2.csv")) == ("export_#.csv", "#")
    assert masked("RO_25XX_20230801.csv") == "RO_25XX_20230801.csv"


@pytest.fixture(scope="module", params=[(3, 400), (11, 60)], ids=["400 students", "60 students"])
def school(request: pytest.FixtureRequest) -> SyntheticSchool:
    seed, students = request.param
    return generate(1, students, seed)[0]


@pytest.mark.parametrize("layout", REGISTRY)
def test_in_shipped_layouts_nothing_else_is_dropped(school: SyntheticSchool, layout: str, tmp_path: Path) -> None:
    """False positives: none. Of every column that is dropped by itself, most cells are planted, or it is a remark."""
    REGISTRY[layout].write(school, tmp_path)
    document = read_mapping(MAPPINGS / f"{layout}.yaml")
    marks = planted(school)
    for name, export in read_exports(tmp_path, document.sources).items():
        identifier = identifier_of(document, name, export.frame.columns)
        own = () if identifier is None else identifier.column
        for column in export.frame.columns.difference(list(own)):
            why = identifiers._why_drop(export, column, (), identifier is not None)
            if why and column not in document.drop:
                cells = [cell for cell in export.frame[column] if cell]
                assert sum("@" in cell or any(mark in cell for mark in marks) for cell in cells) > len(cells) / 2, (
                    name,
                    column,
                    why,
                )
