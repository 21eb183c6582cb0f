"""An indicator, a niveau and a share arrive; the norm and the judgement leave. Source: DOMAIN §2.

JR, DR and SR: norms of the Inspectie van het Onderwijs; vsv: DUO's norm for 2024-2025, whatever the year shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

SMALLEST_DENOMINATOR = 12
"""Below this number of students a ratio has no value and no judgement (Inspectie)."""

HIGH, SUFFICIENT, INSUFFICIENT = "hoog", "voldoende", "onvoldoende"

LESS_IS_BETTER = frozenset({"vsv_eigen", "switch", "uitval_jaar_1", "vertraging"})
"""Indicators of which a lower share is the better one."""


@dataclass(frozen=True)
class Norm:
    """The norm of an indicator at one niveau, and from where it is high; for vsv the most there may be."""

    norm: float
    high: float | None = None


NORMS: Mapping[tuple[str, int], Norm] = MappingProxyType(
    {
        ("jaarresultaat", 2): Norm(0.67, 0.82),
        ("jaarresultaat", 3): Norm(0.68, 0.85),
        ("jaarresultaat", 4): Norm(0.68, 0.85),
        ("diplomaresultaat", 2): Norm(0.61, 0.79),
        ("diplomaresultaat", 3): Norm(0.70, 0.89),
        ("diplomaresultaat", 4): Norm(0.70, 0.89),
        ("startersresultaat", 2): Norm(0.79),
        ("startersresultaat", 3): Norm(0.82),
        ("startersresultaat", 4): Norm(0.82),
        ("vsv_eigen", 1): Norm(0.220),
        ("vsv_eigen", 2): Norm(0.092),
        ("vsv_eigen", 3): Norm(0.036),
        ("vsv_eigen", 4): Norm(0.030),
    }
)
"""Norms by indicator and niveau; there is no norm for JR, DR and SR at niveau 1, nor for switch, dropout and delay."""


def judgement(name: str, numerator: int, denominator: int, norm: Norm | None) -> str:
    """Say `hoog`, `voldoende` or `onvoldoende`; empty without a norm or below the smallest denominator."""
    if norm is None or denominator < SMALLEST_DENOMINATOR:
        return ""
    value = numerator / denominator
    if name in LESS_IS_BETTER:
        return SUFFICIENT if value <= norm.norm else INSUFFICIENT
    if norm.high is not None and value >= norm.high:
        return HIGH
    return SUFFICIENT if value >= norm.norm else INSUFFICIENT


def wilson(numerator: float, denominator: float, z: float = 1.959963984540054) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, within [0, 1]; the whole range for nobody.

    E. B. Wilson, JASA 22 (1927) 209-212. It says how far chance alone moves a share of so few students from one year to
    the next; it does not cover errors in the rows.
    """
    if denominator <= 0:
        return 0.0, 1.0
    share, weight = numerator / denominator, z * z / denominator
    centre = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * ((share * (1 - share) + weight / 4) / denominator) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)
