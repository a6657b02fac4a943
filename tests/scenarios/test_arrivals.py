"""When inputs come."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenario_files import APPLICATION, line_of, write

from tenuto.errors import SpecError, UsageError
from tenuto.requirements import Requirements
from tenuto.scenarios import Application, Arrivals, arrival_times_s, read_scenario, with_deadline

CAMERA = Application("camera", "dynamic-ofa-gpu", Requirements.of(), Arrivals(100.0))


def test_a_camera_keeps_its_period_from_a_phase_of_its_own() -> None:
    one = arrival_times_s(CAMERA, 10, seed=1, index=0)
    other = arrival_times_s(CAMERA, 10, seed=1, index=1)
    assert np.diff(one) == pytest.approx(np.full(len(one) - 1, 0.1))
    assert len(one) in (100, 99)
    assert 0 <= one[0] < 0.1
    assert 9.9 <= one[-1] < 10
    assert one[0] != other[0]


@given(
    st.floats(5, 5000),
    st.sampled_from([0.0, 0.3, 1.0, 8.0]),
    st.floats(0, 9),
    st.one_of(st.none(), st.floats(9.1, 30)),
    st.integers(0, 2**31),
)
def test_inputs_come_in_order_while_the_application_is_there_and_for_a_seed_the_same(
    period_ms: float, cv2: float, from_s: float, until_s: float | None, seed: int
) -> None:
    application = replace(CAMERA, arrivals=Arrivals(period_ms, cv2), from_s=from_s, until_s=until_s)
    times_s = arrival_times_s(application, 20, seed=seed, index=2)
    assert (np.diff(times_s) >= 0).all()
    if len(times_s):
        assert from_s <= times_s[0]
        assert times_s[-1] < min(20, until_s or 20)
    assert (times_s == arrival_times_s(application, 20, seed=seed, index=2)).all()


@pytest.mark.parametrize("cv2", [0.25, 1.0, 2.0, 8.0])
def test_renewals_have_the_mean_and_the_variation_asked_for(cv2: float) -> None:
    gaps_s = np.diff(arrival_times_s(replace(CAMERA, arrivals=Arrivals(125.0, cv2)), 20_000, seed=5, index=0))
    assert gaps_s.mean() == pytest.approx(0.125, rel=0.03)
    assert gaps_s.var() / gaps_s.mean() ** 2 == pytest.approx(cv2, rel=0.06)


def test_another_seed_is_another_stream() -> None:
    bursts = replace(CAMERA, arrivals=Arrivals(100.0, 4.0))
    assert arrival_times_s(bursts, 10, seed=1, index=0)[0] != arrival_times_s(bursts, 10, seed=2, index=0)[0]


def test_a_relative_deadline_becomes_one_in_ms_and_the_period() -> None:
    relative = replace(CAMERA, arrivals=Arrivals(None), times_of_largest=0.5, miss_pct=2.0)
    with pytest.raises(UsageError):
        arrival_times_s(relative, 10, seed=1, index=0)
    told = with_deadline(relative, 80.0)
    assert told.requirements == Requirements.of(latency_ms=40, miss_pct=2, period_ms=40)
    assert (told.arrivals, told.times_of_largest) == (Arrivals(40.0), None)
    kept = with_deadline(replace(relative, arrivals=Arrivals(100.0)), 80.0)
    assert (kept.arrivals, kept.requirements.period_ms) == (Arrivals(100.0), None)
    assert with_deadline(CAMERA, 80.0) == CAMERA


def with_recording(folder: Path, content: str, *, more: str = "") -> Path:
    (folder / "requests.csv").write_text(content, encoding="utf-8")
    keys = f'arrivals = {{ file = "requests.csv", times_faster = 2 }}{more}'
    return write(folder, application=APPLICATION.replace("period_ms = 200", keys))


@pytest.mark.parametrize(
    "content",
    [
        "when,size\n2023-11-16 23:59:59.9799600,1\n2023-11-17 00:00:01.9799600,2\n2023-11-17 00:10:00,3\n",
        "7,1\n9,2\n607.1,3",
    ],
)
def test_recorded_inputs_come_as_they_came_but_quicker(content: str, tmp_path: Path) -> None:
    scenario = read_scenario(with_recording(tmp_path, content, more="\nfrom_s = 3"))
    (application,) = scenario.applications
    assert application.arrivals.times_s == pytest.approx((3.0, 4.0))
    assert application.requirements.period_ms is None
    for seed in (1, 2):
        assert arrival_times_s(application, 100, seed=seed, index=0) == pytest.approx([3, 4])


@pytest.mark.parametrize("content", ["", "when\n", "1\n2\nthree\n", "3\n2\n"])
def test_a_recording_without_times_in_order_is_refused(content: str, tmp_path: Path) -> None:
    path = with_recording(tmp_path, content)
    with pytest.raises(SpecError) as caught:
        read_scenario(path)
    assert (caught.value.key, caught.value.line) == ("applications[0].arrivals.file", line_of(path, "arrivals"))


def test_a_recording_may_be_in_the_folder_of_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = with_recording(tmp_path, "0\n1\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "requests.csv").rename(tmp_path / "data" / "requests.csv")
    with pytest.raises(SpecError):
        read_scenario(path)
    monkeypatch.setenv("TENUTO_DATA", str(tmp_path / "data"))
    assert read_scenario(path).applications[0].arrivals.times_s == (0.0, 0.5)
