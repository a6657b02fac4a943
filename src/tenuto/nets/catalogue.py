"""Networks by name, as graphs to calculate with: what a table can be modelled or looked up for (no torch needed)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tenuto.errors import SpecError, UnknownNameError
from tenuto.graphs import Graph, layer_costs, read_onnx
from tenuto.nets import alexnet_groups, dynamic_ofa
from tenuto.nets.package import CARD_FILE, open_package
from tenuto.nets.public import PUBLIC_NETWORKS, public_graph
from tenuto.points import Estimate, OperatingTable, SubNetwork


@dataclass(frozen=True, slots=True)
class Member:
    """One sub-network of a catalogued network.

    Attributes:
        sub_network: Its setting.
        title: For people, short enough for a legend.
        graph: What it computes for one input; None where that is not known.
        accuracy_pct: Top-1; None where it is not known.
    """

    sub_network: SubNetwork
    title: str
    graph: Graph | None = None
    accuracy_pct: Estimate | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CataloguedNetwork:
    """A network that can be calculated with.

    Attributes:
        name: As it is asked for.
        title: For people.
        members: Its sub-networks, the smallest first where there is an order.
        accuracy_from: Where the accuracies come from; None where there are none.
        published: Its operating points on a real board, if somebody published them.
    """

    name: str
    title: str
    members: tuple[Member, ...]
    accuracy_from: str | None = None
    published: OperatingTable | None = None

    @property
    def has_graphs(self) -> bool:
        """Whether it is known what every sub-network computes."""
        return all(member.graph is not None for member in self.members)


def network_names() -> tuple[str, ...]:
    """The networks that `open_network` knows by name: those with sub-networks first, then public ones without."""
    return (*_DYNAMIC, *PUBLIC_NETWORKS)


def open_network(name_or_path: str | Path) -> CataloguedNetwork:
    """A network by name, or from a file: a network package, a folder of ONNX files, or one ONNX file.

    Raises:
        UnknownNameError: No such name and no such path; carries the nearest names.
        SpecError: A file is missing or damaged, or a folder has no ONNX file in it.
    """
    name, path = str(name_or_path), Path(name_or_path)
    if name in _DYNAMIC:
        return _DYNAMIC[name]()
    if name in PUBLIC_NETWORKS:
        return _public(name)
    if path.suffix == ".onnx":
        return _from_files(path.stem, [path])
    if not path.is_dir():
        raise UnknownNameError("network", name, network_names())
    if (path / CARD_FILE).exists():
        return _packaged(path)
    files = sorted(path.glob("*.onnx"))
    if not files:
        raise SpecError(path, "asked for a network, found no ONNX file and no card in this folder; give another")
    return _from_files(path.resolve().name, files)


def _alexnet_groups() -> CataloguedNetwork:
    members = tuple(
        Member(
            sub_network,
            f"{sub_network.values('width_pct')[0]} %",
            alexnet_groups.graph(sub_network),
            Estimate(alexnet_groups.PUBLISHED_ACCURACY_PCT[sub_network.name], "published"),
        )
        for sub_network in alexnet_groups.SPACE
    )
    return CataloguedNetwork(
        "alexnet-groups",
        "dynamic AlexNet of four groups, CIFAR-10",
        members,
        "Xun et al., MLCAD 2019; from memory of the paper, unverified, and for shapes that may differ from ours",
    )


def _dynamic_ofa_gpu() -> CataloguedNetwork:
    ladder = dynamic_ofa.GPU_LADDER
    return CataloguedNetwork(
        "dynamic-ofa-gpu",
        "Dynamic-OFA for the Jetson Xavier NX's GPU, ImageNet",
        _levels(ladder, [dynamic_ofa.graph(level.sub_network) for level in ladder]),
        "Xun et al., Dynamic-OFA, 2021, its repository",
        dynamic_ofa.published_table(ladder, "gpu"),
    )


def _dynamic_ofa_cpu() -> CataloguedNetwork:
    ladder = dynamic_ofa.CPU_LADDER
    return CataloguedNetwork(
        "dynamic-ofa-cpu",
        "Dynamic-OFA for one core of the Jetson Xavier NX, ImageNet",
        _levels(ladder, [None] * len(ladder)),
        "Xun et al., Dynamic-OFA, 2021, read off figure 4a",
        dynamic_ofa.published_table(ladder, "cpu"),
    )


def _levels(ladder: Iterable[dynamic_ofa.Level], graphs: Iterable[Graph | None]) -> tuple[Member, ...]:
    return tuple(
        Member(level.sub_network, f"level {number}", graph, Estimate(level.accuracy_pct, "published"))
        for number, (level, graph) in enumerate(zip(ladder, graphs, strict=True), start=1)
    )


def _packaged(name_or_path: str | Path) -> CataloguedNetwork:
    package = open_package(name_or_path)
    members = (
        Member(one.sub_network, one.sub_network.name, read_onnx(one.model), one.accuracy_pct)
        for one in sorted(package.sub_networks, key=lambda one: one.macs)
    )
    return CataloguedNetwork(
        package.name,
        f"{package.name}@{package.version}",
        tuple(members),
        f"{package.n_evaluated} items of {package.evaluated_on}",
    )


def _public(name: str) -> CataloguedNetwork:
    network = PUBLIC_NETWORKS[name]
    only = SubNetwork(name, (("resolution", (network.input_side,)),))
    return CataloguedNetwork(name, f"{name}: {network.paper}", (Member(only, name, public_graph(name)),))


def _from_files(name: str, files: list[Path]) -> CataloguedNetwork:
    """ONNX files, named like their sub-networks; if not all are, they are levels by rising multiply-accumulates."""
    network = "-".join(name.split()) or "network"
    graphs = {path.stem: read_onnx(path) for path in files}
    settings = {stem: _setting(network, stem) for stem in graphs}
    work = {stem: sum(cost.macs for cost in layer_costs(graph)) for stem, graph in graphs.items()}
    members = []
    for level, stem in enumerate(sorted(graphs, key=lambda stem: (work[stem], stem)), start=1):
        named = settings[stem] if all(settings.values()) else None
        members.append(Member(named or SubNetwork(network, (("level", (level,)),)), stem, graphs[stem]))
    return CataloguedNetwork(network, network, tuple(members))


def _setting(network: str, stem: str) -> SubNetwork | None:
    try:
        return SubNetwork.parse(f"{network}/{stem}")
    except ValueError:
        return None


_DYNAMIC: Final[dict[str, Callable[[], CataloguedNetwork]]] = {
    "alexnet-groups": _alexnet_groups,
    "dynamic-ofa-gpu": _dynamic_ofa_gpu,
    "dynamic-ofa-cpu": _dynamic_ofa_cpu,
    "fashion": lambda: _packaged("fashion"),
}
