"""The number of schools arrives; a small picture of how a finding comes about leaves."""

from experiments.reading.figure import Figure, Table
from experiments.reading.finding import Finding
from experiments.reading.svg import Canvas, wrap
from experiments.reading.text import Text

STAGES = (34.0, 122.0, 210.0, 298.0)  # the middle of each stage, px from the top
CENTRE = 58.0
TEXT_LEFT = 132.0


def flow(finding: Finding, text: Text) -> Figure:
    """From schools, by way of noised and masked sums, to one total and people who review it."""
    canvas = Canvas(344)
    schools = len(finding.population.schools)
    drawn = min(schools, 5)
    places = [CENTRE + (i - (drawn - 1) / 2) * 24 for i in range(drawn)]
    for x in places:
        canvas.line((x, STAGES[0] + 16), (x, STAGES[1] - 9), "link")
        canvas.line((x, STAGES[1] + 9), (CENTRE + (x - CENTRE) * 0.28, STAGES[2] - 24), "link")
        _house(canvas, x, STAGES[0])
        canvas.circle((x, STAGES[1]), 8, "veil one")
        canvas.text((x, STAGES[1] + 5), "+", "glyph small", "middle")
    canvas.circle((CENTRE, STAGES[2]), 23, "dot one")
    canvas.text((CENTRE, STAGES[2] + 7), "Σ", "glyph", "middle")
    canvas.line((CENTRE, STAGES[2] + 24), (CENTRE, STAGES[3] - 28), "link")
    _sheet(canvas, CENTRE, STAGES[3])
    stages = [(text(f"flow.{stage}.title"), text(f"flow.{stage}.about", schools=schools)) for stage in (1, 2, 3, 4)]
    for y, (title, about) in zip(STAGES, stages, strict=True):
        canvas.text((TEXT_LEFT, y - 6), title, "stage")
        canvas.lines((TEXT_LEFT, y + 13), wrap(about, canvas.width - TEXT_LEFT - 8), "stage-about")
    steps = " ".join(f"{number}. {title}: {about}." for number, (title, about) in enumerate(stages, 1))
    title = text("figure.flow.title")
    return Figure(
        "flow",
        title,
        text("figure.flow.caption"),
        canvas.document("flow", title, text("about.flow", steps=steps)),
        Table((text("head.step"), text("privacy.mechanism")), tuple(stages)),
    )


def _house(canvas: Canvas, x: float, y: float) -> None:
    walls = [(x - 9, y + 15), (x - 9, y - 2), (x, y - 12), (x + 9, y - 2), (x + 9, y + 15)]
    canvas.path(walls, "house", closed=True)
    canvas.rect((x - 2.5, y + 6), 5, 9, "door")


def _sheet(canvas: Canvas, x: float, y: float) -> None:
    corner = [(x - 19, y - 26), (x + 9, y - 26), (x + 19, y - 16), (x + 19, y + 26), (x - 19, y + 26)]
    canvas.path(corner, "house", closed=True)
    for row in range(2):
        canvas.line((x - 11, y - 10 + 9 * row), (x + 10, y - 10 + 9 * row), "link")
    canvas.path([(x - 8, y + 13), (x - 2, y + 19), (x + 10, y + 5)], "curve three")
