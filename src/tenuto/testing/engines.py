"""What every engine promises, as a suite that any engine can be put through."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenuto.engines import Engine
from tenuto.errors import TenutoError, UnknownNameError, UsageError
from tenuto.points import SubNetwork


def check_engine(
    engine: Engine,
    frame: NDArray[Any],
    *,
    sub_networks: Sequence[SubNetwork],
    deadline_s: float = 30.0,
) -> None:
    """Put an engine through everything that `Engine` promises, and close it.

    Args:
        engine: New: nothing loaded yet.
        frame: One input that it accepts.
        sub_networks: At least three that it can run.
        deadline_s: How long a sub-network may take to open in the background.

    Raises:
        AssertionError: A promise is broken; says which.
        UsageError: The suite was given less than it needs.
    """
    if len(set(sub_networks)) < 3:
        raise UsageError(f"check_engine needs three different sub-networks and got {len(set(sub_networks))}; give more")
    # Looked up on the type: asking the instance, as isinstance does, would evaluate `active` before anything is loaded.
    lacks = [
        name for name in ("resident", "active", "load", "activate", "infer", "close") if not hasattr(type(engine), name)
    ]
    _expect(not lacks, f"{type(engine).__name__} lacks {', '.join(lacks)} of the Engine protocol")
    try:
        _check_unloaded(engine, frame)
        _check_load(engine, sub_networks)
        _check_activate(engine, frame, sub_networks, deadline_s)
        _check_unknown(engine, sub_networks)
        _check_infer(engine, frame, sub_networks)
        _check_bad_frames(engine, frame)
        _check_threads(engine, frame, sub_networks)
    finally:
        engine.close()
    _check_closed(engine, frame, sub_networks)


def _check_unloaded(engine: Engine, frame: NDArray[Any]) -> None:
    _expect(engine.resident == frozenset(), "a new engine has nothing resident: give check_engine a new engine")
    _refuses(lambda: engine.infer(frame), UsageError, "infer before load")
    _refuses(lambda: engine.active, UsageError, "active before load")


def _check_load(engine: Engine, sub_networks: Sequence[SubNetwork]) -> None:
    first, second, *_ = sub_networks
    engine.load([first, second])
    _expect(
        {first, second} <= engine.resident, "load must make every sub-network it is given resident before it returns"
    )
    _expect(isinstance(engine.resident, frozenset), "resident must be a frozenset, a value that does not change later")
    _expect(engine.active == first, "the first sub-network loaded must be active")
    engine.load([second, first])
    _expect(engine.active == first, "loading again must leave the active sub-network in force")


def _check_activate(engine: Engine, frame: NDArray[Any], sub_networks: Sequence[SubNetwork], deadline_s: float) -> None:
    first, second, third, *_ = sub_networks
    for wanted in (second, first):
        _expect(engine.activate(wanted) == wanted, "activating a resident sub-network must put it in force at once")
        _expect(engine.active == wanted, "active must be what activate returned")
    gives_up_at = time.monotonic() + deadline_s
    in_force = engine.activate(third)
    while in_force != third:
        _expect(in_force == first, "while another opens, the active sub-network must stay in force")
        engine.infer(frame)
        _expect(time.monotonic() < gives_up_at, f"a sub-network asked for was not in force after {deadline_s:g} s")
        in_force = engine.activate(third)
    _expect(engine.active == third, "active must be what activate returned")
    _expect(third in engine.resident, "a sub-network that was opened in the background must be resident")
    _expect({first, second} <= engine.resident, "opening another sub-network must leave the resident ones resident")


def _check_unknown(engine: Engine, sub_networks: Sequence[SubNetwork]) -> None:
    before, resident = engine.active, engine.resident
    stranger = SubNetwork("no-such-network", sub_networks[0].setting)
    _refuses(lambda: engine.activate(stranger), UnknownNameError, "activate of an unknown sub-network")
    _refuses(lambda: engine.load([stranger]), UnknownNameError, "load of an unknown sub-network")
    _expect(
        (engine.active, engine.resident) == (before, resident),
        "refusing an unknown sub-network must change neither active nor resident",
    )


def _check_infer(engine: Engine, frame: NDArray[Any], sub_networks: Sequence[SubNetwork]) -> None:
    untouched = frame.copy()
    for wanted in sub_networks[:3]:
        engine.activate(wanted)
        once, again = engine.infer(frame), engine.infer(frame)
        _expect(isinstance(once, np.ndarray), "infer must return a NumPy array")
        _expect(once.shape == again.shape and np.array_equal(once, again), "the same frame must give the same output")
        _expect(once.shape[:1] == frame.shape[:1], "the output must have one row for each item of the frame")
        _expect(bool(np.isfinite(once).all()), "the output of a finite frame must be finite")
        kept = once.copy()
        engine.infer(np.zeros_like(frame))
        _expect(np.array_equal(once, kept), "an output handed out must not change with the next inference")
        _expect(engine.active == wanted, "infer must leave the active sub-network in force")
    _expect(np.array_equal(frame, untouched), "infer must not write into the frame")


def _check_bad_frames(engine: Engine, frame: NDArray[Any]) -> None:
    before = engine.active
    bad: list[tuple[str, Any]] = [
        ("a frame of the wrong type", frame.astype(np.float64 if frame.dtype != np.float64 else np.float32)),
        ("a frame with one column too many", np.concatenate([frame, frame[..., :1]], axis=-1)),
        ("a frame with one dimension too few", frame[0]),
        ("an empty frame", frame[:0]),
        ("a list instead of an array", frame.tolist()),
    ]
    for what, wrong in bad:
        _refuses(partial(engine.infer, wrong), UsageError, f"infer of {what}")
    _expect(engine.active == before, "refusing a frame must leave the active sub-network in force")
    engine.infer(frame)


def _check_threads(engine: Engine, frame: NDArray[Any], sub_networks: Sequence[SubNetwork]) -> None:
    """One thread switches while another infers; each output must be of one sub-network, whole."""
    outputs = []
    for wanted in sub_networks[:3]:
        engine.activate(wanted)
        outputs.append(engine.infer(frame))
    failures: list[BaseException] = []
    strange: list[NDArray[Any]] = []

    def serve() -> None:
        try:
            for _ in range(20):
                output = engine.infer(frame)
                if not any(np.array_equal(output, expected) for expected in outputs):
                    strange.append(output)
        except TenutoError as error:
            failures.append(error)

    server = threading.Thread(target=serve)
    server.start()
    while server.is_alive():
        for wanted in sub_networks[:3]:
            engine.activate(wanted)
    server.join()
    _expect(not failures, f"switching from another thread must not make infer fail: {failures}")
    _expect(not strange, "switching from another thread must not mix sub-networks within one inference")


def _check_closed(engine: Engine, frame: NDArray[Any], sub_networks: Sequence[SubNetwork]) -> None:
    engine.close()
    _refuses(lambda: engine.infer(frame), UsageError, "infer after close")
    _refuses(lambda: engine.load(sub_networks[:1]), UsageError, "load after close")
    _refuses(lambda: engine.activate(sub_networks[0]), UsageError, "activate after close")


def _expect(condition: bool, promise: str) -> None:
    if not condition:
        raise AssertionError(promise)


def _refuses(attempt: Callable[[], object], error_type: type[TenutoError], what: str) -> None:
    try:
        attempt()
    except error_type:
        return
    except Exception as error:
        raise AssertionError(f"{what} must raise {error_type.__name__}, and raised {type(error).__name__}") from error
    raise AssertionError(f"{what} must raise {error_type.__name__}, and raised nothing")
