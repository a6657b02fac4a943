"""One application while a scenario runs: its queue, its policy, what came of each input."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from tenuto.control import Policy
from tenuto.decisions import Allotment, Decision, Observation
from tenuto.platforms.simulated import BoardSpec, Running
from tenuto.platforms.simulated.noise import LatencyNoise
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.runtime import Answer, Guarded, Watch
from tenuto.scenarios import arrival_times_s
from tenuto.simulation._applications import Prepared, Work
from tenuto.traces import Event, Step

NEVER: Final = math.inf
NO_PLACE: Final = "skipped: no place left for it on the board"
STALE: Final = "skipped: stale before its turn came"
Row = tuple[Work, str, int, int | None]
_NOISE_STREAM: Final = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """A policy's answer for one input.

    Attributes:
        index: The input's number.
        observation: What the policy was told.
        answer: What it answered, or what stands in for that.
        waited_ms: How long the input has waited.
    """

    index: int
    observation: Observation
    answer: Answer
    waited_ms: float


class Runner:
    """One application while a scenario runs.

    Args:
        prepared: The application.
        table: That its policy chooses from.
        policy: Its own.
        spec: The board.
        seed: Of the passage.
        index: The application's in the scenario: each has a noise of its own.
        duration_s: Of the scenario.
    """

    def __init__(
        self,
        prepared: Prepared,
        table: OperatingTable,
        policy: Policy[Any],
        spec: BoardSpec,
        *,
        seed: int,
        index: int,
        duration_s: float,
    ) -> None:
        application = prepared.application
        self.prepared, self.name, self.table = prepared, application.name, table
        self.parameters = policy.parameters
        # However long a decision takes: what comes of a passage must not depend on the machine.
        self.policy = Guarded(policy, table, prepared.requirements, longest_ms=math.inf)
        self.trouble: dict[str, None] = {}
        self.requirements = prepared.requirements
        self.arrivals_s: list[float] = arrival_times_s(application, duration_s, seed=seed, index=index).tolist()
        self.works = prepared.works(spec)
        self.configurations = [table.configuration(row) for row in range(len(table))]
        self.works_of = [self.works[one.sub_network] for one in self.configurations]
        self.places: list[Row] = [
            (work, one.cluster, one.n_cores, one.frequency_hz)
            for work, one in zip(self.works_of, self.configurations, strict=True)
        ]
        self._row_of = {
            (one.cluster, one.n_cores, one.frequency_hz, one.sub_network): row
            for row, one in enumerate(self.configurations)
        }
        noise = LatencyNoise(spec.noise, [seed, _NOISE_STREAM + index])
        self.factors = [noise.draw() for _ in self.arrivals_s]
        self.queue: deque[int] = deque()
        self.n_arrived = 0
        self.running: Running | None = None
        self.claim: tuple[str, int | None] | None = None
        self.allotment: Allotment | None = None
        self.must_wait, self.n_changes = False, 0
        self.steps: list[Step] = []
        self.events: list[Event] = []
        self._pending: tuple[Asked, int | None, str | None] | None = None
        self._last: tuple[int | None, float | None, float] = (None, None, 0.0)
        self.deadline_ms = NEVER
        self.require(prepared.requirements, None)

    def require(self, requirements: Requirements, time_s: float | None) -> None:
        """What must hold from now on."""
        if time_s is not None:
            self.policy.require(requirements)
            self.n_changes += 1
        self.requirements = requirements
        deadline = requirements.constraint("latency_ms")
        self.deadline_ms = NEVER if deadline is None else deadline.bound
        if time_s is not None:
            self.events.append(Event(time_s, "requirements", from_index=len(self.steps), requirements=requirements))

    @property
    def next_arrival_s(self) -> float:
        """When its next input comes."""
        return self.arrivals_s[self.n_arrived] if self.n_arrived < len(self.arrivals_s) else NEVER

    @property
    def is_new(self) -> bool:
        """Whether nobody has said yet where it may run."""
        return self.allotment is None and not self.must_wait

    def is_there(self, now_s: float) -> bool:
        """Whether it has come and not gone."""
        application = self.prepared.application
        return application.from_s <= now_s and (application.until_s is None or now_s < application.until_s)

    def arrive(self, now_s: float) -> None:
        """Inputs that came until now wait for their turn."""
        while self.n_arrived < len(self.arrivals_s) and self.arrivals_s[self.n_arrived] <= now_s:
            self.queue.append(self.n_arrived)
            self.n_arrived += 1

    def decide(self, index: int, now_s: float, watch: Watch) -> Asked:
        """Ask the policy."""
        waited_ms = max(1000 * (now_s - self.arrivals_s[index]), 0.0)
        row, latency_ms, last_waited_ms = self._last
        observation = Observation(
            now_s, row, latency_ms, last_waited_ms, waited_ms, watch.readings, len(self.queue), self.allotment
        )
        self._last = (None, None, 0.0)
        answer = self.policy.decide(observation)
        self.policy.keep()
        if answer.error is not None:
            self.trouble[answer.error] = None
        return Asked(index, observation, answer, waited_ms)

    def skip(self, asked: Asked) -> None:
        """Note an input that was stale before its turn came, or for which there is no place on the board."""
        why = NO_PLACE if self.must_wait else STALE
        self._note(asked, error=why if asked.answer.error is None else f"{why}; {asked.answer.error}")

    def began(self, running: Running, asked: Asked, row: int | None, error: str | None = None) -> None:
        """An inference has begun, with this row in force as far as is known, and with what went wrong."""
        self.running = running
        self._pending = asked, row, "; ".join(one for one in (asked.answer.error, error) if one is not None) or None

    def left_ms(self, now_s: float) -> tuple[float, float]:
        """What is left of its inference as it was foreseen, or else as it is profiled, and the time to spare."""
        if self._pending is None or self.running is None:
            return 0.0, NEVER
        asked, row, _ = self._pending
        takes_ms = asked.answer.decision.latency_ms
        if takes_ms is None:
            takes_ms = float(self.table.column("latency_ms").value[asked.answer.decision.point if row is None else row])
        left_ms = max(takes_ms - 1000 * (now_s - self.running.began_s), 0.0)
        return left_ms, self.deadline_ms - 1000 * (now_s - self.arrivals_s[asked.index]) - left_ms

    def row_at(self, row: int, frequency_hz: int) -> int | None:
        """The row in force where the board holds the clock down."""
        one = self.configurations[row]
        if one.frequency_hz is None or one.frequency_hz == frequency_hz:
            return row
        return self._row_of.get((one.cluster, one.n_cores, frequency_hz, one.sub_network))

    def ended(self, now_s: float) -> None:
        """Its inference is done."""
        if self._pending is None or self.running is None:
            raise AssertionError("only what began can end")
        asked, row, error = self._pending
        latency_ms = 1000 * (now_s - self.running.began_s)
        self._note(asked, applied=row, latency_ms=latency_ms, error=error)
        self._last = (row, latency_ms, asked.waited_ms)
        self.running = self._pending = None

    def until_next_ms(self, which: int) -> float:
        """From an input's arrival to the next one's; for the last one, from the one before."""
        arrivals_s = self.arrivals_s
        if which + 1 < len(arrivals_s):
            return 1000 * (arrivals_s[which + 1] - arrivals_s[which])
        return 1000 * (arrivals_s[which] - arrivals_s[which - 1]) if which else self.deadline_ms

    def _note(self, asked: Asked, **outcome: Any) -> None:
        self.steps.append(
            Step(
                index=asked.index,
                time_s=asked.observation.time_s,
                observation=asked.observation,
                decision=asked.answer.decision,
                deadline_ms=None if self.deadline_ms == NEVER else self.deadline_ms,
                waited_ms=asked.waited_ms,
                decide_us=asked.answer.decide_us,
                is_fallback=asked.answer.is_fallback,
                load_pct=asked.observation.readings.get("load_pct"),
                **outcome,
            )
        )

    def lose(self, now_s: float) -> None:
        """The board is off: nothing that waits, runs or comes is ever answered."""
        observation, decision = Observation(now_s), Decision(self.steps[-1].decision.point if self.steps else 0)
        noted = {step.index for step in self.steps}
        for index, arrival_s in enumerate(self.arrivals_s):
            if index not in noted:
                self.steps.append(
                    Step(
                        index=index,
                        time_s=max(now_s, arrival_s),
                        observation=observation,
                        decision=decision,
                        deadline_ms=None if self.deadline_ms == NEVER else self.deadline_ms,
                        error="the board switched itself off",
                    )
                )
        self.queue.clear()
        self.n_arrived = len(self.arrivals_s)
        self.running = self._pending = None
