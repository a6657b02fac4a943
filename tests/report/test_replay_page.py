"""The page of a replay: one file that needs nothing else, whatever came of the replay and however long it was."""

import dataclasses
import json
import re
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_outcome import made_up_outcomes, made_up_summary
from test_report_page import HOSTILE, Page

from tenuto.errors import UsageError
from tenuto.report import render_replay
from tenuto.report._lanes import application_lanes, latency_axis
from tenuto.report._passage import Columns, Passage, stretches
from tenuto.report._replay_words import asked_of, outcome_of
from tenuto.report._told import chosen, told
from tenuto.requirements import Requirements
from tenuto.scenarios import Application, Arrivals
from tenuto.simulation import ApplicationRun, Outcome

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return made_up_outcomes(duration_s=20)


@pytest.fixture(scope="module")
def content(outcomes: list[Outcome]) -> str:
    return render_replay(outcomes, made_up_summary(outcomes), notes=["Nothing was measured."])


def steps_of(page: str) -> dict[str, Any]:
    match = re.search(r'id="steps">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    data: dict[str, Any] = json.loads(match[1])
    return data


def changed(outcome: Outcome, **changes: object) -> Outcome:
    """The outcome with every step of every run changed."""
    runs = tuple(
        dataclasses.replace(run, steps=tuple(msgspec.structs.replace(step, **changes) for step in run.steps))
        for run in outcome.runs
    )
    return dataclasses.replace(outcome, runs=runs)


def test_the_page_is_well_formed_and_loads_nothing(content: str) -> None:
    page = Page(content)
    assert not [tag for tag, _ in page.tags if tag in {"link", "img", "iframe", "object", "embed", "base", "use"}]
    assert not [attributes for _, attributes in page.tags if {"src", "href", "xlink:href"} & attributes.keys()]
    assert not re.findall(r"https?://|//[a-z]|@import|url\(", content)


def test_every_policy_has_its_row_and_its_time_lines(content: str, outcomes: list[Outcome]) -> None:
    page = Page(content)
    names = [outcome.policy for outcome in outcomes]
    rows = [cells[0].removesuffix(" ruler") for cells in page.cells if cells[0].removesuffix(" ruler") in names]
    assert rows == names
    runs = [attributes["data-run"] for _, attributes in page.tags if "data-run" in attributes]
    assert runs == [str(index) for index in range(len(outcomes))]
    kinds = [attributes["class"] for _, attributes in page.tags if (attributes.get("class") or "").startswith("lane ")]
    of_tenuto = [kind.removeprefix("lane ") for kind in kinds if kind is not None][:8]
    assert of_tenuto == ["latency", "misses", "level", "place", "power", "temperature", "clocks", "battery"]


def test_intervals_the_ruler_and_broken_promises_are_marked(outcomes: list[Outcome]) -> None:
    summary = [dict(row) for row in made_up_summary(outcomes)]
    for row, mean in zip(summary, (0.4, 0.5, 7.0, 0.1), strict=True):
        row["miss_pct"] = {"mean": mean, "low": mean / 2, "high": 2 * mean}
    page = render_replay(outcomes, summary)
    cells = {row[0].removesuffix(" ruler"): row for row in Page(page).cells if len(row) > 5}
    assert cells["tenuto"][1] == "0.400.20–0.80"
    assert cells["oracle"][0].endswith("ruler")
    assert re.findall(r'class="[^"]*over[^"]*">([^<]*)<span class="interval"', page) == ["7.0"]
    assert re.search(r'class="best">0.40', page)
    assert "hot" in next(row for row in Page(page).cells if row[0] == "policy")[-1]


def test_the_sentences_name_the_best_that_keeps_its_promise_and_who_broke_it(outcomes: list[Outcome]) -> None:
    summary = [
        {"policy": name, "n_seeds": 20, "miss_pct": {"mean": pct, "low": pct, "high": pct}}
        | {
            "energy_mj_per_inference": {"mean": mj, "low": mj - 1, "high": mj + 1},
            "energy_over_oracle_pct": {"mean": over},
        }
        for name, pct, mj, over in (("tenuto", 0.5, 41.0, 2.5), ("thrifty", 9.0, 20.0, -50.0), ("oracle", 0.0, 40.0, 0))
    ]
    best, late, *_ = outcome_of(outcomes, summary)
    assert best.startswith("Of the policies that keep their deadlines as often as asked, tenuto draws the least energy")
    assert "2.5\N{NO-BREAK SPACE}% above the oracle" in best
    assert "kept by tenuto" in late
    assert "broken by thrifty 9.0" in late


def test_where_no_policy_keeps_its_promise_the_nearest_is_named(outcomes: list[Outcome]) -> None:
    summary = [{"policy": "a", "miss_pct": {"mean": 7.0}}, {"policy": "b", "miss_pct": {"mean": 3.0}}]
    assert outcome_of(outcomes, summary)[0].startswith(
        "No policy keeps its deadlines as often as asked; b comes nearest"
    )


def test_heat_battery_and_a_board_that_went_off_are_told(outcomes: list[Outcome]) -> None:
    hot = dataclasses.replace(outcomes[0], throttled_s=12.25, off_s=15.0, hottest_c=91.5, battery_pct=None)
    page = Page(render_replay([hot], []))
    for words in ("Heat held clocks down under tenuto for 12.2", "switched itself off under tenuto after 15.0", "91.5"):
        assert words in page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Left in the battery" not in page.text
    assert "off" in [word.strip() for word in page.words]


def test_reasons_read_back_from_the_page_are_whole_sentences(content: str, outcomes: list[Outcome]) -> None:
    data = steps_of(content)
    assert [(run["policy"], len(run["steps"])) for run in data["runs"]] == [(one.policy, 200) for one in outcomes]
    for run, outcome in zip(data["runs"], outcomes, strict=True):
        for told_step, step in zip(run["steps"], outcome.runs[0].steps, strict=True):
            sentence, figures = data["sentences"][told_step[6]], told_step[7].split()
            assert sentence.count("¤") == len(figures)
            assert (told_step[1] is None) == (step.latency_ms is None)
    whole = data["sentences"][data["runs"][0]["steps"][1][6]]
    assert "runner-up" in whole
    assert "level" in whole


def test_a_change_of_requirements_is_marked_and_counts_in_the_reasons(content: str, outcomes: list[Outcome]) -> None:
    page = Page(content)
    assert "camera asks anew: latency_ms <= 70" in page.text.replace("\N{NO-BREAK SPACE}", " ")
    passage = Passage.of(outcomes[0].runs[0])
    deadlines = [passage.requirements_at(index).constraint("latency_ms") for index in (0, 199)]
    assert [one.bound for one in deadlines if one is not None] == [90.0, 70.0]


def test_hostile_names_stay_text(outcomes: list[Outcome]) -> None:
    scenario = dataclasses.replace(
        outcomes[0].scenario,
        title=HOSTILE,
        applications=(Application(HOSTILE, "toy", outcomes[0].runs[0].requirements, Arrivals(100.0)),),
        disturbances=tuple(dataclasses.replace(one, label=HOSTILE) for one in outcomes[0].scenario.disturbances),
    )
    run = dataclasses.replace(outcomes[0].runs[0], name=HOSTILE, trouble=(HOSTILE,))
    hostile = dataclasses.replace(outcomes[0], scenario=scenario, policy=HOSTILE, runs=(run,))
    page = Page(
        render_replay([hostile], [{"policy": HOSTILE, "miss_pct": {"mean": 1.0}, HOSTILE: 1.0}], notes=[HOSTILE])
    )
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert sum(tag == "script" for tag, _ in page.tags) == 2
    assert page.text.count(HOSTILE) >= 6


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"latency_ms": None, "error": "out of memory"}, id="no answers at all"),
        pytest.param({"deadline_ms": None}, id="no deadline"),
        pytest.param({"applied": None}, id="never certain what was in force"),
        pytest.param({"latency_ms": 0.0}, id="instant"),
        pytest.param({"latency_ms": 9e7}, id="a day each"),
        pytest.param({"time_s": 0.0}, id="all at once"),
    ],
)
def test_a_replay_that_lacks_a_figure_still_has_its_page(outcomes: list[Outcome], changes: dict[str, object]) -> None:
    page = Page(render_replay([changed(one, **changes) for one in outcomes[:2]], []))
    assert not re.search(r"\bnan\b|\binf\b|None", page.text)
    assert not [attributes for _, attributes in page.tags if re.search("nan|inf", attributes.get("d") or "")]


def test_without_samples_without_inputs_and_without_a_summary_there_is_a_page(outcomes: list[Outcome]) -> None:
    run = dataclasses.replace(outcomes[0].runs[0], steps=())
    page = Page(render_replay([dataclasses.replace(outcomes[0], runs=(run,), samples=())], []))
    assert "No input came." in page.text
    assert not [1 for _, attributes in page.tags if (attributes.get("class") or "").startswith("lane ")]


def test_no_outcome_or_outcomes_of_two_worlds_are_refused(outcomes: list[Outcome]) -> None:
    with pytest.raises(UsageError):
        render_replay([], [])
    with pytest.raises(UsageError):
        render_replay([outcomes[0], dataclasses.replace(outcomes[1], seed=99)], [])


def over_and_over(outcome: Outcome, n: int) -> Outcome:
    """The outcome `n` times, one after the other."""
    duration_s = outcome.scenario.duration_s
    runs = tuple(
        dataclasses.replace(
            run,
            steps=tuple(
                msgspec.structs.replace(
                    step, time_s=step.time_s + turn * duration_s, index=turn * len(run.steps) + step.index
                )
                for turn in range(n)
                for step in run.steps
            ),
        )
        for run in outcome.runs
    )
    samples = tuple(
        msgspec.structs.replace(sample, time_s=sample.time_s + turn * duration_s)
        for turn in range(n)
        for sample in outcome.samples
    )
    scenario = dataclasses.replace(outcome.scenario, duration_s=n * duration_s)
    return dataclasses.replace(outcome, scenario=scenario, runs=runs, samples=samples)


def test_a_long_replay_stays_light_and_says_that_it_is_thinned() -> None:
    """Two policies and two applications for ten minutes, of which one misses a great deal."""
    short = made_up_outcomes(duration_s=20, names=("a", "b"), only=("tenuto", "level-step"))
    outcomes = [over_and_over(one, 30) for one in (short[0], changed(short[1], deadline_ms=12.0))]
    page = render_replay(outcomes, made_up_summary(outcomes))
    assert len(page.encode()) < 1.5 * MEGABYTE
    text = Page(page).text
    assert "The drawings are thinned" in text
    assert "Reasons are kept for" in text
    n_told = sum(len(run["steps"]) for run in steps_of(page)["runs"])
    assert 4000 < n_told <= 14_000


def test_what_has_not_been_thinned_does_not_say_so(content: str) -> None:
    text = Page(content).text
    assert "thinned" not in text
    assert "Reasons are kept" not in text


times = st.lists(st.floats(0, 100, allow_nan=False), min_size=1, max_size=60).map(sorted)


@given(times=times, n=st.integers(1, 30), data=st.data())
def test_a_column_holds_the_extremes_of_what_falls_into_it(times: list[float], n: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.floats(-1e6, 1e6), min_size=len(times), max_size=len(times)))
    columns = Columns(0.0, 100.0, n)
    time_s, value = np.array(times), np.array(values)
    low, high = columns.extremes(time_s, value)
    where = columns.of(time_s)
    assert np.all((low[where] <= value) & (value <= high[where]))
    assert set(np.flatnonzero(~np.isnan(low)).tolist()) == set(where.tolist())
    assert np.nanmax(high) == value.max()
    assert np.nanmin(low) == value.min()
    held_low, held_high = columns.held(time_s, value, 1e9)
    assert not np.isnan(held_low[where[0] + 1 :]).any()
    assert np.all(held_low[where] <= value)
    assert np.all(value <= held_high[where])


@given(values=st.lists(st.sampled_from([0.0, 1.0, 2.0, float("nan")]), max_size=40))
def test_stretches_rebuild_the_columns_they_are_of(values: list[float]) -> None:
    rebuilt = np.full(len(values), np.nan)
    for begin, end, value in stretches(np.array(values)):
        assert np.isnan(rebuilt[begin:end]).all()
        rebuilt[begin:end] = value
    assert np.array_equal(rebuilt, np.array(values), equal_nan=True)


@pytest.mark.parametrize("changes", [{}, {"latency_ms": None}, {"deadline_ms": None}, {"deadline_ms": 30.0}])
def test_what_counts_as_missed_is_what_the_trace_says(outcomes: list[Outcome], changes: dict[str, object]) -> None:
    for outcome in outcomes:
        (run,) = changed(outcome, **changes).runs
        passage = Passage.of(run)
        assert passage.is_missed.tolist() == [step.is_missed for step in run.steps]
        assert passage.is_told[passage.is_missed].all()


@pytest.mark.parametrize("n_columns", [40, 1000])
@pytest.mark.parametrize("only", ["tenuto", "level-step"])
def test_no_column_with_a_miss_is_without_its_mark(outcomes: list[Outcome], only: str, n_columns: int) -> None:
    outcome = next(one for one in outcomes if one.policy == only)
    passage = Passage.of(changed(outcome, deadline_ms=30.0).runs[0])
    columns = Columns(0.0, 20.0, n_columns)
    assert passage.is_missed.any()
    lanes = {
        lane.kind: lane for lane in application_lanes(passage, columns, latency_axis([passage]), {"a7": 0, "a15": 1})
    }
    ticks = [float(x) for x in re.findall(r"M([\d.]+) ", lanes["misses"].content)]
    missed = columns.of(passage.time_s[passage.is_missed])
    marked = {round(x * n_columns / 1000) for x in ticks}
    assert all(column in marked or column + 1 in marked for column in missed.tolist())
    (late,) = re.findall(r'class="late dots" d="([^"]*)"', lanes["latency"].content)
    assert late.count("M") == int((passage.is_missed & ~np.isnan(passage.response_ms)).sum())


@given(n_most=st.integers(2, 250))
def test_the_steps_told_of_are_no_more_than_there_is_room_for_and_have_the_misses_first(n_most: int) -> None:
    passage = made_up_passage()
    kept = chosen(passage, n_most)
    assert kept == sorted(set(kept))
    assert len(kept) <= max(n_most, 2)
    happened = set(np.flatnonzero(passage.is_told).tolist())
    if n_most >= len(passage):
        assert kept == list(range(len(passage)))
    elif n_most >= 2 * len(happened):
        assert happened <= set(kept)


@cache
def made_up_passage() -> Passage:
    (outcome,) = made_up_outcomes(duration_s=20, only=("tenuto",))
    return Passage.of(outcome.runs[0])


def test_telling_counts_what_it_leaves_out(outcomes: list[Outcome]) -> None:
    passages = [Passage.of(run) for one in outcomes for run in one.runs]
    steps, _, n_left_out = told(passages, n_most=400)
    assert n_left_out == sum(map(len, passages)) - sum(map(len, steps)) > 0


def test_latencies_far_beyond_the_deadline_are_drawn_in_ratios(outcomes: list[Outcome]) -> None:
    near, far = (Passage.of(changed(outcomes[0], latency_ms=ms).runs[0]) for ms in (80.0, 5000.0))
    assert latency_axis([near])[2] is False
    low, high, is_log = latency_axis([near, far])
    assert is_log
    assert 0 < low < 70
    assert high > 5000


def test_requirements_are_said_with_their_miss_budget() -> None:
    said = asked_of(Requirements.of(latency_ms=60, miss_pct=0.1, minimise="energy_mj"))
    assert said.replace("\N{NO-BREAK SPACE}", " ") == "latency_ms <= 60 ms (at most 0.1 % late), minimise energy_mj"


def test_several_applications_have_time_lines_each_and_policies_fold() -> None:
    two = made_up_outcomes(duration_s=8, names=("camera", "microphone"))
    page = Page(render_replay(two, made_up_summary(two)))
    open_at_first = ["open" in attributes for tag, attributes in page.tags if tag == "details"]
    assert open_at_first == [True, True, False, False]
    assert page.text.count("microphone") >= len(two)
    runs: list[ApplicationRun] = [run for one in two for run in one.runs]
    assert [attributes["data-run"] for _, attributes in page.tags if "data-run" in attributes] == [
        str(index) for index in range(len(runs))
    ]
