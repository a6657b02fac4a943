"""A sweep visits every cell in every round, says how sure it is, and goes on where it was stopped."""

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tenuto.engines import TableEngine
from tenuto.errors import SpecError
from tenuto.nets.package import NetworkPackage, PackagedSubNetwork
from tenuto.platforms import LinuxPlatform
from tenuto.points import Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.profiling import Progress, SampleLog, Visit, cells_of, default_table_path, profile
from tenuto.profiling._profile import FEWEST_ROUNDS, METRICS, PER_VISIT, QUANTILES, _quantiles
from tenuto.testing import ManualClock
from tenuto.testing.trees import BARE_VM, ODROID_XU3, write_tree

SUB_NETWORKS = [SubNetwork("toy", (("depth", (depth,)),)) for depth in (1, 2, 3)]
LATENCY_MS = {sub_network: 2.0 * (index + 1) for index, sub_network in enumerate(SUB_NETWORKS)}
ROUNDS = 6

PACKAGE = NetworkPackage(
    name="toy",
    version=3,
    folder=Path(),
    sub_networks=tuple(
        PackagedSubNetwork(one, Path(f"{one.name}.onnx"), Estimate(90.0 + index, "measured", 0.2), 10**6, 250_000)
        for index, one in enumerate(SUB_NETWORKS)
    ),
    input_shape=(1, 4, 4),
    dtype="float32",
    classes=("a", "b"),
    evaluated_on="nothing",
    n_evaluated=1,
    digest="sha256:toy",
)


class CtrlC(KeyboardInterrupt):
    """Ctrl-C, ours."""


class Sweep:
    """A profile of a pretended network on a board of files."""

    def __init__(self, folder: Path) -> None:
        write_tree(folder, BARE_VM)
        self.platform = LinuxPlatform(folder)
        self.cells = cells_of(SUB_NETWORKS, self.platform.clusters, n_cores=[2])
        self.seen: list[Progress] = []

    def run(self, *, stop_after: int | None = None, **options: Any) -> OperatingTable:
        clock = ManualClock()
        truth = OperatingTable.from_points(
            OperatingPoint(cell, {"latency_ms": Estimate(LATENCY_MS[cell.sub_network], "assumed")})
            for cell in self.cells
        )
        engine = TableEngine(
            truth, cluster="cpu", n_cores=2, input_shape=(1, 4, 4), output_shape=(2,), sleep=clock.advance
        )

        def report(progress: Progress) -> None:
            self.seen.append(progress)
            if stop_after is not None and len(self.seen) == stop_after:
                raise CtrlC

        return profile(
            PACKAGE,
            engine,
            self.platform,
            **{
                "cells": self.cells,
                "batch": 4,
                "n_rounds": ROUNDS,
                "report": report,
                "pause_s": 0.0,
                "clock": clock.now_s,
                **options,
            },
        )


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path / "board")


def test_a_profile_measures_every_cell(sweep: Sweep) -> None:
    table = sweep.run()
    assert set(table.metrics) == set(METRICS)
    assert [point.configuration for point in table] == list(sweep.cells)
    for point in table:
        expected_ms = LATENCY_MS[point.configuration.sub_network]
        for metric in QUANTILES:
            figure = point.metrics[metric]
            assert figure.value == pytest.approx(expected_ms)
            assert figure.source == "measured"
            assert figure.stdev == pytest.approx(0.0, abs=1e-9)
        assert point.metrics["memory_mb"] == Estimate(1.0, "modelled")
    assert [point.metrics["accuracy_pct"].value for point in table] == [90.0, 91.0, 92.0]
    assert table.about["input_shape"] == [4, 1, 4, 4]
    assert (table.about["network"], table.about["digest"], table.about["batch"]) == ("toy", "sha256:toy", 4)
    assert table.about["n_samples_per_point"] == ROUNDS * PER_VISIT


def test_each_round_visits_every_cell_once_in_an_order_of_its_own(sweep: Sweep) -> None:
    sweep.run(n_rounds=20)
    orders = [
        tuple(one.configuration for one in sweep.seen[begin : begin + len(sweep.cells)])
        for begin in range(0, len(sweep.seen), len(sweep.cells))
    ]
    assert len(orders) == 20
    assert all(Counter(order) == Counter(sweep.cells) for order in orders)
    assert len(set(orders)) > 1


def test_progress_counts_up_to_what_was_planned(sweep: Sweep) -> None:
    sweep.run()
    assert [one.n_done for one in sweep.seen] == list(range(1, ROUNDS * len(sweep.cells) + 1))
    assert {one.n_planned for one in sweep.seen} == {ROUNDS * len(sweep.cells)}
    assert sweep.seen[-1].left_s == 0
    assert sweep.seen[0].left_s > sweep.seen[-2].left_s > 0


def test_a_budget_takes_rounds_away_but_leaves_a_few(sweep: Sweep) -> None:
    table = sweep.run(n_rounds=500, budget_s=0.001)
    assert table.about["n_samples_per_point"] == FEWEST_ROUNDS * PER_VISIT
    assert sweep.seen[-1].n_done == sweep.seen[-1].n_planned


def test_a_budget_that_is_ample_takes_nothing_away(sweep: Sweep) -> None:
    assert sweep.run(budget_s=1e6).about["n_samples_per_point"] == ROUNDS * PER_VISIT


def test_an_interrupted_profile_goes_on_where_it_stopped(sweep: Sweep, tmp_path: Path) -> None:
    samples = tmp_path / "deep" / "toy.samples.jsonl"
    with pytest.raises(CtrlC):
        sweep.run(samples=samples, stop_after=7)
    assert len(samples.read_bytes().splitlines()) == 1 + 7
    with sweep.platform.hold():
        pass  # the board was given back
    resumed = sweep.run(samples=samples)
    assert sweep.seen[7].n_done == 8
    whole = sweep.run()
    assert resumed.about["n_samples_per_point"] == ROUNDS * PER_VISIT
    for name in whole.metrics:
        np.testing.assert_allclose(resumed.column(name).value, whole.column(name).value)


def test_a_line_that_was_cut_is_measured_again(sweep: Sweep, tmp_path: Path) -> None:
    samples = tmp_path / "toy.samples.jsonl"
    sweep.run(samples=samples)
    whole = samples.read_bytes()
    samples.write_bytes(whole[:-20])
    n_before = len(sweep.seen)
    sweep.run(samples=samples)
    assert len(sweep.seen) == n_before + 1
    assert len(samples.read_bytes().splitlines()) == len(whole.splitlines())


def test_a_complete_log_is_not_measured_again(sweep: Sweep, tmp_path: Path) -> None:
    samples = tmp_path / "toy.samples.jsonl"
    sweep.run(samples=samples)
    n_before = len(sweep.seen)
    sweep.run(samples=samples)
    assert len(sweep.seen) == n_before


def edited(line: bytes, **changes: Any) -> bytes:
    return json.dumps({**json.loads(line), **changes}).encode()


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda lines: [b"{}", *lines[1:]], 1),
        (lambda lines: [b"\xff\xfe", *lines[1:]], 1),
        (lambda lines: [edited(lines[0], schema=2), *lines[1:]], 1),
        (lambda lines: [edited(lines[0], format="a diary"), *lines[1:]], 1),
        (lambda lines: [lines[0], b"not json", *lines[2:]], 2),
        (lambda lines: [*lines[:2], edited(lines[2], cell=3), *lines[3:]], 3),
        (lambda lines: [*lines[:2], edited(lines[2], cell=-1), *lines[3:]], 3),
        (lambda lines: [*lines[:2], edited(lines[2], latency_ms=[]), *lines[3:]], 3),
        (lambda lines: [*lines[:2], edited(lines[2], latency_ms=[-1.0]), *lines[3:]], 3),
        (lambda lines: [*lines[:2], edited(lines[2], latency_ms=["slow"]), *lines[3:]], 3),
        (lambda lines: [*lines[:2], b"\xff" * 5, *lines[3:]], 3),
    ],
)
def test_a_damaged_log_is_refused_with_its_line_and_a_way_out(
    sweep: Sweep, tmp_path: Path, damage: Any, line: int
) -> None:
    samples = tmp_path / "toy.samples.jsonl"
    sweep.run(samples=samples)
    damaged = b"\n".join([*damage(samples.read_bytes().splitlines()), b""])
    samples.write_bytes(damaged)
    with pytest.raises(SpecError, match="--fresh") as caught:
        sweep.run(samples=samples)
    assert (caught.value.path, caught.value.line) == (samples, line)
    assert samples.read_bytes() == damaged, "nothing is thrown away unasked"


@pytest.mark.parametrize(("changes", "key"), [({"batch": 8}, "batch"), ({"seed": 2}, "seed")])
def test_a_log_of_something_else_is_refused(sweep: Sweep, tmp_path: Path, changes: dict[str, Any], key: str) -> None:
    samples = tmp_path / "toy.samples.jsonl"
    sweep.run(samples=samples)
    with pytest.raises(SpecError) as caught:
        sweep.run(samples=samples, **changes)
    assert caught.value.key == key


def test_a_log_of_other_cells_is_refused(sweep: Sweep, tmp_path: Path) -> None:
    samples = tmp_path / "toy.samples.jsonl"
    sweep.run(samples=samples)
    with pytest.raises(SpecError) as caught:
        sweep.run(samples=samples, cells=sweep.cells[:2])
    assert caught.value.key == "cells"


def test_a_log_whose_first_line_was_cut_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"format": "tenuto-prof')
    subject = {"cells": [1]}
    with SampleLog(path, subject) as log:
        log.add(Visit(0, 0, 0.0, (1.0,)))
    with SampleLog(path, subject) as log:
        assert log.visits == [Visit(0, 0, 0.0, (1.0,))]


@given(st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=60), st.integers(0, 99))
def test_quantiles_ascend_and_stay_within_what_was_seen(latencies_ms: list[float], seed: int) -> None:
    figures = _quantiles(np.array(latencies_ms), np.random.default_rng(seed))
    values = [figures[name].value for name in ("latency_ms", "latency_p90_ms", "latency_p99_ms")]
    assert values == sorted(values)
    rounding = 1e-9 * max(latencies_ms)
    assert min(latencies_ms) - rounding <= values[0]
    assert values[-1] <= max(latencies_ms) + rounding
    assert all(0 <= (figure.stdev or 0) <= max(latencies_ms) for figure in figures.values())


def test_a_quantile_is_the_less_sure_the_more_it_is_in_the_tail() -> None:
    latencies: NDArray[np.float64] = np.random.default_rng(1).lognormal(0, 0.3, 75)
    figures = _quantiles(latencies, np.random.default_rng(1))
    assert (figures["latency_ms"].stdev or 0) < (figures["latency_p99_ms"].stdev or 0)


def test_each_clock_of_a_board_is_a_cell_and_is_put_back(tmp_path: Path) -> None:
    write_tree(tmp_path, ODROID_XU3)
    platform = LinuxPlatform(tmp_path)
    before = platform.read_knobs()
    cells = cells_of(SUB_NETWORKS[:1], platform.clusters, only_clusters=["little"], n_cores=[4])
    truth = OperatingTable.from_points(OperatingPoint(cell, {"latency_ms": Estimate(5.0, "assumed")}) for cell in cells)
    engine = TableEngine(
        truth, cluster="little", n_cores=4, input_shape=(1, 4, 4), output_shape=(2,), sleep=lambda _: None
    )
    ticks = itertools.count()
    table = profile(
        PACKAGE, engine, platform, cells=cells[:3], batch=4, n_rounds=1, pause_s=0, clock=lambda: next(ticks) / 1000
    )
    assert [point.configuration for point in table] == list(cells[:3])
    assert platform.read_knobs() == before
    assert table.about["temperature_c"] == {"lowest": 53.0, "highest": 53.0}


def test_a_profile_has_a_place_of_its_own_per_network_version_machine_and_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sweep: Sweep
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path = default_table_path(PACKAGE, sweep.platform, batch=16)
    assert path.parent == tmp_path / "tenuto" / "profiles"
    assert path.name.startswith("toy@3-")
    assert path.name.endswith("-b16.table.json")
    assert path != default_table_path(PACKAGE, sweep.platform, batch=1)


def test_a_configuration_has_as_many_samples_as_rounds_and_no_more(sweep: Sweep, tmp_path: Path) -> None:
    samples = tmp_path / "toy.samples.jsonl"
    sweep.run(samples=samples)
    visits = [json.loads(line) for line in samples.read_bytes().splitlines()[1:]]
    assert Counter(visit["cell"] for visit in visits) == dict.fromkeys(range(len(sweep.cells)), ROUNDS)
