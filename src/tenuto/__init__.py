"""Tenuto keeps a deep neural network inside its requirements while the device under it changes.

```python
import tenuto

with tenuto.manage("fashion", latency_ms=20, miss_pct=1, maximise="accuracy_pct") as net:
    for frame in camera:
        result = net(frame)  # result.output, result.latency_ms, result.sub_network, result.reason
```
"""

from typing import TYPE_CHECKING, Any

from tenuto._version import __version__

if TYPE_CHECKING:
    from tenuto.points import OperatingTable, read_table
    from tenuto.requirements import Requirements
    from tenuto.runtime import Result, Session, manage

__all__ = ["OperatingTable", "Requirements", "Result", "Session", "__version__", "manage", "read_table"]

_HOME = {
    "OperatingTable": "tenuto.points",
    "Requirements": "tenuto.requirements",
    "Result": "tenuto.runtime",
    "Session": "tenuto.runtime",
    "manage": "tenuto.runtime",
    "read_table": "tenuto.points",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: `import tenuto` alone costs next to nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'tenuto' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - so that the first line of a program stays cheap

    return getattr(import_module(_HOME[name]), name)
