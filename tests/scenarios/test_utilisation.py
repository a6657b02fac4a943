"""Background load of real services: recorded, and by the model that was fitted to the recordings."""

import os
from pathlib import Path

import numpy as np
import pytest
from scenario_files import event, write

from calibration import utilisation as fitting
from tenuto.errors import SpecError
from tenuto.platforms.simulated import BackgroundLoad
from tenuto.scenarios import Recording, Scenario, Service, Utilisation, read_scenario, service_names, world_of
from tenuto.scenarios._services import fitted_services, read_recording
from tenuto.scenarios._world import level_shares

DATA = Path(os.environ.get("TENUTO_DATA", Path(__file__).parents[3] / "shared" / "data"))

RECORDED = "core1,core2,mem,gpu,norm_ex_time\n50,0,128,4,1\n100,30,128,0,2\n150,20,129,3,3\n"


@pytest.fixture
def recordings() -> Path:
    folder = DATA / fitting.FOLDER
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here; TENUTO_DATA names the folder of the shared data")
    return DATA


def busy(scenario: Scenario, seed: int, cluster: str) -> list[tuple[float, float]]:
    return [
        (time_s, one.background.get(cluster, BackgroundLoad()).busy_cores) for time_s, one in world_of(scenario, seed)
    ]


def recorded(folder: Path, *more: str) -> Scenario:
    (folder / "load.csv").write_text(RECORDED, encoding="utf-8")
    play = (
        'utilisation = { recorded = "load.csv", interval_s = 2, columns = { a7 = ["core1", "core2"], gpu = ["gpu"] } }'
    )
    return read_scenario(write(folder, event(f"at_s = 10\nuntil_s = 21\n{play}"), *more))


def test_a_recording_goes_round_from_a_row_of_the_seeds_own(tmp_path: Path) -> None:
    scenario = recorded(tmp_path)
    assert scenario.utilisation == (
        Utilisation(10, 21, Recording(2.0, {"a7": (0.5, 1.3, 1.2), "gpu": (0.04, 0.0, 0.03)})),
    )
    assert scenario.world == ()
    begins = set()
    for seed in range(12):
        played = busy(scenario, seed, "a7")
        assert [time_s for time_s, _ in played] == [10, 12, 14, 16, 18, 20, 21]
        rows = [0.5, 1.3, 1.2]
        first = rows.index(pytest.approx(played[0][1]))
        begins.add(first)
        assert [load for _, load in played[:-1]] == pytest.approx([rows[(first + n) % 3] for n in range(6)])
        assert played[-1][1] == 0
    assert begins == {0, 1, 2}
    assert world_of(scenario, 3) == world_of(scenario, 3)


def test_utilisation_comes_on_top_of_what_is_said_and_a_full_cluster_takes_no_more(tmp_path: Path) -> None:
    scenario = recorded(tmp_path, event("at_s = 15\nbackground = { a7 = { busy_cores = 3.5, n_threads = 4 } }"))
    loads = dict(busy(scenario, 0, "a7"))
    assert loads[15] == 4
    assert loads[21] == 3.5
    world = dict(world_of(scenario, 0))
    assert world[15].background["a7"].n_threads is not None
    assert world[15].background["a7"].n_threads >= 4
    assert world[14].background["a7"].n_threads is None


def test_a_battery_is_charged_once_whatever_the_load_does(tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_text(RECORDED, encoding="utf-8")
    path = write(
        tmp_path,
        event('at_s = 0\nutilisation = { recorded = "load.csv", columns = { a7 = ["core1"] } }'),
        event("at_s = 5\nbattery_charge = 0.5"),
    )
    path.write_text(path.read_text(encoding="utf-8").replace("duration_s", "battery_wh = 1\nduration_s"))
    charges = [(time_s, one.battery_charge) for time_s, one in world_of(read_scenario(path), 0)]
    assert [one for one in charges if one[1] is not None] == [(5, 0.5)]
    assert len(charges) > 50


@pytest.mark.parametrize("content", ["core1\n", "core1\nx\n", "core1\n-1\n", "core1\n5000\n", "core1,core2\n1\n"])
def test_what_is_no_recording_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_text(content, encoding="utf-8")
    path = write(tmp_path, event('at_s = 0\nutilisation = { recorded = "load.csv", columns = { a7 = ["core1"] } }'))
    with pytest.raises(SpecError) as caught:
        read_scenario(path)
    assert caught.value.key == "events[0].utilisation.recorded"


def test_a_column_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_text(RECORDED, encoding="utf-8")
    path = write(tmp_path, event('at_s = 0\nutilisation = { recorded = "load.csv", columns = { a7 = ["mem"] } }'))
    with pytest.raises(SpecError) as caught:
        read_scenario(path)
    assert caught.value.key == "events[0].utilisation.columns.a7[0]"


@pytest.mark.parametrize("name", service_names())
def test_a_shipped_model_is_a_chain_over_ascending_levels(name: str) -> None:
    one = fitted_services().services[name]
    n = len(one.busy_cores)
    assert list(one.busy_cores) == sorted(set(one.busy_cores))
    assert len(one.stay_s) == len(one.to) == n
    assert min(one.stay_s) >= fitted_services().interval_s
    for level, chances in enumerate(one.to):
        assert len(chances) == n
        assert chances[level] == 0
        assert sum(chances) == pytest.approx(1, abs=0.005)


def test_the_load_that_is_drawn_has_the_models_mean_and_stays(tmp_path: Path) -> None:
    use = 'utilisation = { fitted = "image-ingestion-nano", cores = { a7 = 1, a15 = 2 } }'
    path = write(tmp_path, event(f"at_s = 0\n{use}"))
    text = path.read_text(encoding="utf-8").replace("duration_s = 100", "duration_s = 40000")
    path.write_text(text, encoding="utf-8")
    scenario = read_scenario(path)
    (one,) = scenario.utilisation
    service = one.course
    assert isinstance(service, Service)
    shares = level_shares(service.stay_s, service.to)
    expected = float(shares @ np.array(service.busy_cores))
    drawn = busy(scenario, 4, "a7")
    times_s = np.array([time_s for time_s, _ in drawn] + [40_000])
    loads = np.array([load for _, load in drawn])
    assert float(loads @ np.diff(times_s)) / 40_000 == pytest.approx(expected, rel=0.01)
    assert set(loads) == set(service.busy_cores)
    stays = {load: np.diff(times_s)[loads == load].mean() for load in set(loads)}
    assert [stays[load] for load in service.busy_cores] == pytest.approx(service.stay_s, rel=0.15)
    assert busy(scenario, 4, "a15")[7][1] == 2 * drawn[7][1]
    assert busy(scenario, 5, "a7") != drawn


def test_the_shipped_models_are_what_the_fit_gives(recordings: Path) -> None:
    fits = {
        name: fitting.fit_service(fitting.busy_cores_of(path)) for name, path in fitting.recordings(recordings).items()
    }
    assert set(fits) == set(service_names())
    assert fitting.WRITTEN.read_text(encoding="utf-8") == fitting.written(fits)


def test_the_shipped_models_resemble_the_recordings(recordings: Path) -> None:
    for name, path in fitting.recordings(recordings).items():
        shipped = fitted_services().services[name]
        fit = fitting.Fit(np.array(shipped.busy_cores), np.array(shipped.stay_s), np.array(shipped.to))
        there, here = fitting.course_of(fitting.busy_cores_of(path)), fitting.course_of_fit(fit)
        assert here.mean == pytest.approx(there.mean, rel=0.01)
        assert here.variance == pytest.approx(there.variance, rel=0.12)
        assert here.autocorrelation[:2] == pytest.approx(there.autocorrelation[:2], abs=0.15)


def test_a_real_recording_drives_a_board(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENUTO_DATA", str(recordings))
    path = fitting.recordings(recordings)["network-measurement-forcasting-xavier"]
    use = (
        f'utilisation = {{ recorded = "{path.relative_to(recordings)}", '
        'columns = { a15 = ["core1", "core2", "core3"], a7 = ["core4"] } }'
    )
    scenario = read_scenario(write(tmp_path, event(f"at_s = 0\n{use}")))
    columns = read_recording(path)
    three = {sum(row) for row in zip(columns["core1"], columns["core2"], columns["core3"], strict=True)}
    loads = [load for _, load in busy(scenario, 1, "a15")]
    assert len(loads) == 100
    assert set(loads) <= three
    assert np.mean(loads) == pytest.approx(np.mean(list(three)), rel=0.2)


def test_real_requests_drive_an_application(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENUTO_DATA", str(recordings))
    application = """
[[applications]]
name = "requests"
network = "dynamic-ofa-gpu"
arrivals = { file = "traces/request_arrivals/AzureLLMInferenceTrace_code.csv" }
"""
    (read,) = read_scenario(write(tmp_path, application=application)).applications
    times_s = np.array(read.arrivals.times_s)
    assert times_s[0] == 0
    assert times_s[-1] < 100
    assert 50 < len(times_s) < 1000
    gaps_s = np.diff(times_s)
    assert gaps_s.var() / gaps_s.mean() ** 2 > 1.5  # it comes in bursts
