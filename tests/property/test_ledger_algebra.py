"""Any order of caps, approvals, reservations, charges, closings and returns: the ledger agrees with a model of its own.

The machine writes real signed entries and hands them to `privacy.balances.advance`. What may stand and what every
account then holds is foretold by `Model`, which shares no code with the platform: whole numbers of 1/240 of a rho.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from privacy import balances
from privacy.errors import PrivacyError
from privacy.identity import SigningKey
from privacy.ledger import Account, BrokenRule, Charged, Entry, Record, genesis, write
from privacy.ledger_state import State
from privacy.statements import Approval, CharterAcceptance, Signed, Withdrawal, sign
from tests.ledger_world import START, make_charter

NODE, FG, COORDINATOR = (SigningKey.generate() for _ in range(3))
OTHERS = [tuple(SigningKey.generate().public for _ in range(2)) for _ in range(2)]
CHARTER = make_charter(COORDINATOR.public, [(NODE.public, FG.public), *OTHERS])
ACCOUNTS = (("student", "2022"), ("student", "2023"), ("student", "unknown"))
EXPERIMENTS = (b"e" * 32, b"f" * 32)
RUNS = tuple(bytes([run]) * 32 for run in range(1, 5))
UNIT = 240  # the model counts rho in 240ths: every cost below is a whole number of them
DELTA, VARIANCES = 12, (17280, 8640, 5760)  # 12^2 / (2 v) = 1/240, 2/240, 3/240
Advance = Callable[[State, Record], State]
Key = tuple[str, str]

names = st.sets(st.sampled_from(ACCOUNTS), min_size=1).map(sorted)
runs, experiments, serials = st.sampled_from(RUNS), st.sampled_from(EXPERIMENTS), st.integers(1, 4)
units, moments = st.integers(0, 12), st.integers(0, 40)


@dataclass
class Plan:
    """One run, as the model keeps it; `left` in units on each of its accounts."""

    experiment: bytes
    serial: int
    left: dict[Key, int]
    deadline: int
    phase: str = "open"
    slots: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Model:
    """What a budget is, in the plainest words: numbers in a table and a rule for each verb."""

    now: int = 0
    cap: dict[Key, int] = field(default_factory=dict)
    largest_cap: dict[Key, int] = field(default_factory=dict)
    spent: dict[Key, int] = field(default_factory=dict)
    approvals: dict[int, tuple[bytes, int | None, int]] = field(default_factory=dict)
    withdrawn: set[int] = field(default_factory=set)
    plans: dict[bytes, Plan] = field(default_factory=dict)

    def reserved(self, account: Key) -> int:
        return sum(plan.left.get(account, 0) for plan in self.plans.values())

    def allows(self, serial: int, experiment: bytes) -> bool:
        known = self.approvals.get(serial)
        return serial not in self.withdrawn and known is not None and known[0] == experiment and self.now <= known[2]

    def may_reserve(self, run: bytes, experiment: bytes, serial: int, accounts: list[Key], rho: int, end: int) -> bool:
        used = run in self.plans or serial in {plan.serial for plan in self.plans.values()}
        if used or not self.allows(serial, experiment) or end <= self.now:
            return False
        most = self.approvals[serial][1]
        held = {one: self.spent.get(one, 0) + self.reserved(one) for one in accounts}
        # The state asks rho > left, and left is never below 0: a plan of nothing always fits.
        fits = all(rho <= max(0, self.cap.get(one, 0) - held[one]) for one in accounts)
        return fits and (most is None or rho <= most)

    def may_charge(self, run: bytes, experiment: bytes, slot: tuple[int, int], accounts: list[Key], cost: int) -> bool:
        plan = self.plans.get(run)
        if plan is None or plan.phase != "open" or plan.experiment != experiment or self.now > plan.deadline:
            return False
        fresh = not plan.slots or slot > max(plan.slots)
        room = all(one in plan.left and cost <= plan.left[one] for one in accounts)
        return fresh and room and self.allows(plan.serial, plan.experiment)


class Ledger(RuleBasedStateMachine):
    """The rules below try everything; `_try` holds what the ledger does against what the model says."""

    advance: Advance = staticmethod(balances.advance)

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.records = [write(genesis("s0", NODE.public, FG.public, START), NODE)]
        self.state = balances.begin(self.records[0])
        self.slots: list[tuple[bytes, int, int]] = []
        accepted = sign(CharterAcceptance(CHARTER.hash, 1, "s0", START), FG)
        assert self._try("charter", True, charter=CHARTER.to_bytes(), **_signed(accepted))

    def _try(self, kind: str, may: bool, **details: Any) -> bool:
        """Append one entry. Says whether it stood, which must be what the model foretold."""
        time = START + self.model.now
        record = write(Entry(self.state.count, self.state.head, time, kind, details), NODE)
        try:
            after = self.advance(self.state, record)
        except BrokenRule:
            assert not may, f"{kind} was refused, and the model allows it"
            return False
        assert may, f"{kind} stood, and the model forbids it"
        self.state = after
        self.records.append(record)
        return True

    @rule(account=st.sampled_from(ACCOUNTS), rho=units)
    def set_cap(self, account: Key, rho: int) -> None:
        self._try("cap", True, account=list(account), rho=Fraction(rho, UNIT))
        self.model.cap[account] = rho
        self.model.largest_cap[account] = max(rho, self.model.largest_cap.get(account, 0))

    @rule(serial=serials, experiment=experiments, most=st.none() | units, expires=moments)
    def approve(self, serial: int, experiment: bytes, most: int | None, expires: int) -> None:
        may = serial not in self.model.approvals and serial not in self.model.withdrawn
        cap = None if most is None else Fraction(most, UNIT)
        approval = Approval("s0", CHARTER.hash, experiment, serial, cap, START + expires, False, START)
        if self._try("approval", may, **_signed(sign(approval, FG))):
            self.model.approvals[serial] = experiment, most, expires

    @rule(serial=serials)
    def withdraw(self, serial: int) -> None:
        self._try("withdrawal", True, **_signed(sign(Withdrawal("s0", CHARTER.hash, serial, START), FG)))
        self.model.withdrawn.add(serial)

    @rule(by=st.integers(1, 15))
    def wait(self, by: int) -> None:
        self.model.now += by

    @rule(run=runs, experiment=experiments, serial=serials, accounts=names, rho=units, end=moments)
    def reserve(self, run: bytes, experiment: bytes, serial: int, accounts: list[Key], rho: int, end: int) -> None:
        may = self.model.may_reserve(run, experiment, serial, accounts, rho, end)
        details = {"run": run, "experiment_hash": experiment, "serial": serial, "accounts": list(map(list, accounts))}
        if self._try("reserve", may, **details, rho=Fraction(rho, UNIT), deadline=START + end):
            self.model.plans[run] = Plan(experiment, serial, dict.fromkeys(accounts, rho), end)

    @rule(accounts=names, caps=st.integers(4, 12), rho=st.integers(1, 6))
    def begin_a_run(self, accounts: list[Key], caps: int, rho: int) -> None:
        """Everything that a run needs, in one rule, so that charges happen often."""
        for account in accounts:
            self.set_cap(account, caps)
        run, serial = RUNS[len(self.model.plans) % 4], len(self.model.approvals) % 4 + 1
        self.approve(serial, EXPERIMENTS[0], None, self.model.now + 40)
        self.reserve(run, EXPERIMENTS[0], serial, accounts, rho, self.model.now + 30)

    @precondition(lambda self: self.model.plans)
    @rule(
        data=st.data(),
        slot=st.tuples(st.integers(1, 3), st.integers(0, 1)),
        costs=st.lists(st.integers(1, 3), min_size=1, max_size=2),
        odd=st.sampled_from(["", "", "", "account", "experiment", "run"]),
    )
    def charge(self, data: st.DataObject, slot: tuple[int, int], costs: list[int], odd: str) -> None:
        run = data.draw(runs if odd == "run" else st.sampled_from(sorted(self.model.plans)))
        plan = self.model.plans.get(run)
        accounts = data.draw(names) if odd == "account" or plan is None or not plan.left else sorted(plan.left)
        experiment = EXPERIMENTS[1] if odd == "experiment" or plan is None else plan.experiment
        may = self.model.may_charge(run, experiment, slot, accounts, sum(costs))
        if self._try("charge", may, **charge_of(run, experiment, slot, accounts, costs)):
            self.slots.append((run, *slot))
            self.model.plans[run].slots.append(slot)
            for account in accounts:
                self.model.plans[run].left[account] -= sum(costs)
                self.model.spent[account] = self.model.spent.get(account, 0) + sum(costs)

    @rule(run=runs)
    def close(self, run: bytes) -> None:
        plan = self.model.plans.get(run)
        if self._try("close", plan is not None and plan.phase == "open", run=run):
            self.model.plans[run].phase = "closed"

    @rule(run=runs, wrong=st.sampled_from([0, 0, 1]))
    def give_back(self, run: bytes, wrong: int) -> None:
        plan = self.model.plans.get(run)
        left = {} if plan is None else plan.left
        returned = [[*account, Fraction(rest + wrong, UNIT)] for account, rest in left.items()]
        may = plan is not None and plan.phase == "closed" and not wrong
        if returned and self._try("return", may, run=run, returned=returned):
            self.model.plans[run].phase, self.model.plans[run].left = "returned", {}

    @rule(
        of=st.integers(0, 10**6), other=st.integers(0, 10**6), how=st.sampled_from(["drop", "swap", "repeat", "bend"])
    )
    def tamper(self, of: int, other: int, how: str) -> None:
        """No entry may be left out, moved, repeated or altered: the rest of the chain is refused."""
        records, at = list(self.records), of % len(self.records)
        match how:
            case "drop" if at < len(records) - 1:
                del records[at]
            case "swap" if (to := other % len(records)) != at:
                records[at], records[to] = records[to], records[at]
            case "repeat":
                records.insert(at, records[at])
            case "bend":
                data = bytearray(records[at].data)
                data[other % len(data)] ^= 1 << of % 8
                records[at] = Record(bytes(data), records[at].signature)
            case _:
                return
        with pytest.raises(PrivacyError):
            balances.replay(records)

    @invariant()
    def accounts_hold_what_the_model_says(self) -> None:
        """Spent and reserved are the model's, never negative, and together within the largest cap there ever was."""
        for account in ACCOUNTS:
            held = self.state.balance(Account(*account))
            spent, reserved = self.model.spent.get(account, 0), self.model.reserved(account)
            assert (held.spent, held.reserved) == (Fraction(spent, UNIT), Fraction(reserved, UNIT))
            assert held.cap == Fraction(self.model.cap.get(account, 0), UNIT)
            assert held.spent >= 0 and held.reserved >= 0
            assert held.spent + held.reserved <= Fraction(self.model.largest_cap.get(account, 0), UNIT)

    @invariant()
    def slots_are_used_once_and_in_order(self) -> None:
        for run in RUNS:
            used = [slot for slot in self.slots if slot[0] == run]
            assert used == sorted(set(used))

    def teardown(self) -> None:
        """Read back, the ledger says the same: the whole of it twice, and a beginning of it what it said then."""
        if self.advance is balances.advance:
            assert balances.replay(self.records) == self.state == balances.replay(self.records)
            half = balances.replay(self.records[: len(self.records) // 2 + 1])
            assert half.heads == self.state.heads[: half.count]


def _signed(signed: Signed[Any]) -> dict[str, bytes]:
    return {"statement": signed.statement.message(), "signature": signed.signature}


def charge_of(
    run: bytes, experiment: bytes, slot: tuple[int, int], accounts: list[Key], costs: list[int]
) -> dict[str, Any]:
    """Details of a charge of these costs, in units, one release each."""
    releases = [Charged("moments", 3, DELTA, Fraction(VARIANCES[cost - 1])) for cost in costs]
    return {
        "run": run,
        "experiment_hash": experiment,
        "step": slot[0],
        "attempt": slot[1],
        "context_hash": os.urandom(32),
        "payload_hash": b"p" * 32,
        "payload_bytes": 24,
        "roster": ["s0", "s1", "s2"],
        "accounts": [list(account) for account in accounts],
        "releases": [release.value() for release in releases],
        "rho": Fraction(sum(costs), UNIT),
    }


def test_the_ledger_agrees_with_the_model() -> None:
    """Sixty histories of up to thirty acts."""
    bounds = settings(max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[*HealthCheck])
    run_state_machine_as_test(Ledger, settings=bounds)


# -- planted faults ---------------------------------------------------------------------------------------------------


def _free_charges(state: State, record: Record) -> State:
    """A ledger that takes charges and debits nothing."""
    after = balances.advance(state, record)
    charged = Entry.from_bytes(record.data).kind == "charge"
    return replace(after, balances=state.balances, runs=after.runs) if charged else after


def _lets(*codes: str) -> Advance:
    """A ledger that lets an entry stand although a rule with one of these codes forbids it."""

    def advance(state: State, record: Record) -> State:
        try:
            return balances.advance(state, record)
        except BrokenRule as broken:
            if broken.code not in codes:
                raise
            entry = Entry.from_bytes(record.data)
            return replace(state, time=entry.time, heads=(*state.heads, entry.hash))

    return advance


def _closes_for_free(state: State, record: Record) -> State:
    """A ledger that gives back at the close what only the return gives back."""
    after = balances.advance(state, record)
    if Entry.from_bytes(record.data).kind != "close":
        return after
    return replace(after, balances={key: replace(one, reserved=Fraction(0)) for key, one in after.balances.items()})


FAULTS = {
    "free charges": _free_charges,
    "no slots": _lets("slot_used", "step_went_back"),
    "no cap": _lets("budget_exhausted"),
    "no reserve": _lets("over_reserve"),
    "withdrawn revives": _lets("approval_withdrawn"),
    "closed answers": _lets("run_closed"),
    "early return": _closes_for_free,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_ledger_is_caught(fault: str) -> None:
    """Planted: each fault makes ledger and model disagree within two hundred histories (no shrinking)."""
    machine = type("Faulty", (Ledger,), {"advance": staticmethod(FAULTS[fault])})
    bounds = settings(
        max_examples=200,
        stateful_step_count=30,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
        derandomize=True,
        database=None,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=bounds)
