"""Arrives: a person's number at this school, and the school's key. Leaves: a pseudonym.

The key is a file of one line a layer, oldest first. A pseudonym is HMAC-SHA256 of the number under the first layer,
put through HMAC-SHA256 under each later one. So a new layer makes every pseudonym another without anybody's number
(`node/people/rotating.py`), and whoever lacks one layer can compute none: an old layer that leaked is worth nothing
alone.
"""

from __future__ import annotations

import hmac
import os
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from node.errors import UnusableInput
from privacy import canonical
from shared_schema import About

KEY_BYTES = 32
MAX_LAYERS = 100  # a pseudonym costs one HMAC a layer; a key that is renewed each year reaches this in a century
STUDENT_TAG = "datacoalitie/pseudonym/1"
APPLICANT_TAG = "datacoalitie/pseudonym-applicant/1"
STAFF_TAG = "datacoalitie/pseudonym-staff/1"
LAYER_TAG = "datacoalitie/pseudonym-layer/1"
CHECK_TAG = "datacoalitie/pseudonym-key-check/1"
_TAGS = {About.STUDENT: STUDENT_TAG, About.APPLICANT: APPLICANT_TAG, About.STAFF: STAFF_TAG}
_HEADS = {about: canonical.tagged(tag, "")[:-1] for about, tag in _TAGS.items()}  # a message up to its text


@dataclass(frozen=True)
class PseudonymKey:
    """The school's own key. It never leaves the node, and its text form shows nothing. layers: those added later."""

    secret: bytes = field(repr=False)
    layers: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def create(cls, path: Path) -> PseudonymKey:
        """Write a fresh key, readable by its owner only; raises UnusableInput where a file stands already."""
        key = cls(secrets.token_bytes(KEY_BYTES))
        try:
            key.save(path)
        except FileExistsError as error:
            raise _bad_key(
                "a file stands at its place already", "Keep that key: a new one makes every student new."
            ) from error
        return key

    @classmethod
    def load(cls, path: Path) -> PseudonymKey:
        """Read the key. Raises UnusableInput when it is absent, malformed or readable by others: no key, no intake."""
        try:
            lines = path.read_text(encoding="ascii").split()
            mode = path.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            raise _bad_key("no readable key file", "Run `coalition-node init`, or put the key file back.") from error
        if mode & 0o077:
            raise _bad_key("a key file that others can read", "Run `chmod 600` on it.")
        if not 1 <= len(lines) <= MAX_LAYERS or not all(map(_is_key, lines)):
            raise _bad_key("a file that is not a key", "Put the right key file back; never edit it.")
        first, *later = (bytes.fromhex(line) for line in lines)
        return cls(first, tuple(later))

    def save(self, path: Path) -> None:
        """Write the key where no file stands yet, readable by its owner only, and flush it; raises FileExistsError."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write("".join(layer.hex() + "\n" for layer in (self.secret, *self.layers)))
            file.flush()
            os.fsync(file.fileno())

    @property
    def generation(self) -> int:
        """How many layers there are: 1, and one more after each rotation."""
        return 1 + len(self.layers)

    def with_fresh_layer(self) -> PseudonymKey:
        """Return the key of the next generation; raises UnusableInput when there are too many."""
        if self.generation >= MAX_LAYERS:
            raise _bad_key(f"{self.generation} layers", f"A key has at most {MAX_LAYERS}; begin a new node.")
        return PseudonymKey(self.secret, (*self.layers, secrets.token_bytes(KEY_BYTES)))

    def pseudonym(self, identifier: str, about: About = About.STUDENT) -> str:
        """Return the pseudonym (64 hex digits) of a person's number; the text counts, so `012` is not `12`.

        One number gives other pseudonyms to a student, an applicant and a member of staff: the populations never meet.
        """
        text = unicodedata.normalize("NFC", identifier.strip())
        begun = self._begun[about].copy()
        begun.update(canonical.encode(text))  # as canonical.tagged(tag, text)
        pseudonym = begun.hexdigest()
        for layer in self.layers:
            pseudonym = _relayered(layer, pseudonym)
        return pseudonym

    @cached_property
    def _begun(self) -> Mapping[About, hmac.HMAC]:
        """The HMAC of each population up to the text, made once: a delivery names hundreds of thousands."""
        return {about: hmac.new(self.secret, head, "sha256") for about, head in _HEADS.items()}

    def renewed(self, pseudonym: str) -> str:
        """Return what a pseudonym of the generation before is in this one; the number itself is not needed."""
        return _relayered(self.layers[-1], pseudonym)

    def check_value(self) -> str:
        """Return a value that tells this key from another and gives neither away."""
        value = _keyed(self.secret, canonical.tagged(CHECK_TAG))
        for layer in self.layers:
            value = _keyed(layer, canonical.tagged(CHECK_TAG, value))
        return value


def _relayered(layer: bytes, pseudonym: str) -> str:
    return _keyed(layer, canonical.tagged(LAYER_TAG, pseudonym))


def _keyed(secret: bytes, message: bytes) -> str:
    return hmac.digest(secret, message, "sha256").hex()


def _is_key(line: str) -> bool:
    return len(line) == 2 * KEY_BYTES and all(digit in "0123456789abcdef" for digit in line)


def _bad_key(found: str, remedy: str) -> UnusableInput:
    rule = "Without the school's pseudonym key nothing is taken in."
    return UnusableInput("no_pseudonym_key", rule, found, remedy)
