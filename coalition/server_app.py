"""Parcels from the coordinator arrive; Flower messages to SuperNodes leave, and their replies go back. A courier.

The ServerApp knows no experiment and holds no state that anybody needs: killed, the coordinator starts another one
and sends again what was not answered. Imports nothing but Flower, the standard library and what travels in the bundle.
"""

from __future__ import annotations

import queue
import socket
import threading
from typing import TYPE_CHECKING

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

from coalition import parcels
from coalition.parcels import Parcel
from experiments import frames

if TYPE_CHECKING:
    from collections.abc import Iterable

POLL_SECONDS = 0.2
NODES_EVERY = 10  # polls between two looks at who is online
NODE_UNAVAILABLE = 5  # Flower's code for a SuperNode without a heartbeat

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Meet the coordinator on the socket that the run's configuration names, and carry until it hangs up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(context.run_config["socket"]))
        Courier(grid, connection).carry()


class Courier:
    """Pushes what the coordinator gives it, pulls what comes back; every answer carries the ticket of its question."""

    def __init__(self, grid: Grid, connection: socket.socket) -> None:
        self._grid = grid
        self._connection = connection
        self._given: queue.SimpleQueue[Parcel | None] = queue.SimpleQueue()
        self._tickets: dict[str, str] = {}
        self._nodes: dict[str, tuple[str, str]] | None = None

    def carry(self) -> None:
        """Work until the coordinator hangs up."""
        threading.Thread(target=self._listen, daemon=True).start()
        turn = 0
        while (given := self._next()) is not None:
            self._push(given)
            self._pull()
            if turn % NODES_EVERY == 0:
                self._tell_nodes()
            turn += 1

    def _listen(self) -> None:
        try:
            while True:
                self._given.put(parcels.receive(self._connection))
        except (OSError, frames.FrameError):
            self._given.put(None)

    def _next(self) -> list[Parcel] | None:
        """Everything given since the last look, perhaps nothing; None once the coordinator has hung up."""
        given: list[Parcel] = []
        try:
            given.append(self._given.get(timeout=POLL_SECONDS))  # type: ignore[arg-type]
            while True:
                given.append(self._given.get_nowait())  # type: ignore[arg-type]
        except queue.Empty:
            return None if None in given else given

    def _push(self, given: Iterable[Parcel]) -> None:
        for parcel in given:
            content = RecordDict({"parcel": ConfigRecord({"request": parcel.body})})
            message = Message(content, int(parcel.node), "query.forward", ttl=parcel.seconds)
            pushed = next(iter(self._grid.push_messages([message])), None)
            if not pushed:  # nobody is registered under that number
                self._say(Parcel("failed", parcel.ticket, code="relay_offline"))
            else:
                self._tickets[pushed] = parcel.ticket

    def _pull(self) -> None:
        if self._tickets:
            for message in self._grid.pull_messages(list(self._tickets)):
                ticket = self._tickets.pop(message.metadata.reply_to_message_id, None)
                if ticket is not None:
                    self._say(answered(ticket, message))

    def _tell_nodes(self) -> None:
        online = {
            str(node.node_id): (node.name, node.last_activated_at)
            for node in self._grid.get_nodes()
            if node.status == "online"
        }
        if online != self._nodes:
            self._nodes = online
            self._say(Parcel("nodes", nodes=online))

    def _say(self, parcel: Parcel) -> None:
        parcels.send(self._connection, parcel)


def answered(ticket: str, message: Message) -> Parcel:
    """What a SuperNode's message says: the school's own bytes, or a code for why there are none."""
    if message.has_error():
        return Parcel(
            "failed", ticket, code="relay_offline" if message.error.code == NODE_UNAVAILABLE else "relay_failed"
        )
    said = message.content.config_records.get("parcel", ConfigRecord())
    reply, code = said.get("reply"), said.get("code")
    if isinstance(reply, bytes) and len(reply) <= frames.MAX_REPLY_BYTES:
        return Parcel("reply", ticket, body=reply)
    return Parcel("failed", ticket, code=code[:40] if isinstance(code, str) else "relay_failed")
