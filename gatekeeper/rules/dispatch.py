"""Judge methods that take a function, or the name of one, and call it."""

import ast
from collections.abc import Iterator

from gatekeeper.policy import ALLOWED_NAMES
from gatekeeper.policy.language import BUILTINS, DISPATCH_OPTIONS, DISPATCH_WORDS, DISPATCHERS
from gatekeeper.rules.finding import Finding
from gatekeeper.rules.view import View, finding

_FIX = (
    "Pass a lambda, a function of this file, or a literal word such as 'sum', 'mean', 'min', "
    "'max', 'first', 'last', 'count'."
)
_KEYWORDS = frozenset({"func", "aggfunc"})


def check(view: View) -> Iterator[Finding]:
    """Find `df.agg(x)` and its kin where `x` could be the name of any method."""
    for node in view.each(ast.Call):
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if method in DISPATCHERS:
            yield from _check_call(view, node, method)
        elif method == "pipe":
            for argument in node.args[:1]:
                if not _is_function(view, argument):
                    yield finding("dispatch", argument, "pipe() of what is no function", _FIX)
        for keyword in node.keywords:
            if keyword.arg in _KEYWORDS and not _is_safe(view, keyword.value):
                message = f"{keyword.arg}= could name any method"
                yield finding("dispatch", keyword.value, message, _FIX)


def _check_call(view: View, node: ast.Call, method: str) -> Iterator[Finding]:
    message = f".{method}() could be given the name of any method"
    suspects = [*node.args] if method in {"agg", "aggregate"} else [*node.args[:1]]
    for argument in suspects:
        if not _is_safe(view, argument):
            yield finding("dispatch", argument, message, _FIX)
    for keyword in node.keywords:
        if keyword.arg is None:
            yield finding("dispatch", keyword.value, message, _FIX)
        elif keyword.arg in DISPATCH_OPTIONS | _KEYWORDS or method in {"apply", "applymap"}:
            continue
        elif not _is_safe(view, _named_aggregation(keyword.value)):
            yield finding("dispatch", keyword.value, message, _FIX)


def _named_aggregation(node: ast.expr) -> ast.expr:
    """Return the function of `total=("amount", "sum")`; the first element is a column."""
    if isinstance(node, ast.Tuple) and len(node.elts) == 2:
        return node.elts[1]
    return node


def _is_safe(view: View, node: ast.AST) -> bool:
    """Tell whether every text in `node` that could be a method's name is a listed one."""
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, (str, bytes)) or node.value in DISPATCH_WORDS
    if isinstance(node, (ast.List, ast.Tuple)):
        return all(_is_safe(view, element) for element in node.elts)
    if isinstance(node, ast.Dict):
        return all(
            key is not None and _is_safe(view, value)
            for key, value in zip(node.keys, node.values, strict=True)
        )
    if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
        return _is_safe(view, node.elt)
    return _is_function(view, node) or _is_expression_of_polars(view, node)


def _is_function(view: View, node: ast.AST) -> bool:
    """Tell whether `node` is surely a function: written here, imported or a builtin."""
    if isinstance(node, ast.Name):
        return _is_name_of_function(view, node.id)
    if isinstance(node, ast.Attribute):
        if view.is_self(node.value):
            return view.is_surely_function(node.attr)
        return _is_listed(view, view.dotted(node) or "")
    if isinstance(node, ast.Call):
        is_partial = view.dotted(node.func) == "functools.partial"
        is_named = view.dotted(node.func) == "pandas.NamedAgg"
        return is_named or (is_partial and bool(node.args) and _is_function(view, node.args[0]))
    return isinstance(node, ast.Lambda)


def _is_name_of_function(view: View, name: str) -> bool:
    if name in view.bound:
        return view.is_surely_function(name)
    if name in view.values:
        return _is_listed(view, view.values[name])
    return name in BUILTINS


def _is_listed(view: View, path: str) -> bool:
    """Tell whether a dotted name is a library's, or a function of another own module."""
    module, _, name = path.rpartition(".")
    return name in ALLOWED_NAMES.get(module, ()) or path in view.functions_of_siblings


def _is_expression_of_polars(view: View, node: ast.AST) -> bool:
    """Tell whether a chain of calls begins at polars, so that it is no text."""
    while True:
        if isinstance(node, ast.BinOp):
            if _is_expression_of_polars(view, node.right):
                return True
            node = node.left
        elif isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            module = view.module_of(node.value)
            if module is not None:
                return module.split(".")[0] == "polars"
            node = node.value
        elif isinstance(node, ast.Name):
            path = view.values.get(node.id, "")
            return path.startswith("polars.") and node.id not in view.bound
        else:
            return False
