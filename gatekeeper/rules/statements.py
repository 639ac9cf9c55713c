"""Judge the kinds of statements: what is left of the language for a parser."""

import ast
from collections.abc import Iterator

from gatekeeper.policy import third_party
from gatekeeper.policy.language import DEPTH_LIMIT, NESTING_LIMIT, NODES, PATTERN_CLASSES
from gatekeeper.rules.attributes import attribute_problem
from gatekeeper.rules.finding import Finding
from gatekeeper.rules.view import View, finding

_CATCH_FIX = "Catch Exception or something narrower; the job's deadline must get through."
_BASE_KEYWORDS = frozenset({"total"})


def check_nesting(view: View) -> Iterator[Finding]:
    """Find trees so deep that the rules, some of which recurse, must not walk them."""
    if view.nesting > NESTING_LIMIT or view.depth > DEPTH_LIMIT:
        message = (
            f"nested {view.nesting} deep, chains {view.depth} long; "
            f"the limits are {NESTING_LIMIT} and {DEPTH_LIMIT}"
        )
        yield finding("nesting", view.tree, message, "Split it into functions.")


def check(view: View) -> Iterator[Finding]:
    """Find syntax that a parser does not need."""
    for kind, example in view.kinds():
        is_operator = issubclass(kind, (ast.operator, ast.unaryop, ast.cmpop, ast.boolop))
        if kind.__name__ not in NODES and not is_operator:
            message = f"{kind.__name__} is not part of the language of plugins"
            fix = "Write plain synchronous code without global."
            yield finding("syntax", example, message, fix)
    for node in view.each(ast.comprehension):
        if node.is_async:
            yield finding("syntax", node.target, "async comprehension", "Write a plain one.")
    yield from _check_handlers(view)
    yield from _check_classes(view)
    yield from _check_patterns(view)
    yield from _check_deletes(view)


def _check_handlers(view: View) -> Iterator[Finding]:
    for node in view.each(ast.ExceptHandler):
        if node.type is None:
            yield finding("except", node, "bare except", _CATCH_FIX)
    for node in (*view.each(ast.Try), *view.each(ast.TryStar)):
        for statement in node.finalbody:
            if isinstance(statement, (ast.Return, ast.Break, ast.Continue)):
                message = "finally that swallows every error"
                yield finding("except", statement, message, "Return after the try statement.")


def _check_classes(view: View) -> Iterator[Finding]:
    for node in view.each(ast.ClassDef):
        for keyword in node.keywords:
            if keyword.arg not in _BASE_KEYWORDS:
                fix = "Use a plain class; metaclasses and class keywords run code."
                yield finding("class", keyword.value, f"class keyword {keyword.arg}", fix)
        for base in node.bases:
            plain = base.value if isinstance(base, ast.Subscript) else base
            if not isinstance(plain, (ast.Name, ast.Attribute)):
                yield finding("class", base, "a base that is computed", "Name the base class.")
            elif (view.dotted(plain) or "").rpartition(".")[0] in third_party.NAMES:
                fix = "Hold the object in a field of a class of your own."
                yield finding("class", base, "subclass of a library's class", fix)
        is_handler = any(isinstance(b, ast.Name) and b.id == "BasePlugin" for b in node.bases)
        for statement in node.body:
            if (
                is_handler
                and isinstance(statement, ast.FunctionDef)
                and statement.name in {"__init__", "publish", "quarantine"}
            ):
                fix = "Set up at the top of execute(); the base class owns this method."
                yield finding("class", statement, f"plugin overrides {statement.name}", fix)


def _check_patterns(view: View) -> Iterator[Finding]:
    """`case Foreign(attribute=x)` reads attributes without a dot."""
    for node in view.each(ast.MatchClass):
        name = node.cls.id if isinstance(node.cls, ast.Name) else ""
        is_basic = name in PATTERN_CLASSES and name not in view.bound
        if not is_basic and name not in view.classes:
            fix = "Match on int, str, float, bool, list, dict or a class of this file."
            yield finding("pattern", node, "class pattern on a foreign class", fix)
        for attribute in node.kwd_attrs:
            problem = attribute_problem(attribute)
            if problem or is_basic:
                fix = problem[1] if problem else "Match the value, then use a dot."
                yield finding("pattern", node, f"pattern reads .{attribute}", fix)


def _check_deletes(view: View) -> Iterator[Finding]:
    for node in view.each(ast.Delete):
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id in {*view.modules, *view.values}:
                yield finding("shadow", target, f"import {target.id} is deleted", "Leave it.")
