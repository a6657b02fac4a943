"""ONNX Runtime sessions that share their weights and their activations.

Settings, and why (`benchmarks.engine` measures what they bring):

* optimisation off, for the graph is optimised already: a session opens in milliseconds;
* weights handed over by `add_initializer` over one memory map: `add_external_initializers` would copy them;
* `session.disable_prepacking`: packing copies the classifier's matrix into every session;
* one arena of the environment for the activations of all sessions, since only one runs at a time;
* no spinning: a resident pool that spins would steal cores from the session that runs.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tenuto.engines._onnx_file import weights_of
from tenuto.errors import EngineError

# ONNX's codes of element types. Weights of other types (bfloat16, 4-bit) are left for ORT to load itself.
_ELEMENT_TYPES: Final = {
    1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
    10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64,
}  # fmt: skip

_environment_lock = threading.Lock()
_environment: list[bool] = []


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One open model.

    Attributes:
        run: ORT's own `run(output_names, feeds)`.
        input_name: Of its one input.
        output_names: Of its first output.
        keep: What must live as long as the session: its weights.
    """

    run: Any
    input_name: str
    output_names: Sequence[str]
    keep: object


def map_weights(path: Path) -> NDArray[np.uint8]:
    """The shared file as memory that is read when it is first touched.

    Raises:
        EngineError: It cannot be read.
    """
    try:
        if path.stat().st_size == 0:  # nothing to map
            return np.empty(0, dtype=np.uint8)
        return np.memmap(path, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise EngineError(f"{path} cannot be mapped ({error}); remove its folder, it will be made anew") from error


def open_session(path: Path, weights: NDArray[np.uint8], *, n_threads: int, pool_cpus: Sequence[int] = ()) -> Session:
    """Open one optimised model over the shared weights; its pool's threads are pinned to `pool_cpus`, if given.

    Raises:
        EngineError: It would not open.
    """
    import onnxruntime  # noqa: PLC0415

    _share_activations()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.disable_prepacking", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if pool_cpus:  # ORT counts processors from 1
        processors = ";".join(str(cpu + 1) for cpu in pool_cpus)
        options.add_session_config_entry("session.intra_op_thread_affinities", processors)
    try:
        keep = []
        for weight in weights_of(path.read_bytes()):
            element_type = _ELEMENT_TYPES.get(weight.data_type)
            if element_type is not None:
                end = None if weight.length is None else weight.offset + weight.length
                array: NDArray[Any] = weights[weight.offset : end].view(element_type).reshape(weight.shape)
                keep.append(onnxruntime.OrtValue.ortvalue_from_numpy(np.asarray(array)))
                options.add_initializer(weight.name, keep[-1])
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ORT's exceptions share no base class
        raise EngineError(f"{path.stem} would not open: {error}; remove {path.parent}, it will be made anew") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1:
        raise EngineError(f"{path.stem} has {len(inputs)} inputs and the engine feeds one; export it with one input")
    return Session(session.run, inputs[0].name, [outputs[0].name], keep)


def _share_activations() -> None:
    """Register the arena that all sessions use, once in the process's life."""
    import onnxruntime  # noqa: PLC0415

    with _environment_lock:
        if _environment:
            return
        memory = onnxruntime.OrtMemoryInfo(
            "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
        )
        onnxruntime.create_and_register_allocator(memory, None)
        _environment.append(True)
