"""Nothing arrives; docs/flow.svg leaves: the README's picture, one file that stands alone.

Drawn with the canvas and the colours of a finding's page. It carries its own ground, so it reads on a light and on a
dark page, whichever of the two the reader's browser prefers.
"""

from __future__ import annotations

from experiments.reading.palette import DARK, LIGHT, variables
from experiments.reading.svg import Canvas, Point

WIDTH, HEIGHT = 960.0, 452.0
TOP = 66.0  # the lane of what is asked
LANES = (214.0, 296.0, 378.0)  # the lanes of three schools
SCHOOL = (28.0, 146.0, 476.0, 282.0)  # left, top, width, height of what stays inside the schools
SUM = (628.0, 296.0)
FINDING = (846.0, 296.0)
TITLE = "How a finding comes about"
ABOUT = (
    "1. An analyst submits a definition; it is frozen and hashed. 2. The FG of each school approves exactly that hash. "
    "3. Inside each school, exports become tables; a node clips, sums, adds noise, masks, and debits its ledger. "
    "The coordinator adds the sums of all schools, which cancels the masks. 4. After the disclosure rules and two "
    "reviewers of two schools, the finding is published with its evidence."
)
STYLE = (
    'text{font:400 15px/1 "Segoe UI",-apple-system,"Helvetica Neue",Arial,"Liberation Sans",sans-serif;'
    "fill:var(--ink)}"
    ".strong{font-weight:650;font-size:16px}.small{font-size:13.5px;fill:var(--muted)}"
    ".inside{font-weight:600;font-size:14px;fill:var(--three)}"
    ".ground{fill:var(--surface);stroke:var(--rule)}.wall{fill:var(--raised);stroke:var(--three);stroke-width:1.6;"
    "stroke-dasharray:7 5}.shape{fill:var(--surface);stroke:var(--edge);stroke-width:1.6;stroke-linejoin:round}"
    ".row{stroke:var(--edge);stroke-width:1.6;fill:none}.door{fill:var(--edge)}"
    ".arrow{stroke:var(--edge);stroke-width:1.8;fill:none}.head{fill:var(--edge)}"
    ".sent{stroke:var(--one);stroke-width:2.2;fill:none}.sent-head{fill:var(--one)}"
    ".sum{fill:var(--one)}.sigma{font-size:30px;font-weight:600;fill:var(--surface)}"
    ".veil{fill:var(--surface);stroke:var(--one);stroke-width:2;stroke-dasharray:3.5 2.5}"
    ".plus{font-size:18px;font-weight:600;fill:var(--one)}.tick{stroke:var(--three);stroke-width:3;fill:none;"
    "stroke-linecap:round;stroke-linejoin:round}.badge{fill:var(--accent)}.number{font-size:14px;font-weight:700;"
    "fill:var(--surface)}"
)


def page() -> str:
    """Return the drawing as an SVG document, ending in one newline."""
    canvas = Canvas(HEIGHT, WIDTH)
    canvas.rect((1, 1), WIDTH - 2, HEIGHT - 2, "ground", 14)
    _asking(canvas)
    _schools(canvas)
    _opening(canvas)
    body = str(canvas.document("flow", TITLE, ABOUT, "flow"))
    dark = f"@media (prefers-color-scheme:dark){{svg{{{variables(DARK)}}}}}"
    style = f"<style>svg{{{variables(LIGHT)}}}{dark}{STYLE}</style>"
    opened = body.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:g}" height="{HEIGHT:g}" ', 1)
    head, end, rest = opened.partition("</desc>")
    return f"{head}{end}{style}{rest}\n"


def _asking(canvas: Canvas) -> None:
    """The upper lane, from right to left: a definition, then the FGs' signatures, then the schools."""
    _sheet(canvas, (846, TOP), 0.82)
    _step(canvas, 1, (604, TOP - 10), "An analyst submits", ("a definition; frozen, hashed",))
    _arrow(canvas, (590, TOP), (474, TOP), "arrow", "head")
    _person(canvas, (440, TOP))
    _step(canvas, 2, (182, TOP - 10), "Every FG approves", ("exactly that hash, or does not",))
    _arrow(canvas, (440, TOP + 36), (440, SCHOOL[1] - 4), "arrow", "head")


def _schools(canvas: Canvas) -> None:
    """The lower left: what no student's data leaves."""
    left, top, width, height = SCHOOL
    canvas.rect((left, top), width, height, "wall", 12)
    canvas.text((left + 18, top + 26), "Inside each school: no student's data leaves it", "inside")
    for lane in LANES:
        _house(canvas, (72, lane))
        _arrow(canvas, (96, lane), (140, lane), "arrow", "head")
        _tables(canvas, (166, lane))
        _arrow(canvas, (192, lane), (230, lane), "arrow", "head")
        canvas.text((242, lane - 4), "clip, sum, noise, mask", "small")
        canvas.text((242, lane + 15), "ledger debited first", "small")
        _arrow(canvas, (396, lane), (434, lane), "arrow", "head")
        canvas.circle((456, lane), 17, "veil")
        canvas.text((456, lane + 6), "+", "plus", "middle")


def _opening(canvas: Canvas) -> None:
    """The lower right: masked sums meet, the masks cancel, people review, a finding is published."""
    x, y = SUM
    for lane in LANES:
        end = (x - 44, y + (lane - y) * 0.22)
        _arrow(canvas, (476, lane), end, "sent", "sent-head")
    canvas.circle(SUM, 36, "sum")
    canvas.text((x, y + 10), "Σ", "sigma", "middle")
    _step(canvas, 3, (556, 172), "Masks cancel in the sum", ("and nowhere else; twelve exchanges",))
    _arrow(canvas, (x + 44, y), (FINDING[0] - 54, y), "arrow", "head")
    _sheet(canvas, FINDING, 1.2)
    canvas.path([(832, 318), (842, 328), (862, 304)], "tick")
    _step(canvas, 4, (660, 390), "Rules, two reviewers, then", ("published with its evidence",))


def _step(canvas: Canvas, number: int, at: Point, title: str, lines: tuple[str, ...]) -> None:
    x, y = at
    canvas.circle((x + 12, y + 2), 12, "badge")
    canvas.text((x + 12, y + 7), str(number), "number", "middle")
    canvas.text((x + 34, y + 7), title, "strong")
    canvas.lines((x + 34, y + 28), lines, "small")


def _arrow(canvas: Canvas, start: Point, end: Point, line: str, head: str) -> None:
    """A line with a head, in any direction."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = (dx * dx + dy * dy) ** 0.5
    ux, uy = dx / length, dy / length
    foot = (end[0] - 9 * ux, end[1] - 9 * uy)
    canvas.line(start, foot, line)
    canvas.path([end, (foot[0] - 5 * uy, foot[1] + 5 * ux), (foot[0] + 5 * uy, foot[1] - 5 * ux)], head, closed=True)


def _house(canvas: Canvas, at: Point) -> None:
    x, y = at
    canvas.path(
        [(x - 17, y + 20), (x - 17, y - 5), (x, y - 22), (x + 17, y - 5), (x + 17, y + 20)], "shape", closed=True
    )
    canvas.rect((x - 5, y + 5), 10, 15, "door")


def _tables(canvas: Canvas, at: Point) -> None:
    x, y = at
    canvas.rect((x - 20, y - 20), 40, 40, "shape", 4)
    for row in (-7, 7):
        canvas.line((x - 20, y + row), (x + 20, y + row), "row")
    canvas.line((x - 6, y - 20), (x - 6, y + 20), "row")


def _sheet(canvas: Canvas, at: Point, scale: float) -> None:
    x, y = at
    wide, high, fold = 30 * scale, 40 * scale, 14 * scale
    corner = [(x - wide, y - high), (x + wide - fold, y - high), (x + wide, y - high + fold), (x + wide, y + high)]
    canvas.path([*corner, (x - wide, y + high)], "shape", closed=True)
    for row in range(2):
        line = y - high * 0.42 + row * 15 * scale
        canvas.line((x - wide * 0.6, line), (x + wide * 0.6, line), "row")


def _person(canvas: Canvas, at: Point) -> None:
    x, y = at
    canvas.circle((x, y - 14), 12, "shape")
    canvas.path(
        [(x - 22, y + 28), (x - 16, y + 8), (x, y + 2), (x + 16, y + 8), (x + 22, y + 28)], "shape", closed=True
    )
