"""Hypothesis strategies for Tenuto's values, for tests of policies, boards and files.

This module needs Hypothesis, so `tenuto.testing` does not import it: ask for it by name.
"""

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tenuto.points import (
    DIMENSION_CODES,
    SOURCES,
    Configuration,
    Estimate,
    OperatingPoint,
    OperatingTable,
    SubNetwork,
)
from tenuto.requirements import CONSTRAINABLE, DEFAULT_PRIORITY, Requirements
from tenuto.units import QUANTITIES


def sub_networks(network: str = "fashion") -> SearchStrategy[SubNetwork]:
    """Any sub-network that has a name: one or more dimensions, one or more values each."""
    values = st.lists(st.integers(0, 10**9 - 1), min_size=1, max_size=4).map(tuple)
    dimensions = st.lists(st.sampled_from(sorted(DIMENSION_CODES)), min_size=1, unique=True)
    return dimensions.flatmap(
        lambda names: st.tuples(*(values for _ in names)).map(
            lambda chosen: SubNetwork(network, tuple(zip(names, chosen, strict=True)))
        )
    )


def configurations(network: str = "fashion") -> SearchStrategy[Configuration]:
    """Any configuration of one network."""
    frequencies = st.none() | st.integers(1, 2**63 - 1)
    clusters = st.sampled_from(("little", "big", "gpu")) | st.text(min_size=1, max_size=8)
    return st.builds(Configuration, sub_networks(network), clusters, st.integers(1, 2**31 - 1), frequencies)


def estimates(metric: str) -> SearchStrategy[Estimate]:
    """Any figure that makes sense for a metric."""
    lowest = -273.15 if metric == "temperature_c" else 0.0
    highest = 100.0 if metric == "accuracy_pct" else float(np.finfo(np.float64).max)
    stdev = st.none() | st.floats(0, allow_infinity=False)
    return st.builds(Estimate, st.floats(lowest, highest), st.sampled_from(SOURCES), stdev)


def operating_points(network: str = "fashion") -> SearchStrategy[OperatingPoint]:
    """Any point of one network, with figures for any of the metrics."""
    metrics = st.fixed_dictionaries({}, optional={name: estimates(name) for name in QUANTITIES})
    return st.builds(OperatingPoint, configurations(network), metrics)


def operating_tables(*, max_points: int = 6) -> SearchStrategy[OperatingTable]:
    """Any table of up to `max_points` points, figures missing here and there."""
    about = st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=8))
    points = st.lists(operating_points(), min_size=1, max_size=max_points)
    return st.builds(lambda rows, notes: OperatingTable.from_points(rows, about=notes), points, about)


def requirements() -> SearchStrategy[Requirements]:
    """Any requirements: some constraints, some priorities, one objective."""
    bounds = {
        name: st.floats(-50 if name == "temperature_c" else 1e-6, 100 if name == "accuracy_pct" else 1e6)
        for name in CONSTRAINABLE
    }
    objective = st.sampled_from(CONSTRAINABLE).map(
        lambda name: {"maximise" if QUANTITIES[name].higher_is_better else "minimise": name}
    )
    optional = {
        **bounds,
        "miss_pct": st.floats(0, 100, exclude_max=True),
        "priorities": st.dictionaries(st.sampled_from(sorted(DEFAULT_PRIORITY)), st.integers(-100, 100)),
    }
    asked = st.fixed_dictionaries({}, optional=optional)
    return st.builds(lambda chosen, pushed: Requirements.of(**chosen, **pushed), asked, objective)
