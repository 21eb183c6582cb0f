"""A run that opened arrives; a drafted finding leaves, and after two reviews a published bundle.

draft     re-open every sum from the store, evaluate, apply the disclosure rules     -> status checked
publish   two reviews of exactly this finding, then the bundle, by one rename        -> status published

FOLDER/index.html  index.en.html  finding.json  evidence/   (`coalition.evidence`)
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from typing import TYPE_CHECKING, Any

from coalition import audits, evidence, review
from coalition.errors import DisclosureBlocked, NotAllowed, UsageFailed
from coalition.finding import check_finding, compose, published, when
from coalition.reopening import read_papers, reopen
from privacy.identity import sync_folder, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from coalition.workspace import Workspace
    from experiments.definition import Experiment

FINDING = "finding.json"
EVIDENCE = "evidence"
DRAFTABLE = ("opened", "checked", "reviewed")


def draft(
    workspace: Workspace,
    experiment: Experiment,
    comparison: Mapping[str, Any] | None = None,
    rehearsal: bool | None = None,
    now: int | None = None,
) -> dict[str, Any]:
    """Compose the finding of a run that opened, apply the disclosure rules, and keep it for review.

    Drafting again gives the same finding; if it differs in anything, earlier reviews no longer count. `rehearsal`
    follows from `comparison` unless it is given. Raises `NotAllowed` before the run opened, `NotVerified` when the
    coordinator's own evidence does not hold, `DisclosureBlocked` for a finding that may not be shown.
    """
    status = workspace.store.status(experiment.hash)
    if status not in DRAFTABLE:
        rule = "A finding is drafted after its run opened."
        raise NotAllowed("not_opened", rule, f"status {status}", "Run it first: coalition run.")
    collected = evidence.from_store(workspace, experiment)
    reopened = reopen(collected, read_papers(collected))
    is_rehearsal = comparison is not None if rehearsal is None else rehearsal
    finding = compose(reopened, is_rehearsal, comparison, audits.kept(workspace, experiment))
    finding["created"] = when(int(time.time()) if now is None else now)
    _check_disclosure(finding)
    audits.check(finding.get("audit"))
    workspace.store.replace("finding", experiment.hash.hex(), _json(finding))
    if status == "opened":
        workspace.store.set_status(experiment.hash, "checked")
    review.note_status(workspace, experiment, finding)
    return finding


def _check_disclosure(finding: Mapping[str, Any]) -> None:
    if not finding["disclosure"]["passed"]:
        failed = [rule for rule in finding["disclosure"]["rules"] if rule["status"] == "fail"]
        found = "; ".join(f"{rule['rule']} at {rule['where']}" for rule in failed)
        remedy = "Nothing is published. Ask a coarser question, or more schools."
        raise DisclosureBlocked("disclosure_failed", "A finding passes every disclosure rule.", found, remedy)


def _json(finding: Mapping[str, Any]) -> bytes:
    return (json.dumps(finding, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()


def publish(workspace: Workspace, experiment: Experiment, folder: Path, now: int | None = None) -> Path:
    """Write the bundle of a reviewed finding and return the path of its Dutch page.

    The folder appears whole, by rename, or not at all. Asked again after a kill, a folder that holds this very
    finding counts as written. Every figure, the outcome of the disclosure rules included, is derived from the
    evidence once more, so an edited draft is never published, whoever reviewed it. Raises `NotAllowed` while reviews
    are missing, `DisclosureBlocked`, `NotVerified`, `UsageFailed` for a folder that holds something else.
    """
    finding = review.drafted(workspace, experiment)
    _check_disclosure(finding)
    audits.check(finding.get("audit"))
    reviews = review.reviews_of(workspace, finding)
    waiting = review.missing(reviews)
    if waiting:
        rule = "Two people of two schools, not the submitter, accept a finding before it is published."
        raise NotAllowed("review_missing", rule, waiting, "Ask reviewers: coalition review.")
    collected = evidence.from_store(workspace, experiment, finding)
    check_finding(finding, reopen(collected, read_papers(collected)))
    bundle = published(finding, reviews, int(time.time()) if now is None else now)
    if not _is_there(folder, bundle):
        signed = tuple(review.signed_reviews(workspace, finding))
        _write(bundle, collected.reviewed(signed), folder)
    workspace.store.set_status(experiment.hash, "published", str(folder.name))
    return folder / "index.html"


def _is_there(folder: Path, bundle: Mapping[str, Any]) -> bool:
    if not folder.exists():
        return False
    if (folder / FINDING).is_file():
        known = json.loads((folder / FINDING).read_bytes())
        if review.finding_hash(known) == review.finding_hash(bundle):
            return True
    rule = "A bundle is written to a folder of its own."
    raise UsageFailed("folder_exists", rule, f"{folder} holds something else", "Choose a folder that does not exist.")


def _write(bundle: Mapping[str, Any], collected: evidence.Evidence, folder: Path) -> None:
    from experiments.reading import page

    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    try:
        evidence.write(collected, beside / EVIDENCE)
        write_private(beside / FINDING, _json(bundle))
        (beside / FINDING).chmod(evidence.READABLE)
        page.write(bundle, beside)
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)  # half a bundle helps nobody; the first error is the one to show
        raise
    sync_folder(folder.parent)
