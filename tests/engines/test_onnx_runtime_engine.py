"""The ONNX Runtime engine: what an engine promises, and the same outputs as a session of the exported file."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tenuto.engines import OnnxRuntimeEngine
from tenuto.errors import EngineError, UnknownNameError, UsageError
from tenuto.nets.package import open_package, shipped_packages
from tenuto.points import SubNetwork
from tenuto.testing.engines import check_engine

Models = dict[SubNetwork, Path]


def _engine(models: Models, tmp_path: Path, **options: int) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(models, input_shape=(1, 8, 8), cache=tmp_path / "cache", **options)


def _static(path: Path, frame: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: frame})[0]


def _n_turns(task: Path) -> int:
    """How often a thread was given a processor."""
    return int((task / "schedstat").read_text().split()[2])


def _until_in_force(engine: OnnxRuntimeEngine, sub_network: SubNetwork) -> None:
    gives_up_at = time.monotonic() + 30
    while engine.activate(sub_network) != sub_network:
        assert time.monotonic() < gives_up_at


@pytest.mark.parametrize("n_threads", [1, 2])
def test_it_keeps_every_promise_of_an_engine(
    n_threads: int, tiny_models: Models, frame: np.ndarray, tmp_path: Path
) -> None:
    check_engine(_engine(tiny_models, tmp_path, n_threads=n_threads), frame, sub_networks=list(tiny_models))


@pytest.mark.parametrize("n_items", [1, 3, 16])
def test_outputs_equal_a_plain_session_of_the_exported_file(n_items: int, tiny_models: Models, tmp_path: Path) -> None:
    frame = np.random.default_rng(n_items).random((n_items, 1, 8, 8), dtype=np.float32)
    with _engine(tiny_models, tmp_path) as engine:
        engine.load(tiny_models)
        for sub_network, path in tiny_models.items():
            engine.activate(sub_network)
            np.testing.assert_allclose(engine.infer(frame), _static(path, frame), rtol=1e-5, atol=1e-4)


def test_sub_networks_differ_in_what_they_answer(tiny_models: Models, frame: np.ndarray, tmp_path: Path) -> None:
    with _engine(tiny_models, tmp_path) as engine:
        engine.load(tiny_models)
        outputs = [engine.infer(frame) for one in tiny_models if engine.activate(one) == one]
    assert len({output.tobytes() for output in outputs}) == len(tiny_models)


@pytest.mark.parametrize("name", shipped_packages())
def test_a_shipped_network_runs_as_its_files_do(name: str, tmp_path: Path) -> None:
    package = open_package(name)
    frame = np.random.default_rng(5).random((4, *package.input_shape), dtype=np.float32)
    with OnnxRuntimeEngine(package.models, input_shape=package.input_shape, cache=tmp_path) as engine:
        engine.load(package.models)
        for sub_network, path in package.models.items():
            engine.activate(sub_network)
            found, expected = engine.infer(frame), _static(path, frame)
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
            assert found.argmax(axis=1).tolist() == expected.argmax(axis=1).tolist()


def test_a_frame_that_is_not_contiguous_is_read_right(tiny_models: Models, frame: np.ndarray, tmp_path: Path) -> None:
    with _engine(tiny_models, tmp_path) as engine:
        engine.load(list(tiny_models)[:1])
        assert np.array_equal(engine.infer(frame[::-1, :, :, ::-1]), engine.infer(frame[::-1, :, :, ::-1].copy()))


def test_asking_for_another_does_not_wait_until_it_is_open(tiny_models: Models, tmp_path: Path) -> None:
    first, second, *_ = tiny_models
    answers = []
    with _engine(tiny_models, tmp_path) as engine:
        engine.load([first])
        with engine._opening_lock:  # nothing can be opened while we hold this
            asking = threading.Thread(target=lambda: answers.append(engine.activate(second)), daemon=True)
            asking.start()
            asking.join(timeout=30)
            assert answers == [first]
            assert engine.resident == {first}
        _until_in_force(engine, second)
        assert engine.resident == {first, second}


def test_a_failed_background_open_is_told_at_the_next_ask_and_the_active_one_goes_on(
    tiny_models: Models, frame: np.ndarray, tmp_path: Path
) -> None:
    first, second, third, _ = tiny_models
    with _engine(tiny_models, tmp_path) as engine:
        engine.load([first])
        (optimised_model,) = (tmp_path / "cache").glob(f"*/*{tiny_models[second].stem}.onnx")
        content = optimised_model.read_bytes()
        optimised_model.write_bytes(content[: len(content) // 2])
        before = engine.infer(frame)
        with pytest.raises(EngineError):
            _until_in_force(engine, second)
        assert engine.active == first
        assert np.array_equal(engine.infer(frame), before)
        _until_in_force(engine, third)
        optimised_model.write_bytes(content)
        _until_in_force(engine, second)


def test_each_failure_of_a_background_open_is_told_once(tiny_models: Models, tmp_path: Path) -> None:
    first, second, *_ = tiny_models
    with _engine(tiny_models, tmp_path) as engine:
        engine.load([first])
        (optimised_model,) = (tmp_path / "cache").glob(f"*/*{tiny_models[second].stem}.onnx")
        optimised_model.write_bytes(optimised_model.read_bytes()[:100])
        told: list[EngineError] = []
        for _ in range(200):  # the end of the opening must fall between two looks at it for a failure to be told twice
            with pytest.raises(EngineError) as caught:
                _until_in_force(engine, second)
            assert not any(caught.value is earlier for earlier in told)
            told.append(caught.value)


def test_a_damaged_model_is_an_engine_error(tiny_models: Models, frame: np.ndarray, tmp_path: Path) -> None:
    first, second, *_ = tiny_models
    tiny_models[second].write_bytes(tiny_models[second].read_bytes()[:200])
    with _engine(tiny_models, tmp_path) as engine:
        with pytest.raises(EngineError):
            engine.load([first])
        with pytest.raises(UsageError):
            engine.infer(frame)


def test_an_input_shape_that_the_model_does_not_have_is_an_engine_error(tiny_models: Models, tmp_path: Path) -> None:
    with OnnxRuntimeEngine(tiny_models, input_shape=(3, 8, 8), cache=tmp_path) as engine:
        with pytest.raises(EngineError, match="input_shape"):
            engine.load(tiny_models)
        assert engine.resident == frozenset()


def test_an_engine_that_throws_in_mid_stream_goes_on_with_another_sub_network(
    single_item_models: Models, frame: np.ndarray, tmp_path: Path
) -> None:
    smallest, *_, widest = single_item_models
    with _engine(single_item_models, tmp_path) as engine:
        engine.load([widest, smallest])
        with pytest.raises(EngineError, match="w100"):
            engine.infer(frame)
        assert engine.active == widest
        assert engine.infer(frame[:1]).shape == (1, 4)
        engine.activate(smallest)
        assert engine.infer(frame).shape == (3, 4)


def test_a_refused_frame_says_what_was_expected_and_found(
    tiny_models: Models, frame: np.ndarray, tmp_path: Path
) -> None:
    with _engine(tiny_models, tmp_path) as engine:
        engine.load(tiny_models)
        with pytest.raises(UsageError, match=r"float32 \(n, 1, 8, 8\).*found float64 \(3, 1, 8, 8\); use frame.astype"):
            engine.infer(frame.astype(np.float64))
        with pytest.raises(UsageError, match=r"found float32 \(3, 8, 1, 8\)"):
            engine.infer(frame.swapaxes(1, 2))


def test_an_unknown_sub_network_names_the_near_ones(tiny_models: Models, tmp_path: Path) -> None:
    with _engine(tiny_models, tmp_path) as engine, pytest.raises(UnknownNameError) as caught:
        engine.load([*tiny_models, SubNetwork("tiny", (("width_pct", (10,)),))])
    assert caught.value.name == "w10"
    assert "w100" in caught.value.matches


def test_nothing_is_loaded_when_one_name_is_unknown(tiny_models: Models, tmp_path: Path) -> None:
    with _engine(tiny_models, tmp_path) as engine:
        with pytest.raises(UnknownNameError):
            engine.load([*tiny_models, SubNetwork("tiny", (("width_pct", (10,)),))])
        assert engine.resident == frozenset()


def test_activating_before_anything_is_loaded_loads_it(tiny_models: Models, frame: np.ndarray, tmp_path: Path) -> None:
    second = list(tiny_models)[1]
    with _engine(tiny_models, tmp_path) as engine:
        assert engine.activate(second) == second
        assert engine.infer(frame).shape == (3, 4)


def test_a_temporary_folder_is_removed_on_close(tiny_models: Models, tmp_path: Path) -> None:
    obstacle = tmp_path / "a-file"
    obstacle.touch()
    engine = OnnxRuntimeEngine(tiny_models, input_shape=(1, 8, 8), cache=obstacle)
    engine.load(tiny_models)
    assert engine._optimised is not None
    folder = engine._optimised.weights.parent
    assert folder.exists()
    engine.close()
    assert not folder.exists()


def test_closing_twice_and_while_another_opens_does_no_harm(tiny_models: Models, tmp_path: Path) -> None:
    first, second, *_ = tiny_models
    engine = _engine(tiny_models, tmp_path)
    engine.load([first])
    engine.activate(second)
    engine.close()
    engine.close()
    assert engine.resident == frozenset()


def test_a_model_of_another_network_is_refused(tiny_models: Models, tmp_path: Path) -> None:
    other = {SubNetwork("other", (("width_pct", (25,)),)): next(iter(tiny_models.values()))}
    with pytest.raises(UsageError, match="other"):
        _engine(tiny_models | other, tmp_path)
    with pytest.raises(UsageError, match="none"):
        _engine({}, tmp_path)


def test_a_thread_count_below_one_is_refused(tiny_models: Models, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="n_threads must be at least 1, and is 0"):
        _engine(tiny_models, tmp_path, n_threads=0)


def test_a_pool_that_is_not_pinned_thread_by_thread_is_refused(tiny_models: Models, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a pool of 2 threads to processors \[1\]; give one for each"):
        OnnxRuntimeEngine(tiny_models, input_shape=(1, 8, 8), n_threads=3, pool_cpus=(1,), cache=tmp_path)


def test_the_pool_s_thread_runs_where_it_is_pinned(tiny_models: Models, tmp_path: Path) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("one core: nothing to pin to")
    before = set(Path("/proc/self/task").iterdir())
    with OnnxRuntimeEngine(
        tiny_models, input_shape=(1, 8, 8), n_threads=2, pool_cpus=(cpus[-1],), cache=tmp_path
    ) as engine:
        engine.load(list(tiny_models)[:1])
        gives_up_at = time.monotonic() + 30
        # The thread pins itself when it first runs. Others of ONNX Runtime's may have started, too.
        places: list[set[int]] = []
        while {cpus[-1]} not in places:
            fresh = set(Path("/proc/self/task").iterdir()) - before
            places = [os.sched_getaffinity(int(one.name)) for one in fresh]
            assert time.monotonic() < gives_up_at


def test_on_one_processor_the_caller_computes_alone(tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("one core: there is nothing else")
    package = open_package("fashion")
    largest = package.sub_networks[-1].sub_network
    before = set(Path("/proc/self/task").iterdir())
    frame = np.zeros((16, *package.input_shape), dtype=np.float32)
    with OnnxRuntimeEngine(package.models, input_shape=package.input_shape, n_threads=2, cache=tmp_path) as engine:
        engine.load([largest])

        def n_turns_of_the_pool() -> int:
            engine.activate(largest)
            fresh = set(Path("/proc/self/task").iterdir()) - before
            n_before = sum(_n_turns(task) for task in fresh)
            for _ in range(20):
                engine.infer(frame)
            return sum(_n_turns(task) for task in fresh) - n_before

        assert n_turns_of_the_pool() > 0
        os.sched_setaffinity(0, {min(allowed)})
        try:
            assert n_turns_of_the_pool() == 0
        finally:
            os.sched_setaffinity(0, allowed)


def test_importing_the_engines_does_not_import_onnx_runtime() -> None:
    code = "import sys, tenuto.engines; sys.exit('onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
