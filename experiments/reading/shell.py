"""A template and its content arrive; a page that allows one stylesheet and nothing else leaves, whole or not at all."""

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

HERE = Path(__file__).parent
PUBLIC, PRIVATE = 0o666, 0o600  # the owner's umask still narrows the first


@dataclass(frozen=True)
class Other:
    """The page in the other language."""

    language: str
    file: str


def filled(template: str, style: str, content: Mapping[str, object]) -> str:
    """Return the page; everything in `content` that is not Markup is escaped.

    style: the whole stylesheet; the page's policy allows it by its hash.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(style=Markup(style), policy=_policy(style), **content)


def _policy(style: str) -> str:
    """Return a policy that allows this one stylesheet and nothing else: no script, image, font or form."""
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def replace(path: Path, content: str, mode: int = PUBLIC) -> None:
    """Write `content` beside `path`, flush it to disk, and rename it: a reader sees the old page or the new one."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
