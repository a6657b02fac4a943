"""What the tests of platforms share."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenuto.errors import PlatformError
from tenuto.platforms import LinuxPlatform

NOBODY = 65534


@pytest.fixture
def outsider() -> Iterator[Path]:
    """A folder in a test that runs without root's right to write everything."""
    folder = Path(tempfile.mkdtemp(prefix="tenuto-tree-"))
    folder.chmod(0o755)
    was = os.geteuid()
    if was == 0:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    yield folder
    os.seteuid(was)
    shutil.rmtree(folder)


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
