"""The microphone, through the recording program of the sound server.

libav could open ALSA devices too, but the library in its wheel searches for plugins in a folder that anyone can write to.
"""

import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livebg.errors import SourceError

DEFAULT: Final = "default"
"""The name of the desktop's default microphone."""
_CHUNK_BYTES: Final = 4096
_START_TIMEOUT_S: Final = 3.0
_MAX_BYTES: Final = 10 * 96_000
"""Ten seconds of samples; older ones are dropped if nothing takes them."""


def recorder_command(source: str, rate: int, find: Callable[[str], str | None] = shutil.which) -> list[str]:
    """Return the command that writes int16 mono samples of ``source`` to its standard output at ``rate`` samples per second.

    Raises :class:`~livebg.errors.SourceError` if no program is installed.
    """
    device = "@DEFAULT_SOURCE@" if source == DEFAULT else source
    if find("parec"):
        return ["parec", f"--device={device}", "--format=s16le", f"--rate={rate}", "--channels=1", "--latency-msec=40"]
    if find("pw-record"):
        # Without them, WirePlumber 0.5 (the first) or 0.4 (the second) records another microphone if there is none of that name.
        target = (
            ()
            if source == DEFAULT
            else (f"--target={source}", "--properties={ node.dont-fallback = true node.dont-reconnect = true }")
        )
        raw = ("--raw",) if _supports_raw() else ()
        return ["pw-record", *target, *raw, "--format=s16", f"--rate={rate}", "--channels=1", "--latency=40ms", "-"]
    raise SourceError("The microphone needs parec or pw-record.", "Install pulseaudio-utils or pipewire-bin, or omit --audio.")


def _supports_raw() -> bool:
    """Return whether pw-record needs an option to write samples without a header; early releases have none."""
    with suppress(OSError, subprocess.TimeoutExpired):
        helped = subprocess.run(["pw-record", "--help"], stdin=subprocess.DEVNULL, capture_output=True, timeout=2, check=False)
        return b"--raw" in helped.stdout
    return False


class Microphone:
    """Collects the samples of a microphone in its own thread, between :meth:`start` and :meth:`stop`.

    ``command`` is a program that writes int16 mono samples to its standard output. Starting may raise
    :class:`~livebg.errors.SourceError`.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._buffer = bytearray()
        self._answered = threading.Event()
        """Set when the first samples have arrived or the program has ended."""
        self._last_message = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def started(self) -> bool:
        """Whether it is between :meth:`start` and :meth:`stop`."""
        return self._process is not None

    @property
    def failed(self) -> bool:
        """Whether the program has ended by itself."""
        process = self._process
        return process is not None and process.poll() is not None

    def check(self) -> None:
        """Wait for the first samples. Raises :class:`~livebg.errors.SourceError` with the reason if there are none."""
        if self._answered.wait(_START_TIMEOUT_S) and not self.failed:
            return
        reason = self._last_message.rstrip(".") or "no sound arrives"
        raise SourceError(f"Cannot record the microphone ({reason}).", "Name one of `pactl list short sources`, or omit --audio.")

    def start(self) -> None:
        try:
            process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
            )
        except OSError as error:
            raise SourceError(f"Cannot start {self._command[0]} ({error.strerror}).", "Install it, or omit --audio.") from error
        self._process = process
        threading.Thread(target=self._collect, args=(process,), name="livebg microphone", daemon=True).start()

    def take(self) -> NDArray[np.int16]:
        """Return the samples since the last call, int16."""
        with self._lock:
            whole = len(self._buffer) // 2 * 2
            data = bytes(self._buffer[:whole])
            del self._buffer[:whole]
        return np.frombuffer(data, np.int16)

    def stop(self) -> None:
        """Stop recording and discard the samples that were not taken."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(2)
        with self._lock:
            self._buffer.clear()

    def _collect(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        with process.stdout as stream, process.stderr as messages:
            while chunk := stream.read(_CHUNK_BYTES):
                with self._lock:
                    if self._process is not process:
                        return
                    self._buffer += chunk
                    del self._buffer[: max(0, len(self._buffer) - _MAX_BYTES)]
                self._answered.set()
            self._last_message = (messages.read().decode(errors="replace").strip().splitlines() or [""])[-1].strip()
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
            self._answered.set()
