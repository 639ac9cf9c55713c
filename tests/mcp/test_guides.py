"""What the guides show is what works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

from casparian_flow.sdk import BasePlugin
from gatekeeper.rules import inspect_files
from mcp_server.guides import GUIDES
from tests.engine.making import Kept


def test_the_plugin_in_the_guide_passes_the_gate_and_reads_what_it_names(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```python\n(.*?)```", GUIDES["authoring"], re.DOTALL)
    (tmp_path / "sales-1.csv").write_text("id;day;amount\n1;25/11/2026;1.234,50\n2;31/11/2026;1\n")

    assert inspect_files({"plugin.py": shown.encode()}, entry="plugin.py") == ()
    namespace: dict[str, Any] = {}
    exec(compile(shown, "plugin.py", "exec"), namespace)
    kept = Kept()
    cast("type[BasePlugin]", namespace["Handler"])(kept).execute(str(tmp_path / "sales-1.csv"))

    (row,) = kept.rows["sales"]
    assert (row["id"], str(row["day"]), row["amount"]) == (1, "2026-11-25", 1234.5)
    assert len(kept.aside) == 1
