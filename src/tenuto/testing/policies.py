"""The conformance suite of policies."""

import ast
import copy
import inspect
import json
import math
import random
import re
import sys
import textwrap
import time
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import msgspec
import numpy as np

from tenuto.control import Policy
from tenuto.decisions import Decision, Observation
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.testing._streams import FINE, follow, nonsense, sample_table
from tenuto.testing._watched import impure_calls

__all__ = ["check_policy", "sample_table"]

SLOW_MS: Final = 100.0
"""A median decision over twelve points that takes longer than this is reported: ours takes some 5 µs."""

N_TIMED: Final = 5

N_SETTLING: Final = 200
"""Calm inferences after which a policy has settled: ten windows of the most patient one that ships."""

HARDWARE: Final = ("tenuto.platforms", "tenuto.engines")


def check_policy(policy: Policy[Any]) -> None:
    """Put a policy through all that can happen to one, and say what is wrong with it.

    It must have a name of one word and plain parameters; start for any requirements that the table carries the metrics
    of, and mind them when they change; choose rows of the table, whatever it is told; leave the state that it is given
    as it is; decide by what it is told alone, so neither by a clock nor by chance nor by hardware; and be quick.

    Model:
        Clocks and chance are found by watching every call that `decide` makes, the state by comparing it with a copy
        and by asking twice. What happens rarely, or in another process only, may escape. Takes a fraction of a second.

    Raises:
        AssertionError: It breaks a promise of `tenuto.control.Policy`; the message says which, and how to mend it.
    """
    _check_face(policy)
    table = sample_table()
    _check_quick(policy, table)
    _check_starts(policy, table)
    _check_imports(policy)
    _check_pure(policy, table)
    _check_same(policy, table)
    _check_state(policy, table)
    _check_change(policy, table)
    _check_nonsense(policy, table)


def _check_face(policy: Any) -> None:
    """Its name, its parameters and its verbs."""
    name = getattr(policy, "name", None)
    if not isinstance(name, str) or not re.fullmatch(r"[\w.+-]+", name):
        raise AssertionError(
            f"{type(policy).__name__}: name must be one word of letters, digits and . + - _, for tables and command "
            f"lines; found {name!r}"
        )
    for verb in ("start", "decide"):
        _demand(callable(getattr(policy, verb, None)), policy, f"it has no {verb}; a policy has start and decide")
    parameters = getattr(policy, "parameters", None)
    _demand(isinstance(parameters, dict), policy, f"parameters must be a dict; found {parameters!r}; {{}} for none")
    try:
        json.dumps(parameters, allow_nan=False)
        msgspec.json.encode(parameters)
    except (TypeError, ValueError) as error:
        _fail(policy, f"parameters must be plain JSON values, for the trace: {error}; convert them, as with float()")


def _check_quick(policy: Policy[Any], table: OperatingTable) -> None:
    """No tight clock: this says only what nobody could want."""
    state, took_ms = _started(policy, table, FINE[0]), []
    for index in range(N_TIMED):
        began_s = time.perf_counter()
        _, state = _decided(policy, table, state, Observation(index / 30))
        took_ms.append(1000 * (time.perf_counter() - began_s))
    median_ms = sorted(took_ms)[N_TIMED // 2]
    _demand(
        median_ms <= SLOW_MS,
        policy,
        f"decide took {median_ms:.0f} ms (median, {len(table)} points), and every inference waits for it; prepare in "
        "start what can be",
    )


def _check_same(policy: Policy[Any], table: OperatingTable) -> None:
    """Twice the same, at another time."""
    first = _drive(policy, table, FINE[0])
    time.sleep(0.01)
    _demand(
        first == _drive(policy, table, FINE[0]),
        policy,
        "the same observations must give the same decisions: keep what is learned in the state, not in the policy, and "
        "seed what is random",
    )


def _check_starts(policy: Policy[Any], table: OperatingTable) -> None:
    for requirements in FINE:
        state = _started(policy, table, requirements)
        _decided(policy, table, state, Observation(0.0))


def _check_imports(policy: Policy[Any]) -> None:
    """A policy cannot reach hardware: neither its module nor its class may import what does."""
    name = type(policy).__module__
    # A program may hold a board as well as a policy: there only the class itself is looked at.
    source = _source(type(policy) if name == "__main__" else sys.modules.get(name))
    found = sorted(_imported(source)) if source is not None else []
    _demand(
        not found,
        policy,
        f"its module {name} imports {', '.join(found)}; a policy knows hardware by readings and tables alone: put what "
        "needs hardware into another module",
    )


def _check_pure(policy: Policy[Any], table: OperatingTable) -> None:
    """No clock, no chance."""
    before = random.getstate(), _numpy_chance()
    calls = impure_calls(lambda: _drive(policy, table, FINE[0]))
    after = random.getstate(), _numpy_chance()
    _demand(
        not calls,
        policy,
        f"it calls {', '.join(calls)}; time is observation.time_s, and a random number comes from a generator that is "
        "seeded and part of the state",
    )
    _demand(
        before == after,
        policy,
        "it draws from the random generator that everybody shares; make one from a seed and keep it in the state",
    )


def _check_state(policy: Policy[Any], table: OperatingTable) -> None:
    """A state that is given to decide stays as it is."""
    observations = _stream(table, policy, FINE[0])
    half = len(observations) // 2
    state = _started(policy, table, FINE[0])
    for observation in observations[:half]:
        _, state = _decided(policy, table, state, observation)
    try:
        kept = copy.deepcopy(state)
    except Exception:  # a state that cannot be copied is judged by what comes of it alone
        kept = None
    sentence = "decide must not change the state it is given: return a new one (msgspec.structs.replace does)"
    firsts = []
    for _ in range(2):
        later, decisions = state, []
        for observation in observations[half:]:
            decision, later = _decided(policy, table, later, observation)
            decisions.append(decision)
        firsts.append(decisions)
    _demand(firsts[0] == firsts[1], policy, sentence)
    _demand(_is_same(state, kept), policy, sentence)


def _check_change(policy: Policy[Any], table: OperatingTable) -> None:
    """New requirements count, for a policy that minds requirements at all."""
    wide, tight = FINE[0], FINE[3]
    state, old = _settled(policy, table, _started(policy, table, wide))
    _, wanted = _settled(policy, table, _started(policy, table, tight))
    if old == wanted:
        return
    try:
        state = policy.start(table, tight, state)
    except Exception as error:
        _fail(policy, f"start with a previous state raised {type(error).__name__}: {error}; it is what decide returned")
    _, new = _settled(policy, table, state)
    _demand(
        new != old,
        policy,
        f"requirements that change are ignored: row {old} under the old ones, row {wanted} after a new start under the "
        f"others, and still row {new} when start(table, requirements, previous) is told of them; take from `previous` "
        "only what was learned",
    )


def _check_nonsense(policy: Policy[Any], table: OperatingTable) -> None:
    """Whatever it is told, it chooses a row, and afterwards decides as well as before."""
    calm, _ = _settled_row(policy, table, [])
    for label, observations in nonsense(table):
        state = _started(policy, table, FINE[0])
        for observation in observations:
            _, state = _decided(policy, table, state, observation, where=label)
        if label.startswith("evidence"):
            row, _ = _settled_row(policy, table, observations)
            _demand(
                row == calm,
                policy,
                f"{label}: {N_SETTLING} calm inferences later it chooses row {row}, without it row {calm}; learn only "
                "from latencies that are finite and above 0 (tenuto.control.evidence_ms)",
            )


def _settled_row(policy: Policy[Any], table: OperatingTable, before: Sequence[Observation]) -> tuple[int, Any]:
    """Where it stays after some observations."""
    state = _started(policy, table, FINE[0])
    for observation in before:
        _, state = _decided(policy, table, state, observation)
    state, row = _settled(policy, table, state)
    return row, state


def _settled(policy: Policy[Any], table: OperatingTable, state: Any) -> tuple[Any, int]:
    """The state and the row after a calm while: every latency is as profiled."""
    latency_ms = table.column("latency_ms").value
    decision, state = _decided(policy, table, state, Observation(10.0))
    for index in range(N_SETTLING):
        seen = Observation(10.0 + index / 30, decision.point, float(latency_ms[decision.point]))
        decision, state = _decided(policy, table, state, seen)
    return state, decision.point


def _drive(policy: Policy[Any], table: OperatingTable, requirements: Requirements) -> list[Decision]:
    """The decisions on a short stream with everything in it that a stream can have."""
    decisions: list[Decision] = []

    def decided(state: Any, observation: Observation) -> tuple[Decision, Any]:
        decision, state = _decided(policy, table, state, observation)
        decisions.append(decision)
        return decision, state

    follow(table, _started(policy, table, requirements), decided)
    return decisions


def _stream(table: OperatingTable, policy: Policy[Any], requirements: Requirements) -> list[Observation]:
    """The observations of that stream."""
    seen: list[Observation] = []

    def decided(state: Any, observation: Observation) -> tuple[Decision, Any]:
        seen.append(observation)
        return _decided(policy, table, state, observation)

    follow(table, _started(policy, table, requirements), decided)
    return seen


def _started(policy: Policy[Any], table: OperatingTable, requirements: Requirements) -> Any:
    try:
        return policy.start(table, requirements)
    except Exception as error:
        _fail(
            policy,
            f"start raised {type(error).__name__}: {error}, for {requirements}; the table carries every metric of it, "
            "and what cannot be kept is given up, not refused",
        )


def _decided(
    policy: Policy[Any], table: OperatingTable, state: Any, observation: Observation, *, where: str = ""
) -> tuple[Decision, Any]:
    """A decision that is one."""
    told = f"{where}: " if where else ""
    try:
        answer: Any = policy.decide(state, observation)
    except Exception as error:
        _fail(
            policy,
            f"{told}decide raised {type(error).__name__}: {error}, when told {observation}; any observation must do: "
            "None, NaN and what is missing is no evidence",
        )
    # Sentences are put together only where they are needed: this runs some thousand times.
    if not (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[0], Decision)):
        what = f"a tuple of {len(answer)}" if isinstance(answer, tuple) else f"a {type(answer).__name__}"
        _fail(policy, f"{told}decide must return a Decision and a state, as a tuple; found {what}")
    decision, state = answer
    point = decision.point
    if type(point) is not int:
        _fail(
            policy, f"{told}chose {point!r}, a {type(point).__name__}; a row is an int: int(...) makes one of NumPy's"
        )
    if not 0 <= point < len(table):
        _fail(policy, f"{told}chose row {point} of a table of {len(table)} points, when told {observation}")
    for name in ("slowdown", "latency_ms"):
        value = getattr(decision, name)
        if value is not None and not (isinstance(value, int | float) and 0 <= value < math.inf):
            _fail(
                policy,
                f"{told}{name} of its decision is {value!r}, expected 0 or more, or None; when told {observation}",
            )
    try:
        kept = msgspec.json.decode(msgspec.json.encode(decision), type=Decision)
    except (TypeError, msgspec.MsgspecError) as error:
        _fail(policy, f"{told}its decision cannot be recorded: {error}; plain Python values can: float(), int()")
    if kept != decision:
        _fail(policy, f"{told}its decision is recorded as {kept}, which is not {decision}")
    return decision, state


def _source(thing: Any) -> str | None:
    try:
        return textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError):
        return None  # typed at a prompt, or compiled


def _imported(source: str) -> set[str]:
    """Everything that a source imports, at any depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name in HARDWARE or name.startswith(tuple(f"{one}." for one in HARDWARE))}


def _numpy_chance() -> str:
    return repr(np.random.get_state())


def _is_same(state: Any, kept: Any) -> bool:
    """Whether a state is still equal to its copy, as far as the two can be compared."""
    if kept is None:
        return True
    try:
        if kept != copy.deepcopy(kept):  # compared by identity, or never equal
            return True
        return bool(state == kept)
    except Exception:  # arrays, which are compared one by one
        return True


def _fail(policy: Policy[Any], sentence: str) -> NoReturn:
    raise AssertionError(f"{policy.name}: {sentence}")


def _demand(holds: bool, policy: Policy[Any], sentence: str) -> None:
    if not holds:
        _fail(policy, sentence)
