"""What is read is right, and what cannot be read is absent."""

from dataclasses import replace
from pathlib import Path

import pytest

from tenuto.platforms import LinuxPlatform, Monitor, Snapshot, readings_by_quantity
from tenuto.testing.trees import BARE_VM, JETSON, ODROID_XU3, advance_load, write_text, write_tree


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_units_of_every_sensor_are_converted(tmp_path: Path) -> None:
    write_tree(tmp_path, ODROID_XU3)
    assert LinuxPlatform(tmp_path).snapshot().readings == {
        "little.frequency_hz": 1_400_000_000,
        "big.frequency_hz": 2_000_000_000,
        "cpu0-thermal.temperature_c": 51.0,
        "cpu1-thermal.temperature_c": 53.0,
        "gpu-thermal.temperature_c": 48.0,
        "ina231-a15.power_w": 2.79,
        "ina231-mem.power_w": 0.03,
        "ina231-gpu.power_w": 0.11,
        "ina231-a7.power_w": 0.169,
    }


def test_a_rail_of_an_ina3221_is_its_voltage_times_its_current_under_its_label(tmp_path: Path) -> None:
    write_tree(tmp_path, JETSON)
    chip = "sys/class/hwmon/hwmon0"
    for name, text in (("in4_input", "40"), ("curr4_input", "9000"), ("in4_label", "sum")):
        write_text(tmp_path, f"{chip}/{name}", text)
    readings = LinuxPlatform(tmp_path).snapshot().readings
    assert readings["VDD_IN.power_w"] == pytest.approx(4.968 * 0.720)
    assert [name for name in readings if name.endswith("power_w")] == [
        "VDD_IN.power_w",
        "VDD_CPU_GPU_CV.power_w",
        "VDD_SOC.power_w",
    ]
    assert readings["17000000.gv11b.frequency_hz"] == 114_750_000


def test_a_machine_without_sensors_has_load_monitors_only(tmp_path: Path) -> None:
    write_tree(tmp_path, BARE_VM)
    platform = LinuxPlatform(tmp_path)
    assert [monitor.name for monitor in platform.monitors] == ["load_pct", "cpu.load_pct"]
    assert {missing.what for missing in platform.missing} == {"setting the frequency", "power", "temperature"}


@pytest.mark.parametrize("text", ["", "warm", "-274000", "999999", "4\0\N{SNOWMAN}"])
def test_a_sensor_that_yields_nonsense_is_absent_and_the_others_stay(tmp_path: Path, text: str) -> None:
    write_tree(tmp_path, ODROID_XU3)
    platform = LinuxPlatform(tmp_path)
    before = set(platform.snapshot().readings)
    write_text(tmp_path, "sys/class/thermal/thermal_zone1/temp", text)
    assert before - set(platform.snapshot().readings) == {"cpu1-thermal.temperature_c"}


def test_a_sensor_that_vanishes_is_absent_and_back_when_it_returns(tmp_path: Path) -> None:
    write_tree(tmp_path, ODROID_XU3)
    platform = LinuxPlatform(tmp_path)
    with platform.hold() as board:
        (tmp_path / "sys/class/hwmon/hwmon0/power1_input").unlink()
        assert "ina231-a15.power_w" not in board.snapshot().readings
        write_text(tmp_path, "sys/class/hwmon/hwmon0/power1_input", "1000000")
        assert board.snapshot().readings["ina231-a15.power_w"] == 1.0


def test_sensors_of_one_name_are_numbered(tmp_path: Path) -> None:
    write_tree(tmp_path, replace(BARE_VM, zones_millidegrees=(("acpitz", 20_000), ("acpitz", 30_000))))
    assert LinuxPlatform(tmp_path).snapshot().readings == {
        "acpitz.temperature_c": 20.0,
        "acpitz-2.temperature_c": 30.0,
    }


def test_a_zone_mirrored_in_hwmon_is_read_once(tmp_path: Path) -> None:
    write_tree(tmp_path, replace(BARE_VM, zones_millidegrees=(("cpu_thermal", 20_000),)))
    write_text(tmp_path, "sys/class/hwmon/hwmon0/name", "cpu_thermal")
    write_text(tmp_path, "sys/class/hwmon/hwmon0/temp1_input", "20000")
    (tmp_path / "sys/class/hwmon/hwmon0/device").symlink_to("../../thermal/thermal_zone0")
    assert list(LinuxPlatform(tmp_path).snapshot().readings) == ["cpu_thermal.temperature_c"]


def test_hwmon_channels_are_named_by_chip_and_label(tmp_path: Path) -> None:
    write_tree(tmp_path, BARE_VM)
    for name, text in (("name", "coretemp"), ("temp2_input", "41000"), ("temp2_label", "Core 0")):
        write_text(tmp_path, f"sys/class/hwmon/hwmon0/{name}", text)
    assert LinuxPlatform(tmp_path).snapshot().readings == {"coretemp-Core-0.temperature_c": 41.0}


def test_load_is_the_busy_share_of_each_cluster_over_the_last_whole_period(tmp_path: Path) -> None:
    write_tree(tmp_path, ODROID_XU3)
    seconds = Seconds()
    platform = LinuxPlatform(tmp_path, clock=seconds)
    assert "load_pct" not in platform.snapshot().readings
    advance_load(tmp_path, [(2, 18)] * 4 + [(15, 5)] * 4)
    seconds.now_s += 0.0625
    assert "load_pct" not in platform.snapshot().readings, "too short a window to say"
    seconds.now_s += 0.0625
    loads = {name: value for name, value in platform.snapshot().readings.items() if name.endswith("load_pct")}
    assert loads == {"load_pct": 42.5, "little.load_pct": 10.0, "big.load_pct": 75.0}
    seconds.now_s += 0.0625
    assert platform.snapshot().readings["load_pct"] == 42.5
    seconds.now_s += 0.0625
    assert "load_pct" not in platform.snapshot().readings, "not a tick has passed: nothing is known"


def test_energy_goes_on_rising_when_the_counter_wraps_and_power_is_its_slope(tmp_path: Path) -> None:
    top = 262_143_328_850
    write_tree(tmp_path, replace(BARE_VM, energies_uj=(("package-0", top - 1_000_000),)))
    counter = "sys/class/powercap/intel-rapl:0/energy_uj"
    seconds = Seconds()
    platform = LinuxPlatform(tmp_path, clock=seconds)
    first = platform.snapshot().readings
    assert "package-0.power_w" not in first
    seconds.now_s += 0.5
    write_text(tmp_path, counter, "3000000")
    second = platform.snapshot().readings
    assert second["package-0.energy_mj"] - first["package-0.energy_mj"] == pytest.approx(4000)
    assert second["package-0.power_w"] == pytest.approx(8.0)
    seconds.now_s += 0.001
    write_text(tmp_path, counter, "3900000")
    assert platform.snapshot().readings["package-0.power_w"] == pytest.approx(8.0), "a millisecond is noise"


def test_a_counter_for_root_only_is_no_monitor_but_is_named_as_missing(outsider: Path) -> None:
    write_tree(outsider, replace(BARE_VM, energies_uj=(("package-0", 5),)))
    (outsider / "sys/class/powercap/intel-rapl:0/energy_uj").chmod(0)
    platform = LinuxPlatform(outsider)
    assert not [monitor for monitor in platform.monitors if monitor.quantity == "power_w"]
    power = next(missing for missing in platform.missing if missing.what == "power")
    assert "sudo chmod a+r" in (power.remedy or "")


def test_a_quota_of_the_cgroup_is_said(tmp_path: Path) -> None:
    write_tree(tmp_path, BARE_VM)
    write_text(tmp_path, "sys/fs/cgroup/cpu.max", "150000 100000")
    found = {missing.what: missing.why for missing in LinuxPlatform(tmp_path).missing}
    assert "1.5" in found["processors without a quota"]


def test_a_policy_is_told_the_hottest_temperature_and_no_sum_of_rails() -> None:
    monitors = [
        Monitor("a.temperature_c", "temperature_c"),
        Monitor("b.temperature_c", "temperature_c"),
        Monitor("x.power_w", "power_w"),
        Monitor("y.power_w", "power_w"),
        Monitor("load_pct", "load_pct"),
        Monitor("big.load_pct", "load_pct"),
        Monitor("p.energy_mj", "energy_mj", "monotone"),
    ]
    readings = {
        "a.temperature_c": 50.0,
        "b.temperature_c": 60.0,
        "x.power_w": 1.0,
        "y.power_w": 2.0,
        "load_pct": 30.0,
        "big.load_pct": 90.0,
        "p.energy_mj": 7.0,
    }
    assert readings_by_quantity(monitors, Snapshot(0.0, readings)) == {"temperature_c": 60.0, "load_pct": 30.0}
    one_rail = [monitor for monitor in monitors if monitor.name != "y.power_w"]
    assert readings_by_quantity(one_rail, Snapshot(0.0, readings))["power_w"] == 1.0


def test_this_machine_reads_what_it_lists(host: LinuxPlatform) -> None:
    with host.hold() as board:
        assert set(board.snapshot().readings) <= {monitor.name for monitor in host.monitors}
