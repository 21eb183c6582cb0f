"""A small coalition with real keys and a real ledger on disk, for tests of budget, approvals and the verifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from node.counter import Counter
from node.ledger_store import LedgerStore, Question
from privacy.charter import Charter, Person, School
from privacy.identity import SigningKey
from privacy.ledger import Account
from privacy.statements import (
    Approval,
    CharterAcceptance,
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
        others = [SigningKey.generate().public for _ in range(4)]
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
