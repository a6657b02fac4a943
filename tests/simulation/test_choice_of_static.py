"""The best fixed point in hindsight is the best that there is, by trying them all."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_worlds import scenario

from tenuto.scenarios import Scenario
from tenuto.simulation import choose_static, measures_of, simulate
from tenuto.simulation._applications import governed, prepare
from tenuto.simulation._choose import CHOOSING_SEED
from tenuto.simulation._window import window

BUSY = "at_s = 1\nuntil_s = 2\nbackground = { a76 = { busy_cores = 2 } }"


def best_by_hand(small: Scenario, name: str, n_rows: int, *, floor_pct: float, budget_pct: float = 1.0) -> float:
    """The least energy of a row that keeps the floor, and the deadline but for the budget."""
    found = []
    table = prepare(small)[0].table
    if name != "oracle-static":
        table = governed(table)
    for row in range(n_rows):
        one = measures_of([simulate(small, name, seed=CHOOSING_SEED, rows=[row])])
        if one.miss_pct <= budget_pct and table.column("accuracy_pct").value[row] >= floor_pct:
            found.append(one.energy_mj_per_inference)
    return min(found)


@pytest.mark.parametrize("name", ["oracle-static", "schedutil+static"])
def test_the_row_chosen_is_the_best_of_all(tmp_path: Path, name: str) -> None:
    small = scenario(
        tmp_path,
        BUSY,
        needs='period_ms = 60\nlatency_ms = 40\naccuracy_pct = 77\nminimise = "energy_mj"',
        duration_s=3,
    )
    n_rows = len(prepare(small)[0].table) if name == "oracle-static" else 6
    (row,) = choose_static(small, name)
    chosen = measures_of([simulate(small, name, seed=CHOOSING_SEED, rows=[row])])
    assert chosen.miss_pct <= 1
    best_mj = best_by_hand(small, name, n_rows, floor_pct=77)
    assert chosen.energy_mj_per_inference == pytest.approx(best_mj, rel=1e-3)


def test_where_nothing_keeps_the_deadline_the_one_that_misses_least_is_chosen(tmp_path: Path) -> None:
    small = scenario(tmp_path, needs='period_ms = 60\nlatency_ms = 6.8\nmaximise = "accuracy_pct"', duration_s=2)
    (row,) = choose_static(small, "oracle-static")
    missed = [
        measures_of([simulate(small, "oracle-static", seed=CHOOSING_SEED, rows=[one])]).miss_pct
        for one in range(len(prepare(small)[0].table))
    ]
    assert missed[row] == min(missed)
    assert missed[row] > 0


def test_an_application_that_comes_late_is_tried_where_it_is_there(tmp_path: Path) -> None:
    """Half a day of one input a second, and after it another application with a tight deadline."""
    late = 'name = "late"\nnetwork = "dynamic-ofa-gpu"\nn_cores = [4]\nfrom_s = 43200\nperiod_ms = 30\nlatency_ms = 9'
    early = "period_ms = 1000\nlatency_ms = 900"
    small = scenario(tmp_path, needs=early, others=(late,), duration_s=43220)
    alone = scenario(tmp_path, needs=early, others=(late.replace("from_s = 43200", "from_s = 0"),), duration_s=20)
    assert choose_static(small, "performance+static")[1] == choose_static(alone, "performance+static")[1]


def test_a_window_of_a_scenario_is_what_happens_then(tmp_path: Path) -> None:
    change = 'at_s = 12\nrequirements = { application = "camera", latency_ms = 33, minimise = "energy_mj" }'
    soon = 'at_s = 25\nrequirements = { application = "camera", latency_ms = 44, minimise = "energy_mj" }'
    world = "at_s = 5\nuntil_s = 22\nambient_c = 33"
    other = 'name = "other"\nnetwork = "dynamic-ofa-gpu"\nfrom_s = 2\nuntil_s = 10\nperiod_ms = 50'
    third = 'name = "third"\nnetwork = "dynamic-ofa-gpu"\nfrom_s = 21\nuntil_s = 24\nperiod_ms = 50'
    whole = scenario(tmp_path, change, soon, world, others=(other, third), duration_s=60)
    seen = window(whole, 20.0, 30.0)
    assert seen.duration_s == 10
    camera, gone, third_one = seen.applications
    assert camera.requirements.constraint("latency_ms").bound == 33
    assert [(one.time_s, one.requirements.constraint("latency_ms").bound) for one in seen.changes] == [(5, 44)]
    assert [(time_s, one.ambient_c) for time_s, one in seen.world] == [(0, 33), (2, None)]
    assert (third_one.from_s, third_one.until_s) == (1, 4)
    runs = simulate(seen, "fixed-smallest", seed=1).runs
    assert [len(run.steps) for run in runs] == [100, 0, 60]
    assert gone.name == "other"
    assert window(whole, 0.0, 60.0) == replace(whole, duration_s=60.0)
