"""The control socket of the running livebg, for processes of the same user; see :mod:`livebg.daemon.protocol`."""

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
"""Takes a request's arguments and returns JSON-compatible data. A :class:`~livebg.errors.LivebgError` is sent to the client.

Commands run concurrently on the server's threads and should return within a second.
"""
_LOG: Final = logging.getLogger(__name__)
_POLL_INTERVAL_S: Final = 0.1
_CLOSE_GRACE_S: Final = 0.5
"""Time for pending responses when the server closes."""


class ControlServer:
    """Answers requests on the socket ``path`` until it is closed.

    The caller must hold the lock of the private folder (:func:`livebg.daemon.runtime_dir.hold_lock`). A client that takes longer
    than ``timeout`` seconds to send a request or to read a response is disconnected. At most ``max_clients`` clients are
    accepted. No client blocks others or :meth:`close`.
    """

    def __init__(self, path: Path, commands: Mapping[str, Command], *, timeout: float = 5.0, max_clients: int = 32) -> None:
        self._path = path
        self._commands = MappingProxyType(dict(commands))
        self._timeout = timeout
        self._most = max_clients
        self._server: ConnectionServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start listening.

        Raises :class:`~livebg.errors.ConfigError` if the socket cannot be created. If Python has no UNIX sockets (Windows), logs
        a warning and does nothing.
        """
        if not hasattr(socket, "AF_UNIX"):
            _LOG.warning("livebg accepts no commands because Python has no UNIX sockets on this system. Press Ctrl-C to stop it.")
            return
        check_path(self._path)
        try:
            self._server = self._listen()
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(f"Cannot listen on {self._path} ({reason}). Remove it, or make its folder writable.") from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_INTERVAL_S,), name="livebg control", daemon=True
        )
        self._thread.start()

    def _listen(self) -> "ConnectionServer":
        """Raises OSError."""
        from livebg.daemon.connections import ConnectionServer

        return ConnectionServer(self._path, self._commands, self._timeout, self._most)

    def close(self) -> None:
        """Close all connections after their pending responses and remove the socket, within about a second.

        May be called repeatedly and before :meth:`start`.
        """
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        self._path.unlink(missing_ok=True)  # first, so that new clients find no server
        server.shutdown()
        server.server_close()
        server.close_connections(_CLOSE_GRACE_S)
        self._thread.join()


def no_arguments(run: Callable[[], Any]) -> Command:
    """Returns a command that rejects arguments."""

    def command(arguments: Mapping[str, Any]) -> Any:
        if arguments:
            raise ConfigError(f"The command takes no arguments but got {len(arguments)}. Omit them.")
        return run()

    return command
