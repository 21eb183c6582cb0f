"""Decides which test tiers this machine can run, and names what it leaves out and why."""

import os
import shutil
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
DATA = Path(os.environ.get("COALITION_DATA", Path(__file__).parents[2] / "shared" / "data"))

TIERS: dict[str, tuple[bool, str]] = {
    "data": (DATA.is_dir(), "no public data sets found; set COALITION_DATA to their folder"),
    "chromium": (CHROMIUM is not None, "no chromium on this machine; install the Debian package chromium"),
}


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the public data sets (tier `data`)."""
    return DATA


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of the real Chromium (tier `chromium`)."""
    assert CHROMIUM is not None
    return CHROMIUM


def pytest_configure(config: pytest.Config) -> None:
    missing = [f"{tier}: {why}" for tier, (there, why) in TIERS.items() if not there]
    if missing and os.environ.get("DATACOALITIE_REQUIRE_TIERS") == "all":
        raise pytest.UsageError("every test tier is required here. " + "; ".join(missing))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out: dict[str, list[pytest.Item]] = {tier: [] for tier, (there, _) in TIERS.items() if not there}
    for tier, tests in left_out.items():
        tests.extend(item for item in items if item.get_closest_marker(tier))
    dropped = {item for tests in left_out.values() for item in tests}
    items[:] = [item for item in items if item not in dropped]
    config.hook.pytest_deselected(items=list(dropped))
    _write_left_out(config, {tier: len(tests) for tier, tests in left_out.items()})


def _write_left_out(config: pytest.Config, counts: dict[str, int]) -> None:
    folder = config.rootpath / ".pytest_cache"
    folder.mkdir(exist_ok=True)
    lines = [f"{count} tests of tier {tier} ({TIERS[tier][1]})" for tier, count in counts.items()]
    text = "Left out: " + "; ".join(lines) if lines else "Left out: nothing, every test tier ran."
    (folder / "left-out.txt").write_text(text + "\n", encoding="utf-8")
