"""Plain data arrives; lines of YAML leave, in the strict subset that `shared_schema.yaml_tree` reads back the same."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

WIDTH = 118
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.+-]*(?: [A-Za-z0-9_.+-]+)*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def scalar(value: Any) -> str:
    """Return one value as YAML: text is quoted unless it cannot be taken for anything else."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float | Decimal):
        return str(value)
    text = str(value)
    plain = _PLAIN.fullmatch(text) and text.casefold() not in _WORDS
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    """Text between double quotes; what cannot be printed is written as YAML's own escape."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in written)


def flow(value: Any) -> str:
    """Return plain data on one line: `{from: x, recode: {...}}`."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return scalar(value)


def lines(key: str, value: Any, indent: int) -> list[str]:
    """Return `key: value` on one line where that fits, else spread over lines, indented by `indent` spaces."""
    start = " " * indent + f"{scalar(key)}:"
    if not isinstance(value, Mapping | list | tuple) or len(start) + len(flow(value)) < WIDTH:
        return [f"{start} {flow(value)}"]
    return [start, *_spread(value, indent + 2)]


def _spread(value: Mapping[str, Any] | Sequence[Any], indent: int) -> list[str]:
    if isinstance(value, Mapping):
        return [line for key, item in value.items() for line in lines(str(key), item, indent)]
    return [line for item in value for line in _item(item, indent)]


def _item(item: Any, indent: int) -> list[str]:
    if isinstance(item, Mapping) and len(flow(item)) + indent + 2 >= WIDTH:
        inner = _spread(item, indent + 2)
        return [" " * indent + "- " + inner[0].lstrip(), *inner[1:]]
    return [" " * indent + f"- {flow(item)}"]
