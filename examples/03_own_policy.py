"""Write a policy of your own in one small file, put it through the conformance suite, and drive it.

You will see that it keeps every promise of a policy, and when it changes its mind on a stream that is slow for a while.
Registered in a package's pyproject.toml, `tenuto.control.open_policy("cautious")` finds it:

    [project.entry-points."tenuto.policies"]
    cautious = "mypackage.cautious:CautiousPolicy"
"""

from typing import Any, ClassVar

import msgspec

from tenuto import OperatingTable, Requirements
from tenuto.control import fastest_rows
from tenuto.decisions import Decision, Observation
from tenuto.testing.policies import check_policy, sample_table


class State(msgspec.Struct, frozen=True):
    """The rows that fit, the deadline, and for how many inferences it is still careful."""

    ladder: tuple[int, ...]
    deadline_ms: float
    n_careful: int = 0


class CautiousPolicy:
    """The largest sub-network that fits; after a late inference the smallest, for ten inferences."""

    name = "cautious"
    parameters: ClassVar[dict[str, Any]] = {}

    def start(self, table: OperatingTable, requirements: Requirements, previous: State | None = None) -> State:
        """Take the sub-networks that fit the deadline; care taken so far is kept."""
        deadline = requirements.constraint("latency_ms")
        bound_ms = deadline.bound if deadline else float("inf")
        rows, latency_ms = fastest_rows(table), table.column("latency_ms").value
        fitting = tuple(row for row in rows if latency_ms[row] <= bound_ms)
        return State(fitting or rows[:1], bound_ms, previous.n_careful if previous else 0)

    def decide(self, state: State, observation: Observation) -> tuple[Decision, State]:
        """Count down, or start again."""
        is_late = observation.latency_ms is not None and state.deadline_ms < observation.latency_ms < float("inf")
        n_careful = 10 if is_late else max(state.n_careful - 1, 0)
        return Decision(state.ladder[0 if n_careful else -1]), msgspec.structs.replace(state, n_careful=n_careful)


if __name__ == "__main__":
    policy, table, before = CautiousPolicy(), sample_table(), -1
    check_policy(policy)  # says which promise is broken, and how to mend it
    decision, state = policy.decide(policy.start(table, Requirements.of(latency_ms=20)), Observation(0.0))
    for index in range(60):
        took_ms = (2.0 if 20 <= index < 40 else 1.0) * float(table.column("latency_ms").value[decision.point])
        if decision.point != before:
            name = table.configuration(decision.point).sub_network.name
            print(f"from inference {index:2} on: {name}, {took_ms:.0f} of 20 ms")
        before = decision.point
        decision, state = policy.decide(state, Observation(index / 30, decision.point, took_ms))
