"""Arrives: a folder, host names, days. Leaves: certificates for the link between coordinator and relays, or `TlsError`.

Two kinds of key, neither of which opens or signs anything of a finding; all three are EC keys on P-384 (FIPS 186-5):

- an *authority* of the coalition's own (`ca.key`, `ca.pem`) signs the certificate (`server.pem`, `server.key`) with
  which the coordinator's address proves to a relay that it is the right one (TLS, RFC 5280 and RFC 6125);
- a *relay key* in OpenSSH format, with which Flower knows a registered relay again.

Whoever steals one can listen to masked, noised sums or stand in the way. What a node answers is decided by Ed25519
signatures that these keys cannot make (`privacy.identity`).
"""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from privacy.errors import TlsError
from privacy.identity import write_private

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

AUTHORITY_YEARS = 10
SERVER_DAYS = 397
LONGEST_NAME = 64  # of a common name, RFC 5280 appendix A.1 (ub-common-name)
LONGEST_HOST = 253
SKEW = timedelta(hours=1)  # a relay whose clock runs behind accepts a certificate of this minute
PUBLIC_MODE = 0o644
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Authority:
    """Where an authority lies: `key` stays with the coordinator, mode 0600; `certificate` goes to every school."""

    key: Path
    certificate: Path


@dataclass(frozen=True)
class Issued:
    """What a server reads: its `certificate`, its private `key` (mode 0600), the `authority` certificate beside them.

    `until` is the last moment of validity (UTC).
    """

    certificate: Path
    key: Path
    authority: Path
    until: datetime


def authority_at(folder: Path) -> Authority:
    """The paths of an authority in `folder`, whether or not it was made."""
    return Authority(folder / "ca.key", folder / "ca.pem")


def make_authority(
    folder: Path,
    name: str,
    years: int = AUTHORITY_YEARS,
    passphrase: str | None = None,
    now: datetime | None = None,
) -> Authority:
    """Make a certificate authority in `folder`: `ca.key` (PEM PKCS#8, mode 0600) and `ca.pem` (mode 0644).

    `name` is what a person reads in the certificate, 1 to 64 characters; it is valid `years` years from `now` (aware;
    the present moment by default). It may sign server certificates and no further authority.

    Raises `TlsError` for an empty or long name, for years outside 1 to 30, and when an authority is there already:
    every school would have to be given the new one. Raises OSError when the folder cannot be written.
    """
    if not 1 <= len(name.strip()) <= LONGEST_NAME:
        rule, remedy = f"An authority has a name of 1 to {LONGEST_NAME} characters.", "Name the coalition."
        raise _error(rule, f"{len(name.strip())} characters", remedy)
    if not 1 <= years <= 30:
        raise _error("An authority is valid for 1 to 30 years.", f"{years} years", "Give another number.")
    found = authority_at(folder)
    _refuse_existing(found.key, found.certificate)
    key, start = _generate(), now or datetime.now(UTC)
    subject = _name(name.strip())
    until = start + timedelta(days=round(365.25 * years))
    certificate = _authority_extensions(_draft(subject, subject, key.public_key(), start, until), key.public_key())
    _write_key(found.key, key, passphrase)
    _write_certificate(found.certificate, certificate.sign(key, hashes.SHA384()))
    return found


def issue_server(
    folder: Path,
    hosts: Sequence[str],
    days: int = SERVER_DAYS,
    out: Path | None = None,
    passphrase: str | None = None,
    now: datetime | None = None,
) -> Issued:
    """Make a server's key and certificate, signed by the authority in `folder`, for these hosts and days.

    hosts: DNS names (ASCII, no port, no wildcard) and IP addresses under which the server is reached; all of them stand
    in the certificate, and a client refuses any other. The files go to `out` (default: `folder`/server) together with a
    copy of `ca.pem`, so that a server needs to see that folder only and never the authority's key.

    Asked again it renews: a fresh key, each file replaced by rename, so that nobody reads half a file. The two renames
    are not one: a server that starts exactly between them finds a key that does not fit and says so; started again, it
    runs. A running server keeps what it has read until it is restarted.

    Raises `TlsError` for no host, a host that is none, the authority's own folder as `out`, days outside 1 to 825, an
    authority that is absent, does not open with this passphrase, has expired, or ends before the certificate would.
    Raises OSError when `out` cannot be written.
    """
    names, place = _hosts(hosts), out or folder / "server"
    if place.resolve() == folder.resolve():
        rule, remedy = "A server's folder never holds the authority's key.", "Name another folder."
        raise _error(rule, "the authority's own folder", remedy)
    if not 1 <= days <= 825:
        raise _error("A server's certificate is valid for 1 to 825 days.", f"{days} days", "Give another number.")
    signer, authority = _open(authority_at(folder), passphrase)
    start = now or datetime.now(UTC)
    until = start + timedelta(days=days)
    _check_outlives(authority, start, until)
    key = _generate()
    draft = _draft(_name("datacoalitie link"), authority.subject, key.public_key(), start, until)
    certificate = _server_extensions(draft, key.public_key(), signer.public_key(), names).sign(signer, hashes.SHA384())
    issued = Issued(place / "server.pem", place / "server.key", place / "ca.pem", certificate.not_valid_after_utc)
    _write_key(issued.key, key, None)  # a server starts without anybody there to type a passphrase
    _write_certificate(issued.certificate, certificate)
    _write_certificate(issued.authority, authority)
    return issued


def make_relay_key(path: Path) -> str:
    """Make the key with which a relay proves itself to the SuperLink; return its public line.

    `path` gets the private key in OpenSSH format, mode 0600 and without passphrase, since Flower reads it unattended;
    `path`.pub gets the public half in OpenSSH format, to be registered by the coordinator. The line has no newline.

    Raises `TlsError` when either file is there already: a registered key that was overwritten cannot be had back.
    """
    beside = path.with_name(f"{path.name}.pub")
    _refuse_existing(path, beside)
    key = _generate()
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    kept = serialization.PrivateFormat.OpenSSH
    write_private(path, key.private_bytes(serialization.Encoding.PEM, kept, serialization.NoEncryption()))
    _write_public(beside, line + b"\n")
    return line.decode("ascii")


def certificate_fingerprint(path: Path) -> str:
    """SHA-256 of a certificate, as `openssl x509 -noout -fingerprint -sha256` prints it: 32 pairs, by colons.

    A school compares that of `ca.pem` with what the coordinator reads out by another channel. Raises `TlsError`.
    """
    digits = _certificate(path).fingerprint(hashes.SHA256()).hex().upper()
    return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2))


# ---- what a certificate says


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _draft(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, start: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - SKEW)
        .not_valid_after(until)
    )


def _authority_extensions(draft: x509.CertificateBuilder, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    """Extensions that RFC 5280 section 4.2.1 asks of an authority; strict verifiers refuse one without them."""
    return (
        draft.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    )


def _server_extensions(
    draft: x509.CertificateBuilder,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePublicKey,
    names: Sequence[x509.GeneralName],
) -> x509.CertificateBuilder:
    """Extensions of a server: which hosts it may be, that it is no authority, and whose signature to look for."""
    return (
        draft.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _hosts(hosts: Sequence[str]) -> list[x509.GeneralName]:
    if not hosts:
        raise _error("A server's certificate names its hosts.", "none", "Give each name or address relays connect to.")
    return [_host(host) for host in dict.fromkeys(host.strip().lower() for host in hosts)]


def _host(host: str) -> x509.GeneralName:
    if "%" not in host:  # an address with a zone means something on one machine only
        with suppress(ValueError):
            return x509.IPAddress(ipaddress.ip_address(host))
    labels = host.split(".")
    # A last label of digits is a mistyped address (RFC 1123 section 2.1).
    if len(host) > LONGEST_HOST or labels[-1].isdigit() or not all(LABEL.fullmatch(label) for label in labels):
        rule = "A host is a DNS name in ASCII or an IP address, without port, path or wildcard."
        raise _error(rule, repr(host[:LONGEST_HOST]), "Write it as relays will dial it.")
    return x509.DNSName(host)


# ---- keys and files


def _generate() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def _open(authority: Authority, passphrase: str | None) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """The authority's key and certificate, checked to belong together."""
    certificate = _certificate(authority.certificate)
    secret = None if passphrase is None else passphrase.encode()
    try:
        key = serialization.load_pem_private_key(_read(authority.key), secret)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's message may quote the file, so it is not chained.
        raise _unusable(authority.key, "no key this passphrase opens") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _unusable(authority.key, "a key of another kind than EC")
    if key.public_key() != certificate.public_key():
        raise _unusable(authority.key, f"a key that is not the one in {authority.certificate.name}")
    return key, certificate


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError:
        raise _unusable(path, "no certificate in PEM") from None


def _check_outlives(authority: x509.Certificate, start: datetime, until: datetime) -> None:
    left = max((authority.not_valid_after_utc - start).days, 0)
    if authority.not_valid_after_utc < until:
        rule = "A certificate ends before the authority that signed it."
        renew = "Make a new authority in another folder, and give its certificate to every school."
        raise _error(rule, f"{left} days left", f"Ask for at most {left} days. {renew}" if left else renew)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unusable(path, error.strerror or "unreadable") from error


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey, passphrase: str | None) -> None:
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        locked = serialization.BestAvailableEncryption(passphrase.encode())
    write_private(path, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    _write_public(path, certificate.public_bytes(serialization.Encoding.PEM))


def _write_public(path: Path, data: bytes) -> None:
    write_private(path, data)
    path.chmod(PUBLIC_MODE)


def _refuse_existing(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            rule, remedy = "A key is never overwritten.", "Choose another name or move the old one away."
            raise _error(rule, f"{path.name} is there already", remedy)


def _unusable(path: Path, found: str) -> TlsError:
    rule = f"{path.name} is a file that this program made, opened with the passphrase it was made under."
    return _error(rule, found, "Name the right folder and passphrase, or make a new authority.")


def _error(rule: str, found: str, remedy: str) -> TlsError:
    return TlsError(f"{rule} Found: {found}. {remedy}")
