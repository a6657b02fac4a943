"""The exception tree."""

import pickle
from pathlib import Path

import pytest

from tenuto import errors
from tenuto.errors import (
    DeniedError,
    DivergedError,
    EngineError,
    KnobRejectedError,
    PlatformError,
    SpecError,
    TenutoError,
    TraceError,
    TransientError,
    UnknownMetricError,
    UnknownNameError,
    UnsupportedError,
    UsageError,
)

ONE_OF_EACH = [
    TenutoError("asked, found, do next"),
    UsageError("asked, found, do next"),
    UnknownNameError("network", "fashon", ["fashion", "digits"]),
    UnknownMetricError("latency", ["latency_ms", "power_w"]),
    SpecError("table.json", "is cut short", key="metrics.latency_ms", line=3),
    DivergedError(step=40, found="the loss is nan", checkpoint=Path("nowhere.pt")),
    PlatformError("asked, found, do next", platform="host", part="big"),
    UnsupportedError("asked, found, do next", platform="host"),
    DeniedError("asked, found, do next", platform="host", part="frequency_hz"),
    KnobRejectedError(platform="host", part="big", asked=2, found=1, hint="cool it"),
    TransientError("asked, found, do next", platform="host"),
    EngineError("asked, found, do next"),
    TraceError("trace.jsonl", "is cut short"),
]


def test_there_is_one_example_of_each_error_here() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TenutoError)}
    assert kinds == {type(error) for error in ONE_OF_EACH}


def test_the_drawing_at_the_top_names_every_error() -> None:
    for error in ONE_OF_EACH:
        assert type(error).__name__ in str(errors.__doc__)


@pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
def test_an_error_survives_the_way_from_another_process(error: TenutoError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(error) is type(again)
    assert (str(error), vars(error)) == (str(again), vars(again))


@pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
def test_only_the_platform_exits_with_3(error: TenutoError) -> None:
    assert error.exit_code == (3 if isinstance(error, PlatformError) else 2)


def test_a_usage_error_is_a_value_error_too() -> None:
    assert issubclass(UsageError, ValueError)
    assert not issubclass(PlatformError, ValueError)


def test_an_unknown_name_carries_the_near_matches_nearest_first() -> None:
    error = UnknownNameError("sub-network", "d2.1-w10.50", ["d2.1-w100.50", "d2.1-w100.55", "fashion"])
    assert (error.kind, error.name) == ("sub-network", "d2.1-w10.50")
    assert error.matches == ("d2.1-w100.50", "d2.1-w100.55")
    assert "did you mean d2.1-w100.50" in str(error)


def test_an_unknown_name_like_nothing_known_lists_what_is_known_but_not_hundreds() -> None:
    assert "known: big, little" in str(UnknownNameError("cluster", "gpu", ["little", "big"]))
    assert "known: none" in str(UnknownNameError("cluster", "gpu", []))
    many = UnknownNameError("sub-network", "?", (f"d{index}" for index in range(400)))
    assert "(400 in all)" in str(many)
    assert len(str(many)) < 200


def test_an_unknown_metric_carries_what_there_is_instead() -> None:
    error = UnknownMetricError("latency", ["power_w", "latency_ms"], where="this board")
    assert (error.metric, error.available, error.matches) == ("latency", ("latency_ms", "power_w"), ("latency_ms",))
    assert str(error).startswith("this board")
    assert "no metric at all" in str(UnknownMetricError("power_w", []))


def test_a_spec_error_says_file_line_and_key() -> None:
    error = SpecError("table.json", "is wrong", key="schema", line=7)
    assert (error.path, error.key, error.line) == (Path("table.json"), "schema", 7)
    assert str(error) == "table.json:7 (schema): is wrong"
    assert str(SpecError("table.json", "is wrong")) == "table.json: is wrong"


def test_diverged_training_points_at_a_checkpoint_only_if_there_is_one(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    assert DivergedError(step=1, found="the loss is nan", checkpoint=checkpoint).checkpoint is None
    checkpoint.write_bytes(b"state")
    error = DivergedError(step=1, found="the loss is nan", checkpoint=checkpoint)
    assert (error.step, error.checkpoint) == (1, checkpoint)
