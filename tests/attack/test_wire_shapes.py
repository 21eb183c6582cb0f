"""Requests of the right form with the wrong things inside (METHODS §7, attack 18): each gets a code, none an exception.

What is read before the signature is judged can be sent by anyone who reaches the socket, so nothing in it may make
the node fall over; and a school's reply may not make the coordinator fall over.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import protocol
from experiments.errors import ProtocolError
from node import slots
from node.answer import answer
from privacy import canonical, statements
from privacy.identity import SigningKey
from privacy.statements import StatementError
from tests.kit import Kit, coalition

ENVELOPE = "datacoalitie/signed/1"
ODD: list[Any] = [None, True, 5, -1, 2**80, "text", b"", b"\xf6", [], [[1]], {}, {"a": 1}, np.ones(2), np.zeros(0)]


def _signed(statement: bytes) -> bytes:
    return canonical.tagged(ENVELOPE, statement, bytes(64))


def _review(verdict: Any) -> bytes:
    """A statement of another kind than a roster holds, read all the same before its kind is known."""
    return canonical.tagged("datacoalitie/review/1", bytes(32), "rik", "school-1", verdict, 1)


def _request(kit: Kit, kind: str, fields: Any, key: SigningKey) -> bytes:
    names = (kit.charter.hash, kit.experiment.hash, kit.assignment.run, "school-0")
    message = canonical.tagged(protocol.REQUEST_TAG, *names, kind, fields)
    return canonical.encode([message, key.sign(message)])


def _fields(kit: Kit) -> list[tuple[str, Any]]:
    """Every field of every body in turn replaced by something odd, lists also filled with odd things."""
    good: dict[str, list[Any]] = {
        "prepare": [kit.experiment.encoded, [list(pair) for pair in kit.serials]],
        "ask": [1, 0, [], {}],
        "close": [],
    }
    found: list[tuple[str, Any]] = [(kind, odd) for kind in good for odd in ODD]
    for kind, fields in good.items():
        for at in range(len(fields)):
            for odd in [*ODD, *([odd] for odd in ODD), *({"counts": odd} for odd in ODD)]:
                found.append((kind, [*fields[:at], odd, *fields[at + 1 :]]))
    inner = [
        canonical.encode([np.ones(2), b"", bytes(64)]),
        _signed(b""),
        _signed(_review(np.ones(2))),
        _signed(_review("accept")),
        _signed(canonical.tagged("x")),
    ]
    found += [("ask", [1, 0, [item], {}]) for item in inner]
    found += [("ask", [1, 0, [], {"counts": odd}]) for odd in ODD]
    found += [("prepare", [canonical.encode(odd), []]) for odd in _experiments(kit)]
    return found


def _experiments(kit: Kit) -> list[Any]:
    """Frozen experiments with something odd in the place of tag, definition, hash or one of the settings."""
    tag, definition, digest = canonical.decode(kit.experiment.encoded, max_bytes=2**20)  # type: ignore[misc]
    odd: list[Any] = [*ODD, Fraction(1, 3), Fraction(10**400, 7)]
    settings = [{**definition, name: value} for name in ("budget", "legal", "title") for value in odd]
    settings += [{**definition, "budget": {**definition["budget"], "epsilon": value}} for value in odd]
    return [[tag, one, digest] for one in [*odd, *settings]] + [[one, definition, digest] for one in odd]


@pytest.mark.parametrize("by", ["coordinator", "anyone"])
def test_every_odd_field_gets_a_foreseen_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """Whoever signs and whatever stands in a field: the reply is a refusal with a code of its own."""
    monkeypatch.setattr(slots.Slot, "wait", lambda slot: None)  # hundreds of refusals, each with a slot
    kit = coalition(tmp_path, schools=3)
    kit.prepare()  # so that questions come as far as they can
    node = kit.members["school-0"].node
    key = kit.coordinator if by == "coordinator" else SigningKey.generate()
    for kind, fields in _fields(kit):
        if kind == "close" and isinstance(fields, list) and not fields:
            continue  # the one honest request among them
        reply = protocol.decode_reply(answer(node, _request(kit, kind, fields, key)))
        assert isinstance(reply, protocol.Refusal), (kind, fields)
        assert reply.code != "internal_error", (kind, fields, node)


def test_the_last_resort_is_not_what_refuses() -> None:
    """Defence off: without the roster's types checked, a number in it is an error that nobody foresaw."""
    with pytest.raises(TypeError):
        protocol.Ask(1, 0, tuple(map(protocol.signed_from_bytes, [5], [statements.Certificate])), {})  # type: ignore[arg-type]
    with pytest.raises(ProtocolError):
        protocol.Ask.of([1, 0, [5], {}])


@pytest.mark.parametrize("verdict", [np.ones(2), np.zeros(0), 1, None, [], b"accept", "maybe"])
def test_a_verdict_is_one_of_two_words(verdict: Any) -> None:
    """An array in place of a word is refused like any other wrong word, and compared with nothing."""
    with pytest.raises(StatementError):
        statements.parse(_review(verdict))


@pytest.mark.parametrize("reply", [[], [1], ["datacoalitie/answer/1", np.ones(2), b""], ["datacoalitie/prepared/1", 5]])
def test_an_odd_reply_is_a_protocol_error(reply: Any) -> None:
    """A school that answers nonsense counts as silent: the coordinator gets an error it expects."""
    with pytest.raises(ProtocolError):
        protocol.decode_reply(canonical.encode(reply))
    for inner in (_signed(_review(np.ones(2))), canonical.encode([np.ones(2), b"", bytes(64)])):
        with pytest.raises(StatementError):
            protocol.decode_reply(canonical.tagged("datacoalitie/prepared/1", inner))
