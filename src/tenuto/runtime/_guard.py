"""Somebody's policy, kept from stopping the stream."""

import math
import operator
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from tenuto.control import Policy, fastest_rows, rows_allotted
from tenuto.decisions import Allotment, Decision, Observation, Reason
from tenuto.errors import TenutoError, UnknownMetricError, UsageError
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements

LONGEST_DECISION_MS: Final = 50.0
"""A decision that takes longer is told: thousands of times what one may take, and more than a scheduler's time
slice."""

FAILURES_IN_A_ROW: Final = 3
"""After so many bad or slow decisions in a row a policy is left alone."""

REST_S: Final = 5.0
"""For so long, of the observations' time."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What comes of asking a policy.

    Attributes:
        decision: The policy's, or what stands in for it.
        error: What is wrong with the policy, where that is news; None if nothing is.
        is_fallback: Whether `decision` stands in.
        decide_us: What asking took, in microseconds.
    """

    decision: Decision
    error: str | None
    is_fallback: bool
    decide_us: float


class _Trouble(msgspec.Struct, frozen=True):
    """How badly a policy has fared of late.

    Attributes:
        n_bad: Bad decisions in a row.
        n_slow: Slow ones in a row.
        rests_from_s: Since when it is left alone; None while it is not.
        is_broken: Whether its state is no good, so that it starts anew.
    """

    n_bad: int = 0
    n_slow: int = 0
    rests_from_s: float | None = None
    is_broken: bool = False


_NO_TROUBLE: Final = _Trouble()

_INFINITE: Final = math.inf


class Guarded:
    """A policy and its state. Whatever the policy does, there is a decision, and it is a row of the table.

    What is learned is kept when `keep` is called, so an input that is refused in between leaves no trace.

    When a policy throws, gives something that is no decision, a row that is not there or a figure that is none, the
    last decision that worked stands in. After `FAILURES_IN_A_ROW` of these, or of decisions that took too long, the
    fastest point of the smallest sub-network stands in for `REST_S`; then the policy is asked again, from a new start
    if it had failed. A policy that never returns cannot be interrupted: it stops the stream.

    Args:
        policy: Anybody's.
        table: The profile.
        requirements: What must hold.
        now_s: A clock in seconds, for what deciding takes.
        longest_ms: Decisions that take longer are told, and count; infinite where results must not depend on this
            machine, as in a simulation.

    Raises:
        UnknownMetricError: The table does not carry a metric that is required.
        UsageError: The policy cannot start, for whatever reason.
    """

    __slots__ = (
        "_asked",
        "_decide",
        "_good",
        "_longest_us",
        "_n",
        "_news",
        "_now_s",
        "_state",
        "_trouble",
        "policy",
        "requirements",
        "table",
    )

    def __init__(
        self,
        policy: Policy[Any],
        table: OperatingTable,
        requirements: Requirements,
        *,
        now_s: Callable[[], float] = time.perf_counter,
        longest_ms: float = LONGEST_DECISION_MS,
    ) -> None:
        self.policy, self.table, self.requirements = policy, table, requirements
        self._decide, self._now_s, self._longest_us, self._n = policy.decide, now_s, 1000 * longest_ms, len(table)
        self._state: Any = self._started(requirements, None)
        self._good: Decision | None = None
        self._trouble = _NO_TROUBLE
        self._news: str | None = None
        self._asked: tuple[Any, Decision | None, _Trouble] = (self._state, None, _NO_TROUBLE)

    @property
    def state(self) -> Any:
        """The policy's, as it was kept last: for whoever shares out a board by what policies believe."""
        return self._state

    def decide(self, observation: Observation) -> Answer:
        """Ask the policy."""
        if self._trouble is not _NO_TROUBLE or self._news is not None:
            return self._decide_carefully(observation)
        now_s = self._now_s
        began_s = now_s()
        try:
            decision, state = self._decide(self._state, observation)
            took_us = 1e6 * (now_s() - began_s)
            # As `_mended` looks at it, but at once: this is on the way of every inference.
            if type(decision) is Decision:
                point, slowdown, latency_ms, reason = (
                    decision.point,
                    decision.slowdown,
                    decision.latency_ms,
                    decision.reason,
                )
                if (
                    type(point) is int
                    and 0 <= point < self._n
                    and (slowdown is None or (type(slowdown) is float and 0.0 <= slowdown < _INFINITE))
                    and (latency_ms is None or (type(latency_ms) is float and 0.0 <= latency_ms < _INFINITE))
                    and (reason is None or type(reason) is Reason)
                    and type(decision.given_up) is tuple
                    and (not decision.given_up or _are_words(decision.given_up))
                    and took_us <= self._longest_us
                ):
                    self._asked = state, decision, _NO_TROUBLE
                    return Answer(decision, None, False, took_us)
        except Exception as problem:  # somebody else's policy may throw anything, and the stream goes on
            return self._failed(observation, _said(self.policy, problem), 1e6 * (now_s() - began_s))
        return self._judged(observation, decision, state, took_us)

    def keep(self) -> None:
        """Keep what the last `decide` learned; without it, it is as if it had not been asked."""
        self._state, self._good, self._trouble = self._asked
        self._news = None

    def forget(self) -> None:
        """Undo the last `decide`. The next one undoes it, too; this is for those who like to say so."""
        self._asked = (self._state, self._good, self._trouble)

    def require(self, requirements: Requirements) -> None:
        """Ask for something else from now on; what was learned is kept.

        A policy that breaks over it starts anew; one that cannot even do that rests, and the next answer says so.

        Raises:
            UnknownMetricError: The table does not carry a metric; what was required before still holds.
            UsageError: The policy says that the requirements make no sense; likewise.
        """
        try:
            self._state = self.policy.start(self.table, requirements, self._state)
        except TenutoError:
            raise
        except Exception as problem:  # as above
            self._news = _said(self.policy, problem, verb="start")
            try:
                self._state = self.policy.start(self.table, requirements)
            except Exception:  # the first failure is the one to report
                self._trouble = _Trouble(n_bad=FAILURES_IN_A_ROW, is_broken=True)
        self.requirements = requirements
        self._good = None  # it was for what was required before
        self.forget()

    def _started(self, requirements: Requirements, previous: Any) -> Any:
        try:
            return self.policy.start(self.table, requirements, previous)
        except TenutoError:
            raise
        except Exception as problem:
            raise UsageError(
                f"{_said(self.policy, problem, verb='start')}; it cannot be used; run tenuto.testing.check_policy on it"
            ) from problem

    def _decide_carefully(self, observation: Observation) -> Answer:
        """Ask a policy that has been in trouble, unless it is at rest."""
        before, news = self._trouble, self._news
        if before.n_bad >= FAILURES_IN_A_ROW and before.rests_from_s is None:  # it could not even start
            return self._resting(observation, before, news)
        if before.rests_from_s is not None:
            # Where time went back, or is none, there is no telling how long it has rested: long enough.
            if before.rests_from_s <= observation.time_s < before.rests_from_s + REST_S:
                self._asked = (self._state, self._good, before)
                return Answer(self._safe(observation.allotment), news, True, 0.0)
            before = _Trouble(is_broken=before.is_broken)
        state, began_s = self._state, self._now_s()
        try:
            if before.is_broken:
                state = self.policy.start(self.table, self.requirements)
            decision, state = self._decide(state, observation)
        except Exception as problem:  # as above
            return self._failed(observation, _said(self.policy, problem), 1e6 * (self._now_s() - began_s), before)
        return self._judged(observation, decision, state, 1e6 * (self._now_s() - began_s), before)

    def _judged(
        self, observation: Observation, decision: Any, state: Any, took_us: float, before: _Trouble = _NO_TROUBLE
    ) -> Answer:
        """What to make of what a policy gave, and of how long it took."""
        found = _mended(decision, self._n)
        if isinstance(found, str):
            return self._failed(observation, f"policy {self.policy.name!r} {found}", took_us, before)
        if took_us <= self._longest_us:
            self._asked = (state, found, _NO_TROUBLE)
            return Answer(found, self._news, False, took_us)
        error = (
            f"policy {self.policy.name!r} took {took_us / 1000:.0f} ms to decide, "
            f"{self._longest_us / 1000:g} ms is the most"
        )
        trouble = _Trouble(n_slow=before.n_slow + 1)
        if trouble.n_slow >= FAILURES_IN_A_ROW:
            trouble = _Trouble(rests_from_s=observation.time_s)
            error = f"{error}; {_left_alone()}"
        self._asked = (state, found, trouble)
        return Answer(found, error, False, took_us)

    def _failed(self, observation: Observation, error: str, took_us: float, before: _Trouble = _NO_TROUBLE) -> Answer:
        """What stands in for a decision that is none."""
        trouble = _Trouble(n_bad=before.n_bad + 1, is_broken=before.is_broken)
        if trouble.n_bad >= FAILURES_IN_A_ROW or before.is_broken:
            return self._resting(observation, trouble, error, took_us)
        self._asked = (self._state, self._good, trouble)
        return Answer(self._stand_in(observation.allotment), error, True, took_us)

    def _resting(self, observation: Observation, before: _Trouble, error: str | None, took_us: float = 0.0) -> Answer:
        """A rest begins."""
        self._asked = (self._state, None, _Trouble(n_bad=before.n_bad, rests_from_s=observation.time_s, is_broken=True))
        said = _left_alone() if error is None else f"{error}; {_left_alone()}"
        return Answer(self._safe(observation.allotment), said, True, took_us)

    def _stand_in(self, allotment: Allotment | None) -> Decision:
        """The last decision that worked, where it is still allowed; else the safe one."""
        good = self._good
        if good is None or (allotment is not None and good.point not in rows_allotted(self.table, allotment)):
            return self._safe(allotment)
        return Decision(good.point)

    def _safe(self, allotment: Allotment | None) -> Decision:
        """The fastest point of the smallest sub-network; of those allotted, if an allotment says so."""
        try:
            return Decision(fastest_rows(self.table, rows_allotted(self.table, allotment).tolist())[0])
        except UnknownMetricError:  # no latency is known there
            return Decision(int(rows_allotted(self.table, allotment)[0]))


def _mended(decision: Any, n_rows: int) -> Decision | str:
    """A decision whose numbers are Python's own, for NumPy's cannot be recorded; or what is wrong with it."""
    if not isinstance(decision, Decision):
        return f"gave a {type(decision).__name__} instead of a Decision"
    try:
        point = operator.index(decision.point)
    except TypeError:
        return f"chose {decision.point!r}, which is no row number"
    if isinstance(decision.point, bool) or not 0 <= point < n_rows:
        return f"chose row {decision.point!r} of a table of {n_rows} points"
    try:
        slowdown, latency_ms = _figure(decision.slowdown), _figure(decision.latency_ms)
    except (TypeError, ValueError):
        return (
            f"gave slowdown={decision.slowdown!r} and latency_ms={decision.latency_ms!r}, expected finite numbers of "
            "0 or more, or None"
        )
    if not isinstance(decision.given_up, tuple | list) or not _are_words(decision.given_up):
        return f"gave given_up={decision.given_up!r}, expected a tuple of metrics"
    reason = decision.reason if isinstance(decision.reason, Reason) else None  # nothing runs differently without it
    return Decision(point, tuple(decision.given_up), slowdown, latency_ms, reason)


def _are_words(given_up: Iterable[Any]) -> bool:
    return all(isinstance(one, str) for one in given_up)


def _figure(value: Any) -> float | None:
    figure = None if value is None else float(value)
    if figure is not None and not 0.0 <= figure < math.inf:
        raise ValueError(figure)
    return figure


def _said(policy: Policy[Any], problem: Exception, *, verb: str = "decide") -> str:
    return f"policy {policy.name!r} failed to {verb}: {type(problem).__name__}: {problem}"


def _left_alone() -> str:
    return f"it is left alone for {REST_S:g} s, and the safe configuration stands in"
