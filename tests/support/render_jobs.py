"""Jobs of four segments with small files, and a process that renders one and is killed at a given moment.

``python -m tests.support.render_jobs OUTPUT`` renders the job over and over, each time killed one file operation later than the
time before, and then killed again while it continues. It prints what the run after that finds: a JSON line per round.
"""

import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterable
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any, Final

from livebg.rendering.job_directory import JobDirectory
from livebg.rendering.job_files import segment_file
from livebg.rendering.jobs import NetworkInfo
from livebg.rendering.manifest import Manifest, identify
from livebg.rendering.segments import Segment, SegmentFile, SegmentResult

COUNT: Final = 4
SEGMENT_S: Final = 10
TIME_BASE: Final = Fraction(1, 100)
VERSIONS: Final = {"livebg": "0.1.0", "av": "18.1.0"}
EVENTS: Final = ("open", "os.", "fcntl.flock", "shutil.")
"""Audit events of file operations, by the beginning of their names."""


def make_manifest(source: Path, **settings: Any) -> Manifest:
    """The manifest of a job of ``source``, a file that is made if it is missing: 35 s in segments of 10 s."""
    if not source.exists():
        source.write_bytes(b"a video")
    ends = [*(1000 * (index + 1) for index in range(COUNT - 1)), None]
    segments = tuple(Segment(index, 1000 * index, end, TIME_BASE) for index, end in enumerate(ends))
    given = {"effect": {"mode": "portrait", "blur": 0.5}, **settings}
    return Manifest({"source": identify(source)}, ("livebg-u2", "f" * 64), given, segments, duration=35.0, versions=VERSIONS)


def render_segment(folder: Path, index: int, keys: Iterable[str] = ("video",)) -> SegmentResult:
    """What a worker does: write the files of a segment into ``folder``, in a temporary file each."""
    files = {}
    for key in keys:
        content = f"{key} of segment {index}. ".encode() * 100
        path = folder / segment_file(index, key, ".mp4")
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(content)
        part.replace(path)
        files[key] = SegmentFile(path.name, len(content), hashlib.sha256(content).hexdigest())
    network = NetworkInfo("livebg-u2", "cpu", (256, 144))
    return SegmentResult(index, tuple(range(1000 * index, 1000 * index + 1000, 40)), files, ("a note",), {"gap": 1}, network)


def render_job(output: Path, manifest: Manifest, notes: list[str] | None = None) -> None:
    """Render a job as ``livebg render`` does: with a track, and joined in order."""
    with JobDirectory.open(output, manifest, note=(list[str]() if notes is None else notes).append) as job:
        if job.manifest.track is None:
            job.store_track({"framing": [0.25, 0.5]})
        finished = job.finished()
        for index in range(COUNT):
            if index not in finished:
                job.add(render_segment(job.path, index))
        part = job.path / f"{output.name}.part"
        part.write_bytes(b"".join((job.path / job.finished()[index].files["video"].name).read_bytes() for index in range(COUNT)))
        part.replace(output)
        job.discard()


def interrupted_job(output: Path, manifest: Manifest, indexes: Iterable[int] = (0, 1)) -> Path:
    """Leave the job folder of a run that has finished the segments ``indexes``, and return its path."""
    with JobDirectory.open(output, manifest) as job:
        for index in indexes:
            job.add(render_segment(job.path, index))
    return job.path


def _run_until(output: Path, manifest: Manifest, operation: int) -> bool:
    """Render the job in a child that is killed at its file operation ``operation``. Returns whether it was."""
    child = os.fork()
    if child == 0:
        done = count(1)

        def kill(event: str, _arguments: tuple[object, ...]) -> None:
            if event.startswith(EVENTS) and next(done) == operation:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        try:
            render_job(output, manifest)
        except BaseException as error:  # noqa: BLE001 - a child must not return
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main(output: Path) -> None:
    manifest = make_manifest(output.parent / "talk.mp4")
    _run_until(output, manifest, 0)  # whole, so that everything is imported
    for operation in count(1):
        output.unlink(missing_ok=True)
        killed = _run_until(output, manifest, operation)
        complete = output.exists()
        _run_until(output, manifest, 1 + 37 * operation % 60)  # also the next run is killed
        notes: list[str] = []
        with JobDirectory.open(output, manifest, note=notes.append) as job:
            finished = sorted(job.finished())
            names = sorted(path.name for path in job.path.iterdir())
        render_job(output, manifest, notes)
        left = sorted(path.name for path in output.parent.iterdir())
        found = {"killed": killed, "complete": complete, "finished": finished, "names": names, "notes": notes, "left": left}
        print(json.dumps({**found, "sha256": hashlib.sha256(output.read_bytes()).hexdigest()}))  # noqa: T201
        if not killed:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
