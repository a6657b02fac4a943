"""Figures go to the right places: in order, within the paper, and ticks are round and inside."""

import math

from hypothesis import assume, given
from hypothesis import strategies as st

from tenuto.report._axis import Axis

FIGURES = st.floats(-1e6, 1e6)


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    is_log = draw(st.booleans())
    low = draw(st.floats(1e-3, 1e5) if is_log else FIGURES)
    high = low + draw(st.floats(1e-2, 1e6))
    start, end = draw(st.floats(0, 2000)), draw(st.floats(0, 2000))
    assume(abs(start - end) > 1)
    return Axis(low, high, start, end, is_log=is_log)


@given(axis=axes(), one=FIGURES, other=FIGURES)
def test_a_larger_figure_is_never_nearer_to_the_start(axis: Axis, one: float, other: float) -> None:
    near, far = sorted((one, other))
    direction = math.copysign(1, axis.end - axis.start)
    assert direction * axis(near) <= direction * axis(far) + 1e-9


@given(axis=axes(), value=FIGURES)
def test_every_figure_is_on_the_paper(axis: Axis, value: float) -> None:
    assert min(axis.start, axis.end) - 1e-9 <= axis(value) <= max(axis.start, axis.end) + 1e-9


@given(axis=axes())
def test_the_ends_are_the_ends(axis: Axis) -> None:
    assert (axis.start, axis.end) == (axis(axis.low), axis(axis.high))


def test_an_axis_is_straight_or_logarithmic() -> None:
    assert Axis(0, 10, 0, 100)(2.5) == 25
    assert math.isclose(50, Axis(1, 100, 0, 100, is_log=True)(10))


@given(axis=axes(), n_most=st.integers(2, 12))
def test_ticks_are_few_ascending_and_inside(axis: Axis, n_most: int) -> None:
    ticks = axis.ticks(n_most)
    assert len(ticks) <= n_most
    assert sorted(set(ticks)) == ticks
    slack = 1e-6 * (axis.high - axis.low)
    assert all(axis.low - slack <= tick <= axis.high + slack for tick in ticks)


def test_ticks_are_round() -> None:
    assert Axis(0, 57.6, 0, 1).ticks(4) == [0, 20, 40]
    assert Axis(1, 60, 0, 1, is_log=True).ticks(7) == [1, 2, 5, 10, 20, 50]
