"""What an FG brings along: a head, a countersigned file, a charter, a key. Each finds what the ledger alone hides."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from privacy.charter import Charter
from privacy.identity import SigningKey
from privacy.statements import HeadCountersignature, Withdrawal, sign
from privacy.succession import ByDeputy
from privacy.verify import NotALedgerError, as_data, as_text, main, verify_ledger
from tests.ledger_world import ACCOUNT, DAY, RUN, START, Forger, World, charge


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def codes(forger: Forger, **held: Any) -> list[str]:
    return [problem.code for problem in verify_ledger(forger.save(), **held).problems]


# ---- heads


def test_truncation_and_forks_are_found_with_the_head_someone_holds(world: World) -> None:
    """A shorter or another continuation is well formed; only the head that the FG carried out tells."""
    store = world.ready()
    charge(store, world.run())
    held = store.head().head
    short = Forger.of(world.path, world)
    short.rows.pop()
    short.replies.pop()
    assert codes(short) == [], "a truncated ledger is well formed by itself"
    assert codes(short, expected_head=held) == ["expected_head"]
    assert verify_ledger(world.path, held).ok
    charge(store, world.run(), step=2)
    report = verify_ledger(world.path, held)
    assert report.ok and report.expected == report.entries - 2, "the ledger may have gone on since"


def test_the_file_that_the_fg_signed_says_what_happened(world: World, tmp_path: Path) -> None:
    """With the countersignature itself: cut short, rewritten at that entry, of another school, or by another key."""
    forger = Forger(world).ready().charge()
    held = world.countersignature(5, forger.rows[5][2]).to_bytes()
    assert codes(forger, expected_head=held) == []
    short = Forger(world)
    short.rows, short.replies = forger.rows[:5], []
    assert verify_ledger(short.save(), held).problems == [("truncated", None, "5 > 4")]
    forked = Forger(world).ready().charge(step=2)
    assert verify_ledger(forked.save(), held).problems == [("forked", None, "5")]
    stranger = World(tmp_path, fg=SigningKey.generate())
    assert codes(forger, expected_head=stranger.countersignature(5, forger.rows[5][2]).to_bytes()) == ["fg_signature"]
    elsewhere = held.replace(b"bs0", b"bs1")
    assert elsewhere != held and codes(forger, expected_head=elsewhere) == ["other_school"]


def test_heads_are_given_as_digits_or_as_a_file(world: World, tmp_path: Path, capsys: Any) -> None:
    """On the command line: 64 digits, or the .signed file that the node wrote; the text says how old it is."""
    forger = Forger(world).ready().charge()
    path = str(forger.save())
    signed = tmp_path / "headcountersignature-s0-4.signed"
    signed.write_bytes(world.countersignature(4, forger.rows[4][2]).to_bytes())
    for head in (forger.rows[4][2].hex(), forger.rows[4][2].hex().upper(), str(signed)):
        assert main([path, "--expected-head", head]) == 0
        assert "uw stand: regel 4; daarna nog 1 regels" in capsys.readouterr().out


NOT_A_HEAD: dict[str, Callable[[World], bytes]] = {
    "words": lambda world: b"a head of thirty-two characters, but longer",
    "nothing": lambda world: b"",
    "an approval": lambda world: world.approval().to_bytes(),
    "a bare statement": lambda world: world.countersignature(0, bytes(32)).statement.message(),
    "a file of another version": lambda world: (
        world.countersignature(0, bytes(32)).to_bytes().replace(b"signed/1", b"signed/2")
    ),
}


@pytest.mark.parametrize("name", NOT_A_HEAD)
def test_a_file_that_is_no_countersignature_is_not_the_ledgers_fault(world: World, name: str) -> None:
    """The FG named another file: that cannot be read, and nothing is said about the ledger."""
    with pytest.raises(NotALedgerError, match="head"):
        verify_ledger(Forger(world).save(), NOT_A_HEAD[name](world))


# ---- deputies, and keys that were lost


def _with_deputy(world: World, **changes: Any) -> tuple[Forger, SigningKey]:
    """A ledger in which the FG named a deputy, and the deputy's key."""
    key = SigningKey.generate()
    forger = Forger(world).charter().add("cap", account=list(ACCOUNT), rho=Fraction(1))
    return forger.signed("deputy", world.deputation(key, **changes)), key


def test_a_deputy_approves_withdraws_and_countersigns(world: World) -> None:
    """Each counts as the FG's own, the report says who signed, and the FG goes on signing beside them."""
    forger, key = _with_deputy(world)
    forger.signed("approval", world.approval(key=key)).reserve().charge()
    seen = HeadCountersignature("s0", 4, forger.rows[4][2], START)
    forger.signed("countersign", sign(seen, key)).signed("approval", world.approval(2))
    forger.signed("withdrawal", sign(Withdrawal("s0", world.charter.hash, 2, START), key))
    report = verify_ledger(forger.save(), fg_key=world.fg.public)
    assert report.problems == [] and report.countersigned == 4
    text = as_text(report, Fraction(1, 10**6), "nl")
    assert "Plaatsvervanger van de FG: dirk, tot en met 2023-11-24 22:13 UTC" in text
    assert "Toestemming 1 van plaatsvervanger dirk" in text and "Toestemming 2 van de FG" in text
    assert [one["by"] for one in as_data(report, Fraction(1, 100))["data"]["experiments"][0]["approvals"]] == [
        "dirk",
        "",
    ]


def test_what_a_deputy_countersigned_is_a_head_as_well(world: World) -> None:
    """The file holds the deputation; another deputation, or a deputy nobody named, does not count."""
    forger, key = _with_deputy(world)
    head = sign(HeadCountersignature("s0", 2, forger.rows[2][2], START), key)
    assert codes(forger, expected_head=ByDeputy(head, world.deputation(key)).to_bytes()) == []
    stranger = sign(world.deputation(key).statement, SigningKey.generate())
    assert codes(forger, expected_head=ByDeputy(head, stranger).to_bytes()) == ["fg_signature"]
    other = world.deputation(SigningKey.generate())
    assert codes(forger, expected_head=ByDeputy(head, other).to_bytes()) == ["fg_signature"]
    with pytest.raises(NotALedgerError, match="head"):
        codes(forger, expected_head=ByDeputy(head, head).to_bytes())  # type: ignore[arg-type]


DEPUTIES: dict[str, tuple[Callable[[World, Forger, SigningKey], Any], str]] = {
    "after the last day": (lambda w, f, k: f.approve(k, time=START + 11 * DAY), "deputy_expired"),
    "a charter": (
        lambda w, f, k: f.signed("charter", w.acceptance(w.next_charter(), k), charter=w.next_charter().to_bytes()),
        "fg_signature",
    ),
    "another deputy": (lambda w, f, k: (setattr(w, "fg", k), f.signed("deputy", w.deputation(k))), "fg_signature"),
    "after being dismissed": (
        lambda w, f, k: f.signed("deputy", w.deputation(k, signed_at=START + 1, expires=START)).approve(k, START + 1),
        "deputy_expired",
    ),
    "under the next charter": (lambda w, f, k: f.charter(w.next_charter()).approve(k), "fg_signature"),
    "named again as before": (lambda w, f, k: f.signed("deputy", w.deputation(k)), "deputation"),
    "named under another charter": (
        lambda w, f, k: f.signed("deputy", w.deputation(k, signed_at=START + 1, charter_hash=RUN)),
        "deputation",
    ),
    "named for longer than a year": (
        lambda w, f, k: f.signed("deputy", w.deputation(k, signed_at=START + 1, expires=START + 368 * DAY)),
        "deputation",
    ),
    "named with the node's key": (
        lambda w, f, k: f.signed("deputy", w.deputation(w.node, signed_at=START + 1)),
        "deputation",
    ),
    "named with the coordinator's key": (
        lambda w, f, k: f.signed("deputy", w.deputation(w.coordinator, signed_at=START + 1)),
        "deputation",
    ),
    "named for another school": (
        lambda w, f, k: f.signed("deputy", w.deputation(k, signed_at=START + 1, school="s1")),
        "other_school",
    ),
}


@pytest.mark.parametrize("name", DEPUTIES)
def test_what_a_deputy_may_not_do_is_reported(world: World, name: str) -> None:
    """A deputy cannot stay on: no charters, no deputies, nothing after the last day or under another charter."""
    act, code = DEPUTIES[name]
    forger, key = _with_deputy(world)
    assert codes(forger) == []
    act(world, forger, key)
    assert codes(forger) == [code]


def test_a_deputy_before_any_charter_is_reported(world: World) -> None:
    """There is no charter to be named under."""
    assert codes(Forger(world).signed("deputy", world.deputation(SigningKey.generate()))) == ["deputation"]


def _recovered(world: World, vouchers: Any = None, new: SigningKey | None = None) -> tuple[Forger, SigningKey]:
    """A ledger in which the FG's key was lost and other FGs vouch for a new one; a run before, none after."""
    forger, new = Forger(world).ready().charge(), new or SigningKey.generate()
    charter = world.rotated(new)
    pairs = [[one.statement.message(), one.signature] for one in (vouchers or world.vouchers)(charter)]
    forger.signed("recovery", world.acceptance(charter, new), charter=charter.to_bytes(), vouchers=pairs)
    world.fg, world.charter = new, charter
    return forger, new


def test_a_lost_key_is_replaced_when_others_vouch(world: World) -> None:
    """Two other schools with t = 1: the new key counts from there on, is recognised, and the text tells of it."""
    old = world.fg.public
    forger, new = _recovered(world)
    forger.signed("approval", world.approval(2)).reserve(run=b"2" * 32, serial=2)
    for key in (old, new.public):
        assert codes(forger, fg_key=key) == []
    assert codes(forger, charter=world.charter.to_bytes()) == []
    assert "FG-sleutel vervangen bij regel 6: " in as_text(verify_ledger(forger.save()), Fraction(1, 100), "nl")


VOUCHERS: dict[str, Callable[[World], Callable[[Charter], Any]]] = {
    "one is too few": lambda w: lambda c: w.vouchers(c)[:1],
    "one twice is one": lambda w: lambda c: w.vouchers(c)[:1] * 2,
    "of the charter before": lambda w: lambda c: w.vouchers(w.charter),
    "of another charter": lambda w: lambda c: w.vouchers(c, charter_hash=RUN),
    "of another version": lambda w: lambda c: w.vouchers(c, version=7),
    "the school itself": lambda w: lambda c: [*w.vouchers(c)[:1], w.acceptance(c)],
    "by another key": lambda w: (
        lambda c: [
            *w.vouchers(c)[:1],
            sign(w.vouchers(c)[1].statement, SigningKey.generate()),
        ]
    ),
}


@pytest.mark.parametrize("name", VOUCHERS)
def test_a_new_key_that_too_few_vouch_for_is_reported(world: World, name: str) -> None:
    """Nobody takes over a school's FG with the coordinator's charter and t friends."""
    forger, _ = _recovered(world, VOUCHERS[name](world))
    assert codes(forger) == ["recovery"]


def test_a_recovery_that_changes_nothing_or_comes_first_is_reported(world: World, tmp_path: Path) -> None:
    """The same key again, and a ledger that knows no charter yet."""
    assert codes(_recovered(world, new=world.fg)[0]) == ["recovery"]
    first, new = World(tmp_path), SigningKey.generate()
    charter = first.rotated(new)
    pairs = [[one.statement.message(), one.signature] for one in first.vouchers(charter)]
    accepted = first.acceptance(charter, new)
    forger = Forger(first).signed("recovery", accepted, charter=charter.to_bytes(), vouchers=pairs)
    assert codes(forger) == ["recovery"]


def test_no_run_begins_between_a_fork_and_the_fg_who_has_seen_it(world: World) -> None:
    """After the incident own_forked a reserve needs a countersignature of that entry or a later one."""
    forger = Forger(world).ready().add("incident", code="own_forked", head=RUN, note="s0: two ledgers")
    never = Forger(world).charter().add("incident", code="own_forked", head=RUN, note="s0: two ledgers")
    assert codes(never.signed("approval", world.approval()).reserve()) == ["fork_unseen"]
    forger.signed("countersign", world.countersignature(4, forger.rows[4][2]))
    forger.signed("approval", world.approval(2)).reserve(run=b"2" * 32, serial=2)
    assert codes(forger) == ["fork_unseen"]
    forger.signed("countersign", world.countersignature(5, forger.rows[5][2]))
    forger.reserve(run=b"2" * 32, serial=2)
    assert codes(forger) == ["fork_unseen"], "the first attempt stays wrong; the second is right"


# ---- charters


def test_a_charter_that_is_not_in_the_ledger_is_named(world: World, tmp_path: Path) -> None:
    """The FG's charter is the one in force, or one that it followed; any other is a problem, with what was found."""
    forger = Forger(world).ready()
    first = world.charter
    other = World(tmp_path, node=world.node, fg=world.fg).charter
    assert codes(forger, charter=first.to_bytes()) == []
    found = f"1: {first.hash.hex()[:16]}"
    assert verify_ledger(forger.save(), charter=other.to_bytes()).problems == [("expected_charter", None, found)]
    assert codes(forger.charter(world.next_charter()), charter=first.to_bytes()) == []
    assert codes(forger, charter=world.next_charter().to_bytes()) == []
    assert codes(Forger(world), charter=first.to_bytes()) == ["expected_charter"]


@pytest.mark.parametrize("given", [b"", b"charter", b"\x81\x01"])
def test_a_file_that_is_no_charter_is_not_the_ledgers_fault(world: World, given: bytes) -> None:
    """Another kind of file, and a statement instead of a charter."""
    for data in (given, world.approval().statement.message()):
        with pytest.raises(NotALedgerError, match="charter"):
            verify_ledger(Forger(world).save(), charter=data)


# ---- keys


def test_a_ledger_made_anew_with_other_keys_is_found_with_the_fgs_own_key_or_charter(
    world: World, tmp_path: Path
) -> None:
    """Someone who makes every key anew makes a perfect ledger, but not one that began with this FG's key."""
    forger = Forger(World(tmp_path / "other")).ready().charge()
    assert codes(forger) == []
    assert codes(forger, fg_key=world.fg.public) == ["other_fg"]
    assert codes(forger, charter=world.charter.to_bytes()) == ["expected_charter"]


def _rotated(world: World) -> tuple[Forger, bytes, bytes]:
    """A ledger in which the FG of s0 has taken another key: the ledger, the old key, the new one."""
    forger, old, new = Forger(world).ready().charge(), world.fg, SigningKey.generate()
    charter = world.rotated(new)
    forger.charter(charter)
    world.fg, world.charter = new, charter
    return forger, old.public, new.public


def test_an_fg_whose_key_was_rotated_is_recognised(world: World) -> None:
    """The former key always; the new one once something it signed, or the charter, or a head fixes what came before."""
    assert codes(Forger(world), fg_key=world.fg.public) == [], "a ledger that has only just begun"
    forger, old, new = _rotated(world)
    assert codes(forger, fg_key=old) == []
    assert codes(forger, fg_key=new) == ["fg_unanchored"]
    assert codes(forger, fg_key=new, charter=world.charter.to_bytes()) == []
    last = forger.rows[-1]
    assert codes(forger, fg_key=new, expected_head=last[2]) == []
    assert codes(forger, fg_key=new, expected_head=forger.rows[-2][2]) == ["fg_unanchored"], "a head from before it"
    forger.signed("countersign", world.countersignature(last[0], last[2]))
    assert codes(forger, fg_key=new) == []
    assert codes(forger, fg_key=SigningKey.generate().public) == ["other_fg"]


def test_statements_after_a_rotation_count_under_the_new_key_only(world: World) -> None:
    """The new key approves and countersigns; the old one is a stranger from then on."""
    forger, _, new = _rotated(world)
    forger.signed("approval", world.approval(2)).reserve(run=b"2" * 32, serial=2)
    forger.charge(run=b"2" * 32)
    assert codes(forger) == []
    assert codes(forger, fg_key=new) == [], "an approval under the charter in force fixes that charter's past"
    world.fg = SigningKey.generate()
    assert codes(forger.signed("approval", world.approval(3))) == ["fg_signature"]


def test_a_charter_in_between_is_fixed_by_the_key_that_accepted_the_next(world: World) -> None:
    """Two rotations: the middle key signed the acceptance of the last charter, and so fixed the first."""
    forger, _, middle = _rotated(world)
    newest = SigningKey.generate()
    forger.charter(world.rotated(newest))
    assert codes(forger, fg_key=middle) == []
    assert codes(forger, fg_key=newest.public) == ["fg_unanchored"]


def test_a_forged_past_that_ends_with_the_fgs_own_key_is_found(world: World, tmp_path: Path) -> None:
    """A forger begins a ledger with keys of its own, spends, and then 'rotates' to the FG's real, public key.

    Even real approvals of that FG, which anyone can copy from a finding, do not make it pass.
    """
    forger_world = World(tmp_path / "forger")
    forger = Forger(forger_world).ready().charge()
    forger.charter(forger_world.rotated(world.fg))
    forger.signed("approval", world.approval(9))
    assert codes(forger) == [], "well formed by itself"
    assert codes(forger, fg_key=world.fg.public) == ["fg_unanchored"]
    assert codes(forger, charter=world.charter.to_bytes()) == ["expected_charter"]
    assert codes(forger, fg_key=world.fg.public, charter=world.charter.to_bytes()) == [
        "expected_charter",
        "fg_unanchored",
    ]


def test_what_was_compared_is_told(world: World, capsys: Any, tmp_path: Path) -> None:
    """Each thing the FG brought is named when it was found, and is not when it was not."""
    forger = Forger(world).ready()
    path, charter = str(forger.save()), tmp_path / "charter.cbor"
    charter.write_bytes(world.charter.to_bytes())
    assert main([path, "--charter", str(charter), "--fg-key", world.fg.public.hex()]) == 0
    text = capsys.readouterr().out
    assert "  uw charter\n" in text and "  uw sleutel\n" in text and "Niets." not in text
    assert main([path, "--fg-key", "ab" * 32]) == 1
    text = capsys.readouterr().out
    assert "  uw sleutel\n" not in text and "(other_fg)" in text
    assert main([path, "--charter", path]) == 2
    assert "charter" in capsys.readouterr().err


def test_a_cap_that_no_charter_covers_needs_no_charter(world: World) -> None:
    """A ledger before its first charter: caps stand, nothing can be approved."""
    forger = Forger(world).add("cap", account=list(ACCOUNT), rho=Fraction(1))
    assert codes(forger) == []
    forger.signed("approval", world.approval()).reserve()
    assert codes(forger) == ["unapproved"]
    assert forger.entry(-1).time == START
