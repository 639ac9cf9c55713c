"""Judge calls: files are opened to be read, attributes are named, templates are plain."""

import ast
import re
import string
from collections.abc import Iterator

from gatekeeper.policy.language import (
    DENIED_KEYWORDS,
    ESCAPE_WORDS,
    OPENERS,
    READ_MODES,
    URL_TAKERS,
)
from gatekeeper.rules.attributes import attribute_problem
from gatekeeper.rules.finding import Finding
from gatekeeper.rules.view import View, finding

_URL = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.\-]*://")
_WORDS = ESCAPE_WORDS | {"storage_options", "allow_pickle"}
_PLAIN_FIELD = re.compile(r"\w*", re.ASCII)


def check(view: View) -> Iterator[Finding]:
    """Find calls that could write, leave the machine, or reach an unnamed attribute."""
    addresses = _names_of_addresses(view)
    for node in view.each(ast.Call):
        name = view.dotted(node.func)
        position = _mode_position(view, node, name)
        if position is not None:
            yield from _check_mode(node, position)
        if isinstance(node.func, ast.Name):
            yield from _check_builtin_call(node, node.func.id)
        elif _is_template_call(view, node.func):
            yield from _check_template(node)
        yield from _check_urls(view, node, addresses)
        for keyword in node.keywords:
            if keyword.arg in DENIED_KEYWORDS:
                fix = f"Leave {keyword.arg} out; only the file given may be read."
                yield finding("keyword", keyword, f"keyword {keyword.arg} is refused", fix)
    yield from _check_openers_as_values(view)
    yield from _check_words(view)


def _mode_position(view: View, node: ast.Call, name: str | None) -> int | None:
    """Return where a call has its mode, if it is one that opens a file."""
    if isinstance(node.func, ast.Name) and node.func.id == "open":
        return 1
    if isinstance(node.func, ast.Name) and node.func.id in view.values:
        return OPENERS.get(view.values[node.func.id])
    if name in OPENERS:
        return OPENERS[name]
    if isinstance(node.func, ast.Attribute) and node.func.attr == "open":
        return 1
    return None


def _check_mode(node: ast.Call, position: int) -> Iterator[Finding]:
    fix = "Write open(path, encoding='utf-8', newline='') or open(path, 'rb'), mode literal."
    is_unclear = any(isinstance(argument, ast.Starred) for argument in node.args) or any(
        keyword.arg is None for keyword in node.keywords
    )
    modes = [keyword.value for keyword in node.keywords if keyword.arg == "mode"]
    modes += node.args[position : position + 1]
    if is_unclear or len(modes) > 1:
        yield finding("open", node, "the mode cannot be read from the call", fix)
    for mode in modes:
        if not isinstance(mode, ast.Constant) or mode.value not in READ_MODES:
            yield finding("open", node, "a file is opened other than for reading", fix)
    first = node.args[0] if node.args else None
    if isinstance(first, ast.Constant) and not isinstance(first.value, str):
        yield finding("open", node, "a file is opened by its number", fix)
    elif isinstance(first, ast.Constant) and str(first.value).startswith(("/", "~", "\\", "..")):
        fix = "Open the path that execute() is given."
        yield finding("open", node, f"fixed path {first.value!r}", fix)


def _check_openers_as_values(view: View) -> Iterator[Finding]:
    """An opener that is passed around would be called with a mode nobody reads."""
    for node in (*view.each(ast.Name), *view.each(ast.Attribute)):
        if not isinstance(node.ctx, ast.Load):
            continue
        name = view.values.get(node.id) if isinstance(node, ast.Name) else view.dotted(node)
        parent = view.parent(node)
        is_called = isinstance(parent, ast.Call) and parent.func is node
        if name in OPENERS and not is_called and not _is_annotation(view, node):
            fix = "Call it directly, with a literal mode for reading."
            yield finding("open", node, f"{name} is used as a value", fix)


def _is_annotation(view: View, node: ast.AST) -> bool:
    """Tell whether `node` is (part of) an annotation, where a class is only named."""
    while isinstance(node, ast.expr):
        parent = view.parent(node)
        if isinstance(parent, (ast.arg, ast.AnnAssign)) and parent.annotation is node:
            return True
        if isinstance(parent, ast.FunctionDef) and parent.returns is node:
            return True
        node = parent
    return False


def _check_builtin_call(node: ast.Call, name: str) -> Iterator[Finding]:
    """Getattr names its attribute, type only asks, super takes nothing."""
    if name in {"getattr", "hasattr"}:
        wanted = node.args[1] if len(node.args) > 1 else None
        is_literal = isinstance(wanted, ast.Constant) and isinstance(wanted.value, str)
        if not is_literal or any(isinstance(a, ast.Starred) for a in node.args) or node.keywords:
            fix = "Write the attribute out: value.name; use a dict for names known at run time."
            yield finding("getattr", node, f"{name} without a literal name", fix)
        elif isinstance(wanted, ast.Constant):
            problem = attribute_problem(str(wanted.value))
            if problem or wanted.value in {"format", "open", "extract", "agg", "apply"}:
                fix = problem[1] if problem else "Call the method directly."
                yield finding("getattr", node, f"{name} of {wanted.value!r}", fix)
    elif name == "type":
        if len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred):
            fix = "Write a class statement."
            yield finding("builtin", node, "type() makes a class", fix)
    elif name == "super" and (node.args or node.keywords):
        yield finding("builtin", node, "super() with arguments", "Write super().")


def _is_template_call(view: View, function: ast.expr) -> bool:
    """Tell whether a call is `template.format(...)`; `polars.format` is another thing."""
    if not isinstance(function, ast.Attribute) or function.attr != "format":
        return False
    return view.module_of(function.value) is None


def _check_template(node: ast.Call) -> Iterator[Finding]:
    template = node.func.value if isinstance(node.func, ast.Attribute) else node.func
    fix = "Use an f-string: f'{row.name}'."
    if not isinstance(template, ast.Constant) or not isinstance(template.value, str):
        yield finding("format", node, "format() of a template that is not literal", fix)
    elif not _is_plain_template(template.value, levels=3):
        yield finding("format", node, "format() reaches into its arguments", fix)


def _is_plain_template(template: str, *, levels: int) -> bool:
    """Tell whether a template has only plain fields: no attribute, no index."""
    if not levels:
        return False
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        return False
    return all(
        name is None
        or (_PLAIN_FIELD.fullmatch(name) and _is_plain_template(spec or "", levels=levels - 1))
        for _, name, spec, _ in parts
    )


def _check_urls(view: View, node: ast.Call, addresses: frozenset[str]) -> Iterator[Finding]:
    """A reader that is given an address would fetch it."""
    function = node.func
    called = function.attr if isinstance(function, ast.Attribute) else ""
    if isinstance(function, ast.Name):
        called = view.values.get(function.id, function.id).rpartition(".")[2]
    if called in URL_TAKERS:
        return
    for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
        if _starts_as_url(argument, addresses):
            fix = "Read only the path that execute() is given; a plugin has no network."
            yield finding("url", argument, "an address is passed to a call", fix)


def _starts_as_url(node: ast.AST, addresses: frozenset[str]) -> bool:
    """Tell whether an expression is text beginning with `scheme://`."""
    while isinstance(node, (ast.BinOp, ast.JoinedStr, ast.FormattedValue)):
        if isinstance(node, ast.BinOp):
            node = node.left
        elif isinstance(node, ast.FormattedValue):
            node = node.value
        elif node.values:
            node = node.values[0]
        else:
            return False
    if isinstance(node, ast.Name):
        return node.id in addresses
    return isinstance(node, ast.Constant) and _is_url(node.value)


def _names_of_addresses(view: View) -> frozenset[str]:
    """Name the variables that hold an address at some time."""
    return frozenset(
        target.id
        for statement in view.each(ast.Assign)
        if isinstance(statement.value, ast.Constant) and _is_url(statement.value.value)
        for target in statement.targets
        if isinstance(target, ast.Name)
    )


def _is_url(value: object) -> bool:
    return isinstance(value, str) and _URL.match(value) is not None


def _check_words(view: View) -> Iterator[Finding]:
    """Texts that can only be meant for a door the rules have closed."""
    for node in view.each(ast.Constant):
        if isinstance(node.value, str) and node.value in _WORDS:
            fix = "Leave it out; no data format needs this word."
            yield finding("word", node, f"text {node.value!r} names an inside", fix)
