"""A scenario's file becomes what it says."""

from itertools import pairwise
from pathlib import Path

import pytest
from scenario_files import APPLICATION, HEAD, event, write

from tenuto.platforms.simulated import BackgroundLoad, Conditions, SimulatedPlatform
from tenuto.requirements import Mission, Requirements
from tenuto.scenarios import (
    Anchor,
    Application,
    Arrivals,
    Change,
    Disturbance,
    Scenario,
    SensorLoss,
    board_of,
    read_scenario,
    world_of,
)


def at(scenario: Scenario, time_s: float) -> Conditions:
    """What holds then."""
    return next((one for begin_s, one in reversed(scenario.world) if begin_s <= time_s), Conditions())


def test_the_least_file_is_a_scenario_in_which_nothing_happens(tmp_path: Path) -> None:
    requirements = Requirements.of(latency_ms=150, period_ms=200)
    assert read_scenario(write(tmp_path)) == Scenario(
        "test@1",
        "A test",
        "Nothing much",
        "odroid-xu3@1",
        100.0,
        (Application("camera", "dynamic-ofa-gpu", requirements, Arrivals(200.0)),),
    )


def test_every_key_of_an_application_arrives(tmp_path: Path) -> None:
    application = """
[[applications]]
name = "door"
network = "alexnet-groups"
clusters = ["a7", "a15"]
n_cores = [1, 4]
rate_hz = 4
cv2 = 3
priority = 2
from_s = 10
until_s = 90
times_of_largest = 1.5
miss_pct = 0.5
accuracy_pct = 60
energy_mj = 500
power_w = 4
temperature_c = 80
memory_mb = 100
minimise = "energy_mj"
priorities = { accuracy_pct = 45 }
mission_s = 60
mission_mj = 5e6

[applications.anchor]
cluster = "a15"
n_cores = 4
frequency_mhz = 1000
from = "a paper"
latency_ms = { "100 %" = 50 }
"""
    (read,) = read_scenario(write(tmp_path, application=application)).applications
    assert read == Application(
        "door",
        "alexnet-groups",
        Requirements.of(
            accuracy_pct=60,
            energy_mj=500,
            power_w=4,
            temperature_c=80,
            memory_mb=100,
            minimise="energy_mj",
            priorities={"accuracy_pct": 45},
            mission=Mission(60, 5e6),
        ),
        Arrivals(250.0, 3.0),
        ("a7", "a15"),
        (1, 4),
        2,
        10,
        90,
        1.5,
        0.5,
        Anchor("a15", 4, 1_000_000_000, {"100 %": 50.0}, "a paper"),
    )


def test_overlapping_events_compose(tmp_path: Path) -> None:
    scenario = read_scenario(
        write(
            tmp_path,
            event(
                "at_s = 10\nuntil_s = 30\nmemory_mhz = 413\nambient_c = 30\nlost = ['gpu']\nslowdown = { a7 = 1.5 }\n"
                "caps_mhz = { a15 = 1500 }\nbackground = { a15 = { busy_cores = 1.5, memory_gb_s = 1 } }"
            ),
            event(
                "at_s = 20\nuntil_s = 40\nmemory_mhz = 825\nambient_c = 35\nlost = ['a7']\nslowdown = { a7 = 2 }\n"
                "caps_mhz = { a15 = 1000 }\n"
                "background = { a15 = { busy_share = 0.5, n_threads = 3, memory_gb_s = 2 }, a7 = { busy_cores = 1 } }"
            ),
        )
    )
    assert [time_s for time_s, _ in scenario.world] == [10, 20, 30, 40]
    assert at(scenario, 5) == at(scenario, 50) == Conditions()
    assert at(scenario, 10) == Conditions(
        background={"a15": BackgroundLoad(1.5, None, 1)},
        ambient_c=30,
        memory_mhz=413,
        taken=frozenset({"gpu"}),
        caps_hz={"a15": 1_500_000_000},
        slowdown={"a7": 1.5},
    )
    assert at(scenario, 29.9) == Conditions(
        background={"a15": BackgroundLoad(3.5, 5, 3), "a7": BackgroundLoad(1)},
        ambient_c=35,
        memory_mhz=825,
        taken=frozenset({"gpu", "a7"}),
        caps_hz={"a15": 1_000_000_000},
        slowdown={"a7": 3.0},
    )
    assert at(scenario, 30).ambient_c == 35
    assert at(scenario, 30).caps_hz == {"a15": 1_000_000_000}


def test_the_last_event_to_begin_says_the_air_until_it_ends(tmp_path: Path) -> None:
    scenario = read_scenario(
        write(tmp_path, event("at_s = 20\nuntil_s = 30\nambient_c = 40"), event("at_s = 10\nambient_c = 30"))
    )
    assert [(time_s, one.ambient_c) for time_s, one in scenario.world] == [(10, 30), (20, 40), (30, 30)]


def test_a_ramp_goes_in_small_steps_and_stays_at_its_end(tmp_path: Path) -> None:
    scenario = read_scenario(write(tmp_path, event("at_s = 10\nuntil_s = 70\nambient_c = { from = 25, to = 40 }")))
    airs = [(time_s, one.ambient_c) for time_s, one in scenario.world]
    assert airs[0] == (10, 25)
    assert airs[-1] == (70, 40)
    steps = [after - before for (_, before), (_, after) in pairwise(airs)]
    assert set(steps) == {0.5}
    assert at(scenario, 40).ambient_c == 32.5


def test_a_battery_is_charged_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        event("at_s = 10\nbattery_charge = 0.5\nmemory_mhz = 413"),
        event("at_s = 20\nslowdown = { a7 = 2 }"),
        head=HEAD + "battery_wh = 2\n",
    )
    scenario = read_scenario(path)
    assert [(time_s, one.battery_charge) for time_s, one in scenario.world] == [(10, 0.5), (20, None)]
    platform = SimulatedPlatform(board_of(scenario), schedule=world_of(scenario, 0))
    before_mj = platform.truth().battery_mj
    platform.clock.sleep_until(11)
    after_mj = platform.truth().battery_mj
    assert before_mj == pytest.approx(2 * 3600 * 1000)
    assert after_mj is not None
    assert 0.49 * 2 * 3600 * 1000 < after_mj < 0.5 * 2 * 3600 * 1000


def test_what_a_scenario_replaces_of_its_board_is_assumed(tmp_path: Path) -> None:
    board = board_of(read_scenario(write(tmp_path, "[noise]\nsigma = 0.2\nburst_begin = 0")))
    assert (board.noise.sigma.value, board.noise.sigma.source) == (0.2, "assumed")
    assert board.noise.burst_begin.value == 0
    assert board.noise.burst_stay.value == 0.85  # the board's own
    assert board.noise.sigma.reference in board.references
    assert board.battery is None


def test_requirements_change_and_come_back(tmp_path: Path) -> None:
    scenario = read_scenario(
        write(
            tmp_path,
            event('at_s = 10\nuntil_s = 30\nrequirements = { application = "camera", latency_ms = 100 }'),
            event('at_s = 20\nrequirements = { application = "camera", accuracy_pct = 76, minimise = "energy_mj" }'),
        )
    )
    quick = Requirements.of(latency_ms=100, period_ms=200)
    frugal = Requirements.of(accuracy_pct=76, minimise="energy_mj", period_ms=200)
    assert scenario.changes == (Change(10, "camera", quick), Change(20, "camera", frugal))
    only = read_scenario(
        write(tmp_path, event('at_s = 10\nuntil_s = 30\nrequirements = { application = "camera", latency_ms = 100 }'))
    )
    assert only.changes == (Change(10, "camera", quick), Change(30, "camera", only.applications[0].requirements))


def test_an_event_with_a_label_is_a_disturbance_and_sensors_are_lost(tmp_path: Path) -> None:
    scenario = read_scenario(
        write(
            tmp_path,
            event('at_s = 10\nuntil_s = 30\nsensor_lost = ["temperature_c", "a15.power_w"]'),
            event('at_s = 5\nlabel = "slow"\nslowdown = { a7 = 2 }'),
        )
    )
    assert scenario.disturbances == (Disturbance("slow", 5.0),)
    assert scenario.losses == (SensorLoss(frozenset({"temperature_c", "a15.power_w"}), 10, 30),)
    assert [time_s for time_s, _ in scenario.world] == [5]


def test_variants_differ_in_what_they_say_and_nothing_else(tmp_path: Path) -> None:
    scenario = read_scenario(
        write(
            tmp_path,
            event('at_s = 5\nlabel = "slow.er"\nslowdown = { a7 = 2 }'),
            "[noise]\nsigma = 0.1",
            '[[variants]]\nlabel = "as it is"',
            '[[variants]]\nlabel = "other"\nduration_s = 50\nnoise.burst_begin = 0\n'
            'applications.camera.clusters = ["a15"]\nevents."slow.er".slowdown.a7 = 3',
        )
    )
    same, other = scenario.variants
    assert (scenario.label, same.label, other.label) == ("", "as it is", "other")
    assert (same.applications, same.world, same.duration_s) == (scenario.applications, scenario.world, 100)
    assert other.duration_s == 50
    assert other.noise == {"sigma": 0.1, "burst_begin": 0}
    assert other.applications[0].clusters == ("a15",)
    assert other.world[0][1].slowdown == {"a7": 3}
    assert scenario.world[0][1].slowdown == {"a7": 2}
    assert other.variants == ()


def test_a_sweep_goes_evenly_from_end_to_end_through_every_variant(tmp_path: Path) -> None:
    application = APPLICATION.replace('"camera"', '"front.camera"')
    scenario = read_scenario(
        write(
            tmp_path,
            '[[variants]]\nlabel = "a"\n[[variants]]\nlabel = "b"\nduration_s = 50',
            '[sweep]\nkey = "applications.front.camera.latency_ms"\nfrom = 100\nto = 140\nn = 5',
            application=application,
        )
    )
    bounds = [one.applications[0].requirements.constraint("latency_ms") for one in scenario.variants]
    assert [bound.bound for bound in bounds if bound] == 2 * [100, 110, 120, 130, 140]
    assert [one.duration_s for one in scenario.variants] == 5 * [100] + 5 * [50]
    assert len({one.label for one in scenario.variants}) == 10


def test_a_board_and_a_network_may_stand_beside_the_file(tmp_path: Path) -> None:
    shipped = Path(read_scenario.__code__.co_filename).parents[1]
    board = shipped / "platforms" / "simulated" / "boards" / "odroid-xu3@1.toml"
    (tmp_path / "mine.toml").write_bytes(board.read_bytes())
    (tmp_path / "net").symlink_to(shipped / "packaged" / "fashion")
    path = write(
        tmp_path,
        head=HEAD.replace("odroid-xu3@1", "mine.toml"),
        application=APPLICATION.replace("dynamic-ofa-gpu", "net"),
    )
    scenario = read_scenario(path)
    assert board_of(scenario).id == "odroid-xu3@1"
    assert scenario.applications[0].network == str(tmp_path / "net")
