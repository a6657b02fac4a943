"""Operating tables that are calculated for a simulated board."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from tenuto.errors import UnknownNameError, UsageError
from tenuto.graphs import Graph, GraphBuilder, Node, layer_costs
from tenuto.nets.catalogue import CataloguedNetwork, Member, open_network
from tenuto.platforms.simulated import BoardSpec, load_board, read_board
from tenuto.platforms.simulated.latency import LatencyModel
from tenuto.platforms.simulated.power import PowerModel, memory_power_w
from tenuto.platforms.simulated.thermal import ThermalModel
from tenuto.points import SOURCES, OperatingTable, SubNetwork, read_table, write_table
from tenuto.profiling.modelled import model_table, operators_without_rule

BOARD = "odroid-xu3@1"


@pytest.fixture(scope="module")
def board() -> BoardSpec:
    return load_board(BOARD)


@pytest.fixture(scope="module")
def network() -> CataloguedNetwork:
    return open_network("alexnet-groups")


@pytest.fixture(scope="module")
def table(board: BoardSpec, network: CataloguedNetwork) -> OperatingTable:
    return model_table(board, network)


@pytest.fixture
def known_board(tmp_path: Path) -> BoardSpec:
    """The same board as if nothing of it were assumed."""
    text = (resources.files("tenuto.platforms.simulated") / "boards" / f"{BOARD}.toml").read_text(encoding="utf-8")
    path = tmp_path / "known.toml"
    path.write_text(text.replace('"assumed"', '"modelled"'), encoding="utf-8")
    return read_board(path)


def sources(table: OperatingTable, metric: str) -> set[str]:
    return {SOURCES[code] for code in table.column(metric).source.tolist()}


def test_every_sub_network_has_every_core_count_and_every_clock_of_every_cluster(
    board: BoardSpec, network: CataloguedNetwork, table: OperatingTable
) -> None:
    expected = {
        (member.sub_network, cluster.name, n_cores, frequency_hz)
        for member in network.members
        for cluster in board.clusters
        for n_cores in range(1, cluster.n_cores + 1)
        for frequency_hz in cluster.frequencies_hz
    }
    places = [point.configuration for point in table]
    assert len(places) == len(expected)
    assert {(place.sub_network, place.cluster, place.n_cores, place.frequency_hz) for place in places} == expected


def test_latency_power_and_energy_are_those_of_the_boards_models(
    board: BoardSpec, network: CataloguedNetwork, table: OperatingTable
) -> None:
    graphs = {member.sub_network: member.graph for member in network.members}
    for row in range(0, len(table), 23):
        point = table.point(row)
        place, graph = point.configuration, graphs[point.configuration.sub_network]
        assert graph is not None
        assert place.frequency_hz is not None
        cluster = board.cluster(place.cluster)
        latency = LatencyModel.of(layer_costs(graph), cluster, board.memory)
        latency_ms = latency.latency_ms(place.n_cores, place.frequency_hz)
        power_w = PowerModel.of(cluster).power_w(
            place.frequency_hz, place.n_cores, temperature_c=50.0, fill=latency.fill
        )
        traffic = latency.n_bytes / (latency_ms / 1e3)
        power_w += memory_power_w(board.memory, traffic) - memory_power_w(board.memory, 0.0)
        assert point.metrics["latency_ms"].value == pytest.approx(latency_ms)
        assert point.metrics["power_w"].value == pytest.approx(power_w)
        assert point.metrics["energy_mj"].value == pytest.approx(power_w * latency_ms)


def without_fan(board: BoardSpec) -> BoardSpec:
    trips = tuple(trip for trip in board.thermal.trips if trip.kind != "fan")
    return replace(board, thermal=replace(board.thermal, trips=trips))


def test_the_temperature_is_where_power_and_leakage_settle(board: BoardSpec, network: CataloguedNetwork) -> None:
    board = without_fan(board)
    table = model_table(board, network)
    thermal, models = ThermalModel.of(board.thermal), {c.name: PowerModel.of(c) for c in board.clusters}
    checked = 0
    for row in range(0, len(table), 17):
        place, found_c = table.configuration(row), float(table.column("temperature_c").value[row])
        assert found_c > board.thermal.ambient_c.value
        if place.cluster == "gpu" or found_c > 140:
            continue
        assert place.frequency_hz is not None
        resting = {
            cluster.name: models[cluster.name].idle_power_w(
                cluster.frequencies_hz[0], temperature_c=board.thermal.ambient_c.value
            )
            for cluster in board.clusters
        }
        # What the memory moves is left out here: a fraction of a kelvin.
        node = max(board.thermal.nodes, key=lambda one: one.heat_share.get(place.cluster, 0.0)).name
        settled_c = board.thermal.ambient_c.value
        for _ in range(60):
            watts = models[place.cluster].power_w(place.frequency_hz, place.n_cores, temperature_c=settled_c)
            power = {**resting, place.cluster: watts, "board": board.base_w.value, "memory": board.memory.idle_w.value}
            nodes = dict(zip(thermal.node_names, thermal.steady(power, board.thermal.ambient_c.value), strict=True))
            settled_c = nodes[node]
        assert found_c == pytest.approx(max(nodes.values()), abs=1.5)
        checked += 1
    assert checked > 10


def test_a_fan_cools_what_is_above_its_trip_but_not_below_where_it_begins(
    board: BoardSpec, network: CataloguedNetwork
) -> None:
    # In cool air, so that some points need no fan.
    board = replace(board, thermal=replace(board.thermal, ambient_c=replace(board.thermal.ambient_c, value=12.0)))
    table = model_table(board, network)
    starts_c = min(trip.temperature_c.value for trip in board.thermal.trips if trip.kind == "fan")
    cooled_c = table.column("temperature_c").value
    still_c = model_table(without_fan(board), network).column("temperature_c").value
    is_warm = still_c > starts_c
    assert is_warm.any()
    assert not is_warm.all()
    assert (cooled_c[~is_warm] == still_c[~is_warm]).all()
    assert ((cooled_c < still_c)[is_warm] | (still_c[is_warm] == 150)).all(), "beyond that nothing settles"
    assert (cooled_c[is_warm] >= starts_c).all()


def test_a_busy_core_draws_the_same_whatever_it_runs_and_a_gpu_does_not(table: OperatingTable) -> None:
    power_w = table.column("power_w").value.reshape(-1)
    for cluster, most, least in (("a7", 1.03, 1.0), ("a15", 1.03, 1.0), ("gpu", 2.0, 1.01)):
        is_here = (table.cluster_index == table.clusters.index(cluster)) & (table.n_cores == 1)
        lines = np.array([power_w[is_here & (table.sub_network_index == i)] for i in range(len(table.sub_networks))])
        ratio = lines.max(axis=0) / lines.min(axis=0)
        assert least <= ratio.min() <= ratio.max() < most
        assert (np.diff(lines, axis=1) > 0).all(), "power rises with the clock"
        if cluster == "gpu":
            assert (np.diff(lines, axis=0) > 0).all(), "and with the sub-network"


def test_what_rests_on_anything_assumed_is_assumed_and_the_rest_is_not(
    board: BoardSpec, known_board: BoardSpec, network: CataloguedNetwork
) -> None:
    table = model_table(known_board, network)
    for metric in ("latency_ms", "power_w", "energy_mj", "temperature_c", "macs_m", "memory_mb"):
        assert sources(table, metric) == {"modelled"}
    assert sources(table, "accuracy_pct") == {"published"}
    a7 = known_board.cluster("a7")
    activity = replace(a7.power.activity, source="assumed")
    guessed = replace(known_board, clusters=(replace(a7, power=replace(a7.power, activity=activity)),))
    table = model_table(guessed, network)
    assert sources(table, "latency_ms") == {"modelled"}
    assert sources(table, "power_w") == sources(table, "energy_mj") == sources(table, "temperature_c") == {"assumed"}
    gpu = model_table(board, network, clusters=["gpu"])
    assert sources(gpu, "energy_mj") == sources(gpu, "power_w") == {"assumed"}


def graph_with_an_operator_of_no_rule() -> Graph:
    builder = GraphBuilder("odd")
    plain = builder.build(builder.conv(builder.input(1, 3, 32, 32), 8, 3))
    odd = Node("Frobnicate", "odd", (plain.outputs[0],), ("answer",))
    return Graph("odd", plain.inputs, plain.weights, (*plain.nodes, odd), ("answer",))


def test_an_operator_without_a_rule_of_cost_is_named_and_makes_latency_assumed(known_board: BoardSpec) -> None:
    member = Member(SubNetwork("odd", (("level", (1,)),)), "odd", graph_with_an_operator_of_no_rule())
    network = CataloguedNetwork("odd", "odd", (member,))
    assert operators_without_rule(network) == ("Frobnicate",)
    table = model_table(known_board, network)
    assert sources(table, "latency_ms") == sources(table, "energy_mj") == {"assumed"}
    assert sources(table, "power_w") == {"modelled"}
    assert "accuracy_pct" not in table.metrics
    assert operators_without_rule(open_network("alexnet-groups")) == ()


def test_memory_is_the_weights_and_the_layer_that_holds_most(table: OperatingTable) -> None:
    row = next(row for row in range(len(table)) if table.configuration(row).sub_network.name == "w100")
    weights = 4 * (96 * 75 + 256 * 24 * 25 + 9 * (384 * 64 + 384 * 96 + 256 * 96) + 10 * 256 * 8 * 8)
    biases = 4 * (96 + 256 + 384 + 384 + 256 + 10)
    activations = 4 * (96 + 256) * 32 * 32  # the second convolution
    assert table.point(row).metrics["memory_mb"].value * 1e6 == pytest.approx(
        weights + activations + biases, abs=biases
    )


def test_a_batch_takes_longer_and_counts_the_work_of_one_item(board: BoardSpec, network: CataloguedNetwork) -> None:
    one, eight = (model_table(board, network, clusters=["a7"], batch=batch) for batch in (1, 8))
    ratio = eight.column("latency_ms").value / one.column("latency_ms").value
    assert 6 < ratio.min() <= ratio.max() <= 8
    assert (eight.column("macs_m").value == one.column("macs_m").value).all()


def test_warmer_silicon_leaks_more(board: BoardSpec, network: CataloguedNetwork) -> None:
    cool, warm = (model_table(board, network, clusters=["a15"], temperature_c=celsius) for celsius in (30.0, 80.0))
    assert (warm.column("power_w").value > cool.column("power_w").value).all()
    assert (warm.column("temperature_c").value == cool.column("temperature_c").value).all()


def test_only_what_is_asked_for_is_calculated(board: BoardSpec, network: CataloguedNetwork) -> None:
    table = model_table(board, network, clusters=["a15"], n_cores=[2, 3])
    assert {(point.configuration.cluster, point.configuration.n_cores) for point in table} == {("a15", 2), ("a15", 3)}
    with pytest.raises(UnknownNameError) as caught:
        model_table(board, network, clusters=["a51"])
    assert caught.value.matches == ("a15",)
    with pytest.raises(UsageError):
        model_table(board, network, n_cores=[7])
    with pytest.raises(UsageError):
        model_table(board, open_network("dynamic-ofa-cpu"))


def test_a_board_that_cannot_get_rid_of_its_heat_is_a_mistake(board: BoardSpec, network: CataloguedNetwork) -> None:
    sealed = tuple(
        replace(node, to_ambient_w_per_k=replace(node.to_ambient_w_per_k, value=0.0)) for node in board.thermal.nodes
    )
    with pytest.raises(UsageError):
        model_table(replace(board, thermal=replace(board.thermal, nodes=sealed)), network)


def test_a_modelled_table_survives_the_disk(table: OperatingTable, tmp_path: Path) -> None:
    write_table(table, tmp_path / "table.json")
    again = read_table(tmp_path / "table.json")
    assert [point.configuration for point in again] == [point.configuration for point in table]
    assert again.about == table.about
    assert (again.column("energy_mj").value == table.column("energy_mj").value).all()
