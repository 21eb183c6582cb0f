"""Proofs stand beside the code: every label of a proof marks a line of code, every labelled line has its proof.

A proof is a page `privacy/*.md`. Before its first section it says which labels it uses and whose lines they mark:
"Labels such as [M1] stand on the lines of `masking.py`", or "of `a.py` and `b.py`". A label marks code when it stands
in a comment at the end of a line of code, or in the docstring of a definition, which it then marks whole. In a
module's docstring, in a comment of its own or in a string it would mark nothing that can be wrong.

================================================== ========================================================
what is planted                                    what is found
================================================== ========================================================
a label is taken off its line                      cited, but marks no code
a label is moved to a bare comment or a string     cited, but marks no code
the line and its label are deleted                 cited, but marks no code
a citation is struck from the proof                on a line, but cited by no proof
a label is put on another line, and no proof says  on a line, but cited by no proof
a proof cites what it has not announced            announced by no sentence of the page
a page announces a module that is not there        no such module
================================================== ========================================================
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

import privacy

FOLDER = Path(privacy.__file__).parent
LABEL = re.compile(r"\[[A-Z]\d+\]")
ANNOUNCED = re.compile(r"[Ll]abels such as \[([A-Z])\d+\] (?:stand )?on the lines of ((?:`\w+\.py`(?:, | and )?)+)")
PROOFS = ("accounting.md", "lattice.md", "ledger.md", "masking.md", "noise.md", "release.md")
Texts = Mapping[str, str]


def texts() -> dict[str, str]:
    """Every module and every page of `privacy`, by file name."""
    return {path.name: path.read_text("utf-8") for path in FOLDER.iterdir() if path.suffix in (".py", ".md")}


def on_code_lines(source: str) -> list[str]:
    """The labels in comments that end a line of code, in order; one that stands on several lines comes as often."""
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    layout = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.STRING)
    code = {token.start[0] for token in tokens if token.type not in layout}
    comments = (token for token in tokens if token.type == tokenize.COMMENT and token.start[0] in code)
    return [label for token in comments for label in LABEL.findall(token.string)]


def on_definitions(source: str) -> list[str]:
    """The labels in docstrings of functions, classes, constants and attributes."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found += LABEL.findall(ast.get_docstring(node) or "")
        if isinstance(node, ast.Module | ast.ClassDef):
            found += (label for text in _after_assignments(node.body) for label in LABEL.findall(text))
    return found


def _after_assignments(body: list[ast.stmt]) -> Iterator[str]:
    for first, second in pairwise(body):
        if isinstance(first, ast.Assign | ast.AnnAssign) and isinstance(second, ast.Expr):
            yield ast.unparse(second)


@cache
def marks(source: str) -> set[str]:
    """The labels that mark code in a module."""
    return {*on_code_lines(source), *on_definitions(source)}


def announced(page: str) -> dict[str, list[str]]:
    """Letter -> modules, as the page says before its first section."""
    head = re.sub(r"\s+", " ", page.partition("\n## ")[0])
    return {letter: re.findall(r"\w+\.py", modules) for letter, modules in ANNOUNCED.findall(head)}


def cited(page: str) -> set[str]:
    """The labels that the page cites, from its first section on."""
    return set(LABEL.findall(page.partition("\n## ")[2]))


def faults(found: Texts) -> list[str]:
    """Everything that is wrong between the proofs and the code."""
    return sorted({*_wrong_announcements(found), *_uncovered(found), *_unproved(found)})


def _pages(found: Texts) -> dict[str, str]:
    return {name: text for name, text in found.items() if name.endswith(".md")}


def _wrong_announcements(found: Texts) -> Iterator[str]:
    for name, page in _pages(found).items():
        gone = [module for modules in announced(page).values() for module in modules if module not in found]
        yield from (f"{name}: no such module {module}" for module in gone)


def _uncovered(found: Texts) -> Iterator[str]:
    """Labels of a proof that mark nothing in the modules that the proof names."""
    for name, page in _pages(found).items():
        modules = announced(page)
        for label in cited(page):
            if label[1] not in modules:
                yield f"{name}: {label} is announced by no sentence of the page"
            elif not any(label in marks(found.get(module, "")) for module in modules[label[1]]):
                yield f"{name}: {label} marks no code of {' or '.join(modules[label[1]])}"


def _unproved(found: Texts) -> Iterator[str]:
    """Labelled lines that no proof cites as lines of their module."""
    proved = {
        (module, label)
        for page in _pages(found).values()
        for label in cited(page)
        for module in announced(page).get(label[1], [])
    }
    for name, source in found.items():
        labels = marks(source) if name.endswith(".py") else set()
        yield from (f"{name}: {label} is cited by no proof" for label in labels if (name, label) not in proved)


def test_every_label_of_a_proof_marks_code_and_every_labelled_line_has_its_proof() -> None:
    """Both directions, over the whole package."""
    assert faults(texts()) == []


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_says_what_it_claims_assumes_and_leaves_open(name: str) -> None:
    """The six proofs are there; each states claim, assumptions, proof and limits, and leans on labelled lines."""
    page = texts()[name]
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    for wanted in (r"Claims?$|Theorem$", "Assumptions$", "Proof", "What is not (claimed|covered)$"):
        assert any(re.match(wanted, heading) for heading in headings), (name, wanted)
    assert announced(page) and cited(page) and "∎" in page


@pytest.mark.parametrize("name", PROOFS)
def test_parts_and_theorem_lead_to_each_other(name: str) -> None:
    """The theorem of the release links to each part, and each part to it."""
    found = texts()
    assert name == "release.md" or ("(release.md)" in found[name] and f"({name})" in found["release.md"])


def test_labels_count_from_one() -> None:
    """No gap: a label that was taken away, from code and proof alike, is noticed by its neighbours."""
    found = texts()
    for page in _pages(found).values():
        for letter, modules in announced(page).items():
            labels = {label for module in modules for label in marks(found[module]) if label[1] == letter}
            assert labels == {f"[{letter}{number}]" for number in range(1, len(labels) + 1)}, modules


@pytest.mark.parametrize("name", PROOFS)
def test_labels_of_these_proofs_stand_on_lines_not_on_whole_functions(name: str) -> None:
    """The six proofs of the release speak of single lines."""
    found = texts()
    for letter, modules in announced(found[name]).items():
        labels = {label for label in cited(found[name]) if label[1] == letter}
        assert labels <= {label for module in modules for label in on_code_lines(found[module])}


def test_docstrings_name_labels_that_exist() -> None:
    """A module's docstring that speaks of labels speaks of its own, first and last."""
    for name, text in texts().items():
        if name.endswith(".py") and (span := re.search(r"labels \[([A-Z])1\] to\s+\[\1(\d+)\]", text)):
            numbers = [int(label[2:-1]) for label in on_code_lines(text) if label[1] == span[1]]
            assert max(numbers, default=int(span[2])) <= int(span[2]), name


# ---- planted faults


def _everywhere(name: str, label: str) -> Callable[[dict[str, str]], None]:
    def plant(found: dict[str, str]) -> None:
        assert label in found[name]
        found[name] = found[name].replace(label, "")

    return plant


def _replace(name: str, old: str, new: str) -> Callable[[dict[str, str]], None]:
    def plant(found: dict[str, str]) -> None:
        assert old in found[name]
        found[name] = found[name].replace(old, new)

    return plant


def _append(name: str, text: str) -> Callable[[dict[str, str]], None]:
    def plant(found: dict[str, str]) -> None:
        found[name] += text

    return plant


PLANTED = {
    "taken off its line": (_everywhere("masking.py", "[M8]"), "masking.md: [M8] marks no code of masking.py"),
    "left on a bare comment": (
        _replace("noise.py", "  # [N1]\n", "\n    # [N1]\n"),
        "noise.md: [N1] marks no code of noise.py",
    ),
    "left in a docstring": (
        _replace("noise.py", "  # [N1]\n", '\n    """[N1]"""\n'),
        "noise.md: [N1] marks no code of noise.py",
    ),
    "in a string of code": (
        _replace("noise.py", "  # [N1]\n", '\n    label = "[N1]"\n'),
        "noise.md: [N1] marks no code of noise.py",
    ),
    "struck from the proof": (_everywhere("lattice.md", "[L9]"), "lattice.py: [L9] is cited by no proof"),
    "on a line that no proof knows": (_append("ledger.py", "SURPLUS = 1  # [E99]\n"), "[E99] is cited by no proof"),
    "cited and not announced": (_append("ledger.md", "\n[Q1]\n"), "ledger.md: [Q1] is announced by no sentence"),
    "of a module that is gone": (_replace("noise.md", "`noise.py`", "`gone.py`"), "noise.md: no such module gone.py"),
    "in the module's docstring": (
        lambda found: _everywhere("lattice.py", "[L9]")(found) or _replace("lattice.py", "mark lines", "[L9]")(found),
        "lattice.md: [L9] marks no code of lattice.py",
    ),
    "of another page's module": (
        _replace("release.md", "Labels such as [C1]", "Labels such as [M1]"),
        "canonical.py: [C1] is cited by no proof",
    ),
    "of the other module": (
        _replace("balances.py", "  # [B16]", "  # [B15]"),
        "ledger.md: [B16] marks no code of balances.py",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str) -> None:
    """Each line of the table above, in a copy of the real texts."""
    plant, expected = PLANTED[name]
    found = texts()
    plant(found)
    assert any(expected in fault for fault in faults(found)), faults(found)


@pytest.mark.parametrize("name", PROOFS)
def test_every_single_label_is_missed_when_it_goes(name: str) -> None:
    """Not one of them is decoration: any label taken off all its lines is found to be missing."""
    page = texts()[name]
    for label in cited(page):
        found = texts()
        for module in announced(page)[label[1]]:
            found[module] = found[module].replace(label, "")
        assert any(fault.startswith(f"{name}: {label} marks no code") for fault in faults(found)), label
