"""A broken rule of the privacy layer arrives; an exception that names rule, value found and remedy leaves.

PrivacyError
|-- CanonicalError      bytes or values outside the canonical encoding
|-- LatticeError        parameters or shapes of a private sum
|-- NoiseError          variance, or a random source that fell short
|-- MaskError           roster, keys or context of pairwise masks
|-- SignatureError      a signature or identity that does not hold
|-- CharterError        a coalition charter that contradicts itself
|-- LedgerError         a ledger entry that breaks an invariant
|-- DisclosureError     a finding that fails a disclosure rule
|-- AccountingError     a cost that cannot be computed
`-- TlsError            a certificate, host or key file of the link between coordinator and relays

No message ever carries a value from a student's row: only parameters, shapes, sizes and public names.
"""


class PrivacyError(Exception):
    """A rule of `privacy` was broken; every error this package raises on purpose is one of these."""


class CanonicalError(PrivacyError):
    """Bytes that are not canonical CBOR, or a value that has no canonical encoding."""


class LatticeError(PrivacyError):
    """Parameters or array shapes with which no private sum can be formed."""


class NoiseError(PrivacyError):
    """A variance outside the sampler's range, or a random source that returned too little."""


class MaskError(PrivacyError):
    """A roster, key or context from which no pairwise mask may be made."""


class SignatureError(PrivacyError):
    """A signature that does not hold, or a key that cannot be read."""


class CharterError(PrivacyError):
    """A charter that contradicts itself or its predecessor."""


class LedgerError(PrivacyError):
    """A ledger entry, or a chain of entries, that breaks an invariant."""


class DisclosureError(PrivacyError):
    """A finding that fails a disclosure rule."""


class AccountingError(PrivacyError):
    """A privacy cost that cannot be computed from what was given."""


class TlsError(PrivacyError):
    """A certificate, host name or key file of the link between coordinator and relays that cannot be used or made."""
