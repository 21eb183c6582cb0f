"""A key file arrives; a signing key leaves, opened with the passphrase of the environment if there is one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from privacy.identity import SigningKey

if TYPE_CHECKING:
    from pathlib import Path

PASSPHRASE = "DATACOALITIE_PASSPHRASE"  # never on a command line: others on the machine could read it there


def open_key(path: Path) -> SigningKey:
    """Read a key file; `KeyFileError` when this passphrase does not open it."""
    return SigningKey.from_file(path, os.environ.get(PASSPHRASE))


def make_key(path: Path) -> SigningKey:
    """Make a key and write it, mode 0600, under the passphrase if there is one; an existing file is refused."""
    key = SigningKey.generate()
    key.save(path, os.environ.get(PASSPHRASE))
    return key
