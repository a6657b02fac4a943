"""Everything that Tenuto raises, sorted by what the reader should do about it.

TenutoError
├── UsageError(ValueError)       the caller or a file is wrong             command line: exit 2
│   ├── UnknownNameError         carries the close matches
│   ├── UnknownMetricError       carries what there is instead
│   ├── SpecError                carries file, line and key
│   └── DivergedError            a recipe whose training blew up
├── PlatformError                carries platform, knob or monitor         command line: exit 3
│   ├── UnsupportedError         stable: this board never will
│   ├── DeniedError              stable: says the command that fixes it
│   ├── KnobRejectedError        asked for one value, the board reports another
│   └── TransientError           worth one retry
├── EngineError                  a network would not load or run           command line: exit 2
└── TraceError                   unreadable, or of a newer schema          command line: exit 2

A message has three parts: what was asked, what was found, what to do next. The same data is in attributes, and
tests compare attributes. An infeasible requirement is a decision, and a missing sensor an absence: neither is here.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any


class TenutoError(Exception):
    """Base of every error that Tenuto raises on purpose."""

    exit_code = 2

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception would call __init__ with the message alone, so that an error raised in another process could not
        # be read back by ours.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[TenutoError], args: tuple[object, ...], attributes: dict[str, object]) -> TenutoError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


class UsageError(TenutoError, ValueError):
    """The caller asked for something that makes no sense, or a file is wrong."""


class UnknownNameError(UsageError):
    """No such network, sub-network, cluster, policy or board.

    Attributes:
        kind: What was looked for, in the singular ("network").
        name: What was asked for.
        matches: Known names that resemble it, nearest first.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        self.kind = kind
        self.name = name
        self.matches = tuple(get_close_matches(name, names, n=3, cutoff=0.5))
        super().__init__(f"unknown {kind} {name!r}; {_hint(self.matches, names)}")


class UnknownMetricError(UsageError):
    """A metric is named that is not there.

    Attributes:
        metric: The metric that was asked for.
        available: The metrics that there are.
        matches: Those that resemble it, nearest first.
    """

    def __init__(self, metric: str, available: Iterable[str], *, where: str = "the operating table") -> None:
        self.metric = metric
        self.available = tuple(sorted(available))
        self.matches = tuple(get_close_matches(metric, self.available, n=3, cutoff=0.6))
        advice = (
            f"did you mean {' or '.join(self.matches)}?"
            if self.matches
            else "ask for one of those, or profile on a board that can measure it"
        )
        super().__init__(
            f"{where} knows no {metric!r}; it has {', '.join(self.available) or 'no metric at all'}; {advice}"
        )


class SpecError(UsageError):
    """A file does not say what it should.

    Attributes:
        path: The file.
        key: The field at fault, or None when the file as a whole is.
        line: The line, from 1, or None where lines mean nothing.
    """

    def __init__(self, path: str | Path, problem: str, *, key: str | None = None, line: int | None = None) -> None:
        self.path = Path(path)
        self.key = key
        self.line = line
        place = f"{path}" + (f":{line}" if line is not None else "") + (f" ({key})" if key is not None else "")
        super().__init__(f"{place}: {problem}")


class DivergedError(UsageError):
    """Training no longer yields numbers; what was saved before is intact.

    Attributes:
        step: The step at which it was noticed.
        checkpoint: The last good state, if one was saved.
    """

    def __init__(self, *, step: int, found: str, checkpoint: Path) -> None:
        self.step = step
        self.checkpoint = checkpoint if checkpoint.exists() else None
        kept = f"{checkpoint} keeps the last good state" if self.checkpoint else "nothing was saved yet"
        super().__init__(
            f"asked for step {step}, {found}; {kept}; the same recipe would end here again, "
            "so train with another seed or a lower learning rate into another folder"
        )


class PlatformError(TenutoError):
    """The platform could not do what it was asked.

    Attributes:
        platform: The platform's name.
        part: The cluster, knob or monitor concerned, or None.
    """

    exit_code = 3

    def __init__(self, message: str, *, platform: str, part: str | None = None) -> None:
        self.platform = platform
        self.part = part
        super().__init__(message)


class UnsupportedError(PlatformError):
    """Stable: this platform has no such knob or monitor, and never will."""


class DeniedError(PlatformError):
    """Stable: a permission is missing; the message says which command grants it."""


class KnobRejectedError(PlatformError):
    """A knob was written and read back with another value.

    Attributes:
        asked: The value written.
        found: The value read back.
    """

    def __init__(self, *, platform: str, part: str, asked: object, found: object, hint: str) -> None:
        self.asked = asked
        self.found = found
        super().__init__(f"{part}: asked {asked}, the platform reports {found}; {hint}", platform=platform, part=part)


class TransientError(PlatformError):
    """Worth one retry: the next attempt may succeed."""


class EngineError(TenutoError):
    """An engine could not load or run a sub-network."""


class TraceError(TenutoError):
    """A trace cannot be read or written.

    Attributes:
        path: The trace's file.
        line: The line at fault when reading, from 1; None where the file as a whole is.
        n_written: Steps that are safely in the file when writing failed; None when reading.
        n_lost: Steps that are not; None when reading.
    """

    def __init__(
        self,
        path: str | Path,
        problem: str,
        *,
        line: int | None = None,
        n_written: int | None = None,
        n_lost: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.line = line
        self.n_written = n_written
        self.n_lost = n_lost
        super().__init__(f"{path}" + (f":{line}" if line is not None else "") + f": {problem}")


def _hint(matches: tuple[str, ...], names: list[str]) -> str:
    if matches:
        return f"did you mean {' or '.join(matches)}?"
    shown = names if len(names) <= 12 else [*names[:12], f"... ({len(names)} in all)"]
    return f"known: {', '.join(shown) or 'none'}"
