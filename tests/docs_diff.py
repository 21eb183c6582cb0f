"""Generated pages are made anew; the names of those that differ from what is committed leave, with exit 1.

python -m tests.docs_diff            part of `make check`
python -m tests.docs_diff --write    `make docs`: writes them instead
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shared_schema import load_schema, reference
from tests.pages import commands, errors, flow, layouts

ROOT = Path(__file__).parents[1]
PAGES: Mapping[str, Callable[[], str]] = {
    "docs/schema.md": lambda: reference.page(load_schema()),
    "docs/commands.md": commands.page,
    "docs/errors.md": errors.page,
    "docs/layouts.md": layouts.page,
    "docs/flow.svg": flow.page,
}


def made() -> dict[str, str]:
    """Every generated page by its path in the project."""
    return {name: make() for name, make in PAGES.items()}


def differing(root: Path, pages: Mapping[str, str]) -> list[str]:
    """Names of the pages that are missing under `root` or say something else there."""
    return [name for name, text in pages.items() if _committed(root / name) != text.encode()]


def _committed(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def write(root: Path, pages: Mapping[str, str]) -> list[str]:
    """Write the pages that differ; return their names."""
    names = differing(root, pages)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(pages[name].encode())
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the pages instead of comparing them")
    if parser.parse_args(arguments).write:
        print("\n".join(f"written: {name}" for name in write(ROOT, made())) or "Every generated page is up to date.")
        return 0
    names = differing(ROOT, made())
    print("\n".join(f"differs: {name}; run `make docs` and commit it" for name in names) or "No page differs.")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
