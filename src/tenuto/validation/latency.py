"""How far a board's latency model is off on latencies measured with ncnn's benchmark.

A board file says which sections of such a file speak of which of its clusters (`measured_as`). Rows of other sections,
of networks that Tenuto has no graph of, and of more threads than the cluster has cores are counted and named.

Errors are against `min_ms`, to which the models were fitted: what other programs on the user's board added is least in
it. Against `avg_ms` they are told, too. Rows of another setup (another build of ncnn, another clock) are compared after
their median factor to the model was taken out of them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, log
from pathlib import Path
from statistics import fmean, median

from msgspec import Struct, structs

from tenuto.errors import SpecError
from tenuto.graphs import LayerCost, layer_costs
from tenuto.nets.public import PUBLIC_NETWORKS, public_graph
from tenuto.platforms.simulated._spec import BoardSpec, ClusterSpec, MeasuredAs
from tenuto.platforms.simulated.latency import LatencyModel
from tenuto.validation._csv import read_csv
from tenuto.validation._latency_file import LatencySample, read_latencies
from tenuto.validation._score import Score, Total

ASKED_UNSEEN_PCT = 20.0
ASKED_SCALING_PCT = 15.0
N_NAMED = 3
"""Headings of other boards that a note names."""


class LatencyRow(Struct, frozen=True, kw_only=True):
    """One network on one cluster with one number of threads.

    Attributes:
        cluster: Of the board.
        network: The benchmark's name of it.
        n_threads: As many cores.
        predicted_ms: By the model; for another setup, times its median factor.
        measured_ms: The least of the file's loops.
        error_pct: Of `predicted_ms`.
        average_error_pct: Of `predicted_ms` against the mean of the loops.
        scaling_error_pct: Of the speed-up over one thread; None where the file has no such time of one thread.
        is_seen: The model was fitted with this network.
        source: Of the prediction.
        section: The file's heading.
        is_another_setup: Compared after the median factor was taken out.
    """

    cluster: str
    network: str
    n_threads: int
    predicted_ms: float
    measured_ms: float
    error_pct: float
    average_error_pct: float
    scaling_error_pct: float | None
    is_seen: bool
    source: str
    section: str
    is_another_setup: bool


@dataclass(frozen=True, slots=True)
class _Group:
    """The rows of one section that speak of one cluster."""

    cluster: ClusterSpec
    measured_as: MeasuredAs
    section: str
    rows: tuple[LatencyRow, ...]
    factor: float


def score_latency(board: BoardSpec, path: Path) -> Score:
    """Compare a board's latency model with a file of ncnn's latencies.

    Raises:
        SpecError: The file cannot be read, lacks a column, or has no row that speaks of a cluster of this board.
    """
    table = read_csv(path)
    samples = read_latencies(table)
    left_out: Counter[str] = Counter()
    strangers: Counter[str] = Counter()
    found: dict[tuple[str, int], list[LatencySample]] = {}
    for sample in samples:
        claims = [
            (cluster.name, place)
            for cluster in board.clusters
            for place, claim in enumerate(cluster.measured_as)
            if _speaks_of(claim, sample)
        ]
        if not claims:
            strangers[sample.section] += 1
        for claim in claims:
            found.setdefault(claim, []).append(sample)
    groups: list[_Group] = []
    order = [cluster.name for cluster in board.clusters]
    for (name, place), ours in sorted(found.items(), key=lambda item: (order.index(item[0][0]), item[0][1])):
        cluster = board.cluster(name)
        kept = _kept(cluster, ours, left_out)
        for section in dict.fromkeys(sample.section for sample in kept):
            part = [sample for sample in kept if sample.section == section]
            groups.append(_group(board, cluster, cluster.measured_as[place], part))
    groups = [group for group in groups if group.rows]
    if not groups:
        known = sorted({claim.section for cluster in board.clusters for claim in cluster.measured_as})
        raise SpecError(
            path,
            f"asked for latencies of {board.id}, found none among {len(samples)} rows; its sections begin with "
            f"{'; '.join(known) or 'nothing: the board file has no measured_as'}",
        )
    rows = tuple(row for group in groups for row in group.rows)
    notes = [f"Left out: {count} {what}." for what, count in left_out.items()]
    if len(samples) < len(table.rows):
        notes.append(f"Left out: {len(table.rows) - len(samples)} rows without times above 0, or that cannot be read.")
    if strangers:
        some = "; ".join(list(strangers)[:N_NAMED]) + ("; ..." if len(strangers) > N_NAMED else "")
        notes.append(f"Left out: {strangers.total()} rows of other boards, under {len(strangers)} headings: {some}")
    return Score(
        board=board.id,
        path=str(path),
        n_measurements=len(rows),
        rows=rows,
        totals=tuple(_totals(groups)),
        notes=(*notes, "Errors are against min_ms, to which the models were fitted."),
    )


def _speaks_of(claim: MeasuredAs, sample: LatencySample) -> bool:
    return (
        sample.section.startswith(claim.section)
        and sample.gpu_device == claim.gpu_device
        and (claim.powersave is None or sample.powersave == claim.powersave)
    )


def _kept(cluster: ClusterSpec, samples: Sequence[LatencySample], left_out: Counter[str]) -> list[LatencySample]:
    """The rows that the model can answer; counts the others."""
    kept = []
    for sample in samples:
        if sample.network not in PUBLIC_NETWORKS:
            left_out[f"rows of {sample.network}, of which there is no graph"] += 1
        elif cluster.kind == "cpu" and sample.n_threads > cluster.n_cores:
            left_out[f"rows of more threads than the {cluster.n_cores} cores of {cluster.name}"] += 1
        elif cluster.kind != "cpu" and PUBLIC_NETWORKS[sample.network].element == "int8":
            left_out[f"rows of {cluster.name} and int8 networks, which ncnn runs on the CPU"] += 1
        elif cluster.kind != "cpu" and sample.n_threads > 1:
            left_out[f"rows of {cluster.name} that repeat it with more threads on the CPU"] += 1
        else:
            kept.append(sample)
    return kept


def _group(board: BoardSpec, cluster: ClusterSpec, claim: MeasuredAs, samples: Sequence[LatencySample]) -> _Group:
    clock_hz = round(claim.frequency_mhz * 1e6) if claim.frequency_mhz else cluster.frequencies_hz[-1]
    rows = []
    for sample in samples:
        model = LatencyModel.of(_costs(sample.network), cluster, board.memory)
        predicted_ms = model.latency_ms(sample.n_threads if cluster.kind == "cpu" else 1, clock_hz)
        rows.append(
            LatencyRow(
                cluster=cluster.name,
                network=sample.network,
                n_threads=sample.n_threads,
                predicted_ms=predicted_ms,
                measured_ms=sample.min_ms,
                error_pct=_off_pct(predicted_ms, sample.min_ms),
                average_error_pct=_off_pct(predicted_ms, sample.avg_ms),
                scaling_error_pct=None,
                is_seen=sample.network in board.fitted_networks,
                source=model.source,
                section=sample.section,
                is_another_setup=claim.is_another_setup,
            )
        )
    factor = exp(median(log(row.measured_ms / row.predicted_ms) for row in rows)) if rows else 1.0
    if claim.is_another_setup:
        rows = [_scaled(row, factor) for row in rows]
    return _Group(cluster, claim, samples[0].section, tuple(_with_scaling(rows)), factor)


@cache
def _costs(network: str) -> tuple[LayerCost, ...]:
    return layer_costs(public_graph(network))


def _scaled(row: LatencyRow, factor: float) -> LatencyRow:
    average_ms = row.predicted_ms / (1 + row.average_error_pct / 100)
    predicted_ms = row.predicted_ms * factor
    return structs.replace(
        row,
        predicted_ms=predicted_ms,
        error_pct=_off_pct(predicted_ms, row.measured_ms),
        average_error_pct=_off_pct(predicted_ms, average_ms),
    )


def _with_scaling(rows: Sequence[LatencyRow]) -> list[LatencyRow]:
    alone = {row.network: row for row in rows if row.n_threads == 1}
    result = []
    for row in rows:
        one = alone.get(row.network)
        if row.n_threads > 1 and one is not None:
            predicted, measured = one.predicted_ms / row.predicted_ms, one.measured_ms / row.measured_ms
            result.append(structs.replace(row, scaling_error_pct=_off_pct(predicted, measured)))
        else:
            result.append(row)
    return result


def _totals(groups: Sequence[_Group]) -> Iterable[Total]:
    """For each cluster: networks not seen, networks of the fit, threads; then clusters against each other."""
    for group in groups:
        name = group.cluster.name if group.cluster.kind == "cpu" else f"{group.cluster.name} ({group.rows[0].source})"
        if group.measured_as.is_another_setup:
            what = f"{name}, {group.section}"
            yield Total(what=what, figure="factor", value=group.factor)
            yield _median_total(f"{what}, factor taken out", group.rows)
            continue
        is_cpu = group.cluster.kind == "cpu"
        asked = ASKED_UNSEEN_PCT if is_cpu else None
        for n_threads in sorted({row.n_threads for row in group.rows}):
            ours = [row for row in group.rows if row.n_threads == n_threads]
            threads = f", {n_threads} thread{'s' * (n_threads > 1)}" if is_cpu else ""
            for title, is_seen in (("networks not seen", False), ("networks of the fit", True)):
                if part := [row for row in ours if row.is_seen is is_seen]:
                    is_asked = not is_seen and n_threads == 1
                    yield _median_total(f"{name}{threads}, {title}", part, asked=asked if is_asked else None)
            if scalings := [abs(row.scaling_error_pct) for row in ours if row.scaling_error_pct is not None]:
                what = f"{name}, {n_threads} threads, speed-up over one"
                yield Total(what=what, figure="median_error_pct", value=median(scalings), asked=ASKED_SCALING_PCT)
        if is_cpu:
            averages = [abs(row.average_error_pct) for row in group.rows if row.n_threads == 1]
            if averages:
                what = f"{name}, 1 thread, against avg_ms, all networks"
                yield Total(what=what, figure="median_error_pct", value=median(averages))
    yield from _ratios(groups)


def _median_total(what: str, rows: Sequence[LatencyRow], asked: float | None = None) -> Total:
    return Total(
        what=f"{what} ({len(rows)})",
        figure="median_error_pct",
        value=median(abs(row.error_pct) for row in rows),
        asked=asked,
    )


def _ratios(groups: Sequence[_Group]) -> Iterable[Total]:
    """Times of one core of one cluster / of another, where one section has both."""
    alone = [
        (group, {row.network: row for row in group.rows if row.n_threads == 1})
        for group in groups
        if group.cluster.kind == "cpu" and not group.measured_as.is_another_setup
    ]
    for place, (slow, slow_rows) in enumerate(alone):
        for fast, fast_rows in alone[place + 1 :]:
            both = slow_rows.keys() & fast_rows.keys()
            if slow.section != fast.section or not both:
                continue
            what = f"{slow.cluster.name} / {fast.cluster.name}, time on one core"
            for title, key in (("predicted", "predicted_ms"), ("measured", "measured_ms")):
                ratios = [log(getattr(slow_rows[name], key) / getattr(fast_rows[name], key)) for name in both]
                yield Total(what=f"{what}, {title} ({len(both)})", figure="ratio", value=exp(fmean(ratios)))


def _off_pct(predicted: float, measured: float) -> float:
    return 100 * (predicted / measured - 1)
