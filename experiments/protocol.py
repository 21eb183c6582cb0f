"""What coordinator and node say to each other: frozen messages that encode to canonical bytes and back.

Compatibility: a change to any message is a new version tag; an unknown tag or field is refused, never skipped.
Jobs carry a specification (an experiment, a step number, a public state), never code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from experiments.errors import ProtocolError
from experiments.frames import MAX_REPLY_BYTES, MAX_REQUEST_BYTES
from privacy import canonical
from privacy.errors import CanonicalError
from privacy.identity import verify
from privacy.statements import Certificate, Greeting, Receipt, Signed, signed_from_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.planning import Step
    from privacy.charter import Charter
    from privacy.identity import SigningKey
    from privacy.masking import Party

VERSION = 1
MAX_SCHOOLS = 1000
MAX_STATE_VALUES = 4_000_000
REQUEST_TAG = "datacoalitie/request/1"
HELLO_TAG = "datacoalitie/hello/1"

State = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Prepare:
    """Exchange 0: take this experiment, reserve its budget, make a fresh key for this run."""

    KIND: ClassVar[str] = "prepare"
    experiment: bytes
    serials: tuple[tuple[str, int], ...]

    def fields(self) -> list[Any]:
        """Canonical fields."""
        return [self.experiment, [list(pair) for pair in self.serials]]

    @classmethod
    def of(cls, fields: list[Any]) -> Prepare:
        """Read the fields back; `ProtocolError` when they have another shape."""
        experiment, serials = _exactly(fields, bytes, list)
        return cls(experiment, tuple(_pair(pair) for pair in serials[: MAX_SCHOOLS + 1]))


@dataclass(frozen=True)
class Ask:
    """Exchanges 1..k: answer one step in one attempt, among this roster, at this public state."""

    KIND: ClassVar[str] = "ask"
    step: int
    attempt: int
    roster: tuple[Signed[Certificate], ...]
    state: State

    def fields(self) -> list[Any]:
        """Canonical fields."""
        return [self.step, self.attempt, [signed.to_bytes() for signed in self.roster], dict(self.state)]

    @classmethod
    def of(cls, fields: list[Any]) -> Ask:
        """Read the fields back; `ProtocolError` when they have another shape."""
        step, attempt, roster, state = _exactly(fields, int, int, list, dict)
        if len(roster) > MAX_SCHOOLS:
            raise ProtocolError("roster_too_large")
        signed = _exactly(roster, *[bytes] * len(roster))
        return cls(step, attempt, tuple(signed_from_bytes(item, Certificate) for item in signed), _state(state))


@dataclass(frozen=True)
class Close:
    """Last exchange: the run is over; return what was not spent and forget the key."""

    KIND: ClassVar[str] = "close"

    def fields(self) -> list[Any]:
        """Canonical fields."""
        return []

    @classmethod
    def of(cls, fields: list[Any]) -> Close:
        """Read the fields back; `ProtocolError` when they have another shape."""
        _exactly(fields)
        return cls()


Body = Prepare | Ask | Close
BODIES: Mapping[str, type[Prepare] | type[Ask] | type[Close]] = {kind.KIND: kind for kind in (Prepare, Ask, Close)}


@dataclass(frozen=True)
class Request:
    """Signed by the charter's coordinator key; durable at the coordinator before it is first sent."""

    charter_hash: bytes
    experiment_hash: bytes
    run: bytes
    school: str
    body: Body

    def message(self) -> bytes:
        """The bytes under the coordinator's signature."""
        return canonical.tagged(
            REQUEST_TAG,
            self.charter_hash,
            self.experiment_hash,
            self.run,
            self.school,
            self.body.KIND,
            self.body.fields(),
        )

    def encode(self, key: SigningKey) -> bytes:
        """Canonical bytes of message and signature."""
        message = self.message()
        return canonical.encode([message, key.sign(message)])


@dataclass(frozen=True)
class Hello:
    """Who is reached at this address of the transport? Asked before any request; it names no school and no run."""

    charter_hash: bytes
    address: str
    challenge: bytes

    def encode(self, key: SigningKey) -> bytes:
        """Canonical bytes of message and signature."""
        message = canonical.tagged(HELLO_TAG, self.charter_hash, self.address, self.challenge)
        return canonical.encode([message, key.sign(message)])


def decode_request(data: bytes) -> tuple[Request | Hello, bytes, bytes]:
    """Read request bytes into (request, message, signature); size and shape are checked before anything else."""
    message, signature = _exactly(_decode(data, MAX_REQUEST_BYTES), bytes, bytes)
    match _decode(message, MAX_REQUEST_BYTES):
        case [str(tag), *fields] if tag == HELLO_TAG:
            return Hello(*_exactly(fields, bytes, str, bytes)), message, signature
        case [str(tag), *fields] if tag == REQUEST_TAG:
            return _request(fields), message, signature
        case [str(), *_]:
            raise ProtocolError("unknown_version")
    raise ProtocolError("wrong_fields")


def _request(fields: list[Any]) -> Request:
    charter, experiment, run, school, kind, body = _exactly(fields, bytes, bytes, bytes, str, str, list)
    if kind not in BODIES:
        raise ProtocolError("unknown_request")
    return Request(charter, experiment, run, school, BODIES[kind].of(body))


@dataclass(frozen=True)
class Greeted:
    """The node says which school it is, signed."""

    TAG: ClassVar[str] = "datacoalitie/greeted/1"
    greeting: Signed[Greeting]

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.tagged(self.TAG, self.greeting.to_bytes())


@dataclass(frozen=True)
class Prepared:
    """The node's certificate: its key, epoch and deadline for this run."""

    TAG: ClassVar[str] = "datacoalitie/prepared/1"
    certificate: Signed[Certificate]

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.tagged(self.TAG, self.certificate.to_bytes())


@dataclass(frozen=True)
class Answer:
    """A masked, noised sum and its receipt: the only thing about students that ever leaves."""

    TAG: ClassVar[str] = "datacoalitie/answer/1"
    masked: np.ndarray
    receipt: Signed[Receipt]

    def encode(self) -> bytes:
        """Canonical bytes; their number depends on the dimension alone."""
        return canonical.tagged(self.TAG, self.masked, self.receipt.to_bytes())


@dataclass(frozen=True)
class Closed:
    """The run is closed at this school."""

    TAG: ClassVar[str] = "datacoalitie/closed/1"
    school: str

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.tagged(self.TAG, self.school)


@dataclass(frozen=True)
class Refusal:
    """A refusal names its rule by code; the value found stays inside the school."""

    TAG: ClassVar[str] = "datacoalitie/refusal/1"
    code: str

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.tagged(self.TAG, self.code)


Reply = Greeted | Prepared | Answer | Closed | Refusal


def decode_reply(data: bytes) -> Reply:
    """Read reply bytes; `ProtocolError` for anything a node does not say."""
    fields = _decode(data, MAX_REPLY_BYTES)
    if not isinstance(fields, list) or not fields or not isinstance(fields[0], str):
        raise ProtocolError("not_a_reply")
    match fields:
        case [Greeted.TAG, bytes(greeting)]:
            return Greeted(signed_from_bytes(greeting, Greeting))
        case [Prepared.TAG, bytes(certificate)]:
            return Prepared(signed_from_bytes(certificate, Certificate))
        case [Answer.TAG, np.ndarray() as masked, bytes(receipt)] if masked.dtype == np.uint64:
            return Answer(masked, signed_from_bytes(receipt, Receipt))
        case [Closed.TAG, str(school)]:
            return Closed(school)
        case [Refusal.TAG, str(code)]:
            return Refusal(code[:80])
    raise ProtocolError("not_a_reply")


def context_of(
    charter: Charter,
    experiment_hash: bytes,
    run: bytes,
    step: Step,
    roster: Sequence[Party],
    attempt: int,
    state: State,
) -> bytes:
    """Hash of everything the masks are bound to (DESIGN §3): one differing field and the sum opens to noise."""
    return canonical.digest(
        "datacoalitie/context/1",
        VERSION,
        [charter.version, charter.hash],
        experiment_hash,
        run,
        step.index,
        attempt,
        [[party.school, party.epoch, party.key] for party in roster],
        canonical.digest("datacoalitie/state/1", dict(state)),
        [_query_fields(planned) for planned in step.queries],
        [len(roster), charter.collusion_threshold],
    )


def _query_fields(planned: Any) -> list[Any]:
    release = planned.release
    return [
        planned.query.name,
        dict(planned.query.parameters()),
        release.dimension,
        release.clip_norm,
        release.gamma,
        release.lattice_steps,
        release.variance,
    ]


def check_request_signature(public: bytes, message: bytes, signature: bytes) -> None:
    """Raise `SignatureError` unless the charter's coordinator signed this request."""
    verify(public, message, signature)


def _decode(data: bytes, limit: int) -> Any:
    if len(data) > limit:
        raise ProtocolError("too_large")
    try:
        return canonical.decode(data, max_bytes=limit)
    except CanonicalError:
        raise ProtocolError("not_canonical") from None


def _exactly(fields: Any, *types: type) -> Any:
    if not isinstance(fields, list) or len(fields) != len(types):
        raise ProtocolError("wrong_fields")
    for field, kind in zip(fields, types, strict=True):
        if not isinstance(field, kind) or (kind is int and isinstance(field, bool)):
            raise ProtocolError("wrong_type")
    return fields


def _pair(value: Any) -> tuple[str, int]:
    school, serial = _exactly(value, str, int)
    return school, serial


def _state(value: dict[str, Any]) -> State:
    for array in value.values():
        if not isinstance(array, np.ndarray) or array.dtype != np.float64:
            raise ProtocolError("wrong_type")
    if sum(array.size for array in value.values()) > MAX_STATE_VALUES:
        raise ProtocolError("too_large")
    return value
