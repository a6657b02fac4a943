"""Training: the sandwich, exact resume, and what may go wrong on the way."""

import itertools
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from tenuto.errors import DivergedError, SpecError, UnknownNameError, UsageError  # noqa: E402 - after the skip
from tenuto.nets.datasets import LabelledImages  # noqa: E402
from tenuto.nets.fashion import SPACE  # noqa: E402
from tenuto.nets.recipe import Progress, Recipe  # noqa: E402
from tenuto.nets.training import Training, accuracy_pct, augment, calibrate, load_network, share_scales  # noqa: E402

RECIPE = Recipe(n_epochs=2, batch_size=8, n_random=1)

CHILD = """
import os, resource, signal, sys
from pathlib import Path
import numpy as np
from tenuto.nets.datasets import LabelledImages
from tenuto.nets.recipe import Recipe
from tenuto.nets.training import Training
rng = np.random.default_rng(1)
data = LabelledImages(rng.integers(0, 256, (32, 28, 28), dtype=np.uint8), np.arange(32) % 10)
checkpoint = Path(sys.argv[1])
def fail(progress):
    if progress.step == 3:
        {failure}
training = Training(Recipe(n_epochs=2, batch_size=8, n_random=1), data)
try:
    training.run(checkpoint=checkpoint, every_s=0.0, report=fail)
except OSError:
    sys.exit(7)
"""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Several threads would add in another order, and the last bit would differ."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def few_images(n: int = 32) -> LabelledImages:
    """Random pictures: four steps an epoch."""
    generator = np.random.default_rng(1)
    return LabelledImages(generator.integers(0, 256, (n, 28, 28), dtype=np.uint8), np.arange(n) % 10)


def train(
    folder: Path, recipe: Recipe = RECIPE, *, stop_at: int | None = None, every_s: float = 1e9
) -> tuple[Training, list[Progress]]:
    """Train, to the end or until some step, as one process would."""
    training, seen = Training(recipe, few_images()), []
    finished = training.run(
        checkpoint=folder / "checkpoint.pt",
        every_s=every_s,
        report=seen.append,
        should_stop=lambda: bool(seen) and seen[-1].step == stop_at,
    )
    assert finished == (stop_at is None)
    return training, seen


def assert_same_state(one: Training, other: Training) -> None:
    """Bit by bit: weights, statistics and momentum."""
    for mine, yours in zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True):
        assert torch.equal(mine, yours)
    momentum = [
        [state["momentum_buffer"] for state in training.optimizer.state_dict()["state"].values()]
        for training in (one, other)
    ]
    assert all(torch.equal(mine, yours) for mine, yours in zip(*momentum, strict=True))


def test_a_resumed_run_ends_as_the_uninterrupted_one_did(tmp_path: Path) -> None:
    whole, expected = train(tmp_path / "whole")
    for stop_at in (1, 4, 5):  # after the first step, between two epochs, in the second
        train(tmp_path / "parts", stop_at=stop_at)
    resumed, seen = train(tmp_path / "parts")
    assert_same_state(whole, resumed)
    assert [line.step for line in seen] == [6, 7, 8]
    assert [line.loss for line in expected[5:]] == [line.loss for line in seen]
    assert (resumed.step, resumed.n_steps) == (8, 8)


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    finished, _ = train(tmp_path)
    again, seen = train(tmp_path)
    assert seen == []
    assert_same_state(finished, again)


def test_the_same_seed_gives_the_same_network_and_another_another(tmp_path: Path) -> None:
    one, _ = train(tmp_path / "one")
    two, _ = train(tmp_path / "two")
    assert_same_state(one, two)
    other, _ = train(tmp_path / "other", replace(RECIPE, seed=2))
    assert not torch.equal(one.network.classifier.weight, other.network.classifier.weight)


def test_each_step_draws_its_own_sub_networks_and_always_the_same() -> None:
    drawn = []
    for _ in range(2):
        training, steps = Training(replace(RECIPE, n_random=3), few_images()), []
        for step in range(12):
            training.step = step
            steps.append(training._others())
        drawn.append(steps)
    assert drawn[0] == drawn[1]
    assert all(len(others) == 4 and others[0] == SPACE.smallest() for others in drawn[0])
    assert all(sub_network in SPACE for others in drawn[0] for sub_network in others)
    assert len({others[1] for others in drawn[0]}) > 6


def test_the_learning_rate_rises_then_falls_to_nothing(tmp_path: Path) -> None:
    _, seen = train(tmp_path, replace(RECIPE, n_epochs=10))
    rates = [line.learning_rate for line in seen]
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert max(rates) == pytest.approx(Recipe().peak_learning_rate, rel=0.02)
    assert rates[-1] < 0.01


@pytest.mark.parametrize("name", [SPACE.smallest().name, "d1.2-w50.75-k5.3"])
def test_one_sub_network_trains_alone_and_leaves_the_other_weights(tmp_path: Path, name: str) -> None:
    recipe = replace(RECIPE, alone=name, n_epochs=1, weight_decay=0.0)
    fresh = Training(recipe, few_images()).network
    trained, _ = train(tmp_path, recipe)
    inner = SPACE.parse(name).values("width_pct")[0] * 32 // 100
    before, after = (network.stages[0][0].widen.conv.weight for network in (fresh, trained.network))
    assert not torch.equal(before[:inner], after[:inner])
    assert torch.equal(before[inner:], after[inner:])
    assert torch.equal(fresh.stages[0][1].widen.conv.weight, trained.network.stages[0][1].widen.conv.weight)


def test_training_learns_what_can_be_learnt(tmp_path: Path) -> None:
    """Two classes, dark and bright: a few steps must tell them apart at every size."""
    labels = np.arange(64) % 2
    images = np.random.default_rng(1).integers(0, 64, (64, 28, 28)) + 128 * labels[:, None, None]
    data = LabelledImages(images.astype(np.uint8), labels)
    training = Training(Recipe(n_epochs=6, batch_size=16, peak_learning_rate=0.05), data)
    training.run(checkpoint=tmp_path / "checkpoint.pt", every_s=1e9, report=lambda _: None)
    ladder = (SPACE.smallest(), SPACE.parse("d1.2-w50.75-k5.3"), SPACE.largest())
    share_scales(training.network, ladder, training.images, batch_size=32)
    for sub_network in ladder:
        calibrate(training.network, sub_network, training.images, batch_size=32)
        assert accuracy_pct(training.network, sub_network, training.images, training.labels) >= 95


def test_the_recipe_in_a_checkpoint_is_the_one_released_weights_were_made_with() -> None:
    assert json.loads(json.dumps(asdict(Recipe()))) == {
        "n_epochs": 24,
        "batch_size": 128,
        "peak_learning_rate": 0.1,
        "warm_up_share": 0.15,
        "weight_decay": 0.0005,
        "momentum": 0.9,
        "n_random": 1,
        "alone": None,
        "seed": 1,
    }


def test_a_checkpoint_from_before_images_were_counted_still_loads(tmp_path: Path) -> None:
    training, _ = train(tmp_path, stop_at=3)
    path = tmp_path / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    del state["n_images"]
    torch.save(state, path)
    resumed = Training(RECIPE, few_images())
    resumed.load(path)
    assert_same_state(training, resumed)


def test_the_network_of_a_checkpoint_loads_without_data(tmp_path: Path) -> None:
    training, _ = train(tmp_path)
    network, recipe = load_network(tmp_path / "checkpoint.pt")
    assert recipe == RECIPE
    for mine, yours in zip(training.network.state_dict().values(), network.state_dict().values(), strict=True):
        assert torch.equal(mine, yours)


@pytest.mark.parametrize(
    ("recipe", "n_images", "key"),
    [
        (replace(RECIPE, seed=2), 32, "recipe"),
        (replace(RECIPE, alone="d1.1-w25.25-k3.3"), 32, "recipe"),
        (RECIPE, 40, "n_images"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, recipe: Recipe, n_images: int, key: str) -> None:
    train(tmp_path, stop_at=1)
    with pytest.raises(SpecError) as caught:
        Training(recipe, few_images(n_images)).load(tmp_path / "checkpoint.pt")
    assert (caught.value.path, caught.value.key) == (tmp_path / "checkpoint.pt", key)


@pytest.mark.parametrize(
    ("field", "value", "key"),
    [
        ("schema", 2, "schema"),
        ("schema", 0, "schema"),
        ("schema", "x", None),
        ("recipe", "{", None),
        ("step", 99, "step"),
        ("step", None, None),
        ("network", {}, None),
        ("network", {"stem.conv.weight": torch.zeros(1)}, None),
        ("optimizer", {}, None),
    ],
)
def test_a_checkpoint_with_a_foreign_field_is_a_spec_error(
    tmp_path: Path, field: str, value: object, key: str | None
) -> None:
    train(tmp_path, stop_at=1)
    path = tmp_path / "checkpoint.pt"
    torch.save(torch.load(path, weights_only=True) | {field: value}, path)
    with pytest.raises(SpecError) as caught:
        Training(RECIPE, few_images()).load(path)
    assert (caught.value.path, caught.value.key) == (path, key)


def test_a_checkpoint_cut_short_or_of_another_program_is_a_spec_error(tmp_path: Path) -> None:
    train(tmp_path, stop_at=1)
    path = tmp_path / "checkpoint.pt"
    content = path.read_bytes()
    for foreign in (b"", b"not a checkpoint", content[:100], content[: len(content) // 2], content[:-1]):
        path.write_bytes(foreign)
        for read in (Training(RECIPE, few_images()).load, load_network):
            with pytest.raises(SpecError) as caught:
                read(path)
            assert caught.value.path == path


@pytest.mark.parametrize(
    ("failure", "returncode"),
    [
        ("os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)", -9),
        (
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); size = checkpoint.stat().st_size - 9; "
            "resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))",
            7,
        ),
    ],
    ids=["killed while it writes", "disk full"],
)
def test_the_checkpoint_before_the_one_that_failed_is_intact(tmp_path: Path, failure: str, returncode: int) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    program = CHILD.replace("{failure}", failure)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    finished = subprocess.run([sys.executable, "-c", program, str(checkpoint)], env=environment, check=False)
    assert returncode == finished.returncode
    resumed = Training(RECIPE, few_images())
    resumed.load(checkpoint)
    assert resumed.step == 2
    resumed.run(checkpoint=checkpoint, every_s=1e9, report=lambda _: None)
    assert [checkpoint] == list(tmp_path.iterdir())


def test_a_loss_that_is_no_number_stops_with_the_last_good_state(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    train(tmp_path, stop_at=3)
    before = checkpoint.read_bytes()
    training = Training(RECIPE, few_images())

    def poison(progress: Progress) -> None:
        if progress.step == 5:
            with torch.no_grad():
                training.network.classifier.bias[0] = math.nan

    with pytest.raises(DivergedError) as caught:
        training.run(checkpoint=checkpoint, every_s=1e9, report=poison)
    assert (caught.value.step, caught.value.checkpoint) == (6, checkpoint)
    assert before == checkpoint.read_bytes()


def test_weights_that_are_no_numbers_never_replace_a_good_checkpoint(tmp_path: Path) -> None:
    """The loss of a step is computed before its weights move: a finite loss does not vouch for them."""
    checkpoint = tmp_path / "checkpoint.pt"
    training = Training(RECIPE, few_images())

    def poison(progress: Progress) -> None:
        if progress.step == 3:
            with torch.no_grad():
                training.network.stem.conv.weight[0] = math.inf

    with pytest.raises(DivergedError) as caught:
        training.run(checkpoint=checkpoint, every_s=0.0, report=poison)
    assert caught.value.step == 3
    resumed = Training(RECIPE, few_images())
    resumed.load(checkpoint)
    assert resumed.step == 2


def test_augmentation_shifts_and_mirrors_and_nothing_else() -> None:
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    image[0, 10, 7] = 200
    seen = {tuple(augment(image, torch.Generator().manual_seed(seed))[0].nonzero()[0].tolist()) for seed in range(400)}
    shifts = range(-2, 3)
    assert seen == {(10 + down, column + right) for down in shifts for right in shifts for column in (7, 20)}


def test_no_two_batches_of_an_epoch_are_shifted_alike() -> None:
    data = few_images()
    same = LabelledImages(np.repeat(data.images[:1], 32, axis=0), data.labels)
    batches = [images for images, _ in itertools.islice(Training(RECIPE, same)._batches(), 4)]
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(batches, 2))


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_epochs": 0},
        {"batch_size": 1},
        {"n_random": -1},
        {"seed": -1},
        {"peak_learning_rate": math.nan},
        {"peak_learning_rate": -0.1},
        {"momentum": 1.0},
        {"weight_decay": math.inf},
        {"warm_up_share": 1.5},
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Recipe(**wrong)  # type: ignore[arg-type]


def test_an_unknown_sub_network_cannot_train_alone() -> None:
    with pytest.raises(UnknownNameError):
        Recipe(alone="d1.1-w30.25-k3.3")


def test_fewer_images_than_a_batch_are_refused() -> None:
    with pytest.raises(UsageError):
        Training(RECIPE, few_images(7))
