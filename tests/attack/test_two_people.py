"""The two-person rule bypassed (METHODS §7, attack 23): same person, same school, the submitter, edited afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from coalition import publication, review, verification
from coalition.errors import DisclosureBlocked, NotAllowed
from privacy.errors import CharterError
from privacy.identity import SigningKey
from privacy.statements import Review, sign
from tests.unit.coalition.office import Office


def _store(made: Office, person: str, school: str, key: SigningKey, finding_hash: bytes | None = None) -> None:
    """A review put straight into the store, past the command that would refuse it."""
    finding = review.drafted(made.workspace, made.experiment)
    named = finding_hash or review.finding_hash(finding)
    signed = sign(Review(named, person, school, "accept", 1), key)
    made.workspace.store.replace("review", f"{review.finding_hash(finding).hex()}/{person}", signed.to_bytes())


def _publish(made: Office) -> Path:
    return publication.publish(made.workspace, made.experiment, made.folder / "out")


def _nobody(made: Office) -> None:
    """No review at all."""


def _one_person(made: Office) -> None:
    made.review(made.experiment, "rik")


def _one_person_twice(made: Office) -> None:
    made.review(made.experiment, "rik", "rik")


def _two_of_one_school(made: Office) -> None:
    made.review(made.experiment, "sam", "tom")


def _one_rejects(made: Office) -> None:
    made.review(made.experiment, "rik", "sam")
    review.review(made.workspace, made.experiment, "tom", made.people["tom"], accept=False)


NOT_ENOUGH = [_nobody, _one_person, _one_person_twice, _two_of_one_school, _one_rejects]


@pytest.mark.parametrize("attack", NOT_ENOUGH)
@pytest.mark.parametrize("defended", [False, True])
def test_fewer_than_two_people_of_two_schools_publish_nothing(
    drafted: Office, monkeypatch: pytest.MonkeyPatch, attack: Callable[[Office], None], defended: bool
) -> None:
    """One person, one person twice, one school twice, or one against: nothing is written."""
    if not defended:
        monkeypatch.setattr(review, "missing", lambda _: "")
    attack(drafted)
    if not defended:
        assert _publish(drafted).is_file()
        return
    with pytest.raises(NotAllowed) as found:
        _publish(drafted)
    assert found.value.code == "review_missing"
    assert not (drafted.folder / "out").exists()
    assert drafted.workspace.store.status(drafted.experiment.hash) == "checked"


def test_two_people_of_two_schools_are_enough(drafted: Office) -> None:
    """The yardstick: what the rule asks for is also sufficient."""
    drafted.review(drafted.experiment, "rik", "sam")
    assert drafted.workspace.store.status(drafted.experiment.hash) == "reviewed"
    assert _publish(drafted).is_file()
    assert drafted.workspace.store.status(drafted.experiment.hash) == "published"


def test_the_submitter_does_not_review(drafted: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as an analyst, nor when the submitter happens to be listed as a reviewer."""
    with pytest.raises(NotAllowed) as found:
        drafted.review(drafted.experiment, "ada")
    assert found.value.code == "other_role"
    finding = review.drafted(drafted.workspace, drafted.experiment)
    finding["evidence"]["submitter"] = "rik"
    monkeypatch.setattr(review, "drafted", lambda *_: finding)
    with pytest.raises(NotAllowed) as found:
        drafted.review(drafted.experiment, "rik")
    assert found.value.code == "reviewer_is_submitter"


def test_nobody_signs_for_somebody_else(drafted: Office) -> None:
    """Rik with Sam's key is refused, and so is a review in the store that Sam never signed."""
    with pytest.raises(NotAllowed) as found:
        review.review(drafted.workspace, drafted.experiment, "sam", drafted.people["rik"])
    assert found.value.code == "other_key"
    drafted.review(drafted.experiment, "rik")
    _store(drafted, "sam", "school-2", drafted.people["rik"])
    with pytest.raises(NotAllowed) as found:
        _publish(drafted)
    assert found.value.code == "review_unsigned"


def test_nobody_reviews_for_another_school(drafted: Office) -> None:
    """Tom of school-2 signs as if of school-0, to look like a second school: refused."""
    drafted.review(drafted.experiment, "sam")
    _store(drafted, "tom", "school-0", drafted.people["tom"])
    with pytest.raises(NotAllowed) as found:
        _publish(drafted)
    assert found.value.code == "other_role"


def test_one_key_is_not_two_people(drafted: Office) -> None:
    """A charter in which one key stands for two people does not exist."""
    charter = drafted.workspace.charter
    doubled = tuple(
        replace(person, key=charter.person("rik").key) if person.id == "sam" else person for person in charter.people
    )
    with pytest.raises(CharterError, match="own key"):
        replace(charter, people=doubled)


def test_an_edit_resets_the_reviews(drafted: Office) -> None:
    """Any change of the finding leaves earlier reviews behind: they name another hash."""
    drafted.review(drafted.experiment, "rik", "sam")
    finding = review.drafted(drafted.workspace, drafted.experiment)
    finding["title"]["nl"] += "!"
    name = drafted.experiment.hash.hex()
    drafted.workspace.store.replace("finding", name, json.dumps(finding).encode())
    with pytest.raises(NotAllowed) as found:
        _publish(drafted)
    assert found.value.code == "review_missing"
    review.note_status(drafted.workspace, drafted.experiment, finding)
    assert drafted.workspace.store.status(drafted.experiment.hash) == "checked"


def test_old_reviews_cannot_be_moved_to_an_edited_finding(drafted: Office) -> None:
    """A coordinator who renames the stored reviews to the new hash is caught by the hash inside them."""
    drafted.review(drafted.experiment, "rik", "sam")
    finding = review.drafted(drafted.workspace, drafted.experiment)
    before = review.finding_hash(finding)
    finding["purpose"]["en"] = "Something else altogether."
    store = drafted.workspace.store
    store.replace("finding", drafted.experiment.hash.hex(), json.dumps(finding).encode())
    for person in ("rik", "sam"):
        moved = store.get("review", f"{before.hex()}/{person}")
        store.replace("review", f"{review.finding_hash(finding).hex()}/{person}", moved)
    with pytest.raises(NotAllowed) as found:
        _publish(drafted)
    assert found.value.code == "review_of_other_finding"


def test_drafting_the_same_again_keeps_the_reviews(drafted: Office) -> None:
    """The finding follows from the evidence, so drafting it again gives the same hash; a comparison gives another."""
    drafted.review(drafted.experiment, "rik", "sam")
    first = review.finding_hash(review.drafted(drafted.workspace, drafted.experiment))
    again = publication.draft(drafted.workspace, drafted.experiment)
    assert review.finding_hash(again) == first
    assert drafted.workspace.store.status(drafted.experiment.hash) == "reviewed"
    shown = {"pooled_auc": 0.8, "federated_auc": 0.8, "schools": []}
    assert review.finding_hash(publication.draft(drafted.workspace, drafted.experiment, shown)) != first
    assert drafted.workspace.store.status(drafted.experiment.hash) == "checked"


def test_a_bundle_with_one_review_does_not_verify(finished: Office, bundle: Path) -> None:
    """An auditor counts again: a bundle that lost a review, in evidence and finding alike, is not accepted."""
    (bundle / "evidence" / "reviews" / "sam.cbor").unlink()
    finding = json.loads((bundle / "finding.json").read_bytes())
    finding["evidence"]["reviews"] = [row for row in finding["evidence"]["reviews"] if row["reviewer"] != "sam"]
    (bundle / "finding.json").write_text(json.dumps(finding))
    checks = {check.name: check for check in verification.verify(bundle).checks}
    assert not checks["reviews"].ok and "two people of two schools" in checks["reviews"].found


def test_a_finding_that_fails_disclosure_is_not_published(drafted: Office) -> None:
    """Reviews do not lift a disclosure rule: draft and publish both stop at it."""
    finding = review.drafted(drafted.workspace, drafted.experiment)
    finding["disclosure"]["passed"] = False
    finding["disclosure"]["rules"][0]["status"] = "fail"
    drafted.workspace.store.replace("finding", drafted.experiment.hash.hex(), json.dumps(finding).encode())
    drafted.review(drafted.experiment, "rik", "sam")
    with pytest.raises(DisclosureBlocked) as found:
        _publish(drafted)
    assert found.value.exit_code == 5 and not (drafted.folder / "out").exists()
