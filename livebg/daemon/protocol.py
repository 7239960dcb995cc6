"""What the running livebg and those who ask it say to each other, in version 2.

Over a UNIX socket (``livebg.sock`` in the user's runtime folder, mode 0600) go lines of JSON in UTF-8, each ended by a line feed.
One request is one line and has one answer, in order; a connection may carry many.

    {"version": 2, "command": "status", "arguments": {}}
    {"version": 2, "ok": true, "result": {"state": "live", ...}}

    {"version": 2, "command": "stopp"}
    {"version": 2, "ok": false, "error": "stopp is no command: say one of status, stop", "exit_code": 2}

- ``version`` is an integer. Another one than the daemon's is refused. Within a version, commands, arguments and fields of answers
  are only ever added: whoever reads an answer passes over what it does not know, and so does the daemon with a request's fields.
- ``command`` is a string, ``arguments`` an object that may be left out. A command refuses arguments that it does not know.
- ``result`` is what the command has to tell, any JSON. ``error`` is one sentence for people, and ``exit_code`` what the command
  line ends with for it (see :mod:`livebg.errors`).
- A request has at most 64 KiB. A longer one is refused and ends the connection; anything else that is refused does not.
- A client that is silent for some seconds, takes that long over one request, or does not read its answer is hung up on, and so is
  one too many: whoever asks now and then connects anew each time.
- For commands that answer more than once (``watch``) the field ``"more": true`` is kept: it marks every answer of a request
  but the last one.
"""

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from livebg.errors import ConfigError, LivebgError, ModelError, SinkError, SourceError

VERSION: Final = 2
MAX_REQUEST: Final = 64 * 1024
MAX_ANSWER: Final = 1024 * 1024
"""Bytes of a line, without its end."""
_MAX_PATH: Final = 103
"""Bytes of a socket's path that every system allows; Linux allows 107."""
_KINDS: Final = {kind.exit_code: kind for kind in (ConfigError, SourceError, SinkError, ModelError)}


@dataclass(frozen=True, slots=True)
class Request:
    command: str
    arguments: Mapping[str, Any]


class OtherVersion(ConfigError):
    """The other side speaks another version of the protocol: ``found``, None where it told none."""

    def __init__(self, text: str, found: int | None) -> None:
        super().__init__(text)
        self.found = found


class LineTooLong(ValueError):
    """A line has more bytes than it may."""


class Lines:
    """Lines from a socket, each under a deadline and of at most ``limit`` bytes."""

    def __init__(self, connection: socket.socket, limit: int) -> None:
        self._connection = connection
        self._limit = limit
        self._rest = bytearray()

    def next(self, timeout: float) -> bytes | None:
        """The next line without its end, or None when the other side has hung up; half a line is no line.

        Raises TimeoutError when the line is not whole within ``timeout`` seconds, OSError when the connection is lost, and
        :class:`LineTooLong` for one that is too long, once its end was there to be passed over or the time was up.
        """
        deadline = time.monotonic() + timeout
        too_long = False
        while (end := self._rest.find(b"\n")) < 0:
            if len(self._rest) > self._limit:
                too_long = True
                self._rest.clear()
            try:
                chunk = self._received(deadline - time.monotonic())
            except TimeoutError:
                if too_long:
                    raise LineTooLong from None
                raise
            if not chunk:
                return None
            self._rest += chunk
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        if too_long or len(line) > self._limit:
            raise LineTooLong
        return line

    def fill(self, target: memoryview, timeout: float) -> None:
        """Read the bytes behind a line into all of ``target``, of bytes.

        Raises TimeoutError when they are not all there within ``timeout`` seconds, OSError when the connection is lost, also
        when the other side has hung up.
        """
        deadline = time.monotonic() + timeout
        here = min(len(self._rest), len(target))
        target[:here] = self._rest[:here]
        del self._rest[:here]
        while here < len(target):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._connection.settimeout(left)
            count = self._connection.recv_into(target[here:])
            if not count:
                raise ConnectionResetError("the other side has hung up")
            here += count

    def _received(self, left: float) -> bytes:
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv(65536)


def write_request(command: str, arguments: Mapping[str, Any]) -> bytes:
    return _line({"version": VERSION, "command": command, "arguments": dict(arguments)})


def read_request(line: bytes) -> Request:
    """Raises :class:`~livebg.errors.ConfigError` with what is wrong with it."""
    fields = _object(line, "a request")
    _check_version(fields, "client", "Use the `livebg` command of the running release, or restart livebg with this one.")
    command, arguments = fields.get("command"), fields.get("arguments", {})
    if not isinstance(command, str):
        raise ConfigError('a request has no command: say one, such as "command": "status"')
    if not isinstance(arguments, dict):
        raise ConfigError(f'the arguments of {_shown(command)} are no object: write "arguments": {{}}')
    return Request(command, arguments)


def write_answer(result: Any) -> bytes:
    """Raises TypeError or ValueError when ``result`` is not JSON."""
    return _line({"version": VERSION, "ok": True, "result": result})


def write_refusal(error: LivebgError) -> bytes:
    return _line({"version": VERSION, "ok": False, "error": str(error), "exit_code": error.exit_code})


def read_answer(line: bytes) -> Any:
    """The result; raises a :class:`~livebg.errors.LivebgError` of the daemon's kind with its sentence when it refused, and
    :class:`OtherVersion` when it is of another version."""
    fields = _object(line, "the answer of livebg")
    _check_version(fields, "livebg is running", "Restart it.")
    if fields.get("ok") is True and "result" in fields:
        return fields["result"]
    code = fields.get("exit_code")
    kind = _KINDS.get(code, LivebgError) if isinstance(code, int) else LivebgError
    raise kind(str(fields.get("error", "livebg refused without a reason: look into its log")))


def unknown_command(name: str, known: Mapping[str, Any]) -> ConfigError:
    return ConfigError(f"{_shown(name)} is no command: say one of {', '.join(sorted(known))}")


def check_path(path: Path) -> None:
    """Raises :class:`~livebg.errors.ConfigError` for a path that is too long for a socket."""
    size = len(os.fsencode(path))
    if size > _MAX_PATH:
        raise ConfigError(
            f"the control socket's path {path} has {size} bytes where {_MAX_PATH} are possible:"
            f" set XDG_RUNTIME_DIR to a shorter path"
        )


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, allow_nan=False).encode() + b"\n"


def _object(line: bytes, what: str) -> dict[str, Any]:
    try:
        # Told the encoding, since json would take UTF-16 as well.
        fields = json.loads(line.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise ConfigError(f"{what} is not one JSON object in UTF-8 on a line: write it as version {VERSION} of the protocol does")
    return fields


def _no_number(name: str) -> NoReturn:
    """Python's json reads NaN and the like, which are no JSON."""
    raise ValueError(name)


def _check_version(fields: Mapping[str, Any], peer: str, advice: str) -> None:
    found = fields.get("version")
    if type(found) is not int or found != VERSION:
        theirs = f"protocol version {_shown(found)}" if "version" in fields else "no protocol version"
        text = f"Incompatible {peer} ({theirs}, expected {VERSION}). {advice}"
        raise OtherVersion(text, found if type(found) is int else None)


def _shown(value: object) -> str:
    """Somebody else's word in a sentence: as it is, if it is short and plain."""
    text = value if isinstance(value, str) and value.isidentifier() else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
