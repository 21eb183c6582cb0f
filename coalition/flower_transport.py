"""Request bytes for each school arrive; they leave through Flower SuperNodes, and the schools' replies come back.

Which address is whose, `coalition.addresses` knows. What dies is met with patience, since asking again is free:

    a relay died           asked again as soon as its SuperNode is back                        -> `Errand.due`
    a node died            its relay says `node_unreachable`; asked again until the time is up -> `Errand.failed`
    the ServerApp died     another one is started, and everything open is sent again           -> `_reconnect`
    the SuperLink died     the same; the schools' time stands still meanwhile                  -> `_reconnect`

What is still unanswered when the time is up leaves as the code of its last failure, or as silence.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from coalition.addresses import MESSAGE_SECONDS, RESEND_SECONDS, RETRY_SECONDS, AddressBook
from coalition.errors import LinkFailed
from coalition.meeting import START_SECONDS, CourierLost, meet
from coalition.missing import CODE
from coalition.parcels import Parcel
from experiments import protocol
from experiments.errors import ExperimentError
from privacy.errors import PrivacyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Set
    from pathlib import Path

    from coalition.addresses import Address
    from coalition.meeting import Courier
    from coalition.transport import Arrived
    from experiments.terminal import Progress
    from privacy.charter import Charter
    from privacy.identity import SigningKey

LINK = "SuperLink"
LISTEN_SECONDS = 0.2
LINGER_SECONDS = 4.0  # for schools whose reply is welcome but not needed: about one poll of a SuperNode
LINK_SECONDS = 600.0
SMALL_REPLY = 1024
# Codes of a relay that another attempt cannot change.
FINAL = ("request_too_large", "reply_too_large", "no_request")


@dataclass(frozen=True)
class Sent:
    """One sending of a school's request: when, and to which address in which of its activations."""

    school: str
    at: float
    address: Address


@dataclass
class Errand:
    """One exchange in progress: what is unanswered, what failed last, and until when anybody waits.

    tickets: every sending by its ticket, since the reply to an earlier one is as good; last: of each school, the ticket
    under which its request is on its way now.
    """

    requests: Mapping[str, bytes]
    needed: Set[str]
    ends: float
    open: set[str]
    answers: set[str] = field(default_factory=set)
    tickets: dict[str, Sent] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    retry_at: dict[str, float] = field(default_factory=dict)

    def goes_on(self, now: float) -> bool:
        """Whether anybody needed has not answered; the others get a moment after the last of these."""
        if now >= self.ends or not self.open:
            return False
        if not self.open & self.needed:
            self.ends = min(self.ends, now + LINGER_SECONDS)
        return True

    def due(self, school: str, address: Address, now: float) -> bool:
        """Whether to send (again): never sent, failed a while ago, a SuperNode that came back, or nothing for long."""
        if school not in self.last:
            return now >= self.retry_at.get(school, now)
        sent = self.tickets[self.last[school]]
        return sent.address != address or now - sent.at > RESEND_SECONDS

    def sending(self, school: str, address: Address, now: float) -> str:
        """A fresh ticket for a request that is about to be sent."""
        ticket = self.last[school] = secrets.token_hex(8)
        self.tickets[ticket] = Sent(school, now, address)
        return ticket

    def lost(self) -> None:
        """Nothing is on its way any more: the ServerApp that carried it is gone."""
        self.last.clear()

    def failed(self, ticket: str, code: str, now: float) -> None:
        """What is on its way to a school came back with a code; again after a pause, unless that cannot help."""
        sent = self.tickets.get(ticket)
        if sent is None or self.last.get(sent.school) != ticket:
            return
        self.failures[sent.school] = code
        self.retry_at[sent.school] = now + RETRY_SECONDS
        del self.last[sent.school]
        if code in FINAL:
            self.open.discard(sent.school)

    def answered(self, school: str) -> bool:
        """Whether this reply of a school is its first; it is asked no more."""
        if school not in self.open:
            return False
        self.open.discard(school)
        self.answers.add(school)
        self.last.pop(school, None)
        return True


class FlowerTransport:
    """The transport of a real coalition. `start(socket)` has the SuperLink start a ServerApp (`coalition.superlink`).

    meeting: a folder that coordinator and ServerApp can enter; progress: shows when the SuperLink is waited for.
    """

    def __init__(
        self,
        charter: Charter,
        key: SigningKey,
        start: Callable[[Path], None],
        meeting: Path,
        progress: Progress,
    ) -> None:
        self._start, self._meeting, self._progress = start, meeting, progress
        self._courier: Courier | None = None
        self._book = AddressBook(charter, key)

    def close(self) -> None:
        """Hang up; the ServerApp ends by itself."""
        if self._courier is not None:
            self._courier.close()
            self._courier = None

    def exchange(self, requests: Mapping[str, bytes], needed: Set[str], timeout: float, arrived: Arrived) -> None:
        """Send each school its request by way of its relay. Raises `LinkFailed` when the SuperLink stays away."""
        errand = Errand(requests, needed, time.monotonic() + timeout, set(requests))
        while errand.goes_on(time.monotonic()):
            try:
                courier = self._courier or self._reconnect(errand)
                self._book.greet(courier)
                self._send(courier, errand)
                parcel = courier.receive(LISTEN_SECONDS)
                if parcel is not None:
                    self._take(parcel, errand, arrived)
            except CourierLost:
                self.close()
        for school in sorted(errand.requests.keys() - errand.answers):
            code = errand.failures.get(school, self._book.hint(school))
            if code is not None:
                arrived(school, protocol.Refusal(code if CODE.fullmatch(code) else "relay_failed").encode())

    def _reconnect(self, errand: Errand) -> Courier:
        """Start a ServerApp, again and again; meanwhile no school's time passes."""
        began, failure = time.monotonic(), LinkFailed.because("no ServerApp came")
        errand.lost()
        self._book.forget_hellos()
        self._progress(LINK, 0, 1, "ServerApp")
        while time.monotonic() - began < LINK_SECONDS:
            try:
                self._courier = self._meet()
            except (CourierLost, LinkFailed) as error:
                failure = error if isinstance(error, LinkFailed) else failure
                self._progress(LINK, 0, 1, f"{failure.found[:60]}; again / opnieuw")
                time.sleep(RETRY_SECONDS)
            else:
                self._progress(LINK, 1, 1)
                errand.ends += time.monotonic() - began
                return self._courier
        raise failure

    def _meet(self) -> Courier:
        """A ServerApp that has said who is online: one that ends before its first word did not come."""
        courier = meet(self._meeting, self._start)
        try:
            first = courier.receive(START_SECONDS)
            if first is None:
                raise CourierLost
        except CourierLost:
            courier.close()
            raise
        self._book.take(first)
        return courier

    def _send(self, courier: Courier, errand: Errand) -> None:
        now = time.monotonic()
        for school in sorted(errand.open):
            address = self._book.address(school)
            if address is not None and errand.due(school, address, now):
                ticket = errand.sending(school, address, now)
                courier.send(Parcel("send", ticket, address.node, MESSAGE_SECONDS, body=errand.requests[school]))

    def _take(self, parcel: Parcel, errand: Errand, arrived: Arrived) -> None:
        if self._book.take(parcel):
            return
        if parcel.kind == "failed":
            errand.failed(parcel.ticket, parcel.code, time.monotonic())
        elif parcel.kind == "reply" and parcel.ticket in errand.tickets:
            self._deliver(parcel, errand, arrived)

    def _deliver(self, parcel: Parcel, errand: Errand, arrived: Arrived) -> None:
        """Hand over a reply; an address behind which another school turns out to be is asked for its name again."""
        sent = errand.tickets[parcel.ticket]
        if _is_refusal(parcel.body, "other_school"):
            errand.failed(parcel.ticket, "other_school", time.monotonic())
            self._book.forget(sent.school, sent.address)
        elif errand.answered(sent.school):
            arrived(sent.school, parcel.body)


def _is_refusal(body: bytes, code: str) -> bool:
    if len(body) > SMALL_REPLY:
        return False
    try:
        return protocol.decode_reply(body) == protocol.Refusal(code)
    except (ExperimentError, PrivacyError):
        return False
