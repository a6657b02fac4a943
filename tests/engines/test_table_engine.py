"""The engine that answers from a profile."""

import numpy as np
import pytest

from tenuto.engines import TableEngine
from tenuto.errors import UnknownMetricError, UnknownNameError, UsageError
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.testing.engines import check_engine

SUB_NETWORKS = [SubNetwork("tiny", (("width_pct", (width,)),)) for width in (25, 50, 100)]
FRAME = np.ones((2, 1, 4, 4), dtype=np.float32)


def _table(metric: str = "latency_ms", frequencies_hz: tuple[int | None, ...] = (None,)) -> OperatingTable:
    return OperatingTable.from_points(
        OperatingPoint(
            Configuration(sub_network, cluster, n_cores, frequency_hz),
            {metric: Estimate(8.0 * (index + 1) / n_cores * (1e9 / frequency_hz if frequency_hz else 1), "measured")},
        )
        for index, sub_network in enumerate(SUB_NETWORKS)
        for cluster in ("little", "big")
        for n_cores in (1, 2)
        for frequency_hz in frequencies_hz
    )


class Clock:
    """Counts what is slept."""

    def __init__(self) -> None:
        self.time_s = 0.0

    def sleep(self, duration_s: float) -> None:
        self.time_s += duration_s


def _engine(table: OperatingTable | None = None, clock: Clock | None = None, **options: object) -> TableEngine:
    where = {"cluster": "big", "n_cores": 1} | options
    return TableEngine(
        table or _table(), input_shape=(1, 4, 4), output_shape=(10,), sleep=(clock or Clock()).sleep, **where
    )


def test_it_keeps_every_promise_of_an_engine() -> None:
    check_engine(_engine(), FRAME, sub_networks=SUB_NETWORKS)


@pytest.mark.parametrize(("n_cores", "expected_ms"), [(1, [8, 16, 24]), (2, [4, 8, 12])])
def test_an_inference_takes_the_profiled_median(n_cores: int, expected_ms: list[float]) -> None:
    clock = Clock()
    engine = _engine(clock=clock, n_cores=n_cores)
    engine.load(SUB_NETWORKS)
    for sub_network, latency_ms in zip(SUB_NETWORKS, expected_ms, strict=True):
        engine.activate(sub_network)
        before = clock.time_s
        output = engine.infer(FRAME)
        assert clock.time_s - before == pytest.approx(latency_ms / 1000)
        assert output.shape == (2, 10)
        assert not output.any()


@pytest.mark.parametrize(("frequency_hz", "expected_ms"), [(None, 4.0), (2_000_000_000, 4.0), (500_000_000, 16.0)])
def test_the_highest_clock_is_the_default(frequency_hz: int | None, expected_ms: float) -> None:
    clock = Clock()
    table = _table(frequencies_hz=(500_000_000, 2_000_000_000))
    engine = _engine(table, clock, frequency_hz=frequency_hz)
    engine.load(SUB_NETWORKS[:1])
    engine.infer(FRAME)
    assert clock.time_s == pytest.approx(expected_ms / 1000)


def test_a_refused_frame_takes_no_time() -> None:
    clock = Clock()
    engine = _engine(clock=clock)
    engine.load(SUB_NETWORKS)
    with pytest.raises(UsageError):
        engine.infer(FRAME[:, :, :3])
    assert clock.time_s == 0


def test_what_is_not_resident_is_in_force_the_second_time_it_is_asked_for() -> None:
    first, second, _ = SUB_NETWORKS
    engine = _engine()
    engine.load([first])
    assert [engine.activate(second), engine.activate(second)] == [first, second]


def test_an_unknown_cluster_is_refused() -> None:
    with pytest.raises(UnknownNameError) as caught:
        _engine(cluster="litle")
    assert (caught.value.kind, caught.value.matches) == ("cluster", ("little",))


def test_a_place_without_latencies_is_refused() -> None:
    with pytest.raises(UsageError, match=r"\[1, 2\]"):
        _engine(n_cores=4)
    with pytest.raises(UsageError, match="1000000 Hz"):
        _engine(frequency_hz=1_000_000)
    with pytest.raises(UnknownMetricError) as caught:
        _engine(_table("power_w"))
    assert caught.value.metric == "latency_ms"
