"""The pseudonym is a keyed HMAC; the cohort of a student is fixed the first time that student is seen."""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import cbor2
import pytest

from node.errors import StorageFailed, UnusableInput
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import FILE, Pseudonyms

KEY = PseudonymKey(bytes(range(32)))


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Pseudonyms]:
    with Pseudonyms.open(tmp_path) as pseudonyms:
        yield pseudonyms


def test_a_pseudonym_is_hmac_sha256_over_a_tagged_message() -> None:
    """Recomputed by hand with another CBOR library; the tag keeps it apart from every other use of the key."""
    message = cbor2.dumps(["datacoalitie/pseudonym/1", "0012"])
    assert KEY.pseudonym("0012") == hmac.new(bytes(range(32)), message, hashlib.sha256).hexdigest()


def test_pseudonyms_differ_by_student_and_by_school() -> None:
    """Another number or another key gives another pseudonym; surrounding space and Unicode form do not."""
    assert KEY.pseudonym("12") == KEY.pseudonym(" 12 ")
    assert KEY.pseudonym("é") == KEY.pseudonym("e\u0301")
    assert len({KEY.pseudonym("12"), KEY.pseudonym("012"), PseudonymKey(b"x" * 32).pseudonym("12")}) == 3


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600, never overwritten, read back the same, and not shown by its text form."""
    path = tmp_path / "pseudonym.key"
    key = PseudonymKey.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PseudonymKey.load(path) == key
    assert key.secret.hex() not in repr(key) and "secret" not in repr(key)
    with pytest.raises(UnusableInput, match="stands at its place"):
        PseudonymKey.create(path)


@pytest.mark.parametrize("text", [None, "", "abc", "z" * 64, "A" * 64, "é" * 64])
def test_no_key_no_intake(tmp_path: Path, text: str | None) -> None:
    """Absent, empty, short and malformed keys are refused with a remedy."""
    path = tmp_path / "key"
    if text is not None:
        path.write_text(text)
        path.chmod(0o600)
    with pytest.raises(UnusableInput) as caught:
        PseudonymKey.load(path)
    assert caught.value.code == "no_pseudonym_key"


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The remedy is the command that closes it."""
    path = tmp_path / "key"
    PseudonymKey.create(path)
    path.chmod(0o640)
    with pytest.raises(UnusableInput, match="chmod 600"):
        PseudonymKey.load(path)


def test_another_key_is_refused(table: Pseudonyms) -> None:
    """Under another key every student would get a fresh account."""
    table.bind(KEY)
    table.bind(KEY)
    with pytest.raises(UnusableInput) as caught:
        table.bind(PseudonymKey(b"x" * 32))
    assert caught.value.code == "other_pseudonym_key"


def test_a_correction_never_moves_a_student(table: Pseudonyms) -> None:
    """Re-dated or re-imported, the first cohort stays; a student without a date stays in `unknown`."""
    assert table.register({"a": 2022, "b": None}).new == 2
    again = table.register({"a": 2024, "b": 2023, "c": 2024})
    assert (again.new, again.known, again.unknown) == (1, 2, 0)
    assert table.cohorts() == {"a": 2022, "b": None, "c": 2024}
    assert table.cohorts_of(["a", "z"]) == {"a": 2022}


def test_not_even_sql_moves_or_removes_a_student(table: Pseudonyms, tmp_path: Path) -> None:
    """Triggers in the file itself refuse: whoever edits it has to mean it."""
    table.register({"a": 2022})
    other = sqlite3.connect(tmp_path / FILE)
    for statement in ("UPDATE student SET cohort = 2030", "DELETE FROM student"):
        with pytest.raises(sqlite3.IntegrityError):
            other.execute(statement)
    other.close()


def test_a_linked_number_stays_in_the_first_account(table: Pseudonyms) -> None:
    """Renumbered and linked by the operator: the old cohort counts, also through a chain of numbers."""
    table.register({"old": 2022})
    table.link("old", "new")
    table.link("new", "newer")
    assert table.register({"new": 2024, "newer": 2025}).known == 2
    assert table.cohorts_of(["new", "newer"]) == {"new": 2022, "newer": 2022}
    assert table.first_of(["newer", "old", "x"]) == {"newer": "old", "old": "old", "x": "x"}


def test_a_person_who_was_unlinked_for_a_while_goes_back_to_the_first_account(table: Pseudonyms) -> None:
    """Numbers linked to the new one meanwhile follow along."""
    table.register({"old": 2022})
    table.register({"new": 2024})
    table.link("new", "newest")
    table.link("old", "new")
    assert table.cohorts()["new"] == table.cohorts()["newest"] == 2022


@pytest.mark.parametrize(("old", "new"), [("nobody", "b"), ("b", "a"), ("a", "a"), ("a", "linked")])
def test_a_link_never_buys_a_fresh_account(table: Pseudonyms, old: str, new: str) -> None:
    """Unknown, later than the new one, itself, linked already: refused, and nothing has changed."""
    table.register({"a": 2022})
    table.register({"b": 2024})
    table.link("a", "linked")
    before = table.cohorts()
    with pytest.raises(UnusableInput) as caught:
        table.link(old, new)
    assert caught.value.code == "bad_link"
    assert table.cohorts() == before


def test_a_delivery_is_registered_whole_or_not_at_all(table: Pseudonyms) -> None:
    """A fault at the last row (a cohort that is no number) leaves none of the others behind."""
    with pytest.raises(StorageFailed):
        table.register({"a": 2022, "b": "not a year"})  # type: ignore[dict-item]
    assert table.cohorts() == {}


def test_thousands_of_students_are_registered_in_one_go(table: Pseudonyms) -> None:
    """More than one batch of SQL parameters; every cohort comes back."""
    cohorts: dict[str, int | None] = {f"{number:064x}": 2020 + number % 5 for number in range(2_300)}
    table.register(cohorts)
    assert table.cohorts_of(cohorts) == cohorts


def test_a_damaged_file_is_reported_with_a_remedy(tmp_path: Path) -> None:
    """Not a traceback of the database."""
    (tmp_path / FILE).write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(StorageFailed, match="backup"):
        Pseudonyms.open(tmp_path)
