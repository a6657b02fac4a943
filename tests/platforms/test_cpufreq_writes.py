"""The kernel never sees a maximum below a minimum, whatever the order of clocks asked for."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tenuto.platforms._cpufreq import MAX, MIN, limit_writes, nearest_step, speed_writes
from tenuto.platforms._guardian import restore

KHZ = st.integers(100, 3000).map(lambda hundreds: hundreds * 1000)


def legal_after_each(low: int, high: int, writes: list[tuple[str, str]]) -> tuple[int, int]:
    now = {MIN: low, MAX: high}
    for name, text in writes:
        if name in now:
            now[name] = int(text)
        assert now[MIN] <= now[MAX], writes
    return now[MIN], now[MAX]


@given(KHZ, KHZ, KHZ)
def test_pinning_by_limits_is_legal_at_every_step_and_ends_at_the_clock(one: int, other: int, khz: int) -> None:
    low, high = sorted((one, other))
    assert legal_after_each(low, high, limit_writes(low, high, khz)) == (khz, khz)


@given(KHZ, KHZ, KHZ)
def test_a_speed_widens_limits_only_where_they_are_in_the_way(one: int, other: int, khz: int) -> None:
    low, high = sorted((one, other))
    writes = speed_writes(low, high, khz)
    assert legal_after_each(low, high, writes) == (min(low, khz), max(high, khz))
    assert writes[0][1] == "userspace"
    assert writes[-1][1] == str(khz)
    assert (len(writes) == 2) == (low <= khz <= high)


@given(saved=st.tuples(KHZ, KHZ).map(sorted), now=st.tuples(KHZ, KHZ).map(sorted))
def test_restoring_limits_is_legal_at_every_step(saved: list[int], now: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / MIN).write_text(f"{now[0]}\n")
        (folder / MAX).write_text(f"{now[1]}\n")
        writes: list[tuple[str, str]] = []
        texts = {f"{folder}/{MIN}": str(saved[0]), f"{folder}/{MAX}": str(saved[1])}
        failed = restore(texts, lambda path, text: writes.append((Path(path).name, text)))
    assert failed == {}
    assert legal_after_each(now[0], now[1], writes) == (saved[0], saved[1])


def test_a_measured_mean_stands_for_the_nearest_step() -> None:
    ladder = (800_000_000, 1_200_000_000, 1_800_000_000)
    assert [nearest_step(ladder, hz) for hz in (1_197_401_000, 1_801_000_000, 100)] == [ladder[1], ladder[2], ladder[0]]
