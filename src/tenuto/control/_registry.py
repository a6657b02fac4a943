"""Policies by name: those that ship with Tenuto, and those that others register.

A third party's distribution registers one in its own `pyproject.toml`:

```toml
[project.entry-points."tenuto.policies"]
cautious = "mypackage.cautious:CautiousPolicy"
```

The value is a class or a function that makes the policy without arguments.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from tenuto.control._alert import AlertPolicy
from tenuto.control._baselines import FixedPolicy, LevelStepPolicy
from tenuto.control._narrowed import application_only, system_only
from tenuto.control._policy import Policy
from tenuto.control._slackfit import SlackFitPolicy
from tenuto.control._tenuto import TenutoPolicy
from tenuto.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "tenuto.policies"
"""The entry point group."""

_FIXED: Final = "fixed-"

_BUILT_IN: Final[Mapping[str, Callable[[], Policy[Any]]]] = {
    "tenuto": TenutoPolicy,
    "alert": AlertPolicy,
    "level-step": LevelStepPolicy,
    "slackfit": SlackFitPolicy,
    "application-only": application_only,
    "system-only": system_only,
    "fixed-largest": lambda: FixedPolicy("largest"),
    "fixed-smallest": lambda: FixedPolicy("smallest"),
}


def policy_names() -> tuple[str, ...]:
    """Every name that `open_policy` knows, ours first; beside them `fixed-` and the name of any sub-network.

    What others registered is named without being imported. A registered name that is one of ours means ours.
    """
    others = {entry.name for entry in _registered()}
    return (*_BUILT_IN, *sorted(others.difference(_BUILT_IN)))


def open_policy(name: str) -> Policy[Any]:
    """A new policy.

    Args:
        name: One of `policy_names()`, or `fixed-` and a sub-network's name (`fixed-d4`), which is looked up in the
            table when the policy starts.

    Raises:
        UnknownNameError: No such policy; carries the near names.
        UsageError: Two distributions register the name, or what is registered cannot be imported, cannot be made or is
            no policy; says whose it is.
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name]()
    registered = [entry for entry in _registered() if entry.name == name]
    if registered:
        return _made(name, registered)
    if name.startswith(_FIXED) and len(name) > len(_FIXED):
        return FixedPolicy(name.removeprefix(_FIXED))
    raise UnknownNameError("policy", name, policy_names())


def _registered() -> "tuple[EntryPoint, ...]":
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow to import, and rarely needed

    return tuple(entry_points(group=GROUP))


def _made(name: str, registered: "list[EntryPoint]") -> Policy[Any]:
    if len({entry.value for entry in registered}) > 1:
        owners = " and ".join(sorted(f"{_owner(entry)} ({entry.value})" for entry in registered))
        raise UsageError(f"policy {name!r}: registered by {owners}; uninstall one of them, or rename its entry point")
    entry = registered[0]
    where = f"policy {name!r}, registered by {_owner(entry)} as {entry.value}"
    try:
        make = entry.load()
    except Exception as error:  # whatever importing somebody else's module may raise
        raise UsageError(
            f"{where}: it cannot be imported ({type(error).__name__}: {error}); install what it needs, mend its entry "
            f"point, or uninstall {_owner(entry)}"
        ) from error
    try:
        policy = make()
    except Exception as error:  # as above: somebody else's constructor
        raise UsageError(
            f"{where}: calling it without arguments raised {type(error).__name__}: {error}; register a class or "
            "function that needs none"
        ) from error
    if isinstance(policy, type) or not isinstance(policy, Policy):
        raise UsageError(
            f"{where}: it gave {type(policy).__name__}, which is no policy; it needs name, parameters, start "
            "and decide (tenuto.testing.check_policy says what is missing)"
        )
    return policy


def _owner(entry: "EntryPoint") -> str:
    """The distribution that registers it."""
    distribution = entry.dist
    return "an unnamed distribution" if distribution is None else str(distribution.metadata["Name"])
