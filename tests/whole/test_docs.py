"""Everything the documents say is tried: fences run or parse, commands and files exist, links lead somewhere."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from coalition.charters import CharterDocument
from experiments.definition import Definition
from node.mapping_document import MappingDocument
from node.policy import Policy
from privacy.verify import verify_ledger
from shared_schema import documents
from shared_schema.errors import DocumentError
from shared_schema.extension_document import ExtensionModel
from tests import docs_diff
from tests.pages import errors, prose, raised

WALK = prose.ROOT / "docs" / "walk.md"
MODELS = {
    "mapping": MappingDocument,
    "policy": Policy,
    "charter": CharterDocument,
    "definition": Definition,
    "schema_extension": ExtensionModel,
}
CARRIED_OUT_BY = {"docs/mapping.md": "tests/spec/test_mapping.py"}  # whose yaml fences leave out what all share
LANGUAGES = {"sh", "yaml", "python", "text"}
PAGES = {prose.name_of(page): page for page in prose.pages()}
WALK_SECONDS = 1800


def _text(name: str) -> str:
    return PAGES[name].read_text(encoding="utf-8")


# ---- what a page shows


def wrong_fences(name: str, text: str) -> Iterator[str]:
    """Fences in a language that nothing here tries, and commands or documents in them that are wrong."""
    for fence in prose.fences(text):
        if fence.language in ("sh", "text"):
            yield from prose.wrong_commands(fence.body)
        elif fence.language == "yaml" and name not in CARRIED_OUT_BY:
            yield from _wrong_document(fence.body)
        elif fence.language == "python":
            yield from _wrong_program(fence.body)
        if fence.language not in LANGUAGES and name not in CARRIED_OUT_BY:
            yield f"line {fence.line}: a fence of language '{fence.language}', which nothing tries"


def _wrong_document(body: str) -> Iterator[str]:
    """A document of this project begins with the key that says which one it is."""
    model = MODELS.get(body.partition(":")[0].strip())
    if model is None:
        yield f"no document begins like {body.splitlines()[0]!r}"
        return
    try:
        documents.read(body, model)
    except DocumentError as error:
        yield str(error)


def _wrong_program(body: str) -> Iterator[str]:
    done = subprocess.run([sys.executable, "-c", body], cwd=prose.ROOT, capture_output=True, text=True, check=False)
    yield from [] if done.returncode == 0 else [done.stderr.strip().splitlines()[-1]]


@pytest.mark.parametrize("name", PAGES)
def test_every_fence_holds(name: str) -> None:
    """Commands, options, targets and modules in a page's fences exist; its documents parse; its Python runs."""
    assert list(wrong_fences(name, _text(name))) == []


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_named_that_does_not_exist(name: str) -> None:
    """A file, module, command or option in backticks exists, or is written by a program of this project."""
    found = [wrong for span in prose.spans(_text(name)) for wrong in prose.wrong_names(PAGES[name], span)]
    assert found == []


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    """Links between pages resolve, headings included."""
    assert list(prose.wrong_links(PAGES[name], _text(name))) == []


def test_every_page_of_docs_can_be_reached_from_the_readme() -> None:
    """Nobody has to know that a page exists: following links from the README leads to each."""
    seen, waiting = set(), {prose.ROOT / "README.md"}
    while waiting:
        page = waiting.pop()
        seen.add(page)
        targets = {target.partition("#")[0] for target in prose.LINK.findall(page.read_text(encoding="utf-8"))}
        linked = {(page.parent / target).resolve() for target in targets if target and "://" not in target}
        folders = {file for place in linked if place.is_dir() for file in place.glob("*.md")}
        waiting |= {place for place in linked | folders if place.suffix == ".md"} - seen
    assert {page for page in PAGES.values() if page.parent.name != "privacy"} - seen == set()


def test_fences_that_are_tried_elsewhere_really_are() -> None:
    """The page whose fences are left to another test is named in that test."""
    for page, test in CARRIED_OUT_BY.items():
        assert Path(page).name in (prose.ROOT / test).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ("```sh\ncoalition vanish DIR\n```\n", "no such command"),
        ("```sh\ncoalition verify DIR \\\n  --nothing\n```\n", "no option --nothing"),
        ("```sh\nx=$(coalition-node ledger NODE --vanish)\n```\n", "no option --vanish"),
        ("```sh\nmake vanish\n```\n", "no such target"),
        ("```sh\npython -m privacy.vanish\n```\n", "no such module"),
        ("```sh\npython privacy/vanish.py\n```\n", "no such file"),
        ("```yaml\npolicy: 1\npublic_size: {2022: 1}\nvanish: 1\n```\n", "vanish"),
        ("```yaml\nvanish: 1\n```\n", "no document"),
        ("```python\nraise SystemExit('vanished')\n```\n", "vanished"),
        ("```perl\n1\n```\n", "nothing tries"),
    ],
)
def test_a_wrong_fence_is_noticed(planted: str, found: str) -> None:
    """Planted faults: one for each kind of fence and each thing that it may name."""
    wrong = list(wrong_fences("README.md", planted))
    assert len(wrong) == 1 and found in wrong[0]


@pytest.mark.parametrize(
    "span",
    [
        *("node/vanished.py", "docs/vanished.md", "vanished.yaml", "experiments/vanished/", "node/mappings/xx*.yaml"),
        *(
            "privacy.vanished",
            "node.policy.Vanished",
            "coalition vanish",
            "make vanish",
            "coalition-node check --vanish",
        ),
    ],
)
def test_a_wrong_name_is_noticed(span: str) -> None:
    """Planted faults: files, modules, names and commands that do not exist."""
    assert list(prose.wrong_names(PAGES["README.md"], span))


def test_a_wrong_link_is_noticed() -> None:
    """Planted faults: a page and a heading that do not exist; what does exist passes."""
    text = "[a](docs/vanished.md) [b](#vanished) [c](docs/mapping.md#vanished) [d](docs/mapping.md) [e](#the-flow)"
    readme = PAGES["README.md"]
    wrong = list(prose.wrong_links(readme, text + "\n# The flow\n"))
    assert [one.partition(":")[0] for one in wrong] == ["docs/vanished.md", "#vanished", "docs/mapping.md#vanished"]


# ---- pages that are made


def test_a_generated_page_that_differs_is_named(tmp_path: Path) -> None:
    """`make check` compares each page byte for byte; a changed or missing one is named, and `make docs` mends it."""
    made = docs_diff.made()
    assert docs_diff.write(tmp_path, made) == list(made)
    assert docs_diff.differing(tmp_path, made) == []
    page = tmp_path / "docs" / "errors.md"
    page.write_bytes(page.read_bytes() + b"\n")
    (tmp_path / "docs" / "flow.svg").unlink()
    assert docs_diff.differing(tmp_path, made) == ["docs/errors.md", "docs/flow.svg"]


def _collected(folder: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> list[raised.Raised]:
    monkeypatch.setattr(raised, "ROOT", folder)
    (folder / "code.py").write_text(source, encoding="utf-8")
    return raised.collect([folder / "code.py"])


def test_codes_are_found_wherever_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the raise, in a name before it, in a choice, and in the call of a function that raises for its caller."""
    source = """
class Mine(NodeError): ...
def one(n):
    rule, remedy = f"At least {n}.", "Do more."
    raise Mine("first" if n else "second", rule, "less", remedy)
def wrong(code, rule):
    return Mine(code, rule, "x", "Ask.")
def two():
    raise wrong("third", "A rule.")
"""
    found = {(one.code, one.rule, one.remedy) for one in _collected(tmp_path, source, monkeypatch)}
    at_least = "At least …."
    assert found == {("first", at_least, "Do more."), ("second", at_least, "Do more."), ("third", "A rule.", "Ask.")}


def test_a_code_that_cannot_be_read_is_not_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code that is computed, or said by a caller that is not there, cannot be documented: no page is made."""
    with pytest.raises(raised.Unreadable, match="nobody calls it"):
        _collected(tmp_path, "def wrong(code):\n    return NodeError(code, 'a', 'b', 'c')\n", monkeypatch)
    with pytest.raises(raised.Unreadable, match="code:3"):
        _collected(tmp_path, "def one():\n    code = input()\n    raise NodeError(code, 'a', 'b', 'c')\n", monkeypatch)


def test_every_code_that_a_test_expects_is_documented() -> None:
    """Codes that the tests of bad input see at run time stand on the page that was read from the source."""
    text = errors.page()
    seen = ["missing_column", "mixed_dates", "empty_file", "too_few_schools", "budget_above_cap", "approval_missing"]
    seen += ["approval_expired", "storage_failed", "ledger_blocked", "slot_used", "not_acceptable", "not_verified"]
    assert [code for code in seen if f"| `{code}` |" not in text] == []


# ---- the walk


def carried_out(bodies: Sequence[str], folder: Path) -> None:
    """Run fences in order in one shell; fails with the number of the fence that did not end well, and its words."""
    marks = "\n".join(f"echo 'fence {number}' >&3\n{body}" for number, body in enumerate(bodies, 1))
    script = f"set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\nexec 3>fences.log\n{marks}"
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": programs, "OPENBLAS_NUM_THREADS": "1"},  # four programs share these cores
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, words = shell.communicate(timeout=WALK_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        raise
    last = (folder / "fences.log").read_text(encoding="utf-8").splitlines()[-1]
    assert shell.returncode == 0, f"{last} ended with {shell.returncode}: {words[-2000:]}"


@pytest.mark.slow
def test_the_walk_leads_from_exports_to_a_verified_finding(tmp_path: Path) -> None:
    """docs/walk.md, fence by fence: what it promises is there in the end, and independent code checks the ledger."""
    carried_out([fence.body for fence in prose.fences(_text("docs/walk.md")) if fence.language == "sh"], tmp_path)
    page = (tmp_path / "bevinding" / "index.html").read_text(encoding="utf-8")
    assert "<html" in page
    report = verify_ledger(tmp_path / "inbox" / "kanaalland.sqlite")
    assert report.ok and not list((tmp_path / "sockets").iterdir())


@pytest.mark.slow
def test_a_newcomer_is_ready_in_an_afternoon(tmp_path: Path) -> None:
    """docs/school.md, fence by fence, on the demo export: report and list are there, and the switch says ready.

    A list of everybody holds all of the running cohort who are still there, but for the one who objected.
    """
    everyone = "coalition-node invite node --top 100% --numbers exports --csv everyone.csv\n"
    bodies = [fence.body for fence in prose.fences(_text("docs/school.md")) if fence.language == "sh"]
    carried_out([*bodies, everyone], tmp_path)
    local = tmp_path / "node" / "local"
    for page in ("quality.html", "quality.en.html", "invitations.html", "invitations.en.html"):
        assert "<html" in (local / page).read_text(encoding="utf-8")
    assert len((local / "lists.jsonl").read_text(encoding="utf-8").splitlines()) == 3
    assert {"kwaliteitskaart.html", "team-kwaliteit.html", "prognose.html"} <= {
        page.name for page in (tmp_path / "teams" / "local").iterdir()
    }
    assert "ready: true" in (tmp_path / "node" / "policy.yaml").read_text(encoding="utf-8")
    export = (tmp_path / "exports" / "uitnodigingsregel.csv").read_text(encoding="utf-8")
    started = [line.split("\t")[0] for line in export.splitlines() if "\t2025-" in line]
    with (tmp_path / "everyone.csv").open(encoding="utf-8-sig") as file:
        listed = {row["studentnummer"] for row in csv.DictReader(file, delimiter=";")}
    objector, *others = started
    assert objector not in listed and len(listed.intersection(others)) > 0.9 * len(others)


def test_a_fence_that_fails_is_named(tmp_path: Path) -> None:
    """Planted fault: the second of three fences ends with an error, and the third is not reached."""
    bodies = ["true\n", "echo 'no such thing' >&2\nfalse\n", "touch reached\n"]
    with pytest.raises(AssertionError, match="fence 2 ended with 1: no such thing"):
        carried_out(bodies, tmp_path)
    assert not (tmp_path / "reached").exists()


# ---- make test


@pytest.mark.parametrize("status", [0, 1])
def test_make_test_ends_with_what_was_left_out(status: int, tmp_path: Path) -> None:
    """The last line of stdout names the tiers left out, and make fails exactly when pytest fails.

    A stand-in for pytest ends with a known status; what is tried is the Makefile's recipe.
    """
    (tmp_path / "bin").mkdir()
    (tmp_path / ".pytest_cache").mkdir()
    stand_in = tmp_path / "bin" / "python"
    stand_in.write_text(f"#!/bin/sh\necho 'Left out: some.' > .pytest_cache/left-out.txt\necho ran\nexit {status}\n")
    stand_in.chmod(0o755)
    for name in ("constraints.txt", "pyproject.toml", "ready"):
        (tmp_path / name).touch()
    words = ["make", "-f", str(prose.ROOT / "Makefile"), "-o", "ready", "test", "BIN=bin", "READY=ready"]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(words, cwd=tmp_path, env=own, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-2:] == ["ran", "Left out: some."]
    assert (done.returncode != 0) == (status != 0)
