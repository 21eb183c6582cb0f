"""An experiment and a school's ledger arrive; what the FG is asked leaves, in Dutch with English beside it.

Everything an FG must see before signing (purpose, ground, columns, cost, what is left), computed by the node itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import costs, definition, labels, selection
from experiments.terminal import Grid, rational
from node.errors import UnusableInput
from privacy.charter import changes
from privacy.identity import fingerprint
from shared_schema.yaml_tree import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.definition import Experiment
    from node.desk.approving import Desk
    from privacy.charter import Charter

YAML = (".yaml", ".yml")


def read_experiment(path: Path, desk: Desk) -> Experiment:
    """The frozen experiment that the coordinator sent, or an analyst's YAML frozen against this node's schema."""
    if path.suffix in YAML:
        return definition.freeze(definition.read(path), desk.schema)
    if path.stat().st_size > MAX_BYTES:
        rule, remedy = "An experiment is a small file.", "Ask the coordinator for the .experiment file."
        raise UnusableInput("not_an_experiment", rule, f"{path.stat().st_size} bytes", remedy)
    return definition.thaw(path.read_bytes())


def describe(desk: Desk, experiment: Experiment) -> dict[str, Any]:
    """What is asked of this school, as plain data."""
    plan = desk.plan(experiment)
    asked = experiment.definition
    return {
        "school": desk.state.school,
        "experiment": asked.experiment,
        "definition_hash": experiment.hash.hex(),
        "charter_hash": desk.charter.hash.hex(),
        "title": asked.title.model_dump(),
        "question": asked.question.model_dump(),
        "purpose": asked.purpose.model_dump(),
        "legal": asked.legal.model_dump(),
        "unit": labels.UNIT,
        "cohorts": list(asked.population.cohorts),
        "outcome": {"name": asked.outcome, **labels.outcome_prose(desk.schema, asked.outcome)},
        "columns": columns(desk, experiment),
        "plan": costs.describe(plan, experiment, desk.charter),
        "left": [_left(desk, population, cohort, plan) for population, cohort in plan.accounts],
    }


def columns(desk: Desk, experiment: Experiment) -> list[dict[str, Any]]:
    """Every column that the experiment looks at, with its sensitivity and the features made of it."""
    found: dict[str, list[str]] = {}
    for feature in selection.features_of(experiment, desk.schema):
        for column in feature.columns:
            found.setdefault(column, []).append(feature.name)
    outcome = experiment.definition.outcome
    if "." in outcome:  # an extension's column; what a definition looks at stands in its prose
        found.setdefault(outcome, []).append("outcome")
    return [_column(desk, name, features) for name, features in sorted(found.items())]


def _column(desk: Desk, name: str, features: list[str]) -> dict[str, Any]:
    table, _, column = name.partition(".")
    declared = desk.schema.column(table, column)
    prose = {"nl": declared.prose.nl, "en": declared.prose.en}
    return {"column": name, "sensitive": declared.sensitive, "prose": prose, "features": features}


def _left(desk: Desk, population: str, cohort: int, plan: Any) -> dict[str, Any]:
    left = desk.left(population, cohort)
    return {
        "population": population,
        "cohort": cohort,
        "cap": rational(desk.policy.lifetime_budget.rho),
        "left": rational(left),
        "cost": rational(plan.rho_reserved),
        "left_after": rational(left - plan.rho_reserved),
        "fits": plan.rho_reserved <= left,
    }


def blocks(described: Mapping[str, Any]) -> list[str | Grid]:
    """The same for the FG's screen."""
    legal = described["legal"]
    pairs = ("title", "question", "purpose", "unit")
    words = [f"{key}: {described[key]['nl']}\n    {described[key]['en']}" for key in pairs]
    words += [f"{key}: {value}" for key, value in legal.items()]
    words.append(f"outcome / uitkomst: {described['outcome']['nl']} / {described['outcome']['en']}")
    words.append(f"experiment {described['experiment']}, hash {described['definition_hash']}")
    return [
        *words,
        _column_grid(described),
        *costs.grids(described["plan"], described["school"]),
        _left_grid(described),
    ]


def _column_grid(described: Mapping[str, Any]) -> Grid:
    rows = [
        (row["column"], "ja / yes" if row["sensitive"] else "-", row["prose"]["nl"], row["prose"]["en"])
        for row in described["columns"]
    ]
    heads = ("column", "gevoelig / sensitive", "betekenis", "meaning")
    return Grid("Kolommen die de vraag gebruikt / Columns the question uses", heads, rows)


def _left_grid(described: Mapping[str, Any]) -> Grid:
    from fractions import Fraction

    def short(value: str) -> str:
        return f"{float(Fraction(value)):.4g}"

    rows = [
        (
            f"{row['population']} {row['cohort']}",
            *(short(row[key]) for key in ("cap", "left", "cost", "left_after")),
            "ja / yes" if row["fits"] else "NEE / NO",
        )
        for row in described["left"]
    ]
    heads = ("account", "plafond / cap", "over / left", "kosten / cost", "daarna / after", "past / fits")
    return Grid("Privacybudget van deze school (rho) / This school's privacy budget (rho)", heads, rows)


def describe_charter(charter: Charter, school: str, before: Charter | None = None) -> dict[str, Any]:
    """A charter's members, thresholds and fingerprints, and what differs from `before`, the charter in force."""
    return {
        "name": charter.name,
        "version": charter.version,
        "charter_hash": charter.hash.hex(),
        "coordinator": fingerprint(charter.coordinator_key),
        "collusion_threshold": charter.collusion_threshold,
        "smallest_roster": charter.smallest_roster,
        "schools_per_person": charter.schools_per_person,
        "planning_students": charter.planning_students,
        "own_school": school,
        "schools": [
            {
                "id": member.id,
                "name": member.name,
                "node": fingerprint(member.node_key),
                "fg": fingerprint(member.fg_key),
                "enrolments": {str(year): size for year, size in member.enrolments.items()},
            }
            for member in charter.schools
        ],
        "replaces": None if before is None else before.version,
        "changes": [] if before is None else [change._asdict() for change in changes(before, charter)],
    }


def charter_blocks(described: Mapping[str, Any]) -> list[str | Grid]:
    """The same for the FG's screen."""
    rows = [(school["id"], school["name"], school["node"], school["fg"]) for school in described["schools"]]
    return [
        f"Charter {described['name']}, version {described['version']}, hash {described['charter_hash']}",
        *_changes(described),
        f"Withstands / bestand tegen: {described['collusion_threshold']} colluding school(s); "
        f"at least / minstens {described['smallest_roster']} schools together; "
        f"a person may be at / iemand kan zitten op {described['schools_per_person']} schools.",
        f"Coordinator's key / sleutel van de coördinator: {described['coordinator']}",
        Grid("Sleutels van de scholen / Keys of the schools", ("school", "name", "node", "FG"), rows),
        "Vergelijk nieuwe sleutels per telefoon voordat u tekent. / Compare new keys by telephone before you sign.",
    ]


def _changes(described: Mapping[str, Any]) -> list[str | Grid]:
    """What is other than in the charter in force; old approvals do not hold under a new one."""
    if described["replaces"] is None:
        return []
    rows = [(row["who"], row["what"], row["was"], row["becomes"]) for row in described["changes"]]
    title = f"Anders dan versie {described['replaces']} / Other than version {described['replaces']}"
    return [
        Grid(title, ("wie / who", "wat / what", "was", "wordt / becomes"), rows),
        "Goedkeuringen onder het oude charter gelden niet meer. / Approvals under the old charter no longer hold.",
        "Uw handtekening staat ook in voor nieuwe sleutels van andere scholen: zij telt als een FG de oude kwijt is. "
        "/ Your signature vouches for other schools' new keys as well: it counts for an FG who lost the old one.",
    ]
