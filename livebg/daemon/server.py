"""The control socket of the running livebg, for processes of the same user; see :mod:`livebg.daemon.protocol`."""

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from livebg.daemon import protocol
from livebg.errors import ConfigError, LivebgError

Command = Callable[[Mapping[str, Any]], Any]
"""Takes a request's arguments and returns JSON-compatible data. A :class:`~livebg.errors.LivebgError` is sent to the client.

Commands run concurrently on the server's threads and should return within a second.
"""
_LOG: Final = logging.getLogger(__name__)
_MAX_PENDING_CONNECTIONS: Final = 32
_POLL_INTERVAL_S: Final = None if sys.platform == "linux" else 0.1
"""Interval of checks for :meth:`ControlServer.close`, which on Linux ends the wait for a client."""
_RETRY_DELAY_S: Final = 0.1
"""Delay after a failed accept."""
_CLOSE_GRACE_S: Final = 0.5
"""Time for pending responses when the server closes."""


class BinaryResult(NamedTuple):
    """The result of a command that sends bytes after its response line."""

    result: Any
    data: list[memoryview]


class ControlServer:
    """Answers requests on the socket ``path``, one thread per client, until it is closed.

    The caller must hold the lock of the private folder (:func:`livebg.daemon.runtime_dir.hold_lock`). A client that takes longer
    than ``timeout`` seconds to send a request or to read a response is disconnected. At most ``max_clients`` clients are
    accepted. No client blocks others or :meth:`close`.
    """

    _client_thread_name = "livebg control client"

    def __init__(self, path: Path, commands: Mapping[str, Command], *, timeout: float = 5.0, max_clients: int = 32) -> None:
        self._path, self._timeout, self._max_clients = path, timeout, max_clients
        self._commands = MappingProxyType(dict(commands))
        self._closing = threading.Event()
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._client_threads: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start listening.

        Raises :class:`~livebg.errors.ConfigError` if the socket cannot be created. If Python has no UNIX sockets (Windows), logs
        a warning and does nothing.
        """
        if not hasattr(socket, "AF_UNIX"):
            _LOG.warning("livebg accepts no commands because Python has no UNIX sockets on this system. Press Ctrl-C to stop it.")
            return
        protocol.check_path(self._path)
        try:
            self._listener = _listen(self._path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(f"Cannot listen on {self._path} ({reason}).", "Remove it, or make its folder writable.") from error
        self._thread = threading.Thread(target=self._accept_clients, args=(self._listener,), name="livebg control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close all connections after their pending responses and remove the socket, within about a second.

        Threads of clients whose command still runs are abandoned. May be called repeatedly and before :meth:`start`.
        """
        if self._thread is None or self._listener is None or self._closing.is_set():
            return
        self._path.unlink(missing_ok=True)  # first, so that new clients find no server
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # ends a wait for clients
        self._thread.join()
        for how in (socket.SHUT_RD, socket.SHUT_RDWR):
            with self._lock:
                threads = [thread for thread in self._client_threads.values() if thread is not threading.current_thread()]
                for connection in self._client_threads:
                    with suppress(OSError):
                        connection.shutdown(how)
            deadline = time.monotonic() + _CLOSE_GRACE_S
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
            if not any(thread.is_alive() for thread in threads):
                return

    def _commands_for_client(self, resources: ExitStack) -> Mapping[str, Command]:  # noqa: ARG002
        """Return the commands of a new client. ``resources`` is closed when the client disconnects."""
        return self._commands

    def _accept_clients(self, listener: socket.socket) -> None:
        with listener:
            while not self._closing.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:  # closing, no client within the poll interval, or too many open files
                    self._closing.wait(_RETRY_DELAY_S)
                    continue
                if len(self._client_threads) >= self._max_clients:  # only this thread adds clients
                    text = f"livebg already has {self._max_clients} clients. Try again in a few seconds."
                    _reject(connection, LivebgError(text), timeout=0)
                    connection.close()
                    continue
                thread = threading.Thread(target=self._serve, args=(connection,), name=self._client_thread_name, daemon=True)
                with self._lock:
                    self._client_threads[connection] = thread
                try:
                    thread.start()
                except RuntimeError as error:  # too many threads
                    _reject(connection, _internal_error(error), timeout=0)
                    self._disconnect(connection)

    def _serve(self, connection: socket.socket) -> None:
        lines = protocol.LineReader(connection, protocol.MAX_REQUEST)
        try:
            with ExitStack() as resources:
                commands = self._commands_for_client(resources)
                while not self._closing.is_set() and (line := lines.next(self._timeout)) is not None:
                    response = _answer(line, commands)
                    connection.settimeout(self._timeout)
                    connection.sendall(response)
        except protocol.LineTooLong:
            text = f"The request exceeds {protocol.MAX_REQUEST // 1024} KiB. Send a shorter one."
            _reject(connection, ConfigError(text), self._timeout)
        except OSError as error:
            _LOG.debug("Client disconnected: %s", error or "timeout")
        finally:
            self._disconnect(connection)

    def _disconnect(self, connection: socket.socket) -> None:
        with self._lock:
            del self._client_threads[connection]
        connection.close()


def no_arguments(run: Callable[[], Any]) -> Command:
    """Return a command that rejects arguments."""

    def command(arguments: Mapping[str, Any]) -> Any:
        if arguments:
            raise ConfigError(f"The command takes no arguments but got {len(arguments)}.", "Omit them.")
        return run()

    return command


def _listen(path: Path) -> socket.socket:
    """Return a listening socket that is private from the start. Raises OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Linux creates the file with the mode of the socket. If that cannot be set, the private folder protects it. The umask is
        # not used because it affects all threads.
        with suppress(OSError):
            os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(_MAX_PENDING_CONNECTIONS)
        listener.settimeout(_POLL_INTERVAL_S)
    except BaseException:
        listener.close()
        raise
    return listener


def _answer(line: bytes, commands: Mapping[str, Command]) -> bytes:
    try:
        command, arguments = protocol.read_request(line)
        if command not in commands:
            raise protocol.unknown_command(command, commands)
        result = commands[command](arguments)
        if isinstance(result, BinaryResult):
            return b"".join([protocol.write_answer(result.result), *result.data])
        return protocol.write_answer(result)
    except LivebgError as error:
        return protocol.write_error(error)
    except Exception as error:  # noqa: BLE001 - a bug must not end the daemon
        return protocol.write_error(_internal_error(error))


def _internal_error(error: Exception) -> LivebgError:
    _LOG.error("A command failed", exc_info=error)
    return LivebgError(f"Internal error ({type(error).__name__}: {error}).", "Check the log of livebg and report this bug.")


def _reject(connection: socket.socket, error: LivebgError, timeout: float) -> None:
    with suppress(OSError):  # the client disconnected or does not read
        connection.settimeout(timeout)
        connection.sendall(protocol.write_error(error))
