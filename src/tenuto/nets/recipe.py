"""What a training run depends on, and what it says of itself (no torch needed)."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tenuto.errors import UsageError
from tenuto.nets.fashion import SPACE
from tenuto.storage import replace_file

LOG_EVERY: Final = 20
"""Steps between two lines of the log."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train: everything that the result depends on.

    Attributes:
        n_epochs: Passes over the training images.
        batch_size: Images per step.
        peak_learning_rate: Reached after `warm_up_share` of the steps, then cosine to zero.
        n_random: Sub-networks drawn per step besides the largest and the smallest.
        alone: Train this one sub-network and nothing else: the reference that shared weights are compared with.
        seed: Of the initial weights, the order of images, the augmentation and the sub-networks drawn.

    Raises:
        UsageError: A number is out of its range.
        UnknownNameError: `alone` names no sub-network.
    """

    n_epochs: int = 24
    batch_size: int = 128
    peak_learning_rate: float = 0.1
    warm_up_share: float = 0.15
    weight_decay: float = 5e-4
    momentum: float = 0.9
    n_random: int = 1
    alone: str | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        for name, lowest in (("n_epochs", 1), ("batch_size", 2), ("n_random", 0), ("seed", 0)):
            if getattr(self, name) < lowest:
                raise UsageError(f"{name}: asked {getattr(self, name)}, expected {lowest} or more")
        for name, end in (("peak_learning_rate", math.inf), ("weight_decay", math.inf), ("momentum", 1.0)):
            if not 0 <= getattr(self, name) < end:
                raise UsageError(f"{name}: asked {getattr(self, name)}, expected 0 or more and less than {end:g}")
        if not 0 <= self.warm_up_share <= 1:
            raise UsageError(f"warm_up_share: asked {self.warm_up_share}, expected a share, 0 to 1")
        if self.alone is not None:
            SPACE.parse(self.alone)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training is: one line of its log.

    Attributes:
        step: Steps done, `n_steps` in all.
        n_steps: Steps that the recipe takes.
        epoch: Passes over the images done, with the fraction of the one under way.
        loss: Cross-entropy of the largest sub-network (of the only one when trained alone) on the last batch.
        learning_rate: Of the last step.
        seconds: Spent training, interruptions left out.
    """

    step: int
    n_steps: int
    epoch: float
    loss: float
    learning_rate: float
    seconds: float


class TrainingLog:
    """One JSON object a line, every `LOG_EVERY` steps and at the end.

    What an interrupted run logged beyond its last checkpoint is dropped when the run goes on, so that each step
    appears once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_trimmed = False

    def record(self, progress: Progress) -> None:
        """Append a line, if one is due.

        Raises:
            OSError: The disk is full.
        """
        if not self._is_trimmed:
            self._trim(progress.step)
        if progress.step % LOG_EVERY == 0 or progress.step == progress.n_steps:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(progress)) + "\n")

    def _trim(self, from_step: int) -> None:
        self._is_trimmed = True
        if not self._path.exists():
            return
        lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        kept = [line for line in lines if _step_of(line) < from_step]
        if kept != lines:
            replace_file(self._path, "".join(kept).encode())


def _step_of(line: str) -> float:
    """The step of a line of the log; beyond all steps if the line was cut short, so that it is dropped."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError):
        return float("inf")
