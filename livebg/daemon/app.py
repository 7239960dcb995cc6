"""The virtual camera: a live session with its control socket, preview socket and service manager."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import cv2

from livebg.compositing.composite import Consent
from livebg.daemon.bootstrap import build_session, drop_stale_choices
from livebg.daemon.camera_commands import camera_commands, session_controls
from livebg.daemon.commands import commands, preset_commands, recording_commands, shortcut_commands
from livebg.daemon.controller import SessionController
from livebg.daemon.preset_switcher import PresetSwitcher
from livebg.daemon.preview_server import PreviewServer, View, views
from livebg.daemon.runtime_dir import PREVIEW_NAME, SOCKET_NAME
from livebg.daemon.saved_choices import SavedChoices
from livebg.daemon.screen_lock import watch_screen_lock
from livebg.daemon.server import Command, ControlServer, no_arguments
from livebg.daemon.settings_layers import SettingsLayers
from livebg.daemon.shortcuts import GlobalShortcuts
from livebg.daemon.sighup import reload_on_sighup
from livebg.daemon.status import Status
from livebg.daemon.systemd import SystemdNotifier
from livebg.daemon.upgrade import UpgradeWatch, restart_after_upgrade
from livebg.live.recorder import Recorder
from livebg.live.session import ExitReason, Session


def run_camera(
    folder: Path,
    layers: SettingsLayers,
    choices: SavedChoices,
    consent: Consent | None,
    room_commands: Callable[[SessionController, Recorder], Mapping[str, Command]],
    room_views: Mapping[str, View],
    started: Callable[[Status], None],
) -> ExitReason:
    """Run a session in the main thread until it ends, `livebg stop`, Ctrl-C or SIGTERM.

    ``folder`` is the runtime folder, locked by the caller. The session starts with the effect off if ``consent`` is given.
    ``room_commands`` and ``room_views`` can show the room, so they come from the command line. ``started`` is called once, with
    the output open. Raises :class:`~livebg.errors.LivebgError`.
    """
    cv2.setNumThreads(1)  # the planes of a frame are too small for more threads
    layers = layers if consent else drop_stale_choices(layers)
    manager = SystemdNotifier()
    session, factory = build_session(layers.settings(), consent)
    recorder = _build_recorder(session)
    controller = SessionController(session, factory, layers, choices, consent, lambda: recorder.status, folder)
    presets = PresetSwitcher(controller)
    shortcuts = GlobalShortcuts({"pause_or_resume": controller.pause_or_resume, "next_preset": presets.use_next})
    requests = _commands(session, controller, presets, shortcuts, recorder) | dict(room_commands(controller, recorder))
    shown, status = {**views(), **room_views}, lambda: controller.status().as_dict()
    previews = PreviewServer(folder / PREVIEW_NAME, session.audience, shown, status)
    upgrade = UpgradeWatch(lambda: not (session.paused or session.snapshot().watched), session.stop)  # a lock would not survive
    lock = watch_screen_lock(layers.settings().output.pause_on_lock, session.lock)

    def on_started() -> None:
        manager.ready()
        started(controller.status())

    serving, ending = _serving(ControlServer(folder / SOCKET_NAME, requests), previews), _ending(manager, upgrade, recorder)
    try:
        with serving, ending, reload_on_sighup(controller.reload), lock, shortcuts, restart_after_upgrade(upgrade):
            reason = session.run(on_started, manager.alive)
        return ExitReason.UPGRADE if upgrade.stopped else reason
    except KeyboardInterrupt:  # Ctrl-C and SIGTERM end a daemon normally
        return ExitReason.STOP


def _build_recorder(session: Session) -> Recorder:
    """Return a recorder of the session whose microphone is off while the session is paused."""
    recorder = Recorder(session.audience, session.format, lambda: session.paused)
    session.on_pause = recorder.mute
    return recorder


def _commands(
    session: Session, controller: SessionController, presets: PresetSwitcher, shortcuts: GlobalShortcuts, recorder: Recorder
) -> dict[str, Command]:
    """Return the commands that never show the room."""
    return {
        **commands(controller),
        **preset_commands(presets),
        **camera_commands(lambda: session_controls(session, controller.settings)),
        **shortcut_commands(shortcuts),
        **recording_commands(recorder),
        "stop": no_arguments(session.stop),
    }


@contextmanager
def _serving(server: ControlServer, previews: PreviewServer) -> Iterator[None]:
    """Serve both sockets."""
    server.start()
    try:
        previews.start()
        yield
    finally:
        previews.close()
        server.close()


@contextmanager
def _ending(manager: SystemdNotifier, upgrade: UpgradeWatch, recorder: Recorder) -> Iterator[None]:
    """In the end, report that livebg stops, and complete the recording."""
    try:
        yield
    finally:
        if not upgrade.stopped:  # the service goes on with the new version
            manager.stopping()
        recorder.close()
