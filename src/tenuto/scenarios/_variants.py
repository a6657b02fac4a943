"""Variants of a scenario: the same tree with other figures, one for each [[variants]] and each step of the [sweep]."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Annotated, Any, Final

import numpy as np
from msgspec import Meta, field

from tenuto.errors import UnknownNameError
from tenuto.scenarios._format import Table, Text
from tenuto.scenarios._lines import Path
from tenuto.scenarios._source import Source, Tree, as_table

_NAMED_BY: Final = {"applications": "name", "events": "label"}
"""Lists whose elements an override names by this key of theirs."""


class SweepTable(Table, frozen=True, kw_only=True):
    """One figure over a range.

    Attributes:
        key: Dotted, an application by its name and an event by its label: `applications.camera.times_of_largest`.
        begin: First value; `from` in the file.
        end: Last value; `to` in the file.
        n: How many, evenly spaced.
    """

    key: Text
    begin: float = field(name="from")
    end: float = field(name="to")
    n: Annotated[int, Meta(ge=2, le=1000)]


def variants_of(tree: Tree, source: Source) -> tuple[Tree, list[tuple[str, Tree, Source]]]:
    """A file's tree without its variants, and each of them: label, whole tree, and where its keys stand.

    Raises:
        SpecError: A variant has no label or one that is taken, or changes what is not there.
    """
    base = {key: value for key, value in tree.items() if key not in ("variants", "sweep")}
    found = [("", base, source)]
    if "variants" in tree:
        found = list(_overridden(base, tree["variants"], source))
    if "sweep" in tree:
        sweep = as_table(tree["sweep"], SweepTable, source, ("sweep",))
        found = [one for each in found for one in _swept(*each, sweep)]
    return base, found if found[0][1] is not base else []


def _overridden(base: Tree, variants: object, source: Source) -> Iterator[tuple[str, Tree, Source]]:
    if not isinstance(variants, list) or not all(isinstance(one, dict) for one in variants) or not variants:
        raise source.error(("variants",), "found no list of tables; write each under its own [[variants]]")
    labels: set[str] = set()
    for index, variant in enumerate(variants):
        at: Path = ("variants", index)
        label = variant.get("label")
        if not isinstance(label, str) or not label:
            raise source.error(at, "a variant has no label; name it, for reports tell variants apart by it")
        if label in labels:
            raise source.error((*at, "label"), f"two variants are called {label!r}; give each its own label")
        labels.add(label)
        changed = deepcopy(base)
        origins: dict[Path, Path] = {}
        for key, value in variant.items():
            if key == "label":
                continue
            if key in ("id", "variants", "sweep"):
                raise source.error((*at, key), f"a variant cannot have a {key} of its own; leave it out")
            origins.update(_merged(changed, key, value, (*at, key), source))
        yield label, changed, source.moved(origins)


def _merged(tree: Tree, key: str, value: Any, at: Path, source: Source) -> Iterator[tuple[Path, Path]]:
    """Put an override into a tree: what was put where, and where that stands in the file."""
    if key in _NAMED_BY and isinstance(value, dict):
        for name, table in value.items():
            index = _index(tree, key, name, (*at, name), source)
            if not isinstance(table, dict):
                raise source.error((*at, name), f"found {table!r}; give a table of what is different")
            for path, place in _laid_over(tree[key][index], table, (*at, name)):
                yield (key, index, *path), place
    elif isinstance(value, dict) and isinstance(tree.get(key), dict):
        for path, place in _laid_over(tree[key], value, at):
            yield (key, *path), place
    else:
        tree[key] = value
        yield (key,), at


def _laid_over(tree: Tree, table: Tree, at: Path) -> Iterator[tuple[Path, Path]]:
    for key, value in table.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            for path, place in _laid_over(tree[key], value, (*at, key)):
                yield (key, *path), place
        else:
            tree[key] = value
            yield (key,), (*at, key)


def _swept(label: str, tree: Tree, source: Source, sweep: SweepTable) -> Iterator[tuple[str, Tree, Source]]:
    at: Path = ("sweep", "key")
    for value in np.linspace(sweep.begin, sweep.end, sweep.n).tolist():
        changed = deepcopy(tree)
        path = _resolved(changed, sweep.key, at, source)
        table: Any = changed
        for step in path[:-1]:
            table = table[step]
        table[path[-1]] = float(f"{value:.6g}")
        words = f"{sweep.key.rpartition('.')[2]} {value:.4g}"
        yield f"{label}, {words}" if label else words, changed, source.moved({path: ("sweep",)})


def _resolved(tree: Tree, key: str, at: Path, source: Source) -> Path:
    """The path of a dotted key."""
    rest = key.split(".")
    path: list[str | int] = []
    if rest[0] in _NAMED_BY and len(rest) > 1:
        first, *rest = rest
        # A name may have dots in it: the longest that there is.
        names = [".".join(rest[:n]) for n in range(len(rest) - 1, 0, -1)]
        known = [name for name in names if any(one.get(_NAMED_BY[first]) == name for one in tree.get(first, []))]
        name = known[0] if known else rest[0]
        path = [first, _index(tree, first, name, at, source)]
        rest = rest[name.count(".") + 1 :]
    table: Any = tree
    for step in path:
        table = table[step]
    for step in rest[:-1]:
        table = table.get(step) if isinstance(table, dict) else None
    if not rest or not isinstance(table, dict):
        raise source.error(at, f"found {key!r}, which leads nowhere; write applications.NAME.KEY or events.LABEL.KEY")
    return (*path, *rest)


def _index(tree: Tree, key: str, name: str, at: Path, source: Source) -> int:
    elements = tree.get(key, [])
    by = _NAMED_BY[key]
    names = [one.get(by) for one in elements if isinstance(one, dict)] if isinstance(elements, list) else []
    if names.count(name) == 1:
        return names.index(name)
    if name in names:
        raise source.error(at, f"several {key} have the {by} {name!r}; give each its own")
    problem = UnknownNameError(key.removesuffix("s"), name, [one for one in names if isinstance(one, str) and one])
    raise source.refusal(at, problem)
