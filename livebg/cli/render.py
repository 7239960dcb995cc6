"""``livebg render``."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livebg.cli.console import errors, output
from livebg.cli.options import (
    MODE_HELP,
    BackgroundOption,
    BlurOption,
    ConfigOption,
    FramingOption,
    ModelOption,
    VerboseOption,
    effect_settings,
)
from livebg.config.choices import MAX_JOBS, Temporal
from livebg.config.parsing import parse_time
from livebg.errors import ConfigError
from livebg.rendering.jobs import RenderMode, plan_jobs

if TYPE_CHECKING:
    from livebg.compositing.composite import Consent
    from livebg.config.settings import Settings
    from livebg.rendering.cluster import ClusterWorkers
    from livebg.rendering.cluster_address import ClusterAddress
    from livebg.rendering.jobs import Plan
    from livebg.rendering.reporters import QuietReporter
    from livebg.rendering.video_plan import RenderOptions

# Unreadable files are reported by livebg, not by typer as a usage error.
InputsArgument = Annotated[list[Path], typer.Argument(readable=False, help="Videos, photos, or folders of them.")]
OutputOption = Annotated[
    Path | None, typer.Option("-o", "--output", readable=False, help="Output file; for several inputs, the output folder.")
]


def _job_count(text: str | None) -> str | None:
    if text in (None, "auto") or (text.isdecimal() and 1 <= int(text) <= MAX_JOBS):
        return text
    raise typer.BadParameter(f"Give a number from 1 to {MAX_JOBS}, or auto.")


def render(
    inputs: InputsArgument,
    output: OutputOption = None,
    mode: Annotated[RenderMode | None, typer.Option(help=MODE_HELP)] = None,
    background: BackgroundOption = None,
    blur: BlurOption = None,
    framing: FramingOption = None,
    model: ModelOption = None,
    input_size: Annotated[str | None, typer.Option(metavar="WxH", help="Network input size.")] = None,
    provider: Annotated[str | None, typer.Option(help="Execution provider of onnxruntime: auto, cpu, cuda, ...")] = None,
    temporal: Annotated[
        Temporal | None, typer.Option(help="Temporal filter: use future frames too, or past frames only.")
    ] = None,
    start: Annotated[str | None, typer.Option(metavar="T", help="Start time: seconds or HH:MM:SS.")] = None,
    end: Annotated[str | None, typer.Option(metavar="T", help="End time: seconds or HH:MM:SS.")] = None,
    codec: Annotated[str | None, typer.Option(help="Video encoder; default libx264.")] = None,
    crf: Annotated[float | None, typer.Option(help="Constant rate factor, 0 is the best quality; default 19.")] = None,
    preset: Annotated[str | None, typer.Option(help="Encoder preset, ultrafast to placebo; default medium.")] = None,
    drop_streams: Annotated[
        bool, typer.Option("--drop-streams", help="Leave out streams that the output format cannot store.")
    ] = False,
    keep_streams: Annotated[
        bool, typer.Option("--keep-streams", help="Stop if the output format cannot store a data stream; default: leave it out.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing output files.")] = False,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Leave out inputs whose output exists.")] = False,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=FILE", help="Also write the matte, the cutout, or the plate (the room without the person)."),
    ] = None,
    keep_matte: Annotated[bool, typer.Option("--keep-matte", help="Also write a lossless matte for --matte.")] = False,
    matte: Annotated[
        Path | None, typer.Option(readable=False, metavar="FILE", help="Use the mattes in this file instead of the network.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of continuing an interrupted run.")] = False,
    jobs: Annotated[
        str | None, typer.Option(metavar="N", callback=_job_count, help="Number of processes; default auto: all CPU cores.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS|local", help="Render on a Dask cluster: `livebg help cluster`.")
    ] = None,
    insecure_cluster: Annotated[
        bool, typer.Option("--insecure-cluster", help="Allow a cluster on other machines without encryption.")
    ] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON object per line instead of a progress bar.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    config: ConfigOption = None,
    _verbose: VerboseOption = False,
) -> None:
    """Render videos, photos and folders."""
    from livebg.config.loading import load_settings  # slow to import, and `--help` does not need it

    if drop_streams and keep_streams:
        raise ConfigError("--drop-streams and --keep-streams exclude each other.", "Leave one of them out.")
    overrides = effect_settings(mode, background, blur, framing) | {
        "model.name": model,
        "model.input_size": input_size,
        "model.provider": provider,
        "smoothing.temporal": temporal,
        "render.codec": codec,
        "render.crf": crf,
        "render.preset": preset,
        "render.jobs": jobs,
    }
    settings = load_settings(overrides, config)
    from livebg.rendering.video_plan import RenderOptions
    from livebg.sinks.stream_selection import CopyOptions

    consent = _consent("--mode none") if mode == "none" else None
    copy = CopyOptions(_seconds(start), _seconds(end), drop_streams, keep_streams)
    address = _cluster_address(cluster, insecure_cluster)
    if address:
        from livebg.rendering.cluster_paths import with_absolute_paths

        settings = with_absolute_paths(settings)
        inputs, output, matte = [path.absolute() for path in inputs], output and output.absolute(), matte and matte.absolute()
    options = RenderOptions(copy, overwrite, fresh, matte, consent)
    planned = plan_jobs(inputs, output, "none" if mode == "none" else settings.effect.mode, skip_existing=skip_existing)
    if matte is not None:
        _check_network({"--model": model, "--input-size": input_size, "--provider": provider, "--temporal": temporal})
    if planned.jobs and all(job.is_photo for job in planned.jobs):
        _check_range({"--start": start, "--end": end})
    planned = _with_extras(planned, also or [], keep_matte, options)
    raise typer.Exit(_render(settings, planned, options, "json" if json_lines else "quiet" if quiet else "bar", address))


def _cluster_address(text: str | None, insecure: bool) -> "ClusterAddress | None":
    from livebg.rendering.cluster_address import parse_cluster

    if text is None and insecure:
        raise ConfigError("--insecure-cluster needs --cluster.", "Name the cluster, or leave it out.")
    return None if text is None else parse_cluster(text, insecure)


def _check_network(network: Mapping[str, str | None]) -> None:
    """Check that no option of the network is set, because a stored matte replaces it."""
    for option in (name for name, value in network.items() if value is not None):
        raise ConfigError(f"With --matte no network runs, so {option} has no effect.", "Leave one of them out.")


def _check_range(times: Mapping[str, str | None]) -> None:
    """Check that no time is set, because photos have none."""
    for option in (name for name, value in times.items() if value is not None):
        raise ConfigError(f"{option} needs a video, but there are only photos.", "Leave it out.")


def _with_extras(plan: "Plan", also: list[str], keep_matte: bool, options: "RenderOptions") -> "Plan":
    from livebg.rendering.extra_outputs import parse_also
    from livebg.rendering.outputs import with_extras

    wanted = {"--also": also, "--keep-matte": keep_matte, "--matte": options.matte}
    for option in (name for name, value in wanted.items() if value):
        if options.consent is not None:
            raise ConfigError(f"{option} needs a matte, and --mode none has none.", "Leave one of them out.")
    if keep_matte and options.matte is not None:
        raise ConfigError("--keep-matte and --matte exclude each other: the matte is stored already.", "Leave one of them out.")
    if options.matte is not None and len(plan.jobs) + len(plan.existing) != 1:
        raise ConfigError(f"--matte is the matte of one video, but there are {len(plan.jobs)} inputs.", "Name one video.")
    if options.matte is not None and plan.jobs and plan.jobs[0].is_photo:
        raise ConfigError(f"--matte is the matte of a video, but {plan.jobs[0].input} is a photo.", "Name a video.")
    if not (also or keep_matte) or not plan.jobs:
        return plan
    extras = parse_also(also, _consent("--also plate"))
    return replace(plan, jobs=with_extras(plan.jobs, extras, keep_matte=keep_matte))


def _consent(option: str) -> "Consent":
    from livebg.compositing.composite import Consent

    return Consent(f"livebg render {option}")


def _render(settings: "Settings", plan: "Plan", options: "RenderOptions", report: str, cluster: "ClusterAddress | None") -> int:
    from livebg.factory import build_effect
    from livebg.rendering.batch import BatchRenderer
    from livebg.rendering.workers import count_jobs, open_workers

    if options.consent is None:
        build_effect(settings)  # report an unusable background before opening any input
    count = count_jobs(settings.render.jobs)
    with _reporter(report) as reporter, ExitStack() as opened:
        workers: ClusterWorkers | None = None
        batch = BatchRenderer(settings, options, reporter, lambda count: workers or open_workers(count), count)
        batch.check(plan.jobs)
        if plan.skipped:
            reporter.skipped(plan.skipped)
        if plan.existing:
            reporter.existing(plan.existing)
        if cluster and plan.jobs:
            workers = opened.enter_context(_cluster_workers(cluster, settings, options, count, reporter))
        return batch.run(plan.jobs)


def _cluster_workers(
    address: "ClusterAddress", settings: "Settings", options: "RenderOptions", count: int, reporter: "QuietReporter"
) -> "ClusterWorkers":
    """Connect to the cluster, before any input is opened, and report what it means."""
    from livebg.rendering.cluster import ClusterWorkers

    effect = settings if options.consent is None else None
    workers = ClusterWorkers(address, effect, count, network=options.matte is None, warn=reporter.warn)
    for sentence in (*([workers.notice] if workers.notice else []), *workers.notes):
        reporter.warn(sentence)
    return workers


def _reporter(report: str) -> "QuietReporter":
    from livebg.rendering.json_reporter import JsonReporter
    from livebg.rendering.reporters import BarReporter, QuietReporter

    if report == "json":
        return JsonReporter(output(), errors())
    return QuietReporter(errors()) if report == "quiet" else BarReporter(errors())


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else parse_time(text)
    except ValueError as error:
        raise ConfigError(str(error)) from None
