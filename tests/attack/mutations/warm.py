"""Arrives: folders with copies of the project, and tests to run there. Leaves: what they did, a line of JSON each.

Run as a program, it imports the third-party packages once and nothing of this project; every request is then served by
a forked child, which imports the project from the folder named and from nowhere else. So a run costs the tests and the
project's own imports, and no child sees what another one did.

A request: {"folder": ..., "tests": [...], "module": ...}. A reply: {"exit": pytest's code, "failed": {test: [error
types]}, "passed": [...], "broken": [...], "foreign": [...], "imported": bool, "words": the end of the output}.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

PACKAGES = ("coalition", "node", "experiments", "privacy", "shared_schema", "tests")
WARM = (
    *("numpy", "pandas", "pandera.pandas", "scipy.stats", "scipy.optimize", "duckdb", "openpyxl", "yaml", "jinja2"),
    *("rich.console", "rich.table", "typer", "hypothesis", "pytest", "_pytest.assertion.rewrite", "asyncio", "sqlite3"),
    *("pydantic", "pydantic.main", "pydantic.types", "pydantic.type_adapter", "pydantic.functional_validators"),
    *("cryptography.x509", "cryptography.hazmat.primitives.serialization", "cryptography.hazmat.primitives.kdf.hkdf"),
    *(f"cryptography.hazmat.primitives.{name}" for name in ("ciphers", "asymmetric.ed25519", "asymmetric.x25519")),
)
SECONDS = 900  # a run takes seconds; a machine that is shared may take long all the same
MOST_WORDS = 2000


class Watch:
    """Notes how every test ended, and with which kind of error."""

    def __init__(self) -> None:
        self.failed: dict[str, list[str]] = {}
        self.passed: list[str] = []
        self.broken: list[str] = []

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """Called by pytest for setup, call and teardown of each test."""
        if call.excinfo is None:
            if call.when == "call":
                self.passed.append(item.nodeid)
            return
        kind = call.excinfo.type
        if call.when == "call":
            self.failed.setdefault(item.nodeid, []).append(f"{kind.__module__}.{kind.__qualname__}")
        else:
            self.broken.append(f"{item.nodeid} {call.when}: {kind.__qualname__}")

    def pytest_collectreport(self, report: Any) -> None:
        """Called by pytest for each module and class that was collected."""
        if report.failed:
            self.broken.append(f"{report.nodeid} is not collected")


def ours(name: str) -> bool:
    """Whether a module is of the project."""
    return name.partition(".")[0] in PACKAGES


def run(folder: Path, tests: list[str], module: str) -> dict[str, Any]:
    """Run tests of the copy in this process, which is a fresh child."""
    import pytest

    watch = Watch()
    settings = ["-q", "-p", "no:cacheprovider", "--tb=short", "--no-header", f"--rootdir={folder}"]
    code = pytest.main([*settings, "-c", str(folder / "pyproject.toml"), *tests], plugins=[watch])
    loaded = {name: str(getattr(found, "__file__", None) or "") for name, found in sys.modules.items() if ours(name)}
    return {
        "exit": int(code),
        "failed": watch.failed,
        "passed": watch.passed,
        "broken": watch.broken,
        "foreign": sorted(name for name, file in loaded.items() if file and not Path(file).is_relative_to(folder)),
        "imported": not module or Path(loaded.get(module, "")).is_relative_to(folder),
    }


def serve(request: dict[str, Any]) -> dict[str, Any]:
    """Fork, run, and read what the child wrote; a child that hangs is killed."""
    folder = Path(request["folder"])
    result, words = folder / "result.json", folder / "words.txt"
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            signal.alarm(SECONDS)
            os.chdir(folder)
            sys.path[:0] = [str(folder)]
            os.environ["PYTHONPATH"] = str(folder)
            output = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            result.write_text(json.dumps(run(folder, request["tests"], request["module"])))
        os._exit(0)
    os.waitpid(child, 0)
    said = words.read_text("utf-8", errors="replace")[-MOST_WORDS:] if words.exists() else ""
    if not result.exists():
        return {"exit": -1, "failed": {}, "passed": [], "broken": ["no result"], "foreign": [], "words": said}
    return {**json.loads(result.read_text()), "words": said}


def main() -> None:
    """Serve requests from stdin until it closes."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in list(os.environ):
        if name.startswith("PYTEST_XDIST") or name == "PYTEST_CURRENT_TEST":
            del os.environ[name]
    sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
    for name in WARM:
        importlib.import_module(name)
    assert not any(map(ours, sys.modules)), "the parent knows nothing of the project"
    for line in sys.stdin:
        sys.stdout.write(json.dumps(serve(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
