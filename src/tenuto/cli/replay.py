"""`tenuto replay`: policies on identical simulated worlds, side by side."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

from tenuto.cli._places import check_folder, check_place
from tenuto.cli.profile import INTERRUPTED
from tenuto.errors import UsageError
from tenuto.report import render_replay
from tenuto.scenarios import Scenario, load_scenario, scenario_ids
from tenuto.simulation import (
    Interval,
    Replay,
    arranged_names,
    passages_of,
    replay,
    rounded,
    simulate,
    summarise,
    write_traces,
)
from tenuto.storage import replace_file

DEFAULT_POLICIES = ("tenuto", "alert", "level-step", "schedutil+static", "oracle")

MOST_SEEDS = 10_000

_SIDE_BY_SIDE = 4
"""Policies beside each other on a line of 80 characters."""

_COLUMNS = (
    ("miss_pct", "missed, %", 2),
    ("longest_miss_run", "in a row", 0),
    ("recovery_s", "recovery, s", 2),
    ("latency_mean_ms", "latency, mean, ms", 1),
    ("latency_p99_ms", "latency, p99, ms", 1),
    ("energy_mj_per_inference", "energy each, mJ", 1),
    ("energy_over_oracle_pct", "above the oracle, %", 1),
    ("accuracy_pct", "accuracy, %", 2),
    ("accuracy_under_oracle_pct", "below the oracle", 2),
    ("switches_per_min", "switches a minute", 0),
    ("decision_median_us", "decision, us", 1),
    ("throttled_s", "throttled, s", 0),
    ("hottest_c", "hottest, °C", 1),
    ("battery_pct", "battery left, %", 1),
)


def command(
    *,
    scenario: Annotated[
        str | None, typer.Argument(help="Name, id or file; without one those that ship are listed.", show_default=False)
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help=f"Again for each. Default: {', '.join(DEFAULT_POLICIES)}.", show_default=False),
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="N|FROM:TO", help="So many, or those from FROM up to before TO.")] = "5",
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Draw the first seed of every policy.", show_default=False)
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the first seed's traces, for `tenuto explain`.", show_default=False),
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; one for each processor if not said.")] = None,
    ray: Annotated[bool, typer.Option("--ray", help="Run on a Ray cluster (the extra `cluster`).")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> None:
    """Run policies through a scenario on the same simulated worlds, and measure them side by side.

    All figures are of a simulated board; `tenuto boards NAME` says where its own come from.
    """
    if scenario is None:
        _list(Console(), json=json)
        return
    asked = tuple(policy or DEFAULT_POLICIES)
    chosen = parse_seeds(seeds)
    if report is not None:
        check_place(report)
    if trace is not None:
        check_folder(trace)
    loaded = load_scenario(scenario)
    try:
        found = _with_progress(scenario, asked, chosen, jobs=jobs, ray=ray)
    except KeyboardInterrupt:
        sys.stderr.write("tenuto: interrupted; a comparison needs all passages, so nothing is kept\n")
        raise typer.Exit(INTERRUPTED) from None
    # First the figures: a page that cannot be written must not cost them.
    if json:
        typer.echo(msgspec.json.encode(as_json(loaded, found)).decode())
    else:
        render(loaded, found, Console())
    if report is not None or trace is not None:
        try:
            _draw(loaded, found, report, trace)
        except OSError as error:
            raise UsageError(
                f"{error.filename}: {error.strerror}; the figures above are all there is; choose another place"
            ) from error


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds from `20` or `9001:9021`.

    Raises:
        UsageError: Neither, or none.
    """
    first, colon, last = text.partition(":")
    parts = (first, last) if colon else (first,)
    if not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts):
        raise UsageError(f"--seeds: asked {text!r}, expected a number such as 20, or a range such as 9001:9021")
    begin, end = (int(first), int(last)) if colon else (1, int(first) + 1)
    if end - begin > MOST_SEEDS:
        raise UsageError(f"--seeds: asked {text!r}, which are {end - begin} seeds; give {MOST_SEEDS} at most")
    if end <= begin:
        raise UsageError(
            f"--seeds: asked {text!r}, which is no seed at all; give 1 or more, or FROM:TO with TO above FROM"
        )
    return tuple(range(begin, end))


def _with_progress(
    scenario: str, policies: Sequence[str], seeds: Sequence[int], *, jobs: int | None, ray: bool
) -> Replay:
    console = Console(stderr=True)
    with Progress(*Progress.get_default_columns(), TextColumn("passages"), console=console, transient=True) as bar:
        task = bar.add_task("replaying", total=None)

        def show(n_done: int, n_all: int) -> None:
            bar.update(task, completed=n_done, total=n_all)

        return replay(scenario, policies, seeds, n_workers=jobs, on_ray=ray, progress=show)


def as_json(scenario: Scenario, found: Replay) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "scenario": found.scenario,
        "title": scenario.title,
        "board": scenario.board,
        "variants": [one.label for one in scenario.variants],
        "source": "modelled",
        "seeds": list(found.seeds),
        "results": [rounded(one) for one in found.results],
        "summary": [_summary_row(policy, found) for policy in _policies(found)],
    }


def _policies(found: Replay) -> list[str]:
    return list(dict.fromkeys(one.policy for one in found.results))


def _summary_row(policy: str, found: Replay) -> dict[str, Any]:
    measures = found.of(policy)
    row: dict[str, Any] = {"policy": policy, "n_seeds": len(measures)}
    for name, interval in summarise(measures).items():
        row[name] = None if interval is None else _plain(interval)
    return row


def _plain(interval: Interval) -> dict[str, float | None]:
    return {
        name: None if (value := getattr(interval, name)) is None else float(f"{value:.6g}")
        for name in ("mean", "low", "high")
    }


def render(scenario: Scenario, found: Replay, console: Console) -> None:
    """For people."""
    n = len(found.seeds)
    console.print(Text(f"{scenario.title} ({found.scenario}, on {scenario.board}, simulated)", style="bold"))
    summaries = {policy: summarise(found.of(policy)) for policy in _policies(found)}
    shown = [column for column in _COLUMNS if any(one[column[0]] is not None for one in summaries.values())]
    policies = list(summaries)
    for first in range(0, len(policies), _SIDE_BY_SIDE):
        table = Table(box=None, pad_edge=False)
        table.add_column("")
        for policy in policies[first : first + _SIDE_BY_SIDE]:
            table.add_column(policy, justify="right", no_wrap=True)
        for name, title, digits in shown:
            cells = (_cell(summaries[policy][name], digits) for policy in policies[first : first + _SIDE_BY_SIDE])
            table.add_row(title, *cells)
        console.print(table, soft_wrap=True)
    passages = f"{n} seed{'s' if n > 1 else ''}" + (
        f", {len(scenario.variants)} variants each" if scenario.variants else ""
    )
    spread = "; ± is half the 95 % confidence interval of the mean" if n > 1 else ""
    console.print(Text(f"{passages}{spread}. A late or missing answer counts as wrong.", style="dim"), soft_wrap=True)
    for policy, rows in found.choices.items():
        if len(rows) == 1:
            console.print(Text(f"{policy}: chosen beforehand, rows {', '.join(map(str, rows[0]))}", style="dim"))


def _cell(interval: Interval | None, digits: int) -> str:
    if interval is None or math.isnan(interval.mean):
        return "-"
    if interval.high is None:
        return f"{interval.mean:.{digits}f}"
    return f"{interval.mean:.{digits}f} ±{interval.high - interval.mean:.{digits}f}"


def _draw(scenario: Scenario, found: Replay, report: Path | None, trace: Path | None) -> None:
    """The first variant, with the first seed, once more and looked at closely."""
    one, seed = passages_of(scenario)[0], found.seeds[0]
    outcomes = []
    for policy in _policies(found):
        rows = found.choices.get(policy)
        outcomes.append(simulate(one, policy, seed=seed, rows=None if rows is None else rows[0], is_sampled=True))
    if trace is not None:
        for outcome in outcomes:
            for path in write_traces(outcome, trace):
                sys.stderr.write(f"tenuto: wrote {path}\n")
    if report is not None:
        notes = [f"Drawn with seed {seed}" + (f", variant “{one.label}”." if one.label else "."), *scenario.sources]
        page = render_replay(
            outcomes, [_summary_row(policy, found) for policy in _policies(found)], title=scenario.title, notes=notes
        )
        replace_file(report, page.encode())
        sys.stderr.write(f"tenuto: wrote {report}\n")


def _list(console: Console, *, json: bool) -> None:
    scenarios = [load_scenario(one) for one in scenario_ids()]
    if json:
        listed = [
            {
                "id": one.id,
                "title": one.title,
                "board": one.board,
                "duration_s": one.duration_s,
                "description": one.description,
            }
            for one in scenarios
        ]
        typer.echo(msgspec.json.encode({"scenarios": listed, "policies": list(arranged_names())}).decode())
        return
    table = Table(box=None, pad_edge=False)
    for title in ("scenario", "board", "seconds", "what happens"):
        table.add_column(title, no_wrap=title != "what happens", justify="right" if title == "seconds" else "left")
    for one in scenarios:
        table.add_row(one.id, one.board, f"{one.duration_s:g}", one.title)
    console.print(table)
    console.print(Text(f"policies: {', '.join(arranged_names())}", style="dim"), soft_wrap=True)
