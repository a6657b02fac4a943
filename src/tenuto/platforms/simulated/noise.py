"""How latencies scatter: quiet most of the time, and disturbed in bursts whose depth has a heavy tail.

Model:
    Two states. A quiet latency is the expected one times a lognormal factor of median 1. A burst begins with
    probability `burst_begin` after a quiet inference, and goes on with `burst_stay` after a disturbed one. Every burst
    has a depth of its own: all its latencies are longer by the same share, `tail_scale` x a Pareto variable of index
    `tail_index` (1 at least), besides their own quiet scatter. One depth for the whole burst is what makes a miss
    foretell the next: whatever took the machine away once is still there.

    Left out: that scatter grows under contention (raw logs of a Xavier NX: 4 to 7 % alone, up to 18 % beside another
    program), because nothing is known of how it does.

Source:
    Process after arXiv 2606.16106 v1: next to a miss the next one misses, too, with a
    probability of up to 74 % at a 0.1 % rate, and a Gaussian's mean + 3 sigma is passed 13 to 29 times too often. A
    burst that begins with 0.003, stays with 0.85 and has a tail of scale 0.15 and index 3 gives, over a million draws
    with sigma 0.03, 69 % and 14 times, and a coefficient of variation of 5 %.
"""

import math
from typing import Final

import numpy as np

from tenuto.platforms.simulated._spec import NoiseSpec

BLOCK: Final = 4096
"""Random numbers drawn ahead: one by one they would cost ten times as much."""


class LatencyNoise:
    """A stream of factors, each of one inference's latency; the same for the same seed, whatever else is asked.

    Args:
        spec: The process.
        seed: Anything that `numpy.random.default_rng` takes.
    """

    def __init__(self, spec: NoiseSpec, seed: int | list[int]) -> None:
        self._sigma = spec.sigma.value
        self._begin, self._stay = spec.burst_begin.value, spec.burst_stay.value
        self._scale, self._index = spec.tail_scale.value, spec.tail_index.value
        self._generator = np.random.default_rng(seed)
        self._depth = 0.0
        self._ahead: list[float] = []

    def draw(self) -> float:
        """The next factor, above 0; its median is about 1."""
        if not self._ahead:
            self._ahead = self._block()
        return self._ahead.pop()

    def _block(self) -> list[float]:
        generator = self._generator
        quiet = np.exp(self._sigma * generator.standard_normal(BLOCK)).tolist()
        chances = generator.random(BLOCK).tolist()
        # 1 - u is never 0, of which there is no power below 0.
        depths = (self._scale * (1 - generator.random(BLOCK)) ** (-1 / self._index)).tolist()
        depth, begin, stay = self._depth, self._begin, self._stay
        factors = []
        for factor, chance, fresh in zip(quiet, chances, depths, strict=True):
            if depth:
                depth = depth if chance < stay else 0.0
            elif chance < begin:
                depth = fresh
            factors.append(factor * (1 + depth))
        self._depth = depth
        factors.reverse()  # so that the first is popped first
        return factors


class TickNoise:
    """The scatter of a sensor: standard normal, one figure for each of its periods, in whatever order they are asked.

    Args:
        seed: Of the board.
        stream: Which of the board's sensors.
    """

    def __init__(self, seed: int, stream: int) -> None:
        self._seed, self._stream = seed, stream
        self._block_index = -1
        self._block: list[float] = []

    def at(self, tick: int) -> float:
        """The figure of the `tick`-th period, from 0."""
        block_index, index = divmod(tick, BLOCK // 16)
        if block_index != self._block_index:
            generator = np.random.default_rng([self._seed, self._stream, block_index])
            self._block, self._block_index = generator.standard_normal(BLOCK // 16).tolist(), block_index
        return self._block[index]


def quantised(value: float, resolution: float) -> float:
    """A value in whole steps of a sensor; a resolution of 0 leaves it as it is."""
    if resolution <= 0:
        return value
    # Rounded once more, so that 0.001 x 1234 is 1.234 and not 1.2340000000000002.
    return round(round(value / resolution) * resolution, max(0, 3 - math.floor(math.log10(resolution))))
