"""The session D-Bus, and requests to the desktop portal on it."""

import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from livebg.errors import DisplayError

if TYPE_CHECKING:
    from jeepney.io.blocking import DBusConnection

APP_ID: Final = "io.github.livebg_project.livebg"
"""Application ID, the name of the desktop entries and icons here and in ``systemd``.

Portals identify a program by the ID of its desktop entry, and derive it from the name of the systemd unit that runs the program:
``app-ID@autostart.service`` for an autostart entry. The ID stands for livebg in the GitHub organization livebg-project: the
account livebg belongs to someone else.
"""
PORTAL: Final = "org.freedesktop.portal.Desktop"
PORTAL_PATH: Final = "/org/freedesktop/portal/desktop"
_REQUEST: Final = "org.freedesktop.portal.Request"
_REPLY_TIMEOUT_S: Final = 3.0
_PORTAL_TIMEOUT_S: Final = 10.0
"""Maximum time of a call to the portal, which the bus may have to start."""


class BusError(DisplayError):
    """The session D-Bus is unavailable or returned an error."""


class PortalTimeout(BusError):
    """The portal accepted a request, and neither it nor the user answered in time. The request is closed."""


@contextmanager
def session_bus() -> "Iterator[DBusConnection]":
    """Open a private connection to the session bus. Converts D-Bus errors, also those in the block, to :class:`BusError`."""
    try:
        from jeepney.auth import AuthenticationError
        from jeepney.io.blocking import open_dbus_connection
        from jeepney.wrappers import DBusErrorResponse
    except ImportError:
        raise BusError("This system has no D-Bus.", "Use Linux, where desktops provide it.") from None

    try:
        with open_dbus_connection(_address()) as connection:
            yield connection
    except (OSError, AuthenticationError, DBusErrorResponse, RuntimeError, ValueError) as error:
        raise BusError(f"The session D-Bus does not respond ({error}).", "Start livebg in a desktop session.") from error
    except (LookupError, TypeError, AttributeError) as error:  # a reply lacks values, or has others than its service documents
        raise BusError("A program on the session D-Bus sent an unexpected reply.", "Try again, or log in again.") from error


def call(bus: "DBusConnection", message: Any, timeout: float = _REPLY_TIMEOUT_S) -> tuple[Any, ...]:
    """Send a message and return the reply's body. Raises DBusErrorResponse and TimeoutError."""
    from jeepney.wrappers import unwrap_msg

    body: tuple[Any, ...] = unwrap_msg(bus.send_and_get_reply(message, timeout=timeout))
    return body


def portal_call(bus: "DBusConnection", interface: str, method: str, signature: str, body: tuple[Any, ...]) -> tuple[Any, ...]:
    """Call a method of the desktop portal and return the reply's body. Raises as :func:`call` does."""
    from jeepney import DBusAddress, new_method_call

    return call(bus, new_method_call(DBusAddress(PORTAL_PATH, PORTAL, interface), method, signature, body), _PORTAL_TIMEOUT_S)


def portal_request(
    bus: "DBusConnection", interface: str, method: str, signature: str, body: tuple[Any, ...], timeout: float
) -> Mapping[str, Any] | None:
    """Call a method of the portal whose result follows as a signal, after a dialog of up to ``timeout`` seconds.

    Return the results, or None if the user cancels. Raises :class:`PortalTimeout`, :class:`BusError` if the portal fails, and as
    :func:`call` does.
    """
    from jeepney import DBusAddress, HeaderFields, MatchRule, new_method_call
    from jeepney.bus_messages import message_bus

    rule = MatchRule(type="signal", interface=_REQUEST, member="Response")
    call(bus, message_bus.AddMatch(rule))
    with bus.filter(rule, queue=deque()) as responses:
        (handle,) = portal_call(bus, interface, method, signature, body)
        try:
            while True:
                response = bus.recv_until_filtered(responses, timeout=timeout)
                if response.header.fields.get(HeaderFields.path) == handle:
                    break
        except TimeoutError:
            bus.send(new_method_call(DBusAddress(handle, PORTAL, _REQUEST), "Close"))
            raise PortalTimeout(f"The desktop did not answer within {timeout:g} s.", "Try again.") from None
    code, results = response.body
    if code > 1 and not results:  # GNOME 48 responds to BindShortcuts with 2, "other", and the shortcuts that it bound
        raise BusError(f"The desktop portal refused {method}.", "Check the log of xdg-desktop-portal.")
    return {name: value for name, (_, value) in results.items()} if code != 1 else None


def _address() -> str:
    """Return the address of the session bus, by default the user bus."""
    configured = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if not configured and not runtime:
        raise ValueError("neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set")
    return configured or f"unix:path={runtime}/bus"
