"""The operating table in memory."""

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from tenuto.errors import UnknownMetricError, UnknownNameError, UsageError
from tenuto.points import (
    NO_FREQUENCY,
    SOURCES,
    Column,
    Configuration,
    Estimate,
    OperatingPoint,
    OperatingTable,
    SubNetwork,
)
from tenuto.testing.strategies import operating_tables

SMALL, LARGE = (SubNetwork.parse(f"fashion/{name}") for name in ("d1.1-w25.25-k3.3", "d2.2-w100.100-k5.5"))


def columns(**changes: Any) -> dict[str, Any]:
    """What a table of three points is made of."""
    made = {
        "sub_networks": (SMALL, LARGE),
        "clusters": ("little", "big"),
        "sub_network_index": np.array([0, 1, 1], dtype=np.int32),
        "cluster_index": np.array([0, 0, 1], dtype=np.int32),
        "n_cores": np.array([1, 1, 4], dtype=np.int32),
        "frequency_hz": np.array([NO_FREQUENCY, 600_000_000, 1_800_000_000], dtype=np.int64),
        "metrics": {
            "latency_ms": Column.uniform([2.0, 12.0, 4.0], "measured"),
            "accuracy_pct": Column.uniform([89.0, 93.0, 93.0], "measured"),
        },
    }
    return made | changes


def figures(name: str, *values: float) -> dict[str, Column]:
    """One metric."""
    return {name: Column.uniform(values, "measured")}


def test_rows_read_as_values() -> None:
    table = OperatingTable(**columns())
    assert len(table) == 3
    assert table.configuration(0) == Configuration(SMALL, "little", 1, None)
    assert table.configuration(2) == Configuration(LARGE, "big", 4, 1_800_000_000)
    assert table.point(1).metrics["latency_ms"] == Estimate(12.0, "measured", None)


@given(operating_tables())
def test_points_gathered_into_columns_come_back_as_they_were(table: OperatingTable) -> None:
    points = list(table)
    again = OperatingTable.from_points(points, about=table.about)
    assert points == list(again)
    assert table.about == again.about


@given(operating_tables())
def test_a_table_survives_the_way_to_another_process(table: OperatingTable) -> None:
    assert list(table) == list(pickle.loads(pickle.dumps(table)))  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    "changes",
    [
        {"sub_network_index": np.array([], dtype=np.int32)},
        {"sub_network_index": np.array([0, 1, 2])},
        {"sub_network_index": np.array([0, 1, -1])},
        {"sub_network_index": np.array([0.0, 1.0, 1.0])},
        {"cluster_index": np.array([0, 0, 2])},
        {"cluster_index": np.array([0, 0])},
        {"n_cores": np.array([1, 0, 1])},
        {"n_cores": np.array([1, 2**40, 1])},
        {"n_cores": np.array([[1], [1], [1]])},
        {"frequency_hz": np.array([-2, 1, 1])},
        {"frequency_hz": np.array([0, 1, 1])},
        {"frequency_hz": np.array([1, 1])},
        {"clusters": ("little", "little")},
        {"clusters": ("little", "")},
        {"sub_networks": (SMALL, SMALL)},
        {"sub_networks": (SMALL, SubNetwork.parse("other/d1"))},
        {"metrics": figures("latency_ms", 1.0, 2.0)},
        {"metrics": figures("latency_ms", 1.0, 2.0, -1.0)},
        {"metrics": figures("latency_ms", 1.0, 2.0, math.inf)},
        {"metrics": figures("accuracy_pct", 1.0, 2.0, 100.5)},
        {"metrics": figures("temperature_c", 1.0, 2.0, math.inf)},
        {"metrics": figures("temperature_c", 1.0, 2.0, -300.0)},
    ],
)
def test_columns_that_make_no_sense_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        OperatingTable(**columns(**changes))


def test_a_temperature_may_be_below_zero() -> None:
    table = OperatingTable(**columns(metrics=figures("temperature_c", -20.0, 0.0, 95.0)))
    assert table.point(0).metrics["temperature_c"].value == -20.0


def test_a_metric_without_a_unit_is_refused() -> None:
    with pytest.raises(UnknownMetricError) as caught:
        OperatingTable(**columns(metrics=figures("latency", 1.0, 2.0, 3.0)))
    assert caught.value.metric == "latency"
    assert "latency_ms" in caught.value.matches


def test_a_metric_that_the_table_does_not_carry_is_answered_with_those_it_does() -> None:
    table = OperatingTable(**columns())
    for ask in (table.column, table.pareto):
        with pytest.raises(UnknownMetricError) as caught:
            ask("power_w")
        assert (caught.value.metric, caught.value.available) == ("power_w", ("accuracy_pct", "latency_ms"))


def test_a_missing_figure_is_absent_and_not_nan() -> None:
    table = OperatingTable(**columns(metrics=figures("latency_ms", math.nan, 2.0, 3.0)))
    assert dict(table.point(0).metrics) == {}


@pytest.mark.parametrize(
    "arrays",
    [
        ([1.0], [math.nan, math.nan], [0]),
        ([1.0], [math.nan], [0, 0]),
        ([[1.0]], [[math.nan]], [[0]]),
        ([1.0], [-1.0], [0]),
        ([1.0], [math.inf], [0]),
        ([1.0], [math.nan], [len(SOURCES)]),
    ],
)
def test_a_column_that_makes_no_sense_is_refused(arrays: tuple[Any, Any, Any]) -> None:
    value, stdev, source = arrays
    with pytest.raises(UsageError):
        Column(np.array(value), np.array(stdev), np.array(source))


def test_an_unknown_source_is_answered_with_the_nearest() -> None:
    for make in (lambda: Column.uniform([1.0], "measurd"), lambda: Estimate(1.0, "measurd")):  # type: ignore[arg-type]
        with pytest.raises(UnknownNameError) as caught:
            make()
        assert (caught.value.kind, caught.value.matches[0]) == ("source", "measured")


@pytest.mark.parametrize(("value", "stdev"), [(math.nan, None), (math.inf, None), (1.0, -1.0), (1.0, math.nan)])
def test_an_estimate_is_a_finite_figure(value: float, stdev: float | None) -> None:
    with pytest.raises(UsageError):
        Estimate(value, "measured", stdev)


@pytest.mark.parametrize("changes", [{"cluster": ""}, {"n_cores": 0}, {"frequency_hz": 0}, {"frequency_hz": -1}])
def test_a_configuration_that_no_board_has_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Configuration(**({"sub_network": SMALL, "cluster": "big"} | changes))


def test_arrays_cannot_be_written_through_the_table_and_stay_writable_for_their_maker() -> None:
    made = columns()
    table = OperatingTable(**made)
    for array in (table.n_cores, table.column("latency_ms").value):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    made["n_cores"][0] = 7


def test_the_front_takes_each_metric_its_better_way() -> None:
    table = OperatingTable(**columns())
    assert [point.configuration for point in table.pareto("latency_ms", "accuracy_pct")] == [
        table.configuration(0),
        table.configuration(2),
    ]
    assert [point.configuration.sub_network for point in table.pareto("accuracy_pct")] == [LARGE]


def test_a_front_in_nothing_or_of_nothing_is_refused() -> None:
    table = OperatingTable(**columns(metrics=figures("latency_ms", math.nan, math.nan, math.nan)))
    with pytest.raises(UsageError):
        table.pareto()
    with pytest.raises(UsageError):
        table.pareto("latency_ms")


@given(operating_tables(), operating_tables())
def test_a_front_of_tables_keeps_whole_rows(table: OperatingTable, other: OperatingTable) -> None:
    for one in (table, other):
        for metric in one.metrics:
            if not np.isnan(one.column(metric).value).all():
                assert next(iter(one.pareto(metric))) in list(one)


def test_points_of_two_networks_do_not_share_a_table() -> None:
    points = [OperatingPoint(Configuration(one, "big"), {}) for one in (SMALL, SubNetwork.parse("other/d1"))]
    with pytest.raises(UsageError):
        OperatingTable.from_points(points)


def test_a_hundred_thousand_points_are_one_array_each() -> None:
    n = 100_000
    table = OperatingTable(
        (SMALL, LARGE),
        ("big",),
        np.arange(n, dtype=np.int32) % 2,
        np.zeros(n, dtype=np.int32),
        np.ones(n, dtype=np.int32),
        np.arange(1, n + 1, dtype=np.int64),
        {"latency_ms": Column.uniform(np.linspace(1, 100, n), "modelled")},
    )
    kept = table.take(np.arange(n)[::-1])
    for array in (kept.sub_network_index, kept.n_cores, kept.frequency_hz, kept.column("latency_ms").value):
        assert isinstance(array, np.ndarray)
        assert array.shape == (n,)
    assert kept.configuration(0).frequency_hz == n
