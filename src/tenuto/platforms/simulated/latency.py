"""How long a network takes on a cluster: a roofline for each layer, and what starting a layer costs.

For each layer, on n cores at f GHz:

    work     = (multiply-accumulates / macs_per_cycle + elements / elements_per_cycle) / (f x speed-up of n cores)
    transfer = bytes / bandwidth of n cores
    time     = sqrt(work² + transfer²) + overhead (share x f_max / f + 1 - share) / (speed-up of n cores) + sync (n - 1)

    speed-up of n cores = 1 / (1 - parallel_share + parallel_share / n)
    bandwidth of n cores = min(n x core, cluster) x what others leave of it

Work follows the clock and the cores, transfer neither the clock nor, beyond the cluster's ceiling, the cores. The root
of squares is a smooth maximum: a layer whose work and transfer take equally long hides part of one behind the other.

`elements_per_cycle` is for what multiply-accumulates do not see: Winograd's transforms (`conv3x3`), quantising the
activations of an int8 network (`int8`), local response normalisation (`lrn`), exponentials and roots (`exp`). Int8
layers multiply `int8_speedup` times as fast, or as `int8_speedups` says of their kind: there is no Winograd for them.

Bytes are counted as float32 networks move them between layers; caches serve some of them, and some programs store half
as many. So a fitted bandwidth is the program's, not the memory chips', and may exceed theirs.

An accelerator is one core; a layer of few outputs fills only `outputs / (outputs + half_fill_outputs)` of it.

Source:
    The roofline: Williams, Waterman, Patterson 2009. The parameters: calibration/cpu_latency.py for CPUs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tenuto.graphs import LayerCost
from tenuto.platforms.simulated._spec import (
    ELEMENT_WORK,
    WORKING_KINDS,
    ClusterSpec,
    LatencyParameters,
    MemorySpec,
    Parameter,
    parameters,
)

Floats = NDArray[np.float64]

_ELEMENT_WORK_OF_OPERATOR: Final = {
    "LRN": "lrn",
    "Softmax": "exp",
    "LogSoftmax": "exp",
    "Gelu": "exp",
    "Swish": "exp",
    "Erf": "exp",
    "Exp": "exp",
    "Tanh": "exp",
    "LayerNormalization": "exp",
}


@dataclass(frozen=True, slots=True, eq=False)
class LatencyModel:
    """The latency of one network on one cluster.

    Attributes:
        macs: Of one inference.
        n_bytes: Weights and activations that one inference moves.
        fill: How far the network fills an accelerator: the part of its time at the highest clock, 0 to 1, in which the
            device is at work, weighted by how full it then is. 1 on a CPU.
        source: `modelled`, or `assumed` if the costs or the cluster's parameters are.
    """

    macs: float
    n_bytes: float
    fill: float
    source: Literal["modelled", "assumed"]
    _gigacycles: Floats
    _gigabytes: Floats
    _overhead_s: float
    _overhead_clock_share: float
    _sync_s: float
    _parallel_share: float
    _top_ghz: float
    _core_gb_s: float
    _ceiling_gb_s: float

    @classmethod
    def of(cls, costs: Sequence[LayerCost], cluster: ClusterSpec, memory: MemorySpec) -> Self:  # noqa: ARG003
        """The model of a network with these layers on a cluster that uses this memory.

        The memory's own bandwidth is what others share it by; what of it a program reaches is in the cluster's figures.
        """
        latency = cluster.latency
        full = np.array([_cycles(cost, latency) for cost in costs], dtype=np.float64) / 1e9
        fullness = np.array([_fullness(cost, latency.half_fill_outputs) for cost in costs], dtype=np.float64)
        n_bytes = [cost.weight_bytes + cost.input_bytes + cost.output_bytes for cost in costs]
        is_assumed = any(cost.source == "assumed" for cost in costs) or any(
            parameter.source == "assumed" for _, parameter in parameters(latency)
        )
        model = cls(
            macs=float(sum(cost.macs for cost in costs)),
            n_bytes=float(sum(n_bytes)),
            fill=1.0,
            source="assumed" if is_assumed else "modelled",
            _gigacycles=full / fullness,
            _gigabytes=np.array(n_bytes, dtype=np.float64) / 1e9,
            _overhead_s=len(costs) * latency.layer_overhead_us.value / 1e6,
            _overhead_clock_share=latency.overhead_clock_share.value,
            _sync_s=len(costs) * latency.sync_us.value / 1e6,
            _parallel_share=latency.parallel_share.value,
            _top_ghz=cluster.frequencies_hz[-1] / 1e9,
            _core_gb_s=latency.core_memory_gb_s.value,
            _ceiling_gb_s=latency.cluster_memory_gb_s.value,
        )
        if cluster.kind != "cpu":
            object.__setattr__(model, "fill", model._filled(fullness))
        return model

    def latency_ms(self, n_cores: int, frequency_hz: int, *, memory_share: float = 1.0) -> float:
        """The time of one inference, alone on its cores.

        Args:
            n_cores: That it runs on, at least 1; 1 for an accelerator.
            frequency_hz: The clock in force; any above 0, on the ladder or not.
            memory_share: What is left of the memory's bandwidth for us, above 0 and at most 1.
        """
        ghz = frequency_hz / 1e9
        work = self._gigacycles * (self._core_share(n_cores) / ghz)
        transfer = self._gigabytes / (min(n_cores * self._core_gb_s, self._ceiling_gb_s) * memory_share)
        return 1e3 * (float(np.sqrt(work * work + transfer * transfer).sum()) + self._starting_s(n_cores, ghz))

    def latencies_ms(
        self, n_cores: NDArray[np.int64] | int, frequency_hz: NDArray[np.int64], *, memory_share: float = 1.0
    ) -> Floats:
        """The times at many configurations at once; the two arrays are broadcast against each other."""
        cores, ghz = np.broadcast_arrays(np.asarray(n_cores, np.float64), np.asarray(frequency_hz, np.float64) / 1e9)
        share = 1 - self._parallel_share + self._parallel_share / cores
        bandwidth = np.minimum(cores * self._core_gb_s, self._ceiling_gb_s) * memory_share
        work = self._gigacycles * (share / ghz)[..., None]
        transfer = self._gigabytes / bandwidth[..., None]
        follows = self._overhead_clock_share * self._top_ghz / ghz + 1 - self._overhead_clock_share
        starting_s = self._overhead_s * follows * share + self._sync_s * (cores - 1)
        total: Floats = 1e3 * (np.sqrt(work * work + transfer * transfer).sum(axis=-1) + starting_s)
        return total

    def _core_share(self, n_cores: int) -> float:
        return 1 - self._parallel_share + self._parallel_share / n_cores

    def _starting_s(self, n_cores: int, ghz: float) -> float:
        follows = self._overhead_clock_share * self._top_ghz / ghz + 1 - self._overhead_clock_share
        return self._overhead_s * follows * self._core_share(n_cores) + self._sync_s * (n_cores - 1)

    def _filled(self, fullness: Floats) -> float:
        work = self._gigacycles / self._top_ghz
        transfer = self._gigabytes / min(self._core_gb_s, self._ceiling_gb_s)
        time = np.sqrt(work * work + transfer * transfer)
        total_s = float(time.sum()) + self._starting_s(1, self._top_ghz)
        return float((time * fullness).sum()) / total_s if total_s > 0 else 0.0


def element_work(cost: LayerCost) -> tuple[str, float]:
    """Which `elements_per_cycle` a layer is subject to, and how many elements; ("", 0) if none."""
    if cost.op in _ELEMENT_WORK_OF_OPERATOR:
        return _ELEMENT_WORK_OF_OPERATOR[cost.op], cost.n_outputs
    name = "int8" if cost.element == "int8" and cost.kind in WORKING_KINDS else cost.kind
    if name not in ELEMENT_WORK or cost.output_bytes <= 0:
        return "", 0.0
    # What it reads has elements of the same size as what it writes.
    return name, cost.n_outputs * (1 + cost.input_bytes / cost.output_bytes)


def _cycles(cost: LayerCost, latency: LatencyParameters) -> float:
    """Of one core (of a full accelerator) for one layer."""
    cycles = 0.0
    if cost.macs > 0:
        speed = latency.macs_per_cycle[cost.kind].value
        if cost.element == "int8":
            speed *= latency.int8_speedups.get(cost.kind, latency.int8_speedup).value
        cycles = cost.macs / speed
    name, n_elements = element_work(cost)
    if name in latency.elements_per_cycle:
        cycles += n_elements / latency.elements_per_cycle[name].value
    return cycles


def _fullness(cost: LayerCost, half_fill_outputs: Parameter | None) -> float:
    if half_fill_outputs is None or cost.n_outputs <= 0:
        return 1.0
    return cost.n_outputs / (cost.n_outputs + half_fill_outputs.value)
