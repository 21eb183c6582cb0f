"""Arrives: a school's ledger, and the head and key that its FG holds. Leaves: what was asked, its cost, what
is wrong.

Runs alone (`python privacy/verify.py LEDGER.sqlite`) with its two neighbours `verify_bytes.py` and
`verify_report.py`, on the standard library and `cryptography`. It shares no code with the platform: its own
CBOR reader, its own rules, its own conversion to epsilon. Read-only; no network.

Detected: an entry edited, left out, moved or added without the node's key; a statement the FG did not sign; a
cost that is not delta^2/(2 variance); a charge without approval, reserve or room; any rewriting before the
expected head. Not detected: what comes after the last head that someone outside holds, and a node program
that was modified. Exit codes: 0 all holds, 1 problems, 2 not a ledger.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

if not __package__:  # started as a file: its neighbours are found beside it
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from privacy.verify_bytes import decode, is_signed
from privacy.verify_report import (
    Account,
    Balance,
    Problem,
    Question,
    Report,
    as_data,
    as_text,
    epsilon,
)

__all__ = ["NotALedgerError", "Problem", "Question", "Report", "as_data", "as_text", "epsilon", "main", "verify_ledger"]

_ENTRY: Final = "datacoalitie/ledger-entry/1"


class NotALedgerError(Exception):
    """The file cannot be read as a ledger at all."""


class _Wrong(Exception):
    """The code of the rule that an entry breaks."""


@dataclass
class _Run:
    experiment: bytes
    serial: int
    deadline: int
    held: dict[Account, Fraction]
    open: bool = True
    returned: bool = False
    slot: tuple[int, int] = (-1, -1)


def verify_ledger(path: Path, expected_head: bytes | None = None, fg_key: bytes | None = None) -> Report:
    """Check every entry of the ledger at `path`. Raises `NotALedgerError` when there is nothing to check.

    expected_head: a head (32 bytes) that must stand in the chain; fg_key: the FG's own public key (32 raw
    bytes), which the ledger must have begun with.
    """
    rows, replies = _read(path)
    check = _Check(Report(str(path)), fg_key)
    for row in rows:
        check.entry(*row)
    check.replies(replies)
    if expected_head is not None and expected_head not in check.heads:
        check.report.problems.append(Problem("expected_head", None))
    check.report.entries, check.report.head = len(rows), check.heads[-1].hex()
    return check.report


def _read(path: Path) -> tuple[list[Any], list[Any]]:
    if not path.is_file():
        raise NotALedgerError("no such file")
    try:
        with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True) as connection:
            rows = connection.execute("SELECT seq, bytes, hash, signature FROM entries ORDER BY seq").fetchall()
            replies = connection.execute("SELECT run, step, attempt, context_hash FROM replies").fetchall()
        connection.close()
    except sqlite3.Error as error:
        raise NotALedgerError(str(error)) from error
    if not rows:
        raise NotALedgerError("no entries")
    return rows, replies


class _Check:
    """Walks the chain once. Each `_kind` method raises `_Wrong(code)` before it changes anything."""

    def __init__(self, report: Report, fg_key: bytes | None) -> None:
        self.report = report
        self.heads: list[bytes] = []
        self._expected_fg = fg_key
        self._node = self._fg = b""
        self._time = 0
        self._charter: tuple[bytes, int] | None = None
        self._approvals: dict[int, list[Any]] = {}
        self._withdrawn: set[int] = set()
        self._runs: dict[bytes, _Run] = {}
        self._slots: dict[tuple[bytes, int, int], bytes] = {}

    def entry(self, seq: int, data: bytes, digest: bytes, signature: bytes) -> None:
        """Check one row; whatever is wrong with it becomes a problem, and the walk goes on."""
        previous = self.heads[-1] if self.heads else bytes(32)
        self.heads.append(hashlib.sha256(data).digest())
        self._hold(digest == self.heads[-1], "hash", seq)
        try:
            tag, number, before, time, kind, details = decode(data)
            self._hold(tag == _ENTRY and seq == number == len(self.heads) - 1, "sequence", seq)
            self._hold(before == previous, "chain", seq)
            self._hold(time >= self._time, "time", seq)
            self._time = max(time, self._time)
            if (kind == "genesis") != (seq == 0):
                raise _Wrong("genesis")
            if kind == "genesis":
                self._genesis(details)
            self._hold(is_signed(self._node, data, signature), "signature", seq)
            _KINDS[kind](self, seq, details)
        except _Wrong as wrong:
            self.report.problems.append(Problem(str(wrong), seq))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError):
            self.report.problems.append(Problem("unreadable", seq))

    def replies(self, rows: Iterable[tuple[bytes, int, int, bytes]]) -> None:
        """Nothing was stored to be sent that was not charged."""
        stored = {(run, step, attempt): context for run, step, attempt, context in rows}
        if stored != self._slots:
            self.report.problems.append(Problem("replies", None))

    def _hold(self, good: bool, code: str, seq: int) -> None:
        if not good:
            self.report.problems.append(Problem(code, seq))

    def _genesis(self, details: Mapping[str, Any]) -> None:
        self.report.school, self._node, self._fg = details["school"], details["node_key"], details["fg_key"]
        self._hold(self._expected_fg in (None, self._fg), "other_fg", 0)

    def _statement(self, details: Mapping[str, Any], name: str) -> list[Any]:
        """The fields of a statement that the FG signed, after its tag."""
        message = details["statement"]
        fields: list[Any]
        tag, *fields = decode(message)
        _need(tag == f"datacoalitie/{name}/1", "statement")
        _need(is_signed(self._fg, message, details["signature"]), "fg_signature")
        return fields

    def _account(self, account: Account) -> Balance:
        return self.report.accounts.setdefault(account, Balance())

    def _on_charter(self, seq: int, details: Mapping[str, Any]) -> None:
        digest, version, school, _ = self._statement(details, "charter-acceptance")
        tag, _, number, previous, _, schools, *_ = decode(details["charter"])
        _need(tag == "datacoalitie/charter/1" and version == number, "charter")
        _need(digest == hashlib.sha256(details["charter"]).digest() and school == self.report.school, "charter")
        last = (previous, number - 1)
        _need(self._charter in (None, last), "charter_order")
        own = next(row for row in schools if row[0] == school)
        _need(own[2] == self._node and (self._charter is not None or own[3] == self._fg), "charter_keys")
        self._charter, self._fg = (digest, number), own[3]

    def _on_cap(self, seq: int, details: Mapping[str, Any]) -> None:
        self._account(_account(details["account"])).cap = _rho(details["rho"])

    def _on_approval(self, seq: int, details: Mapping[str, Any]) -> None:
        school, _, _, serial, *_ = fields = self._statement(details, "approval")
        _need(school == self.report.school, "other_school")
        _need(serial not in self._approvals and serial not in self._withdrawn, "serial")
        self._approvals[serial] = fields

    def _on_withdrawal(self, seq: int, details: Mapping[str, Any]) -> None:
        school, _, serial, _ = self._statement(details, "withdrawal")
        _need(school == self.report.school, "other_school")
        self._withdrawn.add(serial)

    def _on_countersign(self, seq: int, details: Mapping[str, Any]) -> None:
        school, seen, head, _ = self._statement(details, "head-countersignature")
        _need(school == self.report.school and seen < seq and self.heads[seen] == head, "countersigned_head")
        self.report.countersigned = seen

    def _approved(self, serial: int, experiment: bytes) -> Fraction | None:
        """The FG's own cap on a run, once its approval is shown to hold at this moment."""
        _need(serial in self._approvals and serial not in self._withdrawn, "unapproved")
        _, charter, approved, _, cap, expires, *_ = self._approvals[serial]
        _need(self._charter is not None and charter == self._charter[0], "unapproved")
        _need(approved == experiment and self._time <= expires, "unapproved")
        return None if cap is None else _rho(cap)

    def _on_reserve(self, seq: int, details: Mapping[str, Any]) -> None:
        run, rho, serial = details["run"], _rho(details["rho"]), details["serial"]
        _need(run not in self._runs and all(known.serial != serial for known in self._runs.values()), "approval_twice")
        allowed = self._approved(serial, details["experiment_hash"])
        _need(allowed is None or rho <= allowed, "over_approved_cap")
        _need(details["deadline"] > self._time, "deadline")
        accounts = [_account(item) for item in details["accounts"]]
        balances = [self._account(account) for account in accounts]
        _need(len(set(accounts)) == len(accounts) > 0, "accounts")
        _need(all(own.spent + own.reserved + rho <= own.cap for own in balances), "over_cap")
        for own in balances:
            own.reserved += rho
        held = dict.fromkeys(accounts, rho)
        self._runs[run] = _Run(details["experiment_hash"], serial, details["deadline"], held)

    def _on_charge(self, seq: int, details: Mapping[str, Any]) -> None:
        run, rho = self._runs.get(details["run"]), _rho(details["rho"])
        _need(run is not None and run.experiment == details["experiment_hash"], "no_reserve")
        assert run is not None
        slot = (details["step"], details["attempt"])
        _need(run.open, "closed")
        _need(slot > run.slot, "slot")
        _need(self._time <= run.deadline, "deadline")
        self._approved(run.serial, run.experiment)
        questions = list(self._questions(seq, details))
        _need(sum((question.rho for question in questions), Fraction(0)) == rho, "cost")
        accounts = [_account(item) for item in details["accounts"]]
        _need(len(set(accounts)) == len(accounts) > 0 and set(accounts) <= set(run.held), "accounts")
        _need(all(rho <= run.held[account] for account in accounts), "over_reserve")
        for account in accounts:
            run.held[account] -= rho
            self._account(account).reserved -= rho
            self._account(account).spent += rho
        run.slot = slot
        self._slots[(details["run"], *slot)] = details["context_hash"]
        self.report.questions += questions

    def _questions(self, seq: int, details: Mapping[str, Any]) -> Iterable[Question]:
        for release in details["releases"]:
            delta, variance, rho = release["delta"], _rho(release["variance"]), _rho(release["rho"])
            _need(delta >= 0 and variance > 0 and 2 * variance * rho == delta * delta, "cost")
            yield Question(
                seq=seq,
                time=self._time,
                run=details["run"].hex(),
                experiment=details["experiment_hash"].hex(),
                step=details["step"],
                attempt=details["attempt"],
                schools=len(details["roster"]),
                bytes=details["payload_bytes"],
                query=release["query"],
                dimension=release["dimension"],
                delta=delta,
                variance=variance,
                rho=rho,
            )

    def _on_close(self, seq: int, details: Mapping[str, Any]) -> None:
        run = self._runs[details["run"]]
        _need(run.open, "closed")
        run.open = False

    def _on_return(self, seq: int, details: Mapping[str, Any]) -> None:
        run = self._runs[details["run"]]
        returned = {(population, cohort): _rho(rho) for population, cohort, rho in details["returned"]}
        _need(not run.open and not run.returned and returned == run.held, "return")
        run.returned = True
        for account, rho in returned.items():
            self._account(account).reserved -= rho

    def _on_refusal(self, seq: int, details: Mapping[str, Any]) -> None:
        code = details["code"]
        self.report.refusals[code] = self.report.refusals.get(code, 0) + 1

    def _on_incident(self, seq: int, details: Mapping[str, Any]) -> None:
        self.report.incidents.append((seq, f"{details['code']}: {details['note']}"))


_KINDS: Final[Mapping[str, Callable[[_Check, int, Mapping[str, Any]], None]]] = {
    "genesis": lambda check, seq, details: None,  # read before its own signature can be judged
    "charter": _Check._on_charter,
    "cap": _Check._on_cap,
    "approval": _Check._on_approval,
    "withdrawal": _Check._on_withdrawal,
    "countersign": _Check._on_countersign,
    "reserve": _Check._on_reserve,
    "charge": _Check._on_charge,
    "close": _Check._on_close,
    "return": _Check._on_return,
    "refusal": _Check._on_refusal,
    "incident": _Check._on_incident,
}


def _need(holds: bool, code: str) -> None:
    if not holds:
        raise _Wrong(code)


def _account(value: Any) -> Account:
    population, cohort = value
    _need(isinstance(population, str) and isinstance(cohort, str), "accounts")
    return population, cohort


def _rho(value: Any) -> Fraction:
    _need(isinstance(value, Fraction) and value >= 0, "cost")
    return Fraction(value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        report = verify_ledger(chosen.ledger, chosen.expected_head, chosen.fg_key)
    except NotALedgerError as error:
        sys.stderr.write(f"{_UNUSABLE[chosen.language]} {chosen.ledger}: {error}\n")
        return 2
    if chosen.format == "json":
        text = json.dumps(as_data(report, chosen.delta), indent=2, ensure_ascii=False)
    else:
        text = as_text(report, chosen.delta, chosen.language)
    sys.stdout.write(text + "\n")
    return 0 if report.ok else 1


_UNUSABLE: Final = {"nl": "Geen leesbaar grootboek:", "en": "Not a readable ledger:"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="verify.py",
        description="Controleert het privacygrootboek van een school. / Checks a school's privacy ledger.",
    )
    parser.add_argument("ledger", type=Path, help="ledger.sqlite van de node / of the node")
    parser.add_argument("--expected-head", type=_hex32, help="de stand die de FG bewaart / the head the FG holds")
    parser.add_argument("--fg-key", type=_hex32, help="de eigen publieke sleutel / the FG's own public key")
    parser.add_argument("--delta", type=_delta, default=Fraction(1, 10**6), help="delta bij epsilon (1e-6)")
    parser.add_argument("--language", choices=("nl", "en"), default="nl")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    return parser


def _hex32(text: str) -> bytes:
    value = bytes.fromhex(text)
    if len(value) != 32:
        raise argparse.ArgumentTypeError("64 hexadecimale cijfers / 64 hexadecimal digits")
    return value


def _delta(text: str) -> Fraction:
    value = Fraction(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("tussen 0 en 1 / between 0 and 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
