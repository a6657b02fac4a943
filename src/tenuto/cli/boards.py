"""`tenuto boards`: the simulated boards, what each figure rests on, and how far each is off."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tenuto.cli._scores import plain_table, shown
from tenuto.errors import UsageError
from tenuto.platforms.simulated import BoardSpec, ClusterSpec, board_ids, load_board, parameters
from tenuto.points import SOURCES
from tenuto.validation import score_latency, score_power, score_thermal

COLOURS = {"measured": "green", "modelled": "cyan", "published": "blue", "assumed": "yellow"}

File = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="CSV file of measurements, to validate.")]

VALIDATE = "validate"
UNITS = {"pct": "%", "c": "°C"}
"""Of a figure's last syllable, where that is not its unit itself."""


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Nothing, a board's name or file, or `validate` and that.", metavar="[validate] [BOARD]"),
    ] = None,
    *,
    power: File = None,
    latency: File = None,
    thermal: File = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """List the simulated boards, show one, or score one against measurements.

    docs/boards.md lists the columns that measurements may have.
    """
    measurements = {"power": power, "latency": latency, "thermal": thermal}
    given = {name: path for name, path in measurements.items() if path is not None}
    match words or []:
        case []:
            _refuse(given)
            _list_boards(as_json=as_json)
        case [word, board] if word == VALIDATE:
            _validate(load_board(board), given, as_json=as_json)
        case [board] if board != VALIDATE:
            _refuse(given)
            _show(load_board(board), as_json=as_json)
        case other:
            raise UsageError(
                f"asked for boards {' '.join(other)}; say `tenuto boards`, `tenuto boards NAME` or "
                "`tenuto boards validate NAME` with --power, --latency or --thermal"
            )


def _refuse(given: Mapping[str, Path]) -> None:
    """Measurements are for validating; saying nothing about them would look like a pass."""
    if given:
        raise UsageError(f"found --{min(given)}, which only `tenuto boards validate NAME` takes; say that")


def _list_boards(*, as_json: bool) -> None:
    boards = [load_board(board_id) for board_id in board_ids()]
    if as_json:
        _print_json({"boards": [_summary(board) for board in boards]})
        return
    console = Console()
    for board in boards:
        console.print(Text.assemble((board.id, "bold"), f"  {board.title}"))
        clusters = ", ".join(f"{cluster.n_cores} x {cluster.name}" for cluster in board.clusters)
        console.print(Text(f"    {clusters}; of {_counts(board).total()} figures {_told(board)}"))
    console.print("\n`tenuto boards NAME` shows every figure, and how far the model is off.")


def _show(board: BoardSpec, *, as_json: bool) -> None:
    if as_json:
        _print_json({**_summary(board), "board": msgspec.to_builtins(board)})
    else:
        Console().print(sheet(board))


def _validate(board: BoardSpec, given: Mapping[str, Path], *, as_json: bool) -> None:
    if not given:
        raise UsageError("asked to validate, found no measurements; give --power, --latency or --thermal a CSV file")
    judges = {"power": score_power, "latency": score_latency, "thermal": score_thermal}
    scores = {name: judges[name](board, path) for name, path in given.items()}
    if as_json:
        _print_json({"board": board.id, **{name: msgspec.to_builtins(score) for name, score in scores.items()}})
        return
    for name, score in scores.items():
        Console().print(shown(name, score))


def sheet(board: BoardSpec) -> Group:
    """All that is to be known of a board, for people."""
    parts: list[Any] = [Text(f"{board.id}  {board.title}", style="bold"), Text()]
    parts += [_clusters(board), *_ladders(board), Text(), _trust(board), Text(), _figures(board), Text()]
    if board.notes:
        parts += [Text("Notes", style="bold"), *(Text(f"  {note}") for note in board.notes), Text()]
    parts.append(Text("References", style="bold"))
    parts += [Text.assemble((f"  {key}", "dim"), f"  {text}") for key, text in board.references.items()]
    return Group(*parts)


def _clusters(board: BoardSpec) -> Table:
    table = plain_table("Clusters", "kind", "cores", "governor", "clocks", "voltage", "power", "latency")
    for cluster in board.clusters:
        voltage_source = cluster.ladder.voltage_source
        table.add_row(
            cluster.name,
            cluster.title,
            str(cluster.n_cores) if cluster.cpus else "-",
            cluster.governor,
            _tag(cluster.ladder.source),
            _tag(voltage_source) if voltage_source else Text("not known", style="dim"),
            _tag(_worst(cluster, "power")),
            _tag(_worst(cluster, "latency")),
        )
    return table


def _ladders(board: BoardSpec) -> list[Text]:
    """Each cluster's clocks, with the voltage where it is known."""
    lines = []
    for cluster in board.clusters:
        ladder = cluster.ladder
        voltages = [f" {volts:.3g} V" for volts in ladder.voltage_v] or [""] * len(ladder.frequency_mhz)
        steps = (f"{mhz:g}{volts}" for mhz, volts in zip(ladder.frequency_mhz, voltages, strict=True))
        lines.append(Text.assemble((f"  {cluster.name} MHz  ", "dim"), ", ".join(steps)))
    return lines


def _worst(cluster: ClusterSpec, part: str) -> str:
    """The weakest source that a part of a cluster rests on."""
    found = {parameter.source for _, parameter in parameters(getattr(cluster, part))}
    return max(found, key=SOURCES.index)


def _trust(board: BoardSpec) -> Group:
    heading = Text.assemble(("How far to trust it", "bold"), f"  of {_counts(board).total()} figures {_told(board)}")
    if not board.validation:
        return Group(heading, Text("  Nobody has compared this model with measurements.", style="yellow"))
    table = plain_table("  error", "asked", "of the model against measurements it was not fitted to")
    for result in board.validation:
        suffix = result.figure.rpartition("_")[2]
        unit = UNITS.get(suffix, suffix)
        table.add_row(
            f"  {result.value:.1f} {unit}",
            "-" if result.asked is None else f"{result.asked:g} {unit}",
            result.what,
        )
    commands = ", ".join(dict.fromkeys(result.command for result in board.validation))
    return Group(heading, table, Text(f"  computed by {commands}", style="dim"))


def _figures(board: BoardSpec) -> Table:
    table = plain_table("Figures", "value", "source", "from")
    for path, parameter in parameters(board):
        spread = "" if parameter.stdev is None else f" ± {parameter.stdev:g}"
        table.add_row(path, f"{parameter.value:g}{spread}", _tag(parameter.source), parameter.reference)
    return table


def _summary(board: BoardSpec) -> dict[str, Any]:
    counts = _counts(board)
    return {
        "id": board.id,
        "title": board.title,
        "clusters": [cluster.name for cluster in board.clusters],
        "sources": {source: counts[source] for source in SOURCES},
    }


def _counts(board: BoardSpec) -> "Counter[str]":
    return Counter(parameter.source for _, parameter in parameters(board))


def _told(board: BoardSpec) -> str:
    """How many figures rest on what."""
    counts = _counts(board)
    return ", ".join(f"{counts[source]} {source}" for source in SOURCES if counts[source])


def _tag(source: str) -> Text:
    return Text(source, style=COLOURS[source])


def _print_json(content: dict[str, Any]) -> None:
    typer.echo(msgspec.json.encode(content).decode())
