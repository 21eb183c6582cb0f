"""What the benchmark of a secure exchange times is the real thing: each side opens to the sum of the vectors."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from flwr.client.mod.secure_aggregation.secaggplus_mod import _collect_masked_vectors, _share_keys
from flwr.common import ConfigRecord, bytes_to_ndarray, ndarrays_to_parameters
from flwr.common.secure_aggregation.secaggplus_constants import Key
from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen

from experiments.benchmarks import exchange
from privacy.private_sum import open_lattice

SCHOOLS, VALUES = 4, 50


def test_our_answers_open_to_the_sum_within_the_noise() -> None:
    """Twelve sigma: a false alarm is rarer than 1e-30. One answer alone is a word of 64 bits, far from any sum."""
    schools = [exchange.school(index) for index in range(SCHOOLS)]
    rows = exchange.vectors(VALUES)
    context = hashlib.sha256(b"test").digest()
    answers = [exchange.answer(index, schools, rows, context) for index in range(SCHOOLS)]
    asked = exchange.release(VALUES)
    (opened,) = open_lattice(answers, [asked])
    spread = 12 * math.sqrt(asked.variance)
    assert np.abs(opened - SCHOOLS * rows[0] * exchange.STEPS).max() < spread
    assert np.abs(answers[0].view(np.int64)).max() > 2**55 > spread


def test_flowers_stages_open_to_the_sum() -> None:
    """Without each client's own mask, which the server takes off, the masked vectors add up to the quantised sum."""
    settings = exchange.secagg_settings(SCHOOLS - 1)
    clients = [exchange._set_up(number, ConfigRecord(settings)) for number in range(SCHOOLS)]
    keys = {str(one.state.nid): [one.shown[Key.PUBLIC_KEY_1], one.shown[Key.PUBLIC_KEY_2]] for one in clients}
    shares = [_share_keys(one.state, ConfigRecord(keys)) for one in clients]
    vector = exchange.vectors(VALUES)[0]
    total = np.zeros(VALUES, dtype=np.int64)
    for one in clients:
        others = [other for other in range(SCHOOLS) if other != one.state.nid]
        sealed = [exchange._sealed_for(one.state.nid, shares[other]) for other in others]
        received = ConfigRecord({Key.CIPHERTEXT_LIST: sealed, Key.SOURCE_LIST: others})
        said = _collect_masked_vectors(one.state, received, exchange.WEIGHT, ndarrays_to_parameters([vector]))
        masked = bytes_to_ndarray(said[Key.MASKED_PARAMETERS][1])
        own = pseudo_rand_gen(one.state.rd_seed, settings[Key.MOD_RANGE], [(1,), (VALUES,)])[1]
        total += masked - own
    steps, clip = settings[Key.TARGET_RANGE], settings[Key.CLIPPING_RANGE]
    weight = round(exchange.WEIGHT / settings[Key.MAX_WEIGHT] * steps) / steps
    opened = (total % settings[Key.MOD_RANGE]) / steps * 2 * clip - SCHOOLS * clip
    assert np.allclose(opened, SCHOOLS * weight * vector, atol=SCHOOLS * 2 * 2 * clip / steps)
