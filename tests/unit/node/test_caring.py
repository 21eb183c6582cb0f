"""What is done for single students and years: opt-out, erasure, retention, a link, another key; killed anywhere."""

from __future__ import annotations

import io
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import node.cli
from experiments import terminal
from node.people import caring, withheld
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms
from node.store import Store
from tests.unit.node import marked_school
from tests.unit.node.marked_school import NUMBER, School, csv_text, refused, rows, type_in
from tests.unit.node.processes import Ended, in_process, killed_before

FIRST, SECOND, UNSEEN = f"{NUMBER}000", f"{NUMBER}001", f"{NUMBER}999"  # began in 2022 and 2023; in no delivery
STUDENTS, OF_2022 = 40, 20
Cohorts = dict[str, int | None]


@pytest.fixture
def school(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> School:
    """A node with a delivery of 40 students, half of them of 2022."""
    return marked_school.found(tmp_path / "node", capfd)


@pytest.fixture
def say(
    school: School, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, dict[str, object], str]]:
    """Type a command with numbers on standard input; return exit code, data, and all that was shown."""

    def said(*words: object, numbers: str = "") -> tuple[int, dict[str, object], str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(numbers))
        command, *rest = words
        given = [*str(command).split(), school.folder.root, *rest]
        code, out, both = type_in(capfd, "coalition-node", *given)
        document = json.loads(out)
        shown = both + "".join(marker for marker in (FIRST, SECOND, UNSEEN) if marker in both)
        assert not any(marker in shown for marker in (FIRST, SECOND, UNSEEN)), "a number is shown"
        return code, document["data"] | {"code": document["error_code"]}, both

    return said


def key_of(school: School) -> PseudonymKey:
    return PseudonymKey.load(school.folder.pseudonym_key)


def pseudonym(school: School, number: str) -> str:
    return key_of(school).pseudonym(number)


def stored(school: School) -> set[str]:
    """Everybody with a row in any table of students."""
    found = Store.open(school.folder.data).tables().values()
    return {str(student) for table in found for student in table["student"]}


def accounts(school: School) -> Cohorts:
    with Pseudonyms.open(school.folder.data) as table:
        return table.cohorts()


def ingest(school: School) -> int:
    return terminal.run(node.cli.app, "coalition-node", ["ingest", str(school.folder.root)])


# ---- opt-out


def test_numbers_become_pseudonyms_and_are_not_kept(school: School, say: Callable) -> None:
    """Added, counted, taken off; a number nobody has seen yet is on the list all the same."""
    code, data, _ = say("optout", "--add", numbers=f"{FIRST}\n{UNSEEN}\n")
    assert (code, data["opted_out"], data["not_seen"]) == (0, 2, 1)
    assert withheld.left_out_of(school.folder.data) == {pseudonym(school, FIRST), pseudonym(school, UNSEEN)}
    assert school.traces() == []
    assert say("optout", "--remove", numbers=UNSEEN)[1]["opted_out"] == 1
    assert say("optout")[1]["opted_out"] == 1
    assert stored(school) == set(accounts(school))  # rows stay stored, and everybody in an account


def test_a_number_is_padded_as_the_mapping_pads_it(school: School, say: Callable) -> None:
    """Who types 7 means the student whom the export, padded to three characters, calls 007."""
    school.map("identifier: {column: nummer}", "identifier: {column: nummer, width: 3}")
    school.put(csv_text([row | {"nummer": str(index)} for index, row in enumerate(rows())]))
    assert ingest(school) == 0
    say("optout", "--add", numbers="7")
    assert withheld.left_out_of(school.folder.data) == {pseudonym(school, "007")}


@pytest.mark.parametrize("numbers", ["", "1;2\n", f"{'9' * 65}\n"])
def test_what_is_no_list_of_numbers_is_refused(
    school: School, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, numbers: str
) -> None:
    """By its line, never by what stands there."""
    for _ in range(2):
        monkeypatch.setattr("sys.stdin", type("Twice", (io.StringIO,), {"read": lambda self, size=-1: numbers})())
    code, data = refused(capfd, "coalition-node", "optout", school.folder.root, "--add")
    assert code == "bad_numbers" and "9999" not in str(data)


# ---- erasure


def test_an_erased_student_has_no_rows_and_keeps_the_account(school: School, say: Callable) -> None:
    """Rows gone, bytes gone, account there; delivered again, not stored again; lifted, stored again; never new."""
    before, gone = accounts(school), pseudonym(school, FIRST)
    code, data, _ = say("erase", "--yes", numbers=FIRST)
    assert (code, data["people"], data["deliveries"]) == (0, 1, 1)
    assert gone not in stored(school) and len(stored(school)) == STUDENTS - 1
    in_bytes = [path.name for path in school.folder.data.rglob("*") if path.is_file() and gone.encode() in read(path)]
    assert in_bytes == ["pseudonyms.sqlite"]
    assert ingest(school) == 0
    assert gone not in stored(school)
    report = Store.open(school.folder.data).report()
    assert [one["rows_withheld"] for one in report["protections"]] == [1]
    say("erase", "--lift", numbers=FIRST)
    assert ingest(school) == 0
    assert gone in stored(school)
    assert accounts(school) == before


def read(path: Path) -> bytes:
    """The bytes of a file, those of Parquet unpacked."""
    if path.suffix != ".parquet":
        return path.read_bytes()
    import duckdb

    with duckdb.connect() as connection:
        return connection.read_parquet(str(path)).df().to_csv().encode()


def test_nothing_is_erased_unseen(school: School, say: Callable) -> None:
    """Without a yes, or with a number that nobody has: nothing happens, to nobody."""
    code, _, words = say("erase", numbers=FIRST)
    assert code == 2 and "--yes" in words
    code, data, _ = say("erase", "--yes", numbers=f"{FIRST}\n{UNSEEN}\n")
    assert (code, data["code"]) == (2, "unknown_number") and "line 2" in str(data["found"])
    assert len(stored(school)) == STUDENTS and say("deliveries")[1]["care"] == []


def test_an_erasure_finds_the_new_number_of_the_same_person(school: School, say: Callable) -> None:
    """Linked after intake, so that rows stand under both: all of them go."""
    old, new = sorted((FIRST, f"{NUMBER}002"), key=lambda number: pseudonym(school, number))  # as they were first seen
    assert say("link", numbers=f"{old} {new}\n")[1]["linked"] == 1
    say("erase", "--yes", numbers=new)
    assert {pseudonym(school, old), pseudonym(school, new)}.isdisjoint(stored(school))
    assert ingest(school) == 0
    assert len(stored(school)) == STUDENTS - 2


@pytest.mark.parametrize("act", [("erase",), ("forget", "--cohort", "2023")])
def test_no_page_shows_who_was_erased(school: School, say: Callable, act: tuple[str, ...]) -> None:
    """Pages that were made before go with the rows; what the school keeps beside them stays."""
    school.folder.local.mkdir(exist_ok=True)
    page, record = school.folder.local / "invitations.html", school.folder.local / "lists.jsonl"
    for path in (page, record):
        path.write_text("made before", encoding="utf-8")
    say(*act, numbers=FIRST)
    assert page.exists(), "nothing was agreed to yet"
    code, _, _ = say(*act, "--yes", numbers=FIRST)
    assert code == 0 and not page.exists() and record.exists()


def test_what_was_done_is_on_record_without_anybody(school: School, say: Callable) -> None:
    """A line for each act, with how many, and no pseudonym."""
    say("optout", "--add", numbers=f"{FIRST}\n{SECOND}\n")
    say("erase", "--yes", numbers=FIRST)
    say("forget", "--cohort", "2023", "--yes")
    say("key rotate", "--yes")
    _, data, shown = say("deliveries")
    assert [(one["what"], one["people"], one["cohort"]) for one in data["care"]] == [
        ("optout", 2, ""),
        ("erased", 1, ""),
        ("forgotten", 20, "2023"),
        ("key rotated", 0, ""),
    ]
    assert not any(student in shown for student in accounts(school))


# ---- retention


def test_a_year_is_removed_and_its_accounts_stay(school: School, say: Callable) -> None:
    """No row of 2022, by the permanent table; what is delivered of it later is left out, new students of it too."""
    before = accounts(school)
    code, data, _ = say("forget", "--cohort", "2022", "--yes")
    assert (code, data["people"]) == (0, OF_2022)
    assert {before[student] for student in stored(school)} == {2023}
    school.put(csv_text(rows(STUDENTS + 4)))
    assert ingest(school) == 0
    assert {accounts(school)[student] for student in stored(school)} == {2023}
    assert len(accounts(school)) == STUDENTS + 4
    say("forget", "--cohort", "2022", "--lift")
    assert ingest(school) == 0
    assert len(stored(school)) == STUDENTS + 4
    assert {student: accounts(school)[student] for student in before} == before


@pytest.mark.parametrize("cohort", ["abc", "19", "20222", "-1"])
def test_no_cohort(school: School, capfd: pytest.CaptureFixture[str], cohort: str) -> None:
    """A year, or unknown."""
    code, _ = refused(capfd, "coalition-node", "forget", school.folder.root, "--cohort", cohort, "--yes")
    assert code in ("bad_cohort", "usage")


def test_students_without_a_date_can_be_removed_too(school: School, say: Callable) -> None:
    """Or they would be there for ever."""
    new = [row | {"start": "", "nummer": f"X{index}"} for index, row in enumerate(rows(1))]
    school.put(csv_text([*rows(), *new]))
    assert ingest(school) == 0
    assert say("forget", "--cohort", "unknown", "--yes")[1]["people"] == 1
    assert pseudonym(school, "X0") not in stored(school) and len(stored(school)) == STUDENTS


# ---- another key


def test_another_key_keeps_everybody_in_the_account(school: School, say: Callable) -> None:
    """All pseudonyms differ, in every file; delivered again, nobody is new; who is left out stays left out."""
    say("optout", "--add", numbers=SECOND)
    say("erase", "--yes", numbers=FIRST)
    before, old = accounts(school), key_of(school)
    by_number = {row["nummer"]: before[old.pseudonym(row["nummer"])] for row in rows()}
    code, data, _ = say("key rotate", "--yes")
    assert (code, data["generation"]) == (0, 2)
    new = key_of(school)
    assert {number: accounts(school)[new.pseudonym(number)] for number in by_number} == by_number
    assert len(accounts(school)) == len(before) and set(before).isdisjoint(accounts(school))
    assert not any(student.encode() in read(path) for path in files(school) for student in before)
    assert withheld.left_out_of(school.folder.data) == {new.pseudonym(SECOND), new.pseudonym(FIRST)}
    assert ingest(school) == 0
    assert len(accounts(school)) == STUDENTS and len(stored(school)) == STUDENTS - 1


def files(school: School) -> Iterator[Path]:
    return (path for path in school.folder.data.rglob("*") if path.is_file())


def test_a_student_who_comes_back_after_the_rotation_is_known(school: School, say: Callable) -> None:
    """Not in the delivery at the time, nor in the next one: the layer needs nobody's number."""
    school.put(csv_text(rows(10)))
    assert ingest(school) == 0
    say("key rotate", "--yes")
    assert ingest(school) == 0
    say("key rotate", "--yes")
    school.put(csv_text(rows()))
    assert ingest(school) == 0
    assert len(accounts(school)) == STUDENTS


def test_the_key_before_takes_nothing_in(school: School, say: Callable, capfd: pytest.CaptureFixture[str]) -> None:
    """Put back from a backup it would make everybody new: refused."""
    old = school.folder.pseudonym_key.read_bytes()
    say("key rotate", "--yes")
    school.folder.pseudonym_key.write_bytes(old)
    assert refused(capfd, "coalition-node", "ingest", school.folder.root)[0] == "rotation_unfinished"
    assert refused(capfd, "coalition-node", "key", "rotate", school.folder.root, "--yes")[0] == "rotation_key_lost"


# ---- killed at any moment


def killed(school: School, event: int, *words: str, file: Path | None = None) -> Ended:
    """A command in a process of its own, killed before its n-th change of a file."""

    def act() -> int:
        killed_before(event)
        given = [*words[0].split(), str(school.folder.root), *words[1:], *(["--file", str(file)] if file else [])]
        return terminal.run(node.cli.app, "coalition-node", given)

    return in_process(act)


def copies(school: School) -> Iterator[int]:
    """Number of every second change of a file, each with the folder as it was.

    The second ones hold the moment at which keys and rows differ: a planted fault is found by them, not by the others.
    """
    root = school.folder.root
    kept = root.with_name("kept")
    shutil.copytree(root, kept)
    for number in range(2, 200, 2):
        shutil.rmtree(root)
        shutil.copytree(kept, root)
        yield number
    raise AssertionError("it never ended")


@pytest.mark.slow
def test_a_rotation_killed_anywhere_is_finished_by_the_next(school: School) -> None:
    """Before every change of a file: what is stored and what pays are never of two keys in silence, nobody is new."""
    old = key_of(school)
    cohorts = {row["nummer"]: accounts(school)[old.pseudonym(row["nummer"])] for row in rows()}
    codes = []
    for event in copies(school):
        ended = killed(school, event, "key rotate", "--yes")
        codes.append((ended.signal, ingest(school)))
        if codes[-1][1] == 0:  # taken in: with the old key or the new one, nobody is new
            assert len(accounts(school)) == STUDENTS
        assert killed(school, -1, "key rotate", "--yes").code == 0
        assert ingest(school) == 0
        new = key_of(school)
        assert {number: accounts(school)[new.pseudonym(number)] for number in cohorts} == cohorts
        assert len(accounts(school)) == STUDENTS and stored(school) == set(accounts(school))
        if ended.signal is None:
            break
    assert {found for found, _ in codes[:-1]} == {signal.SIGKILL}
    assert {code for _, code in codes} == {0, 2}  # it was killed while unfinished too
    assert len(codes) > 10


@pytest.mark.slow
@pytest.mark.parametrize("words", [("erase", "--yes"), ("forget", "--cohort", "2022", "--yes")])
def test_a_removal_killed_anywhere_is_finished_by_the_next_intake(
    school: School, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Before every change of a file: once it is decided, rows are in no run, and the next intake removes them."""
    numbers = tmp_path / "numbers.txt"
    numbers.write_text(FIRST)
    before, ends = accounts(school), set()
    for event in copies(school):
        ended = killed(school, event, *words, file=numbers if words[0] == "erase" else None)
        with Pseudonyms.open(school.folder.data) as table:
            decided = withheld.without_rows(table)
        ends.add((len(decided), len(stored(school))))
        assert ingest(school) == 0
        assert stored(school).isdisjoint(decided) and accounts(school) == before
        if ended.signal is None:
            break
    gone = 1 if words[0] == "erase" else OF_2022
    assert ends == {(0, STUDENTS), (gone, STUDENTS), (gone, STUDENTS - gone)}


@pytest.mark.slow
def test_a_rotation_in_the_wrong_order_is_noticed(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: without the check of generations an intake in the middle makes everybody new."""
    monkeypatch.setattr("node.ingest.check_generations", lambda *_: None)
    monkeypatch.setattr(Pseudonyms, "bind", lambda *_: None)
    for event in copies(school):
        ended = killed(school, event, "key rotate", "--yes")
        ingest(school)
        if len(accounts(school)) > STUDENTS:
            return
        assert ended.signal is not None, "no kill made a difference"


def test_no_rotation_while_a_run_is_open(
    school: School, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pseudonyms say whom the model may learn from: they stay until the run is closed."""
    monkeypatch.setattr(caring, "_running", lambda _: True)
    assert refused(capfd, "coalition-node", "key", "rotate", school.folder.root, "--yes")[0] == "run_open"
