"""A folder arrives; where everything of one node lies leaves. `create` makes a new node's folder and keys.

ROOT/                 the node's own folder, mode 0700, read by nobody but the node
  policy.yaml         the school's rules; the FG's document
  mapping.yaml        how its exports become shared tables
  mappings/           mappings of further layouts (a survey, applications), one file each
  connections.yaml    where the databases of `sql:` sources are, without passwords, when there are any
  schema.yaml         the coalition's extension of the schema, when there is one
  exports/            the drop folder
  keys/               node.pem, fg.pem (unless the FG keeps it elsewhere), pseudonym.key
  charter.cbor        the charter this school's FG accepted
  data/               Parquet tables and the permanent pseudonym table
  ledger.sqlite       the privacy ledger
  peers.sqlite        the key of every epoch that other schools' nodes showed
  held/               what other schools signed, for finding a second ledger
  local/              what the school gets back for itself: lists, pages, and the record of them; nothing leaves
  incidents.log       what was refused and why, for eyes inside the school
  card.json           public: id, name, keys, public sizes
ROOT.counter          the monotone counter, beside the folder and outside its backup
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.errors import UnusableInput
from node.people.pseudonym_key import KEY_BYTES
from privacy.identity import SigningKey, write_private

PRIVATE_FOLDER = 0o700
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class NodeFolder:
    """Paths of one node; nothing is opened here."""

    root: Path

    @property
    def policy(self) -> Path:
        """The school's rules."""
        return self.root / "policy.yaml"

    @property
    def mapping(self) -> Path:
        """How exports become shared tables."""
        return self.root / "mapping.yaml"

    def mappings(self) -> tuple[Path, ...]:
        """Every mapping there is: the school's first one, and those of further layouts under `mappings`."""
        further = sorted((self.root / "mappings").glob("*.yaml"))
        return (*((self.mapping,) if self.mapping.is_file() else ()), *further)

    @property
    def schema(self) -> Path:
        """The coalition's extension of the schema; may be absent."""
        return self.root / "schema.yaml"

    @property
    def exports(self) -> Path:
        """The drop folder."""
        return self.root / "exports"

    @property
    def node_key(self) -> Path:
        """Ed25519 key of the node."""
        return self.root / "keys" / "node.pem"

    @property
    def fg_key(self) -> Path:
        """Ed25519 key of the FG, when it is kept here."""
        return self.root / "keys" / "fg.pem"

    @property
    def pseudonym_key(self) -> Path:
        """Key of the keyed HMAC that replaces direct identifiers; it never leaves the school."""
        return self.root / "keys" / "pseudonym.key"

    @property
    def next_pseudonym_key(self) -> Path:
        """The key with one more layer, there only while a rotation is under way."""
        return self.pseudonym_key.with_suffix(".next")

    @property
    def connections(self) -> Path:
        """Where the databases of `sql:` sources are, without a password in it; may be absent."""
        return self.root / "connections.yaml"

    @property
    def charter(self) -> Path:
        """The accepted charter."""
        return self.root / "charter.cbor"

    @property
    def data(self) -> Path:
        """Stored tables and the pseudonym table."""
        return self.root / "data"

    @property
    def watched(self) -> Path:
        """What `watch` took in last, as fingerprints of files."""
        return self.data / "watched.json"

    @property
    def ledger(self) -> Path:
        """The privacy ledger."""
        return self.root / "ledger.sqlite"

    @property
    def peers(self) -> Path:
        """What other schools' nodes showed of their epochs."""
        return self.root / "peers.sqlite"

    @property
    def counter(self) -> Path:
        """The monotone counter, outside the folder so that no backup of the folder contains it."""
        return self.root.with_name(self.root.name + ".counter")

    @property
    def local(self) -> Path:
        """What the school gets back for its own use."""
        return self.root / "local"

    @property
    def incidents(self) -> Path:
        """The local log of refusals."""
        return self.root / "incidents.log"

    @property
    def card(self) -> Path:
        """The school's public card."""
        return self.root / "card.json"


def create(
    root: Path,
    school: str,
    name: str,
    public_size: dict[int, int],
    fg_public: bytes | None = None,
    pseudonym_key: bytes | None = None,
) -> NodeFolder:
    """Make a node's folder with fresh keys and its public card; refuse a folder that is one already.

    Without `fg_public` the FG's key is made here too. Raises `UnusableInput` when the folder holds a node.
    """
    folder = NodeFolder(root)
    if folder.node_key.exists():
        raise UnusableInput("node_exists", "A node is made once.", f"keys in {root.name}", "Choose another folder.")
    for place in (root, folder.exports, folder.data, folder.node_key.parent):
        place.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    if fg_public is None:
        fg_key = SigningKey.generate()
        fg_key.save(folder.fg_key)
        fg_public = fg_key.public
    secret = pseudonym_key or os.urandom(KEY_BYTES)
    write_private(folder.pseudonym_key, (secret.hex() + "\n").encode())
    node_key = SigningKey.generate()
    write_card(folder, school, name, node_key.public, fg_public, public_size)
    node_key.save(folder.node_key)
    return folder


def read_card(folder: NodeFolder) -> dict[str, Any]:
    """Read `write_card`'s file; `UnusableInput` for a card that this program did not write."""
    try:
        card = json.loads(folder.card.read_bytes())
    except (OSError, ValueError, RecursionError):
        card = None
    if not _is_card(card):
        rule, remedy = "card.json is the card that `coalition-node init` wrote.", "Put it back; never edit it."
        raise UnusableInput("bad_card", rule, "another file", remedy)
    return dict(card)


def _is_card(card: Any) -> bool:
    if not isinstance(card, dict) or set(card) != {"card", "id", "name", "node_key", "fg_key", "enrolments"}:
        return False
    keys = all(isinstance(card[key], str) and _KEY.fullmatch(card[key]) for key in ("node_key", "fg_key"))
    sizes = card["enrolments"]
    whole = isinstance(sizes, dict) and all(
        year.isdecimal() and len(year) == 4 and type(size) is int for year, size in sizes.items()
    )
    return bool(keys and whole and isinstance(card["id"], str) and isinstance(card["name"], str))


def write_card(
    folder: NodeFolder,
    school: str,
    name: str,
    node_public: bytes,
    fg_public: bytes,
    public_size: dict[int, int],
) -> None:
    """Write what the coalition may know of this school: its id, name, public keys and public sizes."""
    card = {
        "card": 1,
        "id": school,
        "name": name,
        "node_key": node_public.hex(),
        "fg_key": fg_public.hex(),
        "enrolments": {str(cohort): size for cohort, size in sorted(public_size.items())},
    }
    write_private(folder.card, (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())
