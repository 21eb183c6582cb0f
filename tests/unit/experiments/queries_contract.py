"""Small made-up students, every query at every step, and states that fit them: for the tests of queries."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from experiments.hyperparameters import Settings
from experiments.queries import Axis, Query, State, Table, two_stage
from experiments.students import Students
from experiments.synthetic.tabular import tabular

FEATURES = 9


def made_up(n: int = 400, seed: int = 3, features: int = FEATURES) -> Students:
    """Students of a made-up table; every fourth is held out."""
    table = tabular(max(n, 50), features, seed)
    held_out = np.arange(n) % 4 == 0
    return Students(table.features[:n], table.outcome[:n], held_out, table.names)


def chain(students: Students, noise_sd: float = 0.0) -> tuple[Settings, list[tuple[Query, State]], State]:
    """Run the whole model without noise; return the settings, each query with the state it is asked at, the end."""
    training = int((~students.held_out).sum())
    settings, steps = two_stage(len(students.names), training, len(students) - training, Fraction(50))
    asked: list[tuple[Query, State]] = []
    state: State = {}
    for step in steps:
        totals = [query.contributions(students, state).sum(axis=0) for query, _ in step]
        asked += [(query, state) for query, _ in step]
        for (query, _), total in zip(step, totals, strict=True):
            state = query.absorb(state, total, noise_sd)
    return settings, asked, state


def every_query() -> list[tuple[Query, State]]:
    """Each kind of query with a state it may be asked at."""
    _, asked, _ = chain(made_up())
    kinds = {query.name: (query, state) for query, state in asked}
    table = Table("by-outcome", (Axis("outcome", (Fraction(1, 2),)), Axis("normal0", (Fraction(0), Fraction(1, 4)))))
    return [*kinds.values(), (table, {})]
