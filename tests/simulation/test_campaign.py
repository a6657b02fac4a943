"""Many passages at once, here, in processes and on a Ray cluster: the same results, and clear refusals."""

import os
import sys
from collections.abc import Sequence
from multiprocessing import active_children
from pathlib import Path

import msgspec
import pytest
from small_worlds import scenario

from tenuto.errors import SpecError, UnknownNameError, UsageError
from tenuto.simulation import Replay, SeedMeasures, replay
from tenuto.simulation._pools import processes

POLICIES = ("tenuto", "schedutil+static", "oracle")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    scenario(tmp_path, "at_s = 1\nbackground = { a76 = { busy_cores = 2 } }", duration_s=2)
    return tmp_path / "small.toml"


def timeless(results: Sequence[SeedMeasures]) -> list[SeedMeasures]:
    return [msgspec.structs.replace(one, decision_median_us=None, decision_p99_us=None) for one in results]


def same(one: Replay, other: Replay) -> bool:
    return timeless(one.results) == timeless(other.results) and one.choices == other.choices


def test_processes_give_what_this_one_gives(small: Path) -> None:
    seen: list[tuple[int, int]] = []
    here = replay(small, POLICIES, (3, 9), n_workers=1, progress=lambda n, total: seen.append((n, total)))
    assert same(replay(small, POLICIES, (3, 9), n_workers=2), here)
    assert seen == [(n, 7) for n in range(1, 8)]
    assert [(one.policy, one.seed) for one in here.results] == [(name, seed) for name in POLICIES for seed in (3, 9)]
    assert list(here.choices) == ["schedutil+static"]
    assert here.scenario == "small@1"


def test_the_oracle_of_the_same_seed_is_the_ruler(small: Path) -> None:
    found = replay(small, POLICIES, (3, 9), n_workers=1)
    for ruler, one in zip(found.of("oracle"), found.of("tenuto"), strict=True):
        assert ruler.energy_over_oracle_pct == 0
        expected = 100 * (one.energy_mj_per_inference / ruler.energy_mj_per_inference - 1)
        assert one.energy_over_oracle_pct == pytest.approx(expected)
    assert replay(small, ("tenuto",), (3,), n_workers=1).results[0].energy_over_oracle_pct is None


def test_all_variants_count(small: Path) -> None:
    with small.open("a", encoding="utf-8") as file:
        file.write('\n[[variants]]\nlabel = "one"\n[[variants]]\nlabel = "two"\nduration_s = 3\n')
    found = replay(small, ("tenuto", "powersave+static"), (1,), n_workers=1)
    assert [one.n for one in found.results] == [50, 50]
    assert len(found.choices["powersave+static"]) == 2


@pytest.mark.parametrize(
    ("policies", "seeds"), [((), (1,)), (("tenuto",), ()), (("tenuto", "tenuto"), (1,)), (("tenuto",), (1, 1))]
)
def test_nothing_and_the_same_twice_are_refused(small: Path, policies: tuple[str, ...], seeds: tuple[int, ...]) -> None:
    with pytest.raises(UsageError):
        replay(small, policies, seeds, n_workers=1)


def test_unknown_names_and_seeds_below_0_are_refused(small: Path) -> None:
    with pytest.raises(UnknownNameError) as refused:
        replay(small, ("tenutto",), (1,), n_workers=1)
    assert "tenuto" in refused.value.matches
    with pytest.raises(UnknownNameError) as refused:
        replay("xu3-haet", ("tenuto",), (1,), n_workers=1)
    assert "xu3-heat" in refused.value.matches
    with pytest.raises(UsageError):
        replay(small, ("tenuto",), (-1,), n_workers=1)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_what_is_wrong_with_a_file_is_told_whoever_reads_it(small: Path, n_workers: int) -> None:
    text = small.read_text(encoding="utf-8").replace("period_ms", "perod_ms")
    small.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as refused:
        replay(small, ("tenuto",), (1,), n_workers=n_workers)
    assert refused.value.path == small
    assert refused.value.line is not None


def refuse(job: str) -> None:
    raise UnknownNameError("policy", job, ["tenuto"])


def die(job: str) -> None:
    os._exit(len(job))


def test_an_error_in_a_process_is_the_error_here() -> None:
    with pytest.raises(UnknownNameError) as refused, processes(1) as pool:
        pool.submit(refuse, "tenutto").result()
    assert refused.value.matches == ("tenuto",)


def test_a_process_that_dies_is_no_traceback_and_leaves_none_behind() -> None:
    with pytest.raises(UsageError), processes(2) as pool:
        pool.submit(die, "x").result()
    assert active_children() == []


def test_a_file_that_was_changed_is_read_again(small: Path) -> None:
    assert replay(small, ("tenuto",), (1,), n_workers=1).results[0].n == 20
    small.write_text(small.read_text(encoding="utf-8").replace("duration_s = 2", "duration_s = 1.5"), encoding="utf-8")
    assert replay(small, ("tenuto",), (1,), n_workers=1).results[0].n == 15


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_ray_cluster_of_two_machines_gives_what_this_process_gives(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        monkeypatch.chdir(small.parent)
        on_ray = replay(small.name, POLICIES, (3, 9), on_ray=True)
        assert not ray.is_initialized(), "what it began it ended"
        assert same(on_ray, replay(small, POLICIES, (3, 9), n_workers=1))
        ray.init(log_to_driver=False)
        assert len(ray.nodes()) == 2
        assert same(replay(small, POLICIES, (3, 9), on_ray=True), on_ray)
        assert ray.is_initialized(), "what it found it leaves"
        small.write_text("no scenario", encoding="utf-8")
        with pytest.raises(SpecError):
            replay(small, ("tenuto",), (1,), on_ray=True)
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_without_ray_the_extra_is_named(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError) as refused:
        replay(small, ("tenuto",), (1,), on_ray=True)
    assert "tenuto[cluster]" in str(refused.value)
