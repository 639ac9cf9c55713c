"""Write names as they can be copied into SQL."""

from __future__ import annotations

import re

RESERVED = frozenset(
    (
        "all", "analyse", "analyze", "and", "anti", "any", "array", "as", "asc", "asof",
        "asymmetric", "at", "authorization", "binary", "both", "by", "case", "cast",
        "check", "collate", "collation", "column", "concurrently", "constraint", "create",
        "cross", "default", "deferrable", "desc", "describe", "distinct", "do", "else",
        "end", "except", "false", "fetch", "for", "foreign", "freeze", "from", "full",
        "glob", "group", "having", "ilike", "in", "index", "initially", "inner",
        "intersect", "into", "is", "isnull", "join", "lambda", "lateral", "leading", "left",
        "like", "limit", "natural", "not", "notnull", "null", "offset", "on", "only", "or",
        "order", "outer", "overlaps", "pivot", "pivot_longer", "pivot_wider", "placing",
        "positional", "primary", "qualify", "references", "returning", "right", "select",
        "semi", "show", "similar", "some", "summarize", "symmetric", "table", "tablesample",
        "then", "to", "trailing", "true", "union", "unique", "unpack", "unpivot", "user",
        "using", "variadic", "verbose", "view", "when", "where", "window", "with",
    )
)  # fmt: skip
"""Words that DuckDB takes for no column unless they are quoted."""


def quoted(name: str) -> str:
    """A name as it can be copied into SQL."""
    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in RESERVED
    return name if plain else '"' + name.replace('"', '""') + '"'
