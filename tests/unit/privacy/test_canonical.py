"""One value, one byte string: canonical CBOR, against the examples of RFC 8949, cbor2 and hostile bytes."""

import pickle
import tracemalloc
import zlib
from enum import IntEnum
from fractions import Fraction
from pathlib import Path

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.canonical import MAX_DEPTH, Value, decode, digest, encode, tagged
from privacy.errors import CanonicalError

ENOUGH = 10**6

EXAMPLES: list[tuple[Value, str]] = [
    # RFC 8949, appendix A
    (0, "00"),
    (23, "17"),
    (24, "1818"),
    (255, "18ff"),
    (256, "190100"),
    (1000, "1903e8"),
    (1000000, "1a000f4240"),
    (2**32 - 1, "1affffffff"),
    (1000000000000, "1b000000e8d4a51000"),
    (18446744073709551615, "1bffffffffffffffff"),
    (18446744073709551616, "c249010000000000000000"),
    (-18446744073709551616, "3bffffffffffffffff"),
    (-18446744073709551617, "c349010000000000000000"),
    (-1, "20"),
    (-1000, "3903e7"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (b"", "40"),
    (b"\x01\x02\x03\x04", "4401020304"),
    ("", "60"),
    ("IETF", "6449455446"),
    ("ü", "62c3bc"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    # order of keys: shorter first, as their heads are
    ({"aa": 1, "b": 2, "": 3}, "a3600361620262616101"),
    (Fraction(-3, 7), "d81e822207"),
    (Fraction(5), "d81e820501"),
]

ARRAYS = [
    (np.array([1.0, -2.5]), "d85650000000000000f03f00000000000004c0"),
    (np.array([], dtype=np.float64), "d85640"),
    (np.array([1, 2**64 - 1], dtype=np.uint64), "d847500100000000000000ffffffffffffffff"),
    (np.array([-2], dtype=np.int64), "d84f48feffffffffffffff"),
]

INTEGERS = st.integers(-(2**4000), 2**4000) | st.integers(-(2**66), 2**66)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | INTEGERS
    | st.binary(max_size=40)
    | st.text(st.characters(codec="ascii"), max_size=40)
    | st.builds(Fraction, INTEGERS, INTEGERS.filter(bool)),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(codec="ascii"), max_size=9), inner, max_size=5)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(("value", "expected"), EXAMPLES)
def test_examples_have_the_bytes_of_the_standard(value: Value, expected: str) -> None:
    """The published examples encode to the published bytes and back, with the same type."""
    assert encode(value).hex() == expected
    back = decode(bytes.fromhex(expected), ENOUGH)
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize(("array", "expected"), ARRAYS)
def test_arrays_are_little_endian_and_come_back_read_only(array: np.ndarray, expected: str) -> None:
    """A typed array of RFC 8746 keeps its bits, and nobody can change what was signed."""
    assert encode(array).hex() == expected
    back = decode(bytes.fromhex(expected), ENOUGH)
    assert isinstance(back, np.ndarray) and back.dtype == array.dtype and not back.flags.writeable
    np.testing.assert_array_equal(back, array)


def test_a_strided_array_encodes_as_its_values() -> None:
    """Bytes follow the values, not the layout in memory."""
    assert encode(np.arange(10.0)[::2]) == encode(np.array([0.0, 2.0, 4.0, 6.0, 8.0]))


def test_a_tuple_is_a_list() -> None:
    """Tuples and lists say the same."""
    assert encode((1, (2, 3))) == encode([1, [2, 3]])


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_an_independent_library_reads_and_writes_the_same(value: Value) -> None:
    """cbor2, in its canonical mode, writes the same bytes and reads the same value."""
    written = encode(value)
    assert written == cbor2.dumps(value, canonical=True)
    assert cbor2.loads(written) == value
    assert decode(written, ENOUGH) == value


@settings(max_examples=250, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_canonical(data: bytes) -> None:
    """Whatever arrives, either it is refused, or it is exactly what would be sent for that value."""
    try:
        value = decode(data, ENOUGH)
    except CanonicalError:
        return
    assert encode(value) == data


@settings(max_examples=250, deadline=None)
@given(VALUES, st.data())
def test_a_damaged_message_is_refused_or_canonical(value: Value, data: st.DataObject) -> None:
    """Also near valid messages, where parsers differ: one byte changed, cut off or added."""
    message = bytearray(encode(value))
    at = data.draw(st.integers(0, len(message) - 1))
    message[at : at + data.draw(st.integers(0, 1))] = data.draw(st.binary(max_size=2))
    try:
        read = decode(bytes(message), ENOUGH)
    except CanonicalError:
        return
    assert encode(read) == message


NOT_CANONICAL = {
    "longer head than needed": "1800",
    "longer head than needed, 8 bytes": "1b0000000000000001",
    "longer length than needed": "5800",
    "half-precision float": "f93c00",
    "double": "fb3ff0000000000000",
    "false in two bytes": "f814",
    "undefined": "f7",
    "simple value": "f0",
    "break": "ff",
    "indefinite bytes": "5f4101ff",
    "indefinite list": "9f01ff",
    "reserved length": "1c",
    "keys out of order": "a2616201616101",
    "key twice": "a2616101616102",
    "number as key": "a10101",
    "bignum that fits a word": "c24101",
    "bignum with a leading zero": "c24a00010000000000000000",
    "bignum of text": "c26131",
    "rational not in lowest terms": "d81e820204",
    "rational with denominator zero": "d81e820100",
    "rational with negative denominator": "d81e820120",
    "rational of three": "d81e83010203",
    "rational of text": "d81e82016131",
    "rational of rationals": "d81e82d81e82010201",
    "text not in normal form C": "63" + "u\u0308".encode().hex(),
    "text that is not UTF-8": "61ff",
    "text with a surrogate": "63eda080",
    "array with NaN": "d85648000000000000f87f",
    "array with infinity": "d85648000000000000f07f",
    "array with -0.0": "d856480000000000000080",
    "array of seven bytes": "d8564700000000000000",
    "array that is a list": "d85681" + "00",
    "array of 32-bit floats": "d85544000080 3f".replace(" ", ""),
    "array of big-endian floats": "d852483ff0000000000000",
    "date": "c074323031332d30332d32315432303a30343a30305a",
    "shared reference": "d81c80",
    "cut off": "8301",
    "two values": "0101",
    "nothing": "",
}


@pytest.mark.parametrize("name", NOT_CANONICAL)
def test_other_bytes_are_refused(name: str) -> None:
    """Every other way to write a value, and every other kind of value, is an error of ours."""
    with pytest.raises(CanonicalError):
        decode(bytes.fromhex(NOT_CANONICAL[name]), ENOUGH)


class _Colour(IntEnum):
    RED = 1


class _Text(str):
    __slots__ = ()


REFUSED_VALUES = {
    "float": 1.5,
    "NumPy integer": np.int64(1),
    "NumPy float": np.float64(1.0),
    "set": {1},
    "bytearray": bytearray(b"x"),
    "enumeration": _Colour.RED,
    "subclass of text": _Text("x"),
    "number as key": {1: 2},
    "subclass as key": {_Text("x"): 2},
    "matrix": np.zeros((2, 2)),
    "array of 32-bit floats": np.zeros(2, dtype=np.float32),
    "array of objects": np.array([None]),
    "array of big-endian floats": np.zeros(2, dtype=">f8"),
    "array with NaN": np.array([np.nan]),
    "array with infinity": np.array([-np.inf]),
    "array with -0.0": np.array([1.0, -0.0]),
    "text not in normal form C": "u\u0308",
    "key not in normal form C": {"u\u0308": 1},
    "lone surrogate": "\ud800",
    "integer of 4097 bits": 2**4096,
    "negative integer of 4097 bits": -(2**4096) - 1,
    "rational of 4097 bits": Fraction(1, 2**4096),
}


@pytest.mark.parametrize("name", REFUSED_VALUES)
def test_other_values_are_refused(name: str) -> None:
    """What has no canonical bytes is refused when it is sent, at any depth."""
    with pytest.raises(CanonicalError):
        encode([REFUSED_VALUES[name]])  # type: ignore[list-item]


def test_the_largest_integers_pass() -> None:
    """4096 bits are enough, 4097 are refused, on both ends of zero."""
    for value in (2**4096 - 1, -(2**4096)):
        assert decode(encode(value), ENOUGH) == value


def test_an_error_never_repeats_the_value() -> None:
    """An error text names the rule, not the content: content may be a student's."""
    for value in ("geheim u\u0308", ["geheim", 1.5], {"geheim": {1, 2}}):
        with pytest.raises(CanonicalError) as caught:
            encode(value)  # type: ignore[arg-type]
        assert "geheim" not in str(caught.value)


def test_nesting_is_bounded_both_ways() -> None:
    """Sixteen levels pass, seventeen do not, and a reader may ask for less; a cycle ends in an error."""
    value: Value = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    message = encode(value)
    assert decode(message, ENOUGH) == value
    for refused in (lambda: encode([value]), lambda: encode({"a": value}), lambda: decode(message, 99, 15)):
        with pytest.raises(CanonicalError, match="nest"):
            refused()
    cycle: list[Value] = []
    cycle.append(cycle)
    with pytest.raises(CanonicalError, match="nest"):
        encode(cycle)


def test_a_caller_cannot_raise_the_nesting_limit() -> None:
    """A limit above sixteen counts as sixteen, so recursion is always bounded."""
    with pytest.raises(CanonicalError, match="nest"):
        decode(b"\x81" * 5000 + b"\x00", ENOUGH, max_depth=10_000)


def test_size_and_items_are_bounded() -> None:
    """More bytes, or more items, than the reader allows: refused; the exact number passes."""
    message = encode([1, [2, 3]])
    assert decode(message, len(message), max_items=5) == [1, [2, 3]]
    with pytest.raises(CanonicalError, match="bytes"):
        decode(message, len(message) - 1)
    with pytest.raises(CanonicalError, match="items"):
        decode(message, ENOUGH, max_items=4)
    with pytest.raises(CanonicalError, match="items"):
        decode(encode({"a": 1}), ENOUGH, max_items=2)
    with pytest.raises(CanonicalError, match="items"):
        decode(encode(2**64), ENOUGH, max_items=1)


def test_a_tag_separates_types_and_fields() -> None:
    """Moving a letter from one field to the next, or to the tag, gives another hash."""
    assert tagged("a/1", "bc", 1) == encode(["a/1", "bc", 1])
    assert len({digest("a", "bc", "d"), digest("a", "b", "cd"), digest("ab", "c", "d"), digest("a", "bcd")}) == 4
    assert len(digest("a")) == 32


@pytest.mark.parametrize("tag", ["", b"bytes", None])
def test_a_tag_is_never_empty(tag: object) -> None:
    """A hash without a type is refused."""
    with pytest.raises(CanonicalError, match="type"):
        tagged(tag)  # type: ignore[arg-type]


class _Payload:
    """Runs when unpickled: writes a file, as an attacker's would do worse."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def test_attack_18_pickle(tmp_path: Path) -> None:
    """Defence off: unpickling a message runs its code. Defence on: the same bytes are refused, inert."""
    message = pickle.dumps(_Payload(tmp_path / "owned"))
    pickle.loads(message)  # noqa: S301 - the attack, on our own payload
    assert (tmp_path / "owned").exists()
    (tmp_path / "owned").unlink()
    with pytest.raises(CanonicalError):
        decode(message, ENOUGH)
    assert not (tmp_path / "owned").exists()


def test_attack_18_zip_bomb() -> None:
    """Defence off: 10 kB inflate to 10 MB. Defence on: there is no compression, and the bytes are no message."""
    bomb = zlib.compress(encode(bytes(10**7)))
    assert len(bomb) < 20_000 and len(zlib.decompress(bomb)) > 10**7
    with pytest.raises(CanonicalError):
        decode(bomb, ENOUGH)


def _peak(message: bytes) -> int:
    """Return the bytes allocated at most while `message` is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(CanonicalError):
            decode(message, ENOUGH)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "head",
    [
        "5a80000000",
        "7a80000000",
        "9a80000000",
        "ba80000000",
        "5bffffffffffffffff",
        "c25a80000000",
        "d8565a80000000",
    ],
)
def test_attack_18_a_2_gib_header_is_refused_at_once(head: str) -> None:
    """A small message that announces 2 GiB (or 2**64 bytes) of anything makes nothing of that size."""
    assert _peak(bytes.fromhex(head) + bytes(100)) < 200_000


def _trusting_read(message: bytes) -> bytearray:
    """Read a byte string as a reader does that makes room first and looks what is there later."""
    room = bytearray(int.from_bytes(message[1:5], "big"))
    room[: len(message) - 5] = message[5:]
    return room


def test_attack_18_defence_off_a_header_reserves_memory() -> None:
    """The positive control of the test above: a trusting reader spends 64 MiB on nine bytes; we see it."""
    tracemalloc.start()
    _trusting_read(bytes.fromhex("5a0400000001020304"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak > 2**26


@pytest.mark.parametrize("prefix", [b"\x81", b"\xa1\x60", b"\xd8\x1e\x82", b"\xd8\x56", b"\xc2"])
def test_attack_18_deep_nesting_is_refused(prefix: bytes) -> None:
    """100,000 lists, maps, rationals or tags within one another end in our error, not in a stack overflow."""
    assert _peak(prefix * 100_000) < 1_000_000


def test_attack_18_a_wrong_type_is_refused_where_it_stands() -> None:
    """A float32 array, a float or an unknown tag within an otherwise good message is refused."""
    unknown_tag = cbor2.CBORTag(85, bytes(4))
    for hostile in (cbor2.dumps([1, 1.5]), cbor2.dumps({"a": unknown_tag}), cbor2.dumps([cbor2.undefined])):
        with pytest.raises(CanonicalError):
            decode(hostile, ENOUGH)
