"""Sub-networks in ONNX Runtime, on the CPU, with shared weights.

Threads: where the caller's thread may run on one processor only, it computes alone. Elsewhere, with `n_threads` above
1, each resident sub-network has a pool of `n_threads - 1` threads that sleep while another sub-network runs. So each
has two sessions: a pool that is confined to its caller's processor hands work to and fro for nothing, and waits for its
turn at each hand-over if other programs want that processor, too.

A thread that wakes from a pause is put on its waker's processor at first, and two threads on one compute no faster than
one: in a stream with pauses two cores bring 1.2 to 1.5 times the speed of one. With the pool pinned it is 1.75 times,
so say `pool_cpus`.
ORT's one global pool instead would save 0.8 MB at ten sub-networks of two threads, but it spins and no session option
stops it: on a busy two-core host it used 16 ms of CPU for an inference that takes 9 with pools of their own.
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tenuto.engines._model_cache import OptimisedModels, default_cache, names_of, optimised
from tenuto.engines._sessions import Session, map_weights, open_session
from tenuto.errors import EngineError, UnknownNameError, UsageError
from tenuto.points import SubNetwork


class _Sessions(NamedTuple):
    """A resident sub-network's: for one processor, and for more (the same one where a single thread computes)."""

    alone: Session
    pooled: Session

    def fitting(self) -> Session:
        """The one for as many processors as the caller's thread may run on now."""
        is_pooled = self.pooled is not self.alone and len(os.sched_getaffinity(0)) > 1
        return self.pooled if is_pooled else self.alone


class OnnxRuntimeEngine:
    """Sessions for each resident sub-network, over one copy of the weights that all share.

    The first `load` on a machine optimises every model for it, and keeps the result in the cache.

    Safe to use from several threads: an `infer` runs the sub-network that was active when it began.

    Args:
        models: Each sub-network's portable ONNX file, of one network; one input and one output of float32.
        input_shape: Of one item, without the batch: (1, 28, 28).
        n_threads: How many threads compute one inference where there is more than one processor to run on, at least 1.
        pool_cpus: The processors to pin the pool's threads to, `n_threads - 1` of them; empty to leave them free.
        cache: Where the optimised models are kept; the user's cache folder if None.

    Raises:
        UsageError: No models, of several networks, a thread count below 1, or not a processor for each pool thread.
    """

    def __init__(
        self,
        models: Mapping[SubNetwork, Path],
        *,
        input_shape: tuple[int, ...],
        n_threads: int = 1,
        pool_cpus: Sequence[int] = (),
        cache: Path | None = None,
    ) -> None:
        networks = sorted({sub_network.network for sub_network in models})
        if len(networks) != 1:
            raise UsageError(f"an engine runs one network, and the models are of {networks or 'none'}; give one's")
        if n_threads < 1:
            raise UsageError(f"n_threads must be at least 1, and is {n_threads}; 1 computes in the caller's thread")
        if pool_cpus and len(pool_cpus) != n_threads - 1:
            raise UsageError(
                f"asked to pin a pool of {n_threads - 1} threads to processors {list(pool_cpus)}; give one for each"
            )
        self._models = MappingProxyType(dict(models))
        self._file_names = dict(zip(self._models, names_of(list(self._models.values())), strict=True))
        self._input_shape = tuple(input_shape)
        self._n_threads = n_threads
        self._pool_cpus = tuple(pool_cpus)
        self._cache = default_cache() if cache is None else cache
        # Opening takes milliseconds, and `activate` must not wait for it: one lock for the work, one for the state.
        self._opening_lock = threading.Lock()
        self._lock = threading.Lock()
        self._optimised: OptimisedModels | None = None
        self._weights: NDArray[np.uint8] | None = None
        # Replaced, never changed in place: `activate` and `infer` read them without the lock.
        self._sessions: Mapping[SubNetwork, _Sessions] = {}
        self._current: tuple[SubNetwork, Session] | None = None
        self._opening: dict[SubNetwork, Future[None]] = {}
        self._opener: ThreadPoolExecutor | None = None
        self._is_closed = False

    @property
    def resident(self) -> frozenset[SubNetwork]:
        """The sub-networks that `activate` puts in force at once."""
        return frozenset(self._sessions)

    @property
    def active(self) -> SubNetwork:
        """The sub-network that the next `infer` runs.

        Raises:
            UsageError: Nothing was loaded, or the engine is closed.
        """
        current = self._current
        return self._in_force()[0] if current is None else current[0]

    def load(self, sub_networks: Iterable[SubNetwork]) -> None:
        """Make sub-networks resident, and wait until they are; the first one ever loaded is active.

        Raises:
            UnknownNameError: The network has no such sub-network; nothing was loaded.
            EngineError: A model would not load.
            UsageError: The engine is closed.
        """
        wanted = list(sub_networks)
        for sub_network in wanted:
            self._check_known(sub_network)
        for sub_network in wanted:
            self._open(sub_network)
            with self._lock:
                if self._current is None and not self._is_closed:
                    self._current = (sub_network, self._sessions[sub_network].fitting())

    def activate(self, sub_network: SubNetwork) -> SubNetwork:
        """Ask for a sub-network; a resident one is in force at once, with as many threads as there are processors now.

        Another is opened in the background while the active one goes on serving; ask again to see whether it is there.
        With nothing active yet there is nothing to go on serving, so it is loaded here and now.

        Returns:
            The sub-network now in force.

        Raises:
            UnknownNameError: The network has no such sub-network.
            EngineError: Opening it in the background failed; asking once more tries again.
            UsageError: The engine is closed.
        """
        sessions = self._sessions.get(sub_network)
        if sessions is not None:
            self._current = (sub_network, sessions.fitting())
            return sub_network
        self._check_known(sub_network)
        if self._current is None:
            self.load([sub_network])
            return self.active
        with self._lock:
            self._check_open()
            future = self._opening.get(sub_network)
            if future is None:
                if self._opener is None:
                    self._opener = ThreadPoolExecutor(1, thread_name_prefix="tenuto-open")
                self._opening[sub_network] = self._opener.submit(self._open, sub_network)
                return self.active
            if not future.done():
                return self.active
            del self._opening[sub_network]
        future.result()  # raises what the background raised
        return self.activate(sub_network)

    def infer(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Run the active sub-network on one batch, float32 (n, *input_shape).

        Raises:
            UsageError: The frame has the wrong shape or type; says which was expected. Or nothing was loaded.
            EngineError: ONNX Runtime failed.
        """
        sub_network, session = self._current or self._in_force()
        if (
            not isinstance(frame, np.ndarray)
            or frame.dtype != np.float32
            or frame.shape[1:] != self._input_shape
            or frame.shape[:1] in ((), (0,))
        ):
            raise UsageError(self._frame_problem(frame))
        try:
            output: NDArray[Any] = session.run(session.output_names, {session.input_name: frame})[0]
        except Exception as error:  # ORT's exceptions share no base class
            raise EngineError(
                f"{sub_network.name} failed on a frame of {frame.shape}: {error}; activate another"
            ) from error
        return output

    def close(self) -> None:
        """Give everything back; the engine cannot be used afterwards. Closing twice does nothing."""
        with self._lock:
            self._is_closed = True
            self._current = None
            opener, self._opener = self._opener, None
        if opener is not None:
            opener.shutdown(wait=True, cancel_futures=True)
        with self._opening_lock, self._lock:
            self._sessions = {}
            self._opening.clear()
            self._weights = None
            self._remove_temporary()

    def _open(self, sub_network: SubNetwork) -> None:
        """Make one resident; in whichever thread wants it."""
        with self._opening_lock:
            self._check_open()
            if sub_network in self._sessions:
                return
            if self._optimised is None:
                named = {self._file_names[one]: path for one, path in self._models.items()}
                self._optimised = optimised(named, self._cache)
            if self._weights is None:
                self._weights = map_weights(self._optimised.weights)
            path = self._optimised.paths[self._file_names[sub_network]]
            alone = self._opened(sub_network, path, self._weights, n_threads=1)
            pooled = (
                alone
                if self._n_threads == 1
                else self._opened(sub_network, path, self._weights, n_threads=self._n_threads)
            )
            with self._lock:
                self._sessions = {**self._sessions, sub_network: _Sessions(alone, pooled)}

    def _opened(self, sub_network: SubNetwork, path: Path, weights: NDArray[np.uint8], *, n_threads: int) -> Session:
        pool_cpus = self._pool_cpus if n_threads > 1 else ()
        session = open_session(path, weights, n_threads=n_threads, pool_cpus=pool_cpus)
        try:
            # A session's first run is the slow one; one item is enough to have it behind us.
            session.run(session.output_names, {session.input_name: np.zeros((1, *self._input_shape), np.float32)})
        except Exception as error:  # ORT's exceptions share no base class
            raise EngineError(
                f"{sub_network.name} does not run on float32 {(1, *self._input_shape)}: {error}; check input_shape"
            ) from error
        return session

    def _in_force(self) -> tuple[SubNetwork, Session]:
        current = self._current
        if current is None:
            self._check_open()
            raise UsageError("no sub-network is active, because none was loaded; call load() first")
        return current

    def _check_open(self) -> None:
        if self._is_closed:
            raise UsageError("the engine is closed; make a new one")

    def _check_known(self, sub_network: SubNetwork) -> None:
        if sub_network not in self._models:
            raise UnknownNameError("sub-network", sub_network.name, (known.name for known in self._models))

    def _frame_problem(self, frame: object) -> str:
        shape, dtype = getattr(frame, "shape", None), getattr(frame, "dtype", None)
        found = f"{dtype} {shape}" if isinstance(frame, np.ndarray) else f"a {type(frame).__name__}"
        expected = ", ".join(str(size) for size in self._input_shape)
        hint = "use frame.astype('float32')" if shape and shape[1:] == self._input_shape else "reshape or resize it"
        return f"a frame must be a NumPy array, float32 (n, {expected}) with n of 1 or more; found {found}; {hint}"

    def __enter__(self) -> "OnnxRuntimeEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # __init__ refused its arguments
            self._remove_temporary()

    def _remove_temporary(self) -> None:
        if self._optimised is not None and self._optimised.is_temporary:
            shutil.rmtree(self._optimised.weights.parent, ignore_errors=True)
        self._optimised = None
