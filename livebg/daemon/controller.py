"""Applies the user's commands to the running session and reports its status."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.daemon.bootstrap import build_camera, check_camera
from livebg.daemon.runtime_dir import HIDDEN_NAME, PAUSED_NAME
from livebg.daemon.saved_choices import SavedChoices
from livebg.daemon.session_status import session_status
from livebg.daemon.settings_layers import SettingsLayers, changed_keys, check_mode, with_startup_sections
from livebg.daemon.status import CommandResult, Status
from livebg.live.effect_builder import ProcessorFactory
from livebg.live.frame_path import Build
from livebg.live.session import Session
from livebg.live.stats import RecordingStatus

_LOG: Final = logging.getLogger(__name__)


class SessionController:
    """Applies user commands atomically. Thread-safe.

    Everything that may fail (loading a network or image, validating a value) is done before anything changes: a command that
    raises has no effect, and no command ends the session. Only commands that are given a
    :class:`~livebg.compositing.composite.Consent` can show the room.

    The settings of ``layers`` are those the session was built with; ``consent`` is given if it started in mode ``none``.
    ``recording`` returns the running recording for the status. ``folder`` is the runtime folder, which keeps for a crash whether
    the user has paused and has hidden the room; a session that was paused starts paused.
    """

    def __init__(
        self,
        session: Session,
        factory: ProcessorFactory,
        layers: SettingsLayers,
        choices: SavedChoices,
        consent: Consent | None = None,
        recording: Callable[[], RecordingStatus | None] = lambda: None,
        folder: Path | None = None,
    ) -> None:
        self._recording, self._folder = recording, folder
        self._session, self._factory, self._choices = session, factory, choices
        self._layers, self._settings, self._consent = layers, layers.settings(), consent
        self._cpu_before = time.process_time()
        self._changing = threading.Lock()
        """Held while settings change, which takes seconds if a network is loaded. Acquired before ``_lock``."""
        self._toggling = threading.Lock()
        """Held during :meth:`toggle`, so that toggles alternate. Acquired before ``_lock``."""
        self._lock = threading.RLock()
        """Guards the session and its state. Not held while a setting is prepared: hiding the room never waits for that."""
        self._pauses = 0
        """How often the user paused."""
        if folder is not None and (folder / PAUSED_NAME).exists():
            _LOG.warning("livebg was paused when it ended, so it starts paused. Run `livebg resume` to continue.")
            self.pause()

    @property
    def settings(self) -> Settings:
        """The current settings."""
        return self._settings

    def on(self) -> CommandResult:
        """Hide the room again. Raises the errors of loading the network if it was not loaded before."""
        while True:
            settings = self._settings
            build = self._factory.prepare(_checked(settings)) if self._consent is not None else None
            with self._lock:
                if self._consent is not None and build is not None and settings is self._settings:
                    self._hide(build)
                if self._consent is None:
                    return self.result()

    def off(self, consent: Consent) -> CommandResult:
        """Show the room until ``on`` or the end of the run, with the user's consent."""
        with self._lock:
            if self._consent is None:
                self._session.switch(self._factory.passthrough(consent), at_once=True)
                self._consent = consent
                self._keep(HIDDEN_NAME, False, otherwise="with the effect on")
            return self.result()

    def toggle(self, consent: Consent) -> CommandResult:
        """Turn the effect off, using the consent, or on."""
        with self._toggling:
            return self.off(consent) if self._consent is None else self.on()

    def pause(self) -> CommandResult:
        """Show the placeholder and close the camera."""
        with self._lock:
            self._pauses += 1
            self._session.pause()
            self._keep(PAUSED_NAME, True, otherwise="unpaused")
            return self.result()

    def resume(self) -> CommandResult:
        """End the pause."""
        with self._lock:
            self._session.resume()
            self._keep(PAUSED_NAME, False, otherwise="paused")
            return self.result()

    def pause_or_resume(self) -> CommandResult:
        """Pause, or end the pause with the effect on: for a keyboard shortcut, which must never show the room."""
        with self._lock:
            if not self._session.snapshot().paused:
                return self.pause()
            before = self._pauses
        self.on()
        with self._lock:
            return self.resume() if before == self._pauses else self.result()

    def set_mode(self, mode: str) -> CommandResult:
        """Select a mode and turn the effect on. Raises :class:`~livebg.errors.ConfigError` if no camera can show it."""
        check_mode(mode)
        return self.set({"effect.mode": mode}, effect_on=True)

    def set_background(self, background: str) -> CommandResult:
        """Select mode background with an image, color or built-in background and turn the effect on."""
        return self.set({"effect.mode": "background", "effect.background": background}, effect_on=True)

    def set(self, settings: Mapping[str, Any], *, effect_on: bool = False) -> CommandResult:
        """Change settings given by dotted keys, all or none; ``effect_on`` also turns the effect on.

        Raises :class:`~livebg.errors.LivebgError`.
        """
        with self._changing:
            return self._apply(self._layers.with_overrides(settings), effect_on=effect_on)

    def reload(self) -> CommandResult:
        """Reread the configuration file. Raises :class:`~livebg.errors.LivebgError` and then changes nothing."""
        with self._changing:
            layers = self._layers.reloaded()
            wanted = layers.settings()
            later = [key for key in changed_keys(self._settings, wanted) if key.startswith("output.")]
            return self._apply(layers, effect_on=False, at_next_start=tuple(later))

    def result(self) -> CommandResult:
        """Return the state in which a command leaves the session."""
        effect = self._settings.effect
        return CommandResult(
            effect=self._consent is None,
            paused=self._session.snapshot().paused,
            mode=effect.mode,
            background=effect.background,
            blur=effect.blur,
            screen=effect.screen,
            camera=self._settings.camera.device,
        )

    def status(self) -> Status:
        """Return the status of the session."""
        seconds = time.process_time() - self._cpu_before
        return session_status(
            self._session, self._factory, self._settings, self._recording(), cpu_seconds=seconds, effect_on=self._consent is None
        )

    def _keep(self, name: str, existing: bool, *, otherwise: str) -> None:
        """Create or remove a file for the next start. Logs an error and how livebg starts then; the session does not change."""
        if self._folder is None:
            return
        path = self._folder / name
        try:
            path.touch() if existing else path.unlink(missing_ok=True)
        except OSError as error:
            _LOG.warning("After a crash livebg starts %s: %s", otherwise, error)

    def _apply(self, layers: SettingsLayers, *, effect_on: bool, at_next_start: tuple[str, ...] = ()) -> CommandResult:
        """Do everything that may fail, then apply the changes. Requires ``_changing``."""
        settings = _checked(with_startup_sections(layers.settings(), self._settings))
        changed = changed_keys(self._settings, settings)
        notes = [check_camera(settings)] if "camera.device" in changed else []
        hides = effect_on and self._consent is not None
        build = self._factory.prepare(settings) if hides or any(not key.startswith("camera.") for key in changed) else None
        with self._lock:
            if self._consent is not None and effect_on:
                self._hide(build or self._factory.prepare(settings))
            elif self._consent is None and build is not None:
                self._session.switch(build, at_once=False)
            if any(key.startswith("camera.") for key in changed):
                self._session.use_camera(build_camera(settings, self._session.format))
            kept, self._layers, self._settings = self._layers.choices, layers, settings
            result = self.result()
        if layers.choices != kept:
            notes.append(self._choices.write(layers.choices))
        note = "; ".join(note for note in notes if note)
        return replace(result, changed=changed, at_next_start=at_next_start, note=note or None)

    def _hide(self, build: Build) -> None:
        """Hide the room before it returns."""
        self._session.switch(build, at_once=True)
        self._consent = None
        self._keep(HIDDEN_NAME, True, otherwise="with the effect off, if it was run with --mode none")


def _checked(settings: Settings) -> Settings:
    check_mode(settings.effect.mode)
    return settings
