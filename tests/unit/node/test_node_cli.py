"""`coalition-node` as it is typed: founding, signing on two machines, the ledger, and what goes wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import node.cli
from coalition import approvals
from experiments import keys, terminal
from node import founding
from node.errors import UnusableInput
from node.policy import read_policy
from privacy.identity import SigningKey
from tests.unit.coalition.office import SIZE, Office, office

Say = Callable[..., tuple[int, dict[str, Any]]]
SCHOOL = "school-0"


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Type a command with --format json; return exit code and data, with `code` beside it."""

    def said(*words: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = terminal.run(node.cli.app, "coalition-node", [*(str(word) for word in words), "--format", "json"])
        document = json.loads(capsys.readouterr().out)
        return code, {**document["data"], "code": document["error_code"]}

    return said


@pytest.fixture
def made(tmp_path: Path) -> Office:
    """A coalition with an accepted charter and one submitted experiment."""
    found = office(tmp_path)
    found.accept_charter()
    found.submit()
    return found


@pytest.fixture
def request_file(made: Office) -> Path:
    """What the coordinator sends to every FG."""
    return made.workspace.root / "to-schools" / "uitval-jaar-1.experiment"


# ---- founding


def test_a_founded_node_has_a_policy_that_explains_itself(tmp_path: Path) -> None:
    """Without --policy, a careful one is written, in Dutch and English, that reads back with the sizes given."""
    folder = founding.found(tmp_path / "node", "a", "A", None, ["2022=800", "2023=810"], None, None, None)
    policy = read_policy(folder.policy)
    assert policy.public_size == {2022: 800, 2023: 810} and not policy.ready
    assert folder.policy.read_text("utf-8").count(" / ") >= 8
    assert json.loads(folder.card.read_bytes())["enrolments"] == {"2022": 800, "2023": 810}


def test_a_shipped_layout_or_a_file_becomes_the_mapping(tmp_path: Path) -> None:
    """`--mapping osiris` copies the shipped one; another name lists what there is."""
    folder = founding.found(tmp_path / "node", "a", "A", None, ["2022=800"], "osiris", None, None)
    assert folder.mapping.read_bytes() == (founding.LAYOUTS / "osiris.yaml").read_bytes()
    with pytest.raises(UnusableInput, match="osiris"):
        founding.found(tmp_path / "other", "a", "A", None, ["2022=800"], "oziris", None, None)
    assert not (tmp_path / "other").exists()


def test_a_list_is_taken_in_by_the_name_of_its_layout(say: Say, tmp_path: Path) -> None:
    """`ingest --mapping brin` beside the node's own mapping; a name that does not exist lists those that do."""
    founding.found(tmp_path / "node", "a", "A", None, ["2022=800"], "osiris", None, None)
    (tmp_path / "BRIN.csv").write_text("school,BRIN\nAlbeda ,00GT\n", encoding="utf-8")
    code, data = say("ingest", tmp_path / "node", "--exports", tmp_path / "BRIN.csv", "--mapping", "brin")
    assert (
        code == 0 and data["quality"]["layout"] == "brin" and data["registered"] == {"new": 0, "known": 0, "unknown": 0}
    )
    code, data = say("check", tmp_path / "node", "--exports", tmp_path / "BRIN.csv", "--mapping", "brinn")
    assert (code, data["code"]) == (2, "no_mapping")


def test_an_fg_may_keep_the_key_elsewhere(say: Say, tmp_path: Path) -> None:
    """With --fg-public no FG key is made here, and the card carries the one given."""
    public = SigningKey.generate().public.hex()
    words = ("--school", "a", "--name", "A", "--size", "2022=800", "--fg-public", public)
    code, data = say("init", tmp_path / "node", *words)
    assert (code, data["fg_key"]) == (0, public)
    assert not (tmp_path / "node" / "keys" / "fg.pem").exists()
    assert say("init", tmp_path / "node", *words)[1]["code"] == "node_exists"
    assert say("init", tmp_path / "x", *words[:-1], "12")[1]["code"] == "not_a_key"


def test_a_changed_size_asks_for_a_new_card(say: Say, made: Office) -> None:
    """`policy` says when the card lags behind the policy, and writes it again when asked."""
    folder = made.node_folder(SCHOOL)
    assert say("policy", folder.root)[1]["card_is_current"]
    folder.policy.write_text(folder.policy.read_text().replace(f"2022: {SIZE // 2}", "2022: 999"))
    assert not say("policy", folder.root)[1]["card_is_current"]
    assert say("policy", folder.root, "--card")[1]["card_is_current"]
    assert json.loads(folder.card.read_bytes())["enrolments"]["2022"] == 999


# ---- signing


def test_signing_on_a_machine_that_holds_nothing_but_the_key(
    say: Say, made: Office, request_file: Path, tmp_path: Path
) -> None:
    """Export at the school, sign far away with the experiment shown, import: the coordinator accepts the result."""
    folder, far = made.node_folder(SCHOOL), tmp_path / "far"
    far.mkdir()
    shutil.move(folder.fg_key, far / "fg.pem")
    out = tmp_path / "carried"
    assert say("approve", folder.root, "--experiment", request_file, "--yes")[1]["code"] == "no_fg_key"
    code, exported = say("approve", folder.root, "--experiment", request_file, "--export", out)
    assert code == 0 and exported["asked"]["plan"]["exchanges"] <= 12
    for file in (out, out.with_name("carried.experiment")):
        shutil.copy(file, far)
    code, signed = say(
        "sign", far / "carried", "--key", far / "fg.pem", "--experiment", far / "carried.experiment", "--yes"
    )
    assert code == 0 and signed["statement"] == "Approval"
    code, taken = say("approve", folder.root, "--experiment", request_file, "--import", far / "carried.signed")
    assert code == 0, taken
    approvals.accept(made.workspace, Path(taken["signed"]).read_bytes())
    assert approvals.approved_serials(made.workspace, made.experiment) == ((SCHOOL, 1),)


def test_signing_far_away_refuses_another_experiment_than_the_one_shown(
    say: Say, made: Office, request_file: Path, tmp_path: Path
) -> None:
    """The file shown beside a message must be the one whose hash the message names."""
    out = tmp_path / "carried"
    say("approve", made.node_folder(SCHOOL).root, "--experiment", request_file, "--export", out)
    key = made.node_folder(SCHOOL).fg_key
    other = made.workspace.root / "charter.cbor"
    assert say("sign", out, "--key", key, "--charter", other, "--yes")[0] == 0
    (tmp_path / "node.cbor").write_bytes(b"\x80")
    assert say("sign", tmp_path / "node.cbor", "--key", key, "--yes")[0] != 0
    (out.with_name("carried.experiment")).write_bytes(_renamed(made))
    words = ("--experiment", out.with_name("carried.experiment"), "--yes")
    assert say("sign", out, "--key", key, *words)[1]["code"] == "other_experiment"


def _renamed(made: Office) -> bytes:
    from experiments.definition import Experiment

    asked = made.experiment.definition.model_copy(update={"experiment": "another-question"})
    return Experiment(asked, made.experiment.schema_hash).encoded


def test_an_import_is_for_what_is_named(say: Say, made: Office, request_file: Path, tmp_path: Path) -> None:
    """A signature for one experiment, imported while another is shown, is refused."""
    folder = made.node_folder(SCHOOL)
    (tmp_path / "other.experiment").write_bytes(_renamed(made))
    for name, file in (("first", request_file), ("second", tmp_path / "other.experiment")):
        say("approve", folder.root, "--experiment", file, "--export", tmp_path / name)
    say("sign", tmp_path / "second", "--key", folder.fg_key, "--yes")
    words = ("--experiment", request_file, "--import", tmp_path / "second.signed")
    assert say("approve", folder.root, *words)[1]["code"] == "signed_for_another"


def test_the_charter_is_shown_and_accepted(say: Say, tmp_path: Path) -> None:
    """Members and fingerprints first; then it is signed, once."""
    fresh = office(tmp_path)
    words = ("approve", fresh.folder / SCHOOL, "--charter", fresh.workspace.root / "charter.cbor", "--yes")
    code, data = say(*words)
    assert code == 0 and len(data["charter"]["schools"]) == 3
    assert say(*words)[0] == 3


def test_nobody_signs_by_accident(say: Say, made: Office, request_file: Path) -> None:
    """Without --yes and without a terminal to ask on, nothing is signed."""
    folder = made.node_folder(SCHOOL)
    assert say("approve", folder.root, "--experiment", request_file)[1]["code"] == "usage"
    assert not made.desk(SCHOOL).state.approvals


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--cap-epsilon", "0.5"), "budget_above_cap"),
        (("--cap-epsilon", "nothing"), "not_an_epsilon"),
        (("--cap-epsilon", "-1"), "not_an_epsilon"),
        (("--expires", "2020-01-01"), "approval_expired"),
        (("--expires", "tomorrow"), "not_a_date"),
        (("--own-figures",), "own_figures_forbidden"),
        (("--withdraw", "1"), "one_at_a_time"),
    ],
)
def test_terms_that_cannot_be(say: Say, made: Office, request_file: Path, words: tuple[str, ...], code: str) -> None:
    """Each with its own code, and nothing signed."""
    root = made.node_folder(SCHOOL).root
    assert say("approve", root, "--experiment", request_file, *words, "--yes")[1]["code"] == code
    assert not made.desk(SCHOOL).state.approvals


def test_a_key_under_a_passphrase(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key made under a passphrase opens with it and not without; the passphrase never stands on a command line."""
    monkeypatch.setenv(keys.PASSPHRASE, "geheim")
    made_key = keys.make_key(tmp_path / "fg.pem")
    assert keys.open_key(tmp_path / "fg.pem").public == made_key.public
    monkeypatch.delenv(keys.PASSPHRASE)
    made = office(tmp_path)
    made.accept_charter()
    words = ("ledger", made.folder / SCHOOL, "--countersign", "--key", tmp_path / "fg.pem", "--yes")
    assert say(*words)[1]["code"] == "key_file"


# ---- the ledger


def test_the_ledger_shows_budget_and_entries(say: Say, made: Office, tmp_path: Path) -> None:
    """Newest entries, the head, a copy that is itself a ledger; an existing file is not overwritten."""
    root = made.node_folder(SCHOOL).root
    code, shown = say("ledger", root, "--entries", "1", "--copy", tmp_path / "copy.sqlite")
    assert code == 0 and [entry["kind"] for entry in shown["newest"]] == ["charter"]
    from privacy.verify import verify_ledger

    assert verify_ledger(tmp_path / "copy.sqlite").head == shown["head"]
    assert say("ledger", root, "--copy", tmp_path / "copy.sqlite")[1]["code"] == "file_exists"


def test_a_countersigned_head_goes_to_the_coordinator(say: Say, made: Office) -> None:
    """Signed at the school, taken at the coordinator."""
    code, data = say("ledger", made.node_folder(SCHOOL).root, "--countersign", "--yes")
    assert code == 0
    statement = approvals.accept(made.workspace, Path(data["signed"]).read_bytes())
    assert made.workspace.store.names("head") == [f"{SCHOOL}/{statement.seq:012d}"]  # type: ignore[attr-defined]


def test_a_restored_backup_is_shown_and_waits_for_the_fg(say: Say, made: Office) -> None:
    """Without its counter the ledger is shown as blocked; the head that the FG holds opens it again."""
    folder = made.node_folder(SCHOOL)
    head = made.desk(SCHOOL).state.head.hex()
    folder.counter.unlink()
    code, shown = say("ledger", folder.root)
    assert code == 0 and shown["blocked"]
    assert say("ledger", folder.root, "--accept-head", "00" * 32)[0] == 5
    assert say("ledger", folder.root, "--accept-head", "zz")[1]["code"] == "not_a_head"
    assert say("ledger", folder.root, "--accept-head", head)[0] == 0
    assert say("ledger", folder.root)[1]["blocked"] is None


def test_features_are_listed_before_any_delivery(say: Say, made: Office) -> None:
    """Bounds and sensitivity are public declarations; without a delivery nothing is filled."""
    code, data = say("features", made.node_folder(SCHOOL).root, "--cutoff-week", "3")
    assert code == 0 and all(row["low"] < row["high"] for row in data["features"])
    assert {row["coverage"] for row in data["features"]} <= {0.0, 1.0}
    assert say("check", made.node_folder(SCHOOL).root)[1]["code"] == "no_delivery"


def test_text_reports_are_drawn(capsys: pytest.CaptureFixture[str], made: Office, request_file: Path) -> None:
    """The same commands in words: tables on stdout, Dutch beside English."""
    root = str(made.node_folder(SCHOOL).root)
    words = ["approve", root, "--experiment", str(request_file), "--yes"]
    assert terminal.run(node.cli.app, "coalition-node", words) == 0
    shown = capsys.readouterr().out
    assert "Privacybudget van deze school" in shown and "enrolment." in shown
    assert terminal.run(node.cli.app, "coalition-node", ["ledger", root]) == 0
    assert "approval" in capsys.readouterr().out
    assert terminal.run(node.cli.app, "coalition-node", ["policy", root]) == 0
    assert "At least 3 schools together" in capsys.readouterr().out
