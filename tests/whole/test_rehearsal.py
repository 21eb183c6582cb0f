"""A rehearsal, as its user runs it: the object it prints, the page it names, the ledgers it leaves, the bytes sent."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coalition import rehearsal
from coalition.rehearsal import rehearsing
from experiments import protocol
from experiments.synthetic.identifiers import planted
from experiments.synthetic.sector import generate
from node.store import Store
from privacy import private_sum

REPOSITORY = Path(rehearsal.__file__).parents[2]
SCHOOLS, STUDENTS, SEED = 5, 1500, 7  # with fewer, noise could drown an outcome and no AUC would be published
KEYS = {
    *("schools", "pooled_auc", "federated_auc", "auc_interval", "epsilon", "delta", "exchanges", "attempts"),
    *("finding", "ledgers", "definition_hash"),
}
SCHOOL_KEYS = {"id", "students", "local_auc", "federated_auc", "rho_spent", "epsilon_zcdp", "epsilon_pld"}
UNIFORM = 2.0**60  # median of |word| of masked answers; an unmasked sum of so few students stays below 2^45


@dataclass
class Tapped:
    """A rehearsal with every byte between coordinator and nodes written down."""

    data: dict[str, Any]
    out: Path
    said: list[tuple[str, bytes]] = field(default_factory=list)


def _rehearse(out: Path, **changes: Any) -> Tapped:
    """Rehearse with a tap on every school's door."""
    tapped = Tapped({}, out)
    real = rehearsing._door

    def tap(school_node):
        door = real(school_node)

        def tapped_door(request: bytes) -> bytes:
            reply = door(request)
            tapped.said += [(school_node.school, request), (school_node.school, reply)]
            return reply

        return tapped_door

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsing, "_door", tap)
        options = {"schools": SCHOOLS, "students": STUDENTS, "seed": SEED} | changes
        tapped.data = rehearsal.rehearse(rehearsal.Options(out, **options), lambda *_: None)
    return tapped


@pytest.fixture(scope="module")
def tapped(tmp_path_factory: pytest.TempPathFactory) -> Tapped:
    return _rehearse(tmp_path_factory.mktemp("rehearsal") / "out")


def test_the_object_holds_what_was_promised(tapped: Tapped) -> None:
    """Every key of the promised object is there, and the numbers are about five schools and twelve exchanges."""
    assert tapped.data.keys() >= KEYS
    assert all(school.keys() == SCHOOL_KEYS for school in tapped.data["schools"])
    assert len(tapped.data["schools"]) == len(tapped.data["ledgers"]) == SCHOOLS
    assert tapped.data["exchanges"] == 12 and tapped.data["attempts"] == 10
    assert json.loads(json.dumps(tapped.data)) == tapped.data
    assert Path(tapped.data["finding"]).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_two_runs_of_one_seed_ask_the_same_and_differ_by_noise(tapped: Tapped, tmp_path: Path) -> None:
    """The definition hash is equal and the AUCs differ by less than 4 standard deviations of the noise.

    The exact AUC of the two models differs by the noise in training, which is smaller than the noise in the score
    table that the bound speaks of; false alarm below 1e-4.
    """
    again = _rehearse(tmp_path / "out").data
    assert again["definition_hash"] == tapped.data["definition_hash"]
    assert again["pooled_auc"] == tapped.data["pooled_auc"]
    noise = max(again["auc_noise_sd"], tapped.data["auc_noise_sd"])
    assert 0 < abs(again["federated_auc"] - tapped.data["federated_auc"]) < 4 * noise
    assert abs(again["published_auc"] - tapped.data["published_auc"]) < 4 * math.sqrt(2) * noise


def test_no_byte_on_the_way_names_a_student(tapped: Tapped) -> None:
    """No name, number, address or pseudonym of any student is in any request or reply of a whole run.

    The control: the exports that the same schools were read from hold thousands of these marks.
    """
    marks = {mark.encode() for school in generate(SCHOOLS, STUDENTS, SEED) for mark in planted(school) if len(mark) > 5}
    folders = [Path(path).parent for path in tapped.data["ledgers"]]
    pseudonyms = {s for folder in folders for s in Store.open(folder / "data").tables()["person"]["student"]}
    marks |= {pseudonym.encode() for pseudonym in pseudonyms} | {bytes.fromhex(pseudonym) for pseudonym in pseudonyms}
    traffic = b"\n".join(data for _, data in tapped.said)
    assert len(tapped.said) == 2 * 12 * SCHOOLS
    assert not [mark for mark in marks if mark in traffic]
    exported = b"\n".join(path.read_bytes() for folder in folders for path in (folder / "exports").glob("*.csv"))
    assert sum(mark in exported for mark in marks) > 1000


def _answers(tapped: Tapped) -> list[np.ndarray]:
    replies = []
    for _, data in tapped.said:
        try:
            replies.append(protocol.decode_reply(data))
        except protocol.ProtocolError:
            continue  # a request
    return [reply.masked for reply in replies if isinstance(reply, protocol.Answer)]


def _smallest_median(answers: list[np.ndarray]) -> float:
    return min(float(np.median(np.abs(words.view(np.int64).astype(np.float64)))) for words in answers)


def test_every_vector_on_the_way_is_masked(tapped: Tapped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of every answer look uniform: their median is above 2^60 (false alarm below 1e-4 for 50 answers).

    The control: with masking switched off the same check sees the unmasked vectors.
    """
    answers = _answers(tapped)
    assert len(answers) == 10 * SCHOOLS
    assert _smallest_median(answers) > UNIFORM
    monkeypatch.setattr(private_sum, "masked_answer", lambda noised, *_: np.concatenate(noised))
    bare = _rehearse(tmp_path / "bare", schools=3, students=200)
    assert _smallest_median(_answers(bare)) < 2.0**45


def test_every_ledger_verifies_with_independent_code(tapped: Tapped) -> None:
    """`python privacy/verify.py` accepts each ledger, and refuses one in which a single byte was changed."""
    for ledger in tapped.data["ledgers"]:
        assert _verify(ledger).returncode == 0
    copy = tapped.out / "tampered.sqlite"
    data = bytearray(Path(tapped.data["ledgers"][0]).read_bytes())
    at = data.rfind(b"logistic_gradient")
    data[at] ^= 1
    copy.write_bytes(data)
    assert _verify(str(copy)).returncode == 1


def _verify(ledger: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "privacy" / "verify.py"), ledger, "--format", "json"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_costs_add_up_by_hand(tapped: Tapped) -> None:
    """Δ², σ² and steps as printed give ρ as a rational and ε to 1e-9, with nothing of the platform's own code."""
    finding = json.loads((Path(tapped.data["finding"]).parent / "finding.json").read_text(encoding="utf-8"))
    privacy = finding["privacy"]
    rho = sum(Fraction(step["delta_steps"]) ** 2 / (2 * Fraction(step["variance"])) for step in privacy["steps"])
    for school in tapped.data["schools"]:
        assert Fraction(school["rho_spent"]) == rho
        assert school["epsilon_zcdp"] == pytest.approx(_epsilon(float(rho), 1e-6), abs=1e-9)
    for ledger in tapped.data["ledgers"]:
        report = json.loads(_verify(ledger).stdout)
        assert all(Fraction(account["spent"]) == rho for account in report["data"]["accounts"])


def _epsilon(rho: float, delta: float) -> float:
    """Canonne, Kamath, Steinke 2020, Corollary 13, by golden-section search over log(alpha - 1)."""

    def value(u: float) -> float:
        less = math.exp(u)
        alpha = 1 + less
        return rho * alpha + (math.log(1 / (alpha * delta)) + less * math.log1p(-1 / alpha)) / less

    low, high, shrink = -5.0, 15.0, (math.sqrt(5) - 1) / 2
    for _ in range(200):
        third = (high - low) * shrink
        low, high = (low, low + third) if value(high - third) < value(low + third) else (high - third, high)
    return value((low + high) / 2)
