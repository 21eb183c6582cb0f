"""Mutated messages and files for whatever the platform reads from others; a finding for each that breaks a promise.

    python -m tests.fuzz MINUTES                  all subjects, in turn, with new seeds, for so long
    python -m tests.fuzz --examples N             N inputs a subject, from seed 0 (as `tests/attack/test_fuzz.py` does)
    python -m tests.fuzz --only NAME …            with either: these subjects alone
    python -m tests.fuzz --again NAME SEED NUMBER one input again, with its traceback

`mutations` bends bytes, texts and trees; `messages`, `files` and `stored` say what is read and what it may raise;
`harness` feeds and judges. A reader keeps its promise when it takes an input or raises an error of its declared tree,
whose words hold no cell of a student's row, within bounds of time and memory, leaving no half-written file. Seeds are
numbers: a finding names its own, and the same numbers give the same mutation (keys are fresh in every process).
"""
