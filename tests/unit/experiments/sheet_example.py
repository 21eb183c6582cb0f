"""A school's own page with one of everything: what the tests and a look in the browser share."""

from datetime import date

from experiments.reading.matrix import Square, squares
from experiments.reading.norms import Bar, bars_with_norms
from experiments.reading.periods import Series, over_periods
from experiments.reading.sheet import Grid, Key, Mark, Part, Sheet
from experiments.reading.words import Words, decimal, share, whole

TEAMS = ("Techniek en ICT", "Zorg en welzijn", "Economie en ondernemen")
COLOURS = (("G", "good"), ("O", "warn"), ("R", "bad"), ("–", ""))


def sheet(school: str = "Voorbeeld College", team: str = TEAMS[0], words: str = "") -> Sheet:
    """Return a page; `school`, `team` and `words` are put in as a school's own names would be."""
    return Sheet(
        school,
        Words(f"Teamoverzicht {words}".strip(), f"Team overview {words}".strip()),
        Words("Van de 1.204 starters studeert 82% nog.", "Of the 1,204 starters, 82% still study."),
        date(2026, 11, 27),
        Words(f"Een mens beslist. {words}".strip(), f"A person decides. {words}".strip()),
        (_first(team, words), _norms(team, words), _colours(team, words), _years(words)),
    )


def _first(team: str, words: str) -> Part:
    rows = [
        (team, 1204, share(0.825), Mark(Words("goed", "good"), "good")),
        (TEAMS[1], 88, decimal(7.25), Mark(f"onder de norm {words}".strip(), "bad")),
        (TEAMS[2], 412, words or "x", Mark(Words("let op", "look"), "warn")),
    ]
    head = (Words("Team", "Team"), Words("Studenten", "Students"), Words("Aandeel", "Share"), Words("Oordeel", "So"))
    return Part(
        Words(f"Eerst dit {words}".strip(), f"First this {words}".strip()),
        (Words(f"Drie teams. {words}".strip(), f"Three teams. {words}".strip()),),
        Grid(head, tuple(rows), "prose"),
        keys=(
            Key(whole(1204), Words("starters", "starters"), Words("op 1 oktober", "on 1 October")),
            Key(share(0.82), Words("startersresultaat", "starters' result"), Words("norm 79%", "norm 79%"), "good"),
            Key(words or "3", Words("open punten", "open points"), tone="bad"),
        ),
        steps=(Words(f"Vul de kolom aan. {words}".strip(), f"Complete the column. {words}".strip()),),
    )


def _norms(team: str, words: str) -> Part:
    bars = (
        Bar(team, 0.82, 0.79, 0.78, 0.86, "good"),
        Bar(Words(TEAMS[1], TEAMS[1]), 0.61, 0.82, 0.5, 0.7, "bad"),
        Bar(TEAMS[2], None, 0.82),
    )
    title = Words(f"Startersresultaat {words}".strip(), f"Starters' result {words}".strip())
    caption = Words(f"Met de norm. {words}".strip(), f"With the norm. {words}".strip())
    rows = tuple((f"student {number}", number) for number in range(1, 31))
    table = Grid((Words("Wie", "Who"), Words("Plaats", "Place")), rows, fold=True)
    return Part(Words("Norm", "Norms"), (), table, bars_with_norms("norms", title, caption, bars))


def _colours(team: str, words: str) -> Part:
    marks = [[Square(text, tone) for text, tone in (COLOURS * 2)[row : row + 4]] for row in range(3)]
    rows = tuple(zip((team, *TEAMS[1:]), marks, strict=True))
    columns = [Words(f"periode {number}", f"period {number}") for number in range(1, 5)]
    title = Words(f"Kleuren {words}".strip(), f"Colours {words}".strip())
    figure = squares("colours", title, Words("Vier periodes.", "Four periods."), columns, rows)
    return Part(Words("Kleuren", "Colours"), (), Grid((Words("Leeg", "Empty"),), ()), figure)


def _years(words: str) -> Part:
    periods = [Words.same(f"{year}-{year + 1}") for year in range(2020, 2025)]
    series = (
        Series(Words(f"school {words}".strip(), f"school {words}".strip()), (0.7, 0.75, None, 0.8, 0.78)),
        Series(Words("coalitie", "coalition"), (0.72, 0.73, 0.74, 0.75, 0.76)),
    )
    figure = over_periods(
        "years", Words("Vijf jaren", "Five years"), Words("De lijn breekt waar niets is.", "A gap is a gap."), periods,
        series, norm=0.79,
    )  # fmt: skip
    return Part(Words("Jaren", "Years"), (), None, figure)
