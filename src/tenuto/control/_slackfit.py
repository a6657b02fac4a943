"""SuperServe's rule: as much network as the most urgent request has time for."""

import math
from bisect import bisect_right
from typing import Any

import msgspec
import numpy as np

from tenuto.control._baselines import Ladders
from tenuto.control._sound import waited_ms
from tenuto.decisions import Decision, Observation
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements


class SlackFitState(msgspec.Struct, frozen=True):
    """What is prepared.

    Attributes:
        ladders: The sub-networks in their fastest configurations, for each allotment.
        deadline_ms: Infinite if there is none.
    """

    ladders: Ladders
    deadline_ms: float


class SlackFitPolicy:
    """SlackFit: the sub-network whose profiled latency is the largest below the slack.

    Model:
        The slack is what is left of the deadline of the most urgent request, which is the coming input: first come,
        first served. SuperServe answers the requests that wait together as one batch, and takes the largest latency
        of a (sub-network, batch) pair below the slack, so that under load small sub-networks in large batches are
        chosen. A table here is of one batch size, so the inputs that wait are answered one after the other: with n
        waiting behind, the choice is the sub-network of which 1 + n fit into the slack. That is SuperServe's batch on a
        device where a batch of n takes n times as long, as on a CPU. When none fits, it is the fastest.

        Sub-networks that are slower and no more accurate are left out, as the paper's are the Pareto-optimal ones. It
        does not learn: latencies are as profiled. It knows no energy, no power and no accuracy bound: each sub-network
        runs in its fastest configuration.

    Source:
        A. Khare et al., SuperServe: Fine-Grained Inference Serving for Unpredictable Workloads, NSDI 2025, from its
        abstract and public summaries of SlackFit. The sharing of the slack is our reading for one batch size.
    """

    name = "slackfit"

    @property
    def parameters(self) -> dict[str, Any]:
        """None."""
        return {}

    def start(
        self, table: OperatingTable, requirements: Requirements, previous: SlackFitState | None = None
    ) -> SlackFitState:
        """Sort the sub-networks by latency; there is nothing to remember."""
        del previous
        deadline = requirements.constraint("latency_ms")
        return SlackFitState(Ladders.of(table, _pareto), math.inf if deadline is None else deadline.bound)

    def decide(self, state: SlackFitState, observation: Observation) -> tuple[Decision, SlackFitState]:
        """The largest of which all that wait fit into the slack."""
        if observation.allotment != state.ladders.allotment:
            state = SlackFitState(state.ladders.under(observation.allotment), state.deadline_ms)
        ladder = state.ladders
        slack_ms = state.deadline_ms - waited_ms(observation)
        index = bisect_right(ladder.latency_ms, slack_ms / (1 + max(observation.n_queued, 0))) - 1
        if index < 0:
            # Those behind can still be saved where the coming one alone would fit; where not, neither can it.
            return Decision(ladder.rows[0], () if ladder.latency_ms[0] <= slack_ms else ("latency_ms",)), state
        return Decision(ladder.rows[index]), state


def _pareto(table: OperatingTable, rows: tuple[int, ...]) -> tuple[int, ...]:
    """Those that are more accurate than every faster one, the fastest first; all where accuracy is not known."""
    latency_ms = table.column("latency_ms").value
    ordered = sorted(rows, key=lambda row: float(latency_ms[row]))
    if "accuracy_pct" not in table.metrics:
        return tuple(ordered)
    accuracy_pct = table.metrics["accuracy_pct"].value
    kept: list[int] = []
    best_pct = -math.inf
    for row in ordered:
        if np.isnan(accuracy_pct[row]) or accuracy_pct[row] > best_pct:
            kept.append(row)
            best_pct = max(best_pct, float(np.nan_to_num(accuracy_pct[row], nan=best_pct)))
    return tuple(kept)
