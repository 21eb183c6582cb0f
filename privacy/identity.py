"""Arrives: bytes to sign, or a signature to judge. Leaves: an Ed25519 signature, a key file, or
`SignatureError`.

Every long-lived identity of the coalition (node, FG, coordinator, analyst, reviewer) is one Ed25519 key (RFC
8032). Public keys and signatures travel raw, 32 and 64 bytes; private keys rest in PEM PKCS#8 files of mode
0600.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from privacy.errors import SignatureError

PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64


class KeyFileError(SignatureError):
    """A key file is absent, unreadable, of another kind, or in the way; or its passphrase is wrong."""


class SigningKey:
    """An Ed25519 private key. It is never printed: `repr` shows the first bytes of the public key only."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> SigningKey:
        """A fresh key from the operating system's CSPRNG."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_file(cls, path: Path, passphrase: str | None = None) -> SigningKey:
        """Read a PEM PKCS#8 file. Raises `KeyFileError`; the error never holds anything of the key."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _unusable(path, error.strerror or "unreadable") from error
        try:
            key = serialization.load_pem_private_key(data, _secret(passphrase))
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # The library's message may quote the file, so it is not chained.
            raise _unusable(path, "no key this passphrase opens") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise _unusable(path, "a key of another kind than Ed25519")
        return cls(key)

    @property
    def public(self) -> bytes:
        """The public key, 32 raw bytes."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`, which starts with a tag of its type (`canonical.tagged`)."""
        return self._key.sign(message)

    def save(self, path: Path, passphrase: str | None = None) -> None:
        """Write the key as PEM PKCS#8, mode 0600, by rename: a reader sees the whole file or none.

        An existing file is refused: a key that was overwritten cannot be had back. Raises `KeyFileError`.
        """
        if path.exists():
            raise _unusable(path, "a file that is there already", "Choose another name or move the old key away.")
        data = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, _encryption(passphrase)
        )
        write_private(path, data)

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public[:4].hex()}…)"


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Return when `signature` (64 bytes) is that of `public` (32 raw bytes) over `message`.

    Raises `SignatureError` otherwise, also for a key or signature of another size.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise SignatureError(
            "A signature must be made by the key that the charter names, over exactly these bytes. "
            f"Found: one that does not fit key {bytes(public[:4]).hex()}…. "
            "Ask the signer to sign this very text again, and compare the key by another channel."
        ) from error


def fingerprint(public: bytes) -> str:
    """Eight groups of four hex digits (the key's first 128 bits) that two people can compare by telephone."""
    digits = public.hex()[:32]
    return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))


def write_private(path: Path, data: bytes) -> None:
    """Write `data` to `path` durably with mode 0600, by rename within the same folder. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):  # the rename itself may have succeeded
            draft.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename within `folder` durable (POSIX asks for an fsync of the directory). Raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _secret(passphrase: str | None) -> bytes | None:
    return None if passphrase is None else passphrase.encode()


def _encryption(passphrase: str | None) -> serialization.KeySerializationEncryption:
    if passphrase is None:
        return serialization.NoEncryption()
    return serialization.BestAvailableEncryption(passphrase.encode())


def _unusable(path: Path, found: str, remedy: str = "Name the right file and passphrase.") -> KeyFileError:
    return KeyFileError(
        f"A key file holds one Ed25519 private key in PEM PKCS#8. Found at {path.name}: {found}. {remedy}"
    )
