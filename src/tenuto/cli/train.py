"""`tenuto train`: a super-network, from data to a package that engines run."""

import json as json_module
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tenuto.errors import UnknownNameError, UsageError
from tenuto.nets.datasets import FASHION_MNIST_FOLDER
from tenuto.nets.package import NetworkPackage
from tenuto.nets.recipe import Progress as Step
from tenuto.nets.recipe import Recipe

NETWORKS = ("fashion",)
DEFAULTS = Recipe()
INTERRUPTED = 130


def command(
    network: Annotated[str, typer.Argument(help="The super-network to train.")] = "fashion",
    *,
    data: Annotated[Path, typer.Option(help="Folder with the four idx files of Fashion-MNIST.")] = FASHION_MNIST_FOLDER,
    output: Annotated[Path, typer.Option(help="Folder for the checkpoint, the log and the package.")] = Path(
        "runs/fashion"
    ),
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = DEFAULTS.n_epochs,
    seed: Annotated[int, typer.Option(help="Of weights, order, augmentation and sub-networks drawn.")] = DEFAULTS.seed,
    alone: Annotated[str | None, typer.Option(help="Train this one sub-network by itself, to compare with.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Torch's threads; all cores if not given.")] = None,
    every_s: Annotated[float, typer.Option(min=0, help="Seconds between checkpoints.")] = 60.0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object when done.")] = False,
) -> None:
    """Train a super-network, then export and measure its sub-networks. Run it again to go on where it stopped."""
    if network not in NETWORKS:
        raise UnknownNameError("network", network, NETWORKS)
    recipe = Recipe(n_epochs=epochs, seed=seed, alone=alone)
    try:
        import torch  # noqa: PLC0415 - an extra, which the other commands do without

        from tenuto.nets.fashion_training import train_fashion  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        raise UsageError(
            f"training needs torch and onnx, and {error.name} is not installed; run `pip install 'tenuto[train]'`"
        ) from error
    if threads is not None:
        torch.set_num_threads(threads)
    console = Console(stderr=True)
    package = None
    try:
        with _stop_on_interrupt() as should_stop, _bar(console) as report:
            package = train_fashion(
                output, recipe, data=data, every_s=every_s, report=report, say=console.print, should_stop=should_stop
            )
    except KeyboardInterrupt:
        pass  # the second Ctrl-C: the last checkpoint is what there is
    except OSError as error:
        raise UsageError(
            f"{error.filename or output}: {error.strerror or error}; the last checkpoint in {output} is intact, "
            "make room and run the same command again"
        ) from error
    if package is None:
        console.print(f"Stopped; {output} keeps the state. Run the same command again to go on.")
        raise typer.Exit(INTERRUPTED)
    if json:
        typer.echo(json_module.dumps(_as_json(package)))
    else:
        console.print(f"{len(package.sub_networks)} sub-networks are in {package.folder}")


def _as_json(package: NetworkPackage) -> dict[str, object]:
    return {
        "network": package.name,
        "version": package.version,
        "folder": str(package.folder),
        "evaluated_on": package.evaluated_on,
        "n_evaluated": package.n_evaluated,
        "recipe": dict(package.recipe),
        "sub_networks": [
            {
                "sub_network": packaged.sub_network.name,
                "accuracy_pct": packaged.accuracy_pct.value,
                "macs_m": packaged.macs / 1e6,
                "parameters": packaged.parameters,
                "model": str(packaged.model),
            }
            for packaged in package.sub_networks
        ],
    }


@contextmanager
def _stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C asks to stop between two steps, so that the saved state is whole; the second stops at once."""
    asked = False

    def ask(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[Step], None]]:
    """A progress bar with epoch, loss and the time left."""
    columns = (
        TextColumn("epoch {task.fields[epoch]:.2f}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("train", total=None, start=False, epoch=0.0, loss=float("nan"))
        is_first = True

        def report(step: Step) -> None:
            nonlocal is_first
            if is_first:
                # A resumed run starts in the middle; steps of earlier runs say nothing of this one's speed.
                progress.reset(task, total=step.n_steps, completed=step.step)
                is_first = False
            progress.update(task, completed=step.step, epoch=step.epoch, loss=step.loss)

        yield report
