"""One application's loop: observe, decide, apply, infer, record."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from numpy.typing import NDArray

from tenuto.control import Policy, explain
from tenuto.decisions import NO_READINGS, Decision, Observation
from tenuto.engines import Engine
from tenuto.errors import EngineError, TransientError, UsageError
from tenuto.platforms import HeldBoard
from tenuto.points import OperatingTable, SubNetwork
from tenuto.requirements import Requirements
from tenuto.runtime._clock import Clock
from tenuto.runtime._watch import Watch
from tenuto.traces import Step

QUARANTINE_S: Final = 5.0
"""A sub-network whose engine threw is left alone for so long."""


@dataclass(frozen=True, slots=True)
class Result:
    """One answered input.

    Attributes:
        output: What the network says, (n, classes).
        latency_ms: From the call to the answer, deciding and switching included.
        sub_network: Which answered.
        decision: What the policy decided.
        is_late: Whether the deadline, from the input's arrival, was missed.
        error: What the engine threw before the fallback answered, or None.
        step: The record, as the trace has it.
    """

    output: NDArray[Any]
    latency_ms: float
    sub_network: SubNetwork
    decision: Decision
    is_late: bool
    error: str | None
    step: Step
    _table: OperatingTable
    _objective: str

    @property
    def reason(self) -> str:
        """Why, in words."""
        if self.error is not None:
            return f"{self.sub_network.name}; fallback: {self.error}"
        return explain(self._table, self.decision, self._objective)


class Manager:
    """Answers inputs with the sub-network and configuration that a policy chooses for each.

    Use `tenuto.manage`; this is for those who bring their own parts.

    Args:
        engine: With the table's sub-networks resident, or at least one.
        board: Held.
        policy: Decides.
        table: The profile; all of its rows are candidates.
        requirements: What must hold.
        clock: Time.
        watch: The latest readings, or None.
        record: Called with each step, or None.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        board: HeldBoard,
        policy: Policy[Any],
        table: OperatingTable,
        requirements: Requirements,
        clock: Clock,
        watch: Watch | None = None,
        record: Callable[[Step], object] | None = None,
    ) -> None:
        self._engine, self._board, self._policy, self._table = engine, board, policy, table
        self._clock, self._watch, self._record = clock, watch, record
        self._configurations = tuple(table.configuration(row) for row in range(len(table)))
        self._row_of = {configuration: row for row, configuration in enumerate(self._configurations)}
        self._began_s = clock.now_s()
        self._index = 0
        self._placed: tuple[str, int, int | None] | None = None
        self._quarantined: dict[SubNetwork, float] = {}
        self._last: tuple[int | None, float | None, float] = (None, None, 0.0)
        self._expected_shape = tuple(table.about["input_shape"]) if "input_shape" in table.about else None
        self._requirements = requirements
        self._state: Any = policy.start(table, requirements)

    def elapsed_s(self) -> float:
        """Seconds since it began: the time that its steps carry."""
        return self._clock.now_s() - self._began_s

    @property
    def requirements(self) -> Requirements:
        """What must hold."""
        return self._requirements

    @requirements.setter
    def requirements(self, requirements: Requirements) -> None:
        """Ask for something else from the next input on; what was learned is kept.

        Raises:
            UnknownMetricError: The table does not carry a metric.
        """
        self._state = self._policy.start(self._table, requirements, self._state)
        self._requirements = requirements

    def __call__(self, frame: NDArray[Any], *, waited_ms: float = 0.0, labels: NDArray[Any] | None = None) -> Result:
        """Answer one input.

        Args:
            frame: What the network takes: for `fashion` float32 (batch, 1, 28, 28) in [0, 1], of the batch profiled.
            waited_ms: How long it has waited already; its deadline counts from its arrival.
            labels: The right answers (n,), if known: the trace then says how many were right.

        Raises:
            UsageError: The frame has the wrong shape or type, or `waited_ms` is not a time.
            EngineError: The engine failed, and so did the fallback.
            PlatformError: The board cannot be set; it is put back.
        """
        called_s = self._clock.now_s()
        self._check(frame, waited_ms)
        row, latency, last_waited_ms = self._last
        observation = Observation(
            called_s - self._began_s,
            row,
            latency,
            last_waited_ms,
            waited_ms,
            NO_READINGS if self._watch is None else self._watch.readings,
        )
        decision, self._state = self._policy.decide(self._state, observation)
        decided_s = self._clock.now_s()
        sub_network = self._put_in_force(decision.point)
        started_s = self._clock.now_s()
        error: EngineError | None = None
        output: NDArray[Any] | None = None
        try:
            output = self._engine.infer(frame)
        except EngineError as problem:
            error = problem
            self._quarantined[sub_network] = started_s + QUARANTINE_S
            sub_network, output = self._fall_back(frame)
        ended_s = self._clock.now_s()
        waited_in_all_ms = waited_ms + 1000 * (started_s - called_s)
        latency_ms = None if output is None else 1000 * (ended_s - started_s)
        in_force = self._row_in_force(decision.point, sub_network)
        # A failure's time says nothing of how fast anything runs.
        self._last = (None, None, 0.0) if error else (in_force, latency_ms, waited_in_all_ms)
        step = Step(
            index=self._index,
            time_s=called_s - self._began_s,
            observation=observation,
            decision=decision,
            applied=None if output is None else in_force,
            latency_ms=latency_ms,
            deadline_ms=self._deadline_ms(),
            waited_ms=waited_in_all_ms,
            correct=None if labels is None or output is None else int((output.argmax(axis=1) == labels).sum()),
            n_inputs=None if labels is None else len(labels),
            error=None if error is None else str(error),
            is_fallback=error is not None,
            decide_us=1e6 * (decided_s - called_s),
            load_pct=observation.readings.get("load_pct"),
        )
        self._finish(step)
        if output is None and error is not None:
            raise error
        assert output is not None  # noqa: S101 - for the type checker: infer answered, or there was an error
        return Result(
            output,
            1000 * (ended_s - called_s),
            sub_network,
            decision,
            step.is_missed,
            step.error,
            step,
            self._table,
            self._requirements.objective.metric,
        )

    def skip(self, *, waited_ms: float, n_inputs: int | None = None) -> Step:
        """Note an input that was never answered, because it was stale before its turn came."""
        now_s = self._clock.now_s() - self._began_s
        step = Step(
            index=self._index,
            time_s=now_s,
            observation=Observation(now_s, waited_ms=waited_ms),
            decision=Decision(self._last[0] or 0),
            applied=None,
            latency_ms=None,
            deadline_ms=self._deadline_ms(),
            waited_ms=waited_ms,
            n_inputs=n_inputs,
            error="skipped: stale before its turn came",
        )
        self._finish(step)
        return step

    def _put_in_force(self, row: int) -> SubNetwork:
        """Place, and activate; the sub-network that will really run."""
        wanted = self._configurations[row]
        place = (wanted.cluster, wanted.n_cores, wanted.frequency_hz)
        if place != self._placed:
            try:
                self._board.apply(wanted)
                self._placed = place
            except TransientError:
                self._placed = None  # this input runs where the last one did; the next one tries again
        sub_network = wanted.sub_network
        if self._is_quarantined(sub_network):
            sub_network = self._safe_sub_network()
        try:
            return self._engine.activate(sub_network)
        except EngineError:
            self._quarantined[sub_network] = self._clock.now_s() + QUARANTINE_S
            return self._engine.active

    def _fall_back(self, frame: NDArray[Any]) -> tuple[SubNetwork, NDArray[Any] | None]:
        """Answer with the smallest resident sub-network that has not just failed; None if it fails too."""
        sub_network = self._safe_sub_network()
        if self._is_quarantined(sub_network):
            return sub_network, None
        try:
            self._engine.activate(sub_network)
            return sub_network, self._engine.infer(frame)
        except EngineError:
            self._quarantined[sub_network] = self._clock.now_s() + QUARANTINE_S
            return sub_network, None

    def _safe_sub_network(self) -> SubNetwork:
        """The fastest resident one that is not in quarantine, or the fastest at all."""
        latency_ms = self._table.column("latency_ms").value
        resident = [row for row, c in enumerate(self._configurations) if c.sub_network in self._engine.resident]
        sound = [row for row in resident if not self._is_quarantined(self._configurations[row].sub_network)]
        return self._configurations[min(sound or resident, key=lambda row: float(latency_ms[row]))].sub_network

    def _is_quarantined(self, sub_network: SubNetwork) -> bool:
        return bool(self._quarantined) and self._quarantined.get(sub_network, -math.inf) > self._clock.now_s()

    def _row_in_force(self, decided: int, sub_network: SubNetwork) -> int | None:
        wanted = self._configurations[decided]
        if wanted.sub_network == sub_network:
            return decided
        return self._row_of.get(replace(wanted, sub_network=sub_network))

    def _deadline_ms(self) -> float | None:
        deadline = self._requirements.constraint("latency_ms")
        return None if deadline is None else deadline.bound

    def _check(self, frame: NDArray[Any], waited_ms: float) -> None:
        shape = getattr(frame, "shape", None)
        if self._expected_shape is not None and shape != self._expected_shape:
            raise UsageError(
                f"asked to run a frame of shape {shape}, the profile is of {self._expected_shape}; reshape it, "
                "or profile that batch size and say so with batch="
            )
        if not waited_ms >= 0:
            raise UsageError(f"waited_ms: asked {waited_ms!r}, expected 0 or more")

    def _finish(self, step: Step) -> None:
        self._index += 1
        if self._record is not None:
            self._record(step)
