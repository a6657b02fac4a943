"""What is believed of a cluster: how slow it is now, how sure that is, and what is not to be tried again yet.

Three estimates, each for one thing that the others cannot do:

* **location**: the slowdown, latency / profiled median, on a log scale. A scalar Kalman filter in ALERT's form (Wan et
  al., 2020, section 3.3): steady while residuals look as before, and thrown open by one that does not.
* **residuals**: the last ones, for the quantile that the miss budget asks for. Split-conformal, and the level adapts to
  the misses seen (Gibbs and Candès, Adaptive Conformal Inference, 2021, equation 2), so "at most so many late" needs no
  Gaussian.
* **ceiling**: works that are not to be tried again yet (see `_ceiling`).
"""

import math
from array import array
from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from tenuto.control._ceiling import OPEN, Ceiling, lowered, raised, seen

WINDOW: Final = 64
"""Residuals kept: two seconds at 30 inferences a second."""

OBSERVATION_VARIANCE: Final = 0.01
"""Of one log latency around its location: 10 % noise."""

DRIFT_VARIANCE: Final = 1e-4
"""By which the location may move unannounced from one inference to the next: 1 %."""

JUMP_MEMORY: Final = 0.3
"""Share of the jump's variance left after each inference (ALERT's forgetting factor)."""

PROMISED: Final = 1 + 1e-9
"""Rounding's due when a promise is compared with what was available."""

LEAST_LEVEL: Final = 1e-4
"""The residual level never adapts below this."""

SLACK: Final = 0.05
"""A residual beyond those seen by less than so much (5 %) is no surprise."""

MOST_DOUBT: Final = math.log(4)
"""After a jump the margin grows by a factor of four at most: further down there is rarely anything to choose."""

REPEATED_WITHIN: Final = 20
"""A surprise within so many inferences of another is no accident: it counts as a residual."""


Window: TypeAlias = "array[float]"
"""Residuals, never changed once they are in a belief. Unlike a tuple's, its numbers lie side by side: a copy touches a
few cache lines, not 64 objects, and a decision comes right after an inference has emptied the caches."""


class Belief(msgspec.Struct, frozen=True, gc=False):
    """What is believed of one cluster.

    Attributes:
        location: Log of the slowdown.
        slowdown: Latency now / latency in the profile.
        variance: Of the location.
        jump_variance: Extra, after a surprise; fades.
        residuals: Log of latency / (median x slowdown), oldest first.
        ordered: The same, ascending.
        level: Share of residuals to leave above the margin; adapts around the miss budget.
        since_surprise: Inferences since the last surprise.
        ceiling: What is not to be tried now.
        upper: The residual that a share `level` is expected to exceed.
        margin: Quantile of latency / (median x slowdown) for the next inference, from all of the above.
    """

    location: float
    slowdown: float
    variance: float
    jump_variance: float
    residuals: Window
    ordered: Window
    level: float
    since_surprise: int
    ceiling: Ceiling
    upper: float
    margin: float

    @property
    def ceiling_ms(self) -> float:
        """Points with a longer profiled latency are not to be tried now."""
        return self.ceiling.limit_ms


class Prior(msgspec.Struct, frozen=True):
    """Where a belief starts, from the profile and the requirements.

    Attributes:
        residuals: A quiet machine's, ascending: the profile's own spread.
        miss_share: The miss budget, 0 to 1.
        normal_quantile: The standard normal's at 1 - miss_share, for the time after a jump when residuals say nothing.
        shortest_ms: The shortest profiled latency of the cluster.
        longest_ms: The longest.
    """

    residuals: tuple[float, ...]
    miss_share: float
    normal_quantile: float
    shortest_ms: float
    longest_ms: float


def spread_of_profile(p90_ratio: float, p99_ratio: float, n: int = 32) -> tuple[float, ...]:
    """Residuals that a profile's quantiles stand for: latency at p90 and p99 over the median, both 1 or more."""
    p90, p99 = math.log(max(p90_ratio, 1.0)), math.log(max(p99_ratio, p90_ratio, 1.0))
    shares = [(index + 0.5) / n for index in range(n)]
    return tuple(
        -p90 * (0.5 - share) / 0.4
        if share < 0.5
        else p90 * (share - 0.5) / 0.4
        if share < 0.9
        else p90 + (p99 - p90) * min((share - 0.9) / 0.09, 1.0)
        for share in shares
    )


def begin(prior: Prior) -> Belief:
    """The belief before any inference: the profile holds."""
    level = max(prior.miss_share, LEAST_LEVEL)
    ordered = array("d", sorted(prior.residuals))
    upper = upper_quantile(ordered, level)
    return Belief(
        location=0.0,
        slowdown=1.0,
        variance=OBSERVATION_VARIANCE,
        jump_variance=0.0,
        residuals=array("d", prior.residuals),
        ordered=ordered,
        level=level,
        since_surprise=REPEATED_WITHIN,
        ceiling=OPEN,
        upper=upper,
        margin=math.exp(upper),
    )


def upper_quantile(ordered: Sequence[float], level: float) -> float:
    """The value that a share `level` of the future exceeds, by split-conformal rank.

    Where `level` asks for more than the sample can show, the tail beyond its top decile is taken as exponential.
    """
    n = len(ordered)
    rank = math.ceil((n + 1) * (1 - level))
    if rank <= n:
        return ordered[rank - 1 if rank > 0 else 0]
    top, decile = ordered[-1], ordered[int(0.9 * n)]
    slope = (top - decile) / math.log(0.1 * n + math.e)
    return top + slope * math.log(1 / ((n + 1) * level))


def learn(belief: Belief, prior: Prior, *, median_ms: float, latency_ms: float, available_ms: float) -> Belief:
    """Learn from one inference.

    Args:
        belief: Before it.
        prior: Where the belief started.
        median_ms: The profiled latency of the point that was in force, above 0.
        latency_ms: What it took, above 0.
        available_ms: What it had; infinite without a deadline.
    """
    residual = math.log(latency_ms / median_ms) - belief.location
    level, ceiling = belief.level, belief.ceiling
    if median_ms * belief.slowdown * belief.margin <= available_ms * PROMISED or latency_ms <= available_ms:
        # Else it was known to be too long, for want of anything shorter: that it was late teaches nothing.
        is_late = latency_ms > available_ms
        level = _adapted(level, prior.miss_share, is_late=is_late)
        if is_late:
            ceiling = lowered(
                ceiling,
                median_ms=median_ms,
                latency_ms=latency_ms,
                available_ms=available_ms,
                shortest_ms=prior.shortest_ms,
            )
        elif ceiling is not OPEN:
            ceiling = raised(ceiling, longest_ms=prior.longest_ms)

    is_surprise = not belief.ordered[0] - SLACK <= residual <= belief.upper + SLACK
    jump = residual * residual if is_surprise else 0.0
    jump_variance = max(JUMP_MEMORY * belief.jump_variance + (1 - JUMP_MEMORY) * jump, 1e-6)
    predicted = belief.variance + DRIFT_VARIANCE + max(jump, jump_variance)
    gain = predicted / (predicted + OBSERVATION_VARIANCE)

    residuals, ordered = belief.residuals, belief.ordered
    if not is_surprise or belief.since_surprise < REPEATED_WITHIN:
        residuals, ordered = _slide(residuals, ordered, residual)
    upper = upper_quantile(ordered, level)
    location = belief.location + gain * residual
    return Belief(
        location,
        math.exp(location),
        (1 - gain) * predicted,
        jump_variance,
        residuals,
        ordered,
        level,
        0 if is_surprise else belief.since_surprise + 1,
        ceiling,
        upper,
        math.exp(upper + min(prior.normal_quantile * math.sqrt(jump_variance), MOST_DOUBT)),
    )


def look(belief: Belief, prior: Prior, load_pct: float) -> Belief:
    """The belief after a look at the load of other programs: void if what was learned was learned under much more."""
    if belief.ceiling is OPEN:
        return belief
    ceiling = seen(belief.ceiling, load_pct)
    if ceiling is None:
        return begin(prior)
    return belief if ceiling is belief.ceiling else msgspec.structs.replace(belief, ceiling=ceiling)


def _adapted(level: float, miss_share: float, *, is_late: bool) -> float:
    """Adaptive conformal inference: a miss lowers the level, each inference in time raises it a little."""
    level += miss_share / 2 * (miss_share - is_late)
    if level > 2 * miss_share:
        level = 2 * miss_share
    if level < miss_share / 20:
        level = miss_share / 20
    return level if level > LEAST_LEVEL else LEAST_LEVEL


def _slide(residuals: Window, ordered: Window, residual: float) -> tuple[Window, Window]:
    """Both windows with one residual more, and the oldest left out once they are full."""
    is_full = len(residuals) >= WINDOW
    ascending = ordered[:]
    if is_full:
        del ascending[bisect_left(ascending, residuals[0])]
    insort(ascending, residual)
    recent = residuals[1:] if is_full else residuals[:]
    recent.append(residual)
    return recent, ascending
