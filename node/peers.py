"""Certificates of other schools arrive, run after run; the key that is known for a school's epoch leaves, for good.

A node gives every run an epoch that its ledger's file counts, and signs it with the run's key. Restored from a backup,
or run twice, it counts the same epochs again: whoever was shown both keys has seen two ledgers. `node.answer` refuses
the second one (two_keys_one_epoch); here the memory for it outlives the process, and the ledger notes what was shown.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

from node.ledger_file import storage
from privacy.balances import OWN_FORK

if TYPE_CHECKING:
    from node.ledger_store import LedgerStore
    from privacy.charter import Charter

PEER_FORK: Final = "peer_forked"
FILE: Final = "peers.sqlite"
MOST: Final = 10_000  # certificates remembered of one node; beyond that the oldest are forgotten
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS shown (node_key BLOB NOT NULL, epoch INTEGER NOT NULL, key BLOB NOT NULL,"
    " PRIMARY KEY (node_key, epoch))"
)
_FORGET: Final = (
    "DELETE FROM shown WHERE node_key = ?1 AND rowid <="
    " (SELECT rowid FROM shown WHERE node_key = ?1 ORDER BY rowid DESC LIMIT 1 OFFSET ?2)"
)


class RememberedPeers(dict[tuple[str, int], bytes]):
    """(school, epoch) -> the one key, of every certificate ever shown under the node keys of this charter.

    As `node.answer.Node.peers`: only `setdefault` is used there. What is new is on disk before it returns.
    """

    def __init__(self, path: Path, charter: Charter, ledger: LedgerStore) -> None:
        super().__init__()
        self._ledger = ledger
        self._own = ledger.state().school
        self._nodes = {school.id: school.node_key for school in charter.schools}
        with storage():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA synchronous = EXTRA")
            self._connection.execute(_TABLE)
            rows = self._connection.execute("SELECT node_key, epoch, key FROM shown").fetchall()
        schools = {node_key: school for school, node_key in self._nodes.items()}
        self.update({(schools[node], epoch): key for node, epoch, key in rows if node in schools})

    def setdefault(self, place: tuple[str, int], key: bytes) -> bytes:
        """The key known for (school, epoch): `key` itself when it is new, and then on disk.

        Another key than the known one is noted in the ledger; the caller refuses it. Raises `StorageFailed`.
        """
        known = self.get(place)
        if known is None:
            self._keep(*place, key)
            self[place] = key
            return key
        if known != key:
            self._note(*place, key)
        return known

    def _keep(self, school: str, epoch: int, key: bytes) -> None:
        node = self._nodes[school]
        with storage(), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("INSERT OR IGNORE INTO shown VALUES (?, ?, ?)", (node, epoch, key))
            self._connection.execute(_FORGET, (node, MOST))

    def _note(self, school: str, epoch: int, key: bytes) -> None:
        code = OWN_FORK if school == self._own else PEER_FORK
        self._ledger.record_fork(code, key, f"{school}: two keys for epoch {epoch}")
