"""A command's report or error arrives; text on a terminal or exactly one JSON object leaves, with an exit code.

Both command lines draw with it. stdout carries the result and nothing else; progress and errors in words go to
stderr. No error ever shows a traceback, unless DATACOALITIE_DEBUG=1 asks for it on stderr.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol, get_type_hints

import click
import typer.core

from experiments.failures import INTERRUPTED, Failure, describe

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1
DEBUG = "DATACOALITIE_DEBUG"
TEXT_WIDTH = 100  # when nobody watches, tables keep a width that a log or a mail can hold
NAME_WIDTH = 28
KEPT = "\n\N{NO-BREAK SPACE}"  # not printable by Python's book, and harmless


class Progress(Protocol):
    """Called after each piece of work, and whenever what is being waited for changes."""

    def __call__(self, stage: str, done: int, total: int, waiting: str = "") -> None:
        """`done` of `total` pieces of a stage are done; `waiting`: for what, in words."""


@dataclass(frozen=True)
class Grid:
    """A table of words and figures; every cell is already text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


Block = str | Grid | Callable[["Console"], None]
"""A paragraph, a table, or something that draws itself on a console."""


@dataclass(frozen=True)
class Report:
    """What a command found: `data` for machines, `blocks` for people, and an error when the answer is no."""

    data: Mapping[str, Any]
    blocks: Sequence[Block] = ()
    error: Exception | None = None


class Command(typer.core.TyperCommand):
    """A command that also takes --format, so that no command can forget it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        chosen = click.Option(
            ["--format"],
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            expose_value=False,
            help="Text for people, or exactly one JSON object on stdout. / Tekst, of precies één JSON-object.",
        )
        options["params"] = [*(options.get("params") or []), chosen]
        super().__init__(*args, **options)
        self._restore_argument_help()

    def _restore_argument_help(self) -> None:
        """Click 8.5 forgets the help that typer 0.20 gave an argument; the annotations still know it."""
        hints = get_type_hints(self.callback, include_extras=True)
        for parameter in self.params:
            for note in getattr(hints.get(parameter.name or ""), "__metadata__", ()):
                if isinstance(note, typer.models.ArgumentInfo):
                    parameter.help = note.help


def application(about: str) -> typer.Typer:
    """An empty command line with this house's habits."""
    return typer.Typer(
        help=about, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich", no_args_is_help=False
    )


def run(app: typer.Typer, program: str, argv: Sequence[str] | None = None) -> int:
    """Run a command line: print its report or its error, and return the exit code. Never raises."""
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    as_json = asks_json(arguments)
    try:
        with redirect_stdout(sys.stderr) if as_json and "--help" not in arguments else nullcontext():
            outcome = typer.main.get_command(app).main(arguments, prog_name=program, standalone_mode=False)
    except BrokenPipeError:
        return 1  # the reader of our output left; there is nobody to tell
    except (Exception, KeyboardInterrupt) as error:
        return _fail(error, {}, as_json)
    return _finish(outcome, as_json)


def asks_json(arguments: Sequence[str]) -> bool:
    """Whether the command line asks for JSON; looked up before parsing, since a parse error must obey it too."""
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    return any(pair == ("--format", "json") or pair[0] == "--format=json" for pair in pairs)


def _finish(outcome: object, as_json: bool) -> int:
    if outcome == INTERRUPTED:  # typer makes a bare exit code of Ctrl-C
        return _fail(KeyboardInterrupt(), {}, as_json)
    if not isinstance(outcome, Report):  # --help, or a command that ended with a bare exit code
        return outcome if isinstance(outcome, int) else 0
    if outcome.error is not None:
        if not as_json:
            _show(console(), outcome.blocks)
        return _fail(outcome.error, outcome.data, as_json)
    if as_json:
        _write_json("ok", 0, None, outcome.data)
    else:
        _show(console(), outcome.blocks)
    return 0


def _fail(error: BaseException, data: Mapping[str, Any], as_json: bool) -> int:
    failure = describe(error)
    if os.environ.get(DEBUG) == "1":
        sys.stderr.write("".join(traceback.format_exception(error)))
    if as_json:
        _write_json("error", failure.exit_code, failure.code, {**failure.data, **data})
    else:
        _show_failure(failure)
    return failure.exit_code


def _write_json(status: str, exit_code: int, code: str | None, data: Mapping[str, Any]) -> None:
    document = {
        "schema_version": SCHEMA_VERSION,
        "status": status,
        "exit_code": exit_code,
        "error_code": code,
        "data": plain(data),
    }
    sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """Exact numbers as "num/den", bytes as hex, everything else as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return rational(value) if isinstance(value, Fraction) else str(value)


def rational(value: Fraction) -> str:
    """An exact number as the ledger and the finding write it: "num/den"."""
    return f"{value.numerator}/{value.denominator}"


def console(stderr: bool = False, markup: bool = False) -> Console:
    """A console that does not interpret what it prints: names from files are text, not markup.

    With `markup`, for what draws itself and escapes names by itself.
    """
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else TEXT_WIDTH
    return Console(file=stream, stderr=stderr, width=width, markup=markup, highlight=False, emoji=False)


def _show(out: Console, blocks: Sequence[Block]) -> None:
    for block in blocks:
        if isinstance(block, Grid):
            out.print(_table(block))
        elif isinstance(block, str):
            out.print(printable(block), soft_wrap=True)
        else:
            block(console(out.stderr, markup=True))


def printable(text: str) -> str:
    """The text with a mark for every letter that a terminal obeys rather than shows: names and words of others."""
    return "".join(letter if letter.isprintable() or letter in KEPT else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _table(grid: Grid) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(grid.title)), title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for index, column in enumerate(grid.columns):
        # Names stand first: they are kept in one piece as long as that leaves room for the figures.
        longest = max((len(row[0]) for row in grid.rows), default=0) if index == 0 else 0
        table.add_column(Text(printable(column)), overflow="fold", min_width=min(longest, NAME_WIDTH) or None)
    for row in grid.rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def _show_failure(failure: Failure) -> None:
    out = console(stderr=True)
    out.print(f"{failure.title} [{failure.code}]", style="bold red")
    for line in failure.lines:
        out.print(printable(line), soft_wrap=True)


def show_now(blocks: Sequence[Block]) -> None:
    """Show blocks before a question is asked; on stderr, so that stdout keeps the result alone."""
    _show(console(stderr=True), blocks)


def confirm(preview: Sequence[Block], question: str, yes: bool) -> Sequence[Block]:
    """Show what is about to happen and ask; return the blocks that the closing report still has to show.

    With `yes` nobody is asked, and the preview belongs to the report. Raises `click.Abort` for a no, and
    `click.UsageError` where nobody can be asked.
    """
    if yes:
        return preview
    show_now(preview)
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask on: look at what is shown, and add --yes.")
    click.confirm(question, abort=True, err=True)
    return ()


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """A progress bar for each stage, on stderr; silent where stderr is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    words = TextColumn("{task.description}"), TextColumn("{task.fields[waiting]}", style="dim")
    columns = (words[0], BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), words[1])
    with Bars(*columns, console=console(stderr=True), disable=not sys.stderr.isatty()) as bars:
        tasks: dict[str, Any] = {}

        def advance(stage: str, done: int, total: int, waiting: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, waiting="")
            bars.update(tasks[stage], completed=done, total=total, waiting=waiting)

        yield advance
