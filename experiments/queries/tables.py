"""Students arrive; a count per declared cell leaves, noisy. One student stands in one cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal

import numpy as np

from experiments.errors import QueryError
from experiments.queries.base import Bounds, Query, State, bounded_rows, one_cell, public
from experiments.students import Floats, Students

LARGEST_CELL = 1e12
MOST_CELLS = 100_000
OUTCOME = "outcome"


@dataclass(frozen=True)
class Axis:
    """One way of dividing students: a feature's position, or `outcome`, and the inner edges of its classes.

    A value on an edge belongs to the class above it. Features are in units of their declared bounds, [-1, 1].
    """

    column: str
    edges: tuple[Fraction, ...]

    def __post_init__(self) -> None:
        if not self.edges or any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise QueryError("an axis has one or more rising edges", f"{len(self.edges)} edges", "sort them")

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.edges) + 1


@dataclass(frozen=True)
class Table(Query):
    """How many students stand in each cell of some axes, in row-major order of the axes."""

    name: ClassVar[str] = "table"
    title: str
    axes: tuple[Axis, ...]
    students: Literal["all", "training", "held_out"] = "all"

    def __post_init__(self) -> None:
        if not self.axes or self.dimension > MOST_CELLS:
            raise QueryError(f"a table has 1 to {MOST_CELLS} cells", str(self.dimension), "use fewer classes")

    @property
    def dimension(self) -> int:
        """Product of the axes' classes."""
        return int(np.prod([axis.classes for axis in self.axes], dtype=object)) if self.axes else 0

    @property
    def clip(self) -> Fraction:
        """One student, one cell: the norm is 1."""
        return Fraction(1)

    def parameters(self) -> Mapping[str, Any]:
        """Return title, axes with their edges, and whose rows count."""
        axes = [[axis.column, list(axis.edges)] for axis in self.axes]
        return {"title": self.title, "axes": axes, "students": self.students}

    def bounds(self) -> Bounds:
        """Return nothing: a table needs no earlier answer."""
        return {}

    def contributions(self, students: Students, state: State) -> Floats:
        """Return float64 [n, cells], a single 1.0 in each counted student's row.

        Raises `QueryError` when an axis names no column of these students, which no value can cause.
        """
        features, usable = bounded_rows(students)
        cell = np.zeros(len(students), dtype=np.int64)
        for axis in self.axes:
            column = self._column(axis, students, features)
            edges = np.array([float(edge) for edge in axis.edges])
            cell = cell * axis.classes + np.searchsorted(edges, column, side="right")
        counted = usable * self._asked(students)
        return one_cell(cell, self.dimension, counted)

    def _column(self, axis: Axis, students: Students, features: Floats) -> Floats:
        if axis.column == OUTCOME:
            return np.where(students.outcome == 1.0, 1.0, 0.0)
        if axis.column not in students.names:
            raise QueryError(
                "an axis is a feature of the experiment, or outcome", axis.column, "name one of its features"
            )
        return features[:, students.names.index(axis.column)]

    def _asked(self, students: Students) -> Floats:
        if self.students == "all":
            return np.ones(len(students), dtype=np.float64)
        chosen = students.held_out if self.students == "held_out" else ~students.held_out
        return chosen.astype(np.float64)

    def absorb(self, state: State, total: Floats, noise_sd: float) -> State:
        """Add `table.<title>` [cells] and `table_sd.<title>` [1]."""
        return {
            **state,
            f"table.{self.title}": public(total, -LARGEST_CELL, LARGEST_CELL),
            f"table_sd.{self.title}": public(noise_sd, 0.0, LARGEST_CELL),
        }
