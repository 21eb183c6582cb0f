"""The mapping assistant reads a school's exports; what it writes may be sent to a colleague, so no cell is in it.

Planted in every kind of column, known and unknown: values that occur nowhere in the vocabulary of the schema. Looked
for in the mapping, in the JSON, on the terminal, in errors.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments import terminal
from node import cli
from node.assistant import suggesting
from node.assistant.shapes import Coded

HEADINGS = (
    *(
        "studentnummer",
        "achternaam",
        "e-mail",
        "BSN",
        "geslacht",
        "vooropleiding",
        "leerweg",
        "niveau",
        "sector",
        "team",
    ),
    *(
        "crebo",
        "postcode",
        "begindatum",
        "einddatum",
        "schooljaar",
        "leeftijd",
        "uitval",
        "reden uitschrijving",
        "diploma",
    ),
    *(
        "diplomadatum",
        "W1_ongeoorloofd",
        "W2_ongeoorloofd",
        "verzuim geoorloofd",
        "opmerking",
        "status",
        "cijfer",
        "vak",
    ),
)
KNOWN = ("M", "V", "HAVO", "BOL", "4", "ja", "01-09-2023", "2023-2024", "17", "J", "1,5", "Dropout", "25180")
secrets = st.text("abcdefghijklmnopqrstuvwxyz0123456789 -.@'#:{}", min_size=6, max_size=14).map(
    lambda text: f"zq{text}zq"
)


def shown_by(place: Path, out: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Everything that `map suggest` lets a person see of an export: file, terminal, JSON and errors."""
    seen = []
    for number, form in enumerate(("text", "json")):
        target = out.with_name(f"{out.stem}{number}.yaml")
        target.unlink(missing_ok=True)
        words = ["map", "suggest", str(place), "--out", str(target), "--format", form, *options]
        code = terminal.run(cli.app, "coalition-node", words)
        captured = capsys.readouterr()
        assert code in (0, 2), captured.err
        seen += [captured.out, captured.err, target.read_text(encoding="utf-8") if target.exists() else ""]
        if form == "json":
            json.loads(captured.out)
    return "\n".join(seen)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_planted_value_is_ever_shown(
    data: st.DataObject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any subset of columns, known words and secrets mixed in any share: none of the secrets comes out."""
    headings = data.draw(st.lists(st.sampled_from(HEADINGS), min_size=3, max_size=9, unique=True))
    planted = data.draw(st.lists(secrets, min_size=2, max_size=6, unique=True))
    cells = st.sampled_from([*planted, *KNOWN, ""])
    rows = data.draw(st.lists(st.lists(cells, min_size=len(headings), max_size=len(headings)), min_size=3, max_size=25))
    rows.append([planted[0]] * len(headings))
    place = tmp_path / "export.csv"
    quoted = [";".join(f'"{cell}"' for cell in row) for row in [headings, *rows]]
    place.write_text("\n".join(quoted) + "\n", encoding="utf-8")
    seen = shown_by(place, tmp_path / "mapping.yaml", capsys, *data.draw(st.sampled_from([[], ["--fresh"]])))
    assert not [secret for secret in planted if secret in seen]


def test_a_code_that_only_this_school_uses_is_counted_and_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hard case: a recode key is a value. Families of the vocabulary are written whole; others are a number."""
    words = ["man"] * 30 + ["vrouw"] * 30 + ["zqgenderzq"]
    rows = "".join(f"1{n:04d};{word}\n" for n, word in enumerate(words))
    (tmp_path / "e.csv").write_text(f"studentnummer;geslacht\n{rows}", encoding="utf-8")
    seen = shown_by(tmp_path / "e.csv", tmp_path / "m.yaml", capsys)
    assert "zqgenderzq" not in seen
    assert "1 andere waarden" in seen and "onbekend: O" in seen  # a word that is not in the file, of the same family


def test_a_planted_leak_is_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positive control: a shape that writes the cells it saw as recode keys is found by the look above."""
    honest = suggesting.read_samples

    def leaking(place: Path, *rest: object) -> object:
        samples = honest(place, *rest)  # type: ignore[arg-type]
        for sample in samples.values():
            shape = sample.shapes["geslacht"]
            keys = dict.fromkeys(shape.counts, "M")
            shape.coded["geslacht"] = Coded(1.0, 1.0, 0, keys, plain=False)  # type: ignore[index]
        return samples

    monkeypatch.setattr(suggesting, "read_samples", leaking)
    (tmp_path / "e.csv").write_text("studentnummer;geslacht\n10001;zqgenderzq\n10002;man\n", encoding="utf-8")
    assert "zqgenderzq" in shown_by(tmp_path / "e.csv", tmp_path / "m.yaml", capsys, "--fresh")
