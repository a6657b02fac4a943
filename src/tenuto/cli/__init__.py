"""The command line: words in, values out."""

import sys
from typing import TYPE_CHECKING

from tenuto.errors import TenutoError

if TYPE_CHECKING:
    import typer

INTERRUPTED = 130


def _app() -> "typer.Typer":
    # Here, so that a Ctrl-C while they load is answered like any other.
    import typer  # noqa: PLC0415

    from tenuto.cli import boards, demo, doctor, explain, plot, profile, replay, select, train  # noqa: PLC0415

    app = typer.Typer(
        help="Keep a deep neural network inside its requirements while the device under it changes.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for module in (boards, demo, doctor, explain, profile, replay, select, train):
        app.command(module.__name__.rpartition(".")[2])(module.command)
    app.add_typer(plot.app, name="plot")
    return app


def main() -> None:
    """Run a command; 0 done, 2 usage or file, 3 platform, 130 interrupted."""
    try:
        _app()()
    except TenutoError as error:
        sys.stderr.write(f"tenuto: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say_interrupted()
    except ImportError as error:
        # A library in C that is loading when Ctrl-C comes says so in this way.
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        _say_interrupted()


def _say_interrupted() -> None:
    sys.stderr.write("tenuto: interrupted; every knob is as it was\n")
    sys.exit(INTERRUPTED)
