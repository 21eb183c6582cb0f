"""Arrives: a school's ledger and what its FG holds. Leaves: what was asked, its cost, what is left, what is wrong.

One file on purpose: an FG copies it to any machine with Python 3.11 and `cryptography`, and runs
`python verify.py LEDGER.sqlite`. It shares no code with the platform: its own reader, its own rules, its own way to
epsilon. That is why it is longer than this house's modules are, and why nothing of it may be moved to another file.
Read-only; no network. docs/verifier.md walks an FG through it, and derives the formulas.

Detected: an entry edited, left out, moved or added without the node's key; a statement the FG did not sign; a cost
that is not delta^2/(2 variance); a charge without approval, reserve or room; any rewriting before the expected head;
keys that are not those of the charter the FG holds. Not detected: what comes after the last head that someone outside
holds, and a node program that was modified. Exit codes: 0 all holds, 1 problems, 2 cannot be read.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # or a json.py that lies beside this file would be run in place of Python's own

import argparse
import gc
import hashlib
import json
import math
import os
import re
import sqlite3
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT: Final = 1
LARGEST_ENTRY: Final = 4_000_000
LARGEST_FILE: Final = 2**26
Account = tuple[str, str]
_SIGNED: Final = "datacoalitie/signed/1"
_BY_DEPUTY: Final = "datacoalitie/signed-by-deputy/1"
_LONGEST_TERM: Final = 366 * 86_400
_BAD: Final = (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError)
"""What reading bytes of another shape can raise; each becomes a problem, never a traceback."""


class NotALedgerError(Exception):
    """The ledger, or a file that was given beside it, cannot be read at all."""


class _Wrong(Exception):
    """The code of the rule that is broken, and what was found."""

    def __init__(self, code: str, found: str = "") -> None:
        super().__init__(code)
        self.code, self.found = code, found


def _need(holds: bool, code: str, found: str = "") -> None:
    if not holds:
        raise _Wrong(code, found)


# ---- bytes: canonical CBOR (RFC 8949 section 4.2.1), as much of it as a ledger holds, and signatures

_DEEPEST: Final = 16
_WIDEST: Final = 4096


def decode(data: bytes) -> Any:
    """The value that `data` is the canonical encoding of. Raises ValueError, or another error of bad bytes."""
    value, end = _value(data, 0, 0)
    if end != len(data):
        _not_canonical()
    return value


def _not_canonical() -> NoReturn:
    raise ValueError("not canonical CBOR")


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """One value and where it ends."""
    if depth > _DEEPEST:
        _not_canonical()
    first = data[at]
    if 0x60 <= first < 0x78:  # short text, most of what there is, without the detours below
        return _text(data[at + 1 : at + first - 0x5F]), at + first - 0x5F
    major, argument, at = first >> 5, first & 31, at + 1
    if argument > 23:
        argument, at = _argument(data, at, argument)
    if major in (2, 3):  # what is cut short ends beyond the data, which `decode` notices
        content = data[at : at + argument]
        return (content if major == 2 else _text(content)), at + argument
    if major in (0, 1):
        return (argument if major == 0 else -1 - argument), at
    if major == 4:
        return _items(data, at, depth, argument)
    if major == 5:
        return _map(data, at, depth, argument)
    if major == 6:
        return _tagged(data, at, depth, argument)
    return {20: False, 21: True, 22: None}[argument], at


def _argument(data: bytes, at: int, short: int) -> tuple[int, int]:
    """A number that does not fit the first byte, in its shortest form, and where the content starts."""
    if short > 27:
        _not_canonical()
    size = 1 << (short - 24)
    argument = int.from_bytes(data[at : at + size], "big")
    if argument < (24 if size == 1 else 1 << (4 * size)):
        _not_canonical()
    return argument, at + size


@lru_cache(maxsize=4096)
def _text(content: bytes) -> str:
    """The same few names stand in every entry, so they are read once."""
    text = content.decode()
    if not unicodedata.is_normalized("NFC", text):
        _not_canonical()
    return text


def _items(data: bytes, at: int, depth: int, count: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(count):
        item, at = _value(data, at, depth + 1)
        items.append(item)
    return items, at


def _map(data: bytes, at: int, depth: int, count: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    last = b""
    for _ in range(count):
        start = at
        key, at = _value(data, at, depth + 1)
        if type(key) is not str or data[start:at] <= last:
            _not_canonical()
        last = data[start:at]
        found[key], at = _value(data, at, depth + 1)
    return found, at


def _tagged(data: bytes, at: int, depth: int, tag: int) -> tuple[Any, int]:
    content, at = _value(data, at, depth + 1)
    if tag in (2, 3) and type(content) is bytes:
        number = int.from_bytes(content, "big")
        if number < 1 << 64 or content[0] == 0 or number.bit_length() > _WIDEST:
            _not_canonical()
        return (number if tag == 2 else -1 - number), at
    if tag != 30 or type(content) is not list or [type(part) for part in content] != [int, int]:
        _not_canonical()
    return _rational(*content), at


@lru_cache(maxsize=4096)
def _rational(top: int, bottom: int) -> Fraction:
    if bottom < 1 or math.gcd(top, bottom) != 1:
        _not_canonical()
    return Fraction(top, bottom)


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the Ed25519 key (32 raw bytes) made this signature (64 bytes) over `message`."""
    return all(_all_signed(key, [(message, signature)]))


def _all_signed(key: bytes, pairs: Iterable[tuple[Any, Any]]) -> list[bool]:
    """One answer for each (message, signature)."""
    try:
        public = Ed25519PublicKey.from_public_bytes(key)
    except (ValueError, TypeError):
        return [False for _ in pairs]
    good = []
    for message, signature in pairs:
        try:
            public.verify(signature, message)
            good.append(True)
        except (InvalidSignature, ValueError, TypeError):
            good.append(False)
    return good


def _signatures(rows: Sequence[Any], key: bytes) -> list[bool]:
    """Whether the node signed each row; on all cores, since `cryptography` lets go of the interpreter."""
    chunks = [[(row[1], row[3]) for row in rows[start : start + 1000]] for start in range(0, len(rows), 1000)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return [good for chunk in pool.map(lambda chunk: _all_signed(key, chunk), chunks) for good in chunk]


# ---- epsilon: proved from rho, and estimated from the recorded Gaussian sums

_HIGHEST_RHO: Final = 10**6
_SUM_GAP: Final = 2.0**-40
_ROUNDED_GAP: Final = 16.0
_ROUNDED_TAIL: Final = 1e-30
_LARGEST_ERROR: Final = 0.5
_MARGIN: Final = 1e-10


@lru_cache(maxsize=4096)
def epsilon(rho: Fraction, delta: Fraction) -> float:
    """zCDP rho as epsilon at delta: Canonne, Kamath, Steinke 2020 (arXiv:2004.00010v4), Corollary 13.

    Golden-section search over log(alpha - 1), in which the bound falls and then rises; every point of it is a valid
    epsilon. At most 1e-9 above the infimum; infinite for rho above 10^6, which no plan costs.
    """
    if rho > _HIGHEST_RHO:
        return math.inf
    log_delta = math.log(delta.numerator) - math.log(delta.denominator)

    def bound(position: float) -> float:
        order = 1 + math.exp(position)
        tail = (-math.log(order) - log_delta) / (order - 1) + position - math.log(order)
        return float(rho) * order + tail

    low, high, golden = -30.0, 5.0 - log_delta, (math.sqrt(5) - 1) / 2
    for _ in range(120):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if bound(left) < bound(right) else (left, high)
    return max(0.0, bound((low + high) / 2))


def tight_epsilon(rho: float, delta: float) -> float:
    """The least epsilon of continuous Gaussian sums that cost rho together, however many and however chosen.

    They compose to one Gaussian with mu = sqrt(2 rho) (Dong, Roth, Su 2019, arXiv:1905.02383, Corollary 3.3), whose
    delta is Phi(mu/2 - eps/mu) - e^eps Phi(-mu/2 - eps/mu) (Balle, Wang 2018, arXiv:1805.06530, Theorem 8). An upper
    bound, too high by less than 1e-9 max(1, eps).
    """
    if rho == 0 or rho > _HIGHEST_RHO:
        return math.inf if rho else 0.0
    mu = math.sqrt(2 * rho)
    low, high = 0.0, 1.0 + rho
    if _gaussian_delta(low, mu) <= delta:
        return 0.0
    while _gaussian_delta(high, mu) > delta:
        high *= 2
    while high - low > _MARGIN / 4 * max(1.0, high):
        middle = (low + high) / 2
        low, high = (middle, high) if _gaussian_delta(middle, mu) > delta else (low, middle)
    return high + _MARGIN * max(1.0, high)


def _gaussian_delta(eps: float, mu: float) -> float:
    """Balle and Wang's formula, with e^eps Phi(-y) written as phi(x) (1 - Phi(y)) / phi(y): nothing overflows."""
    x = eps / mu - mu / 2
    return math.erfc(x / math.sqrt(2)) / 2 - math.exp(-x * x / 2) / math.sqrt(2 * math.pi) * _mills(x + mu)


def _mills(y: float) -> float:
    """(1 - Phi(y)) / phi(y) for y >= 0; from 5 on by Laplace's continued fraction, which has converged after 60."""
    if y < 5:
        return math.sqrt(math.pi / 2) * math.erfc(y / math.sqrt(2)) * math.exp(y * y / 2)
    value = y
    for term in range(60, 0, -1):
        value = y + term / value
    return 1 / value


class Event(NamedTuple):
    """What one release adds to an account: d, Delta and sigma^2 of the sum, and how many schools' noise is honest."""

    dimension: int
    delta: int
    variance: Fraction
    honest: int


@lru_cache(maxsize=4096)
def _sum_gap(variance: Fraction, honest: int) -> float:
    """tau: how far a sum of `honest` discrete Gaussians is from one, in each number.

    Kairouz, Liu, Steinke 2021 (arXiv:2102.06387), Proposition 14.
    """
    own = min(float(variance / honest), 1e6) if variance < 10**12 else 1e6
    return 10 * math.fsum(math.exp(-2 * math.pi**2 * own * k / (k + 1)) for k in range(1, honest))


def estimate(events: Mapping[Event, int], delta: Fraction) -> tuple[float, float]:
    """(epsilon, error) of what these events cost together, each with how often it happened.

    epsilon is that of continuous noise. The recorded noise is discrete, and the truth is at most `error` higher:
    docs/verifier.md, "Hoe ver de schatting ernaast kan zitten", derives it. Infinite where it cannot be bounded.
    """
    ratio = sum((Fraction(event.delta**2) / event.variance * times for event, times in events.items()), Fraction(0))
    if ratio > 2 * _HIGHEST_RHO:
        return math.inf, math.inf
    middle = tight_epsilon(float(ratio) / 2, float(delta))
    if middle > 100 or any(event.variance <= 2 for event in events):
        return middle, math.inf
    more, eta, tail = _discrete(events)
    smaller = float(delta) * math.exp(-eta) - tail * (1 + math.exp(middle + 1))
    if smaller <= 0:
        return middle, math.inf
    error = tight_epsilon((float(ratio) + more) / 2, smaller) + 2 * eta - middle
    return middle, error if error <= _LARGEST_ERROR else math.inf


def _discrete(events: Mapping[Event, int]) -> tuple[float, float, float]:
    """By how much rounding raises mu^2, the log ratio eta that remains, and the probability that it is more."""
    more = eta = tail = 0.0
    for event, times in events.items():
        numbers, variance = times * event.dimension, float(min(event.variance, Fraction(10**100)))
        more += times * float(Fraction(event.delta**2) / (event.variance * (12 * event.variance - 1)))
        eta += numbers * (_ROUNDED_GAP / (variance - 1 / 12) ** 2 + _sum_gap(event.variance, event.honest))
        tail += numbers * _ROUNDED_TAIL
    return more, eta, tail


# ---- what is found

PROBLEMS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "hash": ("de opgeslagen hash hoort niet bij de regel", "the stored hash is not that of the entry"),
        "sequence": ("de nummering klopt niet: weggelaten of verplaatst", "numbering is off: left out or moved"),
        "chain": ("de regel volgt niet op de regel ervoor", "the entry does not follow the one before it"),
        "time": ("de tijd loopt terug", "time goes back"),
        "genesis": ("de beginregel ontbreekt of staat dubbel", "the first entry is missing or doubled"),
        "signature": ("de handtekening van de node klopt niet", "the node's signature does not hold"),
        "unreadable": ("de regel is onleesbaar of onbekend", "the entry is unreadable or unknown"),
        "statement": ("een verklaring van een andere soort", "a statement of another kind"),
        "fg_signature": ("niet door de eigen FG getekend", "not signed by the school's own FG"),
        "charter": ("een ander charter dan de FG aanvaardde", "another charter than the FG accepted"),
        "charter_rules": ("het charter breekt zijn eigen regels", "the charter breaks rules of its own"),
        "charter_order": ("het charter volgt niet op het vorige", "the charter does not follow the one before"),
        "charter_keys": ("het charter noemt andere sleutels", "the charter lists other keys"),
        "other_school": ("een verklaring voor een andere school", "a statement for another school"),
        "serial": ("een volgnummer is opnieuw gebruikt", "a serial is used again"),
        "deputation": ("de plaatsvervanger is niet geldig benoemd", "the deputy was not validly named"),
        "deputy_expired": ("de plaatsvervanger tekende na de laatste dag", "the deputy signed after the last day"),
        "recovery": (
            "te weinig andere FG's staan in voor de nieuwe sleutel",
            "too few other FGs vouch for the new key",
        ),
        "countersigned_head": ("de FG tekende een andere stand", "the FG countersigned another head"),
        "unapproved": ("geen toestemming van de FG", "no approval by the FG"),
        "withdrawn": ("de toestemming was ingetrokken", "the approval had been withdrawn"),
        "expired": ("de toestemming was verlopen", "the approval had expired"),
        "other_experiment": ("voor een ander experiment dan toegestaan", "for another experiment than was allowed"),
        "other_charter": ("toestemming onder een ander charter", "an approval under another charter"),
        "approval_twice": ("een toestemming voor twee runs gebruikt", "one approval used for two runs"),
        "over_approved_cap": ("meer dan de FG voor deze run toestond", "more than the FG allowed this run"),
        "fork_unseen": (
            "na een gevonden splitsing begon een run voordat de FG die had gezien",
            "after a fork was found, a run began before the FG had seen it",
        ),
        "deadline": ("na de uiterste datum", "after the deadline"),
        "accounts": ("rekeningen die niet gereserveerd waren", "accounts that were not reserved"),
        "over_cap": ("meer gereserveerd dan het plafond toelaat", "more reserved than the cap allows"),
        "no_reserve": ("zonder reservering", "without a reserve"),
        "closed": ("de run was al gesloten", "the run was closed already"),
        "slot": ("een stap is herhaald of gaat terug", "a step is repeated or goes back"),
        "cost": ("de kosten zijn niet delta^2/(2 sigma^2)", "the cost is not delta^2/(2 sigma^2)"),
        "total": ("het totaal is niet de som van de antwoorden", "the total is not the sum of the releases"),
        "over_reserve": ("meer uitgegeven dan gereserveerd", "more charged than reserved"),
        "return": ("teruggave klopt niet met de reservering", "what is returned was not held"),
        "roster": ("gevraagd met te weinig of andere scholen", "asked with too few or other schools"),
        "size": ("er ging meer of minder uit dan betaald is", "more or less left than was paid for"),
        "lattice": ("de ruis is te grof voor het bewijs", "the noise is too coarse for the proof"),
        "replies": ("antwoorden en uitgaven komen niet overeen", "replies and charges do not match"),
        "expected_head": (
            "de verwachte stand komt niet voor: dit is een ouder of een ander grootboek",
            "the expected head does not occur: this is an older or another ledger",
        ),
        "truncated": (
            "het grootboek is korter dan toen u tekende: het einde ontbreekt",
            "the ledger is shorter than when you signed: its end is missing",
        ),
        "forked": (
            "op deze regel staat iets anders dan toen u tekende: het grootboek is herschreven",
            "this entry is another than when you signed: the ledger was rewritten",
        ),
        "expected_charter": ("uw charter staat niet in dit grootboek", "your charter is not in this ledger"),
        "other_fg": ("uw sleutel gold nooit in dit grootboek", "your key was never in force in this ledger"),
        "fg_unanchored": (
            "uw sleutel kwam er later bij, en tekende nog niets dat de regels ervoor vastlegt: geef ook --charter",
            "your key came later and has signed nothing that fixes the entries before: give --charter as well",
        ),
        "paper": (
            "dit stuk hoort niet bij dit grootboek, of is gewijzigd",
            "this paper does not belong to this ledger, or was changed",
        ),
    }
)


class Problem(NamedTuple):
    """A rule that does not hold, at which entry (None: the ledger as a whole), and what was found there."""

    code: str
    seq: int | None
    found: str = ""


class Question(NamedTuple):
    """One release that left the school: which, when, among how many schools, and its exact cost."""

    seq: int
    time: int
    run: str
    experiment: str
    step: int
    attempt: int
    schools: int
    bytes: int
    query: str
    dimension: int
    delta: int
    variance: Fraction
    rho: Fraction


@dataclass
class Balance:
    """One account, in rho, and the events that were charged to it."""

    cap: Fraction = Fraction(0)
    spent: Fraction = Fraction(0)
    reserved: Fraction = Fraction(0)
    events: Counter[Event] = field(default_factory=Counter)

    @property
    def left(self) -> Fraction:
        """What a new plan may still take."""
        return max(Fraction(0), self.cap - self.spent - self.reserved)


class Charter(NamedTuple):
    """The coalition's list of members: as much of it as a ledger is checked against."""

    digest: bytes
    name: str
    version: int
    previous: bytes | None
    schools: Mapping[str, Sequence[Any]]
    people: Mapping[str, Sequence[Any]]
    keys: frozenset[bytes]
    colluding: int
    smallest: int
    per_person: int


@dataclass
class Run:
    """One run: what it holds, until when, and what it answered last."""

    number: bytes
    experiment: bytes
    serial: int
    deadline: int
    reserved: Fraction
    held: dict[Account, Fraction]
    open: bool = True
    returned: bool = False
    slot: tuple[int, int] = (-1, -1)
    roster: Sequence[str] = ()


@dataclass
class Asked:
    """Everything the ledger says of one experiment; document and submission from papers given beside it."""

    approvals: list[Mapping[str, Any]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    document: Mapping[str, Any] = field(default_factory=dict)
    submitted: tuple[str, str, int] | None = None


@dataclass
class Report:
    """What the ledger says and every rule it breaks. Times are seconds since 1970 UTC."""

    school: str = ""
    entries: int = 0
    head: str = ""
    time: int = 0
    node_key: bytes = b""
    fg_key: bytes = b""
    charter: Charter | None = None
    fg_changes: list[tuple[int, bytes]] = field(default_factory=list)
    deputy: Mapping[str, Any] | None = None
    countersigned: int | None = None
    fork: int | None = None
    expected: int | None = None
    compared: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    accounts: dict[Account, Balance] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    withdrawn: set[int] = field(default_factory=set)
    refusals: dict[str, int] = field(default_factory=dict)
    incidents: list[tuple[int, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every rule holds."""
        return not self.problems


# ---- shapes: what a name may stand for; nothing unknown is skipped

_Test = Callable[[Any], bool]
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_IS: Final[Mapping[str, _Test]] = MappingProxyType(
    {
        "id": lambda value: type(value) is str and _IDENTIFIER.fullmatch(value) is not None,
        "count": lambda value: type(value) is int and 0 <= value < 2**63,
        "flag": lambda value: type(value) is bool,
        "bytes": lambda value: type(value) is bytes,
        "digest": lambda value: type(value) is bytes and len(value) == 32,
        "rho": lambda value: type(value) is Fraction and value.numerator >= 0,
        "note": lambda value: type(value) is str and len(value) <= 200 and value.isprintable(),
        "ids": lambda value: _each(value, "id"),
        "account": lambda value: _each(value, "id") and len(value) == 2,
        "accounts": lambda value: _each(value, "account") and len(set(map(tuple, value))) == len(value),
        "held": lambda value: type(value) is list and _IS["rho"](*value[2:]),
        "returned": lambda value: _each(value, "held") and _IS["accounts"]([row[:2] for row in value]),
        "signed": lambda value: type(value) is list and [type(part) for part in value] == [bytes, bytes],
        "vouchers": lambda value: _each(value, "signed"),
        "release": lambda value: type(value) is dict and _misfit(_RELEASE, value) is None,
        "releases": lambda value: _each(value, "release"),
    }
)


def _each(value: Any, kind: str) -> bool:
    return type(value) is list and len(value) > 0 and all(map(_IS[kind], value))


def _shape(text: str) -> Mapping[str, _Test]:
    """Names with what each must be; a kind that ends in "?" may be absent."""
    pairs = (pair.split(":") for pair in text.split())
    return {name: _or_none(_IS[kind[:-1]]) if kind.endswith("?") else _IS[kind] for name, kind in pairs}


def _or_none(test: _Test) -> _Test:
    return lambda value: value is None or test(value)


def _misfit(shape: Mapping[str, _Test], values: Mapping[str, Any]) -> str | None:
    """The first name that is missing, unknown, or stands for something else; None when all is well."""
    if values.keys() != shape.keys():
        return ", ".join(sorted(map(str, values.keys() ^ shape.keys())))
    for name, holds in shape.items():
        if not holds(values[name]):
            return name
    return None


_RELEASE: Final[Mapping[str, _Test]] = _shape("query:id dimension:count delta:count variance:rho rho:rho")
_FROM_FG: Final = "statement:bytes signature:bytes"
_ENTRIES: Final = {
    "genesis": _shape("school:id node_key:digest fg_key:digest"),
    "charter": _shape(f"charter:bytes {_FROM_FG}"),
    "recovery": _shape(f"charter:bytes vouchers:vouchers {_FROM_FG}"),
    "deputy": _shape(_FROM_FG),
    "cap": _shape("account:account rho:rho"),
    "approval": _shape(_FROM_FG),
    "withdrawal": _shape(_FROM_FG),
    "countersign": _shape(_FROM_FG),
    "reserve": _shape("run:digest experiment_hash:digest serial:count accounts:accounts rho:rho deadline:count"),
    "charge": _shape(
        "run:digest experiment_hash:digest step:count attempt:count context_hash:digest payload_hash:digest "
        "payload_bytes:count roster:ids accounts:accounts releases:releases rho:rho"
    ),
    "close": _shape("run:digest"),
    "return": _shape("run:digest returned:returned"),
    "refusal": _shape("code:id request_hash:digest run:digest? step:count? attempt:count?"),
    "incident": _shape("code:id head:digest note:note"),
}
_STATEMENTS: Final = {
    "charter-acceptance": _shape("charter_hash:digest version:count school:id signed_at:count"),
    "approval": _shape(
        "school:id charter_hash:digest experiment_hash:digest serial:count cap:rho? expires:count own_figures:flag "
        "signed_at:count"
    ),
    "deputation": _shape("school:id charter_hash:digest deputy:id key:digest expires:count signed_at:count"),
    "withdrawal": _shape("school:id charter_hash:digest serial:count signed_at:count"),
    "head-countersignature": _shape("school:id seq:count head:digest signed_at:count"),
    "submission": _shape("charter_hash:digest experiment_hash:digest submitter:id signed_at:count"),
}


def _shaped(shape: Mapping[str, _Test], values: Mapping[str, Any]) -> Mapping[str, Any]:
    wrong = _misfit(shape, values)
    _need(wrong is None, "unreadable", str(wrong))
    return values


def _statement(message: bytes, name: str) -> Mapping[str, Any]:
    """The fields of a statement of this kind, by name."""
    tag, *fields = decode(message)
    _need(tag == f"datacoalitie/{name}/1", "statement")
    shape = _STATEMENTS[name]
    return _shaped(shape, dict(zip(shape, fields, strict=True)))


def _charter(data: bytes) -> Charter:
    """Read a charter. Raises `_Wrong` when it is not one, or breaks the rules that every charter keeps."""
    tag, name, version, previous, key, schools, people, t, smallest, per_person, planning = decode(data)
    keys = [key, *(row[2] for row in schools), *(row[3] for row in schools)]
    ids = [id for id, _, _, _, _ in schools]
    good = (
        tag == "datacoalitie/charter/1"
        and type(name) is str
        and (previous is None or _IS["digest"](previous))
        and all(map(_IS["count"], (version, t, smallest, per_person, planning)))
        and all(_IS["id"](id) and type(school) is str for id, school, _, _ in people)
        and all(map(_IS["digest"], [*keys, *(row[3] for row in people)]))
        and len(set(keys)) == len(keys)
        and _IS["ids"](ids)
        and ids == sorted(set(ids))
        and 1 <= t <= smallest - 2 <= len(ids) - 2
        and per_person >= 1
    )
    _need(good, "charter_rules")
    members, persons = {row[0]: row for row in schools}, {row[0]: row for row in people}
    taken = frozenset([*keys, *(row[3] for row in people)])
    digest = hashlib.sha256(data).digest()
    return Charter(digest, name, version, previous, members, persons, taken, t, smallest, per_person)


# ---- the walk


def verify_ledger(
    path: Path,
    expected_head: bytes | None = None,
    fg_key: bytes | None = None,
    charter: bytes | None = None,
    papers: Sequence[tuple[str, bytes]] = (),
) -> Report:
    """Check every entry of the ledger at `path`. Raises `NotALedgerError` for what cannot be read at all.

    expected_head: a head (32 bytes) that must stand in the chain, or the bytes of a countersignature that the FG
    kept; fg_key: the FG's own public key (32 raw bytes), present or former; charter: the bytes of a charter that the
    FG accepted; papers: (name, bytes) of experiments and submissions, for what was asked and by whom.
    """
    rows, replies = _read(path)
    check = _Check(Report())
    for (seq, data, digest, _), good in zip(rows, _signatures(rows, _node_key(rows)), strict=True):
        check.entry(seq, data, digest, good)
    check.replies(replies)
    check.compare(expected_head, fg_key, charter)
    for name, data in papers:
        check.paper(name, data)
    return check.finished()


def _read(path: Path) -> tuple[list[Any], list[Any]]:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            rows = connection.execute("SELECT seq, bytes, hash, signature FROM entries ORDER BY seq").fetchall()
            replies = connection.execute("SELECT run, step, attempt, context_hash FROM replies").fetchall()
    except sqlite3.Error as error:
        raise NotALedgerError(str(error)) from error
    if version != FORMAT:
        raise NotALedgerError(f"format {version}; this verifier reads format {FORMAT}")
    if not rows:
        raise NotALedgerError("no entries")
    return rows, replies


def _node_key(rows: Sequence[Any]) -> bytes:
    """The key that must have signed every entry: that of the first; no key when there is no first entry."""
    try:
        *_, details = decode(rows[0][1])
        return details["node_key"] if type(details["node_key"]) is bytes else b""
    except _BAD:
        return b""


def _readable(read: Callable[..., Any], *given: Any) -> Any:
    """What a file that the FG brought along says; `ValueError` if it is something else: the ledger is not to blame."""
    try:
        return read(*given)
    except _Wrong as wrong:
        raise ValueError(wrong.code) from wrong


class _Check:
    """Walks the chain once. Each `_on_…` raises `_Wrong` before it changes any balance."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._heads: list[bytes] = []
        self._charters: dict[bytes, Charter] = {}
        self._fg_since: dict[bytes, int] = {}
        self._vouched: set[bytes] = set()
        self._approvals: dict[int, Mapping[str, Any]] = {}
        self._reserved: set[int] = set()
        self._runs: dict[bytes, Run] = {}
        self._slots: Counter[tuple[Any, ...]] = Counter()

    def entry(self, stored: Any, data: Any, digest: Any, signed: bool) -> None:
        """Check one row; whatever is wrong with it becomes a problem, and the walk goes on."""
        data, place = data if type(data) is bytes else b"", len(self._heads)
        seq = stored if _IS["count"](stored) else place
        previous = self._heads[-1] if place else bytes(32)
        self._heads.append(hashlib.sha256(data).digest())
        self._hold(digest == self._heads[-1], "hash", seq)
        try:
            _need(len(data) <= LARGEST_ENTRY, "unreadable")
            tag, number, before, time, kind, details = decode(data)
            _need(tag == "datacoalitie/ledger-entry/1" and _IS["count"](time), "unreadable")
            self._hold(type(number) is int and stored == number == place, "sequence", seq)
            self._hold(before == previous, "chain", seq)
            self._hold(time >= self.report.time, "time", seq)
            self.report.time = max(time, self.report.time)
            _need((kind == "genesis") == (place == 0) and (place == 0 or len(self._fg_since) > 0), "genesis")
            self._hold(signed, "signature", seq)
            _KINDS[kind](self, seq, _shaped(_ENTRIES[kind], details))
        except _Wrong as wrong:
            self.report.problems.append(Problem(wrong.code, seq, wrong.found))
        except _BAD:
            self.report.problems.append(Problem("unreadable", seq))

    def replies(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Nothing was stored to be sent that was not charged, and the other way round."""
        stored = Counter(rows)
        for one in [*(stored - self._slots), *(self._slots - stored)][:1]:
            self.report.problems.append(Problem("replies", None, f"{one[1]}/{one[2]}"))

    def finished(self) -> Report:
        """The report, complete."""
        self.report.entries, self.report.head = len(self._heads), self._heads[-1].hex()
        return self.report

    def _hold(self, good: bool, code: str, seq: Any) -> None:
        if not good:
            self.report.problems.append(Problem(code, seq))

    # -- what the FG holds

    def compare(self, head: bytes | None, fg_key: bytes | None, charter: bytes | None) -> None:
        """Hold the ledger against what its FG brought along: a head, a charter, a key."""
        given = ("head", head, self._compare_head), ("charter", charter, self._compare_charter)
        for name, data, check in (*given, ("fg_key", fg_key, self._compare_key)):
            if data is None:
                continue
            try:
                check(data)
                self.report.compared.append(name)
            except _Wrong as wrong:
                self.report.problems.append(Problem(wrong.code, None, wrong.found))
            except _BAD as error:
                raise NotALedgerError(f"the {name} that was given is not one") from error

    def _compare_head(self, given: bytes) -> None:
        if len(given) == 32:
            _need(given in self._heads, "expected_head")
            self.report.expected = self._heads.index(given)
            return
        tag, message, signature, *named = decode(given)
        seen, keys = _readable(_statement, message, "head-countersignature"), list(self._fg_since)
        if (tag, len(named)) not in ((_SIGNED, 0), (_BY_DEPUTY, 2)):
            raise ValueError("not a signed statement")
        if named:
            deputation = _readable(_statement, named[0], "deputation")
            keys = [deputation["key"]] if any(is_signed(key, *named) for key in keys) else []
        _need(seen["school"] == self.report.school, "other_school", seen["school"])
        _need(seen["seq"] < len(self._heads), "truncated", f"{seen['seq']} > {len(self._heads) - 1}")
        _need(self._heads[seen["seq"]] == seen["head"], "forked", str(seen["seq"]))
        _need(any(is_signed(key, message, signature) for key in keys), "fg_signature")
        self.report.expected = seen["seq"]

    def _compare_charter(self, given: bytes) -> None:
        """A charter names the hash of the one before, and the first one lists the keys this ledger began with."""
        known, present = _readable(_charter, given), self.report.charter
        found = "-" if present is None else f"{present.version}: {present.digest.hex()[:16]}"
        _need(known.digest in self._charters, "expected_charter", found)

    def _compare_key(self, key: bytes) -> None:
        """A key that came by rotation could have been put in after a forged past: something must fix that past."""
        _need(key in self._fg_since, "other_fg")
        since, seen, compared = self._fg_since[key], self.report.expected, self.report.compared
        fixed = since == 0 or key in self._vouched or "charter" in compared or (seen is not None and seen >= since)
        _need(fixed, "fg_unanchored")

    def paper(self, name: str, data: bytes) -> None:
        """Take an experiment or a submission that the ledger names by its hash; anything else is a problem."""
        try:
            tag, *fields = decode(data)
            if tag == _SIGNED:
                self._submission(*fields)
            else:
                document, _ = fields
                _need(tag == "datacoalitie/experiment/1" and type(document) is dict, "paper")
                self.report.asked[hashlib.sha256(data).hexdigest()].document = document
        except (_Wrong, *_BAD):
            self.report.problems.append(Problem("paper", None, name))

    def _submission(self, message: bytes, signature: bytes) -> None:
        said = _statement(message, "submission")
        _, school, _, key = self._charters[said["charter_hash"]].people[said["submitter"]]
        _need(is_signed(key, message, signature), "paper")
        asked = self.report.asked[said["experiment_hash"].hex()]
        asked.submitted = said["submitter"], school, said["signed_at"]

    # -- entries

    def _on_genesis(self, seq: int, details: Mapping[str, Any]) -> None:
        report = self.report
        report.school, report.node_key, report.fg_key = details["school"], details["node_key"], details["fg_key"]
        self._fg_since[report.fg_key] = 0

    def _from_fg(self, details: Mapping[str, Any], name: str, key: bytes | None = None) -> Mapping[str, Any]:
        """The fields of a statement for this school, signed with this key: by default the FG's that is in force."""
        fields = _statement(details["statement"], name)
        _need(is_signed(key or self.report.fg_key, details["statement"], details["signature"]), "fg_signature")
        _need(fields["school"] == self.report.school, "other_school", fields["school"])
        return fields

    def _act(self, details: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        """The fields of what the FG signed, or the deputy whom the FG named; `by` says which deputy."""
        named = self.report.deputy
        if named is None or not is_signed(named["key"], details["statement"], details["signature"]):
            return {**self._from_fg(details, name), "by": ""}
        _need(self.report.time <= named["expires"], "deputy_expired", named["deputy"])
        return {**self._from_fg(details, name, named["key"]), "by": named["deputy"]}

    def _account(self, account: Account) -> Balance:
        return self.report.accounts.setdefault(account, Balance())

    def _asked(self, experiment: bytes) -> Asked:
        return self.report.asked.setdefault(experiment.hex(), Asked())

    def _on_charter(self, seq: int, details: Mapping[str, Any]) -> None:
        self._adopt(seq, details, self.report.fg_key)

    def _on_recovery(self, seq: int, details: Mapping[str, Any]) -> None:
        """The FG's key was lost: more other FGs than may collude accepted the charter that lists a new one."""
        present, charter = self.report.charter, _charter(details["charter"])
        if present is None:
            raise _Wrong("recovery", "-")
        key = charter.schools[self.report.school][3]
        _need(key != self.report.fg_key, "recovery", _fingerprint(key))
        vouching = {self._voucher(present, charter, *pair) for pair in details["vouchers"]}
        _need(len(vouching) > present.colluding, "recovery", f"{len(vouching)} <= {present.colluding}")
        self._adopt(seq, details, key)

    def _voucher(self, present: Charter, charter: Charter, message: bytes, signature: bytes) -> str:
        """The school whose FG accepted this very charter, with the key that the present one lists."""
        said = _statement(message, "charter-acceptance")
        good = said["school"] != self.report.school and said["charter_hash"] == charter.digest
        good = good and is_signed(present.schools[said["school"]][3], message, signature)
        _need(good and said["version"] == charter.version, "recovery", said["school"])
        return str(said["school"])

    def _adopt(self, seq: int, details: Mapping[str, Any], key: bytes) -> None:
        """Take the charter that is accepted with this key, if it follows the one in force."""
        report, charter = self.report, _charter(details["charter"])
        accepted, last = self._from_fg(details, "charter-acceptance", key), report.charter
        _need((accepted["charter_hash"], accepted["version"]) == (charter.digest, charter.version), "charter")
        _need(last is None or (charter.previous, charter.version - 1) == (last.digest, last.version), "charter_order")
        _, _, node, fg, _ = charter.schools[report.school]
        _need(node == report.node_key and (last is not None or fg == report.fg_key), "charter_keys")
        self._vouched.add(key)
        if fg != report.fg_key:
            report.fg_changes.append((seq, fg))
        self._charters[charter.digest] = charter
        report.charter, report.fg_key, report.deputy = charter, fg, None
        self._fg_since.setdefault(fg, seq)

    def _on_deputy(self, seq: int, details: Mapping[str, Any]) -> None:
        named, charter, last = self._from_fg(details, "deputation"), self.report.charter, self.report.deputy
        if charter is None or named["charter_hash"] != charter.digest:
            raise _Wrong("deputation", "charter_hash")
        _need(last is None or named["signed_at"] > last["signed_at"], "deputation", "signed_at")
        _need(named["expires"] - named["signed_at"] <= _LONGEST_TERM, "deputation", "expires")
        _need(named["key"] not in charter.keys, "deputation", "key")
        self._vouched.add(self.report.fg_key)
        self.report.deputy = named

    def _on_cap(self, seq: int, details: Mapping[str, Any]) -> None:
        population, cohort = details["account"]
        self._account((population, cohort)).cap = details["rho"]

    def _on_approval(self, seq: int, details: Mapping[str, Any]) -> None:
        approval = self._act(details, "approval")
        serial = approval["serial"]
        _need(serial not in self._approvals and serial not in self.report.withdrawn, "serial", str(serial))
        if self.report.charter is not None and approval["charter_hash"] == self.report.charter.digest:
            self._vouched.add(self.report.fg_key)
        self._approvals[serial] = approval
        self._asked(approval["experiment_hash"]).approvals.append(approval)

    def _on_withdrawal(self, seq: int, details: Mapping[str, Any]) -> None:
        self.report.withdrawn.add(self._act(details, "withdrawal")["serial"])

    def _on_countersign(self, seq: int, details: Mapping[str, Any]) -> None:
        seen = self._act(details, "head-countersignature")
        _need(seen["seq"] < seq and self._heads[seen["seq"]] == seen["head"], "countersigned_head", str(seen["seq"]))
        self._vouched.add(self.report.fg_key)
        self.report.countersigned = max(seen["seq"], self.report.countersigned or 0)

    def _approved(self, serial: int, experiment: bytes) -> tuple[Mapping[str, Any], Charter]:
        """The FG's approval, once it is shown to hold at this moment, and the charter it holds under."""
        charter = self.report.charter
        _need(serial not in self.report.withdrawn, "withdrawn", str(serial))
        if serial not in self._approvals or charter is None:
            raise _Wrong("unapproved", str(serial))
        approval = self._approvals[serial]
        _need(approval["experiment_hash"] == experiment, "other_experiment", experiment.hex()[:16])
        _need(approval["charter_hash"] == charter.digest, "other_charter", str(serial))
        _need(self.report.time <= approval["expires"], "expired", str(serial))
        return approval, charter

    def _on_reserve(self, seq: int, details: Mapping[str, Any]) -> None:
        number, rho, serial = details["run"], details["rho"], details["serial"]
        _need(number not in self._runs and serial not in self._reserved, "approval_twice", str(serial))
        fork, seen = self.report.fork, self.report.countersigned
        _need(fork is None or (seen is not None and seen >= fork), "fork_unseen", str(fork))
        approval, _ = self._approved(serial, details["experiment_hash"])
        if approval["cap"] is not None and rho > approval["cap"]:
            raise _Wrong("over_approved_cap", f"{rho} > {approval['cap']}")
        _need(details["deadline"] > self.report.time, "deadline")
        accounts = [(population, cohort) for population, cohort in details["accounts"]]
        for account in accounts:
            if rho > self._account(account).left:
                raise _Wrong("over_cap", f"{'/'.join(account)}: {rho} > {self._account(account).left}")
        for account in accounts:
            self._account(account).reserved += rho
        held = dict.fromkeys(accounts, rho)
        run = Run(number, details["experiment_hash"], serial, details["deadline"], rho, held)
        self._runs[number] = run
        self._reserved.add(serial)
        self._asked(run.experiment).runs.append(run)

    def _on_charge(self, seq: int, details: Mapping[str, Any]) -> None:
        slot = (details["step"], details["attempt"])
        self._slots[(details["run"], *slot, details["context_hash"])] += 1  # a reply belongs to a wrong charge as well
        run, rho = self._known(details), details["rho"]
        _need(run.open, "closed")
        _need(run.experiment == details["experiment_hash"], "other_experiment", details["experiment_hash"].hex()[:16])
        _need(self.report.time <= run.deadline, "deadline")
        if slot <= run.slot:
            raise _Wrong("slot", f"{slot[0]}/{slot[1]} <= {run.slot[0]}/{run.slot[1]}")
        approval, charter = self._approved(run.serial, run.experiment)
        honest = self._honest(run, details, approval, charter)
        events = self._events(details, honest)
        accounts = [(population, cohort) for population, cohort in details["accounts"]]
        for account in accounts:
            _need(account in run.held, "accounts", "/".join(account))
            if rho > run.held[account]:
                raise _Wrong("over_reserve", f"{'/'.join(account)}: {rho} > {run.held[account]}")
        for account in accounts:
            own = self._account(account)
            run.held[account] -= rho
            own.reserved -= rho
            own.spent += rho
            own.events.update(events)
        run.slot, run.roster = slot, details["roster"] if details["attempt"] == 0 and honest > 1 else run.roster
        self.report.questions += self._questions(seq, details)

    def _known(self, details: Mapping[str, Any]) -> Run:
        if details["run"] not in self._runs:
            raise _Wrong("no_reserve", details["run"].hex()[:16])
        return self._runs[details["run"]]

    def _honest(self, run: Run, details: Mapping[str, Any], approval: Mapping[str, Any], charter: Charter) -> int:
        """How many schools' noise is counted on: all but t, once the roster is one that may be asked."""
        roster, school = details["roster"], self.report.school
        if roster == [school] and approval["own_figures"]:
            return 1
        good = roster == sorted(set(roster)) and school in roster and set(roster) <= charter.schools.keys()
        good = good and len(roster) >= charter.smallest
        if run.roster:  # any two rosters share an honest school, so at most one of them opens
            shares = set(roster) <= set(run.roster) and 2 * len(roster) > len(run.roster) + charter.colluding
            good = good and (shares if details["attempt"] else roster == run.roster)
        _need(good, "roster", ", ".join(roster))
        return len(roster) - charter.colluding

    def _events(self, details: Mapping[str, Any], honest: int) -> list[Event]:
        """Every cost recomputed as a rational from the recorded integers, and the sum over the releases."""
        events, total, gap = [], Fraction(0), 0.0
        for release in details["releases"]:
            event = Event(release["dimension"], release["delta"], release["variance"], honest)
            if event.variance == 0:
                raise _Wrong("cost", f"{release['query']}: sigma^2 = 0")
            rho = Fraction(event.delta**2) / (2 * event.variance)
            if rho != release["rho"]:
                raise _Wrong("cost", f"{release['query']}: {release['rho']}, not {rho}")
            events.append(event)
            total += rho
            gap += event.dimension * _sum_gap(event.variance, honest)
        if total != details["rho"]:
            raise _Wrong("total", f"{details['rho']}, not {total}")
        paid = 8 * sum(event.dimension for event in events)
        _need(details["payload_bytes"] == paid, "size", f"{details['payload_bytes']}, not {paid}")
        _need(gap < _SUM_GAP, "lattice")
        return events

    def _questions(self, seq: int, details: Mapping[str, Any]) -> Iterator[Question]:
        place = seq, self.report.time, details["run"].hex(), details["experiment_hash"].hex()
        sent = details["step"], details["attempt"], len(details["roster"]), details["payload_bytes"]
        for one in details["releases"]:
            yield Question(*place, *sent, *(one[name] for name in _RELEASE))

    def _on_close(self, seq: int, details: Mapping[str, Any]) -> None:
        run = self._known(details)
        _need(run.open, "closed")
        run.open = False

    def _on_return(self, seq: int, details: Mapping[str, Any]) -> None:
        run = self._known(details)
        returned = {(population, cohort): rho for population, cohort, rho in details["returned"]}
        _need(not run.open and not run.returned and returned == run.held, "return")
        run.returned = True
        for account, rho in returned.items():
            self._account(account).reserved -= rho

    def _on_refusal(self, seq: int, details: Mapping[str, Any]) -> None:
        code = details["code"]
        self.report.refusals[code] = self.report.refusals.get(code, 0) + 1

    def _on_incident(self, seq: int, details: Mapping[str, Any]) -> None:
        self.report.incidents.append((seq, f"{details['code']}: {details['note']}"))
        if details["code"] == "own_forked":
            self.report.fork = seq


_KINDS: Final = {kind: getattr(_Check, f"_on_{kind}") for kind in _ENTRIES}


# ---- words, for an FG

_WORDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "title": ("Privacygrootboek van {}", "Privacy ledger of {}"),
        "coalition": ("Coalitie: {}, charter versie {} ({})", "Coalition: {}, charter version {} ({})"),
        "keys": ("Sleutels: node {}, FG {}", "Keys: node {}, FG {}"),
        "head": ("Stand na {} regels ({} UTC): {}", "Head after {} entries ({} UTC): {}"),
        "fg_change": ("FG-sleutel vervangen bij regel {}: {}", "FG key replaced at entry {}: {}"),
        "deputy": ("Plaatsvervanger van de FG: {}, tot en met {} UTC", "Deputy of the FG: {}, until {} UTC"),
        "seen": ("Laatst medeondertekend: regel {}; daarna nog {}", "Last countersigned: entry {}; {} since"),
        "never": ("Laatst medeondertekend: nog nooit", "Last countersigned: never yet"),
        "asked": ("WAT ER IS GEVRAAGD", "WHAT WAS ASKED"),
        "nothing": ("Er is niets vrijgegeven.", "Nothing was released."),
        "no_paper": ("Vraag en doel: geef het experiment mee met --papers", "Question, purpose: give it with --papers"),
        "question": ("Vraag: {}", "Question: {}"),
        "purpose": ("Doel: {}", "Purpose: {}"),
        "ground": ("Grondslag: {}", "Legal ground: {}"),
        "by": ("Door: {} ({}), {} UTC; handtekening klopt", "By: {} ({}), {} UTC; signature holds"),
        "by_unknown": ("Door wie: geef de aanvraag mee met --papers", "By whom: give the submission with --papers"),
        "approval": ("Toestemming {} van {}, {} UTC, tot en met {} UTC", "Approval {} by {}, {} UTC, until {} UTC"),
        "the_fg": ("de FG", "the FG"),
        "a_deputy": ("plaatsvervanger {}", "deputy {}"),
        "at_most": ("; hoogstens rho {}", "; at most rho {}"),
        "taken_back": ("; INGETROKKEN", "; WITHDRAWN"),
        "run": ("Run {}: rho {} gereserveerd; {}", "Run {}: rho {} reserved; {}"),
        "open": ("nog open", "still open"),
        "closed": ("gesloten", "closed"),
        "schools": ("{} scholen samen", "{} schools together"),
        "alone": ("deze school alleen", "this school alone"),
        "release": (
            "{} {}: {} keer {} getallen, {}; delta {}, sigma^2 {}, rho {} per keer",
            "{} {}: {} times {} numbers, {}; delta {}, sigma^2 {}, rho {} each",
        ),
        "price": ("Kosten: {} (rho {})", "Cost: {} (rho {})"),
        "cost": ("WAT HET KOSTTE EN WAT ER OVER IS", "WHAT IT COST AND WHAT IS LEFT"),
        "meaning": (
            "Epsilon zegt hoeveel alle antwoorden samen kunnen verraden over een student, aan iemand die al het andere "
            "al weet. 0 is niets; hoe lager, hoe beter beschermd. Het is een bovengrens, op een kans delta = {} na.",
            "Epsilon says how much all answers together can give away about one student, to someone who knows "
            "everything else. 0 is nothing; lower protects better. It is an upper bound, but for a chance delta = {}.",
        ),
        "spent": ("besteed    {} (rho {})", "spent      {} (rho {})"),
        "estimate": (
            "           schatting: {}, hoogstens {} te laag; de bovengrens hierboven is bewezen",
            "           estimate: {}, at most {} too low; the upper bound above is proved",
        ),
        "no_estimate": ("           schatting: niet te begrenzen", "           estimate: cannot be bounded"),
        "persons": (
            "           wie op {} scholen in dezelfde sommen zit: {}",
            "           someone in the same sums at {} schools: {}",
        ),
        "reserved": ("in reserve rho {}", "reserved   rho {}"),
        "cap": ("plafond    {} (rho {})", "cap        {} (rho {})"),
        "left": ("over       {} % van het plafond (rho {})", "left       {} % of the cap (rho {})"),
        "refused": ("GEWEIGERDE VERZOEKEN", "REFUSED REQUESTS"),
        "incidents": ("INCIDENTEN", "INCIDENTS"),
        "compared": ("VERGELEKEN MET WAT U ZELF BEWAART", "COMPARED WITH WHAT YOU HOLD YOURSELF"),
        "with_head": ("uw stand: regel {}; daarna nog {} regels", "your head: entry {}; {} entries since"),
        "with_charter": ("uw charter", "your charter"),
        "with_fg_key": ("uw sleutel", "your key"),
        "with_nothing": (
            "Niets. Of het grootboek is afgekapt of in zijn geheel opnieuw is gemaakt, is zo niet te zien: geef "
            "--expected-head en --charter.",
            "Nothing. Whether the ledger was cut short, or made anew as a whole, cannot be seen this way: give "
            "--expected-head and --charter.",
        ),
        "problems": ("WAT ER NIET KLOPT", "WHAT IS WRONG"),
        "entry": ("regel {}", "entry {}"),
        "whole": ("het geheel", "the whole"),
        "more": ("en nog {} andere", "and {} more"),
        "good": (
            "Alles klopt: elke handtekening, elke schakel en elke som is nagerekend.",
            "All holds: every signature, every link and every sum was recomputed.",
        ),
        "bad": (
            "Er klopt iets niet; de bedragen hierboven tellen alleen wat wel klopt. Zet de node stil, bewaar dit "
            "bestand en bel de coordinator en een andere FG.",
            "Something is wrong; the sums above count only what holds. Stop the node, keep this file, and call the "
            "coordinator and another FG.",
        ),
    }
)
_MOST_LINES: Final = 40


def as_text(report: Report, delta: Fraction, language: str) -> str:
    """The report for an FG, in Dutch ("nl") or English ("en")."""
    return "\n".join(_Page(report, delta, ("nl", "en").index(language)).lines())


@dataclass(frozen=True)
class _Page:
    report: Report
    delta: Fraction
    side: int

    def lines(self) -> Iterator[str]:
        report = self.report
        yield from self._top()
        yield from self._part("asked", self._asked())
        yield from self._part("cost", self._costs())
        yield from self._part("refused", (f"  {n} x {code}" for code, n in sorted(report.refusals.items())))
        yield from self._part("incidents", (self._line(2, "entry", f"{n}: {note}") for n, note in report.incidents))
        yield from self._part("compared", self._compared())
        yield from self._part("problems", self._problems())
        yield from ("", self._line(0, "good" if report.ok else "bad"))

    def _part(self, title: str, lines: Iterable[str]) -> Iterator[str]:
        """A title with its lines; nothing at all when there are none."""
        found = list(lines)
        yield from ("", self._say(title), *found) if found else ()

    def _say(self, name: str, *values: object) -> str:
        return _printable(_WORDS[name][self.side].format(*values))

    def _line(self, indent: int, name: str, *values: object) -> str:
        text, margin = self._say(name, *values), " " * indent
        if len(text) < 110 - indent:
            return margin + text
        return textwrap.fill(text, 110, initial_indent=margin, subsequent_indent=f"{margin}  ", break_long_words=False)

    def _number(self, value: float, digits: int = 4) -> str:
        """Rounded up, since it is a bound."""
        if not math.isfinite(value):
            return "?"
        return self._comma(f"{math.ceil(value * 10**digits) / 10**digits:.{digits}f}")

    def _comma(self, number: str) -> str:
        return number.replace(".", ",") if self.side == 0 else number

    def _epsilon(self, rho: Fraction) -> str:
        return f"epsilon {self._number(epsilon(rho, self.delta))}"

    def _top(self) -> Iterator[str]:
        report, charter, seen = self.report, self.report.charter, self.report.countersigned
        yield self._say("title", report.school)
        if charter is not None:
            yield self._say("coalition", charter.name, charter.version, charter.digest.hex()[:16])
        yield self._say("keys", _fingerprint(report.node_key), _fingerprint(report.fg_key))
        yield from (self._say("fg_change", seq, _fingerprint(key)) for seq, key in report.fg_changes)
        if report.deputy is not None:
            yield self._say("deputy", report.deputy["deputy"], _moment(report.deputy["expires"]))
        yield self._say("head", report.entries, _moment(report.time), report.head)
        yield self._say("never") if seen is None else self._say("seen", seen, report.entries - 1 - seen)

    def _asked(self) -> Iterator[str]:
        kinds: dict[str, Counter[tuple[Any, ...]]] = {}
        for q in self.report.questions:
            kind = (_moment(q.time)[:10], q.query, q.dimension, q.schools, q.delta, q.variance, q.rho)
            kinds.setdefault(q.run, Counter())[kind] += 1
        if not kinds:
            yield self._line(2, "nothing")
        for number, (digest, asked) in enumerate(self.report.asked.items(), 1):
            yield f"  {number}. {_printable(_words(asked, 'title', self.side))} [{digest[:16]}]"
            yield from self._paper(asked)
            yield from map(self._approval, asked.approvals)
            for run in asked.runs:
                yield from self._run(run, kinds.get(run.number.hex(), Counter()))

    def _paper(self, asked: Asked) -> Iterator[str]:
        for name in ("question", "purpose", "ground"):
            if words := _words(asked, name, self.side):
                yield self._line(5, name, words)
        if not asked.document:
            yield self._line(5, "no_paper")
        if asked.submitted is None:
            yield self._line(5, "by_unknown")
        else:
            person, school, moment = asked.submitted
            yield self._line(5, "by", person, school or "-", _moment(moment))

    def _approval(self, approval: Mapping[str, Any]) -> str:
        times = _moment(approval["signed_at"]), _moment(approval["expires"])
        limit = "" if approval["cap"] is None else self._say("at_most", approval["cap"])
        back = self._say("taken_back") if approval["serial"] in self.report.withdrawn else ""
        by = self._say("a_deputy", approval["by"]) if approval["by"] else self._say("the_fg")
        return self._line(5, "approval", approval["serial"], by, *times) + limit + back

    def _run(self, run: Run, kinds: Counter[tuple[Any, ...]]) -> Iterator[str]:
        yield self._line(5, "run", run.number.hex()[:16], run.reserved, self._say("open" if run.open else "closed"))
        for (day, query, dimension, schools, delta, variance, rho), times in kinds.items():
            among = self._say("alone") if schools == 1 else self._say("schools", schools)
            yield self._line(7, "release", day, query, times, dimension, among, delta, variance, rho)
        total = sum((kind[-1] * times for kind, times in kinds.items()), Fraction(0))
        yield self._line(7, "price", self._epsilon(total), total)

    def _costs(self) -> Iterator[str]:
        yield self._line(2, "meaning", self.delta)
        per_person = _per_person(self.report)
        for account, own in sorted(self.report.accounts.items()):
            yield f"  {'/'.join(account)}"
            yield f"    {self._say('spent', self._epsilon(own.spent), own.spent)}"
            if own.spent:
                yield f"    {self._estimate(own)}"
                yield f"    {self._say('persons', per_person, self._epsilon(per_person**2 * own.spent))}"
            yield f"    {self._say('reserved', own.reserved)}"
            yield f"    {self._say('cap', self._epsilon(own.cap), own.cap)}"
            share = math.floor(1000 * own.left / own.cap) if own.cap else 0  # rounded down: what is surely left
            yield f"    {self._say('left', self._comma(f'{share // 10}.{share % 10}'), own.left)}"

    def _estimate(self, own: Balance) -> str:
        value, error = estimate(own.events, self.delta)
        if not math.isfinite(error):
            return self._say("no_estimate")
        return self._say("estimate", f"epsilon {self._number(value)}", self._number(max(error, 1e-9), 9))

    def _compared(self) -> Iterator[str]:
        report = self.report
        if report.expected is not None:
            yield self._line(2, "with_head", report.expected, report.entries - 1 - report.expected)
        yield from (self._line(2, f"with_{name}") for name in report.compared if name != "head")
        if report.ok and not report.compared:
            yield self._line(2, "with_nothing")

    def _problems(self) -> Iterator[str]:
        """Problems in order; the same one at entries that follow each other is told once."""
        told = _in_rows(self.report.problems)
        for first, last in told[:_MOST_LINES]:
            numbers = first.seq if first.seq == last.seq else f"{first.seq}-{last.seq}"
            where = self._say("whole") if first.seq is None else self._say("entry", numbers)
            found = _printable(f": {first.found}") if first.found else ""
            yield f"  {where}: {PROBLEMS[first.code][self.side]}{found} ({first.code})"
        if len(told) > _MOST_LINES:
            yield self._line(2, "more", len(told) - _MOST_LINES)


def _in_rows(problems: Iterable[Problem]) -> list[tuple[Problem, Problem]]:
    """First and last of each unbroken row of entries with the same problem."""
    rows: list[tuple[Problem, Problem]] = []
    for problem in problems:
        first, last = rows[-1] if rows else (problem, problem)
        follows = last.seq is not None and problem == (first.code, last.seq + 1, first.found)
        rows[-1 if follows else len(rows) :] = [(first if follows else problem, problem)]
    return rows


def _words(asked: Asked, name: str, side: int) -> str:
    """Words of an experiment, which comes from outside: nothing about its form is taken for granted."""
    part, language = asked.document.get(name), ("nl", "en")[side]
    if name == "ground":
        part, language = asked.document.get("legal"), "ground"
    return str(part.get(language, "")) if isinstance(part, dict) else ""


def _printable(text: str) -> str:
    """Nothing in it that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _fingerprint(key: bytes) -> str:
    """The key's first 128 bits in groups of four, as two people compare them by telephone."""
    return " ".join(key[at : at + 2].hex() for at in range(0, 16, 2))


def _per_person(report: Report) -> int:
    """At how many schools one person may be; 2 where no charter says."""
    return report.charter.per_person if report.charter else 2


# ---- the same for machines


def as_data(report: Report, delta: Fraction) -> dict[str, Any]:
    """The report as one JSON object; rationals are written as text, "numerator/denominator"."""
    data = {
        "school": report.school,
        "entries": report.entries,
        "head": report.head,
        "charter": report.charter.digest.hex() if report.charter else None,
        "node_key": report.node_key.hex(),
        "fg_key": report.fg_key.hex(),
        "fg_changes": [{"seq": seq, "key": key.hex()} for seq, key in report.fg_changes],
        "deputy": None if report.deputy is None else {name: report.deputy[name] for name in ("deputy", "expires")},
        "countersigned": report.countersigned,
        "expected": report.expected,
        "compared": report.compared,
        "delta": str(delta),
        "accounts": [_account_data(report, name, delta) for name in sorted(report.accounts)],
        "experiments": [_asked_data(digest, asked, report) for digest, asked in report.asked.items()],
        "releases": [{**q._asdict(), "variance": str(q.variance), "rho": str(q.rho)} for q in report.questions],
        "refusals": report.refusals,
        "incidents": [{"seq": seq, "note": note} for seq, note in report.incidents],
        "problems": [{**problem._asdict(), "text": PROBLEMS[problem.code][1]} for problem in report.problems],
    }
    status, code = ("ok", 0) if report.ok else ("problems", 1)
    return _answer(status, code, None if report.ok else report.problems[0].code, data)


def _answer(status: str, exit_code: int, error: str | None, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"schema_version": 1, "status": status, "exit_code": exit_code, "error_code": error, "data": data}


def _account_data(report: Report, account: Account, delta: Fraction) -> dict[str, Any]:
    own, per_person = report.accounts[account], _per_person(report)
    value, error = estimate(own.events, delta)
    epsilons = {
        "epsilon_zcdp": epsilon(own.spent, delta),
        "epsilon_cap": epsilon(own.cap, delta),
        "epsilon_several_schools": epsilon(per_person**2 * own.spent, delta),
        "epsilon_estimate": value,
        "epsilon_estimate_error": error,
    }
    return {
        "population": account[0],
        "cohort": account[1],
        **{name: str(getattr(own, name)) for name in ("cap", "spent", "reserved", "left")},
        "schools_per_person": per_person,
        **{name: number if math.isfinite(number) else None for name, number in epsilons.items()},
    }


def _asked_data(digest: str, asked: Asked, report: Report) -> dict[str, Any]:
    texts = {name: [_words(asked, name, side) for side in (0, 1)] for name in ("title", "question", "purpose")}
    names = ("serial", "by", "expires")
    approvals = [{name: one[name] for name in names} for one in asked.approvals]
    return {
        "experiment_hash": digest,
        **{name: {"nl": dutch, "en": english} for name, (dutch, english) in texts.items()},
        "submitted": asked.submitted,
        "approvals": [{**one, "withdrawn": one["serial"] in report.withdrawn} for one in approvals],
        "runs": [{"run": run.number.hex(), "reserved": str(run.reserved), "open": run.open} for run in asked.runs],
    }


# ---- the command

_UNUSABLE: Final = {"nl": "Niet te lezen:", "en": "Cannot be read:"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        report = verify_ledger(chosen.ledger, chosen.expected_head, chosen.fg_key, chosen.charter, chosen.papers)
    except NotALedgerError as error:
        if chosen.format == "json":
            found = {"ledger": str(chosen.ledger), "found": str(error)}
            sys.stdout.write(json.dumps(_answer("error", 2, "not_a_ledger", found)) + "\n")
        sys.stderr.write(f"{_UNUSABLE[chosen.language]} {chosen.ledger}: {error}\n")
        return 2
    if chosen.format == "json":
        text = json.dumps(as_data(report, chosen.delta), ensure_ascii=False, allow_nan=False)
    else:
        text = as_text(report, chosen.delta, chosen.language)
    sys.stdout.write(text + "\n")
    return 0 if report.ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="verify.py",
        description="Controleert het privacygrootboek van een school. / Checks a school's privacy ledger.",
    )
    add = parser.add_argument
    add("ledger", type=Path, help="ledger.sqlite van de node, of een kopie / of the node, or a copy")
    add("--expected-head", type=_head_given, help="de stand die u bewaart: cijfers of bestand / the head you hold")
    add("--charter", type=_content, help="het charter dat u aanvaardde / the charter you accepted")
    add("--fg-key", type=_hex32, help="uw eigen publieke sleutel / your own public key")
    add("--papers", type=_paper, nargs="+", action="extend", default=[], help="experiment en aanvraag / and submission")
    add("--delta", type=_delta, default=Fraction(1, 10**6), help="delta bij epsilon (1e-6)")
    add("--language", choices=("nl", "en"), default="nl", help="taal / language")
    add("--format", choices=("text", "json"), default="text", help="tekst of JSON / text or JSON")
    return parser


def _hex32(text: str) -> bytes:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError("64 hexadecimale cijfers / 64 hexadecimal digits")
    return bytes.fromhex(text)


def _head_given(text: str) -> bytes:
    return _content(text) if Path(text).is_file() else _hex32(text)


def _paper(text: str) -> tuple[str, bytes]:
    return Path(text).name, _content(text)


def _content(text: str) -> bytes:
    try:
        with Path(text).open("rb") as file:
            return file.read(LARGEST_FILE)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}") from error


def _delta(text: str) -> Fraction:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("tussen 0 en 1 / between 0 and 1")
    return value


if __name__ == "__main__":
    gc.disable()  # what is read is kept until the end: looking for waste in between finds none, and takes a tenth
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a console that lacks a letter shows a mark
    sys.exit(main())
