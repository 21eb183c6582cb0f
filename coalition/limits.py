"""Nothing arrives; what a finding does not say and does not promise leaves, in Dutch and in English."""

from __future__ import annotations

from collections.abc import Mapping

Text = Mapping[str, str]

ALWAYS: tuple[Text, ...] = (
    {
        "nl": "Samenhang is geen oorzaak: het model zegt wie vaker uitvalt, niet waardoor.",
        "en": "Association is not cause: the model says who drops out more often, not why.",
    },
    {
        "nl": "De lijst is een advies aan een mens; geen besluit over een student volgt alleen uit dit model "
        "(AVG art. 22).",
        "en": "The list is advice to a person; no decision about a student follows from this model alone "
        "(GDPR art. 22).",
    },
    {
        "nl": "De privacygarantie geldt per student per school. Wie op meer scholen staat ingeschreven, betaalt meer; "
        "dat staat apart vermeld.",
        "en": "The privacy guarantee holds for one student at one school. A person at several schools pays more, "
        "which is stated apart.",
    },
    {
        "nl": "Cijfers zijn met opzet voorzien van ruis; elke marge telt die ruis mee.",
        "en": "Figures carry deliberate noise; every interval includes it.",
    },
    {
        "nl": "Het bewijs laat zien dat elke som klopt met wat scholen stuurden. Het laat niet zien dat een school de "
        "waarheid stuurde, of dat het programma op een school ongewijzigd was.",
        "en": "The evidence shows that every sum follows from what schools sent. It does not show that a school sent "
        "the truth, or that the program at a school was unmodified.",
    },
)

REHEARSAL: Text = {
    "nl": "Dit is een oefening: de studenten zijn verzonnen of openbaar. "
    "De cijfers zeggen niets over een echte school.",
    "en": "This is a rehearsal: the students are made up or public, and the figures say nothing about a real school.",
}

MISSING_SCHOOLS: Text = {
    "nl": "Niet elke goedgekeurde school deed aan elke stap mee.",
    "en": "Not every approved school took part in every step.",
}

NO_EVALUATION: Text = {
    "nl": "De ruis was te groot om te meten hoe goed het model voorspelt.",
    "en": "The noise was too large to measure how well the model predicts.",
}


def limits(rehearsal: bool, complete: bool, evaluated: bool) -> list[Text]:
    """The limits of one finding, those that are special to it first."""
    special = [
        text
        for text, holds in ((REHEARSAL, rehearsal), (MISSING_SCHOOLS, not complete), (NO_EVALUATION, not evaluated))
        if holds
    ]
    return [*special, *ALWAYS]
