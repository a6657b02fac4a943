"""One application's loop: observe, decide, apply, infer, record."""

import math
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tenuto.control import Policy
from tenuto.decisions import NO_READINGS, Observation
from tenuto.engines import Engine
from tenuto.errors import EngineError, KnobRejectedError, PlatformError, TenutoError, TransientError, UsageError
from tenuto.platforms import HeldBoard
from tenuto.points import Configuration, OperatingTable, SubNetwork
from tenuto.requirements import Requirements
from tenuto.runtime._clock import Clock, MonotonicClock, SteadyClock
from tenuto.runtime._guard import Answer, Guarded
from tenuto.runtime._result import Result
from tenuto.runtime._watch import Watch
from tenuto.traces import Event, Step

QUARANTINE_S: Final = 5.0
"""A sub-network whose engine threw is left alone for so long."""

REFUSED_S: Final = 1.0
"""A clock that the board refused, as one does that is hot, is asked for again after so long."""

ABSURD_FACTOR: Final = 1000.0
"""Whatever took so many times its profiled latency was not running: the clock jumped, or the program was stopped."""


_Evidence: TypeAlias = tuple[int | None, float | None, float]
"""What the next decision learns from: the row in force, its latency in ms, and how long its input had waited in ms."""

_NO_EVIDENCE: Final[_Evidence] = (None, None, 0.0)

_Place: TypeAlias = tuple[str, int, int | None]
"""The board's part of a configuration: cluster, cores, clock."""

_Key: TypeAlias = tuple[str, int, int | None, SubNetwork]
"""A configuration, its place first."""


class Manager:
    """Answers inputs with the sub-network and configuration that a policy chooses for each.

    Use `tenuto.manage`; this is for those who bring their own parts.

    Args:
        engine: With the table's sub-networks resident, or at least one.
        board: Held.
        policy: Decides; what it does wrong is told in the steps, and stops nothing (see `Guarded`).
        table: The profile; all of its rows are candidates.
        requirements: What must hold.
        clock: Time.
        watch: The latest readings, or None.
        record: Called with each step, and with an event when requirements change; or None.
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
        record: Callable[[Step | Event], object] | None = None,
    ) -> None:
        self._engine, self._board, self._table = engine, board, table
        # This machine's own clock never goes back; of others one does not know.
        self._steady = None if isinstance(clock, MonotonicClock) else SteadyClock(clock)
        self._now_s, self._watch, self._record = (self._steady or clock).now_s, watch, record
        self._configurations = tuple(table.configuration(row) for row in range(len(table)))
        self._row_of = {
            (one.cluster, one.n_cores, one.frequency_hz, one.sub_network): row
            for row, one in enumerate(self._configurations)
        }
        self._by_size = _by_size(table)
        self._expected_shape = tuple(table.about["input_shape"]) if "input_shape" in table.about else None
        self._began_s = self._now_s()
        self._index = 0
        # What was put in force last: the board's part of it, the row that both make, the engine's own sub-network.
        self._place: _Place | None = None
        self._refused: tuple[_Place, float] | None = None
        self._row: int | None = None
        self._active: SubNetwork | None = None
        self._quarantined: dict[SubNetwork, float] = {}
        self._last = _NO_EVIDENCE
        self._deadline_ms = _deadline_ms(requirements)
        # On this stream's clock, so that where time is simulated deciding takes none and nothing rests on the machine.
        self._guarded = Guarded(policy, table, requirements, now_s=self._now_s)
        self._longest_ms = tuple((ABSURD_FACTOR * table.column("latency_ms").value).tolist())

    def elapsed_s(self) -> float:
        """Seconds since it began: the time that its steps carry."""
        return self._now_s() - self._began_s

    @property
    def requirements(self) -> Requirements:
        """What must hold."""
        return self._guarded.requirements

    @requirements.setter
    def requirements(self, requirements: Requirements) -> None:
        """Ask for something else from the next input on; what was learned is kept.

        Raises:
            UnknownMetricError: The table does not carry a metric; what was asked before still holds.
        """
        self._guarded.require(requirements)
        self._deadline_ms = _deadline_ms(requirements)
        if self._record is not None:
            label = f"requirements: {_in_words(requirements)}"
            self._record(Event(self.elapsed_s(), label, from_index=self._index, requirements=requirements))

    def __call__(self, frame: NDArray[Any], *, waited_ms: float = 0.0, labels: NDArray[Any] | None = None) -> Result:
        """Answer one input.

        An input that is refused leaves no trace: the next one is answered as if it had never been asked.

        Args:
            frame: What the network takes: for `fashion` float32 (batch, 1, 28, 28) in [0, 1], of the batch profiled.
            waited_ms: How long it has waited already; its deadline counts from its arrival.
            labels: The right answers (n,), if known: the trace then says how many were right.

        Raises:
            UsageError: The frame has the wrong shape or type, there is not one label for each item, or `waited_ms` is
                not a time.
            EngineError: The engine failed, and so did the fallback; the step is recorded.
            PlatformError: The board cannot be set; the step is recorded, and the session puts the board back.
        """
        now_s = self._now_s
        called_s = now_s()
        if waited_ms or labels is not None or getattr(frame, "shape", None) != self._expected_shape:
            self._check(frame, waited_ms, labels)
        observation = self._observe(called_s, waited_ms)
        answer = self._guarded.decide(observation)
        decision = answer.decision
        try:
            sub_network, row, is_fallback, error = self._put_in_force(decision.point)
        except PlatformError as problem:
            waited_ms += 1000 * (now_s() - called_s)
            error = _joined(answer.error, _said(problem))
            step = self._unanswered(observation, answer, waited_ms, error=error, is_fallback=answer.is_fallback)
            self._keep(step, _NO_EVIDENCE)
            raise
        if answer.error is not None or answer.is_fallback:
            is_fallback, error = is_fallback or answer.is_fallback, _joined(answer.error, error)
        n_back = 0 if self._steady is None else self._steady.n_back
        started_s = now_s()
        output, failure, sub_network, row = self._infer(frame, sub_network, row)
        ended_s = now_s()
        latency_ms = None if output is None else 1000 * (ended_s - started_s)
        waited_ms += 1000 * (started_s - called_s)
        # A failure's time says nothing of how fast anything runs; nor does a clock's that jumped.
        is_evidence = failure is None and self._is_plausible(row, latency_ms)
        if failure is not None:
            is_fallback, error = True, _joined(answer.error, _said(failure))
        elif self._steady is not None and self._steady.n_back != n_back:
            is_evidence, error = False, _joined(error, "the clock went back: nobody knows what this inference took")
        deadline_ms = self._deadline_ms
        step = Step(
            index=self._index,
            time_s=observation.time_s,
            observation=observation,
            decision=decision,
            deadline_ms=None if deadline_ms == math.inf else deadline_ms,
            waited_ms=waited_ms,
            decide_us=answer.decide_us,
            load_pct=observation.readings.get("load_pct"),
            applied=None if output is None else row,
            latency_ms=latency_ms,
            correct=None if labels is None or output is None else int((output.argmax(axis=1) == labels).sum()),
            n_inputs=None if labels is None else len(labels),
            error=error,
            is_fallback=is_fallback,
        )
        self._keep(step, (row, latency_ms, waited_ms) if is_evidence else _NO_EVIDENCE)
        if self._watch is not None:
            self._watch.nudge(ended_s)
        if output is None or latency_ms is None:
            raise EngineError(
                f"{error}; the fallback {sub_network.name} failed, too; the next input tries another sub-network"
            ) from failure
        return Result(
            output,
            1000 * (ended_s - called_s),
            sub_network,
            decision,
            waited_ms + latency_ms > deadline_ms,
            error,
            step,
            self._table,
            self._guarded.requirements.objective.metric,
        )

    def skip(self, *, waited_ms: float, n_inputs: int | None = None) -> Step:
        """Note an input that was never answered, because it was stale before its turn came.

        The policy is told, so that it learns from the last inference now and a replay tells it the same.

        Raises:
            UsageError: `waited_ms` is not a time.
        """
        called_s = self._now_s()
        _check_waited(waited_ms)
        observation = self._observe(called_s, waited_ms)
        answer = self._guarded.decide(observation)
        error = _joined(answer.error, "skipped: stale before its turn came")
        step = self._unanswered(
            observation, answer, waited_ms, n_inputs=n_inputs, error=error, is_fallback=answer.is_fallback
        )
        self._keep(step, _NO_EVIDENCE)
        return step

    def _infer(
        self, frame: NDArray[Any], sub_network: SubNetwork, row: int | None
    ) -> tuple[NDArray[Any] | None, Exception | None, SubNetwork, int | None]:
        """The output and what it came from: of the fallback, where the first choice failed, and why that did."""
        try:
            return self._engine.infer(frame), None, sub_network, row
        except UsageError:
            raise
        except Exception as problem:  # an engine of somebody else's may throw anything, and the stream goes on
            sub_network, output, row = self._fall_back(frame, failed=sub_network)
            return output, problem, sub_network, row

    def _is_plausible(self, row: int | None, latency_ms: float | None) -> bool:
        """Whether a latency is one. Where the profile has none to compare with (NaN), any is as good as another."""
        return (
            latency_ms is not None
            and 0.0 < latency_ms < math.inf
            and (row is None or not latency_ms > self._longest_ms[row])
        )

    def _observe(self, called_s: float, waited_ms: float) -> Observation:
        row, latency_ms, last_waited_ms = self._last
        readings = NO_READINGS if self._watch is None else self._watch.readings
        return Observation(called_s - self._began_s, row, latency_ms, last_waited_ms, waited_ms, readings)

    def _put_in_force(self, row: int) -> tuple[SubNetwork, int | None, bool, str | None]:
        """Place, and activate.

        Returns:
            The sub-network that will really run, the row that it makes with the board as it is set (None where that
            is uncertain), whether it is a fallback, and what went wrong.
        """
        engine = self._engine
        if self._quarantined:
            self._let_out()
        elif row == self._row and self._active is not None and engine.active is self._active:
            return self._active, row, False, None
        wanted = self._configurations[row]
        error = self._settle(wanted)
        sub_network, is_fallback = wanted.sub_network, False
        if sub_network in self._quarantined:
            sub_network, is_fallback = self._safe_sub_network(), True
        try:
            active = engine.activate(sub_network)
        except UsageError:
            raise
        except Exception as problem:  # as above: it could not be opened
            self._quarantine(sub_network)
            active, is_fallback, error = engine.active, True, _said(problem)
        return active, self._row_in_force(active), is_fallback, error

    def _settle(self, wanted: Configuration) -> str | None:
        """Set the board, if it is not so already; what went wrong, if the stream can go on without it."""
        place = (wanted.cluster, wanted.n_cores, wanted.frequency_hz)
        if place == self._place or (
            self._refused is not None and self._refused[0] == place and self._now_s() < self._refused[1]
        ):
            return None
        self._place = self._refused = None
        try:
            self._board.apply(wanted)
        except TransientError as problem:
            return _said(problem)  # this input runs wherever the board lets it; the next one tries again
        except KnobRejectedError as problem:
            # Too hot for this clock, or taken away: it runs as the board lets it, and that is what is learned of.
            self._refused = (place, self._now_s() + REFUSED_S)
            if isinstance(problem.found, int):
                self._place = (wanted.cluster, wanted.n_cores, problem.found)
            return _said(problem)
        self._place = place
        return None

    def _row_in_force(self, active: SubNetwork) -> int | None:
        row = None if self._place is None else self._row_of.get((*self._place, active))
        self._row, self._active = row, active
        return row

    def _fall_back(
        self, frame: NDArray[Any], *, failed: SubNetwork
    ) -> tuple[SubNetwork, NDArray[Any] | None, int | None]:
        """Answer with the smallest resident sub-network that has not just failed; without output if it fails too."""
        self._quarantine(failed)
        self._row = None
        sub_network = self._safe_sub_network()
        if sub_network in self._quarantined:
            return sub_network, None, None
        try:
            active = self._engine.activate(sub_network)
            output = self._engine.infer(frame)
        except Exception:  # the first failure is the one to report
            self._quarantine(sub_network)
            return sub_network, None, None
        row = None if self._place is None else self._row_of.get((*self._place, active))
        return active, output, row

    def _safe_sub_network(self) -> SubNetwork:
        """The smallest resident one that is not in quarantine, or the smallest resident at all."""
        available = self._engine.resident
        resident = [one for one in self._by_size if one in available]
        sound = (one for one in resident if one not in self._quarantined)
        return next(sound, resident[0] if resident else self._engine.active)

    def _quarantine(self, sub_network: SubNetwork) -> None:
        self._quarantined[sub_network] = self._now_s() + QUARANTINE_S

    def _let_out(self) -> None:
        """Those whose time is over are tried again."""
        now_s = self._now_s()
        self._quarantined = {one: until_s for one, until_s in self._quarantined.items() if until_s > now_s}

    def _check(self, frame: NDArray[Any], waited_ms: float, labels: NDArray[Any] | None) -> None:
        shape = getattr(frame, "shape", None)
        if self._expected_shape is not None and shape != self._expected_shape:
            found = f"a frame of shape {shape}" if shape is not None else f"a {type(frame).__name__}"
            raise UsageError(
                f"asked to run {found}, the profile is of {self._expected_shape}; reshape it, "
                "or profile that batch size and say so with batch="
            )
        if labels is not None and len(labels) != len(frame):
            raise UsageError(f"asked to judge {len(frame)} answers by {len(labels)} labels; give one for each item")
        _check_waited(waited_ms)

    def _unanswered(self, observation: Observation, answer: Answer, waited_ms: float, **outcome: Any) -> Step:
        return Step(
            index=self._index,
            time_s=observation.time_s,
            observation=observation,
            decision=answer.decision,
            deadline_ms=None if self._deadline_ms == math.inf else self._deadline_ms,
            waited_ms=waited_ms,
            decide_us=answer.decide_us,
            load_pct=observation.readings.get("load_pct"),
            **outcome,
        )

    def _keep(self, step: Step, evidence: _Evidence) -> None:
        """Keep what was learned and record the step: both or, where an input is refused, neither."""
        self._guarded.keep()
        self._last = evidence
        self._index += 1
        if self._record is not None:
            self._record(step)


def _by_size(table: OperatingTable) -> tuple[SubNetwork, ...]:
    """The sub-networks, the fastest first, each by its fastest configuration; those without latencies come last."""
    latency_ms = np.nan_to_num(table.column("latency_ms").value, nan=math.inf)
    fastest_ms = np.full(len(table.sub_networks), math.inf)
    np.minimum.at(fastest_ms, table.sub_network_index, latency_ms)
    return tuple(table.sub_networks[index] for index in np.argsort(fastest_ms, kind="stable"))


def _deadline_ms(requirements: Requirements) -> float:
    """The latency bound; infinite if there is none."""
    deadline = requirements.constraint("latency_ms")
    return math.inf if deadline is None else deadline.bound


def _check_waited(waited_ms: float) -> None:
    if not 0 <= waited_ms < math.inf:
        raise UsageError(
            f"waited_ms: asked {waited_ms!r}, expected 0 or more; leave it out if the input has not waited"
        )


def _said(problem: Exception) -> str:
    """What an exception says, with its kind where it is none of ours."""
    return str(problem) if isinstance(problem, TenutoError) else f"{type(problem).__name__}: {problem}"


def _joined(*problems: str | None) -> str | None:
    """All that went wrong, in a sentence; None where nothing did."""
    return "; ".join(problem for problem in problems if problem is not None) or None


def _in_words(requirements: Requirements) -> str:
    bounds = [f"{one.metric} {one.relation} {one.bound:g}" for one in requirements.constraints]
    return ", ".join([*bounds, f"{requirements.objective.sense} {requirements.objective.metric}"])
