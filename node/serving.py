"""A node's folder and a socket's path arrive; requests are answered until someone says stop."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.terminal import Report, show_now
from node.answer import answer
from node.assembly import open_node
from node.founding import existing
from node.service import serving

if TYPE_CHECKING:
    from collections.abc import Callable

STOP = (signal.SIGINT, signal.SIGTERM)


def serve(root: Path, socket: Path) -> Report:
    """Open the node, answer on the socket, and stop cleanly on SIGINT or SIGTERM."""
    node = open_node(existing(root))
    with serving(socket, lambda data: answer(node, data)):
        show_now([f"Node of {node.school} answers on {socket}. Ctrl-C stops it. / De node antwoordt; Ctrl-C stopt."])
        _wait_for_stop()
    return Report({"school": node.school, "socket": str(socket)}, ["Stopped. / Gestopt."])


def _wait_for_stop() -> None:
    stopped = threading.Event()

    def stop(*_: object) -> None:
        stopped.set()

    before: dict[int, Callable[..., object] | int | None] = {name: signal.signal(name, stop) for name in STOP}
    try:
        stopped.wait()
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
