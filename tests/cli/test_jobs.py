"""``livebg jobs``."""

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from livebg.cli import app
from livebg.rendering.job_directory import JobDirectory
from livebg.rendering.job_files import job_folder
from tests.support.cli_runner import CommandResult, LivebgCli
from tests.support.render_jobs import interrupted_job, make_manifest, render_segment

TALK = Path("talk.portrait.mp4")
SIZE = r"\d\.\d kB"
LINE = rf"talk\.portrait\.mp4: 0:20 of 0:35 \(57 %\) of /\S*/talk\.mp4, {SIZE}, stopped just now"


def interrupt(output: Path = TALK) -> Path:
    """Leave a job of ``talk.mp4``; returns its folder."""
    return interrupted_job(output, make_manifest(Path("talk.mp4")))


def clean_folder(answer: str) -> CommandResult:
    """``livebg jobs clean`` with an answer of the user."""
    result = CliRunner().invoke(app, ["jobs", "clean"], prog_name="livebg", input=answer)
    return CommandResult(result.exit_code, result.stdout, result.stderr)


@pytest.mark.parametrize("command", [(), ("list",), ("list", ".")])
def test_interrupted_job_is_listed(cli: LivebgCli, command: tuple[str, ...]) -> None:
    interrupt()
    result = cli.livebg("jobs", *command)
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(LINE, result.out.strip())


def test_list_is_empty_without_jobs(cli: LivebgCli) -> None:
    (cli.folder / "sub").mkdir()
    interrupt(Path("sub", TALK))
    assert cli.livebg("jobs", "list").out == "No interrupted renders in the current folder.\n"
    assert cli.livebg("jobs", "clean", "--yes").out == "No interrupted renders in the current folder.\n"
    assert cli.livebg("jobs", "list", "--json").out == ""
    assert cli.livebg("jobs", "list", "-r").out.startswith("sub/talk.portrait.mp4: ")
    assert cli.livebg("jobs", "list", "sub").out.startswith("sub/talk.portrait.mp4: ")


def test_hidden_folders_and_links_are_not_searched(cli: LivebgCli) -> None:
    (cli.folder / ".hidden").mkdir()
    interrupt(Path(".hidden", TALK))
    Path("link").symlink_to(".hidden")
    job_folder(Path("b.mp4")).symlink_to(job_folder(Path(".hidden", TALK)))
    assert cli.livebg("jobs", "list", "-r").out == "No interrupted renders in the current folder.\n"


def test_list_as_json_has_all_facts(cli: LivebgCli) -> None:
    folder = interrupt(cli.folder / TALK)
    with JobDirectory.open(cli.folder / "b.mp4", make_manifest(Path("talk.mp4"))):
        first, second = cli.livebg("jobs", "list", str(cli.folder), "--json").json_lines
    assert (first["output"], first["running"]) == (str(cli.folder / "b.mp4"), True)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", second.pop("modified"))
    assert second == {
        "output": str(cli.folder / TALK),
        "source": str(cli.folder / "talk.mp4"),
        "folder": str(folder),
        "seconds": 20.0,
        "duration": 35.0,
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
        "running": False,
        "problem": None,
    }


def test_age_is_that_of_the_last_change(cli: LivebgCli) -> None:
    folder = interrupt()
    for path in (*folder.iterdir(), folder):
        found = path.stat()
        os.utime(path, (found.st_atime, found.st_mtime - 3 * 3600 - 60))
    assert "stopped 3 hours ago" in cli.livebg("jobs", "list").out


def test_running_job_is_listed_as_running(cli: LivebgCli) -> None:
    with JobDirectory.open(TALK, make_manifest(Path("talk.mp4"))) as job:
        job.add(render_segment(job.path, 0))
        assert cli.livebg("jobs").out.endswith(f"running (pid {os.getpid()})\n")


def test_damaged_job_is_listed_and_removed(cli: LivebgCli) -> None:
    folder = interrupt()
    (folder / "manifest.json").write_text("{")
    line = rf"talk\.portrait\.mp4: \.talk\.portrait\.mp4\.livebg has a damaged manifest, {SIZE}, stopped just now"
    assert re.fullmatch(line, cli.livebg("jobs").out.strip())
    assert cli.livebg("jobs", "clean", str(TALK)).code == 0
    assert cli.files() == {"talk.mp4"}


def test_shortened_name_is_listed_in_full(cli: LivebgCli) -> None:
    output = Path("x" * 250 + ".mp4")
    interrupt(output)
    assert cli.livebg("jobs").out.startswith(f"{output}: ")
    assert cli.livebg("jobs", "clean", str(output)).code == 0


@pytest.mark.parametrize("named", [str(TALK), f".{TALK}.livebg", f"./{TALK}"])
def test_named_job_is_removed_without_a_question(cli: LivebgCli, named: str) -> None:
    interrupt()
    interrupt(Path("b.mp4"))
    result = cli.livebg("jobs", "clean", named)
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(rf"Removed \.talk\.portrait\.mp4\.livebg \({SIZE}\)\.", result.out.strip())
    assert [path.name for path in cli.folder.glob(".*")] == [".b.mp4.livebg"]


def test_jobs_of_folder_are_removed_after_a_question(cli: LivebgCli) -> None:
    interrupt()
    interrupt(Path("b.mp4"))
    result = clean_folder("y\n")
    first, second, _, question = result.err.splitlines()
    assert first.startswith("b.mp4: 0:20 of 0:35 ")
    assert re.fullmatch(LINE, second)
    assert question == "Remove these 2 jobs? [y/N] "
    assert [line.partition(" (")[0] for line in result.out.splitlines()] == [
        "Removed .b.mp4.livebg",
        "Removed .talk.portrait.mp4.livebg",
    ]
    assert cli.files() == {"talk.mp4"}


@pytest.mark.parametrize(("text", "code"), [("\n", 130), ("", 2)])
def test_nothing_is_removed_without_a_yes(cli: LivebgCli, text: str, code: int) -> None:
    interrupt()
    before = cli.files()
    assert clean_folder(text).code == code
    assert cli.files() == before


def test_yes_removes_jobs_of_subfolders(cli: LivebgCli) -> None:
    (cli.folder / "sub").mkdir()
    interrupt(Path("sub", TALK))
    assert cli.livebg("jobs", "clean", "--yes", "--recursive", ".").code == 0
    assert cli.files() == {"talk.mp4", "sub"}


def test_running_job_is_kept(cli: LivebgCli) -> None:
    with JobDirectory.open(TALK, make_manifest(Path("talk.mp4"))) as job:
        job.add(render_segment(job.path, 0))
        named = cli.livebg("jobs", "clean", str(TALK))
        assert (named.code, named.error_line) == (4, f"{TALK} is being rendered (pid {os.getpid()}). Stop that first.")
        folder = cli.livebg("jobs", "clean")
        kept = f"Kept .talk.portrait.mp4.livebg: talk.portrait.mp4 is being rendered (pid {os.getpid()}).\n"
        assert (folder.code, folder.out, folder.err) == (0, kept, "")
        assert (job.path / "0000.video.mp4").exists()


def test_unknown_output_is_an_error(cli: LivebgCli) -> None:
    result = cli.livebg("jobs", "clean", "missing.mp4")
    assert result.code == 3
    assert result.error_line == "There is no interrupted job for missing.mp4. `livebg jobs list FOLDER` shows those in a folder."


def test_job_with_other_files_is_not_removed(cli: LivebgCli) -> None:
    folder = interrupt()
    (folder / "notes.txt").write_text("mine")
    before = cli.files()
    result = cli.livebg("jobs", "clean", str(TALK))
    assert result.code == 4
    assert result.error_line == (
        ".talk.portrait.mp4.livebg was not removed: livebg did not make notes.txt in it. "
        "Move that elsewhere, or remove the folder yourself."
    )
    assert cli.files() == before


def test_cleaned_job_starts_over(cli: LivebgCli) -> None:
    interrupt()
    assert cli.livebg("jobs", "clean", str(TALK)).code == 0
    with JobDirectory.open(TALK, make_manifest(Path("talk.mp4"))) as job:
        assert job.finished() == {}


def test_outputs_of_jobs_are_completed(cli: LivebgCli) -> None:
    interrupt()
    interrupt(cli.folder / "b.mp4")
    line = "livebg jobs clean ta"
    variables = {"_LIVEBG_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "3"}
    done = CliRunner().invoke(app, [], prog_name="livebg", env=variables)
    assert done.stdout.split() == [str(TALK)]
