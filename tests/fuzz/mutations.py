"""A valid input and a source of chance arrive; the input, bent, leaves: bytes, text or a tree of plain values."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

INTERESTING = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xf6",
    b"\x9f",
    b"\xfb\x7f\xf8" + bytes(6),
    b"\xff" * 8,
    b"\r",
    b"\n",
)
LONG = 5000  # digits: more than Python turns into a whole number
ODD_NUMBERS = (0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 2**4095, 10**400)
ODD_TEXTS = ("", "x", "\x00", "..", "../../x", "é", "\u202e", "NaN", "1e999", "a" * 70_000, "'; DROP TABLE x; --")
ODD_TREES: tuple[Any, ...] = (None, True, False, [], {}, [[]], {"": None}, [None] * 300, {"a": {"b": {"c": []}}})
ODD_BINARY: tuple[Any, ...] = (
    *(b"", b"\x00", bytes(31), bytes(32), bytes(33), b"\xf6", Fraction(0), Fraction(-1, 3), Fraction(10**400, 7)),
    *(np.zeros(0), np.ones(2), np.ones(2, dtype=np.uint64), np.ones(1, dtype=np.int64), np.full(300, 1e308)),
)
YAML_TOKENS = (
    *('"\\U00110000"', '"\\uD800"', '"\\x00"', "%YAML 1." + "1" * LONG, "%YAML 1.1\n---", "%TAG ! x", "--- ", "...\n"),
    *(
        "1" * LONG,
        "1e" + "0" * LONG,
        "1e999",
        "-0.0",
        ".inf",
        ".nan",
        "0x10",
        "1_000",
        "2024-02-30",
        "12:30:00",
        "=",
        "<<: ",
    ),
    *("!!python/object:os.system", "!!binary AA==", "! x", "!<%FF> x", "&a ", "*a", "? ", "?\n", "- ", ": ", "\t", "#"),
    *(
        "{",
        "}",
        "[",
        "]",
        "[" * 400,
        "{a: " * 400,
        "|\n",
        ">-\n",
        "'",
        '"',
        "@",
        "`",
        "~",
        "null",
        "yes",
        "\ufeff",
        "\x85",
    ),
)
JSON_TOKENS = (
    "NaN",
    "-Infinity",
    "1e999",
    "1" * LONG,
    "[" * 100_000,
    '"\\ud800"',
    "{}",
    "[]",
    "null",
    "\x00",
    '"',
    "}",
    ",",
)
CSV_TOKENS = (
    '"',
    '""',
    ";",
    ",",
    "\t",
    "|",
    "\r",
    "\n",
    "\r\n",
    "\x00",
    "=cmd|' /C calc'!A0",
    "\ufeff",
    "\u2028",
    "x" * 140_000,
)


def bent_bytes(chance: random.Random, data: bytes, others: Sequence[bytes], tokens: Sequence[bytes] = ()) -> bytes:
    """Return `data` with one to four changes: bits, runs taken out, repeated, put in or taken from another input."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(out) + 1)
        length = chance.choice((0, 1, 1, 2, 4, 8, 64, 1024))
        match chance.randrange(7):
            case 0 if at < len(out):
                out[at] ^= 1 << chance.randrange(8)
            case 1:
                del out[at : at + length]
            case 2:
                out[at:at] = out[at : at + length]
            case 3:
                out[at : at + length] = chance.choice((*INTERESTING, *tokens))
            case 4:
                del out[at:]
            case 5:
                out[at : at + length] = chance.randbytes(length)
            case 6:
                other = chance.choice(others)
                start = chance.randrange(len(other) + 1)
                out[at : at + length] = other[start : start + chance.choice((8, 64, 4096))]
    return bytes(out)


def bent_text(chance: random.Random, data: bytes, others: Sequence[bytes], tokens: Sequence[str]) -> bytes:
    """Return a text bent by lines and by tokens that its language reads in its own way; or by bytes."""
    if chance.random() < 0.25:
        return bent_bytes(chance, data, others)
    lines = data.decode("utf-8", errors="replace").splitlines(keepends=True) or [""]
    for _ in range(chance.choice((1, 1, 2, 3))):
        at, to = chance.randrange(len(lines)), chance.randrange(len(lines))
        match chance.randrange(5):
            case 0 if len(lines) > 1:
                del lines[at]
            case 1:
                lines[at], lines[to] = lines[to], lines[at]
            case 2:
                lines.insert(to, lines[at])
            case 3 | 0:
                place = chance.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:place] + chance.choice(tokens) + lines[at][place:]
            case 4:
                place = max(lines[at].find(":"), lines[at].find(";"), 0) + 1
                lines[at] = lines[at][:place] + " " + chance.choice(tokens) + "\n"
    return "".join(lines).encode("utf-8", errors="surrogatepass")


def bent_lines(chance: random.Random, data: bytes) -> bytes:
    """Return a text with whole lines taken out, moved and repeated, and perhaps its end cut off."""
    lines = data.splitlines(keepends=True)
    chance.shuffle(lines) if chance.random() < 0.3 else None
    kept = [line for line in lines for _ in range(chance.choice((0, 1, 1, 1, 2)))]
    whole = b"".join(kept)
    return whole[: chance.randrange(len(whole) + 1)] if chance.random() < 0.3 else whole


def bent_tree(chance: random.Random, tree: Any, odd: Sequence[Any]) -> Any:
    """Return plain values with one to three parts replaced, left out, repeated, exchanged or put one level deeper."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        tree = _bent(chance, tree, odd)
    return tree


def _bent(chance: random.Random, tree: Any, odd: Sequence[Any]) -> Any:
    """One change, somewhere: the deeper a tree the likelier below."""
    if isinstance(tree, list | tuple) and tree and chance.random() < 0.85:
        at = chance.randrange(len(tree))
        return [*tree[:at], _bent(chance, tree[at], odd), *tree[at + 1 :]]
    if isinstance(tree, dict) and tree and chance.random() < 0.85:
        key = chance.choice(list(tree))
        return {**tree, key: _bent(chance, tree[key], odd)}
    if isinstance(tree, list | tuple) and tree and chance.random() < 0.6:
        return _bent_list(chance, list(tree))
    if isinstance(tree, dict) and tree and chance.random() < 0.6:
        return _bent_map(chance, dict(tree), odd)
    if type(tree) is int and chance.random() < 0.4:
        return tree + chance.choice((-1, 1, 2**32, -(2**32)))
    if isinstance(tree, bytes) and tree and chance.random() < 0.5:
        return bent_bytes(chance, tree, [tree])
    return chance.choice(odd)


def _bent_list(chance: random.Random, items: list[Any]) -> list[Any]:
    at, to = chance.randrange(len(items)), chance.randrange(len(items))
    match chance.randrange(4):
        case 0:
            del items[at]
        case 1:
            items[at], items[to] = items[to], items[at]
        case 2:
            items.insert(to, items[at])
        case 3:
            items[at] = [items[at]]
    return items


def _bent_map(chance: random.Random, items: dict[str, Any], odd: Sequence[Any]) -> dict[str, Any]:
    key, other = chance.choice(list(items)), chance.choice(list(items))
    match chance.randrange(4):
        case 0:
            del items[key]
        case 1:
            items[key], items[other] = items[other], items[key]
        case 2:
            items[chance.choice(("", "x", f"{key}x", "__class__", "../x"))] = chance.choice(odd)
        case 3:
            items[key] = {key: items[key]}
    return items
