"""charter.yaml and cards: what they become, and what is refused with words that help."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coalition import charters
from coalition.errors import UsageFailed
from coalition.workspace import Workspace
from experiments import planning
from privacy.charter import Charter
from privacy.errors import CharterError
from privacy.identity import SigningKey, fingerprint
from shared_schema.errors import DocumentError
from tests.unit.coalition.office import SIZE, Office, charter_yaml, office


@pytest.fixture
def made(tmp_path: Path) -> Office:
    return office(tmp_path)


def test_a_charter_holds_what_cards_and_yaml_say(made: Office) -> None:
    """Keys and public sizes come from the cards, thresholds and people from charter.yaml; both survive the disk."""
    charter = made.workspace.charter
    card = json.loads((made.folder / "school-0" / "card.json").read_bytes())
    assert charter.school("school-0").node_key.hex() == card["node_key"]
    assert charter.school("school-0").enrolments == {2022: SIZE // 2, 2023: SIZE // 2}
    assert charter.person("rik").key == made.people["rik"].public
    assert charter.coordinator_key == made.workspace.key.public
    assert Charter.from_bytes((made.workspace.root / "charter.cbor").read_bytes()) == charter
    assert Workspace.open(made.workspace.root).charter.hash == charter.hash


def test_every_key_of_a_charter_can_be_compared(made: Office) -> None:
    """Fingerprints of coordinator, nodes, FGs and people: nobody's key is left out."""
    shown = {(who, kind): text for who, kind, text in charters.fingerprints(made.workspace.charter)}
    assert len(shown) == 1 + 2 * 3 + len(made.people)
    assert shown[("school-1", "fg")] == fingerprint(made.fg("school-1").public)


def test_a_second_version_follows_the_first(made: Office, tmp_path: Path) -> None:
    """A changed charter.yaml gives version 2, which names the hash of version 1."""
    first = made.workspace.charter
    second = charters.read(tmp_path / "charter.yaml", made.workspace.key.public, first)
    assert (second.version, second.previous_hash) == (2, first.hash)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("smallest_roster: 3", "smallest_roster: 3\nsecret: 1", 5),
        ("role: analyst", "role: boss", 11),
        ("collusion_threshold: 1", "collusion_threshold: one", 3),
    ],
)
def test_a_mistake_in_charter_yaml_is_named_with_its_line(made: Office, old: str, new: str, line: int) -> None:
    """Unknown keys, roles and types are refused with the line they stand on."""
    document = made.folder / "charter.yaml"
    document.write_text(document.read_text().replace(old, new))
    with pytest.raises(DocumentError) as found:
        charters.read(document, made.workspace.key.public)
    assert found.value.problems[0].line == line


@pytest.mark.parametrize("content", ["", "[]", '{"card": 1}', '{"card": 1, "id": "a", "extra": 2}', "9" * 70_000])
def test_a_card_that_is_none_is_refused_by_name(made: Office, content: str) -> None:
    """Whatever stands in card.json, the message names the file and says whom to ask."""
    (made.folder / "school-1" / "card.json").write_text(content)
    with pytest.raises(UsageFailed, match=r"card\.json.*coalition-node init") as found:
        charters.read(made.folder / "charter.yaml", made.workspace.key.public)
    assert found.value.code == "not_a_card"


def test_a_charter_too_weak_for_its_roster_is_refused(made: Office) -> None:
    """t = 2 needs four schools; three cards are not enough."""
    document = made.folder / "charter.yaml"
    document.write_text(document.read_text().replace("collusion_threshold: 1", "collusion_threshold: 2"))
    with pytest.raises(CharterError, match=r"t \+ 2"):
        charters.read(document, made.workspace.key.public)


def test_nothing_is_written_for_a_charter_that_does_not_hold(made: Office) -> None:
    """A refused charter leaves no workspace behind, and a workspace is never made over another."""
    document = made.folder / "wrong.yaml"
    document.write_text(charter_yaml(made.schools[:2], made.people))
    with pytest.raises(DocumentError):
        Workspace.create(made.folder / "new", document)
    assert not (made.folder / "new").exists()
    with pytest.raises(UsageFailed, match="made once"):
        Workspace.create(made.workspace.root, made.folder / "charter.yaml")


def test_a_key_that_a_stopped_init_left_is_kept(tmp_path: Path, made: Office) -> None:
    """Init stopped between key and charter goes on with the same key when it is run again."""
    root = tmp_path / "again"
    root.mkdir()
    key = SigningKey.generate()
    key.save(root / "coordinator.pem")
    assert Workspace.create(root, made.folder / "charter.yaml").charter.coordinator_key == key.public


def test_an_experiment_is_found_by_name_or_hash_and_never_guessed(made: Office) -> None:
    """Name, or at least eight digits of the hash; anything else lists what there is."""
    experiment = made.submit()
    workspace = made.workspace
    assert workspace.experiment("uitval-jaar-1").hash == experiment.hash
    assert workspace.experiment(experiment.hash.hex()[:8]).hash == experiment.hash
    for wrong in ("uitval", experiment.hash.hex()[:7], ""):
        with pytest.raises(UsageFailed, match="uitval-jaar-1"):
            workspace.experiment(wrong)
    assert isinstance(workspace.plan(experiment), planning.Plan)
