"""A node's folder arrives; the same students under other pseudonyms leave: one more layer on the key, for all at once.

A new layer needs nobody's number, so that no student has to be seen again, and none can be missed: whoever comes back
years later is known. In this order, each step repeatable:

1. keys/pseudonym.next     the key with a fresh layer, flushed
2. data/current            every delivery that counts, rewritten and switched by one rename (`Store.rewrite`)
3. pseudonyms.sqlite       the permanent table, links and who is left out: one transaction, committed just after 2
4. keys/pseudonym.key      replaced by the next one

Store and table each say their generation. A kill between 2 and 4 leaves them apart: then nothing is taken in and no
rows are formed until the command is given again, which goes on where it was.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from node.delivery_files import sync
from node.errors import UnusableInput
from node.people import withheld
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms
from node.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from node.folder import NodeFolder

LOOKS, PAUSE = 40, 0.05  # a reader that meets the moment between 2 and 3 looks again, for two seconds at most


def rotate(folder: NodeFolder) -> int:
    """Give every person another pseudonym, or finish doing so; return the generation from now on.

    Raises UnusableInput for a key that is not this node's, StorageFailed when a step does not reach the disk.
    """
    store = Store.open(folder.data)
    with store.alone(), Pseudonyms.open(folder.data) as table:
        key = _next_key(folder, store, table)
        if table.generation() < key.generation:
            with table.renewing(key) as connection:
                withheld.record(connection, "key rotated", 0)
                if store.register().generation < key.generation:
                    store.rewrite(key.renewed, key.generation)
        folder.next_pseudonym_key.replace(folder.pseudonym_key)
        sync(folder.pseudonym_key.parent)
    return key.generation


def under_way(folder: NodeFolder) -> bool:
    """Whether a rotation was begun and not finished."""
    return folder.next_pseudonym_key.exists()


def check_generations(store: Store, table: Pseudonyms, key: PseudonymKey) -> None:
    """Raise UnusableInput unless key, permanent table and stored rows are of one generation."""
    if not key.generation == table.generation() == _generation_of(store, table):
        raise _unfinished()


def tables_in_step(store: Store, table: Pseudonyms, until_week: int | None = None) -> Mapping[str, pd.DataFrame]:
    """Return the tables that count, under the pseudonyms of the permanent table; raises UnusableInput otherwise.

    until_week: as `Store.tables` takes it.
    """
    for _ in range(LOOKS):
        tables = store.tables(until_week)
        if _generation_of(store, table) == table.generation():
            return tables
        time.sleep(PAUSE)
    raise _unfinished()


def _generation_of(store: Store, table: Pseudonyms) -> int:
    """Of the rows that are stored; where there are none, that of the table."""
    register = store.register()
    return register.generation if register.counting else table.generation()


def _next_key(folder: NodeFolder, store: Store, table: Pseudonyms) -> PseudonymKey:
    """The key of a rotation that was begun, or a fresh one, which is on disk before anything else changes."""
    if under_way(folder):
        return PseudonymKey.load(folder.next_pseudonym_key)
    key = PseudonymKey.load(folder.pseudonym_key)
    if _generation_of(store, table) > key.generation or table.generation() > key.generation:
        raise UnusableInput(
            "rotation_key_lost",
            "A rotation that was begun is finished with the key it was begun with.",
            f"no {folder.next_pseudonym_key.name} in the folder of keys",
            "Put that file back from the backup of the keys; without it, restore keys and data folder together.",
        )
    table.bind(key)
    fresh, staged = key.with_fresh_layer(), folder.next_pseudonym_key.with_suffix(".part")
    staged.unlink(missing_ok=True)
    fresh.save(staged)
    staged.replace(folder.next_pseudonym_key)
    sync(staged.parent)
    return fresh


def _unfinished() -> UnusableInput:
    return UnusableInput(
        "rotation_unfinished",
        "Rows are stored under the pseudonyms of one key.",
        "a rotation of the key that was begun and not finished",
        "Give `coalition-node key rotate` again: it goes on where it was.",
    )
