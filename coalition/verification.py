"""A published bundle and, from FGs, ledgers arrive; what holds and what does not leaves, check by check.

Nobody is believed: keys come from the charter in the bundle (compare its hash with the one your FG signed), every
sum is opened again, every state and figure derived again, and the finding must say exactly that. Ledgers go through
`privacy.verify`, which shares no code with the platform.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from coalition import evidence, forks, review
from coalition.errors import CoalitionError, NotVerified, UsageFailed
from coalition.finding import check_finding
from coalition.publication import EVIDENCE, FINDING
from coalition.reopening import AGAIN, Papers, Reopened, read_papers, reopen, wrong
from coalition.store import LOG_TAG
from experiments.errors import ExperimentError
from experiments.reading.errors import ReadingError
from privacy import canonical, disclosure
from privacy.errors import PrivacyError
from privacy.identity import verify as verify_signature
from shared_schema.errors import SchemaError

if TYPE_CHECKING:
    from pathlib import Path

    from coalition.evidence import Evidence

LARGEST_FINDING = 64 * 2**20
# Evidence comes from strangers: bytes of another shape than expected fail the check that reads them, whatever the
# error they cause there. The safe answer is always "not verified".
MALFORMED = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
EXPECTED = (CoalitionError, ExperimentError, PrivacyError, ReadingError, SchemaError, *MALFORMED)


@dataclass(frozen=True)
class Check:
    """One thing that was checked: what, whether it holds, and what was found."""

    name: str
    ok: bool
    found: str


@dataclass
class Verification:
    """The checks so far. A check that needs an earlier one that failed is not reached, and says so."""

    folder: Path
    checks: list[Check] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything that was checked holds."""
        return all(check.ok for check in self.checks)

    def attempt(self, name: str, check: Callable[[], Any], show: Callable[[Any], str]) -> Any:
        """Run one check; keep its outcome, return what it found or None. Only expected errors are caught."""
        try:
            found = check()
        except EXPECTED as error:
            self.checks.append(Check(name, False, str(error) or type(error).__name__))
            return None
        self.checks.append(Check(name, True, show(found)))
        return found

    @property
    def error(self) -> NotVerified | None:
        """The first thing that does not hold, as the error a command ends with."""
        failed = [check for check in self.checks if not check.ok]
        if not failed:
            return None
        found = f"{len(failed)} of {len(self.checks)} checks failed; first: {failed[0].name}: {failed[0].found}"
        return NotVerified("not_verified", "Every check of a finding's evidence holds.", found, AGAIN)


def verify(
    folder: Path, ledgers: Sequence[Path] = (), expected_heads: Mapping[str, bytes] | None = None
) -> Verification:
    """Check a bundle, and any ledgers, from the bytes up.

    expected_heads: school -> head (32 bytes) that its FG holds; the empty name stands for whichever ledger is given.
    Nothing is raised for what does not hold: it stands in the checks.
    """
    done = Verification(folder)
    finding = done.attempt("finding", lambda: read_finding(folder), lambda found: str(found["experiment"]))
    given = done.attempt(
        "evidence", lambda: evidence.read(folder / EVIDENCE), lambda found: f"{len(found.exchanges)} messages"
    )
    if finding is None or given is None:
        return done
    papers = done.attempt("signatures", lambda: read_papers(given), _papers)
    if papers is None:
        return done
    reopened = done.attempt("sums", lambda: reopen(given, papers), _reopened)
    if reopened is not None:
        done.attempt("cost", lambda: check_cost(finding, reopened), str)
        done.attempt("figures", lambda: check_figures(finding, reopened), str)
    done.attempt("reviews", lambda: check_reviews(finding, given, papers), str)
    done.attempt("pages", lambda: check_pages(finding, folder), str)
    done.attempt("log", lambda: check_log(given, papers), lambda entries: f"{entries} entries")
    for path in ledgers:
        check = partial(check_ledger, path, finding, papers, expected_heads or {}, reopened)
        done.attempt(f"ledger {path.parent.name}/{path.name}", check, str)
    return done


def _papers(papers: Papers) -> str:
    return (
        f"charter {papers.charter.hash.hex()[:16]}, {len(papers.approvals)} approvals, submitted by {papers.submitter}"
    )


def _reopened(reopened: Reopened) -> str:
    receipts = sum(len(one.answers) for one in reopened.asked)
    return (
        f"{len(reopened.asked)} questions opened again, {receipts} receipts, {len(reopened.plan.steps)} states follow"
    )


def read_finding(folder: Path) -> dict[str, Any]:
    """finding.json, in the shape of version 1. Raises `NotVerified` or `FindingError`."""
    from experiments.reading.finding import read

    path = folder / FINDING
    if path.stat().st_size > LARGEST_FINDING:
        raise wrong("finding_too_large", "A finding has at most 64 MiB.", f"{path.stat().st_size} bytes")
    try:
        finding: dict[str, Any] = json.loads(path.read_bytes())
    except RecursionError:  # a bundle of strangers, nested until the stack ends
        raise wrong("finding_unreadable", "finding.json is a finding.", "JSON without an end") from None
    read(finding)
    return finding


def check_cost(finding: Mapping[str, Any], reopened: Reopened) -> str:
    """Every ρ again from Δ and σ² as rationals, every sum and ε from them, by the stand-alone verifier's own code."""
    from privacy.verify import epsilon

    privacy = finding["privacy"]
    delta = Fraction(privacy["delta"])
    for row in privacy["steps"]:
        if Fraction(row["delta_steps"]) ** 2 != 2 * Fraction(row["variance"]) * Fraction(row["rho"]):
            raise wrong("cost_wrong", "A release costs exactly delta²/(2·variance).", f"another at step {row['step']}")
    for account in privacy["accounts"]:
        rho = _spent(finding, account["school"]) + reopened.unheard(account["school"])
        if rho != Fraction(account["rho_spent"]) or rho != reopened.spent(account["school"]):
            raise wrong(
                "cost_wrong", "An account's cost is the sum of its releases.", f"another at {account['school']}"
            )
        if not math.isclose(account["epsilon_zcdp"], epsilon(rho, delta), rel_tol=1e-6, abs_tol=1e-9):
            raise wrong("epsilon_wrong", "Epsilon follows from rho.", f"another at {account['school']}")
    return f"{len(privacy['steps'])} releases, {len(privacy['accounts'])} accounts, recomputed as rationals"


def check_figures(finding: Mapping[str, Any], reopened: Reopened) -> str:
    """Every figure derived again, and no disclosure rule that fails: such a finding is never published."""
    said = check_finding(finding, reopened)
    failed = [rule for rule in finding["disclosure"]["rules"] if rule["status"] == disclosure.FAIL]
    if failed or not finding["disclosure"]["passed"]:
        places = ", ".join(f"{rule['rule']} at {rule['where']}" for rule in failed)
        raise wrong("disclosure_failed", "A finding passes every disclosure rule.", places or "not passed")
    return said


def _spent(finding: Mapping[str, Any], school: str) -> Fraction:
    """Cost of one school's answers by the printed finding alone: its receipts say which questions it answered."""
    answered = {(row["step"], row["attempt"]) for row in finding["evidence"]["receipts"] if row["school"] == school}
    rows = (row for row in finding["privacy"]["steps"] if (row["step"], row["attempt"]) in answered)
    return sum((Fraction(row["rho"]) for row in rows), Fraction(0))


def check_reviews(finding: Mapping[str, Any], given: Evidence, papers: Papers) -> str:
    """Two people of two schools, not the submitter, signed exactly this finding."""
    reviews = [review.checked(papers.charter, finding, data) for data in given.reviews]
    waiting = review.missing(reviews)
    if waiting:
        raise wrong("review_missing", "Two people of two schools accept a finding.", waiting)
    listed = [(row["reviewer"], row["school"], row["signed_at"]) for row in finding["evidence"]["reviews"]]
    if sorted(listed) != sorted((one.reviewer, one.school, one.signed_at) for one in reviews):
        raise wrong("reviews_differ", "The finding lists the reviews that it carries.", "others")
    return ", ".join(f"{one.reviewer} ({one.school})" for one in reviews)


def check_pages(finding: Mapping[str, Any], folder: Path) -> str:
    """Both pages are the ones that this finding gives."""
    from experiments.reading.page import FILES, render

    for language, name in FILES.items():
        if (folder / name).read_text("utf-8") != render(finding, language):
            raise wrong("page_differs", "A page shows its finding and nothing else.", f"another page in {name}")
    return "both pages follow from finding.json"


def check_log(given: Evidence, papers: Papers) -> int:
    """The coordinator's log of changes of status: signed, chained, complete from its start."""
    previous = bytes(32)
    for seq, (entry, signature) in enumerate(given.log):
        verify_signature(papers.charter.coordinator_key, entry, signature)
        fields = canonical.decode(entry, max_bytes=evidence.LARGEST_FILE)
        if not isinstance(fields, list) or fields[:3] != [LOG_TAG, seq, previous]:
            raise wrong("log_broken", "Each log entry names the hash of the one before.", f"another at entry {seq}")
        previous = hashlib.sha256(entry).digest()
    return len(given.log)


def check_ledger(
    path: Path,
    finding: Mapping[str, Any],
    papers: Papers,
    expected_heads: Mapping[str, bytes],
    reopened: Reopened | None = None,
) -> str:
    """One school's ledger by the stand-alone verifier; it holds this run's receipts and every head its FG holds.

    With the run `reopened`, the ledger was charged for nothing in it that the evidence does not show.
    """
    from privacy import verify as standalone

    try:
        report = standalone.verify_ledger(path)
    except standalone.NotALedgerError as error:
        raise wrong("not_a_ledger", "A ledger is the file that a node keeps.", f"{path.name}: {error}") from error
    school = report.school
    fg_key = papers.charter.school(school).fg_key
    for head in _heads(finding, school, expected_heads):
        report = standalone.verify_ledger(path, head, fg_key)
        if not report.ok:
            codes = ", ".join(f"{problem.code} at entry {problem.seq}" for problem in report.problems[:5])
            raise wrong("ledger_wrong", f"The ledger of {school} holds.", codes)
    charged = Counter((q.step, q.attempt, q.query, q.rho) for q in report.questions if q.run == papers.run.hex())
    _check_charged(finding, charged, school)
    if reopened is not None:
        _check_shown(reopened, charged, school)
        forks.check_receipts(path, school, reopened)
    said = f"{school}: {report.entries} entries, {len(report.questions)} releases, head {report.head[:16]}"
    same = [q for q in report.questions if q.experiment == finding["evidence"]["definition_hash"]]
    before = sum((q.rho for q in same if q.run != finding["evidence"]["run"]), Fraction(0))
    return f"{said}; other runs of this experiment cost rho {before} beside it" if before else said


def _heads(finding: Mapping[str, Any], school: str, expected: Mapping[str, bytes]) -> list[bytes | None]:
    """Heads that must stand in the ledger: of the last receipt, of the FG, of whoever asks."""
    receipts = [bytes.fromhex(row["head"]) for row in finding["evidence"]["receipts"] if row["school"] == school]
    signed = [bytes.fromhex(row["head"]) for row in finding["evidence"]["heads"] if row["school"] == school]
    asked = [head for name, head in expected.items() if name in ("", school)]
    return [None, *receipts[-1:], *signed, *asked]


Charges = Counter[tuple[int, int, str, Fraction]]


def _check_charged(finding: Mapping[str, Any], charged: Charges, school: str) -> None:
    """Every release that the finding says this school took part in stands in its ledger, at that cost."""
    answered = {(row["step"], row["attempt"]) for row in finding["evidence"]["receipts"] if row["school"] == school}
    said = Counter(
        (row["step"], row["attempt"], row["query"], Fraction(row["rho"]))
        for row in finding["privacy"]["steps"]
        if (row["step"], row["attempt"]) in answered
    )
    if missing := (said - charged).total():
        raise wrong("charge_missing", "What a school answered stands in its ledger.", f"{missing} missing at {school}")


def _check_shown(reopened: Reopened, charged: Charges, school: str) -> None:
    """Every charge of this run was asked in the evidence: a question left out of it would leave its cost out too."""
    shown = Counter(
        (one.step.index, one.attempt, planned.query.name, planned.release.rho)
        for one in reopened.asked
        if one.paid(school)
        for planned in one.step.queries
    )
    if hidden := (charged - shown).total():
        rule = "What a school was charged for this run stands in the evidence."
        raise wrong("charge_hidden", rule, f"{hidden} releases of {school} that it does not show")


def expected_heads(pairs: Sequence[str]) -> dict[str, bytes]:
    """Read `SCHOOL=HEX`, or `HEX` for whichever ledger is given. Raises `UsageFailed` for another form."""
    heads = {}
    for pair in pairs:
        school, _, digits = pair.rpartition("=")
        if len(digits) != 64 or not set(digits.lower()) <= set("0123456789abcdef"):
            rule, remedy = "A ledger head is 64 hexadecimal digits.", "Copy it from the FG's countersignature."
            raise UsageFailed("not_a_head", rule, f"{len(digits)} characters", remedy)
        heads[school] = bytes.fromhex(digits)
    return heads
