"""Operating points: a configuration together with the figures expected in it.

A `SubNetwork` is one setting of a super-network; a `Configuration` adds where and how fast it runs; an
`OperatingPoint` adds the figures expected there, each an `Estimate` that says where it comes from; an
`OperatingTable` holds many points as one NumPy array per column, and reads and writes one file.
"""

from tenuto.points._column import Column
from tenuto.points._file import SCHEMA, read_table, table_from_builtins, table_to_builtins, write_table
from tenuto.points._pareto import pareto_indices
from tenuto.points._point import SOURCES, Configuration, Estimate, OperatingPoint, Source
from tenuto.points._sub_network import DIMENSION_CODES, SubNetwork
from tenuto.points._table import NO_FREQUENCY, OperatingTable

__all__ = [
    "DIMENSION_CODES",
    "NO_FREQUENCY",
    "SCHEMA",
    "SOURCES",
    "Column",
    "Configuration",
    "Estimate",
    "OperatingPoint",
    "OperatingTable",
    "Source",
    "SubNetwork",
    "pareto_indices",
    "read_table",
    "table_from_builtins",
    "table_to_builtins",
    "write_table",
]
