"""A run that opened arrives, with every school's rows; exact figures that only a rehearsal may show leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from coalition import approvals
from coalition.errors import UsageFailed
from experiments import baselines, evaluation
from experiments.errors import EvaluationError
from experiments.frames import MAX_REPLY_BYTES
from experiments.queries import logistic
from privacy import canonical
from privacy.statements import run_id

if TYPE_CHECKING:
    from coalition.rehearsal.members import Member
    from coalition.workspace import Workspace
    from experiments.definition import Experiment
    from experiments.hyperparameters import Settings
    from experiments.students import Students
    from experiments.terminal import Progress


def check_rows(experiment: Experiment, rows: Mapping[str, Students]) -> None:
    """Nothing can be compared without students who dropped out and students who did not."""
    outcome = baselines.join(list(rows.values()))
    learned_from = outcome.outcome[~outcome.held_out]
    positives = int(learned_from.sum())
    if min(positives, len(learned_from) - positives) < baselines.FEWEST_OF_EACH:
        asked = experiment.definition
        rule = f"The schools together have {baselines.FEWEST_OF_EACH} students of either outcome to learn from."
        found = f"{len(learned_from)} students with an outcome '{asked.outcome}', cohorts {asked.population.cohorts}"
        remedy = "Name other cohorts or another outcome, or map the columns the outcome is made of (docs/schema.md)."
        raise UsageFailed("too_few_students", rule, found, remedy)


def compare(
    workspace: Workspace,
    experiment: Experiment,
    members: list[Member],
    rows: Mapping[str, Students],
    progress: Progress,
) -> dict[str, Any]:
    """Exact figures on the held-out students: each school alone, all rows pooled, and the joint private model."""
    settings, state = _model(workspace, experiment)
    schools = []
    for done, member in enumerate(members, 1):
        own = rows[member.id]
        schools.append(
            {
                "id": member.id,
                "name": member.name,
                "students": len(own),
                "local_auc": baselines.local_auc(own),
                "federated_auc": baselines.auc_on_held_out(logistic.scores(own, settings, state), own),
            }
        )
        progress("comparison / vergelijking", done, len(members))
    together = baselines.join([rows[member.id] for member in members])
    return {
        "pooled_auc": baselines.pooled_auc([rows[member.id] for member in members]),
        "federated_auc": baselines.auc_on_held_out(logistic.scores(together, settings, state), together),
        "schools": schools,
    }


def auc_noise_sd(workspace: Workspace, experiment: Experiment) -> float | None:
    """Standard deviation that the privacy noise alone gives the published AUC; None when noise drowned an outcome."""
    _, state = _model(workspace, experiment)
    try:
        found = evaluation.evaluate(state["score_table"], float(state["score_table_sd"][0]), state["edges"])
    except EvaluationError:
        return None
    return found.auc.privacy_sd


def _model(workspace: Workspace, experiment: Experiment) -> tuple[Settings, dict[str, Any]]:
    """The released model: its public settings and the state after the last step."""
    run = run_id(experiment.hash, dict(approvals.approved_serials(workspace, experiment)))
    state = canonical.decode(workspace.store.states(run)[-1][2], max_bytes=MAX_REPLY_BYTES)
    queries = [planned.query for step in workspace.plan(experiment).steps for planned in step.queries]
    settings = next(query.settings for query in queries if isinstance(query, logistic.LogisticGradient))
    assert isinstance(state, dict)
    return settings, state
