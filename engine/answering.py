"""Answer one SQL question inside the wall: parse, prove, run, cap, say.

Runs in a child of `engine.confined`, with the host's own duckdb and pyarrow.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

_ALLOWED_NODES = frozenset(
    [
        "SELECT_NODE",
        "SET_OPERATION_NODE",
        "RECURSIVE_CTE_NODE",
        "CTE_NODE",
        "BASE_TABLE",
        "SUBQUERY",
        "JOIN",
        "EMPTY",
        "EXPRESSION_LIST",
        "PIVOT",
        "TABLE_FUNCTION",
        "LIMIT_MODIFIER",
        "LIMIT_PERCENT_MODIFIER",
        "ORDER_MODIFIER",
        "DISTINCT_MODIFIER",
        "ORDER_DEFAULT",
        "ASCENDING",
        "DESCENDING",
    ]
)
_ALLOWED_CLASSES = frozenset(
    [
        "AGGREGATE",
        "CASE",
        "CAST",
        "COLLATE",
        "COLUMN_REF",
        "COMPARISON",
        "CONJUNCTION",
        "CONSTANT",
        "FUNCTION",
        "LAMBDA",
        "LAMBDA_REF",
        "OPERATOR",
        "POSITIONAL_REFERENCE",
        "STAR",
        "SUBQUERY",
        "WINDOW",
        "BETWEEN",
        "TYPE",
    ]
)
_TABLE_FUNCTIONS = frozenset(("range", "generate_series", "unnest"))
_DENIED_FUNCTIONS = frozenset(
    [
        "getenv",
        "getvariable",
        "current_setting",
        "set_config",
        "nextval",
        "currval",
        "setseed",
        "write_log",
        "read_text",
        "read_blob",
        "read_csv",
        "read_json",
        "read_parquet",
        "glob",
        "query",
        "query_table",
        "sniff_csv",
        "which_secret",
        "pg_read_file",
        "current_query",
        "add_parquet_key",
        "parse_duckdb_log_message",
        "in_search_path",
        "json_serialize_plan",
        "txid_current",
    ]
)
_DENIED_PREFIXES = ("duckdb_", "pragma_", "read_", "parquet_", "pg_", "__internal", "storage_")


_AS_TEXT = ("WITH TIME ZONE", "TIMESTAMPTZ", "_NS")
"""What types hold that Python's moments do not, or DuckDB needs pytz to fetch."""


class Refused(Exception):
    """The statement is not one that may run; the text says why."""


def serve(question: dict[str, Any]) -> dict[str, object]:
    """The answer to one question about SQL, its rows capped."""
    import duckdb

    started = time.monotonic()
    connection = duckdb.connect(":memory:", config={"threads": "2"})
    for setting in (
        f"SET temp_directory = '{_plain(question['scratch'])}'",
        "SET enable_external_access = false",
        "SET python_enable_replacements = false",
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        f"SET memory_limit = '{int(question['memory_mb'])}MB'",
    ):
        connection.execute(setting)
    sql = str(question["sql"])
    used = prove(connection, sql, frozenset(question["tables"]))
    for table in used:
        _offer(connection, table, question["tables"][table])
    connection.execute("SET lock_configuration = true")
    bound = connection.sql(sql)  # binds without running
    columns = list(zip(bound.columns, map(str, bound.types), strict=True))
    if any(_is_told(kind) for _, kind in columns):
        shown = (_readable(at, kind) for at, (_, kind) in enumerate(columns, 1))
        sql = bound.project(", ".join(shown)).sql_query()
    cursor = connection.execute(sql)
    skipped = int(question["offset"])
    while skipped > 0 and (gone := cursor.fetchmany(min(skipped, 10_000))):
        skipped -= len(gone)
    rows, truncated = _capped(cursor, question)
    return {
        "columns": [name for name, _ in columns],
        "types": [kind for _, kind in columns],
        "rows": rows,
        "truncated": truncated,
        "tables": sorted(used),
        "elapsed_ms": round((time.monotonic() - started) * 1000),
    }


def _is_told(kind: str) -> bool:
    return any(word in kind for word in _AS_TEXT)


def _readable(position: int, kind: str) -> str:
    """A column of the result; as text where Python would cut or cannot take its values."""
    return f"CAST(#{position} AS VARCHAR)" if _is_told(kind) else f"#{position}"


def _plain(path: str) -> str:
    if "'" in path:
        raise Refused("the scratch folder's name holds a quote")
    return path


def _offer(connection: Any, name: str, table: dict[str, Any]) -> None:
    """Make a table of the question's known to DuckDB."""
    import base64

    import pyarrow as pa
    import pyarrow.dataset as ds

    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(table["schema"])))
    if table["is_mixed"]:
        _offer_mixed(connection, name, schema, table["files"])
    elif table["files"]:
        connection.register(name, ds.dataset(table["files"], schema=schema, format="parquet"))
    else:
        connection.register(name, schema.empty_table())


def _offer_mixed(connection: Any, name: str, schema: Any, files: list[str]) -> None:
    """A table whose files differ in types: each is cast by DuckDB, and not by Arrow's scan.

    Arrow would compare what is stored with what is asked for, 5 with '5', and refuse.
    """
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    groups: dict[Any, list[str]] = {}
    for file in files:
        groups.setdefault(pq.read_schema(file).remove_metadata(), []).append(file)
    connection.register(f"{name} as agreed", schema.empty_table())
    parts = [f'SELECT * FROM "{name} as agreed"']  # noqa: S608 - a topic's name holds no quote
    for number, (stored, paths) in enumerate(groups.items()):
        part = f"{name} part {number}"
        connection.register(part, ds.dataset(paths, schema=stored, format="parquet"))
        columns = ", ".join(
            _as_agreed(field, schema.field(field.name).type)
            for field in stored
            if field.name in schema.names
        )
        parts.append(f'SELECT {columns} FROM "{part}"')  # noqa: S608 - names are quoted
    connection.execute(f'CREATE TEMP VIEW "{name}" AS {" UNION ALL BY NAME ".join(parts)}')


def _as_agreed(stored: Any, agreed: Any) -> str:
    """A column of some files in the type that the table has."""
    from pyarrow import types

    name = '"' + stored.name.replace('"', '""') + '"'
    if stored.type == agreed:
        return name
    if types.is_string(agreed):
        return f"CAST({name} AS VARCHAR) AS {name}"
    if types.is_integer(stored.type) and types.is_floating(agreed):
        # A cast that fails says so where the column is asked for, and only there.
        wrong = f"abs(CAST({name} AS HUGEINT)) > {2**53}"
        told = f"CAST(CAST({name} AS VARCHAR) || ' has more digits than a double' AS DOUBLE)"
        return f"CASE WHEN {wrong} THEN {told} ELSE CAST({name} AS DOUBLE) END AS {name}"
    return name  # the union finds the type that holds both


def _capped(cursor: Any, question: dict[str, Any]) -> tuple[list[list[object]], bool]:
    rows: list[list[object]] = []
    room = int(question["max_bytes"])
    while True:
        chunk = cursor.fetchmany(100)
        if not chunk:
            return rows, False
        for record in chunk:
            row = [_cell(value, int(question["max_cell"])) for value in record]
            room -= sum(len(str(value)) + 1 for value in row)
            if len(rows) >= int(question["max_rows"]) or (room < 0 and rows):
                return rows, True
            rows.append(row)


def _cell(value: object, most: int) -> object:
    """JSON numbers, booleans and null as they are; everything else as text, capped."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and -(2**53) < value < 2**53:
        return value
    if isinstance(value, float) and value == value and abs(value) != float("inf"):  # noqa: PLR0124 - NaN
        return value
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= most else text[:most] + "…"


def prove(connection: Any, sql: str, tables: frozenset[str]) -> set[str]:
    """The tables a statement reads; refuses all but one SELECT over known tables.

    Judged by DuckDB's own parse tree, because statement types lie: a WITH clause can hold an
    INSERT and still be called SELECT.
    """
    import json

    tree = json.loads(
        connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()[0][0]
    )
    if tree.get("error"):
        why = str(tree.get("error_message") or "")
        is_other = not why or why.startswith("Only SELECT")
        raise Refused("only one SELECT statement is allowed" if is_other else why)
    statements = tree.get("statements", [])
    if len(statements) != 1:
        raise Refused(f"{len(statements)} statements; only one SELECT is allowed")
    lower = {name.lower(): name for name in tables}
    used: set[str] = set()
    for node, ctes in _nodes(statements):
        _judge(node)
        if node.get("type") == "BASE_TABLE":
            name = str(node.get("table_name"))
            if node.get("schema_name") or node.get("catalog_name"):
                raise Refused(f"table {name} with a schema; name the topic alone")
            if name.lower() in lower:
                used.add(lower[name.lower()])
            elif name.lower() not in ctes:
                raise Refused(_unknown_table(name, tables))
    return used


def _unknown_table(name: str, tables: frozenset[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, sorted(tables), n=3, cutoff=0.5)
    known = ", ".join(near or sorted(tables)[:10]) or "none yet"
    return f"no table {name!r}; {'did you mean' if near else 'there are'}: {known}"


def _judge(node: dict[str, Any]) -> None:
    kind, expression = node.get("type"), node.get("class")
    if expression is not None:
        if expression not in _ALLOWED_CLASSES:
            raise Refused(f"a {expression} expression is not allowed")
        if expression in ("FUNCTION", "WINDOW", "AGGREGATE"):
            _judge_function(str(node.get("function_name", "")))
    elif kind == "TABLE_FUNCTION":
        function = cast("dict[str, Any]", node.get("function") or {})
        name = str(function.get("function_name", "")).lower()
        if name not in _TABLE_FUNCTIONS:
            raise Refused(f"table function {name or '?'} is not allowed; query topics by name")
    elif isinstance(kind, str) and kind not in _ALLOWED_NODES:
        raise Refused(f"a {kind} node is not allowed; write one SELECT")


def _judge_function(name: str) -> None:
    lowered = name.lower()
    if lowered in _TABLE_FUNCTIONS:
        return
    if lowered in _DENIED_FUNCTIONS or lowered.startswith(_DENIED_PREFIXES):
        raise Refused(f"function {name} is not allowed")


def _nodes(tree: object) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Every node of a parse tree, with the names of the CTEs that can be seen from it.

    A CTE does not see itself, nor those after it: there its name means the catalog's table.
    """
    stack: list[tuple[object, frozenset[str]]] = [(tree, frozenset())]
    while stack:
        item, ctes = stack.pop()
        if isinstance(item, list):
            stack.extend((part, ctes) for part in cast("list[object]", item))
        elif isinstance(item, dict):
            node = cast("dict[str, Any]", item)
            for entry in cast("dict[str, Any]", node.get("cte_map") or {}).get("map", []):
                stack.append((entry, ctes))
                ctes |= {str(entry.get("key")).lower()}
            yield node, ctes
            itself = {str(node.get("cte_name")).lower()}
            for name, value in node.items():
                if name != "cte_map":
                    repeats = node.get("type") == "RECURSIVE_CTE_NODE" and name == "right"
                    stack.append((value, ctes | itself if repeats else ctes))
