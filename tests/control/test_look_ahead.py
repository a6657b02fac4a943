"""Looking ahead: at temperature, and at what a battery must last for."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.control import TenutoPolicy
from tenuto.control._heat import GUARD_K, LOOK_AHEAD_S, HeatModel, begin_heat, heat_limits_w, warmed
from tenuto.control._mission import begin_account, mission_limit_w, spent
from tenuto.decisions import Observation
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Mission, Requirements

MODEL = HeatModel((((4.0, 1.0), (6.0, 30.0)),), bound_c=80.0)


def true_rise_k(watts: float, seconds: float) -> float:
    return sum(gain * watts * -math.expm1(-seconds / time_s) for gain, time_s in MODEL.modes[0])


@given(st.floats(0.2, 8), st.floats(15, 45))
def test_what_the_limit_allows_ends_at_the_bound_and_no_warmer(watts: float, air_c: float) -> None:
    """After 10 s of some power the limit is kept up for as long as is looked ahead."""
    heat = begin_heat(MODEL, 0.0)
    for step in range(1, 101):
        heat = warmed(heat, MODEL, 0, watts, time_s=0.1 * step, shown_c=air_c + true_rise_k(watts, 0.1 * step))
    (limit_w,) = heat_limits_w(heat, MODEL)
    decayed_k = sum(
        gain * watts * -math.expm1(-10 / time_s) * math.exp(-LOOK_AHEAD_S / time_s) for gain, time_s in MODEL.modes[0]
    )
    ends_c = air_c + decayed_k + true_rise_k(limit_w, LOOK_AHEAD_S)
    if limit_w > 0:
        assert ends_c == pytest.approx(MODEL.bound_c - GUARD_K, abs=1.0)
    else:
        assert air_c + decayed_k >= MODEL.bound_c - GUARD_K - 1.0


def test_warmer_air_that_nobody_told_of_lowers_the_limit() -> None:
    limits = []
    for warming_k in (0.0, 15.0):
        heat = begin_heat(MODEL, 0.0)
        for step in range(1, 201):
            air_c = 25.0 + (warming_k if step > 100 else 0.0)
            heat = warmed(heat, MODEL, 0, 2.0, time_s=0.1 * step, shown_c=air_c + true_rise_k(2.0, 0.1 * step))
        limits.append(heat_limits_w(heat, MODEL)[0])
    assert limits[1] < limits[0] - 1.0


def test_without_a_thermometer_there_is_no_limit_that_matters() -> None:
    heat = warmed(begin_heat(MODEL, 0.0), MODEL, 0, 5.0, time_s=1.0, shown_c=None)
    assert heat_limits_w(heat, MODEL)[0] >= 100


@pytest.mark.parametrize("shown_c", [math.nan, math.inf])
def test_a_broken_thermometer_teaches_nothing(shown_c: float) -> None:
    heat = warmed(begin_heat(MODEL, 0.0), MODEL, 0, 5.0, time_s=1.0, shown_c=40.0)
    assert warmed(heat, MODEL, 0, 5.0, time_s=2.0, shown_c=shown_c).base_c == heat.base_c


@given(st.floats(0.5, 3), st.floats(0.2, 2), st.floats(1e5, 1e6))
def test_spending_what_the_limit_allows_empties_the_battery_at_the_end(
    rest_w: float, guess: float, capacity: float
) -> None:
    """The rest of the board draws something else than what is known of it, and the gauge counts in per cents."""
    duration_s, left_mj = 3600.0, 1000 * capacity / 100
    need_w = left_mj / 1000 / duration_s
    rest_w = min(rest_w, 0.6 * need_w)
    mission, step_mj = Mission(duration_s), left_mj / 100
    account = begin_account(mission, 0.0, rest_w * guess)
    full_mj, limit_w = left_mj, 0.0
    for second in range(1, int(duration_s) + 1):
        left_mj -= 1000 * (rest_w + limit_w)
        shown_mj = step_mj * round(left_mj / step_mj)
        account = spent(account, mission, limit_w, float(second), shown_mj)
        limit_w = min(mission_limit_w(account, mission), 2 * need_w)
    assert -0.5 <= 100 * left_mj / full_mj <= 2.0


def test_a_clock_that_jumps_back_spends_nothing() -> None:
    account = spent(begin_account(Mission(100.0, 1e6), 5.0, 1.0), Mission(100.0, 1e6), 2.0, 10.0, None)
    assert spent(account, Mission(100.0, 1e6), 2.0, 3.0, None) == account


def small_table() -> OperatingTable:
    points = [
        OperatingPoint(
            Configuration(SubNetwork("toy", (("depth", (depth,)),)), "big", 1, hz),
            {
                "latency_ms": Estimate(30.0 * depth / (hz / 1e9), "assumed"),
                "power_w": Estimate(2.0 * (hz / 1e9) ** 2, "assumed"),
                "energy_mj": Estimate(60.0 * depth * hz / 1e9, "assumed"),
                "idle_power_w": Estimate(0.1, "assumed"),
                "accuracy_pct": Estimate(60.0 + 10 * depth, "assumed"),
                "temperature_c": Estimate(40.0 + 20 * (hz / 1e9) ** 2, "assumed"),
            },
        )
        for depth in (1, 2, 3)
        for hz in (500_000_000, 1_000_000_000, 2_000_000_000)
    ]
    about = {"thermal": {"big": [[10.0, 2.0], [8.0, 30.0]]}, "rest_power_w": 1.0}
    return OperatingTable.from_points(points, about=about)


def test_a_hot_board_is_given_less_to_do_and_a_cold_one_more() -> None:
    table = small_table()
    accuracy = table.column("accuracy_pct").value
    needs = Requirements.of(latency_ms=100, temperature_c=60, period_ms=100)
    chosen = {}
    for celsius in (30.0, 58.5):
        policy = TenutoPolicy()
        state = policy.start(table, needs)
        decision, state = policy.decide(state, Observation(0.0))
        for step in range(1, 60):
            latency_ms = float(table.column("latency_ms").value[decision.point])
            seen = Observation(0.1 * step, decision.point, latency_ms, readings={"temperature_c": celsius})
            decision, state = policy.decide(state, seen)
        chosen[celsius] = float(accuracy[decision.point])
    assert chosen[58.5] < chosen[30.0]


def test_a_mission_rations_and_gives_way_to_the_deadline() -> None:
    table = small_table()
    spends = {}
    for energy_mj in (1.35e6, 4e6, 1e3):
        policy = TenutoPolicy()
        state = policy.start(table, Requirements.of(latency_ms=70, period_ms=100, mission=Mission(1000.0, energy_mj)))
        decision, state = policy.decide(state, Observation(0.0))
        spends[energy_mj] = float(table.column("energy_mj").value[decision.point])
        assert "latency_ms" not in decision.given_up
    assert spends[1e3] <= spends[1.35e6] < spends[4e6]
