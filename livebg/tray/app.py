"""Tray controller: polls the status about once a second, updates the icon and runs menu actions."""

import logging
import queue
import threading
from typing import Final

from livebg.daemon.client import PAUSE_COMMANDS
from livebg.daemon.status import PresetList
from livebg.errors import LivebgError
from livebg.tray.actions import ActionRunner
from livebg.tray.desktop import Backend
from livebg.tray.icon import PystrayIcon
from livebg.tray.menu import Action, DaemonCommand, LocalAction, MenuContext, menu
from livebg.tray.status import Cameras, TrayState, TrayStatus, poll_presets, poll_status

POLL_INTERVAL_S: Final = 0.8
"""Seconds between two polls. Changes made elsewhere appear within one second."""
_STALL_CONFIRM_DELAY_S: Final = 0.3
"""Delay before the state "stalled" is confirmed by a second poll: changing the effect stalls the picture for an instant."""
_BACKGROUND_ACTIONS: Final = (
    LocalAction.CHOOSE_BACKGROUND,
    LocalAction.PREVIEW,
    LocalAction.SHORTCUTS,
    LocalAction.LOG,
    LocalAction.DOCTOR,
)
"""Actions that wait for the user or another program. They run in their own thread so that they do not delay a Pause click."""
_BUSY_TEXTS: Final = {LocalAction.START: "Starting livebg...", LocalAction.RESTART: "Restarting livebg..."}
_LOG: Final = logging.getLogger(__name__)


class Tray:
    """Connects status, menu, icon and actions. ``backend`` shows the icon. Raises :class:`~livebg.errors.DisplayError`."""

    def __init__(self, backend: Backend, actions: ActionRunner) -> None:
        self._actions = actions
        self._cameras = Cameras()
        self._clicks, self._pauses = queue.SimpleQueue[Action | None](), queue.SimpleQueue[Action | None]()
        self._refresh = threading.Event()
        self._stopped = threading.Event()
        self._busy: str | None = None
        self._error: str | None = None
        self.restart_requested = False
        """True if :meth:`run` returned because the tray should restart with the installed version."""
        self._threads = [
            threading.Thread(target=self._poll_loop, name="livebg tray poll", daemon=True),
            threading.Thread(target=self._action_loop, name="livebg tray actions", daemon=True),
            threading.Thread(target=self._pause_loop, name="livebg tray pause", daemon=True),
        ]
        self._icon = PystrayIcon(backend, self.click)

    def run(self) -> None:
        """Run in the main thread until the user quits or a signal arrives."""
        view = poll_status()
        if view.state is TrayState.NOT_RUNNING:
            self._clicks.put(LocalAction.START)
        self._show(view)
        try:
            self._icon.run(self._start_threads)
        finally:
            self._stopped.set()
            self._refresh.set()
            self._clicks.put(None)
            self._pauses.put(None)
            for thread in self._threads:
                if thread.ident is not None:
                    thread.join(POLL_INTERVAL_S)

    def click(self, action: Action) -> None:
        """Queue ``action`` and return immediately. Queued actions run in order, pause and resume at once."""
        self._error = None
        if action in (LocalAction.QUIT, LocalAction.RESTART_TRAY):
            self.restart_requested = action is LocalAction.RESTART_TRAY
            self._icon.stop()
        elif action in _BACKGROUND_ACTIONS:
            threading.Thread(target=self._run_action, args=(action,), name="livebg tray background action", daemon=True).start()
        else:
            pauses = isinstance(action, DaemonCommand) and action.command in PAUSE_COMMANDS
            (self._pauses if pauses else self._clicks).put(action)

    def failed(self, reason: str) -> None:
        """Show why an action failed: in the log, in the menu and as a notification."""
        _LOG.warning("%s", reason)
        self._error = reason
        self._refresh.set()
        try:
            self._actions.notify(reason)
        except LivebgError as error:
            _LOG.debug("Cannot show a notification: %s", error)

    def _start_threads(self) -> None:
        for thread in self._threads:
            thread.start()

    def _poll_loop(self) -> None:
        while not self._stopped.is_set():
            self._refresh.wait(POLL_INTERVAL_S)
            self._refresh.clear()
            try:
                self._poll()
            except Exception:  # noqa: BLE001 - a bug must not leave an icon that never changes again
                _LOG.exception("The tray icon cannot be updated.")

    def _poll(self) -> None:
        view = poll_status()
        if view.status and view.status.state == "stalled":
            self._stopped.wait(_STALL_CONFIRM_DELAY_S)
            view = poll_status()
        self._show(view)

    def _show(self, view: TrayStatus) -> None:
        presets = poll_presets() if view.status else PresetList()
        context = MenuContext(self._cameras(), presets, self._actions.autostart.is_on, self._busy, self._error)
        self._icon.show(view.state, view.message, menu(view, context))

    def _action_loop(self) -> None:
        while (action := self._clicks.get()) is not None:
            self._set_busy(_BUSY_TEXTS.get(action) if isinstance(action, LocalAction) else None)
            self._run_action(action)
            self._set_busy(None)

    def _pause_loop(self) -> None:
        while (action := self._pauses.get()) is not None:
            self._run_action(action)

    def _run_action(self, action: Action) -> None:
        try:
            follow_up = self._actions.run(action, self.failed)
        except LivebgError as error:
            self.failed(str(error))
            return
        except Exception as error:  # noqa: BLE001 - a bug must not end the thread, or no later click would do anything
            _LOG.exception("An action failed")
            self.failed(f"Internal error ({type(error).__name__}: {error}). Report this bug.")
            return
        finally:
            self._refresh.set()
        if isinstance(follow_up, DaemonCommand):
            self._clicks.put(follow_up)
        elif action is LocalAction.STOP_AND_QUIT:
            self._icon.stop()

    def _set_busy(self, text: str | None) -> None:
        self._busy = text
        self._refresh.set()
