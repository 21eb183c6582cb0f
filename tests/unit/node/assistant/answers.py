"""The text of a proposed mapping and a person's choices arrive; the text with those answers uncommented leaves.

It does what the file says a person should do, and nothing else: of one answer, take away the first hash of each line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from node.assistant.writing import MARK

POINT = re.compile(rf"\s*# {MARK} (\d+)")
LETTER = re.compile(r"\s*# ([a-z])\) ")
ANSWER = re.compile(r"\s*#(?! )\S.*")
INDENTED = re.compile(r"\s*#  +\S.*")


def answered(text: str, choose: Callable[[int, str], str] | Mapping[int, str], fill: Mapping[str, str] = {}) -> str:
    """Answer every open point. choose: number (and question) -> letter, "" leaves it; fill: text to replace -> text."""
    chosen, letter, inside, out = "", "", False, []
    for line in text.splitlines():
        if match := POINT.match(line):
            number = int(match[1])
            chosen = choose(number, line) if callable(choose) else choose.get(number, "a")
            letter, inside = "", False
        elif match := LETTER.match(line):
            letter, inside = match[1], False
        elif chosen and letter == chosen and _is_answer(line, inside):
            inside = True
            line = _filled(line.replace("#", "", 1), fill)
        else:
            inside = False
        out.append(line)
    return "\n".join(out) + "\n"


def _is_answer(line: str, inside: bool) -> bool:
    """A line of an answer: no space after the hash, or a deeper line of the answer above it."""
    return bool(ANSWER.fullmatch(line) or (inside and INDENTED.fullmatch(line)))


def _filled(line: str, fill: Mapping[str, str]) -> str:
    for text, value in fill.items():
        line = line.replace(text, value)
    return line
