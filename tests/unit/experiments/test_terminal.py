"""What both command lines promise about output: one JSON object, exit codes from the error trees, no traceback."""

from __future__ import annotations

import json
from fractions import Fraction

import click
import pytest

from coalition.errors import CoalitionError, DisclosureBlocked, NotAllowed, NotVerified, RunStopped, UsageFailed
from experiments import failures, terminal
from experiments.errors import PlanError
from experiments.reading.errors import FindingError
from experiments.terminal import Command, Grid, Report
from node.errors import LedgerBlocked, NodeError, Refusal, StorageFailed, UnusableInput
from privacy.errors import CharterError, SignatureError
from privacy.identity import KeyFileError
from shared_schema import documents
from shared_schema.errors import DocumentError, SchemaError

WORDS = ("code", "A rule.", "a value", "A remedy.")


def _run(act: object, *words: str) -> int:
    app = terminal.application("test")

    @app.command(cls=Command)
    def only() -> Report:
        return act()  # type: ignore[operator]

    @app.command(cls=Command)
    def other() -> None:
        """Makes `only` a command to be named."""

    return terminal.run(app, "test", ["only", *words])


@pytest.mark.parametrize("kind", [CoalitionError, UsageFailed, NotAllowed, RunStopped, DisclosureBlocked, NotVerified])
def test_exit_codes_of_the_coalition_are_those_of_its_tree(kind: type[CoalitionError]) -> None:
    """Code, rule, value found and remedy arrive as they are, with the tree's exit code."""
    found = failures.describe(kind(*WORDS))
    assert (found.code, found.rule, found.found, found.remedy, found.exit_code) == (*WORDS, kind.exit_code)


@pytest.mark.parametrize("kind", [NodeError, UnusableInput, Refusal, StorageFailed, LedgerBlocked])
def test_exit_codes_of_the_node_are_those_of_its_tree(kind: type[NodeError]) -> None:
    """The same for a node's errors."""
    assert failures.describe(kind(*WORDS)).exit_code == kind.exit_code


@pytest.mark.parametrize(
    ("error", "exit_code", "code"),
    [
        (PlanError("a rule", "a value", "a remedy"), 2, "plan"),
        (FindingError("a rule", "a value", "a remedy"), 2, "finding"),
        (SchemaError("no such table"), 2, "schema"),
        (CharterError("A rule. Found: a value. A remedy."), 3, "charter"),
        (SignatureError("A rule. Found: a value. A remedy."), 3, "signature"),
        (KeyFileError("A rule. Found at x: a value. A remedy."), 2, "key_file"),
        (FileNotFoundError(2, "No such file", "x.yaml"), 2, "file"),
        (click.UsageError("no such option"), 2, "usage"),
        (click.Abort(), 130, "interrupted"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("12345"), 70, "internal"),
    ],
)
def test_every_other_error_has_a_code_and_words(error: BaseException, exit_code: int, code: str) -> None:
    """Errors of the packages below, of files and of the program itself."""
    found = failures.describe(error)
    assert (found.exit_code, found.code) == (exit_code, code)
    assert found.rule and "12345" not in json.dumps(found.data)


def test_a_privacy_error_is_told_in_three_parts() -> None:
    """`privacy` writes one sentence; people and machines get rule, value found and remedy apart."""
    found = failures.describe(CharterError("A rule. Found: a value. A remedy."))
    assert (found.rule, found.found, found.remedy) == ("A rule.", "a value", "A remedy.")


def test_a_document_error_keeps_its_lines() -> None:
    """Line and column of every problem are in the data."""

    class Model(documents.StrictModel):
        known: int

    with pytest.raises(DocumentError) as caught:
        documents.read("known: 1\nunknown: 2\n", Model)
    problems = failures.describe(caught.value).data["problems"]
    assert problems[0]["line"] == 2


def test_json_is_one_object_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Exact numbers are "num/den", bytes hex; what a library prints meanwhile does not reach stdout."""

    def act() -> Report:
        print("a library talks")
        return Report({"rho": Fraction(1, 3), "head": b"\x01", "nested": [{"a": (1, None)}]})

    assert _run(act, "--format=json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {
        "schema_version": 1,
        "status": "ok",
        "exit_code": 0,
        "error_code": None,
        "data": {"rho": "1/3", "head": "01", "nested": [{"a": [1, None]}]},
    }
    assert "a library talks" in shown.err


def test_a_report_may_end_in_an_error_with_its_data(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that found something wrong shows what it found, and ends with the error's code."""
    report = Report({"checks": [1]}, ["All checks:"], NotVerified(*WORDS))
    assert _run(lambda: report, "--format", "json") == 6
    data = json.loads(capsys.readouterr().out)["data"]
    assert (data["checks"], data["rule"]) == ([1], "A rule.")
    assert _run(lambda: report) == 6
    shown = capsys.readouterr()
    assert "All checks:" in shown.out and "A remedy." in shown.err


def test_text_goes_to_stdout_and_errors_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Tables of words and figures on stdout; what went wrong on stderr, without a traceback."""
    grid = Grid("Title", ("a", "b"), [("[red]1", "x" * 300)])
    assert _run(lambda: Report({}, ["First.", grid])) == 0
    shown = capsys.readouterr().out
    assert "First." in shown and "[red]1" in shown

    def act() -> Report:
        raise NotAllowed(*WORDS)

    assert _run(act) == 3
    shown_both = capsys.readouterr()
    assert shown_both.out == "" and "Traceback" not in shown_both.err and "[code]" in shown_both.err


def test_a_question_is_never_answered_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal and without --yes, the command stops; with --yes, the preview belongs to the report."""
    assert terminal.confirm(["what"], "Sure?", yes=True) == ["what"]
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(click.UsageError, match="--yes"):
        terminal.confirm(["what"], "Sure?", yes=False)


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    """Bars go to a terminal's stderr; a log stays clean, and stdout always does."""
    with terminal.progress_bars() as progress:
        progress("stage", 1, 2)
        progress("stage", 2, 2)
    shown = capsys.readouterr()
    assert shown.out == "" and "stage" not in shown.err


def test_a_space_that_does_not_break_is_shown_as_it_is() -> None:
    """A norm is written with one between sign and figure; a letter that moves a cursor becomes a mark."""
    assert (
        terminal.printable("≥\N{NO-BREAK SPACE}67%\n\x1b[2J") == "≥\N{NO-BREAK SPACE}67%\n\N{REPLACEMENT CHARACTER}[2J"
    )
