"""A node's folder and what others signed arrive; a safekeeping folder, and what contradicts what, leave as reports."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.terminal import Grid, Report
from node.desk import bookkeeping, witness
from node.desk.approving import Desk
from node.errors import LedgerBlocked, Refusal, UnusableInput
from node.founding import existing
from node.peers import PEER_FORK
from privacy.balances import OWN_FORK
from privacy.identity import sync_folder, write_private
from privacy.receipts import RULES, Fork, Shown, mark
from privacy.statements import Deputation, HeadCountersignature, Signed, parse
from privacy.succession import ByDeputy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.desk.witness import Held, Signer

README = """\
Privacygrootboek van {school}, bewaard op {day} (UTC).

Bewaar deze map buiten de node en buiten bereik van de coördinator, bijvoorbeeld op een USB-stick in een la die op slot
gaat. Zet haar nooit terug als grootboek: een oude kopie geeft budget terug dat al is uitgegeven.

  ledger.sqlite    kopie van het grootboek, {entries} regels
  stand.signed     de stand die de FG het laatst tekende: regel {seq}
  charter-*.cbor   elk charter dat de FG aanvaardde
  held/            wat andere scholen tekenden (voor het opsporen van een tweede grootboek)
  verify.py        het controleprogramma; vergelijk de vingerafdruk met die van een andere FG
                   sha256 {digest}

Controleren, op een machine met Python 3.11 en het pakket cryptography:

  python3 verify.py ledger.sqlite --expected-head {head} --charter charter-{first}.cbor

--
Privacy ledger of {school}, kept on {day} (UTC). Keep this folder outside the node and out of the coordinator's reach.
Never put it back as the ledger: an old copy gives back budget that was spent.
"""


# ---- safekeeping


def safekeep(root: Path, folder: Path) -> Report:
    """Write ledger, countersigned head, charters, what others signed and the verifier to a new folder, or nothing.

    Raises `Refusal` while no head was countersigned: without one, the copy fixes nothing.
    """
    desk = Desk.open(existing(root))
    seen = desk.state.countersigned
    if seen is None:
        rule, remedy = "What is kept is countersigned.", "First: coalition-node ledger countersign NODE."
        raise Refusal("nothing_countersigned", rule, "no countersigned head", remedy)
    if folder.exists():
        raise UnusableInput("file_exists", "A safekeeping folder is a new one.", str(folder), "Choose another name.")
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    try:
        beside.mkdir(mode=0o700, parents=True)
        _fill(desk, seen, beside)
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)  # half a copy is worse than none: it looks like one
        raise
    sync_folder(folder.parent)
    after = desk.state.count - 1 - seen.seq
    data = {"school": desk.state.school, "folder": str(folder), "seq": seen.seq, "head": seen.head, "after": after}
    lines = [
        f"Kept in / bewaard in {folder}: countersigned up to entry {seen.seq}, {after} entries since.",
        "Carry it outside node and coordinator. / Neem deze map mee, buiten de node en de coördinator.",
    ]
    return Report(data, lines)


def _fill(desk: Desk, seen: HeadCountersignature, folder: Path) -> None:
    bookkeeping.copied(desk.folder.ledger, folder / "ledger.sqlite").chmod(0o600)
    write_private(folder / "stand.signed", _signed(desk, seen))
    charters = desk.ledger.charters()
    for charter in charters:
        write_private(folder / f"charter-{charter.version}.cbor", charter.to_bytes())
    for path in sorted((desk.folder.root / witness.FOLDER).glob("*.cbor")):
        write_private(folder / witness.FOLDER / path.name, path.read_bytes())
    program = verifier().read_bytes()
    write_private(folder / "verify.py", program)
    words = README.format(
        school=desk.state.school,
        day=datetime.fromtimestamp(desk.ledger.now(), UTC).strftime("%Y-%m-%d"),
        entries=desk.state.count,
        seq=seen.seq,
        head=seen.head.hex(),
        first=charters[0].version,
        digest=hashlib.sha256(program).hexdigest(),
    )
    write_private(folder / "LEESMIJ.txt", words.encode())


def _signed(desk: Desk, seen: HeadCountersignature) -> bytes:
    """The countersigned head as it was signed; with the FG's deputation beside it when a deputy did."""
    entries = desk.ledger.entries()
    found = next(one for one in entries if one.kind == "countersign" and one.details["statement"] == seen.message())
    signed = Signed(seen, found.details["signature"])
    if found.seq not in desk.state.acts:
        return signed.to_bytes()
    named = next(one for one in reversed(entries[: found.seq]) if one.kind == "deputy").details
    statement = parse(named["statement"])
    assert isinstance(statement, Deputation)
    return ByDeputy(signed, Signed(statement, named["signature"])).to_bytes()


def verifier() -> Path:
    """Where the stand-alone verifier lies: one file, which an FG carries along."""
    from privacy import verify

    return Path(verify.__file__)


# ---- what others signed


def audit(root: Path, evidence: Sequence[Path], copies: Sequence[Path], out: Path | None) -> Report:
    """Take in what others signed, hold it against itself, against this ledger and against copies of others.

    Every fork is noted in this school's ledger; one of this ledger stops new runs until the FG has countersigned that.
    The report carries an error when there is one.
    """
    desk = Desk.open(existing(root))
    held = witness.read(desk)
    taken = [witness.take(desk, held, source) for source in evidence]
    witness.write(desk, held)
    found = [*_contradictions(held), *_own(desk, held), *(row for copy in copies for row in _copy(desk, held, copy))]
    noted = _note(desk, found)
    if out is not None:
        witness.export(desk, held, out)
    data = {
        "school": desk.state.school,
        "new": sum(new for new, _ in taken),
        "foreign": sum(foreign for _, foreign in taken),
        "held": [_held_row(signer, shown) for signer, shown in sorted(held.of.items())],
        "forks": found,
        "noted": noted,
        "export": None if out is None else str(out),
    }
    return Report(data, _blocks(data), _verdict(desk, found))


def _held_row(signer: Signer, shown: dict[bytes, Shown]) -> dict[str, Any]:
    kinds = [type(one.statement).__name__ for one in shown.values()]
    names = {"receipts": "Receipt", "certificates": "Certificate", "heads": "HeadCountersignature"}
    counts = {name: kinds.count(kind) for name, kind in names.items()}
    return {"school": signer.school, "node_key": signer.node_key, **counts}


def _contradictions(held: Held) -> list[dict[str, Any]]:
    return [_fork_row(fork) for fork in held.forks()]


def _fork_row(fork: Fork) -> dict[str, Any]:
    return {"school": fork.school, "rule": fork.rule, "mark": fork.mark, "words": RULES[fork.rule]}


def _own(desk: Desk, held: Held) -> list[dict[str, Any]]:
    lost = witness.missing(held, desk.state, desk.ledger.entries())
    return [_missing_row(desk.state.school, shown, "this ledger") for shown in lost]


def _copy(desk: Desk, held: Held, path: Path) -> list[dict[str, Any]]:
    state, entries = witness.in_copy(path)
    return [_missing_row(state.school, shown, path.name) for shown in witness.missing(held, state, entries)]


def _missing_row(school: str, shown: Shown, where: str) -> dict[str, Any]:
    kind = type(shown.statement).__name__
    return {"school": school, "rule": "not_in_ledger", "mark": mark(shown), "words": f"{kind} not in {where}"}


def _note(desk: Desk, found: Sequence[dict[str, Any]]) -> int:
    """Note the first fork of each school in the ledger; a blocked ledger takes no entry, and says so itself."""
    first = {row["school"]: row for row in reversed(found)}
    noted = 0
    for school, row in sorted(first.items()):
        code = OWN_FORK if school == desk.state.school else PEER_FORK
        try:
            noted += desk.ledger.record_fork(code, row["mark"], f"{school}: {row['words']}"[:200])
        except LedgerBlocked:
            return noted
    return noted


def _verdict(desk: Desk, found: Sequence[dict[str, Any]]) -> Refusal | None:
    if not found:
        return None
    schools = ", ".join(sorted({row["school"] for row in found}))
    rule = "One node keeps one ledger, and everything it signed stands in it."
    remedy = "Call the FG of that school; docs/fg.md says what to do."
    return Refusal("fork_found", rule, f"{len(found)} contradictions, of {schools}", remedy)


def _blocks(data: dict[str, Any]) -> list[str | Grid]:
    heads = ("school", "node", "bewijzen / receipts", "certificates", "standen / heads")
    rows = [
        (row["school"], row["node_key"].hex()[:16], *(str(row[name]) for name in ("receipts", "certificates", "heads")))
        for row in data["held"]
    ]
    forks = [(row["school"], row["words"], row["mark"].hex()[:16]) for row in data["forks"]]
    blocks: list[str | Grid] = [
        f"New / nieuw: {data['new']}; left out, signed by no accepted key / weggelaten: {data['foreign']}.",
        Grid("Wat wordt bewaard / What is held", heads, rows),
    ]
    if forks:
        columns = ("school", "wat niet kan / what cannot be", "stand of sleutel / head or key")
        blocks.append(Grid("TWEE GROOTBOEKEN / TWO LEDGERS", columns, forks))
    else:
        blocks.append("No contradiction was found. / Er is geen tegenspraak gevonden.")
    return blocks
