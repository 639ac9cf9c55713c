"""Index a syntax tree once, so that each rule only looks at the nodes it judges."""

import ast
from collections.abc import Iterator
from typing import TypeVar, cast

from gatekeeper.policy import ALLOWED_NAMES
from gatekeeper.rules.finding import Finding

_Node = TypeVar("_Node", bound=ast.AST)
_BLOCKS = (
    ast.Call, ast.Subscript, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.ListComp, ast.SetComp,
    ast.DictComp, ast.GeneratorExp, ast.Lambda, ast.IfExp, ast.UnaryOp, ast.stmt,
)  # fmt: skip
_SPINE = ("func", "left")
"""Fields that a chain of methods or of operators grows along."""


class View:
    """A tree with what the rules ask of it; a resource built once per file."""

    def __init__(self, tree: ast.Module, siblings: frozenset[str]) -> None:
        """Walk `tree` once, without recursion, and note who binds what."""
        self.tree = tree
        self.siblings = siblings
        """Names of the plugin's own other modules."""
        self.parents: dict[ast.AST, ast.AST] = {}
        self.depth = 0
        """Levels of the tree, chains included."""
        self.nesting = 0
        """Brackets and blocks inside one another, at the deepest."""
        self.modules: dict[str, set[str]] = {}
        """Name to the modules it stands for, by import."""
        self.values: dict[str, str] = {}
        """Name to `module.name`, by `from module import name`."""
        self.bindings: list[tuple[str, ast.AST]] = []
        """Each name bound by other means than import, with the node that binds it."""
        self.bound: set[str] = set()
        """Names bound so in any scope but a class body's."""
        self.class_bound: set[str] = set()
        """Names bound in class bodies."""
        self.functions: set[str] = set()
        """Names of functions and methods defined here."""
        self.methods: set[str] = set()
        """Names of methods that take `self`."""
        self.classes: dict[str, ast.ClassDef] = {}
        """Classes defined here, by name; of two with one name, the later."""
        self.privates: set[str] = set()
        """`_names` that a class here defines or that are set on `self`."""
        self.functions_of_siblings: frozenset[str] = frozenset()
        """`module.name` of the functions that the plugin's other modules define."""
        self._binders_of: dict[str, list[ast.AST]] = {}
        self._stored: set[str] = set()
        """Attributes that are assigned or deleted anywhere."""
        self._nodes: dict[type[ast.AST], list[ast.AST]] = {}
        self._walk()
        self._note_imports()
        self._note_bindings()

    def each(self, kind: type[_Node]) -> list[_Node]:
        """List the nodes of exactly this kind."""
        return cast("list[_Node]", self._nodes.get(kind, []))

    def kinds(self) -> Iterator[tuple[type[ast.AST], ast.AST]]:
        """Yield each kind of node that occurs, with its first example."""
        for kind, nodes in self._nodes.items():
            yield kind, nodes[0]

    def parent(self, node: ast.AST) -> ast.AST:
        """Return the node that `node` stands in; the module stands in itself."""
        return self.parents.get(node, self.tree)

    def dotted(self, node: ast.AST) -> str | None:
        """Name what an expression refers to: `pandas.read_csv`, `open`, or None if unknown.

        Imports are followed; a name that is also bound otherwise refers to nothing known.
        """
        if isinstance(node, ast.Attribute):
            module = self.module_of(node.value)
            if module is not None:
                return f"{module}.{node.attr}"
            owner = node.value
            if isinstance(owner, ast.Name) and owner.id in {"str", "bytes"}:
                return None if owner.id in self.bound else f"{owner.id}.{node.attr}"
            return None
        if not isinstance(node, ast.Name) or node.id in self.bound:
            return None
        if node.id in self.modules:
            return None
        return self.values.get(node.id, node.id)

    def module_of(self, node: ast.AST) -> str | None:
        """Name the module that an expression is, or None if it is a value."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.modules:
            return None
        path = min(self.modules[node.id])
        for part in reversed(parts):
            path = f"{path}.{part}"
            if path not in ALLOWED_NAMES and not self.is_sibling(path):
                return None
        return path

    def is_sibling(self, path: str) -> bool:
        """Tell whether a dotted path is one of the plugin's own modules or packages."""
        return path in self.siblings or any(s.startswith(path + ".") for s in self.siblings)

    def is_surely_function(self, name: str) -> bool:
        """Tell whether nothing but plain `def` and `class` ever gives this name its value."""
        binders = self._binders_of.get(name, [])
        is_stored = name in self._stored
        return bool(binders) and not is_stored and all(map(_is_plain_definition, binders))

    def is_surely_one_class(self, name: str) -> bool:
        """Tell whether this name is bound once, by a class statement."""
        binders = self._binders_of.get(name, [])
        return len(binders) == 1 and isinstance(binders[0], ast.ClassDef)

    def scope(self, node: ast.AST) -> ast.AST:
        """Return the nearest function, lambda, class or module around `node`."""
        node = self.parent(node)
        while not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef, ast.Module)):
            node = self.parent(node)
        return node

    def is_self(self, node: ast.AST) -> bool:
        """Tell whether `node` is the first parameter of the method around it, never rebound."""
        if not isinstance(node, ast.Name) or node.id not in {"self", "cls"}:
            return False
        scope = self.scope(node)
        while not isinstance(scope, ast.Module):
            if isinstance(scope, ast.FunctionDef):
                names = [arg.arg for arg in (*scope.args.posonlyargs, *scope.args.args)]
                if isinstance(self.parent(scope), ast.ClassDef):
                    return names[:1] == [node.id]
                if node.id in names:
                    return False
            scope = self.scope(scope)
        return False

    def _walk(self) -> None:
        """Fill nodes and parents in source order, and measure depth and nesting."""
        stack: list[tuple[ast.AST, int, int]] = [(self.tree, 0, 0)]
        while stack:
            node, depth, nesting = stack.pop()
            self._nodes.setdefault(type(node), []).append(node)
            self.depth = max(self.depth, depth)
            self.nesting = max(self.nesting, nesting)
            children: list[tuple[ast.AST, int, int]] = []
            for name in node._fields:
                value: object = getattr(node, name, None)
                items = cast("list[object]", value) if isinstance(value, list) else [value]
                for child in items:
                    if not isinstance(child, ast.AST) or isinstance(child, ast.expr_context):
                        continue
                    self.parents[child] = node
                    level = nesting + isinstance(child, _BLOCKS)
                    if name in _SPINE or _is_chain(node, name, child, len(items)):
                        level = nesting
                    children.append((child, depth + 1, level))
            stack.extend(reversed(children))

    def _note_imports(self) -> None:
        for node in self.each(ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                path = alias.name if alias.asname else name
                self.modules.setdefault(name, set()).add(path)
        for node in self.each(ast.ImportFrom):
            for alias in node.names:
                name = alias.asname or alias.name
                path = f"{node.module}.{alias.name}" if node.module else alias.name
                if (path in ALLOWED_NAMES and not node.level) or self.is_sibling(path):
                    self.modules.setdefault(name, set()).add(path)
                else:
                    self.values[name] = path

    def _note_bindings(self) -> None:
        for name, node in self._binders():
            self.bindings.append((name, node))
            self._binders_of.setdefault(name, []).append(node)
            in_class = isinstance(self.scope(node), ast.ClassDef)
            if in_class and not isinstance(node, ast.arg):
                self.class_bound.add(name)
            else:
                self.bound.add(name)
        for node in self.each(ast.FunctionDef):
            self.functions.add(node.name)
            if isinstance(self.parent(node), ast.ClassDef):
                decorated = {d.id for d in node.decorator_list if isinstance(d, ast.Name)}
                if not decorated & {"staticmethod", "classmethod"}:
                    self.methods.add(node.name)
        self.classes.update((node.name, node) for node in self.each(ast.ClassDef))
        self.privates.update(name for name in self.class_bound if name.startswith("_"))
        for node in self.each(ast.Attribute):
            if not isinstance(node.ctx, ast.Load):
                self._stored.add(node.attr)
            is_private = isinstance(node.ctx, ast.Store) and node.attr.startswith("_")
            if is_private and self.is_self(node.value):
                self.privates.add(node.attr)

    def _binders(self) -> Iterator[tuple[str, ast.AST]]:
        """Yield each name that something other than an import binds."""
        for node in self.each(ast.Name):
            if not isinstance(node.ctx, ast.Load):
                yield node.id, node
        for node in self.each(ast.arg):
            yield node.arg, node
        for node in (*self.each(ast.FunctionDef), *self.each(ast.ClassDef)):
            yield node.name, node
        for node in (
            *self.each(ast.ExceptHandler),
            *self.each(ast.MatchAs),
            *self.each(ast.MatchStar),
        ):
            if node.name is not None:
                yield node.name, node
        for node in self.each(ast.MatchMapping):
            if node.rest is not None:
                yield node.rest, node


def finding(rule: str, node: ast.AST, message: str, fix: str) -> Finding:
    """Make a finding that points at `node`."""
    line: int = getattr(node, "lineno", 1)
    column: int = getattr(node, "col_offset", 0)
    return Finding(rule, line, column + 1, message, fix)


def _is_plain_definition(node: ast.AST) -> bool:
    """Tell whether a name is bound to a function or class; a property gives any value."""
    if isinstance(node, ast.ClassDef):
        return True
    return isinstance(node, ast.FunctionDef) and all(
        isinstance(decorator, ast.Name) and decorator.id in {"staticmethod", "classmethod"}
        for decorator in node.decorator_list
    )


def _is_chain(node: ast.AST, name: str, child: ast.AST, siblings: int) -> bool:
    """Tell whether `child` continues `node` sideways: `.a().b()`, or `elif`."""
    if isinstance(node, ast.If) and isinstance(child, ast.If):
        return name == "orelse" and siblings == 1
    return isinstance(node, (ast.Attribute, ast.Subscript)) and name == "value"
