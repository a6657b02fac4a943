"""Four policies on the same stream, with the same disturbance, on this machine."""

import math
import platform as python_platform
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from tenuto.control import FixedPolicy, LevelStepPolicy, Policy, TenutoPolicy, fastest_rows
from tenuto.demo._belt import Belt
from tenuto.demo._stream import FEWEST_FRAMES, Pass, Schedule, run_pass
from tenuto.engines import Engine
from tenuto.errors import UsageError
from tenuto.nets.package import NetworkPackage
from tenuto.platforms import CoRunner, Platform
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.runtime import Clock, MonotonicClock, Session
from tenuto.traces import Measures, Step, TraceHeader, measure

FPS: Final = 30.0
PER_FRAME: Final = 16
DEADLINE_FACTOR: Final = 2.0
"""The deadline over the largest sub-network's median: room enough while nobody disturbs, and room for a small one to
wait once for the co-runners' turns (some 3 ms each)."""

PER_CORE: Final = 3
"""Co-runner processes on each core. The scheduler lets a thread that sleeps most of the time catch up, so a single one
hardly hurts; with three the fair share is a quarter, less than the largest sub-network needs at 30 frames a second."""

WARM_UP: Final = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one policy fared."""

    header: TraceHeader
    steps: tuple[Step, ...]
    measures: Measures
    passed: Pass


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it.

    Attributes:
        outcomes: In the order shown, ours first.
        table: The profile made of this machine.
        schedule: The stream.
        deadline_note: How the deadline was set, in words.
        notes: What a reader should know about this run.
    """

    outcomes: tuple[Outcome, ...]
    table: OperatingTable
    schedule: Schedule
    deadline_note: str
    notes: tuple[str, ...]


def policies() -> tuple[Policy[Any], ...]:
    """Ours and what it is compared with, in the order shown."""
    return TenutoPolicy(), FixedPolicy("largest"), FixedPolicy("smallest"), LevelStepPolicy()


def deadline_ms(table: OperatingTable, *, fps: float = FPS) -> tuple[float, str]:
    """The deadline that the demonstration sets, and how, in words."""
    largest = fastest_rows(table)[-1]
    median_ms = float(table.column("latency_ms").value[largest])
    configuration = table.configuration(largest)
    period_ms = 1000 / fps
    bound = min(DEADLINE_FACTOR * median_ms, 0.95 * period_ms)
    cores = f"{configuration.n_cores} core{'s' if configuration.n_cores > 1 else ''}"
    note = (
        f"{bound:.2f} ms: {DEADLINE_FACTOR:g} times the median of the largest sub-network "
        f"({configuration.sub_network.name}, {median_ms:.2f} ms on {cores}, measured just now), so that it holds "
        "while nobody disturbs"
    )
    if bound < DEADLINE_FACTOR * median_ms:
        note = f"{bound:.2f} ms: 95 % of the frame period, which is shorter than the largest sub-network would like"
    return bound, note


def check_seconds(seconds: float, *, n_policies: int, fps: float = FPS) -> None:
    """Raise UsageError unless a stream of so many seconds can be shared by so many policies.

    For callers that have something to do before `compare`, such as ten seconds of profiling.
    """
    if not 0 < seconds < math.inf:
        raise UsageError(f"seconds: asked {seconds!r}, expected a finite number above 0, such as 48")
    n_frames = round(seconds / n_policies * fps)
    if n_frames < FEWEST_FRAMES:
        least_s = math.ceil(FEWEST_FRAMES * n_policies / fps)
        raise UsageError(
            f"seconds: asked {seconds:g}, which leaves {n_frames} frames for each of {n_policies} policies; "
            f"ask for {least_s} or more"
        )


def compare(
    package: NetworkPackage,
    platform: Platform,
    engine: Engine,
    table: OperatingTable,
    *,
    contenders: Sequence[Policy[Any]],
    seconds: float,
    seed: int = 1,
    fps: float = FPS,
    clock: Clock | None = None,
    on_pass: Callable[[str, Schedule], None] = lambda name, schedule: None,  # noqa: ARG005
    while_idle: Callable[[str, Step, float], None] = lambda name, step, left_s: None,  # noqa: ARG005
) -> Comparison:
    """Let each policy drive the same stream, one after the other in a random order.

    Args:
        package: The network.
        platform: This machine.
        engine: With the table's sub-networks resident.
        table: The profile.
        contenders: The policies, in the order to show them.
        seconds: Of streaming, shared equally.
        seed: Of the garments' order and the policies' turns.
        fps: Frames a second.
        clock: Time.
        on_pass: Called with a policy's name before its pass.
        while_idle: Called after each frame with the policy's name, the step, and the seconds left until the next one.

    Raises:
        UsageError: `seconds` is no time, or too short.
        PlatformError: The board cannot be held, or a co-runner would not start.
        EngineError: A sub-network and the fallback failed for the same frame.
    """
    clock = MonotonicClock() if clock is None else clock
    check_seconds(seconds, n_policies=len(contenders), fps=fps)
    bound_ms, note = deadline_ms(table, fps=fps)
    schedule = Schedule.of(seconds=seconds / len(contenders), fps=fps, deadline_ms=bound_ms)
    requirements = Requirements.of(latency_ms=bound_ms, miss_pct=1, maximise="accuracy_pct")
    belt = Belt.shipped(per_frame=PER_FRAME, seed=seed)
    turns = random.Random(seed).sample(list(contenders), len(contenders))
    cpus = [cpu for cluster in platform.clusters for cpu in cluster.cpus]
    passes: dict[str, tuple[Session, Pass]] = {}
    with CoRunner(cpus, n_per_cpu=PER_CORE) as co_runner:
        for policy in turns:
            on_pass(policy.name, schedule)
            images, _ = belt.frame(0)
            for _ in range(WARM_UP):
                engine.infer(images)
            with Session(package, platform, table, requirements, policy=policy, engine=engine, clock=clock) as net:
                passed = run_pass(
                    net,
                    belt,
                    schedule,
                    co_runner,
                    clock=clock,
                    while_idle=partial(while_idle, policy.name),
                )
                passes[policy.name] = (net, passed)
    outcomes = tuple(_outcome(*passes[policy.name]) for policy in contenders)
    return Comparison(outcomes, table, schedule, note, _notes(outcomes, turns, seed))


def _outcome(net: Session, passed: Pass) -> Outcome:
    header = net.header(events=(passed.disturbance,))
    return Outcome(header, passed.steps, measure(passed.steps, disturbances=[passed.disturbance]), passed)


def _notes(outcomes: Sequence[Outcome], turns: Sequence[Policy[Any]], seed: int) -> tuple[str, ...]:
    notes = [
        f"Each policy drove the same frames with the same co-runner schedule, one after the other "
        f"({', '.join(policy.name for policy in turns)}; seed {seed}).",
        "One run on a machine that does other things too: another run gives other figures.",
        "level-step switches for free here; as released it starts a new process, which takes seconds.",
    ]
    n_died = sum(outcome.passed.n_died for outcome in outcomes)
    if n_died:
        notes.append(f"{n_died} co-runner processes died and were replaced: some disturbance is missing.")
    return tuple(notes)


def machine(platform: Platform) -> Mapping[str, str]:
    """This machine, for the report."""
    facts = {
        "platform": platform.name,
        "kernel": f"{python_platform.system()} {python_platform.release()}",
        "python": python_platform.python_version(),
    }
    for cluster in platform.clusters:
        clocks = f"{len(cluster.opps)} clocks" if cluster.opps else "clock not settable here"
        facts[f"cluster {cluster.name}"] = f"{len(cluster.cpus)} cores, {clocks}"
    facts["monitors"] = ", ".join(sorted({monitor.quantity for monitor in platform.monitors})) or "none"
    return facts
