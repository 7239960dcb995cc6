"""From the data to the ONNX file, in stages. What is done already is not done again."""

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
"""Enough for the new stem and head to settle, so that a channel's importance means something."""
SOME_BATCHES = 8
CALIBRATION_BATCHES = 24
"""With four, one picture in a few hundred met ranges that it did not fit into, and its alpha was lost."""


@dataclass(frozen=True)
class Stage:
    """A course, and the share of all pictures after which the next one takes over."""

    course: Curriculum
    until: float


STAGES = (Stage(SMALL, 0.65), Stage(MEDIUM, 0.9), Stage(LARGE, 1.0))
"""Small frames first: they cost a quarter and show the same people."""


@dataclass(frozen=True)
class Run:
    """What a training needs besides pictures: where it computes, in how many processes, each with how many that load for it and
    with how many threads, the seed of its draws, its stages, and the sets of people that it must not see."""

    device: str = "cpu"
    processes: int = 1
    workers: int = 1
    threads: int = 1
    seed: int = 0
    stages: Sequence[Stage] = STAGES
    left_out: frozenset[str] = frozenset()
    until: int = 0
    """Stop after so many pictures, wherever the schedule is (0: at its end)."""


def prepared(data: Path, out: Path, labeller: Path) -> None:
    """Prepares every set that is not there yet under `out`."""
    prepare(data, out, PseudoLabeler(labeller))


def train_network(net: LivebgNet, design: str, pictures: Path, checkpoint: Path, schedule: Schedule, run: Run) -> LivebgNet:
    """Trains `net`, or continues from the checkpoint if there is one; returns the weight average."""
    if not checkpoint.exists():
        log.info("%d dead channels revived", revive(net, _some_batches(pictures, run)))
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
    _trained(net, design, pictures, checkpoint, schedule, run, ProcessGroup(rank, run.processes))
    distributed.destroy_process_group()


def _trained(
    net: LivebgNet, design: str, pictures: Path, checkpoint: Path, schedule: Schedule, run: Run, team: ProcessGroup
) -> LivebgNet:
    torch.set_num_threads(run.threads)
    trainer = Trainer(net, schedule, run.device, team)
    if checkpoint.exists():
        trainer.resume(checkpoint)
        log.info("continuing from %s after %d pictures", checkpoint, trainer.pictures)
    until = min(run.until or schedule.pictures, schedule.pictures)
    for stage in run.stages:
        stage_end = min(round(stage.until * schedule.pictures), until)
        if trainer.pictures < stage_end:
            seed = run.seed + trainer.pictures + team.rank
            batches = loader(pictures, stage.course, seed=seed, workers=run.workers, left_out=run.left_out)
            train(trainer, batches, checkpoint, design, stage_end)
    return trainer.average.cpu()


def prune_to(net: LivebgNet, design: str, pictures: Path, run: Run) -> LivebgNet:
    """The network in a narrower design, by importance on some batches."""
    return prune(net, DESIGNS[design], importance(net, _some_batches(pictures, run)))


def _some_batches(pictures: Path, run: Run) -> Iterator[Batch]:
    batches = loader(pictures, run.stages[0].course, seed=run.seed + 1, workers=0, left_out=run.left_out)
    return (batch.scaled() for batch in islice(batches, SOME_BATCHES))


def initial_weights(path: Path | None, design: str) -> LivebgNet:
    """Initial weights: random ones, a checkpoint's, or an ONNX file's: one that was exported here, or u2netp (for "wide").

    A network with fewer channels inside its blocks is widened. Raises ValueError if the weights are of another design.
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
        raise ValueError(f"{path} holds the design {found}, which cannot become {design}") from error


def make(pictures: Path, u2netp: Path, work: Path, out: Path, schedule: Schedule, run: Run, warm_up: Schedule = WIDE) -> None:
    """u2netp -> wide -> slim -> deep -> ONNX, with checkpoints under `work`."""
    work.mkdir(parents=True, exist_ok=True)
    settle = replace(run, stages=(Stage(run.stages[0].course, 1.0),))
    wide = train_network(initial_weights(u2netp, "wide"), "wide", pictures, work / "wide.pt", warm_up, settle)
    slim = prune_to(wide, "slim", pictures, run)
    deep = train_network(widen(slim, DEEP), "deep", pictures, work / "deep.pt", schedule, run)
    export(deep, "deep", out, calibration(pictures, run))


def calibration(pictures: Path, run: Run) -> Iterator[Batch]:
    """What the ranges of 8-bit numbers are taken from: pictures of the default size."""
    course = replace(MEDIUM, sizes=MEDIUM.sizes[:1])
    batches = loader(pictures, course, seed=run.seed + 3, workers=0)
    return (batch.scaled() for batch in islice(batches, CALIBRATION_BATCHES))
