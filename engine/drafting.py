"""Write a complete plugin from a profile."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from casparian_flow.errors import ConfigError
from engine.drafted_columns import constants, missing, renamed
from engine.filenames import NUMBER
from engine.formats.interface import Argument, Profile, Reading
from engine.formats.merging import Seen, merge, way_of
from engine.literals import harmless_comment, literal

_BY_NAME = {"workbook": "sheet", "sqlite": "table"}
"""Readers whose tables have names, and what names them: those of one shape are read in one loop."""
_OTHER = "_other"
_MOST_MEMBERS = 1_000
_MOST_TOPIC_CHARS = 60


@dataclass(frozen=True, slots=True)
class Drafted:
    """A plugin that was written here."""

    source: str
    dependencies: tuple[str, ...]
    ambiguities: tuple[str, ...]
    """What the sample does not decide; each is a constant at the top, or kept as text."""


@dataclass(frozen=True, slots=True)
class _Table:
    """One topic of the plugin: tables of one shape."""

    topic: str
    prefix: str
    """Before the names of its constants; empty for the only topic."""
    profile: Profile
    members: tuple[str, ...]
    """Globs of the archive members it reads; empty where the file is no archive."""
    parts: tuple[str, ...]
    """Sheets or tables of one shape, read one after the other; empty for the one in `profile`."""


def draft_source(profile: Profile, *, topic: str, pattern: str, sample: str = "") -> Drafted:
    """A plugin for files of this profile; a topic for each shape of table in them.

    `sample` names the file that was looked at.

    Raises:
        ConfigError: no plugin can be drafted for this format; the author gives the source.
    """
    if profile.reading is None:
        raise ConfigError(
            f"no plugin can be drafted for a {profile.format} file: {'; '.join(profile.problems)}",
            hint="Give the plugin's source yourself: draft with `source`.",
        )
    tables = _tables(profile, topic)
    open_points: list[str] = []
    blocks = [_constants(table, open_points) for table in tables]
    modules = sorted({one.module for one in _readings(tables)})
    needed = sorted({"counted" if one.is_typed else "typed" for one in _readings(tables)})
    imports = [f"from casparian_flow.reading import {', '.join(modules)}"]
    imports += [f"from casparian_flow.reading.columns import {', '.join(needed)}"]
    unread = ", unread" if _pins_members(tables) else ""
    imports += [f"from casparian_flow.reading.sources import sources{unread}"]
    imports += ["from casparian_flow.sdk import BasePlugin, PluginMetadata"]
    source = "\n".join(
        [
            *_heading(profile, sample, open_points),
            *imports,
            "",
            _manifest(tables, pattern),
            "",
            *blocks,
            *_no_tables(profile, tables),
            "",
            _handler(profile, tables),
        ]
    )
    packages = {name for one in _readings(tables) for name in one.packages}
    return Drafted(source, ("pyarrow", *sorted(packages)), tuple(open_points))


def _readings(tables: Sequence[_Table]) -> list[Reading]:
    return [table.profile.reading for table in tables if table.profile.reading]


def _tables(profile: Profile, topic: str) -> list[_Table]:
    """Topics by shape; parts of one shape are read into one."""
    readable = [part for part in profile.parts if part.reading is not None]
    if not readable:
        return [_Table(topic, "", profile, (), ())]
    is_archive = bool({"zip", "tar"} & set((profile.compression or "").split("+")))
    groups: dict[str, list[Profile]] = {}
    for part in readable:
        way = way_of(part if is_archive else _unnamed(part))
        groups.setdefault(f"{part.fingerprint} {way}", []).append(part)
    tables: list[_Table] = []
    for group in groups.values():
        names = tuple(str(part.part) for part in group)
        own = topic if len(groups) == 1 else _topic_of(topic, names[0], tables)
        prefix = "" if len(groups) == 1 else f"{own.removeprefix(topic).strip('_').upper()}_"
        others = [str(part.part) for part in readable if part not in group] + [*profile.others]
        members = _globs(names, others) if is_archive else ()
        is_named = group[0].reading is not None and group[0].reading.function in _BY_NAME
        if not is_archive and not is_named and len(group) > 1:
            tables += [
                _Table(own, f"{prefix}TABLE_{n}_", part, (), ()) for n, part in enumerate(group, 1)
            ]
            continue
        parts = () if is_archive or len(group) == 1 else names
        alone = group if is_archive or not parts else [_unnamed(part) for part in group]
        same = merge([Seen(str(part.part), replace(part, parts=())) for part in alone]).profile
        tables.append(_Table(own, _constant_name(prefix), same, members, parts))
    return tables


def _unnamed(part: Profile) -> Profile:
    """A table without the name that only tells it from others of its file."""
    reading = part.reading
    if reading is None or reading.function not in _BY_NAME:
        return part
    name = _BY_NAME[reading.function]
    arguments = {key: value for key, value in reading.arguments.items() if key != name}
    return replace(part, reading=replace(reading, arguments=arguments))


def _topic_of(topic: str, part: str, taken: Sequence[_Table]) -> str:
    stem = part.rpartition("/")[2].partition(".")[0] or part
    words = "_".join(re.findall(r"[a-z0-9]+", stem.lower())) or "table"
    name = f"{topic}_{words}"[:_MOST_TOPIC_CHARS].strip("_")
    known = {table.topic for table in taken}
    return next(n for n in (name, *(f"{name}_{i}" for i in range(2, 1000))) if n not in known)


def _constant_name(text: str) -> str:
    name = re.sub(r"\W+", "_", text.encode("ascii", "ignore").decode())
    return f"TABLE_{name}" if name[:1].isdigit() else name


def _globs(names: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """Globs that match the members and none of the others: one for all of them where that does."""
    endings = {name.rpartition(".")[2] for name in names if "." in name.rpartition("/")[2]}
    if not others:
        return ("*",)
    if len(endings) == 1:
        ending = f".{endings.pop()}"
        if not any(name.endswith(ending) for name in others):
            return (f"*{ending}",)
    numbered = {NUMBER.sub("[0-9]*", _glob(name)) for name in names}
    if len(names) > 1 and len(numbered) == 1 and _begins_apart(names[0], others):
        return (numbered.pop(),)
    return tuple(map(_glob, names[:_MOST_MEMBERS]))


def _glob(name: str) -> str:
    return re.sub(r"([\[\]?*])", r"[\1]", name)


def _begins_apart(name: str, others: Sequence[str]) -> bool:
    """Whether none of the others, with whatever numbers, is a name with other numbers."""
    start = NUMBER.split(name, maxsplit=1)[0]
    return all(NUMBER.split(other, maxsplit=1)[0] != start for other in others)


def _heading(profile: Profile, sample: str, open_points: Sequence[str]) -> list[str]:
    kind = harmless_comment(profile.format)
    packed = f", packed ({harmless_comment(profile.compression)})" if profile.compression else ""
    lines = [f'"""Reads {kind} files{packed}: {len(profile.columns)} columns.', ""]
    seen = f"Drafted from {harmless_comment(sample)[:80]}" if sample else "Drafted from a sample"
    lines += [f"{seen.replace(chr(34), '')}; read it before you approve it.", '"""', ""]
    notes = [*(harmless_comment(problem) for problem in profile.problems), *open_points]
    for note in notes[:20]:
        lines += [f"# Note: {note}"[:200]]
    return [*lines, *([""] if notes else [])]


def _manifest(tables: Sequence[_Table], pattern: str) -> str:
    if len({table.topic for table in tables}) == 1:
        named = literal(tables[0].topic)
        return f"MANIFEST = PluginMetadata(pattern={literal(pattern)}, topic={named})"
    topics = literal(list(dict.fromkeys(table.topic for table in tables)), 11)
    return f"MANIFEST = PluginMetadata(\n    pattern={literal(pattern)},\n    topics={topics},\n)"


def _constants(table: _Table, open_points: list[str]) -> str:
    reading = table.profile.reading
    assert reading is not None  # noqa: S101 - only tables that can be read come here
    lines: list[str] = []
    if table.members and table.members != ("*",):
        lines.append(f"{table.prefix}MEMBERS = {literal(list(table.members))}")
    if table.parts:
        lines.append(f"{table.prefix}PARTS = {literal(list(table.parts))}")
    if not reading.is_typed:
        lines += constants(table.profile, table.prefix, open_points)
    return "\n".join(lines)


def _no_tables(profile: Profile, tables: Sequence[_Table]) -> list[str]:
    if not _pins_members(tables):
        return []
    names = [_glob(name) for name in profile.others[:_MOST_MEMBERS]]
    return [f"NO_TABLES = {literal(names)}  # members that are known and hold none"]


def _handler(profile: Profile, tables: Sequence[_Table]) -> str:
    kind = harmless_comment(profile.format)
    lines = ["", "class Handler(BasePlugin):", f'    """Reads one {kind} file."""', ""]
    lines.append("    def execute(self, path):")
    for table in tables:
        lines += _loop(table)
    if _pins_members(tables):
        known = " + ".join([*(f"{table.prefix}MEMBERS" for table in tables), "NO_TABLES"])
        lines += [
            f"        for member in unread(path, {known}):",
            "            self.account(read=1)",
            '            why = "no table is read from this member"',
            '            self.quarantine(member, why, code="MEMBER_UNREAD", member=member)',
        ]
    return "\n".join([*lines, *_unread_parts(profile, tables)]) + "\n"


def _unread_parts(profile: Profile, tables: Sequence[_Table]) -> list[str]:
    """What sets aside sheets and tables that no file so far had: their rows would be missing."""
    named = [table for table in tables if _known_parts(table)]
    if not named:
        return []
    if not named[0].members:
        known = [part for table in named for part in _known_parts(table)]
        return _unread_loop(named[0], [*known, *profile.others])
    return [line for table in named for line in _unread_loop(table, _known_parts(table))]


def _known_parts(table: _Table) -> list[str]:
    """The sheets or tables that are read by their names."""
    reading = table.profile.reading
    if reading is None or reading.function not in _BY_NAME:
        return []
    one = reading.arguments.get(_BY_NAME[reading.function])
    return [*table.parts, *([one] if isinstance(one, str) else [])]


def _unread_loop(table: _Table, known: Sequence[str]) -> list[str]:
    reading = table.profile.reading
    assert reading is not None  # noqa: S101 - only tables that can be read come here
    globs = f", {table.prefix}MEMBERS" if table.members not in ((), ("*",)) else ""
    member = "source.member" if table.members else "part"
    return [
        f"        known = {literal(list(dict.fromkeys(known)), 12)}",
        f"        for source in sources(path{globs}):",
        f"            for part in tables.other_{_BY_NAME[reading.function]}s(source, known):",
        "                self.account(read=1)",
        '                why = "no rows are read from this part"',
        f'                self.quarantine(part, why, code="PART_UNREAD", member={member})',
    ]


def _pins_members(tables: Sequence[_Table]) -> bool:
    """Whether members are chosen by their names, so that another one would go unread."""
    return any(table.members not in ((), ("*",)) for table in tables)


def _loop(table: _Table) -> list[str]:
    reading = table.profile.reading
    assert reading is not None  # noqa: S101 - only tables that can be read come here
    globs = f", {table.prefix}MEMBERS" if table.members and table.members != ("*",) else ""
    lines: list[str] = []
    depth = 8
    arguments = dict(reading.arguments)
    if table.parts:
        lines.append(f"{' ' * depth}for part in {table.prefix}PARTS:")
        arguments = {_BY_NAME[reading.function]: "part", **arguments}
        depth += 4
    lines.append(f"{' ' * depth}for source in sources(path{globs}):")
    call = _call(reading, arguments, depth + 4, by_name=bool(table.parts))
    blank = " " * (depth + 4)
    if reading.is_typed:
        member = ", member=source.member" if table.members else ""
        lines += [
            f"{blank}batches = {call}",
            f"{blank}for batch in counted(batches, self{member}):",
            f"{blank}    self.publish({literal(table.topic)}, batch)",
        ]
        return lines
    lines += [f"{blank}records = {call}", f"{blank}for batch in {_typed(table)}:"]
    lines.append(f"{blank}    self.publish({literal(table.topic)}, batch)")
    return lines


def _typed(table: _Table) -> str:
    reading = table.profile.reading
    extra = ""
    if missing(table.profile.columns):
        extra += f", missing={table.prefix}MISSING"
    if reading is not None and reading.is_open:
        extra += ", blank=False"
    if any(column.optional for column in table.profile.columns):
        extra += f", optional={table.prefix}OPTIONAL"
    if renamed(table.profile):
        extra += f", renamed={table.prefix}RENAMED"
    if reading is not None and reading.is_open:
        extra += f", other={literal(_OTHER)}"
    if table.members:
        extra += ", member=source.member"
    elif table.parts:
        extra += ", member=part"
    if table.prefix:
        extra += f", topic={literal(table.topic)}"
    return f"typed(records, {table.prefix}COLUMNS, self{extra})"


def _call(
    reading: Reading, arguments: Mapping[str, Argument], indent: int, *, by_name: bool
) -> str:
    """The call of the reader, one argument a line where they are many."""
    shown = [
        f"{name}={value if by_name and value == 'part' else literal(_listed(value), indent + 4)}"
        for name, value in arguments.items()
    ]
    start = f"{reading.module}.{reading.function}(source"
    line = ", ".join([start, *shown]) + ")"
    if len(line) + indent <= 88:
        return line
    blank = " " * (indent + 4)
    inner = "".join(f"\n{blank}{one}," for one in ["source", *shown])
    return f"{reading.module}.{reading.function}({inner}\n{' ' * indent})"


def _listed(value: Argument) -> object:
    """Fields of fixed width as tuples, so that each reads as one thing."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [tuple(item) if isinstance(item, list | tuple) else item for item in value]
    return value
