"""Which cores there are and which are alike, from sysfs alone: no table of boards."""

from dataclasses import dataclass
from pathlib import Path

from tenuto.platforms._sysfs import parse_cpus, read_cpus, read_int, read_text

CPU_FOLDER = Path("sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class CoreGroup:
    """Cores of one kind.

    Attributes:
        name: `cpu`, or `little`, `mid`, `big` by rising capacity.
        cpus: Those that are online and ours, in the order in which they should be filled.
        capacity: The kernel's figure, 1 to 1024, or None.
        policies: Their cpufreq folders; empty where the kernel has none.
    """

    name: str
    cpus: tuple[int, ...]
    capacity: int | None
    policies: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What makes two cores alike."""

    capacity: int | None
    clocks: str | None
    caches: tuple[str, ...]


def online_cpus(root: Path) -> tuple[int, ...]:
    """The processors that are switched on."""
    cpus = read_cpus(root / CPU_FOLDER / "online")
    if cpus:
        return cpus
    lines = (read_text(root / "proc/stat") or "").splitlines()
    names = (line.split(maxsplit=1)[0] for line in lines if line.startswith("cpu"))
    return tuple(sorted(int(name[3:]) for name in names if name[3:].isdigit()))


def allowed_cpus(root: Path) -> tuple[int, ...]:
    """The processors that this process may use, as its status file says; empty where it does not say."""
    for line in (read_text(root / "proc/self/status") or "").splitlines():
        name, _, value = line.partition(":")
        if name == "Cpus_allowed_list":
            return parse_cpus(value)
    return ()


def core_groups(root: Path, usable: frozenset[int]) -> tuple[CoreGroup, ...]:
    """Group the cores by kind, the least capable first; groups without a usable core are left out.

    Args:
        root: Where the file tree of the machine begins.
        usable: The processors that are ours.

    Model:
        Cores are alike when capacity, ladder of clocks and first- and second-level caches agree. Several cpufreq
        policies of like cores (one per core on a PC, one per pair on RK3588 and Xavier) make one group, because a
        network wants all of them; their clocks are then set together. Names count every online core, so that a
        group keeps its name when a cpuset hides the others.
    """
    policies = _policy_by_cpu(root)
    members: dict[_Kind, list[int]] = {}
    for cpu in online_cpus(root):
        members.setdefault(_kind(root, cpu, policies.get(cpu)), []).append(cpu)
    kinds = sorted(members, key=lambda kind: (*_rank(kind, policies.get(members[kind][0])), members[kind][0]))
    groups = []
    for name, kind in zip(_names(len(kinds)), kinds, strict=True):
        ours = [cpu for cpu in members[kind] if cpu in usable]
        folders = tuple(dict.fromkeys(policies[cpu] for cpu in ours if cpu in policies))
        if ours:
            groups.append(CoreGroup(name, _spread(root, ours), kind.capacity, folders))
    return tuple(groups)


def _policy_by_cpu(root: Path) -> dict[int, Path]:
    """The cpufreq folder that drives each processor."""
    folders = sorted((root / CPU_FOLDER / "cpufreq").glob("policy*"), key=lambda folder: (len(folder.name), folder))
    return {cpu: folder for folder in folders for cpu in read_cpus(folder / "related_cpus")}


def _kind(root: Path, cpu: int, policy: Path | None) -> _Kind:
    folder = root / CPU_FOLDER / f"cpu{cpu}"
    clocks = read_text(policy / "scaling_available_frequencies") if policy else None
    caches = []
    for index in sorted((folder / "cache").glob("index*")):
        level, kind, size = (read_text(index / name) for name in ("level", "type", "size"))
        # The third level belongs to a group of cores, not to a kind: it may differ between twin groups.
        if level in {"1", "2"}:
            caches.append(f"{level} {kind} {size}")
    return _Kind(read_int(folder / "cpu_capacity"), clocks, tuple(caches))


def _rank(kind: _Kind, policy: Path | None) -> tuple[int, int, int]:
    top_khz = read_int(policy / "cpuinfo_max_freq") if policy else None
    sizes = [cache.rsplit(" ", 1)[-1].removesuffix("K") for cache in kind.caches]
    return kind.capacity or 0, top_khz or 0, sum(int(size) for size in sizes if size.isdigit())


def _names(n_kinds: int) -> list[str]:
    if n_kinds <= 1:
        return ["cpu"][:n_kinds]
    middle = ["mid"] if n_kinds == 3 else [f"mid{index}" for index in range(1, n_kinds - 1)]
    return ["little", *middle, "big"]


def _spread(root: Path, cpus: list[int]) -> tuple[int, ...]:
    """One hardware thread of each core first: two on one core are worth little more than one."""
    seen: dict[tuple[int, ...], int] = {}
    turns = []
    for cpu in cpus:
        core = read_cpus(root / CPU_FOLDER / f"cpu{cpu}" / "topology/thread_siblings_list") or (cpu,)
        seen[core] = seen.get(core, -1) + 1
        turns.append((seen[core], cpu))
    return tuple(cpu for _, cpu in sorted(turns))
