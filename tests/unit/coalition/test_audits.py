"""Every experiment's mechanism is audited before it is run; one that is called broken is neither run nor published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coalition import audits, publication, running
from coalition.errors import DisclosureBlocked, NotAllowed
from coalition.transport import InProcess
from experiments import auditing
from experiments.definition import Experiment
from privacy import private_sum
from privacy.private_sum import Release
from tests.unit.coalition.office import Office, office

REAL = private_sum.masked_sums


def _halved(vectors: Sequence[Any], releases: Sequence[Release], *rest: Any) -> Any:
    """The mechanism with half the variance that its claim speaks of."""
    return REAL(vectors, [replace(release, variance=release.variance / 2) for release in releases], *rest)


@pytest.fixture
def approved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Office, Experiment]:
    """A coalition whose experiment is approved; whatever is audited is audited here and now."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = office(tmp_path)
    made.accept_charter()
    experiment = made.submit()
    made.approve(experiment)
    return made, experiment


def test_a_finding_carries_the_audit_of_its_mechanism(approved: tuple[Office, Experiment]) -> None:
    """Bound, power and positive control of every private sum stand in the finding, and the weaker view beside them."""
    made, experiment = approved
    found = made.run(experiment)["audit"]
    assert found["mechanism"]["verdict"] == "holds"
    whole = found["mechanism"]["results"][0]
    assert 0 < whole["epsilon_lower"] < whole["epsilon_claimed"]
    assert all(one["positive_control"]["verdict"] == "broken" for one in found["mechanism"]["results"])
    assert found["membership"]["verdict"] in ("holds", "low_power")


def test_halved_noise_is_called_broken_before_any_school_is_asked(
    approved: tuple[Office, Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request leaves, no budget is spent; the error names what is broken."""
    made, experiment = approved
    monkeypatch.setattr(private_sum, "masked_sums", _halved)
    asked: list[str] = []
    doors = InProcess({school: lambda data, school=school: asked.append(school) or b"" for school in made.schools})
    with pytest.raises(DisclosureBlocked) as blocked:
        running.carry_out(made.workspace, experiment, doors, lambda *_: None)
    assert blocked.value.code == "audit_broken" and "experiment" in blocked.value.found
    assert asked == []


def test_a_finding_of_a_broken_mechanism_is_never_published(approved: tuple[Office, Experiment]) -> None:
    """Whatever way its audit came to say so, drafting and publishing refuse it; without an audit nothing is drafted."""
    made, experiment = approved
    found = made.run(experiment)
    made.review(experiment)
    name = experiment.hash.hex()
    broken = found["audit"] | {"mechanism": found["audit"]["mechanism"] | {"verdict": "broken"}}
    made.workspace.store.replace(audits.KIND, name, json.dumps(broken).encode())
    with pytest.raises(DisclosureBlocked, match="keeps what it claims"):
        publication.draft(made.workspace, experiment)
    made.workspace.store.remove(audits.KIND, name)
    with pytest.raises(NotAllowed) as missing:
        publication.draft(made.workspace, experiment)
    assert missing.value.code == "audit_missing"


def test_an_audit_is_made_once_for_one_mechanism_and_parameters(
    approved: tuple[Office, Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second experiment with the same parameters finds it done; changed code would be audited anew."""
    made, experiment = approved
    audits.audit(made.workspace, experiment, 3, lambda *_: None)
    made.workspace.store.remove(audits.KIND, experiment.hash.hex())
    monkeypatch.setattr(private_sum, "masked_sums", _halved)
    audits.audit(made.workspace, experiment, 3, lambda *_: None)
    made.workspace.store.remove(audits.KIND, experiment.hash.hex())
    monkeypatch.setattr(auditing, "fingerprint", lambda *_: "0" * 64)
    with pytest.raises(DisclosureBlocked):
        audits.audit(made.workspace, experiment, 3, lambda *_: None)
