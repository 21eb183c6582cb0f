"""Measured figures arrive; lines on standard output leave, each with its target and the machine it ran on."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measured number: what it is, its value as text, the target beside it, and whether it is met."""

    label: str
    value: str
    target: str
    met: bool


def say(line: str) -> None:
    """Write one line."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def heading(title: str, command: str) -> None:
    """Write what is measured, how to repeat it, and on what machine."""
    say(f"\n== {title}\n   command: {command}\n   machine: {machine()}")


def show(figures: list[Figure]) -> bool:
    """Write the figures; return whether all targets are met."""
    for figure in figures:
        say(
            f"   {figure.label:<52} {figure.value:>12}   target {figure.target:<12} {'met' if figure.met else 'MISSED'}"
        )
    return all(figure.met for figure in figures)


def machine() -> str:
    """Return processors, model, load and Python: what a figure of time depends on."""
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores ({_model()}), load {load:.1f}, Python {platform.python_version()}"


def _model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown"


def data_folder() -> Path:
    """Return where the public data sets stand: COALITION_DATA, or ../shared/data."""
    return Path(os.environ.get("COALITION_DATA", "../shared/data"))
