"""``python -m livebg.lab``: the evaluation command. Training has its own entry point, ``python -m livebg.lab.training``."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from livebg.cli.console import CheckedCommand, CheckedGroup, output
from livebg.cli.options import ConfigOption, VerboseOption
from livebg.config.loading import load_settings
from livebg.lab.evaluation.cost import Costs
from livebg.lab.evaluation.networks import candidate
from livebg.lab.evaluation.results import Section
from livebg.lab.evaluation.run import MOTIONS_MEASURED, SECTIONS, EvaluationConfig, SectionResult, evaluate
from livebg.metrics.statistics import Summary

app = typer.Typer(
    cls=CheckedGroup,
    help="Measure networks over data sets. To train one, run python -m livebg.lab.training.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_MIN_COLUMNS = 140
NetworkArgument = Annotated[
    str,
    typer.Argument(metavar="NAME|FILE", help="A name from `livebg models` or an ONNX file; append @WxH to set the input size."),
]
AgainstOption = Annotated[
    list[str] | None, typer.Option(metavar="NAME|FILE", help="Another network to compare with; repeatable.")
]
SectionOption = Annotated[
    list[str] | None, typer.Option(metavar="SECTION", help="Only pictures, rooms, moving, real or cost; repeatable.")
]
MotionOption = Annotated[
    list[str] | None, typer.Option(metavar="MOTION", help="Motion of synthetic clips; default slow and fast; repeatable.")
]
TeacherOption = Annotated[
    str | None, typer.Option(metavar="FILE", help="Matting network whose alpha is the reference for real clips.")
]
SheetsOption = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", readable=False, help="Write contact sheets of the worst results to this folder."),
]


@app.callback()
def lab() -> None:
    """Force Typer to keep ``eval`` as a subcommand although it is the only one."""


@app.command("eval", cls=CheckedCommand, no_args_is_help=True)
def eval_command(
    network: NetworkArgument,
    data: Annotated[Path | None, typer.Option(metavar="DIR", readable=False, help="Folder of the data sets.")] = None,
    against: AgainstOption = None,
    section: SectionOption = None,
    motion: MotionOption = None,
    clips: Annotated[int, typer.Option(min=2, help="Number of clips per motion.")] = 8,
    frames: Annotated[int, typer.Option(min=2, help="Number of frames per clip.")] = 30,
    step: Annotated[int, typer.Option(min=1, help="Use every n-th picture only.")] = 1,
    all_clips: Annotated[bool, typer.Option("--all-clips", help="Use all real clips, not only the hold-out.")] = False,
    teacher: TeacherOption = None,
    sheets: SheetsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    config: ConfigOption = None,
    _verbose: VerboseOption = False,
) -> None:
    """Evaluate a network on data sets and compare it with others."""
    folders = load_settings({}, config).model.folders
    candidates = [candidate(each, folders) for each in (network, *(against or []))]
    evaluation = EvaluationConfig(
        data,
        sections=section or SECTIONS,
        motions=motion or MOTIONS_MEASURED,
        step=step,
        clips=clips,
        frames=frames,
        all_clips=all_clips,
        teacher=candidate(teacher, folders) if teacher else None,
        sheets=sheets,
    )
    _print_results(evaluate(candidates, evaluation), [each.name for each in candidates], as_json)


def _print_results(results: Iterable[SectionResult], names: Sequence[str], as_json: bool) -> None:
    if as_json:
        facts = {"network": names[0], "against": names[1:], "sections": [each.facts() for each in results]}
        output().print(json.dumps(facts), markup=False)
        return
    for result in results:
        if isinstance(result, Section):
            _print_section(result)
        elif isinstance(result, Costs):
            _print_costs(result)
        else:
            output().print(f"{result.name}: skipped, {result.facts()['skipped']}", markup=False)


def _wide_output() -> Console:
    """Return an output wide enough for long network names, also when it is redirected to a file."""
    out = output()
    out.width = max(out.width, _MIN_COLUMNS)
    return out


def _print_section(section: Section) -> None:
    out = _wide_output()
    out.print(f"\n{section.name}: {len(section.units)} {section.unit}s; {section.about}", markup=False)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for heading in ("", "network", "mean", "95 % CI", "worst 5 %", "difference (95 % CI)"):
        table.add_column(heading, no_wrap=True)
    for measure in section.measures:
        for number, (name, score) in enumerate(section.scores.items()):
            summary = score.summaries[measure.name]
            worst = section.worst(name).get(measure.name)
            table.add_row(
                "" if number else measure.label,
                escape(name),
                str(summary) if summary else "–",
                _interval(summary),
                "" if worst is None else f"{worst:.4g}",
                _difference(section.differences[name][measure.name]) if number else "",
            )
        table.add_section()
    out.print(table)


def _interval(summary: Summary | None, sign: str = "") -> str:
    if summary is None or summary.low is None or summary.high is None:
        return ""
    return f"{summary.low:{sign}.3g} .. {summary.high:{sign}.3g}"


def _difference(summary: Summary | None) -> str:
    return "" if summary is None else f"{summary.mean:+.3g} ({_interval(summary, '+')})"


def _print_costs(costs: Costs) -> None:
    out = _wide_output()
    out.print(f"\nCPU time: one thread, {costs.rounds} alternating rounds; ratio to {costs.reference}", markup=False)
    table = Table("network", "input", "CPU ms", "minimum", "ratio", "start, s", "file, MB", box=box.SIMPLE_HEAD, show_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, cost in costs.networks.items():
        numbers = f"{cost.cpu_ms:.2f}", f"{cost.cpu_ms_least:.2f}", f"{cost.ratio:.2f}", f"{cost.start_seconds:.3f}"
        table.add_row(escape(name), "{}x{}".format(*cost.input_size), *numbers, f"{cost.file_bytes / 1e6:.2f}")
    out.print(table)


if __name__ == "__main__":
    app(prog_name="python -m livebg.lab")
