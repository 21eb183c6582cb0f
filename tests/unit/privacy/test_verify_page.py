"""docs/verifier.md is carried out as an FG would, and leaves nothing of the verifier undocumented."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from privacy import verify
from tests.pages import prose

PAGE = prose.ROOT / "docs" / "verifier.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = [fence.body for fence in prose.fences(TEXT) if fence.language == "sh"]


def carried_out(bodies: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the fences in order, in one shell, in which `coalition` and `python3` are this platform's."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    script = "set -euo pipefail\n" + "\n".join(bodies)
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": programs},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_an_fg_can_walk_the_page(tmp_path: Path) -> None:
    """Fence by fence: the check holds, tells purpose, person, cost and what is left; the two forgeries are found."""
    done = carried_out(COMMANDS, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    for part in (
        "Doel:",
        "Door: analist (kanaalland-college)",
        "besteed    epsilon",
        "van het plafond",
        "uw stand: regel",
        "Alles klopt",
    ):
        assert part in done.stdout
    laptop = tmp_path / "laptop"
    report = json.loads((laptop / "uitkomst.json").read_text(encoding="utf-8"))
    assert (report["status"], report["exit_code"]) == ("ok", 0)
    assert "Alles klopt" in (laptop / "zonder-stand.txt").read_text(encoding="utf-8"), "the control: nothing shows"


def test_a_fence_that_fails_fails_the_page(tmp_path: Path) -> None:
    """Planted fault: a check that would pass on the forged ledger ends the walk."""
    assert carried_out(["true\n", "test 0 = 1\n"], tmp_path).returncode == 1


def test_every_finding_and_every_option_is_explained() -> None:
    """Each code with its own words, and each option by name; an unknown one would be noticed."""
    missing = [
        code for code, (dutch, english) in verify.PROBLEMS.items() if f"| `{code}` | {dutch} | {english} |" not in TEXT
    ]
    assert missing == []
    options = [action.option_strings[-1] for action in verify._parser()._actions if action.option_strings]
    assert [option for option in options if option != "--help" and f"`{option}" not in TEXT] == []
    assert "| `no_such_code` |" not in TEXT


def test_the_derivation_speaks_of_the_numbers_in_the_code() -> None:
    """16/s^4, 1e-30 and 2^-40 stand in both."""
    assert "16/s⁴" in TEXT and verify._ROUNDED_GAP == 16
    assert "**1e-30**" in TEXT and verify._ROUNDED_TAIL == 1e-30
    assert "2⁻⁴⁰" in TEXT and verify._SUM_GAP == 2.0**-40
    assert "### Hoe ver de schatting ernaast kan zitten" in TEXT
    assert "Hoe ver de schatting ernaast kan zitten" in " ".join((verify.estimate.__doc__ or "").split())
