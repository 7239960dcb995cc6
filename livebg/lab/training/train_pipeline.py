"""Training in stages, and a leave-one-out test of generalization.

Finished stages are skipped. The leave-one-out test trains briefly without one set of people, then evaluates on that set.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch

from livebg.lab.evaluation.datasets import PictureSet
from livebg.lab.evaluation.holdout import PEOPLE, archived_pictures
from livebg.lab.evaluation.networks import candidate
from livebg.lab.evaluation.results import Section
from livebg.lab.evaluation.stills import measure_pictures
from livebg.lab.training.architecture import DESIGNS, LivebgNet, skip_dead_blocks
from livebg.lab.training.export import export, from_exported
from livebg.lab.training.loader import COURSES, MEDIUM, SMALL, Curriculum, loader
from livebg.lab.training.losses import Batch
from livebg.lab.training.trainer import Schedule, Trainer, read_checkpoint, train

log = logging.getLogger(__name__)

WATCHED_BATCHES = 8
"""Number of batches in search of dead blocks."""
CALIBRATION_BATCHES = 24
"""With four, one picture in a few hundred exceeded the calibrated ranges and lost its alpha."""
LEFT_OUT = ("smokers", "speakers_fossasia", "roboflow_human_v2")
"""The sets to leave out in turn: portraits, speakers, people at all distances."""


@dataclass(frozen=True)
class Run:
    """Settings of a training: device, number of loader processes and of threads, random seed, stages, and the sets of people to
    leave out."""

    device: str = "cpu"
    workers: int = 1
    threads: int = 1
    seed: int = 0
    stages: Sequence[Curriculum] = tuple(COURSES.values())
    left_out: frozenset[str] = frozenset()
    until: int = 0
    """Stop after this many pictures (0: at the end of the schedule)."""


def train_network(net: LivebgNet, design: str, pictures: Path, checkpoint: Path, schedule: Schedule, run: Run) -> LivebgNet:
    """Train ``net``, or resume from the checkpoint if it exists. Returns the weight average."""
    torch.set_num_threads(run.threads)
    trainer = Trainer(net, schedule, run.device)
    if checkpoint.exists():
        trainer.resume(checkpoint)
        log.info("Resuming from %s after %d pictures", checkpoint, trainer.pictures)
    watched = _scaled_batches(pictures, run.stages[0], run.seed + 1, WATCHED_BATCHES, run.left_out)
    log.info("Skipping %d dead blocks", skip_dead_blocks(trainer.net, (batch.picture.to(run.device) for batch in watched)))
    until = min(run.until or schedule.pictures, schedule.pictures)
    for stage in run.stages:
        stage_end = min(round(stage.until * schedule.pictures), until)
        if trainer.pictures < stage_end:
            seed = run.seed + trainer.pictures
            batches = loader(pictures, stage, seed=seed, workers=run.workers, left_out=run.left_out)
            train(trainer, batches, checkpoint, design, stage_end)
    return trainer.average.cpu()


def calibration(pictures: Path, seed: int) -> Iterator[Batch]:
    """Return batches of the default size for calibrating 8-bit ranges."""
    return _scaled_batches(pictures, replace(MEDIUM, sizes=MEDIUM.sizes[:1]), seed + 3, CALIBRATION_BATCHES)


def _scaled_batches(
    pictures: Path, course: Curriculum, seed: int, count: int, left_out: frozenset[str] = frozenset()
) -> Iterator[Batch]:
    return (batch.scaled() for batch in islice(loader(pictures, course, seed=seed, workers=0, left_out=left_out), count))


def initial_weights(path: Path | None, design: str) -> LivebgNet:
    """Return a network with random weights or those of a checkpoint or an exported ONNX file.

    Raises ValueError if the weights are of another design.
    """
    if path is None:
        return LivebgNet(DESIGNS[design])
    found, net = from_exported(path) if path.suffix == ".onnx" else read_checkpoint(path)
    if found != design:
        raise ValueError(f"{path} has the design {found}, not {design}. Choose another file or design.")
    return net


def average_weights(paths: Sequence[Path], design: str) -> LivebgNet:
    """Return the mean of networks that were trained on from the same weights: a "model soup" (Wortsman et al., ICML 2022).

    Each network has moved away from what the others know; their mean keeps most of it. ``paths`` are checkpoints or exported ONNX
    files. Raises ValueError if there are none, or one is of another design.
    """
    if not paths:
        raise ValueError("There is no network to average.")
    states = [initial_weights(path, design).state_dict() for path in paths]
    net = LivebgNet(DESIGNS[design])
    net.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
    return net


def leave_one_out(
    data: Path, pictures: Path, work: Path, starts: Sequence[Path], design: str, schedule: Schedule, run: Run
) -> Iterator[Section]:
    """Yield a section for every set in :data:`LEFT_OUT`: every network of ``starts``, trained on without it, and as it is.

    ``starts`` are exported ONNX files. ``schedule`` applies to each short training. Networks and checkpoints are saved under
    ``work``; existing networks are reused.
    """
    work.mkdir(parents=True, exist_ok=True)
    for left_out in LEFT_OUT:
        left_out_run = replace(run, stages=(replace(SMALL, until=1.0),), left_out=frozenset({left_out}))
        files = [work / f"{start.stem}-without-{left_out}.onnx" for start in starts]
        for start, path in zip(starts, files, strict=True):
            if not path.exists():
                net, checkpoint = initial_weights(start, design), path.with_suffix(".pt")
                export(train_network(net, design, pictures, checkpoint, schedule, left_out_run), design, path)
        networks = {path.stem: candidate(str(path)).open() for path in (*files, *starts)}
        archive = data / PEOPLE / f"{left_out}.zip"
        yield measure_pictures(networks, PictureSet(left_out, tuple(archived_pictures(archive))), sheets=None)
