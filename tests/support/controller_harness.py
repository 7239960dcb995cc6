"""A controller with a session that records its calls and with pipelines that need no network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from livebg.clock import StageTimer
from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.daemon.commands import commands, preset_commands
from livebg.daemon.controller import SessionController
from livebg.daemon.preset_switcher import PresetSwitcher
from livebg.daemon.presets import Presets
from livebg.daemon.saved_choices import SavedChoices
from livebg.daemon.server import Command
from livebg.daemon.settings_layers import SettingsLayers
from livebg.errors import ConfigError, ModelError
from livebg.live.capture_loop import Camera
from livebg.live.effect_builder import ProcessorFactory
from livebg.live.frame_path import Build
from livebg.live.session import Session
from livebg.pipeline import Passthrough
from tests.support.live_session import FORMAT, RecordingSink, ToyCamera, ends, green_processor

MISSING = "missing.png"
"""The background that cannot be read."""
BROKEN = "broken.onnx"
"""The network that cannot be loaded."""
CONSENT = Consent("a test")


class RecordingSession(Session):
    """A session that does not run, and records its calls, in words."""

    def __init__(self) -> None:
        super().__init__(*ends(ToyCamera, RecordingSink()), green_processor)
        self.calls: list[str] = []
        self.camera: Camera | None = None

    def switch(self, build: Build, *, at_once: bool) -> None:
        room = isinstance(build(), Passthrough)
        self.calls.append(f"{'room' if room else 'hidden'}{' at once' if at_once else ''}")

    def pause(self) -> None:
        super().pause()
        self.calls.append("pause")

    def resume(self) -> None:
        super().resume()
        self.calls.append("resume")

    def use_camera(self, camera: Camera) -> None:
        self.camera = camera
        self.calls.append("camera")


class FakeProcessorFactory(ProcessorFactory):
    """Ready at once, except for networks known to fail. In every mode the room is replaced by green."""

    def __init__(self) -> None:
        super().__init__(Settings(), None, StageTimer(), FORMAT)
        self.prepared: list[Settings] = []
        self.before: Callable[[], object] = lambda: None

    def prepare(self, settings: Settings) -> Build:
        self.before()
        if settings.effect.background.endswith(MISSING):
            raise ConfigError(f"the background {settings.effect.background} does not exist: name another")
        if settings.model.name.endswith(BROKEN):
            raise ModelError(f"{settings.model.name} is no network: choose another")
        self.prepared.append(settings)
        return green_processor

    def passthrough(self, consent: Consent) -> Build:
        return lambda: Passthrough(consent)


class ControllerHarness:
    """A controller with a session, pipelines, a configuration file and saved choices, separate for each test."""

    def __init__(self, folder: Path, options: dict[str, Any] | None = None, consent: Consent | None = None) -> None:
        self.config = folder / "config.toml"
        if not self.config.exists():
            self.config.touch()
        self.choices = SavedChoices(folder / "state" / "choices.json")
        self.session, self.looks = RecordingSession(), FakeProcessorFactory()
        layers = SettingsLayers.start(options or {}, self.config, self.choices.read())
        self.presets = Presets(folder / "presets")
        self.controller = SessionController(self.session, self.looks, layers, self.choices, consent, folder=folder)
        self.switcher = PresetSwitcher(self.controller, self.presets)

    @property
    def commands(self) -> dict[str, Command]:
        """Those of the control socket, except the ones that can show the room."""
        return commands(self.controller) | preset_commands(self.switcher)

    @property
    def kept(self) -> dict[str, Any]:
        """The values that the next start will find."""
        return {key: word.value for key, word in self.choices.read().items()}
