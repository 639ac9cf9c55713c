"""Judge what one module of a plugin takes from another."""

import ast
import sys
from collections.abc import Iterator, Mapping

from gatekeeper.policy import ALLOWED_NAMES
from gatekeeper.rules.finding import Finding
from gatekeeper.rules.view import View, finding

_FIX = "Import what the other module defines itself; import libraries where they are used."


def check_module_name(module: str) -> Iterator[Finding]:
    """Refuse a module of the plugin that would hide a library."""
    top = module.split(".", maxsplit=1)[0]
    libraries = {name.split(".")[0] for name in ALLOWED_NAMES}
    if top in libraries or top in sys.stdlib_module_names:
        message = f"own module {module} has the name of a library"
        yield Finding("sibling", 1, 1, message, f"Rename the file, for instance to {top}_own.py.")


def check_links(view: View, exports: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
    """Find names taken from a module of the plugin that it does not define itself.

    An import seen through another module would be a module as a value.
    """
    for node in view.each(ast.ImportFrom):
        module = node.module or ""
        if module not in exports:
            continue
        for alias in node.names:
            if alias.name not in exports[module] and not view.is_sibling(f"{module}.{alias.name}"):
                message = f"{module} does not define {alias.name}"
                yield finding("sibling", node, message, _FIX)
    for node in view.each(ast.Attribute):
        module = view.module_of(node.value) or ""
        is_own = module in exports and view.module_of(node) is None
        if is_own and node.attr not in exports[module]:
            yield finding("sibling", node, f"{module} does not define {node.attr}", _FIX)


def exports_of(view: View) -> frozenset[str]:
    """Name what a module defines at its top level, imports left out."""
    defined: set[str] = set()
    for name, binder in view.bindings:
        if isinstance(view.scope(binder), ast.Module) and not isinstance(binder, ast.arg):
            defined.add(name)
    return frozenset(defined - set(view.modules) - set(view.values))
