"""Write a policy of your own, put it through the conformance suite, and drive it.

You will see that it keeps every promise of a policy, and when it changes its mind on a stream that is slow for a while.
"""

from typing import Any, ClassVar

import msgspec

from tenuto import OperatingTable, Requirements
from tenuto.control import fastest_rows
from tenuto.decisions import Decision, Observation
from tenuto.testing import check_policy
from tenuto.testing.policies import sample_table


class CautiousState(msgspec.Struct, frozen=True):
    """The rows, fastest first, the deadline, and for how many inferences it is still careful."""

    ladder: tuple[int, ...]
    deadline_ms: float
    n_careful: int = 0


class CautiousPolicy:
    """The largest sub-network; after a late inference the smallest, for ten inferences."""

    name = "cautious"
    parameters: ClassVar[dict[str, Any]] = {}

    def start(self, table: OperatingTable, requirements: Requirements, previous: object = None) -> CautiousState:
        """Sort the sub-networks by latency; what was seen before does not matter to this one."""
        del previous
        deadline = requirements.constraint("latency_ms")
        return CautiousState(fastest_rows(table), deadline.bound if deadline else float("inf"))

    def decide(self, state: CautiousState, observation: Observation) -> tuple[Decision, CautiousState]:
        """Count down, or start again."""
        is_late = observation.latency_ms is not None and observation.latency_ms > state.deadline_ms
        state = msgspec.structs.replace(state, n_careful=10 if is_late else max(state.n_careful - 1, 0))
        return Decision(state.ladder[0] if state.n_careful else state.ladder[-1]), state


if __name__ == "__main__":
    policy = CautiousPolicy()
    check_policy(policy)
    print(f"{policy.name} keeps every promise of a policy")
    table = sample_table()
    state = policy.start(table, Requirements.of(latency_ms=20))
    decision, state = policy.decide(state, Observation(0.0))
    before = -1
    for index in range(60):
        slowdown = 2.0 if 20 <= index < 40 else 1.0
        took_ms = slowdown * float(table.column("latency_ms").value[decision.point])
        if decision.point != before:
            name = table.configuration(decision.point).sub_network.name
            print(f"from inference {index:2} on: {name}, {took_ms:.0f} ms", "(late)" if took_ms > 20 else "")
        before = decision.point
        decision, state = policy.decide(state, Observation(index / 30, decision.point, took_ms))
