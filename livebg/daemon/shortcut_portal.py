"""Requests of the portal for global shortcuts, ``org.freedesktop.portal.GlobalShortcuts``.

KDE and GNOME keep the shortcuts that the user granted by application ID, and bind them again without a dialog. Only KDE lists
them before they are bound again.
"""

import logging
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from livebg.system.session_bus import APP_ID, PORTAL, BusError, portal_call, portal_request

if TYPE_CHECKING:
    from jeepney import MatchRule
    from jeepney.io.blocking import DBusConnection

_LOG: Final = logging.getLogger(__name__)
_INTERFACE: Final = "org.freedesktop.portal.GlobalShortcuts"
DIALOG_TIMEOUT_S: Final = 600.0
SILENT_TIMEOUT_S: Final = 20.0
"""Time in which a desktop binds granted shortcuts. If it takes longer, it shows a dialog that the user did not request."""
SUGGESTED: Final = {
    "pause_or_resume": ("Pause the camera, or continue with the effect on", "LOGO+F9"),
    "next_preset": ("Apply the next preset", "LOGO+F10"),
}
"""Description and preferred keys by action. No action shows the room."""
BUS: Final = "org.freedesktop.DBus"
_ADVICE: Final = "Assign commands to keys in its settings: `livebg help hotkeys`."


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A shortcut that is bound to an action."""

    action: str
    description: str
    trigger: str
    """The keys, as the desktop describes them; empty if the user assigned none."""


def match_rules() -> "tuple[MatchRule, ...]":
    from jeepney import MatchRule

    owner = MatchRule(type="signal", sender=BUS, interface=BUS, member="NameOwnerChanged")
    owner.add_arg_condition(0, PORTAL)
    closed = MatchRule(type="signal", sender=PORTAL, interface="org.freedesktop.portal.Session", member="Closed")
    return owner, closed, MatchRule(type="signal", sender=PORTAL, interface=_INTERFACE)


def register(bus: "DBusConnection") -> None:
    """Tell the portal which application this is. Must be the first call; portals before 1.20 derive it from the systemd unit."""
    from jeepney.wrappers import DBusErrorResponse

    try:
        portal_call(bus, "org.freedesktop.host.portal.Registry", "Register", "sa{sv}", (APP_ID, {}))
    except DBusErrorResponse as error:
        _LOG.debug("The portal did not register %s: %s", APP_ID, error)


def create_session(bus: "DBusConnection") -> str:
    """Return the object path of a new session. Raises BusError if the desktop has no such portal."""
    from jeepney.wrappers import DBusErrorResponse

    options = {"session_handle_token": ("s", f"livebg_{secrets.token_hex(8)}")}
    try:
        results = portal_request(bus, _INTERFACE, "CreateSession", "a{sv}", (options,), SILENT_TIMEOUT_S)
    except DBusErrorResponse as error:
        reason = str(error.data[0] if error.data else error.name).rstrip(".")
        raise BusError(f"This desktop offers no global shortcuts to apps ({reason}).", _ADVICE) from None
    if results is None:
        raise BusError("The desktop refused global shortcuts.", _ADVICE)
    return str(results["session_handle"])


def bind(bus: "DBusConnection", session: str, actions: Iterable[str], timeout: float) -> tuple[Shortcut, ...]:
    """Return the shortcuts that the desktop bound; none if the user canceled."""
    wanted = [
        (action, {"description": ("s", SUGGESTED[action][0]), "preferred_trigger": ("s", SUGGESTED[action][1])})
        for action in actions
    ]
    results = portal_request(bus, _INTERFACE, "BindShortcuts", "oa(sa{sv})sa{sv}", (session, wanted, "", {}), timeout)
    if results is not None and "shortcuts" not in results:  # as KDE answers after its dialog
        return _list(bus, session)
    return parse_shortcuts(results["shortcuts"]) if results else ()


def list_actions(bus: "DBusConnection", session: str) -> tuple[str, ...]:
    """Return the actions with shortcuts that the desktop lists for a session. GNOME lists none before they are bound."""
    return tuple(shortcut.action for shortcut in _list(bus, session))


def _list(bus: "DBusConnection", session: str) -> tuple[Shortcut, ...]:
    results = portal_request(bus, _INTERFACE, "ListShortcuts", "oa{sv}", (session, {}), SILENT_TIMEOUT_S)
    return parse_shortcuts(results.get("shortcuts", ())) if results else ()


def parse_shortcuts(entries: Iterable[tuple[str, Mapping[str, tuple[str, Any]]]]) -> tuple[Shortcut, ...]:
    """Parse shortcuts of the portal; ignore unknown actions."""
    return tuple(
        Shortcut(action, SUGGESTED[action][0], str(properties.get("trigger_description", ("s", ""))[1]))
        for action, properties in entries
        if action in SUGGESTED
    )
