"""A synthetic school arrives; DUO's deliveries on early leaving leave: A05 and NRSP, A04 and A14, NenR.

Warts of the original: cp1252, names and addresses in full, another header for the reports of a year than for those
of a month, 0 for a BSN that is not there, levels in words, the month as ccyymm, and the year in the file's name only.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.synthetic.background import Columns
from experiments.synthetic.early_leaving import LEAVER_REPORTS, START_REPORTS, YEARS, Population, population
from experiments.synthetic.identifiers import bsn_or_onderwijsnummer, identifiers
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.writers.export_file import Dialect, write_csv
from experiments.synthetic.writers.per_enrolment import of_programmes

DIALECT = Dialect(";", "cp1252", ",", "dd-mm-yyyy")
STATUS = {16: "V", 17: "D"}  # voorlopig, definitief
AFTER_THE_YEAR = 12


def write(school: SyntheticSchool, folder: Path) -> None:
    """Write the A05, A04, A14, NRSP and NenR files of each year into an existing folder."""
    for year in YEARS:
        everyone = population(school, year)
        for report in START_REPORTS:
            _write(school, everyone, folder, report, leavers=False)
        for report in LEAVER_REPORTS:
            _write(school, everyone, folder, report, leavers=True)


def _write(school: SyntheticSchool, given: Population, folder: Path, report: int, leavers: bool) -> None:
    chosen = np.flatnonzero(given.leaver) if leavers else np.arange(len(given.row))
    if report in STATUS:
        name = f"{'NenR' if leavers else 'NRSP'}{given.year + 1}{STATUS[report]}I{school.brin}.csv"
        write_csv(folder / name, _of_year(school, given, chosen, leavers), DIALECT)
        return
    month = _month(given.year, report)
    kind = "A05" if not leavers else "A14" if report > AFTER_THE_YEAR else "A04"
    write_csv(folder / f"{month}{kind}I{school.brin}.csv", _of_month(school, given, chosen, month, leavers), DIALECT)


def _month(year: int, report: int) -> str:
    """Return ccyymm of a report's month: 1 is October of the year, 13 October of the next."""
    months = 9 + report - 1
    return f"{year + months // 12}{months % 12 + 1:02d}"


def _of_month(school: SyntheticSchool, given: Population, chosen: np.ndarray, month: str, leavers: bool) -> Columns:
    who, marks = given.student[chosen], identifiers(school)
    street, number = _addresses(school, who)
    reported = (
        {"MELDING_VERZUIMLOKET_WETTELIJK": _same("J", who), "REDEN_UITSTROOM": _same("", who), "REDEN": _same("", who)}
        if leavers
        else {"INDICATIE_STARTKWALIFICATIE": given.qualified[chosen]}
    )
    return {
        "#BRIN": _same(school.brin, who),
        "NAAM_INSTELLING": _same(school.name, who),
        "RAPPORTAGE_MAAND": _same(month, who),
        "BSN_ONDERWIJSNR": bsn_or_onderwijsnummer(school)[who],
        "VOORNAMEN": marks.first_name[who],
        "VOORVOEGSEL": _same("", who),
        "ACHTERNAAM": marks.last_name[who],
        "GEBOORTEDATUM": school.students["birth_date"][who].astype("datetime64[D]"),
        "ILT/CREBO": _programme("crebo", school, given, chosen),
        "ILT/CREBO_OMS": _programme("name", school, given, chosen),
        "LEERWEG": school.programme_periods["leertraject"][given.period[chosen]],
        "GEMCODE": _same("518", who),
        "RMC_REGIO": _same("REGIO 28", who),
        "NIVEAU": _levels(school, given, chosen),
        "INSCHR_VLGNR": school.enrolments["enrolment_id"][given.row[chosen]],
        "STRAAT": street,
        "HUISNUMMER": number,
        "HUISLETTER": _same("", who),
        "POSTCODE": _postcodes(school, who),
        "WOONPLAATS": _same("BEDACHTERDAM", who),
        **reported,
    }


def _of_year(school: SyntheticSchool, given: Population, chosen: np.ndarray, leavers: bool) -> Columns:
    who, marks = given.student[chosen], identifiers(school)
    examined = {"EXAMEN": _same("", who), "IND_BEKOSTIGING": _same("J", who)} if leavers else {}
    return {
        "#BURGERSERVICENUMMER": np.where(marks.bsn[who] == "", "0", marks.bsn[who]),
        "ONDERWIJSNUMMER": marks.onderwijsnummer[who],
        "GEBOORTEDATUM": school.students["birth_date"][who].astype("datetime64[D]"),
        "GESLACHT": school.students["geslacht"][who],
        "ACHTERNAAM": marks.last_name[who],
        "VOORVOEGSEL": _same("", who),
        "VOORNAMEN": marks.first_name[who],
        "POSTCODE_CIJFERS": _digits(school, who),
        "RMC_REGIO": _same("REGIO 28", who),
        "GEMCODE": _same("518", who),
        "BRIN": _same(school.brin, who),
        "NIVEAU": _levels(school, given, chosen),
        "ONDERWIJSSOORT": school.programme_periods["leertraject"][given.period[chosen]],
        "CREBO": _programme("crebo", school, given, chosen),
        "CREBO_OMSCHRIJVING": _programme("name", school, given, chosen),
        **examined,
    }


def _same(text: str, like: np.ndarray) -> np.ndarray:
    return np.full(len(like), text, dtype=object).astype(np.str_)


def _programme(field: str, school: SyntheticSchool, given: Population, chosen: np.ndarray) -> np.ndarray:
    return of_programmes(field, school.programme_periods["programme"][given.period[chosen]])


def _levels(school: SyntheticSchool, given: Population, chosen: np.ndarray) -> np.ndarray:
    return np.array([f"Mbo{level} opleidingen" for level in _programme("niveau", school, given, chosen)], dtype=np.str_)


def _addresses(school: SyntheticSchool, who: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    parts = [str(address).rsplit(" ", 1) for address in identifiers(school).address[who]]
    return np.array([street for street, _ in parts], dtype=np.str_), np.array([n for _, n in parts], dtype=np.str_)


def _digits(school: SyntheticSchool, who: np.ndarray) -> np.ndarray:
    codes = school.students["postcode4"][who]
    return np.where(codes == 0, "", codes.astype(np.str_))


def _postcodes(school: SyntheticSchool, who: np.ndarray) -> np.ndarray:
    return np.array([f"{digits}XY" if digits else "" for digits in _digits(school, who)], dtype=np.str_)
