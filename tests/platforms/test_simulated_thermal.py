"""How boards warm, and what the kernel does about it: by hand and by property."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tenuto.platforms.simulated import load_board
from tenuto.platforms.simulated._spec import Cooling, Parameter, ThermalNode, ThermalSpec, Trip
from tenuto.platforms.simulated.thermal import ThermalModel
from tenuto.platforms.simulated.throttling import ThrottleState, Throttling

XU3 = load_board("odroid-xu3@1")
MODEL = ThermalModel.of(XU3.thermal)
AMBIENT_C = 25.0
POWERS = st.fixed_dictionaries({name: st.floats(0, 8) for name in ("a7", "a15", "gpu", "memory", "board")})


def figure(value: float) -> Parameter:
    return Parameter(value=value, source="assumed", reference="test")


def lump(name, capacity, to_air, *, to=None, heat=None) -> ThermalNode:
    return ThermalNode(
        name=name,
        capacity_j_per_k=figure(capacity),
        to_ambient_w_per_k=figure(to_air),
        to={other: figure(value) for other, value in (to or {}).items()},
        heat_share=heat or {},
    )


def network(*nodes: ThermalNode) -> ThermalModel:
    return ThermalModel.of(ThermalSpec(ambient_c=figure(AMBIENT_C), nodes=nodes, trips=(), polling_ms=figure(100)))


@pytest.mark.parametrize("seconds", [0.0, 0.01, 3.0, 1e4])
def test_one_lump_warms_by_the_exponential(seconds):
    model = network(lump("chip", 2.0, 0.5, heat={"cpu": 1.0}))
    (found,) = model.advance((AMBIENT_C,), (3.0,), seconds, AMBIENT_C)
    assert found == pytest.approx(AMBIENT_C + 3.0 / 0.5 * (1 - math.exp(-seconds * 0.5 / 2.0)))


@given(power_w=POWERS, first_s=st.floats(0, 20), then_s=st.floats(0, 300), fan=st.sampled_from([1.0, 2.0, 6.0]))
def test_two_steps_in_a_row_are_one_step(power_w, first_s, then_s, fan):
    heat, start = MODEL.node_heat_w(power_w), (70.0, 50.0, 40.0)
    halfway = MODEL.advance(start, heat, first_s, AMBIENT_C, fan)
    twice = MODEL.advance(halfway, heat, then_s, AMBIENT_C, fan)
    assert twice == pytest.approx(MODEL.advance(start, heat, first_s + then_s, AMBIENT_C, fan), abs=1e-6)


@given(power_w=POWERS, fan=st.sampled_from([1.0, 2.0, 6.0]))
def test_everything_settles_where_steady_says_and_stays_there(power_w, fan):
    steady = MODEL.steady(power_w, AMBIENT_C, fan)
    heat = MODEL.node_heat_w(power_w)
    assert MODEL.advance((10.0, 90.0, 50.0), heat, 1e5, AMBIENT_C, fan) == pytest.approx(steady, abs=1e-5)
    assert MODEL.advance(steady, heat, 12.3, AMBIENT_C, fan) == pytest.approx(steady, abs=1e-6)


@given(power_w=POWERS)
def test_more_air_never_warms_a_node(power_w):
    calm, windy = MODEL.steady(power_w, AMBIENT_C, 1.0), MODEL.steady(power_w, AMBIENT_C, 2.0)
    assert all(low <= high + 1e-9 for low, high in zip(windy, calm, strict=True))


def test_without_a_way_out_all_heat_stays_in_the_board():
    model = network(lump("chip", 2.0, 0.0, to={"board": 0.3}, heat={"cpu": 1.0}), lump("board", 10.0, 0.0))
    chip, board = model.advance((30.0, 20.0), (4.0, 0.0), 50.0, AMBIENT_C)
    assert 2.0 * (chip - 30) + 10.0 * (board - 20) == pytest.approx(4.0 * 50)
    with pytest.raises(ValueError, match="way to the air"):
        model.steady({"cpu": 1.0}, AMBIENT_C)


def test_heat_goes_to_the_nodes_that_the_file_names():
    model = network(
        lump("chip", 1.0, 0.1, heat={"cpu": 0.75, "gpu": 1.0}),
        lump("board", 1.0, 0.1, heat={"cpu": 0.25, "memory": 1.0}),
    )
    assert model.node_heat_w({"cpu": 4.0, "memory": 0.5}) == pytest.approx((3.0, 1.5))


def test_the_a15_node_answers_in_about_a_second_and_the_board_in_minutes():
    heat, start = MODEL.node_heat_w({"a15": 6.0}), MODEL.steady({}, AMBIENT_C)
    settled_k = MODEL.steady({"a15": 6.0}, AMBIENT_C)[0] - AMBIENT_C
    part = {
        seconds: (MODEL.advance(start, heat, seconds, AMBIENT_C)[0] - AMBIENT_C) / settled_k for seconds in (1, 10, 600)
    }
    assert 0.1 < part[1] < part[10] < 0.6
    assert 0.8 < part[600] < 1


def trip(kind, begin_c, **more) -> Trip:
    return Trip(name=f"{kind}-{begin_c}", kind=kind, temperature_c=figure(begin_c), hysteresis_c=figure(5.0), **more)


def throttling(*trips: Trip) -> Throttling:
    return Throttling.of(replace(XU3.thermal, trips=trips), XU3.clusters)


def after(model: Throttling, *temperatures_c: float) -> ThrottleState:
    state = model.start()
    for hottest_c in temperatures_c:
        state = model.step(state, hottest_c)
    return state


STEPS = trip("passive", 70.0, cooling=Cooling(lowest_mhz={"a15": 1700.0, "a7": 1300.0}))


@pytest.mark.parametrize(
    ("temperatures_c", "a15_mhz", "a7_mhz"),
    [
        ((), 2000, 1400),
        ((69.9,), 2000, 1400),
        ((70.0,), 1900, 1300),
        ((70.0, 71.0), 1800, 1300),  # the A7 is at its lowest already
        ((70.0, 71.0, 71.0, 72.0, 73.0), 1700, 1300),  # and so is the A15 here
        ((72.0, 71.0), 1900, 1300),  # falling: stays
        ((70.0, 71.0, 66.0), 1800, 1300),  # within the hysteresis: stays
        ((70.0, 71.0, 64.9), 1900, 1300),  # below: one step back
        ((70.0, 71.0, 64.9, 64.9, 64.9), 2000, 1400),
    ],
)
def test_a_passive_trip_goes_down_and_up_one_clock_a_poll(temperatures_c, a15_mhz, a7_mhz):
    model = throttling(STEPS)
    limits = model.limits(after(model, *temperatures_c))
    found = [limits.frequency_hz(name, hz) // 10**6 for name, hz in (("a15", 2 * 10**9), ("a7", 1_400_000_000))]
    assert found == [a15_mhz, a7_mhz]
    assert limits.frequency_hz("a15", 500_000_000) == 500_000_000
    assert limits.frequency_hz("gpu", 600_000_000) == 600_000_000


def test_a_trip_may_begin_further_down_and_keep_the_rail_up():
    jump = Cooling(lowest_mhz={"a15": 1700.0}, highest_mhz={"a15": 1800.0}, rail_mhz={"a15": 1900.0})
    model = throttling(trip("passive", 70.0, cooling=jump))
    limits = model.limits(after(model, 70.0))
    assert limits.frequency_hz("a15", 2_000_000_000) == 1_800_000_000
    assert limits.voltage_hz("a15", 2_000_000_000) == 1_900_000_000
    assert limits.voltage_hz("a15", 1_800_000_000) == 1_800_000_000  # who asks for less gets no more
    assert limits.voltage_hz("a15", 1_000_000_000) == 1_000_000_000
    assert limits.voltage_hz("a7", 1_400_000_000) == 1_400_000_000


def test_the_deepest_trip_decides_and_its_rail_with_it():
    jump = Cooling(lowest_mhz={"a15": 1800.0}, highest_mhz={"a15": 1800.0}, rail_mhz={"a15": 1900.0})
    deep = Cooling(lowest_mhz={"a15": 600.0}, highest_mhz={"a15": 1000.0})
    model = throttling(trip("passive", 70.0, cooling=jump), trip("passive", 80.0, cooling=deep))
    limits = model.limits(after(model, 81.0))
    assert limits.frequency_hz("a15", 2_000_000_000) == 1_000_000_000
    assert limits.voltage_hz("a15", 2_000_000_000) == 1_000_000_000


def test_the_fastest_fan_that_is_on_counts_and_waits_out_its_hysteresis():
    model = throttling(trip("fan", 50.0, conductance=figure(2.0)), trip("fan", 60.0, conductance=figure(4.0)))
    speeds = [model.limits(after(model, *seen)).conductance for seen in ((49.0,), (51.0,), (61.0,), (61.0, 56.0))]
    assert speeds == [1.0, 2.0, 4.0, 4.0]
    assert model.limits(after(model, 61.0, 54.0)).conductance == 2.0
    assert model.limits(after(model, 61.0, 44.0)).conductance == 1.0


def test_a_board_that_switched_itself_off_stays_off():
    model = throttling(trip("critical", 110.0))
    assert not model.limits(after(model, 109.0)).is_off
    assert model.limits(after(model, 110.0, 20.0, 20.0)).is_off


def test_a_known_moment_of_throttling_can_be_imposed_on_the_first_passive_trip():
    deep = trip("passive", 90.0, cooling=Cooling(lowest_mhz={"a15": 600.0}))
    model = throttling(deep, STEPS)
    held = model.held(model.start(), is_held=True)
    assert model.limits(held).frequency_hz("a15", 2_000_000_000) == 1_700_000_000
    assert model.held(held, is_held=False).levels == (0, 0)


@given(st.lists(st.floats(20, 130), max_size=60))
def test_no_temperature_leaves_the_ladder(temperatures_c):
    model = Throttling.of(XU3.thermal, XU3.clusters)
    limits = model.limits(after(model, *temperatures_c))
    for name, ceiling_hz in limits.ceiling_hz.items():
        assert ceiling_hz in XU3.cluster(name).frequencies_hz
    for name, rail_hz in limits.rail_hz.items():
        assert rail_hz in XU3.cluster(name).frequencies_hz
    assert limits.conductance >= 1
