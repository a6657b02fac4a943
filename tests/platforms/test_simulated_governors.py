"""Governors step as the kernel's do: tables worked out by hand, and what holds for every load."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.platforms.simulated import governors
from tenuto.platforms.simulated.governors import GovernorState, Sample, begin, period_s, step

MHZ = 1_000_000
A15 = tuple(mhz * MHZ for mhz in range(200, 2001, 100))
MALI = tuple(mhz * MHZ for mhz in (177, 266, 350, 420, 480, 543, 600))
NAMES = ("performance", "powersave", "ondemand", "conservative", "schedutil", "simple_ondemand")


def after(
    name: str,
    busy_share: float,
    *,
    at_mhz: int,
    ladder: tuple[int, ...] = A15,
    cap_mhz: int | None = None,
    elapsed_s: float = 0.14,
    state: GovernorState | None = None,
) -> GovernorState:
    at_hz = at_mhz * MHZ
    before = GovernorState(at_hz, at_hz) if state is None else state
    cap_hz = ladder[-1] if cap_mhz is None else cap_mhz * MHZ
    return step(name, before, Sample(busy_share, at_hz, elapsed_s), ladder, cap_hz=cap_hz)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("busy_share", "cap_mhz", "mhz"),
    [
        (0.0, None, 200),
        (0.80, None, 1600),  # not above the threshold: 200 + 80 % of 1800 is 1640
        (0.81, None, 2000),
        (0.50, None, 1100),
        (0.25, None, 600),  # 650 lies midway between two steps: the lower
        (0.26, None, 700),  # 668
        (0.999, 1500, 1500),
        (0.80, 1500, 1500),  # 1640 is more than is allowed
        (0.10, 1500, 400),  # 380: the cap does not change the proportion
    ],
)
def test_ondemand_jumps_to_the_top_or_goes_in_proportion(busy_share: float, cap_mhz: int | None, mhz: int) -> None:
    assert after("ondemand", busy_share, at_mhz=1000, cap_mhz=cap_mhz).frequency_hz == mhz * MHZ


def test_ondemand_stays_longer_at_the_top_if_told_to() -> None:
    state, sample = GovernorState(200 * MHZ, 200 * MHZ), Sample(0.9, 200 * MHZ, 0.14)
    up = governors.ondemand(state, sample, A15, A15[-1], sampling_down_factor=5)
    assert (up.frequency_hz, up.periods) == (A15[-1], 5)
    stays = governors.ondemand(up, Sample(0.9, A15[-1], 0.7), A15, A15[-1], sampling_down_factor=5)
    assert stays.periods == 5
    assert governors.ondemand(stays, Sample(0.1, A15[-1], 0.7), A15, A15[-1], sampling_down_factor=5).periods == 1


@pytest.mark.parametrize(
    ("busy_share", "at_mhz", "cap_mhz", "mhz"),
    [
        (0.81, 1000, None, 1100),  # 5 % of 2000 is a step
        (0.80, 1000, None, 1000),
        (0.20, 1000, None, 1000),
        (0.19, 1000, None, 900),
        (0.95, 1900, None, 2000),
        (0.95, 2000, None, 2000),
        (0.05, 200, None, 200),
        (0.95, 1400, 1500, 1400),  # 5 % of what is allowed are 75: 1475, which is no step yet
        (0.95, 1800, 1500, 1500),
    ],
)
def test_conservative_takes_small_steps(busy_share: float, at_mhz: int, cap_mhz: int | None, mhz: int) -> None:
    assert after("conservative", busy_share, at_mhz=at_mhz, cap_mhz=cap_mhz).frequency_hz == mhz * MHZ


def test_conservative_needs_several_periods_where_steps_are_wide() -> None:
    """5 % of 600 MHz are 30: three of them to pass from 480 to 543, going up to the step below, down to that above."""
    state, clocks = GovernorState(480 * MHZ, 480 * MHZ), []
    for _ in range(4):
        state = governors.conservative(state, Sample(1.0, state.frequency_hz, 0.01), MALI, MALI[-1])
        clocks.append((state.wanted_hz // MHZ, state.frequency_hz // MHZ))
    assert clocks == [(510, 480), (540, 480), (570, 543), (600, 600)]
    for _ in range(3):
        state = governors.conservative(state, Sample(0.0, state.frequency_hz, 0.01), MALI, MALI[-1])
    assert (state.wanted_hz // MHZ, state.frequency_hz // MHZ) == (510, 543)


def test_conservative_can_be_told_to_go_down_more_slowly() -> None:
    state, seen = GovernorState(1000 * MHZ, 1000 * MHZ), []
    for _ in range(4):
        sample = Sample(0.0, state.frequency_hz, 0.14)
        state = governors.conservative(state, sample, A15, A15[-1], sampling_down_factor=2)
        seen.append(state.frequency_hz // MHZ)
    assert seen == [1000, 900, 900, 800]


@pytest.mark.parametrize(
    ("busy_share", "at_mhz", "mhz"),
    [
        (1.0, 2000, 2000),
        (1.0, 1000, 1300),  # 1.25 x 1000, the step above
        (0.5, 2000, 1300),
        (0.4, 1000, 500),
        (0.0, 2000, 200),
    ],
)
def test_schedutil_asks_for_a_quarter_more_than_is_used(busy_share: float, at_mhz: int, mhz: int) -> None:
    """After long at one load: utilisation counts in parts of the highest clock."""
    assert after("schedutil", busy_share, at_mhz=at_mhz, elapsed_s=10.0).frequency_hz == mhz * MHZ


def test_schedutil_forgets_half_in_32_ms() -> None:
    full = GovernorState(A15[-1], A15[-1], utilisation=1024.0)
    half = governors.schedutil(full, Sample(0.0, A15[-1], 0.032), A15, A15[-1])
    assert half.utilisation == pytest.approx(512)
    assert half.frequency_hz == 1300 * MHZ


@pytest.mark.parametrize(
    ("busy_share", "at_mhz", "mhz"),
    [
        (0.91, 177, 600),
        (0.90, 420, 420),  # nearly busy: stays
        (0.86, 420, 420),
        (0.85, 600, 600),  # 85 x 600 / 88 = 579.5, the step above
        (0.44, 600, 350),  # 300
        (0.0, 600, 177),
        (0.85, 420, 420),  # 405.6
        (0.30, 350, 177),  # 119
    ],
)
def test_simple_ondemand_divides_by_88(busy_share: float, at_mhz: int, mhz: int) -> None:
    found = after("simple_ondemand", busy_share, at_mhz=at_mhz, ladder=MALI, elapsed_s=0.05)
    assert found.frequency_hz == mhz * MHZ


def test_simple_ondemand_has_other_thresholds_in_vendors_trees() -> None:
    """40 and 10, as a vendor sets for an RK3568: the divisor is 35."""
    state = GovernorState(600 * MHZ, 600 * MHZ)

    def at(busy_share: float) -> int:
        sample = Sample(busy_share, 600 * MHZ, 0.05)
        found = governors.simple_ondemand(state, sample, MALI, MALI[-1], up_threshold_pct=40, down_differential_pct=10)
        return found.frequency_hz // MHZ

    assert [at(0.41), at(0.35), at(0.2)] == [600, 600, 350]


def test_periods_follow_the_declared_latency() -> None:
    assert period_s("ondemand", 140) == pytest.approx(0.140)
    assert period_s("conservative", 40) == pytest.approx(0.040)
    assert period_s("ondemand", 5) == pytest.approx(0.010)
    assert period_s("schedutil", None) == pytest.approx(0.010)
    assert period_s("simple_ondemand", 140) == pytest.approx(0.050)
    assert period_s("performance", 140) == period_s("powersave", 140) == math.inf


def test_the_two_that_never_look_act_when_limits_change() -> None:
    assert begin("performance", 200 * MHZ, A15, cap_hz=A15[-1]).frequency_hz == A15[-1]
    assert begin("performance", 200 * MHZ, A15, cap_hz=1_450 * MHZ).frequency_hz == 1_400 * MHZ
    assert begin("powersave", 2000 * MHZ, A15, cap_hz=A15[-1]).frequency_hz == A15[0]
    assert begin("ondemand", 2000 * MHZ, A15, cap_hz=1_450 * MHZ).frequency_hz == 1_400 * MHZ


names = st.sampled_from(NAMES)
ladders = st.lists(st.integers(100, 3000), min_size=1, max_size=12, unique=True).map(
    lambda steps: tuple(sorted(mhz * MHZ for mhz in steps))
)
shares = st.floats(0, 1)


@given(names, ladders, st.lists(shares, min_size=1, max_size=30), st.data())
def test_every_governor_stays_on_the_ladder_and_under_the_cap(
    name: str, ladder: tuple[int, ...], loads: list[float], data: st.DataObject
) -> None:
    cap_hz = data.draw(st.sampled_from(ladder))
    state = begin(name, ladder[0], ladder, cap_hz=cap_hz)  # type: ignore[arg-type]
    for busy_share in loads:
        sample = Sample(busy_share, state.frequency_hz, 0.05)
        state = step(name, state, sample, ladder, cap_hz=cap_hz)  # type: ignore[arg-type]
        assert state.frequency_hz in ladder
        assert state.frequency_hz <= cap_hz


@given(st.sampled_from(("ondemand", "schedutil", "simple_ondemand")), ladders, shares, shares, st.data())
def test_more_load_never_asks_for_less(
    name: str, ladder: tuple[int, ...], one: float, other: float, data: st.DataObject
) -> None:
    at_hz = data.draw(st.sampled_from(ladder))
    state = GovernorState(at_hz, at_hz)
    less, more = (
        step(name, state, Sample(share, at_hz, 0.05), ladder, cap_hz=ladder[-1])  # type: ignore[arg-type]
        for share in sorted((one, other))
    )
    assert less.frequency_hz <= more.frequency_hz


@given(names, ladders, st.sampled_from((0.0, 1.0)))
def test_every_governor_settles_under_a_constant_load(name: str, ladder: tuple[int, ...], share: float) -> None:
    """At full load at the top (powersave apart), idle at the bottom (performance apart)."""
    state = begin(name, ladder[0], ladder, cap_hz=ladder[-1])  # type: ignore[arg-type]
    for _ in range(2000):
        before, sample = state, Sample(share, state.frequency_hz, 0.14)
        state = step(name, state, sample, ladder, cap_hz=ladder[-1])  # type: ignore[arg-type]
    assert state == before
    is_top = {"performance": True, "powersave": False}.get(name, share > 0)
    if name != "schedutil" or len(ladder) == 1 or all(b <= 1.25 * a for a, b in pairwise(ladder)):
        assert state.frequency_hz == (ladder[-1] if is_top else ladder[0])


@given(ladders, st.integers(1, 4000))
def test_the_three_roundings_bracket_a_clock(ladder: tuple[int, ...], mhz: int) -> None:
    clock_hz = mhz * MHZ
    below, above = governors.at_or_below(ladder, clock_hz), governors.at_or_above(ladder, clock_hz)
    assert governors.closest(ladder, clock_hz) == min(ladder, key=lambda step_hz: (abs(step_hz - clock_hz), step_hz))
    if ladder[0] <= clock_hz <= ladder[-1]:
        assert below <= clock_hz <= above
