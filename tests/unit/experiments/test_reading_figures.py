"""What the page's drawings and colours promise: true to the numbers, inside their frame, readable for everyone."""

import itertools
import re
import xml.etree.ElementTree as ET

import pytest

from experiments.reading import palette
from experiments.reading.frame import ceiling
from experiments.reading.page import render
from experiments.reading.svg import Canvas, number, shorten, wrap
from tests.unit.experiments import finding_example as example

EXAMPLES = {
    "five": example.finding,
    "many": example.finding_of_many,
    "production": example.finding_of_production,
    "older": example.finding_before_audits,
    "broken": example.finding_with_broken_audit,
    "weak": example.finding_with_weak_audit,
}


# --- the drawings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "upper", "tick"), [(0.61, 0.8, 0.2), (1.0, 1.0, 0.2), (3.8, 4.0, 1.0), (0.09, 0.1, 0.02)]
)
def test_axes_end_on_round_numbers(value: float, upper: float, tick: float) -> None:
    """An axis holds its largest value and is divided in round steps."""
    assert list(ceiling(value)) == pytest.approx([upper, tick])


def test_points_stand_where_their_numbers_say() -> None:
    """The dots of the precision curve are a linear picture of the finding's k and precision."""
    svg = next(
        s for s in re.findall(r"<svg.*?</svg>", render(example.finding(), "nl"), re.S) if '"precision-name"' in s
    )
    dots = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in ET.fromstring(svg).iter("circle")]
    dots = [dot for dot in dots if dot[1] > 50]  # without the one in the key
    rows = example.finding()["evaluation"]["at_k"]
    slope_x = (dots[-1][0] - dots[0][0]) / (rows[-1]["k"] - rows[0]["k"])
    slope_y = (dots[-1][1] - dots[0][1]) / (rows[-1]["precision"]["value"] - rows[0]["precision"]["value"])
    for (x, y), row in zip(dots, rows, strict=True):
        assert x == pytest.approx(dots[0][0] + slope_x * (row["k"] - rows[0]["k"]), abs=0.2)
        difference = row["precision"]["value"] - rows[0]["precision"]["value"]
        assert y == pytest.approx(dots[0][1] + slope_y * difference, abs=0.2)


@pytest.mark.parametrize("name", EXAMPLES)
def test_drawings_stay_inside_their_frame(name: str) -> None:
    """No mark lies outside its drawing, and no text begins or ends beyond its edge (by a wide letter's width)."""
    for svg in re.findall(r"<svg.*?</svg>", render(EXAMPLES[name](), "nl"), re.S):
        root = ET.fromstring(svg)
        width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
        for text in root.iter("text"):
            long = len(text.text or "") * 6.4
            left = (
                float(text.attrib["x"])
                - {"start": 0, "middle": long / 2, "end": long}[text.get("text-anchor", "start")]
            )
            assert left > -12 and left + long < width + 12, text.text
            assert 0 < float(text.attrib["y"]) <= height
        for circle in root.iter("circle"):
            assert 0 <= float(circle.attrib["cx"]) <= width and 0 <= float(circle.attrib["cy"]) <= height


def test_long_names_are_shortened_in_the_middle() -> None:
    """Two campuses of one school stay apart; a short name stays whole; wrapping loses no word."""
    first, second = (shorten(f"ROC van Amsterdam-Flevoland {n}", 150) for n in (1, 2))
    assert first != second and "…" in first and shorten("Summa", 150) == "Summa"
    assert " ".join(wrap("een twee drie vier vijf", 60)) == "een twee drie vier vijf"


def test_coordinates_are_short_and_never_minus_zero() -> None:
    """One decimal is enough for a drawing; -0 would make equal drawings differ."""
    assert [number(v) for v in (1.0, -0.01, 2.26, -3.14)] == ["1", "0", "2.3", "-3.1"]
    canvas = Canvas(10)
    canvas.text((0, 5), "a<b")
    assert "a&lt;b" in canvas.document("i", "<t>", "d") and "&lt;t&gt;" in canvas.document("i", "<t>", "d")


# --- colours ---------------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    bright, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


TEXTS = [
    *itertools.product(("ink", "muted", "accent", "one", "two", "three", "good"), ("page", "surface", "raised")),
    *itertools.product(("ink", "caution"), ("cautionground",)),
    ("caution", "surface"),
]


@pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
def test_contrast_is_enough(colours: dict[str, str]) -> None:
    """Text reaches 4.5:1 on every ground it stands on; marks and outlines reach 3:1 (WCAG 1.4.3 and 1.4.11)."""
    weak = [(t, g) for t, g in TEXTS if contrast(colours[t], colours[g]) < 4.5]
    weak += [("surface", mark) for mark in ("one", "two") if contrast(colours["surface"], colours[mark]) < 4.5]
    weak += [("edge", ground) for ground in ("surface", "raised") if contrast(colours["edge"], colours[ground]) < 3]
    assert weak == []
    assert contrast("#777777", "#ffffff") < 4.5 < contrast("#767676", "#ffffff")


def seen_with(colour: str, matrix: list[list[float]]) -> list[float]:
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return [sum(row[i] * linear[i] for i in range(3)) for row in matrix]


@pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    "matrix",
    [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ],
    ids=["protanopia", "deuteranopia"],
)
def test_series_stay_apart_for_colour_blind_readers(colours: dict[str, str], matrix: list[list[float]]) -> None:
    """The two series that share a drawing differ clearly after simulation (Machado et al. 2009, severity 1)."""
    one, two = (seen_with(colours[name], matrix) for name in ("one", "two"))
    assert sum((a - b) ** 2 for a, b in zip(one, two, strict=True)) ** 0.5 > 0.2
