"""An analyst's YAML arrives; a frozen experiment with its cost leaves, and once signed it is submitted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from coalition.errors import NotAllowed
from experiments import costs, definition
from privacy.errors import PrivacyError
from privacy.identity import write_private
from privacy.statements import Submission, check, sign, signed_from_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from coalition.workspace import Workspace
    from experiments.definition import Experiment
    from privacy.charter import Charter, Person
    from privacy.identity import SigningKey

TO_SCHOOLS = "to-schools"
SUBMITTERS = ("analyst", "coordinator")


def freeze(workspace: Workspace, path: Path) -> Experiment:
    """Read and freeze a definition against the coalition's schema.

    Raises `DocumentError` with the lines of unknown keys, `DefinitionError` for names that are not declared, and
    `NotAllowed` when the charter has too few schools for it.
    """
    experiment = definition.freeze(definition.read(path), workspace.schema)
    least, there = fewest_schools(workspace, experiment), len(workspace.charter.schools)
    if there < least:
        raise NotAllowed(
            "too_few_schools",
            f"At least {least} schools answer together.",
            f"a charter with {there}",
            "Ask fewer schools in the definition (schools: fewest), or let more schools join.",
        )
    return experiment


def fewest_schools(workspace: Workspace, experiment: Experiment) -> int:
    """The fewest schools with which this experiment may run: of charter, definition and t + 2 the largest."""
    charter = workspace.charter
    asked = experiment.definition.schools.fewest
    return max(charter.smallest_roster, asked, charter.collusion_threshold + 2)


def describe(workspace: Workspace, experiment: Experiment) -> dict[str, Any]:
    """What the analyst sees before submitting: the experiment, and its cost per school, cohort and step."""
    return {
        "experiment": experiment.definition.experiment,
        "definition_hash": experiment.hash.hex(),
        "charter_hash": workspace.charter.hash.hex(),
        "fewest_schools": fewest_schools(workspace, experiment),
        "plan": costs.describe(workspace.plan(experiment), experiment, workspace.charter),
    }


def submit(workspace: Workspace, experiment: Experiment, person: str, key: SigningKey, now: int | None = None) -> Path:
    """Submit an experiment, signed by an analyst of the charter; return the file that goes to every FG.

    The same experiment twice is refused by name, so that an approval never speaks of two definitions. Raises
    `NotAllowed` (role, key, name) and what planning raises.
    """
    workspace.plan(experiment)
    submitter = signer(workspace, person, key, SUBMITTERS)
    _refuse_known(workspace, experiment)
    moment = int(time.time()) if now is None else now
    statement = Submission(workspace.charter.hash, experiment.hash, submitter.id, moment)
    name = experiment.hash.hex()
    path = write_for_schools(workspace, experiment)
    workspace.store.replace("submission", name, sign(statement, key).to_bytes())
    workspace.store.set_status(experiment.hash, "submitted", f"by {submitter.id}")
    # Last, because an experiment is listed from here on: after a kill before this line, submitting again works.
    workspace.store.put("experiment", name, experiment.encoded)
    return path


def signer(workspace: Workspace, person: str, key: SigningKey, roles: tuple[str, ...]) -> Person:
    """The charter's person with this id, role and key; `NotAllowed` otherwise."""
    found = workspace.charter.person(person)
    if found.role not in roles:
        allowed = " or ".join(roles)
        rule = f"This is done by a person with the role {allowed}."
        raise NotAllowed("other_role", rule, f"{person} is {found.role}", "Ask someone with that role.")
    if found.key != key.public:
        rule = "A person signs with the key that the charter lists."
        remedy = "Use that key, or agree on a new charter version."
        raise NotAllowed("other_key", rule, f"another key for {person}", remedy)
    return found


def _refuse_known(workspace: Workspace, experiment: Experiment) -> None:
    name = experiment.definition.experiment
    for known in workspace.experiments():
        if known.definition.experiment == name:
            same = "the same definition" if known.hash == experiment.hash else "another definition"
            rule, remedy = "Every experiment has a name of its own.", "Give the experiment a new name."
            raise NotAllowed("experiment_exists", rule, f"{name}, with {same}", remedy)


def write_for_schools(workspace: Workspace, experiment: Experiment) -> Path:
    """Write the frozen experiment where the coordinator picks it up to send it to every FG."""
    path = workspace.root / TO_SCHOOLS / f"{experiment.definition.experiment}.experiment"
    write_private(path, experiment.encoded)
    return path


def checked(charter: Charter, experiment_hash: bytes, data: bytes) -> Submission:
    """The submission in these bytes, once its person is shown to have signed it for this very experiment.

    Raises `NotAllowed` with code submission_unsigned or submission_of_other_experiment.
    """
    signed = signed_from_bytes(data, Submission)
    statement, remedy = signed.statement, "Submit the experiment again."
    try:
        check(signed, charter.person(statement.submitter).key)
    except PrivacyError as error:
        rule = "A submission is signed by a person of the charter."
        raise NotAllowed("submission_unsigned", rule, f"not so for {statement.submitter}", remedy) from error
    if (statement.charter_hash, statement.experiment_hash) != (charter.hash, experiment_hash):
        rule = "A submission is for exactly one experiment, under one charter."
        raise NotAllowed("submission_of_other_experiment", rule, "another hash", remedy)
    return statement
