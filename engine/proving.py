"""Prove the wall by trying to get out of it."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from engine.bridge import BatchOrder, Input, Log, run_batch
from engine.events import SetAside
from engine.guests import GuestSettings, WarmParent
from engine.sandbox import Wall

_PROBES = """
import ctypes
import json
import os
import socket
import sys

MARK = {mark!r}
PID = {pid}


def read_passwd():
    return open("/etc/passwd").read(1)


def read_operator_file():
    return open(MARK).read(1)


def list_home():
    return os.listdir(os.path.dirname(MARK))


def write_outside():
    open(MARK + ".new", "w").close()
    return "written"


def write_beside_python():
    open(os.path.join(os.path.dirname(os.__file__), "x.pth"), "w").close()
    return "written"


def inherit_environment():
    return [key for key in os.environ if key.startswith("CASPARIAN_SECRET")][0]


def open_socket(family):
    return lambda: socket.socket(family, socket.SOCK_STREAM).fileno()


def open_datagram():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).fileno()


def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return pid


def execute():
    os.execv("/bin/true", ["true"])


def kill_operator():
    os.kill(PID, 0)
    return "signalled"


def trace_operator():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, PID, 0, 0) != 0:
        raise OSError(ctypes.get_errno())
    return "attached"


def make_namespace():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x10000000) != 0:
        raise OSError(ctypes.get_errno())
    return "unshared"


def become_root():
    os.setuid(0)
    if os.geteuid() != 0:
        raise OSError("not root")
    return "root"


def read_other_memory():
    return open("/proc/1/environ", "rb").read(1)


def make_memfd_program():
    fd = os.memfd_create("x")
    os.execve(fd, ["x"], {{}})


def exhaust_memory():
    return len(bytearray(64 << 30))


def change_mode():
    os.chmod(MARK, 0o777)
    return "changed"


ATTACKS = {{
    "read /etc/passwd": read_passwd,
    "read a file of the operator": read_operator_file,
    "list the operator's folder": list_home,
    "write outside the scratch folder": write_outside,
    "write beside the interpreter": write_beside_python,
    "inherit the operator's environment": inherit_environment,
    "open a TCP socket": open_socket(socket.AF_INET),
    "open an IPv6 socket": open_socket(socket.AF_INET6),
    "open a unix socket": open_socket(socket.AF_UNIX),
    "open a UDP socket": open_datagram,
    "open a netlink socket": lambda: socket.socket(16, socket.SOCK_RAW, 0).fileno(),
    "open a vsock": lambda: socket.socket(40, socket.SOCK_STREAM).fileno(),
    "fork": fork,
    "execute a program": execute,
    "execute a program from memory": make_memfd_program,
    "signal the operator's process": kill_operator,
    "trace the operator's process": trace_operator,
    "make a namespace": make_namespace,
    "become root": become_root,
    "read another process": read_other_memory,
    "change a file's mode": change_mode,
    "take 64 GiB of memory": exhaust_memory,
}}


class Handler:
    def __init__(self, outlet):
        self.outlet = outlet

    def execute(self, path):
        for name, attack in ATTACKS.items():
            try:
                got = repr(attack())[:60]
            except (OSError, MemoryError, IndexError, AttributeError) as error:
                said = [name, True, type(error).__name__]
            else:
                said = [name, False, got]
            self.outlet.quarantine(json.dumps(said), "probe", None)
"""


@dataclass(frozen=True, slots=True)
class Probe:
    """One attempt to get out."""

    attack: str
    contained: bool
    detail: str


def prove(wall: Wall, spool: Path) -> list[Probe]:
    """Run every attack in a guest behind `wall`; say which were contained."""
    with tempfile.TemporaryDirectory(prefix="casparian-proof-") as folder:
        mark = Path(folder) / "mark"
        mark.write_text("secret")
        venv = Path(folder) / "empty"
        venv.mkdir()
        settings = GuestSettings(memory_bytes=2 << 30, scratch_bytes=64 << 20)
        parent = WarmParent(wall, venv=venv, spool=spool, preload=(), settings=settings)
        with closing(parent):
            source = _PROBES.format(mark=str(mark), pid=os.getpid())
            fd = os.memfd_create("nothing", os.MFD_CLOEXEC)
            try:
                order = BatchOrder(
                    files={"plugin.py": source},
                    topics=("proof",),
                    inputs=(Input(b"nothing", fd, None),),
                    timeout=timedelta(seconds=30),
                    max_rows=1,
                    max_bytes=1 << 20,
                )
                events = list(run_batch(parent, order, Log()))
            finally:
                os.close(fd)
    facts = [json.loads(event.raw) for event in events if isinstance(event, SetAside)]
    return [Probe(str(name), contained is True, str(detail)) for name, contained, detail in facts]
