"""The shipped network answers as its card says, on the images that ship with it."""

import numpy as np
import pytest

from tenuto.demo import Belt
from tenuto.engines import OnnxRuntimeEngine
from tenuto.nets.package import NetworkPackage, open_package


@pytest.fixture(scope="module")
def package() -> NetworkPackage:
    return open_package("fashion")


@pytest.mark.slow
def test_every_sub_network_is_as_accurate_as_its_card_says(package: NetworkPackage) -> None:
    """Within three standard deviations: the card's figure is of 10 000 images, these are 2 048 of them."""
    belt = Belt.shipped(per_frame=16, seed=1)
    with OnnxRuntimeEngine(package.models, input_shape=package.input_shape) as engine:
        engine.load(package.models)
        for packaged in package.sub_networks:
            engine.activate(packaged.sub_network)
            answers = np.concatenate([engine.infer(batch).argmax(axis=1) for batch in np.split(belt.images, 8)])
            share = packaged.accuracy_pct.value / 100
            deviation = np.sqrt(share * (1 - share) / len(answers))
            assert abs((answers == belt.labels).mean() - share) < 3 * deviation, packaged.sub_network.name
