"""Choices of an FG at a terminal arrive; statements signed here or elsewhere leave, each shown before it is signed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import keys, terminal
from experiments.terminal import Block, Report
from node.desk import approving, asked, fg_keys
from node.desk.approving import Desk
from node.errors import Refusal, UnusableInput
from node.founding import existing
from privacy.charter import MAX_BYTES as CHARTER_BYTES
from privacy.charter import Charter
from privacy.identity import fingerprint, write_private
from privacy.statements import (
    MAX_BYTES,
    Approval,
    CharterAcceptance,
    Signed,
    Statement,
    Withdrawal,
    parse,
    signed_from_bytes,
)

if TYPE_CHECKING:
    from privacy.identity import SigningKey

OUTBOX = "to-coordinator"
SIGNED_BYTES = 2 * MAX_BYTES


@dataclass(frozen=True)
class Hand:
    """How something is signed: with a key at hand, by exporting it, or by importing what came back."""

    key: Path | None = None
    export: Path | None = None
    import_: Path | None = None
    yes: bool = False
    vouchers: Sequence[Path] = ()


@dataclass(frozen=True)
class Terms:
    """What an FG adds to an approval, as typed."""

    cap_epsilon: str | None = None
    expires: str | None = None
    own_figures: bool = False


def approve(
    root: Path, experiment: Path | None, charter: Path | None, withdraw: int | None, terms: Terms, hand: Hand
) -> Report:
    """Approve one experiment, accept one charter, or withdraw one approval: exactly one of the three."""
    _one_of(experiment, charter, withdraw)
    desk = Desk.open(existing(root))
    if experiment is not None:
        return _approve_experiment(desk, experiment, terms, hand)
    if charter is not None:
        return _accept_charter(desk, read_charter(charter), hand)
    preview = [f"Withdrawal of serial {withdraw}: it never revives. / Intrekking; het nummer komt nooit terug."]
    return settle(desk, lambda: approving.draft_withdrawal(desk, withdraw or 0), preview, {}, hand)


def deputy(root: Path, name: str | None, public: str | None, until: str | None, dismiss: bool, hand: Hand) -> Report:
    """Name a deputy, or end the term of the one there is."""
    desk = Desk.open(existing(root))
    if dismiss:
        preview = ["The deputy's term ends now. / De termijn van de plaatsvervanger eindigt nu."]
        return settle(desk, lambda: fg_keys.draft_dismissal(desk.state, desk.ledger.now()), preview, {}, hand)
    if name is None or public is None or until is None:
        rule, remedy = "A deputy has a name, a key and a last day.", "Give --name, --public and --until, or --dismiss."
        raise UnusableInput("deputy_incomplete", rule, "one of them missing", remedy)
    key, last = public_key(public), _end_of(until)
    preview = [
        f"Deputy {name} may approve, withdraw and countersign until {until}; never accept a charter or name another. / "
        f"Plaatsvervanger {name} mag tot en met {until} goedkeuren, intrekken en meetekenen; geen charter aanvaarden.",
        f"Compare the key by another channel / vergelijk de sleutel langs een ander kanaal: {fingerprint(key)}",
    ]
    return settle(desk, lambda: fg_keys.draft_deputy(desk.state, desk.ledger.now(), name, key, last), preview, {}, hand)


def new_key(root: Path, public: str) -> Report:
    """Announce the FG's new key on the card; the old one stays in force until a charter lists the new one."""
    folder, key = existing(root), public_key(public)
    desk = Desk.open(folder)
    fg_keys.announce(folder, desk.state, key)
    data = {"school": desk.state.school, "fg_key": key, "in_force": desk.state.fg_key, "card": str(folder.card)}
    lines = [
        f"New key of the FG / nieuwe sleutel van de FG: {fingerprint(key)}",
        f"Send {folder.card} to the coordinator, who makes the next charter. / Stuur deze kaart naar de coördinator.",
        "Until your FG has accepted that charter, the old key counts. / Tot dan geldt de oude sleutel.",
    ]
    return Report(data, lines)


def public_key(digits: str) -> bytes:
    """A public key as `coalition key` prints it; `UnusableInput` for anything else."""
    if len(digits) != 64 or not set(digits.lower()) <= set("0123456789abcdef"):
        rule, remedy = "A public key is 64 hexadecimal digits.", "Copy what `coalition key` printed."
        raise UnusableInput("not_a_key", rule, f"{len(digits)} characters", remedy)
    return bytes.fromhex(digits)


def _one_of(*choices: object) -> None:
    if sum(choice is not None for choice in choices) != 1:
        rule, remedy = "One thing is signed at a time.", "Name --experiment, --charter or --withdraw."
        raise UnusableInput("one_at_a_time", rule, "none or several of them", remedy)


def _approve_experiment(desk: Desk, path: Path, terms: Terms, hand: Hand) -> Report:
    experiment = asked.read_experiment(path, desk)
    described = asked.describe(desk, experiment)
    cap = None if terms.cap_epsilon is None else _epsilon(terms.cap_epsilon)
    expires = None if terms.expires is None else _end_of(terms.expires)

    def draft() -> Approval:
        return approving.draft_approval(desk, experiment, cap, expires, terms.own_figures)

    report = settle(desk, draft, asked.blocks(described), {"asked": described}, hand)
    if hand.export is not None:  # the offline machine can then show what the hash stands for
        write_private(hand.export.with_name(hand.export.name + ".experiment"), experiment.encoded)
    return report


def _accept_charter(desk: Desk, charter: Charter, hand: Hand) -> Report:
    described = asked.describe_charter(charter, desk.state.school, desk.state.charter)
    preview = asked.charter_blocks(described)
    return settle(
        desk, lambda: approving.draft_acceptance(desk, charter), preview, {"charter": described}, hand, charter
    )


def settle(
    desk: Desk,
    draft: Callable[[], Statement],
    preview: Sequence[Block],
    data: dict[str, Any],
    hand: Hand,
    charter: Charter | None = None,
) -> Report:
    """Show, then sign with the key at hand, or export, or import; what is signed lands in the node's outbox."""
    statement = draft()
    vouchers = [signed_from_bytes(limited(path, SIGNED_BYTES), CharterAcceptance) for path in hand.vouchers]
    if hand.import_ is not None:
        data_in = limited(hand.import_, SIGNED_BYTES)
        _check_matter(statement, signed_from_bytes(data_in, type(statement)).statement)
        return _recorded(desk, approving.take(desk, data_in, type(statement), charter, vouchers), preview, data)
    preview = [*preview, *statement_lines(statement)]
    if hand.export is not None:
        approving.export(desk, statement, hand.export)
        after = (
            f"Sign it where the key is: coalition-node sign {hand.export.name} --key FILE; then --import the result."
        )
        return Report({**data, **fields_of(statement), "to_sign": str(hand.export)}, [*preview, after])
    shown = terminal.confirm(preview, "Sign this? / Dit tekenen?", hand.yes)
    key = _key(desk, hand, statement, charter)
    return _recorded(desk, approving.sign_and_record(desk, statement, key, charter, vouchers), shown, data)


def _check_matter(asked_for: Statement, returned: Statement) -> None:
    """What came back is about the experiment, charter or approval that was named on this command line."""
    names = ["school", "charter_hash", "experiment_hash"]
    names += ["serial"] if isinstance(asked_for, Withdrawal) else []
    if any(getattr(asked_for, name, None) != getattr(returned, name, None) for name in names):
        rule = "What is imported is about the very thing that is named."
        raise Refusal("signed_for_another", rule, "a signature for another", "Name what was exported.")


def _key(desk: Desk, hand: Hand, statement: Statement, charter: Charter | None) -> SigningKey:
    path = hand.key or desk.folder.fg_key
    if not path.is_file():
        rule, remedy = "An FG signs with the FG's key.", "Name it with --key, or sign elsewhere with --export."
        raise UnusableInput("no_fg_key", rule, f"no file {path.name}", remedy)
    key = keys.open_key(path)
    if key.public not in fg_keys.allowed(desk.state, statement, charter if hand.vouchers else None):
        rule = "This school's own FG signs; a deputy only what a deputy may."
        remedy = "Use the key in force: docs/fg.md says which that is after a rotation or a loss."
        raise Refusal("foreign_signature", rule, "another key", remedy)
    return key


def _recorded(desk: Desk, signed: Signed[Statement], blocks: Sequence[Block], data: dict[str, Any]) -> Report:
    path = desk.folder.root / OUTBOX / file_name(signed.statement)
    by = fg_keys.signer(desk.state, signed)
    write_private(path, fg_keys.for_outside(desk.state, signed))
    after = f"Signed by {by} and in the ledger. For the coordinator: {path} / Getekend en vastgelegd."
    return Report({**data, **fields_of(signed.statement), "signed_by": by, "signed": str(path)}, [*blocks, after])


def file_name(statement: Statement) -> str:
    """Kind and number: a name that tells the coordinator what it is."""
    names = ("serial", "version", "seq", "signed_at")
    number = next((getattr(statement, name) for name in names if hasattr(statement, name)), 0)
    return f"{type(statement).__name__.lower()}-{statement.school}-{number}.signed"  # type: ignore[attr-defined]


def fields_of(statement: Statement) -> dict[str, Any]:
    """A statement's kind and fields, for JSON."""
    return {"statement": type(statement).__name__, **vars(statement)}


def statement_lines(statement: Statement) -> list[str]:
    """What exactly is signed, field by field."""
    lines = [f"{type(statement).__name__}:"]
    for name, value in vars(statement).items():
        shown = value.hex() if isinstance(value, bytes) else value
        if name in ("expires", "signed_at"):
            shown = datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M UTC")
        lines.append(f"    {name}: {'-' if shown is None else shown}")
    return lines


def sign_file(
    path: Path, key: Path, out: Path | None, experiment: Path | None, charter: Path | None, yes: bool
) -> Report:
    """Sign an exported statement with nothing at hand but the key; show what its hashes stand for where one can."""
    statement = parse(limited(path, MAX_BYTES))
    preview = [*_behind(statement, experiment, charter), *statement_lines(statement)]
    shown = terminal.confirm(preview, "Sign this? / Dit tekenen?", yes)
    signing_key = keys.open_key(key)
    signed = Signed(statement, signing_key.sign(statement.message()))
    target = out or path.with_name(path.name + ".signed")
    write_private(target, signed.to_bytes())
    return Report({**fields_of(statement), "signed": str(target)}, [*shown, f"Signed: {target} / Getekend."])


def _behind(statement: Statement, experiment: Path | None, charter: Path | None) -> list[Block]:
    """The experiment or charter that a statement names by its hash; another one than it names is refused."""
    from experiments import definition

    blocks: list[Block] = []
    if experiment is not None:
        thawed = definition.thaw(limited(experiment, CHARTER_BYTES))
        _same_hash(thawed.hash, getattr(statement, "experiment_hash", None), "experiment")
        given = thawed.definition
        for text in (given.title, given.question, given.purpose):
            blocks.append(f"{text.nl}\n    {text.en}")
        cohorts = ", ".join(str(cohort) for cohort in given.population.cohorts)
        blocks.append(f"epsilon {given.budget.epsilon}, delta {given.budget.delta}, cohorts {cohorts}")
    if charter is not None:
        found = read_charter(charter)
        _same_hash(found.hash, getattr(statement, "charter_hash", None), "charter")
        blocks += asked.charter_blocks(asked.describe_charter(found, getattr(statement, "school", "")))
    return blocks


def _same_hash(found: bytes, named: bytes | None, what: str) -> None:
    if found != named:
        rule, remedy = f"The {what} shown is the one that is signed.", "Do not sign; ask for both files again."
        raise Refusal(f"other_{what}", rule, "another hash", remedy)


def read_charter(path: Path) -> Charter:
    """A charter.cbor that the coordinator sent."""
    return Charter.from_bytes(limited(path, CHARTER_BYTES))


def limited(path: Path, most: int) -> bytes:
    """The bytes of a small file; `UnusableInput` for one that is larger than it can be."""
    if path.stat().st_size > most:
        rule, remedy = f"{path.name} has at most {most} bytes.", "Name the file that this platform wrote."
        raise UnusableInput("file_too_large", rule, f"{path.stat().st_size} bytes", remedy)
    return path.read_bytes()


def _epsilon(text: str) -> Fraction:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not 0 < value <= 1000:
        rule, remedy = "--cap-epsilon is a number above 0.", "Write it like 0.5."
        raise UnusableInput("not_an_epsilon", rule, f"'{text[:20]}'", remedy)
    return value


def _end_of(day: str) -> int:
    """The last second of a day, UTC, in seconds since 1970."""
    try:
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        rule, remedy = "--expires is a date.", "Write it like 2027-07-31."
        raise UnusableInput("not_a_date", rule, f"'{day[:20]}'", remedy) from None
    return int((start + timedelta(days=1)).timestamp()) - 1
