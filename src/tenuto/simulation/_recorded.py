"""A passage as traces, one for each application: to keep, to explain, to replay its decisions."""

from pathlib import Path

from tenuto.simulation._outcome import ApplicationRun, Outcome
from tenuto.traces import TraceHeader, TraceWriter


def write_traces(outcome: Outcome, folder: str | Path) -> tuple[Path, ...]:
    """Write a trace for each application: `scenario.policy.seed.application.trace.jsonl`.

    Raises:
        OSError: The folder cannot be written to.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_written(outcome, run, folder) for run in outcome.runs)


def _written(outcome: Outcome, run: ApplicationRun, folder: Path) -> Path:
    scenario = outcome.scenario
    parts = [scenario.id, scenario.label, outcome.policy, f"seed-{outcome.seed}", run.name]
    path = folder / (".".join("-".join(part.replace("/", " ").split()) for part in parts if part) + ".trace.jsonl")
    header = TraceHeader(
        network=run.table.sub_networks[0].network,
        platform=scenario.board,
        policy=outcome.policy,
        requirements=run.requirements,
        table=run.table,
        parameters=outcome.parameters,
        seed=outcome.seed,
        about={"scenario": scenario.id, "variant": scenario.label, "application": run.name},
        created="simulated",
    )
    with TraceWriter(path, header) as writer:
        events = sorted(run.events, key=lambda event: event.from_index if event.from_index is not None else -1)
        for step in run.steps:
            while events and (events[0].from_index or 0) <= step.index:
                writer.record(events.pop(0))
            writer.record(step)
        for event in events:
            writer.record(event)
    return path
