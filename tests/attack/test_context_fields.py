"""Every field that a school could be told differently is bound into the masks (METHODS §7, attacks 1 and 2).

Of three schools one is told something else: one field at a time, whichever there is. Without the field in the context
the three answers open to their sum; with it the opened words are uniform (top bytes, chi-squared, rate 1e-6 a field).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from experiments import protocol
from experiments.planning import PlannedQuery, Step
from experiments.queries.tables import Axis, Table
from privacy.identity import SigningKey
from privacy.masking import EphemeralKey, Party, pairwise_mask
from privacy.private_sum import Release
from tests.ledger_world import World

SIZE = 4096
FALSE_ALARM = 1e-6
Told = dict[str, Any]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What the three schools are told, when they are told the same."""
    charter = World(tmp_path_factory.mktemp("world")).charter
    table = Table("who", (Axis("outcome", (Fraction(1, 2),)),), "all")
    release = Release(2, Fraction(1), 1000, Fraction(10**12))
    return {
        "charter": charter,
        "experiment_hash": b"e" * 32,
        "run": b"r" * 32,
        "step": Step(1, (PlannedQuery(table, release),)),
        "roster": [Party(f"s{index}", 1, bytes([index]) * 32) for index in range(3)],
        "attempt": 0,
        "state": {"weights": np.array([1.0, 2.0])},
    }


def _school(told: Told, **changes: Any) -> Told:
    first, *others = told["roster"]
    return told | {"roster": [replace(first, **changes), *others]}


def _query(told: Told, **changes: Any) -> Told:
    (planned,) = told["step"].queries
    return told | {"step": replace(told["step"], queries=(replace(planned, **changes),))}


def _release(told: Told, **changes: Any) -> Told:
    (planned,) = told["step"].queries
    return _query(told, release=replace(planned.release, **changes))


FIELDS: dict[str, Callable[[Told], Told]] = {
    "charter": lambda told: told | {"charter": replace(told["charter"], planning_students=7)},
    "coordinator": lambda told: (
        told | {"charter": replace(told["charter"], coordinator_key=SigningKey.generate().public, people=())}
    ),
    "experiment": lambda told: told | {"experiment_hash": b"f" * 32},
    "run": lambda told: told | {"run": b"s" * 32},
    "step": lambda told: told | {"step": replace(told["step"], index=2)},
    "attempt": lambda told: told | {"attempt": 1},
    "a school's id": lambda told: _school(told, school="s9"),
    "a school's epoch": lambda told: _school(told, epoch=2),
    "a school's key": lambda told: _school(told, key=b"k" * 32),
    "a school left out": lambda told: told | {"roster": told["roster"][1:]},
    "a value of the state": lambda told: told | {"state": {"weights": np.array([1.0, 2.5])}},
    "a key of the state": lambda told: told | {"state": {"points": np.array([1.0, 2.0])}},
    "the query's parameters": lambda told: _query(
        told, query=replace(told["step"].queries[0].query, students="held_out")
    ),
    "the dimension": lambda told: _release(told, dimension=3),
    "the clip norm": lambda told: _release(told, clip_norm=Fraction(2)),
    "the lattice": lambda told: _release(told, lattice_steps=2000),
    "the noise": lambda told: _release(told, variance=Fraction(10**11)),
    "another query beside it": lambda told: told | {"step": replace(told["step"], queries=2 * told["step"].queries)},
}


def _opened(contexts: list[bytes]) -> np.ndarray:
    """Three schools that each answer one, under these contexts, added up."""
    keys = [EphemeralKey.generate() for _ in contexts]
    roster = [Party(f"s{index}", 1, key.public) for index, key in enumerate(keys)]
    ones = np.ones(SIZE, dtype=np.uint64)
    masks = [pairwise_mask(*own, roster, context, SIZE) for *own, context in zip(roster, keys, contexts, strict=True)]
    return np.sum([ones + mask for mask in masks], axis=0, dtype=np.uint64)


def _is_uniform(words: np.ndarray) -> bool:
    top = (words >> np.uint64(56)).astype(int)
    return bool(stats.chisquare(np.bincount(top, minlength=256)).pvalue > FALSE_ALARM)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("defended", [False, True])
def test_a_school_told_otherwise_in_one_field_opens_nothing(told: Told, field: str, defended: bool) -> None:
    """Defence off: the third school makes its mask as if the field were in no context."""
    forked = FIELDS[field](told) if defended else told
    opened = _opened([protocol.context_of(**each) for each in (told, told, forked)])
    assert _is_uniform(opened) if defended else (opened == 3).all()


def test_every_argument_of_the_context_is_told_otherwise_once(told: Told) -> None:
    """No field is forgotten above: whatever the context is made from, some attack changes it."""
    changed = {name for attack in FIELDS.values() for name, value in attack(told).items() if value is not told[name]}
    assert changed == set(told)


def test_the_context_is_the_same_wherever_it_is_made(told: Told, tmp_path: Path) -> None:
    """The control: equal words in other objects give the same context, or honest schools would not open either."""
    again = told | {"state": {"weights": np.array([1.0, 2.0])}, "roster": list(map(replace, told["roster"]))}
    assert protocol.context_of(**again) == protocol.context_of(**told)
