"""From exports to invitation list, as an information manager does it: demo-export, init, ingest, invite."""

from __future__ import annotations

import csv
import re
import stat
from pathlib import Path

import openpyxl
import pytest

import node.cli
from experiments import terminal
from node.local.list_log import FILE
from tests.whole.lists import Say, made, record

LAYOUTS = ("uitnodigingsregel_v4", "osiris", "eduarte", "excel_workbook")


# ---- a list from every layout


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_list_comes_of_every_layout_that_holds_enough(tmp_path: Path, say: Say, layout: str) -> None:
    """Two years complete, one running: a fifth of the running one, with reasons, and better than drawn by lot."""
    root = made(tmp_path, layout)
    code, found = say("invite", root)
    assert (code, found["cohort"], found["week"], found["ranking"]) == (0, 2025, 10, "local")
    assert found["listed"] == len(found["students"]) == round(0.2 * found["ranked"])
    assert [student["rank"] for student in found["students"]] == list(range(1, found["listed"] + 1))
    assert all(student["reasons"] for student in found["students"][:20])
    base = found["measured"]["left"] / found["measured"]["students"]
    assert found["measured"]["on"] == 2024
    assert found["measured"]["precision"]["low"] > base


def test_the_further_in_the_year_the_better(root: Path, say: Say) -> None:
    """Week 0 knows the background only; by week 10 a list finds many more of those who leave."""
    _, found = say("invite", root)
    by_week = {row["week"]: row["auc"]["value"] for row in found["per_week"]}
    assert list(by_week) == [0, 3, 6, 10]
    assert by_week[0] < by_week[3] < by_week[10]


def test_the_first_day_has_no_absence_to_speak_of(root: Path, say: Say) -> None:
    """Week 0: a list all the same, no reason about absence or results, no teacher's estimate."""
    code, found = say("invite", root, "--week", 0)
    assert code == 0
    subjects = {reason["subject"] for student in found["students"] for reason in student["reasons"]}
    assert subjects and not subjects & {"attendance", "results"}
    assert {student["teacher"] for student in found["students"]} == {None}


def test_model_teachers_and_both_are_measured_on_the_same_students(root: Path, say: Say) -> None:
    _, found = say("invite", root)
    assert set(found["rankings"]) == {"local", "teacher", "combined"}
    assert len({row["students"] for row in found["rankings"].values()}) == 1
    for by in ("teacher", "combined"):
        code, other = say("invite", root, "--by", by)
        assert (code, other["ranking"]) == (0, by)
        assert other["students"][0]["places"][by] == 1


def test_a_list_ranked_by_teachers_puts_the_most_worrying_first(root: Path, say: Say) -> None:
    _, found = say("invite", root, "--by", "teacher", "--top", "100%")
    concerns = [-1.0 if one["teacher"] is None else one["teacher"] for one in found["students"]]
    assert concerns == sorted(concerns, reverse=True)
    assert None in {one["teacher"] for one in found["students"]}


def test_sensitive_features_count_when_the_schools_policy_says_so(root: Path, say: Say) -> None:
    """By default neither in the model nor a reason; the FG's policy changes both at once, and the record says which."""
    sensitive = {"age", "geslacht", "apcg"}
    _, before = say("invite", root, "--top", "100%")
    policy = (root / "policy.yaml").read_text(encoding="utf-8")
    (root / "policy.yaml").write_text(policy.replace("sensitive_on_list: false", "sensitive_on_list: true"))
    _, after = say("invite", root, "--top", "100%")
    subjects = [
        {reason["subject"] for student in found["students"] for reason in student["reasons"]}
        for found in (before, after)
    ]
    assert not subjects[0] & sensitive
    assert subjects[1] & sensitive
    assert before["model"] != after["model"]
    assert [line["sensitive_features"] for line in record(root)] == [False, True]


# ---- the same list again


def test_made_again_it_is_the_same_list(root: Path, say: Say) -> None:
    """Same data, same model, same list, same page: only the record has one line more."""
    _, first = say("invite", root)
    page = (root / "local" / "invitations.html").read_bytes()
    _, again = say("invite", root)
    assert again == first
    assert (root / "local" / "invitations.html").read_bytes() == page
    assert len(record(root)) == 2


def test_a_student_more_changes_places_but_no_score(root: Path, say: Say) -> None:
    """Another student of the running year is one more to rank; nobody learns from that student."""
    _, before = say("invite", root, "--top", "100%")
    export = root.parent / "export" / "osiris_studenten.csv"
    head, *rows = export.read_text(encoding="cp1252").splitlines()
    running = [row for row in rows if row.split(";")[head.split(";").index("sopl_cohort")] == "2025"]
    gone = next(row for row in running if row.split(";")[0] != running[0].split(";")[0])
    export.write_text("\r\n".join([head, *(row for row in rows if row != gone)]) + "\r\n", encoding="cp1252")
    assert say("ingest", root, "--exports", root.parent / "export")[0] == 0
    _, after = say("invite", root, "--top", "100%")
    assert after["model"] == before["model"]
    chances = {student["code"]: student["chance"] for student in before["students"]}
    assert len(chances) - len(after["students"]) in (0, 1)
    assert all(chances[student["code"]] == student["chance"] for student in after["students"])


def test_who_objected_is_on_no_list_and_teaches_no_model(root: Path, say: Say, tmp_path: Path) -> None:
    """Two opt-outs: the first of the list is gone from it; without a student of last year the model is another."""
    export = root.parent / "export"
    _, before = say("invite", root, "--numbers", export, "--top", "100%")
    first = before["students"][0]
    (tmp_path / "one.txt").write_text(first["number"] + "\n")
    assert say("optout", root, "--add", "--file", tmp_path / "one.txt")[0] == 0
    _, after = say("invite", root, "--numbers", export, "--top", "100%")
    assert after["ranked"] == before["ranked"] - 1
    assert after["model"] == before["model"]
    assert first["code"] not in {student["code"] for student in after["students"]}
    head, *rows = (export / "osiris_studenten.csv").read_text(encoding="cp1252").splitlines()
    place = head.split(";").index("sopl_cohort")
    earlier = next(row.split(";") for row in rows if row.split(";")[place] == "2023")
    (tmp_path / "two.txt").write_text(earlier[head.split(";").index("studentnummer")] + "\n")
    assert say("optout", root, "--add", "--file", tmp_path / "two.txt")[0] == 0
    _, later = say("invite", root, "--top", "100%")
    assert later["ranked"] == after["ranked"]
    assert later["model"] != after["model"]


# ---- what is written, and what is not


def test_numbers_stand_in_the_file_that_was_asked_for_and_nowhere_else(root: Path, say: Say, tmp_path: Path) -> None:
    """With --numbers: in workbook and CSV, beside the code. Not on the page, not under data/, not in the record."""
    export = root.parent / "export"
    code, found = say("invite", root, "--numbers", export, "--xlsx", tmp_path / "a.xlsx", "--csv", tmp_path / "a.csv")
    assert code == 0
    numbers = [student["number"] for student in found["students"]]
    assert all(re.fullmatch(r"\d{6}", number) for number in numbers)
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["Uitnodigingslijst (advies)"]
    head, *rows = sheet.iter_rows(values_only=True)
    assert [row[head.index("studentnummer")] for row in rows] == numbers
    assert [row[head.index("code")] for row in rows] == [student["code"] for student in found["students"]]
    with (tmp_path / "a.csv").open(encoding="utf-8-sig") as file:
        assert [row["studentnummer"] for row in csv.DictReader(file, delimiter=";")] == numbers
    for path in (tmp_path / "a.xlsx", tmp_path / "a.csv"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = [path.read_bytes() for path in root.rglob("*") if path.is_file()]
    words = {word for content in kept for word in re.findall(rb"[0-9A-Za-z]+", content)}  # not inside a hash
    assert not words & {number.encode() for number in numbers}


def test_without_the_flag_no_number_is_shown(root: Path, say: Say, tmp_path: Path) -> None:
    _, found = say("invite", root, "--xlsx", tmp_path / "a.xlsx")
    assert not any("number" in student for student in found["students"])
    head = next(openpyxl.load_workbook(tmp_path / "a.xlsx")["Uitnodigingslijst (advies)"].iter_rows(values_only=True))
    assert "studentnummer" not in head


def test_each_list_is_recorded_before_it_is_shown(root: Path, say: Say) -> None:
    """When, by whom, which model, which week, how many; nobody on it."""
    _, found = say("invite", root, "--asked-by", "M. Mentor", "--top", "25")
    (line,) = record(root)
    assert line["asked_by"] == "M. Mentor"
    keys = ("model", "week", "cohort", "listed", "ranked", "as_of", "ranking")
    assert {key: line[key] for key in keys} == {key: found[key] for key in keys}
    assert line["listed"] == 25
    text = (root / "local" / FILE).read_text()
    assert not any(student["code"] in text for student in found["students"])


def test_a_list_that_cannot_be_recorded_is_not_made(root: Path, say: Say) -> None:
    """The record is a folder here: no line, so no page and no students on the screen."""
    (root / "local" / FILE).mkdir(parents=True)
    code, found = say("invite", root)
    assert (code, found["code"]) == (4, "list_not_recorded")
    assert "students" not in found
    assert not (root / "local" / "invitations.html").exists()


def test_a_list_never_stands_among_the_data(root: Path, say: Say) -> None:
    code, found = say("invite", root, "--csv", root / "data" / ".." / "data" / "lijst.csv")
    assert (code, found["code"]) == (2, "list_among_data")
    assert record(root) == []


def test_the_page_says_that_a_person_decides_and_is_for_its_owner_only(root: Path, say: Say) -> None:
    _, found = say("invite", root)
    for name, advice in (("invitations.html", "geen besluit"), ("invitations.en.html", "not a decision")):
        path = root / "local" / name
        page = path.read_text(encoding="utf-8")
        assert advice in page and found["model"][:12] in page
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "<script" not in page


def test_names_of_teams_are_inert(tmp_path: Path, say: Say, capsys: pytest.CaptureFixture[str]) -> None:
    """A team may be called a formula, a tag or an escape: nowhere does it do anything."""
    root = made(tmp_path, "osiris", "--students", 600)
    export = tmp_path / "export" / "osiris_studenten.csv"
    text = export.read_text(encoding="cp1252")
    for team, name in (("Techniek niveau 4", "=1+1"), ("Economie niveau 4", "<script>alert(1)</script>")):
        text = text.replace(team, name)
    export.write_text(text, encoding="cp1252")
    assert say("ingest", root, "--exports", tmp_path / "export")[0] == 0
    code, found = say("invite", root, "--top", "100%", "--xlsx", tmp_path / "a.xlsx", "--csv", tmp_path / "a.csv")
    assert code == 0
    assert {"=1+1", "<script>alert(1)</script>"} <= {student["team"] for student in found["students"]}
    page = (root / "local" / "invitations.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page
    cells = [cell for row in openpyxl.load_workbook(tmp_path / "a.xlsx")["Uitnodigingslijst (advies)"] for cell in row]
    assert {cell.data_type for cell in cells if cell.value == "=1+1"} == {"s"}
    assert ";'=1+1;" in (tmp_path / "a.csv").read_text(encoding="utf-8-sig")


def test_a_teams_list_is_for_who_may_see_that_team(root: Path, say: Say) -> None:
    """The same scores as on the school's list, a fifth of the team; nobody else gets it, and no line says so."""
    team, person = "Economie niveau 4", "M. Mentor"
    code, refused = say("invite", root, "--team", team, "--asked-by", person)
    assert (code, refused["code"]) == (2, "nobody_authorised")
    (root / "local").mkdir(exist_ok=True)
    (root / "local" / "bevoegd.yaml").write_text(f"bevoegd: 1\nteams: {{{team}: [{person}]}}\n", encoding="utf-8")
    for asked, by in ((team, "Iemand anders"), ("Techniek niveau 4", person)):
        code, refused = say("invite", root, "--team", asked, "--asked-by", by)
        assert (code, refused["code"]) == (2, "not_authorised")
    assert record(root) == []
    _, whole = say("invite", root, "--top", "100%")
    code, found = say("invite", root, "--team", team, "--asked-by", person)
    assert (code, {student["team"] for student in found["students"]}) == (0, {team})
    assert found["listed"] == round(0.2 * found["ranked"])
    chances = {student["code"]: student["chance"] for student in whole["students"]}
    assert all(chances[student["code"]] == student["chance"] for student in found["students"])
    assert (record(root)[-1]["team"], record(root)[-1]["listed"]) == (team, found["listed"])
    assert (root / "local" / "invitations-economie-niveau-4.html").exists()


# ---- when there is no list


def test_too_few_students_make_no_model_and_it_says_why(tmp_path: Path, say: Say) -> None:
    root = made(tmp_path, "osiris", "--students", 60)
    code, found = say("invite", root)
    assert (code, found["code"]) == (2, "too_few_students")
    assert "100" in found["rule"] and "--by teacher" in found["remedy"]
    assert record(root) == []
    code, found = say("invite", root, "--by", "teacher")
    assert (code, found["model"], found["measured"]) == (0, None, None)
    assert found["no_model"]["nl"]


def test_one_outcome_only_makes_no_model(tmp_path: Path, say: Say) -> None:
    """A school of which nobody left, by its flags."""
    root = made(tmp_path, "uitnodigingsregel_v4")
    export = tmp_path / "export" / "uitnodigingsregel.csv"
    lines = [line.split("\t") for line in export.read_text().splitlines()]
    column = lines[0].index("Dropout")
    for line in lines[1:]:
        line[column] = line[column].replace("1", "0")
    export.write_text("\n".join("\t".join(line) for line in lines) + "\n")
    assert say("ingest", root, "--exports", tmp_path / "export")[0] == 0
    code, found = say("invite", root)
    assert (code, found["code"]) == (2, "too_few_students")


def test_without_estimates_there_is_no_ranking_by_teachers(root: Path, say: Say) -> None:
    """A file with a heading only is an export that failed; rows that judge nobody are fine."""
    export = root.parent / "export" / "inschattingen.csv"
    head, first, *_ = export.read_text(encoding="utf-8").splitlines()
    export.write_text(f"{head}\r\n{first.split(';')[0]};40;totaal;;\r\n", encoding="utf-8")
    assert say("ingest", root, "--exports", root.parent / "export")[0] == 0
    code, found = say("invite", root)
    assert code == 0 and set(found["rankings"]) == {"local"}
    for by in ("teacher", "combined"):
        code, refused = say("invite", root, "--by", by)
        assert (code, refused["code"]) == (2, "no_estimates")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--top", "0"), "bad_top"),
        (("--top", "120%"), "bad_top"),
        (("--top", "1.5"), "bad_top"),
        (("--top", "veel"), "bad_top"),
        (("--cohort", "1999"), "nobody_to_invite"),
        (("--as-of", "2025-13-01"), "bad_day"),
        (("--as-of", "2999-01-01"), "day_to_come"),
        (("--outcome", "uitvall"), "unknown_outcome"),
        (("--by", "joint"), "no_joint_model"),
        (("--asked-by", ""), "no_asker"),
        (("--model", "/nowhere"), "unusable_finding"),
        (("--numbers", "/nowhere"), "no_folder"),
        (("--csv", "/nowhere/a.csv"), "no_such_place"),
    ],
)
def test_what_cannot_be_done_is_said_with_rule_and_remedy(
    root: Path, say: Say, options: tuple[str, str], expected: str
) -> None:
    code, found = say("invite", root, *options)
    assert (code, found["code"]) == (2, expected)
    assert found["rule"] and found["remedy"]


# ---- the public demo of the uitnodigingsregel


@pytest.mark.data
def test_the_public_demo_gives_a_list_that_says_it_is_no_better_than_a_lot(
    data_folder: Path, tmp_path: Path, say: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its outcomes were drawn without regard to anything: a list comes, and a warning not to choose by it.

    Parts are drawn by pseudonym, so by the school's key: of forty keys two gave a list that beat the lot by chance
    (the interval's 2.5 % a side). This school's key is therefore a fixed one.
    """
    root, exports = tmp_path / "node", data_folder / "uitnodigingsregel"
    assert (
        say(
            "init",
            root,
            "--school",
            "d",
            "--name",
            "D",
            "--mapping",
            "uitnodigingsregel_demo_list",
            "--size",
            "2023=1000",
        )[0]
        == 0
    )
    (root / "keys" / "pseudonym.key").write_text(bytes(range(32)).hex() + "\n")
    assert say("ingest", root, "--exports", exports)[0] == 0
    code, found = say("invite", root, "--numbers", exports)
    assert (code, found["ranked"], found["listed"], found["measured"]["on"]) == (0, 150, 30, "parts")
    assert found["measured"]["students"] == 744
    with (exports / "synth_data_pred.csv").open(encoding="utf-8") as file:
        there = {row["Studentnummer"] for row in csv.DictReader(file, delimiter="\t")}
    assert {student["number"] for student in found["students"]} <= there
    capsys.readouterr()
    assert terminal.run(node.cli.app, "coalition-node", ["invite", str(root)]) == 0
    assert "niet aantoonbaar meer studenten uit dan bij loten" in capsys.readouterr().out
