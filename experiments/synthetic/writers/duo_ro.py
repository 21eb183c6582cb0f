"""A synthetic school arrives; a DUO register overview (RO) leaves, with what the school keeps beside it.

Warts of the original: no header, the kind of record in the first field, students under BSN or onderwijsnummer,
dates as ccyymmdd, a closing record with counts. DUO knows no absence and no background, so the school adds its
absence register, its intake list and its list of programmes. Marks and apcg it has nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from experiments.synthetic.attendance import LAST_WEEK, WEEKS
from experiments.synthetic.background import Columns
from experiments.synthetic.identifiers import Identifiers, identifiers
from experiments.synthetic.leaving import EXPORT_DATE
from experiments.synthetic.placements import placements
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.writers.export_file import Dialect, texts, write_csv, write_lines
from experiments.synthetic.writers.per_enrolment import of_programmes, programme_list, recoded

DIALECT = Dialect("|", "utf-8", ",", "yyyymmdd")
COUNTED = ("PER", "ISG", "ISP", "ISE", "BPV", "DIP", "AMO", "GEO", "KZD")
Record = tuple[int, int, list[str]]  # student's row, order within the student, fields


def write(school: SyntheticSchool, folder: Path) -> None:
    """Write `RO_<brin>.txt` and three lists of the school's own into an existing folder."""
    write_lines(folder / f"RO_{school.brin}.txt", _lines(school), DIALECT)
    write_csv(folder / "verzuim_per_week.csv", _absence(school), DIALECT)
    write_csv(folder / "intake.csv", _intake(school), DIALECT)
    programmes = programme_list(("Opleidingcode", "Opleidingsnaam", "Sector"))
    write_csv(folder / "opleidingen.csv", programmes, DIALECT)


def _lines(school: SyntheticSchool) -> Iterator[list[str]]:
    """Everything about one student stands together, between the opening VLP and the closing SLR."""
    marks = identifiers(school)
    parts = (_persons, _enrolments, _programmes, _placements, _diplomas)
    records = [record for part in parts for record in part(school)]
    records.sort(key=lambda record: record[:2])
    yield ["VLP", school.brin, "20220801", "20240930", _day(np.array([EXPORT_DATE]))[0]]
    for who, _, (kind, *fields) in records:
        yield [kind, marks.bsn[who], marks.onderwijsnummer[who], *fields]
    kinds = [record[2][0] for record in records]
    yield ["SLR", *(str(kinds.count(kind)) for kind in COUNTED)]


def _day(values: np.ndarray) -> list[str]:
    return texts(values, DIALECT)


def _persons(school: SyntheticSchool) -> Iterator[Record]:
    born = _day(school.students["birth_date"])
    for who, (day, gender) in enumerate(zip(born, school.students["geslacht"].tolist(), strict=True)):
        yield who, 0, ["PER", day, gender]


def _enrolments(school: SyntheticSchool) -> Iterator[Record]:
    rows = school.enrolments
    columns = (_day(rows["start_date"]), _day(rows["planned_end_date"]), _day(rows["end_date"]), rows["reason"])
    for who, number, *fields in zip(rows["student"], rows["enrolment_id"], *columns, strict=True):
        yield int(who), 10 * int(number), ["ISG", str(number), *map(str, fields)]


def _programmes(school: SyntheticSchool) -> Iterator[Record]:
    """An ISP record per programme period; provider, location and route stay empty but for the provider."""
    rows = school.programme_periods
    provider = f"{sum(map(ord, school.brin)) % 1000:03d}A001"
    crebo, niveau = (of_programmes(field, rows["programme"]) for field in ("crebo", "niveau"))
    columns = (rows["student"], rows["enrolment_id"], _day(rows["start_date"]), crebo, rows["leertraject"], niveau)
    for who, number, day, code, track, level in zip(*columns, strict=True):
        fields = [str(number), day, str(code), str(track), f"MBO-{level}", "J", "", provider, "", "", ""]
        yield int(who), 10 * int(number) + 1, ["ISP", *fields]


def _placements(school: SyntheticSchool) -> Iterator[Record]:
    """A BPV record per placement."""
    rows = placements(school)
    start, planned, end = (_day(rows[name]) for name in ("start_date", "planned_end_date", "end_date"))
    crebo = of_programmes("crebo", rows["programme"])
    columns = (rows["student"], rows["enrolment_id"], start, planned, end, crebo, rows["leerbedrijf"])
    for who, number, first, until, last, code, firm in zip(*columns, strict=True):
        fields = [str(number), "1", first, first, until, last, "850", str(firm), str(code), ""]
        yield int(who), 10 * int(number) + 2, ["BPV", *fields]


def _diplomas(school: SyntheticSchool) -> Iterator[Record]:
    rows = school.diplomas
    crebo = of_programmes("crebo", rows["programme"])
    for who, number, code, day in zip(rows["student"], rows["enrolment_id"], crebo, _day(rows["date"]), strict=True):
        yield int(who), 90, ["DIP", "1", str(code), day, "", "J", str(number), ""]


def _absence(school: SyntheticSchool) -> Columns:
    """The register from which the school reports truancy, so it carries the BSN: a row per stretch of weeks."""
    hours, marks = school.attendance, identifiers(school)
    who, column = np.nonzero(~np.isnan(hours.scheduled))
    return {
        "leerlingnummer": school.students["number"][who],
        **_numbers(marks, who),
        "lesweek": np.array(LAST_WEEK)[column],
        "aantal_weken": np.array(WEEKS)[column],
        "rooster_uren": hours.scheduled[who, column],
        "ongeoorloofd_uren": hours.unauthorised[who, column],
        "geoorloofd_uren": hours.authorised[who, column],
    }


def _intake(school: SyntheticSchool) -> Columns:
    """The intake department's list: a row per enrolment."""
    rows = school.enrolments
    who = rows["student"].astype(int)
    prior = school.students["vooropleiding"][who]
    return {
        **_numbers(identifiers(school), who),
        "Inschrijvingvolgnummer": rows["enrolment_id"],
        "vooropleiding": recoded(prior, {"nan": "", "VMBO_GL": "VMBO_GT", "VMBO_TL": "VMBO_GT"}),
        "eerste_mbo": rows["first_study"],
        "aanmeldingen": rows["applications"],
        "voor_1_april": rows["applied_before_april"],
    }


def _numbers(marks: Identifiers, who: np.ndarray) -> Columns:
    return {"bsn": marks.bsn[who], "onderwijsnummer": marks.onderwijsnummer[who], "naam": marks.last_name[who]}
