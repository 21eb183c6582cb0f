"""The school's own documents decide, at once, and a slip of the operator destroys nothing (METHODS §7, attack 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from coalition import figures
from experiments import protocol
from experiments.protocol import Ask, Prepare, Prepared, Refusal
from node import service
from node.answer import Node, answer
from node.assembly import open_node
from node.errors import UnusableInput
from privacy.statements import run_id
from tests.attack.test_coordinator import _ask
from tests.kit import coalition, policy_of
from tests.unit.coalition.office import Office, office

TARGET = "school-0"


@pytest.fixture
def made(tmp_path: Path) -> Office:
    """A coalition whose FGs approved an experiment."""
    found = office(tmp_path)
    found.accept_charter()
    found.approve(found.submit())
    return found


def _prepare(made: Office, node: Node) -> protocol.Reply:
    experiment = made.experiment
    serials = tuple((school, 1) for school in made.schools)
    run = run_id(experiment.hash, dict(serials))
    body = Prepare(experiment.encoded, serials)
    request = protocol.Request(made.workspace.charter.hash, experiment.hash, run, TARGET, body)
    return protocol.decode_reply(answer(node, request.encode(made.workspace.key)))


Edit = Callable[[str], str]
EDITS: dict[str, Edit] = {
    "not_ready": lambda text: text.replace("ready: true", "ready: false"),
    "too_few_schools": lambda text: text.replace("fewest_schools: 3", "fewest_schools: 9"),
    "cohort_too_small": lambda text: text.replace("smallest_cohort: 50", "smallest_cohort: 5000"),
    "bad_policy": lambda text: text + "\nfewest_school: 3\n",
}


@pytest.mark.parametrize("code", EDITS)
@pytest.mark.parametrize("defended", [False, True])
def test_a_changed_policy_counts_at_once(made: Office, code: str, defended: bool) -> None:
    """The FG edits policy.yaml while the node runs: the next request meets the new rules, or an unreadable file."""
    node = made.node(TARGET, made.experiment)
    if not defended:
        node = replace(node, policy=partial(lambda rules: rules, node.policy()))  # as read when the node started
    document = made.node_folder(TARGET).policy
    document.write_text(EDITS[code](document.read_text()))
    reply = _prepare(made, node)
    assert (reply == Refusal(code)) if defended else isinstance(reply, Prepared)


def test_a_run_that_was_prepared_stops_too(tmp_path: Path) -> None:
    """`ready: false` refuses everything: also the next question of a run that had begun."""
    kit = coalition(tmp_path, schools=3)
    ask: Ask = _ask(kit, kit.prepare())
    member = kit.members[TARGET]
    member.node = replace(member.node, policy=lambda: policy_of(ready=False))
    assert kit.say(TARGET, ask) == Refusal("not_ready")


def test_a_node_does_not_start_on_a_policy_it_cannot_read(made: Office) -> None:
    """Found at the start rather than at the first request."""
    made.node_folder(TARGET).policy.write_text("policy: 1\n")
    with pytest.raises(Exception, match="public_size"):
        open_node(made.node_folder(TARGET))


def test_a_socket_never_replaces_another_file(made: Office) -> None:
    """`--socket ledger.sqlite` is a slip of the hand; the ledger stays where it is. A dead socket is replaced."""
    ledger = made.node_folder(TARGET).ledger
    before = ledger.read_bytes()
    with pytest.raises(UnusableInput) as found:
        service.open_server(ledger, lambda data: data)
    assert found.value.code == "socket_path_taken" and ledger.read_bytes() == before
    path = made.folder / "dead.sock"
    service.open_server(path, lambda data: data).server_close()
    assert path.is_socket()
    service.open_server(path, lambda data: data).server_close()


def test_shown_counts_are_rounded_with_their_intervals() -> None:
    """METHODS §8: a shown count is a multiple of 5, and so are its bounds, whose middle would give it away."""
    shown = figures._count({"value": 1203.7, "low": 1161.2, "high": 1246.2})
    assert shown == {"value": 1205.0, "low": 1160.0, "high": 1250.0}
    for value in (0.0, 2.4, 2.6, 7.5, 1e5 + 0.1):
        shown = figures._count({"value": value, "low": max(0.0, value - 0.01), "high": value + 0.01})
        assert shown["low"] <= shown["value"] <= shown["high"]
        assert all(number % 5 == 0 for number in shown.values())
