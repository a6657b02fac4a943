"""One passage: the same world for every policy, nothing lost and nothing won, whatever happens on the way."""

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from small_worlds import Recording, scenario

from tenuto.decisions import Decision, Observation
from tenuto.errors import UnknownNameError
from tenuto.platforms.simulated import load_board
from tenuto.platforms.simulated.noise import LatencyNoise
from tenuto.simulation import Outcome, simulate, write_traces
from tenuto.simulation._applications import prepare
from tenuto.traces import Step, read_trace

ACCURACY = 'period_ms = 100\nlatency_ms = 60\nmaximise = "accuracy_pct"'


def timeless(outcome: Outcome) -> list[list[Step]]:
    """Its steps without what this machine took to decide."""
    return [[msgspec.structs.replace(step, decide_us=None) for step in run.steps] for run in outcome.runs]


def arrivals_s(outcome: Outcome, index: int = 0) -> list[float]:
    return [step.time_s - step.waited_ms / 1000 for step in outcome.runs[index].steps]


def row_of(outcome: Outcome, step: Step) -> tuple[str, int, int | None]:
    configuration = outcome.runs[0].table.configuration(step.decision.point)
    return configuration.cluster, configuration.n_cores, configuration.frequency_hz


@pytest.mark.parametrize("policy", ["tenuto", "alert", "oracle", "schedutil+static"])
def test_the_same_seed_gives_the_same_passage_to_the_last_bit_and_another_seed_another(
    tmp_path: Path, policy: str
) -> None:
    small = scenario(
        tmp_path,
        "at_s = 1\nbackground = { a76 = { busy_cores = 1 } }",
        needs=ACCURACY.replace("period_ms", "cv2 = 3 #").replace("100", "\nrate_hz = 10"),
    )
    rows = [3] if policy.endswith("static") else None
    one, again, other = (simulate(small, policy, seed=seed, rows=rows) for seed in (5, 5, 6))
    assert timeless(one) == timeless(again)
    assert (one.energy_mj, one.board_energy_mj, one.hottest_c) == (
        again.energy_mj,
        again.board_energy_mj,
        again.hottest_c,
    )
    assert timeless(one) != timeless(other)


def test_every_policy_meets_the_same_inputs_with_the_same_noise(tmp_path: Path) -> None:
    small = scenario(tmp_path, needs=ACCURACY)
    spec, table = load_board("raspberry-pi-5@1"), prepare(small)[0].table
    noise = LatencyNoise(spec.noise, [9, 1000])
    factors = np.array([noise.draw() for _ in range(100)])
    outcomes = [simulate(small, name, seed=9) for name in ("fixed-largest", "fixed-smallest", "tenuto", "oracle")]
    for outcome in outcomes:
        assert arrivals_s(outcome) == pytest.approx(arrivals_s(outcomes[0]), abs=1e-9)
    for outcome in outcomes[:2]:
        steps = outcome.runs[0].steps[1:]  # the first waits for its clock, too
        modelled_ms = table.column("latency_ms").value[[step.decision.point for step in steps]]
        excess_ms = np.array([step.latency_ms for step in steps]) - modelled_ms * factors[1 : len(steps) + 1]
        assert 0 <= excess_ms.min() <= excess_ms.max() < 0.3  # waking


def test_each_application_has_a_noise_of_its_own(tmp_path: Path) -> None:
    """One comes when the other is gone, so that nothing but noise tells them apart."""
    other = 'name = "other"\nnetwork = "dynamic-ofa-gpu"\nn_cores = [4]\nfrom_s = 2\nperiod_ms = 100'
    small = scenario(tmp_path, needs="period_ms = 100\nuntil_s = 2", others=(other,))
    runs = simulate(small, "fixed-smallest", seed=9).runs
    spec = load_board("raspberry-pi-5@1")
    for index, run in enumerate(runs):
        noise = LatencyNoise(spec.noise, [9, 1000 + index])
        factors = np.array([noise.draw() for _ in run.steps])[1:]
        modelled_ms = run.table.column("latency_ms").value[run.steps[0].decision.point]
        excess_ms = np.array([step.latency_ms for step in run.steps[1:]]) - modelled_ms * factors
        assert 0 <= excess_ms.min() <= excess_ms.max() < 0.3


def test_what_the_clairvoyant_foresees_is_what_happens(tmp_path: Path) -> None:
    small = scenario(tmp_path, needs=ACCURACY)
    steps = simulate(small, "oracle", seed=3).runs[0].steps
    assert [step.latency_ms for step in steps] == pytest.approx([step.decision.latency_ms for step in steps], rel=1e-6)


def test_it_foresees_what_the_world_does_while_an_inference_runs(tmp_path: Path) -> None:
    """With a change every 30 ms nearly every inference lives through one; half of them a large one."""
    events = [
        f"at_s = {0.06 * n + 0.03:.2f}\nuntil_s = {0.06 * n + 0.06:.2f}\nslowdown = {{ a76 = 1.6 }}" for n in range(60)
    ]
    small = scenario(tmp_path, *events, needs=ACCURACY.replace("60", "25"))
    steps = simulate(small, "oracle", seed=3).runs[0].steps
    foreseen = [step.decision.latency_ms for step in steps]
    assert [step.latency_ms for step in steps] == pytest.approx(foreseen, rel=0.02)
    assert not any(step.is_missed for step in steps)


def test_the_battery_gives_what_the_rails_take(tmp_path: Path) -> None:
    small = scenario(tmp_path, more="battery_wh = 0.05\n")
    outcome = simulate(small, "tenuto", seed=1, is_sampled=True)
    drawn_mj = 0.05 * 3.6e6 * (1 - outcome.battery_pct / 100)
    assert outcome.board_energy_mj == pytest.approx(drawn_mj, rel=1e-9)
    assert 0 < outcome.energy_mj < outcome.board_energy_mj
    until_s = outcome.samples[-1].time_s
    sampled_mj = sum(
        sum(sample.power_w.values()) * 1000 * (sample.time_s - before)
        for before, sample in zip([0.0, *(one.time_s for one in outcome.samples)], outcome.samples, strict=False)
    )
    assert sampled_mj == pytest.approx(0.05 * 3.6e6 - outcome.samples[-1].battery_mj, rel=1e-9)
    rails_mj = sum(
        sum(power_w for rail, power_w in sample.power_w.items() if rail != "board") * 1000 * (sample.time_s - before)
        for before, sample in zip([0.0, *(one.time_s for one in outcome.samples)], outcome.samples, strict=False)
    )
    assert rails_mj == pytest.approx(outcome.energy_mj, rel=0.05), "but for what came after the last sample"
    assert until_s == pytest.approx(small.duration_s, abs=0.11)
    assert simulate(small, "tenuto", seed=1).energy_mj == outcome.energy_mj, "looking changes nothing"


def test_inputs_that_are_stale_are_skipped_and_counted(tmp_path: Path) -> None:
    small = scenario(tmp_path, needs='period_ms = 20\nlatency_ms = 50\nmaximise = "accuracy_pct"')
    table = prepare(small)[0].table
    slowest = int(table.column("latency_ms").value.argmax())
    policy = Recording(slowest)
    run = simulate(small, "mine", seed=1, policies=[policy]).runs[0]
    skipped = [step for step in run.steps if step.latency_ms is None]
    assert len(run.steps) == 200
    assert [step.index for step in run.steps] == list(range(200))
    assert len(skipped) > 50
    assert all(step.waited_ms >= 50 and step.is_missed and step.error for step in skipped)
    assert len(policy.seen) == 200, "it is told of those, too"


def test_inputs_that_wait_at_the_end_are_answered(tmp_path: Path) -> None:
    small = scenario(tmp_path, needs='period_ms = 20\nmaximise = "accuracy_pct"', duration_s=2)
    slowest = int(prepare(small)[0].table.column("latency_ms").value.argmax())
    steps = simulate(small, "mine", seed=1, policies=[Recording(slowest)]).runs[0].steps
    assert len(steps) == 100
    assert all(step.latency_ms is not None for step in steps)
    assert steps[-1].time_s > 2 + 0.02


def test_applications_come_and_go(tmp_path: Path) -> None:
    other = 'name = "other"\nnetwork = "dynamic-ofa-gpu"\nn_cores = [2]\nfrom_s = 1\nuntil_s = 2\nperiod_ms = 50'
    outcome = simulate(scenario(tmp_path, others=(other,)), "oracle", seed=2)
    first, second = arrivals_s(outcome), arrivals_s(outcome, 1)
    assert len(first) == 40
    assert len(second) == 20
    assert 1 <= min(second) <= max(second) < 2
    assert [run.name for run in outcome.runs] == ["camera", "other"]


def test_two_at_once_take_longer_than_each_alone(tmp_path: Path) -> None:
    other = 'name = "other"\nnetwork = "dynamic-ofa-gpu"\nn_cores = [4]\nperiod_ms = 100'
    together = simulate(
        scenario(tmp_path, others=(other,), needs="period_ms = 60"), "mine", seed=2, policies=[Recording(), Recording()]
    )
    alone = simulate(scenario(tmp_path, needs="period_ms = 60"), "mine", seed=2, policies=[Recording()])
    longer = [
        step.latency_ms / before.latency_ms
        for step, before in zip(together.runs[0].steps, alone.runs[0].steps, strict=True)
    ]
    assert arrivals_s(together) == pytest.approx(arrivals_s(alone))
    assert min(longer) > 0.99
    assert max(longer) > 1.3


def test_new_requirements_reach_the_policy_and_the_steps(tmp_path: Path) -> None:
    change = 'at_s = 1\nuntil_s = 2\nrequirements = { application = "camera", latency_ms = 33, minimise = "energy_mj" }'
    policy = Recording()
    run = simulate(scenario(tmp_path, change), "mine", seed=1, policies=[policy]).runs[0]
    bounds = [needs.constraint("latency_ms").bound for needs in policy.started]
    assert bounds == [60, 33, 60]
    assert {step.deadline_ms for step in run.steps if step.time_s < 1} == {60}
    assert {step.deadline_ms for step in run.steps if 1 <= step.time_s < 2} == {33}
    events = [event for event in run.events if event.requirements is not None]
    assert [(event.time_s, event.from_index) for event in events] == [(1, 10), (2, 20)]


LOST = "at_s = 1.02\nuntil_s = 2.5\nlost = ['a15']"
BOTH = 'name = "camera"\nnetwork = "dynamic-ofa-gpu"'
ODROID = 'period_ms = 150\nlatency_ms = 149\nmaximise = "accuracy_pct"'


def test_a_cluster_lost_with_an_inference_on_it_ends_elsewhere_and_its_rows_are_unknown(tmp_path: Path) -> None:
    calm = scenario(tmp_path, board="odroid-xu3@1", application=BOTH, needs=ODROID)
    table = prepare(calm)[0].table
    there = np.flatnonzero(table.cluster_index == table.clusters.index("a15"))
    row = int(there[np.abs(table.column("latency_ms").value[there] - 60).argmin()])
    before = simulate(calm, "mine", seed=1, policies=[Recording(row)]).runs[0].steps[6]
    lost_s = before.time_s + before.latency_ms / 2000
    lost = f"at_s = {lost_s}\nuntil_s = 2.5\nlost = ['a15']"
    policy = Recording(row)
    small = scenario(tmp_path, lost, board="odroid-xu3@1", application=BOTH, needs=ODROID)
    steps = simulate(small, "mine", seed=1, policies=[policy]).runs[0].steps
    assert steps[6].latency_ms > 1.2 * before.latency_ms, "the rest of it ran on the smaller cluster"
    answered = [step for step in steps if step.latency_ms is not None]
    within = [step for step in answered if lost_s <= step.time_s < 2.5]
    assert len(within) > 3
    assert all(step.applied is None and "a15" in step.error for step in within)
    assert all(step.applied == row and step.error is None for step in answered if step not in within)
    assert {one.in_force for one in policy.seen if within[0].time_s < one.time_s <= within[-1].time_s} == {None}


@pytest.mark.parametrize("policy", ["tenuto", "alert", "level-step", "oracle"])
def test_policies_live_through_a_lost_cluster(tmp_path: Path, policy: str) -> None:
    outcome = simulate(scenario(tmp_path, LOST, board="odroid-xu3@1", application=BOTH, needs=ODROID), policy, seed=1)
    assert outcome.runs[0].trouble == ()
    assert not any(step.is_missed for step in outcome.runs[0].steps if step.time_s > 3)
    if policy == "oracle":
        assert {row_of(outcome, step)[0] for step in outcome.runs[0].steps if 1.02 <= step.time_s < 2.5} == {"a7"}


def test_when_every_cluster_that_an_application_knows_is_lost_it_still_runs(tmp_path: Path) -> None:
    only = f'{BOTH}\nclusters = ["a15"]'
    run = simulate(scenario(tmp_path, LOST, board="odroid-xu3@1", application=only, needs=ODROID), "oracle", seed=1)
    assert run.runs[0].trouble == ()
    assert len(run.runs[0].steps) == 27
    assert all(step.decision.given_up for step in run.runs[0].steps if 1.02 < step.time_s < 2.5)


def test_a_cap_holds_clocks_down_and_the_row_in_force_says_so(tmp_path: Path) -> None:
    small = scenario(tmp_path, "at_s = 1\nuntil_s = 3\ncaps_mhz = { a76 = 1800 }", needs=ACCURACY)
    table = prepare(small)[0].table
    top = int(np.flatnonzero(table.frequency_hz == table.frequency_hz.max())[0])
    run = simulate(small, "mine", seed=1, policies=[Recording(top)]).runs[0]
    clocks_hz = {
        (1 <= step.time_s < 3): set(
            table.frequency_hz[[one.applied for one in run.steps if (1 <= one.time_s < 3) == (1 <= step.time_s < 3)]]
        )
        for step in run.steps
    }
    assert clocks_hz == {False: {2_400_000_000}, True: {1_800_000_000}}
    capped = [step.latency_ms for step in run.steps if 1.1 <= step.time_s < 3]
    free = [step.latency_ms for step in run.steps if step.time_s < 1]
    assert np.median(capped) > 1.15 * np.median(free)


def test_the_air_warms_the_board(tmp_path: Path) -> None:
    cool, warm = (
        simulate(scenario(tmp_path, f"at_s = 0\nambient_c = {air_c}", duration_s=40), "fixed-largest", seed=1)
        for air_c in (0, 60)
    )
    assert warm.hottest_c > cool.hottest_c + 3


@pytest.mark.parametrize(("lost", "kept"), [("temperature_c", False), ("cpu-thermal.temperature_c", True)])
def test_a_lost_sensor_says_nothing_until_it_is_back(tmp_path: Path, lost: str, kept: bool) -> None:
    event = f"at_s = 1\nuntil_s = 2\nsensor_lost = ['load_pct', '{lost}']"
    monitors = [one.name for one in load_board("odroid-xu3@1").sensors if one.name.endswith("temperature_c")]
    event = event.replace("cpu-thermal.temperature_c", monitors[0])
    policy = Recording()
    small = scenario(tmp_path, event, board="odroid-xu3@1", application=BOTH, needs=ODROID)
    simulate(small, "mine", seed=1, policies=[policy])
    before = [one.readings for one in policy.seen if 0.5 < one.time_s <= 1]
    during = [one.readings for one in policy.seen if 1.3 < one.time_s <= 2]
    after = [one.readings for one in policy.seen if one.time_s > 2.3]
    for readings in (*before, *after):
        assert {"temperature_c", "load_pct", "other_load_pct"} <= readings.keys()
    for readings in during:
        assert "load_pct" not in readings
        assert ("temperature_c" in readings) is (kept and len(monitors) > 1)


def test_a_board_that_switches_itself_off_misses_all_the_rest(tmp_path: Path) -> None:
    other = 'name = "other"\nnetwork = "dynamic-ofa-gpu"\nn_cores = [2]\nfrom_s = 3\nperiod_ms = 50'
    small = scenario(tmp_path, more="battery_wh = 0.0012\n", others=(other,), needs=ACCURACY)
    outcome = simulate(small, "fixed-largest", seed=1)
    assert 0.5 < outcome.off_s < 3
    assert outcome.battery_pct == 0
    for run, n in zip(outcome.runs, (40, 20), strict=True):
        assert [step.index for step in run.steps] == list(range(n))
        assert all(step.is_missed and step.latency_ms is None for step in run.steps if step.time_s >= outcome.off_s)
    assert any(not step.is_missed for step in outcome.runs[0].steps)
    assert all(step.time_s >= 3 for step in outcome.runs[1].steps)


class Broken(Recording):
    """Throws, and answers nonsense, every now and then."""

    def decide(self, state: int, observation: Observation) -> tuple[Decision, int]:
        n = len(self.seen)
        decision, state = super().decide(state, observation)
        if n == 5:
            raise RuntimeError("oh")
        return (Decision(10**6) if n == 10 else decision), state


def test_a_policy_that_throws_is_told_of_and_the_passage_goes_on(tmp_path: Path) -> None:
    run = simulate(scenario(tmp_path), "mine", seed=1, policies=[Broken()]).runs[0]
    assert len(run.steps) == 40
    assert [step.index for step in run.steps if step.is_fallback] == [5, 10]
    assert len(run.trouble) == 2
    assert "oh" in run.trouble[0]
    assert all(step.latency_ms is not None for step in run.steps)


def clocks_of(outcome: Outcome) -> list[int]:
    return [sample.frequency_hz["a76"] for sample in outcome.samples[5:]]


def test_governors_run_the_clocks_that_their_names_promise(tmp_path: Path) -> None:
    small = scenario(tmp_path, needs="period_ms = 45", duration_s=3)
    found = {
        name: simulate(small, f"{name}+static", seed=1, rows=[5], is_sampled=True)
        for name in ("performance", "powersave", "schedutil", "ondemand", "conservative")
    }
    assert set(clocks_of(found["performance"])) == {2_400_000_000}
    assert set(clocks_of(found["powersave"])) == {1_500_000_000}

    def mean_ms(name: str) -> float:
        return float(np.mean([step.latency_ms for step in found[name].runs[0].steps]))

    for name in ("schedutil", "ondemand", "conservative"):
        assert mean_ms("performance") <= mean_ms(name) <= mean_ms("powersave")
    assert mean_ms("performance") < mean_ms("schedutil") < mean_ms("powersave")
    assert found["powersave"].energy_mj < found["schedutil"].energy_mj < found["performance"].energy_mj
    assert all(step.decision.point == 5 and step.applied == 5 for step in found["schedutil"].runs[0].steps)


def test_names_of_policies_are_known_or_refused_with_the_near_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as refused:
        simulate(scenario(tmp_path), "shedutil+static", seed=1)
    assert refused.value.kind == "policy"
    assert "schedutil+static" in refused.value.matches


def test_a_passage_is_written_as_traces_that_can_be_read(tmp_path: Path) -> None:
    change = 'at_s = 1\nrequirements = { application = "camera", latency_ms = 33, minimise = "energy_mj" }'
    small = scenario(tmp_path, change, "label = 'cap'\nat_s = 2\ncaps_mhz = { a76 = 1800 }")
    outcome = simulate(small, "tenuto", seed=1)
    (path,) = write_traces(outcome, tmp_path / "traces")
    trace = read_trace(path)
    assert trace.is_complete
    assert trace.steps == outcome.runs[0].steps
    assert [event.label for event in trace.events] == ["requirements", "cap"]


def test_a_scenario_shorter_than_a_second_has_no_input_or_some_and_never_a_made_up_figure(tmp_path: Path) -> None:
    outcome = simulate(scenario(tmp_path, duration_s=0.2), "tenuto", seed=1)
    assert len(outcome.runs[0].steps) == 2
    assert math.isfinite(outcome.energy_mj)
