"""A plan and the mechanism itself arrive; what an audit of every private sum of that plan found leaves.

The mechanism is passed in as a callable, so that what is audited is the code that answers for schools
(`node/answer`), at the experiment's own parameters, over invented schools. It is fed canaries and nothing else: an
audit never sees a student's row, nor a sum of rows.

One audit of one claim (`privacy/audit.py`):
 1 design    canaries and runs, decided beforehand from mu, dimension and schools    -> `canaries.design`
 2 look      coins, canaries, opened sums, guesses, tests of the noise               -> `canaries.look`
 3 again     a look that fails is repeated once: broken only if both fail            -> `_once`
 4 control   the same with the variance halved, which has to be called broken        -> `_once`
 5 repeat    twice as large, at most `audit.ATTEMPTS` times, while power is low      -> `audit_claim`
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from experiments import canaries
from experiments.canaries import Mechanism, Size
from privacy import audit, audit_bounds, canonical, lattice, masking, noise, private_sum
from privacy.audit import AuditResult, Claim
from privacy.errors import AccountingError
from privacy.lattice import Floats, Integers
from privacy.masking import EphemeralKey, Party, Words
from privacy.private_sum import Release, masked_answer, open_lattice

if TYPE_CHECKING:
    from types import ModuleType

    from experiments.planning import Plan
    from experiments.terminal import Progress

WHOLE = "experiment"
CONTEXT_TAG = "datacoalitie/audit-context/1"
STAGE = "audit / nameting"
HALF = Fraction(1, 2)
ROUNDING = 1e-6  # what another machine may compute differently in the last digits


class Answer(Protocol):
    """What one school does with its vectors: clip, lattice, sum, noise and mask, as `node/answer` does it.

    vectors: for each release, rows float64 [n, d] or blocks of them; honest: n - t; own, key, roster, context: as in
    `privacy.private_sum.masked_answer`. Returns uint64 [D], the releases end to end.
    """

    def __call__(
        self,
        vectors: Sequence[Floats | Iterable[Floats]],
        releases: Sequence[Release],
        honest: int,
        own: Party,
        key: EphemeralKey,
        roster: Sequence[Party],
        context: bytes,
    ) -> Words:
        """Return the school's masked answer."""
        ...


@dataclass(frozen=True)
class Audit:
    """The results of all claims of a plan, the whole experiment's first."""

    results: tuple[AuditResult, ...]

    @property
    def verdict(self) -> str:
        """The worst of all: broken, low_power or holds. Nothing audited has no power."""
        found = {result.verdict for result in self.results}
        worst = (audit.BROKEN, audit.LOW_POWER, audit.HOLDS)
        return next((verdict for verdict in worst if verdict in found), audit.LOW_POWER)

    def data(self) -> dict[str, Any]:
        """What stands in a finding, as plain data."""
        return {
            "verdict": self.verdict,
            "confidence": 1 - audit_bounds.LEVEL,
            "false_alarm": audit.false_alarm(len(self.results)),
            "results": [result.data() for result in self.results],
        }


def over_schools(answer: Answer, colluders: int = 1) -> Mechanism:
    """Return the mechanism of one school's `answer` over a roster of invented schools, opened.

    `colluders` schools of the roster send their masks and nothing else: they know their own noise and subtract it. What
    is left is what an attacker sees, with the noise of the `honest` schools.
    """

    def mechanism(vectors: Sequence[Sequence[Floats]], releases: Sequence[Release], honest: int) -> list[Integers]:
        keys = [EphemeralKey.generate() for _ in range(honest + colluders)]
        roster = [Party(f"school-{index:05d}", 1, key.public) for index, key in enumerate(keys)]
        context = canonical.digest(CONTEXT_TAG, secrets.token_bytes(32))
        masked = [
            answer(rows, releases, honest, own, key, roster, context)
            for rows, own, key in zip(vectors, roster[:honest], keys[:honest], strict=True)
        ]
        silent = [np.zeros(release.dimension, dtype=np.uint64) for release in releases]
        masked += [masked_answer(silent, roster[i], keys[i], roster, context) for i in range(honest, len(roster))]
        return open_lattice(masked, releases)

    return mechanism


def fingerprint(*modules: ModuleType) -> str:
    """SHA-256 over the source of mechanism and audit, and of `modules`: changed code is audited anew."""
    audited = (lattice, masking, noise, private_sum, audit, audit_bounds, canaries, *modules)
    files = [Path(str(module.__file__)) for module in audited]
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()


def claims(plan: Plan, honest: int) -> tuple[Claim, ...]:
    """What a plan claims: the whole experiment for one student, retries included, then each distinct private sum.

    `honest`: schools that share the noise, n - t of the run. Raises `AccountingError` for a plan without steps.
    """
    steps = [tuple((planned.query.name, planned.release) for planned in step.queries) for step in plan.steps]
    dearest = max(range(len(steps)), key=lambda index: plan.steps[index].rho, default=None)
    asked = [sum_ for step in steps for sum_ in step]
    asked += list(steps[dearest]) * plan.retries if dearest is not None else []
    single = (Claim(query, ((query, release),), honest, plan.delta) for query, release in dict.fromkeys(asked))
    return (Claim(WHOLE, tuple(asked), honest, plan.delta), *single)


def audit_plan(
    plan: Plan,
    honest: int,
    mechanism: Mechanism,
    code: str,
    folder: Path,
    progress: Progress,
    size: Size | None = None,
) -> Audit:
    """Audit every claim of a plan once; what `folder` holds for the same claim, code and size is taken from there.

    `code`: what `fingerprint` says of the mechanism. Raises `AccountingError` for a mechanism that opens something
    else than it was asked, `OSError` when `folder` cannot be written.
    """
    limits = size or Size()
    asked = claims(plan, honest)
    results = []
    for done, claim in enumerate(asked, 1):
        own = limits if claim.name == WHOLE else limits.small()
        key = claim.key(f"{code} {own}")
        result = _kept(folder, key)
        if result is None:
            result = audit_claim(claim, mechanism, key, own)
            _keep(folder, result)
        results.append(result)
        progress(STAGE, done, len(asked))
    return Audit(tuple(results))


def read(data: Mapping[str, Any], plan: Plan, honest: int) -> Audit:
    """Read what `Audit.data` became in JSON, as an auditor does: it must be of this plan, and follow from its counts.

    Claims, bounds and the verdict over all are derived again; the tests of the noise are taken as they were recorded.
    Raises `AccountingError` for a record of anything else.
    """
    try:
        found = Audit(tuple(audit.result_of(result) for result in data["results"]))
        same = found.data() == data
    except (KeyError, TypeError):
        raise _other_record("other fields") from None
    asked = claims(plan, honest)
    if not same or [result.mechanism for result in found.results] != [claim.name for claim in asked]:
        raise _other_record("another verdict, or other claims")
    if not all(_follows(result, claim) for result, claim in zip(found.results, asked, strict=True)):
        raise _other_record("figures that do not follow")
    return found


def _follows(result: AuditResult, claim: Claim) -> bool:
    """Whether parameters, claim and bound of a result are those of the claim and of its own counts."""
    lower = audit_bounds.gaussian_epsilon(audit_bounds.gaussian_mu(result.correct, result.canaries), claim.delta)
    figures = ((result.epsilon_claimed, claim.epsilon), (result.epsilon_lower, lower))
    close = all(math.isclose(shown, derived, rel_tol=ROUNDING, abs_tol=ROUNDING) for shown, derived in figures)
    spoken = (audit.BOUND in result.failed) == (lower > claim.epsilon)
    return result.parameters == claim.parameters() and close and spoken


def _other_record(found: str) -> AccountingError:
    return AccountingError(f"A record of an audit is of this plan and adds up. Found: {found}. Audit this plan again.")


def audit_claim(claim: Claim, mechanism: Mechanism, key: str, size: Size) -> AuditResult:
    """Audit one claim; while power is low, again and twice as large, at most `audit.ATTEMPTS` times in all."""
    result = _once(claim, mechanism, key, size)
    for _ in range(audit.ATTEMPTS - 1):
        if result.verdict != audit.LOW_POWER:
            break
        size = size.doubled()
        result = _once(claim, mechanism, key, size)
    return result


def _once(claim: Claim, mechanism: Mechanism, key: str, size: Size) -> AuditResult:
    """The audit, and its positive control: the same code given half the variance, judged by the same claim.

    A control is called broken by two looks as well; its first is a small one, since its tests of the noise have all
    the power they need, and its second as large as the audit's.
    """
    chosen = canaries.design(claim, size)
    power = audit.power_of(claim, chosen.canaries, chosen.values(claim))
    repeats = max(chosen.runs)
    halved = [canaries.look(claim, canaries.design(claim, size.small()), mechanism, HALF)]
    if halved[0].failed(claim):
        halved.append(canaries.look(claim, chosen, mechanism, HALF))
    control = audit.judge(claim, key, halved, repeats, power, None)
    looks = [canaries.look(claim, chosen, mechanism, Fraction(1))]
    if looks[0].failed(claim):
        looks.append(canaries.look(claim, chosen, mechanism, Fraction(1)))
    return audit.judge(claim, key, looks, repeats, power, control)


def _kept(folder: Path, key: str) -> AuditResult | None:
    """What was kept for this very key; None when there is nothing, or something that this program did not write."""
    path = folder / f"{key}.json"
    if not path.is_file():
        return None
    try:
        found = audit.result_of(json.loads(path.read_bytes()))
    except (ValueError, AccountingError):
        return None  # another version's record: the audit is done again and takes its place
    return found if found.key == key else None


def _keep(folder: Path, result: AuditResult) -> None:
    """Write the result beside its place and rename it: whole, or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".{result.key}.{secrets.token_hex(8)}"
    beside.write_text(json.dumps(result.data(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    beside.rename(folder / f"{result.key}.json")
