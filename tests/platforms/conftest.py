"""What the tests of platforms share."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tenuto.errors import PlatformError
from tenuto.platforms import LinuxPlatform

NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="tenuto-tree-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def drop_rights() -> Iterator[None]:
    """Be nobody for a while, if this is root, who may write everything."""
    was = os.geteuid()
    os.seteuid(NOBODY if was == 0 else was)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.fixture
def without_rights() -> Callable[[], AbstractContextManager[None]]:
    """`drop_rights`, for a test that needs it for a part of its way."""
    return drop_rights


@pytest.fixture
def outsider(open_folder: Path) -> Iterator[Path]:
    """A folder in a test that runs without root's right to write everything."""
    if os.geteuid() == 0:
        os.chown(open_folder, NOBODY, NOBODY)
    with drop_rights():
        yield open_folder


@pytest.fixture
def host() -> LinuxPlatform:
    """This machine, once nobody else holds it (a demo in another terminal may)."""
    platform = LinuxPlatform()
    gives_up_at = time.monotonic() + 20
    while True:
        try:
            with platform.hold():
                return platform
        except PlatformError as error:
            if time.monotonic() > gives_up_at:
                pytest.skip(f"this machine is held: {error}")
            time.sleep(0.5)
