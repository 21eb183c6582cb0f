"""Two experiments race for one account at one node, from two processes and from eight threads; the cap holds.

METHODS §7, attack 13, through `answer`. The cap has room for one of the two plans. Verbs of the ledger alone race in
`test_ledger.py`. Every race runs in processes of its own, forked while this one has no thread.
"""

from __future__ import annotations

import json
import os
import select
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments import definition, durations, protocol
from node import ledger_file, policy
from node.answer import Node, answer
from node.counter import Counter
from node.ledger_file import LedgerFile
from node.ledger_store import LedgerStore
from privacy.statements import Certificate, Signed
from privacy.verify import verify_ledger
from shared_schema import load_schema
from tests.attack.crash_ground import TARGET, Scene, entries
from tests.attack.crashing import SECONDS, forked
from tests.kit import DEFAULT, Kit, coalition, policy_of

RACES = 4
THREADS = 8
EPSILON = Decimal("1.2")  # each plan costs 1


@dataclass(frozen=True)
class Rivals:
    """Two approved experiments on the same students, and the certificates of the other schools for each."""

    scene: Scene
    kits: tuple[Kit, Kit]
    certificates: tuple[dict[str, Signed[Certificate]], ...]

    @property
    def cap(self) -> Fraction:
        """What the school lets one student spend."""
        return policy.LifetimeBudget(epsilon=EPSILON).rho

    def node(self, folder: Path) -> Node:
        """The school's node with a handle of its own, as a process that starts now makes it."""
        node = self.scene.kit.members[TARGET].node
        ledger = LedgerStore.open(folder / f"{TARGET}.sqlite", node.key, Counter(folder / f"{TARGET}.counter"))
        rules = policy_of(lifetime_budget=policy.LifetimeBudget(epsilon=EPSILON))
        return replace(
            node,
            ledger=ledger,
            policy=lambda: rules,
            sessions={},
            peers={},
            lock=threading.RLock(),
            incident=lambda _: None,
        )

    def take(self, node: Node, which: int) -> list[str]:
        """Prepare one of the two and ask its first step; what was said, by kind or code."""
        kit = self.kits[which]
        prepared = _said(node, kit, protocol.Prepare(kit.experiment.encoded, kit.serials))
        if not isinstance(prepared, protocol.Prepared):
            return [prepared.code]
        certificates = {**self.certificates[which], TARGET: prepared.certificate}
        ask = protocol.Ask(1, 0, tuple(certificates[school] for school in sorted(certificates)), {})
        answered = _said(node, kit, ask)
        return ["prepared", answered.code if isinstance(answered, protocol.Refusal) else "answered"]


def _said(node: Node, kit: Kit, body: protocol.Body) -> protocol.Reply:
    return protocol.decode_reply(answer(node, kit.request(TARGET, body)))


@pytest.fixture(scope="module")
def rivals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rivals]:
    """The default question, and the same one with another title; every FG approved both."""
    folder = tmp_path_factory.mktemp("race")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FLOOR_SECONDS", "SECONDS_PER_VALUE", "SECONDS_PER_STUDENT"):
            patch.setattr(durations, name, 0.0)
        first = coalition(folder, schools=3, rows=8)
        second = replace(first, experiment=_retitled(folder), serials=tuple((school, 2) for school, _ in first.serials))
        certificates = []
        for kit, serial in ((first, 1), (second, 2)):
            for school in kit.members if serial > 1 else ():
                kit.approve(school, serial)
            others = sorted(kit.members.keys() - {TARGET})
            body = protocol.Prepare(kit.experiment.encoded, kit.serials)
            certificates.append({school: kit.say(school, body).certificate for school in others})
        yield Rivals(Scene(first, first.plan, first.assignment, {}, 0), (first, second), tuple(certificates))


def _retitled(folder: Path) -> definition.Experiment:
    document = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    document["title"]["en"] = "Another question about the same students"
    path = folder / "second.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return definition.freeze(definition.read(path), load_schema())


def spoken_for(path: Path) -> Fraction:
    """The most that is held or spent of one account by what stands in the file, whatever rule it breaks."""
    held: dict[tuple[str, str], Fraction] = {}
    for entry in entries(path):
        if entry.kind == "reserve":
            for account in entry.accounts():
                held[tuple(account)] = held.get(tuple(account), Fraction(0)) + entry.details["rho"]
    return max(held.values())


def over(rivals: Rivals, path: Path) -> bool:
    """Whether more is spoken for than the cap: what every race below is held against."""
    return spoken_for(path) > rivals.cap


def raced(acts: list[Callable[[], list[str]]]) -> list[list[str]]:
    """Run each act in a process of its own, all let go at one moment; what each returned."""
    gate, opened = os.pipe()

    def started(act: Callable[[], list[str]]) -> Callable[[int], None]:
        def run(told: int) -> None:
            os.close(opened)
            os.read(gate, 1)  # ends when the parent closes the other end
            os.write(told, json.dumps(act()).encode())

        return run

    processes = [forked(started(act)) for act in acts]
    os.close(gate)
    os.close(opened)
    return [json.loads(process.finished()) for process in processes]


def test_each_of_the_two_fits_alone(rivals: Rivals, tmp_path: Path) -> None:
    """The control: either experiment without the other is prepared and answered; both together exceed the cap."""
    for which in (0, 1):
        folder = rivals.scene.copy(tmp_path / str(which))
        assert rivals.take(rivals.node(folder), which) == ["prepared", "answered"]
        assert rivals.cap / 2 < spoken_for(folder / f"{TARGET}.sqlite") <= rivals.cap


def alone(rivals: Rivals, folder: Path, which: int) -> list[str]:
    """What a process of its own does with one of the two."""
    return rivals.take(rivals.node(folder), which)


def test_two_processes_never_exceed_the_cap(rivals: Rivals, tmp_path: Path) -> None:
    """Two node processes on one folder, an experiment each: one is prepared and answered, the other is refused."""
    for race in range(RACES):
        folder = rivals.scene.copy(tmp_path / str(race))
        path = folder / f"{TARGET}.sqlite"
        said = raced([partial(alone, rivals, folder, which) for which in (0, 1)])
        assert sorted(said) == [["budget_exhausted"], ["prepared", "answered"]]
        assert not over(rivals, path) and verify_ledger(path).ok


@pytest.mark.parametrize("shared", [True, False], ids=["one node", "a node each"])
def test_eight_threads_never_exceed_the_cap(rivals: Rivals, tmp_path: Path, shared: bool) -> None:
    """Four threads an experiment: one experiment gets through, and its first step is answered for one context only.

    In one node they share a session, so all four get the same bytes; with a node each there are four keys, so four
    questions, of which one is answered.
    """
    for race in range(RACES):
        folder = rivals.scene.copy(tmp_path / str(race))
        path = folder / f"{TARGET}.sqlite"
        (said,) = raced([partial(in_threads, rivals, folder, shared)])
        assert said.count("budget_exhausted") == said.count("prepared") == THREADS // 2
        assert said.count("answered") == (THREADS // 2 if shared else 1), said
        assert not over(rivals, path) and verify_ledger(path).ok
        assert sum(entry.kind == "charge" for entry in entries(path)) == 1


def in_threads(rivals: Rivals, folder: Path, shared: bool) -> list[str]:
    """Eight threads that start at one moment, every other one with the other experiment; all that was said."""
    nodes = [rivals.node(folder)] * THREADS if shared else [rivals.node(folder) for _ in range(THREADS)]
    start = threading.Barrier(THREADS)

    def one(index: int) -> list[str]:
        start.wait()
        return rivals.take(nodes[index], index % 2)

    with ThreadPoolExecutor(THREADS) as pool:
        return [word for words in pool.map(one, range(THREADS)) for word in words]


# ---- the defence off


def without_lock(meet: Callable[[], None]) -> None:
    """Planted: no lock over processes, and whoever reserves has read the balances before the other one writes."""
    waiting: list[bool] = []

    @contextmanager
    def unlocked(_: LedgerFile) -> Iterator[None]:
        with ledger_file.storage():
            yield

    def reserve(self: LedgerStore, **given: Any) -> int:
        waiting.append(True)
        return real_reserve(self, **given)

    @contextmanager
    def after_reading(self: LedgerFile) -> Iterator[None]:
        if waiting:
            waiting.pop()
            meet()
        with real_transaction(self):
            yield

    real_reserve, real_transaction = LedgerStore.reserve, LedgerFile._transaction
    LedgerFile.locked, LedgerFile._transaction, LedgerStore.reserve = unlocked, after_reading, reserve


def meeting() -> list[Callable[[], None]]:
    """For each of two processes, something that returns when both have called theirs."""
    pipes = [os.pipe(), os.pipe()]

    def meet(mine: int) -> None:
        os.write(pipes[1 - mine][1], b"!")
        assert select.select([pipes[mine][0]], [], [], SECONDS)[0], "the other process never came"

    return [partial(meet, 0), partial(meet, 1)]


@pytest.mark.parametrize("unique", [True, False])
def test_without_the_lock_the_race_is_lost_and_found(rivals: Rivals, tmp_path: Path, unique: bool) -> None:
    """The control: without the lock, the unique number of an entry alone stops the second plan; without it, found."""
    folder = rivals.scene.copy(tmp_path / "data")
    path = folder / f"{TARGET}.sqlite"
    with_caps(rivals, folder, unique)
    meet = meeting()

    def act(which: int) -> list[str]:
        node = rivals.node(folder)
        without_lock(meet[which])
        return rivals.take(node, which)

    said = raced([partial(act, 0), partial(act, 1)])
    assert over(rivals, path) is (not unique)
    assert verify_ledger(path).ok is unique
    assert not unique or sorted(said) == [["ledger_blocked"], ["prepared", "answered"]]


def with_caps(rivals: Rivals, folder: Path, unique: bool) -> None:
    """The caps written beforehand, so that the plans are the first to collide; `unique`: entries keep their key."""
    ledger = rivals.node(folder).ledger
    for population, cohort in rivals.scene.plan.accounts:
        ledger.ensure_cap((population, str(cohort)), rivals.cap)
    if not unique:
        with closing(sqlite3.connect(folder / f"{TARGET}.sqlite")) as connection:
            connection.executescript(
                "CREATE TABLE plain AS SELECT * FROM entries; DROP TABLE entries; ALTER TABLE plain RENAME TO entries"
            )
