"""Submitting: the cost is shown first, and only the right person submits, under a name of its own."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from coalition import submission
from coalition.errors import NotAllowed
from experiments import definition
from experiments.errors import DefinitionError, PlanError
from experiments.terminal import Grid
from privacy import accounting
from shared_schema.errors import DocumentError
from tests.kit import DEFAULT
from tests.unit.coalition.office import Office, office


@pytest.fixture
def made(tmp_path: Path) -> Office:
    return office(tmp_path)


def _changed(made: Office, old: str, new: str) -> Path:
    path = made.folder / "experiment.yaml"
    text = DEFAULT.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    return path


def test_the_cost_is_known_before_anything_is_submitted(made: Office) -> None:
    """Every school and cohort with its ρ and ε, every step with its noise; the whole stays within the budget."""
    experiment = submission.freeze(made.workspace, DEFAULT)
    described = submission.describe(made.workspace, experiment)["plan"]
    assert [(row["school"], row["cohort"]) for row in described["accounts"]] == [
        (school, cohort) for school in made.schools for cohort in (2022, 2023)
    ]
    assert sum(Fraction(row["rho"]) for row in described["steps"]) == Fraction(described["rho"])
    assert accounting.epsilon_from_rho(Fraction(described["rho_reserved"]), Fraction(1, 10**6)) <= 1.0
    assert all(row["noise_sd"] > 0 for row in described["steps"])
    assert described["exchanges"] <= 12
    assert described["person_at_several_schools"]["epsilon"] > described["epsilon"]
    assert made.workspace.store.statuses() == {}


def test_what_is_submitted_goes_to_the_schools_as_it_was_frozen(made: Office) -> None:
    """The file for the FGs thaws to the same hash; the submission names the person and is signed."""
    experiment = made.submit()
    path = made.workspace.root / "to-schools" / "uitval-jaar-1.experiment"
    assert definition.thaw(path.read_bytes()).hash == experiment.hash
    stored = made.workspace.store.get("submission", experiment.hash.hex())
    assert submission.checked(made.workspace.charter, experiment.hash, stored).submitter == "ada"
    assert made.workspace.store.status(experiment.hash) == "submitted"


def test_a_submission_stands_for_one_experiment_only(made: Office) -> None:
    """The same signed bytes under another experiment or with another signer are refused."""
    experiment = made.submit()
    stored = made.workspace.store.get("submission", experiment.hash.hex())
    with pytest.raises(NotAllowed) as found:
        submission.checked(made.workspace.charter, bytes(32), stored)
    assert found.value.code == "submission_of_other_experiment"
    with pytest.raises(NotAllowed) as found:
        submission.checked(made.workspace.charter, experiment.hash, stored[:-1] + bytes([stored[-1] ^ 1]))
    assert found.value.code == "submission_unsigned"


def test_only_an_analyst_with_the_listed_key_submits(made: Office) -> None:
    """A reviewer may not, nor an analyst with another key."""
    experiment = submission.freeze(made.workspace, DEFAULT)
    for person, key, code in (("rik", "rik", "other_role"), ("ada", "rik", "other_key")):
        with pytest.raises(NotAllowed) as found:
            submission.submit(made.workspace, experiment, person, made.people[key])
        assert found.value.code == code
    assert made.workspace.store.statuses() == {}


def test_one_name_stands_for_one_definition(made: Office) -> None:
    """Neither the same definition again nor another under its name can be submitted."""
    made.submit()
    for path in (DEFAULT, _changed(made, "epsilon: 1.0", "epsilon: 0.5")):
        with pytest.raises(NotAllowed) as found:
            made.submit(path)
        assert found.value.code == "experiment_exists"


def test_submitting_again_after_a_kill_completes_it(made: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed just before the experiment is listed, nothing stands in the way of submitting it again."""
    store = made.workspace.store
    real = store.put

    def killed(kind: str, name: str, data: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        made.submit()
    monkeypatch.setattr(store, "put", real)
    assert made.submit().definition.experiment == "uitval-jaar-1"


def test_an_experiment_for_more_schools_than_there_are_is_refused(made: Office) -> None:
    """Too few schools: the message says how many there are and how many are needed."""
    with pytest.raises(NotAllowed, match=r"At least 4 .* a charter with 3"):
        submission.freeze(made.workspace, _changed(made, "fewest: 3", "fewest: 4"))


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("budget:", "colour: red\nbudget:", DocumentError),
        ("query: two_stage_logistic", "query: select_everything", DocumentError),
        ("epsilon: 1.0", "epsilon: 21", DocumentError),
        ("outcome: dropout_year_1", "outcome: shoe_size", DefinitionError),
    ],
)
def test_what_a_definition_may_not_say(made: Office, old: str, new: str, error: type[Exception]) -> None:
    """Unknown keys and queries, a budget above what is possible, names that the schema does not declare."""
    with pytest.raises(error) as found:
        submission.freeze(made.workspace, _changed(made, old, new))
    if isinstance(found.value, DocumentError):
        assert found.value.problems[0].line > 1


def test_cohorts_nobody_declared_have_no_plan(made: Office) -> None:
    """A cohort without a declared public size at a school is named before submission."""
    experiment = submission.freeze(made.workspace, _changed(made, "[2022, 2023]", "[2024]"))
    with pytest.raises(PlanError, match="2024"):
        submission.describe(made.workspace, experiment)


def test_tables_show_every_account(made: Office) -> None:
    """What the analyst sees as text has a row for each school and cohort."""
    from experiments import costs

    described = submission.describe(made.workspace, submission.freeze(made.workspace, DEFAULT))
    grids = [block for block in costs.grids(described["plan"]) if isinstance(block, Grid)]
    assert len(grids[-1].rows) == 6
    assert len(costs.grids(described["plan"], "school-1")[-1].rows) == 2  # type: ignore[union-attr]
