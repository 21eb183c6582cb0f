"""Decides which test tiers this machine can run, and names what it leaves out and why."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing on a machine that others use too; `make bench` measures.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

CHROMIUM = shutil.which("chromium")
DATA = Path(os.environ.get("COALITION_DATA", Path(__file__).parents[2] / "shared" / "data"))

POSTGRES = os.environ.get("POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/test")


def _postgres_answers() -> bool:
    import psycopg

    try:
        psycopg.connect(POSTGRES, connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True


LONG = ("test_recovery.py", "test_flower.py", "test_interrupted_ingest.py", "test_caring.py")
"""Minutes each, in one process each: begun first, so that nobody waits for one of them in the end."""

TIERS: dict[str, tuple[bool, str]] = {
    "data": (DATA.is_dir(), "no public data sets found; set COALITION_DATA to their folder"),
    "postgres": (_postgres_answers(), "no PostgreSQL answers; set POSTGRES_URL to a database where roles may be made"),
    "chromium": (CHROMIUM is not None, "no chromium on this machine; install the Debian package chromium"),
}


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the public data sets (tier `data`)."""
    return DATA


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """Address of a real PostgreSQL in which roles and schemas may be made (tier `postgres`)."""
    return POSTGRES


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
    items.sort(key=lambda item: item.path.name not in LONG)  # stable: everything else keeps its order
    config.hook.pytest_deselected(items=list(dropped))
    _write_left_out(config, {tier: len(tests) for tier, tests in left_out.items()})


def _write_left_out(config: pytest.Config, counts: dict[str, int]) -> None:
    folder = config.rootpath / ".pytest_cache"
    folder.mkdir(exist_ok=True)
    lines = [f"{count} tests of tier {tier} ({TIERS[tier][1]})" for tier, count in counts.items()]
    text = "Left out: " + "; ".join(lines) if lines else "Left out: nothing, every test tier ran."
    (folder / "left-out.txt").write_text(text + "\n", encoding="utf-8")
