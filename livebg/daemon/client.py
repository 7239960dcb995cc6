"""The client of the control socket."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from livebg.daemon import protocol
from livebg.daemon.runtime_dir import SOCKET_NAME, running_pid, runtime_dir
from livebg.errors import ConfigError, LivebgError, NotRunningError

COMMAND_TIMEOUT_S: Final = 60.0
"""Maximum time for a command that changes something. Loading a large network takes several seconds."""
PAUSE_COMMANDS: Final = ("pause", "resume")
"""Commands that clients send in a thread of their own: a pause must not wait for an effect that is being loaded."""


def request(command: str, arguments: Mapping[str, Any] | None = None, *, path: Path | None = None, timeout: float = 2.0) -> Any:
    """Send a command to the running livebg and return its result. ``path`` is the socket, by default the user's.

    Raises :class:`~livebg.errors.NotRunningError` if livebg is not running, :class:`~livebg.errors.LivebgError` if it does not
    respond within ``timeout`` seconds, and the error reported by the daemon, with its class and message, if the command fails.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise ConfigError(
            "A running livebg accepts no commands on this system because Python has no UNIX sockets.", "Press Ctrl-C to stop it."
        )
    path = runtime_dir() / SOCKET_NAME if path is None else path
    protocol.check_path(path)
    deadline = time.monotonic() + timeout
    with readable_errors(path, command, timeout), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        connection.settimeout(protocol.remaining(deadline))
        with suppress(BrokenPipeError, ConnectionResetError):  # the server may have sent an error before closing
            connection.sendall(protocol.write_request(command, arguments or {}))
        line = protocol.LineReader(connection, protocol.MAX_ANSWER).next(protocol.remaining(deadline))
    if line is None:
        raise not_running(path)
    return protocol.read_answer(line)


@contextmanager
def readable_errors(path: Path, command: str, timeout: float) -> Iterator[None]:
    """Convert errors raised in the ``with`` block to those documented at :func:`request`."""
    try:
        yield
    except (BlockingIOError, TimeoutError):
        raise LivebgError(
            f"livebg{_pid_suffix(path)} did not respond within {timeout:g} s.", "Try again, or kill it by its pid."
        ) from None
    except (FileNotFoundError, NotADirectoryError, ConnectionError):
        raise not_running(path) from None
    except OSError as error:
        raise ConfigError(
            f"Cannot use the control socket {path} ({error.strerror}).", "Run the command as the user who runs livebg."
        ) from error
    except protocol.LineTooLong:
        raise LivebgError(f"The response to {command} exceeds {protocol.MAX_ANSWER // 1024} KiB.", "Report this bug.") from None


def not_running(path: Path) -> NotRunningError:
    """Return the error for a socket ``path`` without a server."""
    if running_pid(path.parent) is not None:
        return NotRunningError(
            f"livebg{_pid_suffix(path)} is starting or stopping and accepts no commands.", "Try again, or kill it by its pid."
        )
    return NotRunningError("livebg is not running.", "Start it with `livebg run`.")


def _pid_suffix(path: Path) -> str:
    pid = running_pid(path.parent)
    return f" (pid {pid})" if pid else ""
