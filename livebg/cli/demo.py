"""``livebg demo``."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from livebg.cli.console import errors, output
from livebg.cli.options import ConfigOption, ModelOption, VerboseOption


def demo(
    folder: Annotated[Path, typer.Option("-o", "--output", help="Folder for demo.mp4 and demo.png.")] = Path(),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    model: ModelOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    config: ConfigOption = None,
    _verbose: VerboseOption = False,
) -> None:
    """Render a demo video and contact sheet, in about a minute."""
    from livebg.config.loading import load_settings

    settings = load_settings({"model.name": model}, config)
    from livebg.compositing.composite import Consent
    from livebg.demo import find_material, make_demo
    from livebg.factory import build_segmenter

    material, segmenter = find_material(), build_segmenter(settings)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=errors(), disable=quiet) as bars:
        consent, show = Consent("livebg demo"), _show_in(bars)
        made = make_demo(folder, material, settings, segmenter, consent, progress=show, overwrite=overwrite)
    if not quiet:
        output().print(escape(f"{made.video} and {made.sheet}: {made.frames} frames in {made.seconds:.1f} s"), soft_wrap=True)


def _show_in(bars: Progress) -> Callable[[str, int, int], None]:
    """Return a progress callback that shows one bar per task."""
    tasks: dict[str, TaskID] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(escape(what), total=total)
        bars.update(tasks[what], completed=done)

    return show
