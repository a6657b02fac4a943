"""An application of a scenario, ready to run: its network's work on the board, its table, its deadline in ms."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from tenuto.errors import UsageError
from tenuto.graphs import LayerCost, layer_costs
from tenuto.nets.catalogue import CataloguedNetwork, open_network
from tenuto.platforms.simulated import BoardSpec, NetworkWork, ScaledWork, load_board
from tenuto.points import NO_FREQUENCY, Column, OperatingTable, SubNetwork
from tenuto.profiling.modelled import model_table
from tenuto.requirements import Requirements
from tenuto.scenarios import Anchor, Application, Scenario, with_deadline

Work = NetworkWork | ScaledWork


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One application, as a simulation needs it.

    Attributes:
        application: As the scenario has it, its deadline in ms.
        table: Its operating points where it may run, with every clock of the ladders.
        factors: By how much each sub-network takes longer than the board's model says, from the anchor.
        costs: Of each sub-network's layers.
    """

    application: Application
    table: OperatingTable
    factors: Mapping[SubNetwork, float]
    costs: Mapping[SubNetwork, tuple[LayerCost, ...]]

    @property
    def requirements(self) -> Requirements:
        """What must hold at first."""
        return self.application.requirements

    def works(self, board: BoardSpec) -> dict[SubNetwork, Work]:
        """Its sub-networks' work on a board; they remember things, so each passage needs its own."""
        works: dict[SubNetwork, Work] = {}
        for sub_network, costs in self.costs.items():
            work, factor = NetworkWork(costs, board), self.factors.get(sub_network, 1.0)
            works[sub_network] = work if factor == 1.0 else ScaledWork(work, factor)
        return works


def prepare(scenario: Scenario) -> tuple[Prepared, ...]:
    """All applications of a scenario.

    Raises:
        UnknownNameError: A network or a cluster is not known.
        UsageError: An application's network has no graphs, or its anchor names a sub-network or a place that is not.
    """
    board = load_board(scenario.board)
    return tuple(_prepared(board, application) for application in scenario.applications)


def _prepared(board: BoardSpec, application: Application) -> Prepared:
    clusters = application.clusters or tuple(one.name for one in board.clusters if one.on_request is None)
    network, modelled, costs = _modelled(board.id, application.network, clusters, application.n_cores)
    factors = {} if application.anchor is None else _factors(board, network, application.anchor)
    table = _scaled(modelled, factors)
    application = with_deadline(application, latency_of_largest_ms(table))
    return Prepared(application, table, factors, costs)


@lru_cache(maxsize=64)
def _modelled(
    board_id: str, network: str, clusters: tuple[str, ...], n_cores: tuple[int, ...]
) -> tuple[CataloguedNetwork, OperatingTable, dict[SubNetwork, tuple[LayerCost, ...]]]:
    opened = open_network(network)
    table = model_table(load_board(board_id), opened, clusters=clusters, n_cores=n_cores or None)
    costs = {one.sub_network: tuple(layer_costs(one.graph)) for one in opened.members if one.graph is not None}
    return opened, table, costs


def latency_of_largest_ms(table: OperatingTable) -> float:
    """The latency of the most accurate sub-network in its quickest place."""
    latency_ms, accuracy = table.column("latency_ms").value, table.column("accuracy_pct").value
    return float(latency_ms[accuracy == np.nanmax(accuracy)].min())


def governed(table: OperatingTable) -> OperatingTable:
    """Each sub-network on each cluster with each number of cores, its clock left to a governor.

    Figures are those of the highest clock, where a governor that never waits would run it.
    """
    places = np.column_stack([table.sub_network_index, table.cluster_index, table.n_cores])
    order = np.lexsort((-table.frequency_hz, *places.T[::-1]))
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (places[order][1:] != places[order][:-1]).any(axis=1)
    top = table.take(order[is_first])
    return replace(top, frequency_hz=np.full(len(top), NO_FREQUENCY, dtype=np.int64))


def _scaled(table: OperatingTable, factors: Mapping[SubNetwork, float]) -> OperatingTable:
    if not factors:
        return table
    factor = np.array([factors.get(one, 1.0) for one in table.sub_networks])[table.sub_network_index]
    metrics = dict(table.metrics)
    for name in ("latency_ms", "energy_mj"):
        column = metrics[name]
        metrics[name] = Column(column.value * factor, column.stdev, column.source)
    return replace(table, metrics=metrics)


def _factors(board: BoardSpec, network: CataloguedNetwork, anchor: Anchor) -> dict[SubNetwork, float]:
    """Published over modelled latency at the anchor's place."""
    place = model_table(board, network, clusters=(anchor.cluster,), n_cores=(anchor.n_cores,))
    named = {}
    for name, latency_ms in anchor.latency_ms.items():
        found = [one for one in network.members if name in (one.title, one.sub_network.name)]
        if len(found) != 1:
            titles = ", ".join(member.title for member in network.members)
            raise UsageError(f"{network.name}: the anchor names {name!r}, its sub-networks are {titles}; name one")
        index = place.sub_networks.index(found[0].sub_network)
        rows = np.flatnonzero((place.sub_network_index == index) & (place.frequency_hz == anchor.frequency_hz))
        if len(rows) != 1:
            raise UsageError(
                f"{board.id}: the anchor's clock {anchor.frequency_hz} Hz is not on {anchor.cluster}'s ladder"
            )
        named[found[0].sub_network] = latency_ms / float(place.column("latency_ms").value[rows[0]])
    if len(named) == 1:
        return dict.fromkeys((member.sub_network for member in network.members), *named.values())
    return named
