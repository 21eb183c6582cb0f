"""Arrives: coded sources and a table's rules. Leaves: the rows as numbers, and beside them the values of each rule.

A rule of the mapping is carried out by `node.computed.evaluate`, as for small files, but once for each different
combination of the cells that it reads; the number of rows with that combination weighs what is counted. So a rule means
the same whatever the size of a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from node.bulk.coded import Coded
from node.bulk.looking_up import Found, Key, look_up, look_ups
from node.bulk.workshop import Workshop
from node.column_rules import By, ConstantRule, FromRule, Part, parts_of
from node.computed import LookedUp, LookUp, Rows, evaluate, look_up_of
from node.errors import UnusableInput
from node.identifiers import Protected
from node.mapping import KINDS, blocks_of, cells_read, week_by_week
from node.sources.cells import Kind, Note, filled

if TYPE_CHECKING:
    import pandas as pd

    from node.mapping_document import Source, TableRule
    from shared_schema import Schema

MOST_COMBINATIONS = 6_000_000  # of the cells that one column is made of: they are held in memory


@dataclass(frozen=True)
class Valued:
    """What a rule gives: one row for each combination of codes, with `value` and perhaps `per`.

    keys: SQL names of the codes, which are columns of the frame; per: the value of the column by which the public
    bounds are multiplied.
    """

    keys: tuple[str, ...]
    frame: pd.DataFrame


@dataclass(frozen=True)
class Block:
    """Rows that one table rule gives, or one of its weeks or spans.

    query: SQL of the rows: codes, and `student` if they are about people; columns: column of the table -> its values;
    one_of: only rows count of which one of these columns has a value (none: all rows count); order: the values by
    which `keep` chooses among rows, and whether the latest stays; strange: columns that the table does not have.
    """

    query: str
    columns: Mapping[str, Valued]
    one_of: tuple[str, ...] = ()
    order: tuple[Valued, bool] | None = None
    strange: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filling:
    """What every table is filled from, and where counts are kept: (table, column) -> what -> rows."""

    sources: Mapping[str, Coded]
    settings: Mapping[str, Source]
    schema: Schema
    shop: Workshop
    tallies: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)

    def tally(self, table: str, column: str = "") -> Counter[str]:
        """Return where the counts of a column (or, with "", of the whole table) are kept."""
        return self.tallies.setdefault((table, column), Counter())

    def blocks(self, table: str, rule: TableRule) -> Iterator[Block]:
        """Yield the rows that a table rule gives: one block, or one per week or span."""
        chosen, declared = self._chosen(table, rule), self.schema.table(table)
        if rule.unpivot is None and not rule.spans:
            columns = {name: self._valued(table, name, rule.columns, chosen) for name in rule.columns}
            yield Block(chosen.query, columns, order=self._order(table, rule, chosen))
            return
        for number, (week, weeks, wide) in enumerate(blocks_of(rule)):
            fixed = {"week": week} if weeks is None else {"week": week, "weeks": weeks}
            parts: dict[str, Part] = {**rule.columns, **wide}
            parts |= {name: ConstantRule(constant=value) for name, value in fixed.items() if name in declared.columns}
            columns = {
                name: self._valued(table, name, parts, chosen, counted=number == 0 or name in wide) for name in parts
            }
            strange = tuple(name for name in fixed if name not in declared.columns)
            yield Block(chosen.query, columns, one_of=tuple(wide), strange=strange)

    def _chosen(self, table: str, rule: TableRule) -> _Chosen:
        """The rows that `where` keeps, with what look-ups find beside them."""
        import pandas as pd

        source = self.sources[rule.source]
        query = f"SELECT * FROM {source.table}"
        for name, values in rule.where.items():
            kept = filled(source.texts[name]).isin(list(values))
            codes = self.shop.small(pd.DataFrame({"code": kept.index[kept].to_numpy("int32")}))
            query = f"SELECT * FROM ({query}) SEMI JOIN {codes} ON {source.columns[name]} = {codes}.code"
        rows = self.shop.one(f"SELECT count(*) FROM ({query})") if rule.where else source.rows
        self.tally(table)["left_out"] += source.rows - int(rows)
        chosen = _Chosen(source, query, {}, self.shop)
        for one in look_ups(week_by_week(rule)):
            keys = [self._key(by, chosen) for by in one.by]
            query, found = look_up(chosen.query, source, self.sources[str(one.of)], keys, one.from_, self.shop)
            chosen = replace(chosen, query=query, found={**chosen.found, look_up_of(one): found})
        return chosen

    def _key(self, by: By, chosen: _Chosen) -> Key:
        """What a rule under `by` gives; it is counted where the look-up itself is evaluated."""
        made = self._evaluated([(by.own, "text", Note(Counter(), by.column))], chosen)
        return Key(by.column, made.keys, made.frame, made.frame["value"])

    def _order(self, table: str, rule: TableRule, chosen: _Chosen) -> tuple[Valued, bool] | None:
        if rule.keep is None:
            return None
        note = Note(self.tally(table), f"{table}.keep")
        return self._evaluated([(rule.keep.by, "date", note)], chosen), rule.keep.latest is not None

    def _valued(
        self, table: str, name: str, parts: Mapping[str, Part], chosen: _Chosen, counted: bool = True
    ) -> Valued:
        column = self.schema.column(table, name)
        tally = self.tally(table, name) if counted else Counter[str]()
        asked = [(parts[name], KINDS[column.type], Note(tally, f"{table}.{name}"))]
        per = column.bounds.per if column.bounds else ""
        if per in parts:
            kind = KINDS[self.schema.column(table, per).type]
            asked.append((parts[per], kind, Note(Counter(), f"{table}.{per}")))
        return self._evaluated(asked, chosen)

    def _evaluated(self, asked: list[tuple[Part, Kind, Note]], chosen: _Chosen) -> Valued:
        """Carry out one rule, or two on the same combinations: the second gives `per`."""
        combinations = chosen.combinations([rule for rule, _, _ in asked])
        outlines = {name: source.outline for name, source in self.sources.items()}
        values = combinations.frame[list(combinations.keys)]
        for name, (rule, kind, note) in zip(("value", "per"), asked, strict=False):
            weighed = Note(note.tally, note.place, combinations.frame["rows"])
            rows = Rows(combinations.cells, outlines, self.settings, weighed, combinations.found)
            for by in (by for part in parts_of(rule) if isinstance(part, FromRule) for by in part.by):
                evaluate(by.own, rows, "text")  # what it loses is counted; what it gives has been looked up
            values = values.assign(**{name: evaluate(rule, rows, kind)})
        return Valued(combinations.keys, values)


@dataclass(frozen=True)
class _Combinations:
    """The different combinations of some cells. frame: a row for each, `rows` and the codes under the names of `keys`;
    cells: the same as text; found: what look-ups give for each."""

    keys: tuple[str, ...]
    frame: pd.DataFrame
    cells: Protected
    found: Mapping[LookUp, LookedUp]


@dataclass(frozen=True)
class _Chosen:
    """The rows of a source that fill a table. found: what each look-up put beside them."""

    source: Coded
    query: str
    found: Mapping[LookUp, Found]
    shop: Workshop

    def combinations(self, rules: Iterable[Part]) -> _Combinations:
        """Return the different combinations of the cells that some rules read."""
        import pandas as pd

        rules = list(rules)
        read = {
            name
            for rule in rules
            for source, name in cells_read(rule, self.source.source)
            if source == self.source.source
        }
        names = [name for name in self.source.columns if name in read]
        found = {look_up_of(one): self.found[look_up_of(one)] for one in look_ups(rules)}
        keys = [self.source.columns[name] for name in names]
        keys += [name for one in found.values() for name in one.columns]
        grouped = f"SELECT {''.join(key + ', ' for key in keys)}count(*) AS rows FROM ({self.query})"
        frame = self.shop.frame(f"{grouped} GROUP BY ALL LIMIT {MOST_COMBINATIONS + 1}" if keys else grouped)
        if len(frame) > MOST_COMBINATIONS:
            raise _too_many(self.source.source, names)
        texts = {name: _text(self.source.texts[name], frame[self.source.columns[name]]) for name in names}
        cells = Protected(self.source.source, pd.DataFrame(texts, index=frame.index), None, self.source.protection)
        answers = {
            one: LookedUp(_text(of.texts, frame[of.code]), frame[of.ambiguous], frame[of.nowhere])
            for one, of in found.items()
        }
        return _Combinations(tuple(keys), frame, cells, answers)


def _text(texts: pd.Series, codes: pd.Series) -> pd.Series:
    """The text behind each code; missing where nothing was found."""
    return texts.reindex(codes.to_numpy()).set_axis(codes.index)


def _too_many(source: str, names: list[str]) -> UnusableInput:
    return UnusableInput(
        "too_many_values",
        f"One column of a large export is made of at most {MOST_COMBINATIONS:,} different (combinations of) cells.",
        f"more in {source}: {', '.join(names)}",
        "Round the numbers in the export, drop times of day from dates, or let it have fewer rows.",
    )
