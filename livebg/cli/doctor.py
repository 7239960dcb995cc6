"""``livebg doctor``."""

import json
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from livebg.cli.console import errors, output
from livebg.cli.options import ConfigOption

if TYPE_CHECKING:
    from livebg.doctor.context import Result, Verdict

_COLORS: Final[dict["Verdict", str]] = {"ok": "green", "warn": "yellow", "FAIL": "bold red", "skipped": "dim"}
_STATUS_WIDTH: Final = len("skipped")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list with one object per check.")] = False,
    no_measure: Annotated[bool, typer.Option("--no-measure", help="Skip the speed test, which takes a few seconds.")] = False,
    config: ConfigOption = None,
) -> None:
    """Find problems and show how to fix them.

    Exit code 1 if a check FAILs.
    """
    from livebg.doctor.checks import run_checks
    from livebg.doctor.context import CheckContext
    from livebg.system.host import Host

    results = run_checks(CheckContext(Host(), config), not no_measure)
    with errors().status("Running checks ..."):
        if as_json:
            found = list(results)
            output().print(json.dumps([result.as_dict() for result in found], ensure_ascii=False), markup=False)
        else:
            found = print_results(results)
    if any(result.finding.status == "FAIL" for result in found):
        raise typer.Exit(1)


def print_results(results: "Iterable[Result]") -> "list[Result]":
    """Print each group of results as soon as it is complete, then a summary. Returns all results.

    Consecutive checks with the same finding share a line.
    """
    out = output()
    everything: list[Result] = []
    for group, found in groupby(results, key=lambda result: result.group):
        members = list(found)
        everything += members
        out.print(Text(group, "bold"))
        for finding, alike in groupby(members, key=lambda result: result.finding):
            out.print(_row(finding.status, ", ".join(result.check for result in alike), finding.message))
            if finding.fix:
                out.print(Text(f"{'':{_STATUS_WIDTH + 4}}{finding.fix}", "cyan"))  # never wrapped, so that it can be copied
        out.print()
    out.print(_summary(everything), markup=False)
    return everything


def _row(status: "Verdict", names: str, message: str) -> Padding:
    style = "dim" if status == "skipped" else ""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=_STATUS_WIDTH)
    table.add_column()
    table.add_row(Text(status, _COLORS[status]), Text(f"{names}: {message}", style))
    return Padding(table, (0, 0, 0, 2), expand=False)


def _summary(results: "list[Result]") -> str:
    failed = sum(result.finding.status == "FAIL" for result in results)
    warned = sum(result.finding.status == "warn" for result in results)
    warnings = f"{warned} warning{'' if warned == 1 else 's'}"
    if failed:
        return f"{failed} failed, {warnings}. Fix them in the order shown."
    return f"No failures, {warnings}." if warned else "All checks passed."
