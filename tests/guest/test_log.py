"""Each job of a batch has its own log, however its bytes arrive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.guest_log import Log


@given(
    jobs=st.lists(st.binary(max_size=60), min_size=2, max_size=5),
    sizes=st.lists(st.integers(1, 30), min_size=1),
)
def test_each_job_has_what_it_wrote_wherever_the_chunks_are_cut(
    jobs: list[bytes], sizes: list[int]
) -> None:
    log = Log(len(jobs))
    stream = b"".join(log.mark.encode() + said for said in jobs)
    position = 0
    while position < len(stream):
        for size in sizes:
            log.add(stream[position : position + size])
            position += size

    assert [log.text(index) for index in range(len(jobs))] == [
        said.decode("utf-8", "backslashreplace") for said in jobs
    ]


def test_what_is_written_before_the_first_job_is_the_firsts() -> None:
    log = Log(2)
    log.add(b"imported " + log.mark.encode() + b"one" + log.mark.encode() + b"two")

    assert [log.text(0), log.text(1)] == ["imported one", "two"]


def test_a_guest_that_writes_marks_of_its_own_only_mixes_up_its_last_log() -> None:
    log = Log(2)
    log.add(log.mark.encode() * 5 + b"said")

    assert [log.text(0), log.text(1)] == ["", "said"]
