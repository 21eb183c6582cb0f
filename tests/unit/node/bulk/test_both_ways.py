"""Large exports get the tables and the report that small ones get: every case is taken in both ways and compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from experiments.synthetic.sector import generate
from experiments.synthetic.writers import REGISTRY, write_exports
from node.people import withheld
from node.people.pseudonyms import Pseudonyms
from tests.spec.test_mapping import MANUAL, Example, completed, examples
from tests.unit.node.bulk.both_ways import KEY, assert_same, outcome

MAPPINGS = Path(__file__).parents[4] / "node" / "mappings"
HEADING = "mapping: 1\nlayout: hours\ntitle: {nl: uren, en: hours}\n"
HOURS = f"""{HEADING}sources:
  h: {{file: "h*.csv", missing: [NULL]}}
  p: {{file: p.csv, identifier: false}}
identifier: {{column: [nr, ander nr], width: 4}}
tolerance: 0.5
tables:
  person:
    source: h
    where: {{soort: [les, stage]}}
    keep: {{latest: {{from: datum, date: dd-mm-yyyy}}}}
    columns: {{geslacht: {{from: g, recode: {{m: M, v: V}}}}}}
  enrolment:
    source: h
    columns:
      enrolment_id: nr les
      start_date: {{from: datum, date: dd-mm-yyyy}}
      team: {{from: afdeling, of: p, by: [groep]}}
  attendance:
    source: h
    columns:
      week: {{compute: week_of, date: {{from: datum, date: dd-mm-yyyy}}, start: 2023-08-21}}
      weeks: weken
      hours_scheduled: {{from: rooster, scale: "0.75"}}
      hours_absent: {{compute: sum_of, columns: [zonder, met]}}
      hours_absent_unauthorised: zonder
"""
NAMES = ["nr", "ander nr", "nr les", "soort", "g", "groep", "datum", "weken", "rooster", "zonder", "met"]

CELLS = {
    "nr": st.sampled_from(["1", "01", "0001", " 1", "2", "3", "4", "", "٣", "ünï", "1e2"]),
    "ander nr": st.sampled_from(["", "7", "1", "٣"]),
    "nr les": st.sampled_from(["a", "b", " a ", "", "NULL", "é", "'", "\N{EM SPACE}a"]),
    "soort": st.sampled_from(["les", "stage", " les", "vrij", ""]),
    "g": st.sampled_from(["m", "v", "M", "", "NULL", "x"]),
    "groep": st.sampled_from(["A", "B", " B", "C", "", "b"]),
    "datum": st.sampled_from(["21-08-2023", "1/9/2023", "28.08.2023 08:30", "31-02-2024", "", "NULL", "٠1-09-2023"]),
    "weken": st.sampled_from(["1", "1.0", "4", "0", "60", "", "1,5", "¹", "NULL"]),
    "rooster": st.sampled_from(["32", "32,0", "+3,125", "-0", "-1", "160", "", "1e3", "nan", "inf", "９"]),
    "zonder": st.sampled_from(["0", "0,1", "0,2", "0,3", "40", "41", "999999999999999", "", "x"]),
    "met": st.sampled_from(["0", "0,1", "0,7", "-0,0", "NULL", "", "1_000", "0x10", " 5 "]),
}
ROW = st.fixed_dictionaries(CELLS).map(lambda row: [row[name] for name in NAMES])
PROGRAMMES = "groep;afdeling\nA;Zorg\nB;ICT\nB;Techniek\nC;\n"


def case(folder: Path, files: dict[str, bytes], mapping: str) -> tuple[Path, Path]:
    """Write exports and a mapping; return where they are."""
    exports = folder / "exports"
    exports.mkdir(exist_ok=True)
    for old in exports.iterdir():
        old.unlink()
    for name, body in files.items():
        (exports / name).write_bytes(body)
    (folder / "mapping.yaml").write_text(mapping, encoding="utf-8")
    return exports, folder / "mapping.yaml"


def lines(rows: list[list[str]], end: str = "\n", header: list[str] = NAMES) -> bytes:
    return "".join(";".join(row) + end for row in [header, *rows]).encode()


OF_FILES = [found for found in examples(MANUAL.read_text(encoding="utf-8")) if "sql:" not in found.mapping]


@pytest.mark.parametrize("manual", OF_FILES, ids=lambda found: found.title)
def test_every_example_of_the_manual(manual: Example, tmp_path: Path) -> None:
    files = {name: body.encode() for name, body in manual.files.items()}
    small, _ = assert_same(*case(tmp_path, files, completed(manual.mapping)))
    assert small.tables


@pytest.mark.parametrize("layout", REGISTRY)
def test_every_layout_that_can_be_written(layout: str, tmp_path: Path) -> None:
    school = generate(1, 60, 11)[0]
    (tmp_path / "exports").mkdir()
    write_exports(school, layout, tmp_path / "exports")
    small, _ = assert_same(tmp_path / "exports", MAPPINGS / f"{layout}.yaml")
    assert small.report["verdict"] in ("pass", "warn")
    assert all(len(table) for table in small.tables.values())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=12), ends=st.sampled_from(["\n", "\r\n"]))
@example(rows=[["1", "", "a", "les", "m", "A", "21-08-2023", "1", "32", "0", "0"]] * 3, ends="\n")
def test_any_cells(rows: list[list[str]], ends: str, tmp_path: Path) -> None:
    """Dates that are none, digits of other scripts, numbers beyond bounds, double keys, equal rows, texts for none."""
    assert_same(*case(tmp_path, {"h.csv": lines(rows, ends), "p.csv": PROGRAMMES.encode()}, HOURS))


TEXT = st.text(alphabet=list("ab1;,\"\n\r\t \\\0#'é\N{NO-BREAK SPACE}|"), max_size=6)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.lists(st.lists(TEXT, min_size=2, max_size=4).map(";".join), max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
@example(body=['1;"a"', '2; "b"'], end="\n")
@example(body=['1;"a" ', "2;b"], end="\n")
@example(body=['1;"a\nb"', "2;b"], end="\r\n")
@example(body=["1;a", "", "2;b"], end="\n")
@example(body=["1;a;", "2;b;"], end="\n")
@example(body=["1;a", ";"], end="\n")
def test_any_text_as_a_file(body: list[str], end: str, tmp_path: Path) -> None:
    """Quotes, line ends, separators and blanks in all the wrong places: the same cells, or the same refusal."""
    mapping = f"{HEADING}sources: {{s: {{file: s.csv}}}}\nidentifier: {{column: nr}}\ntolerance: 0.5\n"
    mapping += "tables:\n  enrolment:\n    source: s\n    columns: {enrolment_id: les}\n"
    assert_same(*case(tmp_path, {"s.csv": end.join(["nr;les", *body]).encode()}, mapping))


WARTS = {
    "bom": b"\xef\xbb\xbf" + lines([["1", "", "a", "les", "m", "A", "21-08-2023", "1", "32", "0", "0"]]),
    "no last line end": lines([["1", "", "a", "les", "m", "A", "21-08-2023", "1", "32", "0", "0"]])[:-1],
    "cp1252": lines(
        [["1", "", "\N{LATIN SMALL LETTER E WITH ACUTE}", *["les", "m", "A"], "21-08-2023", *"1", "3", "0", "0"]]
    )
    .decode()
    .encode("cp1252"),
    "utf-16": lines([["1", "", "a", "les", "m", "A", "21-08-2023", "1", "32", "0", "0"]]).decode().encode("utf-16"),
    "two date formats": lines(
        [["1", "", "a", "les", "m", "A", date, "1", "32", "0", "0"] for date in ("21-08-2023", "2023-08-21")]
    ),
    "two decimal marks": lines(
        [["1", "", "a", "les", "m", "A", "21-08-2023", "1", "32", hours, "0"] for hours in ("1,5", "1.5")]
    ),
    "ragged": lines([["1", "", "a"]]),
    "trailing separators": lines(
        [["1", "", "a", "les", "m", "A", "21-08-2023", "1", "32", "0", "0", ""]], header=[*NAMES, ""]
    ),
    "a value without a name": lines(
        [["1", "", "a", "les", "m", "A", "21-08-2023", "1", "32", "0", "0", "x"]], header=[*NAMES, ""]
    ),
    "header only": lines([]),
    "nobody": lines([["", "", "a", "les", "m", "A", "21-08-2023", "1", "32", "0", "0"]]),
    "doubled name": lines([["1"] * len(NAMES)], header=[*NAMES[:-1], "nr"]),
    "missing column": lines([["1"] * 10], header=NAMES[:-1]),
    "blank lines": b"\n\n"
    + lines([["1", "", "a", "les", "m", "A", "21-08-2023", "1", "32", "0", "0"]])
    + b";;;;;;;;;;\n\n",
}


READ = {"bom", "no last line end", "cp1252", "utf-16", "trailing separators", "blank lines"}


@pytest.mark.parametrize("wart", WARTS)
def test_every_wart(wart: str, tmp_path: Path) -> None:
    small, _ = assert_same(*case(tmp_path, {"h.csv": WARTS[wart], "p.csv": PROGRAMMES.encode()}, HOURS))
    assert bool(small.tables) == (wart in READ), small.refusal


@pytest.mark.parametrize("at", range(3))
def test_a_byte_that_is_no_utf8_is_met_in_every_column(at: int, tmp_path: Path) -> None:
    """Also in one that no rule reads, and in the header: the file is then in another encoding, in both ways."""
    mapping = f"{HEADING}sources: {{s: {{file: s.csv}}}}\nidentifier: {{column: nr}}\n"
    mapping += "tables:\n  enrolment:\n    source: s\n    columns: {enrolment_id: les}\n"
    body = ["nr;les;ongelezen", *["1;a;b"] * 3, ["1;a;\xe9", "1;\xe9;b", "1;a;b"][at]]
    body[0] += "\xe9" * (at == 2)
    for encoding in ("cp1252", "utf-8"):
        files = {"s.csv": "\n".join(body).encode(encoding)}
        _, large = assert_same(*case(tmp_path, files, mapping))
        assert large.report["sources"][0]["encoding"] == encoding


def test_files_of_one_source_are_put_under_each_other(tmp_path: Path) -> None:
    """Also one that DuckDB may not read beside one that it may, and one with another header."""
    first = lines([["1", "", "a", "les", "m", "A", "21-08-2023", "1", "32", "0", "0"]])
    again = lines([["1", "", "a", "les", "m", "A", "21-08-2023", "1", "32", "0", "0"], [" 2", *[""] * 9, "1"]])
    other = lines([["1"] * len(NAMES)], header=NAMES[::-1])
    for second in (again, again.replace(b"\n", b"\r\n"), again.decode().encode("utf-16"), other):
        files = {"h1.csv": first, "h2.csv": second, "p.csv": PROGRAMMES.encode()}
        assert_same(*case(tmp_path, files, HOURS))


def test_columns_that_look_like_identifiers_are_dropped(tmp_path: Path) -> None:
    """Also where the first twenty thousand rows do not show it yet, and where the mapping does not read the column."""
    bsn = [str(number) for number in range(100_000_009, 100_009_000) if _passes(str(number))]
    late = [["1", ""]] * 20_050 + [[str(at), number] for at, number in enumerate(bsn)]
    few = [[str(at), number] for at, number in enumerate(bsn[:50])]
    for rows in (late, few):
        body = "".join(f"{nr};{secret};les\n" for nr, secret in rows)
        mapping = f"{HEADING}sources: {{s: {{file: s.csv}}}}\nidentifier: {{column: nr}}\n"
        mapping += "tables:\n  enrolment:\n    source: s\n    columns: {enrolment_id: soort}\n"
        small, large = assert_same(*case(tmp_path, {"s.csv": f"nr;veld;soort\n{body}".encode()}, mapping))
        assert large.report["protections"][0]["dropped"] == {"veld": "contents"}, small


@pytest.mark.parametrize("come_back", [False, True])
def test_words_that_hardly_come_back_are_those_of_persons(come_back: bool, tmp_path: Path) -> None:
    """A mapping that reads a column of remarks is refused in the same words; names of teams come back and are read."""
    kinds = 40 if come_back else 10_000
    words = ["aap", "noot", "mies", "wim", "zus", "jet", "teun", "vuur", "gijs", "lam"]
    said = [" ".join(words[int(digit)] for digit in f"{number % kinds:04d}") for number in range(1, 401)]
    body = "".join(f"{at};{text if at % 7 else ' '}\n" for at, text in enumerate(said))
    mapping = f"{HEADING}sources: {{s: {{file: s.csv}}}}\nidentifier: {{column: nr}}\n"
    mapping += "tables:\n  enrolment:\n    source: s\n    columns: {enrolment_id: {constant: '1'}, team: groep}\n"
    small, large = assert_same(*case(tmp_path, {"s.csv": f"nr;groep\n{body}".encode()}, mapping))
    assert large.refusal.startswith("identifier_mapped") != come_back, small


def _passes(digits: str) -> bool:
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    return sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=True)) % 11 == 0


def test_a_linked_number_counts_as_the_first(tmp_path: Path) -> None:
    rows = [[nr, "", "a", "les", "m", "A", "21-08-2023", "1", "32", "0", "0"] for nr in ("0001", "0002")]
    exports, mapping = case(tmp_path, {"h.csv": lines(rows), "p.csv": PROGRAMMES.encode()}, HOURS)
    with Pseudonyms.open(tmp_path / "data") as pseudonyms:
        pseudonyms.bind(KEY)
        pseudonyms.register({KEY.pseudonym("0001"): 2023})
        pseudonyms.link(KEY.pseudonym("0001"), KEY.pseudonym("0002"))
        _, large = assert_same(exports, mapping, pseudonyms=pseudonyms)
    assert large.tables["person"]["student"].tolist() == [KEY.pseudonym("0001")]


def test_who_was_erased_has_no_rows(tmp_path: Path) -> None:
    rows = [[nr, "", "a", "les", "m", "A", "21-08-2023", "1", "32", "0", "0"] for nr in ("0001", "0002", "0003")]
    exports, mapping = case(tmp_path, {"h.csv": lines(rows), "p.csv": PROGRAMMES.encode()}, HOURS)
    with Pseudonyms.open(tmp_path / "data") as pseudonyms:
        pseudonyms.bind(KEY)
        pseudonyms.register({KEY.pseudonym("0002"): 2023})
        withheld.withhold(pseudonyms, [KEY.pseudonym("0002")], withheld.ERASED)
        _, large = assert_same(exports, mapping, pseudonyms=pseudonyms)
    assert set(large.tables["person"]["student"]) == {KEY.pseudonym("0001"), KEY.pseudonym("0003")}
    assert large.report["protections"][0]["rows_withheld"] == 1


def test_lines_that_repeat_an_earlier_one_are_counted(tmp_path: Path) -> None:
    """Also where no table would show them: among rows without a student, and where a column is read by no rule."""
    row = ["1", "", "a", "les", "m", "A", "21-08-2023", "1", "32", "0", "0"]
    nobody = ["", *row[1:]]
    for rows, repeated in (([row, row, row], 2), ([row, nobody, nobody], 1), ([row, ["2", *row[1:]]], 0)):
        _, large = assert_same(*case(tmp_path, {"h.csv": lines(rows), "p.csv": PROGRAMMES.encode()}, HOURS))
        assert large.report["identical"] == ({"h": [repeated, len(rows)]} if repeated else {})


def test_no_error_of_the_large_way_holds_a_cell(tmp_path: Path) -> None:
    """What DuckDB stumbles over is told in the node's own words."""
    secret = "Klaver-Marker"
    ragged = lines([["1", "", secret]])
    found = outcome(*case(tmp_path, {"h.csv": ragged, "p.csv": PROGRAMMES.encode()}, HOURS), in_bulk=True)
    assert found.refusal.startswith("ragged_lines") and secret not in found.refusal
