"""The text of a scenario's file: read, and asked for the line of a key when something is wrong with it."""

import math
import re
import tomllib
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path as FilePath
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from tenuto.errors import SpecError, TenutoError
from tenuto.scenarios._lines import Path, key_lines

Tree = dict[str, Any]
"""What was read of a file, or of a variant of it."""

_Table = TypeVar("_Table", bound=msgspec.Struct)
_TOML_LINE: Final = re.compile(r"line (\d+)")
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Source:
    """Where what was read stands.

    Attributes:
        path: The file.
        lines: Of every key.
        origins: What a variant put in another place: path in the variant's tree -> path in the file.
    """

    path: FilePath
    lines: Mapping[Path, int]
    origins: Mapping[Path, Path] = field(default_factory=dict)

    def error(self, path: Path, problem: str) -> SpecError:
        """What is wrong, with the key and its line, or that of the table where the key should be."""
        place = self._in_file(path)
        known = next((place[:n] for n in range(len(place), 0, -1) if place[:n] in self.lines), None)
        line = None if known is None else self.lines[known]
        return SpecError(self.path, problem, key=shown(place) or None, line=line)

    def refusal(self, path: Path, error: TenutoError) -> SpecError:
        """The same of something that a value refused."""
        return self.error(path, str(error))

    def moved(self, origins: Mapping[Path, Path]) -> "Source":
        """The same for a variant's tree."""
        return replace(self, origins={**self.origins, **origins})

    def _in_file(self, path: Path) -> Path:
        for n in range(len(path), 0, -1):
            if path[:n] in self.origins:
                return self.origins[path[:n]] + path[n:]
        return path


def shown(path: Path) -> str:
    """A path for people: `applications[0].anchor.cluster`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def read_tree(path: FilePath) -> tuple[Tree, Source]:
    """Read a file.

    Raises:
        SpecError: It cannot be read, or is no TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = tomllib.loads(text)
    except OSError as error:
        raise SpecError(path, f"asked to read a scenario, but {error.strerror}; give a scenario file") from error
    except UnicodeDecodeError as error:
        raise SpecError(path, "asked to read a scenario, found no UTF-8 text; give a scenario file") from error
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise SpecError(path, f"asked to read a scenario, found no TOML: {error}; mend it", line=line) from error
    return tree, Source(path, key_lines(text))


def as_table(tree: Tree, kind: type[_Table], source: Source, at: Path = ()) -> _Table:
    """A tree as the table that it should be.

    Raises:
        SpecError: An unknown key, one missing, or a value of the wrong type or out of its range.
    """
    for path, value in _floats(tree, at):
        if not math.isfinite(value):
            raise source.error(path, f"found {value}; give a finite number")
    for path, name, known in _unknown_keys(tree, kind, at):
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
        raise source.error(path, f"there is no key {name!r} here; {hint}")
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at ")
        path = _path(place.strip("`").removeprefix("$"))
        raise source.error(at + path, f"{problem}; docs/scenarios.md lists the keys") from error


def _path(place: str) -> Path:
    """A place as msgspec tells it, `.events[0].caps_mhz[...]`; which entry of a table is not told."""
    path: list[str | int] = []
    for name, index in _STEP.findall(place.partition("[...]")[0]):
        path.append(name if name else int(index))
    return tuple(path)


def _floats(value: object, path: Path) -> Iterator[tuple[Path, float]]:
    if isinstance(value, float):
        yield path, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _floats(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _floats(one, (*path, index))


def _unknown_keys(value: object, kind: Any, path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """Keys that a table does not have, wherever one is: path, name, and the keys that there are."""
    kind, inner = _unwrapped(kind, value)
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind, include_extras=True)
        known = {one.encode_name: hints[one.name] for one in msgspec.structs.fields(kind)}
        for key, one in value.items():
            if key not in known:
                yield (*path, key), key, list(known)
            else:
                yield from _unknown_keys(one, known[key], (*path, key))
    elif isinstance(value, dict) and inner is not None:
        for key, one in value.items():
            yield from _unknown_keys(one, inner, (*path, key))
    elif isinstance(value, list) and inner is not None:
        for index, one in enumerate(value):
            yield from _unknown_keys(one, inner, (*path, index))


def _unwrapped(kind: Any, value: object) -> tuple[Any, Any]:
    """A type without what stands around it, and what its elements are: of a union the table, where there is one."""
    while get_origin(kind) is not None:
        arguments = get_args(kind)
        if hasattr(kind, "__metadata__"):
            kind = arguments[0]
        elif get_origin(kind) in (Union, types.UnionType):
            tables = [one for one in arguments if isinstance(one, type) and issubclass(one, msgspec.Struct)]
            others = [one for one in arguments if one is not type(None)]
            kind = tables[0] if tables and isinstance(value, dict) else others[0]
        elif get_origin(kind) is dict:
            return dict, arguments[1]
        else:
            return tuple, arguments[0]
    return kind, None
