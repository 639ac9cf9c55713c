"""Judge code that runs on import: module level, class bodies, defaults, annotations."""

import ast
from collections.abc import Iterator

from gatekeeper.policy.language import DECORATORS, IMPORT_TIME_CALLS
from gatekeeper.rules.finding import Finding
from gatekeeper.rules.view import View, finding

_FIX = "Move it into execute() or a function; outside there are only imports and constants."
_DECORATOR_FIX = "Use property, staticmethod, classmethod, dataclass or lru_cache, or none."
_ANNOTATION = (
    ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.List, ast.BinOp,
    ast.BitOr, ast.Load,
)  # fmt: skip
_LITERAL = (
    ast.Constant, ast.Name, ast.Attribute, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.UnaryOp,
    ast.Starred, ast.BinOp, ast.JoinedStr, ast.FormattedValue, ast.Subscript,
)  # fmt: skip
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.BitOr, ast.BitAnd)


def check(view: View) -> Iterator[Finding]:
    """Find code that would run before execute() is called."""
    yield from _check_body(view, view.tree.body)
    for node in view.each(ast.ClassDef):
        yield from _check_body(view, node.body)
        yield from _check_decorators(view, node)
    for node in view.each(ast.FunctionDef):
        yield from _check_decorators(view, node)
        if node.returns is not None:
            yield from _check_annotation(node.returns)
    for node in view.each(ast.arguments):
        for default in (*node.defaults, *node.kw_defaults):
            if default is not None and not _is_constant(view, default, calls=False):
                fix = "Use None as the default and make the value in the function."
                yield finding("default", default, "code in a default value", fix)
    for node in view.each(ast.arg):
        if node.annotation is not None:
            yield from _check_annotation(node.annotation)
    for node in view.each(ast.AnnAssign):
        yield from _check_annotation(node.annotation)


def _check_body(view: View, body: list[ast.stmt]) -> Iterator[Finding]:
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Pass)):
            continue
        value: ast.expr | None = None
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            value = node.value
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if not all(_is_plain_target(target) for target in targets):
                yield finding("import-time", node, "assignment to more than a name", _FIX)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        else:
            message = f"{type(node).__name__} statement outside a function"
            yield finding("import-time", node, message, _FIX)
        if value is not None and not _is_constant(view, value, calls=True):
            yield finding("import-time", value, "code that runs on import", _FIX)


def _is_plain_target(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple):
        return all(isinstance(element, ast.Name) for element in target.elts)
    return isinstance(target, ast.Name)


def _is_constant(view: View, node: ast.AST, *, calls: bool) -> bool:
    """Tell whether an expression only builds a value, with listed calls if `calls`."""
    stack: list[ast.AST] = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, ast.Call):
            if not calls or not _is_listed_call(view, part):
                return False
            stack.extend((*part.args, *(keyword.value for keyword in part.keywords)))
        elif isinstance(part, ast.Lambda):
            if not calls:
                return False
        elif isinstance(part, ast.BinOp):
            if not isinstance(part.op, _OPERATORS):
                return False
            stack.extend((part.left, part.right))
        elif isinstance(part, _LITERAL):
            stack.extend(c for c in ast.iter_child_nodes(part) if isinstance(c, ast.expr))
        else:
            return False
    return True


def _is_listed_call(view: View, node: ast.Call) -> bool:
    function = node.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Constant):
        return function.attr in {"split", "encode"} and isinstance(function.value.value, str)
    if isinstance(function, ast.Name) and function.id in view.classes:
        return _is_record(view, function.id)
    return view.dotted(function) in IMPORT_TIME_CALLS


def _is_record(view: View, name: str) -> bool:
    """Tell whether a class here is only fields, so that making one runs no code of its own."""
    own = {"__init__", "__post_init__"}
    body = view.classes[name].body
    runs_code = any(isinstance(node, ast.FunctionDef) and node.name in own for node in body)
    return not runs_code and view.is_surely_one_class(name)


def _check_decorators(view: View, node: ast.FunctionDef | ast.ClassDef) -> Iterator[Finding]:
    for decorator in node.decorator_list:
        function = decorator.func if isinstance(decorator, ast.Call) else decorator
        arguments = (
            [*decorator.args, *(keyword.value for keyword in decorator.keywords)]
            if isinstance(decorator, ast.Call)
            else []
        )
        is_setter = (
            isinstance(function, ast.Attribute)
            and function.attr in {"setter", "deleter"}
            and isinstance(function.value, ast.Name)
            and function.value.id in view.functions
        )
        is_listed = is_setter or view.dotted(function) in DECORATORS
        if not is_listed or not all(isinstance(a, ast.Constant) for a in arguments):
            yield finding("decorator", decorator, "decorator is not on the list", _DECORATOR_FIX)


def _check_annotation(node: ast.expr) -> Iterator[Finding]:
    for part in ast.walk(node):
        if not isinstance(part, _ANNOTATION):
            fix = "Annotate with plain types: dict[str, int], str | None."
            yield finding("annotation", node, "code in an annotation", fix)
            return
