"""What a render reports, as text and as JSON lines."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from livebg.errors import Cancelled, SourceError
from livebg.rendering.jobs import Job, JobResult
from livebg.rendering.json_reporter import JsonReporter
from livebg.rendering.report_text import error_message, format_size, format_time, listed
from livebg.rendering.reporters import BarReporter, QuietReporter
from livebg.rendering.worker import WorkerLost

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


LOST = WorkerLost("Segment 3 (0:30 to 0:40) of a.mp4 failed: its process was killed (SIGKILL).", "Use less.")


def bar() -> tuple[BarReporter, StringIO]:
    errors = StringIO()
    return BarReporter(Console(file=errors, width=200)), errors


def test_stop_says_what_is_kept_instead_of_what_is_removed() -> None:
    kept = ["2 of 5 segments of a.mp4 are kept.", "3 of 4 segments of b.mp4 are kept."]
    json_reporter, out, errors = reporter()
    json_reporter.ended(JOBS[:1], 0, Cancelled.exit_code, kept[:1])
    assert lines(out)[0]["error"] == "Stopped. 2 of 5 segments of a.mp4 are kept."
    assert errors.getvalue() == "livebg: Stopped. 2 of 5 segments of a.mp4 are kept.\n"
    bar_reporter, errors = bar()
    bar_reporter.ended(JOBS, 0, Cancelled.exit_code, kept)
    assert errors.getvalue() == "livebg: Stopped after 0 of 2 files. " + " ".join(kept) + "\n"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (LOST, "Segment 3 (0:30 to 0:40) of a.mp4 failed: its process was killed (SIGKILL). Trying again."),
        (KeyError(7), "Segment 3 (0:30 to 0:40) of a.mp4 failed: internal error (KeyError: 7). Trying again."),
    ],
)
def test_second_try_is_reported_with_its_time_range(error: Exception, sentence: str) -> None:
    json_reporter, out, errors = reporter()
    json_reporter.retried("Segment 3 (0:30 to 0:40) of a.mp4", error)
    assert lines(out) == [{"event": "retried", "task": "Segment 3 (0:30 to 0:40) of a.mp4", "error": sentence}]
    assert errors.getvalue() == ""
    bar_reporter, errors = bar()
    bar_reporter.retried("Segment 3 (0:30 to 0:40) of a.mp4", error)
    assert errors.getvalue() == f"{sentence}\n"


def test_json_start_and_progress_count_resumed_frames() -> None:
    json_reporter, out, _ = reporter()
    json_reporter.planned(JOBS)
    json_reporter.started(JOBS[0], 100, 60)
    json_reporter.advanced(JOBS[0], 61)
    started, progress = lines(out)
    assert (started["event"], started["total"], started["resumed"]) == ("started", 100, 60)
    assert (progress["event"], progress["frames"], progress["total"]) == ("progress", 61, 100)
    assert progress["remaining_seconds"] is None


def test_bar_reports_resumed_frames_and_skipped_outputs() -> None:
    bar_reporter, errors = bar()
    with bar_reporter:
        bar_reporter.existing(JOBS)
        bar_reporter.existing(JOBS[:1])
        bar_reporter.started(JOBS[0], 100, 60)
        bar_reporter.note("Worth knowing.")
    assert errors.getvalue().splitlines() == [
        "Skipped 2 files whose output exists.",
        "Skipped 1 file whose output exists.",
        "a.mp4: continued after 60 of 100 frames",
        "Worth knowing.",
    ]


def test_json_has_notes_and_skipped_outputs() -> None:
    json_reporter, out, _ = reporter()
    json_reporter.existing(JOBS)
    json_reporter.note("Worth knowing.")
    assert lines(out) == [{"event": "existing", "files": ["a.mp4", "b.mp4"]}, {"event": "note", "note": "Worth knowing."}]


def failing(count: int) -> list[Job]:
    return [Job(Path(f"{number:02}.jpg"), Path(f"out/{number:02}.jpg")) for number in range(count)]


def failure_of(job: Job) -> Exception:
    return SourceError(f"{job.input} is empty.") if job.input.name < "05" else SourceError("The disk has left.")


def test_failures_of_many_files_are_summarized_at_the_end() -> None:
    jobs = failing(30)
    bar_reporter, errors = bar()
    for job in jobs[:13]:
        bar_reporter.failed(job, failure_of(job))
    bar_reporter.ended(jobs, 17, 3)
    assert errors.getvalue().splitlines()[13:] == [
        "13 of 30 files failed:",
        *(f"  {number:02}.jpg is empty." for number in range(5)),
        *(f"  {number:02}.jpg: The disk has left." for number in range(5, 10)),
        "  and 3 more",
    ]


@pytest.mark.parametrize(("count", "failed"), [(10, 2), (30, 0)])
def test_nothing_is_summarized_without_need(count: int, failed: int) -> None:
    bar_reporter, errors = bar()
    for job in failing(failed):
        bar_reporter.failed(job, failure_of(job))
    bar_reporter.ended(failing(count), count - failed, 0)
    assert len(errors.getvalue().splitlines()) == failed


def test_json_summary_has_all_failures() -> None:
    jobs = failing(30)
    json_reporter, out, _ = reporter()
    for job in jobs[:13]:
        json_reporter.failed(job, failure_of(job))
    json_reporter.ended(jobs, 17, 3)
    *errors, summary = lines(out)
    assert [{"event": "error", **failure} for failure in summary["failed"]] == errors
    assert (len(errors), errors[0]) == (
        13,
        {"event": "error", "input": "00.jpg", "error": "00.jpg is empty.", "exit_code": 3},
    )


def test_terminal_shows_one_bar_for_all_files() -> None:
    terminal = StringIO()
    bar_reporter = BarReporter(Console(file=terminal, width=100, force_terminal=True, color_system=None))
    jobs = [*JOBS, *failing(3)]
    with bar_reporter:
        bar_reporter.planned(jobs)
        for job in jobs:
            bar_reporter.started(job, 1 if job.is_photo else 10)
            bar_reporter.advanced(job, 1)
            bar_reporter.finished(JobResult(job, 1, 1.0, None, ()))
    shown = terminal.getvalue()
    assert "0 of 5 files" in shown
    assert "5 of 5 files" in shown
    assert "100 %" in shown


def test_times_and_sizes_are_short() -> None:
    assert [format_time(seconds) for seconds in (0, 9.6, 75, 5020, -1)] == ["0:00", "0:10", "1:15", "1:23:40", "0:00"]
    assert [format_size(size) for size in (12, 3400, 5.6e6, 7.8e9)] == ["12 bytes", "3.4 kB", "5.6 MB", "7.8 GB"]


def test_long_list_is_shortened() -> None:
    assert [listed("abcd", limit) for limit in (2, 4)] == ["a, b and 2 more", "a, b, c, d"]
