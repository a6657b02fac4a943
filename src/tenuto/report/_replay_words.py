"""What came of a replay, in sentences."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tenuto.report._words import SPACE, count, number, share
from tenuto.requirements import Requirements
from tenuto.simulation import Outcome
from tenuto.units import QUANTITIES

RULERS: Final = ("oracle", "oracle-static")
"""They know what is to come: what others are measured by, and in no contest."""

_MOST_LISTED: Final = 5

Row = Mapping[str, Any]


def mean_of(row: Row, measure: str) -> float | None:
    """The mean of a measure over the seeds, or None where there is none."""
    value = row.get(measure)
    if isinstance(value, Mapping):
        value = value.get("mean")
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def outcome_of(outcomes: Sequence[Outcome], summary: Sequence[Row]) -> list[str]:
    """The best policy beside the oracle, then what each promise came to."""
    needs = [run.requirements for run in outcomes[0].runs]
    limits = _miss_limits(needs)
    parts = (_best(summary, needs, max(limits, default=None)), _late(summary, limits), *_board(outcomes))
    return [part for part in parts if part is not None]


def _miss_limits(needs: Iterable[Requirements]) -> list[float]:
    """The miss budgets that are promised, in per cent."""
    deadlines = [one.constraint("latency_ms") for one in needs]
    return sorted({deadline.miss_pct for deadline in deadlines if deadline is not None})


def _best(summary: Sequence[Row], needs: Sequence[Requirements], limit: float | None) -> str | None:
    contest = [row for row in summary if row["policy"] not in RULERS]
    if not contest:
        return None
    kept = [row for row in contest if limit is None or (_known(row, "miss_pct") <= limit)]
    if not kept:
        nearest = min(contest, key=lambda row: _known(row, "miss_pct"))
        pct = mean_of(nearest, "miss_pct")
        if pct is None:
            return None
        return f"No policy keeps its deadlines as often as asked; {nearest['policy']} comes nearest." + _ruler(summary)
    measure, words, form, sign = _pushed(needs)
    known = [row for row in kept if mean_of(row, measure) is not None]
    if not known:
        return None
    best = min(known, key=lambda row: sign * _known(row, measure))
    among = "" if limit is None else "Of the policies that keep their deadlines as often as asked, "
    said = f"{among}{best['policy']} {words} {form(_known(best, measure))}{_interval(best, measure, form)}"
    over = mean_of(best, "energy_over_oracle_pct")
    oracle = next((row for row in summary if row["policy"] == "oracle"), None)
    if oracle is not None:
        if over is not None and measure == "energy_mj_per_inference":
            side = "above" if over >= 0 else "below"
            said += f", {share(abs(over))}{SPACE}% {side} the oracle, which knows what is to come"
        elif (ideal := mean_of(oracle, measure)) is not None:
            said += f"; the oracle, which knows what is to come, {form(ideal)}"
    return f"{said}."


def _ruler(summary: Sequence[Row]) -> str:
    oracle = next((row for row in summary if row["policy"] == "oracle"), None)
    missed = None if oracle is None else mean_of(oracle, "miss_pct")
    if missed is None:
        return ""
    return f" Even the oracle, which knows what is to come, misses {share(missed)}{SPACE}%."


def _pushed(needs: Sequence[Requirements]) -> tuple[str, str, Any, float]:
    """The measure that all applications push, its words, its form, and which way is better."""
    pushed = {one.objective.metric for one in needs}
    if pushed == {"accuracy_pct"}:
        return "accuracy_pct", "delivers most accuracy:", lambda value: f"{number(value, 2)}{SPACE}%", -1.0
    if pushed == {"energy_mj"}:
        return (
            "energy_mj_per_inference",
            "draws the least energy for an inference:",
            lambda value: f"{number(value, 1)}{SPACE}mJ",
            1.0,
        )
    return "miss_pct", "misses fewest:", lambda value: f"{share(value)}{SPACE}%", 1.0


def _interval(row: Row, measure: str, form: Any) -> str:
    value, n = row.get(measure), row.get("n_seeds")
    if not isinstance(value, Mapping) or value.get("low") is None or value["low"] == value["high"]:
        return ""
    seeds = f", {count(n, 'seed')}" if isinstance(n, int) else ""
    return f" ({form(value['low'])} to {form(value['high'])}{seeds})"


def _late(summary: Sequence[Row], limits: Sequence[float]) -> str | None:
    """What the promise about deadlines came to, policy by policy."""
    known = [(str(row["policy"]), pct) for row in summary if (pct := mean_of(row, "miss_pct")) is not None]
    if not limits or not known:
        return None
    limit = max(limits)
    asked = " or ".join(f"{one:g}" for one in limits)
    by = " by application" if len(limits) > 1 else ""
    kept = [f"{name} {share(pct)}{SPACE}%" for name, pct in known if pct <= limit]
    broken = [f"{name} {share(pct)}{SPACE}%" for name, pct in known if pct > limit]
    parts = [f"kept by {_listed(kept)}" if kept else "", f"broken by {_listed(broken)}" if broken else ""]
    said = f"At most {asked}{SPACE}% late was promised{by}"
    against = f" (judged by {limit:g}{SPACE}%)" if len(limits) > 1 else ""
    return f"{said}{against}: {'; '.join(part for part in parts if part)}."


def _board(outcomes: Sequence[Outcome]) -> list[str]:
    """Heat, battery, and boards that switched themselves off, in the passages that are drawn."""
    said = []
    bounds = [
        bound.bound for run in outcomes[0].runs if (bound := run.requirements.constraint("temperature_c")) is not None
    ]
    hottest = [f"{one.policy} {one.hottest_c:.1f}{SPACE}°C" for one in outcomes if one.hottest_c is not None]
    if bounds and hottest:
        said.append(f"Below {min(bounds):g}{SPACE}°C was asked; the hottest was {_listed(hottest)}.")
    throttled = [f"{one.policy} for {one.throttled_s:.1f}{SPACE}s" for one in outcomes if one.throttled_s > 0]
    if throttled:
        said.append(f"Heat held clocks down under {_listed(throttled)}.")
    off = [f"{one.policy} after {one.off_s:.1f}{SPACE}s" for one in outcomes if one.off_s is not None]
    if off:
        said.append(f"The board switched itself off under {_listed(off)}.")
    left = [f"{one.policy} {one.battery_pct:.1f}{SPACE}%" for one in outcomes if one.battery_pct is not None]
    if left:
        said.append(f"Left in the battery at the end: {_listed(left)}.")
    return said


def _listed(items: Sequence[str]) -> str:
    """The first few, and how many more there are: a sentence is no table."""
    rest = len(items) - _MOST_LISTED
    return ", ".join(items) if rest <= 1 else f"{', '.join(items[:_MOST_LISTED])} and {number(rest, 0)} more"


def asked_of(needs: Requirements) -> str:
    """Requirements in words: `latency_ms <= 60 ms (at most 1 % late), minimise energy_mj`."""
    bounds = [
        f"{one.metric} {one.relation} {one.bound:g}{SPACE}{QUANTITIES[one.metric].unit}"
        + (f" (at most {one.miss_pct:g}{SPACE}% late)" if one.miss_pct else "")
        for one in needs.constraints
    ]
    if needs.mission is not None:
        bounds.append(f"the battery to last {needs.mission.duration_s:g}{SPACE}s")
    return ", ".join([*bounds, f"{needs.objective.sense} {needs.objective.metric}"])


def _known(row: Row, measure: str) -> float:
    value = mean_of(row, measure)
    return float("inf") if value is None else value
