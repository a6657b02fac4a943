"""Figures and sentences say what happened, and no more."""

import dataclasses

import pytest
from synthetic_stream import four_runs, made_up_run

from tenuto.report import Run
from tenuto.report._words import ABSENT, SPACE, count, number, outcome, recovery, share


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return four_runs(n=300)


def changed(run: Run, **measures: object) -> Run:
    return dataclasses.replace(run, measures=dataclasses.replace(run.measures, **measures))


@pytest.mark.parametrize(
    ("frames", "n_disturbed", "said"),
    [
        pytest.param(None, 300, "never", id="never"),
        pytest.param(0, 300, "0", id="missed none"),
        pytest.param(18, 300, "18", id="some"),
        pytest.param(None, 0, ABSENT, id="not disturbed"),
    ],
)
def test_a_recovery_that_never_came_is_never_and_not_nought(
    runs: list[Run], frames: int | None, n_disturbed: int, said: str
) -> None:
    assert said == recovery(changed(runs[0], recovery_frames=frames, n_disturbed=n_disturbed))


@pytest.mark.parametrize(
    ("value", "said"), [(None, ABSENT), (0, "0"), (0.004, "<0.01"), (0.04, "0.04"), (0.5, "0.50"), (12.34, "12.3")]
)
def test_a_share_that_is_not_nought_never_prints_as_nought(value: float | None, said: str) -> None:
    assert said == share(value)


def test_numbers_have_their_decimals_and_their_thousands_apart() -> None:
    assert (number(12345.67, 1), number(None, 1)) == ("12\u202f345.7", ABSENT)


def test_small_counts_are_words_and_one_is_singular() -> None:
    assert [f"one{SPACE}frame", f"two{SPACE}frames", f"41{SPACE}frames"] == [count(n, "frame") for n in (1, 2, 41)]


def test_the_outcome_names_every_policy_in_every_sentence(runs: list[Run]) -> None:
    sentences = outcome(runs)
    assert len(sentences) == 3
    assert all(run.policy in sentence for run in runs for sentence in sentences)


@pytest.mark.parametrize(
    ("mine", "others", "said"),
    [
        (1.0, (5.0, 9.0), "fewer than any other"),
        (12.0, (5.0, 9.0), "more than any other"),
        (7.0, (5.0, 9.0), None),
        (5.0, (5.0, 9.0), None),
    ],
)
def test_the_outcome_praises_and_blames_only_what_stands_apart(
    runs: list[Run], mine: float, others: tuple[float, ...], said: str | None
) -> None:
    ranked = [changed(run, miss_pct=pct) for run, pct in zip(runs, (mine, *others), strict=False)]
    misses = outcome(ranked)[0]
    found = [words for words in ("fewer than any other", "more than any other") if words in misses]
    assert ([said] if said else []) == found


def test_a_policy_that_never_recovered_is_said_to(runs: list[Run]) -> None:
    lost = changed(runs[0], recovery_frames=None, recovery_s=None)
    assert "did not hold its deadline again" in outcome([lost])[1]
    assert f"{runs[2].policy} never did" in outcome([runs[0], changed(runs[2], recovery_frames=None)])[1]


def test_one_run_alone_is_compared_with_nothing() -> None:
    sentences = outcome([made_up_run("alone", lambda *_: 19, n=60)])
    assert not any(";" in sentence or "any other" in sentence for sentence in sentences)


def test_what_is_not_known_is_not_said(runs: list[Run]) -> None:
    silent = changed(runs[0], miss_pct=None, accuracy_pct=None, n_disturbed=0, recovery_frames=None)
    assert outcome([silent]) == []
