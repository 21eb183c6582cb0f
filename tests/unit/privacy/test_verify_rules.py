"""Every rule of the verifier by itself: a ledger in which only that rule is broken, and the name it is given.

Entries are written here one by one with the node's own key, properly chained, so that nothing else is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from privacy.identity import SigningKey
from privacy.ledger import Charged
from privacy.verify import PROBLEMS, verify_ledger
from tests.ledger_world import ACCOUNT, COST, DAY, OTHER_ACCOUNT, RUN, START, Forger, World, make_charter

Tamper = Callable[[Forger], Any]
SECOND = b"2" * 32
LATER = START + 40 * DAY


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def codes(forger: Forger) -> list[str]:
    return [problem.code for problem in verify_ledger(forger.save()).problems]


def test_a_good_chain_of_the_forger_verifies(world: World) -> None:
    """The positive control: with nothing broken, nothing is reported."""
    forger = Forger(world).ready().charge().charge(step=2).charge(step=2, attempt=1, context_hash=b"d" * 32)
    forger.add("close", run=RUN).add("return", run=RUN, returned=[[*ACCOUNT, Fraction(1, 200)]])
    forger.signed("withdrawal", world.withdrawal()).add("incident", code="x", head=b"h" * 32, note="a note")
    forger.signed("countersign", world.countersignature(5, forger.rows[5][2]))
    forger.charter(world.next_charter())
    assert codes(forger) == []


# ---- the chain


def _flip(forger: Forger, column: int) -> None:
    row = list(forger.rows[3])
    row[column] = bytes([row[column][0] ^ 1]) + row[column][1:]
    forger.rows[3] = tuple(row)  # type: ignore[assignment]


def _renumbered(forger: Forger) -> None:
    """An entry left out in the middle, the rest numbered and signed anew, but not chained anew."""
    del forger.rows[2]
    for at in range(2, len(forger.rows)):
        key, entry = forger.world.node, replace(forger.entry(at), seq=at)
        data = entry.to_bytes()
        forger.rows[at] = (at, data, hashlib.sha256(data).digest(), key.sign(data))


TAMPERING: dict[str, tuple[Tamper, set[str]]] = {
    "an entry edited": (lambda f: f.change(2, rho=Fraction(2)), {"signature", "chain"}),
    "a hash edited": (lambda f: _flip(f, 2), {"hash"}),
    "a signature edited": (lambda f: _flip(f, 3), {"signature"}),
    "an entry left out": (lambda f: f.rows.pop(2), {"sequence", "chain", "over_cap", "no_reserve"}),
    "an entry left out, numbers mended": (_renumbered, {"chain", "over_cap", "no_reserve"}),
    "a row's number edited": (lambda f: f.rows.append((9, *f.rows.pop()[1:])), {"sequence"}),
    "two entries swapped": (lambda f: f.swap(2), {"sequence", "chain"}),
    "the first entry gone": (lambda f: f.rows.pop(0), {"genesis", "sequence", "chain", "replies"}),
    "an entry by another key": (lambda f: f.add("close", key=SigningKey.generate(), run=RUN), {"signature"}),
    "a second genesis": (
        lambda f: f.add("genesis", school="s0", node_key=f.world.node.public, fg_key=f.world.fg.public),
        {"genesis"},
    ),
    "time turned back": (lambda f: f.add("close", START - 1, run=RUN), {"time"}),
    "a reply without a charge": (lambda f: f.replies.append((RUN, 9, 0, b"c" * 32)), {"replies"}),
    "a reply of another context": (lambda f: f.replies.append((RUN, 1, 0, b"x" * 32)), {"replies"}),
    "a charge without its reply": (lambda f: (f.charge(step=2), f.replies.pop()), {"replies"}),
    "a row of words": (lambda f: f.rows.append((6, "words", 1, None)), {"hash", "unreadable"}),
    "a row of nothing before all others": (
        lambda f: f.rows.append((None, None, None, None)),
        {"hash", "unreadable", "sequence", "chain", "genesis", "replies"},
    ),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_reported(world: World, name: str) -> None:
    """Attack 14 of METHODS §7: whatever is done to the chain, the report names it; nothing makes it fail."""
    tamper, expected = TAMPERING[name]
    forger = Forger(world).ready().charge()
    assert codes(forger) == []
    tamper(forger)
    found = set(codes(forger))
    assert found == expected and found <= set(PROBLEMS)


# ---- what entries mean together


def _released(forger: Forger, *releases: Charged, **changes: Any) -> Forger:
    """One charge for other releases, at their own cost and size."""
    details = {
        "releases": [release.value() for release in releases],
        "rho": sum((release.rho for release in releases), Fraction(0)),
        "payload_bytes": 8 * sum(release.dimension for release in releases),
    }
    return forger.charge(**{**details, **changes})


def _second(forger: Forger, *, approved: Any = None, **changes: Any) -> Forger:
    """A second run, with an approval of its own."""
    forger.signed("approval", forger.world.approval(2, **(approved or {})))
    return forger.reserve(**{"run": SECOND, "serial": 2, **changes})


def _expired(forger: Forger) -> Forger:
    _second(forger, deadline=LATER + DAY)
    return forger.charge(LATER, run=SECOND)


def _new_charter_after_reserve(forger: Forger) -> Forger:
    return forger.charter(forger.world.next_charter()).charge()


def _two_accounts(forger: Forger) -> Forger:
    """A plan for two accounts of which one has no cap."""
    return _second(forger, accounts=[list(ACCOUNT), list(OTHER_ACCOUNT)])


BROKEN: dict[str, tuple[str, Tamper]] = {
    "a rho below delta^2/(2 sigma^2)": ("cost", lambda f: f.charge().cheaper(5, noise=False).chain(5, f.world.node)),
    "noise without variance": (
        "cost",
        lambda f: f.charge(releases=[{**Charged("m", 3, 0, Fraction(1)).value(), "variance": Fraction(0)}]),
    ),
    "a sum that is not the sum": ("total", lambda f: f.charge(rho=COST / 2)),
    "more bytes than were paid for": ("size", lambda f: f.charge(payload_bytes=32)),
    "fewer bytes than were paid for": ("size", lambda f: f.charge(payload_bytes=16)),
    "noise too coarse to share": ("lattice", lambda f: _released(f, Charged("m", 3, 0, Fraction(1)))),
    "no reserve": ("no_reserve", lambda f: f.charge(run=b"x" * 32)),
    "another experiment": ("other_experiment", lambda f: f.charge(experiment_hash=b"x" * 32)),
    "the same slot": ("slot", lambda f: f.charge().charge()),
    "the same slot for another context": ("slot", lambda f: f.charge().charge(context_hash=b"x" * 32)),
    "an earlier step": ("slot", lambda f: f.charge(step=3).charge(step=2)),
    "an earlier attempt": ("slot", lambda f: f.charge(attempt=1).charge(attempt=0)),
    "after the deadline": ("deadline", lambda f: f.charge(START + DAY + 1)),
    "another account": ("accounts", lambda f: f.charge(accounts=[["student", "1999"]])),
    "more than reserved": ("over_reserve", lambda f: _released(f, Charged("m", 3, 100, Fraction(10**5)))),
    "more than is left of the reserve": (
        "over_reserve",
        lambda f: [f.charge(step=step) for step in range(1, 6)],
    ),
    "after close": ("closed", lambda f: f.add("close", run=RUN).charge()),
    "closed twice": ("closed", lambda f: f.add("close", run=RUN).add("close", run=RUN)),
    "a close of nothing": ("no_reserve", lambda f: f.add("close", run=b"x" * 32)),
    "a return of nothing": ("no_reserve", lambda f: f.add("return", run=b"x" * 32, returned=[[*ACCOUNT, COST]])),
    "a return too large": (
        "return",
        lambda f: f.add("close", run=RUN).add("return", run=RUN, returned=[[*ACCOUNT, Fraction(1)]]),
    ),
    "a return while open": ("return", lambda f: f.add("return", run=RUN, returned=[[*ACCOUNT, Fraction(1, 50)]])),
    "a return twice": (
        "return",
        lambda f: [
            f.add("close", run=RUN),
            *(f.add("return", run=RUN, returned=[[*ACCOUNT, Fraction(1, 50)]]) for _ in range(2)),
        ],
    ),
    "after withdrawal": ("withdrawn", lambda f: f.signed("withdrawal", f.world.withdrawal()).charge()),
    "after the approval's last day": ("expired", _expired),
    "under a newer charter": ("other_charter", _new_charter_after_reserve),
    "over the cap": ("over_cap", lambda f: _second(f, rho=Fraction(1))),
    "just over the cap": ("over_cap", lambda f: _second(f, rho=Fraction(49, 50) + Fraction(1, 10**12))),
    "an account without a cap": ("over_cap", _two_accounts),
    "no such approval": ("unapproved", lambda f: f.reserve(run=SECOND, serial=2)),
    "an approval twice": ("approval_twice", lambda f: f.reserve(run=SECOND)),
    "a run twice": ("approval_twice", lambda f: _second(f, run=RUN)),
    "an approval of another experiment": (
        "other_experiment",
        lambda f: _second(f, approved={"experiment_hash": b"x" * 32}),
    ),
    "an approval under another charter": (
        "other_charter",
        lambda f: _second(f, approved={"charter_hash": b"x" * 32}),
    ),
    "over the approved cap": ("over_approved_cap", lambda f: _second(f, approved={"cap_rho": Fraction(1, 90)})),
    "a deadline in the past": ("deadline", lambda f: _second(f, deadline=START)),
    "a serial again": ("serial", lambda f: f.signed("approval", f.world.approval())),
    "a serial that was withdrawn before": (
        "serial",
        lambda f: f.signed("withdrawal", f.world.withdrawal(7)).signed("approval", f.world.approval(7)),
    ),
    "an approval by another": ("fg_signature", lambda f: f.signed("approval", f.world.approval(2, f.world.node))),
    "an approval of another school": ("other_school", lambda f: f.signed("approval", f.world.approval(2, school="s1"))),
    "another kind of statement": ("statement", lambda f: f.signed("approval", f.world.withdrawal())),
    "a head that is not": ("countersigned_head", lambda f: f.signed("countersign", f.world.countersignature(0, RUN))),
    "a head that is not there yet": (
        "countersigned_head",
        lambda f: f.signed("countersign", f.world.countersignature(99, RUN)),
    ),
    "a countersignature by another": (
        "fg_signature",
        lambda f: (
            setattr(f.world, "fg", SigningKey.generate()),
            f.signed("countersign", f.world.countersignature(0, f.rows[0][2])),
        ),
    ),
    "the first charter again": ("charter_order", lambda f: f.charter()),
    "a charter that skips": ("charter_order", lambda f: f.charter(f.world.next_charter(version=3))),
    "a charter that follows another": ("charter_order", lambda f: f.charter(f.world.next_charter(previous_hash=RUN))),
    "a charter nobody accepted": ("charter", lambda f: f.charter(f.world.next_charter(), f.world.charter)),
    "a charter of another node": (
        "charter_keys",
        lambda f: f.charter(
            f.world.next_charter(
                schools=(replace(f.world.charter.schools[0], node_key=b"n" * 32), *f.world.charter.schools[1:])
            )
        ),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_node_that_breaks_a_rule_is_reported(world: World, name: str) -> None:
    """Every rule by itself, in entries that the node signed and chained properly: exactly that rule is named."""
    code, breaks = BROKEN[name]
    forger = Forger(world).ready()
    assert codes(forger) == []
    breaks(forger)
    assert codes(forger) == [code]


def test_what_was_found_stands_beside_the_rule(world: World) -> None:
    """The numbers that do not agree, so that an FG can see how wrong it is."""
    forger = Forger(world).ready()
    forger.charge().cheaper(5, noise=False).chain(5, world.node)
    assert verify_ledger(forger.save()).problems[0] == ("cost", 5, "moments: 1/400, not 1/200")


# ---- with whom it was asked


def _wide(world: World, **changes: Any) -> Forger:
    """A ledger under a charter of five schools, one run reserved."""
    keys = [(s.node_key, s.fg_key) for s in world.charter.schools]
    keys += [(SigningKey.generate().public, SigningKey.generate().public) for _ in range(2)]
    world.charter = make_charter(world.coordinator.public, keys)
    forger = Forger(world).charter().add("cap", account=list(ACCOUNT), rho=Fraction(1))
    return forger.signed("approval", world.approval(**changes)).reserve(rho=Fraction(1, 2))


FIVE = ["s0", "s1", "s2", "s3", "s4"]
ROSTERS: dict[str, tuple[list[list[str]], bool]] = {
    "all, again and again": ([FIVE, FIVE], True),
    "all, then a later attempt of four": ([FIVE, FIVE[:4]], True),
    "four first": ([FIVE[:4], FIVE[:4]], True),
    "a later attempt of three": ([FIVE, FIVE[:3]], False),
    "a later attempt in another order": ([FIVE, ["s1", "s0", "s2", "s3"]], False),
    "a later attempt with another school": ([FIVE[:4], ["s0", "s1", "s2", "s4"]], False),
    "two schools": ([FIVE[:2]], False),
    "this school alone": ([["s0"]], False),
    "without this school": ([FIVE[1:]], False),
    "a school that is no member": ([["s0", "s1", "s9"]], False),
    "a school twice": ([["s0", "s0", "s1"]], False),
    "in another order": ([["s1", "s0", "s2"]], False),
}


@pytest.mark.parametrize("name", ROSTERS)
def test_a_roster_that_may_not_be_asked_is_reported(world: World, name: str) -> None:
    """Attacks 4 and 13d: too few schools, strangers, or later attempts that share no honest school with the first."""
    rosters, good = ROSTERS[name]
    forger = _wide(world)
    for attempt, roster in enumerate(rosters):
        forger.charge(roster=roster, attempt=attempt)
    found = set(codes(forger))
    assert found == (set() if good else {"roster"})


def test_every_step_asks_the_approved_roster_first(world: World) -> None:
    """Attempt 0 of a later step with another roster than attempt 0 of the first step is reported."""
    forger = _wide(world).charge(roster=FIVE).charge(step=2, roster=FIVE[:4])
    assert codes(forger) == ["roster"]


def test_a_step_after_a_later_attempt_asks_all_again(world: World) -> None:
    """A school that was silent in one attempt is asked again at the next step."""
    forger = _wide(world).charge(roster=FIVE).charge(attempt=1, roster=FIVE[:4]).charge(step=2, roster=FIVE)
    assert codes(forger) == []


def test_figures_of_one_school_need_the_fgs_consent(world: World) -> None:
    """A roster of one stands when the approval allows own figures, and does not narrow the rosters after it."""
    forger = _wide(world, own_figures=True).charge(roster=["s0"])
    forger.charge(step=2, roster=FIVE).charge(step=3, roster=FIVE)
    assert codes(forger) == []
    assert codes(_wide(world, own_figures=True).charge(roster=["s0", "s1"])) == ["roster"], "consent is for one alone"
    assert codes(_wide(world, own_figures=True).charge(roster=["s1"])) == ["roster"], "and for this school"


def test_noise_of_one_school_is_one_discrete_gaussian(world: World) -> None:
    """A coarse lattice is no fault where nobody's noise is added to another's."""
    forger = _wide(world, own_figures=True)
    assert codes(_released(forger, Charged("m", 3, 0, Fraction(1)), roster=["s0"])) == []


# ---- shapes


def _charge_with(world: World, **changes: Any) -> dict[str, Any]:
    forger = Forger(world).ready().charge()
    return {**forger.entry(-1).details, **changes}


SHAPES: dict[str, dict[str, Any]] = {
    "an unknown detail": {"more": 1},
    "a step that is a truth": {"step": True},
    "a step below zero": {"step": -1},
    "a run that is no digest": {"run": b"r"},
    "a run of thirty-two letters": {"run": "r" * 32},
    "a number for a cost": {"rho": 1},
    "a cost below zero": {"rho": Fraction(-1, 200)},
    "an account twice": {"accounts": [list(ACCOUNT), list(ACCOUNT)]},
    "no account": {"accounts": []},
    "an account of three": {"accounts": [["a", "b", "c"]]},
    "an account with an escape code": {"accounts": [["student", "20\x1b"]]},
    "a query with an escape code": {"releases": [{**Charged("m", 3, 100, Fraction(10**6)).value(), "query": "m\x1b"}]},
    "a release with more in it": {"releases": [{**Charged("m", 3, 100, Fraction(10**6)).value(), "more": 1}]},
    "no release": {"releases": []},
    "a release that is a list": {"releases": [["m", 3, 100]]},
    "an empty roster": {"roster": []},
    "a roster of letters": {"roster": "s0"},
    "a roster of numbers": {"roster": [1, 2, 3]},
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_detail_of_another_shape_is_reported(world: World, name: str) -> None:
    """Nothing unknown is skipped, and nothing that is not what its name says is used."""
    details = _charge_with(world, **SHAPES[name])
    found = verify_ledger(Forger(world).ready().raw("charge", details).save()).problems
    assert found == [("unreadable", 5, next(iter(SHAPES[name])))]


@pytest.mark.parametrize(
    ("kind", "details", "time"),
    [
        ("gift", {"rho": Fraction(1)}, START),
        (7, {}, START),
        ("close", [RUN], START),
        ("close", {}, START),
        ("close", {"run": RUN}, "noon"),
        ("close", {"run": RUN}, -1),
        ("incident", {"code": "x", "head": RUN, "note": "alles\x1b[2J klopt"}, START),
        ("incident", {"code": "x", "head": RUN, "note": "n" * 201}, START),
        ("return", {"run": RUN, "returned": [[*ACCOUNT]]}, START),
        ("return", {"run": RUN, "returned": [["student", "20\x1b", COST]]}, START),
        ("return", {"run": RUN, "returned": [[*ACCOUNT, COST], [*ACCOUNT, COST]]}, START),
        ("refusal", {"code": "x", "request_hash": RUN, "run": 1, "step": None, "attempt": None}, START),
    ],
)
def test_an_entry_of_another_kind_or_shape_is_reported(world: World, kind: Any, details: Any, time: Any) -> None:
    """Unknown kinds, missing details, words that would speak to a terminal."""
    assert codes(Forger(world).raw(kind, details, time)) == ["unreadable"]


def test_a_truth_is_no_number_of_an_entry(world: World) -> None:
    """In Python True equals 1; in a ledger it is no entry's number."""
    assert codes(Forger(world).raw("cap", {"account": list(ACCOUNT), "rho": COST}, number=True)) == ["sequence"]


def test_the_newest_countersigned_head_is_told(world: World) -> None:
    """An FG that signs an older head later has still seen the newer one."""
    forger = Forger(world).ready()
    for seq in (0, 3, 1):
        forger.signed("countersign", world.countersignature(seq, forger.rows[seq][2]))
        assert verify_ledger(forger.save()).countersigned == (3 if seq else 0)


def test_an_entry_with_another_tag_or_longer_than_any_is_reported(world: World, monkeypatch: Any) -> None:
    """A statement that stands where an entry should, and an entry of more bytes than any has."""
    forger = Forger(world)
    monkeypatch.setattr("tests.ledger_world.TAG", "datacoalitie/ledger-entry/2")
    assert codes(forger.raw("close", {"run": RUN})) == ["unreadable"]
    forger = Forger(world)
    monkeypatch.undo()
    forger.raw("charge", _charge_with(world, roster=[f"{number:060d}" for number in range(70_000)]))
    assert len(forger.rows[-1][1]) > 4_000_000 and codes(forger) == ["unreadable"]


def _with_statement(world: World, **changes: Any) -> Forger:
    """An approval whose statement has another field than it may, signed by the FG all the same."""
    from privacy import canonical

    signed = world.approval()
    fields = {**vars(signed.statement), **changes}
    message = canonical.tagged("datacoalitie/approval/1", *fields.values())
    return Forger(world).charter().add("approval", statement=message, signature=world.fg.sign(message))


@pytest.mark.parametrize("changes", [{"serial": -1}, {"own_figures": 1}, {"cap_rho": 1}, {"more": 1}])
def test_a_statement_of_another_shape_is_reported(world: World, changes: dict[str, Any]) -> None:
    """What the FG signed has exactly its own fields."""
    assert codes(_with_statement(world, **changes)) == ["unreadable"]


# ---- charters


def test_the_first_charter_keeps_the_fgs_key(world: World) -> None:
    """A first charter that lists another FG key than the ledger began with is reported."""
    keys = [(s.node_key, s.fg_key) for s in world.charter.schools]
    strange = make_charter(
        world.coordinator.public, [(world.node.public, b"f" * 32), *keys[1:]], people=world.charter.people[2:3]
    )
    assert codes(Forger(world).charter(strange)) == ["charter_keys"]


class _Row(tuple[Any, ...]):
    """A person of a charter, with any fields at all."""

    def __new__(cls, *fields: Any) -> _Row:
        return super().__new__(cls, fields)

    def fields(self) -> list[Any]:
        return list(self)


def _unchecked(world: World, **changes: Any) -> bytes:
    """A charter's bytes with fields that the platform refuses to put in one."""
    charter = replace(world.charter)
    for name, value in changes.items():
        object.__setattr__(charter, name, value)
    return charter.to_bytes()


CHARTERS: dict[str, Callable[[World], dict[str, Any]]] = {
    "nobody colludes": lambda w: {"collusion_threshold": 0},
    "a roster of t + 1": lambda w: {"smallest_roster": 2},
    "more schools needed than there are": lambda w: {"smallest_roster": 4},
    "nobody is anywhere": lambda w: {"schools_per_person": 0},
    "a version that is a truth": lambda w: {"version": True},
    "a name that is no text": lambda w: {"name": 7},
    "schools out of order": lambda w: {"schools": w.charter.schools[::-1]},
    "one key for two": lambda w: {
        "schools": (w.charter.schools[0], *(replace(w.charter.schools[0], id=f"s{i}") for i in (1, 2)))
    },
    "a key that is no key": lambda w: {"coordinator_key": b"x"},
    "a person whose key is no key": lambda w: {"people": (_Row("ana", "s1", "analyst", b"x"),)},
    "a school whose id speaks to the terminal": lambda w: {
        "schools": (*w.charter.schools[:2], _Row("s2\x1b", "School 2", b"1" * 32, b"2" * 32, []))
    },
    "a previous charter that is no hash": lambda w: {"previous_hash": b"x"},
    "a person whose id speaks to the terminal": lambda w: {"people": (_Row("x\x1b", "s1", "fg", RUN),)},
    "a person of no school's name": lambda w: {"people": (_Row("ana", 1, "fg", RUN),)},
}


@pytest.mark.parametrize("name", CHARTERS)
def test_a_charter_that_no_charter_may_be_is_reported(world: World, name: str) -> None:
    """Attack 4: thresholds too low, keys that stand for two, told consistently and signed by the school's own FG."""
    data = _unchecked(world, **CHARTERS[name](world))
    accepted = replace(world.charter)
    object.__setattr__(accepted, "to_bytes", lambda: data)
    signed = world.acceptance(accepted)
    forger = Forger(world).signed("charter", signed, charter=data)
    assert codes(forger) == ["charter_rules"]


def test_a_statement_is_no_charter(world: World) -> None:
    """Canonical bytes of another type in a charter's place."""
    from privacy import canonical

    data = canonical.tagged("datacoalitie/charter/2", *world.charter.fields())
    assert codes(Forger(world).signed("charter", world.acceptance(world.charter), charter=data)) == ["charter_rules"]
