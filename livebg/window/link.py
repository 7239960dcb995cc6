"""The threads that talk to livebg's control socket, so that the window never waits."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from livebg.daemon.client import COMMAND_TIMEOUT_S, PAUSE_COMMANDS, request
from livebg.daemon.status import PresetEntry, Status
from livebg.errors import ConfigError, LivebgError, NotRunningError
from livebg.tray.status import is_lock_held
from livebg.window.state import CameraControl, Snapshot

POLL_INTERVAL_S: Final = 0.8
"""Interval of polls while the window is visible. Changes made elsewhere appear within one second."""
SET_INTERVAL_S: Final = 0.1
"""Minimum interval between two changes while a slider moves."""
_JOIN_TIMEOUT_S: Final = 3.0
_LOG: Final = logging.getLogger(__name__)
_Jobs = queue.SimpleQueue[Callable[[], object] | None]
Request = Callable[..., Any]
Post = Callable[..., object]
"""Calls a function with arguments in the main thread."""


def take_snapshot(send: Request, unknown: set[str]) -> Snapshot:
    """Ask livebg for everything that the window shows.

    ``unknown`` holds optional commands that the running livebg does not know, which this function adds to and does not send.
    """
    try:
        data = send("status")
        snapshot = Snapshot(Status.from_dict(data), recording=data.get("recording"), can_record="recording" in data)
    except LivebgError as error:
        unknown.clear()
        return Snapshot(error=error, starting=isinstance(error, NotRunningError) and is_lock_held())
    settings = _optional(send, "settings", unknown) or {}
    snapshot = replace(snapshot, values=settings.get("values", {}), settable=tuple(settings.get("settable", ())))
    presets = _optional(send, "presets", unknown)
    if presets is not None:
        names = tuple(PresetEntry(str(each["name"]), bool(each["builtin"])) for each in presets.get("presets", ()))
        snapshot = replace(snapshot, presets=names, preset=presets.get("current"))
    # Reading them opens the camera, which nothing may touch while livebg is paused or asleep.
    is_open = snapshot.status is not None and snapshot.status.camera.name is not None
    controls = _optional(send, "camera_controls", unknown) if is_open else None
    if controls is not None:
        snapshot = replace(snapshot, controls=tuple(map(CameraControl.from_dict, controls.get("controls", ()))))
    return snapshot


def _optional(send: Request, command: str, unknown: set[str]) -> Mapping[str, Any] | None:
    """Return the result of a command; None if livebg does not know it or cannot answer now."""
    if command in unknown:
        return None
    try:
        result: Mapping[str, Any] = send(command)
    except ConfigError as error:
        if error.message.startswith(f"Unknown command {command}"):
            unknown.add(command)
        return None
    except LivebgError:
        return None
    return result


class Edits:
    """Changes of settings that wait to be sent. Later values of a key replace earlier ones. Thread-safe."""

    def __init__(self) -> None:
        self._waiting: dict[str, Any] = {}
        self._lock = threading.Lock()

    def put(self, key: str, value: Any) -> bool:
        """Add a change. Return whether none waited before."""
        with self._lock:
            first = not self._waiting
            self._waiting[key] = value
            return first

    def take(self) -> dict[str, Any]:
        """Remove and return all changes."""
        with self._lock:
            taken, self._waiting = self._waiting, {}
            return taken


class Link:
    """Polls livebg while active and sends commands in order, pauses at once. Results are posted to the main thread by ``post``.

    ``on_snapshot`` gets each :class:`~livebg.window.state.Snapshot`, ``on_error`` the message of each job that failed.
    """

    def __init__(
        self,
        post: Post,
        on_snapshot: Callable[[Snapshot], object],
        on_error: Callable[[str], object],
        send: Request = request,
    ) -> None:
        self._post, self._on_snapshot, self._on_error, self._send = post, on_snapshot, on_error, send
        self._edits = Edits()
        self._jobs, self._pauses = _Jobs(), _Jobs()
        self._wake, self._closed = threading.Event(), threading.Event()
        self._active = True
        self._threads = [
            threading.Thread(target=self._poll, name="livebg window poll", daemon=True),
            threading.Thread(target=self._work, args=(self._jobs,), name="livebg window commands", daemon=True),
            threading.Thread(target=self._work, args=(self._pauses,), name="livebg window pause", daemon=True),
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop the threads. A command that still runs is abandoned."""
        self._closed.set()
        self._wake.set()
        self._jobs.put(None)
        self._pauses.put(None)
        for thread in self._threads:
            thread.join(_JOIN_TIMEOUT_S)

    def set_active(self, active: bool) -> None:
        """Start or stop polling."""
        if active != self._active:
            self._active = active
            self._wake.set()

    def refresh(self) -> None:
        """Poll now."""
        self._wake.set()

    def edit(self, key: str, value: Any) -> None:
        """Change a setting. While a slider moves, only its newest value is sent, at most ten times a second."""
        if self._edits.put(key, value):
            self._jobs.put(self._send_edits)

    def command(self, name: str, arguments: Mapping[str, Any] | None = None) -> None:
        """Send a command."""
        jobs = self._pauses if name in PAUSE_COMMANDS else self._jobs
        jobs.put(lambda: self._send(name, arguments, timeout=COMMAND_TIMEOUT_S))

    def run(self, job: Callable[[], Any], done: Callable[[Any], object] | None = None) -> None:
        """Run ``job`` in the thread of commands, and post its result to ``done``."""

        def run_and_post() -> None:
            result = job()
            if done is not None:
                self._post(done, result)

        self._jobs.put(run_and_post)

    def _send_edits(self) -> None:
        try:
            self._send("set", {"settings": self._edits.take()}, timeout=COMMAND_TIMEOUT_S)
        finally:
            self._wake.set()
            time.sleep(SET_INTERVAL_S)

    def _work(self, jobs: _Jobs) -> None:
        while (job := jobs.get()) is not None and not self._closed.is_set():
            try:
                job()
            except LivebgError as error:
                self._post(self._on_error, str(error))
            except Exception as error:  # noqa: BLE001 - a bug must not end the thread, or no later button would do anything
                _LOG.debug("A command failed", exc_info=error)
                self._post(self._on_error, f"Internal error ({type(error).__name__}: {error}). Report this bug.")
            self._wake.set()

    def _snapshot(self, unknown: set[str]) -> Snapshot:
        try:
            return take_snapshot(self._send, unknown)
        except Exception as error:  # noqa: BLE001 - a window that is never updated again would show an old state
            _LOG.debug("Cannot read the state of livebg", exc_info=error)
            return Snapshot(error=LivebgError("Incompatible livebg is running.", "Restart it."))

    def _poll(self) -> None:
        unknown: set[str] = set()
        while not self._closed.is_set():
            if self._active:
                self._post(self._on_snapshot, self._snapshot(unknown))
            self._wake.wait(POLL_INTERVAL_S if self._active else None)
            self._wake.clear()
