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

_OCCUPATIONS = {
    "specialist or manager": (1, 2, 101, 112, 114, 121, 122, 123, 124, 125),
    "technician or clerk": (3, 4, 102, 103, 131, 132, 134, 135, 141, 143, 144),
    "services or army": (5, 10, 151, 152, 153, 154),
    "skilled manual": (6, 7, 8, 161, 163, 171, 172, 173, 174, 175, 181, 182, 183),
    "unskilled": (9, 191, 192, 193, 194, 195),
}

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
    "Mother's occupation": _OCCUPATIONS,
    "Father's occupation": _OCCUPATIONS,
}


@dataclass(frozen=True)
class Table697:
    """The whole file: features float64 [n, p] in [-1, 1], dropout [n] 0/1, the school of each row."""

    features: Floats
    dropout: Floats
    school: NDArray[np.str_]
    names: tuple[str, ...]

    def schools(self, held_out: NDArray[np.bool_]) -> list[Students]:
        """Return one `Students` per school, in order of name, with these rows held out."""
        return [
            Students(self.features[rows], self.dropout[rows], held_out[rows], self.names)
            for rows in (self.school == name for name in np.unique(self.school))
        ]


def load(folder: Path) -> Table697:
    """Read `data.csv` of the folder. Dropout stands against Enrolled and Graduate together."""
    import pandas as pd

    frame = pd.read_csv(folder / "data.csv", sep=";", encoding="utf-8-sig")
    frame.columns = frame.columns.str.strip()
    columns = [_scaled(frame[name], *bounds) for name, bounds in BOUNDS.items()]
    names = list(BOUNDS)
    for column, levels in LEVELS.items():
        for level, codes in levels.items():
            columns.append(np.where(frame[column].isin(codes), 1.0, -1.0))
            names.append(f"{column} = {level}")
    dropout = (frame["Target"] == "Dropout").to_numpy(dtype=np.float64)
    return Table697(np.column_stack(columns), dropout, merged(frame["Course"].astype(str)), tuple(names))


def _scaled(values: pd.Series, low: float, high: float) -> Floats:
    scaled: Floats = 2.0 * (values.to_numpy(dtype=np.float64) - low) / (high - low) - 1.0
    return np.clip(scaled, -1.0, 1.0)


def merged(courses: pd.Series) -> NDArray[np.str_]:
    """Return each row's school: its course, the two smallest merged until every school has enough students."""
    school: NDArray[np.str_] = courses.to_numpy(dtype=str).astype("U64")
    while True:
        names, sizes = np.unique(school, return_counts=True)
        if sizes.min() >= SMALLEST_SCHOOL:
            return school
        smallest = names[np.argsort(sizes, kind="stable")[:2]]
        school[np.isin(school, smallest)] = "+".join(smallest)
