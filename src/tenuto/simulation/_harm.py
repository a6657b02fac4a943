"""Whom an inference would make late that runs already: the clairvoyant is considerate.

Model:
    On the cluster that another inference is on, an accelerator is shared equally, and cores that there are not enough
    of in proportion; a clock that is lowered slows it by as much. That holds for as long as both run.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tenuto.platforms.simulated import SimulatedPlatform
from tenuto.points import OperatingTable
from tenuto.simulation._runner import NEVER, Runner


def harmed_by(
    table: OperatingTable, latency_ms: NDArray[np.float64], others: Sequence[Runner], platform: SimulatedPlatform
) -> NDArray[np.float64]:
    """How many inferences of others each row would make late (N,).

    Args:
        table: The rows.
        latency_ms: (N,) what it would take there.
        others: The other applications; what theirs take was foreseen when they began.
        platform: The board, now.
    """
    harmed = np.zeros(len(table))
    running = [one for one in others if one.running is not None and one.deadline_ms != NEVER]
    if not running:
        return harmed
    now_s, clocks_hz = platform.clock.now_s(), platform.truth().frequency_hz
    for one in running:
        left_ms, slack_ms = one.left_ms(now_s)
        if one.running is None or one.running.cluster not in table.clusters or slack_ms < 0:
            continue
        cluster = platform.spec.cluster(one.running.cluster)
        there = table.cluster_index == table.clusters.index(cluster.name)
        longer = np.full(len(table), 2.0)
        if cluster.kind == "cpu":
            longer = np.maximum((one.running.n_cores + table.n_cores) / cluster.n_cores, 1.0)
        has_clock = table.frequency_hz > 0
        asked_hz = np.where(has_clock, table.frequency_hz, clocks_hz[cluster.name])
        longer *= np.maximum(clocks_hz[cluster.name] / asked_hz, 1.0)
        harmed += there & (np.minimum(latency_ms, left_ms) * (longer - 1) > slack_ms)
    return harmed
