"""A page and its tables arrive; the page, a workbook or CSV files leave, each saying that it stays at the school.

Every local product says the same four things: it does not leave the school, of which delivery and day it is, that a
person decides, and who asked for it if it names students.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.reading import sheet
from experiments.reading.sheet import Part, Sheet
from experiments.reading.words import Words, day
from experiments.terminal import Block, Report
from node.errors import StorageFailed, UnusableInput
from node.local import export

if TYPE_CHECKING:
    from node.local.school import School

Value = str | int | float | bool | None
Table = tuple[Sequence[str], Sequence[Sequence[Value]]]
ABOUT = "over"
QUIET_DAYS = 45
"""So long before 1 October a delivery may be of after it: nobody need have started, left or graduated since."""

STAYS = Words(
    "Lokaal: dit verlaat de school niet. Levering {delivery}, bekend tot en met {until}. Een persoon beslist.",
    "Local: this does not leave the school. Delivery {delivery}, known until {until}. A person decides.",
)
YEARS = Words("schooljaren {years}", "school years {years}")


@dataclass(frozen=True)
class Asked:
    """What a person asks of the colours or the rule on a command line; None is: the default.

    period: 1 to 4; team: show this team's own students; asked_by: who asks for them; numbers: the export with their
    numbers; as_of: YYYY-MM-DD; xlsx, csv: where the tables go as well.
    """

    period: int | None = None
    team: str | None = None
    asked_by: str | None = None
    numbers: Path | None = None
    as_of: str | None = None
    xlsx: Path | None = None
    csv: Path | None = None


@dataclass(frozen=True)
class Product:
    """A page with its name in NODE/local, and the same figures as tables: sheet title -> heads and rows."""

    name: str
    title: Words
    lead: Words
    parts: tuple[Part, ...]
    tables: Mapping[str, Table]


def stays(school: School) -> Words:
    """What every page and export says first."""
    return STAYS.filled(delivery=school.delivery, until=day(school.until))


def span(years: Sequence[int]) -> str:
    """School years as people write them: 2021-2022 t/m 2023-2024, or one of them."""
    first, last = f"{years[0]}-{years[0] + 1}", f"{years[-1]}-{years[-1] + 1}"
    return first if len(years) == 1 else f"{first} – {last}"


def put(
    school: School,
    product: Product,
    xlsx: Path | None,
    csv: Path | None,
    data: Mapping[str, object],
    blocks: Sequence[Block] = (),
) -> Report:
    """Write the page into NODE/local, and the tables where asked; return what the command shows.

    Raises `UnusableInput` for a place that cannot be written, `StorageFailed` when the disk does not take it.
    """
    page = Sheet(school.name, product.title, product.lead, school.today, stays(school), product.parts)
    try:
        written = sheet.write(page, school.folder.local, product.name)
    except OSError as error:
        rule, remedy = "A page is written whole or not at all.", "Free disk space or correct the folder's permissions."
        raise StorageFailed("page_not_written", rule, type(error).__name__, remedy) from error
    files = exported(school, product.title, product.tables, xlsx, csv)
    told = [f"{written}", *(str(file) for file in files), stays(school).nl, stays(school).en, *nearly_over(school)]
    found = {"page": str(written), "files": [str(file) for file in files], **about(school), **data}
    return Report(found, [*blocks, "\n".join(told)])


def nearly_over(school: School) -> list[str]:
    """Just before 1 October the latest day in the rows may be a quiet week of an export that knows more."""
    october = datetime.date(school.until.year, 10, 1)
    if not 0 < (october - school.until).days <= QUIET_DAYS:
        return []
    year = f"{school.until.year - 1}-{school.until.year}"
    return [
        f"{year} telt niet mee: de laatste datum in de levering is {school.until}. Is de export van na 1 oktober, zeg"
        f" dan --as-of {october} of later. / {year} is left out: the last date in the delivery is {school.until}. If"
        f" the export is of after 1 October, say --as-of {october} or later."
    ]


def about(school: School) -> dict[str, object]:
    """The same for machines: whose figures, of which delivery, until when, and that they stay."""
    return {
        "school": school.name,
        "delivery": school.delivery,
        "known_until": school.until.isoformat(),
        "made": school.today.isoformat(),
        "leaves_the_school": False,
    }


def exported(
    school: School, title: Words, tables: Mapping[str, Table], xlsx: Path | None, csv: Path | None
) -> list[Path]:
    """Write the tables to a workbook and to a folder of CSV files, as far as asked; return what was written."""
    said = {ABOUT: _about(school, title), **tables}
    files = []
    if xlsx is not None:
        export.write_xlsx(xlsx, said)
        files.append(xlsx)
    if csv is not None:
        for name, (head, rows) in said.items():
            files.append(_folder(csv) / f"{name}.csv")
            export.write_csv(files[-1], head, rows)
    return files


def _folder(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        rule, remedy = "CSV files go into one folder.", "Name a folder whose parent exists."
        raise UnusableInput("no_such_place", rule, f"no folder {folder.name}", remedy) from error
    return folder


def _about(school: School, title: Words) -> Table:
    said = stays(school)
    rows = [
        ("school", school.name, school.name),
        ("titel / title", title.nl, title.en),
        ("gemaakt / made", school.today.isoformat(), school.today.isoformat()),
        ("let op / note", said.nl, said.en),
    ]
    return ("wat / what", "nl", "en"), rows


def no_team(known: Sequence[str]) -> UnusableInput:
    """The error for a team that the delivery does not have."""
    rule, shown = "A team is named as the delivery names it.", ", ".join(known[:12])
    return UnusableInput("no_team", rule, "another name", f"Teams: {shown or 'none; map enrolment.team'}.")
