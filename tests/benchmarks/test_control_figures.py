"""The machinery behind `make bench-control`: which passages are the same one, what is kept, how shares are pooled."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.control import loads
from benchmarks.control.answer import Answer, markdown, shown
from benchmarks.control.gather import Asked, Gathered, accuracy_pct, energy_mj, job_of, miss_pct
from benchmarks.control.passages import LARGEST, Job, Result, run, scenario_of
from benchmarks.control.passed import HOLDS, Application, Passed, recovery_of
from benchmarks.control.promise import Case
from benchmarks.control.promise import _tail as tail
from benchmarks.control.runs import Runs
from benchmarks.control.sources import board_sources, digest, key
from tenuto.decisions import Decision, Observation
from tenuto.scenarios import load_scenario
from tenuto.simulation import Interval, passages_of, simulate
from tenuto.traces import Step

CONTENTION = "xnx-contention@1"
BATTERY = "battery@1"


def application(n: int, n_missed: int) -> Application:
    """So many inputs, each of 50 % accuracy and answered after 10 ms."""
    return Application("a", n, n_missed, 50.0 * (n - n_missed), 10.0 * n, n, 10.0, 1, 0, 0, 0)


def result(*counts: tuple[int, int], energy_mj: float = 100.0) -> Result:
    """A variant for each pair of inputs and misses."""
    return Result(
        tuple(
            Passed(str(i), 1.0, (application(*one),), energy_mj, energy_mj, 0.0, None, None, None)
            for i, one in enumerate(counts)
        )
    )


def test_the_oracle_is_not_run_again_for_another_promise() -> None:
    """It knows what is to come, so a miss budget changes nothing for it."""
    assert job_of(BATTERY, "oracle", 1) == job_of(BATTERY, "oracle", 1, miss_pct=5.0)
    assert job_of(BATTERY, "oracle", 1) == job_of(BATTERY, "oracle", 1, miss_pct=0.1)
    assert job_of(BATTERY, "tenuto", 1) != job_of(BATTERY, "tenuto", 1, miss_pct=0.1)


def test_a_scenario_s_own_promise_is_its_own_passage_unless_its_noise_is_replaced() -> None:
    """Most promise 1 % under the board's noise; this one has a noise of its own."""
    assert job_of(BATTERY, "tenuto", 1) == job_of(BATTERY, "tenuto", 1, miss_pct=1.0)
    assert job_of(CONTENTION, "tenuto", 1) != job_of(CONTENTION, "tenuto", 1, miss_pct=1.0)


@pytest.mark.parametrize("name", ["rk3588-day@1", "xu3-phases@1", CONTENTION])
def test_a_promise_reaches_every_variant_application_and_change(name: str) -> None:
    """And the board's own noise comes back."""
    changed = scenario_of(Job(name, "tenuto", 1, 0.1))
    for one in passages_of(changed):
        assert dict(one.noise) == {}
        for app in one.applications:
            deadline = app.requirements.constraint("latency_ms")
            assert (app.miss_pct if deadline is None else deadline.miss_pct) == 0.1
        for change in one.changes:
            deadline = change.requirements.constraint("latency_ms")
            assert deadline is not None
            assert deadline.miss_pct == 0.1


def test_a_load_s_period_is_its_network_s_latency_over_the_load() -> None:
    """At 30 % inputs come three times as far apart as at 90 %, and the floor is the network's accuracy."""
    light, heavy = (loads.build(f"load:a15:level 4:{load}").applications[0] for load in (30, 90))
    assert light.arrivals.period_ms == pytest.approx(3 * (heavy.arrivals.period_ms or 0.0))
    floor = heavy.requirements.constraint("accuracy_pct")
    assert floor is not None
    assert floor.bound == pytest.approx(77.54, abs=0.01)


def test_results_are_kept_and_found_again_after_a_line_that_was_cut_off(tmp_path: Path) -> None:
    """An interrupted run goes on."""
    job = Job("load:a7:level 1:30", "tenuto", 7)
    with Runs(tmp_path, n_workers=1) as first:
        first.do([job, job], "passages")
        assert first.n_computed == 1
        assert first.failed == {}
    with next(tmp_path.iterdir()).open("ab") as file:
        file.write(b'{"key": "cut o')
    with Runs(tmp_path, n_workers=1) as again:
        again.do([job], "passages")
        assert again.n_computed == 0
        assert again.of(job) == first.of(job)


def test_a_kept_result_belongs_to_the_sources_of_its_policy() -> None:
    """Ours and ALERT's depend on different modules, the oracle on neither."""
    assert len({digest(policy) for policy in ("tenuto", "alert", "oracle")}) == 3
    assert digest("oracle") == digest(LARGEST) == digest("schedutil+static")
    assert digest("tenuto") == digest("tenuto-without-conformal")
    assert key(Job(BATTERY, "tenuto", 1)) != key(Job(BATTERY, "tenuto", 2))


def test_shares_are_pooled_over_inputs_and_only_over_the_variants_asked_for() -> None:
    """100 inputs with 10 misses and 300 with none are 2.5 %."""
    one = result((100, 10), (300, 0))
    assert miss_pct()(one) == pytest.approx(2.5)
    assert miss_pct([1])(one) == 0.0
    assert accuracy_pct([0])(one) == pytest.approx(45.0)
    assert energy_mj()(one) == pytest.approx(0.5)


def test_policies_are_compared_seed_by_seed_and_on_variants_that_the_oracle_keeps() -> None:
    """The variant with misses of the oracle's is left out."""
    ours = {1: result((100, 3), (100, 0), energy_mj=110.0), 2: result((100, 3), (100, 0), energy_mj=90.0)}
    oracle = {1: result((100, 1), (100, 0), energy_mj=100.0), 2: result((100, 1), (100, 0), energy_mj=75.0)}
    gathered = Gathered("x@1", {"tenuto": ours, "oracle": oracle})
    assert gathered.variants_where("oracle", misses_below_pct=0.5) == [1]
    assert gathered.pooled_misses("tenuto", 0) == (6, 200)
    assert gathered.against_mean("tenuto", "oracle", energy_mj(), is_share=True) == pytest.approx(15.0)


def test_only_seeds_that_every_policy_has_are_compared(tmp_path: Path) -> None:
    """A passage that failed takes its seed with it."""
    with Runs(tmp_path, n_workers=1) as runs:
        asked = Asked((BATTERY,), (1, 2))
        runs._known[key(job_of(BATTERY, "tenuto", 1))] = result((10, 0))
        runs._known[key(job_of(BATTERY, "tenuto", 2))] = result((10, 0))
        runs._known[key(job_of(BATTERY, "oracle", 2))] = result((10, 0))
        assert Gathered.of(runs, asked, BATTERY, ("tenuto", "oracle")).seeds == [2]


def test_a_promise_counts_where_the_oracle_can_keep_it_and_a_fifth_more_is_tolerated() -> None:
    """1.2 % of 1 % is kept, 1.21 % is not."""
    case = Case(1.0, CONTENTION, "", 1000, 1.2, 1.21, 0.49, is_beyond_chance=False)
    assert case.counts
    assert case.keeps(case.tenuto_pct)
    assert not case.keeps(case.alert_pct)


@pytest.mark.parametrize(("k", "n", "p", "expected"), [(0, 5, 0.3, 1.0), (5, 5, 0.3, 0.3**5), (1, 2, 0.5, 0.75)])
def test_chance_is_a_binomial_s_tail(k: int, n: int, p: float, expected: float) -> None:
    """Also where its coefficients are far beyond a float."""
    assert tail(k, n, p) == pytest.approx(expected)
    assert tail(70, 5000, 0.012) == pytest.approx(0.11, abs=0.02)
    assert tail(900, 760_000, 0.0012) == pytest.approx(0.66, abs=0.05)


def test_a_deadline_holds_again_with_a_run_in_time_and_not_with_one_lucky_answer() -> None:
    """Late, in time, late, and in time from then on: three inferences."""
    outcome = simulate(load_scenario(CONTENTION).variants[0], "fixed-smallest", seed=1)
    steps = [
        Step(
            index=i,
            time_s=2.5 + 0.1 * i,
            observation=Observation(2.5 + 0.1 * i),
            decision=Decision(0),
            latency_ms=70.0 if i in (0, 2) else 50.0,
            deadline_ms=60.0,
        )
        for i in range(HOLDS + 10)
    ]
    found = recovery_of(replace(outcome.runs[0], steps=tuple(steps)), 2.5)
    assert found is not None
    assert found.n_late == 3
    assert found.begins_ms == pytest.approx(300.0)
    assert found.answered_ms == pytest.approx(350.0)


def test_the_largest_network_under_performance_is_the_most_accurate_one() -> None:
    """What it delivers and what it misses add up to that network's accuracy."""
    found = run(Job("load:a15:level 6:30", LARGEST, 1)).passed[0].applications[0]
    assert found.delivered == pytest.approx(79.03 * (found.n - found.n_missed), rel=1e-3)


def test_the_shares_of_a_board_s_sources_add_up() -> None:
    """Each figure has one."""
    shares = board_sources("odroid-xu3@1")["power"]
    assert sum(shares[f"{one}_pct"] for one in ("measured", "modelled", "published", "assumed")) in range(98, 103)


def test_the_page_shows_asked_and_measured_side_by_side() -> None:
    """With what cannot be told marked as such."""
    answers = [Answer("1", "Title", "least", "most", "so", is_met=None)]
    about = {"tenuto": "1", "date": "d", "machine": "m", "python": "3", "boards": {"b@1": board_sources("rk3588@1")}}
    assert "| 1 | Title | least | most | ? | so |" in markdown(answers, about, [1, 2])
    assert shown(Interval(1.234, 1.0, 1.468), 1) == "1.2 ±0.2"
    assert shown(float("nan")) == "-"
