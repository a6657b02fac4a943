"""The slow tier: clusters, cores and clocks for several applications together."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from tenuto.control.allotting._answer import Binding, answer
from tenuto.control.allotting._model import Model
from tenuto.control.allotting._prepared import Now, Prepared
from tenuto.control.allotting._search import Found, Search
from tenuto.control.allotting._values import Allotments, Applicant, Asked, Budget, Paced, Prices, Resource
from tenuto.decisions import Allotment

_NOTHING: Final[Mapping[str, Mapping[str, Paced]]] = MappingProxyType({})
_NOBODY: Final[Mapping[str, Allotment]] = MappingProxyType({})
_OPEN: Final[Mapping[str, int]] = MappingProxyType({})


class Allotter:
    """Applications, prepared once so that every answer is quick.

    Args:
        applicants: At least one; their order does not matter.
        resources: What there is to share out; None for what the tables tell (`resources_of`).
        prices: What makes different things comparable.

    Raises:
        UsageError: Two applicants have one name, or two resources are of one cluster.
        UnknownMetricError: A table lacks a metric that its requirements name.

    Model:
        docs/allotting.md.
    """

    def __init__(
        self,
        applicants: Sequence[Applicant],
        resources: Sequence[Resource] | None = None,
        *,
        prices: Prices | None = None,
    ) -> None:
        self._names = tuple(one.name for one in applicants)
        self._prepared = Prepared.of(Model.of(applicants, resources, Prices() if prices is None else prices))

    @property
    def names(self) -> tuple[str, ...]:
        """The applicants', in the order given."""
        return self._names

    @property
    def model(self) -> Model:
        """The joint problem in numbers, for the exact solver."""
        return self._prepared.model

    @property
    def prepared(self) -> Prepared:
        """The same, laid out for the quick one."""
        return self._prepared

    def allot(
        self,
        beliefs: Mapping[str, Mapping[str, Paced]] = _NOTHING,
        budgets: Sequence[Budget] = (),
        *,
        current: Mapping[str, Allotment] = _NOBODY,
        caps_hz: Mapping[str, int] = _OPEN,
    ) -> Allotments:
        """A place for each application.

        Args:
            beliefs: By application and cluster; what is not there is as profiled.
            budgets: All hold in the answer. One that even an idle board exceeds counts as what an idle board draws.
            current: What applications have now: moving them and changing clocks has a price (`Prices`).
            caps_hz: By cluster, the highest clock that it may have; 0 for a cluster that is gone.

        Raises:
            UnknownNameError: Something is said of an application or a cluster that there is none of.
            UnknownMetricError: There are budgets, and a table does not say what its points draw.
        """
        now = Now.of(self._prepared, Asked(beliefs, tuple(budgets), current, caps_hz))
        search = Search(self._prepared, now)
        found, sets = search.free()
        over, binding = self._over(now, found), None
        if over:
            free, found = found, search.bounded(sets, over)
            binding = _binding(now, budgets, over, free, found)
        is_exact = search.lower >= found.total - 1e-6 and (search.is_whole or bool(over))
        return answer(self._prepared, now, found, names=self._names, binding=binding, is_exact=is_exact)

    @staticmethod
    def _over(now: Now, found: Found) -> list[int]:
        """Budgets that an answer does not keep."""
        if not len(now.bounds):
            return []
        used = now.weights @ np.array(found.power_w)
        over: list[int] = np.flatnonzero(used > now.bounds).tolist()
        return over


def _binding(now: Now, budgets: Sequence[Budget], over: list[int], free: Found, found: Found) -> Binding:
    """The budget that the free answer exceeds most, and what each unit by which it was cut has cost."""
    wanted, kept = now.weights @ np.array(free.power_w), now.weights @ np.array(found.power_w)
    tight = over[int(np.argmax(wanted[over] / np.maximum(now.bounds[over], 1e-9)))]
    shed = float(wanted[tight] - kept[tight])
    return Binding(budgets[tight].name, max(found.total - free.total, 0.0) / shed if shed > 0 else 0.0)
