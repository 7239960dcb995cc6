"""``livebg bench``."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from livebg.cli.console import ConfigOption, ModelOption, output, spoken_errors
from livebg.config import load_settings

if TYPE_CHECKING:
    from livebg.bench import RenderCost

app = typer.Typer(help="What livebg costs on this machine.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Tell ratios, not milliseconds: they compare between machines and survive a noisy one."""


@app.command("render")
def bench_render(
    clip: Annotated[Path | None, typer.Argument(help="A video; without one, 720p is made up.")] = None,
    frames: Annotated[int, typer.Option(min=10, help="How many frames of it.")] = 150,
    model: ModelOption = None,
    input_size: Annotated[str | None, typer.Option(metavar="WxH", help="The size of the network's picture.")] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    config: ConfigOption = None,
) -> None:
    """CPU time a frame of `livebg render`, by stage and on one thread, beside a bare decode and encode of the same clip."""
    with spoken_errors(), tempfile.TemporaryDirectory(prefix="livebg-bench-") as folder:
        overrides = {"model.name": model, "model.input_size": input_size, "model.threads": 1}
        settings = load_settings(overrides, config)
        from livebg.bench import bench_render as measure
        from livebg.bench import write_clip
        from livebg.build import build_segmenter
        from livebg.compositing import Consent

        if clip is None:
            clip = Path(folder) / "made-up.mp4"
            write_clip(clip, frames)
        segmenter = build_segmenter(settings)
        cost = measure(settings, segmenter, clip, frames, Consent("livebg bench render"))
    if json_lines:
        ratios = {"total": cost.total, "over_bare": cost.over_bare, "finishing_blends": cost.finishing_blends}
        output().print(json.dumps(asdict(cost) | ratios), markup=False)
    else:
        _tell(cost)


def _tell(cost: "RenderCost") -> None:
    table = Table("stage", "CPU ms a frame", "share")
    for column in table.columns[1:]:
        column.justify = "right"
    for stage, milliseconds in cost.stages.items():
        table.add_row(stage, f"{milliseconds:.2f}", f"{milliseconds / cost.total:.1%}")
    table.add_section()
    table.add_row("all", f"{cost.total:.2f}", "100.0%")
    output().print(table)
    width, height = cost.size
    out = output()
    out.print(f"{cost.clip}: {cost.frames} frames of {width}x{height}, {cost.model} at {'x'.join(map(str, cost.input_size))}")
    out.print(f"a bare decode and encode: {cost.bare:.2f} ms; all of it costs {cost.over_bare:.2f} times that")
    out.print(
        f"one I420 blend: {cost.blend:.2f} ms; smoothing, upsampling and compositing cost {cost.finishing_blends:.2f} blends"
    )
    if cost.peak:
        out.print(f"peak memory: {cost.peak[0]:.0f} MiB after a tenth of the frames, {cost.peak[1]:.0f} MiB at the end")
