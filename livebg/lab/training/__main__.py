"""``python -m livebg.lab.training``: see ``--help``, and "Train a network" in .github/CONTRIBUTING.md."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from livebg.errors import LivebgError
from livebg.lab.evaluation.networks import candidate
from livebg.lab.training.export import export
from livebg.lab.training.hard_examples import weigh_photos
from livebg.lab.training.loader import COURSES
from livebg.lab.training.prepare import prepare
from livebg.lab.training.pseudo_labels import PseudoLabeler
from livebg.lab.training.train_pipeline import (
    Run,
    average_weights,
    calibration,
    initial_weights,
    leave_one_out,
    train_network,
)
from livebg.lab.training.trainer import Schedule, read_checkpoint

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Data = Annotated[Path, typer.Argument(help="Folder of the data sets.", exists=True, file_okay=False)]
Prepared = Annotated[Path, typer.Argument(help="Folder of the prepared pictures.", file_okay=False)]
Pictures = Annotated[int, typer.Option(help="Number of pictures to train on.")]
Rate = Annotated[float, typer.Option(help="Maximum learning rate.")]
Device = Annotated[str, typer.Option(help="Device: cpu or cuda.")]
Workers = Annotated[int, typer.Option(help="Number of loader processes.")]
Threads = Annotated[int, typer.Option(help="Number of CPU threads.")]
StartOption = Annotated[Path | None, typer.Option(help="Initial weights: a checkpoint or an exported ONNX file.")]
DesignName = Literal["deep", "tiny"]
Half = Annotated[bool, typer.Option("--half", help="Use bfloat16 where that is safe.")]
Seed = Annotated[int, typer.Option(help="Random seed.")]
LABELLER = typer.Option(help="Matting network (ONNX) that refines masks and labels clips.", exists=True)


@app.command("prepare")
def prepare_command(data: Data, out: Prepared, labeller: Annotated[Path, LABELLER]) -> None:
    """Convert data sets to pictures with soft alpha. Needed once."""
    prepare(data, out, PseudoLabeler(labeller))


@app.command("weigh")
def weigh_command(
    pictures_in: Prepared, network: Annotated[str, typer.Argument(help="Network to evaluate: a name or an ONNX file.")]
) -> None:
    """Draw photos that a network segments poorly more often in later trainings."""
    for name, overlap in weigh_photos(pictures_in, candidate(network).open()):
        typer.echo(f"{name}: IoU {overlap:.4f}")


@app.command("train")
def train_command(
    pictures_in: Prepared,
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint to write; training resumes from it if it exists.")],
    design: DesignName = "deep",
    start: StartOption = None,
    pictures: Pictures = 1_500_000,
    rate: Rate = 1e-3,
    decay: Annotated[float, typer.Option(help="Share of the pictures during which the rate falls.", min=0.01, max=1)] = 0.3,
    empty: Annotated[float | None, typer.Option(help="Share of frames without people.", min=0, max=0.7)] = None,
    course: Annotated[
        Literal["all", "small", "medium", "large"], typer.Option(help="Frame sizes: a single stage, or all stages in order.")
    ] = "all",
    until: Annotated[int, typer.Option(help="Stop after this many pictures, to resume later (0: at the end).")] = 0,
    device: Device = "cpu",
    workers: Workers = 1,
    threads: Threads = 1,
    half: Half = False,
    seed: Seed = 0,
) -> None:
    """Train one design."""
    stages = tuple(COURSES.values()) if course == "all" else (replace(COURSES[course], until=1.0),)
    if empty is not None:
        stages = tuple(stage.with_empty(empty) for stage in stages)
    run = Run(device, workers, threads, seed, stages, until=until)
    net = initial_weights(None if checkpoint.exists() else start, design)
    train_network(net, design, pictures_in, checkpoint, Schedule(pictures, rate, decay=decay, half=half), run)


@app.command("export")
def export_command(
    checkpoint: Annotated[Path, typer.Argument(exists=True)],
    out: Annotated[Path, typer.Argument(help="ONNX file to write.")],
    pictures_in: Annotated[
        Path | None, typer.Option("--prepared", help="Quantize to 8 bits, calibrated on these pictures.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Export a checkpoint's weight average to ONNX: float32, or 8 bits if prepared pictures are given."""
    design, net = read_checkpoint(checkpoint)
    export(net, design, out, calibration(pictures_in, seed) if pictures_in else None)


@app.command("average")
def average_command(
    out: Annotated[Path, typer.Argument(help="ONNX file to write.")],
    networks: Annotated[list[Path], typer.Argument(help="Checkpoints or exported ONNX files.", exists=True)],
    pictures_in: Annotated[Path, typer.Option("--prepared", help="Prepared pictures, for the 8-bit ranges.")],
    design: DesignName = "deep",
    seed: Seed = 0,
) -> None:
    """Export the mean of networks that were trained on from the same weights, in 8 bits."""
    export(average_weights(networks, design), design, out, calibration(pictures_in, seed))


@app.command("make")
def make_command(
    data: Data,
    out: Annotated[Path, typer.Argument(help="ONNX file to write.")],
    labeller: Annotated[Path, LABELLER],
    design: DesignName = "deep",
    start: StartOption = None,
    work: Annotated[Path, typer.Option(help="Folder for prepared pictures and the checkpoint.")] = Path("training"),
    pictures: Pictures = 1_500_000,
    rate: Rate = 1e-3,
    device: Device = "cpu",
    workers: Workers = 1,
    threads: Threads = 1,
    half: Half = False,
    seed: Seed = 0,
) -> None:
    """Prepare, train and export: the whole recipe. Call it again to resume an interrupted run."""
    prepared, checkpoint = work / "prepared", work / f"{design}.pt"
    prepare_command(data, prepared, labeller)
    train_command(
        prepared,
        checkpoint,
        design,
        start,
        pictures=pictures,
        rate=rate,
        device=device,
        workers=workers,
        threads=threads,
        half=half,
        seed=seed,
    )
    export_command(checkpoint, out, prepared, seed)


@app.command("leave-one-out")
def leave_one_out_command(
    data: Data,
    pictures_in: Prepared,
    start: Annotated[list[Path], typer.Option(help="Network to train on and to compare with; repeatable.", exists=True)],
    work: Annotated[Path, typer.Option(help="Folder for networks and checkpoints.")] = Path("leave-one-out"),
    design: DesignName = "deep",
    pictures: Pictures = 20_000,
    rate: Rate = 1e-3,
    seed: Seed = 0,
) -> None:
    """Train briefly without one set of people, evaluate on that set, and print a table that compares the starts."""
    for section in leave_one_out(data, pictures_in, work, start, design, Schedule(pictures, rate, average=100), Run(seed=seed)):
        typer.echo(f"{section.name}, {len(section.units)} {section.unit}s")
        for name, score in section.scores.items():
            means = (f"{key} {found.mean:.4f}" for key, found in score.summaries.items() if found)
            typer.echo(f"  {name}: {', '.join(means)}")


def main() -> None:
    """Run the command. Log expected errors as one line and exit with code 2."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        app()
    except (LivebgError, ValueError, OSError) as error:
        logging.getLogger(__name__).error("%s", error)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
