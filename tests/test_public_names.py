"""What each package offers is listed, sorted and there."""

import importlib
import pkgutil
import types

import pytest

import tenuto

PACKAGES = ["tenuto", *(module.name for module in pkgutil.walk_packages(tenuto.__path__, "tenuto.") if module.ispkg)]

NOT_FOR_IMPORT = ("tenuto.cli",)
"""Packages that are run, not imported from."""


def order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, each by the alphabet."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_public_names_are_listed_sorted_and_complete(package: str) -> None:
    module = importlib.import_module(package)
    listed = list(getattr(module, "__all__", []))
    assert listed == sorted(set(listed), key=order)
    assert all(hasattr(module, name) for name in listed)
    bound = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and name != "TYPE_CHECKING"
        and not isinstance(value, types.ModuleType)
        and str(getattr(value, "__module__", "tenuto")).startswith("tenuto")
    }
    if package not in NOT_FOR_IMPORT:
        assert bound <= set(listed), "public, and not in __all__"
