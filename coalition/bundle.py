"""Nothing arrives; a folder leaves from which Flower makes the bundle that SuperLink and SuperNodes run.

The bundle is code that every school's relay will run, so it holds as little as can be: the courier, the relay, and the
frames between them. Nothing of a school, a charter or a key is in it.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

HOUSE = Path(__file__).parent.parent
FILES = (
    "coalition/__init__.py",
    "coalition/parcels.py",
    "coalition/server_app.py",
    "experiments/__init__.py",
    "experiments/frames.py",
    "node/__init__.py",
    "node/relay/__init__.py",
    "node/relay/bridge.py",
    "node/relay/client_app.py",
)
DECLARATION = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "datacoalitie"
version = "{version}"
description = "Carries bytes between a coordinator and the nodes of schools; it cannot read them."
license = "EUPL-1.2"
dependencies = []

[tool.flwr.app]
publisher = "datacoalitie"
fab-include = [{include}]

[tool.flwr.app.components]
serverapp = "coalition.server_app:app"
clientapp = "node.relay.client_app:app"

[tool.flwr.app.config]
socket = ""
"""


def stage(folder: Path) -> Path:
    """Copy the bundle's files to `folder`/datacoalitie, with the declaration that Flower reads; return that folder."""
    app = folder / "datacoalitie"
    for name in FILES:
        copy = app / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((HOUSE / name).read_bytes())
    include = ", ".join(f'"{name}"' for name in FILES)
    declaration = DECLARATION.format(version=version("datacoalitie"), include=include)
    (app / "pyproject.toml").write_text(declaration, encoding="utf-8")
    return app
