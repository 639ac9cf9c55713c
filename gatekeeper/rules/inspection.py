"""Inspect a source with every rule, and never fail on what it contains."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from gatekeeper.manifest import ManifestInvalidAt, manifest_of
from gatekeeper.rules import (
    attributes,
    calls,
    dispatch,
    import_time,
    imports,
    links,
    names,
    statements,
    text,
)
from gatekeeper.rules.finding import Finding
from gatekeeper.rules.view import View
from gatekeeper.syntax import parse_module

_RULES = (imports, names, attributes, calls, dispatch, import_time, statements)


def inspect(
    source: bytes, *, siblings: frozenset[str] = frozenset(), entry: bool = True
) -> tuple[Finding, ...]:
    """List everything in `source` that may not enter, by line and column.

    Args:
        source: The bytes of one module, however hostile; nothing of it is run.
        siblings: Dotted names of the plugin's own other modules, `formats.swift` for instance.
        entry: Whether it is plugin.py, which must have a manifest.
    """
    view, findings = _view(source, siblings)
    if view is not None:
        findings = (*findings, *_apply(view, entry=entry))
    return _ordered(findings)


def inspect_files(files: Mapping[str, bytes], *, entry: str) -> tuple[Finding, ...]:
    """Inspect all modules of a plugin, and what they take from one another.

    Findings of files other than `entry` begin with the file's name.
    """
    modules = {name: _module_name(name) for name in files}
    siblings = frozenset(modules.values())
    views: dict[str, View] = {}
    found: dict[str, list[Finding]] = {name: [] for name in files}
    for name, source in files.items():
        view, findings = _view(source, siblings - {modules[name]})
        found[name].extend(findings)
        found[name].extend(links.check_module_name(modules[name]))
        if view is not None:
            views[name] = view
    exports = {modules[name]: links.exports_of(view) for name, view in views.items()}
    functions = frozenset(
        f"{modules[name]}.{export}"
        for name, view in views.items()
        for export in exports[modules[name]]
        if view.is_surely_function(export)
    )
    for name, view in views.items():
        view.functions_of_siblings = functions
        found[name].extend(_apply(view, entry=name == entry))
        found[name].extend(links.check_links(view, exports))
    listed: list[Finding] = []
    for name in sorted(files, key=lambda file: (file != entry, file)):
        for item in _ordered(found[name]):
            is_entry = name == entry
            listed.append(item if is_entry else replace(item, message=f"{name}: {item.message}"))
    return tuple(listed)


def _view(source: bytes, siblings: frozenset[str]) -> tuple[View | None, tuple[Finding, ...]]:
    """Return the index of `source`, or None with the findings that forbid parsing it."""
    content, findings = text.decode(source)
    if findings:
        return None, findings
    try:
        view = View(parse_module(content), siblings)
    except SyntaxError as error:
        message = f"not Python: {error.msg}"
        fix = "Mend the syntax; deep nesting is split into functions."
        column = max(error.offset or 1, 1)
        return None, (Finding("syntax", max(error.lineno or 1, 1), column, message, fix),)
    return view, tuple(text.check_identifiers(content))


def _apply(view: View, *, entry: bool) -> Iterator[Finding]:
    """Run every rule over the view; what is nested too deeply is not looked at further."""
    too_deep = tuple(statements.check_nesting(view))
    if too_deep:
        yield from too_deep
        return
    for rule in _RULES:
        yield from rule.check(view)
    if entry:
        try:
            manifest_of(view.tree)
        except ManifestInvalidAt as error:
            fix = "Write " + error.hint.removeprefix("Write ")
            yield Finding("manifest", max(error.line, 1), 1, error.message, fix)


def _ordered(findings: tuple[Finding, ...] | list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(set(findings), key=lambda f: (f.line, f.column, f.rule, f.message)))


def _module_name(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
