"""A coalition's folder arrives; a whole run in which one school's process dies, and everything wrong after it, leave.

The school under test is a real process behind its real socket. The coordinator is the real one (`coalition.rounds`),
the other schools are real nodes in the parent. `wrong` reads what is left of the school on disk, and holds it against
every byte that ever came out of its socket.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from coalition import rounds
from coalition.store import CoalitionStore
from experiments import protocol
from experiments.planning import Plan
from node.answer import Node, answer
from node.counter import Counter, Position
from node.errors import NodeError
from node.ledger_store import LedgerStore, system_clock
from node.service import open_server
from privacy.ledger import Entry
from privacy.statements import Certificate, Signed
from privacy.verify import verify_ledger
from tests.attack.crashing import Heard, Process, Watch, dying, forked, hear
from tests.kit import Kit

TARGET = "school-1"
WORD_BYTES = 8

Fault = Callable[[Node], None]


def no_fault(_: Node) -> None:
    """The product as it is."""


class NotStarted(Exception):
    """The school's process ended before it listened; its words are the error's name."""


@dataclass(frozen=True)
class Scene:
    """The coalition as it stands before anyone asks anything, with what follows from it worked out once."""

    kit: Kit
    plan: Plan
    task: rounds.Assignment
    certificates: Mapping[str, Signed[Certificate]]
    began: int

    @classmethod
    def of(cls, kit: Kit) -> Scene:
        """The other schools are prepared once for all runs, so they never hear *close*."""
        plan, certificates = kit.plan, {}
        for school in kit.members.keys() - {TARGET}:
            prepared = kit.say(school, protocol.Prepare(kit.experiment.encoded, kit.serials))
            assert isinstance(prepared, protocol.Prepared)
            certificates[school] = prepared.certificate
        return cls(kit, plan, kit.assignment, certificates, system_clock())

    def copy(self, folder: Path) -> Path:
        """Every ledger and counter, in a new folder of their own."""
        folder.mkdir()
        for school in self.kit.members:
            for name in (f"{school}.sqlite", f"{school}.counter"):
                shutil.copy(self.kit.folder / name, folder / name)
        return folder


@dataclass
class Ground:
    """A copy of the coalition in a folder of its own, with one school in a process and the others in this one.

    armed: the event at which the first process dies, the second, …; later ones live. fault: what the first one does
    wrong. late: seconds by which clocks are ahead. steps: how many the coordinator asks.
    """

    scene: Scene
    folder: Path
    armed: Sequence[int | None] = ()
    fault: Fault = no_fault
    late: int = 0
    steps: int = 2
    heard: list[Heard] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    contexts: dict[bytes, bytes] = field(default_factory=dict)
    troubles: set[str] = field(default_factory=set)
    process: Process | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    @property
    def ledger(self) -> Path:
        return self.folder / f"{TARGET}.sqlite"

    @property
    def counter(self) -> Counter:
        return Counter(self.folder / f"{TARGET}.counter")

    def clock(self) -> Callable[[], int]:
        """A clock that began with the scene, `late` seconds later, and goes on by one second at every look.

        So two runs write the same, whatever the machine takes for them.
        """
        return itertools.count(self.scene.began + self.late).__next__

    def ledger_as_left(self) -> LedgerStore:
        """The school's ledger, not yet held against its counter."""
        return LedgerStore.open(self.ledger, self.scene.kit.members[TARGET].node.key, self.counter, self.clock())

    def node(self, school: str) -> Node:
        """A node as a process that starts now makes it."""
        node = self.scene.kit.members[school].node
        counter = Counter(self.folder / f"{school}.counter")
        ledger = LedgerStore.open(self.folder / f"{school}.sqlite", node.key, counter, self.clock())
        ledger.check()
        return replace(node, ledger=ledger, sessions=dict(node.sessions), peers={}, lock=threading.RLock())

    def start(self) -> None:
        """Fork the school's process and wait until its socket is bound.

        armed: when the first process dies, the second, …; later ones live. Only the first one has a fault.
        """
        armed, self.armed = next(iter(self.armed), None), self.armed[1:]
        fault, self.fault = self.fault, no_fault
        ready, bound = os.pipe()

        def serve(told: int) -> None:
            os.close(ready)
            node = self.node(TARGET)
            fault(node)
            server = open_server(self.socket, lambda data: answer(node, data))
            os.write(bound, b"!")
            os.close(bound)
            if armed is not None:
                Watch(dying(armed, told), node.ledger)
            server.serve_forever()

        self.process = forked(serve)
        os.close(bound)
        with os.fdopen(ready, "rb") as pipe:
            if not pipe.read():
                failed, self.process = self.process, None
                os.waitpid(failed.number, 0)
                raise NotStarted(*failed.said())

    def end(self) -> None:
        """Kill the school's process, reap it, and look at what it left."""
        if self.process is not None:
            process, self.process = self.process, None
            self.told += process.end()
            self.troubles |= left_behind(self)

    def ask(self, request: bytes) -> bytes:
        """Ask the school as the coordinator's transport does: again, of the process that comes after, until it says
        something whole.
        """
        reply = None
        while reply is None:
            reply = self.ask_once(request)
        return reply

    def ask_once(self, request: bytes) -> bytes | None:
        """Ask the process that is there, or a new one; None when it died before all of its reply was out."""
        if self.process is None:
            self.start()
        self.heard.append(hear(self.socket, request))
        reply = self.heard[-1].reply
        if reply is None:
            self.end()
        return reply

    def asked(self, request: bytes) -> bytes:
        """Ask; ask a second time what was answered, as a transport does that lost the answer."""
        reply = self.ask(request)
        if isinstance(protocol.decode_reply(reply), protocol.Answer):
            self.ask(request)
        return reply

    def run(self) -> None:
        """The whole run: prepare, the first steps, every question again, close; the rest of the plan is returned."""
        kit = self.scene.kit
        store = CoalitionStore(self.folder / "store.sqlite", kit.coordinator)
        line = Line(self, {school: self.node(school) for school in kit.members if school != TARGET})
        plan = replace(self.scene.plan, steps=self.scene.plan.steps[: self.steps])
        try:
            rounds.run(replace(self.scene.task, plan=plan), store, line)
        finally:
            self.end()


@dataclass
class Line:
    """The coordinator's transport, without threads: a process is never forked while threads run."""

    ground: Ground
    others: Mapping[str, Node]

    def exchange(
        self, requests: Mapping[str, bytes], needed: Any, timeout: float, arrived: Callable[[str, bytes], None]
    ) -> None:
        for school in sorted(requests):
            if school == TARGET:
                arrived(school, self._target(requests[school]))
            elif not isinstance(_body(requests[school]), protocol.Close):
                arrived(school, answer(self.others[school], requests[school]))

    def _target(self, request: bytes) -> bytes:
        body = _body(request)
        if isinstance(body, protocol.Close):  # while the run is open, whatever was asked is asked once more
            for earlier in dict.fromkeys(one.request for one in self.ground.heard):
                if isinstance(_body(earlier), protocol.Ask):
                    self.ground.ask(earlier)
        return self.ground.asked(request)


@lru_cache(64)
def _body(request: bytes) -> protocol.Body:
    read = protocol.decode_request(request)[0]
    assert isinstance(read, protocol.Request)
    return read.body


# ---- what must hold after every death and at the end


def context_of(scene: Scene, ask: protocol.Ask) -> bytes:
    """The context of a question, derived as everybody does."""
    parties = [rounds.party_of(signed.statement) for signed in ask.roster]
    step, task = scene.plan.steps[ask.step - 1], scene.task
    return protocol.context_of(task.charter, task.experiment.hash, task.run, step, parties, ask.attempt, ask.state)


def sums_that_left(ground: Ground) -> Iterator[tuple[bytes, Heard]]:
    """Every answer of which a byte came out, with its context; the frame's own length tells a sum from a code."""
    for heard in ground.heard:
        body = _body(heard.request)
        if isinstance(body, protocol.Ask):
            dimension = ground.scene.plan.steps[body.step - 1].dimension
            if int.from_bytes(heard.data[4:8], "big") > WORD_BYTES * dimension:
                if heard.request not in ground.contexts:
                    ground.contexts[heard.request] = context_of(ground.scene, body)
                yield ground.contexts[heard.request], heard


def entries(path: Path) -> list[Entry]:
    """The entries as they stand in the file, whatever rule they break."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT bytes FROM entries ORDER BY rowid").fetchall()
    return [Entry.from_bytes(data) for (data,) in rows]


def charges(path: Path) -> list[Entry]:
    """The entries that charge."""
    return [entry for entry in entries(path) if entry.kind == "charge"]


def left_behind(ground: Ground) -> set[str]:
    """What is wrong on the disk of a school whose process just died, before a program of this platform touches it."""
    written, mark = entries(ground.ledger), ground.counter.read()
    here = Position(len(written), written[-1].hash)
    found = set() if mark is not None and here in mark else {"the counter does not know this ledger"}
    paid = {entry.details["context_hash"]: entry.seq for entry in written if entry.kind == "charge"}
    for context, _ in sums_that_left(ground):
        if context not in paid:
            found.add("sent and not charged")
        elif mark is None or mark.before.length <= paid[context]:
            found.add("the counter is behind what was sent")
    return found


def wrong(ground: Ground) -> set[str]:
    """Everything that does not hold now that the run is over; empty when all is well."""
    found = ground.troubles | set(_wrong_charges(ground)) | set(_wrong_replies(ground))
    found |= {f"verifier: {problem.code}" for problem in verify_ledger(ground.ledger).problems}
    try:
        return found | set(_wrong_balances(ground, ground.node(TARGET).ledger))
    except NodeError as error:
        return found | {f"does not start: {error.code}"}


def _wrong_charges(ground: Ground) -> Iterator[str]:
    """One charge a context, and one a slot."""
    paid = [entry.details for entry in charges(ground.ledger)]
    if len({one["context_hash"] for one in paid}) < len(paid):
        yield "one context charged twice"
    if len({(one["run"], one["step"], one["attempt"]) for one in paid}) < len(paid):
        yield "one slot charged twice"


def _wrong_balances(ground: Ground, ledger: LedgerStore) -> Iterator[str]:
    """Caps hold, spent is what was charged, and in the end nothing is held and nothing unspent is gone."""
    paid = charges(ground.ledger)
    for account, balance in ledger.balances().items():
        if balance.spent != sum(entry.details["rho"] for entry in paid if account in entry.accounts()):
            yield "spent is not what was charged"
        if balance.spent > min(balance.cap, ground.scene.plan.rho_reserved):
            yield "more spent than was allowed"
        if balance.reserved != 0:
            yield "something is still held"


def _wrong_replies(ground: Ground) -> Iterator[str]:
    """One question has one answer, and no epoch has two keys."""
    answers: dict[bytes, set[bytes]] = {}
    for context, heard in sums_that_left(ground):
        if heard.reply is not None:
            answers.setdefault(context, set()).add(heard.reply)
    if any(len(different) > 1 for different in answers.values()):
        yield "one question, two answers"
    whole = [protocol.decode_reply(heard.reply) for heard in ground.heard if heard.reply is not None]
    made = [one.certificate.statement for one in whole if isinstance(one, protocol.Prepared)]
    keys = {(certificate.epoch, certificate.key) for certificate in made}
    if len({epoch for epoch, _ in keys}) < len(keys):
        yield "one epoch, two keys"
