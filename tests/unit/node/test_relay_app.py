"""The ClientApp carries a node's reply or a code, never an exception, and its process holds nothing of the platform."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.supercore.task_identity import TaskIdentity
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coalition.bundle import stage
from experiments import frames, protocol
from node.answer import answer
from node.relay import bridge, client_app
from node.service import serving
from tests.kit import Kit, coalition
from tests.unit.node.relay_peers import ODD, PATIENCE, SECRET, peer, says, short_folder

ROOT = Path(__file__).parents[3]


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name."""
    with short_folder() as folder:
        yield folder


@pytest.fixture
def identified() -> Iterator[None]:
    """What flwr-clientapp sets before it makes messages."""
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
    yield
    TaskIdentity._task_id = TaskIdentity._run_id = TaskIdentity._node_id = None


def _message(content: RecordDict) -> Message:
    return Message(content, 1, "query.forward", ttl=60)


def _request(data: object) -> Message:
    return _message(RecordDict({"parcel": ConfigRecord({"request": data})}))  # type: ignore[dict-item]


def _context(**config: object) -> Context:
    return Context(1, 1, config, RecordDict(), {})  # type: ignore[arg-type]


def _said(message: Message, context: Context) -> dict[str, object]:
    """What the ClientApp itself answers; it never raises and its reply holds one record with one field."""
    reply = client_app.app(message=message, context=context)
    assert list(reply.content) == ["parcel"] and not reply.has_error()
    said = dict(reply.content.config_records["parcel"])
    assert len(said) == 1
    return said


@pytest.mark.usefixtures("identified")
def test_the_client_app_carries_the_reply(short: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A request in a Flower message comes back as the node's reply, and the log stays empty."""
    with serving(short / "n.sock", lambda data: data[::-1]) as path:
        assert _said(_request(SECRET), _context(socket=str(path), timeout=30)) == {"reply": SECRET[::-1]}
    assert capfd.readouterr().err == ""


NO_REQUESTS = {
    "empty": RecordDict(),
    "another record": RecordDict({"other": ConfigRecord({"request": SECRET})}),
    "another field": RecordDict({"parcel": ConfigRecord({"reply": SECRET})}),
    "text": RecordDict({"parcel": ConfigRecord({"request": SECRET.decode()})}),
    "a list": RecordDict({"parcel": ConfigRecord({"request": [SECRET]})}),
    "a number": RecordDict({"parcel": MetricRecord({"request": 1})}),
}


@pytest.mark.usefixtures("identified")
@pytest.mark.parametrize("what", NO_REQUESTS)
def test_a_message_without_a_request(what: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Anything but bytes under `request` is `no_request`, in words that repeat nothing of it."""
    assert _said(_message(NO_REQUESTS[what]), _context(socket="/n")) == {"code": "no_request"}
    words = capfd.readouterr().err
    assert words.count("\n") == 1 and SECRET.decode() not in words


@pytest.mark.usefixtures("identified")
def test_a_message_that_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    """An error of Flower instead of content is no request either."""
    failed = Message(Error(1, SECRET.decode()), reply_to=_request(b""))
    assert _said(failed, _context(socket="/n")) == {"code": "no_request"}
    assert SECRET.decode() not in capfd.readouterr().err


@pytest.mark.usefixtures("identified")
@pytest.mark.parametrize("what", ODD)
def test_words_and_code_hold_nothing_of_the_payload(short: Path, what: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Request and reply both carry a secret; neither the code nor the operator's line repeats it."""
    said, situation = ODD[what]
    with peer(short / "n.sock", says(said)):
        reply = _said(_request(SECRET), _context(socket=str(short / "n.sock"), timeout=PATIENCE))
    words = capfd.readouterr().err
    assert reply == {"code": bridge.SITUATIONS[situation].code}
    assert words == f"relay: {bridge.failure(situation)}\n"
    assert SECRET.decode() not in words


@pytest.mark.usefixtures("identified")
@pytest.mark.parametrize("error", [RuntimeError, MemoryError, GeneratorExit, type("Panic", (BaseException,), {})])
def test_whatever_goes_wrong_becomes_a_code(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: type[BaseException]
) -> None:
    """Planted faults in the relay itself: the coordinator gets a code, the operator the kind of error, not its text."""

    def broken(*_: object) -> bytes:
        raise error(SECRET)

    monkeypatch.setattr(bridge, "forward", broken)
    assert _said(_request(SECRET), _context(socket="/n")) == {"code": "relay_error"}
    words = capfd.readouterr().err
    assert error.__name__ in words and SECRET.decode() not in words


@pytest.mark.usefixtures("identified")
def test_settings_that_are_missing_altogether_become_a_code() -> None:
    """No node config at all is a defect nobody foresaw; it is still a code."""
    context = _context()
    context.node_config = None  # type: ignore[assignment]
    assert _said(_request(SECRET), context) == {"code": "relay_error"}


@pytest.mark.usefixtures("identified")
@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_relay_that_is_stopped_stops(monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]) -> None:
    """Flower ends this process by raising SystemExit in it: that is no answer, and must not be swallowed."""

    def stopped(*_: object) -> bytes:
        raise stop

    monkeypatch.setattr(bridge, "forward", stopped)
    with pytest.raises(stop):
        client_app.app(message=_request(SECRET), context=_context(socket="/n"))


@pytest.mark.usefixtures("identified")
@pytest.mark.parametrize("log", ["closed", "none"])
def test_a_log_that_cannot_be_written_keeps_no_code_back(monkeypatch: pytest.MonkeyPatch, log: str) -> None:
    """With stderr closed or absent the coordinator still gets its code."""
    with tempfile.TemporaryFile("w") as file:
        pass
    monkeypatch.setattr(sys, "stderr", file if log == "closed" else None)
    assert _said(_request(SECRET), _context()) == {"code": "relay_unset"}


# ---- fuzz


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """A real school with its ledger."""
    return coalition(tmp_path_factory.mktemp("kit"), schools=3)


FUZZ = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.usefixtures("identified")
def test_garbage_reaches_the_node_and_comes_back_as_its_refusal(kit: Kit, short: Path) -> None:
    """The relay judges nothing: whatever bytes it is given, the node itself refuses them with a code of its own."""
    node = kit.members["school-0"].node

    @FUZZ
    @given(st.binary(max_size=400))
    def refused(garbage: bytes) -> None:
        said = _said(_request(garbage), _context(socket=str(path), timeout=30))
        assert isinstance(protocol.decode_reply(said["reply"]), protocol.Refusal)  # type: ignore[arg-type]

    with serving(short / "n.sock", lambda data: answer(node, data)) as path:
        refused()


@pytest.mark.usefixtures("identified")
def test_garbage_from_a_false_node_becomes_a_code(short: Path) -> None:
    """Whatever a peer says, with or without a proper start: a code of the table, or the one well-formed reply."""
    starts = [b"", frames.MAGIC, frames.MAGIC + b"\0\0\0\x08", frames.MAGIC + b"\xff\xff"]
    spoken: list[bytes] = []
    outcomes: set[str] = set()

    @FUZZ
    @given(st.sampled_from(starts), st.binary(max_size=60))
    def answered(start: bytes, rest: bytes) -> None:
        spoken[:] = [start + rest]
        said = _said(_request(b"ask"), _context(socket=str(short / "n.sock"), timeout=30))
        whole = start[:4] == frames.MAGIC and spoken[0][8:][: int.from_bytes(spoken[0][4:8], "big")]
        outcomes.update(said)
        assert said == {"reply": whole} if "reply" in said else said["code"] in bridge.RULES

    with peer(short / "n.sock", lambda connection: says(spoken[0])(connection)):
        answered()
    assert outcomes == {"reply", "code"}


# ---- what the relay's process holds

HELD = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
import node.relay.client_app
print(json.dumps([name for name in sys.modules]))
"""
OURS = {"node", "node.relay", "node.relay.bridge", "node.relay.client_app", "experiments", "experiments.frames"}
PACKAGES = ("node", "experiments", "privacy", "shared_schema", "coalition")
HEAVY = ("pandas", "torch", "pyarrow", "duckdb", "scipy", "sklearn", "pydantic", "prefect")


def _held(places: list[Path]) -> set[str]:
    """Names of the modules in a fresh interpreter after importing the relay, first from these folders."""
    done = subprocess.run(
        [sys.executable, "-c", HELD, json.dumps([str(place) for place in places])],
        capture_output=True,
        text=True,
        check=True,
        cwd=places[0],
    )
    return set(json.loads(done.stdout))


def _too_many(modules: set[str]) -> set[str]:
    """Modules that a relay has no business with."""
    tops = {*PACKAGES, *HEAVY}
    return {name for name in modules if name.partition(".")[0] in tops} - OURS


def test_the_relay_imports_flower_and_nothing_of_the_platform() -> None:
    """No table, no mechanism, no schema, no coordinator, and of the node nothing but the relay itself."""
    modules = _held([ROOT])
    assert _too_many(modules) == set()
    assert modules >= OURS | {"flwr.clientapp"}


def test_a_planted_import_is_noticed(tmp_path: Path) -> None:
    """Positive control: each kind of module that must not be there is found when the relay imports it."""
    for package in ("node", "experiments"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    planted = ["pandas", "node.errors", "experiments.errors", "privacy.errors", "shared_schema.errors"]
    planted += ["coalition.errors"]
    with (tmp_path / "node" / "relay" / "client_app.py").open("a", encoding="utf-8") as file:
        file.writelines(f"import {name}\n" for name in planted)
    assert _too_many(_held([tmp_path, ROOT])) >= set(planted)


def test_the_bundle_needs_nothing_that_is_not_in_it(tmp_path: Path) -> None:
    """In an interpreter that cannot find this project the bundle's relay imports; without `frames` it does not."""
    bundle = stage(tmp_path)
    program = "import sys\nsys.meta_path[:] = [f for f in sys.meta_path if 'ditable' not in repr(f)]\n" + HELD
    command = [sys.executable, "-c", program, json.dumps([str(bundle)])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert _too_many(set(json.loads(done.stdout))) == set()
    (bundle / "experiments" / "frames.py").unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode != 0 and "cannot import name 'frames'" in done.stderr
