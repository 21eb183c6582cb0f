"""A number of audits arrives on the command line; how many of them the correct mechanism passed leaves.

    python -m experiments.benchmarks.audits [COUNT [CANARIES]]       200 audits, of the usual size, unless given

Each is a whole audit of the default experiment's plan (12 claims, their positive controls included), with fresh keys,
coins and noise, over 5 invented schools of which one colludes; nothing is taken from a cache. A correct mechanism is
called broken in such a series of 200 with a chance below 3 in 10,000 (`privacy/audit.md`, A8). Beside it: the same
mechanism with its noise halved, which every audit has to call broken. Exit code 0 when both are so, else 1.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from experiments import definition, planning
from experiments.auditing import audit_plan, over_schools
from experiments.benchmarks import report
from experiments.canaries import Size
from privacy import audit
from privacy.charter import Charter, School
from privacy.identity import SigningKey
from shared_schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.auditing import Audit
    from experiments.canaries import Mechanism
    from privacy.lattice import Floats, Integers
    from privacy.private_sum import Release, masked_sums

COMMAND = "python -m experiments.benchmarks.audits"
DEFAULT = Path(definition.__file__).parent / "catalogue" / "uitval-jaar-1.yaml"
AUDITS = 200
HALVED = 5
SCHOOLS, COLLUDERS = 5, 1
STUDENTS = 400  # of each cohort at each school, as published
CORRECT = over_schools(masked_sums, COLLUDERS)


def plan() -> planning.Plan:
    """Return the default experiment's plan in a coalition of five invented schools."""
    schema = load_schema()
    experiment = definition.freeze(definition.read(DEFAULT), schema)
    cohorts = experiment.definition.population.cohorts
    schools = tuple(
        School(
            f"school-{index}",
            f"School {index}",
            SigningKey.generate().public,
            SigningKey.generate().public,
            dict.fromkeys(cohorts, STUDENTS),
        )
        for index in range(SCHOOLS)
    )
    charter = Charter(
        name="Nameting",
        version=1,
        previous_hash=None,
        coordinator_key=SigningKey.generate().public,
        schools=schools,
        people=(),
        collusion_threshold=COLLUDERS,
        smallest_roster=COLLUDERS + 2,
        planning_students=2 * SCHOOLS * STUDENTS * len(cohorts),
    )
    return planning.plan(experiment, charter, schema)


def halved(vectors: Sequence[Sequence[Floats]], releases: Sequence[Release], honest: int) -> list[Integers]:
    """Open what schools would that add half the variance they claim: the fault that has to be found."""
    return CORRECT(vectors, [replace(release, variance=release.variance / 2) for release in releases], honest)


def one(asked: planning.Plan, mechanism: Mechanism, size: Size) -> Audit:
    """Audit a whole plan, nothing kept."""
    with tempfile.TemporaryDirectory() as folder:
        return audit_plan(asked, SCHOOLS - COLLUDERS, mechanism, "", Path(folder), _unwatched, size)


def _unwatched(stage: str, done: int, total: int, waiting: str = "") -> None:
    """Progress that nobody follows: a series prints its own."""


def series(asked: planning.Plan, count: int, size: Size) -> list[Audit]:
    """Audit the correct mechanism so many times."""
    found = []
    for done in range(1, count + 1):
        found.append(one(asked, CORRECT, size))
        if done % 20 == 0 or found[-1].verdict != audit.HOLDS:
            held = sum(each.verdict == audit.HOLDS for each in found)
            report.say(f"   {done} audits, {held} hold; the last: {found[-1].verdict}")
    return found


def main(arguments: Sequence[str]) -> int:
    """Run the series and print what came of it."""
    wrong = [argument for argument in arguments if not argument.isdecimal() or int(argument) == 0]
    if wrong or len(arguments) > 2:
        report.say(f"audits and canaries are numbers from 1; found {' '.join(arguments)}; name one or both")
        return 2
    count, most = (*map(int, arguments), *(AUDITS, Size().canaries)[len(arguments) :])
    size = replace(Size(), canaries=most)
    report.heading(f"{count} audits in a row, of the default experiment, {most} canaries at most", COMMAND)
    asked, cpu = plan(), time.process_time()
    found = series(asked, count, size)
    report.say(f"   {(time.process_time() - cpu) / count:.1f} s of processor time an audit")
    _say_bounds(found)
    held = sum(each.verdict == audit.HOLDS for each in found)
    broken = sum(one(asked, halved, size).verdict == audit.BROKEN for _ in range(HALVED))
    figures = [
        report.Figure("audits of the correct mechanism that hold", str(held), f"{count}", held == count),
        report.Figure("audits of halved noise that call it broken", str(broken), f"{HALVED}", broken == HALVED),
    ]
    return 0 if report.show(figures) else 1


def _say_bounds(found: Sequence[Audit]) -> None:
    lowers = [each.results[0].epsilon_lower for each in found]
    again = sum(result.looks == 2 for each in found for result in each.results)
    claims = len(found[0].results)
    claimed = found[0].results[0].epsilon_claimed
    report.say(f"   lower bounds {min(lowers):.2f} to {max(lowers):.2f} where epsilon {claimed:.2f} is claimed")
    report.say(f"   {again} of {claims * len(found)} claims took a second look")
    report.say(f"   false alarm of one audit: below {audit.false_alarm(claims):.2g}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
