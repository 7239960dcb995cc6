"""Asking the running livebg."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from livebg.daemon import protocol
from livebg.daemon.runtime_dir import running_pid, socket_path
from livebg.errors import ConfigError, LivebgError, NotRunningError


def ask(command: str, arguments: Mapping[str, Any] | None = None, *, path: Path | None = None, timeout: float = 2.0) -> Any:
    """The result of a command of the livebg that runs, within ``timeout`` seconds; ``path`` is its socket, by default the user's.

    Raises :class:`~livebg.errors.NotRunningError` when none runs, :class:`~livebg.errors.LivebgError` when it does not answer in
    time, and an error of the daemon's kind with the daemon's sentence when it refuses.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise ConfigError(
            "a running livebg takes no commands on this system, where Python has no UNIX sockets: end it with Ctrl-C"
        )
    path = socket_path() if path is None else path
    protocol.check_path(path)
    request = protocol.write_request(command, arguments or {})
    with spoken(path, command, timeout):
        line = _exchange(path, request, time.monotonic() + timeout)
    if line is None:
        raise not_running(path)
    return protocol.read_answer(line)


@contextmanager
def spoken(path: Path, command: str, timeout: float) -> Iterator[None]:
    """What is raised while the livebg behind the socket ``path`` is asked, as errors for people: those of :func:`ask`."""
    try:
        yield
    except (BlockingIOError, TimeoutError):
        raise LivebgError(f"livebg{_which(path)} did not answer within {timeout:g} s: try again, or end it by its pid") from None
    except (FileNotFoundError, NotADirectoryError, ConnectionError):
        raise not_running(path) from None
    except OSError as error:
        raise ConfigError(
            f"the control socket {path} cannot be used ({error.strerror}): ask as the user who runs livebg"
        ) from error
    except protocol.LineTooLong:
        raise LivebgError(f"livebg answered {command} with more than {protocol.MAX_ANSWER // 1024} KiB: report it") from None


def _exchange(path: Path, request: bytes, deadline: float) -> bytes | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_left(deadline))
        connection.connect(str(path))
        connection.settimeout(_left(deadline))
        with suppress(BrokenPipeError, ConnectionResetError):  # whoever hung up may have said why
            connection.sendall(request)
        return protocol.Lines(connection, protocol.MAX_ANSWER).next(_left(deadline))


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def not_running(path: Path) -> NotRunningError:
    """Nobody answers at the socket ``path``."""
    if running_pid(path.parent) is not None:
        return NotRunningError(
            f"livebg{_which(path)} is starting or stopping and takes no commands: try again, or end it by its pid"
        )
    return NotRunningError("livebg is not running: start it with `livebg run`")


def _which(path: Path) -> str:
    pid = running_pid(path.parent)
    return f" (pid {pid})" if pid else ""
