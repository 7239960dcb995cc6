"""Leave-one-out test of generalization: trains briefly without one set of people, then evaluates on that set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from livebg.lab.evaluation.contact_sheets import Sheets
from livebg.lab.evaluation.datasets import PictureSet
from livebg.lab.evaluation.holdout import PEOPLE, archived_pictures
from livebg.lab.evaluation.networks import candidate
from livebg.lab.evaluation.results import Section
from livebg.lab.evaluation.stills import measure_pictures
from livebg.lab.training.export import export
from livebg.lab.training.loader import SMALL
from livebg.lab.training.train_pipeline import Run, Stage, initial_weights, prune_to, train_network
from livebg.lab.training.trainer import Schedule

LEFT_OUT = ("smokers", "speakers_fossasia", "roboflow_human_v2")
"""The sets to leave out in turn: portraits, speakers, people at all distances."""


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
