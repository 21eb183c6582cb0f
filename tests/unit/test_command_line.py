"""What holds for every command of both programs at once: help in two languages, light to load, errors as one object."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import terminal
from tests.pages.commands import PROGRAMS, commands, languages

ROOT = Path(__file__).parents[2]
HEAVY = {
    *("pandas", "numpy", "sklearn", "scipy", "duckdb", "pandera", "pydantic", "openpyxl", "dp_accounting"),
    *("cryptography", "matplotlib", "jinja2"),
}
EVERY = [(program, command) for program, app in PROGRAMS.items() for command in commands(app)]
KEYS = ["schema_version", "status", "exit_code", "error_code", "data"]
ALL_HELP = """
import sys
from experiments import terminal
import {module} as cli
codes = [terminal.run(cli.app, "x", [*name.split(), "--help"]) for name in {names!r}]
{planted}
loaded = sorted({heavy!r} & set(sys.modules))
sys.exit(f"loaded {{loaded}}, codes {{codes}}" if loaded or any(codes) else 0)
"""


def _help_of_everything(program: str, module: str, planted: str = "") -> subprocess.CompletedProcess[str]:
    """Ask a fresh interpreter for the help of a program and of each of its commands; exit 1 names what was loaded."""
    code = ALL_HELP.format(module=module, names=["", *commands(PROGRAMS[program])], heavy=HEAVY, planted=planted)
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("program", "module"), [("coalition", "coalition.cli"), ("coalition-node", "node.cli")])
def test_no_help_loads_a_heavy_library(program: str, module: str) -> None:
    """`--help` of a program and of each of its commands answers from light modules alone."""
    done = _help_of_everything(program, module)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.count("Usage:") == 1 + len(commands(PROGRAMS[program]))


def test_a_heavy_import_is_noticed() -> None:
    """Planted fault: one of the libraries is loaded before the check."""
    done = _help_of_everything("coalition-node", "node.cli", planted="import openpyxl")
    assert done.returncode == 1 and "openpyxl" in done.stderr


@pytest.mark.parametrize(("program", "command"), EVERY)
def test_every_command_and_option_is_explained_in_two_languages(program: str, command: str) -> None:
    """English first, Dutch after the slash, for the command itself and for everything it takes."""
    details = commands(PROGRAMS[program])[command]
    texts = [str(details.help).partition("\n\n")[0], *(str(getattr(one, "help", "")) for one in details.params)]
    for text in texts:
        dutch, english = languages(text)
        assert dutch[0].isupper() and english[0] != " " and dutch.endswith((".", "…")) and english.endswith((".", "…"))


@pytest.mark.parametrize("text", ["Only English.", "Only English. /", " / Alleen Nederlands.", "None"])
def test_help_in_one_language_is_noticed(text: str) -> None:
    """Planted faults: half a help text is refused, here and where the reference page is made."""
    with pytest.raises(ValueError, match="English and Dutch"):
        languages(text)


@pytest.mark.parametrize("spelling", [["--format", "json"], ["--format=json"]])
@pytest.mark.parametrize(("program", "command"), EVERY)
def test_a_mistyped_option_is_one_object_everywhere(
    program: str, command: str, spelling: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before a command even starts, its refusal obeys --format json: the five keys in order, and exit code 2."""
    code = terminal.run(PROGRAMS[program], program, [*command.split(), "--vanish", *spelling])
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert list(document) == KEYS and shown.out.count("\n") == 1
    assert (code, document["exit_code"], document["status"], document["error_code"]) == (2, 2, "error", "usage")


@pytest.mark.parametrize(("program", "command"), EVERY)
def test_in_words_an_error_leaves_stdout_empty(program: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever pipes the result on never pipes an error on."""
    assert terminal.run(PROGRAMS[program], program, [*command.split(), "--vanish"]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and "[usage]" in shown.err and "Traceback" not in shown.err
