"""Read a plugin's MANIFEST from its syntax tree, never by running it."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from casparian_flow.errors import ManifestInvalid
from gatekeeper.syntax import parse_module

_TOPIC_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_TAKEN_ENDINGS = ("_quarantine", "_history")
_TAKEN_BEGINNINGS = ("_", "casparian")
_PATTERN_LENGTH_LIMIT = 512
_PRIORITY_LIMIT = 1_000_000
_TOPIC_COUNT_LIMIT = 64
_SUBSCRIPTION_COUNT_LIMIT = 64
_KEYWORDS = frozenset({"pattern", "topic", "topics", "priority", "subscriptions"})


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a plugin reads and what it publishes."""

    pattern: str
    """Gitignore-style glob under one source root."""

    topics: tuple[str, ...]
    """At least one, each a valid table name, in the order the plugin gives them."""

    priority: int
    """Higher runs earlier."""

    subscriptions: tuple[str, ...]
    """Tags of file versions it wants; with none, those that its pattern matches."""

    def to_json(self) -> dict[str, object]:
        """Give the manifest as plain JSON values; `from_json` takes them back."""
        return {
            "pattern": self.pattern,
            "topics": list(self.topics),
            "priority": self.priority,
            "subscriptions": list(self.subscriptions),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> "Manifest":
        """Rebuild what `to_json` gave.

        Raises:
            ManifestInvalid: If a member is missing, unknown or of the wrong kind.
        """
        if set(value) != {"pattern", "topics", "priority", "subscriptions"}:
            raise ManifestInvalid(f"manifest: members are {sorted(value)}")
        return build_manifest(value, line=0)


class ManifestInvalidAt(ManifestInvalid):
    """ManifestInvalid that knows its line."""

    def __init__(self, message: str, line: int) -> None:
        """Say what is wrong, and in which line of the source (0: not from a source)."""
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line


def read_manifest(source: str) -> Manifest:
    """Read the manifest of an entry module.

    The module has exactly one `MANIFEST = PluginMetadata(...)` with literal keyword values,
    and exactly one class `Handler` that subclasses BasePlugin and defines `execute`.

    Raises:
        ManifestInvalid: If anything else is found; the message names it with its line.
    """
    try:
        tree = parse_module(source)
    except SyntaxError as error:
        raise ManifestInvalidAt(f"not Python: {error.msg}", error.lineno or 1) from error
    return manifest_of(tree)


def manifest_of(tree: ast.Module) -> Manifest:
    """Read the manifest from the tree of an entry module; see `read_manifest`."""
    call = _find_manifest_call(tree)
    manifest = build_manifest(_literal_keywords(call), line=call.lineno)
    _require_handler(tree)
    return manifest


def imported_modules(source: str) -> tuple[str, ...]:
    """Name the third-party top-level modules that `source` imports anywhere, sorted.

    The standard library and casparian_flow are left out; relative imports are the plugin's own.

    Raises:
        ManifestInvalid: If `source` is not Python.
    """
    try:
        tree = parse_module(source)
    except SyntaxError as error:
        raise ManifestInvalidAt(f"not Python: {error.msg}", error.lineno or 1) from error
    ours = sys.stdlib_module_names | {"casparian_flow"}
    return tuple(sorted({name for name in _imported_names(tree) if name not in ours}))


def build_manifest(value: Mapping[str, object], *, line: int) -> Manifest:
    """Judge manifest members, whatever they came from; `topic` may stand for `topics`."""
    topics = _topics(value, line)
    subscriptions = _texts(value.get("subscriptions", ()), "subscriptions", line)
    if len(subscriptions) > _SUBSCRIPTION_COUNT_LIMIT:
        raise ManifestInvalidAt(f"over {_SUBSCRIPTION_COUNT_LIMIT} subscriptions", line)
    for tag in subscriptions:
        if not tag or len(tag) > 128 or not tag.isprintable():
            raise ManifestInvalidAt(f"subscription {tag!r} is no tag", line)
    priority = value.get("priority", 0)
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise ManifestInvalidAt(f"priority {priority!r} is not a whole number", line)
    if abs(priority) > _PRIORITY_LIMIT:
        raise ManifestInvalidAt(f"priority is beyond {_PRIORITY_LIMIT}", line)
    return Manifest(_pattern(value.get("pattern"), line), topics, priority, subscriptions)


def _find_manifest_call(tree: ast.Module) -> ast.Call:
    """Return the one PluginMetadata call that MANIFEST is bound to."""
    bindings = [node for node in tree.body if _binds_manifest(node)]
    everywhere = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "MANIFEST" and not _is_load(node)
    ]
    if not bindings:
        raise ManifestInvalidAt("no module-level MANIFEST = PluginMetadata(...)", 1)
    if len(bindings) > 1 or len(everywhere) > 1:
        raise ManifestInvalidAt("MANIFEST is bound more than once", everywhere[-1].lineno)
    call = cast("ast.Assign | ast.AnnAssign", bindings[0]).value
    is_metadata = isinstance(call, ast.Call) and (
        (isinstance(call.func, ast.Name) and call.func.id == "PluginMetadata")
        or (isinstance(call.func, ast.Attribute) and call.func.attr == "PluginMetadata")
    )
    if not is_metadata:
        raise ManifestInvalidAt("MANIFEST is not a PluginMetadata(...) call", bindings[0].lineno)
    return cast("ast.Call", call)


def _binds_manifest(node: ast.stmt) -> bool:
    """Tell whether this module-level statement is `MANIFEST = ...` or `MANIFEST: T = ...`."""
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    else:
        return False
    return any(isinstance(target, ast.Name) and target.id == "MANIFEST" for target in targets)


def _is_load(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _literal_keywords(call: ast.Call) -> dict[str, object]:
    """Evaluate the keywords of a PluginMetadata call, which are literals, each given once."""
    if call.args:
        raise ManifestInvalidAt("PluginMetadata takes keywords only", call.args[0].lineno)
    members: dict[str, object] = {}
    for keyword in call.keywords:
        if keyword.arg not in _KEYWORDS:
            name = keyword.arg or "**"
            raise ManifestInvalidAt(f"PluginMetadata has no keyword {name!r}", keyword.lineno)
        try:
            members[keyword.arg] = ast.literal_eval(keyword.value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
            message = f"{keyword.arg} is not a literal value"
            raise ManifestInvalidAt(message, keyword.lineno) from error
    return members


def _topics(value: Mapping[str, object], line: int) -> tuple[str, ...]:
    """Return the topics, given as `topic` or as `topics` but not as both."""
    if ("topic" in value) == ("topics" in value):
        raise ManifestInvalidAt("give either topic= or topics=", line)
    if "topic" in value:
        topic = value["topic"]
        if not isinstance(topic, str):
            raise ManifestInvalidAt(f"topic {topic!r} is not text", line)
        topics: tuple[str, ...] = (topic,)
    else:
        topics = _texts(value["topics"], "topics", line)
    if not topics or len(topics) > _TOPIC_COUNT_LIMIT or len(set(topics)) != len(topics):
        raise ManifestInvalidAt(
            f"topics must be 1 to {_TOPIC_COUNT_LIMIT} different names, not {list(topics)}", line
        )
    for topic in topics:
        require_topic_name(topic, line)
    return topics


def require_topic_name(topic: str, line: int = 0) -> None:
    """Refuse a topic that is no table name or that is a name of the house.

    Raises:
        ManifestInvalid: The message says which of the two.
    """
    if not _TOPIC_NAME.fullmatch(topic):
        raise ManifestInvalidAt(
            f"topic {topic!r} is not lower-case letters, digits and underscores (at most 63)", line
        )
    if topic.endswith(_TAKEN_ENDINGS) or topic.startswith(_TAKEN_BEGINNINGS):
        raise ManifestInvalidAt(f"topic {topic!r} is a name the engine keeps for itself", line)


def _pattern(value: object, line: int) -> str:
    """Return the pattern: relative, printable, without a way up."""
    if not isinstance(value, str) or not value.strip():
        raise ManifestInvalidAt("pattern must be a non-empty glob", line)
    if len(value) > _PATTERN_LENGTH_LIMIT or not value.isprintable():
        raise ManifestInvalidAt(
            f"pattern must be at most {_PATTERN_LENGTH_LIMIT} printable characters", line
        )
    bare = re.sub(r"\\([\[\]!#?*\\])", r"\1", value)  # what a backslash makes plain is no folder
    parts = bare.replace("\\", "/").split("/")
    if parts[0] in {"", "~"} or re.match(r"[A-Za-z]:", value) or ".." in parts:
        raise ManifestInvalidAt(f"pattern {value!r} must be relative, without '..'", line)
    return value


def _texts(value: object, name: str, line: int) -> tuple[str, ...]:
    """Return a list or tuple of different texts as a tuple."""
    if not isinstance(value, (list, tuple)):
        raise ManifestInvalidAt(f"{name} must be a list of texts", line)
    texts: list[str] = []
    for item in cast("list[object]", value):
        if not isinstance(item, str):
            raise ManifestInvalidAt(f"{name} must be a list of texts", line)
        texts.append(item)
    return tuple(texts)


def _require_handler(tree: ast.Module) -> None:
    """Refuse a module without exactly one class Handler(BasePlugin) that defines execute."""
    handlers = [
        node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == "Handler"
    ]
    if len(handlers) != 1 or handlers[0] not in tree.body:
        line = handlers[-1].lineno if handlers else 1
        raise ManifestInvalidAt("there must be exactly one module-level class Handler", line)
    handler = handlers[0]
    bases = {
        base.id if isinstance(base, ast.Name) else base.attr
        for base in handler.bases
        if isinstance(base, (ast.Name, ast.Attribute))
    }
    if "BasePlugin" not in bases:
        raise ManifestInvalidAt("class Handler must subclass BasePlugin", handler.lineno)
    if not any(isinstance(n, ast.FunctionDef) and n.name == "execute" for n in handler.body):
        raise ManifestInvalidAt("class Handler must define execute(self, path)", handler.lineno)


def _imported_names(tree: ast.Module) -> Iterator[str]:
    """Yield the top-level name of every absolute import in the tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.split(".")[0]
