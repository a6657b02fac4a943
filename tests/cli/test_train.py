"""`tenuto train`, from the command line."""

import gzip
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from tenuto.cli.train import INTERRUPTED, command
from tenuto.errors import SpecError, UnknownNameError, UsageError
from tenuto.nets.fashion import LADDER
from tenuto.nets.package import open_package
from tenuto.nets.recipe import Progress, TrainingLog

PROGRAM = "import typer; from tenuto.cli.train import command; typer.run(command)"
WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Absent())
from pathlib import Path
from tenuto.cli.train import command
from tenuto.errors import UsageError
try:
    command("fashion")
except UsageError as error:
    sys.exit(9 if "pip install 'tenuto[train]'" in str(error) else 1)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set of Fashion-MNIST's form: 300 training and 60 test images, random, of ten classes."""
    folder = tmp_path / "data"
    folder.mkdir()
    generator = np.random.default_rng(1)
    for split, n in (("train", 300), ("t10k", 60)):
        images = generator.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        for name, array in ((f"{split}-images-idx3", images), (f"{split}-labels-idx1", labels)):
            content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
            (folder / f"{name}-ubyte.gz").write_bytes(gzip.compress(content, 1))
    return folder


@pytest.fixture
def app() -> typer.Typer:
    """A program of this one command."""
    app = typer.Typer()
    app.command()(command)
    return app


def steps_of(log: Path) -> list[int]:
    """The steps that a log tells of."""
    return [json.loads(line)["step"] for line in log.read_text().splitlines()]


def test_an_unknown_network_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        command("fashon")
    assert (caught.value.kind, caught.value.matches) == ("network", ("fashion",))


def test_an_absurd_recipe_and_an_unknown_sub_network_are_usage_errors() -> None:
    with pytest.raises(UsageError):
        command("fashion", epochs=0)
    with pytest.raises(UnknownNameError):
        command("fashion", alone="d9")


def test_without_torch_it_says_how_to_get_it() -> None:
    finished = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], check=False)
    assert finished.returncode == 9


def test_a_run_ends_with_a_measured_package_and_one_object_on_stdout(app: typer.Typer, data: Path) -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    pytest.importorskip("onnx", reason="needs the train extra")
    output = data.parent / "run"
    result = CliRunner().invoke(
        app,
        ["fashion", "--data", str(data), "--output", str(output), "--epochs", "1", "--json"],
        catch_exceptions=False,
    )
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert (told["network"], told["n_evaluated"], told["recipe"]["n_epochs"]) == ("fashion", 60, 1)

    package = open_package(output / "package")
    assert [packaged.sub_network.name for packaged in package.sub_networks] == list(LADDER)
    assert [sub["accuracy_pct"] for sub in told["sub_networks"]] == [
        packaged.accuracy_pct.value for packaged in package.sub_networks
    ]
    assert {packaged.accuracy_pct.source for packaged in package.sub_networks} == {"measured"}
    assert steps_of(output / "log.jsonl") == [2]


def test_one_sub_network_trained_alone_is_a_package_of_one(app: typer.Typer, data: Path) -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    pytest.importorskip("onnx", reason="needs the train extra")
    name, output = "d1.1-w25.25-k3.3", data.parent / "run"
    arguments = ["--data", str(data), "--output", str(output), "--epochs", "1", "--alone", name, "--json"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert [sub["sub_network"] for sub in json.loads(result.stdout)["sub_networks"]] == [name]
    with pytest.raises(SpecError) as caught:  # and the folder is taken: another recipe does not overwrite it
        command("fashion", data=data, output=output, epochs=1)
    assert caught.value.key == "recipe"


def test_ctrl_c_saves_says_how_to_go_on_and_the_next_run_does(data: Path) -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    pytest.importorskip("onnx", reason="needs the train extra")
    output = data.parent / "run"
    arguments = [sys.executable, "-c", PROGRAM, "--data", str(data), "--output", str(output), "--epochs", "400"]
    log, checkpoint = output / "log.jsonl", output / "checkpoint.pt"
    lengths = []
    for _ in range(2):
        before = len(steps_of(log)) if log.exists() else 0
        running = subprocess.Popen(arguments, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"})
        try:
            while running.poll() is None and (not log.exists() or len(steps_of(log)) <= before):
                time.sleep(0.05)
            running.send_signal(signal.SIGINT)
            said = running.communicate(timeout=120)[1].decode()
        finally:
            running.kill()
        assert (running.returncode, checkpoint.exists()) == (INTERRUPTED, True)
        assert "go on" in " ".join(said.split())
        lengths.append(len(steps_of(log)))
    assert 0 < lengths[0] < lengths[1]
    assert steps_of(log) == [20 * (index + 1) for index in range(lengths[1])]


def test_a_log_beyond_the_checkpoint_is_dropped_when_training_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for steps in ((20, 40, 60), (41, 60, 61, 79)):
        log = TrainingLog(path)
        for step in steps:
            log.record(Progress(step, 79, 0.5, 1.0, 0.1, 1.0))
        with path.open("a") as file:
            file.write('{"step": 8')  # the process died while it wrote
    log = TrainingLog(path)
    log.record(Progress(80, 90, 0.5, 1.0, 0.1, 1.0))
    assert steps_of(path) == [20, 40, 60, 79, 80]
