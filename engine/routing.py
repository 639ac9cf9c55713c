"""Decide which tags a path gets. Pure: paths and rules in, tags out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from casparian_flow.errors import ManifestInvalid


@dataclass(frozen=True, slots=True)
class Rule:
    """Files that match `pattern` get `tag`."""

    pattern: str
    tag: str


class Matcher:
    """Compiled rules of one root."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Compile each pattern once.

        Raises:
            ManifestInvalid: a pattern is not a gitignore-style glob.
        """
        self._compiled: list[tuple[GitIgnoreSpec, str]] = []
        for rule in rules:
            try:
                self._compiled.append((GitIgnoreSpec.from_lines([rule.pattern]), rule.tag))
            except ValueError as error:
                raise ManifestInvalid(f"pattern {rule.pattern!r}: {error}") from error

    def __bool__(self) -> bool:
        return bool(self._compiled)

    def tags(self, path: bytes) -> tuple[str, ...]:
        """The tags of one path, sorted, without repeats."""
        text = path.decode("utf-8", "surrogateescape")
        return tuple(sorted({tag for spec, tag in self._compiled if spec.match_file(text)}))


def matching(pattern: str, paths: Sequence[bytes]) -> list[int]:
    """Positions of the paths that match one pattern."""
    matcher = Matcher([Rule(pattern, "x")])
    return [position for position, path in enumerate(paths) if matcher.tags(path)]
