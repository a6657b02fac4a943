"""One policy's pass over the stream."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tenuto.demo._belt import Belt
from tenuto.errors import UsageError
from tenuto.platforms import CoRunner
from tenuto.runtime import Clock, Session
from tenuto.traces import Event, Step

FEWEST_FRAMES: Final = 12


@dataclass(frozen=True, slots=True)
class Schedule:
    """What the stream goes through, the same for every policy.

    Attributes:
        n_frames: Frames in all.
        period_s: From one frame to the next.
        deadline_ms: From a frame's arrival to its answer.
        disturbed: First frame with the co-runner, and first without it again.
    """

    n_frames: int
    period_s: float
    deadline_ms: float
    disturbed: tuple[int, int]

    @classmethod
    def of(cls, *, seconds: float, fps: float, deadline_ms: float) -> "Schedule":
        """A stream whose middle third is disturbed.

        Raises:
            UsageError: A figure is not a finite number above 0, or there are fewer than `FEWEST_FRAMES`.
        """
        for name, figure in (("seconds", seconds), ("fps", fps), ("deadline_ms", deadline_ms)):
            if not 0 < figure < math.inf:
                raise UsageError(f"{name}: asked {figure!r}, expected a finite number above 0")
        n_frames = round(seconds * fps)
        if n_frames < FEWEST_FRAMES:
            raise UsageError(
                f"asked for {seconds:g} s, which is {n_frames} frames; a stream needs {FEWEST_FRAMES}, "
                f"{FEWEST_FRAMES / fps:g} s"
            )
        return cls(n_frames, 1 / fps, deadline_ms, (n_frames // 3, 2 * n_frames // 3))


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass gave.

    Attributes:
        steps: One per frame.
        disturbance: When the co-runner ran.
        n_died: Co-runner processes that died before or while they were needed; the next pass has them again.
    """

    steps: tuple[Step, ...]
    disturbance: Event
    n_died: int


def run_pass(
    net: Session,
    belt: Belt,
    schedule: Schedule,
    co_runner: CoRunner,
    *,
    clock: Clock,
    while_idle: Callable[[Step, float], None],
) -> Pass:
    """Show every frame at its time; a frame that is stale before its turn comes is skipped and counts as missed.

    Args:
        net: Managed by the policy under test, inside its block.
        belt: The frames.
        schedule: When.
        co_runner: Paused; paused again afterwards.
        clock: Time.
        while_idle: Called after each frame with its step and the seconds left until the next one.
    """
    steps: list[Step] = []
    co_runner.revive()
    n_died = 0
    offset_s = net.manager.elapsed_s() - clock.now_s()
    began_s = clock.now_s() + schedule.period_s
    first, last = schedule.disturbed
    started_s = stopped_s = None
    try:
        for index in range(schedule.n_frames):
            images, labels = belt.frame(index)
            arrival_s = began_s + index * schedule.period_s
            if index == first:
                started_s = clock.now_s() + offset_s
                co_runner.start()
            elif index == last:
                n_died = co_runner.n_workers - co_runner.n_alive
                co_runner.stop()
                stopped_s = clock.now_s() + offset_s
            clock.sleep_until(arrival_s)
            waited_ms = max(1000 * (clock.now_s() - arrival_s), 0.0)
            if waited_ms >= schedule.deadline_ms:
                step = net.manager.skip(waited_ms=waited_ms, n_inputs=len(labels))
            else:
                step = net(images, waited_ms=waited_ms, labels=labels).step
            steps.append(step)
            while_idle(step, arrival_s + schedule.period_s - clock.now_s())
    finally:
        co_runner.stop()
    begun = started_s if started_s is not None else 0.0
    return Pass(tuple(steps), Event(begun, "co-runner", stopped_s), n_died)
