"""What is foreseen of an inference is what it then takes and draws, as long as nothing else changes."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.errors import PlatformError, UnknownNameError, UsageError
from tenuto.graphs import GraphBuilder, LayerCost, layer_costs
from tenuto.platforms.simulated import (
    BackgroundLoad,
    BoardSpec,
    Conditions,
    NetworkWork,
    ScaledWork,
    SimulatedPlatform,
    load_board,
)

BOARDS = {name: load_board(name) for name in ("odroid-xu3", "rk3588", "jetson-xavier-nx")}
XU3 = BOARDS["odroid-xu3"]
GHZ = 1_000_000_000
Row = tuple[NetworkWork | ScaledWork, str, int, int | None]


def costs(width: int) -> tuple[LayerCost, ...]:
    build = GraphBuilder("toy")
    value = build.input(1, 3, 32, 32)
    for _ in range(4):
        value = build.conv(value, 16 * width, 3, activation="Relu")
    return layer_costs(build.build(build.linear(build.flatten(build.global_average_pool(value)), 10)))


SMALL, LARGE = costs(1), costs(6)


def rows_of(spec: BoardSpec, works: list[NetworkWork | ScaledWork]) -> list[Row]:
    """All works everywhere, and with every governor."""
    return [
        (work, cluster.name, n_cores, hz)
        for work in works
        for cluster in spec.clusters
        for n_cores in range(1, cluster.n_cores + 1)
        for hz in (*cluster.frequencies_hz, None)
    ]


def clusters_mj(platform: SimulatedPlatform) -> float:
    return sum(platform.truth().energy_mj[cluster.name] for cluster in platform.spec.clusters)


def run(platform: SimulatedPlatform, row: Row, *, factor: float, period_ms: float, owner: str) -> tuple[float, float]:
    """Really run it: its latency, and the energy of all clusters and of its memory traffic."""
    work, cluster, n_cores, frequency_hz = row
    before, began_s, began_mj = platform.truth(), platform.clock.now_s(), clusters_mj(platform)
    platform.request({cluster: frequency_hz})
    running = platform.start(work, factor=factor, cluster=cluster, n_cores=n_cores, owner=owner)
    while running.ended_s is None:
        platform.advance(math.inf)
    latency_ms = 1000 * (running.ended_s - began_s)
    while platform.clock.now_s() < began_s + period_ms / 1000 - 1e-12:
        platform.advance(began_s + period_ms / 1000)
    elapsed_ms = 1000 * (platform.clock.now_s() - began_s)
    memory_mj = platform.truth().energy_mj["memory"] - before.energy_mj["memory"]
    return latency_ms, clusters_mj(platform) - began_mj + memory_mj - elapsed_ms * before.power_w["memory"]


WORLDS = st.sampled_from(
    [
        Conditions(),
        Conditions(ambient_c=35.0, memory_mhz=None),
        Conditions(slowdown={"gpu": 1.37}),
        Conditions(background={"gpu": BackgroundLoad(0.4), "a15": BackgroundLoad(3.0, memory_gb_s=1.5)}),
        Conditions(background={"a15": BackgroundLoad(1.5, n_threads=4), "a7": BackgroundLoad(3.0, memory_gb_s=0.5)}),
        Conditions(caps_hz={"a15": 900_000_000, "gpu": 350_000_000}),
        Conditions(memory_mhz=XU3.memory.frequency_mhz[0], slowdown={"a15": 1.2}),
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    world=WORLDS,
    first=st.integers(0, 10_000),
    then=st.integers(0, 10_000),
    factor=st.floats(0.8, 3.0),
    pause_s=st.sampled_from([0.0, 0.0004, 0.3]),
)
def test_what_is_foreseen_is_what_happens(
    world: Conditions, first: int, then: int, factor: float, pause_s: float
) -> None:
    platform = SimulatedPlatform(XU3, conditions=world)
    works: list[NetworkWork | ScaledWork] = [NetworkWork(SMALL, XU3), ScaledWork(NetworkWork(LARGE, XU3), 1.5)]
    rows = [row for row in rows_of(XU3, works) if row[3] is not None]
    places = platform.places(rows)
    # A governor may change its mind meanwhile, which is not foreseen.
    platform.request({"a7": 600_000_000, "a15": GHZ, "gpu": 420_000_000})
    platform.advance(1.0)
    # A small one, after which the board is not so warm that it cools by much, and no clock is still on its way.
    run(platform, rows[first % (len(rows) // 2)], factor=1.0, period_ms=20.0, owner="us")
    platform.advance(platform.clock.now_s() + pause_s)
    index = then % len(rows)
    latency_ms, energy_mj = platform.foresee(places, factor=factor, period_ms=30.0, owner="us")
    took_ms, drew_mj = run(platform, rows[index], factor=factor, period_ms=30.0, owner="us")
    assert latency_ms[index] == pytest.approx(took_ms, rel=1e-6)
    # Mostly within 1 %; temperatures do not stay quite what they were, above all over a long inference.
    assert energy_mj[index] == pytest.approx(drew_mj, rel=0.03)


@pytest.mark.parametrize("name", BOARDS)
def test_every_place_of_a_board_is_foreseen(name: str) -> None:
    """Sleep states and accelerators included; each place from the same beginning."""
    spec = BOARDS[name]
    works: list[NetworkWork | ScaledWork] = [NetworkWork(LARGE, spec)]

    def begin() -> SimulatedPlatform:
        platform = SimulatedPlatform(spec)
        platform.advance(0.5)
        return platform

    rows = [row for row in rows_of(spec, works) if row[3] is not None][::7]
    platform = begin()
    latency_ms, energy_mj = platform.foresee(platform.places(rows), factor=1.1, period_ms=200.0, owner=0)
    for index, row in enumerate(rows):
        took_ms, drew_mj = run(begin(), row, factor=1.1, period_ms=200.0, owner="us")
        assert latency_ms[index] == pytest.approx(took_ms, rel=1e-6)
        assert energy_mj[index] == pytest.approx(drew_mj, rel=0.02)


@pytest.mark.parametrize("other", ["a15", "a7", "gpu"])
def test_beside_one_of_ours_latency_is_foreseen_where_its_clock_stays(other: str) -> None:
    works: list[NetworkWork | ScaledWork] = [NetworkWork(SMALL, XU3)]
    busy = NetworkWork(LARGE, XU3)
    clocks = {"a15": GHZ, "a7": GHZ, "gpu": 420_000_000}
    rows: list[Row] = [(works[0], name, n_cores, clocks[name]) for name, n_cores in (("a15", 3), ("a7", 2), ("gpu", 1))]

    def begin() -> SimulatedPlatform:
        platform = SimulatedPlatform(XU3)
        platform.request(clocks)
        platform.advance(0.1)
        platform.start(busy, factor=100.0, cluster=other, n_cores=1 if other == "gpu" else 3, owner="other")
        platform.advance(0.12)
        return platform

    platform = begin()
    latency_ms, energy_mj = platform.foresee(platform.places(rows), factor=1.0, period_ms=40.0, owner="us")
    alone = SimulatedPlatform(XU3)
    alone.request(clocks)
    alone.advance(0.12)
    alone_ms, _ = alone.foresee(alone.places(rows))
    for index, row in enumerate(rows):
        after = begin()
        before = after.truth()
        took_ms, drew_mj = run(after, row, factor=1.0, period_ms=40.0, owner="us")
        assert latency_ms[index] == pytest.approx(took_ms, rel=1e-6)
        assert sum(before.power_w.values()) > sum(alone.truth().power_w.values())
        assert (latency_ms[index] > 1.2 * alone_ms[index]) == (row[1] == other)
        assert energy_mj[index] == pytest.approx(drew_mj, rel=0.03)


def test_a_lost_cluster_takes_for_ever() -> None:
    platform = SimulatedPlatform(XU3, conditions=Conditions(taken=frozenset({"a15"})))
    work = NetworkWork(SMALL, XU3)
    latency_ms, energy_mj = platform.foresee(platform.places([(work, "a15", 1, GHZ), (work, "a7", 1, GHZ)]))
    assert np.isinf(latency_ms).tolist() == np.isinf(energy_mj).tolist() == [True, False]


def test_a_cap_of_heat_holds_for_what_is_foreseen() -> None:
    """A hot board that holds its clock down, and the voltage up."""
    platform = SimulatedPlatform(XU3, conditions=Conditions(ambient_c=45.0))
    work = NetworkWork(LARGE, XU3)
    top_hz, held_hz = 2 * GHZ, 1_800_000_000
    place: Row = (work, "a15", 4, top_hz)
    places = platform.places([place, (work, "a15", 4, held_hz), (work, "a15", 4, 1_400_000_000)])
    platform.request({"a15": top_hz})
    platform.advance(0.1)
    while platform.truth().frequency_hz["a15"] == top_hz:
        platform.start(work, factor=1.0, cluster="a15", n_cores=4, owner="us")
        platform.advance(math.inf)
        assert platform.clock.now_s() < 120
    assert platform.request({"a15": top_hz}) == {"a15": held_hz}
    latency_ms, energy_mj = platform.foresee(places, period_ms=50.0, owner="us")
    assert latency_ms[0] == latency_ms[1] < latency_ms[2]
    # Its voltage stays that of 1.9 GHz when 2 GHz are asked for.
    assert energy_mj[0] > 1.02 * energy_mj[1]
    took_ms, drew_mj = run(platform, place, factor=1.0, period_ms=50.0, owner="us")
    assert (latency_ms[0], energy_mj[0]) == (pytest.approx(took_ms, rel=1e-6), pytest.approx(drew_mj, rel=0.02))


def test_what_is_foreseen_while_a_clock_is_on_its_way_counts_what_is_left_of_it() -> None:
    for other_hz in (GHZ, 1_400_000_000, 600_000_000):
        platform = SimulatedPlatform(XU3)
        platform.request({"a15": GHZ})
        platform.advance(0.1)
        platform.request({"a15": 1_400_000_000})
        platform.advance(0.1004)
        work = NetworkWork(LARGE, XU3)
        row: Row = (work, "a15", 2, other_hz)
        places = platform.places([row])
        platform.foresee(places)
        platform.advance(0.1007)
        latency_ms, _ = platform.foresee(places)
        took_ms, _ = run(platform, row, factor=1.0, period_ms=0.0, owner="us")
        assert latency_ms[0] == pytest.approx(took_ms, rel=1e-6)


def test_coming_from_elsewhere_and_another_network_cost_what_the_board_file_says() -> None:
    platform = SimulatedPlatform(XU3)
    one, other = NetworkWork(SMALL, XU3), NetworkWork(LARGE, XU3)
    platform.request({"a7": GHZ, "a15": GHZ})
    platform.advance(0.1)
    rows: list[Row] = [(work, cluster, 1, GHZ) for work in (one, other) for cluster in ("a7", "a15")]
    places = platform.places(rows)
    fresh_ms, _ = platform.foresee(places, owner="us")
    platform.start(one, factor=1.0, cluster="a7", n_cores=1, owner="us")
    platform.advance(math.inf)
    platform.advance(1.0)
    latency_ms, _ = platform.foresee(places, owner="us")
    assert (latency_ms - fresh_ms).tolist() == pytest.approx([0.0, 0.5, 0.1, 0.6], abs=1e-9)
    elsewhere_ms, _ = platform.foresee(places, owner="another")
    assert elsewhere_ms == pytest.approx(fresh_ms)


def test_a_clock_left_to_its_governor_is_foreseen_as_it_is_now() -> None:
    platform = SimulatedPlatform(XU3)
    work = NetworkWork(SMALL, XU3)
    platform.advance(1.0)
    latency_ms, _ = platform.foresee(platform.places([(work, "a15", 1, None), (work, "a15", 1, 200_000_000)]))
    assert latency_ms[0] == latency_ms[1]


def test_a_cluster_that_is_left_counts_as_it_is_in_the_end() -> None:
    platform = SimulatedPlatform(XU3)
    work = NetworkWork(SMALL, XU3)
    rows: list[Row] = [(work, "a7", 1, GHZ), (work, "a15", 1, 2 * GHZ)]
    places = platform.places(rows)
    platform.request({"a15": 2 * GHZ})
    platform.advance(1.0)
    kept_w = platform.truth().power_w["a15"]
    _, kept_mj = platform.foresee(places, period_ms=1000.0)
    _, left_mj = platform.foresee(places, period_ms=1000.0, leaves={"a15"})
    platform.request({"a15": None})
    platform.advance(20.0)
    left_w = platform.truth().power_w["a15"]
    assert left_w < 0.7 * kept_w
    assert left_mj[1] == kept_mj[1]
    assert kept_mj[0] - left_mj[0] == pytest.approx(1000 * (kept_w - left_w), rel=0.15)  # it has cooled since


def test_foreseeing_changes_nothing() -> None:
    def work(look: Callable[[SimulatedPlatform], object]) -> tuple[float, dict[str, float]]:
        platform = SimulatedPlatform("odroid-xu3", seed=3)
        network = NetworkWork(SMALL, platform.spec)
        look_at = platform.places(rows_of(platform.spec, [network]))
        for step in range(60):
            platform.request({"a15": platform.spec.cluster("a15").frequencies_hz[step % 9]})
            look(platform)
            platform.foresee(look_at, owner=0) if look is not nothing else None
            platform.start(network, factor=1.0 + step / 40, cluster="a15", n_cores=2, owner=0)
            platform.advance(math.inf)
            platform.advance(platform.clock.now_s() + 0.01 * (step % 3))
        return platform.clock.now_s(), dict(platform.truth().energy_mj)

    def nothing(platform: SimulatedPlatform) -> None:
        del platform

    assert work(nothing) == work(lambda platform: (platform.truth(), platform.snapshot()))


def test_places_that_a_board_does_not_have_are_refused() -> None:
    platform = SimulatedPlatform(XU3)
    work = NetworkWork(SMALL, XU3)
    with pytest.raises(UnknownNameError):
        platform.places([(work, "npu", 1, GHZ)])
    for rows in ([], [(work, "a15", 5, GHZ)], [(work, "a15", 1, GHZ + 1)]):
        with pytest.raises(UsageError):
            platform.places(rows)


def test_nothing_is_foreseen_of_a_board_that_is_off() -> None:
    platform = SimulatedPlatform(XU3, conditions=Conditions(ambient_c=190.0))
    places = platform.places([(NetworkWork(SMALL, XU3), "a15", 1, GHZ)])
    with pytest.raises(PlatformError):
        platform.advance(3600.0)
    assert 1 < platform.clock.now_s() < 3600
    with pytest.raises(PlatformError):
        platform.foresee(places)
