"""``livebg render``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livebg.cli.console import ConfigOption, ModelOption, VerboseOption, be_verbose, errors, output, spoken_errors
from livebg.config.loading import load_settings
from livebg.config.parsing import parse_time
from livebg.config.settings import Settings, Temporal
from livebg.errors import ConfigError
from livebg.rendering.jobs import RenderMode, plan

if TYPE_CHECKING:
    from livebg.rendering.batch import FileOptions
    from livebg.rendering.jobs import Job
    from livebg.rendering.reporters import QuietReporter

# What cannot be read is told as everything else is, not as a mistake in usage.
InputsArgument = Annotated[list[Path], typer.Argument(readable=False, help="Videos, photos, or folders of either.")]
OutputOption = Annotated[
    Path | None, typer.Option("-o", "--output", readable=False, help="The file, or for several inputs the folder.")
]


def render(
    inputs: InputsArgument,
    output: OutputOption = None,
    mode: Annotated[RenderMode | None, typer.Option(help="What becomes of the room; by default portrait.")] = None,
    background: Annotated[
        str | None, typer.Option(metavar="PICTURE|#rrggbb|NAME", help="What to show in the room's place.")
    ] = None,
    blur: Annotated[
        float | None, typer.Option(min=0, max=1, help="Blur width, a share of the frame's height; by default 0.025.")
    ] = None,
    framing: Annotated[float | None, typer.Option(min=1, max=3, help="Follow the person, enlarging so much at most.")] = None,
    model: ModelOption = None,
    input_size: Annotated[str | None, typer.Option(metavar="WxH", help="The size of the network's picture.")] = None,
    provider: Annotated[str | None, typer.Option(help="Where onnxruntime runs the network: auto, cpu, cuda, ...")] = None,
    temporal: Annotated[
        Temporal | None, typer.Option(help="Steady the matte from what comes as well, or from the past alone.")
    ] = None,
    start: Annotated[str | None, typer.Option(metavar="T", help="Begin here: seconds or HH:MM:SS.")] = None,
    end: Annotated[str | None, typer.Option(metavar="T", help="End before this: seconds or HH:MM:SS.")] = None,
    codec: Annotated[str | None, typer.Option(help="The video encoder; by default libx264.")] = None,
    crf: Annotated[float | None, typer.Option(help="Constant quality, 0 is the best; by default 19.")] = None,
    preset: Annotated[str | None, typer.Option(help="Speed against size, ultrafast to placebo; by default medium.")] = None,
    drop_streams: Annotated[bool, typer.Option("--drop-streams", help="Leave out what the output cannot hold.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, max=64, help="How many files at the same time; by default 1.")] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON object a line in place of the bar.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Render recorded files: the person sharp, the room blurred, replaced or cut away."""
    be_verbose(verbose)
    with spoken_errors():
        chosen = _chosen_mode(mode, background)
        overrides = {
            "effect.mode": None if chosen == "none" else chosen,
            "effect.background": background,
            "effect.blur": blur,
            "effect.framing": framing,
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
        from livebg.rendering.batch import FileOptions  # av and onnxruntime take a while: `--help` does without

        options = FileOptions(_seconds(start), _seconds(end), overwrite, drop_streams)
        planned = plan(inputs, output, chosen or settings.effect.mode)
        code = _render(settings, planned, options, chosen == "none", "json" if json_lines else "quiet" if quiet else "bar")
    raise typer.Exit(code)


def _render(settings: Settings, jobs: list["Job"], options: "FileOptions", as_it_is: bool, report: str) -> int:
    import cv2

    from livebg.compositing.composite import Consent
    from livebg.factory import build_look, build_segmenter
    from livebg.rendering.batch import Batch

    consent = Consent("livebg render --mode none") if as_it_is else None
    # The planes of a frame are too small to share out: more threads cost OpenCV a tenth of all CPU time and save no wall time.
    cv2.setNumThreads(1)
    if consent is None:
        build_look(settings)  # an unusable background is told before any input is opened
    with _reporter(report) as reporter:
        batch = Batch(settings, lambda: build_segmenter(settings), reporter, options, consent)
        batch.check(jobs)
        return batch.run(jobs)


def _reporter(report: str) -> "QuietReporter":
    from livebg.rendering.reporters import BarReporter, JsonReporter, QuietReporter

    if report == "json":
        return JsonReporter(output(), errors())
    return QuietReporter(errors()) if report == "quiet" else BarReporter(errors())


def _chosen_mode(mode: str | None, background: str | None) -> str | None:
    """A background that is named is meant; the settings' own waits for its mode."""
    if background is None:
        return mode
    if mode not in (None, "background"):
        raise ConfigError(f"--background belongs to --mode background, not to --mode {mode}: leave one of them out")
    return "background"


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else parse_time(text)
    except ValueError as error:
        raise ConfigError(str(error)) from None
