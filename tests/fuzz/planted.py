"""Nothing arrives; readers with a fault leave, which the harness must find: each breaks one promise."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from tests.fuzz.harness import Subject
from tests.fuzz.mutations import CSV_TOKENS, JSON_TOKENS, bent_text, bent_tree

CELL = "Geheim-4711"
VALID = [json.dumps({"name": "Noord", "size": 3}).encode()]
ROWS = [b"nummer;opmerking\n" + b"".join(b"%d;%s\n" % (row, CELL.encode()) for row in range(9))]


def _forgets_a_key(data: bytes) -> int:
    """`KeyError` where a key is left out."""
    try:
        return int(json.loads(data)["size"])
    except (TypeError, RecursionError) as error:
        raise ValueError from error


def _quotes_a_cell(data: bytes) -> None:
    """An error of the right kind, whose words hold what stands in a row."""
    for line in data.splitlines():
        if len(cells := line.split(b";")) != 2 or not cells[0].isalnum():
            raise ValueError(f"a row is number;remark. Found: {line!r}. Correct it.")


def _never_ends(data: Any) -> None:
    while data != VALID[0]:
        pass


def _takes_everything(data: bytes) -> None:
    if len(data) > 4000:
        bytearray(600 * 2**20)[:: 2**12] = bytes(600 * 2**8)


def _bent_json(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    return json.dumps(bent_tree(chance, json.loads(data), (None, 1, []))).encode()


SUBJECTS = [
    Subject("planted-key", VALID, _bent_json, _forgets_a_key, (ValueError,)),
    Subject(
        "planted-cell", ROWS, lambda c, d, o: bent_text(c, d, o, CSV_TOKENS), _quotes_a_cell, (ValueError,), (CELL,)
    ),
    Subject("planted-memory", VALID, lambda c, d, o: bent_text(c, d, o, JSON_TOKENS), _takes_everything, ()),
]
ENDLESS = Subject("planted-endless", VALID, lambda c, d, o: d + b"x", _never_ends, ())
