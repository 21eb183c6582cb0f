"""Attack 19 of METHODS §7 in what the coalition itself writes: definitions, charters, cards, names, words on a screen.

The exports and mappings of a school are in `test_injection_in_exports.py`; a finding's page is in
`tests/unit/experiments/test_reading.py`. Each attack is first shown to work where the defence is absent.
"""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml

from coalition import charters
from coalition.errors import UsageFailed
from coalition.store import CoalitionStore
from experiments import definition, terminal
from experiments.reading import page
from experiments.terminal import Grid
from privacy.charter import Person, School
from privacy.errors import PrivacyError
from privacy.identity import SigningKey
from shared_schema import DocumentError
from tests.kit import DEFAULT
from tests.unit.coalition.office import office
from tests.unit.experiments.finding_example import finding

TEXT = DEFAULT.read_text("utf-8")
SQL = "x'); DROP TABLE documents; --"
SCRIPT = "<script>document.title='owned'</script>"
TEMPLATE = "{{ 31337 * 3 }}{% include '/etc/passwd' %}${31337*3}{0.__class__}"
ESCAPES = "\x1b[2J\x1b[1;1H\x1b]0;owned\x07\r\x08\u202e"
"""Clears the screen, goes to its top, renames the window, writes over the line, and turns what follows round."""


# ---- YAML and paths


def test_defence_off_a_tag_in_a_definition_makes_a_folder(tmp_path: Path) -> None:
    """Control: the unsafe loader does what the tag says."""
    yaml.unsafe_load(f"experiment: !!python/object/apply:os.mkdir ['{tmp_path}/made']")
    assert (tmp_path / "made").is_dir()


@pytest.mark.parametrize(
    ("from_", "to"),
    [
        ("experiment: uitval-jaar-1", "experiment: !!python/object/apply:os.mkdir ['{folder}/made']"),
        ("experiment: uitval-jaar-1", "experiment: &a uitval-jaar-1\noutcome: *a"),
        ("legal:", "legal:\n  <<: {{ground: x}}"),
        ("outcome: dropout_year_1", "outcome: dropout_year_1\noutcome: other"),
        ("outcome: dropout_year_1", "outcome: dropout_year_1\n__class__: x"),
        ("query: two_stage_logistic", "query: eval"),
        ("query: two_stage_logistic", "query: {{compute: os.system}}"),
        ("outcome: dropout_year_1", "outcome: 'dropout_year_1\n---\nexperiment: other'\n---\nx: y"),
    ],
)
def test_a_definition_is_plain_data(tmp_path: Path, from_: str, to: str) -> None:
    """Tags, anchors, merges, doubled and unknown keys, code in place of a query: refused with the line."""
    text = TEXT.replace(from_, to.format(folder=tmp_path), 1)
    assert text != TEXT
    with pytest.raises(DocumentError):
        definition.read(text)  # type: ignore[arg-type]
    assert not (tmp_path / "made").exists()


NAMES = ["../../evil", "/etc/evil", "a/b", "..", "evil\n", "evil\x00", "COM1", "e" * 100, SQL, "$(touch evil)", "-rf"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_never_becomes_a_path_or_a_command(name: str) -> None:
    """Experiments, schools and people lend their names to files: letters, digits and a few marks, from a letter on."""
    quoted = '"' + name.replace("\\", "\\\\").replace("\n", "\\n").replace("\x00", "\\0") + '"'
    with pytest.raises(DocumentError):
        definition.read(TEXT.replace("experiment: uitval-jaar-1", f"experiment: {quoted}"))  # type: ignore[arg-type]
    if name != "COM1":
        with pytest.raises(PrivacyError):
            School(name, "Naam", bytes(32), bytes(32), {2022: 100})
        with pytest.raises(PrivacyError):
            Person(name, "school-0", "reviewer", bytes(32))


def test_the_name_that_is_allowed_stays_in_its_folder(tmp_path: Path) -> None:
    """The control: an honest name is taken, and its file lies where it should."""
    made = office(tmp_path)
    experiment = made.submit()
    folder = made.workspace.root / "to-schools"
    assert [path.name for path in folder.iterdir()] == [f"{experiment.definition.experiment}.experiment"]


@pytest.mark.parametrize("card", ["{", '{"card": 1}', "[" * 5000, '{"card": 1, "__class__": "x"}', "card: 1"])
def test_a_card_is_a_card(tmp_path: Path, card: str) -> None:
    """What a school sends about itself is read as its few fields or not at all."""
    path = tmp_path / "card.json"
    path.write_text(card)
    with pytest.raises(UsageFailed):
        charters.read_card(path)


# ---- SQL


def test_sql_in_names_is_text(tmp_path: Path) -> None:
    """Control first: pasted into a statement it drops the table. The store takes kinds and names as parameters."""
    control = sqlite3.connect(":memory:")
    control.executescript("CREATE TABLE documents (name TEXT)")
    control.executescript(f"INSERT INTO documents VALUES ('{SQL}")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        control.execute("SELECT * FROM documents")
    store = CoalitionStore(tmp_path / "store.sqlite", SigningKey.generate())
    for name in (SQL, "%", "_", "a' OR '1'='1"):
        store.put("finding", name, b"1")
        store.replace(SQL, name, b"2")
        assert store.get("finding", name) == b"1" and store.get(SQL, name) == b"2"
    assert store.names("finding", "%") == ["%"] and len(store.names("finding")) == 4


# ---- pages


def _named(text: str) -> dict[str, Any]:
    """A finding with this as title, question, coalition and school."""
    given = finding()
    given["coalition"] = text
    given["title"] = given["question"] = {"nl": text, "en": text}
    given["population"]["schools"][0]["name"] = text
    return given


@pytest.mark.parametrize("text", [SCRIPT, TEMPLATE, "'\"><img src=x onerror=alert(1)>", "javascript:alert(1)"])
def test_markup_and_templates_in_names_are_shown_as_text(text: str) -> None:
    """On a page for the whole sector: nothing of it is an element, and nothing in braces was worked out."""
    html = page.render(_named(text), "nl")
    assert "<script" not in html and "<img" not in html and "94011" not in html
    assert 'href="javascript' not in html and "root:" not in html


# ---- an FG's screen: what is read there is signed


def _shown(blocks: list[Any], monkeypatch: pytest.MonkeyPatch) -> str:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    terminal._show(terminal.console(), blocks)
    return out.getvalue()


def _moves(text: str) -> set[str]:
    """What a terminal would obey rather than show."""
    return {letter for letter in text if not (letter.isprintable() or letter == "\n")}


def test_defence_off_words_of_a_definition_rewrite_the_screen() -> None:
    """Control: printed as they are, these letters are obeyed, and the check below sees every one of them."""
    assert _moves(f"epsilon 20{ESCAPES}epsilon 0.1") == set(ESCAPES) - set("[2J1;H]0owned")


@pytest.mark.parametrize("where", ["title", "question", "purpose", "legal"])
def test_words_of_a_definition_cannot_rewrite_an_fgs_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """An analyst's words cannot clear the screen, write over the cost, or turn a line round before the FG signs."""
    from node.desk import asked

    made = office(tmp_path)
    made.accept_charter()
    known = definition.read(DEFAULT)
    part = getattr(known, where)
    name = "ground" if where == "legal" else "nl"
    words = part.model_copy(update={name: f"Onschuldig{ESCAPES}woord"})
    experiment = definition.freeze(known.model_copy(update={where: words}), made.workspace.schema)
    shown = _shown(asked.blocks(asked.describe(made.desk("school-0"), experiment)), monkeypatch)
    assert "Onschuldig" in shown and _moves(shown) == set()


def test_names_in_tables_and_errors_cannot_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for cells, headings and the lines of an error."""
    shown = _shown([Grid(f"a{ESCAPES}", (f"b{ESCAPES}",), ((f"c{ESCAPES}",),)), f"[red]d{ESCAPES}"], monkeypatch)
    assert "[red]d" in shown and _moves(shown) == set()


def test_a_charters_names_hold_nothing_but_letters() -> None:
    """Names that an FG compares by telephone are printable: with anything else there is no charter."""
    for name in (f"ROC{ESCAPES}", "", " ", "a\u202eb", "x" * 300):
        with pytest.raises(PrivacyError):
            School("school-0", name, bytes(32), bytes(32), {2022: 100})
