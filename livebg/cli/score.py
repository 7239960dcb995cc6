"""``livebg score``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from livebg.cli.console import errors, output

if TYPE_CHECKING:
    from livebg.metrics.statistics import Score

_TITLES = {"with_truth": "compared with the reference", "without_truth": "without a reference"}


def score(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="A matte, or a cutout with alpha: a video, picture or folder.")
    ],
    truth: Annotated[
        Path | None, typer.Option(metavar="MATTE", help="The true matte, of the same size, length and timing.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The input video, for the metrics without a reference.")
    ] = None,
    sequence: Annotated[bool, typer.Option("--sequence", help="The pictures of a folder are the frames of one clip.")] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure the quality of a matte."""
    with errors().status("Scoring ..."):
        scores = _scores(result, truth, picture, sequence)
    if json_lines:
        facts: dict[str, Any] = {"result": str(result)} | {name: each.facts() for name, each in scores.items()}
        output().print(json.dumps(facts), markup=False)
        return
    for name, each in scores.items():
        output().print(_table(f"{result} {_TITLES[name]}", each))
    if "without_truth" in scores:
        output().print("Consider them with the edge lag: a matte that lags also looks stable.")


def _scores(result: Path, truth: Path | None, picture: Path | None, sequence: bool) -> "dict[str, Score]":
    import cv2

    from livebg.metrics.files import score_blind, score_with_truth

    cv2.setNumThreads(1)  # the planes are too small for more threads
    scores = {}
    if truth is not None:
        scores["with_truth"] = score_with_truth(result, truth, sequence)
    if truth is None or picture is not None:
        scores["without_truth"] = score_blind(result, picture)
    return scores


def _table(title: str, score: "Score") -> Table:
    numbers = [Column(header, justify="right", no_wrap=True) for header in ("mean", "95 % CI")]
    table = Table("metric", *numbers, "description", title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for row in score.rows():
        table.add_row(*row)
    return table
