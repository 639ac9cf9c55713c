"""Turn hostile source text into a syntax tree without being hurt by it."""

import ast
import threading
import warnings

_PARSING = threading.Lock()
"""`warnings.catch_warnings` swaps process-wide state, so two parses must not overlap."""


def parse_module(source: str) -> ast.Module:
    """Parse `source`; nothing in it is run.

    Raises:
        SyntaxError: For whatever the parser cannot take, with a line where it knows one:
            nesting that exhausts the parser's stack and NUL characters are reported the
            same way.
    """
    with _PARSING, warnings.catch_warnings():
        # "\d" in a plain string only warns; under `-W error` it would look like a syntax error.
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (ValueError, OverflowError) as error:
            raise SyntaxError(str(error)) from error
        except (RecursionError, MemoryError) as error:
            raise SyntaxError("nested too deeply to be parsed") from error
