"""The local products as they are typed, on an invented school: pages, exports, who may see students, refusals."""

from __future__ import annotations

import csv
import functools
import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

import node.cli
from experiments import terminal
from experiments.synthetic.sector import generate
from experiments.synthetic.writers.layouts import REGISTRY
from node.local import authorised, card_notes, list_log, product, roster
from node.local.school import open_school
from node.people.pseudonyms import Pseudonyms

Say = Callable[..., tuple[int, dict[str, Any]]]
TEAM = "Techniek niveau 4"
PSEUDONYM = re.compile(r"[0-9a-f]{16,}|…[0-9a-f]{8}")
PAGES = {
    ("kwaliteitskaart",): "kwaliteitskaart",
    ("forecast",): "prognose",
    ("colours",): "kleuren",
    ("risk",): "risicoregel",
    ("team",): "team-kwaliteit",
    ("team", "--level", "programme"): "team-opleidingen",
}
ENROLMENTS = """\
mapping: 1
layout: proef
title: {nl: proef, en: trial}
sources:
  a: {file: a.csv}
identifier: {column: nr}
tables:
  enrolment:
    source: a
    columns: {enrolment_id: {constant: a}, start_date: start, end_date: eind, team: team}
"""
OF_STUDENTS = (("colours", "kleuren"), ("risk", "risicoregel"), ("team", "slb"))


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exports of an invented school in the middle of a year, with what teachers wrote down."""
    folder = tmp_path_factory.mktemp("exports") / "demo"
    words = ["demo-export", str(folder), "--layout", "osiris", "--students", "900", "--week", "20"]
    assert terminal.run(node.cli.app, "coalition-node", words) == 0
    return folder


@pytest.fixture(scope="module")
def root(exports: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node that took these exports in."""
    folder = tmp_path_factory.mktemp("node") / "node"
    made = [
        "init",
        str(folder),
        "--school",
        "demo",
        "--name",
        "Demo <b>College</b>",
        "--mapping",
        str(exports / "mapping.yaml"),
    ]
    for cohort in (2023, 2024, 2025):
        made += ["--size", f"{cohort}=300"]
    assert terminal.run(node.cli.app, "coalition-node", made) == 0
    assert terminal.run(node.cli.app, "coalition-node", ["ingest", str(folder), "--exports", str(exports)]) == 0
    (folder / "local").mkdir(mode=0o700, exist_ok=True)
    (folder / "local" / authorised.FILE).write_text(f"bevoegd: 1\nteams:\n  {TEAM}: [mentor]\n  leeg: []\n")
    return folder


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Type a command with --format json; return exit code and data, with `code` beside it."""

    def said(*words: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = terminal.run(node.cli.app, "coalition-node", [*(str(word) for word in words), "--format", "json"])
        document = json.loads(capsys.readouterr().out)
        return code, {**document["data"], "code": document["error_code"]}

    return said


@pytest.mark.parametrize("words", list(PAGES), ids=lambda words: "-".join(words))
def test_a_page_of_figures_says_that_it_stays_and_names_nobody(words: tuple[str, ...], root: Path, say: Say) -> None:
    """In two languages: local, of which delivery, until when, a person decides. Readable by its owner only."""
    command, *options = words
    code, data = say(command, root, *options)
    assert code == 0, data
    page = root / "local" / f"{PAGES[words]}.html"
    assert data["page"] == str(page) and data["leaves_the_school"] is False
    for path, stays in (
        (page, "Lokaal: dit verlaat de school niet"),
        (page.with_suffix(".en.html"), "Local: this does not leave"),
    ):
        text = path.read_text("utf-8")
        assert stays in text and "000001" in text and ("persoon beslist" in text or "person decides" in text)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "<b>College" not in text and "&lt;b&gt;College" in text
        assert "<script" not in text and not PSEUDONYM.search(re.sub(r"sha256-\S+", "", text))


def test_indicators_are_printed_with_norm_and_judgement(
    root: Path, say: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures under twelve are in neither the text, the JSON nor the export."""
    code, data = say("indicators", root, "--by", "team")
    assert code == 0 and data["years"] == [2023, 2024]
    shown = [row for row in data["indicators"] if row["getoond"]]
    assert shown and all(row["noemer"] >= 12 and row["waarde"] == row["teller"] / row["noemer"] for row in shown)
    assert {row["oordeel"] for row in shown} >= {"voldoende", "onvoldoende"}
    small = [row for row in data["indicators"] if not row["getoond"]]
    assert small and all((row["teller"], row["noemer"], row["waarde"]) == (None, None, None) for row in small)
    assert terminal.run(node.cli.app, "coalition-node", ["indicators", str(root)]) == 0
    assert "Startersresultaat" in capsys.readouterr().out


def test_what_cannot_be_is_refused_in_words(root: Path, say: Say, tmp_path: Path) -> None:
    """Every refusal has a code, a rule and a remedy."""
    for words, expected in (
        (("indicators", root, "--years", "2025"), "year_not_over"),
        (("indicators", root, "--years", "x"), "bad_years"),
        (("indicators", root, "--as-of", "2200-01-01"), "day_to_come"),
        (("indicators", root, "--as-of", "gisteren"), "bad_day"),
        (("indicators", root, "--by", "klas"), "no_group"),
        (("indicators", root, "--only", "jr"), "no_indicator"),
        (("indicators", tmp_path), "no_node"),
        (("kwaliteitskaart", root, "--team", "nergens"), "no_team"),
        (("team", root, "--level", "slb"), "no_team"),
        (("colours", root, "--team", TEAM, "--asked-by", "somebody"), "not_authorised"),
        (("risk", root, "--team", TEAM, "--asked-by", "somebody"), "not_authorised"),
        (("team", root, "--level", "slb", "--team", TEAM, "--asked-by", "somebody"), "not_authorised"),
        (("indicators", root, "--xlsx", tmp_path / "none" / "x.xlsx"), "no_such_place"),
        (("indicators", root, "--csv", tmp_path / "none" / "x"), "no_such_place"),
    ):
        code, data = say(*words)
        assert (code, data["code"]) == (2, expected), (words, data)
        assert data["rule"] and data["remedy"]


def number_in(path: Path, numbers: set[str], pseudonyms: set[bytes]) -> bool:
    """Whether a file holds one of them; within the hex digits of pseudonyms six digits stand by chance.

    False alarm below 1e-3: other hashes in the files are some dozens.
    """

    def without_pseudonyms(run: re.Match[bytes]) -> bytes:
        windows = (run[0][at : at + 64] for at in range(len(run[0]) - 63))
        return functools.reduce(lambda rest, one: rest.replace(one, b"|"), pseudonyms.intersection(windows), run[0])

    body = re.sub(rb"[0-9a-f]{64,}", without_pseudonyms, path.read_bytes())
    return any(number.encode() in body for number in numbers)


@pytest.mark.parametrize(("command", "name"), OF_STUDENTS)
def test_students_are_shown_to_who_is_named_for_that_team_and_it_is_on_record(
    command: str, name: str, root: Path, exports: Path, say: Say, tmp_path: Path
) -> None:
    """With the school's own numbers if the export is named; these are nowhere under data/ and in no record."""
    level = ["--level", "slb"] if command == "team" else []
    words = [command, root, *level, "--team", TEAM, "--asked-by", "mentor"]
    code, plain = say(*words)
    assert code == 0, plain
    page = root / "local" / f"{name}-techniek-niveau-4.html"
    assert PSEUDONYM.search(page.read_text("utf-8"))
    code, data = say(*words, "--numbers", exports, "--csv", tmp_path / "out")
    assert code == 0, data
    with (tmp_path / "out" / "studenten.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    numbers = {row["student"] for row in rows}
    assert len(numbers) == data["students"] == plain["students"] > 10
    assert all(number.isdigit() for number in numbers) and all(number in page.read_text("utf-8") for number in numbers)
    record = [json.loads(line) for line in (root / "local" / list_log.FILE).read_text().splitlines()]
    assert [line["asked_by"] for line in record[-2:]] == ["mentor", "mentor"] and record[-1]["team"] == TEAM
    kept = [path for path in root.rglob("*") if path.is_file() and "local" not in path.parts]
    kept.append(root / "local" / list_log.FILE)
    with Pseudonyms.open(root / "data") as known:
        pseudonyms = {student.encode() for student in known.cohorts()}
    assert not [path for path in kept if number_in(path, numbers, pseudonyms)]
    assert [path for path in (page, *kept) if number_in(path, numbers, pseudonyms)] == [page]


def test_a_page_is_on_record_before_it_is_made(root: Path, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that cannot be kept means no page."""
    from node.errors import StorageFailed

    page = root / "local" / "slb-techniek-niveau-4.html"
    page.unlink(missing_ok=True)

    def full(*_: object) -> None:
        raise StorageFailed("list_not_recorded", "Each list is recorded.", "OSError", "Free disk space.")

    monkeypatch.setattr(list_log, "record", full)
    code, data = say("team", root, "--level", "slb", "--team", TEAM, "--asked-by", "mentor")
    assert (code, data["code"]) == (4, "list_not_recorded") and not page.exists()


def test_only_the_own_team_is_on_the_page(root: Path, say: Say) -> None:
    """The students of the page are those of the team, all of them and no other."""
    import numpy as np

    found = roster.roster(open_school(root))
    here = found.here & (found.team == TEAM)
    own = {f"…{student[-8:]}" for student in found.facts.index[here]}
    assert say("team", root, "--level", "slb", "--team", TEAM, "--asked-by", "mentor")[0] == 0
    text = (root / "local" / "slb-techniek-niveau-4.html").read_text("utf-8")
    assert set(re.findall(r"…[0-9a-f]{8}", text)) == own and int(np.sum(here)) == len(own)


def test_seven_people_are_too_many(root: Path, say: Say, tmp_path: Path) -> None:
    """At most six people a team; a document with more is refused whole, and so is one with an unknown key."""
    path = root / "local" / authorised.FILE
    before = path.read_text()
    try:
        for text in (
            f"bevoegd: 1\nteams:\n  {TEAM}: [a, b, c, d, e, f, mentor]\n",
            f"bevoegd: 1\niedereen: true\nteams:\n  {TEAM}: [mentor]\n",
        ):
            path.write_text(text)
            code, data = say("team", root, "--level", "slb", "--team", TEAM, "--asked-by", "mentor")
            assert (code, data["code"]) == (2, "document")
        path.unlink()
        code, data = say("team", root, "--level", "slb", "--team", TEAM, "--asked-by", "mentor")
        assert (code, data["code"]) == (2, "nobody_authorised")
    finally:
        path.write_text(before)


def test_exports_hold_text_never_a_formula(root: Path, tmp_path: Path) -> None:
    """A team may be called `=cmd|…`: in a workbook it is text, in CSV it has an apostrophe, on the page letters."""
    school = open_school(root)
    names = ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "gewoon"]
    made = product.Product(
        "proef", product.STAYS, product.STAYS, (), {"teams": (("team", "n"), [(name, -3) for name in names])}
    )
    product.put(school, made, tmp_path / "x.xlsx", tmp_path / "csv", {})
    sheet = openpyxl.load_workbook(tmp_path / "x.xlsx")["teams"]
    cells = [row[0] for row in sheet.iter_rows(min_row=2)]
    assert (
        all(cell.data_type == "s" for cell in cells)
        and [row[1].value for row in sheet.iter_rows(min_row=2)] == [-3] * 6
    )
    with (tmp_path / "csv" / "teams.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.reader(file, delimiter=";"))[1:]
    assert [row[1] for row in rows] == ["-3"] * 6
    assert not any(row[0].lstrip().startswith(("=", "+", "-", "@")) for row in rows)
    for path in ((tmp_path / "x.xlsx"), (tmp_path / "csv" / "teams.csv")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    about = openpyxl.load_workbook(tmp_path / "x.xlsx")[product.ABOUT]
    assert any("verlaat de school niet" in str(cell.value) for row in about.iter_rows() for cell in row)


def test_a_teams_note_stands_on_its_card_and_goes_nowhere_else(root: Path, say: Say) -> None:
    """Norms and PDCA notes of kwaliteitskaart.yaml; an unknown subject or key is refused with its line."""
    path = root / "local" / "kwaliteitskaart.yaml"
    path.unlink(missing_ok=True)
    assert say("kwaliteitskaart", root)[0] == 0
    assert card_notes.read(path) == card_notes.CardNotes(kwaliteitskaart=1) and "PDCA" in path.read_text()
    note = f"notes:\n  - {{team: {TEAM}, about: startersresultaat, plan: 'Meer <i>gesprekken</i>', date: 2026-11-01}}\n"
    path.write_text("kwaliteitskaart: 1\nnorms: {JOB: 3.6}\n" + note)
    try:
        assert say("kwaliteitskaart", root)[0] == 0
        text = (root / "local" / "kwaliteitskaart.html").read_text("utf-8")
        assert "Plan: Meer &lt;i&gt;gesprekken&lt;/i&gt;" in text and "2026-11-01" in text
        assert say("kwaliteitskaart", root, "--team", "Techniek niveau 3")[0] == 0
        assert "gesprekken" not in (root / "local" / "kwaliteitskaart.html").read_text("utf-8")
        for wrong in (
            "kwaliteitskaart: 1\nnotes:\n  - {team: a, about: cijfers}\n",
            "kwaliteitskaart: 1\nnorms: {JOB: 9}\n",
        ):
            path.write_text(wrong)
            code, data = say("kwaliteitskaart", root)
            assert (code, data["code"]) == (2, "document")
    finally:
        path.unlink()


def test_a_school_without_a_running_year_or_estimates_is_told_what_is_missing(tmp_path: Path, say: Say) -> None:
    """A delivery of enrolments alone has indicators, and neither colours nor a rule."""
    (tmp_path / "in").mkdir()
    lines = ["nr;start;eind;team"] + [f"{n};2022-08-29;{'2023-03-01' if n % 3 else ''};zorg" for n in range(60)]
    (tmp_path / "in" / "a.csv").write_text("\n".join(lines) + "\n")
    mapping = tmp_path / "m.yaml"
    mapping.write_text(ENROLMENTS)
    root = tmp_path / "node"
    assert say("init", root, "--school", "p", "--name", "P", "--mapping", mapping, "--size", "2022=60")[0] == 0
    assert say("ingest", root, "--exports", tmp_path / "in")[0] == 0
    code, data = say("indicators", root, "--by", "team", "--as-of", "2024-10-01")
    assert code == 0 and "jaarresultaat" in data["not_delivered"]
    (sr,) = [row for row in data["indicators"] if row["indicator"] == "uitval_jaar_1"]
    assert (sr["teller"], sr["noemer"]) == (40, 60)
    for words, expected in (
        (("colours", root, "--as-of", "2024-10-01"), "no_first_years"),
        (("risk", root), "no_judgements"),
        (("forecast", root), "no_earlier_year"),
    ):
        code, data = say(*words)
        assert (code, data["code"]) == (2, expected), data


def test_who_objected_counts_in_figures_and_stands_on_no_list(
    root: Path, exports: Path, say: Say, tmp_path: Path
) -> None:
    """AVG art. 21: ten students of the team object. The indicators stay what they were; list and colours lose them."""
    before = say("indicators", root)[1]["indicators"]
    words = ["team", root, "--level", "slb", "--team", TEAM, "--asked-by", "mentor", "--numbers", exports]
    listed = say(*words, "--csv", tmp_path / "one")[1]["students"]
    judged = _judged(root)
    with (tmp_path / "one" / "studenten.csv").open(encoding="utf-8-sig") as file:
        objecting = [row["student"] for row in csv.DictReader(file, delimiter=";")][:10]
    (tmp_path / "numbers.txt").write_text("".join(f"{number}\n" for number in objecting))
    try:
        assert say("optout", root, "--add", "--file", tmp_path / "numbers.txt")[0] == 0
        code, data = say(*words, "--csv", tmp_path / "two")
        assert (code, data["students"]) == (0, listed - 10)
        text = (tmp_path / "two" / "studenten.csv").read_text("utf-8-sig")
        assert not any(f"{number};" in text for number in objecting)
        assert say("indicators", root)[1]["indicators"] == before
        assert _judged(root) == judged - 10
    finally:
        assert say("optout", root, "--remove", "--file", tmp_path / "numbers.txt")[0] == 0


def _judged(root: Path) -> int:
    """Students of the team whom colours and rule may judge."""
    school = open_school(root)
    found = roster.roster(school)
    return int((found.here & (found.team == TEAM)).sum())


def test_satisfaction_of_a_real_survey_by_another_count(tmp_path: Path, say: Say) -> None:
    """Osiris and the JOB monitor through their shipped mappings; the mean per team by a loop over the survey's file."""
    made = generate(1, 400, seed=11)[0]
    root = tmp_path / "node"
    assert (
        say(
            "init",
            root,
            "--school",
            "p",
            "--name",
            "P",
            "--mapping",
            "osiris",
            "--size",
            "2022=200",
            "--size",
            "2023=200",
        )[0]
        == 0
    )
    for layout in ("osiris", "job_monitor"):
        (tmp_path / layout).mkdir()
        REGISTRY[layout].write(made, tmp_path / layout)
        assert say("ingest", root, "--exports", tmp_path / layout, "--mapping", layout)[0] == 0
    code, data = say("kwaliteitskaart", root, "--as-of", "2024-10-15", "--csv", tmp_path / "out")
    assert code == 0 and "000001, 000002" in data["delivery"]
    rows_of = made.enrolments
    teams = {
        int(made.students["number"][student]): str(team)
        for student, team in zip(rows_of["student"], rows_of["team"], strict=True)  # the latest enrolment stays
    }
    told = _means(tmp_path / "job_monitor" / "job_monitor.csv", teams)
    with (tmp_path / "out" / "tevredenheid.csv").open(encoding="utf-8-sig") as file:
        rows = [row for row in csv.DictReader(file, delimiter=";") if row["enquete"] == "JOB"]
    assert {row["team"] for row in rows if row["mensen"]} == {
        team for team, (people, _) in told.items() if people >= 12
    }
    for row in rows:
        people, mean = told[row["team"]]
        if people >= 12:
            assert (int(row["mensen"]), float(row["gemiddelde"].replace(",", "."))) == (people, pytest.approx(mean))
        else:
            assert (row["mensen"], row["gemiddelde"], row["van"]) == ("", "", "")


def _means(path: Path, teams: dict[int, str]) -> dict[str, tuple[int, float]]:
    """Team -> people and the mean of their own means; 9 and words do not count."""
    people: dict[str, list[float]] = {}
    with path.open(encoding="cp1252") as file:
        for row in csv.DictReader(file, delimiter=";"):
            answers = [
                int(value) for name, value in row.items() if name.startswith("JOB_") and value in "12345" and value
            ]
            if answers:
                people.setdefault(teams[int(row["studentnummer"])], []).append(sum(answers) / len(answers))
    return {team: (len(means), sum(means) / len(means)) for team, means in people.items()}


def test_a_quiet_september_is_pointed_out(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An export of mid October whose last date is in September knows the year: the operator is told what to say."""
    assert terminal.run(node.cli.app, "coalition-node", ["kwaliteitskaart", str(root), "--as-of", "2025-09-26"]) == 0
    assert "--as-of 2025-10-01" in capsys.readouterr().out
    assert terminal.run(node.cli.app, "coalition-node", ["kwaliteitskaart", str(root), "--as-of", "2025-10-01"]) == 0
    assert "--as-of" not in capsys.readouterr().out
