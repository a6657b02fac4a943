"""The suite catches engines that break a promise."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from tenuto.engines import TableEngine
from tenuto.errors import UsageError
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.testing.engines import check_engine

SUB_NETWORKS = [SubNetwork("tiny", (("width_pct", (width,)),)) for width in (25, 50, 100)]
FRAME = np.ones((2, 4), dtype=np.float32)
TABLE = OperatingTable.from_points(
    OperatingPoint(Configuration(sub_network, "cpu"), {"latency_ms": Estimate(1.0, "assumed")})
    for sub_network in SUB_NETWORKS
)


def no_time(_: float) -> None:
    """Lets no time pass."""


class Honest(TableEngine):
    """Keeps every promise."""

    def __init__(self) -> None:
        super().__init__(TABLE, cluster="cpu", n_cores=1, input_shape=(4,), output_shape=(3,), sleep=no_time)


class LoadsNothing(Honest):
    """`load` returns before anything is resident."""

    def load(self, sub_networks: Iterable[SubNetwork]) -> None:
        self._active = next(iter(sub_networks))


class ForgetsTheActive(Honest):
    """`load` puts what it loads in force."""

    def load(self, sub_networks: Iterable[SubNetwork]) -> None:
        wanted = list(sub_networks)
        super().load(wanted)
        self._active = wanted[0]


class SaysOneThingDoesAnother(Honest):
    """`activate` says yes and does nothing."""

    def activate(self, sub_network: SubNetwork) -> SubNetwork:
        super().activate(self.active)
        return sub_network


class NeverOpens(Honest):
    """Nothing ever opens in the background."""

    def activate(self, sub_network: SubNetwork) -> SubNetwork:
        return super().activate(sub_network if sub_network in self.resident else self.active)


class TakesAnyName(Honest):
    """An unknown sub-network is taken for the active one."""

    def _check_known(self, sub_network: SubNetwork) -> None:
        pass


class TakesAnyFrame(Honest):
    """Shapes and types are not checked."""

    def infer(self, frame: Any) -> Any:
        return np.zeros((len(frame), 3), dtype=np.float32) if self.active else None


class Rolls(Honest):
    """The same frame gives another output each time."""

    def infer(self, frame: Any) -> Any:
        return super().infer(frame) + np.random.default_rng().random()


class WritesIntoTheFrame(Honest):
    """The frame is scratch space."""

    def infer(self, frame: Any) -> Any:
        output = super().infer(frame)
        frame += 1
        return output


class ReusesItsOutput(Honest):
    """Every output is the same array."""

    def infer(self, frame: Any) -> Any:
        super().infer(frame)
        self.__dict__.setdefault("buffer", np.zeros((2, 3), dtype=np.float32))[:] = frame.sum()
        return self.__dict__["buffer"]


class NeverCloses(Honest):
    """It goes on after close."""

    def close(self) -> None:
        pass


def test_an_honest_engine_passes() -> None:
    check_engine(Honest(), FRAME.copy(), sub_networks=SUB_NETWORKS)


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (LoadsNothing, "must make every sub-network it is given resident"),
        (ForgetsTheActive, "must leave the active sub-network in force"),
        (SaysOneThingDoesAnother, "must be what activate returned"),
        (NeverOpens, "was not in force after"),
        (TakesAnyName, "must raise UnknownNameError"),
        (TakesAnyFrame, "wrong type must raise UsageError"),
        (Rolls, "same frame must give the same output"),
        (WritesIntoTheFrame, "must not write into the frame"),
        (ReusesItsOutput, "must not change with the next inference"),
        (NeverCloses, "after close must raise UsageError"),
    ],
)
def test_a_broken_promise_is_named(broken: type[Honest], promise: str) -> None:
    with pytest.raises(AssertionError, match=promise):
        check_engine(broken(), FRAME.copy(), sub_networks=SUB_NETWORKS, deadline_s=0.05)


def test_something_that_is_no_engine_is_told_so() -> None:
    with pytest.raises(AssertionError, match="Engine protocol"):
        check_engine(object(), FRAME, sub_networks=SUB_NETWORKS)  # type: ignore[arg-type]


def test_too_few_sub_networks_are_a_usage_error() -> None:
    with pytest.raises(UsageError, match="three"):
        check_engine(Honest(), FRAME, sub_networks=SUB_NETWORKS[:2])
