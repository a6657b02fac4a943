"""Train every sub-network at once (torch; the `train` extra).

Source:
    Sandwich rule and in-place distillation: Yu and Huang, Universally Slimmable Networks, 2019, sections 3.2 and 3.3.
    Calibration of batch-norm per sub-network: the same, section 3.4, here of the means alone (see `elastic`).
"""

import io
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from tenuto.errors import DivergedError, SpecError, UsageError
from tenuto.nets.datasets import LabelledImages
from tenuto.nets.elastic import norms_of
from tenuto.nets.fashion import SPACE
from tenuto.nets.fashion_torch import FashionNet
from tenuto.nets.recipe import Progress, Recipe
from tenuto.points import SubNetwork
from tenuto.storage import replace_file

CHECKPOINT_SCHEMA = 1


def as_input(images: Tensor) -> Tensor:
    """Bytes (N, 28, 28) to the network's input, (N, 1, 28, 28) floats in [0, 1]."""
    return images.unsqueeze(1).float().div_(255).contiguous(memory_format=torch.channels_last)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image by up to two pixels each way and mirror half of them."""
    n, height, width = images.shape
    padded = functional.pad(images, (2, 2, 2, 2))
    top, left = (torch.randint(0, 5, (n, 1, 1), generator=generator) for _ in range(2))
    rows = top + torch.arange(height).reshape(1, -1, 1)
    columns = left + torch.arange(width).reshape(1, 1, -1)
    mirrored = torch.rand(n, 1, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, left + width - 1 - torch.arange(width).reshape(1, 1, -1), columns)
    return padded[torch.arange(n).reshape(-1, 1, 1), rows, columns]


class Training:
    """One training run: steps, checkpoints, exact resume.

    Raises:
        UsageError: There are fewer images than one batch takes.
    """

    def __init__(self, recipe: Recipe, data: LabelledImages) -> None:
        if len(data.labels) < recipe.batch_size:
            raise UsageError(
                f"found {len(data.labels)} training images, and one step takes batch_size={recipe.batch_size}; "
                "give more images or a smaller batch"
            )
        self.recipe = recipe
        self.images = torch.from_numpy(data.images.copy())
        self.labels = torch.from_numpy(data.labels.copy())
        torch.manual_seed(recipe.seed)
        self.network = FashionNet()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore] # torch's stub
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), lr=0.0, momentum=recipe.momentum, nesterov=True, weight_decay=recipe.weight_decay
        )
        self.step = 0
        self.seconds = 0.0
        self.steps_per_epoch = len(self.labels) // recipe.batch_size
        self.n_steps = recipe.n_epochs * self.steps_per_epoch
        self.reference = SPACE.parse(recipe.alone) if recipe.alone else SPACE.largest()

    def run(
        self,
        *,
        checkpoint: Path,
        every_s: float,
        report: Callable[[Progress], None],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Train to the end, from the checkpoint if there is one.

        Args:
            checkpoint: Where the state is kept; its folder is made if it is not there.
            every_s: Seconds between checkpoints.
            report: Called after each step.
            should_stop: Asked after each step; when true, the state is saved and training stops.

        Returns:
            Whether the end was reached.

        Raises:
            SpecError: The checkpoint is of another recipe or schema.
            DivergedError: The loss or the weights are no longer numbers; the last checkpoint is intact.
            OSError: The checkpoint cannot be written; the last one is intact.
        """
        if checkpoint.exists():
            self.load(checkpoint)
        saved_at = started = time.monotonic()
        before = self.seconds
        for images, labels in self._batches():
            loss = self._update(images, labels)
            self.step += 1
            now = time.monotonic()
            self.seconds = before + now - started
            if not math.isfinite(loss):
                raise DivergedError(step=self.step, found=f"the loss is {loss}", checkpoint=checkpoint)
            rate = self.optimizer.param_groups[0]["lr"]
            report(Progress(self.step, self.n_steps, self.step / self.steps_per_epoch, loss, rate, self.seconds))
            stops = should_stop()
            if stops or now - saved_at > every_s or self.step == self.n_steps:
                # A finite loss says nothing of the step that followed it: look before the good state is replaced.
                if not self._weights_are_finite():
                    raise DivergedError(step=self.step, found="weights are not finite", checkpoint=checkpoint)
                self.save(checkpoint)
                saved_at = now
            if stops:
                break
        return self.step == self.n_steps

    def _update(self, images: Tensor, labels: Tensor) -> float:
        """One step of the sandwich: gradients of all its sub-networks add up, then the weights move."""
        self.optimizer.param_groups[0]["lr"] = self._learning_rate()
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.network.run(images, self.reference)
        loss = functional.cross_entropy(logits, labels)
        loss.backward()
        if self.recipe.alone is None:
            target = logits.detach().softmax(dim=1)
            for sub_network in self._others():
                soft = functional.cross_entropy(self.network.run(images, sub_network), target)
                soft.backward()
        self.optimizer.step()
        return float(loss.item())

    def _weights_are_finite(self) -> bool:
        return all(bool(torch.isfinite(tensor).all()) for tensor in self.network.state_dict().values())

    def _others(self) -> list[SubNetwork]:
        generator = random.Random(f"{self.recipe.seed}/{self.step}")
        return [SPACE.smallest(), *(SPACE.sample(generator) for _ in range(self.recipe.n_random))]

    def _learning_rate(self) -> float:
        done = self.step / self.n_steps
        warm_up = self.recipe.warm_up_share
        if done < warm_up:
            return self.recipe.peak_learning_rate * (self.step + 1) / (warm_up * self.n_steps)
        return self.recipe.peak_learning_rate * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up))) / 2

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches left, each a function of seed and step alone, so that a resumed run sees the same ones."""
        while self.step < self.n_steps:
            epoch, first = divmod(self.step, self.steps_per_epoch)
            generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + epoch)
            order = torch.randperm(len(self.labels), generator=generator)
            for index in range(first, self.steps_per_epoch):
                chosen = order[index * self.recipe.batch_size : (index + 1) * self.recipe.batch_size]
                generator.manual_seed((self.recipe.seed * 1_000_003 + epoch) * 1_000_003 + index)
                yield as_input(augment(self.images[chosen], generator)), self.labels[chosen]

    def save(self, path: Path) -> None:
        """Write the whole state; the previous checkpoint survives until the new one is complete.

        Raises:
            OSError: The disk is full or the folder cannot be written; the previous checkpoint is as it was.
        """
        content = io.BytesIO()
        torch.save(
            {
                "schema": CHECKPOINT_SCHEMA,
                "recipe": json.dumps(asdict(self.recipe)),
                "n_images": len(self.labels),
                "step": self.step,
                "seconds": self.seconds,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            },
            content,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content.getvalue())

    def load(self, path: Path) -> None:
        """Continue from a checkpoint of the same recipe.

        Raises:
            SpecError: Damaged, of another recipe or other images, or of another schema.
        """
        try:
            state = torch.load(path, weights_only=True)
            schema, recipe = int(state["schema"]), json.loads(state["recipe"])
            n_images = int(state.get("n_images", len(self.labels)))  # the first checkpoints did not say
        except Exception as error:
            # A foreign file fails in as many ways as torch's zip and pickle readers know.
            raise _not_ours(path, error) from error
        if schema != CHECKPOINT_SCHEMA:
            advice = "upgrade tenuto" if schema > CHECKPOINT_SCHEMA else "move it away to start anew"
            raise SpecError(
                path, f"has schema {schema}, this version reads {CHECKPOINT_SCHEMA}; {advice}", key="schema"
            )
        if recipe != asdict(self.recipe):
            raise SpecError(
                path,
                f"was made with another recipe ({recipe}); choose another --output, or that recipe",
                key="recipe",
            )
        if n_images != len(self.labels):
            raise SpecError(
                path,
                f"was made with {n_images} images and there are {len(self.labels)}; choose another --output, or those",
                key="n_images",
            )
        try:
            step, seconds = int(state["step"]), float(state["seconds"])
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise _not_ours(path, error) from error
        if not 0 <= step <= self.n_steps:
            raise SpecError(path, f"is at step {step} of {self.n_steps}; move it away to start anew", key="step")
        self.step, self.seconds = step, seconds


def load_network(checkpoint: Path) -> tuple[FashionNet, Recipe]:
    """The network that a checkpoint holds, whatever its recipe, and that recipe.

    Raises:
        SpecError: The file is not a checkpoint of this program.
    """
    try:
        state = torch.load(checkpoint, weights_only=True)
        network = FashionNet()
        network.load_state_dict(state["network"])
        return network, Recipe(**json.loads(state["recipe"]))
    except Exception as error:
        raise _not_ours(checkpoint, error) from error


def _not_ours(path: Path, error: Exception) -> SpecError:
    reason = str(error).partition("\n")[0]
    return SpecError(path, f"is not a checkpoint of this program ({reason}); move it away to start anew")


def share_scales(
    network: FashionNet, sub_networks: Sequence[SubNetwork], images: Tensor, *, batch_size: int = 500
) -> None:
    """Set every norm's deviations to what `sub_networks` have in common over (N, 28, 28) training images.

    Those are the sub-networks to be deployed; each is calibrated afterwards, before it is used.
    """
    network.eval()
    norms = norms_of(network)
    for norm in norms:
        norm.begin_survey()
    with torch.inference_mode():
        for sub_network in sub_networks:
            for batch in images.split(batch_size):
                network.run(as_input(batch), sub_network)
    for norm in norms:
        norm.end_survey()


def calibrate(network: FashionNet, sub_network: SubNetwork, images: Tensor, *, batch_size: int = 500) -> None:
    """Set every norm's mean to the sub-network's own over (N, 28, 28) training images."""
    network.eval()
    norms = norms_of(network)
    for norm in norms:
        norm.begin_calibration()
    with torch.inference_mode():
        for batch in torch.split(images, batch_size):
            network.run(as_input(batch), sub_network)
    for norm in norms:
        norm.end_calibration()


def accuracy_pct(network: FashionNet, sub_network: SubNetwork, images: Tensor, labels: Tensor) -> float:
    """Top-1 accuracy of a calibrated sub-network, in per cent."""
    network.eval()
    with torch.inference_mode():
        n_right = sum(
            int((network.run(as_input(x), sub_network).argmax(1) == y).sum().item())
            for x, y in zip(torch.split(images, 500), torch.split(labels, 500), strict=True)
        )
    return 100 * n_right / len(labels)
