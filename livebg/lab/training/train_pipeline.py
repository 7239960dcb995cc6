"""The training pipeline, from the data to the ONNX file, in stages. Finished stages are skipped."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import distributed, multiprocessing

from livebg.lab.training.architecture import DEEP, DESIGNS, LivebgNet
from livebg.lab.training.export import export
from livebg.lab.training.loader import LARGE, MEDIUM, SMALL, Curriculum, loader
from livebg.lab.training.losses import Batch
from livebg.lab.training.prepare import prepare
from livebg.lab.training.pretrained import from_exported, from_u2netp
from livebg.lab.training.pruning import importance, prune
from livebg.lab.training.pseudo_labels import PseudoLabeler
from livebg.lab.training.reviving import revive
from livebg.lab.training.trainer import ALONE, ProcessGroup, Schedule, Trainer, read_checkpoint, train
from livebg.lab.training.widening import widen

log = logging.getLogger(__name__)

WIDE = Schedule(8_000, rate=5e-4)
"""Long enough for the new stem and head to converge, so that channel importance is meaningful."""
SOME_BATCHES = 8
CALIBRATION_BATCHES = 24
"""With four, one picture in a few hundred exceeded the calibrated ranges and lost its alpha."""


@dataclass(frozen=True)
class Stage:
    """A curriculum and the share of all pictures at which it ends."""

    course: Curriculum
    until: float


STAGES = (Stage(SMALL, 0.65), Stage(MEDIUM, 0.9), Stage(LARGE, 1.0))
"""Small frames first: they cost a quarter and show the same people."""


@dataclass(frozen=True)
class Run:
    """Settings of a training: device, number of processes, loader workers and threads per process, random seed, stages, and the
    sets of people to leave out."""

    device: str = "cpu"
    processes: int = 1
    workers: int = 1
    threads: int = 1
    seed: int = 0
    stages: Sequence[Stage] = STAGES
    left_out: frozenset[str] = frozenset()
    until: int = 0
    """Stop after this many pictures (0: at the end of the schedule)."""


def prepared(data: Path, out: Path, labeller: Path) -> None:
    """Prepare every set that is missing under ``out``."""
    prepare(data, out, PseudoLabeler(labeller))


def train_network(net: LivebgNet, design: str, pictures: Path, checkpoint: Path, schedule: Schedule, run: Run) -> LivebgNet:
    """Train ``net``, or resume from the checkpoint if it exists. Returns the weight average."""
    if not checkpoint.exists():
        log.info("Revived %d dead channels", revive(net, _some_batches(pictures, run)))
    if run.processes == 1:
        return _train(net, design, pictures, checkpoint, schedule, run, ALONE)
    with TemporaryDirectory() as rendezvous:
        arguments = (net, design, pictures, checkpoint, schedule, run, Path(rendezvous) / "point")
        multiprocessing.spawn(_train_in_group, arguments, nprocs=run.processes)  # type: ignore[attr-defined, no-untyped-call]
    return read_checkpoint(checkpoint)[1]


def _train_in_group(
    rank: int, net: LivebgNet, design: str, pictures: Path, checkpoint: Path, schedule: Schedule, run: Run, rendezvous: Path
) -> None:
    """Train in one of several processes."""
    logging.basicConfig(level=logging.INFO if rank == 0 else logging.WARNING, format="%(asctime)s %(message)s")
    distributed.init_process_group("gloo", init_method=rendezvous.as_uri(), rank=rank, world_size=run.processes)
    _train(net, design, pictures, checkpoint, schedule, run, ProcessGroup(rank, run.processes))
    distributed.destroy_process_group()


def _train(
    net: LivebgNet, design: str, pictures: Path, checkpoint: Path, schedule: Schedule, run: Run, team: ProcessGroup
) -> LivebgNet:
    torch.set_num_threads(run.threads)
    trainer = Trainer(net, schedule, run.device, team)
    if checkpoint.exists():
        trainer.resume(checkpoint)
        log.info("Resuming from %s after %d pictures", checkpoint, trainer.pictures)
    until = min(run.until or schedule.pictures, schedule.pictures)
    for stage in run.stages:
        stage_end = min(round(stage.until * schedule.pictures), until)
        if trainer.pictures < stage_end:
            seed = run.seed + trainer.pictures + team.rank
            batches = loader(pictures, stage.course, seed=seed, workers=run.workers, left_out=run.left_out)
            train(trainer, batches, checkpoint, design, stage_end)
    return trainer.average.cpu()


def prune_to(net: LivebgNet, design: str, pictures: Path, run: Run) -> LivebgNet:
    """Prune to a narrower design by channel importance on some batches."""
    return prune(net, DESIGNS[design], importance(net, _some_batches(pictures, run)))


def _some_batches(pictures: Path, run: Run) -> Iterator[Batch]:
    batches = loader(pictures, run.stages[0].course, seed=run.seed + 1, workers=0, left_out=run.left_out)
    return (batch.scaled() for batch in islice(batches, SOME_BATCHES))


def initial_weights(path: Path | None, design: str) -> LivebgNet:
    """Returns a network with random weights or those of a checkpoint, an exported ONNX file or u2netp (for "wide").

    Widens a network that has fewer channels inside its blocks. Raises ValueError if the weights do not fit the design.
    """
    if path is None:
        return LivebgNet(DESIGNS[design])
    if path.suffix != ".onnx":
        found, net = read_checkpoint(path)
    elif design == "wide":
        found, net = design, from_u2netp(path)
    else:
        found, net = from_exported(path)
    if found == design:
        return net
    try:
        return widen(net, DESIGNS[design])
    except ValueError as error:
        raise ValueError(f"{path} has the design {found}, which cannot be widened to {design}. Choose another design.") from error


def make(pictures: Path, u2netp: Path, work: Path, out: Path, schedule: Schedule, run: Run, warm_up: Schedule = WIDE) -> None:
    """Train u2netp -> wide -> slim -> deep and export to ONNX, with checkpoints under ``work``."""
    work.mkdir(parents=True, exist_ok=True)
    warm_up_run = replace(run, stages=(Stage(run.stages[0].course, 1.0),))
    wide = train_network(initial_weights(u2netp, "wide"), "wide", pictures, work / "wide.pt", warm_up, warm_up_run)
    slim = prune_to(wide, "slim", pictures, run)
    deep = train_network(widen(slim, DEEP), "deep", pictures, work / "deep.pt", schedule, run)
    export(deep, "deep", out, calibration(pictures, run))


def calibration(pictures: Path, run: Run) -> Iterator[Batch]:
    """Yield batches of the default size for calibrating 8-bit ranges."""
    course = replace(MEDIUM, sizes=MEDIUM.sizes[:1])
    batches = loader(pictures, course, seed=run.seed + 3, workers=0)
    return (batch.scaled() for batch in islice(batches, CALIBRATION_BATCHES))
