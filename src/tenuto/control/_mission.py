"""An energy contract: what may be drawn on average, so that the battery lasts exactly as long as it must.

What is left is divided by the time that is left, anew before every inference: what was saved is spent later. A gauge
counts in coarse steps, so in between what was drawn is reckoned; each step of the gauge tells what the rest of the
board draws, which no table knows.
"""

import math
from typing import Final

import msgspec

from tenuto.requirements import Mission

RESERVE: Final = 0.004
"""Of what there was at first, that is not planned with."""

SHORTEST_S: Final = 0.5
"""What is left is spread over so long at least."""


class Account(msgspec.Struct, frozen=True, gc=False):
    """What was spent.

    Attributes:
        began_s: When the mission began.
        time_s: Until when it was reckoned.
        first_mj: What there was at first; None before anything said so.
        left_mj: What is left, as reckoned.
        rest_w: What everything else draws.
        shown_mj: What the gauge said last; None without one.
        step_s: When it said so first.
        drawn_mj: Drawn by our inferences since.
        has_stepped: Whether the gauge has stepped before: only from one step to the next is an interval known.
    """

    began_s: float
    time_s: float
    first_mj: float | None
    left_mj: float
    rest_w: float
    shown_mj: float | None = None
    step_s: float = 0.0
    drawn_mj: float = 0.0
    has_stepped: bool = False


def begin_account(mission: Mission, time_s: float, rest_w: float) -> Account:
    """At the start; `rest_w` is what the board draws at rest, as far as is known."""
    given = mission.energy_mj
    return Account(time_s, time_s, given, 0.0 if given is None else given, rest_w)


def spent(account: Account, mission: Mission, drawn_w: float, time_s: float, shown_mj: float | None) -> Account:
    """Until now our inferences drew so much on average; the gauge shows `shown_mj`, or nothing."""
    seconds = time_s - account.time_s
    if not 0 <= seconds < math.inf:
        return account
    drawn_mj = account.drawn_mj + 1000 * drawn_w * seconds
    left_mj = account.left_mj - 1000 * (drawn_w + account.rest_w) * seconds
    account = msgspec.structs.replace(account, time_s=time_s, drawn_mj=drawn_mj, left_mj=left_mj)
    if shown_mj is None or not math.isfinite(shown_mj) or mission.energy_mj is not None:
        return account
    if account.shown_mj is None:
        return msgspec.structs.replace(
            account, first_mj=shown_mj, left_mj=shown_mj, shown_mj=shown_mj, step_s=time_s, drawn_mj=0.0
        )
    if shown_mj == account.shown_mj:
        return account
    return _stepped(account, shown_mj)


def _stepped(account: Account, shown_mj: float) -> Account:
    """The gauge has just gone from one step to the next: between both is what is left."""
    before_mj = shown_mj if account.shown_mj is None else account.shown_mj
    left_mj, seconds = (before_mj + shown_mj) / 2, account.time_s - account.step_s
    rest_w = account.rest_w
    if account.has_stepped and seconds > 0 and before_mj > shown_mj:
        found_w = max((before_mj - shown_mj - account.drawn_mj) / (1000 * seconds), 0.0)
        rest_w += 0.5 * (found_w - rest_w)
    return msgspec.structs.replace(
        account,
        left_mj=left_mj,
        rest_w=rest_w,
        shown_mj=shown_mj,
        step_s=account.time_s,
        drawn_mj=0.0,
        has_stepped=True,
    )


def mission_limit_w(account: Account, mission: Mission) -> float:
    """What may be drawn on average above rest; infinite while nobody said what there is."""
    if account.first_mj is None:
        return math.inf
    left_s = max(account.began_s + mission.duration_s - account.time_s, SHORTEST_S)
    planned_mj = account.left_mj - RESERVE * account.first_mj
    return max(planned_mj / (1000 * left_s) - account.rest_w, 0.0)
