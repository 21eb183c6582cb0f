"""A synthetic school arrives; its work placements leave."""

from __future__ import annotations

import numpy as np

from experiments.synthetic.background import Columns
from experiments.synthetic.sector import SyntheticSchool


def placements(school: SyntheticSchool) -> Columns:
    """Work placements, one per BBL enrolment: the employer is there from the first day to the last."""
    rows = school.enrolments
    bbl = np.flatnonzero(rows["leertraject"] == "BBL")
    who = rows["student"][bbl].astype(np.int64)
    kept = ("enrolment_id", "start_date", "planned_end_date", "end_date", "programme")
    return {name: rows[name][bbl] for name in kept} | {
        "student": who,
        "placement_id": np.ones(len(bbl), dtype=np.int64),
        "hours": np.full(len(bbl), 850),
        "leerbedrijf": np.array(
            [f"1{number * 7 % 10**8:08d}" for number in who.tolist()]
        ),  # nine digits, of no company
    }
