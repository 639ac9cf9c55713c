"""No result is longer than a model can take, and what was cut is said."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcp_server.fitting import MOST_CHARS, fitted


def preview(columns: int) -> dict[str, Any]:
    names = [f"column_{number}" for number in range(columns)]
    return {
        "summary": "csv.",
        "columns": [
            {"name": name, "type": "string", "examples": ["x" * 50], "ambiguity": None}
            for name in names
        ],
        "rows": [["value"] * columns for _ in range(5)],
        "next_steps": ["draft_plugin()"],
    }


def size(result: dict[str, Any]) -> int:
    return len(json.dumps(result, ensure_ascii=False))


def test_what_fits_is_left_alone() -> None:
    assert fitted(preview(10)) == preview(10)


def test_a_wide_table_is_cut_in_width_with_its_cells_under_their_names() -> None:
    wide = preview(2000)
    wide["columns"][1500]["ambiguity"] = "dd/mm or mm/dd"

    found = fitted(wide)

    assert size(found) < MOST_CHARS + 1000
    columns, rows = found["columns"], found["rows"]
    assert isinstance(columns, list)
    assert isinstance(rows, list)
    assert len(columns) > 50
    assert {len(row) for row in rows} == {len(columns)}
    assert f"{len(columns):,} of 2,000 columns" in str(found["summary"])
    assert "column_1500 not certain" in str(found["summary"])
    assert found["next_steps"] == ["draft_plugin()"]
    assert len(wide["columns"]) == 2000


def test_long_source_is_cut_at_a_line_and_a_review_never() -> None:
    source = "\n".join(f"line {number}" for number in range(20_000))

    found = fitted({"summary": "s", "source": source, "review": "r" * 20_000})

    assert str(found["source"]).startswith("line 0\n")
    assert "more characters)" in str(found["source"])
    assert found["review"] == "r" * 20_000
    assert size(found) < MOST_CHARS + 1000


VALUES = st.recursive(
    st.none() | st.text(max_size=50) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=400) | st.dictionaries(st.text(max_size=8), inner, max_size=6)
    ),
    max_leaves=600,
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=8))
def test_any_result_stays_one_of_the_same_shape(result: dict[str, Any]) -> None:
    found = fitted(result, most=300)

    assert set(found) >= set(result)
    assert size(found) <= max(300, size(result)) + 500  # what is said about the cut
    for key, value in result.items():
        if key != "summary":
            assert type(found[key]) is type(value)


def test_whatever_is_long_is_cut_until_it_fits() -> None:
    long: list[dict[str, Any]] = [
        {"columns": ["a"], "rows": [["x" * 200]] * 1000, "note": "line\n" * 1000},
        {"columns": list("abcd"), "rows": [["y" * 500] * 4] * 200},
        {"texts": ["t" * 30_000] * 3},
        {"counts": {f"key {number}": number for number in range(5000)}},
        {"jobs": [{"job": f"job-{number}", "log": 'l"\n' * 600} for number in range(20)]},
        {"log": '\u0001"' * 20_000, "manifest": {"topics": [f"t{n}" for n in range(200)]}},
    ]

    for result in long:
        found = fitted({"summary": "s", **result})
        assert size(found) < MOST_CHARS + 1000
        assert "Cut to fit: " in str(found["summary"])
