"""Every kind of board passes the public suite, and the suite catches boards that break promises."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tenuto.errors import PlatformError, UnknownNameError, UsageError
from tenuto.platforms import Cluster, Knob, LinuxPlatform, Monitor, Opp, Snapshot
from tenuto.platforms.simulated import Conditions, SimulatedPlatform, board_ids
from tenuto.points import Configuration
from tenuto.testing import ManualClock
from tenuto.testing import platforms as suite
from tenuto.testing.platforms import check_platform
from tenuto.testing.trees import (
    BARE_VM,
    JETSON,
    ODROID_XU3,
    TreeBoard,
    deny_clocks,
    freeze_clock,
    idle_along,
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


def settings(root: Path) -> dict[str, str]:
    """Every file but the one that counts time."""
    return {path: text for path, text in tree_state(root).items() if path != "proc/stat"}


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
@pytest.mark.parametrize("is_strict", [False, True], ids=["files", "kernel-rules"])
def test_a_board_of_files_conforms_and_its_files_are_as_before(
    tmp_path: Path, board: TreeBoard, is_strict: bool
) -> None:
    write_tree(tmp_path, board)
    before = settings(tmp_path)
    platform = LinuxPlatform(tmp_path, write=kernel_write) if is_strict else LinuxPlatform(tmp_path)
    check_platform(platform, sleep=idle_along(tmp_path))
    assert settings(tmp_path) == before


def test_a_board_whose_governor_was_userspace_gets_its_speed_back(tmp_path: Path) -> None:
    policies = tuple(replace(policy, governor="userspace") for policy in ODROID_XU3.policies)
    write_tree(tmp_path, replace(ODROID_XU3, policies=policies))
    before = settings(tmp_path)
    check_platform(LinuxPlatform(tmp_path, write=kernel_write), sleep=idle_along(tmp_path))
    assert settings(tmp_path) == before


def test_a_board_that_denies_its_clocks_conforms(outsider: Path) -> None:
    write_tree(outsider, ODROID_XU3)
    deny_clocks(outsider)
    check_platform(LinuxPlatform(outsider), sleep=idle_along(outsider))


def test_a_board_under_a_thermal_cap_conforms(tmp_path: Path) -> None:
    write_tree(tmp_path, ODROID_XU3)
    freeze_clock(tmp_path, "policy4")
    check_platform(LinuxPlatform(tmp_path), sleep=idle_along(tmp_path))


def test_this_machine_conforms(host: LinuxPlatform) -> None:
    check_platform(host)


@pytest.mark.parametrize("board", board_ids())
def test_a_simulated_board_conforms_in_its_own_time(board: str) -> None:
    platform = SimulatedPlatform(board, seed=1)
    check_platform(platform, sleep=platform.clock.advance)


def test_a_simulated_board_conforms_in_anothers_time() -> None:
    clock = ManualClock(1000.0)
    check_platform(SimulatedPlatform("odroid-xu3", clock=clock), sleep=clock.advance)


def test_a_simulated_board_under_a_cap_and_without_a_cluster_conforms() -> None:
    conditions = Conditions(caps_hz={"a7": 1_000_000_000}, taken=frozenset({"a15"}))
    platform = SimulatedPlatform("odroid-xu3", conditions=conditions)
    check_platform(platform, sleep=platform.clock.advance)


GHZ = 1_000_000_000
TEMPERATURE = Monitor("cpu.temperature_c", "temperature_c")


class Forgetful:
    """A board of two cores and three clocks, with one seeded fault."""

    name = "forgetful"

    def __init__(self, fault: str, state: Path) -> None:
        self.fault = fault
        self.state = state
        self.now_s = 1.0
        self.cores, self.clock_hz, self.late_hz, self.late_s = 2, GHZ, GHZ, 0.0
        self.n_snapshots = 0
        self.is_held = False
        self.clusters: tuple[Cluster, ...] = (Cluster("cpu", (0, 1), (Opp(GHZ), Opp(2 * GHZ), Opp(3 * GHZ))),)
        self.knobs: tuple[Knob, ...] = (Knob("cpu.cores", (1, 2)), Knob("cpu.frequency_hz", (GHZ, 2 * GHZ, 3 * GHZ)))
        self.monitors: tuple[Monitor, ...] = (Monitor("cpu.frequency_hz", "frequency_hz"), TEMPERATURE)
        if fault == "a cluster without a core of its own":
            self.clusters = (Cluster("little", (0, 1)), Cluster("big", (1,)))
        if fault == "a knob without a remedy":
            self.knobs = (Knob("cpu.cores", (1, 2), is_writable=False),)
        if fault == "a monitor that nobody listed":
            self.monitors = self.monitors[:1]
        state.write_text("2")

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def read_knobs(self) -> Mapping[str, str]:
        # With this fault its cores are set somewhere where they stay when the process is gone.
        cores = self.state.read_text() if self.fault == "a knob that outlives its holder" else str(self.cores)
        return {"cores": cores}

    def hold(self) -> "Forgetful":
        return self

    def __enter__(self) -> "Forgetful":
        if self.is_held:
            raise PlatformError("held", platform=self.name)
        self.is_held = self.fault != "a board shared by two"
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.is_held = self.fault == "a board that stays taken"
        is_forgotten = {
            "a knob left as it was set": True,
            "a knob left as an error found it": kind is not None and issubclass(kind, Exception),
            "a knob left as Ctrl-C found it": kind is KeyboardInterrupt,
        }
        if not is_forgotten.get(self.fault, False):
            self.cores = 2
            self.state.write_text("2")

    def snapshot(self) -> Snapshot:
        self.n_snapshots += 1
        time_s, shown_hz = self.now_s, self.clock_hz
        if self.now_s >= self.late_s:
            shown_hz = self.clock_hz = self.late_hz
        elif self.fault == "a clock between two":
            shown_hz = 2 * GHZ
        readings = {"cpu.frequency_hz": float(shown_hz), "cpu.temperature_c": 40.0}
        match self.fault:
            case "a clock in MHz":
                readings["cpu.frequency_hz"] /= 1e6
            case "a reading that is no number":
                readings["cpu.temperature_c"] = float("nan")
            case "a monitor that never reads":
                del readings["cpu.temperature_c"]
            case "a time that goes back":
                time_s = 100.0 - self.n_snapshots
            case "a time that stands still":
                time_s = 1.0
            case "a time in milliseconds that are called seconds":
                time_s = 1.0 + (self.now_s - 1.0) / 1000
        return Snapshot(time_s, readings)

    def apply(self, configuration: Configuration) -> Configuration:
        if self.fault != "an error left out":
            if configuration.cluster != "cpu":
                raise UnknownNameError("cluster", configuration.cluster, ["cpu"])
            if configuration.n_cores > 2:
                raise UsageError("two cores")
            if configuration.frequency_hz not in {GHZ, 2 * GHZ, 3 * GHZ, None}:
                raise UsageError("three clocks")
            if not self.is_held and self.fault != "orders taken after the end":
                raise PlatformError("not held", platform=self.name)
        self.cores = configuration.n_cores
        self.state.write_text(str(self.cores))
        if configuration.frequency_hz is not None:
            self.clock_hz, self.late_hz = self.late_hz, configuration.frequency_hz
            self.late_s = self.now_s + (5.0 if self.fault == "a clock that takes its time" else 0.005)
            if self.fault == "a clock that shows the highest":
                self.clock_hz = self.late_hz = 3 * GHZ
        return replace(configuration, n_cores=2) if self.fault == "a report that differs" else configuration


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("a cluster without a core of its own", "a core belongs to one cluster"),
        ("a knob without a remedy", "says what would allow it"),
        ("a clock in MHz", "cpu.frequency_hz is between"),
        ("an error left out", "is refused with UnknownNameError"),
        ("a knob left as it was set", "every knob is as it was"),
        ("a knob left as an error found it", "after an? OnPurposeError every knob is as it was"),
        ("a knob left as Ctrl-C found it", "after an? KeyboardInterrupt every knob is as it was"),
        ("a knob that outlives its holder", "whose holder was killed is as before"),
        ("a board that stays taken", "nobody holds can be held"),
        ("a board shared by two", "cannot be held again"),
        ("orders taken after the end", "obeys no more"),
        ("a report that differs", "what the board reports"),
        ("a reading that is no number", "cpu.temperature_c is a number"),
        ("a monitor that never reads", "a monitor that is listed has a reading"),
        ("a monitor that nobody listed", "a reading belongs to a monitor that is listed"),
        ("a time that goes back", "does not go back"),
        ("a time that stands still", "a later snapshot has a later time"),
        ("a time in milliseconds that are called seconds", "is in seconds"),
        ("a clock between two", "shows the old clock or the new one"),
        ("a clock that takes its time", "shows a clock within"),
        ("a clock that shows the highest", "shows a clock within"),
    ],
)
def test_the_suite_names_the_promise_that_is_broken(
    fault: str, promise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "RESTORED_S", 0.1)
    board = Forgetful(fault, tmp_path / "cores")
    with pytest.raises(AssertionError, match=promise):
        check_platform(board, sleep=board.sleep)


def test_the_suite_passes_a_board_without_fault(tmp_path: Path) -> None:
    board = Forgetful("none", tmp_path / "cores")
    check_platform(board, sleep=board.sleep)


def test_a_holder_that_cannot_take_the_board_is_told_from_one_that_was_killed(tmp_path: Path) -> None:
    board = Forgetful("none", tmp_path / "cores")
    board.is_held = True
    with pytest.raises(AssertionError, match="can hold a board that nobody holds"):
        suite._check_killed(board, board.sleep)
