"""Statements: what is signed is exactly the fields under their own tag, and comes back the same or not at all."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from privacy import canonical
from privacy.errors import SignatureError
from privacy.identity import SigningKey
from privacy.statements import (
    Approval,
    Certificate,
    CharterAcceptance,
    HeadCountersignature,
    Receipt,
    Review,
    Statement,
    StatementError,
    Submission,
    Withdrawal,
    check,
    parse,
    payload_hash,
    run_id,
    sign,
    signed_from_bytes,
)

H = b"h" * 32
STATEMENTS: list[Statement] = [
    Approval("s0", H, b"e" * 32, 7, Fraction(1, 3), 2_000_000_000, True, 1),
    Approval("s0", H, b"e" * 32, 7, None, 2_000_000_000, False, 1),
    Withdrawal("s0", H, 7, 1),
    Certificate(H, b"e" * 32, b"r" * 32, "s0", 1, b"n" * 16, b"k" * 32, 9),
    Receipt(H, "s0", b"p" * 32, b"l" * 32),
    Submission(H, b"e" * 32, "ana", 1),
    Review(b"f" * 32, "rev-1", "s1", "accept", 1),
    CharterAcceptance(H, 1, "s0", 1),
    HeadCountersignature("s0", 4, H, 1),
]


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda s: type(s).__name__)
def test_a_signed_statement_survives_the_wire(statement: Statement) -> None:
    """Bytes and back: the same statement, and its signature still holds under the signer's key alone."""
    key = SigningKey.generate()
    signed = sign(statement, key)
    again = signed_from_bytes(signed.to_bytes(), type(statement))
    assert again == signed
    assert check(again, key.public) == statement
    with pytest.raises(SignatureError):
        check(again, SigningKey.generate().public)


def test_the_message_is_the_tagged_array_of_the_fields() -> None:
    """Written out by hand for one statement, so that a change of order or tag is noticed."""
    assert Withdrawal("s0", H, 7, 1).message() == canonical.encode(["datacoalitie/withdrawal/1", "s0", H, 7, 1])


def test_a_signature_for_one_kind_never_serves_as_another() -> None:
    """Two kinds with the same field values sign different bytes, and the wrong kind is refused when read."""
    key = SigningKey.generate()
    signed = sign(Withdrawal("s0", H, 7, 1), key)
    assert len({statement.TAG for statement in STATEMENTS}) == len({type(s) for s in STATEMENTS})
    with pytest.raises(StatementError, match="a Approval, not a Withdrawal"):
        signed_from_bytes(signed.to_bytes(), Approval)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (Withdrawal, {"school": "../etc"}),
        (Withdrawal, {"school": ""}),
        (Withdrawal, {"charter_hash": b"short"}),
        (Withdrawal, {"serial": -1}),
        (Withdrawal, {"serial": True}),
        (Withdrawal, {"serial": 2**63}),
        (Withdrawal, {"signed_at": 1.5}),
        (Approval, {"cap_rho": 0.1}),
        (Approval, {"cap_rho": Fraction(-1)}),
        (Approval, {"own_figures": 1}),
        (Review, {"verdict": "maybe"}),
        (Certificate, {"node_nonce": b"short"}),
    ],
)
def test_a_field_of_the_wrong_kind_is_refused_by_name(kind: type[Statement], changes: dict[str, Any]) -> None:
    """The message names statement and field; the value itself is not repeated."""
    good = next(s for s in STATEMENTS if type(s) is kind)
    fields = dict(zip(good.names(), good.fields(), strict=True))
    (name,) = changes
    with pytest.raises(StatementError, match=rf"{kind.__name__}\.{name} must be"):
        kind(**{**fields, **changes})


@pytest.mark.parametrize(
    "value",
    [
        [],
        ["datacoalitie/unknown/1"],
        [1, 2],
        "text",
        ["datacoalitie/withdrawal/1", "s0"],
        [["datacoalitie/withdrawal/1"]],
    ],
)
def test_bytes_of_no_known_statement_are_refused(value: Any) -> None:
    """Unknown tag, missing field, or no array at all."""
    with pytest.raises(StatementError, match="must be"):
        parse(canonical.encode(value))


@pytest.mark.parametrize("change", ["text", "tag", "short signature", "no bytes", "extra"])
def test_envelopes_of_another_shape_are_refused(change: str) -> None:
    """Only [tag, message, 64 bytes] is a signed statement."""
    message, signature = STATEMENTS[2].message(), b"s" * 64
    shapes = {
        "text": "text",
        "tag": ["datacoalitie/signed/2", message, signature],
        "short signature": ["datacoalitie/signed/1", message, signature[:-1]],
        "no bytes": ["datacoalitie/signed/1", "message", signature],
        "extra": ["datacoalitie/signed/1", message, signature, 1],
    }
    with pytest.raises(StatementError):
        signed_from_bytes(canonical.encode(shapes[change]), Withdrawal)


def test_a_run_follows_from_experiment_and_serials_alone() -> None:
    """The order in which approvals arrive changes nothing; any other serial, school or experiment does."""
    run = run_id(H, {"s0": 1, "s1": 2})
    assert run == run_id(H, {"s1": 2, "s0": 1})
    assert len({run, run_id(H, {"s0": 1, "s1": 3}), run_id(H, {"s0": 1}), run_id(b"x" * 32, {"s0": 1, "s1": 2})}) == 4


def test_a_payload_hash_binds_context_and_bytes() -> None:
    """Moving a byte from the context to the payload gives another hash: no concatenation."""
    assert payload_hash(H, b"ab") != payload_hash(H, b"a")
    assert payload_hash(H + b"a", b"b") != payload_hash(H, b"ab")
