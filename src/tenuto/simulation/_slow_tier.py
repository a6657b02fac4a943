"""The slow tier in a simulation: who may run where, anew ten times a second and whenever something changes.

On a real board this is a process of its own, with the applications as its clients; here it sits in the loop. What each
cluster is believed to be now comes from the applications' own policies.
"""

from collections.abc import Sequence
from typing import Any, Final

from tenuto.control import TenutoState
from tenuto.control.allotting import Allotments, Allotter, Applicant, Pace, Paced, Resource
from tenuto.decisions import Allotment
from tenuto.platforms.simulated import BoardSpec
from tenuto.simulation._runner import Runner

PERIOD_S: Final = 0.1

MATTERS: Final = 0.05
"""Where no belief has moved by so much (5 %) since the last answer, the last answer stands."""


class SlowTier:
    """Allots clusters, cores and clocks to the applications that are there.

    Args:
        spec: The board.
        runners: All applications.
    """

    def __init__(self, spec: BoardSpec, runners: Sequence[Runner]) -> None:
        self._spec, self._runners = spec, runners
        self._present: tuple[tuple[str, int], ...] = ()
        self._allotter: Allotter | None = None
        self._asked: dict[tuple[str, str], float] = {}
        self._caps_hz: dict[str, int] = {}
        self.due_s = 0.0
        self.allotments: Allotments | None = None

    def serve(self, now_s: float) -> None:
        """Look who is there and what they believe; allot anew if that has changed."""
        self.due_s = now_s + PERIOD_S
        there = [one for one in self._runners if one.is_there(now_s)]
        present = tuple((one.name, one.n_changes) for one in there)
        if present != self._present:
            self._present = present
            self._allotter = _allotter(self._spec, there)
            self._asked = {}
        if self._allotter is None:
            return
        beliefs = {one.name: self._paces(one) for one in there}
        figures = {
            (name, cluster): pace.slowdown * pace.margin
            for name, paces in beliefs.items()
            for cluster, pace in paces.items()
        }
        caps_hz = self._caps(there, now_s)
        if caps_hz == self._caps_hz and not self._has_moved(figures):
            return
        self._asked, self._caps_hz = figures, caps_hz
        current = {one.name: one.allotment for one in there if one.allotment is not None}
        self.allotments = self._allotter.allot(beliefs, current=current, caps_hz=caps_hz)
        for one in there:
            one.allotment = self.allotments.places[one.name].allotment
            one.must_wait = one.allotment is None

    def _has_moved(self, figures: dict[tuple[str, str], float]) -> bool:
        if figures.keys() != self._asked.keys():
            return True
        return any(abs(figure - self._asked[key]) > MATTERS * self._asked[key] for key, figure in figures.items())

    def _paces(self, runner: Runner) -> dict[str, Paced]:
        """What an application's policy believes; of an accelerator that it shares now, without the sharing."""
        state: Any = runner.policy.state
        if not isinstance(state, TenutoState):
            return {}
        paces: dict[str, Paced] = {}
        for cluster, believed in zip(runner.table.clusters, state.believed, strict=True):
            n_sharers = self._n_sharers(cluster)
            paces[cluster] = Pace(max(believed.slowdown / max(n_sharers, 1), 1.0), believed.margin)
        return paces

    def _n_sharers(self, cluster: str) -> int:
        """Who takes turns on an accelerator at present."""
        if self._spec.cluster(cluster).kind == "cpu":
            return 1
        there: list[Allotment] = [one.allotment for one in self._runners if one.allotment is not None]
        return sum(one.cluster == cluster for one in there)

    def _caps(self, there: Sequence[Runner], now_s: float) -> dict[str, int]:
        """The clocks that policies have seen clusters not go beyond."""
        caps_hz: dict[str, int] = {}
        for one in there:
            state: Any = one.policy.state
            if isinstance(state, TenutoState):
                for cluster, cap in zip(one.table.clusters, state.caps, strict=False):
                    if cap is not None and now_s < cap.until_s:
                        caps_hz[cluster] = min(caps_hz.get(cluster, cap.highest_hz), cap.highest_hz)
        return caps_hz


def _allotter(spec: BoardSpec, there: Sequence[Runner]) -> Allotter | None:
    """For those who are there; None for nobody."""
    if not there:
        return None
    used = dict.fromkeys(cluster for one in there for cluster in one.table.clusters)
    resources = [Resource(name, spec.cluster(name).n_cores, spec.cluster(name).kind != "cpu") for name in used]
    applicants = [Applicant(one.name, one.table, one.requirements, one.prepared.application.priority) for one in there]
    return Allotter(applicants, resources)
