"""Nothing arrives; the declared numbers by which the quality report calls something a break leave.

They are public constants of the program, the same for every school: nothing about the data sets one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.reading.words import Words, share, whole


@dataclass(frozen=True)
class Thresholds:
    """From where on the report speaks.

    fewest: students a school year has before it is compared at all, so that no sentence is about a few people.
    coverage: change of the filled share, between years or deliveries. shape: share of the values that would have to
    move for two distributions to be equal (their total variation distance), beyond what chance explains. chance: how
    many standard errors of a filled share or a count are chance; doubt: how seldom chance alone may break a
    distribution. low, high: students, as a share of last time; half: rows. identical: share of an export's lines that
    stand in it twice. few: row counts below it are not said.
    """

    fewest: int = 50
    coverage: float = 0.20
    shape: float = 0.20
    chance: float = 4.0
    doubt: float = 1e-4
    low: float = 0.80
    high: float = 1.25
    half: float = 0.50
    identical: float = 0.01
    few: int = 10


DECLARED = Thresholds()


def in_words(used: Thresholds = DECLARED) -> tuple[Words, ...]:
    """Return how each test works, for the page."""
    numbers: Mapping[str, Words] = {
        "fewest": whole(used.fewest),
        "coverage": share(used.coverage),
        "shape": share(used.shape),
        "low": share(used.low),
        "high": share(used.high),
        "half": share(used.half),
        "identical": share(used.identical),
        "few": whole(used.few),
    }
    return tuple(sentence.filled(**numbers) for sentence in _SENTENCES)


_SENTENCES = (
    Words(
        "Jaren: een kolom breekt als het gevulde deel van het ene op het andere schooljaar minstens {coverage} "
        "verandert, of als minstens {shape} van de waarden van plaats zou moeten wisselen om de twee jaren gelijk te "
        "maken, en toeval dat niet verklaart.",
        "Years: a column breaks when its filled part changes by at least {coverage} from one school year to the next, "
        "or when at least {shape} of the values would have to move for the two years to be equal, and chance does not "
        "explain it.",
    ),
    Words(
        "Een schooljaar met minder dan {fewest} studenten wordt niet vergeleken. Een kolom die pas gevuld raakt als "
        "studenten vertrekken, zoals de einddatum, mag in latere jaren leger zijn.",
        "A school year with fewer than {fewest} students is not compared. A column that fills only as students leave, "
        "such as the end date, may be emptier in later years.",
    ),
    Words(
        "Vorige levering: dezelfde toetsen tegen de vorige levering van dezelfde indeling; en het aantal studenten "
        "hoort tussen {low} en {high} van toen te liggen, het aantal rijen van een tabel tussen {half} en het dubbele.",
        "Last delivery: the same tests against the previous delivery of the same layout; and the number of students "
        "should lie between {low} and {high} of then, a table's number of rows between {half} and twice.",
    ),
    Words(
        "Losse rijen: rijen over een student, inschrijving of opleiding die nergens anders voorkomt. Dubbele rijen: "
        "regels die letterlijk gelijk zijn in één bestand, vanaf {identical}. Aantallen onder {few} staan er niet bij.",
        "Unlinked rows: rows about a student, enrolment or programme that occurs nowhere else. Double rows: lines of "
        "one file that are the same letter by letter, from {identical}. Counts below {few} are not said.",
    ),
)
