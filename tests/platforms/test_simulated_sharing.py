"""Several inferences at once on one simulated board: who waits for whom, and what they draw together."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.errors import PlatformError, UnknownNameError, UsageError
from tenuto.graphs import GraphBuilder, LayerCost, layer_costs
from tenuto.platforms.simulated import (
    BackgroundLoad,
    Conditions,
    NetworkWork,
    Running,
    ScaledWork,
    SimulatedEngine,
    SimulatedPlatform,
    contention,
    load_board,
)
from tenuto.platforms.simulated.power import PowerModel
from tenuto.points import Configuration, SubNetwork

XU3 = load_board("odroid-xu3")
GHZ = 1_000_000_000
MHZ = 1_000_000
CLOCKS = {"a7": GHZ, "a15": GHZ, "gpu": 420 * MHZ}


def costs(width: int) -> tuple[LayerCost, ...]:
    build = GraphBuilder("toy")
    value = build.input(1, 3, 32, 32)
    for _ in range(4):
        value = build.conv(value, 16 * width, 3, activation="Relu")
    return layer_costs(build.build(build.linear(build.flatten(build.global_average_pool(value)), 10)))


def heavy() -> tuple[LayerCost, ...]:
    """A classifier that does little but read its weights."""
    build = GraphBuilder("heavy")
    value = build.flatten(build.input(1, 64, 8, 8))
    return layer_costs(build.build(build.linear(build.linear(value, 4096), 10)))


SMALL, LARGE, HEAVY = costs(1), costs(6), heavy()


def board(**more: Any) -> SimulatedPlatform:
    """Awake clocks, none of them a governor's."""
    platform = SimulatedPlatform(XU3, **more)
    platform.request(CLOCKS)
    platform.advance(0.1)
    return platform


def finish(platform: SimulatedPlatform, n_running: int) -> list[tuple[Running, float]]:
    """All that run, in the order in which they end, and the seconds that each took."""
    ended: list[Running] = []
    while len(ended) < n_running:
        ended += platform.advance(math.inf)
    return [(one, one.ended_s - one.began_s) for one in ended if one.ended_s is not None]


def alone_s(costs: Sequence[LayerCost], cluster: str, n_cores: int, *, factor: float = 1.0) -> float:
    platform = board()
    platform.start(NetworkWork(costs, XU3), factor=factor, cluster=cluster, n_cores=n_cores)
    return finish(platform, 1)[0][1]


# One alone.


def test_one_alone_is_what_the_engine_runs() -> None:
    """The same time, energy and heat, whether an engine waits for it or it is started and waited for."""
    still = msgspec.structs.replace(XU3.noise.sigma, value=0.0)
    spec = msgspec.structs.replace(XU3, noise=msgspec.structs.replace(XU3.noise, sigma=still, burst_begin=still))
    net, seen = SubNetwork("toy", (("width_pct", (1,)),)), []
    for is_engine in (True, False):
        platform = SimulatedPlatform(spec)
        work = NetworkWork(SMALL, spec)
        engine = SimulatedEngine(platform, {net: SMALL}, input_shape=(3, 32, 32), output_shape=(10,))
        engine.load([net])
        with platform.hold() as held:
            held.apply(Configuration(net, "a15", 2, GHZ))
            for index in range(300):
                platform.clock.sleep_until(index / 30)
                if is_engine:
                    engine.infer(np.zeros((1, 3, 32, 32), np.float32))
                else:
                    platform.start(work, factor=1.0, cluster="a15", n_cores=2)
                    assert len(platform.advance(math.inf)) == 1
        seen.append((platform.clock.now_s(), platform.truth()))
    assert seen[0] == seen[1]


def test_time_passes_no_further_than_asked_and_who_ended_is_told_once() -> None:
    platform = board()
    seconds = alone_s(LARGE, "a15", 1)
    running = platform.start(NetworkWork(LARGE, XU3), factor=1.0, cluster="a15", n_cores=1, owner="us")
    assert (running.cluster, running.n_cores, running.owner, running.began_s) == ("a15", 1, "us", 0.1)
    assert platform.advance(0.1 + seconds / 2) == ()
    assert platform.clock.now_s() == 0.1 + seconds / 2
    assert running.ended_s is None
    assert platform.advance(9.0) == (running,)
    assert platform.clock.now_s() == running.ended_s == pytest.approx(0.1 + seconds)
    assert platform.advance(9.0) == ()
    assert platform.clock.now_s() == 9.0


def test_an_inference_that_ended_while_the_clock_ran_past_it_is_told_next() -> None:
    platform = board()
    running = platform.start(NetworkWork(SMALL, XU3), factor=1.0, cluster="a15", n_cores=1)
    platform.clock.sleep_until(5.0)
    assert platform.truth().time_s == 5.0
    assert platform.advance(6.0) == (running,)
    assert running.ended_s is not None
    assert running.ended_s < 5.0 == platform.clock.now_s()


# Who shares what.


def test_two_on_all_cores_of_a_cluster_take_twice_as_long_while_both_run() -> None:
    short, long = alone_s(SMALL, "a15", 4), alone_s(LARGE, "a15", 4)
    platform = board()
    platform.start(NetworkWork(SMALL, XU3), factor=1.0, cluster="a15", n_cores=4)
    platform.start(NetworkWork(LARGE, XU3), factor=1.0, cluster="a15", n_cores=4)
    (_, first_s), (_, second_s) = finish(platform, 2)
    # They hardly notice each other's memory traffic.
    assert first_s == pytest.approx(2 * short, rel=0.02)
    assert second_s == pytest.approx(short + long, rel=0.02)


@pytest.mark.parametrize(("n_ours", "n_theirs", "times"), [(2, 2, 1.0), (3, 2, 1.25), (1, 4, 1.25)])
def test_cores_are_shared_as_with_others(n_ours: int, n_theirs: int, times: float) -> None:
    assert contention.core_slowdown(n_ours, n_theirs, 4) == times
    platform = board()
    platform.start(NetworkWork(LARGE, XU3), factor=100.0, cluster="a15", n_cores=n_theirs)
    platform.advance(0.11)
    running = platform.start(NetworkWork(SMALL, XU3), factor=1.0, cluster="a15", n_cores=n_ours)
    assert platform.advance(math.inf) == (running,)
    assert platform.clock.now_s() - 0.11 == pytest.approx(times * alone_s(SMALL, "a15", n_ours), rel=0.02)


@pytest.mark.parametrize("n_others", [1, 2, 3])
def test_an_accelerator_is_shared_out_equally(n_others: int) -> None:
    platform = board()
    for _ in range(n_others):
        platform.start(NetworkWork(SMALL, XU3), factor=50.0, cluster="gpu", n_cores=1)
    running = platform.start(NetworkWork(SMALL, XU3), factor=1.0, cluster="gpu", n_cores=1)
    assert platform.advance(math.inf) == (running,)
    took_s = platform.clock.now_s() - 0.1
    assert took_s == pytest.approx((n_others + 1) * alone_s(SMALL, "gpu", 1), rel=0.02)


def test_memory_is_shared_between_clusters() -> None:
    """What is bound by memory gets slower beside another such, by as much as beside a program that asks for as much."""
    work = NetworkWork(HEAVY, XU3)
    platform = board()
    _, _, asked = work.at(platform._board, 0, 4, GHZ)
    platform.start(ScaledWork(work, 1.0), factor=100.0, cluster="a7", n_cores=4)
    platform.advance(0.11)
    running = platform.start(work, factor=1.0, cluster="a15", n_cores=4)
    assert platform.advance(math.inf) == (running,)
    took_s = platform.clock.now_s() - 0.11
    others = board(conditions=Conditions(background={"a7": BackgroundLoad(4.0, memory_gb_s=asked / 1e9)}))
    others.start(work, factor=1.0, cluster="a15", n_cores=4)
    assert took_s == pytest.approx(finish(others, 1)[0][1], rel=1e-3)  # waking besides
    assert took_s > 1.1 * alone_s(HEAVY, "a15", 4)


def test_compute_on_different_clusters_runs_undisturbed() -> None:
    platform = board()
    platform.start(NetworkWork(SMALL, XU3), factor=1.0, cluster="a15", n_cores=4)
    platform.start(NetworkWork(SMALL, XU3), factor=1.0, cluster="a7", n_cores=4)
    (fast, fast_s), (slow, slow_s) = finish(platform, 2)
    assert (fast.cluster, slow.cluster) == ("a15", "a7")
    assert fast_s == pytest.approx(alone_s(SMALL, "a15", 4), rel=0.02)
    assert slow_s == pytest.approx(alone_s(SMALL, "a7", 4), rel=0.02)


# What changes meanwhile.


def test_what_is_left_goes_on_at_a_new_clock() -> None:
    """Of both: one that began alone, and one beside it."""
    platform = board()
    works = [NetworkWork(LARGE, XU3) for _ in range(2)]
    for work in works:
        platform.start(work, factor=1.0, cluster="a15", n_cores=2)
    slow_s = alone_s(LARGE, "a15", 2)
    platform.advance(0.1 + slow_s / 4)
    assert platform.request({"a15": 2 * GHZ}) == {"a15": 2 * GHZ}
    faster = NetworkWork(LARGE, XU3).at(platform._board, 1, 2, 2 * GHZ)[0]
    (_, one_s), (_, other_s) = finish(platform, 2)
    at_old_s = slow_s / 4 + 0.001
    assert one_s == other_s == pytest.approx(at_old_s + (1 - at_old_s / slow_s) * faster, rel=0.02)


def test_a_program_of_others_slows_all_from_when_it_comes() -> None:
    platform = board()
    for cluster in ("a15", "a7"):
        platform.start(NetworkWork(SMALL, XU3), factor=4.0, cluster=cluster, n_cores=4)
    fast_s, slow_s = (alone_s(SMALL, cluster, 4, factor=4.0) for cluster in ("a15", "a7"))
    load = BackgroundLoad(2.0, n_threads=4)  # which keeps 4 cores busy at half the clock
    platform.schedule([(0.1 + fast_s / 2, Conditions(background={"a15": load}))])
    (_, disturbed_s), (_, quiet_s) = finish(platform, 2)
    assert disturbed_s == pytest.approx(fast_s / 2 + 2 * fast_s / 2, rel=0.02)
    assert quiet_s == pytest.approx(slow_s, rel=0.02)


def test_a_cluster_that_is_lost_leaves_its_inference_to_the_kernel() -> None:
    """Which moves it to the most capable one that is left, where it goes on beside who is there."""
    platform = board()
    moved = platform.start(NetworkWork(LARGE, XU3), factor=1.0, cluster="a15", n_cores=4)
    there = platform.start(NetworkWork(SMALL, XU3), factor=100.0, cluster="a7", n_cores=4)
    fast_s, slow_s = alone_s(LARGE, "a15", 4), alone_s(LARGE, "a7", 4)
    platform.advance(0.1 + fast_s / 2)
    platform.disturb(Conditions(taken=frozenset({"a15"})))
    assert platform.truth().power_w["a15"] < 0.5
    ended = finish(platform, 2)
    assert [one for one, _ in ended] == [moved, there]
    assert ended[0][1] == pytest.approx(fast_s / 2 + 2 * slow_s / 2, rel=0.02)


def test_what_the_kernel_moves_waits_until_the_other_cluster_is_awake() -> None:
    spec = load_board("rk3588")
    work = NetworkWork(SMALL, spec)
    took_s = []
    for is_awake in (True, False):
        platform = SimulatedPlatform(spec, conditions=Conditions())
        platform.request({"a55": GHZ + 8 * MHZ, "a76": GHZ + 200 * MHZ})
        platform.advance(0.1)
        if is_awake:
            platform.start(NetworkWork(SMALL, spec), factor=1000.0, cluster="a55", n_cores=1)
        moved = platform.start(work, factor=1.0, cluster="a76", n_cores=1)
        platform.advance(0.1003)
        platform.disturb(Conditions(taken=frozenset({"a76"})))
        assert platform.advance(math.inf) == (moved,)
        took_s.append(platform.clock.now_s() - 0.1)
    assert took_s[1] - took_s[0] == pytest.approx(120e-6, rel=0.05)


@pytest.mark.parametrize("n_running", [0, 1, 2])
def test_what_happens_just_when_time_is_up_has_happened(n_running: int) -> None:
    platform = board(schedule=[(0.25, Conditions(background={"gpu": BackgroundLoad(0.5)}))])
    for _ in range(n_running):
        platform.start(NetworkWork(SMALL, XU3), factor=1000.0, cluster="a15", n_cores=1)
    platform.advance(0.2)
    quiet_w = platform.truth().power_w
    assert platform.advance(0.25) == ()
    assert platform.truth().power_w["gpu"] > 1.2 * quiet_w["gpu"]
    assert platform.truth().power_w["a15"] == pytest.approx(quiet_w["a15"], rel=0.05)


def test_a_slowdown_that_is_not_modelled_multiplies() -> None:
    for cluster in ("a15", "gpu"):
        platform = board(conditions=Conditions(slowdown={cluster: 1.37}))
        platform.start(NetworkWork(SMALL, XU3), factor=1.0, cluster=cluster, n_cores=1)
        assert finish(platform, 1)[0][1] == pytest.approx(1.37 * alone_s(SMALL, cluster, 1), rel=1e-3)


@pytest.mark.parametrize("factor", [0.99, 0.0, -1.0, math.nan, math.inf])
def test_a_slowdown_below_one_is_refused(factor: float) -> None:
    with pytest.raises(UsageError):
        Conditions(slowdown={"a15": factor})


def test_a_slowdown_of_no_cluster_is_refused() -> None:
    with pytest.raises(UnknownNameError) as caught:
        SimulatedPlatform(XU3, conditions=Conditions(slowdown={"a16": 2.0}))
    assert caught.value.name == "a16"


def test_the_governor_sees_both() -> None:
    """Neither alone would keep any core busy for long enough."""
    platform = SimulatedPlatform(XU3)
    platform.advance(1.0)
    platform.start(NetworkWork(LARGE, XU3), factor=3.0, cluster="a15", n_cores=1)
    platform.start(NetworkWork(LARGE, XU3), factor=3.0, cluster="a7", n_cores=1)
    platform.advance(1.3)
    assert platform.truth().frequency_hz["a15"] == 2 * GHZ
    assert platform.truth().frequency_hz["a7"] == 1400 * MHZ
    while platform._board.crew.running:
        platform.advance(math.inf)
    platform.advance(platform.clock.now_s() + 1.0)
    assert platform.truth().frequency_hz["a15"] == 200 * MHZ


# What it draws.


@pytest.mark.parametrize(("ours", "theirs", "busy"), [(1, 1, 2), (2, 3, 4)])
def test_cores_of_both_are_busy(ours: int, theirs: int, busy: int) -> None:
    platform = board()
    works = [NetworkWork(SMALL, XU3), NetworkWork(LARGE, XU3)]
    for work, n_cores in zip(works, (ours, theirs), strict=True):
        platform.start(work, factor=50.0, cluster="a15", n_cores=n_cores)
    truth = platform.truth()
    model = PowerModel.of(XU3.cluster("a15"))
    celsius = platform._board.polled_c[0]
    assert truth.power_w["a15"] == pytest.approx(model.power_w(GHZ, busy, temperature_c=celsius), rel=1e-3)
    assert platform._board.domains[1].own_cores == min(ours + theirs, 4)


def test_an_accelerator_that_two_share_is_filled_as_they_fill_it_on_average() -> None:
    powers_w = []
    for networks in ((SMALL,), (LARGE,), (SMALL, LARGE)):
        platform = board()
        for network in networks:
            platform.start(NetworkWork(network, XU3), factor=50.0, cluster="gpu", n_cores=1)
        powers_w.append(platform.truth().power_w["gpu"])
    one_w, other_w, both_w = powers_w
    assert other_w > 1.02 * one_w
    assert both_w == pytest.approx((one_w + other_w) / 2, rel=1e-3)


def test_what_both_move_draws_in_the_memory() -> None:
    platform = board()
    works = {"a7": NetworkWork(SMALL, XU3), "gpu": NetworkWork(SMALL, XU3)}
    moved = 0.0
    for (cluster, work), index in zip(works.items(), (0, 2), strict=True):
        platform.start(work, factor=50.0, cluster=cluster, n_cores=1)
        moved += work.at(platform._board, index, 1, CLOCKS[cluster])[2]
    expected_w = XU3.memory.idle_w.value + 1e-12 * XU3.memory.pj_per_byte.value * moved
    assert platform.truth().power_w["memory"] == pytest.approx(expected_w, rel=0.01)
    finish(platform, 2)
    assert platform.truth().power_w["memory"] == XU3.memory.idle_w.value


def test_what_runs_shows_in_the_monitors() -> None:
    platform = board()
    platform.snapshot()
    platform.start(NetworkWork(LARGE, XU3), factor=100.0, cluster="a15", n_cores=1)
    platform.start(NetworkWork(LARGE, XU3), factor=100.0, cluster="a15", n_cores=2)
    platform.advance(0.8)
    readings = platform.snapshot().readings
    assert readings["a15.load_pct"] == pytest.approx(75.0, abs=12.0)  # since before they began
    assert readings["a15.power_w"] == pytest.approx(platform.truth().power_w["a15"], rel=0.1)


STARTS = st.lists(
    st.tuples(
        st.sampled_from(["a7", "a15", "gpu"]),
        st.integers(1, 4),
        st.floats(0.5, 4.0),
        st.floats(0.0, 0.05),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(starts=STARTS, n_looks=st.integers(2, 9), is_governed=st.booleans())
def test_who_looks_changes_nothing_and_energy_is_the_integral_of_power(
    starts: list[tuple[str, int, float, float, bool]], n_looks: int, is_governed: bool
) -> None:
    def work(n_steps: int) -> tuple[list[float], list[float], float]:
        platform = SimulatedPlatform(XU3)
        if not is_governed:
            platform.request(CLOCKS)
        platform.advance(0.1)
        running: list[Running] = []
        integral_mj, began_mj, due_s = 0.0, sum(platform.truth().energy_mj.values()), 0.1

        def pass_time(until_s: float) -> None:
            nonlocal integral_mj
            while platform.clock.now_s() < until_s:
                before_s, power_w = platform.clock.now_s(), sum(platform.truth().power_w.values())
                platform.advance(min(before_s + 0.3 / n_steps, until_s))
                integral_mj += 1000 * power_w * (platform.clock.now_s() - before_s)

        for cluster, n_cores, factor, wait_s, is_small in starts:
            due_s += wait_s
            pass_time(due_s)
            cores = 1 if cluster == "gpu" else n_cores
            network = NetworkWork(SMALL if is_small else LARGE, XU3)
            running.append(platform.start(network, factor=factor, cluster=cluster, n_cores=cores))
        pass_time(8.0)
        assert all(one.ended_s is not None for one in running)
        energies = list(platform.truth().energy_mj.values())
        ends_s = [one.ended_s for one in running if one.ended_s is not None]
        return ends_s, energies, integral_mj / (sum(energies) - began_mj)

    (ends_s, energies_mj, _), (same_s, same_mj, ratio) = work(1), work(10 * n_looks)
    assert same_s == pytest.approx(ends_s, rel=1e-9)
    assert same_mj == pytest.approx(energies_mj, rel=1e-5)  # leakage is worked out at other moments
    assert ratio == pytest.approx(1.0, rel=2e-2)


def test_the_same_calls_lead_to_the_same_place() -> None:
    def work() -> object:
        platform = SimulatedPlatform("rk3588", seed=5)
        networks = [NetworkWork(SMALL, platform.spec), NetworkWork(LARGE, platform.spec)]
        for index in range(60):
            cluster = platform.spec.clusters[index % 3].name
            platform.start(networks[index % 2], factor=1 + index % 5, cluster=cluster, n_cores=1, owner=index % 4)
            platform.advance(index / 100)
        return platform.truth(), platform.snapshot().readings

    assert work() == work()


# An engine beside.


def test_an_engine_waits_for_its_own_inference_only() -> None:
    platform = board()
    net = SubNetwork("toy", (("width_pct", (1,)),))
    engine = SimulatedEngine(platform, {net: LARGE}, input_shape=(3, 32, 32), output_shape=(10,))
    engine.load([net])
    with platform.hold() as held:
        held.apply(Configuration(net, "a15", 4, GHZ))
        short = platform.start(NetworkWork(SMALL, XU3), factor=1.0, cluster="a15", n_cores=4)
        long = platform.start(NetworkWork(LARGE, XU3), factor=100.0, cluster="a15", n_cores=4)
        engine.infer(np.zeros((1, 3, 32, 32), np.float32))
        took_s = platform.clock.now_s() - 0.1
        assert took_s > 1.8 * alone_s(LARGE, "a15", 4)
        assert platform.advance(math.inf) == (short,)
        assert platform.clock.now_s() == pytest.approx(0.1 + took_s)
        assert platform.advance(math.inf) == (long,)


# Asking for clocks.


def test_clocks_of_several_clusters_are_asked_for_at_once_and_the_others_stay() -> None:
    platform = board(conditions=Conditions(caps_hz={"a15": 800 * MHZ}))
    assert platform.request({"a15": 1200 * MHZ, "a7": None}) == {"a15": 800 * MHZ, "a7": 1000 * MHZ}
    platform.advance(2.0)
    assert platform.truth().frequency_hz == {"a15": 800 * MHZ, "a7": 200 * MHZ, "gpu": 420 * MHZ}
    platform.disturb(Conditions())
    platform.advance(2.1)
    assert platform.truth().frequency_hz["a15"] == 1200 * MHZ
    assert platform.request({}) == {}


def test_a_request_that_cannot_be_met_changes_nothing() -> None:
    platform = board()
    with pytest.raises(UnknownNameError):
        platform.request({"a15": 2 * GHZ, "npu": GHZ})
    with pytest.raises(UsageError):
        platform.request({"a15": 2 * GHZ, "a7": GHZ + 1})
    platform.advance(1.0)
    assert platform.truth().frequency_hz == CLOCKS


# What another cluster and another network cost.


def test_coming_from_another_cluster_costs_once() -> None:
    platform = board()
    work = NetworkWork(SMALL, XU3)
    took_s = []
    for cluster in ("a15", "a15", "a7", "a7", "a15", "a15"):
        platform.start(work, factor=1.0, cluster=cluster, n_cores=1, owner="us")
        took_s.append(finish(platform, 1)[0][1])
        platform.advance(platform.clock.now_s() + 0.01)
    assert took_s[4] - took_s[5] == pytest.approx(0.0005, rel=1e-6)
    assert took_s[2] - took_s[3] == pytest.approx(0.0005, rel=1e-6)
    assert took_s[0] == pytest.approx(took_s[1])


def test_another_network_costs_once_and_each_application_its_own() -> None:
    platform = board()
    one, other = NetworkWork(SMALL, XU3), NetworkWork(SMALL, XU3)
    took_s = []
    for owner, work in (("us", one), ("them", other), ("us", other), ("us", other), (None, one)):
        platform.start(work, factor=1.0, cluster="a15", n_cores=1, owner=owner)
        took_s.append(finish(platform, 1)[0][1])
        platform.advance(platform.clock.now_s() + 0.01)
    assert took_s[2] - took_s[3] == pytest.approx(0.0001, rel=1e-6)
    assert took_s[0] == pytest.approx(took_s[1]) == pytest.approx(took_s[3]) == pytest.approx(took_s[4])


# Works.


def test_a_scaled_work_takes_longer_and_moves_as_much() -> None:
    platform = board()
    plain = NetworkWork(HEAVY, XU3)
    seconds, fill, bytes_per_s = plain.at(platform._board, 1, 2, GHZ)
    scaled = ScaledWork(plain, 2.5)
    assert scaled.at(platform._board, 1, 2, GHZ) == (2.5 * seconds, fill, bytes_per_s / 2.5)
    assert scaled.at(platform._board, 1, 2, GHZ) is scaled.at(platform._board, 1, 2, GHZ)


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan, math.inf])
def test_a_work_is_not_scaled_by_nothing(factor: float) -> None:
    with pytest.raises(UsageError):
        ScaledWork(NetworkWork(SMALL, XU3), factor)


# Bad input, and a board that is off.


def test_what_cannot_be_started_is_refused_and_leaves_no_trace() -> None:
    platform = board()
    work = NetworkWork(SMALL, XU3)
    for cluster, n_cores, factor in (("a15", 0, 1.0), ("a15", 5, 1.0), ("gpu", 2, 1.0), ("a15", 1, math.nan)):
        with pytest.raises(UsageError):
            platform.start(work, factor=factor, cluster=cluster, n_cores=n_cores)
    with pytest.raises(UnknownNameError):
        platform.start(work, factor=1.0, cluster="npu", n_cores=1)
    for until_s in (math.inf, math.nan):
        with pytest.raises(UsageError):
            platform.advance(until_s)
    assert platform.advance(1.0) == ()


def test_a_board_that_switches_itself_off_says_when_and_loses_what_runs() -> None:
    platform = SimulatedPlatform(XU3, conditions=Conditions(ambient_c=190.0))
    platform.request(CLOCKS)
    work = NetworkWork(LARGE, XU3)
    for cluster in ("a15", "a7"):
        platform.start(work, factor=1e6, cluster=cluster, n_cores=4)
    with pytest.raises(PlatformError) as caught:
        platform.advance(math.inf)
    assert caught.value.platform == "odroid-xu3@1"
    off_s = platform.clock.now_s()
    assert 0 < off_s < 3600
    with pytest.raises(PlatformError):
        platform.advance(off_s + 10)
    assert platform.clock.now_s() == off_s
    with pytest.raises(PlatformError):
        platform.start(work, factor=1.0, cluster="a15", n_cores=1)
    platform.clock.sleep_until(off_s + 10)
    assert set(platform.truth().power_w.values()) == {0.0}
    assert platform.snapshot().readings == {}
    assert platform._board.crew.running == platform._board.crew.ended == []
