"""``livebg models``."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from livebg.cli.console import CheckedCommand, errors, output
from livebg.cli.options import ConfigOption, complete_model
from livebg.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from livebg.models import LocatedModel, ModelCard

NameArgument = Annotated[str, typer.Argument(help="A name from `livebg models`.", autocompletion=complete_model)]
app = typer.Typer(help="List and download networks.")


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        models_list()


@app.command("list", cls=CheckedCommand)
def models_list(
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
    config: ConfigOption = None,
) -> None:
    """List the networks with their paths."""
    from livebg.config.loading import load_settings
    from livebg.models import REGISTRY

    folders = load_settings({}, config).model.folders
    places = {card: _located(card.name, folders) for card in REGISTRY.values()}
    if json_lines:
        for card, place in places.items():
            output().print(json.dumps(_facts(card, _usable(place))), markup=False)
        return
    output().print("\n\n".join(_description(card, place) for card, place in places.items()), markup=False)


@app.command("pull", cls=CheckedCommand)
def models_pull(name: NameArgument) -> None:
    """Download a network, verify its SHA-256 and print its path."""
    from livebg.models import card_named, find

    card = card_named(name)
    located = find(name) if card.bundled else _pull_shown(card)
    output().print(str(located.path), markup=False)


@app.command("path", cls=CheckedCommand)
def models_path(name: NameArgument, config: ConfigOption = None) -> None:
    """Print the path of a network."""
    from livebg.config.loading import load_settings
    from livebg.models import find

    output().print(str(find(name, load_settings({}, config).model.folders).path), markup=False)


def _pull_shown(card: "ModelCard") -> "LocatedModel":
    """Download a network with a progress bar."""
    from livebg.models import pull

    with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=errors()) as progress:
        task = progress.add_task(f"Downloading {card.name} ({card.license})", total=card.size_bytes)
        return pull(card, progress=lambda done, total: progress.update(task, completed=done, total=total))


def _facts(card: "ModelCard", located: "LocatedModel | None") -> dict[str, object]:
    size, sha256 = _identity(card, located)
    return {
        "name": card.name,
        "license": card.license,
        "size": size,
        "sha256": sha256,
        "pixels": card.pixels,
        "stride": card.stride,
        "bundled": card.bundled,
        "from": card.url,
        "path": located and str(located.path),
        "description": card.description,
    }


def _identity(card: "ModelCard", located: "LocatedModel | None") -> tuple[int, str]:
    """Return size in bytes and SHA-256; for the bundled network those of the file, since every training changes it."""
    return (located.size_bytes, located.sha256) if card.bundled and located else (card.size_bytes, card.sha256)


def _description(card: "ModelCard", place: "LocatedModel | ModelError") -> str:
    """Return a few lines; only one with a path can exceed 80 columns."""
    side = math.isqrt(card.pixels or 0)
    input_size = f"input {side}x{side} in the frame's aspect ratio" if side else "input size set by the file"
    located = _usable(place)
    size, _ = _identity(card, located)
    lines = [
        f"{card.name}: {size / 1e6:.1f} MB, {input_size}",
        card.description,
        f"license: {card.license}",
        f"source: {card.url.removeprefix('https://').partition('/releases/')[0] or 'included in livebg'}",
        *([place.message, place.hint or ""] if isinstance(place, ModelError) else [f"path: {place.path}"]),
    ]
    return "\n  ".join(lines)


def _located(name: str, folders: tuple[Path, ...]) -> "LocatedModel | ModelError":
    """Return the network, or why it cannot be used."""
    from livebg.models import find

    try:
        return find(name, folders)
    except ModelError as error:
        return error


def _usable(place: "LocatedModel | ModelError") -> "LocatedModel | None":
    return None if isinstance(place, ModelError) else place


@app.command("eval", cls=CheckedCommand, hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def models_eval() -> None:
    """Moved to ``python -m livebg.lab eval``."""
    raise ConfigError(
        "`livebg models eval` is not part of the package.", "Run `python -m livebg.lab eval` in a clone of the repository."
    )
