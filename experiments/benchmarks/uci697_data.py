"""The public file of UCI data set 697 arrives; `Students` and one school per row leave, by the public code book.

Source: Realinho et al., "Predict Students' Dropout and Academic Success", doi 10.24432/C5MC89 (CC BY 4.0).
Every bound and every grouping of codes below is read off the code book (`features.tsv`), not off the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from experiments.students import Floats, Students

if TYPE_CHECKING:
    import pandas as pd

SMALLEST_SCHOOL = 95

# Column → declared bounds. Grades run to 20 and 200 in the code book; counts are bounded by a full curriculum.
BOUNDS: dict[str, tuple[float, float]] = {
    "Application order": (0, 9),
    "Daytime/evening attendance": (0, 1),
    "Previous qualification (grade)": (95, 200),
    "Admission grade": (95, 200),
    "Displaced": (0, 1),
    "Educational special needs": (0, 1),
    "Debtor": (0, 1),
    "Tuition fees up to date": (0, 1),
    "Gender": (0, 1),
    "Scholarship holder": (0, 1),
    "Age at enrollment": (17, 70),
    "International": (0, 1),
    "Curricular units 1st sem (credited)": (0, 20),
    "Curricular units 1st sem (enrolled)": (0, 20),
    "Curricular units 1st sem (evaluations)": (0, 30),
    "Curricular units 1st sem (approved)": (0, 20),
    "Curricular units 1st sem (grade)": (0, 20),
    "Curricular units 1st sem (without evaluations)": (0, 10),
    "Curricular units 2nd sem (credited)": (0, 20),
    "Curricular units 2nd sem (enrolled)": (0, 20),
    "Curricular units 2nd sem (evaluations)": (0, 30),
    "Curricular units 2nd sem (approved)": (0, 20),
    "Curricular units 2nd sem (grade)": (0, 20),
    "Curricular units 2nd sem (without evaluations)": (0, 10),
    "Unemployment rate": (5, 20),
    "Inflation rate": (-2, 5),
    "GDP": (-5, 5),
}

_SECONDARY, _HIGHER = (1, 12, 18), (2, 3, 4, 5, 6, 40, 43, 44)
_BASIC, _SHORT = (19, 30, 37, 38, 26, 35, 36, 11), (9, 10, 13, 14, 15, 20, 22, 25, 27, 29, 31, 33, 39, 41, 42)
_SCHOOLING = {"secondary": _SECONDARY, "higher": _HIGHER, "basic": _BASIC, "short or technical": _SHORT}

# Column → level → codes. A code outside every level is the level "other" and has no column of its own.
LEVELS: dict[str, dict[str, tuple[int, ...]]] = {
    "Marital status": {"single": (1,), "married or de facto": (2, 5), "widowed or parted": (3, 4, 6)},
    "Application mode": {
        "first phase": (1, 5, 16),
        "second phase": (17,),
        "third phase": (18,),
        "over 23": (39,),
        "change of course or institution": (42, 43, 51, 57),
        "technological diploma or short cycle": (44, 53),
        "holder of another degree": (7,),
        "international": (15,),
    },
    "Previous qualification": _SCHOOLING,
    "Nacionality": {"Portuguese": (1,)},
    "Mother's qualification": {**_SCHOOLING, "unknown": (34,)},
    "Father's qualification": {**_SCHOOLING, "unknown": (34,)},
    "Mother's occupation": {},
    "Father's occupation": {},
}
_OCCUPATIONS = {
    "specialist or manager": (1, 2, 101, 112, 114, 121, 122, 123, 124, 125),
    "technician or clerk": (3, 4, 102, 103, 131, 132, 134, 135, 141, 143, 144),
    "services or army": (5, 10, 151, 152, 153, 154),
    "skilled manual": (6, 7, 8, 161, 163, 171, 172, 173, 174, 175, 181, 182, 183),
    "unskilled": (9, 191, 192, 193, 194, 195),
}
LEVELS["Mother's occupation"] = _OCCUPATIONS
LEVELS["Father's occupation"] = _OCCUPATIONS
