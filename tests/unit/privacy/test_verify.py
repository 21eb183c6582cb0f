"""The stand-alone verifier: agrees with the platform on a good ledger and names what is wrong with a bad one.

Attack 14 of METHODS §7: edited, truncated, reordered, re-chained, forked. Bad ledgers are written here entry by
entry with the node's own key, so that only the rule in question is broken.
"""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy import canonical, verify, verify_bytes
from privacy.accounting import epsilon_from_rho
from privacy.identity import SigningKey
from privacy.ledger import Account, Charged, Entry, Record, genesis, write
from privacy.verify import NotALedgerError, main, verify_ledger
from privacy.verify_report import PROBLEMS
from tests.ledger_world import ACCOUNT, COST, DAY, EXPERIMENT, START, World, charge, make_charter

RUN = b"r" * 32
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Forger:
    """Writes any entries it likes, well chained and signed by the node, into a file the verifier can read."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rows: list[tuple[int, bytes, bytes, bytes]] = []
        self.replies: list[tuple[bytes, int, int, bytes]] = []
        self.add_record(write(genesis("s0", world.node.public, world.fg.public, START), world.node))

    def add_record(self, record: Record, seq: int | None = None) -> Forger:
        digest = hashlib.sha256(record.data).digest()
        self.rows.append((len(self.rows) if seq is None else seq, record.data, digest, record.signature))
        return self

    def add(self, kind: str, time: int = START, key: SigningKey | None = None, **details: Any) -> Forger:
        entry = Entry(len(self.rows), self.rows[-1][2], time, kind, details)
        return self.add_record(write(entry, key or self.world.node))

    def signed(self, kind: str, signed: Any, **more: Any) -> Forger:
        return self.add(kind, statement=signed.statement.message(), signature=signed.signature, **more)

    def charter(self, charter: Any = None, accepted: Any = None) -> Forger:
        charter = charter or self.world.charter
        return self.signed("charter", self.world.acceptance(accepted or charter), charter=charter.to_bytes())

    def reserve(self, **changes: Any) -> Forger:
        details: dict[str, Any] = {
            "run": RUN,
            "experiment_hash": EXPERIMENT,
            "serial": 1,
            "accounts": [list(ACCOUNT)],
            "rho": Fraction(1, 50),
            "deadline": START + DAY,
        }
        return self.add("reserve", **{**details, **changes})

    def charge(self, **changes: Any) -> Forger:
        details: dict[str, Any] = {
            "run": RUN,
            "experiment_hash": EXPERIMENT,
            "step": 1,
            "attempt": 0,
            "context_hash": b"c" * 32,
            "payload_hash": b"p" * 32,
            "payload_bytes": 24,
            "roster": ["s0", "s1", "s2"],
            "accounts": [list(ACCOUNT)],
            "releases": [Charged("moments", 3, 100, Fraction(10**6)).value()],
            "rho": COST,
        }
        details.update({name: value for name, value in changes.items() if name != "time"})
        self.replies.append((details["run"], details["step"], details["attempt"], details["context_hash"]))
        return self.add("charge", changes.get("time", START), **details)

    def ready(self) -> Forger:
        self.charter().add("cap", account=list(ACCOUNT), rho=Fraction(1))
        return self.signed("approval", self.world.approval()).reserve()

    def codes(self) -> list[str]:
        path = self.world.folder / "forged.sqlite"
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE entries (seq, bytes, hash, signature)")
            connection.execute("CREATE TABLE replies (run, step, attempt, context_hash)")
            connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?)", self.rows)
            connection.executemany("INSERT INTO replies VALUES (?, ?, ?, ?)", self.replies)
        connection.close()
        return [problem.code for problem in verify_ledger(path).problems]


def test_a_real_ledger_verifies_and_adds_up(world: World) -> None:
    """The platform's own ledger: no problem, the same balances as rationals, the same epsilon to 1e-9."""
    store = world.ready()
    charge(store, world.run())
    charge(store, world.run(), step=2)
    store.close(world.run())
    store.record_countersignature(world.countersignature(3, store.state().heads[3]))
    report = verify_ledger(world.path, store.head().head, world.fg.public)
    assert report.ok and report.school == "s0" and report.entries == store.head().length
    assert report.head == store.head().head.hex() and report.countersigned == 3
    own, platform = report.accounts[ACCOUNT], store.balances()[Account(*ACCOUNT)]
    assert (own.cap, own.spent, own.reserved, own.left) == (1, platform.spent, 0, platform.left)
    assert own.spent == sum((question.rho for question in report.questions), Fraction(0)) == 2 * COST
    by_hand = sum((Fraction(q.delta**2) / (2 * q.variance) for q in report.questions), Fraction(0))
    delta = Fraction(1, 10**6)
    assert (
        abs(verify.as_data(report, delta)["data"]["accounts"][0]["epsilon_zcdp"] - epsilon_from_rho(by_hand, delta))
        < 1e-9
    )


def test_the_verifier_shares_no_code_with_the_platform() -> None:
    """Its three files import the standard library, `cryptography` and each other, nothing else."""
    allowed = {"cryptography", "privacy.verify_bytes", "privacy.verify_report"}
    for name in ("verify", "verify_bytes", "verify_report"):
        tree = ast.parse((REPOSITORY / "privacy" / f"{name}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in names:
                assert (
                    module.split(".")[0] in sys.stdlib_module_names
                    or module in allowed
                    or (module.startswith("cryptography."))
                )


def test_it_runs_alone_with_three_files_and_nothing_of_the_platform(world: World, tmp_path: Path) -> None:
    """Copied to an empty folder, without the platform beside it, started as a file: Dutch, exit code 0."""
    charge(world.ready(), world.run())
    alone = tmp_path / "alone" / "privacy"
    alone.mkdir(parents=True)
    for name in ("verify", "verify_bytes", "verify_report"):
        shutil.copy(REPOSITORY / "privacy" / f"{name}.py", alone)
    command = [sys.executable, "-P", str(alone / "verify.py"), str(world.path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=alone.parent, env={}, check=False)
    assert done.returncode == 0, done.stderr
    assert "Privacygrootboek van s0" in done.stdout and "1/200" in done.stdout
    assert "Alles klopt" in done.stdout


def test_it_speaks_both_languages_and_json(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Text for an FG with every part, and one JSON object with rationals as text; exit 1 when something is wrong."""
    store = world.ready()
    charge(store, world.run())
    store.record_refusal("not_ready", b"q" * 32)
    world.counter.path.unlink()
    store.accept_head(store.head().head)
    assert main([str(world.path), "--language", "en"]) == 0
    text = capsys.readouterr().out
    for part in (
        "What was asked",
        "moments",
        "student/2023",
        "1 x not_ready",
        "head_accepted: no counter",
        "All holds",
    ):
        assert part in text
    assert main([str(world.path), "--format", "json", "--delta", "1e-5"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["exit_code"], found["error_code"]) == ("ok", 0, None)
    assert found["data"]["accounts"][0]["spent"] == "1/200" and found["data"]["delta"] == "1/100000"
    assert main([str(world.path), "--expected-head", "ab" * 32]) == 1
    assert "de verwachte stand komt niet voor" in capsys.readouterr().out
    assert main([str(world.path), "--expected-head", "ab" * 32, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["error_code"] == "expected_head"


def test_an_unused_ledger_says_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was asked: the text says it, that it cost nothing, and that the FG has countersigned nothing yet."""
    world.create().set_cap(ACCOUNT, Fraction(1))
    assert main([str(world.path)]) == 0
    text = capsys.readouterr().out
    assert "Er is niets vrijgegeven." in text and "nog niet" in text and "epsilon 0.0000" in text


@pytest.mark.parametrize("content", [None, b"", b"not a database" * 100])
def test_what_is_no_ledger_is_unusable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    """No file, an empty one, another kind of file: exit 2 and a sentence on stderr."""
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 2
    assert "Geen leesbaar grootboek" in capsys.readouterr().err


def test_a_ledger_without_entries_is_unusable(world: World) -> None:
    """Emptying the table is not a way to a clean report."""
    forger = Forger(world)
    forger.rows.clear()
    with pytest.raises(NotALedgerError, match="no entries"):
        forger.codes()


@pytest.mark.parametrize("option", [["--delta", "2"], ["--expected-head", "abcd"], ["--fg-key", "xyz"]])
def test_options_that_make_no_sense_are_refused(option: list[str]) -> None:
    """A delta outside (0, 1), a head that is not 64 digits."""
    with pytest.raises(SystemExit, match="2"):
        main(["ledger.sqlite", *option])


def test_a_good_chain_of_the_forger_verifies(world: World) -> None:
    """The positive control: with nothing broken, nothing is reported."""
    forger = Forger(world).ready().charge().charge(step=2)
    forger.add("close", run=RUN).add("return", run=RUN, returned=[[*ACCOUNT, Fraction(1, 100)]])
    forger.signed("withdrawal", world.withdrawal()).add("incident", code="x", head=b"h" * 32, note="a note")
    assert forger.codes() == []


Tamper = Callable[[Forger], Any]


def _edit(forger: Forger) -> None:
    seq, data, _, signature = forger.rows[2]
    data = data.replace(b"cap", b"cup")
    forger.rows[2] = (seq, data, hashlib.sha256(data).digest(), signature)


def _flip(forger: Forger, column: int) -> None:
    row = list(forger.rows[3])
    row[column] = bytes([row[column][0] ^ 1]) + row[column][1:]
    forger.rows[3] = tuple(row)  # type: ignore[assignment]


def _swap(forger: Forger) -> None:
    (a, *first), (b, *second) = forger.rows[2:4]
    forger.rows[2:4] = [(a, *second), (b, *first)]


TAMPERING: dict[str, tuple[Tamper, set[str]]] = {
    "an entry edited": (_edit, {"signature", "chain"}),
    "a hash edited": (lambda f: _flip(f, 2), {"hash"}),
    "a signature edited": (lambda f: _flip(f, 3), {"signature"}),
    "an entry left out": (lambda f: f.rows.pop(2), {"sequence", "chain"}),
    "two entries swapped": (_swap, {"sequence", "chain"}),
    "the first entry gone": (lambda f: f.rows.pop(0), {"genesis", "sequence", "chain"}),
    "an entry by another key": (lambda f: f.add("close", key=SigningKey.generate(), run=RUN), {"signature"}),
    "a second genesis": (
        lambda f: f.add("genesis", school="s0", node_key=f.world.node.public, fg_key=f.world.fg.public),
        {"genesis"},
    ),
    "time turned back": (lambda f: f.add("close", START - 1, run=RUN), {"time"}),
    "a reply without a charge": (lambda f: f.replies.append((RUN, 9, 0, b"c" * 32)), {"replies"}),
    "a charge without its reply": (lambda f: (f.charge(step=2), f.replies.pop()), {"replies"}),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_reported(world: World, name: str) -> None:
    """Attack 14: whatever is done to the chain, the report says so, in words of both languages."""
    tamper, expected = TAMPERING[name]
    forger = Forger(world).ready().charge()
    tamper(forger)
    codes = forger.codes()
    assert expected & set(codes) and set(codes) <= set(PROBLEMS)


def test_truncation_and_forks_are_found_with_the_head_someone_holds(world: World) -> None:
    """A shorter or another continuation is well formed; only the head that the FG carried out tells."""
    store = world.ready()
    charge(store, world.run())
    held = store.head().head
    short = Forger(world).ready()
    assert short.codes() == [], "a truncated ledger is well formed by itself"
    fork = verify_ledger(world.folder / "forged.sqlite", held)
    assert [problem.code for problem in fork.problems] == ["expected_head"]
    assert verify_ledger(world.path, held).ok
    charge(store, world.run(), step=2)
    assert verify_ledger(world.path, held).ok, "the ledger may have gone on since"


def test_a_ledger_rechained_with_other_keys_is_found_with_the_fgs_own_key(world: World) -> None:
    """Someone who makes every key anew makes a perfect ledger, but not one that began with this FG's key."""
    other = World(world.folder)
    Forger(other).ready().charge().codes()
    path = world.folder / "forged.sqlite"
    assert verify_ledger(path).ok
    assert [p.code for p in verify_ledger(path, fg_key=world.fg.public).problems] == ["other_fg"]


def _half(forger: Forger) -> Forger:
    release = {**Charged("moments", 3, 100, Fraction(10**6)).value(), "rho": COST / 2}
    return forger.charge(releases=[release], rho=COST / 2)


def _next_charter(forger: Forger, **changes: Any) -> Any:
    charter = forger.world.charter
    return replace(charter, **{"version": 2, "previous_hash": charter.hash, **changes})


BROKEN: dict[str, tuple[str, Tamper]] = {
    "half the cost": ("cost", _half),
    "a sum that is not the sum": ("cost", lambda f: f.charge(rho=COST / 2)),
    "no reserve": ("no_reserve", lambda f: f.charge(run=b"x" * 32)),
    "another experiment": ("no_reserve", lambda f: f.charge(experiment_hash=b"x" * 32)),
    "the same slot": ("slot", lambda f: f.charge().charge()),
    "an earlier step": ("slot", lambda f: f.charge(step=3).charge(step=2)),
    "after the deadline": ("deadline", lambda f: f.charge(time=START + DAY + 1)),
    "another account": ("accounts", lambda f: f.charge(accounts=[["student", "1999"]])),
    "more than reserved": (
        "over_reserve",
        lambda f: f.charge(releases=[Charged("m", 3, 100, Fraction(10**5)).value()], rho=Fraction(1, 20)),
    ),
    "after close": ("closed", lambda f: f.add("close", run=RUN).charge()),
    "closed twice": ("closed", lambda f: f.add("close", run=RUN).add("close", run=RUN)),
    "a close of nothing": ("unreadable", lambda f: f.add("close", run=b"x" * 32)),
    "a return too large": (
        "return",
        lambda f: f.add("close", run=RUN).add("return", run=RUN, returned=[[*ACCOUNT, Fraction(1)]]),
    ),
    "a return while open": ("return", lambda f: f.add("return", run=RUN, returned=[[*ACCOUNT, Fraction(1, 50)]])),
    "after withdrawal": ("unapproved", lambda f: f.signed("withdrawal", f.world.withdrawal()).charge()),
    "over the cap": (
        "over_cap",
        lambda f: f.signed("approval", f.world.approval(2)).reserve(run=b"2" * 32, serial=2, rho=Fraction(1)),
    ),
    "no such approval": ("unapproved", lambda f: f.reserve(run=b"2" * 32, serial=2)),
    "an approval twice": ("approval_twice", lambda f: f.reserve(run=b"2" * 32)),
    "an approval of another experiment": (
        "unapproved",
        lambda f: f.signed("approval", f.world.approval(2, experiment_hash=b"x" * 32)).reserve(run=b"2" * 32, serial=2),
    ),
    "an approval under another charter": (
        "unapproved",
        lambda f: f.signed("approval", f.world.approval(2, charter_hash=b"x" * 32)).reserve(run=b"2" * 32, serial=2),
    ),
    "over the approved cap": (
        "over_approved_cap",
        lambda f: f.signed("approval", f.world.approval(2, cap_rho=Fraction(1, 90))).reserve(run=b"2" * 32, serial=2),
    ),
    "a deadline in the past": (
        "deadline",
        lambda f: f.signed("approval", f.world.approval(2)).reserve(run=b"2" * 32, serial=2, deadline=START),
    ),
    "a serial again": ("serial", lambda f: f.signed("approval", f.world.approval())),
    "an approval by another": ("fg_signature", lambda f: f.signed("approval", f.world.approval(2, f.world.node))),
    "an approval of another school": ("other_school", lambda f: f.signed("approval", f.world.approval(2, school="s1"))),
    "another kind of statement": ("statement", lambda f: f.signed("approval", f.world.withdrawal())),
    "a head that is not": ("countersigned_head", lambda f: f.signed("countersign", f.world.countersignature(0, RUN))),
    "the first charter again": ("charter_order", lambda f: f.charter()),
    "a charter that skips": ("charter_order", lambda f: f.charter(_next_charter(f, version=3))),
    "a charter nobody accepted": ("charter", lambda f: f.charter(_next_charter(f), f.world.charter)),
    "a charter of another node": (
        "charter_keys",
        lambda f: f.charter(
            _next_charter(
                f, schools=(replace(f.world.charter.schools[0], node_key=b"n" * 32), *f.world.charter.schools[1:])
            )
        ),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_node_that_breaks_a_rule_is_reported(world: World, name: str) -> None:
    """Every rule by itself, in entries that the node signed and chained properly: exactly that rule is named."""
    code, breaks = BROKEN[name]
    forger = Forger(world).ready()
    assert forger.codes() == []
    breaks(forger)
    assert {code} <= set(forger.codes()) <= {code, "replies"}


def test_the_first_charter_keeps_the_fgs_key(world: World) -> None:
    """A first charter that lists another FG key than the ledger began with is reported."""
    keys = [(s.node_key, s.fg_key) for s in world.charter.schools]
    strange = make_charter(
        world.coordinator.public, [(world.node.public, b"f" * 32), *keys[1:]], people=world.charter.people[2:3]
    )
    assert Forger(world).charter(strange).codes() == ["charter_keys"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x18\x05",
        b"\x19\x00\x05",
        b"\x1c",
        b"\x1f",
        b"\x42a",
        b"\x61\xff",
        b"\x01\x01",
        b"\xa2\x61b\x01\x61a\x01",
        b"\xa2\x61a\x01\x61a\x01",
        b"\xa1\x01\x01",
        b"\xc2\x41\x05",
        b"\xc2\x49\x00" + b"\xff" * 8,
        b"\xd8\x1e\x82\x02\x04",
        b"\xd8\x1e\x82\x01\x00",
        b"\xc1\x01",
        b"\xf9\x3c\x00",
        b"\x81" * 40 + b"\x01",
    ],
)
def test_the_verifiers_reader_is_strict(data: bytes) -> None:
    """Longer heads, cut content, unsorted or doubled keys, unreduced fractions, floats, depth: all refused."""
    with pytest.raises((ValueError, IndexError, KeyError, TypeError)):
        verify_bytes.decode(data)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.binary(max_size=40)
    | st.sampled_from(["", "a", "é", "Δ²"])
    | st.fractions(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "cc", ""]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_the_verifiers_reader_reads_what_the_platform_writes(value: Any) -> None:
    """Two independent readers, one meaning; plain values are also read by a third, the library cbor2."""
    data = canonical.encode(value)
    assert verify_bytes.decode(data) == value == cbor2.loads(data)
