"""A node's folder, and perhaps exports to look at, arrives; the quality report leaves: text, page and JSON.

What is looked at only is not stored; its page stands under another name, so that the page of the stored delivery stays.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.reading import sheet
from experiments.terminal import Report
from node import ingest as intake
from node.assembly import open_schema
from node.errors import UnusableInput
from node.folder import read_card
from node.founding import existing, mapping_of
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms
from node.quality import text
from node.quality.overview import overview, plain
from node.quality.page import page
from node.quality.stored import stored_report
from node.store import Store

if TYPE_CHECKING:
    from node.folder import NodeFolder
    from shared_schema import Schema

STORED, LOOKED_AT = "quality", "quality-preview"


def check(root: Path, exports: Path | None, mapping: Path | None, html: Path | None, today: date) -> Report:
    """The report of the stored delivery, or of exports that are looked at only; and which questions they serve.

    html: where the Dutch page goes (FILE.html, with FILE.en.html beside it); without it NODE/local/quality.html.
    """
    folder = existing(root)
    schema = open_schema(folder)
    looked_at = exports is not None or mapping is not None
    place, name = _place(html) if html else (folder.local, LOOKED_AT if looked_at else STORED)
    report = (
        _examined(folder, exports, mapping, schema) if looked_at else stored_report(Store.open(folder.data), schema)
    )
    seen = overview(report, schema)
    written = sheet.write(page(seen, read_card(folder)["name"], today, schema), place, name)
    return Report(
        {**plain(seen), "html": str(written)},
        [
            lambda console: text.render(seen, console),
            lambda console: text.render_questions(seen.services, console),
            f"De hele bladzijde / the whole page: {written}",
        ],
    )


def _examined(folder: NodeFolder, exports: Path | None, mapping: Path | None, schema: Schema) -> dict[str, Any]:
    key = PseudonymKey.load(folder.pseudonym_key)
    with Pseudonyms.open(folder.data) as pseudonyms:
        examined = intake.examine(
            exports or folder.exports,
            mapping_of(str(mapping)) if mapping else folder.mapping,
            key,
            schema,
            pseudonyms,
            Store.open(folder.data),
            folder.connections,
        )
    return examined.quality.plain()


def _place(html: Path) -> tuple[Path, str]:
    """Folder and name of a page; refused before any row is read."""
    if html.suffix != ".html" or not sheet.NAME.fullmatch(html.stem):
        raise UnusableInput(
            "bad_page_name",
            "A page's file is small letters, digits, - and _, and ends in .html.",
            html.name[:80],
            "Choose such a name, or leave out --html.",
        )
    return html.parent, html.stem
