"""A finding and a language arrive; all figures that the finding has numbers for leave, in reading order."""

from experiments.reading.bars import budget, comparison, weights
from experiments.reading.curves import calibration, lift, precision, recall
from experiments.reading.figure import Figure
from experiments.reading.finding import Finding
from experiments.reading.text import Text


def quality(finding: Finding, text: Text) -> tuple[Figure, ...]:
    """Return the figures about the answer: how good, for whom, and what the model looks at."""
    drawn = (drawing(finding, text) for drawing in (precision, recall, lift, calibration, comparison, weights))
    return tuple(figure for figure in drawn if figure is not None)


def price(finding: Finding, text: Text) -> tuple[Figure, ...]:
    """Return the figure about the privacy budget, where accounts were charged."""
    figure = budget(finding, text)
    return () if figure is None else (figure,)
