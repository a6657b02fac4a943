"""Make the `fashion` package: train, calibrate, export, measure (torch and onnx; the `train` extra)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
import torch

from tenuto.nets.datasets import LabelledImages, read_fashion_mnist
from tenuto.nets.export import INPUT_NAME, export_package, n_parameters
from tenuto.nets.fashion import CLASSES, INPUT_SHAPE, LADDER, SPACE, macs
from tenuto.nets.fashion_torch import FashionNet
from tenuto.nets.package import NetworkPackage, PackagedSubNetwork, measured_accuracy, write_card
from tenuto.nets.recipe import Progress, Recipe, TrainingLog
from tenuto.nets.training import Training, calibrate, load_network, share_scales
from tenuto.points import Estimate, SubNetwork

CHECKPOINT_FILE: Final = "checkpoint.pt"
LOG_FILE: Final = "log.jsonl"
PACKAGE_FOLDER: Final = "package"

N_CALIBRATION: Final = 20_000
"""Training images that set the means of a sub-network's norms."""


def train_fashion(
    output: Path,
    recipe: Recipe,
    *,
    data: Path,
    every_s: float = 60.0,
    report: Callable[[Progress], None],
    say: Callable[[str], None],
    should_stop: Callable[[], bool] = lambda: False,
) -> NetworkPackage | None:
    """Train to the end, from the last checkpoint if there is one, and make the package.

    Args:
        output: The folder for `checkpoint.pt`, `log.jsonl` and `package`; made if it is not there.
        recipe: How to train.
        data: The folder with Fashion-MNIST's four files.
        every_s: Seconds between checkpoints.
        report: Called after each step.
        say: Called with what happens besides steps, in words.
        should_stop: Asked often; when true, everything is saved and the work stops.

    Returns:
        The package; None if it was stopped.

    Raises:
        UsageError: The data are not there.
        SpecError: A data file is damaged, or the checkpoint is of another recipe.
        DivergedError: Training no longer yields numbers.
        OSError: The disk is full, or the folder cannot be written.
    """
    images = read_fashion_mnist(data, split="train")
    log = TrainingLog(output / LOG_FILE)

    def keep(progress: Progress) -> None:
        log.record(progress)
        report(progress)

    checkpoint = output / CHECKPOINT_FILE
    output.mkdir(parents=True, exist_ok=True)
    training = Training(recipe, images)
    if not training.run(checkpoint=checkpoint, every_s=every_s, report=keep, should_stop=should_stop):
        return None
    return package_fashion(checkpoint, output / PACKAGE_FOLDER, data=data, say=say, should_stop=should_stop)


def package_fashion(
    checkpoint: Path,
    folder: Path,
    *,
    data: Path,
    sub_networks: Sequence[str] | None = None,
    n_calibration: int = N_CALIBRATION,
    version: int = 1,
    say: Callable[[str], None],
    should_stop: Callable[[], bool] = lambda: False,
) -> NetworkPackage | None:
    """Calibrate and export sub-networks of a checkpoint, and measure each exported file on the test images.

    Args:
        checkpoint: Of any recipe.
        folder: Where the package goes.
        data: The folder with Fashion-MNIST's four files.
        sub_networks: Names; `LADDER` unless the recipe trained one alone.
        n_calibration: Training images that set the means, from the first.
        version: Of the weights.
        say: Called with each accuracy, in words.
        should_stop: Asked after each sub-network.

    Returns:
        The package as its card tells it; None if it was stopped, and then there is no card.

    Raises:
        UnknownNameError: No such sub-network.
        SpecError: The checkpoint or a data file is damaged.
        OSError: The disk is full, or the folder cannot be written.
    """
    network, recipe = load_network(checkpoint)
    names = sub_networks or ((recipe.alone,) if recipe.alone else LADDER)
    chosen = [SPACE.parse(name) for name in names]
    images = torch.from_numpy(read_fashion_mnist(data, split="train").images[:n_calibration].copy())
    test = read_fashion_mnist(data, split="t10k")
    say(f"calibrating {len(chosen)} sub-networks on {len(images)} training images")
    share_scales(network, chosen, images)
    models = export_package(network, chosen, folder, calibrate=_calibrator(network, images))
    measured = []
    for sub_network, path in models.items():
        if should_stop():
            return None
        accuracy = measure_accuracy(path, test)
        parameters = n_parameters(onnx.load(path, load_external_data=False))
        measured.append(PackagedSubNetwork(sub_network, path, accuracy, macs(sub_network), parameters))
        say(f"{sub_network.name}: {accuracy.value:.2f} % of the test images, {macs(sub_network) / 1e6:.1f} M MACs")
    package = NetworkPackage(
        name=SPACE.network,
        version=version,
        folder=folder,
        sub_networks=tuple(measured),
        input_shape=INPUT_SHAPE,
        dtype="float32",
        classes=CLASSES,
        evaluated_on="Fashion-MNIST, test images (t10k)",
        n_evaluated=len(test.labels),
        recipe=asdict(recipe) | {"n_calibration": len(images)},
    )
    write_card(package)
    return package


def measure_accuracy(model: Path, data: LabelledImages, *, batch_size: int = 500) -> Estimate:
    """Top-1 accuracy, in per cent, of an exported model in ONNX Runtime."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    n_right = 0
    for first in range(0, len(data.labels), batch_size):
        batch = slice(first, first + batch_size)
        frames = data.images[batch, np.newaxis].astype(np.float32) / np.float32(255)
        (logits,) = session.run(None, {INPUT_NAME: frames})
        n_right += int((np.asarray(logits).argmax(axis=1) == data.labels[batch]).sum())
    return measured_accuracy(n_right, len(data.labels))


def _calibrator(network: FashionNet, images: torch.Tensor) -> Callable[[SubNetwork], None]:
    return lambda sub_network: calibrate(network, sub_network, images)
