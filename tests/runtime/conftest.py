"""A held board for every stream of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streams import bare_machine

from tenuto.platforms import HeldBoard


@pytest.fixture
def board(tmp_path: Path) -> Iterator[HeldBoard]:
    """A bare machine made of files, held."""
    with bare_machine(tmp_path / "board").hold() as held:
        yield held
