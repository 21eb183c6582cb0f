"""The two-person rule, review by review (METHODS §7, attack 23): what a signed review is worth, and how many make two.

`test_two_people.py` bypasses the rule in a whole run; here each rule stands alone, against one review that is wrong in
that one thing. The yardstick beside every refusal: the honest review is taken.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coalition import publication, review
from coalition.errors import DisclosureBlocked, NotAllowed
from privacy.identity import SigningKey
from privacy.statements import Review, sign
from tests.unit.coalition.office import Office, office

FINDING: dict[str, Any] = {"title": {"nl": "x"}, "created": None, "evidence": {"submitter": "ada", "reviews": []}}


@pytest.fixture
def made(tmp_path: Path) -> Office:
    return office(tmp_path)


def _review(**changes: Any) -> Review:
    return replace(Review(review.finding_hash(FINDING), "rik", "school-1", "accept", 1), **changes)


def _checked(made: Office, statement: Review, key: SigningKey | None = None, finding: Any = None) -> Review:
    signed = sign(statement, key or made.people["rik"])
    return review.checked(made.workspace.charter, finding or FINDING, signed.to_bytes())


def _refused(code: str, made: Office, *given: Any) -> None:
    with pytest.raises(NotAllowed) as found:
        _checked(made, *given)
    assert found.value.code == code
    assert _checked(made, _review()).reviewer == "rik"


def test_a_review_that_its_person_did_not_sign(made: Office) -> None:
    """Another reviewer's key, the coordinator's, or nobody's."""
    for key in (made.people["sam"], made.workspace.key, SigningKey.generate()):
        _refused("review_unsigned", made, _review(), key)


def test_a_review_by_somebody_who_is_no_reviewer_there(made: Office) -> None:
    """An analyst, and a reviewer who signs as if of another school, to look like a second one."""
    _refused("other_role", made, _review(reviewer="ada", school="school-0"), made.people["ada"])
    _refused("other_role", made, _review(school="school-0"))


def test_a_review_of_another_finding(made: Office) -> None:
    """Any word changed afterwards makes it another finding; who reviewed it and when it was drafted do not."""
    _refused("review_of_other_finding", made, _review(), None, {**FINDING, "title": {"nl": "y"}})
    evidence = {**FINDING["evidence"], "submitter": "tom"}
    _refused("review_of_other_finding", made, _review(), None, {**FINDING, "evidence": evidence})
    later = {**FINDING, "created": "2026-01-01T00:00:00Z", "evidence": {**FINDING["evidence"], "reviews": [1]}}
    assert _checked(made, _review(), None, later).reviewer == "rik"


def test_a_review_by_the_submitter(made: Office) -> None:
    """Rik submitted it, so Rik's own review, rightly signed, is none."""
    own = {**FINDING, "evidence": {**FINDING["evidence"], "submitter": "rik"}}
    _refused("reviewer_is_submitter", made, _review(finding_hash=review.finding_hash(own)), None, own)


ACCEPTED = _review()
COUNTED = {
    "nobody": ([], False),
    "one person": ([ACCEPTED], False),
    "one person twice": ([ACCEPTED, ACCEPTED], False),
    "one person at two schools": ([ACCEPTED, replace(ACCEPTED, school="school-2")], False),
    "two of one school": ([ACCEPTED, replace(ACCEPTED, reviewer="sam")], False),
    "two of two schools": ([ACCEPTED, replace(ACCEPTED, reviewer="sam", school="school-2")], True),
    "two, and a third against": (
        [
            ACCEPTED,
            replace(ACCEPTED, reviewer="sam", school="school-2"),
            replace(ACCEPTED, reviewer="tom", school="school-2", verdict="reject"),
        ],
        False,
    ),
}


@pytest.mark.parametrize("who", COUNTED)
def test_two_people_of_two_schools_and_nobody_against(who: str) -> None:
    """Counted as people and as schools; one rejection is enough to hold a finding back."""
    reviews, enough = COUNTED[who]
    assert (review.missing(reviews) == "") == enough


@pytest.mark.parametrize("passed", [True, False])
def test_no_number_of_reviews_lifts_a_disclosure_rule(passed: bool) -> None:
    """What is drafted and what is published goes through one check: a rule that fails stops it, with its place."""
    rules = [{"rule": "cohort", "status": "pass" if passed else "fail", "where": "2023"}]
    finding = {**FINDING, "disclosure": {"passed": passed, "rules": rules}}
    if passed:
        publication._check_disclosure(finding)
        return
    with pytest.raises(DisclosureBlocked, match="cohort at 2023"):
        publication._check_disclosure(finding)
