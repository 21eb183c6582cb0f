"""The stand-alone verifier as a program: alone on a machine, in two languages, on ledgers that hold.

What it finds in ledgers that do not hold: `test_verify_rules`, `test_verify_held` and `tests/attack/test_ledger`.
"""

from __future__ import annotations

import ast
import json
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from privacy import canonical, verify
from privacy.accounting import epsilon_from_rho
from privacy.ledger import Account
from privacy.statements import Submission, sign
from privacy.verify import NotALedgerError, main, verify_ledger
from tests.ledger_world import ACCOUNT, COST, EXPERIMENT, START, Forger, World, charge, long_ledger

VERIFIER = Path(verify.__file__)
PLATFORM = ("coalition", "node", "experiments", "privacy", "shared_schema", "tests", "numpy", "dp_accounting")
DELTA = Fraction(1, 10**6)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# ---- agrees with the platform


def test_a_real_ledger_verifies_and_adds_up(world: World) -> None:
    """The platform's own ledger: no problem, the same balances as rationals, the same epsilon to 1e-9."""
    store = world.ready()
    charge(store, world.run())
    charge(store, world.run(), step=2)
    store.close(world.run())
    store.record_countersignature(world.countersignature(3, store.state().heads[3]))
    report = verify_ledger(world.path, store.head().head, world.fg.public, world.charter.to_bytes())
    assert report.ok and report.school == "s0" and report.entries == store.head().length
    assert report.head == store.head().head.hex() and report.countersigned == 3
    assert report.compared == ["head", "charter", "fg_key"] and report.expected == report.entries - 1
    own, platform = report.accounts[ACCOUNT], store.balances()[Account(*ACCOUNT)]
    assert (own.cap, own.spent, own.reserved, own.left) == (1, platform.spent, 0, platform.left)
    assert own.spent == sum((question.rho for question in report.questions), Fraction(0)) == 2 * COST
    account = verify.as_data(report, DELTA)["data"]["accounts"][0]
    assert account["epsilon_zcdp"] == pytest.approx(epsilon_from_rho(2 * COST, DELTA), abs=1e-9)
    assert account["epsilon_several_schools"] == pytest.approx(epsilon_from_rho(8 * COST, DELTA), abs=1e-9)
    assert 0 < account["epsilon_estimate"] < account["epsilon_zcdp"]


def test_a_long_ledger_adds_up(world: World) -> None:
    """Two thousand entries, in chunks over all cores: 125 runs of twelve charges, the last one sent again is named."""
    forger = long_ledger(world, 2003)
    report = verify_ledger(forger.save())
    assert report.ok and report.entries == 2003 and len(report.questions) == 125 * 12
    assert report.accounts[ACCOUNT].spent == 125 * 12 * COST and report.accounts[ACCOUNT].reserved == 0
    seq, data, digest, signature = forger.rows[1990]
    forger.rows[1990] = (seq, data, digest, signature[:-1] + bytes([signature[-1] ^ 1]))
    assert [(p.code, p.seq) for p in verify_ledger(forger.save()).problems] == [("signature", 1990)]


def test_a_cap_that_was_lowered_below_what_is_held_alters_no_plan(world: World) -> None:
    """The platform allows it, and a plan that costs nothing besides; so does the verifier."""
    store = world.ready()
    store.set_cap(ACCOUNT, Fraction(1, 1000))
    charge(store, world.run())
    store.record_approval(world.approval(2))
    world.reserve(store, 2, Fraction(0))
    report = verify_ledger(world.path)
    assert report.ok and report.accounts[ACCOUNT].left == 0


# ---- alone


def test_the_verifier_shares_no_code_with_the_platform() -> None:
    """The one file imports the standard library and `cryptography`, nothing else."""
    tree = ast.parse(VERIFIER.read_text(encoding="utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert len(names) > 10
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names == {"cryptography"}


def _only_cryptography(folder: Path) -> Path:
    """A folder with `cryptography` and what it is made of, and nothing else that this machine has installed."""
    folder.mkdir()
    installed = Path(sysconfig.get_paths()["platlib"])
    for name in ("cryptography", "cffi", "pycparser"):
        (folder / name).symlink_to(installed / name)
    for library in installed.glob("_cffi_backend*"):
        (folder / library.name).symlink_to(library)
    return folder


ISOLATED = """
import runpy, sys
sys.path.append(sys.argv.pop(1))
sys.argv.pop(0)
code, path = None, list(sys.path)
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    code = end.code
foreign = {name.split(".")[0] for name in sys.modules} & set(%r)
assert not foreign, foreign
assert sys.path == path
sys.exit(code)
"""


def test_one_file_is_enough(world: World, tmp_path: Path) -> None:
    """Copied alone to another folder, in a Python that finds `cryptography` and nothing else: Dutch, exit code 0."""
    charge(world.ready(), world.run())
    alone = tmp_path / "laptop"
    alone.mkdir()
    shutil.copy(VERIFIER, alone)
    found = _only_cryptography(tmp_path / "only")
    command = [sys.executable, "-I", "-S", "-c", ISOLATED % (PLATFORM,), str(found), "verify.py", str(world.path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=alone, env={}, check=False)
    assert done.returncode == 0, done.stderr
    assert "Privacygrootboek van s0" in done.stdout and "1/200" in done.stdout and "Alles klopt" in done.stdout
    planted = alone / "verify.py"
    planted.write_text(planted.read_text(encoding="utf-8").replace("import argparse", "import argparse, privacy", 1))
    done = subprocess.run(command, capture_output=True, text=True, cwd=alone, env={}, check=False)
    assert done.returncode == 1 and "No module named 'privacy'" in done.stderr, "the control: it would have been seen"


@pytest.mark.parametrize("defence", [False, True])
def test_a_file_beside_it_is_not_run(world: World, tmp_path: Path, defence: bool) -> None:
    """A json.py in the same folder, as a downloads folder may hold, is never imported; without the defence it is."""
    world.create()
    source = VERIFIER.read_text(encoding="utf-8")
    line = "    del sys.path[0]"
    assert line in source
    (tmp_path / "verify.py").write_text(source if defence else source.replace(line, "    pass"), encoding="utf-8")
    (tmp_path / "json.py").write_text("raise SystemExit('planted')", encoding="utf-8")
    command = [sys.executable, str(tmp_path / "verify.py"), str(world.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ("planted" in done.stderr, done.returncode) == ((False, 0) if defence else (True, 1))


def test_importing_it_changes_nothing() -> None:
    """Only a program that was started as a file forgets its own folder."""
    code = "import sys; before = list(sys.path); import privacy.verify; assert sys.path == before"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- words


def test_it_speaks_both_languages_and_json(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Text for an FG with every part, and one JSON object with rationals as text; exit 1 when something is wrong."""
    store = world.ready()
    charge(store, world.run())
    store.record_refusal("not_ready", b"q" * 32)
    world.counter.path.unlink()
    store.accept_head(store.head().head)
    assert main([str(world.path), "--language", "en"]) == 0
    text = capsys.readouterr().out
    parts = ("WHAT WAS ASKED", "moments", "student/2023", "1 x not_ready", "head_accepted: no counter", "All holds")
    assert [part for part in (*parts, "Nothing. Whether the ledger was cut short") if part not in text] == []
    assert main([str(world.path), "--format", "json", "--delta", "1e-5"]) == 0
    out = capsys.readouterr().out
    found = json.loads(out)
    assert out.count("\n") == 1 and (found["status"], found["exit_code"], found["error_code"]) == ("ok", 0, None)
    assert found["data"]["accounts"][0]["spent"] == "1/200" and found["data"]["delta"] == "1/100000"
    assert main([str(world.path), "--expected-head", "ab" * 32]) == 1
    text = capsys.readouterr().out
    assert "de verwachte stand komt niet voor" in text and "VERGELEKEN" not in text
    assert main([str(world.path), "--expected-head", "ab" * 32, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["error_code"] == "expected_head"


def test_costs_are_told_in_words_an_fg_can_use(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Epsilon rounded up with a comma, what is left as a share of the cap rounded down, a person at two schools."""
    charge(world.ready(cap=Fraction(3, 200), rho=COST), world.run())
    assert main([str(world.path)]) == 0
    text = capsys.readouterr().out
    proved = f"{epsilon_from_rho(COST, DELTA) + 5e-5:.4f}".replace(".", ",")
    assert f"besteed    epsilon {proved} (rho 1/200)" in text
    assert "over       66,6 % van het plafond (rho 1/100)" in text
    assert "schatting: epsilon 0," in text and "hoogstens 0,000000" in text
    twice = f"{epsilon_from_rho(4 * COST, DELTA) + 5e-5:.4f}".replace(".", ",")
    assert f"wie op 2 scholen in dezelfde sommen zit: epsilon {twice}" in text
    assert "2023-11-14 moments: 1 keer 3 getallen, 3 scholen samen; delta 100, sigma^2 1000000, rho 1/200" in text
    assert "Toestemming 1 van de FG, 2023-11-14 22:13 UTC" in text and "nog open" in text


def test_an_unused_ledger_says_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was asked: the text says it, that it cost nothing, and that the FG has countersigned nothing yet."""
    world.create().set_cap(ACCOUNT, Fraction(1))
    assert main([str(world.path)]) == 0
    text = capsys.readouterr().out
    assert "Er is niets vrijgegeven." in text and "nog nooit" in text and "epsilon 0,0000" in text


DOCUMENT = {
    "title": {"nl": "Wie valt uit?", "en": "Who leaves?"},
    "question": {"nl": "Welke studenten?", "en": "Which students?"},
    "purpose": {"nl": "Eerder een gesprek.", "en": "A conversation sooner."},
    "legal": {"ground": "AVG art. 6"},
}


def _asked(world: World) -> tuple[Forger, bytes, bytes]:
    """A ledger in which one experiment was asked, the experiment, and the submission of it."""
    paper = canonical.tagged("datacoalitie/experiment/1", DOCUMENT, bytes(32))
    digest = canonical.digest("datacoalitie/experiment/1", DOCUMENT, bytes(32))
    forger = Forger(world).charter().add("cap", account=list(ACCOUNT), rho=Fraction(1))
    forger.signed("approval", world.approval(experiment_hash=digest, cap_rho=Fraction(1, 10)))
    forger.reserve(experiment_hash=digest).charge(experiment_hash=digest)
    submission = sign(Submission(world.charter.hash, digest, "regie", START), world.coordinator)
    return forger, paper, submission.to_bytes()


def test_papers_say_what_was_asked_by_whom_and_why(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the experiment and its submission: question, purpose, ground and the person, each shown to belong."""
    forger, paper, submission = _asked(world)
    path = str(forger.save())
    (tmp_path / "one.experiment").write_bytes(paper)
    (tmp_path / "submission.cbor").write_bytes(submission)
    papers = ["--papers", str(tmp_path / "one.experiment"), str(tmp_path / "submission.cbor")]
    assert main([path, *papers]) == 0
    text = capsys.readouterr().out
    for part in ("Wie valt uit?", "Vraag: Welke studenten?", "Doel: Eerder een gesprek.", "Grondslag: AVG art. 6"):
        assert part in text
    assert "Door: regie (-), 2023-11-14 22:13 UTC; handtekening klopt" in text and "hoogstens rho 1/10" in text
    assert main([path, *papers, "--language", "en"]) == 0
    assert "Purpose: A conversation sooner." in capsys.readouterr().out
    assert main([path]) == 0
    assert "geef het experiment mee met --papers" in capsys.readouterr().out
    assert main([path, *papers, "--format", "json"]) == 0
    asked = json.loads(capsys.readouterr().out)["data"]["experiments"][0]
    assert asked["purpose"] == DOCUMENT["purpose"] and asked["submitted"] == ["regie", "", START]


def test_papers_that_do_not_belong_are_named(world: World) -> None:
    """An edited purpose, a submission by another key or of another experiment, any other file: each by its name."""
    forger, paper, submission = _asked(world)
    path = forger.save()
    edited = paper.replace(b"Eerder", b"Nooit.")
    assert edited != paper and len(edited) == len(paper)
    digest = canonical.digest("datacoalitie/experiment/1", DOCUMENT, bytes(32))
    foreign = sign(Submission(world.charter.hash, digest, "regie", START), world.fg).to_bytes()
    other = sign(Submission(world.charter.hash, EXPERIMENT, "regie", START), world.coordinator).to_bytes()
    nobody = sign(Submission(world.charter.hash, digest, "nobody", START), world.coordinator).to_bytes()
    approval = world.approval().to_bytes()
    other_tag = canonical.tagged("datacoalitie/experiment/2", DOCUMENT, bytes(32))
    for wrong in (edited, foreign, other, nobody, approval, other_tag, b"", b"text", submission[:-1]):
        report = verify_ledger(path, papers=[("given.cbor", wrong)])
        assert report.problems == [("paper", None, "given.cbor")], wrong
    assert verify_ledger(path, papers=[("a", paper), ("b", submission)]).ok


@pytest.mark.parametrize(
    ("tag", "document"), [("experiment/2", DOCUMENT), ("experiment/1", "words"), ("charter/1", {})]
)
def test_an_approved_hash_of_something_else_is_no_experiment(world: World, tag: str, document: Any) -> None:
    """Bytes of another type are not shown as a question, though the FG signed their very hash."""
    fields = f"datacoalitie/{tag}", document, bytes(32)
    forger = Forger(world).charter().signed("approval", world.approval(experiment_hash=canonical.digest(*fields)))
    report = verify_ledger(forger.save(), papers=[("given", canonical.tagged(*fields))])
    assert report.problems == [("paper", None, "given")]


def test_what_comes_from_outside_cannot_speak_to_the_terminal(world: World) -> None:
    """Escape codes and marks that turn text round, in an experiment's words, are shown as question marks."""
    title = {"title": {"nl": "Alles\x1b[2J klopt\u202e", "en": 7}, "question": ["no map"], "legal": "none"}
    paper = canonical.tagged("datacoalitie/experiment/1", title, bytes(32))
    digest = canonical.digest("datacoalitie/experiment/1", title, bytes(32))
    forger = Forger(world).charter().signed("approval", world.approval(experiment_hash=digest))
    report = verify_ledger(forger.save(), papers=[("one", paper)])
    text = verify.as_text(report, DELTA, "nl")
    assert report.ok and "Alles?[2J klopt?" in text and "\x1b" not in text
    assert "7" in verify.as_text(report, DELTA, "en")
    json.dumps(verify.as_data(report, DELTA), allow_nan=False)


def test_numbers_beyond_all_bounds_are_told_as_such(world: World) -> None:
    """A cap of 10^400 and a deadline in the year 10^10 are no reason to fail: there is no epsilon for the first."""
    forger = Forger(world).charter().add("cap", account=list(ACCOUNT), rho=Fraction(10**400))
    forger.signed("approval", world.approval(expires=2**62)).reserve(deadline=2**62)
    report = verify_ledger(forger.save())
    assert report.ok and "plafond    epsilon ?" in verify.as_text(report, DELTA, "nl")
    account = verify.as_data(report, DELTA)["data"]["accounts"][0]
    assert account["epsilon_cap"] is None and account["epsilon_zcdp"] == 0.0


def test_an_estimate_without_a_bound_is_not_shown_as_a_number(world: World) -> None:
    """Noise of one lattice step: its proved epsilon is told, and that no estimate can be bounded."""
    report = verify_ledger(long_ledger(world, 24).save())
    (account,) = report.accounts
    assert "niet te begrenzen" not in verify.as_text(report, DELTA, "nl")
    own = replace(report.accounts[account], events=Counter({verify.Event(1, 1, Fraction(1), 1): 1}))
    report.accounts[account] = own
    assert "niet te begrenzen" in verify.as_text(report, DELTA, "nl")


def test_many_problems_are_told_briefly(world: World) -> None:
    """The same problem at entries that follow each other is one line; of very many different ones the first forty."""
    forger = long_ledger(world, 83)
    forger.rows[2:] = [(seq, data, digest, bytes(64)) for seq, data, digest, _ in forger.rows[2:]]
    text = verify.as_text(verify_ledger(forger.save()), DELTA, "nl")
    assert "  regel 2-82: de handtekening van de node klopt niet (signature)" in text
    many = verify.Report(problems=[verify.Problem("cost", 2 * number) for number in range(50)])
    lines = verify.as_text(many, DELTA, "en").splitlines()
    assert sum("(cost)" in line for line in lines) == 40 and "  and 10 more" in lines


# ---- what is no ledger


@pytest.mark.parametrize("content", [None, b"", b"not a database" * 100])
def test_what_is_no_ledger_is_unusable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    """No file, an empty one, another kind of file: exit 2, a sentence on stderr, one object where JSON was asked."""
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 2
    assert "Niet te lezen" in capsys.readouterr().err
    assert main([str(path), "--format", "json", "--language", "en"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["error_code"] == "not_a_ledger" and "Cannot be read" in said.err


def test_a_ledger_of_another_format_or_without_entries_is_unusable(world: World) -> None:
    """Emptying the table is not a way to a clean report, and a newer format is not guessed at."""
    forger = Forger(world)
    path = forger.save()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(NotALedgerError, match="format 2"):
        verify_ledger(path)
    forger.rows.clear()
    with pytest.raises(NotALedgerError, match="no entries"):
        verify_ledger(forger.save())


OPTIONS = (
    ["--delta", "2"],
    ["--delta", "1/0"],
    ["--delta", "little"],
    ["--expected-head", "abcd"],
    ["--fg-key", "xyz"],
    ["--charter", "/no/such/file"],
    ["--papers", "/no/such/file"],
)


@pytest.mark.parametrize("option", OPTIONS, ids=" ".join)
def test_options_that_make_no_sense_are_refused(option: list[str]) -> None:
    """A delta outside (0, 1), a head that is neither 64 digits nor a file, files that are not there."""
    with pytest.raises(SystemExit, match="2"):
        main(["ledger.sqlite", *option])
