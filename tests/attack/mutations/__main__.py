"""Mutations that no longer fit the project are named, with exit 1: part of `make check`, long before the suite tells.

python -m tests.attack.mutations
"""

from __future__ import annotations

import sys

from tests.attack.mutations.mutation import read_all, stale


def main() -> int:
    """Run the command and return its exit code."""
    found = [why for why in map(stale, read_all()) if why]
    print("\n".join(found) or "Every mutation has its line and its tests.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
