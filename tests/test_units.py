"""Quantities, their units, and what vendors report."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto import units
from tenuto.units import QUANTITIES

FIGURES = st.floats(1e-6, 1e6)


@given(FIGURES, FIGURES)
def test_one_watt_for_one_millisecond_is_one_millijoule(power_w: float, latency_ms: float) -> None:
    joules = power_w * (latency_ms / 1000)
    assert power_w * latency_ms == pytest.approx(joules * 1000)


def test_every_quantity_is_filed_under_its_name_which_ends_in_its_unit() -> None:
    suffix = {"ms": "ms", "%": "pct", "mJ": "mj", "W": "w", "°C": "c", "MB": "mb", "Hz": "hz", "M": "m"}
    for name, quantity in QUANTITIES.items():
        assert name == quantity.name
        assert name.rpartition("_")[2] == suffix[quantity.unit]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("latency_ms", 12.3456, "12.35 ms"),
        ("accuracy_pct", 91, "91.00 %"),
        ("temperature_c", -5.04, "-5.0 °C"),
        ("frequency_hz", 1_800_000_000, "1.80 GHz"),
        ("frequency_hz", 600_000_000, "600 MHz"),
    ],
)
def test_a_figure_for_people_carries_its_unit(name: str, value: float, expected: str) -> None:
    assert expected == units.show(name, value)


@given(st.integers(1, 10**8))
def test_a_clock_survives_the_way_through_cpufreq(khz: int) -> None:
    assert khz == units.khz_from_hz(units.hz_from_khz(khz))


def test_vendor_units_become_ours() -> None:
    assert units.hz_from_khz(1_800_000) == 1_800_000_000
    assert units.celsius_from_millidegrees(-1_500) == -1.5
    assert units.watts_from_microwatts(2_500_000) == 2.5
    assert units.watts_from_mv_ma(5_000, 600) == 3.0
