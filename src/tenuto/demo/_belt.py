"""The conveyor belt: labelled garments, so many a frame."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenuto.nets.datasets import read_idx


@dataclass(frozen=True, slots=True)
class Belt:
    """Frames of garments in a shuffled, endless order.

    Attributes:
        images: float32 (N, 1, 28, 28), 0 to 1.
        labels: int64 (N,).
        per_frame: Garments per frame.
        order: int (N,), the shuffle.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    per_frame: int
    order: NDArray[np.int64]

    def frame(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The images (per_frame, 1, 28, 28) and labels (per_frame,) of one frame."""
        places = np.arange(index * self.per_frame, (index + 1) * self.per_frame) % len(self.order)
        rows = self.order[places]
        return self.images[rows], self.labels[rows]

    @classmethod
    def shipped(cls, *, per_frame: int, seed: int) -> "Belt":
        """The 2 048 test images of Fashion-MNIST that ship with Tenuto (MIT licence, see the notice beside them)."""
        folder = Path(str(resources.files("tenuto"))) / "packaged" / "fashion"
        images = read_idx(folder / "test-2048-images-idx3-ubyte.gz")
        labels = read_idx(folder / "test-2048-labels-idx1-ubyte.gz")
        return cls(
            images[:, None].astype(np.float32) / np.float32(255),
            labels.astype(np.int64),
            per_frame,
            np.random.default_rng(seed).permutation(len(labels)),
        )
