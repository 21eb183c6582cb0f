"""An invitation list arrives; its page leaves: NODE/local/invitations.html, and invitations.en.html in English.

The page names students by code. Student numbers stand in the file that a person asked for, beside the same codes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.reading import sheet
from experiments.reading.sheet import Cell, Grid, Key, Mark, Part, Sheet
from experiments.reading.words import Words, decimal, share
from node.local import list_rows, list_words
from node.local.roster import file_name

if TYPE_CHECKING:
    from node.local.fairness import Group
    from node.local.invite import Invitations
    from node.local.list_rows import Place
    from node.local.lists import Weighing
    from node.local.measuring import Measured, Share

NAME = "invitations"
SHORT = {
    "rank": Words("plaats", "place"),
    "code": Words("code", "code"),
    "team": Words("team", "team"),
    "chance": Words("kans", "chance"),
    "teacher": Words("docent", "teacher"),
    "place joint": Words("gezamenlijk", "joint"),
    "place combined": Words("samen", "combined"),
}
"""The columns that a page has room for; the others stand in the workbook."""
DASH = Words.same("–")


def write(made: Invitations, folder: Path) -> Path:
    """Write both pages into the node's local folder; return the Dutch one's path."""
    name = NAME if made.chosen.team is None else file_name(NAME, made.chosen.team)
    return sheet.write(page(made), folder, name)


def page(made: Invitations) -> Sheet:
    """The whole page: the list first, then how good it was, then how it is made."""
    parts = (_list(made), _weeks(made), _rankings(made), _groups(made), _method(made))
    return Sheet(
        school=made.school,
        title=list_words.title(made),
        lead=list_words.lead(made),
        made=made.made,
        notice=list_words.ADVICE,
        parts=tuple(part for part in parts if part is not None),
    )


def _list(made: Invitations) -> Part:
    shown = [key for key, _ in list_rows.columns(made) if key in SHORT]
    head = (*(SHORT[key] for key in shown), Words("waarom", "why"))
    rows = tuple((*(_cell(place, key) for key in shown), _why(place)) for place in list_rows.places(made))
    return Part(
        title=Words("De lijst", "The list"),
        text=(*list_words.warnings(made), list_words.basis(made), *list_words.quality(made)),
        table=Grid(head, rows),
        keys=_keys(made),
    )


def _why(place: Place) -> Words:
    return Words(list_rows.why(place, "nl"), list_rows.why(place, "en"))


def _cell(place: Place, key: str) -> Cell:
    found = list_rows.value(place, key)
    if found is None:
        return DASH
    return share(round(found, 2)) if isinstance(found, float) else found


def _keys(made: Invitations) -> tuple[Key, ...]:
    if made.weighing is None:
        return ()
    found = list_words.deciding(made)
    tone: Literal["bad", "good"] = "bad" if list_words.no_better(found) else "good"
    on = list_words.measured_on(made.weighing)
    lot = Words("bij loten {base}", "drawn by lot {base}").filled(base=_percent(found.base_rate))
    keys = [
        Key(_percent(found.precision.value), Words("van de lijst viel uit", "of the list left"), lot, tone),
        Key(_percent(found.recall.value), Words("van de uitvallers stond erop", "of those who left were on it"), on),
    ]
    if made.weighing.joint is not None:
        both = made.weighing.joint
        values = Words.same("{own} / {joint}").filled(
            own=decimal(both.first.value, 2), joint=decimal(both.second.value, 2)
        )
        keys.append(Key(values, Words("AUC eigen / gezamenlijk model", "AUC own / joint model"), on))
    elif found.auc is not None:
        keys.append(Key(decimal(found.auc.value, 2), Words("AUC (0,5 is toeval)", "AUC (0.5 is chance)"), on))
    return tuple(keys)


def _percent(value: float | None) -> Words:
    return DASH if value is None else share(round(value, 2))


HEAD = (
    Words("studenten", "students"),
    Words("uitgevallen", "left"),
    Words("van de lijst viel uit", "of the list left"),
    Words("van de uitvallers stond erop", "of those who left were on it"),
    Words("AUC", "AUC"),
)


def _figures(found: Measured) -> tuple[Cell, ...]:
    precision, recall = (_with_interval(one) for one in (found.precision, found.recall))
    return (found.students, found.left, precision, recall, list_words.of_auc(found.auc))


def _with_interval(found: Share | None) -> Words:
    if found is None or found.value is None or found.interval is None:
        return DASH
    low, high = (share(round(edge, 2)) for edge in found.interval)
    return Words.same("{value} ({low}–{high})").filled(value=share(round(found.value, 2)), low=low, high=high)


def _weeks(made: Invitations) -> Part | None:
    if not made.per_week:
        return None
    rows = tuple((_week(one), *_figures(one.own)) for one in made.per_week)
    return Part(
        title=Words("Hoe verder in het jaar, hoe beter?", "The further in the year, the better?"),
        text=(
            Words(
                "Hoe het eigen model het deed op het laatste cohort waarvan de uitkomst bekend is, per peilmoment."
                " Het leerde nooit van de studenten op wie het gemeten is. Tussen haakjes staat waarbinnen het"
                " cijfer met 95% zekerheid ligt.",
                "How the own model did on the last cohort of which the outcome is known, at each moment. It never"
                " learned from the students it was measured on. In brackets: within what the figure lies with 95%"
                " confidence.",
            ),
        ),
        table=Grid((Words("lesweek", "teaching week"), *HEAD), rows),
    )


def _week(weighing: Weighing) -> Words:
    text = Words("{week} ({who})", "{week} ({who})")
    start = (
        Words("0: eerste schooldag", "0: first day of school") if weighing.week == 0 else Words.same(str(weighing.week))
    )
    return text.filled(week=start, who=list_words.measured_on(weighing))


def _rankings(made: Invitations) -> Part | None:
    if made.weighing is None or len(made.weighing.of) < 2:
        return None
    rows = tuple((list_words.RANKINGS[name], *_figures(found)) for name, found in made.weighing.of.items())
    return Part(
        title=Words("Model, docenten, of samen?", "Model, teachers, or both?"),
        text=(
            Words(
                "Elke volgorde op dezelfde studenten ({who}, einde lesweek {week}); geen model leerde van hen.",
                "Every ranking on the same students ({who}, end of teaching week {week}); no model learned from them.",
            ).filled(who=list_words.measured_on(made.weighing), week=str(made.chosen.week)),
        ),
        table=Grid((Words("volgorde", "ranking"), *HEAD), rows),
    )


def _groups(made: Invitations) -> Part | None:
    if not made.groups:
        return None
    head = (
        Words("groep", "group"),
        Words("studenten", "students"),
        Words("op de lijst", "on the list"),
        Words("van de lijst viel uit", "of the list left"),
        Words("van de uitvallers stond erop", "of those who left were on it"),
    )
    warning = list_words.unlike(made)
    calm = Words("Geen groep wijkt duidelijk af van de andere.", "No group differs clearly from the others.")
    return Part(
        title=Words("Doet de lijst het voor iedereen even goed?", "Does the list do as well for everyone?"),
        text=(
            warning or calm,
            Words(
                "Gemeten op het laatste cohort. Een groep onder de twaalf studenten staat er niet bij.",
                "Measured on the last cohort. A group of fewer than twelve students is not shown.",
            ),
        ),
        table=Grid(head, tuple(_group(group) for group in made.groups)),
    )


def _group(group: Group) -> tuple[Cell, ...]:
    name: Cell = Mark(group.label, "warn") if group.unlike_others else group.label
    return (name, group.students, group.listed, _with_interval(group.precision), _with_interval(group.recall))


def _method(made: Invitations) -> Part:
    said = [list_words.METHODS[name] for name in list_rows.methods(made)]
    rest = (list_words.sensitive(made), made.no_model, list_words.STAYS)
    who = Words("Gevraagd door: {name}.", "Asked by: {name}.").filled(name=made.asked_by)
    return Part(
        title=Words("Hoe de lijst gemaakt is", "How the list is made"),
        text=tuple(one for one in (*said, *rest, who) if one is not None),
    )
