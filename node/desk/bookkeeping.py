"""A node's ledger arrives; what was spent, copies for auditors, and countersigned heads leave as reports."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.terminal import Grid, Report, rational
from node.desk import approving
from node.desk.approving import Desk
from node.desk.signing import Hand, settle
from node.errors import LedgerBlocked, UnusableInput
from node.founding import existing
from privacy import accounting
from privacy.charter import Charter
from privacy.statements import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privacy.ledger import Entry
    from privacy.ledger_state import Balance, State
    from privacy.statements import Statement

AUDIT_DELTA = Fraction(1, 10**6)  # at which a ledger's own report states epsilon


def show(root: Path, newest: int, copy: Path | None) -> Report:
    """Accounts, the newest entries and the head; with `copy`, also a copy of the ledger for an auditor.

    A blocked ledger is shown too, with the reason: an FG must be able to look.
    """
    desk = Desk.open(existing(root))
    state, entries = desk.state, desk.ledger.entries()
    delta = desk.policy.lifetime_budget.delta
    several = 2 if state.charter is None else state.charter.schools_per_person
    accounts = [_account(name, balance, delta, several) for name, balance in sorted(state.balances.items())]
    data = {
        "school": state.school,
        "entries": state.count,
        "head": state.head,
        "countersigned": None if state.countersigned is None else state.countersigned.seq,
        "schools_per_person": several,
        "deputy": _deputy(state),
        "blocked": _blocked(desk),
        "accounts": accounts,
        "newest": [_entry(entry, state) for entry in entries[-newest:]] if newest else [],
        "copy": None if copy is None else str(copied(desk.folder.ledger, copy)),
    }
    return Report(data, _blocks(data))


def _deputy(state: State) -> dict[str, Any] | None:
    named = None if state.deputy is None else state.deputy.statement
    return None if named is None else {"deputy": named.deputy, "expires": named.expires, "key": named.key}


def _account(name: Any, balance: Balance, delta: Any, several: int) -> dict[str, Any]:
    """One account; `epsilon_several_schools` is that of a person in the same sums at `several` schools."""
    return {
        "population": name.population,
        "cohort": name.cohort,
        "cap": rational(balance.cap),
        "spent": rational(balance.spent),
        "reserved": rational(balance.reserved),
        "left": rational(balance.left),
        "epsilon_spent": accounting.epsilon_from_rho(balance.spent, _fraction(delta)),
        "epsilon_several_schools": accounting.epsilon_from_rho(
            accounting.shared_sum(balance.spent, several), _fraction(delta)
        ),
    }


def _fraction(value: Any) -> Fraction:
    from fractions import Fraction

    return Fraction(value)


def _blocked(desk: Desk) -> str | None:
    try:
        desk.ledger.check()
    except LedgerBlocked as reason:
        return str(reason)
    return None


def _entry(entry: Entry, state: State) -> dict[str, Any]:
    deputy = state.acts.get(entry.seq)
    details = _summary(entry) if deputy is None else f"{_summary(entry)}, by deputy {deputy}"
    return {"seq": entry.seq, "time": entry.time, "kind": entry.kind, "details": details, "by_deputy": deputy}


def _summary(entry: Entry) -> str:
    """The few details that a person looks for; the rest stands in the ledger itself."""
    details = entry.details
    match entry.kind:
        case "charge":
            return f"step {details['step']}, attempt {details['attempt']}, rho {float(details['rho']):.4g}"
        case "reserve":
            return f"serial {details['serial']}, rho {float(details['rho']):.4g}"
        case "cap":
            return f"{'/'.join(details['account'])}, rho {float(details['rho']):.4g}"
        case "refusal":
            return str(details["code"])
        case "incident":
            return f"{details['code']}: {details['note']}"
        case "charter" | "recovery":
            return f"version {Charter.from_bytes(details['charter']).version}"
        case "approval" | "withdrawal" | "countersign" | "deputy":
            return _signed(parse(details["statement"]))
    return ""


def _signed(statement: Statement) -> str:
    """The number or name that a person calls it by."""
    names = (("serial", "serial"), ("seq", "entry"), ("deputy", "deputy"))
    return next(f"{word} {getattr(statement, name)}" for name, word in names if hasattr(statement, name))


def _blocks(data: dict[str, Any]) -> list[str | Grid]:
    from fractions import Fraction

    def short(value: str) -> str:
        return f"{float(Fraction(value)):.4g}"

    accounts = [
        (
            f"{row['population']} {row['cohort']}",
            *(short(row[key]) for key in ("cap", "spent", "reserved", "left")),
            f"{row['epsilon_spent']:.3g}",
            f"{row['epsilon_several_schools']:.3g}",
        )
        for row in data["accounts"]
    ]
    entries = [(str(row["seq"]), _moment(row["time"]), row["kind"], row["details"]) for row in data["newest"]]
    heads = ("account", "plafond / cap", "besteed / spent", "gereserveerd / reserved", "over / left")
    epsilons = ("epsilon, 1 school", f"epsilon, {data['schools_per_person']} schools")
    lines: list[str | Grid] = [
        f"{data['school']}: {data['entries']} entries, head {data['head'].hex()}",
        Grid("Rekeningen in rho / Accounts in rho", (*heads, *epsilons), accounts),
        Grid("Nieuwste regels / Newest entries", ("nr", "tijd / time", "soort / kind", "details"), entries),
    ]
    if data["deputy"]:
        last = _moment(data["deputy"]["expires"])
        lines.append(f"Plaatsvervanger / deputy: {data['deputy']['deputy']}, tot / until {last} UTC")
    if data["blocked"]:
        lines.append(f"GEBLOKKEERD / BLOCKED: {data['blocked']}")
    if data["copy"]:
        lines.append(f"Copy: {data['copy']}; check it with: python -m privacy.verify {data['copy']}")
    return lines


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def copied(ledger: Path, copy: Path) -> Path:
    """A consistent copy, also while the node answers; an existing file is refused."""
    if copy.exists():
        raise UnusableInput("file_exists", "A copy is a new file.", str(copy), "Choose another name.")
    with (
        closing(sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return copy


def countersign(root: Path, hand: Hand) -> Report:
    """The FG signs the present head, here or elsewhere; the signed head goes to the coordinator."""
    desk = Desk.open(existing(root))
    preview = ["Countersign the present head. / Teken de huidige stand van het logboek."]
    return settle(desk, lambda: approving.draft_countersignature(desk), preview, {}, hand)


def verified(ledger: Path, head: str | None, charter: Path | None, papers: Sequence[Path], language: str) -> Report:
    """What the stand-alone verifier says of a ledger file; the report carries an error when something does not hold.

    head: 64 hexadecimal digits, or the file of a countersigned head. Raises `UnusableInput` for what is no ledger.
    """
    from privacy import verify

    kept = None if head is None else Path(head).read_bytes() if Path(head).is_file() else _digits(head)
    known = None if charter is None else charter.read_bytes()
    try:
        found = verify.verify_ledger(ledger, kept, None, known, [(path.name, path.read_bytes()) for path in papers])
    except verify.NotALedgerError as error:
        rule, remedy = "A ledger is the file that a node keeps.", "Name ledger.sqlite, or a copy of it."
        raise UnusableInput("not_a_ledger", rule, str(error), remedy) from error
    return Report(
        verify.as_data(found, AUDIT_DELTA)["data"],
        [verify.as_text(found, AUDIT_DELTA, language)],
        None if found.ok else _wrong(found.problems[0].code),
    )


def _wrong(code: str) -> LedgerBlocked:
    rule = "A ledger holds, and is the one that its FG knows."
    remedy = "Stop the node, keep this file as it is, and call the coordinator and another FG."
    return LedgerBlocked("ledger_wrong", rule, code, remedy)


def accept_head(root: Path, digits: str) -> Report:
    """After a restored backup: the FG states the newest head it holds, and the node answers again if it matches."""
    head = _digits(digits)
    desk = Desk.open(existing(root))
    desk.ledger.accept_head(head)
    return Report({"school": desk.state.school, "head": digits}, ["The node answers again. / De node antwoordt weer."])


def _digits(digits: str) -> bytes:
    """A head as a person gives it."""
    if len(digits) != 64 or not set(digits.lower()) <= set("0123456789abcdef"):
        rule, remedy = "A ledger head is 64 hexadecimal digits.", "Copy it from your countersignature."
        raise UnusableInput("not_a_head", rule, f"{len(digits)} characters", remedy)
    return bytes.fromhex(digits)
