"""An approved experiment arrives; what an attempt to break its mechanism found leaves, before any school is asked.

The code that answers for schools is run at the experiment's own parameters on invented canaries, once for each
mechanism and parameters (`experiments.auditing`): what was found is kept for the next experiment, and beside this one
for its finding. A mechanism that is called broken is never run on students, and nothing of it is published.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coalition.errors import DisclosureBlocked, NotAllowed
from experiments import auditing, membership
from experiments.terminal import rational
from privacy import private_sum
from privacy.identity import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coalition.workspace import Workspace
    from experiments.definition import Experiment
    from experiments.planning import Plan
    from experiments.terminal import Progress

KIND = "audit"
BROKEN = "broken"


def cache() -> Path:
    """Where what was found is kept for the next experiment: the user's own cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "datacoalitie" / "audits"


def audit(workspace: Workspace, experiment: Experiment, schools: int, progress: Progress) -> None:
    """Audit the mechanism at this experiment's parameters, unless that was done; keep it beside the experiment.

    schools: those that approved, of whom the charter's t may collude. Raises `DisclosureBlocked` for one that is
    called broken.
    """
    if not workspace.store.names(KIND, experiment.hash.hex()):
        plan, colluders = workspace.plan(experiment), workspace.charter.collusion_threshold
        mechanism = auditing.over_schools(private_sum.masked_sums, colluders)
        code, folder = auditing.fingerprint(), cache()
        done = auditing.audit_plan(plan, schools - colluders, mechanism, code, folder, progress)
        found = {"mechanism": done.data(), "membership": _membership(plan, code, folder, progress)}
        workspace.store.put(KIND, experiment.hash.hex(), json.dumps(found, allow_nan=False).encode())
    check(kept(workspace, experiment))


def _membership(plan: Plan, code: str, folder: Path, progress: Progress) -> dict[str, Any]:
    """The second, weaker view: shadow models, once for each cost."""
    rho = plan.rho_reserved
    path = folder / f"membership-{code[:16]}-{rational(rho)}-{rational(plan.delta)}.json".replace("/", "_")
    if path.is_file():
        known: dict[str, Any] = json.loads(path.read_bytes())
        return known
    found = membership.infer_membership(rho, plan.delta, progress).data()
    write_private(path, json.dumps(found, allow_nan=False).encode())
    return found


def kept(workspace: Workspace, experiment: Experiment) -> dict[str, Any]:
    """What was found for this experiment. Raises `NotAllowed` when nobody looked."""
    if not workspace.store.names(KIND, experiment.hash.hex()):
        check(None)
    found: dict[str, Any] = json.loads(workspace.store.get(KIND, experiment.hash.hex()))
    return found


def check(found: Mapping[str, Any] | None) -> None:
    """Raise `DisclosureBlocked` for a mechanism that gives away more than it claims, `NotAllowed` for no audit."""
    if found is None:
        rule, remedy = "A finding says what an audit of its mechanism found.", "Run the experiment: coalition run."
        raise NotAllowed("audit_missing", rule, "no audit", remedy)
    views = {"mechanism": found["mechanism"]["verdict"], "membership": found["membership"]["verdict"]}
    broken = [name for name, verdict in views.items() if verdict == BROKEN]
    if broken:
        failed = [one["mechanism"] for one in found["mechanism"]["results"] if one["verdict"] == BROKEN]
        remedy = "Nothing is asked or published. Repair the mechanism, then run again."
        raise DisclosureBlocked(
            "audit_broken", "The mechanism keeps what it claims.", ", ".join(failed or broken), remedy
        )
