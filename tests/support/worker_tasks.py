"""Tasks that a worker process can import, an observer, and a program whose workers are interrupted or orphaned."""

import hashlib
import logging
import os
import sys
import time
from concurrent.futures import wait
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from livebg.config.settings import Settings
from livebg.errors import SourceError
from livebg.rendering.worker import Worker
from livebg.rendering.workers import open_workers
from tests.support.waiting import wait_until

HANG_S = 60
"""Much longer than anything takes here."""


@dataclass
class RecordingObserver:
    """Remembers what happens to a task."""

    label: str = "Segment 3 (0:30 to 0:40) of talk.mp4"
    frames: list[int] = field(default_factory=list)
    retries: list[Exception] = field(default_factory=list)

    def advanced(self, frames: int) -> None:
        self.frames.append(frames)

    def retried(self, error: Exception) -> None:
        self.retries.append(error)


def announce(file: Path) -> None:
    """Write this process's id to ``file``, all of it at once."""
    part = file.with_suffix(".new")
    part.write_text(str(os.getpid()))
    part.replace(file)


def announced(file: Path) -> int:
    """Wait for :func:`announce`. Returns the process id."""
    wait_until(file.exists)
    return int(file.read_text())


@dataclass(frozen=True)
class Digest:
    """Returns a hash of ``frames`` numbers, one per frame, and the process that computed it.

    With ``pause``, the first try creates that file and then waits until it is killed or stopped; if ``deaf``, until it is killed.
    """

    frames: int
    pause: Path | None = None
    deaf: bool = False

    def run(self, worker: Worker) -> tuple[str, int]:
        digest = hashlib.sha256()
        for number in range(self.frames):
            digest.update(str(number).encode())
            worker.advance(1)
            if self.pause and number == self.frames // 2 and not self.pause.exists():
                announce(self.pause)
                while True:
                    time.sleep(0.005)
                    if not self.deaf:
                        worker.advance(0)
        return digest.hexdigest(), os.getpid()


@dataclass(frozen=True)
class Failing:
    """Fails ``errors`` times, counting its tries in ``folder``; then returns the number of tries."""

    folder: Path
    errors: int
    deliberate: bool = False

    def run(self, worker: Worker) -> int:
        tries = len(list(self.folder.iterdir()))
        (self.folder / str(tries)).touch()
        worker.advance(1)
        if tries < self.errors:
            raise SourceError("It is empty.", "Copy it again.") if self.deliberate else ZeroDivisionError(f"try {tries}")
        return tries


class _Awkward(Exception):
    """Cannot be unpickled."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} {second}")


@dataclass(frozen=True)
class Unpicklable:
    """Raises an error that cannot be pickled, or returns such a result."""

    raises: bool

    def run(self, worker: Worker) -> object:
        worker.advance(1)
        if self.raises:
            raise _Awkward(1, 2)
        return lambda: None


@dataclass(frozen=True)
class Exiting:
    """Ends the process."""

    def run(self, worker: Worker) -> None:
        worker.advance(1)
        os._exit(9)


@dataclass(frozen=True)
class Logging:
    """Logs a line at each of two levels."""

    def run(self, worker: Worker) -> None:
        worker.advance(1)
        log = logging.getLogger("livebg.rendering.test")
        log.debug("fine %d", 1)
        log.warning("loud %d", 2)


@dataclass(frozen=True)
class Segmenting:
    """Returns the process, the identity of its network, its alpha of a picture, and OpenCV's number of threads."""

    settings: Settings
    shade: int

    def run(self, worker: Worker) -> tuple[int, int, bytes, int]:
        segmenter = worker.segmenter(self.settings)
        picture = np.full((64, 64, 3), self.shade, np.uint8)
        return os.getpid(), id(segmenter), segmenter.segment(picture).tobytes(), cv2.getNumThreads()


def main() -> None:
    """``python -m tests.support.worker_tasks FOLDER [deaf]``: two workers, each with a task that does not end."""
    folder, deaf = Path(sys.argv[1]), "deaf" in sys.argv
    with open_workers(2) as workers:
        futures = [workers.submit(Digest(9, folder / name, deaf), RecordingObserver()) for name in ("a", "b", "c", "d")]
        try:
            wait(futures)
        except KeyboardInterrupt:
            workers.stop()
            wait(futures)
            sys.stdout.write("\n".join(type(future.exception()).__name__ for future in futures))


if __name__ == "__main__":
    main()
