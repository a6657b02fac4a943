"""The report is one well-formed file that needs nothing else, and shows every policy, whatever its name."""

import dataclasses
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from synthetic_stream import DEADLINE_MS, four_runs, made_up_run

from tenuto.errors import UsageError
from tenuto.points import OperatingTable
from tenuto.report import Run, render_picture, render_report
from tenuto.traces import Event, Step, Trace

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&"
_VOID = {"meta", "link", "img", "br", "input", "base"}
_SVG_NAMESPACE = "http://www.w3.org/2000/svg"


class Page(HTMLParser):
    """Checks that elements nest, and keeps what it saw."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.cells: list[list[str]] = []
        self.feed(content)
        self.close()
        assert self.open == [], "elements are left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in {"td", "th"}:
            self.cells[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop(), f"{tag} closes something else"

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.cells[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return four_runs(n=300)


@pytest.fixture(scope="module")
def content(runs: list[Run]) -> str:
    return render_report(
        runs,
        machine={"processor": "a made-up one", "clusters": [{"cpu": "2 cores"}], "temperature": None},
        title="A belt of garments",
        deadline_note="1.25 times the largest's 99th percentile.",
        notes=["One run of ten seconds."],
        source="assumed",
    )


def without(run: Run, **changes: object) -> Run:
    """The run with every step changed."""
    fields = {name: getattr(run.steps[0], name) for name in run.steps[0].__struct_fields__}
    steps = tuple(
        Step(**({name: getattr(step, name) for name in fields} | changes))  # type: ignore[arg-type]
        for step in run.steps
    )
    return Run.of(Trace(run.header, steps, run.events, is_complete=True))


def with_table(run: Run, table: OperatingTable) -> Run:
    return dataclasses.replace(run, header=dataclasses.replace(run.header, table=table))


def test_the_page_is_well_formed_and_loads_nothing(content: str) -> None:
    page = Page(content)
    assert not [
        tag for tag, _ in page.tags if tag in {"link", "img", "iframe", "object", "embed", "base", "image", "use"}
    ]
    assert not [attributes for _, attributes in page.tags if {"src", "href", "xlink:href"} & attributes.keys()]
    assert not re.findall(r"https?://|//[a-z]|@import|url\(", content)


def test_every_policy_has_its_row_its_time_lines_and_its_sentences(content: str, runs: list[Run]) -> None:
    page = Page(content)
    rows = [cells for cells in page.cells if cells[0] in {run.policy for run in runs}]
    assert [run.policy for run in runs] == [cells[0] for cells in rows]
    panels = [attributes["data-run"] for tag, attributes in page.tags if attributes.get("class") == "panel"]
    assert panels == ["0", "1", "2", "3"] * 2


def test_every_section_and_the_source_of_the_figures_are_there(content: str) -> None:
    text = Page(content).text
    expected = (
        "A belt of garments",
        "How each policy did",
        "Frame by frame",
        "What could be chosen",
        "1.25 times the largest's 99th percentile.",
        "a made-up one",
        "cpu: 2 cores",
        "One run of ten seconds.",
        "The operating table",
        "assumed",
        "co-runner",
    )
    assert [words for words in expected if words not in text] == []


def test_a_reading_that_is_absent_is_left_out(content: str) -> None:
    assert "temperature" not in Page(content).text
    assert "None" not in Page(content).text


def test_a_recovery_that_never_came_is_never_in_the_table(runs: list[Run]) -> None:
    lost = [run for run in runs if run.policy == "fixed-largest"]
    page = Page(render_report(lost, machine={}))
    head = next(cells for cells in page.cells if cells[0] == "policy")
    row = next(cells for cells in page.cells if cells[0] == "fixed-largest")
    assert dict(zip(head, row, strict=True))["recoveryframes"] == "never"


def test_hostile_names_stay_text() -> None:
    run = made_up_run(HOSTILE, lambda *_: 12, n=30)
    run = without(run, error=HOSTILE, latency_ms=None)
    run = dataclasses.replace(run, events=(*run.events, Event(0.2, HOSTILE)))
    page = Page(render_report([run], machine={HOSTILE: HOSTILE}, title=HOSTILE, deadline_note=HOSTILE, notes=[HOSTILE]))
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert sum(tag == "script" for tag, _ in page.tags) == 2
    assert page.text.count(HOSTILE) >= 6
    ET.fromstring(render_picture([run], title=HOSTILE))  # noqa: S314 - it is ours


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"latency_ms": None, "error": "out of memory"}, id="no answers at all"),
        pytest.param({"deadline_ms": None}, id="no deadline"),
        pytest.param({"correct": None, "n_inputs": None}, id="no labels"),
        pytest.param({"decide_us": None}, id="no decision times"),
        pytest.param({"applied": None}, id="never certain what was in force"),
        pytest.param({"latency_ms": 0.0}, id="instant"),
        pytest.param({"time_s": 0.0}, id="all at once"),
    ],
)
def test_a_stream_that_lacks_a_figure_still_reports(runs: list[Run], changes: dict[str, object]) -> None:
    lacking = [without(run, **changes) for run in runs]
    page = Page(render_report(lacking, machine={}))
    assert not re.search(r"\bnan\b|\binf\b|None", page.text)
    assert not [attributes for _, attributes in page.tags if "nan" in (attributes.get("d") or "")]
    ET.fromstring(render_picture(lacking))  # noqa: S314 - it is ours


def test_a_stream_without_a_step_still_reports(runs: list[Run]) -> None:
    empty = Run.of(Trace(runs[0].header, (), (), is_complete=False))
    assert runs[0].policy in Page(render_report([empty], machine={})).text
    ET.fromstring(render_picture([empty]))  # noqa: S314 - it is ours


def test_without_accuracy_there_is_no_trade_off_and_the_latency_tells_points_apart(runs: list[Run]) -> None:
    table = runs[0].header.table
    bare = dataclasses.replace(table, metrics={"latency_ms": table.metrics["latency_ms"]})
    text = Page(render_report([with_table(runs[0], bare)], machine={})).text
    assert "What could be chosen" not in text
    assert "profiled ms" in text


def test_a_table_of_one_point_is_drawn(runs: list[Run]) -> None:
    run = with_table(without(runs[0], applied=0), runs[0].header.table.take([3]))
    assert "What could be chosen" in Page(render_report([run], machine={})).text


def test_a_long_stream_stays_light(runs: list[Run]) -> None:
    """A day at thirty frames a second would be millions of marks; those that coincide are drawn once."""
    long = [dataclasses.replace(runs[2], steps=made_up_run("long", lambda *_: 19, n=21_000).steps)]
    assert len(render_report(long, machine={})) < 700_000


def test_no_run_is_refused() -> None:
    with pytest.raises(UsageError):
        render_report([], machine={})
    with pytest.raises(UsageError):
        render_picture([])


def test_the_picture_stands_by_itself(runs: list[Run]) -> None:
    picture = render_picture(runs, width=900, height=620)
    root = ET.fromstring(picture)  # noqa: S314 - it is ours
    assert (f"{{{_SVG_NAMESPACE}}}svg", "900", "620") == (root.tag, root.get("width"), root.get("height"))
    said = [element.text for element in root.iter(f"{{{_SVG_NAMESPACE}}}text")]
    assert {run.policy for run in runs} <= set(said)
    assert not re.findall(r"https?://|url\(|@import", picture.replace(_SVG_NAMESPACE, ""))


def test_every_late_frame_is_drawn_above_its_deadline_and_every_other_below(runs: list[Run]) -> None:
    """The marks of the picture, read back, are the misses that were measured."""
    root = ET.fromstring(render_picture([runs[0]]))  # noqa: S314 - it is ours
    (panel,) = (group for group in root.iter(f"{{{_SVG_NAMESPACE}}}g"))
    paths: dict[str, str] = {}
    for element in panel.iter(f"{{{_SVG_NAMESPACE}}}path"):
        paths[element.get("class", "")] = paths.get(element.get("class", ""), "") + (element.get("d") or "")
    deadline_y = float(re.findall(r"M[\d.]+ ([\d.]+)", paths["deadline"])[0])
    met = [float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)h0", paths["met"])]
    crosses = [float(y) + 2 for y in re.findall(r"M[\d.]+ ([\d.]+)l4 4", paths["late"])]
    arrows = re.findall(r"l2\.2-4", paths["late"])
    assert all(y >= deadline_y - 0.5 for y in met)
    assert all(y <= deadline_y + 0.5 for y in crosses)
    assert runs[0].measures.n_missed == len(crosses) + len(arrows)
    assert runs[0].deadline_ms == DEADLINE_MS
