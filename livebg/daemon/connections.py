"""A socket's connections, a thread each. Only for systems with UNIX sockets: :mod:`livebg.daemon.server` looks first."""

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
    """Listens from its making on. Raises OSError when it cannot."""

    request_queue_size = 32
    thread_name = "livebg control client"

    def __init__(
        self,
        path: Path,
        commands: Mapping[str, Command],
        timeout: float,
        most: int,
        handler: "type[Connection] | None" = None,
    ) -> None:
        self.patience = timeout
        self.ending = threading.Event()
        self._path = path
        self._commands = commands
        self._most = most
        self._threads_of: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        super().__init__(str(path), handler or Connection)

    def server_bind(self) -> None:
        """Bind a socket that is nobody else's from the first instant.

        Linux makes the file with the mode of the socket itself; where that cannot be set, the folder, which is private, keeps
        others out. The umask would be that of all threads.
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
            return protocol.write_refusal(error)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name=self.thread_name, daemon=True
        )
        with self._lock:
            welcome = len(self._threads_of) < self._most
            if welcome:
                self._threads_of[request] = thread
        if welcome:
            thread.start()
            return
        refusal = LivebgError(f"{self._most} others are connected to livebg at this moment: try again in a few seconds")
        send(request, protocol.write_refusal(refusal), timeout=0)
        self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._threads_of.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A command raised what is no LivebgError: a defect, which ends this connection alone."""
        error = sys.exception()
        _LOG.error("a command failed", exc_info=error)
        told = LivebgError(f"an internal error ({type(error).__name__}: {error}): look into the log of livebg and report it")
        send(request, protocol.write_refusal(told), self.patience)

    def dismiss(self, grace: float) -> None:
        """End the connections. An answer under way has ``grace`` seconds; who never returns, or does not read, is left behind."""
        self.ending.set()
        self._hang_up(socket.SHUT_RD)
        if not self._wait(grace):
            self._hang_up(socket.SHUT_RDWR)
            self._wait(grace)

    def _hang_up(self, how: int) -> None:
        with self._lock:
            for connection in self._threads_of:
                with suppress(OSError):
                    connection.shutdown(how)

    def _wait(self, timeout: float) -> bool:
        """Whether all are gone; the thread that asks, a command's perhaps, is not waited for."""
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = [thread for thread in self._threads_of.values() if thread is not threading.current_thread()]
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)


class Connection(socketserver.BaseRequestHandler):
    """Lines from a client, and an answer to each."""

    server: ConnectionServer

    def answer(self, line: bytes) -> bytes:
        return self.server.answer(line)

    def handle(self) -> None:
        lines = protocol.Lines(self.request, protocol.MAX_REQUEST)
        while not self.server.ending.is_set():
            try:
                line = lines.next(self.server.patience)
            except protocol.LineTooLong:
                most = protocol.MAX_REQUEST // 1024
                refusal = protocol.write_refusal(ConfigError(f"a request has more than {most} KiB: send a shorter one"))
                send(self.request, refusal, self.server.patience)
                return
            except OSError as error:
                _LOG.debug("a client is gone: %s", error or "it was silent for too long")
                return
            if line is None or not send(self.request, self.answer(line), self.server.patience):
                return


def send(connection: socket.socket, line: bytes, timeout: float) -> bool:
    """Whether the other side took it within ``timeout`` seconds."""
    try:
        connection.settimeout(timeout)
        connection.sendall(line)
    except OSError as error:
        _LOG.debug("a client does not take its answer: %s", error)
        return False
    return True
