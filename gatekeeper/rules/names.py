"""Judge plain names: what they stand for, and who may bind them."""

import ast
from collections.abc import Iterator

from gatekeeper.policy.language import (
    BUILTINS,
    CALL_ONLY_BUILTINS,
    DENIED_BUILTINS,
    DUNDER_METHODS,
)
from gatekeeper.rules.finding import Finding
from gatekeeper.rules.view import View, finding


def check(view: View) -> Iterator[Finding]:
    """Find names that lead out, and bindings that would hide such a name."""
    known = view.bound | view.class_bound | set(view.values) | BUILTINS | {"__name__"}
    for node in view.each(ast.Name):
        if isinstance(node.ctx, ast.Load):
            yield from _check_use(view, node, known)
    for name, node in view.bindings:
        yield from _check_binding(view, name, node)
    for node in view.each(ast.alias):
        name = node.asname or node.name.split(".")[0]
        if name in DENIED_BUILTINS or _is_dunder(name):
            yield _shadow(node, name)


def _check_use(view: View, node: ast.Name, known: set[str]) -> Iterator[Finding]:
    name = node.id
    if name in DENIED_BUILTINS or (_is_dunder(name) and name != "__name__"):
        fix = _FIXES.get(name, "Leave it out; a parser needs plain functions and values only.")
        yield finding("builtin", node, f"{name} is refused", fix)
    elif name in view.modules:
        yield from _check_module_use(view, node)
    elif name in CALL_ONLY_BUILTINS and name not in view.values:
        parent = view.parent(node)
        if not (isinstance(parent, ast.Call) and parent.func is node):
            fix = f"Call {name}(...) where you need it; do not pass it around."
            yield finding("builtin", node, f"{name} is used as a value", fix)
    elif name not in known and name not in CALL_ONLY_BUILTINS:
        fix = "Import or define it in this file; builtins beyond the list are refused."
        yield finding("name", node, f"{name} is not defined, imported or listed", fix)


def _check_module_use(view: View, node: ast.Name) -> Iterator[Finding]:
    """A module stands only to the left of a dot."""
    top: ast.AST = node
    while isinstance(view.parent(top), ast.Attribute):
        if view.module_of(top) is None:
            return
        top = view.parent(top)
    if view.module_of(top) is not None:
        fix = f"Write {node.id}.name(...) where you use it; a module is never a value."
        yield finding("module-value", node, f"module {node.id} is used as a value", fix)


def _check_binding(view: View, name: str, node: ast.AST) -> Iterator[Finding]:
    in_class = isinstance(view.scope(node), ast.ClassDef) and not isinstance(node, ast.arg)
    if _is_dunder(name):
        if not (in_class and name in DUNDER_METHODS):
            fix = "Use a plain method name that you call yourself."
            yield finding("dunder", node, f"{name} may not be defined", fix)
    elif in_class:
        if name == "str":
            # `.str.extract` is a text method only as long as nothing else is called `.str`.
            yield _shadow(node, name)
    elif name in DENIED_BUILTINS or name in CALL_ONLY_BUILTINS:
        yield _shadow(node, name)
    elif name in view.modules or (name in view.values and _is_global(view, node)):
        fix = f"Rename it, for instance to {name}_value."
        yield finding("shadow", node, f"{name} is an import and is bound again", fix)


def _is_global(view: View, node: ast.AST) -> bool:
    return isinstance(view.scope(node), ast.Module) and not isinstance(
        node, (ast.arg, ast.comprehension)
    )


def _shadow(node: ast.AST, name: str) -> Finding:
    fix = f"Rename it, for instance to {name}_value."
    return finding("shadow", node, f"{name} hides a builtin that the rules know", fix)


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and len(name) > 4


_FIXES = {
    "eval": "Use ast-free parsing: json.loads(text), int(text), float(text) or Decimal(text).",
    "exec": "Write the code out; nothing may be run from text.",
    "input": "Read from open(path); nobody sits in front of a plugin.",
    "setattr": "Assign the attribute: self.name = value, or use a dict.",
    "vars": "Use dataclasses.asdict(value), or a dict in the first place.",
    "BaseException": "Catch Exception or something narrower; deadlines must get through.",
    "KeyboardInterrupt": "Catch Exception or something narrower; deadlines must get through.",
    "SystemExit": "Raise ValueError with the reason; the job then fails with that text.",
    "exit": "Return from execute(), or raise ValueError with the reason.",
    "__import__": "Write a plain import statement for a listed module.",
    "__file__": "Use the path that execute() is given.",
}
