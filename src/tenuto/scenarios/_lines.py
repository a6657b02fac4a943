"""On which line of a TOML text each key stands, which Python's reader of TOML does not tell."""

import re
import tomllib
from bisect import bisect_right
from typing import Final

Path = tuple[str | int, ...]
"""Of a value in what was read: keys of tables, and indices of arrays from 0."""

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_BASIC_STRING: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL_STRING: Final = re.compile(r"'[^'\n]*'")
# Up to two quotes may stand before the three that end it.
_LONG_BASIC: Final = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})', re.DOTALL)
_LONG_LITERAL: Final = re.compile(r"'''.*?'''(?:'{0,2})", re.DOTALL)
_BLANK: Final = re.compile(r"[ \t]*")
_FILLER: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR: Final = re.compile(r"[^,\]}#\r\n]*")


def key_lines(text: str) -> dict[Path, int]:
    """The line, from 1, of every key, table and array element of a text that is known to be TOML.

    A table that is named by several headers has the line of the first.
    """
    return _Scan(text).lines


class _Scan:
    """One pass over a text; it is TOML, so nothing is checked."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lengths: dict[Path, int] = {}  # of arrays of tables
        self.lines: dict[Path, int] = {}
        self._document()

    def _document(self) -> None:
        table: Path = ()
        while True:
            self._skip(_FILLER)
            if self._at == len(self._text):
                return
            if self._text.startswith("[[", self._at):
                table = self._header(2)
            elif self._text[self._at] == "[":
                table = self._header(1)
            else:
                self._pair(table)

    def _header(self, n_brackets: int) -> Path:
        """`[a.b]` or `[[a.b]]`: the path of the table that it opens."""
        began = self._at
        self._at += n_brackets
        keys = self._keys()
        self._at += n_brackets
        table: Path = ()
        for depth, key in enumerate(keys, start=1):
            table = (*table, key)
            self._note(table, began)
            if n_brackets == 2 and depth == len(keys):
                self._lengths[table] = self._lengths.get(table, 0) + 1
            if table in self._lengths:
                table = (*table, self._lengths[table] - 1)
                self._note(table, began)
        return table

    def _pair(self, table: Path) -> None:
        """`a.b = value`."""
        began = self._at
        for key in self._keys():
            table = (*table, key)
            self._note(table, began)
        self._at += 1  # =
        self._skip(_BLANK)
        self._value(table)

    def _keys(self) -> list[str]:
        """The keys of `a."b".'c'`; what follows is the next to read."""
        keys = []
        while True:
            self._skip(_BLANK)
            quote = self._text[self._at]
            if quote in "\"'":
                quoted = self._take(_BASIC_STRING if quote == '"' else _LITERAL_STRING)
                keys.append(str(tomllib.loads(f"key = {quoted}")["key"]))
            else:
                keys.append(self._take(_BARE_KEY))
            self._skip(_BLANK)
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _value(self, path: Path) -> None:
        text, at = self._text, self._at
        if text.startswith('"""', at):
            self._skip(_LONG_BASIC)
        elif text.startswith("'''", at):
            self._skip(_LONG_LITERAL)
        elif text[at] == '"':
            self._skip(_BASIC_STRING)
        elif text[at] == "'":
            self._skip(_LITERAL_STRING)
        elif text[at] == "[":
            self._array(path)
        elif text[at] == "{":
            self._inline_table(path)
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while not self._ends("]"):
            element = (*path, index)
            self._note(element, self._at)
            self._value(element)
            index += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while not self._ends("}"):
            self._pair(path)

    def _ends(self, bracket: str) -> bool:
        """Whether an array or inline table ends here; commas, and what may stand about them, are passed over."""
        self._skip(_FILLER)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_FILLER)
        if self._text[self._at] == bracket:
            self._at += 1
            return True
        return False

    def _note(self, path: Path, at: int) -> None:
        self.lines.setdefault(path, bisect_right(self._line_starts, at))

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()

    def _take(self, pattern: re.Pattern[str]) -> str:
        began = self._at
        self._skip(pattern)
        return self._text[began : self._at]
