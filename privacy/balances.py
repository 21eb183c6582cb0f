"""Arrives: ledger entries, one after another. Leaves: what every account spent and holds, or a `BrokenRule`.

`advance` is a pure function: the node calls it before it writes an entry and again when it reads one back, so
an entry that may not stand is never written, and one that stands but may not is noticed.

Kept here, for each account: 0 <= spent, 0 <= reserved, and spent + reserved <= the largest cap the account ever
had; a reserve fits under the cap in force at that moment. A charge moves rho from reserved to spent; so races,
retries and replays cannot spend what was not reserved. Invariants and proofs stand in `ledger.md`; its labels [B1]
to [B16] mark lines here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final, TypeVar

from privacy import succession
from privacy.charter import Charter, accepts_successor
from privacy.identity import verify
from privacy.ledger import NO_PREVIOUS, Account, BrokenRule, Entry, Record, malformed, read
from privacy.ledger_state import OWN_FORK, Balance, Run, State
from privacy.statements import (
    Approval,
    CharterAcceptance,
    Deputation,
    HeadCountersignature,
    Signed,
    Statement,
    Withdrawal,
    parse,
)

__all__ = ["OWN_FORK", "Balance", "Run", "State", "advance", "begin", "known_run", "replay", "usable_approval"]
S = TypeVar("S", bound=Statement)
K = TypeVar("K")
V = TypeVar("V")
_ZERO: Final = Fraction(0)


def begin(record: Record) -> State:
    """The state after the first entry, which must be a genesis signed by the key it names."""
    entry = Entry.from_bytes(record.data)
    if (entry.seq, entry.previous, entry.kind) != (0, NO_PREVIOUS, "genesis"):
        raise malformed("A ledger starts with its genesis entry.", f"a {entry.kind} entry numbered {entry.seq}")
    own = entry.details
    read(record, own["node_key"])
    return State(own["school"], own["node_key"], own["fg_key"], entry.time, (entry.hash,), seen_at=entry.time)


def advance(state: State, record: Record) -> State:
    """The state after one more entry. Raises `BrokenRule` or another `PrivacyError`."""
    entry = read(record, state.node_key)
    if entry.seq != state.count:  # [B1]
        raise malformed(f"Entry {state.count} follows entry {state.count - 1}.", f"entry {entry.seq}")
    if entry.previous != state.head:  # [B1]
        raise malformed("An entry names the hash of the entry before it.", f"another at entry {entry.seq}")
    if entry.time < state.time:  # [B2]
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
    if serial in state.withdrawn:  # [B3]
        raise BrokenRule("approval_withdrawn", "A withdrawn serial never revives.", f"serial {serial}", remedy)
    if serial not in state.approvals:
        rule = "A run needs an approval of the school's own FG."
        raise BrokenRule("unapproved", rule, f"no approval with serial {serial}", remedy)
    approval = state.approvals[serial]
    if approval.experiment_hash != experiment_hash:  # [B3]
        rule = "An approval allows exactly the experiment that it names."
        raise BrokenRule("approval_for_other_experiment", rule, "another experiment hash", remedy)
    if state.charter is None or approval.charter_hash != state.charter.hash:
        rule = "An approval holds under the charter that it names."
        raise BrokenRule("approval_for_other_charter", rule, "another charter in force", remedy)
    if state.time > approval.expires:  # [B3]
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
    verify(fg_key, message, signature)  # [B4]
    if getattr(statement, "school") != school:  # noqa: B009 - S is bound to the statements that name a school
        rule = "A school's ledger holds what its own FG signed for it."
        raise BrokenRule("other_school", rule, "a statement for another school", "Sign one for this school.")
    return statement


def _act(state: State, entry: Entry, kind: type[S]) -> tuple[S, State]:
    """What the FG or their deputy signed, and the state that remembers whose act it was."""
    key, deputy = succession.signer(entry, state.fg_key, state.deputy)
    statement = _statement(entry, kind, key, state.school)
    return statement, state if deputy is None else replace(state, acts=_with(state.acts, entry.seq, deputy))


def _deputy(state: State, entry: Entry) -> State:
    named = _statement(entry, Deputation, state.fg_key, state.school)
    last = None if state.deputy is None else state.deputy.statement
    succession.check_deputation(state.charter, last, named)
    return replace(state, deputy=Signed(named, entry.details["signature"]))


def _charter(state: State, entry: Entry) -> State:
    return _adopted(state, entry, state.fg_key)


def _recovery(state: State, entry: Entry) -> State:
    charter = Charter.from_bytes(entry.details["charter"])
    succession.check_recovery(state.charter, charter, state.school, state.fg_key, entry.details["vouchers"])
    return _adopted(state, entry, charter.school(state.school).fg_key)


def _adopted(state: State, entry: Entry, fg_key: bytes) -> State:
    """The state under another charter, once it is shown to be acceptable and accepted with this key."""
    charter = Charter.from_bytes(entry.details["charter"])
    accepted = _statement(entry, CharterAcceptance, fg_key, state.school)
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
    return replace(state, charter=charter, fg_key=own.fg_key, deputy=None)


def _cap(state: State, entry: Entry) -> State:
    account = Account(*entry.details["account"])
    balance = replace(state.balance(account), cap=entry.details["rho"])  # [B5]
    return replace(state, balances=_with(state.balances, account, balance))


def _approval(state: State, entry: Entry) -> State:
    approval, state = _act(state, entry, Approval)
    if approval.serial in state.approvals or approval.serial in state.withdrawn:
        rule = "Every approval has a serial that was never used before."
        raise BrokenRule("serial_used", rule, f"serial {approval.serial} again", "Sign with the next serial.")
    return replace(state, approvals=_with(state.approvals, approval.serial, approval))


def _withdrawal(state: State, entry: Entry) -> State:
    withdrawal, state = _act(state, entry, Withdrawal)
    return replace(state, withdrawn=state.withdrawn | {withdrawal.serial})


def _countersign(state: State, entry: Entry) -> State:
    seen, state = _act(state, entry, HeadCountersignature)
    if seen.seq >= state.count or state.heads[seen.seq] != seen.head:  # [B6]
        rule = "The FG countersigns a head of this very ledger."
        raise BrokenRule("other_head", rule, f"another hash for entry {seen.seq}", "Compare the two ledgers.")
    # A signature made long ago, or put in a second time, shows nothing new: the moment it speaks of counts.
    seen_at = max(state.seen_at, min(seen.signed_at, entry.time))
    last = state.countersigned
    return replace(state, countersigned=seen if last is None or seen.seq > last.seq else last, seen_at=seen_at)


def _reserve(state: State, entry: Entry) -> State:
    details, rho = entry.details, entry.details["rho"]
    if details["run"] in state.runs or any(run.serial == details["serial"] for run in state.runs.values()):  # [B7]
        rule = "One approval allows one run, and a run is reserved once."
        raise BrokenRule("approval_used", rule, f"serial {details['serial']} again", "Ask for a new approval.")
    if state.fork is not None and (state.countersigned is None or state.countersigned.seq < state.fork):
        rule = "After a fork of this ledger was found, no run begins until the FG has countersigned that entry."
        raise BrokenRule("fork_unseen", rule, f"entry {state.fork}", "Read docs/fg.md, then countersign the ledger.")
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
    if rho > balance.left:  # [B8]
        rule = f"Account {account.population}/{account.cohort} has rho {balance.left} left of {balance.cap}."
        remedy = "Submit an experiment with less budget, or other cohorts; the whole plan is refused."
        raise BrokenRule("budget_exhausted", rule, f"a plan of {rho}", remedy)
    held = replace(balance, reserved=balance.reserved + rho)  # [B9]
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
    if not run.open:  # [B10]
        raise BrokenRule("run_closed", "A closed run answers nothing.", "a charge after close", "Start a new run.")
    if run.experiment_hash != details["experiment_hash"]:
        rule = "A charge is for the experiment that was reserved."
        raise BrokenRule("other_experiment", rule, "another experiment hash", "Prepare that experiment first.")
    if state.time > run.deadline:
        rule = "A run is charged before its deadline."
        raise BrokenRule("deadline_passed", rule, "a later time", "Close the run and start a new one.")
    usable_approval(state, run.serial, run.experiment_hash)
    if (details["step"], details["attempt"]) == run.last_slot:  # [B11]
        rule = "A step is answered once in an attempt."
        raise BrokenRule("slot_used", rule, "the same slot", "Raise the attempt, or send the same request.")
    if (details["step"], details["attempt"]) < run.last_slot:  # [B11]
        rule = "Steps and attempts never go back."
        raise BrokenRule("step_went_back", rule, "an earlier slot", "Go on from the last step.")


def _check_cost(entry: Entry) -> None:
    """rho = delta^2 / (2 variance) for every release, and their sum for the charge: in rationals, exactly."""
    for release, written in zip(entry.charged(), entry.details["releases"], strict=True):
        if release.variance == 0 or release.rho != written["rho"]:  # [B12]
            raise malformed("A release costs delta^2 / (2 variance).", f"another rho for {release.query}")
    if sum((release.rho for release in entry.charged()), _ZERO) != entry.details["rho"]:  # [B12]
        raise malformed("A charge costs the sum of its releases.", f"another sum at entry {entry.seq}")


def _spend(state: State, run: Run, account: Account, rho: Fraction) -> tuple[State, Run]:
    """Move rho of one account from held to spent."""
    held = run.held.get(account, _ZERO)
    if account not in run.held or rho > held:  # [B13]
        rule = "A charge stays within what its run reserved on that account."
        raise BrokenRule("over_reserve", rule, f"{rho} with {held} held", "Start a new run with a larger plan.")
    balance = state.balance(account)
    moved = replace(balance, reserved=balance.reserved - rho, spent=balance.spent + rho)  # [B14]
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
    if run.open or run.returned:  # [B15]
        raise malformed("A run returns what it did not spend once, after its close.", "a return at another time")
    returned = {Account(population, cohort): rho for population, cohort, rho in details["returned"]}
    if returned != run.held:  # [B15]
        raise malformed("A run returns exactly what it held and did not spend.", f"other sums at {entry.seq}")
    balances = dict(state.balances)
    for account, rho in returned.items():
        balances[account] = replace(balances[account], reserved=balances[account].reserved - rho)
    run = replace(run, held=MappingProxyType({}), returned=True)
    runs = _with(state.runs, details["run"], run)
    return replace(state, balances=MappingProxyType(balances), runs=runs)


def _noted(state: State, entry: Entry) -> State:
    """Refusals and incidents change no balance; they are there to be read."""
    return replace(state, fork=entry.seq) if entry.details["code"] == OWN_FORK else state  # [B16]


_RULES: Final[Mapping[str, Callable[[State, Entry], State]]] = MappingProxyType(
    {
        "charter": _charter,
        "recovery": _recovery,
        "deputy": _deputy,
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
