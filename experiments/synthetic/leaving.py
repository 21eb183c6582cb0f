"""Students and their absence arrive; who leaves when and why, and who graduates, leaves.

The chance of leaving in year 1 holds what a straight line over features cannot express: thresholds that count
at some levels only, and pairs that matter together. That is on purpose: stronger models must have something
to find.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.attendance import LAST_WEEK, PERIOD_WEEKS, WEEKS, Attendance, through_week_10
from experiments.synthetic.background import Columns
from experiments.synthetic.calibration import Floats, intercept_for, logistic

EXPORT_DATE = np.datetime64("2024-10-15")  # all starters of the last cohort have had their twelve months
NOT_YET = np.datetime64("NaT", "D")
# Reasons in year 1 without a diploma, and their weights: own request, transfer, no longer appeared, other,
# expelled, lost funding right, finished without diploma. (01 graduated; 05 and 08 are not simulated.)
_REASONS = np.array(["02", "03", "04", "06", "07", "09", "10"])
_REASON_WEIGHTS = np.array([0.38, 0.20, 0.22, 0.08, 0.05, 0.03, 0.04])


def linear_part(students: Columns, attendance: Attendance) -> Floats:
    """What each trait adds by itself, [n]."""
    unauthorised = through_week_10(attendance.unauthorised)
    prior = students["vooropleiding"]
    score: Floats = (
        0.85 * np.log1p(unauthorised / 8.0)
        + 0.015 * through_week_10(attendance.authorised)
        + 0.40 * (students["niveau"].astype(int) <= 2)
        + 0.45 * np.isin(prior, ["VMBO_BB", "prak", "basis", "nan"])
        - 0.35 * np.isin(prior, ["VMBO_TL", "HAVO", "VWOplus"])
        + 0.30 * students["apcg"]
        - 0.60 * students["applied_before_april"]
        + 0.20 * (students["applications"].astype(int) - 1)
        - 0.20 * students["motivation"].astype(float)
        - 0.15 * (np.nan_to_num(attendance.grades[:, 0], nan=6.5) - 6.5)
    )
    return score


def interactions(students: Columns, attendance: Attendance) -> Floats:
    """What only pairs and thresholds tell, [n]."""
    unauthorised = through_week_10(attendance.unauthorised)
    authorised = through_week_10(attendance.authorised)
    late = np.nansum(attendance.unauthorised[:, 5:10], axis=1)
    early = np.nansum(attendance.unauthorised[:, :5], axis=1)
    age, niveau = students["age_at_start"].astype(int), students["niveau"].astype(int)
    prior, bbl = students["vooropleiding"], students["leertraject"] == "BBL"
    low_prior = np.isin(prior, ["VMBO_BB", "VMBO_KB", "prak", "basis", "nan"])
    score: Floats = (
        1.6 * ((unauthorised > 16) & (niveau >= 3))
        - 1.2 * ((unauthorised > 16) & (niveau <= 2))  # there it is the rule rather than the alarm
        + 1.8 * (bbl & (late > early))  # a BBL'er who stops coming has lost the employer
        - 0.9 * (bbl & (late <= early))
        + 1.8 * ((age >= 18) & low_prior & ~bbl)
        - 1.4 * ((age >= 18) & ~low_prior)
        + 1.4 * ((authorised > 16) & (age >= 18) & (unauthorised <= 16))
        - 0.8 * ((authorised > 16) & (age < 18))
        + 1.0 * ((students["applications"].astype(int) >= 3) & ~students["applied_before_april"].astype(bool))
        + 0.9 * ((students["sector"] == "techniek") & (students["geslacht"] == "V"))
        + 0.9 * ((students["sector"] == "zorg_welzijn") & (students["geslacht"] == "M"))
    )
    return score


def chance_of_leaving(students: Columns, attendance: Attendance, rate: float) -> Floats:
    """The probability, per student [n], of leaving within twelve months without a diploma; mean `rate`."""
    score = 1.35 * linear_part(students, attendance) + 0.85 * interactions(students, attendance)
    return logistic(score + intercept_for(score, rate))


@dataclass(frozen=True)
class Departures:
    """How the first enrolment of each student [n] ended, as far as it had by EXPORT_DATE.

    dropout: bool, left within twelve months without a diploma; end_date, diploma_date: datetime64[D] or NaT;
    reason: RedenUitschrijving or ""; moves_up: bool, graduated at niveau 1 and went on at niveau 2.
    """

    dropout: NDArray[np.bool_]
    end_date: NDArray[np.datetime64]
    diploma_date: NDArray[np.datetime64]
    reason: NDArray[np.str_]
    moves_up: NDArray[np.bool_]


def depart(rng: np.random.Generator, students: Columns, years: NDArray[np.int64], chance: Floats) -> Departures:
    """Draw the end of each first enrolment; `years` [n] is the programme's nominal duration."""
    n = len(chance)
    dropout = rng.random(n) < chance
    niveau, second_year = students["niveau"].astype(int), students["cohort"].astype(int) < 2023
    graduates_early = ~dropout & (rng.random(n) < np.where(niveau == 1, 0.62, np.where(years == 1, 0.5, 0.0)))
    later = rng.random(n)
    graduates_late = ~dropout & ~graduates_early & second_year & (later < np.where(years <= 2, 0.6, 0.0))
    leaves_late = ~dropout & ~graduates_early & ~graduates_late & second_year & (later > 0.93)
    days = np.select(
        [dropout, graduates_early, graduates_late, leaves_late],
        [
            _dropout_day(rng, n),
            rng.integers(300, 346, n),
            rng.integers(660, 725, n),
            rng.integers(380, 700, n),
        ],
        default=-1,
    )
    moves_up = graduates_early & (niveau == 1) & (rng.random(n) < 0.4)
    event = np.where(days >= 0, students["start_date"] + days.astype("timedelta64[D]"), NOT_YET)
    event = np.where(event > EXPORT_DATE, NOT_YET, event)
    graduated = (graduates_early | graduates_late) & ~np.isnat(event)
    reason = np.where(graduated, "01", rng.choice(_REASONS, size=n, p=_REASON_WEIGHTS))
    has_left = ~np.isnat(event) & ~moves_up
    return Departures(
        dropout=dropout,
        end_date=np.where(has_left, event + np.where(graduated, 7, 0).astype("timedelta64[D]"), NOT_YET),
        diploma_date=np.where(graduated, event, NOT_YET),
        reason=np.where(has_left, reason, ""),
        moves_up=moves_up,
    )


def _dropout_day(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Day after the start on which a dropout leaves: a few before week 10, most from November to July."""
    early = rng.integers(24, 70, size=n)
    usual = 70 + np.floor(285 * rng.beta(1.3, 1.6, size=n)).astype(np.int64)
    return np.where(rng.random(n) < 0.07, early, usual)


def after_departure(attendance: Attendance, start: NDArray[np.generic], end: NDArray[np.datetime64]) -> Attendance:
    """Blank what comes after the last day, and shorten the period in which it falls."""
    days = np.where(np.isnat(end), 10_000, (end - start.astype("datetime64[D]")).astype(np.int64))
    weeks_present = days // 7 + 1
    first_week = np.array(LAST_WEEK) - np.array(WEEKS)
    share = np.clip((weeks_present[:, None] - first_week) / np.array(WEEKS), 0.0, 1.0)
    kept = np.where(share == 0, np.nan, share)
    finished = weeks_present[:, None] >= np.array(PERIOD_WEEKS)
    return replace(
        attendance,
        scheduled=_half_hours(attendance.scheduled * kept),
        unauthorised=_half_hours(attendance.unauthorised * kept),
        authorised=_half_hours(attendance.authorised * kept),
        grades=np.where(finished, attendance.grades, np.nan),
    )


def _half_hours(hours: Floats) -> Floats:
    return np.floor(2.0 * hours) / 2.0
