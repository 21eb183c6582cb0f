"""A node's folder and a wish of students or law arrive; what is done to their data leaves as a report, without anybody.

Each act is shown before it is done, done in one transaction a file, on record without the identity, and can be
repeated: a kill in the middle loses nothing and lets nothing through (`node/people/withheld.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.terminal import Block, Report, confirm
from node.assembly import open_ledger
from node.errors import UnusableInput
from node.founding import existing
from node.people import rotating, student_numbers, withheld
from node.people.pseudonyms import Pseudonyms
from node.people.rotating import check_generations
from node.people.student_numbers import Reader
from node.people.withheld import ERASED, OPTED_OUT
from node.store import Store
from shared_schema import About

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.folder import NodeFolder

FIRST_YEAR, LAST_YEAR = 1990, 2100
KEPT = (
    "De plaats in het logboek blijft onder pseudoniem staan, zodat niemand ooit een nieuw budget krijgt. De bladzijden "
    "onder local/ gaan weg: maak ze daarna opnieuw. Exports, back-ups en lijsten elders verwijdert u zelf. / The "
    "account stays, under a pseudonym, so that nobody ever gets a fresh budget. The pages under local/ go: make them "
    "again. Exports, backups and lists elsewhere are removed by you."
)
RUNNING = (
    "Er loopt een experiment: dat houdt tot het eind de rijen die het heeft. / An experiment is running: until its end "
    "it keeps the rows that it has."
)


@dataclass(frozen=True)
class _Desk:
    """What an act needs: the node's folder, its store and its permanent table, with nobody else at work."""

    folder: NodeFolder
    store: Store
    table: Pseudonyms


@contextmanager
def _desk(root: Path) -> Iterator[_Desk]:
    folder = existing(root)
    store = Store.open(folder.data)
    with store.alone(), Pseudonyms.open(folder.data) as table:
        yield _Desk(folder, store, table)


def opt_out(root: Path, add: bool, remove: bool, file: Path | None) -> Report:
    """Add students to the opt-out list or take them off it; without either, say how many there are."""
    if add and remove:
        rule, remedy = "A number is added or removed.", "Choose one of --add and --remove."
        raise UnusableInput("add_or_remove", rule, "both", remedy)
    with _desk(root) as desk:
        data: dict[str, int] = {}
        if add or remove:
            reader = _reader(desk, About.STUDENT)
            numbers = [reader.pseudonyms(number) for (number,) in student_numbers.read(file)]
            data["numbers"] = len(numbers)
            everyone = {pseudonym for written in numbers for pseudonym in written}
            known = _known(desk, everyone)
            change = withheld.withhold if add else withheld.lift
            change(desk.table, _chosen(numbers, known) if add else everyone, OPTED_OUT)
            data["not_seen"] = sum(known.isdisjoint(written) for written in numbers)
        data["opted_out"] = len(withheld.withheld(desk.table, OPTED_OUT))
        running = _running(desk.folder)
    words = [f"Op de lijst / on the list: {data['opted_out']}."]
    if data.get("not_seen"):
        words.append(f"Nog in geen levering gezien / not in any delivery yet: {data['not_seen']}.")
    return Report(data, [" ".join(words), *([RUNNING] if running else [])])


def erase(root: Path, file: Path | None, about: str, undo: bool, yes: bool) -> Report:
    """Remove every row of these people, for good; or, with `undo`, let a later delivery bring them back."""
    rows = student_numbers.read(file)
    with _desk(root) as desk:
        reader = _reader(desk, About(about))
        numbers = [reader.pseudonyms(number) for (number,) in rows]
        known = _known(desk, {pseudonym for written in numbers for pseudonym in written})
        found = [known.intersection(written) for written in numbers]
        people = {pseudonym for one in found for pseudonym in one}
        if not all(found):
            raise _unknown([line for line, one in enumerate(found, 1) if not one])
        if undo:
            return _lifted(withheld.lift(desk.table, people, ERASED))
        first = set(desk.table.first_of(people).values())
        preview = _preview(desk, first, f"Studenten om te wissen / people to erase: {len(first)}")
        shown = confirm(preview, "Wissen? / Erase?", yes)
        withheld.withhold(desk.table, people, ERASED)
        _without_pages(desk.folder)
        changed = withheld.settle(desk.store, desk.table)
    data = {"people": len(first), "deliveries": changed}
    return Report(data, [*shown, f"Gewist / erased: {len(first)}; leveringen / deliveries: {changed}."])


def forget(root: Path, cohort: str, undo: bool, yes: bool) -> Report:
    """Remove every row of a year of students; or, with `undo`, let a later delivery bring them back."""
    year = _cohort(cohort)
    with _desk(root) as desk:
        if undo:
            return _lifted(int(withheld.remember(desk.table, year)))
        people = withheld.of_cohorts(desk.table, {year})
        preview = _preview(desk, people, f"Cohort {cohort}: {len(people)} studenten / students")
        shown = confirm(preview, "Verwijderen? / Remove?", yes)
        withheld.forget(desk.table, year)
        _without_pages(desk.folder)
        changed = withheld.settle(desk.store, desk.table)
    data = {"cohort": cohort, "people": len(people), "deliveries": changed}
    return Report(data, [*shown, f"Verwijderd / removed: cohort {cohort}; leveringen / deliveries: {changed}."])


def link(root: Path, file: Path | None) -> Report:
    """Say of new numbers which earlier number is the same person; each line `old new`."""
    pairs = student_numbers.read(file, columns=2)
    with _desk(root) as desk:
        reader = _reader(desk, About.STUDENT)
        for line, (old, new) in enumerate(pairs, 1):
            known = _known(desk, {*reader.pseudonyms(old), *reader.pseudonyms(new)})
            try:
                desk.table.link(_one(reader.pseudonyms(old), known), _one(reader.pseudonyms(new), known))
            except UnusableInput as error:
                found = f"line {line}: {error.found}; the lines before it were linked"
                raise UnusableInput(error.code, error.rule, found, error.remedy) from None
    return Report({"linked": len(pairs)}, [f"Gekoppeld / linked: {len(pairs)}."])


def rotate(root: Path, yes: bool) -> Report:
    """Give every person another pseudonym, by one more layer on the key; accounts stay."""
    folder = existing(root)
    if _running(folder) and not rotating.under_way(folder):
        raise UnusableInput(
            "run_open",
            "Pseudonyms change between runs: they say who the model may learn from.",
            "a run that is open",
            "Wait until it is closed, or let the coordinator close it.",
        )
    preview = [
        "Alle pseudoniemen worden andere; ieder houdt de eigen plaats in het logboek. Wie de oude sleutel heeft kan er "
        "niets meer mee, behalve met oude back-ups. Bewaar daarna een back-up van het nieuwe sleutelbestand. / Every "
        "pseudonym becomes another; each keeps the account. The old key is worth nothing from then on, but for old "
        "backups. Back up the new key file afterwards."
    ]
    shown = confirm(preview, "Doorgaan? / Go on?", yes)
    generation = rotating.rotate(folder)
    return Report({"generation": generation}, [*shown, f"Sleutel / key: {generation} lagen / layers."])


# ---- in between


def _reader(desk: _Desk, about: About) -> Reader:
    reader = Reader.of(desk.folder, about)
    check_generations(desk.store, desk.table, reader.key)
    desk.table.bind(reader.key)
    return reader


def _known(desk: _Desk, people: Iterable[str]) -> frozenset[str]:
    """Those who are in the permanent table, left out already, or in a stored row."""
    asked = set(people)
    known = set(desk.table.cohorts_of(asked)) | (asked & set(withheld.withheld(desk.table, ERASED)))
    return frozenset(known.union(*desk.store.rows_of(asked).values()))


def _chosen(numbers: Sequence[Sequence[str]], known: frozenset[str]) -> set[str]:
    """Of each number the pseudonyms that are known; of one that was never seen all that it may have."""
    return {one for written in numbers for one in (known.intersection(written) or written)}


def _one(written: Sequence[str], known: frozenset[str]) -> str:
    return next((pseudonym for pseudonym in written if pseudonym in known), written[0])


def _preview(desk: _Desk, people: Iterable[str], title: str) -> list[Block]:
    rows = {table: sum(found.values()) for table, found in desk.store.rows_of(frozenset(people)).items()}
    counts = ", ".join(f"{name} {count:,}" for name, count in rows.items() if count) or "-"
    words = [f"{title}; rijen / rows: {counts}.", KEPT]
    return [*words, *([RUNNING] if _running(desk.folder) else [])]


def _without_pages(folder: NodeFolder) -> None:
    """Remove the pages that this program made of earlier rows; each can be made again from what is left."""
    for page in folder.local.glob("*.html"):
        page.unlink(missing_ok=True)


def _running(folder: NodeFolder) -> bool:
    return any(run.open for run in open_ledger(folder).state().runs.values())


def _cohort(text: str) -> int | None:
    if text == "unknown":
        return None
    if not (text.isascii() and text.isdecimal() and FIRST_YEAR <= int(text[:5]) <= LAST_YEAR):
        rule, remedy = "A cohort is a year of first enrolment, or unknown.", "Write --cohort 2019."
        raise UnusableInput("bad_cohort", rule, f"'{text[:20]}'", remedy)
    return int(text)


def _unknown(lines: Sequence[int]) -> UnusableInput:
    return UnusableInput(
        "unknown_number",
        "A number that is erased is of somebody this node knows.",
        f"{len(lines)} numbers nobody has, the first on line {lines[0]}; nothing was erased",
        "Check the numbers; who is not delivered yet belongs on the opt-out list.",
    )


def _lifted(count: int) -> Report:
    back = "De volgende levering brengt de rijen terug. / The next delivery brings them back."
    return Report({"lifted": count}, [f"Opgeheven / lifted: {count}. {back}"])
