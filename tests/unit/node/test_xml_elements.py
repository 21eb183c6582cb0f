"""XML is read as it streams by: elements become rows, and what XML can do beyond that is refused without a cell."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from node.errors import UnusableInput
from node.intake import Export, read_exports
from node.mapping_document import MappingDocument, Source, read_mapping
from node.sources import xml_elements
from shared_schema import SchemaError

MARKER = "GEHEIM-4711"
NESTED = {
    "Inschrijving": {"fields": ["Nr", "Eind", "BPV/Uren", "@soort"], "above": ["BRIN"]},
    "Teldatum": {"at": "Inschrijving/Teldatum", "fields": ["Dag"], "above": ["Nr"]},
    "ignore": ["Signaal"],
}
HEAD = '<?xml version="1.0" encoding="utf-8"?>'


def read(folder: Path, text: str | bytes, **xml: object) -> dict[str, Export]:
    raw = text if isinstance(text, bytes) else text.encode()
    (folder / "s.xml").write_bytes(raw)
    return read_exports(folder, {"s": Source.model_validate({"file": "s.xml", "xml": xml or NESTED})})


def rows(export: Export) -> list[list[str]]:
    return [list(row) for row in export.frame.itertuples(index=False)]


def refused(folder: Path, text: str | bytes, **xml: object) -> UnusableInput:
    with pytest.raises(UnusableInput) as caught:
        read(folder, text, **xml)
    error = caught.value
    assert error.rule and error.found and error.remedy
    assert MARKER not in str(error)
    assert error.__suppress_context__ or error.__context__ is None  # the parser's own words may hold a cell
    return error


WHOLE = f"""{HEAD}
<a:Alles xmlns:a="urn:x" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x y">
  <a:BRIN>25XX</a:BRIN>
  <a:Inschrijving soort="N">
    <!-- een opmerking -->
    <a:Nr>007</a:Nr><a:Eind xsi:nil="true"/>
    <a:Teldatum><a:Dag>2023-10-01</a:Dag><a:Signaal><a:Wat>{MARKER}</a:Wat></a:Signaal></a:Teldatum>
    <a:BPV><a:Uren>12</a:Uren></a:BPV>
    <a:Teldatum><a:Dag><![CDATA[2024-02-01]]></a:Dag></a:Teldatum>
  </a:Inschrijving>
  <a:Inschrijving><a:Nr>8 &amp; 9</a:Nr></a:Inschrijving>
</a:Alles>
"""


def test_elements_become_rows_of_their_kind(tmp_path: Path) -> None:
    """Name spaces, nil, attributes, paths, CDATA, the five entities of XML itself, and fields of what stands around."""
    exports = read(tmp_path, WHOLE)
    assert list(exports["s#Inschrijving"].frame) == ["Nr", "Eind", "BPV/Uren", "@soort", "BRIN"]
    assert rows(exports["s#Inschrijving"]) == [["007", "", "12", "N", "25XX"], ["8 & 9", "", "", "", "25XX"]]
    assert rows(exports["s#Teldatum"]) == [["2023-10-01", "007"], ["2024-02-01", "007"]]
    assert (exports["s#Teldatum"].detected[0].separator, exports["s#Teldatum"].detected[0].encoding) == ("XML", "utf-8")


def test_a_field_of_the_row_around_may_come_later(tmp_path: Path) -> None:
    """The count day stands before the number of its enrolment, and has it all the same."""
    text = "<A><Inschrijving><Teldatum><Dag>1</Dag></Teldatum><Nr>7</Nr></Inschrijving></A>"
    assert rows(read(tmp_path, text)["s#Teldatum"]) == [["1", "7"]]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_an_encoding_is_the_declared_one(tmp_path: Path, codec: str) -> None:
    """With and without a byte order mark; the letters survive."""
    name = "utf-16" if codec == "utf-16" else "utf-8"
    text = f'<?xml version="1.0" encoding="{name}"?><A><Inschrijving><Nr>Súdwest</Nr></Inschrijving></A>'
    assert rows(read(tmp_path, text.encode(codec))["s#Inschrijving"])[0][0] == "Súdwest"


@pytest.mark.parametrize("name", ["windows-1252", "ISO-8859-1"])
def test_a_single_byte_encoding_is_read_as_such(tmp_path: Path, name: str) -> None:
    """Older systems write these; é is one byte."""
    text = f'<?xml version="1.0" encoding="{name}"?><A><Inschrijving><Nr>é</Nr></Inschrijving></A>'
    assert rows(read(tmp_path, text.encode("cp1252"))["s#Inschrijving"])[0][0] == "é"


@pytest.mark.parametrize(
    "raw",
    [
        f'<?xml version="1.0" encoding="utf-8"?><A><Inschrijving><Nr>{MARKER}é</Nr></Inschrijving></A>'.encode(
            "cp1252"
        ),
        f'<?xml version="1.0" encoding="windows-1252"?><A><Inschrijving><Nr>{MARKER}é</Nr></Inschrijving></A>'.encode(),
        f"<A><Inschrijving><Nr>{MARKER}é</Nr></Inschrijving></A>".encode("cp1252"),
        f'<?xml version="1.0" encoding="utf-7"?><A><Inschrijving><Nr>{MARKER}</Nr></Inschrijving></A>'.encode(),
        f'<?xml version="1.0" encoding="GEHEIM"?><A><Inschrijving><Nr>{MARKER}</Nr></Inschrijving></A>'.encode(),
    ],
    ids=["cp1252 as utf-8", "utf-8 as cp1252", "cp1252 undeclared", "utf-7", "unknown"],
)
def test_a_wrong_declaration_of_the_encoding_is_refused(tmp_path: Path, raw: bytes) -> None:
    """Never a wrong letter in silence, and never another of the many encodings."""
    assert refused(tmp_path, raw).code == "wrong_encoding"


BOMB = "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10}">' for n in range(1, 9))


@pytest.mark.parametrize(
    "text",
    [
        f'<!DOCTYPE A [<!ENTITY b0 "{MARKER}">{BOMB}]><A><Inschrijving><Nr>&b8;</Nr></Inschrijving></A>',
        '<!DOCTYPE A [<!ENTITY x SYSTEM "file:///etc/passwd">]><A><Inschrijving><Nr>&x;</Nr></Inschrijving></A>',
        '<!DOCTYPE A SYSTEM "http://127.0.0.1:9/x.dtd"><A><Inschrijving><Nr>1</Nr></Inschrijving></A>',
        "<!DOCTYPE A><A><Inschrijving><Nr>1</Nr></Inschrijving></A>",
    ],
    ids=["entity bomb", "external entity", "external document type", "document type"],
)
def test_a_document_type_is_refused(tmp_path: Path, text: str) -> None:
    """Attack: nothing unfolds, nothing is fetched."""
    assert refused(tmp_path, text).code == "xml_document_type"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (WHOLE[:-40], "bad_xml"),
        (WHOLE.replace("</a:BPV>", "</a:BVP>"), "bad_xml"),
        (f"<A><Inschrijving><Nr>{MARKER}&x;</Nr></Inschrijving></A>", "bad_xml"),
        (f"nr;naam\n1;{MARKER}\n", "bad_xml"),
        ("<A/>", "header_only"),
        ("<A><Inschrijving/></A>", ""),
        (f"<A><Inschrijving><Nr>1</Nr><Naam>{MARKER}</Naam></Inschrijving></A>", "unknown_element"),
        (f"<A><{MARKER}>1</{MARKER}></A>", "unknown_element"),
        (f'<A><Inschrijving naam="{MARKER}"><Nr>1</Nr></Inschrijving></A>', "unknown_element"),
        (f"<A><Inschrijving><Nr>1</Nr>{MARKER}</Inschrijving></A>", "unknown_element"),
        (f"<A><Inschrijving><BPV>{MARKER}</BPV></Inschrijving></A>", "unknown_element"),
        (f"<A><Inschrijving><Nr>1</Nr><Nr>{MARKER}</Nr></Inschrijving></A>", "repeated_element"),
        ("<A>" * 200 + "</A>" * 200, "unknown_element"),
    ],
)
def test_each_unusable_file_has_its_own_message(tmp_path: Path, text: str, code: str) -> None:
    """Cut off, not well-formed, no XML at all, undeclared, doubled, too deep, too long: a code and a line, no cell."""
    if not code:
        assert rows(read(tmp_path, text)["s#Inschrijving"]) == [["", "", "", "", ""]]
        return
    error = refused(tmp_path, text)
    assert error.code == code
    if code in ("unknown_element", "repeated_element", "bad_xml"):
        assert "line" in error.found


BOMBS = {
    "deep": "<A><Signaal>" + "<B>" * 200 + "</B>" * 200 + "</Signaal></A>",
    "long": f"<A><Inschrijving><Nr>{MARKER * 20_000}</Nr></Inschrijving></A>",
    "comment": f"<A><Inschrijving><Nr>1</Nr></Inschrijving><!--{' ' * (3 << 20)}--></A>",
    "attribute": f"<A><Signaal x='{MARKER * 300_000}'/><Inschrijving/></A>",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_nothing_deep_or_long_is_gathered(tmp_path: Path, bomb: str) -> None:
    """Attack: elements within elements, a text, a comment, an attribute, each of any size."""
    assert refused(tmp_path, BOMBS[bomb]).code == "xml_too_large"


def test_rows_that_wait_for_their_element_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outermost element that never ends keeps no more than so many rows in memory."""
    monkeypatch.setattr(xml_elements, "MAX_WAITING", 50)
    text = "<A><Inschrijving>" + "<Teldatum><Dag>1</Dag></Teldatum>" * 100 + "</Inschrijving></A>"
    assert refused(tmp_path, text).code == "xml_too_large"


def test_a_file_costs_no_more_than_its_rows(tmp_path: Path) -> None:
    """Forty megabytes of elements to leave out pass by within four megabytes of memory."""
    noise = "<Signaal><Wat>" + "x" * 500 + "</Wat></Signaal>"
    with (tmp_path / "s.xml").open("w") as file:
        file.write("<A><Inschrijving><Nr>1</Nr>")
        file.writelines(noise for _ in range(80_000))
        file.write("</Inschrijving></A>")
    source = Source.model_validate({"file": "s.xml", "xml": NESTED})
    read_exports(tmp_path, {"s": source})  # what is imported once is not counted
    tracemalloc.start()
    try:
        assert source.xml is not None
        xml_elements.read_elements(tmp_path / "s.xml", source.xml)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


# The mapping ------------------------------------------------------------------------------------------------------

MAPPING = """\
mapping: 1
layout: x
title: {{nl: x, en: x}}
sources: {{s: {{file: {file}, {settings}}}}}
identifier: {{column: Nr}}
tables: {{enrolment: {{source: "{source}", columns: {{enrolment_id: Nr}}}}}}
"""
XML = "xml: {Inschrijving: {fields: [Nr]}}"


def mapping(file: str = "s.xml", settings: str = XML, source: str = "s#Inschrijving") -> MappingDocument:
    return read_mapping(MAPPING.format(file=file, settings=settings, source=source))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"file": "s.csv"}, "ends in .xml"),
        ({"settings": "missing: [x]", "source": "s"}, "ends in .xml"),
        ({"settings": f"{XML}, separator: ';'"}, "separator"),
        ({"source": "s"}, "kinds of record"),
        ({"source": "s#Diploma"}, "kinds of record"),
        ({"settings": "xml: {inschrijving: {fields: [Nr]}}"}, "capital"),
        ({"settings": "xml: {Inschrijving: {at: ../X, fields: [Nr]}}"}, "no path"),
        ({"settings": "xml: {Inschrijving: {fields: ['Nr[1]']}}"}, "no field"),
        ({"settings": "xml: {Inschrijving: {fields: [Nr, Nr]}}"}, "each column once"),
        ({"settings": "xml: {Inschrijving: {fields: [Nr]}, Nog: {at: Inschrijving, fields: [Nr]}}"}, "same place"),
    ],
)
def test_a_mapping_that_says_too_much_or_too_little_is_refused(changed: dict[str, str], words: str) -> None:
    """`xml` goes with .xml, takes nothing that the file says itself, and holds plain paths only."""
    mapping()
    with pytest.raises(SchemaError, match=words.replace(".", r"\.")):
        mapping(**changed)
