"""A mapping read aloud, its unanswered points found, and two mappings compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments import terminal
from node import cli
from node.assistant.comparing import differences
from node.assistant.explaining import explain, still_open, to_fill
from node.assistant.suggesting import SHIPPED
from node.assistant.writing import MARK
from node.mapping_document import read_mapping
from shared_schema import load_schema

SCHEMA = load_schema()
HEAD = """\
mapping: 1
layout: voorbeeld
title: {nl: Voorbeeld, en: Example}
sources: {s: {file: s.csv}}
identifier: {column: nr}
tables:
"""


def words_of(rule: str, column: str = "person.geslacht") -> tuple[str, str]:
    """What explain says of one rule, Dutch and English, what the column means left out."""
    table, name = column.split(".")
    document = read_mapping(f"{HEAD}  {table}:\n    source: s\n    columns:\n      {name}: {rule}\n")
    (told,) = [one.words for one in explain(document, SCHEMA) if one.place == column]
    return told.nl.partition(": ")[2], told.en.partition(": ")[2]


@pytest.mark.parametrize(
    ("rule", "nl", "en"),
    [
        ("g", "kolom g", "column g"),
        ("{constant: M}", "altijd M", "always M"),
        ("null", "altijd leeg (niet bekend)", "always missing (not known)"),
        (
            "{from: g, recode: {m: M, V: V}}",
            "kolom g; 'm' wordt M, V blijft zo; elke andere waarde wordt leeg en geteld",
            "column g; 'm' becomes M, V stays as it is; every other value becomes missing and is counted",
        ),
        (
            "{from: g, of: s, by: [n], recode: {m: M}, otherwise: O}",
            "kolom g; opgezocht in s bij dezelfde student, met n = kolom n; 'm' wordt M; elke andere waarde wordt O",
            "column g; looked up in s, same student, with n = column n; 'm' becomes M; every other value becomes O",
        ),
        (
            "{one_hot: {a: M}, several: first, otherwise: O}",
            "de vlag die aan staat; 'a' wordt M; bij meer vlaggen telt de eerste in deze volgorde; geen vlag wordt O",
            "the flag that is set; 'a' becomes M; of several the first in this order counts; no flag becomes O",
        ),
        (
            "{compute: first_of, columns: [a, {constant: M}]}",
            "het eerste dat bekend is van: kolom a | altijd M",
            "the first that is known of: column a | always M",
        ),
    ],
)
def test_a_rule_is_a_sentence_in_two_languages(rule: str, nl: str, en: str) -> None:
    """Each kind of rule, as a dataspecialist reads it."""
    assert words_of(rule) == (nl, en)


@pytest.mark.parametrize("layout", sorted(path.stem for path in SHIPPED.glob("*.yaml")))
def test_every_shipped_mapping_can_be_read_aloud(layout: str) -> None:
    """Every column that a mapping fills is told, in both languages, and it differs from itself in nothing."""
    document = read_mapping(SHIPPED / f"{layout}.yaml")
    told = list(explain(document, SCHEMA))
    filled = {f"{table}.{name}" for table, rules in document.tables.items() for rule in rules for name in rule.columns}
    assert filled <= {one.place for one in told}
    assert all(one.words.nl and one.words.en for one in told)
    assert differences(document, document) == []


# Open points --------------------------------------------------------------------------------------------------------

ASKED = f"""\
tables:
  person:
    columns:
      # {MARK} 1 (verplicht / required): welke?
      # a) de ene / one
      #   die
      #geslacht: g
      # b) de andere / other
      #geslacht: h
      # 95%: kolom / column
      vooropleiding: v
      # {MARK} 2: en deze?
      # a) ja / yes
      #postcode4:
      #  from: p
"""


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        ("", "", [(1, True), (2, False)]),
        ("#geslacht: g", "geslacht: g", [(2, False)]),
        ("#geslacht: h", "geslacht: h", [(2, False)]),
        ("#postcode4:\n      #  from: p", "postcode4:\n        from: p", [(1, True)]),
    ],
)
def test_unanswered_points_are_found(old: str, new: str, left: list[tuple[int, bool]]) -> None:
    """A line that counts after an answer's letter answers the point; the next column's line does not."""
    assert [(one.number, one.required) for one in still_open(ASKED.replace(old, new, 1))] == left


def test_places_to_fill_in_are_counted_only_where_they_count() -> None:
    """A year left as JJJJ in an answered point is told; in a comment it is not."""
    assert to_fill("#cohort: {constant: JJJJ}\n") == 0
    assert to_fill("cohort: {constant: JJJJ}\n") == 1


# Differences ----------------------------------------------------------------------------------------------------------


def test_differences_are_named_by_column_and_order_does_not_count() -> None:
    """One recode and one new column differ; the same columns in another order do not."""
    old = (
        f"{HEAD}  person:\n    source: s\n    columns:\n      geslacht: {{from: g, recode: {{m: M}}}}\n      apcg: a\n"
    )
    same = (
        f"{HEAD}  person:\n    source: s\n    columns:\n      apcg: a\n      geslacht: {{from: g, recode: {{m: M}}}}\n"
    )
    new = old.replace("m: M", "m: M, v: V") + "      postcode4: p\n"
    assert differences(read_mapping(old), read_mapping(same)) == []
    found = differences(read_mapping(old), read_mapping(new))
    assert [one.place for one in found] == ["person.geslacht", "person.postcode4"]
    assert "'v' wordt V" in found[0].new.nl and found[1].old.en == "nothing"


@pytest.mark.parametrize(("other", "code"), [("osiris", 0), ("eduarte", 1)])
def test_diff_exits_as_diff_does(other: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """0 for the same, 1 for different; JSON lists the differences either way."""
    paths = [str(SHIPPED / "osiris.yaml"), str(SHIPPED / f"{other}.yaml")]
    assert terminal.run(cli.app, "coalition-node", ["map", "diff", *paths, "--format", "json"]) == code
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["equal"] == (code == 0) == (not data["differences"])


def test_a_file_that_is_no_mapping_is_refused_without_a_word_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who names the export where the mapping belongs sees no cell of it."""
    (tmp_path / "e.csv").write_text("Jansen;123456782\nDe Vries;111222333\n", encoding="utf-8")
    assert terminal.run(cli.app, "coalition-node", ["map", "explain", str(tmp_path / "e.csv")]) == 2
    shown = capsys.readouterr()
    assert not any(secret in shown.out + shown.err for secret in ("Jansen", "123456782", "Vries"))
