"""Minutes, or a number of inputs, arrive on the command line; findings leave on standard output, one a line."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.fuzz import files, messages, planted
from tests.fuzz.harness import Finding, Subject, input_of, limits, run

A_ROUND = 200  # inputs a subject before the next one has its turn


def main(words: Sequence[str] | None = None) -> int:
    """Run; exit 1 when anything was found."""
    asked = _parser().parse_args(words)
    warnings.simplefilter("ignore")  # of the libraries, about inputs that are odd on purpose
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        subjects = _subjects(Path(folder), asked.only, asked.planted)
        if asked.again:
            return _again(subjects, *asked.again)
        found = _all(subjects, asked.examples, asked.minutes, asked.json)
    return 1 if found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description="Fuzz every message and file that is read."
    )
    parser.add_argument("minutes", nargs="?", type=float, default=0.0, help="how long to go on")
    parser.add_argument("--examples", type=int, default=A_ROUND, help="inputs a subject in one round")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these subjects alone")
    parser.add_argument("--again", nargs=3, metavar=("NAME", "SEED", "NUMBER"), help="one input, with its traceback")
    parser.add_argument("--planted", action="store_true", help="also the readers with a fault, which must be found")
    parser.add_argument("--json", action="store_true", help="one report at the end, for a test")
    return parser


def _subjects(folder: Path, only: Sequence[str], with_planted: bool) -> list[Subject]:
    every = [*messages.subjects(folder / "messages"), *files.subjects(folder / "files")]
    every += planted.SUBJECTS if with_planted else []
    if unknown := set(only) - {subject.name for subject in every}:
        sys.exit(f"no subject {sorted(unknown)}; there are {[subject.name for subject in every]}")
    return [subject for subject in every if not only or subject.name in only]


def _all(subjects: Sequence[Subject], examples: int, minutes: float, as_json: bool) -> list[Finding]:
    """Round after round until the time is over, one round at least; what was found before is not told again."""
    ends, seed, told = time.monotonic() + 60 * minutes, 0, {}
    seconds: dict[str, float] = {}
    with limits():
        while seed == 0 or time.monotonic() < ends:
            for subject in subjects:
                began = time.process_time()
                for finding in run(subject, seed, examples):
                    if told.setdefault((finding.subject, finding.kind, finding.where), finding) is finding:
                        as_json or print(finding, flush=True)
                seconds[subject.name] = seconds.get(subject.name, 0.0) + time.process_time() - began
            seed += 1
    if as_json:
        print(json.dumps({"seconds": seconds, "findings": [asdict(one) | {"text": str(one)} for one in told.values()]}))
    else:
        print(f"{seed} rounds of {examples} inputs for each of {len(subjects)} subjects; {len(told)} findings")
    return list(told.values())


def _again(subjects: Sequence[Subject], name: str, seed: str, number: str) -> int:
    (subject,) = (one for one in subjects if one.name == name)
    given = input_of(subject, int(seed), int(number))
    print(repr(given)[:4000], flush=True)
    subject.feed(given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
