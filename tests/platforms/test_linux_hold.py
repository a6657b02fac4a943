"""Whatever happens, the board is put back."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tenuto.errors import DeniedError, KnobRejectedError, PlatformError, UnknownNameError, UnsupportedError, UsageError
from tenuto.platforms import LinuxPlatform
from tenuto.platforms._guardian import write_file
from tenuto.points import Configuration, SubNetwork
from tenuto.testing.trees import (
    BARE_VM,
    JETSON,
    ODROID_XU3,
    deny_clocks,
    freeze_clock,
    kernel_write,
    tree_state,
    without_userspace,
    write_tree,
)

Rights = Callable[[], AbstractContextManager[None]]
NET = SubNetwork("net", (("depth", (1,)),))
LITTLE = Configuration(NET, "little", 2, 600_000_000)
BIG = Configuration(NET, "big", 4, 1_800_000_000)
POLICY = "sys/devices/system/cpu/cpufreq/policy"


def text_of(root: Path, name: str) -> str:
    return (root / name).read_text(encoding="ascii").strip()


@pytest.fixture
def xu3(tmp_path: Path) -> Path:
    write_tree(tmp_path, ODROID_XU3)
    return tmp_path


def test_a_configuration_is_in_the_files_while_held_and_gone_afterwards(xu3: Path) -> None:
    before = tree_state(xu3)
    with LinuxPlatform(xu3).hold() as board:
        assert board.apply(BIG) == BIG
        assert text_of(xu3, f"{POLICY}4/scaling_governor") == "userspace"
        assert text_of(xu3, f"{POLICY}4/scaling_setspeed") == "1800000"
        assert board.snapshot().readings["big.frequency_hz"] == 1_800_000_000
        assert text_of(xu3, f"{POLICY}0/scaling_governor") == "schedutil", "the other cluster is not ours to touch"
    assert tree_state(xu3) == before


def test_a_cluster_that_is_left_gets_its_governor_back_at_once(xu3: Path) -> None:
    with LinuxPlatform(xu3, write=kernel_write).hold() as board:
        board.apply(BIG)
        board.apply(LITTLE)
        assert text_of(xu3, f"{POLICY}4/scaling_governor") == "schedutil"
        assert text_of(xu3, f"{POLICY}0/scaling_governor") == "userspace"
        board.apply(Configuration(NET, "little", 1))
        assert text_of(xu3, f"{POLICY}0/scaling_governor") == "schedutil"


def test_all_policies_of_a_cluster_get_its_clock(tmp_path: Path) -> None:
    write_tree(tmp_path, JETSON)
    with LinuxPlatform(tmp_path).hold() as board:
        board.apply(Configuration(NET, "cpu", 6, 729_600_000))
        assert {text_of(tmp_path, f"{POLICY}{index}/scaling_cur_freq") for index in (0, 2, 4)} == {"729600"}


@pytest.mark.parametrize("steps_khz", [(200, 2000, 200, 1100, 1200)])
def test_limits_go_up_and_down_as_the_kernel_demands(tmp_path: Path, steps_khz: tuple[int, ...]) -> None:
    write_tree(tmp_path, without_userspace(ODROID_XU3))
    before = tree_state(tmp_path)
    with LinuxPlatform(tmp_path, write=kernel_write).hold() as board:
        for step in steps_khz:
            board.apply(Configuration(NET, "big", 1, step * 1_000_000))
            limits = [text_of(tmp_path, f"{POLICY}4/scaling_{name}_freq") for name in ("min", "max")]
            assert limits == [f"{step}000", f"{step}000"]
    assert tree_state(tmp_path) == before


def test_a_limit_that_is_not_in_the_way_is_not_written_back(xu3: Path) -> None:
    """It may read low because of heat; written back, the cap would last."""
    limit = xu3 / f"{POLICY}4/scaling_max_freq"
    limit.write_text("1500000\n")
    with LinuxPlatform(xu3).hold() as board:
        board.apply(Configuration(NET, "big", 1, 1_000_000_000))
        limit.write_text("2000000\n")
    assert text_of(xu3, f"{POLICY}4/scaling_max_freq") == "2000000"


def test_a_clock_that_does_not_follow_is_rejected_and_put_back(xu3: Path) -> None:
    freeze_clock(xu3, "policy4")
    before = tree_state(xu3)
    with LinuxPlatform(xu3).hold() as board, pytest.raises(KnobRejectedError) as caught:
        board.apply(Configuration(NET, "big", 4, 1_000_000_000))
    assert (caught.value.part, caught.value.asked, caught.value.found) == (
        "big.frequency_hz",
        1_000_000_000,
        2_000_000_000,
    )
    assert tree_state(xu3) == before


def test_a_mean_a_little_off_the_step_is_the_step(xu3: Path) -> None:
    freeze_clock(xu3, "policy4")
    (xu3 / f"{POLICY}4/scaling_cur_freq").write_text("1797401\n")
    with LinuxPlatform(xu3).hold() as board:
        assert board.apply(BIG) == BIG


def test_what_a_cluster_cannot_do_is_refused_by_name(xu3: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with LinuxPlatform(xu3).hold() as board:
        with pytest.raises(UnknownNameError) as unknown:
            board.apply(Configuration(NET, "bug"))
        assert unknown.value.matches == ("big",)
        with pytest.raises(UsageError):
            board.apply(Configuration(NET, "big", 5))
        with pytest.raises(UsageError, match="1900000000"):
            board.apply(Configuration(NET, "big", 1, 1_950_000_000))
    bare = tmp_path_factory.mktemp("bare")
    write_tree(bare, BARE_VM)
    with LinuxPlatform(bare).hold() as board, pytest.raises(UnsupportedError) as unsupported:
        board.apply(Configuration(NET, "cpu", 1, 1_000_000_000))
    assert unsupported.value.part == "cpu.frequency_hz"


def test_a_clock_without_permission_is_denied_with_the_command_that_grants_it(outsider: Path) -> None:
    write_tree(outsider, ODROID_XU3)
    deny_clocks(outsider)
    with LinuxPlatform(outsider).hold() as board:
        with pytest.raises(DeniedError, match="sudo chmod") as denied:
            board.apply(BIG)
        assert denied.value.part == "big.frequency_hz"
        assert board.apply(Configuration(NET, "big", 2)).n_cores == 2


def test_a_permission_that_is_withdrawn_while_held_is_denied(open_folder: Path, without_rights: Rights) -> None:
    write_tree(open_folder, ODROID_XU3)
    with LinuxPlatform(open_folder).hold() as board:
        deny_clocks(open_folder)
        with without_rights(), pytest.raises(DeniedError):
            board.apply(BIG)


def test_what_cannot_be_put_back_is_said(open_folder: Path, without_rights: Rights) -> None:
    write_tree(open_folder, ODROID_XU3)
    hold = LinuxPlatform(open_folder).hold()
    hold.__enter__().apply(BIG)
    deny_clocks(open_folder)
    with without_rights(), pytest.raises(PlatformError) as caught:
        hold.__exit__(None, None, None)
    assert "policy4/scaling_governor" in str(caught.value)


def test_what_cannot_be_put_back_is_noted_on_the_error_that_is_on_its_way(
    open_folder: Path, without_rights: Rights
) -> None:
    write_tree(open_folder, ODROID_XU3)
    hold = LinuxPlatform(open_folder).hold()
    hold.__enter__().apply(BIG)
    deny_clocks(open_folder)
    error = ZeroDivisionError()
    with without_rights():
        hold.__exit__(ZeroDivisionError, error, None)
    assert "policy4/scaling_governor" in error.__notes__[0]


def test_a_policy_that_vanishes_while_held_does_not_hinder_the_others(xu3: Path) -> None:
    before = {name: text for name, text in tree_state(xu3).items() if "policy4" not in name}
    with LinuxPlatform(xu3).hold() as board:
        board.apply(BIG)
        for file in (xu3 / f"{POLICY}4").iterdir():
            file.unlink()
    assert tree_state(xu3) == before


def test_a_second_hold_is_refused_and_names_the_holder(xu3: Path) -> None:
    platform = LinuxPlatform(xu3)
    with platform.hold():
        with pytest.raises(PlatformError, match="this process"), platform.hold():
            pytest.fail("held twice")
        with pytest.raises(PlatformError), LinuxPlatform(xu3).hold():
            pytest.fail("held twice")
    with platform.hold() as board:
        board.apply(LITTLE)


def test_a_board_given_back_obeys_no_more(xu3: Path) -> None:
    before = tree_state(xu3)
    with LinuxPlatform(xu3).hold() as board:
        pass
    with pytest.raises(PlatformError):
        board.apply(BIG)
    assert tree_state(xu3) == before


def test_a_hold_can_be_taken_and_used_in_another_thread(xu3: Path) -> None:
    before = tree_state(xu3)
    seen: list[object] = []

    def work() -> None:
        with LinuxPlatform(xu3).hold() as board:
            seen.append(board.apply(BIG))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [BIG]
    assert tree_state(xu3) == before


def test_a_ctrl_c_in_the_midst_of_restoring_waits_until_all_is_back(xu3: Path) -> None:
    before = tree_state(xu3)
    interruptions = [2]

    def write(path: str, text: str) -> None:
        write_file(path, text)
        if not board_is_ours and interruptions[0] > 0:
            interruptions[0] -= 1
            raise KeyboardInterrupt

    board_is_ours = True
    hold = LinuxPlatform(xu3, write=write).hold()
    hold.__enter__().apply(BIG)
    board_is_ours = False
    with pytest.raises(KeyboardInterrupt):
        hold.__exit__(None, None, None)
    assert interruptions == [0]
    assert tree_state(xu3) == before
    with LinuxPlatform(xu3).hold():
        pass


def test_handlers_of_the_application_stay(xu3: Path) -> None:
    def own(number: int, frame: object) -> None:
        del number, frame

    was = signal.signal(signal.SIGTERM, own)
    try:
        with LinuxPlatform(xu3).hold():
            assert signal.getsignal(signal.SIGTERM) is own
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, was)


def test_every_thread_of_this_process_is_confined_and_freed(host: LinuxPlatform) -> None:
    """Also one that started before the hold, and one that started during it."""
    cluster = max(host.clusters, key=lambda each: len(each.cpus))
    if len(cluster.cpus) < 2:
        pytest.skip("one core: nothing to confine to")
    every = os.sched_getaffinity(0)
    end = threading.Event()
    places: dict[str, int] = {}

    def wait(name: str) -> None:
        places[name] = threading.get_native_id()
        end.wait()

    early = threading.Thread(target=wait, args=("early",))
    late = threading.Thread(target=wait, args=("late",))
    early.start()
    try:
        with host.hold() as board:
            board.apply(Configuration(NET, cluster.name, 1))
            late.start()
            while len(places) < 2:
                time.sleep(0.001)
            confined = {name: os.sched_getaffinity(thread) for name, thread in places.items()}
            assert confined == {"early": {cluster.cpus[0]}, "late": {cluster.cpus[0]}}
            board.apply(Configuration(NET, cluster.name, 2))
            assert os.sched_getaffinity(places["early"]) == set(cluster.cpus[:2])
            board.apply(Configuration(NET, cluster.name, 1))
        freed = {name: os.sched_getaffinity(thread) for name, thread in places.items()}
        assert freed == {"early": every, "late": every}
        assert os.sched_getaffinity(0) == every
    finally:
        end.set()
        early.join()
        late.join()


def test_a_thread_that_chose_its_processor_keeps_it_wherever_that_is_allowed(host: LinuxPlatform) -> None:
    """An engine's pinned pool, say: it is moved off a core that is not in force, and back when it is again."""
    cluster = max(host.clusters, key=lambda each: len(each.cpus))
    if len(cluster.cpus) < 2:
        pytest.skip("one core: nothing to choose from")
    first, second = cluster.cpus[:2]
    end, started = threading.Event(), threading.Event()

    def wait() -> None:
        os.sched_setaffinity(0, {second})
        started.set()
        end.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        started.wait()
        place = thread.native_id
        assert place is not None
        with host.hold() as board:
            for n_cores, expected in ((2, {second}), (1, {first}), (2, {second}), (1, {first})):
                board.apply(Configuration(NET, cluster.name, n_cores))
                assert os.sched_getaffinity(place) == expected
        assert os.sched_getaffinity(place) == {second}
    finally:
        end.set()
        thread.join()


HOLDER = """
    import os, signal, sys, time
    from pathlib import Path
    from tenuto.platforms import LinuxPlatform
    from tenuto.points import Configuration, SubNetwork

    root, way = Path(sys.argv[1]), sys.argv[2]
    hold = LinuxPlatform(root).hold()
    board = hold.__enter__()
    board.apply(Configuration(SubNetwork("net", (("depth", (1,)),)), "big", 4, 1_800_000_000))
    board.apply(Configuration(SubNetwork("net", (("depth", (1,)),)), "little", 4, 300_000_000))
    if way == "fork":
        child = os.fork()
        if child == 0:
            time.sleep(60 if sys.argv[3] == "lingers" else 0)
            sys.exit(0)
        if sys.argv[3] == "ends":
            os.waitpid(child, 0)
        print("child", child, flush=True)
    if way == "unguarded exit":
        board._journal._guardian.kill()
    if way == "wait":
        print(board._journal._guardian.pid, flush=True)
    print("held", flush=True)
    if way.endswith("exit"):
        sys.exit(5)
    if way == "raise":
        raise ValueError("on purpose")
    if way == "leave at once":
        os._exit(6)
    time.sleep(60)
"""


@contextmanager
def holder(root: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    program = [sys.executable, "-c", textwrap.dedent(HOLDER), str(root), *words]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until_held(process: "subprocess.Popen[str]") -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        if line == "held\n":
            return lines
        lines.append(line.strip())
    pytest.fail("it never held the board")


def wait_until_free(root: Path) -> None:
    """Take the board as soon as its guardian lets go of it."""
    gives_up_at = time.monotonic() + 30
    while True:
        try:
            with LinuxPlatform(root).hold():
                return
        except PlatformError:
            assert time.monotonic() < gives_up_at, "still held"
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, -signal.SIGINT), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_a_signal_puts_the_board_back(xu3: Path, number: signal.Signals, status: int) -> None:
    before = tree_state(xu3)
    with holder(xu3, "wait") as process:
        read_until_held(process)
        assert text_of(xu3, f"{POLICY}0/scaling_setspeed") == "300000"
        with pytest.raises(PlatformError, match=f"process {process.pid}"), LinuxPlatform(xu3).hold():
            pytest.fail("held twice")
        process.send_signal(number)
        assert process.wait() == status
    wait_until_free(xu3)
    assert tree_state(xu3) == before


def test_nobody_takes_the_board_before_the_guardian_has_restored_it(xu3: Path) -> None:
    before = tree_state(xu3)
    with holder(xu3, "wait") as process:
        guardian = int(read_until_held(process)[0])
        os.kill(guardian, signal.SIGSTOP)
        process.kill()
        process.wait()
    try:
        with pytest.raises(PlatformError), LinuxPlatform(xu3).hold():
            pytest.fail("taken before it was restored")
    finally:
        os.kill(guardian, signal.SIGCONT)
    wait_until_free(xu3)
    assert tree_state(xu3) == before


def test_a_kill_while_limits_are_pinned_puts_them_back(tmp_path: Path) -> None:
    write_tree(tmp_path, without_userspace(ODROID_XU3))
    before = tree_state(tmp_path)
    with holder(tmp_path, "wait") as process:
        read_until_held(process)
        process.kill()
        process.wait()
    wait_until_free(tmp_path)
    assert tree_state(tmp_path) == before


@pytest.mark.parametrize(("way", "status"), [("exit", 5), ("unguarded exit", 5), ("raise", 1), ("leave at once", 6)])
def test_an_end_without_leaving_the_hold_puts_the_board_back(xu3: Path, way: str, status: int) -> None:
    before = tree_state(xu3)
    with holder(xu3, way) as process:
        assert process.wait() == status
    wait_until_free(xu3)
    assert tree_state(xu3) == before


def test_a_forked_child_that_ends_gives_nothing_back(xu3: Path) -> None:
    with holder(xu3, "fork", "ends") as process:
        read_until_held(process)
        assert text_of(xu3, f"{POLICY}0/scaling_setspeed") == "300000"
        with pytest.raises(PlatformError), LinuxPlatform(xu3).hold():
            pytest.fail("held twice")


def test_a_forked_child_that_lives_on_does_not_keep_the_board(xu3: Path) -> None:
    before = tree_state(xu3)
    with holder(xu3, "fork", "lingers") as process:
        child = int(read_until_held(process)[0].split()[1])
        process.kill()
        try:
            wait_until_free(xu3)
            os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)
    assert tree_state(xu3) == before


def test_a_hold_whose_guardian_was_killed_still_restores_itself(xu3: Path) -> None:
    before = tree_state(xu3)
    hold = LinuxPlatform(xu3).hold()
    with hold as board:
        guardian = board._journal._guardian  # type: ignore[attr-defined]
        guardian.kill()
        guardian.wait()
        board.apply(BIG)
    assert tree_state(xu3) == before


def test_affinity_alone_needs_no_guardian(tmp_path: Path) -> None:
    write_tree(tmp_path, BARE_VM)
    with LinuxPlatform(tmp_path).hold() as board:
        assert board._journal._guardian is None  # type: ignore[attr-defined]
