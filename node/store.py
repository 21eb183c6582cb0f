"""Arrives: conforming tables. Leaves: the same tables, from disk, or all of the previous delivery: never half of one.

    FOLDER/deliveries/000007/      one delivery that counts: a Parquet file per table and manifest.json
    FOLDER/reports/000007.json     the report of each delivery there ever was: numbers, no rows
    FOLDER/current                 the register: which deliveries count; replaced by rename
    FOLDER/store.lock              held while a delivery is written
    FOLDER/intake.lock             held while one is taken in, or students' data are changed otherwise

Of each layout one delivery counts (`node/register.py`). A delivery is staged under another name, flushed to disk,
renamed, and only then named in `current`. A kill at any moment, or a full disk, leaves `current` where it was; what was
staged is swept up by the next write. A folder of an earlier version, whose `current` is one name, is read as it is.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from node import delivery_files, stored_people
from node import register as registers
from node.bulk.table import BulkTable, Table
from node.delivery_files import disk, manifest, read_tables, sync, write_flushed
from node.errors import StorageFailed, UnusableInput
from node.register import FIRST_GENERATION, UNCOUNTED, UNNAMED, Entry, Register
from node.stored_people import Fate
from node.union import doubles_of, merged_report, united

if TYPE_CHECKING:
    import pandas as pd

DELIVERIES, REPORTS, CURRENT = "deliveries", "reports", "current"
LOCK, INTAKE_LOCK = "store.lock", "intake.lock"
STAGED = "staged-"
READ_ATTEMPTS = 3  # a write that lands between two files of a read makes the reader start again

Rows = Mapping[str, int]
Delivered = Mapping[str, Table]
Keys = Mapping[str, Sequence[str]]
Found = TypeVar("Found")
EXCLUSIVE: Keys = MappingProxyType({})


@dataclass(frozen=True)
class Store:
    """The deliveries of one node. Opening reads nothing; any number of readers may stand beside one writer."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Return the store in a node's data folder, which is made if need be."""
        with disk():
            for name in (DELIVERIES, REPORTS):
                (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(folder)

    def write(
        self,
        tables: Delivered,
        report: Mapping[str, Any],
        replaces: Collection[str] = (),
        shared: Keys = EXCLUSIVE,
        generation: int = FIRST_GENERATION,
    ) -> str:
        """Make these tables the delivery of their layout (`report["layout"]`) that counts; return its name.

        replaces and shared are those of `check_place`; generation: of the key of the pseudonyms. The rows of what it
        replaces are removed after the switch. Raises what `check_place` raises, and StorageFailed when the disk does
        not take it all; the previous delivery then still counts.
        """
        layout = str(report.get("layout", UNNAMED))
        with disk(), self._writing():
            before = self.register()
            self.check_place(tables, layout, replaces, shared)
            self._sweep(before)
            name, rows = self._staged(lambda staged: delivery_files.write_tables(staged, tables, report), report)
            entry = Entry(layout, 1, name, _now(), rows, str(report.get("verdict", "")))
            self._switch(replace(before.added(entry, replaces), generation=generation))
        return name

    def check_place(self, tables: Delivered, layout: str, replaces: Collection[str], shared: Keys) -> None:
        """Raise UnusableInput when these tables would stand beside those of another layout that counts.

        replaces: layouts whose place is taken as well. shared: table -> key, of the tables that several layouts may
        fill as long as no key stands in two of them; any other table is filled by one layout.
        """
        for entry in self.register().counting:
            both = [] if entry.layout in {layout, *replaces} else sorted(set(tables) & set(entry.rows))
            if exclusive := [table for table in both if table not in shared]:
                raise _taken(entry, exclusive)
            for table in both:
                mine, there = tables[table], delivery_files.read_keys(self._place(entry), table, shared[table])
                mine = mine.frame(shared[table]) if isinstance(mine, BulkTable) else mine
                if doubles := doubles_of(mine, there, shared[table]):
                    raise _taken(entry, [table], doubles)

    def withdraw(self, layout: str) -> Entry:
        """Let the delivery of a layout count no longer and remove its rows; return what is known of it now.

        Raises UnusableInput when none of that layout counts. Nothing comes in its place until a delivery is taken in.
        """
        with disk(), self._writing():
            before = self.register()
            after = before.withdrawn(layout, _now())
            self._switch(after, swept=True)
        return next(entry for entry in reversed(after.entries) if entry.layout == layout)

    def rewrite(self, fate: Fate, generation: int | None = None) -> int:
        """Put everybody in every delivery that counts under their fate, in all or in none; return how many differ.

        generation: of the key the rows are stored under from now on. No table is held in memory, and what was there
        before is gone from the folder when this returns.
        """
        with disk(), self._writing():
            before = self.register()
            self._sweep(before)
            changed: dict[str, tuple[str, Rows]] = {}
            for entry in before.counting:
                place = self._place(entry)
                if delivery_files.touched(place, fate):
                    fill = partial(delivery_files.rewrite_tables, place, fate=fate)
                    changed[entry.name] = self._staged(fill, manifest(place)["report"])
            after = replace(before.renamed(changed), generation=generation or before.generation)
            self._switch(after, swept=True)
        return len(changed)

    def tables(self, until_week: int | None = None) -> dict[str, pd.DataFrame]:
        """Return every table of the deliveries that count, in the schema's dtypes.

        The students of attendance are a category. until_week: leave out attendance of later weeks, which features at
        that week do not need. Raises UnusableInput when nothing was taken in yet, StorageFailed when a
        file cannot be read.
        """
        return self._reading(lambda found: united([read_tables(self._place(entry), until_week) for entry in found]))

    def ask(self, read: Callable[[Mapping[str, Sequence[Path]]], Found]) -> Found:
        """Return what `read` makes of the Parquet files of every table that counts; errors as `tables`.

        A table has a file per layout that fills it. `read` is asked again when a delivery lands in between.
        """

        def asked(entries: tuple[Entry, ...]) -> Found:
            files: dict[str, list[Path]] = {}
            for entry in entries:
                for table in manifest(self._place(entry))["tables"]:
                    files.setdefault(table, []).append(self._place(entry) / f"{table}.parquet")
            with disk():
                return read(files)

        return self._reading(asked)

    def rows_of(self, people: Collection[str]) -> dict[str, dict[str, int]]:
        """Count the rows that these pseudonyms have in what counts: table -> pseudonym -> rows; {} if none does."""
        return self.ask(lambda files: stored_people.rows_of(files, people)) if self.register().counting else {}

    def reports(self) -> dict[str, dict[str, Any]]:
        """Return layout -> the report that was written with the delivery that counts; errors as `tables`."""
        return self._reading(
            lambda entries: {entry.layout: dict(manifest(self._place(entry))["report"]) for entry in entries}
        )

    def report(self) -> dict[str, Any]:
        """Return the reports of `reports` as one: that of the only layout, or all tables and sources together."""
        reports = list(self.reports().values())
        return reports[0] if len(reports) == 1 else merged_report(reports)

    def past_report(self, name: str) -> dict[str, Any] | None:
        """Return the report of a delivery of the register, also of one whose rows are gone; None where it is lost."""
        try:
            found = json.loads((self.folder / REPORTS / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def register(self) -> Register:
        """Return which deliveries there were and which count; empty before the first one."""
        try:
            text = (self.folder / CURRENT).read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return Register()
        return self._of_earlier_version(text.strip()) if text.strip().isdigit() else registers.read(text)

    def last_report(self, layout: str) -> dict[str, Any] | None:
        """Return the report of the delivery of a layout that counts; None where there is none that can be read."""
        try:
            return self.reports().get(layout)
        except (UnusableInput, StorageFailed):
            return None

    def current(self) -> str:
        """Return the name of the latest delivery that counts; raises UnusableInput when there is none."""
        return self._counting()[-1].name

    def _counting(self) -> tuple[Entry, ...]:
        found = self.register().counting
        if not found:
            raise UnusableInput(
                "no_delivery",
                "Questions are answered from a delivery that was taken in.",
                "none",
                "Put exports in the folder and run `coalition-node ingest`.",
            )
        return found

    def _reading(self, read: Callable[[tuple[Entry, ...]], Found]) -> Found:
        for attempt in range(READ_ATTEMPTS):
            entries = self._counting()
            try:
                return read(entries)
            except StorageFailed:
                if self._counting() == entries or attempt == READ_ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _place(self, entry: Entry) -> Path:
        return self.folder / DELIVERIES / entry.name

    def _of_earlier_version(self, name: str) -> Register:
        """The register of a folder in which `current` is the name of the only delivery."""
        try:
            found = manifest(self.folder / DELIVERIES / name)
        except StorageFailed:  # nothing of it can be read: the next delivery begins anew
            return Register()
        layout, verdict = str(found["report"].get("layout", UNNAMED)), str(found["report"].get("verdict", ""))
        return Register((Entry(layout, 1, name, "", dict.fromkeys(found["tables"], UNCOUNTED), verdict),))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One intake, erasure or rotation at a time, from its first look to its last write; another one waits."""
        with _locked(self.folder / INTAKE_LOCK):
            yield

    def _writing(self) -> AbstractContextManager[None]:
        return _locked(self.folder / LOCK)

    def _staged(self, fill: Callable[[Path], Rows], report: Mapping[str, Any]) -> tuple[str, Rows]:
        """Let one delivery be written in full, under the name it will count by; return that name and table -> rows."""
        staged = Path(tempfile.mkdtemp(prefix=STAGED, dir=self.folder / DELIVERIES))
        try:
            rows = fill(staged)
            name = self._next_name()
            write_flushed(self.folder / REPORTS / f"{name}.json", json.dumps(report))
            staged.rename(self.folder / DELIVERIES / name)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        sync(self.folder / DELIVERIES)
        return name, rows

    def _next_name(self) -> str:
        names = [path.stem for place in (DELIVERIES, REPORTS) for path in (self.folder / place).iterdir()]
        return f"{max((int(name) for name in names if name.isdigit()), default=0) + 1:06d}"

    def _switch(self, register: Register, swept: bool = False) -> None:
        """Let this register count from now on. swept: it is an error when what no longer counts cannot be removed."""
        fresh = self.folder / f"{CURRENT}.new"
        write_flushed(fresh, registers.text_of(register))
        fresh.replace(self.folder / CURRENT)
        sync(self.folder)
        try:
            self._sweep(register)
        except OSError as error:  # the register counts already; the next write sweeps what stays
            if swept:
                raise _not_removed(type(error).__name__) from error

    def _sweep(self, register: Register) -> None:
        """Remove the rows of every delivery that does not count: what a kill left behind, and what was replaced."""
        counts = {entry.name for entry in register.counting}
        known = {entry.name for entry in register.entries}
        for path in (self.folder / DELIVERIES).iterdir():
            if path.name not in counts:
                shutil.rmtree(path)
        for path in (self.folder / REPORTS).iterdir():
            if path.stem not in known:
                path.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with disk():
        lock = path.open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _taken(entry: Entry, tables: Sequence[str], doubles: int | None = None) -> UnusableInput:
    rows = "" if doubles is None else f" ({doubles} rows with the key of a row that is there)"
    return UnusableInput(
        "table_taken",
        "A table is filled by one layout, so that no student stands in it twice.",
        f"{', '.join(tables)}: filled by layout {entry.layout} already{rows}; the previous delivery still counts",
        f"Put both in one mapping; or take its place with `coalition-node ingest --replaces {entry.layout}`.",
    )


def _not_removed(found: str) -> StorageFailed:
    return StorageFailed(
        "not_removed",
        "Rows that no longer count are removed from the disk.",
        f"{found}; they no longer count, but files remain",
        "Correct the folder's permissions and give the same command again.",
    )
