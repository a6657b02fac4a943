"""Policies by name: ours, and those of distributions that are really on the path."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tenuto.control import FixedPolicy, Policy, open_policy, policy_names
from tenuto.decisions import Observation
from tenuto.errors import UnknownNameError, UsageError
from tenuto.requirements import Requirements
from tenuto.testing import check_policy
from tenuto.testing.policies import sample_table

OURS = (
    "tenuto",
    "alert",
    "level-step",
    "slackfit",
    "application-only",
    "system-only",
    "fixed-largest",
    "fixed-smallest",
)

GOOD = """
from tenuto.control import fastest_rows
from tenuto.decisions import Decision

class Middle:
    name = "middle"
    parameters = {}

    def start(self, table, requirements, previous=None):
        return fastest_rows(table)[1]

    def decide(self, state, observation):
        return Decision(state), state

def broken():
    raise RuntimeError("no luck")

not_callable = 3
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a distribution with entry points on the path, as an installer would."""

    def installed(distribution: str, entries: dict[str, str], *, module: str = "", source: str = GOOD) -> None:
        folder = tmp_path / distribution
        info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {value}" for name, value in entries.items())
        (info / "entry_points.txt").write_text(f"[tenuto.policies]\n{lines}\n")
        if module:
            (folder / f"{module}.py").write_text(source)
            monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.syspath_prepend(str(folder))

    return installed


@pytest.mark.parametrize("name", OURS)
def test_a_shipped_policy_is_opened_by_its_own_name(name: str) -> None:
    policy = open_policy(name)
    assert isinstance(policy, Policy)
    assert policy.name == name
    assert policy is not open_policy(name)


def test_the_names_are_listed_ours_first() -> None:
    assert policy_names()[: len(OURS)] == OURS


def test_a_fixed_policy_takes_any_sub_network() -> None:
    policy = open_policy("fixed-d3")
    assert isinstance(policy, FixedPolicy)
    table = sample_table()
    decision, _ = policy.decide(policy.start(table, Requirements.of(latency_ms=5)), Observation(0.0))
    assert table.configuration(decision.point).sub_network.name == "d3"


@pytest.mark.parametrize(("name", "near"), [("allert", "alert"), ("slack-fit", "slackfit"), ("Tenuto", "tenuto")])
def test_an_unknown_name_names_its_neighbours(name: str, near: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        open_policy(name)
    assert (caught.value.kind, caught.value.name) == ("policy", name)
    assert near in caught.value.matches


@pytest.mark.parametrize("name", ["", "fixed-"])
def test_a_name_that_says_nothing_is_unknown(name: str) -> None:
    with pytest.raises(UnknownNameError):
        open_policy(name)


def test_an_installed_policy_is_listed_opened_and_kept_to_the_promises(install: Callable[..., None]) -> None:
    install("middle-policies", {"middle": "middle_policies:Middle"}, module="middle_policies")
    assert policy_names() == (*OURS, "middle")
    policy = open_policy("middle")
    assert (policy.name, type(policy).__module__) == ("middle", "middle_policies")
    check_policy(policy)
    with pytest.raises(UnknownNameError) as caught:
        open_policy("midle")
    assert caught.value.matches == ("middle",)


def test_listing_names_imports_nobody_elses_code(install: Callable[..., None]) -> None:
    install("loud-policies", {"loud": "loud_policies:Loud"}, module="loud_policies", source="raise SystemError")
    assert "loud" in policy_names()
    assert "loud_policies" not in sys.modules


@pytest.mark.parametrize(
    ("value", "source", "told"),
    [
        ("no_such_module:Thing", "", "ModuleNotFoundError"),
        ("broken_policies:Missing", GOOD, "AttributeError"),
        ("broken_policies:Middle", "import no_such_dependency", "no_such_dependency"),
        ("broken_policies:Middle", "def (", "SyntaxError"),
        ("broken_policies:broken", GOOD, "no luck"),
        ("broken_policies:not_callable", GOOD, "TypeError"),
        ("broken_policies:fastest_rows", GOOD, "TypeError"),
        ("broken_policies:Middle.name.upper", GOOD, "str"),
    ],
)
def test_a_broken_registration_names_its_distribution(
    install: Callable[..., None], value: str, source: str, told: str
) -> None:
    install("broken-policies", {"broken": value}, module="broken_policies" if source else "", source=source)
    with pytest.raises(UsageError) as caught:
        open_policy("broken")
    assert "broken-policies" in str(caught.value)
    assert told in str(caught.value)
    assert open_policy("alert").name == "alert", "others are not touched by it"


def test_two_distributions_with_one_name_are_both_named(install: Callable[..., None]) -> None:
    install("first-policies", {"middle": "first_policies:Middle"}, module="first_policies")
    install("second-policies", {"middle": "second_policies:Middle"}, module="second_policies")
    assert policy_names().count("middle") == 1
    with pytest.raises(UsageError) as caught:
        open_policy("middle")
    assert "first-policies" in str(caught.value)
    assert "second-policies" in str(caught.value)


def test_nobody_can_take_a_name_of_ours(install: Callable[..., None]) -> None:
    install("bold-policies", {"alert": "bold_policies:Middle"}, module="bold_policies")
    assert policy_names() == OURS
    assert type(open_policy("alert")).__module__.startswith("tenuto.")


def test_a_registered_name_counts_before_a_sub_networks(install: Callable[..., None]) -> None:
    install("fixed-policies", {"fixed-d3": "fixed_policies:Middle"}, module="fixed_policies")
    assert open_policy("fixed-d3").name == "middle"
