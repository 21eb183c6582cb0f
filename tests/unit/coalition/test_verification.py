"""Verifying a published bundle: the honest one holds, and every planted change is found by the check it belongs to."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coalition import verification
from coalition.errors import UsageFailed
from experiments import protocol
from privacy import canonical
from tests.unit.coalition.office import Office

CHECKS = ["finding", "evidence", "signatures", "sums", "cost", "figures", "reviews", "pages", "log"]
BIG = 2**28


def _failed(folder: Path, *ledgers: Path, **heads: bytes) -> dict[str, str]:
    done = verification.verify(folder, ledgers, heads)
    return {check.name: check.found for check in done.checks if not check.ok}


def test_the_honest_bundle_holds_with_every_ledger(finished: Office, bundle: Path) -> None:
    """Signatures, sums, states, cost, figures, reviews, pages, log and each school's ledger: all hold."""
    ledgers = [finished.node_folder(school).ledger for school in finished.schools]
    heads = {school: finished.desk(school).state.head for school in finished.schools}
    done = verification.verify(bundle, ledgers, heads)
    assert done.ok and done.error is None, done.checks
    assert [check.name for check in done.checks][: len(CHECKS)] == CHECKS
    assert len(done.checks) == len(CHECKS) + len(ledgers)


# ---- planted changes, each with the check that must find it


def _finding(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        finding = json.loads((folder / "finding.json").read_bytes())
        change(finding)
        (folder / "finding.json").write_text(json.dumps(finding, ensure_ascii=False), "utf-8")

    return edit


def _better_auc(finding: dict[str, Any]) -> None:
    finding["evaluation"]["auc"] = {"value": 0.9, "low": 0.89, "high": 0.91}


def _smaller_weight(finding: dict[str, Any]) -> None:
    finding["model"]["weights"][0]["weight"] *= 1.001


def _cheaper(finding: dict[str, Any]) -> None:
    finding["privacy"]["accounts"][0]["rho_spent"] = "1/1000000"


def _consistently_cheaper(finding: dict[str, Any]) -> None:
    """Twice the variance and half the cost everywhere, so that the arithmetic agrees with itself."""
    for step in finding["privacy"]["steps"]:
        step["variance"] = str(Fraction(step["variance"]) * 2)
        step["rho"] = str(Fraction(step["rho"]) / 2)
    for account in finding["privacy"]["accounts"]:
        account["rho_spent"] = str(Fraction(account["rho_spent"]) / 2)


def _smaller_epsilon(finding: dict[str, Any]) -> None:
    finding["privacy"]["accounts"][0]["epsilon_zcdp"] *= 0.999


def _unlisted_receipt(finding: dict[str, Any]) -> None:
    del finding["evidence"]["receipts"][0]


def _no_limits(finding: dict[str, Any]) -> None:
    finding["limits"] = finding["limits"][1:]


def _another_shape(finding: dict[str, Any]) -> None:
    finding["extra"] = 1


def _cbor(pattern: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Edit the last evidence file that matches, keeping it canonical."""

    def edit(folder: Path) -> None:
        path = sorted((folder / "evidence").glob(pattern))[-1]
        path.write_bytes(canonical.encode(change(canonical.decode(path.read_bytes(), max_bytes=BIG))))

    return edit


def _answered(folder: Path) -> Path:
    for path in sorted((folder / "evidence" / "exchanges").glob("*.cbor")):
        fields: Any = canonical.decode(path.read_bytes(), max_bytes=BIG)
        if fields[5] is not None and isinstance(protocol.decode_reply(fields[5]), protocol.Answer):
            return path
    raise AssertionError("no answer in the evidence")


def _masked_vector(folder: Path) -> None:
    """One school's masked vector, one unit in one coordinate; its receipt left as it was."""
    path = _answered(folder)
    fields: Any = canonical.decode(path.read_bytes(), max_bytes=BIG)
    answer = protocol.decode_reply(fields[5])
    assert isinstance(answer, protocol.Answer)
    masked = answer.masked.copy()
    masked[0] += np.uint64(1)
    fields[5] = protocol.Answer(masked, answer.receipt).encode()
    path.write_bytes(canonical.encode(fields))


def _lost_answer(folder: Path) -> None:
    _answered(folder).unlink()


def _swapped_answers(folder: Path) -> None:
    """Two schools' replies to the same question, exchanged."""
    first = _answered(folder)
    second = first.with_name(first.name.replace("school-0", "school-1"))
    one: Any = canonical.decode(first.read_bytes(), max_bytes=BIG)
    two: Any = canonical.decode(second.read_bytes(), max_bytes=BIG)
    one[5], two[5] = two[5], one[5]
    first.write_bytes(canonical.encode(one))
    second.write_bytes(canonical.encode(two))


def _moved_state(fields: Any) -> Any:
    step, attempt, data = fields
    state: Any = canonical.decode(data, max_bytes=BIG)
    state["score_table"] = state["score_table"] + 5.0
    return [step, attempt, canonical.encode(state)]


def _flipped(name: str, at: int = -1) -> Callable[[Path], None]:
    """One bit of a signed document's signature."""

    def edit(folder: Path) -> None:
        path = sorted((folder / "evidence").glob(name))[0]
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(bytes(data))

    return edit


def _removed(name: str) -> Callable[[Path], None]:
    return lambda folder: sorted((folder / "evidence").glob(name))[0].unlink()


def _lost_exchange(folder: Path) -> None:
    """Everything that was said in the first round: the certificates."""
    for path in (folder / "evidence" / "exchanges").glob("000-*.cbor"):
        path.unlink()


def _page(folder: Path) -> None:
    page = folder / "index.en.html"
    page.write_text(page.read_text("utf-8").replace("</main>", "<p>Trust us.</p></main>"), "utf-8")


PLANTED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a better AUC": (_finding(_better_auc), "figures"),
    "a smaller weight": (_finding(_smaller_weight), "figures"),
    "a lower cost": (_finding(_cheaper), "cost"),
    "a consistently lower cost": (_finding(_consistently_cheaper), "cost"),
    "a smaller epsilon": (_finding(_smaller_epsilon), "cost"),
    "a receipt left out of the finding": (_finding(_unlisted_receipt), "cost"),
    "a limit left out": (_finding(_no_limits), "figures"),
    "another shape": (_finding(_another_shape), "finding"),
    "a masked vector": (_masked_vector, "sums"),
    "a lost answer": (_lost_answer, "sums"),
    "swapped answers": (_swapped_answers, "sums"),
    "a moved state": (_cbor("states/*.cbor", _moved_state), "sums"),
    "a lost state": (_removed("states/*.cbor"), "sums"),
    "a false submission": (_flipped("submission.cbor"), "signatures"),
    "a false approval": (_flipped("approvals/*.cbor"), "signatures"),
    "a false head": (_flipped("heads/*.cbor"), "signatures"),
    "an approval less": (_removed("approvals/*.cbor"), "sums"),
    "a false review": (_flipped("reviews/*.cbor"), "reviews"),
    "a review less": (_removed("reviews/*.cbor"), "reviews"),
    "another page": (_page, "pages"),
    "a log entry less": (_cbor("log.cbor", lambda log: log[1:]), "log"),
    "a log entry edited": (_cbor("log.cbor", lambda log: [[log[0][0] + b"", log[1][1]], *log[1:]]), "log"),
    "no charter": (_removed("charter.cbor"), "evidence"),
    "an experiment cut short": (_flipped("experiment.cbor", 40), "signatures"),
    "nonsense in an exchange": (_cbor("exchanges/*.cbor", lambda fields: fields[:3]), "evidence"),
    "types in an exchange": (_cbor("exchanges/*.cbor", lambda fields: [None, *fields[1:]]), "evidence"),
    "a lost exchange": (_lost_exchange, "sums"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_change_is_found(bundle: Path, what: str) -> None:
    """Whatever was changed after publication, the check it belongs to says so."""
    plant, expected = PLANTED[what]
    assert not _failed(bundle)
    plant(bundle)
    failed = _failed(bundle)
    assert expected in failed, failed
    assert verification.verify(bundle).error is not None


# ---- ledgers


@pytest.fixture
def ledger(finished: Office, tmp_path: Path) -> Path:
    """A copy of one school's ledger."""
    source, copy = finished.node_folder("school-1").ledger, tmp_path / "ledger.sqlite"
    with sqlite3.connect(source) as opened, sqlite3.connect(copy) as target:
        opened.backup(target)
    return copy


def _rewrite(ledger: Path, statement: str, *values: object) -> None:
    """Change a ledger file as someone with the file in hands can: the triggers do not stop them."""
    with sqlite3.connect(ledger) as opened:
        for (trigger,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            opened.execute(f"DROP TRIGGER {trigger}")
        opened.execute(statement, values)


def test_a_truncated_ledger_misses_the_heads_that_others_hold(bundle: Path, ledger: Path) -> None:
    """A ledger that lost its newest entries is a valid chain, but the receipts name a head it does not have."""
    assert not _failed(bundle, ledger)
    _rewrite(ledger, "DELETE FROM entries WHERE seq > 5")
    _rewrite(ledger, "DELETE FROM replies")
    assert "expected_head" in next(iter(_failed(bundle, ledger).values()))


def test_an_edited_ledger_is_found(bundle: Path, ledger: Path) -> None:
    """One byte of one entry."""
    with sqlite3.connect(ledger) as opened:
        (data,) = opened.execute("SELECT bytes FROM entries WHERE seq = 4").fetchone()
    edited = bytearray(data)
    edited[-1] ^= 1
    _rewrite(ledger, "UPDATE entries SET bytes = ? WHERE seq = 4", bytes(edited))
    assert _failed(bundle, ledger)


def test_an_expected_head_must_stand_in_the_ledger(bundle: Path, ledger: Path) -> None:
    """The FG's own head decides; another one is refused, for one school by name or for the only ledger given."""
    assert _failed(bundle, ledger, **{"school-1": bytes(32)})
    assert _failed(bundle, ledger, **{"": bytes(32)})
    assert not _failed(bundle, ledger, **{"school-2": bytes(32)})


def test_a_ledger_that_is_none_is_named(bundle: Path, tmp_path: Path) -> None:
    """Another file in place of a ledger, or no file at all, is a failed check and no crash."""
    (tmp_path / "other.sqlite").write_text("not a database")
    failed = _failed(bundle, tmp_path / "other.sqlite", tmp_path / "absent.sqlite")
    assert len(failed) == 2


def test_a_ledger_of_another_coalition_is_refused(bundle: Path, tmp_path: Path) -> None:
    """A real ledger of the same school id, begun with another FG's key, proves nothing here."""
    from tests.unit.coalition.office import office

    (tmp_path / "elsewhere").mkdir()
    other = office(tmp_path / "elsewhere")
    assert _failed(bundle, other.node_folder("school-1").ledger)


def test_heads_on_the_command_line_are_read_strictly() -> None:
    """SCHOOL=HEX or HEX, 64 digits; anything else is a usage error."""
    digits = "ab" * 32
    head = bytes.fromhex(digits)
    assert verification.expected_heads([f"school-1={digits}", digits]) == {"school-1": head, "": head}
    for wrong in ("", "12", "x" * 64, f"{digits}0"):
        with pytest.raises(UsageFailed):
            verification.expected_heads([wrong])


def test_the_evidence_holds_nothing_secret(finished: Office, bundle: Path) -> None:
    """No private key, pseudonym key or node's store is in what is published."""
    secrets = [finished.node_folder(school).pseudonym_key.read_bytes().strip() for school in finished.schools]
    secrets += [b"PRIVATE KEY", *(bytes.fromhex(secret.decode()) for secret in secrets)]
    for path in bundle.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(secret in data for secret in secrets), path


def test_a_bundle_can_be_moved(bundle: Path, tmp_path: Path) -> None:
    """Nothing in it depends on where it lies."""
    moved = Path(shutil.move(bundle, tmp_path / "elsewhere"))
    assert not _failed(moved)
