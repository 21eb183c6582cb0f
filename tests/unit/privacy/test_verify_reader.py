"""The verifier's own reader of canonical CBOR: strict, and of one mind with the platform's."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy import canonical
from privacy.verify import decode

NOT_CANONICAL = {
    "nothing": b"",
    "a long head for a small number": b"\x18\x05",
    "a longer head than needed": b"\x19\x00\x05",
    "a reserved head": b"\x1c" + b"\xff" * 16,
    "an indefinite length": b"\x1f" + b"\xff" * 128,
    "a head cut short": b"\x19\x01",
    "text cut short": b"\x62a",
    "text cut short within a list": b"\x82\x01\x62a",
    "bytes cut short": b"\x42a",
    "bytes cut short within a list": b"\x82\x01\x42a",
    "a key cut short": b"\xa1\x62a",
    "text that is not UTF-8": b"\x61\xff",
    "text that is not in normal form C": b"\x63e\xcc\x81",
    "two values": b"\x01\x01",
    "keys out of order": b"\xa2\x61b\x01\x61a\x01",
    "a key twice": b"\xa2\x61a\x01\x61a\x01",
    "a key that is no text": b"\xa1\x01\x01",
    "a bignum that fits a head": b"\xc2\x41\x05",
    "a bignum with a leading zero": b"\xc2\x4a\x00" + b"\xff" * 9,
    "a bignum of a list of bytes": b"\xc2\x89" + b"\x18\xff" * 9,
    "a bignum beyond 4096 bits": b"\xc2\x59\x02\x01" + b"\xff" * 513,
    "a fraction that can be reduced": b"\xd8\x1e\x82\x02\x04",
    "a fraction over nothing": b"\xd8\x1e\x82\x01\x00",
    "a fraction of a truth": b"\xd8\x1e\x82\xf5\x03",
    "a fraction of fractions": b"\xd8\x1e\x82\xd8\x1e\x82\x01\x02\x03",
    "a fraction of two bytes": b"\xd8\x1e\x42\x01\x03",
    "a fraction of three": b"\xd8\x1e\x83\x01\x02\x03",
    "an unknown tag": b"\xc1\x01",
    "an unknown tag over bytes": b"\xc1\x49" + b"\xff" * 9,
    "a float": b"\xf9\x3c\x00",
    "another simple value": b"\xf7",
    "seventeen lists within each other": b"\x81" * 17 + b"\x01",
}


@pytest.mark.parametrize("name", NOT_CANONICAL)
def test_the_reader_is_strict(name: str) -> None:
    """Whatever the platform would have written otherwise, or not at all, is refused."""
    with pytest.raises((ValueError, IndexError, KeyError, TypeError)):
        decode(NOT_CANONICAL[name])


def test_nesting_is_allowed_as_deep_as_the_platform_goes() -> None:
    """The control of the depth: sixteen lists within each other are read."""
    value: Any = 1
    for _ in range(16):
        value = [value]
    assert decode(canonical.encode(value)) == value


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.binary(max_size=40)
    | st.sampled_from(["", "a", "é", "Δ²"])
    | st.fractions(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "cc", ""]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_the_reader_reads_what_the_platform_writes(value: Any) -> None:
    """Two independent readers, one meaning; plain values are also read by a third, the library cbor2."""
    data = canonical.encode(value)
    assert decode(data) == value == cbor2.loads(data)


@settings(max_examples=300, deadline=None)
@given(VALUES, st.integers(0, 10**6), st.integers(0, 255))
def test_the_reader_accepts_nothing_that_the_platform_refuses(value: Any, place: int, byte: int) -> None:
    """One byte changed: either both readers refuse, or both read the same value."""
    data = bytearray(canonical.encode(value))
    data[place % len(data)] = byte
    try:
        found = decode(bytes(data))
    except (ValueError, IndexError, KeyError, TypeError):
        return
    assert canonical.decode(bytes(data), max_bytes=10**6) == found
