"""The control protocol, version 2.

Messages are lines of JSON in UTF-8, each ended by a line feed, over a UNIX socket (``livebg.sock`` in the user's runtime folder,
mode 0600). A request is one line and has one response, in order; a connection may carry many requests.

    {"version": 2, "command": "status", "arguments": {}}
    {"version": 2, "ok": true, "result": {"state": "live", ...}}

    {"version": 2, "command": "stopp"}
    {"version": 2, "ok": false, "error": "Unknown command stopp. Use one of status, stop.", "exit_code": 2}

- ``version`` is an integer. A version other than the daemon's is rejected. Within a version, commands, arguments and response
  fields are only added: clients ignore unknown response fields, and the daemon ignores unknown request fields.
- ``command`` is a string; ``arguments`` is an optional object. Commands reject unknown arguments.
- ``result`` is any JSON. ``error`` is a message for the user, and ``exit_code`` the exit code of the command line for it (see
  :mod:`livebg.errors`).
- A request has at most 64 KiB. A longer one is rejected and ends the connection; other errors do not.
- The server disconnects clients that are idle, take several seconds for one request or do not read the response, and clients
  over the limit. Occasional clients should open a new connection per request.
- The field ``"more": true`` is reserved for commands with several responses (``watch``): it marks all but the last one.
"""

import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from livebg.errors import ConfigError, LivebgError, ModelError, SinkError, SourceError

VERSION: Final = 2
MAX_REQUEST: Final = 64 * 1024
MAX_ANSWER: Final = 1024 * 1024
"""Maximum bytes of a line without the line feed."""
_MAX_PATH_BYTES: Final = 103
"""Maximum bytes of a socket path that all systems allow; Linux allows 107."""
_ERRORS_BY_EXIT_CODE: Final = {kind.exit_code: kind for kind in (ConfigError, SourceError, SinkError, ModelError)}


class VersionMismatch(ConfigError):
    """The peer uses another protocol version: ``found``, None if it sent none."""

    def __init__(self, message: str, hint: str, found: int | None) -> None:
        super().__init__(message, hint)
        self.found = found


class LineTooLong(ValueError):
    """A line exceeds the size limit."""


class LineReader:
    """Reads lines of at most ``limit`` bytes from a socket, each with a timeout."""

    def __init__(self, connection: socket.socket, limit: int) -> None:
        self._connection = connection
        self._limit = limit
        self._buffer = bytearray()

    def next(self, timeout: float) -> bytes | None:
        """Return the next complete line without its line feed, or None if the peer closed the connection.

        Raises TimeoutError if the line is incomplete after ``timeout`` seconds, OSError if the connection is lost, and
        :class:`LineTooLong` for a line that is too long, after skipping it or on timeout.
        """
        deadline = time.monotonic() + timeout
        too_long = False
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > self._limit:
                too_long = True
                self._buffer.clear()
            try:
                self._connection.settimeout(remaining(deadline))
                chunk = self._connection.recv(65536)
            except TimeoutError:
                if too_long:
                    raise LineTooLong from None
                raise
            if not chunk:
                return None
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if too_long or len(line) > self._limit:
            raise LineTooLong
        return line

    def fill(self, target: memoryview, timeout: float) -> None:
        """Read the bytes after a line to fill ``target``, a view of bytes.

        Raises TimeoutError if they are incomplete after ``timeout`` seconds and OSError if the connection is lost or closed.
        """
        deadline = time.monotonic() + timeout
        here = min(len(self._buffer), len(target))
        target[:here] = self._buffer[:here]
        del self._buffer[:here]
        while here < len(target):
            self._connection.settimeout(remaining(deadline))
            count = self._connection.recv_into(target[here:])
            if not count:
                raise ConnectionResetError("The peer closed the connection.")
            here += count


def remaining(deadline: float) -> float:
    """Return the seconds until ``deadline`` of the monotonic clock. Raises TimeoutError if it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def write_request(command: str, arguments: Mapping[str, Any]) -> bytes:
    return _line({"version": VERSION, "command": command, "arguments": dict(arguments)})


def read_request(line: bytes) -> tuple[str, Mapping[str, Any]]:
    """Return the command and the arguments of a request. Raises :class:`~livebg.errors.ConfigError` if it is invalid."""
    fields = _parse_object(line, "request")
    _check_version(fields, "client", "Use the `livebg` command of the running release, or restart livebg with this one.")
    command, arguments = fields.get("command"), fields.get("arguments", {})
    if not isinstance(command, str):
        raise ConfigError("The request has no command.", 'Example: "command": "status".')
    if not isinstance(arguments, dict):
        raise ConfigError(f"The arguments of {_shown(command)} are not an object.", 'Example: "arguments": {}.')
    return command, arguments


def write_answer(result: Any) -> bytes:
    """Return a response line. Raises TypeError or ValueError if ``result`` is not JSON."""
    return _line({"version": VERSION, "ok": True, "result": result})


def write_error(error: LivebgError) -> bytes:
    return _line({"version": VERSION, "ok": False, "error": str(error), "exit_code": error.exit_code})


def read_answer(line: bytes) -> Any:
    """Return the result of a response.

    Raises the error reported by the daemon, with its :class:`~livebg.errors.LivebgError` class and message, and
    :class:`VersionMismatch` for another protocol version.
    """
    fields = _parse_object(line, "response")
    _check_version(fields, "livebg is running", "Restart it.")
    if fields.get("ok") is True and "result" in fields:
        return fields["result"]
    code = fields.get("exit_code")
    kind = _ERRORS_BY_EXIT_CODE.get(code, LivebgError) if isinstance(code, int) else LivebgError
    raise kind(str(fields.get("error", "livebg rejected the command without a reason. Check its log.")))


def unknown_command(name: str, known: Mapping[str, Any]) -> ConfigError:
    return ConfigError(f"Unknown command {_shown(name)}.", f"Use one of {', '.join(sorted(known))}.")


def check_path(path: Path) -> None:
    """Raise :class:`~livebg.errors.ConfigError` if the path is too long for a socket."""
    size = len(os.fsencode(path))
    if size > _MAX_PATH_BYTES:
        raise ConfigError(
            f"The path of the control socket {path} has {size} bytes; the maximum is {_MAX_PATH_BYTES}.",
            "Set XDG_RUNTIME_DIR to a shorter path.",
        )


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, allow_nan=False).encode() + b"\n"


def _parse_object(line: bytes, what: str) -> dict[str, Any]:
    try:
        # Decode explicitly: json would also accept UTF-16.
        fields = json.loads(line.decode("utf-8"), parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise ConfigError(
            f"The {what} is not a JSON object in UTF-8 on one line.", f"See version {VERSION} of the control protocol."
        )
    return fields


def _reject_constant(name: str) -> NoReturn:
    """Reject NaN and infinities, which Python's json accepts but JSON does not."""
    raise ValueError(name)


def _check_version(fields: Mapping[str, Any], peer: str, advice: str) -> None:
    found = fields.get("version")
    if type(found) is not int or found != VERSION:
        theirs = f"protocol version {_shown(found)}" if "version" in fields else "no protocol version"
        message = f"Incompatible {peer} ({theirs}, expected {VERSION})."
        raise VersionMismatch(message, advice, found if type(found) is int else None)


def _shown(value: object) -> str:
    """Return a peer's value for a message: quoted unless it is an identifier, at most 40 characters."""
    text = value if isinstance(value, str) and value.isidentifier() else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
