"""A synthetic school arrives; DUO's GRONDSLAG IP leaves: one file of records for each study year.

Warts of the original: no header, the kind of record in the first field, a pseudonymous number instead of the BSN,
four ages instead of a day of birth, fields of DIP in another order than in the RO, three fields at the end of PER
that the specification does not name, an enrolment in the file of every year in which it held (as it was known when
that file was made), and a closing record with counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from experiments.synthetic.identifiers import pseudo_number
from experiments.synthetic.placements import placements
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.study_years import YEARS, Days, StudyYear, counted
from experiments.synthetic.writers.export_file import Dialect, texts, write_lines
from experiments.synthetic.writers.per_enrolment import of_programmes, period_ends

DIALECT = Dialect(";", "utf-8", ",", "yyyymmdd")
COUNTED = ("PER", "ISG", "ISP", "ISE", "BPV", "BII", "DIP", "BID", "AMO", "GEO", "KZD")
AGE_DAYS = ("08-01", "10-01", "12-31")  # of the study year; the fourth age is that of 1 February after it
Record = tuple[int, int, list[str]]  # student's row, order within the student, fields


def write(school: SyntheticSchool, folder: Path) -> None:
    """Write `GRONDSLAG_IP_MBO_<brin>_<made>_<year>.csv` for each study year into an existing folder."""
    for year in YEARS:
        name = f"GRONDSLAG_IP_MBO_{school.brin}_{year.made:%Y%m%d}_{year.year}.csv"
        write_lines(folder / name, _lines(school, year), DIALECT)


def _lines(school: SyntheticSchool, year: StudyYear) -> Iterator[list[str]]:
    parts = (_enrolments, _programmes, _placements, _funding, _diplomas)
    records = [record for part in parts for record in part(school, year)]
    records += _persons(school, year, sorted({who for who, _, _ in records}))
    records.sort(key=lambda record: record[:2])
    numbers = pseudo_number(school)
    yield ["VLP", school.brin, str(year.year), f"{year.made:%Y%m%d}", "V"]
    for who, _, (kind, *fields) in records:
        yield [kind, numbers[who], *([] if kind == "PER" else [school.brin]), *fields]
    kinds = [record[2][0] for record in records]
    yield ["SLR", *(str(kinds.count(kind)) for kind in COUNTED)]


def _day(values: Days) -> list[str]:
    return texts(values, DIALECT)


def _persons(school: SyntheticSchool, year: StudyYear, present: list[int]) -> Iterator[Record]:
    """Ages on four days, gender, postcode, ten fields of origin and residence, and three that nobody announced."""
    people = school.students
    days = [np.datetime64(f"{year.year}-{day}") for day in AGE_DAYS] + [np.datetime64(f"{year.year + 1}-02-01")]
    born = people["birth_date"].astype("datetime64[D]")
    for who in present:
        ages = [str(int((day - born[who]).astype(int) // 365.25)) for day in days]
        postcode = str(people["postcode4"][who]) if people["postcode4"][who] else ""
        origin = ["", "", "", "6030", "6030", "6030", "", "", "0001", ""]
        yield who, 0, ["PER", *ages, str(people["geslacht"][who]), postcode, *origin, postcode, "", "0001"]


def _enrolments(school: SyntheticSchool, year: StudyYear) -> Iterator[Record]:
    rows, present = school.enrolments, year.enrolled(school)
    end = year.known(rows["end_date"])
    reason = np.where(np.isnat(end), "", rows["reason"])
    columns = (_day(rows["start_date"]), _day(rows["planned_end_date"]), _day(end), reason)
    for there, who, number, *fields in zip(present, rows["student"], rows["enrolment_id"], *columns, strict=True):
        if there:
            yield int(who), 10 * int(number), ["ISG", str(number), *map(str, fields)]


def _programmes(school: SyntheticSchool, year: StudyYear) -> Iterator[Record]:
    """An ISP record per programme period that had begun, with its last day where that had come."""
    rows = school.programme_periods
    present = _of_present(school, year, rows["student"].tolist(), rows["enrolment_id"].tolist())
    crebo, niveau = (of_programmes(field, rows["programme"]) for field in ("crebo", "niveau"))
    start, end = rows["start_date"], _day(year.known(period_ends(school)))
    columns = (present, rows["student"], rows["enrolment_id"], start, end, crebo, niveau, rows["leertraject"])
    for there, who, number, first, last, code, level, track in zip(*columns, strict=True):
        if there and not np.isnat(year.known(np.array([first]))[0]):
            fields = [str(number), _day(np.array([first]))[0], last, str(code), f"MBO-{level}", str(track), "", "1"]
            yield int(who), 10 * int(number) + 1, ["ISP", *fields, "100A001", "100X001", "", ""]


def _of_present(school: SyntheticSchool, year: StudyYear, who: list[int], number: list[int]) -> list[bool]:
    """Say per (student, enrolment) whether that enrolment is in the file of this year."""
    rows = school.enrolments
    places = zip(rows["student"].tolist(), rows["enrolment_id"].tolist(), year.enrolled(school), strict=True)
    there = {(student, enrolment) for student, enrolment, present in places if present}
    return [place in there for place in zip(who, number, strict=True)]


def _placements(school: SyntheticSchool, year: StudyYear) -> Iterator[Record]:
    rows = placements(school)
    present = _of_present(school, year, rows["student"].tolist(), rows["enrolment_id"].tolist())
    days = (_day(rows["start_date"]), _day(rows["planned_end_date"]), _day(year.known(rows["end_date"])))
    crebo = of_programmes("crebo", rows["programme"])
    columns = (present, rows["student"], rows["enrolment_id"], *days, crebo, rows["leerbedrijf"])
    for there, who, number, first, until, last, code, firm in zip(*columns, strict=True):
        if there:
            fields = [str(number), "1", first, first, until, last, "850", str(firm), str(code), ""]
            yield int(who), 10 * int(number) + 2, ["BPV", *fields]


def _funding(school: SyntheticSchool, year: StudyYear) -> Iterator[Record]:
    """A BII record per count day: what the funding of an enrolment is based on."""
    rows = school.enrolments
    for one in counted(school, year):
        who, number = int(rows["student"][one.row]), int(rows["enrolment_id"][one.row])
        fields = [
            str(number),
            _day(np.array([one.day]))[0],
            f"{year.made} 10:42:29",
            "V",
            "1",
            "1",
            "1",
            "1",
            "",
            "",
            "1",
        ]
        yield who, 10 * number + 3, ["BII", *fields]


def _diplomas(school: SyntheticSchool, year: StudyYear) -> Iterator[Record]:
    """A DIP and a BID record per diploma of the calendar year."""
    rows = school.diplomas
    crebo, day = of_programmes("crebo", rows["programme"]), _day(rows["date"])
    columns = (rows["student"], rows["enrolment_id"], crebo, day, rows["niveau"])
    for result, (who, number, code, date, niveau) in enumerate(zip(*columns, strict=True), start=8_000_001):
        if date.startswith(str(year.year)):
            yield int(who), 90, ["DIP", str(result), str(code), date, "1", str(number), "100A001"]
            made = f"{year.made} 10:42:29"
            yield int(who), 91, ["BID", str(result), f"MBO-{niveau}", "0", "", "", made, "V", "1", "1"]
