"""When inputs come: the same for a seed, whatever is done with them."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import UsageError
from tenuto.requirements import DEFAULT_PRIORITY, Constraint
from tenuto.scenarios._scenario import Application

_STREAM: Final = 2
"""Of a seed's random numbers: others are for latencies and sensors."""

_AHEAD: Final = 1.2
"""Of the gaps that are needed on average, so many are drawn at a time."""


def arrival_times_s(application: Application, duration_s: float, *, seed: int, index: int) -> NDArray[np.float64]:
    """When each input of an application comes, in seconds from the scenario's start.

    Args:
        application: Whose. With a deadline relative to its largest sub-network, see `with_deadline` first.
        duration_s: Of the scenario.
        seed: Of the passage.
        index: The application's in the scenario, so that two alike do not run in step.

    Returns:
        Ascending, from the application's coming until it goes or the scenario ends.

    Raises:
        UsageError: Its period is that of a deadline which is not known yet.

    Model:
        A camera (`cv2` 0) has a phase of its own, drawn from 0 to its period. Otherwise the times between inputs are
        independent and gamma distributed with the mean and squared coefficient of variation asked for: one family for
        all of them, 1 a Poisson process, and above it clumps of inputs that come almost at once, which is what a queue
        suffers from. (A hyperexponential of the same figures has fewer and longer quiet times, and milder clumps.) What
        was recorded comes when it was recorded, whatever the seed.
    """
    arrivals = application.arrivals
    begin_s = application.from_s
    end_s = duration_s if application.until_s is None else min(application.until_s, duration_s)
    if arrivals.times_s is not None:
        recorded_s = np.array(arrivals.times_s, dtype=np.float64)
        return recorded_s[(recorded_s >= begin_s) & (recorded_s < end_s)]
    if arrivals.period_ms is None:
        raise UsageError(
            f"{application.name}: asked for its inputs, its period is its deadline and that is not known in ms yet; "
            "give it one with with_deadline()"
        )
    period_s = arrivals.period_ms / 1000
    generator = np.random.default_rng([seed, _STREAM, index])
    if arrivals.cv2 == 0:
        first_s = begin_s + generator.random() * period_s
        n = max(0, int((end_s - first_s) / period_s) + 2)
        regular_s: NDArray[np.float64] = first_s + period_s * np.arange(n, dtype=np.float64)
        return regular_s[regular_s < end_s]
    shape = 1 / arrivals.cv2
    n = max(16, int(_AHEAD * (end_s - begin_s) / period_s))
    blocks = [np.array([begin_s])]
    while blocks[-1][-1] < end_s:
        gaps_s = generator.gamma(shape, period_s * arrivals.cv2, n)
        blocks.append(blocks[-1][-1] + np.cumsum(gaps_s))
    drawn_s: NDArray[np.float64] = np.concatenate(blocks)[1:]
    return drawn_s[drawn_s < end_s]


def with_deadline(application: Application, latency_ms: float) -> Application:
    """An application whose deadline was a multiple of its largest sub-network's latency, with it in ms.

    Args:
        application: One with `times_of_largest`; another is returned as it is.
        latency_ms: Of its most accurate sub-network, in its quickest place.

    Returns:
        The same with that deadline in its requirements, and as its period if it has no other (ALERT's recipe: the next
        input comes when the time for the one before is over).
    """
    if application.times_of_largest is None:
        return application
    bound_ms = application.times_of_largest * latency_ms
    requirements, arrivals = application.requirements, application.arrivals
    priority = DEFAULT_PRIORITY["latency_ms"]
    deadline = Constraint("latency_ms", "<=", bound_ms, priority, application.miss_pct)
    if arrivals.period_ms is None:
        arrivals = replace(arrivals, period_ms=bound_ms)
        requirements = replace(requirements, period_ms=bound_ms)
    return replace(
        application,
        requirements=replace(requirements, constraints=(*requirements.constraints, deadline)),
        arrivals=arrivals,
        times_of_largest=None,
    )
