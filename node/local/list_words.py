"""An invitation list arrives; what has to be said beside it leaves, in Dutch and in English.

The same sentences stand on the terminal, on the page and in the workbook, so that no copy of a list is without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from experiments.reading.words import Words, day, decimal, joined, share, whole
from node.local.lists import COMBINED, JOINT, LOCAL, TEACHER
from node.local.measuring import Auc, Measured, Share
from shared_schema import features as declared

if TYPE_CHECKING:
    from node.local.invite import Invitations
    from node.local.lists import Weighing

FEW_LEAVERS = 30
SHOWN_HASH = 12
ADVICE = Words(
    "Dit is een advies, geen besluit. Een mens die de student kent, beslist of er een uitnodiging komt, en"
    " waarvoor. Wie niet op de lijst staat, kan net zo goed hulp nodig hebben.",
    "This is advice, not a decision. A person who knows the student decides whether to invite, and to what. Someone who"
    " is not on the list may need help just as much.",
)
STAYS = Words(
    "Wie bezwaar maakte (AVG art. 21), staat er niet op, en geen model leerde van diens gegevens. De lijst blijft"
    " binnen de school, bij wie haar voor de begeleiding nodig heeft. Elke keer dat zij gemaakt wordt, staat in"
    " NODE/local/lists.jsonl: wanneer, door wie, met welk model; niet wie erop staat.",
    "Whoever objected (GDPR art. 21) is not on it, and no model learned from their data. The list stays inside the"
    " school, with those who need it to guide students. Each time it is made is recorded in NODE/local/lists.jsonl:"
    " when, by whom, with which model; not who is on it.",
)
RANKINGS = {
    LOCAL: Words("eigen model", "own model"),
    JOINT: Words("gezamenlijk model", "joint model"),
    TEACHER: Words("docenten", "teachers"),
    COMBINED: Words("model en docenten samen", "model and teachers combined"),
}
METHODS = {
    LOCAL: Words(
        "Eigen model: logistische regressie op de kenmerken van het gedeelde schema, geleerd van eerdere studenten"
        " van deze school. De score is een optelsum van de kenmerken; wat een student het meest omhoog brengt,"
        " staat er als reden bij.",
        "Own model: logistic regression on the features of the shared schema, learned from this school's earlier"
        " students. The score is a sum over features; what lifts a student most stands beside it as the reason.",
    ),
    JOINT: Words(
        "Gezamenlijk model: het model van de gepubliceerde bevinding, geleerd door alle scholen samen.",
        "Joint model: the model of the published finding, learned by all schools together.",
    ),
    TEACHER: Words(
        "Docenten: de laatste geschatte kans op uitval; zonder kans telt het oordeel (voldoende 0, twijfel 1/2,"
        " onvoldoende 1). Het oordeel over het geheel gaat voor.",
        "Teachers: the latest estimated chance of dropout; without a chance the judgement counts (sufficient 0,"
        " doubtful 1/2, insufficient 1). The overall judgement goes first.",
    ),
    COMBINED: Words(
        "Samen: het gemiddelde van de plaats in beide volgordes; wie geen docent beoordeelde, houdt de plaats van"
        " het model.",
        "Combined: the mean of the places in both orders; who was judged by no teacher keeps the model's place.",
    ),
}
FOLDED = Words(
    "Er is maar één jaar met bekende uitkomst. Gemeten is daarom in vijf delen, steeds op studenten van wie het"
    " model niet leerde; volgend jaar kan het op een heel cohort.",
    "The outcome is known of one year only. So it was measured in five parts, each time on students the model did"
    " not learn from; next year it can be done on a whole cohort.",
)


def title(made: Invitations) -> Words:
    """What the list is called."""
    return Words("Uitnodigingslijst", "Invitation list")


def lead(made: Invitations) -> Words:
    """How many of whom."""
    text = Words(
        "{listed} van de {all} studenten{cohort}{team} die nu in het eerste jaar zitten ({share}), op volgorde van"
        " {by}.",
        "{listed} of the {all} students{cohort}{team} who are in their first year now ({share}), in order of {by}.",
    )
    cohort = (
        Words("", "")
        if made.chosen.cohort is None
        else Words(f" van cohort {made.chosen.cohort}", f" of cohort {made.chosen.cohort}")
    )
    everyone = len(made.ranking.order)
    return text.filled(
        listed=whole(made.ranking.listed),
        all=whole(everyone),
        cohort=cohort,
        team=Words("", "")
        if made.chosen.team is None
        else Words(" van team {name}", " of team {name}").filled(name=made.chosen.team),
        share=share(made.ranking.listed / everyone),
        by=RANKINGS[made.ranking.by],
    )


def basis(made: Invitations) -> Words:
    """Model, week and day of the data: what the list follows from."""
    known = day(made.chosen.people.as_of) if made.chosen.people.as_of else Words("onbekend", "unknown")
    text = Words(
        "Stand einde lesweek {week}; laatste datum in de gegevens: {known}. Model {hash}{learned}.",
        "As of the end of teaching week {week}; last date in the data: {known}. Model {hash}{learned}.",
    )
    learned = Words("", "")
    if made.ranking.model is not None and made.ranking.model.kind == LOCAL:
        learned = Words(
            ", geleerd van {n} studenten met bekende uitkomst", ", learned from {n} students with a known outcome"
        ).filled(n=whole(made.learned_from))
    name = "-" if made.ranking.model is None else made.ranking.model.hash[:SHOWN_HASH]
    return text.filled(week=str(made.chosen.week), known=known, hash=name, learned=learned)


def quality(made: Invitations) -> Iterator[Words]:
    """How good such a list was, or why nobody can say."""
    weighing = made.weighing
    if weighing is None:
        yield Words(
            "Hoe goed zo'n lijst is, kan nog niet worden gezegd: van te weinig studenten is de uitkomst bekend.",
            "How good such a list is cannot be said yet: the outcome of too few students is known.",
        )
        return
    by = made.ranking.by
    found = deciding(made)
    yield _found(found, weighing, RANKINGS[by if by in weighing.of else LOCAL])
    if weighing.trial.year is None:
        yield FOLDED
    if found.left < FEW_LEAVERS:
        yield Words(
            "Het gaat om kleine aantallen: de marges zijn ruim, lees de cijfers als orde van grootte.",
            "These are small numbers: the margins are wide, read the figures as an order of magnitude.",
        )
    if weighing.joint is not None:
        yield local_or_joint(made)


def _short(label: str) -> str:
    """A column's label up to its first comma, to stand in a row of them."""
    return label.partition(",")[0].rstrip(".").lower()


def warnings(made: Invitations) -> Iterator[Words]:
    """What should keep a person from using the list as it is."""
    if made.weighing is not None and no_better(deciding(made)):
        yield Words(
            "Let op: bovenaan deze volgorde vielen niet aantoonbaar meer studenten uit dan bij loten. Gebruik haar"
            " niet om te kiezen.",
            "Note: the top of this ranking did not demonstrably hold more students who left than one drawn by lot."
            " Do not choose by it.",
        )
    if made.weeks_known < made.chosen.week:
        yield Words(
            f"Let op: van de meeste van deze studenten is pas tot en met lesweek {made.weeks_known} iets bekend; de"
            f" lijst is gemaakt alsof het lesweek {made.chosen.week} is.",
            f"Note: of most of these students nothing is known after teaching week {made.weeks_known}; the list is"
            f" made as if it were week {made.chosen.week}.",
        )
    other = unlike(made)
    if other is not None:
        yield other


def deciding(made: Invitations) -> Measured:
    """The figures of the ranking that decides; of the own model where that one could not be measured."""
    assert made.weighing is not None
    own = made.weighing.own
    return own if made.ranking.by == LOCAL else made.weighing.of.get(made.ranking.by, own)


def no_better(found: Measured) -> bool:
    """Whether chance could have drawn such a list: the share that left may be that of everyone."""
    low = 0.0 if found.precision.interval is None else found.precision.interval[0]
    return low <= (found.base_rate or 0.0)


def _found(found: Measured, weighing: Weighing, by: Words) -> Words:
    text = Words(
        "Zo'n lijst eerder ({who}, {students} studenten, {by}): van de {listed} bovenaan vielen er {hits} uit,"
        " {precision}; bij loten {base}. De lijst bevatte {recall} van de {left} uitvallers.",
        "Such a list before ({who}, {students} students, {by}): of the {listed} on top {hits} left, {precision};"
        " drawn by lot {base}. The list held {recall} of the {left} who left.",
    )
    return text.filled(
        who=measured_on(weighing),
        students=whole(found.students),
        by=by,
        listed=whole(found.listed),
        hits=whole(found.precision.hits),
        precision=with_interval(found.precision),
        base=share(round(found.base_rate or 0.0, 2)),
        recall=with_interval(found.recall),
        left=whole(found.left),
    )


def measured_on(weighing: Weighing) -> Words:
    """Whom the figures are of."""
    if weighing.trial.year is None:
        return Words("in vijf delen", "in five parts")
    return Words(f"cohort {weighing.trial.year}", f"cohort {weighing.trial.year}")


def with_interval(found: Share) -> Words:
    """ "47% (tussen 38% en 57%)."""
    if found.value is None or found.interval is None:
        return Words("onbekend", "unknown")
    low, high = (share(round(edge, 2)) for edge in found.interval)
    text = Words("{value} (tussen {low} en {high})", "{value} (between {low} and {high})")
    return text.filled(value=share(round(found.value, 2)), low=low, high=high)


def of_auc(found: Auc | None) -> Words:
    """An AUC with its interval, or a dash."""
    if found is None:
        return Words.same("–")
    text = Words.same("{value} ({low}–{high})")
    return text.filled(value=decimal(found.value, 2), low=decimal(found.low, 2), high=decimal(found.high, 2))


def local_or_joint(made: Invitations) -> Words:
    """The school's own comparison: its own model against the coalition's, on its own students."""
    weighing = made.weighing
    assert weighing is not None and weighing.joint is not None
    both = weighing.joint
    text = Words(
        "Eigen model {local}, gezamenlijk model {joint} (AUC, {who}, dezelfde {n} studenten; verschil {gap}, 95%:"
        " {low} tot {high}): {verdict}.",
        "Own model {local}, joint model {joint} (AUC, {who}, the same {n} students; difference {gap}, 95%: {low} to"
        " {high}): {verdict}.",
    )
    verdict = Words("geen aantoonbaar verschil", "no difference that can be shown")
    if both.low > 0:
        verdict = Words("het gezamenlijke model doet het hier beter", "the joint model does better here")
    if both.high < 0:
        verdict = Words("het eigen model doet het hier beter", "the own model does better here")
    return text.filled(
        local=decimal(both.first.value, 2),
        joint=decimal(both.second.value, 2),
        who=measured_on(weighing),
        n=whole(both.students),
        gap=decimal(both.value, 2),
        low=decimal(both.low, 2),
        high=decimal(both.high, 2),
        verdict=verdict,
    )


def sensitive(made: Invitations) -> Words | None:
    """What is said about sensitive features; None where the schema has none at this week."""
    columns = {
        column: made.chosen.people.schema.column(*column.split("."))
        for feature in declared.available(made.chosen.people.schema, made.chosen.week)
        if feature.sensitive
        for column in feature.columns
    }
    if not columns:
        return None
    labels = [column.label for column in columns.values()]
    names = Words(
        joined([_short(label.nl) for label in labels]).nl,
        joined([_short(label.en) for label in labels]).en,
    )
    if made.chosen.sensitive:
        text = Words(
            "Volgens het beleid van de school tellen gevoelige kenmerken mee en kunnen zij een reden zijn: {names}.",
            "By the school's policy sensitive features count and may be a reason: {names}.",
        )
    else:
        text = Words(
            "Gevoelige kenmerken tellen niet mee en zijn nooit een reden: {names}.",
            "Sensitive features do not count and are never a reason: {names}.",
        )
    return text.filled(names=names)


def unlike(made: Invitations) -> Words | None:
    """A warning where last year's list did otherwise for one group than for the others."""
    names = [group.label for group in made.groups if group.unlike_others]
    if not names:
        return None
    text = Words(
        "Let op: de lijst deed het vorige keer duidelijk anders voor {names} dan voor de anderen (15 punten of"
        " meer, meer dan toeval). Bespreek dit met de FG voor u de lijst gebruikt.",
        "Note: last time the list did clearly otherwise for {names} than for the others (15 points or more, more"
        " than chance). Talk it over with the FG before you use the list.",
    )
    return text.filled(names=Words(joined([n.nl for n in names]).nl, joined([n.en for n in names]).en))
