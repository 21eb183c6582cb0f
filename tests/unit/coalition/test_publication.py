"""Drafting and publishing: what a finding says, when it may be drafted, and that a bundle is whole or absent."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coalition import approvals, evidence, publication, review
from coalition.errors import DisclosureBlocked, NotAllowed, NotVerified, UsageFailed
from coalition.figures import figures
from coalition.finding import compose, differences
from coalition.limits import MISSING_SCHOOLS, NO_EVALUATION, REHEARSAL, limits
from coalition.reopening import Reopened, read_papers, reopen
from experiments.reading import page
from privacy import accounting, disclosure
from privacy.statements import HeadCountersignature, sign
from tests.unit.coalition.office import Office, office


@pytest.fixture
def reopened(finished: Office) -> Reopened:
    collected = evidence.from_store(finished.workspace, finished.experiment)
    return reopen(collected, read_papers(collected))


@pytest.fixture
def finding(finished: Office) -> dict[str, Any]:
    return review.drafted(finished.workspace, finished.experiment)


def test_a_finding_has_the_shape_that_the_page_reads(finding: dict[str, Any]) -> None:
    """The page accepts it as it is; nothing is missing and nothing is extra."""
    assert "<html" in page.render(finding, "nl")


def test_cost_in_a_finding_is_what_the_ledgers_say(finished: Office, finding: dict[str, Any]) -> None:
    """Every account's ρ equals the balance in that school's own ledger, as a rational; ε follows from it."""
    for account in finding["privacy"]["accounts"]:
        balances = finished.desk(account["school"]).ledger.balances()
        spent = balances[(account["population"], str(account["cohort"]))].spent  # type: ignore[index]
        assert Fraction(account["rho_spent"]) == spent
        assert account["epsilon_zcdp"] == accounting.epsilon_from_rho(spent, Fraction(finding["privacy"]["delta"]))
        assert spent <= Fraction(account["rho_cap"])


def test_a_finding_names_everyone_and_everything_behind_it(finished: Office, finding: dict[str, Any]) -> None:
    """Approvals, submitter, receipts of every question and school, and the heads that FGs countersigned."""
    given = finding["evidence"]
    assert [approval["school"] for approval in given["approvals"]] == list(finished.schools)
    assert given["submitter"] == "ada"
    assert len(given["receipts"]) == finding["privacy"]["attempts"] * len(finished.schools)
    assert {head["school"] for head in given["heads"]} == set(finished.schools)
    assert finding["privacy"]["exchanges"] <= 12


def test_a_draft_waits_for_its_run(tmp_path: Path) -> None:
    """Before the run opened there is nothing to draft, review or publish."""
    made = office(tmp_path)
    experiment = made.submit()
    with pytest.raises(NotAllowed) as found:
        publication.draft(made.workspace, experiment)
    assert found.value.code == "not_opened"
    for act in (lambda: made.review(experiment, "rik"), lambda: made.publish(experiment)):
        with pytest.raises(NotAllowed) as found:
            act()
        assert found.value.code == "nothing_to_review"


def test_two_schools_cost_four_times_one(finding: dict[str, Any]) -> None:
    """A person at two schools of one shared sum pays m² ρ = 4 ρ (DESIGN §4)."""
    privacy = finding["privacy"]
    dearest = max(Fraction(account["rho_spent"]) for account in privacy["accounts"])
    expected = accounting.epsilon_from_rho(4 * dearest, Fraction(privacy["delta"]))
    assert privacy["two_schools"]["epsilon_zcdp"] == expected


def test_what_a_rule_hides_is_not_in_the_finding(reopened: Reopened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hidden ratios and cells are null everywhere they could be read, lift included; shown ones are there."""
    shown = figures(reopened)
    real = disclosure.shown
    monkeypatch.setattr(disclosure, "shown", lambda ratio, rules: None)
    hidden = figures(reopened)
    assert hidden.population["base_rate"] is None
    for at in hidden.evaluation["at_k"]:
        assert (at["precision"], at["recall"], at["lift"]) == (None, None, None)
    monkeypatch.setattr(disclosure, "shown", lambda ratio, rules: ratio.numerator / ratio.denominator)
    assert all(at["lift"] is not None for at in figures(reopened).evaluation["at_k"])
    monkeypatch.setattr(disclosure, "shown", real)
    assert figures(reopened) == shown


def test_shown_counts_are_rounded_and_suppressed_bins_say_nothing(reopened: Reopened) -> None:
    """Students of a calibration bin are a multiple of 5; a suppressed bin has neither rate nor count."""
    for row in figures(reopened).evaluation["calibration"]:
        if row["suppressed"]:
            assert (row["observed"], row["students"]) == (None, None)
        else:
            assert row["students"] % 5 == 0 and row["observed"] is not None


def test_a_broken_rule_blocks_the_draft(drafted: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cohort that turns out too small fails a rule; the draft stops with its place, exit code 5."""
    real = disclosure.check

    def stricter(**given: Any) -> disclosure.Report:
        return real(**{**given, "smallest_cohort": 10**9})

    monkeypatch.setattr(disclosure, "check", stricter)
    with pytest.raises(DisclosureBlocked, match="cohort at 2022, 2023") as found:
        publication.draft(drafted.workspace, drafted.experiment)
    assert found.value.exit_code == 5


def test_an_edited_draft_is_not_published_whoever_reviewed_it(drafted: Office) -> None:
    """Two reviewers of an edited finding do not make it true: publishing derives every figure again."""
    finding = review.drafted(drafted.workspace, drafted.experiment)
    finding["privacy"]["epsilon"] = 0.1
    drafted.workspace.store.replace("finding", drafted.experiment.hash.hex(), json.dumps(finding).encode())
    drafted.review(drafted.experiment, "rik", "sam")
    with pytest.raises(NotVerified, match=r"privacy\.epsilon"):
        drafted.publish(drafted.experiment)


def test_without_an_evaluation_a_finding_still_says_what_it_can(
    reopened: Reopened,
) -> None:
    """When noise drowned one outcome, quality is null, the limit says so, and the page is made all the same."""
    drowned = {**reopened.state, "score_table": np.zeros_like(reopened.state["score_table"])}
    finding = compose(replace(reopened, state=drowned), False, None)
    assert finding["evaluation"]["auc"] is None and finding["population"]["held_out"] is None
    assert dict(NO_EVALUATION) in finding["limits"]
    finding["created"] = "2026-11-22T00:00:00Z"
    assert "<html" in page.render(finding, "en")


def test_limits_fit_the_finding() -> None:
    """A rehearsal and a missing school are said; a plain finding carries the standing limits only."""
    plain = limits(rehearsal=False, complete=True, evaluated=True)
    assert REHEARSAL not in plain and MISSING_SCHOOLS not in plain
    assert limits(True, False, False)[:3] == [REHEARSAL, MISSING_SCHOOLS, NO_EVALUATION]
    assert all(set(text) == {"nl", "en"} for text in limits(True, False, False))


def test_a_bundle_is_whole_or_absent(drafted: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped at any moment of writing, no folder appears and nothing stays behind; run again, it is published."""
    drafted.review(drafted.experiment, "rik", "sam")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for place, name in ((evidence, "write"), (publication, "write_private"), (page, "write")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, full)
            with pytest.raises(OSError, match="No space"):
                drafted.publish(drafted.experiment)
        assert not [path for path in drafted.folder.iterdir() if "published" in path.name]
        assert drafted.workspace.store.status(drafted.experiment.hash) == "reviewed"
    assert (drafted.publish(drafted.experiment) / "index.en.html").is_file()


def test_publishing_twice_keeps_the_first_bundle(drafted: Office) -> None:
    """Killed after the rename, publishing again finds the bundle; a folder with anything else is left alone."""
    drafted.review(drafted.experiment, "rik", "sam")
    first = (drafted.publish(drafted.experiment) / "finding.json").read_bytes()
    assert (drafted.publish(drafted.experiment) / "finding.json").read_bytes() == first
    (drafted.folder / "mine").mkdir()
    with pytest.raises(UsageFailed) as found:
        publication.publish(drafted.workspace, drafted.experiment, drafted.folder / "mine")
    assert found.value.code == "folder_exists" and not list((drafted.folder / "mine").iterdir())


def test_a_head_that_comes_in_after_the_draft_changes_nothing(finished: Office, drafted: Office) -> None:
    """An FG may countersign a newer head while reviewers read: the finding keeps the heads that it was drafted with."""
    school = finished.schools[0]
    drafted.review(drafted.experiment)
    newer = sign(HeadCountersignature(school, 10_000, bytes(32), 1), finished.fg(school))
    approvals.accept(drafted.workspace, newer.to_bytes())
    finding = json.loads((drafted.publish(drafted.experiment) / "finding.json").read_bytes())
    assert all(head["seq"] < 10_000 for head in finding["evidence"]["heads"])
    assert len(finding["evidence"]["heads"]) == len(finished.schools)


def test_evidence_survives_the_disk(finished: Office, tmp_path: Path) -> None:
    """What is written is what is read back, byte for byte."""
    collected = evidence.from_store(finished.workspace, finished.experiment)
    evidence.write(collected, tmp_path / "evidence")
    assert evidence.read(tmp_path / "evidence") == collected


@pytest.mark.parametrize(
    ("expected", "found", "places"),
    [
        ({"a": 1.0}, {"a": 1.0 + 1e-9}, []),
        ({"a": 1.0}, {"a": 1.001}, ["a"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["a[1]"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a"]),
        ({"a": True}, {"a": 1}, ["a"]),
        ({"a": {"b": None}}, {"a": {"b": 0}}, ["a.b"]),
        ({"a": 1}, {"a": 1, "b": 2}, [""]),
    ],
)
def test_differences_are_named_by_place(expected: object, found: object, places: list[str]) -> None:
    """Floats may differ in their last digits and nothing else may differ at all."""
    assert differences(expected, found) == places
