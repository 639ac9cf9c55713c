"""Judge import statements: listed modules, listed names, the plugin's own modules."""

import ast
from collections.abc import Iterator

from gatekeeper.policy import ALLOWED_NAMES
from gatekeeper.rules.finding import Finding
from gatekeeper.rules.view import View, finding

_FIXES = {
    "os": "Use the path that execute() is given; pathlib.PurePath takes names apart.",
    "sys": "Raise an error, or call self.quarantine(record, reason); logging is for messages.",
    "pathlib.Path": "Use open(path) to read and pathlib.PurePath(path) to take its name apart.",
    "subprocess": "Parse the file in Python; a plugin starts no programs.",
    "requests": "Read only the file that execute() is given; a plugin has no network.",
    "urllib.request": "Read only the file that execute() is given; a plugin has no network.",
    "pickle": "Read a data format such as CSV, JSON or Parquet; pickles run code when read.",
    "tempfile": "Keep what you need in memory, io.BytesIO() for instance.",
    "traceback": "Use str(error), and self.quarantine(record, str(error)).",
    "glob": "Read only the file that execute() is given; each file gets its own call.",
    "csv.writer": "Publish rows with self.publish(topic, rows); a plugin writes no files.",
    "csv.DictWriter": "Publish rows with self.publish(topic, rows); a plugin writes no files.",
    "operator.attrgetter": "Write a lambda: key=lambda row: row.name.",
    "string.Formatter": "Use an f-string.",
    "random": "Derive the value from the row; the same file must give the same rows.",
}
_DEFAULT_FIX = (
    "Use a listed module: csv, json, re, datetime, decimal, gzip, zipfile, "
    "xml.etree.ElementTree, pandas, polars, pyarrow and its csv, json and parquet modules."
)


def check(view: View) -> Iterator[Finding]:
    """Find imports of what is not listed."""
    for node in view.each(ast.Import):
        for alias in node.names:
            if alias.name not in ALLOWED_NAMES and not view.is_sibling(alias.name):
                yield _refuse(node, alias.name)
    for node in view.each(ast.ImportFrom):
        yield from _check_from(view, node)
    for name, paths in view.modules.items():
        if len(paths) > 1 or name in view.values:
            fix = "Give each import a name of its own."
            yield finding("import", view.tree, f"{name!r} stands for two imports", fix)


def _check_from(view: View, node: ast.ImportFrom) -> Iterator[Finding]:
    """Find names that a `from` import may not take."""
    module = node.module or ""
    own = node.level > 0 or view.is_sibling(module)
    if node.level > 1 or (own and module and not view.is_sibling(module)):
        yield finding("import", node, "import from outside the plugin", _DEFAULT_FIX)
        return
    if not own and module not in ALLOWED_NAMES:
        yield _refuse(node, module)
        return
    for alias in node.names:
        path = f"{module}.{alias.name}" if module else alias.name
        if alias.name == "*":
            fix = "Name what you import."
            yield finding("import", node, f"import of everything in {module or '.'}", fix)
        elif own:
            if alias.name.startswith("_") or (not module and not view.is_sibling(path)):
                fix = "Import a public function, class or constant of your own module by name."
                yield finding("import", node, f"{path} is not a module's public name", fix)
        elif alias.name not in ALLOWED_NAMES[module] and path not in ALLOWED_NAMES:
            yield _refuse(node, path)


def _refuse(node: ast.AST, path: str) -> Finding:
    top = path.split(".", maxsplit=1)[0]
    fix = _FIXES.get(path) or _FIXES.get(top) or suggestion(path)
    return finding("import", node, f"{path} is not on the list of imports", fix)


def suggestion(path: str) -> str:
    """Advise someone who wanted `path`."""
    if path in _FIXES:
        return _FIXES[path]
    module = path.rpartition(".")[0]
    listed = sorted(ALLOWED_NAMES.get(module, ()))
    if listed:
        return f"Of {module} you may use: {', '.join(listed[:40])}."
    return _DEFAULT_FIX
