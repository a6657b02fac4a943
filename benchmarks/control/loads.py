"""Scenarios made here: periodic loads of the calibrated board, and two networks at several paces.

A load is named `load:CLUSTER:NETWORK:PERCENT`. Its period is the latency of a fixed network on all cores of a cluster
at its highest clock, divided by the load; its deadline is its period; its accuracy floor is that network's. Where that
network runs in the end, and whether a smaller one would do, is for whoever manages it to say: both CPU clusters are
open to all. Under the governor that network runs for ever (or a more accurate one, where that takes less), in the
cheapest place that misses 1 % at most; where no place does, in the cheapest of those that miss least.

`two:PACE` is `xnx-two-networks@1` with both periods and deadlines multiplied by a pace.
"""

from dataclasses import replace
from functools import lru_cache

from tenuto.nets.catalogue import open_network
from tenuto.platforms.simulated import load_board
from tenuto.profiling.modelled import model_table
from tenuto.requirements import Requirements
from tenuto.scenarios import Application, Arrivals, Scenario, load_scenario

BOARD = "odroid-xu3@1"
NETWORK = "dynamic-ofa-gpu"
CLUSTERS = ("a7", "a15")
FIXED = ("level 1", "level 4", "level 6")
LOADS_PCT = (30, 40, 50, 60, 70, 80, 90)
N_INPUTS = 400
PACES = (0.8, 1.0, 1.25, 1.6, 2.0)
TWO = "xnx-two-networks@1"


def is_load(name: str) -> bool:
    """Whether a scenario is one of these."""
    return name.startswith(("load:", "two:"))


def is_fixed_load(name: str) -> bool:
    """Whether a scenario is about one network's load."""
    return name.startswith("load:")


def load_names(*, is_quick: bool = False) -> list[str]:
    """All of them that are about load."""
    loads = LOADS_PCT[::3] if is_quick else LOADS_PCT
    return [f"load:{cluster}:{fixed}:{load}" for cluster in CLUSTERS for fixed in FIXED for load in loads]


def two_names(*, is_quick: bool = False) -> list[str]:
    """All of them that are about two networks."""
    return [f"two:{pace}" for pace in (PACES[1::2] if is_quick else PACES)]


@lru_cache(maxsize=64)
def build(name: str) -> Scenario:
    """The scenario of a name."""
    kind, *figures = name.split(":")
    return _paced(float(figures[0])) if kind == "two" else _load(*figures)


def _load(cluster: str, fixed: str, load: str) -> Scenario:
    table = model_table(load_board(BOARD), open_network(NETWORK), clusters=(cluster,))
    member = next(one for one in open_network(NETWORK).members if one.title == fixed)
    index = table.sub_networks.index(member.sub_network)
    rows = [
        row
        for row in range(len(table))
        if table.sub_network_index[row] == index
        and table.n_cores[row] == table.n_cores.max()
        and table.frequency_hz[row] == table.frequency_hz.max()
    ]
    period_ms = float(table.column("latency_ms").value[rows[0]]) / (float(load) / 100)
    floor_pct = float(table.column("accuracy_pct").value[rows[0]])
    requirements = Requirements.of(
        latency_ms=period_ms, miss_pct=1.0, accuracy_pct=floor_pct, minimise="energy_mj", period_ms=period_ms
    )
    application = Application("load", NETWORK, requirements, Arrivals(period_ms), CLUSTERS)
    return Scenario(
        f"load-{cluster}-{fixed.replace(' ', '-')}-{load}@1",
        f"{fixed} loads {cluster} at {load} %",
        "A periodic load; all else is quiet.",
        BOARD,
        N_INPUTS * period_ms / 1000,
        (application,),
        sources=(
            "Latency and power: the board's model, calibrated on public logs. The load is made for the comparison.",
        ),
    )


def _paced(pace: float) -> Scenario:
    scenario = load_scenario(TWO)

    def slower(one: Application) -> Application:
        constraints = tuple(
            replace(each, bound=each.bound * pace) if each.metric == "latency_ms" else each
            for each in one.requirements.constraints
        )
        period_ms = None if one.arrivals.period_ms is None else one.arrivals.period_ms * pace
        requirements = replace(one.requirements, constraints=constraints, period_ms=period_ms)
        return replace(one, requirements=requirements, arrivals=replace(one.arrivals, period_ms=period_ms))

    return replace(scenario, applications=tuple(slower(one) for one in scenario.applications))
