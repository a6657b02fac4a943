"""What is wrong with a scenario's file is said with the file, the line and the key."""

from pathlib import Path

import pytest
from scenario_files import APPLICATION, HEAD, event, line_of, write

from tenuto.errors import SpecError, UnknownNameError
from tenuto.scenarios import load_scenario, read_scenario, scenario_ids

CASES = [
    # what is added, where the line at fault begins, and the key
    (event('at_s = 1\nlabl = "x"\nmemory_mhz = 825'), "labl", "events[0].labl"),
    (event("at_s = -1\nmemory_mhz = 825"), "at_s", "events[0].at_s"),
    (event("at_s = 5\nuntil_s = 5\nmemory_mhz = 825"), "until_s", "events[0].until_s"),
    (event("at_s = 100\nmemory_mhz = 825"), "at_s", "events[0].at_s"),
    (event("at_s = nan\nmemory_mhz = 825"), "at_s", "events[0].at_s"),
    (event('at_s = "soon"\nmemory_mhz = 825'), "at_s", "events[0].at_s"),
    (event('at_s = 1\nlabel = "nothing"'), "[[events]]", "events[0]"),
    (event("at_s = 1\nbackground = { npu = { busy_cores = 1 } }"), "background", "events[0].background.npu"),
    (event("at_s = 1\nbackground = { a7 = { busy_cores = 5 } }"), "background", "events[0].background.a7.busy_cores"),
    (event("at_s = 1\nbackground = { a7 = { busy_share = 1.5 } }"), "background", "events[0].background"),
    (event("at_s = 1\n[events.background.a7]\nbusy_cores = 1\nbusy_share = 0.5"), "busy_share", None),
    (event("at_s = 1\n[events.background.a7]\nbusy_cores = 3\nn_threads = 2"), "n_threads", None),
    (event("at_s = 1\n[events.background.a7]\nmemory_gb_s = 0"), "[events.background.a7]", "events[0].background.a7"),
    (event("at_s = 1\nslowdown = { a7 = 0.9 }"), "slowdown", "events[0].slowdown"),
    (event("at_s = 1\nslowdown = { a77 = 1.9 }"), "slowdown", "events[0].slowdown.a77"),
    (event("at_s = 1\ncaps_mhz = { a7 = 100 }"), "caps_mhz", "events[0].caps_mhz.a7"),
    (event('at_s = 1\nlost = [\n  "a15",\n  "b15"]'), '  "b15"', "events[0].lost[1]"),
    (event('at_s = 1\nlost = ["a7", "a15"]'), "lost", "events[0].lost"),
    (event("at_s = 1\nmemory_mhz = 800"), "memory_mhz", "events[0].memory_mhz"),
    (event("at_s = 1\nbattery_charge = 0.5"), "battery_charge", "events[0].battery_charge"),
    (event("at_s = 1\nambient_c = { from = 20, to = 30 }"), "ambient_c", "events[0].ambient_c"),
    (event("at_s = 1\nambient_c = 300"), "ambient_c", "events[0].ambient_c"),
    (event('at_s = 1\nsensor_lost = ["a7.temperature_c"]'), "sensor_lost", "events[0].sensor_lost[0]"),
    (event('at_s = 1\nrequirements = { application = "camra" }'), "requirements", None),
    (event('at_s = 1\nrequirements = { application = "camera", times_of_largest = 1 }'), "requirements", None),
    (event("at_s = 1\nutilisation = { }"), "utilisation", "events[0].utilisation"),
    (event('at_s = 1\nutilisation = { fitted = "lunch", cores = { a7 = 1 } }'), "utilisation", None),
    (event('at_s = 1\nutilisation = { fitted = "object-detection-nano" }'), "utilisation", "events[0].utilisation"),
    (event('at_s = 1\nutilisation = { recorded = "no.csv", columns = { a7 = ["core1"] } }'), "utilisation", None),
    (
        event("at_s = 1\nbackground = { a7 = { busy_cores = 3 } }")
        + "\n"
        + event("at_s = 2 # more\nbackground.a7.busy_cores = 2"),
        "background.a7",
        "events[1].background.a7",
    ),
    (event("at_s = 1\nlost = ['a7']") + "\n" + event("at_s = 2 # all\nlost = ['a15']"), "[[events]]", "events[1]"),
    (APPLICATION, "name", "applications[1].name"),
    ("[noise]\nsigma = -0.1", "sigma", "noise.sigma"),
    ("[noise]\nsigmas = 0.1", "sigmas", "noise.sigmas"),
    ("[[variants]]\nduration_s = 50", "[[variants]]", "variants[0]"),
    ('[[variants]]\nlabel = ""', "[[variants]]", "variants[0]"),
    ('[[variants]]\nlabel = "a"\n[[variants]]\nlabel = "a"', "label", "variants[1].label"),
    ('[[variants]]\nlabel = "a"\nid = "b@1"', 'id = "b', "variants[0].id"),
    (
        '[[variants]]\nlabel = "a"\nduration_s = 50\napplications.camra.priority = 1',
        "applications.camra",
        "variants[0].applications.camra",
    ),
    (
        '[[variants]]\nlabel = "a"\napplications.camera.period = 1',
        "applications.camera",
        "variants[0].applications.camera.period",
    ),
    ('[sweep]\nkey = "applications.camera"\nfrom = 1\nto = 2\nn = 3', "key", "sweep.key"),
    ('[sweep]\nkey = "applications.camera.speed"\nfrom = 1\nto = 2\nn = 3', "[sweep]", "sweep"),
    ('[sweep]\nkey = "duration_s"\nfrom = 1\nto = 2\nn = 1', "n = 1", "sweep.n"),
]

APPLICATION_CASES = [
    ("priority = 1.5", "priority", "applications[0].priority"),
    ("rate_hz = 3", "rate_hz", "applications[0].rate_hz"),
    ("cv2 = 3", "cv2", "applications[0].cv2"),
    ("times_of_largest = 3", "times_of_largest", "applications[0].times_of_largest"),
    ("accuracy_pct = 80", "accuracy_pct", "applications[0].accuracy_pct"),
    ("temperature_c = 26", "temperature_c", "applications[0].temperature_c"),
    ('maximise = "speed"', "maximise", "applications[0].maximise"),
    ('minimise = "accuracy_pct"', "minimise", "applications[0].minimise"),
    ('minimise = "energy_mj"\nmaximise = "accuracy_pct"', "minimise", "applications[0].minimise"),
    ("priorities = { speed = 1 }", "priorities", "applications[0].priorities.speed"),
    ("mission_s = 100", "mission_s", "applications[0].mission_s"),
    ("mission_mj = 100", "mission_mj", "applications[0].mission_mj"),
    ("from_s = 100", "from_s", "applications[0].from_s"),
    ("from_s = 10\nuntil_s = 9", "until_s", "applications[0].until_s"),
    ('clusters = ["a7", "a16"]', "clusters", "applications[0].clusters[1]"),
    ("n_cores = [4, 8]", "n_cores", "applications[0].n_cores[1]"),
    (
        '[applications.anchor]\ncluster = "a7"\nfrequency_mhz = 950\nfrom = "x"\nlatency_ms = { "level 1" = 5 }',
        "frequency_mhz",
        "applications[0].anchor.frequency_mhz",
    ),
    (
        '[applications.anchor]\ncluster = "a7"\nn_cores = 5\nfrequency_mhz = 900\nfrom = "x"\n'
        'latency_ms = { "level 1" = 5 }',
        "n_cores",
        "applications[0].anchor.n_cores",
    ),
    (
        '[applications.anchor]\ncluster = "a7"\nfrequency_mhz = 900\nfrom = "x"\nlatency_ms = { "level 7" = 5 }',
        "latency_ms = {",
        "applications[0].anchor.latency_ms.level 7",
    ),
    (
        '[applications.anchor]\ncluster = "a7"\nfrequency_mhz = 900\nfrom = "x"\n'
        'latency_ms = { "level 1" = 5, "level 2" = 6 }',
        "latency_ms = {",
        "applications[0].anchor.latency_ms",
    ),
]


@pytest.mark.parametrize(("addition", "line", "key"), CASES, ids=[str(index) for index in range(len(CASES))])
def test_a_mistake_is_told_with_its_line_and_key(addition: str, line: str, key: str | None, tmp_path: Path) -> None:
    path = write(tmp_path, addition)
    with pytest.raises(SpecError) as caught:
        read_scenario(path)
    assert caught.value.path == path
    text = path.read_text(encoding="utf-8").splitlines()
    assert text[caught.value.line - 1].startswith(line)
    if key is not None:
        assert caught.value.key == key
    if (addition, key) == (APPLICATION, "applications[1].name") or key in ("events[1]", "variants[1].label"):
        assert caught.value.line > line_of(path, line)  # the second of them


@pytest.mark.parametrize(("addition", "line", "key"), APPLICATION_CASES, ids=lambda value: str(value)[:30])
def test_a_mistake_of_an_application_is_too(addition: str, line: str, key: str, tmp_path: Path) -> None:
    path = write(tmp_path, application=f"{APPLICATION}{addition}")
    with pytest.raises(SpecError) as caught:
        read_scenario(path)
    assert (caught.value.key, caught.value.line) == (key, line_of(path, line))


@pytest.mark.parametrize(
    ("head", "line", "key"),
    [
        (HEAD.replace("test@1", "test"), "id", "id"),
        (HEAD.replace("odroid-xu3@1", "odroid-xu4"), "board", "board"),
        (HEAD.replace("100", "0"), "duration_s", "duration_s"),
        (HEAD.replace("duration_s = 100", "duration_s = inf"), "duration_s", "duration_s"),
        (HEAD.replace("title", "titel"), "titel", "titel"),
        (HEAD.replace("duration_s = 100", "duration_s = 0.1"), "latency_ms", "applications[0].latency_ms"),
        (HEAD + "battery_wh = 0\n", "battery_wh", "battery_wh"),
    ],
)
def test_a_mistake_at_the_top_is_too(head: str, line: str, key: str, tmp_path: Path) -> None:
    path = write(tmp_path, head=head)
    with pytest.raises(SpecError) as caught:
        read_scenario(path)
    assert (caught.value.key, caught.value.line) == (key, line_of(path, line))


@pytest.mark.parametrize(
    ("application", "line"),
    [
        (APPLICATION.replace("dynamic-ofa-gpu", "dynamic-ofb"), "network"),
        (APPLICATION.replace("dynamic-ofa-gpu", "dynamic-ofa-cpu"), "network"),  # has no graphs
        (APPLICATION.replace("period_ms = 200\n", ""), "[[applications]]"),
        (APPLICATION.replace('name = "camera"\n', ""), "[[applications]]"),
        (APPLICATION.replace("dynamic-ofa-gpu", "resnet18") + "accuracy_pct = 60", "accuracy_pct"),
        (APPLICATION.replace("period_ms = 200", 'arrivals = { file = "nowhere.csv" }'), "arrivals"),
    ],
)
def test_an_application_that_cannot_run_is_refused(application: str, line: str, tmp_path: Path) -> None:
    path = write(tmp_path, application=application)
    with pytest.raises(SpecError) as caught:
        read_scenario(path)
    assert caught.value.line == line_of(path, line)


def test_a_near_name_is_hinted_at(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="latency_ms"):
        read_scenario(write(tmp_path, application=APPLICATION.replace("latency_ms", "latency")))


def test_a_ramp_that_lacks_an_end_is_told_where_it_stands(tmp_path: Path) -> None:
    path = write(tmp_path, event("at_s = 1\nuntil_s = 9\nambient_c = { from = 20, too = 30 }"))
    with pytest.raises(SpecError) as caught:
        read_scenario(path)
    assert (caught.value.key, caught.value.line) == ("events[0].ambient_c.too", line_of(path, "ambient_c"))


def test_text_that_is_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "[[events]\nat_s = 1")
    with pytest.raises(SpecError) as caught:
        read_scenario(path)
    assert caught.value.line == line_of(path, "[[events]")


def test_a_file_that_ends_too_early_is_told_with_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text('id = "a@1"\ntitle = [\n1', encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        read_scenario(path)
    assert caught.value.line == 3


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_told(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load_scenario(path)
    assert caught.value.path == path


def test_an_unknown_name_comes_with_its_neighbours() -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_scenario("xu3-head")
    assert caught.value.matches[0] == "xu3-heat"
    with pytest.raises(UnknownNameError) as caught:
        load_scenario("xu3-heat@7")
    assert "xu3-heat@1" in caught.value.matches
    assert set(caught.value.matches) <= {*scenario_ids(), *(name.partition("@")[0] for name in scenario_ids())}
