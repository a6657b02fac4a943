"""The steps whose reasons a page holds, and the reasons, packed."""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from tenuto.control import explain
from tenuto.report._passage import Passage

_FIGURE: Final = re.compile(r"(?<![\w.-])\d+\.\d+(?![\w.-])")
_PLACE: Final = "\N{CURRENCY SIGN}"
"""Stands for a figure within a sentence."""

_LEAST_TOLD: Final = 60
_EVENLY: Final = 0.25
"""Of the steps told, how many are merely spread over time, where not all can be told."""


def told(passages: Sequence[Passage], *, n_most: int) -> tuple[list[list[list[Any]]], list[str], int]:
    """What a page says of single steps.

    Returns:
        For each passage its steps as `[time_s, response_ms, deadline_ms, waited_ms, is_fallback, error, sentence,
        figures]`, the sentences with places for their figures (steps name them by number), and how many steps were
        left out in all.
    """
    share = max(_LEAST_TOLD, n_most // max(len(passages), 1))
    sentences: dict[str, int] = {}
    content = [[_step(passage, index, sentences) for index in chosen(passage, share)] for passage in passages]
    left_out = sum(len(passage) for passage in passages) - sum(len(steps) for steps in content)
    return content, list(sentences), left_out


def chosen(passage: Passage, n_most: int) -> list[int]:
    """Which steps: all, if they are few; else those that something happened in, and an even sample of the rest."""
    if len(passage) <= n_most:
        return list(range(len(passage)))
    happened = np.flatnonzero(passage.is_told)
    n_even = max(1, int(n_most * _EVENLY), n_most - len(happened))
    even = np.linspace(0, len(passage) - 1, n_even).astype(np.int64)
    if len(happened) > n_most - n_even:
        happened = happened[np.linspace(0, len(happened) - 1, n_most - n_even).astype(np.int64)]
    return sorted({*even.tolist(), *happened.tolist()})


def _step(passage: Passage, index: int, sentences: dict[str, int]) -> list[Any]:
    step = passage.run.steps[index]
    needs = passage.requirements_at(index)
    words = explain(
        passage.run.table, step.decision, needs.objective.metric, requirements=needs, waited_ms=step.waited_ms
    ).replace(_PLACE, "")
    figures = _FIGURE.findall(words)
    number = sentences.setdefault(_FIGURE.sub(_PLACE, words), len(sentences))
    return [
        round(step.time_s, 3),
        None if step.response_ms is None else round(step.response_ms, 2),
        None if step.deadline_ms is None else round(step.deadline_ms, 2),
        round(step.waited_ms, 2),
        int(step.is_fallback),
        step.error,
        number,
        " ".join(figures),
    ]
