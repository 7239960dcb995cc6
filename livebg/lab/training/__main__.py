"""`python -m livebg.lab.training`: see `--help`, and "Train a network" in .github/CONTRIBUTING.md."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from livebg.errors import LivebgError
from livebg.lab.evaluation.results import Section
from livebg.lab.training.architecture import DESIGNS
from livebg.lab.training.export import export
from livebg.lab.training.leave_one_out import Start, leave_one_out
from livebg.lab.training.loader import COURSES
from livebg.lab.training.train_pipeline import (
    STAGES,
    Run,
    Stage,
    calibration,
    initial_weights,
    make,
    prepared,
    prune_to,
    train_network,
)
from livebg.lab.training.trainer import Schedule, Trainer, read_checkpoint
from livebg.lab.training.widening import widen

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Data = Annotated[Path, typer.Argument(help="The folder of the data sets.", exists=True, file_okay=False)]
Prepared = Annotated[Path, typer.Argument(help="The folder of the prepared pictures.", file_okay=False)]
Pictures = Annotated[int, typer.Option(help="Train until so many pictures were seen.")]
Rate = Annotated[float, typer.Option(help="The highest learning rate.")]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda.")]
Processes = Annotated[int, typer.Option(help="Processes that train together, on the CPU.")]
Workers = Annotated[int, typer.Option(help="Processes that load pictures, for each of them.")]
Threads = Annotated[int, typer.Option(help="Threads that compute, on the CPU.")]
DesignName = Literal["wide", "slim", "full", "deep", "tiny"]
CourseName = Annotated[
    Literal["all", "small", "medium", "large"], typer.Option(help="The frames' sizes: one stage, or all, one after another.")
]
Half = Annotated[bool, typer.Option("--half", help="Compute in bfloat16 where that is safe.")]
Seed = Annotated[int, typer.Option(help="Of the random draws.")]
LABELLER = typer.Option(help="The matting network (ONNX) that softens masks and labels clips.", exists=True)


@app.command("prepare")
def prepare_command(data: Data, out: Prepared, labeller: Annotated[Path, LABELLER]) -> None:
    """Data sets -> pictures with soft alpha, once for all trainings."""
    prepared(data, out, labeller)


@app.command("train")
def train_command(
    pictures_in: Prepared,
    checkpoint: Annotated[Path, typer.Argument(help="Written as it goes; if it is there, the training goes on from it.")],
    design: DesignName = "deep",
    start: Annotated[
        Path | None, typer.Option(help="First weights: a checkpoint, an exported ONNX file, u2netp (for wide).")
    ] = None,
    pictures: Pictures = 1_500_000,
    rate: Rate = 1e-3,
    course: CourseName = "all",
    until: Annotated[int, typer.Option(help="Stop after so many pictures, to continue later (0: at the end).")] = 0,
    device: Device = "cpu",
    processes: Processes = 1,
    workers: Workers = 1,
    threads: Threads = 1,
    half: Half = False,
    seed: Seed = 0,
) -> None:
    """Trains one design."""
    stages = STAGES if course == "all" else (Stage(COURSES[course], 1.0),)
    run = Run(device, processes, workers, threads, seed, stages, until=until)
    train_network(initial_weights(start, design), design, pictures_in, checkpoint, Schedule(pictures, rate, half=half), run)


@app.command("prune")
def prune_command(
    pictures_in: Prepared,
    wide: Annotated[Path, typer.Argument(help="The checkpoint of the wide network.", exists=True)],
    out: Annotated[Path, typer.Argument(help="The checkpoint to write.")],
    design: DesignName = "slim",
    seed: Seed = 0,
) -> None:
    """Drops the channels that matter least."""
    _, net = read_checkpoint(wide)
    Trainer(prune_to(net, design, pictures_in, Run(seed=seed)), Schedule(0)).save(out, design)


@app.command("grow")
def grow_command(
    checkpoint: Annotated[Path, typer.Argument(help="The checkpoint of a network with fewer channels.", exists=True)],
    out: Annotated[Path, typer.Argument(help="The checkpoint to write.")],
    design: DesignName = "deep",
) -> None:
    """Adds channels inside the blocks, and changes no answer."""
    Trainer(widen(read_checkpoint(checkpoint)[1], DESIGNS[design]), Schedule(0)).save(out, design)


@app.command("export")
def export_command(
    checkpoint: Annotated[Path, typer.Argument(exists=True)],
    out: Annotated[Path, typer.Argument(help="The ONNX file to write.")],
    pictures_in: Annotated[Path | None, typer.Option("--prepared", help="Compute in 8 bits, calibrated on these.")] = None,
    seed: Seed = 0,
) -> None:
    """A checkpoint's weight average -> ONNX: float32, or with prepared pictures 8-bit whole numbers."""
    design, net = read_checkpoint(checkpoint)
    export(net, design, out, calibration(pictures_in, Run(seed=seed)) if pictures_in else None)


@app.command("make")
def make_command(
    data: Data,
    out: Annotated[Path, typer.Argument(help="The ONNX file to write.")],
    u2netp: Annotated[Path, typer.Option(help="The published u2netp.onnx.", exists=True)],
    labeller: Annotated[Path, LABELLER],
    work: Annotated[Path, typer.Option(help="The folder for prepared pictures and checkpoints.")] = Path("training"),
    pictures: Pictures = 1_500_000,
    rate: Rate = 1e-3,
    device: Device = "cpu",
    processes: Processes = 1,
    workers: Workers = 1,
    threads: Threads = 1,
    half: Half = False,
    seed: Seed = 0,
) -> None:
    """The whole way, from the data to the ONNX file. Stopped anywhere, it goes on from there when it is called again."""
    prepared(data, work / "prepared", labeller)
    run = Run(device, processes, workers, threads, seed)
    make(work / "prepared", u2netp, work, out, Schedule(pictures, rate, half=half), run)


@app.command("leave-one-out")
def leave_one_out_command(
    data: Data,
    pictures_in: Prepared,
    u2netp: Annotated[Path, typer.Option(help="The published u2netp.onnx.", exists=True)],
    shipped: Annotated[Path, typer.Option(help="The network to start from and to compare with.", exists=True)],
    work: Annotated[Path, typer.Option(help="The folder for networks and checkpoints.")] = Path("leave-one-out"),
    pictures: Pictures = 20_000,
    rate: Rate = 1e-3,
    seed: Seed = 0,
) -> None:
    """Trains briefly without one set of people, measures on that set, and prints a table: which start generalizes best."""
    starts = (
        Start("shipped", shipped, "full"),
        Start("deeper", shipped, "deep"),
        Start("u2netp", u2netp, "wide", pruned_to="slim"),
    )
    run = Run(seed=seed)
    for section in leave_one_out(data, pictures_in, work, starts, Schedule(pictures, rate, average=100), run, shipped):
        for line in summary(section):
            typer.echo(line)


def summary(section: Section) -> Iterator[str]:
    """A line for each network: the mean of every measure."""
    yield f"{section.name}, {len(section.units)} {section.unit}s"
    for name, score in section.scores.items():
        means = (f"{key} {found.mean:.4f}" for key, found in score.summaries.items() if found)
        yield f"  {name}: {', '.join(means)}"


def main() -> None:
    """Runs the command; what the user can mend is told in one sentence, with exit code 2."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        app()
    except (LivebgError, ValueError, OSError) as error:
        logging.getLogger(__name__).error("%s", error)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
