"""Names in SQL: those that DuckDB would not take for a column are quoted."""

from __future__ import annotations

import duckdb
import pytest

from engine.sql_names import quoted


def test_no_word_of_duckdb_is_left_bare_where_it_is_no_column() -> None:
    with duckdb.connect() as database:
        words = database.execute("SELECT DISTINCT keyword_name FROM duckdb_keywords()").fetchall()
        for (word,) in words:
            name = quoted(word)
            database.execute(f'SELECT {name} FROM (SELECT 1 AS "{word}") WHERE {name} = 1')


@pytest.mark.parametrize(
    ("name", "written"), [("amount", "amount"), ("at", '"at"'), ("A b", '"A b"'), ('a"b', '"a""b"')]
)
def test_a_name_is_quoted_only_where_it_has_to_be(name: str, written: str) -> None:
    assert quoted(name) == written
