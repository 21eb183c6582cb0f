"""Every defence switched off by itself, in one line of a copy: its test must fail, or it never tested that defence.

The mutations are small files in `mutations/`. A mutation is killed when every test it names fails in its call, by an
assertion or by an error of this project; a name that does not exist, an import that breaks or a setup that fails is
no kill but a broken mutation. That the copy is what was imported, and nothing else, is checked in every run. Before
all, the copy without any mutation passes all tests that are named.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.attack.mutations import mutation as mutations
from tests.attack.mutations.mutation import BadMutationError, Mutation
from tests.conftest import DATA

ALL = mutations.read_all()
CLIP = next(one for one in ALL if one.name == "clip-off")
FEWEST = 30
MEMORY = Path("/dev/shm")  # as good as a disk here: nothing is killed, and nobody waits for a disk to sync
KILLS = ("builtins.AssertionError", "builtins.Failed", *(f"{package}." for package in mutations.PACKAGES))
"""How a test that sees a defence missing ends: its assertion, "did not raise", or an error of this project instead."""


class Runner:
    """The project's copy, and a process that runs its tests with nothing of the project imported before."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._runs = folder, 0
        self.copy = mutations.copy_project(folder / "copy")
        # The program is the copy's own file, so that not even it comes from here.
        program = self.copy / "tests" / "attack" / "mutations" / "warm.py"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "COALITION_DATA": str(DATA)}
        self._process = subprocess.Popen([sys.executable, "-P", str(program)], cwd=folder, env=environment, **pipes)

    def run(self, folder: Path, tests: tuple[str, ...], module: str = "") -> dict[str, Any]:
        """What these tests did in the copy at `folder`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        request = {"folder": str(folder), "tests": sorted(tests), "module": module}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def mutated(self, mutation: Mutation) -> Path:
        """A copy of the copy, with its compiled files, in which one line is another."""
        self._runs += 1
        folder = self._folder / f"run-{self._runs}"
        shutil.copytree(self.copy, folder, copy_function=os.link)
        mutations.apply(mutation, folder)
        return folder

    def judge(self, mutation: Mutation) -> str:
        """killed, survived, or why the run says nothing."""
        folder = self.mutated(mutation)
        try:
            return verdict(mutation, self.run(folder, mutation.fails, mutation.module))
        finally:
            shutil.rmtree(folder)

    def close(self) -> None:
        """End the process that this runner started."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=300)


def verdict(mutation: Mutation, found: dict[str, Any]) -> str:
    """Judge what was said of one run."""
    if found["exit"] not in (0, 1) or found["broken"]:
        return f"no verdict: {found['broken'][:3]}, exit {found['exit']}\n{found['words']}"
    if found["foreign"] or not found["imported"]:
        return f"no verdict: not the copy was tested, but {found['foreign'][:3]}\n{found['words']}"
    odd = [kind for kinds in found["failed"].values() for kind in kinds if not kind.startswith(KILLS)]
    if odd:
        return f"no verdict: the mutation breaks the code instead of the defence, {sorted(set(odd))}\n{found['words']}"
    blind = [test for test in mutation.fails if not any(_is_of(failed, test) for failed in found["failed"])]
    return "survived: " + ", ".join(blind) if blind else "killed"


def _is_of(failed: str, test: str) -> bool:
    """Whether a test that failed is the one named, or one of its parameters."""
    return failed == test or ("[" not in test and failed.startswith(f"{test}["))


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """Made once: the parent process has imported everything that is not ours."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None, prefix="mutations-") as folder:
        made = Runner(Path(folder))
        yield made
        made.close()


@pytest.fixture(scope="module")
def unmutated(runner: Runner) -> dict[str, Any]:
    """The control: all tests that are named, on the copy as it is. It also compiles what the mutated copies use."""
    return runner.run(runner.copy, tuple({test for mutation in ALL for test in mutation.fails}))


def test_without_a_mutation_all_named_tests_pass(unmutated: dict[str, Any]) -> None:
    """Or a failure below would say nothing. What was imported is the copy, and the copy alone."""
    assert (unmutated["exit"], unmutated["failed"], unmutated["broken"]) == (0, {}, []), unmutated["words"]
    assert unmutated["foreign"] == []
    named = {test for mutation in ALL for test in mutation.fails}
    assert [test for test in named if not any(_is_of(passed, test) for passed in unmutated["passed"])] == []


@pytest.mark.parametrize("mutation", ALL, ids=lambda mutation: mutation.name)
def test_every_mutation_is_killed(runner: Runner, unmutated: dict[str, Any], mutation: Mutation) -> None:
    """Without this defence its tests fail."""
    assert runner.judge(mutation) == "killed"


def test_a_mutation_stays_in_its_own_copy(runner: Runner) -> None:
    """The copy from which the others are made holds what the project holds, whatever was changed in them."""
    folder = runner.mutated(CLIP)
    assert CLIP.find not in (folder / CLIP.file).read_text("utf-8")
    for one in ALL:
        assert (runner.copy / one.file).read_text("utf-8").count(one.find) == 1, one.name


def test_there_are_enough_mutations_and_no_two_are_one() -> None:
    """Each line is changed in one way by one file, and there are many."""
    assert len(ALL) >= FEWEST
    assert len({(one.file, one.find, one.replace) for one in ALL}) == len(ALL)


# ---- the suite can say no


@dataclass(frozen=True)
class Planted:
    """A mutation that must not count as killed, and what is said of it."""

    find: str
    replace: str
    said: str


PLANTED = {
    "nothing is switched off": Planted("norm: Floats = ", "norm:  Floats = ", "survived"),
    "a name that is not there": Planted(CLIP.find, "return unclipped_", "no verdict: the mutation breaks the code"),
    "no Python any more": Planted(CLIP.find, "return (", "no verdict"),
    "an error of another kind": Planted(CLIP.find, "return unclipped[None][7]", "no verdict: the mutation breaks"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_no_kill_is_not_counted_as_one(runner: Runner, unmutated: dict[str, Any], what: str) -> None:
    """Planted: a change without effect, a broken name, broken syntax, an accident in place of a missing defence."""
    planted = PLANTED[what]
    assert runner.judge(replace(CLIP, find=planted.find, replace=planted.replace)).startswith(planted.said)


@pytest.mark.parametrize(("find", "times"), [("this line stands nowhere", 0), ("return ", "several")])
def test_a_line_that_is_not_there_once_is_refused(runner: Runner, find: str, times: object) -> None:
    """A mutation that went out of date is noticed, and never passed over."""
    with pytest.raises(BadMutationError, match="not once"):
        runner.mutated(replace(CLIP, find=find))


def test_a_test_that_does_not_exist_gives_no_verdict(runner: Runner, unmutated: dict[str, Any]) -> None:
    """A name of a test that was mistyped, or a module that is gone."""
    for test in ("tests/unit/privacy/test_lattice.py::test_vanished", "tests/unit/privacy/test_vanished.py::test_x"):
        assert runner.judge(replace(CLIP, fails=(test,))).startswith("no verdict")


def test_a_child_imports_the_copy_and_nothing_else(runner: Runner, unmutated: dict[str, Any]) -> None:
    """Planted: a test that imports the project from where the suite itself stands is noticed as foreign."""
    folder = runner.mutated(CLIP)
    path = folder / "tests" / "unit" / "privacy" / "test_planted.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(mutations.ROOT)!r})\nimport node.slots\ndef test(): pass\n")
    found = runner.run(folder, ("tests/unit/privacy/test_planted.py",))
    assert found["exit"] == 0 and found["foreign"] == ["node", "node.slots"]


def test_what_no_longer_fits_is_named_at_once() -> None:
    """As `make check` does, long before a copy is made: a line that is gone, a module or a test that is."""
    assert [one.name for one in ALL if mutations.stale(one)] == []
    gone = "tests/unit/privacy/test_lattice.py::test_vanished"
    for one, said in (
        (replace(CLIP, find="this line stands nowhere"), "stands 0 times"),
        (replace(CLIP, find="return "), "not once"),
        (replace(CLIP, file="privacy/vanished.py"), "stands 0 times"),
        (replace(CLIP, fails=(*CLIP.fails, gone)), f"no such test: {gone}"),
    ):
        assert said in mutations.stale(one)


BAD = {
    "an unknown key": "defense = 'x'\n",
    "two lines": "find = 'a\\nb'\n",
    "no change": "replace = 'return np.minimum(unclipped, lattice.steps / norm)'\n",
    "a file outside": "file = 'tests/kit.py'\n",
    "no test": "fails = []\n",
}


@pytest.mark.parametrize("what", BAD)
def test_a_file_that_is_no_mutation_is_refused(tmp_path: Path, what: str) -> None:
    """One thing wrong in a file that is good without it."""
    good = (mutations.HERE / "clip-off.toml").read_text("utf-8")
    key = BAD[what].split(" =")[0]
    kept = [line for line in good.splitlines() if not line.startswith(f"{key} =")]
    if key == "fails":
        kept = [line for line in kept if "tests/" not in line and line != "]"]
    written = tmp_path / "clip-off.toml"
    written.write_text("\n".join(kept) + "\n" + BAD[what].replace("'a\\nb'", '"a\\nb"'), encoding="utf-8")
    with pytest.raises(BadMutationError):
        mutations.read(written)
    written.write_text(good, encoding="utf-8")
    assert mutations.read(written) == CLIP
