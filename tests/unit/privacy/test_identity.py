"""Keys: what is signed verifies, anything else does not, and key files are private and whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from privacy import identity
from privacy.errors import SignatureError
from privacy.identity import KeyFileError, SigningKey, fingerprint, verify, write_private


def test_a_signature_verifies_under_its_own_key_and_message_only() -> None:
    """Another key, another message, a flipped bit, or a key or signature of another size is refused."""
    key, other = SigningKey.generate(), SigningKey.generate()
    signature = key.sign(b"message")
    verify(key.public, b"message", signature)
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    for public, message, given in [
        (other.public, b"message", signature),
        (key.public, b"another", signature),
        (key.public, b"message", flipped),
        (key.public[:-1], b"message", signature),
        (key.public, b"message", signature[:-1]),
    ]:
        with pytest.raises(SignatureError, match="Ask the signer"):
            verify(public, message, given)


@pytest.mark.parametrize("passphrase", [None, "geheim wachtwoord"])
def test_a_saved_key_comes_back_and_the_file_is_private(tmp_path: Path, passphrase: str | None) -> None:
    """Mode 0600, no draft left behind, the same key; with a passphrase the file does not open without it."""
    key, path = SigningKey.generate(), tmp_path / "keys" / "node.pem"
    key.save(path, passphrase)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert SigningKey.from_file(path, passphrase).public == key.public
    with pytest.raises(KeyFileError, match="no key this passphrase opens"):
        SigningKey.from_file(path, "another" if passphrase else "not needed")


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    """A second key under the same name is refused and the first stays."""
    path = tmp_path / "node.pem"
    first = SigningKey.generate()
    first.save(path)
    with pytest.raises(KeyFileError, match="there already"):
        SigningKey.generate().save(path)
    assert SigningKey.from_file(path).public == first.public


def test_files_that_are_no_ed25519_key_are_refused_without_quoting_them(tmp_path: Path) -> None:
    """Absent, garbage and another kind of key: the file's name is in the message, its content is not."""
    garbage, curve = tmp_path / "garbage.pem", tmp_path / "curve.pem"
    garbage.write_text("top secret")
    curve.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    for path in (tmp_path / "absent.pem", garbage, curve):
        with pytest.raises(KeyFileError, match=path.name) as caught:
            SigningKey.from_file(path)
        assert "top secret" not in str(caught.value)


def test_a_write_that_fails_leaves_neither_draft_nor_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses the sync, the folder is as it was."""

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(identity.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(tmp_path / "file", b"data")
    assert list(tmp_path.iterdir()) == []


def test_neither_repr_nor_fingerprint_shows_the_private_key() -> None:
    """A key prints as the start of its public key; people compare eight groups of four digits."""
    key = SigningKey.generate()
    assert repr(key) == f"SigningKey(public={key.public[:4].hex()}…)"
    groups = fingerprint(key.public).split(" ")
    assert "".join(groups) == key.public.hex()[:32] and [len(group) for group in groups] == [4] * 8
