"""What is written as YAML is read back the same by the strict reader."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from node.assistant.yaml_text import lines
from shared_schema import yaml_tree

texts = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30),
    st.sampled_from(
        ["true", "null", "~", "yes", "No", "0", "01", "1e3", "- a", "a: b", "#x", "{x}", "[y]", "*a", "&b", "!t", " a "]
    ),
)
scalars = st.one_of(texts, st.integers(-999, 999), st.booleans(), st.none())
data = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(st.dictionaries(texts, inner, min_size=1, max_size=4), max_size=4),
        st.dictionaries(texts, inner, min_size=1, max_size=4),
    ),
    max_leaves=20,
)


@given(key=texts, value=data)
def test_plain_data_comes_back_as_it_was(key: str, value: Any) -> None:
    """Any text as key or value, any nesting, on one line or spread over many."""
    text = "\n".join(["before: 1", *lines(key, value, 0), "after: 2"])
    if key in ("before", "after"):
        return
    assert yaml_tree.parse(text).data == {"before": 1, key: value, "after": 2}


def test_long_data_is_spread_over_lines() -> None:
    """No line of a mapping with many codes is wider than a screen."""
    written = lines("geslacht", {"from": "kolom", "recode": {f"waarde nummer {n}": "M" for n in range(40)}}, 6)
    assert len(written) > 40 and max(map(len, written)) < 120
