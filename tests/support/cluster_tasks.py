"""A task that looks like the rendering of a segment, for the workers of a cluster."""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from livebg.rendering.segments import SegmentFile, SegmentResult
from livebg.rendering.worker import Worker


@dataclass(frozen=True)
class WriteTask:
    """Writes a file of ``count`` frames slowly, and notes the process that does it. ``claimed`` is hashed instead."""

    folder: Path
    index: int
    count: int = 3
    seconds: float = 0.0
    claimed: bytes | None = None
    source: Path | None = None

    @property
    def inputs(self) -> tuple[Path, ...]:
        return () if self.source is None else (self.source,)

    def run(self, worker: Worker) -> SegmentResult:
        with (self.folder / f"{self.index}.started").open("a") as log:
            log.write(f"{os.getpid()}\n")
        content = b""
        for frame in range(self.count):
            content += f"segment {self.index}, frame {frame}\n".encode()
            time.sleep(self.seconds)
            worker.advance(1)
        name = f"{self.index:05}.video"
        part = self.folder / f"{name}.{os.getpid()}.part"
        part.write_bytes(content)
        part.replace(self.folder / name)
        claimed = content if self.claimed is None else self.claimed
        file = SegmentFile(name, len(claimed), hashlib.sha256(claimed).hexdigest())
        return SegmentResult(self.index, tuple(range(self.count)), {"video": file}, (), {}, None)


def started_in(folder: Path, index: int) -> list[int]:
    """The processes that have started the task ``index``, in order."""
    log = folder / f"{index}.started"
    return [int(line) for line in log.read_text().splitlines()] if log.exists() else []
