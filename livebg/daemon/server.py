"""The control socket of the running livebg: whoever is this user may ask it and tell it, as
:mod:`livebg.daemon.protocol` says.
"""

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from livebg.daemon.protocol import check_path
from livebg.errors import ConfigError

if TYPE_CHECKING:
    from livebg.daemon.connections import ConnectionServer

Command = Callable[[Mapping[str, Any]], Any]
"""Takes a request's arguments and gives what is JSON; a :class:`~livebg.errors.LivebgError` that it raises is told to the asker.

Commands run on the server's threads, several at the same time, and should return within a second.
"""
_LOG: Final = logging.getLogger(__name__)
_POLL: Final = 0.1
"""Seconds between two looks at whether the server is to end."""
_GRACE: Final = 0.5
"""Seconds that an answer under way has when the server ends."""


class ControlServer:
    """Answers requests on the socket ``path`` until it is closed.

    Whoever starts one holds the lock of the folder (:func:`livebg.daemon.runtime_dir.hold_lock`), which is private. A
    client that takes longer than ``timeout`` seconds over a request, or over reading an answer, is hung up on. At most ``most``
    clients are connected at a time. No client holds up another one, or :meth:`close`.
    """

    def __init__(self, path: Path, commands: Mapping[str, Command], *, timeout: float = 5.0, most: int = 32) -> None:
        self._path = path
        self._commands = MappingProxyType(dict(commands))
        self._timeout = timeout
        self._most = most
        self._server: ConnectionServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen: requests are answered once this returns.

        Raises :class:`~livebg.errors.ConfigError` when there can be no socket at the path. Where Python has no UNIX sockets
        (Windows) the log says so, and livebg runs without being asked.
        """
        if not hasattr(socket, "AF_UNIX"):
            _LOG.warning("livebg takes no commands here, since Python has no UNIX sockets on this system: end it with Ctrl-C")
            return
        check_path(self._path)
        try:
            self._server = self._listen()
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(
                f"livebg cannot listen on {self._path} ({reason}): remove it, or make its folder your own"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,), name="livebg control", daemon=True)
        self._thread.start()

    def _listen(self) -> "ConnectionServer":
        """Raises OSError."""
        from livebg.daemon.connections import ConnectionServer

        return ConnectionServer(self._path, self._commands, self._timeout, self._most)

    def close(self) -> None:
        """End all connections, after the answers that are under way, and remove the socket: within about a second.

        It may be called more than once, and before :meth:`start`.
        """
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        self._path.unlink(missing_ok=True)  # first, so that whoever comes now finds that nobody is there
        server.shutdown()
        server.server_close()
        server.dismiss(_GRACE)
        self._thread.join()


def no_arguments(run: Callable[[], Any]) -> Command:
    """A command that takes no arguments, and refuses any."""

    def command(arguments: Mapping[str, Any]) -> Any:
        if arguments:
            raise ConfigError(f"the command takes no arguments, and was given {len(arguments)}: leave them out")
        return run()

    return command
