"""What tests of invitation lists share: a node that took in a demo export, and the record of the lists it made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import node.cli
from experiments import terminal
from node.local.list_log import FILE

Say = Callable[..., tuple[int, dict[str, Any]]]


def said(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any]]:
    """What a command said with --format json: its exit code, and its data with `code` beside it."""
    capsys.readouterr()
    code = terminal.run(node.cli.app, "coalition-node", [*(str(word) for word in words), "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    return code, {**document["data"], "code": document["error_code"]}


def made(folder: Path, layout: str, *options: object) -> Path:
    """A node that took in a demo export; the export stands in `folder`/export."""
    root, export = folder / "node", folder / "export"
    for words in (
        ("demo-export", export, "--layout", layout, *options),
        (
            "init",
            root,
            "--school",
            "demo",
            "--name",
            "Demo",
            "--mapping",
            export / "mapping.yaml",
            "--size",
            "2023=500",
        ),
        ("ingest", root, "--exports", export),
    ):
        assert terminal.run(node.cli.app, "coalition-node", [str(word) for word in words]) == 0
    return root


def record(root: Path) -> list[dict[str, Any]]:
    """Every list that a node made, as it put them on record."""
    path = root / "local" / FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
