"""What the user's commands do to the running session."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.daemon.bootstrap import camera_arranger, camera_opener, check_camera
from livebg.daemon.command_result import Held
from livebg.daemon.saved_choices import Choices
from livebg.daemon.settings_layers import Layers, changed_keys, check_mode, pinned
from livebg.imaging.frame import VideoFormat
from livebg.imaging.geometry import Geometry
from livebg.interfaces import LiveSource
from livebg.live.effect_builder import Build

Arrange = Callable[[VideoFormat], Geometry]


class Steered(Protocol):
    """What of a :class:`~livebg.live.session.Session` is steered."""

    format: VideoFormat

    @property
    def paused(self) -> bool: ...
    def switch(self, build: Build, *, at_once: bool) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def use_camera(self, open_camera: Callable[[], LiveSource], arrange: Arrange) -> None: ...


class Preparer(Protocol):
    """What of a :class:`~livebg.live.effect_builder.LookBuilder` makes looks ready."""

    def prepare(self, settings: Settings) -> Build: ...
    def unprocessed(self, consent: Consent) -> Build: ...


class Steering:
    """Carries out the commands, from any thread, each as a whole.

    Whatever may fail, a network, a picture, a value, is made ready before anything changes: a command that raises has done
    nothing, and no command ends the session. Nothing here can show the room but a :class:`~livebg.compositing.composite.Consent`
    that is handed in with the command.

    ``settings`` in ``layers`` and the session agree at the start; ``consent`` is there when it began in mode ``none``.
    """

    def __init__(
        self, session: Steered, looks: Preparer, layers: Layers, choices: Choices, consent: Consent | None = None
    ) -> None:
        self._session, self._looks, self._choices = session, looks, choices
        self._layers, self._settings, self._consent = layers, layers.settings(), consent
        self._changing = threading.Lock()
        """Held by whoever changes settings, which may take seconds where a network is loaded. It is taken before ``_lock``."""
        self._lock = threading.Lock()
        """Round the session, and what is known of it. Not held while a setting is made ready: hiding does not wait for that."""

    @property
    def settings(self) -> Settings:
        """Those that hold now."""
        return self._settings

    @property
    def mode(self) -> str:
        """What is seen now: the mode, or ``none`` while the effect is off."""
        return "none" if self._consent is not None else self._settings.effect.mode

    def on(self) -> Held:
        """The room out of sight again. Raises what loading the network does where none was needed before."""
        with self._lock:
            if self._consent is not None:
                self._hide(self._looks.prepare(_showable(self._settings)))
            return self._held()

    def off(self, consent: Consent) -> Held:
        """The room as it is, for this run, on the user's own word."""
        with self._lock:
            if self._consent is None:
                self._session.switch(self._looks.unprocessed(consent), at_once=True)
                self._consent = consent
            return self._held()

    def toggle(self, consent: Consent) -> Held:
        """From on to off, where the user's word is used, and from off to on."""
        with self._lock:
            if self._consent is not None:
                self._hide(self._looks.prepare(_showable(self._settings)))
            else:
                self._session.switch(self._looks.unprocessed(consent), at_once=True)
                self._consent = consent
            return self._held()

    def pause(self) -> Held:
        """The placeholder, and the camera free."""
        with self._lock:
            self._session.pause()
            return self._held()

    def resume(self) -> Held:
        with self._lock:
            self._session.resume()
            return self._held()

    def mode_to(self, mode: str) -> Held:
        """Another mode, and the effect on. Raises :class:`~livebg.errors.ConfigError` for a mode that no camera can show."""
        check_mode(mode)
        return self._say({"effect.mode": mode}, effect_on=True)

    def background_to(self, background: str) -> Held:
        """Mode background with this picture, colour or built-in background, and the effect on."""
        return self._say({"effect.mode": "background", "effect.background": background}, effect_on=True)

    def set(self, said: Mapping[str, Any]) -> Held:
        """Settings by their dotted keys, all of them or none. Raises :class:`~livebg.errors.LivebgError`."""
        return self._say(said, effect_on=False)

    def reload(self) -> Held:
        """The configuration file as it is now. Raises :class:`~livebg.errors.LivebgError`, and then nothing has changed."""
        with self._changing:
            layers = self._layers.reread()
            wanted = layers.settings()
            later = [key for key in changed_keys(self._settings, wanted) if key.startswith("output.")]
            return self._change(layers, effect_on=False, at_next_start=tuple(later))

    def _say(self, said: Mapping[str, Any], *, effect_on: bool) -> Held:
        with self._changing:
            return self._change(self._layers.saying(said), effect_on=effect_on)

    def _change(self, layers: Layers, *, effect_on: bool, at_next_start: tuple[str, ...] = ()) -> Held:
        """First everything that may fail, then all that cannot. Called with ``_changing`` held."""
        settings = _showable(pinned(layers.settings(), self._settings))
        changed = changed_keys(self._settings, settings)
        notes = [check_camera(settings)] if "camera.device" in changed else []
        look = self._looks.prepare(settings) if any(not key.startswith("camera.") for key in changed) else None
        with self._lock:
            if self._consent is not None and effect_on:
                self._hide(look or self._looks.prepare(settings))
            elif self._consent is None and look is not None:
                self._session.switch(look, at_once=False)
            if any(key.startswith("camera.") for key in changed):
                self._session.use_camera(camera_opener(settings), camera_arranger(settings, self._session.format))
            kept, self._layers, self._settings = self._layers.choices, layers, settings
            held = self._held()
        if layers.choices != kept:
            notes.append(self._choices.write(layers.choices))
        note = "; ".join(note for note in notes if note)
        return replace(held, changed=changed, at_next_start=at_next_start, note=note or None)

    def _hide(self, look: Build) -> None:
        """When this returns the room is out of sight."""
        self._session.switch(look, at_once=True)
        self._consent = None

    def _held(self) -> Held:
        effect = self._settings.effect
        return Held(
            effect=self._consent is None,
            paused=self._session.paused,
            mode=effect.mode,
            background=effect.background,
            blur=effect.blur,
            screen=effect.screen,
            camera=self._settings.camera.device,
        )


def _showable(settings: Settings) -> Settings:
    check_mode(settings.effect.mode)
    return settings
