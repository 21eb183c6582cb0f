"""Ledger entries and what they mean together: each invariant holds on a good chain and is broken by one bad entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy import balances, canonical
from privacy.balances import Balance, advance, begin, known_run, replay
from privacy.errors import PrivacyError, SignatureError
from privacy.identity import SigningKey
from privacy.ledger import TAG, Account, BrokenRule, Charged, Entry, Record, genesis, read, write
from privacy.statements import Signed, run_id, sign
from tests.ledger_world import ACCOUNT, COST, DAY, EXPERIMENT, OTHER_ACCOUNT, START, World, make_charter

RUN = run_id(EXPERIMENT, {"s0": 1})
RECOVERY = {"charter": b"c", "statement": b"s", "signature": bytes(64)}
STUDENTS = Account(*ACCOUNT)


class Chain:
    """A ledger in memory: entries are signed by the node and judged by the rules, nothing else."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.records = [write(genesis("s0", world.node.public, world.fg.public, START), world.node)]
        self.state = begin(self.records[0])

    def add(self, kind: str, time: int = START, **details: Any) -> Chain:
        entry = Entry(self.state.count, self.state.head, time, kind, details)
        record = write(entry, self.world.node)
        self.state = advance(self.state, record)
        self.records.append(record)
        return self

    def signed(self, kind: str, signed: Signed[Any], **more: Any) -> Chain:
        return self.add(kind, statement=signed.statement.message(), signature=signed.signature, **more)

    def charter(self) -> Chain:
        charter = self.world.charter
        return self.signed("charter", self.world.acceptance(charter), charter=charter.to_bytes())

    def reserve(self, **changes: Any) -> Chain:
        details: dict[str, Any] = {
            "run": RUN,
            "experiment_hash": EXPERIMENT,
            "serial": 1,
            "accounts": [list(ACCOUNT)],
            "rho": Fraction(1, 50),
            "deadline": START + DAY,
        }
        return self.add("reserve", **{**details, **changes})

    def charge(self, **changes: Any) -> Chain:
        return self.add("charge", **{**charge_details(), **changes})

    def ready(self) -> Chain:
        """Charter, cap 1, approval 1 and a reserved run of rho 1/50."""
        self.charter().add("cap", account=list(ACCOUNT), rho=Fraction(1))
        return self.signed("approval", self.world.approval()).reserve()


def charge_details() -> dict[str, Any]:
    return {
        "run": RUN,
        "experiment_hash": EXPERIMENT,
        "step": 1,
        "attempt": 0,
        "context_hash": b"c" * 32,
        "payload_hash": b"p" * 32,
        "payload_bytes": 24,
        "roster": ["s0", "s1", "s2"],
        "accounts": [list(ACCOUNT)],
        "releases": [Charged("moments", 3, 100, Fraction(10**6)).value()],
        "rho": COST,
    }


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(World(tmp_path))


def refuses(code: str, act: Callable[[], Any]) -> None:
    with pytest.raises(BrokenRule) as caught:
        act()
    assert caught.value.code == code, str(caught.value)


def test_reserve_charge_close_return_balance_exactly(chain: Chain) -> None:
    """Reserve 1/50, spend 1/200 twice, close: 1/100 spent, nothing held, 99/100 left; and replay says the same."""
    chain.ready()
    assert chain.state.balance(STUDENTS) == Balance(Fraction(1), Fraction(0), Fraction(1, 50))
    chain.charge().charge(step=2)
    assert chain.state.balance(STUDENTS) == Balance(Fraction(1), Fraction(1, 100), Fraction(1, 100))
    chain.add("close", run=RUN).add("return", run=RUN, returned=[[*ACCOUNT, Fraction(1, 100)]])
    assert chain.state.balance(STUDENTS) == Balance(Fraction(1), Fraction(1, 100), Fraction(0))
    assert chain.state.balance(STUDENTS).left == Fraction(99, 100)
    assert replay(chain.records) == chain.state


def test_an_entry_survives_the_wire() -> None:
    """Bytes and back: the same entry and hash; the releases' rho is recomputed, not read."""
    entry = Entry(3, b"h" * 32, START, "charge", charge_details())
    again = Entry.from_bytes(entry.to_bytes())
    assert again.to_bytes() == entry.to_bytes() and again.hash == entry.hash
    assert again.charged() == (Charged("moments", 3, 100, Fraction(10**6)),)
    assert again.charged()[0].rho == COST and again.accounts() == (STUDENTS,)


@pytest.mark.parametrize(
    "changes",
    [
        {"run": b"short"},
        {"step": -1},
        {"roster": []},
        {"roster": ["../s0"]},
        {"accounts": []},
        {"accounts": [["student"]]},
        {"accounts": [list(ACCOUNT), list(ACCOUNT)]},
        {"releases": []},
        {"releases": [{"query": "moments"}]},
        {"releases": [{**Charged("moments", 3, 100, Fraction(1)).value(), "dimension": -1}]},
        {"releases": [{**Charged("moments", 3, 100, Fraction(1)).value(), "variance": 1.0}]},
        {"rho": 1},
        {"surplus": 1},
    ],
)
def test_details_of_another_shape_are_refused(changes: dict[str, Any]) -> None:
    """A detail of another type, an empty list, a doubled account, an unknown key."""
    refuses("ledger_malformed", lambda: Entry(1, b"h" * 32, START, "charge", {**charge_details(), **changes}))


@pytest.mark.parametrize(
    "act",
    [
        lambda: Entry(-1, b"h" * 32, START, "close", {"run": RUN}),
        lambda: Entry(1, b"short", START, "close", {"run": RUN}),
        lambda: Entry(1, b"h" * 32, START, "gift", {"run": RUN}),
        lambda: Entry(1, b"h" * 32, START, "return", {"run": RUN, "returned": [["student", "2023"]]}),
        lambda: Entry(1, b"h" * 32, START, "return", {"run": RUN, "returned": [[1, 2, 3]]}),
        lambda: Entry(1, b"h" * 32, START, "incident", {"code": "x", "head": b"h" * 32, "note": "line\nbreak"}),
        lambda: Entry(1, b"h" * 32, START, "recovery", {**RECOVERY, "vouchers": []}),
        lambda: Entry(1, b"h" * 32, START, "recovery", {**RECOVERY, "vouchers": [[b"message"]]}),
        lambda: Entry.from_bytes(canonical.encode(["another tag"])),
        lambda: Entry.from_bytes(canonical.encode([TAG, 1, b"h" * 32, START, "close", []])),
    ],
)
def test_entries_of_another_shape_are_refused(act: Callable[[], Any]) -> None:
    """Numbers, hashes, kinds and details are checked when an entry is made, also from bytes."""
    refuses("ledger_malformed", act)


def test_only_the_node_writes(chain: Chain) -> None:
    """An entry signed by another key is refused, as is a genesis that names a key which did not sign it."""
    entry = Entry(1, chain.state.head, START, "cap", {"account": list(ACCOUNT), "rho": Fraction(1)})
    foreign = write(entry, SigningKey.generate())
    with pytest.raises(SignatureError):
        advance(chain.state, foreign)
    with pytest.raises(SignatureError):
        read(foreign, chain.world.node.public)
    with pytest.raises(SignatureError):
        begin(write(genesis("s0", chain.world.node.public, chain.world.fg.public, START), SigningKey.generate()))


def test_the_chain_is_one_unbroken_line(chain: Chain) -> None:
    """A gap, another previous hash, a time before the last, a second genesis, a wrong or missing start."""
    node, details = chain.world.node, {"account": list(ACCOUNT), "rho": Fraction(1)}
    for bad in [
        Entry(2, chain.state.head, START, "cap", details),
        Entry(1, b"x" * 32, START, "cap", details),
        Entry(1, chain.state.head, START - 1, "cap", details),
        Entry(1, chain.state.head, START, "genesis", dict(genesis("s0", node.public, node.public, 0).details)),
    ]:
        refuses("ledger_malformed", lambda bad=bad: advance(chain.state, write(bad, node)))
    refuses("ledger_malformed", lambda: begin(write(Entry(0, bytes(32), START, "cap", details), node)))
    refuses("ledger_malformed", lambda: replay([]))


def test_every_edit_of_a_chain_is_refused(chain: Chain) -> None:
    """Any one entry left out, two swapped, or one byte changed: replay raises. Unedited it does not."""
    chain.ready().charge().add("close", run=RUN)
    replay(chain.records)
    for i in range(len(chain.records) - 1):
        cut = chain.records[:i] + chain.records[i + 1 :]
        swapped = [*chain.records[:i], chain.records[i + 1], chain.records[i], *chain.records[i + 2 :]]
        data = bytearray(chain.records[i].data)
        data[len(data) // 2] ^= 1
        edited = [*chain.records[:i], Record(bytes(data), chain.records[i].signature), *chain.records[i + 1 :]]
        for records in (cut, swapped, edited):
            with pytest.raises(PrivacyError):
                replay(records)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("run_unknown", {"run": b"x" * 32}),
        ("other_experiment", {"experiment_hash": b"x" * 32}),
        ("over_reserve", {"accounts": [list(OTHER_ACCOUNT)]}),
        ("deadline_passed", {"time": START + DAY + 1}),
        ("ledger_malformed", {"rho": COST / 2}),
        ("ledger_malformed", {"releases": [{**Charged("m", 3, 100, Fraction(10**6)).value(), "rho": COST / 2}]}),
        ("ledger_malformed", {"releases": [{**Charged("m", 3, 100, Fraction(1)).value(), "variance": Fraction(0)}]}),
        (
            "over_reserve",
            {"releases": [Charged("m", 3, 100, Fraction(10**5)).value()], "rho": Fraction(1, 20)},
        ),
    ],
)
def test_a_charge_outside_its_reserve_is_refused(chain: Chain, code: str, changes: dict[str, Any]) -> None:
    """Another run, experiment or account, too late, too dear, or at a cost that is not delta^2/(2 variance)."""
    chain.ready()
    refuses(code, lambda: chain.charge(**changes))
    chain.charge()


def test_slots_never_repeat_or_go_back(chain: Chain) -> None:
    """After step 2, attempt 1: not again, not attempt 0, not step 1; step 2 attempt 2 and step 3 may follow."""
    chain.ready().charge(step=2, attempt=1)
    refuses("slot_used", lambda: chain.charge(step=2, attempt=1))
    refuses("step_went_back", lambda: chain.charge(step=2, attempt=0))
    refuses("step_went_back", lambda: chain.charge(step=1, attempt=5))
    chain.charge(step=2, attempt=2).charge(step=3)


def test_a_closed_run_is_closed(chain: Chain) -> None:
    """No charge, no second close, no second or other return, and no return while open."""
    chain.ready()
    refuses("ledger_malformed", lambda: chain.add("return", run=RUN, returned=[[*ACCOUNT, Fraction(1, 50)]]))
    chain.add("close", run=RUN)
    refuses("run_closed", chain.charge)
    refuses("run_closed", lambda: chain.add("close", run=RUN))
    refuses("ledger_malformed", lambda: chain.add("return", run=RUN, returned=[[*ACCOUNT, Fraction(1, 49)]]))
    chain.add("return", run=RUN, returned=[[*ACCOUNT, Fraction(1, 50)]])
    refuses("ledger_malformed", lambda: chain.add("return", run=RUN, returned=[[*ACCOUNT, Fraction(1, 50)]]))
    assert chain.state.balance(STUDENTS).left == 1
    refuses("run_unknown", lambda: known_run(chain.state, b"x" * 32))


def test_caps_hold_and_may_be_lowered(chain: Chain) -> None:
    """A plan above the cap is refused whole; a cap lowered below what is held stops new plans, not the running one."""
    chain.charter().add("cap", account=list(ACCOUNT), rho=Fraction(1, 60))
    chain.signed("approval", chain.world.approval())
    refuses("budget_exhausted", chain.reserve)
    both = [list(ACCOUNT), list(OTHER_ACCOUNT)]
    refuses("budget_exhausted", lambda: chain.reserve(rho=Fraction(1, 100), accounts=both))
    chain.reserve(rho=Fraction(1, 60)).add("cap", account=list(ACCOUNT), rho=Fraction(0))
    assert chain.state.balance(STUDENTS).left == 0
    chain.charge().signed("approval", chain.world.approval(2))
    refuses("budget_exhausted", lambda: chain.reserve(run=b"2" * 32, serial=2, rho=Fraction(1, 10**9)))


@pytest.mark.parametrize(
    ("code", "approval", "changes"),
    [
        ("unapproved", {"serial": 2}, {}),
        ("approval_for_other_experiment", {"experiment_hash": b"x" * 32}, {}),
        ("approval_for_other_charter", {"charter_hash": b"x" * 32}, {}),
        ("approval_expired", {"expires": START - 1}, {}),
        ("over_approved_cap", {"cap_rho": Fraction(1, 51)}, {}),
        ("deadline_passed", {}, {"deadline": START}),
    ],
)
def test_a_reserve_needs_an_approval_that_holds(
    chain: Chain, code: str, approval: dict[str, Any], changes: dict[str, Any]
) -> None:
    """No approval, one for another experiment or charter, an expired one, one that allows less; a past deadline."""
    chain.charter().add("cap", account=list(ACCOUNT), rho=Fraction(1))
    chain.signed("approval", chain.world.approval(**{"serial": 1, **approval}))
    refuses(code, lambda: chain.reserve(**changes))


def test_one_approval_allows_one_run(chain: Chain) -> None:
    """A second run on the same serial is refused, and so is a second reserve of the same run."""
    chain.ready().signed("approval", chain.world.approval(2))
    refuses("approval_used", lambda: chain.reserve(run=b"2" * 32))
    refuses("approval_used", lambda: chain.reserve(serial=2))


def test_a_withdrawn_serial_stops_the_run_and_never_revives(chain: Chain) -> None:
    """After withdrawal nothing is charged; the serial cannot be approved again, nor one withdrawn beforehand."""
    chain.ready().charge().signed("withdrawal", chain.world.withdrawal())
    refuses("approval_withdrawn", lambda: chain.charge(step=2))
    refuses("serial_used", lambda: chain.signed("approval", chain.world.approval()))
    chain.signed("withdrawal", chain.world.withdrawal(9))
    refuses("serial_used", lambda: chain.signed("approval", chain.world.approval(9)))


def test_an_approval_that_expires_stops_the_run(chain: Chain) -> None:
    """Expiry is tested at every charge, not at the reserve alone."""
    chain.charter().add("cap", account=list(ACCOUNT), rho=Fraction(1))
    chain.signed("approval", chain.world.approval(expires=START + 5)).reserve().charge(time=START + 5)
    refuses("approval_expired", lambda: chain.charge(step=2, time=START + 6))


def test_statements_count_only_when_the_own_fg_signed_them(chain: Chain) -> None:
    """A foreign signature, another school's statement, and a statement of another kind are refused."""
    world = chain.world
    chain.charter()
    with pytest.raises(SignatureError):
        chain.signed("approval", world.approval(key=world.coordinator))
    refuses("other_school", lambda: chain.signed("approval", world.approval(school="s1")))
    refuses("ledger_malformed", lambda: chain.signed("approval", world.withdrawal()))


def test_a_charter_enters_only_when_accepted_and_in_order(chain: Chain) -> None:
    """Another charter than signed, other keys than this ledger's, a skipped version; a new FG key takes over."""
    world = chain.world
    keys = [(s.node_key, s.fg_key) for s in world.charter.schools]
    other = make_charter(world.coordinator.public, keys, name="Another")

    def enter(accepted: Any, charter: Any, key: SigningKey | None = None) -> Chain:
        return chain.signed("charter", world.acceptance(accepted, key), charter=charter.to_bytes())

    refuses("charter_not_accepted", lambda: enter(other, world.charter))
    strange = make_charter(world.coordinator.public, [(b"n" * 32, world.fg.public), *keys[1:]])
    refuses("charter_other_node", lambda: enter(strange, strange))
    strange = make_charter(world.coordinator.public, [(world.node.public, b"f" * 32), *keys[1:]])
    refuses("charter_other_fg", lambda: enter(strange, strange))
    chain.charter()
    with pytest.raises(PrivacyError, match="one more than"):
        enter(other, other)
    new_fg = SigningKey.generate()
    renewed = make_charter(
        world.coordinator.public,
        [(world.node.public, new_fg.public), *keys[1:]],
        version=2,
        previous_hash=world.charter.hash,
    )
    enter(renewed, renewed)
    approval = replace(world.approval().statement, charter_hash=renewed.hash)
    with pytest.raises(SignatureError):
        chain.signed("approval", sign(approval, world.fg))
    chain.signed("approval", sign(approval, new_fg))


def test_an_approval_ends_with_its_charter(chain: Chain) -> None:
    """A run under a charter that was replaced is charged no more."""
    world = chain.ready().world
    following = replace(world.charter, version=2, previous_hash=world.charter.hash)
    chain.signed("charter", world.acceptance(following), charter=following.to_bytes())
    refuses("approval_for_other_charter", chain.charge)


def test_a_countersignature_is_of_this_ledger(chain: Chain) -> None:
    """A head of this chain is noted; another hash or a later number is refused."""
    head = chain.state.head
    chain.charter()
    refuses("other_head", lambda: chain.signed("countersign", chain.world.countersignature(0, b"x" * 32)))
    refuses("other_head", lambda: chain.signed("countersign", chain.world.countersignature(5, head)))
    chain.signed("countersign", chain.world.countersignature(0, head))
    assert chain.state.countersigned is not None and chain.state.countersigned.seq == 0


def test_refusals_and_incidents_change_no_balance(chain: Chain) -> None:
    """They are noted and nothing else moves."""
    before = chain.ready().state.balances
    chain.add("refusal", code="slot_used", request_hash=b"q" * 32, run=RUN, step=1, attempt=0)
    chain.add("refusal", code="not_ready", request_hash=b"q" * 32, run=None, step=None, attempt=None)
    chain.add("incident", code="head_accepted", head=b"h" * 32, note="no counter")
    assert chain.state.balances == before


def _holds(chain: Chain) -> None:
    """Claim 1 of `ledger.md`, (i) to (iii), (iv) and (vi), from the entries alone: another way than `advance` goes."""
    entries = [Entry.from_bytes(record.data) for record in chain.records]
    charges = [entry.details for entry in entries if entry.kind == "charge"]
    for account, balance in chain.state.balances.items():
        named = [charge["rho"] for charge in charges if list(account) in charge["accounts"]]
        caps = [e.details["rho"] for e in entries if e.kind == "cap" and e.details["account"] == list(account)]
        held = sum((run.held.get(account, Fraction(0)) for run in chain.state.runs.values()), Fraction(0))
        assert balance.spent == sum(named, Fraction(0)) >= 0 and balance.reserved == held >= 0
        assert balance.spent + balance.reserved <= max(caps)
    slots = [(charge["run"], charge["step"], charge["attempt"]) for charge in charges]
    assert all(first[1:] < second[1:] for first, second in combinations(slots, 2) if first[0] == second[0])
    reserved = [entry.details["serial"] for entry in entries if entry.kind == "reserve"]
    assert len(set(reserved)) == len(reserved)


def attempt(chain: Chain, verb: str, serial: int, step: int, rho: Fraction) -> Chain:
    """Try one verb on the run of this serial, with a release that costs `rho`."""
    run = run_id(EXPERIMENT, {"s0": serial})
    known = chain.state.runs.get(run)
    held = known.held.get(STUDENTS, Fraction(0)) if known else rho
    release = Charged("q", 1, 100, Fraction(10**4) / (2 * rho) if rho else Fraction(1)).value()
    acts: dict[str, Callable[[], Chain]] = {
        "approve": lambda: chain.signed("approval", chain.world.approval(serial)),
        "withdraw": lambda: chain.signed("withdrawal", chain.world.withdrawal(serial)),
        "cap": lambda: chain.add("cap", account=list(ACCOUNT), rho=rho),
        "reserve": lambda: chain.reserve(run=run, serial=serial, rho=rho),
        "charge": lambda: chain.charge(run=run, step=step, releases=[release], rho=release["rho"]),
        "close": lambda: chain.add("close", run=run),
        "return": lambda: chain.add("return", run=run, returned=[[*ACCOUNT, held]]),
    }
    return acts[verb]()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "charge", "close", "return", "approve", "withdraw", "cap"]),
        st.integers(1, 3),
        st.integers(0, 3),
        st.fractions(0, 1, max_denominator=8),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_whatever_is_asked_balances_hold_and_refusals_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: Any
) -> None:
    """Random orders of every verb, most of them refused: spent + reserved never exceed the largest cap there was, also
    where it is raised and lowered in between, and a refused entry leaves the state as it was.
    """
    chain = Chain(World(tmp_path_factory.mktemp("chain"))).charter()
    chain.add("cap", account=list(ACCOUNT), rho=Fraction(1))
    chain.signed("approval", chain.world.approval(1)).signed("approval", chain.world.approval(2))
    for verb, serial, step, rho in steps:
        before = chain.state
        try:
            attempt(chain, verb, serial, step, rho)
        except BrokenRule:
            assert chain.state is before
        _holds(chain)
    assert replay(chain.records) == chain.state


@pytest.mark.parametrize("fault", ["a charge beyond what is held", "a reserve beyond the cap", "a slot twice"])
def test_a_planted_fault_in_the_rules_breaks_the_claims(
    chain: Chain, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controls of `_holds`: with one rule taken out, the history that it forbids is found to break a claim."""
    chain.ready()
    _holds(chain)
    if fault == "a charge beyond what is held":
        monkeypatch.setattr(balances, "_spend", lambda state, run, account, rho: (state, run))
        chain.charge()
    elif fault == "a reserve beyond the cap":
        monkeypatch.setattr(Balance, "left", Fraction(100))
        chain.signed("approval", chain.world.approval(2))
        chain.reserve(run=run_id(EXPERIMENT, {"s0": 2}), serial=2, rho=Fraction(2))
    else:
        monkeypatch.setattr(balances, "_check_charge", lambda state, run, entry: None)
        chain.charge().charge()
    with pytest.raises(AssertionError):
        _holds(chain)
