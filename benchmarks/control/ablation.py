"""Figure 9: every part of our policy switched off alone, in every scenario."""

from dataclasses import dataclass

from benchmarks.control.answer import Answer, Detail, shown
from benchmarks.control.gather import Asked, Gathered, accuracy_pct, energy_mj, minimises_energy, miss_pct
from benchmarks.control.passages import WITHOUT, Job
from benchmarks.control.runs import Runs
from tenuto.control._tenuto import PARTS
from tenuto.simulation import Interval

LONG = ("rk3588-day@1",)
"""Left out of a quick run."""

ENOUGH_SEEDS = 5
"""With fewer, a confidence interval says nothing, and the size of a difference alone must do."""

LEAST = {"misses": 0.05, "energy": 0.3, "accuracy": 0.05}
"""Differences that matter: points, per cent, points."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Of switching a part off in one scenario: without it less with it."""

    part: str
    scenario: str
    differences: dict[str, Interval]
    off_pct: float

    def harm(self) -> float:
        """How much worse it gets, in units of what matters; 0 if nothing does."""
        return max(self._sizes(+1), default=0.0)

    def help(self) -> float:
        """How much better."""
        return max(self._sizes(-1), default=0.0)

    def _sizes(self, sign: int) -> list[float]:
        found = []
        for name, difference in self.differences.items():
            if name == "energy" and minimises_energy(self.scenario) == "no":
                continue
            worse = -sign if name == "accuracy" else sign
            size = worse * difference.mean / LEAST[name]
            nearest = difference.low if worse > 0 else difference.high
            is_sure = nearest is None or worse * nearest > 0
            if size >= 1 and is_sure:
                found.append(size)
        return found


def jobs(asked: Asked) -> list[Job]:
    """What must be run."""
    return [
        job
        for scenario in asked.scenarios
        if not (asked.is_quick and scenario in LONG)
        for job in asked.jobs(scenario, "tenuto", *(WITHOUT + part for part in PARTS))
    ]


def answer(runs: Runs, asked: Asked) -> Answer:
    """The figure."""
    policies = ("tenuto", *(WITHOUT + part for part in PARTS))
    rows, effects = [], []
    for scenario in asked.scenarios:
        gathered = Gathered.of(runs, asked, scenario, policies)
        if not gathered.seeds:
            continue
        for policy in policies:
            cells = [
                shown(gathered.mean(policy, figure), digits)
                for figure, digits in ((miss_pct(), 2), (energy_mj(), 1), (accuracy_pct(), 2))
            ]
            changes = ["", "", ""]
            if policy != "tenuto":
                effect = _effect(gathered, policy)
                effects.append(effect)
                changes = [shown(effect.differences[name]) for name in ("misses", "energy", "accuracy")]
            off = sum(one.off_s is not None for r in gathered.results[policy].values() for one in r.passed)
            name = "whole" if policy == "tenuto" else "without " + policy.removeprefix(WITHOUT)
            rows.append((scenario, name, *cells, *changes, str(off) if off else ""))
    words, earns = [], []
    for part in PARTS:
        own = [one for one in effects if one.part == part]
        harmed = sorted((one for one in own if one.harm()), key=Effect.harm, reverse=True)
        helped = [one.scenario.partition("@")[0] for one in own if one.help()]
        earns.append(bool(harmed))
        best = "" if not harmed else f", most in {harmed[0].scenario.partition('@')[0]} ({_words(harmed[0])})"
        words.append(
            f"without {part}: worse in {len(harmed)} of {len(own)}{best}"
            + (f"; better somewhere in {', '.join(helped)}" if helped else "")
        )
    return Answer(
        "9",
        "Ablation",
        "each part, switched off alone, is seen to earn its lines",
        "; ".join(words),
        f"all scenarios, {len(asked.seeds)} seeds, seed by seed; what counts: misses by {LEAST['misses']} points, "
        f"energy by {LEAST['energy']} % (where energy is the aim), accuracy by {LEAST['accuracy']} points, beyond the "
        "confidence interval",
        bool(effects) and all(earns),
        (
            Detail(
                "Every part switched off alone",
                (
                    *("scenario", "policy", "misses, %", "energy, mJ", "accuracy, %", "misses, points more"),
                    *("energy, % more", "accuracy, points more", "switched off"),
                ),
                tuple(rows),
            ),
        ),
        {
            "effects": [
                {"part": e.part, "scenario": e.scenario, "harm": e.harm(), "help": e.help(), **e.differences}
                for e in effects
            ]
        },
    )


def _effect(gathered: Gathered, policy: str) -> Effect:
    found = {
        "misses": gathered.against(policy, "tenuto", miss_pct()),
        "energy": gathered.against(policy, "tenuto", energy_mj(), is_share=True),
        "accuracy": gathered.against(policy, "tenuto", accuracy_pct()),
    }
    is_enough = len(gathered.seeds) >= ENOUGH_SEEDS
    kept = {
        name: one if is_enough else Interval(one.mean, None, None) for name, one in found.items() if one is not None
    }
    off = [one.off_s is not None for r in gathered.results[policy].values() for one in r.passed]
    return Effect(policy.removeprefix(WITHOUT), gathered.scenario, kept, 100 * sum(off) / max(len(off), 1))


def _words(effect: Effect) -> str:
    units = {"misses": "points of misses", "energy": "% energy", "accuracy": "points of accuracy"}
    return ", ".join(f"{one.mean:+.2f} {units[name]}" for name, one in effect.differences.items())
