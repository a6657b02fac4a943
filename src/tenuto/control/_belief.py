"""What is believed of a cluster: how slow it is now, and how sure that is.

A *ratio* is latency / profiled median. Three things are told apart, because each asks for another answer:

* **slowdown**, what lasts: followed slowly while ratios look as before, as a Kalman filter in its steady state does
  (ALERT, Wan et al., 2020, section 3.3, has one for the whole machine).
* **a disturbance**, what comes at once and goes as suddenly: published tails are bursts in which one late inference
  foretells the next (arXiv 2606.16106). A single surprise is expected to be repeated, if that is what surprises do
  here; when ratios look as before again, it is forgotten at once. One that stays becomes the slowdown.
* **scatter** around either. How many deviations must be left is a conformal quantile (Angelopoulos, Candès,
  Tibshirani, Conformal PID Control, 2023, equation 4): it rises with every promise that scatter breaks and falls
  otherwise, so that as many are broken as the miss budget allows less what disturbances break, Gaussian or not.

A decision comes right after an inference has emptied the caches, where every object touched costs more than the
arithmetic done on it: so a belief is a few numbers.
"""

import math
from collections.abc import Callable
from functools import partial
from statistics import NormalDist
from typing import Final, NamedTuple, TypeAlias

import msgspec

BAND: Final = 4.0
"""A ratio within so many deviations of what is expected is no surprise."""

LEAST_BAND: Final = 0.05
"""Nor is one within 5 %."""

LEAST_SIGMA: Final = 0.005
MOST_SIGMA: Final = 1.0

GAIN: Final = 0.05
"""Of the slowdown, for each ratio that is no surprise; more for the first few."""

SIGMA_GAIN: Final = 0.03
"""Of the scatter's variance, likewise."""

DEPTH_GAIN: Final = 0.3
"""Of a disturbance's depth, for each ratio within it."""

FIRST_DEPTH_SIGMA: Final = 0.1
"""How much ratios within a disturbance scatter, before anything is known of that."""

DEPTH_SIGMA_GAIN: Final = 0.4

LASTING: Final = 12
"""A disturbance of so many inferences is the slowdown."""

FASTER: Final = 2
"""So many ratios in a row below what is expected are the slowdown; a single one is luck."""

STEP: Final = 0.3
"""By which a broken promise raises the quantile, in deviations."""

LEAST_QUANTILE: Final = 0.5

LEAST_PART: Final = 0.5
"""Of the miss budget, that is left for scatter at least."""

OFTEN: Final = 3.0
"""Disturbances are reckoned with beforehand when more than so many began lately, and more often than promises may be
broken: two changes of phase are no habit."""

PERSISTENCE_GAIN: Final = 0.1

_FEW: Final = 24
"""From here on gains are what they stay."""

MOST_MARGIN: Final = 20.0
"""Of a margin's logarithm: beyond, no figure means anything."""

MORE: Final = 1 + 1e-9

LEAST_SHARE: Final = 1e-4
"""The quantile is tracked at this share of broken promises at least."""


class Belief(msgspec.Struct, frozen=True, gc=False):
    """What is believed of one cluster.

    Attributes:
        lasting: The slowdown apart from a disturbance.
        sigma: Of the logarithm of a ratio around what is expected.
        quantile: How many deviations are left for scatter.
        depth: Of the disturbance, over `lasting`; 1 without one.
        n_within: Inferences of the disturbance so far.
        depth_sigma: Of the logarithm of ratios within disturbances.
        persistence: How often a surprise is followed by another, 0 to 1.
        rate: How often disturbances begin, 0 to 1.
        typical: The depth of many of them.
        n: Inferences learned from, up to where that stops to matter.
        n_faster: Ratios in a row below what is expected.
        slowdown: What is expected of the next inference over its profiled median.
        margin: What to multiply median x slowdown by to get a latency that can be promised.
    """

    lasting: float
    sigma: float
    quantile: float
    depth: float
    n_within: int
    depth_sigma: float
    persistence: float
    rate: float
    typical: float
    n: int
    n_faster: int
    slowdown: float
    margin: float


class Prior(msgspec.Struct, frozen=True):
    """Where a belief starts, from the profile and the requirements.

    Attributes:
        sigma: A quiet machine's scatter.
        quantile: How many deviations the profile says are needed.
        miss_share: The miss budget, 0 to 1, and `LEAST_SHARE` at least.
        shortest_ms: The shortest profiled latency of the cluster.
        longest_ms: The longest.
    """

    sigma: float
    quantile: float
    miss_share: float
    shortest_ms: float
    longest_ms: float


def scatter_of_profile(p90_ratio: float, p99_ratio: float, miss_share: float) -> tuple[float, float]:
    """A quiet machine's `sigma` and `quantile`.

    Args:
        p90_ratio: Profiled p90 / median, 1 or more.
        p99_ratio: Profiled p99 / median, 1 or more.
        miss_share: Above 0, at most 1. The tail is taken as exponential through both quantiles.
    """
    p90, p99 = max(p90_ratio, 1.0), max(p99_ratio, p90_ratio, 1.0)
    upper = max(p90 + (p99 - p90) * math.log10(0.1 / miss_share), 1.0)
    sigma = min(max(math.log(p90) / _NORMAL_P90, LEAST_SIGMA), MOST_SIGMA)
    return sigma, max(math.log(upper) / sigma, LEAST_QUANTILE)


_NORMAL_P90: Final = 1.2816


def begin(prior: Prior) -> Belief:
    """The belief before any inference: the profile holds."""
    return Belief(
        lasting=1.0,
        sigma=prior.sigma,
        quantile=prior.quantile,
        depth=1.0,
        n_within=0,
        depth_sigma=FIRST_DEPTH_SIGMA,
        persistence=0.5,
        rate=0.0,
        typical=1.0,
        n=0,
        n_faster=0,
        slowdown=1.0,
        margin=math.exp(prior.quantile * prior.sigma),
    )


Learn: TypeAlias = Callable[[Belief, Prior, float, float], Belief]


def learner(*, is_conformal: bool = True, has_disturbances: bool = True) -> Learn:
    """`learn`, or what is left of it without one of its ideas: for ablations."""
    if is_conformal and has_disturbances:
        return learn
    return partial(_learn_less, is_conformal=is_conformal, has_disturbances=has_disturbances)


def _learn_less(
    belief: Belief, prior: Prior, median_ms: float, latency_ms: float, *, is_conformal: bool, has_disturbances: bool
) -> Belief:
    after = learn(belief, prior, median_ms, latency_ms)
    if not is_conformal:
        quantile = NormalDist().inv_cdf(1 - min(prior.miss_share, 0.5))
        sigma = after.sigma if after.depth == 1.0 else max(after.sigma, after.depth_sigma)
        after = msgspec.structs.replace(after, quantile=quantile, rate=0.0, margin=math.exp(quantile * sigma))
    if not has_disturbances and after.depth != 1.0:
        lasting = after.lasting * after.depth
        after = msgspec.structs.replace(after, lasting=lasting, depth=1.0, n_within=0, rate=0.0, slowdown=lasting)
    return after


def learn(belief: Belief, prior: Prior, median_ms: float, latency_ms: float) -> Belief:
    """Learn from one inference.

    Args:
        belief: Before it.
        prior: Where the belief started.
        median_ms: The profiled latency of the point that was in force, above 0.
        latency_ms: What it took, above 0.
    """
    n, sigma = belief.n + 1, belief.sigma
    away = math.log(latency_ms / (median_ms * belief.lasting))
    rate_gain = prior.miss_share / OFTEN
    rate, n_faster = belief.rate * (1 - rate_gain), 0
    if abs(away) <= BAND * sigma or abs(away) <= LEAST_BAND:
        # As before: there is no disturbance, or none any more.
        persistence = belief.persistence
        if belief.n_within == 1:
            persistence -= PERSISTENCE_GAIN * persistence
        lasting = belief.lasting * math.exp((GAIN if n > _FEW else 1 / (n + 4)) * away)
        variance = sigma * sigma
        variance += (SIGMA_GAIN if n > _FEW else 1 / (n + 10)) * (away * away - variance)
        sigma = math.sqrt(variance)
        sigma = sigma if sigma > LEAST_SIGMA else LEAST_SIGMA
        quantile = _quantile(belief, prior, median_ms, latency_ms)
        seen = _Disturbance(lasting, 1.0, 0, belief.depth_sigma, persistence, rate, belief.typical)
    else:
        quantile = belief.quantile
        seen = _Disturbance(
            belief.lasting,
            belief.depth,
            belief.n_within,
            belief.depth_sigma,
            belief.persistence,
            rate,
            belief.typical,
        )
        if away > 0:
            seen = _within(seen, away, BAND * sigma, rate_gain)
        else:
            n_faster = belief.n_faster + 1
            lasting = seen.lasting
            if n_faster >= FASTER:
                lasting, n_faster = lasting * math.exp(away), 0
            seen = seen._replace(lasting=lasting, depth=1.0, n_within=0)
    return _believed(seen, sigma, quantile, n, n_faster, prior.miss_share)


def _believed(  # noqa: PLR0917 - on the way of every inference, where keywords cost
    seen: "_Disturbance", sigma: float, quantile: float, n: int, n_faster: int, miss_share: float
) -> Belief:
    """With what can be promised."""
    slowdown, exponent = seen.lasting, quantile * sigma
    if seen.depth != 1.0 and seen.persistence > miss_share:
        slowdown *= seen.depth
        exponent = quantile * max(sigma, seen.depth_sigma)
    margin = math.exp(exponent if exponent < MOST_MARGIN else MOST_MARGIN)
    if seen.depth == 1.0 and seen.rate > miss_share * MORE and seen.typical > margin:
        # Disturbances begin more often than promises may be broken: the next one has to be reckoned with.
        margin = seen.typical
    return Belief(
        seen.lasting,
        sigma,
        quantile,
        seen.depth,
        seen.n_within,
        seen.depth_sigma,
        seen.persistence,
        seen.rate,
        seen.typical,
        n,
        n_faster,
        slowdown,
        margin,
    )


class _Disturbance(NamedTuple):
    """The part of a belief that is about disturbances; names as there."""

    lasting: float
    depth: float
    n_within: int
    depth_sigma: float
    persistence: float
    rate: float
    typical: float


def _within(seen: _Disturbance, away: float, band: float, rate_gain: float) -> _Disturbance:
    """A ratio above what lasts: a disturbance begins, goes on, or gets deeper."""
    lasting, depth, n_within, depth_sigma, persistence, rate, typical = seen
    ratio, n_within = math.exp(away), n_within + 1
    if depth == 1.0:
        typical += (0.5 if ratio > typical else 0.1) * (ratio - typical)
        return _Disturbance(lasting, ratio, 1, depth_sigma, persistence, rate + rate_gain, typical)
    beyond = away - math.log(depth)
    is_alike = abs(beyond) <= max(band, BAND * depth_sigma)
    spread = min(abs(beyond), 1.0)
    depth_sigma = math.sqrt(depth_sigma**2 + DEPTH_SIGMA_GAIN * (spread**2 - depth_sigma**2))
    depth_sigma = min(max(depth_sigma, LEAST_SIGMA), MOST_SIGMA)
    depth = depth * math.exp(DEPTH_GAIN * beyond) if is_alike else ratio
    if n_within == 2:
        persistence += PERSISTENCE_GAIN * (1 - persistence)
    if n_within >= LASTING:
        lasting, depth, n_within = lasting * depth, 1.0, 0
    return _Disturbance(lasting, depth, n_within, depth_sigma, persistence, rate, typical)


def _quantile(belief: Belief, prior: Prior, median_ms: float, latency_ms: float) -> float:
    """Raised by a broken promise, lowered by one that was kept.

    What disturbances break when they begin is taken off the budget: what is left is for scatter.
    """
    share = prior.miss_share
    share = share - belief.rate if belief.rate < LEAST_PART * share else share * LEAST_PART
    if latency_ms > median_ms * belief.slowdown * belief.margin:
        return belief.quantile + STEP * (1 - share)
    quantile = belief.quantile - STEP * share
    return quantile if quantile > LEAST_QUANTILE else LEAST_QUANTILE
