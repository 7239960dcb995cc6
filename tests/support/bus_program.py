"""Programs on a separate D-Bus bus, which answer the program under test."""

import threading
from typing import ClassVar, Final, Self

from jeepney import MessageType
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection
from jeepney.low_level import Message

_POLL_S: Final = 0.02
_JOIN_TIMEOUT_S: Final = 30.0


class BusProgram:
    """Owns :attr:`name` on the bus at ``address`` and answers calls in a thread, from its creation until it is closed."""

    name: ClassVar[str]

    def __init__(self, address: str) -> None:
        self.address = address
        self._ending = threading.Event()
        self._connection = open_dbus_connection(address)
        self._connection.send_and_get_reply(message_bus.RequestName(self.name))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def answer(self, message: Message) -> None:
        """Answer a method call, if it needs an answer."""
        raise NotImplementedError

    def close(self) -> None:
        self._ending.set()
        self._thread.join(_JOIN_TIMEOUT_S)
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                message = self._connection.receive(timeout=_POLL_S)
            except TimeoutError:
                continue
            except ConnectionResetError:  # the bus has ended
                return
            if message.header.message_type is MessageType.method_call:
                self.answer(message)
