"""A number of synthetic schools, or a folder of anyone's exports, arrives; a published finding leaves.

A whole coalition in one process, with the very functions that production uses: intake at every school, charter,
submission, approvals by every FG, the run, disclosure check, two reviews, publication. What is added is what only
a rehearsal may show: the same question answered by each school alone and by all rows pooled.
This is the one module of `coalition` that may import `node`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from coalition import approvals, publication, review, running, school_folders, submission, verification
from coalition.errors import UsageFailed
from coalition.transport import InProcess
from coalition.workspace import Workspace
from experiments import baselines, definition, evaluation, keys, protocol
from experiments.errors import EvaluationError
from experiments.queries import logistic
from node import answer, approving, assembly, ingest, policy
from node.errors import UnusableInput
from node.folder import NodeFolder
from node.pseudonyms import PseudonymKey
from privacy import canonical
from privacy.identity import write_private
from privacy.statements import run_id
from shared_schema import DocumentError

if TYPE_CHECKING:
    from experiments.definition import Experiment
    from experiments.hyperparameters import Settings
    from experiments.students import Students
    from experiments.terminal import Progress

MARKER = ".datacoalitie-rehearsal"
CATALOGUE = Path(definition.__file__).parent / "catalogue"
MAPPINGS = Path(answer.__file__).parent / "mappings"
DEFAULT_EXPERIMENT = CATALOGUE / "uitval-jaar-1.yaml"
PLANNING_MARGIN = 5, 4  # the coalition plans for a quarter more students than the public figures say
ROUNDING = 50


@dataclass(frozen=True)
class Options:
    """What `coalition rehearse` was asked."""

    out: Path
    schools: int = 5
    students: int = 4000
    epsilon: Decimal | None = None
    experiment: Path | None = None
    schools_dir: Path | None = None
    engine: str = "local"
    seed: int = 7


@dataclass(frozen=True)
class Member:
    """One school of the rehearsal: its name and its node's folder."""

    id: str
    name: str
    folder: NodeFolder


def rehearse(options: Options, progress: Progress) -> dict[str, Any]:
    """Run a whole coalition; return what the command prints (issue's `data`), the finding's page included.

    Raises the errors of every part as they are: the rehearsal is production in one process.
    """
    if options.engine != "local":
        raise UsageFailed("unknown_engine", "The engine is local.", options.engine, "Use --engine local.")
    _clear(options.out)
    members = _from_folder(options, progress) if options.schools_dir else _synthetic(options, progress)
    workspace, analyst, reviewers = _found_coalition(options, members)
    experiment = _submit(options, workspace, analyst)
    _approve(workspace, experiment, members, progress)
    nodes = {member.id: assembly.open_node(member.folder) for member in members}
    rows = {school: node.students(experiment) for school, node in nodes.items()}
    _check_rows(experiment, rows)
    transport = InProcess({school: _door(node) for school, node in nodes.items()})
    running.carry_out(workspace, experiment, transport, progress)
    _countersign(workspace, members)
    comparison = _compare(workspace, experiment, members, rows, progress)
    publication.draft(workspace, experiment, comparison, rehearsal=True)
    for person, key in reviewers.items():
        review.review(workspace, experiment, person, keys.open_key(key))
    page = publication.publish(workspace, experiment, options.out / "finding")
    ledgers = {member.id: member.folder.ledger for member in members}
    verified = verification.verify(page.parent, list(ledgers.values()))
    progress("publish / publiceren", 1, 1)
    return _data(page, ledgers, verified) | {"auc_noise_sd": _auc_noise_sd(workspace, experiment)}


def _door(node: answer.Node) -> Callable[[bytes], bytes]:
    return lambda data: answer.answer(node, data)


def _clear(out: Path) -> None:
    """Begin with an empty folder; only what an earlier rehearsal made is ever removed."""
    if out.exists() and any(out.iterdir()):
        if not (out / MARKER).is_file():
            raise UsageFailed(
                "folder_in_use", "A rehearsal writes to a folder of its own.", str(out), "Choose another --out."
            )
        shutil.rmtree(out)
        out.with_name(out.name).mkdir(parents=True)
    out.mkdir(parents=True, exist_ok=True)
    write_private(out / MARKER, b"Everything here was made by `coalition rehearse` and may be removed.\n")


def _synthetic(options: Options, progress: Progress) -> list[Member]:
    """Invented schools, each with the exports of its own system, taken in as any school's would be."""
    from experiments.synthetic.sector import generate
    from experiments.synthetic.writers.layouts import layout_of, write_exports

    members = []
    made = generate(options.schools, options.students, options.seed)
    for index, school in enumerate(made):
        layout = layout_of(index)
        sizes = {cohort: _rounded(size) for cohort, size in school.cohort_sizes.items()}
        secret = hashlib.sha256(f"rehearsal/{options.seed}/{school.id}".encode()).digest()
        member = _member(options.out, school.id, school.name, sizes, secret)
        write_exports(school, layout, member.folder.exports)
        shutil.copyfile(MAPPINGS / f"{layout}.yaml", member.folder.mapping)
        rules = {"policy": 1, "ready": True, "public_size": sizes}
        write_private(member.folder.policy, yaml.safe_dump(rules).encode())
        _ingest(member, member.folder.exports)
        members.append(member)
        progress("schools / scholen", index + 1, options.schools)
    return members


def _rounded(size: int) -> int:
    return ROUNDING * max(1, round(size / ROUNDING))


def _from_folder(options: Options, progress: Progress) -> list[Member]:
    """Anyone's files: a folder per school with exports, mapping.yaml and policy.yaml; perhaps one schema.yaml."""
    assert options.schools_dir is not None
    found = school_folders.find(options.schools_dir)
    common = options.schools_dir / "schema.yaml"
    members = []
    for index, school in enumerate(found):
        member = _member(options.out, school.id, school.name, dict(_policy(school).public_size))
        shutil.copyfile(school.path / school_folders.MAPPING, member.folder.mapping)
        shutil.copyfile(school.path / school_folders.POLICY, member.folder.policy)
        if common.is_file():
            shutil.copyfile(common, member.folder.schema)
        _ingest(member, school.exports)
        members.append(member)
        progress("schools / scholen", index + 1, len(found))
    return members


def _policy(school: school_folders.SchoolFolder) -> policy.Policy:
    try:
        return policy.read_policy(school.path / school_folders.POLICY)
    except DocumentError as error:  # which of all the policies it is
        raise DocumentError(f"{school.name}/{error.source}", error.problems) from None


def _member(out: Path, school: str, name: str, sizes: Mapping[int, int], secret: bytes | None = None) -> Member:
    return Member(school, name, assembly.create_node(out / "schools" / school, school, name, dict(sizes), None, secret))


def _ingest(member: Member, exports: Path) -> None:
    folder = member.folder
    key = PseudonymKey.load(folder.pseudonym_key)
    try:
        ingest.ingest(exports, folder.mapping, folder.data, key, assembly.open_schema(folder))
    except UnusableInput as error:  # which of all the schools it is
        raise UsageFailed(error.code, error.rule, f"{member.name}: {error.found}", error.remedy) from error


def _found_coalition(options: Options, members: list[Member]) -> tuple[Workspace, Path, dict[str, Path]]:
    """Charter from the schools' cards, with an analyst and two reviewers of three schools; every FG accepts it."""
    people = options.out / "people"
    signers = [("analist", 0, "analyst"), ("toetser-1", 1, "reviewer"), ("toetser-2", 2, "reviewer")]
    public = {name: keys.make_key(people / f"{name}.pem").public.hex() for name, _, _ in signers}
    total = sum(sum(_card(member)["enrolments"].values()) for member in members)
    charter = {
        "charter": 1,
        "name": "Oefencoalitie",
        "collusion_threshold": 1,
        "smallest_roster": 3,
        "planning_students": -(-total * PLANNING_MARGIN[0] // PLANNING_MARGIN[1]),
        "schools": [str(member.folder.card.resolve()) for member in members],
        "people": [
            {"id": name, "school": members[at].id, "role": role, "key": public[name]} for name, at, role in signers
        ],
    }
    document = options.out / "charter.yaml"
    write_private(document, yaml.safe_dump(charter, allow_unicode=True).encode())
    extension = members[0].folder.schema
    workspace = Workspace.create(options.out / "coalition", document, extension if extension.is_file() else None)
    for member in members:
        desk = approving.Desk.open(member.folder)
        approving.accept_charter(desk, workspace.charter, keys.open_key(member.folder.fg_key))
    return workspace, people / "analist.pem", {name: people / f"{name}.pem" for name, _, role in signers[1:]}


def _card(member: Member) -> dict[str, Any]:
    card: dict[str, Any] = json.loads(member.folder.card.read_text(encoding="utf-8"))
    return card


def _submit(options: Options, workspace: Workspace, analyst: Path) -> Experiment:
    asked = definition.read(options.experiment or DEFAULT_EXPERIMENT)
    if options.epsilon is not None:
        budget = asked.budget.model_copy(update={"epsilon": options.epsilon})
        asked = asked.model_copy(update={"budget": budget})
    experiment = definition.freeze(asked, workspace.schema)
    submission.submit(workspace, experiment, "analist", keys.open_key(analyst))
    return experiment


def _approve(workspace: Workspace, experiment: Experiment, members: list[Member], progress: Progress) -> None:
    for done, member in enumerate(members, 1):
        desk = approving.Desk.open(member.folder)
        signed = approving.approve(desk, experiment, keys.open_key(member.folder.fg_key))
        approvals.accept(workspace, signed.to_bytes())
        progress("approvals / goedkeuringen", done, len(members))


def _countersign(workspace: Workspace, members: list[Member]) -> None:
    """Each FG signs the head of its ledger after the run; the finding carries the heads."""
    for member in members:
        desk = approving.Desk.open(member.folder)
        approvals.accept(workspace, approving.countersign(desk, keys.open_key(member.folder.fg_key)).to_bytes())


def _model(workspace: Workspace, experiment: Experiment) -> tuple[Settings, dict[str, Any]]:
    """The released model: its public settings and the state after the last step."""
    run = run_id(experiment.hash, dict(approvals.approved_serials(workspace, experiment)))
    state = canonical.decode(workspace.store.states(run)[-1][2], max_bytes=protocol.MAX_REPLY_BYTES)
    queries = [planned.query for step in workspace.plan(experiment).steps for planned in step.queries]
    settings = next(query.settings for query in queries if isinstance(query, logistic.LogisticGradient))
    assert isinstance(state, dict)
    return settings, state


def _auc_noise_sd(workspace: Workspace, experiment: Experiment) -> float | None:
    """Standard deviation that the privacy noise alone gives the published AUC; None when noise drowned an outcome."""
    _, state = _model(workspace, experiment)
    try:
        found = evaluation.evaluate(state["score_table"], float(state["score_table_sd"][0]), state["edges"])
    except EvaluationError:
        return None
    return found.auc.privacy_sd


def _check_rows(experiment: Experiment, rows: Mapping[str, Students]) -> None:
    """Nothing can be compared without students who dropped out and students who did not."""
    outcome = baselines.join(list(rows.values()))
    learned_from = outcome.outcome[~outcome.held_out]
    positives = int(learned_from.sum())
    if min(positives, len(learned_from) - positives) < baselines.FEWEST_OF_EACH:
        asked = experiment.definition
        rule = f"The schools together have {baselines.FEWEST_OF_EACH} students of either outcome to learn from."
        found = f"{len(learned_from)} students with an outcome '{asked.outcome}', cohorts {asked.population.cohorts}"
        remedy = "Name other cohorts or another outcome, or map the columns the outcome is made of (docs/schema.md)."
        raise UsageFailed("too_few_students", rule, found, remedy)


def _compare(
    workspace: Workspace,
    experiment: Experiment,
    members: list[Member],
    rows: Mapping[str, Students],
    progress: Progress,
) -> dict[str, Any]:
    """Exact figures on the held-out students: each school alone, all rows pooled, and the joint private model."""
    settings, state = _model(workspace, experiment)
    schools = []
    for done, member in enumerate(members, 1):
        own = rows[member.id]
        schools.append(
            {
                "id": member.id,
                "name": member.name,
                "students": len(own),
                "local_auc": baselines.local_auc(own),
                "federated_auc": baselines.auc_on_held_out(logistic.scores(own, settings, state), own),
            }
        )
        progress("comparison / vergelijking", done, len(members))
    together = baselines.join([rows[member.id] for member in members])
    return {
        "pooled_auc": baselines.pooled_auc([rows[member.id] for member in members]),
        "federated_auc": baselines.auc_on_held_out(logistic.scores(together, settings, state), together),
        "schools": schools,
    }


def _data(page: Path, ledgers: Mapping[str, Path], verified: verification.Verification) -> dict[str, Any]:
    """What the command prints: figures of the finding, and where everything is."""
    finding = json.loads((page.parent / publication.FINDING).read_bytes())
    comparison, privacy, auc = finding["comparison"], finding["privacy"], finding["evaluation"]["auc"]
    dearest = {school["id"]: _dearest(privacy["accounts"], school["id"]) for school in comparison["schools"]}
    return {
        "schools": [
            {
                "id": school["id"],
                "students": school["students"],
                "local_auc": school["local_auc"],
                "federated_auc": school["federated_auc"],
                "rho_spent": dearest[school["id"]]["rho_spent"],
                "epsilon_zcdp": dearest[school["id"]]["epsilon_zcdp"],
                "epsilon_pld": dearest[school["id"]]["epsilon_pld"],
            }
            for school in comparison["schools"]
        ],
        "pooled_auc": comparison["pooled_auc"],
        "federated_auc": comparison["federated_auc"],
        "published_auc": auc and auc["value"],
        "auc_interval": [auc["low"], auc["high"]] if auc else [None, None],
        "epsilon": privacy["epsilon"],
        "delta": privacy["delta"],
        "exchanges": privacy["exchanges"],
        "attempts": privacy["attempts"],
        "finding": str(page),
        "ledgers": [str(path) for path in ledgers.values()],
        "verified": verified.ok,
        "definition_hash": finding["evidence"]["definition_hash"],
    }


def _dearest(accounts: list[dict[str, Any]], school: str) -> dict[str, Any]:
    """The account of this school that paid most."""
    return max((a for a in accounts if a["school"] == school), key=lambda a: Fraction(a["rho_spent"]))
