"""Documents, budgets and approvals that will not do: both command lines say what, where and what to do about it."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from coalition import approvals, running
from coalition.errors import NotAllowed
from experiments import definition
from experiments.definition import Experiment
from node.answer import answer
from node.service import serving
from privacy.statements import Approval, sign
from shared_schema import load_schema
from tests.kit import DEFAULT
from tests.unit.coalition.office import Office, office
from tests.unit.node import marked_school
from tests.unit.node.marked_school import MAPPING, csv_text, refused, rows, type_in

Capture = pytest.CaptureFixture[str]
POLICY = "policy: 1\nready: true\npublic_size: {2022: 60, 2023: 60}\n"
EXTENSION = "schema_extension: 1\ntitle: {nl: a, en: a}\ncolumns: {}\n"
DAY = 86_400


@pytest.fixture
def made(tmp_path: Path) -> Office:
    """A coalition of three schools whose FGs accepted its charter."""
    found = office(tmp_path)
    found.accept_charter()
    found.people["ada"].save(tmp_path / "ada.pem")
    return found


def changed(made: Office, old: str, new: str) -> Path:
    """The default experiment with one change."""
    text = DEFAULT.read_text("utf-8")
    assert old in text
    path = made.folder / "changed.yaml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


def submitting(made: Office, experiment: Path) -> tuple[object, ...]:
    """What the analyst types."""
    return ("submit", made.workspace.root, experiment, "--as", "ada", "--key", made.folder / "ada.pem", "--yes")


def approving(made: Office, experiment: Path, *more: object) -> tuple[object, ...]:
    """What the FG of school-0 types."""
    return ("approve", made.folder / "school-0", "--experiment", experiment, *more, "--yes")


def running_it(made: Office, experiment: Experiment, *doors: str) -> tuple[object, ...]:
    """What the coordinator types; doors: SCHOOL=PATH of each socket."""
    return ("run", made.workspace.root, experiment.definition.experiment, *(w for d in doors for w in ("--socket", d)))


# ---- documents: an unknown key, with its line


@pytest.mark.parametrize("file", ["policy", "schema"])
def test_an_unknown_key_in_the_nodes_documents(made: Office, capfd: Capture, file: str) -> None:
    """Policy and schema extension of a school: the line, the key, and what it may have meant."""
    folder = made.node_folder("school-0")
    path, command = {"policy": (folder.policy, "policy"), "schema": (folder.schema, "ingest")}[file]
    before = folder.policy.read_text() if file == "policy" else EXTENSION
    path.write_text(before + "colour: red\n")
    code, data = refused(capfd, "coalition-node", command, folder.root)
    assert code == "document"
    assert _keys(data) == [("colour", before.count("\n") + 1)]


@pytest.mark.parametrize("who", ["analyst", "fg"])
def test_an_unknown_key_in_an_experiment(made: Office, capfd: Capture, who: str) -> None:
    """The analyst who submits and the FG who is shown the YAML read the same line."""
    path = changed(made, "purpose:", "purpos: {nl: a, en: a}\npurpose:")
    line = 1 + path.read_text().split("\n").index("purpos: {nl: a, en: a}")
    words = {"analyst": ("coalition", *submitting(made, path)), "fg": ("coalition-node", *approving(made, path))}[who]
    code, data = refused(capfd, *map(str, words))
    assert (code, _keys(data)) == ("document", [("purpos", line)])
    assert "'purpose'" in data["problems"][0]["remedy_en"]


def test_an_unknown_key_in_a_charter(made: Office, capfd: Capture) -> None:
    """Nothing is made of it."""
    path = made.folder / "charter.yaml"
    path.write_text("smallest_rooster: 3\n" + path.read_text())
    code, data = refused(capfd, "coalition", "init", made.folder / "new", "--charter", path)
    assert (code, _keys(data)) == ("document", [("smallest_rooster", 1)])
    assert not (made.folder / "new").exists()


def _keys(data: dict) -> list[tuple[str, int]]:
    return [(problem["found"], problem["line"]) for problem in data["problems"]]


# ---- what is asked: queries, names, budgets, schools

ASKED = [
    ("query: two_stage_logistic", "query: select_everything", "document", "select_everything"),
    ("epsilon: 1.0", "epsilon: 20.5", "document", "20.5"),
    ("delta: 1e-6", "delta: 0.5", "document", "0.5"),
    ("gradients: 0.80", "gradients: 0.85", "document", "not to 1.05"),
    ("outcome: dropout_year_1", "outcome: shoe_size", "definition", "shoe_size"),
    ("[background, attendance, results]", "[background, colours]", "definition", "colours"),
    ("cohorts: [2022, 2023]", "cohorts: [2019]", "plan", "2019"),
    ("fewest: 3", "fewest: 4", "too_few_schools", "a charter with 3"),
]


@pytest.mark.parametrize(("old", "new", "code", "told"), ASKED, ids=[case[1] for case in ASKED])
def test_an_experiment_that_may_not_be_asked(
    made: Office, capfd: Capture, old: str, new: str, code: str, told: str
) -> None:
    """Unknown query or name, a budget above the maximum, more schools than there are: refused before submission."""
    found, data = refused(capfd, "coalition", *submitting(made, changed(made, old, new)))
    assert found == code
    assert told in str(data.get("problems", data["found"]))
    assert made.workspace.store.statuses() == {}


def test_a_budget_above_the_fgs_cap_is_refused(made: Office, capfd: Capture) -> None:
    """The cap of this approval, and the school's lifetime budget: nothing is signed, the plan is never altered."""
    code, data = refused(capfd, "coalition-node", *approving(made, DEFAULT, "--cap-epsilon", "0.5"))
    assert (code, "a plan of" in data["found"]) == ("budget_above_cap", True)
    code, data = refused(capfd, "coalition-node", *approving(made, changed(made, "epsilon: 1.0", "epsilon: 9.0")))
    assert (code, "left of its lifetime budget" in data["rule"]) == ("budget_exhausted", True)
    assert made.desk("school-0").state.approvals == {}


def test_a_charter_of_two_schools_is_refused(made: Office, capfd: Capture) -> None:
    """Too few schools from the start: with one colluding, the other two would see each other's sums."""
    path = made.folder / "charter.yaml"
    path.write_text(path.read_text().replace("  - school-2/card.json\n", ""))
    code, _, shown = type_in(capfd, "coalition", "init", made.folder / "new", "--charter", path)
    assert (code, "at least 3 items" in shown) == (2, True)
    assert not (made.folder / "new").exists()


# ---- approvals


def approval_file(made: Office, experiment: Experiment, **terms: object) -> Path:
    """An approval signed by the right FG, with these terms."""
    charter = made.workspace.charter
    fields = {"serial": 7, "cap_rho": None, "expires": 2**40, "own_figures": False, "signed_at": 1, **terms}
    statement = Approval("school-0", charter.hash, experiment.hash, **fields)  # type: ignore[arg-type]
    path = made.folder / "given.signed"
    path.write_bytes(sign(statement, made.fg("school-0")).to_bytes())
    return path


def test_an_expired_approval_is_refused(made: Office, capfd: Capture) -> None:
    """On import; and one that expired since is not counted when the run starts. The FG cannot sign one either."""
    experiment = made.submit()
    given = approval_file(made, experiment, expires=1_700_000_000)
    code, data = refused(capfd, "coalition", "approve", made.workspace.root, given)
    assert (code, data["found"]) == ("approval_expired", "expired for school-0")
    made.approve(experiment)
    with pytest.raises(NotAllowed) as late:
        approvals.start(made.workspace, experiment, now=2**40)
    assert (late.value.code, late.value.found) == ("approval_missing", "0 (none)")
    shown = changed(made, "uitval-jaar-1", "uitval-nog-eens")
    assert refused(capfd, "coalition-node", *approving(made, shown, "--expires", "2020-01-01"))[0] == "approval_expired"


def test_an_approval_for_another_hash_is_refused(made: Office, capfd: Capture) -> None:
    """One changed number is another experiment: its approval allows nothing here."""
    made.submit()
    other = definition.freeze(definition.read(changed(made, "epsilon: 1.0", "epsilon: 0.9")), load_schema())
    code, data = refused(capfd, "coalition", "approve", made.workspace.root, approval_file(made, other))
    assert (code, data["found"]) == ("approval_for_other_experiment", f"hash {other.hash.hex()[:12]}")


def test_a_cap_below_the_plan_is_refused_at_the_coordinator_too(made: Office, capfd: Capture) -> None:
    """The coordinator would run in vain."""
    experiment = made.submit()
    given = approval_file(made, experiment, cap_rho=made.workspace.plan(experiment).rho_reserved / 2)
    assert refused(capfd, "coalition", "approve", made.workspace.root, given)[0] == "budget_above_cap"


def test_a_run_without_enough_approvals_does_not_start(made: Office, capfd: Capture) -> None:
    """The message names who gave one; no school is asked anything."""
    experiment = made.submit()
    made.approve(experiment, "school-0", "school-2")
    code, data = refused(capfd, "coalition", *running_it(made, experiment, "school-0=/nowhere"))
    assert (code, data["found"]) == ("approval_missing", "2 (school-0, school-2)")


def test_anything_else_as_an_approval_is_not_shown(made: Office, capfd: Capture) -> None:
    """An export sent by mistake: the message holds nothing of it."""
    made.submit()
    wrong = made.folder / "wrong.csv"
    wrong.write_text(csv_text(rows()))
    assert refused(capfd, "coalition", "approve", made.workspace.root, wrong)[0] == "not_an_approval"


# ---- sockets


@contextmanager
def _other_service(path: Path) -> Iterator[Path]:
    """Something that answers every connection as a web server would."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def say_hello() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(100)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=say_hello, daemon=True).start()
        yield path
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def _nobody(path: Path) -> Iterator[Path]:
    yield path


@pytest.mark.parametrize("door", [_nobody, _other_service])
def test_a_school_that_cannot_be_reached_is_named(
    made: Office, capfd: Capture, door: Callable[[Path], contextmanager[Path]]
) -> None:
    """No socket, or another service behind it: the run stops, names the school, and gives back what was reserved."""
    experiment = made.submit()
    made.approve(experiment)
    with ExitStack() as opened:
        doors = [f"school-2={opened.enter_context(door(made.folder / 'c.sock'))}"]
        for index, school in enumerate(("school-0", "school-1")):
            node = made.node(school, experiment)
            path = opened.enter_context(serving(made.folder / f"{index}.sock", partial(answer, node)))
            doors.append(f"{school}={path}")
        command = (*running_it(made, experiment, *doors), "--wait", 20)
        code, _, shown = type_in(capfd, "coalition", *command, as_json=False)
    assert (code, "[too_few_schools]" in shown, "school-2 (silent)" in shown) == (4, True, True)
    balances = made.desk("school-0").ledger.balances().values()
    assert [(balance.spent, balance.reserved) for balance in balances] == [(0, 0), (0, 0)]


# ---- a folder of schools


@pytest.fixture
def schools(tmp_path: Path) -> Path:
    """Three schools as `--schools-dir` wants them, full of markers; they deliver no end date, so no outcome."""
    for name in ("Noord", "Oost", "West"):
        (tmp_path / "schools" / name / "exports").mkdir(parents=True)
        (tmp_path / "schools" / name / "exports" / "dossiers.csv").write_text(csv_text(rows()))
        (tmp_path / "schools" / name / "mapping.yaml").write_text(MAPPING)
        (tmp_path / "schools" / name / "policy.yaml").write_text(POLICY)
    return tmp_path / "schools"


FOLDERS: list[tuple[str, Callable[[Path], object], str, str]] = [
    ("no schools", shutil.rmtree, "file", "No such file"),
    ("two schools", lambda at: shutil.rmtree(at / "Oost"), "too_few_schools", "2 in "),
    ("no mapping", lambda at: (at / "Oost/mapping.yaml").unlink(), "school_incomplete", "no mapping.yaml in Oost"),
    ("no policy", lambda at: (at / "Oost/policy.yaml").unlink(), "school_incomplete", "no policy.yaml in Oost"),
    ("two of one id", lambda at: shutil.copytree(at / "Oost", at / "oost_"), "school_ids", "Oost, oost_"),
    ("no id", lambda at: shutil.copytree(at / "Oost", at / "東"), "school_ids", "東"),
    ("empty export", lambda at: (at / "Oost/exports/dossiers.csv").write_text(""), "empty_file", "Oost: dossiers.csv"),
    (
        "lost codes",
        lambda at: (at / "Oost/exports/dossiers.csv").write_text(csv_text(rows()).replace("HAVO", "GEHEIM-4711")),
        "quality_failed",
        "Oost: more in person (vooropleiding: code is not in the code list, 40 rows)",
    ),
    ("nobody has an outcome", lambda at: None, "too_few_students", "'dropout_year_1', cohorts [2022, 2023]"),
]


@pytest.mark.parametrize(("spoil", "code", "told"), [case[1:] for case in FOLDERS], ids=[case[0] for case in FOLDERS])
def test_a_folder_of_schools_that_cannot_be_rehearsed(
    schools: Path, capfd: Capture, spoil: Callable[[Path], object], code: str, told: str
) -> None:
    """Too few schools, an incomplete one, a bad export: the message says which school, and shows none of its cells."""
    spoil(schools)
    words = ("rehearse", "--schools-dir", schools, "--out", schools.parent / "out")
    found, data = refused(capfd, "coalition", *words)
    assert (found, told in data["found"]) == (code, True), data["found"]


def test_a_policy_with_an_unknown_key_is_named_with_its_school(schools: Path, capfd: Capture) -> None:
    """Of all the policies, which one, and which line."""
    (schools / "West" / "policy.yaml").write_text(POLICY + "colour: red\n")
    code, data = refused(capfd, "coalition", "rehearse", "--schools-dir", schools, "--out", schools.parent / "out")
    assert (code, data["source"], _keys(data)) == ("document", "West/policy.yaml", [("colour", 4)])


def test_the_checks_see_what_they_should(made: Office, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: a refusal that tells a name is noticed."""

    def tells(*_: object) -> None:
        raise NotAllowed("planted", "A rule.", marked_school.NAME, "A remedy.")

    monkeypatch.setattr(running, "carry_out", tells)
    with pytest.raises(AssertionError, match=marked_school.NAME):
        refused(capfd, "coalition", *running_it(made, made.submit(), "school-0=/nowhere"))
