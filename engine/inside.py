"""Run one function of ours behind the wall: started by `engine.confined`, as a script.

Confined like a guest before anything else is imported: base interpreter, no site, one inherited
socket. After confinement the host's own libraries and this package are importable, nothing else.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import Any, cast


def main() -> None:
    """Serve one question on the inherited socket."""
    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - slow import
    _load_package("casparian_flow", sys.argv[2])
    _load_package("engine", folder)
    import socket

    from casparian_flow import confine, link
    from casparian_flow.link import Kind

    own = socket.socket(fileno=int(sys.argv[1]))
    frame, fds = link.receive_with_fds(own)
    if frame is None:
        return
    setup = frame.json()
    answer: dict[str, object]
    try:
        if not setup["unconfined"]:
            limits = cast("dict[str, int]", setup["limits"])
            confine.limit_resources(confine.Limits(**limits))
            if setup["user"] is not None:
                confine.drop_user(*cast("list[int]", setup["user"]))
            confine.forbid_new_privileges()
            confine.restrict_files(
                readable=cast("list[str]", setup["readable"]),
                writable=[*cast("list[str]", setup["scratch"]), "/dev/null"],
            )
            confine.restrict_calls(may_fork=False)
        sys.path.extend(cast("list[str]", setup["site_packages"]))
        os.chdir(cast("list[str]", setup["scratch"])[0])
        os.environ["TMPDIR"] = cast("list[str]", setup["scratch"])[0]
        module = importlib.import_module(str(setup["module"]))
        question = {**cast("dict[str, Any]", setup["question"]), "fds": fds}
        answer = {"answer": module.serve(question)}
    except MemoryError:
        answer = {"failed": "it needs more memory than it may have"}
    except Exception as error:  # noqa: BLE001 - whatever a library says goes to the asker
        kind = "refused" if type(error).__name__ == "Refused" else "failed"
        text = str(error) if kind == "refused" else f"{type(error).__name__}: {error}"
        answer = {kind: text[:4000]}
    link.send_json(own.fileno(), Kind.CLOSED, answer)


def _load_package(name: str, folder: str) -> None:
    spec = importlib.util.spec_from_file_location(
        name,
        os.path.join(folder, "__init__.py"),  # noqa: PTH118 - pathlib is slow to import
        submodule_search_locations=[folder],
    )
    if spec is None or spec.loader is None:
        raise ImportError(folder)
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    main()
