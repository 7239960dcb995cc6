"""What a render reports, as text and as JSON lines."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from livebg.errors import Cancelled, SourceError
from livebg.rendering.jobs import Job, JobResult
from livebg.rendering.reporters import JsonReporter, QuietReporter, error_message

JOBS = [Job(Path("a.mp4"), Path("a.portrait.mp4")), Job(Path("b.mp4"), Path("b.portrait.mp4"))]
BROKEN = SourceError("a.mp4 is empty.", "Copy it again.")


def lines(out: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def reporter() -> tuple[JsonReporter, StringIO, StringIO]:
    out, errors = StringIO(), StringIO()
    return JsonReporter(Console(file=out), Console(file=errors, width=200)), out, errors


def test_json_stop_of_one_file_names_its_output() -> None:
    json_reporter, out, errors = reporter()
    json_reporter.ended(JOBS[:1], 0, Cancelled.exit_code)
    sentence = "Stopped. The unfinished a.portrait.mp4 was removed."
    assert lines(out) == [{"event": "stopped", "error": sentence, "exit_code": Cancelled.exit_code}]
    assert sentence in errors.getvalue()


def test_json_stop_of_several_files_has_summary() -> None:
    json_reporter, out, _ = reporter()
    json_reporter.finished(JobResult(JOBS[0], 25, 1.0, None, ()))
    json_reporter.ended(JOBS, 1, Cancelled.exit_code)
    done, stopped, summary = lines(out)
    assert (done["event"], done["input"], done["frames"]) == ("done", "a.mp4", 25)
    assert stopped["error"] == "Stopped after 1 of 2 files. Unfinished outputs were removed."
    assert (summary["event"], summary["files"], summary["frames"]) == ("summary", 1, 25)
    assert summary["output"] == ["a.portrait.mp4"]


@pytest.mark.parametrize(("count", "events"), [(1, []), (2, ["summary"])])
def test_json_end_without_stop(count: int, events: list[str]) -> None:
    json_reporter, out, errors = reporter()
    json_reporter.ended(JOBS[:count], count, 0)
    assert [line["event"] for line in lines(out)] == events
    assert errors.getvalue() == ""


@pytest.mark.parametrize("error", [BROKEN, RuntimeError("out of range")])
def test_json_failure_is_also_text(error: Exception) -> None:
    json_reporter, out, errors = reporter()
    json_reporter.failed(JOBS[0], error)
    (line,) = lines(out)
    assert (line["event"], line["input"], line["error"]) == ("error", "a.mp4", error_message(error, JOBS[0]))
    assert line["exit_code"] == (BROKEN.exit_code if error is BROKEN else 1)
    assert line["error"] in errors.getvalue()


def test_internal_error_asks_for_a_report() -> None:
    assert error_message(BROKEN, JOBS[0]) == "a.mp4 is empty. Copy it again."
    found = error_message(RuntimeError("out of range"), JOBS[0])
    assert found == "a.mp4: internal error (RuntimeError: out of range). Run again with -v for details and report it."


def test_quiet_reporter_prints_errors_only() -> None:
    errors = StringIO()
    quiet = QuietReporter(Console(file=errors, width=200))
    quiet.started(JOBS[0], 10)
    quiet.advanced(JOBS[0], 5)
    quiet.finished(JobResult(JOBS[0], 10, 1.0, None, ()))
    quiet.ended(JOBS, 2, 0)
    assert errors.getvalue() == ""
    quiet.failed(JOBS[1], BROKEN)
    quiet.ended(JOBS, 1, Cancelled.exit_code)
    assert "a.mp4 is empty" in errors.getvalue()
    assert "Stopped after 1 of 2 files" in errors.getvalue()
