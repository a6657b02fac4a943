"""Files of ncnn's benchmark: latencies of public networks, by board, threads and device."""

from dataclasses import dataclass
from typing import Final

from tenuto.errors import SpecError
from tenuto.validation._csv import CsvTable, number, wrong_columns

SECTION: Final = "board_section"
THREADS: Final = "num_threads"
POWERSAVE: Final = "powersave(0=all 1=LITTLE 2=big)"
GPU_DEVICE: Final = "gpu_device(-1=CPU)"
NETWORK: Final = "model"
MIN_MS: Final = "min_ms"
AVG_MS: Final = "avg_ms"
COLUMNS: Final = (SECTION, THREADS, POWERSAVE, GPU_DEVICE, NETWORK, MIN_MS, AVG_MS)


@dataclass(frozen=True, slots=True)
class LatencySample:
    """One row.

    Attributes:
        section: The heading of the board.
        n_threads: Threads that it ran with.
        powersave: 0 all cores, 1 the LITTLE ones, 2 the big ones.
        gpu_device: -1 is the CPU.
        network: The benchmark's name of it.
        min_ms: The least of its loops.
        avg_ms: Their mean.
    """

    section: str
    n_threads: int
    powersave: int
    gpu_device: int
    network: str
    min_ms: float
    avg_ms: float


def read_latencies(table: CsvTable) -> tuple[LatencySample, ...]:
    """The rows that say everything, with times above 0; others are left out.

    Raises:
        SpecError: A column is missing, or no row is usable.
    """
    if table.missing(COLUMNS):
        raise wrong_columns(table, [("latencies of ncnn's benchmark", COLUMNS)])
    samples = []
    for row in table.rows:
        counts = [number(row, column) for column in (THREADS, POWERSAVE, GPU_DEVICE)]
        least, mean = number(row, MIN_MS), number(row, AVG_MS)
        if least is None or mean is None or least <= 0 or mean <= 0 or not row[NETWORK] or not row[SECTION]:
            continue
        if any(count is None or not count.is_integer() for count in counts) or (counts[0] or 0) < 1:
            continue
        n_threads, powersave, gpu_device = (int(count) for count in counts if count is not None)
        samples.append(LatencySample(row[SECTION], n_threads, powersave, gpu_device, row[NETWORK], least, mean))
    if not samples:
        raise SpecError(
            table.path, f"asked for latencies, found no usable row among {len(table.rows)}; give times above 0"
        )
    return tuple(samples)
