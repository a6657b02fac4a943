"""A row of an operating table as plain values, for `--json`."""

from typing import Any

from tenuto.points import OperatingTable


def configuration_as_json(table: OperatingTable, row: int) -> dict[str, Any]:
    """Its configuration."""
    configuration = table.configuration(row)
    return {
        "sub_network": configuration.sub_network.name,
        "cluster": configuration.cluster,
        "n_cores": configuration.n_cores,
        "frequency_hz": configuration.frequency_hz,
    }


def metrics_as_json(table: OperatingTable, row: int) -> dict[str, dict[str, Any]]:
    """Its figures, each with its source."""
    estimates = table.point(row).metrics
    return {name: {"value": estimate.value, "source": estimate.source} for name, estimate in estimates.items()}
