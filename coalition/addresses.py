"""Who is online arrives; hellos leave, and the address of each school whose node signed a greeting for it.

A Flower node id means nothing by itself: an address belongs to the school whose node signed it, with a challenge made
by this very coordinator. The name under which a SuperNode is registered is a hint for people and is never believed.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coalition.parcels import Parcel
from experiments import protocol
from experiments.errors import ExperimentError
from privacy.errors import PrivacyError
from privacy.statements import check

if TYPE_CHECKING:
    from coalition.meeting import Courier
    from privacy.charter import Charter
    from privacy.identity import SigningKey
    from privacy.statements import Greeting

RETRY_SECONDS = 3.0
RESEND_SECONDS = 90.0  # should a message be lost without any sign of it; longer than a usual reply slot
MESSAGE_SECONDS = 900.0


@dataclass(frozen=True)
class Address:
    """A SuperNode that is online, since its last activation; `name` as it was registered."""

    node: str
    name: str
    since: str


@dataclass
class Asked:
    """A hello on its way to an address (`ticket`), or one that failed; asked again at `again_at`."""

    address: Address
    ticket: str
    challenge: bytes
    again_at: float
    failure: str | None = None


class AddressBook:
    """Addresses of schools, by signed greetings under one charter."""

    def __init__(self, charter: Charter, key: SigningKey) -> None:
        self._charter, self._key = charter, key
        self._online: dict[str, Address] = {}
        self._schools: dict[str, str] = {}
        self._asked: dict[str, Asked] = {}

    def address(self, school: str) -> Address | None:
        """Where a school can be reached now; None while its relay is away or unknown."""
        return self._online.get(self._schools.get(school, ""))

    def hint(self, school: str) -> str | None:
        """Why no greeting came from the SuperNode registered under this school's name, for its operator."""
        failures = (asked.failure for asked in self._asked.values() if asked.address.name == school)
        return None if school in self._schools else next(failures, None)

    def forget(self, school: str, address: Address) -> None:
        """Another school refused there what was meant for this one: ask there again who it is."""
        if self._schools.get(school) == address.node:
            del self._schools[school]
        if address.node not in self._schools.values():
            self._asked.pop(address.node, None)

    def forget_hellos(self) -> None:
        """The ServerApp that carried them is gone; greetings that came stay what they are."""
        self._asked.clear()

    def greet(self, courier: Courier) -> None:
        """Ask every address that is online and not yet known which school is behind it."""
        now, known = time.monotonic(), set(self._schools.values())
        for node, address in self._online.items():
            asked = self._asked.get(node)
            if node in known or (asked is not None and asked.address == address and now < asked.again_at):
                continue
            asked = Asked(address, secrets.token_hex(8), secrets.token_bytes(32), now + RESEND_SECONDS)
            self._asked[node] = asked
            hello = protocol.Hello(self._charter.hash, node, asked.challenge).encode(self._key)
            courier.send(Parcel("send", asked.ticket, node, MESSAGE_SECONDS, body=hello))

    def take(self, parcel: Parcel) -> bool:
        """Take in a parcel that is about addresses; False for one that is not."""
        if parcel.kind == "nodes":
            self._online = {node: Address(node, name, since) for node, (name, since) in parcel.nodes.items()}
            return True
        asked = next((asked for asked in self._asked.values() if asked.ticket == parcel.ticket), None)
        if asked is None:
            return False
        said = self._greeting(asked, parcel.body) if parcel.kind == "reply" else parcel.code
        if isinstance(said, str):
            asked.again_at = time.monotonic() + RETRY_SECONDS
            asked.failure = said
        else:
            self._schools[said.school] = asked.address.node
        return True

    def _greeting(self, asked: Asked, body: bytes) -> Greeting | str:
        """The greeting in a reply, if the charter's node key signed it for this address and challenge; else a code."""
        try:
            reply = protocol.decode_reply(body)
            if not isinstance(reply, protocol.Greeted):
                return reply.code if isinstance(reply, protocol.Refusal) else "no_greeting"
            said = check(reply.greeting, self._charter.school(reply.greeting.statement.school).node_key)
        except (ExperimentError, PrivacyError):
            return "no_greeting"
        expected = (self._charter.hash, asked.address.node, asked.challenge)
        return said if (said.charter_hash, said.address, said.challenge) == expected else "no_greeting"
