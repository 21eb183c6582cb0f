"""The FG's side: what is asked is shown, what is signed is recorded, here or by way of a machine without network."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from experiments.definition import Experiment
from experiments.terminal import Grid
from node.desk import approving, asked
from node.desk.approving import Desk
from node.errors import Refusal, UnusableInput
from privacy.charter import Charter
from privacy.identity import SigningKey
from privacy.statements import Approval, Signed, Withdrawal, parse, sign
from tests.unit.coalition.office import Office, office

SCHOOL = "school-0"


@pytest.fixture
def made(tmp_path: Path) -> Office:
    """A coalition with an accepted charter and one submitted experiment."""
    found = office(tmp_path)
    found.accept_charter()
    found.submit()
    return found


@pytest.fixture
def desk(made: Office) -> Desk:
    return made.desk(SCHOOL)


@pytest.fixture
def experiment(made: Office) -> Experiment:
    return made.experiment


def _code(act: object) -> str:
    with pytest.raises((Refusal, UnusableInput)) as found:
        act()  # type: ignore[operator]
    assert found.value.rule and found.value.remedy
    return found.value.code


# ---- what the FG sees


def test_the_fg_sees_purpose_columns_cost_and_what_is_left(desk: Desk, experiment: Experiment) -> None:
    """Legal ground, every column with its sensitivity, the cost on each account and the budget before and after."""
    shown = asked.describe(desk, experiment)
    assert {"ground", "agreement", "dpia", "retention", "ethics"} <= set(shown["legal"])
    assert any(column["sensitive"] for column in shown["columns"])
    assert all(column["prose"]["nl"] and column["prose"]["en"] for column in shown["columns"])
    for row in shown["left"]:
        assert Fraction(row["left"]) - Fraction(row["cost"]) == Fraction(row["left_after"]) and row["fits"]
    assert shown["definition_hash"] == experiment.hash.hex()


def test_the_screen_says_it_in_both_languages(desk: Desk, experiment: Experiment) -> None:
    """Words in Dutch and in English, and this school's accounts only."""
    blocks = asked.blocks(asked.describe(desk, experiment))
    words = "\n".join(block for block in blocks if isinstance(block, str))
    assert experiment.definition.purpose.nl in words and experiment.definition.purpose.en in words
    cost = [block for block in blocks if isinstance(block, Grid) and "Kosten" in block.title]
    assert {row[0] for row in cost[0].rows} == {SCHOOL}


def test_a_charter_is_shown_with_every_fingerprint(made: Office) -> None:
    """All keys of all schools, to be read out by telephone."""
    shown = asked.describe_charter(made.workspace.charter, SCHOOL)
    fingerprints = [school[kind] for school in shown["schools"] for kind in ("node", "fg")]
    assert len(set(fingerprints)) == 6 and all(len(text) == 39 for text in fingerprints)


# ---- approving


def test_an_approval_stands_in_the_ledger(made: Office, desk: Desk, experiment: Experiment) -> None:
    """Signed with the FG's key, it is recorded under its serial, for exactly this experiment and charter."""
    signed = approving.approve(desk, experiment, made.fg(SCHOOL))
    assert desk.state.approvals[1] == signed.statement
    assert signed.statement.experiment_hash == experiment.hash


def test_serials_count_up_and_are_never_used_again(made: Office, desk: Desk, experiment: Experiment) -> None:
    """Not after a withdrawal, not while an earlier one waits to be signed elsewhere."""
    first = approving.approve(desk, experiment, made.fg(SCHOOL)).statement.serial
    approving.withdraw(desk, first, made.fg(SCHOOL))
    waiting = approving.draft_approval(desk, experiment)
    approving.export(desk, waiting, made.folder / "waiting")
    last = approving.approve(desk, experiment, made.fg(SCHOOL)).statement.serial
    assert (first, waiting.serial, last) == (1, 2, 3)
    again = sign(replace(approving.draft_approval(desk, experiment), serial=last), made.fg(SCHOOL))
    assert _code(lambda: approving.record(desk, again)) == "serial_used"


def test_a_cap_below_the_plan_approves_nothing(desk: Desk, experiment: Experiment) -> None:
    """A lowered cap never alters a plan: the plan is refused, and the message says what to ask for."""
    assert _code(lambda: approving.draft_approval(desk, experiment, Fraction(1, 2))) == "budget_above_cap"
    assert approving.draft_approval(desk, experiment, Fraction(2)).cap_rho is not None


def test_a_plan_above_what_is_left_is_not_approved(desk: Desk, experiment: Experiment) -> None:
    """The school's lifetime budget counts before anything is signed."""
    smaller = desk.policy.model_copy(
        update={
            "lifetime_budget": desk.policy.lifetime_budget.model_copy(
                update={"epsilon": desk.policy.lifetime_budget.epsilon / 10}
            )
        }
    )
    poor = replace(desk, policy=smaller)
    assert _code(lambda: approving.draft_approval(poor, experiment)) == "budget_exhausted"
    assert not asked.describe(poor, experiment)["left"][0]["fits"]


def test_terms_that_the_school_does_not_allow(desk: Desk, experiment: Experiment) -> None:
    """An expiry in the past, and own figures against the policy."""
    assert _code(lambda: approving.draft_approval(desk, experiment, expires=1)) == "approval_expired"
    assert _code(lambda: approving.draft_approval(desk, experiment, own_figures=True)) == "own_figures_forbidden"


def test_an_experiment_of_another_schema_is_not_approved(desk: Desk, experiment: Experiment) -> None:
    """The FG must be able to see the columns that the hash stands for."""
    foreign = replace(experiment, schema_hash=bytes(32))
    assert _code(lambda: asked.describe(desk, foreign)) == "other_schema"


def test_only_the_fgs_key_signs(desk: Desk, made: Office, experiment: Experiment) -> None:
    """Neither the node's key nor another school's FG."""
    for key in (SigningKey.from_file(desk.folder.node_key), made.fg("school-1"), SigningKey.generate()):
        assert _code(lambda key=key: approving.approve(desk, experiment, key)) == "foreign_signature"
    assert not desk.state.approvals


# ---- withdrawing


def test_a_withdrawal_names_an_approval_that_stands(made: Office, desk: Desk, experiment: Experiment) -> None:
    """No serial that was never given, and none twice."""
    assert _code(lambda: approving.draft_withdrawal(desk, 1)) == "nothing_to_withdraw"
    approving.approve(desk, experiment, made.fg(SCHOOL))
    approving.withdraw(desk, 1, made.fg(SCHOOL))
    assert 1 in desk.state.withdrawn
    assert _code(lambda: approving.draft_withdrawal(desk, 1)) == "nothing_to_withdraw"


# ---- the charter


def test_without_a_charter_nothing_is_approved(tmp_path: Path) -> None:
    """The first thing an FG signs is the charter."""
    made = office(tmp_path)
    assert _code(lambda: made.desk(SCHOOL).charter) == "no_charter"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"node_key": bytes(32)}, "charter_other_keys"),
        ({"fg_key": bytes(32)}, "charter_other_keys"),
        ({"enrolments": {2022: 1, 2023: 1}}, "charter_other_sizes"),
    ],
)
def test_a_charter_that_says_something_else_about_this_school(
    tmp_path: Path, change: dict[str, object], code: str
) -> None:
    """Other keys or other sizes than the school's own are refused before signing."""
    made = office(tmp_path)
    charter = made.workspace.charter
    schools = tuple(replace(one, **change) if one.id == SCHOOL else one for one in charter.schools)
    assert _code(lambda: approving.draft_acceptance(made.desk(SCHOOL), replace(charter, schools=schools))) == code


def test_an_accepted_charter_lies_in_the_nodes_folder(made: Office, desk: Desk) -> None:
    """The charter in force is in the ledger, and as a file for eyes."""
    assert desk.charter == made.workspace.charter
    assert Charter.from_bytes(desk.folder.charter.read_bytes()).hash == desk.charter.hash


# ---- signing on another machine


def test_signing_elsewhere_gives_the_same_approval(made: Office, desk: Desk, experiment: Experiment) -> None:
    """Export the exact bytes, sign them where the key is, import: recorded once, and only once."""
    path = made.folder / "to-sign"
    draft = approving.draft_approval(desk, experiment)
    approving.export(desk, draft, path)
    assert path.read_bytes() == draft.message()
    carried = Signed(parse(path.read_bytes()), made.fg(SCHOOL).sign(path.read_bytes())).to_bytes()
    assert approving.take(desk, carried, Approval).statement == draft
    assert desk.state.approvals[draft.serial] == draft
    assert _code(lambda: approving.take(desk, carried, Approval)) == "not_exported"


def test_what_was_not_exported_is_not_taken(made: Office, desk: Desk, experiment: Experiment) -> None:
    """A rightly signed statement that this node never showed is refused: the FG signs what was seen here."""
    draft = approving.draft_approval(desk, experiment)
    approving.export(desk, draft, made.folder / "to-sign")
    changed = sign(replace(draft, own_figures=True), made.fg(SCHOOL)).to_bytes()
    assert _code(lambda: approving.take(desk, changed, Approval)) == "not_exported"
    forged = sign(draft, SigningKey.generate()).to_bytes()
    assert _code(lambda: approving.take(desk, forged, Approval)) == "foreign_signature"
    assert not desk.state.approvals


def test_an_export_that_expired_meanwhile_is_not_taken(made: Office, desk: Desk, experiment: Experiment) -> None:
    """The signature may come back late; then it is worth nothing."""
    draft = replace(approving.draft_approval(desk, experiment), expires=desk.ledger.now())
    approving.export(desk, draft, made.folder / "to-sign")
    late = sign(draft, made.fg(SCHOOL)).to_bytes()
    assert _code(lambda: approving.take(desk, late, Approval)) == "approval_expired"


def test_withdrawals_and_heads_can_be_signed_elsewhere_too(made: Office, desk: Desk, experiment: Experiment) -> None:
    """The same way out and in for every statement of an FG."""
    approving.approve(desk, experiment, made.fg(SCHOOL))
    statement = approving.draft_withdrawal(desk, 1)
    approving.export(desk, statement, made.folder / "withdrawal")
    approving.take(desk, sign(statement, made.fg(SCHOOL)).to_bytes(), Withdrawal)
    assert 1 in desk.state.withdrawn


def test_a_countersigned_head_is_the_present_one(made: Office, desk: Desk) -> None:
    """The FG signs the head as it is now, and it stands in the ledger after."""
    before = desk.state
    signed = approving.countersign(desk, made.fg(SCHOOL))
    assert (signed.statement.seq, signed.statement.head) == (before.count - 1, before.head)
    assert desk.state.countersigned == signed.statement
