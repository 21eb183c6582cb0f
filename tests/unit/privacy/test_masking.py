"""Masks cancel over exactly one roster and one context; everything else about a roster is refused."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privacy import canonical, masking
from privacy.errors import MaskError
from privacy.masking import EphemeralKey, Party, pairwise_mask

CONTEXT = b"context of one exchange"
PRIME = 2**255 - 19
LOW_ORDER = {
    "0": 0,
    "1": 1,
    "order 8": 325606250916557431795983626356110631294008115727848805560023387167927233504,
    "order 8 too": 39382357235489614581723060781553021112529911719440698176882885853963445705823,
    "p - 1": PRIME - 1,
}


def coalition(size: int) -> tuple[list[Party], list[EphemeralKey]]:
    """Return a sorted roster and its keys."""
    keys = [EphemeralKey.generate() for _ in range(size)]
    return [Party(f"school-{i:02d}", 1, key.public) for i, key in enumerate(keys)], keys


def masks(roster: list[Party], keys: list[EphemeralKey], context: bytes = CONTEXT, size: int = 100) -> np.ndarray:
    return np.array([pairwise_mask(own, key, roster, context, size) for own, key in zip(roster, keys, strict=True)])


@pytest.mark.parametrize("size", [2, 3, 7])
def test_masks_cancel_over_the_roster(size: int) -> None:
    """All masks of a roster add up to zero mod 2**64; none of them, and no proper part of them, does."""
    all_masks = masks(*coalition(size))
    assert not all_masks.sum(axis=0, dtype=np.uint64).any()
    for left_out in range(size):
        assert np.delete(all_masks, left_out, axis=0).sum(axis=0, dtype=np.uint64).all()


def test_masks_cancel_across_chunks_of_keystream() -> None:
    """A vector longer than one chunk, and not a multiple of it, has one unbroken keystream."""
    roster, keys = coalition(2)
    size = 2 * masking._CHUNK + 5
    long = masks(roster, keys, size=size)
    assert not long.sum(axis=0, dtype=np.uint64).any()
    assert len(np.unique(long[0])) == size
    np.testing.assert_array_equal(masks(roster, keys, size=7)[0], long[0, :7])


def test_the_keystream_is_aes_256_in_counter_mode() -> None:
    """An independent route to the same words: AES-GCM of zeros encrypts with the counters that follow its nonce.

    GCM's counter blocks are nonce || 32-bit counter from 2; ours start at zero, so its block 2 is our block 2.
    """
    mask = np.zeros(64, dtype=np.uint64)
    masking._blend(mask, bytes(range(32)), np.add)
    blocks = AESGCM(bytes(range(32))).encrypt(bytes(12), bytes(8 * 64 - 32), None)[:-16]
    assert mask.astype("<u8").tobytes()[32:] == blocks


def test_words_are_uniform() -> None:
    """Every bit of a mask of 100,000 words is one in half of them, within 6 standard deviations (64 bits: 1.3e-7)."""
    words = masks(*coalition(2), size=100_000)[0]
    ones = [int(((words >> np.uint64(bit)) & np.uint64(1)).sum()) for bit in range(64)]
    assert max(abs(count - 50_000) for count in ones) < 6 * np.sqrt(25_000)


def test_another_context_gives_an_unrelated_mask() -> None:
    """One bit of the context changes every word."""
    roster, keys = coalition(2)
    assert (masks(roster, keys, b"a")[0] != masks(roster, keys, b"b")[0]).all()


def test_the_binding_is_a_tagged_array_the_same_from_both_ends() -> None:
    """H covers [tag, context, id_lo, key_lo, id_hi, key_hi], whoever computes it, and no concatenation."""
    low, high = Party("a", 1, b"1" * 32), Party("b", 2, b"2" * 32)
    expected = canonical.digest("datacoalitie/mask-pair/1", CONTEXT, "a", b"1" * 32, "b", b"2" * 32)
    assert masking._binding(low, high, CONTEXT) == masking._binding(high, low, CONTEXT) == expected
    assert masking._binding(Party("ab", 1, b""), Party("c", 1, b""), b"x") != masking._binding(
        Party("a", 1, b""), Party("bc", 1, b""), b"x"
    )


def _refused(roster: list[Party], own: Party, key: EphemeralKey, match: str) -> None:
    with pytest.raises(MaskError, match=match):
        pairwise_mask(own, key, roster, CONTEXT, 4)


def test_a_roster_with_an_id_twice_is_refused() -> None:
    """Two keys under one id: the sign would be decided twice."""
    roster, keys = coalition(3)
    roster[2] = replace(roster[2], school=roster[1].school)
    _refused(roster, roster[0], keys[0], "repeats an id")


def test_a_roster_with_a_key_twice_is_refused() -> None:
    """One key under two ids: the masks of the two could cancel."""
    roster, keys = coalition(3)
    roster[2] = replace(roster[2], key=roster[1].key)
    _refused(roster, roster[0], keys[0], "the same key")


def test_the_own_key_under_another_id_is_refused() -> None:
    """Beside the own entry, or in its place."""
    roster, keys = coalition(3)
    own = roster[0]
    _refused([own, replace(roster[1], key=own.key), roster[2]], own, keys[0], "the same key")
    _refused([replace(own, school="aaa"), *roster[1:]], own, keys[0], "its own epoch and key")


def test_the_own_id_with_another_key_or_epoch_is_refused() -> None:
    """A relay that replaced this school's key, or recalls an earlier epoch, is found out here."""
    roster, keys = coalition(3)
    own = roster[0]
    other = EphemeralKey.generate()
    _refused([replace(own, key=other.public), *roster[1:]], own, keys[0], "its own epoch and key")
    _refused([replace(own, epoch=2), *roster[1:]], own, keys[0], "its own epoch and key")
    _refused(roster, own, other, "its own epoch and key")


def test_an_unsorted_roster_is_refused() -> None:
    """One order for all, or signs would differ."""
    roster, keys = coalition(3)
    _refused(roster[::-1], roster[0], keys[0], "sorted")


def test_a_roster_of_one_or_of_too_many_is_refused() -> None:
    """A mask over oneself would be zero: an own figure has no mask and does not come here."""
    roster, keys = coalition(2)
    _refused(roster[:1], roster[0], keys[0], "needs 2")
    _refused([], roster[0], keys[0], "needs 2")
    _refused(roster * 6000, roster[0], keys[0], "needs 2")


@pytest.mark.parametrize("name", LOW_ORDER)
def test_points_of_small_order_are_refused(name: str) -> None:
    """With such a key the shared secret is zero, known to all: the mask would hide nothing."""
    roster, keys = coalition(2)
    _refused(
        [roster[0], replace(roster[1], key=LOW_ORDER[name].to_bytes(32, "little"))], roster[0], keys[0], "small one"
    )


@pytest.mark.parametrize("number", [PRIME, PRIME + 1, PRIME + 9, 2**255 - 1, 2**255, 2**255 + 9, 2**256 - 1])
def test_encodings_that_are_not_reduced_are_refused(number: int) -> None:
    """Two byte strings of one point would pass for two schools."""
    roster, keys = coalition(2)
    _refused([roster[0], replace(roster[1], key=number.to_bytes(32, "little"))], roster[0], keys[0], "reduced")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_keys_of_another_length_are_refused(size: int) -> None:
    """Thirty-two bytes and no others."""
    roster, keys = coalition(2)
    _refused([roster[0], replace(roster[1], key=b"\x09" * size)], roster[0], keys[0], "32 bytes")


@pytest.mark.parametrize("context", [b"", "text", None])
def test_an_empty_context_is_refused(context: bytes) -> None:
    """A mask bound to nothing is what the attacker wants."""
    roster, keys = coalition(2)
    with pytest.raises(MaskError, match="context"):
        pairwise_mask(roster[0], keys[0], roster, context, 4)


@pytest.mark.parametrize("dimension", [0, -1, 10**7 + 1, True, 1.0])
def test_a_dimension_out_of_range_is_refused(dimension: int) -> None:
    """From one to ten million words."""
    roster, keys = coalition(2)
    with pytest.raises(MaskError, match="words"):
        pairwise_mask(roster[0], keys[0], roster, CONTEXT, dimension)


def test_a_key_cannot_be_written_copied_or_shown() -> None:
    """Pickle, copy and repr have nothing to give; there is no constructor from bytes and no dictionary."""
    key = EphemeralKey.generate()
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(MaskError, match="memory"):
            leak(key)
    secret = key._secret
    assert secret is not None
    assert secret.private_bytes_raw().hex() not in repr(key) + str(key) and key.public.hex() in repr(key)
    assert not hasattr(key, "__dict__")


def test_a_destroyed_key_makes_no_mask() -> None:
    """After `destroy` the secret is gone, whoever asks; destroying again changes nothing."""
    roster, keys = coalition(2)
    keys[0].destroy()
    keys[0].destroy()
    assert keys[0]._secret is None
    with pytest.raises(MaskError, match="destroyed"):
        pairwise_mask(roster[0], keys[0], roster, CONTEXT, 4)
    assert keys[0].public == roster[0].key


def test_a_roster_is_judged_as_a_mask_would_judge_it() -> None:
    """`check_roster` passes what makes a mask, and refuses an unsorted roster and a peer's bad key, with no context."""
    roster, keys = coalition(3)
    masking.check_roster(roster[0], keys[0], roster)
    bad = [roster[0], replace(roster[1], key=LOW_ORDER["order 8"].to_bytes(32, "little")), roster[2]]
    for wrong, match in ((roster[::-1], "sorted"), (roster[:1], "needs 2"), (bad, "small one")):
        with pytest.raises(MaskError, match=match):
            masking.check_roster(roster[0], keys[0], wrong)
