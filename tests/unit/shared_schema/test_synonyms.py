"""Synonyms help to find columns and change no meaning."""

from __future__ import annotations

import pytest

from shared_schema import load_schema, spellings, synonyms
from shared_schema.reference import page

SCHEMA = load_schema()


def test_every_synonym_belongs_to_a_table_or_column_of_the_schema() -> None:
    """A renamed column takes its synonyms along, or this fails."""
    assert set(synonyms.TABLES) <= set(SCHEMA.tables)
    for place in synonyms.COLUMNS:
        table, column = place.split(".")
        SCHEMA.column(table, column)


def test_every_spelling_becomes_a_code_of_its_list() -> None:
    """Each family of spellings gives codes that exist, and no word twice within a family."""
    for name, families in spellings.SPELLINGS.items():
        codes = SCHEMA.codes[name]
        assert all(code in codes for family in families for code in family.values())
    assert set(spellings.HIGHEST_FIRST) == set(SCHEMA.codes["vooropleiding"])


def test_synonyms_do_not_enter_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node with a newer list of synonyms speaks the same schema."""
    before = load_schema().hash
    monkeypatch.setattr(synonyms, "COLUMNS", {})
    monkeypatch.setattr(spellings, "SPELLINGS", {})
    assert load_schema().hash == before


def test_the_reference_page_shows_them() -> None:
    """What is recognised is documented: a synonym and a spelling stand on the page."""
    text = page(SCHEMA)
    assert "uitschrijfreden" in text and "vmbo-tl → `VMBO_TL`" in text
