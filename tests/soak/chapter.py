"""One session of a soak, from its start to its end."""

import ctypes
import gc
import logging
import random
import sys
import tempfile
import threading
import time as real
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import psutil
from PIL import Image

from livebg.cli.consent import room_commands, room_views
from livebg.clock import StageTimer, one_opencv_thread
from livebg.daemon.bootstrap import READERS_COLOR, build_camera
from livebg.daemon.commands import commands, preset_commands, recording_commands
from livebg.daemon.controller import SessionController
from livebg.daemon.preset_switcher import PresetSwitcher
from livebg.daemon.presets import Presets
from livebg.daemon.preview_server import PreviewServer, views
from livebg.daemon.saved_choices import SavedChoices
from livebg.daemon.server import ControlServer, no_arguments
from livebg.daemon.settings_layers import SettingsLayers
from livebg.imaging.frame import VideoFormat
from livebg.interfaces import LiveSource
from livebg.live.capture_loop import Camera
from livebg.live.effect_builder import ProcessorFactory
from livebg.live.output_loop import Output
from livebg.live.presence.device import DevicePresence
from livebg.live.recorder import Recorder
from livebg.live.session import ExitReason, Session
from tests.soak.chaos import NAME, ChaosDriver
from tests.soak.faults import (
    CameraFaults,
    NetworkFaults,
    OutputMonitor,
    SoakCamera,
    SoakUsage,
    UnreliableOutput,
    Violations,
    network_opener,
)
from tests.soak.figures import Figures, Sample
from tests.soak.room import RATE, SIZE, write_clip
from tests.soak.virtual_time import VirtualTime
from tests.support.control_server import clients_are_gone, open_files
from tests.support.live_session import FakePresence, reason, state
from tests.support.toy_network import ToyNetwork

FORMAT: Final = VideoFormat(*SIZE, RATE, READERS_COLOR)
_LEAVE: Final = 30.0
"""Real seconds that a thread gets to end."""
_PATIENCE: Final = 1800.0
"""Real seconds after which a chapter hangs."""


class SoakFiles:
    """The files of a soak, made once in ``folder``; ``network`` is an ONNX file, else a toy that takes bright for people."""

    def __init__(self, folder: Path, network: Path | None = None, input_size: str = "64x36") -> None:
        self.folder, self.input_size = folder, input_size
        # A real network may mistake an upside-down room for anything, which is not what this test checks.
        self.turns: tuple[object, ...] = (0, 45) if network else (0, 180, "180", 45)
        toy = ToyNetwork(gain=1.6, offset=-0.3).write(folder / "toy.onnx")
        (folder / "broken.onnx").write_bytes(toy.read_bytes()[:200])
        Image.linear_gradient("L").resize((300, 200)).convert("RGB").save(folder / "picture.png")
        self.files = {
            "clip": write_clip(folder / "clip.mp4"),
            "network": network or toy,
            "other": ToyNetwork(gain=1.5, offset=-0.25).write(folder / "other.onnx"),
            "broken": folder / "broken.onnx",
            "picture": folder / "picture.png",
        }


class NeverWatched(FakePresence):
    """No app uses this output; waits in virtual time."""

    def __init__(self, time: VirtualTime, device: Callable[[], str | None], changed: Callable[[], object]) -> None:
        super().__init__(device, changed)
        self._end = time.event()

    def run(self) -> None:
        self.set_watched(False)
        super().run()


class StagedSession(Session):
    """A session in which every camera that is chosen is the stage's."""

    open_staged: Callable[[], LiveSource]

    def use_camera(self, camera: Camera) -> None:
        super().use_camera(Camera(self.open_staged, camera.geometry_for))


class Chapter:
    """A session with all its parts, in a separate folder; ``number`` and the figures' seed decide what happens."""

    def __init__(self, props: SoakFiles, figures: Figures, number: int, folder: Path) -> None:
        self._figures, self._folder = figures, folder
        self.violations = Violations()
        self.time = VirtualTime([NAME])
        self._config = folder / "config.toml"
        self._config.touch()
        camera, network, usage = CameraFaults(), NetworkFaults(self.time), SoakUsage(self.time)
        self.monitor = OutputMonitor(self.time, self.violations)
        self.second = UnreliableOutput(
            self.time, self.violations, self.monitor, random.Random(f"{figures.seed} {number} second output")
        )
        options = {"model.name": str(props.files["network"]), "model.input_size": props.input_size, "model.provider": "cpu"}
        choices = SavedChoices(folder / "choices.json")
        layers = SettingsLayers.start(options, self._config, {})
        stages = StageTimer(real.thread_time)
        builder = ProcessorFactory(
            layers.settings(),
            None,
            stages,
            FORMAT,
            open_network=network_opener(self.time, network),
            clock=self.time,
        )

        def open_camera() -> LiveSource:
            return SoakCamera(props.files["clip"], self.time, camera)

        presence = partial(DevicePresence, kernel=usage, root=folder, clock=self.time)
        self.live = live = StagedSession(
            Camera(open_camera, build_camera(layers.settings(), FORMAT).geometry_for),
            Output(self.monitor.open, FORMAT, presence),
            builder,
            further_outputs=[Output(self.second.open, FORMAT, partial(NeverWatched, self.time))],
            discard_network=builder.discard_network,
            stages=stages,
            clock=self.time,
        )
        live.open_staged = open_camera
        controller = SessionController(live, builder, layers, choices)
        presets = PresetSwitcher(controller, Presets(folder / "presets"))
        asked = {"stop": no_arguments(live.stop)}
        recorder = Recorder(live.audience, live.format, lambda: live.paused, self.time)
        live.on_pause = recorder.mute
        requests = asked | commands(controller) | preset_commands(presets) | recording_commands(recorder)
        requests |= room_commands(controller, recorder)
        self._control = ControlServer(folder / "c", requests, timeout=_LEAVE)
        shown = views() | room_views()
        self._preview = PreviewServer(folder / "p", live.audience, shown, lambda: controller.status().as_dict(), timeout=_LEAVE)
        stage = camera, network, self.monitor, usage, self.second
        self.chaos = ChaosDriver(
            live,
            self.time,
            random.Random(f"{figures.seed} {number}"),
            stage,
            folder / "c",
            folder / "p",
            self._config,
            props.files,
            props.turns,
            self.violations,
        )

    def run(self, frames: int, rest_every: int) -> None:
        """Until ``frames`` have left; all that is found goes into the figures."""
        began, before = real.monotonic(), self._figures.frames
        with self.time, defects_reported(self.violations), self._served():
            session = threading.Thread(target=self._live, name="livebg-session", daemon=True)
            director = threading.Thread(
                target=self._guarded(lambda: self.chaos.play(frames, rest_every, lambda: self._sample(before))),
                name=NAME,
                daemon=True,
            )
            session.start()
            director.start()
            director.join(_PATIENCE)
            if director.is_alive():
                raise TimeoutError(
                    f"the soak hangs at {self.time.monotonic():.3f} s of its time: {state(self.live)}, {reason(self.live)}"
                )
            self.live.stop()
            session.join(_LEAVE)
            self._check_end()
        self._account(real.monotonic() - began)

    def _live(self) -> None:
        def run() -> None:
            ended = self.live.run()
            if ended is not ExitReason.STOP:
                self.violations.note(f"the session ended: {ended}")

        self._guarded(run)()

    def _guarded(self, act: Callable[[], None]) -> Callable[[], None]:
        """Any exception is a violation and ends the session."""

        def guarded() -> None:
            try:
                act()
            except Exception as error:
                self.violations.note(f"{threading.current_thread().name} died of {error!r}")
                logging.getLogger(__name__).exception("a soak's thread died")
                self.live.stop()

        return guarded

    @contextmanager
    def _served(self) -> Iterator[None]:
        self._control.start()
        self._preview.start()
        try:
            yield
        finally:
            self._preview.close()
            self._control.close()

    def _check_end(self) -> None:
        counts = self.live.snapshot().counts
        counted = counts.sent + counts.dropped + counts.failed
        if abs(counts.captured - counted) > 1:  # one may have been under way
            self.violations.note(f"{counts.captured} frames were captured and {counted} counted")

    def _sample(self, before: int) -> None:
        if not clients_are_gone():
            self.violations.note("clients of the control socket are left")
        gc.collect()
        trim_heap()
        process = psutil.Process()
        self._figures.samples.append(
            Sample(
                self._figures.processes,
                before + self.live.output.sent,
                round(process.memory_info().rss / 2**20, 2),
                threading.active_count(),
                open_files(),
            )
        )

    def _account(self, seconds: float) -> None:
        figures, counts, monitor = self._figures, self.live.snapshot().counts, self.monitor
        figures.chapters += 1
        figures.frames += counts.sent
        figures.pictures += monitor.pictures
        figures.placeholders += counts.placeholders
        figures.repeated += counts.repeated
        figures.captured += counts.captured
        figures.dropped += counts.dropped
        figures.failed += counts.failed
        figures.rooms_allowed += monitor.rooms
        figures.rooms_recorded += self.chaos.recordings.rooms
        figures.clip_seconds = round(figures.clip_seconds + self.time.monotonic(), 3)
        figures.real_seconds = round(figures.real_seconds + seconds, 1)
        figures.longest_silence = max(figures.longest_silence, round(monitor.longest_silence, 6))
        acts = {**self.chaos.acts, "second output hangs": self.second.hangs, "second output fails": self.second.failures}
        for act, count in acts.items():
            figures.acts[act] = figures.acts.get(act, 0) + count
        figures.violations += [f"chapter {figures.chapters}: {text}" for text in self.violations]


def soak(props: SoakFiles, figures: Figures, frames: int, rest_every: int) -> None:
    """One more chapter, which counts into the figures."""
    with one_opencv_thread(), tempfile.TemporaryDirectory(prefix="soak-") as folder:
        Chapter(props, figures, figures.chapters + 1, Path(folder)).run(frames, rest_every)


def trim_heap() -> None:
    """Make the allocator return freed memory, which it would keep in a heap per thread, so that growth is a leak."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


@contextmanager
def defects_reported(violations: Violations) -> Iterator[None]:
    """Inside the ``with`` block livebg's log is suppressed, but defects are violations."""
    log, handler = logging.getLogger("livebg"), _Defects(violations)
    passed_on = log.propagate
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = passed_on


class _Defects(logging.Handler):
    def __init__(self, violations: Violations) -> None:
        super().__init__(logging.ERROR)
        self._violations = violations

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self._violations.note(f"a defect was logged: {record.getMessage()}: {record.exc_info[1]!r}")
