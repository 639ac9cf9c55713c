"""A task that cannot be sent leaves no child behind and keeps nobody waiting."""

from __future__ import annotations

import pytest

from engine import confined, sandbox


def test_a_task_that_cannot_be_sent_ends_at_once() -> None:
    wall = sandbox.strongest_wall(allow_unconfined=False)
    task = confined.Task(module="engine.answering", question={"x": object()}, timeout_s=30)

    for _ in range(5):
        with pytest.raises(TypeError):
            confined.run(task, wall=wall)  # a hang is the test's own time limit
