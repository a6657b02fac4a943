"""Scenarios: what is going to happen to a system from outside, as files with versioned ids.

`load_scenario` reads one that ships or one's own; `arrival_times_s` and `world_of` say what it is for one seed.
"""

from tenuto.scenarios._arrivals import arrival_times_s, with_deadline
from tenuto.scenarios._file import load_scenario, read_scenario, scenario_ids
from tenuto.scenarios._scenario import (
    Anchor,
    Application,
    Arrivals,
    Change,
    Disturbance,
    Recording,
    Scenario,
    SensorLoss,
    Service,
    Utilisation,
)
from tenuto.scenarios._services import service_names
from tenuto.scenarios._world import board_of, world_of

__all__ = [
    "Anchor",
    "Application",
    "Arrivals",
    "Change",
    "Disturbance",
    "Recording",
    "Scenario",
    "SensorLoss",
    "Service",
    "Utilisation",
    "arrival_times_s",
    "board_of",
    "load_scenario",
    "read_scenario",
    "scenario_ids",
    "service_names",
    "with_deadline",
    "world_of",
]
