"""Global keyboard shortcuts. The running livebg holds them, so they work without the tray icon and the window.

Only :meth:`GlobalShortcuts.set_up`, which the tray and the window call after a click, may make the desktop show a dialog. The
shortcuts that the user granted then are saved, and bound again at the next start.
"""

import logging
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from livebg.daemon.shortcut_portal import (
    BUS,
    DIALOG_TIMEOUT_S,
    SILENT_TIMEOUT_S,
    SUGGESTED,
    Shortcut,
    bind,
    create_session,
    list_actions,
    match_rules,
    parse_shortcuts,
    register,
)
from livebg.errors import ConfigError, LivebgError
from livebg.platform.state_file import StateFile
from livebg.system.session_bus import PORTAL, BusError, PortalTimeout, call, session_bus

if TYPE_CHECKING:
    from jeepney.io.blocking import DBusConnection
    from jeepney.low_level import Message

_LOG: Final = logging.getLogger(__name__)
_RETRY_DELAY_S: Final = 10.0
"""Time between attempts while the portal does not run, as before the user logs in to the desktop."""
_MAX_REPEAT_INTERVAL_S: Final = 1.0
"""Longest time between two ``Activated`` of keys that are held, as GNOME sends them. Ends a hold whose end is not reported."""


class GrantedShortcuts:
    """The actions that the user granted shortcuts for, in a JSON file, by default in the user's state folder.

    ``path`` is None without a home directory; then nothing is saved.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._file = StateFile("shortcuts.json", "shortcuts", path)
        self.path = self._file.path

    def read(self) -> tuple[str, ...]:
        """Return the granted actions. A damaged file counts as none."""
        granted = self._file.read().get("granted")
        return tuple(action for action in SUGGESTED if isinstance(granted, list) and action in granted)

    def write(self, actions: Iterable[str]) -> None:
        """Replace the granted actions. Logs an error."""
        self._save({**self._file.read(), "granted": list(actions)})

    def without_dialog(self, listed: tuple[str, ...]) -> tuple[str, ...]:
        """Return the granted actions that a desktop binds without a dialog, if it lists ``listed`` before they are bound.

        Some desktops list none then, and bind all. A desktop that has ever listed some lists all that it knows.
        """
        if listed:
            self._save({**self._file.read(), "desktop_lists": True})
        elif not self._file.read().get("desktop_lists"):
            return self.read()
        return tuple(action for action in self.read() if action in listed)

    def _save(self, data: Mapping[str, Any]) -> None:
        reason = None if data == self._file.read() else self._file.write(data)
        if reason is not None and self.path is not None:
            _LOG.warning("The shortcuts are not saved for the next start: %s.", reason)


class GlobalShortcuts:
    """Binds ``actions`` (functions by the names in :data:`SUGGESTED`) to shortcuts. Thread-safe.

    As a context manager it binds granted shortcuts in a thread, without a dialog, and releases all of them at the end.
    """

    def __init__(self, actions: Mapping[str, Callable[[], object]], granted: GrantedShortcuts | None = None) -> None:
        self._actions, self._granted = actions, granted or GrantedShortcuts()
        self._lock = threading.Lock()
        self._holder: _Holder | None = None

    def __enter__(self) -> Self:
        with self._lock:
            if self._granted.read():
                self._holder = _Holder(self._actions, self._granted)
        return self

    def __exit__(self, *_: object) -> None:
        if self._holder is not None:
            self._holder.close()

    def bound(self) -> tuple[Shortcut, ...]:
        """Return the shortcuts that work now."""
        return self._holder.bound if self._holder else ()

    def set_up(self) -> tuple[Shortcut, ...]:
        """Let the user choose the keys in the desktop's dialog, and wait for that. Returns :meth:`bound`.

        Raises :class:`~livebg.errors.LivebgError` if the dialog is already open or the desktop has none.
        """
        if not self._lock.acquire(blocking=False):
            raise ConfigError("The dialog for the shortcuts is already open.", "Answer it.")
        try:
            if self._holder is not None:
                self._holder.close()
            answer: Future[tuple[Shortcut, ...]] = Future()
            self._holder = _Holder(self._actions, self._granted, answer)
            return answer.result()
        finally:
            self._lock.release()


class _Holder:
    """A thread that holds a session of the portal, with ``answer`` after a dialog, and binds it again if the portal restarts."""

    def __init__(
        self,
        actions: Mapping[str, Callable[[], object]],
        granted: GrantedShortcuts,
        answer: "Future[tuple[Shortcut, ...]] | None" = None,
    ) -> None:
        self._actions, self._granted, self._answer = actions, granted, answer
        self._closing = threading.Event()
        self._held: dict[str, float] = {}
        """When each key that is held was reported last."""
        self._running = {action: threading.Lock() for action in actions}
        """Held while an action runs, so that two presses are two steps."""
        self._connection: DBusConnection | None = None
        self.bound: tuple[Shortcut, ...] = ()
        self._thread = threading.Thread(target=self._run, name="livebg shortcuts", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        connection = self._connection
        if connection is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5.0)

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._hold_until_lost()
                if not self._granted.read():
                    return
                self._closing.wait(_RETRY_DELAY_S)
        except PortalTimeout as error:  # do not ask again
            self._failed(error)
        finally:
            self.bound = ()
            if self._answer is not None:
                self._answer.set_exception(BusError("The global shortcuts were not set up.", "Try again."))

    def _hold_until_lost(self) -> None:
        """Bind the shortcuts and run their actions until the connection, the session or the portal ends."""
        silent = self._answer is None
        try:
            with session_bus() as self._connection:
                if not self._closing.is_set():
                    self._hold(self._connection)
        except LivebgError as error:
            if silent and isinstance(error, PortalTimeout):
                raise
            self._failed(error)
        self.bound = ()

    def _failed(self, error: LivebgError) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.set_exception(error)
        elif not self._closing.is_set():
            _LOG.info("Cannot bind the global shortcuts: %s", error)

    def _hold(self, bus: "DBusConnection") -> None:
        from jeepney import MatchRule
        from jeepney.bus_messages import message_bus

        answer = self._answer
        if answer is None and not call(bus, message_bus.NameHasOwner(PORTAL))[0]:
            return  # starting it before the desktop would break it
        register(bus)
        session = create_session(bus)
        for rule in match_rules():
            call(bus, message_bus.AddMatch(rule))
        with bus.filter(MatchRule(type="signal"), queue=deque()) as signals:
            if answer is None:
                silent = self._granted.without_dialog(list_actions(bus, session))
                self.bound = bind(bus, session, silent, SILENT_TIMEOUT_S) if silent else ()
            else:
                self.bound = bind(bus, session, SUGGESTED, DIALOG_TIMEOUT_S)
            if self.bound or answer is None:  # the user may have withdrawn some or all
                self._granted.write(shortcut.action for shortcut in self.bound)
            if answer is not None:
                self._answer = None
                answer.set_result(self.bound)
            if self.bound:
                (owner,) = call(bus, message_bus.GetNameOwner(PORTAL))
                while self._handle(bus.recv_until_filtered(signals), session, owner):
                    pass

    def _handle(self, message: "Message", session: str, owner: str) -> bool:
        """Handle a signal. Returns whether the session still exists."""
        from jeepney import HeaderFields

        fields = message.header.fields
        sender, member, body = fields.get(HeaderFields.sender), fields.get(HeaderFields.member), message.body
        if sender == BUS and member == "NameOwnerChanged":
            return bool(body[0] != PORTAL or body[2] == owner)
        if sender != owner:
            return True
        if member == "Closed":
            return bool(fields.get(HeaderFields.path) != session)
        if member == "Activated" and body[0] == session:
            self._activate(body[1])
        if member == "Deactivated" and body[0] == session:
            self._held.pop(body[1], None)
        if member == "ShortcutsChanged" and body[0] == session:
            self.bound = parse_shortcuts(body[1])
        return True

    def _activate(self, action: str) -> None:
        """Run the action once per press: keys that are held would pause and resume the camera many times a second.

        It runs in a thread of its own, because a pause must not wait for a preset that is being loaded.
        """
        now = time.monotonic()
        is_repeated = now - self._held.get(action, -math.inf) < _MAX_REPEAT_INTERVAL_S
        self._held[action] = now
        if action in self._actions and not is_repeated:
            threading.Thread(target=self._run_action, args=(action,), name=f"livebg shortcut {action}", daemon=True).start()

    def _run_action(self, action: str) -> None:
        with self._running[action]:
            try:
                self._actions[action]()
            except Exception as error:  # noqa: BLE001 - a bug is logged as an error of livebg
                _LOG.warning("The shortcut for %s failed: %s", action, error, exc_info=not isinstance(error, LivebgError))
