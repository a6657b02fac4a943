"""Many passages: policies x seeds, on the cores of this machine or on a Ray cluster."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tenuto.errors import UsageError
from tenuto.scenarios import Scenario, load_scenario
from tenuto.simulation._arranged import ORACLE, arrangement, needs_choice, simulate
from tenuto.simulation._choose import choose_static
from tenuto.simulation._measures import SeedMeasures, measures_of


class Replay(msgspec.Struct, frozen=True):
    """What a campaign gave.

    Attributes:
        scenario: Its id.
        seeds: In the order asked for.
        results: One for each policy and seed, in the order asked for.
        choices: For each static policy, each application's configuration by variant, in words.
    """

    scenario: str
    seeds: tuple[int, ...]
    results: tuple[SeedMeasures, ...]
    choices: dict[str, tuple[tuple[int, ...], ...]]

    def of(self, policy: str) -> tuple[SeedMeasures, ...]:
        """One policy's seeds."""
        return tuple(one for one in self.results if one.policy == policy)


class _Job(msgspec.Struct, frozen=True):
    """A passage through all variants of a scenario, or (without a seed) the choice of static rows."""

    scenario: str
    policy: str
    seed: int | None
    rows: tuple[tuple[int, ...], ...] | None = None


class _Pool(Protocol):
    def submit(self, work: Callable[[_Job], Any], job: _Job, /) -> "Future[Any]": ...


def replay(
    scenario: str | Path,
    policies: Sequence[str],
    seeds: Sequence[int],
    *,
    n_workers: int | None = None,
    on_ray: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Replay:
    """Run policies through a scenario on identical worlds: the same noise for the same inference, whatever the policy.

    Args:
        scenario: Name, id or file.
        policies: As `arranged_names` has them; the oracle is the ruler of the others where it is among them.
        seeds: At least one.
        n_workers: Processes; None is one for each processor. 1 runs here.
        on_ray: Run on the Ray cluster that is there, or start one here (the extra `cluster`).
        progress: Called with how many passages are done, and how many there are.

    Raises:
        UnknownNameError: No such scenario or policy.
        SpecError: The scenario's file is wrong.
        UsageError: No seed, no policy, or one twice; Ray is not installed.
    """
    loaded = load_scenario(scenario)
    _check(policies, seeds)
    reference = str(scenario)
    results: dict[tuple[str, int], SeedMeasures] = {}
    choices: dict[str, tuple[tuple[int, ...], ...]] = {}
    static = [name for name in policies if needs_choice(name)]
    n_done, n_all = 0, len(static) + len(policies) * len(seeds)
    with _pool(n_workers, on_ray=on_ray) as pool:
        pending: dict[Future[Any], _Job] = {}

        def ask(job: _Job) -> None:
            pending[pool.submit(_work, job)] = job

        for name in static:  # first: others wait for them
            ask(_Job(reference, name, None))
        for name in policies:
            if name not in static:
                for seed in seeds:
                    ask(_Job(reference, name, seed))
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                job, found = pending.pop(future), future.result()
                if job.seed is None:
                    choices[job.policy] = found
                    for seed in seeds:
                        ask(_Job(reference, job.policy, seed, found))
                else:
                    results[job.policy, job.seed] = found
                n_done += 1
                if progress is not None:
                    progress(n_done, n_all)
    ordered = tuple(results[name, seed] for name in policies for seed in seeds)
    return Replay(loaded.id, tuple(seeds), tuple(_ruled(ordered)), choices)


def passages_of(scenario: Scenario) -> tuple[Scenario, ...]:
    """Its variants, or the scenario itself."""
    return scenario.variants or (scenario,)


def _work(job: _Job) -> Any:
    scenarios = passages_of(_loaded(job.scenario))
    if job.seed is None:
        return tuple(choose_static(one, job.policy) for one in scenarios)
    rows: Iterable[tuple[int, ...] | None] = job.rows or (None,) * len(scenarios)
    outcomes = [
        simulate(one, job.policy, seed=job.seed, rows=chosen) for one, chosen in zip(scenarios, rows, strict=True)
    ]
    return measures_of(outcomes)


@lru_cache(maxsize=4)
def _loaded(reference: str) -> Scenario:
    return load_scenario(reference)


def _ruled(results: Sequence[SeedMeasures]) -> Iterator[SeedMeasures]:
    """With what each spent and lost against the oracle of the same seed."""
    oracles = {one.seed: one for one in results if one.policy == ORACLE}
    for one in results:
        ruler = oracles.get(one.seed)
        if ruler is None:
            yield one
            continue
        energy, most = one.energy_mj_per_inference, ruler.energy_mj_per_inference
        accuracy, best = one.accuracy_pct, ruler.accuracy_pct
        yield msgspec.structs.replace(
            one,
            energy_over_oracle_pct=None if energy is None or not most else 100 * (energy / most - 1),
            accuracy_under_oracle_pct=None if accuracy is None or best is None else best - accuracy,
        )


def _check(policies: Sequence[str], seeds: Sequence[int]) -> None:
    for kind, asked in (("policy", policies), ("seed", seeds)):
        if not asked:
            raise UsageError(f"asked for no {kind} at all; name at least one")
        twice = sorted({str(one) for one in asked if list(asked).count(one) > 1})
        if twice:
            raise UsageError(f"asked for {kind} {', '.join(twice)} twice; name each once")
    for name in policies:
        arrangement(name)


class _Here:
    """A pool that does everything at once, in this process."""

    def submit(self, work: Callable[[_Job], Any], job: _Job, /) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(work(job))
        return future


class _OnRay:
    """A pool on a Ray cluster."""

    def __init__(self, ray: Any) -> None:
        self._remote = ray.remote(_work)

    def submit(self, work: Callable[[_Job], Any], job: _Job, /) -> "Future[Any]":
        del work
        future: Future[Any] = self._remote.remote(job).future()
        return future


@contextmanager
def _pool(n_workers: int | None, *, on_ray: bool) -> Iterator[_Pool]:
    if on_ray:
        try:
            import ray  # noqa: PLC0415
        except ImportError as error:
            raise UsageError("asked to run on Ray, which is not installed; pip install 'tenuto[cluster]'") from error
        is_ours = not ray.is_initialized()
        if is_ours:
            ray.init(address=os.environ.get("RAY_ADDRESS"), log_to_driver=False)
        try:
            yield _OnRay(ray)
        finally:
            if is_ours:
                ray.shutdown()
    elif n_workers == 1:
        yield _Here()
    else:
        with ProcessPoolExecutor(n_workers or os.cpu_count(), mp_context=get_context("spawn")) as pool:
            try:
                yield pool
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
