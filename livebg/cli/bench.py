"""``livebg bench``."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Column, Table

from livebg.cli.console import CheckedCommand, output
from livebg.cli.options import ConfigOption, ModelOption
from livebg.config.parsing import parse_size
from livebg.errors import ConfigError

if TYPE_CHECKING:
    from livebg.bench.live import LiveCost
    from livebg.bench.recording import Recording
    from livebg.bench.render import RenderCost
    from livebg.config.settings import Settings

app = typer.Typer(help="Measure CPU time and latency on this machine.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Compare the ratios between machines, not the milliseconds."""


@app.command("render", cls=CheckedCommand)
def bench_render(
    clip: Annotated[Path | None, typer.Argument(help="A video; by default a synthetic 720p clip.")] = None,
    frames: Annotated[int, typer.Option(min=10, help="Number of frames.")] = 150,
    model: ModelOption = None,
    input_size: Annotated[str | None, typer.Option(metavar="WxH", help="Network input size.")] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    config: ConfigOption = None,
) -> None:
    """CPU time per frame of `livebg render`, by stage.

    Runs on one thread, and compares with a plain decode and encode of the same clip.
    """
    with tempfile.TemporaryDirectory(prefix="livebg-bench-") as folder:
        from livebg.config.loading import load_settings

        overrides = {"model.name": model, "model.input_size": input_size, "model.threads": 1}
        settings = load_settings(overrides, config)
        from livebg.bench.recording import write_clip
        from livebg.bench.render import bench_render as measure
        from livebg.compositing.composite import Consent
        from livebg.factory import build_segmenter

        if clip is None:
            clip = Path(folder) / "made-up.mp4"
            write_clip(clip, frames)
        segmenter = build_segmenter(settings)
        cost = measure(settings, segmenter, clip, frames, Consent("livebg bench render"))
    if json_lines:
        ratios = {"total": cost.total, "over_bare": cost.over_bare, "finishing_blends": cost.finishing_blends}
        output().print(json.dumps(asdict(cost) | ratios), markup=False)
    else:
        _print_cost(cost)


def _print_cost(cost: "RenderCost") -> None:
    table = Table("stage", Column("CPU ms per frame", justify="right"), Column("share", justify="right"))
    for stage, milliseconds in cost.stages.items():
        table.add_row(stage, f"{milliseconds:.2f}", f"{milliseconds / cost.total:.1%}")
    table.add_section()
    table.add_row("all", f"{cost.total:.2f}", "100.0%")
    output().print(table)
    size, input_size = ("x".join(map(str, pixels)) for pixels in (cost.size, cost.input_size))
    out = output()
    out.print(f"{cost.clip}: {cost.frames} frames of {size}, {cost.model} at {input_size}")
    out.print(f"plain decode and encode: {cost.bare:.2f} ms; `livebg render` takes {cost.over_bare:.2f} times as long")
    out.print(
        f"one I420 blend: {cost.blend:.2f} ms; filter, upsampling and compositing take {cost.finishing_blends:.2f} times as long"
    )
    if cost.peak:
        out.print(f"peak memory: {cost.peak[0]:.0f} MiB after 10 % of the frames, {cost.peak[1]:.0f} MiB at the end")


@app.command("live", cls=CheckedCommand)
def bench_live(
    clip: Annotated[Path | None, typer.Argument(help="A video to film; by default a synthetic scene.")] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Size of the synthetic scene; default camera.size.")] = None,
    pixel_format: Annotated[Literal["MJPG", "YUYV"], typer.Option(help="What the camera delivers.")] = "MJPG",
    seconds: Annotated[float, typer.Option(min=1, max=86400, help="How long to measure each session.")] = 10,
    model: ModelOption = None,
    against: Annotated[
        list[str] | None, typer.Option("--against", metavar="NAME|FILE", help="Another network to measure in the same run.")
    ] = None,
    profile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write collapsed stacks of another session, in microseconds of CPU time.")
    ] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON object per session.")] = False,
    config: ConfigOption = None,
) -> None:
    """CPU time per frame, latency and rates of `livebg run`.

    The frames arrive as from a V4L2 camera, in its pixel format. The network runs on one thread, so that CPU time is
    attributed to the right part. Compares with a session that passes the same frames through without an effect.
    """
    from livebg.config.loading import load_settings

    if profile is not None:
        _require_new(profile)
    overrides = {"camera.size": size, "model.threads": 1}
    chosen = [load_settings(overrides | {"model.name": name}, config) for name in [model, *(against or [])]]
    from livebg.bench.recording import clip_recording, synthetic_recording
    from livebg.factory import build_segmenter

    for settings in chosen:
        build_segmenter(settings)  # report an unusable network before the measurements of the others
    if clip is None:
        recording = synthetic_recording(size=_scene_size(chosen[0].camera.size), pixel_format=pixel_format)
    else:
        recording = clip_recording(clip, pixel_format=pixel_format)
    costs = _measure_sessions(chosen, recording, seconds, profile)
    if json_lines:
        for cost in costs:
            output().print(json.dumps(_live_facts(cost, costs[0])), markup=False)
    else:
        shape = recording.format
        _print_live_costs(f"{shape.width}x{shape.height} {pixel_format}", costs)


def _scene_size(text: str) -> tuple[int, int]:
    width, height = parse_size(text) or (1280, 720)
    if width % 2 or height % 2:
        raise ConfigError(f"The size {text} of the synthetic scene is odd.", "Use an even width and height.")
    return width, height


def _require_new(profile: Path) -> None:
    """Check it before the measurement, which takes a while."""
    if profile.exists() or not profile.parent.is_dir():
        found = "exists already" if profile.exists() else "is in a folder that does not exist"
        raise ConfigError(f"The profile {profile} {found}.", "Choose another file.")


def _measure_sessions(chosen: "list[Settings]", recording: "Recording", seconds: float, profile: Path | None) -> "list[LiveCost]":
    """Measure pass-through, then a session for each of the chosen settings. Writes a profile of another session."""
    from livebg.bench.live import bench_live as measure
    from livebg.bench.profile import StackProfiler
    from livebg.compositing.composite import Consent

    bare = measure(chosen[0], recording, seconds, Consent("livebg bench live"))
    costs = [bare, *(measure(settings, recording, seconds) for settings in chosen)]
    if profile is not None:
        profiler = StackProfiler()
        measure(chosen[0], recording, seconds, profiler=profiler)
        profiler.write(profile)
    return costs


def _live_facts(cost: "LiveCost", bare: "LiveCost") -> dict[str, object]:
    relative = {name: milliseconds / bare.total for name, milliseconds in cost.stages.items()}
    ratios = {"in_stages": cost.in_stages, "over_pass_through": cost.total / bare.total}
    return asdict(cost) | ratios | {"stages_over_pass_through": relative}


def _print_live_costs(source: str, costs: list["LiveCost"]) -> None:
    bare = costs[0]

    def relative(milliseconds: float) -> str:
        return f"{milliseconds:.2f} ({milliseconds / bare.total:.2f})"

    names = ["pass-through" if cost is bare else cost.model for cost in costs]
    table = Table("CPU ms per frame", *(Column(name, justify="right") for name in names))
    for stage in costs[-1].stages:
        table.add_row(stage, *(relative(cost.stages[stage]) if stage in cost.stages else "" for cost in costs))
    table.add_section()
    table.add_row("all stages", *(relative(cost.in_stages) for cost in costs))
    table.add_row("whole process", *(relative(cost.total) for cost in costs))
    table.add_section()
    table.add_row("frames per second in", *(f"{cost.fps_in:.1f}" for cost in costs))
    table.add_row("composites per second out", *(f"{cost.fps_out:.1f}" for cost in costs))
    table.add_row("dropped", *(f"{cost.dropped} of {cost.captured}" for cost in costs))
    table.add_row("latency p50, ms", *(f"{cost.latency.p50_ms:.1f}" if cost.latency else "" for cost in costs))
    table.add_row("latency p95, ms", *(f"{cost.latency.p95_ms:.1f}" if cost.latency else "" for cost in costs))
    output().print(table)
    sizes = ", ".join(f"{cost.model} at {'x'.join(map(str, cost.input_size))}" for cost in costs if cost.input_size)
    output().print(f"{source} in real time; {sizes}; in parentheses: relative to the whole process of pass-through")
