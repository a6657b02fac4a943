"""Every kind of Linux board passes the public suite, and the suite catches boards that break promises."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tenuto.errors import PlatformError, UnknownNameError, UnsupportedError, UsageError
from tenuto.platforms import Cluster, Knob, LinuxPlatform, Monitor, Snapshot
from tenuto.points import Configuration
from tenuto.testing.platforms import check_platform
from tenuto.testing.trees import (
    BARE_VM,
    JETSON,
    ODROID_XU3,
    TreeBoard,
    deny_clocks,
    freeze_clock,
    kernel_write,
    tree_state,
    without_userspace,
    write_tree,
)

BOARDS = {
    "vm": BARE_VM,
    "xu3": ODROID_XU3,
    "xu3-limits": without_userspace(ODROID_XU3),
    "jetson": JETSON,
    "jetson-limits": without_userspace(JETSON),
}


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
@pytest.mark.parametrize("is_strict", [False, True], ids=["files", "kernel-rules"])
def test_a_board_of_files_conforms_and_its_files_are_as_before(
    tmp_path: Path, board: TreeBoard, is_strict: bool
) -> None:
    write_tree(tmp_path, board)
    before = tree_state(tmp_path)
    check_platform(LinuxPlatform(tmp_path, write=kernel_write) if is_strict else LinuxPlatform(tmp_path))
    assert tree_state(tmp_path) == before


def test_a_board_whose_governor_was_userspace_gets_its_speed_back(tmp_path: Path) -> None:
    policies = tuple(replace(policy, governor="userspace") for policy in ODROID_XU3.policies)
    write_tree(tmp_path, replace(ODROID_XU3, policies=policies))
    before = tree_state(tmp_path)
    check_platform(LinuxPlatform(tmp_path, write=kernel_write))
    assert tree_state(tmp_path) == before


def test_a_board_that_denies_its_clocks_conforms(outsider: Path) -> None:
    write_tree(outsider, ODROID_XU3)
    deny_clocks(outsider)
    check_platform(LinuxPlatform(outsider))


def test_a_board_under_a_thermal_cap_conforms(tmp_path: Path) -> None:
    write_tree(tmp_path, ODROID_XU3)
    freeze_clock(tmp_path, "policy4")
    check_platform(LinuxPlatform(tmp_path))


def test_this_machine_conforms(host: LinuxPlatform) -> None:
    check_platform(host)


class Forgetful:
    """A board of one core with one seeded fault."""

    name = "forgetful"
    monitors: tuple[Monitor, ...] = ()

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.cores = 2
        self.is_held = False
        self.clusters: tuple[Cluster, ...] = (Cluster("cpu", (0, 1)),)
        self.knobs: tuple[Knob, ...] = (Knob("cpu.cores", (1, 2)),)
        if fault == "a cluster without a core of its own":
            self.clusters = (Cluster("little", (0, 1)), Cluster("big", (1,)))
        if fault == "a knob without a remedy":
            self.knobs = (Knob("cpu.cores", (1, 2), is_writable=False),)
        if fault == "a clock in kHz":
            self.monitors = (Monitor("cpu.frequency_hz", "frequency_hz"),)

    def read_knobs(self) -> Mapping[str, str]:
        return {"cores": str(self.cores)}

    def hold(self) -> "Forgetful":
        return self

    def __enter__(self) -> "Forgetful":
        if self.is_held:
            raise PlatformError("held", platform=self.name)
        self.is_held = self.fault != "a board shared by two"
        return self

    def __exit__(self, *_: object) -> None:
        self.is_held = self.fault == "a board that stays taken"
        if self.fault != "a knob left as it was set":
            self.cores = 2

    def snapshot(self) -> Snapshot:
        return Snapshot(0.0, {"cpu.frequency_hz": 1800.0} if self.fault == "a clock in kHz" else {})

    def apply(self, configuration: Configuration) -> Configuration:
        if self.fault != "an error left out":
            if configuration.cluster != "cpu":
                raise UnknownNameError("cluster", configuration.cluster, ["cpu"])
            if configuration.n_cores > 2:
                raise UsageError("two cores")
            if configuration.frequency_hz is not None:
                raise UnsupportedError("no clock", platform=self.name)
            if not self.is_held and self.fault != "orders taken after the end":
                raise PlatformError("not held", platform=self.name)
        self.cores = configuration.n_cores
        return replace(configuration, n_cores=2) if self.fault == "a report that differs" else configuration


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("a cluster without a core of its own", "a core belongs to one cluster"),
        ("a knob without a remedy", "says what would allow it"),
        ("a clock in kHz", "cpu.frequency_hz is between"),
        ("an error left out", "is refused with UnknownNameError"),
        ("a knob left as it was set", "every knob is as it was"),
        ("a board that stays taken", "nobody holds can be held"),
        ("a board shared by two", "cannot be held again"),
        ("orders taken after the end", "obeys no more"),
        ("a report that differs", "what the board reports"),
    ],
)
def test_the_suite_names_the_promise_that_is_broken(fault: str, promise: str) -> None:
    with pytest.raises(AssertionError, match=promise):
        check_platform(Forgetful(fault))


def test_the_suite_passes_a_board_without_fault() -> None:
    check_platform(Forgetful("none"))
