"""A door gives up on an engine that hangs, with an error that says so."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from casparian_flow.errors import ConfigError, EngineUnavailable
from tests.conftest import House


def test_a_door_waits_for_an_engine_only_so_long(house: House) -> None:
    house.call("get_overview")
    pid = house.engine_pid()
    impatient = replace(house.person, patience_s=0.5, _idle=[])

    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(EngineUnavailable, match=r"said nothing for 0\.5 s"):
            impatient.call("get_overview")
    finally:
        os.kill(pid, signal.SIGCONT)

    assert house.call("get_overview")["sources"] == []


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("find_files", {"state": "nope"}),
        ("get_plugins", {"status": "nope"}),
        ("get_plugins", {"names": ["x@99999999999999999999"]}),
    ],
)
def test_arguments_out_of_this_world_are_an_error_of_their_own(
    house: House, method: str, arguments: dict[str, object]
) -> None:
    with pytest.raises(ConfigError):
        house.call(method, **arguments)
