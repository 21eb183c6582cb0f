"""A node's ledger arrives; what was spent, copies for auditors, and countersigned heads leave as reports."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.terminal import Grid, Report, rational
from node import approving
from node.approving import Desk
from node.errors import LedgerBlocked, UnusableInput
from node.founding import existing
from node.signing import Hand, settle
from privacy import accounting

if TYPE_CHECKING:
    from fractions import Fraction

    from privacy.balances import Balance
    from privacy.ledger import Entry


def show(root: Path, newest: int, copy: Path | None) -> Report:
    """Accounts, the newest entries and the head; with `copy`, also a copy of the ledger for an auditor.

    A blocked ledger is shown too, with the reason: an FG must be able to look.
    """
    desk = Desk.open(existing(root))
    state, entries = desk.state, desk.ledger.entries()
    delta = desk.policy.lifetime_budget.delta
    accounts = [_account(name, balance, delta) for name, balance in sorted(state.balances.items())]
    data = {
        "school": state.school,
        "entries": state.count,
        "head": state.head,
        "countersigned": None if state.countersigned is None else state.countersigned.seq,
        "blocked": _blocked(desk),
        "accounts": accounts,
        "newest": [_entry(entry) for entry in entries[-newest:]] if newest else [],
        "copy": None if copy is None else str(_copied(desk.folder.ledger, copy)),
    }
    return Report(data, _blocks(data))


def _account(name: Any, balance: Balance, delta: Any) -> dict[str, Any]:
    return {
        "population": name.population,
        "cohort": name.cohort,
        "cap": rational(balance.cap),
        "spent": rational(balance.spent),
        "reserved": rational(balance.reserved),
        "left": rational(balance.left),
        "epsilon_spent": accounting.epsilon_from_rho(balance.spent, _fraction(delta)),
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


def _entry(entry: Entry) -> dict[str, Any]:
    return {"seq": entry.seq, "time": entry.time, "kind": entry.kind, "details": _summary(entry)}


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
        case "refusal" | "incident":
            return str(details["code"])
    return ""


def _blocks(data: dict[str, Any]) -> list[str | Grid]:
    from fractions import Fraction

    def short(value: str) -> str:
        return f"{float(Fraction(value)):.4g}"

    accounts = [
        (
            f"{row['population']} {row['cohort']}",
            *(short(row[key]) for key in ("cap", "spent", "reserved", "left")),
            f"{row['epsilon_spent']:.3g}",
        )
        for row in data["accounts"]
    ]
    entries = [(str(row["seq"]), _moment(row["time"]), row["kind"], row["details"]) for row in data["newest"]]
    heads = ("account", "plafond / cap", "besteed / spent", "gereserveerd / reserved", "over / left", "epsilon")
    lines: list[str | Grid] = [
        f"{data['school']}: {data['entries']} entries, head {data['head'].hex()}",
        Grid("Rekeningen in rho / Accounts in rho", heads, accounts),
        Grid("Nieuwste regels / Newest entries", ("nr", "tijd / time", "soort / kind", "details"), entries),
    ]
    if data["blocked"]:
        lines.append(f"GEBLOKKEERD / BLOCKED: {data['blocked']}")
    if data["copy"]:
        lines.append(f"Copy: {data['copy']}; check it with: python -m privacy.verify {data['copy']}")
    return lines


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _copied(ledger: Path, copy: Path) -> Path:
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


def accept_head(root: Path, digits: str) -> Report:
    """After a restored backup: the FG states the newest head it holds, and the node answers again if it matches."""
    if len(digits) != 64 or not set(digits.lower()) <= set("0123456789abcdef"):
        rule, remedy = "A ledger head is 64 hexadecimal digits.", "Copy it from your countersignature."
        raise UnusableInput("not_a_head", rule, f"{len(digits)} characters", remedy)
    desk = Desk.open(existing(root))
    desk.ledger.accept_head(bytes.fromhex(digits))
    return Report({"school": desk.state.school, "head": digits}, ["The node answers again. / De node antwoordt weer."])
