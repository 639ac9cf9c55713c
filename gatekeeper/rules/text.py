"""Judge the bytes of a source before anything parses them."""

import io
import re
import tokenize
import unicodedata
from collections.abc import Iterator

from gatekeeper.policy.language import LINE_LIMIT, SIZE_LIMIT_BYTES
from gatekeeper.rules.finding import Finding

_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")
_ASCII_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_WORD = re.compile(r"\w+")


def decode(source: bytes) -> tuple[str, tuple[Finding, ...]]:
    """Return the text of `source` and what is wrong with its bytes.

    With any finding the text is empty: such a source must not be parsed.
    """
    findings = tuple(_check_bytes(source))
    if findings:
        return "", findings
    try:
        text = source.decode("utf-8")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        message = f"not UTF-8 at byte {error.start}"
        return "", (_finding("encoding", line, message, "Save the file as UTF-8."),)
    findings = tuple(_check_characters(text))
    return ("", findings) if findings else (text, ())


def check_identifiers(text: str) -> Iterator[Finding]:
    """Refuse names that are not ASCII: Python folds look-alikes into other names."""
    if text.isascii():
        return
    fix = "Write names with the letters a-z, digits and underscores only."
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            in_template = token.type == tokenize.STRING and "f" in token.string[:2].lower()
            if token.type == tokenize.NAME:
                words = [token.string]
            elif in_template:
                words = _WORD.findall("".join(re.findall(r"\{[^}]*\}?", token.string)))
            else:
                continue
            for word in words:
                folded = unicodedata.normalize("NFKC", word)
                if not word.isascii() and (token.type == tokenize.NAME or folded.isascii()):
                    message = f"name {word!r} is not ASCII"
                    line, column = token.start
                    yield Finding("identifier", line, column + 1, message, fix)
    except (tokenize.TokenError, SyntaxError) as error:
        yield _finding("syntax", 1, f"cannot be split into tokens: {error}", fix)


def _check_bytes(source: bytes) -> Iterator[Finding]:
    """Refuse what makes two readers of the same bytes see different text."""
    if len(source) > SIZE_LIMIT_BYTES:
        message = f"{len(source)} bytes; the limit is {SIZE_LIMIT_BYTES}"
        yield _finding("size", 1, message, "Split the plugin into modules; read data from files.")
        return
    lines = source.count(b"\n") + 1
    if lines > LINE_LIMIT:
        message = f"{lines} lines; the limit is {LINE_LIMIT}"
        yield _finding("size", 1, message, "Split the plugin into modules; read data from files.")
        return
    if source.startswith(b"\xef\xbb\xbf"):
        yield _finding("encoding", 1, "byte order mark", "Save as UTF-8 without a BOM.")
    for number, line in enumerate(re.split(rb"\r\n|\r|\n", source, maxsplit=2)[:2], start=1):
        if _COOKIE.match(line):
            message = "encoding declaration"
            yield _finding("encoding", number, message, "Delete the coding comment; use UTF-8.")


def _check_characters(text: str) -> Iterator[Finding]:
    """Refuse characters that a reader cannot see, at their first appearance."""
    match = _ASCII_CONTROL.search(text)
    if match:
        yield _hidden(text, match.start())
    elif not text.isascii():
        for position, character in enumerate(text):
            if character > "\x7f" and unicodedata.category(character) in _HIDDEN_CATEGORIES:
                yield _hidden(text, position)
                return


def _hidden(text: str, position: int) -> Finding:
    line = text.count("\n", 0, position) + 1
    message = f"invisible or control character U+{ord(text[position]):04X}"
    fix = 'Remove it; where the data needs it, write an escape such as "\\u200b".'
    return _finding("character", line, message, fix)


def _finding(rule: str, line: int, message: str, fix: str) -> Finding:
    return Finding(rule, line, 1, message, fix)
