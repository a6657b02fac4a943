"""`check_policy` tells whoever writes a policy which promise is broken: one bad policy for each."""

import datetime
import random
import sys
import time
import types
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest

from tenuto.control import Policy, fastest_rows
from tenuto.decisions import Decision, Observation, Reason
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.testing import check_policy
from tenuto.testing.policies import sample_table


class Good:
    """The largest; the smallest for a while after a late one. What the bad ones below are made from."""

    name = "good"
    parameters: ClassVar[dict[str, Any]] = {}

    def start(self, table: OperatingTable, requirements: Requirements, previous: Any = None) -> Any:
        del previous
        deadline = requirements.constraint("latency_ms")
        return (fastest_rows(table), float("inf") if deadline is None else deadline.bound, 0)

    def decide(self, state: Any, observation: Observation) -> tuple[Decision, Any]:
        ladder, deadline_ms, n_careful = state
        is_late = observation.latency_ms is not None and deadline_ms < observation.latency_ms < float("inf")
        n_careful = 10 if is_late else max(n_careful - 1, 0)
        return Decision(ladder[0 if n_careful or deadline_ms < 10 else -1]), (ladder, deadline_ms, n_careful)


def told(policy: Any) -> str:
    """What is wrong with it."""
    with pytest.raises(AssertionError) as caught:
        check_policy(policy)
    return str(caught.value)


def test_a_good_one_passes() -> None:
    check_policy(Good())


@pytest.mark.parametrize("name", ["", "two words", None, 3, "a/b"])
def test_a_name_is_one_word(name: Any) -> None:
    class Named(Good):
        pass

    Named.name = name
    assert "name must be one word" in told(Named())


@pytest.mark.parametrize(
    "parameters", [{"x": {1, 2}}, {"x": float("nan")}, {"x": np.float32(1)}, {"x": np.int64(1)}, {"x": object()}]
)
def test_parameters_are_plain(parameters: dict[str, Any]) -> None:
    class Set(Good):
        pass

    Set.parameters = parameters
    assert "parameters must be plain JSON" in told(Set())


def test_parameters_are_a_dict() -> None:
    class Listed(Good):
        parameters: ClassVar[Any] = [1]

    assert "parameters must be a dict" in told(Listed())


def test_a_verb_that_is_missing_is_named() -> None:
    assert "it has no decide" in told(types.SimpleNamespace(name="half", parameters={}, start=Good().start))


def test_start_serves_any_fine_requirements() -> None:
    class Picky(Good):
        def start(self, table: OperatingTable, requirements: Requirements, previous: Any = None) -> Any:
            if requirements.constraint("latency_ms") is None:
                raise ValueError("give me a deadline")
            return super().start(table, requirements, previous)

    sentence = told(Picky())
    assert "start raised ValueError: give me a deadline" in sentence
    assert "accuracy_pct" in sentence


@pytest.mark.parametrize(
    ("point", "words"),
    [
        (99, "row 99"),
        (-1, "row -1"),
        (12, "row 12"),
        (np.int64(3), "int"),
        (2.0, "int"),
        (True, "bool"),
        (None, "None"),
    ],
)
def test_a_choice_is_a_row_of_the_table(point: Any, words: str) -> None:
    class Wild(Good):
        def decide(self, state: Any, observation: Observation) -> tuple[Decision, Any]:
            del observation
            return Decision(point), state

    assert words in told(Wild())


@pytest.mark.parametrize("answer", [None, 3, (3, None), (Decision(1),), [Decision(1), None], Decision(1)])
def test_an_answer_is_a_decision_and_a_state(answer: Any) -> None:
    class Terse(Good):
        def decide(self, state: Any, observation: Observation) -> Any:
            del state, observation
            return answer

    assert "must return a Decision and a state" in told(Terse())


@pytest.mark.parametrize(
    "figures",
    [
        {"latency_ms": float("nan")},
        {"slowdown": float("inf")},
        {"latency_ms": -1.0},
        {"slowdown": np.float64(1.0)},
        {"given_up": [1]},
        {"reason": Reason(runner_up=np.int64(2))},  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_a_decision_can_be_recorded(figures: dict[str, Any]) -> None:
    class Odd(Good):
        def decide(self, state: Any, observation: Observation) -> tuple[Decision, Any]:
            decision, state = super().decide(state, observation)
            return msgspec.structs.replace(decision, **figures), state

    sentence = told(Odd())
    assert "expected 0 or more" in sentence or "recorded" in sentence


def test_what_is_learned_is_kept_in_the_state_and_not_in_the_policy() -> None:
    class Forgetful(Good):
        def __init__(self) -> None:
            self.n = 0

        def decide(self, state: Any, observation: Observation) -> tuple[Decision, Any]:
            del observation
            self.n += 1
            return Decision(self.n % 7), state

    assert "same observations" in told(Forgetful())


def test_a_state_that_is_changed_in_place_is_found_by_what_comes_of_it() -> None:
    class Counting(Good):
        def start(self, table: OperatingTable, requirements: Requirements, previous: Any = None) -> Any:
            del table, requirements, previous
            return {"n": 0}

        def decide(self, state: Any, observation: Observation) -> tuple[Decision, Any]:
            del observation
            state["n"] += 1
            return Decision(state["n"] % 5), state

    assert "must not change the state" in told(Counting())


def test_a_state_that_is_changed_in_place_is_found_even_if_nothing_comes_of_it_yet() -> None:
    class Collecting(Good):
        def start(self, table: OperatingTable, requirements: Requirements, previous: Any = None) -> Any:
            return {"seen": [], "good": super().start(table, requirements, previous)}

        def decide(self, state: Any, observation: Observation) -> tuple[Decision, Any]:
            state["seen"].append(observation.time_s)
            decision, good = super().decide(state["good"], observation)
            return decision, {"seen": state["seen"], "good": good}

    assert "must not change the state" in told(Collecting())


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (time.time, "time.time"),
        (time.perf_counter, "time.perf_counter"),
        (time.monotonic_ns, "time.monotonic_ns"),
        (lambda: datetime.datetime.now(datetime.UTC), "datetime.datetime.now"),
    ],
)
def test_a_clock_is_not_read(look: Any, words: str) -> None:
    class Timed(Good):
        def decide(self, state: Any, observation: Observation) -> tuple[Decision, Any]:
            look()
            return super().decide(state, observation)

    assert words in told(Timed())


@pytest.mark.parametrize(
    ("throw", "words"),
    [
        (random.random, "random.random"),
        (lambda: random.gauss(0, 1), "random.random"),
        (lambda: random.choice([1, 2]), "random.getrandbits"),
        (np.random.rand, "everybody shares"),
        (np.random.default_rng, "urandom"),
    ],
)
def test_chance_without_a_seed_is_found(throw: Any, words: str) -> None:
    class Dicing(Good):
        def decide(self, state: Any, observation: Observation) -> tuple[Decision, Any]:
            throw()
            return super().decide(state, observation)

    sentence = told(Dicing())
    assert words in sentence or "everybody shares" in sentence


def test_chance_that_no_call_shows_is_found_by_what_comes_of_it() -> None:
    """The generator of the standard library takes its seed from the system out of sight."""

    class Sly(Good):
        def decide(self, state: Any, observation: Observation) -> tuple[Decision, Any]:
            del observation
            return Decision(random.Random().randrange(12)), state

    assert "same observations" in told(Sly())


def test_chance_from_a_seed_is_fine() -> None:
    class Seeded(Good):
        parameters: ClassVar[dict[str, Any]] = {"seed": 3}

        def decide(self, state: Any, observation: Observation) -> tuple[Decision, Any]:
            random.Random(state[2]).random()
            np.random.default_rng(state[2]).random()
            return super().decide(state, observation)

    check_policy(Seeded())


def test_a_change_of_requirements_counts() -> None:
    class Stubborn(Good):
        def start(self, table: OperatingTable, requirements: Requirements, previous: Any = None) -> Any:
            return super().start(table, requirements) if previous is None else previous

    assert "requirements that change are ignored" in told(Stubborn())


def test_who_minds_no_requirements_at_all_need_not_mind_their_change() -> None:
    class Fixed(Good):
        def decide(self, state: Any, observation: Observation) -> tuple[Decision, Any]:
            del observation
            return Decision(2), state

    check_policy(Fixed())


def test_start_takes_a_previous_state() -> None:
    class Alone(Good):
        def start(self, table: OperatingTable, requirements: Requirements, previous: Any = None) -> Any:
            if previous is not None:
                raise RuntimeError("not twice")
            return super().start(table, requirements)

    assert "start with a previous state raised RuntimeError: not twice" in told(Alone())


class Averaging(Good):
    """Takes the mean of what it sees, whatever that is."""

    def decide(self, state: Any, observation: Observation) -> tuple[Decision, Any]:
        ladder, deadline_ms, mean = state
        if observation.in_force is not None and observation.latency_ms is not None:
            mean = 0.9 * mean + 0.1 * observation.latency_ms
        return Decision(ladder[-1 if mean <= deadline_ms else 0]), (ladder, deadline_ms, mean)


def test_a_latency_that_is_no_number_does_not_spoil_what_was_learned() -> None:
    sentence = told(Averaging())
    assert "evidence of nan ms" in sentence
    assert "finite" in sentence


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda seen: seen.latency_ms + 1.0, "TypeError"),
        (lambda seen: seen.readings["other_load_pct"], "KeyError"),
        (lambda seen: 1 / (seen.latency_ms if seen.latency_ms is not None else 1.0), "ZeroDivisionError"),
        (lambda seen: int(seen.latency_ms or 0.0), "evidence of nan ms"),
        (lambda seen: int(seen.time_s), "a clock that jumps"),
        (lambda seen: int(seen.readings.get("power_w", 0.0)), "readings that are no numbers"),
        (
            lambda seen: seen.allotment is None or ["little", "big"].index(seen.allotment.cluster),
            "an allotment without a point",
        ),
    ],
)
def test_any_observation_will_do(broken: Any, words: str) -> None:
    class Trusting(Good):
        def decide(self, state: Any, observation: Observation) -> tuple[Decision, Any]:
            broken(observation)
            return super().decide(state, observation)

    sentence = told(Trusting())
    assert "decide raised" in sentence
    assert words in sentence


def test_a_decision_that_every_inference_waits_for_long_is_reported() -> None:
    """Slow by its own doing: it counts, and reads no clock."""

    class Pondering(Good):
        def start(self, table: OperatingTable, requirements: Requirements, previous: Any = None) -> Any:
            del table, requirements, previous
            return 0

        def decide(self, state: Any, observation: Observation) -> tuple[Decision, Any]:
            if observation.readings.get("other_load_pct", 0.0) >= 0.0:
                np.linalg.svd(np.ones((40, 40)))
                time.sleep(0.11)
            return Decision(0), state

    assert "every inference waits for it" in told(Pondering())


@pytest.mark.parametrize(
    "line",
    [
        "import tenuto.platforms",
        "from tenuto.platforms import LinuxPlatform",
        "from tenuto.engines.table import TableEngine",
        "from tenuto import platforms",
    ],
)
def test_a_policy_whose_module_imports_hardware_is_told(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reaching_policy.py").write_text(
        "from tenuto.decisions import Decision\n\n"
        "class Reaching:\n"
        "    name = 'reaching'\n"
        "    parameters = {}\n"
        "    def start(self, table, requirements, previous=None):\n"
        f"        {line}\n"
        "        return 0\n"
        "    def decide(self, state, observation):\n"
        "        return Decision(0), state\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "reaching_policy", raising=False)
    import reaching_policy  # type: ignore[import-not-found] # noqa: PLC0415 - it was written just now

    sentence = told(reaching_policy.Reaching())
    assert "imports tenuto." in sentence
    assert "another module" in sentence


def test_the_sample_has_clocks_idle_power_and_two_clusters() -> None:
    table = sample_table()
    clocks = [table.configuration(row).frequency_hz for row in range(len(table))]
    assert table.clusters == ("little", "big")
    assert sorted(set(clocks), key=str) == [1_000_000_000, 2_000_000_000, None]
    assert bool((table.column("idle_power_w").value < table.column("power_w").value).all())
    assert isinstance(Good(), Policy)
