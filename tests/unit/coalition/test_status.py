"""`coalition status`: at every moment it says who has to do what next; and a run resumes by the same command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coalition import presenting, reaching, running
from coalition.errors import NotAllowed, RunStopped, UsageFailed
from coalition.transport import InProcess
from tests.unit.coalition.office import Office, office

EXCHANGES = "exchanges / uitwisselingen"


def _waiting(made: Office) -> tuple[str, str]:
    (row,) = presenting.status(made.workspace).data["experiments"]
    return row["status"], row["waiting_for"]


def test_the_whole_life_of_an_experiment(tmp_path: Path) -> None:
    """Submitted, approved, checked, reviewed, published: each time the next person is named."""
    made = office(tmp_path)
    assert presenting.status(made.workspace).data["experiments"] == []
    made.accept_charter()
    experiment = made.submit()
    assert _waiting(made) == ("submitted", "FG of school-0, school-1, school-2 (0 of at least 3)")
    made.approve(experiment, "school-1")
    assert _waiting(made)[1] == "FG of school-0, school-2 (1 of at least 3)"
    made.approve(experiment, "school-0", "school-2")
    assert _waiting(made) == ("approved", "coordinator: coalition run")
    made.run(experiment)
    assert _waiting(made)[0] == "checked" and "nobody" in _waiting(made)[1]
    made.review(experiment, "rik")
    assert "rik (school-1)" in _waiting(made)[1]
    made.review(experiment, "sam")
    assert _waiting(made) == ("reviewed", "coordinator: coalition publish")
    made.publish(experiment)
    assert _waiting(made) == ("published", "nobody")
    with pytest.raises(NotAllowed) as found:
        made.run(experiment)
    assert found.value.code == "not_runnable"


def test_a_run_that_opened_is_not_asked_again(drafted: Office) -> None:
    """Run again, it drafts the same finding from the store; no school is asked anything."""

    def nobody(_: bytes) -> bytes:
        raise AssertionError("a school was asked")

    silent = InProcess(dict.fromkeys(drafted.schools, nobody))
    found = running.carry_out(drafted.workspace, drafted.experiment, silent, lambda *_: None)
    assert found["experiment"] == "uitval-jaar-1"


def test_progress_reaches_its_total(tmp_path: Path) -> None:
    """The bar counts exchanges and ends full."""
    made = office(tmp_path)
    made.accept_charter()
    experiment = made.submit()
    made.approve(experiment)
    seen: list[tuple[Any, ...]] = []
    running.carry_out(made.workspace, experiment, made.transport(experiment), lambda *said: seen.append(said))
    exchanges = [(*said, "")[:4] for said in seen if said[0] == EXCHANGES]
    assert exchanges[-1] == (EXCHANGES, 12, 12, "")
    assert [said[1] for said in exchanges if not said[3]] == list(range(1, 13))


def test_progress_says_which_schools_are_waited_for(tmp_path: Path) -> None:
    """While an exchange goes on, the schools that have not answered are named, fewer and fewer."""
    made = office(tmp_path)
    made.accept_charter()
    experiment = made.submit()
    made.approve(experiment)
    seen: list[tuple[Any, ...]] = []
    running.carry_out(made.workspace, experiment, made.transport(experiment), lambda *said: seen.append(said))
    waiting = [said[3] for said in seen if said[0] == EXCHANGES and said[1] == 1 and said[3]]
    assert waiting[0] == "step 1, attempt 0: school-0, school-1, school-2"
    assert [len(words.split(": ")[1].split(", ")) for words in waiting] == [3, 2, 1]


def test_too_few_schools_stop_the_run_and_say_what_to_do(tmp_path: Path) -> None:
    """One of three schools unreachable: the run stops, is closed, and waits for new approvals."""
    made = office(tmp_path)
    made.accept_charter()
    experiment = made.submit()
    made.approve(experiment)

    def away(_: bytes) -> bytes:
        raise ConnectionError

    doors = dict.fromkeys(made.schools, away)
    with pytest.raises(RunStopped, match="silent"):
        running.carry_out(made.workspace, experiment, InProcess(doors), lambda *_: None)
    assert _waiting(made) == ("stopped", "new approvals of the FGs")
    with pytest.raises(NotAllowed) as found:
        made.run(experiment)
    assert found.value.code == "not_runnable"


def test_sockets_are_named_by_school() -> None:
    """SCHOOL=PATH with a school of the charter; anything else lists the schools."""
    assert reaching.socket_paths(["a=/run/a.sock"], ["a", "b"]) == {"a": Path("/run/a.sock")}
    for wrong in ("a", "c=/x", "a=", "=/x"):
        with pytest.raises(UsageFailed, match="a, b"):
            reaching.socket_paths([wrong], ["a", "b"])
