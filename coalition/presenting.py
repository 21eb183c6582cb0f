"""What the coordinator's functions found arrives; a report for people and machines leaves."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coalition import approvals, review, submission
from coalition.errors import UsageFailed
from experiments.terminal import Block, Grid, Report
from privacy import tls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coalition.verification import Verification
    from coalition.workspace import Workspace
    from experiments.definition import Experiment
    from privacy.charter import Charter
    from privacy.tls import Authority, Issued


def charter(found: Charter, folder: Path) -> Report:
    """A new workspace: whom the charter lists, and the keys to compare."""
    from coalition.charters import fingerprints

    keys = fingerprints(found)
    data = {
        "workspace": str(folder),
        "charter": str(folder / "charter.cbor"),
        "charter_hash": found.hash.hex(),
        "version": found.version,
        "fingerprints": [{"who": who, "key": kind, "fingerprint": print_} for who, kind, print_ in keys],
    }
    blocks: list[Block] = [
        f"Charter {found.name}, version {found.version}: {len(found.schools)} schools, {len(found.people)} people.",
        Grid(
            "Keys to compare by another channel / Sleutels om per telefoon te vergelijken",
            ("who", "key", "fingerprint"),
            keys,
        ),
        f"Next: send {folder / 'charter.cbor'} to every FG (coalition-node approve NODE --charter FILE).",
    ]
    return Report(data, blocks)


def status(workspace: Workspace) -> Report:
    """Every experiment: how far it is, and who has to do what next."""
    rows = [_experiment(workspace, experiment) for experiment in workspace.experiments()]
    columns = ("experiment", "hash", "status", "approved by", "waiting for")
    cells = [
        (
            row["experiment"],
            row["definition_hash"][:12],
            row["status"],
            ", ".join(row["approved"]) or "-",
            row["waiting_for"],
        )
        for row in rows
    ]
    data = {"charter_hash": workspace.charter.hash.hex(), "experiments": rows}
    none = "No experiment was submitted yet. / Er is nog geen experiment ingediend."
    block: Block = Grid("Experiments / Experimenten", columns, cells) if rows else none
    return Report(data, [block])


def _experiment(workspace: Workspace, experiment: Experiment) -> dict[str, Any]:
    now = workspace.store.status(experiment.hash) or "draft"
    approved = [school for school, _ in approvals.approved_serials(workspace, experiment)]
    return {
        "experiment": experiment.definition.experiment,
        "definition_hash": experiment.hash.hex(),
        "status": now,
        "approved": approved,
        "waiting_for": _waiting_for(workspace, experiment, now, approved),
    }


def _waiting_for(workspace: Workspace, experiment: Experiment, now: str, approved: list[str]) -> str:
    match now:
        case "submitted":
            missing = [school.id for school in workspace.charter.schools if school.id not in approved]
            least = submission.fewest_schools(workspace, experiment)
            return f"FG of {', '.join(missing)} ({len(approved)} of at least {least})"
        case "approved":
            return "coordinator: coalition run"
        case "prepared" | "running" | "opened":
            return "coordinator: coalition run, which resumes"
        case "checked":
            finding = review.drafted(workspace, experiment)
            return f"reviewers: {review.missing(review.reviews_of(workspace, finding))}"
        case "reviewed":
            return "coordinator: coalition publish"
        case "stopped":
            return "new approvals of the FGs"
    return "nobody"


def finding(found: Mapping[str, Any], experiment: Experiment) -> Report:
    """A drafted finding in a few figures."""
    evaluation, privacy = found["evaluation"], found["privacy"]
    data = {
        "experiment": found["experiment"],
        "definition_hash": experiment.hash.hex(),
        "finding_hash": review.finding_hash(found).hex(),
        "auc": evaluation["auc"],
        "exchanges": privacy["exchanges"],
        "attempts": privacy["attempts"],
        "disclosure": found["disclosure"],
    }
    auc = evaluation["auc"]
    words = (
        "not measurable under this noise"
        if auc is None
        else f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
    )
    blocks = [
        f"{found['experiment']}: AUC {words}, {privacy['exchanges']} exchanges, {privacy['attempts']} questions.",
        f"Finding {data['finding_hash'][:16]}: disclosure rules passed; waits for two reviewers of two schools.",
    ]
    return Report(data, blocks)


def verification(done: Verification) -> Report:
    """Every check with its outcome; the report carries an error when one does not hold."""
    rows = [("yes / ja" if check.ok else "NO / NEE", check.name, check.found) for check in done.checks]
    data = {
        "bundle": str(done.folder),
        "verified": done.ok,
        "checks": [{"check": check.name, "ok": check.ok, "found": check.found} for check in done.checks],
    }
    verdict = (
        "Everything that was checked holds. / Alles wat is gecontroleerd, klopt."
        if done.ok
        else "This finding does not hold. / Deze bevinding klopt niet."
    )
    grid = Grid("Checks / Controles", ("holds", "check", "found"), rows)
    return Report(data, [grid, verdict], done.error)


def certificate(authority: Authority, issued: Issued) -> Report:
    """Where the SuperLink's certificate lies, and what every school needs of it."""
    data = {
        "authority": str(authority.certificate),
        "certificate": str(issued.certificate),
        "key": str(issued.key),
        "valid_until": issued.until.isoformat(),
        "fingerprint": tls.certificate_fingerprint(authority.certificate),
    }
    lines = [
        f"The SuperLink starts with {issued.certificate.parent}. / Hiermee start de SuperLink.",
        f"Valid until / geldig tot {issued.until:%Y-%m-%d}; the same command renews it. / Opnieuw geven vernieuwt het.",
        f"Give every school {authority.certificate}. / Geef elke school dit bestand.",
        f"Fingerprint to read out / vingerafdruk om voor te lezen: {data['fingerprint']}",
    ]
    return Report(data, lines)


def registered(school: str) -> Report:
    """A relay that the SuperLink lets in from now on."""
    return Report({"school": school, "registered": True}, [f"The relay of {school} is let in. / Toegelaten."])


def decimal(text: str) -> Decimal:
    """A number as an analyst types it; `UsageFailed` for anything else."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or value <= 0:
        raise UsageFailed("not_an_epsilon", "--epsilon is a number above 0.", f"'{text[:20]}'", "Write it like 1.0.")
    return value


PERSON_SCHOOLS = 2  # as in the finding


def rehearsed(found: Mapping[str, Any]) -> Report:
    """The closing table of a rehearsal, and where to look next."""
    from privacy import accounting

    delta = Fraction(found["delta"])

    def at_two_schools(rho: str) -> float:
        return accounting.epsilon_from_rho(accounting.shared_sum(Fraction(rho), PERSON_SCHOOLS), delta)

    rows = [
        (
            school["id"],
            str(school["students"]),
            _auc(school["local_auc"]),
            _auc(school["federated_auc"]),
            f"{float(Fraction(school['rho_spent'])):.4g}",
            f"{school['epsilon_zcdp']:.3f}",
            f"{school['epsilon_pld']:.3f}",
            f"{at_two_schools(school['rho_spent']):.3f}",
        )
        for school in found["schools"]
    ]
    columns = ("school", "students", "AUC alone", "AUC together", "rho", "epsilon (proved)", "estimate", "at 2 schools")
    low, high = found["auc_interval"]
    blocks: list[Block] = [
        Grid("Only in a rehearsal: exact figures / Alleen in een oefening: exacte cijfers", columns, rows),
        f"AUC of the joint model {_auc(found['federated_auc'])} (published interval {_auc(low)} to {_auc(high)}), "
        f"all rows pooled {_auc(found['pooled_auc'])}.",
        f"epsilon {found['epsilon']:g} at delta {found['delta']}, {found['exchanges']} exchanges.",
        f"Read the finding / Lees de bevinding: {found['finding']}",
        f"Check it / Controleer: coalition verify {Path(found['finding']).parent}",
    ]
    return Report(found, blocks)


def _auc(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
