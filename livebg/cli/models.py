"""``livebg models``, and getting the network that a command needs."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from livebg.cli.console import ConfigOption, errors, output, spoken_errors
from livebg.cli.evaluate import models_eval
from livebg.config import Model, Settings, load_settings
from livebg.errors import ModelError

if TYPE_CHECKING:
    from livebg.interfaces import Segmenter
    from livebg.models import ModelCard

app = typer.Typer(help="The networks: which there are, where they lie, getting one, and measuring one.")
app.command("eval")(models_eval)


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        models_list()


@app.command("list")
def models_list(
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False, config: ConfigOption = None
) -> None:
    """List the networks and where each lies."""
    from livebg.models import REGISTRY

    with spoken_errors():
        folders = load_settings({}, config).model.folders
        places = {card: _place(card.name, folders) for card in REGISTRY.values()}
    if json_lines:
        for card, place in places.items():
            output().print(json.dumps(_facts(card, place)), markup=False)
        return
    output().print("\n\n".join(_description(card, place) for card, place in places.items()), markup=False)


@app.command("pull")
def models_pull(name: Annotated[str, typer.Argument(help="A name from `livebg models`.")]) -> None:
    """Download a network into the cache, checked by its SHA-256."""
    from livebg.models import card_named

    with spoken_errors():
        output().print(str(pull_shown(card_named(name), quiet=False)), markup=False)


@app.command("path")
def models_path(name: Annotated[str, typer.Argument(help="A name from `livebg models`.")], config: ConfigOption = None) -> None:
    """Print where a network lies."""
    from livebg.models import find

    with spoken_errors():
        output().print(str(find(name, load_settings({}, config).model.folders).path), markup=False)


def ready_segmenter(settings: Settings, fetch: Callable[["ModelCard"], object]) -> "Segmenter":
    """The network that the settings name. ``fetch`` pulls the default one when it is not there yet; any other is asked for."""
    from livebg.build import build_segmenter
    from livebg.models import card_named, find

    name = settings.model.name
    if name == Model().name and _place(name, settings.model.folders) is None:
        fetch(card_named(name))
    return build_segmenter(settings, find(name, settings.model.folders))


def pull_shown(card: "ModelCard", quiet: bool) -> Path:
    """Pull a network under a bar, and return where it lies."""
    from livebg.models import pull

    with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=errors(), disable=quiet) as progress:
        task = progress.add_task(f"pulling {card.name} ({card.licence})", total=card.size_bytes)
        return pull(card, progress=lambda done, total: progress.update(task, completed=done, total=total)).path


def _facts(card: "ModelCard", place: Path | None) -> dict[str, object]:
    facts: dict[str, object] = {"name": card.name, "licence": card.licence, "size": card.size_bytes, "sha256": card.sha256}
    facts |= {"pixels": card.pixels, "stride": card.stride, "from": card.url}
    facts |= {"package": card.package and card.package.requirement, "path": place and str(place)}
    return facts | {"description": card.description}


def _description(card: "ModelCard", place: Path | None) -> str:
    """A few lines, of which only the path may be longer than 80 columns."""
    side = math.isqrt(card.pixels or 0)
    sees = f"input {side}x{side} in the frame's aspect" if side else "input of its own size"
    origins = [card.url.removeprefix("https://").partition("/releases/")[0]] if card.url else []
    origins += [f"the package {card.package.requirement}"] if card.package else []
    lines = [
        f"{card.name}: {card.licence}, {card.size_bytes / 1e6:.1f} MB, {sees}",
        card.description,
        f"from {' or '.join(origins)}",
        f"lies at {place}" if place else f"not here yet: livebg models pull {card.name}",
    ]
    return "\n  ".join(lines)


def _place(name: str, folders: tuple[Path, ...]) -> Path | None:
    from livebg.models import find

    try:
        return find(name, folders).path
    except ModelError:
        return None
