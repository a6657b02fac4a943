"""Graphs optimised for this machine, kept on disk with their weights in one shared file.

Optimising offline is what makes opening a session cheap, and what makes its weights shareable: an optimiser that runs
while a session opens lays the weights out anew in memory of its own.
"""

import hashlib
import json
import os
import platform
import shutil
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tenuto.engines._onnx_file import Weight, relocate, weights_of
from tenuto.errors import EngineError
from tenuto.storage import place

CACHE_SCHEMA: Final = 1
"""Part of every key: what an older version left behind is not read."""

WEIGHTS_FILE: Final = "weights.bin"
_MANIFEST: Final = "complete.json"

# ORT keeps tensors of up to 127 bytes inside the model, where shape inference can see them.
_SMALLEST_EXTERNAL_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class OptimisedModels:
    """Optimised graphs in one folder.

    Attributes:
        paths: Each graph; its weights are in `weights`, at the places it says.
        weights: The one file that holds the weights of all.
        is_temporary: The cache could not be written; whoever uses the folder removes it.
    """

    paths: Mapping[str, Path]
    weights: Path
    is_temporary: bool = False


def default_cache() -> Path:
    """The user's cache folder, as the XDG base directory specification has it."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    # The specification: a relative path there is invalid and to be ignored.
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".cache") / "tenuto" / "engines"


def optimised(models: Mapping[str, Path], cache: Path) -> OptimisedModels:
    """The models optimised for this machine: from the cache, or made now and put there.

    A damaged entry is made anew. Where the cache cannot be written the models go to a temporary folder.

    Args:
        models: Portable ONNX files by name. The names become file names.
        cache: The folder that holds the entries; made if it is not there.

    Raises:
        EngineError: A model cannot be read or optimised; says which.
    """
    entry = cache / _key(models)
    if _is_complete(entry):
        return _entry(entry, models)
    files = _optimise(models)
    try:
        _publish(files, entry)
        return _entry(entry, models)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="tenuto-"))
    try:
        _write(files, folder)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise EngineError(
            f"the optimised models fit neither in {cache} nor in {folder.parent} ({error}); "
            "free some space, or give a cache folder that can be written"
        ) from error
    return _entry(folder, models, is_temporary=True)


def _entry(folder: Path, models: Mapping[str, Path], *, is_temporary: bool = False) -> OptimisedModels:
    return OptimisedModels({name: folder / f"{name}.onnx" for name in models}, folder / WEIGHTS_FILE, is_temporary)


def _key(models: Mapping[str, Path]) -> str:
    """Of everything that the optimised graphs depend on. The thread count is not among it."""
    import onnxruntime  # noqa: PLC0415

    digest = hashlib.sha256()

    def add(content: bytes) -> None:
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)

    add(f"{CACHE_SCHEMA}/{onnxruntime.__version__}/{_cpu()}".encode())
    locations: set[Path] = set()
    for name, path in sorted(models.items()):
        content = _read(path, name)
        add(name.encode())
        add(content)
        try:
            locations.update(path.parent / weight.location for weight in weights_of(content))
        except ValueError as error:
            raise EngineError(f"{path} is not an ONNX file, or is damaged ({error}); get the file again") from error
    for location in sorted(locations):
        add(_read(location, location.name))
    return f"onnxruntime-{onnxruntime.__version__}-{digest.hexdigest()[:24]}"


def _cpu() -> str:
    """What decides the layout of weights: the instruction sets (16 floats a block with AVX-512, 8 without)."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()} {features.partition(':')[2].strip()}"


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EngineError(f"{name}: {path} cannot be read ({error.strerror}); get the file again") from error


def _optimise(models: Mapping[str, Path]) -> dict[str, bytes]:
    """Every file of a new entry, by name."""
    graphs: dict[str, bytes] = {}
    blobs: dict[tuple[str, str], bytes] = {}
    with tempfile.TemporaryDirectory(prefix="tenuto-") as scratch:
        for name, path in models.items():
            graphs[name], weights = _optimise_one(name, path, Path(scratch))
            blobs |= {(name, weight): content for weight, content in weights.items()}
    offsets, content = place(blobs.values())

    def moved(name: str) -> bytes:
        def where(weight: Weight) -> tuple[str, int, int]:
            blob = blobs[name, weight.name]
            return WEIGHTS_FILE, offsets[blob], len(blob)

        return relocate(graphs[name], where)

    return {f"{name}.onnx": moved(name) for name in graphs} | {WEIGHTS_FILE: content}


def _optimise_one(name: str, path: Path, scratch: Path) -> tuple[bytes, dict[str, bytes]]:
    """The graph that ORT would run, and its weights by name."""
    import onnxruntime  # noqa: PLC0415

    target, weights = scratch / f"{name}.onnx", scratch / f"{name}.bin"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # it warns that the file is for this machine only, which is the purpose
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", weights.name)
    options.add_session_config_entry(
        "session.optimized_model_external_initializers_min_size_in_bytes", str(_SMALLEST_EXTERNAL_BYTES)
    )
    try:
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        graph = target.read_bytes()
        content = weights.read_bytes() if weights.exists() else b""
        found = weights_of(graph)
    except Exception as error:  # ORT's exceptions share no base class
        raise EngineError(f"{name}: ONNX Runtime cannot optimise {path}: {error}; export the model again") from error
    end = {weight.name: len(content) if weight.length is None else weight.offset + weight.length for weight in found}
    return graph, {weight.name: content[weight.offset : end[weight.name]] for weight in found}


def _publish(files: Mapping[str, bytes], entry: Path) -> None:
    """Make the entry appear whole: another process sees all of it or nothing."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{entry.name}-", dir=entry.parent))
    try:
        _write(files, partial)
        if entry.exists() and not _is_complete(entry):
            # Moved aside in one step, so that nobody sees half of it; whoever has mapped its weights keeps them.
            entry.rename(partial / "damaged")
        try:
            partial.rename(entry)
        except OSError:
            if not _is_complete(entry):  # otherwise another process was faster, with the same content
                raise
        shutil.rmtree(entry / "damaged", ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(files: Mapping[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {name: [len(content), zlib.crc32(content)] for name, content in files.items()}
    (folder / _MANIFEST).write_text(json.dumps(manifest))


def _is_complete(entry: Path) -> bool:
    """Whether every file is as it was written."""
    try:
        manifest = json.loads((entry / _MANIFEST).read_bytes())
        return bool(manifest) and all(_matches(entry / name, *expected) for name, expected in manifest.items())
    except (OSError, ValueError, TypeError, AttributeError):
        return False


def _matches(path: Path, length: int, checksum: int) -> bool:
    content = path.read_bytes()
    return (len(content), zlib.crc32(content)) == (length, checksum)


def names_of(paths: Sequence[Path]) -> list[str]:
    """A file name for each model: its own stem, made unique."""
    return [f"{index:03d}-{path.stem}" for index, path in enumerate(paths)]
