"""The folder of a published finding arrives; the coalition's joint model leaves, checked against itself and this node.

FOLDER/finding.json and FOLDER/evidence/: charter.cbor, experiment.cbor, states/NNN.cbor. Checked here: that the files
belong together, that the model is the one the finding shows, that it fits this node's schema. Whether the signatures
and sums behind it hold is what `coalition verify FOLDER` says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments import definition, planning, selection
from experiments.errors import ExperimentError
from experiments.queries.logistic import LogisticGradient
from experiments.queries.score_table import ScoreTable
from experiments.reading import finding as published
from experiments.reading.errors import FindingError
from node.errors import UnusableInput
from node.local.linear import LinearModel
from privacy import canonical
from privacy.charter import Charter
from privacy.errors import PrivacyError

if TYPE_CHECKING:
    import pandas as pd

    from experiments.definition import Experiment
    from experiments.hyperparameters import Settings
    from experiments.planning import Plan
    from shared_schema import Schema

LARGEST_FINDING = 32 * 2**20
LARGEST_FILE = 64 * 2**20
CLOSE = 1e-6
REMEDY = "Ask for the whole bundle as it was published, and check it with `coalition verify`."


@dataclass(frozen=True)
class Joint:
    """A joint model, and which of this school's students it may have learned from."""

    model: LinearModel
    experiment: Experiment
    title_nl: str
    title_en: str

    def not_learned_from(self, students: pd.Index, cohort: pd.Series) -> pd.Index:
        """Those it cannot have learned from: of other cohorts, or held out by the experiment's own split.

        cohort: school year of the first enrolment by student. That this school may not have taken part changes nothing.
        """
        held_out = selection.held_out(list(students), self.experiment)
        asked = cohort.loc[students].isin(self.experiment.definition.population.cohorts).to_numpy(dtype=bool)
        return students[held_out | ~asked]


def read(folder: Path, schema: Schema, sensitive: bool) -> Joint:
    """Read a published bundle. Raises `UnusableInput`: files that are missing, damaged or of different runs, a model
    that is not the finding's, another schema than this node's.

    sensitive: whether sensitive features may count; if not, each counts as the coalition's average for everyone.
    """
    shown = _finding(folder / published_name())
    try:
        charter = Charter.from_bytes(_bytes(folder / "evidence" / "charter.cbor"))
        experiment = definition.thaw(_bytes(folder / "evidence" / "experiment.cbor"))
    except (PrivacyError, ExperimentError) as error:
        raise _unusable("a charter or experiment that cannot be read") from error
    if experiment.schema_hash != schema.hash:
        rule = "A joint model is used on the schema it was learned on."
        raise UnusableInput("other_schema", rule, "another schema hash", "Use the coalition's schema.yaml of that run.")
    if (experiment.hash.hex(), charter.hash.hex()) != (shown.evidence.definition_hash, shown.evidence.charter_hash):
        raise _unusable("evidence of another experiment or charter than the finding's")
    plan = _plan(experiment, charter, schema)
    state = _last_state(folder / "evidence" / "states", plan)
    model = _model(experiment, schema, _settings(plan), state, sensitive)
    _check_shown(shown, state)
    return Joint(model, experiment, shown.title.nl, shown.title.en)


def published_name() -> str:
    """The file of a bundle that holds the finding itself."""
    return "finding.json"


def _finding(path: Path) -> published.Finding:
    try:
        return published.read(json.loads(_bytes(path, LARGEST_FINDING)))
    except (ValueError, RecursionError, FindingError) as error:
        raise _unusable(f"{path.name} is no finding") from error


def _bytes(path: Path, largest: int = LARGEST_FILE) -> bytes:
    try:
        if path.stat().st_size > largest:
            raise _unusable(f"{path.name} is too large")
        return path.read_bytes()
    except OSError as error:
        raise _unusable(f"no readable {path.parent.name}/{path.name}") from error


def _unusable(found: str) -> UnusableInput:
    return UnusableInput("unusable_finding", "A joint model is read from a published finding.", found, REMEDY)


def _plan(experiment: Experiment, charter: Charter, schema: Schema) -> Plan:
    try:
        return planning.plan(experiment, charter, schema)
    except (ExperimentError, PrivacyError) as error:
        raise _unusable("an experiment that this charter does not carry") from error


def _settings(plan: Plan) -> Settings:
    queries = (planned.query for step in plan.steps for planned in step.queries)
    return next(query.settings for query in queries if isinstance(query, LogisticGradient))


def _last_state(folder: Path, plan: Plan) -> Mapping[str, np.ndarray]:
    """The state after the last step: within its declared ranges, so that no score can overflow."""
    try:
        fields: Any = canonical.decode(_bytes(folder / f"{len(plan.steps):03d}.cbor"), max_bytes=LARGEST_FILE)
        step, _, encoded = fields
        state: Any = canonical.decode(encoded, max_bytes=LARGEST_FILE)
        query = next(one.query for one in plan.steps[-1].queries if isinstance(one.query, ScoreTable))
        query.check_state(planning.state_for(query, state))
    except (PrivacyError, ExperimentError, TypeError, ValueError, StopIteration, AttributeError) as error:
        raise _unusable("a last state of another shape") from error
    if step != len(plan.steps):
        raise _unusable("a state of another step")
    return dict(state)


def _model(
    experiment: Experiment, schema: Schema, settings: Settings, state: Mapping[str, np.ndarray], sensitive: bool
) -> LinearModel:
    features = selection.features_of(experiment, schema)
    constant = float(settings.intercept) * float(np.sqrt(settings.features))
    allowed = np.array([1.0 if sensitive or not feature.sensitive else 0.0 for feature in features])
    return LinearModel(
        kind="joint",
        week=experiment.definition.features.cutoff_week,
        outcome=experiment.definition.outcome,
        features=features,
        mean=state["mean"],
        scale=state["scale"],
        weights=state["weights"][1:] * allowed,
        intercept=float(state["weights"][0]) * constant,
        largest=float(settings.largest_feature),
        schema_hash=experiment.schema_hash,
    )


def _check_shown(shown: published.Finding, state: Mapping[str, np.ndarray]) -> None:
    """The weights that the page shows are the ones that score."""
    weights = [row.weight if isinstance(row.weight, float) else row.weight.value for row in shown.model.weights]
    if len(weights) != len(state["weights"]) - 1 or not np.allclose(
        weights, state["weights"][1:], rtol=CLOSE, atol=CLOSE
    ):
        raise _unusable("other weights in the evidence than in the finding")
