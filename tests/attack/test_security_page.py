"""docs/security.md says which attack meets which defence, module, test and mutation: here its table is kept true.

Every attack is there once; every module is a file; every test is one that pytest collects; the mutations of a row are
those that name its attack, no fewer and no more. Planted faults show that each of these can fail.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.attack.mutations import mutation as mutations

PAGE = mutations.ROOT / "docs" / "security.md"
ATTACKS = (*map(str, range(1, 14)), "13b", "13c", "13d", "13e", *map(str, range(14, 25)))
COLUMNS = 7
NAME = re.compile(r"`([^`]+)`")
NO_MUTATION = {"12", "16", "17"}
"""Attacks without a line of their own to switch off: reporting, audits, and what is not prevented."""


@dataclass(frozen=True)
class Row:
    """One attack of the table."""

    attack: str
    words: tuple[str, ...]
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    mutations: tuple[str, ...]


def rows(text: str) -> list[Row]:
    """The rows of the table, from top to bottom."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == COLUMNS and re.fullmatch(r"\d+[a-z]?", cells[0]):
            names = [tuple(NAME.findall(cell)) for cell in cells[4:]]
            found.append(Row(cells[0], tuple(cells[1:4]), *names))
    return found


def wrong(text: str, collected: frozenset[str], known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """What the page says that is not so. collected: tests; known: mutation -> the attacks it names."""
    table = rows(text)
    numbers = [row.attack for row in table]
    if numbers != list(ATTACKS):
        odd = sorted({one for one in (*numbers, *ATTACKS) if numbers.count(one) != 1 or one not in ATTACKS})
        yield f"attacks that are missing, doubled, unknown or out of order: {odd}"
    for row in table:
        yield from (f"{row.attack}: an empty cell" for word in row.words if not word)
        if not row.modules or not row.tests:
            yield f"{row.attack}: no module or no test"
        yield from (f"{row.attack}: no file {name}" for name in row.modules if not (mutations.ROOT / name).is_file())
        yield from (f"{row.attack}: no test {name}" for name in row.tests if name not in collected)
        of_attack = {name for name, attacks in known.items() if row.attack in attacks}
        if set(row.mutations) != of_attack:
            yield f"{row.attack}: mutations {sorted(set(row.mutations) ^ of_attack)} stand in one place only"
        if not row.mutations and row.attack not in NO_MUTATION:
            yield f"{row.attack}: no mutation"
    yield from (f"{name}: of an attack that is none" for name, attacks in known.items() if attacks - set(ATTACKS))


@pytest.fixture(scope="module")
def text() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def known() -> Mapping[str, frozenset[str]]:
    return {one.name: frozenset(one.attacks) for one in mutations.read_all()}


@pytest.fixture(scope="module")
def collected(text: str) -> frozenset[str]:
    """Every test, without its parameters, that pytest collects from the files that the table names."""
    files = sorted({name.partition("::")[0] for row in rows(text) for name in row.tests})
    there = [name for name in files if (mutations.ROOT / name).is_file()]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        *there,
    ]
    done = subprocess.run(command, cwd=mutations.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return frozenset(line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line)


def test_the_table_is_true(text: str, collected: frozenset[str], known: Mapping[str, frozenset[str]]) -> None:
    """Attacks, modules, tests and mutations are those of the project as it is."""
    assert list(wrong(text, collected, known)) == []


def test_every_attack_file_of_the_folder_is_spoken_of(text: str) -> None:
    """A test of an attack that nobody can find in the table helps no auditor."""
    named = {Path(name.partition("::")[0]).name for row in rows(text) for name in row.tests}
    spoken = named | set(re.findall(r"tests/attack/(test_\w+\.py)", text))
    there = {path.name for path in (mutations.ROOT / "tests" / "attack").glob("test_*.py")}
    assert there - spoken - {"test_relay.py", "test_security_page.py"} == set()


PLANTED = {
    "a row is gone": (r"^\| 13e \|.*\n", "", "missing"),
    "a row stands twice": (r"^(\| 9 \|.*\n)", r"\1\1", "doubled"),
    "another attack": (r"^\| 24 \|", "| 25 |", "unknown"),
    "a module that moved": (r"`node/policy.py`", "`node/politics.py`", "no file"),
    "a test that was renamed": (r"::test_a_retry_pays_again`", "::test_a_retry_is_free`", "no test"),
    "a test's file that is gone": (r"`tests/attack/test_replay.py::", "`tests/attack/test_vanished.py::", "no test"),
    "a mutation that is none": (r"`clip-off`", "`clip-on`", "one place only"),
    "a mutation left out": (r"`clip-off` ", "", "one place only"),
    "nothing must happen": (r"opens to uniform noise \|", " |", "an empty cell"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_wrong_table_is_noticed(
    text: str, collected: frozenset[str], known: Mapping[str, frozenset[str]], what: str
) -> None:
    """Planted faults, one for each thing that the table says."""
    pattern, planted, said = PLANTED[what]
    changed = re.sub(pattern, planted, text, flags=re.MULTILINE)
    assert changed != text
    assert any(said in one for one in wrong(changed, collected, known))


def test_a_mutation_that_the_page_does_not_name_is_noticed(
    text: str, collected: frozenset[str], known: Mapping[str, frozenset[str]]
) -> None:
    """A new mutation belongs into the table; one of an attack that does not exist belongs nowhere."""
    assert any("new" in one for one in wrong(text, collected, {**known, "new": frozenset({"9"})}))
    assert any("none" in one for one in wrong(text, collected, {**known, "new": frozenset({"99"})}))


def test_the_page_says_who_what_and_what_not(text: str) -> None:
    """The threat model names everyone who could do harm, in Dutch first, and what is not promised."""
    assert text.index("## In het kort") < text.index("## Who") < text.index("## What is not promised")
    who = ("the coordinator", "t schools", "SuperLink", "an analyst", "a reviewer", "an insider", "a thief", "a reader")
    assert [one for one in who if f"| {one}" not in text and one not in text] == []
