"""What a simulated board shows of itself: late, in steps, and a little wrong, as its sensors are."""

from collections.abc import Mapping, Sequence
from typing import Final

from tenuto.platforms._platform import Monitor
from tenuto.platforms.simulated._domain import Domain
from tenuto.platforms.simulated._spec import BoardSpec, SensorSpec
from tenuto.platforms.simulated.noise import TickNoise, quantised

LOAD_PERIOD_S: Final = 0.1
"""Loads are means over at least so long, as on a Linux board."""

GAUGE_SHARE: Final = 0.01
"""A battery's gauge counts in so large a part of its capacity. Assumed: per cents are what users are shown."""

STREAM: Final = 1000
"""Where the seeds of sensors begin, apart from those of latencies."""


class RailSensor:
    """Mean power over the sensor's own period. What it shows is worked out when somebody looks.

    Args:
        spec: The sensor.
        rails: Which rails it measures together.
        seed: Of the board.
        stream: Which of its sensors.
        start_s: When its first period begins.
    """

    def __init__(self, spec: SensorSpec, rails: Sequence[int], seed: int, stream: int, start_s: float) -> None:
        self.name = spec.name
        self.period_s = spec.period_ms.value / 1000
        self.due_s = start_s + self.period_s
        self._rails = tuple(rails)
        self._resolution, self._noise = spec.resolution.value, spec.noise.value
        self._scatter = TickNoise(seed, stream)
        self._n_periods = 0
        self._before_j: Sequence[float] = ()
        self._after_j: Sequence[float] = [0.0] * (max(rails) + 1)
        self._shown: tuple[int, float] = (0, 0.0)

    def tick(self, energies_j: Sequence[float]) -> None:
        """A period is over: this is what each rail has drawn so far."""
        self._before_j, self._after_j = self._after_j, energies_j
        self._n_periods += 1
        self.due_s += self.period_s

    def read(self) -> float | None:
        """The figure of the last period; None before the first one is over."""
        n_periods = self._n_periods
        if not n_periods:
            return None
        if self._shown[0] != n_periods:
            energy_j = sum([self._after_j[rail] - self._before_j[rail] for rail in self._rails])
            scatter = self._noise * self._scatter.at(n_periods - 1)
            self._shown = n_periods, quantised(energy_j / self.period_s + scatter, self._resolution)
        return self._shown[1]


class NodeSensor:
    """The temperature of one node, above it where the sensor sits nearer to the heat; a new figure once a period.

    Args:
        spec: The sensor.
        node: Which node.
        seed: Of the board.
        stream: Which of its sensors.
    """

    def __init__(self, spec: SensorSpec, node: int, seed: int, stream: int) -> None:
        self.name = spec.name
        self.period_s = spec.period_ms.value / 1000
        self.node = node
        self._resolution, self._noise = spec.resolution.value, spec.noise.value
        self._offset = spec.offset_k_per_w.value if spec.offset_k_per_w else 0.0
        self._scatter = TickNoise(seed, stream)
        self._tick = -1
        self._value = 0.0

    def read(self, time_s: float, temperature_c: float, heat_w: float) -> float:
        """The figure of the period that `time_s` is in; the first reading in a period settles it."""
        tick = int(time_s / self.period_s)
        if tick != self._tick:
            shown_c = temperature_c + self._offset * heat_w + self._noise * self._scatter.at(tick)
            self._value, self._tick = quantised(shown_c, self._resolution), tick
        return self._value


def sensors_of(board: BoardSpec, rails: Sequence[str], seed: int, start_s: float) -> list[RailSensor | NodeSensor]:
    """The sensors of a board, each with a noise of its own.

    Args:
        board: The board.
        rails: Names of its rails, in the order of their energies.
        seed: Of the board.
        start_s: When it is switched on.
    """
    nodes = [node.name for node in board.thermal.nodes]
    result: list[RailSensor | NodeSensor] = []
    for stream, spec in enumerate(board.sensors, start=STREAM):
        if spec.name.endswith("temperature_c"):
            result.append(NodeSensor(spec, nodes.index(spec.of[0]), seed, stream))
        else:
            result.append(RailSensor(spec, [rails.index(name) for name in spec.of], seed, stream, start_s))
    return result


def monitors_of(board: BoardSpec) -> tuple[Monitor, ...]:
    """What can be read on a board, in the order of a snapshot."""
    cpus = [cluster for cluster in board.clusters if cluster.cpus]
    loads = ["load_pct", *(f"{cluster.name}.load_pct" for cluster in cpus)]
    result = [Monitor(name, "load_pct", period_s=LOAD_PERIOD_S) for name in loads]
    result += [Monitor(f"{cluster.name}.frequency_hz", "frequency_hz") for cluster in board.clusters]
    for sensor in board.sensors:
        quantity = sensor.name.rpartition(".")[2]
        is_mean = quantity == "power_w"
        result.append(Monitor(sensor.name, quantity, period_s=sensor.period_ms.value / 1000 if is_mean else None))
    if board.battery is not None:
        result.append(Monitor("battery.energy_mj", "energy_mj"))
    return tuple(result)


class LoadReader:
    """How busy the processors are, as means since an earlier call at least one period ago; absent before that.

    Args:
        domains: The board's clusters.
        now_s: The time.
    """

    def __init__(self, domains: Sequence[Domain], now_s: float) -> None:
        self._cpus = [domain for domain in domains if domain.is_cpu]
        self._names = [f"{domain.name}.load_pct" for domain in self._cpus]
        self._n_cores = sum(domain.n_cores for domain in self._cpus)
        self._since_s, self._before_s = now_s, self._busy_s(now_s)
        self._loads: dict[str, float] = {}

    def read(self, now_s: float) -> Mapping[str, float]:
        """The loads of the last whole period, in per cent."""
        elapsed_s = now_s - self._since_s
        # A stream that looks every 0.1 s would else see nothing every other time, for the sake of a rounded sum.
        if elapsed_s > LOAD_PERIOD_S * (1 - 1e-6):
            busy_s = self._busy_s(now_s)
            spent = [now - before for now, before in zip(busy_s, self._before_s, strict=True)]
            self._loads = {"load_pct": _load_pct(sum(spent), self._n_cores * elapsed_s)}
            for name, domain, busy in zip(self._names, self._cpus, spent, strict=True):
                self._loads[name] = _load_pct(busy, domain.n_cores * elapsed_s)
            self._since_s, self._before_s = now_s, busy_s
        return self._loads

    def _busy_s(self, now_s: float) -> list[float]:
        return [domain.busy_core_s(now_s) for domain in self._cpus]


def _load_pct(busy_s: float, total_s: float) -> float:
    return min(100 * busy_s / total_s, 100.0)
