"""What a person could state of a topic: only what holds of each row that was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import pyarrow as pa

from engine.observed import Observed, could_be_stated, from_json


def seen(*batches: Mapping[str, Sequence[object]]) -> Observed:
    whole = Observed()
    for batch in batches:
        one = Observed()
        one.take(pa.record_batch({name: pa.array(values) for name, values in batch.items()}))
        whole.add(from_json(asdict(one)))
    return whole


def test_what_holds_of_every_row_is_told_with_how_many_there_were() -> None:
    first = {
        "id": [1] * 15,
        "mail": ["a@b.co"] * 15,
        "note": ["x", *[None] * 14],
        "_line": [1] * 15,
    }
    second = {"id": [2] * 15, "mail": [None, *["c@d.eu"] * 14], "note": ["y"] * 15}

    told = could_be_stated("sales", seen(first, second), files=2)

    assert told is not None
    assert "in all 30 rows of 2 files: id in every row; mail is of format email." in told


def test_one_value_is_enough_to_take_a_format_away_and_few_rows_tell_nothing() -> None:
    mails = {"mail": ["a@b.co"] * 30}
    other = {"mail": ["nobody"]}

    assert "email" not in str(could_be_stated("t", seen(mails, other), files=2))
    assert "email" not in str(could_be_stated("t", seen(other, mails), files=2))
    assert could_be_stated("t", seen({"id": [1] * 5}), files=1) is None
