"""What files are called, made into globs and topic names."""

from __future__ import annotations

import pytest

from engine.filenames import pattern_from, topic_from


@pytest.mark.parametrize(
    ("paths", "pattern"),
    [
        ([b"/d/sales-2026-01.csv"], "sales-[0-9]*.csv"),
        ([b"/d/sales-2026-01.csv", b"/d/sales-2026-02.csv"], "sales-[0-9]*.csv"),
        ([b"/d/feb.csv", b"/d/jan.csv"], "*.csv"),
        ([b"/d/shop_north_01.csv", b"/d/shop_south_12.csv"], "shop_*.csv"),
        ([b"/d/2026 north.csv", b"/d/2025 south.csv"], "*th.csv"),
        ([b"/d/a[1].csv"], r"a\[[0-9]*\].csv"),
        ([b"/d/a", b"/d/b"], "a"),
    ],
)
def test_a_glob_takes_the_files_it_is_made_from(paths: list[bytes], pattern: str) -> None:
    assert pattern_from(paths) == pattern


def test_a_topic_is_named_after_the_words_of_a_file() -> None:
    assert topic_from(b"/d/Sales 2026-01.csv") == "sales"
    assert topic_from(b"/d/2026.csv") == "records"
