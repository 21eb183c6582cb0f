"""The whole recovery table over Flower: one kind of process killed at every exchange of a run. `make recovery` runs it.

Beside the test suite, since it takes longer than all of that; `tests/whole/test_recovery.py` has a part of it.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.whole.field import over_flower
from tests.whole.test_recovery import EXCHANGES, KINDS, RELAY, run_with


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, RELAY])
def test_one_kind_dies_at_every_exchange(tmp_path: Path, kind: str) -> None:
    """Coordinator, ServerApp, SuperLink or a relay, killed in each of the twelve exchanges: nothing is paid twice."""
    began = time.monotonic()
    with over_flower(tmp_path / "out") as ground:
        run_with(ground, lambda _: kind)
    print(f"{kind} killed {EXCHANGES} times: the run took {time.monotonic() - began:.0f} s, nothing was paid twice")
