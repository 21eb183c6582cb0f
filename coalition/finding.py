"""A run opened from its evidence arrives; the finding's JSON object leaves: everything but who reviewed it.

Pure: the coordinator composes a finding from its store, an auditor composes it again from the published folder, and
the two must be equal.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from coalition.figures import figures
from coalition.limits import limits
from coalition.reopening import wrong
from experiments import auditing, labels
from experiments.terminal import rational
from privacy import accounting
from privacy.errors import AccountingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coalition.reopening import Asked, Reopened
    from privacy.statements import Approval, Review

SCHEMA_VERSION = 1
# What an auditor's machine may compute differently in the last digits; a changed figure differs by more.
RELATIVE = 1e-6
PERSON_SCHOOLS = 2  # the finding states the cost for a person at two schools, whatever m the charter names


def compose(
    reopened: Reopened,
    rehearsal: bool,
    comparison: Mapping[str, Any] | None,
    audit: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The finding of a whole run; `comparison` (pooled and local models) exists in rehearsals only.

    audit: what `coalition.audits` found for this experiment's mechanism.
    """
    asked = reopened.papers.experiment.definition
    found = figures(reopened)
    complete = all(len(one.roster) == len(reopened.papers.serials) for one in reopened.asked if one.opened)
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "finding",
        "title": asked.title.model_dump(),
        "question": asked.question.model_dump(),
        "purpose": asked.purpose.model_dump(),
        "rehearsal": rehearsal,
        "created": None,
        "coalition": reopened.papers.charter.name,
        "experiment": asked.experiment,
        "outcome": {"name": asked.outcome, "label": labels.outcome_label(reopened.papers.schema, asked.outcome)},
        "cutoff_week": asked.features.cutoff_week,
        "population": {"cohorts": list(asked.population.cohorts), "schools": _schools(reopened), **found.population},
        "model": found.model,
        "evaluation": found.evaluation,
        "comparison": comparison,
        "privacy": _privacy(reopened),
        "audit": audit,
        "evidence": _evidence(reopened),
        "disclosure": found.disclosure,
        "limits": [dict(text) for text in limits(rehearsal, complete, found.evaluated)],
    }


def published(finding: Mapping[str, Any], reviews: Sequence[Review], moment: int) -> dict[str, Any]:
    """The same finding with its reviews and its moment of publication (seconds since 1970 UTC)."""
    given = [
        {"reviewer": review.reviewer, "school": review.school, "signed_at": review.signed_at} for review in reviews
    ]
    evidence = {**finding["evidence"], "reviews": given}
    return {**finding, "created": when(moment), "evidence": evidence}


def when(moment: int) -> str:
    """Seconds since 1970 UTC in ISO 8601."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _schools(reopened: Reopened) -> list[dict[str, str]]:
    charter = reopened.papers.charter
    return [{"id": school, "name": charter.school(school).name} for school, _ in reopened.papers.serials]


def _privacy(reopened: Reopened) -> dict[str, Any]:
    papers, plan = reopened.papers, reopened.plan
    spent = {school: reopened.spent(school) for school, _ in papers.serials}
    dearest = max(spent.values())
    several = accounting.shared_sum(dearest, PERSON_SCHOOLS)
    return {
        "unit": labels.UNIT,
        "epsilon": float(papers.experiment.definition.budget.epsilon),
        "delta": rational(plan.delta),
        "rho_plan": rational(plan.rho),
        "roster": len(papers.serials),
        "collusion_threshold": papers.charter.collusion_threshold,
        "steps": [row for one in reopened.asked for row in _step(one)],
        "accounts": _accounts(reopened, spent),
        "two_schools": {"epsilon_zcdp": accounting.epsilon_from_rho(several, plan.delta)},
        "exchanges": reopened.exchanges,
        "attempts": len(reopened.asked),
    }


def _step(one: Asked) -> list[dict[str, Any]]:
    return [
        {
            "step": one.step.index,
            "attempt": one.attempt,
            "query": planned.query.name,
            "dimension": planned.release.dimension,
            "clip_norm": rational(planned.release.clip_norm),
            "delta_steps": planned.release.lattice_steps,
            "variance": rational(planned.release.variance),
            "rho": rational(planned.release.rho),
        }
        for planned in one.step.queries
    ]


def _accounts(reopened: Reopened, spent: Mapping[str, Fraction]) -> list[dict[str, Any]]:
    """What this run cost each account, by declared cost, beside the most that its FG allowed this run to cost."""
    estimates: dict[Fraction, float] = {}
    for school, rho in spent.items():
        if rho not in estimates:  # the estimate follows from the sum alone, and takes a second
            estimates[rho] = accounting.epsilon_pld(reopened.events(school), reopened.plan.delta)
    caps = {approval.school: approval.cap_rho for approval in reopened.papers.approvals}
    return [
        {
            "school": school,
            "population": population,
            "cohort": cohort,
            "rho_spent": rational(rho),
            "rho_cap": rational(_cap(caps[school], reopened)),
            "epsilon_zcdp": accounting.epsilon_from_rho(rho, reopened.plan.delta),
            "epsilon_pld": estimates[rho],
        }
        for school, rho in spent.items()
        for population, cohort in reopened.plan.accounts
    ]


def _cap(cap: Fraction | None, reopened: Reopened) -> Fraction:
    return reopened.plan.rho_reserved if cap is None else cap


def _evidence(reopened: Reopened) -> dict[str, Any]:
    papers = reopened.papers
    return {
        "definition_hash": papers.experiment.hash.hex(),
        "charter_hash": papers.charter.hash.hex(),
        "run": papers.run.hex(),
        "approvals": [_approval(approval) for approval in papers.approvals],
        "receipts": [row for one in reopened.asked for row in _receipts(one)],
        "heads": [{"school": head.school, "seq": head.seq, "head": head.head.hex()} for head in papers.heads],
        "reviews": [],
        "submitter": papers.submitter,
    }


def _approval(approval: Approval) -> dict[str, Any]:
    return {
        "school": approval.school,
        "serial": approval.serial,
        "expires": approval.expires,
        "signed_at": approval.signed_at,
    }


def _receipts(one: Asked) -> list[dict[str, Any]]:
    return [
        {
            "school": school,
            "step": one.step.index,
            "attempt": one.attempt,
            "context": one.context.hex(),
            "payload": answer.receipt.statement.payload_hash.hex(),
            "head": answer.receipt.statement.ledger_head.hex(),
        }
        for school, answer in sorted(one.answers.items())
    ]


def check_finding(finding: Mapping[str, Any], reopened: Reopened) -> str:
    """The finding says what its evidence says: composed again, it is the same, apart from reviews and moment."""
    if finding.get("audit") is None:
        raise wrong("audit_missing", "A finding says what an audit of its mechanism found.", "nothing about it")
    _check_audit(finding["audit"], reopened)
    again = compose(reopened, finding["rehearsal"], finding["comparison"], finding["audit"])
    shown = {**finding, "evidence": {**finding["evidence"], "reviews": []}, "created": None}
    different = differences(json.loads(json.dumps(again)), shown)
    if different:
        place = ", ".join(different[:3])
        raise wrong("finding_differs", "Every figure follows from the evidence.", f"another at {place}")
    aside = "; the comparison is of a rehearsal and has no evidence" if finding["comparison"] else ""
    return f"every figure derived again{aside}"


def _check_audit(audit: Mapping[str, Any], reopened: Reopened) -> None:
    """The audit is of this very plan, and its verdicts follow from what it counted."""
    papers, plan = reopened.papers, reopened.plan
    try:
        auditing.read(audit["mechanism"], plan, len(papers.serials) - papers.charter.collusion_threshold)
        reported = audit["membership"]["epsilon_reported"]
    except (AccountingError, KeyError, TypeError) as error:
        raise wrong("audit_differs", "A finding's audit is of its own plan, and adds up.", "another record") from error
    if differences(accounting.epsilon_from_rho(plan.rho_reserved, plan.delta), reported, "epsilon"):
        raise wrong("audit_differs", "A finding's audit is of its own plan, and adds up.", "another epsilon")


def differences(expected: Any, found: Any, place: str = "") -> list[str]:
    """Places where two JSON values differ; floats by more than rounding."""
    if isinstance(expected, dict) and isinstance(found, dict) and set(expected) == set(found):
        return [at for key in expected for at in differences(expected[key], found[key], f"{place}.{key}".lstrip("."))]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = zip(expected, found, strict=True)
        return [at for i, (a, b) in enumerate(pairs) for at in differences(a, b, f"{place}[{i}]")]
    if isinstance(expected, float) and isinstance(found, float):
        return [] if math.isclose(expected, found, rel_tol=RELATIVE, abs_tol=RELATIVE) else [place]
    return [] if type(expected) is type(found) and expected == found else [place]
