"""Every shipped scenario still goes as it went: a change here is a change of behaviour.

To bless what happens now, after having looked at what changed and why:

    TENUTO_BLESS=1 pytest tests/simulation/test_golden_scenarios.py

which records the same parts of the scenarios anew. Say in the commit what changed.
"""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from tenuto.nets.catalogue import open_network
from tenuto.scenarios import Scenario, load_scenario, scenario_ids
from tenuto.simulation import Outcome, passages_of, simulate
from tenuto.simulation._window import window

FOLDER = Path(__file__).parents[1] / "golden" / "scenarios"
SEED = 1
POLICIES = ("tenuto", "alert", "oracle")
MOST_BYTES = 40_000

PARTS_S = {
    "battery@1": (1490.0, 1520.0),
    "bursts@1": (0.0, 15.0),
    "hidden-memory-clock@1": (6.0, 9.5),
    "rk3588-day@1": (898.0, 908.0),
    "xnx-availability@1": (36.0, 46.0),
    "xnx-contention@1": (0.0, 7.0),
    "xnx-two-networks@1": (9.0, 12.0),
    "xu3-heat@1": (0.0, 13.0),
    "xu3-phases@1": (13.0, 25.0),
}
"""From when to when: about a hundred inputs, with something happening among them."""


def part_of(scenario_id: str) -> Scenario:
    """Of the variant in the middle, where there are any."""
    passages = passages_of(load_scenario(scenario_id))
    return window(passages[len(passages) // 2], *PARTS_S[scenario_id])


def lines_of(outcome: Outcome) -> list[list[Any]]:
    """Policy, application, input, row in words, latency, wait, whether missed, what was given up."""
    lines = []
    for application, run in zip(outcome.scenario.applications, outcome.runs, strict=True):
        titles = {one.sub_network: one.title for one in open_network(application.network).members}
        for step in run.steps:
            row = run.table.configuration(step.decision.point)
            clock = "" if row.frequency_hz is None else f" {row.frequency_hz / 1e6:g}"
            name = f"{titles[row.sub_network]}, {row.n_cores} {row.cluster}{clock}"
            latency_ms = None if step.latency_ms is None else _rounded(step.latency_ms)
            given_up = " ".join(step.decision.given_up)
            lines.append(
                [
                    outcome.policy,
                    run.name,
                    step.index,
                    name,
                    latency_ms,
                    _rounded(step.waited_ms),
                    int(step.is_missed),
                    given_up,
                ]
            )
    return lines


def _rounded(figure: float) -> float:
    """Six digits after the point and at most eight in all: beyond that mathematical libraries differ."""
    return round(float(f"{figure:.8g}"), 6)


@pytest.fixture(scope="module", autouse=True)
def _blessed() -> None:
    """Recorded anew, if that is asked for."""
    if os.environ.get("TENUTO_BLESS") != "1":
        return
    FOLDER.mkdir(exist_ok=True)
    for scenario_id in PARTS_S:
        scenario = part_of(scenario_id)
        lines = [line for policy in POLICIES for line in lines_of(simulate(scenario, policy, seed=SEED))]
        text = "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines)
        (FOLDER / f"{scenario_id}.jsonl").write_text(text, encoding="utf-8")


def record_of(scenario_id: str) -> list[list[Any]]:
    text = (FOLDER / f"{scenario_id}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_every_shipped_scenario_has_a_record_and_no_other() -> None:
    assert sorted(PARTS_S) == sorted(scenario_ids())
    assert sorted(path.name for path in FOLDER.iterdir()) == [f"{one}.jsonl" for one in sorted(PARTS_S)]
    assert max(path.stat().st_size for path in FOLDER.iterdir()) < MOST_BYTES


@pytest.mark.parametrize("scenario_id", sorted(PARTS_S))
def test_something_happens_in_a_record(scenario_id: str) -> None:
    lines = record_of(scenario_id)
    assert {line[0] for line in lines} == set(POLICIES)
    assert {line[1] for line in lines} == {one.name for one in part_of(scenario_id).applications}
    assert len({line[3] for line in lines}) >= 3, "rows that were run"
    assert len(lines) >= 60 * len(POLICIES)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("scenario_id", sorted(PARTS_S))
def test_it_still_goes_as_it_went(scenario_id: str, policy: str) -> None:
    then = [line for line in record_of(scenario_id) if line[0] == policy]
    now = lines_of(simulate(part_of(scenario_id), policy, seed=SEED))
    for before, after in zip(then, now, strict=True):
        assert [*after[:4], *after[6:]] == [*before[:4], *before[6:]]
        for old, new in zip(before[4:6], after[4:6], strict=True):
            assert (old is None) is (new is None)
            assert old is None or math.isclose(old, new, rel_tol=1e-6, abs_tol=2e-6), after
