"""A synthetic school arrives; DUO's TBG-i leaves: one XML file for each funding year, two years after its study year.

Warts of the original: elements within elements (an enrolment holds its count days, which hold signals), a byte order
mark before the first line, a name in capitals, empty elements that say they are nil, students under BSN or
onderwijsnummer, and an enrolment in the file of every year in which it held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from experiments.synthetic.identifiers import Identifiers, identifiers
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.study_years import YEARS, Counted, StudyYear, counted
from experiments.synthetic.writers.per_enrolment import of_programmes

INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
PLACEMENT_FIELDS = (
    *("Inschrijvingvolgnummer", "Volgnummer", "Afsluitdatum", "DatumBegin", "DatumEindGepland", "DatumEindWerkelijk"),
    "Opleidingcode",
)
Fields = Iterable[tuple[str, str]]


def write(school: SyntheticSchool, folder: Path) -> None:
    """Write `TBGI_<brin>_<funding year>_<made>.XML` for each study year into an existing folder."""
    for year in YEARS:
        lines = [
            '<?xml version="1.0" encoding="utf-8"?>',
            f'<Bekostigingsgrondslagen xmlns:xsi="{INSTANCE}">',
            *_enrolments(school, year),
            *_diplomas(school, year),
            "</Bekostigingsgrondslagen>",
        ]
        path = folder / f"TBGI_{school.brin}_{year.year + 2}_{year.made:%Y%m%d}.XML"
        path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8-sig", newline="")


def _elements(fields: Fields) -> Iterator[str]:
    for name, text in fields:
        yield f"\t<{name}>{escape(text)}</{name}>" if text else f'\t<{name} xsi:nil="true"/>'


def _enrolments(school: SyntheticSchool, year: StudyYear) -> Iterator[str]:
    rows, marks = school.enrolments, identifiers(school)
    days: dict[int, list[Counted]] = {}
    for one in counted(school, year):
        days.setdefault(one.row, []).append(one)
    end = year.known(rows["end_date"])
    for row in np.flatnonzero(year.enrolled(school)).tolist():
        yield "<Inschrijving>"
        yield from _elements(
            [
                *_who(school, marks, int(rows["student"][row])),
                ("Inschrijvingvolgnummer", str(rows["enrolment_id"][row])),
                ("DatumInschrijving", _day(rows["start_date"][row])),
                ("DatumUitschrijvingGepland", _day(rows["planned_end_date"][row])),
                ("DatumUitschrijvingWerkelijk", _day(end[row])),
                ("NiveauHoogstBekostigdeDiploma", ""),
            ]
        )
        for one in days.get(row, []):
            yield from _count_day(school, year, one)
        yield "</Inschrijving>"


def _who(school: SyntheticSchool, marks: Identifiers, student: int) -> Fields:
    yield "BRIN", school.brin
    yield "Burgerservicenummer", str(marks.bsn[student])
    yield "Onderwijsnummer", str(marks.onderwijsnummer[student])


def _count_day(school: SyntheticSchool, year: StudyYear, one: Counted) -> Iterator[str]:
    """A Teldatum element, its placement and signals empty as they mostly are."""
    period = {name: school.programme_periods[name][one.period] for name in ("student", "programme", "leertraject")}
    programme = np.array([period["programme"]])
    born = school.students["birth_date"][int(period["student"])]
    yield "\t<Teldatum>"
    yield from _elements(
        [
            ("Teldatum", str(one.day)),
            ("DatumTijdBepalingBekostigingsgrondslagen", f"{year.made} 10:42:29"),
            ("StatusBepalingBekostigingsstatus", "V"),
            ("LeeftijdOpEenAugustusStudiejaar", str(int((year.first - born).astype(int) // 365.25))),
            ("Opleidingcode", str(of_programmes("crebo", programme)[0])),
            ("Niveau", f"MBO-{of_programmes('niveau', programme)[0]}"),
            ("Leertraject", str(period["leertraject"])),
            ("Leerroutefase", ""),
            *((name, "true") for name in ("IndicatieBekostigbaar", "Bekostigingsstatus")),
            ("InschrijvingVoorCorrectiefactor", "true"),
            *((name, "1") for name in ("BBLBOLFactor", "PrijsfactorMBO")),
            ("AantalBekostigdeVerblijfsjarenMBO", "0"),
            ("Verblijfsjaarfactor", ""),
            ("BijdrageInschrijvingAanDeelnemerswaarde", "1"),
        ]
    )
    yield "\t<BekostigingsrelevanteBPV>"
    yield from _elements((name, "") for name in PLACEMENT_FIELDS)
    yield "\t</BekostigingsrelevanteBPV>"
    yield from _signal()
    yield "\t</Teldatum>"


def _signal() -> Iterator[str]:
    yield "\t<Signaal>"
    yield from _elements((name, "") for name in ("Signaalvolgnummer", "Signaalcode", "Signaalomschrijving"))
    yield "\t<Parameter>"
    yield from _elements((name, "") for name in ("Parametervolgnummer", "Parameternaam", "Parameterwaarde"))
    yield "\t</Parameter>"
    yield "\t</Signaal>"


def _diplomas(school: SyntheticSchool, year: StudyYear) -> Iterator[str]:
    """The diplomas of the calendar year in which the study year begins."""
    rows, marks = school.diplomas, identifiers(school)
    crebo = of_programmes("crebo", rows["programme"])
    for row in np.flatnonzero(rows["date"].astype("datetime64[Y]") == np.datetime64(str(year.year))).tolist():
        yield "<Diploma>"
        yield from _elements(
            [
                *_who(school, marks, int(rows["student"][row])),
                ("Resultaatvolgnummer", str(8_000_001 + row)),
                ("Opleidingcode", str(crebo[row])),
                ("Inschrijvingvolgnummer", str(rows["enrolment_id"][row])),
                ("DatumBehaald", _day(rows["date"][row])),
                ("Niveau", f"MBO-{rows['niveau'][row]}"),
                ("IndicatieSpecialistendiploma", "false"),
                ("NiveauHoogstBekostigdeDiploma", ""),
                ("IndicatieHoogstBekostigdeDiplomaIsSpecialist", ""),
                ("DatumTijdBepalingBekostigingsgrondslagen", f"{year.made} 07:13:15"),
                ("StatusBepalingBekostigingsstatus", "V"),
                ("Bekostigingsstatus", "true"),
                ("BijdrageDiplomawaarde", "5"),
            ]
        )
        yield from _signal()
        yield "</Diploma>"


def _day(day: np.datetime64) -> str:
    return "" if np.isnat(day) else str(day.astype("datetime64[D]"))
