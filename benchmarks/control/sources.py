"""What a result depends on: digests of sources, so that a kept result is used only while they are the same."""

import ast
import hashlib
import platform
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources, util
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.control.passages import Job, policy_module
from tenuto import __version__
from tenuto.platforms import LinuxPlatform
from tenuto.platforms.simulated import load_board, parameters

WORLD = (
    "units.py",
    "points",
    "graphs",
    "requirements.py",
    "decisions.py",
    "platforms/simulated",
    "profiling/modelled.py",
    "nets/catalogue",
    "nets/catalogue.py",
    "scenarios",
    "simulation",
    "runtime/_guard.py",
    "runtime/_watch.py",
)
"""Of the package: what any passage depends on, whatever the policy."""

OURS = ("passages.py", "passed.py", "loads.py")


@lru_cache(maxsize=64)
def digest(policy: str) -> str:
    """Of everything that a passage under this policy depends on."""
    root = Path(str(resources.files("tenuto")))
    paths = [path for part in WORLD for path in _files(root / part)]
    module = policy_module(policy)
    if module is not None:
        paths += _closure(module)
    if policy.startswith("tenuto"):
        paths += _files(root / "control" / "allotting")
    own = Path(__file__).parent
    paths += [own / name for name in OURS]
    whole = hashlib.sha256()
    for path in sorted(set(paths)):
        name = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
        whole.update(f"{name}\0{_content(path)}\0".encode())
    return whole.hexdigest()[:16]


@lru_cache(maxsize=512)
def _content(path: Path) -> str:
    """Of a file; of Python its meaning, so that a comment or a line break makes no difference."""
    text = path.read_text()
    return ast.dump(ast.parse(text)) if path.suffix == ".py" else text


def is_changed() -> bool:
    """Whether anything that a kept result depends on is another than when it was first looked at."""
    before = {policy: digest(policy) for policy in ("tenuto", "alert", "oracle")}
    _content.cache_clear()
    return any(digest.__wrapped__(policy) != one for policy, one in before.items())


def key(job: Job) -> str:
    """Of a job's result."""
    return f"{digest(job.policy)}|{job.scenario}|{job.policy}|{job.seed}|{job.miss_pct}|{job.rows}|{job.bounds_mj}"


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [one for one in sorted(path.rglob("*")) if one.suffix in (".py", ".toml", ".json", ".csv") and one.is_file()]


def _closure(module: str) -> list[Path]:
    """A module's file, and those of the modules of `tenuto.control` that it imports, directly or not."""
    found: dict[str, Path] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        spec = util.find_spec(name)
        if name in found or spec is None or spec.origin is None:
            continue
        found[name] = Path(spec.origin)
        nodes = [node for node in ast.walk(ast.parse(found[name].read_text())) if isinstance(node, ast.ImportFrom)]
        pending += [str(node.module) for node in nodes if (node.module or "").startswith("tenuto.control.")]
    return list(found.values())


def provenance(boards: set[str]) -> dict[str, Any]:
    """Versions, machine, date, and where the boards' figures are from."""
    return {
        "tenuto": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": LinuxPlatform().name,
        "date": datetime.now(UTC).date().isoformat(),
        "source": "modelled: every passage ran on a simulated board",
        "boards": {one: board_sources(one) for one in sorted(boards)},
        "digests": {policy: digest(policy) for policy in ("tenuto", "alert", "oracle")},
    }


def board_sources(board: str) -> dict[str, Any]:
    """How many of a board's figures are measured, modelled, published or assumed, in all and of its power and heat."""
    figures = parameters(load_board(board))
    groups = {
        "all": figures,
        "latency": [one for one in figures if ".latency." in one[0]],
        "power": [one for one in figures if ".power." in one[0] or one[0] == "base_w"],
        "heat": [one for one in figures if one[0].startswith("thermal.")],
        "noise": [one for one in figures if one[0].startswith("noise.")],
    }
    return {name: _shares([one.source for _, one in found]) for name, found in groups.items() if found}


def _shares(sources: list[str]) -> dict[str, Any]:
    counts = {one: sources.count(one) for one in ("measured", "modelled", "published", "assumed")}
    return {"n": len(sources), **{f"{one}_pct": round(100 * n / len(sources)) for one, n in counts.items()}}
