"""Figures as people read them, and the outcome in sentences."""

from collections.abc import Sequence

from tenuto.report._run import Run

SPACE = "\N{NO-BREAK SPACE}"
ABSENT = "\N{EN DASH}"

_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def number(value: float | None, digits: int) -> str:
    """A figure with so many decimals, thousands apart; a dash where there is none."""
    return ABSENT if value is None else f"{value:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def share(value: float | None) -> str:
    """A percentage without its sign. What is not nought never prints as 0."""
    if value is None or value == 0:
        return ABSENT if value is None else "0"
    if value < 0.01:
        return "<0.01"
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


def short(value: float) -> str:
    """A figure for a tick: three digits and no more."""
    return f"{value:.4g}" if abs(value) >= 100 else f"{value:.3g}"


def recovery(run: Run) -> str:
    """Frames until the deadline held again: `never` if it did not, a dash if nothing was disturbed."""
    if run.measures.n_disturbed == 0:
        return ABSENT
    return "never" if run.measures.recovery_frames is None else number(run.measures.recovery_frames, 0)


def outcome(runs: Sequence[Run]) -> list[str]:
    """What came out, as seen from the first run: its misses, its recovery, its accuracy, beside the others'."""
    sentences = (_misses(runs), _recoveries(runs), _accuracies(runs))
    return [sentence for sentence in sentences if sentence is not None]


def _misses(runs: Sequence[Run]) -> str | None:
    known = [(run.policy, run.measures.miss_pct) for run in runs if run.measures.miss_pct is not None]
    measures = runs[0].measures
    if measures.miss_pct is None:
        return None
    mine = f"{runs[0].policy} missed {share(measures.miss_pct)}{SPACE}% of its deadlines"
    mine += f" ({number(measures.n_missed, 0)} of {number(measures.n, 0)})"
    mine += _rank(measures.miss_pct, [pct for _, pct in known[1:]], ", fewer than any other", ", more than any other")
    return _beside(mine, [f"{name} {share(pct)}{SPACE}%" for name, pct in known[1:]])


def _recoveries(runs: Sequence[Run]) -> str | None:
    if runs[0].measures.n_disturbed == 0:
        return None
    labels = ", ".join(dict.fromkeys(event.label for event in runs[0].events if event.until_s is not None))
    frames = runs[0].measures.recovery_frames
    if frames is None:
        mine = "did not hold its deadline again while it lasted"
    elif frames == 0:
        mine = "held every deadline"
    else:
        mine = f"held its deadline again {_after(runs[0])} after the first miss"
    others = [f"{run.policy} {_recovered(run)}" for run in runs[1:] if run.measures.n_disturbed]
    return _beside(f"Under the {labels}, {runs[0].policy} {mine}", others)


def _recovered(run: Run) -> str:
    frames = run.measures.recovery_frames
    if frames is None:
        return "never did"
    return "missed none" if frames == 0 else f"after {_after(run)}"


def _after(run: Run) -> str:
    frames = count(run.measures.recovery_frames or 0, "frame")
    return f"{frames} ({number(run.measures.recovery_s, 2)}{SPACE}s)"


def _accuracies(runs: Sequence[Run]) -> str | None:
    known = [(run.policy, run.measures.accuracy_pct) for run in runs if run.measures.accuracy_pct is not None]
    accuracy_pct = runs[0].measures.accuracy_pct
    if accuracy_pct is None:
        return None
    mine = f"Of {runs[0].policy}’s answers, {number(accuracy_pct, 1)}{SPACE}% were right and in time"
    mine += _rank(accuracy_pct, [pct for _, pct in known[1:]], ", less than any other’s", ", more than any other’s")
    return _beside(mine, [f"{name} {number(pct, 1)}{SPACE}%" for name, pct in known[1:]])


def _beside(mine: str, others: Sequence[str]) -> str:
    return f"{mine}; {', '.join(others)}." if others else f"{mine}."


def _rank(mine: float, others: Sequence[float], lowest: str, highest: str) -> str:
    """Where a figure stands among the others, said only if it stands apart from all of them."""
    if not others or min(others) <= mine <= max(others):
        return ""
    return lowest if mine < min(others) else highest


def count(n: int, noun: str) -> str:
    """`one frame`, `two frames`, `41 frames`."""
    return f"{_SMALL[n] if n < len(_SMALL) else number(n, 0)}{SPACE}{noun}{'' if n == 1 else 's'}"
