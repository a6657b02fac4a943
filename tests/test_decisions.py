"""What a policy is told and answers, as values."""

import msgspec
import pytest

from tenuto.decisions import NO_READINGS, Decision, Observation, Reason


def test_what_is_not_known_is_absent() -> None:
    seen = Observation(1.5)
    assert (seen.in_force, seen.latency_ms, dict(seen.readings)) == (None, None, {})
    assert Decision(3).reason is None


def test_observations_and_decisions_cannot_be_changed() -> None:
    for value, name in ((Observation(1.5), "time_s"), (Decision(3), "point"), (Reason(), "binding")):
        with pytest.raises(AttributeError):
            setattr(value, name, 1)
    with pytest.raises(TypeError):
        NO_READINGS["temperature_c"] = 40.0  # type: ignore[index]


def test_they_survive_the_way_through_json() -> None:
    decision = Decision(3, ("power_w",), 1.25, 17.5, Reason("latency_ms", 2, 4, 19.0, 0.5))
    assert decision == msgspec.json.decode(msgspec.json.encode(decision), type=Decision)
    seen = Observation(1.5, in_force=3, latency_ms=12.0, waited_ms=0.5, readings={"temperature_c": 61.0})
    assert seen == msgspec.json.decode(msgspec.json.encode(seen), type=Observation)
