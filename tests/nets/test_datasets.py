"""Data sets from the files that they are published as."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tenuto.errors import SpecError, UsageError
from tenuto.nets.datasets import FASHION_MNIST_FOLDER, read_fashion_mnist, read_idx


def idx(array: NDArray[np.uint8]) -> bytes:
    """An array as an idx file holds it."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_split(folder: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    """Two files, as Fashion-MNIST names them."""
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))


@given(st.lists(st.integers(0, 4), max_size=4), st.binary(max_size=256))
def test_an_idx_file_reads_back(tmp_path_factory: pytest.TempPathFactory, shape: list[int], content: bytes) -> None:
    data = np.resize(np.frombuffer(content or b"\0", dtype=np.uint8), shape).astype(np.uint8)
    path = tmp_path_factory.mktemp("idx") / "data.gz"
    path.write_bytes(gzip.compress(idx(data)))
    found = read_idx(path)
    assert found.shape == tuple(shape)
    assert (found == data).all()


def test_an_idx_file_cut_short_anywhere_is_a_spec_error(tmp_path: Path) -> None:
    path = tmp_path / "data.gz"
    whole = idx(np.arange(12, dtype=np.uint8).reshape(3, 4))
    packed = gzip.compress(whole)
    cuts = [gzip.compress(whole[:end]) for end in range(len(whole))] + [packed[:end] for end in range(len(packed))]
    for cut in cuts:
        path.write_bytes(cut)
        with pytest.raises(SpecError) as caught:
            read_idx(path)
        assert caught.value.path == path


@given(st.integers(0, 60), st.binary(min_size=1, max_size=6))
def test_a_damaged_idx_file_reads_or_is_a_spec_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes
) -> None:
    path = tmp_path_factory.mktemp("idx") / "data.gz"
    packed = gzip.compress(idx(np.arange(12, dtype=np.uint8).reshape(3, 4)))
    path.write_bytes(packed[:at] + noise + packed[at + len(noise) :])
    try:
        found = read_idx(path)
    except SpecError:
        return
    assert found.dtype == np.uint8


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x0d\1", b"\0\0\x08\xff" + b"\xff" * 2000, idx(np.zeros(3, np.uint8)) + b"x"]
)
def test_other_contents_are_a_spec_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(SpecError):
        read_idx(path)


def test_images_come_with_their_labels(tmp_path: Path) -> None:
    images = np.arange(2 * 28 * 28).astype(np.uint8).reshape(2, 28, 28)
    write_split(tmp_path, images, np.array([9, 0], dtype=np.uint8))
    found = read_fashion_mnist(tmp_path, split="t10k")
    assert (found.images == images).all()
    assert found.labels.tolist() == [9, 0]
    assert found.labels.dtype == np.int64


@pytest.mark.parametrize(
    ("shape", "labels"),
    [((2, 28, 28), [1]), ((2, 28, 28), [1, 10]), ((2, 28, 27), [1, 2]), ((0, 28, 28), []), ((2, 784), [1, 2])],
)
def test_images_and_labels_that_do_not_fit_are_a_spec_error(
    tmp_path: Path, shape: tuple[int, ...], labels: list[int]
) -> None:
    write_split(tmp_path, np.zeros(shape, dtype=np.uint8), np.array(labels, dtype=np.uint8))
    with pytest.raises(SpecError):
        read_fashion_mnist(tmp_path, split="t10k")


def test_a_folder_without_the_files_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_fashion_mnist(tmp_path, split="train")


@pytest.mark.skipif(not FASHION_MNIST_FOLDER.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_fashion_mnist_has_ten_classes_of_equal_size() -> None:
    test = read_fashion_mnist(FASHION_MNIST_FOLDER, split="t10k")
    assert test.images.shape == (10_000, 28, 28)
    assert np.bincount(test.labels).tolist() == [1_000] * 10
