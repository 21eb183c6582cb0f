"""A person at two schools (METHODS §7, attack 12): duplicates are planted, not joined, and the stated cost covers them.

Two of three schools deliver the very same export: every one of their students is enrolled at both. What such a person
paid is added up from both schools' ledgers by the rule for records in one shared sum, (sqrt(rho_1) + sqrt(rho_2))^2,
and held against every figure that was shown: to the analyst, to the FG, in the finding, in the ledger's printout, by
the verifier. That the mechanism keeps to it is measured in `test_audit.py`; here its lattice points are compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal, getcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from coalition import rehearsal
from coalition.rehearsal.members import MAPPINGS
from coalition.workspace import Workspace
from experiments import costs, planning
from experiments.students import Students
from experiments.synthetic.sector import generate
from experiments.synthetic.writers.layouts import write_exports
from node import ingest
from node.assembly import open_schema
from node.desk import asked, bookkeeping
from node.desk.approving import Desk
from node.folder import NodeFolder
from node.people.pseudonym_key import PseudonymKey
from node.store import Store
from privacy import accounting, verify
from privacy.balances import replay
from privacy.ledger import Account
from privacy.private_sum import lattice_sum
from tests.kit import coalition

LAYOUT, STUDENTS, SEED = "osiris", 400, 11
TWINS, OTHER = ("tweeling-a", "tweeling-b"), "ander"
getcontext().prec = 60


@dataclass
class Ran:
    """A rehearsal of three schools, two of which have the same students."""

    out: Path
    data: dict[str, Any]

    def folder(self, school: str) -> NodeFolder:
        return NodeFolder(self.out / "schools" / school)

    def desk(self, school: str) -> Desk:
        return Desk.open(self.folder(school))

    def students(self, school: str) -> set[str]:
        """Every pseudonym in the school's tables."""
        return {
            student for table in Store.open(self.folder(school).data).tables().values() for student in table["student"]
        }

    @property
    def workspace(self) -> Workspace:
        return Workspace.open(self.out / "coalition")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The same bytes in two schools' drop folders, other students in the third's."""
    folder = tmp_path_factory.mktemp("twins")
    same, other, _ = generate(3, STUDENTS, SEED)
    for name, school in zip((*TWINS, OTHER), (same, same, other), strict=True):
        place = folder / "in" / name
        (place / "exports").mkdir(parents=True)
        write_exports(school, LAYOUT, place / "exports")
        (place / "mapping.yaml").write_bytes((MAPPINGS / f"{LAYOUT}.yaml").read_bytes())
        sizes = {cohort: 50 * max(1, round(size / 50)) for cohort, size in school.cohort_sizes.items()}
        (place / "policy.yaml").write_text(yaml.safe_dump({"policy": 1, "ready": True, "public_size": sizes}))
    options = rehearsal.Options(folder / "out", schools_dir=folder / "in")
    return Ran(folder / "out", rehearsal.rehearse(options, lambda *_: None))


# ---- nobody joins them


def test_the_duplicates_are_there(ran: Ran) -> None:
    """Control: byte for byte the same exports, and as many students at both."""
    one, two = (sorted((ran.out.parent / "in" / name / "exports").iterdir()) for name in TWINS)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert len(ran.students(TWINS[0])) == len(ran.students(TWINS[1])) > STUDENTS / 2


def test_duplicates_are_not_joined_across_schools(ran: Ran) -> None:
    """Each school's key makes its own pseudonyms: not one is found at the other school, so nothing can match them."""
    assert not ran.students(TWINS[0]) & ran.students(TWINS[1])


def test_with_one_key_for_both_they_would_be(ran: Ran, tmp_path: Path) -> None:
    """Positive control: were the key shared, every student of one would be recognised at the other."""
    first = ran.folder(TWINS[0])
    key = PseudonymKey.load(first.pseudonym_key)
    exports = ran.out.parent / "in" / TWINS[1] / "exports"
    ingest.ingest(exports, first.mapping, tmp_path / "data", key, open_schema(first))
    tables = Store.open(tmp_path / "data").tables()
    assert {student for table in tables.values() for student in table["student"]} == ran.students(TWINS[0])


def test_nothing_that_both_schools_sent_is_the_same(ran: Ran) -> None:
    """Nor can the coordinator match them by their answers: no masked vector of one occurs at the other."""
    from experiments import protocol

    said: dict[str, set[bytes]] = {school: set() for school in TWINS}
    for exchange in _exchanges(ran):
        if exchange.school in said and exchange.reply is not None:
            reply = protocol.decode_reply(exchange.reply)
            if isinstance(reply, protocol.Answer):
                said[exchange.school].add(reply.masked.tobytes())
    assert all(len(vectors) == 10 for vectors in said.values()) and not said[TWINS[0]] & said[TWINS[1]]


def _exchanges(ran: Ran) -> Any:
    from coalition import evidence

    return evidence.read(ran.out / "finding" / "evidence").exchanges


# ---- what such a person paid


def _spent(ran: Ran, school: str) -> dict[Account, Fraction]:
    """By replay of the school's ledger, entry by entry."""
    state = replay(ran.desk(school).ledger._file.records())
    return {account: balance.spent for account, balance in state.balances.items()}


def _person(*spent: Fraction) -> Decimal:
    """(sqrt(rho_1) + sqrt(rho_2) + ...)^2, rounded up in the 40th digit."""
    roots = sum((Decimal(rho.numerator) / Decimal(rho.denominator)).sqrt() for rho in spent)
    return roots * roots * (1 + Decimal(10) ** -40)


def _epsilon(rho: Decimal, delta: Fraction) -> float:
    return accounting.epsilon_from_rho(Fraction(rho), delta)


def test_a_persons_total_by_both_ledgers_is_within_every_figure_shown(ran: Ran) -> None:
    """For each account: by replay of both ledgers at most what analyst, FG, finding, printout and verifier said."""
    first, second = (_spent(ran, school) for school in TWINS)
    assert first.keys() == second.keys() and first
    for account in first:
        total = _person(first[account], second[account])
        for shown, delta in _shown(ran, account):
            assert _epsilon(total, delta) <= shown * (1 + 1e-9)


def _shown(ran: Ran, account: Account) -> list[tuple[float, Fraction]]:
    """Every two-school figure, each with its delta."""
    import json

    workspace, desk = ran.workspace, ran.desk(TWINS[0])
    experiment = next(workspace.experiments())
    plan = workspace.plan(experiment)
    analyst = costs.describe(plan, experiment, workspace.charter)["person_at_several_schools"]
    officer = asked.describe(desk, experiment)["plan"]["person_at_several_schools"]
    finding = json.loads((ran.out / "finding" / "finding.json").read_bytes())["privacy"]
    printed = bookkeeping.show(desk.folder.root, 5, None).data
    row = next(one for one in printed["accounts"] if (one["population"], one["cohort"]) == account)
    lifetime = Fraction(desk.policy.lifetime_budget.delta)
    report = verify.as_data(verify.verify_ledger(desk.folder.ledger), lifetime)["data"]
    checked = next(one for one in report["accounts"] if (one["population"], one["cohort"]) == account)
    assert {analyst["schools"], officer["schools"], printed["schools_per_person"]} == {2}
    return [
        (analyst["epsilon"], plan.delta),
        (officer["epsilon"], plan.delta),
        (finding["two_schools"]["epsilon_zcdp"], Fraction(finding["delta"])),
        (row["epsilon_several_schools"], lifetime),
        (checked["epsilon_several_schools"], lifetime),
    ]


def test_the_one_school_figure_does_not_cover_two(ran: Ran) -> None:
    """Positive control: what such a person paid is above the figure for one school, in the finding and the printout."""
    account, spent = next(iter(_spent(ran, TWINS[0]).items()))
    total = _person(spent, _spent(ran, TWINS[1])[account])
    plan = ran.workspace.plan(next(ran.workspace.experiments()))
    assert _epsilon(total, plan.delta) > 1.5 * accounting.epsilon_from_rho(spent, plan.delta)
    row = bookkeeping.show(ran.folder(TWINS[0]).root, 5, None).data["accounts"][0]
    assert row["epsilon_several_schools"] > 1.5 * row["epsilon_spent"] > 0


def test_a_person_at_more_schools_than_m_is_not_covered(tmp_path: Path) -> None:
    """m stands in the charter and is a promise about m: a third school costs more than the figure for two says."""
    kit = coalition(tmp_path, schools=3)
    rho, delta = kit.plan.rho, kit.plan.delta
    for m in (1, 2, 3):
        shown = costs.epsilon_of_person(rho, delta, replace(kit.charter, schools_per_person=m))
        assert _epsilon(_person(*[rho] * m), delta) <= shown * (1 + 1e-9)
        assert _epsilon(_person(*[rho] * (m + 1)), delta) > shown


def test_both_figures_stand_on_the_screens(ran: Ran) -> None:
    """In words: the analyst's and the FG's summary, and the ledger's heads, name one school and two."""
    workspace, desk = ran.workspace, ran.desk(TWINS[0])
    experiment = next(workspace.experiments())
    for words in (
        str(costs.grids(costs.describe(workspace.plan(experiment), experiment, workspace.charter))[0]),
        "\n".join(block for block in asked.blocks(asked.describe(desk, experiment)) if isinstance(block, str)),
    ):
        assert "for one student at one school" in words and "for a person at 2 schools" in words
    grid = next(block for block in bookkeeping.show(desk.folder.root, 0, None).blocks if not isinstance(block, str))
    assert tuple(grid.columns[-2:]) == ("epsilon, 1 school", "epsilon, 2 schools")
    page = (ran.out / "finding" / "index.html").read_text("utf-8")
    assert "twee scholen" in page


# ---- why m squared


def test_two_records_move_a_shared_sum_by_at_most_twice_delta(tmp_path: Path) -> None:
    """At every step, for many students: with both records left out the lattice sum moves by at most 2 Delta.

    Identical records move it by exactly twice as much as one does, so the factor m^2 in rho is reached and not
    just a bound: some student moves it by more than Delta.
    """
    kit = coalition(tmp_path, schools=3)
    students = kit.members["school-0"].node.students(kit.experiment)
    state = planning.initial_state(kit.plan)
    step = kit.plan.steps[0]
    above = 0
    for planned in step.queries:
        at = planning.state_for(planned.query, planning.asked_at(step, state))
        for index in range(40):
            moved = 2 * _moved(planned, students.rows(slice(index, index + 1)), at)
            squared = sum(int(value) ** 2 for value in moved)
            assert squared <= (2 * planned.release.lattice_steps) ** 2
            above += squared > planned.release.lattice_steps**2
    assert above > 0


def _moved(planned: Any, one: Students, state: Any) -> np.ndarray:
    return lattice_sum(planned.query.blocks(one, state), planned.release)


def test_the_rule_is_exact_for_two(tmp_path: Path) -> None:
    """Equal costs: (sqrt(rho) + sqrt(rho))^2 = 4 rho, as `accounting.shared_sum` says; unequal ones stay below."""
    rho = Fraction(1, 50)
    assert math.isclose(float(_person(rho, rho)), float(accounting.shared_sum(rho, 2)), rel_tol=1e-12)
    assert _person(rho, rho / 2) < _person(rho, rho)
