"""Clusters are found from the file tree alone."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.platforms import Cluster, LinuxPlatform, Opp
from tenuto.platforms._sysfs import parse_cpus
from tenuto.testing.trees import (
    BARE_VM,
    JETSON,
    ODROID_XU3,
    TreeBoard,
    TreePolicy,
    deny_clocks,
    without_userspace,
    write_text,
    write_tree,
)

RK3588 = TreeBoard(
    8,
    capacities=(530,) * 4 + (1024,) * 4,
    policies=(
        TreePolicy((0, 1, 2, 3), (1_008_000, 1_800_000)),
        TreePolicy((4, 5), (1_200_000, 2_400_000)),
        TreePolicy((6, 7), (1_200_000, 2_400_000)),
    ),
)
PHONE = TreeBoard(8, capacities=(300,) * 4 + (700,) * 3 + (1024,))


def platform_of(root: Path, board: TreeBoard) -> LinuxPlatform:
    write_tree(root, board)
    return LinuxPlatform(root)


def names_and_cpus(platform: LinuxPlatform) -> dict[str, tuple[int, ...]]:
    return {cluster.name: cluster.cpus for cluster in platform.clusters}


@pytest.mark.parametrize(
    ("board", "expected"),
    [
        (BARE_VM, {"cpu": (0, 1)}),
        (ODROID_XU3, {"little": (0, 1, 2, 3), "big": (4, 5, 6, 7)}),
        (JETSON, {"cpu": (0, 1, 2, 3, 4, 5)}),
        (RK3588, {"little": (0, 1, 2, 3), "big": (4, 5, 6, 7)}),
        (PHONE, {"little": (0, 1, 2, 3), "mid": (4, 5, 6), "big": (7,)}),
    ],
    ids=["vm", "xu3", "jetson", "rk3588", "three-kinds"],
)
def test_cores_of_a_kind_make_a_cluster(tmp_path: Path, board: TreeBoard, expected: dict[str, tuple[int, ...]]) -> None:
    assert names_and_cpus(platform_of(tmp_path, board)) == expected


def test_the_ladder_is_read_in_hz_and_ascends(tmp_path: Path) -> None:
    little, big = platform_of(tmp_path, ODROID_XU3).clusters
    assert little == Cluster(
        "little", (0, 1, 2, 3), tuple(Opp(step * 100_000_000) for step in range(2, 15)), capacity=539
    )
    assert (len(big.opps), big.opps[-1].frequency_hz) == (19, 2_000_000_000)


def test_the_old_kernel_without_capacities_orders_clusters_by_their_highest_clock(tmp_path: Path) -> None:
    clusters = platform_of(tmp_path, replace(ODROID_XU3, capacities=())).clusters
    assert [(cluster.name, cluster.capacity) for cluster in clusters] == [("little", None), ("big", None)]


def test_unlike_second_level_caches_tell_cores_apart_where_nothing_else_does(tmp_path: Path) -> None:
    write_tree(tmp_path, replace(BARE_VM, n_cpus=4, capacities=()))
    for cpu, size in enumerate(("2048K", "2048K", "512K", "512K")):
        cache = f"sys/devices/system/cpu/cpu{cpu}/cache/index2"
        for name, text in (("level", "2"), ("type", "Unified"), ("size", size)):
            write_text(tmp_path, f"{cache}/{name}", text)
    assert names_and_cpus(LinuxPlatform(tmp_path)) == {"little": (2, 3), "big": (0, 1)}


def test_offline_and_forbidden_cores_do_not_count_and_names_stay(tmp_path: Path) -> None:
    write_tree(tmp_path, ODROID_XU3)
    write_text(tmp_path, "sys/devices/system/cpu/online", "0-6")
    write_text(tmp_path, "proc/self/status", "Name:\tx\nCpus_allowed_list:\t4,6-7")
    platform = LinuxPlatform(tmp_path)
    assert names_and_cpus(platform) == {"big": (4, 6)}
    assert "all processors" in [missing.what for missing in platform.missing]


def test_one_thread_of_each_physical_core_is_filled_first(tmp_path: Path) -> None:
    write_tree(tmp_path, replace(BARE_VM, n_cpus=4, capacities=()))
    for cpu, siblings in enumerate(("0-1", "0-1", "2-3", "2-3")):
        write_text(tmp_path, f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list", siblings)
    assert names_and_cpus(LinuxPlatform(tmp_path)) == {"cpu": (0, 2, 1, 3)}


def test_processors_come_from_proc_stat_where_sysfs_has_none(tmp_path: Path) -> None:
    write_tree(tmp_path, BARE_VM)
    (tmp_path / "sys/devices/system/cpu/online").unlink()
    assert names_and_cpus(LinuxPlatform(tmp_path)) == {"cpu": (0, 1)}


def test_a_driver_without_a_list_of_clocks_has_no_settable_clock(tmp_path: Path) -> None:
    pstate = TreePolicy((0, 1), (800_000, 4_700_000), driver="intel_pstate", governors=("powersave",), has_ladder=False)
    platform = platform_of(tmp_path, replace(BARE_VM, flags=(), policies=(pstate,)))
    knob = platform.knobs[1]
    assert platform.clusters[0].opps == ()
    assert (knob.name, knob.domain, knob.is_writable) == ("cpu.frequency_hz", (800_000_000, 4_700_000_000), False)
    assert "intel_pstate=disable" in (knob.remedy or "")


def test_a_ladder_that_may_not_be_written_is_a_knob_with_a_remedy(outsider: Path) -> None:
    write_tree(outsider, ODROID_XU3)
    deny_clocks(outsider)
    platform = LinuxPlatform(outsider)
    knobs = {knob.name: knob for knob in platform.knobs}
    assert not knobs["big.frequency_hz"].is_writable
    assert "chmod" in (knobs["big.frequency_hz"].remedy or "")
    assert len(knobs["big.frequency_hz"].domain) == 19
    assert [cluster.opps for cluster in platform.clusters] == [(), ()]


def test_the_userspace_governor_is_used_where_there_is_one(tmp_path: Path) -> None:
    write_tree(tmp_path / "with", ODROID_XU3)
    write_tree(tmp_path / "without", without_userspace(ODROID_XU3))
    mechanisms = [
        wiring.clock and wiring.clock.mechanism
        for name in ("with", "without")
        for wiring in LinuxPlatform(tmp_path / name)._wirings.values()
    ]
    assert mechanisms == ["userspace", "userspace", "limits", "limits"]


def test_this_machine_has_clusters_whose_cores_are_ours() -> None:
    cpus = [cpu for cluster in LinuxPlatform().clusters for cpu in cluster.cpus]
    assert sorted(cpus) == sorted(os.sched_getaffinity(0))


@given(st.sets(st.integers(0, 300), min_size=1))
def test_a_list_of_processors_is_read_in_both_of_the_kernels_spellings(cpus: set[int]) -> None:
    ordered = sorted(cpus)
    assert parse_cpus(" ".join(map(str, ordered))) == tuple(ordered)
    runs: list[list[int]] = []
    for cpu in ordered:
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    assert parse_cpus(",".join(f"{a}-{b}" if a != b else f"{a}" for a, b in runs)) == tuple(ordered)


@pytest.mark.parametrize("text", ["", "x", "1-", "0,two"])
def test_a_list_that_makes_no_sense_names_no_processor(text: str) -> None:
    assert parse_cpus(text) == ()
