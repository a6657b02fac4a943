"""A search space as data: which settings a super-network can run."""

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from tenuto.errors import UnknownNameError, UsageError
from tenuto.points import SubNetwork


@dataclass(frozen=True, slots=True)
class Dimension:
    """One elastic dimension.

    Attributes:
        name: One of `points.DIMENSION_CODES`.
        domain: The values allowed, ascending.
        n_choices: How many times it is chosen (once per stage), at least 1.

    Raises:
        UsageError: The domain is empty or out of order, or nothing is to be chosen.
    """

    name: str
    domain: tuple[int, ...]
    n_choices: int = 1

    def __post_init__(self) -> None:
        if not self.domain or list(self.domain) != sorted(set(self.domain)):
            raise UsageError(
                f"{self.name}: asked for the values {self.domain}; give at least one, ascending, each once"
            )
        if self.n_choices < 1:
            raise UsageError(f"{self.name}: asked for {self.n_choices} choices; expected 1 or more")


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """Every sub-network of one super-network: one value per choice of every dimension.

    Attributes:
        network: The super-network's name.
        dimensions: In the order in which a sub-network's name gives them.
    """

    network: str
    dimensions: tuple[Dimension, ...]

    @property
    def size(self) -> int:
        """How many sub-networks there are."""
        return math.prod(len(dimension.domain) ** dimension.n_choices for dimension in self.dimensions)

    def largest(self) -> SubNetwork:
        """The sub-network with the top value of every dimension."""
        return self._uniform(-1)

    def smallest(self) -> SubNetwork:
        """The sub-network with the bottom value of every dimension."""
        return self._uniform(0)

    def sample(self, generator: random.Random) -> SubNetwork:
        """Draw each choice independently and uniformly."""
        return SubNetwork(
            self.network,
            tuple(
                (dimension.name, tuple(generator.choice(dimension.domain) for _ in range(dimension.n_choices)))
                for dimension in self.dimensions
            ),
        )

    def __iter__(self) -> Iterator[SubNetwork]:
        """All sub-networks, the last dimension varying fastest."""
        settings = (itertools.product(dimension.domain, repeat=dimension.n_choices) for dimension in self.dimensions)
        names = [dimension.name for dimension in self.dimensions]
        for values in itertools.product(*settings):
            yield SubNetwork(self.network, tuple(zip(names, values, strict=True)))

    def __contains__(self, sub_network: object) -> bool:
        return (
            isinstance(sub_network, SubNetwork)
            and sub_network.network == self.network
            and tuple(name for name, _ in sub_network.setting) == tuple(dimension.name for dimension in self.dimensions)
            and all(
                len(values) == dimension.n_choices and set(values) <= set(dimension.domain)
                for (_, values), dimension in zip(sub_network.setting, self.dimensions, strict=True)
            )
        )

    def parse(self, name: str) -> SubNetwork:
        """Read a sub-network's name, such as `d2.1-w100.50-k5.3`.

        Raises:
            UnknownNameError: The name is not of this space; carries the nearest names that are.
        """
        try:
            sub_network = SubNetwork.parse(f"{self.network}/{name}")
        except UsageError as error:
            raise self._unknown(name) from error
        if sub_network not in self:
            raise self._unknown(name)
        return sub_network

    def _unknown(self, name: str) -> UnknownNameError:
        return UnknownNameError("sub-network", name, (known.name for known in self))

    def _uniform(self, index: int) -> SubNetwork:
        return SubNetwork(
            self.network,
            tuple((dimension.name, (dimension.domain[index],) * dimension.n_choices) for dimension in self.dimensions),
        )
