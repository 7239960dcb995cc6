"""The job directory: interrupted jobs continue with what is intact, and with nothing else."""

import errno
import fcntl
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from livebg.errors import SinkError
from livebg.rendering.interrupted_jobs import describe_job, remove_job
from livebg.rendering.job_directory import JobDirectory
from livebg.rendering.job_files import entry_file, job_folder
from livebg.rendering.manifest import Manifest
from livebg.rendering.sealed_file import digest
from livebg.rendering.segments import SegmentResult
from tests.support.render_jobs import COUNT, interrupted_job, make_manifest, render_job, render_segment

REPEATED = "and is rendered again."


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "talk.portrait.mp4"


def resume(output: Path, manifest: Manifest, **options: Any) -> tuple[dict[int, SegmentResult], list[str]]:
    """Open the job, and return its finished segments and the notes; it is kept."""
    notes: list[str] = []
    with JobDirectory.open(output, manifest, note=notes.append, **options) as job:
        return job.finished(), notes


def files(output: Path) -> set[str]:
    return {path.name for path in output.parent.iterdir()}


def test_segments_of_interrupted_job_are_finished(output: Path, manifest: Manifest) -> None:
    results = []
    with JobDirectory.open(output, manifest) as job:
        assert job.finished() == {}
        for index in (2, 0):
            results.append(render_segment(job.path, index, ("video", "matte")))
            job.add(results[-1])
        assert job.finished() == {2: results[0], 0: results[1]}
    assert resume(output, manifest) == ({2: results[0], 0: results[1]}, [])


def test_folder_is_private_and_named_after_output(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    assert path == output.parent / ".talk.portrait.mp4.livebg"
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_completed_job_leaves_only_its_output(output: Path, manifest: Manifest) -> None:
    render_job(output, manifest)
    assert files(output) == {"talk.mp4", output.name}


def test_track_is_stored_before_segments(output: Path, manifest: Manifest) -> None:
    track = {"framing": [[0.25, 0.5, 1.0]], "light": {"gain": 1.125}}
    with JobDirectory.open(output, manifest) as job:
        assert job.manifest.track is None
        job.store_track(track)
        job.add(render_segment(job.path, 0))
    with JobDirectory.open(output, manifest) as job:
        assert job.manifest.track == track
        assert set(job.finished()) == {0}


def test_track_alone_is_kept(output: Path, manifest: Manifest) -> None:
    with JobDirectory.open(output, manifest) as job:
        job.store_track([1])
        assert job.keep() is not None
    assert job.path.is_dir()


def test_job_without_finished_segment_leaves_nothing(output: Path, manifest: Manifest) -> None:
    with JobDirectory.open(output, manifest) as job:
        render_segment(job.path, 0)
    assert files(output) == {"talk.mp4"}


def test_job_of_one_segment_leaves_nothing(output: Path, manifest: Manifest) -> None:
    with JobDirectory.open(output, replace(manifest, segments=manifest.segments[-1:])) as job:
        job.add(render_segment(job.path, 3))
        assert job.keep() is None
    assert files(output) == {"talk.mp4"}


def test_kept_job_says_what_remains(output: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(output.parent)
    with JobDirectory.open(Path("my talk.mp4"), manifest) as job:
        job.add(render_segment(job.path, 1))
        job.add(render_segment(job.path, 3))
        assert job.keep() == (
            "0:15 of 0:35 are finished and kept in .my talk.mp4.livebg. Run the same command to continue, "
            "or `livebg jobs clean 'my talk.mp4'` to remove them."
        )
        assert job.keep() is None


@pytest.mark.parametrize("name", ["x" * 251 + ".mp4", "ä" * 125 + ".mp4", "x" * 243 + ".mp4"])
def test_long_name_is_shortened(name: str, output: Path, manifest: Manifest) -> None:
    output = output.with_name(name)
    path = interrupted_job(output, manifest)
    assert len(os.fsencode(path.name)) <= 255
    assert path.name.startswith(f".{name[:60]}")
    assert path.name.endswith(".livebg")
    assert job_folder(output.with_name(f"{name[:-1]}3")) != path
    assert set(resume(output, manifest)[0]) == {0, 1}


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is truncated"),
        (lambda path: path.write_bytes(b""), "is truncated"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "was modified"),
        (lambda path: path.write_bytes(b"V" + path.read_bytes()[1:]), "was modified"),
        (Path.unlink, "is incomplete"),
    ],
)
def test_damaged_segment_is_rendered_again(
    damage: Callable[[Path], object], problem: str, output: Path, manifest: Manifest
) -> None:
    path = interrupted_job(output, manifest, (0, 1, 2))
    damage(path / "0001.video.mp4")
    finished, notes = resume(output, manifest)
    assert set(finished) == {0, 2}
    assert notes == [f"Segment 1 (0:10 to 0:20) {problem} {REPEATED}"]
    assert not list(path.glob("0001.*"))
    assert resume(output, manifest)[1] == []


def test_last_segment_is_named_without_end(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest, (0, 3))
    (path / "0003.video.mp4").write_bytes(b"")
    assert resume(output, manifest)[1] == [f"Segment 3 (0:30 to the end) is truncated {REPEATED}"]


def test_every_file_of_a_segment_is_verified(output: Path, manifest: Manifest) -> None:
    with JobDirectory.open(output, manifest) as job:
        job.add(render_segment(job.path, 0))
        job.add(render_segment(job.path, 1, ("video", "matte")))
    (job.path / "0001.matte.mp4").write_bytes(b"m")
    finished, notes = resume(output, manifest)
    assert set(finished) == {0}
    assert notes == [f"Segment 1 (0:10 to 0:20) is truncated {REPEATED}"]
    assert not list(job.path.glob("0001.*"))


def test_symlink_instead_of_file_is_not_followed(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    same = output.with_name("same.mp4")
    (path / "0001.video.mp4").rename(same)
    (path / "0001.video.mp4").symlink_to(same)
    content = same.read_bytes()
    finished, notes = resume(output, manifest)
    assert set(finished) == {0}
    assert notes == [f"Segment 1 (0:10 to 0:20) cannot be read {REPEATED}"]
    assert same.read_bytes() == content
    assert not (path / "0001.video.mp4").is_symlink()


def test_named_pipe_instead_of_file_does_not_block(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    (path / "0001.video.mp4").unlink()
    os.mkfifo(path / "0001.video.mp4")
    assert resume(output, manifest)[1] == [f"Segment 1 (0:10 to 0:20) cannot be read {REPEATED}"]


def test_segment_of_another_job_is_foreign(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest, (0,))
    other = interrupted_job(output.with_name("other.mp4"), replace(manifest, duration=36.0), (1,))
    for name in ("0001.video.mp4", entry_file(1)):
        (other / name).rename(path / name)
    finished, notes = resume(output, manifest)
    assert set(finished) == {0}
    assert notes == [f"Segment 1 (0:10 to 0:20) belongs to another job {REPEATED}"]


def test_segment_under_another_index_is_foreign(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    (path / entry_file(1)).rename(path / entry_file(2))
    (path / "0001.video.mp4").rename(path / "0002.video.mp4")
    finished, notes = resume(output, manifest)
    assert set(finished) == {0}
    assert notes == [f"Segment 2 (0:20 to 0:30) belongs to another job {REPEATED}"]


def test_file_outside_of_job_is_foreign(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    sealed = json.loads((path / entry_file(1)).read_bytes())
    file = sealed["content"]["segment"]["files"]["video"]
    (path / "0001.video.mp4").rename(output.with_name("0001.video.mp4"))
    file["name"] = "../0001.video.mp4"
    sealed["sha256"] = digest(sealed["content"])  # anyone who can write here can also seal
    (path / entry_file(1)).write_text(json.dumps(sealed))
    finished, notes = resume(output, manifest)
    assert set(finished) == {0}
    assert notes == [f"Segment 1 (0:10 to 0:20) belongs to another job {REPEATED}"]
    assert output.with_name("0001.video.mp4").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sha256": "0", "content": {}}', "[" * 100_000, "\xff"])
def test_damaged_description_is_reported(text: str, output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    (path / entry_file(1)).write_text(text, "latin-1")
    finished, notes = resume(output, manifest)
    assert set(finished) == {0}
    assert notes == [f"Segment 1 (0:10 to 0:20) has a damaged description {REPEATED}"]


def test_edited_description_is_reported(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    text = (path / entry_file(1)).read_text()
    (path / entry_file(1)).write_text(text.replace("1040", "1041"))
    assert resume(output, manifest)[1] == [f"Segment 1 (0:10 to 0:20) has a damaged description {REPEATED}"]


def test_edited_manifest_starts_over(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    text = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(text.replace('"blur":0.5', '"blur":0.8'))
    edited = make_manifest(Path(manifest.inputs["source"].path), effect={"mode": "portrait", "blur": 0.8})
    finished, notes = resume(output, edited)
    assert finished == {}
    assert notes == ["The manifest of .talk.portrait.mp4.livebg was modified or is damaged; rendering starts over."]
    assert files(output) == {"talk.mp4"}


def test_missing_manifest_starts_over(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    (path / "manifest.json").unlink()
    assert resume(output, manifest) == (
        {},
        ["The manifest of .talk.portrait.mp4.livebg is missing; rendering starts over."],
    )


def test_symlink_instead_of_manifest_is_not_followed(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    moved = output.with_name("manifest")
    (path / "manifest.json").rename(moved)
    (path / "manifest.json").symlink_to(moved)
    content = moved.read_bytes()
    with JobDirectory.open(output, manifest, note=list[str]().append) as job:
        assert job.finished() == {}
        assert not (path / "manifest.json").is_symlink()
    assert moved.read_bytes() == content


def test_changed_setting_starts_over_with_reason(output: Path, manifest: Manifest) -> None:
    interrupted_job(output, manifest)
    changed = replace(manifest, settings={"effect": {"mode": "portrait", "blur": 0.8}})
    assert resume(output, changed) == ({}, ["Settings changed: effect.blur 0.5 to 0.8; rendering starts over."])


def test_fresh_starts_over_without_note(output: Path, manifest: Manifest) -> None:
    interrupted_job(output, manifest)
    assert resume(output, manifest, fresh=True) == ({}, [])


def test_job_of_another_output_under_the_same_name_starts_over(output: Path, manifest: Manifest) -> None:
    interrupted_job(output, manifest).rename(job_folder(output.with_name("other.mp4")))
    finished, notes = resume(output.with_name("other.mp4"), manifest)
    assert finished == {}
    assert notes == [".other.mp4.livebg belongs to talk.portrait.mp4; rendering starts over."]


def test_moved_job_continues(output: Path, manifest: Manifest) -> None:
    source = Path(manifest.inputs["source"].path)
    interrupted_job(output, manifest)
    folder = output.parent / "moved"
    folder.mkdir()
    for path in (job_folder(output), source):
        path.rename(folder / path.name)
    assert set(resume(folder / output.name, make_manifest(folder / source.name))[0]) == {0, 1}


def test_leftovers_are_removed_when_opened(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    for name in (".livebg-abc.part", "0002.video.mp4.part", "0002.video.mp4", "notes.txt", ".DS_Store"):
        (path / name).write_text("x")
    with JobDirectory.open(output, manifest) as job:
        own = {"lock", "manifest.json", "0000.json", "0000.video.mp4", "0001.json", "0001.video.mp4"}
        assert {file.name for file in job.path.iterdir()} == {*own, "notes.txt", ".DS_Store"}


def test_unknown_files_are_kept_when_discarded(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    (path / "notes.txt").write_text("mine")
    (path / "0007.video.mp4").mkdir()
    notes: list[str] = []
    with JobDirectory.open(output, manifest, note=notes.append) as job:
        job.discard()
    assert notes == [f"{path} was not removed: livebg did not make 0007.video.mp4, notes.txt in it. Remove the folder yourself."]
    assert {"0007.video.mp4", "notes.txt"} == {file.name for file in path.iterdir()} - {"lock"}
    assert (path / "notes.txt").read_text() == "mine"


def test_discard_does_not_follow_links(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    outside = output.parent / "outside"
    outside.mkdir()
    (outside / "0003.video.mp4").write_text("mine")
    (path / "0002.video.mp4").symlink_to(outside)
    (path / "0003.json").symlink_to(outside / "0003.video.mp4")
    with JobDirectory.open(output, manifest, note=list[str]().append) as job:
        job.discard()
    assert not path.exists()
    assert (outside / "0003.video.mp4").read_text() == "mine"


@pytest.mark.parametrize("kind", ["link", "file"])
def test_link_or_file_instead_of_folder_is_rejected(kind: str, output: Path, manifest: Manifest) -> None:
    outside = output.parent / "outside"
    outside.mkdir()
    if kind == "link":
        job_folder(output).symlink_to(outside)
    else:
        job_folder(output).write_text("mine")
    with pytest.raises(SinkError, match=r"\.livebg is not a folder\. Remove it, or choose another output\.$"):
        JobDirectory.open(output, manifest)
    assert list(outside.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_folder_of_another_user_is_rejected(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    os.chown(path, 12345, 12345)
    with pytest.raises(SinkError, match=r"\.livebg belongs to another user\. "):
        JobDirectory.open(output, manifest)
    assert (path / "0000.video.mp4").exists()


def test_folder_that_others_could_write_to_is_not_trusted(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    path.chmod(0o777)
    with JobDirectory.open(output, manifest, note=(notes := list[str]()).append) as job:
        assert job.finished() == {}
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert notes == ["Other users could write to .talk.portrait.mp4.livebg; rendering starts over."]


def test_folder_that_others_could_read_becomes_private(output: Path, manifest: Manifest) -> None:
    path = interrupted_job(output, manifest)
    path.chmod(0o755)
    assert set(resume(output, manifest)[0]) == {0, 1}
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_folder_whose_file_system_maps_owners_is_accepted(
    output: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems show another owner for all files of a user."""
    interrupted_job(output, manifest)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert set(resume(output, manifest)[0]) == {0, 1}


def test_file_system_without_locks_is_a_warning(
    output: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    path = interrupted_job(output, manifest)
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert set(resume(output, manifest)[0]) == {0, 1}
    warning = f"Cannot lock {path} (Function not implemented). Do not render {output} twice at the same time."
    assert caplog.messages == [warning]
    assert describe_job(path).problem == "cannot be read (function not implemented)"
    with pytest.raises(SinkError, match="function not implemented"):
        remove_job(path)
    assert set(resume(output, manifest)[0]) == {0, 1}


def test_second_run_is_rejected(output: Path, manifest: Manifest) -> None:
    with JobDirectory.open(output, manifest) as job:
        job.add(render_segment(job.path, 0))
        with pytest.raises(SinkError) as caught:
            JobDirectory.open(output, manifest, fresh=True)
        sentence = f"{output} is being rendered already (pid {os.getpid()}). Wait for it, or choose another output."
        assert str(caught.value) == sentence
        assert set(job.finished()) == {0}
    assert set(resume(output, manifest)[0]) == {0}


HOLDER = """
import sys, time
from pathlib import Path
from livebg.rendering.job_directory import JobDirectory
from tests.support.render_jobs import make_manifest, render_segment
output = Path(sys.argv[1])
job = JobDirectory.open(output, make_manifest(output.with_name("talk.mp4")))
job.add(render_segment(job.path, 2))
print("ready", flush=True)
time.sleep(600)
"""


def test_run_in_another_process_blocks_until_it_is_killed(output: Path, manifest: Manifest) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLDER, output], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(SinkError, match=rf"is being rendered already \(pid {other.pid}\)"):
            JobDirectory.open(output, manifest)
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    assert set(resume(output, manifest)[0]) == {2}


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder that syncs at once, if there is one."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield Path(folder)


def test_killed_run_continues_wherever_it_was_killed(memory: Path) -> None:
    """Killed at every file operation in turn, and again while it continues."""
    command = [sys.executable, "-m", "tests.support.render_jobs", str(memory / "talk.portrait.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["killed"] for each in rounds] == [True] * (len(rounds) - 1) + [False]
    assert len(rounds) > 60
    assert {each["sha256"] for each in rounds} == {rounds[-1]["sha256"]}
    assert {len(each["finished"]) for each in rounds} == set(range(COUNT + 1))
    for each in rounds:
        assert each["notes"] == []
        assert each["left"] == ["talk.mp4", "talk.portrait.mp4"]
        made = {name for index in each["finished"] for name in (f"{index:04d}.json", f"{index:04d}.video.mp4")}
        assert set(each["names"]) == {"lock", "manifest.json", *made}


def test_added_file_must_have_its_size_and_hash(output: Path, manifest: Manifest) -> None:
    with JobDirectory.open(output, manifest) as job:
        short, changed = render_segment(job.path, 0), render_segment(job.path, 1)
        (job.path / "0000.video.mp4").write_bytes(b"V")
        content = (job.path / "0001.video.mp4").read_bytes()
        (job.path / "0001.video.mp4").write_bytes(content[::-1])
        with pytest.raises(SinkError, match=r"0000\.video\.mp4 is truncated\. "):
            job.add(short)
        with pytest.raises(SinkError, match=r"0001\.video\.mp4 was modified\. "):
            job.add(changed)
        assert job.finished() == {}


def test_missing_or_unwritable_folder_is_rejected(output: Path, manifest: Manifest) -> None:
    with pytest.raises(SinkError, match=r"^Cannot write .*: no such file or directory\. "):
        JobDirectory.open(output.parent / "missing" / "a.mp4", manifest)
    with pytest.raises(SinkError, match=r"^Cannot write .*: not a directory\. "):
        JobDirectory.open(output.parent / "talk.mp4" / "a.mp4", manifest)
    with pytest.raises(SinkError, match=r"^Cannot write /proc/a\.mp4: "):
        JobDirectory.open(Path("/proc/a.mp4"), manifest)
    assert files(output) == {"talk.mp4"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_folder_that_became_unwritable_is_rejected(output: Path, manifest: Manifest) -> None:
    interrupted_job(output, manifest)
    output.parent.chmod(0o500)
    try:
        with pytest.raises(SinkError, match=r"permission denied\. Choose a folder that you can write to\.$"):
            JobDirectory.open(output, manifest)
    finally:
        output.parent.chmod(0o700)


FILE_LIMIT = """
import resource, sys
from pathlib import Path
from livebg.errors import SinkError
from livebg.rendering.job_directory import JobDirectory
from tests.support.render_jobs import make_manifest, render_segment
output = Path(sys.argv[1])
job = JobDirectory.open(output, make_manifest(output.with_name("talk.mp4")))
job.add(render_segment(job.path, 0))
result = render_segment(job.path, 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    job.add(result)
except SinkError as error:
    print(error)
print(job.keep())
"""


def test_failed_write_keeps_what_is_finished(output: Path, manifest: Manifest) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    done = subprocess.run([sys.executable, "-c", FILE_LIMIT, output], capture_output=True, text=True, check=True)
    error, remains = done.stdout.splitlines()
    assert error.startswith(f"Cannot write {output}: file too large. ")
    assert remains.startswith("0:10 of 0:35 are finished ")
    assert set(resume(output, manifest)[0]) == {0}


def test_full_disk_is_one_error_and_the_job_continues(tiny_disk: Path, manifest: Manifest) -> None:
    output = tiny_disk / "talk.portrait.mp4"
    filler = tiny_disk / "filler"
    with JobDirectory.open(output, manifest) as job:
        job.add(render_segment(job.path, 0))
        result = render_segment(job.path, 1)
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(bytes(2**20))
        with pytest.raises(SinkError) as caught:
            job.add(result)
        problem = f"Cannot write {output}: no space left on device. Free some disk space, or choose another folder."
        assert str(caught.value) == problem
        assert job.keep() is not None
    assert set(resume(output, manifest)[0]) == {0}
    with pytest.raises(SinkError, match="no space left on device"):
        JobDirectory.open(tiny_disk / "other.mp4", manifest)
    assert not job_folder(tiny_disk / "other.mp4").exists()
    filler.unlink()
    render_job(output, manifest)
    assert files(output) == {output.name}
