"""What an FG decides at the school arrives; signed statements in the ledger leave, and files for the coordinator.

Three ways to sign, the same statement each time: with a key that is at hand; or by `export`, carrying the exact
bytes to a machine that holds nothing but the key (`signing`), and `take` what comes back. Only a statement that this
node exported is taken, so nobody signs anything but what was shown here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from experiments import planning
from node.assembly import open_ledger, open_schema
from node.desk import fg_keys
from node.errors import Refusal, UnusableInput
from node.policy import read_policy
from privacy import accounting
from privacy.identity import write_private
from privacy.statements import (
    Approval,
    CharterAcceptance,
    Deputation,
    HeadCountersignature,
    Signed,
    Statement,
    Withdrawal,
    sign,
    signed_from_bytes,
)
from privacy.succession import signed_by

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path

    from experiments.definition import Experiment
    from experiments.planning import Plan
    from node.desk.fg_keys import Vouchers
    from node.folder import NodeFolder
    from node.ledger_store import LedgerStore
    from node.policy import Policy
    from privacy.balances import State
    from privacy.charter import Charter
    from privacy.identity import SigningKey
    from shared_schema import Schema

TO_SIGN = "to-sign"
SECONDS_PER_DAY = 86_400
DAYS_VALID = 90
S = TypeVar("S", bound=Statement)


@dataclass(frozen=True)
class Desk:
    """Where a school's FG works: the node's folder, ledger, schema and policy, opened once."""

    folder: NodeFolder
    ledger: LedgerStore
    schema: Schema
    policy: Policy

    @classmethod
    def open(cls, folder: NodeFolder) -> Desk:
        """Open a node's folder. Raises what makes ledger, schema or policy unusable."""
        return cls(folder, open_ledger(folder), open_schema(folder), read_policy(folder.policy))

    @property
    def state(self) -> State:
        """What the ledger says now."""
        return self.ledger.state()

    @property
    def charter(self) -> Charter:
        """The charter in force; `UnusableInput` when none was accepted yet."""
        charter = self.state.charter
        if charter is None:
            rule, remedy = (
                "An FG accepts a charter before anything else.",
                "Run: coalition-node approve NODE --charter FILE.",
            )
            raise UnusableInput("no_charter", rule, "none", remedy)
        return charter

    def plan(self, experiment: Experiment) -> Plan:
        """The plan of an experiment, which the node derives itself; `Refusal` for one of another schema."""
        if experiment.schema_hash != self.schema.hash:
            rule = "Experiment and node use one schema."
            raise Refusal("other_schema", rule, "another hash", "Install the coalition's schema.yaml.")
        return planning.plan(experiment, self.charter, self.schema)

    def left(self, population: str, cohort: int) -> Fraction:
        """ρ that a new plan may still reserve on an account, under the policy's lifetime budget."""
        balance = self.state.balance((population, str(cohort)))  # type: ignore[arg-type]
        return max(0 * balance.cap, self.policy.lifetime_budget.rho - balance.spent - balance.reserved)


# ---- what there is to sign


def draft_approval(
    desk: Desk,
    experiment: Experiment,
    cap_epsilon: Fraction | None = None,
    expires: int | None = None,
    own_figures: bool = False,
) -> Approval:
    """The approval of one run of exactly this experiment; nothing is recorded yet.

    cap_epsilon: the most ε (at the experiment's δ) this run may cost on any account; expires: seconds since 1970
    UTC, in 90 days if not given. Raises `Refusal` for a plan above the cap or above what an account has left, for
    an expiry in the past, and for own figures where the school's policy forbids them.
    """
    now = desk.ledger.now()
    plan = desk.plan(experiment)
    cap = None if cap_epsilon is None else accounting.rho_from_epsilon(cap_epsilon, plan.delta)
    moment = now + DAYS_VALID * SECONDS_PER_DAY if expires is None else expires
    _check_budget(desk, plan, cap)
    _check_terms(desk, moment, now, own_figures)
    serial = next_serial(desk)
    return Approval(desk.state.school, desk.charter.hash, experiment.hash, serial, cap, moment, own_figures, now)


def _check_budget(desk: Desk, plan: Plan, cap: Fraction | None) -> None:
    needed, remedy = plan.rho_reserved, "Ask for an experiment with less budget: its hash will be another."
    if cap is not None and needed > cap:
        rule = f"The whole plan, retries included, stays within the cap of rho {float(cap):.4g}."
        raise Refusal("budget_above_cap", rule, f"a plan of {float(needed):.4g}", remedy)
    for population, cohort in plan.accounts:
        left = desk.left(population, cohort)
        if needed > left:
            rule = f"Account {population}/{cohort} has rho {float(left):.4g} left of its lifetime budget."
            raise Refusal("budget_exhausted", rule, f"a plan of {float(needed):.4g}", remedy)


def _check_terms(desk: Desk, expires: int, now: int, own_figures: bool) -> None:
    if expires <= now:
        rule = "An approval expires in the future."
        raise Refusal("approval_expired", rule, "a moment in the past", "Choose a later date.")
    if own_figures and not desk.policy.own_figures:
        rule = "The school's policy allows figures of this school alone."
        raise Refusal("own_figures_forbidden", rule, "own_figures: false", "Leave them out, or change the policy.")


def next_serial(desk: Desk) -> int:
    """A serial that this FG never used: above every one in the ledger and every one that waits to be signed."""
    waiting = [statement.serial for statement in _waiting(desk, Approval)]
    return max([*desk.state.approvals, *desk.state.withdrawn, *waiting], default=0) + 1


def draft_withdrawal(desk: Desk, serial: int) -> Withdrawal:
    """Take back the approval with this serial; `Refusal` when there is none, or when it was taken back before."""
    if serial not in desk.state.approvals or serial in desk.state.withdrawn:
        rule, found = "An approval that stands can be withdrawn.", f"serial {serial}"
        raise Refusal("nothing_to_withdraw", rule, found, "See the serials with: coalition-node ledger NODE.")
    return Withdrawal(desk.state.school, desk.charter.hash, serial, desk.ledger.now())


def draft_acceptance(desk: Desk, charter: Charter) -> CharterAcceptance:
    """Accept a charter for this school; `Refusal` when it lists other keys or sizes than the school's own."""
    own = charter.school(desk.state.school)
    remedy = "Send the coordinator this node's card.json again, and compare the keys by telephone."
    if own.node_key != desk.state.node_key or own.fg_key not in fg_keys.announced(desk.folder, desk.state):
        rule = "A charter lists this school's own keys, as card.json says them."
        raise Refusal("charter_other_keys", rule, "another key of node or FG", remedy)
    if dict(own.enrolments) != dict(desk.policy.public_size):
        rule = "A charter lists the public sizes of this school's policy."
        raise Refusal("charter_other_sizes", rule, "other sizes", remedy)
    return CharterAcceptance(charter.hash, charter.version, desk.state.school, desk.ledger.now())


def draft_countersignature(desk: Desk) -> HeadCountersignature:
    """The FG has seen the ledger up to its present head."""
    now = desk.ledger.now()
    state = desk.state
    return HeadCountersignature(state.school, state.count - 1, state.head, now)


# ---- signing and recording


def record(desk: Desk, signed: Signed[Statement], charter: Charter | None = None, vouchers: Vouchers = ()) -> None:
    """Check the FG's or the deputy's signature and put the statement in the ledger.

    charter belongs to an acceptance; vouchers, other FGs' acceptances, to one with a new key because the old one is
    lost. Raises `Refusal` with code foreign_signature, or what the ledger's rules say (serial_used, …).
    """
    _check_fg(desk, signed, charter if vouchers else None)
    match signed.statement:
        case Approval() as statement:
            desk.ledger.record_approval(Signed(statement, signed.signature))
        case Withdrawal() as statement:
            desk.ledger.record_withdrawal(Signed(statement, signed.signature))
        case HeadCountersignature() as statement:
            desk.ledger.record_countersignature(Signed(statement, signed.signature))
        case Deputation() as statement:
            desk.ledger.record_deputy(Signed(statement, signed.signature))
        case CharterAcceptance() as statement if charter is not None:
            accepted = Signed(statement, signed.signature)
            if vouchers:
                desk.ledger.record_recovery(charter, accepted, vouchers)
            else:
                desk.ledger.record_charter(charter, accepted)
            write_private(desk.folder.charter, charter.to_bytes())
        case other:
            rule = "An FG records approvals, withdrawals, charters, deputies and heads."
            raise UnusableInput("not_for_the_ledger", rule, type(other).__name__, "Name the charter with --charter.")


def _check_fg(desk: Desk, signed: Signed[Statement], recovered: Charter | None) -> None:
    message = signed.statement.message()
    allowed = fg_keys.allowed(desk.state, signed.statement, recovered)
    if not any(signed_by(key, message, signed.signature) for key in allowed):
        rule = "This school's own FG signs, or a deputy whom the FG named, with the key that the ledger knows."
        remedy = "Sign with the FG's key: --key FILE, or --export and --import."
        raise Refusal("foreign_signature", rule, "a signature of another key", remedy)


def sign_and_record(
    desk: Desk, statement: S, key: SigningKey, charter: Charter | None = None, vouchers: Vouchers = ()
) -> Signed[S]:
    """Sign with a key that is at hand, and record."""
    signed = sign(statement, key)
    record(desk, signed, charter, vouchers)
    return signed


def export(desk: Desk, statement: Statement, path: Path) -> None:
    """Write the exact bytes to be signed, and remember that they were exported here."""
    message = statement.message()
    write_private(_waiting_path(desk, statement), message)
    write_private(path, message)


def take(desk: Desk, data: bytes, kind: type[S], charter: Charter | None = None, vouchers: Vouchers = ()) -> Signed[S]:
    """Record what came back signed; `Refusal` for anything that this node did not export."""
    signed = signed_from_bytes(data, kind)
    path = _waiting_path(desk, signed.statement)
    if not path.is_file():
        rule = "What is taken was exported by this node, byte for byte, and not taken before."
        raise Refusal("not_exported", rule, f"another {kind.__name__.lower()}", "Export it again, and sign that file.")
    if isinstance(signed.statement, Approval) and signed.statement.expires <= desk.ledger.now():
        rule = "An approval expires in the future."
        raise Refusal("approval_expired", rule, "a moment in the past", "Export it again with a later date.")
    record(desk, signed, charter, vouchers)
    path.unlink()
    return signed


def _waiting_path(desk: Desk, statement: Statement) -> Path:
    from privacy import canonical

    name = canonical.digest("datacoalitie/to-sign/1", statement.message()).hex()
    return desk.folder.root / TO_SIGN / f"{name}.message"


def _waiting(desk: Desk, kind: type[S]) -> list[S]:
    from privacy.statements import parse

    folder = desk.folder.root / TO_SIGN
    found = [parse(path.read_bytes()) for path in sorted(folder.glob("*.message"))]
    return [statement for statement in found if isinstance(statement, kind)]


# ---- the whole of it, for who has the key at hand


def approve(
    desk: Desk,
    experiment: Experiment,
    key: SigningKey,
    cap_epsilon: Fraction | None = None,
    expires: int | None = None,
    own_figures: bool = False,
) -> Signed[Approval]:
    """Draft, sign and record an approval; its bytes go to the coordinator."""
    return sign_and_record(desk, draft_approval(desk, experiment, cap_epsilon, expires, own_figures), key)


def accept_charter(desk: Desk, charter: Charter, key: SigningKey, vouchers: Vouchers = ()) -> Signed[CharterAcceptance]:
    """Draft, sign and record the acceptance of a charter whose fingerprints were compared."""
    return sign_and_record(desk, draft_acceptance(desk, charter), key, charter, vouchers)


def withdraw(desk: Desk, serial: int, key: SigningKey) -> Signed[Withdrawal]:
    """Draft, sign and record a withdrawal; it counts at this node from now on."""
    return sign_and_record(desk, draft_withdrawal(desk, serial), key)


def countersign(desk: Desk, key: SigningKey) -> Signed[HeadCountersignature]:
    """Sign the ledger's present head; its bytes go to the coordinator and stay with the FG."""
    return sign_and_record(desk, draft_countersignature(desk), key)
