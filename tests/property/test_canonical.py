"""One value, one encoding; one encoding, one value; and two contexts are equal only when all their fields are."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from experiments import protocol
from experiments.planning import PlannedQuery, Step
from experiments.queries.tables import Axis, Table
from privacy import canonical
from privacy.charter import Charter
from privacy.errors import CanonicalError
from privacy.identity import SigningKey
from privacy.masking import Party
from privacy.private_sum import Release
from tests.ledger_world import make_charter

MOST = 2**20
KEYS = [SigningKey.generate().public for _ in range(7)]

texts = st.text(max_size=12).map(lambda text: unicodedata.normalize("NFC", text))
wholes = st.integers(-(2**70), 2**70) | st.sampled_from([23, 24, 255, 256, 2**32, 2**64 - 1, 2**64, -(2**64), 2**4095])
rationals = st.fractions() | st.builds(Fraction, wholes, st.integers(1, 2**70))
floats = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0)
vectors = (
    arrays(np.float64, st.integers(0, 5), elements=floats)
    | arrays(np.uint64, st.integers(0, 5))
    | arrays(np.int64, st.integers(0, 5))
)
leaves = st.none() | st.booleans() | wholes | st.binary(max_size=12) | texts | rationals | vectors
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))


def meaning(value: Any) -> Any:
    """What a value says, with its type: equal exactly when two mean the same (1 is not True)."""
    if isinstance(value, np.ndarray):
        return "array", value.dtype.str, value.tobytes()
    if isinstance(value, list | tuple):
        return "list", tuple(meaning(item) for item in value)
    if isinstance(value, dict):
        return "map", frozenset((key, meaning(item)) for key, item in value.items())
    return type(value).__name__, value


@settings(max_examples=150, deadline=None)
@given(values)
def test_what_was_written_is_read_back(value: Any) -> None:
    """Value, bytes, value, bytes: the same both times."""
    data = canonical.encode(value)
    again = canonical.decode(data, MOST)
    assert meaning(again) == meaning(value) and canonical.encode(again) == data


@settings(max_examples=150, deadline=None)
@given(values, values)
@example(1, True)
@example(0, False)
@example([1], np.array([1], dtype=np.int64))
@example(np.array([1], dtype=np.int64), np.array([1], dtype=np.uint64))
@example(1, Fraction(1))
@example(b"a", "a")
@example([], {})
@example(None, False)
@example([[1], 2], [[1, 2]])
def test_two_values_share_their_bytes_only_when_they_are_the_same(one: Any, other: Any) -> None:
    """Equal meanings, equal bytes; other meanings, other bytes."""
    assert (canonical.encode(one) == canonical.encode(other)) == (meaning(one) == meaning(other))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(texts, leaves, max_size=6), st.randoms(use_true_random=False))
def test_the_order_in_which_a_map_was_filled_is_lost(value: dict[str, Any], shuffle: Any) -> None:
    """Maps are written in the order of their keys' bytes, however they were made."""
    items = list(value.items())
    shuffle.shuffle(items)
    assert canonical.encode(dict(items)) == canonical.encode(value)


def judged(data: bytes, decode: Callable[[bytes], Any]) -> bool:
    """Whether `decode` took these bytes; if so they are exactly what it would write. Raises nothing else."""
    try:
        value = decode(data)
    except CanonicalError:
        return False
    assert canonical.encode(value) == data
    return True


def as_built(data: bytes) -> Any:
    return canonical.decode(data, MOST)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_refused_or_canonical(data: bytes) -> None:
    """Random bytes."""
    judged(data, as_built)


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    """The bytes of some value with a few bytes changed, taken out, put in or repeated."""
    data = bytearray(canonical.encode(draw(values)))
    for _ in range(draw(st.integers(1, 3))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 3))
        data[at : at + length] = draw(st.binary(max_size=3) | st.just(bytes(data[at : at + 4])))
    return bytes(data)


@settings(max_examples=400, deadline=None)
@given(bent())
def test_bent_bytes_are_refused_or_canonical(data: bytes) -> None:
    """Nearly valid bytes: other lengths, other orders, other types in the same places."""
    judged(data, as_built)


@settings(max_examples=200, deadline=None)
@given(values)
def test_the_same_value_in_another_writing_is_refused(value: Any) -> None:
    """A library that knows nothing of canonical form reads and writes it again, with long heads: refused."""
    data = canonical.encode(value)
    longer = _with_longer_head(data)
    assert not judged(longer, as_built)
    assert meaning_of_cbor(longer) == meaning_of_cbor(data)


def _with_longer_head(data: bytes) -> bytes:
    """The first data item with its argument in eight bytes; simple values, which have none, get a second item."""
    major, info = divmod(data[0], 32)
    if major == 7:
        return data + data
    size = 0 if info < 24 else 1 << info - 24
    argument = info if info < 24 else int.from_bytes(data[1 : 1 + size], "big")
    longer = bytes([major << 5 | 27]) + argument.to_bytes(8, "big") + data[1 + size :]
    return longer if longer != data else data + b"\x00"


def meaning_of_cbor(data: bytes) -> Any:
    """What a reader that is not strict makes of the first item."""
    return repr(cbor2.loads(data))


def test_a_lax_reader_is_caught() -> None:
    """Planted: a reader that takes any CBOR takes bytes that it would write otherwise."""
    with pytest.raises(AssertionError):
        judged(b"\x18\x05", cbor2.loads)
    assert not judged(b"\x18\x05", as_built) and judged(b"\x05", as_built)


# -- contexts ---------------------------------------------------------------------------------------------------------

Told = dict[str, Any]


def charter(**changes: Any) -> Charter:
    """A charter of three schools with fixed keys."""
    return make_charter(KEYS[0], [KEYS[1:3], KEYS[3:5], KEYS[5:7]], people=(), **changes)


def told(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Told:
    """Draw everything that a context is made from, each field from few values, so that two often share most of them."""
    digests = st.sampled_from([b"a" * 32, b"b" * 32])
    count = draw(st.integers(1, 2))
    return {
        "charter": charter(
            version=2,
            previous_hash=draw(digests),
            name=draw(st.sampled_from(["Noord", "Zuid"])),
            collusion_threshold=1,
        ),
        "experiment_hash": draw(digests),
        "run": draw(digests),
        "step": Step(draw(st.integers(1, 2)), tuple(draw(planned()) for _ in range(count))),
        "roster": [draw(parties()) for _ in range(draw(st.integers(0, 2)))],
        "attempt": draw(st.integers(0, 1)),
        "state": draw(st.dictionaries(st.sampled_from(["mean", "scale"]), vectors_of_state, max_size=2)),
    }


vectors_of_state = st.sampled_from([np.zeros(1), np.zeros(2), np.ones(1), np.array([5e-324])])


@st.composite
def planned(draw: st.DrawFn) -> PlannedQuery:
    edge = Fraction(draw(st.integers(1, 2)), 3)
    query = Table(draw(st.sampled_from(["one", "two"])), (Axis("outcome", (edge,)),), draw(st.sampled_from(["all"])))
    sizes = draw(st.sampled_from([1, 2])), Fraction(draw(st.sampled_from([1, 2])))
    return PlannedQuery(
        query, Release(*sizes, draw(st.sampled_from([10, 20])), Fraction(draw(st.sampled_from([8, 9]))))
    )


@st.composite
def parties(draw: st.DrawFn) -> Party:
    return Party(draw(st.sampled_from(["s0", "s1"])), draw(st.integers(1, 2)), draw(st.sampled_from(KEYS[:2])))


def all_fields(value: Any) -> Any:
    """Every field that a school may be told, one by one; dataclasses by their declared fields, so none is forgotten."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tobytes()
    if isinstance(value, dict):
        return {key: all_fields(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [all_fields(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return type(value).__name__, [(one.name, all_fields(getattr(value, one.name))) for one in fields(value)]
    return value


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_contexts_are_equal_only_when_every_field_is(data: st.DataObject) -> None:
    """Two draws that share all, some or none of their fields."""
    one, other = told(data.draw), told(data.draw)
    for name in data.draw(st.sets(st.sampled_from(sorted(one)))):
        other[name] = one[name]
    same = protocol.context_of(**one) == protocol.context_of(**other)
    assert same == (all_fields(one) == all_fields(other))


def _leaves(value: Any, rebuild: Callable[[Any], Any]) -> list[tuple[str, Any]]:
    """Every field below `value`, changed once: (where, the whole with that field changed)."""
    if isinstance(value, dict):
        return [
            (f"{key}{where}", changed)
            for key, item in value.items()
            for where, changed in _leaves(item, lambda new, key=key: rebuild({**value, key: new}))
        ]
    if isinstance(value, list | tuple):
        inner = [
            (f"[{at}]{where}", changed)
            for at, item in enumerate(value)
            for where, changed in _leaves(
                item, lambda new, at=at: rebuild(type(value)((*value[:at], new, *value[at + 1 :])))
            )
        ]
        return [*inner, ("[shorter]", rebuild(value[:-1])), ("[longer]", rebuild(type(value)((*value, *value[-1:]))))]
    if isinstance(value, Party | Step | PlannedQuery | Release):
        return [
            (f".{one.name}{where}", changed)
            for one in fields(value)
            for where, changed in _leaves(
                getattr(value, one.name), lambda new, name=one.name: rebuild(replace(value, **{name: new}))
            )
        ]
    return [(f" ({type(value).__name__})", rebuild(other)) for other in _others(value)]


def _others(value: Any) -> list[Any]:
    """Other values of the same type."""
    match value:
        case np.ndarray():
            return [np.append(value, 0.0), value + 1.0, value[:0]]
        case Charter():
            numbers = ("planning_students", "schools_per_person", "version")
            renamed = (replace(value.schools[0], name="Oost"), *value.schools[1:])
            return [
                *(replace(value, **{number: getattr(value, number) + 1}) for number in numbers),
                replace(value, name="Oost"),
                replace(value, schools=renamed),
                replace(value, coordinator_key=bytes(32)),
                replace(value, previous_hash=bytes(32)),
            ]
        case Table():
            axis = Axis("outcome", (Fraction(1, 7),))
            return [
                replace(value, title="other"),
                replace(value, axes=(axis,)),
                replace(value, students="held_out"),
            ]
        case bytes():
            return [bytes([value[0] ^ 1]) + value[1:], value[:-1] + bytes([value[-1] ^ 128])]
        case str():
            return [value + "x"]
        case int() | Fraction():
            return [value + 1]
    raise AssertionError(f"a context is made from a {type(value).__name__}: say here what another one is")


def base() -> Told:
    """One plain telling: two schools, two queries, a state of two arrays."""
    query = Table("one", (Axis("outcome", (Fraction(1, 2),)),))
    release = Release(2, Fraction(1), 1000, Fraction(10**12))
    second = PlannedQuery(replace(query, title="two"), replace(release, dimension=3))
    return {
        "charter": charter(version=2, previous_hash=b"h" * 32),
        "experiment_hash": b"e" * 32,
        "run": b"r" * 32,
        "step": Step(1, (PlannedQuery(query, release), second)),
        "roster": [Party("s0", 1, KEYS[0]), Party("s1", 1, KEYS[1])],
        "attempt": 0,
        "state": {"mean": np.zeros(2), "scale": np.ones(1)},
    }


def test_each_field_changed_once_gives_a_context_of_its_own() -> None:
    """Every field below what `context_of` takes, each changed in turn: no context is the first one, nor another's."""
    others = [other for _, other in _leaves(base(), lambda whole: whole)]
    contexts = {repr(all_fields(other)): protocol.context_of(**other) for other in others}
    assert len(contexts) > 35 and protocol.context_of(**base()) not in contexts.values()
    assert len(set(contexts.values())) == len(contexts)


def test_a_context_that_forgets_a_field_is_caught() -> None:
    """Planted: contexts that leave out, each in turn, what `context_of` takes."""

    def forgetful(name: str) -> Callable[[Told], bytes]:
        return lambda of: protocol.context_of(**{**of, name: base()[name]})

    for name in base():
        context = forgetful(name)
        collided = [where for where, other in _leaves(base(), lambda whole: whole) if context(other) == context(base())]
        assert any(where.startswith(name) for where in collided), name
