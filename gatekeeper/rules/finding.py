"""Say one thing that is wrong with a source, and what to write instead."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why a file may not enter."""

    rule: str
    """Stable name of the rule, such as `import` or `writer`."""

    line: int
    """Counted from 1."""

    column: int
    """Counted from 1, in bytes of UTF-8."""

    message: str
    """What was found."""

    fix: str
    """What to write instead: a sentence for the author, often a model."""
