"""Samples the call stacks of a process, weighted by CPU time."""

import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final, Self

from livebg.errors import SinkError

_INTERVAL_S: Final = 0.0005
"""A fraction of a native call, since time up to a sample counts for the stack that the sample finds."""


class StackProfiler:
    """Samples the Python stacks of the threads that exist when the ``with`` block begins. Linux only.

    Each sample counts as much CPU time as its thread has used since the previous one, so waiting costs nothing and native code
    counts for the function that calls it.
    """

    def __init__(self) -> None:
        self._microseconds: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="livebg-profiler", daemon=True)

    def __enter__(self) -> Self:
        self._threads = threading.enumerate()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def write(self, path: Path) -> None:
        """Write collapsed stacks, as flame graph tools read them: ``thread;function;function microseconds``.

        Raises :class:`~livebg.errors.SinkError` if the file exists or cannot be written.
        """
        try:
            with path.open("x", encoding="utf-8") as file:
                file.writelines(f"{stack} {spent}\n" for stack, spent in sorted(self._microseconds.items()) if spent)
        except OSError as error:
            raise SinkError(f"The profile {path} cannot be written ({error.strerror}).", "Choose another file.") from error

    def _run(self) -> None:
        clocks = {thread.ident: time.pthread_getcpuclockid(thread.ident) for thread in self._threads if thread.ident}
        names = {thread.ident: thread.name for thread in self._threads}
        before = {ident: time.clock_gettime_ns(clock) for ident, clock in clocks.items()}
        while not self._stop.wait(_INTERVAL_S):
            for ident, frame in sys._current_frames().items():
                if ident in clocks and (now := time.clock_gettime_ns(clocks[ident])) > before[ident]:
                    self._microseconds[f"{names[ident]};{_stack(frame)}"] += (now - before[ident]) // 1000
                    before[ident] = now


def _stack(frame: FrameType | None) -> str:
    """Return the functions from the outermost to the innermost."""
    functions: list[str] = []
    while frame is not None:
        functions.append(f"{Path(frame.f_code.co_filename).stem}:{frame.f_code.co_qualname}")
        frame = frame.f_back
    return ";".join(reversed(functions))
