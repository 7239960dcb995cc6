"""``python -m livebg.lab``: the evaluation command. Training has its own entry point, ``python -m livebg.lab.training``."""

import typer

from livebg.cli.console import CheckedCommand
from livebg.lab.eval_command import eval_command

app = typer.Typer(
    help="Measure networks over data sets. To train one, run python -m livebg.lab.training.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("eval", cls=CheckedCommand, no_args_is_help=True)(eval_command)


@app.callback()
def lab() -> None:
    """Force Typer to keep ``eval`` as a subcommand although it is the only one."""


if __name__ == "__main__":
    app(prog_name="python -m livebg.lab")
