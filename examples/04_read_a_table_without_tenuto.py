"""Read an operating table with nothing but Python's json module.

You will see one line per operating point, and which points are worth having: those that no other point beats in both
latency and accuracy. Give the path of a table that `tenuto profile` wrote, or nothing for a small one made up here.
"""

import json
import sys
import tempfile
from pathlib import Path


def show(path: Path) -> None:
    """Print a table. Nothing in here imports Tenuto."""
    table = json.loads(path.read_text())
    columns = {name: metric["value"] for name, metric in table["metrics"].items()}
    rows = zip(table["configurations"]["sub_network"], columns["latency_ms"], columns["accuracy_pct"], strict=True)
    best = float("-inf")
    unit = table["metrics"]["latency_ms"]["unit"]
    print(f"{table['network']}, {table['format']} of schema {table['schema']}")
    for name, latency_ms, accuracy_pct in sorted(rows, key=lambda row: (row[1], -row[2])):
        is_worth_having = accuracy_pct > best
        best = max(best, accuracy_pct)
        print(f"  {name:<22} {latency_ms:8.2f} {unit} {accuracy_pct:7.2f} %  {'*' if is_worth_having else ''}")


def made_up(folder: Path) -> Path:
    """A table to read, for those who have none: the only part that needs Tenuto."""
    from tenuto.points import write_table  # noqa: PLC0415 - the point of this example is that reading needs no import
    from tenuto.testing.policies import sample_table  # noqa: PLC0415 - likewise

    path = folder / "sample.table.json"
    write_table(sample_table(), path)
    return path


if __name__ == "__main__":
    if len(sys.argv) > 1:
        show(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            show(made_up(Path(scratch)))
