"""The training pipeline, from prepared pictures to the ONNX file, in stages, and a leave-one-out test of generalization.

Finished stages are skipped. The leave-one-out test trains briefly without one set of people, then evaluates on that set.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import distributed, multiprocessing

from livebg.lab.evaluation.contact_sheets import Sheets
from livebg.lab.evaluation.datasets import PictureSet
from livebg.lab.evaluation.holdout import PEOPLE, archived_pictures
from livebg.lab.evaluation.networks import candidate
from livebg.lab.evaluation.results import Section
from livebg.lab.evaluation.stills import measure_pictures
from livebg.lab.training.architecture import DEEP, DESIGNS, LivebgNet
from livebg.lab.training.export import export
from livebg.lab.training.loader import LARGE, MEDIUM, SMALL, Curriculum, loader
from livebg.lab.training.losses import Batch
from livebg.lab.training.pretrained import from_exported, from_u2netp
from livebg.lab.training.surgery import importance, prune, revive, widen
from livebg.lab.training.trainer import ALONE, ProcessGroup, Schedule, Trainer, read_checkpoint, train

log = logging.getLogger(__name__)

WIDE = Schedule(8_000, rate=5e-4)
"""Long enough for the new stem and head to converge, so that channel importance is meaningful."""
SOME_BATCHES = 8
CALIBRATION_BATCHES = 24
"""With four, one picture in a few hundred exceeded the calibrated ranges and lost its alpha."""


LEFT_OUT = ("smokers", "speakers_fossasia", "roboflow_human_v2")
"""The sets to leave out in turn: portraits, speakers, people at all distances."""


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


def train_network(net: LivebgNet, design: str, pictures: Path, checkpoint: Path, schedule: Schedule, run: Run) -> LivebgNet:
    """Train ``net``, or resume from the checkpoint if it exists. Returns the weight average."""
    if not checkpoint.exists():
        log.info("Revived %d dead channels", revive(net, _some_batches(pictures, run)))
    start = partial(_train, net, design, pictures, checkpoint, schedule, run)
    if run.processes == 1:
        return start(ALONE)
    with TemporaryDirectory() as rendezvous:
        arguments = (start, run.processes, Path(rendezvous) / "point")
        multiprocessing.spawn(_train_in_group, arguments, nprocs=run.processes)  # type: ignore[attr-defined, no-untyped-call]
    return read_checkpoint(checkpoint)[1]


def _train_in_group(rank: int, start: Callable[[ProcessGroup], object], count: int, rendezvous: Path) -> None:
    """Train in one of ``count`` processes."""
    logging.basicConfig(level=logging.INFO if rank == 0 else logging.WARNING, format="%(asctime)s %(message)s")
    distributed.init_process_group("gloo", init_method=rendezvous.as_uri(), rank=rank, world_size=count)
    start(ProcessGroup(rank, count))
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


@dataclass(frozen=True)
class Start:
    """A starting point: its name, the file with its initial weights, its design, and the design to prune it to, if any."""

    name: str
    weights: Path
    design: str
    pruned_to: str | None = None


def leave_one_out(
    data: Path, pictures: Path, work: Path, starts: Sequence[Start], schedule: Schedule, run: Run, reference: Path
) -> Iterator[Section]:
    """Yield a section for every set in :data:`LEFT_OUT`: every start, trained without it, and the network ``reference``.

    ``schedule`` applies to each short training. Networks and checkpoints are saved under ``work``; existing networks are reused.
    """
    work.mkdir(parents=True, exist_ok=True)
    for left_out in LEFT_OUT:
        left_out_run = replace(run, stages=(Stage(SMALL, 1.0),), left_out=frozenset({left_out}))
        files = [_train_without(start, left_out, pictures, work, schedule, left_out_run) for start in starts]
        networks = {path.stem: candidate(str(path)).open() for path in (*files, reference)}
        archive = data / PEOPLE / f"{left_out}.zip"
        yield measure_pictures(networks, PictureSet(left_out, tuple(archived_pictures(archive))), Sheets())


def _train_without(start: Start, left_out: str, pictures: Path, work: Path, schedule: Schedule, run: Run) -> Path:
    path = work / f"{start.name}-without-{left_out}.onnx"
    if not path.exists():
        net, design = initial_weights(start.weights, start.design), start.design
        if start.pruned_to:
            net, design = prune_to(net, start.pruned_to, pictures, run), start.pruned_to
        export(train_network(net, design, pictures, path.with_suffix(".pt"), schedule, run), design, path)
    return path
