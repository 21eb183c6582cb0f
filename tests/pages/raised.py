"""The source of the packages arrives; every error that is raised with a code leaves: code, rule, remedy, place.

Read from the syntax tree, never run. A code may stand in the raise itself, in a name assigned before it, or in the
call of a small function that raises for its caller (`wrong(code, rule, found)`); all three are followed. An error
whose code cannot be read is a fault of this module or of the code, and raises `Unreadable`: nothing is skipped.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
GAP = "…"  # stands for a value that only a run can know
CODE = re.compile(r"[a-z][a-z0-9_]+")
PARTS = ("code", "rule", "found", "remedy")
FIXED = {"ProtocolError": ("A message is exactly what the protocol says.", "Send what this version specifies.")}
ROOTS = {"CoalitionError", "NodeError", "BrokenRule", *FIXED}
FORWARDED = {"error.code"}  # an error from below, listed where it is raised first

Texts = Mapping[str, tuple[str, ...]]


class Unreadable(Exception):
    """An error is raised whose code this module cannot find."""


@dataclass(frozen=True, order=True)
class Raised:
    """One error with its code, as the person who has to act reads it; `module` is its file without `.py`."""

    code: str
    rule: str
    remedy: str
    kind: str
    module: str


@dataclass(frozen=True)
class Helper:
    """A function that raises for its caller: the call in it, and the names of its parameters."""

    kind: str
    call: ast.Call
    parameters: tuple[str, ...]
    constants: Texts


def collect(files: Sequence[Path]) -> list[Raised]:
    """Every coded error of these files, without doubles, by code. Raises `Unreadable`."""
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    kinds = _kinds(list(trees.values()))
    constants = {file: _constants(tree) for file, tree in trees.items()}
    helpers = {
        (file, name): helper for file, tree in trees.items() for name, helper in _helpers(tree, kinds, constants[file])
    }
    _refuse_unused(helpers, trees)
    shared = {name: helper for (_, name), helper in helpers.items() if not name.startswith("_")}
    found: set[Raised] = set()
    for file, tree in trees.items():
        own = shared | {name: helper for (place, name), helper in helpers.items() if place == file}
        found.update(_raised_in(file, tree, kinds, own, constants[file]))
    return sorted(found)


def _refuse_unused(helpers: Mapping[tuple[Path, str], Helper], trees: Mapping[Path, ast.Module]) -> None:
    """An error of a function that nobody here calls would be on no page."""
    called = {name for tree in trees.values() for name, _ in _calls(tree)}
    for file, name in helpers:
        if name not in called:
            raise Unreadable(f"{file.name}: {name} raises in its caller's words, and nobody calls it")


def _kinds(trees: Collection[ast.Module]) -> set[str]:
    """Names of the error classes that carry a code: the roots and everything derived from them."""
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    kinds, before = set(ROOTS), 0
    while len(kinds) > before:
        before = len(kinds)
        kinds |= {one.name for one in classes if {ast.unparse(base) for base in one.bases} & kinds}
    return kinds


def _functions(tree: ast.AST) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def _calls(node: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            yield ast.unparse(call.func).rpartition(".")[2], call


def _is_error(name: str, call: ast.Call, kinds: set[str]) -> bool:
    """Whether a call makes a coded error: four parts, or a code alone where rule and remedy are fixed.

    The message `protocol.Refusal(code)` shares its name with an error and has one field.
    """
    return name in kinds and (len(call.args) > 1 or (name in FIXED and len(call.args) == 1))


def _helpers(tree: ast.AST, kinds: set[str], constants: Texts) -> Iterator[tuple[str, Helper]]:
    """Functions that raise an error in their caller's words."""
    for function in _functions(tree):
        parameters = _parameters(function)
        for name, call in _calls(function):
            if _is_error(name, call, kinds) and _for_caller(call, parameters):
                yield function.name, Helper(name, call, parameters, _bound(function, call.lineno, constants))


def _parameters(function: ast.FunctionDef) -> tuple[str, ...]:
    return tuple(argument.arg for argument in function.args.args)


def _for_caller(call: ast.Call, parameters: Sequence[str]) -> bool:
    """Whether the code is made from a parameter, or the rule is one."""
    if ast.unparse(call.args[0]) in FORWARDED:
        return False
    rule = call.args[1] if len(call.args) > 1 else None
    return bool(_names(call.args[0]) & set(parameters)) or (isinstance(rule, ast.Name) and rule.id in parameters)


def _names(node: ast.AST) -> set[str]:
    """Names whose values a text is made of; a condition only chooses."""
    if isinstance(node, ast.IfExp):
        return _names(node.body) | _names(node.orelse)
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _raised_in(
    file: Path, tree: ast.Module, kinds: set[str], helpers: Mapping[str, Helper], constants: Texts
) -> Iterator[Raised]:
    module = file.relative_to(ROOT).with_suffix("").as_posix()
    for function in _functions(tree):
        if any(name.endswith("_faults") for name, _ in _calls(function)) and function.name.endswith("_check"):
            yield from _gathered(tree, function, kinds, constants, module)
        for name, call in _calls(function):
            texts = _bound(function, call.lineno, constants)
            if _is_error(name, call, kinds) and not _for_caller(call, _parameters(function)):
                yield from _one(name, call, texts, module)
            elif name in helpers:
                yield from _through(helpers[name], call, texts, module)


def _gathered(
    tree: ast.Module, check: ast.FunctionDef, kinds: set[str], constants: Texts, module: str
) -> Iterator[Raised]:
    """Faults that `*_faults` yield as (code, words) and a `_check` raises together, with one remedy."""
    (call,) = (call for name, call in _calls(check) if _is_error(name, call, kinds))
    for function in _functions(tree):
        for node in ast.walk(function) if function.name.endswith("_faults") else ():
            if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):
                raised = _raised(_read(node.value.elts[0], {})[0], ast.unparse(call.func), call.args, constants, module)
                yield replace(raised, rule=_sentence(node.value.elts[1], {}) or raised.rule)


def _one(kind: str, call: ast.Call, texts: Texts, module: str) -> Iterator[Raised]:
    """An error at the place where its code stands."""
    if ast.unparse(call.args[0]) in FORWARDED:
        return
    codes = [code for code in _read(call.args[0], texts) if CODE.fullmatch(code)]
    if not codes:
        raise Unreadable(f"{module}:{call.lineno}: no code in {ast.unparse(call)[:80]}")
    for code in codes:
        yield _raised(code, kind, call.args, texts, module)


def _through(helper: Helper, call: ast.Call, texts: Texts, module: str) -> Iterator[Raised]:
    """An error raised by a helper: the caller's arguments take the place of its parameters."""
    given = {name: _read(value, texts) for name, value in zip(helper.parameters, call.args, strict=False)}
    given |= {word.arg: _read(word.value, texts) for word in call.keywords if word.arg}
    inside = {**helper.constants, **given}
    codes = [code for code in _read(helper.call.args[0], inside) if CODE.fullmatch(code)]
    if not codes:
        raise Unreadable(f"{module}:{call.lineno}: no code in {ast.unparse(call)[:80]}")
    for code in codes:
        yield _raised(code, helper.kind, helper.call.args, inside, module)


def _raised(code: str, kind: str, arguments: Sequence[ast.expr], texts: Texts, module: str) -> Raised:
    if kind in FIXED:
        return Raised(code, *FIXED[kind], kind, module)
    words = dict(zip(PARTS, arguments, strict=False))
    rule, remedy = (_sentence(words[part], texts) if part in words else "" for part in ("rule", "remedy"))
    return Raised(code, rule, remedy, kind, module)


def _sentence(node: ast.expr, texts: Texts) -> str:
    """What a person reads; where there are several ways to say it, the first. A gap alone says nothing."""
    text = re.sub(f"{GAP}+", GAP, _read(node, texts)[0])
    return "" if text == GAP else text


# ---- texts as far as the source says them


def _constants(tree: ast.Module) -> Texts:
    return _assigned(tree.body, {})


def _bound(function: ast.FunctionDef, line: int, constants: Texts) -> Texts:
    """What each name stands for just before a line: the module's constants, then assignments from top to bottom."""
    before = [node for node in ast.walk(function) if isinstance(node, ast.Assign) and node.lineno <= line]
    return _assigned(sorted(before, key=lambda node: node.lineno), constants)


def _assigned(statements: Sequence[ast.stmt], known: Texts) -> Texts:
    texts = dict(known)
    for statement in statements:
        if isinstance(statement, ast.Assign):
            for name, value in _pairs(statement.targets[0], statement.value):
                texts[name] = _read(value, texts)
    return texts


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for part, inner in zip(target.elts, value.elts, strict=False):
            yield from _pairs(part, inner)


def _read(node: ast.expr, texts: Texts) -> tuple[str, ...]:
    """The texts that an expression may have, a gap where only a run can know."""
    match node:
        case ast.Constant(value=str(text)):
            return (text,)
        case ast.Name(id=name):
            return texts.get(name, (GAP,))
        case ast.IfExp(body=body, orelse=other):
            return _read(body, texts) + _read(other, texts)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return tuple(one + two for one in _read(left, texts) for two in _read(right, texts))
        case ast.JoinedStr(values=values):
            return _joined(values, texts)
        case ast.FormattedValue(value=value):
            return _read(value, texts)
    return (GAP,)


def _joined(values: Sequence[ast.expr], texts: Texts) -> tuple[str, ...]:
    found: tuple[str, ...] = ("",)
    for value in values:
        found = tuple(one + two for one in found for two in _read(value, texts))
    return found
