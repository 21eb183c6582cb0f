"""Arrives: ledger entries, one after another. Leaves: what every account spent and holds, or a `BrokenRule`.

`advance` is a pure function: the node calls it before it writes an entry and again when it reads one back, so
an entry that may not stand is never written, and one that stands but may not is noticed.

Kept here, for each account: 0 <= spent, 0 <= reserved, and spent + reserved <= cap whenever something is
reserved. A charge moves rho from reserved to spent; so races, retries and replays cannot spend what was not
reserved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final, TypeVar

from privacy.charter import Charter, accepts_successor
from privacy.identity import verify
from privacy.ledger import NO_PREVIOUS, Account, BrokenRule, Entry, Record, malformed, read
from privacy.statements import (
    Approval,
    CharterAcceptance,
    HeadCountersignature,
    Statement,
    Withdrawal,
    parse,
)

S = TypeVar("S", bound=Statement)
K = TypeVar("K")
V = TypeVar("V")
_ZERO: Final = Fraction(0)


@dataclass(frozen=True)
class Balance:
    """One account, in zCDP rho: its cap (0 while none was set), what was spent, what open plans hold."""

    cap: Fraction = _ZERO
    spent: Fraction = _ZERO
    reserved: Fraction = _ZERO

    @property
    def left(self) -> Fraction:
        """What a new plan may still reserve; 0 when a cap was lowered below what is already held."""
        return max(_ZERO, self.cap - self.spent - self.reserved)


@dataclass(frozen=True)
class Run:
    """One run: what its accounts still hold, until when it may be charged, and the last slot it answered."""

    experiment_hash: bytes
    serial: int
    accounts: tuple[Account, ...]
    held: Mapping[Account, Fraction]
    deadline: int
    open: bool = True
    returned: bool = False
    last_slot: tuple[int, int] = (-1, -1)


@dataclass(frozen=True)
class State:
    """Everything a ledger says so far. `heads[seq]` is the hash of entry `seq`."""

    school: str
    node_key: bytes
    fg_key: bytes
    time: int
    heads: tuple[bytes, ...]
    charter: Charter | None = None
    balances: Mapping[Account, Balance] = field(default_factory=dict)
    approvals: Mapping[int, Approval] = field(default_factory=dict)
    withdrawn: frozenset[int] = frozenset()
    runs: Mapping[bytes, Run] = field(default_factory=dict)
    countersigned: HeadCountersignature | None = None

    @property
    def head(self) -> bytes:
        """The hash of the last entry."""
        return self.heads[-1]

    @property
    def count(self) -> int:
        """The number of entries."""
        return len(self.heads)

    def balance(self, account: Account) -> Balance:
        """The account's balance; all zero if the ledger never named it."""
        return self.balances.get(account, Balance())


def begin(record: Record) -> State:
    """The state after the first entry, which must be a genesis signed by the key it names."""
    entry = Entry.from_bytes(record.data)
    if (entry.seq, entry.previous, entry.kind) != (0, NO_PREVIOUS, "genesis"):
        raise malformed("A ledger starts with its genesis entry.", f"a {entry.kind} entry numbered {entry.seq}")
    own = entry.details
    read(record, own["node_key"])
    return State(own["school"], own["node_key"], own["fg_key"], entry.time, (entry.hash,))


def advance(state: State, record: Record) -> State:
    """The state after one more entry. Raises `BrokenRule` or another `PrivacyError`."""
    entry = read(record, state.node_key)
    if entry.seq != state.count:
        raise malformed(f"Entry {state.count} follows entry {state.count - 1}.", f"entry {entry.seq}")
    if entry.previous != state.head:
        raise malformed("An entry names the hash of the entry before it.", f"another at entry {entry.seq}")
    if entry.time < state.time:
        raise malformed("Time in the ledger never goes back.", f"an earlier time at entry {entry.seq}")
    if entry.kind not in _RULES:
        raise malformed("A ledger has one genesis entry.", f"a second at entry {entry.seq}")
    after = _RULES[entry.kind](replace(state, time=entry.time), entry)
    return replace(after, heads=(*state.heads, entry.hash))


def replay(records: Iterable[Record]) -> State:
    """The state after all of these. Raises as `begin` and `advance` do, also without any entry."""
    rest = iter(records)
    first = next(rest, None)
    if first is None:
        raise malformed("A ledger starts with its genesis entry.", "no entry at all")
    state = begin(first)
    for record in rest:
        state = advance(state, record)
    return state


def usable_approval(state: State, serial: int, experiment_hash: bytes) -> Approval:
    """The approval with this serial, if it allows this experiment now, under the charter in force.

    Raises `BrokenRule` with code unapproved, approval_withdrawn, approval_for_other_experiment,
    approval_for_other_charter or approval_expired.
    """
    remedy = "Ask the FG to sign an approval of exactly this experiment."
    if serial in state.withdrawn:
        raise BrokenRule("approval_withdrawn", "A withdrawn serial never revives.", f"serial {serial}", remedy)
    if serial not in state.approvals:
        rule = "A run needs an approval of the school's own FG."
        raise BrokenRule("unapproved", rule, f"no approval with serial {serial}", remedy)
    approval = state.approvals[serial]
    if approval.experiment_hash != experiment_hash:
        rule = "An approval allows exactly the experiment that it names."
        raise BrokenRule("approval_for_other_experiment", rule, "another experiment hash", remedy)
    if state.charter is None or approval.charter_hash != state.charter.hash:
        rule = "An approval holds under the charter that it names."
        raise BrokenRule("approval_for_other_charter", rule, "another charter in force", remedy)
    if state.time > approval.expires:
        raise BrokenRule("approval_expired", "An approval holds until it expires.", "a later time", remedy)
    return approval


def _with(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    return MappingProxyType({**mapping, key: value})


def _statement(entry: Entry, kind: type[S], fg_key: bytes, school: str) -> S:
    """The statement that an entry carries, once the FG is shown to have signed it for this school."""
    message, signature = entry.details["statement"], entry.details["signature"]
    statement: Any = parse(message)
    if not isinstance(statement, kind):
        raise malformed(f"This entry carries a {kind.__name__}.", type(statement).__name__)
    verify(fg_key, message, signature)
    if getattr(statement, "school") != school:  # noqa: B009 - S is bound to the statements that name a school
        rule = "A school's ledger holds what its own FG signed for it."
        raise BrokenRule("other_school", rule, "a statement for another school", "Sign one for this school.")
    return statement


def _charter(state: State, entry: Entry) -> State:
    charter = Charter.from_bytes(entry.details["charter"])
    accepted = _statement(entry, CharterAcceptance, state.fg_key, state.school)
    if (accepted.charter_hash, accepted.version) != (charter.hash, charter.version):
        rule = "The FG's signature is for exactly this charter."
        raise BrokenRule("charter_not_accepted", rule, "one for another charter", "Let the FG sign this one.")
    if state.charter is not None:
        accepts_successor(state.charter, charter)
    own = charter.school(state.school)
    if own.node_key != state.node_key:
        rule = "The charter lists this node's own key."
        raise BrokenRule("charter_other_node", rule, "another key", "Give the coordinator this node's key.")
    if state.charter is None and own.fg_key != state.fg_key:
        rule = "The first charter lists the FG's key that this ledger began with."
        raise BrokenRule("charter_other_fg", rule, "another key", "Give the coordinator this FG's key.")
    return replace(state, charter=charter, fg_key=own.fg_key)


def _cap(state: State, entry: Entry) -> State:
    account = Account(*entry.details["account"])
    balance = replace(state.balance(account), cap=entry.details["rho"])
    return replace(state, balances=_with(state.balances, account, balance))


def _approval(state: State, entry: Entry) -> State:
    approval = _statement(entry, Approval, state.fg_key, state.school)
    if approval.serial in state.approvals or approval.serial in state.withdrawn:
        rule = "Every approval has a serial that was never used before."
        raise BrokenRule("serial_used", rule, f"serial {approval.serial} again", "Sign with the next serial.")
    return replace(state, approvals=_with(state.approvals, approval.serial, approval))


def _withdrawal(state: State, entry: Entry) -> State:
    withdrawal = _statement(entry, Withdrawal, state.fg_key, state.school)
    return replace(state, withdrawn=state.withdrawn | {withdrawal.serial})


def _countersign(state: State, entry: Entry) -> State:
    seen = _statement(entry, HeadCountersignature, state.fg_key, state.school)
    if seen.seq >= state.count or state.heads[seen.seq] != seen.head:
        rule = "The FG countersigns a head of this very ledger."
        raise BrokenRule("other_head", rule, f"another hash for entry {seen.seq}", "Compare the two ledgers.")
    return replace(state, countersigned=seen)


def _reserve(state: State, entry: Entry) -> State:
    details, rho = entry.details, entry.details["rho"]
    if details["run"] in state.runs or any(run.serial == details["serial"] for run in state.runs.values()):
        rule = "One approval allows one run, and a run is reserved once."
        raise BrokenRule("approval_used", rule, f"serial {details['serial']} again", "Ask for a new approval.")
    approval = usable_approval(state, details["serial"], details["experiment_hash"])
    if approval.cap_rho is not None and rho > approval.cap_rho:
        rule = f"The FG allowed this run at most rho {approval.cap_rho}."
        raise BrokenRule("over_approved_cap", rule, f"a plan of {rho}", "Submit an experiment with less budget.")
    if details["deadline"] <= state.time:
        rule = "A plan's deadline lies ahead."
        raise BrokenRule("deadline_passed", rule, "a deadline that has passed", "Prepare with a later one.")
    for account in entry.accounts():
        state = _hold(state, account, rho)
    held = MappingProxyType(dict.fromkeys(entry.accounts(), rho))
    run = Run(details["experiment_hash"], details["serial"], entry.accounts(), held, details["deadline"])
    return replace(state, runs=_with(state.runs, details["run"], run))


def _hold(state: State, account: Account, rho: Fraction) -> State:
    balance = state.balance(account)
    if rho > balance.left:
        rule = f"Account {account.population}/{account.cohort} has rho {balance.left} left of {balance.cap}."
        remedy = "Submit an experiment with less budget, or other cohorts; the whole plan is refused."
        raise BrokenRule("budget_exhausted", rule, f"a plan of {rho}", remedy)
    held = replace(balance, reserved=balance.reserved + rho)
    return replace(state, balances=_with(state.balances, account, held))


def known_run(state: State, run: bytes) -> Run:
    """The run with this id. Raises `BrokenRule` with code run_unknown when it was never reserved."""
    if run not in state.runs:
        rule = "A run is prepared and reserved first."
        raise BrokenRule("run_unknown", rule, "a run without reserve", "Prepare this school first.")
    return state.runs[run]


def _charge(state: State, entry: Entry) -> State:
    details = entry.details
    run = known_run(state, details["run"])
    _check_charge(state, run, entry)
    _check_cost(entry)
    for account in entry.accounts():
        state, run = _spend(state, run, account, details["rho"])
    run = replace(run, last_slot=(details["step"], details["attempt"]))
    return replace(state, runs=_with(state.runs, details["run"], run))


def _check_charge(state: State, run: Run, entry: Entry) -> None:
    details = entry.details
    if not run.open:
        raise BrokenRule("run_closed", "A closed run answers nothing.", "a charge after close", "Start a new run.")
    if run.experiment_hash != details["experiment_hash"]:
        rule = "A charge is for the experiment that was reserved."
        raise BrokenRule("other_experiment", rule, "another experiment hash", "Prepare that experiment first.")
    if state.time > run.deadline:
        rule = "A run is charged before its deadline."
        raise BrokenRule("deadline_passed", rule, "a later time", "Close the run and start a new one.")
    usable_approval(state, run.serial, run.experiment_hash)
    if (details["step"], details["attempt"]) == run.last_slot:
        rule = "A step is answered once in an attempt."
        raise BrokenRule("slot_used", rule, "the same slot", "Raise the attempt, or send the same request.")
    if (details["step"], details["attempt"]) < run.last_slot:
        rule = "Steps and attempts never go back."
        raise BrokenRule("step_went_back", rule, "an earlier slot", "Go on from the last step.")


def _check_cost(entry: Entry) -> None:
    """rho = delta^2 / (2 variance) for every release, and their sum for the charge: in rationals, exactly."""
    for release, written in zip(entry.charged(), entry.details["releases"], strict=True):
        if release.variance == 0 or release.rho != written["rho"]:
            raise malformed("A release costs delta^2 / (2 variance).", f"another rho for {release.query}")
    if sum((release.rho for release in entry.charged()), _ZERO) != entry.details["rho"]:
        raise malformed("A charge costs the sum of its releases.", f"another sum at entry {entry.seq}")


def _spend(state: State, run: Run, account: Account, rho: Fraction) -> tuple[State, Run]:
    """Move rho of one account from held to spent."""
    held = run.held.get(account, _ZERO)
    if account not in run.held or rho > held:
        rule = "A charge stays within what its run reserved on that account."
        raise BrokenRule("over_reserve", rule, f"{rho} with {held} held", "Start a new run with a larger plan.")
    balance = state.balance(account)
    moved = replace(balance, reserved=balance.reserved - rho, spent=balance.spent + rho)
    state = replace(state, balances=_with(state.balances, account, moved))
    return state, replace(run, held=_with(run.held, account, held - rho))


def _close(state: State, entry: Entry) -> State:
    run = known_run(state, entry.details["run"])
    if not run.open:
        raise BrokenRule("run_closed", "A run is closed once.", "a second close", "Nothing needs to be done.")
    return replace(state, runs=_with(state.runs, entry.details["run"], replace(run, open=False)))


def _return(state: State, entry: Entry) -> State:
    details = entry.details
    run = known_run(state, details["run"])
    if run.open or run.returned:
        raise malformed("A run returns what it did not spend once, after its close.", "a return at another time")
    returned = {Account(population, cohort): rho for population, cohort, rho in details["returned"]}
    if returned != run.held:
        raise malformed("A run returns exactly what it held and did not spend.", f"other sums at {entry.seq}")
    balances = dict(state.balances)
    for account, rho in returned.items():
        balances[account] = replace(balances[account], reserved=balances[account].reserved - rho)
    run = replace(run, held=MappingProxyType({}), returned=True)
    runs = _with(state.runs, details["run"], run)
    return replace(state, balances=MappingProxyType(balances), runs=runs)


def _noted(state: State, entry: Entry) -> State:
    """Refusals and incidents change no balance; they are there to be read."""
    return state


_RULES: Final[Mapping[str, Callable[[State, Entry], State]]] = MappingProxyType(
    {
        "charter": _charter,
        "cap": _cap,
        "approval": _approval,
        "withdrawal": _withdrawal,
        "reserve": _reserve,
        "charge": _charge,
        "close": _close,
        "return": _return,
        "countersign": _countersign,
        "refusal": _noted,
        "incident": _noted,
    }
)
