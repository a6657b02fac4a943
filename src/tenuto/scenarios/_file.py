"""Scenario files: found by id or path, read, and made into values."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path as FilePath
from typing import Final

import msgspec

from tenuto.errors import TenutoError, UnknownNameError
from tenuto.nets.catalogue import CataloguedNetwork, open_network
from tenuto.platforms.simulated import load_board
from tenuto.scenarios._applications import Reader
from tenuto.scenarios._events import Events
from tenuto.scenarios._format import ScenarioTable
from tenuto.scenarios._scenario import Scenario
from tenuto.scenarios._source import Source, Tree, as_table, read_tree
from tenuto.scenarios._variants import variants_of
from tenuto.scenarios._world import board_of

_FOLDER: Final = "library"


def scenario_ids() -> tuple[str, ...]:
    """The scenarios that ship with Tenuto, by id, all versions."""
    return tuple(sorted(_shipped()))


def load_scenario(scenario: str | FilePath) -> Scenario:
    """A scenario by id (`xu3-heat@1`), by name (its newest version), or by the path of a scenario file.

    Raises:
        UnknownNameError: No such scenario, and no such file.
        SpecError: The file does not describe a scenario; says the line, the key and why.
    """
    text = str(scenario)
    if text.endswith(".toml"):
        return read_scenario(FilePath(text))
    shipped = _shipped()
    if text in shipped:
        return read_scenario(shipped[text])
    versions = [name for name in shipped if name.partition("@")[0] == text]
    if not versions:
        names = {name.partition("@")[0] for name in shipped}
        raise UnknownNameError("scenario", text, names | set(shipped) if "@" in text else names)
    return read_scenario(shipped[max(versions, key=lambda name: int(name.partition("@")[2]))])


def read_scenario(path: str | FilePath) -> Scenario:
    """Read one scenario file.

    Raises:
        SpecError: It cannot be read, is no TOML, or does not make sense; carries the line and the key where they are
            known.
    """
    tree, source = read_tree(FilePath(path))
    opened = cache(open_network)
    base, variants = variants_of(tree, source)
    whole = _scenario(base, source, opened)
    varied = (_scenario(changed, where, opened, label=label) for label, changed, where in variants)
    return replace(whole, variants=tuple(varied))


def _scenario(tree: Tree, source: Source, opened: Callable[[str], CataloguedNetwork], *, label: str = "") -> Scenario:
    """One tree, that of the file or of a variant."""
    table = as_table(tree, ScenarioTable, source)
    name, _, version = table.id.partition("@")
    if not name or not version.isdigit():
        raise source.error(("id",), f"found {table.id!r}; give a name and a version, like my-day@1")
    noise = {key: value for key, value in msgspec.structs.asdict(table.noise).items() if value is not None}
    scenario = Scenario(
        table.id,
        table.title,
        table.description,
        _board_name(table.board, source),
        table.duration_s,
        (),
        noise=noise,
        battery_wh=table.battery_wh,
        sources=table.sources,
        label=label,
    )
    try:
        board = board_of(scenario)
    except TenutoError as error:
        raise source.refusal(("board",), error) from error
    if table.battery_wh is not None and load_board(scenario.board).battery is not None:
        raise source.error(("battery_wh",), f"{scenario.board} has a battery; drop it")
    reader = Reader(table, source, board, opened)
    applications = reader.applications()
    events = Events(table, source, board, reader, applications)
    return replace(
        scenario,
        applications=applications,
        world=events.world(),
        utilisation=events.utilisation(),
        changes=events.changes(),
        disturbances=events.disturbances(),
        losses=events.losses(),
    )


def _board_name(board: str, source: Source) -> str:
    """A board's id, or the whole path of a board file that stands beside the scenario's."""
    beside = source.path.parent / board
    return str(beside.absolute()) if board.endswith(".toml") and beside.is_file() else board


def _shipped() -> dict[str, FilePath]:
    folder = resources.files(__package__) / _FOLDER
    names = ((entry.name, entry) for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {name.removesuffix(".toml"): FilePath(str(entry)) for name, entry in names if "@" in name}
