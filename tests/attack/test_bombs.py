"""Small messages that want to become large, or to run (METHODS §7, attack 18), at every door of a school.

Doors: the node's socket, what comes over it, a document, a workbook, a published bundle. What a defence has to prevent
is shown first with a reader that lacks it. Memory is counted by tracemalloc, which sees what Python and NumPy allocate.
"""

from __future__ import annotations

import os
import pickle
import socket
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from coalition import verification
from experiments import frames, protocol
from experiments.protocol import Ask, Prepare, Prepared, Refusal
from node import service
from node.answer import answer
from node.errors import UnusableInput
from node.sources import workbook
from node.sources.workbook import Workbooks
from privacy import canonical
from privacy.errors import CanonicalError
from shared_schema import DocumentError, yaml_tree
from tests.kit import Kit, coalition

TARGET = "school-0"
MIB = 2**20


def _peak(act: Callable[[], Any]) -> int:
    """Most bytes held at once while this runs, whatever it raises."""
    tracemalloc.start()
    with suppress(Exception):  # what it raises is judged elsewhere; here memory counts
        act()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


# ---- the socket: lengths are judged before anything of that length exists


def _said(data: bytes, read: Callable[[socket.socket], Any]) -> Any:
    """What `read` makes of a peer that says this and hangs up."""
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(data)
        theirs.close()
        return read(ours)


def _trusting(connection: socket.socket) -> bytes:
    """A reader that makes room for what is announced, as is usual."""
    header = connection.recv(frames.HEADER_BYTES)
    room = bytearray(int.from_bytes(header[4:], "big"))
    connection.recv_into(room)
    return bytes(room)


def test_defence_off_a_header_of_eight_bytes_takes_64_mib() -> None:
    """The control: a trusting reader, and a counter that sees it."""
    header = frames.MAGIC + (64 * MIB).to_bytes(4, "big")
    assert _peak(lambda: _said(header, _trusting)) >= 64 * MIB


@pytest.mark.parametrize("length", [protocol.MAX_REQUEST_BYTES + 1, 2**31, 2**32 - 1])
def test_a_header_of_2_gib_ends_the_connection_and_takes_nothing(length: int) -> None:
    """Refused on the header; also where the length is allowed, only one piece of a mebibyte is made at a time."""
    header = frames.MAGIC + length.to_bytes(4, "big")
    with pytest.raises(frames.FrameError, match="more than"):
        _said(header, lambda peer: frames.receive(peer, protocol.MAX_REQUEST_BYTES))
    assert _peak(lambda: _said(header, lambda peer: frames.receive(peer, protocol.MAX_REQUEST_BYTES))) < MIB
    most = frames.MAGIC + protocol.MAX_REQUEST_BYTES.to_bytes(4, "big")
    assert _peak(lambda: _said(most, lambda peer: frames.receive(peer, protocol.MAX_REQUEST_BYTES))) < 2 * MIB


def test_a_node_answers_on_after_a_bomb_on_its_socket(tmp_path: Path) -> None:
    """The connection with the bomb ends; the next one is answered, by the same server."""
    with service.serving(tmp_path / "node.sock", lambda data: b"reply to " + data) as path:
        for data in (frames.MAGIC + b"\xff" * 4, b"\x80\x04pickle", b"GET / HTTP/1.1\r\n\r\n"):
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(str(path))
                peer.sendall(data)
                with suppress(ConnectionResetError):  # what was not read when it hung up
                    assert peer.recv(1) == b""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(path))
            frames.send(peer, b"an honest one")
            assert frames.receive(peer, 100) == b"reply to an honest one"


# ---- what comes over it


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def _answered(kit: Kit, data: bytes) -> protocol.Reply:
    return protocol.decode_reply(answer(kit.members[TARGET].node, data))


def test_a_pickle_runs_nowhere(tmp_path: Path) -> None:
    """Defence off: unpickled it runs. As a request, as an experiment, and as a school's reply it is bytes."""
    pickle.loads(pickle.dumps(Bomb(tmp_path / "control")))  # noqa: S301 - the attack
    assert (tmp_path / "control").is_dir()
    kit = coalition(tmp_path, schools=3)
    data = pickle.dumps(Bomb(tmp_path / "made"))
    assert _answered(kit, data) == Refusal("not_canonical")
    assert isinstance(kit.say(TARGET, Prepare(data, kit.serials)), Refusal)
    with pytest.raises(protocol.ProtocolError):
        protocol.decode_reply(data)
    assert not (tmp_path / "made").exists()


def test_nothing_that_comes_over_the_wire_is_ever_inflated(tmp_path: Path) -> None:
    """Defence off: 10 kB become 10 MB. On: compressed bytes are no message, whatever is inside."""
    inside = canonical.encode([b"\x00" * (10 * MIB)])
    squeezed = zlib.compress(inside, 9)
    assert len(squeezed) < 20_000 and _peak(lambda: zlib.decompress(squeezed)) >= 10 * MIB
    kit = coalition(tmp_path, schools=3)
    assert _answered(kit, squeezed) == Refusal("not_canonical")
    assert _peak(lambda: _answered(kit, squeezed)) < MIB


def test_a_request_above_the_limit_is_refused_by_its_size_alone(tmp_path: Path) -> None:
    """One byte above 4 MiB: nothing of it is read. At the limit it is read, and is no message."""
    kit = coalition(tmp_path, schools=3)
    assert _answered(kit, bytes(protocol.MAX_REQUEST_BYTES + 1)) == Refusal("too_large")
    assert _answered(kit, bytes(protocol.MAX_REQUEST_BYTES)) == Refusal("not_canonical")


def _naively(data: bytes, at: int = 0) -> Any:
    """A reader of nested lists without a limit."""
    return [_naively(data, at + 1)] if data[at] == 0x81 else data[at]


def test_deep_nesting_ends_in_a_code(tmp_path: Path) -> None:
    """Defence off: a hundred thousand lists within one another end the interpreter's stack."""
    deep = b"\x81" * 100_000 + b"\x00"
    with pytest.raises(RecursionError):
        _naively(deep)
    kit = coalition(tmp_path, schools=3)
    assert _answered(kit, deep) == Refusal("not_canonical")
    assert isinstance(kit.say(TARGET, Prepare(deep, kit.serials)), Refusal)


def test_more_items_than_bytes_are_never_made() -> None:
    """A list that announces 2^32 items in nine bytes is refused before its first."""
    for head in (
        b"\x9a\xff\xff\xff\xff",
        b"\xba\xff\xff\xff\xff",
        b"\x5a\xff\xff\xff\xff",
        b"\xd8\x56\x5a\xff\xff\xff\xff",
    ):
        with pytest.raises(CanonicalError):
            canonical.decode(head, max_bytes=100)
        assert _peak(lambda head=head: canonical.decode(head, max_bytes=100)) < MIB


WRONG = {
    "float32": canonical.encode([b""]).replace(b"\x40", b"\xd8\x55\x44" + bytes(4)),
    "a lone float": b"\x81\xfb" + bytes(8),
    "NaN in an array": b"\x81\xd8\x56\x48" + np.array([np.nan]).tobytes(),
    "-0.0 in an array": b"\x81\xd8\x56\x48" + np.array([-0.0]).tobytes(),
    "an indefinite list": b"\x9f\x01\xff",
    "a longer head than needed": b"\x81\x18\x01",
    "a key twice": b"\xa2\x61a\x01\x61a\x02",
    "keys out of order": b"\xa2\x61b\x01\x61a\x02",
    "an unknown tag": b"\x81\xd8\x2a\x40",
}


@pytest.mark.parametrize("what", WRONG)
def test_another_type_or_form_than_agreed_is_refused(what: str) -> None:
    """One value has one form: whatever else decodes to it, or to a type nobody agreed on, is an error of ours."""
    with pytest.raises(CanonicalError):
        canonical.decode(WRONG[what], max_bytes=1000)


def test_an_unknown_field_or_version_is_not_skipped(tmp_path: Path) -> None:
    """One field more, another version, another kind: refused though rightly signed. Without them it is answered."""
    kit = coalition(tmp_path, schools=3)
    names = (kit.charter.hash, kit.experiment.hash, kit.assignment.run, TARGET)
    fields = Prepare(kit.experiment.encoded, kit.serials).fields()

    def sent(*parts: Any) -> protocol.Reply:
        message = canonical.tagged(*parts)
        return _answered(kit, canonical.encode([message, kit.coordinator.sign(message)]))

    assert sent(protocol.REQUEST_TAG, *names, "prepare", [*fields, 1]) == Refusal("wrong_fields")
    assert sent(protocol.REQUEST_TAG, *names, "prepare", fields, 1) == Refusal("wrong_fields")
    assert sent("datacoalitie/request/2", *names, "prepare", fields) == Refusal("unknown_version")
    assert sent(protocol.REQUEST_TAG, *names, "run", fields) == Refusal("unknown_request")
    assert isinstance(sent(protocol.REQUEST_TAG, *names, "prepare", fields), Prepared)


def test_a_state_too_large_is_refused_before_it_reaches_a_query(tmp_path: Path) -> None:
    """More values than any query has, and integers or bytes where floats belong."""
    kit = coalition(tmp_path, schools=3)
    for state, code in (
        ({"x": np.zeros(3, dtype=np.int64)}, "wrong_type"),
        ({"x": np.zeros(3, dtype=np.uint64)}, "wrong_type"),
        ({"x": np.zeros(600_000)}, "too_large"),
    ):
        assert kit.say(TARGET, Ask(1, 0, (), state)) == Refusal(code)


# ---- documents, workbooks and bundles


def test_a_document_of_aliases_is_refused_at_the_first(tmp_path: Path) -> None:
    """Defence off: nine lines of YAML name a billion words. On: no anchors at all, and 256 KiB at most."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    text = "\n".join(lines)
    assert len(text) < 1000
    assert _peak(lambda: yaml_tree.parse(text)) < MIB
    with pytest.raises(DocumentError, match="anchors"):
        yaml_tree.parse(text)
    with pytest.raises(DocumentError, match="larger"):
        yaml_tree.parse("# " + "x" * yaml_tree.MAX_BYTES)


def _workbook(folder: Path, sheet: bytes) -> Path:
    """A real workbook, its one sheet's XML replaced."""
    book, path = openpyxl.Workbook(), folder / "s.xlsx"
    book.save(path)
    parts = {name: zipfile.ZipFile(path).read(name) for name in zipfile.ZipFile(path).namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, sheet if name.endswith("sheet1.xml") else content)
    return path


SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)
CELL = '<row r="1"><c t="inlineStr"><is><t>{}</t></is></c></row>'


def _read(path: Path) -> list[Any]:
    with Workbooks() as books:
        return list(books.rows(path, None))


@pytest.mark.parametrize("defended", [False, True])
def test_a_workbook_that_unpacks_too_large_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """30 kB of zip, 32 MiB of cell. The limit of a node is 1 GiB; here it is 16 MiB, so that the test stays small."""
    path = _workbook(tmp_path, SHEET.format(CELL.format("A" * (32 * MIB))).encode())
    assert path.stat().st_size < 100_000
    if defended:
        monkeypatch.setattr(workbook, "MAX_UNPACKED", 16 * MIB)
        with pytest.raises(UnusableInput, match="unpacks to at most"):
            _read(path)
    assert (_peak(lambda: _read(path)) < 8 * MIB) == defended


def test_a_workbook_of_entities_expands_to_nothing(tmp_path: Path) -> None:
    """A billion laughs within a sheet, 2 GB of text: the XML reader ends it early, and the operator gets one error."""
    entities = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    text = f"<!DOCTYPE worksheet [{entities}]>" + SHEET.format(CELL.format("&a9;"))
    path = _workbook(tmp_path, text.encode())
    assert _peak(lambda: _read(path)) < 256 * MIB
    with pytest.raises(UnusableInput):
        _read(path)


def test_a_damaged_workbook_is_one_error(tmp_path: Path) -> None:
    """Cut off by a download, a byte turned over, or a directory that lies about sizes: never a traceback of the zip."""
    whole = _workbook(tmp_path, SHEET.format(CELL.format("text")).encode()).read_bytes()
    turned = [whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :] for at in range(0, len(whole), 101)]
    path, refused = tmp_path / "damaged.xlsx", 0
    for data in [whole[: len(whole) // 2], whole[:-30], *turned]:
        path.write_bytes(data)
        try:
            _read(path)
        except UnusableInput:
            refused += 1
    assert refused > 10


def test_a_finding_nested_without_end_is_not_verified(tmp_path: Path) -> None:
    """A bundle whose JSON ends the interpreter's stack gets the answer that every other bad bundle gets."""
    (tmp_path / "finding.json").write_text("[" * 100_000 + "]" * 100_000)
    checks = verification.verify(tmp_path).checks
    assert checks and not checks[0].ok


def test_a_finding_of_any_size_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle comes from strangers: above the limit nothing of it is parsed, and the check says so."""
    monkeypatch.setattr(verification, "LARGEST_FINDING", 1000)
    (tmp_path / "finding.json").write_bytes(b'{"x": "' + b"A" * 2000 + b'"}')
    first = verification.verify(tmp_path).checks[0]
    assert not first.ok and "at most" in first.found
