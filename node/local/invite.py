"""A node's folder and what is asked arrive; the invitation list leaves: shown, as a page, and perhaps as a file.

1. who is in the first year now, and of whom the outcome is known      `people`
2. how such a list did last year, at every cut-off week                `lists.weigh`
3. the ranking of this year's students, with reasons                   `lists.rank`, `reasons`
4. one line in the record of all lists                                 `list_log`
5. page, workbook, terminal                                            `list_page`, `list_rows`, `list_report`

Step 4 precedes step 5: no list without its line. A person decides whom to invite; nothing here does.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from experiments.reading.words import Words
from experiments.terminal import Progress, Report
from node.assembly import open_schema
from node.errors import UnusableInput
from node.folder import read_card
from node.founding import existing
from node.local import (
    authorised,
    estimates,
    fairness,
    fitting,
    joint,
    list_log,
    list_page,
    list_report,
    list_rows,
    lists,
    numbers,
)
from node.local import people as students
from node.local import reasons as telling
from node.local.fairness import Group
from node.local.joint import Joint
from node.local.lists import JOINT, LOCAL, TEACHER, Ranking, Weighing
from node.local.people import People
from node.local.reasons import Reason
from node.local.roster import SHORT
from node.policy import read_policy
from node.store import Store
from shared_schema import outcomes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.folder import NodeFolder

WEEKS = (0, 3, 6, 10)
OUTCOME = "dropout_year_1"


@dataclass(frozen=True)
class Asked:
    """What a person asks on the command line; None is: choose for me."""

    top: str = "20%"
    cohort: int | None = None
    week: int | None = None
    by: str | None = None
    outcome: str | None = None
    as_of: str | None = None
    model: Path | None = None
    numbers: Path | None = None
    asked_by: str | None = None
    team: str | None = None


@dataclass(frozen=True)
class Choice:
    """What was asked, made definite: of whom, when, how many, with which joint model and policy, of which team."""

    people: People
    cohort: int | None
    running: pd.Index
    week: int
    share: float
    joint: Joint | None
    sensitive: bool
    team: str | None


@dataclass(frozen=True)
class Invitations:
    """A list as it is shown. codes: a short name by pseudonym; numbers: student numbers, if they were asked for.

    weighing, per_week: how such a list did on students whose outcome is known; weeks_known: teaching weeks that most of
    the students ranked have behind them by the data; no_model: why there is no model of the school's own.
    """

    school: str
    made: datetime.date
    asked_by: str
    delivery: str
    chosen: Choice
    ranking: Ranking
    reasons: Mapping[str, tuple[Reason, ...]]
    weighing: Weighing | None
    per_week: tuple[Weighing, ...]
    groups: tuple[Group, ...]
    learned_from: int
    weeks_known: int
    no_model: Words | None
    codes: Mapping[str, str]
    numbers: Mapping[str, str] | None

    @property
    def top(self) -> pd.Index:
        """The students on the list, who comes first first."""
        return self.ranking.order[: self.ranking.listed]


def run(root: Path, asked: Asked, xlsx: Path | None, csv: Path | None, progress: Progress) -> Report:
    """Make the list, record it, write it, and return what the terminal shows."""
    folder = existing(root)
    for path in (xlsx, csv):
        _outside_data(folder, path)
    now = datetime.datetime.now(datetime.UTC)
    made = make(folder, asked, now.date(), progress)
    list_log.record(folder.local, list_report.line(made), now)
    page = list_page.write(made, folder.local)
    if xlsx is not None:
        list_rows.write_workbook(made, xlsx)
    if csv is not None:
        list_rows.write_text(made, csv)
    written = [str(path) for path in (page, xlsx, csv) if path is not None]
    return Report(list_report.data(made, written), list_report.blocks(made, written))


def _outside_data(folder: NodeFolder, path: Path | None) -> None:
    if path is not None and path.resolve().is_relative_to(folder.data.resolve()):
        rule, remedy = "A list with student numbers never stands among the node's data.", "Choose another folder."
        raise UnusableInput("list_among_data", rule, "a file under NODE/data", remedy)


def make(folder: NodeFolder, asked: Asked, today: datetime.date, progress: Progress) -> Invitations:
    """Everything that a list shows. Raises `UnusableInput` with the reason where no list can be made."""
    person = list_log.asker(asked.asked_by)
    if asked.team is not None:
        authorised.check(folder, asked.team, person)
    schema, sensitive = open_schema(folder), read_policy(folder.policy).sensitive_on_list
    bundle = None if asked.model is None else joint.read(asked.model, schema, sensitive)
    outcome = asked.outcome or (bundle.model.outcome if bundle else OUTCOME)
    _check_outcome(outcome, outcomes.names(schema))
    found = students.people(students.read_tables(folder), schema, outcome, _day(asked.as_of), today)
    cohort, running = _running(found, asked.cohort)
    running = running if asked.team is None else _of_team(found, running, asked.team)
    week = _week(asked.week, bundle, found, running)
    share = _share(asked.top, len(running))
    return _made(
        folder, asked, Choice(found, cohort, running, week, share, bundle, sensitive, asked.team), today, progress
    )


def _made(folder: NodeFolder, asked: Asked, chosen: Choice, today: datetime.date, progress: Progress) -> Invitations:
    found, week, share = chosen.people, chosen.week, chosen.share
    ground = lists.ground(found, week, chosen.sensitive)
    known = lists.past(found, ground.labels, chosen.cohort, chosen.running)
    no_model = fitting.why_not(ground.labels.loc[known])
    by = _by(asked.by, no_model, chosen.joint)
    _check_estimates(by, chosen)
    ranking = lists.rank(found, ground, chosen.running, known, chosen.joint, by, share)
    trial = lists.trial(found, ground.labels, known)
    weighing = None if trial is None else lists.weigh(found, ground, trial, chosen.joint, share)
    return Invitations(
        school=read_card(folder)["name"],
        made=today,
        asked_by=list_log.asker(asked.asked_by),
        delivery=Store.open(folder.data).current(),
        chosen=chosen,
        ranking=ranking,
        reasons=_reasons(chosen, ranking, known),
        weighing=weighing,
        per_week=_per_week(chosen, progress),
        groups=_groups(found, weighing, by, share),
        learned_from=len(known),
        weeks_known=students.weeks_in(found, chosen.running),
        no_model=no_model,
        codes=_codes(ranking.order),
        numbers=_numbers(folder, asked, ranking),
    )


def _check_outcome(name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        rule, remedy = "A list is about an outcome that the schema declares.", f"Use one of {', '.join(known)}."
        raise UnusableInput("unknown_outcome", rule, "another name", remedy)


def _day(text: str | None) -> datetime.date | None:
    if text is None:
        return None
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        rule, remedy = "A day is written YYYY-MM-DD.", "Write it so: --as-of 2025-11-21."
        raise UnusableInput("bad_day", rule, "something else", remedy) from error


def _running(found: People, cohort: int | None) -> tuple[int | None, pd.Index]:
    """The cohort asked for, or the newest one with students to rank."""
    running = found.running(cohort)
    if not len(running):
        until = f"known until {found.as_of}" if found.as_of else "without dates"
        which = "any cohort" if cohort is None else f"cohort {cohort}"
        rule = "A list is about enrolled students whose outcome is not known yet."
        remedy = (
            "Take in this year's export with its outcome left empty, or name the day until which the data are known:"
            " --as-of YYYY-MM-DD."
        )
        raise UnusableInput("nobody_to_invite", rule, f"nobody of {which}, in data {until}", remedy)
    if cohort is not None:
        return cohort, running
    newest = found.cohort.loc[running].max()
    return (None, running) if pd.isna(newest) else (int(newest), found.running(int(newest)))


def _of_team(found: People, running: pd.Index, team: str) -> pd.Index:
    """Of the students to rank those of one team; their scores are the same as on the list of the whole school."""
    teams = students.team_of(found)
    own = running[[teams.get(student, "") == team for student in running]]
    if not len(own):
        rule, remedy = "A team's list is about its own first-year students.", "Write the team as the export does."
        raise UnusableInput("nobody_to_invite", rule, "nobody of such a team", remedy)
    return own


def _week(asked: int | None, bundle: Joint | None, found: People, running: pd.Index) -> int:
    """The week asked for; the finding's; else the latest usual one of which most students' weeks are known."""
    if bundle is not None and asked not in (None, bundle.model.week):
        rule, remedy = "A joint model is for one cut-off week.", f"Use --week {bundle.model.week}, or no --model."
        raise UnusableInput("other_week", rule, f"week {asked}", remedy)
    if bundle is not None:
        return bundle.model.week
    if asked is not None:
        return asked
    known = students.weeks_in(found, running)
    return max(week for week in WEEKS if week <= known or week == 0)


def _share(top: str, ranked: int) -> float:
    """`20%`, or a number of students, as a share of those ranked."""
    rule, remedy = "The length of a list is a share or a number.", "Write --top 20% or --top 25."
    match = re.fullmatch(r"(\d{1,6})(?:[.,](\d{1,3}))?\s*(%?)", top.strip(), re.ASCII)
    if match is None:
        raise UnusableInput("bad_top", rule, "something else", remedy)
    value = float(f"{match[1]}.{match[2] or 0}")
    share = value / 100.0 if match[3] else value / max(1, ranked)
    whole = match[3] or not match[2]
    if not whole or value <= 0 or (match[3] and share > 1.0):
        raise UnusableInput("bad_top", rule, "a number that is none of these", remedy)
    return min(1.0, share)


def _by(asked: str | None, no_model: Words | None, bundle: Joint | None) -> str:
    if asked == JOINT and bundle is None:
        rule, remedy = "The joint ranking needs a joint model.", "Name it: --model FINDING."
        raise UnusableInput("no_joint_model", rule, "none", remedy)
    if no_model is not None and (asked == LOCAL or (bundle is None and asked != TEACHER)):
        raise _too_few(no_model)
    if asked is not None:
        return asked
    return LOCAL if no_model is None else JOINT


def _too_few(why: Words) -> UnusableInput:
    remedy = "Take in earlier years, use a published finding (--model FINDING), or rank by teachers (--by teacher)."
    return UnusableInput("too_few_students", why.en, f"{why.nl}", remedy)


def _check_estimates(by: str, chosen: Choice) -> None:
    judged = estimates.concerns(chosen.people.tables, chosen.week).index
    if by in (TEACHER, lists.COMBINED) and not chosen.running.isin(judged).any():
        rule, remedy = "This ranking needs teachers' estimates.", "Map table estimate, or rank by a model."
        raise UnusableInput("no_estimates", rule, "none of these students by this week", remedy)


def _reasons(chosen: Choice, ranking: Ranking, known: pd.Index) -> dict[str, tuple[Reason, ...]]:
    model = ranking.model
    if model is None:
        return {}
    frame = chosen.people.frame(model.features, chosen.week)
    top = ranking.order[: ranking.listed]
    beside = frame.loc[known] if len(known) else frame.loc[ranking.order]
    terms = model.terms(frame.loc[top], beside)
    average = lists.average(beside, model)
    return telling.reasons(terms, frame.loc[top], average, model.features, chosen.week, chosen.sensitive)


def _per_week(chosen: Choice, progress: Progress) -> tuple[Weighing, ...]:
    """How the school's own model did last year at each usual cut-off week."""
    found, weighed = chosen.people, []
    for done, week in enumerate(WEEKS, 1):
        ground = lists.ground(found, week, chosen.sensitive)
        trial = lists.trial(found, ground.labels, lists.past(found, ground.labels, chosen.cohort, chosen.running))
        if trial is not None:
            weighed.append(lists.weigh(found, ground, trial, None, chosen.share))
        progress("peilmomenten / cut-off weeks", done, len(WEEKS))
    return tuple(weighed)


def _groups(found: People, weighing: Weighing | None, by: str, share: float) -> tuple[Group, ...]:
    if weighing is None:
        return ()
    scores = weighing.scores.get(by, weighing.scores[LOCAL])
    return fairness.groups(scores, weighing.labels, share, found.tables, found.schema)


def _codes(everyone: pd.Index) -> dict[str, str]:
    """A short name per student: the end of the pseudonym, as on other pages of students, until they differ."""
    length = next(size for size in range(SHORT, 65) if len({student[-size:] for student in everyone}) == len(everyone))
    return {student: student[-length:] for student in everyone}


def _numbers(folder: NodeFolder, asked: Asked, ranking: Ranking) -> Mapping[str, str] | None:
    if asked.numbers is None:
        return None
    return numbers.of_students(folder, asked.numbers, list(ranking.order[: ranking.listed]))
