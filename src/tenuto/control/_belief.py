"""What is believed of a cluster: how slow it is now, and how sure that is.

Two estimates, each for what the other cannot do:

* **slowdown**: latency / profiled median. The scalar Kalman filter of ALERT (Wan et al., 2020, section 3.3): steady
  while ratios look as before, and thrown open by a second one in a row that does not. A single one may be a stall.
* **spread**: between which ratios of latency to expectation the next one lies. Both ends are quantile trackers
  (Angelopoulos, Candès, Tibshirani, Conformal PID Control, 2023, equation 4), so "at most so many late" needs no
  Gaussian, and no window of the past to be kept and sorted.

A decision comes right after an inference has emptied the caches, where every object touched costs more than the
arithmetic done on it: so a belief is a few numbers, and no logarithms.
"""

import math
from typing import Final

import msgspec

OBSERVATION_VARIANCE: Final = 0.01
"""Of one ratio around its expectation: 10 % noise."""

DRIFT_VARIANCE: Final = 1e-4
"""By which the slowdown may move unannounced from one inference to the next: 1 %."""

JUMP_MEMORY: Final = 0.3
"""Share of the jump's variance left after each inference (ALERT's forgetting factor)."""

LARGEST_JUMP: Final = 3.0
"""A ratio this far above the expectation throws the filter open entirely; further ones need no more."""

LEAST_SHARE: Final = 1e-4
"""The upper quantile is tracked at this share at least."""

LOWER_SHARE: Final = 0.01
"""Ratios below the lower quantile."""

SLACK: Final = 0.05
"""A ratio outside of the spread by less than so much (5 %) is no surprise."""

STEP: Final = 0.5
"""The trackers' step, as a share of the spread: large, so that a disturbance counts after a few inferences."""

LEAST_SPREAD: Final = 0.02
"""The step never falls below that of so small a spread."""

MOST_DOUBT: Final = 4.0
"""After a jump the margin grows by this factor at most: further down there is rarely anything to choose."""

REPEATED_WITHIN: Final = 20
"""A surprise within so many inferences of another, but not right after it, is no accident and no slowdown: the spread
then opens to it, not by a step alone."""


class Belief(msgspec.Struct, frozen=True, gc=False):
    """What is believed of one cluster. A *ratio* is latency / (profiled median x slowdown).

    Attributes:
        slowdown: Latency now / latency in the profile.
        variance: Of the ratio, around 1.
        jump_variance: Extra, after a surprise; fades.
        lower: The ratio that few fall below.
        upper: The ratio that the miss budget's share is expected to exceed.
        since_surprise: Inferences since the last surprise.
        margin: What to multiply median x slowdown by to get a latency that can be promised, from all of the above.
    """

    slowdown: float
    variance: float
    jump_variance: float
    lower: float
    upper: float
    since_surprise: int
    margin: float


class Prior(msgspec.Struct, frozen=True):
    """Where a belief starts, from the profile and the requirements.

    Attributes:
        lower: A quiet machine's ratio that few fall below.
        upper: A quiet machine's ratio that a share of `miss_share` exceeds.
        miss_share: The miss budget, 0 to 1, and `LEAST_SHARE` at least.
        normal_quantile: The standard normal's at 1 - miss_share; for just after a jump, when the spread says nothing.
        shortest_ms: The shortest profiled latency of the cluster.
        longest_ms: The longest.
    """

    lower: float
    upper: float
    miss_share: float
    normal_quantile: float
    shortest_ms: float
    longest_ms: float


def spread_of_profile(p90_ratio: float, p99_ratio: float, miss_share: float) -> tuple[float, float]:
    """A quiet machine's `lower` and `upper`.

    Args:
        p90_ratio: Profiled p90 / median, 1 or more.
        p99_ratio: Profiled p99 / median, 1 or more.
        miss_share: Above 0, at most 1. The tail is taken as exponential through both quantiles.
    """
    p90, p99 = max(p90_ratio, 1.0), max(p99_ratio, p90_ratio, 1.0)
    upper = p90 + (p99 - p90) * math.log10(0.1 / miss_share)
    return max(2 - p90, 0.5), max(upper, 1.0)


def begin(prior: Prior) -> Belief:
    """The belief before any inference: the profile holds."""
    return Belief(
        slowdown=1.0,
        variance=OBSERVATION_VARIANCE,
        jump_variance=0.0,
        lower=prior.lower,
        upper=prior.upper,
        since_surprise=REPEATED_WITHIN,
        margin=prior.upper,
    )


def learn(belief: Belief, prior: Prior, median_ms: float, latency_ms: float) -> Belief:
    """Learn from one inference.

    Args:
        belief: Before it.
        prior: Where the belief started.
        median_ms: The profiled latency of the point that was in force, above 0.
        latency_ms: What it took, above 0.
    """
    slowdown, lower, upper = belief.slowdown, belief.lower, belief.upper
    ratio = latency_ms / (median_ms * slowdown)
    is_surprise = ratio > upper + SLACK or ratio < lower - SLACK
    jump = min(ratio - 1, LARGEST_JUMP) ** 2 if is_surprise else 0.0
    is_jump = is_surprise and belief.since_surprise == 0
    jump_variance = JUMP_MEMORY * belief.jump_variance + (1 - JUMP_MEMORY) * jump
    variance = belief.variance + DRIFT_VARIANCE
    if is_jump or not is_surprise:
        predicted = variance + max(jump, jump_variance) if is_jump else variance
        gain = predicted / (predicted + OBSERVATION_VARIANCE)
        slowdown *= 1 + gain * (ratio - 1)
        variance = (1 - gain) * predicted

    if not is_jump:  # which the slowdown explains
        step = STEP * max(upper - lower, LEAST_SPREAD)
        if ratio > upper:
            is_repeated = is_surprise and belief.since_surprise < REPEATED_WITHIN
            upper += (max(step, STEP * (ratio - upper)) if is_repeated else step) * (1 - prior.miss_share)
        else:
            upper = max(upper - step * prior.miss_share, 1.0)
        if ratio < lower:
            lower -= min(step, STEP * lower) * (1 - LOWER_SHARE)
        else:
            lower = min(lower + step * LOWER_SHARE, 1.0)

    doubt = 1 + prior.normal_quantile * math.sqrt(jump_variance)
    return Belief(
        slowdown,
        variance,
        jump_variance,
        lower,
        upper,
        0 if is_surprise else belief.since_surprise + 1,
        upper * min(doubt, MOST_DOUBT),
    )
