"""A reason in words carries the figures, and says nothing that is not so."""

import re

from hypothesis import given
from hypothesis import strategies as st

from tenuto.control import explain, reasons, titles_of
from tenuto.decisions import Decision, Reason
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements

NEEDS = Requirements.of(latency_ms=25, miss_pct=0.5, accuracy_pct=82)


def table_of(n: int = 3, *, n_stages: int = 1, about: dict[str, object] | None = None) -> OperatingTable:
    points = [
        OperatingPoint(
            Configuration(SubNetwork("toy", (("depth", (depth,) * n_stages),)), "cpu"),
            {"latency_ms": Estimate(10.0 * depth, "assumed"), "accuracy_pct": Estimate(80.0 + depth, "published")},
        )
        for depth in range(1, n + 1)
    ]
    return OperatingTable.from_points(points, about=about)


def told(decision: Decision, *, waited_ms: float = 0.0, table: OperatingTable | None = None) -> list[str]:
    return reasons(table or table_of(), decision, "accuracy_pct", requirements=NEEDS, waited_ms=waited_ms)


def test_without_requirements_the_words_are_short() -> None:
    decision = Decision(1, (), 1.4, 20.0, Reason("latency_ms", 0, 2, 30.0, 1.0))
    assert explain(table_of(), decision, "accuracy_pct") == (
        "d2 on cpu, 1 core; latency_ms keeps d3 on cpu, 1 core out: a bound of 30.00 ms would gain 1.00 % of "
        "accuracy_pct; runner-up d1 on cpu, 1 core"
    )


def test_with_requirements_they_carry_the_promise_the_slowdown_and_the_price() -> None:
    decision = Decision(1, (), 1.4, 20.0, Reason("latency_ms", 0, 2, 30.0, 1.0))
    assert told(decision, waited_ms=2.0) == [
        "d2 on cpu, 1 core (20.00 ms assumed, 82.00 % published)",
        "promised to take at most 20.00 ms in all but 0.5 % of cases, 3.00 ms before the deadline of 25.00 ms, of "
        "which 2.00 ms were spent waiting",
        "cpu is believed to take 1.40 times as long as profiled",
        "latency_ms keeps d3 on cpu, 1 core (30.00 ms assumed, 83.00 % published) out: a bound of 30.00 ms, 5.00 ms "
        "more than asked, would gain 1.00 % of accuracy_pct",
        "runner-up d1 on cpu, 1 core (10.00 ms assumed, 81.00 % published)",
    ]


def test_a_promise_beyond_the_deadline_is_said_to_be_after_it() -> None:
    (promise,) = [words for words in told(Decision(2, ("latency_ms",), 1.0, 31.0, Reason())) if "promised" in words]
    assert "6.00 ms after the deadline" in promise


def test_a_bound_from_below_is_relaxed_downwards() -> None:
    words = told(Decision(1, (), 1.0, 20.0, Reason("accuracy_pct", None, 0, 81.0, None)))[-1]
    assert words.endswith("out: it needs 1.00 % less")


def test_a_point_that_is_kept_out_although_it_would_fit_is_not_priced_as_a_relaxation() -> None:
    """After a miss a policy may leave longer points alone; to loosen the bound would buy nothing."""
    words = told(Decision(0, (), 1.0, 10.0, Reason("latency_ms", None, 1, 21.0, 1.0)))[-1]
    assert "for now, though by its estimate it would keep 25.00 ms (21.00 ms)" in words
    assert "than asked" not in words


def test_a_policy_without_reasons_and_without_belief_is_not_given_any() -> None:
    assert told(Decision(1))[1:] == ["the policy gives no reason"]


def test_titles_of_the_table_replace_names_and_names_too_long_are_counted() -> None:
    assert titles_of(table_of()) == {"d1": "d1", "d2": "d2", "d3": "d3"}
    assert titles_of(table_of(about={"titles": {"d1": "small"}}))["d1"] == "small"
    long = titles_of(table_of(n_stages=20))
    assert sorted(long.values()) == [f"sub-network {rank} of 3" for rank in (1, 2, 3)]
    assert [long[name] for name in sorted(long)] == [f"sub-network {rank} of 3" for rank in (1, 2, 3)]


@given(
    point=st.integers(0, 2),
    runner_up=st.none() | st.integers(0, 2),
    excluded=st.none() | st.integers(0, 2),
    binding=st.sampled_from([None, "latency_ms", "accuracy_pct", "power_w"]),
    bound=st.none() | st.floats(0, 1e6),
    gain=st.none() | st.floats(0, 1e6),
    promised=st.none() | st.floats(0, 1e6),
    slowdown=st.none() | st.floats(0, 1e3),
    waited_ms=st.floats(0, 1e3),
)
def test_whatever_a_policy_answers_there_are_words_for_it(
    *,
    point: int,
    runner_up: int | None,
    excluded: int | None,
    binding: str | None,
    bound: float | None,
    gain: float | None,
    promised: float | None,
    slowdown: float | None,
    waited_ms: float,
) -> None:
    reason = Reason(binding, runner_up, excluded, bound, gain)
    words = explain(
        table_of(),
        Decision(point, (), slowdown, promised, reason),
        "accuracy_pct",
        requirements=NEEDS,
        waited_ms=waited_ms,
    )
    assert words.startswith(f"d{point + 1} on cpu")
    assert not re.search(r"None|nan|--|  ", words)
    assert ("runner-up" in words) == (runner_up is not None)
