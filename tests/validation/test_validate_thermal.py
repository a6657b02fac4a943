"""Scoring a board on logs of temperatures: on made-up ones, on broken ones, and on the public ones."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from calibration import xu3_thermal
from tenuto.errors import SpecError
from tenuto.platforms.simulated import load_board, parameters
from tenuto.validation._power_file import SWEEP_COLUMNS
from tenuto.validation._score import Score
from tenuto.validation._thermal_file import EVENT_COLUMNS, read_thermal
from tenuto.validation.thermal import score_thermal, simulate

DATA = Path(os.environ.get("TENUTO_DATA", Path(__file__).parents[3] / "shared" / "data"))
XU3 = load_board("odroid-xu3@1")


@pytest.fixture
def data() -> Path:
    if not (DATA / "boards" / xu3_thermal.EVENT_FILE).exists():
        pytest.skip(f"{DATA / 'boards'} is not here; TENUTO_DATA names the folder of the shared data")
    return DATA


def total(score: Score, what: str, figure: str) -> float:
    (found,) = [one.value for one in score.totals if (one.what, one.figure) == (what, figure)]
    return found


def write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def event_log(path: Path, mhz: Sequence[tuple[float, int]], *, until_s: float, hot_c: float = 56.0, slow: bool = False):
    """A log of whetstone from 1 s on: a reading every 2.5 s, a rate every 0.5 s that falls by 12 % at 6 s if `slow`."""
    rows: list[tuple[float, str, str, float]] = []
    for step in range(int(until_s / 0.5)):
        time_s = step * 0.5
        if time_s >= 1.5:
            rows.append((time_s, "perf", "whetstone_rate", 3.5 if not slow or time_s < 6 else 3.08))
        if step % 5 == 0:
            rows += [(time_s, "sensor", "T_a15_c0", hot_c - 4), (time_s, "sensor", "T_a15_c1", hot_c)]
            rows.append((time_s, "sensor", "T_gpu", 46.0))
    clock = {time_s: max((s, hz) for s, hz in mhz if s <= time_s)[1] for time_s, *_ in rows}
    return write(path, EVENT_COLUMNS, [(*row, 200, clock[row[0]]) for row in rows])


def test_a_log_is_read_into_settings_readings_and_rates(tmp_path):
    path = event_log(tmp_path / "log.csv", ((0.0, 2000), (5.0, 1000)), until_s=10)
    log, notes = read_thermal(XU3, path)
    assert [(time_s, clocks["a15"]) for time_s, clocks in log.settings] == [(0.0, 2 * 10**9), (5.0, 10**9)]
    assert [one.hottest_c for one in log.readings] == [56.0] * 4
    assert log.busy_from_s == 1.0  # the first rate, less the time that it is of
    assert (log.workload, log.busy.name, notes) == ("whetstone", "a15", ())


def test_whetstone_at_2_ghz_is_throttled_after_4_to_9_s_and_a_tenth_slower(tmp_path):
    score = score_thermal(XU3, event_log(tmp_path / "log.csv", ((0.0, 2000),), until_s=30, slow=True))
    assert 4 <= total(score, "model, first throttling", "throttled_after_s") <= 9
    assert total(score, "model, first throttling", "performance_loss_pct") == pytest.approx(10, abs=1)
    assert total(score, "log, first throttling", "throttled_after_s") == pytest.approx(5.0)
    assert total(score, "log, first throttling", "performance_loss_pct") == pytest.approx(12)


def test_a_slower_clock_is_not_throttled(tmp_path):
    score = score_thermal(XU3, event_log(tmp_path / "log.csv", ((0.0, 1800),), until_s=60))
    assert not [one for one in score.totals if one.figure == "throttled_after_s"]
    assert all(row.frequency_hz == row.requested_hz for row in score.rows)


def test_the_first_reading_is_given_and_the_others_are_predicted(tmp_path):
    score = score_thermal(XU3, event_log(tmp_path / "log.csv", ((0.0, 400),), until_s=20, hot_c=70.0))
    assert score.n_measurements == 8
    assert len(score.rows) == 7
    assert score.rows[-1].predicted_c < 65  # it cools, whatever the made-up log says
    errors = [abs(row.predicted_c - 70.0) for row in score.rows]
    assert total(score, "hottest core", "max_error_c") == pytest.approx(max(errors))


def sweep(path: Path, rows: Sequence[tuple[float, int]]) -> Path:
    return write(path, SWEEP_COLUMNS, [(time_s, 200, mhz, 0.03, 1.0, 60.0, 50.0) for time_s, mhz in rows])


def test_a_gap_in_a_sweep_walks_the_ladder(tmp_path):
    path = sweep(tmp_path / "sweep.csv", [(10, 1800), (12, 1800), (14, 1800), (44, 1500), (46, 1500), (48, 1400)])
    log, notes = read_thermal(XU3, path)
    walked = [(time_s, clocks["a15"] // 10**6) for time_s, clocks in log.settings]
    assert walked == [
        (8, 1800),
        (10, 1800),
        (12, 1800),
        (14, 1700),
        (24, 1600),
        (34, 1500),
        (44, 1500),
        (46, 1400),
    ]
    assert any("walked the ladder" in note for note in notes)


def test_a_sweep_begins_at_its_first_reading(tmp_path):
    path = sweep(tmp_path / "sweep.csv", [(10, 1400), (12, 1400), (14, 1400)])
    log, _ = read_thermal(XU3, path)
    assert max(simulate(XU3, log)[0].temperatures_c) == pytest.approx(60.0)


def test_missing_columns_are_named_with_those_that_are_expected(tmp_path):
    path = write(tmp_path / "log.csv", [name for name in EVENT_COLUMNS if name != "channel"], [])
    with pytest.raises(SpecError) as caught:
        score_thermal(XU3, path)
    assert (caught.value.path, caught.value.key, caught.value.line) == (path, "channel", 1)
    assert all(name in str(caught.value) for name in SWEEP_COLUMNS)


def test_a_log_with_less_than_two_readings_is_refused(tmp_path):
    path = event_log(tmp_path / "log.csv", ((0.0, 2000),), until_s=2)
    with pytest.raises(SpecError) as caught:
        score_thermal(XU3, path)
    assert caught.value.path == path


def test_lines_without_a_figure_are_left_out_and_counted(tmp_path):
    path = event_log(tmp_path / "log.csv", ((0.0, 2000),), until_s=10)
    with path.open("a") as file:
        file.write("10.0,sensor,T_gpu,none,200,2000\n")
    assert read_thermal(XU3, path)[1] == ("1 lines lack a time or a value",)


def test_the_public_logs_are_met_within_the_targets(data):
    for name in (xu3_thermal.EVENT_FILE, xu3_thermal.SWEEP_FILE):
        score = score_thermal(XU3, data / "boards" / name)
        assert total(score, "hottest core", "max_error_c") <= 4
    first = score_thermal(XU3, data / "boards" / xu3_thermal.EVENT_FILE)
    assert 4 <= total(first, "model, first throttling", "throttled_after_s") <= 9
    assert total(first, "model, first throttling", "performance_loss_pct") == pytest.approx(10, abs=2)
    assert total(first, "log, first throttling", "performance_loss_pct") == pytest.approx(10, abs=2)


def test_the_whole_log_of_211_s_is_met_with_throttling_of_the_model_itself(data):
    log = xu3_thermal.whole_log(XU3, data)
    errors_c = [core for _, core, _ in xu3_thermal.errors(XU3, log, simulate(XU3, log))]
    assert log.readings[-1].time_s > 210
    assert max(map(abs, errors_c)) <= 4
    assert (sum(error**2 for error in errors_c) / len(errors_c)) ** 0.5 <= 1


@pytest.mark.slow
def test_the_board_file_holds_what_the_calibration_finds(data):
    found = xu3_thermal.fit(xu3_thermal.whole_log(XU3, data), kept_out_mhz=()).values
    held = {path: one.value for path, one in parameters(XU3)}
    assert {path: held[path] for path in found} == pytest.approx(found, rel=0.02)
