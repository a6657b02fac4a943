"""The dynamic AlexNet of four groups."""

import pytest

from tenuto.errors import UnknownNameError
from tenuto.graphs import Graph, LayerCost, infer_shapes, layer_costs
from tenuto.nets.alexnet_groups import CHANNELS, N_GROUPS, PUBLISHED_ACCURACY_PCT, SPACE, graph, n_groups
from tenuto.points import SubNetwork


def costs(sub_network: SubNetwork) -> tuple[LayerCost, ...]:
    return layer_costs(graph(sub_network))


def convolutions(network: Graph) -> list[tuple[int, tuple[int, ...]]]:
    """Groups, and the shape of the weights, of each convolution."""
    return [
        (int(str(node.attributes.get("group", 1))), network.weights[node.inputs[1]].shape)
        for node in network.nodes
        if node.op == "Conv"
    ]


def test_there_are_four_sub_networks_and_each_name_reads_back() -> None:
    names = [sub_network.name for sub_network in SPACE]
    assert names == ["w25", "w50", "w75", "w100"]
    assert [SPACE.parse(name) for name in names] == list(SPACE)
    assert [n_groups(sub_network) for sub_network in SPACE] == [1, 2, 3, 4]
    assert set(PUBLISHED_ACCURACY_PCT) == set(names)


def test_each_group_adds_the_same_work_and_the_same_weights_in_every_layer() -> None:
    """So the network of k groups lies in that of k + 1: nothing in it changes when the next one is added."""
    alone = costs(SPACE.smallest())
    for sub_network in SPACE:
        groups = n_groups(sub_network)
        for whole, group in zip(costs(sub_network), alone, strict=True):
            assert (whole.op, whole.macs) == (group.op, groups * group.macs)
            # A bias of the classifier belongs to no group.
            assert whole.weight_bytes == pytest.approx(groups * group.weight_bytes, abs=4 * 10 * (groups - 1))


def test_no_group_reads_from_another() -> None:
    for sub_network in SPACE:
        groups = n_groups(sub_network)
        for index, (crossing, shape) in enumerate(convolutions(graph(sub_network))):
            assert crossing == (1 if index == 0 else groups)
            assert shape[0] == CHANNELS[index] * groups // N_GROUPS
            # What each output reads does not depend on how many groups there are.
            assert shape[1] == (3 if index == 0 else CHANNELS[index - 1] // N_GROUPS)


def test_it_answers_ten_classes_for_an_image_of_cifar_10() -> None:
    network = graph(SPACE.largest())
    shapes = infer_shapes(network)
    assert [shapes[name] for name in network.inputs] == [(1, 3, 32, 32)]
    assert [shapes[name] for name in network.outputs] == [(1, 10)]


def test_the_work_is_what_the_docstring_of_the_layers_says() -> None:
    by_hand = (
        32 * 32 * (96 * 3 * 25 + 256 * 24 * 25)
        + 16 * 16 * (384 * 64 * 9 + 384 * 96 * 9 + 256 * 96 * 9)
        + 256 * 8 * 8 * 10
    )
    assert sum(cost.macs for cost in costs(SPACE.largest())) == by_hand


@pytest.mark.parametrize("name", ["alexnet-groups/w30", "alexnet-groups/w25-d1", "fashion/w25"])
def test_another_setting_is_unknown(name: str) -> None:
    with pytest.raises(UnknownNameError):
        graph(SubNetwork.parse(name))
