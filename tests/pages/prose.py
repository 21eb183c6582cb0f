"""A Markdown page arrives; its fences, links and names leave, and what is wrong with each of them."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.pages.commands import PACKAGES, PROGRAMS, ROOT, commands

FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.*)$", re.MULTILINE)
TYPED = re.compile(r"(?:^|[\s(`])(coalition-node|coalition) +([^|;&)\n]*)")
OPTION = re.compile(r"--[a-z][a-z-]*")
TARGET = re.compile(r"(?:^|[\s(`])make +([a-z]+)\b")
MODULE = re.compile(r"\bpython -m +([\w.]+)")
SCRIPT = re.compile(r"\bpython +([\w/]+\.py)")
PATH = re.compile(r"[a-z_.][\w.-]*(?:/[\w.*-]+)*/?")
SUFFIXES = (".py", ".yaml", ".yml", ".md", ".svg", ".sqlite", ".cbor", ".json", ".html", ".css", ".j2", ".pem", ".log")
DOTTED = re.compile(rf"({'|'.join(PACKAGES)})(\.\w+)+")
WRITTEN_BY = (*PACKAGES[:-1], "Makefile", ".ci", "deploy")  # where a file's name stands when a program makes that file


@dataclass(frozen=True)
class Fence:
    """A block of code in a page; `line` counts from 1."""

    language: str
    info: str
    body: str
    line: int


def pages() -> list[Path]:
    """Every page of prose in the project."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "privacy").glob("*.md")]
    return sorted([*found, *(ROOT / "deploy").glob("*.md")])


def name_of(page: Path) -> str:
    """A page's path in the project."""
    return page.relative_to(ROOT).as_posix()


def fences(text: str) -> list[Fence]:
    """Every fence of a page, from top to bottom."""
    return [Fence(m[1], m[2].strip(), m[3], text[: m.start()].count("\n") + 1) for m in FENCE.finditer(text)]


def spans(text: str) -> list[str]:
    """Everything between single backticks outside fences."""
    return SPAN.findall(FENCE.sub("", text))


# ---- commands


def wrong_commands(code: str) -> Iterator[str]:
    """Commands, options, `make` targets and Python modules in some code that do not exist."""
    joined = code.replace("\\\n", " ")
    for program, words in TYPED.findall(joined):
        yield from _wrong_words(program, words)
    for target in TARGET.findall(joined):
        if target not in targets():
            yield f"make {target}: no such target"
    for module in MODULE.findall(joined):
        if not module_exists(module):
            yield f"python -m {module}: no such module"
    yield from (f"python {script}: no such file" for script in SCRIPT.findall(joined) if not (ROOT / script).is_file())


def _wrong_words(program: str, words: str) -> Iterator[str]:
    known = commands(PROGRAMS[program])
    command = next((name for name in known if f"{words} ".startswith(f"{name} ")), next(iter(words.split()), "--help"))
    if command.startswith("--"):
        options = {"--help", "--format"}
    elif command in known:
        options = {"--help", *(option for parameter in known[command].params for option in parameter.opts)}
    else:
        yield f"{program} {command}: no such command"
        return
    yield from (f"{program} {command}: no option {word}" for word in OPTION.findall(words) if word not in options)


@cache
def targets() -> frozenset[str]:
    """Targets of the Makefile."""
    return frozenset(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def module_exists(name: str) -> bool:
    """Whether a module can be found, without running it."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


# ---- names of files and modules


def wrong_names(page: Path, span: str) -> Iterator[str]:
    """What a span in backticks names that does not exist: a command, a file or a module."""
    if span.startswith(("coalition ", "coalition-node ", "make ", "python ")):
        yield from wrong_commands(span)
    elif DOTTED.fullmatch(span) and not span.endswith(SUFFIXES):
        yield from [] if _dotted_exists(span) else [f"{span}: no such module or name"]
    elif PATH.fullmatch(span) and ("/" in span or span.endswith(SUFFIXES)) and not _file_exists(page, span):
        yield f"{span}: no such file, and no program writes one"


def _dotted_exists(span: str) -> bool:
    """A module, or a name that its module's source defines."""
    if module_exists(span):
        return True
    module, _, name = span.rpartition(".")
    spec = importlib.util.find_spec(module) if module_exists(module) else None
    return spec is not None and bool(
        re.search(rf"\b{re.escape(name)}\b", Path(str(spec.origin)).read_text(encoding="utf-8"))
    )


def _file_exists(page: Path, span: str) -> bool:
    """A file of the project, seen from its root or from the page; or one that a program writes or reads by name."""
    for start in (ROOT, page.parent):
        if "*" in span:
            if any(start.glob(span)):
                return True
        elif (start / span).exists():
            return True
    last = span.rstrip("/").rpartition("/")[2]
    return f'"{last}"' in source() or f"/{last}" in source() or f" {last}" in source()


@cache
def source() -> str:
    """All source in which the name of a file that is made or read would stand."""
    places = [ROOT / place for place in WRITTEN_BY]
    files = [
        file
        for place in places
        for file in ([place] if place.is_file() else sorted(place.rglob("*")))
        if file.is_file()
    ]
    kept = [file for file in files if file.suffix in ("", ".py", ".yaml", ".yml", ".service")]
    return "\n".join(file.read_text(encoding="utf-8") for file in kept)


# ---- links


def wrong_links(page: Path, text: str) -> Iterator[str]:
    """Links to files that do not exist, or to headings that their page does not have; the web is left alone."""
    for target in LINK.findall(FENCE.sub("", text)):
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        place = (page.parent / path).resolve() if path else page
        if not place.exists():
            yield f"{target}: no such file"
        elif anchor and anchor not in _anchors(place.read_text(encoding="utf-8")):
            yield f"{target}: no such heading"


def _anchors(text: str) -> set[str]:
    """Headings as a Markdown page on the web links to them."""
    headings = (heading.lower() for heading in HEADING.findall(FENCE.sub("", text)))
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in headings}
