"""Arrives: facts about approvals, budget and what is sent. Leaves: durable entries, and the replies they paid
for.

What accounts hold is never stored: it is replayed from the signed chain (`privacy.balances`), so there is one
truth. Every verb below is one transaction between two phases of the counter (`node.ledger_file`,
`node.counter`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from node.counter import Counter, Position
from node.errors import Refusal, RestoredBackup, UnusableInput
from node.ledger_file import LedgerFile, Slot, damaged, position, storage
from privacy import canonical
from privacy.balances import Balance, Run, State, known_run
from privacy.charter import Charter
from privacy.errors import PrivacyError
from privacy.ledger import Account, BrokenRule, Charged, Entry, account_values, genesis
from privacy.statements import Signed
from privacy.succession import voucher_values

if TYPE_CHECKING:
    from privacy.identity import SigningKey
    from privacy.statements import (
        Approval,
        CharterAcceptance,
        Deputation,
        HeadCountersignature,
        Statement,
        Withdrawal,
    )


class ReleaseLike(Protocol):
    """What the ledger keeps of a release (`privacy.private_sum.Release`): d, Delta and sigma^2 in lattice
    steps.
    """

    @property
    def dimension(self) -> int:
        """d."""

    @property
    def lattice_steps(self) -> int:
        """Delta, the sensitivity in lattice steps."""

    @property
    def variance(self) -> Fraction:
        """sigma^2 of the whole sum, in squared lattice steps."""


@dataclass(frozen=True)
class Question:
    """What the ledger keeps of a question, all of it known before a row is looked at.

    payload_bytes: size of the masked vector; releases: (query, release) of every private sum that rides along.
    """

    run: bytes
    experiment_hash: bytes
    step: int
    attempt: int
    context_hash: bytes
    payload_bytes: int
    roster: Sequence[str]
    releases: Sequence[tuple[str, ReleaseLike]]

    @property
    def slot(self) -> Slot:
        """Where its one answer is kept."""
        return self.run, self.step, self.attempt


def system_clock() -> int:
    """Seconds since 1970 UTC by the machine's clock."""
    return int(time.time())


class LedgerStore:
    """A school's ledger on disk. Safe for threads and processes side by side, and for a kill at any
    statement.

    Every method raises `RestoredBackup` while the counter does not match, `DamagedLedger` when the chain does
    not hold, `StorageFailed` when a write does not reach the disk, and `Refusal` for what the rules do not
    allow; a refusal is recorded in the ledger before it is raised.
    """

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    @classmethod
    def create(
        cls,
        path: Path,
        signing_key: SigningKey,
        counter: Counter,
        school: str,
        fg_key: bytes,
        clock: Callable[[], int] = system_clock,
    ) -> LedgerStore:
        """Begin a ledger: its genesis names the school, the node's key and the FG's key (32 raw bytes).

        A counter that already follows a ledger is refused (`RestoredBackup`): deleting a ledger gives no new
        budget.
        """
        with storage():
            file = LedgerFile(path, signing_key, counter, clock)
            file.create(genesis(school, signing_key.public, fg_key, clock()))
        return cls(file)

    @classmethod
    def open(
        cls, path: Path, signing_key: SigningKey, counter: Counter, clock: Callable[[], int] = system_clock
    ) -> LedgerStore:
        """Open a ledger and check its whole chain. Every change asks the counter too; at a start, call
        `check`.
        """
        if not path.is_file():
            raise UnusableInput("no_ledger", "A node has a ledger.", "no file", "Run: coalition-node init.")
        with storage():
            file = LedgerFile(path, signing_key, counter, clock)
        if file.state().node_key != signing_key.public:
            raise damaged("the ledger of another key")
        return cls(file)

    # ---- what is asked of the ledger

    def check(self) -> None:
        """Return when the ledger may answer: chain, balances and counter hold. Call it at every start."""
        with self._file.change():
            pass

    def state(self) -> State:
        """Everything the ledger says, also while it is blocked (an FG must be able to look)."""
        return self._file.state()

    def balances(self) -> dict[Account, Balance]:
        """Cap, spent and reserved of every account the ledger names, in zCDP rho."""
        return dict(self.state().balances)

    def head(self) -> Position:
        """The number of entries and the hash of the last one."""
        return position(self.state())

    def entries(self) -> tuple[Entry, ...]:
        """All entries, first to last, each with its signature and its place in the chain checked."""
        with self._file.locked():
            self._file.state()
            return tuple(Entry.from_bytes(record.data) for record in self._file.records())

    def run(self, run: bytes) -> Run | None:
        """The run with this id, or None when it was never reserved."""
        return self.state().runs.get(run)

    def last_seen(self) -> int:
        """Until when the FG, or a deputy, has seen the ledger; at first its beginning (seconds since 1970 UTC).

        Of a countersignature counts when it was signed, never when it was put in: an old one does not become new.
        """
        return self.state().seen_at

    def charters(self) -> tuple[Charter, ...]:
        """Every charter that was ever in force, oldest first."""
        kinds = ("charter", "recovery")
        return tuple(Charter.from_bytes(one.details["charter"]) for one in self.entries() if one.kind in kinds)

    def now(self) -> int:
        """Seconds since 1970 UTC, never before what this node saw last, whatever its clock says."""
        with self._file.change() as change:
            return change.time

    def next_epoch(self) -> int:
        """The epoch of a run's new key: 1, 2, …; durable before it is returned, never given twice."""
        with self._file.change() as change:
            return change.next_epoch()

    # ---- what the FG and the school decide

    def record_charter(self, charter: Charter, acceptance: Signed[CharterAcceptance]) -> None:
        """Take this charter as the one in force; the FG signed exactly it, and versions never go back."""
        details = {"charter": charter.to_bytes(), **_signed(acceptance)}
        self._record("charter", details)

    def record_recovery(
        self, charter: Charter, acceptance: Signed[CharterAcceptance], vouchers: Sequence[Signed[CharterAcceptance]]
    ) -> None:
        """Take the charter that lists a new key for an FG who lost the old one, as enough other FGs vouch."""
        details = {"charter": charter.to_bytes(), **_signed(acceptance), "vouchers": voucher_values(vouchers)}
        self._record("recovery", details)

    def record_deputy(self, signed: Signed[Deputation]) -> None:
        """Take whom the FG names as deputy; the last one counts."""
        self._record("deputy", _signed(signed))

    def record_approval(self, signed: Signed[Approval]) -> None:
        """Take an approval by this school's FG; its serial was never used."""
        self._record("approval", _signed(signed))

    def record_withdrawal(self, signed: Signed[Withdrawal]) -> None:
        """Take back an approval: nothing is charged on it any more, and its serial never revives."""
        self._record("withdrawal", _signed(signed))

    def record_countersignature(self, signed: Signed[HeadCountersignature]) -> None:
        """Note that the FG has seen the ledger up to this head."""
        self._record("countersign", _signed(signed))

    def set_cap(self, account: tuple[str, str], rho: Fraction) -> None:
        """Set an account's lifetime cap. A lower one alters no plan; new plans must fit under it."""
        self._record("cap", {"account": list(account), "rho": rho})

    def ensure_cap(self, account: tuple[str, str], rho: Fraction) -> None:
        """`set_cap`, unless that is the cap already."""
        with self._file.change() as change:
            if change.state.balance(Account(*account)).cap != rho:
                change.append("cap", {"account": list(account), "rho": rho})

    # ---- what a run does

    def reserve(
        self,
        run: bytes,
        experiment_hash: bytes,
        serial: int,
        accounts: Sequence[tuple[str, str]],
        rho: Fraction,
        deadline: int,
    ) -> int:
        """Hold the whole plan, retries included: `rho` on each account until `deadline` (seconds since 1970
        UTC).

        Asked again for the same open run, nothing is held twice. Returns the deadline in force.
        """
        details = {
            "run": run,
            "experiment_hash": experiment_hash,
            "serial": serial,
            "accounts": account_values(accounts),
            "rho": rho,
            "deadline": deadline,
        }
        with self._recording(details, run), self._file.change() as change:
            known = change.state.runs.get(run)
            if known is not None and _same_plan(known, experiment_hash, serial, accounts):
                return known.deadline
            change.append("reserve", details)
            return deadline

    def charge(
        self,
        question: Question,
        payload_hash: bytes,
        build_reply: Callable[[bytes], bytes],
        accounts: Sequence[tuple[str, str]] | None = None,
    ) -> bytes:
        """Debit the releases, store the reply and return it: durable together before a byte may leave.

        build_reply: given the new head of the ledger, the reply with its receipt; it runs within the
        transaction, and when it raises nothing was charged. accounts: those the plan reserved, unless fewer
        are named. A slot that was answered before gives its stored bytes for the same context, a refusal for
        another.
        """
        with self._about(question), self._file.change() as change:
            stored = change.stored(question.slot, question.context_hash)
            if stored is not None:
                return stored
            change.append("charge", _charge(change.state, question, payload_hash, accounts))
            return change.keep(question.slot, question.context_hash, build_reply(change.state.head))

    def replay_or_allow(self, question: Question) -> bytes | None:
        """What was answered to this question, at no cost; None when `charge` would take it now.

        What `charge` would refuse is refused here, with nothing written but the refusal: a node that asks first looks
        at no row for a question that is not paid.
        """
        with self._about(question), self._file.change() as change:
            stored = change.stored(question.slot, question.context_hash)
            if stored is None:
                change.allowed("charge", _charge(change.state, question, payload_hash=bytes(32)))
            return stored

    def replay(self, run: bytes, step: int, attempt: int, context_hash: bytes) -> bytes | None:
        """What was answered in this slot, at no cost; None when nothing was. Another context is refused."""
        slot = (run, step, attempt)
        with self._recording({"context_hash": context_hash}, *slot), self._file.change() as change:
            return change.stored(slot, context_hash)

    def close(self, run: bytes) -> dict[Account, Fraction]:
        """End a run for good and return what it did not spend. Destroy its keys before. Twice is once."""
        with self._recording({"close": run}, run), self._file.change() as change:
            known = change.state.runs.get(run)
            if known is not None and not known.open:
                return {}
            change.append("close", {"run": run})
            held = dict(change.state.runs[run].held)
            returned = [[*account, rho] for account, rho in held.items()]
            change.append("return", {"run": run, "returned": returned})
            return held

    def expired_runs(self) -> tuple[bytes, ...]:
        """Open runs whose deadline has passed: destroy their keys and `close` them."""
        now = self.now()
        return tuple(id for id, run in self.state().runs.items() if run.open and now > run.deadline)

    def delete_replies(self, run: bytes) -> int:
        """Delete the stored bytes of a closed run, leaving a tombstone in every slot. Returns how many."""
        with self._recording({"delete": run}, run), self._file.change() as change:
            known = change.state.runs.get(run)
            if known is None or known.open:
                rule = "Replies are kept while their run is open."
                raise BrokenRule("run_open", rule, "a run that was not closed", "Close the run first.")
            return change.bury(run)

    def record_refusal(
        self,
        code: str,
        request_hash: bytes,
        run: bytes | None = None,
        step: int | None = None,
        attempt: int | None = None,
    ) -> None:
        """Note a request that was refused, by code and hash (32 bytes); the same one is noted once."""
        details = {"code": code, "request_hash": request_hash, "run": run, "step": step, "attempt": attempt}
        with self._file.change() as change:
            if change.first_time(code, request_hash):
                change.append("refusal", details)

    def record_fork(self, code: str, head: bytes, note: str) -> bool:
        """Note that this ledger (`OWN_FORK`) or a peer's has two branches; the same `head` (32 bytes) is noted once.

        note: words of this program, at most 200. Returns whether it was new.
        """
        with self._file.change() as change:
            known = (entry.details for entry in self.entries() if entry.kind == "incident")
            if any((one["code"], one["head"]) == (code, head) for one in known):
                return False
            change.append("incident", {"code": code, "head": head, "note": note})
            return True

    def accept_head(self, expected_head: bytes) -> None:
        """The FG states the newest head it knows; if the ledger ends there, the node answers again.

        The incident is recorded, and open runs are closed without returning what they held: some of it may
        have been spent after the backup was made. Nothing happens when counter and ledger agree already.
        """
        with self._file.locked():
            here = self.head()
            if here.head != expected_head:
                raise RestoredBackup(
                    "ledger_blocked",
                    "The ledger ends with the head that the FG holds.",
                    f"{here.length} entries that end with {here.head.hex()}",
                    "Look for a newer copy of the ledger; receipts at the coordinator name its head.",
                )
            found = self._file.disagreement()
            if found is not None:
                self._resume(expected_head, found)

    def _resume(self, head: bytes, found: str) -> None:
        with self._file.change(trusted=False) as change:
            change.append("incident", {"code": "head_accepted", "head": head, "note": found})
            for run in [run for run, known in change.state.runs.items() if known.open]:
                change.append("close", {"run": run})

    def _record(self, kind: str, details: dict[str, Any]) -> None:
        with self._recording(details), self._file.change() as change:
            change.append(kind, details)

    def _about(self, question: Question) -> AbstractContextManager[None]:
        return self._recording({"context_hash": question.context_hash}, *question.slot)

    @contextmanager
    def _recording(
        self,
        request: Mapping[str, Any],
        run: bytes | None = None,
        step: int | None = None,
        attempt: int | None = None,
    ) -> Iterator[None]:
        """Turn a broken rule into a refusal that stands in the ledger before anyone hears of it."""
        try:
            yield
        except PrivacyError as error:
            refusal = _refusal(error)
            digest = canonical.digest("datacoalitie/refused-request/1", run, step, attempt, dict(request))
            self.record_refusal(refusal.code, digest, run, step, attempt)
            raise refusal from error


def _charge(
    state: State, question: Question, payload_hash: bytes, accounts: Sequence[tuple[str, str]] | None = None
) -> dict[str, Any]:
    """The details of a charge."""
    charged = [Charged(name, r.dimension, r.lattice_steps, r.variance) for name, r in question.releases]
    planned = known_run(state, question.run).accounts
    return {
        "run": question.run,
        "experiment_hash": question.experiment_hash,
        "step": question.step,
        "attempt": question.attempt,
        "context_hash": question.context_hash,
        "payload_hash": payload_hash,
        "payload_bytes": question.payload_bytes,
        "roster": list(question.roster),
        "accounts": account_values(planned if accounts is None else accounts),
        "releases": [release.value() for release in charged],
        "rho": sum((release.rho for release in charged), Fraction(0)),
    }


def _refusal(error: PrivacyError) -> Refusal:
    if isinstance(error, BrokenRule):
        return Refusal(error.code, error.rule, error.found, error.remedy)
    remedy = "Send what this platform wrote and the right person signed."
    return Refusal("not_acceptable", "What enters the ledger is well formed and signed.", str(error), remedy)


def _signed(signed: Signed[Statement]) -> dict[str, Any]:
    return {"statement": signed.statement.message(), "signature": signed.signature}


def _same_plan(run: Run, experiment_hash: bytes, serial: int, accounts: Sequence[tuple[str, str]]) -> bool:
    """Whether a second reserve asks for what an open run has already."""
    same = (run.experiment_hash, run.serial, set(run.accounts)) == (experiment_hash, serial, set(accounts))
    return run.open and same
