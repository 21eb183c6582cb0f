"""A ranking of last year's students arrives; how it did for each group of them leaves, for the school's own eyes.

Whether a list overlooks one group, or calls up another in vain. A group of fewer than twelve students is not shown,
and a share with fewer than twelve below the line has no value. Groups differ much when their shares lie 15 points apart
and chance alone would not do that: at 95 % for all comparisons of the table together, so that a long table does not
find something every time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

from experiments.reading.words import Words
from node.local import measuring
from node.local.measuring import Share
from shared_schema import Schema
from shared_schema.facts import Facts, Tables

SMALLEST_DENOMINATOR = 12
FAR_APART, BY_CHANCE = 0.15, 0.05
COLUMNS = ("geslacht", "vooropleiding")
TITLES = {"geslacht": Words("geslacht", "gender"), "vooropleiding": Words("vooropleiding", "prior education")}


@dataclass(frozen=True)
class Group:
    """Students with one code of a column. precision and recall None where too few stand below the line."""

    column: str
    label: Words
    students: int
    listed: int
    precision: Share | None
    recall: Share | None
    unlike_others: bool


def groups(scores: pd.Series, labels: pd.Series, share: float, tables: Tables, schema: Schema) -> tuple[Group, ...]:
    """Figures per group of gender and prior education, of the top `share` of a ranking of students measured."""
    facts = Facts.of(tables, schema)
    top = measuring.in_order(scores)[: measuring.listed(share, len(scores))]
    rows = pd.DataFrame({"left": labels.loc[scores.index] == 1.0, "listed": scores.index.isin(top)}, index=scores.index)
    chosen = [
        (column, code, codes == code)
        for column in COLUMNS
        for codes in [pd.Series(facts.texts("person", column), index=facts.index).loc[scores.index]]
        for code in sorted(set(codes))
        if code and (codes == code).sum() >= SMALLEST_DENOMINATOR
    ]
    compared = sum(_comparable(*pair) for _, _, here in chosen for pair in _pairs(rows, here))
    return tuple(_group(column, code, rows, here, schema, compared) for column, code, here in chosen)


def _group(column: str, code: str, rows: pd.DataFrame, here: pd.Series, schema: Schema, compared: int) -> Group:
    own = _shares(rows[here])
    precision, recall = (share if share.out_of >= SMALLEST_DENOMINATOR else None for share in own)
    apart = any(_apart(*pair, compared) for pair in _pairs(rows, here))
    listed = int(rows["listed"][here].sum())
    return Group(column, _label(schema, column, code), int(here.sum()), listed, precision, recall, apart)


def _label(schema: Schema, column: str, code: str) -> Words:
    codes = schema.column("person", column).codes
    label = codes.labels.get(code) if codes is not None else None
    name = Words(label.nl, label.en) if label is not None else Words.same(code)
    return Words.same("{title}: {name}").filled(title=TITLES[column], name=name)


def _shares(rows: pd.DataFrame) -> tuple[Share, Share]:
    """Precision and recall of the list among these students."""
    hits = int((rows["left"] & rows["listed"]).sum())
    return Share(hits, int(rows["listed"].sum())), Share(hits, int(rows["left"].sum()))


def _pairs(rows: pd.DataFrame, here: pd.Series) -> tuple[tuple[Share, Share], ...]:
    """Precision and recall of the list, each for the group and for all others."""
    return tuple(zip(_shares(rows[here]), _shares(rows[~here]), strict=True))


def _comparable(own: Share, others: Share) -> bool:
    return min(own.out_of, others.out_of) >= SMALLEST_DENOMINATOR


def _apart(own: Share, others: Share, compared: int) -> bool:
    """Two shares far apart, and further than chance brings them in so many comparisons (z, with Bonferroni)."""
    if not _comparable(own, others):
        return False
    limit = NormalDist().inv_cdf(1.0 - BY_CHANCE / (2 * compared))
    gap = own.hits / own.out_of - others.hits / others.out_of
    pooled = (own.hits + others.hits) / (own.out_of + others.out_of)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / own.out_of + 1 / others.out_of))
    return abs(gap) >= FAR_APART and abs(gap) > limit * max(spread, float(np.finfo(float).tiny))
