"""A simulated board behaves: late, hot, shared, always the same; what it draws is what warms it and empties it."""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.control import FixedPolicy, TenutoPolicy
from tenuto.errors import KnobRejectedError, PlatformError, SpecError, UnknownNameError, UsageError
from tenuto.graphs import GraphBuilder, LayerCost, layer_costs
from tenuto.nets.package import open_package
from tenuto.nets.public import public_graph
from tenuto.platforms import HeldBoard, readings_by_quantity
from tenuto.platforms.simulated import (
    BackgroundLoad,
    BoardSpec,
    Conditions,
    Parameter,
    SimulatedEngine,
    SimulatedPlatform,
    Truth,
    board_ids,
    load_board,
)
from tenuto.platforms.simulated._board import Board, Work
from tenuto.platforms.simulated._spec import BatterySpec, IdleState
from tenuto.platforms.simulated._work import NetworkWork
from tenuto.platforms.simulated.power import PowerModel
from tenuto.platforms.simulated.thermal import ThermalModel
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements
from tenuto.runtime import Session
from tenuto.testing import ManualClock, check_engine
from tenuto.traces import read_trace

GHZ = 1_000_000_000
MHZ = 1_000_000
ITEM = (3, 32, 32)
FRAME = np.zeros((1, *ITEM), np.float32)


def sub_network(width: int) -> SubNetwork:
    return SubNetwork("toy", (("width_pct", (width,)),))


def costs(width: int) -> tuple[LayerCost, ...]:
    """Four convolutions of 16 channels for each step of width."""
    build = GraphBuilder("toy")
    value = build.input(1, *ITEM)
    for _ in range(4):
        value = build.conv(value, 16 * width, 3, activation="Relu")
    return layer_costs(build.build(build.linear(build.flatten(build.global_average_pool(value)), 10)))


NETWORKS = {sub_network(width): costs(width) for width in (1, 2, 4, 8)}
SMALL, *_, LARGE = NETWORKS
HUGE = sub_network(32)


def still(board: BoardSpec) -> BoardSpec:
    """The board, without the scatter of latencies."""
    none = replace_value(board.noise.sigma, 0.0)
    return msgspec.structs.replace(board, noise=msgspec.structs.replace(board.noise, sigma=none, burst_begin=none))


def replace_value(parameter: Parameter, value: float) -> Parameter:
    return msgspec.structs.replace(parameter, value=value)


def with_battery(board: BoardSpec, capacity_wh: float) -> BoardSpec:
    def assumed(value: float) -> Parameter:
        return Parameter(value=value, source="assumed", reference=next(iter(board.references)))

    return msgspec.structs.replace(
        board, battery=BatterySpec(capacity_wh=assumed(capacity_wh), efficiency=assumed(0.9))
    )


XU3 = still(load_board("odroid-xu3"))


def engine_of(platform: SimulatedPlatform, **more: Sequence[LayerCost]) -> SimulatedEngine:
    networks = {**NETWORKS, **({HUGE: costs(32)} if more.get("huge") else {})}
    engine = SimulatedEngine(platform, networks, input_shape=ITEM, output_shape=(10,))
    engine.load(networks)
    return engine


def place(cluster: str, n_cores: int = 1, frequency_hz: int | None = None, *, net: SubNetwork = LARGE) -> Configuration:
    return Configuration(net, cluster, n_cores, frequency_hz)


def took_s(platform: SimulatedPlatform, engine: SimulatedEngine) -> float:
    before_s = platform.clock.now_s()
    engine.infer(FRAME)
    return platform.clock.now_s() - before_s


# Time and events.


def test_a_clock_that_was_asked_for_comes_late_and_the_inference_before_it_runs_at_the_old() -> None:
    platform = SimulatedPlatform(XU3)
    engine = engine_of(platform)
    engine.activate(LARGE)
    with platform.hold() as board:
        board.apply(place("a15", 1, 2 * GHZ))
        platform.clock.advance(0.1)
        fast_s = took_s(platform, engine)
        board.apply(place("a15", 1, 500 * MHZ))
        assert platform.read_knobs()["a15/setspeed"] == str(500 * MHZ)
        assert board.snapshot().readings["a15.frequency_hz"] == 2 * GHZ
        mixed_s = took_s(platform, engine)
        slow_s = took_s(platform, engine)
        assert board.snapshot().readings["a15.frequency_hz"] == 500 * MHZ
    # 1 ms at the old clock; what is left of the work then, at the new one.
    assert fast_s > 0.001
    assert mixed_s == pytest.approx(0.001 + (1 - 0.001 / fast_s) * slow_s, rel=1e-6)
    assert fast_s < mixed_s < slow_s


@pytest.mark.parametrize(("cluster", "delay_s"), [("a15", 0.001), ("gpu", 0.005)])
def test_each_cluster_has_its_own_delay(cluster: str, delay_s: float) -> None:
    platform = SimulatedPlatform(XU3)
    top_hz = XU3.cluster(cluster).frequencies_hz[-1]
    with platform.hold() as board:
        board.apply(place(cluster, 1, top_hz))
        platform.clock.advance(0.99 * delay_s)
        assert platform.truth().frequency_hz[cluster] < top_hz
        platform.clock.advance(0.02 * delay_s)
        assert platform.truth().frequency_hz[cluster] == top_hz


def test_the_governor_of_a_free_board_follows_the_load() -> None:
    platform = SimulatedPlatform(XU3)
    platform.clock.advance(1.0)
    assert platform.truth().frequency_hz == {"a7": 200 * MHZ, "a15": 200 * MHZ, "gpu": 177 * MHZ}
    platform.disturb(Conditions(background={"a15": BackgroundLoad(4.0), "gpu": BackgroundLoad(0.95)}))
    platform.clock.advance(0.3)  # ondemand samples every 140 ms here
    assert platform.truth().frequency_hz == {"a7": 200 * MHZ, "a15": 2 * GHZ, "gpu": 600 * MHZ}
    platform.disturb(Conditions())
    platform.clock.advance(0.3)
    assert platform.truth().frequency_hz == {"a7": 200 * MHZ, "a15": 200 * MHZ, "gpu": 177 * MHZ}


def test_a_governor_that_was_left_alone_looks_at_the_same_times_as_one_that_never_settled() -> None:
    """Where nothing changes it is not called; its periods go on all the same."""
    loaded = Conditions(background={"a7": BackgroundLoad(1.0)})
    platform = SimulatedPlatform(XU3, schedule=[(1.00, loaded)])
    changes = []
    for tick in range(1, 150):
        platform.clock.sleep_until(tick * 0.01)
        changes.append(platform.truth().frequency_hz["a7"])
    first = next(index for index, hz in enumerate(changes, start=1) if hz > 200 * MHZ)
    # Samples at 0.98 (idle), 1.12 (busy 86 % of the period: to the top), and the clock 1 ms later.
    assert first * 0.01 == pytest.approx(1.13)


def test_a_governor_that_was_left_alone_knows_how_busy_it_was() -> None:
    """Full load settles it at the top; the load ends half-way through the period from 0.98 to 1.12 s."""
    full = Conditions(background={"a7": BackgroundLoad(1.0)})
    platform = SimulatedPlatform(XU3, conditions=full, schedule=[(1.05, Conditions())])
    platform.clock.sleep_until(1.11)
    assert platform.truth().frequency_hz["a7"] == 1400 * MHZ
    platform.clock.sleep_until(1.13)
    assert platform.truth().frequency_hz["a7"] == 800 * MHZ  # 200 + 50 % of 1200
    platform.clock.sleep_until(1.27)
    assert platform.truth().frequency_hz["a7"] == 200 * MHZ


def test_a_governed_cluster_takes_part_in_an_inference() -> None:
    platform = SimulatedPlatform(XU3)
    engine = engine_of(platform)
    engine.activate(LARGE)
    with platform.hold() as board:
        board.apply(place("a7", 4))
        first_s = took_s(platform, engine)
        for _ in range(100):
            engine.infer(FRAME)
        assert took_s(platform, engine) < 0.5 * first_s
        assert platform.truth().frequency_hz["a7"] == 1400 * MHZ


def test_a_hot_run_is_throttled_by_itself() -> None:
    platform = SimulatedPlatform(XU3)
    engine = engine_of(platform, huge=costs(32))
    engine.activate(HUGE)
    with platform.hold() as board:
        board.apply(place("a15", 4, 2 * GHZ, net=HUGE))
        platform.clock.advance(0.01)
        cool_s = took_s(platform, engine)
        assert platform.truth().frequency_hz["a15"] == 2 * GHZ
        while platform.truth().frequency_hz["a15"] == 2 * GHZ:
            engine.infer(FRAME)
            assert platform.clock.now_s() < 60
        trip_c = min(trip.temperature_c.value for trip in XU3.thermal.trips if trip.kind == "passive")
        assert platform.truth().temperature_c["a15"] == pytest.approx(trip_c, abs=5)
        assert took_s(platform, engine) > 1.02 * cool_s
        capped_hz = platform.truth().frequency_hz["a15"]
        with pytest.raises(KnobRejectedError) as refused:
            board.apply(place("a15", 1, 2 * GHZ))
        assert refused.value.part == "a15.frequency_hz"
        assert (refused.value.asked, refused.value.found) == (2 * GHZ, capped_hz)
        platform.clock.advance(60)
        assert board.apply(place("a15", 1, 2 * GHZ)) == place("a15", 1, 2 * GHZ)


def test_a_board_without_a_fan_in_hot_air_switches_itself_off() -> None:
    platform = SimulatedPlatform(XU3, conditions=Conditions(ambient_c=125.0))
    engine = engine_of(platform)
    with platform.hold() as board:
        platform.clock.advance(3600)
        with pytest.raises(PlatformError, match="critical temperature"):
            engine.infer(FRAME)
        with pytest.raises(PlatformError):
            board.apply(place("a15"))
        assert board.snapshot().readings == {}
        before = platform.truth().energy_mj
        platform.clock.advance(100)
        assert platform.truth().energy_mj == before


# Energy.


def energies_and_powers(platform: SimulatedPlatform, until_s: float, step_s: float) -> tuple[float, float]:
    """What all rails drew, by their meters and by adding up power in small steps, in millijoules."""
    integral_mj, began = 0.0, sum(platform.truth().energy_mj.values())
    while platform.clock.now_s() < until_s:
        platform.clock.advance(step_s)
        integral_mj += 1000 * step_s * sum(platform.truth().power_w.values())
    return sum(platform.truth().energy_mj.values()) - began, integral_mj


def test_energy_is_the_integral_of_power() -> None:
    """Over governors, throttling and a changing world."""
    schedule = [
        (2.0, Conditions(background={"a15": BackgroundLoad(4.0, memory_gb_s=2.0), "a7": BackgroundLoad(1.5)})),
        (20.0, Conditions(ambient_c=40.0, background={"gpu": BackgroundLoad(0.4)})),
    ]
    platform = SimulatedPlatform(XU3, schedule=schedule)
    metered_mj, integral_mj = energies_and_powers(platform, 30.0, 0.001)
    assert metered_mj == pytest.approx(integral_mj, rel=2e-4)


def step_by_step(board: Board, work: Work, factor: float, cluster: int, n_cores: int) -> None:
    """`Board.run`, always the longer way."""
    running = board.start(work, factor, cluster, n_cores)
    board.crew.arrange()
    while running.ended_s is None:
        board.crew.advance(math.inf)


def test_an_inference_as_one_pulse_is_one_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no governor is at work a shorter way is taken; it leads to the same place."""

    def work() -> tuple[Truth, float]:
        platform = SimulatedPlatform(XU3)
        engine = engine_of(platform)
        engine.activate(SMALL)
        with platform.hold() as board:
            board.apply(place("a15", 4, 1800 * MHZ))
            for _ in range(2000):
                engine.infer(FRAME)
            return platform.truth(), platform.clock.now_s()

    short, short_s = work()

    monkeypatch.setattr(Board, "run", step_by_step)
    long, long_s = work()
    assert short_s == pytest.approx(long_s, rel=1e-9)
    for one, other in ((short.energy_mj, long.energy_mj), (short.temperature_c, long.temperature_c)):
        assert dict(one) == pytest.approx(dict(other), rel=1e-3)  # leakage is worked out at other moments


def test_both_ways_agree_to_rounding_where_nothing_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """While fans start and stop, and others come and go."""
    clusters = [
        msgspec.structs.replace(
            cluster,
            power=msgspec.structs.replace(cluster.power, static_w_per_v=replace_value(cluster.power.static_w_per_v, 0)),
        )
        for cluster in XU3.clusters
    ]
    dry = msgspec.structs.replace(XU3, clusters=tuple(clusters))
    schedule = [
        (2.0, Conditions(background={"a15": BackgroundLoad(1.5), "a7": BackgroundLoad(2.0, memory_gb_s=1.0)})),
        (5.0, Conditions(memory_mhz=XU3.memory.frequency_mhz[0])),
        (7.0, Conditions(ambient_c=-20.0)),  # fans stop one after the other, so slowly that nothing else changes
    ]

    def work() -> tuple[Truth, float]:
        platform = SimulatedPlatform(dry, schedule=schedule)
        engine = engine_of(platform)
        engine.activate(LARGE)
        with platform.hold() as board:
            board.apply(place("a15", 2, 1200 * MHZ))
            while platform.clock.now_s() < 40.0:
                engine.infer(FRAME)
                platform.clock.advance(0.02)
            return platform.truth(), platform.clock.now_s()

    short, short_s = work()
    monkeypatch.setattr(Board, "run", step_by_step)
    long, long_s = work()
    assert short.frequency_hz == long.frequency_hz
    assert short_s == pytest.approx(long_s, rel=1e-12)
    assert dict(short.energy_mj) == pytest.approx(dict(long.energy_mj), rel=1e-9)
    assert dict(short.temperature_c) == pytest.approx(dict(long.temperature_c), rel=1e-9)


@pytest.mark.parametrize("net", [SMALL, LARGE])
def test_an_inference_draws_what_its_cores_draw(net: SubNetwork) -> None:
    """A short one, during which nothing happens, and a long one."""
    platform = SimulatedPlatform(XU3)
    engine = engine_of(platform)
    engine.activate(net)
    model = PowerModel.of(XU3.cluster("a15"))
    with platform.hold() as board:
        board.apply(place("a15", 2, GHZ))
        platform.clock.advance(1.0)
        engine.infer(FRAME)  # which wakes the cluster
        before, began_s = platform.truth(), platform.clock.now_s()
        for _ in range(5):
            engine.infer(FRAME)
        after, seconds = platform.truth(), platform.clock.now_s() - began_s
    drawn_w = {rail: (after.energy_mj[rail] - before.energy_mj[rail]) / 1000 / seconds for rail in after.energy_mj}
    expected_w = model.power_w(GHZ, 2, temperature_c=before.temperature_c["a15"])
    assert drawn_w["a15"] == pytest.approx(expected_w, rel=0.02)
    n_bytes = 5 * sum(one.weight_bytes + one.input_bytes + one.output_bytes for one in NETWORKS[net])
    expected_w = XU3.memory.idle_w.value + XU3.memory.pj_per_byte.value * 1e-12 * n_bytes / seconds
    assert drawn_w["memory"] == pytest.approx(expected_w, rel=1e-6)
    assert drawn_w["board"] == pytest.approx(XU3.base_w.value)


def test_the_power_sensors_show_what_the_rails_drew() -> None:
    platform = SimulatedPlatform(XU3, schedule=[(0.0, Conditions(background={"a15": BackgroundLoad(3.0)}))])
    shown_w = []
    platform.clock.advance(5.0)
    before_mj = platform.truth().energy_mj["a15"]
    for _ in range(100):
        platform.clock.advance(0.26)
        shown_w.append(platform.snapshot().readings["a15.power_w"])
    drawn_w = (platform.truth().energy_mj["a15"] - before_mj) / 26_000
    assert np.mean(shown_w) == pytest.approx(drawn_w, rel=0.01)
    assert len(set(shown_w)) > 5


def test_a_sensor_is_late_coarse_and_absent_before_its_first_period() -> None:
    platform = SimulatedPlatform(XU3)
    assert "a15.power_w" not in platform.snapshot().readings
    platform.clock.advance(0.27)
    first = platform.snapshot().readings["a15.power_w"]
    platform.disturb(Conditions(background={"a15": BackgroundLoad(4.0)}))
    platform.clock.advance(0.2)
    assert platform.snapshot().readings["a15.power_w"] == first
    platform.clock.advance(0.3)
    assert platform.snapshot().readings["a15.power_w"] > 2 * first
    temperature_c = platform.snapshot().readings["a15.temperature_c"]
    assert temperature_c == round(temperature_c)
    assert temperature_c == pytest.approx(platform.truth().temperature_c["a15"], abs=3)


def test_a_battery_falls_by_what_is_drawn_and_its_converter_wastes() -> None:
    platform = SimulatedPlatform(with_battery(XU3, 0.5))
    full_mj = platform.truth().battery_mj
    assert full_mj == pytest.approx(0.5 * 3600 * 1000)
    platform.clock.advance(60)
    truth = platform.truth()
    assert truth.battery_mj is not None
    assert full_mj - truth.battery_mj == pytest.approx(sum(truth.energy_mj.values()) / 0.9)
    gauge_mj = platform.snapshot().readings["battery.energy_mj"]
    assert gauge_mj == pytest.approx(truth.battery_mj, abs=0.005 * full_mj)
    platform.disturb(Conditions(battery_charge=0.01))
    assert platform.truth().battery_mj == pytest.approx(0.01 * full_mj)
    platform.clock.advance(3600)
    assert platform.truth().battery_mj == 0
    with pytest.raises(PlatformError, match="battery is empty"):
        engine_of(platform).infer(FRAME)


@settings(max_examples=15)
@given(st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0, 4), st.floats(-10, 60)), max_size=6))
def test_temperatures_stay_between_the_air_and_what_the_power_explains(
    changes: list[tuple[float, float, float]],
) -> None:
    platform = SimulatedPlatform(XU3)
    for seconds, busy_cores, ambient_c in changes:
        platform.disturb(Conditions(background={"a15": BackgroundLoad(busy_cores)}, ambient_c=ambient_c))
        platform.clock.advance(seconds)
        truth = platform.truth()
        assert all(-11 < celsius < 150 for celsius in truth.temperature_c.values())
        assert all(power_w >= 0 for power_w in truth.power_w.values())


# Sleep.


def with_sleep(power_share: float = 0.1) -> BoardSpec:
    """The board, whose A15 draws something while it waits, and sleeps after 1 ms, within 0.1 ms, for 0.12 ms more."""

    def assumed(value: float) -> Parameter:
        return Parameter(value=value, source="assumed", reference=next(iter(XU3.references)))

    sleep = IdleState(
        name="CPU_SLEEP",
        power_share=assumed(power_share),
        entry_us=assumed(100),
        exit_us=assumed(120),
        min_residency_us=assumed(1000),
    )
    little, big, gpu = XU3.clusters
    power = msgspec.structs.replace(big.power, idle_share=assumed(0.2))
    big = msgspec.structs.replace(big, power=power, idle_states=(*big.idle_states, sleep))
    return msgspec.structs.replace(XU3, clusters=(little, big, gpu))


def held_at(platform: SimulatedPlatform, engine: SimulatedEngine, frequency_hz: int = GHZ) -> HeldBoard:
    """Held on two cores of the A15, which has just finished an inference; nobody gives it back."""
    engine.activate(SMALL)
    board = platform.hold().__enter__()
    board.apply(place("a15", 2, frequency_hz, net=SMALL))
    platform.clock.advance(0.5)
    engine.infer(FRAME)
    return board


def test_a_cluster_sleeps_when_it_was_idle_for_long_enough() -> None:
    platform = SimulatedPlatform(with_sleep())
    held_at(platform, engine_of(platform))
    cluster = platform.spec.cluster("a15")
    idle_w = PowerModel.of(cluster).idle_power_w
    awake_w = platform.truth().power_w["a15"]
    assert awake_w == pytest.approx(idle_w(GHZ, temperature_c=platform.truth().temperature_c["a15"]), rel=0.01)
    platform.clock.advance(0.00109)
    assert platform.truth().power_w["a15"] == awake_w
    platform.clock.advance(0.00002)
    waiting_w = 4 * 0.2 * cluster.power.core_w_per_ghz_v2.value * 1.0 * cluster.voltage_v(GHZ) ** 2
    assert platform.truth().power_w["a15"] == pytest.approx(awake_w - 0.9 * waiting_w, rel=1e-9)


def test_what_a_sleeping_cluster_draws_follows_its_clock() -> None:
    platform = SimulatedPlatform(with_sleep())
    engine = engine_of(platform)
    board = held_at(platform, engine)
    power_w = PowerModel.of(platform.spec.cluster("a15")).power_w
    for index in range(20):
        clock_hz = (GHZ, 1800 * MHZ)[index % 2]
        board.apply(place("a15", 2, clock_hz, net=SMALL))
        if index % 3:
            engine.infer(FRAME)
        platform.clock.advance(0.01)
        truth = platform.truth()
        # Leakage is a little late.
        expected_w = power_w(clock_hz, 0, temperature_c=truth.temperature_c["a15"], waiting=0.1)
        assert truth.power_w["a15"] == pytest.approx(expected_w, rel=0.01)


def test_waking_takes_its_time_and_a_short_gap_needs_none() -> None:
    platform = SimulatedPlatform(with_sleep())
    engine = engine_of(platform)
    held_at(platform, engine)
    awake_s = took_s(platform, engine)
    for gap_s, wake_s in [(0.0, 0.0), (0.0005, 1e-6), (0.00102, 200e-6), (0.002, 120e-6), (1.0, 120e-6)]:
        platform.clock.advance(gap_s)
        assert took_s(platform, engine) == pytest.approx(awake_s + wake_s, abs=1e-9), gap_s


def test_who_keeps_a_cluster_busy_keeps_it_awake() -> None:
    """Others and governors, too."""
    loaded = Conditions(background={"a15": BackgroundLoad(0.1)})
    platform = SimulatedPlatform(with_sleep(), conditions=loaded)
    engine = engine_of(platform)
    held_at(platform, engine, 2 * GHZ)
    awake_s = took_s(platform, engine)
    platform.clock.advance(0.01)
    busy_w = platform.truth().power_w["a15"]
    assert took_s(platform, engine) == pytest.approx(awake_s, rel=1e-9)
    platform.disturb(Conditions())
    idle_w = platform.truth().power_w["a15"]
    platform.clock.advance(0.01)
    assert platform.truth().power_w["a15"] < idle_w < busy_w


def test_a_governed_cluster_wakes_in_the_same_time() -> None:
    full = Conditions(background={"a15": BackgroundLoad(4.0)})
    times = []
    for board in (XU3, with_sleep()):
        platform = SimulatedPlatform(board, conditions=full)
        engine = engine_of(platform)
        with platform.hold() as held:
            held.apply(place("a15", 2))
            platform.clock.advance(1.0)
            platform.disturb(Conditions())
            platform.clock.advance(0.01)  # before the governor looks
            times.append(took_s(platform, engine))
    # 0.1 ms more than the XU3's lightest state, at the clock that others' work had brought.
    assert times[1] - times[0] == pytest.approx(119e-6, abs=1e-9)


def test_energy_is_the_integral_of_power_with_sleep() -> None:
    """Inferences at every tenth step, with gaps that are long enough to sleep in and some that are not."""
    platform = SimulatedPlatform(with_sleep(0.0))
    engine = engine_of(platform)
    held_at(platform, engine)
    step_s, integral_mj, before = 2e-5, 0.0, dict(platform.truth().energy_mj)
    for index in range(3000):
        if index % 100 == 0 or index % 1000 == 30:
            drawn = platform.truth().energy_mj["a15"]
            engine.infer(FRAME)
            integral_mj += platform.truth().energy_mj["a15"] - drawn
        platform.clock.advance(step_s)
        integral_mj += 1000 * step_s * platform.truth().power_w["a15"]
    assert platform.truth().energy_mj["a15"] - before["a15"] == pytest.approx(integral_mj, rel=5e-3)


def test_sleep_saves_what_its_time_says_and_warms_less() -> None:
    """An idle board for a minute: the A15 draws less by what waiting cores drew, and nothing else changes."""
    awake, asleep = (SimulatedPlatform(with_sleep(share)) for share in (1.0, 0.0))
    for platform in (awake, asleep):
        with platform.hold() as board:
            board.apply(place("a15", 1, 1800 * MHZ))
            platform.clock.advance(60)
            one = platform.truth()
            platform.clock.advance(1)
            other = platform.truth()
            assert other.energy_mj["a15"] - one.energy_mj["a15"] == pytest.approx(1000 * other.power_w["a15"], rel=1e-3)
    cluster = awake.spec.cluster("a15")
    waiting_w = 4 * 0.2 * cluster.power.core_w_per_ghz_v2.value * 1.8 * cluster.voltage_v(1800 * MHZ) ** 2
    hot, cool = awake.truth(), asleep.truth()
    assert hot.power_w["a15"] - cool.power_w["a15"] > waiting_w  # leakage of a warmer cluster comes on top
    assert hot.temperature_c["a15"] > cool.temperature_c["a15"] + 0.5
    assert hot.energy_mj["memory"] == cool.energy_mj["memory"]


def test_a_sleeping_cluster_warms_by_what_it_draws_from_the_moment_it_sleeps() -> None:
    spec = with_sleep(0.0)
    without_fan = msgspec.structs.replace(spec, thermal=msgspec.structs.replace(spec.thermal, trips=()))
    platform = SimulatedPlatform(without_fan)
    held_at(platform, engine_of(platform), 1800 * MHZ)
    before = platform.truth()
    platform.clock.advance(0.05)
    after = platform.truth()
    thermal = platform.spec.thermal
    model, air_c = ThermalModel.of(thermal), thermal.ambient_c.value
    celsius = tuple(before.temperature_c.values())
    for truth, seconds in ((before, 0.0011), (after, 0.0489)):
        celsius = model.advance(celsius, model.node_heat_w(truth.power_w), seconds, air_c)
    assert after.power_w["a15"] < before.power_w["a15"]
    assert tuple(after.temperature_c.values()) == pytest.approx(celsius, abs=1e-7)


def test_a_state_that_saves_nothing_changes_no_power() -> None:
    """As all of the XU3's own: what was fitted stays as it was."""
    bare = msgspec.structs.replace(
        XU3, clusters=tuple(msgspec.structs.replace(cluster, idle_states=()) for cluster in XU3.clusters)
    )
    truths = []
    for board in (XU3, bare):
        platform = SimulatedPlatform(board, schedule=[(1.0, Conditions(background={"a15": BackgroundLoad(2.0)}))])
        platform.clock.advance(5.0)
        truths.append(platform.truth())
    assert truths[0] == truths[1]


def test_a_board_that_is_off_does_not_doze() -> None:
    platform = SimulatedPlatform(with_battery(with_sleep(), 0.0001))
    platform.clock.advance(60)
    platform.disturb(Conditions(background={"a15": BackgroundLoad(1.0)}))
    platform.disturb(Conditions())
    platform.clock.advance(1)
    assert platform.truth().power_w["a15"] == 0


# Always the same.


def stream(platform: SimulatedPlatform, *, is_watched: bool = False) -> tuple[Truth, list[float]]:
    engine, times = engine_of(platform), []
    with platform.hold() as board:
        for index in range(300):
            platform.clock.sleep_until(0.033 * index)
            if index % 50 == 0:
                engine.activate(tuple(NETWORKS)[index // 50 % 4])
                board.apply(place(("a15", "a7", "gpu")[index // 50 % 3]))
            if is_watched:
                board.snapshot()
                platform.snapshot()
                platform.truth()
            times.append(took_s(platform, engine))
    return platform.truth(), times


def disturbed(board: str | BoardSpec, seed: int) -> SimulatedPlatform:
    cluster = board.clusters[0].name if isinstance(board, BoardSpec) else load_board(board).clusters[0].name
    loaded = Conditions(background={cluster: BackgroundLoad(1.0, memory_gb_s=1.0)}, ambient_c=35.0)
    return SimulatedPlatform(board, seed=seed, schedule=[(3.0, loaded), (7.0, Conditions())])


ALIKE = pytest.mark.parametrize("board", ["odroid-xu3", with_sleep()], ids=["as it is", "with sleep"])


@ALIKE
def test_the_same_seed_gives_the_same_run_to_the_last_bit(board: str | BoardSpec) -> None:
    one, other = stream(disturbed(board, 5)), stream(disturbed(board, 5))
    assert one == other
    if isinstance(board, str):  # the other one's latencies do not scatter
        assert stream(disturbed(board, 6))[1] != one[1]


@ALIKE
def test_looking_changes_nothing(board: str | BoardSpec) -> None:
    assert stream(disturbed(board, 5), is_watched=True) == stream(disturbed(board, 5))


@ALIKE
def test_waiting_in_small_steps_or_in_one_is_the_same(board: str | BoardSpec) -> None:
    one, other = disturbed(board, 5), disturbed(board, 5)
    one.clock.sleep_until(10.0)
    for tick in range(1, 1001):
        other.clock.sleep_until(tick / 100)
        other.snapshot()
    assert one.truth() == other.truth()


def test_readings_of_one_seed_repeat() -> None:
    def readings() -> list[object]:
        platform = disturbed("odroid-xu3", 3)
        return [(platform.clock.advance(0.05), platform.snapshot()) for _ in range(100)]  # type: ignore[attr-defined]

    assert readings() == readings()


# The rest of the world.


def slowdown(conditions: Conditions, configuration: Configuration) -> float:
    """How many times longer an inference takes under conditions."""

    def at(world: Conditions) -> float:
        platform = SimulatedPlatform(XU3, conditions=world)
        engine = engine_of(platform)
        engine.activate(LARGE)
        with platform.hold() as board:
            board.apply(configuration)
            platform.clock.advance(0.02)
            engine.infer(FRAME)  # which wakes the cluster
            return took_s(platform, engine)

    return at(conditions) / at(Conditions())


def test_others_threads_take_their_share_of_cores() -> None:
    hog = Conditions(background={"a15": BackgroundLoad(4.0)})
    assert slowdown(hog, place("a15", 4, GHZ)) == pytest.approx(2.0, rel=1e-6)
    assert slowdown(hog, place("a15", 1, GHZ)) == pytest.approx(1.25, rel=1e-6)
    assert slowdown(hog, place("a7", 4, GHZ)) == pytest.approx(1.0)


def test_others_on_the_gpu_hurt_more_at_a_low_clock() -> None:
    rendering = Conditions(background={"gpu": BackgroundLoad(0.3)})
    fast, slow = (slowdown(rendering, place("gpu", 1, mhz * MHZ)) for mhz in (600, 420))
    assert 1 < fast < slow <= 2


@pytest.mark.parametrize(
    ("frequency_hz", "busy_share", "published"),
    [(1_109_250_000, 0.48, 49.9 / 43.4), (803_250_000, 0.0, 49.9 / 43.4), (803_250_000, 0.48, 69.1 / 43.4)],
)
def test_a_xavier_nx_comes_to_the_published_multipliers(frequency_hz: int, busy_share: float, published: float) -> None:
    """Of a network like Dynamic-OFA's, beside a program that keeps the GPU busy for 48 % of the time."""
    net, board = sub_network(1), still(load_board("jetson-xavier-nx"))

    def at(hz: int, share: float) -> float:
        platform = SimulatedPlatform(board, conditions=Conditions(background={"gpu": BackgroundLoad(share)}))
        layers = layer_costs(public_graph("mobilenet_v3"))
        engine = SimulatedEngine(platform, {net: layers}, input_shape=ITEM, output_shape=(10,))
        engine.load([net])
        with platform.hold() as held:
            held.apply(place("gpu", 1, hz, net=net))
            platform.clock.advance(0.1)
            return took_s(platform, engine)

    assert at(frequency_hz, busy_share) / at(1_109_250_000, 0.0) == pytest.approx(published, rel=0.05)


def test_memory_traffic_and_a_slow_memory_slow_what_is_bound_by_memory_only() -> None:
    traffic = Conditions(background={"a7": BackgroundLoad(0.0, memory_gb_s=4.0)})
    slow_memory = Conditions(memory_mhz=XU3.memory.frequency_mhz[0])
    for conditions in (traffic, slow_memory):
        assert 1 < slowdown(conditions, place("a15", 4, 2 * GHZ)) < 4
    at_high, at_low = (slowdown(slow_memory, place("a15", 1, hz)) for hz in (2 * GHZ, 200 * MHZ))
    assert at_high > at_low > 1
    platform = SimulatedPlatform(XU3, conditions=slow_memory)
    assert not any("mem" in monitor.name and monitor.quantity == "frequency_hz" for monitor in platform.monitors)


def test_a_cap_of_others_refuses_what_is_above_and_a_board_in_force_is_slowed() -> None:
    platform = SimulatedPlatform(XU3)
    with platform.hold() as board:
        board.apply(place("a15", 1, 2 * GHZ))
        platform.disturb(Conditions(caps_hz={"a15": 1_250 * MHZ}))
        platform.clock.advance(0.01)
        assert platform.truth().frequency_hz["a15"] == 1200 * MHZ
        with pytest.raises(KnobRejectedError) as refused:
            board.apply(place("a15", 1, 1300 * MHZ))
        assert (refused.value.asked, refused.value.found) == (1300 * MHZ, 1200 * MHZ)
        assert board.apply(place("a15", 1, 1200 * MHZ)) == place("a15", 1, 1200 * MHZ)
        platform.disturb(Conditions())
        assert board.apply(place("a15", 1, 2 * GHZ)) == place("a15", 1, 2 * GHZ)


def test_a_cluster_that_is_taken_is_refused_and_what_ran_there_is_moved() -> None:
    platform = SimulatedPlatform(XU3)
    engine = engine_of(platform)
    engine.activate(LARGE)
    with platform.hold() as board:
        board.apply(place("a15", 4, 2 * GHZ))
        platform.clock.advance(0.01)
        before_s = took_s(platform, engine)
        platform.disturb(Conditions(taken=frozenset({"a15"})))
        assert took_s(platform, engine) > 2 * before_s
        assert platform.truth().frequency_hz["a15"] == 2 * GHZ
        with pytest.raises(KnobRejectedError) as refused:
            board.apply(place("a15", 2, GHZ))
        assert refused.value.part == "a15.cores"
        assert board.apply(place("a7", 2, GHZ)).cluster == "a7"


def test_a_cluster_that_is_taken_in_the_midst_of_an_inference_hands_it_over() -> None:
    platform = SimulatedPlatform(XU3, schedule=[(0.5, Conditions(taken=frozenset({"a15"})))])
    engine = engine_of(platform, huge=costs(32))
    engine.activate(HUGE)
    with platform.hold() as board:
        board.apply(place("a15", 1, 200 * MHZ, net=HUGE))
        platform.clock.sleep_until(0.49)
        engine.infer(FRAME)
        load = platform.snapshot().readings
    assert load["a7.load_pct"] > 0
    assert load["a15.load_pct"] < 25


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: Conditions(background={"a51": BackgroundLoad(1.0)}), UnknownNameError),
        (lambda: Conditions(taken=frozenset({"npu"})), UnknownNameError),
        (lambda: Conditions(caps_hz={"a15 ": GHZ}), UnknownNameError),
        (lambda: Conditions(background={"a15": BackgroundLoad(5.0)}), UsageError),
        (lambda: Conditions(memory_mhz=1.0), UsageError),
        (lambda: Conditions(battery_charge=0.5), UsageError),
        (lambda: Conditions(taken=frozenset({"a7", "a15"})), UsageError),
        (lambda: Conditions(battery_charge=1.5), UsageError),
        (lambda: Conditions(ambient_c=math.nan), UsageError),
        (lambda: Conditions(caps_hz={"a15": 0}), UsageError),
        (lambda: BackgroundLoad(-1.0), UsageError),
        (lambda: BackgroundLoad(math.nan), UsageError),
        (lambda: BackgroundLoad(2.0, n_threads=1), UsageError),
    ],
)
def test_a_world_that_cannot_be_is_refused(make: Callable[[], Conditions], kind: type[Exception]) -> None:
    platform = SimulatedPlatform(XU3)
    before = platform.truth()
    with pytest.raises(kind):
        platform.disturb(make())
    assert platform.truth() == before


def test_a_world_of_the_past_is_refused() -> None:
    platform = SimulatedPlatform(XU3)
    platform.clock.advance(2.0)
    with pytest.raises(UsageError):
        platform.schedule([(1.0, Conditions())])
    with pytest.raises(UsageError):
        platform.schedule([(math.nan, Conditions())])


def test_background_work_takes_longer_at_a_lower_clock_but_gets_no_more_threads() -> None:
    assert BackgroundLoad(0.4).busy_at(2.0) == 0.8
    assert BackgroundLoad(0.4).busy_at(5.0) == 1.0
    assert BackgroundLoad(1.5, n_threads=4).busy_at(2.0) == 3.0
    assert BackgroundLoad(4.0).busy_at(2.0) == 4.0


# Holding.


def test_a_clock_off_the_ladder_names_the_two_next_to_it() -> None:
    platform = SimulatedPlatform(XU3)
    with platform.hold() as board, pytest.raises(UsageError, match=r"1200000000 .*1300000000|1300000000 .*1200000000"):
        board.apply(place("a15", 1, 1_240 * MHZ))


def test_a_cluster_that_is_left_gets_its_governor_back() -> None:
    platform = SimulatedPlatform(XU3)
    before = platform.read_knobs()
    with platform.hold() as board:
        board.apply(place("a15", 2, 2 * GHZ))
        assert platform.read_knobs()["affinity"] == "4 5"
        board.apply(place("gpu", 1, 600 * MHZ))
        knobs = platform.read_knobs()
        assert (knobs["a15/governor"], knobs["gpu/governor"]) == ("ondemand", "userspace")
        assert knobs["affinity"] == before["affinity"]
        board.apply(place("gpu", 1))
        assert platform.read_knobs()["gpu/governor"] == "simple_ondemand"
        platform.clock.advance(1)
        assert platform.truth().frequency_hz["a15"] == 200 * MHZ
    assert platform.read_knobs() == before


def test_boards_are_found_by_name_id_and_file(tmp_path: Path) -> None:
    assert SimulatedPlatform("odroid-xu3").name == SimulatedPlatform("odroid-xu3@1").name == "odroid-xu3@1"
    with pytest.raises(UnknownNameError) as unknown:
        SimulatedPlatform("odroid-xu4")
    assert "odroid-xu3" in unknown.value.matches
    (tmp_path / "mine.toml").write_text("id = 3")
    with pytest.raises(SpecError):
        SimulatedPlatform(tmp_path / "mine.toml")


def test_a_clock_does_not_go_back() -> None:
    clock = ManualClock(5.0)
    clock.sleep_until(4.0)
    assert clock.now_s() == 5.0
    for seconds in (-1.0, math.nan):
        with pytest.raises(UsageError):
            clock.advance(seconds)


@pytest.mark.parametrize("board", board_ids())
def test_every_board_runs_a_network_on_every_cluster(board: str) -> None:
    platform = SimulatedPlatform(board, seed=2)
    engine = engine_of(platform)
    with platform.hold() as held:
        for cluster in platform.clusters:
            seconds = []
            for opp in (cluster.opps[0], cluster.opps[-1]):
                held.apply(place(cluster.name, 1, opp.frequency_hz))
                platform.clock.advance(0.1)
                seconds.append(np.median([took_s(platform, engine) for _ in range(20)]))
            assert 0 < seconds[1] <= seconds[0] < 60
            assert sum(platform.truth().energy_mj.values()) > 0


# An engine like others.


def test_the_engine_conforms() -> None:
    platform = SimulatedPlatform(XU3)
    engine = SimulatedEngine(platform, NETWORKS, input_shape=ITEM, output_shape=(10,))
    check_engine(engine, np.random.default_rng(1).random((2, *ITEM), dtype=np.float32), sub_networks=list(NETWORKS))


def test_an_engine_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError):
        SimulatedEngine(SimulatedPlatform(XU3), {}, input_shape=ITEM, output_shape=(10,))


def table() -> OperatingTable:
    """Expected latencies on two clusters; accuracy grows with width."""
    board = Board(XU3, seed=0, start_s=0.0)
    clusters = [cluster.name for cluster in XU3.clusters]
    points = []
    for width, net in zip((1, 2, 4, 8), NETWORKS, strict=True):
        work = NetworkWork(NETWORKS[net], XU3)
        for cluster, hz in (("a7", GHZ), ("a15", GHZ), ("a15", 2 * GHZ)):
            seconds, _, _ = work.at(board, clusters.index(cluster), 2, hz)
            metrics = {
                "latency_ms": Estimate(1000 * seconds, "modelled"),
                "accuracy_pct": Estimate(60.0 + width, "assumed"),
            }
            points.append(OperatingPoint(Configuration(net, cluster, 2, hz), metrics))
    return OperatingTable.from_points(points)


def session_of(platform: SimulatedPlatform, trace: Path | None = None, **more: float) -> Session:
    profile = table()
    deadline_ms = more.get("deadline_ms", 1.2 * float(profile.column("latency_ms").value.max()))
    return Session(
        open_package("fashion"),  # for its name in the trace alone
        platform,
        profile,
        Requirements.of(latency_ms=deadline_ms, miss_pct=1.0),
        policy=TenutoPolicy(),
        engine=engine_of(platform),
        clock=platform.clock,
        trace=trace,
    )


def test_a_session_manages_a_simulated_board_in_its_time(tmp_path: Path) -> None:
    loaded = Conditions(background={"a15": BackgroundLoad(4.0)})
    platform = SimulatedPlatform("odroid-xu3", seed=4, schedule=[(5.0, loaded), (12.0, Conditions())])
    before = platform.read_knobs()
    with session_of(platform, tmp_path / "run.jsonl", deadline_ms=60.0) as net:
        results = []
        for index in range(600):
            platform.clock.sleep_until(index / 30)
            results.append(net(FRAME))
        assert not any(thread.name == "tenuto-watch" for thread in threading.enumerate())
    assert platform.read_knobs() == before
    assert platform.clock.now_s() >= 599 / 30
    trace = read_trace(tmp_path / "run.jsonl")
    assert len(trace.steps) == 600
    assert trace.header.platform == "odroid-xu3@1"
    late = sum(result.is_late for result in results)
    assert late < 30
    quiet = [step.observation.readings for step in trace.steps if 2 < step.time_s < 4]
    assert all({"temperature_c", "load_pct", "other_load_pct"} <= readings.keys() for readings in quiet)
    assert max(readings["other_load_pct"] for readings in quiet) < 5
    busy = [step.observation.readings["other_load_pct"] for step in trace.steps if 7 < step.time_s < 11]
    assert np.median(busy) > 20


def test_two_sessions_of_one_seed_are_the_same_step_by_step(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "other"):
        platform = SimulatedPlatform("odroid-xu3", seed=9)
        with session_of(platform, tmp_path / name) as net:
            for index in range(200):
                platform.clock.sleep_until(index / 30)
                net(FRAME)
        texts.append((tmp_path / name).read_text().splitlines()[1:])
    assert texts[0] == texts[1]


def test_a_stream_works_with_the_clock_of_a_test() -> None:
    clock = ManualClock(50.0)
    platform = SimulatedPlatform(XU3, clock=clock)
    with session_of(platform) as net:
        assert net(FRAME).latency_ms == pytest.approx(1000 * (clock.now_s() - 50.0))


def test_readings_by_quantity_are_what_a_policy_is_told() -> None:
    platform = SimulatedPlatform("odroid-xu3")
    platform.clock.advance(1.0)
    readings = readings_by_quantity(platform.monitors, platform.snapshot())
    assert readings.keys() == {"temperature_c", "load_pct"}  # of several rails, which are all is not said


def test_a_fixed_policy_takes_the_modelled_time() -> None:
    """Without scatter and others, what a table says is what an inference takes."""
    platform = SimulatedPlatform(XU3)
    profile = table()
    with Session(
        open_package("fashion"),
        platform,
        profile,
        Requirements.of(latency_ms=1e4),
        policy=FixedPolicy("smallest"),
        engine=engine_of(platform),
        clock=platform.clock,
    ) as net:
        net(FRAME)
        platform.clock.advance(0.1)
        net(FRAME)  # which wakes the cluster
        result = net(FRAME)
    expected_ms = profile.column("latency_ms").value[result.decision.point]
    assert result.latency_ms == pytest.approx(expected_ms, rel=1e-9)
    assert replace(profile.configuration(result.decision.point)).sub_network == result.sub_network
