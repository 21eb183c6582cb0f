"""What several steps of a suggestion share: the samples with their roles, and which columns are spoken for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from node.assistant.families import Flags, Wide
from node.assistant.matching import Match
from node.assistant.proposal import SURE, Line, Origin, pair
from node.assistant.reading import Sample
from node.assistant.roles import FLAT, Role
from node.assistant.students import Students
from shared_schema import Schema

NAMED = 0.85
"""From this likeness on a name is known: what stands in the way of a line is then asked."""
ASK = 0.55
FEWEST_KEYS = 5
AMBIGUOUS = 0.02  # share of keys of a look-up that have several answers


@dataclass
class Work:
    """One suggestion while it is made. used: columns that a line, an open point or the identifier speaks of.

    why_not: why a column stays unmapped, where that is known; bases: table -> the source that fills it.
    """

    samples: Mapping[str, Sample]
    students: Students
    roles: Mapping[str, Role]
    wide: Mapping[str, list[Wide]]
    flags: Mapping[str, list[Flags]]
    schema: Schema
    used: set[Origin] = field(default_factory=set)
    why_not: dict[Origin, Any] = field(default_factory=dict)
    bases: dict[str, str] = field(default_factory=dict)

    def flat(self) -> list[str]:
        """Sources whose rows are students, enrolments or programmes with much beside them."""
        return [name for name, role in self.roles.items() if self.students.about(name) and set(role.tables) & set(FLAT)]

    def claims(self, source: str, table: str, column: str) -> list[Match]:
        """Unused columns of a source of which this is the best match, the surest first."""
        role = self.roles[source]
        lists = table not in FLAT  # tables of one public list do not compete for its columns
        found = []
        for heading, every in role.matches.items():
            known = [one for one in every if one.table == table] if lists else every
            free = (source, heading) not in self.used or (lists and len(role.tables) > 1)
            best = [one for one in known if one.column == column and one.confidence >= known[0].confidence]
            found += [one for one in best if free and one.table == table]
        return sorted(found, key=lambda one: -one.confidence)

    def sure(self, source: str, table: str, column: str) -> Match | None:
        """The one column of a source that surely is this, used or not."""
        known = [found[0] for found in self.roles[source].matches.values() if found]
        best = [one for one in known if one.target == f"{table}.{column}" and one.confidence >= SURE]
        return max(best, key=lambda one: one.confidence, default=None)

    def enrolment_heading(self, source: str) -> str | None:
        """The column of a source that numbers a student's enrolments."""
        for table in (*self.roles[source].tables, "enrolment"):
            found = (
                self.sure(source, table, "enrolment_id") if "enrolment_id" in self.schema.table(table).columns else None
            )
            if found is not None:
                return found.heading
        return None

    def use(self, source: str, *headings: str) -> tuple[Origin, ...]:
        """Mark columns as spoken for; return them as origins."""
        origins = tuple((source, heading) for heading in headings)
        self.used.update(origins)
        return origins

    def line(self, source: str, match: Match, extra: Mapping[str, Any] | None = None) -> Line:
        """A match as a line of a table, its column spoken for."""
        rule = match.rule if not extra else {**_long(match.rule), **extra}
        more = []
        if match.coded is not None and match.coded.others:
            share = 1 - match.coded.rows
            more = [pair(f"{match.coded.others} andere waarden ({share:.1%} van de rijen) worden leeg",
                         f"{match.coded.others} other values ({share:.1%} of rows) become missing")]  # fmt: skip
        reasons = (*match.reasons, *more)
        return Line(match.column, rule, match.confidence, reasons, self.use(source, match.heading))

    def look_up_key(self, base: str, other: str, heading: str) -> dict[str, Any] | None:
        """How a row of `base` finds its row of `other` for a column: `of` and `by`; None where it cannot be told."""
        by: list[str] = []
        if self.students.about(other):
            shared = self.enrolment_heading(base)
            by = [shared] if shared is not None and shared == self.enrolment_heading(other) else []
            keys = [*self.students.columns[other], *by]
            return {"of": other, **({"by": by} if by else {})} if self._tells(other, keys, heading) else None
        for key in self.samples[base].headings:
            if key in self.samples[other].shapes and key != heading and self._tells(other, [key], heading):
                return {"of": other, "by": [key]}
        return self._by_contents(base, other, heading)

    def _by_contents(self, base: str, other: str, heading: str) -> dict[str, Any] | None:
        """A column of the file whose different cells nearly all stand in one column of the reference table."""
        for there in self.samples[other].headings:
            known = set(self.samples[other].frame[there].str.strip()) - {""}
            if there == heading or len(known) < FEWEST_KEYS or not self._tells(other, [there], heading):
                continue
            for here in self.samples[base].headings:
                shape = self.samples[base].shapes[here]
                free = here not in self.samples[base].direct and shape.distinct >= FEWEST_KEYS
                if free and shape.listed(known) >= NAMED:
                    return {"of": other, "by": {there: here}}
        return None

    def _tells(self, source: str, keys: list[str], heading: str) -> bool:
        """Whether a column has one value for each key, but for a few."""
        if heading in keys:
            return False
        frame = self.samples[source].frame[[*keys, heading]]
        frame = frame[frame[heading].str.strip() != ""].drop_duplicates()
        distinct = len(frame[keys].drop_duplicates())
        return bool(distinct) and len(frame) - distinct <= AMBIGUOUS * distinct and distinct > 1

    def others(self, base: str) -> Iterator[str]:
        """Sources in which a column may be looked up: the other files about students, then the reference tables."""
        yield from (name for name in self.flat() if name != base)
        yield from (name for name in self.samples if not self.students.about(name) and "#" not in name)


def _long(rule: Any) -> dict[str, Any]:
    return dict(rule) if isinstance(rule, Mapping) else {"from": rule}
