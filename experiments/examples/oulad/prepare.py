"""Arrives: the OULAD files. Leaves: one folder per module-presentation, as if each were a school of its own.

    python -m experiments.examples.oulad.prepare --data ../shared/data/oulad --out DIR

    DIR/schema.yaml                 the extension that all schools share
    DIR/bbb-2013j/students.csv      that presentation's rows of studentInfo, without the final result
    DIR/bbb-2013j/registrations.csv     idem of studentRegistration
    DIR/bbb-2013j/results.csv       idem of studentAssessment, beside what assessments.csv says of each
    DIR/bbb-2013j/mapping.yaml      the same for every school
    DIR/bbb-2013j/policy.yaml       public sizes: students per year, rounded to tens

Data: Kuzilek, Hlosta, Zdrahal 2017, doi 10.1038/sdata.2017.171, CC BY 4.0. Files are streamed and nothing is kept.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).parent
ROUNDED_TO = 10
STUDENTS = (
    "id_student",
    "code_presentation",
    "gender",
    "region",
    "highest_education",
    "imd_band",
    "age_band",
    "num_of_prev_attempts",
    "studied_credits",
    "disability",
)
REGISTRATIONS = ("id_student", "code_presentation", "date_registration", "date_unregistration")
RESULTS = (
    "id_student",
    "code_presentation",
    "id_assessment",
    "assessment_type",
    "weight",
    "date_submitted",
    "is_banked",
    "score",
)

Presentation = tuple[str, str]
Row = Mapping[str, str]


def prepare(data: Path, out: Path) -> tuple[Path, ...]:
    """Write one folder per module-presentation under `out` (made if need be) and return them, sorted.

    data: the folder with the OULAD files. Raises FileNotFoundError when one of them is not there, and KeyError when
    one lacks a column.
    """
    sizes = _split(data / "studentInfo.csv", out, "students.csv", STUDENTS)
    _split(data / "studentRegistration.csv", out, "registrations.csv", REGISTRATIONS)
    _split_results(data, out)
    shutil.copyfile(HERE / "schema.yaml", out / "schema.yaml")
    for presentation, size in sizes.items():
        folder = out / school_of(presentation)
        shutil.copyfile(HERE / "mapping.yaml", folder / "mapping.yaml")
        (folder / "policy.yaml").write_text(_policy(presentation, size), encoding="utf-8")
    return tuple(sorted(out / school_of(presentation) for presentation in sizes))


def school_of(presentation: Presentation) -> str:
    """Return the id of a school: `("BBB", "2013J")` is `bbb-2013j`."""
    return "-".join(presentation).lower()


def _split(source: Path, out: Path, name: str, columns: Sequence[str]) -> Counter[Presentation]:
    """Copy each row of a file to the folder of its presentation; returns rows per presentation."""
    with ExitStack() as files:
        return _distribute(_rows(source), out, name, columns, files)


def _split_results(data: Path, out: Path) -> None:
    assessments = {row["id_assessment"]: row for row in _rows(data / "assessments.csv")}
    joined = (assessments[row["id_assessment"]] | row for row in _rows(data / "studentAssessment.csv"))
    with ExitStack() as files:
        _distribute(joined, out, "results.csv", RESULTS, files)


def _distribute(
    rows: Iterator[dict[str, str]], out: Path, name: str, columns: Sequence[str], files: ExitStack
) -> Counter[Presentation]:
    writers: dict[Presentation, csv.DictWriter[str]] = {}
    counts: Counter[Presentation] = Counter()
    for row in rows:
        presentation = (row["code_module"], row["code_presentation"])
        if presentation not in writers:
            writers[presentation] = _writer(out / school_of(presentation) / name, columns, files)
        writers[presentation].writerow({column: row[column] for column in columns})
        counts[presentation] += 1
    return counts


def _rows(source: Path) -> Iterator[dict[str, str]]:
    with source.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _writer(path: Path, columns: Sequence[str], files: ExitStack) -> csv.DictWriter[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = files.enter_context(path.open("w", encoding="utf-8", newline=""))
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    return writer


def _policy(presentation: Presentation, size: int) -> str:
    year = presentation[1][:4]
    rounded = round(size / ROUNDED_TO) * ROUNDED_TO
    return f"""\
policy: 1
ready: true
# Openbare aantallen, afgerond. / Public sizes, rounded.
public_size: {{{year}: {rounded}}}
# Eén experiment op openbare gegevens mag alles kosten. / One experiment on public data may cost all of it.
lifetime_budget: {{epsilon: 3.0, delta: 1e-5}}
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and prepare the folders."""
    parser = argparse.ArgumentParser(description="One folder per OULAD module-presentation, as a school of its own.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the OULAD files")
    parser.add_argument("--out", type=Path, required=True, help="folder to write schools to")
    given = parser.parse_args(arguments)
    schools = prepare(given.data, given.out)
    print(f"{len(schools)} schools in {given.out}")  # noqa: T201 - a command says what it did


if __name__ == "__main__":
    main()
