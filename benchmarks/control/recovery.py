"""Figure 1: how soon the deadline holds again after another program takes the GPU, and which level is kept."""

import msgspec
import numpy as np

from benchmarks.control.answer import Answer, Detail, shown
from benchmarks.control.gather import Asked, Gathered
from benchmarks.control.passages import Job
from benchmarks.control.passed import HOLDS, Recovery
from benchmarks.control.runs import Runs

SCENARIO = "xnx-contention@1"
POLICIES = ("tenuto", "alert", "level-step", "oracle")
MOST_LATE = 2
WITHIN_MS = 150.0
GOOD_LEVEL = 3


class Followed(msgspec.Struct, frozen=True):
    """One policy's seeds in one variant; worst is None where a seed never complied."""

    n_seeds: int
    late_median: float | None
    late_worst: float | None
    begins_median_ms: float | None
    begins_worst_ms: float | None
    n_compliant: int
    n_never: int
    n_good_level: int
    lowest: str
    usual: str


def jobs(asked: Asked) -> list[Job]:
    """What must be run."""
    return asked.jobs(SCENARIO, *POLICIES)


def answer(runs: Runs, asked: Asked) -> Answer:
    """The figure."""
    gathered = Gathered.of(runs, asked, SCENARIO, POLICIES)
    rows, data = [], {}
    met: list[bool] = []
    words = []
    for variant, label in enumerate(gathered.labels()):
        for policy in POLICIES:
            found = [
                recovery
                for result in gathered.results[policy].values()
                if (recovery := result.passed[variant].applications[0].recovery) is not None
            ]
            figures = _figures(found)
            rows.append((label, policy, *_cells(figures)))
            data[f"{label}: {policy}"] = msgspec.structs.asdict(figures)
            if policy != "tenuto":
                continue
            is_level_asked = "suffices" in label
            met.append(figures.n_compliant == len(found) and (not is_level_asked or figures.n_good_level == len(found)))
            words.append(
                f"{label}: {shown(figures.late_median, 0)} late (worst {shown(figures.late_worst, 0)}), "
                f"{shown(figures.begins_median_ms, 0)} ms (worst {shown(figures.begins_worst_ms, 0)}), "
                f"{figures.n_compliant} of {len(found)} seeds within both; "
                f"level {GOOD_LEVEL} or better throughout in {figures.n_good_level}, usual {figures.usual}"
            )
    header = (
        *("variant", "policy", "late, median", "late, worst", "violation, ms, median", "worst", "within 2 and 150 ms"),
        *("never", "lowest level", "usual level", "level 3 or better"),
    )
    return Answer(
        "1",
        "Contention on a Xavier NX's GPU",
        "compliant within 2 inferences and < 150 ms (published 6.1 s), level 3 or better where a clock suffices",
        "; ".join(words),
        f"{SCENARIO}, {len(gathered.seeds)} seeds; from the disturbance until the first of {HOLDS} inferences in a row "
        "that are in time begins; levels from one second after it on",
        bool(met) and all(met),
        (Detail("After another program takes the GPU", header, tuple(rows)),),
        data,
    )


def _figures(found: list[Recovery]) -> Followed:
    late = [float(one.n_late) for one in found if one.n_late is not None]
    begins = [one.begins_ms for one in found if one.begins_ms is not None]
    is_within = [
        one.n_late is not None and one.n_late <= MOST_LATE and (one.begins_ms or 0.0) < WITHIN_MS for one in found
    ]
    never = len(found) - len(late)
    usual = [one.usual for one in found]
    return Followed(
        len(found),
        float(np.median(late)) if late else None,
        None if never or not late else max(late),
        float(np.median(begins)) if begins else None,
        None if never or not begins else max(begins),
        sum(is_within),
        never,
        sum(_level(one.lowest) >= GOOD_LEVEL for one in found),
        min((one.lowest for one in found), default=""),
        max(set(usual), key=usual.count) if usual else "",
    )


def _cells(one: Followed) -> tuple[str, ...]:
    numbers = (one.late_median, one.late_worst, one.begins_median_ms, one.begins_worst_ms)
    return (
        *(shown(value, 0) for value in numbers),
        f"{one.n_compliant} of {one.n_seeds}",
        str(one.n_never),
        one.lowest,
        one.usual,
        f"{one.n_good_level} of {one.n_seeds}",
    )


def _level(title: str) -> int:
    return int(title.rpartition(" ")[2])
