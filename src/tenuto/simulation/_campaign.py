"""Many passages: policies x seeds, on the cores of this machine or on a Ray cluster."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from tenuto.errors import UsageError
from tenuto.scenarios import Scenario, load_scenario
from tenuto.simulation._arranged import ORACLE, arrangement, needs_choice, simulate
from tenuto.simulation._choose import choose_static
from tenuto.simulation._measures import SeedMeasures, against, measures_of
from tenuto.simulation._pools import Pool, here, on_ray_cluster, processes


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
        UsageError: No seed, no policy, or one twice; a seed below 0; Ray is not installed.
    """
    loaded = load_scenario(scenario)
    _check(policies, seeds)
    # A worker may have another folder, or be on another machine that sees the same files.
    reference = str(Path(scenario).absolute()) if str(scenario).endswith(".toml") else str(scenario)
    campaign = _Campaign(reference, policies, seeds, progress)
    pools = on_ray_cluster() if on_ray else here() if n_workers == 1 else processes(n_workers)
    with pools as pool:
        campaign.run(pool)
    ordered = tuple(campaign.results[name, seed] for name in policies for seed in seeds)
    return Replay(loaded.id, tuple(seeds), tuple(_ruled(ordered)), campaign.choices)


class _Campaign:
    """What is asked of a pool, and what came of it so far."""

    def __init__(
        self,
        scenario: str,
        policies: Sequence[str],
        seeds: Sequence[int],
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.results: dict[tuple[str, int], SeedMeasures] = {}
        self.choices: dict[str, tuple[tuple[int, ...], ...]] = {}
        self._seeds, self._progress = seeds, progress
        static = [name for name in policies if needs_choice(name)]
        # Choices first: others wait for them.
        self._jobs = [_Job(scenario, name, None) for name in static]
        self._jobs += [_Job(scenario, name, seed) for name in policies if name not in static for seed in seeds]
        self._n_all = len(static) + len(policies) * len(seeds)

    def run(self, pool: Pool) -> None:
        """Do it all."""
        pending = {pool.submit(_work, job): job for job in self._jobs}
        n_done = 0
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                for job in self._note(pending.pop(future), future.result()):
                    pending[pool.submit(_work, job)] = job
                n_done += 1
                if self._progress is not None:
                    self._progress(n_done, self._n_all)

    def _note(self, job: _Job, found: Any) -> list[_Job]:
        """Keep a result; what can be asked now that it is there."""
        if job.seed is not None:
            self.results[job.policy, job.seed] = found
            return []
        self.choices[job.policy] = found
        return [_Job(job.scenario, job.policy, seed, found) for seed in self._seeds]


def passages_of(scenario: Scenario) -> tuple[Scenario, ...]:
    """Its variants, or the scenario itself."""
    return scenario.variants or (scenario,)


def _work(job: _Job) -> Any:
    scenarios = passages_of(_loaded(job.scenario, _stamp(job.scenario)))
    if job.seed is None:
        return tuple(choose_static(one, job.policy) for one in scenarios)
    rows: Iterable[tuple[int, ...] | None] = job.rows or (None,) * len(scenarios)
    outcomes = [
        simulate(one, job.policy, seed=job.seed, rows=chosen) for one, chosen in zip(scenarios, rows, strict=True)
    ]
    return measures_of(outcomes)


@lru_cache(maxsize=4)
def _loaded(reference: str, stamp: object) -> Scenario:
    del stamp
    return load_scenario(reference)


def _stamp(reference: str) -> object:
    """What changes when somebody writes to a scenario's file."""
    path = Path(reference)
    if not path.is_file():
        return None
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _ruled(results: Sequence[SeedMeasures]) -> Iterator[SeedMeasures]:
    """With what each spent and lost against the oracle of the same seed."""
    oracles = {one.seed: one for one in results if one.policy == ORACLE}
    for one in results:
        ruler = oracles.get(one.seed)
        yield one if ruler is None else against(one, ruler)


def _check(policies: Sequence[str], seeds: Sequence[int]) -> None:
    for kind, asked in (("policy", policies), ("seed", seeds)):
        if not asked:
            raise UsageError(f"asked for no {kind} at all; name at least one")
        twice = sorted({str(one) for one in asked if list(asked).count(one) > 1})
        if twice:
            raise UsageError(f"asked for {kind} {', '.join(twice)} twice; name each once")
    if min(seeds) < 0:
        raise UsageError(f"asked for seed {min(seeds)}; give one of 0 or more")
    for name in policies:
        arrangement(name)
