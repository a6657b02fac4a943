"""Labelled images from the files that data sets are published as."""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import SpecError, UsageError
from tenuto.nets.fashion import N_CLASSES

FASHION_MNIST_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package `dataset-fashion-mnist` puts it."""


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """Images (N, H, W), grey, 0 to 255, and their classes (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one gzipped idx file of bytes (LeCun's format: two zero bytes, type 8, rank, sizes, data).

    Raises:
        SpecError: Not such a file, or cut short.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise SpecError(path, f"cannot be read as a gzipped idx file ({error}); get the file again") from error
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise SpecError(path, "is not an idx file of bytes: its first bytes are not 00 00 08; get the file again")
    rank = content[3]
    start = 4 + 4 * rank
    shape = struct.unpack_from(f">{rank}I", content, 4) if len(content) >= start else ()
    n_bytes = max(len(content) - start, 0)
    if len(shape) != rank or n_bytes != math.prod(shape):
        raise SpecError(path, f"says it holds {shape} bytes, and holds {n_bytes}: get the file again")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def read_fashion_mnist(folder: Path, *, split: Literal["train", "t10k"]) -> LabelledImages:
    """Read the `train` (60 000) or `t10k` (10 000) split of Fashion-MNIST.

    Raises:
        UsageError: The folder has no such files.
        SpecError: A file is damaged, or images and labels do not match.
    """
    images_path = folder / f"{split}-images-idx3-ubyte.gz"
    labels_path = folder / f"{split}-labels-idx1-ubyte.gz"
    for path in (images_path, labels_path):
        if not path.is_file():
            raise UsageError(
                f"{path} does not exist; on Debian and Ubuntu `apt install dataset-fashion-mnist` provides it, "
                "otherwise give the folder that holds the four idx files with --data"
            )
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.shape[1:] != (28, 28) or not len(images):
        raise SpecError(
            images_path, f"holds data of shape {images.shape}, expected images of 28 x 28; get the file again"
        )
    if labels.shape != images.shape[:1]:
        raise SpecError(labels_path, f"{labels.shape} labels do not match {images.shape} images; get both files again")
    if labels.max() >= N_CLASSES:
        raise SpecError(labels_path, f"has the class {labels.max()}, expected 0 to {N_CLASSES - 1}; get the file again")
    return LabelledImages(images, labels.astype(np.int64))
