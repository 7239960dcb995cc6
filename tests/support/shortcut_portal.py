"""A desktop portal for global shortcuts on a separate bus, with a user who answers its dialog and presses keys."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from jeepney import DBusAddress, HeaderFields, new_error, new_method_return, new_signal
from jeepney.low_level import Message

from tests.support.bus_program import BusProgram

INTERFACE: Final = "org.freedesktop.portal.GlobalShortcuts"
REGISTRY: Final = "org.freedesktop.host.portal.Registry"


@dataclass
class Desktop:
    """What a desktop keeps while portals come and go, and how it differs from others."""

    lists_stored: bool = False
    """As KDE does: a new session lists what was granted before, and the response after the dialog is empty."""
    code: int = 0
    """Of the response with the shortcuts that were bound: GNOME 48 sends 2, "other"."""
    registry: bool = True
    """Whether programs without a sandbox can register, as since xdg-desktop-portal 1.20."""
    shortcuts: bool = True
    """Whether the portal has this interface."""
    answer: tuple[str, ...] | None = ("pause_or_resume", "next_preset")
    """What the user grants in the dialog; None: the user cancels."""
    is_open: bool = False
    """Whether the dialog stays open."""
    stored: dict[str, list[str]] = field(default_factory=dict)
    """Granted actions by application ID."""
    dialogs: list[tuple[str, ...]] = field(default_factory=list)
    """The actions shown in each dialog."""
    suggested: dict[str, str] = field(default_factory=dict)
    """Preferred keys by action, as last requested."""
    closed: list[str] = field(default_factory=list)
    """Requests that the program closed."""
    is_broken: bool = False
    """Whether the response to a new session lacks its handle."""


class ShortcutPortal(BusProgram):
    """The portal of ``desktop`` on the bus at ``address``."""

    name = "org.freedesktop.portal.Desktop"

    def __init__(self, address: str, desktop: Desktop) -> None:
        self.desktop = desktop
        self.apps: dict[str, str] = {}
        """Application ID by connection, as registered."""
        self.sessions: dict[str, tuple[str, tuple[str, ...]]] = {}
        """Connection and bound actions by session."""
        self.calls: list[str] = []
        self._requests = 0
        super().__init__(address)

    @property
    def bound(self) -> tuple[str, ...]:
        """The actions bound in the newest session."""
        return [*self.sessions.values()][-1][1] if self.sessions else ()

    def press(self, action: str, session: str | None = None) -> None:
        """Press and release the keys of an action, of ``session`` or the newest one."""
        self.hold(action, session)
        self.release(action, session)

    def hold(self, action: str, session: str | None = None) -> None:
        """Press the keys, or report again that they are held, as GNOME does."""
        self._report("Activated", action, session)

    def release(self, action: str, session: str | None = None) -> None:
        self._report("Deactivated", action, session)

    def _report(self, signal: str, action: str, session: str | None) -> None:
        session = session or [*self.sessions][-1]
        self._signal(self.sessions[session][0], INTERFACE, signal, "osta{sv}", (session, action, 7, {}))

    def change(self, *actions: str, keys: str = "") -> None:
        """Assign other keys to these actions, and remove those of the others."""
        session, (program, _) = [*self.sessions.items()][-1]
        self._signal(program, INTERFACE, "ShortcutsChanged", "oa(sa{sv})", (session, _described(actions, keys)))

    def close_session(self) -> None:
        session, (program, _) = self.sessions.popitem()
        self._signal(program, "org.freedesktop.portal.Session", "Closed", None, (), path=session)

    def answer(self, message: Message) -> None:
        fields = message.header.fields
        program, interface, method = (fields[each] for each in (HeaderFields.sender, HeaderFields.interface, HeaderFields.member))
        self.calls.append(method)
        has = {REGISTRY: self.desktop.registry, INTERFACE: self.desktop.shortcuts, "org.freedesktop.portal.Request": True}
        if not has.get(interface):
            text = f"No such interface {interface!r}"
            self._connection.send(new_error(message, "org.freedesktop.DBus.Error.UnknownMethod", "s", (text,)))
        elif method == "Register":
            assert program not in self.apps, "a program registers once, before any other call"
            self.apps[program] = message.body[0]
            self._connection.send(new_method_return(message))
        elif method == "Close":
            self.desktop.closed.append(fields[HeaderFields.path])
        else:
            self._respond(message, program, *self._result(program, method, message.body))

    def _result(self, program: str, method: str, body: tuple[Any, ...]) -> tuple[int, dict[str, Any] | None]:
        """The response to a request, after a dialog if needed; its results are None while the dialog is open."""
        app = self.apps.setdefault(program, "")
        known = self.desktop.stored.setdefault(app, [])
        if method == "CreateSession":
            session = f"/session/{body[0]['session_handle_token'][1]}"
            if self.desktop.is_broken:
                return 0, {"handle": ("s", session)}
            self.sessions[session] = (program, ())
            return 0, {"session_handle": ("s", session)}
        session = body[0]
        _, bound = self.sessions[session]
        if method == "ListShortcuts":
            return 0, _results(known if self.desktop.lists_stored else bound)
        assert not bound, "a session binds once"
        wanted = [action for action, _ in body[1]]
        self.desktop.suggested = {action: properties["preferred_trigger"][1] for action, properties in body[1]}
        new = [action for action in wanted if action not in known]
        if new:
            self.desktop.dialogs.append(tuple(new))
            if self.desktop.is_open:
                return 0, None
            if self.desktop.answer is None:
                return 1, {}
            known.extend(action for action in new if action in self.desktop.answer)
        self.sessions[session] = program, tuple(action for action in wanted if action in known)
        return self.desktop.code, {} if new and self.desktop.lists_stored else _results(self.sessions[session][1])

    def _respond(self, message: Message, program: str, code: int, results: dict[str, Any] | None) -> None:
        self._requests += 1
        path = f"/request/{self._requests}"
        self._connection.send(new_method_return(message, "o", (path,)))
        if results is not None:
            self._signal(program, "org.freedesktop.portal.Request", "Response", "ua{sv}", (code, results), path=path)

    def _signal(
        self,
        program: str,
        interface: str,
        name: str,
        signature: str | None,
        body: tuple[Any, ...],
        path: str = "/org/freedesktop/portal/desktop",
    ) -> None:
        message = new_signal(DBusAddress(path, interface=interface), name, signature, body)
        message.header.fields[HeaderFields.destination] = program
        self._connection.send(message)


def _results(actions: Iterable[str]) -> dict[str, Any]:
    return {"shortcuts": ("a(sa{sv})", _described(actions, "Press <Super>F9"))}


def _described(actions: Iterable[str], keys: str) -> list[Any]:
    return [(action, {"description": ("s", "..."), "trigger_description": ("s", keys)}) for action in actions]
