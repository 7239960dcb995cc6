"""Photos as tasks: same bytes in any process, and nothing left behind."""

import multiprocessing
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.errors import Cancelled, ConfigError, LivebgError, SinkError, SourceError
from livebg.rendering.cached_segmenter import load_segmenter
from livebg.rendering.jobs import Job
from livebg.rendering.photo_render import PhotoTask
from livebg.rendering.worker import Worker
from livebg.rendering.workers import open_workers
from tests.support.cli_runner import LivebgCli
from tests.support.photos import save_pixels, scene
from tests.support.worker_tasks import HANG_S, RecordingObserver, announce

MODES = ("portrait", "background", "greenscreen", "matte", "cutout", "none")


@pytest.fixture
def settings(cli: LivebgCli) -> Settings:
    return Settings.model_validate({"model": {"name": str(cli.folder / "toy.onnx"), "provider": "cpu"}})


def in_mode(settings: Settings, mode: str) -> tuple[Settings, Consent | None]:
    if mode == "none":
        return settings, Consent("test")
    return settings.model_copy(update={"effect": settings.effect.model_copy(update={"mode": mode})}), None


def here(stopped: bool = False) -> Worker:
    return Worker(load_segmenter, lambda _frames: None, lambda: stopped)


@pytest.mark.parametrize("mode", MODES)
def test_task_writes_what_the_command_writes(mode: str, cli: LivebgCli, photo: Path, settings: Settings) -> None:
    assert cli.render(str(photo), "--mode", mode, "-o", "command.png").code == 0
    own, consent = in_mode(settings, mode)
    result = PhotoTask(Job(photo, Path("task.png")), own, consent=consent).run(here())
    assert Path("task.png").read_bytes() == Path("command.png").read_bytes()
    assert (result.job.output, result.frames, result.notes) == (Path("task.png"), 1, ())
    assert (result.network.model if result.network else None) == (None if mode == "none" else "toy")
    assert cli.files() == {"photo.png", "command.png", "task.png"}


def test_processes_write_the_same_photos(cli: LivebgCli, settings: Settings) -> None:
    names = [f"{number}.png" for number in range(8)]
    for number, name in enumerate(names):
        save_pixels(scene(60 + number, 50), cli.folder / name)
    outputs = []
    for count in (1, 2):
        (cli.folder / str(count)).mkdir()
        tasks = [PhotoTask(Job(Path(name), Path(str(count), name)), settings) for name in names]
        with open_workers(count) as workers:
            futures = [workers.submit(task, RecordingObserver()) for task in tasks]
            results = [future.result(HANG_S) for future in futures]
        assert [result.job for result in results] == [task.job for task in tasks]
        outputs.append([(cli.folder / str(count) / name).read_bytes() for name in names])
    assert outputs[0] == outputs[1]
    assert len(set(outputs[0])) == 8


@pytest.mark.parametrize(
    ("name", "output", "mode", "error"),
    [
        ("bad.png", "out.png", "portrait", SourceError),
        ("photo.png", "out.jpg", "cutout", ConfigError),
        ("photo.png", "taken.png", "portrait", SinkError),
        ("photo.png", "photo.png", "portrait", SinkError),
        ("photo.png", "missing/out.png", "portrait", SinkError),
        ("photo.png", f"{'b' * 300}.png", "portrait", SinkError),
    ],
)
@pytest.mark.usefixtures("photo")
def test_failed_photo_leaves_nothing(
    name: str, output: str, mode: str, error: type[LivebgError], cli: LivebgCli, settings: Settings
) -> None:
    for other in ("bad.png", "taken.png"):
        (cli.folder / other).write_text("no photo")
    before = {name: (cli.folder / name).read_bytes() for name in cli.files()}
    with pytest.raises(error):
        PhotoTask(Job(Path(name), Path(output)), in_mode(settings, mode)[0]).run(here())
    assert {name: (cli.folder / name).read_bytes() for name in cli.files()} == before


def test_existing_output_is_replaced_on_request(cli: LivebgCli, photo: Path, settings: Settings) -> None:
    (cli.folder / "taken.png").write_text("mine")
    PhotoTask(Job(photo, Path("taken.png")), settings, overwrite=True).run(here())
    assert (cli.folder / "taken.png").stat().st_size > 100


def test_stopped_photo_leaves_nothing(cli: LivebgCli, photo: Path, settings: Settings) -> None:
    with pytest.raises(Cancelled):
        PhotoTask(Job(photo, Path("out.png")), settings).run(here(stopped=True))
    assert cli.files() == {"photo.png"}


def test_unfinished_file_of_a_killed_run_is_removed_by_the_next(cli: LivebgCli, photo: Path, settings: Settings) -> None:
    """Only that of the same photo."""
    for name in ("out.png", "other.png"):
        process = multiprocessing.get_context("spawn").Process(target=render_until_killed, args=(photo, name, settings))
        process.start()
        process.join(HANG_S)
        assert process.exitcode == -signal.SIGKILL
    left = cli.files() - {"photo.png"}
    assert len(left) == 2
    assert cli.render(str(photo), "-o", "out.png").code == 0
    assert len(cli.files() & left) == 1
    assert cli.render(str(photo), "-o", "other.png").code == 0
    assert cli.files() == {"photo.png", "out.png", "other.png"}


def render_until_killed(photo: Path, output: str, settings: Settings) -> None:
    """Render a photo in a process that is killed just before it writes the output."""
    killed = Worker(load_segmenter, lambda _frames: os.kill(os.getpid(), signal.SIGKILL), lambda: False)
    PhotoTask(Job(photo, Path(output)), settings).run(killed)


@dataclass(frozen=True)
class KilledPhoto:
    """A photo whose process is killed just before it writes the output, at the first try or at every one."""

    photo: PhotoTask
    marker: Path
    always: bool

    def run(self, worker: Worker) -> object:
        def advance(frames: int) -> None:
            if self.always or not self.marker.exists():
                announce(self.marker)
                os.kill(os.getpid(), signal.SIGKILL)
            worker.advance(frames)

        return self.photo.run(Worker(worker.segmenter, advance, lambda: False))

    def discard(self) -> None:
        assert any(path.name.endswith(".part") for path in self.photo.job.output.absolute().parent.iterdir())
        self.photo.discard()


@pytest.mark.parametrize("always", [False, True])
def test_killed_process_leaves_no_unfinished_photo(
    always: bool, cli: LivebgCli, photo: Path, settings: Settings, tmp_path: Path
) -> None:
    PhotoTask(Job(photo, Path("expected.png")), settings).run(here())
    task = KilledPhoto(PhotoTask(Job(photo, Path("out.png")), settings), tmp_path / "marker", always)
    with open_workers(2) as workers:
        error = workers.submit(task, RecordingObserver()).exception(HANG_S)
    assert (tmp_path / "marker").exists()
    assert type(error).__name__ == ("WorkerLost" if always else "NoneType")
    assert cli.files() == {"photo.png", "expected.png"} | (set() if always else {"out.png"})
    assert always or Path("out.png").read_bytes() == Path("expected.png").read_bytes()
