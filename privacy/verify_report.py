"""Arrives: what the verifier found. Leaves: the same in Dutch or English for an FG, or as plain data.

Shares no code with the platform. rho is exact; epsilon is derived from it here, by another method than the
node's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

Account = tuple[str, str]


@dataclass(frozen=True)
class Problem:
    """A rule that does not hold, and at which entry (None: the ledger as a whole)."""

    code: str
    seq: int | None


@dataclass(frozen=True)
class Question:
    """One release that left the school: which, when, among how many schools, and its exact cost."""

    seq: int
    time: int
    run: str
    experiment: str
    step: int
    attempt: int
    schools: int
    bytes: int
    query: str
    dimension: int
    delta: int
    variance: Fraction
    rho: Fraction


@dataclass
class Balance:
    """One account, in rho."""

    cap: Fraction = Fraction(0)
    spent: Fraction = Fraction(0)
    reserved: Fraction = Fraction(0)

    @property
    def left(self) -> Fraction:
        """What a new plan may still take."""
        return max(Fraction(0), self.cap - self.spent - self.reserved)


@dataclass
class Report:
    """What the ledger says and every rule it breaks."""

    path: str
    school: str = ""
    entries: int = 0
    head: str = ""
    countersigned: int | None = None
    problems: list[Problem] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    accounts: dict[Account, Balance] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    incidents: list[tuple[int, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every rule holds."""
        return not self.problems


def epsilon(rho: Fraction, delta: Fraction) -> float:
    """zCDP rho as epsilon at delta: Canonne, Kamath, Steinke 2020 (arXiv:2004.00010v4), Corollary 13.

    Golden-section search over log(alpha - 1), in which the bound falls and then rises.
    """
    if rho == 0:
        return 0.0
    log_delta = math.log(delta.numerator) - math.log(delta.denominator)

    def bound(position: float) -> float:
        order = 1 + math.exp(position)
        tail = (-math.log(order) - log_delta) / (order - 1) + position - math.log(order)
        return float(rho) * order + tail

    low, high, golden = -30.0, 5.0 - log_delta, (math.sqrt(5) - 1) / 2
    for _ in range(120):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if bound(left) < bound(right) else (left, high)
    return max(0.0, bound((low + high) / 2))


PROBLEMS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "hash": ("de opgeslagen hash hoort niet bij de regel", "the stored hash is not that of the entry"),
        "sequence": ("de nummering klopt niet: weggelaten of verplaatst", "numbering is off: left out or moved"),
        "chain": ("de regel volgt niet op de regel ervoor", "the entry does not follow the one before it"),
        "time": ("de tijd loopt terug", "time goes back"),
        "genesis": ("de beginregel ontbreekt of staat dubbel", "the first entry is missing or doubled"),
        "signature": ("de handtekening van de node klopt niet", "the node's signature does not hold"),
        "unreadable": ("de regel is onleesbaar of onbekend", "the entry is unreadable or unknown"),
        "other_fg": ("begonnen met de sleutel van een andere FG", "begun with the key of another FG"),
        "statement": ("een verklaring van een andere soort", "a statement of another kind"),
        "fg_signature": ("niet door de eigen FG getekend", "not signed by the school's own FG"),
        "charter": ("een ander charter dan de FG aanvaardde", "another charter than the FG accepted"),
        "charter_order": ("het charter volgt niet op het vorige", "the charter does not follow the one before"),
        "charter_keys": ("het charter noemt andere sleutels", "the charter lists other keys"),
        "other_school": ("een verklaring voor een andere school", "a statement for another school"),
        "serial": ("een volgnummer is opnieuw gebruikt", "a serial is used again"),
        "countersigned_head": ("de FG tekende een andere stand", "the FG countersigned another head"),
        "unapproved": ("geen geldige toestemming", "no approval that holds"),
        "approval_twice": ("een toestemming voor twee runs gebruikt", "one approval used for two runs"),
        "over_approved_cap": ("meer dan de FG voor deze run toestond", "more than the FG allowed this run"),
        "deadline": ("na de uiterste datum", "after the deadline"),
        "accounts": ("rekeningen die niet gereserveerd waren", "accounts that were not reserved"),
        "over_cap": ("meer gereserveerd dan het plafond toelaat", "more reserved than the cap allows"),
        "no_reserve": ("een uitgave zonder reservering", "a charge without a reserve"),
        "closed": ("de run was al gesloten", "the run was closed already"),
        "slot": ("een stap is herhaald of gaat terug", "a step is repeated or goes back"),
        "cost": ("de kosten zijn niet delta^2/(2 sigma^2)", "the cost is not delta^2/(2 sigma^2)"),
        "over_reserve": ("meer uitgegeven dan gereserveerd", "more charged than reserved"),
        "return": ("teruggave klopt niet met de reservering", "what is returned was not held"),
        "replies": ("antwoorden en uitgaven komen niet overeen", "replies and charges do not match"),
        "expected_head": (
            "de verwachte stand komt niet voor: dit is een ouder of een ander grootboek",
            "the expected head does not occur: this is an older or another ledger",
        ),
    }
)
_WORDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "title": ("Privacygrootboek van", "Privacy ledger of"),
        "head": ("Stand na {n} regels:", "Head after {n} entries:"),
        "seen": ("Laatst medeondertekend door de FG:", "Last countersigned by the FG:"),
        "never": ("nog niet", "not yet"),
        "asked": ("Wat er is gevraagd", "What was asked"),
        "nothing": ("Er is niets vrijgegeven.", "Nothing was released."),
        "columns": (
            "tijd (UTC)        experiment    stap poging scholen vraag             d   delta    sigma^2   rho",
            "time (UTC)        experiment    step attempt schools query           d   delta    sigma^2   rho",
        ),
        "cost": ("Wat het kostte en wat er over is", "What it cost and what is left"),
        "account": (
            "{name}: rho {spent} besteed (epsilon {epsilon:.4f} bij delta {delta}), {reserved} in reserve, {left} over",
            "{name}: rho {spent} spent (epsilon {epsilon:.4f} at delta {delta}), {reserved} reserved, {left} left",
        ),
        "cap": ("plafond rho {cap} (epsilon {epsilon:.4f})", "cap rho {cap} (epsilon {epsilon:.4f})"),
        "refused": ("Geweigerde verzoeken", "Refused requests"),
        "incidents": ("Incidenten", "Incidents"),
        "problems": ("Wat er niet klopt", "What is wrong"),
        "entry": ("regel", "entry"),
        "whole": ("het geheel", "the whole"),
        "good": (
            "Alles klopt: elke handtekening, elke schakel en elke som is nagerekend.",
            "All holds: every signature, every link and every sum was recomputed.",
        ),
        "bad": (
            "Er klopt iets niet. Zet de node stil, bewaar dit bestand en bel de coordinator en een andere FG.",
            "Something is wrong. Stop the node, keep this file, and call the coordinator and another FG.",
        ),
    }
)


def as_text(report: Report, delta: Fraction, language: str) -> str:
    """The report for an FG, in Dutch ("nl") or English ("en")."""
    side = ("nl", "en").index(language)
    words = {name: pair[side] for name, pair in _WORDS.items()}
    lines = [f"{words['title']} {report.school}", f"{words['head'].format(n=report.entries)} {report.head}"]
    seen = words["never"] if report.countersigned is None else f"{words['entry']} {report.countersigned}"
    lines += [f"{words['seen']} {seen}"]
    lines += ["", words["asked"], *_asked(report, words)]
    lines += ["", words["cost"], *_costs(report, delta, words)]
    if report.refusals:
        lines += ["", words["refused"], *(f"  {n} x {code}" for code, n in sorted(report.refusals.items()))]
    if report.incidents:
        lines += ["", words["incidents"], *(f"  {words['entry']} {n}: {note}" for n, note in report.incidents)]
    if report.problems:
        lines += ["", words["problems"], *_wrong(report, words, side)]
    return "\n".join([*lines, "", words["good" if report.ok else "bad"]])


def as_data(report: Report, delta: Fraction) -> dict[str, Any]:
    """The report as one JSON object; rationals are written as text, "numerator/denominator"."""
    data = {
        "school": report.school,
        "entries": report.entries,
        "head": report.head,
        "countersigned": report.countersigned,
        "delta": str(delta),
        "accounts": [_account_data(name, own, delta) for name, own in sorted(report.accounts.items())],
        "releases": [{**asdict(q), "variance": str(q.variance), "rho": str(q.rho)} for q in report.questions],
        "refusals": report.refusals,
        "incidents": [{"seq": seq, "note": note} for seq, note in report.incidents],
        "problems": [{"code": p.code, "seq": p.seq, "text": PROBLEMS[p.code][1]} for p in report.problems],
    }
    status, code = ("ok", 0) if report.ok else ("problems", 1)
    error = None if report.ok else report.problems[0].code
    return {"schema_version": 1, "status": status, "exit_code": code, "error_code": error, "data": data}


def _account_data(account: Account, own: Balance, delta: Fraction) -> dict[str, Any]:
    return {
        "population": account[0],
        "cohort": account[1],
        "cap": str(own.cap),
        "spent": str(own.spent),
        "reserved": str(own.reserved),
        "left": str(own.left),
        "epsilon_zcdp": epsilon(own.spent, delta),
    }


def _asked(report: Report, words: Mapping[str, str]) -> Iterator[str]:
    if not report.questions:
        yield f"  {words['nothing']}"
        return
    yield f"  {words['columns']}"
    for q in report.questions:
        time = datetime.fromtimestamp(q.time, UTC).strftime("%Y-%m-%d %H:%M")
        where = f"{q.experiment[:12]}  {q.step:4d} {q.attempt:6d} {q.schools:7d}"
        yield f"  {time}  {where} {q.query:14s} {q.dimension:5d} {q.delta:7d} {q.variance!s:>10s}   {q.rho}"


def _costs(report: Report, delta: Fraction, words: Mapping[str, str]) -> Iterator[str]:
    for account, own in sorted(report.accounts.items()):
        yield "  " + words["account"].format(
            name="/".join(account),
            spent=own.spent,
            epsilon=epsilon(own.spent, delta),
            delta=float(delta),
            reserved=own.reserved,
            left=own.left,
        )
        yield "    " + words["cap"].format(cap=own.cap, epsilon=epsilon(own.cap, delta))


def _wrong(report: Report, words: Mapping[str, str], side: int) -> Iterator[str]:
    for problem in report.problems:
        where = words["whole"] if problem.seq is None else f"{words['entry']} {problem.seq}"
        yield f"  {where}: {PROBLEMS[problem.code][side]} ({problem.code})"
