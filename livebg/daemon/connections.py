"""Serves socket connections, one thread each. Requires UNIX sockets; :mod:`livebg.daemon.server` checks for them."""

import logging
import os
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from livebg.daemon import protocol
from livebg.errors import ConfigError, LivebgError

Command = Callable[[Mapping[str, Any]], Any]
_LOG: Final = logging.getLogger(__name__)


class ConnectionServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens as soon as it is created. Raises OSError on failure."""

    request_queue_size = 32
    thread_name = "livebg control client"

    def __init__(
        self,
        path: Path,
        commands: Mapping[str, Command],
        timeout: float,
        max_clients: int,
        handler: "type[Connection] | None" = None,
    ) -> None:
        self.client_timeout = timeout
        self.ending = threading.Event()
        self._path = path
        self._commands = commands
        self._most = max_clients
        self._threads_of: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        super().__init__(str(path), handler or Connection)

    def server_bind(self) -> None:
        """Bind the socket so that it is private from the start.

        Linux creates the file with the mode of the socket. If that cannot be set, the private folder protects it. The umask
        is not used because it affects all threads.
        """
        with suppress(OSError):
            os.fchmod(self.socket.fileno(), 0o600)
        super().server_bind()
        self._path.chmod(0o600)

    def answer(self, line: bytes) -> bytes:
        try:
            request = protocol.read_request(line)
            if request.command not in self._commands:
                raise protocol.unknown_command(request.command, self._commands)
            return protocol.write_answer(self._commands[request.command](request.arguments))
        except LivebgError as error:
            return protocol.write_error(error)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name=self.thread_name, daemon=True
        )
        with self._lock:
            accepted = len(self._threads_of) < self._most
            if accepted:
                self._threads_of[request] = thread
        if accepted:
            thread.start()
            return
        refusal = LivebgError(f"livebg already has {self._most} clients. Try again in a few seconds.")
        send(request, protocol.write_error(refusal), timeout=0)
        self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._threads_of.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Report an exception other than LivebgError, which is a bug and ends only this connection."""
        error = sys.exception()
        _LOG.error("A command failed", exc_info=error)
        response = LivebgError(f"Internal error ({type(error).__name__}: {error}). Check the log of livebg and report this bug.")
        send(request, protocol.write_error(response), self.client_timeout)

    def close_connections(self, grace: float) -> None:
        """Close the connections. Pending responses get ``grace`` seconds; threads that still hang are then abandoned."""
        self.ending.set()
        self._shut_down(socket.SHUT_RD)
        if not self._join_threads(grace):
            self._shut_down(socket.SHUT_RDWR)
            self._join_threads(grace)

    def _shut_down(self, how: int) -> None:
        with self._lock:
            for connection in self._threads_of:
                with suppress(OSError):
                    connection.shutdown(how)

    def _join_threads(self, timeout: float) -> bool:
        """Wait for all connection threads except the calling one. Returns whether all ended."""
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = [thread for thread in self._threads_of.values() if thread is not threading.current_thread()]
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)


class Connection(socketserver.BaseRequestHandler):
    """Reads request lines from a client and answers each."""

    server: ConnectionServer

    def answer(self, line: bytes) -> bytes:
        return self.server.answer(line)

    def handle(self) -> None:
        lines = protocol.LineReader(self.request, protocol.MAX_REQUEST)
        while not self.server.ending.is_set():
            try:
                line = lines.next(self.server.client_timeout)
            except protocol.LineTooLong:
                limit = protocol.MAX_REQUEST // 1024
                refusal = protocol.write_error(ConfigError(f"The request exceeds {limit} KiB. Send a shorter one."))
                send(self.request, refusal, self.server.client_timeout)
                return
            except OSError as error:
                _LOG.debug("Client disconnected: %s", error or "timeout")
                return
            if line is None or not send(self.request, self.answer(line), self.server.client_timeout):
                return


def send(connection: socket.socket, line: bytes, timeout: float) -> bool:
    """Send ``line``. Returns whether the client accepted it within ``timeout`` seconds."""
    try:
        connection.settimeout(timeout)
        connection.sendall(line)
    except OSError as error:
        _LOG.debug("Cannot send the response to a client: %s", error)
        return False
    return True
