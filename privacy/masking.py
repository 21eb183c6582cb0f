"""A roster of public keys and a context arrive; one vector of words that cancels over the roster leaves.

Every pair of schools shares one keystream per context; the lower of the two ids adds it, the higher one
subtracts it. Claim, assumptions and proof stand in `masking.md`; its labels [M1] to [M9] mark lines here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from privacy import canonical
from privacy.errors import MaskError
from privacy.lattice import MAX_DIMENSION

Words = npt.NDArray[np.uint64]

PAIR_TAG: Final = "datacoalitie/mask-pair/1"
KEY_BYTES: Final = 32
MAX_SCHOOLS: Final = 10_000
_FIELD_PRIME: Final = 2**255 - 19
_CHUNK: Final = 2**15
"""Words of keystream made at once: 256 KiB stays in cache between the cipher and the addition."""


@dataclass(frozen=True)
class Party:
    """A school in one run: its id, the epoch of its ephemeral key, and that X25519 public key (32 bytes)."""

    school: str
    epoch: int
    key: bytes


class EphemeralKey:
    """A school's X25519 secret for one run: made in memory, never written, shown, copied or sent.

    OpenSSL wipes the secret when the last reference goes, which `destroy` drops. There is no way in or out
    for a secret: a node that restarts makes a new key, of its next epoch.
    """

    __slots__ = ("_secret", "public")

    public: bytes
    """The public key, 32 bytes."""

    def __init__(self, secret: X25519PrivateKey) -> None:
        self._secret: X25519PrivateKey | None = secret
        self.public = secret.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> "EphemeralKey":
        """Return a fresh key from the operating system's randomness, by way of OpenSSL."""
        return cls(X25519PrivateKey.generate())

    def destroy(self) -> None:
        """Forget the secret; whoever needs it afterwards gets `MaskError`. Destroying twice is harmless."""
        self._secret = None

    def agree(self, public: bytes) -> bytes:
        """Return the X25519 secret shared with the holder of `public` (32 bytes).

        Raises `MaskError` after `destroy`; for an encoding that is not reduced (two byte strings of one point
        would pass for two schools); and for a point of small order, which shares one secret with everybody.
        """
        if self._secret is None:
            raise MaskError("an ephemeral key serves one run; this one was destroyed; prepare the run again")
        if len(public) != KEY_BYTES or int.from_bytes(public, "little") >= _FIELD_PRIME:  # [M4]
            raise MaskError("a public key is 32 bytes of a reduced coordinate; this one is not; refuse its school")
        try:
            return self._secret.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError:  # [M4] the all-zero secret
            raise MaskError("a public key has a large order; this one has a small one; refuse its school") from None

    def __repr__(self) -> str:
        return f"EphemeralKey(public={self.public.hex()})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:  # [M9]
        raise MaskError("an ephemeral key stays in memory; it was to be copied or written; make a new one")


def pairwise_mask(own: Party, key: EphemeralKey, roster: Sequence[Party], context: bytes, dimension: int) -> Words:
    """Return this school's mask: the signed sum of its keystreams with all others, uint64 [dimension].

    The masks of all schools of `roster` sum to zero mod 2**64 when all were made with the same keys and
    `context`; where one was not, the sum is as good as uniform. `roster` is sorted by id and contains `own`.
    `context` must name everything the answer depends on (DESIGN section 3), the roster with its epochs
    included, and must never be used for two different vectors.
    Neighbours and sensitivity: the mask depends on no student. Edge cases: with only one school unknown to
    the attacker a mask hides nothing; keeping n >= t + 2 is the node's policy, not tested here.
    Raises `MaskError` for a roster that is unsorted, of fewer than two, or has an id or key twice; for an
    `own` that is not in it exactly so, or does not fit `key`; for a bad key, an empty context or dimension.
    """
    _check_roster(own, key, roster)
    _check_use(context, dimension)
    mask = np.zeros(dimension, dtype=np.uint64)
    for peer in roster:
        if peer.school != own.school:
            secret = _pair_secret(own, key, peer, context)
            _blend(mask, secret, np.add if own.school < peer.school else np.subtract)  # [M1]
    return mask


def check_roster(own: Party, key: EphemeralKey, roster: Sequence[Party]) -> None:
    """Return when a mask can be made with this roster; raise `MaskError` as `pairwise_mask` would.

    For a node that is to refuse a roster before it looks at a row.
    """
    _check_roster(own, key, roster)
    for peer in roster:
        if peer.school != own.school:
            key.agree(peer.key)


def _pair_secret(own: Party, key: EphemeralKey, peer: Party, context: bytes) -> bytes:
    """Return the key that `own` and `peer` share for this context and for nothing else, 32 bytes."""
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=_binding(own, peer, context)).derive(key.agree(peer.key))


def _binding(own: Party, peer: Party, context: bytes) -> bytes:
    """Return the hash of all that the pair must agree on, the same from both ends."""
    low, high = sorted((own, peer), key=lambda party: party.school)
    return canonical.digest(PAIR_TAG, context, low.school, low.key, high.school, high.key)  # [M2]


def _blend(mask: Words, secret: bytes, combine: np.ufunc) -> None:
    """Add to `mask`, or subtract from it, the AES-256-CTR keystream of `secret`, mod 2**64, in place.

    The counter starts at zero: a secret makes one keystream in its life.
    """
    stream = Cipher(AES256(secret), CTR(bytes(16))).encryptor()  # [M3]
    zeros, buffer = bytes(8 * _CHUNK), bytearray(8 * _CHUNK + 15)
    for start in range(0, len(mask), _CHUNK):
        part = mask[start : start + _CHUNK]
        stream.update_into(memoryview(zeros)[: 8 * len(part)], buffer)
        combine(part, np.frombuffer(buffer, dtype="<u8", count=len(part)), out=part)  # [M8]


def _check_roster(own: Party, key: EphemeralKey, roster: Sequence[Party]) -> None:
    if not 2 <= len(roster) <= MAX_SCHOOLS:  # [M7]
        raise MaskError(f"a mask needs 2 to {MAX_SCHOOLS} schools; this roster has {len(roster)}; correct it")
    ids = [party.school for party in roster]
    if len(set(ids)) != len(ids):  # [M5]
        raise MaskError("a roster names a school once; this one repeats an id; refuse the request")
    if ids != sorted(ids):  # [M5]
        raise MaskError("a roster is sorted by id; this one is not; refuse the request")
    if len({party.key for party in roster}) != len(ids):  # [M5]
        raise MaskError("a roster holds a key once; here two schools show the same key; refuse the request")
    if own.key != key.public or own not in roster:  # [M6]
        raise MaskError("a roster shows this school with its own epoch and key; this one does not; refuse it")


def _check_use(context: bytes, dimension: int) -> None:
    if type(context) is not bytes or not context:
        raise MaskError("a mask is bound to a context; this one is empty or no bytes; name the question")
    if type(dimension) is not int or not 1 <= dimension <= MAX_DIMENSION:
        raise MaskError(f"a mask has 1 to {MAX_DIMENSION} words; {dimension!r} were asked; correct the query")
