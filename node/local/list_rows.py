"""An invitation list arrives; one row per student leaves, for page, workbook, CSV and JSON alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from experiments.reading.words import Words
from node.local import export, list_words
from node.local.linear import chances
from node.local.lists import COMBINED, JOINT, LOCAL, TEACHER
from node.local.people import team_of
from node.local.reasons import NOTHING, Reason

if TYPE_CHECKING:
    from node.local.export import Value
    from node.local.invite import Invitations

SHEET, ABOUT = "Uitnodigingslijst (advies)", "Toelichting"


@dataclass(frozen=True)
class Place:
    """One student on the list. chance, teacher: 0 to 1; places: in each ranking there is, from 1."""

    rank: int
    code: str
    number: str | None
    team: str
    chance: float | None
    teacher: float | None
    places: dict[str, int]
    reasons: tuple[Reason, ...]


def places(made: Invitations) -> list[Place]:
    """The students on the list, who comes first first."""
    ranking = made.ranking
    leading = None if ranking.model is None else chances(ranking.scores[ranking.model.kind])
    orders = {name: _ranks(scores) for name, scores in ranking.scores.items()}
    if len(ranking.concern):
        orders[TEACHER] = _ranks(ranking.concern)
    teams = team_of(made.chosen.people)
    return [
        Place(
            rank=rank,
            code=made.codes[student],
            number=None if made.numbers is None else made.numbers.get(student),
            team=teams.get(student, ""),
            chance=None if leading is None else float(leading[student]),
            teacher=float(ranking.concern[student]) if student in ranking.concern.index else None,
            places={name: int(order[student]) for name, order in orders.items() if student in order.index},
            reasons=tuple(made.reasons.get(student, ())),
        )
        for rank, student in enumerate(made.top, 1)
    ]


def _ranks(scores: pd.Series) -> pd.Series:
    """Places from 1; equals share the best."""
    return scores.round(9).rank(ascending=False, method="min").astype(int)


def why(place: Place, language: str, most: int | None = None) -> str:
    """The reasons, or the `most` weightiest of them, in one text."""
    return "; ".join(reason.words.pick(language) for reason in place.reasons[:most]) or NOTHING.pick(language)


def columns(made: Invitations) -> list[tuple[str, Words]]:
    """The columns of a list, in order: key and heading; those that nobody has a value for are left out."""
    ranking = made.ranking
    shown = [("rank", Words("plaats", "place"))]
    if made.numbers is not None:
        shown.append(("number", Words("studentnummer", "student number")))
    shown.append(("code", Words("code", "code")))
    if any(team_of(made.chosen.people).values()):
        shown.append(("team", Words("team of opleiding", "team or programme")))
    if ranking.model is not None:
        shown.append(("chance", Words("kans volgens het model", "chance by the model")))
    if len(ranking.concern):
        shown.append(("teacher", Words("kans volgens docenten", "chance by teachers")))
    others = [name for name in (LOCAL, JOINT, COMBINED) if name in ranking.scores and name != ranking.by]
    if len(ranking.concern) and ranking.by != TEACHER:
        others.insert(-1 if COMBINED in others else len(others), TEACHER)
    for name in others:
        by = list_words.RANKINGS[name]
        shown.append((f"place {name}", Words("plaats: {by}", "place: {by}").filled(by=by)))
    return shown


def value(place: Place, key: str) -> str | int | float | None:
    """A cell of the list by the key of its column."""
    if key.startswith("place "):
        return place.places.get(key.removeprefix("place "))
    found: str | int | float | None = getattr(place, key)
    return round(found, 3) if isinstance(found, float) else found


def table(made: Invitations) -> tuple[list[str], list[list[Value]]]:
    """Heads and rows of a file: Dutch heads, reasons in Dutch and in English."""
    shown = columns(made)
    head = [words.nl for _, words in shown] + ["waarom", "why"]
    rows: list[list[Value]] = [
        [*(value(place, key) for key, _ in shown), why(place, "nl"), why(place, "en")] for place in places(made)
    ]
    return head, rows


def about(made: Invitations) -> list[Words]:
    """What has to be said beside the list, for a sheet of its own."""
    lines = [list_words.ADVICE, list_words.lead(made), list_words.basis(made), *list_words.quality(made)]
    sensitive = list_words.sensitive(made)
    lines += [*list_words.warnings(made), *([] if sensitive is None else [sensitive])]
    return [*lines, *(list_words.METHODS[name] for name in methods(made)), list_words.STAYS]


def methods(made: Invitations) -> list[str]:
    """The rankings that a reader of this list meets."""
    known = {*made.ranking.scores, *((TEACHER,) if len(made.ranking.concern) else ()), made.ranking.by}
    return [name for name in (LOCAL, JOINT, TEACHER, COMBINED) if name in known]


def write_workbook(made: Invitations, path: Path) -> None:
    """Write the list and what belongs beside it to Excel; readable by its owner only."""
    lines: list[list[Value]] = [[one.nl, one.en] for one in about(made)]
    lines.insert(0, [f"{made.school}, {made.made.isoformat()}", f"gevraagd door / asked by: {made.asked_by}"])
    export.write_xlsx(path, {SHEET: table(made), ABOUT: (("Nederlands", "English"), lines)})


def write_text(made: Invitations, path: Path) -> None:
    """Write the list to CSV: each row carries date, model and week, since a CSV file has no other place for them."""
    head, rows = table(made)
    model = "" if made.ranking.model is None else made.ranking.model.hash[: list_words.SHOWN_HASH]
    stamp: list[Value] = [
        made.made.isoformat(),
        model,
        made.chosen.week,
        "advies; een mens beslist / advice; a person decides",
    ]
    export.write_csv(path, [*head, "datum", "model", "lesweek", "status"], [[*row, *stamp] for row in rows])
