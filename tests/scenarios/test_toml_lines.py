"""Lines of keys: every key that Python's reader finds has one, and it is the right one."""

import json
import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.scenarios._lines import Path, key_lines

TEXT = """\
# a comment with id = "nothing"
id = "x@1" # and [one] = behind a value
'quoted key' = 'it " is # not a comment'
"a.b" = "escaped \\" quote # still text"
dotted . key = 3

long = \"\"\"
not_a_key = 1
[not.a.table] "" \\\"\"\" \"\"\"\"\"
after = [1, # first
  { in = "a" }, [
  2]]

[[items]]
name = "first"
inner = { a = 1, b.c = { d = [ "}" , 2 ] } }
[items.sub]
key = 1979-05-27 07:32:00
[[items.rows]]
x = 1
[[items.rows]]
x = 2

  [[items]]
  name = "second"
  [ items . sub ]
  key = '''
'''
[plain]
literal = '''# ''''
"""


def paths_of(value: Any, path: Path = ()) -> set[Path]:
    """Of everything in what was read."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return {path}.union(*(paths_of(one, (*path, step)) for step, one in inner)) - {()}


def line_of(start: str, occurrence: int = 1) -> int:
    lines = [number for number, line in enumerate(TEXT.splitlines(), start=1) if line.strip().startswith(start)]
    return lines[occurrence - 1]


def test_every_kind_of_key_has_the_line_it_stands_on() -> None:
    lines = key_lines(TEXT)
    assert set(lines) == paths_of(tomllib.loads(TEXT))
    assert lines[("id",)] == 2
    assert lines[("quoted key",)] == 3
    assert lines[("a.b",)] == 4
    assert lines[("dotted", "key")] == 5
    assert lines[("long",)] == 7
    assert lines[("after",)] == line_of("after")
    assert lines[("after", 1, "in")] == line_of("after") + 1
    assert lines[("after", 2, 0)] == line_of("after") + 2
    assert lines[("items", 0, "inner", "b", "c", "d", 1)] == line_of("inner")
    assert lines[("items", 0, "sub", "key")] == line_of("key = 1979")
    assert lines[("items", 0, "rows", 1, "x")] == line_of("x = 2")
    assert lines[("items", 1)] == line_of("[[items]]", 2)
    assert lines[("items", 1, "name")] == line_of('name = "second"')
    assert lines[("items", 1, "sub", "key")] == line_of("key = '''")
    assert lines[("plain", "literal")] == line_of("literal")


KEYS = st.text(alphabet="ab-_ .#\"'=[]é", min_size=1, max_size=4)
SCALARS = st.one_of(
    st.integers(-9, 9),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: round(value, 3)),
    st.text(alphabet="ab #\"'\\=[]{},é", max_size=6),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)
FILLERS = st.sampled_from(["", "\n", "  # { [[x]] = 'a' \n", "\r\n\t"])


def quoted(text: str) -> str:
    return json.dumps(text)  # a JSON string is a TOML string, of these characters


def inline(value: Any, filler: str) -> str:
    """A value as TOML, with something between the elements of its arrays."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {inline(one, '')}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ",".join(filler + inline(one, filler) for one in value) + filler + "]"
    return quoted(value) if isinstance(value, str) else str(value).lower()


@settings(max_examples=60)
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.lists(st.dictionaries(KEYS, VALUES, max_size=3)), FILLERS)
def test_what_is_found_is_what_pythons_reader_finds(
    top: dict[str, Any], elements: list[dict[str, Any]], filler: str
) -> None:
    top.pop("aot", None)
    lines, wanted = [], {}
    for key, value in top.items():
        wanted[key,] = 1 + "\n".join([*lines, ""]).count("\n")
        lines.append(f"{quoted(key)} = {inline(value, filler)}")
    for index, element in enumerate(elements):
        wanted["aot", index] = 1 + "\n".join([*lines, ""]).count("\n")
        lines.append("[[aot]] # [x]")
        for key, value in element.items():
            wanted["aot", index, key] = 1 + "\n".join([*lines, ""]).count("\n")
            lines.append(f"  {quoted(key)}={inline(value, filler)}")
    text = "\n".join(lines)
    found = key_lines(text)
    assert set(found) == paths_of(tomllib.loads(text))
    assert {path: found[path] for path in wanted} == wanted
