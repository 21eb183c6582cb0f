"""The same vectors arrive at two protocols; the CPU time one of 60 schools spends on a secure exchange leaves.

Ours: everything `node/answer` does to a vector, except the ledger's disk: a key, a signed certificate, the peers'
certificates checked, the lattice, exact noise, masks. Beside it Flower's own SecAgg+: its four client stages, called
as they are, without messages around them, which is in its favour. It adds no noise, and checks no signature.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from experiments.benchmarks import report
from privacy.identity import SigningKey
from privacy.lattice import Floats
from privacy.masking import EphemeralKey, Party, Words
from privacy.noise import discrete_gaussian
from privacy.private_sum import Release, masked_sums
from privacy.statements import Certificate, Signed, check, sign

COMMAND = "python -m experiments.benchmarks exchange"
SCHOOLS, COLLUDERS = 60, 1
SIZES = (10_000, 100_000, 1_000_000)
NEIGHBOURS = 20  # of a school in the sparse graph that SecAgg+ was made for
REPEATS = {10_000: 5, 100_000: 3, 1_000_000: 1}
TIMES_LESS_AT_10K = 10.0
STEPS = 2**20
WEIGHT = 40  # the number of examples that Flower sends along in clear
CHARTER, EXPERIMENT, RUN = (hashlib.sha256(name).digest() for name in (b"charter", b"experiment", b"run"))


@dataclass(frozen=True)
class Spent:
    """CPU milliseconds of one school for vectors of one length."""

    values: int
    ours: float
    noise: float  # the part of ours that SecAgg+ has no counterpart of
    complete: float
    sparse: float


def vectors(values: int) -> Floats:
    """Return what one school brings, float64 [1, values], of norm 1: both protocols get this same vector."""
    waves = np.sin(np.arange(1, values + 1, dtype=np.float64))
    return np.asarray(waves / np.linalg.norm(waves))[None, :]


# Ours -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class School:
    """A school in a run: what it signs with, its key for the run, and the certificate of that key."""

    signing: SigningKey
    key: EphemeralKey
    certificate: Signed[Certificate]


def school(index: int) -> School:
    """Return a school with a fresh key of one run, certified."""
    signing, key = SigningKey.generate(), EphemeralKey.generate()
    return School(signing, key, _certified(index, signing, key))


def _certified(index: int, signing: SigningKey, key: EphemeralKey) -> Signed[Certificate]:
    return sign(Certificate(CHARTER, EXPERIMENT, RUN, f"school-{index:03d}", 1, bytes(16), key.public, 2**40), signing)


def release(values: int) -> Release:
    """Return a release of this many values at the noise of one twelfth of epsilon 1: the size does not matter."""
    return Release(values, Fraction(1), STEPS, Fraction(STEPS**2 * 50))


def answer(own: int, schools: Sequence[School], rows: Floats, context: bytes) -> Words:
    """What school `own` does in an exchange, from a fresh key to the masked answer, uint64 [values]."""
    me = schools[own]
    _certified(own, me.signing, me.key)
    roster = [_party(one) for one in schools]
    return masked_sums([rows], [release(rows.shape[1])], len(schools) - COLLUDERS, roster[own], me.key, roster, context)


def _party(one: School) -> Party:
    """The peer's key, believed because its certificate's signature holds. Raises `IdentityError` where it does not."""
    said = check(one.certificate, one.signing.public)
    return Party(said.school, said.epoch, said.key)


def ours_ms(values: int, count: int = SCHOOLS) -> float:
    """CPU of one school, in ms, the least over some repeats; making its own key is counted."""
    schools, rows = [school(index) for index in range(count)], vectors(values)

    def once(repeat: int) -> None:
        EphemeralKey.generate()
        answer(0, schools, rows, hashlib.sha256(f"exchange {repeat}".encode()).digest())

    return least_ms(once, REPEATS.get(values, 1))


def noise_ms(values: int) -> float:
    """CPU of the noise alone, in ms, as `answer` draws it."""
    share = release(values).variance / (SCHOOLS - COLLUDERS)
    return least_ms(lambda _: discrete_gaussian(values, share), REPEATS.get(values, 1))


# Flower's ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Neighbour:
    """A client of SecAgg+ between its stages: its own state, and the public keys it showed."""

    state: Any
    shown: Any


def secagg_settings(neighbours: int) -> dict[str, Any]:
    """Return Flower's default ranges for a graph in which each school shares with so many others and itself."""
    from flwr.common.secure_aggregation.secaggplus_constants import Key

    return {
        Key.SAMPLE_NUMBER: neighbours + 1,
        Key.SHARE_NUMBER: neighbours + 1,
        Key.THRESHOLD: neighbours // 2 + 1,
        Key.CLIPPING_RANGE: 8.0,
        Key.TARGET_RANGE: 2**22,
        Key.MOD_RANGE: 2**32,
        Key.MAX_WEIGHT: 1000.0,
    }


def secagg_ms(values: int, neighbours: int) -> float:
    """CPU of one client over its four stages, in ms, the least over some repeats."""
    rows = vectors(values)[0]
    return min(_secagg_once(rows, neighbours) for _ in range(REPEATS.get(values, 1)))


def _secagg_once(vector: Floats, neighbours: int) -> float:
    """One client's four stages on the processor's clock; what its neighbours do in between is left out."""
    from flwr.client.mod.secure_aggregation.secaggplus_mod import _collect_masked_vectors, _share_keys, _unmask
    from flwr.common import ConfigRecord, ndarrays_to_parameters
    from flwr.common.secure_aggregation.secaggplus_constants import Key

    clock = Clock()
    settings = ConfigRecord(secagg_settings(neighbours))
    clients = [_set_up(number, settings) for number in range(1, neighbours + 1)]
    with clock:
        own = _set_up(0, settings)
    keys: dict[str, Any] = {
        str(one.state.nid): [one.shown[Key.PUBLIC_KEY_1], one.shown[Key.PUBLIC_KEY_2]] for one in (own, *clients)
    }
    for_own: Any = [_sealed_for(0, _share_keys(one.state, ConfigRecord(keys))) for one in clients]
    parameters = ndarrays_to_parameters([vector])
    with clock:
        _share_keys(own.state, ConfigRecord(keys))
        received = ConfigRecord({Key.CIPHERTEXT_LIST: for_own, Key.SOURCE_LIST: [one.state.nid for one in clients]})
        _collect_masked_vectors(own.state, received, WEIGHT, parameters)
        everyone = [int(name) for name in keys]
        _unmask(own.state, ConfigRecord({Key.ACTIVE_NODE_ID_LIST: everyone, Key.DEAD_NODE_ID_LIST: []}))
    return clock.ms


def _set_up(number: int, settings: Any) -> Neighbour:
    from flwr.client.mod.secure_aggregation.secaggplus_mod import SecAggPlusState, _setup

    state = SecAggPlusState(nid=number)
    return Neighbour(state, _setup(state, settings))


def _sealed_for(number: int, shares: Any) -> bytes:
    """The encrypted share that one client has for another."""
    from flwr.common.secure_aggregation.secaggplus_constants import Key

    sealed: bytes = shares[Key.CIPHERTEXT_LIST][shares[Key.DESTINATION_LIST].index(number)]
    return sealed


# Both -------------------------------------------------------------------------------------------------------------


class Clock:
    """Adds up the processor time of the blocks it stands around."""

    def __init__(self) -> None:
        self.ms, self._start = 0.0, 0.0

    def __enter__(self) -> Clock:
        self._start = time.process_time()
        return self

    def __exit__(self, *exception: object) -> None:
        self.ms += (time.process_time() - self._start) * 1000.0


def least_ms(once: Callable[[int], object], repeats: int) -> float:
    """The least processor time of some repeats: the others measure what else the machine did."""
    clocks = [Clock() for _ in range(repeats)]
    for repeat, clock in enumerate(clocks):
        with clock:
            once(repeat)
    return min(clock.ms for clock in clocks)


def measure(values: int) -> Spent:
    """Measure both protocols on vectors of this length, in this process, one after the other."""
    return Spent(
        values, ours_ms(values), noise_ms(values), secagg_ms(values, SCHOOLS - 1), secagg_ms(values, NEIGHBOURS)
    )


def main() -> bool:
    """Print the benchmark; return whether the targets are met."""
    report.heading(f"Secure exchange: {SCHOOLS} schools, CPU of one, beside Flower's SecAgg+", COMMAND)
    figures: list[report.Figure] = []
    for spent in map(measure, SIZES):
        report.say(
            f"   {spent.values:>9,} values: ours {spent.ours:5.0f} ms, {spent.noise:.0f} ms of it noise; SecAgg+ "
            f"{spent.complete:5.0f} ms with all {SCHOOLS - 1} peers, {spent.sparse:5.0f} ms with {NEIGHBOURS} of them"
        )
        least = TIMES_LESS_AT_10K if spent.values == SIZES[0] else 1.0
        times = spent.complete / spent.ours
        figures.append(
            report.Figure(f"times less CPU at {spent.values:,}", f"{times:.1f}", f">= {least:.0f}", times >= least)
        )
    return report.show(figures)
