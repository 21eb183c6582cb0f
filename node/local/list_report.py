"""An invitation list arrives; what the terminal shows, one JSON object, and the line of the record leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from experiments.reading.words import Words, share
from experiments.terminal import Block, Grid
from node.local import list_rows, list_words

if TYPE_CHECKING:
    from node.local.fairness import Group
    from node.local.invite import Invitations
    from node.local.list_rows import Place
    from node.local.measuring import Auc, Measured, Share

SHOWN, REASONS = 10, 2  # what a screen holds beside the sentences


def line(made: Invitations) -> dict[str, Any]:
    """What the record keeps of this list: nothing about any student."""
    return {
        "what": "invite",
        "asked_by": made.asked_by,
        "team": made.chosen.team,
        "delivery": made.delivery,
        "outcome": made.chosen.people.outcome,
        "cohort": made.chosen.cohort,
        "week": made.chosen.week,
        "as_of": None if made.chosen.people.as_of is None else made.chosen.people.as_of.isoformat(),
        "ranking": made.ranking.by,
        "model": None if made.ranking.model is None else made.ranking.model.hash,
        "model_kind": None if made.ranking.model is None else made.ranking.model.kind,
        "finding": None if made.chosen.joint is None else made.chosen.joint.experiment.hash.hex(),
        "sensitive_features": made.chosen.sensitive,
        "ranked": len(made.ranking.order),
        "listed": made.ranking.listed,
        "with_numbers": made.numbers is not None,
    }


def data(made: Invitations, written: Sequence[str]) -> dict[str, Any]:
    """The list for machines. Student numbers are in it only when they were asked for."""
    weighing = made.weighing
    return {
        "school": made.school,
        "made": made.made.isoformat(),
        **line(made),
        "files": list(written),
        "advice": _both(list_words.ADVICE),
        "students": [_student(place) for place in list_rows.places(made)],
        "measured": None if weighing is None else _measured(weighing.own) | {"on": weighing.trial.year or "parts"},
        "rankings": {} if weighing is None else {name: _measured(found) for name, found in weighing.of.items()},
        "local_or_joint": None if weighing is None or weighing.joint is None else _difference(made),
        "per_week": [{"week": one.week, **_measured(one.own)} for one in made.per_week],
        "groups": [_group(group) for group in made.groups],
        "no_model": None if made.no_model is None else _both(made.no_model),
    }


def _both(words: Words) -> dict[str, str]:
    return {"nl": words.nl, "en": words.en}


def _student(place: Place) -> dict[str, Any]:
    number = {} if place.number is None else {"number": place.number}
    found = [{"subject": one.subject, "log_odds": round(one.term, 4), **_both(one.words)} for one in place.reasons]
    return {
        "rank": place.rank,
        "code": place.code,
        **number,
        "team": place.team,
        "chance": None if place.chance is None else round(place.chance, 4),
        "teacher": place.teacher,
        "places": place.places,
        "reasons": found,
    }


def _measured(found: Measured) -> dict[str, Any]:
    return {
        "students": found.students,
        "left": found.left,
        "listed": found.listed,
        "precision": _share(found.precision),
        "recall": _share(found.recall),
        "auc": _auc(found.auc),
    }


def _share(found: Share | None) -> dict[str, Any] | None:
    if found is None or found.interval is None:
        return None
    low, high = found.interval
    return {"hits": found.hits, "out_of": found.out_of, "value": found.value, "low": low, "high": high}


def _auc(found: Auc | None) -> dict[str, float] | None:
    return None if found is None else {"value": found.value, "low": found.low, "high": found.high}


def _difference(made: Invitations) -> dict[str, Any]:
    assert made.weighing is not None and made.weighing.joint is not None
    both = made.weighing.joint
    gap = {"value": both.value, "low": both.low, "high": both.high}
    return {"students": both.students, "local": _auc(both.first), "joint": _auc(both.second), "difference": gap}


def _group(group: Group) -> dict[str, Any]:
    return {
        "column": group.column,
        "group": _both(group.label),
        "students": group.students,
        "listed": group.listed,
        "precision": _share(group.precision),
        "recall": _share(group.recall),
        "unlike_others": group.unlike_others,
    }


def blocks(made: Invitations, written: Sequence[str]) -> list[Block]:
    """The first screen: what it is, that a person decides, how good it was, and who stands on top."""
    title = list_words.title(made)
    said = [list_words.lead(made), list_words.basis(made), *list_words.quality(made)]
    warned = list_words.warnings(made)
    rows = list_rows.places(made)
    shown: list[Block] = [
        f"{title.nl.upper()} / {title.en.upper()}: {made.school}, {made.made.isoformat()}",
        f"{list_words.ADVICE.nl} / {list_words.ADVICE.en}",
        *(f"{one.nl} / {one.en}" for one in (*said, *warned)),
        _grid(made, rows[:SHOWN]),
    ]
    if len(rows) > SHOWN:
        more = len(rows) - SHOWN
        shown.append(f"… en nog {more}, in de bestanden hieronder. / … and {more} more, in the files below.")
    return [*shown, *(f"Geschreven / written: {path}" for path in written)]


def _grid(made: Invitations, rows: Sequence[Place]) -> Grid:
    """On a terminal the columns are few, or the reasons would have no room."""
    wanted = {"rank": "nr", "number": "student", "code": "code", "team": "team", "chance": "model", "teacher": "docent"}
    keys = [key for key, _ in list_rows.columns(made) if key in wanted]
    if made.numbers is not None:
        keys.remove("code")
    heads = [*(wanted[key] for key in keys), "waarom"]
    cells = [(*(_cell(place, key) for key in keys), list_rows.why(place, "nl", REASONS)) for place in rows]
    return Grid(f"De eerste {len(rows)} / The first {len(rows)}", heads, cells)


def _cell(place: Place, key: str) -> str:
    found = list_rows.value(place, key)
    if found is None:
        return "–"
    return share(round(found, 2)).nl if isinstance(found, float) else str(found)
