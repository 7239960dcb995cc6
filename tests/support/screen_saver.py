"""A desktop's screen savers on a D-Bus."""

from jeepney import DBusAddress, new_signal
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection


class FakeScreenSaver:
    """A desktop's screen savers, one after the other on one connection."""

    def __init__(self, address: str, *names: str) -> None:
        self._connection: DBusConnection = open_dbus_connection(address)
        self._names = names

    def send(self, locked: bool, which: int = 0) -> None:
        name = self._names[which]
        place = DBusAddress(f"/{name.replace('.', '/')}", interface=name)
        self._connection.send(new_signal(place, "ActiveChanged", "b", (locked,)))

    def own(self) -> None:
        """Own its name, as a screen saver does that is more than a tool."""
        self._connection.send_and_get_reply(message_bus.RequestName(self._names[0]))

    def close(self) -> None:
        self._connection.close()
