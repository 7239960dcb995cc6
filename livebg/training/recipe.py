"""The whole way, from the data to the ONNX file; what is done already is not done again."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import distributed, multiprocessing

from livebg.training.ancestry import from_exported, from_u2netp
from livebg.training.architecture import DESIGNS, FULL, LivebgNet
from livebg.training.export import export
from livebg.training.growing import grown
from livebg.training.labelling import Labeller
from livebg.training.loader import BROAD, NEAR, Course, loader
from livebg.training.loop import ALONE, Schedule, Team, Trainer, read_checkpoint, train
from livebg.training.losses import Batch
from livebg.training.prepare import SETS, prepare
from livebg.training.pruning import importance, pruned

log = logging.getLogger(__name__)

WIDE = Schedule(8_000, rate=5e-4)
"""Enough for the new stem and head to settle, so that a channel's importance means something."""
PRUNING_BATCHES = 16
CALIBRATION_BATCHES = 24
"""With four, one picture in a few hundred met ranges that it did not fit into, and its alpha was lost."""
BROAD_SHARE = 0.4
"""Of the pictures: those of the broad course. The near one ends the training."""


@dataclass(frozen=True)
class Run:
    """What a training needs besides pictures: where it computes, in how many processes, each with how many that load for it and
    with how many threads, and the seed of its draws."""

    device: str = "cpu"
    processes: int = 1
    workers: int = 1
    threads: int = 1
    seed: int = 0
    course: Course = BROAD
    until: int = 0
    """Stop after so many pictures, wherever the schedule is (0: at its end)."""
    teachers: tuple[Path, ...] = ()
    """Networks whose opinion of the photos is heard."""


def prepared(data: Path, out: Path, labeller: Path) -> None:
    """Prepares every set that is not there yet under `out`."""
    missing = [name for name in SETS if not (out / name / "index.json").exists()]
    if missing:
        prepare(data, out, Labeller(labeller), missing)


def trained(net: LivebgNet, design: str, pictures: Path, checkpoint: Path, schedule: Schedule, run: Run) -> LivebgNet:
    """Trains `net`, or goes on from the checkpoint if there is one; returns the weight average."""
    if run.processes == 1:
        return _trained(net, design, pictures, checkpoint, schedule, run, ALONE)
    with TemporaryDirectory() as meeting:
        arguments = (net, design, pictures, checkpoint, schedule, run, Path(meeting) / "point")
        multiprocessing.spawn(_train_in_team, arguments, nprocs=run.processes)  # type: ignore[attr-defined, no-untyped-call]
    return read_checkpoint(checkpoint)[1]


def _train_in_team(
    rank: int, net: LivebgNet, design: str, pictures: Path, checkpoint: Path, schedule: Schedule, run: Run, meeting: Path
) -> None:
    """What one of several processes does."""
    logging.basicConfig(level=logging.INFO if rank == 0 else logging.WARNING, format="%(asctime)s %(message)s")
    distributed.init_process_group("gloo", init_method=meeting.as_uri(), rank=rank, world_size=run.processes)
    _trained(net, design, pictures, checkpoint, schedule, run, Team(rank, run.processes))
    distributed.destroy_process_group()


def _trained(
    net: LivebgNet, design: str, pictures: Path, checkpoint: Path, schedule: Schedule, run: Run, team: Team
) -> LivebgNet:
    torch.set_num_threads(run.threads)
    trainer = Trainer(net, schedule, run.device, team)
    if checkpoint.exists():
        trainer.resume(checkpoint)
        log.info("going on from %s after %d pictures", checkpoint, trainer.pictures)
    until = min(run.until or schedule.pictures, schedule.pictures)
    if trainer.pictures < until:
        seed = run.seed + trainer.pictures + team.rank
        batches = loader(pictures, run.course, seed=seed, workers=run.workers, teachers=run.teachers)
        train(trainer, batches, checkpoint, design, until)
    return trainer.average.cpu()


def narrowed(net: LivebgNet, design: str, pictures: Path, run: Run) -> LivebgNet:
    """The network in a narrower design, by importance on some batches."""
    batches = loader(pictures, run.course, seed=run.seed + 1, workers=0)
    weights = importance(net, (batch.scaled() for batch in islice(batches, PRUNING_BATCHES)))
    return pruned(net, DESIGNS[design], weights)


def beginning(path: Path | None, design: str) -> LivebgNet:
    """First weights: fresh ones, a checkpoint's, or those of an ONNX file: one that was exported here, or u2netp (for "wide").

    Raises ValueError if they are of another design.
    """
    if path is None:
        return LivebgNet(DESIGNS[design])
    if path.suffix != ".onnx":
        found, net = read_checkpoint(path)
    elif design == "wide":
        found, net = design, from_u2netp(path)
    else:
        found, net = from_exported(path)
    if found != design:
        raise ValueError(f"{path} holds the design {found}, not {design}")
    return net


def make(pictures: Path, u2netp: Path, work: Path, out: Path, schedule: Schedule, run: Run, warm_up: Schedule = WIDE) -> None:
    """u2netp -> wide -> slim -> full -> ONNX, with checkpoints under `work`."""
    work.mkdir(parents=True, exist_ok=True)
    wide = trained(beginning(u2netp, "wide"), "wide", pictures, work / "wide.pt", warm_up, run)
    slim = narrowed(wide, "slim", pictures, run)
    first = replace(schedule, pictures=round(BROAD_SHARE * schedule.pictures))
    slim = trained(slim, "slim", pictures, work / "slim.pt", first, run)
    last = replace(schedule, pictures=schedule.pictures - first.pictures)
    near = replace(run, course=replace(run.course, mix=NEAR.mix, priors=NEAR.priors))
    full = trained(grown(slim, FULL), "full", pictures, work / "full.pt", last, near)
    export(full, "full", out, calibration(pictures, run))


def calibration(pictures: Path, run: Run) -> Iterator[Batch]:
    """What the ranges of 8-bit numbers are taken from: pictures of the default size, with priors."""
    course = replace(run.course, sizes=run.course.sizes[:1])
    batches = loader(pictures, course, seed=run.seed + 3, workers=0)
    return (batch.scaled() for batch in islice(batches, CALIBRATION_BATCHES))
