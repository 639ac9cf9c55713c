"""Judge what stands behind a dot."""

import ast
import re
from collections.abc import Iterator

from gatekeeper.policy import ALLOWED_NAMES
from gatekeeper.policy.language import (
    CONVERSIONS,
    DENIED_ATTRIBUTES,
    DENIED_PREFIXES,
    DISPATCHERS,
    HOST_PRIVATES,
    KNOWN_WRITERS,
    TUPLE_ATTRIBUTES,
)
from gatekeeper.rules.finding import Finding
from gatekeeper.rules.imports import suggestion
from gatekeeper.rules.view import View, finding

_POSITION = re.compile(r"_\d+", re.ASCII)
_PUBLISH = "Call self.publish(topic, rows) instead; if it is a column, write row['name']."


def check(view: View) -> Iterator[Finding]:
    """Find attributes that reach inside, write, or are not listed for their module."""
    for node in view.each(ast.Attribute):
        module = view.module_of(node.value)
        if module is not None:
            yield from _check_module_attribute(view, node, module)
        else:
            yield from _check_value_attribute(view, node)
        if not isinstance(node.ctx, ast.Load):
            yield from _check_store(view, node)
    for node in view.each(ast.Subscript):
        root = _root(node)
        is_import = isinstance(root, ast.Name) and root.id in {*view.modules, *view.values}
        if is_import and not isinstance(node.ctx, ast.Load):
            fix = "Keep state in local variables or in self.name; never change what is imported."
            yield finding("store", node, "assignment into something imported", fix)


def attribute_problem(name: str) -> tuple[str, str] | None:
    """Return what is wrong with attribute `name` on any object, with a fix; None if nothing."""
    if name.startswith("_") and name not in TUPLE_ATTRIBUTES and not _POSITION.fullmatch(name):
        if name == "__name__":
            return None
        return f".{name} is private", "Use the public attribute or method that gives the same."
    if name in DENIED_ATTRIBUTES:
        return f".{name} is refused", _FIXES.get(name, "Leave it out; no parser needs it.")
    if name.startswith(DENIED_PREFIXES) and name not in CONVERSIONS:
        return f".{name} writes, or leaves the plugin", _PUBLISH
    return None


def _check_module_attribute(view: View, node: ast.Attribute, module: str) -> Iterator[Finding]:
    if view.is_sibling(module):
        if node.attr.startswith("_"):
            fix = "Give it a name without a leading underscore."
            yield finding("attribute", node, f"{module}.{node.attr} is private", fix)
        return
    if node.attr in ALLOWED_NAMES.get(module, ()) or view.module_of(node) is not None:
        return
    path = f"{module}.{node.attr}"
    yield finding("module-name", node, f"{path} is not on the list", suggestion(path))


def _check_value_attribute(view: View, node: ast.Attribute) -> Iterator[Finding]:
    name = node.attr
    parent = view.parent(node)
    is_called = isinstance(parent, ast.Call) and parent.func is node
    if _is_own_private(view, node) or _is_super_init(node) or _is_query_of_url(view, node):
        return
    problem = attribute_problem(name)
    if problem and not (name.startswith("to_") and _is_own_method(view, node)):
        yield finding("attribute", node, *problem)
    elif name in {"extract", "extractall"} and not _is_text_accessor(node.value):
        fix = "Read a member with archive.open(name) or archive.read(name)."
        yield finding("writer", node, f".{name} writes files", fix)
    elif name in DISPATCHERS | {"format", "pipe"} and not is_called:
        fix = f"Call .{name}(...) where you need it; use an f-string instead of format."
        yield finding("dispatch", node, f".{name} is used as a value", fix)
    elif name in view.methods and _is_class_of_ours(view, node.value):
        fix = "Call the method on an object: self.method(...)."
        yield finding("attribute", node, f".{name} is taken from the class", fix)


def _check_store(view: View, node: ast.Attribute) -> Iterator[Finding]:
    """Attributes may be set on objects of the plugin, never on what was imported."""
    root = _root(node)
    is_foreign = not isinstance(root, ast.Name) or (
        root.id not in view.bound or root.id in view.modules or root.id in view.values
    )
    if is_foreign or node.attr in {"str", "execute", "publish", "format"}:
        fix = "Keep state in local variables or in self.name; never change what is imported."
        yield finding("store", node, f"assignment to .{node.attr} of something foreign", fix)


def _root(node: ast.AST) -> ast.AST:
    """Return what a chain of attributes and subscripts begins with."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node


def _is_own_private(view: View, node: ast.Attribute) -> bool:
    """Tell whether this is a private name that the plugin defines, on its own `self`."""
    name = node.attr
    if not name.startswith("_") or name.startswith("__") or name in HOST_PRIVATES:
        return False
    if name not in view.privates and name not in view.functions:
        return False
    is_class = isinstance(node.value, ast.Name) and node.value.id in view.classes
    return is_class or view.is_self(node.value)


def _is_own_method(view: View, node: ast.Attribute) -> bool:
    """Tell whether `to_x` is a method written here that no known writer is called like."""
    return node.attr in view.functions and node.attr not in KNOWN_WRITERS


def _is_super_init(node: ast.Attribute) -> bool:
    value = node.value
    return (
        node.attr in {"__init__", "__post_init__"}
        and isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id == "super"
    )


def _is_query_of_url(view: View, node: ast.Attribute) -> bool:
    """Tell whether this is the query of a split URL, given to its parser or into a text."""
    parent = view.parent(node)
    if node.attr != "query" or (isinstance(parent, ast.Call) and parent.func is node):
        return False
    called = view.dotted(parent.func) or "" if isinstance(parent, ast.Call) else ""
    return called.startswith("urllib.parse.") or isinstance(
        parent, (ast.FormattedValue, ast.Compare)
    )


def _is_text_accessor(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "str"


def _is_class_of_ours(view: View, node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "type"
    return isinstance(node, ast.Name) and (node.id in view.classes or node.id == "cls")


_FIXES = {
    "query": "Use a mask: df[df['amount'] > 0]; of a URL, parse_qs(parts.query).",
    "eval": "Use plain arithmetic on columns: df['a'] + df['b'].",
    "sql": "Use filter(), select() and group_by().",
    "format_map": "Use an f-string.",
}
