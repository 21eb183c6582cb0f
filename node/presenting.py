"""What a node's functions found arrives; reports for people and machines leave."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.terminal import Grid, Report, rational
from node.folder import NodeFolder, read_card, write_card
from node.founding import existing
from node.policy import Policy, read_policy
from privacy import accounting
from privacy.identity import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator


def founded(folder: NodeFolder) -> Report:
    """A new node: where its card is, and the fingerprints to read out."""
    card = _card(folder)
    data = {**card, "node": str(folder.root), "card_file": str(folder.card), "policy": str(folder.policy)}
    lines = [
        f"Node of {card['name']} ({card['id']}) made in {folder.root}.",
        f"Node key / sleutel van de node: {fingerprint(bytes.fromhex(card['node_key']))}",
        f"FG key / sleutel van de FG: {fingerprint(bytes.fromhex(card['fg_key']))}",
        f"Keep {folder.counter} outside every backup. / Neem dit bestand in geen enkele back-up op.",
        f"Next: send {folder.card} to the coordinator; put exports in {folder.exports}.",
    ]
    return Report(data, lines)


def _card(folder: NodeFolder) -> dict[str, Any]:
    return read_card(folder)


def policy(root: Path, write: bool) -> Report:
    """The rules in words; with `write`, the card is written again from the policy's public sizes."""
    folder = existing(root)
    card, rules = _card(folder), read_policy(folder.policy)
    if write:
        keys = bytes.fromhex(card["node_key"]), bytes.fromhex(card["fg_key"])
        write_card(folder, card["id"], card["name"], *keys, dict(rules.public_size))
        card = _card(folder)
    current = card["enrolments"] == {str(cohort): size for cohort, size in rules.public_size.items()}
    budget = {"rho": rational(rules.lifetime_budget.rho), **rules.model_dump(mode="json")["lifetime_budget"]}
    data = {**rules.model_dump(mode="json"), "lifetime_budget": budget, "card_is_current": current}
    stale = "The card has other sizes: write it again with --card, and send it. / De kaart loopt achter."
    return Report(data, [*words(rules), *([] if current else [stale])])


def words(rules: Policy) -> Iterator[str | Grid]:
    """Every rule as a sentence, Dutch first."""
    ready = ("ja", "yes") if rules.ready else ("nee, alles wordt geweigerd", "no, everything is refused")
    own = ("toegestaan", "allowed") if rules.own_figures else ("niet toegestaan", "not allowed")
    listed = ("tellen mee", "count") if rules.sensitive_on_list else ("tellen niet mee", "do not count")
    budget = rules.lifetime_budget
    two = f"{accounting.epsilon_from_rho(accounting.shared_sum(budget.rho, 2), Fraction(budget.delta)):.2f}"
    pairs = [
        (f"Data klaar: {ready[0]}.", f"Data ready: {ready[1]}."),
        (f"Minstens {rules.fewest_schools} scholen samen.", f"At least {rules.fewest_schools} schools together."),
        (f"Geen cohort onder {rules.smallest_cohort} studenten.", f"No cohort below {rules.smallest_cohort} students."),
        (
            f"Bestand tegen minstens {rules.least_collusion_threshold} samenspannende school.",
            f"Withstands at least {rules.least_collusion_threshold} colluding school.",
        ),
        (
            f"Een student kost in zijn leven hoogstens epsilon {budget.epsilon} bij delta {budget.delta}.",
            f"A student costs at most epsilon {budget.epsilon} at delta {budget.delta} in a lifetime.",
        ),
        (
            f"Wie op twee zulke scholen zit, kost samen hoogstens epsilon {two}.",
            f"A person at two such schools costs at most epsilon {two} together.",
        ),
        (f"Cijfers van deze school alleen: {own[0]}.", f"Figures of this school alone: {own[1]}."),
        (
            f"Gevoelige kenmerken op de uitnodigingslijst: {listed[0]}.",
            f"Sensitive features on the invitation list: {listed[1]}.",
        ),
        (f"Een plan blijft {rules.plan_days} dagen staan.", f"A plan stands for {rules.plan_days} days."),
        (
            f"Hoogstens {rules.countersigned_days} dagen na de laatste handtekening van de FG begint een run.",
            f"A run begins at most {rules.countersigned_days} days after the FG last countersigned.",
        ),
    ]
    for dutch, english in pairs:
        yield f"{dutch} / {english}"
    rows = [(str(cohort), str(size)) for cohort, size in sorted(rules.public_size.items())]
    yield Grid("Openbare omvang / Public size", ("cohort", "studenten / students"), rows)
