"""Certificates and keys of the link: a real TLS client accepts the right host alone; private files stay private."""

from __future__ import annotations

import argparse
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from privacy import tls
from privacy.errors import TlsError
from privacy.identity import SigningKey

HOSTS = ["link.example.nl", "localhost", "127.0.0.1", "::1"]
NOW = datetime.now(UTC)
SECONDS = 10.0


def _answer_once(listener: socket.socket, context: ssl.SSLContext) -> None:
    with suppress(OSError):  # a client that refuses the certificate hangs up
        connection, _ = listener.accept()
        connection.settimeout(SECONDS)
        with context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.sendall(b"ok")


def shake(issued: tls.Issued, trusted: Path, host: str) -> bytes:
    """A TLS handshake over a loopback socket; what the server said. Raises `ssl.SSLError` when the client refuses.

    The client is as strict as Python 3.13's default (VERIFY_X509_STRICT).
    """
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=trusted)
    server.load_cert_chain(issued.certificate, issued.key)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        answering = threading.Thread(target=_answer_once, args=(listener, server))
        answering.start()
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=SECONDS) as raw,
                client.wrap_socket(raw, server_hostname=host) as wrapped,
            ):
                return wrapped.recv(2)
        finally:
            answering.join()


@pytest.mark.parametrize("host", HOSTS)
def test_a_strict_client_accepts_every_host_that_was_named(tmp_path: Path, host: str) -> None:
    """DNS names and addresses, IPv6 too, with the authority's certificate as the only thing trusted."""
    tls.make_authority(tmp_path, "Proefcoalitie")
    issued = tls.issue_server(tmp_path, HOSTS)
    assert shake(issued, issued.authority, host) == b"ok"


@pytest.mark.parametrize(
    ("host", "why"), [("other.example.nl", "Hostname mismatch"), ("127.0.0.2", "IP address mismatch")]
)
def test_another_host_is_refused(tmp_path: Path, host: str, why: str) -> None:
    """A certificate for one host is none for another, name or address."""
    tls.make_authority(tmp_path, "Proefcoalitie")
    issued = tls.issue_server(tmp_path, HOSTS)
    with pytest.raises(ssl.SSLCertVerificationError, match=why):
        shake(issued, issued.authority, host)


def test_another_authority_is_refused(tmp_path: Path) -> None:
    """An authority of the same name with another key vouches for nothing, also in a server's own folder."""
    for name in ("one", "two"):
        tls.make_authority(tmp_path / name, "Proefcoalitie")
    issued = tls.issue_server(tmp_path / "one", HOSTS)
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        shake(issued, tls.authority_at(tmp_path / "two").certificate, "localhost")


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    """Issued three days ago for two: the handshake fails on its date and on nothing else."""
    then = NOW - timedelta(days=3)
    tls.make_authority(tmp_path, "Proefcoalitie", now=then)
    issued = tls.issue_server(tmp_path, HOSTS, days=2, now=then)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        shake(issued, issued.authority, "localhost")
    renewed = tls.issue_server(tmp_path, HOSTS, days=4, now=then)
    assert shake(renewed, renewed.authority, "localhost") == b"ok"


def _only_constraints(draft: x509.CertificateBuilder, *_: object) -> x509.CertificateBuilder:
    return draft.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)


def _only_names(draft: x509.CertificateBuilder, *rest: object) -> x509.CertificateBuilder:
    return draft.add_extension(x509.SubjectAlternativeName(rest[-1]), critical=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("extensions", "poor"), [("_authority_extensions", _only_constraints), ("_server_extensions", _only_names)]
)
def test_a_certificate_without_its_extensions_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extensions: str, poor: Callable[..., object]
) -> None:
    """Positive control of strictness: with the extensions that a lenient client needs and no more, it is refused."""
    monkeypatch.setattr(tls, extensions, poor)
    tls.make_authority(tmp_path, "Proefcoalitie")
    issued = tls.issue_server(tmp_path, HOSTS)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(issued, issued.authority, "localhost")


def _may_sign(draft: x509.CertificateBuilder, public: ec.EllipticCurvePublicKey, *rest: Any) -> x509.CertificateBuilder:
    """The defence off: an authority without a limit, which may be a server as well."""
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    usage |= {"digital_signature": True, "key_cert_sign": True, "crl_sign": False}
    signer = rest[0] if rest else public
    draft = draft.add_extension(x509.SubjectAlternativeName(rest[-1]), critical=False) if rest else draft
    return (
        draft.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage, encipher_only=False, decipher_only=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _forged(folder: Path) -> tls.Issued:
    """A certificate for another host, signed with a stolen server's key, with the server's own as the link between."""
    stolen = tls.issue_server(folder, ["link.example.nl"])
    thief = tls.authority_at(folder / "thief")
    thief.key.parent.mkdir()
    shutil.copy(stolen.key, thief.key)
    shutil.copy(stolen.certificate, thief.certificate)
    forged = tls.issue_server(thief.key.parent, ["localhost"], days=30)
    forged.certificate.write_bytes(forged.certificate.read_bytes() + stolen.certificate.read_bytes())
    return forged


@pytest.mark.parametrize(
    ("defence", "why"),
    [
        (None, None),
        ("_authority_extensions", "path length constraint exceeded"),
        ("_server_extensions", "invalid CA certificate"),
    ],
)
def test_a_stolen_server_key_makes_no_further_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defence: str | None, why: str | None
) -> None:
    """Without constraints the forgery is believed; an authority without heirs, or a server that is none, stops it."""
    for extensions in {"_authority_extensions", "_server_extensions"} - {defence}:
        monkeypatch.setattr(tls, extensions, _may_sign)
    made = tls.make_authority(tmp_path, "Proefcoalitie")
    forged = _forged(tmp_path)
    if why is None:
        assert shake(forged, made.certificate, "localhost") == b"ok"
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match=why):
            shake(forged, made.certificate, "localhost")


def test_a_certificate_says_what_it_is(tmp_path: Path) -> None:
    """The authority may sign servers and no authority; a server is none, and serves only."""
    made = tls.make_authority(tmp_path, "Proefcoalitie")
    issued = tls.issue_server(tmp_path, HOSTS)
    said = [
        x509.load_pem_x509_certificate(path.read_bytes()).extensions for path in (made.certificate, issued.certificate)
    ]
    constraints = [one.get_extension_for_class(x509.BasicConstraints).value for one in said]
    assert [(one.ca, one.path_length) for one in constraints] == [(True, 0), (False, None)]
    assert list(said[1].get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_openssl_reads_the_same(tmp_path: Path) -> None:
    """Another program, the same verdicts: chain and purpose hold, the server may sign nothing, fingerprints agree."""
    tls.make_authority(tmp_path, "Proefcoalitie")
    issued = tls.issue_server(tmp_path, HOSTS)
    strict = ["verify", "-x509_strict", "-check_ss_sig", "-purpose", "sslserver", "-CAfile", str(issued.authority)]
    assert _openssl(*strict, "-verify_hostname", HOSTS[0], str(issued.certificate)).returncode == 0
    assert _openssl(*strict, "-verify_hostname", "other.nl", str(issued.certificate)).returncode != 0
    as_client = [*strict[:4], "sslclient", *strict[5:]]
    assert _openssl(*as_client, str(issued.certificate)).returncode != 0
    shown = _openssl("x509", "-noout", "-fingerprint", "-sha256", "-in", str(issued.authority)).stdout
    assert shown.strip().partition("=")[2] == tls.certificate_fingerprint(issued.authority)


def _openssl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)


# ---- files


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_private_files_are_private_and_a_server_sees_no_authority_key(tmp_path: Path) -> None:
    """Mode 0600 for keys, 0644 for certificates; the server's folder holds three files and not the authority's key."""
    made = tls.make_authority(tmp_path / "authority", "Proefcoalitie")
    issued = tls.issue_server(tmp_path / "authority", HOSTS, out=tmp_path / "server")
    assert (_mode(made.key), _mode(made.certificate)) == (0o600, 0o644)
    assert (_mode(issued.key), _mode(issued.certificate), _mode(issued.authority)) == (0o600, 0o644, 0o644)
    assert sorted(path.name for path in (tmp_path / "server").iterdir()) == ["ca.pem", "server.key", "server.pem"]
    assert issued.authority.read_bytes() == made.certificate.read_bytes()
    with pytest.raises(TlsError, match="never holds the authority's key"):
        tls.issue_server(tmp_path / "authority", HOSTS, out=tmp_path / "server" / ".." / "authority")


def test_an_authority_is_never_overwritten(tmp_path: Path) -> None:
    """Neither when both files are there nor when one is; what was there stays."""
    made = tls.make_authority(tmp_path, "Proefcoalitie")
    before = made.key.read_bytes(), made.certificate.read_bytes()
    for rest in ([made.key, made.certificate], [made.certificate]):
        with pytest.raises(TlsError, match=f"{rest[0].name} is there already"):
            tls.make_authority(tmp_path, "Proefcoalitie")
        if len(rest) == 2:
            assert (made.key.read_bytes(), made.certificate.read_bytes()) == before
            made.key.unlink()


def test_renewal_replaces_files_whole(tmp_path: Path) -> None:
    """A reader that had opened the old files keeps them; the new pair works, with a fresh key and no draft left."""
    tls.make_authority(tmp_path, "Proefcoalitie")
    old = tls.issue_server(tmp_path, HOSTS, days=10)
    with old.key.open("rb") as reading, old.certificate.open("rb") as also:
        new = tls.issue_server(tmp_path, ["new.example.nl"], days=20)
        assert reading.read() != new.key.read_bytes() and also.read() != new.certificate.read_bytes()
    assert shake(new, new.authority, "new.example.nl") == b"ok"
    assert new.until - old.until >= timedelta(days=10)
    assert len(list(old.key.parent.iterdir())) == 3


def test_an_authority_under_a_passphrase_opens_with_it_alone(tmp_path: Path) -> None:
    """The right passphrase issues; none and another are refused, in words that hold nothing of either."""
    made = tls.make_authority(tmp_path, "Proefcoalitie", passphrase="geheim woord")
    assert b"ENCRYPTED" in made.key.read_bytes()
    for wrong in (None, "ander woord"):
        with pytest.raises(TlsError, match="no key this passphrase opens") as caught:
            tls.issue_server(tmp_path, HOSTS, passphrase=wrong)
        assert "woord" not in str(caught.value) and caught.value.__cause__ is None
    issued = tls.issue_server(tmp_path, HOSTS, passphrase="geheim woord")
    assert shake(issued, issued.authority, "localhost") == b"ok"


def _garbage(folder: Path) -> None:
    (folder / "ca.key").write_text("top secret")


def _other_kind(folder: Path) -> None:
    (folder / "ca.key").unlink()
    SigningKey.generate().save(folder / "ca.key")


def _other_authority(folder: Path) -> None:
    made = tls.make_authority(folder / "other", "Proefcoalitie")
    made.key.replace(folder / "ca.key")


def _no_certificate(folder: Path) -> None:
    (folder / "ca.pem").write_text("top secret")


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda folder: (folder / "ca.key").unlink(), "No such file"),
        (lambda folder: (folder / "ca.pem").unlink(), "No such file"),
        (_garbage, "no key this passphrase opens"),
        (_other_kind, "another kind than EC"),
        (_other_authority, "not the one in ca.pem"),
        (_no_certificate, "no certificate in PEM"),
    ],
)
def test_a_spoilt_authority_issues_nothing(tmp_path: Path, spoil: Callable[[Path], object], found: str) -> None:
    """Absent, garbage, another kind of key, the key of another authority: named, never quoted, nothing written."""
    tls.make_authority(tmp_path, "Proefcoalitie")
    spoil(tmp_path)
    with pytest.raises(TlsError, match=found) as caught:
        tls.issue_server(tmp_path, HOSTS)
    assert "top secret" not in str(caught.value) and not (tmp_path / "server").exists()


# ---- what may be asked for


@pytest.mark.parametrize(
    "host",
    [
        *("", " ", "link.example.nl:9092", "https://link.example.nl", "*.example.nl", "a b.nl", "-a.nl", "a..nl"),
        *("één.nl", "300.1.1.1", "1.2.3", "[::1]", "fe80::1%eth0", "a." * 127 + "nl", "a" * 64 + ".nl", "a.nl\nb.nl"),
    ],
)
def test_what_is_no_host_is_refused(tmp_path: Path, host: str) -> None:
    """Ports, web addresses, wildcards, mistyped addresses, other letters; a good one beside it does not help."""
    tls.make_authority(tmp_path, "Proefcoalitie")
    with pytest.raises(TlsError, match="A host is a DNS name"):
        tls.issue_server(tmp_path, ["localhost", host])


def test_hosts_are_named_once_and_without_capitals(tmp_path: Path) -> None:
    """`Link.Example.NL` twice is one name; no host at all is refused."""
    tls.make_authority(tmp_path, "Proefcoalitie")
    issued = tls.issue_server(tmp_path, ["Link.Example.NL", "link.example.nl", "10.0.0.1"])
    certificate = x509.load_pem_x509_certificate(issued.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["link.example.nl"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    with pytest.raises(TlsError, match="names its hosts"):
        tls.issue_server(tmp_path, [])


@pytest.mark.parametrize("days", [0, -1, 826])
def test_a_server_is_valid_for_a_reasonable_time(tmp_path: Path, days: int) -> None:
    """No day, days gone by and more than 825 are refused."""
    tls.make_authority(tmp_path, "Proefcoalitie")
    with pytest.raises(TlsError, match=f"Found: {days} days"):
        tls.issue_server(tmp_path, HOSTS, days=days)


@pytest.mark.parametrize(("name", "years"), [("", 10), ("  ", 10), ("x" * 65, 10), ("x", 0), ("x", 31)])
def test_an_authority_has_a_name_and_an_end(tmp_path: Path, name: str, years: int) -> None:
    """An empty or long name, no year and too many years are refused, and nothing is written."""
    with pytest.raises(TlsError, match="An authority"):
        tls.make_authority(tmp_path, name, years)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ago", "found"), [(300, "65 days left. Ask for at most 65 days"), (400, "0 days left. Make a new")]
)
def test_no_certificate_outlives_its_authority(tmp_path: Path, ago: int, found: str) -> None:
    """An authority of one year with 65 days left, and one that has ended: each says what remains to be done."""
    tls.make_authority(tmp_path, "Proefcoalitie", years=1, now=NOW - timedelta(days=ago, hours=-1))
    with pytest.raises(TlsError, match=found):
        tls.issue_server(tmp_path, HOSTS, days=90, now=NOW)


# ---- the relay's key


def test_a_relay_key_comes_back_and_the_halves_fit(tmp_path: Path) -> None:
    """OpenSSH format, P-384, mode 0600 beside a public line that anyone may read and that belongs to the key."""
    path = tmp_path / "keys" / "relay.key"
    line = tls.make_relay_key(path)
    beside = path.with_name("relay.key.pub")
    key = serialization.load_ssh_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp384r1"
    assert serialization.load_ssh_public_key(beside.read_bytes()) == key.public_key()
    assert beside.read_text() == line + "\n" and line.startswith("ecdsa-sha2-nistp384 ")
    assert (_mode(path), _mode(beside)) == (0o600, 0o644)


def test_a_relay_key_is_never_overwritten(tmp_path: Path) -> None:
    """A second key under the same name is refused, also when only the public half is left; what was there stays."""
    path = tmp_path / "relay.key"
    line = tls.make_relay_key(path)
    with pytest.raises(TlsError, match=r"relay\.key is there already"):
        tls.make_relay_key(path)
    path.unlink()
    with pytest.raises(TlsError, match=r"relay\.key\.pub is there already"):
        tls.make_relay_key(path)
    assert path.with_name("relay.key.pub").read_text().strip() == line


def test_flower_reads_both_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flower's own code takes the private key for a SuperNode, and the public one to register it."""
    monkeypatch.setenv("FLWR_TELEMETRY_ENABLED", "0")
    monkeypatch.setenv("FLWR_HOME", str(tmp_path / "flower"))
    from flwr.cli.supernode.register import try_load_public_key
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes
    from flwr.supernode.cli.flower_supernode import _try_setup_client_authentication

    path = tmp_path / "relay.key"
    tls.make_relay_key(path)
    words = argparse.Namespace(auth_supernode_private_key=str(path), auth_supernode_public_key=None)
    pair = _try_setup_client_authentication(words)
    assert pair is not None
    assert public_key_to_bytes(pair[1]) == try_load_public_key(path.with_name("relay.key.pub"))
    assert _flower_exit(path) == 0
    path.write_text("no key")
    assert _flower_exit(path) > 0


def _flower_exit(path: Path) -> int:
    """How a process ends that gives Flower this key. On its own: Flower kills its process 5 s after it refuses one."""
    words = f"argparse.Namespace(auth_supernode_private_key={str(path)!r}, auth_supernode_public_key=None)"
    name = "_try_setup_client_authentication"
    code = f"import argparse; from flwr.supernode.cli.flower_supernode import {name} as read; read({words})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode
