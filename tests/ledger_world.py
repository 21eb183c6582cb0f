"""A small coalition with real keys and a real ledger on disk, for tests of budget, approvals and the verifier.

`python -m tests.ledger_world FILE ENTRIES` writes a long ledger, to measure how fast the verifier reads one.
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from node.counter import Counter
from node.ledger_store import LedgerStore, Question
from privacy import canonical
from privacy.charter import Charter, Person, School
from privacy.identity import SigningKey
from privacy.ledger import NO_PREVIOUS, TAG, Account, Charged, Entry, Record, genesis, write
from privacy.statements import (
    Approval,
    CharterAcceptance,
    Deputation,
    HeadCountersignature,
    Signed,
    Withdrawal,
    run_id,
    sign,
)

EXPERIMENT = b"e" * 32
ACCOUNT = ("student", "2023")
OTHER_ACCOUNT = ("student", "2024")
START = 1_700_000_000
DAY = 86_400
RELEASE = SimpleNamespace(dimension=3, lattice_steps=100, variance=Fraction(10**6))
COST = Fraction(1, 200)  # 100^2 / (2 * 10^6)


@dataclass
class Clock:
    """A clock that tests set by hand."""

    time: int = START

    def __call__(self) -> int:
        return self.time


@dataclass
class World:
    """School s0 with its node, its FG and its ledger; s1 and s2 exist in the charter only."""

    folder: Path
    counter_folder: Path | None = None
    node: SigningKey = field(default_factory=SigningKey.generate)
    fg: SigningKey = field(default_factory=SigningKey.generate)
    coordinator: SigningKey = field(default_factory=SigningKey.generate)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.peers = [SigningKey.generate() for _ in range(4)]  # node and FG of s1, node and FG of s2
        others = [key.public for key in self.peers]
        self.charter = make_charter(
            self.coordinator.public, [(self.node.public, self.fg.public), others[:2], others[2:]]
        )

    @property
    def path(self) -> Path:
        return self.folder / "ledger.sqlite"

    @property
    def counter(self) -> Counter:
        return Counter((self.counter_folder or self.folder / "outside") / "counter")

    def create(self) -> LedgerStore:
        """An empty ledger: genesis and charter."""
        store = LedgerStore.create(self.path, self.node, self.counter, "s0", self.fg.public, self.clock)
        store.record_charter(self.charter, self.acceptance(self.charter))
        return store

    def open(self) -> LedgerStore:
        return LedgerStore.open(self.path, self.node, self.counter, self.clock)

    def acceptance(self, charter: Charter, key: SigningKey | None = None) -> Signed[CharterAcceptance]:
        return sign(CharterAcceptance(charter.hash, charter.version, "s0", START), key or self.fg)

    def approval(self, serial: int = 1, key: SigningKey | None = None, **changes: Any) -> Signed[Approval]:
        fields: dict[str, Any] = {
            "school": "s0",
            "charter_hash": self.charter.hash,
            "experiment_hash": EXPERIMENT,
            "serial": serial,
            "cap_rho": None,
            "expires": START + 30 * DAY,
            "own_figures": False,
            "signed_at": START,
        }
        return sign(Approval(**{**fields, **changes}), key or self.fg)

    def next_charter(self, **changes: Any) -> Charter:
        """The charter that may follow the present one."""
        follows = {"version": self.charter.version + 1, "previous_hash": self.charter.hash}
        return replace(self.charter, **{**follows, **changes})

    def deputation(self, key: SigningKey, **changes: Any) -> Signed[Deputation]:
        """The FG names a deputy with this key, for ten days."""
        fields: dict[str, Any] = {
            "school": "s0",
            "charter_hash": self.charter.hash,
            "deputy": "dirk",
            "key": key.public,
            "expires": START + 10 * DAY,
            "signed_at": START,
        }
        return sign(Deputation(**{**fields, **changes}), self.fg)

    def vouchers(self, charter: Charter, **changes: Any) -> list[Signed[CharterAcceptance]]:
        """The FGs of s1 and s2 accept a charter for their own schools."""
        fields = {"charter_hash": charter.hash, "version": charter.version, "signed_at": START, **changes}
        return [sign(CharterAcceptance(school=f"s{i}", **fields), self.peers[2 * i - 1]) for i in (1, 2)]

    def rotated(self, fg: SigningKey) -> Charter:
        """The next charter, in which the FG of s0 has another key."""
        schools = (replace(self.charter.schools[0], fg_key=fg.public), *self.charter.schools[1:])
        people = tuple(replace(one, key=fg.public) if one.id == "fg-0" else one for one in self.charter.people)
        return self.next_charter(schools=schools, people=people)

    def withdrawal(self, serial: int = 1) -> Signed[Withdrawal]:
        return sign(Withdrawal("s0", self.charter.hash, serial, START), self.fg)

    def countersignature(self, seq: int, head: bytes) -> Signed[HeadCountersignature]:
        return sign(HeadCountersignature("s0", seq, head, START), self.fg)

    def ready(self, cap: Fraction = Fraction(1), rho: Fraction = Fraction(1, 4), serial: int = 1) -> LedgerStore:
        """A ledger with one reserved run."""
        store = self.create()
        store.ensure_cap(ACCOUNT, cap)
        store.record_approval(self.approval(serial))
        self.reserve(store, serial, rho)
        return store

    def reserve(self, store: LedgerStore, serial: int = 1, rho: Fraction = Fraction(1, 4)) -> bytes:
        run = self.run(serial)
        store.reserve(run, EXPERIMENT, serial, [ACCOUNT], rho, self.clock() + DAY)
        return run

    def run(self, serial: int = 1) -> bytes:
        return run_id(EXPERIMENT, {"s0": serial, "s1": 1, "s2": 1})

    def spent(self, store: LedgerStore) -> Fraction:
        return store.balances()[Account(*ACCOUNT)].spent


def charge(
    store: LedgerStore,
    run: bytes,
    step: int = 1,
    attempt: int = 0,
    context: bytes = b"c" * 32,
    reply: Callable[[bytes], bytes] = lambda head: b"reply" + head,
    accounts: list[tuple[str, str]] | None = None,
) -> bytes:
    """One charge of `COST` on every reserved account."""
    return store.charge(question(run, step, attempt, context), b"p" * 32, reply, accounts)


def question(run: bytes, step: int = 1, attempt: int = 0, context: bytes = b"c" * 32) -> Question:
    """What one charge of `COST` is for."""
    return Question(run, EXPERIMENT, step, attempt, context, 24, ["s0", "s1", "s2"], [("moments", RELEASE)])


def make_charter(coordinator: bytes, keys: Any, **changes: Any) -> Charter:
    """Three schools, t = 1, and one person of every role."""
    schools = tuple(
        School(f"s{i}", f"School {i}", node, fg, {2023: 400, 2024: 380}) for i, (node, fg) in enumerate(keys)
    )
    people = (
        Person("ana", "s1", "analyst", bytes([1]) * 32),
        Person("fg-0", "s0", "fg", schools[0].fg_key),
        Person("regie", "", "coordinator", coordinator),
        Person("rev-0", "s0", "reviewer", bytes([2]) * 32),
        Person("rev-2", "s2", "reviewer", bytes([3]) * 32),
    )
    fields: dict[str, Any] = {
        "name": "Datacoalitie Noord",
        "version": 1,
        "previous_hash": None,
        "coordinator_key": coordinator,
        "schools": schools,
        "people": people,
        "collusion_threshold": 1,
        "smallest_roster": 3,
    }
    return Charter(**{**fields, **changes})


# ---- ledgers as someone with a pen would make them

RUN = b"r" * 32
Row = tuple[Any, Any, Any, Any]


class Forger:
    """Writes any entries it likes into a file that the verifier can read, well chained and signed unless told so.

    Begun with a genesis of its world, or with the rows of a real ledger (`Forger.of`).
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.rows: list[Row] = []
        self.replies: list[tuple[Any, ...]] = []
        self.add_record(write(genesis("s0", world.node.public, world.fg.public, START), world.node))

    @classmethod
    def of(cls, path: Path, world: World) -> Forger:
        """The rows of the ledger at `path`; `world` holds whatever keys the forger got hold of."""
        forger = cls(world)
        with closing(sqlite3.connect(path)) as connection:
            forger.rows = connection.execute("SELECT seq, bytes, hash, signature FROM entries ORDER BY seq").fetchall()
            forger.replies = connection.execute("SELECT run, step, attempt, context_hash FROM replies").fetchall()
        return forger

    # ---- adding

    def add_record(self, record: Record) -> Forger:
        digest = hashlib.sha256(record.data).digest()
        self.rows.append((len(self.rows), record.data, digest, record.signature))
        return self

    def add(self, kind: str, time: int | None = None, key: SigningKey | None = None, **details: Any) -> Forger:
        moment = self.entry(-1).time if time is None else time
        entry = Entry(len(self.rows), self.rows[-1][2], moment, kind, details)
        return self.add_record(write(entry, key or self.world.node))

    def raw(self, kind: Any, details: Any, time: Any = START, number: Any = None) -> Forger:
        """An entry of any shape at all, which the platform itself would refuse to make."""
        place = len(self.rows) if number is None else number
        data = canonical.tagged(TAG, place, self.rows[-1][2], time, kind, details)
        return self.add_record(Record(data, self.world.node.sign(data)))

    def signed(self, kind: str, signed: Any, **more: Any) -> Forger:
        return self.add(kind, statement=signed.statement.message(), signature=signed.signature, **more)

    def approve(self, key: SigningKey, time: int | None = None) -> Forger:
        """An approval with serial 9, signed with this key."""
        signed = self.world.approval(9, key)
        return self.add("approval", time, statement=signed.statement.message(), signature=signed.signature)

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

    def charge(self, time: int | None = None, **changes: Any) -> Forger:
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
        details.update(changes)
        self.replies.append((details["run"], details["step"], details["attempt"], details["context_hash"]))
        return self.add("charge", time, **details)

    def ready(self) -> Forger:
        """Charter, cap, approval and one reserved run."""
        self.charter().add("cap", account=list(ACCOUNT), rho=Fraction(1))
        return self.signed("approval", self.world.approval()).reserve()

    # ---- changing what stands there

    def entry(self, at: int) -> Entry:
        return Entry.from_bytes(self.rows[at][1])

    def last(self, kind: str) -> int:
        """Where the last entry of a kind stands."""
        return max(at for at in range(len(self.rows)) if self.entry(at).kind == kind)

    def change(self, at: int, **details: Any) -> Forger:
        """Other details in one entry, with a hash that fits; the signature stays what it was."""
        entry = self.entry(at)
        data = replace(entry, details={**entry.details, **details}).to_bytes()
        self.rows[at] = (self.rows[at][0], data, hashlib.sha256(data).digest(), self.rows[at][3])
        return self

    def chain(self, start: int, key: SigningKey) -> Forger:
        """Number, chain and sign everything anew from entry `start` on."""
        for at in range(start, len(self.rows)):
            previous = self.rows[at - 1][2] if at else NO_PREVIOUS
            record = write(replace(self.entry(at), seq=at, previous=previous), key)
            self.rows[at] = (at, record.data, hashlib.sha256(record.data).digest(), record.signature)
        return self

    def cheaper(self, at: int, noise: bool) -> Forger:
        """Half the cost of the first release at one charge; with `noise`, twice its variance, so that it fits."""
        first, *rest = self.entry(at).details["releases"]
        first = {**first, "rho": first["rho"] / 2, "variance": first["variance"] * (2 if noise else 1)}
        return self.change(at, releases=[first, *rest], rho=sum((one["rho"] for one in rest), first["rho"]))

    def swap(self, at: int) -> Forger:
        """This entry and the next change places; the numbers beside them stay."""
        (a, *first), (b, *second) = self.rows[at : at + 2]
        self.rows[at : at + 2] = [(a, *second), (b, *first)]
        return self

    def insert(self, at: int, entry: Entry) -> Forger:
        """One more entry at this place, everything from there on chained and signed anew."""
        self.rows.insert(at, (at, entry.to_bytes(), b"", b""))
        return self.chain(at, self.world.node)

    def save(self, name: str = "forged.sqlite") -> Path:
        path = self.world.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE entries (seq, bytes, hash, signature)")
            connection.execute("CREATE TABLE replies (run, step, attempt, context_hash)")
            connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?)", self.rows)
            connection.executemany("INSERT INTO replies VALUES (?, ?, ?, ?)", self.replies)
            connection.execute("PRAGMA user_version = 1")
        return path


def long_ledger(world: World, entries: int, steps: int = 12) -> Forger:
    """A ledger of about so many entries, every one signed: runs of `steps` charges, each approved by the FG."""
    forger = Forger(world).charter().add("cap", account=list(ACCOUNT), rho=Fraction(10**6))
    for serial in range(1, (entries - 3) // (steps + 4) + 1):
        run = run_id(EXPERIMENT, {"s0": serial})
        forger.signed("approval", world.approval(serial))
        forger.reserve(run=run, serial=serial, rho=(steps + 1) * COST)
        for step in range(1, steps + 1):
            forger.charge(run=run, step=step)
        forger.add("close", run=run).add("return", run=run, returned=[[*ACCOUNT, COST]])
    while len(forger.rows) < entries:
        forger.add("refusal", code="not_ready", request_hash=bytes(32), run=None, step=None, attempt=None)
    return forger


if __name__ == "__main__":
    target = Path(sys.argv[1])
    long_ledger(World(target.parent), int(sys.argv[2])).save(target.name)
