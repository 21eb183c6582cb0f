"""Request bytes and a socket path arrive; the reply bytes of the node behind that socket leave, or a `RelayFailure`.

One connection, one frame each way, both of bounded size, all of it within one timeout. Nothing is read of what the
frames carry. Standard library and `experiments.frames` only: this module travels in the bundle that a SuperNode starts.
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from experiments import frames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import ReadableBuffer

DEFAULT_SECONDS: Final = 600.0  # a reply waits for its slot, which follows from declared sizes and may last minutes
LONGEST_SECONDS: Final = 86_400.0
LONGEST_PATH: Final = 107  # bytes of a Unix socket's path on Linux
MIB: Final = 2**20


class RelayFailure(Exception):
    """Why the relay has no reply. Only `code` leaves the school; the words are for its operator.

    code: lower case words joined by underscores; rule: what should hold; found: what was found instead; remedy: what
    a person can do. Each of the three is English and Dutch, divided by " / ", and holds nothing of request or reply.
    """

    def __init__(self, code: str, rule: str, found: str, remedy: str) -> None:
        super().__init__(code, rule, found, remedy)
        self.code = code
        self.rule = rule
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.code}: {self.rule} Found / Gevonden: {self.found}. {self.remedy}"


@dataclass(frozen=True)
class Situation:
    """What can be found, in words; `{}` in `found` stands for what the operating system or Python calls it."""

    code: str
    found: str
    remedy: str


RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "node_unreachable": (
            "The school's node listens on a local socket that the relay may use."
            " / De node van de school luistert op een lokale socket die de relay mag gebruiken."
        ),
        "node_timeout": (
            "A whole reply arrives within the relay's timeout."
            " / Binnen de wachttijd van de relay komt een heel antwoord."
        ),
        "not_a_node": (
            "At the relay's socket path a school's node answers, and nothing else."
            " / Op het socketpad van de relay antwoordt een node van een school, en niets anders."
        ),
        "node_hung_up": (
            "A node closes a connection after a whole reply. / Een node sluit een verbinding pas na een heel antwoord."
        ),
        "request_too_large": (
            f"A request has at most {frames.MAX_REQUEST_BYTES // MIB} MiB."
            f" / Een vraag is hoogstens {frames.MAX_REQUEST_BYTES // MIB} MiB."
        ),
        "reply_too_large": (
            f"A reply has at most {frames.MAX_REPLY_BYTES // MIB} MiB."
            f" / Een antwoord is hoogstens {frames.MAX_REPLY_BYTES // MIB} MiB."
        ),
        "no_request": (
            "A message to the relay carries one request, as bytes."
            " / Een bericht aan de relay draagt één vraag, als bytes."
        ),
        "relay_unset": (
            "The SuperNode's --node-config names the node's socket and, if need be, a timeout."
            " / De --node-config van de SuperNode noemt de socket van de node en zo nodig een timeout."
        ),
        "relay_error": "The relay only passes bytes on. / De relay geeft alleen bytes door.",
    }
)

_SAME_PATH: Final = (
    "Give the relay the path that the node was started with. / Geef de relay het pad waarmee de node gestart is."
)
_SEE_THE_NODE: Final = (
    "See in the node's own log why it stopped, and start it; the coordinator asks again."
    " / Kijk in het eigen log van de node waarom hij stopte, en start hem; de coördinator vraagt het opnieuw."
)
_TELL_THE_COORDINATOR: Final = (
    "Nothing to do at the school; tell the coordinator. / Op school is niets te doen; meld het de coördinator."
)

SITUATIONS: Final[Mapping[str, Situation]] = MappingProxyType(
    {
        "absent": Situation(
            "node_unreachable",
            "nothing at that path / niets op dat pad",
            "Start the node, or correct the path in --node-config."
            " / Start de node, of verbeter het pad in --node-config.",
        ),
        "refused": Situation(
            "node_unreachable",
            "a socket on which nobody answers / een socket waarop niemand antwoordt",
            "The node was killed; start it, and it replaces the socket it left behind."
            " / De node is afgebroken; start hem, dan vervangt hij de achtergelaten socket.",
        ),
        "forbidden": Situation(
            "node_unreachable",
            "no permission / geen toestemming",
            "Put the relay's user in the group of the socket and of its folder, and restart the relay."
            " / Zet de gebruiker van de relay in de groep van de socket en van zijn map, en herstart de relay.",
        ),
        "no_connection": Situation(
            "node_unreachable",
            "the error {} of the operating system / de fout {} van het besturingssysteem",
            "Let the system's administrator look that error up. / Laat de systeembeheerder die fout opzoeken.",
        ),
        "silent": Situation(
            "node_timeout",
            "no whole reply in time / geen heel antwoord op tijd",
            "See whether the node still works and the machine has room; the same question again costs nothing."
            " / Kijk of de node nog werkt en de machine ruimte heeft; dezelfde vraag opnieuw kost niets.",
        ),
        "other_file": Situation("not_a_node", "a file that is no socket / een bestand dat geen socket is", _SAME_PATH),
        "other_socket": Situation("not_a_node", "a socket of another kind / een ander soort socket", _SAME_PATH),
        "other_service": Situation("not_a_node", "some other service / een andere dienst", _SAME_PATH),
        "closed": Situation("node_hung_up", "closed without a reply / gesloten zonder antwoord", _SEE_THE_NODE),
        "closed_midway": Situation(
            "node_hung_up", "closed in the middle of a reply / gesloten midden in een antwoord", _SEE_THE_NODE
        ),
        "request_too_large": Situation(
            "request_too_large",
            "a larger one, which was not sent / een grotere, die niet verstuurd is",
            _TELL_THE_COORDINATOR,
        ),
        "reply_too_large": Situation(
            "reply_too_large",
            "a larger one, which was not read / een groter, dat niet gelezen is",
            "Compare the versions of node and relay. / Vergelijk de versies van node en relay.",
        ),
        "no_request": Situation("no_request", "none / geen", _TELL_THE_COORDINATOR),
        "no_socket": Situation(
            "relay_unset",
            "no socket / geen socket",
            "Start the SuperNode with --node-config 'socket=\"/…/node.sock\"'."
            " / Start de SuperNode met --node-config 'socket=\"/…/node.sock\"'.",
        ),
        "odd_path": Situation(
            "relay_unset",
            f"a socket path that does not start at the root, or has more than {LONGEST_PATH} bytes"
            f" / een socketpad dat niet bij de wortel begint, of meer dan {LONGEST_PATH} bytes heeft",
            "Give a short path that starts at the root. / Geef een kort pad dat bij de wortel begint.",
        ),
        "odd_timeout": Situation(
            "relay_unset",
            "a timeout that is no number of seconds above 0 and up to a day"
            " / een timeout die geen aantal seconden boven 0 en tot een dag is",
            f"Leave it out for {DEFAULT_SECONDS:.0f} s, or write timeout=900."
            f" / Laat hem weg voor {DEFAULT_SECONDS:.0f} s, of schrijf timeout=900.",
        ),
        "defect": Situation(
            "relay_error",
            "the error {} / de fout {}",
            "Report this to the makers of the relay; the coordinator may ask again."
            " / Meld dit aan de makers van de relay; de coördinator mag het opnieuw vragen.",
        ),
    }
)


def failure(situation: str, name: str = "") -> RelayFailure:
    """Return the failure of a situation; `name` is what the system calls the error, never its text."""
    seen = SITUATIONS[situation]
    return RelayFailure(seen.code, RULES[seen.code], seen.found.replace("{}", name), seen.remedy)


@dataclass(frozen=True)
class Settings:
    """What the operator told the relay: path of the node's socket, and seconds that a whole exchange may take."""

    socket: str
    seconds: float


def settings(node_config: Mapping[str, object]) -> Settings:
    """Read `socket` and perhaps `timeout` (seconds) from a SuperNode's node config. Raises RelayFailure."""
    path, seconds = node_config.get("socket"), node_config.get("timeout", DEFAULT_SECONDS)
    if not isinstance(path, str) or not path:
        raise failure("no_socket")
    if not path.startswith("/") or "\0" in path or len(path.encode(errors="replace")) > LONGEST_PATH:
        raise failure("odd_path")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST_SECONDS:
        raise failure("odd_timeout")
    return Settings(path, float(seconds))


def forward(request: bytes, path: str, seconds: float = DEFAULT_SECONDS) -> bytes:
    """Give the request to the node behind the socket at `path` and return its reply, all within `seconds`.

    Raises RelayFailure, whatever node, socket or file system do.
    """
    if len(request) > frames.MAX_REQUEST_BYTES:
        raise failure("request_too_large")
    try:
        with _Connection(seconds) as connection:
            _connect(connection, path)
            return _exchanged(connection, request)
    except TimeoutError:
        raise failure("silent") from None
    except OSError as error:
        raise failure("no_connection", _name(error)) from None


def _exchanged(connection: _Connection, request: bytes) -> bytes:
    try:
        frames.send(connection, request)
        return frames.receive(connection, frames.MAX_REPLY_BYTES)
    except frames.FrameError:
        raise failure(_misspoken(connection.header)) from None
    except ConnectionError:
        raise failure("closed_midway" if connection.header else "closed") from None


class _Connection(socket.socket):
    """A stream socket all of whose waiting ends at one moment, however slowly the peer drips; keeps the first header.

    `frames` waits anew for each piece; without this a peer could hold the relay for as long as it likes.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        self._ends = time.monotonic() + seconds
        self.header = b""

    def left(self) -> float:
        """Seconds left. Raises TimeoutError when there are none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def sendall(self, data: ReadableBuffer, flags: int = 0, /) -> None:
        """Send everything in what is left of the time."""
        self.settimeout(self.left())
        super().sendall(data, flags)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive what is there in what is left of the time."""
        self.settimeout(self.left())
        chunk = super().recv(size, flags)
        self.header += chunk[: frames.HEADER_BYTES - len(self.header)]
        return chunk


def _connect(connection: _Connection, path: str) -> None:
    # A non-blocking connect gives up at once when a node's queue is full; a blocking one waits, for this long.
    seconds, rest = divmod(connection.left(), 1)
    patience = struct.pack("@ll", int(seconds), max(1, int(rest * 1e6)))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
    try:
        connection.connect(path)
    except OSError as error:
        raise _not_connected(error, path) from None


def _not_connected(error: OSError, path: str) -> RelayFailure:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return failure("absent")
        case errno.EACCES | errno.EPERM:
            return failure("forbidden")
        case errno.EPROTOTYPE:
            return failure("other_socket")
        case errno.EAGAIN | errno.ETIMEDOUT:
            return failure("silent")
        case errno.ECONNREFUSED:
            return failure("other_file" if _is_other_file(Path(path)) else "refused")
    return failure("no_connection", _name(error))


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, type(error).__name__)


def _is_other_file(path: Path) -> bool:
    return path.exists() and not path.is_socket()


def _misspoken(header: bytes) -> str:
    """What the peer did wrong, from the first bytes it sent."""
    if header[:4] != frames.MAGIC[: len(header)]:
        return "other_service"
    if len(header) == frames.HEADER_BYTES and int.from_bytes(header[4:], "big") > frames.MAX_REPLY_BYTES:
        return "reply_too_large"
    return "closed_midway" if header else "closed"
