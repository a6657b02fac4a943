"""Scoring a board on measured latencies: files that the model itself wrote, broken ones, and the public one."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from calibration import cpu_latency, gpu_latency
from calibration._latency_fit import START
from tenuto.errors import SpecError
from tenuto.graphs import layer_costs
from tenuto.nets.public import PUBLIC_NETWORKS, public_graph
from tenuto.platforms.simulated import load_board, parameters
from tenuto.platforms.simulated.latency import LatencyModel
from tenuto.validation import Score, score_latency
from tenuto.validation._latency_file import COLUMNS

DATA = Path(os.environ.get("TENUTO_DATA", Path(__file__).parents[3] / "shared" / "data"))
RK3588 = load_board("rk3588@1")
SECTION = "Rockchip RK3588 (Cortex-A76 2.4GHz x 4 + Cortex-A55 1.8GHz x 4)"
NEWER = "OrangePi5, Rockchip RK3588s (Quad Core A76 2.4GHz + Quad Core A55 1.8GHz)"


@pytest.fixture
def latencies() -> Path:
    path = DATA / "boards" / cpu_latency.CSV_FILE
    if not path.exists():
        pytest.skip(f"{path} is not here; TENUTO_DATA names the folder of the shared data")
    return path


def predicted_ms(network: str, cluster: str, n_threads: int) -> float:
    one = RK3588.cluster(cluster)
    model = LatencyModel.of(layer_costs(public_graph(network)), one, RK3588.memory)
    return model.latency_ms(n_threads, one.frequencies_hz[-1])


def row(
    network: str, *, n_threads: int = 1, powersave: int = 2, gpu: int = -1, factor: float = 1.0, section: str = SECTION
) -> dict[str, object]:
    """What the file would say if the model, times a factor, were right."""
    cluster = "gpu" if gpu >= 0 else {1: "a55", 2: "a76"}.get(powersave, "a76")
    cores = 1 if gpu >= 0 or n_threads > 4 else n_threads
    least = predicted_ms(network, cluster, cores) * factor if network in PUBLIC_NETWORKS else 1.0
    return dict(zip(COLUMNS, (section, n_threads, powersave, gpu, network, least, least * 1.25), strict=True))


def write(path: Path, rows: Sequence[dict[str, object]], columns: Sequence[str] = COLUMNS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def total(score: Score, beginning: str, figure: str = "median_error_pct") -> float:
    (found,) = [one.value for one in score.totals if one.what.startswith(beginning) and one.figure == figure]
    return found


def test_a_file_that_the_model_wrote_has_no_error(tmp_path: Path) -> None:
    rows = [row(name, n_threads=n, powersave=p) for name in ("mobilenet", "resnet18") for n in (1, 4) for p in (1, 2)]
    score = score_latency(RK3588, write(tmp_path / "own.csv", rows))
    assert score.n_measurements == 8
    assert all(abs(one.error_pct) < 1e-6 for one in score.rows)
    assert all(one.average_error_pct == pytest.approx(-20) for one in score.rows)
    assert {one.scaling_error_pct is None for one in score.rows if one.n_threads == 1} == {True}
    assert all(abs(one.scaling_error_pct) < 1e-6 for one in score.rows if one.n_threads == 4)
    assert total(score, "a55 / a76, time on one core, predicted", "ratio") == pytest.approx(
        total(score, "a55 / a76, time on one core, measured", "ratio")
    )


def test_errors_have_sign_and_size(tmp_path: Path) -> None:
    rows = [row("mobilenet", factor=2.0), row("resnet18", factor=0.5), row("vgg16", factor=1.25)]
    score = score_latency(RK3588, write(tmp_path / "off.csv", rows))
    assert {one.network: round(one.error_pct) for one in score.rows} == {
        "mobilenet": -50,
        "resnet18": 100,
        "vgg16": -20,
    }
    assert total(score, "a76, 1 thread, networks of the fit") == pytest.approx(50)


def test_speed_up_is_scored_apart_from_level(tmp_path: Path) -> None:
    rows = [row("mobilenet", factor=3.0), row("mobilenet", n_threads=4, factor=3.3)]
    score = score_latency(RK3588, write(tmp_path / "threads.csv", rows))
    assert total(score, "a76, 4 threads, speed-up over one") == pytest.approx(10)


def test_networks_that_the_fit_did_not_see_have_their_own_total(tmp_path: Path) -> None:
    rows = [row("mobilenet", factor=2.0), row("mobilenet_v2", factor=1 / 1.1)]
    score = score_latency(RK3588, write(tmp_path / "unseen.csv", rows))
    (unseen,) = [one for one in score.totals if one.what.startswith("a76, 1 thread, networks not seen")]
    assert unseen.value == pytest.approx(10)
    assert unseen.asked == 20
    assert {one.network: one.is_seen for one in score.rows} == {"mobilenet": True, "mobilenet_v2": False}


def test_another_build_is_compared_after_its_factor(tmp_path: Path) -> None:
    rows = [row(name, n_threads=4, section=NEWER, factor=f) for name, f in (("vgg16", 0.5), ("mobilenet", 0.5))]
    rows.append(row("resnet18", n_threads=4, section=NEWER, factor=0.6))
    score = score_latency(RK3588, write(tmp_path / "newer.csv", rows))
    assert total(score, f"a76, {NEWER}", "factor") == pytest.approx(0.5)
    errors = {one.network: one.error_pct for one in score.rows}
    assert errors["vgg16"] == pytest.approx(0, abs=1e-6)
    assert errors["resnet18"] == pytest.approx(100 * (0.5 / 0.6 - 1))
    assert all(one.is_another_setup for one in score.rows)


def test_rows_that_cannot_be_scored_are_counted_and_named(tmp_path: Path) -> None:
    rows = [
        row("mobilenet"),
        row("no_such_network"),
        row("mobilenet", n_threads=8),
        row("mobilenet", section="Another board"),
        row("mobilenet", gpu=0),
        row("mobilenet", gpu=0, n_threads=4),
        row("squeezenet_int8", gpu=0),
    ]
    score = score_latency(RK3588, write(tmp_path / "odd.csv", rows))
    assert score.n_measurements == 2
    told = " ".join(score.notes)
    for name in ("no_such_network", "Another board", "int8", "more threads than the 4 cores"):
        assert name in told
    (gpu,) = [one for one in score.rows if one.cluster == "gpu"]
    assert gpu.source == "assumed"


def test_a_row_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    broken = row("resnet50") | {"min_ms": "soon"}
    score = score_latency(RK3588, write(tmp_path / "broken.csv", [row("mobilenet"), broken]))
    assert score.n_measurements == 1
    assert any("1 rows" in note and "read" in note for note in score.notes)


def test_the_score_is_json(tmp_path: Path) -> None:
    score = score_latency(RK3588, write(tmp_path / "own.csv", [row("mobilenet")]))
    assert msgspec.json.decode(msgspec.json.encode(score))["rows"][0]["network"] == "mobilenet"


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    path = write(tmp_path / "short.csv", [row("mobilenet")], [name for name in COLUMNS if name != column])
    with pytest.raises(SpecError) as caught:
        score_latency(RK3588, path)
    assert caught.value.key == column


@pytest.mark.parametrize("column", ["min_ms", "avg_ms", "num_threads", "model"])
def test_a_file_without_a_usable_row_is_refused(tmp_path: Path, column: str) -> None:
    path = write(tmp_path / "empty.csv", [row("mobilenet") | {column: "" if column == "model" else "-1.5"}])
    with pytest.raises(SpecError) as caught:
        score_latency(RK3588, path)
    assert caught.value.path == path


def test_a_file_of_other_boards_is_refused_with_the_sections_that_would_do(tmp_path: Path) -> None:
    path = write(tmp_path / "others.csv", [row("mobilenet", section="Another board")])
    with pytest.raises(SpecError, match="Cortex-A76"):
        score_latency(RK3588, path)


def test_the_board_files_hold_what_the_calibration_yields(latencies: Path) -> None:
    for (board_id, cluster), values in cpu_latency.fit(latencies.parent).items():
        held = dict(parameters(load_board(board_id).cluster(cluster).latency))
        for key, value in values.items():
            if held[key].reference not in cpu_latency.HELD_BACK:
                assert held[key].value == pytest.approx(value, rel=0.02), (board_id, cluster, key)
    for target in gpu_latency.TARGETS:
        held = dict(parameters(load_board(target.board).cluster("gpu").latency))
        figures = gpu_latency.fit_gpu(gpu_latency.measured_on(target, latencies.parent), target.ghz)
        for key, value in gpu_latency.board_values(target, figures).items():
            assert held[key].value == pytest.approx(value, rel=0.02), (target.board, key)


def test_the_calibrations_model_is_the_platforms() -> None:
    """The fit has equations of its own, for their slopes; both must say the same."""
    target = next(one for one in cpu_latency.TARGETS if one.cluster == "a76" and one.board == "rk3588@1")
    networks = ["mobilenet", "resnet18_int8", "googlenet", "vision_transformer"]
    figures, threads = START + 1.5, cpu_latency.Threads(0.95, 5.0, 2.0)
    layers = cpu_latency.layers_of(networks)
    exact = cpu_latency.board_values(target, figures, threads, digits=12)
    one = RK3588.cluster("a76")
    latency = one.latency
    for key, value in exact.items():
        latency = with_value(latency, key, value)
    one = msgspec.structs.replace(one, latency=latency)
    for n_threads in (1, 4):
        ours = cpu_latency.threaded_ms(figures, threads, layers, n_threads)
        for network, expected_ms in zip(networks, ours, strict=True):
            model = LatencyModel.of(layer_costs(public_graph(network)), one, RK3588.memory)
            assert model.latency_ms(n_threads, 2_400_000_000) == pytest.approx(expected_ms, rel=1e-6)


def with_value(latency, key: str, value: float):
    name, _, part = key.partition(".")
    held = getattr(latency, name)
    if part:
        changed = held | {part: msgspec.structs.replace(held[part], value=value)}
    else:
        changed = msgspec.structs.replace(held, value=value)
    return msgspec.structs.replace(latency, **{name: changed})


@pytest.mark.parametrize("board_id", ["rk3588@1", "raspberry-pi-5@1", "jetson-orin-nano@1", "jetson-xavier-nx@1"])
def test_fitted_networks_are_near_and_speed_ups_within_what_was_asked(latencies: Path, board_id: str) -> None:
    score = score_latency(load_board(board_id), latencies)
    for one in score.totals:
        if "1 thread, networks of the fit" in one.what:
            assert one.value < 15
        if "speed-up over one" in one.what:
            assert one.value <= 15


@pytest.mark.slow
def test_networks_left_out_are_predicted_within_a_fifth(latencies: Path) -> None:
    times = cpu_latency.sections(latencies.parent)
    networks = sorted({name for of in times.values() for name in of.get(1, {})})
    found = cpu_latency.hold_out(times, [[name] for name in networks])
    for target in cpu_latency.TARGETS:
        errors = sorted(abs(h.error_pct) for h in found if h.section == target.key and h.n_threads == 1)
        assert errors[len(errors) // 2] <= 20, target
