"""A port or socket that is taken costs a fallback or a clear error, never the engine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import watchfiles

from console.approval_page import ApprovalPage
from engine.control import Caller, Client
from engine.home import prepare
from tests.conftest import START, House
from tests.doors import casparian


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


@pytest.mark.usefixtures("arrow_environment")
def test_a_taken_page_port_costs_another_port_and_not_the_engine(house: House, data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (house.home.root / "config.toml").write_text(f"page_port = {port_of(taken)}\n")
        (data / "a.csv").write_text("id\n1\n")
        house.call("scan", path=str(data))
        draft = house.call("draft_plugin", files=[str(data / "a.csv")], topic="things")["draft"]
        digest = house.call("validate_plugin", draft=draft, wait_s=60)["digest"]

        url = house.call("publish_plugin", draft=draft, digest=digest)["approval"]["url"]

        assert f":{port_of(taken)}/" not in url
        with urllib.request.urlopen(url, timeout=20) as page:
            assert page.status == 200


def test_a_free_page_port_is_taken_as_configured() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = port_of(probe)
    page = ApprovalPage(port)

    assert f":{port}/" in str(page.url(1))
    assert page._socket is not None
    page._socket.close()


def test_without_any_port_there_is_no_page_and_still_an_engine() -> None:
    script = (
        "import resource\n"
        "from console.approval_page import ApprovalPage\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))  # no socket can be made\n"
        "page = ApprovalPage()\n"
        "assert page.url(1) is None, page.url(1)\n"
        "assert page.companion().url(1) is None\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_port_that_does_not_exist_is_a_clear_error(house: House) -> None:
    (house.home.root / "config.toml").write_text("page_port = 70000\n")

    assert "page_port" in casparian(house, "start", code=2)


def test_a_socket_file_that_a_killed_engine_left_is_taken_over(house: House) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(house.home.engine_socket))
    assert house.home.engine_socket.exists()

    assert house.call("get_overview")["sources"] == []


def test_a_socket_path_that_another_program_listens_on_is_taken_over(house: House) -> None:
    path = house.home.engine_socket
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        before = path.stat()
        engine = subprocess.Popen(
            START, env={**os.environ, "CASPARIAN_HOME": str(house.home.root)}, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in watchfiles.watch(path.parent, rust_timeout=500, yield_on_timeout=True):
            if path.exists() and path.stat().st_ctime_ns != before.st_ctime_ns:
                break

        assert house.call("get_overview")["sources"] == []
    house.stop()
    assert engine.wait(timeout=20) == 0


def test_something_else_in_the_place_of_a_socket_is_named_with_what_to_do(house: House) -> None:
    house.home.engine_socket.mkdir()

    said = casparian(house, "start", code=2)

    assert "is in the way" in said
    assert f"mv {house.home.engine_socket}" in said
    house.home.engine_socket.rmdir()


def test_doors_of_different_environments_find_one_engine(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    house.call("get_overview")
    first = house.home.engine_socket

    monkeypatch.setenv("TMPDIR", str(elsewhere))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(elsewhere))

    assert prepare(house.home.root).engine_socket == first
    assert Client(prepare(house.home.root), Caller("cli", "t"), START).is_running()


def test_a_copied_home_has_sockets_of_its_own(house: House, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    (copy / "run").symlink_to(house.home.run)

    assert prepare(copy).run != house.home.run
    assert (copy / "run").readlink() == prepare(copy).run


def test_an_engine_that_nobody_can_reach_makes_room_for_another(house: House) -> None:
    house.call("get_overview")
    house.person.close()
    house.home.engine_socket.unlink()

    assert house.call("get_overview")["sources"] == []
