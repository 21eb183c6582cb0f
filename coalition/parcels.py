"""A parcel arrives; one frame leaves, and back: what the coordinator and its ServerApp say to each other.

Standard library only: this module travels in the bundle that a SuperLink starts.

    coordinator -> ServerApp   send (ticket, node, seconds; the request as body)
    ServerApp -> coordinator   nodes (who is online), reply (ticket; body), failed (ticket, code)
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from experiments import frames

if TYPE_CHECKING:
    import socket

HEADER_BYTES = 64 * 1024
LARGEST = frames.MAX_REPLY_BYTES + HEADER_BYTES


@dataclass(frozen=True)
class Parcel:
    """One message of either side; fields that a kind does not use stay empty.

    nodes: Flower node id -> (registered name, moment of its last activation), of those that are online.
    """

    kind: str
    ticket: str = ""
    node: str = ""
    seconds: float = 0.0
    code: str = ""
    nodes: dict[str, tuple[str, str]] = field(default_factory=dict)
    body: bytes = b""


def send(connection: socket.socket, parcel: Parcel) -> None:
    """Send one parcel as one frame. Raises OSError when the peer is gone."""
    header = {name: value for name, value in asdict(parcel).items() if name != "body"}
    frames.send(connection, json.dumps(header).encode() + b"\n" + parcel.body)


def receive(connection: socket.socket) -> Parcel:
    """Receive one parcel. Raises OSError or `frames.FrameError` when the peer is gone or says something else."""
    header, _, body = frames.receive(connection, LARGEST).partition(b"\n")
    try:
        if len(header) > HEADER_BYTES:
            raise ValueError
        fields = json.loads(header)
        nodes = {str(node): (str(name), str(since)) for node, (name, since) in fields.pop("nodes").items()}
        parcel = Parcel(**fields, nodes=nodes, body=body)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise frames.FrameError("the peer does not send parcels") from None
    texts = all(isinstance(text, str) for text in (parcel.kind, parcel.ticket, parcel.node, parcel.code))
    if not texts or type(parcel.seconds) not in (int, float) or not 0 <= parcel.seconds < float("inf"):
        raise frames.FrameError("the peer does not send parcels")
    return parcel
