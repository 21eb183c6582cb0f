"""Plain values arrive; the one sequence of bytes that stands for them leaves, and back again.

Canonical CBOR: RFC 8949 section 4.2.1 (core deterministic encoding), typed arrays of RFC 8746, rationals
of tag 30. Every hash and signature of the platform covers such bytes, headed by a tag that names their type:
never a concatenation, so that no two meanings share one text.

=============================  ==============================================================================
value                          on the wire
=============================  ==============================================================================
`None`, `bool`, `bytes`        as CBOR has them
`int`                          shortest head; from 2**64 on, tags 2 and 3, at most 4096 bits
`str`                          UTF-8 in Unicode normal form C, anything else is refused (not repaired)
`list`, `tuple`                array; decodes to `list`
`dict` with `str` keys         map, keys in bytewise order of their encoding
`fractions.Fraction`           tag 30 over [numerator, denominator], lowest terms, denominator >= 1
1-D float64, uint64, int64     tags 86, 71, 79: little-endian byte string; no NaN, infinity or -0.0
=============================  ==============================================================================

Floats outside an array are refused: a lone number that matters is an integer or a rational. That one value has
one encoding, and one encoding one value, is Lemma 0 of `release.md`; labels [C1] to [C6] mark lines here.
"""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, TypeAlias, TypeGuard, Union, cast

import numpy as np
import numpy.typing as npt

from privacy.errors import CanonicalError

Value: TypeAlias = Union[
    bool, int, bytes, str, Fraction, npt.NDArray[Any], "Sequence[Value]", "Mapping[str, Value]", None
]

MAX_DEPTH: Final = 16
"""Lists and maps within one another, both ways; a caller of `decode` may only ask for less."""
MAX_INTEGER_BITS: Final = 4096
_ARRAY_TAGS: Final = {86: np.dtype("<f8"), 71: np.dtype("<u8"), 79: np.dtype("<i8")}
_TAG_OF_DTYPE: Final = {dtype: tag for tag, dtype in _ARRAY_TAGS.items()}
_SIMPLE: Final[dict[int, bool | None]] = {20: False, 21: True, 22: None}
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _OTHER = range(8)
_BIGNUM, _NEGATIVE_BIGNUM, _RATIONAL = 2, 3, 30


def encode(value: Value) -> bytes:
    """Return the canonical bytes of `value`.

    Exact types only: no subclasses, no NumPy scalars, no mapping but `dict`; the sender says what it means.
    Raises `CanonicalError` for any other type, text not in normal form C, an integer beyond 4096 bits, an
    array that is not one-dimensional or not finite, or nesting deeper than 16.
    """
    out = bytearray()
    _write(value, out, 0)
    return bytes(out)


def decode(data: bytes, max_bytes: int, max_depth: int = MAX_DEPTH, max_items: int = 1_000_000) -> Value:
    """Return the value whose canonical encoding is exactly `data`.

    `max_bytes` bounds the message, `max_depth` (at most 16) its nesting, `max_items` the data items; each is
    tested on the header, before anything of the announced size is made. Arrays come back read-only.
    Raises `CanonicalError` for anything else, also for the same value written in any other way: the value is
    written again and compared, so there is nothing that two parties could read differently.
    """
    if len(data) > max_bytes:
        raise CanonicalError(f"a message has at most {max_bytes} bytes; this one has {len(data)}; send less")
    reader = _Reader(bytes(data), min(max_depth, MAX_DEPTH), max_items)
    value = reader.value(0)
    reader.finish()
    if encode(value) != data:  # [C1]
        raise CanonicalError("a message has one canonical form; this one is written otherwise; encode again")
    return value


def tagged(tag: str, *fields: Value) -> bytes:
    """Return the bytes that a hash or signature covers: the array [tag, *fields].

    `tag` names type and version, such as "datacoalitie/receipt/1": two types never share one byte string.
    """
    if type(tag) is not str or not tag:
        raise CanonicalError("a signed array starts with its type; this tag is empty or no text; name it")
    return encode([tag, *fields])  # [C2]


def is_tagged(value: Value, tag: str, items: int) -> TypeGuard[list[Any]]:
    """Return whether a decoded value is the array [tag, ...] of so many items, the tag included.

    For whoever reads what others wrote: an array of numbers where the tag should stand is compared with nothing.
    """
    return isinstance(value, list) and len(value) == items and isinstance(value[0], str) and value[0] == tag


def digest(tag: str, *fields: Value) -> bytes:
    """Return SHA-256 (32 bytes) of `tagged(tag, *fields)`."""
    return hashlib.sha256(tagged(tag, *fields)).digest()


def _write(value: Value, out: bytearray, depth: int) -> None:
    """Append `value`; `type() is`, not isinstance: True must not pass for 1, nor a subclass for its base."""
    kind = type(value)  # [C3]
    if value is None or kind is bool:
        out.append(0xF6 if value is None else 0xF5 if value else 0xF4)
    elif kind is int:
        _write_integer(cast(int, value), out)
    elif kind is bytes:
        _write_bytes(cast(bytes, value), out)
    elif kind is str:
        _write_text(cast(str, value), out)
    elif kind is list or kind is tuple:
        _write_list(cast("Sequence[Value]", value), out, depth)
    elif kind is dict:
        _write_map(cast("dict[str, Value]", value), out, depth)
    elif kind is Fraction:
        _write_rational(cast(Fraction, value), out)
    elif kind is np.ndarray:
        _write_array(cast("npt.NDArray[Any]", value), out)
    else:
        raise CanonicalError(
            f"only plain values have canonical bytes; this one is a {kind.__name__}; "
            "convert it to int, Fraction, str, bytes, list, dict or a float64 array"
        )


def _write_head(major: int, argument: int, out: bytearray) -> None:
    """Append the shortest head for `argument` (RFC 8949 section 3)."""
    if argument < 24:
        out.append(major << 5 | argument)
        return
    size = next(size for size in (1, 2, 4, 8) if argument < 1 << 8 * size)  # [C4]
    out.append(major << 5 | 23 + size.bit_length())
    out += argument.to_bytes(size, "big")


def _write_integer(value: int, out: bytearray) -> None:
    magnitude = value if value >= 0 else -1 - value
    if magnitude.bit_length() > MAX_INTEGER_BITS:
        raise CanonicalError(
            f"an integer has at most {MAX_INTEGER_BITS} bits; this one has {magnitude.bit_length()}; round it"
        )
    if magnitude.bit_length() <= 64:
        _write_head(_UNSIGNED if value >= 0 else _NEGATIVE, magnitude, out)
        return
    _write_head(_TAG, _BIGNUM if value >= 0 else _NEGATIVE_BIGNUM, out)
    _write_bytes(magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "big"), out)


def _write_bytes(value: bytes, out: bytearray) -> None:
    _write_head(_BYTES, len(value), out)
    out += value


def _write_text(value: str, out: bytearray) -> None:
    if not unicodedata.is_normalized("NFC", value):  # [C5]
        raise CanonicalError("text is in Unicode normal form C; this is not; normalise it where it is read")
    try:
        encoded = value.encode("utf-8")
    except UnicodeEncodeError:
        raise CanonicalError("text is valid Unicode; this holds a lone surrogate; read it as UTF-8") from None
    _write_head(_TEXT, len(encoded), out)
    out += encoded


def _write_list(value: Sequence[Value], out: bytearray, depth: int) -> None:
    _check_depth(depth, MAX_DEPTH)
    _write_head(_ARRAY, len(value), out)
    for item in value:
        _write(item, out, depth + 1)


def _write_map(value: dict[str, Value], out: bytearray, depth: int) -> None:
    _check_depth(depth, MAX_DEPTH)
    if not all(type(key) is str for key in value):
        raise CanonicalError("the keys of a map are text; this map has another key; name its entries")
    _write_head(_MAP, len(value), out)
    for key in sorted(value, key=encode):  # [C6]
        _write_text(key, out)
        _write(value[key], out, depth + 1)


def _write_rational(value: Fraction, out: bytearray) -> None:
    _write_head(_TAG, _RATIONAL, out)
    _write_head(_ARRAY, 2, out)
    _write_integer(value.numerator, out)
    _write_integer(value.denominator, out)


def _write_array(value: npt.NDArray[Any], out: bytearray) -> None:
    if value.ndim != 1 or value.dtype not in _TAG_OF_DTYPE:
        raise CanonicalError(
            f"an array is 1-D float64, uint64 or int64; this is {value.ndim}-D {value.dtype}; convert it"
        )
    _check_floats(value)
    _write_head(_TAG, _TAG_OF_DTYPE[value.dtype], out)
    _write_bytes(value.tobytes(), out)


def _check_floats(array: npt.NDArray[Any]) -> None:
    """Refuse the floats that compare equal under two bit patterns, or unequal to themselves."""
    if array.dtype.kind != "f":
        return
    if not np.isfinite(array).all() or (np.signbit(array) & (array == 0)).any():
        raise CanonicalError("a float array is finite and has no -0.0; this one breaks that; clean it")


def _check_depth(depth: int, limit: int) -> None:
    if depth >= limit:
        raise CanonicalError(f"lists and maps nest at most {limit} deep; this value goes deeper; flatten it")


class _Reader:
    """One pass over a message: size and type are judged here, form by the comparison in `decode`."""

    def __init__(self, data: bytes, max_depth: int, max_items: int) -> None:
        self._data = data
        self._at = 0
        self._max_depth = max_depth
        self._items_left = max_items

    def value(self, depth: int) -> Value:
        major, argument = self._head()
        if major == _UNSIGNED:
            return argument
        if major == _NEGATIVE:
            return -1 - argument
        if major == _BYTES:
            return self._take(argument)
        if major == _TEXT:
            return self._text(argument)
        if major == _ARRAY:
            return self._list(argument, depth)
        if major == _MAP:
            return self._map(argument, depth)
        if major == _TAG:
            return self._tag(argument)
        if argument in _SIMPLE:
            return _SIMPLE[argument]
        raise CanonicalError("the simple values are false, true and null; here is a float or another one")

    def finish(self) -> None:
        if self._at != len(self._data):
            raise CanonicalError(
                f"a message holds one value; {len(self._data) - self._at} bytes follow it; send them apart"
            )

    def _head(self) -> tuple[int, int]:
        if self._items_left <= 0:
            raise CanonicalError("a message keeps to its number of items; this one has more; send less")
        self._items_left -= 1
        major, info = divmod(self._take(1)[0], 32)
        if info < 24:
            return major, info
        if info > 27:
            raise CanonicalError("lengths are definite; here is an indefinite or reserved one; encode again")
        return major, int.from_bytes(self._take(1 << info - 24), "big")

    def _take(self, count: int) -> bytes:
        """Return the next `count` bytes; the size announced is compared with what is left before any copy."""
        end = self._at + count
        if end > len(self._data):
            raise CanonicalError(
                f"a message holds what its headers announce; this one announces {count} bytes where "
                f"{len(self._data) - self._at} are left; it was cut off or forged"
            )
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def _text(self, length: int) -> str:
        try:
            return self._take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise CanonicalError("text is UTF-8; this text is not; encode it again") from None

    def _room(self, items: int, depth: int) -> None:
        """Refuse a container before its first element: every element takes a byte and counts as an item."""
        _check_depth(depth, self._max_depth)
        if items > min(self._items_left, len(self._data) - self._at):
            raise CanonicalError(f"a list or map fits its message; this announces {items} items; send less")

    def _list(self, length: int, depth: int) -> list[Value]:
        self._room(length, depth)
        return [self.value(depth + 1) for _ in range(length)]

    def _map(self, length: int, depth: int) -> dict[str, Value]:
        self._room(2 * length, depth)
        found: dict[str, Value] = {}
        for _ in range(length):
            major, size = self._head()
            if major != _TEXT:
                raise CanonicalError("the keys of a map are text; this map has another key; name its entries")
            key = self._text(size)
            found[key] = self.value(depth + 1)
        return found

    def _tag(self, tag: int) -> Value:
        if tag in (_BIGNUM, _NEGATIVE_BIGNUM):
            return self._bignum(tag)
        if tag == _RATIONAL:
            return self._rational()
        if tag in _ARRAY_TAGS:
            return self._typed(_ARRAY_TAGS[tag])
        raise CanonicalError(f"tags are 2, 3, 30, 71, 79 and 86; here is {tag}; it needs a newer version")

    def _bignum(self, tag: int) -> int:
        magnitude = int.from_bytes(self._content(MAX_INTEGER_BITS // 8), "big")
        return magnitude if tag == _BIGNUM else -1 - magnitude

    def _content(self, limit: int) -> bytes:
        major, length = self._head()
        if major != _BYTES or length > limit:
            raise CanonicalError(f"this tag stands before at most {limit} bytes; here it does not; encode again")
        return self._take(length)

    def _rational(self) -> Fraction:
        if self._head() != (_ARRAY, 2):
            raise CanonicalError("a rational is a pair of integers; this is something else; encode it again")
        numerator, denominator = self._integer(), self._integer()
        if denominator < 1:
            raise CanonicalError("a rational has a positive denominator; this one has not; encode it again")
        return Fraction(numerator, denominator)

    def _integer(self) -> int:
        """Read an integer and nothing else: a rational within a rational would nest beyond every limit."""
        major, argument = self._head()
        if major in (_UNSIGNED, _NEGATIVE):
            return argument if major == _UNSIGNED else -1 - argument
        if major == _TAG and argument in (_BIGNUM, _NEGATIVE_BIGNUM):
            return self._bignum(argument)
        raise CanonicalError("a rational is a pair of integers; one part is not; encode it again")

    def _typed(self, dtype: "np.dtype[Any]") -> npt.NDArray[Any]:
        content = self._content(len(self._data))
        if len(content) % dtype.itemsize:
            raise CanonicalError(f"array elements take {dtype.itemsize} bytes; {len(content)} is no multiple")
        return np.frombuffer(content, dtype=dtype).astype(dtype.newbyteorder("="), copy=False)
