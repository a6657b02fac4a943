"""How far a board's thermal model is off on a log of temperatures.

The model gets the clocks that were requested and what ran; it makes power, temperatures, fan and throttling of them by
itself. Only the first reading of the hottest core is given to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean

from msgspec import Struct

from tenuto.platforms.simulated._spec import BoardSpec
from tenuto.platforms.simulated.power import PowerModel, memory_power_w
from tenuto.platforms.simulated.thermal import ThermalModel, Vector
from tenuto.platforms.simulated.throttling import Limits, Throttling
from tenuto.validation._score import Score, Total
from tenuto.validation._thermal_file import ThermalLog, read_thermal

ASKED_C = 4.0
ASKED_THROTTLED_AFTER_S = 9.0
_SLOWER = 0.98  # A rate below this part of the best is a throttled one: rates scatter by less than one per cent.
_STEP_S = 0.1


class ThermalRow(Struct, frozen=True, kw_only=True):
    """One reading.

    Attributes:
        time_s: In the log's own time.
        requested_hz: The clock that was asked of the busy cluster.
        frequency_hz: The clock that the model's throttling left of it.
        measured_c: The hottest core.
        predicted_c: The model's hottest node.
        error_c: The one less the other.
        gpu_error_c: The same of the GPU's sensor.
    """

    time_s: float
    requested_hz: int
    frequency_hz: int
    measured_c: float
    predicted_c: float
    error_c: float
    gpu_error_c: float | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of a simulated log.

    Attributes:
        time_s: Its beginning, in the log's own time.
        temperatures_c: Of each node.
        requested_hz: The clock asked of the busy cluster.
        frequency_hz: The clock in force there.
        is_busy: The program runs.
    """

    time_s: float
    temperatures_c: Vector
    requested_hz: int
    frequency_hz: int
    is_busy: bool


def score_thermal(board: BoardSpec, path: Path) -> Score:
    """Score a board on a log of temperatures.

    Args:
        board: Which board.
        path: An event log (the columns of `xu3_thermal_first30s.csv`) or a sweep (`xu3_whetstone_sweep.csv`).

    Raises:
        SpecError: The file cannot be read, lacks columns, or has too few readings.
    """
    log, notes = read_thermal(board, path)
    moments = simulate(board, log)
    rows = _rows(board, log, moments)
    return Score(
        board=board.id,
        path=str(path),
        n_measurements=len(log.readings),
        rows=tuple(rows),
        totals=(*_temperature_totals(rows), *_throttling_totals(log, moments)),
        notes=notes,
    )


def simulate(board: BoardSpec, log: ThermalLog, *, held_from_s: float | None = None) -> list[Moment]:
    """What the model makes of a log's requests, until its last reading.

    Args:
        board: Which board.
        log: What was asked of it.
        held_from_s: For calibration: passive trips act from then on, whatever the temperature, and not before.
    """
    thermal, throttling = ThermalModel.of(board.thermal), Throttling.of(board.thermal, board.clusters)
    rails = _Rails(board, thermal, log)
    ambient_c, start_s = board.thermal.ambient_c.value, log.settings[0][0]
    hottest_c = log.readings[0].hottest_c
    state = throttling.step(throttling.start(), hottest_c)
    temperatures = _settled(rails, throttling.limits(state), is_busy=log.busy_from_s <= start_s, hottest_c=hottest_c)
    setting, polls, moments = 0, 0, []
    for step in range(int((log.readings[-1].time_s - start_s) / _STEP_S) + 2):
        time_s = start_s + step * _STEP_S
        if time_s >= start_s + polls * throttling.polling_s:
            polls += 1
            state = throttling.step(state, max(temperatures))
            if held_from_s is not None:
                state = throttling.held(state, is_held=time_s >= held_from_s)
            limits = throttling.limits(state)
        while setting + 1 < len(log.settings) and log.settings[setting + 1][0] <= time_s + _STEP_S / 2:
            setting += 1
        requested, is_busy = log.settings[setting][1], time_s >= log.busy_from_s - _STEP_S / 2
        asked_hz = requested[log.busy.name]
        in_force_hz = limits.frequency_hz(log.busy.name, asked_hz)
        moments.append(Moment(time_s, temperatures, asked_hz, in_force_hz, is_busy))
        heat_w = thermal.node_heat_w(rails.power_w(limits, requested, temperatures, is_busy=is_busy))
        temperatures = thermal.advance(temperatures, heat_w, _STEP_S, ambient_c, limits.conductance)
    return moments


class _Rails:
    """What everything on a board draws while a log's program runs, or not."""

    def __init__(self, board: BoardSpec, thermal: ThermalModel, log: ThermalLog) -> None:
        self.board = board
        self.thermal = thermal
        self.log = log
        self.rest_w = {"memory": memory_power_w(board.memory, 0.0), "board": board.base_w.value}
        listed = board.cluster(log.busy.name).power.workload_activity.get(log.workload)
        self.activity = listed.value if listed else 1.0
        self._models = [(cluster, PowerModel.of(cluster)) for cluster in board.clusters]
        # Leakage has the temperature of the node that the cluster heats most.
        self._nodes = {
            cluster.name: max(
                range(thermal.n_nodes),
                key=[node.heat_share.get(cluster.name, 0.0) for node in board.thermal.nodes].__getitem__,
            )
            for cluster in board.clusters
        }

    def power_w(
        self, limits: Limits, requested: Mapping[str, int], temperatures_c: Vector, *, is_busy: bool
    ) -> dict[str, float]:
        """By rail. A cluster of which no clock is known idles at its lowest."""
        power_w = dict(self.rest_w)
        for cluster, model in self._models:
            asked_hz = requested.get(cluster.name, cluster.frequencies_hz[0])
            power_w[cluster.name] = model.power_w(
                limits.frequency_hz(cluster.name, asked_hz),
                float(cluster.n_cores) if is_busy and cluster.name == self.log.busy.name else 0.0,
                temperature_c=temperatures_c[self._nodes[cluster.name]],
                activity=self.activity,
                rail_hz=limits.voltage_hz(cluster.name, asked_hz),
            )
        return power_w


def _settled(rails: _Rails, limits: Limits, *, is_busy: bool, hottest_c: float) -> Vector:
    """Temperatures whose hottest is the first reading, and that have settled as far as one can tell.

    With the program running they differ as they do in the end at its power. Before it runs, nobody knows what ran:
    some power of the busy cluster that settles there.
    """
    thermal, ambient_c = rails.thermal, rails.board.thermal.ambient_c.value
    if is_busy:
        everywhere = (hottest_c,) * thermal.n_nodes
        power_w = rails.power_w(limits, rails.log.settings[0][1], everywhere, is_busy=True)
        settled = thermal.steady(power_w, ambient_c, limits.conductance)
        return tuple(one + hottest_c - max(settled) for one in settled)
    cold = max(thermal.steady(rails.rest_w, ambient_c, limits.conductance))
    name = rails.log.busy.name
    kelvin_per_w = max(thermal.steady({**rails.rest_w, name: 1.0}, ambient_c, limits.conductance)) - cold
    power_w = {**rails.rest_w, name: max(0.0, (hottest_c - cold) / kelvin_per_w)}
    return thermal.steady(power_w, ambient_c, limits.conductance)


def _rows(board: BoardSpec, log: ThermalLog, moments: Sequence[Moment]) -> list[ThermalRow]:
    """Of every reading but the first, which the model was given."""
    names = [node.name for node in board.thermal.nodes]
    gpu = next((sensor.of[0] for sensor in board.sensors if sensor.name == "gpu.temperature_c"), None)
    rows = []
    for reading in log.readings[1:]:
        moment = moments[min(len(moments) - 1, max(0, round((reading.time_s - moments[0].time_s) / _STEP_S)))]
        hottest_c = max(moment.temperatures_c)
        rows.append(
            ThermalRow(
                time_s=reading.time_s,
                requested_hz=moment.requested_hz,
                frequency_hz=moment.frequency_hz,
                measured_c=reading.hottest_c,
                predicted_c=hottest_c,
                error_c=hottest_c - reading.hottest_c,
                gpu_error_c=moment.temperatures_c[names.index(gpu)] - reading.gpu_c
                if gpu is not None and reading.gpu_c is not None
                else None,
            )
        )
    return rows


def _temperature_totals(rows: Sequence[ThermalRow]) -> list[Total]:
    totals = []
    for what, errors, asked in (
        ("hottest core", [row.error_c for row in rows], ASKED_C),
        ("GPU", [row.gpu_error_c for row in rows if row.gpu_error_c is not None], None),
    ):
        if errors:
            totals.append(Total(what=what, figure="max_error_c", value=max(map(abs, errors)), asked=asked))
            totals.append(
                Total(what=what, figure="rmse_c", value=sqrt(fmean(error**2 for error in errors)), asked=asked)
            )
    return totals


def _throttling_totals(log: ThermalLog, moments: Sequence[Moment]) -> list[Total]:
    """When the busy cluster is held down for the first time, and what it loses then; modelled and measured."""
    totals = []
    working = [moment for moment in moments if moment.is_busy]
    held = next((moment for moment in working if moment.frequency_hz < moment.requested_hz), None)
    if held is not None:
        level = [one for one in working if one.time_s >= held.time_s and one.requested_hz == held.requested_hz]
        began_s = next(one.time_s for one in working if one.requested_hz == held.requested_hz)
        later = level[len(level) // 2 :]
        loss = 1 - fmean(one.frequency_hz for one in later) / held.requested_hz
        totals += _throttling("model", held.time_s - began_s, loss * 100, asked=ASKED_THROTTLED_AFTER_S)
    measured = _measured_throttling(log)
    return totals + (_throttling("log", *measured) if measured else [])


def _throttling(what: str, after_s: float, loss_pct: float, *, asked: float | None = None) -> list[Total]:
    return [
        Total(what=f"{what}, first throttling", figure="throttled_after_s", value=after_s, asked=asked),
        Total(what=f"{what}, first throttling", figure="performance_loss_pct", value=loss_pct),
    ]


def _measured_throttling(log: ThermalLog) -> tuple[float, float] | None:
    """From the rates of the first clock: when they fell for good, and by how much in the second half after that."""
    first_hz = log.settings[0][1][log.busy.name]
    until_s = next((time_s for time_s, clocks in log.settings if _clock(clocks, log) != first_hz), float("inf"))
    rates = [(time_s, rate) for time_s, rate in log.rates if time_s <= until_s]
    if not rates:
        return None
    best = max(rate for _, rate in rates)
    peak_s = next(time_s for time_s, rate in rates if rate == best)
    slow = [(time_s, rate) for time_s, rate in rates if time_s > peak_s and rate < _SLOWER * best]
    if len(slow) < len([1 for time_s, _ in rates if time_s > peak_s]) / 2:
        return None
    later = [rate for time_s, rate in rates if time_s >= slow[0][0]]
    loss = 1 - fmean(later[len(later) // 2 :]) / best
    return slow[0][0] - log.busy_from_s, loss * 100


def _clock(clocks: Mapping[str, int], log: ThermalLog) -> int:
    return clocks[log.busy.name]
