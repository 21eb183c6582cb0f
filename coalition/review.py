"""A drafted finding and a person's key arrive; a signed review leaves, and the answer to: may this be published?

Two people of two schools, neither of them the submitter, accept exactly this finding (DESIGN §5). A review names
the finding's hash, so any edit leaves the reviews behind that were given before it.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from coalition import submission
from coalition.errors import NotAllowed
from privacy import canonical
from privacy.errors import PrivacyError
from privacy.statements import Review, check, sign, signed_from_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from coalition.workspace import Workspace
    from experiments.definition import Experiment
    from privacy.charter import Charter
    from privacy.identity import SigningKey

FINDING_TAG = "datacoalitie/finding/1"
PEOPLE, SCHOOLS = 2, 2
REVIEWABLE = ("checked", "reviewed")


def finding_hash(finding: Mapping[str, Any]) -> bytes:
    """SHA-256 (32 bytes) of a finding without its reviews and its moment of publication.

    JSON with sorted keys is the finding's byte form: its figures are floats, which canonical CBOR here refuses.
    """
    evidence = {key: value for key, value in finding["evidence"].items() if key != "reviews"}
    kept = {key: value for key, value in finding.items() if key != "created"} | {"evidence": evidence}
    text = json.dumps(kept, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return canonical.digest(FINDING_TAG, text.encode())


def review(
    workspace: Workspace,
    experiment: Experiment,
    person: str,
    key: SigningKey,
    accept: bool = True,
    now: int | None = None,
) -> Review:
    """Sign the finding as it stands; a later review by the same person replaces the earlier one.

    Raises `NotAllowed`: nothing to review yet, another role or key, or the submitter.
    """
    finding = drafted(workspace, experiment)
    reviewer = submission.signer(workspace, person, key, ("reviewer",))
    _refuse_submitter(reviewer.id, finding["evidence"]["submitter"])
    verdict = "accept" if accept else "reject"
    moment = int(time.time()) if now is None else now
    statement = Review(finding_hash(finding), reviewer.id, reviewer.school, verdict, moment)
    name = f"{statement.finding_hash.hex()}/{reviewer.id}"
    workspace.store.replace("review", name, sign(statement, key).to_bytes())
    note_status(workspace, experiment, finding)
    return statement


def drafted(workspace: Workspace, experiment: Experiment) -> dict[str, Any]:
    """The finding as drafted; `NotAllowed` when the experiment has not come that far."""
    status = workspace.store.status(experiment.hash)
    if status not in (*REVIEWABLE, "published"):
        rule = "A finding is reviewed after its run and its disclosure check."
        raise NotAllowed("nothing_to_review", rule, f"status {status}", "Run it first: coalition run.")
    finding: dict[str, Any] = json.loads(workspace.store.get("finding", experiment.hash.hex()))
    return finding


def _refuse_submitter(reviewer: str, submitter: str) -> None:
    if reviewer == submitter:
        rule = "Who submitted an experiment does not review it."
        raise NotAllowed("reviewer_is_submitter", rule, reviewer, "Ask a reviewer of another school.")


def note_status(workspace: Workspace, experiment: Experiment, finding: Mapping[str, Any]) -> None:
    """Bring the status in line with the reviews: reviewed when they suffice, checked when they do not (any more)."""
    if workspace.store.status(experiment.hash) not in REVIEWABLE:
        return
    wanted = "reviewed" if not missing(reviews_of(workspace, finding)) else "checked"
    if workspace.store.status(experiment.hash) != wanted:
        workspace.store.set_status(experiment.hash, wanted)


def signed_reviews(workspace: Workspace, finding: Mapping[str, Any]) -> list[bytes]:
    """The stored reviews of exactly this finding, by reviewer."""
    names = workspace.store.names("review", f"{finding_hash(finding).hex()}/")
    return [workspace.store.get("review", name) for name in names]


def reviews_of(workspace: Workspace, finding: Mapping[str, Any]) -> list[Review]:
    """The reviews of exactly this finding, each checked again."""
    return [checked(workspace.charter, finding, data) for data in signed_reviews(workspace, finding)]


def checked(charter: Charter, finding: Mapping[str, Any], data: bytes) -> Review:
    """The review in these bytes, once it is shown to be of this finding, by a reviewer of the charter.

    Raises `NotAllowed`: review_unsigned, other_role, review_of_other_finding, reviewer_is_submitter.
    """
    signed = signed_from_bytes(data, Review)
    statement, again = signed.statement, "Ask for a new review."
    try:
        person = charter.person(statement.reviewer)
        check(signed, person.key)
    except PrivacyError as error:
        rule = "A review is signed by a person of the charter."
        raise NotAllowed("review_unsigned", rule, f"not so for {statement.reviewer}", again) from error
    if (person.role, person.school) != ("reviewer", statement.school):
        rule = "A review is given by a reviewer, for the school that the charter names."
        raise NotAllowed("other_role", rule, f"{person.id} is {person.role} of {person.school}", again)
    if statement.finding_hash != finding_hash(finding):
        rule = "A review is of exactly this finding; an edit asks for new ones."
        raise NotAllowed("review_of_other_finding", rule, f"another hash by {person.id}", again)
    _refuse_submitter(statement.reviewer, finding["evidence"]["submitter"])
    return statement


def missing(reviews: Iterable[Review]) -> str:
    """What still stands between these reviews and publication; empty when nothing does."""
    given = list(reviews)
    against = sorted(one.reviewer for one in given if one.verdict == "reject")
    if against:
        return f"rejected by {', '.join(against)}"
    if len({one.reviewer for one in given}) < PEOPLE or len({one.school for one in given}) < SCHOOLS:
        by = ", ".join(f"{one.reviewer} ({one.school})" for one in given) or "nobody"
        return f"accepted by {by}; two people of two schools are needed"
    return ""
