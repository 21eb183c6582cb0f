"""The operator's word that data are ready arrives; the policy with that one line changed leaves, and who said it, when.

Nothing here is automatic: a person sees the verdict and decides. A verdict of fail, or no delivery, cannot be called
ready. Only the line `ready:` of policy.yaml changes; the FG's comments and every other rule stay as they are.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.terminal import Block, Report
from node.assembly import open_schema
from node.errors import UnusableInput
from node.founding import existing
from node.policy import Policy, read_policy
from node.quality import text
from node.quality.overview import overview
from node.quality.stored import stored_report
from node.store import Store
from shared_schema import SchemaError

if TYPE_CHECKING:
    from node.folder import NodeFolder
    from shared_schema import Schema

LINE = re.compile(r"^(?P<before>ready[ \t]*:[ \t]+)(?P<value>true|false)(?P<after>[ \t]*(?:#.*?)?\r?)$", re.MULTILINE)
ADDED = "# Zijn de data klaar? / Are the data ready?\nready: {}\n"


def ready(root: Path, yes: bool | None, by: str | None) -> Report:
    """Show the verdict of the stored delivery, and set the switch if the operator says so.

    yes: the new setting, None to look only; by: who says it, without it the account's name. Raises UnusableInput when
    there is no delivery, the verdict is fail, or policy.yaml cannot be changed in its one line.
    """
    folder = existing(root)
    before = read_policy(folder.policy)
    schema = open_schema(folder)
    report = _report(folder, schema) if yes is not False else None  # withdrawing needs no delivery
    blocks: list[Block] = []
    if report is not None:
        seen = overview(report, schema)
        blocks.append(lambda console: text.render_verdict(seen, console))
    verdict = report["verdict"] if report else None
    if yes is None:
        return Report({"ready": before.ready, "verdict": verdict}, [*blocks, _state(before.ready)])
    if yes and verdict == "fail":
        return Report({"ready": before.ready, "verdict": verdict}, blocks, _not_ready())
    entry = {"at": _now(), "by": (by or getpass.getuser())[:200], "ready": yes, "verdict": verdict}
    _note(folder, entry)  # first the journal: a switch that nobody can account for is worse than one that did not move
    _replace(folder.policy, _changed(folder.policy, before, yes))
    return Report({**entry, "was": before.ready}, [*blocks, _state(yes)])


def _report(folder: NodeFolder, schema: Schema) -> dict[str, Any]:
    try:
        return stored_report(Store.open(folder.data), schema)
    except UnusableInput as nothing:
        if nothing.code != "no_delivery":
            raise
        raise UnusableInput(
            "nothing_to_be_ready",
            "Data are called ready after they were taken in and looked at.",
            "no delivery",
            "Run `coalition-node ingest`, then `coalition-node check`.",
        ) from nothing


def _not_ready() -> UnusableInput:
    return UnusableInput(
        "verdict_is_fail",
        "Data with a verdict of fail are not called ready.",
        "fail",
        "Do what the report says first, take the exports in again, and look with `coalition-node check`.",
    )


def _changed(path: Path, before: Policy, yes: bool) -> str:
    """The policy's text with its one line changed, read back to be sure that nothing else is."""
    old, value = path.read_bytes().decode("utf-8"), str(yes).lower()  # line ends stay as they are
    found = LINE.findall(old)
    if len(found) > 1 or (not found and "ready" in before.model_fields_set):
        raise _by_hand("a line `ready:` that is written in another way")
    new = LINE.sub(rf"\g<before>{value}\g<after>", old) if found else old.rstrip("\n") + "\n" + ADDED.format(value)
    draft = path.with_name(f".{path.name}.draft.yaml")
    try:
        _write(draft, new, path.stat().st_mode & 0o777)
        same = read_policy(draft) == before.model_copy(update={"ready": yes})
    except SchemaError:
        same = False
    finally:
        draft.unlink(missing_ok=True)
    if not same:
        raise _by_hand("a document in which the line cannot be changed alone")
    return new


def _by_hand(found: str) -> UnusableInput:
    return UnusableInput(
        "policy_by_hand", "policy.yaml says `ready: true` or `ready: false` on a line of its own.", found,
        "Write it so, by hand.",
    )  # fmt: skip


def _replace(path: Path, content: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    _write(draft, content, path.stat().st_mode & 0o777)
    draft.replace(path)


def _write(path: Path, content: str, mode: int) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _note(folder: NodeFolder, entry: dict[str, Any]) -> None:
    """One line of JSON in NODE/local/ready.log, for eyes inside the school."""
    folder.local.mkdir(exist_ok=True, mode=0o700)
    descriptor = os.open(folder.local / "ready.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as log:
        log.write(json.dumps(entry, ensure_ascii=False) + "\n")
        log.flush()
        os.fsync(log.fileno())


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _state(yes: bool) -> str:
    if yes:
        return "Klaar: ja. De node beantwoordt goedgekeurde vragen. / Ready: yes. The node answers approved questions."
    return "Klaar: nee. De node weigert alles. / Ready: no. The node refuses everything."


def history(folder: NodeFolder) -> Sequence[dict[str, Any]]:
    """Return who set the switch and when, oldest first."""
    path = folder.local / "ready.log"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []
