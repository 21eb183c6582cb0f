"""What went wrong at the coordinator: rule, value found, remedy, and the exit code a command ends with.

CoalitionError            exit 1
├── UsageFailed           exit 2   a command, a file or a folder that cannot be used as it is
├── NotAllowed            exit 3   a rule of the coalition: approvals, roster, budget, two people
├── RunStopped            exit 4   a run that cannot go on; what was opened is kept
├── DisclosureBlocked     exit 5   a finding that may not be published
├── NotVerified           exit 6   evidence that does not hold
└── LinkFailed            exit 7   the way to the schools is down; the same command goes on where it stopped
"""

from __future__ import annotations

from typing import ClassVar


class CoalitionError(Exception):
    """A rule that was not met. `code` is stable and machine-readable; the words are for the person who has to act."""

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, rule: str, found: str, remedy: str) -> None:
        super().__init__(code, rule, found, remedy)
        self.code = code
        self.rule = rule
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.rule} Found: {self.found}. {self.remedy}"


class UsageFailed(CoalitionError):
    """A command, a file or a folder cannot be used as it is."""

    exit_code = 2


class NotAllowed(CoalitionError):
    """A rule of the coalition forbids this step."""

    exit_code = 3


class RunStopped(CoalitionError):
    """A run cannot go on. What was opened before is kept, and what was spent stays spent."""

    exit_code = 4


class DisclosureBlocked(CoalitionError):
    """A finding fails a disclosure rule and may not be published."""

    exit_code = 5


class NotVerified(CoalitionError):
    """Evidence does not hold: a hash, a signature, a sum or a ledger."""

    exit_code = 6


class LinkFailed(CoalitionError):
    """The coordinator's own way to the schools is down; no school is to blame, and nothing is lost."""

    exit_code = 7

    @classmethod
    def because(cls, found: str) -> LinkFailed:
        """The SuperLink could not be reached, or did not start a ServerApp: what was found instead."""
        return cls(
            "superlink_unreachable",
            "A coordinator reaches its SuperLink, which starts a ServerApp.",
            found,
            "Start the SuperLink (docs/flower.md); then give the same command again, which goes on where it stopped.",
        )
