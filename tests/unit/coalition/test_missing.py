"""A school is missing for a code: each code that somebody can say is known here, and no words are for nobody's code."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Set
from functools import cache

import pytest

from coalition import missing
from node.relay import bridge
from tests.pages import errors
from tests.pages.raised import ROOT, collect

# What the coordinator's side itself calls it when a school is missing, and where.
OWN = {
    "silent": "rounds",
    "not_a_reply": "rounds",
    "not_a_code": "missing",
    "no_greeting": "addresses",
    "other_school": "flower_transport",
    "relay_failed": "flower_transport",
    "relay_offline": "server_app",
}


def _texts(tree: ast.AST) -> set[str]:
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {text for text in constants if isinstance(text, str)}


def _tree(module: str) -> ast.Module:
    return ast.parse((ROOT / "coalition" / f"{module}.py").read_text(encoding="utf-8"))


def _said(tree: ast.AST) -> set[str]:
    """Codes in the source where a refusal is made up, a request fails, or a parcel has a code."""
    said: set[str] = set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        parts = {"Refusal": call.args[:1], "failed": call.args[1:2]}.get(ast.unparse(call.func).rpartition(".")[2], [])
        parts += [word.value for word in call.keywords if word.arg == "code"]
        said |= {text for part in parts for text in _texts(part)}
    return said


@cache
def _of_nodes() -> frozenset[str]:
    """Codes that a node says on the wire, as docs/errors.md lists them."""
    files = [file for package in ("node", "experiments", "privacy") for file in (ROOT / package).rglob("*.py")]
    return frozenset(
        one.code
        for one in collect(sorted(files))
        if one.module in errors.ON_THE_WIRE or one.kind == "BrokenRule" or one.code in errors.BLOCKED
    )


def faults(words: Mapping[str, str], relay: Set[str], node: Set[str], own: Set[str]) -> list[str]:
    """Words for codes that nobody says, and codes of relay and coordinator without words."""
    nobody = [f"nobody says {code}" for code in sorted(words.keys() - relay - node - own)]
    return nobody + [f"no words for {code}" for code in sorted((relay | own) - words.keys())]


def test_every_code_has_words_and_all_words_have_a_code() -> None:
    """For the codes of relays and of the coordinator's side; a node's own stand in docs/errors.md as well."""
    assert faults(missing.WORDS, set(bridge.RULES), _of_nodes(), OWN.keys()) == []


def test_the_coordinators_own_codes_are_these() -> None:
    """Each stands in its module, and no module of the transport says another one."""
    assert [code for code, module in OWN.items() if code not in _texts(_tree(module))] == []
    assert set().union(*(_said(_tree(module)) for module in OWN.values())) <= OWN.keys()
    assert _said(ast.parse("say(Parcel('failed', t, code='relay_gone' if gone else 'lost'))")) == {"relay_gone", "lost"}
    assert _said(ast.parse("errand.failed(ticket, 'tired', now)\nprotocol.Refusal('odd')")) == {"tired", "odd"}


@pytest.mark.parametrize(
    ("words", "relay", "found"),
    [
        ({"relay_tired": "its relay sleeps"}, set(), "nobody says relay_tired"),
        ({}, {"relay_tired"}, "no words for relay_tired"),
    ],
)
def test_a_planted_fault_is_seen(words: dict[str, str], relay: set[str], found: str) -> None:
    """Words for a code that nobody says, and a relay's code without words."""
    assert faults({**missing.WORDS, **words}, bridge.RULES.keys() | relay, _of_nodes(), OWN.keys()) == [found]


def test_every_code_is_of_the_form_that_is_shown() -> None:
    """No code that anybody can say is held back by the form that codes have."""
    assert all(missing.CODE.fullmatch(code) for code in {*missing.WORDS, *bridge.RULES, *_of_nodes(), *OWN})


def test_the_missing_are_listed_with_each_code_once_in_words() -> None:
    """Schools by id, then what each code means; a code of a node that has no words here is explained elsewhere."""
    listed = missing.listed({"b": "silent", "a": "silent", "c": "roster_too_small"})
    assert listed == (
        f"a (silent), b (silent), c (roster_too_small); roster_too_small: {missing.ELSEWHERE}; "
        f"silent: {missing.WORDS['silent']}"
    )
    assert missing.listed({}) == "none"


@pytest.mark.parametrize("code", ["Jansen 1234567", "\x1b[2Jgone", "[red]", "a\nb", "a" * 41, ""])
def test_what_is_no_code_is_not_shown(code: str) -> None:
    """A node that refuses in other words than a code says nothing on the coordinator's terminal."""
    assert missing.listed({"a": code}) == f"a (not_a_code); not_a_code: {missing.WORDS['not_a_code']}"
