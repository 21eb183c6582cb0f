"""A run meets what runs meet: silent schools, returning schools, restarts, a killed coordinator, a wrong socket."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from coalition import rounds
from coalition.errors import RunStopped
from coalition.store import CoalitionStore
from coalition.transport import InProcess, LocalSockets
from experiments import protocol
from node.answer import answer
from node.service import serving
from privacy import canonical
from tests.kit import Kit, coalition


class Absent:
    """Doors of which some do not open during some exchanges (numbered from 0)."""

    def __init__(self, kit: Kit, away: dict[str, range]) -> None:
        self._inner, self._away, self._exchange = kit.transport(), away, -1

    def exchange(self, requests, needed, timeout, arrived) -> None:
        self._exchange += 1
        present = {s: r for s, r in requests.items() if self._exchange not in self._away.get(s, range(0))}
        self._inner.exchange(present, needed, timeout, arrived)


def _spent(kit: Kit, school: str) -> Fraction:
    balances = kit.members[school].node.ledger.balances()
    assert all(balance.reserved == 0 for balance in balances.values())
    return max(balance.spent for balance in balances.values())


def _asked(kit: Kit) -> list[tuple[int, int]]:
    said = kit.store.exchanges(kit.assignment.run)
    return sorted({(one.round, one.step, one.attempt) for one in said})


def test_a_school_silent_in_mid_run_costs_one_more_attempt(tmp_path: Path) -> None:
    """The step is asked again without the silent school; the others pay that step twice and finish the run."""
    kit = coalition(tmp_path)
    away = {"school-2": range(3, 99)}
    rounds.run(kit.assignment, kit.store, Absent(kit, away))
    step = kit.plan.steps[2]
    assert _spent(kit, "school-0") == kit.plan.rho + step.rho
    charges = [e.details for e in kit.members["school-0"].node.ledger.entries() if e.kind == "charge"]
    slots = [(charge["step"], charge["attempt"]) for charge in charges]
    assert slots == [(1, 0), (2, 0), (3, 0), (3, 1), *[(k, 1) for k in range(4, len(kit.plan.steps) + 1)]]
    assert [len(charge["roster"]) for charge in charges[2:4]] == [5, 4]


def test_a_school_that_comes_back_takes_part_again(tmp_path: Path) -> None:
    """A school away for one exchange is invited back, and the next step is asked of the whole roster again."""
    kit = coalition(tmp_path)
    rounds.run(kit.assignment, kit.store, Absent(kit, {"school-2": range(3, 4)}))
    rosters = [e.details["roster"] for e in kit.members["school-0"].node.ledger.entries() if e.kind == "charge"]
    assert [len(roster) for roster in rosters] == [5, 5, 5, 4, *[5] * (len(kit.plan.steps) - 3)]


def test_a_node_that_restarted_is_prepared_again_with_a_fresh_key(tmp_path: Path) -> None:
    """The key died with the process: the school gets a new epoch and joins the next attempt."""
    kit = coalition(tmp_path)
    doors = kit.doors()
    calls = []

    def restarting(data: bytes) -> bytes:
        calls.append(data)
        if len(calls) == 4:
            kit.members["school-1"].node.sessions.clear()
        return answer(kit.members["school-1"].node, data)

    rounds.run(kit.assignment, kit.store, InProcess(doors | {"school-1": restarting}))
    certificates = [
        reply.certificate.statement
        for said in kit.store.exchanges(kit.assignment.run)
        if said.school == "school-1"
        and isinstance(reply := protocol.decode_reply(said.reply or b""), protocol.Prepared)
    ]
    assert [certificate.epoch for certificate in certificates] == [1, 2]
    assert certificates[0].key != certificates[1].key
    assert _spent(kit, "school-0") == kit.plan.rho + kit.plan.steps[2].rho


def test_too_few_schools_left_stops_the_run_and_returns_the_rest(tmp_path: Path) -> None:
    """With two of five gone no attempt may open; the run closes and every unspent unit goes back."""
    kit = coalition(tmp_path)
    with pytest.raises(RunStopped) as stopped:
        rounds.run(kit.assignment, kit.store, Absent(kit, {"school-2": range(2, 99), "school-3": range(2, 99)}))
    assert stopped.value.code == "too_few_schools"
    assert "school-2 (silent), school-3 (silent)" in stopped.value.found
    assert kit.store.status(kit.experiment.hash) == "stopped"
    assert _spent(kit, "school-0") == kit.plan.steps[0].rho + kit.plan.steps[1].rho


def test_a_run_stays_within_its_retry_allowance(tmp_path: Path) -> None:
    """One retry is allowed; a second school that falls silent later ends the run."""
    kit = coalition(tmp_path, schools=7)
    with pytest.raises(RunStopped) as stopped:
        rounds.run(kit.assignment, kit.store, Absent(kit, {"school-2": range(2, 99), "school-3": range(6, 99)}))
    assert stopped.value.code == "retries_spent"


class Killed(BaseException):
    """Stands for a kill: nothing between here and the test may catch it."""


def test_a_coordinator_stopped_at_any_write_goes_on_and_pays_once(tmp_path: Path) -> None:
    """Stopped at a later write of its store each time, the run ends as one straight run would have."""
    kit = coalition(tmp_path, schools=3)
    writes, stops = 1, 0
    while not _run_until(kit, writes):
        writes, stops = writes + 1, stops + 1
    assert stops >= len(kit.plan.steps)
    assert _spent(kit, "school-0") == kit.plan.rho
    assert len(kit.store.states(kit.assignment.run)) == len(kit.plan.steps)
    assert [said.round for said in kit.store.exchanges(kit.assignment.run)][-1] == kit.plan.exchanges - 1


def _run_until(kit: Kit, writes: int) -> bool:
    """Run with a store that dies at its write number `writes`; return whether the run reached its end."""
    left = [writes]

    class Dying(CoalitionStore):
        def _change(self):
            left[0] -= 1
            if left[0] < 0 and threading.current_thread() is threading.main_thread():
                raise Killed
            return super()._change()

    store = Dying(kit.folder / "store.sqlite", kit.coordinator)
    try:
        rounds.run(kit.assignment, store, kit.transport())
    except Killed:
        return False
    finally:
        store.close()
    return True


def _write_for_process(kit: Kit) -> None:
    (kit.folder / "charter.cbor").write_bytes(kit.charter.to_bytes())
    (kit.folder / "experiment.cbor").write_bytes(kit.experiment.encoded)
    (kit.folder / "serials.cbor").write_bytes(canonical.encode([list(pair) for pair in kit.serials]))
    kit.coordinator.save(kit.folder / "coordinator.pem")


def test_a_coordinator_killed_with_sigkill_resumes(tmp_path: Path) -> None:
    """A real process over real sockets, killed with SIGKILL twice: the third finishes, nothing is paid twice."""
    kit = coalition(tmp_path, schools=3)
    _write_for_process(kit)
    command = [sys.executable, "-m", "tests.whole.coordinator_process", str(tmp_path)]
    with ExitStack() as open_doors:
        for school, door in kit.doors().items():
            open_doors.enter_context(serving(tmp_path / f"{school}.sock", door))
        for answered in (2, 6):
            process = subprocess.Popen(command)
            _wait_for_replies(kit, answered, process)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        assert subprocess.run(command, timeout=900, check=False).returncode == 0
    assert kit.store.status(kit.experiment.hash) == "opened"
    assert _spent(kit, "school-0") == kit.plan.rho


def _wait_for_replies(kit: Kit, rounds_answered: int, process: subprocess.Popen) -> None:
    """Wait until the process has stored a reply in that exchange; it must not end before."""
    while not any(said.round >= rounds_answered and said.reply for said in kit.store.exchanges(kit.assignment.run)):
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.02)


def test_a_socket_with_another_service_counts_as_silent(tmp_path: Path) -> None:
    """Something else answers on one school's socket: no crash, no trust, the school is simply missing."""
    kit = coalition(tmp_path, schools=3)
    path = tmp_path / "wrong.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def say_hello() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        service = threading.Thread(target=say_hello, daemon=True)
        service.start()
        replies: dict[str, bytes] = {}
        transport = LocalSockets({"school-0": path, "school-1": tmp_path / "nobody.sock"})
        body = protocol.Prepare(kit.experiment.encoded, kit.serials)
        requests = {school: kit.request(school, body) for school in ("school-0", "school-1")}
        transport.exchange(requests, set(requests), 10.0, replies.__setitem__)
        service.join()
    assert replies == {}


def test_a_node_of_another_school_on_the_socket_is_refused(tmp_path: Path) -> None:
    """The right protocol but the wrong school: the node refuses, and its certificate would not fit the charter."""
    kit = coalition(tmp_path, schools=3)
    body = protocol.Prepare(kit.experiment.encoded, kit.serials)
    with serving(tmp_path / "a.sock", kit.doors()["school-1"]) as path:
        replies: dict[str, bytes] = {}
        LocalSockets({"school-0": path}).exchange(
            {"school-0": kit.request("school-0", body)}, {"school-0"}, 10.0, replies.__setitem__
        )
    assert protocol.decode_reply(replies["school-0"]) == protocol.Refusal("other_school")


def test_an_answer_with_another_schools_receipt_does_not_count(tmp_path: Path) -> None:
    """A relay that passes one school's answer for another's gains nothing: the receipt names the school."""
    kit = coalition(tmp_path, schools=3)
    certificates = kit.prepare()
    ask = protocol.Ask(1, 0, tuple(certificates[s] for s in sorted(certificates)), {})
    reply = kit.say("school-0", ask)
    assert isinstance(reply, protocol.Answer)
    context = reply.receipt.statement.context_hash
    dimension = kit.plan.steps[0].dimension
    assert rounds.answer_holds(kit.charter, "school-0", reply, context, dimension)
    assert not rounds.answer_holds(kit.charter, "school-1", reply, context, dimension)
    changed = replace(reply, masked=reply.masked + np.uint64(1))
    assert not rounds.answer_holds(kit.charter, "school-0", changed, context, dimension)
