"""Enrolments, periods and diplomas arrive; how much longer than nominal each student takes over a programme leaves.

Studievertraging: the time from the first day of a programme to its diploma, minus the nominal duration; who is still
enrolled after the nominal duration is delayed too, by an amount that is not known yet. Who leaves without a diploma is
not delayed but gone, and counts elsewhere. One student's delay depends on that student's rows alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from shared_schema.facts import Facts, Numbers
from shared_schema.main_enrolment import MainEnrolment, main_on
from shared_schema.periods import DATED_ON, FROM, UNTIL, column, diplomas, periods
from shared_schema.stays import Mask, died_by, enrolled_on

SBU_STEPS = (1600.0, 3200.0, 4800.0)
"""Up to so many hours of study load a programme takes 1, 2 or 3 years; above the last it takes 4 (DOMAIN §2)."""

YEARS_OF_NIVEAU = (1.0, 2.0, 3.0, 3.0)
"""Nominal years of niveau 1 to 4 where no study load is delivered: a programme of niveau 4 has 4800 hours as a rule."""

GRACE_DAYS = 92
"""A diploma within so many days after the nominal end is in time: examinations end in the summer."""

RESTART_DAYS = 365
"""After a gap of at least so many days a programme is begun anew (DOMAIN §2, instroom)."""

DAYS_A_YEAR = 365.25


def nominal_years(sbu: Numbers, niveau: Numbers) -> Numbers:
    """Return the nominal duration in years: by study load (hours) where known, else by niveau, else NaN."""
    by_load = 1.0 + sum((sbu > step).astype(np.float64) for step in SBU_STEPS)
    known = np.isin(niveau, (1.0, 2.0, 3.0, 4.0))
    by_niveau = np.array(YEARS_OF_NIVEAU)[np.where(known, niveau, 1.0).astype(np.int64) - 1]
    return np.where(np.isnan(sbu), np.where(known, by_niveau, np.nan), by_load)


def delayed(facts: Facts, first: Numbers, second: Numbers) -> tuple[Mask, Mask]:
    """Return who counts between two peildata (days, one per student), and who of them is delayed.

    Who counts: enrolled on the first with a known nominal duration, and graduated in between in the programme of that
    day, or still enrolled in it on the second past the nominal end. Delayed: that diploma came more than GRACE_DAYS
    after the nominal end, or has not come.
    """
    main, later = main_on(facts, first), main_on(facts, second)
    due = nominal_end(facts, main)
    graduated, day = diploma_of(facts, main, first, second - 1.0)
    same = (main.text("programme_period", "crebo") == later.text("programme_period", "crebo")) & (later.enrolment >= 0)
    overdue = ~graduated & same & (due < second)
    alive = ~died_by(facts, second)
    counts = enrolled_on(facts, first) & alive & ~np.isnan(due) & (graduated | overdue)
    return counts, counts & np.where(graduated, day > due + GRACE_DAYS, overdue)


def delay_years(facts: Facts, first: Numbers, second: Numbers) -> Numbers:
    """Return per student the years from nominal end to diploma (negative: early); NaN without a diploma in between."""
    main = main_on(facts, first)
    graduated, day = diploma_of(facts, main, first, second - 1.0)
    return np.where(graduated, (day - nominal_end(facts, main)) / DAYS_A_YEAR, np.nan)


def nominal_end(facts: Facts, main: MainEnrolment) -> Numbers:
    """Return the day on which the programme that each student follows is done nominally, NaN where that is unknown."""
    years = nominal_years(main.number("programme_period", "sbu"), main.number("programme_period", "niveau"))
    return begun(facts, main) + np.round(years * DAYS_A_YEAR)


def begun(facts: Facts, main: MainEnrolment) -> Numbers:
    """Return the first day of the student's programme: of its earliest period since the last gap of a year or more."""
    frame, positions = periods(facts)
    since = main.since()
    crebo = main.text("programme_period", "crebo")
    start, end = frame[FROM].to_numpy(np.float64), frame[UNTIL].to_numpy(np.float64)
    same = (column(frame, "crebo") == crebo[positions]) & (start <= since[positions]) & np.isfinite(start)
    rows = pd.DataFrame({"student": positions[same], "start": start[same], "end": end[same]})
    rows = rows.sort_values(["student", "start", "end"], kind="stable")
    reach = rows.groupby("student")["end"].cummax().groupby(rows["student"]).shift()
    rows["part"] = (rows["start"] > reach + RESTART_DAYS).groupby(rows["student"]).cumsum()
    last = rows["part"] == rows.groupby("student")["part"].transform("max")
    found = rows.loc[last].groupby("student")["start"].min().reindex(np.arange(len(facts.index)))
    return np.where(found.isna(), since, found.to_numpy(np.float64))


def diploma_of(facts: Facts, main: MainEnrolment, since: Numbers, until: Numbers) -> tuple[Mask, Numbers]:
    """Return who has a diploma of the followed programme dated from `since` to `until`, and the day of the first."""
    frame, positions = diplomas(facts)
    date = frame[DATED_ON].to_numpy(np.float64)
    crebo = column(frame, "crebo")
    followed = main.text("programme_period", "crebo")[positions]
    chosen = (date >= since[positions]) & (date <= until[positions]) & ((crebo == followed) | (crebo == ""))
    day = np.full(len(facts.index), np.inf)
    np.minimum.at(day, positions[chosen], date[chosen])
    return np.isfinite(day), np.where(np.isfinite(day), day, np.nan)
