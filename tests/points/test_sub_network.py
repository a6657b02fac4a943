"""Sub-networks and their names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.errors import UnknownNameError, UsageError
from tenuto.points import SubNetwork
from tenuto.testing.strategies import sub_networks


@given(sub_networks())
def test_a_name_reads_back_as_the_same_sub_network(sub_network: SubNetwork) -> None:
    assert sub_network == SubNetwork.parse(f"{sub_network.network}/{sub_network.name}")


@given(st.text(st.sampled_from("dwkx0123.-/ ²٣"), max_size=12).map(lambda text: f"fashion/{text}"))
def test_what_parses_is_written_the_same_way_and_the_rest_is_a_usage_error(text: str) -> None:
    try:
        sub_network = SubNetwork.parse(text)
    except UsageError:
        return
    assert text == f"fashion/{sub_network.name}"


def test_the_name_gives_each_dimension_its_letter() -> None:
    setting = (("depth", (2, 1)), ("width_pct", (100, 50)), ("kernel_size", (5, 3)))
    assert SubNetwork("fashion", setting).name == "d2.1-w100.50-k5.3"


@pytest.mark.parametrize(
    "text",
    [
        *("", "d1", "/d1", "a b/d1", "fashion/", "fashion/d", "fashion/d01", "fashion/d1-d2", "fashion/x1"),
        *("fashion/d1--w2", "fashion/d٣", "fashion/d-1", "fashion/d1.", "fashion/D1", "fashion/d1/w2"),
        "fashion/d" + "9" * 5000,
    ],
)
def test_text_that_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        SubNetwork.parse(text)


@pytest.mark.parametrize(
    ("network", "setting"),
    [
        ("fa/shion", (("depth", (1,)),)),
        ("", (("depth", (1,)),)),
        ("fashion", ()),
        ("fashion", (("depth", ()),)),
        ("fashion", (("depth", (-1,)),)),
        ("fashion", (("depth", (True,)),)),
        ("fashion", (("depth", (1.5,)),)),
        ("fashion", (("depth", (10**9,)),)),
        ("fashion", (("depth", (1,)), ("depth", (2,)))),
    ],
)
def test_a_setting_that_no_name_could_carry_is_refused(network: str, setting: object) -> None:
    with pytest.raises(UsageError):
        SubNetwork(network, setting)  # type: ignore[arg-type]


def test_an_unknown_dimension_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        SubNetwork("fashion", (("dept", (1,)),))
    assert (caught.value.kind, caught.value.name, caught.value.matches) == ("dimension", "dept", ("depth",))


def test_values_of_a_dimension_that_is_not_chosen_is_an_unknown_name() -> None:
    sub_network = SubNetwork("fashion", (("depth", (2, 1)),))
    assert sub_network.values("depth") == (2, 1)
    with pytest.raises(UnknownNameError):
        sub_network.values("resolution")
