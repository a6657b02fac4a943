"""The latency model: what it must do at any figures, by hand-computed cases, and what the shipped boards say."""

from math import hypot
from statistics import geometric_mean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tenuto.graphs import LayerCost, layer_costs
from tenuto.nets.public import PUBLIC_NETWORKS, public_graph
from tenuto.platforms.simulated import load_board, parameters
from tenuto.platforms.simulated._spec import ClusterSpec, Parameter
from tenuto.platforms.simulated.latency import LatencyModel, element_work

RK3588 = load_board("rk3588@1")
XAVIER = load_board("jetson-xavier-nx@1")
MEMORY = RK3588.memory


def figure(value: float, source: str = "modelled") -> Parameter:
    return Parameter(value=value, source=source, reference="ncnn")  # type: ignore[arg-type]


def cost(
    kind: str = "conv", *, op: str = "Conv", element: str = "float32", macs: float = 1e6, n: float = 1e4
) -> LayerCost:
    size = 4 if element == "float32" else 1
    return LayerCost(
        name="layer",
        op=op,
        kind=kind,  # type: ignore[arg-type]
        element=element,  # type: ignore[arg-type]
        macs=macs,
        weight_bytes=1000.0,
        input_bytes=n * size,
        output_bytes=n * size,
        n_outputs=n,
    )


def cluster(name: str = "a76", **figures: object) -> ClusterSpec:
    """A cluster of the RK3588 with other figures."""
    original = RK3588.cluster(name)
    changed = {key: figure(value) if isinstance(value, int | float) else value for key, value in figures.items()}
    return structs.replace(original, latency=structs.replace(original.latency, **changed))


RATES = {kind: figure(2.0) for kind in ("conv3x3", "conv", "pointwise", "depthwise", "linear", "matmul")}
PLAIN = cluster(
    macs_per_cycle=RATES,
    elements_per_cycle={},
    int8_speedup=2.0,
    int8_speedups={},
    core_memory_gb_s=1.0,
    cluster_memory_gb_s=2.0,
    layer_overhead_us=100.0,
    overhead_clock_share=0.5,
    parallel_share=0.9,
    sync_us=10.0,
)

KINDS = st.sampled_from(
    ["conv3x3", "conv", "pointwise", "depthwise", "linear", "matmul", "pool", "elementwise", "move"]
)
COSTS = st.lists(
    st.builds(
        lambda kind, element, macs, n: cost(kind, element=element, macs=macs if kind in RATES else 0.0, n=n),
        KINDS,
        st.sampled_from(["float32", "int8"]),
        st.floats(1e3, 1e9),
        st.floats(1, 1e7),
    ),
    min_size=1,
    max_size=8,
)
CLUSTERS = st.sampled_from([*RK3588.clusters, *XAVIER.clusters, PLAIN])
CLOCKS = st.integers(100_000_000, 2_400_000_000)


def test_one_layer_on_one_core_takes_what_the_equations_say() -> None:
    model = LatencyModel.of([cost()], PLAIN, MEMORY)
    work_ms = 1e6 / 2.0 / 1.2e9 * 1e3  # at half of the highest clock
    transfer_ms = 81_000 / 1e9 * 1e3
    overhead_ms = 0.1 * (0.5 * 2.4 / 1.2 + 0.5)
    assert model.latency_ms(1, 1_200_000_000) == pytest.approx(hypot(work_ms, transfer_ms) + overhead_ms)


def test_four_cores_share_the_work_but_not_the_memorys_ceiling() -> None:
    model = LatencyModel.of([cost()], PLAIN, MEMORY)
    share = 0.1 + 0.9 / 4
    work_ms, transfer_ms = 1e6 / 2.0 / 2.4e9 * 1e3 * share, 81_000 / 2e9 * 1e3
    expected_ms = hypot(work_ms, transfer_ms) + 0.1 * share + 3 * 0.010
    assert model.latency_ms(4, 2_400_000_000) == pytest.approx(expected_ms)


def test_int8_layers_multiply_faster_unless_their_kind_says_otherwise() -> None:
    fast = cluster(**{name: getattr(PLAIN.latency, name) for name in PLAIN.latency.__struct_fields__})
    slow = structs.replace(fast, latency=structs.replace(fast.latency, int8_speedups={"conv3x3": figure(0.5)}))
    lone = {"macs": 1e9, "n": 1.0}
    float_ms = LatencyModel.of([cost("conv3x3", **lone)], fast, MEMORY).latency_ms(1, 10**9)
    int8_ms = LatencyModel.of([cost("conv3x3", element="int8", **lone)], fast, MEMORY).latency_ms(1, 10**9)
    slow_ms = LatencyModel.of([cost("conv3x3", element="int8", **lone)], slow, MEMORY).latency_ms(1, 10**9)
    other_ms = LatencyModel.of([cost("pointwise", element="int8", **lone)], slow, MEMORY).latency_ms(1, 10**9)
    assert float_ms / int8_ms == pytest.approx(2, rel=1e-2)
    assert slow_ms / float_ms == pytest.approx(2, rel=1e-2)
    assert other_ms == pytest.approx(int8_ms)


@pytest.mark.parametrize(
    ("layer", "work"),
    [
        (cost("conv3x3", n=10), ("conv3x3", 20)),
        (cost("conv3x3", element="int8", n=10), ("int8", 20)),
        (cost("pointwise", element="int8", n=10), ("int8", 20)),
        (cost("pointwise", n=10), ("", 0)),
        (cost("elementwise", op="LRN", macs=0, n=10), ("lrn", 10)),
        (cost("elementwise", op="Softmax", macs=0, n=10), ("exp", 10)),
        (cost("elementwise", op="Add", element="int8", macs=0, n=10), ("", 0)),
    ],
)
def test_elements_count_where_multiplying_does_not_tell_all(layer: LayerCost, work: tuple[str, float]) -> None:
    assert element_work(layer) == work


def test_elements_take_their_time_beside_the_multiplications() -> None:
    extra = structs.replace(PLAIN, latency=structs.replace(PLAIN.latency, elements_per_cycle={"lrn": figure(0.01)}))
    layer = cost("elementwise", op="LRN", macs=0.0, n=1e5)
    more_ms = LatencyModel.of([layer], extra, MEMORY).latency_ms(1, 10**9)
    work_ms, transfer_ms = 1e5 / 0.01 / 1e9 * 1e3, 801_000 / 1e9 * 1e3
    assert more_ms == pytest.approx(hypot(work_ms, transfer_ms) + 0.1 * (0.5 * 2.4 + 0.5))


@given(COSTS, CLUSTERS, CLOCKS, CLOCKS)
def test_a_faster_clock_never_takes_longer_and_never_gains_more_than_its_ratio(
    costs: list[LayerCost], one: ClusterSpec, first_hz: int, second_hz: int
) -> None:
    slow_hz, fast_hz = sorted((first_hz, second_hz))
    model = LatencyModel.of(costs, one, MEMORY)
    slow_ms, fast_ms = model.latency_ms(1, slow_hz), model.latency_ms(1, fast_hz)
    assert fast_ms <= slow_ms * (1 + 1e-9)
    assert slow_ms <= fast_ms * fast_hz / slow_hz * (1 + 1e-9)


@given(COSTS, st.sampled_from([c for c in RK3588.clusters if c.kind == "cpu"]), CLOCKS, st.integers(1, 4))
def test_cores_gain_at_most_their_number(costs: list[LayerCost], one: ClusterSpec, hz: int, n_cores: int) -> None:
    model = LatencyModel.of(costs, one, MEMORY)
    assert model.latency_ms(1, hz) <= model.latency_ms(n_cores, hz) * n_cores * (1 + 1e-9)


@given(COSTS, CLUSTERS, CLOCKS, st.floats(0.05, 1))
def test_less_memory_takes_longer_but_never_by_more_than_what_is_missing(
    costs: list[LayerCost], one: ClusterSpec, hz: int, share: float
) -> None:
    model = LatencyModel.of(costs, one, MEMORY)
    alone_ms, less_ms = model.latency_ms(1, hz), model.latency_ms(1, hz, memory_share=share)
    assert alone_ms * (1 - 1e-9) <= less_ms <= alone_ms / share * (1 + 1e-9)


@given(COSTS, CLUSTERS, st.lists(CLOCKS, min_size=1, max_size=4), st.integers(1, 4), st.floats(0.1, 1))
def test_the_grid_says_what_single_configurations_say(
    costs: list[LayerCost], one: ClusterSpec, clocks: list[int], n_cores: int, share: float
) -> None:
    model = LatencyModel.of(costs, one, MEMORY)
    grid = model.latencies_ms(np.array([[1], [n_cores]]), np.array(clocks), memory_share=share)
    single = [[model.latency_ms(n, hz, memory_share=share) for hz in clocks] for n in (1, n_cores)]
    assert grid.shape == (2, len(clocks))
    np.testing.assert_allclose(grid, single)


@given(COSTS, CLUSTERS)
def test_a_fill_is_a_share_and_a_cpu_is_full(costs: list[LayerCost], one: ClusterSpec) -> None:
    model = LatencyModel.of(costs, one, MEMORY)
    assert 0 < model.fill <= 1
    assert one.kind != "cpu" or model.fill == 1


@given(COSTS, COSTS, CLUSTERS, CLOCKS)
def test_layers_add_up(first: list[LayerCost], second: list[LayerCost], one: ClusterSpec, hz: int) -> None:
    parts = [LatencyModel.of(costs, one, MEMORY).latency_ms(1, hz) for costs in (first, second)]
    whole = LatencyModel.of([*first, *second], one, MEMORY)
    assert whole.latency_ms(1, hz) == pytest.approx(sum(parts))
    assert whole.macs == pytest.approx(sum(layer.macs for layer in (*first, *second)))


def test_what_is_bound_by_memory_does_not_follow_the_clock() -> None:
    copy = LatencyModel.of([cost("move", op="Concat", macs=0.0, n=1e7)], PLAIN, MEMORY)
    assert copy.latency_ms(1, 1_200_000_000) == pytest.approx(copy.latency_ms(1, 2_400_000_000), rel=1e-2)


def test_a_network_of_small_layers_fills_an_accelerator_less() -> None:
    gpu = RK3588.cluster("gpu")
    fills = [LatencyModel.of([cost(macs=1e7, n=n)], gpu, MEMORY).fill for n in (100, 2000, 1e5)]
    assert fills == sorted(fills)
    assert fills[0] < 0.2


def test_an_empty_network_takes_no_time() -> None:
    model = LatencyModel.of([], PLAIN, MEMORY)
    assert model.latency_ms(1, 10**9) == 0


def test_a_guess_anywhere_makes_the_latency_assumed() -> None:
    assert LatencyModel.of([cost()], PLAIN, MEMORY).source == "modelled"
    assert LatencyModel.of([cost()], RK3588.cluster("npu"), MEMORY).source == "assumed"
    unknown = LayerCost("odd", "Odd", "unknown", "float32", 0.0, 0.0, 4.0, 4.0, 1.0, source="assumed")
    assert LatencyModel.of([unknown], PLAIN, MEMORY).source == "assumed"


def test_fitted_cpus_are_modelled_and_the_xu3s_a15_is_assumed() -> None:
    xu3 = load_board("odroid-xu3@1")
    costs = layer_costs(public_graph("mobilenet"))
    for board in map(load_board, ("rk3588@1", "raspberry-pi-5@1", "jetson-orin-nano@1", "jetson-xavier-nx@1")):
        for one in board.clusters:
            if one.kind == "cpu":
                assert LatencyModel.of(costs, one, board.memory).source == "modelled"
    assert LatencyModel.of(costs, xu3.cluster("a15"), xu3.memory).source == "assumed"


def test_an_a55_is_three_to_three_and_a_half_times_as_slow_as_an_a76() -> None:
    """As measured: 3.29 over 33 networks (geometric mean)."""
    ratios = []
    for network in PUBLIC_NETWORKS:
        costs = layer_costs(public_graph(network))
        slow_ms, fast_ms = (
            LatencyModel.of(costs, one, RK3588.memory).latency_ms(1, one.frequencies_hz[-1])
            for one in (RK3588.cluster("a55"), RK3588.cluster("a76"))
        )
        ratios.append(slow_ms / fast_ms)
    assert 3.0 <= geometric_mean(ratios) <= 3.6


def test_the_xavier_nx_gpu_loses_as_published_at_a_lower_clock() -> None:
    """Dynamic-OFA's figure, for a network of this kind: 803 MHz instead of 1.1 GHz takes 1.15 times as long."""
    gpu = XAVIER.cluster("gpu")
    model = LatencyModel.of(layer_costs(public_graph("mobilenet_v3")), gpu, XAVIER.memory)
    ratio = model.latency_ms(1, 803_250_000) / model.latency_ms(1, 1_109_250_000)
    assert ratio == pytest.approx(1.15, abs=0.01)


def test_every_figure_of_a_fitted_cpu_speaks_of_a_fit() -> None:
    for one in (RK3588.cluster("a55"), RK3588.cluster("a76")):
        assert {parameter.source for _, parameter in parameters(one.latency)} == {"modelled"}
