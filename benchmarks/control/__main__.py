"""The nine figures of control, asked and measured: `python -m benchmarks.control` (`make bench-control`).

Every passage runs on a simulated board. Results are kept by scenario, policy, seed and a digest of the sources that
they depend on, so a run that was interrupted goes on, and after a change only what depends on it runs anew. `--quick`
takes two seeds and leaves out what takes long.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

from benchmarks.control import ablation, energy, governors, promise, recovery, special, timing
from benchmarks.control.answer import Answer, markdown, met, plain
from benchmarks.control.gather import Asked
from benchmarks.control.loads import BOARD
from benchmarks.control.passages import Job, loaded
from benchmarks.control.runs import Runs, default_cache
from benchmarks.control.sources import is_changed, provenance
from tenuto.cli.replay import parse_seeds
from tenuto.scenarios import load_scenario, scenario_ids

RESULTS = Path(__file__).parent.parent / "results"
FIGURES = ("1", "2", "3", "4", "5", "6", "7", "8", "9")
SEEDS = "2001:2021"
"""Not those that a replay draws by default, with which policies are tried while they are written."""

QUICK_SEEDS = "2001:2003"
ENOUGH_SEEDS = 20


def main() -> None:
    """Compute, print, keep."""
    asked = _parsed()
    whole = Asked(tuple(scenario_ids()), parse_seeds(asked.seeds), asked.quick)
    scenarios = tuple(load_scenario(one).id for one in asked.scenario or whole.scenarios)
    some = Asked(scenarios, whole.seeds, whole.is_quick)
    figures = tuple(asked.figure or FIGURES)
    begin = perf_counter()
    with Runs(asked.cache, asked.jobs) as runs:
        answers = _answers(runs, some, figures)
    about = {
        **provenance({loaded(one).board for one in scenarios} | ({BOARD} if "4" in figures else set())),
        "seeds": list(some.seeds),
        "scenarios": list(scenarios),
        "n_passages_computed": runs.n_computed,
        "n_inferences_computed": runs.n_inputs,
        "inferences_per_core_second": round(runs.n_inputs / runs.computed_s) if runs.computed_s else None,
        "took_s": round(perf_counter() - begin),
        "are_sources_as_at_first": not is_changed(),
        "failed": [f"{job.scenario} {job.policy} {job.seed}: {why}" for job, why in runs.failed.items()],
    }
    found = {"about": about, "figures": [_plain(one) for one in answers]}
    is_whole = len(some.seeds) >= ENOUGH_SEEDS and scenarios == whole.scenarios and figures == FIGURES
    folder = asked.out or (RESULTS if is_whole and not some.is_quick else asked.cache)
    machine = re.sub(r"[^a-z0-9]+", "-", str(about["machine"]).lower()).strip("-")
    stem = folder / f"control-{machine}-tenuto-{about['tenuto']}"
    folder.mkdir(parents=True, exist_ok=True)
    stem.parent.joinpath(stem.name + ".json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    stem.parent.joinpath(stem.name + ".md").write_text(markdown(answers, about, some.seeds))
    if is_changed():
        sys.stderr.write("control: the sources changed while this ran; run it again\n")
    if asked.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        _print(answers, f"{stem}.md and .json; {runs.n_computed} passages computed, {about['took_s']} s")


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.control", description=__doc__)
    parser.add_argument("--seeds", default=None, metavar="N|FROM:TO", help=f"default {SEEDS}")
    parser.add_argument("--scenario", action="append", metavar="NAME", help="again for each; all that ship")
    parser.add_argument("--figure", action="append", choices=FIGURES, help="again for each; all nine")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--quick", action="store_true", help=f"two seeds ({QUICK_SEEDS}), and not what takes longest")
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="FOLDER", help="where results are kept")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="of the tables; the cache unless all was computed")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    asked.seeds = asked.seeds or (QUICK_SEEDS if asked.quick else SEEDS)
    return asked


def _answers(runs: Runs, asked: Asked, figures: tuple[str, ...]) -> list[Answer]:
    """All jobs of all figures first, so that no core waits; then the figures."""
    wanted: dict[str, Callable[[], list[Job]]] = {
        "1": lambda: recovery.jobs(asked),
        "2": lambda: promise.jobs(asked),
        "3": lambda: energy.jobs(asked),
        "4": lambda: governors.choices(asked),
        **{number: lambda number=number: special.jobs(asked, number) for number in ("5", "6", "7")},  # type: ignore[misc]
        "9": lambda: ablation.jobs(asked),
    }
    runs.do((job for number in figures if number in wanted for job in wanted[number]()), "passages")
    if "4" in figures:
        runs.do(governors.jobs(runs, asked), "passages under schedutil")
    make: dict[str, Callable[[], list[Answer]]] = {
        "1": lambda: [recovery.answer(runs, asked)],
        "2": lambda: [promise.answer(runs, asked)],
        "3": lambda: [energy.answer(runs, asked)],
        "4": lambda: governors.answer(runs, asked),
        "5": lambda: [special.memory(runs, asked)],
        "6": lambda: [special.heat(runs, asked)],
        "7": lambda: [special.battery(runs, asked)],
        "8": lambda: [timing.answer(asked)],
        "9": lambda: [ablation.answer(runs, asked)],
    }
    return [one for number in figures for one in make[number]()]


def _plain(answer: Answer) -> dict[str, object]:
    return {
        "number": answer.number,
        "title": answer.title,
        "asked": answer.asked,
        "measured": answer.measured,
        "how": answer.how,
        "is_met": answer.is_met,
        "data": plain(answer.data),
    }


def _print(answers: list[Answer], where: str) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False, show_lines=True)
    for title in ("", "asked", "measured", "met", "how"):
        table.add_column(title, overflow="fold")
    for one in answers:
        table.add_row(one.number, f"{one.title}: {one.asked}", one.measured, met(one.is_met), one.how)
    console.print(table)
    console.print(where, style="dim", soft_wrap=True)


if __name__ == "__main__":
    main()
