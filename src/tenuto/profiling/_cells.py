"""Which configurations there are to measure."""

from collections.abc import Iterable, Sequence

from tenuto.errors import UnknownNameError, UsageError
from tenuto.platforms import Cluster
from tenuto.points import Configuration, SubNetwork


def cells_of(
    sub_networks: Iterable[SubNetwork],
    clusters: Sequence[Cluster],
    *,
    only_clusters: Sequence[str] | None = None,
    n_cores: Sequence[int] | None = None,
) -> tuple[Configuration, ...]:
    """Every sub-network x CPU cluster x number of cores x settable clock.

    Args:
        sub_networks: Those to measure.
        clusters: The platform's; accelerators are left out, because the CPU engine cannot use them.
        only_clusters: Names of those to measure on, or None for all.
        n_cores: Numbers of cores to measure, or None for all; numbers that a cluster does not have are left out.

    Raises:
        UnknownNameError: The platform has no such cluster.
        UsageError: Nothing is left to measure.
    """
    wanted = tuple(sub_networks)  # gone through once for every place and clock
    known = {cluster.name: cluster for cluster in clusters if cluster.cpus}
    for name in only_clusters or ():
        if name not in known:
            raise UnknownNameError("cluster", name, known)
    chosen = [known[name] for name in (only_clusters or known)]
    cells = tuple(
        Configuration(sub_network, cluster.name, cores, frequency_hz)
        for cluster in chosen
        for cores in range(1, len(cluster.cpus) + 1)
        if n_cores is None or cores in n_cores
        for frequency_hz in _clocks(cluster)
        for sub_network in wanted
    )
    if not cells:
        raise UsageError(
            f"nothing to measure: asked for cores {list(n_cores or ())}, the clusters have "
            f"{', '.join(f'{name}: {len(cluster.cpus)}' for name, cluster in known.items())}"
        )
    return cells


def _clocks(cluster: Cluster) -> tuple[int | None, ...]:
    """Its clocks, or None alone where they cannot be set."""
    return tuple(opp.frequency_hz for opp in cluster.opps) or (None,)
