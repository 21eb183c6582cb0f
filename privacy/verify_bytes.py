"""Arrives: bytes of a ledger. Leaves: the value they encode, and whether a signature over them holds.

The verifier's own reader of canonical CBOR (RFC 8949 section 4.2.1), as much of it as a ledger holds; it
shares no code with `privacy.canonical`, so that a mistake there is noticed here.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Final, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_DEEPEST: Final = 16


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the Ed25519 key (32 raw bytes) made this signature (64 bytes) over `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def decode(data: bytes) -> Any:
    """The value that `data` is the canonical encoding of. Raises ValueError, or another error of bad bytes."""
    value, end = _value(data, 0, 0)
    if end != len(data):
        _bad()
    return value


def _bad() -> NoReturn:
    raise ValueError("not canonical CBOR")


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Major type, argument in its shortest form, and where the content starts."""
    major, short = data[at] >> 5, data[at] & 31
    if short < 24:
        return major, short, at + 1
    if short > 27:
        _bad()
    size = 1 << (short - 24)
    argument = int.from_bytes(data[at + 1 : at + 1 + size], "big")
    if at + 1 + size > len(data) or argument < (24 if size == 1 else 1 << (4 * size)):
        _bad()
    return major, argument, at + 1 + size


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > _DEEPEST:
        _bad()
    major, argument, at = _head(data, at)
    if major in (0, 1):
        return (argument if major == 0 else -1 - argument), at
    if major in (2, 3):
        content = data[at : at + argument]
        if len(content) != argument:
            _bad()
        return (content if major == 2 else content.decode()), at + argument
    if major == 4:
        return _items(data, at, depth, argument)
    if major == 5:
        return _map(data, at, depth, argument)
    if major == 6:
        return _tagged(data, at, depth, argument)
    return {20: False, 21: True, 22: None}[argument], at


def _items(data: bytes, at: int, depth: int, count: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(count):
        item, at = _value(data, at, depth + 1)
        items.append(item)
    return items, at


def _map(data: bytes, at: int, depth: int, count: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    last = b""
    for _ in range(count):
        start = at
        key, at = _value(data, at, depth + 1)
        if not isinstance(key, str) or data[start:at] <= last:
            _bad()
        last = data[start:at]
        found[key], at = _value(data, at, depth + 1)
    return found, at


def _tagged(data: bytes, at: int, depth: int, tag: int) -> tuple[Any, int]:
    content, at = _value(data, at, depth + 1)
    if tag in (2, 3):
        number = int.from_bytes(content, "big")
        if number < 1 << 64 or content[0] == 0:
            _bad()
        return (number if tag == 2 else -1 - number), at
    if tag != 30:
        _bad()
    top, bottom = content
    if bottom < 1 or math.gcd(top, bottom) != 1:
        _bad()
    return Fraction(top, bottom), at
