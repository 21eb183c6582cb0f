"""Questions a coalition can ask; each is one class with one bounded vector per student."""

from experiments.queries.base import Query, State
from experiments.queries.curvature import Curvature
from experiments.queries.logistic import LogisticGradient, scores
from experiments.queries.moments import Moments
from experiments.queries.score_table import ScoreTable
from experiments.queries.tables import Axis, Table
from experiments.queries.two_stage import Split, Step, two_stage

__all__ = [
    "Axis",
    "Curvature",
    "LogisticGradient",
    "Moments",
    "Query",
    "ScoreTable",
    "Split",
    "State",
    "Step",
    "Table",
    "scores",
    "two_stage",
]
