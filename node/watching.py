"""A node's folder arrives; each export that is complete in its drop folder leaves as a delivery, until Ctrl-C.

A file is complete when it is not empty, no partial copy (`.part`, `.tmp` …) lies beside it, and its size and time have
stayed the same for `settle` seconds. A mapping is carried out when all its files are complete and one of them, or the
mapping itself, is another than at the last time: one delivery for one change. What is refused changes nothing; its
report stands under local/, and it is tried again when a file changes. No line holds a value from a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from experiments.terminal import Report, show_now
from node.assembly import open_schema
from node.conformance import QualityFailed
from node.errors import NodeError, StorageFailed, UnusableInput
from node.folder import NodeFolder, read_card
from node.founding import existing
from node.ingest import ingest
from node.intake import named_files
from node.mapping_document import MappingDocument, read_mapping
from node.people.pseudonym_key import PseudonymKey
from shared_schema import SchemaError

if TYPE_CHECKING:
    from node.conformance import Quality

PARTIAL = (".part", ".partial", ".tmp", ".crdownload", ".filepart", ".download", ".writing")
NOT_OF_THE_FILES = frozenset(  # refused for another reason than what the files hold: tried again at the next start
    {"no_pseudonym_key", "other_pseudonym_key", "rotation_unfinished", "table_taken", "bad_connection"}
)
Mark = tuple[int, int]  # size and time of change, in nanoseconds


@dataclass
class Watch:
    """What is known between two looks. since: file -> its mark, and the moment it was first seen so; done: mapping ->
    fingerprint of the files and mapping that were carried out last.
    """

    folder: NodeFolder
    settle: float
    clock: Callable[[], float] = time.monotonic
    since: dict[Path, tuple[Mark, float]] = field(default_factory=dict)
    done: dict[str, str] = field(default_factory=dict)
    said: list[dict[str, str]] = field(default_factory=list)

    def look(self) -> Iterator[tuple[Path, str]]:
        """Yield every mapping that is due, with the fingerprint it would be carried out by."""
        now, seen = self.clock(), {}
        for path in _listed(self.folder.exports):
            if path.is_file() and (mark := _mark(path)) is not None:
                before = self.since.get(path)
                seen[path] = before if before and before[0] == mark else (mark, now)
        self.since = seen
        for mapping in self.folder.mappings():
            found = self._fingerprint(mapping, now)
            if found and found != self.done.get(mapping.name):
                yield mapping, found

    def _fingerprint(self, mapping: Path, now: float) -> str:
        """What this mapping would take in now; "" while a file is missing or not complete."""
        try:
            document, digest = read_mapping(mapping), hashlib.sha256(mapping.read_bytes())
        except (SchemaError, OSError):
            return hashlib.sha256(f"unreadable {_mark(mapping)}".encode()).hexdigest()
        files = _files(document, self.folder.exports)
        if not files or not all(self._complete(path, now) for path in files):
            return ""
        for path in files:
            digest.update(repr((path.name, self.since[path][0])).encode())
        return digest.hexdigest()

    def _complete(self, path: Path, now: float) -> bool:
        (size, _), first = self.since.get(path, ((0, 0), now))
        copying = any(path.with_name(path.name + suffix).exists() for suffix in PARTIAL)
        return size > 0 and now - first >= self.settle and not copying

    def take_in(self, mapping: Path, found: str) -> None:
        """Carry out one mapping and say what came of it; what is refused is on record and changes nothing."""
        self.done[mapping.name] = found
        try:
            key, schema = PseudonymKey.load(self.folder.pseudonym_key), open_schema(self.folder)
            folder = self.folder
            taken = ingest(folder.exports, mapping, folder.data, key, schema, connections=folder.connections)
        except NodeError as error:
            self._refused(mapping, found, error)
            return
        _remember(self.folder, mapping.name, found)
        verdict = taken.quality.verdict.value
        self._say(mapping, "taken_in", f"levering / delivery {taken.delivery}, {taken.quality.layout}: {verdict}")

    def _refused(self, mapping: Path, found: str, error: NodeError) -> None:
        page = _page(self.folder, error.quality) if isinstance(error, QualityFailed) else None
        if not isinstance(error, StorageFailed) and error.code not in NOT_OF_THE_FILES:
            _remember(self.folder, mapping.name, found)
        more = f" {page}" if page else ""
        self._say(mapping, error.code, f"niet ingenomen / not taken in. {error}{more}")

    def _say(self, mapping: Path, what: str, words: str) -> None:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        self.said.append({"mapping": mapping.name, "what": what})
        show_now([f"{stamp} {mapping.name}: {words}"])


def watch(root: Path, once: bool, poll: bool, settle: float) -> Report:
    """Take in what is complete, once or until Ctrl-C (or SIGTERM); return what was done.

    poll: look at the folder now and then instead of waiting for its events, for a share on the network. Once, a
    delivery that is refused is the command's error.
    """
    folder = existing(root)
    if not folder.exports.is_dir():
        rule, remedy = "Exports are read from a folder.", "Make NODE/exports, or connect the share again."
        raise UnusableInput("no_folder", rule, "no folder exports", remedy)
    state = Watch(folder, settle, done=_remembered(folder))
    with _ended_by_terminate():
        try:
            for _ in _moments(folder, once, poll, settle):
                for mapping, found in list(state.look()):
                    state.take_in(mapping, found)
        except KeyboardInterrupt:
            show_now(["Gestopt; wat half was ingenomen telt niet. / Stopped; what was half taken in does not count."])
    refused = [one for one in state.said if one["what"] != "taken_in"]
    words = f"Ingenomen / taken in: {len(state.said) - len(refused)}; geweigerd / refused: {len(refused)}."
    return Report({"done": state.said}, [words], _RefusedOnce(refused) if once and refused else None)


class _RefusedOnce(NodeError):
    """A delivery of `watch --once` that was not taken in, said in full before."""

    exit_code = 2

    def __init__(self, refused: list[dict[str, str]]) -> None:
        names = ", ".join(f"{one['mapping']}: {one['what']}" for one in refused)
        super().__init__(
            "delivery_refused",
            "Exports in the drop folder are taken in when they are complete.",
            names,
            "See what was said of each; correct export or mapping. The deliveries before still count.",
        )


def _moments(folder: NodeFolder, once: bool, poll: bool, settle: float) -> Iterator[None]:
    """The moments to look: at once, and whenever the folder changed or `settle` seconds went by."""
    yield
    if once:
        time.sleep(settle)
        yield
        return
    from watchfiles import watch as changes

    show_now([f"Kijkt naar / watching {folder.exports}; Ctrl-C stopt / stops."])
    wait = max(1, int(settle * 1000))
    for _ in changes(folder.exports, rust_timeout=wait, yield_on_timeout=True, force_polling=poll, recursive=False):
        yield


def _files(document: MappingDocument, exports: Path) -> list[Path]:
    """The files of all sources; none where a source has none, or where there are queries only."""
    found: list[Path] = []
    for source in document.sources.values():
        named = named_files(exports, source) if source.sql is None else []
        if not named and source.sql is None and not source.optional:
            return []
        found += named
    return list(dict.fromkeys(found))


def _listed(exports: Path) -> list[Path]:
    """What is in the folder; nothing while a share on the network is away."""
    try:
        return sorted(exports.iterdir())
    except OSError:
        return []


def _mark(path: Path) -> Mark | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _page(folder: NodeFolder, quality: Quality) -> Path:
    """Keep the report of a delivery that was refused, as a page under local/."""
    from experiments.reading import sheet
    from node.quality.overview import overview
    from node.quality.page import page

    schema = open_schema(folder)
    made = page(overview(quality.plain(), schema), read_card(folder)["name"], date.today(), schema)
    return sheet.write(made, folder.local, f"refused-{quality.layout}")


def _remembered(folder: NodeFolder) -> dict[str, str]:
    """Mapping -> fingerprint of what was carried out last; nothing where that is not known."""
    try:
        found: Any = json.loads(folder.watched.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    good = isinstance(found, Mapping) and all(isinstance(one, str) for one in found.values())
    return dict(found) if good else {}


def _remember(folder: NodeFolder, name: str, found: str) -> None:
    """Write it by rename. That it is lost costs one delivery more, which changes nothing."""
    fresh = folder.watched.with_name(folder.watched.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({**_remembered(folder), name: found}, file)
    fresh.replace(folder.watched)


@contextmanager
def _ended_by_terminate() -> Iterator[None]:
    """A service manager's SIGTERM ends it as Ctrl-C does."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
