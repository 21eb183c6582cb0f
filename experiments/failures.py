"""Any exception arrives; a `Failure` leaves: code, exit code, and rule, value found and remedy for a person.

exit 1    an error without a code of its own
exit 2    a command, file or document that cannot be used as it is
exit 3-7  the trees of `coalition.errors` and `node.errors` say which
exit 70   a defect of this program
exit 130  interrupted from the keyboard
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

USAGE, NOT_ALLOWED, DEFECT, INTERRUPTED = 2, 3, 70, 130


@dataclass(frozen=True)
class Failure:
    """What went wrong, told once for people (`lines`) and once for machines (`code`, `data`)."""

    code: str
    exit_code: int
    rule: str
    found: str = ""
    remedy: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Who has to act: the reader, or the makers of this program."""
        return (
            "This program failed. / Dit programma faalde." if self.exit_code == DEFECT else "Not done. / Niet gedaan."
        )

    @property
    def data(self) -> dict[str, Any]:
        """Rule, value found and remedy, and what else the error knows."""
        return {"rule": self.rule, "found": self.found, "remedy": self.remedy, **self.more}

    @property
    def lines(self) -> Sequence[str]:
        """The same in words, without empty lines."""
        found = f"Found / gevonden: {self.found}" if self.found else ""
        return [line for line in (self.rule, found, self.remedy) if line]


def describe(error: BaseException) -> Failure:
    """Say what an exception means for the person at the keyboard."""
    for rule in (_own, _click, _interrupted, _lower, _file):
        failure = rule(error)
        if failure is not None:
            return failure
    remedy = "Run it again with DATACOALITIE_DEBUG=1 and report the traceback, after checking that it names no student."
    return Failure(
        "internal", DEFECT, "This is a defect of the program, not of your files.", type(error).__name__, remedy
    )


def _own(error: BaseException) -> Failure | None:
    """Errors of `coalition` and `node`: they carry code, exit code, rule, value found and remedy themselves."""
    if not (hasattr(error, "exit_code") and hasattr(error, "rule") and hasattr(error, "code")):
        return None
    return Failure(error.code, error.exit_code, error.rule, error.found, error.remedy)  # type: ignore[attr-defined]


def _click(error: BaseException) -> Failure | None:
    if isinstance(error, click.Abort):
        return Failure("interrupted", INTERRUPTED, "Stopped from the keyboard; nothing more was done.")
    if not isinstance(error, click.ClickException):
        return None
    return Failure("usage", USAGE, error.format_message(), "", "See --help.")


def _interrupted(error: BaseException) -> Failure | None:
    if isinstance(error, KeyboardInterrupt):
        return Failure("interrupted", INTERRUPTED, "Stopped from the keyboard; nothing more was done.")
    return None


def _lower(error: BaseException) -> Failure | None:
    """Errors of the packages below: experiments, shared_schema, privacy."""
    from experiments.errors import ExperimentError
    from experiments.reading.errors import ReadingError
    from privacy.errors import PrivacyError, TlsError
    from privacy.identity import KeyFileError
    from shared_schema.errors import DocumentError, SchemaError

    if isinstance(error, ExperimentError):
        return Failure(error.code, USAGE, error.rule, error.found, error.remedy)
    if isinstance(error, ReadingError):
        return Failure("finding", USAGE, error.rule, error.found, error.remedy)
    if isinstance(error, DocumentError):
        return _document(error.source, error.problems)
    if isinstance(error, SchemaError):
        return Failure("schema", USAGE, str(error))
    if isinstance(error, PrivacyError):
        exit_code = USAGE if isinstance(error, KeyFileError | TlsError) else NOT_ALLOWED
        return Failure(_privacy_code(error), exit_code, *_parts(str(error)))
    return None


def _document(source: str, problems: Sequence[Any]) -> Failure:
    names = ("line", "column", "path", "rule_nl", "rule_en", "found", "remedy_nl", "remedy_en")
    listed = [{name: getattr(problem, name) for name in names} for problem in problems]
    words = "\n".join(f"{source}:{problem}" for problem in problems)
    remedy = "Correct the lines named. / Verbeter de genoemde regels."
    return Failure("document", USAGE, words, "", remedy, {"source": source, "problems": listed})


def _privacy_code(error: Exception) -> str:
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _parts(text: str) -> tuple[str, str, str]:
    """Split "Rule. Found: value. Remedy." into its three parts; other text is all rule."""
    rule, _, rest = text.partition(" Found: ")
    found, _, remedy = rest.partition(". ")
    return rule, found.rstrip("."), remedy


def _file(error: BaseException) -> Failure | None:
    if not isinstance(error, OSError):
        return None
    found = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or type(error).__name__)
    return Failure(
        "file",
        USAGE,
        "A file or folder named on the command line can be read or written.",
        found,
        "Check path, rights and free space.",
    )
